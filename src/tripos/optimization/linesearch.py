"""A step length along a direction: sufficient decrease, and a slope that has become flat enough.

    F(x + t p) <= F(x) + c1 t g'p          (decrease)
    g(x + t p)'p >= c2 g'p                 (slope)

The interval that must hold such a t is kept and cut by quadratic interpolation, or doubled while it is open
to the right. Where rounding hides the decrease, the slope alone decides ("approximate Wolfe").

References
----------
J. Nocedal, S. Wright, *Numerical Optimization*, 2nd ed., section 3.1.
W. Hager, H. Zhang (2005), doi:10.1137/030601880, section 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tripos.optimization.result import Objective

DECREASE = 1e-4
SLOPE = 0.9
TRIALS = 40


class Point(NamedTuple):
    """A point with the objective there."""

    x: np.ndarray
    value: float
    gradient: np.ndarray


def search(objective: Objective, start: Point, p: np.ndarray, t: float, noise: float) -> Point | None:
    """A point x + t p that satisfies both conditions; None where none is found.

    Parameters
    ----------
    objective : Objective
    start : Point
    p : ndarray
        A direction of descent.
    t : float
        The first step length to try.
    noise : float
        Relative rounding error of the objective.
    """
    slope0 = float(start.gradient @ p)
    low, high = 0.0, np.inf
    low_value, low_slope = start.value, slope0
    for _ in range(TRIALS):
        x = start.x + t * p
        value, gradient = objective.value_gradient(x)
        slope = float(gradient @ p)
        falls = value <= start.value + DECREASE * t * slope0
        within_noise = (
            value <= start.value + noise * abs(start.value) and slope <= (2 * DECREASE - 1) * slope0
        )
        if not (np.isfinite(value) and np.isfinite(slope)) or not (falls or within_noise):
            high = t
            t = low + (high - low) * _share(high - low, low_value, low_slope, value)
        elif slope < SLOPE * slope0:
            low, low_value, low_slope = t, value, slope
            t = 0.5 * (low + high) if np.isfinite(high) else 2.0 * t
        else:
            return Point(x, value, gradient)
    return None


def _share(width: float, value: float, slope: float, end: float) -> float:
    """Where the parabola through an interval's left value and slope and its right value is lowest, as a share
    of it."""
    bend = end - value - slope * width
    if not np.isfinite(bend) or bend <= 0.0:
        return 0.5
    return float(np.clip(-slope * width / (2.0 * bend), 0.1, 0.9))
