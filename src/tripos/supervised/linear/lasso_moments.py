"""Moments of rows whose columns are contiguous, in one read of X.

    Z = [x - a, y - b, 1]',      total = sum over blocks of rows Z Z'

A block's columns are copied, less typical values a and b, into a piece that stays in the cache; its products with
itself hold the sums of the columns, those with y and those with one another (`objective.moments`). NaN and infinity
show in them. Blocks in C's order are the business of `objective.moments`; those in Fortran's it would copy first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.products import add_half_outer, mirror_lower
from tripos.compute.threads import parallel
from tripos.objective.moments import Moments

PIECE_BYTES = 1 << 18  # of a piece of rows beside its products
LEAST_ROWS = 64
PRODUCTS = 1e9  # multiplications of one call: some 50 ms
PARTS = 16  # of the rows, where each is worth a thread
LEAST_PART = 4096  # rows
AT_ONCE = 8  # parts whose products lie in memory together
WIDE = 512  # columns from which BLAS multiplies larger pieces
TYPICAL_ROWS = 256
LINE = 8  # numbers of a line of the cache


@kernel("F[:, ::1], f8[:, ::1], i8, i8, i8, f8[::1], f8[:, ::1]")
def column_scatter(XT, YT, start, stop, rows, shift, total):  # type: ignore[no-untyped-def]
    """Adds Z Z' of rows from `start` to `stop`, by `rows` at a time, to `total`."""
    d = XT.shape[0]
    D = total.shape[0]
    for first in range(start, stop, rows):
        m = min(rows, stop - first)
        Z = np.empty((D, m))
        for j in range(D - 1):
            z = Z[j]
            a = shift[j]
            if j < d:
                x = XT[j]
                for i in range(m):
                    z[i] = x[first + i] - a
            else:
                y = YT[j - d]
                for i in range(m):
                    z[i] = y[first + i] - a
        for i in range(m):
            Z[D - 1, i] = 1.0
        add_half_outer(Z, total)
    mirror_lower(total)


def moments_by_columns(X: np.ndarray, y: np.ndarray) -> Moments:
    """Moments of [X, y]; X of shape (n_rows, n_features) in Fortran's order, fewer than `WIDE` columns."""
    n, d = X.shape
    XT = kernel_array(X.T)
    YT = kernel_array(y.reshape(n, -1).T, np.float64)
    D = d + len(YT) + 1
    some = slice(None, None, -(-n // TYPICAL_ROWS))
    shift = np.concatenate([XT[:, some].mean(axis=1, dtype=np.float64), YT[:, some].mean(axis=1)])
    rows = max(LEAST_ROWS, PIECE_BYTES // (8 * D) // LINE * LINE)
    part = int(min(max(LEAST_PART, -(-n // PARTS)), max(rows, PRODUCTS / D**2)))

    def products(start: int) -> np.ndarray:
        total = np.zeros((D, D))
        column_scatter(XT, YT, start, min(start + part, n), rows, shift, total)
        return total

    starts = list(range(0, n, part))
    total: Any = 0.0
    for k in range(0, len(starts), AT_ONCE):
        for found in parallel(products, starts[k : k + AT_ONCE]):
            total = total + found
    offset = total[-1, :-1] / n
    with np.errstate(invalid="ignore", over="ignore"):  # infinite data: whoever asked sees it in the result
        scatter = total[:-1, :-1] - np.outer(n * offset, offset)
    return Moments(float(n), n, shift + offset, scatter)
