"""Coordinate descent where the products of all columns are known, and the step that ends it.

    minimise  |y|^2 / 2 - c.w + w'Gw / 2 + l1 |w|_1 + l2 |w|^2 / 2,        G = X'X,  c = X'y

A change of w_k moves q = c - Gw by a row of G: a sweep costs one row for each coefficient that changes, and no
row of X. Once the signs are right the minimum on the support S is a linear system,

    (G_SS + l2 I) w_S = c_S - l1 sign(w_S),

which ends what coordinate descent approaches slowly where columns are correlated; where a coefficient would
change its sign on the way, the step goes as far as there (as least angle regression does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from tripos.optimization.coordinate_kernels import gram_descent, gram_path

Order = Callable[[int, int], np.ndarray]
Listener = Callable[[float], bool]

SOLVABLE = 4000  # coefficients up to which the linear system is solved
PRECISION = 1e-5  # share of `tol`, and of the objective, at which descent ends
REST = 0.1  # share of `tol` by which coefficients still move, relative to the largest, when they stand still
EASED = 0.1  # share of `tol` at which descent ends where a tenth of the gap allowed is enough
ROUNDING = 4e-15  # of |y|^2: no gap is known better


def cyclic(sweeps: int, m: int) -> np.ndarray:
    """One column after the other, which kernels do when they are given no order."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Solution:
    """The minimum for one strength of the penalty.

    Attributes
    ----------
    w : ndarray of shape (n_features,)
    gap : float
        Duality gap reached, of the sum over the rows.
    allowed : float
        tol |y|^2, which the gap was to reach.
    n_iter : int
        Sweeps, a linear system counting as one.
    objective : float
    """

    w: np.ndarray
    gap: float
    allowed: float
    n_iter: int
    objective: float

    @property
    def converged(self) -> bool:
        return self.gap <= self.allowed


@dataclass(frozen=True)
class Rules:
    """The penalty and when to stop.

    Attributes
    ----------
    l1, l2 : float
        Weights of |w|_1 and |w|^2 / 2 beside the sum over the rows.
    positive : bool
    tol : float
        Gap allowed, as a share of |y|^2.
    max_iter : int
        Sweeps at most.
    eased : bool
        Whether the gap that `tol` allows is enough, as on the paths of cross-validation: nothing is done where it
        is there already, and a tenth of it ends descent where it is not.
    """

    l1: float
    l2: float = 0.0
    positive: bool = False
    tol: float = 1e-4
    max_iter: int = 1000
    eased: bool = False

    def enough(self, gap: float, y2: float) -> bool:
        """Whether a solution may stay as it is before any sweep."""
        return self.eased and gap <= self.tol * y2

    def limits(self, y2: float) -> tuple[float, float, float]:
        """(share of the objective, least, most) of which `goal` is made."""
        least = ROUNDING * y2
        if self.eased:
            return 0.0, max(EASED * self.tol * y2, least), np.inf
        return PRECISION * self.tol, least, self.tol * y2 if self.tol > 0.0 else least

    def goal(self, objective: float, y2: float) -> float:
        """Gap at which descent ends in any case: one that bounds the objective's relative error by 1e-9 at
        the default `tol`. It also ends within `tol` when the coefficients stand still, where scikit-learn
        ends too; ours stand ten times as still, so that the objective is not above."""
        share, least, most = self.limits(y2)
        return min(max(share * objective, least), most)

    def value(self, w: np.ndarray) -> float:
        """The penalty."""
        return self.l1 * float(np.abs(w).sum()) + 0.5 * self.l2 * float(w @ w)


