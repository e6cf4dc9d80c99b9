"""The one look at the test rows: the winner and the baseline, each measure with a bootstrap interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tripos.metrics.scorers import Scorer, report_scorers, scorer
from tripos.selection.intervals import bootstrap_interval
from tripos.workflow.figures import SCORE, probability_column
from tripos.workflow.task import Task

RESAMPLES = 1000
MOST_RESAMPLED_ROWS = 20_000_000  # rows x resamples: beyond, fewer resamples


def predictions(model: Any, frame: pl.DataFrame) -> pl.DataFrame:
    """What a fitted pipeline says of each row: `prediction`, and `p(class)` where it gives probabilities.

    A classifier of two classes without probabilities gives its `score`: positive for the second class.
    """
    return said(model[-1], model[:-1].transform(frame))  # encoded once, for labels and probabilities


def said(learner: Any, encoded: Any) -> pl.DataFrame:
    """As `predictions`, of a learner and rows that are encoded already."""
    columns = {"prediction": np.asarray(learner.predict(encoded))}
    if hasattr(learner, "predict_proba"):
        probabilities = np.asarray(learner.predict_proba(encoded))
        columns |= {
            probability_column(label): probabilities[:, k]
            for k, label in enumerate(learner.classes_.tolist())
        }
    elif len(getattr(learner, "classes_", ())) == 2 and hasattr(learner, "decision_function"):
        columns[SCORE] = np.asarray(learner.decision_function(encoded))
    return pl.DataFrame({name: pl.Series(name, _plain(values)) for name, values in columns.items()})


def _plain(values: np.ndarray) -> Any:
    return values.tolist() if values.dtype.kind in "OU" else np.ascontiguousarray(values)


def as_needed(measure: Scorer, predicted: pl.DataFrame, task: Task) -> np.ndarray:
    """The predictions in the form a measure takes."""
    if measure.needs in ("labels", "values"):
        return predicted["prediction"].to_numpy()
    columns = [probability_column(label) for label in task.classes]
    present = [name for name in columns if name in predicted.columns]
    if not present:
        if measure.needs == "scores" and SCORE in predicted.columns:
            return predicted[SCORE].to_numpy()
        raise ValueError(f"{measure.name} needs probabilities, which the model does not give")
    return predicted.select(present).to_numpy()


def measured(measure: Scorer, y: np.ndarray, predicted: pl.DataFrame, task: Task) -> float:
    """The value of a measure for predictions made before."""
    known = [label for label in task.classes if probability_column(label) in predicted.columns]
    return measure.measure(y, as_needed(measure, predicted, task), classes=known or None)


def score_test(
    y: np.ndarray,
    predicted: pl.DataFrame,
    baseline: pl.DataFrame,
    task: Task,
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """Every measure of the task on the test rows, with its 95 % interval and the baseline's value.

    The interval resamples the test rows with replacement (percentile bootstrap; Efron, 1979,
    doi:10.1214/aos/1176344552): it says how much the score owes to which rows happened to be put aside.
    """
    chosen = scorer(task.metric)
    rows: list[dict[str, Any]] = []
    for measure in dict.fromkeys((chosen, *report_scorers(task.kind))):
        try:
            value = measured(measure, y, predicted, task)
            low, high = interval(measure, y, predicted, task, seed, groups)
            base = measured(measure, y, baseline, task)
        except (ValueError, TypeError) as error:
            if measure is chosen:
                raise
            rows.append({"name": measure.name, "title": measure.title, "undefined": str(error)})
            continue
        rows.append(
            {
                "name": measure.name,
                "title": measure.title,
                "less": not measure.greater_is_better,
                "value": value,
                "low": low,
                "high": high,
                "baseline": base,
            }
        )
    first = rows[0]
    return {
        "rows": len(y),
        "score": first["value"],
        "low": first["low"],
        "high": first["high"],
        "baseline": first["baseline"],
        "measures": rows,
    }


def interval(
    measure: Scorer, y: np.ndarray, predicted: pl.DataFrame, task: Task, seed: int, groups: np.ndarray | None
) -> tuple[float, float]:
    """The 95 % bootstrap interval of a measure; whole groups are drawn where rows belong together."""
    known = [label for label in task.classes if probability_column(label) in predicted.columns]
    found = bootstrap_interval(
        measure,
        y,
        as_needed(measure, predicted, task),
        n_resamples=int(np.clip(MOST_RESAMPLED_ROWS // len(y), 100, RESAMPLES)),
        classes=known or None,
        groups=groups,
        random_state=seed,
    )
    return found.low, found.high


def repeats_of_training(train: pl.DataFrame, test: pl.DataFrame) -> np.ndarray:
    """Which test rows also occur in training, in every column: a model may simply remember them."""
    return np.isin(test.hash_rows(seed=0).to_numpy(), train.hash_rows(seed=0).to_numpy())
