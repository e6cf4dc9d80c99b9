"""Growing the exact trees of a forest: columns sorted once, a tree of CART on the rows that each draws.

Tree t depends on the seed and on t alone. It draws the rows that the tree of a binned forest with the same seed draws; how
often a row is drawn is its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.budget import require
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees import cart_grow as g
from tripos.supervised.trees import prune
from tripos.supervised.trees.cart_fit import Grown, Limits, grow_tree
from tripos.supervised.trees.cart_sort import SortedColumns
from tripos.supervised.trees.cart_target import Target
from tripos.supervised.trees.cart_tree import CartTree
from tripos.supervised.trees.forest_exact import ExactForest
from tripos.supervised.trees.forest_fit import Plan, balanced
from tripos.supervised.trees.forest_rows import draw_rows

U = np.uint64


@dataclass(frozen=True)
class Lesson:
    """What exact trees learn.

    Attributes
    ----------
    target : callable
        Makes the target of a tree from the rows' weights, which may be zero.
    n_classes : int
        Of one target of classes; 0 for several, or for numbers.
    classes : bool
    entropy : bool
    n_values : int
        Values of an answer; one for two classes.
    """

    target: Callable[[np.ndarray | None], Target]
    n_classes: int
    classes: bool
    entropy: bool
    n_values: int

    @property
    def shared(self) -> np.ndarray:
        """The answers that pure leaves share."""
        if self.n_classes == 0:
            return np.empty((0, self.n_values))
        if self.n_values == 1:
            return np.array([[0.0], [1.0]])
        return np.eye(self.n_classes)


@dataclass(frozen=True)
class ExactTree:
    """A grown tree, the answers that are its own, and the rows it drew as bits."""

    tree: CartTree
    decreases: np.ndarray
    answers: np.ndarray
    own: np.ndarray
    in_bag: np.ndarray


class ExactGrower:
    """Grows exact trees from fixed rows and targets."""

    def __init__(
        self, columns: SortedColumns, lesson: Lesson, limits: Limits, plan: Plan, share_of_weight: float,
        weight: np.ndarray | None, seed: int, *, note_bags: bool,
    ) -> None:  # fmt: skip
        self.columns, self.lesson, self.limits, self.plan = columns, lesson, limits, plan
        self.share_of_weight, self.weight, self.seed, self.note_bags = (
            share_of_weight,
            weight,
            seed,
            note_bags,
        )
        self.cumulative = np.cumsum(weight) if plan.bootstrap and weight is not None else np.empty(0)

    def grow(self, trees: range, n_jobs: int | None) -> list[ExactTree]:
        """The trees with these numbers."""
        n, size = self.columns.n_rows, self.columns.entries.nbytes
        most = min(n, self.limits.max_leaf_nodes or n)
        node = 8 * (g.N_INTS + g.FIRST + 2) + 8 * self.lesson.n_values
        together = min(thread_count(n_jobs), max(len(trees), 1))
        require((size + 2 * most * node + 40 * n) * together, what=f"growing exact trees from {n:,} rows")
        return parallel(self._tree, trees, n_jobs)

    def _tree(self, t: int) -> ExactTree:
        n, plan = self.columns.n_rows, self.plan
        rng = np.random.SeedSequence([self.seed, t]).generate_state(2, np.uint64) | U(1)
        seed, weight, rows, in_bag = int(rng[1] >> U(2)), self.weight, None, np.empty(0, np.uint8)
        columns = self.columns
        if plan.bootstrap:
            counts = np.empty(n, np.uint32)
            draw_rows(rng, plan.n_draws, self.cumulative, counts)  # type: ignore[no-untyped-call]
            weight = counts.astype(np.float64)
            if plan.balance is not None:
                weight *= balanced(plan.balance, counts)
            drawn = counts > 0
            rows = np.flatnonzero(drawn).astype(np.uint32)
            columns = columns.of_rows(drawn)
            if self.note_bags:
                in_bag = np.packbits(drawn, bitorder="little")
        else:
            columns = columns.copy()
        target = self.lesson.target(weight)
        limits = self.limits
        if self.share_of_weight > 0.0:
            least = self.share_of_weight * target.total / target.weight_scale
            limits = replace(limits, min_weight_leaf=least)
        grown = grow_tree(columns, target, limits, seed, rows)
        return self._pack(grown, target, in_bag)

    def _pack(self, grown: Grown, target: Target, in_bag: np.ndarray) -> ExactTree:
        said, impurities = self._answers(grown, target)
        W = grown.numbers[:, g.WEIGHT] / target.weight_scale
        decreases = grown.numbers[:, g.GAIN] / target.weight_scale
        rows = (W + 0.5).astype(np.uint32)
        values = np.column_stack([said, decreases])
        p = len(self.columns.begin)
        tree = CartTree(grown.nodes, grown.levels, values, rows, impurities, W, p)
        if self.plan.alpha > 0.0:
            alphas = prune.cost_complexity_path(tree, impurities * W / W[0]).node_alphas
            tree = tree.without((alphas <= self.plan.alpha) & ~tree.is_leaf)
        leaf = tree.is_leaf
        decreases = np.where(leaf, 0.0, tree.values[:, -1]).astype(np.float32)
        answers, own = self._numbered(tree.values[:, :-1], leaf)
        return ExactTree(tree, decreases, answers, own, in_bag)

    def _answers(self, grown: Grown, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """What each node answers, and its impurity."""
        numbers = grown.numbers
        if not self.lesson.classes:
            said = numbers[:, g.FIRST + target.n_sums :]
            if self.limits.directions is not None:
                bounds = numbers[:, [g.LOWER, g.UPPER]] / target.scale + target.center
                said = np.clip(said, bounds[:, :1], bounds[:, 1:])
            return said, numbers[:, g.IMPURITY]
        shares = numbers[:, g.FIRST :] / numbers[:, [g.WEIGHT]]
        if self.lesson.n_values == 1:
            second = shares[:, -1:] if self.lesson.n_classes == 2 else np.ones((len(shares), 1))
            if self.limits.directions is not None:
                second = np.clip(second, numbers[:, [g.LOWER]], numbers[:, [g.UPPER]])
            return second, self._impurity(np.column_stack([1.0 - second, second]), 1)
        return shares, self._impurity(shares, target.n_outputs)

    def _impurity(self, shares: np.ndarray, n_targets: int) -> np.ndarray:
        if self.lesson.entropy:
            return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=1) / n_targets)
        return np.asarray(1.0 - (shares * shares).sum(axis=1) / n_targets)

    def _numbered(self, said: np.ndarray, leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For leaves the number of their answer, the shared ones first, and the answers that are the tree's own."""
        answers, shared = np.zeros(len(said), np.uint32), len(self.lesson.shared)
        own = leaf.copy()
        if shared:
            pure = leaf & ((said == 0.0) | (said == 1.0)).all(axis=1)
            answers[pure] = said[pure, 0] if said.shape[1] == 1 else said[pure].argmax(axis=1)
            own &= ~pure
        answers[own] = shared + np.arange(np.count_nonzero(own), dtype=np.uint32)
        return answers, said[own]

    # ---- all of them -----------------------------------------------------------------------------

    def plant(self, trees: list[ExactTree], known: ExactForest | None) -> ExactForest:
        """The trees behind those already known."""
        kind = np.float32 if self.lesson.classes else np.float64
        table = [self.lesson.shared.astype(kind) if known is None else known.table]
        n_shared, n_answers = len(self.lesson.shared), len(table[0])
        n_levels = 0 if known is None else len(known.levels)
        starts = [0] if known is None else known.starts.tolist()
        parts: list[tuple[np.ndarray, ...]] = []
        levels = []
        if known is not None:
            parts.append((known.nodes, known.decreases, known.rows, known.answers))
            levels.append(known.levels)
        for one in trees:
            nodes, tree = one.tree.nodes, one.tree
            if n_levels and len(tree.levels):
                nodes = nodes.copy()
                nodes[tree.by_levels, 1] += np.uint32(n_levels)
            shift = np.uint32(n_answers - n_shared)
            answers = np.where(one.answers >= n_shared, one.answers + shift, one.answers)
            answers[~tree.is_leaf] = 0
            parts.append((nodes, one.decreases, tree.rows, answers))
            levels.append(tree.levels)
            table.append(one.own.astype(kind))
            n_answers, n_levels = n_answers + len(one.own), n_levels + len(tree.levels)
            starts.append(starts[-1] + len(nodes))
        joined: list[Any] = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        answered = np.concatenate(table)
        if len(answered) == 0:
            answered = np.zeros((1, self.lesson.n_values), kind)
        rest: tuple[Any, ...] = (np.array(starts, np.int64), np.concatenate(levels), answered)
        return ExactForest(*joined, *rest, len(self.columns.begin))  # type: ignore[call-arg]


def left_out(
    forest: ExactForest, walker: Any, X: Any, bags: list[np.ndarray], n_jobs: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the answers of the trees that did not draw a row, (n_rows, n_values), and how many those are."""
    n = X.shape[0]
    out, n_trees = np.zeros((n, forest.n_outputs)), np.full(n, len(bags), np.int64)
    for bits in bags:
        n_trees -= np.unpackbits(bits, bitorder="little")[:n]
    walker.add(X.tocsr() if sp.issparse(X) else X, out, n_jobs, bags)
    return out, n_trees
