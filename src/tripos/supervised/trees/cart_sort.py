"""Columns in sorted order, once for a whole tree.

A cell is one word of 64 bits: above the value's 32-bit key, below the row. The key is the float32's bits, turned so
that unsigned integers compare as the floats do; a missing cell has the largest key. So a column is sorted by three
passes of a radix sort, a threshold is found by comparing neighbours, and no value has to be looked up again.

A value that most rows share (the zeros of a one-hot or a CSR column) is not stored: what is not in the list has the
column's `default`. Sums over these rows are the node's less those of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.intrinsics import bits_float, float_bits
from tripos.compute.threads import parallel, thread_count

U, W = np.uint64, np.uint32
ROW, HALF = U(0xFFFFFFFF), U(32)
SIGN, ALL = np.uint32(0x80000000), np.uint32(0xFFFFFFFF)
MISSING = 0xFFFFFFFF  # key of a missing cell
INFINITE = 0xFF800000  # key of infinity; minus infinity's is 0x007FFFFF
MINUS_INFINITE = 0x007FFFFF
NO_DEFAULT = -1
SHARED = 0.4  # share of the rows from which on a value is left out of its column's list
TILE = 64
STRIP = 8  # columns whose keys are made together


@kernel(strict=True)
def key_of(x):  # type: ignore[no-untyped-def]
    """The key of a float32; minus zero has that of zero."""
    if x != x:
        return ALL
    if x == np.float32(0):
        return SIGN
    bits = float_bits(x)
    return bits ^ (ALL if bits & SIGN else SIGN)


@kernel(strict=True)
def value_of(key):  # type: ignore[no-untyped-def]
    """The float32 of a key."""
    k = np.uint32(key)
    return bits_float(np.uint32(k ^ (SIGN if k & SIGN else ALL)))


@kernel("F[:, ::1], u4[:, ::1], i8", strict=True)
def write_keys(X, keys, first):  # type: ignore[no-untyped-def]
    """keys[j, i] becomes the key of X[i, first + j]; returns whether a cell is infinite as float32."""
    infinite = False
    for s in range(0, X.shape[0], TILE):
        e = min(s + TILE, X.shape[0])
        for j in range(keys.shape[0]):
            for i in range(s, e):
                key = key_of(np.float32(X[i, first + j]))
                infinite |= key == W(INFINITE) or key == W(MINUS_INFINITE)
                keys[j, i] = key
    return infinite


@kernel("F[::1], i4[::1], i4[::1], u8[::1], i8[::1]", strict=True)
def write_sparse(data, indices, indptr, entries, at):  # type: ignore[no-untyped-def]
    """The stored cells of a CSR matrix as entries, column by column; at[j] is where column j goes on."""
    infinite = False
    zero = U(0x80000000)
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            key = key_of(np.float32(data[k]))
            infinite |= key == W(INFINITE) or key == W(MINUS_INFINITE)
            if U(key) != zero:
                j = indices[k]
                entries[at[j]] = (U(key) << HALF) | U(i)
                at[j] += 1
    return infinite


@kernel("u8[::1], u8[::1], i8[:, ::1]")
def sort_entries(a, spare, counts):  # type: ignore[no-untyped-def]
    """Sorts entries by key, equal ones in the order they came; the answer is in `spare`."""
    for d in range(3):
        for b in range(2048):
            counts[d, b] = 0
    for i in range(a.size):
        k = a[i] >> HALF
        counts[0, k & U(2047)] += 1
        counts[1, (k >> U(11)) & U(2047)] += 1
        counts[2, k >> U(22)] += 1
    for d in range(3):
        total = 0
        for b in range(2048):
            c = counts[d, b]
            counts[d, b] = total
            total += c
        shift = U(32 + 11 * d)
        source = a if d != 1 else spare
        target = spare if d != 1 else a
        for i in range(a.size):
            b = (source[i] >> shift) & U(2047)
            target[counts[d, b]] = source[i]
            counts[d, b] += 1


@kernel("u4[::1], u8[::1]")
def entries_of(keys, out):  # type: ignore[no-untyped-def]
    for i in range(keys.size):
        out[i] = (U(keys[i]) << HALF) | U(i)


@kernel("u8[::1]")
def longest_run(entries):  # type: ignore[no-untyped-def]
    """Where the most frequent key that is not missing begins, and where it ends."""
    best, best_end, begin = 0, 0, 0
    for i in range(1, entries.size + 1):
        if i == entries.size or entries[i] >> HALF != entries[begin] >> HALF:
            if i - begin > best_end - best and entries[begin] >> HALF != U(MISSING):
                best, best_end = begin, i
            begin = i
    return best, best_end


@kernel("u8[::1], i8[::1], i8[::1], u1[::1], u8[::1], i8[::1]")
def keep_rows(entries, begin, end, kept, out, out_end):  # type: ignore[no-untyped-def]
    """The entries of the rows with kept[r] = 1, each column from where it began."""
    for j in range(begin.size):
        at = begin[j]
        for k in range(begin[j], end[j]):
            out[U(at)] = entries[U(k)]
            at += np.int64(kept[entries[U(k)] & ROW])
        out_end[j] = at


@dataclass(frozen=True, eq=False)
class SortedColumns:
    """Columns in sorted order.

    Attributes
    ----------
    entries : uint64 ndarray
        Column j has entries[begin[j]:end[j]]: key and row of each cell that has not the column's default.
    begin, end : int64 ndarray of shape (n_features,)
    default : int64 ndarray of shape (n_features,)
        The key of the cells without an entry, or -1.
    categorical : uint8 ndarray of shape (n_features,)
        Columns of codes; their splits are on sets of levels.
    n_rows : int
    """

    entries: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    default: np.ndarray
    categorical: np.ndarray
    n_rows: int

    def copy(self) -> SortedColumns:
        """One that a tree may part while this one stays as it is."""
        fixed = (self.begin, self.end, self.default, self.categorical)
        return SortedColumns(self.entries.copy(), *fixed, self.n_rows)

    def of_rows(self, kept: np.ndarray) -> SortedColumns:
        """A copy with the entries of some rows only; kept is a bool or uint8 array of shape (n_rows,)."""
        entries, end = np.empty_like(self.entries), np.empty_like(self.end)
        keep_rows(self.entries, self.begin, self.end, kept.astype(np.uint8), entries, end)
        return SortedColumns(entries, self.begin, end, self.default, self.categorical, self.n_rows)


class InfiniteCell(ValueError):
    """A cell is infinite, or too large for float32."""


def sort_columns(X: Any, categorical: np.ndarray | None = None) -> SortedColumns:
    """Sorts every column of an array or a CSR matrix.

    Parameters
    ----------
    X : float ndarray or CSR matrix of shape (n_rows, n_features)
        NaN is a missing value.
    categorical : bool ndarray of shape (n_features,), optional
        Columns of codes 0, 1, ... below 256.

    Raises
    ------
    InfiniteCell
        Where a cell is infinite, or too large for float32.
    """
    p = X.shape[1]
    marks = np.zeros(p, np.uint8) if categorical is None else categorical.astype(np.uint8)
    if sp.issparse(X):
        return _sort_sparse(X, marks)
    n = X.shape[0]
    require(16 * n * p, what="the columns in sorted order")
    entries = np.empty(p * n, np.uint64)
    begin = np.arange(p, dtype=np.int64) * n
    end, default = begin + n, np.full(p, NO_DEFAULT, np.int64)

    def sort(columns: range) -> bool:
        spare, counts = np.empty(n, np.uint64), np.empty((3, 2048), np.int64)
        result, infinite = np.empty(n, np.uint64), False
        keys = np.empty((min(STRIP, len(columns)), n), np.uint32)
        for j in columns:
            lane = (j - columns.start) % STRIP
            if lane == 0:
                infinite |= bool(write_keys(X, keys[: columns.stop - j], j))
            if marks[j]:  # codes are their own keys
                codes = X[:, j]
                keys[lane] = np.where(np.isnan(codes), MISSING, np.nan_to_num(codes)).astype(np.uint32)
            entries_of(keys[lane], spare)
            sort_entries(spare, result, counts)
            first, last = longest_run(result)
            kept = n
            if last - first < SHARED * n or marks[j]:
                entries[j * n : (j + 1) * n] = result
            else:
                kept = n - (last - first)
                default[j] = int(result[first] >> HALF)
                entries[j * n : j * n + first] = result[:first]
                entries[j * n + first : j * n + kept] = result[last:]
            end[j] = j * n + kept
        return infinite

    if any(_by_columns(sort, p, n * p)):
        raise InfiniteCell
    return SortedColumns(entries, begin, end, default, marks, n)


def _sort_sparse(X: Any, marks: np.ndarray) -> SortedColumns:
    n, p = X.shape
    begin = np.zeros(p + 1, np.int64)
    np.cumsum(np.bincount(X.indices, minlength=p), out=begin[1:])
    entries, at = np.empty(X.nnz, np.uint64), begin[:-1].copy()
    if write_sparse(X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32), entries, at):
        raise InfiniteCell

    def sort(columns: range) -> None:
        counts = np.empty((3, 2048), np.int64)
        for j in columns:
            part = entries[begin[j] : at[j]]
            if part.size > 1:
                if part.size < TILE:
                    part.sort()
                else:
                    spare = np.empty_like(part)
                    sort_entries(part, spare, counts)
                    part[:] = spare

    _by_columns(sort, p, X.nnz)
    default = np.full(p, 0x80000000, np.int64)
    default[at - begin[:-1] == n] = NO_DEFAULT
    return SortedColumns(entries, begin[:-1].copy(), at, default, marks, n)


def _by_columns(sort: Any, p: int, work: int) -> list[Any]:
    pieces = 1 if work < 1 << 17 else min(p, max(thread_count(), min(-(-p // STRIP), 16)))
    bounds = np.linspace(0, p, pieces + 1).astype(int)
    return parallel(sort, [range(a, b) for a, b in zip(bounds[:-1], bounds[1:])])
