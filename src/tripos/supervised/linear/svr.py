"""Linear support vector regression."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Regressor
from tripos.compute.random import generator
from tripos.data.needs import Needs
from tripos.objective.losses import epsilon_insensitive
from tripos.optimization.result import Stopping
from tripos.state import Array, Number
from tripos.supervised.linear.margin_problem import MarginProblem, in_form, small_table
from tripos.supervised.linear.model import LinearModel

LOSSES = ("epsilon_insensitive", "squared_epsilon_insensitive")
SETS = {"epsilon_insensitive": (True,), "squared_epsilon_insensitive": (True, False)}


class LinearSVR(LinearModel, Regressor):
    """Linear support vector regression: residuals up to epsilon cost nothing.

    Minimises

        |w|^2 / 2 + (b / B)^2 / 2 + C sum_i s_i L(y_i - w.x_i - b),    L(r) = max(0, |r| - epsilon)  or its square,

    with B = `intercept_scaling`, so the intercept is penalised as liblinear penalises it. The answer is the
    minimum itself, found by Newton's method, by dual coordinate ascent or by the method of multipliers, whichever
    suits the data's shape, and does not depend on `random_state`.

    Parameters
    ----------
    epsilon : float, default=0.0
        Half the width of the tube inside which residuals do not count, in units of y.
    tol : float, default=1e-4
        Bounds the duality gap relative to the objective. At 1e-4 that is 1e-9; for the loss with a kink and many
        columns 2e-5, or violations of the rows' optimality that add up to 3e-5 of those at the start, where
        scikit-learn ends at 1e-4; after a hundred epochs also a gap of half of what scikit-learn's violations add up
        to, of which its objective exceeds the minimum by about all. Smaller in proportion to tol, down to rounding.
    C : float, default=1.0
        Weight of the loss against the penalty.
    loss : {"epsilon_insensitive", "squared_epsilon_insensitive"}, default="epsilon_insensitive"
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1.0
        B; the larger, the less the intercept is penalised.
    dual : bool or "auto", default="auto"
        Accepted as in scikit-learn, whose dual=False is for the squared loss alone; the solution is the same.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    random_state : int or RandomState, optional
        The order in which dual ascent visits rows.
    max_iter : int, default=1000
        Epochs or Newton steps at most.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
    loss_ : float
        The objective at the solution.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    C.-H. Ho, C.-J. Lin, "Large-scale linear support vector regression", JMLR 13 (2012), 3323-3348.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LinearSVR
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LinearSVR(C=100.0).fit(X, [1.0, 3.0, 5.0, 7.0])
    >>> model.predict(np.array([[4.0]])).round(3)
    array([9.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "epsilon": [Real],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "loss": [StrOptions(set(LOSSES))],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "dual": ["boolean", StrOptions({"auto"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    canonical_csr: ClassVar[bool] = False  # `in_form` sorts where order matters
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("features",)),
        "intercept_": Array("f", (1,)),
        "n_iter_": Number("i", low=0),
        "loss_": Number("f"),
    }

    def __init__(
        self,
        *,
        epsilon: float = 0.0,
        tol: float = 1e-4,
        C: float = 1.0,
        loss: str = "epsilon_insensitive",
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        dual: bool | str = "auto",
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int = 1000,
    ) -> None:
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"C": (1e-3, 1e2, "log"), "loss": list(LOSSES)}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LinearSVR:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight)
        if self.dual is False and self.loss == "epsilon_insensitive":
            raise ValueError(
                "Unsupported set of arguments: The combination of penalty='l2' and loss='epsilon_insensitive' are "
                "not supported when dual=False: use dual='auto', or loss='squared_epsilon_insensitive'"
            )
        in_memory(self, training)
        training = in_form(training, l1=False)
        problem = MarginProblem(
            training.blocks,
            training.X,
            training.y.astype(training.X.dtype, copy=False),
            training.sample_weight,
            epsilon_insensitive(self.epsilon, squared=self.loss.startswith("squared")),
            float(self.C),
            float(self.intercept_scaling) if self.fit_intercept else 0.0,
            seed=seed_of(self.random_state),
            table=small_table(training.X, float(self.intercept_scaling) if self.fit_intercept else 0.0),
        )
        with self._progress(None) as progress:
            stopping = Stopping(
                tol=self.tol,
                max_iter=self.max_iter,
                noise=problem.noise,
                on_step=lambda step, value, theta: progress.step(problem.scale * value),
            )
            result = problem.solve(stopping)
        d = training.n_features
        self.coef_ = result.x[:d].astype(training.X.dtype)
        self.intercept_ = (result.x[d:] if self.fit_intercept else np.zeros(1)).astype(training.X.dtype)
        self.n_iter_ = int(max(result.n_iter, min(1, self.max_iter)))
        self.loss_ = float(result.fun * problem.scale)
        if not result.converged and not progress.stopped:
            warn_not_converged(self, result.reason)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._scores(X)

    def _facts(self) -> dict[str, str]:
        return {
            "loss": f"{self.loss.replace('_', ' ')}, epsilon {self.epsilon:g}",
            "C": f"{self.C:g}",
            "objective": f"{self.loss_:.6g}",
            "steps": str(self.n_iter_),
        }


def in_memory(model: Any, training: Any) -> None:
    """Refuses rows that are streamed: the dual visits them one by one."""
    if not training.in_memory:
        raise TypeError(
            f"{type(model).__name__} needs its rows in memory; for files larger than that use LogisticRegression "
            "or Ridge, which read blocks"
        )


def seed_of(random_state: Any) -> int:
    """The seed of the rows' order; None is 0, since the solution does not depend on it."""
    return 0 if random_state is None else int(generator(random_state).integers(2**31))


def warn_not_converged(model: Any, reason: str) -> None:
    warnings.warn(
        f"{type(model).__name__} did not converge: {reason}. Scale the features (each to mean 0 and variance 1), "
        f"choose a smaller C (now {model.C:g}), or raise max_iter (now {model.max_iter}).",
        ConvergenceWarning,
        stacklevel=4,
    )
