"""Small trees without walking: every split is asked of a block of rows at once, and strikes out leaves.

The leaves of a tree are bits, from left to right. A row that goes right at a split cannot end in the leaves on the
split's left, so

    alive = and over the splits on which the row goes right of (leaves that are not on the split's left),

and the row ends in the first leaf alive, whatever the order of the splits. Thirty splits of a tree of 31 leaves are
more comparisons than the eight or so on a path, but none of them waits for another and none jumps, and as a split
strikes out few leaves, these are kept as bytes of eight leaves each: 32 rows share an instruction.

References
----------
Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees" (2015),
doi:10.1145/2766462.2767733.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.binning import bin_cells

U = np.uint64
TOGETHER = 256  # rows of a block: their bins and marks stay in the first-level cache
MOST_LEAVES = 64
LEAVES = 8  # of a byte
GROUP = 4  # bytes that are searched together
PLACE, SET, FEW, PART, N_FACTS = range(5)
FEW_LEVELS = 31
CUT, SHIFT, KEEP, N_BYTES = range(4)
ALL = np.uint8(255)


@kernel
def strike_numbers(bins, cut, shift, keep, alive):  # type: ignore[no-untyped-def]
    """Rows whose bin, missing ones first where `shift` is 1, lies above the cut keep only some leaves."""
    for i in range(U(TOGETHER)):
        alive[i] &= ALL if np.uint8(bins[i] + shift) <= cut else keep


@kernel
def strike_marked(left, keep, alive):  # type: ignore[no-untyped-def]
    """Rows that do not go left keep only some leaves; `left` is 255 or 0."""
    for i in range(U(TOGETHER)):
        alive[i] &= left[i] | keep


@kernel
def mark_few_levels(bins, levels, left):  # type: ignore[no-untyped-def]
    """Which rows go left by a category of at most 31 levels: those whose bit is set, bit 31 is for 255."""
    for i in range(U(TOGETHER)):
        bit = (levels >> np.uint32(bins[i] & np.uint8(31))) & np.uint32(1)
        left[i] = ALL if bit else np.uint8(0)


@kernel
def mark_levels(bins, levels, left):  # type: ignore[no-untyped-def]
    """As `mark_few_levels` for any number of levels."""
    for i in range(U(TOGETHER)):
        b = U(bins[i])
        bit = (levels[b >> U(5)] >> np.uint32(b & U(31))) & np.uint32(1)
        left[i] = ALL if bit else np.uint8(0)


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
def find_byte(alive, first, found, leaf):  # type: ignore[no-untyped-def]
    """Where one of four bytes has a leaf alive: the first of them, and the number of its first leaf."""
    a, b = alive[:TOGETHER], alive[TOGETHER : 2 * TOGETHER]
    c, d = alive[2 * TOGETHER : 3 * TOGETHER], alive[3 * TOGETHER : 4 * TOGETHER]
    head, second, third, fourth = (
        np.uint8(first),
        np.uint8(first + U(8)),
        np.uint8(first + U(16)),
        np.uint8(first + U(24)),
    )
    for i in range(U(TOGETHER)):
        bits, place = found[i], leaf[i]
        place = fourth if d[i] else place
        bits = d[i] if d[i] else bits
        place = third if c[i] else place
        bits = c[i] if c[i] else bits
        place = second if b[i] else place
        bits = b[i] if b[i] else bits
        place = head if a[i] else place
        bits = a[i] if a[i] else bits
        found[i], leaf[i] = bits, place


@kernel
def find_leaves(alive, n_leaves, found, leaf):  # type: ignore[no-untyped-def]
    """The first leaf alive of each row."""
    for i in range(U(TOGETHER)):
        found[i], leaf[i] = np.uint8(0), np.uint8(0)
    for g in range((n_leaves - 1) // (GROUP * LEAVES), -1, -1):
        find_byte(alive[GROUP * TOGETHER * g :], U(GROUP * LEAVES * g), found, leaf)
    one, two, four, none = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(0)
    for i in range(U(TOGETHER)):
        bit = np.uint8(found[i] & (~found[i] + one))
        low = one if np.uint8(bit & np.uint8(0xAA)) != none else none
        middle = two if np.uint8(bit & np.uint8(0xCC)) != none else none
        high = four if np.uint8(bit & np.uint8(0xF0)) != none else none
        leaf[i] = np.uint8(np.uint8(leaf[i] | low) | np.uint8(middle | high))


@kernel(
    "F[:, ::1], i8[::1], F[:, ::1], i8[::1], u1[::1], i8[:, ::1], u1[:, ::1], u4[:, ::1], f4[::1], "
    "i8[:, ::1], i8, i8, i8, i8, f8[:, ::1]"
)
def predict_marked(  # type: ignore[no-untyped-def]
    X, features, T, n_cuts, categorical, facts, edges, sets, values, starts, first, last, start, end, out
):  # fmt: skip
    """Adds the trees first <= t < last to out (n_rows, n_outputs) for the rows start <= i < end.

    Tree t is of output t mod n_outputs. False where X holds NaN or infinity.
    """
    column, bins = np.empty(TOGETHER, X.dtype), np.empty(TOGETHER * features.size, np.uint8)
    alive, left = np.empty(TOGETHER * MOST_LEAVES // LEAVES, np.uint8), np.empty(TOGETHER, np.uint8)
    found, leaf = np.empty(TOGETHER, np.uint8), np.empty(TOGETHER, np.uint8)
    n_outputs = out.shape[1]
    scores = np.empty((n_outputs, TOGETHER))
    total = X.dtype.type(0)
    for s in range(start, end, TOGETHER):
        m = min(TOGETHER, end - s)  # rows behind the last are struck like others, and their leaves left alone
        total += bin_columns(X, s, m, features, T, n_cuts, categorical, column, bins)
        for k in range(n_outputs):
            for i in range(m):
                scores[k, i] = out[s + i, k]
        for t in range(first, last):
            n_leaves, marked = starts[1, t + 1] - starts[1, t], -1
            groups = (n_leaves - 1) // (GROUP * LEAVES) + 1
            for i in range(U(GROUP * TOGETHER * groups)):
                alive[i] = ALL
            for q in range(starts[0, t], starts[0, t + 1]):
                o, p, named = TOGETHER * facts[q, PLACE], TOGETHER * facts[q, PART], facts[q, SET]
                here = alive[p : p + TOGETHER]
                if named < 0:
                    strike_numbers(
                        bins[o : o + TOGETHER], edges[q, CUT], edges[q, SHIFT], edges[q, KEEP], here
                    )
                    continue
                if named != marked:
                    marked = named
                    if facts[q, FEW]:
                        mark_few_levels(bins[o : o + TOGETHER], sets[named, 0], left)
                    else:
                        mark_levels(bins[o : o + TOGETHER], sets[named], left)
                strike_marked(left, edges[q, KEEP], here)
            find_leaves(alive, n_leaves, found, leaf)
            tree, sums = values[starts[1, t] : starts[1, t + 1]], scores[t % n_outputs]
            for i in range(U(m)):
                sums[i] += tree[U(leaf[i])]
        for k in range(n_outputs):
            for i in range(m):
                out[s + i, k] = scores[k, i]
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
        first = LEAVES * np.arange(MOST_LEAVES // LEAVES)  # a split strikes in one byte, or in several
        low, held = begin[splits][:, None] - first, size[child[splits]][:, None]
        struck = (1 << np.clip(low + held, 0, LEAVES)) - (1 << np.clip(low, 0, LEAVES))
        entries, part = np.nonzero(struck)
        self.facts, self.edges, splits = self.facts[entries], self.edges[entries], splits[entries]
        self.facts[:, PART], self.edges[:, KEEP] = part, 255 - struck[entries, part]
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
        trees = (self.facts, self.edges, self.sets, self.values, self.starts)
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
