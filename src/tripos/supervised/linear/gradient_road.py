"""Least squares by the gradient: what `LinearRegression(solver="gradient-descent")` and its like run.

    F(w, b) = 1/(2 W) sum_i s_i (y_i - x_i.w - b)^2
            = 1/(2 W) (y'y - 2 c'w + w'G w) + (b - (ybar - xbar.w))^2 / 2        G, c in centred columns

The second form says the same about (w, b) as the rows do, so that steps along its gradient are the steps that
passes over the rows would take, at d^2 operations each: they stream and merge. Only steps that see one row at
a time ("sgd") walk over the rows.

A point is good enough when no column is correlated with its residuals by more than a tolerance. That is the
largest component of the gradient in units of the columns' and the target's spread: it means the same whatever
the scales, which decide how many steps it takes: the error falls by (1 - 1/kappa) a step, with kappa the
condition number of F'' in (w, b).

References
----------
Y. Nesterov, *Introductory Lectures on Convex Optimization*, section 2.1.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg

from tripos.base import Training
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block
from tripos.objective.losses import SQUARED
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows, rows_of
from tripos.optimization.descent import descend
from tripos.optimization.result import Result, Stopping, largest
from tripos.supervised.linear.normal import NormalEquations

RULES = ("gradient-descent", "momentum", "nesterov", "adam")
SOLVERS = (*RULES, "sgd")
TOLERANCE = 1e-3  # of `tol`, for the correlation of a column with the residuals
NOISY_TOLERANCE = 1e-3  # for steps that see one row: below it their noise hides the descent
STEPS, EPOCHS = 10_000, 100  # unless `max_iter` says otherwise
ADAM_SHARE = 0.05  # of the longest component of the way ahead, Adam's first step
UNEVEN = 30.0  # ratio of the columns' spreads from which they are named as the reason of slow steps


@dataclass(frozen=True, eq=False)
class Quadratic:
    """F of one target, from the normal equations; parameters are the coefficients with the intercept last."""

    G: np.ndarray  # (d, d)
    c: np.ndarray  # (d,)
    x_mean: np.ndarray
    y_mean: float
    total: float
    weight: float
    fit_intercept: bool
    noise: float = 1e-15

    @classmethod
    def of(cls, equations: NormalEquations, k: int, weight: float, *, fit_intercept: bool) -> Quadratic:
        """Of the k-th target."""
        e = equations
        return cls(
            e.G, e.C[:, k], e.x_mean, float(e.y_mean[k]), float(e.total[k]), weight, fit_intercept
        )  # fmt: skip

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        w = x[: len(self.c)]
        Gw = self.G @ w
        value = 0.5 * (self.total + w @ (Gw - 2.0 * self.c)) / self.weight
        gradient = (Gw - self.c) / self.weight
        if not self.fit_intercept:
            return float(value), gradient
        left = float(x[-1]) - self.y_mean + float(self.x_mean @ w)
        return float(value + 0.5 * left * left), np.append(gradient + left * self.x_mean, left)

    def hessian(self) -> np.ndarray:
        """F'' in (w, b)."""
        if not self.fit_intercept:
            return self.G / self.weight
        m = np.append(self.x_mean, 1.0)
        H = np.outer(m, m)
        H[:-1, :-1] += self.G / self.weight
        return H

    def spreads(self) -> tuple[np.ndarray, float]:
        """Standard deviations of the columns and of the target (about zero without intercept)."""
        return np.sqrt(np.diag(self.G) / self.weight), math.sqrt(max(self.total, 0.0) / self.weight)


@dataclass
class Correlated(Stopping):
    """Stops by the correlation of the columns with the residuals."""

    scale: np.ndarray = field(default_factory=lambda: np.ones(1))

    def reached(self, value: float, gradient: np.ndarray, decrease: float) -> bool:
        return super().reached(value, gradient * self.scale, decrease)

    def result(
        self, x: np.ndarray, value: float, gradient: np.ndarray, step: int, reason: str | None
    ) -> Result:
        return super().result(x, value, gradient * self.scale, step, reason)

    def exhausted(self, gradient: np.ndarray) -> str:
        return (
            f"after max_iter={self.max_iter} steps the largest correlation of a column with the residuals is "
            f"{largest(gradient * self.scale):.3g}, the precision asked for is {self.tol:g}"
        )


@dataclass(frozen=True, eq=False)
class Descent:
    """How to go down: the user's choices."""

    solver: str
    learning_rate: float | None
    max_iter: int | None
    tol: float
    random_state: Any

    @property
    def steps(self) -> int:
        """At most so many steps, or epochs."""
        return self.max_iter or (EPOCHS if self.solver == "sgd" else STEPS)

    def run(self, objective: Quadratic | Risk, spreads: tuple[np.ndarray, float], progress: Any) -> Result:
        """From zero to the least squares of one target."""
        stopping = Correlated(
            tol=max(TOLERANCE * self.tol, NOISY_TOLERANCE if self.solver == "sgd" else 0.0),
            precision=np.inf,  # the correlations decide
            max_iter=self.steps,
            on_step=lambda step, value, x: progress.step(value),
            scale=_inverse_units(*spreads, objective.fit_intercept),
        )
        x0 = np.zeros(len(spreads[0]) + objective.fit_intercept)
        if self.solver == "sgd":
            seed = 0 if self.random_state is None else self.random_state
            options = {"batch_size": 1, "schedule": "cosine", "random_state": seed}
            return descend(objective, x0, stopping, learning_rate=self.learning_rate, **options)  # type: ignore[arg-type]
        if self.solver != "adam":
            return descend(objective, x0, stopping, rule=self.solver, learning_rate=self.learning_rate)
        rate = self.learning_rate or ADAM_SHARE * _reach(objective, spreads)
        return descend(objective, x0, stopping, rule="adam", learning_rate=rate, schedule="cosine")


