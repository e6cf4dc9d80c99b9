"""Statistics of one column in which a weight of k counts as k equal rows."""

from __future__ import annotations

import numpy as np


def quantiles(x: np.ndarray, q: np.ndarray, w: np.ndarray | None = None) -> np.ndarray:
    """The q-quantiles of the rows of `x`, each repeated `w` times.

    With the rows sorted and W_i the sum of the first i weights, the quantile is the first x_i with
    W_i > q W, averaged with x_(i-1) where W_(i-1) = q W exactly (Hyndman and Fan's type 2). It does
    not change when all weights are multiplied by a number, and q = 1/2 is the usual median.

    Parameters
    ----------
    x : ndarray of shape (n,), finite, n >= 1
    q : ndarray of shape (k,), in [0, 1]
    w : ndarray of shape (n,), positive, or None

    References
    ----------
    Hyndman and Fan (1996), Sample quantiles in statistical packages, doi:10.2307/2684934.

    Examples
    --------
    >>> quantiles(np.array([1.0, 5.0]), np.array([0.5]), np.array([1.0, 3.0]))
    array([5.])
    """
    if w is None:
        return np.asarray(np.quantile(x, q, method="averaged_inverted_cdf"))
    order = np.argsort(x, kind="stable")
    x, W = x[order], np.cumsum(w[order])
    at = q * W[-1]
    slack = 8 * np.finfo(np.float64).eps * W[-1]  # equality of sums of weights, up to rounding
    above = np.minimum(np.searchsorted(W, at + slack, side="right"), len(x) - 1)
    below = np.minimum(np.searchsorted(W, at - slack, side="left"), len(x) - 1)
    return np.asarray(0.5 * (x[below] + x[above]))


def median(x: np.ndarray, w: np.ndarray | None = None) -> float:
    return float(np.median(x)) if w is None else float(quantiles(x, np.array([0.5]), w)[0])


def mean(x: np.ndarray, w: np.ndarray | None = None) -> float:
    return float(np.average(x, weights=w))


def most_frequent(x: np.ndarray, w: np.ndarray | None = None) -> float:
    """The value with the largest sum of weights; the smallest of them where several tie."""
    values, inverse = np.unique(x, return_inverse=True)
    return float(values[np.argmax(np.bincount(inverse, weights=w))])
