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
the largest violation of the last epoch, is left out (shrinking). P - D bounds the distance from the optimum: the
method stops by it, never by how little changes. It costs a pass over all rows, so it is asked for when D, which is
known at every step, promises to grow by less than is wanted; the same pass finds the rows that were left out
wrongly, and these alone come back. The intercept is one more coefficient, of a constant column, and is penalised
like the others, as in liblinear.

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
LINE = 8  # float64 of a cache line
TIGHTEST = 1e-14  # violation from which rounding hides the rest, in units of the targets
SURE, LESS_SURE = (
    0.5,
    0.1,
)  # growth of D in sight at which the gap is looked at, as a share of the gap that is wanted; kinks
SLOWEST = 0.99  # at most this share of an epoch's growth is what the next one is thought to bring
FIRST_LOOK, SPARSE_LOOKS = (
    24,
    4,
)  # epochs after which the gap is looked at in any case, and how many times as many next

# What `ascend` carries from call to call: rows not left out, pressure from which a row is left out, largest violation
# of the last epoch if it was one over all rows, the dual objective, its growth in the last epochs, what is in sight.
ACTIVE, LIMIT, WORST, DUAL, GROWN, BEFORE, EARLIER, IN_SIGHT = range(8)


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


@kernel("I[::1], I[::1], i4[::1]")
def repeats(indices, indptr, last):  # type: ignore[no-untyped-def]
    """Whether a row stores a column twice, of whose entries |x_i|^2 would know the parts alone; `last` begins at -1."""
    for i in range(indptr.size - 1):
        for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
            j = np.uint64(indices[t])
            if last[j] == i:
                return True
            last[j] = i
    return False


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


@kernel
def slopes(epsilon, b, G):  # type: ignore[no-untyped-def]
    """Of -D, to the right and to the left of b."""
    return G + (epsilon if b >= 0.0 else -epsilon), G + (epsilon if b > 0.0 else -epsilon)


@kernel("i8, i8, f8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], u1[::1]")
def duality(  # type: ignore[no-untyped-def]
    sided, squared, epsilon, data, indices, indptr, bias, y, c, beta, w, sums, at_rest
):
    """sums = (sum_i c_i L_i, sum_i phi_i); `at_rest` says of each row whether D cannot grow by its multiplier."""
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
        b = beta[i]
        lower, upper, d = side_bounds(sided, squared, y[i], c[i])
        conjugates += epsilon * abs(b) - y[i] * b + 0.5 * d * b * b
        up, down = slopes(epsilon, b, score - y[i] + d * b)
        at_rest[i] = (up >= 0.0 or b >= upper) and (down <= 0.0 or b <= lower)
    sums[0] = losses
    sums[1] = conjugates


@kernel("i8[::1], i8, u1[::1]")
def wake(order, n_active, at_rest):  # type: ignore[no-untyped-def]
    """Moves rows behind the first `n_active` that are not at rest in front; how many are in front then."""
    for k in range(n_active, order.size):
        i = order[k]
        if not at_rest[i]:
            order[k], order[n_active] = order[n_active], i
            n_active += 1
    return n_active


@kernel
def expected_growth(state, grown):  # type: ignore[no-untyped-def]
    """What D will still gain, if epochs go on bringing less and less as the last ones did: a geometric series."""
    ratio = SLOWEST
    if state[EARLIER] > grown:
        ratio = min(SLOWEST, np.cbrt(grown / state[EARLIER]))
    state[EARLIER], state[BEFORE], state[GROWN] = state[BEFORE], state[GROWN], grown
    return grown * max(1.0, ratio / (1.0 - ratio))


