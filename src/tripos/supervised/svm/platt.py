"""Probabilities of a classifier's decisions: Platt's sigmoid per pair, coupled over the pairs.

    P(i | i or j, f) = 1 / (1 + exp(A f + B))

A and B minimise the log loss of decisions on held-out rows (five folds of each class, dealt in order, so that the
answer depends on the data alone), with the targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2). Pairs are coupled to p by
minimising sum_ij (r_ji p_i - r_ij p_j)^2. Sources: J. Platt (1999); H.-T. Lin, C.-J. Lin, R. Weng, Machine Learning 68 (2007),
267-276, doi:10.1007/s10994-007-5018-6; T.-F. Wu, C.-J. Lin, R. Weng, JMLR 5 (2004), 975-1005.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit

from tripos.compute import kernel
from tripos.compute.executor import map_tasks
from tripos.compute.intrinsics import exp

FOLDS = 5
LEAST, MOST = 1e-7, 1 - 1e-7


def warn_of_probability(model: Any) -> None:
    name = type(model).__name__
    warnings.warn(
        f"The `probability` parameter was deprecated in scikit-learn 1.9 and will be removed in 1.11. Use "
        f"`CalibratedClassifierCV({name}(), ensemble=False)` instead of `{name}(probability=True)`",
        FutureWarning,
        stacklevel=3,
    )


def sigmoid(f: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """A and B by Newton's method with halved steps; f of shape (n,), positive of bools."""
    n_pos, n_neg = weight[positive].sum(), weight[~positive].sum()
    t = np.where(positive, (n_pos + 1.0) / (n_pos + 2.0), 1.0 / (n_neg + 2.0))
    A, B = 0.0, float(np.log((n_neg + 1.0) / (n_pos + 1.0)))

    def loss(A: float, B: float) -> float:
        z = A * f + B
        return float(weight @ (np.logaddexp(0.0, z) - (1.0 - t) * z))

    value = loss(A, B)
    for _ in range(100):
        p = expit(-(A * f + B))
        d1, d2 = weight * (t - p), weight * p * (1.0 - p)
        gradient = np.array([f @ d1, d1.sum()])
        if np.abs(gradient).max() < 1e-8 * weight.sum():
            break
        cross = f @ d2
        H = np.array([[f * f @ d2 + 1e-12, cross], [cross, d2.sum() + 1e-12]])
        move, step = -np.linalg.solve(H, gradient), 1.0
        while step > 1e-10 and loss(A + step * move[0], B + step * move[1]) > value:
            step /= 2.0
        A, B = A + step * move[0], B + step * move[1]
        before, value = value, loss(A, B)
        if before - value <= 1e-14 * abs(before):
            break
    return float(A), float(B)


def cross_fitted(
    model: Any, kernel: Any, rows: Any, members: list[np.ndarray], weight: np.ndarray, room: float
) -> tuple[np.ndarray, np.ndarray]:
    """A and B of each pair from decisions on rows that the machine was not trained on."""

    def one(pair: tuple[int, int]) -> tuple[float, float]:
        first, second = members[pair[0]], members[pair[1]]
        fold = np.concatenate([np.arange(len(first)) % FOLDS, np.arange(len(second)) % FOLDS])
        chosen, is_first = np.concatenate([first, second]), np.arange(len(first) + len(second)) < len(first)
        decisions = np.zeros(len(chosen))
        for k in range(FOLDS):
            held = fold == k
            learn = ~held
            if not held.any():
                continue
            a, b = chosen[learn & is_first], chosen[learn & ~is_first]
            if not len(a) or not len(b):
                decisions[held] = 1.0 if len(a) else -1.0 if len(b) else 0.0
                continue
            data, dual = model._pair_problem(kernel, rows, a, b, weight)
            machine = model._machine(model._solve(data, kernel, dual, room))
            support = np.flatnonzero(machine.beta)
            columns = np.concatenate([a, b])[support]
            given = kernel.code == 4
            values = (
                rows[np.ix_(chosen[held], columns)]
                if given
                else kernel.between(rows[chosen[held]], rows[columns])
            )
            decisions[held] = values @ machine.beta[support] + machine.intercept
        return sigmoid(decisions, is_first, weight[chosen])

    found = map_tasks(one, list(combinations(range(len(members)), 2)))
    return np.array([A for A, _ in found]), np.array([B for _, B in found])


@kernel("f8[:, ::1], f8, f8, f8[:, ::1]")
def pair_shares(decisions, A, B, out):  # type: ignore[no-untyped-def]
    """P of two classes by the sigmoid of one pair."""
    for r in range(out.shape[0]):
        share = 1.0 / (1.0 + exp(A * decisions[r, 0] + B))
        out[r, 0] = min(max(share, LEAST), MOST)
        out[r, 1] = 1.0 - out[r, 0]


def coupled(decisions: np.ndarray, A: np.ndarray, B: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities of shape (n_rows, n_classes) from decisions of shape (n_rows, n_pairs)."""
    if n_classes == 2:
        both = np.empty((len(decisions), 2))
        pair_shares(decisions, A[0], B[0], both)
        return both
    pair = np.clip(expit(-(decisions * A + B)), LEAST, MOST)
    i, j = np.triu_indices(n_classes, 1)
    r = np.zeros((len(decisions), n_classes, n_classes))
    r[:, i, j], r[:, j, i] = pair, 1.0 - pair
    # minimise p'Qp with sum p = 1: Q_ii = sum_j r_ji^2, Q_ij = -r_ji r_ij; the system [Q e; e' 0] [p; l] = [0; 1]
    system = np.zeros((len(decisions), n_classes + 1, n_classes + 1))
    system[:, :n_classes, :n_classes] = -r * r.transpose(0, 2, 1)
    diagonal = np.arange(n_classes)
    system[:, diagonal, diagonal] = (r * r).sum(axis=1)
    system[:, :n_classes, -1] = system[:, -1, :n_classes] = 1.0
    right = np.zeros((len(decisions), n_classes + 1, 1))
    right[:, -1] = 1.0
    p = np.maximum(np.linalg.solve(system, right)[:, :n_classes, 0], 0.0)
    probabilities: np.ndarray = p / p.sum(axis=1, keepdims=True)
    return probabilities
