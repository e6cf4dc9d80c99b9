"""Rows sent through trees that are written out (`nodes.Nodes`): where they end, and what they pass.

Slower than the packed forms that predict, and the same for every kind of tree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.tree import BY_LEVELS, BYTE, MISSING_LEFT, Forest

U = np.uint64
ROWS_PER_PIECE = 2048


@kernel
def goes_left(x, i, thresholds, missing_left, levels, level_bits):  # type: ignore[no-untyped-def]
    """Whether a cell goes left at node i."""
    if x != x:
        return missing_left[i]
    row = levels[i]
    if row < 0:
        return x <= thresholds[i]
    if x < 0 or x >= 64.0 * level_bits.shape[1]:
        return missing_left[i]
    c = U(x)
    return ((level_bits[U(row), c >> U(6)] >> (c & U(63))) & U(1)) == U(1)


@kernel(
    "f8[:, ::1], i8[::1], i4[::1], f8[::1], i4[::1], i4[::1], b1[::1], i4[::1], u8[:, ::1], i8, i8, i4[:, ::1]"
)
def find_leaves(  # type: ignore[no-untyped-def]
    Z, starts, features, thresholds, left, right, missing_left, levels, level_bits, start, end, out
):
    """out[i, t] becomes the node, by its position, in which row start <= i < end ends in tree t."""
    for i in range(start, end):
        for t in range(starts.size - 1):
            at = starts[t]
            while features[at] >= 0:
                x = Z[i, features[at]]
                if goes_left(x, at, thresholds, missing_left, levels, level_bits):
                    at = np.int64(left[at])
                else:
                    at = np.int64(right[at])
            out[i, t] = np.int32(at)


def splits(nodes: Nodes) -> tuple[np.ndarray, ...]:
    """The arrays that say where a row goes, as kernels take them."""
    bits = nodes.level_bits if nodes.level_bits.shape[1] else np.zeros((len(nodes.level_bits), 1), np.uint64)
    return (
        np.ascontiguousarray(nodes.starts, dtype=np.int64),
        np.ascontiguousarray(nodes.features, dtype=np.int32),
        np.ascontiguousarray(nodes.thresholds, dtype=np.float64),
        np.ascontiguousarray(nodes.left, dtype=np.int32),
        np.ascontiguousarray(nodes.right, dtype=np.int32),
        np.ascontiguousarray(nodes.missing_left, dtype=np.bool_),
        np.ascontiguousarray(nodes.levels, dtype=np.int32),
        np.ascontiguousarray(bits, dtype=np.uint64),
    )


def leaves(nodes: Nodes, X: np.ndarray) -> np.ndarray:
    """Positions of the leaves in which rows end, int32 of shape (n_rows, n_trees)."""
    Z = nodes.cells(X)
    arrays: Any = splits(nodes)
    out = np.empty((len(X), nodes.n_trees), np.int32)
    n = len(X)
    pieces = range(0, n, ROWS_PER_PIECE)
    parallel(lambda s: find_leaves(Z, *arrays, s, min(s + ROWS_PER_PIECE, n), out), pieces)  # type: ignore[call-arg]
    return out


def parents(nodes: Nodes) -> np.ndarray:
    """The parent of each node, -1 at roots, int64 of shape (n_nodes,)."""
    found = np.full(len(nodes.features), -1, np.int64)
    inner = np.flatnonzero(~nodes.is_leaf)
    found[nodes.left[inner]] = inner
    found[nodes.right[inner]] = inner
    return found


def paths(nodes: Nodes, X: np.ndarray) -> sp.csr_matrix:
    """Which nodes rows pass, leaves included: ones in a matrix of shape (n_rows, n_nodes)."""
    at, up = leaves(nodes, X).astype(np.int64).ravel(), parents(nodes)
    rows = np.repeat(np.arange(len(X)), nodes.n_trees)
    found_rows, found_nodes = [rows], [at]
    while len(at):
        above = up[at]
        rows, at = rows[above >= 0], above[above >= 0]
        found_rows.append(rows)
        found_nodes.append(at)
    rows, at = np.concatenate(found_rows), np.concatenate(found_nodes)
    matrix = sp.csr_matrix((np.ones(len(at), np.int64), (rows, at)), shape=(len(X), len(nodes.features)))
    matrix.sort_indices()
    return matrix


def predicted(nodes: Nodes, X: np.ndarray) -> np.ndarray:
    """The sum of all trees, float64 of shape (n_rows, n_outputs)."""
    at = leaves(nodes, X)
    if nodes.values.shape[1] > 1:
        total = np.zeros((len(X), nodes.values.shape[1]))
        for t in range(nodes.n_trees):
            total += nodes.values[at[:, t]]
        return total
    out = np.zeros((len(X), nodes.n_outputs))
    for t in range(nodes.n_trees):
        out[:, t % nodes.n_outputs] += nodes.values[at[:, t], 0]
    return out


def nodes_of(forest: Forest, binning: Binning) -> Nodes:
    """The trees over bins written out: a bin's upper edge is the threshold, so every float goes where its bin does."""
    n, leaf = len(forest.words), forest.is_leaf
    features = np.where(leaf, -1, forest.features).astype(np.int32)
    child = forest.children
    by_levels = ~leaf & ((forest.words & BY_LEVELS) != 0)
    missing_left = (forest.words & MISSING_LEFT) != 0
    levels = np.full(n, -1, np.int32)
    if by_levels.any():
        levels[by_levels] = forest.levels[child[by_levels]]
        missing_left[by_levels] = (forest.level_bits[levels[by_levels], 3] >> U(63)) != 0
    thresholds = np.full(n, np.nan)
    plain = np.flatnonzero(~leaf & ~by_levels)
    column = features[plain]
    t = ((forest.words[plain] >> U(48)) & BYTE).astype(np.int64) - missing_left[plain]
    inside = (t >= 0) & (t < np.diff(binning.starts)[column])
    at = np.where(inside, binning.starts[column] + t, 0)
    edge = binning.cuts[at] if len(binning.cuts) else np.zeros(len(at))
    thresholds[plain] = np.where(inside, edge, np.where(t < 0, -np.inf, np.inf))
    values = np.where(leaf, forest.values.astype(np.float64), np.nan)[:, None]
    known: list[np.ndarray | None] = [None] * binning.n_features
    for j in np.flatnonzero(binning.categorical):
        known[j] = binning.cuts[binning.starts[j] : binning.starts[j + 1]]
    return Nodes(
        starts=forest.starts,
        features=features,
        thresholds=thresholds,
        left=np.where(leaf, -1, child).astype(np.int32),
        right=np.where(leaf, -1, child + 1).astype(np.int32),
        missing_left=missing_left,
        levels=levels,
        level_bits=forest.level_bits,
        values=values,
        weights=forest.rows.astype(np.float64),
        gains=np.where(leaf, 0.0, forest.values.astype(np.float64)),
        n_outputs=forest.n_outputs,
        categories=tuple(known) if binning.categorical.any() else None,
    )