@kernel(
    "i8, i8, f8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], "
    "u8[::1], f8[::1], i8, f8, f8"
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
    share,
):
    """Epochs over the rows that are not left out, until the largest violation of all rows is at most `tol`, or the
    growth of D in sight at most `share` of D.

    Returns the number of epochs and of rows visited.
    """
    dense = indptr.size == 0
    d, one, two = np.uint64(w.size - 1), np.uint64(1), np.uint64(2)
    n_active = np.int64(state[ACTIVE])
    limit = state[LIMIT]
    value = state[DUAL]
    constant = w[d]
    visited = 0
    done = 0
    state[WORST], state[IN_SIGHT] = np.inf, np.inf
    while done < epochs:
        shuffle(order, n_active, seed)
        worst = 0.0
        grown = 0.0
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
                    near = np.uint64(order[k + NEAR])
                    begin, end = np.uint64(indptr[near]), np.uint64(indptr[near + one])
                    for t in range(begin, end, LINE):
                        prefetch(data, t)
                    for t in range(begin, end, 2 * LINE):
                        prefetch(indices, t)
            # Written out: a call with the arrays of a row costs more than a row of a dozen words.
            total = bias * constant
            if dense:
                begin = i * d
                end = begin + d
                for j in range(d):
                    total += data[begin + j] * w[j]
            else:
                begin = np.uint64(indptr[i])
                end = np.uint64(indptr[i + one])
                # Two sums by hand: vectors of so few entries, gathered one by one, cost more than they save.
                odd = 0.0
                t = begin  # type: ignore[assignment]
                while t + one < end:
                    total += data[t] * w[np.uint64(indices[t])]
                    odd += data[t + one] * w[np.uint64(indices[t + one])]
                    t += two  # type: ignore[assignment]
                total += odd + (data[t] * w[np.uint64(indices[t])] if t < end else 0.0)
            lower, upper, bend = side_bounds(sided, squared, y[i], c[i])
            b = beta[i]
            G = total - y[i] + bend * b
            up, down = slopes(epsilon, b, G)
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
            H = max(norms[i] + bend, FLAT)
            z = H * b - G
            z = max(z - epsilon, 0.0) if z > 0.0 else min(z + epsilon, 0.0)
            new = min(max(z / H, lower), upper)
            step = new - b
            if step != 0.0:
                worst = max(worst, H * abs(step))
                grown -= step * (G + 0.5 * H * step) + epsilon * (abs(new) - abs(b))
                beta[i] = new
                constant += step * bias
                if dense:
                    for j in range(d):
                        w[j] += step * data[begin + j]
                else:
                    for t in range(begin, end):
                        w[np.uint64(indices[t])] += step * data[t]
            k += 1
        done += 1
        limit = worst
        value += grown
        sight = expected_growth(state, grown)
        if worst <= tol:
            if whole:
                state[WORST] = worst
                break
            n_active = order.size
            limit = np.inf
        elif sight <= share * value:
            state[IN_SIGHT] = sight
            break
    w[d] = constant
    state[ACTIVE], state[LIMIT], state[DUAL] = n_active, limit, value
    return done, visited


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
        self.state = np.array([n, np.inf, np.inf, 0.0, np.inf, np.inf, np.inf, np.inf])
        self.at_rest = np.zeros(n, np.uint8)
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

    def ascend(self, epochs: int, tol: float, share: float = 0.0) -> bool:
        """At most so many epochs, in one call of at most some 0.1 s; whether every row is within `tol`, or D expected
        to grow by at most `share` of it."""
        affordable = max(1, int(VISITS / (self.entries * max(1.0, self.state[ACTIVE]))))
        _, visited = ascend(  # type: ignore[call-arg]
            *self.kind, *self.rows, self.y, self.c, self.norms, self.beta, self.w, self.order, self.random,
            self.state, min(epochs, affordable), tol, share,
        )  # fmt: skip
        self.visited += int(visited)
        self.n_epochs = -(-self.visited // len(self.y))
        return bool(min(self.state[WORST], self.state[IN_SIGHT]) < np.inf)

    def values(self) -> tuple[float, float]:
        """(P, D), the primal and the dual objective, with w free of the rounding of its updates."""
        rebuild(self.dense, *self.rows, self.beta, self.w)  # type: ignore[call-arg]
        sums = np.empty(2)
        duality(*self.kind, *self.rows, self.y, self.c, self.beta, self.w, sums, self.at_rest)  # type: ignore[call-arg]
        half = 0.5 * float(self.w @ self.w)
        self.state[DUAL] = -half - float(sums[1])
        return half + float(sums[0]), float(self.state[DUAL])

    def wake(self) -> None:
        """Rows that were left out and that `values` found wanting come back."""
        self.state[ACTIVE] = wake(self.order, int(self.state[ACTIVE]), self.at_rest)  # type: ignore[call-arg]

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
        precision = max(stopping.precision, 4.0 * np.finfo(float).eps)
        tol, share = (
            TIGHTEST * float(np.abs(self.y).max(initial=0.0)),
            (SURE if self.kind[1] else LESS_SURE) * precision,
        )
        most = min(stopping.max_iter, patience)
        looks = FIRST_LOOK if FIRST_LOOK * self.data.size <= 5 * VISITS else 8
        while True:
            near = self.ascend(max(1, int(min(most, looks)) - self.n_epochs), tol, share)
            step = self.n_epochs
            if not (near or step >= min(most, looks)):
                continue
            P, D = self.values()
            gap = (P - D) / abs(P) if P else 0.0
            stopping.record(step, scale * P, np.array([gap]), self.w)
            reason: str | None = None
            if gap > precision:
                if stopping.asked_to_stop:
                    reason = "a callback asked to stop"
                elif step >= most or self.state[WORST] <= tol:
                    reason = (
                        f"after {step} epochs the duality gap is {gap:.3g} of the objective, "
                        f"{stopping.precision:.3g} was asked for"
                    )
                else:
                    if near:
                        share *= min(0.5, max(0.02, 0.5 * precision / gap))
                    looks *= 1 if step < looks else SPARSE_LOOKS
                    self.wake()
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
