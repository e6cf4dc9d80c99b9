"""Rows sent through a random forest: the trees' answers added up.

Many rows without missing cells go through nodes of 32 bits (`forest_compact`), the others through those of 64.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.forest_compact import LEAVES, MOST_NODES, PAIR, compact, compact_walk
from tripos.supervised.trees.tree import CHILD, FEATURES, GROUP, LEAF, bin_some, level_step, step, walk

if TYPE_CHECKING:
    from tripos.supervised.trees.forest_nodes import LeafForest

U, W = np.uint64, np.uint32
TOGETHER = 1024  # rows that go through a tree before the next one
FEWER = 512  # as many where nodes have 32 bits: their bins stay in the cache
ROWS_PER_PIECE = 1 << 12
DENSE_CELLS = 1 << 18  # of a block of CSR rows that is written out at a time
FEATURE_PART = 2 if sys.byteorder == "little" else 1  # of a word's four
MANY_ROWS = 64  # from which 32-bit nodes are written


@kernel
def walk_trees(words, starts, first, m, bins, o, levels, level_bits, at):  # type: ignore[no-untyped-def]
    """at[k] becomes the word of the leaf of tree first + k in which one row ends, for m trees, which go in step."""
    for k in range(U(m)):
        at[k] = words[starts[U(first) + k]]
    done = U(0)
    while not done:
        done = LEAF
        if level_bits.shape[0] == 0:
            for k in range(U(m)):
                at[k] = step(words, step(words, at[k], bins, o), bins, o)
                done &= at[k]
        else:
            for k in range(U(m)):
                at[k] = level_step(words, at[k], bins, o, levels, level_bits)
                done &= at[k]


@kernel
def add_answers(word, values, shares, line):  # type: ignore[no-untyped-def]
    """Adds a leaf's answer to a row's."""
    answers, places, parts, ends = shares
    i = word & CHILD
    if answers.size == 0:
        line[0] += values[i]
    else:
        a = U(answers[i])
        for k in range(ends[a], ends[a + U(1)]):
            line[places[k]] += parts[k]


TABLE = "Tuple((i8[::1], F[:, ::1], i8[::1], u1[::1]))"
TREES = "Tuple((u8[::1], f4[::1], i8[::1], i4[::1], u8[:, ::1]))"
SHARES = "Tuple((u4[::1], i4[::1], f4[::1], i8[::1]))"


@kernel(f"F[:, ::1], {TABLE}, {TREES}, {SHARES}, i8, i8, f8[:, ::1]")
def answer_rows(X, table, trees, shares, start, end, out):  # type: ignore[no-untyped-def]
    """Adds the answers of all trees to out (n_rows, n_values) for some rows; False where X holds NaN or infinity."""
    features, T, n_cuts, categorical = table
    words, values, starts, levels, level_bits = trees
    together = min(TOGETHER, end - start)
    column, line = np.empty(together, X.dtype), np.empty(together, np.uint8)
    bins, at = np.empty(together * features.size, np.uint8), np.empty(max(together, GROUP), np.uint64)
    total = X.dtype.type(0)
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)
        total += bin_some(X, s, m, features, T, n_cuts, categorical, column, bins, line)
        if m < GROUP:
            for i in range(m):
                for t in range(0, starts.size - 1, GROUP):
                    some = min(GROUP, starts.size - 1 - t)
                    walk_trees(words, starts, t, some, bins, U(i * features.size), levels, level_bits, at)
                    for k in range(some):
                        add_answers(at[k], values, shares, out[s + i])
            continue
        for t in range(starts.size - 1):
            walk(words, starts[t], bins, features.size, m, levels, level_bits, at)
            for i in range(m):
                add_answers(at[i], values, shares, out[s + i])
    return total == X.dtype.type(0)


@kernel(f"F[:, ::1], {TABLE}, u4[::1], i8[::1], f4[::1], {SHARES}, i8, i8, f8[:, ::1]")
def answer_compact(X, table, nodes, starts, values, shares, start, end, out):  # type: ignore[no-untyped-def]
    """As `answer_rows` by 32-bit nodes; returns where it stopped: at a block with NaN or infinity, or at the end."""
    features, T, n_cuts, categorical = table
    together = min(FEWER, end - start)
    column, line = np.empty(together, X.dtype), np.empty(together, np.uint8)
    bins, at = np.zeros(together * features.size + 256, np.uint8), np.empty(together, np.uint32)
    under_way, row_of = np.empty(together, np.uint32), np.empty(together, np.uint32)
    for s in range(start, end, FEWER):
        m = min(FEWER, end - s)
        if not bin_some(X, s, m, features, T, n_cuts, categorical, column, bins, line) == X.dtype.type(0):
            return s
        for t in range(starts.size - 1):
            size = starts[t + 1] - starts[t]
            compact_walk(nodes, U(starts[t] + t), size, bins, U(features.size), m, at, under_way, row_of)
            for i in range(m):
                k = (U(at[i] >> PAIR) << U(1)) + U(at[i] & W(0xFF00) == W(0))
                add_answers(U(starts[t]) + k - U(1), values, shares, out[s + i])
    return end


@kernel(f"u1[::1], i8, {TREES}, {SHARES}, u1[:, ::1], i8, i8, f8[:, ::1], i8[::1]")
def answer_out_of_bag(cells, stride, trees, shares, in_bag, start, end, out, n_trees):  # type: ignore[no-untyped-def]
    """As `answer_rows` for training rows given by their bins, each by the trees that did not draw it."""
    words, values, starts, levels, level_bits = trees
    at = np.empty(TOGETHER, np.uint64)
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)
        bins = cells[s * stride : (s + m) * stride]
        for t in range(starts.size - 1):
            walk(words, starts[t], bins, stride, m, levels, level_bits, at)
            for i in range(s, s + m):
                if not (in_bag[t, i >> 3] >> np.uint8(i & 7)) & np.uint8(1):
                    add_answers(at[i - s], values, shares, out[i])
                    n_trees[i] += 1


class LeafWalker:
    """Predicts from cells; a node names its feature by its place among those in use."""

    def __init__(self, forest: LeafForest, binning: Binning) -> None:
        words = forest.words
        features = words.view(np.uint16)[FEATURE_PART::4]
        counts = np.bincount(features, minlength=binning.n_features)
        counts[0] -= (len(words) + forest.n_trees) // 2  # leaves, whose feature is written as 0
        used = np.flatnonzero(counts)
        if len(counts) > binning.n_features:
            forest.check_features(binning.n_features)
        if len(used) < binning.n_features:  # else the words are shared, not copied
            place = np.zeros(binning.n_features, np.uint64)
            place[used] = np.arange(len(used), dtype=np.uint64)
            words = (words & ~(FEATURES << U(32))) | (place[features] << U(32))
        sizes, marks = np.diff(binning.starts)[used], binning.categorical[used].astype(np.uint8)
        self._used = used
        self._tables = {
            np.dtype(d): (used, binning.table(d, used), sizes, marks) for d in (np.float32, np.float64)
        }
        self._trees = (words, forest.values, forest.starts, forest.levels, forest.level_bits)
        self._shares = forest.shares
        large = np.diff(forest.starts).max(initial=0) >= MOST_NODES
        self._narrow = not (large or marks.any() or len(used) > LEAVES)
        self._nodes: np.ndarray | None = None  # written for the first prediction of many rows

    def add(self, X: Any, out: np.ndarray, n_jobs: int | None = None) -> bool:
        """Adds the answers of all trees to out (n_rows, n_outputs); False where X holds NaN or infinity."""
        self._write_nodes(X.shape[0])
        if sp.issparse(X):
            return self._add_sparse(X, out, n_jobs)
        n, table = len(X), self._tables[X.dtype]
        if n < 512 or thread_count(n_jobs) == 1:
            return self._piece(X, table, 0, n, out)
        pieces = -(-n // ROWS_PER_PIECE)
        pieces += -pieces % (2 * thread_count(n_jobs))  # as many for each thread
        size = -(-n // pieces)
        starts = range(0, n, size)
        return all(parallel(lambda s: self._piece(X, table, s, min(s + size, n), out), starts, n_jobs))

    def _write_nodes(self, n_rows: int) -> None:
        """The nodes of 32 bits, where many rows wait for them."""
        if n_rows < MANY_ROWS or not self._narrow or self._nodes is not None:
            return
        words, _, starts, _, _ = self._trees
        nodes = np.empty(len(words) + len(starts), np.uint32)
        if compact(words, starts, nodes):
            self._nodes = nodes
        else:
            self._narrow = False

    def _piece(self, X: np.ndarray, table: Any, start: int, end: int, out: np.ndarray) -> bool:
        """As `add` for some rows."""
        if self._nodes is not None and end - start >= MANY_ROWS:
            _, values, starts, _, _ = self._trees
            start = int(answer_compact(X, table, self._nodes, starts, values, self._shares, start, end, out))
            if start == end:
                return True
        return bool(answer_rows(X, table, self._trees, self._shares, start, end, out))

    def _add_sparse(self, X: Any, out: np.ndarray, n_jobs: int | None) -> bool:
        """As `add` for CSR: blocks of rows are written out in the columns that the trees use."""
        finite = bool(np.isfinite(X.data).all())
        used, n = self._used, X.shape[0]
        X = X[:, used] if len(used) < X.shape[1] else X
        table = (np.arange(len(used)), *self._tables[X.dtype][1:])
        size = min(ROWS_PER_PIECE, max(1, DENSE_CELLS // max(len(used), 1)))

        def piece(s: int) -> None:
            e = min(s + size, n)
            self._piece(np.ascontiguousarray(X[s:e].toarray()), table, 0, e - s, out[s:e])

        parallel(piece, range(0, n, size), n_jobs)
        return finite
