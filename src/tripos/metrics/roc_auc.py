"""The area under the ROC curve: the chance that a positive row is scored above a negative one.

    AUC = P(s+ > s-) + P(s+ = s-) / 2

which is the Mann-Whitney statistic (Hanley and McNeil, Radiology 143, 1982, doi:10.1148/radiology.143.1.7063747).
Without weights the pairs are counted exactly in integers; with weights the trapezoids are summed.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from tripos.metrics.checks import (
    choice,
    same_length,
    scores,
    two_classes,
    undefined,
    weights,
)
from tripos.metrics.checks import (
    labels as as_labels,
)
from tripos.metrics.radix import auc_of_ranks, counts_at_thresholds
from tripos.metrics.ranking import average_classes, one_against_rest, score_vector


def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "macro",
    sample_weight: Any = None,
    max_fpr: float | None = None,
    multi_class: str = "raise",
    labels: Any = None,
) -> Any:
    """Area under the ROC curve of two classes, or averaged over several.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels; of two, the larger one is positive.
    y_score : array-like of shape (n,), or (n, n_classes) of probabilities
    average : {"macro", "weighted", "micro"}, optional
        Over classes (or pairs of classes): plain mean, mean by number of rows, all decisions together
        (one-against-rest only); None returns a value per class (one-against-rest only).
    sample_weight : array-like of shape (n,), optional
    max_fpr : float in (0, 1], optional
        Area of the part with false positive rate <= max_fpr, rescaled so that guessing gives 1/2 and
        perfection 1 (McClish, Medical Decision Making 9, 1989, doi:10.1177/0272989X8900900307).
    multi_class : {"raise", "ovr", "ovo"}
        Three or more classes: each against the rest, or each pair (Hand and Till, Machine Learning 45, 2001,
        doi:10.1023/A:1010920819831), which does not depend on how frequent the classes are.
    labels : array-like of shape (n_classes,), optional
        Sorted labels of the columns, where `y_true` does not hold all of them. The area of a class that does not
        occur is nan; averages leave it out, with a warning.

    Raises
    ------
    ValueError
        When y_true holds one class only: there is no pair to rank.

    Examples
    --------
    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    true, score = as_labels(y_true, "y_true"), scores(y_score)
    weight = weights(sample_weight, same_length(y_true=true, y_score=score))
    if max_fpr is not None and not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must lie in (0, 1], got {max_fpr!r}")
    pair = two_classes(true)
    if pair is not None and (score.ndim == 1 or score.shape[1] <= 2) and labels is None:
        low, high, positive = pair
        if low == high:
            raise ValueError(
                f"y_true holds one class only, {low!r}: the area under the ROC curve is not defined"
            )
        return _binary(score_vector(score), positive, weight, max_fpr)
    choice(multi_class, ("ovr", "ovo"), "multi_class (of three or more classes)")
    if max_fpr not in (None, 1):
        raise ValueError(f"max_fpr={max_fpr} is defined for two classes only: leave it out")
    classes = _classes(true, score, labels)
    if multi_class == "ovr":
        choice(average, (None, "macro", "weighted", "micro"), "average")
        return one_against_rest(_defined_or_nan, true[:, None] == classes, score, weight, average)
    choice(average, ("macro", "weighted"), "average (of one against one)")
    if weight is not None:
        raise ValueError("sample_weight is not defined for multi_class='ovo': use multi_class='ovr'")
    return _one_against_one(true, score, classes, average)


def _classes(true: np.ndarray, score: np.ndarray, labels: Any) -> np.ndarray:
    """The class of each column of `score`."""
    present = np.unique(true)
    if score.ndim != 2:
        raise ValueError(
            f"y_true has {len(present)} classes: y_score needs a column per class, got shape {score.shape}"
        )
    classes = present if labels is None else as_labels(labels, "labels")
    if len(classes) != score.shape[1]:
        raise ValueError(
            f"y_score has {score.shape[1]} columns for {len(classes)} classes {classes[:10].tolist()}: "
            "pass all classes in labels where y_true does not hold all"
        )
    if not np.array_equal(np.unique(classes), classes):
        raise ValueError(
            f"labels must be sorted and distinct like the columns of y_score, got {classes.tolist()}"
        )
    strangers = np.setdiff1d(present, classes)
    if len(strangers):
        raise ValueError(f"y_true holds labels that are not in labels: {strangers[:10].tolist()}")
    if len(present) < 2:
        raise ValueError(
            f"y_true holds one class only, {present[0].item()!r}: the area under the ROC curve is not defined"
        )
    if not np.allclose(score.sum(axis=1), 1):
        row = int(np.flatnonzero(~np.isclose(score.sum(axis=1), 1))[0])
        raise ValueError(
            f"y_score must hold probabilities that sum to 1 over the classes, row {row} sums to {score[row].sum():g}"
        )
    return classes


def _binary(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None, max_fpr: float | None = None
) -> float:
    if weight is None and max_fpr in (None, 1):
        return auc_of_ranks(score, positive)
    _, tps, fps = counts_at_thresholds(score, positive, weight)
    if tps[-1] == 0 or fps[-1] == 0:
        raise ValueError(
            "all rows of one class have sample_weight zero: the area under the ROC curve is not defined"
        )
    tpr, fpr = np.r_[0.0, tps] / tps[-1], np.r_[0.0, fps] / fps[-1]
    if max_fpr is None or max_fpr == 1:
        return _area(fpr, tpr)
    stop = int(np.searchsorted(fpr, max_fpr, "right"))
    edge = np.interp(max_fpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    area = _area(np.r_[fpr[:stop], max_fpr], np.r_[tpr[:stop], edge])
    by_chance = 0.5 * max_fpr**2
    return float(0.5 * (1 + (area - by_chance) / (max_fpr - by_chance)))


def _area(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.diff(x) @ (y[1:] + y[:-1])) / 2


def _defined_or_nan(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None) -> float:
    if positive.all() or not positive.any():
        return undefined(
            "a class does not occur in y_true: its area against the rest is nan, and left out of averages",
            stacklevel=5,
        )
    return _binary(np.ascontiguousarray(score), positive, weight)


def _one_against_one(true: np.ndarray, score: np.ndarray, classes: np.ndarray, average: str | None) -> float:
    """Mean over pairs of classes of the areas by either class's score, on the rows of the pair."""
    areas, sizes = [], []
    for a, b in combinations(range(len(classes)), 2):
        rows = (true == classes[a]) | (true == classes[b])
        is_a = true[rows] == classes[a]
        if is_a.all() or not is_a.any():
            continue  # a class that does not occur has no pair
        by_a, by_b = np.ascontiguousarray(score[rows, a]), np.ascontiguousarray(score[rows, b])
        areas.append((auc_of_ranks(by_a, is_a) + auc_of_ranks(by_b, ~is_a)) / 2)
        sizes.append(len(is_a))
    return average_classes(np.array(areas), np.array(sizes) if average == "weighted" else None)
