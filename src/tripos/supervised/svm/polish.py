"""The optimum of a small problem to the last digits, from a point near it.

Once the rows at their bounds are known, the others (free) satisfy linear equations: with E the groups' indicators and
levels b,

    K_FF d + E_F e = t_F -+ epsilon - (K beta)_F - E_F b,    E_F' d = 0;    beta_F += d, b += e

in float64. Small fits then agree to many digits however the rows came (repeated, weighted, sparse).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.supervised.svm.kernels import GIVEN, Kernel
from tripos.supervised.svm.solver import Solver

MOST_FREE = 256
JITTER = 1e-12  # of the diagonal: repeated rows make K_FF singular
ROUNDS = 3


def polish(solver: Solver, X: Any, kernel: Kernel) -> bool:
    """Moves `solver` to the optimum of its free rows; False, and nothing changed, where they leave their bounds."""
    place = solver.place
    low, high, target = solver.low[place], solver.high[place], solver.target[place]
    beta = solver.beta[place].copy()
    free = np.flatnonzero((beta != 0) & (beta > low) & (beta < high))
    if len(free) > MOST_FREE:
        return False
    K = np.asarray(X, dtype=np.float64) if kernel.code == GIVEN else _in_double(X, kernel)
    aim = target[free] - solver.epsilon * np.sign(beta[free])
    groups = (place[free][:, None] >= solver.ends[None, :-1]) & (place[free][:, None] < solver.ends[None, 1:])
    E = groups[:, groups.any(axis=0)].astype(np.float64)
    n, g = len(free), E.shape[1]
    system = np.zeros((n + g, n + g))
    system[:n, :n] = K[np.ix_(free, free)]
    system[np.arange(n), np.arange(n)] *= 1.0 + JITTER
    system[:n, n:], system[n:, :n] = E, E.T
    level = np.zeros(g)
    for _ in range(ROUNDS if n else 0):
        residual = aim - K[free] @ beta - E @ level
        try:
            move = np.linalg.solve(system, np.concatenate([residual, np.zeros(g)]))
        except np.linalg.LinAlgError:
            return False
        beta[free] += move[:n]
        level += move[n:]
    kept = (
        (beta[free] >= low[free]) & (beta[free] <= high[free]) & (beta[free] * solver.beta[place[free]] > 0)
    )
    if not (kept.all() and np.isfinite(beta).all()):
        return False
    u = target - K @ beta
    solver.move_to(beta, u)
    return True


def _in_double(X: Any, kernel: Kernel) -> np.ndarray:
    Z = X.astype(np.float64, copy=False)
    return kernel.between(Z, Z)
