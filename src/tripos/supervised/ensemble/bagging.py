"""`BaggingClassifier` and `BaggingRegressor`: copies of one learner, each on rows (and columns) drawn at random.

    H(x) = (1 / M) sum_m h_m(x),    h_m fitted to rows drawn with replacement

Rows that a copy did not see tell how well it answers: out of bag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sklearn.ensemble
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _num_samples,
    check_is_fitted,
    column_or_1d,
)

from tripos import inputs, labels
from tripos.state import Array, Labels
from tripos.supervised.ensemble.bagged import Bagging


def _has_scores(model: Any) -> bool:
    return hasattr(model.__dict__.get("estimators_", [model.estimator_])[0], "decision_function")


class BaggingClassifier(Bagging, sklearn.ensemble.BaggingClassifier):
    """Classifiers on rows drawn at random, which answer together.

    Parameters
    ----------
    estimator : estimator or None, default=None
        What is copied; None for `DecisionTreeClassifier`.
    n_estimators : int, default=10
    max_samples : int, float or None, default=None
        Rows drawn for each copy, or their share; None for as many as there are.
    max_features : int or float, default=1.0
        Columns drawn for each copy, or their share.
    bootstrap, bootstrap_features : bool
        Whether rows (columns) are drawn with replacement.
    oob_score : bool, default=False
        Whether to judge by rows out of bag.
    warm_start : bool, default=False
        Whether `fit` adds copies to those there are.
    n_jobs : int or None, default=None
        Copies fitted at the same time.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    estimators_ : list
    estimators_features_, estimators_samples_ : list of ndarray
    classes_ : ndarray of shape (n_classes,)
    n_classes_ : int
    oob_score_ : float
    oob_decision_function_ : ndarray of shape (n_rows, n_classes)
        NaN for rows that all copies saw.
    n_features_in_ : int

    References
    ----------
    L. Breiman, "Bagging predictors" (1996), doi:10.1007/BF00058655.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import BaggingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> BaggingClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    state: ClassVar[Mapping[str, Any]] = {
        "classes_": Labels("classes"),
        "oob_decision_function_": Array("f", (None, "classes"), finite=False, optional=True),
    }
    classes_: np.ndarray

    def _default(self) -> Any:
        from tripos.supervised.trees.decision_tree import DecisionTreeClassifier

        return DecisionTreeClassifier()

    @property
    def n_classes_(self) -> int:
        """How many classes."""
        return len(self.classes_)

    def _target(self, y: Any) -> np.ndarray:
        check_classification_targets(y)
        y = labels.as_label_array(column_or_1d(y, warn=True))
        classes, _ = labels.encode_labels(y)
        if self._kept_copies() and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start keeps copies of the classes {self.classes_}, found {classes} in y: fit a new model"
            )
        self.classes_ = classes
        return np.asarray(y)

    def _answer(self, m: int, X: Any) -> np.ndarray:
        member, X = self.estimators_[m], self._seen(m, X)
        places = np.searchsorted(self.classes_, member.classes_)
        shares = np.zeros((_num_samples(X), len(self.classes_)))
        if hasattr(member, "predict_proba"):
            shares[:, places] = member.predict_proba(X)
        else:
            shares[np.arange(len(shares)), np.searchsorted(self.classes_, member.predict(X))] = 1.0
        return shares

    def _judge_out_of_bag(self, X: Any, y: np.ndarray) -> None:
        self.oob_decision_function_ = self._out_of_bag(X, len(self.classes_))
        known = ~np.isnan(self.oob_decision_function_[:, 0])
        said = self.classes_[self.oob_decision_function_[known].argmax(axis=1)]
        self.oob_score_ = float(accuracy_score(y[known], said))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Mean probability of the copies, or share of their answers, shape (n_rows, n_classes)."""
        check_is_fitted(self, "estimators_")
        return self._mean(X, len(self.classes_))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest probability, shape (n_rows,)."""
        shares = self.predict_proba(X)
        return np.asarray(self.classes_.take(shares.argmax(axis=1)))

    @available_if(_has_scores)
    def decision_function(self, X: Any) -> np.ndarray:
        """Mean score of the copies."""
        check_is_fitted(self, "estimators_")
        X = self._checked(X, reset=False)
        if any(len(member.classes_) < len(self.classes_) for member in self.estimators_):
            raise ValueError(
                "a copy did not see all classes, so that scores have no mean: use predict_proba, or more max_samples"
            )
        scores = [member.decision_function(self._seen(m, X)) for m, member in enumerate(self.estimators_)]
        return np.asarray(np.mean(scores, axis=0))

    def _check_state(self) -> None:
        super()._check_state()
        if any(not set(member.classes_) <= set(self.classes_) for member in self.estimators_):
            raise ValueError("a copy answers with classes that are not there")


class BaggingRegressor(Bagging, sklearn.ensemble.BaggingRegressor):
    """Regressors on rows drawn at random, whose mean is the answer.

    Parameters
    ----------
    estimator : estimator or None, default=None
        What is copied; None for `DecisionTreeRegressor`.
    n_estimators : int, default=10
    max_samples : int, float or None, default=None
        Rows drawn for each copy, or their share; None for as many as there are.
    max_features : int or float, default=1.0
        Columns drawn for each copy, or their share.
    bootstrap, bootstrap_features : bool
        Whether rows (columns) are drawn with replacement.
    oob_score : bool, default=False
        Whether to judge by rows out of bag.
    warm_start : bool, default=False
        Whether `fit` adds copies to those there are.
    n_jobs : int or None, default=None
        Copies fitted at the same time.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    estimators_ : list
    estimators_features_, estimators_samples_ : list of ndarray
    oob_score_ : float
    oob_prediction_ : ndarray of shape (n_rows,)
        NaN for rows that all copies saw.
    n_features_in_ : int

    References
    ----------
    L. Breiman, "Bagging predictors" (1996), doi:10.1007/BF00058655.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import BaggingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> BaggingRegressor(random_state=0).fit(X, y).score(X, y) > 0.7
    True
    """

    state: ClassVar[Mapping[str, Any]] = {"oob_prediction_": Array("f", (None,), finite=False, optional=True)}

    def _default(self) -> Any:
        from tripos.supervised.trees.decision_tree import DecisionTreeRegressor

        return DecisionTreeRegressor()

    def _target(self, y: Any) -> np.ndarray:
        y = np.asarray(column_or_1d(y, warn=True), dtype=np.float64)
        if not np.isfinite(y).all():
            raise ValueError(inputs.describe_nonfinite(y, "y"))
        return np.asarray(y)

    def _answer(self, m: int, X: Any) -> np.ndarray:
        return np.asarray(self.estimators_[m].predict(self._seen(m, X)), dtype=np.float64).reshape(-1, 1)

    def _judge_out_of_bag(self, X: Any, y: np.ndarray) -> None:
        self.oob_prediction_ = self._out_of_bag(X, 1)[:, 0]
        known = ~np.isnan(self.oob_prediction_)
        self.oob_score_ = float(r2_score(y[known], self.oob_prediction_[known]))

    def predict(self, X: Any) -> np.ndarray:
        """Mean answer of the copies, shape (n_rows,)."""
        return self._mean(X, 1)[:, 0]
