"""Rows that come as CSR: bins from the stored cells alone, and predictions block by block.

What is not stored is zero, a value like any other. Each column is binned from its stored cells: the bin of zero fills
it, the stored ones write theirs over it. Cuts, bins and predictions are those of the same rows as a dense array, bit
for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel
from tripos.supervised.trees.binning import (
    CHUNK,
    Binned,
    Binning,
    bin_cells,
    cuts_of,
    distinct,
    halfway,
)
from tripos.supervised.trees.sketch import exact_cuts, is_sampled, sample_rows_of, stored_levels
from tripos.supervised.trees.tree import Walker

U = np.uint64
MOST_FEATURES = 1 << 16  # a node names its feature in 16 bits
DENSE_CELLS = 1 << 20  # of the block of rows that is written out at a time
FEWER = "fewer columns: rarer words left out (min_df), SelectKBest, or TruncatedSVD"


@kernel("F[::1], I[::1], I[::1], F[:, ::1], i8[::1], u1[::1], u1[::1], i8, u1[:, ::1], u8[:, ::1], u1[::1]")
def bin_stored(  # type: ignore[no-untyped-def]
    data, rows, starts, T, n_cuts, categorical, zeros, block, columns, words, missing
):  # fmt: skip
    """Bins of the eight columns of a block from their stored cells; False where those hold NaN or infinity."""
    n_features, n_rows = columns.shape
    x, bins = np.empty(CHUNK, data.dtype), np.empty(CHUNK, np.uint8)
    total = data.dtype.type(0)
    word = words[block]
    lanes = min(8, n_features - 8 * block)
    blank = U(0)
    for lane in range(lanes):
        blank |= U(zeros[8 * block + lane]) << U(8 * lane)
    for i in range(n_rows):
        word[i] = blank
    for lane in range(lanes):
        j = 8 * block + lane
        column, zero, shift = columns[j], zeros[j], U(8 * lane)
        for i in range(n_rows):
            column[i] = zero
        stored = np.int64(starts[j + 1]) - np.int64(starts[j])
        gap = np.uint8((zero == np.uint8(255)) and stored < n_rows)
        for c in range(0, stored, CHUNK):
            m = min(CHUNK, stored - c)
            first = np.int64(starts[j]) + c
            for i in range(m):  # type: ignore[call-overload]
                x[i] = data[first + i]
            total += bin_cells(x, m, T[j], n_cuts[j], categorical[j], bins)
            for i in range(m):  # type: ignore[call-overload]
                r = U(rows[first + i])
                gap |= np.uint8(bins[i] == np.uint8(255))
                column[r] = bins[i]
                word[r] ^= U(bins[i] ^ zero) << shift
        missing[j] = gap
    return total == data.dtype.type(0)


def learn_sparse(
    X: Any, sample_weight: np.ndarray | None, *, categorical: np.ndarray, max_bins: int, seed: int
) -> Binning:
    """`Binning.learn` for CSR."""
    _check_width(X.shape[1])
    if is_sampled(X.shape[0]):
        rows, _ = sample_rows_of(0, X.shape[0], seed)
        weight = None if sample_weight is None else sample_weight[rows]
        found = learn_sparse(X[rows], weight, categorical=categorical, max_bins=max_bins, seed=seed)
        return exact_cuts(found, stored_levels(sp.csc_array(X), sample_weight), max_bins)
    n, by_column = X.shape[0], sp.csc_array(X)
    if sample_weight is None:
        cuts = _cuts_of_counts(by_column, n, categorical, max_bins)
    else:
        cuts = [_weighted_cuts(by_column, j, sample_weight, categorical, max_bins) for j in range(X.shape[1])]
    starts = np.cumsum([0, *map(len, cuts)]).astype(np.int64)
    return Binning(np.concatenate(cuts).astype(np.float64), starts, categorical)


def _weighted_cuts(
    by_column: Any, j: int, weight: np.ndarray, categorical: np.ndarray, max_bins: int
) -> np.ndarray:
    """Cuts of one column; sums of weights depend on their order, so it is written out."""
    stored = slice(by_column.indptr[j], by_column.indptr[j + 1])
    column = np.zeros(by_column.shape[0], by_column.dtype)
    column[by_column.indices[stored]] = by_column.data[stored]
    return cuts_of(*distinct(column, weight), bool(categorical[j]), max_bins)


def _cuts_of_counts(by_column: Any, n: int, categorical: np.ndarray, max_bins: int) -> list[np.ndarray]:
    """Cuts of all columns, which are sorted together: thousands of short columns take as long as one long one."""
    p, stored = by_column.shape[1], np.diff(by_column.indptr)
    known = ~np.isnan(by_column.data)
    with_zeros = np.flatnonzero(stored < n)
    columns = np.concatenate([np.repeat(np.arange(p), stored)[known], with_zeros])
    values = np.concatenate([by_column.data[known], np.zeros(len(with_zeros), by_column.dtype)])
    counts = np.concatenate([np.ones(int(known.sum())), (n - stored[with_zeros]).astype(np.float64)])
    order = np.lexsort((values, columns))
    columns, values, counts = columns[order], values[order].astype(np.float64), counts[order]
    first = np.flatnonzero(np.r_[True, (columns[1:] != columns[:-1]) | (values[1:] != values[:-1])])
    if not len(values):
        return [np.empty(0)] * p
    columns, values, counts = columns[first], values[first], np.add.reduceat(counts, first)
    ends = np.cumsum(np.bincount(columns, minlength=p))
    between = halfway(values[:-1], values[1:])
    cuts = []
    for j, (start, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)):
        if categorical[j] or end - start > max_bins:
            cuts.append(cuts_of(values[start:end], counts[start:end], bool(categorical[j]), max_bins))
        else:
            cuts.append(between[start : max(end - 1, start)])
    return cuts


def bin_sparse(binning: Binning, X: Any) -> Binned:
    """`Binning.apply` for CSR."""
    n, p = X.shape
    _check_width(p)
    blocks = -(-p // 8)
    require(n * (p + 8 * blocks), what=f"the bins of {n:,} rows and {p:,} columns", instead=FEWER)
    by_column = sp.csc_array(X)
    table, marks = binning.table(X.dtype), binning.categorical.astype(np.uint8)
    sizes = np.diff(binning.starts)
    zeros = bins_of_zero(binning)
    columns, words = np.empty((p, n), np.uint8), np.empty((blocks, n), np.uint64)
    missing = np.zeros(p, np.uint8)
    cells = (by_column.data, by_column.indices, by_column.indptr, table, sizes, marks, zeros)
    finite = parallel(lambda b: bool(bin_stored(*cells, b, columns, words, missing)), range(blocks))
    return Binned(columns, words, binning.n_bins, missing, marks, all(finite))


def bins_of_zero(binning: Binning) -> np.ndarray:
    """The bin of zero in each column, uint8."""
    return np.ascontiguousarray(binning.apply(np.zeros((1, binning.n_features))).columns[:, 0])


def _check_width(p: int) -> None:
    if p > MOST_FEATURES:
        raise ValueError(
            f"X has {p:,} columns, boosted trees take {MOST_FEATURES:,} at most. Instead: {FEWER}"
        )


def sparse_rows_as_bins(X: Any, binning: Binning) -> np.ndarray:
    """Bins of all features of CSR row by row, uint8 of shape (n_rows, n_features)."""
    n, p = X.shape
    require(2 * n * p, what=f"the bins of {n:,} rows and {p:,} columns", instead=FEWER)
    return np.ascontiguousarray(bin_sparse(binning, X).columns.T)


def add_sparse(walker: Walker, X: Any, out: np.ndarray, first: int = 0, last: int | None = None) -> bool:
    """As `Walker.add` for CSR: blocks of rows are written out in the columns that the trees use."""
    narrow, used = walker.narrow()
    X = X[:, used] if len(used) < X.shape[1] else X
    step = max(1, DENSE_CELLS // max(len(used), 1))
    finite = True
    for start in range(0, X.shape[0], step):
        block = np.ascontiguousarray(X[start : start + step].toarray())
        finite &= narrow.add(block, out[start : start + step], first, last)
    return finite
