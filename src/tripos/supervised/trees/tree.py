"""Finished trees: flat arrays, checked before they are used, and walked sixteen rows at a time.

A node is one word of 64 bits, so that one load tells where to go:

    bits  0-31  its left child (the right one follows it; a leaf's is itself)
    bits 32-47  feature
    bits 48-55  bin t, or t + 1 where missing cells go left
    bits 56-58  flags: missing cells go left, the split is on levels of a category, the node is a leaf

Rows come as bins, a byte per feature in use. With t + 1 and b + 1 (mod 256) missing cells (255) come first and not
last, so that both kinds of node are one comparison: right if (b + flag) mod 256 > bits 48-55. A leaf has 255 there
and leads to itself, so rows that arrive early wait for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel, thread_count
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.binning import Binning, bin_cells
from tripos.supervised.trees.grow import Grown
from tripos.supervised.trees.leaf_masks import Marked
from tripos.supervised.trees.leaves import (
    LEFT_CHILD,
    LEVELS,
    ROWS,
    SPLIT_BIN,
    SPLIT_FEATURE,
    SPLIT_GAIN,
    SPLIT_MISSING,
    VALUE,
)

U = np.uint64
CHILD, BYTE, FEATURES = U(0xFFFFFFFF), U(0xFF), U(0xFFFF)
MISSING_LEFT, BY_LEVELS, LEAF = U(1 << 56), U(1 << 57), U(1 << 58)
KINDS = (np.uint64, np.float32, np.uint32, np.int32)  # of words, values, rows and levels
TOGETHER = 256  # rows that go through all trees before the next ones
GROUP = 16  # rows whose steps hide each other's waiting for memory
ROWS_PER_PIECE = 1 << 12
MANY_ROWS = 64  # from which all splits of small trees are asked of a block of rows, instead of walking


@kernel("i8[:, ::1], f8[:, ::1], u8[::1], f4[::1], u4[::1], i4[::1]")
def pack_nodes(nodes, numbers, words, values, rows, levels):  # type: ignore[no-untyped-def]
    """A grown tree as words, values (a leaf's value, a split's gain), rows, and the category each left child is for."""
    for i in range(nodes.shape[0]):
        rows[i] = np.uint32(nodes[i, ROWS])
        j = nodes[i, SPLIT_FEATURE]
        if j < 0:
            values[i] = np.float32(numbers[i, VALUE])
            words[i] = U(i) | (U(255) << U(48)) | LEAF
            continue
        values[i] = np.float32(numbers[i, SPLIT_GAIN])
        word = U(nodes[i, LEFT_CHILD]) | (U(j) << U(32))
        if nodes[i, LEVELS] >= 0:
            levels[nodes[i, LEFT_CHILD]] = np.int32(nodes[i, LEVELS])
            word |= BY_LEVELS
        else:
            side = U(nodes[i, SPLIT_MISSING])
            word |= ((U(nodes[i, SPLIT_BIN]) + side) << U(48)) | (side << U(56))
        words[i] = word


@kernel
def step(words, word, bins, o):  # type: ignore[no-untyped-def]
    """The node after `word` for the row whose bins begin at o."""
    b = U(bins[o + ((word >> U(32)) & FEATURES)]) + ((word >> U(56)) & U(1))
    return words[(word & CHILD) + U((b & BYTE) > ((word >> U(48)) & BYTE))]


@kernel
def level_step(words, word, bins, o, levels, level_bits):  # type: ignore[no-untyped-def]
    """As `step`, where some splits are on levels of a category."""
    if not word & BY_LEVELS:
        return step(words, word, bins, o)
    b = U(bins[o + ((word >> U(32)) & FEATURES)])
    left = (level_bits[U(levels[word & CHILD]), b >> U(6)] >> (b & U(63))) & U(1)
    return words[(word & CHILD) + U(1) - left]


@kernel
def walk_on(words, bins, width, m, levels, level_bits, at):  # type: ignore[no-untyped-def]
    """at[i], a root's word, becomes that of the leaf in which row i ends, for m rows; a group of rows walks in step.

    With the width 0 it is one row that walks through m trees.
    """
    w = U(width)
    for s in range(U(0), U(m), U(GROUP)):
        e = min(s + U(GROUP), U(m))
        done = U(0)
        while not done:
            done = LEAF
            if level_bits.shape[0] == 0:
                for i in range(s, e):
                    at[i] = step(words, step(words, at[i], bins, i * w), bins, i * w)
                    done &= at[i]
            else:
                for i in range(s, e):
                    at[i] = level_step(words, at[i], bins, i * w, levels, level_bits)
                    done &= at[i]


@kernel
def walk(words, root, bins, width, m, levels, level_bits, at):  # type: ignore[no-untyped-def]
    """at[i] becomes the word of the leaf in which row i ends, for m rows."""
    for i in range(U(m)):
        at[i] = words[root]
    walk_on(words, bins, width, m, levels, level_bits, at)


@kernel
def add_leaves(words, root, values, bins, width, m, levels, level_bits, at, k, out):  # type: ignore[no-untyped-def]
    """Adds to out[:m, k] the values of the leaves in which m rows end."""
    walk(words, root, bins, width, m, levels, level_bits, at)
    for i in range(U(m)):
        out[i, k] += values[at[i] & CHILD]


@kernel
def bin_some(X, start, m, features, T, n_cuts, categorical, column, bins, line):  # type: ignore[no-untyped-def]
    """Bins of the chosen features of X[start:start + m], row after row; NaN where any cell is not finite."""
    total = X.dtype.type(0)
    if features.size < X.shape[1]:
        for i in range(U(start), U(start + m)):
            for j in range(U(X.shape[1])):
                total += X[i, j] * X.dtype.type(0)
    width = U(features.size)
    for j in range(features.size):
        for i in range(m):
            column[i] = X[start + i, features[j]]
        total += bin_cells(column, m, T[j], n_cuts[j], categorical[j], line)
        for i in range(U(m)):
            bins[i * width + U(j)] = line[i]
    return total


@kernel("F[:, ::1], i8[::1], F[:, ::1], i8[::1], u1[::1], u1[:, ::1]")
def bin_rows(X, features, T, n_cuts, categorical, out):  # type: ignore[no-untyped-def]
    """Bins of the chosen features, row by row; False where X holds NaN or infinity."""
    column, line = np.empty(TOGETHER, X.dtype), np.empty(TOGETHER, np.uint8)
    total = X.dtype.type(0)
    for start in range(0, X.shape[0], TOGETHER):
        m = min(TOGETHER, X.shape[0] - start)
        flat = out[start : start + m].reshape(m * features.size)
        total += bin_some(X, start, m, features, T, n_cuts, categorical, column, flat, line)
    return total == X.dtype.type(0)


@kernel(
    "F[:, ::1], i8[::1], F[:, ::1], i8[::1], u1[::1], u8[::1], f4[::1], i8[::1], i4[::1], u8[:, ::1], i8, i8, i8, i8, "
    "f8[:, ::1]"
)
def predict_rows(  # type: ignore[no-untyped-def]
    X, features, T, n_cuts, categorical, words, values, starts, levels, level_bits, first, last, start, end, out
):  # fmt: skip
    """Adds the trees first <= t < last to out (n_rows, n_outputs) for the rows start <= i < end.

    Tree t is of output t mod n_outputs. False where X holds NaN or infinity.
    """
    column, line = np.empty(TOGETHER, X.dtype), np.empty(TOGETHER, np.uint8)
    bins, at = np.empty(TOGETHER * features.size, np.uint8), np.empty(TOGETHER, np.uint64)
    total = X.dtype.type(0)
    n_outputs = out.shape[1]
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)
        total += bin_some(X, s, m, features, T, n_cuts, categorical, column, bins, line)
        for t in range(first, last):
            add_leaves(
                words, starts[t], values, bins, features.size, m, levels, level_bits, at, t % n_outputs, out[s : s + m]
            )  # fmt: skip
    return total == X.dtype.type(0)


@kernel(
    "F[:, ::1], i8[::1], F[:, ::1], i8[::1], u1[::1], u8[::1], f4[::1], i8[::1], i4[::1], u8[:, ::1], i8, i8, "
    "f8[:, ::1]"
)
def predict_row(  # type: ignore[no-untyped-def]
    X, features, T, n_cuts, categorical, words, values, starts, levels, level_bits, first, last, out
):  # fmt: skip
    """As `predict_rows` for one row: trees, not rows, hide each other's waiting for memory."""
    column, line = np.empty(1, X.dtype), np.empty(1, np.uint8)
    bins, at = np.empty(features.size, np.uint8), np.empty(TOGETHER, np.uint64)
    total = bin_some(X, 0, 1, features, T, n_cuts, categorical, column, bins, line)
    for s in range(first, last, TOGETHER):
        m = min(TOGETHER, last - s)
        for i in range(m):
            at[i] = words[starts[s + i]]
        walk_on(words, bins, 0, m, levels, level_bits, at)
        for i in range(m):
            out[0, (s + i) % out.shape[1]] += values[at[i] & CHILD]
    return total == X.dtype.type(0)


