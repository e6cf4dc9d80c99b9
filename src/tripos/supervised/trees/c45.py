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

from tripos.supervised.trees.c45_grow import Grower
from tripos.supervised.trees.c45_prune import Pruner, simplified
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
    >>> from tripos import C45Classifier
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
        least, mdl = float(self.min_samples_leaf), bool(self.mdl_correction)
        grower = Grower(data, training.y, native, len(self.classes_), least, mdl)
        root = grower.grow(w, np.inf if self.max_depth is None else self.max_depth)
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
