"""Losses of a margin m = (2 y - 1) eta, y in {0, 1}: how far a row lies on the side of its own class.

| name          | L(y, eta)          | dL/d m              | d2L/d eta2  |
|---------------|--------------------|---------------------|-------------|
| hinge         | max(0, 1 - m)      | -[m < 1]            | 0           |
| squared hinge | max(0, 1 - m)^2    | -2 max(0, 1 - m)    | 2 [m < 1]   |
| exponential   | e^-m               | -e^-m               | e^-m        |

The hinge is that of support vector machines, the exponential loss that of AdaBoost. At its kink the hinge
has slope 0. Its Moreau envelope min_m max(0, 1 - m) + (m - m0)^2 / 2, which the method of multipliers
minimises, bends where the hinge breaks: 0, t^2 / 2 or t - 1/2 for t = |v| - sign(v) eta below 0, below 1, and
above; its target v carries the side in its sign and the place of the bend in its size.

References
----------
Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., sections 10.6 and 12.3.2.
"""

from __future__ import annotations

from tripos.compute import kernel
from tripos.compute.intrinsics import exp


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def hinge_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Hinge loss of each row with its first and second derivative."""
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        side = y[i] + y[i] - one
        gap = one - side * eta[i]
        outside = gap <= zero  # false for NaN, which comes through
        loss[i] = zero if outside else gap
        slope[i] = zero if outside else -side
        curvature[i] = zero


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def squared_hinge_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Squared hinge loss of each row with its first and second derivative."""
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    two = eta.dtype.type(2)
    for i in range(eta.size):
        side = y[i] + y[i] - one
        gap = one - side * eta[i]
        outside = gap <= zero
        gap = zero if outside else gap
        loss[i] = gap * gap
        slope[i] = -two * side * gap
        curvature[i] = zero if outside else two


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def exponential_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Exponential loss of each row with its first and second derivative."""
    one = eta.dtype.type(1)
    for i in range(eta.size):
        side = y[i] + y[i] - one
        e = exp(-side * eta[i])
        loss[i] = e
        slope[i] = -side * e
        curvature[i] = e


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def hinge_envelope_rows(eta, v, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Moreau envelope of the hinge of each row with its first and second derivative."""
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    half = eta.dtype.type(0.5)
    for i in range(eta.size):
        side = one if v[i] > zero else -one
        t = side * (v[i] - eta[i])
        u = zero if t <= zero else (one if t >= one else t)
        loss[i] = u * (t - half * u)
        slope[i] = -side * u
        curvature[i] = one if u == t else zero
