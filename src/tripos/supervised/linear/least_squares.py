"""Ordinary least squares."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Regressor, Training
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.objective.moments import Moments
from tripos.objective.risk import Risk
from tripos.optimization.nonnegative import nonnegative_quadratic
from tripos.optimization.quadratic import dependent_columns
from tripos.state import Array, Number, Text
from tripos.supervised.linear.dual import DualRows
from tripos.supervised.linear.gradient_road import (
    SOLVERS,
    Descent,
    Quadratic,
    advice,
    risk_of,
    risk_spreads,
)
from tripos.supervised.linear.normal import (
    RESOLUTION,
    NormalEquations,
    Solution,
    from_rows,
    least_norm,
    singular_values,
)
from tripos.supervised.linear.operator import target_means
from tripos.supervised.linear.statistics import SquaredLossModel
from tripos.supervised.linear.text_products import solve_products
from tripos.supervised.linear.wide_collinearity import dependent_sparse_columns

NAMED_COLUMNS = 5
SPARSE_TOLERANCE = 1e-4  # of `tol`, for the residual of the normal equations


class LinearRegression(SquaredLossModel, Regressor):
    """Ordinary least squares.

    Minimises the squared error of a linear model, each row counted by its weight:

        sum_i s_i (y_i - x_i.w - b)^2

    The solution is that of the normal equations in centred columns, by one pass over the rows and a Cholesky
    factor, ten times as fast as the singular value decomposition scikit-learn uses. Where the columns are so
    nearly collinear that squaring them costs digits, corrections computed from the rows restore them; where
    they are collinear, the solution of least norm is returned and a `DataWarning` names the columns.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether the model has a constant term b.
    copy_X : bool, default=True
        Without effect: X is never written to.
    tol : float, default=1e-6
        Singular values of the centred X at or below this share of the largest count as zero, as in
        scikit-learn 1.9. A model whose columns differ in scale by more than that needs scaling, or ``tol=0``.
    n_jobs : int, optional
        Without effect on the result; threads are set by ``TRIPOS_NUM_THREADS``.
    positive : bool, default=False
        Whether coefficients must not be negative.
    solver : {"auto", "gradient-descent", "momentum", "nesterov", "adam", "sgd"}, default="auto"
        "auto" is the closed form above. The others go down the gradient of the mean squared error from zero, by the
        methods of `tripos.minimize` with these names, until no column is correlated with the residuals by more
        than a thousandth of `tol` ("sgd": 1e-3). But for "sgd", which steps after each row, their steps come from
        the columns' means and scatter, so that they merge and stream. They need scaled features.
    learning_rate : float, optional
        Length of a gradient solver's steps (of the first one for "adam" and "sgd", whose steps shrink to nothing
        by `max_iter`); by default what the curvature of the objective allows.
    max_iter : int, optional
        Steps of a gradient solver at most; by default 10,000, and 100 passes over the rows for "sgd".
    random_state : int or RandomState, optional
        Orders the rows for ``solver="sgd"`` (None is 0); otherwise without effect.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    rank_ : int
        Rank of the centred X (dense X, without `positive`).
    singular_ : ndarray of shape (min(n_rows, n_features),)
        Singular values of the centred X, largest first (as `rank_`).
    n_iter_ : int
        Steps of a gradient solver (of the slowest target); 1 for the closed form.
    solver_ : str
        "least-squares" for the closed form, "nonnegative" with `positive`, else the gradient solver's name.
    history_ : dict of lists
        Loss (half the mean squared error) and seconds by step, of a gradient solver.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_rows_, row_weight_, column_mean_, column_scatter_
        Number of rows, sum of weights, mean and scatter of the columns [X, y]: what `partial_fit` and `merge`
        continue.

    References
    ----------
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 3.2.
    N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 20.4.

    See Also
    --------
    Ridge : least squares with a penalty on the size of the coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LinearRegression
    >>> X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    >>> model = LinearRegression().fit(X, X @ [1, 2] + 3)
    >>> model.coef_.round(6), model.intercept_.round(6)
    (array([1., 2.]), np.float64(3.0))
    >>> model.predict(np.array([[3.0, 5.0]])).round(6)
    array([16.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "n_jobs": [None, Integral],
        "positive": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", *SOLVERS})],
        "learning_rate": [None, Interval(Real, 0, None, closed="neither")],
        "max_iter": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    needs: ClassVar[Needs] = Needs(categories="one-hot-drop")
    _singular: np.ndarray | None
    state: ClassVar[dict[str, Any]] = {
        "rank_": Number("i", low=0, optional=True),
        "singular_": Array("f", (None,), low=0.0, optional=True),
        "n_iter_": Number("i", low=1, optional=True),
        "solver_": Text(choices=("least-squares", "nonnegative", *SOLVERS), optional=True),
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
        solver: str = "auto",
        learning_rate: float | None = None,
        max_iter: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"fit_intercept": [True, False]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LinearRegression:
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
        self._forget()
        training, statistics = self._start(X, y, sample_weight)
        single, dtype = self._form(training)
        if statistics is None:
            self._fit_rows(training, single)
        else:
            self._solve(statistics, single, dtype, training)
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

    @property
    def singular_(self) -> np.ndarray:
        """Singular values of the centred X; computed when first asked for, where the fit did not need
        them."""
        if not hasattr(self, "rank_"):
            raise AttributeError("singular_ is there only for models fitted on dense X without positive=True")
        if self._singular is None:
            equations = self._equations(self._statistics())
            self._singular = self._shown(singular_values(equations.G), self.n_rows_, self.coef_.dtype)
        return self._singular

    @singular_.setter
    def singular_(self, values: np.ndarray) -> None:
        self._singular = values

    def _family(self) -> Any:
        from tripos.supervised.linear.family import GAUSSIAN

        return None if self.positive else GAUSSIAN

    # ---- the ways to the solution ----------------------------------------------------------------

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.positive and self.solver != "auto":
            raise ValueError(f"solver={self.solver!r} does not keep coefficients positive: use solver='auto'")

    def _forget(self) -> None:
        for name in ("rank_", "_singular", "history_"):
            self.__dict__.pop(name, None)

    def _uses_statistics(self, training: Training) -> bool:
        return self.positive or super()._uses_statistics(training)

    def _solve_statistics(self, statistics: Moments, single: bool, dtype: Any) -> None:
        self._solve(statistics, single, dtype, None)

    def _solve(self, statistics: Moments, single: bool, dtype: Any, training: Training | None) -> None:
        """From statistics; `training` adds what only the rows can tell, when they are still there."""
        equations = self._equations(statistics)
        if self.solver != "auto":
            self._descend(statistics, equations, single, dtype, training)
            return
        self.n_iter_, self.solver_ = 1, "nonnegative" if self.positive else "least-squares"
        if self.positive:
            w = np.column_stack([nonnegative_quadratic(equations.G, c) for c in equations.C.T])
            self._set_coefficients(w, equations.intercept(w), single, dtype)
            return
        residual = None if training is None else lambda w: equations.residual(training.blocks)(w)
        dense = training is not None and isinstance(training.X, np.ndarray)
        solution = least_norm(equations.G, equations.C, tol=self.tol, residual=residual, certain=dense)
        if solution is None:
            assert training is not None  # nothing is uncertain without rows
            assert training.y is not None
            solution = from_rows(training.X, training.y, training.sample_weight, equations, self.tol)
        self._set_coefficients(solution.w, equations.intercept(solution.w), single, dtype)
        if training is None or not sp.issparse(training.X):
            if solution.singular is None and not self._has_statistics():
                solution = replace(solution, singular=singular_values(equations.G))
            self._set_rank(solution, statistics.n_rows, dtype)
        begun = training is None and statistics.n_rows <= len(
            equations.G
        )  # the first rows of several partial fits
        if solution.rank < len(equations.G) and not begun:
            self._warn_collinear(equations.G, solution, statistics.n_rows)

    def _fit_rows(self, training: Training, single: bool) -> None:
        """More columns than rows, or wide sparse rows."""
        X, y, sample_weight = training.X, training.y, training.sample_weight
        if self.solver != "auto":
            self._descend(None, None, single, X.dtype, training)
            return
        self.n_iter_, self.solver_ = 1, "least-squares"
        if sp.issparse(X):
            self._fit_products(training, single)
            return
        rows = DualRows.of(X, y, sample_weight, fit_intercept=self.fit_intercept)
        solution = rows.solve(self.tol)
        if solution is None:
            none = np.empty((0, 0))
            equations = NormalEquations(none, none, rows.x_mean, rows.y_mean, none)
            solution = from_rows(X, y, sample_weight, equations, self.tol)
        self._set_coefficients(solution.w, rows.y_mean - rows.x_mean @ solution.w, single, X.dtype)
        self._set_rank(solution, len(X), X.dtype)
        self._warn_collinear(None, solution, len(X))

    def _descend(
        self,
        statistics: Moments | None,
        equations: NormalEquations | None,
        single: bool,
        dtype: Any,
        training: Training | None,
    ) -> None:
        """By the gradient: target by target, from statistics where they are, and over the rows for sgd."""
        self._forget()
        self.solver_ = self.solver
        descent = Descent(self.solver, self.learning_rate, self.max_iter, self.tol, self.random_state)
        problems = list(self._problems(statistics, equations, training))
        with self._progress(descent.steps * len(problems)) as progress:
            results = [descent.run(objective, spreads, progress) for objective, spreads in problems]
        theta = np.column_stack([result.x for result in results])
        w, b = (theta[:-1], theta[-1]) if self.fit_intercept else (theta, np.zeros(theta.shape[1]))
        self._set_coefficients(w, b, single, dtype)
        self.n_iter_ = max(1, *(result.n_iter for result in results))
        if statistics is not None and equations is not None and not (training and sp.issparse(training.X)):
            singular = singular_values(equations.G)
            rank = int(np.count_nonzero(singular > max(self.tol, RESOLUTION) * singular[0]))
            self._set_rank(Solution(w, rank, singular), statistics.n_rows, dtype)
        for (objective, spreads), result in zip(problems, results):
            if not (result.converged or progress.stopped):
                diverged = result.reason.startswith("diverged")
                names = [str(name) for name in self.encoded_feature_names_]
                hint = advice(objective, spreads[0], names, self.solver, diverged=diverged)
                reason = result.reason if diverged else f"did not converge: {result.reason}"
                said = f"LinearRegression(solver={self.solver!r}) {reason}. {hint}"
                warnings.warn(said, ConvergenceWarning, stacklevel=5)

    def _problems(
        self, statistics: Moments | None, equations: NormalEquations | None, training: Training | None
    ) -> Iterator[tuple[Quadratic | Risk, tuple[np.ndarray, float]]]:
        """Each target's objective, and the spreads of the columns and of the target."""
        free = self.fit_intercept
        if self.solver == "sgd" and training is None:
            raise ValueError(
                "solver='sgd' steps after each row, and partial_fit and merge keep their statistics only: use "
                "'gradient-descent', or SGDRegressor"
            )
        if statistics is not None and equations is not None:
            for k in range(equations.C.shape[1]):
                quadratic = Quadratic.of(equations, k, statistics.weight, fit_intercept=free)
                objective: Quadratic | Risk = quadratic
                if self.solver == "sgd" and training is not None:
                    objective = risk_of(training, k, statistics.weight, fit_intercept=free)
                yield objective, quadratic.spreads()
            return
        assert training is not None
        assert training.y is not None
        Y, s = training.y.reshape(len(training.y), -1), training.sample_weight
        for k in range(Y.shape[1]):
            risk = risk_of(training, k, float(len(Y) if s is None else s.sum()), fit_intercept=free)
            yield risk, risk_spreads(risk, Y[:, k], s)

    def _fit_products(self, training: Training, single: bool) -> None:
        Y = training.y.reshape(len(training.y), -1)
        y_mean = target_means(Y, training.sample_weight, fit_intercept=self.fit_intercept)
        found, b = solve_products(
            training,
            Y,
            y_mean,
            np.zeros(Y.shape[1]),
            fit_intercept=self.fit_intercept,
            tol=SPARSE_TOLERANCE * self.tol,
            max_iter=max(1000, 4 * min(training.X.shape)),
        )
        if found.missing:
            self._warn_unconverged(found.missing)
        self._set_coefficients(found.W, b, single, training.X.dtype)
        self._warn_sparse_collinear(training)

    def _warn_sparse_collinear(self, training: Training) -> None:
        n, d = training.X.shape
        if n <= d:
            rank = n - self.fit_intercept
            self._warn_arbitrary(f"{n} rows determine at most {rank} of {d} coefficients")
            return
        dependent, taking_part = dependent_sparse_columns(training, fit_intercept=self.fit_intercept)
        if dependent:
            self._warn_arbitrary(_describe(dependent, [str(name) for name in self.encoded_feature_names_]))
        elif taking_part:
            self._warn_arbitrary(f"{taking_part} of {d} columns follow from one another")

    def _set_rank(self, solution: Solution, n_rows: int, dtype: Any) -> None:
        self.rank_ = solution.rank
        found = solution.singular
        self._singular = None if found is None else self._shown(found, n_rows, dtype)

    @staticmethod
    def _shown(singular: np.ndarray, n_rows: int, dtype: Any) -> np.ndarray:
        return singular[: min(n_rows, len(singular))].astype(dtype)

    def _warn_collinear(self, G: np.ndarray | None, solution: Solution, n_rows: int) -> None:
        """Says which columns make the coefficients arbitrary."""
        names = [str(name) for name in self.encoded_feature_names_]
        if G is None or n_rows <= len(names):
            found = f"{n_rows} rows determine at most {solution.rank} of {len(names)} coefficients"
        else:
            dependent = dependent_columns(G)
            if not dependent:
                warnings.warn(_describe_scales(G, names, self.tol), DataWarning, stacklevel=5)
                return
            found = _describe(dependent, names)
        self._warn_arbitrary(found)

    @staticmethod
    def _warn_arbitrary(found: str) -> None:
        warnings.warn(
            f"LinearRegression: {found}. Infinitely many coefficients fit equally well; these are the ones of "
            "least norm. Drop columns, or use Ridge.",
            DataWarning,
            stacklevel=6,
        )


def _describe(dependent: list[tuple[int, list[int]]], names: Sequence[str]) -> str:
    parts = []
    for column, partners in dependent[:NAMED_COLUMNS]:
        others = ", ".join(repr(names[k]) for k in partners[:NAMED_COLUMNS])
        others += ", ..." if len(partners) > NAMED_COLUMNS else ""
        parts.append(f"{names[column]!r} ({f'follows from {others}' if partners else 'is constant'})")
    more = f" and {len(dependent) - NAMED_COLUMNS} more" if len(dependent) > NAMED_COLUMNS else ""
    return f"{len(dependent)} of {len(names)} columns say nothing new: {', '.join(parts)}{more}"


def _describe_scales(G: np.ndarray, names: Sequence[str], tol: float) -> str:
    spread = np.sqrt(np.diag(G))
    small, large = int(np.argmin(spread)), int(np.argmax(spread))
    return (
        f"LinearRegression: the columns differ so much in scale ({names[small]!r} varies "
        f"{spread[large] / spread[small]:.2g} times less than {names[large]!r}) that tol={tol:g} drops some of what "
        "they say. Scale them, or set tol=0."
    )
