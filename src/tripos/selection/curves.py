"""Performance P against experience E, and against one parameter."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from tripos.compute.random import streams
from tripos.compute.threads import parallel
from tripos.errors import SplitError
from tripos.metrics.scorers import Scorer
from tripos.selection.rows import Rows, column_of
from tripos.selection.splitting import Fold, as_folds, folds, nested_order
from tripos.selection.validation import cross_validate, measure_all, scorers_for

FEWEST_ROWS = 50
_FIFTHS = 5


@dataclass(frozen=True, eq=False)
class LearningPoint:
    """One size of a learning curve: the scores of each repeat on its training rows and on the rows held out."""

    size: int
    train: np.ndarray
    validation: np.ndarray
    fit_seconds: float


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Scores as the number of training rows grows.

    Attributes
    ----------
    scorer : Scorer
    sizes : int64 ndarray of shape (n_sizes,)
    train_scores, validation_scores : ndarray of shape (n_sizes, n_repeats)
        nan where a repeat could not be fitted.
    fit_seconds : ndarray of shape (n_sizes,)
        Mean time of a fit.
    baseline : float
        Mean score on the rows held out of a model that ignores the columns: class shares, or the mean.
    """

    scorer: Scorer
    sizes: np.ndarray
    train_scores: np.ndarray
    validation_scores: np.ndarray
    fit_seconds: np.ndarray
    baseline: float

    @property
    def train_mean(self) -> np.ndarray:
        return _mean(self.train_scores)

    @property
    def train_sd(self) -> np.ndarray:
        return _sd(self.train_scores)

    @property
    def validation_mean(self) -> np.ndarray:
        return _mean(self.validation_scores)

    @property
    def validation_sd(self) -> np.ndarray:
        return _sd(self.validation_scores)

    def to_dict(self) -> dict[str, Any]:
        """Names and numbers only, as JSON takes them."""
        return {
            "scorer": self.scorer.name,
            "sizes": self.sizes.tolist(),
            "train_scores": self.train_scores.tolist(),
            "validation_scores": self.validation_scores.tolist(),
            "fit_seconds": self.fit_seconds.tolist(),
            "baseline": self.baseline,
        }


def _mean(scores: np.ndarray) -> np.ndarray:
    """Mean over the repeats that went well, shape (n_points,)."""
    good = ~np.isnan(scores)
    total, n = np.where(good, scores, 0).sum(axis=1), good.sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), math.nan)


def _sd(scores: np.ndarray) -> np.ndarray:
    """Standard deviation over the repeats that went well; nan of fewer than two."""
    good = ~np.isnan(scores)
    n = good.sum(axis=1)
    squares = np.where(good, scores - _mean(scores)[:, None], 0) ** 2
    return np.where(n > 1, np.sqrt(squares.sum(axis=1) / np.maximum(n - 1, 1)), math.nan)


