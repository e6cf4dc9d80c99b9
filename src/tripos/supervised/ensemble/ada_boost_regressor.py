"""`AdaBoostRegressor`: AdaBoost.R2, learners one after the other, each on rows drawn where the others were far off.

l_i     = L(|y_i - h_m(x_i)| / max_j |y_j - h_m(x_j)|),    L(e) = e, e^2 or 1 - exp(-e)
err_m   = sum_i w_i l_i,    beta = err_m / (1 - err_m)
w_i    <- w_i beta^(nu (1 - l_i)),    alpha_m = nu log(1 / beta)
H(x)    = the median of h_m(x) under the weights alpha_m
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.ensemble._base import _set_random_states
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos.base import Regressor, Training
from tripos.data.needs import Needs
from tripos.state import Array, NestedList
from tripos.supervised.ensemble.model import Ensemble


class AdaBoostRegressor(Ensemble, Regressor):
    """Boosting of a regression by drawing rows, AdaBoost.R2.

    Each learner is fitted to rows that are drawn with weights; rows which it predicts well lose weight. The answer is
    the weighted median of the learners'.

    Parameters
    ----------
    estimator : estimator or None, default=None
        A regressor; None for `DecisionTreeRegressor(max_depth=3)`.
    n_estimators : int, default=50
        Learners at most.
    learning_rate : float, default=1.0
        nu: what each learner's weight is multiplied by.
    loss : {"linear", "square", "exponential"}, default="linear"
        What a residual, as a share of the largest, counts.
    random_state : int, RandomState or None, default=None
        Seeds the drawing of rows, and learners that have a random_state.

    Attributes
    ----------
    estimators_ : list
    estimator_weights_ : ndarray of shape (n_estimators,)
        alpha, 0 for learners that were not needed.
    estimator_errors_ : ndarray of shape (n_estimators,)
        err, 1 for learners that were not needed.
    feature_importances_ : ndarray of shape (n_features,)
        Where the learners have them.
    history_ : dict of lists
        step, loss (the learner's err), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    H. Drucker, "Improving regressors using boosting techniques", ICML 1997, 107-115.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import AdaBoostRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> AdaBoostRegressor(random_state=0).fit(X, y).score(X, y) > 0.5
    True
    """

    needs: ClassVar[Needs] = Needs(text="none", sparse=False)
    exceptions: ClassVar[Mapping[str, str]] = {
        "weights": "rows are drawn with probabilities that weights give: equal in distribution, not bit for bit"
    }
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions({"linear", "square", "exponential"})],
        "random_state": ["random_state"],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "estimator_weights_": Array("f", ("steps",), low=0),
        "estimator_errors_": Array("f", ("steps",)),
        "estimators_": NestedList(),
    }
    estimators_: list[Any]

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 1.0,
        loss: str = "linear",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.loss = loss
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AdaBoostRegressor:
        """Fit the learners, one after the other.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            How likely a row is drawn at first.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight)
        k = training.sample_weight
        n = len(training.y)
        w = np.full(n, 1.0 / n) if k is None else k / k.sum()
        rng = check_random_state(self.random_state)
        weights, errors = np.zeros(self.n_estimators), np.ones(self.n_estimators)
        self.estimators_ = []
        with self._progress(self.n_estimators) as progress:
            for m in range(self.n_estimators):
                w /= w.sum()
                member, losses = self._learn(training, w, rng)
                error = float(w @ losses)
                if error >= 0.5 and self.estimators_:
                    break
                self.estimators_.append(member)
                if error <= 0.0 or error >= 0.5:  # nothing left to learn, or one learner that is all there is
                    weights[m], errors[m] = 1.0, min(error, 1.0)
                    progress.step(error)
                    break
                beta = error / (1.0 - error)
                weights[m], errors[m] = -self.learning_rate * np.log(beta), error
                w *= beta ** (self.learning_rate * (1.0 - losses))
                if progress.step(error):
                    break
        self.estimator_weights_, self.estimator_errors_ = weights, errors
        return self

    def _learn(self, training: Training, w: np.ndarray, rng: Any) -> tuple[Any, np.ndarray]:
        """A learner of drawn rows, and what its residuals count, from 0 to 1."""
        member = clone(self.estimator_)
        _set_random_states(member, rng)
        rows = rng.choice(len(w), size=len(w), replace=True, p=w)
        member.fit(training.X[rows], training.y[rows])
        losses = np.abs(np.asarray(member.predict(training.X), dtype=np.float64) - training.y)
        most = losses.max()
        if most > 0.0:
            losses /= most
        if self.loss == "square":
            losses *= losses
        elif self.loss == "exponential":
            losses = -np.expm1(-losses)
        return member, losses

    def _check_state(self) -> None:
        super()._check_state()
        n = len(self.estimators_)
        if not 0 < n <= len(self.estimator_weights_) or self.estimator_weights_[n:].any():
            raise ValueError("the learners are not as many as estimator_weights_ says")
        for member in self.estimators_:
            if getattr(member, "n_features_in_", None) != self._n_inputs():
                raise ValueError(f"a learner is not for {self._n_inputs()} features")

    # ---- answers ---------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """The weighted median of the learners' answers.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._median(self._answers(X))

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """`predict` of the first learner, of the first two, and so on."""
        answers = self._answers(X)
        for m in range(1, answers.shape[1] + 1):
            yield self._median(answers[:, :m])

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """R2 after each learner."""
        for said in self.staged_predict(X):
            yield float(r2_score(y, said, sample_weight=sample_weight))

    def _answers(self, X: Any) -> np.ndarray:
        """What each learner says, (n_rows, n_learners)."""
        X = self._input(X)
        return np.stack([np.asarray(member.predict(X)) for member in self.estimators_], axis=1)

    def _median(self, answers: np.ndarray) -> np.ndarray:
        order = np.argsort(answers, axis=1)
        weight = np.cumsum(self.estimator_weights_[order], axis=1)
        at = (weight >= 0.5 * weight[:, -1:]).argmax(axis=1)
        rows = np.arange(len(answers))
        return np.asarray(answers[rows, order[rows, at]])

    # ---- looking at it ---------------------------------------------------------------------------

    @property
    def n_iter_(self) -> int:
        """Learners."""
        check_is_fitted(self)
        return len(self.estimators_)

    @property
    def estimator_(self) -> Any:
        """What each learner is."""
        from tripos.supervised.trees.decision_tree import DecisionTreeRegressor

        return DecisionTreeRegressor(max_depth=3) if self.estimator is None else self.estimator

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the error of each learner on the rows as they were weighted for it."""
        from tripos import plotting

        check_is_fitted(self)
        history = self.history_
        return plotting.loss_curve(np.asarray(history["step"]), np.asarray(history["loss"]), None, ax=ax)

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How many learners, how much each counts, and what residuals count."""
        return {
            "n_estimators": [50, 200],
            "learning_rate": (0.1, 1.0, "log"),
            "loss": ["linear", "square", "exponential"],
        }
