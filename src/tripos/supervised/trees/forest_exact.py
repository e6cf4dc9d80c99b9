"""A forest of exact trees: thresholds between any two cells that differ, as a single tree of CART has them.

Bins lose nothing where a column has at most 255 values; where it has more, exact trees tell apart what bins put
together, at several times their cost. A tree's nodes are those of `cart_tree.CartTree`, counted from its root, and a leaf
names a row of a table of answers, which pure leaves share. Cells are compared as float32. Categories stand as codes
of the 255 most frequent levels (`Binning` holds those, and no cuts of numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tripos.compute.threads import parallel, thread_count
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.binning import MOST_BINS, Binning, cuts_of, distinct
from tripos.supervised.trees.cart_tree import (
    BY_LEVELS,
    FEATURE,
    LEAF_BITS,
    MISSING_LEFT,
    leaves_of,
    sparse_leaves,
)
from tripos.supervised.trees.nodes import Nodes

ROWS_PER_PIECE = 1 << 11  # rows that go through all trees before the next ones


def levels_alone(X: Any, categorical: np.ndarray) -> Binning:
    """The levels of categories, and no cuts of the other columns."""
    if not categorical.any():
        return Binning(np.empty(0), np.zeros(len(categorical) + 1, np.int64), categorical)
    if sp.issparse(X):
        raise ValueError("categorical_features needs a dense X where splits='exact'")
    cuts = [
        cuts_of(*distinct(X[:, j], None), True, MOST_BINS) if categorical[j] else np.empty(0)
        for j in range(X.shape[1])
    ]
    starts = np.cumsum([0, *map(len, cuts)]).astype(np.int64)
    return Binning(np.concatenate(cuts).astype(np.float64), starts, categorical)


def coded(binning: Binning, X: Any) -> Any:
    """X with codes for the levels of categories, NaN for those that are not known."""
    if not binning.categorical.any():
        return X
    X = X.copy()
    for j in np.flatnonzero(binning.categorical):
        levels = binning.cuts[binning.starts[j] : binning.starts[j + 1]]
        if len(levels):
            place = np.minimum(np.searchsorted(levels, X[:, j]), len(levels) - 1)
            X[:, j] = np.where(levels[place] == X[:, j], place, np.nan)
    return X


@dataclass(frozen=True, eq=False)
class ExactForest:
    """Exact trees, tree after tree; see `CartTree` for what a node is.

    Attributes
    ----------
    nodes : uint32 ndarray of shape (n_nodes, 3)
        Right children are counted from the tree's root.
    decreases : float32 ndarray of shape (n_nodes,)
        What each split takes away of the impurity, times weight; 0 at leaves.
    rows : uint32 ndarray of shape (n_nodes,)
        Weight of the training rows that reached the node.
    answers : uint32 ndarray of shape (n_nodes,)
        At leaves the row of `table`.
    starts : int64 ndarray of shape (n_trees + 1,)
    levels : uint64 ndarray of shape (n_level_splits, 4)
        Bit c is set where code c goes left.
    table : float ndarray of shape (n_answers, n_outputs)
    n_features : int
    """

    nodes: np.ndarray
    decreases: np.ndarray
    rows: np.ndarray
    answers: np.ndarray
    starts: np.ndarray
    levels: np.ndarray
    table: np.ndarray
    n_features: int

    state: ClassVar[dict[str, Spec]] = {
        "nodes": Array("u", ("nodes", 3)),
        "decreases": Array("f", ("nodes",)),
        "rows": Array("u", ("nodes",)),
        "answers": Array("u", ("nodes",)),
        "starts": Array("i", (None,), low=0),
        "levels": Array("u", ("level_splits", 4)),
        "table": Array("f", ("answers", None)),
        "n_features": Number("i", low=1),
    }

    def _check_state(self) -> None:
        """What walking relies on: trees in a row, children behind their parents, known columns, levels and answers."""
        kinds = {"nodes": np.uint32, "rows": np.uint32, "answers": np.uint32, "starts": np.int64}
        for name, kind in (kinds | {"levels": np.uint64, "decreases": np.float32}).items():
            if getattr(self, name).dtype != kind:
                raise ValueError(f"{name} must be {np.dtype(kind)}, found {getattr(self, name).dtype}")
        nodes, n, starts = self.nodes, len(self.nodes), self.starts
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 1).any():
            raise ValueError("starts does not part the nodes into trees")
        at, right, leaf = self._places(), nodes[:, 2].astype(np.int64), self.is_leaf
        size = np.repeat(np.diff(starts), np.diff(starts))
        inner = ~leaf
        if (right[inner] <= at[inner] + 1).any() or (right >= size).any() or not leaf[starts[1:] - 1].all():
            raise ValueError("a split's children are not behind it in its tree")
        if (nodes[leaf, 0] != 0).any() or (nodes[leaf, 1] != LEAF_BITS).any():
            raise ValueError("a leaf has the marks of a split")
        self.check_features(self.n_features)
        by_levels = self.by_levels
        if (nodes[by_levels, 1] >= len(self.levels)).any():
            raise ValueError("a split names levels that are not there")
        if np.isnan(nodes[inner & ~by_levels, 1].view(np.float32)).any():
            raise ValueError("a threshold is NaN")
        if (self.answers >= len(self.table)).any():
            raise ValueError("a leaf names an answer that is not there")

    # ---- its arrays ------------------------------------------------------------------------------

    def _places(self) -> np.ndarray:
        """The place of each node in its tree."""
        return np.asarray(np.arange(len(self.nodes)) - np.repeat(self.starts[:-1], np.diff(self.starts)))

    @property
    def n_trees(self) -> int:
        return len(self.starts) - 1

    @property
    def n_outputs(self) -> int:
        return int(self.table.shape[1])

    @property
    def is_leaf(self) -> np.ndarray:
        return np.asarray((self.nodes[:, 1] == LEAF_BITS) & (self.nodes[:, 2] == self._places()))

    @property
    def features(self) -> np.ndarray:
        """The feature of each node, 0 at leaves."""
        return np.asarray((self.nodes[:, 0] & np.uint32(FEATURE)).astype(np.int64))

    @property
    def by_levels(self) -> np.ndarray:
        return np.asarray((self.nodes[:, 0] & np.uint32(BY_LEVELS)) != 0)

    def check_features(self, n_features: int) -> None:
        """Raise unless every split is on one of so many features."""
        if n_features <= int(self.features.max(initial=0)):
            raise ValueError(f"a split is on feature {self.features.max()} of {n_features}")

    def check_answers(self, n_values: int, *, several: bool) -> None:
        """Raise unless a leaf answers with so many values."""
        if self.n_outputs != n_values:
            raise ValueError(f"forest_ answers with {self.n_outputs} values, not {n_values}")

    def gains(self, n_features: int) -> np.ndarray:
        """The gain of all splits on each feature, shape (n_features,)."""
        return np.asarray(self.gains_by_tree(n_features).sum(axis=0))

    def counts(self, n_features: int) -> np.ndarray:
        """The number of splits on each feature, shape (n_features,)."""
        return np.bincount(self.features[~self.is_leaf], minlength=n_features)

    def gains_by_tree(self, n_features: int) -> np.ndarray:
        """The gain of the splits on each feature, of each tree, (n_trees, n_features)."""
        tree = np.repeat(np.arange(self.n_trees), np.diff(self.starts))
        at = tree * n_features + self.features
        sums = np.bincount(at, self.decreases.astype(np.float64), self.n_trees * n_features)
        return np.asarray(sums.reshape(self.n_trees, n_features))

    def part(self, first: int, last: int) -> ExactForest:
        """The trees first <= t < last, as a forest of their own."""
        s, e = int(self.starts[first]), int(self.starts[last])
        arrays = (self.nodes[s:e], self.decreases[s:e], self.rows[s:e], self.answers[s:e])
        return ExactForest(
            *arrays, self.starts[first : last + 1] - s, self.levels, self.table, self.n_features
        )

    def dense_values(self) -> np.ndarray:
        """What each leaf answers, NaN at splits, (n_nodes, n_outputs)."""
        return np.asarray(np.where(self.is_leaf[:, None], self.table[self.answers], np.nan), np.float64)

    def written_out(self, binning: Binning) -> Nodes:
        """The form that explaining, printing and drawing read; without values."""
        leaf, by_levels, at = self.is_leaf, self.by_levels, np.arange(len(self.nodes))
        root = at - self._places()
        thresholds = self.nodes[:, 1].view(np.float32).astype(np.float64)
        known: list[np.ndarray | None] = [None] * self.n_features
        for j in np.flatnonzero(binning.categorical):
            known[j] = binning.cuts[binning.starts[j] : binning.starts[j + 1]]
        return Nodes(
            starts=self.starts,
            features=np.where(leaf, -1, self.features).astype(np.int32),
            thresholds=np.where(leaf | by_levels, np.nan, thresholds),
            left=np.where(leaf, -1, at + 1).astype(np.int32),
            right=np.where(leaf, -1, root + self.nodes[:, 2]).astype(np.int32),
            missing_left=(self.nodes[:, 0] & np.uint32(MISSING_LEFT)) != 0,
            levels=np.where(by_levels, self.nodes[:, 1].astype(np.int64), -1).astype(np.int32),
            level_bits=self.levels,
            values=self.dense_values(),
            weights=self.rows.astype(np.float64),
            gains=self.decreases.astype(np.float64),
            categories=tuple(known) if binning.categorical.any() else None,
        )

    # ---- prediction ------------------------------------------------------------------------------

    def walker(self, binning: Binning) -> ExactWalker:
        """What predicts from cells."""
        return ExactWalker(self, binning)


class ExactWalker:
    """Predicts from cells."""

    def __init__(self, forest: ExactForest, binning: Binning) -> None:
        forest.check_features(binning.n_features)
        self.forest, self.binning = forest, binning
        ends = forest.starts.tolist()
        self._trees = [
            (np.ascontiguousarray(forest.nodes[s:e]), forest.answers[s:e]) for s, e in zip(ends[:-1], ends[1:], strict=True)
        ]  # fmt: skip

    def add(
        self, X: Any, out: np.ndarray, n_jobs: int | None = None, bags: list[np.ndarray] | None = None
    ) -> bool:
        """Adds the answers of all trees to out (n_rows, n_outputs); False where X holds infinity.

        With `bags`, bits of the rows that each tree drew, a row hears only the trees that did not draw it.
        """
        X = coded(self.binning, X)
        n = X.shape[0]
        size = ROWS_PER_PIECE if n > ROWS_PER_PIECE else max(n, 1)
        if bags is not None:
            size = -(-size // 8) * 8
        pieces = range(0, n, size)
        if thread_count(n_jobs) == 1 or len(pieces) == 1:
            return all([self._piece(X, s, min(s + size, n), out, bags) for s in pieces])
        return all(parallel(lambda s: self._piece(X, s, min(s + size, n), out, bags), pieces, n_jobs))

    def _piece(self, X: Any, start: int, end: int, out: np.ndarray, bags: list[np.ndarray] | None) -> bool:
        table, part = self.forest.table, out[start:end]
        rows = X[start:end]
        leaves, wrong = np.empty(end - start, np.int64), False
        stored: Any = None
        if sp.issparse(rows):
            row = np.zeros(rows.shape[1], rows.dtype)
            stored = (rows.data, rows.indices.astype(np.int32), rows.indptr.astype(np.int32), row)
        for t, (nodes, answers) in enumerate(self._trees):
            if stored is not None:
                wrong |= bool(sparse_leaves(nodes, self.forest.levels, *stored, leaves))  # type: ignore[call-arg]
            else:
                wrong |= bool(leaves_of(nodes, self.forest.levels, rows, int(t == 0), 0, end - start, leaves))
            said = table.take(answers.take(leaves), axis=0)
            if bags is not None:
                drawn = np.unpackbits(bags[t][start // 8 : -(-end // 8)], bitorder="little")[: end - start]
                said = np.where(drawn[:, None] == 0, said, 0.0)
            part += said
        return not wrong