def curve_sizes(n_rows: int, points: int = 8, fewest: int = FEWEST_ROWS) -> list[int]:
    """About `points` numbers of rows from `fewest` to `n_rows`, each the same multiple of the one before.

    >>> curve_sizes(3200, points=7)
    [50, 100, 200, 400, 800, 1600, 3200]
    """
    start = min(fewest, max(2, n_rows // 4))
    grown = np.geomspace(start, n_rows, points).round().astype(int)
    return sorted({int(size) for size in grown})


def learning_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sizes: int | Sequence[int] = 8,
    scorer: str | Scorer | None = None,
    repeats: Any = 5,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    on_point: Callable[[LearningPoint], Any] | None = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> LearningCurve:
    """Train on ever more rows and score on rows held out.

    In each repeat the training rows are put into one order, balanced by class, and every size takes its beginning:
    smaller experiences are parts of larger ones, so that the curve shows growth and not the luck of the draw.

    Parameters
    ----------
    estimator, X, y, sample_weight
        As in `cross_validate`.
    sizes : int, or sequence of int
        How many sizes from 50 to all training rows, growing by a constant factor; or the sizes.
    scorer : name or Scorer, optional
        Default: accuracy for classifiers, R2 for regressors.
    repeats : int, scikit-learn splitter, or list of (train, held out)
        How many times to draw anew, with a fifth of the rows held out each time; or the parts themselves.
    groups, time
        As in `cross_validate`. With `time` the latest rows are held out, a size takes the latest rows before
        them, and there is nothing to draw anew.
    on_point : callable of LearningPoint, optional
        Called after each size. When it returns True the curve ends there.
    random_state : int
    n_jobs : int, optional
        Threads over the repeats of a size.

    Returns
    -------
    LearningCurve

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> curve = learning_curve(GaussianNB(), *load_breast_cancer(return_X_y=True), sizes=[20, 100, 400])
    >>> bool(curve.validation_mean[-1] > 0.9)
    True
    """
    rows = Rows.of(estimator, X, y, sample_weight)
    (chosen,) = scorers_for(estimator, scorer)
    parts, orders = _experiences(
        estimator, rows, repeats, column_of(X, groups, "groups"), column_of(X, time, "time"), random_state
    )
    points: list[LearningPoint] = []
    for size in _checked_sizes(sizes, min(len(order) for order in orders)):
        points.append(_point(estimator, rows, size, orders, parts, chosen, n_jobs))
        if on_point is not None and on_point(points[-1]) is True:
            break
    return LearningCurve(
        chosen,
        np.array([point.size for point in points]),
        np.array([point.train for point in points]),
        np.array([point.validation for point in points]),
        np.array([point.fit_seconds for point in points]),
        _baseline(estimator, rows, parts, chosen),
    )


def _baseline(estimator: Any, rows: Rows, parts: Sequence[Fold], chosen: Scorer) -> float:
    dummy = DummyClassifier(strategy="prior") if is_classifier(estimator) else DummyRegressor()
    blank = Rows(np.zeros((len(rows), 1)), rows.y, rows.sample_weight)
    scores = [
        measure_all(blank.part(train).fit(dummy), blank.part(held_out), [chosen])[0][chosen.name]
        for train, held_out in parts
    ]
    return float(np.mean(scores))


def _checked_sizes(sizes: int | Sequence[int], most: int) -> list[int]:
    if isinstance(sizes, (int, np.integer)):
        return curve_sizes(most, int(sizes))
    wanted = sorted({int(size) for size in sizes})
    if not wanted or wanted[0] < 1 or wanted[-1] > most:
        raise ValueError(f"sizes must lie between 1 and the {most} training rows, got {list(sizes)}")
    return wanted


def _experiences(
    estimator: Any, rows: Rows, repeats: Any, groups: Any, time: Any, random_state: Any
) -> tuple[list[Fold], list[np.ndarray]]:
    """The (train, held out) parts, and each part's training rows in the order in which experience grows."""
    stratify = is_classifier(estimator)
    if not isinstance(repeats, (int, np.integer)):
        parts = as_folds(repeats, rows.y, stratify=stratify)
    elif time is not None:
        parts = folds(rows.y, _FIFTHS, stratify=False, groups=groups, time=time)[-1:]
    else:
        rounds = streams(random_state, -(-max(1, int(repeats)) // _FIFTHS))
        dealt = [folds(rows.y, _FIFTHS, stratify=stratify, groups=groups, random_state=one) for one in rounds]
        parts = list(chain.from_iterable(dealt))[: int(repeats)]
    if min(len(train) for train, _ in parts) < 2:
        raise SplitError("a learning curve needs at least two training rows")
    if time is not None:
        when = np.asarray(time)
        return parts, [train[np.argsort(when[train], kind="stable")[::-1]] for train, _ in parts]
    return parts, [
        nested_order(train, rows.y[train] if stratify else None, stream)
        for (train, _), stream in zip(parts, streams(random_state, len(parts)))
    ]


def _point(
    estimator: Any,
    rows: Rows,
    size: int,
    orders: Sequence[np.ndarray],
    parts: Sequence[Fold],
    chosen: Scorer,
    n_jobs: int | None,
) -> LearningPoint:
    """All repeats of one size; a repeat that cannot be fitted is nan unless every one is."""
    errors: list[Exception] = []

    def work(r: int) -> tuple[float, float, float]:
        training, held_out = rows.part(np.sort(orders[r][:size])), rows.part(parts[r][1])
        try:
            start = clock.perf_counter()
            model = training.fit(estimator)
            seconds = clock.perf_counter() - start
            train, validation = (
                measure_all(model, part, [chosen])[0][chosen.name] for part in (training, held_out)
            )
        except Exception as error:  # too few rows of some class, or fewer rows than the method needs
            errors.append(error)
            return math.nan, math.nan, math.nan
        return train, validation, seconds

    found = np.array(parallel(work, range(len(parts)), n_jobs)).T
    if len(errors) == len(parts):
        raise ValueError(
            f"{type(estimator).__name__} cannot be trained on {size} rows: {errors[0]}"
        ) from errors[0]
    return LearningPoint(size, found[0], found[1], float(np.nanmean(found[2])))


@dataclass(frozen=True, eq=False)
class ValidationCurve:
    """Scores as one parameter changes.

    Attributes
    ----------
    scorer : Scorer
    parameter : str
    values : list
    train_scores, validation_scores : ndarray of shape (n_values, n_folds)
    """

    scorer: Scorer
    parameter: str
    values: list[Any] = field(default_factory=list)
    train_scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    validation_scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def best(self) -> Any:
        """The value with the best mean on the rows held out."""
        goodness = [self.scorer.goodness(mean) for mean in _mean(self.validation_scores)]
        return self.values[int(np.nanargmax(goodness))]


def validation_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    parameter: str,
    values: Sequence[Any],
    scorer: str | Scorer | None = None,
    **how: Any,
) -> ValidationCurve:
    """Cross-validate with each value of one parameter, on the same folds.

    Parameters
    ----------
    estimator, X, y
        As in `cross_validate`.
    parameter : str
        As `set_params` takes it, such as "alpha" or "ridge__alpha".
    values : sequence
    scorer : name or Scorer, optional
        Default: accuracy for classifiers, R2 for regressors.
    **how
        Further arguments of `cross_validate`: folds, groups, time, sample_weight, random_state, n_jobs, ...

    Returns
    -------
    ValidationCurve

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> curve = validation_curve(
    ...     Ridge(), *load_diabetes(return_X_y=True), parameter="alpha", values=[0.01, 0.1, 1, 10]
    ... )
    >>> curve.best
    0.01
    """
    (chosen,) = scorers_for(estimator, scorer)
    found = [
        cross_validate(
            clone(estimator).set_params(**{parameter: value}), X, y, scorers=chosen, train_scores=True, **how
        )
        for value in values
    ]
    return ValidationCurve(
        chosen,
        parameter,
        list(values),
        np.array([one.scores(train=True) for one in found]),
        np.array([one.scores() for one in found]),
    )
