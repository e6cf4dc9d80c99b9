"""The learning curve of a run: performance P as experience E grows from a few rows to all of training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from tripos.compute.budget import TimeBudget
from tripos.metrics.scorers import Scorer
from tripos.workflow.candidates import Candidate
from tripos.workflow.search import nested_sample
from tripos.workflow.trial import Fold

FEWEST = 50
MOST_SCORED = 20_000  # rows a point is scored on: enough for three digits
_STEPS = (1, 2, 5)

OnPoint = Callable[[int, list[float], list[float]], None]


def sizes_up_to(n_rows: int, fewest: int = FEWEST) -> list[int]:
    """1, 2, 5, 10, ... times ten from `fewest` on, and at the end all rows.

    Examples
    --------
    >>> sizes_up_to(3567)
    [50, 100, 200, 500, 1000, 2000, 3567]
    >>> sizes_up_to(40)
    [10, 20, 40]
    """
    if n_rows < 2 * fewest:
        return sorted({max(2, n_rows // 4), max(2, n_rows // 2), n_rows})
    round_sizes = [step * 10**power for power in range(1, 12) for step in _STEPS]
    return [size for size in round_sizes if fewest <= size < 0.75 * n_rows] + [n_rows]


def learning_curve(
    candidate: Candidate,
    params: Mapping[str, Any],
    frame: pl.DataFrame,
    y: np.ndarray,
    schema: Any,
    folds: Sequence[Fold],
    measure: Scorer,
    *,
    codes: np.ndarray | None,
    seed: int,
    budget: TimeBudget,
    on_point: OnPoint | None = None,
) -> dict[str, Any]:
    """Fits the whole pipeline on ever more rows of each fold and scores it on the rows held out.

    Smaller experiences are parts of larger ones. A size at which a fit is not possible (one class only) is left
    out; when the budget is over the curve ends, and says so.

    Returns
    -------
    dict with "sizes", "train" and "valid" (a list of scores per size) and "cut"
    """
    most = min(len(train) for train, _ in folds)
    orders = [train[nested_sample(None if codes is None else codes[train], len(train), seed)] for train, _ in folds]
    held_out = [valid[nested_sample(None, len(valid), seed)[:MOST_SCORED]] for _, valid in folds]
    result: dict[str, Any] = {"sizes": [], "train": [], "valid": [], "cut": False}
    for size in sizes_up_to(most):
        if budget.over and len(result["sizes"]) > 1:
            result["cut"] = True
            break
        fit, valid = [], []
        for order, held in zip(orders, held_out):
            pair = _point(candidate, params, frame, y, schema, order[:size], held, measure, seed)
            if pair is not None:
                fit.append(pair[0])
                valid.append(pair[1])
            if budget.over and valid:
                break  # a point on fewer folds is still a point
        if valid:
            result["sizes"].append(size)
            result["train"].append(fit)
            result["valid"].append(valid)
            if on_point is not None:
                on_point(size, fit, valid)
    return result


def _point(
    candidate: Candidate,
    params: Mapping[str, Any],
    frame: pl.DataFrame,
    y: np.ndarray,
    schema: Any,
    train: np.ndarray,
    held: np.ndarray,
    measure: Scorer,
    seed: int,
) -> tuple[float, float] | None:
    rows = np.sort(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = candidate.pipeline(schema, params, seed).fit(frame[rows], y[rows])
            seen = np.sort(train[:MOST_SCORED])
            return value_of(measure, model, frame[seen], y[seen]), value_of(measure, model, frame[held], y[held])
        except (ValueError, ArithmeticError, np.linalg.LinAlgError):
            return None  # too few rows of some class, or fewer rows than the method needs


def value_of(measure: Scorer, model: Any, X: Any, y: np.ndarray) -> float:
    """A measure of a fitted model in the measure's own direction."""
    return measure.measure(y, measure.predict(model, X), classes=getattr(model, "classes_", None))
