"""Rules out of trees: the path to a leaf as one sentence, with what it covers and how sure it is.

    if a_1 and ... and a_d then value,    coverage = P(a_1, ..., a_d),    confidence = P(answer | a_1, ..., a_d)

Questions about the same column are drawn together: age > 30 and age > 37.5 is age > 37.5.

References
----------
J. R. Quinlan, C4.5: Programs for Machine Learning (1993), chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tripos.supervised.trees.export import Reading, codes_left
from tripos.supervised.trees.nodes import Nodes


@dataclass(frozen=True)
class Rule:
    """A path from the root to a leaf.

    Attributes
    ----------
    tree, leaf : int
        The leaf is counted within its tree.
    conditions : tuple of str
    answer : str
        What the leaf says.
    values : ndarray of shape (n_values,)
    rows : float
        Rows (or weight) that the rule covers.
    coverage : float
        Their share of all rows.
    confidence : float
        Share of the covered rows for which the answer is right; for numbers the standard deviation of the target
        among them. NaN where it is not known (pass X and y).
    """

    tree: int
    leaf: int
    conditions: tuple[str, ...]
    answer: str
    values: np.ndarray
    rows: float
    coverage: float
    confidence: float = float("nan")

    def __str__(self) -> str:
        text = " and ".join(self.conditions) or "always"
        sure = "" if np.isnan(self.confidence) else f", confidence {self.confidence:.4g}"
        return f"if {text} then {self.answer}  [{self.rows:,.6g} rows, coverage {self.coverage:.1%}{sure}]"


@dataclass
class Part:
    """What a path says about one column so far."""

    low: float = -np.inf
    high: float = np.inf
    codes: frozenset[int] | None = None  # that may be there; None for all
    barred: frozenset[int] = frozenset()
    missing: bool | None = None  # whether missing cells come along; None where they always did

    def narrowed(self, nodes: Nodes, i: int, left: bool) -> Part:
        """After node i."""
        goes = bool(nodes.missing_left[i]) == left
        missing = goes if self.missing is None else self.missing and goes
        part = Part(self.low, self.high, self.codes, self.barred, missing)
        if nodes.levels[i] >= 0:
            inside = frozenset(codes_left(nodes, i))
            if left:
                part.codes = (inside if self.codes is None else self.codes & inside) - self.barred
            elif self.codes is None:
                part.barred = self.barred | inside
            else:
                part.codes = self.codes - inside
        elif left:
            part.high = min(self.high, float(nodes.thresholds[i]))
        else:
            part.low = max(self.low, float(nodes.thresholds[i]))
        return part

    def text(self, j: int, reading: Reading, says_missing: bool) -> str:
        """The condition on column j."""
        name = reading.names[j]
        also = " or missing" if self.missing and says_missing else ""
        if self.codes is not None:
            return reading.level_split(j, sorted(self.codes), True) + also
        if self.barred:
            return reading.level_split(j, sorted(self.barred), False) + also
        if self.low == np.inf:
            return f"{name} is missing"
        low, high = reading.number(self.low), reading.number(self.high)
        if np.isinf(self.low) and np.isinf(self.high):
            return f"{name} is known" if self.missing is False else f"{name} is anything"
        if np.isinf(self.low):
            return f"{name} <= {high}{also}"
        return f"{name} > {low}{also}" if np.isinf(self.high) else f"{low} < {name} <= {high}{also}"


def paths_of(nodes: Nodes, tree: int) -> Iterator[tuple[int, dict[int, Part]]]:
    """Each leaf, from left to right, with what its path says column by column, in order of appearance."""
    stack: list[tuple[int, dict[int, Part]]] = [(int(nodes.starts[tree]), {})]
    while stack:
        i, parts = stack.pop()
        if nodes.features[i] < 0:
            yield i, parts
            continue
        j = int(nodes.features[i])
        known = parts.get(j, Part())
        stack.append((int(nodes.right[i]), {**parts, j: known.narrowed(nodes, i, False)}))
        stack.append((int(nodes.left[i]), {**parts, j: known.narrowed(nodes, i, True)}))


def rules_of(nodes: Nodes, reading: Reading, tree: int, *, missing: bool = False) -> list[Rule]:
    """The rules of a tree, from its left leaf to its right one, with training coverage."""
    if not 0 <= tree < nodes.n_trees:
        raise ValueError(f"tree must lie between 0 and {nodes.n_trees - 1}, got {tree!r}")
    start = int(nodes.starts[tree])
    total = float(nodes.weights[start]) or 1.0
    rules = []
    for i, parts in paths_of(nodes, tree):
        rows = float(nodes.weights[i])
        rules.append(
            Rule(
                tree=tree,
                leaf=i - start,
                conditions=tuple(part.text(j, reading, missing) for j, part in parts.items()),
                answer=reading.value_text(nodes.values[i], tree, nodes.n_outputs),
                values=nodes.values[i],
                rows=rows,
                coverage=rows / total,
                confidence=float(nodes.values[i].max()) if reading.shares else float("nan"),
            )
        )
    return rules
