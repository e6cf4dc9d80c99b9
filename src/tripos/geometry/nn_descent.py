"""Neighbours of many rows, nearly all of them right: a graph that improves itself.

    a neighbour of a neighbour is likely a neighbour

(W. Dong, M. Charikar, K. Li (2011), doi:10.1145/1963405.1963487). A few trees of random halfspaces (S. Dasgupta,
Y. Freund (2008), doi:10.1145/1374376.1374452) give each row a first list: the rows of its leaf. Then each row looks at
the lists of those in its own list, and of those that have it in theirs, until little changes. A new query is led to a
leaf and walks the graph from there, always from the nearest row not yet left.

Every row writes its own list only, and reads what the others had before the round: the same graph comes out for any
number of threads. Distances that are reported are measured again in float64; which rows they are to may be wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel
from tripos.geometry.brute import BruteForce
from tripos.geometry.distances import (
    COSINE,
    SQEUCLIDEAN,
    Floats,
    Found,
    Indices,
    Metric,
    empty_lists,
    insert,
    reduced,
)
from tripos.geometry.near_graph import NearGraph

TREES, LEAF = 8, 48
WAYS = 3  # trees that lead a query into the graph
LEAST = 20  # neighbours in each list of the graph
SPARE = 5  # more of them than are asked for
ROUNDS, ENOUGH = 12, 0.001  # rounds at most; the share of the lists that changes in the last one
BEAM = 64  # rows kept in sight on a walk, at least
ROWS = 1000  # of a piece of work: some 50 ms
DEEPEST = 1024
FEWEST = 2000  # rows below which all are looked at
SEED = 0x9E3779B97F4A7C15


@kernel
def squared(X, a, Y, b):  # type: ignore[no-untyped-def]
    """Squared distance of two rows in float32."""
    total = np.float32(0)
    for t in range(X.shape[1]):
        e = X[a, t] - Y[b, t]
        total += e * e
    return total


@kernel
def side(X, a, b, Y, c):  # type: ignore[no-untyped-def]
    """(x_a - x_b) . (y_c - (x_a + x_b) / 2): positive on the side of a."""
    total = np.float32(0)
    for t in range(X.shape[1]):
        total += (X[a, t] - X[b, t]) * (Y[c, t] - np.float32(0.5) * (X[a, t] + X[b, t]))
    return total


@kernel
def stirred(state):  # type: ignore[no-untyped-def]
    """The next of a row of random 64-bit numbers (xorshift)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@kernel("f4[:, ::1], u8, i8, i4[::1], i4[:, ::1], i8[:, ::1]")
def grow(X, seed, leaf, order, nodes, stack):  # type: ignore[no-untyped-def]
    """A tree of halfspaces between two random rows: inner nodes are (a, b, child, child), leaves (-1, -1, start, stop)
    into `order`; returns the number of nodes."""
    state = stirred(stirred(seed))
    used = 1
    stack[0, 0] = 0
    stack[0, 1] = 0
    stack[0, 2] = order.size
    waiting = 1
    while waiting > 0:
        waiting -= 1
        v, start, stop = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        m = stop - start
        if m <= leaf:
            nodes[v, 0] = -1
            nodes[v, 1] = -1
            nodes[v, 2] = start
            nodes[v, 3] = stop
            continue
        state = stirred(state)
        one = np.int64((state >> np.uint64(20)) % np.uint64(m))
        state = stirred(state)
        two = np.int64((state >> np.uint64(20)) % np.uint64(m))
        two = two if two != one else (one + 1) % m
        a, b = order[start + one], order[start + two]
        low = start
        high = stop - 1
        while low <= high:
            if side(X, a, b, X, order[low]) > 0.0:
                low += 1
            else:
                row = order[low]
                order[low] = order[high]
                order[high] = row
                high -= 1
        if min(low - start, stop - low) * 16 < m:  # doubles, or an outlier: depth has to stay bounded
            low = start + m // 2
        nodes[v, 0] = a
        nodes[v, 1] = b
        nodes[v, 2] = used
        nodes[v, 3] = used + 1
        stack[waiting, 0] = used
        stack[waiting, 1] = start
        stack[waiting, 2] = low
        stack[waiting + 1, 0] = used + 1
        stack[waiting + 1, 1] = low
        stack[waiting + 1, 2] = stop
        waiting += 2
        used += 2
    return used


