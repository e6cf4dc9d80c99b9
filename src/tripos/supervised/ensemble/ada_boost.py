"""`AdaBoostClassifier`: learners one after the other, each on the rows the others got wrong.

    err_m   = sum_i w_i [h_m(x_i) != y_i] / sum_i w_i
    alpha_m = nu (log((1 - err_m) / err_m) + log(K - 1))
    w_i    <- w_i exp(alpha_m [h_m(x_i) != y_i])
    H(x)    = argmax_k sum_m alpha_m [h_m(x) = k]

Without an `estimator` the learners are stumps, found on bins that are made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from tripos.base import Classifier, Training
from tripos.compute.random import derive, generator
from tripos.data.needs import Needs
from tripos.state import Array, Nested, NestedList
from tripos.supervised.ensemble.model import Ensemble, fit_member, member_of
from tripos.supervised.ensemble.stumps import Stumps, forest_of, rounded
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.forest_nodes import LeafForest, LeafWalker


class AdaBoostClassifier(Ensemble, Classifier):
    """Boosting by weights, SAMME for any number of classes.

        H(x) = argmax_k sum_m alpha_m [h_m(x) = k],    alpha_m = nu (log((1 - err_m) / err_m) + log(K - 1))

    Each learner h_m sees the rows with weights that grew where the ones before were wrong. Without `estimator` the
    learners are stumps: all cuts of all columns are tried at once on bins, up to 255 a column.

    Parameters
    ----------
    estimator : estimator or None, default=None
        A classifier that takes sample weights; None for stumps.
    n_estimators : int, default=50
        Learners at most.
    learning_rate : float, default=1.0
        nu: what each learner's weight is multiplied by.
    random_state : int, RandomState or None, default=None
        Seeds learners that have a random_state; stumps have none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_classes_ : int
    estimators_ : list
        The learners; stumps are made when asked for, as forests of one tree.
    estimator_weights_ : ndarray of shape (n_estimators,)
        alpha, 0 for learners that were not needed.
    estimator_errors_ : ndarray of shape (n_estimators,)
        err, 1 for learners that were not needed.
    feature_importances_ : ndarray of shape (n_features,)
    history_ : dict of lists
        step, loss (exponential, a bound on the share of training rows that are wrong), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    Y. Freund, R. Schapire (1997), doi:10.1006/jcss.1997.1504. J. Zhu et al., "Multi-class AdaBoost" (2009),
    doi:10.4310/SII.2009.v2.n3.a8.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from tripos import AdaBoostClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> AdaBoostClassifier().fit(X, y).score(X, y) > 0.97
    True
    """

    needs: ClassVar[Needs] = Needs(text="none", sparse=False)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "estimator_weights_": Array("f", ("steps",)),
        "estimator_errors_": Array("f", ("steps",)),
        "stumps_": Array("i", (None, 4), low=0, optional=True),
        "binning_": Nested("Binning", optional=True),
        "_fitted": NestedList(optional=True),
    }
    estimator_weights_: np.ndarray
    estimator_errors_: np.ndarray
    stumps_: np.ndarray | None
    binning_: Binning | None
    _fitted: list[Any] | None

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 1.0,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.random_state = random_state

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AdaBoostClassifier:
        """Fit the learners, one after the other.

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
        training = self._start_fit(X, y, sample_weight)
        if len(self.classes_) < 2:
            raise ValueError(
                f"only one class: {self.classes_.tolist()[0]!r}. A classifier needs rows of at least 2 classes"
            )
        self._fitted = self.stumps_ = self.binning_ = None
        found: list[tuple[Any, float, float]] = []
        learn = self._learn_stump(training) if self.estimator is None else self._learn_member(training)
        k = training.sample_weight
        b = np.ones(len(training.y))
        with self._progress(self.n_estimators) as progress:
            for m in range(self.n_estimators):
                learner, error, missed = learn(m, rounded(b, k))
                alpha = self._alpha(error)
                if alpha is None:
                    if not found:
                        raise ValueError(
                            f"the first learner is wrong on {error:.1%} of the weight, no better than chance for "
                            f"{len(self.classes_)} classes: AdaBoost needs one that is"
                        )
                    break
                found.append((learner, alpha, error))
                if error <= 0.0:
                    progress.step(0.0)
                    break
                b[missed] *= np.exp(min(alpha, 700.0))
                b /= b.mean()
                if progress.step(self._loss(found), attributes=lambda: self._learned(found)):
                    break
        for name, value in self._learned(found).items():
            setattr(self, name, value)
        self._set_walker()
        return self

    def _loss(self, found: list[tuple[Any, float, float]]) -> float:
        """The exponential loss that SAMME descends, mean_i exp(-y_i . f(x_i) / K): a bound on the share of wrong rows."""
        K = len(self.classes_)
        alphas = np.array([alpha for _, alpha, _ in found])
        errors = np.array([error for _, _, error in found])
        return float(np.prod((1 - errors) * np.exp(-alphas * (1 - 1 / K)) + errors * np.exp(alphas / K)))

    def _alpha(self, error: float) -> float | None:
        """A learner's weight; None where it is no better than chance."""
        K = len(self.classes_)
        if error <= 0.0:
            return 1.0
        if error >= 1.0 - 1.0 / K:
            return None
        return float(self.learning_rate * (np.log((1.0 - error) / error) + np.log(K - 1.0)))

    def _learn_stump(self, training: Training) -> Any:
        binning = Binning.learn(training.X, training.sample_weight)
        self.binning_ = binning
        stumps = Stumps(binning.apply(training.X), training.y, len(self.classes_))

        def learn(m: int, w: np.ndarray) -> tuple[Any, float, np.ndarray]:
            j, cut, left, right, wrong, missed = stumps.best(w)
            return (j, cut, left, right), wrong / float(w.sum()), missed

        return learn

    def _learn_member(self, training: Training) -> Any:
        seed = 0 if self.random_state is None else int(generator(self.random_state).integers(1 << 31))
        labels = self.classes_[training.y]

        def learn(m: int, w: np.ndarray) -> tuple[Any, float, np.ndarray]:
            share = w / w.sum()
            member = fit_member(member_of(self.estimator, derive(seed, m)), training.X, labels, share)
            missed = member.predict(training.X) != labels
            return member, float(share @ missed), missed

        return learn

    def _learned(self, found: list[tuple[Any, float, float]]) -> dict[str, Any]:
        weights, errors = np.zeros(self.n_estimators), np.ones(self.n_estimators)
        weights[: len(found)] = [alpha for _, alpha, _ in found]
        errors[: len(found)] = [error for _, _, error in found]
        learners = [learner for learner, _, _ in found]
        fitted: dict[str, Any] = {"estimator_weights_": weights, "estimator_errors_": errors}
        if self.estimator is None:
            return fitted | {"stumps_": np.array(learners, dtype=np.int64)}
        return fitted | {"_fitted": learners}

    def _set_walker(self) -> None:
        if self.stumps_ is not None and self.binning_ is not None:
            weights = self.estimator_weights_[: len(self.stumps_)]
            forest = forest_of(self.stumps_, weights, len(self.classes_))
            self._walker = LeafWalker(forest, self.binning_)

    def _after_load(self) -> None:
        super()._after_load()
        self._set_walker()

    def _check_state(self) -> None:
        super()._check_state()
        stumps = self.__dict__.get("stumps_")
        if (stumps is None) == (self.__dict__.get("_fitted") is None):
            raise ValueError("there must be either stumps_ or fitted members")
        members = self._fitted if stumps is None else stumps
        if members is None or not 0 < len(members) <= len(self.estimator_weights_):
            raise ValueError("the learners are not as many as estimator_weights_ has room for")
        if self.estimator_weights_[len(members) :].any():
            raise ValueError("estimator_weights_ has more learners than are there")
        if stumps is not None:
            binning = self.binning_
            if binning is None or binning.n_features != self._n_inputs() or binning.categorical.any():
                raise ValueError(f"binning_ is not for {self._n_inputs()} numeric features")
            if (stumps[:, 0] >= binning.n_features).any() or (stumps[:, 1] > 254).any():
                raise ValueError("a stump cuts a column or a bin that is not there")
            if (stumps[:, 2:] >= len(self.classes_)).any():
                raise ValueError("a stump answers with a class that is not there")

    # ---- answers ---------------------------------------------------------------------------------

    def _votes(self, X: Any) -> np.ndarray:
        """sum_m alpha_m [h_m(x) = k], (n_rows, n_classes)."""
        X = self._input(X)
        out = np.zeros((X.shape[0], len(self.classes_)))
        if self._fitted is None:
            if not self._walker.add(X, out):
                self._reject_nonfinite(X)
            return out
        for member, alpha in zip(self._fitted, self.estimator_weights_):
            self._vote(member, alpha, X, out)
        return out

    def _vote(self, member: Any, alpha: float, X: np.ndarray, out: np.ndarray) -> None:
        places = np.searchsorted(self.classes_, member.predict(X))
        out[np.arange(len(places)), places] += alpha

    def _staged_votes(self, X: Any) -> Iterator[np.ndarray]:
        X = self._input(X)
        out = np.zeros((X.shape[0], len(self.classes_)))
        if self._fitted is None:
            forest = self._forest()
            for m in range(forest.n_trees):
                if not LeafWalker(forest.part(m, m + 1), self.binning_).add(X, out):  # type: ignore[arg-type]
                    self._reject_nonfinite(X)
                yield out.copy()
            return
        for member, alpha in zip(self._fitted, self.estimator_weights_):
            self._vote(member, alpha, X, out)
            yield out.copy()

    def _forest(self) -> LeafForest:
        assert self.stumps_ is not None
        return forest_of(self.stumps_, self.estimator_weights_[: len(self.stumps_)], len(self.classes_))

    def _decision(self, votes: np.ndarray) -> np.ndarray:
        """Votes as scores in [-1, 1], for two classes the difference of both: a learner's 1 for its class, -1 / (K - 1) for each other."""
        total, K = self.estimator_weights_.sum(), len(self.classes_)
        scores = (votes - (votes.sum(axis=1, keepdims=True) - votes) / (K - 1)) / total
        return np.ascontiguousarray(2.0 * scores[:, 1] if K == 2 else scores)

    def _shares(self, votes: np.ndarray) -> np.ndarray:
        scores, K = self._decision(votes), len(self.classes_)
        if K == 2:
            scores = np.stack([-scores, scores], axis=1) / 2
        else:
            scores = scores / (K - 1)
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def _said(self, votes: np.ndarray) -> np.ndarray:
        if votes.shape[1] == 2:
            return self._labels((self._decision(votes) > 0).astype(np.int64))
        return self._labels(votes.argmax(axis=1))

    def predict(self, X: Any) -> np.ndarray:
        """The class with the most votes by weight.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._said(self._votes(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores in [-2, 2], shape (n_rows,), for two classes; else in [-1, 1], shape (n_rows, n_classes)."""
        return self._decision(self._votes(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the scores, shape (n_rows, n_classes)."""
        return self._shares(self._votes(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        return np.asarray(np.log(self.predict_proba(X)))

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """`predict` of the first learner, of the first two, and so on."""
        for votes in self._staged_votes(X):
            yield self._said(votes)

    def staged_decision_function(self, X: Any) -> Iterator[np.ndarray]:
        """`decision_function` after each learner."""
        for votes in self._staged_votes(X):
            yield self._decision(votes)

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """`predict_proba` after each learner."""
        for votes in self._staged_votes(X):
            yield self._shares(votes)

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """The accuracy after each learner."""
        for said in self.staged_predict(X):
            yield float(accuracy_score(y, said, sample_weight=sample_weight))

    # ---- looking at it ---------------------------------------------------------------------------

    @property
    def n_classes_(self) -> int:
        """How many classes."""
        return len(self.classes_)

    @property
    def n_iter_(self) -> int:
        """Learners."""
        check_is_fitted(self)
        return len(self._fitted if self.stumps_ is None else self.stumps_)  # type: ignore[arg-type]

    @property
    def estimator_(self) -> Any:
        """What each learner is."""
        from tripos.supervised.trees.random_forest import RandomForestClassifier

        if self.estimator is not None:
            return self.estimator
        return RandomForestClassifier(1, max_depth=1, bootstrap=False, max_features=None)

    @property
    def estimators_(self) -> list[Any]:
        """The learners."""
        check_is_fitted(self)
        if self._fitted is not None:
            return list(self._fitted)
        from tripos.supervised.ensemble.stumps import members_of

        return members_of(self)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in the learners' weights (stumps), or the weighted mean of their importances."""
        check_is_fitted(self)
        if self.stumps_ is None:
            return super().feature_importances_
        weights = self.estimator_weights_[: len(self.stumps_)]
        found = np.bincount(self.stumps_[:, 0], weights, self._n_inputs())
        return np.asarray(found / found.sum())

    def plot(self, *, ax: Any = None) -> Any:
        """Draw how the learners' bound on the training error falls.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from tripos import plotting

        check_is_fitted(self)
        history = self.history_
        return plotting.loss_curve(np.asarray(history["step"]), np.asarray(history["loss"]), None, ax=ax)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How many learners, and how much each counts."""
        return {"n_estimators": [50, 200], "learning_rate": (0.1, 1.0, "log")}
