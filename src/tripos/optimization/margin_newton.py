"""Semismooth Newton steps for linear models with a margin, whole solves in one kernel.

For a table in memory, with an L2 penalty and P(w) = |w|^2 / 2 + sum_i c_i L(y_i, w.x_i), one step of the proximal
point method on the dual, from multipliers b_i (in units of c_i), is the smooth problem

    min_w  |w|^2 / 2 + sum_i c_i M_i(w.x_i),
    b_i(eta) = clip(soft(t_i - eta + tau b_i, e) / (tau + h), l_i, u_i),     M_i' = -b_i(eta),   h = 1/2 or 0

with h = 1/2 for squared losses, which need no proximal term (tau = 0) and end with the first problem. Losses with
a kink have h = 0: each problem brings b nearer by a factor that grows with 1/tau, the last one exactly, since
all is polyhedral. M is piecewise quadratic with curvature c_i / (tau + h) where b_i moves. Newton's direction
comes from a Cholesky factor, of a matrix that is updated by the rows that began or ceased to bend; along it the
exact minimum is sought on scores alone.

The duality gap sum_i c_i (L_i + e |b_i| - t_i b_i + h b_i^2 / 2 + b_i eta_i) + |w - X'(c b)|^2 / 2 is known at
each end.

References
----------
R. T. Rockafellar (1976), doi:10.1287/moor.1.2.97; X. Li, D. Sun, K.-C. Toh (2018), doi:10.1137/16M1097572;
S. S. Keerthi, D. DeCoste, JMLR 6 (2005), 341-361 (exact line search of a squared hinge).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.objective.losses import PointwiseLoss
from tripos.optimization.dual_coordinate import SIDED, SQUARED
from tripos.optimization.result import Result, Stopping

GROWTH, TUBE_GROWTH = (
    4.0,
    16.0,
)  # of 1 / tau from one round to the next: of hinges, and of tubes about a target
LARGEST_TAU = 1.0  # the first one, in units of the targets' scale
SMALLEST_TAU = 1e-8
ROUND_STEPS = 60
INNER_SHARE = 1e-3  # of the gap: decrease left in sight at the end of a round
LINE_STEPS = 30
LINE_SHARE = 0.1  # slope left on a line, as a share of the one at its start
SHORT = 0.05  # a step that is damped the next time ...
DAMPING = 1e-4  # ... at first by that share of the largest curvature seen
CHUNK = 64  # changed rows gathered for one product
TIGHTEST = 1e-17  # decrease in sight, relative to P, that is rounding alone
WORK = 2e8  # multiplications in one call of a kernel: some 0.1 s


@kernel
def multiplier(sided, squared, epsilon, tau, t, b, eta):  # type: ignore[no-untyped-def]
    """(b(eta), whether it moves with eta)."""
    z = t - eta + tau * b
    bent = 1
    if epsilon > 0.0:
        if abs(z) <= epsilon:
            return 0.0, 0
        z = z - epsilon if z > 0.0 else z + epsilon
    z = z / (tau + 0.5) if squared else z / tau
    if sided:
        if z * t <= 0.0:
            return 0.0, 0
    if not squared and abs(z) >= 1.0:
        return (1.0 if z > 0.0 else -1.0), 0
    return z, bent


@kernel
def margin_scores(X, w, eta):  # type: ignore[no-untyped-def]
    """eta = X w."""
    product = np.dot(X, w)
    for i in range(eta.size):
        eta[i] = product[i]


@kernel
def margin_back(X, r, out):  # type: ignore[no-untyped-def]
    """out -= X'r."""
    product = np.dot(r, X)
    for j in range(out.size):
        out[j] -= product[j]


@kernel
def update_curvature(X, c, bent, counted, chunk, scaled, G):  # type: ignore[no-untyped-def]
    """G = sum of c_i x_i x_i' over bent rows, from the sum over `counted` ones."""
    p = X.shape[1]
    m = 0
    for i in range(c.size):
        if bent[i] == counted[i]:
            continue
        weight = c[i] if bent[i] else -c[i]
        counted[i] = bent[i]
        for j in range(p):
            chunk[m, j] = X[i, j]
            scaled[m, j] = weight * X[i, j]
        m += 1
        if m == chunk.shape[0]:
            add_products(chunk, scaled, m, G)
            m = 0
    if m:
        add_products(chunk, scaled, m, G)


@kernel
def add_products(chunk, scaled, m, G):  # type: ignore[no-untyped-def]
    """G += chunk' scaled; small ones without BLAS."""
    p = G.shape[0]
    if p * m < 256:
        for i in range(m):
            for j in range(p):
                x = scaled[i, j]
                for k in range(p):
                    G[j, k] += x * chunk[i, k]
        return
    product = np.dot(chunk[:m].T, scaled[:m])
    for j in range(p):
        for k in range(p):
            G[j, k] += product[j, k]


