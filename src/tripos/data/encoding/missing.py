"""Missing numbers: the value that fills them, and the columns whose gaps are worth an indicator."""

from __future__ import annotations

import numpy as np

from tripos.data.encoding import weighted

HOW = ("median", "mean", "most-frequent")


class Filler:
    """Fills NaN column by column with a statistic of the training rows.

    Every column has a fill, learned whether or not it had gaps in training, so that a gap met later is
    filled too. A column without any training value is filled with 0 and stays 0: nothing was learned.

    Parameters
    ----------
    how : "median", "mean", "most-frequent" or a number

    Attributes
    ----------
    fill_ : ndarray of shape (n_columns,)
    empty_ : ndarray of shape (n_columns,), bool
    """

    def __init__(self, how: str | float = "median") -> None:
        self.how = how

    def fit(self, N: np.ndarray, w: np.ndarray | None, discrete: np.ndarray) -> Filler:
        """Learn from N (n_rows, n_columns); `discrete` columns (booleans) take the most frequent value."""
        self.fill_ = np.zeros(N.shape[1])
        self.empty_ = np.zeros(N.shape[1], dtype=bool)
        for j in range(N.shape[1]):
            x, here = N[:, j], ~np.isnan(N[:, j])
            if not here.all():
                x = x[here]
            self.empty_[j] = len(x) == 0
            if len(x):
                self.fill_[j] = self._statistic(
                    x, w if w is None or len(x) == len(here) else w[here], discrete[j]
                )
        return self

    def _statistic(self, x: np.ndarray, w: np.ndarray | None, discrete: bool) -> float:
        if not isinstance(self.how, str):
            return float(self.how)
        if discrete or self.how == "most-frequent":
            return weighted.most_frequent(x, w)
        if self.how == "mean":
            return weighted.mean(x, w)
        return float(np.median(x)) if w is None else float(weighted.quantiles(x, np.array([0.5]), w)[0])

    def transform(self, N: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        """N with its gaps (mask of the same shape) filled; N itself when there is nothing to fill."""
        if not gaps.any() and not self.empty_.any():
            return N
        filled = np.where(gaps, self.fill_.astype(N.dtype), N)
        filled[:, self.empty_] = 0.0
        return filled