class Quadratic:
    """G, c, q = c - Gw and w of some columns; more can be added.

    Parameters
    ----------
    G : ndarray of shape (room, room), float64
    c : ndarray of shape (room,)
    m : int
        Columns that are there.
    y2 : float
        |y|^2.
    """

    def __init__(self, G: np.ndarray, c: np.ndarray, m: int, y2: float) -> None:
        self.G, self.c, self.m, self.y2 = G, c, m, y2
        self.q, self.w = c.copy(), np.zeros_like(c)
        self.gap = np.inf
        self.ended = self.rested = False
        self._out = np.zeros(2)

    def append(self, cross: np.ndarray, c: np.ndarray, q: np.ndarray, most: int) -> None:
        """Adds columns, from their products with all (k, m + k), with y and with the residual; there will never be
        more than `most`."""
        first, m = self.m, self.m + len(cross)
        if m > len(self.G):
            self._grow(max(m, min(2 * len(self.G), most)))
        self.G[first:m, :m] = cross
        self.G[:first, first:m] = cross[:, :first].T
        self.c[first:m], self.q[first:m], self.w[first:m] = c, q, 0.0
        self.m = m

    def _grow(self, room: int) -> None:
        G = np.empty((room, room))
        G[: self.m, : self.m] = self.G[: self.m, : self.m]
        self.G = G
        for name in ("c", "q", "w"):
            longer = np.zeros(room)
            longer[: self.m] = getattr(self, name)[: self.m]
            setattr(self, name, longer)

    def set(self, w: np.ndarray) -> None:
        """Start from these coefficients."""
        self.w[: self.m] = w
        self.q[: self.m] = self.c[: self.m] - self.G[: self.m, : self.m] @ w

    def objective(self, rules: Rules) -> float:
        """The objective at w."""
        w = self.w[: self.m]
        square = self.y2 - float(w @ (self.c[: self.m] + self.q[: self.m]))
        return 0.5 * max(square, 0.0) + rules.value(w)

    def descend(self, rules: Rules, target: float, sweeps: int, order: Order = cyclic) -> int:
        """Sweeps until the gap is at most `target` or the coefficients stand still; returns how many."""
        done = 0
        solvable = order is cyclic
        self.ended = self.rested = False
        while done < sweeps and not self.ended:
            burst = _sweeps_worth_a_system(int(np.count_nonzero(self.w[: self.m])), self.m)
            step = min(burst, sweeps - done)
            done += self._sweep(rules, target, step, order(step, self.m))
            if self.ended or done >= sweeps:
                break
            if solvable:
                solvable = self._solve_support(rules)
                done += 1
        return done

    def measure(self, rules: Rules) -> None:
        """Sets the gap at w."""
        self._sweep(rules, 0.0, 0, cyclic(0, self.m))

    def _sweep(self, rules: Rules, target: float, sweeps: int, order: np.ndarray) -> int:
        made = gram_descent(
            self.G, self.c, self.q, self.w, self.m, self.y2, rules.l1, rules.l2, rules.positive, target,
            rules.tol * self.y2, REST * rules.tol, order, sweeps, self._out,
        )  # fmt: skip
        self.gap, self.ended = max(float(self._out[0]), 0.0), bool(self._out[1])
        self.rested = bool(self._out[1] == 2.0)
        return int(made)

    def _solve_support(self, rules: Rules) -> bool:
        """The linear system on the support; False where it cannot be solved or does not help."""
        m = self.m
        S = np.flatnonzero(self.w[:m])
        if not 0 < len(S) <= SOLVABLE:
            return len(S) == 0
        before, w, sign = self.objective(rules), self.w[S].copy(), np.sign(self.w[S])
        H = self.G[np.ix_(S, S)]
        H[np.diag_indices(len(S))] += rules.l2
        try:
            factor = scipy.linalg.cho_factor(H, lower=True, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            return False
        new = scipy.linalg.cho_solve(factor, self.c[S] - rules.l1 * sign, check_finite=False)
        crossing = np.flatnonzero(new * sign <= 0.0) if rules.l1 or rules.positive else np.empty(0, int)
        if len(crossing):
            share = w[crossing] / (w[crossing] - new[crossing])
            first = int(np.argmin(share))
            new = w + share[first] * (new - w)
            new[crossing[first]] = 0.0
        kept = self.q[:m].copy()
        self.w[S] = new
        self.q[:m] = self.c[:m] - self.G[:m, S] @ new if len(S) < m else self.c[:m] - self.G[:m, :m] @ new
        if self.objective(rules) <= before * (1 + 1e-14):
            return True
        self.w[S], self.q[:m] = w, kept
        return False


def _sweeps_worth_a_system(support: int, m: int) -> int:
    """How many sweeps take the time of setting up and solving the linear system (nanoseconds, measured)."""
    system = 150_000 + 3.0 * support**2 + 0.03 * support**3 + 1.5 * m * support
    sweep = 0.3 * m * support + 2.0 * m
    return int(np.clip(system / sweep, 10, 300))


class GramProblem:
    """All columns at once: for many more rows than columns.

    Parameters
    ----------
    G : ndarray of shape (d, d)
    c : ndarray of shape (d,)
    y2 : float
        |y|^2.
    order : callable, optional
        Draws the columns to visit: (sweeps, m) -> numbers, sweep by sweep.
    """

    def __init__(self, G: np.ndarray, c: np.ndarray, y2: float, order: Order = cyclic) -> None:
        self.quadratic = Quadratic(G, c, len(c), y2)
        self.order = order

    def start(self, w: np.ndarray) -> None:
        """Start from these coefficients."""
        self.quadratic.set(w)

    @property
    def is_finite(self) -> bool:
        p = self.quadratic
        return bool(np.isfinite(p.G).all() and np.isfinite(p.c).all() and np.isfinite(p.y2))

    def largest_product(self, positive: bool) -> float:
        """Largest x_j.y: the l1 from which on all coefficients are zero."""
        c = np.where(np.diag(self.quadratic.G) > 0.0, self.quadratic.c, 0.0)
        return float((c if positive else np.abs(c)).max(initial=0.0))

    def solve(self, rules: Rules, listener: Listener | None = None) -> Solution:
        """The minimum, from where the last one was. `listener` hears the objective at the start and after
        each round, and stops by True."""
        p = self.quadratic
        p.measure(rules)
        done, goal, resting = 0, np.inf, rules.enough(p.gap, p.y2)
        while True:  # the goal follows the objective down
            objective = p.objective(rules)
            if listener is not None and listener(objective):
                break
            before, goal = goal, rules.goal(objective, p.y2)
            if resting or goal >= before or done >= rules.max_iter:
                break
            done += p.descend(rules, goal, rules.max_iter - done, self.order)
            resting = p.gap > goal
        return Solution(p.w.copy(), p.gap, rules.tol * p.y2, done, p.objective(rules))

    def walk(self, path: list[Rules]) -> Iterator[Solution]:
        """Minima one after the other, each from where the last one was; the rules differ in l1 and l2 alone."""
        p, rules, order = self.quadratic, path[0], self.order(0, 0)
        l1, l2 = np.array([r.l1 for r in path]), np.array([r.l2 for r in path])
        W, k = np.empty((len(path), p.m + 3)), 0
        limits = rules.limits(p.y2)
        while k < len(path):
            most = _sweeps_worth_a_system(int(np.count_nonzero(p.w[: p.m])), p.m)
            until = gram_path(
                p.G, p.c, p.q, p.w, p.m, p.y2, l1, l2, rules.positive, *limits, rules.tol * p.y2, REST * rules.tol,
                rules.eased, rules.max_iter, most, order, k, W, p._out,
            )  # fmt: skip
            for row in W[k:until]:
                yield Solution(row[: p.m].copy(), row[p.m], rules.tol * p.y2, int(row[p.m + 2]), row[p.m + 1])
            k = until
            if k < len(path) and p._out[1] == 0.0:  # where the linear system is the shorter way
                yield self.solve(path[k])
                k += 1

    def measured(self, w: np.ndarray, rules: Rules) -> Solution:
        """A solution found elsewhere, with its gap."""
        p = self.quadratic
        p.set(w)
        p.measure(rules)
        return Solution(w, p.gap, rules.tol * p.y2, 1, p.objective(rules))
