"""ID3: a branch for each level of the column that tells most about the class.

    gain(A) = H(C) - sum_v (n_v / n) H(C | A = v),    H(C) = - sum_k p_k log2 p_k

until all rows have one class, or no column is left.

References
----------
Quinlan, "Induction of decision trees", Machine Learning 1 (1986) 81-106. doi:10.1007/BF00116251
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.compute import kernel
from tripos.state import Array, ListOf
from tripos.supervised.trees.c45_grow import GAIN, levels_test
from tripos.supervised.trees.multiway import TINY, Branching
from tripos.supervised.trees.multiway_model import MultiwayModel


@kernel("F[:, ::1], f8[::1], i8[::1], u1[::1], f8[:, ::1]", strict=True)
def to_codes(X, cuts, starts, native, out):  # type: ignore[no-untyped-def]
    """out[i, j] becomes the number of column j's bounds below X[i, j]; codes, NaN and infinity stay as they are."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = np.float64(X[i, j])
            out[i, j] = x
            if native[j] or not abs(x) < np.inf:
                continue
            lo, hi = starts[j], starts[j + 1]
            while lo < hi:
                mid = (lo + hi) >> 1
                if cuts[mid] < x:
                    lo = mid + 1
                else:
                    hi = mid
            out[i, j] = lo - starts[j]


