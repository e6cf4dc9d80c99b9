"""The regularised risk of a linear model, over rows in memory, in a list of arrays or in files.

    F(theta) = 1/W sum_i s_i L(y_i, x_i.w + b) + R(w),        theta = (w, b),  W = sum_i s_i

Each evaluation is one pass: a block gives its sums (`partial`), the executor merges them in a fixed order, so
the same bits come from any number of threads, and from a file larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tripos.compute.blocks import Block
from tripos.compute.executor import reduce_blocks
from tripos.compute.random import generator
from tripos.objective.losses import Loss, SoftmaxLoss
from tripos.objective.penalties import NoPenalty, Penalty
from tripos.objective.rows import DenseRows, Evaluation, Rows


@dataclass(frozen=True, eq=False)
class Risk:
    """The objective of a linear model; theta is flat, class by class with the intercept last.

    Parameters
    ----------
    blocks : iterable of Block or of Rows
        Read once per evaluation.
    loss : Loss
    prepare : callable
        Turns a Block into `Rows` (codes the target, applies weights).
    total_weight : float
        W.
    n_features, n_outputs : int
    penalty : Penalty
    fit_intercept : bool
    intercept_penalty : float
        Weight of b^2 / 2. Zero but for liblinear, which treats the intercept as one more coefficient.
    dtype : numpy dtype
        Precision of the rows, which bounds that of the value.
    """

    blocks: Iterable[Block | Rows]
    loss: Loss
    prepare: Callable[[Block], Rows]
    total_weight: float
    n_features: int
    n_outputs: int = 1
    penalty: Penalty = NoPenalty()
    fit_intercept: bool = True
    intercept_penalty: float = 0.0
    dtype: np.dtype = np.dtype(np.float64)

    @property
    def n_parameters(self) -> int:
        return self.n_outputs * (self.n_features + self.fit_intercept)

    @property
    def noise(self) -> float:
        """Relative rounding error of a value: sums of that precision differ by this much from one theta to
        the next."""
        return 4.0 * float(np.finfo(self.dtype).eps)

    # ---- evaluations ----------------------------------------------------------------------------

    def value_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """F(theta) and its gradient, in one pass."""
        value, gradient, _ = self._evaluate(theta, hessian=False)
        return value, gradient

    def value_gradient_hessian(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """F(theta), its gradient and its Hessian, in one pass.

        Softmax scores may all be moved by one number without changing a probability. Where no penalty fixes
        it, that direction gets curvature 1: its gradient is zero, so no step follows it, and the Hessian is
        invertible.
        """
        value, gradient, hessian = self._evaluate(theta, hessian=True)
        assert hessian is not None
        return value, gradient, hessian

    def _evaluate(self, theta: np.ndarray, *, hessian: bool) -> tuple[float, np.ndarray, np.ndarray | None]:
        extended = self._extended(theta)
        sums: Evaluation = self.reduce(
            lambda rows: rows.evaluate(self.loss, extended, hessian=hessian), Evaluation.add
        )
        d, W = self.n_features, self.total_weight
        weights, intercepts = extended[:, :d], extended[:, d:]
        value = sums.value / W + self.penalty.value(weights)
        value += 0.5 * self.intercept_penalty * float(np.vdot(intercepts, intercepts))
        gradient = sums.gradient / W
        gradient[:, :d] += self.penalty.gradient(weights)
        gradient[:, d:] += self.intercept_penalty * intercepts
        H = None if sums.hessian is None else self._regularised(sums.hessian / W)
        return value, self._flat(gradient), H

    def _regularised(self, hessian: np.ndarray) -> np.ndarray:
        """The mean Hessian with the penalty's curvature, as a square matrix."""
        K, d = self.n_outputs, self.n_features
        bend = np.full(d + 1, self.penalty.curvature)
        bend[d] = self.intercept_penalty
        diagonals = np.einsum("kjlj->klj", hessian)  # a view
        for k in range(K):
            diagonals[k, k] += bend
        if isinstance(self.loss, SoftmaxLoss):
            diagonals[:, :, bend == 0.0] += 1.0 / K
        D = d + self.fit_intercept
        return hessian[:, :D, :, :D].reshape(K * D, K * D)

    def reduce(self, partial: Callable[[Rows], Any], merge: Callable[[Any, Any], Any]) -> Any:
        """Statistics of all rows, merged in a fixed order; a single block in memory needs no threads, which
        take 0.1 ms."""
        if isinstance(self.blocks, list) and len(self.blocks) == 1:
            return partial(self._rows(self.blocks[0]))
        blocks: Any = self.blocks
        return reduce_blocks(lambda block: partial(self._rows(block)), merge, blocks)

    def _rows(self, block: Block | Rows) -> Rows:
        return self.prepare(block) if isinstance(block, Block) else block

    def _extended(self, theta: np.ndarray) -> np.ndarray:
        """theta as [W, b] of shape (n_outputs, n_features + 1)."""
        extended = np.zeros((self.n_outputs, self.n_features + 1))
        extended[:, : self.n_features + self.fit_intercept] = theta.reshape(self.n_outputs, -1)
        return extended

    def _flat(self, extended: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(extended[:, : self.n_features + self.fit_intercept]).reshape(-1)

    def coefficients(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W of shape (n_outputs, n_features) and b of shape (n_outputs,).

        Softmax: of the parameters that give the same probabilities, those that sum to zero over the classes
        (a penalty on W has made its choice already).
        """
        extended = self._extended(theta)
        W, b = extended[:, : self.n_features], extended[:, self.n_features]
        if isinstance(self.loss, SoftmaxLoss):
            b = b if self.intercept_penalty else b - b.mean()
            W = W if self.penalty.curvature else W - W.mean(axis=0)
        return W, b

    def theta(self, W: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The flat parameters of W and b."""
        return self._flat(np.column_stack([W, b]).astype(np.float64))

    # ---- what solvers start from ----------------------------------------------------------------

    def subsample(self, n_rows: int, of: int, seed: int = 0) -> Risk:
        """The same objective on about `n_rows` of `of` rows, copied to memory: one row at random of each
        stride."""
        stride = of / n_rows
        picks = (np.arange(n_rows) + generator(seed).random(n_rows)) * stride
        chosen = np.unique(np.minimum(picks.astype(np.int64), of - 1))
        sample: list[Block | Rows] = []
        weight = 0.0
        start = 0
        for block in self.blocks:
            rows = self._rows(block)
            stop = start + rows.n_rows
            inside = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, stop)] - start
            if len(inside):
                taken = rows.take(inside)
                sample.append(taken)
                weight += float(taken.s.sum(dtype=np.float64)) if taken.s.size else len(inside)
            start = stop
        return replace(self, blocks=sample, total_weight=weight)

    @cached_property
    def column_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance of each column, in one pass (float64)."""
        first = self._rows(next(iter(self.blocks)))
        shift = np.zeros(self.n_features)
        if isinstance(
            first, DenseRows
        ):  # columns far from zero lose no digits when shifted by a row of theirs
            shift += first.X[0]

        sums, squares = self.reduce(lambda rows: rows.moments(shift), lambda a, b: (a[0] + b[0], a[1] + b[1]))
        mean = sums / self.total_weight
        return shift + mean, np.maximum(squares / self.total_weight - mean * mean, 0.0)

    def separates(self, theta: np.ndarray) -> bool:
        """Whether the linear model puts every row strictly on the side of its own class."""
        extended = self._extended(theta)
        return bool(self.reduce(lambda rows: _separated(rows, extended), lambda a, b: a and b))

    def largest_score(self, theta: np.ndarray) -> float:
        """Largest absolute score of a row."""
        extended = self._extended(theta)
        return float(self.reduce(lambda rows: float(np.abs(rows.scores(extended)).max(initial=0.0)), max))


def _separated(rows: Rows, theta: np.ndarray) -> bool:
    scores = rows.scores(theta)
    if len(scores) == 1:
        return bool((scores[0] * (2 * rows.y - 1) > 0).all())
    own = scores[rows.y, np.arange(rows.n_rows)]
    scores[rows.y, np.arange(rows.n_rows)] = -np.inf
    return bool((own > scores.max(axis=0)).all())
