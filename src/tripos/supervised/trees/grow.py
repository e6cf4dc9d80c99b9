"""One tree, grown leaf by leaf: the split that gains most first, or level by level.

    while there is a leaf worth splitting:
        its rows part in place into left and right
        the smaller side's histogram is added up, the larger side's is what is left of the parent's
        both look for their best split

`grow` runs this loop inside one kernel, because a tree of 31 leaves takes a few milliseconds and some hundred
calls. Where a histogram is much work it returns to Python instead, with the request in `state`; threads add the
histogram up and `grow` goes on where it was. The answer does not depend on who adds.

References
----------
Ke et al., "LightGBM: a highly efficient gradient boosting decision tree" (2017), for best-first growth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees.binning import Binned
from tripos.supervised.trees.bundling import Lanes
from tripos.supervised.trees.histogram import (
    GATHERED,
    PARALLEL_WORK,
    add_all,
    add_some,
    add_stored,
    clear,
    histogram,
)
from tripos.supervised.trees.leaves import (
    AGAIN,
    ANY_ORDER,
    ASK_ALL,
    ASK_COUNTS,
    ASK_END,
    ASK_PART,
    ASK_SLOT,
    ASK_START,
    BEGIN,
    BEST_FIRST,
    BY_LEVEL,
    CHOOSE,
    LARGE,
    LARGER,
    LEFT_CHILD,
    LEVELS,
    MIDDLE,
    N_FREE,
    N_LEAVES,
    N_LEVELS,
    N_NODE,
    N_NODE_NUMBERS,
    N_NODES,
    N_OPEN,
    N_STATE,
    PARTED,
    PHASE,
    RECOUNTED,
    ROOT,
    ROWS,
    SMALL,
    SMALLER,
    SPLIT_BIN,
    SPLIT_FEATURE,
    SPLIT_GAIN,
    SPLIT_MISSING,
    VALUE,
    allow,
    choose,
    clear_bins,
    divide,
    give_slot,
    mark_left,
    order_children,
    part,
    part_on_threads,
    splittable,
    subtract_bins,
    sum_of_rows,
    take_slot,
    value_of,
    write_split,
)
from tripos.supervised.trees.split import (
    ALPHA,
    BASE,
    BOUNDED,
    CATEGORICAL,
    COUNTED,
    DIRECTION,
    END,
    EXACT,
    FEATURE,
    G_UNIT,
    GAIN,
    GAMMA,
    H_UNIT,
    LAMBDA,
    LANE_SUMS,
    LEAST,
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_VALUE,
    MIN_HESSIAN,
    MIN_ROWS,
    MIN_SPLIT,
    MISSING,
    MOST,
    N_BINS,
    N_FACTS,
    N_INTEGERS,
    N_LEAF,
    N_LEAF_NUMBERS,
    N_LEVEL,
    N_NUMBERS,
    N_TRIED,
    NODE,
    ORDER,
    PART_ROWS,
    RATE,
    REST,
    SEED,
    SLOT,
    SMOOTHING,
    START,
    SUBSET,
    SUPPORT,
    SUPPORT_PER_LEVEL,
    TOTAL,
    USABLE,
    WORK,
    ZERO,
    best_number,
    best_own_number,
    best_split,
)

U = np.uint64
GROWTH = {"leaf-wise": BEST_FIRST, "depth-wise": BY_LEVEL}
PARALLEL_ROWS = 1 << 17  # rows of a node that threads part together
SEVERAL = 3  # threads from which they do: two lost to one what handing over and joining cost
POOL_BYTES = 1 << 28  # of histograms; a leaf that finds no room has its own added up again


# What a growing kernel knows: all; numbers alone, without constraints and drawn features; of these only such as have
# lanes of their own and more than two bins.
ANYTHING, NUMBERS, OWN_NUMBERS = range(3)

SIGNATURE = (
    "u1[:, ::1], u8[:, ::1], i8[:, ::1], u1[:, ::1], u1[:, ::1], i8[::1], u4[::1], u4[::1], i8[::1], i8[:, ::1], "
    "i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], i8[:, ::1], f8[:, ::1], u8[:, ::1], i8[:, ::1], f8[:, ::1], "
    "u8[:, ::1], Tuple((i8[::1], i4[::1], i8[::1], f8[::1], u8[::1], i8[::1], i8[::1])), i8[::1], u8[::1], u1[::1], "
    "i8[::1], i8[::1], u4[::1], i8[::1]"
)


def growing(kind: int) -> Any:
    """The kernel; kinds that know less compile faster."""

    @kernel(SIGNATURE)
    def grow(  # type: ignore[no-untyped-def]
        columns, words, features, groups, member, packed, rows, spare, gathered, histograms,
        free, opened, state, integers, numbers, leaves, limits, levels, nodes, node_numbers,
        node_levels, room, allowed, key, goes_left, widths, starts, codes, active,
    ):  # fmt: skip
        """Grows until the tree is done (False) or `state` asks for a large histogram or many rows parted (True)."""
        lane_sums = integers[LANE_SUMS]
        whole = integers[ZERO]  # a 0 that is no constant: with one the kernels it goes to would compile twice
        counts = histograms[histograms.shape[0] - 1]
        while True:
            phase = state[PHASE]
            state[PHASE] = CHOOSE
            first, second, exact = -1, -1, 0  # leaves to look at
            wanted, after, everything, counting = (
                -1,
                CHOOSE,
                0,
                0,
            )  # the leaf whose histogram is wanted, and then?
            if phase == BEGIN:
                wanted, after, everything = 0, ROOT, 1 - integers[SUBSET]
            elif phase == ROOT:
                leaves[0, TOTAL] = sum_of_rows(rows, packed, leaves[0, START], leaves[0, END])
                first = 0
            elif phase == CHOOSE or phase == PARTED:
                k, q = state[ASK_PART], state[N_LEAVES]
                if phase == CHOOSE:
                    k = choose(state, leaves, limits, opened, integers[ORDER])
                    if k < 0 or q >= integers[MAX_LEAVES]:
                        return False
                leaf = leaves[k]
                j, middle = leaf[FEATURE], state[MIDDLE]
                if phase == CHOOSE:
                    if leaf[END] - leaf[START] >= integers[PART_ROWS]:
                        state[PHASE], state[ASK_PART] = PARTED, k
                        return True
                    mark_left(leaf, levels[k], features[CATEGORICAL, j], goes_left)
                    middle = part(columns[j], rows, leaf[START], leaf[END], goes_left, spare)
                if min(middle - leaf[START], leaf[END] - middle) < integers[MIN_ROWS] and not leaf[EXACT]:
                    leaf[EXACT], state[SMALLER] = 1, k
                    wanted, after, counting = k, RECOUNTED, 1
                else:
                    larger_left = np.int64(2 * (middle - leaf[START]) > leaf[END] - leaf[START])
                    write_split(
                        leaf,
                        limits[k, GAIN],
                        larger_left,
                        features,
                        state,
                        levels[k],
                        nodes,
                        node_numbers,
                        node_levels,
                    )
                    divide(k, q, middle, features, groups, member, integers, numbers, state, leaves, limits)
                    if state[N_LEAVES] < integers[MAX_LEAVES]:
                        after = order_children(k, q, state, free, integers, leaves)
                        if after != CHOOSE:
                            wanted = state[SMALLER] if after == SMALL else state[LARGER]
            elif phase == SMALL:
                first, large = state[SMALLER], state[LARGER]
                if leaves[large, SLOT] >= 0:
                    subtract_bins(
                        histograms[leaves[large, SLOT]], histograms[leaves[first, SLOT]], widths, lane_sums
                    )
                    second = large
                elif splittable(leaves[large], integers):
                    wanted, after = large, LARGE
            elif phase == LARGE:
                first = state[LARGER]
            elif phase == RECOUNTED and leaves[state[SMALLER], SLOT] < 0:
                wanted, after = state[SMALLER], AGAIN
            else:
                first, exact = state[SMALLER], 1
            for k in (first, second):
                if k < 0:
                    continue
                if splittable(leaves[k], integers):
                    h = histograms[leaves[k, SLOT]]
                    if kind == OWN_NUMBERS:
                        best_own_number(
                            h, counts, exact, features, active, integers, numbers, leaves[k], limits[k], room
                        )
                    elif kind == NUMBERS:
                        best_number(
                            h, counts, exact, features, active, integers, numbers, leaves[k], limits[k], room
                        )
                    else:
                        allow(leaves[k], integers, features, groups, member[k], allowed, key)
                        best_split(
                            h, counts, exact, features, active, allowed, integers, numbers, leaves[k], limits[k], levels[k],
                            room,
                        )  # fmt: skip
                if limits[k, GAIN] <= 0.0:
                    give_slot(state, free, leaves[k])
                elif integers[ORDER] == ANY_ORDER:
                    opened[state[N_OPEN]] = k
                    state[N_OPEN] += 1
            if wanted >= 0:
                start, end, slot = leaves[wanted, START], leaves[wanted, END], histograms.shape[0] - 1
                if not counting:
                    slot = take_slot(state, free, leaves, limits)
                    leaves[wanted, SLOT] = slot
                state[PHASE], state[ASK_START], state[ASK_END], state[ASK_SLOT] = after, start, end, slot
                state[ASK_ALL], state[ASK_COUNTS] = everything, counting
                if (end - start) * words.shape[0] * 8 > integers[WORK]:
                    return True
                h = histograms[slot]
                clear_bins(h, widths, lane_sums)
                if kind != OWN_NUMBERS and starts.size > 1:
                    add_stored(starts, codes, rows, packed, start, end, counting, h)
                h = h[:lane_sums]
                if everything:
                    add_all(words, whole, words.shape[0], packed, start, end, h)
                else:
                    add_some(words, whole, words.shape[0], rows, packed, start, end, gathered, counting, h)

    return grow


grow, grow_numbers, grow_own_numbers = growing(ANYTHING), growing(NUMBERS), growing(OWN_NUMBERS)


@kernel("i8, i8[:, ::1], f8[:, ::1], i8[:, ::1], f8[:, ::1], f8[::1], f8[::1]")
def value_leaves(n_leaves, leaves, limits, nodes, node_numbers, numbers, values):  # type: ignore[no-untyped-def]
    """Writes each leaf's node; its value, times the rate, also into `values`."""
    for k in range(n_leaves):
        leaf = leaves[k]
        node = leaf[NODE]
        values[k] = numbers[RATE] * value_of(leaf, numbers, limits[k])
        nodes[node, SPLIT_FEATURE], nodes[node, LEVELS], nodes[node, SPLIT_MISSING] = -1, -1, 0
        nodes[node, SPLIT_BIN], nodes[node, LEFT_CHILD], node_numbers[node, SPLIT_GAIN] = 0, 0, 0.0
        nodes[node, ROWS] = leaf[END] - leaf[START]
        node_numbers[node, VALUE] = values[k]


