"""Objectives whose rows can be taken a batch at a time: `Risk`, and anything that offers `batch_gradient`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from tripos.compute.blocks import Block
from tripos.objective.losses import Loss, PointwiseLoss
from tripos.objective.penalties import L2, ElasticNet
from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Rows
from tripos.optimization.clipping import Clip
from tripos.optimization.epoch import csr_epoch, csr_gradient_epoch, dense_epoch
from tripos.optimization.lipschitz import batch_lipschitz, lipschitz
from tripos.optimization.rules import GRADIENT, Memory, Rule
from tripos.optimization.schedules import Schedule, rates_of


class BatchObjective(Protocol):
    """An objective that is a mean over rows."""

    n_rows: int

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """F(x) and its gradient, over all rows."""

    def batch_gradient(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """An estimate of the gradient from some rows, whose mean over batches is the gradient."""


@dataclass
class Walk:
    """A method on its way: where it is, what its rule remembers, and how it steps."""

    x: np.ndarray
    rule: Rule
    memory: Memory
    schedule: Schedule
    clip: Clip
    batch: int

    def rates(self, n_rows: int) -> np.ndarray:
        """Learning rates of the steps that an epoch over so many rows takes."""
        steps, t = -(-n_rows // self.batch), self.memory.t
        return rates_of(self.schedule, np.arange(t, t + steps))

    def step(self, gradient: np.ndarray) -> None:
        self.clip(gradient)
        self.rule.step(self.x, gradient, self.memory, self.schedule(self.memory.t))


class FunctionBatches:
    """Epochs over an objective that gives the gradient of any rows."""

    def __init__(self, objective: BatchObjective) -> None:
        self.objective = objective
        self.n_rows = int(objective.n_rows)

    def curvature(self, x: np.ndarray, batch: int) -> float:
        """Largest curvature at x, of all rows together: of single ones nothing is known."""
        return lipschitz(self.objective, x)

    def epoch(self, walk: Walk, rng: np.random.Generator) -> None:
        """One step for each batch of rows in a random order."""
        order = rng.permutation(self.n_rows)
        for start in range(0, self.n_rows, walk.batch):
            walk.step(np.array(self.objective.batch_gradient(walk.x, order[start : start + walk.batch])))


class RiskBatches:
    """Epochs over the risk of a linear model: blocks in random order, the rows of each in random order.

    Rows of a file larger than memory are thus read once an epoch.
    """

    def __init__(self, risk: Risk) -> None:
        self.risk = risk

    @cached_property
    def n_rows(self) -> int:
        return sum(rows.n_rows for rows in self._rows())

    def _rows(self, rng: np.random.Generator | None = None) -> Iterator[Rows]:
        blocks: Any = self.risk.blocks
        if rng is not None and isinstance(blocks, list):
            blocks = [blocks[k] for k in rng.permutation(len(blocks))]
        for block in blocks:
            yield self.risk.prepare(block) if isinstance(block, Block) else block

    @property
    def _scale(self) -> float:
        """What makes the mean over a batch's rows an estimate of the weighted mean over all rows: n / W."""
        return self.n_rows / self.risk.total_weight

    def epoch(self, walk: Walk, rng: np.random.Generator) -> None:
        """One step for each batch of rows in a random order."""
        for rows in self._rows(rng):
            order = rng.permutation(rows.n_rows)
            if isinstance(self.risk.loss, PointwiseLoss):
                self._kernel_epoch(rows, order, walk)
            else:
                for start in range(0, rows.n_rows, walk.batch):
                    walk.step(self.gradient(rows.take(order[start : start + walk.batch]), walk.x))

    def _kernel_epoch(self, rows: Rows, order: np.ndarray, walk: Walk) -> None:
        loss, memory, rates = self.risk.loss, walk.memory, walk.rates(rows.n_rows)
        assert isinstance(loss, PointwiseLoss)
        where = (rows.y, rows.s, order.astype(np.int64), walk.batch, self._scale, self._penalty)
        how = (np.array([walk.clip.norm, walk.clip.value]), walk.rule.code, walk.rule.numbers, rates)
        state = (walk.x, memory.m, memory.v, memory.t)
        known = (loss.code, loss.parameter)
        lazy = walk.rule.code == GRADIENT and not walk.clip.active and self._penalty[0] == 0.0
        if isinstance(rows, DenseRows):
            dense_epoch(*known, rows.X, *where, *how, *state)
        elif lazy:
            csr_gradient_epoch(*known, *rows.arrays, rows.n_features, *where, rates, walk.x)
        else:
            csr_epoch(*known, *rows.arrays, rows.n_features, *where, *how, *state)
        memory.t += len(rates)

    @property
    def _penalty(self) -> np.ndarray:
        """Weights of |w|_1, |w|^2 / 2 and b^2 / 2."""
        penalty = self.risk.penalty
        l1 = penalty.l1 if isinstance(penalty, ElasticNet) else 0.0
        l2 = penalty.alpha if isinstance(penalty, L2) else penalty.curvature
        return np.array([l1, l2, self.risk.intercept_penalty])

    def curvature(self, x: np.ndarray, batch: int) -> float:
        """Largest curvature that a batch of rows feels at x."""
        extended = self._extended(x)
        single = max((_largest_row(rows, self.risk.loss, extended) for rows in self._rows()), default=0.0)
        single = single * self._scale + self.risk.penalty.curvature
        return batch_lipschitz(lipschitz(self.risk, x), single, self.n_rows, batch)

    def _extended(self, x: np.ndarray) -> np.ndarray:
        """x as [W, b] of shape (n_outputs, n_features + 1)."""
        extended = np.zeros((self.risk.n_outputs, self.risk.n_features + 1))
        extended[:, : self.risk.n_features + self.risk.fit_intercept] = x.reshape(self.risk.n_outputs, -1)
        return extended

    def gradient(self, rows: Rows, x: np.ndarray) -> np.ndarray:
        """The gradient estimated from some rows: what the kernels compute, in NumPy."""
        risk, d = self.risk, self.risk.n_features
        extended = self._extended(x)
        g = rows.evaluate(risk.loss, extended, hessian=False).gradient * (self._scale / rows.n_rows)
        g[:, :d] += risk.penalty.gradient(extended[:, :d])
        g[:, d] += risk.intercept_penalty * extended[:, d]
        return np.ascontiguousarray(g[:, : d + risk.fit_intercept]).reshape(-1)


