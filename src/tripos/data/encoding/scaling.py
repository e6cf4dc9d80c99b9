"""Scaling: every kind is (x - center) / scale with its own two numbers per column."""

from __future__ import annotations

import numpy as np

from tripos.data.encoding import weighted


class Scaling:
    """Brings each column to a common range.

    ============  ==========  ==========================
    kind          center      scale
    ============  ==========  ==========================
    standard      mean        standard deviation
    min-max       minimum     maximum - minimum
    mean-range    mean        maximum - minimum
    robust        median      third - first quartile
    ============  ==========  ==========================

    A column whose scale is 0 (constant, or for robust half constant) is centered and divided by 1.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_columns,)
        0 and 1 for columns that pass unchanged.
    floor_ : ndarray of shape (n_columns,), bool
        Columns in which a number below the training minimum becomes 0.
    """

    def __init__(self, kind: str, *, floor: bool = False) -> None:
        self.kind, self.floor = kind, floor

    def fit(self, N: np.ndarray, w: np.ndarray | None, touched: np.ndarray) -> Scaling:
        """Learn from finite N (n_rows, n_columns), NaN left aside; only the `touched` columns are scaled."""
        self.center_, self.scale_ = np.zeros(N.shape[1]), np.ones(N.shape[1])
        self.floor_ = touched & self.floor
        for j in np.flatnonzero(touched):
            here = ~np.isnan(N[:, j])
            if here.any():
                x = N[here, j].astype(np.float64)
                self.center_[j], self.scale_[j] = self._numbers(x, None if w is None else w[here])
        return self

    def _numbers(self, x: np.ndarray, w: np.ndarray | None) -> tuple[float, float]:
        low, high = x.min(), x.max()
        if self.kind == "min-max":
            return low, _or_one(high - low, low, high)
        if self.kind == "robust":
            q1, q2, q3 = weighted.quantiles(x, np.array([0.25, 0.5, 0.75]), w)
            return q2, _or_one(q3 - q1, low, high)
        mu = weighted.mean(x, w)
        if self.kind == "mean-range":
            return mu, _or_one(high - low, low, high)
        return mu, _or_one(np.sqrt(weighted.mean((x - mu) ** 2, w)), low, high)

    def transform(self, N: np.ndarray) -> np.ndarray:
        scaled = N - self.center_.astype(N.dtype)
        scaled /= self.scale_.astype(N.dtype)
        if self.floor_.any():
            np.maximum(scaled, np.where(self.floor_, 0.0, -np.inf).astype(N.dtype), out=scaled)
        return scaled


def _or_one(scale: float, low: float, high: float) -> float:
    """1 for a constant column, whose deviation may come out of rounding as a tiny number instead of 0."""
    tiny = 10 * np.finfo(np.float64).eps * max(abs(low), abs(high))
    return float(scale) if scale > tiny else 1.0
