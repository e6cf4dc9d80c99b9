"""`StackingClassifier` and `StackingRegressor`: a learner on what other learners say about rows they have not seen.

    z_i = (h_1^(-f(i))(x_i), ..., h_M^(-f(i))(x_i)),    H(x) = g(h_1(x), ..., h_M(x))

h^(-f) is fitted without fold f, g on the rows z_i, the members h that answer on all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sklearn.ensemble
from sklearn.base import is_classifier, is_regressor

from tripos import inputs
from tripos.data.encoder import Encoder
from tripos.data.needs import Needs
from tripos.state import Json, Labels, Nested
from tripos.supervised.ensemble.composed import Composed

PASSED = Needs(categories="one-hot-drop", text="none", sparse=False)  # what the final learner sees of a table


class Stacked(Composed):
    """What stacks of classifiers and of regressors share."""

    state: ClassVar[Mapping[str, Any]] = {
        "final_estimator_": Nested(),
        "stack_method_": Json(),
        "_n_feature_outs": Json(),
        "encoder_": Nested("Encoder", optional=True),
    }
    final_estimator: Any
    final_estimator_: Any
    stack_method_: list[str]
    passthrough: bool
    cv: Any

    def _may_drop_rows(self) -> bool:
        return self.cv is None or isinstance(
            self.cv, (int, np.integer, str)
        )  # others may name rows by number

    def _concatenate_predictions(self, X: Any, predictions: Any) -> Any:
        """A table that is passed through is encoded, as the final learner sees one array."""
        needs_numbers = isinstance(X, np.ndarray) and inputs.needs_encoding(X)
        if self.passthrough and (inputs.is_table(X) or needs_numbers):
            if "encoder_" not in self.__dict__:
                self.encoder_ = Encoder.plain(PASSED).fit(X)
            X = np.asarray(self.encoder_.transform(X), dtype=np.float64)
        return super()._concatenate_predictions(X, predictions)  # type: ignore[misc]

    def _members_to_save(self) -> list[tuple[str, Any]]:
        final = getattr(self, "final_estimator_", self.final_estimator)
        return [*self._kept(), *([] if final is None else [("final_estimator", final)])]

    def _load_state(self, values: dict[str, Any]) -> None:
        super()._load_state(values)
        if "estimators_" in values:
            methods = {"predict_proba", "decision_function", "predict"}
            if len(self.stack_method_) != len(self.estimators_) or not set(self.stack_method_) <= methods:
                raise ValueError("stack_method_ does not name a method of each member")

    def _more(self) -> list[str]:
        through = ", and on the columns" if self.passthrough else ""
        return [f"  on their answers{through}: {self.final_estimator_}"]


class StackingClassifier(Stacked, sklearn.ensemble.StackingClassifier):
    """A classifier on what other learners say about rows they have not seen.

    Tables go to the members as they are. Saved without pickle where all members are public classes of tripos.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Named members; "drop" in place of a member leaves it out.
    final_estimator : estimator or None, default=None
        The classifier on their answers; None for `LogisticRegression`.
    cv : int, splitter, iterable, "prefit" or None, default=None
        Folds whose rows a member does not see; None for 5.
    stack_method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        What of a member is an answer.
    n_jobs : int or None, default=None
    passthrough : bool, default=False
        Whether the final classifier sees the columns as well; those of a table one-hot.
    verbose : int, default=0

    Attributes
    ----------
    estimators_ : list
        Members, fitted to all rows.
    named_estimators_ : Bunch
    final_estimator_ : estimator
    stack_method_ : list of str
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    References
    ----------
    D. Wolpert, "Stacked generalization" (1992), doi:10.1016/S0893-6080(05)80023-1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import GaussianNB, LogisticRegression, StackingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> members = [("line", LogisticRegression()), ("bayes", GaussianNB())]
    >>> StackingClassifier(members).fit(X, y).score(X, y) > 0.95
    True
    """

    state: ClassVar[Mapping[str, Any]] = {"classes_": Labels()}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StackingClassifier:
        """Fit the members on all rows, and the final classifier on what they say without a fold about it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            Passed on; a member that takes none is named.

        Returns
        -------
        self
        """
        self.__dict__.pop("encoder_", None)
        self._require_one_target(y)
        X, y, weights = self._weighted(X, y, sample_weight)
        super().fit(X, y, **weights)
        return self

    def _validate_final_estimator(self) -> None:
        from tripos.supervised.linear.logistic import LogisticRegression

        self._clone_final_estimator(default=LogisticRegression())
        if not is_classifier(self.final_estimator_):
            raise ValueError(f"'final_estimator' should be a classifier, got {self.final_estimator_}")

    def _load_state(self, values: dict[str, Any]) -> None:
        super()._load_state(values)
        if "classes_" in values:
            self._label_encoder = self._labels_of()
            if not set(self.final_estimator_.classes_) <= set(range(len(self.classes_))):
                raise ValueError("final_estimator_ answers with classes that are not there")


class StackingRegressor(Stacked, sklearn.ensemble.StackingRegressor):
    """A regressor on what other learners say about rows they have not seen.

    Tables go to the members as they are. Saved without pickle where all members are public classes of tripos.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Named members; "drop" in place of a member leaves it out.
    final_estimator : estimator or None, default=None
        The regressor on their answers; None for `RidgeCV`.
    cv : int, splitter, iterable, "prefit" or None, default=None
        Folds whose rows a member does not see; None for 5.
    n_jobs : int or None, default=None
    passthrough : bool, default=False
        Whether the final regressor sees the columns as well; those of a table one-hot.
    verbose : int, default=0

    Attributes
    ----------
    estimators_ : list
        Members, fitted to all rows.
    named_estimators_ : Bunch
    final_estimator_ : estimator
    stack_method_ : list of str
    n_features_in_ : int

    References
    ----------
    L. Breiman, "Stacked regressions" (1996), doi:10.1007/BF00117832.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import KNeighborsRegressor, Ridge, StackingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> StackingRegressor([("line", Ridge()), ("near", KNeighborsRegressor())]).fit(X, y).score(X, y) > 0.5
    True
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StackingRegressor:
        """Fit the members on all rows, and the final regressor on what they say without a fold about it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            Passed on; a member that takes none is named.

        Returns
        -------
        self
        """
        self.__dict__.pop("encoder_", None)
        X, y, weights = self._weighted(X, y, sample_weight)
        super().fit(X, y, **weights)
        return self

    def _validate_final_estimator(self) -> None:
        from tripos.supervised.linear.ridge_cv import RidgeCV

        self._clone_final_estimator(default=RidgeCV())
        if not is_regressor(self.final_estimator_):
            raise ValueError(f"'final_estimator' should be a regressor, got {self.final_estimator_}")
