"""The proximal Newton method: a smooth function plus an L1 penalty, by one quadratic lasso after another.

F(x) = f(x) + sum_j l1_j |x_j| is minimised by steps

    d = argmin_d  g'd + d'Hd/2 + sum_j l1_j |x_j + d_j|,        x <- x + t d,   t = 1, 1/2, 1/4, ...

with g and H the gradient and the Hessian of f at x. The model of each step is a lasso with the matrix H, solved
in two alternating moves: coordinate descent, which finds out what is zero, and a Newton step on the face that it
found (the coordinates that are not zero keep their signs or become zero), which makes the answer exact however
ill-conditioned H is.

As in `newton`, a step may use the Hessian of a sample or an older one for as long as it serves.

References
----------
J. Lee, Y. Sun, M. Saunders (2014), doi:10.1137/130921428 (proximal Newton); J. Friedman, T. Hastie, R. Tibshirani
(2010), doi:10.18637/jss.v033.i01 (coordinate descent); P. Tseng, S. Yun (2009), doi:10.1007/s10107-007-0170-0
(line search).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from tripos.compute import kernel
from tripos.optimization.newton import HALVINGS, SLOW, STALE_HALVINGS, SUFFICIENT
from tripos.optimization.result import NotFinite, Result, SmoothObjective, Stopping

SWEEPS = 8  # of coordinate descent between two steps on a face
MULTIPLIED = 4e5  # numbers in sweeps that are tried before a step on a face: of 15 coordinates 760 sweeps
CALL = 20  # numbers in the time that a coordinate takes beside its row
ROUNDS = 60
ELIMINATED = 512  # coordinates up to which those without a penalty are eliminated, which copies the matrix
SINGULAR = (
    1e-10  # share of a diagonal element left by its factorisation, at which a matrix counts as singular
)
BALANCE = 0.25  # sweeps before a step on a face of k out of p coordinates, in units of k^2 / p
INNER = 0.01  # violation left in a quadratic lasso, as a share of the one it began with
RIDGE = (
    1e-12  # of a face's matrix of unit diagonal, tried first, and a hundredfold until it can be factorised
)


@kernel("f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8, f8")
def descend_quadratic(H, g, l1, x, d, Hd, sweeps, tol):  # type: ignore[no-untyped-def]
    """Coordinate descent on g'd + d'Hd/2 + sum_j l1_j |x_j + d_j|, in place, with Hd = H d kept up to date.

    Returns the largest violation of the optimality conditions that the last sweep met.
    """
    p = g.size
    worst = 0.0
    for _ in range(sweeps):
        worst = 0.0
        for j in range(p):
            slope = g[j] + Hd[j]
            z = x[j] + d[j]
            if z == 0.0:
                violation = max(abs(slope) - l1[j], 0.0)
            else:
                violation = abs(slope + (l1[j] if z > 0.0 else -l1[j]))
            worst = max(worst, violation)
            a = H[j, j]
            if violation == 0.0 or a <= 0.0:
                continue
            v = a * z - slope
            new = 0.0
            if v > l1[j]:
                new = (v - l1[j]) / a
            elif v < -l1[j]:
                new = (v + l1[j]) / a
            delta = new - z
            if delta != 0.0:
                d[j] += delta
                row = H[j]
                for k in range(p):
                    Hd[k] += delta * row[k]
        if worst <= tol:
            break
    return worst


def violations(x: np.ndarray, g: np.ndarray, l1: np.ndarray) -> np.ndarray:
    """Distance of -g from the subdifferential of sum_j l1_j |x_j|, by coordinate: 0 at the minimum alone."""
    return np.asarray(np.where(x == 0.0, np.maximum(np.abs(g) - l1, 0.0), np.abs(g + l1 * np.sign(x))))


def quadratic_lasso(H: np.ndarray, g: np.ndarray, l1: np.ndarray, x: np.ndarray, tol: float) -> np.ndarray:
    """argmin_d g'd + d'Hd/2 + sum_j l1_j |x_j + d_j|, to a violation of `tol`.

    Parameters
    ----------
    H : ndarray of shape (p, p)
        Symmetric and positive semidefinite.
    g, l1, x : ndarray of shape (p,)
        A coordinate with l1_j = 0 is free of the penalty.

    Returns
    -------
    ndarray of shape (p,)
    """
    free = np.flatnonzero(l1 == 0.0)
    if 0 < len(free) < len(g) <= ELIMINATED:
        found = _without_free(H, g, l1, x, tol, free)
        if found is not None:
            return found
    return _descend(np.ascontiguousarray(H), g, l1, x, tol)


def _without_free(
    H: np.ndarray, g: np.ndarray, l1: np.ndarray, x: np.ndarray, tol: float, free: np.ndarray
) -> np.ndarray | None:
    """The same by way of the coordinates that have a penalty, with the best of the others for each d of theirs.

    With E and F the free ones and the rest, d_E = -H_EE^-1 (g_E + H_EF d_F). That takes an intercept out, beside
    which columns far from zero are all alike: softmax on wine, unscaled, at C = 10 went from 140 to 8 ms. None where
    H_EE is singular.
    """
    rest = np.flatnonzero(l1)
    H_EE, H_FE = H[free[:, None], free], H[rest[:, None], free]
    factor, failed = lapack.dpotrf(H_EE, lower=1)
    if failed or not (np.diag(factor) ** 2 > SINGULAR * np.diag(H_EE)).all():
        return None
    right = np.column_stack([g[free], H_FE.T])
    solved = lapack.dpotrs(factor, right, lower=1)[0]
    less = H_FE @ solved
    d = np.empty_like(g)
    reduced = H[rest[:, None], rest] - less[:, 1:]
    d[rest] = _descend(np.ascontiguousarray(reduced), g[rest] - less[:, 0], l1[rest], x[rest], tol)
    d[free] = -(solved[:, 0] + solved[:, 1:] @ d[rest])
    return d


def _descend(H: np.ndarray, g: np.ndarray, l1: np.ndarray, x: np.ndarray, tol: float) -> np.ndarray:
    """Sweeps and steps on faces in turn."""
    d, Hd = np.zeros_like(g), np.zeros_like(g)
    p = len(g)
    sweeps = least = max(SWEEPS, int(MULTIPLIED / max(1, p * (p + CALL))))
    for _ in range(ROUNDS):
        if descend_quadratic(H, g, l1, x, d, Hd, sweeps, tol) <= tol:
            break
        on = np.count_nonzero(x + d)  # as many sweeps as a step on the face costs
        sweeps = max(least, int(BALANCE * on * on / p))
        d = _face_step(H, g, l1, x, d, Hd)
        Hd = H @ d
    return d


def _face_step(
    H: np.ndarray, g: np.ndarray, l1: np.ndarray, x: np.ndarray, d: np.ndarray, Hd: np.ndarray
) -> np.ndarray:
    """Newton's step with the signs of x + d kept; coordinates that would change theirs become zero.

    How far to go is chosen among the ends at which some signs change: where H is singular the whole step is far too
    long, and to end it at the first sign would take as many steps as there are signs.
    """
    z = x + d
    on = np.flatnonzero((z != 0.0) | (l1 == 0.0))
    slope, face, z_on = (g + Hd + l1 * np.sign(z))[on], H[np.ix_(on, on)], z[on]
    step = -_solve(face, slope)
    if not np.isfinite(step).all():
        return d
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where((l1[on] > 0.0) & (step * z_on < 0.0), -z_on / step, np.inf)
    move = step
    ends = np.sort(reach[reach < 1.0])
    if len(ends):  # at the first change of a sign, the second, the fourth, ... and at the whole step
        lengths = np.append(ends[2 ** np.arange(int(np.log2(len(ends))) + 1) - 1], 1.0)[:, None]
        moves = np.where(reach <= lengths, -z_on, lengths * step)
        move = moves[np.argmin(moves @ slope + 0.5 * np.sum((moves @ face) * moves, axis=1))]
    moved = d.copy()
    moved[on] += move
    zero = on[move == -z_on]
    moved[zero] = -x[zero]
    return moved


def _solve(H: np.ndarray, g: np.ndarray) -> np.ndarray:
    """H^-1 g, with as little added to the diagonal as it takes."""
    diagonal = np.diag(H)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    scaled = H * scale * scale[:, None]
    entries = np.arange(len(g))
    ridge = RIDGE
    while ridge < 1.0:
        scaled[entries, entries] = 1.0 + ridge
        factor, failed = lapack.dpotrf(scaled, lower=1)
        if not failed:
            return np.asarray(scale * lapack.dpotrs(factor, scale * g, lower=1)[0])
        ridge *= 100.0
    return np.asarray(scale * scale * g)


@dataclass
class _Iterate:
    """Where the method stands: f, its gradient and the Hessian in use; `fresh` when it is of this very point."""

    x: np.ndarray
    smooth: float
    gradient: np.ndarray
    hessian: np.ndarray
    l1: np.ndarray
    fresh: bool

    @cached_property
    def kinks(self) -> float:
        return float(self.l1 @ np.abs(self.x))

    @property
    def value(self) -> float:
        return self.smooth + self.kinks

    @cached_property
    def violation(self) -> np.ndarray:
        return violations(self.x, self.gradient, self.l1)

    def step(self) -> tuple[np.ndarray, float]:
        """The minimum d of the model, and the decrease its linear part promises, d'Hd or more."""
        tol = INNER * float(self.violation.max(initial=0.0))
        d = quadratic_lasso(self.hessian, self.gradient, self.l1, self.x, tol)
        kinks = float(self.l1 @ (np.abs(self.x + d) - np.abs(self.x)))
        return d, -(float(self.gradient @ d) + kinks)

    def refresh(self, objective: SmoothObjective) -> None:
        self.smooth, self.gradient, self.hessian = objective.value_gradient_hessian(self.x)
        self.__dict__.pop("violation", None)
        self.fresh = True


