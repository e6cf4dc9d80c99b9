"""How far predicted labels agree with the true ones: the confusion matrix and what is read off it.

C[i, j] = total weight of the rows of class i that were called class j
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tripos.metrics.checks import choice, encode, label_pair, labels, undefined, weighted_mean


def accuracy_score(y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None) -> float:
    """Share of rows whose label is right.

        accuracy = sum_i w_i [y_i = yhat_i] / sum_i w_i

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels: integers, booleans or strings.
    normalize : bool
        False returns the weight of the right rows instead of their share.
    sample_weight : array-like of shape (n,), optional

    Examples
    --------
    >>> accuracy_score(["ham", "spam", "ham", "ham"], ["ham", "spam", "spam", "ham"])
    0.75
    """
    true, predicted, weight = label_pair(y_true, y_pred, sample_weight)
    right = true == predicted
    if normalize:
        return float(weighted_mean(right, weight))
    return float(right.sum() if weight is None else weight @ right)


def tally(
    true: np.ndarray, predicted: np.ndarray, n_classes: int, sample_weight: np.ndarray | None
) -> np.ndarray:
    """The confusion matrix of two vectors of codes, shape (n_classes, n_classes); codes of -1 are left out."""
    if (true < 0).any() or (predicted < 0).any():
        inside = (true >= 0) & (predicted >= 0)
        true, predicted = true[inside], predicted[inside]
        sample_weight = None if sample_weight is None else sample_weight[inside]
    counts = np.bincount(true * n_classes + predicted, weights=sample_weight, minlength=n_classes**2)
    if sample_weight is not None and sample_weight.dtype.kind in "iub":
        counts = counts.astype(np.int64)
    return counts.reshape(n_classes, n_classes)


def _matrix_of(
    y_true: Any, y_pred: Any, wanted: Any, sample_weight: Any, names: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """The confusion matrix over `wanted` labels (all that occur when None), and those labels."""
    true, predicted, weight = label_pair(y_true, y_pred, sample_weight, names)
    classes, (true_codes, predicted_codes) = encode(true, predicted)
    if wanted is None:
        return tally(true_codes, predicted_codes, len(classes), weight), classes
    wanted = labels(wanted, "labels")
    position = np.full(len(classes), -1)
    for place, label in enumerate(wanted):
        position[classes == label] = place
    if not (position[true_codes] >= 0).any():
        raise ValueError(
            f"none of the labels {wanted.tolist()} occurs in {names[0]}, which holds {np.unique(true)[:10].tolist()}"
        )
    return tally(position[true_codes], position[predicted_codes], len(wanted), weight), wanted


def confusion_matrix(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None, normalize: str | None = None
) -> np.ndarray:
    """C[i, j]: weight of the rows of class i (rows) that were called class j (columns).

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
    labels : array-like, optional
        Which classes, and in what order; default: all that occur, sorted. Rows with another label are left out.
    sample_weight : array-like of shape (n,), optional
    normalize : {"true", "pred", "all"}, optional
        Divide by the sum of each row, of each column, or of all; an empty row or column stays zero.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        Integers without weights or with integer weights, floats otherwise.

    Examples
    --------
    >>> confusion_matrix(["cat", "dog", "dog", "cat"], ["cat", "cat", "dog", "cat"])
    array([[2, 0],
           [1, 1]])
    """
    choice(normalize, (None, "true", "pred", "all"), "normalize")
    matrix, _ = _matrix_of(y_true, y_pred, labels, sample_weight, ("y_true", "y_pred"))
    if normalize is None:
        return matrix
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    total = matrix.sum(axis=axis, keepdims=True)
    shares: np.ndarray = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total != 0)
    return shares


def balanced_accuracy_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, adjusted: bool = False
) -> float:
    """Mean over the classes of the share of the class's rows that were found (mean recall).

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional
    adjusted : bool
        Rescale so that guessing scores 0 and perfection 1: (a - 1/K) / (1 - 1/K).

    References
    ----------
    Brodersen, Ong, Stephan, Buhmann: The balanced accuracy and its posterior distribution, ICPR 2010,
    doi:10.1109/ICPR.2010.764.

    Examples
    --------
    >>> balanced_accuracy_score([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    matrix, classes = _matrix_of(y_true, y_pred, None, sample_weight, ("y_true", "y_pred"))
    support = matrix.sum(axis=1)
    occurs = support > 0
    if not occurs.all():
        strangers = classes[~occurs][:5].tolist()
        warnings.warn(
            f"y_pred holds classes that y_true does not: {strangers}; they are left out of the mean",
            stacklevel=2,
        )
    recall = matrix.diagonal()[occurs] / support[occurs]
    score = recall.mean()
    if adjusted:
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = 1 / len(recall)
            score = (score - chance) / (np.float64(1) - chance)
    return float(score)


def matthews_corrcoef(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Correlation of true and predicted class indicators: 1 perfect, 0 as good as guessing, -1 all wrong.

    With c right rows, n rows, t_k true and p_k predicted rows of class k:

        (c n - sum_k t_k p_k) / sqrt((n^2 - sum_k p_k^2) (n^2 - sum_k t_k^2))

    0 when all rows share one true or one predicted class.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional

    References
    ----------
    Gorodkin: Comparing two K-category assignments by a K-category correlation coefficient, Computational
    Biology and Chemistry 28, 2004, doi:10.1016/j.compbiolchem.2004.09.006.

    Examples
    --------
    >>> round(matthews_corrcoef([1, 1, 1, 0], [1, 0, 1, 1]), 3)
    -0.333
    """
    matrix, _ = _matrix_of(y_true, y_pred, None, sample_weight, ("y_true", "y_pred"))
    t, p = matrix.sum(axis=1).astype(np.float64), matrix.sum(axis=0).astype(np.float64)
    c, n = float(matrix.trace()), float(t.sum())
    spread = (n * n - p @ p) * (n * n - t @ t)
    return float((c * n - t @ p) / math.sqrt(spread)) if spread > 0 else 0.0


def cohen_kappa_score(
    y1: Any,
    y2: Any,
    *,
    labels: Any = None,
    weights: str | None = None,
    sample_weight: Any = None,
    replace_undefined_by: float = math.nan,
) -> float:
    """Agreement of two raters beyond what chance gives.

        kappa = 1 - sum_ij W_ij C_ij / sum_ij W_ij (r_i c_j / n)

    with C the confusion matrix, r and c its row and column sums, n its total, and disagreement costs W_ij = [i != j],
    |i - j| ("linear") or (i - j)^2 ("quadratic").

    Parameters
    ----------
    y1, y2 : array-like of shape (n,)
        Labels by either rater; kappa is symmetric.
    labels : array-like, optional
        Which classes count, in order; the order matters with `weights`.
    weights : {"linear", "quadratic"}, optional
    sample_weight : array-like of shape (n,), optional
    replace_undefined_by : float
        Returned, with a warning, where both raters give one and the same label throughout (0/0).

    References
    ----------
    Cohen: A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20, 1960,
    doi:10.1177/001316446002000104.

    Examples
    --------
    >>> cohen_kappa_score(["yes", "yes", "no", "no"], ["yes", "no", "no", "no"])
    0.5
    """
    choice(weights, (None, "linear", "quadratic"), "weights")
    matrix, _ = _matrix_of(y1, y2, labels, sample_weight, ("y1", "y2"))
    matrix = matrix.astype(np.float64)
    total = matrix.sum()
    if total == 0:
        return undefined("y2 holds none of the labels, kappa is 0/0", replace_undefined_by)
    place = np.arange(len(matrix))
    distance = np.abs(place[:, None] - place)
    cost = {None: distance != 0, "linear": distance, "quadratic": distance**2}[weights]
    by_chance = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / total
    expected = (cost * by_chance).sum()
    if expected == 0:
        return undefined("both raters give the same single label, kappa is 0/0", replace_undefined_by)
    return float(1 - (cost * matrix).sum() / expected)
