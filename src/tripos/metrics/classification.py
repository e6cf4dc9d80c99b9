"""Precision, recall and F-beta per class, and their averages.

    precision = tp / (tp + fp)      of what was called positive, how much is
    recall    = tp / (tp + fn)      of what is positive, how much was found
    F_beta    = (1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)

van Rijsbergen, Information Retrieval, 2nd edition 1979, chapter 7.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.metrics.checks import choice, encode, label_pair, undefined
from tripos.metrics.checks import labels as as_labels

_AVERAGES = (None, "binary", "micro", "macro", "weighted")
MEASURES = ("precision", "recall", "f-score")
_EMPTY = {
    "precision": "no row was called that class",
    "recall": "no row is of that class",
    "f-score": "no row is or was called that class",
}


@dataclass(frozen=True)
class Counts:
    """Rows of each class: rightly called so, called so, and truly so; each of shape (n_classes,)."""

    labels: np.ndarray
    right: np.ndarray
    called: np.ndarray
    support: np.ndarray

    @classmethod
    def of(cls, y_true: Any, y_pred: Any, sample_weight: Any) -> Counts:
        """The counts of every class that occurs, in sorted order."""
        true, predicted, weight = label_pair(y_true, y_pred, sample_weight)
        present, (true, predicted) = encode(true, predicted)
        hit = true == predicted
        return cls(
            present,
            np.bincount(true[hit], weights=None if weight is None else weight[hit], minlength=len(present)),
            np.bincount(predicted, weights=weight, minlength=len(present)),
            np.bincount(true, weights=weight, minlength=len(present)),
        )

    def only(self, labels: Any) -> Counts:
        """The counts of the given labels in their order; zero for a label that does not occur."""
        if labels is None:
            return self
        wanted = as_labels(labels, "labels")
        at = np.array([place_of(self.labels, label) for label in wanted])
        return Counts(wanted, *(np.append(c, 0)[at] for c in (self.right, self.called, self.support)))

    def summed(self) -> Counts:
        """All classes as one, for micro averages."""
        return Counts(self.labels, *(c.sum(keepdims=True) for c in (self.right, self.called, self.support)))


def place_of(present: np.ndarray, label: Any) -> int:
    """Where the label stands among those present; -1 (the appended zero) when it does not occur."""
    found = np.flatnonzero(present == label)
    return int(found[0]) if len(found) else -1


def _divide(
    numerator: np.ndarray,
    denominator: np.ndarray,
    measure: str,
    zero_division: float | str,
    warn_for: Sequence[str],
) -> np.ndarray:
    empty = denominator == 0
    if not empty.any():
        return np.asarray(numerator / denominator)
    if zero_division == "warn" and measure in warn_for:
        undefined(
            f"{measure} is 0/0 for {int(empty.sum())} of {len(empty)} classes ({_EMPTY[measure]}) and set to 0; "
            "choose the value with zero_division",
            stacklevel=5,
        )
    fill = 0.0 if zero_division == "warn" else float(zero_division)
    return np.where(empty, fill, numerator / np.where(empty, 1, denominator))


def _average(values: np.ndarray, weight: np.ndarray | None) -> float:
    """Mean over the classes in which the measure is defined (zero_division=nan leaves a class out)."""
    defined = ~np.isnan(values)
    if not defined.any():
        return math.nan
    if weight is None or weight[defined].sum() == 0:
        return float(values[defined].mean())
    return float(np.average(values[defined], weights=weight[defined]))


def _positive_only(present: np.ndarray, pos_label: Any) -> list[Any]:
    """The one class that average="binary" looks at."""
    if len(present) > 2:
        raise ValueError(
            f"the target has {len(present)} classes but average='binary' needs two: "
            "choose average='micro', 'macro', 'weighted' or None"
        )
    if len(present) == 2 and place_of(present, pos_label) < 0:
        raise ValueError(f"pos_label={pos_label!r} does not occur: the labels are {present.tolist()}")
    return [pos_label]


def precision_recall_fscore_support(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float = 1.0,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = None,
    warn_for: Sequence[str] = MEASURES,
    sample_weight: Any = None,
    zero_division: float | str = "warn",
) -> tuple[Any, Any, Any, Any]:
    """Precision, recall and F-beta of each class or averaged, and how many rows each class has.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
    beta : float
        How many times recall counts as much as precision.
    labels : array-like, optional
        The classes to report or average over, in order; default: all that occur, sorted.
    pos_label : label
        The positive class of average="binary".
    average : {"binary", "micro", "macro", "weighted"}, optional
        None: arrays with a value per class. "binary": the positive class. "micro": counts summed over the
        classes first. "macro": plain mean over the classes. "weighted": mean weighted by rows of the class.
    warn_for : sequence of str
        Which of "precision", "recall", "f-score" warn where they are 0/0.
    sample_weight : array-like of shape (n,), optional
    zero_division : {"warn", 0.0, 1.0, nan}
        The value of 0/0; nan leaves the class out of averages.

    Returns
    -------
    precision, recall, fscore : float, or ndarray of shape (n_classes,)
    support : ndarray of shape (n_classes,), or None when averaged

    Examples
    --------
    >>> p, r, f, n = precision_recall_fscore_support([0, 1, 1, 1], [0, 1, 1, 0])
    >>> p, r.round(3), n
    (array([0.5, 1. ]), array([1.   , 0.667]), array([1, 3]))
    """
    choice(average, _AVERAGES, "average")
    _check_numbers(beta, zero_division)
    counts = Counts.of(y_true, y_pred, sample_weight)
    if average == "binary":
        labels = _positive_only(counts.labels, pos_label)
    elif pos_label not in (None, 1):
        warnings.warn(
            f"pos_label={pos_label!r} is ignored with average={average!r}: for one class pass labels=[{pos_label!r}]",
            stacklevel=2,
        )
    return measure(counts.only(labels), beta, average, zero_division, warn_for)


def _check_numbers(beta: Any, zero_division: Any) -> None:
    if not beta >= 0:
        raise ValueError(f"beta must be a number >= 0, got {beta!r}")
    is_nan = isinstance(zero_division, float) and math.isnan(zero_division)
    if not (is_nan or zero_division in ("warn", 0, 1)):
        raise ValueError(f"zero_division must be 'warn', 0, 1 or nan, got {zero_division!r}")


def measure(
    counts: Counts, beta: float, average: str | None, zero_division: float | str, warn_for: Sequence[str]
) -> tuple[Any, Any, Any, Any]:
    """Precision, recall, F-beta and support from counts."""
    n = counts.summed() if average == "micro" else counts
    precision = _divide(n.right, n.called, "precision", zero_division, warn_for)
    recall = _divide(n.right, n.support, "recall", zero_division, warn_for)
    b2 = beta * beta
    if beta == 0 or math.isinf(beta):
        fscore = precision if beta == 0 else recall
    else:
        fscore = _divide((1 + b2) * n.right, b2 * n.support + n.called, "f-score", zero_division, warn_for)
    if average is None:
        return precision, recall, fscore, n.support
    weight = n.support if average == "weighted" else None
    return _average(precision, weight), _average(recall, weight), _average(fscore, weight), None


def precision_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float | str = "warn",
) -> Any:
    """tp / (tp + fp): of the rows called positive, the share that is.

    Parameters as in `precision_recall_fscore_support`.

    Examples
    --------
    >>> precision_score(["ham", "spam", "ham", "spam"], ["spam", "spam", "ham", "spam"], pos_label="spam")
    0.666...
    """
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        labels=labels,
        pos_label=pos_label,
        average=average,
        warn_for=("precision",),
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[0]


def recall_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float | str = "warn",
) -> Any:
    """tp / (tp + fn): of the positive rows, the share that was found.

    Parameters as in `precision_recall_fscore_support`.

    Examples
    --------
    >>> recall_score([1, 1, 1, 0], [1, 0, 0, 0])
    0.333...
    """
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        labels=labels,
        pos_label=pos_label,
        average=average,
        warn_for=("recall",),
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[1]


def fbeta_score(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float | str = "warn",
) -> Any:
    """Weighted harmonic mean of precision and recall, recall counting beta times as much.

    Parameters as in `precision_recall_fscore_support`.

    Examples
    --------
    >>> round(fbeta_score([1, 1, 1, 0], [1, 0, 0, 0], beta=2), 4)
    0.3846
    """
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        beta=beta,
        labels=labels,
        pos_label=pos_label,
        average=average,
        warn_for=("f-score",),
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[2]


def f1_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float | str = "warn",
) -> Any:
    """Harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn).

    Parameters as in `precision_recall_fscore_support`.

    Examples
    --------
    >>> f1_score([1, 1, 1, 0], [1, 0, 0, 0])
    0.5
    """
    return fbeta_score(
        y_true,
        y_pred,
        beta=1.0,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )
