"""What every threshold on a score would give: ROC and precision-recall curves and the areas under them.

Sort the rows by score, highest first; calling positive the rows down to each distinct score gives one point per
score, with tp and fp the positives and negatives so far.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tripos.metrics.checks import choice, numbers, same_length, scores, two_classes, undefined, weights
from tripos.metrics.checks import labels as as_labels
from tripos.metrics.radix import counts_at_thresholds


def score_vector(y_score: Any) -> np.ndarray:
    """Scores of shape (n,): larger means more surely positive."""
    found = scores(y_score)
    if found.ndim == 2:
        raise ValueError(
            f"y_score has {found.shape[1]} columns for a two-class target: pass the scores of the positive class, "
            "predict_proba(X)[:, 1] or decision_function(X)"
        )
    return found


def average_classes(values: np.ndarray, weight: np.ndarray | None) -> float:
    """Mean of one value per class; classes of zero weight, and those where the measure is nan, are left out."""
    counted = ~np.isnan(values) if weight is None else weight > 0
    return float(np.average(values[counted], weights=None if weight is None else weight[counted]))


def _positive_rows(true: np.ndarray, pos_label: Any) -> np.ndarray:
    """Rows of the positive class: `pos_label`, or 1 where the labels are 0/1 or -1/1."""
    pair = two_classes(true)
    if pos_label is None:
        if pair is None:
            raise ValueError("y_true has more than two classes: name the positive one with pos_label")
        low, high, _ = pair
        if true.dtype.kind == "U" or not ({low, high} <= {0, 1} or {low, high} <= {-1, 1}):
            raise ValueError(
                f"y_true holds the labels {low!r} and {high!r}: name the positive one, pos_label={high!r}"
            )
        pos_label = 1
    return np.asarray(true == pos_label)


def _counts(
    y_true: Any, y_score: Any, pos_label: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds, true positives and false positives."""
    true, score = as_labels(y_true, "y_true"), score_vector(y_score)
    rows = same_length(y_true=true, y_score=score)
    return counts_at_thresholds(score, _positive_rows(true, pos_label), weights(sample_weight, rows))


def roc_curve(
    y_true: Any,
    y_score: Any,
    *,
    pos_label: Any = None,
    sample_weight: Any = None,
    drop_intermediate: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels of two classes.
    y_score : array-like of shape (n,)
        Larger means more surely positive.
    pos_label : label, optional
        The positive class; not needed where the labels are 0/1 or -1/1.
    sample_weight : array-like of shape (n,), optional
    drop_intermediate : bool
        Leave out the points on a straight line between their neighbours.

    Returns
    -------
    fpr, tpr : ndarrays of shape (n_thresholds,)
        fp / negatives and tp / positives, from (0, 0) to (1, 1).
    thresholds : ndarray of shape (n_thresholds,)
        Descending; the first is inf, above which no row is called positive.

    References
    ----------
    Fawcett: An introduction to ROC analysis, Pattern Recognition Letters 27, 2006,
    doi:10.1016/j.patrec.2005.10.010.

    Examples
    --------
    >>> fpr, tpr, thresholds = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr, tpr, thresholds
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]), array([ inf, 0.8 , 0.4 , 0.35, 0.1 ]))
    """
    thresholds, tps, fps = _counts(y_true, y_score, pos_label, sample_weight)
    if drop_intermediate and len(fps) > 2:
        bends = (np.diff(fps, 2) != 0) | (np.diff(tps, 2) != 0)
        kept = np.r_[True, bends, True]
        thresholds, tps, fps = thresholds[kept], tps[kept], fps[kept]
    rates = []
    for counts, kind in ((fps, "negative"), (tps, "positive")):
        if counts[-1] <= 0:
            undefined(f"y_true holds no {kind} row: the {kind} rate is 0/0 and set to nan")
            rates.append(np.full(len(counts) + 1, np.nan))
        else:
            rates.append(np.r_[0.0, counts] / counts[-1])
    return rates[0], rates[1], np.r_[np.inf, thresholds.astype(np.float64)]


def precision_recall_curve(
    y_true: Any,
    y_score: Any,
    *,
    pos_label: Any = None,
    sample_weight: Any = None,
    drop_intermediate: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall at every threshold, in ascending order of the threshold.

    Parameters
    ----------
    y_true, y_score, pos_label, sample_weight
        As in `roc_curve`.
    drop_intermediate : bool
        Leave out the points between two others of the same recall.

    Returns
    -------
    precision, recall : ndarrays of shape (n_thresholds + 1,)
        The last point is (1, 0) and has no threshold.
    thresholds : ndarray of shape (n_thresholds,)

    Examples
    --------
    >>> precision, recall, thresholds = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> precision.round(2), recall
    (array([0.5 , 0.67, 0.5 , 1.  , 1.  ]), array([1. , 1. , 0.5, 0.5, 0. ]))
    """
    thresholds, tps, fps = _counts(y_true, y_score, pos_label, sample_weight)
    if drop_intermediate and len(fps) > 2:
        moves = np.diff(tps) != 0
        kept = np.r_[True, moves[:-1] | moves[1:], True]
        thresholds, tps, fps = thresholds[kept], tps[kept], fps[kept]
    precision, recall = _precision_recall(tps, fps)
    return np.r_[precision[::-1], 1.0], np.r_[recall[::-1], 0.0], thresholds[::-1]


def _precision_recall(tps: np.ndarray, fps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    called = tps + fps
    precision = np.divide(tps, called, out=np.zeros(len(tps)), where=called != 0)
    if tps[-1] == 0:
        warnings.warn("y_true holds no positive row: recall is set to 1 at every threshold", stacklevel=4)
        return precision, np.ones(len(tps))
    return precision, tps / tps[-1]


def auc(x: Any, y: Any) -> float:
    """Area under the points (x, y) by the trapezoidal rule; x must ascend or descend.

    Examples
    --------
    >>> auc([0.0, 0.5, 1.0], [0.0, 1.0, 1.0])
    0.75
    """
    across, up = numbers(x, "x"), numbers(y, "y")
    if same_length(x=across, y=up) < 2:
        raise ValueError(f"an area needs at least two points, got {len(across)}")
    steps = np.diff(across)
    if (steps < 0).any() and (steps > 0).any():
        at = int(np.flatnonzero(np.sign(steps) == -np.sign(steps[steps != 0][0]))[0])
        raise ValueError(
            f"x must ascend or descend throughout, but turns at position {at + 1}: sort the points by x"
        )
    area = float(steps @ (up[1:] + up[:-1])) / 2
    return -area if (steps < 0).any() else area


def average_precision_score(
    y_true: Any, y_score: Any, *, average: str | None = "macro", pos_label: Any = 1, sample_weight: Any = None
) -> Any:
    """Area under the precision-recall curve as a sum of steps.

        AP = sum_t (R_t - R_{t-1}) P_t

    over the thresholds t, descending. No straight lines between the points: they would promise precision that
    no threshold reaches (Davis and Goadrich, ICML 2006, doi:10.1145/1143844.1143874).

    Parameters
    ----------
    y_true : array-like of shape (n,)
    y_score : array-like of shape (n,), or (n, n_classes) for three or more classes, one against the rest
    average : {"macro", "micro", "weighted"}, optional
        How the classes of a multiclass target are averaged; None returns one value per class.
    pos_label : label
        The positive class of a two-class target.
    sample_weight : array-like of shape (n,), optional

    Examples
    --------
    >>> round(average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    choice(average, (None, "macro", "micro", "weighted"), "average")
    true, score = as_labels(y_true, "y_true"), scores(y_score)
    weight = weights(sample_weight, same_length(y_true=true, y_score=score))
    pair = two_classes(true)
    if pair is not None:
        low, high, _ = pair
        if low != high and pos_label not in (low, high):
            raise ValueError(f"pos_label={pos_label!r} does not occur: the labels are {low!r} and {high!r}")
        return _average_precision(score_vector(score), np.asarray(true == pos_label), weight)
    if pos_label != 1:
        raise ValueError(f"pos_label={pos_label!r} has no meaning for three or more classes: leave it out")
    classes = np.unique(true)
    if score.shape != (len(true), len(classes)):
        raise ValueError(
            f"y_score must have shape ({len(true)}, {len(classes)}), a column per class, got {score.shape}"
        )
    member = true[:, None] == classes
    return one_against_rest(_average_precision, member, score, weight, average)


def one_against_rest(
    measure: Any, member: np.ndarray, score: np.ndarray, weight: np.ndarray | None, average: str | None
) -> Any:
    """A two-class measure of every class against the others, averaged.

    Parameters
    ----------
    measure : callable of (score, positive rows, weights) -> float
    member : bool ndarray of shape (n, n_classes)
    score : ndarray of shape (n, n_classes)
    """
    if average == "micro":
        repeated = None if weight is None else np.repeat(weight, member.shape[1])
        return measure(score.ravel(), member.ravel(), repeated)
    support = member.sum(axis=0) if weight is None else weight @ member
    occurs = support > 0 if average == "weighted" else np.ones(len(support), bool)
    values = np.array(
        [measure(score[:, c], member[:, c], weight) if occurs[c] else 0.0 for c in range(len(support))]
    )
    if average is None:
        return values
    return average_classes(values, support if average == "weighted" else None)


def _average_precision(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None) -> float:
    _, tps, fps = counts_at_thresholds(score, positive, weight)
    precision, recall = _precision_recall(tps, fps)
    return max(0.0, float(np.diff(recall, prepend=0.0) @ precision)) if tps[-1] > 0 else 0.0
