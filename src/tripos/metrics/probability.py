"""How good predicted probabilities are: log loss, Brier score, and the share of either that a model explains.

Both are proper scoring rules: the expected score is best when the predicted probability is the true one
(Gneiting and Raftery, JASA 102, 2007, doi:10.1198/016214506000001437).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tripos.metrics.checks import (
    encode,
    explained_share,
    place_among,
    same_length,
    scores,
    two_classes,
    undefined,
    weighted_mean,
    weights,
)
from tripos.metrics.checks import labels as as_labels


def _probabilities(y_proba: Any) -> tuple[np.ndarray, float]:
    """Probabilities as float64, shape (n,) or (n, k), and the rounding unit of the precision they came in."""
    given = scores(y_proba, "y_proba")
    if not np.isfinite(given).all():
        row = int(np.argwhere(~np.isfinite(given))[0][0])
        raise ValueError(
            f"y_proba holds {given[row]} at row {row}: probabilities must be numbers from 0 to 1"
        )
    low, high = float(given.min()), float(given.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"y_proba ranges from {low:g} to {high:g}: probabilities from 0 to 1 are expected; pass what "
            "predict_proba returns, not decision_function"
        )
    return given.astype(np.float64, copy=False), float(np.finfo(given.dtype).eps)


def _codes(y_true: Any, n_columns: int, wanted: Any) -> np.ndarray:
    """Each row's column among the sorted classes."""
    true = as_labels(y_true, "y_true")
    if wanted is None:
        classes, (codes,) = encode(true)
    else:
        classes = np.unique(as_labels(wanted, "labels"))
        codes, known = place_among(true, classes)
        if not known.all():
            strangers = np.unique(true[~known])[:10].tolist()
            raise ValueError(f"y_true holds labels that are not in labels: {strangers}")
    if len(classes) < 2:
        raise ValueError(
            f"y_true holds one label only, {classes[0].item()!r}: name all classes, in the order of the columns of y_proba, in labels"
        )
    if len(classes) != n_columns:
        raise ValueError(
            f"y_proba has {n_columns} columns for {len(classes)} classes {classes[:10].tolist()}: name all classes in labels"
        )
    return codes


def _multiclass(
    y_true: Any, y_proba: Any, labels: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, float]:
    """Codes (n,), probabilities (n, n_classes), weights and rounding unit; a vector means P(larger label)."""
    proba, eps = _probabilities(y_proba)
    weight = weights(sample_weight, same_length(y_true=np.asarray(y_true), y_proba=proba))
    if proba.ndim == 1:
        proba = np.column_stack([1 - proba, proba])
    totals = proba.sum(axis=1)
    if not np.isclose(totals, 1, rtol=math.sqrt(eps)).all():
        row = int(np.flatnonzero(~np.isclose(totals, 1, rtol=math.sqrt(eps)))[0])
        warnings.warn(
            f"the probabilities of row {row} sum to {totals[row]:g}, not to 1: pass what predict_proba returns",
            stacklevel=3,
        )
    return _codes(y_true, proba.shape[1], labels), proba, weight, eps


def _log_losses(codes: np.ndarray, proba: np.ndarray, eps: float) -> np.ndarray:
    """-log of the probability given to each row's class, kept off 0 and 1 by the rounding unit; shape (n,)."""
    given: np.ndarray = proba[np.arange(len(codes)), codes]
    return np.asarray(-np.log(given.clip(eps, 1 - eps)))


def _total(values: np.ndarray, weight: np.ndarray | None) -> float:
    return float(values.sum() if weight is None else weight @ values)


def log_loss(
    y_true: Any, y_proba: Any, *, normalize: bool = True, sample_weight: Any = None, labels: Any = None
) -> float:
    """Mean surprise at the true class (cross-entropy), in nats.

        - sum_i w_i log p_i(y_i) / sum_i w_i

    Parameters
    ----------
    y_true : array-like of shape (n,)
    y_proba : array-like of shape (n,), of the larger of two labels, or (n, n_classes), classes in sorted order
        Probabilities of exactly 0 and 1 are moved inwards by the rounding unit of their type.
    normalize : bool
        False returns the sum instead of the mean.
    sample_weight : array-like of shape (n,), optional
    labels : array-like of shape (n_classes,), optional
        All classes, where y_true does not hold each of them.

    Examples
    --------
    >>> round(log_loss(["ham", "spam", "spam"], [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]), 4)
    0.3406
    """
    codes, proba, weight, eps = _multiclass(y_true, y_proba, labels, sample_weight)
    losses = _log_losses(codes, proba, eps)
    return float(weighted_mean(losses, weight)) if normalize else _total(losses, weight)


def _share_by_class(codes: np.ndarray, n_classes: int, weight: np.ndarray | None) -> np.ndarray:
    counts = np.bincount(codes, weights=weight, minlength=n_classes)
    return np.asarray(counts / counts.sum())


