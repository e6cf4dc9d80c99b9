"""Mean and spread of every feature in every class, in one pass over blocks of rows that merge exactly.

The textbook sum of squares minus the square of the sum loses every digit when the mean is large. Two things keep
them here. Inside a block, sums are taken about the row of each class that has the largest weight: if that row lies
far from the mean, its own squared distance is part of the result, so what cancels is at most n times what remains.
Between blocks, moments merge by

    delta = mean_b - mean_a,    mean = mean_a + delta n_b / n,    S = S_a + S_b + delta^2 n_a n_b / n

(T. F. Chan, G. H. Golub & R. J. LeVeque, Algorithms for computing the sample variance, The American Statistician
37, 1983, doi:10.1080/00031305.1983.10483115).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_csr
from tripos.compute.blocks import Block

Floats = npt.NDArray[np.float64]


@kernel("i8[::1], f8[::1], i8[::1]", strict=True)
def heaviest_rows(y, w, rows):  # type: ignore[no-untyped-def]
    """rows[k] = the row of class k with the largest weight; stays -1 for a class without rows."""
    for i in range(y.size):
        k = y[i]
        if rows[k] < 0 or w[i] > w[rows[k]]:
            rows[k] = i


@kernel("F[:, ::1], i8[::1], f8[::1], f8[:, ::1], f8[::1], f8[:, ::1], f8[:, ::1]")
def shifted_sums(X, y, w, shift, n, s, q):  # type: ignore[no-untyped-def]
    """n_k += w,  s_kj += w (x_j - shift_kj),  q_kj += w (x_j - shift_kj)^2  over the rows of class k."""
    for i in range(X.shape[0]):
        k = y[i]
        n[k] += w[i]
        for j in range(X.shape[1]):
            v = X[i, j] - shift[k, j]
            s[k, j] += w[i] * v
            q[k, j] += w[i] * v * v


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1]")
def stored_sums(data, indices, indptr, y, w, n, stored, s):  # type: ignore[no-untyped-def]
    """As `shifted_sums` about zero over what a CSR matrix stores; `stored` is the weight of the stored cells."""
    for i in range(y.size):
        k = y[i]
        n[k] += w[i]
        for t in range(indptr[i], indptr[i + 1]):
            stored[k, indices[t]] += w[i]
            s[k, indices[t]] += w[i] * data[t]


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], f8[:, ::1], f8[:, ::1]")
def stored_squares(data, indices, indptr, y, w, mean, q):  # type: ignore[no-untyped-def]
    """q_kj += w (x_j - mean_kj)^2 over what a CSR matrix stores."""
    for i in range(y.size):
        k = y[i]
        for t in range(indptr[i], indptr[i + 1]):
            v = data[t] - mean[k, indices[t]]
            q[k, indices[t]] += w[i] * v * v


@dataclass(frozen=True)
class Moments:
    """Weight, mean and sum of squared deviations from it.

    Attributes
    ----------
    weight : ndarray of shape (n_classes,)
    mean, squares : ndarray of shape (n_classes, n_features)
        Zero for a class without rows.
    """

    weight: Floats
    mean: Floats
    squares: Floats

    @property
    def finite(self) -> bool:
        """Whether every row that went in held numbers only: NaN and infinity spread to the squares."""
        return bool(np.isfinite(self.squares).all())

    def merge(self, other: Moments) -> Moments:
        """Moments of the rows of both."""
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        delta = other.mean - self.mean
        return Moments(
            weight,
            self.mean + delta * share[:, None],
            self.squares + other.squares + delta * delta * (self.weight * share)[:, None],
        )

    def spread_over(self, positions: npt.NDArray[np.intp], n_classes: int) -> Moments:
        """The same moments among more classes: class k moves to positions[k]."""
        shape = (n_classes, self.mean.shape[1])
        wider = Moments(np.zeros(n_classes), np.zeros(shape), np.zeros(shape))
        wider.weight[positions] = self.weight
        wider.mean[positions] = self.mean
        wider.squares[positions] = self.squares
        return wider

    def total_variance(self) -> Floats:
        """Variance of each feature over all classes together, shape (n_features,)."""
        total = self.weight.sum()
        centre = self.weight @ self.mean / total
        between = self.weight @ (self.mean - centre) ** 2
        variance: Floats = (self.squares.sum(axis=0) + between) / total
        return variance


def block_moments(block: Block, n_classes: int) -> Moments:
    """Moments of each class in one block of rows, whose target holds class codes."""
    w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
    codes = np.asarray(block.y, np.int64)
    moments = _stored_moments if sp.issparse(block.X) else _dense_moments
    return moments(block.X, codes, w, n_classes)


def _dense_moments(
    X: npt.NDArray[np.floating], y: npt.NDArray[np.int64], w: Floats, n_classes: int
) -> Moments:
    rows = np.full(n_classes, -1)
    heaviest_rows(y, w, rows)
    shift = np.where(rows[:, None] >= 0, X[rows], 0.0).astype(np.float64)  # (n_classes, n_features)
    n, s, q = np.zeros(n_classes), np.zeros_like(shift), np.zeros_like(shift)
    shifted_sums(X, y, w, shift, n, s, q)
    offset = s / np.where(n > 0, n, 1.0)[:, None]
    with np.errstate(invalid="ignore"):  # infinity less infinity: `finite` tells
        return Moments(n, shift + offset, np.maximum(q - s * offset, 0.0))


def _stored_moments(X: sp.csr_matrix, y: npt.NDArray[np.int64], w: Floats, n_classes: int) -> Moments:
    """The cells that are not stored are zeros: their squared deviations are added at once."""
    data, indices, indptr = kernel_csr(X)
    shape = (n_classes, X.shape[1])
    n, stored, s, q = np.zeros(n_classes), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    stored_sums(data, indices, indptr, y, w, n, stored, s)
    mean = s / np.where(n > 0, n, 1.0)[:, None]
    stored_squares(data, indices, indptr, y, w, mean, q)
    return Moments(n, mean, q + np.maximum(n[:, None] - stored, 0.0) * mean * mean)