def _largest_row(rows: Rows, loss: Loss, theta: np.ndarray) -> float:
    """max_i s_i L''(y_i, eta_i) |[x_i, 1]|^2; a row of the softmax bends by at most 1/2."""
    if isinstance(rows, DenseRows):
        squares = np.einsum("ij,ij->i", rows.X, rows.X)
    else:
        squares = np.add.reduceat(np.append(rows.data**2, 0.0), rows.indptr[:-1]) * (np.diff(rows.indptr) > 0)
    bend = loss.curvature(rows.y, rows.scores(theta)[0]) if isinstance(loss, PointwiseLoss) else 0.5
    return float(np.max(bend * (squares + 1.0) * (rows.s if rows.s.size else 1.0), initial=0.0))


def batches_of(objective: Any) -> FunctionBatches | RiskBatches:
    """What takes an objective's rows apart.

    Raises
    ------
    TypeError
        If nothing can: the objective is a plain function.
    """
    if isinstance(objective, Risk):
        return RiskBatches(objective)
    if hasattr(objective, "batch_gradient") and hasattr(objective, "n_rows"):
        return FunctionBatches(objective)
    raise TypeError(
        f"batch_size needs an objective whose rows can be taken apart: a Risk (see linear_risk in "
        f"tripos.objective.linear), or one with `n_rows` and `batch_gradient(x, rows)`; "
        f"{type(objective).__name__} has neither"
    )
