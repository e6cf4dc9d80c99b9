"""Exact Shapley values of trees: each column's share in what a row's score is above the average score.

    phi_i(x) = sum over S in F without i of |S|! (d - |S| - 1)! / d!  (g(S + i) - g(S)),    sum_i phi_i = f(x) - E f

g(S) is the mean of the tree when only the columns in S are known to be x's. For one leaf with value v, whose path
asks d columns, g(S) = v prod_(i in S) o_i prod_(i not in S) z_i: o_i says whether x passes all questions about
column i, z_i is the share of training rows that does (or whether a background row does). The sum over all S is
an integral over [0, 1] of a polynomial of degree d - 1,

    phi_i = v (o_i - z_i) integral of prod_(j != i) (t o_j + (1 - t) z_j) dt,

which Gauss-Legendre quadrature with ceil(d / 2) points gives exactly, all its weights being positive. A walk over
the tree keeps the product P at each point t; on the way back the sums S of w_t v P below each edge are what the
edge's column gets, times (o - z) / (t o + (1 - t) z). Where a column is asked again further down, the new factor
takes the place of the old one. A tree of L leaves so costs O(L d) a row instead of O(L d^2), and the inner loops run
over 32 rows at once, without a branch or a division.

References
----------
S. M. Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature
Machine Intelligence 2 (2020), doi:10.1038/s42256-019-0138-9. P. Yu, A. Bifet, J. Read, C. Xu, "Linear TreeShap",
NeurIPS 2022, arXiv:2209.08192, has the linear walk, with polynomials where this has points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.walk import goes_left, leaves, parents, splits

U = np.uint64
ROWS = 32  # that walk together
WORK = 4e7  # node x point x row steps of one call, some 0.05 s


@kernel("i8[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i8[::1]")
def plan_walk(starts, features, left, right, events, parent, depth, previous, widths):  # type: ignore[no-untyped-def]
    """The order of a walk: +i enters node i, -i - 1 leaves it. Fills what is fixed about each node.

    previous[i] is the node of the nearest edge above that asks the column of i's edge, or -1; widths[t] is how
    many different columns a path of tree t asks at most.
    """
    k = 0
    for t in range(starts.size - 1):
        i = starts[t]
        parent[i], depth[i], previous[i], widths[t] = -1, 0, -1, 0
        asked = 0  # columns on the current path
        entering = True
        while i >= 0:
            if entering:
                events[k] = i
                k += 1
                if features[i] >= 0:
                    c = np.int64(left[i])
                    parent[c], depth[c] = i, depth[i] + 1
                    previous[c] = asked_above(i, features[i], features, parent)
                    asked += previous[c] < 0
                    widths[t] = max(widths[t], asked)
                    i = c
                    continue
            events[k] = -i - 1
            k += 1
            p = np.int64(parent[i])
            entering = False
            if p < 0:
                break
            if left[p] == i:
                c = np.int64(right[p])
                parent[c], depth[c], previous[c] = p, depth[p] + 1, previous[i]
                i = c
                entering = True
            else:
                asked -= previous[i] < 0
                i = p
    return k


@kernel
def asked_above(i, feature, features, parent):  # type: ignore[no-untyped-def]
    """The node below the nearest edge above node i that asks `feature`, or -1."""
    while parent[i] >= 0:
        if features[parent[i]] == feature:
            return np.int32(i)
        i = np.int64(parent[i])
    return np.int32(-1)


# What follows runs for every edge and point. It takes flat arrays with offsets: a slice costs two atomic counts of
# references, which took more time than the 32 rows.


@kernel
def factors(o, here, before, z, zp, t, r):  # type: ignore[no-untyped-def]
    """What an edge multiplies P by at the point t, for each row: its factor, in place of the one it follows."""
    u = 1.0 - t
    if zp < 0.0:  # the column's first edge
        r0 = u * z
        for i in range(U(ROWS)):
            r[i] = r0 + o[here + i] * t
    else:
        divisor = 1.0 / (t + u * zp)
        r0, r00 = u * z * divisor, (z / zp if zp > 0.0 else 0.0)
        step, jump = t * divisor, r0 - r00
        for i in range(U(ROWS)):
            r[i] = r00 + o[before + i] * jump + o[here + i] * step


@kernel
def multiply(P, above, r, here):  # type: ignore[no-untyped-def]
    for i in range(U(ROWS)):
        P[here + i] = P[above + i] * r[i]


@kernel
def share_out(S, below, above, o, here, before, z, zp, t, phi, column):  # type: ignore[no-untyped-def]
    """Adds to phi what the sums below an edge give its column at the point t, and the sums to those above."""
    a0 = -1.0 / (1.0 - t)
    a1 = (1.0 - z) / (t + (1.0 - t) * z) - a0
    if zp < 0.0:
        for i in range(U(ROWS)):
            phi[column + i] += S[below + i] * (a0 + o[here + i] * a1)
    else:
        a0 -= (1.0 - zp) / (t + (1.0 - t) * zp)
        for i in range(U(ROWS)):
            phi[column + i] += S[below + i] * (o[before + i] * a0 + o[here + i] * a1)
    for i in range(U(ROWS)):
        S[above + i] += S[below + i]


@kernel
def decide(x, start, i, thresholds, missing_left, levels, level_bits, out, to):  # type: ignore[no-untyped-def]
    """out[to + r] = 1 where cell x[start + r] goes left at node i, else 0."""
    if levels[i] < 0:
        t, m = thresholds[i], np.float64(missing_left[i])
        for r in range(U(ROWS)):
            side = 1.0 if x[start + r] <= t else 0.0
            out[to + r] = m if x[start + r] != x[start + r] else side
    else:
        for r in range(U(ROWS)):
            left = goes_left(x[start + r], i, thresholds, missing_left, levels, level_bits)
            out[to + r] = 1.0 if left else 0.0


@kernel
def on_side(left_of, above, is_left, first, o, here, before):  # type: ignore[no-untyped-def]
    """Whether rows pass an edge and, unless it is its column's first, the edge of that column above it."""
    sign, shift = (1.0, 0.0) if is_left else (-1.0, 1.0)
    if first:
        for i in range(U(ROWS)):
            o[here + i] = shift + sign * left_of[above + i]
    else:
        for i in range(U(ROWS)):
            o[here + i] = (shift + sign * left_of[above + i]) * o[before + i]


