"""The lasso and the elastic net.

    1/(2W) sum_i s_i (y_i - x_i.w - b)^2 + alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2),    W = sum_i s_i

by coordinate descent: see `tripos.optimization.coordinate`.
"""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from tripos import inputs
from tripos.base import Regressor, Training
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import BLOCK_BYTES
from tripos.data.needs import Needs
from tripos.errors import TableError
from tripos.optimization.coordinate_gram import Solution
from tripos.state import Array, Number, OneOf
from tripos.supervised.linear.lasso_path import enet_path, lasso_path
from tripos.supervised.linear.lasso_problem import LassoProblem, order_of, warn_unconverged
from tripos.supervised.linear.least_squares import LinearRegression
from tripos.supervised.linear.model import LinearModel, cast
from tripos.supervised.linear.ridge import Ridge

PATH_POINTS = 100  # alphas of the path that `plot` draws
PATH_LENGTH = 1e-3  # least of them, as a share of the largest


class LassoModel(LinearModel, Regressor):
    """What the four estimators share: their state, input that may lie by columns, and their facts."""

    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", (("features",), ("targets", "features"))),
        "intercept_": OneOf(Number("f"), Array("f", ("targets",))),
        "dual_gap_": OneOf(Number("f"), Array("f", ("targets",))),
        "n_iter_": OneOf(Number("i", low=0), Array("i", ("targets",), low=0)),
    }

    fit_intercept: bool
    positive: bool
    tol: float
    max_iter: int | None
    precompute: Any
    selection: str
    random_state: Any
    dual_gap_: Any
    n_iter_: Any

    @property
    def sparse_coef_(self) -> Any:
        """`coef_` as a CSR array of shape (n_targets, n_features)."""
        return sp.csr_array(np.atleast_2d(self.coef_))

    def _family(self) -> Any:
        from tripos.supervised.linear.family import GAUSSIAN

        return GAUSSIAN

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

    def _plain_numbers(self, X: Any, *, reset: bool, canonical: bool = True) -> Any:
        """A large array whose columns are contiguous is taken as it is at fit time: columns are what descent
        reads."""
        if (
            reset
            and type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype in inputs.FLOATS
            and X.dtype.isnative
            and X.flags.f_contiguous
            and not X.flags.c_contiguous
            and X.nbytes > BLOCK_BYTES
        ):
            validate_data(self, X, reset=True, skip_check_array=True)
            return X
        return super()._plain_numbers(X, reset=reset, canonical=canonical)

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        """Floats in a row need none of scikit-learn's checks but that they are finite."""
        if type(y) is np.ndarray and y.ndim == 1 and y.dtype in inputs.FLOATS and len(y):
            target = kernel_array(y)
            if inputs.all_finite(target):
                return target
        return super()._target(y, multi_output=multi_output, reset=reset, classes=classes)

    def _begin(
        self, X: Any, y: Any, sample_weight: Any, *, multi_output: bool, many: bool = False
    ) -> tuple[Training, LassoProblem]:
        """The rows and the problem they pose. NaN and infinity show in its sums, at no cost to clean data; only
        then the checked start is made, which encodes missing values or names the bad cell."""
        start = partial(self._start_fit, X, y, sample_weight, multi_output=multi_output)
        training = start(check_finite=False)
        problem = self._problem(training, many=many)
        if training.in_memory and not problem.is_finite:
            training = start(check_finite=True)
            problem = self._problem(training, many=many)
        if not problem.is_finite:
            self._reject_nonfinite(training.blocks)
            raise ValueError("the squares of X or y overflow: divide the large columns by a power of ten")
        return training, problem

    def _problem(self, training: Training, *, many: bool = False) -> LassoProblem:
        order = order_of(self.selection, self.random_state)
        if not training.in_memory:
            target = next(iter(training.blocks)).y
            if target is None:
                raise TableError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
            return LassoProblem.of_blocks(
                training.blocks, target[:1].size, fit_intercept=self.fit_intercept, order=order
            )
        with np.errstate(invalid="ignore", over="ignore"):
            return LassoProblem.of_rows(
                training.X, training.y, training.sample_weight, fit_intercept=self.fit_intercept, order=order,
                precompute=self.precompute, many=many, strength=None if many else self._strength(),
            )  # fmt: skip

    def _strength(self) -> float | None:
        """alpha l1_ratio, where there is one of each."""
        return None

    def _solve(
        self, problem: LassoProblem, alpha: float, l1_ratio: float, start: np.ndarray | None
    ) -> tuple[list[Solution], bool]:
        """One solution per target, and whether a callback stopped the fit; keeps `history_` where there is more
        than one step to tell."""
        self.__dict__.pop("history_", None)
        max_iter = 1000 if self.max_iter is None else int(self.max_iter)
        rules = problem.rules(alpha, l1_ratio, positive=self.positive, tol=self.tol, max_iter=max_iter)
        solutions = []
        with self._progress(max_iter) as progress:
            for k, target in enumerate(problem.targets):
                if start is not None:
                    target.start(start[k])
                solutions.append(target.solve(rules, lambda loss: progress.step(loss / problem.weight)))
        if max(solution.n_iter for solution in solutions) <= 1 and not progress.stopped:
            self.__dict__.pop("history_", None)
        unfinished = [solution for solution in solutions if not solution.converged]
        if unfinished and not progress.stopped:
            warn_unconverged(type(self).__name__, unfinished, problem.weight, max_iter)
        return solutions, progress.stopped

    def _set(self, solutions: list[Solution], problem: LassoProblem, single: bool, dtype: Any) -> None:
        """The fitted attributes; of one target as numbers and a vector."""
        W = np.array([solution.w for solution in solutions])  # (n_targets, n_features)
        b = problem.y_mean - W @ problem.x_mean
        gap = np.array([solution.gap for solution in solutions]) / problem.weight
        steps = np.array([max(1, solution.n_iter) for solution in solutions], dtype=np.int32)
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise ValueError(
                "Coordinate descent resulted in coefficients that are not finite: X holds values too large; scale it"
            )
        self.coef_ = cast(W[0] if single else W, dtype)
        self.intercept_ = cast(b[0] if single else b, dtype)
        self.dual_gap_ = cast(gap[0] if single else gap, dtype)
        self.n_iter_ = int(steps[0]) if single else steps

    def _facts(self) -> dict[str, str]:
        kept = np.count_nonzero(np.atleast_2d(self.coef_), axis=1)
        return {
            "coefficients that are not zero": f"{', '.join(map(str, kept))} of {self.coef_.shape[-1]}",
            "duality gap": ", ".join(f"{gap:.3g}" for gap in np.atleast_1d(self.dual_gap_)),
            "sweeps": ", ".join(map(str, np.atleast_1d(self.n_iter_))),
            **super()._facts(),
        }


