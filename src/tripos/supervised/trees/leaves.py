"""What happens to one leaf of a growing tree: which features it may use, how its rows part, where its histogram is.

A leaf is a row of integers and a row of numbers (see `split`); `state` holds where the tree as a whole is. All of it
is called by the kernel `grow`.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees.split import (
    BIN,
    BOUNDED,
    CATEGORICAL,
    DEPTH,
    DIRECTION,
    END,
    EXACT,
    FEATURE,
    G_UNIT,
    GAIN,
    H_UNIT,
    LEAST,
    LEFT_TOTAL,
    MASK,
    MAX_DEPTH,
    MIN_SPLIT,
    MISSING,
    MISSING_LEFT,
    MOST,
    N_LEAF,
    N_LEVEL,
    N_TRIED,
    NODE,
    SEED,
    SLOT,
    START,
    TOTAL,
    USABLE,
    leaf_value,
)

U = np.uint64
BEST_FIRST, BY_LEVEL, ANY_ORDER = range(3)

# Where a growing tree is.
PHASE, N_LEAVES, N_NODES, N_LEVELS, N_FREE, N_OPEN = range(6)
ASK_START, ASK_END, ASK_SLOT, ASK_ALL, ASK_COUNTS, SMALLER, LARGER, ASK_PART, MIDDLE, N_STATE = range(6, 16)
BEGIN, ROOT, CHOOSE, SMALL, LARGE, RECOUNTED, AGAIN, PARTED = range(8)

# A node of a finished tree, as integers and as numbers.
SPLIT_FEATURE, SPLIT_BIN, SPLIT_MISSING, LEFT_CHILD, ROWS, LEVELS, N_NODE = range(7)
VALUE, SPLIT_GAIN, N_NODE_NUMBERS = range(3)


@kernel
def mixed(x):  # type: ignore[no-untyped-def]
    """A word that looks random (splitmix64), from a word."""
    x = U(x) + U(0x9E3779B97F4A7C15)
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


@kernel
def draw(allowed, n, stream, key):  # type: ignore[no-untyped-def]
    """Takes away marks until n are left, by what looks like chance and depends on `stream` alone."""
    marked = 0
    for j in range(allowed.size):
        marked += allowed[j]
        key[j] = mixed(stream ^ U(j))
    for _ in range(marked - n):
        worst = -1
        for j in range(allowed.size):
            if allowed[j] and (worst < 0 or key[j] > key[worst]):
                worst = j
        allowed[worst] = 0


@kernel
def allow(leaf, integers, features, groups, member, allowed, key):  # type: ignore[no-untyped-def]
    """Marks the features a node may split on: those drawn for its level, among them those drawn for itself.

    `member[q]` says whether the node's path lies within group q.
    """
    for j in range(allowed.size):
        allowed[j] = features[USABLE, j]
    if integers[N_LEVEL] < allowed.size:
        draw(allowed, integers[N_LEVEL], mixed(U(integers[SEED]) + U(leaf[DEPTH])), key)
    for j in range(allowed.size):
        if groups.shape[0] > 0 and allowed[j]:
            allowed[j] = 0
            for q in range(groups.shape[0]):
                allowed[j] |= member[q] & groups[q, j]
    if integers[N_TRIED] < allowed.size:
        draw(allowed, integers[N_TRIED], mixed(U(integers[SEED]) ^ mixed(U(leaf[NODE]))), key)


@kernel
def part(bins, rows, start, end, goes_left, spare):  # type: ignore[no-untyped-def]
    """Rows on the left first, in their order, then those on the right; returns where the right begins."""
    here = rows[start:end]
    n_left, n_right = U(0), U(0)
    for i in range(U(here.size)):
        r = here[i]
        left = U(goes_left[bins[U(r)]])
        here[n_left] = r
        spare[n_right] = r
        n_left += left
        n_right += U(1) - left
    for i in range(n_right):
        here[n_left + i] = spare[i]
    return start + np.int64(n_left)


@kernel("u1[::1], u4[::1], i8, i8, u1[::1], u4[::1]")
def part_piece(bins, rows, start, end, goes_left, spare):  # type: ignore[no-untyped-def]
    """As `part`, but those on the right are left in `spare` from `start` on; returns how many are on the left."""
    here, there = rows[start:end], spare[start:end]
    n_left, n_right = U(0), U(0)
    for i in range(U(here.size)):
        r = here[i]
        left = U(goes_left[bins[U(r)]])
        here[n_left] = r
        there[n_right] = r
        n_left += left
        n_right += U(1) - left
    return np.int64(n_left)


def part_on_threads(
    bins: np.ndarray, rows: np.ndarray, start: int, end: int, goes_left: np.ndarray, spare: np.ndarray
) -> int:
    """As `part`, with the same rows in the same order, for many rows."""
    edges = np.linspace(start, end, thread_count() + 1).astype(np.int64).tolist()
    pieces = list(zip(edges[:-1], edges[1:], strict=True))
    held = parallel(lambda piece: int(part_piece(bins, rows, *piece, goes_left, spare)), pieces)
    middle = start + sum(held)
    left, right = start, middle
    for (first, _), n in zip(pieces, held, strict=True):  # a piece's left rows move down, over right ones
        rows[left : left + n] = rows[first : first + n]
        left += n
    for (first, last), n in zip(pieces, held, strict=True):
        rows[right : right + last - first - n] = spare[first : last - n]
        right += last - first - n
    return middle


@kernel("i8[::1], u8[::1], i8, u1[::1]")
def mark_left(leaf, levels, categorical, goes_left):  # type: ignore[no-untyped-def]
    """Which bins a split sends left."""
    if categorical:
        for b in range(256):
            goes_left[b] = np.uint8((levels[b >> 6] >> U(b & 63)) & U(1))
    else:
        for b in range(256):
            goes_left[b] = np.uint8(b <= leaf[BIN])
        goes_left[255] = np.uint8(leaf[MISSING_LEFT])


@kernel
def choose(state, leaves, limits, opened, order):  # type: ignore[no-untyped-def]
    """The leaf to split next, -1 for none. Without a limit on leaves the order is free: the last one opened."""
    if order == ANY_ORDER:
        if state[N_OPEN] == 0:
            return -1
        state[N_OPEN] -= 1
        return opened[state[N_OPEN]]
    best = -1
    for k in range(state[N_LEAVES]):
        if limits[k, GAIN] <= 0.0:
            continue
        if best < 0:
            best = k
        elif order == BEST_FIRST:
            if limits[k, GAIN] > limits[best, GAIN]:
                best = k
        elif leaves[k, DEPTH] < leaves[best, DEPTH]:
            best = k
    return best


@kernel
def take_slot(state, free, leaves, limits):  # type: ignore[no-untyped-def]
    """A place for a histogram; where all are taken, that of the leaf that gains least, but not of the latest two."""
    if state[N_FREE] > 0:
        state[N_FREE] -= 1
        return free[state[N_FREE]]
    worst = -1
    for k in range(state[N_LEAVES]):
        if leaves[k, SLOT] >= 0 and k != state[SMALLER] and k != state[LARGER]:
            if worst < 0 or limits[k, GAIN] < limits[worst, GAIN]:
                worst = k
    slot = leaves[worst, SLOT]
    leaves[worst, SLOT] = -1
    return slot


@kernel
def give_slot(state, free, leaf):  # type: ignore[no-untyped-def]
    """The leaf needs its histogram no more."""
    if leaf[SLOT] >= 0:
        free[state[N_FREE]] = leaf[SLOT]
        state[N_FREE] += 1
        leaf[SLOT] = -1


@kernel
def splittable(leaf, integers):  # type: ignore[no-untyped-def]
    """Whether rows and depth let the leaf be split at all."""
    return leaf[END] - leaf[START] >= integers[MIN_SPLIT] and leaf[DEPTH] < integers[MAX_DEPTH]


@kernel
def value_of(leaf, numbers, limits):  # type: ignore[no-untyped-def]
    """w of a leaf."""
    G, H = float(leaf[TOTAL] >> 32) * numbers[G_UNIT], float(leaf[TOTAL] & MASK) * numbers[H_UNIT]
    return leaf_value(G, H, numbers, limits[LEAST], limits[MOST])


@kernel
def write_split(  # type: ignore[no-untyped-def]
    leaf, gain, larger_left, features, state, levels, nodes, node_numbers, node_levels
):  # fmt: skip
    """The node of a leaf becomes a split; its children are the next two nodes."""
    node, j = leaf[NODE], leaf[FEATURE]
    nodes[node, SPLIT_FEATURE], nodes[node, SPLIT_BIN] = j, leaf[BIN]
    nodes[node, LEFT_CHILD], nodes[node, LEVELS] = state[N_NODES], -1
    nodes[node, SPLIT_MISSING] = leaf[MISSING_LEFT] if features[MISSING, j] else larger_left
    nodes[node, ROWS] = leaf[END] - leaf[START]
    node_numbers[node, SPLIT_GAIN], node_numbers[node, VALUE] = gain, 0.0
    if features[CATEGORICAL, j]:
        if not features[MISSING, j] and larger_left:  # levels unseen in training go with the larger side
            levels[3] |= U(1) << U(63)
        nodes[node, LEVELS] = state[N_LEVELS]
        for i in range(4):
            node_levels[state[N_LEVELS], i] = levels[i]
        state[N_LEVELS] += 1


@kernel
def divide(k, q, middle, features, groups, member, integers, numbers, state, leaves, limits):  # type: ignore[no-untyped-def]
    """The left side stays leaf k, the right side is leaf q."""
    left, right = leaves[k], leaves[q]
    j = left[FEATURE]
    for i in range(N_LEAF):
        right[i] = left[i]
    for g in range(groups.shape[0]):
        member[k, g] &= groups[g, j]
        member[q, g] = member[k, g]
    left[TOTAL], right[TOTAL] = left[LEFT_TOTAL], left[TOTAL] - left[LEFT_TOTAL]
    left[END], right[START] = middle, middle
    left[NODE], right[NODE] = state[N_NODES], state[N_NODES] + 1
    left[DEPTH], right[DEPTH] = left[DEPTH] + 1, left[DEPTH] + 1
    left[EXACT], right[EXACT], right[SLOT] = 0, 0, -1
    limits[q, LEAST], limits[q, MOST] = limits[k, LEAST], limits[k, MOST]
    limits[k, GAIN], limits[q, GAIN] = 0.0, 0.0
    direction = features[DIRECTION, j]
    if integers[BOUNDED] and direction:
        between = 0.5 * (value_of(left, numbers, limits[k]) + value_of(right, numbers, limits[q]))
        if direction > 0:
            limits[k, MOST], limits[q, LEAST] = between, between
        else:
            limits[k, LEAST], limits[q, MOST] = between, between
    state[N_NODES] += 2
    state[N_LEAVES] += 1


@kernel
def order_children(k, q, state, free, integers, leaves):  # type: ignore[no-untyped-def]
    """After a split into leaves k and q: the larger side keeps the parent's histogram; returns what comes next.

    SMALL wants the smaller side's, which is also what the larger side's comes from; LARGE wants the larger side's
    where the parent's is lost; CHOOSE wants nothing.
    """
    small, large = k, q
    if leaves[k, END] - leaves[k, START] <= leaves[q, END] - leaves[q, START]:
        leaves[q, SLOT], leaves[k, SLOT] = leaves[k, SLOT], -1
    else:
        small, large = q, k
    state[SMALLER], state[LARGER] = small, large
    if not splittable(leaves[large], integers):
        give_slot(state, free, leaves[large])
    elif leaves[large, SLOT] < 0 and not splittable(leaves[small], integers):
        return LARGE
    return SMALL if leaves[large, SLOT] >= 0 or splittable(leaves[small], integers) else CHOOSE


@kernel
def sum_of_rows(rows, packed, start, end):  # type: ignore[no-untyped-def]
    """The sum over rows[start:end]."""
    total = np.int64(0)
    for i in range(U(start), U(end)):
        total += packed[U(rows[i])]
    return total


@kernel
def clear_bins(h, widths, lane_sums):  # type: ignore[no-untyped-def]
    """0 where there are codes; a lane of two codes then costs two sums, not 256."""
    for j in range(widths.size):
        here = h[256 * j : 256 * j + 256]
        for b in range(U(widths[j])):
            here[b] = 0
        here[255] = 0
    for b in range(U(lane_sums), U(h.size)):
        h[b] = 0


@kernel
def subtract_bins(h, other, widths, lane_sums):  # type: ignore[no-untyped-def]
    """h -= other where there are codes."""
    for j in range(widths.size):
        here, there = h[256 * j : 256 * j + 256], other[256 * j : 256 * j + 256]
        for b in range(U(widths[j])):
            here[b] -= there[b]
        here[255] -= there[255]
    for b in range(U(lane_sums), U(h.size)):
        h[b] -= other[b]
