"""Gower's distance between the rows of a mixed table, by looking at all of them.

    d(x, y) = sum_j delta_j s_j / sum_j delta_j
    s_j     = min(|x_j - y_j| / range_j, 1)   of a number,    [x_j != y_j]   of a category

with delta_j = 1 where both cells are there, else 0 (J. C. Gower (1971), doi:10.2307/2528823). Ranges are those of the rows
that were fitted on; rows that share no cell are at the largest distance, 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel, thread_count
from tripos.geometry.distances import Floats, Found, Indices, empty_lists, insert

TILE = 256  # rows compared at a time
STEP = 1 << 25  # cells compared in a call of a kernel


@kernel(strict=True)
def tile_gower(columns, kinds, first, m, q, out, shared):  # type: ignore[no-untyped-def]
    """Distances of q to m rows of a table that is stored by columns; NaN is a missing cell."""
    for i in range(m):
        out[i] = 0.0
        shared[i] = 0.0
    for t in range(q.size):
        qt = q[t]
        if qt != qt:
            continue
        x = columns[t, first : first + m]
        if kinds[t]:
            for i in range(m):
                out[i] += 1.0 if x[i] == x[i] and x[i] != qt else 0.0
                shared[i] += 1.0 if x[i] == x[i] else 0.0
        else:
            for i in range(m):
                e = abs(x[i] - qt)
                out[i] += 1.0 if e > 1.0 else (e if e == e else 0.0)
                shared[i] += 1.0 if e == e else 0.0
    for i in range(m):
        out[i] = out[i] / shared[i] if shared[i] > 0.0 else 1.0


@kernel("f8[:, ::1], u1[::1], f8[:, ::1], f8[:, ::1], i8[:, ::1], f8[::1], f8[::1]", strict=True)
def nearest_by_gower(columns, kinds, Q, D, I, out, shared):  # type: ignore[no-untyped-def]
    """Lists of the nearest rows for each row of Q."""
    last = D.shape[1] - 1
    for j in range(Q.shape[0]):
        for first in range(0, columns.shape[1], out.size):
            m = min(out.size, columns.shape[1] - first)
            tile_gower(columns, kinds, first, m, Q[j], out, shared)
            for i in range(m):
                if out[i] <= D[j, last]:
                    insert(D[j], I[j], out[i], first + i)


@kernel("f8[:, ::1], u1[::1], f8[:, ::1], f8[:, ::1], f8[::1], f8[::1]", strict=True)
def all_by_gower(columns, kinds, Q, D, out, shared):  # type: ignore[no-untyped-def]
    """All distances of a few queries."""
    for j in range(Q.shape[0]):
        for first in range(0, columns.shape[1], out.size):
            m = min(out.size, columns.shape[1] - first)
            tile_gower(columns, kinds, first, m, Q[j], out, shared)
            for i in range(m):
                D[j, first + i] = out[i]


class GowerIndex:
    """All rows of a mixed table.

    Parameters
    ----------
    X : float ndarray of shape (n_rows, n_features)
        NaN for missing cells; categories as codes.
    categorical : array-like of int or bool, optional
        Which columns are categories; none by default.
    """

    name = "brute"

    def __init__(self, X: npt.NDArray[Any], categorical: npt.ArrayLike | None = None) -> None:
        X = np.asarray(X, dtype=np.float64)
        self.n_rows, self.n_features = X.shape
        kinds = np.zeros(self.n_features, np.uint8)
        if categorical is not None:
            kinds[np.asarray(categorical)] = 1
        self._kinds = kinds
        low, high = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)
        spread = np.where(np.isfinite(high - low) & (high > low) & (kinds == 0), high - low, 1.0)
        self._scale = 1.0 / spread
        self._columns = np.ascontiguousarray((X * self._scale).T)

    def nearest(self, Q: npt.NDArray[Any], k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        queries = kernel_array(Q * self._scale, np.float64)
        D, I = empty_lists(len(queries), k)

        def work(part: slice) -> None:
            scratch = np.empty(TILE), np.empty(TILE)
            nearest_by_gower(self._columns, self._kinds, queries[part], D[part], I[part], *scratch)

        step = int(
            np.clip(STEP // max(1, self._columns.size), 1, max(1, -(-len(queries) // thread_count(n_jobs))))
        )
        parallel(work, [slice(s, s + step) for s in range(0, len(queries), step)], n_jobs)
        return D, I

    def within(self, Q: npt.NDArray[Any], radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        queries = kernel_array(Q * self._scale, np.float64)

        def work(start: int) -> tuple[Indices, Indices, Floats]:
            block = queries[start : start + step]
            D = np.empty((len(block), self.n_rows))
            all_by_gower(self._columns, self._kinds, block, D, np.empty(TILE), np.empty(TILE))
            query, row = np.nonzero(radius >= D)
            return query + start, row, D[query, row]

        step = max(1, min(64, STEP // max(1, self._columns.size)))
        return Found.gather(len(queries), parallel(work, range(0, len(queries), step), n_jobs))
