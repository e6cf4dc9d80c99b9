"""The lasso and the elastic net with the strength of the penalty chosen by cross-validation.

    alpha* = argmin_alpha  mean over folds of the mean squared error on the rows left out

with one path of solutions per fold (`lasso_folds`), and a fit on all rows at the end.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import KFold, check_cv
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from tripos.base import Training
from tripos.compute.arrays import kernel_array
from tripos.state import Array, Number
from tripos.supervised.linear.lasso import LassoModel
from tripos.supervised.linear.lasso_folds import Fold, Paths, counted_folds, given_folds
from tripos.supervised.linear.lasso_path import enet_path, lasso_path, sorted_alphas
from tripos.supervised.linear.lasso_problem import LassoProblem, order_of, warn_unconverged


class LassoModelCV(LassoModel):
    """What `LassoCV` and `ElasticNetCV` share."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "eps": [Interval(Real, 0, None, closed="neither")],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "precompute": [StrOptions({"auto"}), "array-like", "boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "copy_X": ["boolean"],
        "cv": ["cv_object"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }
    state: ClassVar[dict[str, Any]] = {
        "alpha_": Number("f", low=0.0),
        "alphas_": Array("f", (("alphas",), ("ratios", "alphas")), low=0.0),
        "mse_path_": Array("f", None, low=0.0),
    }

    eps: float
    alphas: Any
    cv: Any
    n_jobs: int | None
    alpha_: float
    alphas_: np.ndarray
    mse_path_: np.ndarray

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"fit_intercept": [True, False]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> LassoModelCV:
        """Choose the penalty by cross-validation and fit with it.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows, in the folds too where all weights are whole numbers and `cv` is None
            or a number.
        **params
            For the splitter, such as `groups`.

        Returns
        -------
        self
        """
        training, problem = self._begin(X, y, sample_weight, multi_output=False, many=True)
        if not training.in_memory:
            raise ValueError(
                f"{type(self).__name__} splits the rows into folds and needs them in memory; choose alpha on a part "
                "of them, then fit Lasso or ElasticNet on all blocks"
            )
        ratios = [float(ratio) for ratio in np.atleast_1d(self._ratios())]
        alphas = self._strengths(problem, ratios)
        paths = Paths(
            training.X, training.y, ratios, alphas, self.fit_intercept,
            order_of(self.selection, self.random_state), self.precompute is True,
            {"positive": self.positive, "tol": self.tol, "max_iter": int(self.max_iter or 1000)},
        )  # fmt: skip
        mse, unfinished = paths.errors(self._folds(training, params), self.n_jobs)
        if unfinished:
            warn_unconverged(type(self).__name__, unfinished, problem.weight, int(self.max_iter or 1000))
        self._choose(mse, ratios, alphas)
        solutions, _ = self._solve(problem, self.alpha_, self._chosen_ratio(), None)
        self._set(solutions, problem, True, training.blocks.dtype)
        return self

    def _ratios(self) -> Any:
        return 1.0

    def _chosen_ratio(self) -> float:
        return 1.0

    def _checked_weights(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, np.ndarray]:
        """Rows of weight zero stay: the folds count them."""
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, y, kernel_array(weight)

    def _strengths(self, problem: LassoProblem, ratios: list[float]) -> list[np.ndarray]:
        if isinstance(self.alphas, Integral):
            return [
                problem.grid(int(self.alphas), self.eps, ratio, positive=self.positive) for ratio in ratios
            ]
        return [sorted_alphas(self.alphas)] * len(ratios)

    def _folds(self, training: Training, params: dict[str, Any]) -> list[Fold]:
        cv, weight = check_cv(self.cv), training.sample_weight
        counted = weight is not None and not params and type(cv) is KFold and not cv.shuffle
        if counted and weight is not None and np.array_equal(weight, np.floor(weight)):
            return counted_folds(cv.n_splits, weight)
        return given_folds(cv.split(training.X, training.y, **params), weight)

    def _choose(self, mse: np.ndarray, ratios: list[float], alphas: list[np.ndarray]) -> None:
        """Sets what cross-validation found; mse has shape (n_ratios, n_folds, n_alphas)."""
        mean = mse.mean(axis=1)  # (n_ratios, n_alphas)
        k = int(np.argmin(mean.min(axis=1)))
        self.alpha_ = float(alphas[k][np.argmin(mean[k])])
        self.mse_path_ = np.ascontiguousarray(np.squeeze(np.moveaxis(mse, 2, 1)))
        every = isinstance(self.alphas, Integral) and len(ratios) > 1
        self.alphas_ = np.asarray(alphas) if every else alphas[0]

    def _path_of(
        self, X: Any, y: Any
    ) -> tuple[np.ndarray, np.ndarray, float | None, np.ndarray | None] | None:
        ratio = self._chosen_ratio()
        ratios = [float(value) for value in np.atleast_1d(self._ratios())]
        k = ratios.index(ratio)
        alphas = self.alphas_[k] if self.alphas_.ndim > 1 else self.alphas_
        X, y = self._check_input(X), np.asarray(y, dtype=self.coef_.dtype).reshape(-1)
        problem = LassoProblem.of_rows(
            X, y, None, fit_intercept=self.fit_intercept, order=order_of("cyclic", None), many=True
        )
        path = problem.path(alphas, ratio, positive=self.positive, tol=self.tol)
        scores = self.mse_path_.reshape(len(ratios), len(alphas), -1)[k]
        return alphas, np.array([solution.w for solution in path]), self.alpha_, scores

    def _facts(self) -> dict[str, str]:
        best = self.mse_path_.reshape(-1, self.mse_path_.shape[-1]).mean(axis=1).min()
        return {
            "alpha": f"{self.alpha_:.6g}, of {self.alphas_.shape[-1]} tried",
            "mean squared error, cross-validated": f"{best:.6g}",
            **super()._facts(),
        }