SPLITS = "i4[::1], f8[::1], i4[::1], b1[::1], i4[::1], u8[:, ::1]"
PLAN = "i8[::1], i4[::1], i4[::1], i4[::1], i4[::1], i8[::1], f8[:, ::1], f8[:, ::1]"


@kernel(f"f8[:, ::1], {SPLITS}, {PLAN}, f8[::1], f8[::1], i8, i8, i8, i8, i8, i8, f8[:, :, ::1]")
def shap_rows(  # type: ignore[no-untyped-def]
    Z, features, thresholds, left, missing_left, levels, level_bits,
    event_starts, events, parent, depth, previous, n_points, points, point_weights,
    z, v, first, last, start, end, k, deepest, out
):  # fmt: skip
    """Adds the trees first <= t < last, with leaf values v and shares z, to out[start:end, :, k]; k < 0: k = t mod K."""
    p = Z.shape[1]
    most = points.shape[1]
    K = out.shape[2] if k < 0 else 1
    R, level = U(ROWS), U(ROWS * most)  # entries of a row block, and of a depth
    x, phi = np.empty(p * ROWS), np.empty(K * p * ROWS)
    P, S = np.empty((deepest + 1) * most * ROWS), np.empty((deepest + 1) * most * ROWS)
    left_of, o, r = np.empty((deepest + 1) * ROWS), np.empty((deepest + 1) * ROWS), np.empty(ROWS)
    for s in range(start, end, ROWS):
        m = min(ROWS, end - s)
        for j in range(p):
            for i in range(ROWS):
                x[j * ROWS + i] = Z[s + min(i, m - 1), j]
        for j in range(phi.size):
            phi[j] = 0.0
        for t in range(first, last):
            output = p * (t % K)
            Q = n_points[t]
            for i in range(U(Q) * R):
                P[i] = 1.0
            for e in range(event_starts[t], event_starts[t + 1]):
                going_down = events[e] >= 0
                c = np.int64(events[e] if going_down else -events[e] - 1)
                d, is_leaf = np.int64(depth[c]), features[c] < 0
                if d > 0:
                    above, before = np.int64(parent[c]), np.int64(previous[c])
                    zp = z[before] if before >= 0 else -1.0
                    passed = U(depth[before] if before >= 0 else 0) * R
                    here, over = U(d) * R, U(d - 1) * R
                    column = U(output + features[above]) * R
                if going_down:
                    if d > 0:
                        on_side(left_of, over, left[above] == c, before < 0, o, here, passed)
                        for q in range(Q):
                            factors(o, here, passed, z[c], zp, points[Q, q], r)
                            multiply(P, U(d - 1) * level + U(q) * R, r, U(d) * level + U(q) * R)
                    if not is_leaf:
                        row = U(features[c]) * R
                        decide(x, row, c, thresholds, missing_left, levels, level_bits, left_of, U(d) * R)
                    for q in range(Q):
                        scale = v[c] * point_weights[Q, q] if is_leaf else 0.0
                        place = U(d) * level + U(q) * R
                        for i in range(R):
                            S[place + i] = P[place + i] * scale
                elif d > 0:
                    for q in range(Q):
                        place, up = U(d) * level + U(q) * R, U(d - 1) * level + U(q) * R
                        share_out(S, place, up, o, here, passed, z[c], zp, points[Q, q], phi, column)
        for i in range(m):
            for j in range(p):
                for o_k in range(K):
                    out[s + i, j, max(k, 0) + o_k] += phi[(o_k * p + j) * ROWS + i]


