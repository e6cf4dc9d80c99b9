"""One column at a time: densities and tables of log P(x_j | k), and the sum over columns.

A column is a normal density (one mean and variance per class), or a table that is looked up: by category, by interval,
or between the points of a grid (a kernel density estimate). A missing value has no factor in the product.

    kernel density:  f_k(x) = 1 / (n_k h_k) sum_i phi((x - x_i) / h_k),    h_k = 0.9 min(sd, IQR / 1.34) n_k^(-1/5)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal

from tripos.compute import kernel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NORMAL, CATEGORY, INTERVAL, GRID = 0, 1, 2, 3
MOST_POINTS = 4096  # of a grid; eight to the narrowest bandwidth where that is fewer
REACH = 4.0  # bandwidths that a grid goes beyond the values


@kernel("F[:, ::1], i8[::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1]")
def present_sums(X, y, w, shift, n, s, q):  # type: ignore[no-untyped-def]
    """n_kj += w,  s_kj += w (x_j - shift_j),  q_kj += w (x_j - shift_j)^2  over the rows of class k that have x_j."""
    for i in range(X.shape[0]):
        k = y[i]
        for j in range(X.shape[1]):
            if X[i, j] == X[i, j]:
                v = X[i, j] - shift[j]
                n[k, j] += w[i]
                s[k, j] += w[i] * v
                q[k, j] += w[i] * v * v


@kernel("F[:, ::1], i8[::1], f8[::1], i8[::1], f8[:, ::1]")
def present_categories(X, y, w, start, count):  # type: ignore[no-untyped-def]
    """count_(start_j + x_j)k += w over the rows of class k that have x_j; below zero counts as missing."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if X[i, j] >= 0:
                count[start[j] + np.int64(X[i, j]), y[i]] += w[i]


@kernel
def place(x, kind, start, stop, low, step, edges, first_edge):  # type: ignore[no-untyped-def]
    """The row of the table that x falls into, and how far x is on the way to the next; -1: it says nothing."""
    if kind == CATEGORY:
        return (start + np.int64(x), 0.0) if 0 <= x < stop - start else (np.int64(-1), 0.0)
    if kind == INTERVAL:
        a, b = first_edge, first_edge + (stop - start - 1)  # the first edge that is larger than x
        while a < b:
            middle = (a + b) // 2
            if edges[middle] > x:
                b = middle
            else:
                a = middle + 1
        return start + (a - first_edge), 0.0
    t = (x - low) / step
    last = np.float64(stop - start - 1)
    t = min(max(t, 0.0), last)
    c = min(np.int64(t), np.int64(stop - start - 2))
    return start + c, t - c


@kernel("F[:, ::1], i8[::1], i8[::1], f8[:, ::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1], f8[:, ::1]")
def mixed_joint(X, kind, start, table, low, step, edges, first_edge, prior, joint):  # type: ignore[no-untyped-def]
    """joint_ik = prior_k + sum_j log P(x_ij | k) over the columns that are not missing; NaN where x is infinite."""
    for i in range(X.shape[0]):
        for k in range(prior.size):
            joint[i, k] = prior[k]
        for j in range(X.shape[1]):
            x = np.float64(X[i, j])
            if x != x:
                continue
            if abs(x) == np.inf:
                for k in range(prior.size):
                    joint[i, k] = np.nan
            elif kind[j] == NORMAL:
                a = start[j]
                for k in range(prior.size):
                    z = x - table[a + 1, k]
                    joint[i, k] += table[a, k] - z * z * table[a + 2, k]
            else:
                c, share = place(x, kind[j], start[j], start[j + 1], low[j], step[j], edges, first_edge[j])
                if c >= 0:
                    for k in range(prior.size):
                        joint[i, k] += table[c, k]
                    if share > 0.0:
                        for k in range(prior.size):
                            joint[i, k] += share * (table[c + 1, k] - table[c, k])


