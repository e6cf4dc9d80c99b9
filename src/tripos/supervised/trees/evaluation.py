"""What is measured of evaluation sets while a boosted model grows, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tripos.supervised.trees.boosting import Booster
from tripos.supervised.trees.histogram_boosting import Part

RISES = ("accuracy", "auc", "r2", "ndcg", "map", "mrr")  # measures that are better when they are larger
Results = dict[str, dict[str, list[float]]]


class Evaluation:
    """Values of measures, set after set, step after step.

    Parameters
    ----------
    parts : list of Part
    metrics : str, callable or list of them
        A callable gets the targets and the predictions and returns a number, smaller for better, or
        (name, number, larger is better).
    measure : callable
        (name, part) -> number, for measures by name.
    predicted : callable
        Scores -> what a callable measure gets.
    patience : int or None
        Steps without a better first measure on the last set after which the fit stops.
    """

    def __init__(
        self,
        parts: list[Part],
        metrics: Any,
        measure: Callable[[str, Part], float],
        predicted: Callable[[np.ndarray], np.ndarray],
        patience: int | None,
    ) -> None:
        self.parts, self.measure, self.predicted, self.patience = parts, measure, predicted, patience
        self.metrics = list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
        self.values: Results = {f"validation_{i}": {} for i in range(len(parts))}
        self.rises: dict[str, bool] = {}
        self.first = ""

    def note(self, booster: Booster) -> float:
        """Measures all sets after a step; the first measure of the last set, NaN where there is none."""
        latest = booster.latest() if self.parts else None
        for i, part in enumerate(self.parts):
            assert latest is not None
            part.add(latest)
            for metric in self.metrics:
                name, value, rises = self._value(metric, part)
                self.first = self.first or name
                self.rises[name] = rises
                self.values[f"validation_{i}"].setdefault(name, []).append(float(value))
        return self.track()[-1] if self.parts else float("nan")

    def _value(self, metric: Any, part: Part) -> tuple[str, float, bool]:
        if isinstance(metric, str):
            return metric, self.measure(metric, part), metric.partition("@")[0] in RISES
        found = metric(part.y, self.predicted(part.scores))
        if isinstance(found, tuple):
            return found
        return getattr(metric, "__name__", type(metric).__name__), found, False

    def track(self) -> list[float]:
        """The first measure of the last set."""
        return self.values[f"validation_{len(self.parts) - 1}"][self.first]

    def _worse(self) -> np.ndarray | None:
        """The same, larger for worse; None where nothing stops the fit."""
        if not self.parts or self.patience is None:
            return None
        values = np.array(self.track())
        return -values if self.rises[self.first] else values

    def should_stop(self) -> bool:
        values = self._worse()
        return values is not None and len(values) - 1 - int(np.argmin(values)) >= (self.patience or 0)

    def best(self, n_steps: int) -> int:
        """Steps up to the best value; all where nothing stops the fit."""
        values = self._worse()
        return n_steps if values is None else n_steps - len(values) + int(np.argmin(values)) + 1
