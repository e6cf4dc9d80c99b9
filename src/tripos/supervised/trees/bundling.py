"""Exclusive features share a lane: columns that are never off their most frequent bin in the same row are one byte.

Indicators of one category, and most words of short texts, hold one value in nearly all rows. Of such a bundle a lane
holds the code 0 where every column is at its most frequent bin, the "rest", and else the one other bin:

    code = first code of column j + rank of the bin among the column's bins without its rest

A histogram then costs one addition for the bundle instead of one for each column. The sum of the rest is what the
node's total leaves, in integers, so a split is the same, bit for bit, as from a lane of its own. Columns are put
together only where no row contradicts, into the first bundle that has room: in their order (indicators of one category
stand side by side) or the fullest first, whichever makes fewer bundles.

Where few cells of a row are off their rest and yet columns meet in many rows (words of texts), lanes would mostly add
zeros: there each row stores which sums it adds to, and the columns need no lanes.

A column with fewer rows off its rest than a leaf needs cannot split any node, and is left out.

References
----------
Ke et al., "LightGBM: a highly efficient gradient boosting decision tree" (2017), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.supervised.trees.binning import MISSING, Binned
from tripos.supervised.trees.histogram import HALF, LANES_OF_HALF

U = np.uint64
MOST_CODES = 254  # of a bundle, beside the one for "all at rest"
LEAST_REST = 0.5  # share of the rows that the rest of a bundled column has
LOOKED_AT = 1024  # rows among which the most frequent bin is found
MOST_TRIED = 128  # bundles that a column is tried in
STORED_ROW, STORED_CELL = (
    16,
    2,
)  # what a row that stores its sums costs, and each of them, in additions to a lane
ROWS_PER_PIECE = 1 << 14
COLUMNS_PER_PIECE = 64


@dataclass(frozen=True)
class Lanes:
    """Training cells as histograms read them.

    A histogram is 256 sums for each lane, up to a multiple of four lanes, and behind them one for each stored code.

    Attributes
    ----------
    words : uint64 ndarray of shape (ceil(n_lanes / 8), n_rows)
    widths : int64 ndarray of shape (n_lanes,)
        Codes of each lane, that of missing cells (255) not counted.
    base : int64 ndarray of shape (n_features,)
        Where in a histogram a column's sums begin.
    rest : int64 ndarray of shape (n_features,)
        Of a column that shares a lane or is stored, the bin that has no sum: the most frequent one, of two the first.
        -1 for a column with a lane of its own.
    hopeless : bool ndarray of shape (n_features,)
        Columns that no leaf can be parted by.
    starts, codes : int64 ndarray of shape (n_rows + 1,), uint32 ndarray
        Row i adds to the sums codes[starts[i]:starts[i + 1]] beside those of its words.
    n_sums : int
        Of a histogram.
    """

    words: np.ndarray
    widths: np.ndarray
    base: np.ndarray
    rest: np.ndarray
    hopeless: np.ndarray
    starts: np.ndarray
    codes: np.ndarray
    n_sums: int

    @property
    def lane_sums(self) -> int:
        """The sums of a histogram that belong to lanes."""
        return HALF * _halves(len(self.widths))

    @classmethod
    def of(cls, binned: Binned, min_rows: int = 1, *, bundle: bool = True) -> Lanes:
        """Lanes for trees whose leaves have at least `min_rows` rows.

        Parameters
        ----------
        binned : Binned
        min_rows : int
        bundle : bool
            Whether columns may share a lane or be stored.
        """
        p = binned.n_features
        if p <= LANES_OF_HALF:
            return cls._apart(binned, np.zeros(p, dtype=bool))
        rest, filled, marks = _sparse_columns(binned)
        indicator = (binned.n_bins == 2) & (binned.missing == 0)
        fewest = np.where(indicator, np.minimum(filled, binned.n_rows - filled), filled)
        hopeless = (binned.n_bins + binned.missing < 2) | ((rest >= 0) & (fewest < min_rows))
        chosen = np.flatnonzero((rest >= 0) & ~hopeless)
        codes = np.asarray(binned.n_bins + (binned.missing > 0) - 1)
        groups = _groups(marks, filled, codes, chosen) if bundle else []
        if STORED_ROW * binned.n_rows + STORED_CELL * filled[chosen].sum() < binned.n_rows * len(groups):
            together, stored = [], chosen
        else:
            together, stored = [group for group in groups if len(group) > 1], chosen[:0]
        shared = {j for group in [*together, stored.tolist()] for j in group}
        alone = [j for j in range(p) if j not in shared and not hopeless[j]]
        n_lanes = len(alone) + len(together)
        if _halves(n_lanes) == _halves(p) or not n_lanes + len(stored):
            return cls._apart(binned, hopeless)
        base, kept = np.zeros(p, np.int64), np.full(p, -1, np.int64)
        base[alone] = 256 * np.arange(len(alone))
        widths = np.empty(n_lanes, np.int64)
        widths[: len(alone)] = binned.n_bins[alone]
        for k, group in enumerate(together, len(alone)):
            edges = 1 + np.cumsum([0, *codes[group]])
            base[group], kept[group], widths[k] = 256 * k + edges[:-1], rest[group], edges[-1]
        edges = HALF * _halves(n_lanes) + np.cumsum([0, *codes[stored]])
        base[stored], kept[stored] = edges[:-1], rest[stored]
        tables = _positions(binned, base, kept)
        columns = np.zeros((n_lanes, binned.n_rows), np.uint8)
        for k, j in enumerate(alone):
            columns[k] = binned.columns[j]

        def fill(k: int) -> None:
            for j in together[k - len(alone)]:
                table = (tables[j] & 255).astype(np.uint8)
                write_codes(binned.columns[j], marks[j], table, columns[k])

        parallel(fill, range(len(alone), n_lanes))
        rows = _stored(binned, marks, stored, tables)
        return cls(_words(columns), widths, base, kept, hopeless, *rows, int(edges[-1]))

    @classmethod
    def _apart(cls, binned: Binned, hopeless: np.ndarray) -> Lanes:
        """A lane for each column."""
        p = binned.n_features
        nothing = (np.zeros(1, np.int64), np.empty(0, np.uint32))
        base, rest = 256 * np.arange(p), np.full(p, -1, np.int64)
        widths = np.asarray(binned.n_bins)
        return cls(binned.words, widths, base, rest, hopeless, *nothing, HALF * _halves(p))


@kernel("u1[::1], u1, u8[::1]")
def mark_filled(bins, rest, marks):  # type: ignore[no-untyped-def]
    """Sets the bit of each row that is not at rest; returns how many are."""
    filled = np.int64(0)
    for q in range(marks.size):
        start = 64 * q
        here = bins[start : min(start + 64, bins.size)]
        n, word = U(0), U(0)
        for i in range(U(here.size)):
            off = U(here[i] != rest)
            n += off
            word |= off << i
        marks[q] = word
        filled += np.int64(n)
    return filled


@kernel("u8[:, ::1], i8[::1], i8[::1], i8[::1], i8, u8[:, ::1], i8[::1], i8[::1]")
def assign(marks, place, chosen, codes, most_codes, taken, used, group):  # type: ignore[no-untyped-def]
    """Puts each chosen column into the first bundle with room whose rows it leaves alone; returns the bundles.

    Only the latest bundles, as many as `taken` has rows, stay open.
    """
    n, n_words = 0, marks.shape[1]
    for at in range(chosen.size):
        j = chosen[at]
        own = marks[place[j]]
        found = -1
        for k in range(max(0, n - taken.shape[0]), n):
            if used[k] + codes[j] > most_codes:
                continue
            here = taken[k % taken.shape[0]]
            clash, q = U(0), 0
            while clash == U(0) and q < n_words:
                for i in range(q, min(q + 32, n_words)):
                    clash |= here[i] & own[i]
                q += 32
            if clash == U(0):
                found = k
                break
        if found < 0:
            found = n
            n += 1
            used[found] = 0
            for i in range(n_words):
                taken[found % taken.shape[0], i] = U(0)
        used[found] += codes[j]
        group[at] = found
        for i in range(n_words):
            taken[found % taken.shape[0], i] |= own[i]
    return n


@kernel("u1[::1], u8[::1], u1[::1], u1[::1]")
def write_codes(bins, marks, table, lane):  # type: ignore[no-untyped-def]
    """Writes a column's codes into its lane, where it is not at rest."""
    for q in range(marks.size):
        if marks[q] != U(0):
            for i in range(64 * q, min(64 * q + 64, bins.size)):
                code = table[U(bins[i])]
                if code > np.uint8(0):
                    lane[i] = code


