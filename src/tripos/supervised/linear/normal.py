"""Least squares from its sufficient statistics: the normal equations in centred columns.

    minimise  sum_i s_i |y_i - W x_i - b|^2 + alpha |W|^2
    (Xc' S Xc + alpha I) W' = Xc' S yc,        b = mean(y) - W mean(x)

The equations square the condition number, so they are used as far as they can be trusted: a Cholesky factor
of the scaled matrix tells how many digits are lost, and where that is too many, residuals computed from the
rows win them back (`refined`). When columns are collinear the solution of least norm is taken, as
`scipy.linalg.lstsq` would; where the statistics cannot tell whether they are, the rows decide (`Fallback`).

References
----------
A. Bjorck, *Numerical Methods for Least Squares Problems*, SIAM 1996, sections 2.2, 2.4, 2.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from tripos.compute.blocks import Block
from tripos.compute.executor import reduce_blocks
from tripos.objective.moments import Moments
from tripos.optimization.quadratic import ScaledCholesky, Solve, Spectral, refined

# What the square of a singular value can tell in float64: below this share of the largest, rounding decides.
RESOLUTION = 3e-7
CLEARLY_THERE = 1e-4  # singular values above this share are no rounding
TRUSTED = 1e-5  # inverse condition number of the scaled matrix from which its solution has ten digits
SOLVABLE = 1e-12  # below it refinement no longer converges


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """G W' = C in centred columns, and what turns W into a model of the columns as they are.

    Attributes
    ----------
    G : ndarray of shape (n_features, n_features)
    C : ndarray of shape (n_features, n_targets)
    x_mean, y_mean : ndarrays of shape (n_features,) and (n_targets,); zero without intercept
    total : ndarray of shape (n_targets,)
        Sums of squares of y about its mean (about zero without intercept).
    """

    G: np.ndarray
    C: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    total: np.ndarray

    @classmethod
    def of(cls, moments: Moments, n_features: int, *, fit_intercept: bool) -> NormalEquations:
        d = n_features
        m = moments if fit_intercept else moments.raw()
        G = m.scatter[:d, :d].copy()
        if fit_intercept:  # a constant column is rounding of its mean, not variance
            constant = np.diag(G) <= m.weight * (16 * np.finfo(float).eps * m.mean[:d]) ** 2
            G[constant] = G[:, constant] = 0.0
        return cls(G, m.scatter[:d, d:], m.mean[:d], m.mean[d:], np.diag(m.scatter)[d:])

    def intercept(self, w: np.ndarray) -> np.ndarray:
        """b of shape (n_targets,) for W' of shape (n_features, n_targets)."""
        b: np.ndarray = self.y_mean - self.x_mean @ w
        return b

    def explained(self, w: np.ndarray) -> np.ndarray:
        """Share of the targets' squares that W explains (R2), shape (n_targets,)."""
        left = self.total - 2.0 * np.sum(w * self.C, axis=0) + np.sum(w * (self.G @ w), axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.total > 0.0, 1.0 - left / self.total, 0.0)

    def residual(self, blocks: Iterable[Block], alpha: float = 0.0) -> Solve:
        """w -> Xc' S (yc - Xc w) - alpha w, from the rows themselves in one pass (float64)."""

        def residual(w: np.ndarray) -> np.ndarray:
            b = self.intercept(w)
            product, total = reduce_blocks(
                lambda block: _block_residual(block, w, b), lambda p, q: (p[0] + q[0], p[1] + q[1]), blocks
            )
            return np.asarray(product - np.outer(self.x_mean, total) - alpha * w)

        return residual


