"""One evaluation: a candidate with given parameters, fitted and scored in every fold.

Preparation is learned in each fold from that fold's training rows only, and is often dearer than the learner
itself. Candidates whose encoders have equal settings share the encoded folds, as long as memory allows.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning

from tripos.compute.budget import TimeBudget, free_memory
from tripos.errors import DataWarning, RunError
from tripos.metrics.scorers import Scorer
from tripos.selection.splitting import Fold
from tripos.workflow.candidates import Candidate
from tripos.workflow.leaderboard import Standing
from tripos.workflow.wording import readable_seconds

_SHARE_OF_MEMORY = 0.2
_MOST_CACHED = 1 << 30


@dataclass(frozen=True)
class Encoded:
    """One fold as a learner takes it, with the seconds its preparation took."""

    X_train: Any
    y_train: np.ndarray
    X_valid: Any
    y_valid: np.ndarray
    fit_seconds: float
    transform_seconds: float
    encoder_bytes: int

    @property
    def nbytes(self) -> int:
        return held_bytes(self.X_train) + held_bytes(self.X_valid)


class Folds:
    """The folds of the training rows, encoded on demand.

    Parameters
    ----------
    frame : polars DataFrame of the features of the training rows
    y : ndarray of shape (n_rows,)
    schema : Schema
    parts : mapping of int to list of (train, valid)
        For each number of rows (see `rungs`) the folds, as positions in `frame`.
    """

    def __init__(
        self, frame: pl.DataFrame, y: np.ndarray, schema: Any, parts: Mapping[int, Sequence[Fold]]
    ) -> None:
        self.frame, self.y, self.schema, self.parts = frame, y, schema, parts
        self._kept: OrderedDict[tuple[Any, ...], Encoded] = OrderedDict()
        self._limit = min(_MOST_CACHED, _SHARE_OF_MEMORY * free_memory())

    def encoded(self, candidate: Candidate, rows: int, k: int) -> Encoded:
        """Fold k of the folds over `rows` rows, as the candidate needs it."""
        if candidate.is_baseline:
            train, valid = self.parts[rows][k]
            return Encoded(
                nothing(len(train)), self.y[train], nothing(len(valid)), self.y[valid], 0.0, 0.0, 0
            )
        key = (candidate.preparation, rows, k)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        fold = self._encode(candidate, *self.parts[rows][k])
        self._kept[key] = fold
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._limit:
            self._kept.popitem(last=False)
        return fold

    def _encode(self, candidate: Candidate, train: np.ndarray, valid: np.ndarray) -> Encoded:
        encoder = candidate.encoder(self.schema)
        start = time.perf_counter()
        X_train = encoder.fit_transform(self.frame[train], self.y[train])
        middle = time.perf_counter()
        X_valid = encoder.transform(self.frame[valid])
        end = time.perf_counter()
        return Encoded(
            X_train, self.y[train], X_valid, self.y[valid], middle - start, end - middle, held_bytes(encoder)
        )

    def forget(self) -> None:
        """Lets go of the encoded folds."""
        self._kept.clear()


def nothing(n_rows: int) -> np.ndarray:
    """What a baseline learns from: rows without anything in them, shape (n_rows, 1)."""
    return np.zeros((n_rows, 1))


def evaluate(
    candidate: Candidate,
    params: Mapping[str, Any],
    rows: int,
    folds: Folds,
    scorer: Scorer,
    seed: int,
    patience: float = math.inf,
) -> Standing:
    """Cross-validates one candidate; whatever goes wrong in it is its own failure and not the run's.

    Parameters
    ----------
    patience : float
        Seconds after which the folds that are left are given up.
    """
    about: dict[str, Any] = {
        "candidate": candidate.name,
        "learner": candidate.learner,
        "params": dict(params),
        "rows": rows,
        "interpretability": candidate.interpretability,
        "baseline": candidate.is_baseline,
        "probabilities": is_regressor(candidate.cls()) or candidate.gives_probabilities(params),
    }
    budget, n_folds = TimeBudget(None if math.isinf(patience) else patience), len(folds.parts[rows])
    scores: list[float] = []
    seconds: list[tuple[float, float]] = []  # of a fit, and of predicting a thousand rows
    sizes: list[int] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for k in range(n_folds):
                if k and budget.over:
                    late = (
                        f"given up after {k} of {n_folds} folds, which took {readable_seconds(budget.spent)}"
                    )
                    return Standing(**about, failure=late, abandoned=True)
                score, *took, size = _one_fold(
                    candidate, params, folds.encoded(candidate, rows, k), scorer, seed, folds.schema
                )
                if not np.isfinite(score):
                    raise ValueError(f"the score of fold {k + 1} is {score}")
                scores.append(score)
                seconds.append((took[0], took[1]))
                sizes.append(size)
        except RunError:  # a full disk is the run's trouble
            raise
        except Exception as error:
            return Standing(**about, failure=one_line(error))
    fit, predict = np.mean(seconds, axis=0).tolist()
    said = [one_line(warning.message) for warning in caught if _concerns_user(warning)]
    size = int(np.mean(sizes))
    return Standing(
        **about, folds=scores, fit_seconds=fit, predict_seconds=predict, size=size, warnings=_once(said)
    )


def _one_fold(
    candidate: Candidate,
    params: Mapping[str, Any],
    fold: Encoded,
    scorer: Scorer,
    seed: int,
    schema: Any,
) -> tuple[float, float, float, int]:
    """The score, the seconds of the fit and of a thousand predictions, the bytes held; preparation included."""
    start = time.perf_counter()
    model = candidate.estimator(params, seed, schema).fit(fold.X_train, fold.y_train)
    middle = time.perf_counter()
    score = value_of(scorer, model, fold.X_valid, fold.y_valid)
    predicting = time.perf_counter() - middle + fold.transform_seconds
    size = held_bytes(model) + fold.encoder_bytes
    return score, middle - start + fold.fit_seconds, 1000 * predicting / len(fold.y_valid), size


def value_of(measure: Scorer, model: Any, X: Any, y: np.ndarray) -> float:
    """A measure of a fitted model in the measure's own direction."""
    return measure.measure(y, measure.predict(model, X), classes=getattr(model, "classes_", None))


