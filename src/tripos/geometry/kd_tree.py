"""The kd-tree: rows in boxes, halved at the median of the widest column.

A query descends into the nearer box first and leaves out every box that is farther than the k-th neighbour so far
(J. H. Friedman, J. L. Bentley, R. A. Finkel (1977), doi:10.1145/355744.355745). The tree is a heap in arrays: node v
has the children 2 v + 1 and 2 v + 2. The rows of a leaf lie together and are stored by columns, so that a leaf is
measured at the speed of vectors; queries are taken in the order of a tree of their own, so that one finds in the cache
what the one before it used.

A box at exactly the distance of the k-th neighbour is still opened: a row in it may have the lower index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel, thread_count
from tripos.geometry.distances import (
    MANHATTAN,
    MINKOWSKI,
    SQEUCLIDEAN,
    Floats,
    Found,
    Indices,
    Metric,
    empty_lists,
    insert,
    tile_distances,
)

DEEPEST = 64  # open nodes on the way down, at most: the tree is balanced
SORTED_FROM = 1000  # queries from which their own tree pays
PIECE = 1 << 12  # queries per call of a kernel: some 10 to 50 ms
_FIRST = np.zeros(1, np.int64)
ROUNDING = 1.0 - 1e-12  # powers are not exactly monotonic, so Minkowski's boxes come a little nearer


@kernel("F[:, ::1], i8[::1], i8[:, ::1], f8[:, :, ::1], i8, i8", strict=True)
def split_nodes(P, order, spans, boxes, first, last):  # type: ignore[no-untyped-def]
    """Box each node of first..last and halve its rows at the median of the widest column, if it has children."""
    for v in range(first, last):
        start, stop = spans[v, 0], spans[v, 1]
        widest = box(P, start, stop, boxes[v])
        if 2 * v + 2 < spans.shape[0]:
            middle = (start + stop) // 2
            select(P, order, start, stop, middle, widest)
            spans[2 * v + 1, 0] = start
            spans[2 * v + 1, 1] = middle
            spans[2 * v + 2, 0] = middle
            spans[2 * v + 2, 1] = stop


@kernel(strict=True)
def box(P, start, stop, bounds):  # type: ignore[no-untyped-def]
    """Least and greatest value of each column in some rows; returns the widest column."""
    widest = 0
    for t in range(P.shape[1]):
        low = P[start, t]
        high = P[start, t]
        for i in range(start, stop):
            x = P[i, t]
            low = x if x < low else low
            high = x if x > high else high
        bounds[0, t] = low
        bounds[1, t] = high
        if bounds[1, t] - bounds[0, t] > bounds[1, widest] - bounds[0, widest]:
            widest = t
    return widest


@kernel(strict=True)
def select(P, order, start, stop, middle, column):  # type: ignore[no-untyped-def]
    """Quickselect: rows below `middle` are not above those from it on, in one column."""
    left = start
    right = stop - 1
    while left < right:
        pivot = P[(left + right) // 2, column]
        i = left
        j = right
        while i <= j:
            while P[i, column] < pivot:
                i += 1
            while P[j, column] > pivot:
                j -= 1
            if i <= j:
                for t in range(P.shape[1]):
                    x = P[i, t]
                    P[i, t] = P[j, t]
                    P[j, t] = x
                row = order[i]
                order[i] = order[j]
                order[j] = row
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            break


@kernel(strict=True)
def box_distance(metric, p, bounds, q):  # type: ignore[no-untyped-def]
    """Reduced distance of q to the nearest point of a box; never above that of a row in it, roundings included."""
    total = 0.0
    for t in range(q.size):
        e = max(max(bounds[0, t] - q[t], q[t] - bounds[1, t]), 0.0)
        if metric <= SQEUCLIDEAN:
            total += e * e
        elif metric == MANHATTAN:
            total += e
        elif metric == MINKOWSKI:
            total += e**p * ROUNDING
        else:
            total = max(total, e)
    return total


@kernel(
    "F[:, ::1], i8[::1], i8[:, ::1], f8[:, :, ::1], i8, f8, f8[:, ::1], i8[::1], f8[:, ::1], i8[:, ::1],"
    " i8[::1], f8[::1], f8[::1]",
    strict=True,
)
def nearest_in_tree(columns, order, spans, boxes, metric, p, Q, which, D, I, nodes, gaps, out):  # type: ignore[no-untyped-def]
    """Lists of the nearest rows for the queries `which`; nodes and gaps hold what is still to be visited."""
    n_nodes = spans.shape[0]
    last = D.shape[1] - 1
    for j in which:
        q = Q[j]
        distances = D[j]
        indices = I[j]
        nodes[0] = 0
        gaps[0] = 0.0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            v = nodes[waiting]
            gap = gaps[waiting]
            while gap <= distances[last] and 2 * v + 2 < n_nodes:
                near = 2 * v + 1
                far = near + 1
                gap = box_distance(metric, p, boxes[near], q)
                other = box_distance(metric, p, boxes[far], q)
                if other < gap:
                    near, far = far, near
                    gap, other = other, gap
                if other <= distances[last]:
                    nodes[waiting] = far
                    gaps[waiting] = other
                    waiting += 1
                v = near
            if gap <= distances[last]:
                first = spans[v, 0]
                m = spans[v, 1] - first
                tile_distances(metric, p, columns, first, m, q, out)
                worst = distances[last]
                for i in range(m):
                    if out[i] <= worst:
                        insert(distances, indices, out[i], order[first + i])
                        worst = distances[last]


@kernel(
    "F[:, ::1], i8[::1], i8[:, ::1], f8[:, :, ::1], i8, f8, f8, f8[:, ::1], i8, i8,"
    " i8[::1], f8[::1], i8[::1], i8[::1], f8[::1]",
    strict=True,
)
def within_in_tree(  # type: ignore[no-untyped-def]
    columns, order, spans, boxes, metric, p, radius, Q, start, stop, nodes, out, query, row, distance
):
    """List (query, row, reduced distance) of all pairs within the reduced radius; returns how many there are, of which
    only as many are listed as there is room."""
    count = 0
    for j in range(start, stop):
        nodes[0] = 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            v = nodes[waiting]
            if not box_distance(metric, p, boxes[v], Q[j]) <= radius:
                continue
            if 2 * v + 2 < spans.shape[0]:
                nodes[waiting] = 2 * v + 1
                nodes[waiting + 1] = 2 * v + 2
                waiting += 2
                continue
            first = spans[v, 0]
            m = spans[v, 1] - first
            tile_distances(metric, p, columns, first, m, Q[j], out)
            for i in range(m):
                if out[i] <= radius:
                    if count < query.size:
                        query[count] = j
                        row[count] = order[first + i]
                        distance[count] = out[i]
                    count += 1
    return count


class KDTree:
    """Rows in boxes.

    Parameters
    ----------
    X : float ndarray of shape (n_rows, n_features)
        Not kept: the tree holds its rows in its own order.
    metric : Metric
        One that `prunes`.
    leaf_size : int, default=30
        Rows of a leaf, at most.
    """

    name = "kd_tree"

    def __init__(
        self, X: npt.NDArray[Any], metric: Metric, leaf_size: int = 30, n_jobs: int | None = None
    ) -> None:
        if not metric.prunes:
            raise ValueError(f"a kd-tree cannot search by {metric.name!r}: use brute force")
        self.metric = metric
        self.n_rows, self.n_features = X.shape
        rows, self.order, self.spans, self.boxes = build(X, leaf_size, n_jobs)
        self.columns = np.ascontiguousarray(rows.T)  # (n_features, n_rows)
        self._leaf = int((self.spans[:, 1] - self.spans[:, 0])[len(self.spans) // 2 :].max())

    def nearest(self, Q: npt.NDArray[Any], k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        Q = kernel_array(Q, np.float64)
        D, I = empty_lists(len(Q), k)
        if len(Q) == 1:  # one row: nothing to share out, and microseconds count
            scratch = np.empty(DEEPEST, np.int64), np.empty(DEEPEST), np.empty(self._leaf)
            nearest_in_tree(*self._tree, self.metric.code, self.metric.p, Q, _FIRST, D, I, *scratch)
            return self.metric.finish(D), I
        which = build(Q, 32, n_jobs)[1] if len(Q) >= SORTED_FROM else np.arange(len(Q))

        def work(queries: Indices) -> None:
            scratch = np.empty(DEEPEST, np.int64), np.empty(DEEPEST), np.empty(self._leaf)
            nearest_in_tree(*self._tree, self.metric.code, self.metric.p, Q, queries, D, I, *scratch)

        step = max(1, min(PIECE, len(Q) // thread_count(n_jobs)))
        parallel(work, [which[s : s + step] for s in range(0, len(Q), step)], n_jobs)
        return self.metric.finish(D), I

    def within(self, Q: npt.NDArray[Any], radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        Q = kernel_array(Q, np.float64)
        limit = self.metric.reduce(radius)
        if len(Q) == 1:
            return self._within_of_one(Q, limit)

        def work(start: int) -> tuple[Indices, Indices, Floats]:
            stop = min(start + PIECE, len(Q))
            room = 16 * PIECE
            scratch = np.empty(DEEPEST, np.int64), np.empty(self._leaf)
            while True:
                query, row, distance = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
                count = within_in_tree(
                    *self._tree,
                    self.metric.code,
                    self.metric.p,
                    limit,
                    Q,
                    start,
                    stop,
                    *scratch,
                    query,
                    row,
                    distance,
                )
                if count <= room:
                    return query[:count].copy(), row[:count].copy(), distance[:count].copy()
                room = count

        found = Found.gather(len(Q), parallel(work, range(0, len(Q), PIECE), n_jobs))
        self.metric.finish(found.distances)
        return found

    def _within_of_one(self, Q: Floats, limit: float) -> Found:
        nodes, out, room = np.empty(DEEPEST, np.int64), np.empty(self._leaf), 1024
        search = (*self._tree, self.metric.code, self.metric.p, limit, Q, 0, 1, nodes, out)
        while True:
            query, row, distance = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
            what: Any = (*search, query, row, distance)
            count = within_in_tree(*what)
            if count <= room:
                break
            room = count
        order, starts = np.argsort(row[:count]), np.zeros(2, np.int64)
        starts[1] = count
        return Found(starts, row[order], self.metric.finish(distance[order]))

    @property
    def _tree(self) -> tuple[npt.NDArray[Any], Indices, Indices, Floats]:
        return self.columns, self.order, self.spans, self.boxes


def build(
    X: npt.NDArray[Any], leaf_size: int, n_jobs: int | None = None
) -> tuple[npt.NDArray[Any], Indices, Indices, Floats]:
    """Rows in tree order, the index each had, and each node's span of rows and box of columns.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_features)
    order : int64 ndarray of shape (n_rows,)
    spans : int64 ndarray of shape (n_nodes, 2)
    boxes : float64 ndarray of shape (n_nodes, 2, n_features)
    """
    rows = np.array(X, order="C", copy=True)
    n, d = rows.shape
    levels = 0
    while (n >> levels) >= max(2, leaf_size + 1) and levels < DEEPEST - 4:
        levels += 1
    order, spans = np.arange(n), np.zeros((2 ** (levels + 1) - 1, 2), np.int64)
    boxes = np.empty((len(spans), 2, d))
    spans[0] = 0, n
    for level in range(levels + 1):
        first, last = 2**level - 1, 2 ** (level + 1) - 1
        cut = np.linspace(first, last, min(last - first, max(1, n * d >> 16)) + 1).astype(int)

        def work(nodes: tuple[int, int]) -> None:
            split_nodes(rows, order, spans, boxes, *nodes)

        parallel(work, list(zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True)), n_jobs)
    return rows, order, spans, boxes
