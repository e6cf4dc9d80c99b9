"""Trees in words: what each split asks, and a tree as indented text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tripos.supervised.trees.nodes import Nodes

SHOWN_LEVELS = 8


@dataclass(frozen=True)
class Reading:
    """How the numbers of a tree read.

    Attributes
    ----------
    names : list of str
        Of the columns the trees see.
    levels : dict of int to list of str
        Column -> names of its codes, for categories.
    outputs : list of str
        What each output (or each value of a node) is: classes, or one empty name.
    shares : bool
        Whether a node's values are shares of the classes.
    """

    names: list[str]
    levels: dict[int, list[str]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=lambda: [""])
    shares: bool = False

    def number(self, x: float) -> str:
        """Few digits, and never so few that a threshold reads as another whole number."""
        if abs(x) < 1e9 and x == round(x):
            return f"{x:,.0f}"
        return f"{x:,.2f}" if 1e4 <= abs(x) < 1e9 else f"{x:.5g}"

    def levels_text(self, j: int, codes: Sequence[int]) -> str:
        """`{a, b}`: the levels behind codes, the rest counted where there are many."""
        known = self.levels.get(j, [])
        words = [known[c] if c < len(known) else str(c) for c in codes]
        rest = len(words) - SHOWN_LEVELS
        shown = words if rest <= 1 else [*words[:SHOWN_LEVELS], f"{rest} more"]
        return "{" + ", ".join(shown) + "}"

    def level_split(self, j: int, inside: Sequence[int], left: bool) -> str:
        """`column in {..}`, over whichever side has fewer levels."""
        n = len(self.levels.get(j, []))
        outside = [c for c in range(n) if c not in set(inside)]
        listed, says_left = (inside, True) if not n or len(inside) <= len(outside) else (outside, False)
        if len(listed) == 1:
            level = self.levels_text(j, listed)[1:-1]
            return f"{self.names[j]} {'is' if says_left == left else 'is not'} {level}"
        return f"{self.names[j]} {'in' if says_left == left else 'not in'} {self.levels_text(j, listed)}"

    def value_text(self, values: np.ndarray, t: int, n_outputs: int) -> str:
        """A node's answer."""
        if len(values) > 1:
            best = int(np.argmax(values))
            if self.shares:
                return f"{self.outputs[best]} ({values[best]:.1%})"
            return "[" + ", ".join(f"{v:.5g}" for v in values) + "]"
        name = self.outputs[t % n_outputs] if n_outputs > 1 else ""
        return f"{values[0]:.5g}" + (f" for {name}" if name else "")


def codes_left(nodes: Nodes, i: int) -> list[int]:
    """The codes that go left at a split on levels."""
    bits = nodes.level_bits[nodes.levels[i]]
    marks = np.unpackbits(bits.view(np.uint8), bitorder="little")
    values = None if nodes.categories is None else nodes.categories[nodes.features[i]]
    found = np.flatnonzero(marks)
    known = found[found < (len(marks) if values is None else len(values))]
    return [int(code) for code in known]


def question(nodes: Nodes, i: int, reading: Reading, *, left: bool = True, missing: bool = False) -> str:
    """What holds for the rows that go left (or right) at node i; `missing` says where missing cells go too."""
    j = int(nodes.features[i])
    also = " or missing" if missing and bool(nodes.missing_left[i]) == left else ""
    if nodes.levels[i] >= 0:
        return reading.level_split(j, codes_left(nodes, i), left) + also
    t = float(nodes.thresholds[i])
    if np.isinf(t):
        known = (t > 0) == left
        return f"{reading.names[j]} is {'known' if known else 'missing'}"
    return f"{reading.names[j]} {'<=' if left else '>'} {reading.number(t)}{also}"


def export_text(
    nodes: Nodes,
    reading: Reading,
    tree: int = 0,
    *,
    max_depth: int = 10,
    show_weights: bool = True,
    missing: bool = False,
) -> str:
    """One tree as indented text: questions down the left edge, answers at the leaves."""
    if not 0 <= tree < nodes.n_trees:
        raise ValueError(f"tree must lie between 0 and {nodes.n_trees - 1}, got {tree!r}")
    below = leaf_counts(nodes, tree)
    lines: list[str] = []
    stack = [(int(nodes.starts[tree]), 0, "")]
    while stack:
        i, depth, text = stack.pop()
        if text:
            lines.append("|   " * (depth - 1) + "|--- " + text)
        indent = "|   " * depth + "|--- "
        rows = f"  ({nodes.weights[i]:,.6g} rows)" if show_weights else ""
        if nodes.features[i] < 0:
            lines.append(f"{indent}{reading.value_text(nodes.values[i], tree, nodes.n_outputs)}{rows}")
        elif depth >= max_depth:
            lines.append(f"{indent}... {below[i - nodes.starts[tree]]} leaves")
        else:
            for child, left in ((nodes.right[i], False), (nodes.left[i], True)):
                text = question(nodes, i, reading, left=left, missing=missing)
                stack.append((int(child), depth + 1, text))
    return "\n".join(lines) + "\n"


def leaf_counts(nodes: Nodes, tree: int) -> np.ndarray:
    """Leaves below each node of a tree, itself included, int64."""
    start, end = int(nodes.starts[tree]), int(nodes.starts[tree + 1])
    count = (nodes.features[start:end] < 0).astype(np.int64)
    for i in range(end - 1, start - 1, -1):
        if nodes.features[i] >= 0:
            count[i - start] = count[nodes.left[i] - start] + count[nodes.right[i] - start]
    return count
