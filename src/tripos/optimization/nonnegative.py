"""Quadratics under w >= 0: block principal pivoting.

Minimises w'Gw / 2 - c'w. At the solution the coefficients divide into free ones (w_F > 0, gradient 0) and ones at the
bound (w = 0, gradient G w - c >= 0). Guess the division, solve for w_F, and exchange all indices that break a
sign; when that stops making progress, exchange only the last of them, which is known to end.

References
----------
J. Kim, H. Park (2011), doi:10.1137/110821172, algorithm 1; Portugal, Judice, Vicente (1994), doi:10.2307/2153286.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

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
    d = len(c)
    scale = np.sqrt(np.maximum(np.diag(G), 0.0))
    scale[scale == 0.0] = 1.0
    scaled, target = G / scale / scale[:, None], c / scale
    slack = 1e-12 * np.abs(target).max(initial=0.0)
    free = np.zeros(d, dtype=bool)
    w, gradient = np.zeros(d), -target
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
            w[free] = _solve(scaled[np.ix_(free, free)], target[free])
        gradient = scaled @ w - target
    return np.maximum(w, 0.0) / scale


def _solve(G: np.ndarray, c: np.ndarray) -> np.ndarray:
    try:
        factor = scipy.linalg.cho_factor(G, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:  # collinear columns: any division of their weight will do
        return np.asarray(scipy.linalg.lstsq(G, c, check_finite=False)[0])
    return np.asarray(scipy.linalg.cho_solve(factor, c, check_finite=False))
