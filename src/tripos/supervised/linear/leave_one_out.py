"""Errors of ridge regression at rows it has not seen, for many penalties from one decomposition.

With the leverage h_i of one copy of row i at the penalty alpha,

    h_i = 1/W + xc_i'(G + alpha I)^-1 xc_i,     G = Xc' S Xc,     W = sum_i s_i     (without intercept: no 1/W)
    y_i - (prediction of x_i without it) = (y_i - prediction of x_i) / (1 - d_i h_i),     d_i = min(s_i, 1)

which is the Sherman-Morrison identity: no model is fitted twice. A row of weight k is k rows, so that one of them is
left out and the others stay; of a row that weighs less than one, all of it is.

Rows more than columns: G = V L V', so that with Z = Xc V the leverages of all penalties are Z^2 [1 / (L + alpha)]: one
product with the rows, block by block. Columns more than rows: with M = (S^1/2 Xc Xc' S^1/2 + alpha I)^-1 of the
rows, where s_i h_i = 1 - alpha M_ii. The direction S^1/2 1 that the intercept takes out of the rows is given a
curvature of its own, so that nothing cancels in its place.

References
----------
D. Allen (1974), doi:10.1080/00401706.1974.10489157; R. Rifkin, R. Lippert, "Notes on regularized least squares",
MIT-CSAIL-TR-2007-025; G. Golub, M. Heath, G. Wahba (1979), doi:10.1080/00401706.1979.10489751.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.linalg import lapack

from tripos.base import Training
from tripos.compute.blocks import Block, row_blocks
from tripos.compute.budget import require
from tripos.compute.executor import map_tasks
from tripos.objective.moments import FEW_BYTES, Moments, block_moments, moments, tall_blocks
from tripos.optimization.quadratic import spectrum
from tripos.supervised.linear.dual import DualRows
from tripos.supervised.linear.normal import NormalEquations
from tripos.supervised.linear.operator import target_means

SPARSE_SCATTER = 512  # columns of CSR up to which a kernel adds up their products
BLOCK_BYTES = 1 << 19  # rows, their product with V, its squares: all in the cache
INVERTED = 6  # penalties up to which an inverse each is cheaper than eigenvectors, nine times the work of one
COEFFICIENTS = 1 << 20  # of several penalties that are computed together
FLOAT32_SPREAD = 1e6  # ratio of curvatures up to which leverages from float32 products have three digits


@dataclass(frozen=True, eq=False)
class Unseen:
    """One penalty's answer.

    Attributes
    ----------
    alpha : float
    errors : ndarray of shape (n_rows, n_targets)
        y less the prediction made without the row.
    w : ndarray of shape (n_features, n_targets)
    b : ndarray of shape (n_targets,)
    """

    alpha: float
    errors: np.ndarray
    w: np.ndarray
    b: np.ndarray


def leave_one_out(
    training: Training, alphas: np.ndarray, *, fit_intercept: bool, by_rows: bool = False
) -> Iterator[Unseen]:
    """`Unseen` for each alpha > 0, in their order.

    Parameters
    ----------
    by_rows : bool
        Take singular values of the rows instead of the eigenvalues of their products (dense X, slower, and
        more digits where columns are collinear and alpha is next to nothing).
    """
    n, d = training.X.shape
    if n <= d:
        return _from_rows(training, alphas, fit_intercept)
    return _from_columns(training, alphas, fit_intercept, by_rows)


# ---- more rows than columns ------------------------------------------------------------------------


def _from_columns(
    training: Training, alphas: np.ndarray, fit_intercept: bool, by_rows: bool
) -> Iterator[Unseen]:
    assert training.y is not None
    X, Y, weight = training.X, training.y.reshape(len(training.y), -1), training.sample_weight
    equations = equations_of(X, Y, weight, fit_intercept=fit_intercept)
    L, V = _eigen(equations, X, weight, by_rows and isinstance(X, np.ndarray))
    shrunk = 1.0 / (L[:, None] + alphas)  # (d, n_alphas)
    VC = V.T @ equations.C  # (d, n_targets)
    R = (VC[:, None, :] * shrunk[:, :, None]).reshape(len(L), -1)  # Z R = Xc W' of every alpha and target
    total = float(len(X_rows(X)) if weight is None else weight.sum())
    n_targets, n_alphas = Y.shape[1], len(alphas)
    errors = np.empty((n_alphas, X.shape[0], n_targets))
    precision = _precision(X, L, alphas)
    V_, mean = V.astype(precision), equations.x_mean.astype(precision)
    R_, shrunk_ = R.astype(precision), shrunk.astype(precision)

    def fill(block: Block) -> None:
        Z = _rotated(block.X, mean, V_)
        e = (Z @ R_).reshape(len(Z), n_alphas, n_targets)
        np.multiply(Z, Z, out=Z)
        h = (Z @ shrunk_).astype(np.float64)  # (m, n_alphas)
        if fit_intercept:
            h += 1.0 / total
        if block.sample_weight is not None:
            h *= np.minimum(block.sample_weight, 1.0)[:, None]
        yc = np.asarray(block.y, dtype=np.float64) - equations.y_mean
        for a in range(n_alphas):
            errors[a, block.start : block.stop] = (yc - e[:, a]) / _room(h[:, a], alphas[a])[:, None]

    rows = max(64, BLOCK_BYTES // (8 * len(L)))
    blocks = row_blocks(X, Y, weight, rows=rows)
    if X.shape[0] <= rows:  # one block: the threads' machinery would take as long as the work
        for block in blocks:
            fill(block)
    else:
        map_tasks(fill, blocks)
    for a, alpha in enumerate(alphas):
        w = V @ (shrunk[:, [a]] * VC)
        yield Unseen(float(alpha), errors[a], w, equations.intercept(w))


def X_rows(X: Any) -> range:
    return range(X.shape[0])


def _room(h: np.ndarray, alpha: float) -> np.ndarray:
    """1 - d h, which is positive but for rounding."""
    return np.maximum(1.0 - h, 1e-15)


def _rotated(X: Any, mean: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Xc V of some rows."""
    if sp.issparse(X):
        return np.asarray(X.astype(V.dtype, copy=False) @ V - mean @ V)
    return np.asarray((X - mean).astype(V.dtype, copy=False) @ V)


