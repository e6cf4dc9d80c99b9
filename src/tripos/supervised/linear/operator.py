"""Least squares by products with X alone, for wide sparse data: no matrix of columns by columns.

    (Xc' S Xc + alpha_k I) w_k = Xc' S yc_k        by conjugate gradients,   Xc v = X v - mean.v

A product reads the rows once, for all targets together. Centring happens in the products, so that X stays
sparse. Each thread adds to an array of its own; blocks are so large that adding those up costs little (with blocks
of 4 MB it took four fifths of the time on 34k rows x 155k words).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.base import Training
from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blocks import Block, row_blocks
from tripos.compute.executor import reduce_blocks
from tripos.objective.dense import column_sums
from tripos.objective.sparse import csr_column_sums, csr_product_pass

LEAST_ENTRIES = 1 << 19  # stored entries of a block
ENTRIES_PER_COLUMN = 8
ALIKE = 1e3  # ratio of the mean squares of stored entries up to which columns count as of one unit


@kernel("F[::1], I[::1], I[::1], F[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[::1]")
def csr_products_pass(data, indices, indptr, s, shift, V, out, total):  # type: ignore[no-untyped-def]
    """Adds X' S E to `out` and the column sums of S E to `total`, with E = X V - shift of several columns."""
    K = V.shape[1]
    e = np.empty(K)
    for i in range(indptr.size - 1):
        begin, end = np.uint64(indptr[i]), np.uint64(indptr[i + 1])
        for k in range(K):
            e[k] = -shift[k]
        for t in range(begin, end):
            x = np.float64(data[t])
            row = V[np.uint64(indices[t])]
            for k in range(K):
                e[k] += x * row[k]
        if s.size:
            for k in range(K):
                e[k] *= s[i]
        for k in range(K):
            total[k] += e[k]
        for t in range(begin, end):
            x = np.float64(data[t])
            row = out[np.uint64(indices[t])]
            for k in range(K):
                row[k] += x * e[k]


@kernel("f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[:, ::1], f8[::1]")
def centre_and_penalise(AP, center, total, alpha, P, bend):  # type: ignore[no-untyped-def]
    """AP = AP - center total' + P diag(alpha), in place; bend_k = p_k'A p_k."""
    for j in range(P.shape[0]):
        for k in range(P.shape[1]):
            AP[j, k] += alpha[k] * P[j, k] - center[j] * total[k]
            bend[k] += P[j, k] * AP[j, k]


@kernel("f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], f8[:, ::1]")
def move(W, R, P, AP, C, inverse, rate, sums):  # type: ignore[no-untyped-def]
    """w += rate p, r -= rate Ap; adds r'r, r'M^-1 r and w'(c + r) to the rows of `sums`."""
    for j in range(P.shape[0]):
        for k in range(P.shape[1]):
            w = W[j, k] + rate[k] * P[j, k]
            r = R[j, k] - rate[k] * AP[j, k]
            W[j, k], R[j, k] = w, r
            sums[0, k] += r * r
            sums[1, k] += r * inverse[j, k] * r
            sums[2, k] += w * (C[j, k] + r)


