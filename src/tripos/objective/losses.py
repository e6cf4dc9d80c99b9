"""Losses L(y, eta) of a score eta: value, first and second derivative for each row.

| name    | L(y, eta)                        | target           | dL/d eta       | d2L/d eta2        |
|---------|----------------------------------|------------------|----------------|-------------------|
| squared | (eta - y)^2 / 2                  | a number         | eta - y        | 1                 |
| log     | log(1 + e^eta) - y eta           | 0 or 1           | p - y          | p (1 - p)         |
| softmax | log sum_k e^eta_k - eta_y        | 0, ..., K - 1    | p_k - [y = k]  | p_k ([k = l] - p_l) |

with p = 1 / (1 + e^-eta) and p_k = e^eta_k / sum_l e^eta_l. Further losses of one score: `robust`
(absolute, Huber, quantile, epsilon-insensitive), `margin` (hinge, squared hinge, exponential), `counts` (Poisson, gamma,
Tweedie). The kernels write one number a row, so that a caller can weigh rows, boost on them or send them
backwards through a network; the classes add them up.

The scores of several outputs lie class by class, shape (n_outputs, n_rows): loops over rows are then
contiguous and vectorise for any number of classes.

References
----------
Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., sections 4.4 and 10.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import exp, log, log1p
from tripos.objective.counts import gamma_rows, poisson_rows, tweedie_rows
from tripos.objective.domain import BINARY, CLASSES, FINITE, NON_NEGATIVE, POSITIVE, Domain
from tripos.objective.margin import exponential_rows, hinge_envelope_rows, hinge_rows, squared_hinge_rows
from tripos.objective.robust import (
    absolute_rows,
    epsilon_insensitive_envelope_rows,
    epsilon_insensitive_rows,
    huber_rows,
    quantile_rows,
    squared_epsilon_insensitive_rows,
)

SQUARED_CODE, LOG_CODE = 0, 1
ABSOLUTE_CODE, HUBER_CODE, QUANTILE_CODE = 2, 3, 4
HINGE_CODE, SQUARED_HINGE_CODE, EXPONENTIAL_CODE = 5, 6, 7
POISSON_CODE, GAMMA_CODE, TWEEDIE_CODE = 8, 9, 10
EPSILON_INSENSITIVE_CODE, SQUARED_EPSILON_INSENSITIVE_CODE = 11, 12
HINGE_ENVELOPE_CODE, EPSILON_INSENSITIVE_ENVELOPE_CODE = 13, 14


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def squared_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Squared loss of each row with its first and second derivative."""
    one = eta.dtype.type(1)
    half = eta.dtype.type(0.5)
    for i in range(eta.size):
        residual = eta[i] - y[i]
        loss[i] = half * residual * residual
        slope[i] = residual
        curvature[i] = one