class ElasticNet(LassoModel):
    """Linear regression with a penalty on the sizes and the squares of the coefficients.

    Minimises, each row counted by its weight and the intercept b free, with W = sum_i s_i,

        1/(2W) sum_i s_i (y_i - x_i.w - b)^2 + alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)

    by coordinate descent on a working set of columns, which stops when the duality gap proves that the objective
    is near its minimum. Scale the columns first: the penalty treats them alike.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty. With 0 the solution is that of least squares.
    l1_ratio : float, default=0.5
        Share of the penalty that is |w|_1: 1 is the lasso, 0 ridge regression.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    precompute : bool or array-like of shape (n_features, n_features), default=False
        X'X in weighted and centred columns, or True to compute it. With False it is computed where it is the
        shorter way (many rows, few columns).
    max_iter : int, default=1000
        Sweeps over the coefficients at most.
    copy_X : bool, default=True
        Without effect: X is never written to.
    tol : float, default=1e-4
        The fit ends when the duality gap is at most tol |y|^2 and no coefficient moves by more than a tenth of
        `tol` of the largest; or when the gap is 1e-5 tol of the objective.
    warm_start : bool, default=False
        Whether to start from the coefficients of the last fit.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        For selection="random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order in which coefficients are visited.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Of several targets each is fitted apart.
    intercept_ : float or ndarray of shape (n_targets,)
    dual_gap_ : float or ndarray of shape (n_targets,)
        What the objective may be above its minimum at most.
    n_iter_ : int or ndarray of shape (n_targets,)
    sparse_coef_ : CSR array of shape (n_targets, n_features)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    history_ : dict
        Columns step, loss, validation, seconds, where the fit took more than one sweep.

    References
    ----------
    H. Zou, T. Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.
    J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01.

    See Also
    --------
    ElasticNetCV : chooses alpha and l1_ratio by cross-validation.
    Lasso : the case l1_ratio=1.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import ElasticNet
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> model = ElasticNet(alpha=0.1).fit(X, [0.0, 1.0, 2.0])
    >>> model.coef_.round(2)
    array([0.45, 0.45])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "precompute": ["boolean", "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }
    __metadata_request__fit = {"check_input": metadata_routing.UNUSED}
    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int | None = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-4, 1e4, "log"), "l1_ratio": [0.1, 0.5, 0.9, 1.0]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, check_input: bool = True) -> ElasticNet:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
            Arrays are used where they lie, by rows or by columns.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        check_input : bool, default=True
            Without effect: the input is always checked.

        Returns
        -------
        self
        """
        start = self._last_coefficients() if self.warm_start else None
        training, problem = self._begin(X, y, sample_weight, multi_output=True)
        if self.alpha == 0:
            warnings.warn(
                "With alpha=0, this algorithm does not converge well. You are advised to use the LinearRegression "
                "estimator",
                UserWarning,
                stacklevel=3,
            )
        shape = (len(problem.targets), len(problem.x_mean))
        if start is not None and start.shape != shape:
            raise ValueError(
                f"warm_start: the last fit left coefficients of shape {start.shape}, these data need {shape}; fit a "
                "new estimator"
            )
        solutions = None
        if self._l1_share() * self.alpha == 0.0 and not self.positive:
            solutions = self._fit_smooth(training, problem)
        if solutions is None:
            solutions, _ = self._solve(problem, float(self.alpha), self._l1_share(), start)
        single = not training.in_memory and len(problem.targets) == 1
        single = single or (training.y is not None and training.y[:1].size == 1)
        self._set(solutions, problem, single, training.blocks.dtype)
        return self

    def _l1_share(self) -> float:
        return float(self.l1_ratio)

    def _strength(self) -> float | None:
        return float(self.alpha) * self._l1_share()

    def _last_coefficients(self) -> np.ndarray | None:
        found = getattr(self, "coef_", None)
        return None if found is None else np.atleast_2d(found).astype(np.float64)

    def _fit_smooth(self, training: Training, problem: LassoProblem) -> list[Solution]:
        """Without an L1 term the solution is that of least squares or ridge regression, in closed form."""
        self.__dict__.pop("history_", None)
        X, y = (training.blocks, None) if training.X is None else (training.X, training.y)
        model: Any = LinearRegression(fit_intercept=self.fit_intercept)
        if self.alpha > 0:
            model = Ridge(alpha=self.alpha * problem.weight, fit_intercept=self.fit_intercept)
        model.fit(X, y, sample_weight=training.sample_weight)
        rules = problem.rules(float(self.alpha), 0.0, positive=False, tol=self.tol, max_iter=1)
        return [
            target.measured(w, rules)
            for target, w in zip(problem.targets, np.atleast_2d(model.coef_).astype(np.float64))
        ]

    def _path_of(
        self, X: Any, y: Any
    ) -> tuple[np.ndarray, np.ndarray, float | None, np.ndarray | None] | None:
        share = self._l1_share()
        if share == 0.0 or self.coef_.ndim > 1:
            return None
        X, y = self._check_input(X), np.asarray(y, dtype=self.coef_.dtype).reshape(-1)
        problem = LassoProblem.of_rows(
            X, y, None, fit_intercept=self.fit_intercept, order=order_of("cyclic", None), many=True
        )
        alphas = problem.grid(PATH_POINTS, PATH_LENGTH, share, positive=self.positive)
        path = problem.path(alphas, share, positive=self.positive, tol=self.tol)
        return alphas, np.array([solution.w for solution in path]), float(self.alpha), None

    def _facts(self) -> dict[str, str]:
        return {"alpha": f"{self.alpha:g}", "l1_ratio": f"{self._l1_share():g}", **super()._facts()}