@kernel
def enter(distances, rows, distance, row):  # type: ignore[no-untyped-def]
    """Put a row into a sorted list unless it is there; returns its place, or -1."""
    last = distances.size - 1
    if not distance < distances[last]:
        return -1
    for s in range(last + 1):
        if rows[s] == row:
            return -1
    s = last
    while s > 0 and distances[s - 1] > distance:
        distances[s] = distances[s - 1]
        rows[s] = rows[s - 1]
        s -= 1
    distances[s] = distance
    rows[s] = row
    return s


@kernel("f4[:, ::1], i4[::1], i4[:, ::1], i8, i8, f4[:, ::1], i4[:, ::1]")
def join_leaves(X, order, nodes, first, last, D, I):  # type: ignore[no-untyped-def]
    """All pairs of each leaf among the nodes first..last."""
    for v in range(first, last):
        if nodes[v, 0] < 0:
            for x in range(nodes[v, 2], nodes[v, 3]):
                for y in range(nodes[v, 2], x):
                    a = order[x]
                    b = order[y]
                    distance = squared(X, a, X, b)
                    enter(D[a], I[a], distance, b)
                    enter(D[b], I[b], distance, a)


@kernel("f4[:, ::1], i4[:, ::1], u1[:, ::1], f4[:, ::1], i4[:, ::1], u1[:, ::1]")
def reverse(D, I, new, R_distances, R, R_new):  # type: ignore[no-untyped-def]
    """Who has a row in its list: the nearest of them, and whether that is new."""
    k = R.shape[1]
    for i in range(I.shape[0]):
        for s in range(k):
            j = I[i, s]
            if j < 0 or not D[i, s] < R_distances[j, k - 1]:
                continue
            c = k - 1
            while c > 0 and R_distances[j, c - 1] > D[i, s]:
                R_distances[j, c] = R_distances[j, c - 1]
                R[j, c] = R[j, c - 1]
                R_new[j, c] = R_new[j, c - 1]
                c -= 1
            R_distances[j, c] = D[i, s]
            R[j, c] = i
            R_new[j, c] = new[i, s]


@kernel(
    "f4[:, ::1], i4[:, ::1], u1[:, ::1], i4[:, ::1], u1[:, ::1], i8, i8, f4[:, ::1], i4[:, ::1], u1[:, ::1], i4[::1]"
)
def improve(X, I0, new0, R, R_new, first, last, D, I, new, seen):  # type: ignore[no-untyped-def]
    """Rows first..last look at the lists of their neighbours, both ways; returns how many entries are new."""
    k = I0.shape[1]
    changed = 0
    for i in range(first, last):
        stamp = i + 1
        seen[i] = stamp
        for s in range(k):
            new[i, s] = 0
            if I0[i, s] >= 0:
                seen[I0[i, s]] = stamp
        for a in range(2 * k):
            via = I0[i, a] if a < k else R[i, a - k]
            if via < 0:
                continue
            fresh = new0[i, a] if a < k else R_new[i, a - k]
            for b in range(-1, 2 * k):
                if b < 0:
                    other = np.int64(via)
                    recent = fresh
                else:
                    other = np.int64(I0[via, b] if b < k else R[via, b - k])
                    recent = new0[via, b] if b < k else R_new[via, b - k]
                if other < 0 or seen[other] == stamp or not (fresh or recent):
                    continue
                seen[other] = stamp
                distance = squared(X, i, X, other)
                if distance < D[i, k - 1]:
                    place = enter(D[i], I[i], distance, np.int32(other))
                    if place >= 0:
                        for s in range(k - 1, place, -1):
                            new[i, s] = new[i, s - 1]
                        new[i, place] = 1
                        changed += 1
    return changed


