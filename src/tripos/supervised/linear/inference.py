"""What the rows say about the coefficients of a linear model: errors, tests, intervals, measures of fit.

    t_j = w_j / se(w_j)  ~  t(n - k)   (Gaussian),  or  z_j ~ N(0, 1)   (the other families)
    R2 = 1 - RSS/TSS,   adjusted 1 - (n - 1)/(n - k) (1 - R2),   F = w' Cov(w)^-1 w / (k - 1)   (w without intercept)
    AIC = -2 l + 2 k,   BIC = -2 l + k log n,   McFadden's R2 = 1 - l / l_0,   LR = 2 (l - l_0) ~ chi2(k - 1)

where k counts the coefficients with the intercept, n the rows (the sum of the weights) and l_0 is the likelihood of
the model that knows the intercept (and the offset) only. phi is RSS/(n - k) or Pearson's chi2/(n - k); the Gaussian
likelihood is taken at RSS/n, as is usual. Covariances: see `covariance`.

References
----------
P. McCullagh, J. A. Nelder, *Generalized Linear Models*, 2nd ed. (1989), chapters 2 and 4.
W. H. Greene, *Econometric Analysis*, 7th ed., chapters 4, 9 and 17.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from tripos.supervised.linear.collinearity import Spectrum
from tripos.supervised.linear.covariance import COVARIANCES, Bread, sandwich
from tripos.supervised.linear.design import Design, features_of
from tripos.supervised.linear.family import GAUSSIAN, Family

NAN = float("nan")
OFF_MAXIMUM = 0.05  # standard errors between the coefficients and the maximum of the likelihood


@dataclass(frozen=True, eq=False)
class Inference:
    """Result of `LinearModel.inference`; `print` shows it as a table.

    Arrays have one entry per coefficient, the intercept first where there is one. What cannot be said is NaN, and
    `notes` says why.

    Attributes
    ----------
    model : str
    family : Family
    names : list of str
    coef, standard_error, statistic, p_value, low, high : ndarrays of shape (k,)
        `statistic` is t for the Gaussian family, else z; `p_value` is two-sided; `low` and `high` end the interval.
    covariance : ndarray of shape (k, k)
    covariance_type : {"classical", "HC0", "HC1", "HC2", "HC3", "clustered"}
    confidence : float
    n_rows : float
        Sum of the weights.
    df_model, df_residual : float
        Coefficients without the intercept; rows less coefficients.
    df_tests : float
        Degrees of freedom of t and F: `df_residual`, or groups less one.
    dispersion : float
        phi: the variance of the errors (Gaussian), 1 for logistic and Poisson.
    log_likelihood, log_likelihood_null, deviance, null_deviance, aic, bic : float
    r2, r2_adjusted, f_statistic, f_p_value : float
        Gaussian only.
    pseudo_r2, likelihood_ratio, likelihood_ratio_p_value : float
        McFadden's R2 and the test against the intercept alone; not for the Gaussian.
    condition_number : float
        Of the design with its column of ones.
    vif : ndarray of shape (k,)
        Variance inflation factors; NaN for the intercept.
    notes : tuple of str
    """

    model: str
    family: Family
    names: list[str]
    coef: np.ndarray
    standard_error: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    covariance: np.ndarray
    covariance_type: str
    confidence: float
    n_rows: float
    df_model: float
    df_residual: float
    df_tests: float
    dispersion: float
    log_likelihood: float
    log_likelihood_null: float
    deviance: float
    null_deviance: float
    aic: float
    bic: float
    r2: float
    r2_adjusted: float
    f_statistic: float
    f_p_value: float
    pseudo_r2: float
    likelihood_ratio: float
    likelihood_ratio_p_value: float
    condition_number: float
    vif: np.ndarray
    notes: tuple[str, ...] = field(default=())

    @property
    def odds_ratio(self) -> np.ndarray:
        """exp of coefficient, low and high, shape (k, 3): by what the odds (logistic) or the mean (log link) are
        multiplied when a feature grows by one."""
        if self.family.link == "identity":
            raise AttributeError(f"odds ratios belong to a logit or log link; {self.model} has the identity")
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(np.column_stack([self.coef, self.low, self.high])))

    @property
    def has_errors(self) -> bool:
        """Whether any coefficient has a standard error."""
        return bool(np.isfinite(self.standard_error).any())

    def __str__(self) -> str:
        from tripos.supervised.linear.summary import as_text

        return as_text(self)


@dataclass(frozen=True, eq=False)
class Fit:
    """Measures of fit, however they were come by."""

    n: float
    dispersion: float
    log_likelihood: float
    log_likelihood_null: float
    deviance: float
    null_deviance: float


def infer(
    model: Any,
    design: Design,
    names: list[str],
    groups: np.ndarray | None,
    *,
    covariance: str,
    confidence: float,
    penalty: str | None,
) -> Inference:
    """Inference on rows.

    Parameters
    ----------
    model : estimator
    design : Design
    names : list of str
        Of the features.
    groups : ndarray of shape (n_rows,), integers from 0, or None
    covariance : one of `COVARIANCES`
    confidence : float
    penalty : str or None
        Why there are no standard errors.
    """
    slope, gradient = design.gradient(design.family.score)
    if not (np.isfinite(slope) and np.isfinite(gradient).all()):
        model._reject_nonfinite(design.blocks)
        raise ValueError(f"the scores of {type(model).__name__} overflow on these rows")
    columns = Spectrum.of(
        design.column_moments(), fit_intercept=design.fit_intercept, triangle=design.triangle("columns")
    )
    fit = _measure(design, columns.weight, columns.rank + design.fit_intercept)
    information = columns
    if design.family != GAUSSIAN:
        information = Spectrum.of(
            design.information_moments(),
            fit_intercept=design.fit_intercept,
            triangle=design.triangle("information"),
        )
    bread = Bread(information, design.fit_intercept)
    notes = _notes(columns, names, penalty)
    if penalty is None:
        notes += _off_maximum(bread, slope, gradient, fit.dispersion)
    if penalty is not None:
        V = np.full((design.n_parameters,) * 2, NAN)
    elif covariance == "classical":
        V = fit.dispersion * bread.covariance()
    else:
        V = sandwich(design, bread, covariance, groups, fit.n)
    coef = np.concatenate([[design.b], design.w]) if design.fit_intercept else design.w
    df_tests = NAN if groups is None or covariance != "clustered" else float(groups.max())
    return conclude(
        type(model).__name__, design.family, names, coef, V, bread, columns, fit,
        covariance=covariance, confidence=confidence, notes=notes, df_tests=df_tests, penalised=penalty is not None,
    )  # fmt: skip


def from_statistics(model: Any, names: list[str], *, confidence: float, penalty: str | None) -> Inference:
    """Classical inference of least squares from the moments that the fit kept, without the rows."""
    moments, d = model._statistics(), len(names)
    own = moments if model.fit_intercept else moments.raw()
    w, b = np.asarray(model.coef_, dtype=np.float64).ravel(), float(np.ravel(model.intercept_)[0])
    total = float(own.scatter[d, d])
    rss = max(total - 2.0 * w @ own.scatter[:d, d] + w @ own.scatter[:d, :d] @ w, 0.0)
    columns = Spectrum.of(features_of(moments, d), fit_intercept=model.fit_intercept)
    k, n = columns.rank + model.fit_intercept, moments.weight
    dispersion = rss / (n - k) if n > k else NAN
    fit = Fit(n, dispersion, _gaussian(rss, n), _gaussian(total, n), rss, total)
    bread = Bread(columns, model.fit_intercept)
    V = dispersion * bread.covariance() * (1.0 if penalty is None else NAN)
    coef = np.concatenate([[b], w]) if model.fit_intercept else w
    return conclude(
        type(model).__name__, GAUSSIAN, names, coef, V, bread, columns, fit, covariance="classical",
        confidence=confidence, notes=_notes(columns, names, penalty), df_tests=NAN, penalised=penalty is not None,
    )  # fmt: skip


def conclude(
    model: str,
    family: Family,
    names: list[str],
    coef: np.ndarray,
    V: np.ndarray,
    bread: Bread,
    columns: Spectrum,
    fit: Fit,
    *,
    covariance: str,
    confidence: float,
    notes: tuple[str, ...],
    df_tests: float,
    penalised: bool,
) -> Inference:
    """Tests and intervals from a covariance."""
    k = columns.rank + bread.fit_intercept
    df = fit.n - k
    if df <= 0:
        notes += (f"{fit.n:g} rows for {k} coefficients leave nothing to estimate the errors from",)
    known = bread.determined() & (df > 0)
    V = np.where(known[:, None] & known, V, NAN)
    error = np.sqrt(np.maximum(np.diag(V), 0.0))
    student = family == GAUSSIAN
    df_tests = df if np.isnan(df_tests) else df_tests
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = coef / error
    tail = (lambda t: stdtr(df_tests, t)) if student else ndtr
    quantile = stdtrit(df_tests, 0.5 + confidence / 2) if student else ndtri(0.5 + confidence / 2)
    lr = NAN if student else 2.0 * (fit.log_likelihood - fit.log_likelihood_null)
    q = k - bread.fit_intercept
    f = _wald(coef, V, bread.fit_intercept, q) if student and not penalised else NAN
    r2 = _r2(fit) if student else NAN
    return Inference(
        model=model,
        family=family,
        names=["intercept", *names] if bread.fit_intercept else list(names),
        coef=coef,
        standard_error=error,
        statistic=statistic,
        p_value=2.0 * tail(-np.abs(statistic)),
        low=coef - quantile * error,
        high=coef + quantile * error,
        covariance=V,
        covariance_type=covariance,
        confidence=confidence,
        n_rows=fit.n,
        df_model=float(q),
        df_residual=float(df),
        df_tests=float(df_tests),
        dispersion=fit.dispersion,
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=fit.log_likelihood_null,
        deviance=fit.deviance,
        null_deviance=fit.null_deviance,
        aic=NAN if penalised else -2.0 * fit.log_likelihood + 2.0 * k,
        bic=NAN if penalised else -2.0 * fit.log_likelihood + k * np.log(fit.n),
        r2=r2,
        r2_adjusted=NAN if penalised or df <= 0 else 1.0 - (fit.n - bread.fit_intercept) / df * (1.0 - r2),
        f_statistic=f,
        f_p_value=float(fdtrc(q, df_tests, f)) if q and df_tests > 0 else NAN,
        pseudo_r2=NAN if student else 1.0 - fit.log_likelihood / fit.log_likelihood_null,
        likelihood_ratio=NAN if penalised else lr,
        likelihood_ratio_p_value=float(chdtrc(q, max(lr, 0.0))) if q and not penalised and lr == lr else NAN,
        condition_number=columns.condition_number(fit_intercept=bread.fit_intercept),
        vif=_vif(columns, bread.fit_intercept),
        notes=notes,
    )


def _measure(design: Design, n: float, k: int) -> Fit:
    """Deviance and likelihood of the model, and of the one that knows the intercept alone."""
    family = design.family
    deviance = design.total(lambda y, eta, mu: family.deviance_rows(y, mu))
    if not np.isfinite(deviance):
        raise ValueError(
            f"y holds values that the {family.name} distribution does not take (its smallest is "
            f"{min(float(np.min(block.y)) for block in design.blocks if block.y is not None):g})"
        )
    null = _null_scores(design, n)
    null_deviance = design.total_at(null, lambda y, eta, mu: family.deviance_rows(y, mu))
    if family == GAUSSIAN:
        phi = deviance / (n - k) if n > k else NAN
        return Fit(n, phi, _gaussian(deviance, n), _gaussian(null_deviance, n), deviance, null_deviance)
    phi = 1.0
    if family.dispersion_estimated:
        pearson = design.total(lambda y, eta, mu: (y - mu) ** 2 / family.variance(mu))
        phi = pearson / (n - k) if n > k else NAN
    return Fit(
        n,
        phi,
        design.total(lambda y, eta, mu: family.log_density_rows(y, mu, phi)),
        design.total_at(null, lambda y, eta, mu: family.log_density_rows(y, mu, phi)),
        deviance,
        null_deviance,
    )


def _null_scores(design: Design, n: float) -> float | None:
    """The intercept of the model without features, by Fisher's scoring; None for the zero model, which is what a
    Gaussian model without intercept is compared with."""
    family = design.family
    if family == GAUSSIAN and not design.fit_intercept:
        return None
    b = float(family.linear(np.asarray(design.total(lambda y, eta, mu: y) / n)))
    if design.offset is None or not np.isfinite(b):
        return b
    for _ in range(50):
        slope = design.total_at(b, family.score)
        step = slope / design.total_at(b, lambda y, eta, mu: family.information(eta, mu))
        b += step
        if abs(step) <= 1e-12 * max(1.0, abs(b)):
            break
    return b


def _gaussian(squares: float, n: float) -> float:
    with np.errstate(divide="ignore"):
        return float(-0.5 * n * (np.log(2.0 * np.pi * np.float64(squares) / n) + 1.0))


def _r2(fit: Fit) -> float:
    return 1.0 - fit.deviance / fit.null_deviance if fit.null_deviance > 0 else NAN


def _wald(coef: np.ndarray, V: np.ndarray, fit_intercept: bool, q: int) -> float:
    """w' Cov(w)^-1 w / q over the coefficients that are determined, without the intercept."""
    known = np.flatnonzero(np.isfinite(np.diag(V)))
    known = known[known > 0] if fit_intercept else known
    if q == 0 or len(known) < len(coef) - fit_intercept:
        return NAN
    w, C = coef[known], V[np.ix_(known, known)]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 / np.sqrt(np.diag(C))
        scaled = C * scale * scale[:, None]
    if not np.isfinite(scaled).all():
        return float("inf")
    try:
        return float((w * scale) @ scipy.linalg.solve(scaled, w * scale, assume_a="pos") / q)
    except scipy.linalg.LinAlgError:  # fewer groups than coefficients: the covariance has no inverse
        return NAN


