"""Trees written out: one entry a node, in the units of the data.

What explains, prints, draws or translates trees reads this form; the form that predicts is packed (`tree.Forest`).
Every model of trees can write its trees out so, and a tree of another library is read into it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tripos.state import Array, ListOf, Number, Spec

ZERO = 1e-35  # LightGBM's bound of what a missing zero is
PER_NODE = (
    "features",
    "thresholds",
    "left",
    "right",
    "missing_left",
    "levels",
    "values",
    "weights",
    "gains",
    "impurities",
)


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
    categories : tuple of (float64 ndarray or None), or None
        For each column the rising cell values that stand for the codes 0, 1, ...; None where a cell is its code.
    zero_is_missing : bool ndarray of shape (n_columns,), or None
        Columns whose cells count as missing within 1e-35 of zero.
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
    categories: tuple[np.ndarray | None, ...] | None = None
    zero_is_missing: np.ndarray | None = None

    state: ClassVar[dict[str, Spec]] = {
        "starts": Array("i", (None,), low=0),
        "features": Array("i", ("nodes",), low=-1),
        "thresholds": Array("f", ("nodes",), finite=False),
        "left": Array("i", ("nodes",), low=-1),
        "right": Array("i", ("nodes",), low=-1),
        "missing_left": Array("b", ("nodes",)),
        "levels": Array("i", ("nodes",), low=-1),
        "level_bits": Array("u", ("level_splits", "words")),
        "values": Array("f", ("nodes", "values"), finite=False),
        "weights": Array("f", ("nodes",), low=0),
        "gains": Array("f", ("nodes",)),
        "impurities": Array("f", ("nodes",), optional=True),
        "n_outputs": Number("i", low=1),
        "categories": ListOf(Array("f", (None,), optional=True), optional=True),
        "zero_is_missing": Array("b", (None,), optional=True),
    }

    def _check_state(self) -> None:
        """What walking relies on: trees in a row, children behind their parents and within the tree, known levels."""
        n, starts = len(self.features), self.starts
        if len(starts) < 1 or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 1).any():
            raise ValueError("starts does not part the nodes into trees")
        leaf, at = self.is_leaf, np.arange(n)
        end = np.repeat(starts[1:], np.diff(starts))
        for side in (self.left, self.right):
            if (
                (side[leaf] != -1).any()
                or (side[~leaf] <= at[~leaf]).any()
                or (side[~leaf] >= end[~leaf]).any()
            ):
                raise ValueError("a split's children are not behind it in its tree")
        children = np.concatenate([self.left[~leaf], self.right[~leaf]])
        if len(np.unique(children)) != n - self.n_trees:
            raise ValueError("a node has two parents or none")
        if (self.levels[leaf] >= 0).any() or (self.levels >= len(self.level_bits)).any():
            raise ValueError("a split names levels that are not there")
        by_levels = self.levels >= 0
        if np.isnan(self.thresholds[~leaf & ~by_levels]).any() or not np.isfinite(self.values[leaf]).all():
            raise ValueError("a threshold or the value of a leaf is not a number")
        if by_levels.any() and self.level_bits.shape[1] == 0:
            raise ValueError("level_bits has no words")
        if self.level_bits.dtype != np.uint64:
            raise ValueError("level_bits must be uint64")
        for known in self.categories or ():
            if known is not None and (np.isnan(known).any() or (np.diff(known) <= 0).any()):
                raise ValueError("the cell values of categories do not rise")

    def head(self, n_trees: int) -> Nodes:
        """The first trees."""
        if n_trees == self.n_trees:
            return self
        end = int(self.starts[n_trees])
        cut: dict[str, Any] = {"starts": self.starts[: n_trees + 1]}
        for name in PER_NODE:
            array = getattr(self, name)
            cut[name] = None if array is None else array[:end]
        return replace(self, **cut)

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

    def cells(self, X: np.ndarray) -> np.ndarray:
        """X (n_rows, n_columns) as splits read it, float64: codes for categories, NaN for what is missing."""
        Z = np.array(X, dtype=np.float64, order="C")
        for j, values in enumerate(self.categories or ()):
            if values is None:
                continue
            padded = np.append(values, np.inf)
            place = np.searchsorted(values, Z[:, j])
            Z[:, j] = np.where(padded[place] == Z[:, j], place, np.nan)
        if self.zero_is_missing is not None:
            Z[(np.abs(Z) <= ZERO) & self.zero_is_missing] = np.nan
        return Z

    def means(self) -> np.ndarray:
        """`values`, and at inner nodes without one the mean of the leaves below by weight, (n_nodes, n_values)."""
        values = self.values.copy()
        for i in np.flatnonzero(~self.is_leaf & np.isnan(self.values).any(axis=1))[
            ::-1
        ]:  # children come later
            below = np.array([self.left[i], self.right[i]])
            w = self.weights[below]
            values[i] = np.average(values[below], axis=0, weights=w if w.sum() > 0 else None)
        return values
