"""Columns of X as coordinate descent wants them: weighted and centred, without a centred copy.

    x_j = sqrt(s) (X_j - m_j),      y <- sqrt(s) (y - mean(y))

Dense X is read where it lies, by rows or by columns; CSR becomes CSC once. Columns that are contiguous and have no
weights are read there by the working set as well (`PlacedStore`); of others those of the working set are written out.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array
from tripos.compute.budget import require
from tripos.compute.threads import blas_threads, parallel
from tripos.optimization.coordinate_kernels import (
    all_products,
    column_descent,
    column_products,
    column_sums,
    csc_cross,
    csc_products,
    csc_subtract,
    csc_sums,
    gather_columns,
    row_products,
    row_sums,
    sparse_descent,
    subtract_columns,
)

PIECE = 1 << 25  # bytes of X that a kernel reads before it returns
SHARED = 1 << 23  # the same where threads share the columns
CLOSE = 100.0  # squared means, in variances, up to which they are taken out of products and not of columns
PIECE_ROWS, PIECE_NUMBERS = 1024, 1 << 16  # of columns that are multiplied with others
FEW = 4  # columns are taken one by one where they are fewer than this part of all
CROSSED = 16  # columns that one call multiplies with those of the set
EMPTY, EMPTY_F = np.empty(0, dtype=np.int64), np.empty(0)
Descent = tuple[
    float, float, bool, float, float, np.ndarray, int
]  # l1, l2, positive, threshold, rest, order, sweeps


def columns_of(
    X: Any, sample_weight: np.ndarray | None, *, centred: bool, y: np.ndarray | None = None
) -> DenseColumns | SparseColumns:
    """The columns of a float array (rows or columns contiguous) or a sparse matrix.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_features), float32 or float64
    sample_weight : ndarray of shape (n_rows,), optional
    centred : bool
        Whether their means are taken out, as an intercept does.
    y : ndarray of shape (n_rows,), optional
        A target with which all columns are multiplied anyway: `first` then holds the products, where they come in the
        read that makes the means.
    """
    if sp.issparse(X):
        return SparseColumns(X, sample_weight, centred=centred)
    return DenseColumns(X, sample_weight, centred=centred, y=y)


class _Columns:
    """What both kinds share.

    Attributes
    ----------
    mean : ndarray of shape (n_features,); zeros where not centred
    square : ndarray of shape (n_features,)
        |x_j|^2.
    weight : float
        Sum of the weights.
    root : ndarray of shape (n_rows,)
        sqrt(s); empty without weights.
    first : ndarray of shape (n_features,), or None
        x_j.y for the target given.
    """

    mean: np.ndarray
    square: np.ndarray
    first: np.ndarray | None = None

    def __init__(self, X: Any, sample_weight: np.ndarray | None, *, centred: bool) -> None:
        self.n_rows, self.n_features = X.shape
        self.centred = centred
        self.weight = float(self.n_rows) if sample_weight is None else float(sample_weight.sum())
        self.s = np.empty(0) if sample_weight is None else sample_weight
        self.root = np.sqrt(self.s)

    def _set_sums(self, shift: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> None:
        """Mean and |x_j|^2 from weighted sums of X - shift and of its square."""
        mean = shift + sums / self.weight
        square = squares - sums * (sums / self.weight)
        if self.centred:  # a constant column is rounding of its mean, not variance
            constant = square <= self.weight * (16 * np.finfo(float).eps * mean) ** 2
            self.mean, self.square = mean, np.where(constant, 0.0, square)
        else:
            self.mean = np.zeros_like(mean)
            self.square = np.maximum(square, 0.0) + self.weight * mean * mean

    @property
    def n_bytes(self) -> int:
        """Of X."""
        raise NotImplementedError

    def target(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        """sqrt(s) (y - mean(y)) in float64, and the mean (0 where not centred)."""
        y = y.astype(np.float64)
        mean = 0.0
        if self.centred:
            mean = float(np.average(y, weights=self.s if self.s.size else None))
            y -= mean
        if self.root.size:
            y *= self.root
        return y, mean


class DenseColumns(_Columns):
    """Columns of an array."""

    def __init__(
        self, X: np.ndarray, sample_weight: np.ndarray | None, *, centred: bool, y: np.ndarray | None = None
    ) -> None:
        super().__init__(X, sample_weight, centred=centred)
        self.by_columns = X.flags.f_contiguous and not X.flags.c_contiguous
        self.Z = kernel_array(X.T) if self.by_columns else kernel_array(X)  # (d, n) or (n, d)
        some = X[:: max(1, self.n_rows // 16)][:16]
        shift = some.mean(axis=0, dtype=np.float64)
        sums, squares = np.zeros(self.n_features), np.zeros(self.n_features)
        v, products = EMPTY_F, np.zeros(self.n_features)
        if self.by_columns and y is not None:
            v = self.target(y)[0]
            v = v * self.root if self.root.size else v

        def add(piece: tuple[int, int]) -> None:
            a, b = piece
            column_sums(self.Z[a:b], self.s, shift[a:b], v, sums[a:b], squares[a:b], products[a:b])

        if self.by_columns:
            parallel(add, self._pieces(SHARED))
        else:
            for a, b in self._pieces():
                row_sums(self.Z[a:b], self.s[a:b], shift, sums, squares)
        self._set_sums(shift, sums, squares)
        if v.size:
            self.first = products - self.mean * v.sum() if self.centred else products

    @property
    def n_bytes(self) -> int:
        return int(self.Z.nbytes)

    @cached_property
    def placed(self) -> bool:
        """Whether the columns can be read where they lie: contiguous, without weights, and near enough to zero."""
        near = (self.n_rows * self.mean * self.mean <= CLOSE * self.square) | (self.square == 0.0)
        return bool(self.by_columns and not self.root.size and near.all())

    def _pieces(self, n_bytes: int = PIECE) -> list[tuple[int, int]]:
        length, width = self.Z.shape
        step = max(4, n_bytes // max(1, width * self.Z.itemsize))
        return [(a, min(a + step, length)) for a in range(0, length, step)]

    def products(self, r: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """x_j.r of all columns, or of some."""
        v = r * self.root if self.root.size else r
        if columns is None:
            out = self._all(v)
            mean = self.mean
        else:
            out = np.zeros(len(columns))
            (column_products if self.by_columns else row_products)(self.Z, columns, v, out)
            mean = self.mean[columns]
        return out - mean * v.sum() if self.centred else out

    def _all(self, v: np.ndarray) -> np.ndarray:
        if self.Z.dtype == np.float64:
            return np.asarray(self.Z @ v if self.by_columns else v @ self.Z)
        out = np.zeros(self.n_features)
        for a, b in self._pieces():
            if self.by_columns:
                column_products(self.Z[a:b], np.arange(b - a), v, out[a:b])
            else:
                all_products(self.Z[a:b], v[a:b], out)
        return out

    def store(self) -> DenseStore | PlacedStore:
        """Room for a working set."""
        return PlacedStore(self) if self.placed else DenseStore(self)

    def write(self, columns: np.ndarray, out: np.ndarray) -> None:
        """x_j of the columns, as the rows of `out`."""
        np.copyto(out, self.Z[columns] if self.by_columns else self.Z[:, columns].T)
        if self.centred:
            out -= self.mean[columns, None]
        if self.root.size:
            out *= self.root


class SparseColumns(_Columns):
    """Columns of a sparse matrix; they are multiplied by sqrt(s), and centred in the products alone."""

    def __init__(self, X: Any, sample_weight: np.ndarray | None, *, centred: bool) -> None:
        super().__init__(X, sample_weight, centred=centred)
        C = X.tocsc()
        self.data, self.indices, self.indptr = C.data, C.indices, C.indptr
        if self.root.size:
            self.data = self.data * self.root[self.indices].astype(self.data.dtype)
        if self.indices.dtype != self.indptr.dtype:
            self.indices, self.indptr = self.indices.astype(np.int64), self.indptr.astype(np.int64)
        self.arrays = kernel_array(self.data), kernel_array(self.indices), kernel_array(self.indptr)
        self.ones = self.root if self.root.size else np.ones(self.n_rows)
        sums, squares = np.empty(self.n_features), np.empty(self.n_features)
        csc_sums(*self.arrays, self.ones, sums, squares)
        self._set_sums(np.zeros(self.n_features), sums, squares)

    @property
    def n_bytes(self) -> int:
        return int(self.data.nbytes)

    def products(self, r: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """x_j.r of all columns, or of some."""
        if columns is None:
            columns = np.arange(self.n_features)
        out = np.empty(len(columns))
        csc_products(*self.arrays, columns, r, out)
        if self.centred:
            out -= self.mean[columns] * (self.root @ r if self.root.size else r.sum())
        return out

    def store(self) -> SparseStore:
        """Room for a working set."""
        return SparseStore(self)


class DenseStore:
    """The columns of a working set as rows of A, in the order in which they came."""

    def __init__(self, columns: DenseColumns) -> None:
        self.columns = columns
        self.A = np.empty((0, columns.n_rows))
        self.m = 0

    def append(self, new: np.ndarray) -> None:
        """Write out more columns."""
        m = self.m + len(new)
        if m > len(self.A):
            # The system gives memory when it is touched: room that is not used costs nothing.
            room = min(self.columns.n_features, max(256, 4 * m))
            require(8.0 * m * self.columns.n_rows, what=f"a working set of {m} columns")
            A = np.empty((room, self.columns.n_rows))
            A[: self.m] = self.A[: self.m]
            self.A = A
        self.columns.write(new, self.A[self.m : m])
        self.m = m

    def cross(self, first: int) -> np.ndarray:
        """Products of the columns from `first` on with all columns of the set."""
        return np.asarray(self.A[first : self.m] @ self.A[: self.m].T)

    def products(self, r: np.ndarray, first: int = 0) -> np.ndarray:
        """x_j.r from `first` on."""
        return np.asarray(self.A[first : self.m] @ r)

    def subtract(self, w: np.ndarray, r: np.ndarray) -> None:
        """r <- r - sum_k w_k x_k."""
        r -= w @ self.A[: self.m]

    def descend(self, g: np.ndarray, r: np.ndarray, w: np.ndarray, rules: Descent) -> tuple[int, int]:
        """Sweeps over the columns with the residual; how many, and how they ended (`column_descent`)."""
        out, every = np.zeros(2), np.arange(self.m)
        sweeps = column_descent(self.A, np.zeros(self.m), every, g, r, w, *rules, out)
        return int(sweeps), int(out[0])


class Members:
    """Which columns are in a working set that leaves them where they lie."""

    def __init__(self) -> None:
        self.members = EMPTY

    @property
    def m(self) -> int:
        return len(self.members)

    def append(self, new: np.ndarray) -> None:
        """Add more columns."""
        self.members = np.concatenate([self.members, new])


class PlacedStore(Members):
    """Columns that are read where they lie; for their products pieces of them pass through the cache."""

    def __init__(self, columns: DenseColumns) -> None:
        super().__init__()
        self.columns = columns

    def cross(self, first: int) -> np.ndarray:
        """Products of the columns from `first` on with all columns of the set."""
        n, m, new = self.columns.n_rows, self.m, self.members[first:]
        rows = min(n, PIECE_ROWS)
        width = max(8, PIECE_NUMBERS // rows)
        own, others = np.empty(len(new) * rows), np.empty(min(width, max(1, first)) * rows)
        out = np.zeros((len(new), m))
        with blas_threads(1):  # pieces too small for more
            for start in range(0, n, rows):
                A = self._piece(new, start, min(rows, n - start), own)
                for k in range(0, first, width):
                    B = self._piece(self.members[k : min(k + width, first)], start, A.shape[1], others)
                    out[:, k : k + len(B)] += A @ B.T
                out[:, first:] += A @ A.T
        return out

    def _piece(self, columns: np.ndarray, start: int, rows: int, room: np.ndarray) -> np.ndarray:
        piece = room[: len(columns) * rows].reshape(len(columns), rows)
        gather_columns(self.columns.Z, self.columns.mean, columns, start, piece)
        return piece

    def products(self, r: np.ndarray, first: int = 0) -> np.ndarray:
        """x_j.r from `first` on."""
        return self.columns.products(r, self.members[first:])

    def subtract(self, w: np.ndarray, r: np.ndarray) -> None:
        """r <- r - sum_k w_k x_k."""
        c = self.columns
        step = max(PIECE_ROWS, PIECE // max(1, 8 * self.m))
        for start in range(0, c.n_rows, step):
            subtract_columns(c.Z, self.members, w, start, min(start + step, c.n_rows), r)
        if c.centred:
            r += c.mean[self.members] @ w

    def descend(self, g: np.ndarray, r: np.ndarray, w: np.ndarray, rules: Descent) -> tuple[int, int]:
        """Sweeps over the columns with the residual; how many, and how they ended (`column_descent`)."""
        out = np.zeros(2)
        sweeps = column_descent(self.columns.Z, self.columns.mean, self.members, g, r, w, *rules, out)
        r += out[1]
        return int(sweeps), int(out[0])


class SparseStore(Members):
    """The numbers of the columns of a working set."""

    def __init__(self, columns: SparseColumns) -> None:
        super().__init__()
        self.columns = columns

    def cross(self, first: int) -> np.ndarray:
        """Products of the columns from `first` on with all columns of the set."""
        c, mean = self.columns, self.columns.mean[self.members]
        out, room = np.empty((self.m - first, self.m)), np.zeros(c.n_rows)
        for k in range(0, len(out), CROSSED):
            some = self.members[first + k : first + k + CROSSED]
            csc_cross(*c.arrays, some, self.members, room, out[k : k + CROSSED])
        out -= np.outer(c.weight * mean[first:], mean)
        return out

    def products(self, r: np.ndarray, first: int = 0) -> np.ndarray:
        """x_j.r from `first` on."""
        return self.columns.products(r, self.members[first:])

    def subtract(self, w: np.ndarray, r: np.ndarray) -> None:
        """r <- r - sum_k w_k x_k."""
        csc_subtract(*self.columns.arrays, self.members, w, r)
        if self.columns.centred:
            r += (self.columns.mean[self.members] @ w) * self.columns.ones

    def descend(self, g: np.ndarray, r: np.ndarray, w: np.ndarray, rules: Descent) -> tuple[int, int]:
        """Sweeps over the columns with the residual; how many, and how they ended (`column_descent`)."""
        c = self.columns
        out = np.array([0.0, 0.0, c.weight])
        sweeps = sparse_descent(*c.arrays, c.mean, self.members, g, r, w, *rules, out)
        r += out[1] * c.ones
        return int(sweeps), int(out[0])
