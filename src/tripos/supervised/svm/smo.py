"""Sequential minimal optimisation: two dual variables at a time, the pair that promises most.

    min over beta   1/2 beta' K beta - t' beta + epsilon |beta|_1,
                    sum beta = const (in each group),  l_i <= beta_i <= h_i

with beta_i = y_i alpha_i holds C-SVC (t = y, epsilon = 0, beta between 0 and y C), SVR (t the target), and the nu
problems and one-class (t and epsilon as in `dual`). With u = t - K beta, raising beta_i gains u_i - epsilon
(+ epsilon below zero) and lowering beta_j costs the same of j; `rise` and `fall` hold these offsets, BIG at a bound. At the
optimum no pair gains: max(u - rise) - min(u + fall) < tol, libsvm's criterion. The pair is the most violating i
and, of the j, the one whose step decreases the objective most (second order; R.-E. Fan, P.-H. Chen, C.-J. Lin,
JMLR 6 (2005), 1889-1918).

One pass over the columns updates u and finds the extremes for the next choice. They are kept per lane: elementwise
maxima over strips of `LANES` columns vectorise where a reduction to one number does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import blas_threads
from tripos.supervised.svm.kernels import Kernel
from tripos.supervised.svm.rows import KernelRows, single

LANES = 256
BIG = 1e30  # an offset that no gradient outweighs, and a float32 holds
LEAST_CURVATURE = np.float32(1e-12)
DONE, SPENT, WANTED = 0, 1, 2
AHEAD = 8  # rows computed at once with the one that is wanted: likely the next ones


@dataclass(frozen=True)
class Dual:
    """The problem above for n rows; `groups` (True for the nu problems) ties beta > 0 and beta < 0 apart.

    Attributes
    ----------
    target, low, high, start : float64 ndarray of shape (n_rows,)
        t, l, h, and a feasible beta.
    epsilon : float
    split : int
        With groups: rows [0, split) and [split, n_rows) keep their sums apart; else 0.
    """

    target: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    epsilon: float = 0.0
    split: int = 0


@dataclass(frozen=True)
class Solution:
    """beta of shape (n_rows,), `levels` (the multiplier of each group's sum), the objective, and how it was reached."""

    beta: np.ndarray
    levels: np.ndarray
    objective: float
    begun_at: float
    n_iter: int
    violation: float
    converged: bool


# --- kernels ---------------------------------------------------------------------------------------------------


@kernel
def set_offsets(i, beta, low, high, epsilon, rise, fall):  # type: ignore[no-untyped-def]
    b = beta[i]
    rise[i] = BIG if b >= high[i] else (epsilon if b >= 0.0 else -epsilon)
    fall[i] = BIG if b <= low[i] else (-epsilon if b > 0.0 else epsilon)


@kernel("f8[::1], f8[::1], f8[::1], f8, f8[::1], f8[::1]")
def all_offsets(beta, low, high, epsilon, rise, fall):  # type: ignore[no-untyped-def]
    for i in range(beta.size):
        set_offsets(i, beta, low, high, epsilon, rise, fall)


@kernel(finite=True)
def sweep(u, rise, fall, Ki, Kj, step, best, least):  # type: ignore[no-untyped-def]
    """u -= step (K_i - K_j), and per lane the largest u - rise and the smallest u + fall."""
    lanes = best.size
    for c in range(lanes):
        best[c] = -BIG
        least[c] = BIG
    for start in range(0, u.size, lanes):
        us, rs, fs = u[start : start + lanes], rise[start : start + lanes], fall[start : start + lanes]
        ki, kj = Ki[start : start + lanes], Kj[start : start + lanes]
        for c in range(lanes):
            v = us[c] - step * (np.float64(ki[c]) - np.float64(kj[c]))
            us[c] = v
            up, down = v - rs[c], v + fs[c]
            best[c] = up if up > best[c] else best[c]
            least[c] = down if down < least[c] else least[c]


@kernel(finite=True)
def gains(u, fall, Ki, diagonal, up, kii, best):  # type: ignore[no-untyped-def]
    """Per lane the largest decrease b^2 / a that a step with j brings: b = up - (u_j + fall_j), a = k_ii + k_jj - 2 k_ij."""
    lanes = best.size
    zero, two = np.float32(0), np.float32(2)
    for c in range(lanes):
        best[c] = zero
    for start in range(0, u.size, lanes):
        us, fs = u[start : start + lanes], fall[start : start + lanes]
        ki, ds = Ki[start : start + lanes], diagonal[start : start + lanes]
        for c in range(lanes):
            b = np.float32(up - (us[c] + fs[c]))
            b = b if b > zero else zero
            a = kii + ds[c] - two * ki[c]
            a = a if a > LEAST_CURVATURE else LEAST_CURVATURE
            gain = b * b / a
            best[c] = gain if gain > best[c] else best[c]


@kernel
def largest(values):  # type: ignore[no-untyped-def]
    at = 0
    for c in range(values.size):
        if values[c] > values[at]:
            at = c
    return at


@kernel
def smallest_of(values):  # type: ignore[no-untyped-def]
    at = values[0]
    for c in range(values.size):
        at = values[c] if values[c] < at else at
    return at


@kernel
def riser(u, rise, best, start, end):  # type: ignore[no-untyped-def]
    """The column of a group whose rise gains most."""
    lanes = best.size
    lane = largest(best)
    at = start + lane
    for i in range(start + lane, end, lanes):
        if u[i] - rise[i] > u[at] - rise[at]:
            at = i
    return at


@kernel
def partner(u, fall, Ki, diagonal, up, kii, start, end, work):  # type: ignore[no-untyped-def]
    """The column of a group that gains most with i; -1 if none does."""
    gains(u[start:end], fall[start:end], Ki[start:end], diagonal[start:end], up, kii, work)
    lanes = work.size
    at, most = -1, np.float32(0)
    lane = largest(work)
    for j in range(start + lane, end, lanes):
        b = np.float32(up - (u[j] + fall[j]))
        a = max(kii + diagonal[j] - np.float32(2) * Ki[j], LEAST_CURVATURE)
        if b > 0 and b * b / a > most:
            at, most = j, b * b / a
    return at


@kernel
def take_step(i, j, gain, curvature, beta, low, high):  # type: ignore[no-untyped-def]
    """Raises beta_i and lowers beta_j by the best step that meets no bound and does not cross zero; returns it."""
    room_i = -beta[i] if beta[i] < 0.0 else high[i] - beta[i]
    room_j = beta[j] if beta[j] > 0.0 else beta[j] - low[j]
    step = min(gain / curvature, room_i, room_j)
    if step == room_i:
        beta[i] = 0.0 if beta[i] < 0.0 else high[i]
    else:
        beta[i] += step
    if step == room_j:
        beta[j] = 0.0 if beta[j] > 0.0 else low[j]
    else:
        beta[j] -= step
    return step


@kernel(
    "f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f4[:, ::1], f4[::1], i4[::1], i8[::1], i8[::1], "
    "f8[:, ::1], f8[:, ::1], f4[::1], f8, f8, i8, i8[::1]"
)
def smo_steps(  # type: ignore[no-untyped-def]
    u,
    beta,
    low,
    high,
    rise,
    fall,
    K,
    diagonal,
    slot,
    stamp,
    ends,
    best,
    least,
    work,
    epsilon,
    tol,
    steps,
    state,
):
    """Up to `steps` steps; state = [steps made in all, column whose row is wanted]. Returns DONE, SPENT or WANTED."""
    n_groups = ends.size - 1
    for _ in range(steps):
        group, violation = 0, -BIG
        for g in range(n_groups):
            excess = best[g, largest(best[g])] - smallest_of(least[g])
            if excess > violation:
                group, violation = g, excess
        if violation < tol:
            return DONE
        start, end = ends[group], ends[group + 1]
        i = riser(u, rise, best[group], start, end)
        if slot[i] < 0:
            state[1] = i
            return WANTED
        Ki = K[slot[i]]
        stamp[slot[i]] = state[0] + 1
        up = u[i] - rise[i]
        j = partner(u, fall, Ki, diagonal, up, diagonal[i], start, end, work)
        if j < 0:
            return DONE
        if slot[j] < 0:
            state[1] = j
            return WANTED
        Kj = K[slot[j]]
        stamp[slot[j]] = state[0] + 1
        curvature = max(np.float64(diagonal[i]) + diagonal[j] - 2.0 * Ki[j], 1e-12)
        step = take_step(i, j, up - (u[j] + fall[j]), curvature, beta, low, high)
        set_offsets(i, beta, low, high, epsilon, rise, fall)
        set_offsets(j, beta, low, high, epsilon, rise, fall)
        for g in range(n_groups):
            a, b = ends[g], ends[g + 1]
            sweep(u[a:b], rise[a:b], fall[a:b], Ki[a:b], Kj[a:b], step, best[g], least[g])
        state[0] += 1
    return SPENT


@kernel("f8[::1], f8[::1], f8[::1], i4[::1], i8[::1], f8[:, ::1], f8[:, ::1], i8[::1]")
def likely_next(u, rise, fall, slot, ends, best, least, chosen):  # type: ignore[no-untyped-def]
    """Columns without a row that violate most, from different lanes, alternately from above and below; their number.

    chosen[0] is the column that is wanted at once. `best` and `least` are spoiled where lanes were read.
    """
    count, lanes = 1, best.shape[1]
    for turn in range(4 * chosen.size):
        if count == chosen.size:
            break
        g = (turn // 2) % (ends.size - 1)
        lane = 0
        for c in range(lanes):
            if turn % 2 == 0:
                lane = c if best[g, c] > best[g, lane] else lane
            else:
                lane = c if least[g, c] < least[g, lane] else lane
        at = ends[g] + lane
        for i in range(ends[g] + lane, ends[g + 1], lanes):
            if turn % 2 == 0:
                at = i if u[i] - rise[i] > u[at] - rise[at] else at
            else:
                at = i if u[i] + fall[i] < u[at] + fall[at] else at
        good = slot[at] < 0
        if turn % 2 == 0:
            good = good and best[g, lane] > -0.5 * BIG
            best[g, lane] = -BIG
        else:
            good = good and least[g, lane] < 0.5 * BIG
            least[g, lane] = BIG
        for k in range(count):
            good = good and chosen[k] != at
        if good:
            chosen[count] = at
            count += 1
    return count


# --- the solver ------------------------------------------------------------------------------------------------


class Solver:
    """The state of one problem between calls of the kernel.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    kernel : Kernel
    dual : Dual
    room : float
        Bytes for kernel rows.
    """

    def __init__(self, X: Any, kernel: Kernel, dual: Dual, room: float) -> None:
        n = X.shape[0]
        sizes = [dual.split, n - dual.split] if dual.split else [n]
        lanes = min(LANES, -(-max(sizes) // 64) * 64)
        self.ends = np.cumsum([0, *(-(-size // lanes) * lanes for size in sizes)])
        self.place = np.concatenate([start + np.arange(size) for start, size in zip(self.ends, sizes)])
        width = int(self.ends[-1])
        self.rows = KernelRows(single(X, kernel), kernel, self.place, width, room)
        self.epsilon = float(dual.epsilon)
        self.target, self.low, self.high, self.beta = (
            self._padded(values) for values in (dual.target, dual.low, dual.high, dual.start)
        )
        self.u = self.target.copy()
        if self.beta.any():
            self.u -= self.rows.product(self.beta)
        self.rise, self.fall = np.empty(width), np.empty(width)
        all_offsets(self.beta, self.low, self.high, self.epsilon, self.rise, self.fall)
        self.best, self.least = np.empty((len(sizes), lanes)), np.empty((len(sizes), lanes))
        self._work = np.empty(lanes, np.float32)
        self._state = np.zeros(2, np.int64)
        self._find_extremes()

    def _padded(self, values: np.ndarray) -> np.ndarray:
        padded = np.zeros(int(self.ends[-1]))
        padded[self.place] = values
        return padded

    def _find_extremes(self) -> None:
        nothing = np.zeros(int(self.ends[-1]), np.float32)
        for g, (a, b) in enumerate(zip(self.ends[:-1], self.ends[1:])):
            none = nothing[a:b]
            sweep(self.u[a:b], self.rise[a:b], self.fall[a:b], none, none, 0.0, self.best[g], self.least[g])

    @property
    def n_iter(self) -> int:
        return int(self._state[0])

    @property
    def violation(self) -> float:
        """How much the most violating pair gains per unit."""
        return float((self.best.max(axis=1) - self.least.min(axis=1)).max())

    @property
    def objective(self) -> float:
        """1/2 beta' K beta - t' beta + epsilon |beta|_1, with K beta = t - u."""
        return float(-0.5 * self.beta @ (self.target + self.u) + self.epsilon * np.abs(self.beta).sum())

    def advance(self, tol: float, steps: int) -> bool:
        """Up to `steps` more steps; True at the optimum."""
        last = self.n_iter + steps
        while True:
            status = smo_steps(
                self.u, self.beta, self.low, self.high, self.rise, self.fall, self.rows.K, self.rows.diagonal,
                self.rows.slot, self.rows.stamp, self.ends, self.best, self.least, self._work, self.epsilon, tol,
                last - self.n_iter, self._state,
            )  # fmt: skip
            if status != WANTED:
                return bool(status == DONE)
            chosen = np.full(AHEAD, self._state[1])
            best, least = self.best.copy(), self.least.copy()
            n = likely_next(self.u, self.rise, self.fall, self.rows.slot, self.ends, best, least, chosen)
            self.rows.fetch(chosen[:n], self.n_iter + 1)

    def move_to(self, beta: np.ndarray, u: np.ndarray) -> None:
        """Go on from other dual variables and their gradient, both of shape (n_rows,)."""
        self.beta[self.place], self.u[self.place] = beta, u
        all_offsets(self.beta, self.low, self.high, self.epsilon, self.rise, self.fall)
        self._find_extremes()

    def levels(self) -> np.ndarray:
        """The multiplier of each group's sum: u -+ epsilon of the rows between their bounds, which agree there."""
        found = np.empty(len(self.ends) - 1)
        for g, (a, b) in enumerate(zip(self.ends[:-1], self.ends[1:])):
            beta, u = self.beta[a:b], self.u[a:b]
            free = (beta != 0) & (beta > self.low[a:b]) & (beta < self.high[a:b])
            if free.any():
                found[g] = np.mean(u[free] - self.epsilon * np.sign(beta[free]))
            else:
                up, down = self.best[g].max(), self.least[g].min()
                inside = [value for value in (up, down) if abs(value) < 0.5 * BIG]
                found[g] = np.mean(inside) if inside else 0.0
        return found


def solve(
    X: Any,
    kernel: Kernel,
    dual: Dual,
    *,
    tol: float,
    max_iter: int,
    room: float,
    on_step: Callable[[Solver], bool] | None = None,
    at_end: Callable[[Solver, Any, Kernel], bool] | None = None,
) -> Solution:
    """Minimise a dual to `tol`, at most `max_iter` steps (-1: no limit).

    `on_step` hears of the solver after every hundredth of a second or so, and stops it by True. `at_end` may refine
    what was found.
    """
    with blas_threads(1):
        solver = Solver(X, kernel, dual, room)
        begun_at = solver.objective
        most = 1 << 62 if max_iter == -1 else max_iter
        steps, limit, done = 64, max(64, int(3e7 / len(solver.u))), False
        while not done and solver.n_iter < most:
            done = solver.advance(tol, min(steps, most - solver.n_iter))
            steps = min(2 * steps, limit)
            if on_step is not None and on_step(solver):
                break
        if done and at_end is not None:
            at_end(solver, X, kernel)
    return Solution(
        solver.beta[solver.place],
        solver.levels(),
        solver.objective,
        begun_at,
        solver.n_iter,
        solver.violation,
        done,
    )