@kernel("i8, i8[:, ::1], u4[::1], f8[::1], f4[::1], i8, i8")
def add_values(n_leaves, leaves, rows, values, scores, first, last):  # type: ignore[no-untyped-def]
    """Adds the value of its leaf to the score of each row that stands in rows[first:last]."""
    for k in range(n_leaves):
        value = np.float32(values[k])
        start, end = max(leaves[k, START], first), min(leaves[k, END], last)
        here = rows[min(start, end) : end]
        for i in range(U(here.size)):
            scores[U(here[i])] += value


@dataclass(frozen=True)
class Growth:
    """How trees grow.

    Parameters
    ----------
    max_leaves, max_depth, min_rows, min_split : int
        Limits of a tree, of a leaf, and of a node that is split; 0 leaves or depth means no limit.
    order : int
        BEST_FIRST or BY_LEVEL.
    l2, l1, gamma, min_hessian, max_value, rate : float
        lambda, alpha and gamma of `split`; the hessian of a leaf; the size of its value; what values are multiplied by.
    smoothing, support : float
        For levels of a category, in rows: what is added before they are put in order, and the least they need.
    support_per_level : float
        The least rows they need, for each level of the column: the best of many subsets is more often so by chance.
    features_per_split, features_per_level : int
        Drawn anew for each node, and before that for each level of a tree; 0 for all.
    directions : int64 ndarray of shape (n_features,), optional
        1 where values rise along the feature, -1 where they fall.
    groups : uint8 ndarray of shape (n_groups, n_features), optional
        Sets of features that may stand on one path.
    """

    max_leaves: int = 31
    max_depth: int = 0
    min_rows: int = 20
    min_split: int = 2
    order: int = BEST_FIRST
    l2: float = 0.0
    l1: float = 0.0
    gamma: float = 0.0
    min_hessian: float = 1e-3
    max_value: float = np.inf
    rate: float = 0.1
    smoothing: float = 10.0
    support: float = 10.0
    support_per_level: float = 0.0
    features_per_split: int = 0
    features_per_level: int = 0
    directions: np.ndarray | None = None
    groups: np.ndarray | None = None

    def most_leaves(self, n_rows: int) -> int:
        """The leaves a tree over so many rows can have."""
        most = max(n_rows // max(self.min_rows, 1), 1)
        if self.max_depth:
            most = min(most, 1 << min(self.max_depth, 32))
        return min(most, self.max_leaves) if self.max_leaves else most


@dataclass
class Grown:
    """A grown tree: views of its grower's memory, valid until the next tree.

    Attributes
    ----------
    nodes, numbers, levels : ndarray
        As `tree.Forest` packs them.
    leaves : int64 ndarray of shape (n_leaves, ...)
    values : float64 ndarray of shape (n_leaves,)
        Of the leaves, rate included.
    rows : uint32 ndarray
        The rows in the order of the leaves.
    n_rows : int
        How many the leaves hold.
    """

    nodes: np.ndarray
    numbers: np.ndarray
    levels: np.ndarray
    leaves: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    n_rows: int

    def rows_of(self, k: int) -> np.ndarray:
        """The rows of leaf k."""
        return self.rows[self.leaves[k, START] : self.leaves[k, END]]

    def set_values(self, values: np.ndarray) -> None:
        """Other values for the leaves."""
        self.values[:] = values
        self.numbers[self.leaves[:, NODE], VALUE] = values

    def add_to(self, scores: np.ndarray) -> None:
        """Adds the leaves' values to the scores (float32) of their rows."""
        what = (len(self.leaves), self.leaves, self.rows, self.values, scores)
        if self.n_rows < PARALLEL_ROWS or thread_count() < SEVERAL:
            add_values(*what, 0, self.n_rows)
            return
        edges = np.linspace(0, self.n_rows, thread_count() + 1).astype(np.int64).tolist()
        parallel(lambda piece: add_values(*what, *piece), list(zip(edges[:-1], edges[1:], strict=True)))


@dataclass
class Grower:
    """Grows one tree after the other on the same binned rows, in the same memory.

    Parameters
    ----------
    binned : Binned
    how : Growth
    lanes : Lanes, optional
        The same rows as histograms read them, where they are known.
    """

    binned: Binned
    how: Growth
    lanes: Lanes | None = None
    memory: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        data, how = self.binned, self.how
        most = how.most_leaves(data.n_rows)
        lanes = Lanes.of(data, how.min_rows) if self.lanes is None else self.lanes
        n_sums = lanes.n_sums
        slots = min(most, max(3, POOL_BYTES // (8 * n_sums)))
        if most > 1 and slots < most:
            slots = max(slots, 3)
        groups = np.zeros((0, data.n_features), np.uint8) if how.groups is None else how.groups
        require(
            8 * n_sums * (slots + 1) + 300 * most, what=f"{slots} histograms of {data.n_features} features"
        )
        features = np.zeros((N_FACTS, data.n_features), np.int64)
        features[N_BINS], features[MISSING], features[CATEGORICAL] = (
            data.n_bins,
            data.missing,
            data.categorical,
        )
        features[USABLE], features[BASE], features[REST] = 1, lanes.base, lanes.rest
        if how.directions is not None:
            features[DIRECTION] = how.directions
        self.memory = {
            "columns": data.columns,
            "words": lanes.words,
            "features": features,
            "groups": groups,
            "member": np.ones((most, len(groups)), np.uint8),
            "packed": np.empty(data.n_rows, np.int64),
            "rows": np.empty(data.n_rows, np.uint32),
            "spare": np.empty(data.n_rows, np.uint32),
            "gathered": np.empty(GATHERED, np.int64),
            "histograms": np.empty((slots + 1, n_sums), np.int64),
            "free": np.empty(slots, np.int64),
            "opened": np.empty(most + 1, np.int64),
            "state": np.empty(N_STATE, np.int64),
            "integers": np.zeros(N_INTEGERS, np.int64),
            "numbers": np.zeros(N_NUMBERS),
            "leaves": np.empty((most, N_LEAF), np.int64),
            "limits": np.empty((most, N_LEAF_NUMBERS)),
            "levels": np.zeros((most, 4), np.uint64),
            "nodes": np.empty((2 * most + 1, N_NODE), np.int64),
            "node_numbers": np.zeros((2 * most + 1, N_NODE_NUMBERS)),
            "node_levels": np.empty((most if data.categorical.any() else 1, 4), np.uint64),
            "room": tuple(np.empty(256, kind) for kind in ("i8", "i4", "i8", "f8", "u8", "i8", "i8")),
            "allowed": np.empty(data.n_features, np.int64),
            "key": np.empty(data.n_features, np.uint64),
            "goes_left": np.empty(256, np.uint8),
            "widths": lanes.widths,
            "starts": lanes.starts,
            "codes": lanes.codes,
            "active": np.flatnonzero((data.n_bins + data.missing > 1) & ~lanes.hopeless),
        }
        self._all = np.arange(data.n_rows, dtype=np.uint32)
        self._values = np.empty(most)
        self._set(most, slots)
        self.memory["integers"][LANE_SUMS] = lanes.lane_sums
        self._kernel, self._arguments = self._chosen(lanes), tuple(self.memory.values())

    def _set(self, most: int, slots: int) -> None:
        how, integers, numbers = self.how, self.memory["integers"], self.memory["numbers"]
        integers[MAX_LEAVES], integers[MIN_ROWS] = most, how.min_rows
        integers[MIN_SPLIT] = max(2 * how.min_rows, how.min_split)
        integers[MAX_DEPTH] = how.max_depth or 1 << 40
        integers[ORDER] = how.order if how.max_leaves else ANY_ORDER
        integers[BOUNDED] = how.directions is not None and bool(np.any(how.directions))
        integers[N_TRIED] = how.features_per_split or self.binned.n_features
        integers[N_LEVEL] = how.features_per_level or self.binned.n_features
        numbers[LAMBDA], numbers[ALPHA], numbers[GAMMA] = how.l2, how.l1, how.gamma
        numbers[MIN_HESSIAN], numbers[SMOOTHING], numbers[SUPPORT] = (
            how.min_hessian,
            how.smoothing,
            how.support,
        )
        numbers[RATE], numbers[MAX_VALUE] = how.rate, how.max_value

    @property
    def packed(self) -> np.ndarray:
        """Where `histogram.pack` writes the gradients of the next tree, int64 of shape (n_rows,)."""
        packed: np.ndarray = self.memory["packed"]
        return packed

    def grow(
        self,
        units: tuple[float, float],
        *,
        counted: bool,
        mean_hessian: float = 1.0,
        seed: int = 0,
        rows: np.ndarray | None = None,
        usable: np.ndarray | None = None,
    ) -> Grown:
        """The tree for the gradients in `packed`.

        Parameters
        ----------
        units : (float, float)
            What one unit of the integer gradients and hessians stands for.
        counted : bool
            Whether the hessian counts rows.
        mean_hessian : float
            Of one row (or one unit of weight), by which rows of smoothing and support are turned into hessians.
        seed : int
            Draws features per split.
        rows : uint32 ndarray, optional
            The rows to grow on.
        usable : ndarray of shape (n_features,), optional
            1 for features that the tree may use.
        """
        memory = self.memory
        state, integers, numbers = memory["state"], memory["integers"], memory["numbers"]
        n = self.binned.n_rows if rows is None else len(rows)
        memory["rows"][:n] = self._all if rows is None else rows
        state[:] = 0
        state[N_LEAVES], state[N_NODES], state[N_FREE] = 1, 1, len(memory["free"])
        memory["free"][:] = np.arange(len(memory["free"]))
        leaf, limits = memory["leaves"][0], memory["limits"][0]
        leaf[:] = 0
        leaf[END], leaf[SLOT], leaf[FEATURE] = n, -1, -1
        limits[GAIN], limits[LEAST], limits[MOST] = 0.0, -np.inf, np.inf
        memory["member"][0] = 1
        several = thread_count() > 1
        integers[COUNTED], integers[SUBSET], integers[SEED] = counted, rows is not None, seed
        integers[WORK] = PARALLEL_WORK if several else 50 * PARALLEL_WORK
        integers[PART_ROWS] = PARALLEL_ROWS if thread_count() >= SEVERAL else 1 << 40
        numbers[G_UNIT], numbers[H_UNIT] = units
        numbers[SMOOTHING] = self.how.smoothing * mean_hessian
        numbers[SUPPORT] = self.how.support * mean_hessian
        numbers[SUPPORT_PER_LEVEL] = self.how.support_per_level * mean_hessian
        memory["features"][USABLE] = 1 if usable is None else usable
        while self._kernel(*self._arguments):
            if state[PHASE] == PARTED:
                self._part_asked(state)
            else:
                self._add_asked(state)
        return self._grown(n, int(state[N_LEAVES]), int(state[N_NODES]), int(state[N_LEVELS]))

    def _chosen(self, lanes: Lanes) -> Any:
        """The kernel that knows enough."""
        integers, p = self.memory["integers"], self.binned.n_features
        drawn = min(integers[N_TRIED], integers[N_LEVEL]) < p
        limited = self.how.groups is not None or integers[BOUNDED] or np.isfinite(self.how.max_value)
        limited = limited or self.how.l1 != 0.0
        if drawn or limited or self.binned.categorical.any():
            return grow
        data, active = self.binned, self.memory["active"]
        shared = len(lanes.starts) > 1 or (lanes.rest >= 0).any() or (data.n_bins[active] < 3).any()
        return grow_numbers if shared else grow_own_numbers

    def _part_asked(self, state: np.ndarray) -> None:
        memory, k = self.memory, int(state[ASK_PART])
        leaf = memory["leaves"][k]
        j, goes_left, where = int(leaf[FEATURE]), memory["goes_left"], (int(leaf[START]), int(leaf[END]))
        mark_left(leaf, memory["levels"][k], int(self.binned.categorical[j]), goes_left)
        state[MIDDLE] = part_on_threads(
            memory["columns"][j], memory["rows"], *where, goes_left, memory["spare"]
        )

    def _add_asked(self, state: np.ndarray) -> None:
        memory, start, end = self.memory, int(state[ASK_START]), int(state[ASK_END])
        rows = None if state[ASK_ALL] else memory["rows"]
        h, counting = memory["histograms"][state[ASK_SLOT]], bool(state[ASK_COUNTS])
        lane_sums = memory["integers"][LANE_SUMS]
        histogram(memory["words"], rows, memory["packed"], start, end, h[:lane_sums], counting=counting)
        if lane_sums < len(h):
            clear(h, int(lane_sums), len(h))
            stored = (memory["starts"], memory["codes"], memory["rows"], memory["packed"])
            add_stored(*stored, start, end, counting, h)

    def _grown(self, n: int, n_leaves: int, n_nodes: int, n_levels: int) -> Grown:
        memory = self.memory
        leaves, nodes, numbers = memory["leaves"], memory["nodes"], memory["node_numbers"]
        value_leaves(n_leaves, leaves, memory["limits"], nodes, numbers, memory["numbers"], self._values)
        return Grown(
            nodes=nodes[:n_nodes],
            numbers=numbers[:n_nodes],
            levels=memory["node_levels"][:n_levels],
            leaves=leaves[:n_leaves],
            values=self._values[:n_leaves],
            rows=memory["rows"],
            n_rows=n,
        )
