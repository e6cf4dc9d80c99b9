"""Weight, mean and scatter of columns: the sufficient statistics of least squares.

    W = sum_i s_i,    m = 1/W sum_i s_i z_i,    S = sum_i s_i (z_i - m)(z_i - m)'        with z = [x, y]

Two blocks of rows a and b merge exactly, with delta = m_b - m_a:

    W = W_a + W_b,    m = m_a + W_b/W delta,    S = S_a + S_b + W_a W_b / W delta delta'

Inside a block S is a product of the rows less a typical row, corrected to the block's own mean at the end:
columns that lie far from zero lose no digits, and no centred copy of X is made.

References
----------
T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance", The American Statistician 37
(1983).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsyrk

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import Block, Blocks, row_blocks
from tripos.compute.budget import require
from tripos.compute.executor import reduce_blocks
from tripos.compute.products import add_half_product, mirror_lower
from tripos.objective.dense import rows_in_cache

# From so many columns on NumPy multiplies larger pieces than stay in the cache beside their copies.
WIDE = 160
VERY_WIDE = 512  # one product over all rows by BLAS's threads: a scatter per block would outgrow X
ROWS_PER_COLUMN = 8  # rows of a block per column: merging a scatter costs no more than an eighth of making it
PIECE_BYTES = 1 << 25
TEMPTING = (
    300_000  # multiplications from which BLAS wakes its threads for a small piece, and then waits for them
)
TYPICAL_ROWS = 256
FEW_BYTES = 1 << 18  # of rows that are surely one block: nothing is cut, nor memory asked for
SMALL = 1 << 24  # bytes for which nobody asks how much memory is free: asking takes 0.3 ms


@dataclass(frozen=True, eq=False)
class Moments:
    """Weight, mean and scatter of the columns [x, y]; `n_rows` counts rows.

    Attributes
    ----------
    weight : float
    n_rows : int
    mean : ndarray of shape (n_columns,)
    scatter : ndarray of shape (n_columns, n_columns)
    """

    weight: float
    n_rows: int
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other: Moments) -> Moments:
        """Moments of the rows of both."""
        weight = self.weight + other.weight
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter += np.outer(delta * (self.weight * other.weight / weight), delta)
        mean = self.mean + delta * (other.weight / weight)
        return Moments(weight, self.n_rows + other.n_rows, mean, scatter)

    def raw(self) -> Moments:
        """The same about zero instead of the mean: what a model without intercept needs."""
        scatter = self.scatter + np.outer(self.weight * self.mean, self.mean)
        return replace(self, mean=np.zeros_like(self.mean), scatter=scatter)


@kernel(
    "F[:, ::1], F[:, ::1], F[::1], i8, F[::1], F[:, ::1]",
    "f4[:, ::1], f4[:, ::1], f4[::1], i8, f8[::1], f8[:, ::1]",
)
def shifted_rows(X, Y, s, start, shift, out):  # type: ignore[no-untyped-def]
    """Rows from `start` on as sqrt(s_i) [x_i - a, y_i - b, 1], in the precision of `out`."""
    d = X.shape[1]
    k = Y.shape[1]
    for i in range(out.shape[0]):
        for j in range(d):
            out[i, j] = X[start + i, j] - shift[j]
        for j in range(k):
            out[i, d + j] = Y[start + i, j] - shift[d + j]
        out[i, d + k] = 1
        if s.size:
            root = np.sqrt(s[start + i])
            for j in range(d + k + 1):
                out[i, j] *= root


@kernel(
    "F[:, ::1], F[:, ::1], F[::1], F[::1], f8[:, ::1]", "f4[:, ::1], f4[:, ::1], f4[::1], f8[::1], f8[:, ::1]"
)
def narrow_scatter(X, Y, s, shift, total):  # type: ignore[no-untyped-def]
    """Adds Z'Z of the shifted rows Z to `total`, in the precision of `shift`, by pieces that stay in the
    cache."""
    n = X.shape[0]
    D = total.shape[0]
    rows = rows_in_cache(D, shift.itemsize)
    for start in range(0, n, rows):
        Z = np.empty((min(rows, n - start), D), shift.dtype)
        shifted_rows(X, Y, s, start, shift, Z)
        add_half_product(Z, total)
    mirror_lower(total)


def _very_wide_scatter(
    X: np.ndarray, Y: np.ndarray, s: np.ndarray, shift: np.ndarray, total: np.ndarray
) -> None:
    """As `narrow_scatter`, in float64: BLAS adds to one triangle of `total`, by pieces large enough for its
    threads."""
    D = len(total)
    rows = max(1024, PIECE_BYTES // (8 * D))
    Z = np.empty((min(rows, len(X)), D))
    for start in range(0, len(X), rows):
        piece = Z[: min(rows, len(X) - start)]
        shifted_rows(X, Y, s, start, shift, piece)
        dsyrk(1.0, piece.T, beta=1.0, c=total.T, overwrite_c=1)  # Fortran's view: the lower triangle of total
    total += np.tril(total, -1).T


def _wide_scatter(X: np.ndarray, Y: np.ndarray, s: np.ndarray, shift: np.ndarray, total: np.ndarray) -> None:
    D = len(total)
    rows = max(1024, D)
    Z = np.empty((min(rows, len(X)), D), shift.dtype)
    product = np.empty((D, D), shift.dtype)
    for start in range(0, len(X), rows):
        piece = Z[: min(rows, len(X) - start)]
        shifted_rows(X, Y, s, start, shift, piece)
        total += np.matmul(piece.T, piece, out=product)


@kernel("F[::1], I[::1], I[::1], F[:, ::1], F[::1], F[::1], f8[:, ::1]")
def csr_scatter(data, indices, indptr, Y, s, shift, total):  # type: ignore[no-untyped-def]
    """Adds the lower triangle of Z'Z, Z = [x, y - b, 1], to `total`; only the target is shifted."""
    n, k = Y.shape
    d = total.shape[0] - k - 1
    y = np.empty(k, np.float64)
    one = np.uint64(1)  # unsigned indices: see `sparse`
    for i in range(n):
        weight = np.float64(s[i]) if s.size else 1.0
        for j in range(k):
            y[j] = Y[i, j] - shift[d + j]
        begin = np.uint64(indptr[i])
        for t in range(begin, np.uint64(indptr[i + 1])):
            x = weight * data[t]
            column = np.uint64(indices[t])
            row = total[column]
            for u in range(begin, t + one):
                row[np.uint64(indices[u])] += x * data[u]
            for j in range(k):
                total[d + j, column] += x * y[j]
            total[d + k, column] += x
        for j in range(k):
            for l in range(j + 1):
                total[d + j, d + l] += weight * y[j] * y[l]
            total[d + k, d + j] += weight * y[j]
        total[d + k, d + k] += weight


