"""Whether probabilities mean what they say: of the rows given 0.8, do eight in ten turn out positive?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from tripos.metrics import checks


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted probability against observed frequency, bin by bin; empty bins are left out.

    Attributes
    ----------
    predicted, observed : ndarray of shape (n_bins,)
        Mean predicted probability and share of positive rows.
    count : ndarray of shape (n_bins,)
        Rows in the bin (the sum of their weights).
    low, high : ndarray of shape (n_bins,)
        Wilson interval of the observed share.
    error : float
        Expected calibration error: mean over the rows of their bin's |observed - predicted|.
    largest_error : float
        The largest |observed - predicted| of a bin.
    """

    predicted: np.ndarray
    observed: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: float
    largest_error: float


def calibration_curve(
    y_true: Any,
    y_proba: Any,
    *,
    bins: int = 10,
    strategy: str = "uniform",
    pos_label: Any = None,
    classes: Any = None,
    sample_weight: Any = None,
    confidence: float = 0.95,
) -> Calibration:
    """Sort rows into bins by predicted probability and compare with what happened.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels.
    y_proba : array-like of shape (n,) of the positive class, or (n, n_classes)
        With a column per class (three or more), what is judged is the probability of the most likely class
        against whether it was right.
    bins : int
    strategy : {"uniform", "quantile"}
        Bins of equal width, or of equal numbers of rows.
    pos_label : label, optional
        Default: the larger of two labels.
    classes : array-like of shape (n_classes,), optional
        The labels of the columns; default: the sorted labels of y_true.
    sample_weight : array-like of shape (n,), optional
    confidence : float in (0, 1)
        Of the Wilson interval.

    References
    ----------
    Naeini, Cooper and Hauskrecht: Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015,
    doi:10.1609/aaai.v29i1.9602. Wilson: Probable inference, JASA 22, 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> found = calibration_curve([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.9], bins=2)
    >>> found.observed, found.count
    (array([0., 1.]), array([2., 2.]))
    >>> round(found.error, 3)
    0.175
    """
    checks.choice(strategy, ("uniform", "quantile"), "strategy")
    if bins < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"bins must be 1 or more and confidence between 0 and 1, got {bins} and {confidence}"
        )
    happened, p = _events(y_true, y_proba, pos_label, classes)
    given = checks.weights(sample_weight, len(p))
    weight = np.ones(len(p)) if given is None else given.astype(np.float64)
    edges = (
        np.linspace(0, 1, bins + 1)
        if strategy == "uniform"
        else np.percentile(p, 100 * np.linspace(0, 1, bins + 1))
    )
    bin_of = np.searchsorted(edges[1:-1], p)
    count = np.bincount(bin_of, weight, bins)
    filled = count > 0
    count = count[filled]
    observed = np.bincount(bin_of, weight * happened, bins)[filled] / count
    predicted = np.bincount(bin_of, weight * p, bins)[filled] / count
    effective = count**2 / np.bincount(bin_of, weight**2, bins)[filled]
    low, high = wilson_interval(observed, effective, confidence)
    gap = np.abs(observed - predicted)
    return Calibration(
        predicted, observed, count, low, high, float(count @ gap / count.sum()), float(gap.max())
    )


def _events(y_true: Any, y_proba: Any, pos_label: Any, classes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Whether what was predicted happened (n,), and the probability given to it (n,)."""
    true, p = checks.labels(y_true, "y_true"), checks.numbers(y_proba, "y_proba")
    checks.same_length(y_true=true, y_proba=p)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"y_proba ranges from {p.min():g} to {p.max():g}: probabilities from 0 to 1 are expected"
        )
    if p.ndim == 2 and p.shape[1] > 2:
        known = np.unique(true) if classes is None else np.asarray(classes)
        if len(known) != p.shape[1]:
            raise ValueError(
                f"y_proba has {p.shape[1]} columns for {len(known)} classes: name them in classes"
            )
        return true == known[p.argmax(axis=1)], p.max(axis=1)
    return true == _positive(true, pos_label, classes), p if p.ndim == 1 else p[:, 1]


def _positive(true: np.ndarray, pos_label: Any, classes: Any) -> Any:
    """The class that the probability speaks of."""
    if pos_label is not None:
        return pos_label
    if classes is not None:
        return np.asarray(classes)[-1]
    pair = checks.two_classes(true)
    if pair is None:
        raise ValueError("y_true has more than two classes: y_proba needs a column for each")
    low, high, _ = pair
    if low != high:
        return high
    if isinstance(high, str) or high not in (0, 1):
        raise ValueError(f"y_true holds one class only, {high!r}: name the positive one with pos_label")
    return 1


def wilson_interval(share: Any, n: Any, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Interval for a probability of which a share was seen in n trials; stays within 0 and 1.

        (s + z^2 / 2n  +-  z sqrt(s (1 - s) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    >>> low, high = wilson_interval(0.5, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2366, 0.7634)
    """
    s, n = np.asarray(share, np.float64), np.asarray(n, np.float64)
    z = ndtri((1 + confidence) / 2)
    middle = (s + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(s * (1 - s) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
