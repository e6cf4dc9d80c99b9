"""BFGS: a quasi-Newton method that keeps an approximation H of the whole inverse Hessian.

With s = x_new - x, y = g_new - g, rho = 1 / s'y:

    H <- (I - rho s y') H (I - rho y s') + rho s s'
       = H - rho (s (Hy)' + (Hy) s') + rho (1 + rho y'Hy) s s'

References
----------
Broyden, Fletcher, Goldfarb, Shanno (1970); J. Nocedal, S. Wright, *Numerical Optimization*, algorithm 6.1.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas

from tripos.compute.budget import require
from tripos.optimization.linesearch import Point, search
from tripos.optimization.result import Objective, Result, Stopping

LEAST_CURVATURE = (
    1e-14  # of a pair, relative to its length: a smaller one would make H singular or indefinite
)


def bfgs(objective: Objective, x0: np.ndarray, stopping: Stopping) -> Result:
    """Minimise a differentiable objective of up to some thousand parameters.

    Parameters
    ----------
    objective : Objective
    x0 : array-like of shape (n_parameters,)
    stopping : Stopping

    Returns
    -------
    Result
    """
    require(
        8 * np.size(x0) ** 2, what="BFGS's inverse Hessian", instead="method='lbfgs', which keeps ten pairs"
    )
    x, (value, gradient) = stopping.start(x0, objective.value_gradient)
    here = Point(x, value, gradient)
    H: np.ndarray | None = None  # the identity, until a step says how large it should be
    for step in range(stopping.max_iter + 1):
        direction = -here.gradient if H is None else -(H @ here.gradient)
        decrease = -0.5 * float(here.gradient @ direction)
        if stopping.reached(here.value, here.gradient, decrease):
            return stopping.result(*here, step, None)
        if stopping.asked_to_stop:
            return stopping.result(*here, step, "a callback asked to stop")
        if step == stopping.max_iter:
            return stopping.result(*here, step, stopping.exhausted(here.gradient))
        first = 1.0 if H is not None else min(1.0, 1.0 / float(np.abs(here.gradient).sum()))
        there = search(objective, here, direction, first, stopping.noise)
        if there is None and H is not None:
            H = None  # a poor model of the curvature: begin again from the gradient
            continue
        if there is None:
            hidden = decrease <= 1e4 * stopping.noise * abs(here.value)
            reason = (
                f"the line search found no decrease along the gradient from {here.value:.6g}: rounding hides "
                f"it (scale the features), or the gradient is wrong (see check_gradient)"
            )
            return stopping.result(*here, step, None if hidden else reason)
        H = updated(H, there.x - here.x, there.gradient - here.gradient)
        here = there
        stopping.record(step + 1, here.value, here.gradient, here.x)
    raise AssertionError("the loop returns at max_iter")


def updated(H: np.ndarray | None, s: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """H after a step s along which the gradient changed by y; None stands for the identity."""
    curvature = float(s @ y)
    if curvature <= LEAST_CURVATURE * float(np.linalg.norm(s) * np.linalg.norm(y)):
        return H
    if H is None:
        H = np.eye(len(s)) * (curvature / float(y @ y))
    rho, Hy = 1.0 / curvature, H @ y
    # Rank-two updates in place, on the transpose that BLAS sees: H is symmetric.
    F = blas.dger(-rho, s, Hy, a=H.T, overwrite_a=1)
    F = blas.dger(-rho, Hy, s, a=F, overwrite_a=1)
    F = blas.dger(rho * (1.0 + rho * float(y @ Hy)), s, s, a=F, overwrite_a=1)
    return np.asarray(F.T)
