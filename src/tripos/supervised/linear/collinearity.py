"""How far the columns say the same: rank, variance inflation, condition number.

With the scatter G of the columns about their means (about zero without intercept), scaled to a unit diagonal,

    D G D = V diag(l) V',    G^-1 = A A'  with  A = D V diag(l)^-1/2,    VIF_j = G_jj (G^-1)_jj

VIF_j = 1 / (1 - R_j^2), where R_j^2 is what the other columns explain of column j. Directions whose share of the
spectrum is rounding are left out of A; a coefficient that has a part in them is not determined by the rows.
Squaring the columns costs half the digits, so a nearly singular G is replaced by a triangle from the rows.

References
----------
D. Belsley, E. Kuh, R. Welsch, *Regression Diagnostics* (1980), chapter 3.
J. Demmel et al., "Communication-optimal parallel and sequential QR and LU factorizations", SIAM J. Sci. Comput.
34 (2012), doi:10.1137/080731992 (the triangle from blocks of rows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from tripos.objective.moments import Moments
from tripos.optimization.quadratic import dependent_columns

DOUBTFUL = 1e-8  # share of the largest eigenvalue below which the squares have lost half of sixteen digits
ZERO_SQUARE = 1e-11  # share of an eigenvalue of G that is rounding
ZERO = 1e-9  # the same for a singular value of the columns themselves
UNDETERMINED = 1e-5  # part of a coefficient in a direction that the rows do not determine
NAMED = 5

Triangle = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A scatter matrix taken apart.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    center : ndarray of shape (d,)
        The columns' means; zero without intercept.
    scatter : ndarray of shape (d, d)
    root : ndarray of shape (d, rank)
        A, with A A' the inverse (a generalised one where columns are collinear).
    values, vectors : ndarrays of shape (d,) and (d, d)
        l and V, largest first.
    scale : ndarray of shape (d,)
        The diagonal of D.
    """

    weight: float
    center: np.ndarray
    scatter: np.ndarray
    root: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, moments: Moments, *, fit_intercept: bool, triangle: Triangle | None = None) -> Spectrum:
        """From moments; `triangle(center, scale)` gives R with R'R = D G D from the rows, where they are dense."""
        m = moments if fit_intercept else moments.raw()
        G = m.scatter.copy()
        if fit_intercept:  # a constant column is rounding of its mean, not variance
            constant = np.diag(G) <= m.weight * (16 * np.finfo(float).eps * m.mean) ** 2
            G[constant] = G[:, constant] = 0.0
        diagonal = np.diag(G)
        scale = np.divide(1.0, np.sqrt(diagonal), out=np.zeros(len(G)), where=diagonal > 0)
        values, vectors = scipy.linalg.eigh(G * scale * scale[:, None], check_finite=False)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        zero = ZERO_SQUARE
        if triangle is not None and len(G) and values[-1] < DOUBTFUL * values[0]:
            R = triangle(m.mean, scale)
            _, singular, rows = scipy.linalg.svd(R, full_matrices=True, check_finite=False)
            values = np.zeros(len(G))
            values[: len(singular)] = singular**2
            vectors, zero = rows.T, ZERO**2
        rank = int(np.count_nonzero(values > zero * max(values[:1].sum(), np.finfo(float).tiny)))
        root = scale[:, None] * vectors[:, :rank] / np.sqrt(values[:rank])
        return cls(m.weight, m.mean, G, root, values, vectors, scale)

    @property
    def rank(self) -> int:
        return int(self.root.shape[1])

    @property
    def _null(self) -> np.ndarray:
        """Directions the rows say nothing about, in scaled columns, shape (d, d - rank)."""
        return self.vectors[:, self.rank :]

    def determined(self) -> np.ndarray:
        """Whether the rows determine each coefficient, shape (d,)."""
        return np.asarray(np.linalg.norm(self._null, axis=1) < UNDETERMINED)

    def intercept_determined(self) -> bool:
        ratio = np.sqrt(self.weight) * self.center * self.scale  # means in standard deviations
        constant = (self.scale == 0) & (self.center != 0)
        return not constant.any() and bool((np.abs(ratio @ self._null) < UNDETERMINED).all())

    def variance_inflation(self) -> np.ndarray:
        """VIF of each column, shape (d,); infinite where the column is a combination of the others."""
        vif = np.einsum("jk,jk->j", self.root, self.root) * np.diag(self.scatter)
        return np.where(self.determined(), vif, np.inf)

    def condition_number(self, *, fit_intercept: bool) -> float:
        """Largest singular value of the design (with its column of ones) over the smallest."""
        d = len(self.scatter)
        if self.rank < d:
            return float("inf")
        R = np.sqrt(self.values)[:, None] * self.vectors.T / self.scale
        if fit_intercept:
            top = np.sqrt(self.weight) * np.concatenate([[1.0], self.center])
            R = np.vstack([top, np.column_stack([np.zeros(d), R])])
        singular = scipy.linalg.svdvals(R, check_finite=False)
        return float(singular[0] / singular[-1])

    def describe(self, names: Sequence[str]) -> str:
        """Which columns follow from which; empty where none does."""
        if self.rank == len(names):
            return ""
        found = dependent_columns(self.scatter)
        if not found:
            return f"the columns have rank {self.rank} of {len(names)}"
        parts = [_sentence(column, partners, names) for column, partners in found[:NAMED]]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return ", ".join(parts) + more


def _sentence(column: int, partners: list[int], names: Sequence[str]) -> str:
    if not partners:
        return f"{names[column]!r} is constant"
    others = ", ".join(repr(names[k]) for k in partners[:NAMED]) + (", ..." if len(partners) > NAMED else "")
    return f"{names[column]!r} follows from {others}"
