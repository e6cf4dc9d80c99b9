"""One tree of a forest, grown to its end: depth first, or the split that gains most first where leaves are counted.

    while a leaf waits:
        the best split over some features drawn at random is sought among its rows
        its rows part in place, and both sides wait

`grow_scalar` and `grow_vector` run this loop for one number a row and for several; both return to Python after some
work, and are called again, so that a fit can be interrupted.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import log
from tripos.supervised.trees.forest_rows import (
    BY_LEVELS,
    CHILD,
    CRITERION,
    DEPTH,
    END,
    FEATURE,
    FOUND_BIN,
    FOUND_FEATURE,
    FOUND_LEVELS,
    FOUND_SIDE,
    GAIN,
    HIGH,
    IMPURITY,
    KEEP_ALL,
    LEAVES,
    LEVEL_SETS,
    LOW,
    MAX_DEPTH,
    MAX_LEAVES,
    MIN_GAIN,
    MIN_LEAF,
    MIN_SPLIT,
    MIN_WEIGHT,
    N_WAITING,
    NODE,
    NODES,
    OFFER,
    OPEN,
    POISSON,
    ROW,
    SHARES,
    SPLIT,
    SQUARED,
    START,
    UNIT,
    VALUE,
    WEIGHT,
    WEIGHT_AT,
    WEIGHT_UNIT,
    inlined,
    part_rows,
    read_bins,
    reseed,
)
from tripos.supervised.trees.forest_scalar import read_values, search_scalar
from tripos.supervised.trees.forest_vector import purity_of_node, read_amounts, search_vector

U = np.uint64
ASK = -2.0  # offered by a leaf whose split is not known
SIDE = 256  # in SPLIT: missing cells go left
DATA = "Tuple((u1[:, ::1], u1[::1], i8, u1[::1], u1[::1], f8[:, ::1], i8[::1]))"
WORK = "Tuple((u8[::1], i4[::1], u8[::1], u1[::1], i8[::1], u8[::1]))"
TREE = "Tuple((i8[:, ::1], f8[:, ::1], i8[:, ::1], f8[:, ::1], u8[:, ::1], i8[::1]))"
CHOICE = "Tuple((u8[::1], i8[:, ::1], i8[::1], u8[::1], u8[::1], i4[::1]))"


@kernel
def too_small(settings, numbers, m, W, depth):  # type: ignore[no-untyped-def]
    """Whether limits forbid to split a node of m rows and weight W."""
    return (
        m < settings[MIN_SPLIT]
        or m < 2 * settings[MIN_LEAF]
        or W < 2.0 * numbers[MIN_WEIGHT]
        or (settings[MAX_DEPTH] > 0 and depth >= settings[MAX_DEPTH])
    )


@kernel
def write_node(tree, node, gain, numbers, best, best_bits):  # type: ignore[no-untyped-def]
    """The split that was found, or a leaf where it gains too little; returns what is offered for it."""
    nodes, values, _, _, level_bits, progress = tree
    if gain < 0.0 or gain + 1e-12 < numbers[MIN_GAIN]:
        nodes[node, FEATURE] = -1
        return -1.0
    nodes[node, FEATURE] = best[FOUND_FEATURE]
    nodes[node, SPLIT] = best[FOUND_BIN] + SIDE * best[FOUND_SIDE]
    nodes[node, BY_LEVELS] = -1
    if best[FOUND_LEVELS]:
        row = progress[LEVEL_SETS]
        progress[LEVEL_SETS] += 1
        nodes[node, BY_LEVELS] = row
        for k in range(4):
            level_bits[row, k] = best_bits[k]
    values[node, GAIN] = gain
    return gain


@inlined
@kernel
def divide(data, work, choice, tree, at):  # type: ignore[no-untyped-def]
    """Parts the rows of the waiting leaf `at` by its split; its children wait behind the others."""
    columns, cells, stride, _, _, _, directions = data
    keys, q, _, bins, _, _ = work
    _, _, best, bits, spare, spare_q = choice
    nodes, _, waiting, bounds, level_bits, progress = tree
    s, e, node, depth = waiting[at, START], waiting[at, END], waiting[at, NODE], waiting[at, DEPTH]
    low, high = bounds[at, LOW], bounds[at, HIGH]
    j, m = nodes[node, FEATURE], e - s
    noted, keep = U(waiting.shape[1]), U(waiting.shape[0] - 1)  # the last row is no leaf's
    for k in range(U(N_WAITING), noted):
        waiting[keep, k] = waiting[at, k]
    best[FOUND_BIN], side = nodes[node, SPLIT] % SIDE, nodes[node, SPLIT] // SIDE
    best[FOUND_SIDE] = side % 2
    best[FOUND_LEVELS] = nodes[node, BY_LEVELS] >= 0
    if best[FOUND_LEVELS]:
        for k in range(4):
            bits[k] = level_bits[nodes[node, BY_LEVELS], k]
    read_bins(columns, cells, stride, j, keys, s, m, bins)
    n_left, weight, total = part_rows(bins, m, best, bits, keys, q, s, spare, spare_q)
    middle = s + n_left
    if side == 2:  # no cell was missing here: one that is goes where most are
        side = np.int64(2 * weight >= total)
        if best[FOUND_LEVELS] and side:
            level_bits[nodes[node, BY_LEVELS], 3] |= U(1) << U(63)
    nodes[node, SPLIT] = best[FOUND_BIN] + SIDE * side
    child = progress[NODES]
    nodes[node, CHILD] = child
    progress[NODES] += 2
    progress[LEAVES] += 1
    progress[OPEN] -= 1
    last = progress[OPEN]
    for k in range(noted):
        waiting[at, k] = waiting[last, k]
    for k in range(3):
        bounds[at, k] = bounds[last, k]
    left_high, right_low, left_low, right_high = high, low, low, high
    if directions.size and directions[j]:
        between = (mean_of(keys, q, s, middle) + mean_of(keys, q, middle, e)) / 2.0
        if directions[j] > 0:
            left_high, right_low = between, between
        else:
            left_low, right_high = between, between
    push(tree, middle, e, child + 1, depth + 1, right_low, right_high)
    push(tree, s, middle, child, depth + 1, left_low, left_high)


@kernel
def push(tree, s, e, node, depth, low, high):  # type: ignore[no-untyped-def]
    """A leaf that waits."""
    _, _, waiting, bounds, _, progress = tree
    at, keep = progress[OPEN], U(waiting.shape[0] - 1)
    progress[OPEN] += 1
    for k in range(U(N_WAITING), U(waiting.shape[1])):
        waiting[at, k] = waiting[keep, k]
    waiting[at, START], waiting[at, END], waiting[at, NODE], waiting[at, DEPTH] = s, e, node, depth
    bounds[at, LOW], bounds[at, HIGH], bounds[at, OFFER] = low, high, ASK


@kernel
def to_ask(tree):  # type: ignore[no-untyped-def]
    """The last waiting leaf whose split is not known, -1 where all are."""
    at = tree[5][OPEN] - 1
    while at >= 0 and tree[3][at, OFFER] != ASK:
        at -= 1
    return at


@kernel
def mean_of(keys, q, s, e):  # type: ignore[no-untyped-def]
    """The mean of the values of some rows."""
    total, weight = 0.0, 0.0
    for i in range(U(s), U(e)):
        w = np.float64(np.int64(keys[i] >> WEIGHT_AT))
        total += w * q[i]
        weight += w
    return total / weight


@kernel
def most_offered(tree):  # type: ignore[no-untyped-def]
    """The waiting leaf whose split gains most."""
    _, _, _, bounds, _, progress = tree
    at = 0
    for i in range(1, progress[OPEN]):
        if bounds[i, OFFER] > bounds[at, OFFER]:
            at = i
    return at


@inlined
@kernel
def consider_scalar(data, work, hist, choice, tree, settings, numbers, y, at):  # type: ignore[no-untyped-def]
    """Writes a waiting leaf's numbers, and the split that is best for it; what it gains, -1 where it stays a leaf."""
    keys, q, values, _, _, _ = work
    rng, perm, best, best_bits, _, _ = choice
    nodes, found, waiting, bounds, _, _ = tree
    s, e, node, depth = waiting[at, START], waiting[at, END], waiting[at, NODE], waiting[at, DEPTH]
    m = e - s
    total, base, shift, pure = read_values(
        keys, q, s, m, settings[CRITERION] == POISSON, settings[KEEP_ALL], values
    )
    W = np.float64(np.int64(total & ROW))
    scale = 2.0**shift
    factor = numbers[UNIT]
    if settings[CRITERION] == POISSON:
        factor *= scale
    elif settings[CRITERION] == SQUARED:
        factor *= factor * scale * scale
    factor *= numbers[WEIGHT_UNIT]
    found[node, WEIGHT], found[node, GAIN] = W * numbers[WEIGHT_UNIT], 0.0
    gain = -1.0
    if not pure and not too_small(settings, numbers, m, W, depth):
        low, high = (bounds[at, LOW] - base) / scale, (bounds[at, HIGH] - base) / scale
        reseed(rng, node)
        gain = search_scalar(
            data,
            work,
            hist,
            settings,
            numbers,
            rng,
            s,
            m,
            total,
            scale * scale,
            low,
            high,
            perm,
            best,
            best_bits,
            waiting[at, N_WAITING:],
        )
        gain = write_node(tree, node, gain * factor, numbers, best, best_bits)
    else:
        nodes[node, FEATURE] = -1
    if gain < 0.0 or settings[KEEP_ALL]:
        S = np.float64(np.int64(total >> WEIGHT_AT))
        found[node, VALUE] = base + S / W
        if y.size:
            found[node, VALUE] = mean_of_targets(keys, y, s, e)
        if data[6].size:
            mean = mean_of(keys, q, s, e)
            beyond = min(max(mean, bounds[at, LOW]), bounds[at, HIGH]) - mean
            found[node, VALUE] += beyond * (numbers[UNIT] if y.size else 1.0)
        if settings[KEEP_ALL]:
            found[node, IMPURITY] = factor * spread(settings[CRITERION], values, m, S, W)
    return gain


