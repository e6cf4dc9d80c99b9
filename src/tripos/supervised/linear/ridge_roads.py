"""The roads to a ridge solution, which `Ridge` and `RidgeClassifier` share.

    minimise  sum_i s_i |y_i - W x_i - b|^2 + alpha |W|^2

The usual road is a Cholesky factor of the penalised normal equations in centred columns (`normal`); with more
columns than rows the same in the space of the rows (`dual`); for wide sparse data, products with X alone
(`operator`); where nothing is penalised and columns are collinear, singular values.
"""

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
from tripos.supervised.linear.operator import target_means
from tripos.supervised.linear.statistics import SquaredLossModel
from tripos.supervised.linear.text_products import solve_products

ITERATIVE = {"sparse_cg", "lsqr", "sag", "saga"}
# Of `tol`: so that the objective is not above that of solvers that stop there. On Enron spam, 34k texts, 0.3 left it
# 4e-7 above the minimum and scikit-learn's 1e-7; 0.1 leaves 4e-8 for an eighth more steps.
ITERATIVE_TOLERANCE = 0.1


class PenalisedModel(SquaredLossModel):
    """Parameters and roads of ridge regression; `alpha`, `solver`, ... are the subclass's."""

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

    alpha: Any
    max_iter: int | None
    tol: float
    solver: str
    positive: bool

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        self.__dict__.pop("history_", None)
        training, statistics = self._start(X, y, sample_weight)
        single, dtype = self._form(training)
        if statistics is not None:
            self._solve(statistics, single, dtype, training)
        elif sp.issparse(training.X) or self.solver in ITERATIVE:
            self._fit_products(training, single)
        else:
            self._fit_rows(training, single)

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
        """By conjugate gradients, all targets together."""
        Y = training.y.reshape(len(training.y), -1)
        alpha = self._alphas(Y.shape[1])
        y_mean = target_means(Y, training.sample_weight, fit_intercept=self.fit_intercept)
        max_iter = self.max_iter or max(1000, 4 * min(training.X.shape))
        self.solver_ = "sparse_cg"
        with self._progress(max_iter) as progress:
            found, b = solve_products(
                training,
                Y,
                y_mean,
                alpha,
                fit_intercept=self.fit_intercept,
                tol=ITERATIVE_TOLERANCE * self.tol,
                max_iter=max_iter,
                on_step=progress.step,
            )
        if found.missing and not progress.stopped:
            self._warn_unconverged(found.missing)
        self.n_iter_ = np.maximum(found.steps, 1)
        self._set_coefficients(found.W, b, single, training.X.dtype)

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
