"""How C4.5 grows: the test of each node is that with the best gain ratio among those that gain at least the average.

    gain(A) = (known / all) (H(C) - sum_v (n_v / n) H(C | A = v)),    ratio = gain(A) / split info(A)

Columns of numbers are sorted once; a branch keeps the order, so a node costs a pass over its rows for each column.

References
----------
Quinlan, "C4.5: programs for machine learning" (1993), chapters 2 and 3.
Quinlan, "Improved use of continuous attributes in C4.5", JAIR 4 (1996) 77-90. doi:10.1613/jair.279
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.multiway import TINY, Branching

GAIN, INFO, LOW, HIGH = range(4)  # of what a test says: the cut lies between two values


@kernel(strict=True)
def xlog2x(v):  # type: ignore[no-untyped-def]
    return v * math.log2(v) if v > 0.0 else 0.0


@kernel("f8[::1], i4[::1], i8[::1], f8[::1], f8[:, ::1], f8, f8, b1, f8[::1]", strict=True)
def threshold_test(x, order, y, w, table, total, floor, mdl, said):  # type: ignore[no-untyped-def]
    """The cut with the largest gain of a column's rows in order, missing ones last; said[GAIN] is -1 without one."""
    K = table.shape[1]
    said[GAIN] = -1.0
    for k in range(K):
        table[0, k], table[1, k] = 0.0, 0.0
    size, m = 0.0, 0
    while m < order.size and x[order[m]] == x[order[m]]:
        table[1, y[order[m]]] += w[order[m]]
        size += w[order[m]]
        m += 1
    whole = xlog2x(size)
    for k in range(K):
        whole -= xlog2x(table[1, k])
    least = min(max(0.1 * size / K, floor), max(25.0, floor))
    best, at, left, left_at, tries = np.inf, -1, 0.0, 0.0, 0
    for i in range(m - 1):
        r = order[i]
        table[0, y[r]] += w[r]
        table[1, y[r]] -= w[r]
        left += w[r]
        if x[order[i + 1]] == x[r] or left < least - 1e-9 or size - left < least - 1e-9:
            continue
        tries += 1
        within = xlog2x(left) + xlog2x(size - left)
        for k in range(K):
            within -= xlog2x(table[0, k]) + xlog2x(table[1, k])
        if within < best:
            best, at, left_at = within, i, left
    if at < 0:
        return
    said[GAIN] = (whole - best - (math.log2(tries) if mdl else 0.0)) / total
    gaps = max(total - size, 0.0)
    parts = xlog2x(left_at) + xlog2x(size - left_at) + xlog2x(gaps)
    said[INFO] = (xlog2x(size + gaps) - parts) / total
    said[LOW], said[HIGH] = x[order[at]], x[order[at + 1]]


@kernel("f8[::1], i8[::1], i8[::1], f8[::1], f8[:, ::1], f8, f8, f8[::1]", strict=True)
def levels_test(x, rows, y, w, table, total, floor, said):  # type: ignore[no-untyped-def]
    """The gain of a branch for each code; table has a row a code, and one for all of them."""
    L, K = table.shape[0] - 1, table.shape[1]
    said[GAIN] = -1.0
    for v in range(L + 1):
        for k in range(K):
            table[v, k] = 0.0
    for i in range(rows.size):
        r = rows[i]
        if x[r] == x[r]:
            table[np.int64(x[r]), y[r]] += w[r]
            table[L, y[r]] += w[r]
    size, within, parts, large = 0.0, 0.0, 0.0, 0
    for v in range(L):
        n = 0.0
        for k in range(K):
            n += table[v, k]
            within -= xlog2x(table[v, k])
        size += n
        within += xlog2x(n)
        parts += xlog2x(n)
        large += n >= floor - 1e-9
    if large < 2:
        return
    gain = xlog2x(size) - within
    for k in range(K):
        gain -= xlog2x(table[L, k])
    gaps = max(total - size, 0.0)
    said[GAIN] = gain / total
    said[INFO] = (xlog2x(size + gaps) - parts - xlog2x(gaps)) / total


