"""C4.5: gain ratio, thresholds, rows with missing cells in all branches, and pruning by pessimistic errors.

    gain ratio(A) = gain(A) / split info(A),    split info(A) = - sum_v (n_v / n) log2(n_v / n)

is maximised among the columns whose gain is at least the average. A threshold on numbers pays for its choice among N
candidates: its gain is less by log2(N) / n.

References
----------
Quinlan, "C4.5: programs for machine learning" (1993).
Quinlan, "Improved use of continuous attributes in C4.5", JAIR 4 (1996) 77-90. doi:10.1613/jair.279
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from tripos.supervised.trees.c45_prune import Pruner, simplified
from tripos.supervised.trees.multiway import TINY, Branching, class_table, entropy
from tripos.supervised.trees.multiway_model import MultiwayModel, QuinlanRule


class C45Classifier(MultiwayModel):
    """Quinlan's C4.5, release 8.

        maximise  gain(A) / split info(A)  among tests whose gain is at least the average

    Levels of a category have a branch each, numbers a threshold; the gain of a test counts only rows whose cell is known,
    and rows with a missing cell go down all branches by share. The tree is pruned where the pessimistic errors of a leaf,
    or of its largest branch in its place, are no more than those of the subtree.

    Parameters
    ----------
    min_samples_leaf : int, default=2
        Weight that at least two branches of a test must have (-m).
    confidence : float, default=0.25
        CF of the errors' confidence limit (-c); smaller prunes more.
    prune : bool, default=True
    subtree_raising : bool, default=True
        Whether a subtree's largest branch may take its place.
    mdl_correction : bool, default=True
        Whether thresholds pay for their choice, as in release 8.
    max_depth : int or None, default=None
        Tests between the root and a leaf at most.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes in the training rows.
    multiway_ : MultiwayTree
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    Quinlan (1993). C4.5: programs for machine learning.

    Quinlan (1996). Improved use of continuous attributes in C4.5. JAIR 4. doi:10.1613/jair.279

    See Also
    --------
    DecisionTreeClassifier : binary splits by impurity, and much faster.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos.supervised.trees.c45 import C45Classifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> print(C45Classifier().fit(X, y).export_text())
    petal width (cm) <= 0.6: 0 (50)
    petal width (cm) > 0.6:
    |   petal width (cm) <= 1.7:
    |   |   petal length (cm) <= 4.9: 1 (48/1)
    |   |   petal length (cm) > 4.9:
    |   |   |   petal width (cm) <= 1.5: 2 (3)
    |   |   |   petal width (cm) > 1.5: 1 (3/1)
    |   petal width (cm) > 1.7: 2 (46/1)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "confidence": [Interval(Real, 0.0, 1.0, closed="right")],
        "prune": ["boolean"],
        "subtree_raising": ["boolean"],
        "mdl_correction": ["boolean"],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        min_samples_leaf: int = 2,
        confidence: float = 0.25,
        prune: bool = True,
        subtree_raising: bool = True,
        mdl_correction: bool = True,
        max_depth: int | None = None,
    ) -> None:
        self.min_samples_leaf = min_samples_leaf
        self.confidence = confidence
        self.prune = prune
        self.subtree_raising = subtree_raising
        self.mdl_correction = mdl_correction
        self.max_depth = max_depth

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How much is pruned, and the least weight of a branch."""
        return {"confidence": (0.01, 0.5, "log"), "min_samples_leaf": (2, 50, "log")}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> C45Classifier:
        """Grow the tree and prune it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training, w, native = self._start(X, y, sample_weight)
        data = np.ascontiguousarray(training.X, dtype=np.float64)
        grower = _Grower(self, data, training.y, native, len(self.classes_))
        root = grower.grow(w)
        if self.prune:
            Pruner(data, training.y, float(self.confidence), self.subtree_raising).prune(root, w)
        self._keep(root, data.shape[1])
        return self

    def rules(self, X: Any = None, y: Any = None, *, confidence: float | None = None) -> list[QuinlanRule]:
        """The leaves as rules; with rows, each without the conditions whose loss does not raise its pessimistic error.

        Parameters
        ----------
        X, y : optional
            Training rows, on which rules are simplified as c4.5rules does, each for itself; equal ones are told once.
        confidence : float, optional
            By default that of the tree.

        Returns
        -------
        list of QuinlanRule
            By falling accuracy.
        """
        if X is None:
            return super().rules()
        data = np.ascontiguousarray(self._cells(self._input(X)), dtype=np.float64)
        codes = np.searchsorted(self.classes_, np.asarray(y))
        level = float(self.confidence if confidence is None else confidence)
        found: dict[Any, QuinlanRule] = {}
        for conditions, i in self._paths():
            k = int(self.multiway_.shares[i].argmax())
            kept, covered, errors, rate = simplified(data, codes, conditions, k, level)
            if covered > 0 and (frozenset(kept), k) not in found:
                found[frozenset(kept), k] = self._rule(kept, k, covered, errors, 1.0 - rate)
        return sorted(found.values(), key=lambda rule: -rule.accuracy)


