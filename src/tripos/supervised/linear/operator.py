"""Least squares by products with X alone, for wide sparse data: no matrix of columns by columns.

    (Xc' S Xc + alpha I) w = Xc' S yc        by conjugate gradients,   Xc v = X v - mean.v

A product reads the rows once. Centring happens in the products, so that X stays sparse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from tripos.compute.executor import reduce_blocks
from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Rows
from tripos.objective.sparse import csr_product_pass
from tripos.optimization.conjugate import conjugate_gradients
from tripos.optimization.result import Result, StepCallback, Stopping


@dataclass(frozen=True, eq=False)
class CentredProducts:
    """Xc' S Xc and Xc' S yc of one target, through passes over prepared rows.

    Attributes
    ----------
    risk : Risk
        Squared loss over the rows; its column moments centre and scale.
    center : ndarray of shape (n_features,); zero without intercept
    """

    risk: Risk
    center: np.ndarray

    @cached_property
    def _pieces(self) -> list[tuple[Rows, np.ndarray]]:
        """Each block with room for its product: memory fresh from the system costs as much as the product."""
        blocks = cast(Iterable[Rows], self.risk.blocks)
        return [(rows, np.zeros(self.risk.n_features)) for rows in blocks]

    def product(self, v: np.ndarray) -> np.ndarray:
        """Xc' S Xc v."""

        def partial(piece: tuple[Rows, np.ndarray]) -> tuple[np.ndarray, float]:
            rows, room = piece
            return _rows_product(rows, room, self.center, v)

        pieces = self._pieces
        run: Any = reduce_blocks
        out, total = partial(pieces[0]) if len(pieces) == 1 else run(partial, _added, pieces)
        return np.asarray(out - self.center * total)

    def target(self, y_mean: float) -> np.ndarray:
        """Xc' S yc: minus the gradient of the squared loss at w = 0, b = mean(y)."""
        theta = self.risk.theta(np.zeros((1, self.risk.n_features)), np.array([y_mean]))
        gradient = self.risk.value_gradient(theta)[1] * self.risk.total_weight
        intercept = gradient[-1] if self.risk.fit_intercept else 0.0
        return -(gradient[: self.risk.n_features] - self.center * intercept)

    def solve(
        self, y_mean: float, alpha: float, *, tol: float, max_iter: int, on_step: StepCallback | None = None
    ) -> Result:
        """w for one target."""
        stopping = Stopping(tol=tol, max_iter=max_iter, on_step=on_step)
        inverse: Callable[[np.ndarray], np.ndarray] | None = None
        if alpha > 0.0:  # without a penalty the plain iteration finds the solution of least norm
            variance = self.risk.column_moments[1] if self.risk.fit_intercept else self._squares()
            diagonal = 1.0 / (self.risk.total_weight * variance + alpha)
            inverse = lambda r: diagonal * r  # noqa: E731
        return conjugate_gradients(
            lambda v: self.product(v) + alpha * v, self.target(y_mean), stopping, inverse=inverse
        )

    def _squares(self) -> np.ndarray:
        mean, variance = self.risk.column_moments
        return np.asarray(variance + mean * mean)


def _rows_product(
    rows: Rows, room: np.ndarray, center: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, float]:
    """X' S (X v - center.v), written to `room`, and the sum of S (X v - center.v)."""
    if isinstance(rows, DenseRows):
        scores = rows.X @ v.astype(rows.X.dtype)
        scores -= center @ v
        if rows.s.size:
            scores *= rows.s
        room[:] = scores @ rows.X
        return room, float(scores.sum(dtype=np.float64))
    room.fill(0.0)
    dtype = rows.data.dtype
    shift = dtype.type(center @ v)
    return room, csr_product_pass(*rows.arrays, rows.s, shift, v.astype(dtype, copy=False), room)


def _added(a: tuple[np.ndarray, float], b: tuple[np.ndarray, float]) -> tuple[np.ndarray, float]:
    return np.add(a[0], b[0], out=a[0]), a[1] + b[1]
