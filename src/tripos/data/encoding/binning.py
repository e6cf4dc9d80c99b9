"""Binning: numbers cut into intervals [e_(j-1), e_j), whose edges e are learned per column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tripos.data.encoding import weighted
from tripos.data.encoding.target_statistics import is_regression
from tripos.state import Array, Spec

HOW = ("equal-frequency", "equal-width", "tree")
SMALLEST_LEAF = 0.01  # of all rows, for bins by tree


@dataclass(frozen=True, eq=False)
class Bins:
    """Inner edges of each column: column j has `edges[starts[j]:starts[j + 1]]`."""

    edges: np.ndarray  # (total number of edges,)
    starts: np.ndarray  # (n_columns + 1,)

    state: ClassVar[dict[str, Spec]] = {"edges": Array("f", ("edges",)), "starts": Array("i", (None,), low=0)}

    @classmethod
    def learn(
        cls,
        N: np.ndarray,
        w: np.ndarray | None,
        y: np.ndarray | None,
        *,
        how: str,
        n_bins: int,
        task: str = "auto",
    ) -> Bins:
        """Learn from N (n_rows, n_columns), NaN left aside.

        Parameters
        ----------
        how : str
            "equal-frequency": edges at the quantiles; "equal-width": at equal distances from minimum to maximum;
            "tree": at the thresholds of a decision tree that predicts y from this column alone.
        n_bins : int
            At most so many bins; edges that coincide are merged.
        """
        if how == "tree" and y is None:
            raise ValueError("binning='tree' learns from the target: fit(X, y) needs y")
        regression = y is not None and is_regression(y, task)
        per_column = []
        for x in N.T:
            here = ~np.isnan(x)
            known, weights = x[here].astype(np.float64), None if w is None else w[here]
            if not len(known):
                edges = np.empty(0)
            elif how == "tree" and y is not None:
                edges = _tree_edges(known, weights, y[here], n_bins, regression=regression)
            else:
                edges = _edges(known, weights, how, n_bins)
            per_column.append(edges)
        return cls(np.concatenate([np.empty(0), *per_column]), np.cumsum([0, *map(len, per_column)]))

    @property
    def widths(self) -> np.ndarray:
        """Number of bins of each column."""
        return np.diff(self.starts) + 1

    def codes(self, N: np.ndarray) -> np.ndarray:
        """The bin of each cell, int64 of shape (n_rows, n_columns); -1 for NaN."""
        codes = np.empty(N.shape[::-1], dtype=np.int64)
        for j, x in enumerate(N.T):
            codes[j] = np.searchsorted(self.edges[self.starts[j] : self.starts[j + 1]], x, side="right")
            codes[j, np.isnan(x)] = -1
        return codes.T

    def names(self, columns: Sequence[str]) -> list[list[str]]:
        """The name of each bin: `age<25`, `25<=age<40`, `age>=40`."""
        return [
            _bin_names(column, self.edges[start:stop].tolist())
            for column, start, stop in zip(columns, self.starts[:-1], self.starts[1:])
        ]

    def _check_state(self) -> None:
        starts = self.starts
        if not len(starts) or starts[0] != 0 or starts[-1] != len(self.edges) or (np.diff(starts) < 0).any():
            raise ValueError("starts does not part the edges into columns")
        rising = np.diff(self.edges) > 0
        rising[starts[1:-1][(starts[1:-1] > 0) & (starts[1:-1] < len(self.edges))] - 1] = True
        if not rising.all():
            raise ValueError("edges do not rise within a column")


def _edges(x: np.ndarray, w: np.ndarray | None, how: str, n_bins: int) -> np.ndarray:
    low, high = x.min(), x.max()
    inner = np.arange(1, n_bins) / n_bins
    edges = weighted.quantiles(x, inner, w) if how == "equal-frequency" else low + inner * (high - low)
    edges = np.unique(edges)
    return np.asarray(edges[(edges > low) & (edges <= high)])


def _tree_edges(
    x: np.ndarray, w: np.ndarray | None, y: np.ndarray, n_bins: int, *, regression: bool
) -> np.ndarray:
    # the smallest leaf is a share of the weights, since min_samples_leaf would count a row of weight k once
    Tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
    tree = Tree(max_leaf_nodes=n_bins, min_weight_fraction_leaf=SMALLEST_LEAF, random_state=0)
    tree.fit(x[:, None], y, sample_weight=w)
    thresholds = tree.tree_.threshold[tree.tree_.children_left >= 0]
    # a tree sends x <= t to the left, a bin takes x < e
    return np.unique(np.nextafter(thresholds, np.inf))


def _bin_names(column: str, edges: list[float]) -> list[str]:
    ends = [f"{edge:.6g}" for edge in edges]
    if len(set(ends)) < len(ends):
        ends = [repr(edge) for edge in edges]
    if not ends:
        return [f"{column} in one bin"]
    between = [f"{low}<={column}<{high}" for low, high in zip(ends, ends[1:])]
    return [f"{column}<{ends[0]}", *between, f"{column}>={ends[-1]}"]
