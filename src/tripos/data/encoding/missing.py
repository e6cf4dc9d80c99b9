"""Missing numbers: the value that fills them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tripos.data.encoding import weighted
from tripos.state import Array, Spec

HOW = ("median", "mean", "most-frequent")


@dataclass(frozen=True, eq=False)
class Filler:
    """Fills NaN column by column with a statistic of the training rows.

    Every column has a fill, learned whether or not it had gaps in training, so that a gap met later is
    filled too. A column without any training value is filled with 0 and stays 0: nothing was learned.
    """

    fill: np.ndarray  # (n_columns,)
    empty: np.ndarray  # (n_columns,) bool

    state: ClassVar[dict[str, Spec]] = {"fill": Array("f", ("columns",)), "empty": Array("b", ("columns",))}

    @classmethod
    def learn(cls, N: np.ndarray, w: np.ndarray | None, *, how: str | float, discrete: np.ndarray) -> Filler:
        """Learn from N (n_rows, n_columns).

        `how` is one of `HOW` or the number to fill with; `discrete` columns (booleans) take the most frequent value.
        """
        fill, empty = np.zeros(N.shape[1]), np.zeros(N.shape[1], dtype=bool)
        for j, column in enumerate(N.T):
            here = ~np.isnan(column)
            empty[j] = not here.any()
            if not empty[j]:
                x, weights = (column, w) if here.all() else (column[here], None if w is None else w[here])
                fill[j] = _statistic(x, weights, "most-frequent" if discrete[j] else how)
        return cls(fill, empty)

    def transform(self, N: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """N with its gaps (a mask of its shape, None for none) filled; N itself when there is nothing to do."""
        if gaps is None and not self.empty.any():
            return N
        filled = N.copy() if gaps is None else np.where(gaps, self.fill.astype(N.dtype), N)
        filled[:, self.empty] = 0.0
        return filled


def _statistic(x: np.ndarray, w: np.ndarray | None, how: str | float) -> float:
    if not isinstance(how, str):
        return float(how)
    if how == "most-frequent":
        return weighted.most_frequent(x, w)
    if how == "mean":
        return weighted.mean(x, w)
    return weighted.median(x, w)