@kernel
def mean_of_targets(keys, y, s, e):  # type: ignore[no-untyped-def]
    total, weight = 0.0, 0.0
    for i in range(U(s), U(e)):
        w = np.float64(np.int64(keys[i] >> WEIGHT_AT))
        total += w * y[keys[i] & ROW]
        weight += w
    return total / weight


@kernel
def spread(criterion, values, m, S, W):  # type: ignore[no-untyped-def]
    """Weight times impurity of a node, in units of the values."""
    a = 0.0
    for i in range(U(m)):
        w = np.float64(np.int64(values[i] & ROW))
        v = np.float64(np.int64(values[i] >> WEIGHT_AT)) / w
        if criterion == SQUARED:
            a += w * (v - S / W) * (v - S / W)
        elif criterion == POISSON and v > 0.0:
            a += w * v * log(v * W / S)
    if criterion != SQUARED and criterion != POISSON:
        for n in (S, W - S):
            if n > 0.0:
                a -= n * log(n / W)
    return a


@kernel(
    f"{DATA}, {WORK}, Tuple((u8[::1], i8[::1], u8[::1], i4[::1], i4[::1], f4[::1], i8[::1], f8[::1])), {CHOICE}, {TREE}, i8[::1], f8[::1], f8[::1], i8"
)
def grow_scalar(data, work, hist, choice, tree, settings, numbers, y, budget):  # type: ignore[no-untyped-def]
    """Grows until the tree is finished, or `budget` rows were looked at; True when it is finished."""
    bounds, progress = tree[3], tree[5]
    while progress[OPEN] > 0:
        at = to_ask(tree)
        if at >= 0:
            budget -= tree[2][at, END] - tree[2][at, START]
            bounds[at, OFFER] = consider_scalar(data, work, hist, choice, tree, settings, numbers, y, at)
            if settings[MAX_LEAVES]:
                continue
            if bounds[at, OFFER] < 0.0:
                progress[OPEN] -= 1
                continue
        else:
            at = most_offered(tree)
            if bounds[at, OFFER] < 0.0 or progress[LEAVES] >= settings[MAX_LEAVES]:
                break
        divide(data, work, choice, tree, at)
        if budget < 0:
            return False
    close(tree)
    return True


