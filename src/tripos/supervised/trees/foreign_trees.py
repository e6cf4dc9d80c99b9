"""Trees of another library, checked and put in order: what readers of model files hand over.

A reader collects flat arrays of all trees. Nothing of a file is trusted: lengths, children, columns and categories
are checked here before any loop follows them, level by level from the roots, so that a cycle or a child of two
parents is found instead of walked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tripos.errors import ArtifactError
from tripos.supervised.trees.nodes import Nodes

MOST_NODES = 1 << 30
MOST_CODE = 1 << 20  # categories above are refused: their bits would take more memory than the trees
LINKS = ("identity", "exp", "sigmoid", "softmax", "one-vs-all", "square", "log1p-exp", "sign")


@dataclass
class Grove:
    """Nodes of all trees as a file lists them; children count within their tree, -1 at leaves."""

    features: list[np.ndarray] = field(default_factory=list)
    thresholds: list[np.ndarray] = field(default_factory=list)
    left: list[np.ndarray] = field(default_factory=list)
    right: list[np.ndarray] = field(default_factory=list)
    missing_left: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    gains: list[np.ndarray] = field(default_factory=list)
    codes: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)  # (tree, node) -> codes of its set
    outputs: list[int] = field(default_factory=list)

    def add(self, output: int = 0, codes: dict[int, np.ndarray] | None = None, **arrays: np.ndarray) -> None:
        """One more tree; all arrays have an entry per node."""
        t, n = len(self.outputs), len(arrays["features"])
        kinds = {"features": np.int64, "left": np.int64, "right": np.int64, "missing_left": np.bool_}
        for name, array in arrays.items():
            if len(array) != n:
                raise ArtifactError(f"tree {t} has {n} nodes, but {len(array)} entries of {name}")
            getattr(self, name).append(np.asarray(array, dtype=kinds.get(name, np.float64)))
        for node, found in (codes or {}).items():
            self.codes[t, node] = np.asarray(found, dtype=np.int64)
        self.outputs.append(output)

    def nodes(self, n_columns: int, n_outputs: int, *, set_goes_left: bool) -> Nodes:
        """All trees, children behind their parents and side by side, tree t of output t mod n_outputs."""
        self._fill_rounds(n_outputs)
        sizes = np.array([len(f) for f in self.features], dtype=np.int64)
        if sizes.sum() > MOST_NODES or (sizes < 1).any():
            raise ArtifactError("a tree has no nodes, or all have too many")
        first = np.concatenate([[0], np.cumsum(sizes)])
        arrays = {name: np.concatenate(getattr(self, name)) for name in FLAT}
        features, left, right = arrays["features"], arrays["left"], arrays["right"]
        tree = np.repeat(np.arange(len(sizes)), sizes)
        leaf = (left < 0) & (right < 0)
        for name, side in (("left", left), ("right", right)):
            if (~leaf & ((side < 0) | (side >= sizes[tree]))).any():
                raise ArtifactError(f"a {name} child lies outside of its tree")
        if (~leaf & ((features < 0) | (features >= n_columns))).any():
            raise ArtifactError(f"a split is on a column that is not among the {n_columns}")
        if not np.isfinite(arrays["values"][leaf]).all() or np.isnan(arrays["thresholds"][~leaf]).any():
            raise ArtifactError("a leaf or a threshold is not a number")
        down, up = np.where(leaf, -1, left + first[tree]), np.where(leaf, -1, right + first[tree])
        order, starts = in_order(down, up, leaf, first)
        place = np.full(len(features), -1, np.int64)
        place[order] = np.arange(len(order))
        levels, bits = self._bits(first, place, len(order), set_goes_left)
        kept = {name: array[order] for name, array in arrays.items()}
        is_leaf = leaf[order]
        return Nodes(
            starts=starts,
            features=np.where(is_leaf, -1, kept["features"]).astype(np.int32),
            thresholds=np.where(is_leaf | (levels >= 0), np.nan, kept["thresholds"]),
            left=np.where(is_leaf, -1, place[down[order]]).astype(np.int32),
            right=np.where(is_leaf, -1, place[up[order]]).astype(np.int32),
            missing_left=~is_leaf & kept["missing_left"],
            levels=levels,
            level_bits=bits,
            values=kept["values"][:, None],
            weights=np.maximum(np.nan_to_num(kept["weights"]), 0.0),
            gains=np.where(is_leaf, 0.0, np.nan_to_num(kept["gains"])),
            n_outputs=n_outputs,
        )

    def _fill_rounds(self, K: int) -> None:
        """Trees in rounds of one per output; a round that lacks one gets a leaf of zero."""
        if any(not 0 <= k < K for k in self.outputs):
            raise ArtifactError(f"a tree is of an output that is not among the {K}")
        by_output = [[t for t, k in enumerate(self.outputs) if k == of] for of in range(K)]
        rounds = max(map(len, by_output))
        if self.outputs == [t % K for t in range(len(self.outputs))] and len(self.outputs) == rounds * K:
            return
        order = [trees[r] if r < len(trees) else None for r in range(rounds) for trees in by_output]
        names, places = FLAT, {t: at for at, t in enumerate(order) if t is not None}
        nothing = {"features": -1, "left": -1, "right": -1, "missing_left": False}
        for name in names:
            known = getattr(self, name)
            empty = np.array([nothing.get(name, 0.0)])
            setattr(self, name, [empty if t is None else known[t] for t in order])
        self.codes = {(places[t], node): codes for (t, node), codes in self.codes.items()}
        self.outputs = [at % K for at in range(len(order))]

    def _bits(
        self, first: np.ndarray, place: np.ndarray, n: int, set_goes_left: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        levels = np.full(n, -1, np.int32)
        if not self.codes:
            return levels, np.empty((0, 1), np.uint64)
        most = max(int(codes.max(initial=0)) for codes in self.codes.values())
        least = min(int(codes.min(initial=0)) for codes in self.codes.values())
        n_words = most // 64 + 1 + (not set_goes_left)  # room for a code that no set names
        if least < 0 or most > MOST_CODE or n_words * len(self.codes) > 1 << 27:
            raise ArtifactError(f"the categories of splits reach from {least} to {most}: too many to read")
        marks = np.zeros((len(self.codes), n_words * 64), dtype=np.uint8)
        for row, ((t, node), codes) in enumerate(self.codes.items()):
            marks[row, codes] = 1
            at = place[first[t] + node]
            if at >= 0:
                levels[at] = row
        if not set_goes_left:
            marks = 1 - marks
        return levels, np.packbits(marks, axis=1, bitorder="little").view(np.uint64)


FLAT = ("features", "thresholds", "left", "right", "missing_left", "values", "weights", "gains")


def in_order(
    left: np.ndarray, right: np.ndarray, leaf: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes that roots lead to, tree by tree and level by level, siblings side by side; and where trees start."""
    tree = np.repeat(np.arange(len(first) - 1), np.diff(first))
    seen = np.zeros(len(left), dtype=bool)
    level, found = first[:-1].copy(), []
    while len(level):
        if seen[level].any() or len(np.unique(level)) < len(level):
            raise ArtifactError("a node has two parents, or is its own ancestor: not a tree")
        seen[level] = True
        found.append(level)
        inner = level[~leaf[level]]
        level = np.stack([left[inner], right[inner]], axis=1).ravel()
    nodes = np.concatenate(found)
    order = nodes[np.argsort(tree[nodes], kind="stable")]
    return order, np.searchsorted(tree[order], np.arange(len(first))).astype(np.int64)


@dataclass(frozen=True)
class Foreign:
    """A model of another library.

    Attributes
    ----------
    nodes : Nodes
    base : float64 ndarray of shape (n_outputs,)
    link : str
        One of `LINKS`: from the score to the prediction.
    slope : float
        What scores are multiplied by inside a sigmoid.
    n_columns : int
    names : list of str, or None
    n_classes : int
        0 for a model of numbers.
    steps : int
        Rounds that predictions use.
    unseen_left : bool
        Whether codes that no split knows go left instead of where missing cells go.
    """

    nodes: Nodes
    base: np.ndarray
    link: str
    slope: float
    n_columns: int
    names: list[str] | None
    n_classes: int
    steps: int
    unseen_left: bool = False


def whole(value: Any, what: str, low: int = 0, high: int = 1 << 31) -> int:
    """An integer of a file, as text or number, within bounds."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ArtifactError(f"{what} is {str(value)[:40]!r}, not a whole number") from None
    if not low <= number <= high:
        raise ArtifactError(f"{what} is {number}; expected {low} to {high}")
    return number
