"""Growing one exact tree, with threads.

**For forests**: `grow_tree(columns, target, limits, seed)` grows one tree and parts `columns` in doing so. Sort once
with `cart_sort.sort_columns(X)`; for each tree pass `columns.of_rows(counts > 0)`, a copy without the rows that were not
drawn, and `rows`, those that were; the target is made once per tree with the counts as weights
(`cart_target.class_target(codes, n_classes, criterion, counts)`, where weights of rows outside `rows` do not
matter). `limits.max_features` columns are drawn in each node from a hash of the seed and the node's place in the tree. From
inside a thread's piece it runs on that thread alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import float_bits
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees import cart_grow as g
from tripos.supervised.trees.cart_scan import LOSSES
from tripos.supervised.trees.cart_sort import HALF, MISSING, SortedColumns, value_of
from tripos.supervised.trees.cart_target import Target, by_target

U = np.uint64
FLAG_LEVELS, FLAG_MISSING, FEATURE_BITS = np.uint32(1 << 31), np.uint32(1 << 30), np.uint32((1 << 30) - 1)


@dataclass(frozen=True)
class Limits:
    """What a tree may become; named as the parameters of `DecisionTreeClassifier`, in numbers of rows and columns."""

    min_samples_split: int = 2
    min_samples_leaf: int = 1
    min_weight_leaf: float = 0.0
    max_depth: int | None = None
    max_features: int | None = None
    max_leaf_nodes: int | None = None
    min_impurity_decrease: float = 0.0
    random_splits: bool = False
    directions: np.ndarray | None = None


@dataclass(eq=False)
class Grown:
    """A finished tree, or a subtree, node after node: parents first, and a left child behind its parent.

    Attributes
    ----------
    nodes : uint32 ndarray of shape (n_nodes, 3)
        Feature and flags, bits of the float32 threshold (or the row of `levels`), right child; a leaf's is itself.
    numbers : float64 ndarray of shape (n_nodes, 5 + n_sums + n_outputs)
        Weight, gain times weight, bounds and impurity; the sums of `Target`; for numbers what a leaf says.
    rows : uint32 ndarray of shape (n_nodes,)
    levels : uint64 ndarray of shape (n_level_splits, 4)
    """

    nodes: np.ndarray
    numbers: np.ndarray
    rows: np.ndarray
    levels: np.ndarray


@kernel(f"{g.TREE}, i8[::1], u4[:, ::1], f8[:, ::1], u4[::1], u8[:, ::1]", strict=True)
def write_preorder(tree, stack, nodes, numbers, rows, levels):  # type: ignore[no-untyped-def]
    """Writes a tree's nodes out, each left child behind its parent; returns how many splits are on levels."""
    ints, floats, bits = tree[0], tree[1], tree[2]
    stack[0] = 0
    stack[1] = -1  # whose right child it is
    top, at, n_levels = 1, 0, 0
    while top > 0:
        top -= 1
        i, parent = stack[2 * top], stack[2 * top + 1]
        if parent >= 0:
            nodes[parent, 2] = np.uint32(at)
        for c in range(numbers.shape[1]):
            numbers[at, c] = floats[i, c]
        rows[at] = np.uint32(ints[i, g.END] - ints[i, g.BEGIN])
        nodes[at, 0], nodes[at, 1], nodes[at, 2] = np.uint32(0), np.uint32(0x7FC00000), np.uint32(at)
        if ints[i, g.LEFT] >= 0:
            flags = U(ints[i, g.FEATURE]) | (U(ints[i, g.SIDE]) << U(30))
            if ints[i, g.LEVEL_ROW] >= 0:
                for word in range(4):
                    levels[n_levels, word] = bits[ints[i, g.LEVEL_ROW], word]
                nodes[at, 1] = np.uint32(n_levels)
                flags |= U(1 << 31)
                n_levels += 1
            else:
                nodes[at, 1] = threshold_bits(ints[i, g.CUT_LOW], ints[i, g.CUT_HIGH])
            nodes[at, 0] = np.uint32(flags)
            stack[2 * top], stack[2 * top + 1] = ints[i, g.RIGHT], at
            stack[2 * top + 2], stack[2 * top + 3] = ints[i, g.LEFT], -1
            top += 2
        else:
            numbers[at, g.GAIN] = 0.0
        at += 1
    return n_levels


@kernel(strict=True)
def threshold_bits(low, high):  # type: ignore[no-untyped-def]
    """The bits of the float32 in the middle of two keys' values, never that of the upper one."""
    a = value_of(low)
    if low == high:
        return float_bits(a)
    if high == MISSING:
        return np.uint32(0x7F800000)
    b = value_of(high)
    middle = np.float32(0.5 * np.float64(a) + 0.5 * np.float64(b))
    return float_bits(middle if middle < b else a)


