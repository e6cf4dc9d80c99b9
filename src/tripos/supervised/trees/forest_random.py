"""One extremely randomised tree for two classes, where every row counts once and nothing but depth and size limits it.

As `forest_grow` and `forest_scalar` grow it with random cuts, node for node, in fewer steps: a row is one word of 32 bits,
its number and above it its class; a side's rows and their second class are counted in one pass over bytes; what a side
holds is then known, so pure ones are leaves at once; and the rows part by the bins that the best column was read into.

With W rows in a node, S of the second class, l and s on the left, a cut gains (s - l S / W)^2 W / (l (W - l)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.forest_rows import (
    BETTER,
    BY_LEVELS,
    CHILD,
    COUNTED,
    FEATURE,
    GAIN,
    KEEP_ALL,
    MAX_DEPTH,
    MAX_LEAVES,
    MIN_GAIN,
    MIN_LEAF,
    MIN_SPLIT,
    MIN_WEIGHT,
    N_PROGRESS,
    N_TRIED,
    NODES,
    OPEN,
    RANDOM_CUTS,
    SPLIT,
    UNIT,
    VALUE,
    WEIGHT,
    draw_column,
    inlined,
    is_known,
    note_constant,
    put_back,
    reseed,
    unit,
)
from tripos.supervised.trees.forest_scalar import PERFECT

if TYPE_CHECKING:
    from tripos.supervised.trees.forest_fit import Plan, Rows, Target

U, W32 = np.uint64, np.uint32
ROW, CLASS = W32(0x7FFFFFFF), W32(31)
NARROW = 32  # below a share of 1/32 of the rows cells are read row by row
FEW = 32  # rows up to which bins are read and compared in one loop
PADDING = 16  # bytes behind a node's bins that count for nothing
FEATURE_OF, BIN_OF, BUFFER, LEFT, LEFT_SECOND, N_BEST = range(6)
START, END, NODE, DEPTH, SECOND, N_WAITING = range(6)


@kernel
def cut_between(centers, low, high, rng):  # type: ignore[no-untyped-def]
    """A bin low <= t < high, drawn as by `forest_rows.random_cut`.

    Every sixteenth centre stands behind the 256: comparing with all sixteen, and then with those between two of them, takes
    fewer steps that wait for one another than halving, and fewer cache lines.
    """
    v = centers[low] + unit(rng) * (centers[high] - centers[low])
    at, first = U(0), U(0)
    for k in range(U(256), U(272)):
        first += U(centers[k] <= v)
    first = (first - U(1)) * U(16)
    for k in range(first, first + U(16)):
        at += U(centers[k] <= v)
    return min(max(np.int64(first + at) - 1, low), high - 1)


@inlined
@kernel
def read_column(columns, cells, stride, j, keys, s, m, bins):  # type: ignore[no-untyped-def]
    """bins[:m] = the bins of a column in a node, 255 behind them; the lowest and the highest."""
    low, high = np.uint8(255), np.uint8(0)
    if m <= FEW:
        for i in range(U(m)):
            b = cells[U(keys[U(s) + i] & ROW) * U(stride) + U(j)]
            bins[i] = b
            low = min(low, b)
            high = max(high, b)
    else:
        if m * NARROW >= columns.shape[1]:
            column = columns[j]
            for i in range(U(m)):
                bins[i] = column[U(keys[U(s) + i] & ROW)]
        else:
            for i in range(U(m)):
                bins[i] = cells[U(keys[U(s) + i] & ROW) * U(stride) + U(j)]
        for i in range(U(m)):
            low = min(low, bins[i])
            high = max(high, bins[i])
    for i in range(U(m), U(m + PADDING)):
        bins[i] = np.uint8(255)
    return np.int64(low), np.int64(high)


@inlined
@kernel
def count_left(bins, t, keys, s, m):  # type: ignore[no-untyped-def]
    """Rows with a bin of at most t, and those of the second class among them."""
    edge, n, second = np.uint8(t), W32(0), W32(0)
    for i in range(U(m + PADDING - 1) // U(PADDING) * U(PADDING)):
        goes = W32(bins[i] <= edge)
        n = W32(n + goes)
        second = W32(second + (goes & (keys[U(s) + i] >> CLASS)))
    return np.int64(n), np.int64(second)


@inlined
@kernel
def split_pair(cells, stride, centers, keys, s, rng, perm, best):  # type: ignore[no-untyped-def]
    """A cut between two rows of different classes, if a column has one; all gain the same."""
    n, tried = centers.shape[0], 0
    a, b = U(keys[U(s)] & ROW) * U(stride), U(keys[U(s) + U(1)] & ROW) * U(stride)
    found = False
    while tried < n and not found:
        j = draw_column(rng, perm, tried, n)
        tried += 1
        x, y = np.int64(cells[a + U(j)]), np.int64(cells[b + U(j)])
        if x != y:
            best[FEATURE_OF], best[BIN_OF] = j, cut_between(centers[j], min(x, y), max(x, y), rng)
            first = U(0) if x < y else U(1)
            best[LEFT], best[LEFT_SECOND] = 1, np.int64(keys[U(s) + first] >> CLASS)
            found = True
    put_back(perm, tried)
    return 0.5 if found else -1.0


@inlined
@kernel
def search(data, keys, bins, s, m, S, n_tried, rng, perm, best, known):  # type: ignore[no-untyped-def]
    """The best of some random cuts, written into `best`: what it gains in rows, -1 where all columns are constant."""
    columns, cells, stride, centers = data
    n, tried, most, into = columns.shape[0], 0, -1.0, 0
    W = np.float64(m)
    mean, limit = S / W, PERFECT * (S * (W - S) / W)
    while tried < n and (tried < n_tried or most < 0.0):
        j = draw_column(rng, perm, tried, n)
        tried += 1
        if is_known(known, j):
            continue
        low, high = read_column(columns, cells, stride, j, keys, s, m, bins[into])
        if low == high:
            note_constant(known, j)
            continue
        t = cut_between(centers[j], low, high, rng)
        left, second = count_left(bins[into], t, keys, s, m)
        l = np.float64(left)
        D = second - l * mean
        gain = D * D * W / (l * (W - l))
        if gain > (most * BETTER if most > 0.0 else most):
            most = gain
            best[FEATURE_OF], best[BIN_OF], best[BUFFER] = j, t, into
            best[LEFT], best[LEFT_SECOND] = left, second
            into = 1 - into
            if most >= limit:
                break
    put_back(perm, tried)
    return most


@inlined
@kernel
def part(keys, spare, bins, t, s, m):  # type: ignore[no-untyped-def]
    """The rows with a bin of at most t before the others, both in their order."""
    edge, left, right = np.uint8(t), U(s), U(0)
    for i in range(U(m)):
        goes, key = U(bins[i] <= edge), keys[U(s) + i]
        keys[left] = key
        spare[right] = key
        left += goes
        right += U(1) - goes
    for i in range(right):
        keys[left + i] = spare[i]


@kernel
def write_leaf(nodes, found, node, m, S):  # type: ignore[no-untyped-def]
    nodes[node, FEATURE] = -1
    found[node, WEIGHT], found[node, GAIN], found[node, VALUE] = m, 0.0, S / np.float64(m)


@kernel
def add_child(nodes, found, waiting, progress, settings, keep, s, m, node, depth, S):  # type: ignore[no-untyped-def]
    """A leaf where a side is pure or as small as it may be; else it waits, and knows what row `keep` knows."""
    deep = settings[MAX_DEPTH] > 0 and depth >= settings[MAX_DEPTH]
    if S == 0 or S == m or m < settings[MIN_SPLIT] or deep:
        write_leaf(nodes, found, node, m, S)
        return
    at = progress[OPEN]
    progress[OPEN] += 1
    waiting[at, START], waiting[at, END], waiting[at, NODE] = s, s + m, node
    waiting[at, DEPTH], waiting[at, SECOND] = depth, S
    for k in range(U(N_WAITING), U(waiting.shape[1])):
        waiting[at, k] = waiting[keep, k]


@kernel(
    "Tuple((u1[:, ::1], u1[::1], i8, f8[:, ::1])), u4[::1], u4[::1], u1[:, ::1], u8[::1], i8[:, ::1], i8[::1], "
    "Tuple((i8[:, ::1], f8[:, ::1], i8[:, ::1], i8[::1])), i8[::1], f8[::1], i8"
)
def grow_random(data, keys, spare, bins, rng, perm, best, tree, settings, numbers, budget):  # type: ignore[no-untyped-def]
    """Grows until the tree is finished, or `budget` rows were looked at; True when it is finished."""
    nodes, found, waiting, progress = tree
    keep = waiting.shape[0] - 1  # no leaf's
    factor = numbers[UNIT] * numbers[UNIT]
    while progress[OPEN] > 0:
        progress[OPEN] -= 1
        at = progress[OPEN]
        s, m, node = waiting[at, START], waiting[at, END] - waiting[at, START], waiting[at, NODE]
        depth, S = waiting[at, DEPTH], waiting[at, SECOND]
        for k in range(U(N_WAITING), U(waiting.shape[1])):
            waiting[keep, k] = waiting[at, k]
        reseed(rng, node)
        if m == 2:
            gain = split_pair(data[1], data[2], data[3], keys, s, rng, perm, best)
        else:
            gain = search(
                data, keys, bins, s, m, S, settings[N_TRIED], rng, perm, best, waiting[keep, N_WAITING:]
            )
        gain *= factor
        if gain < 0.0 or gain + 1e-12 < numbers[MIN_GAIN]:
            write_leaf(nodes, found, node, m, S)
            continue
        left, second, child = best[LEFT], best[LEFT_SECOND], progress[NODES]
        progress[NODES] += 2
        nodes[node, FEATURE], nodes[node, CHILD], nodes[node, BY_LEVELS] = best[FEATURE_OF], child, -1
        nodes[node, SPLIT] = best[BIN_OF] + 256 * np.int64(2 * left >= m)  # a missing cell goes where most go
        found[node, WEIGHT], found[node, GAIN] = m, gain
        if m > 2:
            part(keys, spare, bins[best[BUFFER]], best[BIN_OF], s, m)
        add_child(
            nodes,
            found,
            waiting,
            progress,
            settings,
            keep,
            s + left,
            m - left,
            child + 1,
            depth + 1,
            S - second,
        )
        add_child(nodes, found, waiting, progress, settings, keep, s, left, child, depth + 1, second)
        budget -= m
        if budget < 0:
            return progress[OPEN] == 0
    return True


def counts_rows(rows: Rows, target: Target, plan: Plan, weight: np.ndarray | None) -> bool:
    """Whether trees are such as this file grows."""
    settings = plan.settings
    free = settings[RANDOM_CUTS] and settings[COUNTED] and not (settings[KEEP_ALL] or settings[MAX_LEAVES])
    free = free and settings[MIN_LEAF] <= 1 and plan.numbers[MIN_WEIGHT] == 0.0 and plan.alpha == 0.0
    alike = weight is None and plan.balance is None and not plan.bootstrap and target.scalar
    plain = not (rows.gappy.any() or rows.categorical.any() or plan.directions.size)
    return bool(free and alike and plain and rows.columns.shape[1] < 1 << 31)


class Counting:
    """The memory one thread grows such trees in."""

    def __init__(self, n: int, open_leaves: int, words: int) -> None:
        self.keys, self.spare = np.zeros(n + PADDING, np.uint32), np.empty(n, np.uint32)
        self.bins = np.empty((2, n + PADDING), np.uint8)
        self.waiting = np.zeros((open_leaves + 1, N_WAITING + words), np.int64)

    def grow(
        self,
        rows: Rows,
        target: Target,
        plan: Plan,
        nodes: np.ndarray,
        found: np.ndarray,
        rng: Any,
        budget: int,
    ) -> np.ndarray:
        """Writes a tree; how far it is."""
        F, n = rows.columns.shape
        self.keys[:n] = np.arange(n, dtype=np.uint32) | (target.q.astype(np.uint32) << CLASS)
        numbers, progress = plan.numbers.copy(), np.zeros(N_PROGRESS, np.int64)
        numbers[MIN_GAIN] *= n
        numbers[UNIT] = target.unit
        second = int(target.q.sum())
        progress[[OPEN, NODES]] = 1
        if second in (0, n) or n < plan.settings[MIN_SPLIT]:
            progress[OPEN] = 0
            nodes[0, FEATURE] = -1
            found[0, [WEIGHT, GAIN, VALUE]] = n, 0.0, second / n
        self.waiting[0] = 0
        self.waiting[0, [END, SECOND]] = n, second
        perm = np.tile(np.arange(F, dtype=np.int64), (2, 1))
        data = (rows.columns, rows.cells, rows.stride, rows.centers)
        tree, best = (nodes, found, self.waiting, progress), np.zeros(N_BEST, np.int64)
        work = (self.keys, self.spare, self.bins, rng, perm, best)
        while not grow_random(data, *work, tree, plan.settings, numbers, budget):  # type: ignore[call-arg]
            pass
        return progress
