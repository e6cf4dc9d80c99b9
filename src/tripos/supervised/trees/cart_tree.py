"""A finished exact tree: packed nodes, checked before they are used, and walked by sixteen rows at a time.

A node is three words of 32 bits, read from one place:

    0   feature; bit 30: missing cells go left; bit 31: the split is on levels
    1   the threshold's float32, or the row of `levels`
    2   the right child; the left one follows its parent

A row goes left if float32(x) <= threshold, which is what scikit-learn compares. A leaf's threshold is NaN and its right child
itself: so a walk that has arrived stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.intrinsics import bits_float
from tripos.compute.threads import parallel, thread_count
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.nodes import Nodes

U, W = np.uint64, np.uint32
BY_LEVELS, MISSING_LEFT, FEATURE = U(1 << 31), U(1 << 30), U((1 << 30) - 1)
LEAF_BITS = np.uint32(0x7FC00000)  # NaN
GROUP = 16  # rows whose steps hide each other's waiting for memory
ROWS_PER_PIECE = 1 << 11
LARGEST = 3.4028235e38  # of float32


@kernel(strict=True)
def next_node(nodes, levels, i, x):  # type: ignore[no-untyped-def]
    """The child of node i for a cell x; a leaf's is itself."""
    word = U(nodes[i, 0])
    if x != x and nodes[i, 2] != i:
        return i + U(1) if word & MISSING_LEFT else U(nodes[i, 2])
    if word & BY_LEVELS:
        missing = x < np.float32(0) or x >= np.float32(256)
        code = U(0) if missing else U(x)
        left = (levels[nodes[i, 1], code >> U(6)] >> (code & U(63))) & U(1)
        if missing:
            left = (word >> U(30)) & U(1)
        return i + U(1) if left else U(nodes[i, 2])
    return i + U(1) if x <= bits_float(np.uint32(nodes[i, 1])) else U(nodes[i, 2])


@kernel(strict=True)
def too_large(X, i):  # type: ignore[no-untyped-def]
    """Whether a cell of row i is infinite as float32."""
    wrong, limit = 0, X.dtype.type(LARGEST)
    for j in range(U(X.shape[1])):
        wrong |= abs(X[i, j]) > limit
    return wrong


@kernel("u4[:, ::1], u8[:, ::1], F[:, ::1], i8, i8, i8, i8[::1]", strict=True)
def leaves_of(nodes, levels, X, check, begin, end, out):  # type: ignore[no-untyped-def]
    """out[i] becomes the leaf of row i for begin <= i < end; if `check`, returns whether a cell is infinite as float32.

    Some rows are under way together, and where one has arrived the next begins: no row waits for a longer path.
    """
    wrong, lanes, todo = 0, U(min(GROUP, end - begin)), U(begin)
    at, row = np.zeros(GROUP, np.uint64), np.empty(GROUP, np.uint64)
    for l in range(lanes):
        row[l] = todo
        wrong |= too_large(X, todo) if check else 0
        todo += U(1)
    while lanes > U(0):
        l = U(0)  # type: ignore[assignment]
        while l < lanes:
            i = at[l]
            word = U(nodes[i, U(0)])
            x = np.float32(X[row[l], word & FEATURE])
            if levels.shape[0] == 0:  # without a branch on x, which no processor foresees
                right = U(nodes[i, U(2)])
                left = U(x <= bits_float(np.uint32(nodes[i, U(1)]))) | (U(x != x) & (word >> U(30)))
                child = right + (i + U(1) - right) * left
            else:
                child = next_node(nodes, levels, i, x)
            at[l] = child
            if child == i:
                out[row[l]] = np.int64(i)
                if todo < U(end):
                    row[l], at[l] = todo, U(0)
                    wrong |= too_large(X, todo) if check else 0
                    todo += U(1)
                else:
                    lanes -= U(1)
                    row[l], at[l] = row[lanes], at[lanes]
                    continue
            l += U(1)  # type: ignore[assignment]
    return wrong != 0