def proximal_newton(
    objective: SmoothObjective,
    x0: np.ndarray,
    stopping: Stopping,
    *,
    l1: np.ndarray,
    hessian_guess: np.ndarray | None = None,
) -> Result:
    """Minimise a convex, twice differentiable objective plus sum_j l1_j |x_j|.

    Parameters
    ----------
    objective : SmoothObjective
        The smooth part f.
    x0 : ndarray of shape (n_parameters,)
    stopping : Stopping
        `tol` bounds the largest violation of the optimality conditions.
    l1 : ndarray of shape (n_parameters,)
        Weights of |x_j|; zero leaves a coordinate free.
    hessian_guess : ndarray of shape (n_parameters, n_parameters), optional
        As in `newton`.

    Returns
    -------
    Result
        Its `fun` includes the penalty.
    """
    reuse = hessian_guess is not None
    evaluate = objective.value_gradient if reuse else objective.value_gradient_hessian
    x = np.array(x0, dtype=np.float64, ndmin=1)
    smooth, gradient, *computed = evaluate(x)
    if not (np.isfinite(smooth) and np.isfinite(gradient).all()):
        raise NotFinite(f"the objective is {smooth} at the start, or its gradient is not finite")
    here = _Iterate(
        x, smooth, gradient, computed[0] if hessian_guess is None else hessian_guess, l1, not reuse
    )
    stopping.record(0, here.value, here.violation, x)
    previous = np.inf
    for step in range(stopping.max_iter + 1):
        direction, decrease = here.step()
        if not here.fresh and decrease > SLOW * previous:
            here.refresh(objective)
            direction, decrease = here.step()
        if stopping.reached(here.value, here.violation, 0.5 * decrease):
            return stopping.result(here.x + direction, here.value, here.violation, step, None)
        reason = (
            "a callback asked to stop"
            if stopping.asked_to_stop
            else stopping.exhausted(here.violation)
            if step == stopping.max_iter
            else None
        )
        if reason is not None:
            return stopping.result(here.x, here.value, here.violation, step, reason)
        there = _backtrack(objective, here, direction, decrease, stopping.noise, reuse)
        if there is None and not here.fresh:
            here.refresh(objective)
            direction, decrease = here.step()
            there = _backtrack(objective, here, direction, decrease, stopping.noise, reuse)
        if there is None:
            return _stuck(stopping, here, decrease, step)
        here, previous = there, decrease
        stopping.record(step + 1, here.value, here.violation, here.x)
    raise AssertionError("the loop returns at max_iter")


