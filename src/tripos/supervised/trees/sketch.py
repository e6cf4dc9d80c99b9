"""What cuts are learned from when rows are too many to sort: a sketch of every column that merges.

It keeps two things.

- **Levels**: the distinct values of a column and their rows, exactly, while there are at most 255 of them.
- **Rows**: those with the smallest keys, 100,000 of them, for quantiles of all other columns. A row's key is a mix of its
  number and the seed, so the rows kept are a simple random sample without replacement.

Both merge: levels by union and sum, rows by keeping the smallest keys of both sides. Whatever the blocks, their order and
who made them, the same rows are kept and the same levels are found, so a merged sketch is, to the bit, that of all rows
at once; sketches that promise a rank only (Greenwald and Khanna; Karnin, Lang and Liberty) are not. With n rows kept the
share of rows below a cut is wrong by more than e with probability 2 exp(-2 n e^2) at most: 0.6 % of the rows for
one column in a hundred.

References
----------
Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries" (2013), doi:10.1145/2500128.
Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality" (1990), doi:10.1214/aop/1176990746.
Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014), doi:10.1145/2660193.2660195 (the mix).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.supervised.trees import binning as bins
from tripos.supervised.trees.binning import MOST_BINS, Binning, cuts_of

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
GROUP = 8  # neighbouring columns that one thread counts: a cache line of a row
PART = 1 << 13  # rows of a column that are copied before they are counted
KEYS_AT_ONCE = 1 << 17
SLOTS = 512  # of the hash that guesses where a value stands among the levels
LARGEST = (1 << 64) - 1  # of all keys
HASHED = np.uint64(64 - 9)
U = np.uint64


@kernel
def add_levels(x, w, weighted, levels, counts, size, guess):  # type: ignore[no-untyped-def]
    """Counts x among the `size` rising levels, new ones put in their place; -1 where they are more than the array holds.

    `guess` remembers where values of the same hash were found last; NaN is left out.
    """
    bits = x.view(np.uint64)
    for i in range(len(x)):
        value = x[i]
        if value != value:
            continue
        slot = (bits[i] * GOLDEN) >> HASHED
        at = np.int64(guess[slot])
        if at >= size or levels[at] != value:
            low, high = np.int64(0), size
            while low < high:
                middle = (low + high) // 2
                if levels[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            at = low
            guess[slot] = np.uint8(at)
            if at == size or levels[at] != value:
                if size == len(levels):
                    return np.int64(-1)
                for k in range(size, at, -1):
                    levels[k], counts[k] = levels[k - 1], counts[k - 1]
                levels[at], counts[at] = value, 0.0
                size += 1
        counts[at] += w[i] if weighted else 1.0
    return size


@kernel("F[:, ::1], f8[::1], b1, i8, i8, f8[:, ::1], f8[:, ::1], i8[::1]")
def count_levels(X, w, weighted, first, last, levels, counts, sizes):  # type: ignore[no-untyped-def]
    """Levels of the columns first <= j < last; a size of -1 says that a column has too many."""
    x, guess = np.empty(PART), np.zeros((last - first, SLOTS), np.uint8)
    for start in range(0, X.shape[0], PART):
        m = min(PART, X.shape[0] - start)
        weight = w[start : start + m] if weighted else w
        for j in range(first, last):
            if sizes[j] >= 0:
                for i in range(m):
                    x[i] = X[start + i, j]
                sizes[j] = add_levels(
                    x[:m], weight, weighted, levels[j], counts[j], sizes[j], guess[j - first]
                )


@kernel("F[::1], I[::1], I[::1], f8[::1], b1, f8, i8, i8, i8[::1], f8[::1], f8[::1], i8[::1]")
def count_stored(  # type: ignore[no-untyped-def]
    data, rows, starts, w, weighted, total, first, last, room, levels, counts, sizes
):
    """`count_levels` of the columns first <= j < last of CSC; what is not stored is zero, `total` is that of all rows.

    Column j has levels[room[j]:room[j + 1]].
    """
    x, weight, guess = np.empty(PART), np.empty(PART), np.zeros(SLOTS, np.uint8)
    for j in range(first, last):
        here, number = levels[room[j] : room[j + 1]], counts[room[j] : room[j + 1]]
        end, rest, size = np.int64(starts[j + 1]), total, np.int64(0)
        for start in range(np.int64(starts[j]), end, PART):
            m = min(PART, end - start)
            for i in range(m):  # type: ignore[call-overload]
                x[i] = data[start + i]
                weight[i] = w[rows[start + i]] if weighted else 1.0
                rest -= weight[i]
            if size >= 0:
                size = add_levels(x[:m], weight, weighted, here, number, size, guess)
        if size >= 0 and rest > 0.0:
            x[0], weight[0] = 0.0, rest
            size = add_levels(x[:1], weight, True, here, number, size, guess)
        sizes[j] = size


def keys_of_rows(first: int, last: int, seed: int) -> np.ndarray:
    """The keys of the rows first <= i < last: a one-to-one mix of 64 bits, so no two rows share one."""
    start = _mix(np.array([seed % (1 << 64)], np.uint64) + GOLDEN)
    return _mix(np.arange(first, last, dtype=np.uint64) * GOLDEN + start)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> U(31)))


def is_sampled(n_rows: int) -> bool:
    """Whether quantiles of so many rows come from some of them."""
    return n_rows > bins.SAMPLE


def sample_rows_of(
    first: int, last: int, seed: int, below: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows first <= i < last, rising, whose keys are among the smallest (and less than `below`), and their keys."""
    kept, keys = np.empty(0, np.int64), np.empty(0, np.uint64)
    below = LARGEST if below is None else below
    for start in range(first, last, KEYS_AT_ONCE):
        end = min(start + KEYS_AT_ONCE, last)
        new, numbers = keys_of_rows(start, end, seed), np.arange(start, end)
        if below < LARGEST:
            few = np.flatnonzero(new < U(below))
            new, numbers = new[few], numbers[few]
        keys, kept = np.concatenate([keys, new]), np.concatenate([kept, numbers])
        if len(keys) > bins.SAMPLE:
            few = np.argpartition(keys, bins.SAMPLE - 1)[: bins.SAMPLE]
            keys, kept = keys[few], kept[few]
            below = int(keys.max())
    order = np.argsort(kept)
    return kept[order], keys[order]


