"""Columns of numbers and categories as bins: one byte per cell, which is all a histogram looks at.

A number x falls into bin b with t[b-1] < x <= t[b]. With at most `max_bins` distinct values each has a bin of its
own and t lies halfway between neighbours. With more, the cuts are quantiles: a value that fills a bin by itself
has one, and the others share what is left in equal parts. A category is its own bin; what is missing, unseen in
training or too rare has the bin 255, which the split search sends to the better side.

Cells are kept twice. `columns` (n_features, n_rows) is what a split reads. In `words` (n_blocks, n_rows) a word of
64 bits holds the bins of eight features of a row: one load feeds eight sums, whose histograms (16 KiB) stay in the
first-level cache.

References
----------
Chen, Guestrin, "XGBoost: a scalable tree boosting system" (2016), section 3.2, doi:10.1145/2939672.2939785.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel
from tripos.state import Array, Spec

MISSING = 255  # the bin of what is missing, unseen or rare
MOST_BINS = 255
SAMPLE = 100_000  # rows that quantiles are taken from
CHUNK = 256  # rows that are binned together
ROWS_PER_PIECE = 1 << 14

U = np.uint64


@kernel
def first_cut(x, t, steps):  # type: ignore[no-untyped-def]
    """How many of the first 2^steps - 1 cuts lie below x, by a search without branches."""
    p = U(0)
    for k in range(U(steps)):
        w = U(1) << (U(steps) - U(1) - k)
        p += w * U(t[p + w - U(1)] < x)
    return p


@kernel
def bin_cells(x, m, t, n_cuts, exact, out):  # type: ignore[no-untyped-def]
    """Bins of x[:m]; NaN and, where `exact`, what equals no t have the bin 255. Returns NaN where x is not finite.

    The search vectorises, as the number of its steps is known where it is copied to; t is padded to 256 by infinity.
    """
    zero = x.dtype.type(0)
    total = zero
    for i in range(U(m)):
        total += x[i] * zero
    if n_cuts < 16:
        for i in range(U(m)):
            out[i] = np.uint8(first_cut(x[i], t, 4) if x[i] == x[i] else U(255))
    else:
        for i in range(U(m)):
            out[i] = np.uint8(first_cut(x[i], t, 8) if x[i] == x[i] else U(255))
    if exact:
        for i in range(U(m)):
            if t[U(out[i])] != x[i]:
                out[i] = np.uint8(255)
    return total


@kernel("F[:, ::1], F[:, ::1], i8[::1], u1[::1], i8, i8, i8, u1[:, ::1], u8[:, ::1], u1[::1]")
def bin_block(X, T, n_cuts, categorical, start, end, offset, columns, words, missing):  # type: ignore[no-untyped-def]
    """Bins of the rows start <= i < end, as columns and as words; False where X holds NaN or infinity.

    Row i of X is row offset + i of the bins.

    Notes in `missing` which features have a cell in bin 255.
    """
    n_features = X.shape[1]
    x = np.empty(CHUNK, X.dtype)
    total = X.dtype.type(0)
    for c in range(start, end, CHUNK):
        m = min(CHUNK, end - c)
        for block in range(words.shape[0]):
            word = words[block, offset + c : offset + c + m]
            for i in range(m):
                word[i] = U(0)
            for lane in range(min(8, n_features - 8 * block)):
                j = 8 * block + lane
                for i in range(m):
                    x[i] = X[c + i, j]
                bins = columns[j, offset + c : offset + c + m]
                total += bin_cells(x, m, T[j], n_cuts[j], categorical[j], bins)
                gap = np.uint8(0)
                shift = U(8 * lane)
                for i in range(U(m)):
                    gap |= np.uint8(bins[i] == np.uint8(255))
                    word[i] |= U(bins[i]) << shift
                missing[j] |= gap
    return total == X.dtype.type(0)


@dataclass(frozen=True)
class Binned:
    """Training cells as bins.

    Attributes
    ----------
    columns : uint8 ndarray of shape (n_features, n_rows)
    words : uint64 ndarray of shape (ceil(n_features / 8), n_rows)
    n_bins : int64 ndarray of shape (n_features,)
        Bins in use, the one for missing cells not counted.
    missing : uint8 ndarray of shape (n_features,)
        1 for features with cells in bin 255.
    categorical : uint8 ndarray of shape (n_features,)
    finite : bool
        False when X held NaN or infinity.
    """

    columns: np.ndarray
    words: np.ndarray
    n_bins: np.ndarray
    missing: np.ndarray
    categorical: np.ndarray
    finite: bool

    @property
    def n_rows(self) -> int:
        return int(self.columns.shape[1])

    @property
    def n_features(self) -> int:
        return int(self.columns.shape[0])


@dataclass(frozen=True, eq=False)
class Binning:
    """What turns cells into bins, learned from training rows.

    Attributes
    ----------
    cuts : float64 ndarray
        Of all features, one after the other: thresholds of a number, levels of a category; rising.
    starts : int64 ndarray of shape (n_features + 1,)
        Feature j has cuts[starts[j]:starts[j + 1]].
    categorical : bool ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> binning = Binning.learn(np.array([[1.0], [2.0], [2.0], [np.nan]]))
    >>> binning.cuts
    array([1.5])
    >>> binning.apply(np.array([[0.0], [9.0], [np.nan]])).columns
    array([[  0,   1, 255]], dtype=uint8)
    """

    cuts: np.ndarray
    starts: np.ndarray
    categorical: np.ndarray

    state: ClassVar[dict[str, Spec]] = {
        "cuts": Array("f", (None,)),
        "starts": Array("i", (None,), low=0),
        "categorical": Array("b", ("features",)),
    }

    @classmethod
    def learn(
        cls,
        X: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        categorical: np.ndarray | None = None,
        max_bins: int = MOST_BINS,
        seed: int = 0,
    ) -> Binning:
        """Quantiles of numbers and levels of categories.

        Parameters
        ----------
        X : float ndarray of shape (n_rows, n_features)
        sample_weight : ndarray of shape (n_rows,), optional
            A weight of k counts as k rows.
        categorical : bool ndarray of shape (n_features,), optional
        max_bins : int
            At most so many bins, beside the one for missing values.
        seed : int
            Draws the rows that quantiles are taken from, where there are more than 100,000 (`sketch`).
        """
        p = X.shape[1]
        if categorical is None:
            categorical = np.zeros(p, dtype=bool)
        if len(X) > SAMPLE:
            from tripos.supervised.trees.sketch import QuantileSketch

            sketch = QuantileSketch(p, seed)
            sketch.add(X, sample_weight)
            return sketch.binning(categorical, max_bins)
        columns = np.ascontiguousarray(X.T)
        cut = partial(_cuts_of_column, columns, sample_weight, categorical, max_bins)
        step = max(1, 40_000 // len(X))  # columns of one piece of work
        pieces = parallel(
            lambda js: [cut(j) for j in js], [range(p)[j : j + step] for j in range(0, p, step)]
        )
        cuts = [found for piece in pieces for found in piece]
        starts = np.cumsum([0, *map(len, cuts)]).astype(np.int64)
        return cls(np.concatenate(cuts).astype(np.float64), starts, categorical)

    def apply(self, X: np.ndarray) -> Binned:
        """The bins of all cells of X (n_rows, n_features)."""
        writer = Writer(self, len(X), X.dtype)
        writer.add(X)
        return writer.done()

    @property
    def n_features(self) -> int:
        return len(self.starts) - 1

    @property
    def n_bins(self) -> np.ndarray:
        """Bins of each feature, int64 of shape (n_features,)."""
        return np.asarray(np.diff(self.starts) + ~self.categorical)

    def table(self, dtype: Any, features: np.ndarray | None = None) -> np.ndarray:
        """Cuts as the search reads them, (n_features, 256), padded by infinity.

        In float32 they are rounded down: x <= t holds for a float32 x exactly where x <= float32(t) does then.
        """
        chosen = np.arange(self.n_features) if features is None else features
        T = np.full((len(chosen), 256), np.inf)
        for row, j in enumerate(chosen):
            cuts = self.cuts[self.starts[j] : self.starts[j + 1]]
            T[row, : len(cuts)] = cuts
        if np.dtype(dtype) == np.float64:
            return T
        with np.errstate(over="ignore"):
            narrow = T.astype(np.float32)
        return np.where(narrow > T, np.nextafter(narrow, np.float32(-np.inf)), narrow)

    def _check_state(self) -> None:
        starts = self.starts
        if len(starts) != len(self.categorical) + 1 or starts[0] != 0 or starts[-1] != len(self.cuts):
            raise ValueError("starts does not part the cuts into features")
        if (np.diff(starts) < 0).any() or (self.n_bins > MOST_BINS).any():
            raise ValueError(f"a feature has more than {MOST_BINS} bins, or starts falls")
        falls = np.flatnonzero(np.diff(self.cuts) <= 0) + 1
        if not np.isin(falls, starts).all():
            raise ValueError("the cuts of a feature do not rise")


class Writer:
    """Writes the bins of rows that come in pieces, one piece after the other.

    Parameters
    ----------
    binning : Binning
    n_rows : int
        In all.
    dtype : numpy dtype
        float32 or float64: that of all pieces.
    """

    def __init__(self, binning: Binning, n_rows: int, dtype: Any) -> None:
        p = binning.n_features
        blocks = -(-p // 8)
        require(n_rows * (p + 8 * blocks), what=f"the bins of {n_rows:,} rows and {p:,} columns")
        self.binning, self.at, self.finite = binning, 0, True
        self.columns, self.words = np.empty((p, n_rows), np.uint8), np.empty((blocks, n_rows), np.uint64)
        self.missing, self.marks = np.zeros(p, np.uint8), binning.categorical.astype(np.uint8)
        self.table, self.sizes = binning.table(dtype), np.diff(binning.starts)

    def add(self, X: np.ndarray) -> bool:
        """Bins of the next rows; False where they hold NaN or infinity."""
        offset, n = self.at, len(X)

        def piece(start: int) -> bool:
            end = min(start + ROWS_PER_PIECE, n)
            here = np.zeros(len(self.missing), np.uint8)
            cells = (X, self.table, self.sizes, self.marks, start, end, offset)
            finite = bin_block(*cells, self.columns, self.words, here)
            self.missing[here > 0] = 1
            return bool(finite)

        finite = all(parallel(piece, range(0, n, ROWS_PER_PIECE)))
        self.at, self.finite = offset + n, self.finite and finite
        return finite

    def done(self) -> Binned:
        """All rows in bins."""
        made = (self.columns, self.words, self.binning.n_bins, self.missing, self.marks)
        return Binned(*made, self.finite)


def _cuts_of_column(
    columns: np.ndarray, w: np.ndarray | None, categorical: np.ndarray, max_bins: int, j: int
) -> np.ndarray:
    return cuts_of(*distinct(columns[j], w), bool(categorical[j]), max_bins)


def cuts_of(values: np.ndarray, counts: np.ndarray, categorical: bool, max_bins: int) -> np.ndarray:
    """Thresholds of a number, levels of a category, from rising distinct values and their rows."""
    if not categorical:
        return thresholds(values, counts, max_bins)
    if len(values) > max_bins:  # the most frequent levels; ties go to the smaller code
        values = np.sort(values[np.argsort(-counts, kind="stable")[:max_bins]])
    return values


def distinct(x: np.ndarray, w: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values in rising order, NaN left out, and the rows (or weight) of each."""
    if w is None:
        ordered = np.sort(x)
        known = len(x) - int(np.count_nonzero(np.isnan(x))) if np.isnan(ordered[-1:]).any() else len(x)
        ordered = ordered[:known]
        total = np.arange(1, known + 1, dtype=np.float64)
    else:
        order = np.argsort(x, kind="stable")
        ordered = x[order]
        known = len(x) - int(np.count_nonzero(np.isnan(x)))
        ordered, total = ordered[:known], np.cumsum(w[order[:known]])
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), known - 1)[: known or 0]
    return ordered[last].astype(np.float64), np.diff(total[last], prepend=0.0)