class Grower:
    """Grows a tree on X (n_rows, n_features); columns that `native` marks are codes of levels."""

    def __init__(
        self, X: np.ndarray, y: np.ndarray, native: np.ndarray, n_classes: int, least: float, mdl: bool
    ) -> None:
        self.columns, self.y, self.native = np.ascontiguousarray(X.T), y, native
        self.K, self.least, self.mdl = n_classes, least, mdl
        codes = np.where(np.isnan(X), -1.0, X).max(axis=0) + 1
        self.levels = np.where(native, codes, 0).astype(np.int64)
        self.tables = [np.empty((max(L, 1) + 1, n_classes)) for L in self.levels.tolist()]
        self.values: dict[int, np.ndarray] = {}  # known cells of columns of numbers, sorted
        self.w = np.empty(len(y))  # weights of the rows of the node at hand
        self.said = np.empty((X.shape[1], 4))

    def grow(self, w: np.ndarray, most_depth: float) -> Branching:
        """The tree before pruning; a test that errs no less than a leaf in its place has gone."""
        counts = np.bincount(self.y, w, self.K)
        root = Branching(counts, counts / counts.sum())
        orders = {}
        for j in np.flatnonzero(~self.native).tolist():
            order = np.argsort(self.columns[j], kind="stable")
            self.values[j] = self.columns[j][order[: int((~np.isnan(self.columns[j])).sum())]]
            orders[j] = order.astype(np.int32)
        stack = [(root, np.arange(len(w)), w, orders, 0, frozenset[int]())]
        tests = []
        inside = np.zeros(len(w), dtype=bool)
        while stack:
            node, rows, weights, orders, depth, used = stack.pop()
            if node.errors < TINY or node.weight < 2 * self.least - TINY or depth >= most_depth:
                continue
            best = self._best(rows, weights, orders, used)
            if best is None:
                continue
            tests.append(node)
            node.feature, node.threshold = best
            is_level = math.isnan(node.threshold)
            k = int(self.levels[node.feature]) if is_level else 2
            node.children = [Branching(np.zeros(self.K), node.shares) for _ in range(k)]
            below = used | {node.feature} if is_level else used
            parts = node.parts(self.columns[node.feature][rows], weights)
            for child, (at, part) in zip(node.children, parts, strict=True):
                if not len(at):
                    continue
                mine = rows[at]
                child.counts = np.bincount(self.y[mine], part, self.K)
                child.shares = child.counts / child.counts.sum()
                if child.errors < TINY:
                    continue
                inside[mine] = True
                kept = {j: order[inside[order]] for j, order in orders.items()}
                inside[mine] = False
                stack.append((child, mine, part, kept, depth + 1, below))
        self._collapse(tests)
        return root

    def _collapse(self, tests: list[Branching]) -> None:
        """Makes leaves of tests that err no less than a leaf would; `tests` has parents before children."""
        errors: dict[int, float] = {}
        for node in reversed(tests):
            total = sum(errors.get(id(child), child.errors) for child in node.children)
            if total >= node.errors - TINY:
                node.become_leaf()
            else:
                errors[id(node)] = total

    def _best(
        self, rows: np.ndarray, w: np.ndarray, orders: dict[int, np.ndarray], used: frozenset[int]
    ) -> tuple[int, float] | None:
        """Column and threshold (NaN for levels) of the test with the best gain ratio."""
        total, y, said = float(w.sum()), self.y, self.said
        self.w[rows] = w
        tests = []
        for j, x in enumerate(self.columns):
            if j in used:
                continue
            if self.native[j]:
                levels_test(x, rows, y, self.w, self.tables[j], total, self.least, said[j])
            else:
                threshold_test(x, orders[j], y, self.w, self.tables[j], total, self.least, self.mdl, said[j])
            if said[j, GAIN] > TINY:
                tests.append(j)
        if not tests:
            return None
        many = [bool(self.native[j]) and self.levels[j] >= 0.3 * len(y) for j in tests]
        averaged = [said[j, GAIN] for j, skip in zip(tests, many, strict=True) if all(many) or not skip]
        average = sum(averaged) / len(averaged)
        best, ratio = -1, 0.0
        for j in tests:
            gain, info = said[j, GAIN], said[j, INFO]
            if gain >= average - 1e-3 and info > TINY and gain / info > ratio + TINY:
                best, ratio = j, gain / info
        if best < 0:
            return None
        return best, math.nan if self.native[best] else self._threshold(best, *said[best, LOW:])

    def _threshold(self, j: int, low: float, high: float) -> float:
        """The largest value that occurs in training up to the middle of two."""
        values = self.values[j]
        return float(values[np.searchsorted(values, 0.5 * (low + high), side="right") - 1])