@kernel
def cholesky_solve(G, kappa, ridge, L, g, out):  # type: ignore[no-untyped-def]
    """out = (kappa G + diag(ridge))^-1 g; every ridge is at least 1, so that pivots are."""
    p = g.size
    for j in range(p):
        row = L[j]
        for k in range(j + 1):
            other = L[k]
            total = kappa * G[j, k]
            for l in range(k):
                total -= row[l] * other[l]
            if k < j:
                row[k] = total / other[k]
            else:
                row[j] = np.sqrt(max(total + ridge[j], 0.25))
    for j in range(p):
        total = g[j]
        for k in range(j):
            total -= L[j, k] * out[k]
        out[j] = total / L[j, j]
    for j in range(p - 1, -1, -1):
        out[j] /= L[j, j]
        x = out[j]
        for k in range(j):
            out[k] -= L[j, k] * x


@kernel
def exact_step(  # type: ignore[no-untyped-def]
    sided, squared, epsilon, tau, t, c, b, eta, delta, along, bend, decrement
):
    """The a where the smooth problem is lowest on w - a direction: a root of its slope, by Newton and bisection."""
    kappa = 2.0 if squared else 1.0 / tau
    low = 0.0
    high = np.inf
    a = 1.0
    for _ in range(LINE_STEPS):
        slope = a * bend - along
        curvature = bend
        for i in range(t.size):
            value, bent = multiplier(sided, squared, epsilon, tau, t[i], b[i], eta[i] - a * delta[i])
            slope += c[i] * value * delta[i]
            if bent:
                curvature += kappa * c[i] * delta[i] * delta[i]
        if abs(slope) <= LINE_SHARE * decrement:
            break
        if slope < 0.0:
            low = a
        else:
            high = a
        a -= slope / curvature
        if not low < a < high:
            a = 0.5 * (low + high) if high < np.inf else 2.0 * low
    return a


@kernel
def margin_gap(sided, squared, epsilon, t, c, b, eta, w, g, sums):  # type: ignore[no-untyped-def]
    """sums = (P, duality gap) at w with multipliers b, where g = w - X'(c b)."""
    primal = 0.5 * np.dot(w, w)
    gap = 0.5 * np.dot(g, g)
    for i in range(t.size):
        miss = 1.0 - t[i] * eta[i] if sided else abs(t[i] - eta[i]) - epsilon
        miss = 0.0 if miss <= 0.0 else miss
        loss = miss * miss if squared else miss
        primal += c[i] * loss
        conjugate = epsilon * abs(b[i]) - t[i] * b[i] + (0.25 * b[i] * b[i] if squared else 0.0)
        gap += c[i] * max(loss + conjugate + b[i] * eta[i], 0.0)
    sums[0] = primal
    sums[1] = gap


@kernel("i8, i8, f8, f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8, f8, i8, f8[::1]")
def margin_round(  # type: ignore[no-untyped-def]
    sided, squared, epsilon, X, t, c, w, b, tau, precision, limit, sums
):
    """One smooth problem: from w and b, which are replaced by those at its end.

    It ends when the decrease in sight is at most `precision` (absolute), or after `limit` steps.
    sums = (P, duality gap, 1 when it ended well). Returns the steps.
    """
    n, p = t.size, w.size
    kappa = 2.0 if squared else 1.0 / tau
    eta, delta, residual, new = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    g, direction, ridge, widest = np.empty(p), np.empty(p), np.ones(p), np.zeros(p)
    bent, counted = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    G, L = np.zeros((p, p)), np.empty((p, p))
    chunk, scaled = np.empty((CHUNK, p)), np.empty((CHUNK, p))
    damping = 0.0
    steps = 0
    done = 0
    margin_scores(X, w, eta)
    while True:
        for i in range(n):
            value, moves = multiplier(sided, squared, epsilon, tau, t[i], b[i], eta[i])
            new[i] = value
            residual[i] = c[i] * value
            bent[i] = moves
        for j in range(p):
            g[j] = w[j]
        margin_back(X, residual, g)
        if done or steps == limit:
            break
        steps += 1
        update_curvature(X, c, bent, counted, chunk, scaled, G)
        for j in range(p):
            widest[j] = max(widest[j], kappa * G[j, j])
            ridge[j] = 1.0 + damping * widest[j]
        cholesky_solve(G, kappa, ridge, L, g, direction)
        decrement = np.dot(g, direction)
        margin_scores(X, direction, delta)
        if damping == 0.0 and not 0.5 * decrement > precision:
            done = 1
        a = exact_step(
            sided, squared, epsilon, tau, t, c, b, eta, delta,
            np.dot(w, direction), np.dot(direction, direction), decrement,
        )  # fmt: skip
        if a < SHORT:
            damping = max(DAMPING, 10.0 * damping)
        elif a > 0.5:
            damping = 0.1 * damping if damping > DAMPING else 0.0
        for j in range(p):
            w[j] -= a * direction[j]
        for i in range(n):
            eta[i] -= a * delta[i]
    for i in range(n):
        b[i] = new[i]
    margin_gap(sided, squared, epsilon, t, c, b, eta, w, g, sums)
    sums[2] = done
    return steps


