"""Symmetric (oblivious) trees: one split for all nodes of a level.

At each level the split is the one whose gains, summed over the level's nodes, are largest:

    argmax_s sum_k max(gain_k(s), 0)

A node that gains nothing by it, or that it would leave with too few rows on a side, stays as it is and waits for the
next level's split. All leaves share their few conditions, which keeps such trees from following noise.

References
----------
L. Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features" (2018), arXiv:1706.09516, section 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel
from tripos.supervised.trees.binning import Binned
from tripos.supervised.trees.grow import Grown, Growth
from tripos.supervised.trees.histogram import BLOCK, histogram
from tripos.supervised.trees.leaves import (
    LEFT_CHILD,
    LEVELS,
    N_NODE,
    N_NODE_NUMBERS,
    ROWS,
    SPLIT_BIN,
    SPLIT_FEATURE,
    SPLIT_GAIN,
    SPLIT_MISSING,
    VALUE,
)
from tripos.supervised.trees.split import (
    ALPHA,
    END,
    LAMBDA,
    MASK,
    MAX_VALUE,
    N_LEAF,
    N_NUMBERS,
    NODE,
    START,
    leaf_value,
    value_gain,
)

MOST_DEPTH = 16
FEATURES_TOGETHER = 8


class SymmetricGrowth(Growth):
    """`Growth` of symmetric trees; constraints and `order` mean nothing to them."""


@kernel
def gain_of(left, total, units, numbers, gamma, least, parent):  # type: ignore[no-untyped-def]
    """What a node gains by a split with the sum `left` on its left side; 0 where that is not allowed."""
    right = total - left
    gl, hl = float(left >> 32) * units[0], float(left & MASK) * units[1]
    gr, hr = float(right >> 32) * units[0], float(right & MASK) * units[1]
    if min(hl, hr) < least:
        return 0.0
    wl, wr = leaf_value(gl, hl, numbers, -np.inf, np.inf), leaf_value(gr, hr, numbers, -np.inf, np.inf)
    gain = value_gain(gl, hl, wl, numbers) + value_gain(gr, hr, wr, numbers) - parent - 2.0 * gamma
    return gain if gain > 1e-12 * abs(parent) else 0.0


@kernel(
    "i8[:, ::1], i8[::1], i8[::1], f8[::1], f8[::1], i8[:, ::1], f8[::1], f8[::1], f8, i8, i8, f8[::1], i8[:, ::1]"
)
def common_splits(  # type: ignore[no-untyped-def]
    histograms, slots, totals, parents, least, facts, units, numbers, gamma, first, last, gains, found
):  # fmt: skip
    """The best common split of the nodes on each feature first <= j < last: gain, bin, whether missing cells go left.

    `facts` holds the features' bins, whether they have missing cells, and whether they are allowed.
    """
    summed = np.empty(256, np.float64)
    for j in range(first, last):
        n_bins, missing = facts[0, j], facts[1, j]
        gains[j] = 0.0
        if not facts[2, j] or n_bins + missing < 2:
            continue
        n_cuts = n_bins if missing else n_bins - 1
        for side in range(missing + 1):
            for b in range(n_cuts):
                summed[b] = 0.0
            for k in range(slots.size):
                h = histograms[slots[k], 256 * j : 256 * j + 256]
                left = h[255] if side else np.int64(0)
                for b in range(n_cuts):
                    left += h[b]
                    summed[b] += gain_of(left, totals[k], units, numbers, gamma, least[k], parents[k])
            for b in range(n_cuts):
                if summed[b] > gains[j]:
                    gains[j], found[j, 0], found[j, 1] = summed[b], b, side


@kernel("u1[::1], u4[::1], i8, i8, i8, i8, u4[::1]")
def part_rows(bins, rows, start, end, cut, missing_left, spare):  # type: ignore[no-untyped-def]
    """Rows start <= i < end on the left first, then those on the right, each in their order; where the right begins."""
    n_left, n_right = start, 0
    for i in range(start, end):
        r = rows[i]
        b = np.int64(bins[np.uint64(r)])
        if (b == 255 and missing_left) or (b != 255 and b <= cut):
            rows[n_left] = r
            n_left += 1
        else:
            spare[n_right] = r
            n_right += 1
    for i in range(n_right):
        rows[n_left + i] = spare[i]
    return n_left


@kernel("f8[::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def values_of(G, H, numbers, values, gains):  # type: ignore[no-untyped-def]
    """The best value of each node, and twice what the objective falls by it."""
    for k in range(G.size):
        values[k] = leaf_value(G[k], H[k], numbers, -np.inf, np.inf)
        gains[k] = value_gain(G[k], H[k], values[k], numbers)


class SymmetricGrower:
    """Grows symmetric trees, as `Grower` grows others.

    Parameters
    ----------
    binned : Binned
    how : Growth
    """

    def __init__(self, binned: Binned, how: Growth) -> None:
        if binned.categorical.any():
            raise ValueError(
                "growth='symmetric' has splits on numbers alone: use categories='ordered', which turns categories into numbers, "
                "or growth='leaf-wise'"
            )
        if (how.directions is not None and np.any(how.directions)) or how.groups is not None:
            raise ValueError(
                "growth='symmetric' keeps neither monotonic_cst nor interaction_cst: use growth='leaf-wise'"
            )
        self.binned, self.how = binned, how
        depth = how.max_depth or (int(np.log2(how.max_leaves + 1)) if how.max_leaves else 6)
        self.depth, n_sums = min(max(depth, 1), MOST_DEPTH), BLOCK * len(binned.words)
        self.room = max(1, min(1 << (self.depth - 1), binned.n_rows))
        require(
            8 * n_sums * self.room, what=f"histograms of {self.room} nodes and {binned.n_features} columns"
        )
        self.histograms = np.empty((self.room, n_sums), np.int64)
        self.packed = np.empty(binned.n_rows, np.int64)
        self.spare = np.empty(binned.n_rows, np.uint32)
        self.numbers = np.zeros(N_NUMBERS)
        self.numbers[LAMBDA], self.numbers[ALPHA] = how.l2, how.l1
        self.numbers[MAX_VALUE] = how.max_value

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
        """The tree for the gradients in `packed`; parameters are those of `Grower.grow`."""
        n = self.binned.n_rows
        self.units = np.array(units, dtype=np.float64)
        self.rows = np.arange(n, dtype=np.uint32) if rows is None else rows.astype(np.uint32)
        self.nodes = [[-1, 0, 0, 0, len(self.rows), -1]]
        self.gains, self.totals = [0.0], [int(self.packed[self.rows].sum())]
        open_nodes: list[tuple[int, ...]] = [
            (0, 0, len(self.rows), 0)
        ]  # node, start, end, place of its histogram
        histogram(self.binned.words, self.rows, self.packed, 0, len(self.rows), self.histograms[0])
        for level in range(self.depth):
            split = self._common(open_nodes, self._allowed(level, seed, usable))
            if split is None:
                break
            open_nodes = self._divide(open_nodes, split, level + 1 == self.depth)
        return self._grown(open_nodes)

    def _allowed(self, level: int, seed: int, usable: np.ndarray | None) -> np.ndarray:
        """Facts of the features, as `common_splits` takes them."""
        p, how = self.binned.n_features, self.how
        allowed = np.ones(p, np.int64) if usable is None else np.asarray(usable, np.int64).copy()
        wanted = min(how.features_per_level or p, how.features_per_split or p)
        at = np.flatnonzero(allowed)
        if wanted < len(at):
            allowed[:] = 0
            allowed[np.random.default_rng((abs(seed), level)).choice(at, wanted, replace=False)] = 1
        return np.ascontiguousarray([self.binned.n_bins, self.binned.missing, allowed], np.int64)

    def _sums(self, nodes: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Totals of nodes, whole and as gradient and hessian."""
        totals = np.array([self.totals[node] for node in nodes], np.int64)
        low = totals & MASK
        return totals, (totals >> 32) * self.units[0], low * self.units[1]

    def _common(self, open_nodes: list[tuple[int, ...]], facts: np.ndarray) -> Any:
        """(feature, bin, missing left) of the best common split, and what the kernel says of each node; None."""
        totals, G, H = self._sums([node for node, *_ in open_nodes])
        values, parents = np.empty(len(G)), np.empty(len(G))
        values_of(G, H, self.numbers, values, parents)
        sizes = np.array([end - start for _, start, end, _ in open_nodes])
        least = np.maximum(self.how.min_hessian, 0.5 * self.units[1])
        least = np.maximum(least, 0.9999 * self.how.min_rows * H / np.maximum(sizes, 1))
        least[sizes < max(2 * self.how.min_rows, 2)] = np.inf
        p = self.binned.n_features
        slots = np.array([slot for *_, slot in open_nodes], np.int64)
        gains, found = np.zeros(p), np.zeros((p, 2), np.int64)
        nodes = (
            self.histograms,
            slots,
            totals,
            parents,
            least,
            facts,
            self.units,
            self.numbers,
            self.how.gamma,
        )
        pieces = range(0, p, FEATURES_TOGETHER)
        parallel(lambda s: common_splits(*nodes, s, min(s + FEATURES_TOGETHER, p), gains, found), pieces)
        j = int(np.argmax(gains))
        return (j, int(found[j, 0]), int(found[j, 1]), parents, least) if gains[j] > 0 else None

    def _divide(self, open_nodes: list[tuple[int, ...]], split: Any, last: bool) -> list[tuple[int, ...]]:
        """The nodes after a split; those that it does not serve stay."""
        j, cut, side, parents, least = split
        found: list[tuple[int, ...]] = []
        taken = {slot for *_, slot in open_nodes}
        free = [slot for slot in range(self.room) if slot not in taken]
        edge = slice(256 * j, 256 * j + cut + 1)
        made: list[int] = []
        n_left = n_right = 0
        for k, (node, start, end, slot) in enumerate(open_nodes):
            h = self.histograms[slot]
            left = int(h[edge].sum()) + (int(h[256 * j + 255]) if side else 0)
            total = self.totals[node]
            gain = gain_of(left, total, self.units, self.numbers, self.how.gamma, least[k], parents[k])
            middle = start
            if gain > 0.0:
                middle = part_rows(self.binned.columns[j], self.rows, start, end, cut, side, self.spare)
            if min(middle - start, end - middle) < max(self.how.min_rows, 1):
                found.append((node, start, end, slot))
                continue
            child = len(self.nodes)
            self.nodes[node][:4] = [j, cut, side, child]
            self.nodes += [[-1, 0, 0, 0, middle - start, -1], [-1, 0, 0, 0, end - middle, -1]]
            self.gains[node] = gain
            self.gains += [0.0, 0.0]
            self.totals += [left, total - left]
            n_left, n_right = n_left + middle - start, n_right + end - middle
            made.append(node)
            sides = [(child, start, middle), (child + 1, middle, end)]
            small = int(end - middle < middle - start)
            places = [slot, slot]
            if not last:
                places[small] = free.pop()
                s, e = sides[small][1:]
                histogram(self.binned.words, self.rows, self.packed, s, e, self.histograms[places[small]])
                h -= self.histograms[places[small]]
            found += [(*sides[0], places[0]), (*sides[1], places[1])]
        if not self.binned.missing[j]:  # cells missing at prediction alone go with the larger side
            for node in made:
                self.nodes[node][2] = int(n_left > n_right)
        return found

    def _grown(self, open_nodes: list[tuple[int, ...]]) -> Grown:
        nodes = np.zeros((len(self.nodes), N_NODE), np.int64)
        given = np.array(self.nodes, np.int64)
        for place, name in enumerate((SPLIT_FEATURE, SPLIT_BIN, SPLIT_MISSING, LEFT_CHILD, ROWS, LEVELS)):
            nodes[:, name] = given[:, place]
        at = sorted(open_nodes, key=lambda leaf: leaf[1])
        _, G, H = self._sums([node for node, *_ in at])
        values, gains = np.empty(len(at)), np.empty(len(at))
        values_of(G, H, self.numbers, values, gains)
        values *= self.how.rate
        leaves = np.zeros((len(at), N_LEAF), np.int64)
        leaves[:, NODE], leaves[:, START], leaves[:, END] = np.array([leaf[:3] for leaf in at]).T
        numbers = np.zeros((len(nodes), N_NODE_NUMBERS))
        numbers[:, SPLIT_GAIN] = self.gains
        numbers[leaves[:, NODE], VALUE] = values
        return Grown(nodes, numbers, np.empty((0, 4), np.uint64), leaves, values, self.rows, len(self.rows))