@kernel(
    "f4[:, ::1], i4[::1], i4[:, ::1], i8[::1], i8[::1], i4[:, ::1], i4[:, ::1], f4[:, ::1], i8, i8, f4[::1], i4[:, ::1],"
    " u1[::1], i4[::1]"
)
def walk(X, order, nodes, roots, starts, I, R, Q, first, last, distances, beams, left, seen):  # type: ignore[no-untyped-def]
    """The rows nearest to each query that a walk over the graph comes by; trees lie one after the other in `nodes` and
    `order`."""
    k = I.shape[1]
    size = distances.size
    for j in range(first, last):
        stamp = j + 1
        beam = beams[j]
        for s in range(size):
            distances[s] = np.inf
            beam[s] = -1
            left[s] = 0
        for tree in range(roots.size):
            v = roots[tree]
            while nodes[v, 0] >= 0:
                v = roots[tree] + nodes[v, 2 if side(X, nodes[v, 0], nodes[v, 1], Q, j) > 0.0 else 3]
            for x in range(starts[tree] + nodes[v, 2], starts[tree] + nodes[v, 3]):
                if seen[order[x]] != stamp:
                    seen[order[x]] = stamp
                    enter(distances, beam, squared(X, order[x], Q, j), order[x])
        at = 0
        while at < size and beam[at] >= 0:
            if left[at]:
                at += 1
                continue
            left[at] = 1
            via = beam[at]
            back = size
            for b in range(2 * k):
                other = I[via, b] if b < k else R[via, b - k]
                if other < 0 or seen[other] == stamp:
                    continue
                seen[other] = stamp
                place = enter(distances, beam, squared(X, other, Q, j), other)
                if place >= 0:
                    for s in range(size - 1, place, -1):
                        left[s] = left[s - 1]
                    left[place] = 0
                    back = min(back, place)
            at = min(at, back)


@kernel("F[:, ::1], f8[:, ::1], i8, i4[:, ::1], f8[:, ::1], i8[:, ::1]", strict=True)
def measure(X, Q, metric, rows, D, I):  # type: ignore[no-untyped-def]
    """The nearest of some rows by their distance in float64; of equals the one with the lower index."""
    for j in range(rows.shape[0]):
        for s in range(rows.shape[1]):
            if rows[j, s] >= 0:
                insert(D[j], I[j], reduced(metric, 2.0, X[rows[j, s]], Q[j]), np.int64(rows[j, s]))


