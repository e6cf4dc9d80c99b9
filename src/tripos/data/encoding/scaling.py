"""Scaling: every kind is (x - center) / scale with its own two numbers per column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tripos.data.encoding import weighted
from tripos.state import Array, Spec


@dataclass(frozen=True, eq=False)
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
    """

    center: np.ndarray  # (n_columns,) 0 for columns that pass unchanged
    scale: np.ndarray  # (n_columns,) 1 for columns that pass unchanged
    floored: np.ndarray  # (n_columns,) bool: numbers below the training minimum become 0

    state: ClassVar[dict[str, Spec]] = {
        "center": Array("f", ("columns",)),
        "scale": Array("f", ("columns",)),
        "floored": Array("b", ("columns",)),
    }

    @classmethod
    def learn(
        cls, N: np.ndarray, w: np.ndarray | None, *, kind: str, touched: np.ndarray, floor: bool = False
    ) -> Scaling:
        """Learn from N (n_rows, n_columns), NaN left aside; only the `touched` columns are scaled."""
        center, scale = np.zeros(N.shape[1]), np.ones(N.shape[1])
        least = float(np.sqrt(np.finfo(N.dtype).tiny))  # a range below would make infinity of later numbers
        for j in np.flatnonzero(touched):
            here = ~np.isnan(N[:, j])
            if here.any():
                x = N[here, j].astype(np.float64)
                center[j], scale[j] = _center_and_scale(x, None if w is None else w[here], kind, least)
        return cls(center, scale, touched & floor)

    def transform(self, N: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = N - self.center.astype(N.dtype)
        scaled /= self.scale.astype(N.dtype)
        if self.floored.any():
            np.maximum(scaled, np.where(self.floored, 0.0, -np.inf).astype(N.dtype), out=scaled)
        return scaled


def _center_and_scale(x: np.ndarray, w: np.ndarray | None, kind: str, least: float) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    if kind == "robust":
        q1, center, q3 = weighted.quantiles(x, np.array([0.25, 0.5, 0.75]), w)
        scale = q3 - q1
    else:
        center = low if kind == "min-max" else weighted.mean(x, w)
        scale = np.sqrt(weighted.mean((x - center) ** 2, w)) if kind == "standard" else high - low
    # rounding makes a tiny deviation of a constant column: dividing by it would blow up any later change
    tiny = max(10 * np.finfo(np.float64).eps * max(abs(low), abs(high)), least)
    return float(center), float(scale) if scale > tiny else 1.0
