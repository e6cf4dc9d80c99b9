"""Quadratics F(w) = w'Gw / 2 - c'w with G symmetric and at least semi-definite: solved, not iterated.

`ScaledCholesky` serves the full-rank case and says how far it can be trusted; `Spectral` any rank, with the
solution of least norm; `refined` turns either into a solution as exact as residuals can be computed.

References
----------
N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., sections 10.1 (scaling), 12.1
(refinement), 20.4 (normal equations).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from tripos.compute.blas import blas_threads

SMALL_SPECTRUM = 128  # columns
Solve = Callable[[np.ndarray], np.ndarray]


class ScaledCholesky:
    """Cholesky factor of G scaled to a unit diagonal, which takes out the units the columns are measured in.

    Parameters
    ----------
    G : ndarray of shape (d, d)

    Attributes
    ----------
    rcond : float
        Estimated inverse condition number of the scaled matrix (1-norm); its solutions lose -log10(rcond)
        digits.

    Raises
    ------
    scipy.linalg.LinAlgError
        If G is not positive definite.
    """

    def __init__(self, G: np.ndarray) -> None:
        diagonal = np.diag(G)
        if not (diagonal > 0.0).all():
            raise scipy.linalg.LinAlgError("a column is constant")
        self._scale = 1.0 / np.sqrt(diagonal)
        scaled = G * self._scale * self._scale[:, None]
        norm = np.abs(scaled).sum(axis=0).max()
        self._factor, failed = lapack.dpotrf(scaled.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise scipy.linalg.LinAlgError(f"the leading minor of order {failed} is not positive definite")
        self.rcond = float(lapack.dpocon(self._factor, norm, uplo="L")[0])

    def solve(self, c: np.ndarray) -> np.ndarray:
        """G^-1 c for a vector, or a matrix with one right-hand side per column."""
        scale = self._scale if c.ndim == 1 else self._scale[:, None]
        solved, _ = lapack.dpotrs(self._factor, scale * c, lower=1)
        return np.asarray(scale * solved)


def spectrum(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a finite symmetric matrix, rising, and its eigenvectors.

    Small matrices go to NumPy, whose call costs a third of SciPy's, and to one thread: on 64 columns several
    threads of BLAS waited for one another longer than they worked.
    """
    if len(G) > SMALL_SPECTRUM:
        values, vectors = scipy.linalg.eigh(G, check_finite=False)
        return values, vectors
    with blas_threads(1):
        values, vectors = np.linalg.eigh(G)
    return values, vectors


class Spectral:
    """Eigendecomposition of G; eigenvalues below `threshold` times the largest count as zero.

    Attributes
    ----------
    values : ndarray of shape (d,)
        Eigenvalues, largest first; what rounding made negative is 0.
    rank : int
    """

    def __init__(self, G: np.ndarray, threshold: float) -> None:
        values, vectors = scipy.linalg.eigh(G, check_finite=False)
        self.values = np.maximum(values[::-1], 0.0)
        self.rank = (
            int(np.count_nonzero(self.values > threshold * self.values[0])) if self.values[0] > 0.0 else 0
        )
        self._vectors = vectors[:, ::-1][:, : self.rank]

    def solve(self, c: np.ndarray) -> np.ndarray:
        """The solution of least norm, G^+ c."""
        inverse = 1.0 / self.values[: self.rank]
        shares = (self._vectors.T @ c) * (inverse if c.ndim == 1 else inverse[:, None])
        solved: np.ndarray = self._vectors @ shares
        return solved


def refined(
    w: np.ndarray, solve: Solve, residual: Solve, *, max_steps: int = 6, precision: float = 1e-13
) -> np.ndarray:
    """Iterative refinement w <- w + solve(residual(w)) for as long as the corrections shrink.

    Parameters
    ----------
    w : ndarray
        A first solution.
    solve : callable
        The solver whose error is to be removed.
    residual : callable
        c - G w, computed from the data rather than from G: one pass over the rows.
    max_steps : int
    precision : float
        Relative size of a correction that ends it.

    Returns
    -------
    ndarray
    """
    previous = np.inf
    for _ in range(max_steps):
        correction = solve(residual(w))
        size = float(np.linalg.norm(correction))
        if not size < 0.5 * previous:  # no longer converging: the rest is rounding of the residual itself
            return w
        w, previous = w + correction, size
        if size <= precision * float(np.linalg.norm(w)):
            return w
    return w


def dependent_columns(G: np.ndarray, tolerance: float = 1e-10) -> list[tuple[int, list[int]]]:
    """Columns that are combinations of the others, each with the columns it is a combination of.

    Pivoted Cholesky of the scaled matrix takes the columns in the order of what is new in them; those after
    the rank bring nothing. An empty list of partners means a constant column.

    Parameters
    ----------
    G : ndarray of shape (d, d)
        Scatter of the columns.
    tolerance : float
        Share of a column's variance that must be new for it to count.
    """
    diagonal = np.diag(G)
    constant = np.flatnonzero(diagonal <= 0.0)
    varying = np.flatnonzero(diagonal > 0.0)
    found: list[tuple[int, list[int]]] = [(int(j), []) for j in constant]
    if not len(varying):
        return found
    scale = 1.0 / np.sqrt(diagonal[varying])
    scaled = G[np.ix_(varying, varying)] * scale * scale[:, None]
    _, pivots, rank, _ = lapack.dpstrf(scaled, tol=tolerance, lower=1)
    kept, dropped = pivots[:rank] - 1, pivots[rank:] - 1
    weights = np.linalg.lstsq(scaled[np.ix_(kept, kept)], scaled[np.ix_(kept, dropped)], rcond=None)[0]
    for column, share in zip(dropped, weights.T):
        partners = kept[np.abs(share) > 1e-4]
        found.append((int(varying[column]), sorted(int(varying[k]) for k in partners)))
    return found