@kernel("u4[:, ::1], u8[:, ::1], F[::1], i4[::1], i4[::1], F[::1], i8[::1]", strict=True)
def sparse_leaves(nodes, levels, data, indices, indptr, row, out):  # type: ignore[no-untyped-def]
    """As `leaves_of` for CSR; row is as long as there are columns, and zero."""
    wrong = 0
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = data[k]
            wrong |= abs(data[k]) > LARGEST
        at, child = U(0), U(0)
        while True:
            x = np.float32(row[U(nodes[at, 0]) & FEATURE])
            child = next_node(nodes, levels, at, x)
            if child == at:
                break
            at = child
        out[i] = np.int64(at)
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = row.dtype.type(0)
    return wrong != 0


@dataclass(frozen=True, eq=False)
class TreeArrays:
    """A fitted tree under scikit-learn's names; nodes in depth-first order, -1 and -2 where there is no child or column."""

    children_left: np.ndarray
    children_right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    impurity: np.ndarray
    n_node_samples: np.ndarray
    weighted_n_node_samples: np.ndarray
    value: np.ndarray
    missing_go_to_left: np.ndarray
    n_features: int
    n_outputs: int
    n_leaves: int
    max_depth: int

    @property
    def node_count(self) -> int:
        return len(self.feature)


