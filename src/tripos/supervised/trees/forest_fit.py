"""The trees of a forest, each from rows and features drawn from its own stream of random numbers.

Trees grow in the pool's threads; tree t depends on the seed and on t alone, so the forest is the same for any number
of threads, and a warm start continues it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.budget import require
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees.binning import Binned, Binning
from tripos.supervised.trees.forest_classes import FEW, LANES
from tripos.supervised.trees.forest_grow import grow_scalar, grow_vector
from tripos.supervised.trees.forest_nodes import LeafForest, pack_tree, prune_weakest
from tripos.supervised.trees.forest_random import Counting, counts_rows
from tripos.supervised.trees.forest_rows import (
    MIN_GAIN,
    MIN_WEIGHT,
    MOST_NOTED,
    N_FOUND,
    N_NODE,
    N_NODE_NUMBERS,
    N_PROGRESS,
    N_WAITING,
    N_WAITING_NUMBERS,
    NODES,
    OPEN,
    SHARES,
    UNIT,
    WEIGHT_UNIT,
    draw_rows,
    write_keys,
)
from tripos.supervised.trees.forest_walk import answer_out_of_bag

U = np.uint64
BUDGET = 20_000_000  # rows looked at between returns to Python: about a tenth of a second
ROWS_PER_PIECE = 1 << 13
VALUE_BITS = 30


@dataclass(frozen=True)
class Target:
    """What trees learn: classes, or numbers; one number a row (scalar) or places among several sums.

    Attributes
    ----------
    codes : int32 ndarray of shape (n_rows, T) or (n_rows, 0)
        Of classes: their places among the sums.
    values : float64 ndarray of shape (n_rows, T) or (n_rows, 0)
        Of numbers: less `centers`.
    scalar : bool
    n_values : int
        Sums, which are the values of an answer.
    q : int32 ndarray of shape (n_rows,), or (0,)
        A scalar's values as integers.
    unit : float
        What one of them is worth.
    classes : bool
        Whether there is one target, of classes.
    """

    codes: np.ndarray
    values: np.ndarray
    centers: np.ndarray
    scalar: bool
    n_values: int
    q: np.ndarray
    unit: float
    classes: bool = False

    @classmethod
    def of_classes(cls, codes: np.ndarray, n_classes: list[int], *, entropy: bool) -> Target:
        """From codes (n_rows, T) with so many classes each."""
        n, T = codes.shape
        unit = 1.0 / np.log(2.0) if entropy else 1.0
        none = np.empty((n, 0))
        if T == 1 and n_classes[0] <= 2:
            q = codes[:, 0].astype(np.int32)
            scale = unit if entropy else np.sqrt(2.0)  # the Gini index of two classes is twice the variance
            return cls(np.empty((n, 0), np.int32), none, np.zeros(1), True, 1, q, float(scale), True)
        starts = np.cumsum([0, *n_classes[:-1]])
        places = np.ascontiguousarray(codes + starts, dtype=np.int32)
        D = int(sum(n_classes))
        return cls(places, none, np.zeros(D), False, D, np.empty(0, np.int32), float(unit / T), T == 1)

    @classmethod
    def of_numbers(cls, y: np.ndarray, *, poisson: bool) -> Target:
        """From numbers (n_rows, T)."""
        n, T = y.shape
        if T > 1:
            centers = (
                y.min(axis=0) + y.max(axis=0)
            ) / 2  # unlike the mean the same for weights and repeated rows
            values = np.ascontiguousarray(y - centers)
            return cls(np.empty((n, 0), np.int32), values, centers, False, T, np.empty(0, np.int32), 1.0 / T)
        low, high = (0.0, float(y.max())) if poisson else (float(y.min()), float(y.max()))
        span = high - low
        step = 2.0 ** (np.ceil(np.log2(span)) - VALUE_BITS) if span > 0 else 1.0
        if not np.isfinite(span) or step == 0.0:
            raise ValueError(
                f"y spans {low} to {high}, which is more or less than 64-bit sums can hold: scale y"
            )
        q = np.floor((y[:, 0] - low) / step + 0.5).astype(np.int32)
        return cls(np.empty((n, 0), np.int32), y, np.array([low]), True, 1, q, float(step))


@dataclass(frozen=True)
class Plan:
    """How trees grow.

    Attributes
    ----------
    settings, numbers : as `forest_rows` names them
        The smallest weight of a leaf and the smallest gain are shares of the root's weight here.
    bootstrap : bool
    n_draws : int
        Rows that the bootstrap draws.
    alpha : float
        Cost per leaf of pruning, 0 for none.
    """

    settings: np.ndarray
    numbers: np.ndarray
    bootstrap: bool = True
    n_draws: int = 0
    alpha: float = 0.0
    directions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    level_splits: bool = False
    balance: np.ndarray | None = None  # codes of the classes that each bootstrap weights equally


@dataclass(frozen=True)
class Rows:
    """The training cells as trees read them."""

    columns: np.ndarray
    cells: np.ndarray
    stride: int
    gappy: np.ndarray
    categorical: np.ndarray
    centers: np.ndarray

    @classmethod
    def of(cls, binned: Binned, binning: Binning, X: Any, *, random_cuts: bool) -> Rows:
        """Columns for large nodes, and rows for small ones."""
        require(binned.words.nbytes, what="the bins of the training rows")
        cells = np.ascontiguousarray(binned.words.T).view(np.uint8).reshape(-1)
        centers = _centers(binning, X) if random_cuts else np.zeros((binned.n_features, 1))
        stride = 8 * binned.words.shape[0]
        return cls(binned.columns, cells, stride, binned.missing, binned.categorical, centers)


def _centers(binning: Binning, X: Any) -> np.ndarray:
    """A value for each bin, between which random cuts are drawn: halfway between its bounds; then every sixteenth again."""
    centers = np.zeros((binning.n_features, 256 + 16))
    by_column = sp.csc_array(X) if sp.issparse(X) else None
    if by_column is None:
        lows, highs = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)  # NaN where no cell is known
    for j in range(binning.n_features):
        if binning.categorical[j]:
            continue
        cuts = binning.cuts[binning.starts[j] : binning.starts[j + 1]]
        ends = (0.0, 0.0)
        if by_column is None:
            if lows[j] == lows[j]:
                ends = float(lows[j]), float(highs[j])
        else:
            known = by_column.data[by_column.indptr[j] : by_column.indptr[j + 1]]
            known = np.append(known, np.zeros(int(len(known) < X.shape[0]), X.dtype))
            known = known[~np.isnan(known)]
            if len(known):
                ends = float(known.min()), float(known.max())
        middle = (cuts[1:] + cuts[:-1]) / 2
        first, last = (min(ends[0], *cuts[:1]), max(ends[1], *cuts[-1:])) if len(cuts) else (ends[0], ends[1])
        line = np.concatenate([[first], middle, [last]]) if len(cuts) else np.array([first])
        centers[j, : len(line)] = line
        centers[j, len(line) :] = line[-1]
        centers[j, 256:] = centers[j, :256:16]
    return centers


class Tools:
    """The memory one thread grows trees in."""

    def __init__(self, rows: Rows, target: Target, plan: Plan, n: int, *, plain: bool) -> None:
        F = rows.columns.shape[0]
        T = max(target.codes.shape[1], target.values.shape[1])
        D = target.n_values
        max_leaves = int(plan.settings[4])
        leaves = min(n, max_leaves) if max_leaves else n
        open_leaves = max(min(n, 255 * F), max_leaves) + 4
        keep = 2 if plan.settings[7] else 1
        n_q = n if target.scalar else 0
        self.keys, self.q = np.empty(n, np.uint64), np.empty(n_q, np.int32)
        self.values, self.bins = np.empty(n if target.scalar else 0, np.uint64), np.empty(n, np.uint8)
        self.spare, self.spare_q = np.empty(n, np.uint64), np.empty(n_q, np.int32)
        self.nodes = np.empty((2 * leaves + 1, N_NODE), np.int64)
        self.found = np.empty((2 * leaves + 1, N_NODE_NUMBERS))
        words = -(-F // 64) if F <= MOST_NOTED else 0
        self.waiting = np.zeros((open_leaves + 1, N_WAITING + words), np.int64)
        self.counting = Counting(n, open_leaves, words) if plain else None
        self.bounds = np.empty((open_leaves, N_WAITING_NUMBERS))
        self.level_bits = np.zeros((leaves + 1 if plan.level_splits else 1, 4), np.uint64)
        self.stack = np.empty((2 * leaves + 2, 2), np.int64)
        self.counts = np.empty(n if plan.bootstrap else 0, np.uint32)
        small = (np.zeros(256, np.int64), np.zeros(4, np.uint64), np.zeros(256, np.int64), np.zeros(256))
        counts, bitmap, order, shares = small
        self.hist: tuple[np.ndarray, ...]
        if target.scalar:
            weights, tops, gains = np.zeros(256, np.int32), np.zeros(256, np.int32), np.zeros(256, np.float32)
            self.hist = (np.zeros(256, np.uint64), counts, bitmap, weights, tops, gains, order, shares)
            return
        self.hist = (
            np.zeros((256, D)), np.zeros(256), counts, bitmap, order, shares, np.zeros(D), np.zeros(D)
        )  # fmt: skip
        self.amounts = (np.empty(n * T, np.int32), np.empty(n * T), np.empty(n), np.empty(n, np.int32))
        wide = -(-D // LANES) * LANES
        self.tools = (
            np.zeros(256 * wide, np.int32), np.zeros(4, np.uint64), np.zeros(wide), np.zeros(wide), np.zeros(FEW, np.uint64),
            np.zeros(FEW, np.uint64), np.zeros(n + 1, np.int32),
        )  # fmt: skip
        entries = keep * (n * T if target.codes.shape[1] else 2 * n * D)
        self.shares = (
            np.empty(entries, np.int32), np.empty(entries, np.float32), np.zeros(2 * n + 2, np.int64)
        )  # fmt: skip


@dataclass(frozen=True)
class Grown:
    """One packed tree, the rows it drew as bits, and its answers."""

    words: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    levels: np.ndarray
    bits: np.ndarray
    answers: np.ndarray
    places: np.ndarray
    parts: np.ndarray
    ends: np.ndarray
    in_bag: np.ndarray


class Grower:
    """Grows trees from fixed rows and targets."""

    def __init__(
        self, rows: Rows, target: Target, plan: Plan, weight: np.ndarray | None, seed: int, *, note_bags: bool
    ) -> None:
        self.rows, self.target, self.plan, self.seed, self.note_bags = rows, target, plan, seed, note_bags
        self.weight = weight
        self.n = rows.columns.shape[1]
        self.cumulative = np.cumsum(weight) if plan.bootstrap and weight is not None else np.empty(0)
        self.plain = counts_rows(rows, target, plan, weight)
        self._tools: list[Tools] = []

    def plant(self, trees: list[Grown], known: LeafForest | None) -> LeafForest:
        """The trees behind those already known."""
        return plant(trees, self.target, known) if trees or known is None else known

    def grow(self, trees: range, n_jobs: int | None) -> list[Grown]:
        """The trees with these numbers."""
        size = self.n * (110 if self.target.scalar else 140)
        require(size * min(thread_count(n_jobs), len(trees)), what=f"growing trees from {self.n:,} rows")
        return parallel(self._tree, trees, n_jobs)

    def _tree(self, t: int) -> Grown:
        try:
            tools = self._tools.pop()
        except IndexError:
            tools = Tools(self.rows, self.target, self.plan, self.n, plain=self.plain)
        rng = np.random.SeedSequence([self.seed, t]).generate_state(2, np.uint64) | U(1)
        if tools.counting is not None:
            rows, target, plan = self.rows, self.target, self.plan
            progress = tools.counting.grow(rows, target, plan, tools.nodes, tools.found, rng, BUDGET)
        else:
            progress = self._grow(tools, rng, *self._draw(tools, rng))
        grown = self._pack(tools, progress)
        self._tools.append(tools)
        return grown

    def _draw(self, tools: Tools, rng: np.ndarray) -> tuple[int, float]:
        """Writes the tree's rows; how many there are, and what a unit of their weights is worth."""
        plan, factors = self.plan, np.empty(0)
        if plan.bootstrap:
            draw_rows(rng, plan.n_draws, self.cumulative, tools.counts)
            if plan.balance is not None:
                factors = balanced(plan.balance, tools.counts)
        elif self.weight is not None:
            factors = self.weight
        else:
            factors = np.ones(self.n)
        scale = 1.0
        if factors.size:
            total = float(factors @ tools.counts if plan.bootstrap else factors.sum())
            whole = not plan.bootstrap and (factors == np.floor(factors)).all()
            scale = 1.0 if whole and total < 2**31 else 2.0 ** np.floor(30 - np.log2(total))
        m = int(write_keys(tools.counts, factors, scale, tools.keys))
        if self.target.scalar:
            rows = (tools.keys[:m] & U(0xFFFFFFFF)).astype(np.int64)
            np.take(self.target.q, rows, out=tools.q[:m])
        return m, 1.0 / scale

    def _grow(self, tools: Tools, rng: np.ndarray, m: int, unit: float) -> np.ndarray:
        plan, target, rows = self.plan, self.target, self.rows
        numbers = plan.numbers.copy()
        root = float((tools.keys[:m] >> U(32)).sum())
        numbers[MIN_WEIGHT] *= root
        numbers[MIN_GAIN] *= root * unit
        numbers[UNIT], numbers[WEIGHT_UNIT] = target.unit, unit
        progress = np.zeros(N_PROGRESS, np.int64)
        progress[[OPEN, NODES, 3]] = 1
        tools.waiting[0], tools.bounds[0] = 0, (-np.inf, np.inf, -2.0)
        tools.waiting[0, 1] = m
        data = (*(getattr(rows, k) for k in ("columns", "cells", "stride", "gappy", "categorical", "centers")), plan.directions)  # fmt: skip
        found, bits = np.zeros(N_FOUND, np.int64), np.zeros(4, np.uint64)
        work = (tools.keys, tools.q, tools.values, tools.bins, found, bits)
        perm = np.tile(np.arange(rows.columns.shape[0], dtype=np.int64), (2, 1))
        choice = (rng, perm, np.zeros(N_FOUND, np.int64), np.zeros(4, np.uint64), tools.spare, tools.spare_q)
        tree = (tools.nodes, tools.found, tools.waiting, tools.bounds, tools.level_bits, progress)
        settings: Any = plan.settings
        if target.scalar:
            y = target.values.reshape(-1)
            while not grow_scalar(data, work, tools.hist, choice, tree, settings, numbers, y, BUDGET):
                pass
        else:
            given = (target.codes, target.values, target.centers)
            while not grow_vector(
                data, work, tools.amounts, tools.hist, tools.tools, choice, tree, settings, numbers, given, tools.shares, BUDGET
            ):  # fmt: skip
                pass
        if plan.alpha > 0.0:
            n, below = int(progress[NODES]), np.empty((int(progress[NODES]), 2))
            prune_weakest(tools.nodes, tools.found, n, plan.alpha * root * unit, below)
        return progress

    def _pack(self, tools: Tools, progress: np.ndarray) -> Grown:
        n = int(progress[NODES])
        words, values, rows = np.empty(n, np.uint64), np.empty(n, np.float32), np.empty(n, np.uint32)
        levels, answers = np.full(n, -1, np.int32), np.zeros(n, np.uint32)
        bits = np.empty((int(progress[2]), 4), np.uint64)
        n, n_sets = pack_tree(
            tools.nodes,
            tools.found,
            tools.level_bits,
            tools.stack,
            words,
            values,
            rows,
            levels,
            bits,
            answers,
        )
        places, parts, ends = np.empty(0, np.int32), np.empty(0, np.float32), np.zeros(1, np.int64)
        if self.target.scalar:
            answers = answers[:0]
        else:
            leaf = (words[:n] >> U(58)) & U(1) == 1
            answers[:n][~leaf] = 0
            answers, places, parts, ends = _used(answers[:n], leaf, tools.shares, int(progress[SHARES]), self.target.n_values)  # fmt: skip
        in_bag = np.empty(0, np.uint8)
        if self.note_bags:
            in_bag = np.packbits(tools.counts > 0, bitorder="little")
        trimmed = (a[:n].copy() if len(a) > n else a for a in (words, values, rows, levels))
        return Grown(*trimmed, bits[:n_sets].copy(), answers, places, parts, ends, in_bag)  # type: ignore[call-arg]


