"""Kernels by scikit-learn's names, between rows: what kernel ridge and Nystroem features are made of.

The four of `kernels` are one matrix product and one pass; the others ("laplacian", "chi2", "additive_chi2", "cosine") and
callables, which take two rows, are scikit-learn's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels

from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel
from tripos.supervised.svm.kernels import CODES, Kernel, dots, squared_norms

NAMES = {*PAIRWISE_KERNEL_FUNCTIONS, "precomputed"}
OURS = {**CODES, "polynomial": CODES["poly"]}
VALUES = 1 << 20  # kernel values of a block


def own_kernel(name: Any, n_features: int, gamma: Any, coef0: Any, degree: Any) -> Kernel | None:
    """One of `kernels` with scikit-learn's defaults (gamma 1 / n_features, coef0 1, degree 3); None for the others."""
    code = OURS.get(name) if isinstance(name, str) else None
    degree = 3 if degree is None else degree
    if code is None or (code == CODES["poly"] and int(degree) != degree):
        return None
    gamma = 1.0 / n_features if gamma is None else gamma
    return Kernel(code, float(gamma), 1.0 if coef0 is None else float(coef0), int(degree))


def foreign_values(
    A: Any, B: Any, name: Any, settings: Mapping[str, Any], params: Mapping[str, Any] | None
) -> Any:
    """Values of scikit-learn's other kernels and of callables, shape (n_A, n_B)."""
    if callable(name):
        return np.asarray(pairwise_kernels(A, B, metric=name, **(params or {})), dtype=np.float64)
    given = {key: value for key, value in settings.items() if value is not None}
    return np.asarray(pairwise_kernels(A, B, metric=name, filter_params=True, **given), dtype=np.float64)


def own_values(kernel: Kernel, A: Any, B: Any) -> np.ndarray:
    """k(a, b) for all rows, shape (n_A, n_B); blocks of rows on all threads, in place of one copy after another."""
    out = np.empty((A.shape[0], B.shape[0]), B.dtype)

    def write(start: int, values: np.ndarray) -> None:
        out[start : start + len(values)] = values

    by_blocks(kernel, A, B, write)
    return out


def by_blocks(kernel: Kernel, A: Any, B: Any, use: Callable[[int, np.ndarray], None]) -> None:
    """Hands use(first row, values of shape (some rows, n_B)) of all rows of A; no more than blocks are in memory."""
    b, dtype = squared_norms(B), B.dtype
    step = max(1, VALUES // max(B.shape[0], 1))
    both = sp.issparse(A) and sp.issparse(B)

    def block(start: int) -> None:
        rows = A[start : start + step].astype(dtype, copy=False)
        if both or not (sp.issparse(A) or sp.issparse(B)):
            G = dots(rows, B)
        elif sp.issparse(B):
            G = kernel_array((B @ rows.T).T)
        else:
            G = kernel_array(rows @ B.T)
        use(start, kernel.from_dots(G, squared_norms(rows), b))

    starts = range(0, A.shape[0], step)
    if len(starts) == 1:
        block(0)
    else:
        parallel(block, starts)