def d2_log_loss_score(y_true: Any, y_proba: Any, *, sample_weight: Any = None, labels: Any = None) -> float:
    """1 - log loss / log loss of always predicting the class shares: 1 perfect, 0 no better than the shares.

    Parameters as in `log_loss`.

    Examples
    --------
    >>> d2_log_loss_score([0, 1], [[0.5, 0.5], [0.5, 0.5]])
    0.0
    """
    codes, proba, weight, eps = _multiclass(y_true, y_proba, labels, sample_weight)
    if len(codes) < 2:
        return undefined("D2 is not defined with fewer than two rows")
    shares = np.broadcast_to(_share_by_class(codes, proba.shape[1], weight), proba.shape)
    null = _total(_log_losses(codes, shares, float(np.finfo(np.float64).eps)), weight)
    return float(explained_share(_total(_log_losses(codes, proba, eps), weight), null))


def _brier_terms(
    y_true: Any, y_proba: Any, pos_label: Any, labels: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Codes, probabilities (n, n_classes) and weights; a vector of probabilities means P(pos_label)."""
    shape = np.shape(y_proba)
    if len(shape) == 2 and shape[1] > 1:
        return _multiclass(y_true, y_proba, labels, sample_weight)[:3]
    proba, _ = _probabilities(y_proba)
    true = as_labels(y_true, "y_true")
    weight = weights(sample_weight, same_length(y_true=true, y_proba=proba))
    pair = two_classes(true)
    if pair is None:
        raise ValueError("y_true has more than two classes: y_proba must have a column for each")
    low, high, is_high = pair
    if pos_label is None and low == high and high in (0, -1) and true.dtype.kind != "U":
        is_high = np.zeros(len(true), bool)  # only the negative class of 0/1 or -1/1 occurs
    elif pos_label is None and low == high and true.dtype.kind == "U":
        raise ValueError(f"y_true holds one label only, {high!r}: name the positive class with pos_label")
    elif pos_label is not None:
        if low != high and pos_label not in (low, high):
            raise ValueError(f"pos_label={pos_label!r} does not occur: the labels are {low!r} and {high!r}")
        is_high = np.asarray(true == pos_label)
    return is_high.astype(np.int64), np.column_stack([1 - proba, proba]), weight


def _squared_distances(codes: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Squared distance of each row of probabilities from its class's corner, shape (n,)."""
    gap = proba.copy()
    gap[np.arange(len(codes)), codes] -= 1
    return np.asarray(np.einsum("ij,ij->i", gap, gap))


def brier_score_loss(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    pos_label: Any = None,
    labels: Any = None,
    scale_by_half: bool | str = "auto",
) -> float:
    """Mean squared distance of the predicted probabilities from what happened.

        (1/n) sum_i sum_k ([y_i = k] - p_ik)^2

    halved for two classes, where it is (1/n) sum_i (y_i - p_i)^2 and lies between 0 and 1.

    Parameters
    ----------
    y_true : array-like of shape (n,)
    y_proba : array-like of shape (n,), of the positive class, or (n, n_classes), classes in sorted order
    sample_weight : array-like of shape (n,), optional
    pos_label : label, optional
        Positive class of two; default the larger one.
    labels : array-like of shape (n_classes,), optional
        All classes, where y_true does not hold each of them.
    scale_by_half : bool or "auto"
        Whether to halve the sum; "auto" does for two classes.

    References
    ----------
    Brier: Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> round(brier_score_loss([0, 1, 1], [0.1, 0.9, 0.7]), 4)
    0.0367
    """
    codes, proba, weight = _brier_terms(y_true, y_proba, pos_label, labels, sample_weight)
    score = float(weighted_mean(_squared_distances(codes, proba), weight))
    halve = proba.shape[1] < 3 if scale_by_half == "auto" else scale_by_half
    return score / 2 if halve else score


def d2_brier_score(
    y_true: Any, y_proba: Any, *, sample_weight: Any = None, pos_label: Any = None, labels: Any = None
) -> float:
    """1 - Brier score / Brier score of always predicting the class shares (Brier skill score).

    Parameters as in `brier_score_loss`.

    Examples
    --------
    >>> d2_brier_score([0, 1], [0.5, 0.5])
    0.0
    """
    codes, proba, weight = _brier_terms(y_true, y_proba, pos_label, labels, sample_weight)
    if len(codes) < 2:
        return undefined("D2 is not defined with fewer than two rows")
    shares = np.broadcast_to(_share_by_class(codes, proba.shape[1], weight), proba.shape)
    loss = weighted_mean(_squared_distances(codes, proba), weight)
    return float(explained_share(loss, weighted_mean(_squared_distances(codes, shares), weight)))
