"""Finished trees: flat arrays, checked before they are used, and walked eight rows at a time.

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

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel, thread_count
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.binning import Binning, bin_cells
from tripos.supervised.trees.grow import Grown
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
MOST_FEATURES = 1 << 16
TOGETHER = 256  # rows that go through all trees before the next ones
ROWS_PER_PIECE = 1 << 12


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
def leaf_of(words, root, bins, o, levels, level_bits):  # type: ignore[no-untyped-def]
    """The word of the leaf in which a row ends."""
    word = words[root]
    if level_bits.shape[0] == 0:
        while not word & LEAF:
            word = step(words, word, bins, o)
    else:
        while not word & LEAF:
            word = level_step(words, word, bins, o, levels, level_bits)
    return word


@kernel
def walk(words, root, values, bins, width, m, levels, level_bits, k, out):  # type: ignore[no-untyped-def]
    """Adds to out[:m, k] the values of the leaves in which m rows end; eight rows walk at a time."""
    i, w = U(0), U(width)
    if level_bits.shape[0] == 0:
        while i + U(8) <= U(m):
            o = i * w
            a = b = c = d = e = f = g = h = words[root]
            while not a & b & c & d & e & f & g & h & LEAF:
                for _ in range(2):
                    a = step(words, a, bins, o)
                    b = step(words, b, bins, o + w)
                    c = step(words, c, bins, o + U(2) * w)
                    d = step(words, d, bins, o + U(3) * w)
                    e = step(words, e, bins, o + U(4) * w)
                    f = step(words, f, bins, o + U(5) * w)
                    g = step(words, g, bins, o + U(6) * w)
                    h = step(words, h, bins, o + U(7) * w)
            out[i, k] += values[a & CHILD]
            out[i + U(1), k] += values[b & CHILD]
            out[i + U(2), k] += values[c & CHILD]
            out[i + U(3), k] += values[d & CHILD]
            out[i + U(4), k] += values[e & CHILD]
            out[i + U(5), k] += values[f & CHILD]
            out[i + U(6), k] += values[g & CHILD]
            out[i + U(7), k] += values[h & CHILD]
            i += U(8)
    while i < U(m):
        out[i, k] += values[leaf_of(words, root, bins, i * w, levels, level_bits) & CHILD]
        i += U(1)


@kernel
def bin_some(X, start, m, features, T, n_cuts, categorical, column, bins, line):  # type: ignore[no-untyped-def]
    """Bins of the chosen features of X[start:start + m], row after row; NaN where a cell is not finite."""
    total = X.dtype.type(0)
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
    bins = np.empty(TOGETHER * features.size, np.uint8)
    total = X.dtype.type(0)
    n_outputs = out.shape[1]
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)
        total += bin_some(X, s, m, features, T, n_cuts, categorical, column, bins, line)
        for t in range(first, last):
            walk(
                words,
                starts[t],
                values,
                bins,
                features.size,
                m,
                levels,
                level_bits,
                t % n_outputs,
                out[s : s + m],
            )
    return total == X.dtype.type(0)


@kernel("u1[:, ::1], u8[::1], f4[::1], i8[::1], i4[::1], u8[:, ::1], i8, i8, f8[:, ::1]")
def predict_bins(bins, words, values, starts, levels, level_bits, first, last, out):  # type: ignore[no-untyped-def]
    """Adds the trees first <= t < last to out (n_rows, n_outputs) for rows of bins of all features."""
    width = bins.shape[1]
    for s in range(0, bins.shape[0], TOGETHER):
        m = min(TOGETHER, bins.shape[0] - s)
        flat = bins[s : s + m].reshape(m * width)
        for t in range(first, last):
            walk(
                words, starts[t], values, flat, width, m, levels, level_bits, t % out.shape[1], out[s : s + m]
            )


@kernel("u1[:, ::1], u8[::1], i8[::1], i4[::1], u8[:, ::1], i4[:, ::1]")
def leaves_of_bins(bins, words, starts, levels, level_bits, out):  # type: ignore[no-untyped-def]
    """The node, counted within its tree, in which each row ends in each tree, (n_rows, n_trees)."""
    width = bins.shape[1]
    flat = bins.reshape(bins.size)
    for i in range(bins.shape[0]):
        for t in range(starts.size - 1):
            word = leaf_of(words, starts[t], flat, U(i * width), levels, level_bits)
            out[i, t] = np.int32(np.int64(word & CHILD) - starts[t])


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
        return (self.words & LEAF) != 0

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


class Planting:
    """Collects grown trees; `forest()` makes one `Forest` of them."""

    def __init__(self, n_outputs: int, known: Forest | None = None) -> None:
        self.n_outputs = n_outputs
        self._trees: list[tuple[np.ndarray, ...]] = []
        self._bits: list[np.ndarray] = []
        self._n_nodes, self._n_bits = 0, 0
        if known is not None:
            self._n_nodes, self._n_bits = len(known.words), len(known.level_bits)
            levels = known.levels if len(known.levels) else np.full(self._n_nodes, -1, np.int32)
            self._trees.append((known.words, known.values, known.rows, levels))
            self._bits.append(known.level_bits)
        self._starts = [0] if known is None else known.starts.tolist()

    def add(self, grown: Grown) -> None:
        """Copies a tree out of its grower's memory."""
        n = len(grown.nodes)
        words, values, rows = np.empty(n, np.uint64), np.empty(n, np.float32), np.empty(n, np.uint32)
        levels = np.full(n, -1, np.int32)
        pack_nodes(grown.nodes, grown.numbers, words, values, rows, levels)
        words += U(self._n_nodes)
        if len(grown.levels):
            levels[levels >= 0] += self._n_bits
            self._bits.append(grown.levels.copy())
            self._n_bits += len(grown.levels)
        self._trees.append((words, values, rows, levels))
        self._n_nodes += n
        self._starts.append(self._n_nodes)

    def latest(self, n_trees: int) -> Forest:
        """The last trees alone, for scoring while they grow."""
        parts = self._trees[-n_trees:]
        words, values, rows, levels = (np.concatenate(arrays) for arrays in zip(*parts))
        starts = np.array(self._starts[-n_trees - 1 :], dtype=np.int64)
        bits = np.concatenate(self._bits) if self._bits else np.empty((0, 4), np.uint64)
        return Forest(words - U(starts[0]), values, rows, starts - starts[0], levels, bits, self.n_outputs)

    def forest(self) -> Forest:
        """All trees."""
        parts = zip(*self._trees) if self._trees else [()] * 4
        kinds = (np.uint64, np.float32, np.uint32, np.int32)
        nodes = [np.concatenate([np.empty(0, kind), *arrays]) for kind, arrays in zip(kinds, parts)]
        bits = np.concatenate([np.empty((0, 4), np.uint64), *self._bits])
        levels = nodes[3] if len(bits) else nodes[3][:0]
        starts = np.array(self._starts, dtype=np.int64)
        return Forest(nodes[0], nodes[1], nodes[2], starts, levels, bits, self.n_outputs)


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

    def add(self, X: np.ndarray, out: np.ndarray, first: int = 0, last: int | None = None) -> bool:
        """Adds the trees first <= t < last to out (n_rows, n_outputs); False where X holds NaN or infinity."""
        used, sizes, marks = self._features
        n, last = len(X), self.forest.n_trees if last is None else last
        fixed = (X, used, self._tables[X.dtype], sizes, marks, *self._trees, first, last)
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
