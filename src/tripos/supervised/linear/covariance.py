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

from tripos.compute.blocks import Block
from tripos.objective.moments import Moments
from tripos.supervised.linear.collinearity import Spectrum
from tripos.supervised.linear.design import Design

COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "clustered")
FULL_LEVERAGE = 1e-10  # 1 - h below which a row fits itself
GATHERED_BYTES = 1 << 23  # of rows brought together by group


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

    @property
    def inverse(self) -> np.ndarray:
        """Shape (k, k), intercept first."""
        A = self.spectrum.root
        if not self.fit_intercept:
            return np.asarray(A @ A.T)
        V = np.zeros((len(A) + 1,) * 2)
        V[0, 0] = 1.0 / self.spectrum.weight
        V[1:, 1:] = A @ A.T
        return V

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

    def in_columns(self, V: np.ndarray) -> np.ndarray:
        """From coefficients of centred columns to those of the columns as they are: b = b_c - mean.w."""
        if not self.fit_intercept:
            return V
        T = np.eye(len(V))
        T[0, 1:] = -self.spectrum.center
        return np.asarray(T @ V @ T.T)

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
        meat = _group_scores(design, bread, groups)
        meat *= n_groups / (n_groups - 1.0) * (n - 1.0) / (n - k)
    else:
        meat = bread.about_center(design.moments(lambda block: _squares(design, expected, kind, block)))
        if kind == "HC1":
            meat *= n / (n - k)
    V = bread.inverse
    return bread.in_columns(V @ meat @ V)


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
    """sum_g v_g v_g', shape (k, k): rows are brought together by group, a few megabytes at a time."""
    X, u = design.X, design.values(design.family.score)
    order = None if (groups[1:] >= groups[:-1]).all() else np.argsort(groups, kind="stable")
    step = max(1, GATHERED_BYTES // (8 * max(design.n_parameters, 1)))
    k = design.n_parameters
    meat, carried, last = np.zeros((k, k)), np.zeros(k), -1
    for start in range(0, len(u), step):
        rows: Any = slice(start, start + step) if order is None else order[start : start + step]
        own = groups[rows]
        local = np.cumsum(np.concatenate([[0], own[1:] != own[:-1]]))
        sums = _sums(X[rows], u[rows], local, design.fit_intercept)
        if own[0] == last:
            sums[0] += carried
        else:
            meat += _outer(carried[None], bread)
        meat += _outer(sums[:-1], bread)
        carried, last = sums[-1], own[-1]
    return np.asarray(meat + _outer(carried[None], bread))


def _sums(X: Any, u: np.ndarray, local: np.ndarray, fit_intercept: bool) -> np.ndarray:
    """sum of u_i z_i in each group, shape (n_groups, k)."""
    gather = sp.csr_array((u, (local, np.arange(len(u)))), shape=(local[-1] + 1, len(u)))
    sums = gather @ X.astype(np.float64, copy=False)
    sums = sums.toarray() if sp.issparse(sums) else sums
    if fit_intercept:
        sums = np.column_stack([np.bincount(local, weights=u), sums])
    return np.asarray(sums)


def _outer(sums: np.ndarray, bread: Bread) -> np.ndarray:
    if bread.fit_intercept:
        sums = sums.copy()
        sums[:, 1:] -= sums[:, :1] * bread.spectrum.center
    return np.asarray(sums.T @ sums)