@kernel("u1[:, ::1], u8[::1], f4[::1], i8[::1], i4[::1], u8[:, ::1], i8, i8, f8[:, ::1]")
def predict_bins(bins, words, values, starts, levels, level_bits, first, last, out):  # type: ignore[no-untyped-def]
    """Adds the trees first <= t < last to out (n_rows, n_outputs) for rows of bins of all features."""
    width, at = bins.shape[1], np.empty(TOGETHER, np.uint64)
    for s in range(0, bins.shape[0], TOGETHER):
        m = min(TOGETHER, bins.shape[0] - s)
        flat = bins[s : s + m].reshape(m * width)
        for t in range(first, last):
            add_leaves(
                words, starts[t], values, flat, width, m, levels, level_bits, at, t % out.shape[1], out[s : s + m]
            )  # fmt: skip


@kernel("u1[:, ::1], u8[::1], i8[::1], i4[::1], u8[:, ::1], i4[:, ::1]")
def leaves_of_bins(bins, words, starts, levels, level_bits, out):  # type: ignore[no-untyped-def]
    """The node, counted within its tree, in which each row ends in each tree, (n_rows, n_trees)."""
    width, at = bins.shape[1], np.empty(TOGETHER, np.uint64)
    for s in range(0, bins.shape[0], TOGETHER):
        m = min(TOGETHER, bins.shape[0] - s)
        flat = bins[s : s + m].reshape(m * width)
        for t in range(starts.size - 1):
            walk(words, starts[t], flat, width, m, levels, level_bits, at)
            for i in range(m):
                out[s + i, t] = np.int32(np.int64(at[i] & CHILD) - starts[t])