@kernel("f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1]")
def turn(P, R, inverse, beta):  # type: ignore[no-untyped-def]
    """p = M^-1 r + beta p."""
    for j in range(P.shape[0]):
        for k in range(P.shape[1]):
            P[j, k] = inverse[j, k] * R[j, k] + beta[k] * P[j, k]


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows, and room for what a product with them adds up."""

    X: Any  # ndarray, or CSR's three arrays
    s: np.ndarray  # of X's dtype; empty where every weight is 1
    rows: slice
    room: np.ndarray  # (n_features, n_targets)

    def product(self, V: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' S (X V - shift), in `room`, and the column sums of S (X V - shift)."""
        if isinstance(self.X, np.ndarray):
            E = self.X @ V.astype(self.X.dtype, copy=False) - shift.astype(self.X.dtype)
            return self.back(E)
        self.room.fill(0.0)
        data, indices, indptr = self.X
        total = np.zeros(len(shift))
        if V.shape[1] == 1:
            dtype = self.X[0].dtype
            v = V.reshape(-1).astype(dtype, copy=False)
            total[0] = csr_product_pass(
                data, indices, indptr, self.s, dtype.type(shift[0]), v, self.room.reshape(-1)
            )
        else:
            csr_products_pass(data, indices, indptr, self.s, shift, V, self.room, total)
        return self.room, total

    def back(self, E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' S E and the column sums of S E."""
        E = E * self.s[:, None] if self.s.size else E
        total = E.sum(axis=0, dtype=np.float64)
        if isinstance(self.X, np.ndarray):
            np.copyto(self.room, self.X.T @ E.astype(self.X.dtype, copy=False))
        else:
            data, indices, indptr = self.X
            X = sp.csr_array((data, indices, indptr), shape=(len(E), len(self.room)))
            np.copyto(self.room, X.T @ E)
        return self.room, total

    def stored(self) -> np.ndarray:
        """Stored entries of each column."""
        if isinstance(self.X, np.ndarray):
            return np.full(len(self.room), len(self.X))
        return np.bincount(self.X[1], minlength=len(self.room))

    def moments(self, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of x - shift and of its square, by column."""
        sums, squares = np.zeros(len(self.room)), np.zeros(len(self.room))
        if isinstance(self.X, np.ndarray):
            column_sums(self.X, self.s, shift.astype(self.X.dtype), sums, squares)
        else:
            data, indices, indptr = self.X
            csr_column_sums(data, indices, indptr, self.s, sums, squares)
        return sums, squares


@dataclass(frozen=True, eq=False)
class CentredProducts:
    """Xc' S Xc times vectors, and Xc' S yc, for all targets at once.

    Attributes
    ----------
    pieces : list of Piece
    total_weight : float
    fit_intercept : bool
    """

    pieces: list[Piece]
    total_weight: float
    fit_intercept: bool

    @classmethod
    def of(cls, training: Training, n_targets: int, *, fit_intercept: bool) -> CentredProducts:
        X, weight = training.X, training.sample_weight
        n, d = X.shape
        rows = None
        if sp.issparse(X):
            rows = max(64, int(n * max(LEAST_ENTRIES, ENTRIES_PER_COLUMN * d) / max(X.nnz, 1)))
        pieces = [_piece(block, n_targets) for block in row_blocks(X, None, weight, rows=rows)]
        return cls(pieces, float(n if weight is None else weight.sum()), fit_intercept)

    def _reduced(self, partial: Callable[[Piece], Any]) -> Any:
        run: Any = reduce_blocks
        return partial(self.pieces[0]) if len(self.pieces) == 1 else run(partial, _added, self.pieces)

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and mean square about it of every column."""
        first = self.pieces[0]
        shift = np.zeros(len(first.room))
        if isinstance(first.X, np.ndarray):  # columns far from zero lose no digits
            shift += first.X[0]
        sums, squares = self._reduced(lambda piece: piece.moments(shift))
        offset = sums / self.total_weight
        return shift + offset, np.maximum(squares / self.total_weight - offset * offset, 0.0)

    @cached_property
    def center(self) -> np.ndarray:
        """Means of the columns, shape (n_features,); zero without intercept."""
        mean = self._moments[0]
        return mean if self.fit_intercept else np.zeros_like(mean)

    @cached_property
    def diagonal(self) -> np.ndarray:
        """Diagonal of Xc' S Xc."""
        mean, variance = self._moments
        return np.asarray(self.total_weight * (variance if self.fit_intercept else variance + mean * mean))

    @cached_property
    def _share_of_diagonal(self) -> float:
        """Power of the diagonal that preconditions: all of it where columns are measured in different units.

        In texts columns differ by how often a word occurs. The whole diagonal then spoils what the penalty has
        put right: on Enron spam it takes 90 steps, its fourth root 53 and none at all 57.
        """
        counts = np.sum([piece.stored() for piece in self.pieces], axis=0)
        mean, variance = self._moments
        squares = self.total_weight * (variance + mean * mean)
        seen = counts > 0
        if not seen.any():
            return 1.0
        low, high = np.quantile(squares[seen] / counts[seen], (0.05, 0.95))
        return 0.25 if high <= ALIKE * low else 1.0

    def product(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' S Xc V for V of shape (n_features, n_targets), and the column sums of S Xc V."""
        shift = self.center @ V
        found: tuple[np.ndarray, np.ndarray] = self._reduced(lambda piece: piece.product(V, shift))
        return found

    def target(self, Y: np.ndarray, y_mean: np.ndarray) -> np.ndarray:
        """Xc' S (Y - mean), of shape (n_features, n_targets)."""
        out, total = self._reduced(lambda piece: piece.back(Y[piece.rows] - y_mean))
        return np.asarray(out - np.outer(self.center, total))

    def solve(
        self,
        C: np.ndarray,
        alpha: np.ndarray,
        *,
        tol: float,
        max_iter: int,
        on_step: Callable[[float], bool] | None = None,
    ) -> Iterated:
        """W' of shape (n_features, n_targets) for each target's alpha.

        Without a penalty the plain iteration finds the solution of least norm.
        """
        inverse = np.ones_like(C)
        if (alpha > 0.0).all():
            inverse /= (self.diagonal[:, None] + alpha) ** self._share_of_diagonal

        def product(P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            bend = np.zeros(P.shape[1])
            AP, total = self.product(P)
            centre_and_penalise(AP, self.center, total, alpha, P, bend)
            return AP, bend

        return conjugate_gradients(
            product, np.ascontiguousarray(C), inverse, tol=tol, max_iter=max_iter, on_step=on_step
        )


@dataclass(frozen=True)
class Iterated:
    """Where conjugate gradients ended: W, the steps of each column, and what is missing (None: nothing)."""

    W: np.ndarray
    steps: np.ndarray
    missing: str | None


def conjugate_gradients(
    product: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    C: np.ndarray,
    inverse: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    on_step: Callable[[float], bool] | None = None,
) -> Iterated:
    """A_k w_k = c_k for every column k, the columns sharing each product (compare `optimization.conjugate`).

    A column leaves when |c - A w| <= tol |c|, or when rounding has exhausted its search.

    Parameters
    ----------
    product : callable
        P -> [A_1 p_1, A_2 p_2, ...] of shape (d, n_columns), and p_k'A_k p_k.
    C : ndarray of shape (d, n_columns)
    inverse : ndarray of shape (d, n_columns)
        Inverse diagonals of the A_k, or of something near them.
    on_step : callable, optional
        Gets sum_k w'A w / 2 - c'w after each step; True stops.
    """
    W, R, P, K = np.zeros_like(C), C.copy(), np.zeros_like(C), C.shape[1]
    sums = np.zeros((3, K))
    move(W, R, P, P, C, inverse, np.zeros(K), sums)
    turn(P, R, inverse, np.zeros(K))
    goal = tol * tol * sums[0]
    active = sums[0] > goal
    steps = np.zeros(K, dtype=np.int32)
    for _ in range(max_iter):
        if not active.any():
            break
        AP, bend = product(P)
        active &= bend > 0.0
        rate = np.where(active, sums[1] / np.where(active, bend, 1.0), 0.0)
        before = np.where(active, sums[1], 1.0)
        sums = np.zeros((3, K))
        move(W, R, P, AP, C, inverse, rate, sums)
        steps[active] += 1
        if on_step is not None and on_step(-0.5 * float(sums[2].sum())):  # since A w = c - r
            break
        active &= sums[0] > goal
        turn(P, R, inverse, np.where(active, sums[1] / before, 0.0))
    worst = int(np.argmax(sums[0] / np.maximum(goal, 1e-300)))
    missing = left_over(float(sums[0, worst]), float(goal[worst]), int(steps.max()), max_iter, tol)
    return Iterated(W, steps, missing)


def left_over(squares: float, goal: float, steps: int, max_iter: int, tol: float) -> str | None:
    """What is missing when the residual's square ends there; None where it reached its goal."""
    left = float(np.sqrt(squares / max(goal, 1e-300)))
    if left <= 1.0:
        return None
    said = "max_iter=" if steps == max_iter else ""
    return f"{said}{steps} steps left a relative residual of {left * tol:.3g}, tol asks for {tol:.3g}"


def _piece(block: Block, n_targets: int) -> Piece:
    X = kernel_csr(block.X, ordered=False) if sp.issparse(block.X) else kernel_array(block.X)
    dtype = block.X.dtype
    s = np.empty(0, dtype) if block.sample_weight is None else kernel_array(block.sample_weight, dtype)
    return Piece(X, s, slice(block.start, block.stop), np.zeros((block.X.shape[1], n_targets)))


def _added(a: tuple[np.ndarray, Any], b: tuple[np.ndarray, Any]) -> tuple[np.ndarray, Any]:
    return np.add(a[0], b[0], out=a[0]), a[1] + b[1]


def target_means(Y: np.ndarray, sample_weight: np.ndarray | None, *, fit_intercept: bool) -> np.ndarray:
    """Weighted means of the targets, shape (n_targets,); zero without intercept."""
    if not fit_intercept:
        return np.zeros(Y.shape[1])
    return np.asarray(np.average(Y, axis=0, weights=sample_weight))
