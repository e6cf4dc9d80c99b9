"""What each tree may look at: rows and features drawn at random, or the rows with the largest gradients (GOSS).

GOSS keeps the share a of the rows with the largest |g h|, draws the share b of all rows from the others, and counts
each of those (1 - a) / b times, so that sums stay unbiased.

References
----------
Ke et al., "LightGBM: a highly efficient gradient boosting decision tree" (2017), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tripos.supervised.trees.gradients import Gradients


@dataclass
class Sampling:
    """Rows and features of each tree, drawn by its number.

    Parameters
    ----------
    rows, features : float
        Shares of the rows and of the features that a tree is grown on.
    seed : int
    top, other : float
        a and b of GOSS; a = 0 for none.
    wait : float
        Steps before GOSS begins.
    """

    rows: float = 1.0
    features: float = 1.0
    seed: int = 0
    top: float = 0.0
    other: float = 0.0
    wait: float = 0.0

    def draw(
        self, step: int, gradients: Gradients, n_features: int
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Rows (rising) and marks of features of a step; None for all. GOSS changes the gradients."""
        rows = usable = None
        if self.rows == 1.0 and self.features == 1.0 and not self.top:
            return rows, usable
        rng = np.random.default_rng((self.seed, step))
        n_rows = gradients.scores.shape[1]
        if self.top and step >= self.wait:
            rows = self._largest(rng, gradients)
        elif self.rows < 1.0:
            size = max(1, int(round(self.rows * n_rows)))
            rows = np.sort(rng.choice(n_rows, size, replace=False)).astype(np.uint32)
        if self.features < 1.0:
            usable = np.zeros(n_features, np.int64)
            usable[rng.choice(n_features, max(1, int(round(self.features * n_features))), replace=False)] = 1
        return rows, usable

    def _largest(self, rng: np.random.Generator, gradients: Gradients) -> np.ndarray:
        size = np.abs(gradients.slopes * gradients.curvatures).sum(axis=0)
        n = len(size)
        n_top, n_other = max(1, int(self.top * n)), max(1, int(self.other * n))
        order = np.argsort(-size, kind="stable")
        others = rng.choice(order[n_top:], min(n_other, n - n_top), replace=False)
        rows = np.sort(np.concatenate([order[:n_top], others]))
        gradients.amplify(rows, others, (1.0 - self.top) / self.other)
        return rows.astype(np.uint32)
