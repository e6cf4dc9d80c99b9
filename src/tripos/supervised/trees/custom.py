"""An objective given as a Python function of targets and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tripos.supervised.trees.gradients import Gradients

Objective = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], tuple[Any, Any]]


class CustomGradients(Gradients):
    """Derivatives that `function(y, raw, weight)` returns; weights are its own affair.

    Parameters
    ----------
    function : callable
        Called with y, the scores, shape (n_rows,) or (n_rows, n_outputs), and the weights or None; returns
        first and second derivatives by the scores, of the scores' shape.
    """

    def __init__(
        self,
        function: Objective,
        y: np.ndarray,
        weight: np.ndarray | None,
        baseline: np.ndarray,
        start: np.ndarray | None = None,
    ) -> None:
        super().__init__(None, y, None, baseline, start)
        self.function, self.given = function, (y, weight)
        self.total_weight = float(len(y)) if weight is None else float(weight.sum())

    def update(self) -> float:
        """Slopes and curvatures at the scores; the loss is not known."""
        y, weight = self.given
        raw = self.scores.T.astype(np.float64)
        raw = raw[:, 0] if raw.shape[1] == 1 else raw
        for name, found, out in zip(
            ("gradient", "hessian"),
            self.function(y, raw, weight),
            (self.slopes, self.curvatures),
            strict=True,
        ):
            values = np.asarray(found, np.float64)
            if values.shape != raw.shape:
                raise ValueError(f"the objective's {name} has shape {values.shape}, the scores {raw.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"the objective's {name} has NaN or infinite values")
            out[:] = values.reshape(len(y), -1).T
        if (self.curvatures < 0).any():
            raise ValueError(
                "the objective's hessian has negative values: return an upper bound, such as its absolute value"
            )
        self.totals[:, 1] = np.abs(self.slopes).sum(axis=1, dtype=np.float64)
        self.totals[:, 2] = self.curvatures.sum(axis=1, dtype=np.float64)
        return float("nan")
