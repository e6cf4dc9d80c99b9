"""Trees written out, packed for prediction by bins.

All thresholds on a column become its cuts, so nothing is rounded: a row goes where it went. A column with more
thresholds than a byte can number stands for several, each with its share of them, and a split names the one that
has its threshold. A split on levels is one on the bins between neighbouring codes.
"""

from __future__ import annotations

import numpy as np

from tripos.errors import ArtifactError
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.tree import BY_LEVELS, LEAF, Forest, U, Walker

MOST_CUTS = 254
MOST_COLUMNS = 1 << 16


class ColumnWalker(Walker):
    """A walker whose binned columns are taken from columns of X that `columns` names."""

    def __init__(self, forest: Forest, binning: Binning, columns: np.ndarray) -> None:
        super().__init__(forest, binning)
        used, sizes, marks = self._features
        own = np.ascontiguousarray(columns[used])
        self._features = (own, sizes, marks)
        self._one_row = {dtype: (own, *rest[1:]) for dtype, rest in self._one_row.items()}


def packed(nodes: Nodes, *, unseen_left: bool = False) -> tuple[Forest, Binning, np.ndarray, np.ndarray]:
    """The forest, its bins, the column of X behind each binned column, and what the trees' values were lowered by.

    Each tree's values are stored about their middle, which float32 then rounds less.
    """
    cuts: list[np.ndarray] = []
    columns: list[int] = []
    n = len(nodes.features)
    virtual, byte = np.zeros(n, np.int64), np.zeros(n, np.int64)
    numeric = (nodes.features >= 0) & (nodes.levels < 0)
    for j in np.unique(nodes.features[numeric]):
        here = np.flatnonzero(numeric & (nodes.features == j))
        known, place = np.unique(nodes.thresholds[here], return_inverse=True)
        virtual[here], byte[here] = len(cuts) + place // MOST_CUTS, place % MOST_CUTS
        for start in range(0, len(known), MOST_CUTS):
            cuts.append(known[start : start + MOST_CUTS])
            columns.append(int(j))
    by_levels = np.flatnonzero(nodes.levels >= 0)
    bits = _pack_levels(nodes, by_levels, unseen_left, cuts, columns, virtual)
    if len(cuts) >= MOST_COLUMNS:
        raise ArtifactError(f"its splits take {len(cuts):,} columns of bins, more than {MOST_COLUMNS - 1:,}")
    levels = np.full(n, -1, np.int32)
    levels[nodes.left[by_levels]] = np.arange(len(by_levels), dtype=np.int32)
    binning = Binning(
        np.concatenate(cuts) if cuts else np.empty(0),
        np.cumsum([0, *map(len, cuts)]).astype(np.int64),
        np.zeros(len(cuts), dtype=bool),
    )
    values, middles = _centred(nodes)
    forest = Forest(
        words=_words(nodes, virtual, byte),
        values=np.where(nodes.is_leaf, values, nodes.gains).astype(np.float32),
        rows=np.clip(nodes.weights, 0, 2**32 - 1).astype(np.uint32),
        starts=nodes.starts,
        levels=levels if len(by_levels) else np.empty(0, np.int32),
        level_bits=bits,
        n_outputs=nodes.n_outputs,
    )
    return forest, binning, np.array(columns, dtype=np.int64), middles


def _centred(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Leaf values less the middle of their tree, and the middles, (n_trees,)."""
    v, leaf = nodes.values[:, 0], nodes.is_leaf
    starts = nodes.starts[:-1]
    low = np.minimum.reduceat(np.where(leaf, v, np.inf), starts)
    high = np.maximum.reduceat(np.where(leaf, v, -np.inf), starts)
    middle = low / 2 + high / 2
    trees = np.repeat(np.arange(len(starts)), np.diff(nodes.starts))
    return v - middle[trees], middle


def _words(nodes: Nodes, virtual: np.ndarray, byte: np.ndarray) -> np.ndarray:
    leaf, by_levels = nodes.is_leaf, nodes.levels >= 0
    side = (nodes.missing_left & ~by_levels & ~leaf).astype(np.uint64)
    split = nodes.left.astype(np.int64).astype(np.uint64) | (virtual.astype(np.uint64) << U(32))
    split |= (np.where(by_levels, 0, byte).astype(np.uint64) + np.where(by_levels, U(0), side)) << U(48)
    split |= side << U(56)
    split = np.where(by_levels, split | BY_LEVELS, split)
    ends = np.arange(len(leaf), dtype=np.uint64) | (U(255) << U(48)) | LEAF
    return np.where(leaf, ends, split)


def _pack_levels(
    nodes: Nodes,
    splits: np.ndarray,
    unseen_left: bool,
    cuts: list[np.ndarray],
    columns: list[int],
    virtual: np.ndarray,
) -> np.ndarray:
    """Gives splits on levels a binned column each and returns which of its bins go left, (n_splits, 4)."""
    bits = np.zeros((len(splits), 4), np.uint64)
    members: list[list[int]] = []
    first = len(cuts)
    for row, i in enumerate(splits):
        wanted = _turns(nodes, int(i), unseen_left)
        if len(wanted) > MOST_CUTS:
            raise ArtifactError(
                f"a split on categories turns {len(wanted)} times between sides; {MOST_CUTS} are read"
            )
        for place in range(first, len(cuts)):
            if columns[place] == nodes.features[i]:
                both = np.union1d(cuts[place], wanted)
                if len(both) <= MOST_CUTS:
                    cuts[place] = both
                    break
        else:
            place = len(cuts)
            cuts.append(wanted)
            columns.append(int(nodes.features[i]))
            members.append([])
        members[place - first].append(row)
        virtual[i] = place
    for place, rows in enumerate(members, first):
        for row in rows:
            bits[row] = _bin_bits(nodes, int(splits[row]), unseen_left, cuts[place])
    return bits


def _marks(nodes: Nodes, i: int) -> np.ndarray:
    return np.unpackbits(nodes.level_bits[nodes.levels[i]].view(np.uint8), bitorder="little").astype(bool)


def _turns(nodes: Nodes, i: int, unseen_left: bool) -> np.ndarray:
    """The largest floats before each code at which the side changes."""
    outside = unseen_left or bool(nodes.missing_left[i])
    sides = np.concatenate([[outside], _marks(nodes, i), [outside]])
    codes = np.flatnonzero(sides[1:] != sides[:-1]).astype(np.float64)
    return np.asarray(np.nextafter(codes, -np.inf))


def _bin_bits(nodes: Nodes, i: int, unseen_left: bool, cuts: np.ndarray) -> np.ndarray:
    """Which bins between the cuts go left: a bin goes where the code above its lower cut does."""
    outside, marks = unseen_left or bool(nodes.missing_left[i]), _marks(nodes, i)
    codes = np.concatenate([[-1.0], np.ceil(cuts)])
    known = (codes >= 0) & (codes < len(marks))
    left = np.zeros(256, dtype=bool)
    left[: len(codes)] = np.where(known, marks[np.where(known, codes, 0).astype(np.int64)], outside)
    left[255] = nodes.missing_left[i]
    return np.packbits(left, bitorder="little").view(np.uint64)
