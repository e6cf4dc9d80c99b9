"""Least squares with more columns than rows: solved in the space of the rows.

    W' = A' (A A' + alpha I)^-1 B,        A = S^1/2 Xc,  B = S^1/2 yc

A A' has as many rows as the data; neither it nor a centred copy of X is formed at once in memory larger than
that: the columns come in pieces. Without penalty this is the interpolating solution of least norm.

References
----------
C. Saunders, A. Gammerman, V. Vovk, "Ridge regression learning algorithm in dual variables", ICML 1998.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg.blas import dsyrk

from tripos.compute.budget import require
from tripos.optimization.quadratic import ScaledCholesky, Solve, refined
from tripos.supervised.linear.normal import TRUSTED, Solution, least_norm, singular_values

PIECE_BYTES = 1 << 22
MEAN_ROWS = 64
TILE = 128


@dataclass(frozen=True, eq=False)
class DualRows:
    """A = S^1/2 (X - mean) by pieces of columns, and B.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    root : ndarray of shape (n_rows, 1): square roots of the weights
    x_mean, y_mean : ndarrays of shape (n_features,) and (n_targets,); zero without intercept
    B : ndarray of shape (n_rows, n_targets)
    """

    X: np.ndarray
    root: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    B: np.ndarray

    @classmethod
    def of(
        cls, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, *, fit_intercept: bool
    ) -> DualRows:
        n, d = X.shape
        Y = y.reshape(n, -1).astype(np.float64)
        s = np.ones(n) if sample_weight is None else sample_weight
        zero = np.zeros(d), np.zeros(Y.shape[1])
        share = s / s.sum()
        x_mean, y_mean = (_mean(X, share), share @ Y) if fit_intercept else zero
        root = np.sqrt(s)[:, None]
        return cls(X, root, x_mean, y_mean, root * (Y - y_mean))

    def pieces(self) -> Iterator[tuple[slice, np.ndarray]]:
        n, d = self.X.shape
        width = max(64, PIECE_BYTES // (8 * n))
        for start in range(0, d, width):
            columns = slice(start, min(start + width, d))
            yield columns, self.root * (self.X[:, columns] - self.x_mean[columns])

    def products(self) -> np.ndarray:
        """A A', of shape (n_rows, n_rows)."""
        n = len(self.X)
        require(
            3 * 8 * n * n,
            what=f"the products of {n} rows with one another",
            instead="solver='sparse_cg' of Ridge",
        )
        K = np.zeros((n, n))
        for _, A in self.pieces():
            dsyrk(1.0, A.T, beta=1.0, c=K.T, trans=1, overwrite_c=1)  # Fortran's view: K's lower triangle
        mirror(K)
        return K

    def primal(self, a: np.ndarray) -> np.ndarray:
        """W' = A' a, of shape (n_features, n_targets)."""
        w = np.empty((self.X.shape[1], a.shape[1]))
        for columns, A in self.pieces():
            w[columns] = A.T @ a
        return w

    def residual(self, a: np.ndarray) -> np.ndarray:
        """B - A A' a, from the rows."""
        left = self.B.copy()
        for _, A in self.pieces():
            left -= A @ (A.T @ a)
        return left

    def penalised_residual(self, alpha: float) -> Solve:
        """a -> B - (A A' + alpha I) a, from the rows."""
        return lambda a: self.residual(a) - alpha * a

    def solve(self, tol: float) -> Solution | None:
        """The interpolating solution of least norm (alpha = 0); None where the products cannot tell the
        rank."""
        K = self.products()
        solution = least_norm(K, self.B, tol=tol, residual=self.residual, certain=True)
        if solution is None:
            return None
        singular = singular_values(K) if solution.singular is None else solution.singular
        return replace(solution, w=self.primal(solution.w), singular=singular)

    def solve_penalised(self, alpha: np.ndarray) -> np.ndarray:
        """W' of shape (n_features, n_targets) for each target's alpha > 0."""
        K = self.products()
        a = np.empty_like(self.B)
        for value in np.unique(alpha):
            targets = np.flatnonzero(alpha == value)
            factor = ScaledCholesky(K + value * np.eye(len(K)))
            a[:, targets] = factor.solve(self.B[:, targets])
            if factor.rcond < TRUSTED:
                one = replace(self, B=self.B[:, targets])
                a[:, targets] = refined(a[:, targets], factor.solve, one.penalised_residual(value))
        return self.primal(a)


def mirror(K: np.ndarray) -> None:
    """Copies the lower triangle over the upper one, by tiles whose both sides stay in the cache."""
    n = len(K)
    for i in range(0, n, TILE):
        for j in range(0, i, TILE):
            K[j : j + TILE, i : i + TILE] = K[i : i + TILE, j : j + TILE].T
        own = K[i : i + TILE, i : i + TILE]
        own[:] = np.tril(own) + np.tril(own, -1).T


def _mean(X: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Weighted mean of the columns, taken about the first row so that columns far from zero lose no
    digits."""
    first = X[0].astype(np.float64)
    mean = first.copy()
    for start in range(0, len(X), MEAN_ROWS):
        rows = slice(start, start + MEAN_ROWS)
        mean += share[rows] @ (X[rows] - first)
    return np.asarray(mean)
