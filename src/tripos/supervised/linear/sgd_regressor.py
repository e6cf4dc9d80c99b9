"""Linear regression by stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from tripos.base import Regressor, Training
from tripos.compute.random import streams
from tripos.state import Array
from tripos.supervised.linear.stochastic import CONSTRAINTS, RATE_CONSTRAINTS, StochasticModel
from tripos.supervised.linear.stochastic_walk import Walk

LOSS_NAMES = {"squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"}


class SGDRegressor(StochasticModel, Regressor):
    """Linear regression that learns from one row at a time.

    Minimises the mean loss of the residual with a penalty,

        F(w, b) = (1 / S) sum_i s_i L(w'x_i + b - y_i) + alpha (r |w|_1 + (1 - r) |w|^2 / 2),

    by a step against the gradient at a single row, with rates that fall from step to step,

        w <- w - eta_t (L'(w'x_i + b - y_i) x_i + alpha (1 - r) w).

    Scale the features: a squared loss runs away where eta_t |x_i|^2 is above 2, which is an error that names a rate
    that works.

    Parameters
    ----------
    loss : str, default="squared_error"
        "squared_error", "huber", "epsilon_insensitive" or "squared_epsilon_insensitive".
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
    alpha : float, default=0.0001
        Strength of the penalty.
    l1_ratio : float, default=0.15
        r, for "elasticnet".
    fit_intercept : bool, default=True
        Whether there is a b. It takes a hundredth of the step where fewer than a tenth of the cells are not zero.
    max_iter : int, default=1000
        Epochs at most.
    tol : float or None, default=1e-3
        An epoch that betters the best objective (or validation score) by less counts as no change.
    shuffle : bool, default=True
        Whether each epoch visits the rows in a new random order.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    epsilon : float, default=0.1
        Of the Huber and the epsilon-insensitive losses.
    random_state : int or RandomState, optional
        Draws the order of the rows and the rows held out.
    learning_rate : str, default="invscaling"
        "constant" (eta0), "optimal" (1 / (alpha (t + t0)), t0 after Bottou), "invscaling" (eta0 / t^power_t),
        "adaptive" (eta0, a fifth of it after n_iter_no_change epochs without change, down to 1e-6), "pa1" and "pa2"
        (passive-aggressive; with "epsilon_insensitive").
    eta0 : float, default=0.01
        First rate; the bound C of the passive-aggressive steps.
    power_t : float, default=0.25
    early_stopping : bool, default=False
        Whether to stop by R2 on rows held out.
    validation_fraction : float, default=0.1
        Share of rows held out.
    n_iter_no_change : int, default=5
    warm_start : bool, default=False
        Whether to start at the previous solution.
    average : bool or int, default=False
        Whether `coef_` is the mean over the steps, from step `average` on.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
        Epochs.
    t_ : float
        1 and the weight of all rows visited: the count that rates fall with.
    history_ : dict of lists
        step (epoch), loss (objective over the epoch as rows were met), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    Raises
    ------
    ValueError
        When the walk blows up, with a rate that was tried on these rows and works.

    References
    ----------
    H. Robbins, S. Monro (1951), doi:10.1214/aoms/1177729586.
    L. Bottou, "Stochastic Gradient Descent Tricks" (2012), doi:10.1007/978-3-642-35289-8_25.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import SGDRegressor
    >>> X = np.linspace(-1.0, 1.0, 200).reshape(-1, 1)
    >>> model = SGDRegressor(random_state=0).fit(X, 3.0 * X[:, 0] + 1.0)
    >>> model.coef_.round(1), model.intercept_.round(1)
    (array([2.9]), array([1.]))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        **RATE_CONSTRAINTS,
        "loss": [StrOptions(LOSS_NAMES)],
    }
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("features",), sparse=True),
        "intercept_": Array("f", (1,)),
        "_standard_coef": Array("f", ("features",), optional=True),
        "_standard_intercept": Array("f", (1,), optional=True),
    }

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The strength of the penalty, its kind, and a loss that bears outliers."""
        return {
            "alpha": (1e-6, 1e-1, "log"),
            "loss": ["squared_error", "huber"],
            "penalty": ["l2", "elasticnet"],
        }

    def fit(
        self,
        X: Any,
        y: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
        sample_weight: Any = None,
    ) -> SGDRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,)
        coef_init : array-like of shape (n_features,), optional
            Coefficients to start from; zero by default.
        intercept_init : array-like of shape (1,), optional
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        if self.warm_start and hasattr(self, "coef_"):
            coef_init = self.coef_ if coef_init is None else coef_init
            intercept_init = self.intercept_ if intercept_init is None else intercept_init
        training = self._start_fit(X, y, sample_weight)
        self._check_settings()
        self._forget()
        self._fit(training, coef_init, intercept_init, self.max_iter, fitting=True)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SGDRegressor:
        """One epoch over these rows, from where the last call ended.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        self
        """
        first = not hasattr(self, "coef_")
        training = self._start_fit(X, y, sample_weight, reset=first)
        self._check_settings(partial_fit=True)
        if first:
            self._forget()
        self._fit(training, *self._where_it_was(), 1, fitting=False)
        return self

    def _fit(self, training: Training, coef: Any, intercept: Any, max_iter: int, *, fitting: bool) -> None:
        W, b = self._start(1, training, coef, intercept)
        recipe = self._recipe(training)

        def make(rng: np.random.Generator, held_out: Any) -> list[Walk]:
            scorer = None if held_out is None else _r2_of(*held_out)
            walk = Walk.start(recipe, W[0], b[0], streams(rng, 1)[0], t=self.t_, held_out=scorer)
            self._resume([walk])
            return [walk]

        self._walk(training, make, max_iter, fitting=fitting)

    def _shaped(self, W: np.ndarray) -> np.ndarray:
        return np.asarray(W[0])

    def predict(self, X: Any) -> np.ndarray:
        """The mean of the target at each row, or what the loss makes of it.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._scores(X)

    def _facts(self) -> dict[str, str]:
        penalty = "none" if self.penalty is None else f"{self.penalty}, alpha {self.alpha:g}"
        return {"loss": self.loss, "penalty": penalty, "epochs": str(self.n_iter_)}


def _r2_of(X: Any, y: np.ndarray, s: np.ndarray | None) -> Any:
    """R2 on held-out rows, as a function of w and b."""
    from sklearn.metrics import r2_score

    def r2(w: np.ndarray, b: float) -> float:
        return float(r2_score(y, X @ w + b, sample_weight=s))

    return r2
