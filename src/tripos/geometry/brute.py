"""Nearest rows by looking at all of them.

Euclidean and cosine distances of many queries go through the float32 filter (`filter.py`): a block of queries times a
block of rows at a time, never n x n. Other metrics, few queries and long lists are measured in tiles of rows stored by
columns. Either way each distance that decides is one sum in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel, thread_count
from tripos.geometry import filter as gemm
from tripos.geometry.distances import (
    COSINE,
    SQEUCLIDEAN,
    SUMS_OVER_COLUMNS,
    Floats,
    Found,
    Indices,
    Metric,
    empty_lists,
    insert,
    reduced,
    tile_distances,
)

QUERIES, ROWS = 1024, 512  # of a block of the product: 2 MB of float32 (256 to 2500 queries are no faster)
SPARE = 6  # candidates beyond k that the filter keeps
LONGEST = 256  # lists longer than this, or than an eighth of the rows, are made without the filter
FEWEST = 16  # queries below which folding the rows costs more than it saves
TILE = 256  # rows stored by columns at a time
SMALL = 1 << 19  # values of X up to which they are kept by columns as well once a single query has come
STEP = 1 << 26  # sums of a call of a kernel: about 0.1 s


@kernel(strict=True)
def nearest_to_one(X, q, distances, indices):  # type: ignore[no-untyped-def]
    """The list of one query by Euclidean distance: four rows at a time, whose sums do not wait for each other."""
    n, d = X.shape
    last = distances.size - 1
    four = n - n % 4
    for i in range(0, four, 4):
        s0 = 0.0
        s1 = 0.0
        s2 = 0.0
        s3 = 0.0
        for t in range(d):
            e0 = np.float64(X[i, t]) - q[t]
            e1 = np.float64(X[i + 1, t]) - q[t]
            e2 = np.float64(X[i + 2, t]) - q[t]
            e3 = np.float64(X[i + 3, t]) - q[t]
            s0 += e0 * e0
            s1 += e1 * e1
            s2 += e2 * e2
            s3 += e3 * e3
        worst = distances[last]
        if s0 <= worst or s1 <= worst or s2 <= worst or s3 <= worst:
            insert(distances, indices, s0, i)
            insert(distances, indices, s1, i + 1)
            insert(distances, indices, s2, i + 2)
            insert(distances, indices, s3, i + 3)
    for i in range(four, n):
        insert(distances, indices, reduced(SQEUCLIDEAN, 2.0, X[i], q), i)


@kernel("F[:, ::1], f8[:, ::1], i8, f8, f8[:, ::1], i8[:, ::1], F[:, ::1], f8[::1]", strict=True)
def nearest_of_all(X, Q, metric, p, D, I, columns, out):  # type: ignore[no-untyped-def]
    """Lists of the nearest rows of X for each row of Q."""
    n, d = X.shape
    last = D.shape[1] - 1
    if Q.shape[0] == 1 and metric <= SQEUCLIDEAN:
        nearest_to_one(X, Q[0], D[0], I[0])
        return
    if Q.shape[0] == 1 or metric > SUMS_OVER_COLUMNS:
        for j in range(Q.shape[0]):
            for i in range(n):
                distance = reduced(metric, p, X[i], Q[j])
                if distance <= D[j, last]:
                    insert(D[j], I[j], distance, i)
        return
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for i in range(m):
            for t in range(d):
                columns[t, i] = X[first + i, t]
        for j in range(Q.shape[0]):
            tile_distances(metric, p, columns, 0, m, Q[j], out)
            worst = D[j, last]
            for i in range(m):
                if out[i] <= worst:
                    insert(D[j], I[j], out[i], first + i)
                    worst = D[j, last]


@kernel("F[:, ::1], f8[:, ::1], i8, f8, f8[:, ::1], i8[:, ::1]", strict=True)
def nearest_in_columns(columns, Q, metric, p, D, I):  # type: ignore[no-untyped-def]
    """As `nearest_of_all` for a few queries, from rows stored by columns, (n_features, n_rows): 2.4 times as fast for one."""
    n, last = columns.shape[1], D.shape[1] - 1
    out = np.empty(TILE)
    for j in range(Q.shape[0]):
        for first in range(0, n, TILE):
            m = min(TILE, n - first)
            tile_distances(metric, p, columns, first, m, Q[j], out)
            worst = D[j, last]
            for i in range(m):
                if out[i] <= worst:
                    insert(D[j], I[j], out[i], first + i)
                    worst = D[j, last]


@kernel("F[:, ::1], f8[:, ::1], i8, f8, f8, i8[::1], i8[::1], f8[::1]", strict=True)
def all_within(X, Q, metric, p, radius, query, row, distance):  # type: ignore[no-untyped-def]
    """List (query, row, reduced distance) of all pairs within the reduced radius; returns how many there are, of which
    only as many are listed as there is room."""
    count = 0
    for j in range(Q.shape[0]):
        for i in range(X.shape[0]):
            d = reduced(metric, p, X[i], Q[j])
            if d <= radius:
                if count < query.size:
                    query[count] = j
                    row[count] = i
                    distance[count] = d
                count += 1
    return count


@kernel("F[:, ::1], f8[:, ::1], i8, f8, f8, i8[::1], f8[::1]", strict=True)
def within_columns(columns, Q, metric, p, radius, row, distance):  # type: ignore[no-untyped-def]
    """As `all_within` for one query, from rows stored by columns; there is room for all."""
    count = 0
    out = np.empty(TILE)
    for first in range(0, columns.shape[1], TILE):
        m = min(TILE, columns.shape[1] - first)
        tile_distances(metric, p, columns, first, m, Q[0], out)
        for i in range(m):
            if out[i] <= radius:
                row[count] = first + i
                distance[count] = out[i]
                count += 1
    return count


class BruteForce:
    """All rows, in the order they came in.

    Parameters
    ----------
    X : float ndarray of shape (n_rows, n_features)
        Kept, not copied.
    metric : Metric
    """

    name = "brute"

    def __init__(self, X: npt.NDArray[Any], metric: Metric) -> None:
        self.X = kernel_array(X)
        self.metric = metric
        self.n_rows, self.n_features = X.shape
        self._filters = metric.code <= SQEUCLIDEAN or metric.code == COSINE
        self._centre = np.zeros(self.n_features)
        self._scale = 0.0  # found at the first use of the filter
        self._columns: npt.NDArray[Any] | None = None  # X.T for single queries, made at the first

    def _prepare(self) -> None:
        """The centre and the power of two that bring the rows into the unit ball, where float32 is safe."""
        if self.metric.code != COSINE:
            self._centre = self.X.mean(axis=0, dtype=np.float64)
        low, high = self.X.min(axis=0) - self._centre, self.X.max(axis=0) - self._centre
        radius = float(np.sqrt(np.sum(np.maximum(np.abs(low), np.abs(high)) ** 2)))
        if not 1e-140 < radius < 1e140:
            self._filters = False  # squares would leave the range of float64 as well
        self._scale = 2.0 ** -np.ceil(np.log2(radius)) if self._filters else 1.0

    def nearest(self, Q: npt.NDArray[Any], k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        Q = kernel_array(Q, np.float64)
        D, I = empty_lists(len(Q), k)
        long = k > LONGEST or 8 * (k + SPARE) > self.n_rows
        if len(Q) < FEWEST or long or not self._with_filter():
            self._measure(Q, D, I, n_jobs)
        else:
            # as many pieces as threads even when there are few queries; what is found does not depend on it
            threads = thread_count(n_jobs)
            rounds = -(-len(Q) // (threads * QUERIES))
            size = max(FEWEST, -(-len(Q) // (threads * rounds)))
            pieces = [slice(s, s + size) for s in range(0, len(Q), size)]
            parallel(lambda part: self._filtered(Q[part], D[part], I[part]), pieces, n_jobs)
        return self.metric.finish(D), I

    def within(self, Q: npt.NDArray[Any], radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        Q = kernel_array(Q, np.float64)
        limit = self.metric.reduce(radius)
        if len(Q) == 1 and self._by_columns():
            return self._within_of_one(Q, limit)
        step = QUERIES if self._with_filter() else max(1, STEP // max(1, self.n_rows * self.n_features))
        search = self._filtered_within if self._with_filter() else self._measured_within
        pieces = [slice(s, min(s + step, len(Q))) for s in range(0, len(Q), step)]
        parts = []
        for part, found in zip(
            pieces, parallel(lambda part: search(Q[part], limit), pieces, n_jobs), strict=True
        ):
            parts += [(query + part.start, row, distance) for query, row, distance in found]
        result = Found.gather(len(Q), parts)
        self.metric.finish(result.distances)
        return result

    # ---- by tiles ------------------------------------------------------------------------------

    def _measure(self, Q: Floats, D: Floats, I: Indices, n_jobs: int | None) -> None:
        X, metric = self.X, self.metric
        if len(Q) == 1 and self._by_columns():
            nearest_in_columns(self._columns, Q, metric.code, metric.p, D, I)
            return
        if len(Q) == 1 and X.size <= STEP:  # one row: nothing to share out, and microseconds count
            nearest_of_all(X, Q, metric.code, metric.p, D, I, X[:0], Q[0, :0])
            return
        step = int(np.clip(STEP // max(1, X.size), 1, max(1, len(Q) // thread_count(n_jobs))))

        def work(part: slice) -> None:
            columns, out = np.empty((X.shape[1], TILE), X.dtype), np.empty(TILE)
            nearest_of_all(X, Q[part], metric.code, metric.p, D[part], I[part], columns, out)

        parallel(work, [slice(s, s + step) for s in range(0, len(Q), step)], n_jobs)

    def _by_columns(self) -> bool:
        """Whether single queries are measured from rows stored by columns; stores them so. In single precision where
        that holds every value: half the memory to read, and the same distances to the last bit."""
        if self.X.size > SMALL or self.metric.code > SUMS_OVER_COLUMNS:
            return False
        if self._columns is None:
            with np.errstate(over="ignore"):
                narrow = self.X.astype(np.float32)
            X = narrow if np.array_equal(narrow, self.X) else self.X
            self._columns = np.ascontiguousarray(X.T)
        return True

    def _within_of_one(self, Q: Floats, limit: float) -> Found:
        row, distance = np.empty(self.n_rows, np.int64), np.empty(self.n_rows)
        metric = self.metric
        count = within_columns(self._columns, Q, metric.code, metric.p, limit, row, distance)
        starts = np.zeros(2, np.int64)
        starts[1] = count
        return Found(starts, row[:count].copy(), metric.finish(distance[:count].copy()))

    def _measured_within(self, Q: Floats, limit: float) -> list[tuple[Indices, Indices, Floats]]:
        room = max(1024, 8 * len(Q))
        while True:
            query, row, distance = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
            count = all_within(self.X, Q, self.metric.code, self.metric.p, limit, query, row, distance)
            if count <= room:
                return [(query[:count], row[:count], distance[:count])]
            room = count

    # ---- by the filter -------------------------------------------------------------------------

    def _with_filter(self) -> bool:
        if self._filters and not self._scale:
            self._prepare()
        return self._filters

    def _folded(self, first: int, out: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        gemm.fold_rows(self.X[first : first + ROWS], self._centre, self._scale, self.metric.code, out)
        return out.T

    def _scratch(self, n_queries: int) -> tuple[npt.NDArray[np.float32], ...]:
        """A block of folded rows, its group minima twice over, and its product with the queries."""
        groups = ROWS // gemm.GROUPS
        shapes = (ROWS, self.n_features + 1), groups, groups // gemm.GROUPS, (n_queries, ROWS)
        return tuple(np.empty(shape, np.float32) for shape in shapes)

    def _fold_queries(self, Q: Floats) -> tuple[npt.NDArray[np.float32], Floats, bool]:
        folded, norms = np.empty((len(Q), self.n_features + 1), np.float32), np.empty(len(Q))
        fits = gemm.fold_queries(Q, self._centre, self._scale, self.metric.code, folded, norms)
        return folded, norms, bool(fits)

    @property
    def _squared_scale(self) -> float:
        return 1.0 if self.metric.code == COSINE else self._scale**2

    def _filtered(self, Q: Floats, D: Floats, I: Indices) -> None:
        folded, norms, fits = self._fold_queries(Q)
        if not fits:
            self._measure(Q, D, I, 1)
            return
        k = D.shape[1]
        values = np.full((len(Q), k + SPARE), np.inf, np.float32)
        rows = np.full((len(Q), k + SPARE), -1, np.int32)
        block, minima, coarse, G = self._scratch(len(Q))
        for first in range(0, self.n_rows, ROWS):
            np.dot(folded, self._folded(first, block), out=G)
            gemm.keep_smallest(G, first, values, rows, minima, coarse)
        rows[rows >= self.n_rows] = -1
        limits, code = np.empty(len(Q)), self.metric.code
        if gemm.measure_again(self.X, Q, norms, self._squared_scale, code, values, rows, D, I, limits):
            self._settle(Q, folded, limits, D, I)

    def _settle(
        self, Q: Floats, folded: npt.NDArray[np.float32], limits: Floats, D: Floats, I: Indices
    ) -> None:
        """A second pass for queries where more rows than were kept may lie as near as the k-th: ties, mostly."""
        unsure = np.flatnonzero(~np.isnan(limits))
        Q, folded, limits = Q[unsure], folded[unsure], limits[unsure]
        distances, indices = empty_lists(len(Q), D.shape[1])
        block, minima, coarse, G = self._scratch(len(Q))
        for first in range(0, self.n_rows, ROWS):
            np.dot(folded, self._folded(first, block), out=G)
            what = (self.X, Q, self.metric.code, distances, indices, minima, coarse)
            gemm.look_at_all_within(G, first, limits, *what)
        D[unsure], I[unsure] = distances, indices

    def _filtered_within(self, Q: Floats, limit: float) -> list[tuple[Indices, Indices, Floats]]:
        folded, norms, fits = self._fold_queries(Q)
        if not fits:
            return self._measured_within(Q, limit)
        code, scaled = self.metric.code, limit * self._squared_scale
        limits = np.array([gemm.reach(code, self.n_features, norm, scaled) for norm in norms])
        block, G = np.empty((ROWS, self.n_features + 1), np.float32), np.empty((len(Q), ROWS), np.float32)
        query, row, distance = np.empty(G.size, np.int64), np.empty(G.size, np.int64), np.empty(G.size)
        parts = []
        for first in range(0, self.n_rows, ROWS):
            np.dot(folded, self._folded(first, block), out=G)
            count = gemm.collect_within(
                G, first, self.n_rows, limits, limit, self.X, Q, code, query, row, distance
            )
            parts.append((query[:count].copy(), row[:count].copy(), distance[:count].copy()))
        return parts
