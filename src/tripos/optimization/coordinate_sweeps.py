"""A few sweeps over all columns, for problems that need no more: many rows, and most columns in the solution.

    x_j.r = X_j.v + shift s m_j,      r = v + shift 1,      s = n

Where the columns are nearly uncorrelated five sweeps over X end it, and the products of all columns with one
another would cost as much as fifty. The columns are read where they lie: the residual holds the sum that their
means make as one number. Where the sweeps do not end soon, or leave most coefficients at zero, descent on a
working set goes on from there (`coordinate`).

Reference
---------
J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.optimization.coordinate_gram import Listener, Rules, Solution
from tripos.optimization.coordinate_kernels import gap_of, shrink

LEAST_COLUMNS = 128  # fewer: their products are cheap
PER_COLUMNS = 50  # a sweep for each so many columns, which is what the products of all with all would cost
SPARSE = 0.25  # share of coefficients that are not zero below which a working set is the shorter way
SLOW = 0.5  # a sweep that moves by more than this share of what the one before did is one of many
WORK = 1 << 25  # numbers that a kernel reads before it returns
TILE = 32


@kernel("F[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], i8, i8, f8, f8, b1, f8[::1]")
def sweep(XT, mean, g, v, w, first, last, l1, l2, positive, out):  # type: ignore[no-untyped-def]
    """A step for each column from `first` to `last`; XT has shape (n_features, n_rows). out[0] is the shift, in and
    out; out[1] the largest move and out[2] the largest coefficient, so far."""
    n = v.size
    for j in range(first, last):
        if g[j] == 0.0:
            continue
        x = XT[j]
        old = w[j]
        u = g[j] * old + out[0] * mean[j] * n
        for i in range(n):
            u += x[i] * v[i]
        new = shrink(u, l1, l2, g[j], positive)
        if new != old:
            delta = new - old
            w[j] = new
            for i in range(n):
                v[i] -= delta * x[i]
            out[0] += delta * mean[j]
            out[1] = max(out[1], abs(delta))
        out[2] = max(out[2], abs(new))


@kernel("F[:, ::1], f8[::1], f8[::1], i8, i8, F[:, ::1]")
def transpose(X, mean, root, first, last, out):  # type: ignore[no-untyped-def]
    """out_j = root (X_j - mean_j) for rows from `first` to `last` of X; out has shape (n_features, n_rows)."""
    d = X.shape[1]
    for start in range(first, last, TILE):
        stop = min(start + TILE, last)
        for left in range(0, d, TILE):
            for j in range(left, min(left + TILE, d)):
                for i in range(start, stop):
                    z = float(X[i, j]) - mean[j]
                    out[j, i] = out.dtype.type(z * root[i] if root.size else z)


def columns_in_order(columns: Any) -> tuple[np.ndarray, np.ndarray]:
    """The columns as rows of an array, and the means that are still in them: as they lie where that can be."""
    mean, n = columns.mean, columns.n_rows
    if columns.placed:
        return columns.Z, mean
    shape = (columns.n_features, n)
    require(float(columns.Z.itemsize * columns.n_features * n), what="a copy of X by columns")
    A = np.empty(shape, columns.Z.dtype)
    if columns.by_columns:
        step = max(1, WORK // max(1, n))
        for a in range(0, len(A), step):
            np.subtract(
                columns.Z[a : a + step], mean[a : a + step, None], out=A[a : a + step], casting="same_kind"
            )
            if columns.root.size:
                A[a : a + step] *= columns.root
    else:
        step = max(TILE, WORK // max(1, columns.n_features) // TILE * TILE)
        for a in range(0, n, step):
            transpose(columns.Z, mean, columns.root, a, min(a + step, n), A)
    return A, np.zeros_like(mean)


class Sweeps:
    """Descent over all columns, from w = 0, while it goes fast.

    Parameters
    ----------
    columns : DenseColumns
    y : ndarray of shape (n_rows,)
        As `columns.target` gives it.
    known : ndarray of shape (n_features,)
        x_j.y.
    """

    def __init__(self, columns: Any, y: np.ndarray, known: np.ndarray) -> None:
        self.columns, self.y, self.known = columns, y, known
        self.y2 = float(y @ y)
        self.w = np.zeros(columns.n_features)
        self.done = 0

    def promising(self, rules: Rules) -> bool:
        """Whether there are many rows, and most columns leave zero at the first step."""
        d = len(self.w)
        if d < LEAST_COLUMNS or self.columns.n_rows < 2 * d or not rules.tol > 0.0:
            return False
        size = self.known if rules.positive else np.abs(self.known)
        return bool(2 * np.count_nonzero(size > rules.l1) > d)

    def solve(self, rules: Rules, listener: Listener | None) -> Solution | None:
        """The solution, by the rule that scikit-learn stops by; None where another way is shorter, with what has
        been reached in `w`. In the order of scikit-learn the coefficients are the same, step by step."""
        XT, mean = columns_in_order(self.columns)
        v, out, n, d = self.y.copy(), np.zeros(3), self.columns.n_rows, len(self.w)
        width, before = max(1, WORK // n), np.inf
        stopped = listener is not None and listener(0.5 * self.y2)
        while self.done < rules.max_iter and not stopped:
            out[1:] = 0.0
            for a in range(0, d, width):
                sweep(
                    XT, mean, self.columns.square, v, self.w, a, min(a + width, d), rules.l1, rules.l2,
                    rules.positive, out,
                )  # fmt: skip
            self.done += 1
            r = v + out[0]
            objective = 0.5 * float(r @ r) + rules.value(self.w)
            stopped = listener is not None and listener(objective)
            moved, largest = out[1], out[2]
            if moved <= rules.tol * largest:
                gap = self._gap(r, rules)
                if gap <= rules.tol * self.y2:
                    return Solution(self.w, gap, rules.tol * self.y2, self.done, objective)
            late = self.done >= 3 and moved > SLOW * before
            thin = self.done >= 2 and np.count_nonzero(self.w) < SPARSE * d
            if not stopped and (late or thin or self.done >= max(5, d // PER_COLUMNS)):
                return None
            before = moved
        return Solution(self.w, self._gap(r, rules) if self.done else np.inf, rules.tol * self.y2, self.done,
                        objective if self.done else 0.5 * self.y2)  # fmt: skip

    def _gap(self, r: np.ndarray, rules: Rules) -> float:
        q = np.where(self.columns.square > 0.0, self.columns.products(r), 0.0)
        slopes = q - rules.l2 * self.w
        largest = float((slopes if rules.positive else np.abs(slopes)).max(initial=0.0))
        gap = gap_of(
            float(r @ r), float(r @ self.y), float(np.abs(self.w).sum()), float(self.w @ self.w), largest,
            float(q @ q), rules.l1, rules.l2,
        )  # fmt: skip
        return max(float(gap), 0.0)