class _Grower:
    """Grows a tree; columns that `native` marks are codes of levels."""

    def __init__(
        self, model: C45Classifier, X: np.ndarray, y: np.ndarray, native: np.ndarray, K: int
    ) -> None:
        self.X, self.y, self.native, self.K = X, y, native, K
        self.least, self.mdl = float(model.min_samples_leaf), model.mdl_correction
        self.most_depth = np.inf if model.max_depth is None else model.max_depth
        codes = np.where(np.isnan(X), -1.0, X).max(axis=0) + 1
        self.levels = np.where(native, codes, 0).astype(np.int64)
        self.values = [np.unique(column[~np.isnan(column)]) for column in X.T]

    def grow(self, w: np.ndarray) -> Branching:
        counts = np.bincount(self.y, w, self.K)
        root = Branching(counts, counts / counts.sum())
        self._split(root, np.arange(len(w)), w, 0, frozenset())
        return root

    def _split(
        self, node: Branching, rows: np.ndarray, w: np.ndarray, depth: int, used: frozenset[int]
    ) -> None:
        if node.errors < TINY or node.weight < 2 * self.least - TINY or depth >= self.most_depth:
            return
        best = self._best(rows, w, used)
        if best is None:
            return
        node.feature, node.threshold = best
        is_level = bool(np.isnan(node.threshold))
        k = int(self.levels[node.feature]) if is_level else 2
        node.children = [Branching(np.zeros(self.K), node.shares) for _ in range(k)]
        below = used | {node.feature} if is_level else used
        for child, (at, part) in zip(node.children, node.parts(self.X[rows, node.feature], w), strict=True):
            if len(at):
                child.counts = np.bincount(self.y[rows[at]], part, self.K)
                child.shares = child.counts / child.counts.sum()
                self._split(child, rows[at], part, depth + 1, below)
        total = sum(_errors_below(child) for child in node.children)
        if total >= node.errors - TINY:
            node.become_leaf()

    def _best(self, rows: np.ndarray, w: np.ndarray, used: frozenset[int]) -> tuple[int, float] | None:
        """Column and threshold (NaN for levels) of the test with the best gain ratio."""
        y = self.y[rows]
        tests = []
        for j in range(self.X.shape[1]):
            if j in used:
                continue
            x = self.X[rows, j]
            found = self._levels_test(j, x, y, w) if self.native[j] else self._threshold_test(j, x, y, w)
            if found is not None and found[0] > TINY:
                tests.append((j, *found))
        if not tests:
            return None
        many = [self.native[j] and self.levels[j] >= 0.3 * len(self.y) for j, *_ in tests]
        averaged = [t[1] for t, skip in zip(tests, many, strict=True) if all(many) or not skip]
        average = sum(averaged) / len(averaged)
        best, ratio = None, 0.0
        for j, gain, info, threshold in tests:
            if gain >= average - 1e-3 and info > TINY and gain / info > ratio + TINY:
                best, ratio = (j, threshold), gain / info
        return best

    def _levels_test(
        self, j: int, x: np.ndarray, y: np.ndarray, w: np.ndarray
    ) -> tuple[float, float, float] | None:
        known = ~np.isnan(x)
        if not known.any():
            return None
        table = class_table(x[known].astype(np.int64), y[known], w[known], int(self.levels[j]), self.K)
        sizes = table.sum(axis=1)
        if (sizes >= self.least - TINY).sum() < 2:
            return None
        total = float(w.sum())
        gain = float(entropy(table.sum(axis=0)) - entropy(table).sum()) / total
        return gain, self._split_info(sizes, total), np.nan

    def _threshold_test(
        self, j: int, x: np.ndarray, y: np.ndarray, w: np.ndarray
    ) -> tuple[float, float, float] | None:
        known = np.flatnonzero(~np.isnan(x))
        order = known[np.argsort(x[known], kind="stable")]
        if len(order) < 2:
            return None
        v, total = x[order], float(w.sum())
        cells = np.zeros((len(order), self.K))
        cells[np.arange(len(order)), y[order]] = w[order]
        left = np.cumsum(cells, axis=0)
        size = left[-1].sum()
        least = min(max(0.1 * size / self.K, self.least), max(25.0, self.least))
        cut = np.flatnonzero(v[1:] > v[:-1])
        below = left[cut].sum(axis=1)
        fits = (below >= least - TINY) & (size - below >= least - TINY)
        tries = int(fits.sum())
        if not tries:
            return None
        cut = cut[fits]
        within = entropy(left[cut]) + entropy(left[-1] - left[cut])
        at = int(np.argmin(within))
        gain = float(entropy(left[-1]) - within[at]) / total
        if self.mdl:
            gain -= float(np.log2(tries)) / total
        size_left = float(left[cut[at]].sum())
        info = self._split_info(np.array([size_left, size - size_left]), total)
        middle = 0.5 * (v[cut[at]] + v[cut[at] + 1])
        values = self.values[j]  # the threshold is a value that occurs, the largest up to the middle
        return gain, info, float(values[np.searchsorted(values, middle, side="right") - 1])

    def _split_info(self, sizes: np.ndarray, total: float) -> float:
        """Bits that say which branch a row takes; rows with a missing cell are one more branch."""
        parts = np.append(sizes, max(total - float(sizes.sum()), 0.0))
        return float(entropy(parts)) / total


def _errors_below(node: Branching) -> float:
    return sum(_errors_below(child) for child in node.children) if node.children else node.errors