@dataclass(frozen=True, eq=False)
class Forest:
    """Some trees over the same bins, tree after tree.

    Attributes
    ----------
    words : uint64 ndarray of shape (n_nodes,)
    values : float32 ndarray of shape (n_nodes,)
        A leaf's value, a split's gain.
    rows : uint32 ndarray of shape (n_nodes,)
        Training rows that reached the node.
    starts : int64 ndarray of shape (n_trees + 1,)
        Tree t has the nodes starts[t] <= i < starts[t + 1].
    levels : int32 ndarray of shape (n_nodes,), or (0,) without splits on categories
        At the left child of such a split its row of `level_bits`.
    level_bits : uint64 ndarray of shape (n_level_splits, 4)
        Bit b is set where bin b goes left.
    n_outputs : int
        Tree t is of output t mod n_outputs.
    """

    words: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    levels: np.ndarray
    level_bits: np.ndarray
    n_outputs: int

    state: ClassVar[dict[str, Spec]] = {
        "words": Array("u", ("nodes",)),
        "values": Array("f", ("nodes",)),
        "rows": Array("u", ("nodes",)),
        "starts": Array("i", (None,), low=0),
        "levels": Array("i", (None,), low=-1),
        "level_bits": Array("u", ("level_splits", 4)),
        "n_outputs": Number("i", low=1),
    }

    @property
    def n_trees(self) -> int:
        return len(self.starts) - 1

    @property
    def is_leaf(self) -> np.ndarray:
        return np.asarray((self.words & LEAF) != 0)

    @property
    def features(self) -> np.ndarray:
        """The feature of each node, 0 at leaves."""
        return ((self.words >> U(32)) & FEATURES).astype(np.int64)

    @property
    def children(self) -> np.ndarray:
        """The left child of each node; a leaf's is itself."""
        return (self.words & CHILD).astype(np.int64)

    def gains(self, n_features: int) -> np.ndarray:
        """The gain of all splits on each feature, shape (n_features,)."""
        inner = ~self.is_leaf
        gain = self.values[inner].astype(np.float64)
        return np.bincount(self.features[inner], gain, n_features)

    def counts(self, n_features: int) -> np.ndarray:
        """The number of splits on each feature, shape (n_features,)."""
        return np.bincount(self.features[~self.is_leaf], minlength=n_features)

    def head(self, n_trees: int) -> Forest:
        """The first trees."""
        end = int(self.starts[n_trees])
        levels = self.levels[:end] if len(self.levels) else self.levels
        nodes = (self.words[:end], self.values[:end], self.rows[:end], self.starts[: n_trees + 1])
        return Forest(*nodes, levels, self.level_bits, self.n_outputs)

    def tree(self, t: int) -> Forest:
        """One of the trees."""
        start, end = int(self.starts[t]), int(self.starts[t + 1])
        levels = self.levels[start:end] if len(self.levels) else self.levels
        nodes = (self.words[start:end] - U(start), self.values[start:end], self.rows[start:end])
        return Forest(*nodes, np.array([0, end - start]), levels, self.level_bits, 1)

    def _check_state(self) -> None:
        """What walking relies on: children behind their parents, within the tree, and known levels."""
        n, starts = len(self.words), self.starts
        if len(starts) < 1 or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 1).any():
            raise ValueError("starts does not part the nodes into trees")
        if self.words.dtype != np.uint64 or self.values.dtype != np.float32 or self.starts.dtype != np.int64:
            raise ValueError("words, values and starts must be uint64, float32 and int64")
        if (
            self.levels.dtype != np.int32
            or self.level_bits.dtype != np.uint64
            or self.rows.dtype != np.uint32
        ):
            raise ValueError("levels, level_bits and rows must be int32, uint64 and uint32")
        at, child, leaf = np.arange(n), self.children, self.is_leaf
        end = np.repeat(starts[1:], np.diff(starts))
        if (child[leaf] != at[leaf]).any() or (((self.words[leaf] >> U(48)) & BYTE) != BYTE).any():
            raise ValueError("a leaf leads elsewhere")
        if (self.words[leaf] & (BY_LEVELS | MISSING_LEFT)).any() or self.features[leaf].any():
            raise ValueError("a leaf has the marks of a split")
        if (child[~leaf] <= at[~leaf]).any() or (child[~leaf] + 1 >= end[~leaf]).any():
            raise ValueError("a split's children are not behind it in its tree")
        by_levels = ~leaf & ((self.words & BY_LEVELS) != 0)
        if len(self.levels) not in (0, n):
            raise ValueError(f"levels has {len(self.levels)} entries for {n} nodes")
        if by_levels.any():
            named = self.levels[child[by_levels]] if len(self.levels) else np.array([-1])
            if (named < 0).any() or (named >= len(self.level_bits)).any():
                raise ValueError("a split names levels that are not there")

    def check_features(self, n_features: int) -> None:
        """Raise unless every split is on one of so many features."""
        if n_features <= int(self.features.max(initial=0)):
            raise ValueError(f"a split is on feature {self.features.max()} of {n_features}")