@kernel("u8[::1], i8[::1]")
def count_stored(marks, counts):  # type: ignore[no-untyped-def]
    """Adds 1 to counts[i + 1] for each row i that is not at rest."""
    for q in range(marks.size):
        if marks[q] != U(0):
            for i in range(64):
                if (marks[q] >> U(i)) & U(1):
                    counts[64 * q + i + 1] += 1


@kernel("u1[::1], u8[::1], u4[::1], i8[::1], u4[::1]")
def write_stored(bins, marks, table, ends, codes):  # type: ignore[no-untyped-def]
    """Appends a column's codes to the rows where it is not at rest."""
    for q in range(marks.size):
        if marks[q] != U(0):
            for i in range(64 * q, min(64 * q + 64, bins.size)):
                if (marks[q] >> U(i - 64 * q)) & U(1):
                    codes[ends[i]] = table[U(bins[i])]
                    ends[i] += 1


@kernel("u1[:, ::1], i8, i8, u8[:, ::1]")
def write_words(columns, start, end, words):  # type: ignore[no-untyped-def]
    """Eight lanes of the rows start <= i < end as words."""
    for block in range(words.shape[0]):
        word = words[block, start:end]
        for i in range(U(word.size)):
            word[i] = U(0)
        for lane in range(min(8, columns.shape[0] - 8 * block)):
            bins, shift = columns[8 * block + lane, start:end], U(8 * lane)
            for i in range(U(word.size)):
                word[i] |= U(bins[i]) << shift


