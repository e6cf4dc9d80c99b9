"""The five support vector problems as the one dual that `smo` minimises, and what its solution means for them.

    C-SVC       min 1/2 a'Qa - e'a              y'a = 0,    0 <= a_i <= C_i
    nu-SVC      min 1/2 a'Qa                    y'a = 0,    e'a = nu n,   0 <= a_i <= s_i
    one-class   min 1/2 a'Ka                    e'a = nu n, 0 <= a_i <= s_i
    SVR         min 1/2 b'Kb - t'b + eps |b|_1  e'b = 0,    |b_i| <= C_i
    nu-SVR      the same with eps a variable:   e'(a + a*) = C nu n,  b = a - a*

Q_ij = y_i y_j K_ij and beta_i = y_i a_i. A weight s_i counts row i s_i times: it multiplies the row's bound.
Sources: C.-C. Chang, C.-J. Lin, ACM TIST 2:27 (2011), doi:10.1145/1961189.1961199; B. Schölkopf et al., Neural Computation
12 (2000), 1207-1245.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from tripos.errors import DataWarning
from tripos.supervised.svm.solver import Dual, Solution


@dataclass(frozen=True)
class Machine:
    """f(x) = sum_i beta_i k(x_i, x) + intercept, beta of shape (n_rows,), and how it was found."""

    beta: np.ndarray
    intercept: float
    n_iter: int
    converged: bool
    violation: float
    objective: float
    improvement: float

    @classmethod
    def of(cls, found: Solution, beta: np.ndarray, intercept: float) -> Machine:
        return cls(
            beta, float(intercept), found.n_iter, found.converged, found.violation, found.objective,
            found.objective - found.begun_at,
        )  # fmt: skip

    @classmethod
    def untrained(cls, n_rows: int) -> Machine:
        return cls(np.zeros(n_rows), 0.0, 0, True, 0.0, 0.0, 0.0)


def c_svc(y: np.ndarray, C: np.ndarray) -> Dual:
    """y of +1 and -1, C the bound of each row."""
    return Dual(y, np.minimum(y * C, 0.0), np.maximum(y * C, 0.0), np.zeros(len(y)))


def nu_svc(y: np.ndarray, weight: np.ndarray, nu: float) -> Dual:
    """y has its +1 rows first."""
    n_first, each = int((y > 0).sum()), 0.5 * nu * weight.sum()
    least = min(weight[:n_first].sum(), weight[n_first:].sum())
    if each > least * (1 + 1e-12):
        warnings.warn(
            f"specified nu is infeasible: nu={nu:g} asks for {each:g} rows of each class on the margin or beyond, the "
            f"smaller class has {least:g}; the largest nu for these classes, {2 * least / weight.sum():g}, is used",
            DataWarning,
            stacklevel=2,
        )
        each = least
    start = np.concatenate([filled(weight[:n_first], each), -filled(weight[n_first:], each)])
    bound = y * weight
    return Dual(np.zeros(len(y)), np.minimum(bound, 0.0), np.maximum(bound, 0.0), start, split=n_first)


def nu_svc_machine(found: Solution) -> Machine:
    """Scaled so that the margin is at +1 and -1, as in C-SVC."""
    above, below = found.levels
    margin = 0.5 * (below - above)
    if not margin > 0:
        margin = 1.0
    return Machine.of(found, found.beta / margin, 0.5 * (above + below) / margin)


def one_class(weight: np.ndarray, nu: float) -> Dual:
    zeros = np.zeros(len(weight))
    return Dual(zeros, zeros, weight, filled(weight, nu * weight.sum()))


def svr(target: np.ndarray, C: np.ndarray, epsilon: float) -> Dual:
    return Dual(target, -C, C, np.zeros(len(target)), epsilon)


def nu_svr(target: np.ndarray, C: np.ndarray, nu: float) -> Dual:
    """Over 2 n rows: a for the rows, then -a* for the same rows again."""
    start, nothing = filled(C, 0.5 * nu * C.sum()), np.zeros(len(C))
    return Dual(
        np.concatenate([target, target]),
        np.concatenate([nothing, -C]),
        np.concatenate([C, nothing]),
        np.concatenate([start, -start]),
        split=len(C),
    )


def nu_svr_machine(found: Solution) -> Machine:
    above, below = found.levels
    n = len(found.beta) // 2
    return Machine.of(found, found.beta[:n] + found.beta[n:], 0.5 * (above + below))


def plain_machine(found: Solution) -> Machine:
    return Machine.of(found, found.beta, found.levels[0])


def filled(room: np.ndarray, total: float) -> np.ndarray:
    """`total` poured into rows of that room, from the first on."""
    before = np.cumsum(room) - room
    poured: np.ndarray = np.clip(total - before, 0.0, room)
    return poured
