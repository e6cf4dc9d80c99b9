"""Weight, mean and scatter of each class: the sufficient statistics of discriminant analysis.

    W_k = sum_i s_i,    m_k = 1/W_k sum_i s_i x_i,    S_k = sum_i s_i (x_i - m_k)(x_i - m_k)'     over rows of class k

Two blocks a and b merge exactly: S_k = S_ak + S_bk + W_ak W_bk / W_k (m_bk - m_ak)(m_bk - m_ak)'. Where all classes
share one covariance (`pooled`) only the sum of the S_k is kept, and the product of all rows, less a typical row of
their class, is made at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, Blocks, default_rows, row_blocks
from tripos.compute.budget import require
from tripos.compute.executor import reduce_blocks
from tripos.compute.products import add_half_product, mirror_lower
from tripos.objective.dense import rows_in_cache

WIDE = 160  # columns from which larger pieces through NumPy beat those that stay in the cache
PIECE = 1024  # rows of a product through NumPy, at least
SMALL = 1 << 24
COPIES = 8  # of the statistics that lie in memory at once while blocks are merged


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Weights, means and scatters by class.

    Attributes
    ----------
    weight : ndarray of shape (n_classes,)
    rows : int64 ndarray of shape (n_classes,)
    mean : ndarray of shape (n_classes, n_features); zero for a class without rows
    scatter : ndarray of shape (n_classes or 1, n_features, n_features)
    """

    weight: np.ndarray
    rows: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.scatter).all())

    @property
    def within(self) -> np.ndarray:
        """sum_k S_k, shape (n_features, n_features)."""
        return np.asarray(self.scatter[0] if len(self.scatter) == 1 else self.scatter.sum(axis=0))

    def merge(self, other: ClassMoments) -> ClassMoments:
        """Moments of the rows of both."""
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        delta = other.mean - self.mean
        factor = self.weight * share
        scatter = self.scatter + other.scatter
        if len(scatter) == 1:
            scatter[0] += (delta * factor[:, None]).T @ delta
        else:
            scatter += factor[:, None, None] * delta[:, :, None] * delta[:, None, :]
        return ClassMoments(weight, self.rows + other.rows, self.mean + delta * share[:, None], scatter)

    def spread_over(self, positions: np.ndarray, n_classes: int) -> ClassMoments:
        """The same moments among more classes: class k moves to positions[k]."""
        d = self.mean.shape[1]
        weight, rows, mean = np.zeros(n_classes), np.zeros(n_classes, np.int64), np.zeros((n_classes, d))
        weight[positions], rows[positions], mean[positions] = self.weight, self.rows, self.mean
        scatter = self.scatter
        if len(scatter) > 1:
            scatter = np.zeros((n_classes, d, d))
            scatter[positions] = self.scatter
        return ClassMoments(weight, rows, mean, scatter)


@kernel("i8[::1], i8[::1], i8[::1]", strict=True)
def order_by_class(y, ends, order):  # type: ignore[no-untyped-def]
    """Row numbers class by class; `ends` holds where each class begins, and afterwards where it ends."""
    for i in range(y.size):
        order[ends[y[i]]] = i
        ends[y[i]] += 1


@kernel("F[:, ::1], F[::1], i8[::1], i8, f8[::1], f8[:, ::1], f8[::1]")
def gather_rows(X, s, order, start, shift, out, sums):  # type: ignore[no-untyped-def]
    """out = sqrt(s_i) (x_i - shift) of the rows from `start` on in `order`; adds s_i (x_i - shift) to `sums`."""
    d = X.shape[1]
    for i in range(out.shape[0]):
        row = np.uint64(order[start + i])
        if s.size:
            weight = np.float64(s[row])
            root = np.sqrt(weight)
            for j in range(d):
                v = X[row, j] - shift[j]
                sums[j] += weight * v
                out[i, j] = root * v
        else:
            for j in range(d):
                v = X[row, j] - shift[j]
                sums[j] += v
                out[i, j] = v


@kernel("F[:, ::1], F[::1], i8[::1], i8, i8, f8[::1], f8[:, ::1], f8[::1]")
def class_scatter(X, s, order, begin, end, shift, total, sums):  # type: ignore[no-untyped-def]
    """Adds Z'Z of one class's shifted rows Z to `total`, by pieces that stay in the cache."""
    d = X.shape[1]
    rows = rows_in_cache(d, 8)
    for start in range(begin, end, rows):
        Z = np.empty((min(rows, end - start), d))
        gather_rows(X, s, order, start, shift, Z, sums)
        add_half_product(Z, total)
    mirror_lower(total)