def _sparse_columns(binned: Binned) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """Of columns that mostly hold one bin, or have two: that bin, or the first (else -1), the rows off it, and those rows as bits."""
    p, n = binned.n_features, binned.n_rows
    rest, step = np.full(p, -1, np.int64), max(1, n // LOOKED_AT)
    least = LEAST_REST * -(-n // step)
    for j in np.flatnonzero(binned.n_bins + binned.missing > 1):
        if (
            binned.n_bins[j] == 2 and not binned.missing[j]
        ):  # an indicator, also that of the most frequent level
            rest[j] = 0
            continue
        counts = np.bincount(binned.columns[j, ::step])
        if counts.max() >= least:
            rest[j] = counts.argmax()
    filled, marks = np.zeros(p, np.int64), dict[int, np.ndarray]()
    at = np.flatnonzero(rest >= 0)
    room = np.empty((len(at), -(-n // 64)), np.uint64)

    def mark(start: int) -> None:
        for k in range(start, min(start + COLUMNS_PER_PIECE, len(at))):
            j = at[k]
            filled[j] = mark_filled(binned.columns[j], np.uint8(rest[j]), room[k])

    parallel(mark, range(0, len(at), COLUMNS_PER_PIECE))
    marks.update((int(j), room[k]) for k, j in enumerate(at))
    return rest, filled, marks


def _groups(
    marks: dict[int, np.ndarray], filled: np.ndarray, codes: np.ndarray, chosen: np.ndarray
) -> list[list[int]]:
    """Columns that go together."""
    if len(chosen) < 2:
        return []
    place = np.zeros(len(codes), np.int64)
    place[chosen] = np.arange(len(chosen))
    bits = np.stack([marks[j] for j in chosen.tolist()])
    best: list[list[int]] = []
    for order in (chosen, chosen[np.argsort(-filled[chosen], kind="stable")]):
        taken = np.zeros((MOST_TRIED, bits.shape[1]), np.uint64)
        used, group = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
        n = assign(bits, place, order, np.ascontiguousarray(codes), MOST_CODES, taken, used, group)
        if not best or n < len(best):
            best = [[] for _ in range(n)]
            for j, k in zip(order.tolist(), group.tolist(), strict=True):
                best[k].append(j)
    return best


def _positions(binned: Binned, base: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The sum that each bin of a column with a rest adds to, 0 for the rest, uint32 of shape (n_features, 256)."""
    tables = np.zeros((binned.n_features, 256), np.uint32)
    for j in np.flatnonzero(rest >= 0):
        bins = [*range(int(binned.n_bins[j])), *([MISSING] if binned.missing[j] else [])]
        bins.remove(int(rest[j]))
        tables[j, bins] = base[j] + np.arange(len(bins))
    return tables


def _stored(
    binned: Binned, marks: dict[int, np.ndarray], columns: np.ndarray, tables: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`starts` and `codes` of columns that are stored."""
    starts = np.zeros(binned.n_rows + 1 if len(columns) else 1, np.int64)
    for j in columns.tolist():
        count_stored(marks[j], starts)
    starts = np.cumsum(starts)
    codes, ends = np.empty(int(starts[-1]), np.uint32), starts.copy()
    for j in columns.tolist():
        write_stored(binned.columns[j], marks[j], tables[j], ends, codes)
    return starts, codes


def _halves(n_lanes: int) -> int:
    return -(-n_lanes // LANES_OF_HALF)


def _words(columns: np.ndarray) -> np.ndarray:
    n = columns.shape[1]
    words = np.empty((-(-len(columns) // 8), n), np.uint64)
    parallel(
        lambda s: write_words(columns, s, min(s + ROWS_PER_PIECE, n), words), range(0, n, ROWS_PER_PIECE)
    )
    return words