@dataclass(frozen=True, eq=False)
class CartTree:
    """A decision tree as fitted, node after node: a left child behind its parent.

    Attributes
    ----------
    nodes : uint32 ndarray of shape (n_nodes, 3)
    levels : uint64 ndarray of shape (n_level_splits, 4)
        Bit c is set where code c goes left.
    values : float ndarray of shape (n_nodes, n_values)
        Weights of the classes, one output's behind the other's, or what each output is predicted to be.
    rows : uint32 ndarray of shape (n_nodes,)
    impurities : float64 ndarray of shape (n_nodes,), or (0,) where they follow from `values`
    weights : float64 ndarray of shape (n_nodes,), or (0,) where they are `rows`
    n_features : int
    """

    nodes: np.ndarray
    levels: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    impurities: np.ndarray
    weights: np.ndarray
    n_features: int

    state: ClassVar[dict[str, Spec]] = {
        "nodes": Array("u", ("nodes", 3)),
        "levels": Array("u", ("level_splits", 4)),
        "values": Array("f", ("nodes", None)),
        "rows": Array("u", ("nodes",)),
        "impurities": Array("f", (None,)),
        "weights": Array("f", (None,)),
        "n_features": Number("i", low=1),
    }

    def _check_state(self) -> None:
        """What walking relies on: children behind their parents, known columns and levels."""
        nodes, n = self.nodes, len(self.nodes)
        if (
            n < 1
            or nodes.dtype != np.uint32
            or self.levels.dtype != np.uint64
            or self.rows.dtype != np.uint32
        ):
            raise ValueError("nodes, levels and rows must be uint32, uint64 and uint32, and not empty")
        at, right = np.arange(n), self.right.astype(np.int64)
        leaf = self.is_leaf
        if (right < at).any() or (right >= n).any() or (right[~leaf] == at[~leaf] + 1).any() or not leaf[-1]:
            raise ValueError("a split's children are not behind it")
        if (nodes[leaf, 0] != 0).any() or (nodes[leaf, 1] != LEAF_BITS).any():
            raise ValueError("a leaf has the marks of a split")
        if (self.features[~leaf] >= self.n_features).any():
            raise ValueError(f"a split is on a column beyond {self.n_features}")
        by_levels = self.by_levels
        if (nodes[by_levels, 1] >= len(self.levels)).any():
            raise ValueError("a split names levels that are not there")
        if np.isnan(nodes[~leaf & ~by_levels, 1].view(np.float32)).any():
            raise ValueError("a threshold is NaN")
        if len(self.impurities) not in (0, n) or len(self.weights) not in (0, n):
            raise ValueError("impurities and weights must have an entry a node, or none")

    # ---- its arrays ----------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        return len(self.nodes)

    @property
    def right(self) -> np.ndarray:
        return self.nodes[:, 2]

    @property
    def is_leaf(self) -> np.ndarray:
        return np.asarray(self.right == np.arange(len(self.nodes)))

    @property
    def features(self) -> np.ndarray:
        """The column of each node, 0 at leaves."""
        return (self.nodes[:, 0] & np.uint32(FEATURE)).astype(np.int64)

    @property
    def by_levels(self) -> np.ndarray:
        return np.asarray((self.nodes[:, 0] & np.uint32(BY_LEVELS)) != 0)

    @property
    def node_weights(self) -> np.ndarray:
        return self.weights if len(self.weights) else self.rows.astype(np.float64)

    def parents(self) -> np.ndarray:
        """The parent of each node, -1 for the root."""
        parent = np.full(len(self.nodes), -1, np.int64)
        inner = np.flatnonzero(~self.is_leaf)
        parent[inner + 1] = inner
        parent[self.right[inner]] = inner
        return parent

    def depths(self) -> np.ndarray:
        """Splits above each node."""
        depth = np.zeros(len(self.nodes), np.int64)
        right = self.right.tolist()
        for i in np.flatnonzero(~self.is_leaf).tolist():
            depth[i + 1] = depth[right[i]] = depth[i] + 1
        return depth

    def written_out(self, values: np.ndarray, impurities: np.ndarray) -> Nodes:
        """The form that explaining, printing and drawing read."""
        leaf, by_levels, n = self.is_leaf, self.by_levels, self.n_nodes
        at = np.arange(n)
        weights = self.node_weights
        thresholds = np.where(leaf | by_levels, np.nan, self.nodes[:, 1].view(np.float32).astype(np.float64))
        left = np.where(leaf, -1, at + 1).astype(np.int32)
        right = np.where(leaf, -1, self.right).astype(np.int32)
        total = weights * impurities
        gains = np.where(leaf, 0.0, total - total[np.where(leaf, 0, at + 1)] - total[self.right])
        gains[leaf] = 0.0
        return Nodes(
            starts=np.array([0, n], dtype=np.int64),
            features=np.where(leaf, -1, self.features).astype(np.int32),
            thresholds=thresholds,
            left=left,
            right=right,
            missing_left=(self.nodes[:, 0] & np.uint32(MISSING_LEFT)) != 0,
            levels=np.where(by_levels, self.nodes[:, 1].astype(np.int64), -1).astype(np.int32),
            level_bits=self.levels,
            values=values,
            weights=weights,
            gains=np.maximum(gains, 0.0),
            impurities=impurities,
        )

    def without(self, pruned: np.ndarray) -> CartTree:
        """The tree in which the splits marked in `pruned` (n_nodes,) have become leaves."""
        leaf = self.is_leaf | pruned
        kept = np.zeros(self.n_nodes, bool)
        kept[0] = True
        right = self.right
        for i in np.flatnonzero(~leaf).tolist():
            if kept[i]:
                kept[i + 1] = kept[right[i]] = True
        place = np.cumsum(kept) - 1
        nodes = self.nodes[kept].copy()
        new_leaf = leaf[kept]
        nodes[:, 2] = place[self.right[kept]]
        nodes[new_leaf, 0], nodes[new_leaf, 1] = 0, LEAF_BITS
        nodes[new_leaf, 2] = np.flatnonzero(new_leaf)
        by_levels = (nodes[:, 0] & np.uint32(BY_LEVELS)) != 0
        levels = self.levels[nodes[by_levels, 1]]
        nodes[by_levels, 1] = np.arange(len(levels))
        impurities, weights = (v[kept] if len(v) else v for v in (self.impurities, self.weights))
        values, rows = self.values[kept], self.rows[kept]
        return CartTree(nodes, levels, values, rows, impurities, weights, self.n_features)

    # ---- prediction ------------------------------------------------------------------------------------

    def apply(self, X: Any) -> tuple[np.ndarray, bool]:
        """The leaf of each row, int64 of shape (n_rows,), and whether no cell that was met is infinite."""
        n = X.shape[0]
        out = np.empty(n, np.int64)
        if sp.issparse(X):
            row = np.zeros(X.shape[1], X.dtype)
            indices, indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
            return out, not sparse_leaves(self.nodes, self.levels, X.data, indices, indptr, row, out)
        if n < 2 * ROWS_PER_PIECE:
            return out, not leaves_of(self.nodes, self.levels, X, 1, 0, n, out)
        size = max(ROWS_PER_PIECE, min(-(-n // (2 * thread_count())), 8 * ROWS_PER_PIECE))
        pieces = [(s, min(s + size, n)) for s in range(0, n, size)]
        wrong = parallel(lambda piece: leaves_of(self.nodes, self.levels, X, 1, *piece, out), pieces)
        return out, not any(wrong)
