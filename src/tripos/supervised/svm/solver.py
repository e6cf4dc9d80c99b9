"""A dual problem solved: steps of `smo` over the rows that still move, the others set aside (shrinking).

Once a row at a bound gains nothing with any partner, it hardly ever moves again. With up = max(u - rise) and
down = min(u + fall), such a row has no u - rise > down with room to rise and no u + fall < up with room to fall. Steps
then touch the remaining columns alone: shorter rows, shorter sweeps, more rows in the same memory. At the optimum of
those, the gradient of the others is brought up to date (u -= K d, d what beta changed since they were set aside: few
rows, where u = t - K beta needs every support vector); where some of them violate after all, they join and the steps
go on. Source: T. Joachims, "Making large-scale SVM learning practical", 1998; the
criterion is libsvm's (C.-C. Chang, C.-J. Lin, ACM TIST 2:27 (2011), section 5.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute.threads import blas_threads
from tripos.supervised.svm.kernels import GIVEN, Kernel
from tripos.supervised.svm.rows import KernelRows, products, single
from tripos.supervised.svm.smo import BIG, DONE, LANES, WANTED, all_offsets, likely_next, smo_steps, sweep

AHEAD = 8  # rows computed at once with the one that is wanted: likely the next ones
SMALL = 2000  # rows below which setting some aside costs more than it saves
EVERY = 500  # steps between looks for rows to set aside
LEAST = 0.85  # share of the columns that may remain for it to be worth moving them
RESIDUE = (
    1e-10  # of a row's range: nearer than this to a bound (or to 0) is what rounding left of a step onto it
)
RETURNS = 4  # after so many returns of rows set aside none are set aside any more


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


class Solver:
    """The state of one problem between calls of the kernel.

    Arrays with an underscore are over all rows; `beta`, `u`, `low`, `high`, `target`, `rise` and `fall` over the padded
    columns of the rows that are `active`.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    kernel : Kernel
    dual : Dual
    room : float
        Bytes for kernel rows.
    prepared : bool, default=False
        Whether X is what `single` makes of it.
    """

    def __init__(self, X: Any, kernel: Kernel, dual: Dual, room: float, prepared: bool = False) -> None:
        n = X.shape[0]
        self._X, self._kernel, self._dual = X if prepared else single(X, kernel), kernel, dual
        self.epsilon = float(np.float32(dual.epsilon))  # as rise and fall hold it
        self._beta, self._u = dual.start.astype(np.float64), dual.target.astype(np.float64)
        used = np.flatnonzero(self._beta)
        if len(used):
            self._u -= products(self._X, kernel, np.arange(n), used, self._beta[used])
        largest = max(dual.split, n - dual.split)
        self._lanes = min(LANES, -(-largest // 64) * 64)
        self.rows: Any = None
        self._work = np.empty(self._lanes, np.float32)
        self._decrease = np.zeros(1)
        self._returns = 0
        self._aside: list[
            tuple[np.ndarray, np.ndarray]
        ] = []  # rows set aside together, and beta at that time
        self._activate(np.arange(n), room)
        self.begun_at = self.objective

    # ---- which rows are active ---------------------------------------------------------------------

    def _activate(self, active: np.ndarray, room: Any = None) -> None:
        """Lay these rows out; a subset of those that are active keeps their kernel rows."""
        n, split = len(self._beta), self._dual.split
        first = int(np.searchsorted(active, split))
        sizes = [first, len(active) - first] if split else [len(active)]
        ends = np.cumsum([0, *(-(-size // self._lanes) * self._lanes for size in sizes)])
        place = np.concatenate([start + np.arange(size) for start, size in zip(ends, sizes)])
        X = self._X
        if len(active) < n:
            X = X[np.ix_(active, active)] if self._kernel.code == GIVEN else X[active]
        if self.rows is None:
            self.rows = KernelRows(X, self._kernel, place, int(ends[-1]), room)
        elif room is None:
            kept = np.searchsorted(self.active, active)  # type: ignore[has-type]
            self.rows = self.rows.narrowed(kept, X, place, int(ends[-1]))
        else:
            n_iter = self.n_iter
            self.rows = KernelRows(X, self._kernel, place, int(ends[-1]), self.rows.room, empty=True)
            self.rows.state[0] = n_iter
        self.active, self.place, self.ends = active, place, ends
        self._lay_out()

    def _lay_out(self) -> None:
        """Padded columns of the active rows, from the arrays over all rows."""
        dual = self._dual
        self.target, self.low, self.high, self.beta, self.u = (
            self._padded(values) for values in (dual.target, dual.low, dual.high, self._beta, self._u)
        )
        self.rise, self.fall = np.empty((2, len(self.u)), np.float32)
        all_offsets(self.beta, self.low, self.high, self.epsilon, self.rise, self.fall)
        n_groups = len(self.ends) - 1
        self.best, self.least = np.empty((n_groups, self._lanes)), np.empty((n_groups, self._lanes))
        nothing = np.zeros(len(self.u), np.float32)
        for g, (a, b) in enumerate(zip(self.ends[:-1], self.ends[1:])):
            none = nothing[a:b]
            sweep(self.u[a:b], self.rise[a:b], self.fall[a:b], none, none, 0.0, self.best[g], self.least[g])

    def _padded(self, values: np.ndarray) -> np.ndarray:
        padded = np.zeros(int(self.ends[-1]))
        padded[self.place] = values[self.active]
        return padded

    def _write_back(self) -> None:
        self._beta[self.active], self._u[self.active] = self.beta[self.place], self.u[self.place]

    @property
    def shrunk(self) -> bool:
        return len(self.active) < len(self._beta)

    def shrink(self) -> None:
        """Set the active rows aside that gain nothing with any partner, if they are many."""
        if self._returns >= RETURNS:
            return
        up, down = self.best.max(axis=1), self.least.min(axis=1)
        group = np.searchsorted(self.ends, self.place, side="right") - 1
        moves = self._may_move(  # type: ignore[call-arg]
            *(a[self.place] for a in (self.u, self.rise, self.fall)), up[group], down[group]
        )
        if moves.sum() < LEAST * len(moves):
            self._write_back()
            self._aside.append((self.active[~moves], self._beta.copy()))
            self._activate(self.active[moves])

    @staticmethod
    def _may_move(u: Any, rise: Any, fall: Any, up: Any, down: Any) -> np.ndarray:
        may: np.ndarray = (u - rise >= down) | (u + fall <= up)
        return may

    def restore(self, tol: float) -> bool:
        """Whether all rows are at the optimum; if not, those that violate are active again."""
        self.settle()
        rise, fall = np.empty((2, len(self._u)), np.float32)
        all_offsets(self._beta, self._dual.low, self._dual.high, self.epsilon, rise, fall)
        split = self._dual.split
        spans = [(0, split), (split, len(rise))] if split else [(0, len(rise))]
        up, down = np.empty(len(rise)), np.empty(len(rise))
        for a, b in spans:
            up[a:b], down[a:b] = (self._u - rise)[a:b].max(), (self._u + fall)[a:b].min()
        self._violation = float((up - down).max())
        if self._violation < tol:
            return True
        self._returns += 1
        moves = self._may_move(self._u, rise, fall, up, down)
        moves[self.active] = True
        moves |= self._returns >= RETURNS
        self._aside = [(np.flatnonzero(~moves), self._beta.copy())]
        self._activate(np.flatnonzero(moves), self.rows.room)
        return False

    def settle(self) -> None:
        """Bring beta and u of all rows up to date."""
        self._write_back()
        for rows, before in self._aside:
            changed = np.flatnonzero(self._beta != before)
            change = (self._beta - before)[changed]
            self._u[rows] -= products(self._X, self._kernel, rows, changed, change)
        if self._aside:
            now = self._beta.copy()
            self._aside = [(rows, now) for rows, _ in self._aside]
        self._violation = self.violation

    # ---- steps -------------------------------------------------------------------------------------

    @property
    def n_iter(self) -> int:
        return int(self.rows.state[0])

    @property
    def violation(self) -> float:
        """How much the most violating pair of active rows gains per unit."""
        return float((self.best.max(axis=1) - self.least.min(axis=1)).max())

    @property
    def objective(self) -> float:
        """1/2 beta' K beta - t' beta + epsilon |beta|_1, with K beta = t - u."""
        if self.shrunk:
            return float(self.begun_at - self._decrease[0])
        return float(-0.5 * self.beta @ (self.target + self.u) + self.epsilon * np.abs(self.beta).sum())

    def advance(self, tol: float, steps: int) -> bool:
        """Up to `steps` more steps; True at the optimum of the active rows."""
        rows, kernel, single = self.rows, self._kernel, np.float32
        last = self.n_iter + steps
        while True:
            status = smo_steps(
                self.u, self.beta, self.low, self.high, self.rise, self.fall, rows.K, rows.diagonal,
                rows.slot, rows.stamp, rows.held, self.ends, self.best, self.least, self._work,
                rows.XT, rows.squares, rows.filled, kernel.code, single(kernel.gamma), single(kernel.coef0), kernel.degree,
                self.epsilon, tol, last - self.n_iter, rows.state, self._decrease,
            )  # fmt: skip
            if status != WANTED:
                return bool(status == DONE)
            chosen = np.full(AHEAD, rows.state[1])
            best, least = self.best.copy(), self.least.copy()
            n = likely_next(self.u, self.rise, self.fall, rows.slot, self.ends, best, least, chosen)
            rows.fetch(chosen[:n], self.n_iter + 1)

    def move_to(self, beta: np.ndarray, u: np.ndarray) -> None:
        """Go on from other dual variables and their gradient, both of shape (n_rows,); all rows are active."""
        self._beta, self._u = beta, u
        self._lay_out()

    # ---- what was found ----------------------------------------------------------------------------

    def drop_residues(self) -> None:
        """Rows at a bound up to rounding are put on it: taken for free they would fix a level that is not fixed."""
        low, high, beta = self._dual.low, self._dual.high, self._beta
        near = RESIDUE * (high - low)
        for bound in (low, high, np.zeros_like(low)):
            np.copyto(beta, bound, where=np.abs(beta - bound) <= near)

    def levels(self) -> np.ndarray:
        """The multiplier of each group's sum: u -+ epsilon of the rows between their bounds, which agree there."""
        dual, split = self._dual, self._dual.split
        rise, fall = np.empty((2, len(self._u)), np.float32)
        all_offsets(self._beta, dual.low, dual.high, self.epsilon, rise, fall)
        spans = [(0, split), (split, len(rise))] if split else [(0, len(rise))]
        found = np.empty(len(spans))
        for g, (a, b) in enumerate(spans):
            beta, u = self._beta[a:b], self._u[a:b]
            free = (beta != 0) & (beta > dual.low[a:b]) & (beta < dual.high[a:b])
            if free.any():
                found[g] = np.mean(u[free] - self.epsilon * np.sign(beta[free]))
            else:
                extremes = (u - rise[a:b]).max(), (u + fall[a:b]).min()
                inside = [value for value in extremes if abs(value) < 0.5 * BIG]
                found[g] = np.mean(inside) if inside else 0.0
        return found

    def solution(self, converged: bool) -> Solution:
        """What was found; `settle` was called before."""
        dual = self._dual
        objective = -0.5 * self._beta @ (dual.target + self._u) + self.epsilon * np.abs(self._beta).sum()
        return Solution(
            self._beta,
            self.levels(),
            float(objective),
            self.begun_at,
            self.n_iter,
            self._violation,
            converged,
        )