def _precision(X: Any, L: np.ndarray, alphas: np.ndarray) -> Any:
    """float32 for float32 rows where the leverages keep three digits, else float64."""
    spread = (L[-1] + alphas.min()) / (max(L[0], 0.0) + alphas.min())
    return np.float32 if X.dtype == np.float32 and spread <= FLOAT32_SPREAD else np.float64


def _eigen(
    equations: NormalEquations, X: Any, weight: np.ndarray | None, by_rows: bool
) -> tuple[np.ndarray, np.ndarray]:
    """L, rising, and V of G = V diag(L) V'."""
    if not by_rows:
        L, V = spectrum(equations.G)
        return np.maximum(L, 0.0), V
    A = X - equations.x_mean
    if weight is not None:
        A *= np.sqrt(weight)[:, None]
    R = scipy.linalg.qr(A, mode="r", overwrite_a=True, check_finite=False)[0][: A.shape[1]]
    _, sigma, Vt = scipy.linalg.svd(R, check_finite=False)
    return np.ascontiguousarray(sigma[::-1] ** 2), np.ascontiguousarray(Vt[::-1].T)


def equations_of(X: Any, Y: np.ndarray, weight: np.ndarray | None, *, fit_intercept: bool) -> NormalEquations:
    """Normal equations of rows in memory, dense or CSR of any width."""
    if sp.issparse(X) and X.shape[1] > SPARSE_SCATTER:
        return _sparse_equations(X, Y, weight, fit_intercept)
    if isinstance(X, np.ndarray) and X.nbytes < FEW_BYTES and X.dtype == np.float64:
        found = block_moments(Block(X, Y, weight, 0), alone=True)
    else:
        found = moments(tall_blocks(X, Y, weight), n_targets=Y.shape[1])
    return NormalEquations.of(found, X.shape[1], fit_intercept=fit_intercept)


def _sparse_equations(
    X: Any, Y: np.ndarray, weight: np.ndarray | None, fit_intercept: bool
) -> NormalEquations:
    n, d = X.shape
    require(3 * 8 * d * d, what=f"the products of {d} columns with one another", instead="Ridge")
    s = np.ones(n) if weight is None else weight
    SX = X.multiply(s[:, None]).tocsr()
    x_mean = np.asarray(SX.sum(axis=0)).ravel() / s.sum() if fit_intercept else np.zeros(d)
    y_mean = target_means(Y, weight, fit_intercept=fit_intercept)
    G = (X.T @ SX).toarray() - s.sum() * np.outer(x_mean, x_mean)
    Yc = Y - y_mean
    C = SX.T @ Yc - np.outer(x_mean, s @ Yc)
    return NormalEquations(G, np.asarray(C), x_mean, y_mean, s @ (Yc * Yc))


# ---- more columns than rows ------------------------------------------------------------------------


