"""Gradient clipping: a step may be no longer than the learning rate times a bound.

    by value  g_j <- max(-c, min(g_j, c))
    by norm   g <- g min(1, c / |g|)

References
----------
R. Pascanu, T. Mikolov, Y. Bengio (2013), proceedings.mlr.press/v28/pascanu13 (by norm: the direction stays).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tripos.compute import kernel


@kernel("F[::1], f8, f8")
def clip_gradient(g, norm, value):  # type: ignore[no-untyped-def]
    """Clips g in place, first by value, then by norm; infinite bounds do nothing."""
    bound = g.dtype.type(value)
    total = 0.0
    for j in range(g.size):
        clipped = bound if g[j] > bound else (-bound if g[j] < -bound else g[j])
        g[j] = clipped
        total += clipped * clipped
    length = np.sqrt(total)
    if length > norm:
        factor = g.dtype.type(norm / length)
        for j in range(g.size):
            g[j] *= factor


@dataclass(frozen=True)
class Clip:
    """Bounds of a gradient.

    Examples
    --------
    >>> import numpy as np
    >>> g = np.array([3.0, 4.0])
    >>> Clip(norm=1.0)(g)
    >>> g
    array([0.6, 0.8])
    """

    norm: float = np.inf
    value: float = np.inf

    def __post_init__(self) -> None:
        for name in ("norm", "value"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"clip_{name} must be larger than 0, got {getattr(self, name)!r}")

    @property
    def active(self) -> bool:
        return self.norm < np.inf or self.value < np.inf

    def __call__(self, g: np.ndarray) -> None:
        """Clips g in place."""
        if self.active:
            clip_gradient(g, self.norm, self.value)
