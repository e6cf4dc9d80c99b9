"""The number of neighbours, chosen by leaving one row out at a time, for every k in one pass.

The neighbours of a row among the others are sorted, so its answers for k = 1, 2, ... follow from one walk along the
list: all k together cost what the largest costs. Leaving one out needs no refit, as the model is its rows.
(T. Cover, P. Hart (1967), doi:10.1109/TIT.1967.1053964; Stone (1974), cross-validatory choice.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tripos import plotting
from tripos.geometry.distances import Floats, Indices, take_out_self

MOST = 200  # neighbours tried, unless more are asked for
ROWS_AT_ONCE = 8192  # of which the lists lie in memory


@dataclass(frozen=True)
class NeighbourCurve:
    """How well rows left out are predicted, by the number of neighbours.

    Attributes
    ----------
    k : int
        The number with the best score; of equals the smallest.
    values : int64 ndarray of shape (n_values,)
        1, 2, ...
    scores : float64 ndarray of shape (n_values,)
        Accuracy, or the coefficient of determination of a regression.
    score_name : str
    """

    k: int
    values: Indices
    scores: Floats
    score_name: str

    @classmethod
    def best_of(cls, scores: Floats, score_name: str) -> NeighbourCurve:
        return cls(int(np.argmax(scores)) + 1, np.arange(1, len(scores) + 1), scores, score_name)

    def __str__(self) -> str:
        best = self.scores[self.k - 1]
        return f"k = {self.k} of 1 to {len(self.values)}: {self.score_name} {best:.4g} on rows left out"

    def plot(self, ax: Any = None) -> Any:
        """The curve; few neighbours follow noise, many blur what differs. Returns matplotlib Axes."""
        return plotting.validation_curve(
            self.values, None, self.scores, name="number of neighbours k", score_name=self.score_name, ax=ax
        )


def most_neighbours(n_rows: int, asked: int | None) -> int:
    """Up to which k the curve goes: twice the root of n by default, between 30 and `MOST`."""
    if n_rows < 2:
        raise ValueError(f"leaving one row out needs at least 2 rows, the model remembers {n_rows}")
    if asked is not None and not 1 <= asked < n_rows:
        raise ValueError(f"max_k must lie between 1 and {n_rows - 1} for {n_rows} rows, got {asked}")
    return asked if asked is not None else min(n_rows - 1, max(30, min(MOST, int(2 * np.sqrt(n_rows)))))


def lists_of_others(index: Any, X: Any, rows: Indices, k: int, n_jobs: int | None) -> tuple[Floats, Indices]:
    """The k nearest other rows of some of the rows that an index holds."""
    distances, indices = index.nearest(X[rows], k + 1, n_jobs)
    return take_out_self(distances, indices, rows)


def blocks_of(n_rows: int, rows: npt.ArrayLike | None) -> list[Indices]:
    """The rows to leave out, a block at a time."""
    chosen = np.arange(n_rows) if rows is None else np.asarray(rows, dtype=np.int64)
    return [chosen[s : s + ROWS_AT_ONCE] for s in range(0, len(chosen), ROWS_AT_ONCE)]
