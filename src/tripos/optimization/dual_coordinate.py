"""Dual coordinate ascent for linear models with a margin: one row's multiplier at a time.

With c_i = s_i / (W alpha) the primal problem, divided by the penalty's strength alpha, and its dual are

    min_w     P(w) = |w|^2 / 2 + sum_i c_i L(y_i, w.x_i)
    max_beta  D(beta) = -|w(beta)|^2 / 2 - sum_i phi_i(beta_i),      w(beta) = sum_i beta_i x_i,
    phi_i(beta) = e |beta| - t_i beta + d_i beta^2 / 2    for beta between l_i and u_i,

| loss                        | t_i      | e       | d_i         | beta_i                 |
|-----------------------------|----------|---------|-------------|------------------------|
| hinge                       | side +-1 | 0       | 0           | 0 <= side beta <= c_i  |
| squared hinge               | side +-1 | 0       | 1 / (2 c_i) | 0 <= side beta         |
| epsilon insensitive         | y_i      | epsilon | 0           | -c_i <= beta <= c_i    |
| squared epsilon insensitive | y_i      | epsilon | 1 / (2 c_i) | any                    |

In one coordinate the dual has a closed maximum: a soft threshold, then the bounds. Rows are visited in an
order shuffled each epoch; a row that rests on a bound or on the kink, and is pressed against it harder than
the largest violation of the last epoch, is left out until the others are done (shrinking). P - D bounds the
distance from the optimum: the method stops by it, never by how little changes. The intercept is one more
coefficient, of a constant column, and is penalised like the others, as in liblinear.

References
----------
C.-J. Hsieh et al. (2008), doi:10.1145/1390156.1390208; C.-H. Ho, C.-J. Lin, "Large-scale linear support vector
regression", JMLR 13 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import prefetch
from tripos.compute.random import generator
from tripos.objective.losses import (
    EPSILON_INSENSITIVE_CODE,
    HINGE_CODE,
    SQUARED_EPSILON_INSENSITIVE_CODE,
    SQUARED_HINGE_CODE,
    PointwiseLoss,
)
from tripos.objective.penalties import L2
from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Rows, SparseRows
from tripos.optimization.result import Result, Stopping

SIDED = (HINGE_CODE, SQUARED_HINGE_CODE)
SQUARED = (SQUARED_HINGE_CODE, SQUARED_EPSILON_INSENSITIVE_CODE)
CODES = (*SIDED, EPSILON_INSENSITIVE_CODE, SQUARED_EPSILON_INSENSITIVE_CODE)
VISITS = 2e7  # entries visited between two looks at the clock: a few hundredths of a second
FLAT = 1e-12  # curvature of a row of zeros
NEAR, FAR = 3, 8  # visits ahead of which a row's entries, and its place and numbers, are called from memory
TIGHTEST = 1e-14  # violation from which rounding hides the rest


@kernel
def shuffle(order, n, state):  # type: ignore[no-untyped-def]
    """The first n entries of `order` in random order (Fisher and Yates), by Marsaglia's xorshift of 64 bits,
    doi:10.18637/jss.v008.i14."""
    x = state[0]
    for k in range(n - 1, 0, -1):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        j = ((x >> np.uint64(32)) * np.uint64(k + 1)) >> np.uint64(32)
        order[k], order[j] = order[j], order[k]
    state[0] = x


@kernel
def side_bounds(sided, squared, y, c):  # type: ignore[no-untyped-def]
    """(lower, upper, d) of a row."""
    reach = np.inf if squared else c
    d = 0.5 / c if squared else 0.0
    if not sided:
        return -reach, reach, d
    return (0.0, reach, d) if y > 0.0 else (-reach, 0.0, d)


@kernel("i8, F[::1], I[::1], I[::1], f8, i8, f8[::1]")
def squared_norms(dense, data, indices, indptr, bias, d, out):  # type: ignore[no-untyped-def]
    """|x_i|^2 of each row, with the constant column."""
    for i in range(out.size):
        total = bias * bias
        begin = i * d if dense else np.int64(indptr[i])
        end = begin + d if dense else np.int64(indptr[i + 1])
        for t in range(np.uint64(begin), np.uint64(end)):
            total += np.float64(data[t]) * np.float64(data[t])
        out[i] = total


@kernel("i8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1]")
def rebuild(dense, data, indices, indptr, bias, beta, w):  # type: ignore[no-untyped-def]
    """w = sum_i beta_i x_i."""
    d = np.uint64(w.size - 1)
    for j in range(w.size):
        w[j] = 0.0
    for i in range(np.uint64(beta.size)):
        b = beta[i]
        if b == 0.0:
            continue
        w[d] += bias * b
        if dense:
            for j in range(d):
                w[j] += b * data[i * d + j]
        else:
            for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + np.uint64(1)])):
                w[np.uint64(indices[t])] += b * data[t]


@kernel("i8, i8, f8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def duality(  # type: ignore[no-untyped-def]
    sided, squared, epsilon, data, indices, indptr, bias, y, c, beta, w, sums
):
    """sums = (sum_i c_i L_i, sum_i phi_i)."""
    dense = indptr.size == 0
    losses = 0.0
    conjugates = 0.0
    last = np.uint64(w.size - 1)
    for i in range(np.uint64(y.size)):
        score = bias * w[last]
        if dense:
            for j in range(last):
                score += data[i * last + j] * w[j]
        else:
            for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + np.uint64(1)])):
                score += data[t] * w[np.uint64(indices[t])]
        gap = 1.0 - y[i] * score if sided else abs(y[i] - score) - epsilon
        gap = 0.0 if gap <= 0.0 else gap
        losses += c[i] * (gap * gap if squared else gap)
        d = 0.5 / c[i] if squared else 0.0
        conjugates += epsilon * abs(beta[i]) - y[i] * beta[i] + 0.5 * d * beta[i] * beta[i]
    sums[0] = losses
    sums[1] = conjugates


@kernel(
    "i8, i8, f8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], "
    "u8[::1], f8[::1], i8, f8"
)
def ascend(  # type: ignore[no-untyped-def]
    sided,
    squared,
    epsilon,
    data,
    indices,
    indptr,
    bias,
    y,
    c,
    norms,
    beta,
    w,
    order,
    seed,
    state,
    epochs,
    tol,
):
    """Epochs over the rows that are not left out, until the largest violation of all rows is at most `tol`.

    `state` holds (rows not left out, pressure from which a row is left out, largest violation of the last
    epoch over all rows) from one call to the next. Returns the number of epochs and of rows visited.
    """
    dense = indptr.size == 0
    d = np.uint64(w.size - 1)
    n_active = np.int64(state[0])
    limit = state[1]
    visited = 0
    for epoch in range(epochs):
        shuffle(order, n_active, seed)
        worst = 0.0
        whole = n_active == order.size
        k = 0
        while k < n_active:
            i = np.uint64(order[k])
            if k + FAR < n_active:
                ahead = order[k + FAR]
                prefetch(y, ahead)
                prefetch(c, ahead)
                prefetch(norms, ahead)
                prefetch(beta, ahead)
                if not dense:
                    prefetch(indptr, ahead)
                    ahead = np.int64(indptr[np.uint64(order[k + NEAR])])
                    prefetch(data, ahead)
                    prefetch(data, ahead + 8)
                    prefetch(indices, ahead)
            # Written out: a call with the arrays of a row costs more than a row of a dozen words.
            total = bias * w[d]
            if dense:
                begin = i * d
                end = begin + d
                for j in range(d):
                    total += data[begin + j] * w[j]
            else:
                begin = np.uint64(indptr[i])
                end = np.uint64(indptr[i + np.uint64(1)])
                for t in range(begin, end):
                    total += data[t] * w[np.uint64(indices[t])]
            lower, upper, bend = side_bounds(sided, squared, y[i], c[i])
            b = beta[i]
            G = total - y[i] + bend * b
            H = max(norms[i] + bend, FLAT)
            up = G + (epsilon if b >= 0.0 else -epsilon)  # slope of -D to the right
            down = G + (epsilon if b > 0.0 else -epsilon)  # and to the left
            visited += 1
            if (up >= 0.0 or b >= upper) and (down <= 0.0 or b <= lower):
                pressed = min(up if b < upper else np.inf, -down if b > lower else np.inf)
                if pressed > limit:
                    n_active -= 1
                    order[k] = order[n_active]
                    order[n_active] = i
                else:
                    k += 1
                continue
            z = H * b - G
            z = max(z - epsilon, 0.0) if z > 0.0 else min(z + epsilon, 0.0)
            new = min(max(z / H, lower), upper)
            step = new - b
            worst = max(worst, H * abs(step))
            if step != 0.0:
                beta[i] = new
                w[d] += step * bias
                if dense:
                    for j in range(d):
                        w[j] += step * data[begin + j]
                else:
                    for t in range(begin, end):
                        w[np.uint64(indices[t])] += step * data[t]
            k += 1
        limit = worst
        if worst <= tol:
            if whole:
                state[2] = worst
                state[0] = n_active
                state[1] = limit
                return epoch + 1, visited
            n_active = order.size
            limit = np.inf
    state[0] = n_active
    state[1] = limit
    state[2] = np.inf
    return epochs, visited


@dataclass(eq=False)
class Dual:
    """The dual problem of some rows, and where the ascent stands.

    Parameters
    ----------
    data, indices, indptr : ndarray
        The arrays of a CSR matrix; for an array its entries row by row, and two empty arrays.
    y : float64 ndarray of shape (n_rows,)
        -1 and 1 for the hinge losses, numbers for the others.
    c : float64 ndarray of shape (n_rows,)
        Weight of each row's loss against |w|^2 / 2.
    loss : PointwiseLoss
    bias : float
        The constant column; 0 for no intercept.
    n_features : int
    seed : int
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    y: np.ndarray
    c: np.ndarray
    loss: PointwiseLoss
    bias: float
    n_features: int
    seed: int = 0

    def __post_init__(self) -> None:
        n = len(self.y)
        self.dense = int(self.indptr.size == 0)
        self.beta = np.zeros(n)
        self.w = np.zeros(self.n_features + 1)
        self.norms = np.empty(n)
        squared_norms(self.dense, *self.rows, self.n_features, self.norms)  # type: ignore[call-arg]
        self.order = np.arange(n)
        self.random = np.array([self.seed * 2 + 0x9E3779B97F4A7C15], np.uint64)
        self.state = np.array([n, np.inf, np.inf])
        self.n_epochs = self.visited = 0  # an epoch is as many visits as there are rows
        self.entries = max(1.0, self.data.size / n)

    @property
    def rows(self) -> Any:
        return self.data, self.indices, self.indptr, self.bias

    @property
    def kind(self) -> Any:
        """(sided, squared, epsilon) as the kernels know the loss."""
        code = self.loss.code
        return int(code in SIDED), int(code in SQUARED), self.loss.parameter

    def ascend(self, epochs: int, tol: float) -> bool:
        """At most so many epochs, in one call of at most some 0.1 s; whether every row is within `tol`."""
        affordable = max(1, int(VISITS / (self.entries * max(1.0, self.state[0]))))
        _, visited = ascend(  # type: ignore[call-arg]
            *self.kind, *self.rows, self.y, self.c, self.norms, self.beta, self.w, self.order, self.random,
            self.state, min(epochs, affordable), tol,
        )  # fmt: skip
        self.visited += int(visited)
        self.n_epochs = -(-self.visited // len(self.y))
        return bool(self.state[2] <= tol)

    def values(self) -> tuple[float, float]:
        """(P, D), the primal and the dual objective, with w free of the rounding of its updates."""
        rebuild(self.dense, *self.rows, self.beta, self.w)  # type: ignore[call-arg]
        sums = np.empty(2)
        duality(*self.kind, *self.rows, self.y, self.c, self.beta, self.w, sums)  # type: ignore[call-arg]
        half = 0.5 * float(self.w @ self.w)
        return half + float(sums[0]), -half - float(sums[1])

    def theta(self, fit_intercept: bool) -> np.ndarray:
        """The coefficients with the intercept last."""
        d = self.n_features
        return np.append(self.w[:d], self.bias * self.w[d]) if fit_intercept else self.w[:d].copy()

    def solve(
        self, stopping: Stopping, scale: float, fit_intercept: bool, *, patience: float = np.inf
    ) -> Result:
        """Epochs until the gap is within `stopping.precision` of P, or `max_iter`, or `patience` epochs.

        Parameters
        ----------
        scale : float
            What P is multiplied by in the history.
        """
        tol, step, chunk = 0.1 * float(np.abs(self.y).max(initial=0.0)), 0, 4
        while True:
            settled = self.ascend(min(chunk, max(1, stopping.max_iter - self.n_epochs)), tol)
            if not (settled or self.n_epochs >= stopping.max_iter or self.n_epochs >= 2 * step):
                continue
            step = self.n_epochs
            P, D = self.values()
            gap = (P - D) / abs(P) if P else 0.0
            stopping.record(step, scale * P, np.array([gap]), self.w)
            reason: str | None = None
            if gap > max(stopping.precision, 4.0 * np.finfo(float).eps):
                if stopping.asked_to_stop:
                    reason = "a callback asked to stop"
                elif step >= min(stopping.max_iter, patience) or tol < TIGHTEST:
                    reason = (
                        f"after {step} epochs the duality gap is {gap:.3g} of the objective, "
                        f"{stopping.precision:.3g} was asked for"
                    )
                else:
                    if settled:
                        tol *= 0.03
                    chunk = min(2 * chunk, 64)
                    continue
            said = reason or f"the duality gap, {gap:.3g} of the objective, is small enough"
            theta = self.theta(fit_intercept)
            return Result(theta, scale * P, gap, step, reason is None, said, stopping.history)


def dual_coordinate_ascent(risk: Any, x0: np.ndarray, stopping: Stopping, *, random_state: Any = 0) -> Result:
    """Minimise the risk of a hinge or epsilon-insensitive loss (or their squares) with an L2 penalty.

    Parameters
    ----------
    risk : Risk
        Of rows in memory; its intercept is penalised (`intercept_penalty`) or absent.
    x0 : ndarray of shape (n_parameters,)
        Without effect: the dual starts at zero.
    stopping : Stopping
        `precision` bounds the duality gap relative to the objective; `max_iter` the epochs.
    random_state : int, RandomState or Generator
        The order of the rows.

    Returns
    -------
    Result
        Its `gradient_norm` is the relative duality gap.

    Raises
    ------
    TypeError, ValueError
        For another loss, another penalty, or an intercept that is free.
    """
    _check(risk)
    blocks = [risk._rows(block) for block in risk.blocks]
    data, indices, indptr = _joined(blocks)
    y = np.concatenate([block.y for block in blocks]).astype(np.float64)
    s = np.concatenate([b.s if b.s.size else np.ones(b.n_rows) for b in blocks]).astype(np.float64)
    y, alpha = (2.0 * y - 1.0 if risk.loss.code in SIDED else y), risk.penalty.alpha
    bias = np.sqrt(alpha / risk.intercept_penalty) if risk.fit_intercept else 0.0
    c = s / (risk.total_weight * alpha)
    kept = np.flatnonzero(c > 0.0)
    if len(kept) < len(c):
        raise ValueError(f"{len(c) - len(kept)} rows have weight 0: leave them out")
    seed = int(generator(random_state).integers(2**31))
    dual = Dual(data, indices, indptr, y, c, risk.loss, float(bias), risk.n_features, seed)
    return dual.solve(stopping, alpha, risk.fit_intercept)


def _check(risk: Any) -> None:
    """A clear refusal of what this method is not for."""
    loss = getattr(risk, "loss", None)
    if not (isinstance(risk, Risk) and isinstance(loss, PointwiseLoss)):
        raise TypeError(
            "method='dual-coordinate-ascent' needs the risk of a linear model: `linear_risk(X, y, loss)`"
        )
    if loss.code not in CODES:
        raise ValueError(
            f"method='dual-coordinate-ascent' is for the hinge, the epsilon-insensitive loss and their squares; "
            f"for the {loss.name} loss use method='newton' or 'lbfgs'"
        )
    if not isinstance(risk.penalty, L2) or risk.penalty.alpha <= 0.0:
        raise ValueError(
            "method='dual-coordinate-ascent' needs an L2 penalty, which makes the dual what it is"
        )
    if risk.fit_intercept and risk.intercept_penalty <= 0.0:
        raise ValueError(
            "method='dual-coordinate-ascent' needs a penalised intercept (intercept_penalty > 0) or none "
            "(fit_intercept=False): a free one ties all rows' multipliers together"
        )


def _joined(blocks: list[Rows]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of all rows, without a copy where they are one block."""
    first = blocks[0]
    if isinstance(first, DenseRows):
        none = np.zeros(0, np.int32)
        parts = [block.X.reshape(-1) for block in blocks if isinstance(block, DenseRows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts), none, none
    rows = [block for block in blocks if isinstance(block, SparseRows)]
    if len(rows) == 1:
        return rows[0].arrays
    starts = np.cumsum([0, *(len(block.data) for block in rows)])
    pointers = [block.indptr[:-1] + a for block, a in zip(rows, starts)]
    return (
        np.concatenate([block.data for block in rows]),
        np.concatenate([block.indices for block in rows]),
        np.append(np.concatenate(pointers), starts[-1]).astype(rows[0].indptr.dtype),
    )
