"""Binning: numbers cut into intervals [e_(j-1), e_j), whose edges e are learned per column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tripos.data.encoding import weighted
from tripos.data.encoding.target_statistics import is_regression

HOW = ("equal-frequency", "equal-width", "tree")


class Bins:
    """Inner edges of each column and the bin of each cell.

    Parameters
    ----------
    how : str
        "equal-frequency": edges at the quantiles; "equal-width": at equal distances between minimum and maximum;
        "tree": at the thresholds of a decision tree of the target on this column alone.
    n_bins : int
        At most so many bins; edges that coincide are merged.

    Attributes
    ----------
    edges_ : ndarray of shape (total number of edges,)
    starts_ : ndarray of shape (n_columns + 1,)
        Column j has the edges `edges_[starts_[j]:starts_[j + 1]]`.
    """

    def __init__(self, how: str, n_bins: int) -> None:
        self.how, self.n_bins = how, n_bins

    def fit(self, N: np.ndarray, w: np.ndarray | None, y: np.ndarray | None, *, task: str) -> Bins:
        classes = y is not None and not is_regression(y, task)
        edges = []
        for x in N.T:
            here = ~np.isnan(x)
            if not here.any():
                edges.append(np.empty(0))
                continue
            weights, target = (None if v is None else v[here] for v in (w, y))
            edges.append(self._edges(x[here].astype(np.float64), weights, target, classes))
        self.edges_ = np.concatenate([np.empty(0), *edges])
        self.starts_ = np.cumsum([0, *map(len, edges)])
        return self

    def _edges(self, x: np.ndarray, w: np.ndarray | None, y: np.ndarray | None, classes: bool) -> np.ndarray:
        low, high = x.min(), x.max()
        inner = np.arange(1, self.n_bins) / self.n_bins
        if self.how == "equal-frequency":
            edges = weighted.quantiles(x, inner, w)
        elif self.how == "equal-width":
            edges = low + inner * (high - low)
        else:
            tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(
                max_leaf_nodes=self.n_bins, min_samples_leaf=1 if len(x) < 40 else 20, random_state=0
            )
            tree.fit(x[:, None], y, sample_weight=w)
            thresholds = tree.tree_.threshold[tree.tree_.children_left >= 0]
            edges = np.nextafter(thresholds, np.inf)  # a tree sends x <= t to the left, a bin takes x < e
        edges = np.unique(edges)
        return edges[(edges > low) & (edges <= high)]

    @property
    def widths(self) -> np.ndarray:
        return np.diff(self.starts_) + 1

    def codes(self, N: np.ndarray) -> np.ndarray:
        """The bin of each cell, int64 of shape (n_rows, n_columns); -1 for NaN."""
        codes = np.empty(N.shape[::-1], dtype=np.int64)
        for j, x in enumerate(N.T):
            codes[j] = np.searchsorted(self.edges_[self.starts_[j] : self.starts_[j + 1]], x, side="right")
            codes[j, np.isnan(x)] = -1
        return codes.T

    def names(self, columns: Sequence[str]) -> list[list[str]]:
        """The name of each bin: `age<25`, `25<=age<40`, `age>=40`."""
        named = []
        for column, start, stop in zip(columns, self.starts_[:-1], self.starts_[1:]):
            ends = [f"{edge:.6g}" for edge in self.edges_[start:stop]]
            if len(set(ends)) < len(ends):
                ends = [repr(float(edge)) for edge in self.edges_[start:stop]]
            if not ends:
                named.append([f"{column} in one bin"])
                continue
            between = [f"{a}<={column}<{b}" for a, b in zip(ends, ends[1:])]
            named.append([f"{column}<{ends[0]}", *between, f"{column}>={ends[-1]}"])
        return named
