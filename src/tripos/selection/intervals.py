"""Bootstrap: how far a measure would move with another draw of the test rows.

A resample draws as many rows as there are, with replacement (whole groups of them where rows belong together).
Where rows are few distinct pairs of labels, a resample is only a count of each pair, and the measure sees the
pairs with the counts as weights: a thousand resamples of a confusion matrix cost milliseconds.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from tripos.compute.random import streams
from tripos.compute.threads import parallel
from tripos.errors import DataWarning
from tripos.metrics import checks
from tripos.metrics.scorers import Scorer, scorer

_RESAMPLES_A_PIECE = (
    25  # fixed, so that the pieces and their random streams are the same for any number of threads
)
_JACKKNIFE_BLOCKS = 200
_UNDEFINED_TOO_OFTEN = 0.05

Measure = Callable[..., float]


class Interval(NamedTuple):
    """An interval for a measure: `low, high = interval[:2]`."""

    low: float
    high: float
    estimate: float
    standard_error: float
    confidence: float
    method: str
    n_resamples: int


@dataclass(frozen=True, eq=False)
class TestRows:
    """Targets and one or more predictions of the same rows, as a resample sees them.

    Attributes
    ----------
    y : ndarray of shape (m,)
    predictions : list of ndarrays of shape (m, ...)
    sample_weight : ndarray of shape (n,), or None
    pair : int64 ndarray of shape (n,), or None
        For few distinct labels: which of the m distinct rows each of the n rows is.
    members : list of int64 ndarrays, or None
        The rows of each group.
    """

    y: np.ndarray
    predictions: list[np.ndarray]
    sample_weight: np.ndarray | None
    pair: np.ndarray | None
    members: list[np.ndarray] | None

    @classmethod
    def of(
        cls, y: Any, predictions: Sequence[Any], sample_weight: Any, groups: Any, measure: Measure
    ) -> TestRows:
        target = _settled(y, "y")
        said = [_settled(one, "prediction") for one in predictions]
        for one in said:
            checks.same_length(y=target, prediction=one)
        weight = checks.weights(sample_weight, len(target))
        members = None
        if groups is not None:
            codes = checks.encode(checks.labels(groups, "groups"))[1][0]
            checks.same_length(y=target, groups=codes)
            members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        pair = _distinct_pairs([target, *said]) if _takes_weights(measure) else None
        if pair is None:
            return cls(target, said, weight, None, members)
        first = np.zeros(pair.max() + 1, np.int64)
        first[pair[::-1]] = np.arange(len(pair))[::-1]
        return cls(target[first], [one[first] for one in said], weight, pair, members)

    @property
    def n_rows(self) -> int:
        return len(self.y) if self.pair is None else len(self.pair)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Rows of one resample, shape (n,) or about that with groups."""
        if self.members is None:
            return random.integers(0, self.n_rows, self.n_rows)
        return np.concatenate(
            [self.members[g] for g in random.integers(0, len(self.members), len(self.members))]
        )

    def blocks(self, random: np.random.Generator) -> list[np.ndarray]:
        """The rows (or groups) in at most 200 blocks of about equal size, for the jackknife."""
        units = len(self.members) if self.members is not None else self.n_rows
        blocks = np.array_split(random.permutation(units), min(units, _JACKKNIFE_BLOCKS))
        if self.members is None:
            return blocks
        return [np.concatenate([self.members[g] for g in block]) for block in blocks]

    def measure(self, measure: Measure, rows: np.ndarray | None = None) -> list[float]:
        """The measure of each prediction on a resample, nan where it is not defined there; None: on all rows."""
        drawn: Any = slice(None) if rows is None else rows
        weight = None if self.sample_weight is None else self.sample_weight[drawn]
        y, said = self.y, self.predictions
        if self.pair is None:
            y, said = y[drawn], [one[drawn] for one in said]
        else:
            weight = np.bincount(self.pair[drawn], weight, len(y))
            present = weight > 0
            y, weight, said = y[present], weight[present], [one[present] for one in said]
        keywords = {} if weight is None else {"sample_weight": weight}
        try:
            return [float(measure(y, one, **keywords)) for one in said]
        except (ValueError, ZeroDivisionError):
            if rows is None:
                raise
            return [math.nan] * len(said)


def _settled(values: Any, name: str) -> np.ndarray:
    """An array in its own dtype: labels read once instead of in each resample."""
    array = checks.to_array(values, name)
    return checks.labels(array, name) if array.dtype.kind in "OT" else array


def _distinct_pairs(columns: Sequence[np.ndarray]) -> np.ndarray | None:
    """For each row which of the distinct rows it is, or None where they are not few labels."""
    if any(column.ndim > 1 or column.dtype.kind not in "iubU" for column in columns):
        return None
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        classes, (codes,) = checks.encode(column)
        code = code * len(classes) + codes
        code = checks.encode(code)[1][0]
        if 4 * (code.max() + 1) > len(code):
            return None
    return code


def _takes_weights(measure: Measure) -> bool:
    try:
        return "sample_weight" in inspect.signature(measure).parameters
    except (TypeError, ValueError):
        return False


