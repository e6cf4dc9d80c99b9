"""Errors in terms of quantiles: the median error, the loss whose best answer is a quantile, the share explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.metrics.checks import weighted_mean
from tripos.metrics.regression import EPS, combine, explained, mean_of, targets, too_short


def weighted_quantile(values: np.ndarray, q: float, weight: np.ndarray | None) -> np.ndarray:
    """The q-quantile of each column of (n, k) values: the middle of the interval of values that qualify.

    A value v qualifies when rows of weight q are at or below it and rows of weight 1 - q at or above.
    """
    if weight is None:
        weight = np.ones(len(values))
    values, weight = values[weight > 0], weight[weight > 0]
    quantiles = np.empty(values.shape[1])
    for column in range(values.shape[1]):
        order = np.argsort(values[:, column], kind="stable")
        cumulated = np.cumsum(weight[order], dtype=np.float64)
        wanted = q * cumulated[-1]
        at = min(int(np.searchsorted(cumulated, wanted)), len(order) - 1)
        exactly = wanted > 0 and cumulated[at] - wanted <= EPS
        after = min(at + 1, len(order) - 1) if exactly else at
        quantiles[column] = (values[order[at], column] + values[order[after], column]) / 2
    return quantiles


def median_absolute_error(
    y_true: Any, y_pred: Any, *, multioutput: Any = "uniform_average", sample_weight: Any = None
) -> Any:
    """Median of |y_i - yhat_i|: half of the rows are closer. Not moved by a few wild rows.

    Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> median_absolute_error([3.0, 1.0, 2.0], [2.0, 1.0, 400.0])
    1.0
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    errors = np.abs(true - predicted)
    middle = np.median(errors, axis=0) if weight is None else weighted_quantile(errors, 0.5, weight)
    return combine(middle, multioutput)


def _pinball(true: np.ndarray, predicted: np.ndarray, alpha: float) -> np.ndarray:
    gap = true - predicted
    return np.asarray(gap * np.where(gap >= 0, alpha, alpha - 1))


def mean_pinball_loss(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    alpha: float = 0.5,
    multioutput: Any = "uniform_average",
) -> Any:
    """Loss that the alpha-quantile minimises: alpha (y - yhat) above the prediction, (1 - alpha) (yhat - y) below.

    Parameters
    ----------
    alpha : float in [0, 1]
        The quantile that is predicted; 0.5 gives half the mean absolute error.
    y_true, y_pred, sample_weight, multioutput
        As in `mean_squared_error`.

    References
    ----------
    Koenker and Bassett: Regression quantiles, Econometrica 46, 1978, doi:10.2307/1913643.

    Examples
    --------
    >>> round(mean_pinball_loss([1.0, 2.0], [0.0, 3.0], alpha=0.9), 6)
    0.5
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    return mean_of(_pinball(true, predicted, alpha), weight, multioutput)


def d2_pinball_score(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    alpha: float = 0.5,
    multioutput: Any = "uniform_average",
) -> Any:
    """1 - pinball loss / pinball loss of the target's own alpha-quantile.

    Parameters as in `mean_pinball_loss`.

    Examples
    --------
    >>> d2_pinball_score([1, 2, 3], [2, 2, 2], alpha=0.5)
    0.0
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    if too_short(true, "D2"):
        return float("nan")
    loss = mean_pinball_loss(true, predicted, sample_weight=weight, alpha=alpha, multioutput="raw_values")
    null = weighted_mean(_pinball(true, weighted_quantile(true, alpha, weight), alpha), weight)
    return explained(loss, null, multioutput)


def d2_absolute_error_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """1 - mean absolute error / mean absolute error of the target's own median.

    Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> d2_absolute_error_score([1, 2, 3], [1, 2, 3])
    1.0
    """
    return d2_pinball_score(y_true, y_pred, sample_weight=sample_weight, alpha=0.5, multioutput=multioutput)
