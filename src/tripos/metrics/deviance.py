"""Deviance of the Tweedie family: the loss that suits counts, claims and other positive targets.

    p = 0   (y - mu)^2                                     normal
    p = 1   2 (y log(y / mu) - y + mu)                     Poisson
    p = 2   2 (log(mu / y) + y / mu - 1)                   gamma
    else    2 (max(y, 0)^(2-p) / ((1-p)(2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p))

Joergensen, The Theory of Dispersion Models, 1997.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from tripos.metrics.checks import explained_share, undefined, weighted_mean
from tripos.metrics.regression import one_output


def _deviances(y: np.ndarray, mu: Any, p: float) -> np.ndarray:
    """Deviance of each row, shape (n,)."""
    if p == 0:
        half = (y - mu) ** 2 / 2
    elif p == 1:
        half = xlogy(y, y / mu) - y + mu
    elif p == 2:
        half = np.log(mu / y) + y / mu - 1
    else:
        start = np.maximum(y, 0) ** (2 - p) / ((1 - p) * (2 - p))
        half = start - y * mu ** (1 - p) / (1 - p) + mu ** (2 - p) / (2 - p)
    return np.asarray(2 * half)


def _check_domain(y: np.ndarray, mu: np.ndarray, p: float) -> None:
    """Raise where the distribution of power p does not reach."""
    if 0 < p < 1:
        raise ValueError(f"power={p!r}: no Tweedie distribution has a power between 0 and 1")
    for name, values, bound, strict in (
        ("y_true", y, 1 <= p, p >= 2),
        ("y_pred", mu, p != 0, True),
    ):
        if bound and (values.min() < 0 or (strict and values.min() == 0)):
            row = int(np.argmin(values))
            need = "positive" if strict else "non-negative"
            raise ValueError(
                f"the deviance of power {p:g} needs {need} {name}, found {values[row]:g} at row {row}"
            )


def mean_tweedie_deviance(y_true: Any, y_pred: Any, *, sample_weight: Any = None, power: float = 0) -> float:
    """Mean deviance of the Tweedie distribution with variance proportional to mean^power.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional
    power : float
        0 normal, 1 Poisson, 1 to 2 compound Poisson (exact zeros allowed), 2 gamma, 3 inverse Gaussian.

    Examples
    --------
    >>> round(mean_tweedie_deviance([2, 0, 1, 4], [0.5, 0.5, 2.0, 2.0], power=1), 4)
    1.426
    """
    true, predicted, weight = one_output(y_true, y_pred, sample_weight, "the Tweedie deviance")
    _check_domain(true, predicted, power)
    return float(weighted_mean(_deviances(true, predicted, power), weight))


def mean_poisson_deviance(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Mean of 2 (y log(y / mu) - y + mu): for counts. Parameters as in `mean_tweedie_deviance`.

    Examples
    --------
    >>> mean_poisson_deviance([1, 2], [1, 2])
    0.0
    """
    return mean_tweedie_deviance(y_true, y_pred, sample_weight=sample_weight, power=1)


def mean_gamma_deviance(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Mean of 2 (log(mu / y) + y / mu - 1): for positive amounts. Parameters as in `mean_tweedie_deviance`.

    Examples
    --------
    >>> round(mean_gamma_deviance([2.0], [1.0]), 4)
    0.6137
    """
    return mean_tweedie_deviance(y_true, y_pred, sample_weight=sample_weight, power=2)


def d2_tweedie_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None, power: float = 0) -> float:
    """1 - deviance / deviance of predicting the mean: R2 for the Tweedie family (R2 itself at power 0).

    Parameters as in `mean_tweedie_deviance`.

    Examples
    --------
    >>> d2_tweedie_score([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], power=1)
    0.0
    """
    true, predicted, weight = one_output(y_true, y_pred, sample_weight, "the Tweedie deviance")
    if len(true) < 2:
        return undefined("D2 is not defined with fewer than two rows")
    loss = mean_tweedie_deviance(true, predicted, sample_weight=weight, power=power)
    null = weighted_mean(_deviances(true, weighted_mean(true, weight), power), weight)
    return float(explained_share(loss, null))