def as_measure(metric: str | Scorer | Measure, classes: Any = None) -> Measure:
    """A function of (y, prediction, sample_weight) from a name, a Scorer or such a function."""
    if not isinstance(metric, (str, Scorer)):
        return metric
    found = scorer(metric)
    if not _takes_weights(found.function) or dict(found.options).get("multi_class") == "ovo":
        return lambda y, prediction: found.measure(y, prediction, classes=classes)
    return lambda y, prediction, sample_weight=None: found.measure(
        y, prediction, sample_weight=sample_weight, classes=classes
    )


def resample(
    measure: Measure, data: TestRows, n_resamples: int, random_state: Any, n_jobs: int | None
) -> np.ndarray:
    """The measure on every resample, shape (n_resamples, n_predictions); resamples without a value are left out."""
    if n_resamples < 2:
        raise ValueError(f"n_resamples must be 2 or more, got {n_resamples}")
    sizes = [
        min(_RESAMPLES_A_PIECE, n_resamples - done) for done in range(0, n_resamples, _RESAMPLES_A_PIECE)
    ]

    def work(piece: tuple[int, np.random.Generator]) -> list[list[float]]:
        size, random = piece
        return [data.measure(measure, data.draw(random)) for _ in range(size)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a measure says of one resample would come a thousand times
        pieces = parallel(work, list(zip(sizes, streams(random_state, len(sizes)))), n_jobs)
    values = np.array([row for piece in pieces for row in piece])
    defined = ~np.isnan(values).any(axis=1)
    if defined.mean() < 1 - _UNDEFINED_TOO_OFTEN:
        if defined.sum() < 2:
            raise ValueError("the measure is not defined on the resamples: some class has too few rows")
        warnings.warn(
            f"the measure was not defined on {int((~defined).sum())} of {n_resamples} resamples, which were left out: "
            "some class has very few rows",
            DataWarning,
            stacklevel=3,
        )
    return np.asarray(values[defined])


def bootstrap_interval(
    metric: str | Scorer | Measure,
    y: Any,
    prediction: Any,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    method: str = "percentile",
    classes: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> Interval:
    """An interval for a measure of predictions, over the luck of which rows were tested.

    Parameters
    ----------
    metric : name, Scorer, or callable of (y, prediction) and, for weights, sample_weight
    y : array-like of shape (n,)
    prediction : array-like of shape (n,) or (n, n_classes)
        What the metric takes: labels, values, scores or probabilities.
    n_resamples : int
    confidence : float in (0, 1)
    method : {"percentile", "bca"}
        Quantiles of the resampled measures, or bias-corrected and accelerated: better for skewed measures and
        few rows.
    classes : array-like of shape (n_classes,), optional
        The labels of the columns of `prediction`, for a metric given by name.
    sample_weight : array-like of shape (n,), optional
    groups : array-like of shape (n,), optional
        Rows with one value are drawn together.
    random_state : int
        The answer is the same for any number of threads.
    n_jobs : int, optional

    Returns
    -------
    Interval
        low, high, estimate (the measure on all rows), standard_error, confidence, method, n_resamples.

    References
    ----------
    Efron: Better bootstrap confidence intervals, JASA 82, 1987, doi:10.1080/01621459.1987.10478410.

    Examples
    --------
    >>> low, high, accuracy, *_ = bootstrap_interval("accuracy", ["a", "b"] * 50, ["a"] * 100)
    >>> accuracy, 0.35 < low < 0.5 < high < 0.65
    (0.5, True)
    """
    checks.choice(method, ("percentile", "bca"), "method")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    measure = as_measure(metric, classes)
    data = TestRows.of(y, [prediction], sample_weight, groups, measure)
    (estimate,) = data.measure(measure)
    values = resample(measure, data, n_resamples, random_state, n_jobs)[:, 0]
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if method == "bca":
        tails = _bca_tails(tails, values, estimate, _jackknife(measure, data, random_state, n_jobs))
    low, high = np.quantile(values, tails)
    return Interval(
        float(low), float(high), estimate, float(values.std(ddof=1)), confidence, method, len(values)
    )


def _jackknife(measure: Measure, data: TestRows, random_state: Any, n_jobs: int | None) -> np.ndarray:
    """The measure without each of up to 200 blocks of rows."""
    blocks = data.blocks(streams(random_state, 1)[0])

    def without(block: np.ndarray) -> float:
        kept = np.ones(data.n_rows, bool)
        kept[block] = False
        return data.measure(measure, np.flatnonzero(kept))[0]

    values = np.array(parallel(without, blocks, n_jobs))
    return np.asarray(values[~np.isnan(values)])


def _bca_tails(tails: np.ndarray, values: np.ndarray, estimate: float, left_out: np.ndarray) -> np.ndarray:
    """The quantiles to read off: shifted by the bias z0 and stretched by the acceleration a.

    z0 = Phi^-1(share of resamples below the estimate), a = sum d^3 / 6 (sum d^2)^(3/2) over the jackknife's
    deviations d; tail = Phi(z0 + (z0 + z) / (1 - a (z0 + z))).
    """
    below = np.mean(values < estimate) + 0.5 * np.mean(values == estimate)
    z0 = float(ndtri(np.clip(below, 1 / (2 * len(values)), 1 - 1 / (2 * len(values)))))
    d = left_out.mean() - left_out
    spread = float((d**2).sum()) ** 1.5
    a = float((d**3).sum()) / (6 * spread) if spread > 0 else 0.0
    z = z0 + ndtri(tails)
    return np.asarray(ndtr(z0 + z / (1 - a * z)))