def block_moments(block: Block, *, dtype: Any = np.float64, alone: bool = False) -> Moments:
    """Moments of one block; a dense float32 block may be multiplied in float32 (`dtype`), sums are float64.

    A block whose `y` is None has no target columns. `alone` says that no other block is worked on meanwhile,
    so that BLAS may use its own threads, through a call that holds the interpreter's lock.
    """
    n, d = block.X.shape
    precision = block.X.dtype
    Y = np.empty((n, 0), precision) if block.y is None else kernel_array(block.y.reshape(n, -1), precision)
    s = (
        np.empty(0, precision)
        if block.sample_weight is None
        else kernel_array(block.sample_weight, precision)
    )
    shift = _typical(block, Y)
    total = np.zeros((d + Y.shape[1] + 1,) * 2)
    if sp.issparse(block.X):
        csr_scatter(*kernel_csr(block.X), Y, s, shift.astype(precision), total)
        total += np.tril(total, -1).T
    else:
        shift = shift.astype(dtype if precision == np.float32 else np.float64)
        alone = alone and len(total) >= VERY_WIDE and shift.dtype == np.float64
        scatter = narrow_scatter if len(total) < WIDE else _very_wide_scatter if alone else _wide_scatter
        narrow = scatter is narrow_scatter and n * total.size > TEMPTING
        with blas_threads(1) if narrow else nullcontext():
            scatter(kernel_array(block.X), Y, s, shift, total)
    weight = float(n if block.sample_weight is None else block.sample_weight.sum())
    return _about_mean(total, shift, weight, n)