def thresholds(values: np.ndarray, counts: np.ndarray, max_bins: int) -> np.ndarray:
    """Cuts between rising distinct values that make at most `max_bins` bins of about equal weight."""
    if len(values) <= max_bins:
        after = np.arange(len(values) - 1)
    else:
        after = _equal_parts(counts, max_bins)
    return halfway(values[after], values[after + 1])


def halfway(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Cuts between neighbours; the lower one where rounding leaves nothing between them."""
    middle = low / 2 + high / 2
    return np.where((middle < low) | (middle >= high), low, middle)


def _equal_parts(counts: np.ndarray, max_bins: int) -> np.ndarray:
    """Positions of the values after which a bin ends."""
    heavy = counts >= counts.sum() / max_bins
    n_heavy = int(np.count_nonzero(heavy))
    light = np.where(heavy, 0.0, counts)
    parts = max_bins - 2 * n_heavy  # a heavy value has a cut on either side
    if parts < 1:
        light, parts, heavy = counts, max_bins, np.zeros(len(counts), dtype=bool)
    total = np.cumsum(light)
    ends = np.searchsorted(total, np.arange(1, parts) * (total[-1] / parts))
    at = np.flatnonzero(heavy)
    after = np.unique(np.concatenate([ends, at, at - 1]))
    return after[(after >= 0) & (after < len(counts) - 1)]
