"""Watching a fit: its history, scikit-learn's callbacks, and early stopping.

An iterative learner opens `with self._progress(max_steps) as progress:` and calls `progress.step(loss)` once
a step; True asks it to stop. Callbacks set with `set_callbacks` hear of every step, and
`history_` holds a table with one row a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

COLUMNS = ("step", "loss", "validation", "seconds")


class Progress:
    """One fit as it goes on; `history` has the columns step, loss, validation (NaN where absent), seconds since the start."""

    def __init__(self, estimator: Any, max_steps: int | None) -> None:
        self._estimator = estimator
        self._begin = time.perf_counter()
        self.history: dict[str, list[float]] = {column: [] for column in COLUMNS}
        self.stopped = False
        self._context = None
        if hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx"):
            self._context = estimator._init_callback_context(max_subtasks=max_steps)
            self._context.call_on_fit_task_begin(estimator=estimator)

    @staticmethod
    def report_single_task(estimator: Any) -> None:
        """Tells the callbacks of a fit in closed form: one task that began and ended."""
        context = estimator._init_callback_context(max_subtasks=0)
        context.call_on_fit_task_begin(estimator=estimator)
        context.call_on_fit_task_end(estimator=estimator)

    def step(
        self,
        loss: float,
        validation: float = float("nan"),
        attributes: Callable[[], dict[str, Any]] | None = None,
    ) -> bool:
        """Records one step and tells the callbacks; True when one of them asks to stop.

        Parameters
        ----------
        loss : float
            The objective after the step.
        validation : float, optional
            The score on validation data after the step.
        attributes : callable, optional
            Returns the fitted attributes as of this step, for callbacks that want a usable estimator.
        """
        rows = self.history
        row = (len(rows["step"]) + 1, float(loss), float(validation), time.perf_counter() - self._begin)
        for column, value in zip(COLUMNS, row):
            rows[column].append(value)
        if self._context is not None:
            task = self._context.subcontext(task_name="step")
            task.call_on_fit_task_begin(estimator=self._estimator)
            self.stopped |= bool(
                task.call_on_fit_task_end(estimator=self._estimator, reconstruction_attributes=attributes)
            )
        return self.stopped

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._estimator.history_ = self.history
        if self._context is not None and error is None:
            self._context.call_on_fit_task_end(estimator=self._estimator)