def _typical(block: Block, Y: np.ndarray) -> np.ndarray:
    """Weighted mean of some rows all over the block: near enough to the block's mean to keep every digit."""
    stride = slice(None, None, -(-len(Y) // TYPICAL_ROWS))
    weights = None if block.sample_weight is None else block.sample_weight[stride]
    if (
        weights is None and len(Y) and not sp.issparse(block.X)
    ):  # `np.average` costs a small table 30 microseconds
        return np.concatenate([block.X[stride].mean(axis=0), Y[stride].mean(axis=0)])
    y = np.average(Y[stride], axis=0, weights=weights) if len(Y) else np.zeros(Y.shape[1])
    if sp.issparse(block.X):
        return np.concatenate([np.zeros(block.X.shape[1]), y])
    return np.concatenate([np.average(block.X[stride], axis=0, weights=weights), y])


def _about_mean(total: np.ndarray, shift: np.ndarray, weight: float, n_rows: int) -> Moments:
    """Moments from Z'Z with Z = [z - shift, 1]."""
    offset = total[-1, :-1] / weight
    with np.errstate(invalid="ignore", over="ignore"):  # infinite data: whoever asked sees it in the result
        scatter = total[:-1, :-1] - np.outer(weight * offset, offset)
    return Moments(weight, n_rows, shift + offset, scatter)


def moments(blocks: Blocks, *, n_targets: int, dtype: Any = np.float64) -> Moments:
    """Moments of all rows, in one pass."""
    width = blocks.n_features + n_targets + 1
    single = blocks.in_memory and blocks.n_blocks == 1
    n_bytes = (3 if single else 8) * 8 * width**2  # product and sum; or those of the blocks in flight
    if n_bytes > SMALL:
        require(n_bytes, what=f"the products of {width - 1} columns with one another")
    if single:  # small; or wide, where BLAS's own threads share one product
        return block_moments(next(iter(blocks)), dtype=dtype, alone=True)
    return reduce_blocks(lambda block: block_moments(block, dtype=dtype), Moments.merge, tall(blocks, width))


def tall(blocks: Blocks, width: int) -> Any:
    """The same rows in blocks that are tall enough for a scatter matrix of `width` columns."""
    rows = ROWS_PER_COLUMN * width
    return blocks if blocks.rows >= rows else _grouped(blocks, rows)


def _grouped(blocks: Blocks, rows: int) -> Iterator[Block]:
    """Consecutive blocks joined until they hold `rows` rows."""
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        if sum(part.n_rows for part in waiting) >= rows:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    X = (
        sp.vstack([p.X for p in parts], format="csr")
        if sp.issparse(parts[0].X)
        else np.vstack([p.X for p in parts])
    )
    y = None if parts[0].y is None else np.concatenate([p.y for p in parts if p.y is not None])
    weights = [p.sample_weight for p in parts if p.sample_weight is not None]
    return Block(X, y, np.concatenate(weights) if weights else None, parts[0].start)


def tall_blocks(X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> Blocks:
    """Rows in memory in blocks that are tall enough, without copies."""
    blocks = row_blocks(X, y, sample_weight)
    width = blocks.n_features + 1 + y[:1].size
    rows = len(y) if width >= VERY_WIDE and not blocks.sparse else max(blocks.rows, ROWS_PER_COLUMN * width)
    return row_blocks(X, y, sample_weight, rows=rows)
