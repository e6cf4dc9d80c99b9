"""What is to be learned: classification or regression, read from the target and said aloud."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from tripos.errors import RunError
from tripos.metrics.scorers import SCORERS
from tripos.workflow.config import RunConfig

IMBALANCE = 0.2  # below this share of the rarer class, accuracy rewards ignoring it
MANY_CLASSES = 100
ROWS_PER_CLASS = 5  # fewer on average, and no class can be learned


@dataclass(frozen=True)
class Task:
    """The task of a run.

    Attributes
    ----------
    kind : {"binary", "multiclass", "regression"}
    target : str
    metric : str
        Name of the measure P in `tripos.metrics.SCORERS`.
    reason : str
        Why this kind, for the reader.
    metric_reason : str
        Why this measure.
    classes : tuple of label
        Sorted; empty for regression.
    counts : tuple of int
        Rows of each class.
    """

    kind: str
    target: str
    metric: str
    reason: str
    metric_reason: str
    classes: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def is_classification(self) -> bool:
        return self.kind != "regression"

    @property
    def positive(self) -> Any:
        """The class whose probability a binary model gives: the second in sorted order, as in scikit-learn."""
        return self.classes[1] if self.kind == "binary" else None

    @property
    def minimise(self) -> bool:
        return not SCORERS[self.metric].greater_is_better

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "positive": self.positive}


def infer_task(y: np.ndarray, config: RunConfig, inferred: str | None) -> Task:
    """The task for a target without missing values.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    config : RunConfig
        `task` and `metric` as the user asked.
    inferred : {"binary", "multiclass", "regression"}, optional
        What the schema took the target for.

    Raises
    ------
    RunError
        When the target cannot be learned: constant, of another kind than asked for, or with hardly a row per class.
    """
    target = config.target
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise RunError(f"the target {target!r} is {classes[0]!r} in every row: there is nothing to tell apart")
    kind = _kind(y, config, inferred, len(classes))
    if kind == "regression":
        reason = f"{target} is a number with {len(classes):,} distinct values"
        metric, why = _metric(config, kind, 0.5)
        return Task(kind, target, metric, _asked(config, reason), why)
    _require_learnable_classes(target, classes, counts, y)
    reason = f"{target} has {len(classes):,} values: {_listed(classes)}"
    metric, why = _metric(config, kind, counts.min() / counts.sum())
    return Task(kind, target, metric, _asked(config, reason), why, tuple(classes.tolist()), tuple(counts.tolist()))


def _kind(y: np.ndarray, config: RunConfig, inferred: str | None, n_classes: int) -> str:
    by_count = "binary" if n_classes == 2 else "multiclass"
    asked = config.task
    if asked is None:
        numeric = y.dtype.kind in "iuf"
        return inferred or ("regression" if numeric and n_classes > MANY_CLASSES else by_count)
    if asked == "regression" and y.dtype.kind not in "iuf":
        raise RunError(f"the target {config.target!r} holds {y[0]!r}: regression needs numbers, so leave --task out")
    if asked == "binary" and n_classes != 2:
        raise RunError(f"the target {config.target!r} has {n_classes:,} values: --task binary needs exactly two")
    return "regression" if asked == "regression" else by_count


def _metric(config: RunConfig, kind: str, rarest: float) -> tuple[str, str]:
    """The measure P and why: the user's, or one that ignoring the rarer class does not flatter."""
    if config.metric is not None:
        chosen = SCORERS.get(config.metric)
        fitting = sorted(name for name, s in SCORERS.items() if kind in s.tasks)
        if chosen is None or kind not in chosen.tasks:
            raise RunError(f"no measure for {kind} is called {config.metric!r}; there are: {', '.join(fitting)}")
        return config.metric, "as asked"
    if kind == "regression":
        return "r2", "the share of the target's variance that is explained"
    if rarest >= IMBALANCE:
        return "accuracy", "the share of rows that get the right label"
    share = f"the rarest class has {rarest:.1%} of the rows"
    if kind == "binary":
        return "roc_auc", f"{share}, so that accuracy would reward ignoring it"
    return "accuracy", f"the share of rows that get the right label; {share}, see balanced accuracy as well"


def _require_learnable_classes(target: str, classes: np.ndarray, counts: np.ndarray, y: np.ndarray) -> None:
    per_class = len(y) / len(classes)
    if per_class >= (ROWS_PER_CLASS if len(classes) > MANY_CLASSES else 2):
        return
    advice = "choose another target" + (
        ", or --task regression if it is a quantity" if y.dtype.kind in "iuf" else " or group its values first"
    )
    raise RunError(
        f"the target {target!r} has {len(classes):,} classes in {len(y):,} rows, {per_class:.1f} rows each: "
        f"too few to learn any of them; {advice}"
    )


def _asked(config: RunConfig, reason: str) -> str:
    return reason if config.task is None else f"as asked ({reason})"


def _listed(classes: np.ndarray, most: int = 5) -> str:
    shown = ", ".join(map(str, classes[:most].tolist()))
    return shown if len(classes) <= most else f"{shown}, ... and {len(classes) - most:,} more"


def target_array(column: pl.Series, kind: str | None) -> np.ndarray:
    """The target as learners take it: strings as objects, whole floats that name classes as integers."""
    if column.dtype == pl.Boolean:
        return column.to_numpy()
    if column.dtype.is_numeric():
        if kind == "regression":
            return column.cast(pl.Float64).to_numpy()
        values = column.to_numpy()
        whole = values.dtype.kind != "f" or bool(np.all(values == np.round(values)) and np.abs(values).max() < 2**53)
        return values.astype(np.int64) if whole else values
    return np.asarray(column.cast(pl.String).to_list(), dtype=object)
