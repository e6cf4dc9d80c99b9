"""Decision stumps for boosting: the best cut of all columns under weights that change, on bins made once.

The weight of row i is k_i b_i: what the user gave, and what boosting made of it. b is rounded to whole multiples of a
power of two, so that sums over whole k are exact, and a weight of k chooses the same stump as k equal rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.supervised.trees.binning import MISSING, Binned
from tripos.supervised.trees.forest_nodes import LeafForest
from tripos.supervised.trees.tree import LEAF

U = np.uint64
BITS = 51  # of the sum of all weights
COLUMNS_OF_WORK = 1 << 17  # rows times columns of one piece


@kernel("u1[:, ::1], i8[::1], f8[::1], i8, i8, f8[:, ::1], f8[::1], i8[::1]")
def best_cuts(columns, codes, weights, first, last, sums, gains, cuts):  # type: ignore[no-untyped-def]
    """For features first <= j < last the cut with the largest sum of squared class weights over side weights."""
    K = sums.shape[1]
    left, right = np.empty(K), np.empty(K)
    flat = sums.reshape(sums.size)
    for j in range(first, last):
        for b in range(flat.size):
            flat[b] = 0.0
        column = columns[j]
        for i in range(U(column.size)):
            flat[U(column[i]) * U(K) + U(codes[i])] += weights[i]
        for k in range(K):
            left[k], right[k] = 0.0, 0.0
        for b in range(256):
            for k in range(K):
                right[k] += sums[b, k]
        gains[j], cuts[j] = -1.0, -1
        for b in range(255):
            here, l, r, a, z = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(K):
                here += sums[b, k]
                left[k] += sums[b, k]
                right[k] -= sums[b, k]
                l += left[k]
                r += right[k]
                a += left[k] * left[k]
                z += right[k] * right[k]
            if here > 0.0 and r > 0.0 and a / l + z / r > gains[j]:
                gains[j], cuts[j] = a / l + z / r, b


@kernel("u1[::1], i8[::1], f8[::1], i8, i8, i8, u1[::1], f8[:, ::1]")
def apply_stump(column, codes, weights, cut, left, right, missed, sides):  # type: ignore[no-untyped-def]
    """Marks the rows that a stump gets wrong; returns their weight. `sides` (2, K) receives class weights first."""
    total = 0.0
    for i in range(U(codes.size)):
        said = left if np.int64(column[i]) <= cut else right
        missed[i] = np.uint8(said != codes[i])
        if missed[i]:
            total += weights[i]
    return total


@kernel("u1[::1], i8[::1], f8[::1], i8, f8[:, ::1]")
def weigh_sides(column, codes, weights, cut, sides):  # type: ignore[no-untyped-def]
    """Class weights on either side of a cut, added to `sides` (2, K)."""
    for i in range(U(codes.size)):
        sides[U(np.int64(column[i]) > cut), U(codes[i])] += weights[i]


class Stumps:
    """Finds stumps on fixed bins and classes."""

    def __init__(self, binned: Binned, codes: np.ndarray, n_classes: int) -> None:
        self.columns, self.codes, self.K = binned.columns, codes, n_classes
        self.n_bins = binned.n_bins

    def best(self, weights: np.ndarray) -> tuple[int, int, int, int, float, np.ndarray]:
        """Feature, bin, the classes on both sides, the weight of the rows it gets wrong, and which those are."""
        F, n = self.columns.shape
        gains, cuts = np.empty(F), np.empty(F, np.int64)
        step = max(1, COLUMNS_OF_WORK // n)

        def piece(first: int) -> None:
            sums = np.empty((256, self.K))
            best_cuts(self.columns, self.codes, weights, first, min(first + step, F), sums, gains, cuts)

        parallel(piece, range(0, F, step))
        j = int(np.argmax(gains))
        cut = int(cuts[j])
        sides = np.zeros((2, self.K))
        weigh_sides(self.columns[j], self.codes, weights, cut, sides)
        left, right = int(sides[0].argmax()), int(sides[1].argmax())
        if cut < 0:  # no column varies: everybody is of the commonest class
            left = right
        missed = np.empty(n, np.uint8)
        wrong = apply_stump(self.columns[j], self.codes, weights, cut, left, right, missed, sides)
        return j, max(cut, 0), left, right, float(wrong), missed.view(np.bool_)


def rounded(b: np.ndarray, k: np.ndarray | None) -> np.ndarray:
    """k b with b rounded to multiples of a power of two, so that sums over whole k are exact."""
    total = float(b.sum() if k is None else b @ k)
    scale = 2.0 ** np.floor(BITS - np.log2(total))
    whole = np.floor(b * scale + 0.5) / scale
    return np.asarray(whole if k is None else whole * k)


def forest_of(stumps: np.ndarray, weights: np.ndarray, n_classes: int) -> LeafForest:
    """The stumps (n, 4: feature, bin, left class, right class) as trees of three nodes, which add their weights."""
    n = len(stumps)
    root = 3 * np.arange(n, dtype=np.uint64)
    words = np.empty((n, 3), np.uint64)
    words[:, 0] = (
        (root + U(1)) | (stumps[:, 0].astype(np.uint64) << U(32)) | (stumps[:, 1].astype(np.uint64) << U(48))
    )
    for side in (1, 2):
        words[:, side] = (root + U(side)) | (U(MISSING) << U(48)) | LEAF
    answers = np.zeros((n, 3), np.uint32)
    answers[:, 1], answers[:, 2] = 2 * np.arange(n), 2 * np.arange(n) + 1
    return LeafForest(
        words=words.reshape(-1),
        values=np.zeros(3 * n, np.float32),
        rows=np.zeros(3 * n, np.uint32),
        starts=3 * np.arange(n + 1, dtype=np.int64),
        levels=np.empty(0, np.int32),
        level_bits=np.empty((0, 4), np.uint64),
        n_outputs=n_classes,
        answers=answers.reshape(-1),
        places=np.ascontiguousarray(stumps[:, 2:].reshape(-1), dtype=np.int32),
        parts=np.repeat(weights, 2).astype(np.float32),
        ends=np.arange(2 * n + 1, dtype=np.int64),
    )


def members_of(model: Any) -> list[Any]:
    """The stumps of a fitted `AdaBoostClassifier`, each as a forest of one tree."""
    forest = forest_of(model.stumps_, np.ones(len(model.stumps_)), len(model.classes_))
    n, F = forest.n_trees, model.binning_.n_features
    if len(model.classes_) == 2:  # there a leaf says the share of the second class
        values = np.zeros(3 * n, np.float32)
        values[1::3], values[2::3] = model.stumps_[:, 2], model.stumps_[:, 3]
        forest = LeafForest(
            forest.words, values, forest.rows, forest.starts, forest.levels, forest.level_bits, 1
        )
    found = []
    for m in range(n):
        one = model.estimator_
        one.classes_, one.n_outputs_, one.seed_, one.is_categorical_ = model.classes_, 1, 0, None
        one.n_features_in_, one._width = F, F
        one._set_leaves(model.binning_, forest.part(m, m + 1))
        found.append(one)
    return found
