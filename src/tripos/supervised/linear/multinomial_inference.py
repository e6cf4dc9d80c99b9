"""What the rows say about the coefficients of softmax regression: errors, tests and intervals against a base class.

Softmax scores are known up to a common shift, so the coefficients are shown as differences to the first class (0):

    theta_k = w_k - w_0,        log P(k | x) / P(0 | x) = z . theta_k,        z = [1, x]
    score of row i for class k     u_ik = (1[y_i = k] - p_ik) z_i
    information                    I_kl = sum_i s_i p_ik (1[k = l] - p_il) z_i z_i'

classical covariance I^-1; HC0 and clustered I^-1 M I^-1 with M = sum u_i u_i' over rows or over groups' sums (HC1 and
clustered with the same corrections as in `covariance`). e^theta is the relative risk ratio. Columns are centred and
scaled while the matrix is taken apart, and the answer is carried back.

References
----------
A. Agresti, *Categorical Data Analysis*, 3rd ed. (2013), section 8.1.
W. H. Greene, *Econometric Analysis*, 7th ed., section 18.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.special import chdtrc, log_softmax, ndtr, ndtri

from tripos.compute.budget import require

NAN = float("nan")
KINDS = ("classical", "HC0", "HC1", "clustered")
ZERO = 1e-11  # share of the largest eigenvalue that is rounding
UNDETERMINED = 1e-5  # part of a coefficient in a direction that the rows do not determine
OFF_MAXIMUM = 0.05  # standard errors between the coefficients and the maximum
PIECE_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class MultinomialInference:
    """Result of `inference` for softmax regression of K > 2 classes; `print` shows a table for each class.

    Attributes
    ----------
    model : str
    base : object
        The first class, with which the others are compared.
    classes : list
        The other K - 1 classes.
    names : list of str
        Of the p coefficients of a class, the intercept first where there is one.
    coef, standard_error, statistic, p_value, low, high : ndarrays of shape (K - 1, p)
        Of the differences to the base class; `statistic` is z.
    covariance : ndarray of shape ((K - 1) p, (K - 1) p)
        Class after class.
    covariance_type : {"classical", "HC0", "HC1", "clustered"}
    confidence : float
    n_rows, df_model, df_residual : float
    log_likelihood, log_likelihood_null, aic, bic, pseudo_r2, likelihood_ratio, likelihood_ratio_p_value : float
    notes : tuple of str
    """

    model: str
    base: Any
    classes: list[Any]
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
    log_likelihood: float
    log_likelihood_null: float
    aic: float
    bic: float
    pseudo_r2: float
    likelihood_ratio: float
    likelihood_ratio_p_value: float
    notes: tuple[str, ...] = field(default=())

    @property
    def odds_ratio(self) -> np.ndarray:
        """exp of coefficient, low and high, shape (K - 1, p, 3): by what the odds of the class against the base
        are multiplied when a feature grows by one."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(np.stack([self.coef, self.low, self.high], axis=-1)))

    @property
    def has_errors(self) -> bool:
        """Whether any coefficient has a standard error."""
        return bool(np.isfinite(self.standard_error).any())

    def __str__(self) -> str:
        from tripos.supervised.linear.summary import multinomial_text

        return multinomial_text(self)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with the scores of a fitted model.

    Attributes
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Positions of the classes.
    s : ndarray of shape (n_rows,)
        Weights.
    W : ndarray of shape (K, n_features)
    b : ndarray of shape (K,)
    fit_intercept : bool
    center, scale : ndarrays of shape (n_features,)
        z = [1, (x - center) scale] (without the 1 where there is no intercept, and then about zero).
    """

    X: Any
    y: np.ndarray
    s: np.ndarray
    W: np.ndarray
    b: np.ndarray
    fit_intercept: bool
    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls, X: Any, y: np.ndarray, s: np.ndarray, W: np.ndarray, b: np.ndarray, *, fit_intercept: bool
    ) -> Rows:
        total = s.sum()
        mean = np.asarray(X.T @ s).ravel() / total
        square = np.asarray((X.multiply(X) if sp.issparse(X) else X * X).T @ s).ravel() / total
        center = mean if fit_intercept else np.zeros_like(mean)
        variance = np.maximum(square - center**2, 0.0)
        varies = variance > 1e-14 * np.maximum(square, np.finfo(float).tiny)
        return cls(
            X, y, s, W, b, fit_intercept, center, np.where(varies, 1 / np.sqrt(variance + ~varies), 0.0)
        )

    def pieces(self) -> Any:
        """z, residuals of the classes but the first, probabilities of those, weights and log-likelihood of some rows
        at a time."""
        K = len(self.b)
        for start in range(0, len(self.y), PIECE_ROWS):
            part = slice(start, start + PIECE_ROWS)
            X = self.X[part].toarray() if sp.issparse(self.X) else np.asarray(self.X[part], dtype=np.float64)
            log_p = log_softmax(X @ self.W.T + self.b, axis=1)
            p, y = np.exp(log_p), self.y[part]
            z = (X - self.center) * self.scale
            if self.fit_intercept:
                z = np.column_stack([np.ones(len(z)), z])
            u = (y[:, None] == np.arange(1, K)) - p[:, 1:]
            yield part, z, u, p[:, 1:], self.s[part], log_p[np.arange(len(y)), y]


def infer_multinomial(
    model: Any,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    names: list[str],
    groups: np.ndarray | None,
    *,
    covariance: str,
    confidence: float,
    penalty: str | None,
) -> MultinomialInference:
    """Inference on rows in memory.

    Parameters
    ----------
    model : fitted softmax regression
    X : ndarray or CSR of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Positions of the classes.
    sample_weight : ndarray of shape (n_rows,), or None
    names : list of str
        Of the features.
    groups : ndarray of shape (n_rows,), integers from 0, or None
    covariance : one of `KINDS`
    confidence : float
    penalty : str or None
        Why there are no standard errors.
    """
    if covariance not in KINDS:
        raise ValueError(
            f"covariance={covariance!r} is not offered for several classes; it is one of {list(KINDS)}"
        )
    fit_intercept = bool(getattr(model, "fit_intercept", True))
    W = np.asarray(model.coef_.toarray() if sp.issparse(model.coef_) else model.coef_, dtype=np.float64)
    b = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64), len(W))
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    rows = Rows.of(X, y, s, W, b, fit_intercept=fit_intercept)
    K, p = len(W), W.shape[1] + fit_intercept
    size = (K - 1) * p
    require(8 * (4 * size * size + PIECE_ROWS * size), what=f"inference on {K - 1} x {p} coefficients")
    information, gradient, likelihood = _information(rows, size)
    inverse, rank, null_space = _inverse(information)
    known = _determined(rows, null_space.reshape(K - 1, p, -1))
    n, k = float(s.sum()), rank
    notes: tuple[str, ...] = () if penalty is None else (penalty,)
    V = inverse
    if penalty is None:
        notes += _off_maximum(inverse, gradient)
        if covariance != "classical":
            V = inverse @ _meat(rows, groups if covariance == "clustered" else None, size) @ inverse
            if covariance != "HC0":
                V = V * (n / (n - k) if groups is None else _few_groups(groups, n, k))
    if not known.all():
        notes += (
            "Some columns follow from others: their coefficients have no standard errors. Drop columns.",
        )
    T = _carried_back(rows)
    V = (
        (T @ V.reshape(K - 1, p, K - 1, p).transpose(0, 2, 1, 3) @ T.T)
        .transpose(0, 2, 1, 3)
        .reshape(size, size)
    )
    flat = known.ravel() & (penalty is None)
    V = np.where(flat[:, None] & flat, V, NAN)
    theta = np.column_stack([b, W]) if fit_intercept else W
    theta = theta[1:] - theta[0]
    error = np.sqrt(np.maximum(np.diag(V), 0.0)).reshape(K - 1, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = theta / error
    half = ndtri(0.5 + confidence / 2) * error
    null = _null_likelihood(y, s)
    lr, df = 2 * (likelihood - null), k - (K - 1) * fit_intercept
    return MultinomialInference(
        model=type(model).__name__,
        base=model.classes_[0],
        classes=list(model.classes_[1:]),
        names=["intercept", *names] if fit_intercept else list(names),
        coef=theta,
        standard_error=error,
        statistic=z,
        p_value=2.0 * ndtr(-np.abs(z)),
        low=theta - half,
        high=theta + half,
        covariance=V,
        covariance_type=covariance,
        confidence=confidence,
        n_rows=n,
        df_model=float(df),
        df_residual=n - k,
        log_likelihood=likelihood,
        log_likelihood_null=null,
        aic=NAN if penalty else 2.0 * k - 2.0 * likelihood,
        bic=NAN if penalty else k * float(np.log(n)) - 2.0 * likelihood,
        pseudo_r2=1.0 - likelihood / null,
        likelihood_ratio=NAN if penalty else lr,
        likelihood_ratio_p_value=NAN if penalty or not df else float(chdtrc(df, max(lr, 0.0))),
        notes=notes,
    )


def _information(rows: Rows, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Information, gradient and log-likelihood in centred and scaled columns."""
    K1 = len(rows.b) - 1
    p = size // K1
    blocks = np.zeros((K1, K1, p, p))
    gradient, likelihood = np.zeros((K1, p)), 0.0
    for _, z, u, q, s, log_p in rows.pieces():
        likelihood += float(s @ log_p)
        gradient += (u * s[:, None]).T @ z
        for k in range(K1):
            for m in range(k + 1):
                h = s * q[:, k] * ((k == m) - q[:, m])
                blocks[k, m] += (z * h[:, None]).T @ z
    for k in range(K1):
        for m in range(k):
            blocks[m, k] = blocks[k, m].T
    return blocks.transpose(0, 2, 1, 3).reshape(size, size), gradient.ravel(), likelihood