@dataclass(frozen=True)
class Packed:
    """One tree, out of its grower's memory; the arrays are those of `Forest`."""

    words: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    levels: np.ndarray
    bits: np.ndarray

    @classmethod
    def of(cls, grown: Grown) -> Packed:
        """Copies a grown tree."""
        n = len(grown.nodes)
        words, values, rows = np.empty(n, np.uint64), np.empty(n, np.float32), np.empty(n, np.uint32)
        levels = np.full(n, -1, np.int32)
        pack_nodes(grown.nodes, grown.numbers, words, values, rows, levels)
        return cls(words, values, rows, levels, grown.levels.copy())

    def times(self, factor: float) -> Packed:
        """The tree with its leaves' values multiplied."""
        leaf = (self.words & LEAF) != 0
        values = np.where(leaf, self.values * np.float32(factor), self.values)
        return replace(self, values=values)


def plant(trees: Sequence[Packed], n_outputs: int, known: Forest | None = None) -> Forest:
    """A forest of the trees, behind those already known."""
    packed = list(trees)
    starts = [0]
    if known is not None:
        levels = known.levels if len(known.levels) else np.full(len(known.words), -1, np.int32)
        packed.insert(0, Packed(known.words, known.values, known.rows, levels, known.level_bits))
        starts = known.starts.tolist()
    else:
        words, values, rows, no_levels = (np.empty(0, kind) for kind in KINDS)
        packed.insert(0, Packed(words, values, rows, no_levels, np.empty((0, 4), np.uint64)))
    n_nodes, n_bits = len(packed[0].words), len(packed[0].bits)
    all_words, all_levels = [packed[0].words], [packed[0].levels]
    for tree in packed[1:]:
        all_words.append(tree.words + U(n_nodes))
        all_levels.append(np.where(tree.levels >= 0, tree.levels + np.int32(n_bits), np.int32(-1)))
        n_nodes, n_bits = n_nodes + len(tree.words), n_bits + len(tree.bits)
        starts.append(n_nodes)
    return Forest(
        words=np.concatenate(all_words),
        values=np.concatenate([tree.values for tree in packed]),
        rows=np.concatenate([tree.rows for tree in packed]),
        starts=np.array(starts, dtype=np.int64),
        levels=np.concatenate(all_levels) if n_bits else np.empty(0, np.int32),
        level_bits=np.concatenate([tree.bits for tree in packed]),
        n_outputs=n_outputs,
    )