def _vif(columns: Spectrum, fit_intercept: bool) -> np.ndarray:
    vif = columns.variance_inflation()
    return np.concatenate([[NAN], vif]) if fit_intercept else vif


def _notes(columns: Spectrum, names: list[str], penalty: str | None) -> tuple[str, ...]:
    notes: tuple[str, ...] = () if penalty is None else (penalty,)
    collinear = columns.describe(names)
    if collinear:
        notes += (
            f"Collinear columns: {collinear}. Their coefficients are the ones of least norm among infinitely many "
            "that fit equally well, and have no standard errors. Drop columns.",
        )
    return notes


def _off_maximum(bread: Bread, slope: float, gradient: np.ndarray, dispersion: float) -> tuple[str, ...]:
    """Whether these are the rows, the weights and the offset that the model was fitted on, to the maximum."""
    g = gradient - bread.spectrum.center * slope
    g = np.concatenate([[slope], g]) if bread.fit_intercept else g
    R = bread.root(about_mean=True)
    step, V = R @ (R.T @ g), dispersion * np.einsum("ij,ij->i", R, R)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(step) / np.sqrt(V)
    largest = float(np.nanmax(away, initial=0.0))
    if not largest > OFF_MAXIMUM or dispersion == 0:
        return ()
    return (
        f"The coefficients are {largest:.2g} standard errors away from the maximum of the likelihood on these rows. "
        "Pass the rows, weights and offset of the fit, and where they are the same lower `tol`.",
    )


def check_options(covariance: str, groups: Any, confidence: float) -> None:
    """Raises for options that do not exist or do not go together."""
    if covariance not in COVARIANCES:
        raise ValueError(f"covariance must be one of {list(COVARIANCES)}, got {covariance!r}")
    if (covariance == "clustered") != (groups is not None):
        raise ValueError("covariance='clustered' and groups= (a label for each row) belong together")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, got {confidence!r}")
