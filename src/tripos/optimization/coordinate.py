"""Coordinate descent for the squared loss with an elastic-net penalty.

    minimise  F(w) = |y - Xw|^2 / 2 + l1 |w|_1 + l2 |w|^2 / 2

over columns that are weighted and centred (`coordinate_columns`). A working set holds the columns that may be in
the solution; descent on it uses the products of its columns with one another (`coordinate_gram`). Columns enter
that violate the optimality condition |x_j.r| <= l1, those by most first. Two bounds spare the look at the others:
a column is looked at only if its last known x_j.r' can have grown past l1 while the residual moved from r' to
r, and never again once the gap shows that it is zero at the minimum,

    a |x_j.r| + sqrt(|x_j|^2 + l2) sqrt(2 gap) < l1,        a = min(1, l1 / max_j |x_j.r - l2 w_j|).

The gap between F(w) and the dual objective of a r is the rule to stop by.

References
----------
J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01 (coordinate descent along a path);
E. Ndiaye, O. Fercoq, A. Gramfort, J. Salmon, "Gap safe screening rules for sparsity enforcing penalties",
JMLR 18 (2017), arXiv:1611.05780; M. Massias, A. Gramfort, J. Salmon, "Celer", ICML 2018, arXiv:1802.07481
(working sets).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.optimization.coordinate_columns import FEW, DenseColumns, PlacedStore, SparseColumns, SparseStore
from tripos.optimization.coordinate_gram import Listener, Order, Quadratic, Rules, Solution, cyclic
from tripos.optimization.coordinate_kernels import distances, gap_of, screen, suspects
from tripos.optimization.coordinate_sweeps import Sweeps

SNAPSHOTS = (
    64  # residuals at which products were computed that are remembered, where they take no more than ...
)
LEAST_SNAPSHOTS, SNAPSHOT_BYTES = 8, 1 << 20
ENTRANTS = 100  # columns that enter at once, or as many as there are in the solution
GRAM_COLUMNS = 4096  # columns of a working set up to which their products are kept
LEAST_GRAM, GRAM_SHARE = 1 << 19, 64  # bytes of them beside columns that are read as they lie: or a 64th of X
COLUMN_REST = 0.3  # what `REST` is where descent goes over the columns, each step of which looks at all rows
INNER = 0.3  # share of the goal that descent on the working set has to reach
EASE = 0.01  # share of the gap that it has to reach while columns still enter
FINER = 0.01  # share of the goal in the next round, where a round without new columns did not reach it
ROUNDS = 1000


class WorkingSet:
    """The problem on columns that enter when they are needed.

    Parameters
    ----------
    columns : DenseColumns or SparseColumns
    y : ndarray of shape (n_rows,)
        As `columns.target` gives it.
    order : callable, optional
        Draws the columns to visit: (sweeps, m) -> numbers, sweep by sweep.
    once : bool
        Whether one strength is all that is asked for: then a few sweeps over all columns are tried first where
        most of them enter (`coordinate_sweeps`).
    known : ndarray of shape (n_features,), optional
        x_j.y, where they are known.
    """

    def __init__(
        self,
        columns: DenseColumns | SparseColumns,
        y: np.ndarray,
        order: Order = cyclic,
        *,
        once: bool = False,
        known: np.ndarray | None = None,
    ) -> None:
        self.columns, self.y, self.order = columns, y, order
        self.once = once and isinstance(columns, DenseColumns)
        self.y2 = float(y @ y)
        d = columns.n_features
        self.norm = np.sqrt(columns.square)
        self.r = y.copy()
        self.store = columns.store()
        self.members = np.empty(0, dtype=np.int64)
        self.most = GRAM_COLUMNS
        self.quadratic: Quadratic | None = Quadratic(np.empty((0, 0)), np.empty(0), 0, self.y2)
        self.w = np.empty(0)  # once there are too many columns for `quadratic`
        self.settled = columns.square == 0.0  # in the set, or known to be zero
        self.first = columns.products(y) if known is None else known  # x_j.y
        self.known = self.first.copy()  # x_j.r' ...
        products = np.where(columns.square > 0.0, self.known, 0.0)
        self._largest = float(products.max(initial=0.0)), -float(products.min(initial=0.0))
        self.version = np.zeros(d, dtype=np.int64)  # ... at which of the residuals
        remembered = min(SNAPSHOTS, max(LEAST_SNAPSHOTS, SNAPSHOT_BYTES // self.y.nbytes))
        self.snapshots = np.empty((int(np.clip(d // 16, 2, remembered)), len(y)))
        self.snapshots[0] = y
        self.taken, self.oldest = 1, 0
        self._room = np.empty(d, dtype=np.int64)

    def start(self, w: np.ndarray) -> None:
        """Start from these coefficients."""
        inside = np.flatnonzero(w)
        inside = inside[~self.settled[inside]]
        if len(inside):
            self._enter(inside, self.columns.products(self.r, inside))
            self._move(w[self.members])

    def largest_product(self, positive: bool) -> float:
        """Largest x_j.y: the l1 from which on all coefficients are zero."""
        return self._largest[0] if positive else max(self._largest)

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.norm).all() and np.isfinite(self.y2))

    def solve(self, rules: Rules, listener: Listener | None = None) -> Solution:
        """The minimum, from where the last one was. `listener` hears the objective at the start and after
        each round, and stops by True."""
        self.settled[:] = self.columns.square == 0.0
        self.settled[self.members] = True
        self._resting = False
        # Descent on columns as they lie takes no memory and as much time; of few numbers each it comes to rest late.
        if isinstance(self.store, PlacedStore) or (isinstance(self.store, SparseStore) and rules.eased):
            share = max(LEAST_GRAM, self.columns.n_bytes // GRAM_SHARE)
            self.most = min(GRAM_COLUMNS, int(np.sqrt(share / 8)))
        done, stuck = 0.0, 0
        if self.once and not len(self.members) and self.order is cyclic:
            self.once = False
            sweeps = Sweeps(self.columns, self.y, self.known)
            if sweeps.promising(rules):
                solution = sweeps.solve(rules, listener)
                if solution is not None:
                    return solution
                done = sweeps.done
                self.start(sweeps.w)
        for _ in range(ROUNDS):
            new, largest = self._look(rules)
            w, objective, gap, scale = self._state(rules, largest)
            goal = rules.goal(objective, self.y2)
            resting = self._resting and gap <= rules.tol * self.y2 and not len(new)
            stopped = listener is not None and listener(objective)
            if (
                stopped
                or gap <= goal
                or resting
                or (not done and rules.enough(gap, self.y2))
                or done >= rules.max_iter
                or stuck > 2
            ):
                break
            if rules.l1 > 0.0 and len(self.known):
                screen(
                    self.known, self.norm, self.version, self._radius, scale, rules.l1, rules.l2, gap,
                    rules.positive, self.settled,
                )  # fmt: skip
            entering = self._chosen(new, w)
            self._enter(entering, self.known[entering])
            target = INNER * goal if not len(new) else max(INNER * goal, EASE * gap)
            share = max(1, len(self.members)) / max(
                1, self.columns.n_features
            )  # a sweep over few is part of one
            left = int(np.ceil((rules.max_iter - done) / share))
            made = self._descend(
                rules, target * FINER**stuck, left, 0.0 if stuck else COLUMN_REST * rules.tol
            )
            stuck = stuck + 1 if not len(new) else 0
            done += share * made
        coefficients = np.zeros(self.columns.n_features)
        coefficients[self.members] = w
        return Solution(
            coefficients, gap, rules.tol * self.y2, min(int(np.ceil(done)), rules.max_iter), objective
        )

    def measured(self, w: np.ndarray, rules: Rules) -> Solution:
        """A solution found elsewhere, with its gap."""
        r = self.y.copy()
        inside = np.flatnonzero(w)
        for first in range(0, len(inside), ENTRANTS):
            whole = self.columns.store()
            whole.append(inside[first : first + ENTRANTS])
            whole.subtract(w[inside[first : first + ENTRANTS]], r)
        q = np.where(self.columns.square > 0.0, self.columns.products(r), 0.0)
        largest = float(np.abs(q - rules.l2 * w).max(initial=0.0))
        gap = gap_of(
            float(r @ r), float(r @ self.y), float(np.abs(w).sum()), float(w @ w), largest, float(q @ q),
            rules.l1, rules.l2,
        )  # fmt: skip
        return Solution(w, max(float(gap), 0.0), rules.tol * self.y2, 1, 0.5 * float(r @ r) + rules.value(w))

    # ---- looking at the columns outside -------------------------------------------------------------

    def _look(self, rules: Rules) -> tuple[np.ndarray, float]:
        """Columns that violate their optimality condition, and the largest x_j.r of those looked at."""
        self._radius = np.empty(self.taken)
        distances(self.snapshots, self.taken, self.r, self._radius)
        self._radius *= 1 + 1e-12
        count = suspects(
            self.known, self.norm, self.version, self._radius, self.settled, rules.l1, rules.positive,
            self._room,
        )  # fmt: skip
        if not count:
            return self._room[:0], 0.0
        found = self._room[:count].copy()
        slot = self._remember()
        if count * FEW > len(self.known):
            self.known = self.columns.products(self.r)
            self.version[:] = slot
        else:
            self.known[found] = self.columns.products(self.r, found)
            self.version[found] = slot
        values = self.known[found] if rules.positive else np.abs(self.known[found])
        return found[values > rules.l1], float(values.max())

    def _remember(self) -> int:
        """Keeps the residual; the oldest one makes room, and with it what was known from it."""
        if self.taken < len(self.snapshots):
            slot, self.taken = self.taken, self.taken + 1
            self._radius = np.append(self._radius, 0.0)
        else:
            slot, self.oldest = self.oldest, (self.oldest + 1) % len(self.snapshots)
            self.known[self.version == slot] = np.inf
            self._radius[slot] = 0.0
        self.snapshots[slot] = self.r
        return slot

    def _state(self, rules: Rules, largest: float) -> tuple[np.ndarray, float, float, float]:
        """w of the set, F(w), the gap, and the factor that makes the residual feasible for the dual."""
        m = len(self.members)
        if self.quadratic is not None:
            w, q = self.quadratic.w[:m], self.quadratic.q[:m]
        else:
            w, q = self.w, self.store.products(self.r)
        v = q - rules.l2 * w
        largest = max(largest, float((v if rules.positive else np.abs(v)).max(initial=0.0)))
        square, product = float(self.r @ self.r), float(self.r @ self.y)
        w1, w2 = float(np.abs(w).sum()), float(w @ w)
        slopes = float(q @ q)
        gap = float(gap_of(square, product, w1, w2, largest, slopes, rules.l1, rules.l2))
        scale = rules.l1 / largest if largest > rules.l1 else 1.0
        return w.copy(), 0.5 * square + rules.value(w), max(gap, 0.0), scale

    # ---- the working set ---------------------------------------------------------------------------

    def _chosen(self, new: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Of the violators those that lower F most, at most as many as there are in the solution."""
        most = max(ENTRANTS, int(np.count_nonzero(w)))
        if len(new) <= most:
            return new
        by_gain = np.abs(self.known[new]) / self.norm[new]
        return new[np.sort(np.argpartition(by_gain, len(new) - most)[len(new) - most :])]

    def _enter(self, new: np.ndarray, q: np.ndarray) -> None:
        """Adds columns, of which the products q with the residual are known."""
        if not len(new):
            return
        first = len(self.members)
        self.members = np.concatenate([self.members, new])
        self.settled[new] = True
        self.store.append(new)
        if self.quadratic is not None and len(self.members) > self.most:
            self.w, self.quadratic = self.quadratic.w[:first].copy(), None
        if self.quadratic is None:
            self.w = np.concatenate([self.w, np.zeros(len(new))])
            return
        cross = self.store.cross(first)
        cross[np.arange(len(new)), np.arange(first, first + len(new))] = self.columns.square[new]
        self.quadratic.append(cross, self.first[new], q, self.most)

    def _move(self, w: np.ndarray) -> None:
        """Puts the coefficients of the set to w."""
        if self.quadratic is not None:
            m = len(w)
            self.store.subtract(w - self.quadratic.w[:m], self.r)
            self.quadratic.set(w)
        else:
            self.store.subtract(w - self.w, self.r)
            self.w = w.copy()

    def _descend(self, rules: Rules, target: float, sweeps: int, rest: float) -> int:
        m = len(self.members)
        if not m:
            return 0
        if self.quadratic is not None:
            before = self.quadratic.w[:m].copy()
            done = self.quadratic.descend(rules, target, sweeps, self.order)
            self._resting = self.quadratic.rested
            self.store.subtract(self.quadratic.w[:m] - before, self.r)
            return done
        threshold = target * (target / self.y2)  # the gap is of first order in the moves, F of second
        burst = int(np.clip(1e8 // max(1, m * len(self.y)), 1, 50))
        g = self.columns.square[self.members]
        done = ended = 0
        while done < sweeps:
            step = min(burst, sweeps - done)
            limits = (rules.l1, rules.l2, rules.positive, threshold, rest, self.order(step, m), step)
            made, ended = self.store.descend(g, self.r, self.w, limits)
            done += made
            if ended:
                break
        self._resting = ended == 2  # else only the gap tells
        return done


def random_order(random_state: Any) -> Order:
    """Columns drawn with replacement, as selection="random" has it."""
    from tripos.compute.random import generator

    rng = generator(random_state)
    return lambda sweeps, m: rng.integers(0, m, sweeps * m)