class Walker:
    """Predicts from cells: the cuts of the features in use, and nodes that name features by their place among them."""

    def __init__(self, forest: Forest, binning: Binning) -> None:
        forest.check_features(binning.n_features)
        used = np.unique(forest.features[~forest.is_leaf])
        place = np.zeros(binning.n_features, np.uint64)
        place[used] = np.arange(len(used), dtype=np.uint64)
        words = (forest.words & ~(FEATURES << U(32))) | (place[forest.features] << U(32))
        self.forest, self.n_outputs = forest, forest.n_outputs
        sizes, marks = np.diff(binning.starts)[used], binning.categorical[used].astype(np.uint8)
        self._features = (used, sizes, marks)
        self._tables = {np.dtype(d): binning.table(d, used) for d in (np.float32, np.float64)}
        self._trees = (words, forest.values, forest.starts, forest.levels, forest.level_bits)
        self._one_row = {
            dtype: (used, table, sizes, marks, *self._trees) for dtype, table in self._tables.items()
        }
        self._marked: Marked | None = None  # made for the first prediction of many rows

    def narrow(self) -> tuple[Walker, np.ndarray]:
        """A walker for rows of the features in use alone, and which those are."""
        used, sizes, marks = self._features
        walker = copy(self)
        walker._features = (np.arange(len(used)), sizes, marks)
        walker._one_row = {dtype: (walker._features[0], *rest[1:]) for dtype, rest in self._one_row.items()}
        return walker, used

    def add(self, X: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None) -> bool:
        """Adds the trees first <= t < last to out (n_rows, n_outputs); False where X holds NaN or infinity."""
        n, last = len(X), self.forest.n_trees if last is None else last
        if n == 1:
            return bool(predict_row(X, *self._one_row[X.dtype], first, last, out))
        used, sizes, marks = self._features
        cells = (X, used, self._tables[X.dtype], sizes, marks)
        if n >= MANY_ROWS and Marked.fits(self._trees[2]):
            if self._marked is None:
                self._marked = Marked(*self._trees, self._features[1])
            small = self._marked
            if n < 2 * ROWS_PER_PIECE or thread_count() == 1:
                return small.add(cells, first, last, 0, n, out)
            starts = range(0, n, ROWS_PER_PIECE)
            return all(
                parallel(lambda s: small.add(cells, first, last, s, min(s + ROWS_PER_PIECE, n), out), starts)
            )
        fixed = (*cells, *self._trees, first, last)
        if n < 2 * ROWS_PER_PIECE or thread_count() == 1:
            return bool(predict_rows(*fixed, 0, n, out))
        starts = range(0, n, ROWS_PER_PIECE)
        return all(parallel(lambda s: predict_rows(*fixed, s, min(s + ROWS_PER_PIECE, n), out), starts))


def rows_as_bins(X: np.ndarray, binning: Binning) -> np.ndarray:
    """Bins of all features of X row by row, uint8 of shape (n_rows, n_features)."""
    out = np.empty(X.shape, np.uint8)
    marks = binning.categorical.astype(np.uint8)
    features = np.arange(binning.n_features)
    bin_rows(X, features, binning.table(X.dtype), np.diff(binning.starts), marks, out)
    return out


def add_trees(forest: Forest, bins: np.ndarray, out: np.ndarray) -> None:
    """Adds the trees to out (n_rows, n_outputs) for rows of bins of all features."""
    args = (forest.words, forest.values, forest.starts, forest.levels, forest.level_bits)
    predict_bins(bins, *args, 0, forest.n_trees, out)
