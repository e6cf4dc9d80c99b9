"""Cross-validation: every fold's model is trained, preparation and all, on that fold's training rows only."""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from tripos.compute.threads import parallel
from tripos.errors import TriposError
from tripos.metrics import checks
from tripos.metrics.scorers import Scorer, scorer
from tripos.metrics.scoring import with_unseen
from tripos.selection.rows import Rows, column_of
from tripos.selection.splitting import Fold, as_folds


class FoldError(TriposError, RuntimeError):
    """A model could not be fitted or scored in one fold; the message says in which, and why."""


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One fold.

    Attributes
    ----------
    number : int
        From 1.
    n_train, n_test : int
        Rows.
    scores, train_scores : dict of str to float
        The value of each measure on the test rows and, if asked for, on the training rows.
    fit_seconds, predict_seconds : float
        To train, and to predict the test rows once.
    predictions : dict of str to ndarray
        What each method of the model said of the test rows.
    classes : ndarray or None
        The labels of the columns of probabilities.
    error : str
        Why there are no scores; empty when all went well.
    cause : Exception or None
        What was raised.
    """

    number: int
    n_train: int
    n_test: int
    scores: Mapping[str, float] = field(default_factory=dict)
    train_scores: Mapping[str, float] = field(default_factory=dict)
    fit_seconds: float = math.nan
    predict_seconds: float = math.nan
    predictions: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: np.ndarray | None = None
    error: str = ""
    cause: Exception | None = None


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """What cross-validation found.

    Attributes
    ----------
    scorers : tuple of Scorer
        The first one ranks.
    folds : tuple of FoldResult
        In order; those that failed say so in `error`.
    predictions : dict of str to ndarray
        By method, what was said of each row by the model that had not seen it: labels or values of shape (n,),
        probabilities (n, n_classes). Only with `keep_predictions`.
    predicted : bool ndarray of shape (n,)
        Rows that were tested in some fold.
    classes : ndarray or None
        The labels of the columns of probabilities.
    """

    scorers: tuple[Scorer, ...]
    folds: tuple[FoldResult, ...]
    predictions: Mapping[str, np.ndarray] = field(default_factory=dict)
    predicted: np.ndarray | None = None
    classes: np.ndarray | None = None

    def scores(self, name: str | None = None, *, train: bool = False) -> np.ndarray:
        """The value of a measure in each fold, nan where it failed, shape (n_folds,); default: the first measure."""
        name = name or self.scorers[0].name
        if name not in {found.name for found in self.scorers}:
            raise ValueError(f"{name!r} was not measured: there are {[found.name for found in self.scorers]}")
        kept = [fold.train_scores if train else fold.scores for fold in self.folds]
        return np.array([values.get(name, math.nan) for values in kept])

    def mean(self, name: str | None = None, *, train: bool = False) -> float:
        """Mean over the folds that went well; nan when none did."""
        values = self.scores(name, train=train)
        good = values[~np.isnan(values)]
        return float(good.mean()) if len(good) else math.nan

    def standard_error(self, name: str | None = None) -> float:
        """Standard deviation over the folds divided by the root of their number."""
        values = self.scores(name)
        good = values[~np.isnan(values)]
        return float(good.std(ddof=1) / math.sqrt(len(good))) if len(good) > 1 else math.nan

    @property
    def fit_seconds(self) -> float:
        """Mean time of a fit."""
        return _mean([fold.fit_seconds for fold in self.folds])

    @property
    def predict_seconds(self) -> float:
        """Mean time to predict one row."""
        return _mean([fold.predict_seconds / fold.n_test for fold in self.folds])

    @property
    def errors(self) -> list[str]:
        """What went wrong, a line a fold."""
        return [f"fold {fold.number}: {fold.error}" for fold in self.folds if fold.error]

    def to_dict(self) -> dict[str, Any]:
        """Names and numbers only, as JSON takes them."""
        return {
            "scores": {found.name: self.scores(found.name).tolist() for found in self.scorers},
            "mean": {found.name: self.mean(found.name) for found in self.scorers},
            "standard_error": {found.name: self.standard_error(found.name) for found in self.scorers},
            "fit_seconds": self.fit_seconds,
            "predict_seconds": self.predict_seconds,
            "errors": self.errors,
        }

    def __repr__(self) -> str:
        first = self.scorers[0].name
        score = f"{first} {self.mean():.4f} ± {self.standard_error():.4f}"
        return f"CrossValidation({len(self.folds)} folds, {score})"

    def __str__(self) -> str:
        width = max(len(found.title or found.name) for found in self.scorers)
        lines = [
            f"{found.title or found.name:<{width}}  {self.mean(found.name):.4f} ± {self.standard_error(found.name):.4f}"
            for found in self.scorers
        ]
        return "\n".join([*lines, *self.errors])


def _mean(values: Sequence[float]) -> float:
    good = [value for value in values if not math.isnan(value)]
    return float(np.mean(good)) if good else math.nan


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    folds: Any = 5,
    groups: Any = None,
    time: Any = None,
    scorers: Any = None,
    sample_weight: Any = None,
    train_scores: bool = False,
    keep_predictions: bool = False,
    on_error: str = "raise",
    on_fold: Callable[[FoldResult], Any] | None = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> CrossValidation:
    """Train and test an estimator in every fold.

    The standard error says how much the mean would move with other folds; it is optimistic, because the training
    parts overlap (Bengio and Grandvalet, JMLR 5, 2004, https://www.jmlr.org/papers/v5/grandvalet04a.html).

    Parameters
    ----------
    estimator : estimator
        Is cloned, never fitted itself. A Pipeline learns its preparation from the training rows of each fold.
    X : table, ndarray, CSR matrix or list of shape (n, ...)
    y : array-like of shape (n,)
    folds : int, scikit-learn splitter, or list of (train, test)
        A number gives folds balanced by class for classifiers, at random for regressors.
    groups : array-like of shape (n,) or name of a column of X, optional
        Rows with one value stay on one side.
    time : array-like of shape (n,) or name of a column of X, optional
        Each test part is later than its training part.
    scorers : name, Scorer, or list of them, optional
        Default: accuracy for classifiers, R2 for regressors.
    sample_weight : array-like of shape (n,), optional
        Used to fit and to score.
    train_scores : bool
        Score the training rows too.
    keep_predictions : bool
        Keep what was predicted for each row by the model that had not seen it.
    on_error : {"raise", "record"}
        What to do when a fold fails: `FoldError`, or nan scores and a note.
    on_fold : callable of FoldResult, optional
        Called after each fold, from the thread that worked on it; one call at a time. When it returns True the
        folds not yet begun are left out.
    random_state : int
    n_jobs : int, optional
        Threads over the folds.

    Returns
    -------
    CrossValidation

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> found = cross_validate(GaussianNB(), *load_iris(return_X_y=True), scorers=["accuracy", "log_loss"])
    >>> print(found)
    accuracy  0.9533 ± 0.0200
    log loss  0.1304 ± 0.0483
    """
    checks.choice(on_error, ("raise", "record"), "on_error")
    rows = Rows.of(estimator, X, y, sample_weight)
    chosen = scorers_for(estimator, scorers)
    parts = as_folds(
        folds,
        rows.y,
        stratify=is_classifier(estimator),
        groups=column_of(X, groups, "groups"),
        time=column_of(X, time, "time"),
        random_state=random_state,
    )
    stop, lock = threading.Event(), threading.Lock()

    def work(number: int) -> FoldResult | None:
        if stop.is_set():
            return None
        result = _one_fold(estimator, rows, number, parts[number - 1], chosen, train_scores)
        if result.cause is not None and on_error == "raise":
            stop.set()
            raise FoldError(f"fold {number} of {len(parts)} failed: {result.error}") from result.cause
        with lock:
            if on_fold is not None and on_fold(result) is True:
                stop.set()
        return result if keep_predictions else replace(result, predictions={})

    results = [found for found in parallel(work, range(1, len(parts) + 1), n_jobs) if found is not None]
    if not keep_predictions:
        return CrossValidation(chosen, tuple(results))
    return CrossValidation(chosen, tuple(results), *_out_of_fold(results, parts, len(rows)))


def scorers_for(estimator: Any, given: Any) -> tuple[Scorer, ...]:
    """One or several measures by name, or the default of the kind of estimator."""
    if given is None:
        given = "accuracy" if is_classifier(estimator) else "r2"
    return tuple(scorer(one) for one in (given if isinstance(given, (list, tuple)) else [given]))


def _one_fold(
    estimator: Any, rows: Rows, number: int, fold: Fold, scorers: Sequence[Scorer], train_scores: bool
) -> FoldResult:
    """Fit and score one fold; what goes wrong is written into the result."""
    training, testing = (rows.part(part) for part in fold)
    result = FoldResult(number, len(training), len(testing))
    try:
        start = clock.perf_counter()
        model = training.fit(estimator)
        fit_seconds = clock.perf_counter() - start
        scores, predictions, predict_seconds = measure_all(model, testing, scorers)
        on_train = measure_all(model, training, scorers)[0] if train_scores else {}
    except Exception as error:
        return replace(result, error=f"{type(error).__name__}: {error}", cause=error)
    return replace(
        result,
        scores=scores,
        train_scores=on_train,
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        predictions=predictions,
        classes=getattr(model, "classes_", None),
    )


def measure_all(
    model: Any, rows: Rows, scorers: Sequence[Scorer]
) -> tuple[dict[str, float], dict[str, np.ndarray], float]:
    """The value of every measure, what each method predicted, and the seconds of the first prediction.

    Each method (`predict`, `predict_proba`, ...) is called once, however many measures share it.
    """
    predictions: dict[str, np.ndarray] = {}
    first_seconds = math.nan
    classes = getattr(model, "classes_", None)
    scores = {}
    for found in scorers:
        method = found.method(model)
        if method not in predictions:
            start = clock.perf_counter()
            predictions[method] = np.asarray(getattr(model, method)(rows.X))
            if math.isnan(first_seconds):
                first_seconds = clock.perf_counter() - start
        scores[found.name] = found.measure(
            rows.y, predictions[method], sample_weight=rows.sample_weight, classes=classes
        )
    return scores, predictions, first_seconds


def _out_of_fold(
    results: Sequence[FoldResult], parts: Sequence[Fold], n: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None]:
    """Predictions of all folds in the order of the rows, the rows they cover, and the classes of the columns."""
    good = [(result, parts[result.number - 1][1]) for result in results if not result.error]
    covered = np.zeros(n, bool)
    seen = [result.classes for result, _ in good if result.classes is not None]
    classes = np.unique(np.concatenate(seen)) if seen else None
    gathered: dict[str, np.ndarray] = {}
    for result, test in good:
        covered[test] = True
        for method, said in result.predictions.items():
            if method == "predict_proba" and classes is not None:
                said = with_unseen(np.asarray(result.classes), classes, said)[1]
            if method not in gathered:
                gathered[method] = np.zeros((n, *said.shape[1:]), said.dtype)
            wide = np.result_type(gathered[method], said)  # strings of one fold may be longer
            gathered[method] = gathered[method].astype(wide, copy=False)
            gathered[method][test] = said
    return gathered, covered, classes
