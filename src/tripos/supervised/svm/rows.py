"""Rows of the kernel matrix, computed when they are asked for and kept while there is room.

No n x n matrix is built: a block of rows is one float32 matrix product, and the least recently used rows leave when
the room that the user (`cache_size`) and the free memory allow is taken. Rows are float32 (24 bits; libsvm's cache
holds floats as well), the sums over them float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel
from tripos.supervised.svm.kernels import GIVEN, RBF, Kernel, squared_norms

STRIP = 4096  # columns of a block that one thread works off; fixed, so that no bit depends on the threads
PARALLEL = 1 << 19  # kernel values below which handing strips over costs more than it gains
BLOCK = 64  # rows of one product
WHOLE = 1 << 20  # values up to which all rows are computed at once: fewer calls save more than the rows cost


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
    room : float
        Bytes for rows.

    Attributes
    ----------
    K : float32 ndarray of shape (n_slots, width)
    slot : int32 ndarray of shape (width,)
        Where in K a row is, -1 where it is not.
    stamp : int64 ndarray of shape (n_slots,)
        When a slot was last used.
    diagonal : float32 ndarray of shape (width,)
    """

    def __init__(self, X: Any, kernel: Kernel, place: np.ndarray, width: int, room: float) -> None:
        self.kernel, self.place, self.width = kernel, place, width
        self.row_at = np.full(width, -1, np.int64)
        self.row_at[place] = np.arange(len(place))
        self._tight = len(place) == width or bool((place == np.arange(len(place))).all())
        self._X = X
        squares = np.zeros(len(place), np.float32) if kernel.code == GIVEN else squared_norms(X)
        self._squares = squares
        self.diagonal = np.ones(width, np.float32)
        self.diagonal[place] = X.diagonal() if kernel.code == GIVEN else kernel.of_itself(squares)
        n_slots = int(min(len(place), max(room // (4 * width), 2 * BLOCK)))
        self.K = np.zeros((n_slots, width), np.float32)
        self.slot = np.full(width, -1, np.int32)
        self.stamp = np.zeros(n_slots, np.int64)
        self._held = np.full(n_slots, -1, np.int64)  # column whose row a slot holds
        self._used = 0
        self._check(self.diagonal)
        if len(place) * width <= WHOLE and n_slots == len(place):
            self.fetch(place, 0)

    @property
    def free(self) -> int:
        """Slots that nothing was put in yet."""
        return len(self._held) - self._used

    def fetch(self, columns: np.ndarray, clock: int) -> None:
        """Put the rows of these columns (none of them held) into slots."""
        slots = self._slots(len(columns))
        old = self._held[slots]
        self.slot[old[old >= 0]] = -1
        block = self.block(self.row_at[columns])
        if self._tight:
            self.K[slots, : block.shape[1]] = block
        else:
            self.K[slots[:, None], self.place] = block
        self.slot[columns], self._held[slots], self.stamp[slots] = slots, columns, clock

    def _slots(self, count: int) -> np.ndarray:
        """Empty slots first, then those that were not used for longest."""
        fresh = np.arange(self._used, min(self._used + count, len(self._held)))
        self._used += len(fresh)
        if len(fresh) == count:
            return fresh
        stale = np.argpartition(self.stamp[: len(self._held) - len(fresh)], count - len(fresh) - 1)
        return np.concatenate([fresh, stale[: count - len(fresh)]])

    def block(self, rows: np.ndarray) -> np.ndarray:
        """float32 values of shape (len(rows), n_rows)."""
        n = len(self.place)
        if self.kernel.code == GIVEN:
            values = np.asarray(self._X[rows], dtype=np.float32)
            self._check(values)
            return values
        if sp.issparse(self._X):
            dense = self._X[rows].toarray()
            G = np.ascontiguousarray((self._X @ dense.T).T, dtype=np.float32)
            values = self.kernel.from_dots(G, self._squares[rows], self._squares)
        else:
            values = self._dense_block(rows, n)
        if self.kernel.code != RBF:
            self._check(values)
        return values

    def _dense_block(self, rows: np.ndarray, n: int) -> np.ndarray:
        A, a = self._X[rows], self._squares[rows]
        if len(rows) * n < PARALLEL:
            return self.kernel.from_dots(np.dot(A, self._X.T), a, self._squares)
        values = np.empty((len(rows), n), np.float32)

        def strip(start: int) -> None:
            chosen = slice(start, min(start + STRIP, n))
            G = np.dot(A, self._X[chosen].T)
            values[:, chosen] = self.kernel.from_dots(G, a, self._squares[chosen])

        parallel(strip, range(0, n, STRIP))
        return values

    def product(self, beta: np.ndarray) -> np.ndarray:
        """K beta in float64 over the padded columns, from the rows where beta is not zero."""
        result = np.zeros(self.width)
        nonzero = np.flatnonzero(beta)
        for start in range(0, len(nonzero), BLOCK):
            columns = nonzero[start : start + BLOCK]
            result[self.place] += beta[columns] @ self.block(self.row_at[columns])
        return result

    def _check(self, values: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            if not np.isfinite(values.sum()):
                raise ValueError(
                    "The kernel has values that are not finite in float32: scale the features "
                    "(each to mean 0 and variance 1), or choose a smaller gamma, degree or coef0"
                )


def single(X: Any, kernel: Kernel) -> Any:
    """X in float32 as rows are made of it; shifted to mean 0 for rbf, which keeps distances and loses fewer bits."""
    if sp.issparse(X):
        return X.astype(np.float32)
    if kernel.code == RBF:
        X = X - X.mean(axis=0)
    return kernel_array(X, np.float32) if kernel.code != GIVEN else X
