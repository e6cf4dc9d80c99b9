"""Covariance of the coefficients of a linear model: classical, robust to unequal variance, clustered.

With z = [1, x], the score residual u_i = (y_i - mu_i) mu_i' / V(mu_i), the leverage h_i and weights s_i counting rows,

    I = sum_i s_i mu_i'^2 / V(mu_i) z_i z_i'                      the information
    classical    phi I^-1
    HC0          J^-1 (sum_i s_i u_i^2 z_i z_i') J^-1             J: the observed information (J = I if canonical)
    HC1          HC0 n / (n - k)
    HC2, HC3     u_i^2 divided by (1 - h_i), by (1 - h_i)^2
    clustered    J^-1 (sum_g v_g v_g') J^-1 G/(G - 1) (n - 1)/(n - k),    v_g = sum_(i in g) s_i u_i z_i

with n = sum_i s_i, k coefficients and G groups. All is computed in columns about their mean, so that a column far
from zero costs no digits, and carried over to the columns as they are at the end.

References
----------
H. White, "A heteroskedasticity-consistent covariance matrix estimator", Econometrica 48 (1980),
doi:10.2307/1912934.
J. MacKinnon, H. White, "Some heteroskedasticity-consistent covariance matrix estimators with improved finite
sample properties", J. Econometrics 29 (1985), doi:10.1016/0304-4076(85)90158-7.
A. C. Cameron, D. L. Miller, "A practitioner's guide to cluster-robust inference", J. Human Resources 50 (2015),
doi:10.3368/jhr.50.2.317.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import Block
from tripos.objective.moments import Moments
from tripos.supervised.linear.collinearity import Spectrum
from tripos.supervised.linear.design import Design

COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "clustered")
FULL_LEVERAGE = 1e-10  # 1 - h below which a row fits itself
PIECE_ROWS = 1 << 16  # of those sorted by group, at a time


@kernel("F[:, ::1], f8[::1], i8[::1], i8[::1], f8[:, ::1]")
def group_sums(X, u, rows, local, total):  # type: ignore[no-untyped-def]
    """Adds u_i [1, x_i] of some rows to the line of their group."""
    for t in range(rows.size):
        i = np.uint64(rows[t])
        line = total[np.uint64(local[t])]
        line[0] += u[i]
        for j in range(X.shape[1]):
            line[j + 1] += u[i] * X[i, j]


@kernel("F[::1], I[::1], I[::1], f8[::1], i8[::1], i8[::1], f8[:, ::1]")
def csr_group_sums(data, indices, indptr, u, rows, local, total):  # type: ignore[no-untyped-def]
    """The same for CSR."""
    one = np.uint64(1)
    for t in range(rows.size):
        i = np.uint64(rows[t])
        line = total[np.uint64(local[t])]
        line[0] += u[i]
        for p in range(np.uint64(indptr[i]), np.uint64(indptr[i + one])):
            line[np.uint64(indices[p]) + one] += u[i] * data[p]


@dataclass(frozen=True, eq=False)
class Bread:
    """The inverse of an information matrix, in columns about their weighted mean.

    Attributes
    ----------
    spectrum : Spectrum
    fit_intercept : bool
    """

    spectrum: Spectrum
    fit_intercept: bool

    def root(self, *, about_mean: bool) -> np.ndarray:
        """R with R R' the inverse, shape (k, rank), intercept first: of the coefficients of columns about their mean,
        or of those of the columns as they are, whose intercept is b = b_c - mean.w.

        Multiplied into the root and not into the inverse, the means of two nearly equal columns cancel in time.
        """
        A = self.spectrum.root
        if not self.fit_intercept:
            return A
        d, rank = A.shape
        R = np.zeros((d + 1, rank + 1))
        R[0, 0] = 1.0 / np.sqrt(self.spectrum.weight)
        R[1:, 1:] = A
        if not about_mean:
            R[0, 1:] = -(self.spectrum.center @ A)
        return R

    def covariance(self, meat: np.ndarray | None = None) -> np.ndarray:
        """I^-1, or I^-1 M I^-1 for M about the mean, in columns as they are, shape (k, k)."""
        R = self.root(about_mean=False)
        if meat is not None:
            own = self.root(about_mean=True)
            return np.asarray(R @ (own.T @ meat @ own) @ R.T)
        return np.asarray(R @ R.T)

    def leverage(self, X: Any) -> np.ndarray:
        """z_i' I^-1 z_i, shape (n_rows,)."""
        A, center = self.spectrum.root, self.spectrum.center
        shares = X.astype(np.float64, copy=False) @ A - center @ A
        h = np.einsum("ij,ij->i", shares, shares)
        return np.asarray(h + 1.0 / self.spectrum.weight if self.fit_intercept else h)

    def about_center(self, moments: Moments) -> np.ndarray:
        """sum_i v_i z_i z_i' of weighted moments, z about this bread's mean, shape (k, k)."""
        if not self.fit_intercept:
            return np.asarray(moments.raw().scatter)
        delta = moments.mean - self.spectrum.center
        M = np.empty((len(delta) + 1,) * 2)
        M[0, 0] = moments.weight
        M[0, 1:] = M[1:, 0] = moments.weight * delta
        M[1:, 1:] = moments.scatter + moments.weight * np.outer(delta, delta)
        return M

    def determined(self) -> np.ndarray:
        found = self.spectrum.determined()
        if not self.fit_intercept:
            return found
        return np.concatenate([[self.spectrum.intercept_determined()], found])


