"""L-BFGS for an L1 penalty: inside one orthant |x|_1 is linear, so steps are taken orthant by orthant.

F(x) = f(x) + sum_j l1_j |x_j| has at x the subgradient of least norm v. A step goes along -H v with the inverse
Hessian H of `lbfgs` (which knows the curvature of f alone), less the components that point up v; its end is
projected onto the orthant that x and -v span: coordinates that would change sign become zero.

One pass over the data a step and no matrix: for more coefficients that are not zero than a Hessian has room for.

References
----------
G. Andrew, J. Gao, "Scalable training of L1-regularized log-linear models", ICML 2007, doi:10.1145/1273496.1273501.
"""

from __future__ import annotations

import numpy as np

from tripos.optimization.lbfgs import Inverse, Memory
from tripos.optimization.result import NotFinite, Objective, Result, Stopping

SUFFICIENT = 1e-4
HALVINGS = 40


def least_subgradient(x: np.ndarray, g: np.ndarray, l1: np.ndarray) -> np.ndarray:
    """The element of least norm of g + l1 d|x|."""
    at_zero = np.sign(g) * np.maximum(np.abs(g) - l1, 0.0)
    return np.asarray(np.where(x == 0.0, at_zero, g + l1 * np.sign(x)))


def orthantwise(
    objective: Objective,
    x0: np.ndarray,
    stopping: Stopping,
    *,
    l1: np.ndarray,
    inverse: Inverse | None = None,
    memory: int = 10,
) -> Result:
    """Minimise a differentiable convex objective plus sum_j l1_j |x_j|.

    Parameters
    ----------
    objective : Objective
        The smooth part f.
    x0 : ndarray of shape (n_parameters,)
    stopping : Stopping
    l1 : ndarray of shape (n_parameters,)
    inverse, memory
        As in `lbfgs`.

    Returns
    -------
    Result
        Its `fun` includes the penalty.
    """
    x = np.array(x0, dtype=np.float64, ndmin=1)
    smooth, g = objective.value_gradient(x)
    if not (np.isfinite(smooth) and np.isfinite(g).all()):
        raise NotFinite(f"the objective is {smooth} at the start, or its gradient is not finite")
    value = smooth + float(l1 @ np.abs(x))
    v = least_subgradient(x, g, l1)
    stopping.record(0, value, v, x)
    pairs = Memory(memory, x.size, inverse)
    for step in range(stopping.max_iter + 1):
        p = -pairs.apply(v, value)
        p[p * v >= 0.0] = 0.0
        if stopping.reached(value, v, -0.5 * float(v @ p)):
            return stopping.result(x, value, v, step, None)
        if stopping.asked_to_stop:
            return stopping.result(x, value, v, step, "a callback asked to stop")
        if step == stopping.max_iter:
            return stopping.result(x, value, v, step, stopping.exhausted(v))
        first = 1.0 if pairs.count or inverse else min(1.0, 1.0 / float(np.abs(v).sum()))
        found = _search(objective, x, value, v, p, l1, first, stopping.noise)
        if found is None:
            if pairs.count:
                pairs.forget()  # a poor model of the curvature: begin again
                continue
            small = -float(v @ p) <= 1e4 * stopping.noise * abs(value)
            return stopping.result(x, value, v, step, None if small else "no step decreases the objective")
        x_new, value, g_new = found
        pairs.add(x_new - x, g_new - g, value)
        x, g = x_new, g_new
        v = least_subgradient(x, g, l1)
        stopping.record(step + 1, value, v, x)
    raise AssertionError("the loop returns at max_iter")


def _search(
    objective: Objective,
    x: np.ndarray,
    value: float,
    v: np.ndarray,
    p: np.ndarray,
    l1: np.ndarray,
    t: float,
    noise: float,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The first point of the projected path, for t, t/2, t/4, ..., that brings enough."""
    side = np.where(x == 0.0, -np.sign(v), np.sign(x))
    for _ in range(HALVINGS):
        there = x + t * p
        there[(there * side < 0.0) & (l1 > 0.0)] = 0.0
        smooth, g = objective.value_gradient(there)
        total = smooth + float(l1 @ np.abs(there))
        if np.isfinite(total) and total <= value + SUFFICIENT * float(v @ (there - x)) + noise * abs(value):
            return there, total, g
        t *= 0.5
    return None
