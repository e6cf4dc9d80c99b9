"""Which columns of wide sparse rows say the same, without the matrix of columns by columns.

A random v is taken apart into what the rows see and what they do not: the solution of least norm z of Xc z = Xc v by
conjugate gradients is the part in the space of the rows, and q = v - z has Xc q = 0. Where columns are independent, q
is zero. Where they are not, q_j is other than zero for every column that takes part in a dependence (with probability
one, v being random), so that only those few need to be looked at together.
"""

from __future__ import annotations

import numpy as np

from tripos.base import Training
from tripos.compute.random import generator
from tripos.objective.moments import moments, tall_blocks
from tripos.optimization.quadratic import dependent_columns
from tripos.supervised.linear.normal import NormalEquations
from tripos.supervised.linear.operator import target_means
from tripos.supervised.linear.text_products import solve_products

STEPS = 200  # of the search; columns that need more are nearly dependent, and nothing is said about them
PRECISION = 1e-9  # of its solution
UNSEEN = 1e-5  # |Xc q| / |q| in units of |Xc v| / |v| up to which q counts as not seen
TAKES_PART = 1e-3  # of the largest |q_j|
LOOKED_AT = 512  # columns that are looked at together


def dependent_sparse_columns(
    training: Training, *, fit_intercept: bool
) -> tuple[list[tuple[int, list[int]]], int]:
    """Columns that follow from others, as `dependent_columns` has them, and how many take part in a dependence.

    With more than `LOOKED_AT` of the latter the list is empty.
    """
    X, s = training.X, training.sample_weight
    v = generator(0).normal(size=X.shape[1])
    y = np.asarray(X @ v, dtype=np.float64)[:, None]
    y_mean = target_means(y, s, fit_intercept=fit_intercept)
    found, _ = solve_products(
        training, y, y_mean, np.zeros(1), fit_intercept=fit_intercept, tol=PRECISION, max_iter=STEPS
    )
    q = v - found.W[:, 0]
    length = float(np.linalg.norm(q))
    seen = np.asarray(X @ q, dtype=np.float64)[:, None]
    seen = seen - target_means(seen, s, fit_intercept=fit_intercept)
    bound = UNSEEN * float(np.linalg.norm(y - y_mean)) / float(np.linalg.norm(v))
    if length < 1e-4 * float(np.linalg.norm(v)) or float(np.linalg.norm(seen)) > bound * length:
        return [], 0
    part = np.flatnonzero(np.abs(q) > TAKES_PART * np.abs(q).max())
    if len(part) > LOOKED_AT:
        return [], len(part)
    few = moments(tall_blocks(X[:, part], np.zeros(len(y)), s), n_targets=1)
    G = NormalEquations.of(few, len(part), fit_intercept=fit_intercept).G
    return [
        (int(part[column]), [int(part[k]) for k in partners]) for column, partners in dependent_columns(G)
    ], len(part)