def _once(said: list[str]) -> list[str]:
    """The first of the warnings of one learner: the folds' say the same with other numbers."""
    return said[:1] if len(said) < 2 else [f"{said[0]} (and {len(said) - 1} more)"]


def _concerns_user(warning: warnings.WarningMessage) -> bool:
    """What a learner says of its fit; what a table is like was said when it was read."""
    return issubclass(warning.category, ConvergenceWarning | DataWarning)


def one_line(error: BaseException | str) -> str:
    """What an error or a warning says, in one line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"


def held_bytes(thing: Any, depth: int = 6) -> int:
    """Bytes of the arrays and texts a fitted object holds: its weight in memory, and about that on the disk."""
    if thing is None or depth == 0:
        return 0
    if isinstance(thing, np.ndarray):
        return thing.nbytes + (sum(map(len, filter(_is_text, thing.flat))) if thing.dtype.kind == "O" else 0)
    if hasattr(thing, "indptr"):
        return int(thing.data.nbytes + thing.indices.nbytes + thing.indptr.nbytes)
    if isinstance(thing, str | bytes):
        return len(thing)
    if isinstance(thing, Mapping):
        return sum(held_bytes(k, depth - 1) + held_bytes(v, depth - 1) for k, v in thing.items())
    if isinstance(thing, list | tuple | set):
        return sum(held_bytes(part, depth - 1) for part in thing)
    return (
        held_bytes(vars(thing), depth - 1)
        if hasattr(thing, "__dict__") and not isinstance(thing, type)
        else 8
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