def _used(
    answers: np.ndarray, leaf: np.ndarray, shares: tuple[np.ndarray, ...], n_shares: int, D: int
) -> tuple[np.ndarray, ...]:
    """Answers numbered by the leaves that give them, and their shares."""
    places, parts, ends = shares
    mixed = leaf & (answers >= D)
    chosen = answers[mixed].astype(np.int64) - D
    if len(chosen) == n_shares and (np.diff(chosen) == 1).all():
        end = ends[n_shares]
        return answers, places[:end].copy(), parts[:end].copy(), ends[: n_shares + 1].copy()
    sizes = ends[chosen + 1] - ends[chosen]
    new_ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    at = np.arange(new_ends[-1]) + np.repeat(ends[chosen] - new_ends[:-1], sizes)
    answers = answers.copy()
    answers[mixed] = D + np.arange(len(chosen), dtype=np.uint32)
    return answers, places[at], parts[at], new_ends


def balanced(codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Factors that give all classes the same weight among the rows drawn; of several targets their product."""
    factors = np.ones(len(counts))
    for column in codes.T:
        totals = np.bincount(column, counts)
        here = totals > 0
        wanted = np.zeros(len(totals))
        wanted[here] = counts.sum() / (np.count_nonzero(here) * totals[here])
        factors *= wanted[column]
    return factors


def plant(trees: list[Grown], target: Target, known: LeafForest | None) -> LeafForest:
    """The trees behind those already known."""
    D, starts = target.n_values, [0]
    n_nodes = n_sets = 0
    some = any(len(tree.bits) for tree in trees) or (known is not None and len(known.level_bits) > 0)
    lists: dict[str, list[np.ndarray]] = {k: [] for k in ("words", "levels", "answers", "ends")}
    if known is not None:
        n_nodes, n_sets, starts = len(known.words), len(known.level_bits), known.starts.tolist()
        lists["words"].append(known.words)
        lists["levels"].append(known.levels if len(known.levels) else np.full(n_nodes, -1, np.int32))
        lists["answers"].append(known.answers)
        places, parts, ends = [known.places], [known.parts], [known.ends]
        n_answers = len(known.ends) - 1
    elif target.scalar:
        places, parts, ends, n_answers = [np.empty(0, np.int32)], [np.empty(0, np.float32)], [np.zeros(1, np.int64)], 0  # fmt: skip
    else:  # the first D answers are the classes, which pure leaves share
        places, parts = [np.arange(D, dtype=np.int32)], [np.ones(D, np.float32)]
        ends, n_answers = [np.arange(D + 1)], D
    n_parts = int(ends[0][-1])
    for tree in trees:
        lists["words"].append(tree.words)
        if some:
            lists["levels"].append(np.where(tree.levels >= 0, tree.levels + np.int32(n_sets), np.int32(-1)))
        if not target.scalar:
            shift = np.uint32(n_answers - D)
            lists["answers"].append(np.where(tree.answers >= D, tree.answers + shift, tree.answers))
            places.append(tree.places)
            parts.append(tree.parts)
            ends.append(tree.ends[1:] + n_parts)
            n_parts += len(tree.places)
            n_answers += len(tree.ends) - 1
        n_nodes, n_sets = n_nodes + len(tree.words), n_sets + len(tree.bits)
        starts.append(n_nodes)
    everyone: list[Any] = [*([] if known is None else [known]), *trees]
    joined = [lists["words"], *([getattr(tree, name) for tree in everyone] for name in ("values", "rows"))]
    words, values, rows = parallel(np.concatenate, joined)
    for start, end in zip(starts[-len(trees) - 1 : -1], starts[-len(trees) :]):
        words[start:end] += U(start)
    return LeafForest(
        words=words,
        values=values,
        rows=rows,
        starts=np.array(starts, dtype=np.int64),
        levels=np.concatenate(lists["levels"]) if some else np.empty(0, np.int32),
        level_bits=np.concatenate(
            [*([] if known is None else [known.level_bits]), *(tree.bits for tree in trees)]
        ),
        n_outputs=D,
        answers=np.concatenate(lists["answers"]) if not target.scalar else np.empty(0, np.uint32),
        places=np.concatenate(places),
        parts=np.concatenate(parts),
        ends=np.concatenate(ends).astype(np.int64),
    )


def out_of_bag(
    rows: Rows, forest: LeafForest, bags: list[np.ndarray], n_jobs: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the answers of the trees that did not draw a row, (n_rows, n_values), and how many those are."""
    n = rows.columns.shape[1]
    out, n_trees = np.zeros((n, forest.n_outputs)), np.zeros(n, np.int64)
    in_bag = np.ascontiguousarray(np.stack(bags))
    trees = (forest.words, forest.values, forest.starts, forest.levels, forest.level_bits)

    def piece(s: int) -> None:
        e = min(s + ROWS_PER_PIECE, n)
        answer_out_of_bag(rows.cells, rows.stride, trees, forest.shares, in_bag, s, e, out, n_trees)

    parallel(piece, range(0, n, ROWS_PER_PIECE), n_jobs)
    return out, n_trees