class ID3Classifier(MultiwayModel):
    """Quinlan's ID3: splits on all levels of a category at once, by information gain, without pruning.

        gain(A) = H(C) - sum_v (n_v / n) H(C | A = v)

    A column is tested once on each path. Of columns that gain the same the first is taken. A branch no training row went
    down answers with the classes of the node above; rows whose cell is missing go down all branches.

    Parameters
    ----------
    numbers : {"bins", "levels", "error"}, default="bins"
        What becomes of columns of numbers, which ID3 does not know: cut into intervals of equal size, each value a level,
        or an error.
    n_bins : int, default=5
        Intervals of a column of numbers.
    max_depth : int or None, default=None
        Tests between the root and a leaf at most.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes in the training rows.
    multiway_ : MultiwayTree
    cuts_ : list of ndarray
        For each column the bounds of its intervals (or its values), empty where cells are codes already.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    Quinlan (1986). Induction of decision trees. Machine Learning 1. doi:10.1007/BF00116251

    See Also
    --------
    C45Classifier : its successor, with thresholds, missing values and pruning.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import ID3Classifier
    >>> X = np.array([["sunny", "weak"], ["sunny", "strong"], ["rain", "weak"], ["rain", "strong"]], dtype=object)
    >>> print(ID3Classifier().fit(X, ["yes", "yes", "yes", "no"]).export_text())
    x0 = rain:
    |   x1 = strong: no (1)
    |   x1 = weak: yes (1)
    x0 = sunny: yes (2)
    """

    state: ClassVar[Mapping[str, Any]] = {"cuts_": ListOf(Array("f", (None,)))}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "numbers": [StrOptions({"bins", "levels", "error"})],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    }
    cuts_: list[np.ndarray]

    def __init__(self, numbers: str = "bins", *, n_bins: int = 5, max_depth: int | None = None) -> None:
        self.numbers = numbers
        self.n_bins = n_bins
        self.max_depth = max_depth

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How fine numbers are cut, and how far the tree grows."""
        return {"n_bins": (2, 10, "linear"), "max_depth": [None, 2, 3, 5]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ID3Classifier:
        """Grow the tree.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training, w, native = self._start(X, y, sample_weight)
        self._learn_cuts(training.X, w, native)
        codes = self._cells(training.X)
        most = np.nan_to_num(codes, nan=-1.0).max(axis=0).astype(np.int64) + 1
        K = len(self.classes_)
        depth = codes.shape[1] if self.max_depth is None else int(self.max_depth)
        counts = np.bincount(training.y, w, K)
        root = Branching(counts, counts / counts.sum())
        columns, tables = np.ascontiguousarray(codes.T), [np.empty((max(m, 1) + 1, K)) for m in most.tolist()]
        stack = [(root, np.arange(len(w)), w, frozenset(range(len(columns))), depth)]
        while stack:
            node, rows, weights, left, more = stack.pop()
            pure = np.count_nonzero(node.counts) < 2
            best = -1 if pure or not more else self._best(columns, training.y, rows, weights, left, tables)
            if best < 0:
                continue
            node.feature = best
            node.children = [Branching(np.zeros(K), node.shares) for _ in range(int(most[best]))]
            parts = node.parts(columns[best][rows], weights)
            for child, (at, part) in zip(node.children, parts, strict=True):
                if len(at):
                    child.counts = np.bincount(training.y[rows[at]], part, K)
                    child.shares = child.counts / child.counts.sum()
                    stack.append((child, rows[at], part, left - {best}, more - 1))
        self._keep(root, len(columns))
        return self

    def _best(
        self,
        columns: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        w: np.ndarray,
        left: frozenset[int],
        tables: list[np.ndarray],
    ) -> int:
        """The column that gains most, -1 if none gains."""
        best, gain = -1, TINY
        mine, said, total = y[rows], np.empty(4), float(w.sum())
        at = np.arange(len(rows))
        for j in sorted(left):
            levels_test(columns[j][rows], at, mine, w, tables[j], total, 2 * TINY, said)
            if said[GAIN] > gain + TINY:
                best, gain = j, said[GAIN]
        return best

    def _learn_cuts(self, X: np.ndarray, w: np.ndarray, native: np.ndarray) -> None:
        self.cuts_ = []
        for j in range(X.shape[1]):
            if native[j]:
                self.cuts_.append(np.empty(0))
                continue
            if self.numbers == "error":
                name = self.encoded_feature_names_[j]
                raise ValueError(
                    f"column {name!r} holds numbers, and ID3 tests levels: pass strings or categories, set numbers='bins' "
                    "or 'levels', or use C45Classifier"
                )
            known = ~np.isnan(X[:, j])
            found, inverse = np.unique(X[known, j].astype(np.float64), return_inverse=True)
            if self.numbers == "bins" and len(found) > self.n_bins:
                share = np.cumsum(np.bincount(inverse, w[known])) / w[known].sum()
                at = np.searchsorted(share, np.arange(1, self.n_bins) / self.n_bins - 1e-12)
                found = np.unique(found[np.minimum(at, len(found) - 2)])
            elif len(found):
                found = found[:-1]
            self.cuts_.append(found)
        self._prepare()

    def _prepare(self) -> None:
        """The bounds one behind the other, which `to_codes` reads."""
        sizes = [len(cuts) for cuts in self.cuts_]
        self._flat = np.concatenate([*self.cuts_, np.empty(0)])
        self._starts = np.cumsum([0, *sizes])
        self._native = self._native_categories(len(sizes)).astype(np.uint8)

    def _cells(self, X: np.ndarray) -> np.ndarray:
        """Codes: the number of bounds below a cell; a level that training did not have stays beyond all children."""
        codes = np.empty(X.shape)
        to_codes(X, self._flat, self._starts, self._native, codes)
        return codes

    def _condition(self, j: int, sign: str, value: float) -> str:
        cuts, b = self.cuts_[j], int(value)
        if not len(cuts):
            return super()._condition(j, sign, value)
        name = self.encoded_feature_names_[j]
        if b == 0:
            return f"{name} <= {cuts[0]:.6g}"
        return (
            f"{name} > {cuts[-1]:.6g}" if b >= len(cuts) else f"{cuts[b - 1]:.6g} < {name} <= {cuts[b]:.6g}"
        )

    def _check_state(self) -> None:
        super()._check_state()
        tree = self.multiway_
        if len(self.cuts_) != tree.n_features:
            raise ValueError(f"cuts_ has {len(self.cuts_)} entries for {tree.n_features} columns")
        if any(cuts.dtype != np.float64 or (np.diff(cuts) <= 0).any() for cuts in self.cuts_):
            raise ValueError("cuts_ must be float64 and rise")
        native = self._native_categories(tree.n_features)
        inner = tree.n_children > 0
        if not np.isnan(tree.thresholds[inner]).all():
            raise ValueError("a test has a threshold, and ID3 tests levels")
        bins = np.array([len(cuts) + 1 for cuts in self.cuts_])[tree.features]
        if (inner & ~native[tree.features] & (tree.n_children != bins)).any():
            raise ValueError("a test on a column of numbers has not a child for each interval of cuts_")
        if any(len(cuts) for cuts, is_native in zip(self.cuts_, native, strict=True) if is_native):
            raise ValueError("cuts_ has bounds for a column of levels")

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()
