"""Ridge regression."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Training
from tripos.data.needs import Needs
from tripos.objective.moments import Moments
from tripos.optimization.nonnegative import nonnegative_quadratic
from tripos.state import Array, Text
from tripos.supervised.linear.dual import DualRows
from tripos.supervised.linear.normal import NormalEquations, least_norm, penalised
from tripos.supervised.linear.statistics import SquaredLossModel

ITERATIVE = {"sparse_cg", "lsqr", "sag", "saga"}
ITERATIVE_TOLERANCE = 0.3  # of `tol`: so that the objective is not above that of solvers that stop there


class Ridge(SquaredLossModel):
    """Least squares with a penalty on the size of the coefficients.

    Minimises, each row counted by its weight and the intercept b free,

        sum_i s_i (y_i - x_i.w - b)^2 + alpha |w|^2

    The problem has one solution for alpha > 0, and every solver name leads to it; the names choose the road.
    The usual one is a Cholesky factor of the penalised normal equations in centred columns; with more columns
    than rows the same in the space of the rows; for wide sparse data, products with X alone.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty; one number, or one for each target. With 0 the solution is that of least
        squares.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    copy_X : bool, default=True
        Without effect: X is never written to.
    max_iter : int, optional
        Steps of the iterative roads at most; by default 1000, or four times the smaller side of X if that is
        more.
    tol : float, default=1e-4
        Precision of the iterative roads; the closed forms have none to set.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        "cholesky" solves the normal equations, "svd" takes the singular values of X (dense only),
        "sparse_cg", "lsqr", "sag" and "saga" iterate by conjugate gradients, "lbfgs" is accepted with
        `positive` alone, as in scikit-learn.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        Without effect: no road is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : ndarray of shape (n_targets,)
        Steps of an iterative road; 1 for a closed form.
    solver_ : str
        The road taken: "cholesky", "svd", "sparse_cg" or, with `positive`, "pivoting".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_rows_, row_weight_, column_mean_, column_scatter_
        Number of rows, sum of weights, mean and scatter of the columns [X, y]: what `partial_fit` and `merge`
        continue.

    References
    ----------
    A. Hoerl, R. Kennard (1970), doi:10.1080/00401706.1970.10488634.
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 3.4.1.

    See Also
    --------
    LinearRegression : without penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import Ridge
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> Ridge(alpha=5.0).fit(X, [0.0, 1.0, 2.0, 3.0]).coef_
    array([0.5])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", "svd", "cholesky", "lbfgs", *ITERATIVE})],
        "positive": ["boolean"],
        "random_state": ["random_state"],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    state: ClassVar[dict[str, Any]] = {
        "n_iter_": Array("i", (None,), low=0),
        "solver_": Text(choices=("cholesky", "svd", "sparse_cg", "pivoting")),
    }

    n_iter_: np.ndarray

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-3, 1e4, "log"), "fit_intercept": [True, False]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Ridge:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self.__dict__.pop("history_", None)
        training, statistics = self._start(X, y, sample_weight)
        single, dtype = self._form(training)
        if statistics is not None:
            self._solve(statistics, single, dtype, training)
        elif sp.issparse(training.X) or self.solver in ITERATIVE:
            self._fit_products(training, single)
        else:
            self._fit_rows(training, single)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted values.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
        """
        return self._scores(X)

    # ---- the roads to the solution ---------------------------------------------------------------

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.positive and self.solver not in ("auto", "lbfgs"):
            raise ValueError(
                f"solver='{self.solver}' does not support positive fitting. Please set the solver to 'auto' "
                "or 'lbfgs', or set `positive=False`"
            )
        if self.solver == "lbfgs" and not self.positive:
            raise ValueError("'lbfgs' solver can be used only when positive=True. Please use another solver.")

    def _uses_statistics(self, training: Training) -> bool:
        if self.positive or not training.in_memory:
            return True
        if self.solver == "svd" and sp.issparse(training.X):
            raise ValueError("solver='svd' does not take sparse X: use 'auto', 'cholesky' or 'sparse_cg'")
        if self.solver in ITERATIVE or self.solver == "svd":
            return False
        return super()._uses_statistics(training) or (self.solver == "cholesky" and sp.issparse(training.X))

    def _alphas(self, n_targets: int) -> np.ndarray:
        alpha = np.asarray(self.alpha, dtype=np.float64).reshape(-1)
        if len(alpha) not in (1, n_targets):
            raise ValueError(
                f"Number of targets and number of penalties do not correspond: alpha has {len(alpha)} numbers "
                f"for {n_targets} targets"
            )
        if not (np.isfinite(alpha).all() and (alpha >= 0.0).all()):
            raise ValueError(f"alpha must be finite and not negative, got {self.alpha!r}")
        return np.broadcast_to(alpha, (n_targets,))

    def _solve_statistics(self, statistics: Moments, single: bool, dtype: Any) -> None:
        self._solve(statistics, single, dtype, None)

    def _solve(self, statistics: Moments, single: bool, dtype: Any, training: Training | None) -> None:
        """From statistics; `training` adds corrections from the rows, when they are still there."""
        equations = self._equations(statistics)
        alpha = self._alphas(equations.C.shape[1])
        self.n_iter_ = np.ones(len(alpha), dtype=np.int32)
        if self.positive:
            self.solver_ = "pivoting"
            identity = np.eye(len(equations.G))
            columns = [
                nonnegative_quadratic(equations.G + a * identity, c) for a, c in zip(alpha, equations.C.T)
            ]
            w = np.column_stack(columns)
        else:
            self.solver_ = "cholesky"
            residual = None if training is None else lambda a: equations.residual(training.blocks, a)
            found = penalised(equations, alpha, residual)
            w = found if found is not None else self._fit_singular(equations, alpha, training)
        self._set_coefficients(w, equations.intercept(w), single, dtype)

    def _fit_singular(
        self, equations: NormalEquations, alpha: np.ndarray, training: Training | None
    ) -> np.ndarray:
        """Nearly or wholly collinear columns without a penalty worth the name: by singular values.

        Those of the rows, if they are still there; what rounding cannot tell from zero is left out.
        """
        self.solver_ = "svd"
        if training is not None and isinstance(training.X, np.ndarray) and training.y is not None:
            rows = DualRows.of(
                training.X, training.y, training.sample_weight, fit_intercept=self.fit_intercept
            )
            return _by_singular_values(rows, alpha)
        w = np.empty_like(equations.C)
        for k, value in enumerate(alpha):
            G = equations.G + value * np.eye(len(w))
            solution = least_norm(G, equations.C[:, [k]], tol=0.0, residual=None, certain=False)
            assert solution is not None
            w[:, [k]] = solution.w
        return w

    def _fit_rows(self, training: Training, single: bool) -> None:
        """More columns than rows, or singular values asked for."""
        rows = DualRows.of(training.X, training.y, training.sample_weight, fit_intercept=self.fit_intercept)
        alpha = self._alphas(rows.B.shape[1])
        self.n_iter_ = np.ones(len(alpha), dtype=np.int32)
        if self.solver == "svd" or not alpha.all():
            self.solver_ = "svd"
            w = _by_singular_values(rows, alpha)
        else:
            self.solver_ = "cholesky"
            w = rows.solve_penalised(alpha)
        self._set_coefficients(w, rows.y_mean - rows.x_mean @ w, single, training.X.dtype)

    def _fit_products(self, training: Training, single: bool) -> None:
        """By conjugate gradients, target by target."""
        targets = training.y.reshape(len(training.y), -1)
        alpha = self._alphas(targets.shape[1])
        weight = training.sample_weight
        y_mean = (
            np.average(targets, axis=0, weights=weight) if self.fit_intercept else np.zeros(targets.shape[1])
        )
        max_iter = self.max_iter or max(1000, 4 * min(training.X.shape))
        w = np.empty((training.n_features, targets.shape[1]))
        steps = np.zeros(targets.shape[1], dtype=np.int32)
        self.solver_ = "sparse_cg"
        with self._progress(max_iter * targets.shape[1]) as progress:
            for k, target in enumerate(targets.T):
                products = self._products(training, target)
                result = products.solve(
                    y_mean[k],
                    float(alpha[k]),
                    tol=ITERATIVE_TOLERANCE * self.tol,
                    max_iter=max_iter,
                    on_step=lambda step, value, w: progress.step(value),
                )
                w[:, k], steps[k] = result.x, result.n_iter
                if not result.converged and not progress.stopped:
                    self._warn_unconverged(result.reason)
        self.n_iter_ = np.maximum(steps, 1)
        self._set_coefficients(w, y_mean - products.center @ w, single, training.X.dtype)

    def _facts(self) -> dict[str, str]:
        return {"alpha": str(self.alpha), "solver": self.solver_, **super()._facts()}


def _by_singular_values(rows: DualRows, alpha: np.ndarray) -> np.ndarray:
    """W' = V diag(sigma / (sigma^2 + alpha)) U'B of A = U diag(sigma) V', shape (n_features, n_targets)."""
    A = rows.root * (rows.X - rows.x_mean)
    U, sigma, Vt = scipy.linalg.svd(A, full_matrices=False, overwrite_a=True, check_finite=False)
    shown = sigma > max(A.shape) * np.finfo(rows.X.dtype).eps * sigma[:1]
    U, sigma, Vt = U[:, shown], sigma[shown], Vt[shown]
    shrunk = sigma[:, None] / (sigma[:, None] ** 2 + alpha)
    return np.asarray(Vt.T @ (shrunk * (U.T @ rows.B)))
