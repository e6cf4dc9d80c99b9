"""Newton's method for L1 classifiers, column by column: what text needs, whose rows are short.

    F(w) = sum_i s_i L(y_i, x_i.w) + sum_j l1_j |w_j| + sum_j l2_j w_j^2 / 2,
    L = log(1 + e^eta) - y eta    or    max(0, 1 - t eta)^2  with t = 2 y - 1

Each step minimises the second-order model of the loss at w,

    g'd + d'Hd/2 + sum_j l1_j |w_j + d_j|,        H = X' diag(D) X + l2,    D_i = s_i p_i (1 - p_i)  or  2 s_i on rows within the margin,

by coordinate descent that never forms H: with q = D (X d) kept per row, a coordinate's slope is g_j + x_j.q, a
pass over one column. Three things make it fast. Columns at zero whose slope is well inside [-l1, l1] are left out,
of the step and again of its sweeps, and are looked at once the others are at rest. A model is solved no better
than it is true: its tolerance falls only when one sweep was enough. And a step that is too long is halved on the
exact objective from scores that are kept, without another look at X.

The sum of violations of the optimality conditions decides when to stop, as a share of that at w = 0.

References
----------
G.-X. Yuan, C.-H. Ho, C.-J. Lin, "An improved GLMNET for L1-regularized logistic regression", JMLR 13 (2012),
1999-2030.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import prefetch
from tripos.optimization.dual_kernels import FAR, NEAR, shuffle
from tripos.optimization.result import NotFinite, Result, Stopping

SUFFICIENT = 0.01  # share of the decrease the model promises that a step has to bring
HALVINGS = 30
INNER = 0.2  # violations left in a model, as a share of those it began with
FAST = 0.9  # as long as a step brings the objective to that share of it, one sweep over a model is enough
SWEEPS = 1000  # over one model at most
VISITS = 2e7  # entries visited between two returns to Python: a few hundredths of a second
LEAST_BEND = 1e-12  # added to a column's curvature, in units of its l1


@kernel("i8, f8[::1], f8[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def move_scores(hinge, eta, along, t, y, s, there, r, D):  # type: ignore[no-untyped-def]
    """there = eta + t along; the slope r_i and the curvature D_i of s_i L(y_i, .) there; returns the loss."""
    total = 0.0
    for i in range(eta.size):
        score = eta[i] + t * along[i]
        there[i] = score
        if hinge:
            side = 2.0 * y[i] - 1.0
            miss = max(0.0, 1.0 - side * score)
            total += s[i] * miss * miss
            r[i] = -2.0 * s[i] * side * miss
            D[i] = 2.0 * s[i] if miss > 0.0 else 0.0
            continue
        z = np.exp(-abs(score))
        share = 1.0 / (1.0 + z)
        p = share if score >= 0.0 else z * share
        total += s[i] * (max(score, 0.0) + np.log(1.0 + z) - y[i] * score)
        r[i] = s[i] * (p - y[i])
        D[i] = s[i] * z * share * share
    return total


@kernel(
    "F[::1], I[::1], I[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1]"
)
def slopes(data, rows, ends, r, D, w, l1, l2, g, h, order, found):  # type: ignore[no-untyped-def]
    """g_j = x_j.r + l2 w_j; `order` begins with the columns that are not at rest at zero, whose h_j = x_j.D x_j + l2.

    Returns how many these are; found = (sum of violations, the largest).
    """
    one, two = np.uint64(1), np.uint64(2)
    total = 0.0
    worst = 0.0
    n_active = 0
    for j in range(w.size):
        slope = 0.0
        begin, end = np.uint64(ends[j]), np.uint64(ends[j + 1])
        odd = 0.0
        t = begin
        while t + one < end:  # two sums by hand: vectors of so few entries cost more than they save
            slope += data[t] * r[np.uint64(rows[t])]
            odd += data[t + one] * r[np.uint64(rows[t + one])]
            t += two
        slope += odd + (data[t] * r[np.uint64(rows[t])] if t < end else 0.0)
        slope += l2[j] * w[j]
        g[j] = slope
        if w[j] == 0.0:
            violation = max(abs(slope) - l1[j], 0.0)
            if violation == 0.0:
                continue
        else:
            violation = abs(slope + (l1[j] if w[j] > 0.0 else -l1[j]))
        total += violation
        worst = max(worst, violation)
        bend = l2[j] + LEAST_BEND * l1[j]
        for t in range(begin, end):  # type: ignore[assignment]
            x = np.float64(data[t])
            bend += x * x * D[np.uint64(rows[t])]
        h[j] = bend
        order[n_active] = j
        n_active += 1
    found[0], found[1] = total, worst
    return n_active


@kernel(
    "F[::1], I[::1], I[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], i8, "
    "u8[::1], f8[::1], f8, f8, i8"
)
def descend(  # type: ignore[no-untyped-def]
    data, rows, ends, D, w, l1, l2, g, h, z, q, order, n_columns, seed, state, tol, visits, sweeps
):
    """Sweeps over the model's coordinates z = w + d until their violations sum to `tol`; q = D (X d) follows.

    state = (columns of `order` in play, slack from which one at zero is left out). Returns the sweeps done and
    whether `tol` is reached by all `n_columns`.
    """
    one, two = np.uint64(1), np.uint64(2)
    n_active = np.int64(state[0])
    limit = state[1]
    left = visits
    done = 0
    while done < sweeps and left > 0.0:
        shuffle(order, n_active, seed)
        total = 0.0
        worst = 0.0
        k = 0
        while k < n_active:
            j = order[k]
            if k + FAR < n_active:
                ahead = order[k + FAR]
                prefetch(ends, ahead)
                prefetch(z, ahead)
                prefetch(g, ahead)
                prefetch(h, ahead)
                near = order[k + NEAR]
                prefetch(data, np.uint64(ends[near]))
                prefetch(rows, np.uint64(ends[near]))
            begin, end = np.uint64(ends[j]), np.uint64(ends[j + 1])
            left -= np.float64(end - begin)
            here = z[j]
            slope = g[j] + l2[j] * (here - w[j])
            odd = 0.0
            t = begin
            while t + one < end:
                slope += data[t] * q[np.uint64(rows[t])]
                odd += data[t + one] * q[np.uint64(rows[t + one])]
                t += two
            slope += odd + (data[t] * q[np.uint64(rows[t])] if t < end else 0.0)
            if here == 0.0:
                violation = abs(slope) - l1[j]
                if violation < -limit:
                    n_active -= 1
                    order[k], order[n_active] = order[n_active], j
                    continue
                violation = max(violation, 0.0)
            else:
                violation = abs(slope + (l1[j] if here > 0.0 else -l1[j]))
            k += 1
            total += violation
            worst = max(worst, violation)
            v = h[j] * here - slope
            new = 0.0
            if v > l1[j]:
                new = (v - l1[j]) / h[j]
            elif v < -l1[j]:
                new = (v + l1[j]) / h[j]
            step = new - here
            if step != 0.0 and violation > 0.0:
                z[j] = new
                for t in range(begin, end):  # type: ignore[assignment]
                    i = np.uint64(rows[t])
                    q[i] += step * data[t] * D[i]
        done += 1
        limit = worst / D.size
        if total <= tol:
            if n_active == n_columns:
                state[0], state[1] = n_active, limit
                return done, True
            n_active = n_columns
            limit = np.inf
    state[0], state[1] = n_active, limit
    return done, False


@kernel("F[::1], I[::1], I[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], i8, f8[::1]")
def direction(data, rows, ends, w, z, g, l1, order, n_columns, along):  # type: ignore[no-untyped-def]
    """along = X (z - w); returns the decrease that the linear part of the model promises for z - w."""
    for i in range(along.size):
        along[i] = 0.0
    decrease = 0.0
    for k in range(n_columns):
        j = order[k]
        d = z[j] - w[j]
        if d == 0.0:
            continue
        decrease -= g[j] * d + l1[j] * (abs(z[j]) - abs(w[j]))
        for t in range(np.uint64(ends[j]), np.uint64(ends[j + 1])):
            along[np.uint64(rows[t])] += d * data[t]
    return decrease


@dataclass(eq=False)
class ColumnsNewton:
    """The objective of the module's head, and where the method stands.

    Parameters
    ----------
    data, rows, ends : ndarray
        The arrays of a CSC matrix; an intercept is a column of ones.
    y, s : float64 ndarray of shape (n_rows,)
        0 or 1, and weights.
    l1, l2 : float64 ndarray of shape (n_columns,)
    hinge : bool
        The squared hinge in place of the log loss.
    """

    data: np.ndarray
    rows: np.ndarray
    ends: np.ndarray
    y: np.ndarray
    s: np.ndarray
    l1: np.ndarray
    l2: np.ndarray
    hinge: bool = False

    def __post_init__(self) -> None:
        n, p = len(self.y), len(self.l1)
        self.eta, self.there, self.along, self.q = (np.zeros(n) for _ in range(4))
        self.r, self.D = np.empty(n), np.empty(n)
        self.g, self.h, self.found = np.zeros(p), np.zeros(p), np.zeros(2)
        self.order = np.arange(p)
        self.n_active = p
        self.random = np.array([0x9E3779B97F4A7C15], np.uint64)

    @property
    def X(self) -> Any:
        return self.data, self.rows, self.ends

    def _penalty(self, w: np.ndarray) -> float:
        return float(self.l1 @ np.abs(w)) + 0.5 * float(self.l2 @ (w * w))

    def _loss_at(self, t: float) -> float:
        """The loss at eta + t along, which `there` holds then, with r and D."""
        loss: Any = move_scores(  # type: ignore[call-arg]
            int(self.hinge), self.eta, self.along, t, self.y, self.s, self.there, self.r, self.D
        )
        return float(loss)

    def _slopes(self) -> None:
        self.n_active = slopes(  # type: ignore[call-arg]
            *self.X, self.r, self.D, self.w, self.l1, self.l2, self.g, self.h, self.order, self.found,
        )  # fmt: skip

    def _model(self, tol: float, sweeps: int) -> np.ndarray:
        """The minimum z of the model at w, to violations that sum to `tol`."""
        z = self.w.copy()
        self.q[:] = 0.0
        state = np.array([self.n_active, np.inf])
        total, reached = 0, False
        while total < sweeps and not reached:
            done, reached = descend(  # type: ignore[call-arg]
                *self.X, self.D, self.w, self.l1, self.l2, self.g, self.h, z, self.q, self.order,
                self.n_active, self.random, state, tol, VISITS, sweeps - total,
            )  # fmt: skip
            total += int(done)
        return z

    def _move(self, z: np.ndarray, decrease: float, noise: float) -> bool:
        """w <- w + t (z - w), t = 1, 1/2, ...; whether some t brings enough."""
        w, t = self.w, 1.0  # type: ignore[has-type]
        for _ in range(HALVINGS):
            there = z if t == 1.0 else w + t * (z - w)
            loss = self._loss_at(t)
            value = loss + self._penalty(there)
            if value <= self.value - SUFFICIENT * t * decrease + noise * abs(self.value):  # type: ignore[has-type]
                self.w, self.value = there, value
                self.eta, self.there = self.there, self.eta
                return True
            t *= 0.5
        return False

    def solve(self, w: np.ndarray, stopping: Stopping, share: float) -> Result:
        """From w, until the violations sum to `share` of what they are at 0 and none is above `stopping.tol`."""
        self.w = np.zeros(len(w))
        self._loss_at(0.0)
        self._slopes()
        unit = float(self.found[0])
        if w.any():
            direction(*self.X, self.w, w, self.g, self.l1, np.arange(len(w)), len(w), self.along)  # type: ignore[call-arg]
        self.w = w.copy()
        loss = self._loss_at(1.0)
        self.eta, self.there = self.there, self.eta
        self.value = loss + self._penalty(w)
        self._slopes()
        if not (np.isfinite(self.value) and np.isfinite(self.g).all()):
            raise NotFinite(f"the objective is {self.value} at the start, or its gradient is not finite")
        stopping.record(0, self.value, self.found[1:], self.w)
        before = np.inf
        for step in range(stopping.max_iter + 1):
            if self._at_rest(share * unit, stopping.tol):
                return self._result(stopping, step, None)
            if stopping.asked_to_stop:
                return self._result(stopping, step, "a callback asked to stop")
            if step == stopping.max_iter:
                return self._result(stopping, step, stopping.exhausted(self.found[1:]))
            sweeps = 1 if self.value < FAST * before else SWEEPS
            before = self.value
            z = self._model(max(INNER * float(self.found[0]), 0.5 * share * unit), sweeps)
            decrease = direction(*self.X, self.w, z, self.g, self.l1, self.order, self.n_active, self.along)  # type: ignore[call-arg]
            if not self._move(z, decrease, stopping.noise):
                return self._result(stopping, step, self._stuck(decrease, stopping.noise))
            self._slopes()
            stopping.record(step + 1, self.value, self.found[1:], self.w)
        raise AssertionError("the loop returns at max_iter")

    def _at_rest(self, total: float, tol: float) -> bool:
        return bool(self.found[0] <= total and self.found[1] <= tol)

    def _stuck(self, decrease: float, noise: float) -> str | None:
        if decrease <= 2e3 * noise * abs(self.value):
            return None
        return (
            f"no step decreases the objective, {self.value:.6g}, although a decrease of {decrease:.3g} was expected: "
            "the numbers are too large; scale the features"
        )

    def _result(self, stopping: Stopping, step: int, reason: str | None) -> Result:
        return stopping.result(self.w, self.value, self.found[1:], step, reason)
