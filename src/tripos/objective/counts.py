"""Losses of a positive mean mu = e^eta: half the unit deviance of a count or an amount, up to a term in y.

| name    | variance | L(y, eta)                                 | dL/d eta              | target    |
|---------|----------|-------------------------------------------|-----------------------|-----------|
| poisson | mu       | mu - y eta                                | mu - y                | y >= 0    |
| gamma   | mu^2     | y / mu + eta                              | 1 - y / mu            | y > 0     |
| tweedie | mu^p     | mu^(2-p) / (2 - p) - y mu^(1-p) / (1 - p) | mu^(2-p) - y mu^(1-p) | see below |

Tweedie has the other two as p = 1 and p = 2; for 1 < p < 2 it is a Poisson number of gamma amounts (y >=
0), for p > 2 y > 0, for p <= 0 any y. Outside 1 <= p <= 2 the loss is not convex in eta; its curvature
there is the expected one, mu^(2-p), which Fisher scoring uses.

References
----------
P. McCullagh, J. Nelder, *Generalized Linear Models*, 2nd ed., sections 2.2 and 8.2;
B. Jorgensen (1987), "Exponential dispersion models", doi:10.1111/j.2517-6161.1987.tb01685.x.
"""

from __future__ import annotations

from tripos.compute import kernel
from tripos.compute.intrinsics import exp


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def poisson_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Poisson loss of each row with its first and second derivative."""
    for i in range(eta.size):
        mu = exp(eta[i])
        loss[i] = mu - y[i] * eta[i]
        slope[i] = mu - y[i]
        curvature[i] = mu


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def gamma_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Gamma loss of each row with its first and second derivative."""
    one = eta.dtype.type(1)
    for i in range(eta.size):
        ratio = y[i] * exp(-eta[i])
        loss[i] = ratio + eta[i]
        slope[i] = one - ratio
        curvature[i] = ratio


@kernel("f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def tweedie_rows(power, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Tweedie loss of each row with its first and second derivative; the power is neither 1 nor 2."""
    a = eta.dtype.type(2.0 - power)
    b = eta.dtype.type(1.0 - power)
    convex = 1.0 <= power <= 2.0
    for i in range(eta.size):
        first = exp(a * eta[i])
        second = y[i] * exp(b * eta[i])
        loss[i] = first / a - second / b
        slope[i] = first - second
        curvature[i] = a * first - b * second if convex else first