class Lasso(ElasticNet):
    """Linear regression with a penalty on the sizes of the coefficients, which sets many of them to zero.

    Minimises, each row counted by its weight and the intercept b free, with W = sum_i s_i,

        1/(2W) sum_i s_i (y_i - x_i.w - b)^2 + alpha |w|_1

    by coordinate descent on a working set of columns, which stops when the duality gap proves that the objective
    is near its minimum. Scale the columns first: the penalty treats them alike.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty. With 0 the solution is that of least squares; from max_j |x_j.(y - mean(y))| / W
        on all coefficients are zero.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    precompute : bool or array-like of shape (n_features, n_features), default=False
        X'X, or whether to compute it, as in `ElasticNet`.
    copy_X : bool, default=True
        Without effect: X is never written to.
    max_iter : int, default=1000
        Sweeps over the coefficients at most.
    tol : float, default=1e-4
        When the fit ends, as in `ElasticNet`.
    warm_start : bool, default=False
        Whether to start from the coefficients of the last fit.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        For selection="random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order in which coefficients are visited.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_, dual_gap_, n_iter_, sparse_coef_, n_features_in_, feature_names_in_, history_
        As in `ElasticNet`.

    References
    ----------
    R. Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x.
    E. Ndiaye, O. Fercoq, A. Gramfort, J. Salmon (2017), arXiv:1611.05780.

    See Also
    --------
    LassoCV : chooses alpha by cross-validation.
    lasso_path : coefficients for many alphas.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import Lasso
    >>> X = np.array([[0.0, 0.0], [1.0, -1.0], [2.0, 0.0]])
    >>> Lasso(alpha=0.1).fit(X, [0.0, 1.0, 2.0]).coef_.round(6)
    array([0.85, 0.  ])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: rule for name, rule in ElasticNet._parameter_constraints.items() if name != "l1_ratio"
    }
    path = staticmethod(lasso_path)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-4, 1e4, "log")}

    def _l1_share(self) -> float:
        return 1.0
