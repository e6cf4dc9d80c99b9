"""Penalties R(w) on the coefficients; an intercept is never among them.

Each offers `value`, `gradient`, `curvature` (its constant second derivative) and `prox`, the proximal operator

    prox(v, step) = argmin_w  |w - v|^2 / 2 + step R(w),

so that a solver can be written for any of them.

References
----------
N. Parikh, S. Boyd, "Proximal Algorithms", Foundations and Trends in Optimization 1 (2014), section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class L2:
    """Ridge penalty R(w) = alpha |w|^2 / 2.

    Examples
    --------
    >>> import numpy as np
    >>> L2(0.5).value(np.array([3.0, 4.0]))
    6.25
    >>> L2(1.0).prox(np.array([3.0]), step=0.5)
    array([2.])
    """

    alpha: float

    def value(self, w: np.ndarray) -> float:
        return 0.5 * self.alpha * float(np.vdot(w, w))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.alpha * w

    @property
    def curvature(self) -> float:
        return self.alpha

    def prox(self, v: np.ndarray, step: float) -> np.ndarray:
        return v / (1.0 + step * self.alpha)


@dataclass(frozen=True)
class NoPenalty:
    """R(w) = 0: the coefficients are free."""

    curvature: float = 0.0

    def value(self, w: np.ndarray) -> float:
        return 0.0

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return np.zeros_like(w)

    def prox(self, v: np.ndarray, step: float) -> np.ndarray:
        return v


Penalty = L2 | NoPenalty
