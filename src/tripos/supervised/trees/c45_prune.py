"""C4.5's pruning and the simplification of its rules.

A leaf with E errors among N rows is charged N U_CF(E, N), the upper limit of its errors at confidence CF. The limit is
taken as Quinlan takes it: exact for no errors, N (1 - CF^(1/N)); else the normal approximation with a correction of
one half, and a straight line between none and one.

References
----------
Quinlan, "C4.5: programs for machine learning" (1993), chapters 4 and 5.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from tripos.supervised.trees.multiway import Branching

SLACK = 0.1  # errors by which a simpler tree may be worse


def extra_errors(N: float, E: float, confidence: float) -> float:
    """Errors to be expected beyond the E seen among N rows.

    >>> round(extra_errors(6.0, 0.0, 0.25), 3), round(extra_errors(16.0, 1.0, 0.25), 3)
    (1.238, 1.512)
    """
    if N <= 0.0 or confidence >= 1.0:
        return 0.0
    if E < 1e-6:
        return N * (1.0 - math.exp(math.log(confidence) / N))
    if E < 0.9999:
        none = N * (1.0 - math.exp(math.log(confidence) / N))
        return none + E * (extra_errors(N, 1.0, confidence) - none)
    if E + 0.5 >= N:
        return 0.67 * (N - E)
    z2 = NormalDist().inv_cdf(1.0 - confidence) ** 2
    p = (E + 0.5 + z2 / 2 + math.sqrt(z2 * ((E + 0.5) * (1.0 - (E + 0.5) / N) + z2 / 4))) / (N + z2)
    return N * p - E


class Pruner:
    """Prunes a tree with its training rows."""

    def __init__(self, X: np.ndarray, y: np.ndarray, confidence: float, raising: bool) -> None:
        self.X, self.y, self.confidence, self.raising = X, y, confidence, raising

    def prune(self, root: Branching, w: np.ndarray) -> None:
        """Prunes in place."""
        self._prune(root, np.arange(len(w)), w)

    def _charge(self, node: Branching) -> float:
        return node.errors + extra_errors(node.weight, node.errors, self.confidence)

    def _prune(self, node: Branching, rows: np.ndarray, w: np.ndarray) -> float:
        """Prunes the subtree and returns the errors it is charged with."""
        as_leaf = self._charge(node)
        if not node.children:
            return as_leaf
        parts = node.parts(self.X[rows, node.feature], w)
        as_tree = sum(
            self._prune(child, rows[at], part)
            for child, (at, part) in zip(node.children, parts, strict=True)
            if len(at)
        )
        raised, errors = None, math.inf
        if self.raising:
            largest = max(node.children, key=lambda child: child.weight)
            if largest.children:
                raised = self._again(largest, rows, w, node.shares)
                errors = self._charged(raised)
        if as_leaf <= as_tree + SLACK and as_leaf <= errors + SLACK:
            node.become_leaf()
            return as_leaf
        if raised is not None and errors <= as_tree + SLACK:
            node.become(raised)
            return self._prune(node, rows, w)
        return as_tree

    def _again(self, node: Branching, rows: np.ndarray, w: np.ndarray, above: np.ndarray) -> Branching:
        """A copy of a subtree, with other rows counted in it."""
        counts = np.bincount(self.y[rows], w, len(node.counts)) if len(rows) else np.zeros(len(node.counts))
        total = counts.sum()
        copy = Branching(counts, counts / total if total > 0 else above, node.feature, node.threshold)
        if not node.children or not total > 0:
            copy.become_leaf()
            return copy
        copy.children = node.children
        parts = copy.parts(self.X[rows, node.feature], w)
        pairs = zip(node.children, parts, strict=True)
        copy.children = [self._again(child, rows[at], part, copy.shares) for child, (at, part) in pairs]
        return copy

    def _charged(self, node: Branching) -> float:
        if not node.children:
            return self._charge(node)
        return sum(self._charged(child) for child in node.children)


Condition = tuple[int, str, float]


def holds(X: np.ndarray, condition: Condition) -> np.ndarray:
    """Which rows a condition holds for; none with a missing cell."""
    j, sign, value = condition
    if sign == "=":
        return np.asarray(X[:, j] == value)
    return np.asarray(X[:, j] <= value) if sign == "<=" else np.asarray(X[:, j] > value)


def simplified(
    X: np.ndarray, y: np.ndarray, conditions: tuple[Condition, ...], k: int, confidence: float
) -> tuple[tuple[Condition, ...], float, float, float]:
    """A rule for class k without the conditions it does better without: (conditions, covered, errors, error rate)."""
    kept = list(conditions)
    masks = [holds(X, c) for c in kept]
    right = y == k

    def rate(chosen: list[np.ndarray]) -> tuple[float, float, float]:
        mask = np.logical_and.reduce(chosen) if chosen else np.ones(len(y), bool)
        N = float(mask.sum())
        E = N - float((mask & right).sum())
        return ((E + extra_errors(N, E, confidence)) / N if N else 1.0), N, E

    best, N, E = rate(masks)
    while kept:
        tried = [rate(masks[:i] + masks[i + 1 :]) for i in range(len(kept))]
        i = min(range(len(kept)), key=lambda i: tried[i][0])
        if tried[i][0] > best:
            break
        best, N, E = tried[i]
        del kept[i], masks[i]
    return tuple(kept), N, E, best
