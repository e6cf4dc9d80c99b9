"""L-BFGS: a quasi-Newton method that remembers its last few steps instead of a matrix.

With s = x_new - x, y = g_new - g, rho = 1 / s'y, the inverse Hessian is updated by

    H <- (I - rho s y') H (I - rho y s') + rho s s',

applied to a vector by the two loops below over the last m pairs, around a first guess H0. That guess may be
given: with the inverse of the diagonal of the Hessian (in centred columns) the method no longer notices how
the features are scaled, and unscaled tables take tens of steps instead of thousands.

References
----------
D. Liu, J. Nocedal (1989), doi:10.1007/BF01589116; Nocedal, Wright, *Numerical Optimization*, algorithm 7.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.optimization.linesearch import Point, search
from tripos.optimization.result import Objective, Result, Stopping

Inverse = Callable[[np.ndarray, float], np.ndarray]


def _identity(g: np.ndarray, value: float) -> np.ndarray:
    return g.copy()


@kernel("F[:, ::1], F[:, ::1], f8[::1], i8, i8, f8[::1], f8[::1]")
def _newest_to_oldest(S, Y, rho, end, count, q, alpha):  # type: ignore[no-untyped-def]
    """alpha_k = rho_k s_k'q;  q -= alpha_k y_k."""
    for age in range(1, count + 1):
        k = (end - age) % S.shape[0]
        total = 0.0
        for j in range(q.size):
            total += S[k, j] * q[j]
        alpha[k] = rho[k] * total
        for j in range(q.size):
            q[j] -= alpha[k] * Y[k, j]


@kernel("F[:, ::1], F[:, ::1], f8[::1], i8, i8, f8[::1], f8[::1]")
def _oldest_to_newest(S, Y, rho, end, count, r, alpha):  # type: ignore[no-untyped-def]
    """beta = rho_k y_k'r;  r += (alpha_k - beta) s_k."""
    for age in range(count, 0, -1):
        k = (end - age) % S.shape[0]
        total = 0.0
        for j in range(r.size):
            total += Y[k, j] * r[j]
        step = alpha[k] - rho[k] * total
        for j in range(r.size):
            r[j] += step * S[k, j]


class Memory:
    """The last `size` pairs (s, y) and the inverse Hessian they stand for.

    Parameters
    ----------
    size, n_parameters : int
    inverse : callable, optional
        Applies the first guess H0 to a vector; by default the identity.
    dtype : float64 or float32
        Of the pairs. Whatever is rounded there, H stays positive definite as long as s'y is positive.
    """

    def __init__(
        self, size: int, n_parameters: int, inverse: Inverse | None, dtype: Any = np.float64
    ) -> None:
        self.S = np.zeros((size, n_parameters), dtype)
        self.Y = np.zeros((size, n_parameters), dtype)
        self.rho = np.zeros(size)
        self.alpha = np.zeros(size)
        self.end = self.count = 0
        self.scale = 1.0
        self.inverse = inverse or _identity

    def add(self, s: np.ndarray, y: np.ndarray, value: float) -> None:
        """Remember a step and the change of the gradient along it, unless the curvature is not positive."""
        curvature = float(s @ y)
        if curvature <= 1e-14 * float(np.linalg.norm(s) * np.linalg.norm(y)):
            return
        self.S[self.end], self.Y[self.end], self.rho[self.end] = s, y, 1.0 / curvature
        self.end = (self.end + 1) % len(self.S)
        self.count = min(self.count + 1, len(self.S))
        self.scale = curvature / float(y @ self.inverse(y, value))

    def forget(self) -> None:
        self.count, self.scale = 0, 1.0

    def apply(self, g: np.ndarray, value: float) -> np.ndarray:
        """H g at a point where the objective has this value."""
        q = g.copy()
        _newest_to_oldest(self.S, self.Y, self.rho, self.end, self.count, q, self.alpha)
        r = np.ascontiguousarray(self.scale * self.inverse(q, value))
        _oldest_to_newest(self.S, self.Y, self.rho, self.end, self.count, r, self.alpha)
        return r


def lbfgs(
    objective: Objective,
    x0: np.ndarray,
    stopping: Stopping,
    *,
    inverse: Inverse | None = None,
    memory: int = 10,
    remembered: Any = np.float64,
) -> Result:
    """Minimise a differentiable objective.

    Parameters
    ----------
    objective : Objective
    x0 : ndarray of shape (n_parameters,)
    stopping : Stopping
    inverse : callable, optional
        inverse(g, value) applies an approximation of the inverse Hessian, where the objective has that value,
        to g.
    memory : int, default=10
        Pairs remembered.
    remembered : float64 or float32
        Their type: float32 is half as much to read in each step, for answers to a few digits.

    Returns
    -------
    Result
    """
    x, (value, gradient) = stopping.start(x0, objective.value_gradient)
    here = Point(x, value, gradient)
    del x0, x, gradient  # not to be kept: over text each vector is a megabyte
    pairs = Memory(memory, here.x.size, inverse, remembered)
    for step in range(stopping.max_iter + 1):
        direction = -pairs.apply(here.gradient, here.value)
        decrement = -float(here.gradient @ direction)
        if stopping.reached(here.value, here.gradient, 0.5 * decrement):
            return stopping.result(*here, step, None)
        if stopping.asked_to_stop:
            return stopping.result(*here, step, "a callback asked to stop")
        if step == stopping.max_iter:
            return stopping.result(*here, step, stopping.exhausted(here.gradient))
        first = 1.0 if pairs.count or inverse else min(1.0, 1.0 / float(np.abs(here.gradient).sum()))
        there = search(objective, here, direction, first, stopping.noise)
        if there is None:
            if pairs.count == 0:
                return _stuck(stopping, here, decrement, step)
            pairs.forget()  # a poor model of the curvature: begin again from the gradient
            continue
        pairs.add(there.x - here.x, there.gradient - here.gradient, there.value)
        here = there
        stopping.record(step + 1, here.value, here.gradient, here.x)
    raise AssertionError("the loop returns at max_iter")


def _stuck(stopping: Stopping, here: Point, decrement: float, step: int) -> Result:
    """No step decreases the objective: rounding hides what is left, or the gradient is wrong."""
    if 0.5 * decrement <= 1e4 * stopping.noise * abs(here.value):
        return stopping.result(*here, step, None)
    reason = (
        f"the line search found no decrease from {here.value:.6g} although the largest gradient component is "
        f"{np.abs(here.gradient).max():.3g}: rounding hides the rest (scale the features), or the "
        "gradient is wrong"
    )
    return stopping.result(*here, step, reason)
