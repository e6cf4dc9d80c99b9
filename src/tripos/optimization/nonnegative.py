"""Quadratics under w >= 0: block principal pivoting.

Minimises w'Gw / 2 - c'w. At the solution the coefficients divide into free ones (w_F > 0, gradient 0) and
ones at the bound (w = 0, gradient G w - c >= 0). Guess the division, solve for w_F, and exchange all indices
that break a sign; when that stops making progress, exchange only the last of them, which is known to end.

References
----------
J. Kim, H. Park (2011), doi:10.1137/110821172, algorithm 1; Portugal, Judice, Vicente (1994),
doi:10.2307/2153286.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

LEAST_RIDGE = 1e-9  # added to a singular scaled matrix to find out which coefficients are free
FULL_EXCHANGES = 3  # full exchanges without progress before falling back to one index at a time


def nonnegative_quadratic(G: np.ndarray, c: np.ndarray, *, max_iter: int | None = None) -> np.ndarray:
    """argmin over w >= 0 of w'Gw / 2 - c'w.

    Parameters
    ----------
    G : ndarray of shape (d, d)
        Symmetric, positive semi-definite.
    c : ndarray of shape (d,)
    max_iter : int, optional
        Exchanges at most; by default 10 d + 100.

    Returns
    -------
    ndarray of shape (d,)
    """
    scale = np.sqrt(np.maximum(np.diag(G), 0.0))
    scale[scale == 0.0] = 1.0
    scaled, target = G / scale / scale[:, None], c / scale
    if _is_definite(scaled):
        return _pivot(scaled, target, max_iter)[0] / scale
    # Collinear columns: of the many solutions the one of (nearly) least norm, so that rounding does not
    # choose.
    w, free = _pivot(scaled + LEAST_RIDGE * np.eye(len(c)), target, max_iter)
    exact = (
        scipy.linalg.lstsq(scaled[np.ix_(free, free)], target[free], cond=1e-12, check_finite=False)[0]
        if free.any()
        else 0
    )
    if np.all(exact >= 0.0):
        w[free] = exact
    return w / scale


def _pivot(G: np.ndarray, c: np.ndarray, max_iter: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The solution for a positive definite G, and which coefficients are free."""
    d = len(c)
    slack = 1e-12 * np.abs(c).max(initial=0.0)
    free = np.zeros(d, dtype=bool)
    w, gradient = np.zeros(d), -c
    fewest, left = d + 1, FULL_EXCHANGES
    for _ in range(10 * d + 100 if max_iter is None else max_iter):
        wrong = np.where(free, w < 0.0, gradient < -slack)
        count = int(wrong.sum())
        if count == 0:
            break
        if count < fewest:
            fewest, left = count, FULL_EXCHANGES
        elif left:
            left -= 1
        else:
            wrong[: np.flatnonzero(wrong)[-1]] = False
        free ^= wrong
        w = np.zeros(d)
        if free.any():
            w[free] = _solve(G[np.ix_(free, free)], c[free])
        gradient = G @ w - c
    return np.maximum(w, 0.0), free


def _is_definite(G: np.ndarray) -> bool:
    factor, failed = lapack.dpotrf(G, lower=1)
    return not failed and bool((np.diag(factor) ** 2 > 1e-12).all())


def _solve(G: np.ndarray, c: np.ndarray) -> np.ndarray:
    factor = scipy.linalg.cho_factor(G, lower=True, check_finite=False)
    return np.asarray(scipy.linalg.cho_solve(factor, c, check_finite=False))