def _from_rows(training: Training, alphas: np.ndarray, fit_intercept: bool) -> Iterator[Unseen]:
    assert training.y is not None
    X, weight = training.X, training.sample_weight
    n = X.shape[0]
    s = np.ones(n) if weight is None else weight
    rows: Any
    if sp.issparse(X):
        rows = _SparseRows.of(X, training.y.reshape(n, -1), s, fit_intercept)
    else:
        rows = DualRows.of(X, training.y, weight, fit_intercept=fit_intercept)
    K = rows.products()
    own = np.zeros(n)  # what the intercept's direction adds to the diagonal of the inverse
    level = float(np.trace(K)) / n or 1.0
    if fit_intercept:
        u = np.sqrt(s / s.sum())
        K += level * np.outer(u, u)
        own = u * u
    share = np.minimum(s, 1.0) / s  # d_i / s_i
    B = rows.B
    most = max(1, COEFFICIENTS // max(1, X.shape[1] * B.shape[1]))
    for answers in batched(_inverses(K, B, alphas), most):
        W = rows.primal(np.hstack([a for _, _, a in answers]))  # one pass over the rows for some penalties
        for (alpha, diagonal, a), w in zip(answers, np.hsplit(W, len(answers))):
            seen = alpha * (diagonal - own / (level + alpha))  # 1 - s_i h_i
            room = np.maximum((1.0 - share) + share * seen, 1e-15)
            errors = alpha * a / np.sqrt(s)[:, None] / room[:, None]
            yield Unseen(alpha, errors, w, rows.y_mean - rows.x_mean @ w)


def batched(found: Iterable[Any], most: int) -> Iterator[list[Any]]:
    """At most so many of them at a time."""
    iterator = iter(found)
    while batch := list(islice(iterator, most)):
        yield batch


def _inverses(
    K: np.ndarray, B: np.ndarray, alphas: np.ndarray
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """alpha, the diagonal of (K + alpha I)^-1, and (K + alpha I)^-1 B.

    With K + alpha I = L L' the diagonal is the squares of L^-1, added up by columns: for few penalties that takes a
    fraction of the eigenvectors' time, and all of it is products of matrices.
    """
    left = list(alphas)
    while left and len(alphas) <= INVERTED:
        A = np.array(K.T, order="F")  # K is symmetric: its rows are copied as columns
        A[np.diag_indices(len(A))] += left[0]
        factor, failed = lapack.dpotrf(A, lower=1, overwrite_a=1, clean=1)
        if failed:
            break  # next to K, rounding hides so small an alpha
        a = lapack.dpotrs(factor, B, lower=1)[0]
        inverse, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
        yield float(left.pop(0)), np.einsum("ij,ij->i", inverse.T, inverse.T), a
    if left:
        values, Q = scipy.linalg.eigh(K, overwrite_a=True, check_finite=False)
        values, QB, squares = np.maximum(values, 0.0), Q.T @ B, Q * Q
        for alpha in left:
            shrunk = 1.0 / (values + alpha)
            yield float(alpha), squares @ shrunk, Q @ (shrunk[:, None] * QB)


@dataclass(frozen=True, eq=False)
class _SparseRows:
    """As `DualRows`, for CSR."""

    A: Any  # S^1/2 X, CSR
    root: np.ndarray  # (n_rows,)
    x_mean: np.ndarray
    y_mean: np.ndarray
    B: np.ndarray

    @classmethod
    def of(cls, X: Any, Y: np.ndarray, s: np.ndarray, fit_intercept: bool) -> _SparseRows:
        root = np.sqrt(s)
        A = X.astype(np.float64).multiply(root[:, None]).tocsr()
        x_mean = (root @ A) / s.sum() if fit_intercept else np.zeros(X.shape[1])
        y_mean = target_means(Y, s, fit_intercept=fit_intercept)
        return cls(A, root, x_mean, y_mean, root[:, None] * (Y - y_mean))

    def products(self) -> np.ndarray:
        n = self.A.shape[0]
        require(4 * 8 * n * n, what=f"the products of {n} rows with one another", instead="Ridge with cv")
        K: np.ndarray = (self.A @ self.A.T).toarray()
        cross = self.A @ self.x_mean  # (n,)
        K -= np.outer(cross, self.root) + np.outer(self.root, cross)
        K += float(self.x_mean @ self.x_mean) * np.outer(self.root, self.root)
        return K

    def primal(self, a: np.ndarray) -> np.ndarray:
        return np.asarray(self.A.T @ a - np.outer(self.x_mean, self.root @ a))


def folds_apart(
    parts: list[Moments],
) -> list[Moments]:
    """For each part, the moments of all the others: sums of sums, so that nothing is subtracted."""
    n = len(parts)
    before: list[Moments | None] = [None]
    for part in parts[:-1]:
        last = before[-1]
        before.append(part if last is None else last.merge(part))
    after: list[Moments | None] = [None]
    for part in parts[:0:-1]:
        last = after[-1]
        after.append(part if last is None else part.merge(last))
    after.reverse()
    found = []
    for k in range(n):
        a, b = before[k], after[k]
        joined = a if b is None else b if a is None else a.merge(b)
        assert joined is not None
        found.append(joined)
    return found
