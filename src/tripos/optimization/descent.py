"""Gradient descent in all its forms: over all rows (batch), over some (mini-batch), over one (stochastic).

    x_{t+1} = rule(x_t, g_t, rate_t),        g_t = F'(x_t), or its estimate from the rows of a batch

The update rules are in `rules`, the rates in `schedules`. Where no learning rate is given, gradient
descent, momentum and Nesterov take 1 / L with L from `lipschitz`, a half of that for batches
of rows, or less after a trial.

References
----------
L. Bottou, F. Curtis, J. Nocedal (2018), "Optimization Methods for Large-Scale Machine Learning",
doi:10.1137/16M1080173.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tripos.compute.random import RandomState, generator
from tripos.optimization.batches import FunctionBatches, RiskBatches, Walk, batches_of
from tripos.optimization.clipping import Clip
from tripos.optimization.lipschitz import lipschitz
from tripos.optimization.result import Objective, Result, Stopping
from tripos.optimization.rules import RULES, Memory, Rule
from tripos.optimization.schedules import Constant, Schedule, named

BLOWN_UP = 1e4  # rise of the objective, relative to where it began, after which it will not come back
RISEN = 0.1  # the same after the last step: noise of batches around a good start is less
TRIALS, TRIAL_STEPS = 20, 30  # of a rate before it is recommended
CAUTION = 0.5  # of the largest safe rate, for steps that see a batch only


def descend(
    objective: Objective,
    x0: Any,
    stopping: Stopping,
    *,
    rule: Rule | str = "gradient-descent",
    learning_rate: float | Schedule | None = None,
    schedule: str = "constant",
    warm_up: int = 0,
    batch_size: int | None = None,
    clip_norm: float = np.inf,
    clip_value: float = np.inf,
    random_state: RandomState = 0,
) -> Result:
    """Minimise an objective by steps along its gradient.

    Parameters
    ----------
    objective : Objective
        For batches of rows a `Risk`, or an object that also has `n_rows` and `batch_gradient(x, rows)`.
    x0 : array-like of shape (n_parameters,)
    stopping : Stopping
        `max_iter` counts steps, with batches epochs. `tol` bounds the gradient over all rows.
    rule : Rule or str, default="gradient-descent"
        An update rule or its name in `tripos.optimization.rules.RULES`.
    learning_rate : float or callable, optional
        Of the first step, or a function of the step t = 0, 1, ...; by default the rule's own.
    schedule : {"constant", "inverse-scaling", "step", "cosine"}, default="constant"
        How the rate goes on from there.
    warm_up : int, default=0
        Steps in which the rate rises linearly to what the schedule says.
    batch_size : int, optional
        Rows of a batch; 1 is stochastic gradient descent. By default every step sees all rows.
    clip_norm, clip_value : float, default=inf
        Bounds of the gradient's length and of its components.
    random_state : int, Generator or None, default=0
        Orders the rows.

    Returns
    -------
    Result
        With the last point; after divergence, which `reason` names together with a rate that works, the
        best one.
    """
    rule = _rule(rule)
    x, (value, gradient) = stopping.start(x0, objective.value_gradient)
    batches, batch = None, 0
    if batch_size is not None:
        batches = batches_of(objective)
        batch = _batch_size(batch_size, batches.n_rows)
    steps = stopping.max_iter * (-(-batches.n_rows // batch) if batches else 1)
    walk = Walk(x, rule, Memory.like(x), Constant(1.0), Clip(clip_norm, clip_value), batch)
    course = _Course(objective, batches, stopping, walk, (value, x.copy(), gradient))
    rate = learning_rate
    if rate is None:
        rate = rule.rate or course.tried(_own_rate(rule, objective, batches, x, gradient, batch))
    walk.schedule = rate if callable(rate) else named(schedule, float(rate), steps, warm_up)
    return course.run(value, gradient, generator(random_state))


@dataclass
class _Course:
    """One run: steps until a point is good enough, the steps are used up, or the objective blows up."""

    objective: Objective
    batches: FunctionBatches | RiskBatches | None
    stopping: Stopping
    walk: Walk
    start: tuple[float, np.ndarray, np.ndarray]
    best: tuple[float, np.ndarray, np.ndarray] = field(init=False)

    @property
    def first(self) -> float:
        """The objective at the start."""
        return self.start[0]

    def run(self, value: float, gradient: np.ndarray, rng: np.random.Generator) -> Result:
        stopping, walk = self.stopping, self.walk
        self.best = self.start
        for step in range(stopping.max_iter + 1):
            if stopping.reached(value, gradient, 0.0):
                return stopping.result(walk.x, value, gradient, step, None)
            if stopping.asked_to_stop:
                return stopping.result(walk.x, value, gradient, step, "a callback asked to stop")
            if step == stopping.max_iter:
                if value - self.first > RISEN * abs(self.first):
                    return self._diverged(value, step)
                return stopping.result(walk.x, value, gradient, step, stopping.exhausted(gradient))
            value, gradient = self._advance(walk, gradient, rng)
            if not self._bounded(value, gradient):
                return self._diverged(value, step + 1)
            if value < self.best[0]:
                self.best = (value, walk.x.copy(), gradient)
            stopping.record(step + 1, value, gradient, walk.x)
        raise AssertionError("the loop returns at max_iter")

    def _advance(
        self, walk: Walk, gradient: np.ndarray, rng: np.random.Generator
    ) -> tuple[float, np.ndarray]:
        """One step, or one epoch of them; the objective and its gradient afterwards."""
        if self.batches is None:
            walk.step(gradient.copy())
        else:
            self.batches.epoch(walk, rng)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.objective.value_gradient(walk.x)

    def _bounded(self, value: float, gradient: np.ndarray) -> bool:
        rise = value - self.first
        return bool(
            math.isfinite(value)
            and np.isfinite(gradient).all()
            and rise <= BLOWN_UP * max(1.0, abs(self.first))
        )

    def _diverged(self, value: float, step: int) -> Result:
        """The best point, and what to do: a rate below 2 / L."""
        low, x, gradient = self.best
        used = self.walk.schedule(max(self.walk.memory.t - 1, 0))
        unit = "epoch" if self.batches else "step"
        reason = (
            f"diverged: the objective went from {self.first:.6g} to {value:.3g} by {unit} {step} with a "
            f"learning rate of {used:.3g}. {self._advice(x, used)}"
        )
        return self.stopping.result(x, low, gradient, step, reason)

    def _advice(self, x: np.ndarray, used: float) -> str:
        largest = _curvature(self.objective, self.batches, x, self.walk.batch)
        safe = _share(self.walk.rule, self.batches) / largest if largest > 0.0 else np.inf
        if self.walk.rule.rate is not None or not safe < used:
            return f"Try learning_rate={self.tried(0.1 * used):.2g} or scale the features"
        what = "A batch of rows" if self.batches else "The objective"
        return (
            f"{what} bends by up to L = {largest:.3g}, and rates above 2/L = {2 / largest:.3g} diverge: "
            f"learning_rate={self.tried(safe):.2g} works. Scaling the features makes larger rates possible"
        )

    def tried(self, rate: float) -> float:
        """The rate, or the first of its quarters, that brings the objective down within a few steps.

        Where the curvature grows on the way, as it does for counts, the one seen so far allows too much.
        """
        for _ in range(TRIALS):
            x = self.start[1].copy()
            walk = replace(self.walk, x=x, memory=Memory.like(x), schedule=Constant(rate))
            value, gradient = self.start[0], self.start[2]
            for _ in range(1 if self.batches else TRIAL_STEPS):
                value, gradient = self._advance(walk, gradient, generator(0))
                if not self._bounded(value, gradient):
                    break
            if value <= self.first:
                return rate
            rate *= 0.25
        return rate


def _curvature(
    objective: Objective, batches: FunctionBatches | RiskBatches | None, x: np.ndarray, batch: int
) -> float:
    return lipschitz(objective, x) if batches is None else batches.curvature(x, batch)


def _own_rate(
    rule: Rule,
    objective: Objective,
    batches: FunctionBatches | RiskBatches | None,
    x: np.ndarray,
    gradient: np.ndarray,
    batch: int,
) -> float:
    """What the curvature at the start allows; on flat ground a rate whose first step is 1/10 long."""
    largest = _curvature(objective, batches, x, batch)
    if largest > 0.0:
        return _share(rule, batches) / largest
    return 0.1 / max(float(np.linalg.norm(gradient)), 1e-12)


def _share(rule: Rule, batches: FunctionBatches | RiskBatches | None) -> float:
    """The rate in units of 1 / L; noise of batches adds up over the 1 / (1 - mu) steps momentum remembers."""
    return CAUTION * (1.0 - getattr(rule, "momentum", 0.0)) if batches else 1.0


def _rule(rule: Rule | str) -> Rule:
    if isinstance(rule, Rule):
        return rule
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(map(repr, RULES))}, got {rule!r}")
    return RULES[rule]()


def _batch_size(batch_size: int, n_rows: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
    return min(int(batch_size), n_rows)
