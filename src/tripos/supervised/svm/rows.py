"""Rows of the kernel matrix, computed when they are asked for and kept while there is room.

No n x n matrix is built: a block of rows is one float32 matrix product, and the least recently used rows leave when
the room that the user (`cache_size`) and the free memory allow is taken. Rows are float32 (24 bits; libsvm's cache
holds floats as well), the sums over them float64. Few features are kept as columns, from which `smo` makes a row
by itself: many small problems (pairs of classes) then never return to Python for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel as compiled
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel
from tripos.supervised.svm.kernels import GIVEN, RBF, Kernel, dots, squared_norms

STRIP = 4096  # columns of a block that one thread works off; fixed, so that no bit depends on the threads
PARALLEL = 1 << 18  # kernel values below which handing strips over costs more than it gains
BLOCK = 64  # rows of one product
WHOLE = 1 << 20  # values up to which all rows are computed at once: fewer calls save more than the rows cost
INSIDE = 1 << 20  # values of X that a row meets up to which it is made where it is used
VALUES = 1 << 19  # kernel values of a block of sums


@compiled("f4[:, ::1], f8[::1], f8[::1]")
def weigh(values, beta, sums):  # type: ignore[no-untyped-def]
    """sums_i = sum_j values_ij beta_j, in float64."""
    for i in range(values.shape[0]):
        row, total = values[i], 0.0
        for j in range(row.size):
            total += np.float64(row[j]) * beta[j]
        sums[i] = total


@compiled("f4[::1], i8, i8[::1], i8[::1]")
def move_rows(room, old_width, slots, source):  # type: ignore[no-untyped-def]
    """Rows `slots` (rising) of a table become its first rows, of columns `source` (-1: zero), in place.

    Rows and columns only move towards the start, so what is written never lies behind what is still to be read.
    """
    width = source.size
    for r in range(slots.size):
        old, new = slots[r] * old_width, r * width
        for c in range(width):
            room[new + c] = np.float32(0) if source[c] < 0 else room[old + source[c]]


class KernelRows:
    """Rows k(x_i, .) over padded columns, least recently used first to leave.

    Parameters
    ----------
    X : float32 ndarray or CSR matrix of shape (n_rows, n_features)
        For a given kernel (precomputed): its values, of shape (n_rows, n_rows).
    kernel : Kernel
    place : int64 ndarray of shape (n_rows,)
        Column at which each row of X stands; the columns between are padding.
    width : int
        Columns with padding.
    room : float or float32 ndarray
        Bytes for rows, or the memory itself.
    empty : bool
        Not to begin with the rows of a small problem.

    Attributes
    ----------
    K : float32 ndarray of shape (n_slots, width)
    slot : int32 ndarray of shape (width,)
        Where in K a row is, -1 where it is not.
    stamp, held : int64 ndarray of shape (n_slots,)
        When a slot was last used, and the column whose row it holds.
    state : int64 ndarray of shape (3,)
        Steps made, column whose row is wanted, slots in use.
    diagonal : float32 ndarray of shape (width,)
    XT : float32 ndarray of shape (n_features, width)
        Features by columns where rows are made inside, else of shape (0, 0).
    """

    def __init__(
        self, X: Any, kernel: Kernel, place: np.ndarray, width: int, room: Any, empty: bool = False
    ) -> None:
        self.kernel, self.place, self.width = kernel, place, width
        self._X, n = X, len(place)
        self.row_at = np.full(width, -1, np.int64)
        self.row_at[place] = np.arange(n)
        self._tight = n == width or bool((place == np.arange(n)).all())
        self._norms = np.zeros(n, np.float32) if kernel.code == GIVEN else squared_norms(X)
        self.diagonal = np.ones(width, np.float32)
        self.diagonal[place] = X.diagonal() if kernel.code == GIVEN else kernel.of_itself(self._norms)
        self._check(self.diagonal)
        if not isinstance(room, np.ndarray):
            room = np.empty(min(n, max(int(room // (4 * width)), 2 * BLOCK)) * width, np.float32)
        self.room = room
        n_slots = min(n, len(room) // width)
        self.K = room[: n_slots * width].reshape(n_slots, width)
        self.slot = np.full(width, -1, np.int32)
        self.stamp, self.held = np.zeros(n_slots, np.int64), np.full(n_slots, -1, np.int64)
        self.state = np.zeros(3, np.int64)
        self._lay_columns()
        if not empty and not len(self.XT) and n * width <= WHOLE and n_slots == n:
            self.fetch(place, 0)

    def _lay_columns(self) -> None:
        inside = self.kernel.code != GIVEN and not sp.issparse(self._X)
        inside = (
            inside
            and self._X.size > 0
            and bool(self._X.size <= INSIDE or np.count_nonzero(self._X) <= INSIDE)
        )
        self.XT = np.zeros((self._X.shape[1], self.width) if inside else (0, 0), np.float32)
        self.squares = np.zeros(self.width if inside else 0, np.float32)
        self.filled = np.empty(len(self.XT), np.int64)
        if inside:
            self.XT[:, self.place] = self._X.T
            self.squares[self.place] = self._norms

    def fetch(self, columns: np.ndarray, clock: int) -> None:
        """Put the rows of these columns (none of them held) into slots."""
        slots = self._slots(len(columns))
        old = self.held[slots]
        self.slot[old[old >= 0]] = -1
        rows = self.row_at[columns]
        if self._tight:
            self.K[slots, len(self.place) :] = 0.0
        else:
            self.K[slots] = 0.0
        if self.kernel.code == GIVEN or sp.issparse(self._X):
            self._put(slots, slice(None), self._given_or_sparse(rows))
        else:
            self._make(slots, rows)
        self.slot[columns], self.held[slots], self.stamp[slots] = slots, columns, clock

    def _put(self, slots: np.ndarray, chosen: slice, values: np.ndarray) -> None:
        """Values of the chosen rows' columns into slots; rbf alone cannot overflow."""
        if self.kernel.code != RBF:
            self._check(values)
        if self._tight:
            self.K[slots, slice(*chosen.indices(len(self.place)))] = values
        else:
            self.K[slots[:, None], self.place[chosen]] = values

    def _given_or_sparse(self, rows: np.ndarray) -> np.ndarray:
        if self.kernel.code == GIVEN:
            return np.asarray(self._X[rows], dtype=np.float32)
        G = np.ascontiguousarray((self._X @ self._X[rows].toarray().T).T, dtype=np.float32)
        return self.kernel.from_dots(G, self._norms[rows], self._norms)

    def _make(self, slots: np.ndarray, rows: np.ndarray) -> None:
        A, a, n = self._X[rows], self._norms[rows], len(self.place)
        step = STRIP if len(rows) * n >= PARALLEL else n

        def strip(start: int) -> None:
            chosen = slice(start, min(start + step, n))
            G = np.dot(A, self._X[chosen].T)
            self._put(slots, chosen, self.kernel.from_dots(G, a, self._norms[chosen]))

        if step < n:
            parallel(strip, range(0, n, step))
        else:
            strip(0)

    def _slots(self, count: int) -> np.ndarray:
        """Empty slots first, then those that were not used for longest."""
        used = int(self.state[2])
        fresh = np.arange(used, min(used + count, len(self.held)))
        self.state[2] += len(fresh)
        if len(fresh) == count:
            return fresh
        stale = np.argpartition(self.stamp[:used], count - len(fresh) - 1)
        return np.concatenate([fresh, stale[: count - len(fresh)]])

    def narrowed(self, kept: np.ndarray, X: Any, place: np.ndarray, width: int) -> KernelRows:
        """Over fewer columns: `kept` of the old rows (X), now at `place`; rows that are held stay, in the same memory."""
        source, moved = np.full(width, -1), np.full(self.width, -1)
        source[place], moved[self.place[kept]] = self.place[kept], place
        slots = np.flatnonzero(moved[self.held[: self.state[2]]] >= 0)
        move_rows(self.room, self.width, slots, source)
        new, columns = (
            KernelRows(X, self.kernel, place, width, self.room, empty=True),
            moved[self.held[slots]],
        )
        new.held[: len(slots)], new.stamp[: len(slots)] = columns, self.stamp[slots]
        new.slot[columns] = np.arange(len(slots))
        new.state[:] = self.state[0], 0, len(slots)
        return new

    def _check(self, values: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            if not np.isfinite(values.sum()):
                raise ValueError(
                    "The kernel has values that are not finite in float32: scale the features "
                    "(each to mean 0 and variance 1), or choose a smaller gamma, degree or coef0"
                )


def products(X: Any, kernel: Kernel, rows: np.ndarray, others: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """sum_j beta_j k(x_i, x_j) for `rows` i over `others` j, beta of shape (len(others),); float64 for each i."""
    sums, given = np.empty(len(rows)), kernel.code == GIVEN
    step = max(1, VALUES // max(len(others), 1))
    V = None if given else X[others]
    v = None if given else squared_norms(V)

    def strip(start: int) -> None:
        chosen = rows[start : start + step]
        if given:
            values = kernel_array(X[np.ix_(chosen, others)], np.float32)
        else:
            Z = X[chosen]
            values = kernel.from_dots(dots(Z, V), squared_norms(Z), v)  # type: ignore[arg-type]
        weigh(values, beta, sums[start : start + step])

    starts = range(0, len(rows), step)
    if len(starts) > 1:
        parallel(strip, starts)
    elif len(starts):
        strip(0)
    return sums


def single(X: Any, kernel: Kernel) -> Any:
    """X in float32 as rows are made of it.

    For rbf columns are shifted to mean 0, which keeps distances and loses fewer bits; not those that are mostly zero,
    since zeros save work.
    """
    if sp.issparse(X):
        return X.astype(np.float32)
    if kernel.code == RBF:
        X = X - np.where(2 * np.count_nonzero(X, axis=0) > len(X), X.mean(axis=0), 0)
    return kernel_array(X, np.float32) if kernel.code != GIVEN else X
