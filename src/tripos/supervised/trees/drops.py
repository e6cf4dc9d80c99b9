"""DART: some trees rest while the next one is grown, so that late trees do not only mend what is left.

With k trees at rest the new tree enters with 1 / (k + 1) of its values, and those at rest come back with k / (k + 1).

References
----------
Rashmi, Gilad-Bachrach, "DART: dropouts meet multiple additive regression trees" (2015), arXiv:1505.01866.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drops:
    """Which steps rest, drawn by the number of the new one.

    Parameters
    ----------
    rate : float
        Probability of each step.
    skip : float
        Probability that none rests.
    seed : int
    """

    rate: float = 0.1
    skip: float = 0.5
    seed: int = 0

    def draw(self, step: int, n_steps: int) -> list[int]:
        """Steps at rest, rising."""
        rng = np.random.default_rng((self.seed, step, 1))
        if rng.random() < self.skip:
            return []
        return [int(s) for s in np.flatnonzero(rng.random(n_steps) < self.rate)]
