"""Losses as a stochastic learner meets them: the slope at one score, and the values of a block of scores.

| name                        | L(y, eta)                                        | target   | dL/d eta                   |
|-----------------------------|--------------------------------------------------|----------|----------------------------|
| hinge                       | max(0, 1 - m)                                    | 0 or 1   | -side [m < 1]              |
| squared_hinge               | max(0, 1 - m)^2                                  | 0 or 1   | -2 side max(0, 1 - m)      |
| log_loss                    | log(1 + e^eta) - y eta                           | 0 or 1   | p - y                      |
| perceptron                  | max(0, -m)                                       | -1 or 1  | -y [m <= 0]                |
| modified_huber              | max(0, 1 - m)^2 where m >= -1, else -4 m         | -1 or 1  | -2 y max(0, 1 - m), -4 y   |
| squared_error               | r^2 / 2                                          | a number | r                          |
| huber                       | r^2 / 2 if |r| <= e, else e |r| - e^2 / 2        | a number | r clipped to [-e, e]       |
| epsilon_insensitive         | max(0, |r| - e)                                  | a number | sign r [|r| > e]           |
| squared_epsilon_insensitive | max(0, |r| - e)^2                                | a number | 2 sign r max(0, |r| - e)   |

with m = side eta the margin, side = +1 or -1, r = eta - y the residual. Classifiers may use the losses of
numbers too; their targets are then -1 and 1.

Values come from `tripos.objective` where it has the loss (all but two). Slopes are written here once more, for one number: a
step of 15 nanoseconds has no room for a call that fills three arrays of length one. The tests hold each slope to
the derivative of the value, and to `objective`'s slope where there is one.

References
----------
T. Zhang (2004), doi:10.1145/1015330.1015332 (modified Huber); V. Vapnik, *The Nature of Statistical Learning
Theory* (1995), section 6.1 (epsilon-insensitive).
"""

from __future__ import annotations

from dataclasses import dataclass

from tripos.compute import kernel
from tripos.compute.intrinsics import expit
from tripos.objective.losses import (
    EPSILON_INSENSITIVE_CODE,
    HINGE_CODE,
    HUBER_CODE,
    LOG_CODE,
    SQUARED_CODE,
    SQUARED_EPSILON_INSENSITIVE_CODE,
    SQUARED_HINGE_CODE,
    pointwise_rows,
)

PERCEPTRON_CODE, MODIFIED_HUBER_CODE = 100, 101  # that `objective` does not have


@dataclass(frozen=True)
class StepLoss:
    """What the stochastic kernels and estimators have to know about a loss.

    Attributes
    ----------
    code : int
    low : float
        The target of rows outside the class, 0 or -1; those inside have 1.
    quadratic : bool
        Whether it grows with the square of the score, so that steps that are too long run away.
    bend : float
        Its largest curvature; 0 where it has none.
    """

    code: int
    low: float
    quadratic: bool = False
    bend: float = 0.0


LOSSES: dict[str, StepLoss] = {
    "hinge": StepLoss(HINGE_CODE, 0.0),
    "log_loss": StepLoss(LOG_CODE, 0.0, bend=0.25),
    "modified_huber": StepLoss(MODIFIED_HUBER_CODE, -1.0, bend=2.0),
    "squared_hinge": StepLoss(SQUARED_HINGE_CODE, 0.0, quadratic=True, bend=2.0),
    "perceptron": StepLoss(PERCEPTRON_CODE, -1.0),
    "squared_error": StepLoss(SQUARED_CODE, -1.0, quadratic=True, bend=1.0),
    "huber": StepLoss(HUBER_CODE, -1.0, bend=1.0),
    "epsilon_insensitive": StepLoss(EPSILON_INSENSITIVE_CODE, -1.0),
    "squared_epsilon_insensitive": StepLoss(SQUARED_EPSILON_INSENSITIVE_CODE, -1.0, quadratic=True, bend=2.0),
}


@kernel
def margin_slope(code, y, eta):  # type: ignore[no-untyped-def]
    """dL/d eta of a loss of the margin."""
    if code == PERCEPTRON_CODE:
        return -y if y * eta <= 0.0 else 0.0
    if code == MODIFIED_HUBER_CODE:
        m = y * eta
        return -2.0 * y * max(0.0, 1.0 - m) if m >= -1.0 else -4.0 * y
    side = y + y - 1.0
    gap = 1.0 - side * eta
    if code == HINGE_CODE:
        return 0.0 if gap <= 0.0 else -side
    return 0.0 if gap <= 0.0 else -2.0 * side * gap


@kernel
def residual_slope(code, parameter, r):  # type: ignore[no-untyped-def]
    """dL/d eta of a loss of the residual r = eta - y."""
    if code == SQUARED_CODE:
        return r
    if code == HUBER_CODE:
        return min(max(r, -parameter), parameter)
    beyond = max(0.0, abs(r) - parameter)
    size = (1.0 if beyond > 0.0 else 0.0) if code == EPSILON_INSENSITIVE_CODE else 2.0 * beyond
    return size if r > 0.0 else -size


@kernel
def slope(code, parameter, y, eta):  # type: ignore[no-untyped-def]
    """dL/d eta at one score."""
    if code == LOG_CODE:
        return expit(eta) - y
    if (
        code == HINGE_CODE
        or code == PERCEPTRON_CODE
        or code == SQUARED_HINGE_CODE
        or code == MODIFIED_HUBER_CODE
    ):
        return margin_slope(code, y, eta)
    return residual_slope(code, parameter, eta - y)


@kernel
def own_values(code, eta, y, loss):  # type: ignore[no-untyped-def]
    """Values of the losses that only stochastic learners have."""
    for i in range(eta.size):
        m = y[i] * eta[i]
        gap = max(0.0, 1.0 - m)
        if code == PERCEPTRON_CODE:
            loss[i] = max(0.0, -m)
        else:
            loss[i] = gap * gap if m >= -1.0 else -4.0 * m


@kernel("i8, f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def values(code, parameter, eta, y, loss, first, second):  # type: ignore[no-untyped-def]
    """L(y_i, eta_i) into `loss`; `first` and `second` are room for derivatives."""
    if code >= PERCEPTRON_CODE:
        own_values(code, eta, y, loss)
    else:
        pointwise_rows(code, parameter, eta, y, loss, first, second)


@kernel("i8, f8, f8[::1], f8[::1], f8[::1]")
def slopes(code, parameter, eta, y, out):  # type: ignore[no-untyped-def]
    """The slope of each of many scores."""
    for i in range(eta.size):
        out[i] = slope(code, parameter, y[i], eta[i])
