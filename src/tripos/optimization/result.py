"""What a method returns, what it asks of an objective, and how it keeps its history."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

StepCallback = Callable[[int, float, np.ndarray], "bool | None"]


class NotFinite(ValueError):
    """An objective or its gradient is NaN or infinite where a method has to start."""


class Objective(Protocol):
    """A differentiable function of a vector."""

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """F(x) and its gradient."""


class SmoothObjective(Objective, Protocol):
    """An objective with second derivatives."""

    def value_gradient_hessian(self, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """F(x), its gradient and its Hessian."""


@dataclass(frozen=True)
class Result:
    """Where a method ended.

    Attributes
    ----------
    x : ndarray of shape (n_parameters,)
        The solution.
    fun : float
        The objective at the last point evaluated.
    gradient_norm : float
        Largest absolute component of the gradient there.
    n_iter : int
        Steps taken.
    converged : bool
    reason : str
        Why it stopped, with the number reached.
    history_ : dict of lists
        Columns step, loss, gradient (largest component), seconds; row 0 is the start.
    """

    x: np.ndarray
    fun: float
    gradient_norm: float
    n_iter: int
    converged: bool
    reason: str
    history_: dict[str, list[float]] = field(repr=False)


@dataclass
class Stopping:
    """When to stop, and the record of the way there.

    A point is good enough when the largest component of the gradient is at most `tol` *and* the decrease that
    the next step promises is at most `precision` of the value. The second condition makes the answer
    independent of how the variables are scaled; the first one is what scikit-learn and SciPy test.

    Parameters
    ----------
    tol : float
        Bound of |gradient|_inf.
    precision : float
        Bound of the predicted decrease, relative to |F|.
    max_iter : int
    noise : float
        Relative rounding error of F: smaller differences mean nothing.
    confirmations : int
        Further points that have to be good enough after the first one.
    on_step : callable, optional
        Called as on_step(step, value, x); True stops.
    """

    tol: float = 1e-4
    precision: float = 1e-10
    max_iter: int = 100
    noise: float = 1e-15
    confirmations: int = 0
    on_step: StepCallback | None = None
    begin: float = field(default_factory=time.perf_counter)
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], "loss": [], "gradient": [], "seconds": []}
    )
    asked_to_stop: bool = False
    good_points: int = 0

    def record(self, step: int, value: float, gradient: np.ndarray, x: np.ndarray) -> None:
        """Adds a row to the history; from step 1 on tells the listener."""
        row = (step, float(value), largest(gradient), time.perf_counter() - self.begin)
        for column, number in zip(self.history.values(), row):
            column.append(number)
        if step and self.on_step is not None:
            self.asked_to_stop = bool(self.on_step(step, value, x))

    def reached(self, value: float, gradient: np.ndarray, decrease: float) -> bool:
        """Whether the point is good enough, given the decrease a step from it promises, and so were those
        before it."""
        good = largest(gradient) <= self.tol and decrease <= max(self.precision, self.noise) * abs(value)
        self.good_points = self.good_points + 1 if good else 0
        return self.good_points > self.confirmations

    def result(
        self, x: np.ndarray, value: float, gradient: np.ndarray, step: int, reason: str | None
    ) -> Result:
        """The result; `reason` names a failure, None says that the point is good enough."""
        norm = largest(gradient)
        if reason is None:
            reason = f"the largest gradient component, {norm:.3g}, is within tol={self.tol:g}"
            return Result(x, value, norm, step, True, reason, self.history)
        return Result(x, value, norm, step, False, reason, self.history)

    def exhausted(self, gradient: np.ndarray) -> str:
        return (
            f"max_iter={self.max_iter} steps were not enough: the largest gradient component is "
            f"{largest(gradient):.3g}, tol asks for {self.tol:g}"
        )

    def start(self, x0: Any, evaluate: Callable[[np.ndarray], tuple]) -> tuple[np.ndarray, tuple]:
        """A float64 copy of the start and the objective there, recorded as step 0.

        Raises
        ------
        NotFinite
            If the objective is not finite at the start.
        """
        x = np.array(x0, dtype=np.float64, ndmin=1)
        evaluated = evaluate(x)
        if not (np.isfinite(evaluated[0]) and np.isfinite(evaluated[1]).all()):
            raise NotFinite(
                f"the objective is {evaluated[0]} at the start, or its gradient is not finite: start "
                "elsewhere"
            )
        self.record(0, evaluated[0], evaluated[1], x)
        return x, evaluated


def largest(gradient: np.ndarray) -> float:
    """Largest absolute component; 0 for an empty vector."""
    return float(np.abs(gradient).max(initial=0.0))
