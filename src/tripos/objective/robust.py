"""Losses of a residual r = eta - y that grow no faster than |r|: outliers pull with a bounded force.

| name     | L(y, eta)                                     | dL/d eta                  | d2L/d eta2   |
|----------|-----------------------------------------------|---------------------------|--------------|
| absolute | |r|                                           | sign r                    | 0            |
| huber    | r^2 / 2 if |r| <= d, else d |r| - d^2 / 2     | r clipped to [-d, d]      | [|r| <= d]   |
| quantile | (1 - q) r if r > 0, else -q r                 | 1 - q if r > 0, -q if < 0 | 0            |
| epsilon insensitive         | max(0, |r| - e)            | sign r [|r| > e]          | 0            |
| squared epsilon insensitive | max(0, |r| - e)^2          | 2 sign r max(0, |r| - e)  | 2 [|r| > e]  |

At a kink the slope is 0, the subgradient of least norm. The minimum of a sum is the median (absolute), the
quantile q (quantile), the mean of what lies near and the median of what lies far (Huber). The two losses that
do not notice residuals up to e are those of support vector regression (the squared one grows as fast as
least squares). The Moreau envelope of the first, 0, a^2 / 2 or a - 1/2 for a = |r| - e below 0, below 1, and
above, is what the method of multipliers minimises.

References
----------
P. Huber (1964), doi:10.1214/aoms/1177703732; R. Koenker, G. Bassett (1978), doi:10.2307/1913643;
A. Smola, B. Schoelkopf (2004), doi:10.1023/B:STCO.0000035301.49549.88.
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


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def epsilon_insensitive_rows(epsilon, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Epsilon-insensitive loss of each row with its first and second derivative."""
    e = eta.dtype.type(epsilon)
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        r = eta[i] - y[i]
        a = abs(r) - e
        inside = a <= zero  # false for NaN, which comes through
        loss[i] = zero if inside else a
        slope[i] = zero if inside else (one if r > zero else -one)
        curvature[i] = zero


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def squared_epsilon_insensitive_rows(epsilon, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Squared epsilon-insensitive loss of each row with its first and second derivative."""
    e = eta.dtype.type(epsilon)
    zero = eta.dtype.type(0)
    two = eta.dtype.type(2)
    for i in range(eta.size):
        r = eta[i] - y[i]
        a = abs(r) - e
        inside = a <= zero
        a = zero if inside else a
        loss[i] = a * a
        slope[i] = two * a if r > zero else -two * a
        curvature[i] = zero if inside else two


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def epsilon_insensitive_envelope_rows(epsilon, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Moreau envelope of the epsilon-insensitive loss of each row with its first and second derivative."""
    e = eta.dtype.type(epsilon)
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    half = eta.dtype.type(0.5)
    for i in range(eta.size):
        r = eta[i] - y[i]
        a = abs(r) - e
        u = zero if a <= zero else (one if a >= one else a)
        loss[i] = u * (a - half * u)
        slope[i] = u if r > zero else -u
        curvature[i] = one if u == a else zero
