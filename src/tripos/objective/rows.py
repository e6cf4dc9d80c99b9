"""A block of rows with its targets, ready for the passes of `dense` and `sparse`.

`DenseRows` and `SparseRows` offer the same five calls, so that nothing above them asks which one it holds.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import Block
from tripos.compute.executor import map_tasks
from tripos.objective.dense import any_pointwise_pass, column_sums, pointwise_pass, softmax_pass
from tripos.objective.losses import Loss, PointwiseLoss
from tripos.objective.sparse import (
    any_csr_pointwise_pass,
    csr_class_scores,
    csr_column_sums,
    csr_pointwise_pass,
    csr_softmax_pass,
)

_NONE = np.empty(0)
# Multiplications of a softmax Hessian from which threads share its rows, pieces of them, and numbers it may have.
SHARED_WORK, MOST_PIECES, SHARED_NUMBERS = 2e7, 4, 1 << 20
TEMPTING = 300_000  # as in `moments`


@dataclass
class Evaluation:
    """Sums over rows: losses, their gradient of shape (n_outputs, n_features + 1), their Hessian with shape
    (n_outputs, n_features + 1, n_outputs, n_features + 1), or None. The last column belongs to the intercept."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None

    def add(self, other: Evaluation) -> Evaluation:
        self.value += other.value
        self.gradient += other.gradient
        if self.hessian is not None and other.hessian is not None:
            self.hessian += other.hessian
        return self