def _block_residual(block: Block, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X' S E and the column sums of S E, with the errors E = Y - X w - b."""
    X = block.X.astype(np.float64, copy=False)
    assert block.y is not None
    errors = np.asarray(block.y, dtype=np.float64).reshape(len(block.y), -1) - X @ w - b
    if block.sample_weight is not None:
        errors *= block.sample_weight[:, None]
    return np.asarray(X.T @ errors), errors.sum(axis=0)


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients, and the rank and singular values they were found with (None: not needed, so not
    computed)."""

    w: np.ndarray  # (n_features, n_targets)
    rank: int
    singular: np.ndarray | None


def least_norm(
    G: np.ndarray, C: np.ndarray, *, tol: float, residual: Solve | None, certain: bool
) -> Solution | None:
    """Solve G w = C for a positive semi-definite G = A'A.

    Parameters
    ----------
    G : ndarray of shape (d, d)
    C : ndarray of shape (d, n_targets)
    tol : float
        Singular values of A at or below this share of the largest count as zero.
    residual : callable or None
        C - G w computed from A; None where the rows are gone.
    certain : bool
        Return None where the squared singular values cannot tell which of them are zero: ask A itself then.
    """
    factor = factorised(G)
    singular = None
    if factor is not None and not (tol < RESOLUTION or _surely_above(G, factor, tol)):
        singular = singular_values(G)
        factor = factor if singular[-1] > tol * singular[0] else None
    if factor is not None:
        w = factor.solve(C)
        if factor.rcond < TRUSTED and residual is not None:
            w = refined(w, factor.solve, residual)
        return Solution(w, len(G), singular)
    singular = singular_values(G) if singular is None else singular
    largest = singular[0]
    threshold = max(tol, RESOLUTION)
    uncertain = (singular > 0.3 * RESOLUTION * largest) & (singular < max(CLEARLY_THERE, threshold) * largest)
    if certain and uncertain.any():
        return None
    spectral = Spectral(G, threshold**2)
    w = spectral.solve(C)
    if residual is not None:
        w = refined(w, spectral.solve, residual)
    return Solution(w, spectral.rank, singular)


def singular_values(G: np.ndarray) -> np.ndarray:
    """Singular values of A from G = A'A, largest first."""
    squares: np.ndarray = np.maximum(scipy.linalg.eigvalsh(G, check_finite=False)[::-1], 0.0)
    return np.asarray(np.sqrt(squares))


def _surely_above(G: np.ndarray, factor: ScaledCholesky, tol: float) -> bool:
    """Whether the condition estimate alone shows that all singular values of A exceed `tol` times the largest.

    The least eigenvalue of G is at least that of the scaled matrix times the least diagonal element; the
    estimate of the former is right within a factor of 10, but for rare exceptions (Higham, section 15.3).
    """
    diagonal = np.diag(G)
    return bool(0.1 * factor.rcond * diagonal.min() > tol * tol * diagonal.sum())


def factorised(G: np.ndarray) -> ScaledCholesky | None:
    """G's Cholesky factor, or None where it has none that is worth using."""
    try:
        factor = ScaledCholesky(G)
    except scipy.linalg.LinAlgError:
        return None
    return factor if factor.rcond > SOLVABLE else None


def from_rows(
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    equations: NormalEquations,
    tol: float,
) -> Solution:
    """The solution by singular values of the centred, weighted rows themselves (LAPACK's gelsd)."""
    A = X - equations.x_mean.astype(X.dtype)
    B = y.reshape(len(y), -1) - equations.y_mean.astype(X.dtype)
    if sample_weight is not None:
        root = np.sqrt(sample_weight).astype(X.dtype)[:, None]
        A *= root
        B = B * root
    threshold = max(tol, float(np.finfo(X.dtype).eps) * max(X.shape))
    w, _, rank, singular = scipy.linalg.lstsq(A, B, cond=threshold, overwrite_a=True, check_finite=False)
    return Solution(np.asarray(w, dtype=np.float64), int(rank), np.asarray(singular, dtype=np.float64))


def penalised(
    equations: NormalEquations, alpha: np.ndarray, residual: Callable[[float], Solve] | None
) -> np.ndarray | None:
    """(G + alpha_k I) w_k = c_k for each target; None where a matrix is not positive definite (alpha is 0).

    Returns
    -------
    ndarray of shape (n_features, n_targets)
    """
    w = np.empty_like(equations.C)
    for value in np.unique(alpha):
        targets = np.flatnonzero(alpha == value)
        factor = factorised(equations.G + value * np.eye(len(w)))
        if factor is None:
            return None
        w[:, targets] = factor.solve(equations.C[:, targets])
        if factor.rcond < TRUSTED and residual is not None:
            whole = np.zeros_like(w)

            def of_targets(
                part: np.ndarray, *, value: float = value, targets: Any = targets, whole: Any = whole
            ) -> Any:
                whole[:, targets] = part
                return residual(value)(whole)[:, targets]

            w[:, targets] = refined(w[:, targets], factor.solve, of_targets)
    return w
