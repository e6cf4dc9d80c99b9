"""Nearest rows of sparse matrices, without a dense copy of either.

The rows are stored once more by columns (posting lists). A query walks through the lists of its own columns and has
the product q.x of every row that shares one with it; |x|^2 - 2 q.x orders them as the distance does. As in `filter.py`,
here with float64's roundings, candidates are measured again column by column, which gives what dense rows would.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.arrays import kernel_csr
from tripos.compute.threads import parallel
from tripos.geometry.distances import (
    CHEBYSHEV,
    COSINE,
    HAMMING,
    JACCARD,
    MANHATTAN,
    MINKOWSKI,
    SQEUCLIDEAN,
    Floats,
    Found,
    Indices,
    Metric,
    cosine_distance,
    empty_lists,
    insert,
)

UNIT = 2.0**-52
PIECE = 256  # queries per piece of work


@kernel(strict=True)
def reduced_rows(metric, p, d, xd, xi, x0, x1, qd, qi, q0, q1):  # type: ignore[no-untyped-def]
    """Reduced distance of two CSR rows of d columns, summed in the order of the columns."""
    total = 0.0
    dot = 0.0
    xx = 0.0
    qq = 0.0
    either = 0
    a = x0
    b = q0
    while a < x1 or b < q1:
        x = 0.0
        q = 0.0
        if b >= q1 or (a < x1 and xi[a] < qi[b]):
            x = np.float64(xd[a])
            a += 1
        elif a >= x1 or qi[b] < xi[a]:
            q = np.float64(qd[b])
            b += 1
        else:
            x = np.float64(xd[a])
            q = np.float64(qd[b])
            a += 1
            b += 1
        if metric <= SQEUCLIDEAN:
            total += (x - q) * (x - q)
        elif metric == MANHATTAN:
            total += abs(x - q)
        elif metric == MINKOWSKI:
            total += abs(x - q) ** p
        elif metric == CHEBYSHEV:
            total = max(total, abs(x - q))
        elif metric == COSINE:
            dot += x * q
            xx += x * x
            qq += q * q
        elif metric == HAMMING:
            total += x != q
        else:
            total += (x != 0.0) != (q != 0.0)
            either += x != 0.0 or q != 0.0
    if metric == COSINE:
        total = cosine_distance(dot, xx, qq)
    elif metric == HAMMING:
        total /= d
    elif metric == JACCARD:
        total = total / either if either else 0.0
    return total


@kernel(
    "F[::1], I[::1], I[::1], F[::1], I[::1], I[::1], f8[::1], i8, f8, f8[::1], I[::1], I[::1], i8, i8, f8[::1],"
    " f8[:, ::1], i8[:, ::1]",
    strict=True,
)
def nearest_sparse(  # type: ignore[no-untyped-def]
    xd, xi, xp, cd, ci, cp, norms, metric, p, qd, qi, qp, start, stop, v, D, I
):
    """Lists of the nearest rows of (xd, xi, xp), which (cd, ci, cp) holds by columns, for the queries start..stop."""
    last = D.shape[1] - 1
    for j in range(start, stop):
        slack = product_with_all(cd, ci, cp, norms, metric, qd, qi, qp[j], qp[j + 1], v)
        for i in range(norms.size):
            if v[i] - slack <= D[j, last]:  # nothing beyond the k-th so far by more than the slack can matter
                insert(
                    D[j],
                    I[j],
                    reduced_rows(metric, p, cp.size - 1, xd, xi, xp[i], xp[i + 1], qd, qi, qp[j], qp[j + 1]),
                    np.int64(i),
                )


@kernel(strict=True)
def product_with_all(cd, ci, cp, norms, metric, qd, qi, q0, q1, v):  # type: ignore[no-untyped-def]
    """v_i = reduced distance of row i to the query, by products; returns a bound of its error."""
    if metric != COSINE and metric > SQEUCLIDEAN:  # a product says nothing about these: every row is measured
        for i in range(norms.size):
            v[i] = 0.0
        return 0.0
    qq = 0.0
    for s in range(q0, q1):
        qq += qd[s] * qd[s]
    largest = 0.0
    for i in range(norms.size):
        v[i] = 0.0
        largest = max(largest, norms[i])
    for s in range(q0, q1):
        q = qd[s]
        for a in range(cp[qi[s]], cp[qi[s] + 1]):
            v[ci[a]] += q * np.float64(cd[a])
    terms = q1 - q0 + 8
    if metric == COSINE:
        for i in range(norms.size):
            v[i] = cosine_distance(v[i], norms[i], qq)
        return UNIT * 4.0 * terms
    for i in range(norms.size):
        v[i] = norms[i] - 2.0 * v[i] + qq
    return UNIT * (terms + cp.size) * 2.0 * (qq + largest)


@kernel(
    "F[::1], I[::1], I[::1], F[::1], I[::1], I[::1], f8[::1], i8, f8, f8, f8[::1], I[::1], I[::1], i8, i8, f8[::1],"
    " i8[::1], i8[::1], f8[::1]",
    strict=True,
)
def within_sparse(  # type: ignore[no-untyped-def]
    xd, xi, xp, cd, ci, cp, norms, metric, p, radius, qd, qi, qp, start, stop, v, query, row, distance
):
    """List (query, row, reduced distance) of all pairs within the reduced radius; returns how many there are."""
    count = 0
    for j in range(start, stop):
        slack = product_with_all(cd, ci, cp, norms, metric, qd, qi, qp[j], qp[j + 1], v)
        for i in range(norms.size):
            if v[i] - slack <= radius:
                d = reduced_rows(metric, p, cp.size - 1, xd, xi, xp[i], xp[i + 1], qd, qi, qp[j], qp[j + 1])
                if d <= radius:
                    if count < query.size:
                        query[count] = j
                        row[count] = i
                        distance[count] = d
                    count += 1
    return count


class SparseBruteForce:
    """All rows of a CSR matrix.

    Parameters
    ----------
    X : CSR matrix of shape (n_rows, n_features)
    metric : Metric
        Any but haversine; the products spare work for Euclidean and cosine distances.
    """

    name = "brute"

    def __init__(self, X: Any, metric: Metric) -> None:
        self.metric = metric
        self.n_rows, self.n_features = X.shape
        self.rows: Any = kernel_csr(X)
        self.columns: Any = kernel_csr(X.T.tocsr())
        squares = np.bincount(
            np.repeat(np.arange(self.n_rows), np.diff(self.rows[2])),
            weights=self.rows[0].astype(np.float64) ** 2,
            minlength=self.n_rows,
        )
        self.norms = squares.astype(np.float64)
        index = self.rows[1].dtype
        if self.columns[1].dtype != index:
            data, *pointers = self.columns
            self.columns = (data, *(a.astype(index) for a in pointers))

    def _queries(self, Q: Any) -> Any:
        from scipy.sparse import csr_array

        data, indices, indptr = kernel_csr(csr_array(Q))
        index = self.rows[1].dtype
        return data.astype(np.float64), indices.astype(index), indptr.astype(index)

    def nearest(self, Q: Any, k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        queries, n = self._queries(Q), Q.shape[0]
        D, I = empty_lists(n, k)

        def work(start: int) -> None:
            v, stop = np.empty(self.n_rows), min(start + PIECE, n)
            arguments: Any = (
                *self.rows,
                *self.columns,
                self.norms,
                self.metric.code,
                self.metric.p,
                *queries,
                start,
                stop,
                v,
                D,
                I,
            )
            nearest_sparse(*arguments)

        parallel(work, range(0, n, PIECE), n_jobs)
        return self.metric.finish(D), I

    def within(self, Q: Any, radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        queries, n = self._queries(Q), Q.shape[0]
        limit = self.metric.reduce(radius)

        def work(start: int) -> tuple[Indices, Indices, Floats]:
            v, stop, room = np.empty(self.n_rows), min(start + PIECE, n), 16 * PIECE
            while True:
                query, row, distance = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
                arguments: Any = (
                    *self.rows,
                    *self.columns,
                    self.norms,
                    self.metric.code,
                    self.metric.p,
                    limit,
                    *queries,
                    start,
                    stop,
                    v,
                    query,
                    row,
                    distance,
                )
                count = within_sparse(*arguments)
                if count <= room:
                    return query[:count].copy(), row[:count].copy(), distance[:count].copy()
                room = count

        found = Found.gather(n, parallel(work, range(0, n, PIECE), n_jobs))
        self.metric.finish(found.distances)
        return found
