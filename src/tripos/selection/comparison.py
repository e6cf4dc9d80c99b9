"""Is one model really better than another? On one test set by paired resampling, over folds by a corrected t-test."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from tripos.metrics.scorers import Scorer
from tripos.selection.intervals import Measure, TestRows, as_measure, resample
from tripos.selection.validation import CrossValidation


class Comparison(NamedTuple):
    """The first model against the second; differences are first - second in the measure's own units.

    Attributes
    ----------
    difference : float
    low, high : float
        Interval of the difference.
    p_value : float
        How likely a difference at least as far from zero is where there is none.
    first, second : float
        The measure of each.
    confidence : float
    method : str
    """

    difference: float
    low: float
    high: float
    p_value: float
    first: float
    second: float
    confidence: float
    method: str

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        verdict = "a clear difference" if self.is_clear else "no clear difference"
        return (
            f"{self.first:.4f} against {self.second:.4f}: {self.difference:+.4f} "
            f"[{self.low:+.4f}, {self.high:+.4f}], p = {self.p_value:.3g}, {verdict}"
        )


def compare(
    metric: str | Scorer | Measure,
    y: Any,
    first: Any,
    second: Any,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    classes: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> Comparison:
    """Two models' predictions of the same rows: the difference of a measure with its bootstrap interval.

    Every resample measures both on the same rows, so that what is hard for both does not count.

    Parameters
    ----------
    metric, y, classes, n_resamples, confidence, sample_weight, groups, random_state, n_jobs
        As in `bootstrap_interval`.
    first, second : array-like of shape (n,) or (n, n_classes)
        Predictions of either model.

    Examples
    --------
    >>> y = [0, 1] * 100
    >>> print(compare("accuracy", y, y, [0] * 200))
    1.0000 against 0.5000: +0.5000 [+0.4300, +0.5601], p = 0.002, a clear difference
    """
    measure = as_measure(metric, classes)
    data = TestRows.of(y, [first, second], sample_weight, groups, measure)
    a, b = data.measure(measure)
    values = resample(measure, data, n_resamples, random_state, n_jobs)
    differences = values[:, 0] - values[:, 1]
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(np.sum(differences <= 0), np.sum(differences >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(differences) + 1))
    return Comparison(a - b, float(low), float(high), float(p), a, b, confidence, "paired bootstrap")


def compare_folds(
    first: CrossValidation, second: CrossValidation, name: str | None = None, *, confidence: float = 0.95
) -> Comparison:
    """Two models cross-validated on the same folds: the corrected resampled t-test.

        t = dbar / sqrt((1/k + n_test/n_train) s^2)      with k - 1 degrees of freedom

    The folds' training rows overlap, which makes the plain t-test see differences that are not there; the second
    term in the variance makes up for it.

    Parameters
    ----------
    first, second : CrossValidation
    name : str, optional
        The measure; default the first one.
    confidence : float in (0, 1)

    References
    ----------
    Nadeau and Bengio: Inference for the generalization error, Machine Learning 52, 2003,
    doi:10.1023/A:1024068626366.
    """
    sizes = [[(fold.n_train, fold.n_test) for fold in found.folds] for found in (first, second)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            "the two were not validated on the same folds: pass the same folds and random_state to both"
        )
    a, b = first.scores(name), second.scores(name)
    both = ~(np.isnan(a) | np.isnan(b))
    k = int(both.sum())
    if k < 2:
        raise ValueError(f"a comparison needs two folds in which both models were scored, found {k}")
    d = (a - b)[both]
    n_train, n_test = np.mean(np.array(sizes[0])[both], axis=0)
    spread = math.sqrt((1 / k + n_test / n_train) * d.var(ddof=1))
    half = float(stdtrit(k - 1, (1 + confidence) / 2)) * spread
    t = d.mean() / spread if spread > 0 else math.copysign(math.inf, d.mean()) if d.any() else 0.0
    p = float(2 * stdtr(k - 1, -abs(t)))
    mean = float(d.mean())
    return Comparison(
        mean,
        mean - half,
        mean + half,
        p,
        float(a[both].mean()),
        float(b[both].mean()),
        confidence,
        "corrected t-test",
    )