@dataclass(eq=False)
class MarginNewton:
    """The rows of one problem, and where the method stands.

    Parameters
    ----------
    X : float64 ndarray of shape (n_rows, n_parameters)
        With the constant column, where there is one.
    t : float64 ndarray of shape (n_rows,)
        -1 and 1 for the hinge losses, numbers for the others.
    c : float64 ndarray of shape (n_rows,)
        Weight of each row's loss against |w|^2 / 2.
    loss : PointwiseLoss
    bias : float
        The constant column; 0 for none.
    """

    X: np.ndarray
    t: np.ndarray
    c: np.ndarray
    loss: PointwiseLoss
    bias: float

    def __post_init__(self) -> None:
        self.w, self.b = np.zeros(self.X.shape[1]), np.zeros(len(self.t))
        self.sums = np.zeros(3)

    def round(self, tau: float, precision: float, steps: int) -> int:
        """At most so many steps of one smooth problem; how many they were."""
        code = self.loss.code
        taken: Any = margin_round(  # type: ignore[no-untyped-call]
            int(code in SIDED), int(code in SQUARED), float(self.loss.parameter), self.X, self.t, self.c, self.w, self.b,
            tau, precision, steps, self.sums,
        )  # fmt: skip
        return int(taken)

    def solve(self, stopping: Stopping, scale: float) -> Result:
        """Rounds until the duality gap is within `stopping.precision` of P, or `max_iter` steps are taken.

        Parameters
        ----------
        scale : float
            What P is multiplied by in the history.
        """
        smooth = self.loss.code in SQUARED
        sided = self.loss.code in SIDED
        spread = 1.0 if sided else max(float(np.std(self.t)), 1e-12)
        growth = GROWTH if sided else TUBE_GROWTH
        tau = 0.0 if smooth else LARGEST_TAU * spread
        P = float(np.abs(self.c) @ np.abs(self.t)) or 1.0  # an upper bound or so, to begin with
        best, steps, least, near = 1.0, 0, SMALLEST_TAU * spread, stopping.precision
        work = max(1.0, 8.0 * self.X.size)
        affordable = max(1, min(ROUND_STEPS, int(WORK / work)))
        first = 1 if smooth else affordable  # a step on its own, so that a fit can be watched and stopped
        while True:
            share = near if smooth else max(INNER_SHARE * best, 1e-15)
            most = affordable if steps else first
            steps += self.round(tau, share * P, min(most, max(1, stopping.max_iter - steps)))
            P, gap, ended = float(self.sums[0]), float(self.sums[1]), bool(self.sums[2])
            relative = gap / P if P > 0.0 else 0.0
            best = min(best, relative)
            stopping.record(steps, scale * P, np.array([relative]), self.w)
            reason = None
            if relative > max(stopping.precision, 4.0 * np.finfo(float).eps) and near > TIGHTEST:
                if stopping.asked_to_stop:
                    reason = "a callback asked to stop"
                elif steps >= stopping.max_iter or tau < (0.0 if smooth else least):
                    reason = (
                        f"after {steps} steps the duality gap is {relative:.3g} of the objective, "
                        f"{stopping.precision:.3g} was asked for"
                    )
                else:
                    tau /= growth if ended else 1.0
                    near *= 0.01 if smooth and ended else 1.0
                    continue
            said = reason or f"the duality gap, {relative:.3g} of the objective, is small enough"
            theta = self.w.copy()
            if self.bias:
                theta[-1] *= self.bias
            return Result(theta, scale * P, relative, steps, reason is None, said, stopping.history)


def with_constant(X: Any, bias: float) -> np.ndarray:
    """[X, bias] as float64 of C order; bias 0: X alone."""
    n, d = X.shape
    extended = np.empty((n, d + (bias > 0.0)))
    extended[:, :d] = X
    if bias:
        extended[:, d] = bias
    return extended
