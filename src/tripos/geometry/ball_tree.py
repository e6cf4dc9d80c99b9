"""The ball tree: rows in balls, for any true metric that our kernels know.

    d(q, x) >= d(q, c) - r        for every x in the ball about c with radius r, by the triangle inequality

(S. M. Omohundro (1989), Five balltree construction algorithms, ICSI TR-89-063). Rows are halved as in the kd-tree, at the
median of the widest column; the ball of a node is about the row nearest to the middle of its box. What the triangle
inequality may lose by rounding is taken off the bound, so that tree and brute force agree to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel, thread_count
from tripos.geometry.distances import (
    COSINE,
    EUCLIDEAN,
    HAVERSINE,
    MINKOWSKI,
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
from tripos.geometry.kd_tree import DEEPEST, PIECE, SORTED_FROM, build

SLACK = 1e-12  # of the distances that a bound is made of
SLACK_HAVERSINE = 1e-7  # radians: what the arc sine loses between antipodes


def is_true_metric(metric: Metric) -> bool:
    """Whether the triangle inequality holds, so that a ball tree serves it."""
    if metric.code in (SQEUCLIDEAN, COSINE):
        return False
    return metric.code != MINKOWSKI or metric.p >= 1.0


@kernel(strict=True)
def finished(metric, p, value):  # type: ignore[no-untyped-def]
    """The distance of a reduced distance."""
    if metric == EUCLIDEAN:
        return np.sqrt(value)
    if metric == MINKOWSKI:
        return value ** (1.0 / p)
    if metric == HAVERSINE:
        return 2.0 * np.arcsin(np.sqrt(min(value, 1.0)))
    return value


@kernel(strict=True)
def ball_bound(metric, p, centre, radius, q):  # type: ignore[no-untyped-def]
    """A reduced distance that no row of the ball comes below."""
    away = finished(metric, p, reduced(metric, p, centre, q))
    gap = away - radius - SLACK * (away + radius)
    if metric == HAVERSINE:
        gap -= SLACK_HAVERSINE
    if not gap > 0.0:
        return np.nan if away != away else 0.0
    if metric == EUCLIDEAN:
        return gap * gap
    if metric == MINKOWSKI:
        return gap**p * (1.0 - SLACK)
    if metric == HAVERSINE:
        s = np.sin(0.5 * gap)
        return s * s
    return gap


@kernel("F[:, ::1], i8[:, ::1], f8[:, :, ::1], i8, f8, F[:, ::1], f8[::1], f8[::1], i8, i8", strict=True)
def make_balls(rows, spans, boxes, metric, p, centres, radii, middle, first, last):  # type: ignore[no-untyped-def]
    """Centre and radius of the nodes first..last."""
    for v in range(first, last):
        for t in range(middle.size):
            middle[t] = 0.5 * (boxes[v, 0, t] + boxes[v, 1, t])
        nearest = np.inf
        chosen = spans[v, 0]
        for i in range(spans[v, 0], spans[v, 1]):
            away = reduced(metric, p, rows[i], middle)
            if away < nearest:
                nearest = away
                chosen = i
        widest = 0.0
        for t in range(middle.size):
            centres[v, t] = rows[chosen, t]
        for i in range(spans[v, 0], spans[v, 1]):
            widest = max(widest, reduced(metric, p, rows[i], centres[v]))
        radii[v] = finished(metric, p, widest)


@kernel(strict=True)
def leaf_distances(rows, columns, metric, p, first, m, q, out):  # type: ignore[no-untyped-def]
    """Reduced distances of q to the rows of a leaf."""
    if metric <= SUMS_OVER_COLUMNS:
        tile_distances(metric, p, columns, first, m, q, out)
    else:
        for i in range(m):
            out[i] = reduced(metric, p, rows[first + i], q)


@kernel(
    "F[:, ::1], F[:, ::1], i8[::1], i8[:, ::1], F[:, ::1], f8[::1], i8, f8, f8[:, ::1], i8[::1], f8[:, ::1],"
    " i8[:, ::1], i8[::1], f8[::1], f8[::1]",
    strict=True,
)
def nearest_in_balls(  # type: ignore[no-untyped-def]
    rows, columns, order, spans, centres, radii, metric, p, Q, which, D, I, nodes, gaps, out
):
    """Lists of the nearest rows for the queries `which`, the nearer ball first."""
    last = D.shape[1] - 1
    for j in which:
        q = Q[j]
        nodes[0] = 0
        gaps[0] = 0.0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            v = nodes[waiting]
            if not gaps[waiting] <= D[j, last]:
                continue
            if 2 * v + 2 < spans.shape[0]:
                left = ball_bound(metric, p, centres[2 * v + 1], radii[2 * v + 1], q)
                right = ball_bound(metric, p, centres[2 * v + 2], radii[2 * v + 2], q)
                near = 2 * v + 1 if left <= right else 2 * v + 2
                nodes[waiting] = 4 * v + 3 - near
                gaps[waiting] = max(left, right)
                nodes[waiting + 1] = near
                gaps[waiting + 1] = min(left, right)
                waiting += 2
                continue
            first = spans[v, 0]
            m = spans[v, 1] - first
            leaf_distances(rows, columns, metric, p, first, m, q, out)
            for i in range(m):
                if out[i] <= D[j, last]:
                    insert(D[j], I[j], out[i], order[first + i])


@kernel(
    "F[:, ::1], F[:, ::1], i8[::1], i8[:, ::1], F[:, ::1], f8[::1], i8, f8, f8, f8[:, ::1], i8, i8,"
    " i8[::1], f8[::1], i8[::1], i8[::1], f8[::1]",
    strict=True,
)
def within_balls(  # type: ignore[no-untyped-def]
    rows,
    columns,
    order,
    spans,
    centres,
    radii,
    metric,
    p,
    limit,
    Q,
    start,
    stop,
    nodes,
    out,
    query,
    row,
    distance,
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
            if not ball_bound(metric, p, centres[v], radii[v], Q[j]) <= limit:
                continue
            if 2 * v + 2 < spans.shape[0]:
                nodes[waiting] = 2 * v + 1
                nodes[waiting + 1] = 2 * v + 2
                waiting += 2
                continue
            first = spans[v, 0]
            m = spans[v, 1] - first
            leaf_distances(rows, columns, metric, p, first, m, Q[j], out)
            for i in range(m):
                if out[i] <= limit:
                    if count < query.size:
                        query[count] = j
                        row[count] = order[first + i]
                        distance[count] = out[i]
                    count += 1
    return count


class BallTree:
    """Rows in balls.

    Parameters
    ----------
    X : float ndarray of shape (n_rows, n_features)
        Not kept: the tree holds its rows in its own order.
    metric : Metric
        A true one (`is_true_metric`).
    leaf_size : int, default=30
        Rows of a leaf, at most.
    """

    name = "ball_tree"

    def __init__(
        self, X: npt.NDArray[Any], metric: Metric, leaf_size: int = 30, n_jobs: int | None = None
    ) -> None:
        if not is_true_metric(metric):
            raise ValueError(
                f"a ball tree cannot search by {metric.name!r}, which breaks the triangle inequality: use brute force"
            )
        self.metric = metric
        self.n_rows, self.n_features = X.shape
        self.rows, self.order, self.spans, boxes = build(X, leaf_size, n_jobs)
        by_column = metric.code <= SUMS_OVER_COLUMNS
        self.columns = np.ascontiguousarray(self.rows.T) if by_column else self.rows[:0]
        self.centres = np.empty((len(self.spans), self.n_features), self.rows.dtype)
        self.radii = np.empty(len(self.spans))
        nodes = len(self.spans)
        cut = np.unique(
            np.concatenate([[0, nodes], 2 ** np.arange(nodes.bit_length()) - 1])
        )  # level by level

        def work(level: tuple[int, int]) -> None:
            what = (self.metric.code, self.metric.p, self.centres, self.radii, np.empty(self.n_features))
            make_balls(self.rows, self.spans, boxes, *what, *level)

        parallel(work, list(zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True)), n_jobs)
        self._leaf = int((self.spans[:, 1] - self.spans[:, 0])[nodes // 2 :].max())

    def nearest(self, Q: npt.NDArray[Any], k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        Q = kernel_array(Q, np.float64)
        D, I = empty_lists(len(Q), k)
        which = build(Q, 32, n_jobs)[1] if len(Q) >= SORTED_FROM else np.arange(len(Q))

        def work(queries: Indices) -> None:
            scratch: Any = np.empty(DEEPEST, np.int64), np.empty(DEEPEST), np.empty(self._leaf)
            arguments: Any = (*self._tree, self.metric.code, self.metric.p, Q, queries, D, I, *scratch)
            nearest_in_balls(*arguments)

        step = max(1, min(PIECE, len(Q) // thread_count(n_jobs)))
        parallel(work, [which[s : s + step] for s in range(0, len(Q), step)], n_jobs)
        return self.metric.finish(D), I

    def within(self, Q: npt.NDArray[Any], radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        Q = kernel_array(Q, np.float64)
        what: Any = (*self._tree, self.metric.code, self.metric.p, self.metric.reduce(radius), Q)

        def work(start: int) -> tuple[Indices, Indices, Floats]:
            stop, room = min(start + PIECE, len(Q)), 16 * PIECE
            scratch: Any = np.empty(DEEPEST, np.int64), np.empty(self._leaf)
            while True:
                query, row, distance = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
                arguments: Any = (*what, start, stop, *scratch, query, row, distance)
                count = within_balls(*arguments)
                if count <= room:
                    return query[:count].copy(), row[:count].copy(), distance[:count].copy()
                room = count

        found = Found.gather(len(Q), parallel(work, range(0, len(Q), PIECE), n_jobs))
        self.metric.finish(found.distances)
        return found

    @property
    def _tree(self) -> Any:
        return self.rows, self.columns, self.order, self.spans, self.centres, self.radii