def _inverse_units(spread: np.ndarray, target: float, fit_intercept: bool) -> np.ndarray:
    """What turns the gradient into correlations; 0 for constant columns."""
    units = np.append(spread, 1.0) if fit_intercept else spread
    units = units * (target or 1.0)
    return np.divide(1.0, units, out=np.zeros_like(units), where=units > 0.0)


def _reach(objective: Quadratic | Risk, spreads: tuple[np.ndarray, float]) -> float:
    """The longest coefficient to expect: the target's spread over the median column's, or its mean."""
    spread = spreads[0][spreads[0] > 0.0]
    level = abs(objective.y_mean) if isinstance(objective, Quadratic) and objective.fit_intercept else 0.0
    return max(spreads[1] / float(np.median(spread)) if len(spread) else 0.0, level) or 1.0


def risk_of(training: Training, k: int, n_rows: float, *, fit_intercept: bool) -> Risk:
    """F of the k-th target over the rows themselves, which may be those of a file."""

    def prepare(block: Block) -> Rows:
        y = np.asarray(block.y).reshape(len(block.y), -1)[:, k]  # type: ignore[arg-type]
        return rows_of(block, kernel_array(y, block.X.dtype), block.sample_weight)

    blocks: Any = training.blocks
    if training.in_memory:
        blocks = [prepare(block) for block in blocks]
    return Risk(
        blocks, SQUARED, prepare, n_rows, training.n_features,
        fit_intercept=fit_intercept, dtype=np.dtype(training.blocks.dtype),
    )  # fmt: skip


def risk_spreads(risk: Risk, y: np.ndarray, sample_weight: np.ndarray | None) -> tuple[np.ndarray, float]:
    """As `Quadratic.spreads`, from the rows."""
    mean, variance = risk.column_moments
    level = np.average(y, weights=sample_weight) if risk.fit_intercept else 0.0
    squares = variance if risk.fit_intercept else variance + mean * mean
    return np.sqrt(squares), math.sqrt(float(np.average((y - level) ** 2, weights=sample_weight)))


def advice(
    objective: Quadratic | Risk, spread: np.ndarray, names: Sequence[Any], solver: str, *, diverged: bool
) -> str:
    """What the columns' scales have to do with a descent that did not arrive, and what to change."""
    seen = np.flatnonzero(spread > 0.0)
    if not len(seen):
        return "Raise max_iter."
    least, most = seen[spread[seen].argmin()], seen[spread[seen].argmax()]
    ratio = spread[most] / spread[least]
    said, uneven = _conditions(objective, spread) if isinstance(objective, Quadratic) else ("", False)
    if isinstance(objective, Quadratic) and solver != "adam" and not diverged:
        high = scipy.linalg.eigvalsh(objective.hessian(), check_finite=False)[-1]
        said += f"Rates above 2/L = {2.0 / high:.2g} diverge, learning_rate={1.0 / high:.2g} works. "
    if ratio >= UNEVEN or uneven:
        return (
            f"The columns are not scaled: the standard deviation of {str(names[most])!r} is {ratio:.2g} times that of "
            f"{str(names[least])!r}, and a step that suits one is wrong for the other. {said}Scale the features "
            "(sklearn.preprocessing.StandardScaler), or use solver='auto', which does not notice."
        )
    change = "Choose that rate" if diverged else "Raise max_iter"
    return f"{said}{change}, or use solver='auto', which needs no steps."


def _conditions(objective: Quadratic, spread: np.ndarray) -> tuple[str, bool]:
    """A sentence about condition numbers, and whether scaling is what is missing."""
    values = scipy.linalg.eigvalsh(objective.hessian(), check_finite=False)
    seen = spread > 0.0
    unit = spread[seen] * math.sqrt(objective.weight)
    scaled = scipy.linalg.eigvalsh(objective.G[np.ix_(seen, seen)] / unit / unit[:, None], check_finite=False)
    now, then = _ratio(values), _ratio(scaled)
    uneven = now >= UNEVEN**2 and now >= UNEVEN * then
    what = f"The condition number of the objective is {now:.2g}, and the steps needed grow with it"
    return what + (f"; with scaled columns it would be {then:.2g}. " if uneven else ". "), uneven


def _ratio(values: np.ndarray) -> float:
    least = float(values[0])
    return float(values[-1]) / least if least > 1e-15 * float(values[-1]) else math.inf
