"""The curse of dimensionality on one's own rows.

    median over rows of   min_i d(x, x_i) / max_i d(x, x_i)

tends to 1 as columns are added that say nothing about each other (K. Beyer, J. Goldstein, R. Ramakrishnan, U. Shaft
(1999), doi:10.1007/3-540-49257-7_15): then the nearest row is no nearer than any other. Columns of real tables depend on
each other, which is what holds the curse off; the same columns, each shuffled on its own, show it unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tripos import plotting
from tripos.geometry import make_index
from tripos.geometry.distances import Floats, Indices

QUERIES, ROWS = 200, 2000  # looked at, at most
STEPS = 12


@dataclass(frozen=True)
class Concentration:
    """How far distances have lost their contrast.

    Attributes
    ----------
    columns : int64 ndarray of shape (n_steps,)
        Numbers of columns, taken in random order.
    ratios : float64 ndarray of shape (n_steps,)
        Median over rows of nearest / farthest distance.
    shuffled : float64 ndarray of shape (n_steps,)
        The same with each column shuffled on its own.
    """

    columns: Indices
    ratios: Floats
    shuffled: Floats

    def __str__(self) -> str:
        return (
            f"{self.columns[-1]} columns: the nearest row is at {self.ratios[-1]:.2f} of the distance of the farthest "
            f"({self.shuffled[-1]:.2f} if the columns were independent; 1 tells nothing apart)"
        )

    def plot(self, ax: Any = None) -> Any:
        """Both curves; returns matplotlib Axes."""
        return plotting.curse_of_dimensionality(self.columns, self.ratios, noise=self.shuffled, ax=ax)


def concentration(X: npt.NDArray[Any], metric: Any, parameters: Any, seed: int = 0) -> Concentration:
    """The curves for some rows and a metric, over at most `ROWS` rows."""
    n, d = X.shape
    if n < 3:
        raise ValueError(f"distances are compared among at least 3 rows, got {n}")
    rng = np.random.default_rng(seed)
    X = np.asarray(X[np.sort(rng.choice(n, min(n, ROWS), replace=False))], dtype=np.float64)
    order = rng.permutation(d)
    mixed = np.stack([rng.permutation(column) for column in X.T], axis=1)
    steps = np.unique(np.geomspace(1, d, min(d, STEPS)).round().astype(np.int64))
    curves = [[_ratio(rows[:, order[:m]], metric, parameters) for m in steps] for rows in (X, mixed)]
    return Concentration(steps, np.array(curves[0]), np.array(curves[1]))


def _ratio(X: npt.NDArray[Any], metric: Any, parameters: Any) -> float:
    X = np.ascontiguousarray(X)
    index = make_index(X, metric, parameters, algorithm="brute")
    D, _ = index.nearest(X[:QUERIES], len(X))
    far = D[:, -1]
    near = D[:, 1]  # the first is the row itself
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.median(np.where(far > 0, near / far, 1.0)))