@kernel
def close(tree):  # type: ignore[no-untyped-def]
    """What still waits is a leaf."""
    nodes, found, waiting, _, _, progress = tree
    for i in range(progress[OPEN]):
        nodes[waiting[i, NODE], FEATURE] = -1
        found[waiting[i, NODE], GAIN] = 0.0
    progress[OPEN] = 0


@kernel
def write_shares(sums, W, codes, centers, pure, shares, progress):  # type: ignore[no-untyped-def]
    """The number of a leaf's answer: the class of a pure one, or D + k for the k-th that is written out."""
    places, parts, ends = shares
    D = sums.size
    if pure and codes.shape[1] == 1:
        for d in range(D):
            if sums[d] > 0.0:
                return d
    k = progress[SHARES]
    at = ends[k]
    for d in range(D):
        if sums[d] != 0.0 or codes.shape[1] == 0:
            places[at] = np.int32(d)
            parts[at] = np.float32(sums[d] / W + (centers[d] if codes.shape[1] == 0 else 0.0))
            at += 1
    ends[k + 1] = at
    progress[SHARES] = k + 1
    return D + k


@inlined
@kernel
def consider_vector(data, work, amounts_of, hist, tools, choice, tree, settings, numbers, given, shares, at):  # type: ignore[no-untyped-def]
    """As `consider_scalar`; the node's value is the number of its answer."""
    keys = work[0]
    codes, targets, centers = given
    rng, perm, best, best_bits, _, _ = choice
    nodes, found, waiting, _, _, progress = tree
    s, e, node, depth = waiting[at, START], waiting[at, END], waiting[at, NODE], waiting[at, DEPTH]
    m, sums, T = e - s, hist[7], max(codes.shape[1], targets.shape[1])
    W, pure = read_amounts(keys, s, m, codes, targets, amounts_of, sums)
    factor = numbers[UNIT] * numbers[WEIGHT_UNIT]
    found[node, WEIGHT], found[node, GAIN] = W * numbers[WEIGHT_UNIT], 0.0
    gain = -1.0
    if not pure and not too_small(settings, numbers, m, W, depth):
        reseed(rng, node)
        gain = search_vector(
            data, work, amounts_of, hist, settings, numbers, rng, s, m, W, T, perm, best, best_bits,
            waiting[at, N_WAITING:], tools,
        )  # fmt: skip
        gain = write_node(tree, node, gain * factor, numbers, best, best_bits)
    else:
        nodes[node, FEATURE] = -1
    if gain < 0.0 or settings[KEEP_ALL]:
        found[node, VALUE] = write_shares(sums, W, codes, centers, pure, shares, progress)
    if settings[KEEP_ALL]:
        whole = T * W if settings[CRITERION] == SQUARED else 0.0
        if targets.shape[1]:
            whole = 0.0
            for i in range(m * T):
                whole += amounts_of[1][i] * amounts_of[1][i] / amounts_of[2][i // T]
        found[node, IMPURITY] = factor * (whole - purity_of_node(settings[CRITERION], sums, W, T))
    return gain


@kernel(
    f"{DATA}, {WORK}, Tuple((i4[::1], f8[::1], f8[::1], i4[::1])), Tuple((f8[:, ::1], f8[::1], i8[::1], u8[::1], i8[::1], f8[::1], f8[::1], f8[::1])), Tuple((i4[::1], u8[::1], f8[::1], f8[::1], u8[::1], u8[::1], i4[::1])), {CHOICE}, {TREE}, i8[::1], f8[::1], Tuple((i4[:, ::1], f8[:, ::1], f8[::1])), Tuple((i4[::1], f4[::1], i8[::1])), i8"
)
def grow_vector(data, work, amounts_of, hist, tools, choice, tree, settings, numbers, given, shares, budget):  # type: ignore[no-untyped-def]
    """As `grow_scalar`, for several sums a row."""
    bounds, progress = tree[3], tree[5]
    while progress[OPEN] > 0:
        at = to_ask(tree)
        if at >= 0:
            budget -= tree[2][at, END] - tree[2][at, START]
            bounds[at, OFFER] = consider_vector(
                data, work, amounts_of, hist, tools, choice, tree, settings, numbers, given, shares, at
            )
            if settings[MAX_LEAVES]:
                continue
            if bounds[at, OFFER] < 0.0:
                progress[OPEN] -= 1
                continue
        else:
            at = most_offered(tree)
            if bounds[at, OFFER] < 0.0 or progress[LEAVES] >= settings[MAX_LEAVES]:
                break
        divide(data, work, choice, tree, at)
        if budget < 0:
            return False
    close(tree)
    return True