def solve(
    X: Any,
    kernel: Kernel,
    dual: Dual,
    *,
    tol: float,
    max_iter: int,
    room: float,
    shrinking: bool = True,
    prepared: bool = False,
    on_step: Callable[[Solver], bool] | None = None,
    at_end: Callable[[Solver, Any, Kernel], bool] | None = None,
) -> Solution:
    """Minimise a dual to `tol`, at most `max_iter` steps (-1: no limit).

    `on_step` hears of the solver after every hundredth of a second or so, and stops it by True. `at_end` may refine
    what was found.
    """
    with blas_threads(1):
        solver = Solver(X, kernel, dual, room, prepared)
        shrinking = shrinking and X.shape[0] >= SMALL
        most = 1 << 62 if max_iter == -1 else max_iter
        steps, done = 64, False
        while not done and solver.n_iter < most:
            done = solver.advance(tol, min(steps, most - solver.n_iter))
            if done and solver.shrunk:
                done = solver.restore(tol)
            elif not done and shrinking and steps >= EVERY:
                solver.shrink()
            limit = max(64, int(3e7 / len(solver.u)))
            steps = min(2 * steps, limit if not shrinking else min(limit, EVERY))
            if on_step is not None and on_step(solver):
                break
        solver.settle()
        if done and at_end is not None:
            at_end(solver, X, kernel)
            solver.settle()
        solver.drop_residues()
    return solver.solution(done)