def _backtrack(
    objective: SmoothObjective,
    here: _Iterate,
    direction: np.ndarray,
    decrease: float,
    noise: float,
    reuse: bool,
) -> _Iterate | None:
    """The first point of x + t direction, t = 1, 1/2, ..., that brings enough; None where none does."""
    evaluate = objective.value_gradient if reuse else objective.value_gradient_hessian
    value = here.value
    t = 1.0
    for _ in range(HALVINGS if here.fresh else STALE_HALVINGS):
        x = here.x + t * direction
        smooth, gradient, *computed = evaluate(x)
        if np.isfinite(smooth):
            hessian = computed[0] if computed else here.hessian
            there = _Iterate(x, smooth, gradient, hessian, here.l1, bool(computed))
            if there.value <= value - SUFFICIENT * t * decrease + noise * abs(value):
                return there
        t *= 0.5
    return None


def _stuck(stopping: Stopping, here: _Iterate, decrease: float, step: int) -> Result:
    """No step brings a decrease: either there is none left in this precision, or the derivatives are wrong."""
    if decrease <= 2e3 * stopping.noise * abs(here.value):
        return stopping.result(here.x, here.value, here.violation, step, None)
    reason = (
        f"no step decreases the objective, {here.value:.6g}, although a decrease of {decrease:.3g} was expected: "
        "the derivatives are wrong or the numbers too large; scale the features"
    )
    return stopping.result(here.x, here.value, here.violation, step, reason)
