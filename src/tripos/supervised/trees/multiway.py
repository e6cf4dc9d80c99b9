"""Trees as Quinlan grows them: a branch for each level of a category, and rows with missing cells in all branches.

A row that reaches a test on a missing cell goes down every branch, with the share of the branch in the known rows as
its weight; what the leaves say is averaged with these weights.

References
----------
Quinlan, "Unknown attribute values in induction", Proc. 6th Int. Workshop on Machine Learning (1989) 164-168.
Quinlan, "C4.5: programs for machine learning" (1993), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.state import Array, Number, Spec

U = np.uint64
TINY = 1e-9


@kernel("f8[::1], f8[::1], f8, i8[::1], i8[::1], f8[::1]", strict=True)
def by_branch(x, w, threshold, order, ends, sizes):  # type: ignore[no-untyped-def]
    """The positions of x branch by branch, those without one last; ends[b] is where branch b ends, sizes[b] its weight."""
    k = ends.size - 1
    places = np.zeros(k + 1, np.int64)
    branch = np.empty(x.size, np.int64)
    for i in range(x.size):
        b = k
        if threshold == threshold:
            if x[i] == x[i]:
                b = 1 if x[i] > threshold else 0
        elif x[i] >= 0.0 and x[i] < k:
            b = np.int64(x[i])
        branch[i] = b
        ends[b] += 1
        sizes[b] += w[i]
    total = 0
    for b in range(k + 1):
        places[b] = total
        total += ends[b]
        ends[b] = total
    for i in range(x.size):
        order[places[branch[i]]] = i
        places[branch[i]] += 1


@dataclass(eq=False)
class Branching:
    """A node under way: the weight of each class, and the test if it has one."""

    counts: np.ndarray
    shares: np.ndarray
    feature: int = -1
    threshold: float = np.nan
    children: list[Branching] = field(default_factory=list)

    @property
    def weight(self) -> float:
        return float(sum(self.counts.tolist()))

    @property
    def errors(self) -> float:
        """Weight of the rows that are not of the class the node would say."""
        return self.weight - float(self.counts[int(self.shares.argmax())])

    def become_leaf(self) -> None:
        self.feature, self.threshold, self.children = -1, np.nan, []

    def become(self, other: Branching) -> None:
        """Take another node's place in the tree."""
        self.counts, self.shares, self.feature = other.counts, other.shares, other.feature
        self.threshold, self.children = other.threshold, other.children

    def parts(self, x: np.ndarray, w: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions and weights of the rows in each branch; x are the cells of the column tested."""
        k = len(self.children)
        order, ends, sizes = np.empty(len(x), np.int64), np.zeros(k + 1, np.int64), np.zeros(k + 1)
        by_branch(x, w, self.threshold, order, ends, sizes)
        gaps, total, out = order[ends[k - 1] :], float(sizes[:k].sum()), []
        for b in range(k):
            rows = order[ends[b - 1] if b else 0 : ends[b]]
            weights = w[rows]
            if len(gaps) and sizes[b] > 0:
                rows = np.concatenate([rows, gaps])
                weights = np.concatenate([weights, w[gaps] * (sizes[b] / total)])
            out.append((rows, weights))
        return out


@kernel("F[:, ::1], i4[::1], f8[::1], i8[::1], i4[::1], f8[::1], f8[:, ::1], f8[:, ::1]")
def distribute(X, features, thresholds, first, n_children, weights, shares, out):  # type: ignore[no-untyped-def]
    """out[i] becomes the shares of the classes for row i; returns whether a cell is infinite."""
    wrong = 0
    stack, loads = np.empty(features.size, np.int64), np.empty(features.size)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            wrong |= abs(X[i, j]) == np.inf
        for c in range(out.shape[1]):
            out[i, c] = 0.0
        stack[0], loads[0] = 0, 1.0
        top = 1
        while top > 0:
            top -= 1
            at, load = stack[top], loads[top]
            k = n_children[at]
            if k == 0:
                for c in range(out.shape[1]):
                    out[i, c] += load * shares[at, c]
                continue
            x = X[i, features[at]]
            branch = -1
            if thresholds[at] == thresholds[at]:
                if x == x:
                    branch = 1 if x > thresholds[at] else 0
            elif x >= 0 and x < k:
                branch = int(x)
            if branch >= 0:
                stack[top], loads[top] = first[at] + branch, load
                top += 1
                continue
            total = 0.0
            for b in range(k):
                total += weights[first[at] + b]
            for b in range(k):
                share = weights[first[at] + b] / total
                if share > 0.0:
                    stack[top], loads[top] = first[at] + b, load * share
                    top += 1
    return wrong != 0


@dataclass(frozen=True, eq=False)
class MultiwayTree:
    """A finished tree: the children of a node stand side by side, behind it.

    Attributes
    ----------
    features : int32 ndarray of shape (n_nodes,)
        Column that is tested, 0 at leaves.
    thresholds : float64 ndarray of shape (n_nodes,)
        A cell at most this goes to the first of two children; NaN where code c goes to child c.
    first : int64 ndarray of shape (n_nodes,)
    n_children : int32 ndarray of shape (n_nodes,)
        0 at leaves.
    weights : float64 ndarray of shape (n_nodes,)
        Weight of the training rows that reached the node.
    shares : float64 ndarray of shape (n_nodes, n_classes)
        Shares of the classes among them.
    n_features : int
    """

    features: np.ndarray
    thresholds: np.ndarray
    first: np.ndarray
    n_children: np.ndarray
    weights: np.ndarray
    shares: np.ndarray
    n_features: int

    state: ClassVar[dict[str, Spec]] = {
        "features": Array("i", ("nodes",), low=0),
        "thresholds": Array("f", ("nodes",), finite=False),
        "first": Array("i", ("nodes",), low=0),
        "n_children": Array("i", ("nodes",), low=0),
        "weights": Array("f", ("nodes",), low=0),
        "shares": Array("f", ("nodes", None), low=0),
        "n_features": Number("i", low=1),
    }

    def _check_state(self) -> None:
        n, at = len(self.features), np.arange(len(self.features))
        arrays = (self.features, self.first, self.n_children, self.weights, self.thresholds)
        if [array.dtype.name for array in arrays] != ["int32", "int64", "int32", "float64", "float64"]:
            raise ValueError(
                "features and n_children must be int32, first int64, thresholds and weights float64"
            )
        inner = self.n_children > 0
        if n < 1 or self.shares.dtype != np.float64 or (self.features >= self.n_features).any():
            raise ValueError(f"a test is on a column beyond {self.n_features}, or there is no node")
        end = self.first + self.n_children
        if (self.first[inner] <= at[inner]).any() or (end[inner] > n).any() or self.n_children.sum() != n - 1:
            raise ValueError("a test's children are not behind it")
        if (~np.isnan(self.thresholds[inner]) & (self.n_children[inner] != 2)).any() or np.isinf(
            self.thresholds
        ).any():
            raise ValueError("a threshold has not two children")
        for i in np.flatnonzero(inner).tolist():
            if not self.weights[self.first[i] : end[i]].sum() > 0:
                raise ValueError("a test has no rows below")

    @classmethod
    def of(cls, root: Branching, n_features: int) -> MultiwayTree:
        """Writes a grown tree out, level by level."""
        nodes, first = [root], []
        i = 0
        while i < len(nodes):
            first.append(len(nodes) if nodes[i].children else 0)
            nodes += nodes[i].children
            i += 1
        return cls(
            np.array([max(node.feature, 0) for node in nodes], dtype=np.int32),
            np.array([node.threshold for node in nodes]),
            np.array(first, dtype=np.int64),
            np.array([len(node.children) for node in nodes], dtype=np.int32),
            np.array([node.weight for node in nodes]),
            np.array([node.shares for node in nodes]),
            n_features,
        )

    def probabilities(self, X: np.ndarray) -> tuple[np.ndarray, bool]:
        """Shares of the classes for each row, and whether all cells are finite or missing."""
        out = np.empty((len(X), self.shares.shape[1]))
        arrays = (self.features, self.thresholds, self.first, self.n_children, self.weights, self.shares)
        return out, not distribute(X, *arrays, out)
