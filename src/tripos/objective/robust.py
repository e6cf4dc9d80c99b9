"""Losses of a residual r = eta - y that grow no faster than |r|: outliers pull with a bounded force.

| name     | L(y, eta)                                     | dL/d eta                  | d2L/d eta2   |
|----------|-----------------------------------------------|---------------------------|--------------|
| absolute | |r|                                           | sign r                    | 0            |
| huber    | r^2 / 2 if |r| <= d, else d |r| - d^2 / 2     | r clipped to [-d, d]      | [|r| <= d]   |
| quantile | (1 - q) r if r > 0, else -q r                 | 1 - q if r > 0, -q if < 0 | 0            |

At a kink the slope is 0, the subgradient of least norm. The minimum of a sum is the median (absolute), the
quantile q (quantile), the mean of what lies near and the median of what lies far (Huber).

References
----------
P. Huber (1964), doi:10.1214/aoms/1177703732; R. Koenker, G. Bassett (1978), doi:10.2307/1913643.
"""

from __future__ import annotations

from tripos.compute import kernel


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def absolute_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Absolute loss of each row with its first and second derivative."""
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        r = eta[i] - y[i]
        loss[i] = abs(r)
        slope[i] = one if r > zero else (-one if r < zero else r)
        curvature[i] = zero


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def huber_rows(delta, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Huber loss of each row with its first and second derivative."""
    d = eta.dtype.type(delta)
    half = eta.dtype.type(0.5)
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        r = eta[i] - y[i]
        near = zero if abs(r) > d else one
        clipped = d if r > d else (-d if r < -d else r)
        loss[i] = clipped * (r - half * clipped)  # r^2 / 2 near, d |r| - d^2 / 2 far
        slope[i] = clipped
        curvature[i] = near


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def quantile_rows(quantile, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Quantile ("pinball") loss of each row with its first and second derivative."""
    q = eta.dtype.type(quantile)
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        r = eta[i] - y[i]
        side = one - q if r > zero else (-q if r < zero else r)
        loss[i] = side * r
        slope[i] = side
        curvature[i] = zero