def sandwich(design: Design, expected: Bread, kind: str, groups: np.ndarray | None, n: float) -> np.ndarray:
    """A robust covariance, in columns as they are, shape (k, k).

    Parameters
    ----------
    design : Design
    expected : Bread
        Of the expected information, which the leverage is about.
    kind : {"HC0", "HC1", "HC2", "HC3", "clustered"}
    groups : ndarray of shape (n_rows,), integers from 0, or None
    n : float
        Sum of the weights.
    """
    bread = expected
    if not design.family.canonical:
        observed = Spectrum.of(design.information_moments(observed=True), fit_intercept=design.fit_intercept)
        bread = Bread(observed, design.fit_intercept)
    k = expected.spectrum.rank + design.fit_intercept
    if kind == "clustered":
        assert groups is not None
        n_groups = int(groups.max()) + 1
        with blas_threads(1):  # narrow products: a second thread costs more than it does
            meat = _group_scores(design, bread, groups)
        meat *= n_groups / (n_groups - 1.0) * (n - 1.0) / (n - k)
    else:
        meat = bread.about_center(design.moments(lambda block: _squares(design, expected, kind, block)))
        if kind == "HC1":
            meat *= n / (n - k)
    return bread.covariance(meat)


def _squares(design: Design, expected: Bread, kind: str, block: Block) -> np.ndarray:
    """s_i u_i^2, for HC2 and HC3 raised by the leverage."""
    y, eta, mu, s = design.rows(block)
    u = design.family.score(y, eta, mu)
    squares = u * u
    if kind in ("HC2", "HC3"):
        left = 1.0 - expected.leverage(block.X) * design.family.information(eta, mu)
        # A row that alone determines a coefficient has no residual, and so says nothing about the variance.
        factor = np.divide(1.0, left, out=np.zeros_like(left), where=left > FULL_LEVERAGE)
        squares *= factor if kind == "HC2" else factor * factor
    return np.asarray(squares if s is None else squares * s)


def _group_scores(design: Design, bread: Bread, groups: np.ndarray) -> np.ndarray:
    """sum_g v_g v_g', shape (k, k): rows are visited group by group, a piece at a time."""
    X, u = design.X, design.values(design.family.score)
    order = np.argsort(groups, kind="stable")
    k = design.n_parameters
    meat, carried, last = np.zeros((k, k)), np.zeros(k), -1
    for start in range(0, len(u), PIECE_ROWS):
        rows = order[start : start + PIECE_ROWS]
        own = groups[rows]
        sums = _sums(X, u, rows, np.cumsum(np.concatenate([[0], own[1:] != own[:-1]])))
        sums = sums if design.fit_intercept else sums[:, 1:]
        if own[0] == last:
            sums[0] += carried
        else:
            meat += _outer(carried[None], bread)
        meat += _outer(sums[:-1], bread)
        carried, last = sums[-1], own[-1]
    return np.asarray(meat + _outer(carried[None], bread))


def _sums(X: Any, u: np.ndarray, rows: np.ndarray, local: np.ndarray) -> np.ndarray:
    """sum of u_i [1, x_i] over the rows of each group, shape (n_groups, n_features + 1)."""
    total = np.zeros((local[-1] + 1, X.shape[1] + 1))
    if sp.issparse(X):
        csr_group_sums(*kernel_csr(X), u, rows, local, total)
    else:
        group_sums(kernel_array(X), u, rows, local, total)
    return total


def _outer(sums: np.ndarray, bread: Bread) -> np.ndarray:
    if bread.fit_intercept:
        sums = sums.copy()
        sums[:, 1:] -= sums[:, :1] * bread.spectrum.center
    return np.asarray(sums.T @ sums)