class NNDescent:
    """Rows in a graph of near neighbours. What it finds is approximate.

    Parameters
    ----------
    X : float ndarray of shape (n_rows, n_features)
        Kept, not copied; a copy in float32 is made beside it.
    metric : Metric
        Euclidean, its square, or cosine.
    k : int, default=15
        Neighbours that will be asked for.
    n_jobs : int or None
        Threads; the graph is the same for any number.
    graph : NearGraph, optional
        What was built from these rows before.
    """

    name = "nn_descent"

    def __init__(
        self,
        X: npt.NDArray[Any],
        metric: Metric,
        k: int = 15,
        n_jobs: int | None = None,
        graph: NearGraph | None = None,
    ) -> None:
        if metric.code > SQEUCLIDEAN and metric.code != COSINE:
            raise ValueError(
                f"nn_descent searches by 'euclidean', 'sqeuclidean' and 'cosine', not by {metric.name!r}: use another "
                "algorithm"
            )
        self.X, self.metric = kernel_array(X), metric
        self.n_rows, self.n_features = X.shape
        centre = np.zeros(self.n_features) if metric.code == COSINE else self.X.mean(axis=0, dtype=np.float64)
        spread = float(np.abs(self.X - centre).max()) if metric.code != COSINE else 1.0
        self._centre, self._scale = centre, 1.0 / spread if spread > 0 else 1.0
        self._rows = self._single(self.X)
        width = min(max(LEAST, k + SPARE), self.n_rows - 1)
        self.graph = self._build(width, n_jobs) if graph is None else graph
        self.n_neighbors = self.graph.lists.shape[1]
        self._starts = self.graph.starts()

    def _build(self, width: int, n_jobs: int | None) -> NearGraph:
        D, I, trees = self._first_lists(width, n_jobs)
        self._descend(D, I, n_jobs)
        sizes = np.cumsum([0, *(len(nodes) for _, nodes in trees)])
        order = np.concatenate([order for order, _ in trees])
        nodes = np.ascontiguousarray(np.concatenate([nodes for _, nodes in trees]))
        reverse = self._reversed(D, I, np.zeros(I.shape, np.uint8))[0]
        return NearGraph(I, reverse, order, nodes, sizes[:-1].astype(np.int64))

    def _single(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Rows centred and scaled, or of length one, in float32."""
        if self.metric.code != COSINE:
            return np.ascontiguousarray((X - self._centre) * self._scale, dtype=np.float32)
        lengths = np.linalg.norm(X, axis=1, keepdims=True)
        return np.ascontiguousarray(X / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)

    def _first_lists(
        self, width: int, n_jobs: int | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], list[Any]]:
        """Lists of the rows in the same leaf, and as many trees as a query takes."""
        n = self.n_rows

        def plant(tree: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
            order, nodes = np.arange(n, dtype=np.int32), np.empty((2 * n + 1, 4), np.int32)
            seed = np.uint64((SEED * (tree + 1)) & 0xFFFFFFFFFFFFFFFF)
            used = grow(self._rows, seed, LEAF, order, nodes, np.empty((DEEPEST, 3), np.int64))
            return order, nodes[:used].copy()

        trees = parallel(plant, range(TREES), n_jobs)
        D = np.full((n, width), np.inf, np.float32)
        I = np.full((n, width), -1, np.int32)
        for order, nodes in trees:
            cut = np.linspace(0, len(nodes), max(1, n // (4 * ROWS)) + 1).astype(int)
            pieces = list(zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True))
            parallel(lambda piece: join_leaves(self._rows, order, nodes, *piece, D, I), pieces, n_jobs)  # noqa: B023
        return D, I, trees[:WAYS]

    def _reversed(self, D: Any, I: Any, new: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        R, R_new = np.full(I.shape, -1, np.int32), np.zeros(I.shape, np.uint8)
        reverse(D, I, new, np.full(I.shape, np.inf, np.float32), R, R_new)
        return R, R_new

    def _descend(self, D: Any, I: Any, n_jobs: int | None) -> int:
        """Rounds of improvement until little changes; returns their number."""
        n, new = self.n_rows, (I >= 0).astype(np.uint8)
        for done in range(1, ROUNDS + 1):
            R, R_new = self._reversed(D, I, new)
            I0, new0 = I.copy(), new.copy()

            def work(first: int) -> int:
                last, seen = min(first + ROWS, n), np.zeros(n, np.int32)
                what: Any = (self._rows, I0, new0, R, R_new, first, last, D, I, new, seen)  # noqa: B023
                return int(improve(*what))

            if sum(parallel(work, range(0, n, ROWS), n_jobs)) <= ENOUGH * I.size:
                return done
        return ROUNDS

    # ---- search --------------------------------------------------------------------------------

    def nearest(self, Q: npt.NDArray[Any], k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of k near rows of each query, both of shape (n_queries, k); for the rows themselves
        from the graph, each its own nearest."""
        own = Q is self.X and k <= self.n_neighbors + 1
        queries = kernel_array(Q, np.float64)
        if 8 * k > self.n_rows:
            return BruteForce(self.X, self.metric).nearest(queries, k, n_jobs)
        D, I = empty_lists(len(queries), k)
        if own:
            beams = np.column_stack([np.arange(self.n_rows, dtype=np.int32), self.graph.lists])
        else:
            beams = np.empty((len(queries), max(BEAM, 2 * k)), np.int32)
        single = None if own else self._single(queries)

        def work(first: int) -> None:
            last = min(first + ROWS, len(queries))
            if single is not None:
                self._walk(single, first, last, beams)
            part = slice(first, last)
            measure(self.X, queries[part], self.metric.code, beams[part], D[part], I[part])

        parallel(work, range(0, len(queries), ROWS), n_jobs)
        return self.metric.finish(D), I

    def _walk(self, Q: npt.NDArray[np.float32], first: int, last: int, beams: npt.NDArray[np.int32]) -> None:
        size = beams.shape[1]
        graph: Any = (
            self._rows,
            self.graph.order,
            self.graph.nodes,
            self.graph.roots,
            self._starts,
            self.graph.lists,
            self.graph.reverse,
        )
        scratch: Any = (
            np.empty(size, np.float32),
            beams,
            np.empty(size, np.uint8),
            np.zeros(self.n_rows, np.int32),
        )
        arguments: Any = (*graph, Q, first, last, *scratch)
        walk(*arguments)

    def within(self, Q: npt.NDArray[Any], radius: float, n_jobs: int | None = None) -> Found:
        """All rows within a radius, exactly: by looking at all of them."""
        return BruteForce(self.X, self.metric).within(Q, radius, n_jobs)
