"""What is to be learned, and by which measure: read from the target and said aloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from tripos.data.schema import Schema
from tripos.errors import RunError
from tripos.metrics.scorers import SCORERS, default_scorer, scorer
from tripos.workflow.config import RunConfig

#: Why a measure is chosen when nobody chose one.
WHY: Mapping[str, str] = {
    "roc_auc": "how often a row of the positive class is ranked above one of the other; needs no threshold, "
    "and is not flattered by ignoring a rare class",
    "accuracy": "the share of rows that get the right label",
    "balanced_accuracy": "the mean over classes of the share that gets the right label, since some class is rare",
    "r2": "the share of the target's variance that is explained; 1 is perfect, 0 is as good as the mean",
}


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


def name_task(y: np.ndarray, config: RunConfig, schema: Schema) -> Task:
    """The task that a typed table sets, with its measure.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        The target, without missing values.
    config : RunConfig
        `metric` as the user asked.
    schema : Schema
        Says which kind of task it is, and why.
    """
    kind = schema.task
    if kind is None:
        raise RunError(f"the target {config.target!r} has one value only: there is nothing to tell apart")
    try:
        measure = default_scorer(kind, y) if config.metric is None else scorer(config.metric, task=kind)
    except ValueError as error:
        raise RunError(f"--metric: {error}") from None
    why = "as asked" if config.metric is not None else WHY.get(measure.name, "the usual measure of this task")
    if kind == "regression":
        return Task(kind, config.target, measure.name, schema.task_reason, why)
    classes, counts = np.unique(y, return_counts=True)
    return Task(
        kind,
        config.target,
        measure.name,
        schema.task_reason,
        why,
        tuple(classes.tolist()),
        tuple(counts.tolist()),
    )


def target_array(column: pl.Series, kind: str | None) -> np.ndarray:
    """The target as learners take it: strings as objects, whole floats that name classes as integers."""
    if column.dtype.is_temporal():
        raise RunError(
            f"the target {column.name!r} holds dates: predict a number instead, such as the days until then"
        )
    if kind == "regression":
        return column.cast(pl.Float64).to_numpy()
    if column.dtype == pl.Boolean:
        return column.to_numpy()
    if column.dtype.is_numeric():
        values = column.to_numpy()
        whole = values.dtype.kind != "f" or bool(
            np.all(values == np.round(values)) and np.abs(values).max() < 2**53
        )
        return values.astype(np.int64) if whole else values
    return np.asarray(column.cast(pl.String).to_list(), dtype=object)