@kernel("F[::1], F[::1], F[::1], F[::1], F[::1]")
def log_rows(eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Log loss of each row with its first and second derivative; y is 0 or 1.

    Only e^-|eta| is computed: it never overflows, and p and 1 - p both keep their digits.
    """
    zero = eta.dtype.type(0)
    one = eta.dtype.type(1)
    for i in range(eta.size):
        e = exp(-abs(eta[i]))
        q = one / (one + e)
        p = q if eta[i] >= zero else e * q
        loss[i] = max(eta[i], zero) - y[i] * eta[i] + log1p(e)
        slope[i] = p - y[i]
        curvature[i] = e * q * q


@kernel("i8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def common_rows(code, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """The squared or the log loss, by code, a block of rows at a time."""
    if code == LOG_CODE:
        log_rows(eta, y, loss, slope, curvature)
    else:
        squared_rows(eta, y, loss, slope, curvature)


@kernel("i8, f8, F[::1], F[::1], F[::1], F[::1], F[::1]")
def pointwise_rows(code, parameter, eta, y, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """The loss with this code, a block of rows at a time."""
    if code == SQUARED_CODE or code == LOG_CODE:
        common_rows(code, eta, y, loss, slope, curvature)
    elif code == ABSOLUTE_CODE:
        absolute_rows(eta, y, loss, slope, curvature)
    elif code == HUBER_CODE:
        huber_rows(parameter, eta, y, loss, slope, curvature)
    elif code == QUANTILE_CODE:
        quantile_rows(parameter, eta, y, loss, slope, curvature)
    elif code == HINGE_CODE:
        hinge_rows(eta, y, loss, slope, curvature)
    elif code == SQUARED_HINGE_CODE:
        squared_hinge_rows(eta, y, loss, slope, curvature)
    elif code == EXPONENTIAL_CODE:
        exponential_rows(eta, y, loss, slope, curvature)
    elif code == POISSON_CODE:
        poisson_rows(eta, y, loss, slope, curvature)
    elif code == GAMMA_CODE:
        gamma_rows(eta, y, loss, slope, curvature)
    elif code == EPSILON_INSENSITIVE_CODE:
        epsilon_insensitive_rows(parameter, eta, y, loss, slope, curvature)
    elif code == SQUARED_EPSILON_INSENSITIVE_CODE:
        squared_epsilon_insensitive_rows(parameter, eta, y, loss, slope, curvature)
    elif code == HINGE_ENVELOPE_CODE:
        hinge_envelope_rows(eta, y, loss, slope, curvature)
    elif code == EPSILON_INSENSITIVE_ENVELOPE_CODE:
        epsilon_insensitive_envelope_rows(parameter, eta, y, loss, slope, curvature)
    else:
        tweedie_rows(parameter, eta, y, loss, slope, curvature)


@kernel("F[:, ::1], i8[::1], F[::1], F[:, ::1]")
def softmax_rows(eta, y, loss, p):  # type: ignore[no-untyped-def]
    """Softmax loss of each row, and the probabilities p of shape (n_classes, n_rows).

    The largest score is taken off before anything is added to it, so that large scores cost no digits of
    the loss.
    """
    n_classes, n = eta.shape
    one = eta.dtype.type(1)
    top = np.empty(n, eta.dtype)
    total = np.zeros(n, eta.dtype)
    for i in range(n):
        top[i] = eta[0, i]
    for k in range(1, n_classes):
        for i in range(n):
            top[i] = max(top[i], eta[k, i])
    for i in range(n):
        loss[i] = top[i] - eta[y[i], i]
    for k in range(n_classes):
        for i in range(n):
            p[k, i] = exp(eta[k, i] - top[i])
            total[i] += p[k, i]
    for k in range(n_classes):
        for i in range(n):
            p[k, i] *= one / total[i]
    for i in range(n):
        loss[i] += log(total[i])


@dataclass(frozen=True)
class PointwiseLoss:
    """A loss of one score per row.

    Parameters
    ----------
    name : str
    code : int
        What kernels know the loss by.
    parameter : float
        The number the loss depends on, where it does: delta of Huber, q of the quantile, p of Tweedie,
        epsilon of the epsilon-insensitive losses.
    domain : Domain
        Targets it is defined for.

    Examples
    --------
    >>> import numpy as np
    >>> LOG.value(np.array([1.0]), np.array([0.0])).round(4)
    np.float64(0.6931)
    >>> LOG.gradient(np.array([1.0]), np.array([0.0]))
    array([-0.5])
    """

    name: str
    code: int
    parameter: float = 0.0
    domain: Domain = FINITE

    @property
    def common(self) -> bool:
        """Whether kernels made for the squared and the log loss alone know it."""
        return self.code in (SQUARED_CODE, LOG_CODE)

    def check_target(self, y: np.ndarray) -> None:
        """Raises a ValueError that names the first row whose target is outside the loss's domain."""
        self.domain.check(y, self.name)

    def rows(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loss, first and second derivative of each row, each of shape (n_rows,)."""
        loss, slope, curvature = np.empty_like(eta), np.empty_like(eta), np.empty_like(eta)
        pointwise_rows(self.code, self.parameter, eta, np.asarray(y, eta.dtype), loss, slope, curvature)
        return loss, slope, curvature

    def value(self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        """Weighted sum of the rows' losses."""
        loss = self.rows(y, eta)[0]
        return np.sum(loss if sample_weight is None else loss * sample_weight, dtype=np.float64)

    def gradient(self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Derivative of `value` by each score, shape (n_rows,)."""
        slope = self.rows(y, eta)[1]
        return slope if sample_weight is None else slope * sample_weight

    def curvature(
        self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> np.ndarray:
        """Second derivative of `value` by each score, shape (n_rows,)."""
        curvature = self.rows(y, eta)[2]
        return curvature if sample_weight is None else curvature * sample_weight


@dataclass(frozen=True)
class SoftmaxLoss:
    """The loss of K scores per row; scores have shape (n_classes, n_rows)."""

    name: str = "softmax"
    domain: Domain = CLASSES

    def check_target(self, y: np.ndarray) -> None:
        """Raises a ValueError that names the first row whose target is no class code."""
        self.domain.check(y, self.name)

    def rows(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Loss of each row, shape (n_rows,), and probabilities, shape (n_classes, n_rows)."""
        loss, p = np.empty(eta.shape[1], eta.dtype), np.empty_like(eta)
        softmax_rows(eta, y, loss, p)
        return loss, p

    def value(self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        """Weighted sum of the rows' losses."""
        loss = self.rows(y, eta)[0]
        return np.sum(loss if sample_weight is None else loss * sample_weight, dtype=np.float64)

    def gradient(self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Derivative of `value` by each score, shape (n_classes, n_rows)."""
        slope = self.rows(y, eta)[1]
        slope[y, np.arange(len(y))] -= 1
        return slope if sample_weight is None else slope * sample_weight

    def curvature(
        self, y: np.ndarray, eta: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> np.ndarray:
        """Second derivatives of `value` by pairs of a row's scores, shape (n_classes, n_classes, n_rows)."""
        p = self.rows(y, eta)[1]
        curvature: np.ndarray = -p[:, None] * p[None]
        curvature[np.arange(len(p)), np.arange(len(p))] += p
        return curvature if sample_weight is None else curvature * sample_weight


def huber(delta: float = 1.35) -> PointwiseLoss:
    """The Huber loss, quadratic up to residuals of `delta`; 1.35 suits residuals of unit deviation."""
    if not delta > 0.0:
        raise ValueError(f"delta must be larger than 0, got {delta!r}")
    return PointwiseLoss("huber", HUBER_CODE, float(delta))


def quantile(q: float = 0.5) -> PointwiseLoss:
    """The loss whose minimum is the quantile `q`; at 0.5 half the absolute loss."""
    if not 0.0 < q < 1.0:
        raise ValueError(f"q must lie between 0 and 1, got {q!r}")
    return PointwiseLoss("quantile", QUANTILE_CODE, float(q))


def epsilon_insensitive(epsilon: float = 0.1, *, squared: bool = False) -> PointwiseLoss:
    """The loss of support vector regression, which does not notice residuals up to `epsilon`."""
    if squared:
        return PointwiseLoss("squared epsilon insensitive", SQUARED_EPSILON_INSENSITIVE_CODE, float(epsilon))
    return PointwiseLoss("epsilon insensitive", EPSILON_INSENSITIVE_CODE, float(epsilon))


def envelope(loss: PointwiseLoss, step: float) -> PointwiseLoss:
    """The Moreau envelope of the hinge or the epsilon-insensitive loss, min_z L(z / step) step + (z - eta)^2 / 2,
    of a score and targets that were multiplied by `step`."""
    if loss.code == HINGE_CODE:
        return PointwiseLoss("hinge envelope", HINGE_ENVELOPE_CODE)
    if loss.code == EPSILON_INSENSITIVE_CODE:
        width = step * loss.parameter
        return PointwiseLoss("epsilon insensitive envelope", EPSILON_INSENSITIVE_ENVELOPE_CODE, width)
    raise ValueError(
        f"only the hinge and the epsilon-insensitive loss have an envelope here, not {loss.name}"
    )


def tweedie(power: float = 1.5) -> PointwiseLoss:
    """The Tweedie loss of a mean e^eta with variance proportional to its power; 1 is Poisson, 2 gamma."""
    if 0.0 < power < 1.0:
        raise ValueError(f"power must not lie between 0 and 1, where no distribution has it; got {power!r}")
    if power == 1.0:
        return POISSON
    if power == 2.0:
        return GAMMA
    domain = FINITE if power <= 0.0 else NON_NEGATIVE if power < 2.0 else POSITIVE
    return PointwiseLoss("tweedie", TWEEDIE_CODE, float(power), domain)


Loss = PointwiseLoss | SoftmaxLoss
SQUARED = PointwiseLoss("squared", SQUARED_CODE)
LOG = PointwiseLoss("log", LOG_CODE, domain=BINARY)
SOFTMAX = SoftmaxLoss()
ABSOLUTE = PointwiseLoss("absolute", ABSOLUTE_CODE)
HUBER = huber()
QUANTILE = quantile()
HINGE = PointwiseLoss("hinge", HINGE_CODE, domain=BINARY)
SQUARED_HINGE = PointwiseLoss("squared hinge", SQUARED_HINGE_CODE, domain=BINARY)
EPSILON_INSENSITIVE = epsilon_insensitive()
SQUARED_EPSILON_INSENSITIVE = epsilon_insensitive(squared=True)
EXPONENTIAL = PointwiseLoss("exponential", EXPONENTIAL_CODE, domain=BINARY)
POISSON = PointwiseLoss("poisson", POISSON_CODE, domain=NON_NEGATIVE)
GAMMA = PointwiseLoss("gamma", GAMMA_CODE, domain=POSITIVE)
TWEEDIE = tweedie()

_ALL: tuple[Loss, ...] = (
    *(SQUARED, LOG, SOFTMAX, ABSOLUTE, HUBER, QUANTILE),
    *(HINGE, SQUARED_HINGE, EXPONENTIAL, POISSON, GAMMA, TWEEDIE),
    *(EPSILON_INSENSITIVE, SQUARED_EPSILON_INSENSITIVE),
)
LOSSES: dict[str, Loss] = {loss.name: loss for loss in _ALL}
