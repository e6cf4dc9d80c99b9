"""Finished trees of a random forest: packed, saved without what can be told from their order, and walked.

The nodes of a tree stand in the order in which a walk that goes left first meets their parents, so a list of splits and
leaves is the tree: children's places need not be saved, and a file cannot hold a tree that is none. In memory a node is
the word of `tree.Forest`, which leads to its children at once.

A leaf answers with one number, or with a few shares (place, part) of several: a pure leaf with one class, which all pure
leaves of that class share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.forest_rows import BY_LEVELS as NODE_LEVELS
from tripos.supervised.trees.forest_rows import CHILD as NODE_CHILD
from tripos.supervised.trees.forest_rows import FEATURE, GAIN, IMPURITY, SPLIT, VALUE, WEIGHT
from tripos.supervised.trees.forest_walk import LeafWalker as LeafWalker
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.tree import BY_LEVELS, BYTE, FEATURES, LEAF, MISSING_LEFT, Forest
from tripos.supervised.trees.walk import nodes_of

U = np.uint64
LEFT, LEVELS, ENDS = 1, 2, 4  # marks of a saved node


@kernel(
    "i8[:, ::1], f8[:, ::1], u8[:, ::1], i8[:, ::1], u8[::1], f4[::1], u4[::1], i4[::1], u8[:, ::1], u4[::1]"
)
def pack_tree(nodes, numbers, level_bits, stack, words, values, rows, levels, bits, answers):  # type: ignore[no-untyped-def]
    """Writes a grown tree in order; returns how many nodes and sets of levels it has."""
    n, n_sets, waiting = 1, 0, 1
    stack[0, 0], stack[0, 1] = 0, 0
    while waiting:
        waiting -= 1
        old, new = stack[waiting, 0], stack[waiting, 1]
        rows[new] = np.uint32(numbers[old, WEIGHT] + 0.5)
        j = nodes[old, FEATURE]
        if j < 0:
            words[new] = U(new) | (U(255) << U(48)) | LEAF
            values[new] = np.float32(numbers[old, VALUE])
            answers[new] = np.uint32(numbers[old, VALUE]) if numbers[old, VALUE] > 0.0 else np.uint32(0)
            continue
        values[new] = np.float32(numbers[old, GAIN])
        word = U(n) | (U(j) << U(32))
        if nodes[old, NODE_LEVELS] >= 0:
            word |= BY_LEVELS
            levels[n] = np.int32(n_sets)
            for k in range(4):
                bits[n_sets, k] = level_bits[nodes[old, NODE_LEVELS], k]
            n_sets += 1
        else:
            side = U(nodes[old, SPLIT] // 256)
            word |= ((U(nodes[old, SPLIT] % 256) + side) << U(48)) | (side << U(56))
        words[new] = word
        child = nodes[old, NODE_CHILD]
        stack[waiting, 0], stack[waiting, 1] = child + 1, n + 1
        stack[waiting + 1, 0], stack[waiting + 1, 1] = child, n
        waiting += 2
        n += 2
    return n, n_sets


@kernel("i8[:, ::1], f8[:, ::1], i8, f8, f8[:, ::1]")
def prune_weakest(nodes, numbers, n, alpha, below):  # type: ignore[no-untyped-def]
    """Cuts the weakest links of a tree: while the impurity that a subtree saves per leaf is at most alpha.

    Breiman et al., "Classification and regression trees" (1984), section 3.3. `below` holds leaves and impurity.
    """
    while True:
        weakest, least = -1, alpha
        for i in range(n - 1, -1, -1):
            if nodes[i, FEATURE] < 0:
                below[i, 0], below[i, 1] = 1.0, numbers[i, IMPURITY]
                continue
            child = nodes[i, NODE_CHILD]
            below[i, 0] = below[child, 0] + below[child + 1, 0]
            below[i, 1] = below[child, 1] + below[child + 1, 1]
            link = (numbers[i, IMPURITY] - below[i, 1]) / (below[i, 0] - 1.0)
            if link <= least:
                weakest, least = i, link
        if weakest < 0:
            return
        nodes[weakest, FEATURE] = -1


@kernel("u2[::1], u1[::1], u1[::1], i8[::1], u8[::1], i4[::1], i8[::1]")
def rebuild(features, bins, marks, starts, words, levels, stack):  # type: ignore[no-untyped-def]
    """Words of saved nodes; False where a tree has too many nodes or too few."""
    n_sets = 0
    for t in range(starts.size - 1):
        first, end = starts[t], starts[t + 1]
        n, waiting = first + 1, 1
        stack[0] = first
        while waiting:
            waiting -= 1
            i = stack[waiting]
            if marks[i] & ENDS:
                words[i] = U(i) | (U(255) << U(48)) | LEAF
                continue
            if n + 1 >= end:
                return False
            words[i] = U(n) | (U(features[i]) << U(32))
            if marks[i] & LEVELS:
                words[i] |= BY_LEVELS
                if levels.size:
                    levels[n] = np.int32(n_sets)
                n_sets += 1
            else:
                words[i] |= (U(bins[i]) << U(48)) | (U(marks[i] & LEFT) << U(56))
            stack[waiting], stack[waiting + 1] = n + 1, n
            waiting += 2
            n += 2
        if n != end:
            return False
    return True


@dataclass(frozen=True, eq=False)
class LeafForest(Forest):
    """The trees of a random forest; see `Forest` for what a node is.

    Attributes
    ----------
    answers : uint32 ndarray of shape (n_nodes,), or (0,)
        At leaves the number of the answer, where answers are shares.
    places : int32 ndarray, parts : float32 ndarray, ends : int64 ndarray of shape (n_answers + 1,)
        Answer a gives parts[k] to places[k] for ends[a] <= k < ends[a + 1].
    """

    answers: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))
    places: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    parts: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    ends: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))

    state: ClassVar[dict[str, Spec]] = {
        "words": None,  # type: ignore[dict-item]
        "levels": None,  # type: ignore[dict-item]
        "features": Array("u", ("nodes",)),
        "bins": Array("u", ("nodes",)),
        "marks": Array("u", ("nodes",), high=7),
        "values": Array("f", (None,)),
        "rows": Array("u", ("nodes",)),
        "answers": Array("u", (None,)),
        "starts": Array("i", (None,), low=0),
        "level_bits": Array("u", ("level_splits", 4)),
        "places": Array("i", ("parts",), low=0),
        "parts": Array("f", ("parts",)),
        "ends": Array("i", (None,), low=0),
        "n_outputs": Number("i", low=1),
    }

    @property
    def shares(self) -> tuple[np.ndarray, ...]:
        return self.answers, self.places, self.parts, self.ends

    def _save_state(self) -> dict[str, Any]:
        """Nodes without their children's places; gains of splits and answers of leaves where these are shares."""
        word, leaf = self.words, self.is_leaf
        by_levels, left = (word & BY_LEVELS) != 0, (word & MISSING_LEFT) != 0
        marks = (left * LEFT + by_levels * LEVELS + leaf * ENDS).astype(np.uint8)
        several = len(self.answers) > 0
        return {
            "features": ((word >> U(32)) & FEATURES).astype(np.uint16),
            "bins": ((word >> U(48)) & BYTE).astype(np.uint8),
            "marks": marks,
            "values": self.values[~leaf] if several else self.values,
            "rows": self.rows,
            "answers": self.answers[leaf] if several else self.answers,
            **{
                name: getattr(self, name)
                for name in ("starts", "level_bits", "places", "parts", "ends", "n_outputs")
            },
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        kinds = {"features": np.uint16, "bins": np.uint8, "marks": np.uint8, "values": np.float32}
        kinds |= {"rows": np.uint32, "answers": np.uint32, "starts": np.int64, "level_bits": np.uint64}
        kinds |= {"places": np.int32, "parts": np.float32, "ends": np.int64}
        for name, kind in kinds.items():
            if state[name].dtype != kind:
                raise ValueError(f"{name} must be {np.dtype(kind)}, found {state[name].dtype}")
        marks, starts = state["marks"], state["starts"]
        n = len(marks)
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 1).any():
            raise ValueError("starts does not part the nodes into trees")
        splits = (marks & LEVELS) != 0
        if (splits & ((marks & ENDS) != 0)).any() or np.count_nonzero(splits) != len(state["level_bits"]):
            raise ValueError("level_bits does not have a row for each split on levels")
        words, levels = np.empty(n, np.uint64), np.full(n if splits.any() else 0, -1, np.int32)
        stack = np.empty(int(np.diff(starts).max()) + 2, np.int64)
        if not rebuild(state["features"], state["bins"], marks, starts, words, levels, stack):
            raise ValueError("the nodes do not make trees")
        values, answers = self._load_answers(state, (marks & ENDS) != 0)
        names = ("rows", "starts", "level_bits", "places", "parts", "ends", "n_outputs")
        loaded = {name: state[name] for name in names}
        loaded |= {"words": words, "levels": levels, "values": values, "answers": answers}
        for name, value in loaded.items():
            object.__setattr__(self, name, value)

    def _load_answers(self, state: dict[str, Any], leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, found, ends = state["values"], state["answers"], state["ends"]
        if len(found) == 0:
            if len(values) != len(leaf):
                raise ValueError(f"values has {len(values)} entries for {len(leaf)} nodes")
            return values, found
        if len(ends) < 1 or ends[0] != 0 or ends[-1] != len(state["places"]) or (np.diff(ends) < 0).any():
            raise ValueError("ends does not part the shares into answers")
        if len(found) != np.count_nonzero(leaf) or len(values) != np.count_nonzero(~leaf):
            raise ValueError("values and answers are not for the splits and the leaves")
        if found.max() >= len(ends) - 1 or (state["places"] >= state["n_outputs"]).any():
            raise ValueError("a leaf names an answer that is not there")
        all_values, answers = np.zeros(len(leaf), np.float32), np.zeros(len(leaf), np.uint32)
        all_values[~leaf], answers[leaf] = values, found
        return all_values, answers

    def _check_state(self) -> None:
        """Before it is saved: what `_load_state` tests on the way back is true by construction."""

    def gains_by_tree(self, n_features: int) -> np.ndarray:
        """The gain of the splits on each feature, of each tree, (n_trees, n_features)."""
        inner = np.flatnonzero(~self.is_leaf)
        tree = np.searchsorted(self.starts, inner, side="right") - 1
        at = tree * n_features + self.features[inner]
        sums = np.bincount(at, self.values[inner].astype(np.float64), self.n_trees * n_features)
        return sums.reshape(self.n_trees, n_features)

    def part(self, first: int, last: int) -> LeafForest:
        """The trees first <= t < last, as a forest of their own."""
        s, e = int(self.starts[first]), int(self.starts[last])
        levels = self.levels[s:e] if len(self.levels) else self.levels
        return LeafForest(
            self.words[s:e] - U(s), self.values[s:e], self.rows[s:e], self.starts[first : last + 1] - s, levels,
            self.level_bits, self.n_outputs, self.answers[s:e] if len(self.answers) else self.answers, self.places,
            self.parts, self.ends,
        )  # fmt: skip

    def check_answers(self, n_values: int, *, several: bool) -> None:
        """Raise unless a leaf answers with so many values, by shares if `several`."""
        if self.n_outputs != n_values or (len(self.answers) > 0) != several:
            raise ValueError(f"forest_ answers with {self.n_outputs} values, not {n_values}")

    def walker(self, binning: Binning) -> LeafWalker:
        """What predicts from cells."""
        return LeafWalker(self, binning)

    def written_out(self, binning: Binning) -> Nodes:
        """The form that explaining, printing and drawing read."""
        return nodes_of(self, binning)

    def dense_values(self) -> np.ndarray:
        """What each leaf answers, NaN at splits, (n_nodes, n_outputs)."""
        leaf = self.is_leaf
        if len(self.answers) == 0:
            return np.where(leaf, self.values, np.nan).astype(np.float64).reshape(-1, 1)
        table = np.zeros((len(self.ends) - 1, self.n_outputs))
        table[np.repeat(np.arange(len(table)), np.diff(self.ends)), self.places] = self.parts
        return np.where(leaf[:, None], table[self.answers], np.nan)