@kernel(f"f8[:, ::1], {SPLITS}, {PLAN}, f8[::1], f8[::1], i8, i8, i8, i8, i8, i8, f8[:, :, :, ::1]")
def interaction_rows(  # type: ignore[no-untyped-def]
    Z, features, thresholds, left, missing_left, levels, level_bits,
    event_starts, events, parent, depth, previous, n_points, points, point_weights,
    z, v, first, last, start, end, k, deepest, out
):  # fmt: skip
    """Adds half of what each pair of columns gets together to out[start:end, :, :, k], upper triangle."""
    p = Z.shape[1]
    most = points.shape[1]
    R, level = U(ROWS), U(ROWS * most)
    x = np.empty(p * ROWS)
    P, A = np.empty((deepest + 1) * most * ROWS), np.empty((deepest + 1) * most * ROWS)
    left_of, o, r = np.empty((deepest + 1) * ROWS), np.empty((deepest + 1) * ROWS), np.empty(ROWS)
    column, live = np.empty(deepest + 1, np.int64), np.empty(deepest + 1, np.bool_)
    on_path = np.empty(deepest + 1, np.int64)
    T, total = np.empty(most * ROWS), np.empty(ROWS)
    for s in range(start, end, ROWS):
        m = min(ROWS, end - s)
        for j in range(p):
            for i in range(ROWS):
                x[j * ROWS + i] = Z[s + min(i, m - 1), j]
        for t in range(first, last):
            Q = n_points[t]
            for i in range(U(Q) * R):
                P[i] = 1.0
            for e in range(event_starts[t], event_starts[t + 1]):
                if events[e] < 0:
                    continue
                c = np.int64(events[e])
                d = np.int64(depth[c])
                if d > 0:
                    above, before = np.int64(parent[c]), np.int64(previous[c])
                    zp = z[before] if before >= 0 else -1.0
                    passed = U(depth[before] if before >= 0 else 0) * R
                    here, over = U(d) * R, U(d - 1) * R
                    on_side(left_of, over, left[above] == c, before < 0, o, here, passed)
                    on_path[d], column[d] = c, features[above]
                    for q in range(Q):
                        place, at = U(d) * level + U(q) * R, points[Q, q]
                        factors(o, here, passed, z[c], zp, at, r)
                        multiply(P, U(d - 1) * level + U(q) * R, r, place)
                        a0 = -1.0 / (1.0 - at)
                        a1 = (1.0 - z[c]) / (at + (1.0 - at) * z[c]) - a0
                        for i in range(R):
                            A[place + i] = a0 + o[here + i] * a1
                if features[c] >= 0:
                    row = U(features[c]) * R
                    decide(x, row, c, thresholds, missing_left, levels, level_bits, left_of, U(d) * R)
                    continue
                for a in range(1, d + 1):
                    live[a] = True
                    if previous[on_path[a]] >= 0:
                        live[depth[previous[on_path[a]]]] = False
                for a in range(1, d + 1):
                    if not live[a]:
                        continue
                    for q in range(Q):
                        scale = 0.5 * v[c] * point_weights[Q, q]
                        one, leaf = U(a) * level + U(q) * R, U(d) * level + U(q) * R
                        for i in range(R):
                            T[U(q) * R + i] = P[leaf + i] * A[one + i] * scale
                    for b in range(a + 1, d + 1):
                        if not live[b]:
                            continue
                        for i in range(R):
                            total[i] = 0.0
                        for q in range(Q):
                            other = U(b) * level + U(q) * R
                            for i in range(R):
                                total[i] += T[U(q) * R + i] * A[other + i]
                        low, high = min(column[a], column[b]), max(column[a], column[b])
                        for i in range(m):
                            out[s + i, low, high, k if k >= 0 else t % out.shape[3]] += total[i]