class LassoCV(LassoModelCV):
    """The lasso with `alpha` chosen by cross-validation.

    A path of solutions is fitted on all folds but one, its squared error measured on that one, for each fold in
    turn, side by side; the alpha of least mean error is used on all rows.

    Parameters
    ----------
    eps : float, default=1e-3
        Least alpha as a share of the largest, at which all coefficients are zero.
    alphas : int or array-like, default=100
        How many alphas to try, or the alphas themselves.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    precompute : "auto", bool or array-like, default="auto"
        True computes the products of all columns; else they are where it is the shorter way.
    max_iter : int, default=1000
        Sweeps at most for each alpha.
    tol : float, default=1e-4
        As in `Lasso` for the fit on all rows; on the folds a gap of tol |y|^2 is enough, as in scikit-learn.
    copy_X : bool, default=True
        Without effect: X is never written to.
    cv : int, splitter or iterable of (train, test), optional
        Folds; five by default.
    verbose : bool or int
        Without effect.
    n_jobs : int, optional
        Threads; by default all that are available.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        For selection="random".
    selection : {"cyclic", "random"}, default="cyclic"

    Attributes
    ----------
    alpha_ : float
        The one chosen.
    alphas_ : ndarray of shape (n_alphas,)
    mse_path_ : ndarray of shape (n_alphas, n_folds)
    coef_ : ndarray of shape (n_features,)
    intercept_, dual_gap_ : float
    n_iter_ : int
        Of the fit on all rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    R. Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x.

    See Also
    --------
    Lasso : for a given alpha.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 8))
    >>> model = LassoCV().fit(X, X[:, 0] - 2 * X[:, 1] + 0.1 * rng.normal(size=60))
    >>> model.coef_[:2].round(1), model.mse_path_.shape
    (array([ 1., -2.]), (100, 5))
    """

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: Any = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection


class ElasticNetCV(LassoModelCV):
    """The elastic net with `alpha` and `l1_ratio` chosen by cross-validation.

    Parameters
    ----------
    l1_ratio : float or array-like, default=0.5
        Share of the penalty that is |w|_1, or the shares to choose from.
    eps : float, default=1e-3
        Least alpha as a share of the largest, at which all coefficients are zero.
    alphas : int or array-like, default=100
        How many alphas to try for each share, or the alphas themselves.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    precompute : "auto", bool or array-like, default="auto"
        As in `LassoCV`.
    max_iter : int, default=1000
        Sweeps at most for each alpha.
    tol : float, default=1e-4
        As in `LassoCV`.
    cv : int, splitter or iterable of (train, test), optional
        Folds; five by default.
    copy_X : bool, default=True
        Without effect: X is never written to.
    verbose : bool or int
        Without effect.
    n_jobs : int, optional
        Threads; by default all that are available.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        For selection="random".
    selection : {"cyclic", "random"}, default="cyclic"

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        Those chosen.
    alphas_ : ndarray of shape (n_alphas,), or (n_ratios, n_alphas) where each share has its own
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_ratios, n_alphas, n_folds)
    coef_, intercept_, dual_gap_, n_iter_, n_features_in_, feature_names_in_
        As in `LassoCV`.

    References
    ----------
    H. Zou, T. Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    See Also
    --------
    ElasticNet : for a given penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import ElasticNetCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 8))
    >>> model = ElasticNetCV(l1_ratio=[0.5, 0.9]).fit(X, X[:, 0] - 2 * X[:, 1] + 0.1 * rng.normal(size=60))
    >>> model.l1_ratio_, model.mse_path_.shape
    (0.9, (2, 100, 5))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LassoModelCV._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
    }
    state: ClassVar[dict[str, Any]] = {"l1_ratio_": Number("f", low=0.0, high=1.0)}
    path = staticmethod(enet_path)
    l1_ratio_: float

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: Any = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def _ratios(self) -> Any:
        return self.l1_ratio

    def _chosen_ratio(self) -> float:
        return self.l1_ratio_

    def _choose(self, mse: np.ndarray, ratios: list[float], alphas: list[np.ndarray]) -> None:
        super()._choose(mse, ratios, alphas)
        self.l1_ratio_ = ratios[int(np.argmin(mse.mean(axis=1).min(axis=1)))]
