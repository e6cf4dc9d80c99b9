"""How far predicted numbers are from the true ones: errors in the target's units, and shares explained.

All take targets of shape (n,) or (n, n_outputs); `multioutput` says how several outputs become one number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.metrics.checks import (
    choice,
    explained_share,
    numbers,
    same_length,
    undefined,
    weighted_mean,
    weights,
)

EPS = float(np.finfo(np.float64).eps)


def targets(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """True and predicted values, each of shape (n, n_outputs), and the weights."""
    true, predicted = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
    rows = same_length(y_true=true, y_pred=predicted)
    true, predicted = true.reshape(rows, -1), predicted.reshape(rows, -1)
    if true.shape != predicted.shape:
        raise ValueError(f"y_true has {true.shape[1]} outputs but y_pred has {predicted.shape[1]}")
    return true, predicted, weights(sample_weight, rows)


def one_output(
    y_true: Any, y_pred: Any, sample_weight: Any, measure: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """`targets` of shape (n,), for a measure that is defined for one output only."""
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    if true.shape[1] > 1:
        raise ValueError(f"{measure} is defined for one output, got {true.shape[1]}: call it for each column")
    return true[:, 0], predicted[:, 0], weight


def combine(per_output: np.ndarray, multioutput: Any, spread: np.ndarray | None = None) -> Any:
    """One number from a value per output (shape (n_outputs,)), as `multioutput` says."""
    if isinstance(multioutput, str):
        allowed = ("raw_values", "uniform_average") + (() if spread is None else ("variance_weighted",))
        choice(multioutput, allowed, "multioutput")
        if multioutput == "raw_values":
            return per_output
        if multioutput == "variance_weighted" and spread is not None and spread.any():
            return float(np.average(per_output, weights=spread))
        return float(per_output.mean())
    mix = numbers(multioutput, "multioutput")
    if mix.shape != per_output.shape or len(per_output) == 1:
        raise ValueError(f"multioutput has {mix.size} weights for {len(per_output)} outputs")
    return float(np.average(per_output, weights=mix))


def mean_of(errors: np.ndarray, weight: np.ndarray | None, multioutput: Any) -> Any:
    return combine(np.atleast_1d(weighted_mean(errors, weight)), multioutput)


def mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean of the squared errors, in squared units of the target.

        sum_i w_i (y_i - yhat_i)^2 / sum_i w_i

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_outputs)
    sample_weight : array-like of shape (n,), optional
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        Plain mean over the outputs, a value per output, or the mean with these weights.

    Examples
    --------
    >>> mean_squared_error([3.0, 1.0], [2.0, 1.0])
    0.5
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    return mean_of((true - predicted) ** 2, weight, multioutput)


def root_mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Square root of the mean squared error (of each output, then averaged), in units of the target.

    Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> root_mean_squared_error([3.0, 0.0, 5.0, 3.0], [1.0, 2.0, 3.0, 1.0])
    2.0
    """
    mse = mean_squared_error(y_true, y_pred, sample_weight=sample_weight, multioutput="raw_values")
    return combine(np.sqrt(mse), multioutput)


def mean_absolute_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean of |y_i - yhat_i|, in units of the target.

    Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> mean_absolute_error([3.0, 1.0, 2.0], [2.0, 1.0, 4.0])
    1.0
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    return mean_of(np.abs(true - predicted), weight, multioutput)


def mean_absolute_percentage_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean of |y_i - yhat_i| / |y_i|: 0.1 is ten per cent. Enormous where a true value is zero.

    Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> mean_absolute_percentage_error([100.0, 50.0], [75.0, 50.0])
    0.125
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    return mean_of(np.abs(true - predicted) / np.maximum(np.abs(true), EPS), weight, multioutput)


