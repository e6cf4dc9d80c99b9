"""`VotingClassifier` and `VotingRegressor`: the mean, or the majority, of different learners.

p(k | x) = sum_m w_m p_m(k | x) / sum_m w_m        (soft)
H(x)     = argmax_k sum_m w_m [h_m(x) = k]         (hard)
y(x)     = sum_m w_m y_m(x) / sum_m w_m            (regression)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sklearn.ensemble

from tripos.state import Labels
from tripos.supervised.ensemble.composed import Composed


class VotingClassifier(Composed, sklearn.ensemble.VotingClassifier):
    """The majority, or the mean probability, of several classifiers.

    Tables go to the members as they are. Saved without pickle where all members are public classes of tripos.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Named members; "drop" in place of a member leaves it out.
    voting : {"hard", "soft"}, default="hard"
        Count answers, or average probabilities.
    weights : array-like of shape (n_members,), default=None
        What each member counts.
    n_jobs : int or None, default=None
        Members fitted at the same time.
    flatten_transform : bool, default=True
        Whether `transform` puts the probabilities of all members beside each other.
    verbose : bool, default=False

    Attributes
    ----------
    estimators_ : list
        Fitted members.
    named_estimators_ : Bunch
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    References
    ----------
    L. Kuncheva, "Combining Pattern Classifiers" (2004), chapters 4 and 5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import GaussianNB, LogisticRegression, VotingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> members = [("line", LogisticRegression()), ("bayes", GaussianNB())]
    >>> VotingClassifier(members, voting="soft").fit(X, y).score(X, y) > 0.95
    True
    """

    state: ClassVar[Mapping[str, Any]] = {"classes_": Labels()}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VotingClassifier:
        """Fit all members.

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
        X, y, weights = self._weighted(X, y, sample_weight)
        super().fit(X, y, **weights)
        return self

    def _load_state(self, values: dict[str, Any]) -> None:
        super()._load_state(values)
        if "classes_" in values:
            self.le_ = self._labels_of()
            for member in self.estimators_:
                if not set(member.classes_) <= set(range(len(self.classes_))):
                    raise ValueError("a member answers with classes that are not there")


class VotingRegressor(Composed, sklearn.ensemble.VotingRegressor):
    """The weighted mean of several regressors.

    Tables go to the members as they are. Saved without pickle where all members are public classes of tripos.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Named members; "drop" in place of a member leaves it out.
    weights : array-like of shape (n_members,), default=None
        What each member counts.
    n_jobs : int or None, default=None
        Members fitted at the same time.
    verbose : bool, default=False

    Attributes
    ----------
    estimators_ : list
        Fitted members.
    named_estimators_ : Bunch
    n_features_in_ : int

    References
    ----------
    L. Kuncheva, "Combining Pattern Classifiers" (2004), chapter 5.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import KNeighborsRegressor, Ridge, VotingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> VotingRegressor([("line", Ridge()), ("near", KNeighborsRegressor())]).fit(X, y).score(X, y) > 0.5
    True
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VotingRegressor:
        """Fit all members.

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
        X, y, weights = self._weighted(X, y, sample_weight)
        super().fit(X, y, **weights)
        return self