@kernel("F[:, ::1], i8[::1], F[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1]")
def pooled_scatter(X, y, s, shift, total, sums, weight):  # type: ignore[no-untyped-def]
    """The same over all classes at once, each row shifted as its class is; `sums` and `weight` by class."""
    n, d = X.shape
    rows = rows_in_cache(d, 8)
    for start in range(0, n, rows):
        Z = np.empty((min(rows, n - start), d))
        for i in range(Z.shape[0]):
            k = np.uint64(y[start + i])
            a = np.float64(s[start + i]) if s.size else 1.0
            root = np.sqrt(a)
            weight[k] += a
            for j in range(d):
                v = X[start + i, j] - shift[k, j]
                sums[k, j] += a * v
                Z[i, j] = root * v
        add_half_product(Z, total)
    mirror_lower(total)


def block_moments(block: Block, n_classes: int, *, pooled: bool) -> ClassMoments:
    """Moments of the classes in one block of rows, whose target holds class codes."""
    X = dense_rows(block.X)
    y = kernel_array(block.y, np.int64)
    s = np.empty(0, X.dtype) if block.sample_weight is None else kernel_array(block.sample_weight, X.dtype)
    d = X.shape[1]
    rows = np.bincount(y, minlength=n_classes)
    ends = np.concatenate([[0], np.cumsum(rows)[:-1]])
    order = np.empty(len(y), np.int64)
    begin = ends.copy()
    order_by_class(y, ends, order)
    shift = _typical(X, order, begin, ends)
    total, sums = np.zeros((1 if pooled else n_classes, d, d)), np.zeros((n_classes, d))
    weight = np.bincount(y, weights=block.sample_weight, minlength=n_classes).astype(np.float64)
    if pooled and d < WIDE:
        pooled_scatter(X, y, s, shift, total[0], sums, np.zeros(n_classes))
    else:
        scatter = class_scatter if d < WIDE else _wide_scatter
        for k in range(n_classes):
            scatter(X, s, order, begin[k], ends[k], shift[k], total[0 if pooled else k], sums[k])
    offset = sums / np.where(weight > 0, weight, 1.0)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):  # infinite data: `finite` tells
        if pooled:
            total[0] -= (offset * weight[:, None]).T @ offset
        else:
            total -= weight[:, None, None] * offset[:, :, None] * offset[:, None, :]
        return ClassMoments(weight, rows, shift + offset, total)


def dense_rows(X: Any) -> np.ndarray:
    """Some rows as an array; CSR is expanded a block at a time, never as a whole."""
    return kernel_array(X.toarray() if sp.issparse(X) else X)


def _typical(X: np.ndarray, order: np.ndarray, begin: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mean of some rows of each class: near enough to its mean to keep every digit."""
    shift = np.zeros((len(begin), X.shape[1]))
    for k, (a, b) in enumerate(zip(begin, ends)):
        if b > a:
            shift[k] = X[order[a : b : max(1, (b - a) // 16)]].mean(axis=0, dtype=np.float64)
    return shift


def _wide_scatter(
    X: np.ndarray,
    s: np.ndarray,
    order: np.ndarray,
    begin: int,
    end: int,
    shift: np.ndarray,
    total: np.ndarray,
    sums: np.ndarray,
) -> None:
    rows = max(PIECE, X.shape[1])
    for start in range(begin, end, rows):
        Z = np.empty((min(rows, end - start), X.shape[1]))
        gather_rows(X, s, order, start, shift, Z, sums)
        total += Z.T @ Z


def class_moments(blocks: Blocks, n_classes: int, *, pooled: bool) -> ClassMoments:
    """Moments of all rows, in one pass."""
    d = blocks.n_features
    n_bytes = COPIES * 8 * d * d * (1 if pooled else n_classes)
    if n_bytes > SMALL:
        what = f"the products of {d} columns with one another" + (
            "" if pooled else f" in {n_classes} classes"
        )
        require(n_bytes, what=what)
    return reduce_blocks(
        lambda block: block_moments(block, n_classes, pooled=pooled), ClassMoments.merge, blocks
    )


def class_blocks(X: np.ndarray, y: np.ndarray, s: np.ndarray | None, n_scatters: int) -> Blocks:
    """Rows in memory in blocks so large that merging their statistics costs little."""
    if sp.issparse(X):
        return row_blocks(X, y, s, rows=default_rows(8 * X.shape[1]))
    rows = default_rows(X.itemsize * X.shape[1])
    return row_blocks(X, y, s, rows=max(rows, 8 * X.shape[1] * n_scatters))