def _logs(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    for name, values in (("y_true", true), ("y_pred", predicted)):
        if (values <= -1).any():
            raise ValueError(f"{name} holds {values.min():g}: log(1 + y) needs values above -1")
    return np.log1p(true), np.log1p(predicted), weight


def mean_squared_log_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean squared error of log(1 + y): relative errors of counts and prices. Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> round(mean_squared_log_error([3.0, 5.0], [2.5, 5.0]), 6)
    0.008915
    """
    true, predicted, weight = _logs(y_true, y_pred, sample_weight)
    return mean_of((true - predicted) ** 2, weight, multioutput)


def root_mean_squared_log_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Root of the mean squared log error. Parameters as in `mean_squared_error`.

    Examples
    --------
    >>> root_mean_squared_log_error([0.0], [1.7182818284590451])
    1.0
    """
    true, predicted, weight = _logs(y_true, y_pred, sample_weight)
    return combine(np.sqrt(mean_of((true - predicted) ** 2, weight, "raw_values")), multioutput)


def max_error(y_true: Any, y_pred: Any) -> float:
    """The largest absolute error.

    Examples
    --------
    >>> max_error([3.0, 1.0, 2.0], [2.0, 1.0, 4.0])
    2.0
    """
    true, predicted, _ = one_output(y_true, y_pred, None, "max_error")
    return float(np.abs(true - predicted).max())


def explained(residual: np.ndarray, total: np.ndarray, multioutput: Any, force_finite: bool = True) -> Any:
    """Share of `total` that is explained, per output and combined; without `force_finite` 0/0 is nan."""
    if force_finite:
        share = explained_share(residual, total)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 1 - residual / total
    return combine(share, multioutput, spread=total)


def too_short(true: np.ndarray, measure: str) -> bool:
    if len(true) >= 2:
        return False
    undefined(f"{measure} is not defined with fewer than two rows", stacklevel=4)
    return True


def r2_score(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    multioutput: Any = "uniform_average",
    force_finite: bool = True,
) -> Any:
    """Share of the target's variance that is explained: 1 perfect, 0 as good as the mean, negative worse.

        R2 = 1 - sum_i w_i (y_i - yhat_i)^2 / sum_i w_i (y_i - ybar)^2

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_outputs)
    sample_weight : array-like of shape (n,), optional
    multioutput : {"uniform_average", "raw_values", "variance_weighted"} or array-like of shape (n_outputs,)
    force_finite : bool
        A constant target gives 1 where it is met exactly and 0 where not, instead of nan and -inf.

    Examples
    --------
    >>> round(r2_score([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]), 4)
    0.9486
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    if too_short(true, "R2"):
        return float("nan")
    squares, spread = (true - predicted) ** 2, (true - weighted_mean(true, weight)) ** 2
    if weight is None:
        return explained(squares.sum(axis=0), spread.sum(axis=0), multioutput, force_finite)
    return explained(weight @ squares, weight @ spread, multioutput, force_finite)


def adjusted_r2_score(
    y_true: Any,
    y_pred: Any,
    *,
    n_features: int,
    sample_weight: Any = None,
    multioutput: Any = "uniform_average",
) -> Any:
    """R2 of the training rows, corrected for the number of fitted coefficients.

        1 - (1 - R2) (n - 1) / (n - p - 1)

    Parameters
    ----------
    y_true, y_pred, multioutput
        As in `r2_score`.
    n_features : int
        p, the coefficients fitted beside the intercept.
    sample_weight : array-like of shape (n,), optional
        n is the sum of the weights (a weight says how many times a row counts).

    References
    ----------
    Theil: Economic Forecasts and Policy, 1961, section 6.

    Examples
    --------
    >>> round(adjusted_r2_score([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0], n_features=1), 4)
    0.9229
    """
    n = len(numbers(y_true, "y_true")) if sample_weight is None else float(np.sum(sample_weight))
    if not 0 <= n_features < n - 1:
        raise ValueError(
            f"adjusted R2 needs 0 <= n_features < n - 1, got n_features={n_features} and n={n:g} rows"
        )
    r2 = r2_score(y_true, y_pred, sample_weight=sample_weight, multioutput=multioutput)
    return 1 - (1 - r2) * (n - 1) / (n - n_features - 1)


def explained_variance_score(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    multioutput: Any = "uniform_average",
    force_finite: bool = True,
) -> Any:
    """1 - Var(y - yhat) / Var(y): R2 with a constant offset of the predictions forgiven.

    Parameters as in `r2_score`.

    Examples
    --------
    >>> explained_variance_score([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    1.0
    """
    true, predicted, weight = targets(y_true, y_pred, sample_weight)
    gap = true - predicted
    left = weighted_mean((gap - weighted_mean(gap, weight)) ** 2, weight)
    spread = weighted_mean((true - weighted_mean(true, weight)) ** 2, weight)
    return explained(left, spread, multioutput, force_finite)