@dataclass(frozen=True, eq=False)
class DenseRows:
    """Rows of a C-contiguous array.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,): of X's dtype for losses of one score, int64 class codes for softmax
    s : ndarray of shape (n_rows,) of X's dtype; empty where every weight is 1
    """

    X: np.ndarray
    y: np.ndarray
    s: np.ndarray

    @property
    def n_rows(self) -> int:
        return len(self.y)

    def evaluate(self, loss: Loss, theta: np.ndarray, *, hessian: bool) -> Evaluation:
        """Loss, gradient and, on request, Hessian at theta = [W, b] of shape (n_outputs, n_features + 1)."""
        K, D = theta.shape
        W, b = _coefficients(theta, self.X.dtype)
        gradient = np.zeros((K, D))
        if isinstance(loss, PointwiseLoss):
            H = np.zeros((D, D) if hessian else (0, 0))
            known = loss.code, loss.parameter
            run = pointwise_pass if loss.common else any_pointwise_pass
            tempting = hessian and len(self.y) * H.size > TEMPTING
            with blas_threads(1) if tempting else nullcontext():
                value = run(*known, self.X, self.y, self.s, W[0], b[0], gradient[0], H)
            return Evaluation(value, gradient, H[None, :, None] if hessian else None)
        size = (K * D) ** 2  # numbers of the Hessian
        pieces = int(min(len(self.y) * size / 4.0 / SHARED_WORK, MOST_PIECES))
        if not hessian or pieces < 2 or size > SHARED_NUMBERS:
            return self._softmax(W, b, hessian=hessian)
        ends = np.linspace(0, len(self.y), pieces + 1).astype(np.int64)
        parts = [self._between(start, stop) for start, stop in zip(ends[:-1], ends[1:])]
        return reduce(Evaluation.add, map_tasks(lambda part: part._softmax(W, b, hessian=True), parts))

    def _softmax(self, W: np.ndarray, b: np.ndarray, *, hessian: bool) -> Evaluation:
        K, D = len(W), W.shape[1] + 1
        gradient, H = np.zeros((K, D)), np.zeros((K, D, K, D) if hessian else (0, 0, 0, 0))
        value = softmax_pass(self.X, self.y, self.s, W, b, gradient, H)
        return Evaluation(value, gradient, H if hessian else None)

    def _between(self, start: int, stop: int) -> DenseRows:
        rows = slice(start, stop)
        return replace(self, X=self.X[rows], y=self.y[rows], s=self.s[rows] if self.s.size else self.s)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Scores of shape (n_outputs, n_rows)."""
        W, b = _coefficients(theta, self.X.dtype)
        scores: np.ndarray = W @ self.X.T + b[:, None]
        return scores

    def moments(self, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of x - shift and of its square, by column."""
        sums, squares = np.zeros(self.X.shape[1]), np.zeros(self.X.shape[1])
        column_sums(self.X, self.s, shift.astype(self.X.dtype), sums, squares)
        return sums, squares

    def take(self, rows: np.ndarray) -> DenseRows:
        """Copies of some rows."""
        return replace(self, X=self.X[rows], y=self.y[rows], s=self.s[rows] if self.s.size else self.s)


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of a CSR matrix as its three arrays; `y` and `s` as in `DenseRows`."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    n_features: int
    y: np.ndarray
    s: np.ndarray

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.data, self.indices, self.indptr

    def evaluate(self, loss: Loss, theta: np.ndarray, *, hessian: bool) -> Evaluation:
        """Loss, gradient and, on request, Hessian at theta = [W, b] of shape (n_outputs, n_features + 1)."""
        K, D = theta.shape
        W, b = _coefficients(theta, self.data.dtype)
        lower = np.zeros((K, K, D, D) if hessian else (0, 0, 0, 0))
        if isinstance(loss, PointwiseLoss):
            gradient = np.zeros((K, D))
            H = lower[0, 0] if hessian else lower.reshape(0, 0)
            known = loss.code, loss.parameter
            run = csr_pointwise_pass if loss.common else any_csr_pointwise_pass
            value = run(*known, *self.arrays, self.y, self.s, W[0], b[0], gradient[0], H)
        else:
            transposed = np.zeros((D, K))
            Wt = np.ascontiguousarray(W.T)
            value = csr_softmax_pass(*self.arrays, self.y, self.s, Wt, b, transposed, lower)
            gradient = transposed.T.copy()
        return Evaluation(value, gradient, _mirrored(lower) if hessian else None)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Scores of shape (n_outputs, n_rows)."""
        W, b = _coefficients(theta, self.data.dtype)
        scores = np.empty((len(W), self.n_rows), self.data.dtype)
        csr_class_scores(*self.arrays, 0, np.ascontiguousarray(W.T), b, scores)
        return scores

    def moments(self, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of x - shift and of its square, by column; sparse columns are near zero, so shift is
        0."""
        sums, squares = np.zeros(self.n_features), np.zeros(self.n_features)
        csr_column_sums(*self.arrays, self.s, sums, squares)
        return sums, squares

    def take(self, rows: np.ndarray) -> SparseRows:
        """Copies of some rows."""
        X = sp.csr_array(self.arrays, shape=(self.n_rows, self.n_features))[rows]
        arrays = kernel_csr(X)
        return SparseRows(*arrays, self.n_features, self.y[rows], self.s[rows] if self.s.size else self.s)


Rows = DenseRows | SparseRows


def rows_of(block: Block, y: Any, weight: Any = None, *, ordered: bool = True) -> Rows:
    """The block's X with a target and weights in the form the passes take; Hessians need `ordered` entries."""
    dtype = block.X.dtype
    s = _NONE.astype(dtype) if weight is None else kernel_array(weight, dtype)
    if sp.issparse(block.X):
        return SparseRows(*kernel_csr(block.X, ordered=ordered), block.X.shape[1], y, s)
    return DenseRows(kernel_array(block.X), y, s)


def _coefficients(theta: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(theta[:, :-1], dtype), np.ascontiguousarray(theta[:, -1], dtype)


def _mirrored(lower: np.ndarray) -> np.ndarray:
    """Hessian (K, D, K, D) from the lower triangles, of shape (K, K, D, D), of the pairs of classes k >=
    l."""
    full: np.ndarray = np.tril(lower) + np.swapaxes(np.tril(lower, -1), 2, 3)
    for k in range(len(full)):
        full[:k, k] = full[k, :k]
    return full.transpose(0, 2, 1, 3)