@dataclass(frozen=True)
class PresentMoments:
    """Weight, mean and sum of squared deviations of the values that are there, each of shape (n_classes, n_numbers)."""

    weight: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, X: Any, y: Integers, w: Floats, n_classes: int) -> PresentMoments:
        shift = np.zeros(X.shape[1])
        for j, column in enumerate(X.T):  # a value of the column, so that a large mean costs no digits
            there = column[column == column]
            shift[j] = there[len(there) // 2] if len(there) else 0.0
        n, s, q = (np.zeros((n_classes, X.shape[1])) for _ in range(3))
        with np.errstate(invalid="ignore"):
            present_sums(X, y, w, shift, n, s, q)
            offset = s / np.where(n > 0, n, 1.0)
            return cls(n, np.where(n > 0, shift + offset, 0.0), np.maximum(q - s * offset, 0.0))

    def merge(self, other: PresentMoments) -> PresentMoments:
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        delta = other.mean - self.mean
        return PresentMoments(
            weight,
            self.mean + delta * share,
            self.squares + other.squares + delta * delta * self.weight * share,
        )

    def spread_over(self, positions: npt.NDArray[np.intp], n_classes: int) -> PresentMoments:
        tables = []
        for table in (self.weight, self.mean, self.squares):
            wider = np.zeros((n_classes, table.shape[1]))
            wider[positions] = table
            tables.append(wider)
        return PresentMoments(*tables)

    def over_all_classes(self) -> tuple[Floats, Floats, Floats]:
        """Weight, mean and variance of each column, shape (n_numbers,)."""
        weight = self.weight.sum(axis=0)
        safe = np.where(weight > 0, weight, 1.0)
        mean = (self.weight * self.mean).sum(axis=0) / safe
        squares = self.squares.sum(axis=0) + (self.weight * (self.mean - mean) ** 2).sum(axis=0)
        return weight, mean, squares / safe


@dataclass(frozen=True)
class Column:
    """log P(x | k) of one column as `mixed_joint` reads it: the rows of its table, and how to find one."""

    kind: int
    table: Floats  # (n_rows, n_classes)
    low: float = 0.0
    step: float = 1.0
    edges: Floats = field(default_factory=lambda: np.zeros(0))


def normal_columns(moments: PresentMoments, var_smoothing: float) -> list[Column]:
    """A normal density per class: log P = a - (x - mean)^2 b. A class that never has the column gets the density of
    all classes together; a column that is constant says nothing."""
    _, mean, variance = moments.over_all_classes()
    n = moments.weight
    theta = np.where(n > 0, moments.mean, mean)
    var = np.where(n > 0, moments.squares / np.where(n > 0, n, 1.0), variance) + var_smoothing * variance
    columns = []
    for j in range(len(mean)):
        # what rounding leaves of a constant column is no variance
        constant = variance[j] <= (1e-14 * mean[j]) ** 2 or not var[:, j].all()
        v = np.ones_like(var[:, j]) if constant else var[:, j]
        a, b = -0.5 * np.log(2.0 * np.pi * v), 0.5 / v
        columns.append(
            Column(NORMAL, np.stack([a, theta[:, j], b]) * ([[0.0], [1.0], [0.0]] if constant else 1.0))
        )
    return columns


def category_column(count: Floats, alpha: float) -> Column:
    """(N_kc + alpha) / (N_k + alpha C) from counts of shape (n_categories, n_classes)."""
    smoothed = count + alpha
    total = smoothed.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.where(total > 0, np.log(smoothed) - np.log(total), -np.log(max(len(count), 1)))
    return Column(CATEGORY, np.maximum(log_p, -1e100))


def interval_column(
    x: Floats, y: Integers, w: Floats, n_classes: int, *, n_bins: int, alpha: float
) -> Column:
    """Counts in intervals that hold equal shares of the rows."""
    there = ~np.isnan(x)
    x, y, w = x[there], y[there], w[there]
    edges = np.zeros(0)
    if len(x):
        order = np.argsort(x, kind="stable")
        reached = np.cumsum(w[order]) / w.sum()
        cuts = np.searchsorted(reached, np.arange(1, n_bins) / n_bins - 1e-12)
        edges = np.unique(x[order][cuts])
        edges = edges[edges > x.min()]
    code = np.searchsorted(edges, x, side="right")
    count = np.zeros((len(edges) + 1, n_classes))
    np.add.at(count, (code, y), w)
    return Column(INTERVAL, category_column(count, alpha).table, edges=edges)


def density_column(
    x: Floats, y: Integers, w: Floats, n_classes: int, *, bandwidth: float, alpha: float
) -> Column:
    """A kernel density estimate on a grid: the values are shared out to the grid's points and smoothed there.

    `bandwidth` multiplies Silverman's rule. A class counts `alpha` rows more, spread evenly over the grid.
    """
    there = ~np.isnan(x)
    x, y, w = x[there], y[there], w[there]
    if not len(x) or x.min() == x.max():
        return Column(GRID, np.zeros((2, n_classes)))
    widths = np.array([bandwidth * _silverman(x[y == k], w[y == k], x, w) for k in range(n_classes)])
    low, high = x.min() - REACH * widths.max(), x.max() + REACH * widths.max()
    points = int(min(max(np.ceil((high - low) / widths.min() * 8), 64), MOST_POINTS))
    grid_step = (high - low) / (points - 1)
    table = np.empty((points, n_classes))
    for k in range(n_classes):
        own = y == k
        table[:, k] = _smoothed(x[own], w[own], low, grid_step, points, max(widths[k], 2.0 * grid_step))
    n = np.bincount(y, weights=w, minlength=n_classes)
    density = (n * table + alpha / (high - low)) / np.maximum(n + alpha, np.finfo(float).tiny)
    return Column(
        GRID, np.log(np.maximum(density, np.finfo(float).tiny)), low=float(low), step=float(grid_step)
    )


def _silverman(own: Floats, w: Floats, everyone: Floats, w_all: Floats) -> float:
    """0.9 min(sd, IQR / 1.34) n^(-1/5) of a class, or of all rows where the class does not vary."""
    for values, weights in ((own, w), (everyone, w_all)):
        if not len(values):
            continue
        n = weights.sum()
        mean = weights @ values / n
        sd = np.sqrt(weights @ (values - mean) ** 2 / n)
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(weights[order]) / n
        lower, upper = (values[order][np.searchsorted(reached, q - 1e-12)] for q in (0.25, 0.75))
        spread = min(sd, (upper - lower) / 1.34) or sd  # half of the values equal: the quartiles say nothing
        if spread > 0:
            return float(0.9 * spread * n**-0.2)
    return 1.0


def _smoothed(x: Floats, w: Floats, low: float, step: float, points: int, h: float) -> Floats:
    """f(g) on the grid: each value shared between its two neighbours, then a convolution with the normal density."""
    if not len(x):
        return np.zeros(points)
    t = (x - low) / step
    left = np.minimum(t.astype(np.int64), points - 2)
    share = t - left
    mass = np.bincount(left, w * (1 - share), points) + np.bincount(left + 1, w * share, points)
    reach = int(np.ceil(6.0 * h / step))
    z = np.arange(-reach, reach + 1) * (step / h)
    bell = np.exp(-0.5 * z * z) / (h * np.sqrt(2.0 * np.pi))
    convolved = scipy.signal.fftconvolve(mass, bell, mode="full")[reach : reach + points]
    smooth: Floats = np.maximum(convolved / w.sum(), 0.0)
    return smooth
