"""The learning curve of a run: performance P as experience E grows from a few rows to all of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from tripos.compute.budget import TimeBudget
from tripos.compute.random import generator
from tripos.metrics.scorers import Scorer
from tripos.selection import LearningCurve, diagnose_fit
from tripos.selection import learning_curve as grow
from tripos.selection.curves import LearningPoint
from tripos.selection.splitting import Fold

FEWEST = 50
MOST_HELD_OUT = 20_000  # rows a point is scored on: enough for three digits,
MOST_BYTES_HELD_OUT = 4 << 20  # and this much text
LARGE = 8 << 20  # bytes of the table, from which two repeats tell as much as five
_STEPS = (1, 2, 5)


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
    model: Any,
    frame: pl.DataFrame,
    y: np.ndarray,
    folds: Sequence[Fold],
    measure: Scorer,
    *,
    seed: int,
    budget: TimeBudget,
    on_point: Callable[[LearningPoint], None],
) -> tuple[LearningCurve, bool]:
    """Fits the whole pipeline on ever more rows of each fold and scores it on the rows held out.

    Returns
    -------
    curve : LearningCurve
    cut : bool
        Whether the budget was over before all training rows were reached.
    """
    size = frame.estimated_size()
    most = int(min(MOST_HELD_OUT, max(MOST_BYTES_HELD_OUT * len(y) / max(size, 1), 1000)))
    repeats = list(folds) if size < LARGE else list(folds)[-2:]
    held = [(train, _part(valid, most, seed)) for train, valid in repeats]
    sizes = sizes_up_to(min(len(train) for train, _ in held))

    def after(point: LearningPoint) -> bool:
        on_point(point)
        return budget.over

    while True:
        try:
            curve = grow(
                model, frame, y, sizes=sizes, scorer=measure, repeats=held, on_point=after, random_state=seed
            )
            return curve, int(curve.sizes[-1]) < sizes[-1]
        except ValueError:  # no repeat can be fitted on so few rows
            if len(sizes) == 1:
                raise
            sizes = sizes[1:]


def _part(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(generator(seed).choice(rows, most, replace=False))


def described(curve: LearningCurve, cut: bool, baseline: float) -> dict[str, Any]:
    """The curve and what it says, in plain data."""
    try:
        found = diagnose_fit(curve, baseline=baseline)
        headline, _, text = found.sentence.partition(": ")
        kind, more = found.kind, found.more_rows_help
    except ValueError:
        headline, text, kind, more = "There are too few rows for a curve", "", "unknown", False
    return {
        **{
            "sizes": curve.sizes.tolist(),
            "train": curve.train_scores.tolist(),
            "valid": curve.validation_scores.tolist(),
        },
        **{"fit_seconds": curve.fit_seconds.tolist(), "cut": cut, "baseline": baseline},
        **{"kind": kind, "more_rows_help": more, "headline": headline, "text": text},
    }