class Growing:
    """The memory of a tree, or of a subtree, while it grows."""

    def __init__(
        self, columns: SortedColumns, target: Target, limits: Limits, shared: Sequence[np.ndarray], n: int
    ) -> None:
        self.columns, self.target, self.limits, self.n = columns, target, limits, n
        self.place, self.ranks = (shared[0], shared[1], target.y), shared[2]
        self.shared = shared
        p, most = len(columns.begin), limits.max_leaf_nodes or 0
        self.width = p + target.n_outputs
        depth = 1 << 40 if limits.max_depth is None else limits.max_depth
        directions = (
            np.zeros(p, np.int64) if limits.directions is None else limits.directions.astype(np.int64)
        )
        head = [target.kind, target.criterion, target.n_outputs, limits.min_samples_leaf]
        head += [
            limits.min_samples_split,
            depth,
            p if limits.max_features is None else limits.max_features,
            p,
        ]
        self.opts = np.array(
            [*head, limits.random_splits, most > 0, most, limits.directions is not None], dtype=np.int64
        )
        self.numbers = np.array(
            [limits.min_weight_leaf * target.weight_scale, limits.min_impurity_decrease, target.total]
            + [target.unit, target.center, target.scale]
        )
        nodes = 2 * min(n, most or n, 1 << min(depth, 40)) + 1
        levels = nodes if columns.categorical.any() else 1
        numbers = g.FIRST + target.n_sums + target.y.shape[1]
        self.tree = (
            *(np.empty((nodes, g.N_INTS), np.int64), np.empty((nodes, numbers))),
            np.empty((levels, 8), np.uint64),
        )
        slots = min(most, n) + 4 if most else g.SLOTS
        self.front = (
            np.empty((slots, self.width, 3), np.int64),
            np.zeros((6, max(slots, self.width) + 5), np.int64),
        )
        self.front[1][g.FREE, :slots] = np.arange(slots)[::-1]
        self.counts[g.N_FREE] = slots
        kinds = np.zeros((3, p), np.int64)
        kinds[g.DEFAULT], kinds[g.CATEGORICAL], kinds[g.DIRECTION] = (
            columns.default,
            columns.categorical,
            directions,
        )
        self.cols = (columns.entries, kinds)
        self.mine = self.scratch(n)

    @property
    def counts(self) -> np.ndarray:
        return np.asarray(self.front[1][g.COUNTS])

    def scratch(self, n: int) -> tuple[np.ndarray, ...]:
        """Memory for one thread that works on nodes of up to n rows."""
        losses = self.target.kind == LOSSES
        return (
            *(np.empty((3, n + 8), np.uint64), np.empty((4, max(self.target.n_sums + 1, 260)))),
            *(np.empty((4, 260), np.int64), np.empty((6, n + 1 if losses else 0)), self.ranks),
        )

    def ask(
        self, what: int, node: int, a: int = 0, b: int = 0, c: int = 0, best: float = 0.0, mine: Any = None
    ) -> float:
        """One step of `cart_grow.grow`."""
        fixed = (self.cols, self.target.sums, self.opts, self.numbers, self.tree, self.front, self.place)
        return float(g.grow(*fixed, self.mine if mine is None else mine, what, node, a, b, c, best))

    # ---- its nodes --------------------------------------------------------------------------------

    def plant(self, begin: int, end: int, lists: Sequence[tuple[int, int, int]], seed: int) -> bool:
        """Makes the root of rows[begin:end] with lists of (column, begin, end); returns whether it may be split."""
        ints, floats = self.tree[0], self.tree[1]
        ints[0, :] = -1
        ints[0, g.BEGIN], ints[0, g.END], ints[0, g.AT_DEPTH], ints[0, g.SEED] = begin, end, 0, seed
        floats[0, g.LOWER], floats[0, g.UPPER] = -np.inf, np.inf
        self.counts[g.N_NODES] = 1
        leaf = self.ask(g.ROOT, 0)
        if self.target.kind == LOSSES:
            held = np.array(lists[: self.target.n_outputs], dtype=np.int64)
            g.describe_losses(0, self.cols[0], held, self.tree, self.target.sums[3], self.target.y)
        if leaf:
            return False
        self._take_slot(np.array(lists, dtype=np.int64).reshape(-1, 3))
        return True

    def _take_slot(self, lists: np.ndarray) -> None:
        """Lists for node 0."""
        self.counts[g.N_FREE] -= 1
        slot = self.front[1][g.FREE, self.counts[g.N_FREE]]
        self.front[0][slot, : len(lists)] = lists
        self.front[1][g.N_ACTIVE, slot] = len(lists)
        self.tree[0][0, g.SLOT] = slot

    def adopt(self, other: Growing, node: int) -> None:
        """Begins with a node of another tree that has a split, its rows and its lists."""
        for mine, theirs in zip(self.tree[:2], other.tree[:2], strict=True):
            mine[0] = theirs[node]
        slot = other.tree[0][node, g.SLOT]
        self._take_slot(other.front[0][slot, : other.front[1][g.N_ACTIVE, slot]])
        if self.tree[0][0, g.LEVEL_ROW] >= 0:
            self.tree[2][0] = other.tree[2][self.tree[0][0, g.LEVEL_ROW]]
            self.tree[0][0, g.LEVEL_ROW] = 0
            self.counts[g.N_LEVELS] = 1
        self.counts[g.N_NODES] = 1
        self.front[1][g.OPEN, 0] = 0
        self.counts[g.N_OPEN] = 1

    def consider(self, node: int) -> None:
        """Looks for a node's split, its columns shared among threads, and opens it if there is one."""
        m = int(self.ask(g.CHOOSE, node))
        n = int(self.tree[0][node, g.END] - self.tree[0][node, g.BEGIN])

        def search(piece: tuple[int, int]) -> tuple[float, Any]:
            mine = self.scratch(n) if len(pieces) > 1 else self.mine
            if len(pieces) > 1 and self.target.kind == LOSSES:  # marks of rows are the thread's own
                mine = (*mine[:4], np.concatenate([self.ranks[:-1], np.zeros_like(self.ranks[-1:])]))
            return self.ask(g.SEARCH, node, *piece, mine=mine), mine

        pieces = self._pieces(m, n)
        answers = parallel(search, pieces)
        best = max(range(len(answers)), key=lambda k: (answers[k][0], -k))
        self.ask(g.SETTLE, node, best=answers[best][0], mine=answers[best][1])

    def open_shared(self, node: int) -> None:
        """What `cart_grow.grow` does with one node, its columns shared among threads."""
        ints = self.tree[0]
        n = int(ints[node, g.END] - ints[node, g.BEGIN])
        m = int(self.front[1][g.N_ACTIVE, ints[node, g.SLOT]])
        keep = int(self.ask(g.OPEN_NODE, node))
        parallel(lambda piece: self.ask(g.PART, node, *piece, keep, mine=self.scratch(n)), self._pieces(m, n))
        self.ask(g.HAND_OUT, node, c=keep)
        children = [int(ints[node, g.LEFT + side]) for side in range(2) if keep >> side & 1]
        for child in sorted(children, key=lambda c: int(ints[c, g.BEGIN] - ints[c, g.END])):
            self.consider(child)

    def _pieces(self, m: int, n: int) -> list[tuple[int, int]]:
        pieces = max(1, min(2 * thread_count(), 2 * m * n // g.LARGE, m))
        bounds = np.linspace(0, m, pieces + 1).astype(int).tolist()
        return list(zip(bounds[:-1], bounds[1:], strict=True))

    def run(self, large: int = 1 << 62) -> None:
        """Grows until nothing is open; nodes of more cells than `large` by threads."""
        while True:
            answer = self.ask(g.RUN, large)
            if answer == g.DONE:
                return
            if answer == g.ASK:
                self.open_shared(int(self.counts[g.N_ASKED]))

    def finish(self) -> Grown:
        """The nodes, parents first."""
        n, n_levels = int(self.counts[g.N_NODES]), int(self.counts[g.N_LEVELS])
        nodes, rows = np.empty((n, 3), np.uint32), np.empty(n, np.uint32)
        numbers, levels = np.empty((n, self.tree[1].shape[1])), np.empty((max(n_levels, 1), 4), np.uint64)
        used = int(write_preorder(self.tree, np.empty(2 * n + 4, np.int64), nodes, numbers, rows, levels))
        return Grown(nodes, numbers, rows, levels[:used].copy())


def grow_tree(
    columns: SortedColumns, target: Target, limits: Limits, seed: int = 0, rows: np.ndarray | None = None
) -> Grown:
    """Grows one tree; `columns` is parted in doing so.

    Parameters
    ----------
    columns : SortedColumns
    target : Target
    limits : Limits
    seed : int
        Of the columns drawn and the random cuts.
    rows : uint32 ndarray, optional
        Rows the tree is grown on; all by default. `columns` must have no others.

    Returns
    -------
    Grown
    """
    rows = np.arange(columns.n_rows, dtype=np.uint32) if rows is None else rows.astype(np.uint32)
    n, total = len(rows), columns.n_rows
    losses = target.kind == LOSSES
    lists = _varying(columns, n)
    if losses:
        orders = [order if n == total else order[np.isin(order, rows)] for order in by_target(target.y)]
        start = len(columns.entries)
        entries = np.concatenate([columns.entries, *orders])
        fixed = (columns.begin, columns.end, columns.default, columns.categorical, total)
        columns = SortedColumns(entries, *fixed)
        p = len(columns.begin)
        held = [(p + o, start + o * n, start + (o + 1) * n) for o in range(target.n_outputs)]
        lists = held + lists
    shared = (
        rows,
        np.empty(total, np.uint8),
        np.zeros((target.n_outputs + 1 if losses else 0, total), np.uint32),
    )
    tree = Growing(columns, target, limits, shared, n)
    if not tree.plant(0, n, lists, seed):
        return tree.finish()
    work = n * max(len(lists), 1)
    threads = thread_count()
    if threads == 1 or work < 4 * g.LARGE:
        tree.consider(0)
        tree.run()
        return tree.finish()
    tree.consider(0)
    large = max(work // 16, g.LARGE)
    if limits.max_leaf_nodes:
        tree.run(large)
        return tree.finish()
    return _in_subtrees(tree, large)


def _in_subtrees(tree: Growing, large: int) -> Grown:
    """Opens large nodes with threads sharing columns, then lets each thread grow whole subtrees."""
    ints, counts = tree.tree[0], tree.counts
    waiting = []
    while counts[g.N_OPEN]:
        counts[g.N_OPEN] -= 1
        node = int(tree.front[1][g.OPEN, counts[g.N_OPEN]])
        n = int(ints[node, g.END] - ints[node, g.BEGIN])
        if n * int(tree.front[1][g.N_ACTIVE, ints[node, g.SLOT]]) > large:
            tree.open_shared(node)
        else:
            waiting.append((-n, node))

    def grow(item: tuple[int, int]) -> Grown:
        part = Growing(tree.columns, tree.target, tree.limits, tree.shared, -item[0])
        part.adopt(tree, item[1])
        part.run()
        return part.finish()

    waiting.sort()
    done = dict(zip([node for _, node in waiting], parallel(grow, waiting), strict=True))
    return _join(tree, done)


def _join(tree: Growing, parts: dict[int, Grown]) -> Grown:
    """One tree of the top and its subtrees."""
    top = tree.finish()
    order, stack = [], [0]  # the top's nodes as `finish` wrote them
    ints = tree.tree[0]
    while stack:
        node = stack.pop()
        order.append(node)
        if ints[node, g.LEFT] >= 0:
            stack += [int(ints[node, g.RIGHT]), int(ints[node, g.LEFT])]
    sizes = np.array([len(parts[node].rows) if node in parts else 1 for node in order])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    level_at = len(top.levels)
    fields: dict[str, list[np.ndarray]] = {k: [] for k in ("nodes", "numbers", "rows")}
    levels = [top.levels]
    for at, node in enumerate(order):
        part = parts.get(node)
        source = top if part is None else part
        where = slice(at, at + 1) if part is None else slice(None)
        nodes = source.nodes[where].copy()
        if part is None:
            nodes[:, 2] = starts[nodes[:, 2]]
        else:
            nodes[:, 2] += np.uint32(starts[at])
            by_level = (nodes[:, 0] & FLAG_LEVELS) != 0
            nodes[by_level, 1] += np.uint32(level_at)
            level_at += len(part.levels)
            levels.append(part.levels)
        fields["nodes"].append(nodes)
        for name in ("numbers", "rows"):
            fields[name].append(getattr(source, name)[where])
    joined = {name: np.concatenate(pieces) for name, pieces in fields.items()}
    return Grown(**joined, levels=np.concatenate(levels))


def _varying(columns: SortedColumns, n: int) -> list[tuple[int, int, int]]:
    """Lists (column, begin, end) of the columns that are not constant."""
    lo, hi = columns.begin, columns.end
    some = np.flatnonzero(hi > lo)
    kept = []
    for j in some.tolist():
        full = hi[j] - lo[j] == n
        if not full or columns.entries[lo[j]] >> HALF != columns.entries[hi[j] - 1] >> HALF:
            kept.append((j, int(lo[j]), int(hi[j])))
    return kept