def _inverse(information: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """The (generalised) inverse, the rank, and the directions that the rows say nothing about."""
    values, vectors = scipy.linalg.eigh(information, check_finite=False)
    used = values > ZERO * max(values[-1], np.finfo(float).tiny)
    root = vectors[:, used] / np.sqrt(values[used])
    return root @ root.T, int(used.sum()), vectors[:, ~used]


def _determined(rows: Rows, null_space: np.ndarray) -> np.ndarray:
    """Whether the rows determine each coefficient, shape (K - 1, p); `null_space` has shape (K - 1, p, n_null)."""
    known = np.linalg.norm(null_space, axis=2) < UNDETERMINED
    if rows.fit_intercept:
        shift = rows.center * rows.scale
        moved = np.linalg.norm(np.einsum("j,kjn->kn", shift, null_space[:, 1:]), axis=1)
        constant = ((rows.scale == 0) & (rows.center != 0)).any()
        known[:, 0] &= (moved < UNDETERMINED * (1 + np.linalg.norm(shift))) & ~constant
    return np.asarray(known)


def _meat(rows: Rows, groups: np.ndarray | None, size: int) -> np.ndarray:
    """sum_i s_i u_i u_i', or sum_g v_g v_g' of the groups' sums v_g = sum s_i u_i."""
    meat = np.zeros((size, size))
    sums = None if groups is None else np.zeros((int(groups.max()) + 1, size))
    for part, z, u, _, s, _ in rows.pieces():
        scores = (u[:, :, None] * z[:, None, :]).reshape(len(z), size)
        if sums is None or groups is None:
            meat += (scores * s[:, None]).T @ scores
        else:
            np.add.at(sums, groups[part], scores * s[:, None])
    return meat if sums is None else sums.T @ sums


def _few_groups(groups: np.ndarray, n: float, k: int) -> float:
    G = int(groups.max()) + 1
    return G / (G - 1.0) * (n - 1.0) / (n - k)


def _carried_back(rows: Rows) -> np.ndarray:
    """T with theta = T theta_scaled for one class: w = scale v, b = a - center . w."""
    d = len(rows.scale)
    if not rows.fit_intercept:
        return np.diag(rows.scale)
    T = np.zeros((d + 1, d + 1))
    T[0, 0] = 1.0
    T[0, 1:] = -rows.center * rows.scale
    T[1:, 1:] = np.diag(rows.scale)
    return T


def _off_maximum(inverse: np.ndarray, gradient: np.ndarray) -> tuple[str, ...]:
    """Whether these are the rows and weights that the model was fitted on, to the maximum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(inverse @ gradient) / np.sqrt(np.diag(inverse))
    largest = float(np.nanmax(away, initial=0.0))
    if not largest > OFF_MAXIMUM:
        return ()
    return (
        f"The coefficients are {largest:.2g} standard errors away from the maximum of the likelihood on these rows. "
        "Pass the rows and weights of the fit, and where they are the same lower `tol`.",
    )


def _null_likelihood(y: np.ndarray, s: np.ndarray) -> float:
    """The likelihood of the shares of the classes."""
    counts = np.bincount(y, s)
    present = counts[counts > 0]
    return float(present @ np.log(present / s.sum()))