@dataclass(frozen=True, eq=False)
class Explainer:
    """Trees made ready for Shapley values.

    Attributes
    ----------
    nodes : Nodes
    values : float64 ndarray of shape (n_values, n_nodes)
    n_outputs : int
    """

    nodes: Nodes
    values: np.ndarray
    n_outputs: int
    _plan: tuple[np.ndarray, ...]
    _deepest: int
    _steps: np.ndarray

    @classmethod
    def of(cls, nodes: Nodes) -> Explainer:
        """Walks over the trees once to plan the walks to come."""
        starts, features, _, left, right, *_ = splits(nodes)
        n = len(features)
        if n == 0:
            starts = np.zeros(1, np.int64)
        parent, depth, previous = (np.empty(n, np.int32) for _ in range(3))
        events, widths = np.empty(2 * n, np.int32), np.zeros(max(nodes.n_trees, 0), np.int64)
        plan_walk(starts, features, left, right, events, parent, depth, previous, widths)
        n_points = np.maximum((widths + 1) // 2, 1)
        most = int(n_points.max(initial=1))
        points, weights = np.full((most + 1, most), 0.5), np.zeros((most + 1, most))
        for Q in np.unique(n_points):
            at, w = np.polynomial.legendre.leggauss(int(Q))
            points[Q, :Q], weights[Q, :Q] = (at + 1) / 2, w / 2
        single = nodes.values.shape[1] == 1
        values = np.ascontiguousarray(nodes.values.T)
        plan = (2 * starts, events, parent, depth, previous, n_points, points, weights)
        steps = 4.0 * np.diff(starts) * n_points
        return cls(
            nodes,
            values,
            nodes.n_outputs if single else nodes.values.shape[1],
            plan,
            int(depth.max(initial=0)),
            steps,
        )

    # ---- shares ----------------------------------------------------------------------------------

    def shares(self) -> np.ndarray:
        """z of each node's edge: the share of its parent's weight, over all edges of its column above."""
        w, up = self.nodes.weights, parents(self.nodes)
        total = np.where(up >= 0, w[np.maximum(up, 0)], 1.0)
        ratio = np.where(total > 0, w / np.where(total > 0, total, 1.0), 0.5)
        return self._along_paths(ratio)

    def _along_paths(self, ratio: np.ndarray) -> np.ndarray:
        previous, depth = self._plan[4], self._plan[3]
        z = ratio.astype(np.float64)
        for d in range(2, self._deepest + 1):  # edges above come first
            here = np.flatnonzero((depth == d) & (previous >= 0))
            z[here] *= z[previous[here]]
        return z

    def shares_of_row(self, passed: np.ndarray) -> np.ndarray:
        """z where one background row stands for all: 1 on the edges it takes. `passed` marks left-goers."""
        up = parents(self.nodes)
        above = np.maximum(up, 0)
        is_left = self.nodes.left[above] == np.arange(len(up))
        return self._along_paths(np.where(up < 0, 1.0, passed[above] == is_left))

    def expected(self) -> np.ndarray:
        """The mean of the trees by training weight, shape (n_outputs,)."""
        means = np.zeros(self.n_outputs)
        reach = self._reach()
        leaf = self.nodes.is_leaf
        trees = np.repeat(np.arange(self.nodes.n_trees), np.diff(self.nodes.starts))
        for k, v in enumerate(self.values):
            by_tree = np.bincount(trees[leaf], (reach * v)[leaf], self.nodes.n_trees)
            if len(self.values) == 1:
                means += np.bincount(np.arange(len(by_tree)) % self.n_outputs, by_tree, self.n_outputs)
            else:
                means[k] = by_tree.sum()
        return means

    def _reach(self) -> np.ndarray:
        """The share of rows that reach each node, by the same ratios that `shares` takes."""
        w, up, depth = self.nodes.weights, parents(self.nodes), self._plan[3]
        total = np.where(up >= 0, w[np.maximum(up, 0)], 1.0)
        reach = np.where(total > 0, w / np.where(total > 0, total, 1.0), 0.5)
        reach[up < 0] = 1.0
        for d in range(1, self._deepest + 1):
            here = np.flatnonzero(depth == d)
            reach[here] *= reach[up[here]]
        return reach

    # ---- values ----------------------------------------------------------------------------------

    def shap(self, X: np.ndarray, z: np.ndarray | None = None) -> np.ndarray:
        """Shapley values, float64 of shape (n_rows, n_columns, n_outputs)."""
        n, p = X.shape
        require(
            8 * n * p * self.n_outputs,
            what=f"SHAP values of {n:,} rows, {p:,} columns, {self.n_outputs} outputs",
        )
        out = np.zeros((n, p, self.n_outputs))
        self._run(shap_rows, X, self.shares() if z is None else z, out, 1.0)
        return out

    def interactions(self, X: np.ndarray) -> np.ndarray:
        """Shapley interaction values, symmetric; rows sum to `shap`. Shape (n_rows, n_columns, n_columns, n_outputs)."""
        n, p = X.shape
        K = self.n_outputs
        require(
            8 * n * p * p * K,
            what=f"SHAP interactions of {n:,} rows and {p:,} columns; pass fewer rows at a time",
        )
        out = np.zeros((n, p, p, K))
        self._run(interaction_rows, X, self.shares(), out, 4.0)
        out += out.transpose(0, 2, 1, 3).copy()
        j = np.arange(p)
        out[:, j, j] = self.shap(X) - out.sum(axis=2)
        return out

    def against(self, X: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shapley values where unknown columns are those of background rows (n_background, n_columns), and their mean score."""
        Z = self.nodes.cells(background)
        total: np.ndarray | None = None
        at = leaves(self.nodes, background)
        for row in Z:
            values = self.shap(X, self.shares_of_row(self._sides(row)))
            total = values if total is None else total + values
        assert total is not None
        base = np.zeros(self.n_outputs)
        for t in range(self.nodes.n_trees):
            if len(self.values) > 1:
                base += self.values[:, at[:, t]].mean(axis=1)
            else:
                base[t % self.n_outputs] += self.values[0, at[:, t]].mean()
        return total / len(Z), base

    def _sides(self, row: np.ndarray) -> np.ndarray:
        """Whether a row goes left at each node."""
        nodes = self.nodes
        x = row[np.maximum(nodes.features, 0)]
        left = np.where(
            np.isnan(x),
            nodes.missing_left,
            x <= np.where(np.isnan(nodes.thresholds), np.inf, nodes.thresholds),
        )
        by_levels = np.flatnonzero((nodes.levels >= 0) & ~np.isnan(x))
        for i in by_levels:
            c = x[i]
            inside = 0 <= c < 64 * nodes.level_bits.shape[1]
            word = nodes.level_bits[nodes.levels[i], int(c) // 64] if inside else np.uint64(0)
            left[i] = bool(int(word) >> (int(c) % 64) & 1) if inside else nodes.missing_left[i]
        return np.asarray(left)

    def _run(self, rows_kernel: object, X: np.ndarray, z: np.ndarray, out: np.ndarray, cost: float) -> None:
        """Calls the kernel over pieces of rows and of trees, each some hundredths of a second."""
        Z = self.nodes.cells(X)
        _, features, thresholds, left, _, missing_left, levels, bits = splits(self.nodes)
        arrays = (Z, features, thresholds, left, missing_left, levels, bits, *self._plan, z)
        n, T = len(Z), self.nodes.n_trees
        outputs = [-1] if len(self.values) == 1 else list(range(self.n_outputs))
        total = cost * max(float(self._steps.sum()), 1.0)
        n_pieces = max(int(np.ceil(total * ROWS / WORK)), 1)
        size = max(int(WORK / total) // ROWS, 1) * ROWS
        stop = np.searchsorted(np.cumsum(self._steps), np.linspace(0, self._steps.sum(), n_pieces + 1)[1:-1])
        cuts = [0, *sorted(set(stop.tolist()) - {0, T}), T]

        def piece(start: int) -> None:
            end = min(start + size, n)
            for first, last in zip(cuts, cuts[1:]):
                for v, k in zip(self.values, outputs):
                    rows_kernel(*arrays, v, first, last, start, end, k, self._deepest, out)  # type: ignore[operator]

        parallel(piece, range(0, n, size))
