"""Penalties R(w) on the coefficients; an intercept is never among them.

| name        | R(w)                                  | prox(v, t)                    | alpha_max      |
|-------------|---------------------------------------|-------------------------------|----------------|
| L2          | alpha |w|_2^2 / 2                     | v / (1 + t alpha)             | infinite       |
| L1          | alpha |w|_1                           | sign(v) max(0, |v| - t alpha) | |g0|_inf       |
| elastic net | alpha (r |w|_1 + (1 - r) |w|_2^2 / 2) | that of L1, then that of L2   | |g0|_inf / r   |
| none        | 0                                     | v                             | infinite       |

Each offers `value`; `gradient` (of least norm where R has a kink) and `curvature` (its constant second
derivative); the proximal operator

    prox(v, t) = argmin_w  |w - v|^2 / 2 + t R(w);

`subdifferential_distance(w, g)`, the distance of -g from the subdifferential of R at w by coefficient,
where g is the gradient of the loss: it is 0 at the minimum of loss + R and nowhere else; and
`alpha_max(g0)`, the alpha from which on w = 0 is the minimum, for the gradient g0 of the loss there.

References
----------
N. Parikh, S. Boyd, "Proximal Algorithms", Foundations and Trends in Optimization 1 (2014), section 6;
H. Zou, T. Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x (elastic net).
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

    def subdifferential_distance(self, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(g + self.alpha * w))

    def alpha_max(self, g0: np.ndarray) -> float:
        return _never(g0)


@dataclass(frozen=True)
class ElasticNet:
    """R(w) = alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2).

    Examples
    --------
    >>> import numpy as np
    >>> ElasticNet(2.0, l1_ratio=0.5).prox(np.array([3.0, -0.5]), step=1.0)
    array([ 1., -0.])
    >>> ElasticNet(1.0, l1_ratio=0.5).alpha_max(np.array([0.2, -0.3]))
    0.6
    """

    alpha: float
    l1_ratio: float = 0.5

    @property
    def l1(self) -> float:
        """Weight of |w|_1."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Weight of |w|_2^2 / 2."""
        return self.alpha * (1.0 - self.l1_ratio)

    @property
    def curvature(self) -> float:
        return self.l2

    def value(self, w: np.ndarray) -> float:
        return self.l1 * float(np.abs(w).sum()) + 0.5 * self.l2 * float(np.vdot(w, w))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        slope: np.ndarray = self.l1 * np.sign(w) + self.l2 * w
        return slope

    def prox(self, v: np.ndarray, step: float) -> np.ndarray:
        shrunk: np.ndarray = np.sign(v) * np.maximum(np.abs(v) - step * self.l1, 0.0)
        return shrunk / (1.0 + step * self.l2)

    def subdifferential_distance(self, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        slope = g + self.l2 * w
        return np.where(
            w == 0.0, np.maximum(np.abs(slope) - self.l1, 0.0), np.abs(slope + self.l1 * np.sign(w))
        )

    def alpha_max(self, g0: np.ndarray) -> float:
        return float(np.abs(g0).max(initial=0.0)) / self.l1_ratio if self.l1_ratio > 0.0 else _never(g0)


class L1(ElasticNet):
    """Lasso penalty R(w) = alpha |w|_1.

    Examples
    --------
    >>> import numpy as np
    >>> L1(0.5).value(np.array([3.0, -4.0]))
    3.5
    >>> L1(1.0).prox(np.array([3.0, -0.2]), step=0.5)
    array([ 2.5, -0. ])
    """

    def __init__(self, alpha: float) -> None:
        super().__init__(alpha, 1.0)


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

    def subdifferential_distance(self, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(g))

    def alpha_max(self, g0: np.ndarray) -> float:
        return _never(g0)


def _never(g0: np.ndarray) -> float:
    """A smooth penalty sets no coefficient to zero, however large, unless the loss has its minimum there."""
    return float(np.inf) if np.any(g0) else 0.0


Penalty = L2 | ElasticNet | NoPenalty
