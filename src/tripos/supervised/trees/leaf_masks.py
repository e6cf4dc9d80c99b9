"""Small trees without walking: every split is asked of a block of rows at once, and strikes out leaves.

The leaves of a tree are bits, from left to right. A row that goes right at a split cannot end in the leaves on the
split's left, so

    alive = and over the splits on which the row goes right of (leaves that are not on the split's left),

and the row ends in the first leaf alive, whatever the order of the splits. Thirty splits of a tree of 31 leaves are
more comparisons than the eight or so on a path, but none of them waits for another and none jumps: eight rows share
an instruction. The leaf is found by turning the lowest bit into a float, whose exponent is its place.

References
----------
Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees" (2015),
doi:10.1145/2766462.2767733.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import float_bits
from tripos.supervised.trees.binning import bin_cells

U = np.uint64
TOGETHER = 256  # rows of a block: their bins and marks stay in the first-level cache
MOST_LEAVES = 64
HALF = 32  # leaves of a word: eight rows share an instruction, of 64 leaves only four would
PLACE, SET, FEW, PART, N_FACTS = range(5)
FEW_LEVELS = 31
CUT, SHIFT, N_BYTES = range(3)


@kernel
def strike_numbers(bins, cut, shift, keep, m, alive):  # type: ignore[no-untyped-def]
    """Rows whose bin, missing ones first where `shift` is 1, lies above the cut keep only some leaves."""
    for i in range(U(m)):
        known = alive[i]
        alive[i] = (known & keep) if np.uint8(bins[i] + shift) > cut else known


@kernel
def strike_few_levels(bins, levels, keep, m, alive):  # type: ignore[no-untyped-def]
    """As `strike_numbers` for a category of at most 31 levels: those whose bit is set go left, bit 31 is for 255."""
    for i in range(U(m)):
        known = alive[i]
        left = (levels >> np.uint32(bins[i] & np.uint8(31))) & np.uint32(1)
        alive[i] = known if left else (known & keep)


@kernel
def strike_levels(bins, levels, keep, m, alive):  # type: ignore[no-untyped-def]
    """As `strike_few_levels` for any number of levels."""
    for i in range(U(m)):
        known, b = alive[i], U(bins[i])
        left = (levels[b >> U(5)] >> np.uint32(b & U(31))) & np.uint32(1)
        alive[i] = known if left else (known & keep)


@kernel
def bin_columns(X, start, m, features, T, n_cuts, categorical, column, bins):  # type: ignore[no-untyped-def]
    """Bins of the chosen features of X[start:start + m], feature after feature; NaN where any cell is not finite."""
    total = X.dtype.type(0)
    if features.size < X.shape[1]:
        for i in range(U(start), U(start + m)):
            for j in range(U(X.shape[1])):
                total += X[i, j] * X.dtype.type(0)
    for j in range(features.size):
        for i in range(m):
            column[i] = X[start + i, features[j]]
        here = bins[TOGETHER * j : TOGETHER * j + m]
        total += bin_cells(column, m, T[j], n_cuts[j], categorical[j], here)
    return total


@kernel
def first_alive(alive, m, leaf):  # type: ignore[no-untyped-def]
    """The place of the lowest bit, -127 where there is none."""
    for i in range(U(m)):
        bits = float_bits(np.float32(np.int32(alive[i] & -alive[i])))
        leaf[i] = np.int32((bits >> np.uint32(23)) & np.uint32(255)) - np.int32(127)


@kernel(
    "F[:, ::1], i8[::1], F[:, ::1], i8[::1], u1[::1], i8[:, ::1], u1[:, ::1], i4[::1], u4[:, ::1], f4[::1], "
    "i8[:, ::1], i8, i8, i8, i8, f8[:, ::1]"
)
def predict_marked(  # type: ignore[no-untyped-def]
    X, features, T, n_cuts, categorical, facts, edges, keeps, sets, values, starts, first, last, start, end, out
):  # fmt: skip
    """Adds the trees first <= t < last to out (n_rows, n_outputs) for the rows start <= i < end.

    Tree t is of output t mod n_outputs. False where X holds NaN or infinity.
    """
    column, bins = np.empty(TOGETHER, X.dtype), np.empty(TOGETHER * features.size, np.uint8)
    both = np.empty(2 * TOGETHER, np.int32)
    leaf, above = np.empty(TOGETHER, np.int32), np.empty(TOGETHER, np.int32)
    total, zero = X.dtype.type(0), first - first
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)
        total += bin_columns(X, s, m, features, T, n_cuts, categorical, column, bins)
        for t in range(first, last):
            wide = starts[1, t + 1] - starts[1, t] > HALF
            for i in range(U(2 * TOGETHER if wide else m)):
                both[i] = np.int32(-1)
            for q in range(starts[0, t], starts[0, t + 1]):
                o = TOGETHER * facts[q, PLACE]
                here, alive = bins[o : o + m], both[TOGETHER * facts[q, PART] : TOGETHER * facts[q, PART] + m]
                if facts[q, SET] < 0:
                    strike_numbers(here, edges[q, CUT], edges[q, SHIFT], keeps[q], m, alive)
                elif facts[q, FEW]:
                    strike_few_levels(here, sets[facts[q, SET], 0], keeps[q], m, alive)
                else:
                    strike_levels(here, sets[facts[q, SET]], keeps[q], m, alive)
            first_alive(both, m, leaf)
            if wide:
                first_alive(both[TOGETHER:], m, above)
                for i in range(U(m)):
                    leaf[i] = leaf[i] if both[i] != np.int32(0) else np.int32(above[i] + np.int32(HALF))
            tree = values[starts[1, t] : starts[1, t + 1]]
            k = zero + t % out.shape[1]
            for i in range(U(m)):
                out[U(s) + i, k] += tree[U(leaf[i])]
    return total == X.dtype.type(0)


class Marked:
    """The splits of small trees, each with the leaves that are left to rows that go right.

    Parameters
    ----------
    words : uint64 ndarray
        Nodes as `tree.Forest` packs them; features name columns of the bins.
    values : float32 ndarray
    starts : int64 ndarray of shape (n_trees + 1,)
    levels : int32 ndarray
    level_bits : uint64 ndarray of shape (n_sets, 4)
    sizes : int64 ndarray of shape (n_columns,)
        Levels of each column of the bins.
    """

    def __init__(
        self,
        words: np.ndarray,
        values: np.ndarray,
        starts: np.ndarray,
        levels: np.ndarray,
        level_bits: np.ndarray,
        sizes: np.ndarray,
    ) -> None:
        child = (words & U(0xFFFFFFFF)).astype(np.int64)
        leaf = (words & U(1 << 58)) != 0
        size, begin = _leaves_below(child, leaf)
        splits, leaves = np.flatnonzero(~leaf), np.flatnonzero(leaf)
        low, held = begin[splits].astype(U), size[child[splits]].astype(U)
        struck = ((U(1) << held) - U(1)) << low  # a left side never has all 64 leaves
        chosen = words[splits]
        self.facts = np.zeros((len(splits), N_FACTS), np.int64)
        self.facts[:, PLACE], self.facts[:, SET] = (chosen >> U(32)) & U(0xFFFF), -1
        self.edges = np.empty((len(splits), N_BYTES), np.uint8)
        self.edges[:, CUT], self.edges[:, SHIFT] = (chosen >> U(48)) & U(0xFF), (chosen >> U(56)) & U(1)
        by_levels = np.flatnonzero((chosen & U(1 << 57)) != 0)
        self.facts[by_levels, SET] = np.arange(len(by_levels))
        self.facts[by_levels, FEW] = sizes[self.facts[by_levels, PLACE]] <= FEW_LEVELS
        rows = levels[child[splits[by_levels]]] if len(by_levels) else np.empty(0, np.int64)
        self.sets = np.ascontiguousarray(level_bits[rows].reshape(-1, 4)).view("<u4").astype(np.uint32)
        few = self.facts[by_levels, FEW] > 0
        self.sets[few, 0] = (self.sets[few, 0] & 0x7FFFFFFF) | (self.sets[few, 7] & 0x80000000)
        trees = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        halves = np.stack([struck & U(0xFFFFFFFF), struck >> U(HALF)], axis=1)
        entries, part = np.nonzero(halves)  # a split strikes in one word, or in both
        self.keeps = (~halves[entries, part].astype(np.uint32)).view(np.int32)
        self.facts, self.edges, splits = self.facts[entries], self.edges[entries], splits[entries]
        self.facts[:, PART] = part
        self.values = values[leaves[np.lexsort((begin[leaves], trees[leaves]))]]
        self.starts = np.zeros((2, len(starts)), np.int64)
        for row, kind in enumerate((splits, leaves)):
            self.starts[row, 1:] = np.cumsum(np.bincount(trees[kind], minlength=len(starts) - 1))

    @staticmethod
    def fits(starts: np.ndarray) -> bool:
        """Whether all trees are small enough."""
        return bool((np.diff(starts) < 2 * MOST_LEAVES).all())

    def add(
        self, cells: tuple[np.ndarray, ...], first: int, last: int, start: int, end: int, out: np.ndarray
    ) -> bool:
        """Adds the trees first <= t < last to out for the rows start <= i < end of `cells`."""
        trees = (self.facts, self.edges, self.keeps, self.sets, self.values, self.starts)
        return bool(predict_marked(*cells, *trees, first, last, start, end, out))  # type: ignore[call-arg]


def _leaves_below(child: np.ndarray, leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each node how many leaves are below it, and how many of its tree are on its left."""
    inner = np.flatnonzero(~leaf).tolist()
    left, sizes, begins = child.tolist(), leaf.astype(np.int64).tolist(), [0] * len(leaf)
    for i in reversed(inner):  # children stand behind their parents
        sizes[i] = sizes[left[i]] + sizes[left[i] + 1]
    for i in inner:
        begins[left[i]], begins[left[i] + 1] = begins[i], begins[i] + sizes[left[i]]
    return np.array(sizes, np.int64), np.array(begins, np.int64)
