"""Kernels k(x, z): inner products in a space of features that is never built.

    linear     x.z
    poly       (gamma x.z + coef0)^degree
    rbf        exp(-gamma |x - z|^2),    |x - z|^2 = |x|^2 + |z|^2 - 2 x.z
    sigmoid    tanh(gamma x.z + coef0)

Each is a function of dot products, so a block of values is one matrix product and one pass over it. Source:
B. Schölkopf, A. Smola, "Learning with Kernels", MIT Press 2002, chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.intrinsics import exp

LINEAR, POLY, RBF, SIGMOID, GIVEN = range(5)
CODES = {"linear": LINEAR, "poly": POLY, "rbf": RBF, "sigmoid": SIGMOID}


@kernel
def raised(base, degree):  # type: ignore[no-untyped-def]
    """base^degree by squaring."""
    power = base
    result = base * 0 + 1
    while degree > 0:
        if degree & 1:
            result = result * power
        power = power * power
        degree >>= 1
    return result


@kernel
def row_of_dots(row, a, b, code, gamma, coef0, degree):  # type: ignore[no-untyped-def]
    """row_j = x.z_j becomes k(x, z_j) in place; a = |x|^2 and b_j = |z_j|^2 count for rbf only."""
    zero, one, two = row.dtype.type(0), row.dtype.type(1), row.dtype.type(2)
    if code == 2:
        for j in range(row.size):
            squared = a + b[j] - two * row[j]
            squared = zero if squared < zero else squared  # NaN stays NaN
            row[j] = exp(-gamma * squared)
    elif code == 1 and degree == 3:
        for j in range(row.size):
            base = gamma * row[j] + coef0
            row[j] = base * base * base
    elif code == 1:
        for j in range(row.size):
            row[j] = raised(gamma * row[j] + coef0, degree)
    elif code == 3:
        for j in range(row.size):
            row[j] = one - two / (exp(two * (gamma * row[j] + coef0)) + one)


@kernel("F[:, ::1], F[::1], F[::1], i8, F, F, i8")
def kernel_of_dots(G, a, b, code, gamma, coef0, degree):  # type: ignore[no-untyped-def]
    """G_ij = x_i.z_j becomes k(x_i, z_j) in place."""
    for i in range(G.shape[0]):
        row_of_dots(G[i], a[i], b, code, gamma, coef0, degree)


@dataclass(frozen=True)
class Kernel:
    """A kernel with its parameters.

    Attributes
    ----------
    code : int
        LINEAR, POLY, RBF, SIGMOID, or GIVEN: values that the caller or `function` supplies.
    gamma, coef0 : float
    degree : int
    function : callable or None
        For GIVEN: k(A, B) of shape (len(A), len(B)); None for a precomputed matrix.
    """

    code: int
    gamma: float = 1.0
    coef0: float = 0.0
    degree: int = 3
    function: Callable[[Any, Any], Any] | None = None

    def from_dots(self, G: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Kernel values from dot products, in place; G of shape (len(a), len(b))."""
        if self.code != LINEAR:
            real = G.dtype.type
            kernel_of_dots(G, a, b, self.code, real(self.gamma), real(self.coef0), self.degree)
        return G

    def of_itself(self, squares: np.ndarray) -> np.ndarray:
        """k(x, x) from |x|^2, shape (n,)."""
        if self.code == RBF:
            return np.ones_like(squares)
        return self.from_dots(squares.reshape(-1, 1).copy(), squares, squares[:1]).reshape(-1)

    def between(self, A: Any, B: Any) -> np.ndarray:
        """Values of shape (n_A, n_B), both dense or both CSR of one float type."""
        if self.code == GIVEN:
            if self.function is None:
                raise ValueError("a precomputed kernel has values only for the rows it was computed for")
            return np.asarray(self.function(A, B))
        return self.from_dots(dots(A, B), squared_norms(A), squared_norms(B))


def dots(A: Any, B: Any) -> np.ndarray:
    """A B' as a C-contiguous array."""
    if sp.issparse(A):
        return np.ascontiguousarray((A @ B.T).toarray())
    product: np.ndarray = np.dot(A, B.T)
    return product


def squared_norms(X: Any) -> np.ndarray:
    """|x_i|^2, shape (n,), summed in float64 and of X's dtype."""
    if sp.issparse(X):
        return np.asarray(X.multiply(X).sum(axis=1, dtype=np.float64)).reshape(-1).astype(X.dtype)
    total: np.ndarray = np.einsum("ij,ij->i", X, X, dtype=np.float64).astype(X.dtype)
    return total


def scale_of(gamma: Any, X: Any, sample_weight: np.ndarray | None) -> float:
    """The number that `gamma` stands for: "scale" is 1 / (n_features Var X), "auto" 1 / n_features."""
    if not isinstance(gamma, str):
        return float(gamma)
    if gamma == "auto":
        return 1.0 / int(X.shape[1])
    variance = _variance(X, sample_weight)
    return float(1.0 / (X.shape[1] * variance)) if variance > 0 else 1.0


def _variance(X: Any, sample_weight: np.ndarray | None) -> float:
    """Variance of all entries, rows counted by weight."""
    n, p = X.shape
    w = np.ones(n) if sample_weight is None else sample_weight
    total = w.sum() * p
    if sp.issparse(X):
        mean = float(w @ np.asarray(X.sum(axis=1, dtype=np.float64)).reshape(-1)) / total
        square = float(w @ np.asarray(X.multiply(X).sum(axis=1, dtype=np.float64)).reshape(-1)) / total
        return float(square - mean * mean)
    mean = float(w @ X.sum(axis=1, dtype=np.float64)) / total
    shifted = X - X.dtype.type(mean)
    return float(w @ np.einsum("ij,ij->i", shifted, shifted, dtype=np.float64) / total)
