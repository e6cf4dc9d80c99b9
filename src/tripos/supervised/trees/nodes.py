"""Trees written out: one entry a node, in the units of the data.

What explains, prints, draws or translates trees reads this form; the form that predicts is packed (`tree.Forest`).
Every model of trees can write its trees out so, and a tree of another library is read into it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Nodes:
    """Trees, one behind the other; a node is named by its position, and children come after their parent.

    A row goes left at node i if

    - its cell is missing and `missing_left[i]`, or
    - the split is on levels (`levels[i] >= 0`) and bit c of `level_bits[levels[i]]` is set for its code c, or
    - otherwise cell <= `thresholds[i]`.

    A code without a bit (negative, or beyond the table) counts as missing.

    Attributes
    ----------
    starts : int64 ndarray of shape (n_trees + 1,)
        Tree t has the nodes starts[t] <= i < starts[t + 1]; its root is starts[t].
    features : int32 ndarray of shape (n_nodes,)
        Column of the split, -1 at leaves.
    thresholds : float64 ndarray of shape (n_nodes,)
        NaN at leaves and at splits on levels.
    left, right : int32 ndarray of shape (n_nodes,)
        -1 at leaves.
    missing_left : bool ndarray of shape (n_nodes,)
    levels : int32 ndarray of shape (n_nodes,)
        Row of `level_bits`, -1 where the split is not on levels.
    level_bits : uint64 ndarray of shape (n_level_splits, n_words)
        Bit c % 64 of word c // 64 is set where code c goes left.
    values : float64 ndarray of shape (n_nodes, n_values)
        What the node answers: of inner nodes too where it is known, else NaN.
    weights : float64 ndarray of shape (n_nodes,)
        Training weight (or rows) that reached the node.
    gains : float64 ndarray of shape (n_nodes,)
        What the split gains in the training objective, 0 at leaves.
    impurities : float64 ndarray of shape (n_nodes,), or None
    n_outputs : int
        With one value a node, tree t adds to output t mod n_outputs.
    """

    starts: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    levels: np.ndarray
    level_bits: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    gains: np.ndarray
    impurities: np.ndarray | None = None
    n_outputs: int = 1

    @property
    def n_trees(self) -> int:
        return len(self.starts) - 1

    @property
    def is_leaf(self) -> np.ndarray:
        return np.asarray(self.features < 0)

    def depths(self) -> np.ndarray:
        """Steps from the root to each node, int64 of shape (n_nodes,)."""
        depth = np.zeros(len(self.features), np.int64)
        inner = np.flatnonzero(~self.is_leaf)
        for i in inner:  # parents come first
            depth[self.left[i]] = depth[self.right[i]] = depth[i] + 1
        return depth
