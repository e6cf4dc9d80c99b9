"""Quantile regression: the conditional median, or any other quantile, as a linear function."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Regressor
from tripos.data.needs import Needs
from tripos.errors import TableError
from tripos.state import Array, Number, Text
from tripos.supervised.linear.frisch_newton import Programme, interior_point
from tripos.supervised.linear.model import LinearModel, cast
from tripos.supervised.linear.quantile_vertex import vertex

INTERIOR_PARAMETERS = 3000  # whose normal equations take 72 MB; more go to HiGHS
VERTEX_ENTRIES = 2e8  # rows times parameters up to which the solution is brought to a vertex


class QuantileRegressor(LinearModel, Regressor):
    """Linear regression of a quantile, the median by default.

    Minimises the mean quantile ("pinball") loss, each row counted by its weight, with an L1 penalty,

        1/W sum_i s_i rho(y_i - x_i.w - b) + alpha |w|_1,     rho(r) = max(q r, (q - 1) r),

    so that a share q of the rows lies below the fit. This is a linear programme. By default it is solved by a
    primal-dual interior point (Frisch and Newton), whose steps are weighted regressions, and then moved to an exact
    vertex, where as many rows are fitted exactly (or coefficients are zero) as there are parameters.

    Parameters
    ----------
    quantile : float, default=0.5
        Between 0 and 1, both excluded.
    alpha : float, default=1.0
        Strength of the penalty; 0 for none.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    solver : {"highs", "highs-ds", "highs-ipm", "interior-point", "revised simplex"}, default="highs"
        "highs" and "interior-point" leave the choice to the shape of the data, which is the interior point up to
        3,000 parameters; "highs-ds" and "highs-ipm" insist on SciPy's HiGHS (dual simplex, interior point), and
        "revised simplex" is "highs-ds".
    solver_options : dict, optional
        Options for HiGHS, which then runs; see `scipy.optimize.linprog`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_iter_ : int
        Steps of the solver.
    solver_ : str
        What ran: "frisch-newton", "highs", "highs-ds" or "highs-ipm".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    R. Koenker, G. Bassett, "Regression quantiles" (1978), doi:10.2307/1913643.
    S. Portnoy, R. Koenker, "The Gaussian hare and the Laplacian tortoise" (1997), doi:10.1214/ss/1030037960.

    See Also
    --------
    HuberRegressor : between the mean and the median.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import QuantileRegressor
    >>> X = np.arange(9.0)[:, None]
    >>> y = np.array([0.0, 1.0, 2.0, 3.0, 400.0, 5.0, 6.0, 7.0, 8.0])
    >>> model = QuantileRegressor(alpha=0.0).fit(X, y)
    >>> model.predict(np.array([[4.0]])).round(6)
    array([4.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"highs", "highs-ds", "highs-ipm", "interior-point", "revised simplex"})],
        "solver_options": [dict, None],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("features",)),
        "intercept_": Number("f"),
        "n_iter_": Number("i", low=0),
        "solver_": Text(choices=("frisch-newton", "highs", "highs-ds", "highs-ipm")),
    }

    n_iter_: int
    solver_: str

    def __init__(
        self,
        *,
        quantile: float = 0.5,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "highs",
        solver_options: dict[str, Any] | None = None,
    ) -> None:
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The penalty, which counts against a mean loss in the unit of y."""
        return {"alpha": (1e-5, 1.0, "log")}

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> QuantileRegressor:
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
        if not training.in_memory:
            raise TableError("QuantileRegressor needs its rows in memory: pass arrays")
        n, dtype = training.X.shape[0], training.X.dtype
        s = np.ones(n) if training.sample_weight is None else training.sample_weight
        s = s / s.sum()
        programme = Programme(
            training.X.astype(np.float64, copy=False),  # seven digits do not tell which rows lie on the fit
            training.y.astype(np.float64, copy=False),
            self.quantile * s,
            (1.0 - self.quantile) * s,
            float(self.alpha),
            self.fit_intercept,
        )
        w = self._solve(programme)
        self.coef_ = w[: training.n_features].astype(dtype)
        self.intercept_ = cast(w[-1] if self.fit_intercept else 0.0, dtype)
        return self

    def _solve(self, programme: Programme) -> np.ndarray:
        """w and, at the end, b."""
        ours = self.solver in ("highs", "interior-point") and self.solver_options is None
        # without a penalty and with more columns than rows the rows are fitted exactly, in many ways
        determined = programme.strength > 0.0 or programme.n_parameters <= len(programme.y)
        if ours and determined and programme.n_parameters <= INTERIOR_PARAMETERS:
            found = interior_point(programme)
            self.solver_, self.n_iter_ = "frisch-newton", found.n_iter
            if found.converged:
                small = programme.n_rows * programme.n_parameters <= VERTEX_ENTRIES
                w = vertex(programme, found) if small else None
                return found.w if w is None else w
        names = {"interior-point": "highs", "revised simplex": "highs-ds"}
        self.solver_ = names.get(self.solver, self.solver)
        return self._by_highs(programme)

    def _by_highs(self, programme: Programme) -> np.ndarray:
        """w = w+ - w- with residuals u - v, all of them at least 0."""
        n, d = programme.X.shape
        A = sp.csc_array(programme.X)
        if self.fit_intercept:
            A = sp.hstack([A, sp.csc_array(np.ones((n, 1)))], format="csc")
        cost = np.full(A.shape[1], programme.strength)
        cost[d:] = 0.0
        eye = sp.eye_array(n, format="csc")
        found = linprog(
            np.concatenate([cost, cost, programme.up, programme.down]) * n,
            A_eq=sp.hstack([A, -A, eye, -eye], format="csc"),
            b_eq=programme.y,
            method=self.solver_,
            options=self.solver_options,
        )
        self.n_iter_ = max(int(found.nit), 1)
        if not found.success:
            warnings.warn(
                f"QuantileRegressor: HiGHS ended without a solution: {found.message}",
                ConvergenceWarning,
                stacklevel=4,
            )
        if found.x is None:
            raise ValueError(f"HiGHS found no quantile fit: {found.message}; leave solver_options out")
        p = A.shape[1]
        return np.asarray(found.x[:p] - found.x[p : 2 * p])

    # ---- predicting, looking at it ---------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """The quantile of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._scores(X)

    def _facts(self) -> dict[str, str]:
        zeros = int(np.count_nonzero(self.coef_ == 0.0))
        return {
            "quantile": f"{self.quantile:g}",
            "alpha": f"{self.alpha:g}",
            "coefficients that are zero": f"{zeros} of {len(self.coef_)}",
            "steps": f"{self.n_iter_} of {self.solver_}",
        }