def stored_levels(by_column: Any, weight: np.ndarray | None) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Levels and rows (or weight) of the columns of CSC that have at most 255 distinct values."""
    n, p = by_column.shape
    room = np.cumsum([0, *np.minimum(np.diff(by_column.indptr) + 1, MOST_BINS)]).astype(np.int64)
    levels, counts, sizes = np.empty(room[-1]), np.empty(room[-1]), np.empty(p, np.int64)
    weighted = weight is not None
    w, total = (weight, float(weight.sum())) if weight is not None else (np.empty(0), float(n))
    cells = (by_column.data, by_column.indices, by_column.indptr, w, weighted, total)
    step = max(1, p // 64)
    parallel(
        lambda at: count_stored(*cells, at, min(at + step, p), room, levels, counts, sizes),
        range(0, p, step),
    )
    return {
        int(j): (levels[room[j] : room[j] + sizes[j]], counts[room[j] : room[j] + sizes[j]])
        for j in np.flatnonzero(sizes >= 0)
    }


def exact_cuts(found: Binning, levels: dict[int, tuple[np.ndarray, np.ndarray]], max_bins: int) -> Binning:
    """`found` with the cuts of columns whose values and rows are known."""
    cuts = [
        cuts_of(*levels[j], bool(found.categorical[j]), max_bins)
        if j in levels
        else found.cuts[found.starts[j] : found.starts[j + 1]]
        for j in range(found.n_features)
    ]
    starts = np.cumsum([0, *map(len, cuts)]).astype(np.int64)
    return Binning(np.concatenate(cuts).astype(np.float64), starts, found.categorical)


class QuantileSketch:
    """Learns the bins of columns from rows that come in pieces, in any order, here or elsewhere.

    Parameters
    ----------
    n_features : int
    seed : int
        Draws the rows that are kept.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos.supervised.trees.sketch import QuantileSketch
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> here, there = QuantileSketch(2), QuantileSketch(2)
    >>> here.add(X[:300])
    >>> there.add(X[300:], first=300)
    >>> here.merge(there)
    >>> here.binning().n_bins
    array([255, 255])
    """

    def __init__(self, n_features: int, seed: int = 0) -> None:
        self.seed, self.n_features = int(seed), n_features
        self.levels, self.counts = np.empty((2, n_features, MOST_BINS))
        self.sizes = np.zeros(n_features, np.int64)
        self.n_rows = 0
        self.numbers, self.keys = np.empty(0, np.int64), np.empty(0, np.uint64)
        self.rows: np.ndarray = np.empty((0, n_features), np.float32)
        self.weight: np.ndarray | None = None

    def add(self, X: np.ndarray, sample_weight: np.ndarray | None = None, *, first: int = 0) -> None:
        """Adds rows.

        Parameters
        ----------
        X : float ndarray of shape (n_rows, n_features)
        sample_weight : float64 ndarray of shape (n_rows,), optional
            A weight of k counts as k rows; given for all pieces or for none.
        first : int
            The number of the first of these rows among all.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"X has the shape {X.shape}, the sketch has {self.n_features} columns")
        if len(self.numbers) and (sample_weight is None) != (self.weight is None):
            raise ValueError("sample_weight must come with all pieces or with none")
        if not len(X):
            return
        weighted = sample_weight is not None
        w = np.ascontiguousarray(sample_weight, np.float64) if weighted else np.empty(0)
        groups = [at for at in range(0, self.n_features, GROUP) if (self.sizes[at : at + GROUP] >= 0).any()]
        X = np.ascontiguousarray(X)
        cells = (self.levels, self.counts, self.sizes)
        parallel(
            lambda at: count_levels(X, w, weighted, at, min(at + GROUP, self.n_features), *cells), groups
        )
        below = int(self.keys.max()) if len(self.keys) >= bins.SAMPLE else None
        numbers, keys = sample_rows_of(first, first + len(X), self.seed, below)
        at = numbers - first
        self._keep(numbers, keys, X[at], w[at] if weighted else None)
        self.n_rows += len(X)

    def merge(self, other: QuantileSketch) -> None:
        """Adds the rows of another sketch, which is left as it is.

        Raises
        ------
        ValueError
            The other sketch has another seed, other columns, or rows of the same numbers.
        """
        if (other.seed, other.n_features) != (self.seed, self.n_features):
            raise ValueError(
                f"sketches merge with the same seed and columns: {self.seed} and {self.n_features} here, "
                f"{other.seed} and {other.n_features} there"
            )
        if not len(other.numbers):
            return
        if len(self.numbers) and (self.weight is None) != (other.weight is None):
            raise ValueError("one sketch has weights and the other has not")
        if np.isin(other.numbers, self.numbers).any():
            raise ValueError("both sketches hold rows of the same number: pass `first` to `add`")
        for j in range(self.n_features):
            if min(self.sizes[j], other.sizes[j]) < 0:
                self.sizes[j] = -1
                continue
            sides = (self.levels_of(j), other.levels_of(j))
            union = np.union1d(sides[0][0], sides[1][0])
            self.sizes[j] = len(union) if len(union) <= MOST_BINS else -1
            if self.sizes[j] >= 0:
                self.levels[j, : len(union)], self.counts[j, : len(union)] = union, 0.0
                for values, counts in sides:
                    self.counts[j, np.searchsorted(union, values)] += counts
        self._keep(other.numbers, other.keys, other.rows, other.weight)
        self.n_rows += other.n_rows

    def _keep(self, numbers: np.ndarray, keys: np.ndarray, rows: np.ndarray, w: np.ndarray | None) -> None:
        """The rows of the smallest keys, those given and those here."""
        if len(self.numbers):
            numbers, keys = np.concatenate([self.numbers, numbers]), np.concatenate([self.keys, keys])
            rows = np.concatenate([self.rows, rows])
            w = None if w is None or self.weight is None else np.concatenate([self.weight, w])
        if len(keys) > bins.SAMPLE:
            few = np.sort(np.argpartition(keys, bins.SAMPLE - 1)[: bins.SAMPLE])
            numbers, keys, rows, w = numbers[few], keys[few], rows[few], None if w is None else w[few]
        self.numbers, self.keys, self.rows, self.weight = numbers, keys, rows, w

    def binning(self, categorical: np.ndarray | None = None, max_bins: int = MOST_BINS) -> Binning:
        """The bins of the rows added so far.

        Parameters
        ----------
        categorical : bool ndarray of shape (n_features,), optional
        max_bins : int
        """
        if not self.n_rows:
            raise ValueError("the sketch holds no rows: add some")
        order = np.argsort(self.numbers)
        weight = None if self.weight is None else self.weight[order]
        found = Binning.learn(self.rows[order], weight, categorical=categorical, max_bins=max_bins)
        if self.n_rows == len(order):
            return found
        few = {int(j): self.levels_of(int(j)) for j in np.flatnonzero(self.sizes >= 0)}
        return exact_cuts(found, few, max_bins)

    def levels_of(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """The distinct values of column j, at most 255 of them, and the rows (or weight) of each."""
        size = int(self.sizes[j])
        if size < 0:
            raise ValueError(f"column {j} has more than {MOST_BINS} distinct values")
        return self.levels[j, :size].copy(), self.counts[j, :size].copy()
