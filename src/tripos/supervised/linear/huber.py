"""Huber regression: least squares for the rows that fit, least absolute deviations for those that do not.

`huber_scale` states the objective; here it is minimised and offered as an estimator.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from tripos.base import Regressor, Training
from tripos.compute.arrays import kernel_array
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import row_blocks
from tripos.data.needs import Needs
from tripos.errors import TableError
from tripos.objective.moments import moments
from tripos.objective.rows import rows_of
from tripos.optimization.lbfgs import lbfgs
from tripos.optimization.newton import Curvature, newton
from tripos.optimization.result import NotFinite, Result, Stopping
from tripos.state import Array, Number
from tripos.supervised.linear.huber_scale import LogScale, ScaledHuber
from tripos.supervised.linear.model import LinearModel, cast

PRECISION = 1e-12  # relative decrease in sight at the minimum
WIDE_PRECISION = 1e-10
NEWTON_PARAMETERS = 1000
SAMPLE_PARAMETERS = 512
START_COLUMNS = 512
STAGE_STEPS = 25
FIRST_BARRIER, BARRIER_FALL, GOOD_BARRIER, LAST_BARRIER = (
    0.1,
    0.1,
    1e-9,
    1e-13,
)  # mu, relative to the objective
SAMPLING_PAYS = 3e6  # multiplications of a Hessian from which a start from a sample of the rows is worth it
SAMPLE_ROWS_PER_PARAMETER = 100
SAMPLE_SHARE = 0.1


class HuberRegressor(LinearModel, Regressor):
    """Linear regression that outliers cannot pull far.

    Minimises, over the coefficients and the scale sigma together and each row counted by its weight,

        sum_i s_i [sigma + sigma H((y_i - x_i.w - b) / sigma)] + alpha |w|^2,
        H(z) = z^2 if |z| <= epsilon, else 2 epsilon |z| - epsilon^2.

    Rows within epsilon sigma count by the square of their residual, the others by its size. Because sigma is
    estimated along, epsilon does not depend on the unit of y. The objective is convex; for few columns its minimum
    is found by Newton's method, for many by L-BFGS.

    Parameters
    ----------
    epsilon : float, default=1.35
        From how many scales on a row is an outlier; at least 1. 1.35 keeps 95 % of the efficiency of least
        squares where errors are normal.
    max_iter : int, default=100
        Steps over all rows at most.
    alpha : float, default=0.0001
        Strength of the penalty.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    tol : float, default=1e-5
        Precision. At the default the objective is within 1e-12 of its minimum, relative to it; a tenth of `tol` is
        a hundredth of that.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    scale_ : float
        sigma, in the unit of y.
    outliers_ : bool ndarray of shape (n_rows,)
        Rows of the fit that lie further than epsilon sigma from their prediction.
    n_iter_ : int
        Steps over all rows.
    history_ : dict of lists
        step, loss (mean over the rows), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    P. Huber, E. Ronchetti, *Robust Statistics*, 2nd ed., section 7.7.
    A. Owen, "A robust hybrid of lasso and ridge regression" (2007), https://artowen.su.domains/reports/hhu.pdf.

    See Also
    --------
    QuantileRegressor : the median, or another quantile.

    Examples
    --------
    One of six points is a typing error:

    >>> import numpy as np
    >>> from tripos import HuberRegressor
    >>> X = np.arange(6.0)[:, None]
    >>> model = HuberRegressor(alpha=0.0).fit(X, [0.1, 0.9, 2.1, 300.0, 3.9, 5.1])
    >>> model.coef_.round(1), bool(model.outliers_[3])
    (array([1.]), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "epsilon": [Interval(Real, 1.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0.0, None, closed="left")],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("features",)),
        "intercept_": Number("f"),
        "scale_": Number("f", low=0.0),
        "outliers_": Array("b", (None,)),
        "n_iter_": Number("i", low=0),
    }

    coef_: np.ndarray
    scale_: float
    outliers_: np.ndarray
    n_iter_: int

    def __init__(
        self,
        *,
        epsilon: float = 1.35,
        max_iter: int = 100,
        alpha: float = 0.0001,
        warm_start: bool = False,
        fit_intercept: bool = True,
        tol: float = 1e-05,
    ) -> None:
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """Which rows are outliers, and the penalty, which counts against a sum over the rows."""
        return {"epsilon": [1.1, 1.35, 2.0], "alpha": (1e-4, 1e3, "log")}

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> HuberRegressor:
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
        start = (self.coef_, self.intercept_, self.scale_) if self._continues() else None
        # NaN and infinity show in the loss, at no cost to clean data; only then the checked start is made.
        training = self._start_fit(X, y, sample_weight, check_finite=False)
        if not training.in_memory:
            raise TableError(
                "HuberRegressor needs its rows in memory (`outliers_` has an entry for each): pass arrays, or fit "
                "Ridge on blocks"
            )
        if not self._fit(training, start):
            training = self._start_fit(X, y, sample_weight)
            if not self._fit(training, start):
                raise ValueError("the squares of X or y overflow: divide the large columns by a power of ten")
        if training.sample_weight is not None and len(self.outliers_) != _length(sample_weight):
            self._spread_outliers(X, y, sample_weight)
        return self

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "coef_")

    def _fit(self, training: Training, start: tuple[Any, Any, Any] | None) -> bool:
        """Sets the fitted attributes; False, and nothing set, where X holds NaN or infinity.

        BLAS keeps to one thread: blocks have their own, and its sums differ in the last bit with its threads.
        """
        with blas_threads(1):
            return self._solve(training, start)

    def _solve(self, training: Training, start: tuple[Any, Any, Any] | None) -> bool:
        objective = self._objective(training)
        try:
            theta = None if start is None else self._warm(objective, *start)
            with self._progress(self.max_iter) as progress:

                def on_step(step: int, value: float, theta: np.ndarray) -> bool:
                    objective.anchor[0] = float(theta[-1])
                    return progress.step(value, attributes=lambda: self._attributes(objective, theta))

                # Whether a gradient is small depends on the columns' units; the decrease in sight does not.
                stopping = Stopping(
                    tol=np.inf,
                    precision=PRECISION * min((self.tol / 1e-5) ** 2, 1e4),
                    max_iter=self.max_iter,
                    noise=objective.noise,
                    on_step=on_step,
                )
                result = _solve(objective, training, theta, stopping)
        except NotFinite:
            return False
        for name, value in self._attributes(objective, result.x).items():
            setattr(self, name, value)
        residual = np.abs(training.y - objective.scores(result.x))
        self.outliers_ = residual > self.scale_ * self.epsilon
        self.n_iter_ = max(result.n_iter, min(1, self.max_iter))
        if not result.converged and not progress.stopped:
            self._warn(result.reason)
        return True

    def _objective(self, training: Training) -> ScaledHuber:
        weight, dtype = training.sample_weight, training.blocks.dtype
        n = training.X.shape[0]
        return ScaledHuber(
            [rows_of(b, kernel_array(b.y, dtype), b.sample_weight) for b in training.blocks],
            n,
            float(n) if weight is None else float(weight.sum()),
            training.n_features,
            float(self.epsilon),
            float(self.alpha),
            self.fit_intercept,
            dtype,
            10.0 * float(np.finfo(dtype).eps),
        )

    def _attributes(self, objective: ScaledHuber, theta: np.ndarray) -> dict[str, Any]:
        w, b, sigma = objective.parts(theta)
        dtype = objective.dtype
        return {
            "coef_": w.astype(dtype),
            "intercept_": cast(b, dtype),
            "scale_": cast(max(sigma, objective.floor), dtype),
        }

    def _warm(self, objective: ScaledHuber, coef: np.ndarray, intercept: Any, scale: Any) -> np.ndarray:
        if coef.shape != (objective.n_features,):
            raise ValueError(
                f"warm_start: the previous coefficients have shape {coef.shape}, this fit needs "
                f"{(objective.n_features,)}"
            )
        return objective.theta(coef, float(intercept), float(scale))

    def _spread_outliers(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Rows of weight zero were not there; they too are outliers where they lie far from their prediction."""
        target = self._target(y, multi_output=False, reset=False, classes=None)
        self.outliers_ = np.abs(target - self.predict(X)) > self.scale_ * self.epsilon

    def _warn(self, reason: str) -> None:
        warnings.warn(
            f"HuberRegressor did not converge: {reason}. Raise max_iter (now {self.max_iter}) or scale the "
            "features.",
            ConvergenceWarning,
            stacklevel=4,
        )

    # ---- predicting, looking at it ---------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """The prediction of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._scores(X)

    def _facts(self) -> dict[str, str]:
        n = len(self.outliers_)
        return {
            "scale": f"{self.scale_:.6g}",
            f"outliers, beyond {self.epsilon:g} scales": f"{np.count_nonzero(self.outliers_):,} of {n:,} rows",
            "alpha": f"{self.alpha:g}",
            "steps": f"{self.n_iter_}",
        }


def _least_squares(objective: ScaledHuber, training: Training) -> np.ndarray:
    """Where the fit starts: least squares with the scale that is best for it.

    Coefficients 0 were further off: a scale that has to fall to a tenth costs three steps and more.
    """
    w, y = training.sample_weight, training.y.astype(np.float64)
    d, free = objective.n_features, objective.fit_intercept
    theta = objective.theta(np.zeros(d), float(np.average(y, weights=w)) if free else 0.0, 1.0)
    if d < min(START_COLUMNS, objective.n_rows):
        found = moments(row_blocks(training.X, training.y, w), n_targets=1)
        if not np.isfinite(found.scatter).all():
            raise NotFinite("the scatter of the columns is not finite")
        about = found if free else found.raw()
        scatter = about.scatter[:d, :d] + objective.alpha * np.eye(d)
        coef = Curvature(scatter).solve(about.scatter[:d, d])
        theta = objective.theta(coef, float(about.mean[d] - about.mean[:d] @ coef), 1.0)
    theta[-1] = objective.best_scale(y - objective.scores(theta), w)
    return theta


def _solve(
    objective: ScaledHuber, training: Training, theta: np.ndarray | None, stopping: Stopping
) -> Result:
    """The minimum; `theta` is where to start, if that is known."""
    p = objective.n_parameters
    work = objective.n_rows * p * p / 2
    size = max(int(SAMPLE_SHARE * objective.n_rows), SAMPLE_ROWS_PER_PARAMETER * p)
    hessian = None
    if theta is None and work > SAMPLING_PAYS and p <= SAMPLE_PARAMETERS and 4 * size <= objective.n_rows:
        theta, hessian = _from_sample(objective, training, size)
    if theta is None:
        theta = _least_squares(objective, training)
    objective.anchor[0] = float(theta[-1])
    if p > NEWTON_PARAMETERS:
        return _by_lbfgs(objective, theta, stopping)
    if p > objective.n_rows // 2:
        return _by_barrier(objective, theta, stopping)
    result = newton(objective, theta, stopping, hessian_guess=hessian)
    if result.converged or stopping.asked_to_stop or result.n_iter >= stopping.max_iter:
        return result
    return _by_barrier(objective, _least_squares(objective, training), stopping)


def _by_barrier(objective: ScaledHuber, theta: np.ndarray, stopping: Stopping) -> Result:
    """Newton's method on F / W - mu log sigma for mu towards 0, where rows may be fitted exactly.

    F has no curvature along the ray of residuals and scale. Where coefficients can make the residuals of the near
    rows zero, that ray is a direction in the parameters and the minimum is at scale 0: Newton's steps there are
    not determined. The logarithm bends the ray; its minimum is off by mu.
    """
    objective.anchor[0] = float(theta[-1])
    steps, value = 0, float(objective.value_gradient(theta)[0])
    mu = FIRST_BARRIER * value
    hear = stopping.on_step
    while True:
        before = steps

        def on_step(
            step: int, value: float, theta: np.ndarray, *, before: int = before, mu: float = mu
        ) -> bool:
            objective.anchor[0] = float(theta[-1])
            return bool(
                hear is not None and hear(step + before, value + mu * float(np.log(theta[-1])), theta)
            )

        stage = replace(
            stopping,
            max_iter=min(stopping.max_iter - steps, STAGE_STEPS),
            precision=1e-3 * mu / value,
            on_step=on_step,
        )
        result = newton(replace(objective, barrier=mu), theta, stage)
        steps += result.n_iter
        if result.x[-1] > 0.1 * objective.anchor[0]:
            theta = result.x
        objective.anchor[0] = float(theta[-1])
        good = mu <= GOOD_BARRIER * value  # from here on rounding may end the way
        last = mu <= LAST_BARRIER * value or (good and not result.converged)
        if last or steps >= stopping.max_iter or stage.asked_to_stop:
            done = good or theta[-1] <= 10.0 * objective.floor
            return replace(result, x=theta, n_iter=steps, converged=done)
        mu *= BARRIER_FALL


def _by_lbfgs(objective: ScaledHuber, theta: np.ndarray, stopping: Stopping) -> Result:
    """For many columns: L-BFGS over the logarithm of the scale."""
    objective.anchor[0] = 0.0
    hear = stopping.on_step

    def on_step(step: int, value: float, theta: np.ndarray) -> bool:
        return bool(hear is not None and hear(step, value, np.append(theta[:-1], np.exp(theta[-1]))))

    start = np.append(theta[:-1], np.log(theta[-1]))
    wide = replace(stopping, precision=WIDE_PRECISION, confirmations=1, on_step=on_step)
    result = lbfgs(LogScale(objective), start, wide)
    return replace(result, x=np.append(result.x[:-1], np.exp(result.x[-1])))


def _from_sample(
    objective: ScaledHuber, training: Training, size: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The minimum over a sample of the rows and the Hessian there; None where the sample does not converge."""
    step = max(objective.n_rows // size, 1)
    weight = None if training.sample_weight is None else training.sample_weight[::step]
    rows = Training(training.X[::step], training.y[::step], weight, training.blocks, training.n_features)
    sample = objective.subsample(step)
    theta = _least_squares(sample, rows)
    sample.anchor[0] = float(theta[-1])

    def on_step(step: int, value: float, theta: np.ndarray) -> bool:
        sample.anchor[0] = float(theta[-1])
        return False

    rough = newton(
        sample,
        theta,
        Stopping(tol=np.inf, precision=1e-6, max_iter=50, noise=objective.noise, on_step=on_step),
    )
    if not rough.converged or not rough.x[-1] > objective.floor:
        return None, None
    sample.anchor[0] = 0.0
    return rough.x, sample.value_gradient_hessian(rough.x)[2]


def _length(sample_weight: Any) -> int:
    weight = np.asarray(sample_weight)
    return len(weight) if weight.ndim else -1
