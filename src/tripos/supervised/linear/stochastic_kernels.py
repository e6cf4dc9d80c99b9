"""Steps of stochastic gradient descent on a linear model, on dense rows and on CSR rows.

A row of weight s and target y, met at step t with eta = w'x + b, moves

    w <- (1 - rate l2 s) w - rate s L'(y, eta) x,      b <- b - rate s L'(y, eta),      t <- t + s,

after which the L1 penalty pulls each w_j towards 0 by what it has not yet received of sum rate l1 s: a
coefficient that changes sign stops at 0. With w = a u the decay shrinks the number a alone, and a step touches u
where x has entries. The average of the w after each step comes from two sums of such touches,

    sum_t s_t w_t = c u - v,      c = sum_t s_t a_t,      v = sum_t c_(t-1) (u_t - u_(t-1)).

Rates: constant; optimal 1 / (alpha (t0 + t - 1)); inverse scaling eta0 / t^power; adaptive (constant within an
epoch); passive-aggressive min(eta0, L / |x|^2) and L / (|x|^2 + 1 / (2 eta0)).

References
----------
L. Bottou, "Stochastic Gradient Descent Tricks" (2012), doi:10.1007/978-3-642-35289-8_25 (a u; optimal rate);
W. Xu (2011), arXiv:1107.2490 (average); Y. Tsuruoka, J. Tsujii, S. Ananiadou (2009), ACL P09-1054 (L1);
K. Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 7 (2006).
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import exp, log, prefetch
from tripos.objective.losses import HINGE_CODE
from tripos.supervised.linear.stochastic_losses import slope, values

CONSTANT, OPTIMAL, INVSCALING, ADAPTIVE, PA1, PA2 = 1, 2, 3, 4, 5, 6

# What a walk carries from step to step.
T, SCALE, INTERCEPT, OWED, MEAN_SCALE, SUM_INTERCEPT, AVERAGED, RATE, LOSS, WEIGHT, MOVES = range(11)
OBJECTIVE, BEST, BAD = 11, 12, 13
N_STATE = 14
# What it is told.
L2, L1, ALPHA, ETA0, POWER, T0, POSITIVE, NEGATIVE, AVERAGE, INTERCEPT_STEP, CLASS, LOW = range(12)
TOL, PATIENCE, ENDS_WITHOUT_MOVES = 12, 13, 14
N_SETTINGS = 15
GOES_ON, DONE, NOT_FINITE = 0, 1, 2

BLOCK = 256  # rows whose losses are evaluated together
AHEAD = 4  # rows between a prefetch and its use: 160 -> 125 ns a row of 30 numbers in an order without blocks
LINE, FAR = (
    8,
    512,
)  # numbers that come together, and how many are asked for: the processor sees longer rows itself
LONG = 32  # entries of a row, on average, from which its successor is called while it is read
LEAST_SCALE = 1e-6  # of the factor in front of lazily shrunk coefficients, before it is multiplied out
LEAST_RATE = 1e-6  # at which the adaptive schedule ends
LARGEST_SLOPE = 1e12  # slopes are cut off here, so that one outlier does not end a fit


@kernel
def shuffle_on(order, x):  # type: ignore[no-untyped-def]
    """Fisher and Yates, by Marsaglia's xorshift of 64 bits, doi:10.18637/jss.v008.i14, from x > 0; where x got to.

    Drawn here a place costs 2 ns, from NumPy's generator 6 ns more.
    """
    x = np.uint64(x)
    for k in range(order.size - 1, 0, -1):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        m = ((x >> np.uint64(32)) * np.uint64(k + 1)) >> np.uint64(32)
        order[k], order[m] = order[m], order[k]
    return x


@kernel("u4[::1], u8")
def shuffle(order, seed):  # type: ignore[no-untyped-def]
    shuffle_on(order, seed)


@kernel("u4[::1], i8, i8, u8, u4[::1]")
def shuffle_blocks(rows, block, group, seed, order):  # type: ignore[no-untyped-def]
    """Blocks of neighbouring rows in random order, the rows of each `group` blocks shuffled among themselves.

    Where `rows` is empty they are all rows.
    """
    n = order.size
    n_blocks = (n + block - 1) // block
    blocks = np.empty(n_blocks, np.uint32)
    for k in range(n_blocks):
        blocks[k] = k
    x = shuffle_on(blocks, seed)
    filled = 0
    begin = 0
    for k in range(n_blocks):
        start = np.int64(blocks[k]) * block
        for i in range(start, min(start + block, n)):
            order[filled] = rows[i] if rows.size else i
            filled += 1
        if (k + 1) % group == 0 or k == n_blocks - 1:
            x = shuffle_on(order[begin:filled], x)
            begin = filled


@kernel("F[::1], u4[::1], i8, f8[::1]")
def neighbours(y, rows, pairs, moments):  # type: ignore[no-untyped-def]
    """Means of y_i, y_(i+1), their squares and their product, over `pairs` places; `rows` as in `shuffle_blocks`.

    Targets are seen from the first one, so that squares lose no digits where they are far from zero.
    """
    n = rows.size if rows.size else y.size
    origin = float(y[0])
    for k in range(pairs):
        at = k * (n - 1) // pairs
        a = float(y[rows[at] if rows.size else at]) - origin
        b = float(y[rows[at + 1] if rows.size else at + 1]) - origin
        moments[0] += a / pairs
        moments[1] += b / pairs
        moments[2] += a * a / pairs
        moments[3] += b * b / pairs
        moments[4] += a * b / pairs


@kernel
def rate_at(schedule, h, t, current):  # type: ignore[no-untyped-def]
    """The learning rate of step t."""
    if schedule == OPTIMAL:
        return 1.0 / (h[ALPHA] * (h[T0] + t - 1.0))
    return h[ETA0] * exp(-h[POWER] * log(t)) if schedule == INVSCALING else current


@kernel
def next_rate(schedule, alpha, t0, h, t, current):  # type: ignore[no-untyped-def]
    """The same with two settings in registers: the compiler would read `h` again after each step's writes."""
    return 1.0 / (alpha * (t0 + t - 1.0)) if schedule == OPTIMAL else rate_at(schedule, h, t, current)


@kernel("i8, f8[::1]")
def first_rate(schedule, h):  # type: ignore[no-untyped-def]
    """The learning rate of the first step."""
    return rate_at(schedule, h, 1.0, h[ETA0])


@kernel
def passive_aggressive(code, parameter, schedule, h, y, eta, norm):  # type: ignore[no-untyped-def]
    """How far along x the row asks to go, |x|^2 being `norm`."""
    direction = (y + y - 1.0) if code == HINGE_CODE else (1.0 if y > eta else -1.0)
    gap = 1.0 - direction * eta if code == HINGE_CODE else abs(eta - y) - parameter
    move = direction * (h[POSITIVE] if y > 0.0 else h[NEGATIVE]) * max(0.0, gap)
    if schedule == PA2:
        return move / (norm + 0.5 / h[ETA0])
    return move * min(h[ETA0] / abs(gap), 1.0 / norm) if norm > 0.0 and gap > 0.0 else 0.0


@kernel
def move_of(code, parameter, h, rate, y, eta):  # type: ignore[no-untyped-def]
    """How far along x a row of weight 1 moves w: -rate L', with its class's weight."""
    factor = rate * (h[POSITIVE] if y > 0.0 else h[NEGATIVE])
    if code == HINGE_CODE:  # once more than in `slope`, without the call: 82 -> 65 ns a row of text
        side = y + y - 1.0
        return factor * side if side * eta < 1.0 else 0.0
    return -factor * min(max(slope(code, parameter, y, eta), -LARGEST_SLOPE), LARGEST_SLOPE)


@kernel
def squares(x):  # type: ignore[no-untyped-def]
    norm = 0.0
    for j in range(x.size):
        norm += x[j] * x[j]
    return norm


@kernel
def multiply_out(u, sums, a, mean_scale):  # type: ignore[no-untyped-def]
    """u = a u, and what the average has summed up so far goes from v = sums[1] to sums[0]."""
    for j in range(sums.shape[1]):
        sums[0, j] += mean_scale * u[j] - sums[1, j]
        sums[1, j] = 0.0
    for j in range(u.size):
        u[j] = u.dtype.type(u[j] * a)


@kernel
def pull(j, owed, a, inverse, mean_scale, u, received, sums):  # type: ignore[no-untyped-def]
    """Moves w_j = a u_j towards 0, and not beyond, by the share of `owed` that it has not received."""
    z = float(u[j])
    side = (
        1.0 if z >= 0.0 else -1.0
    )  # a 0 stays 0 by this too, as |received| <= owed; signs are hard to foresee
    kept = side * max(0.0, side * z - (owed + side * received[j]) * inverse)
    u[j] = u.dtype.type(kept)
    received[j] += a * (kept - z)
    if sums.shape[1]:
        sums[1, j] += mean_scale * (kept - z)


@kernel
def add_losses(code, parameter, room, m, state):  # type: ignore[no-untyped-def]
    """Adds the losses of m rows; `room` holds their scores, targets and weights, and space."""
    values(code, parameter, room[0][:m], room[1][:m], room[3][:m], room[4][:m], room[5][:m])
    for r in range(m):
        state[LOSS] += room[2, r] * room[3, r]
        state[WEIGHT] += room[2, r]


@kernel(
    "i8, f8, i8, F[:, ::1], f4[::1], F[::1], u4[::1], f8[::1], f8[::1], F[::1], f8[:, ::1], f8[::1], f8[:, ::1]",
    "i8, f8, i8, f8[:, ::1], f8[::1], f8[::1], u4[::1], f8[::1], f8[::1], f8[::1], f8[:, ::1], f8[::1], f8[:, ::1]",
)
def dense_steps(  # type: ignore[no-untyped-def]
    code, parameter, schedule, X, y, s, order, h, state, u, sums, received, room
):
    """A step for each row of `order`; `received` is empty without an L1 penalty, `sums` without an average."""
    n, d = order.size, X.shape[1]
    cast = X.dtype.type
    t, a, b, owed = state[T], state[SCALE], state[INTERCEPT], state[OWED]
    mean_scale, sum_b, averaged, moves = state[MEAN_SCALE], state[SUM_INTERCEPT], state[AVERAGED], 0
    alpha, t0, l1, l2, current = h[ALPHA], h[T0], h[L1], h[L2], state[RATE]
    inside, low, intercept_step, average = h[CLASS], h[LOW], h[INTERCEPT_STEP], h[AVERAGE]
    for start in range(0, n, BLOCK):
        m = min(BLOCK, n - start)
        for r in range(m):
            i = np.uint64(order[start + r])
            ahead = X[np.uint64(order[min(start + r + AHEAD, n - 1)])]
            for j in range(0, min(d, FAR), LINE):
                prefetch(ahead, j)
            x = X[i]
            dot = cast(0)
            for j in range(d):
                dot += x[j] * u[j]
            eta = a * dot + b
            target = float(y[i]) if inside < 0.0 else (1.0 if y[i] == inside else low)
            weight = float(s[i]) if s.size else 1.0
            room[0, r], room[1, r], room[2, r] = eta, target, weight
            rate = next_rate(schedule, alpha, t0, h, t, current)
            if schedule < PA1:
                move = weight * move_of(code, parameter, h, rate, target, eta)
            else:
                move = weight * passive_aggressive(code, parameter, schedule, h, target, eta, squares(x))
            a *= max(0.0, 1.0 - l2 * rate * weight)
            if a < LEAST_SCALE:
                multiply_out(u, sums, a, mean_scale)
                a, mean_scale = 1.0, 0.0
            inverse = 1.0 / a
            if move != 0.0:
                step = cast(move * inverse)
                for j in range(d):
                    u[j] += step * x[j]
                for j in range(sums.shape[1]):
                    sums[1, j] += mean_scale * step * x[j]
                moves += 1
            if received.size:
                owed += l1 * rate * weight
                for j in range(d):
                    if x[j] != 0:  # as on CSR rows, so that both come to the same coefficients
                        pull(j, owed, a, inverse, mean_scale, u, received, sums)
            b += intercept_step * move
            if t >= average:
                mean_scale += weight * a
                sum_b += weight * b
                averaged += weight
            t += weight
        add_losses(code, parameter, room, m, state)
    state[T], state[SCALE], state[INTERCEPT], state[OWED] = t, a, b, owed
    state[MEAN_SCALE], state[SUM_INTERCEPT], state[AVERAGED] = mean_scale, sum_b, averaged
    state[MOVES] += moves


@kernel
def dot_of(data, indices, begin, end, u):  # type: ignore[no-untyped-def]
    """x.u of a short row: two sums by hand, as vectors of few entries, gathered one by one, cost more than they save."""
    one = np.uint64(1)
    even, odd = data.dtype.type(0), data.dtype.type(0)
    k = begin
    while k + one < end:
        even += data[k] * u[np.uint64(indices[k])]
        odd += data[k + one] * u[np.uint64(indices[k + one])]
        k += np.uint64(2)
    return even + odd + (data[k] * u[np.uint64(indices[k])] if k < end else data.dtype.type(0))


@kernel
def dot_and_call(data, indices, begin, end, first, past, u):  # type: ignore[no-untyped-def]
    """x.u of a long row; meanwhile the entries from `first` to `past`, of a row to come, are called from memory.

    A line for each one read: called all at once they would keep this row's own waiting.
    """
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    zero = data.dtype.type(0)
    a, b, c, d = zero, zero, zero, zero
    groups = (end - begin) // four
    for k in range(groups):
        if first < past and k % np.uint64(2) == 0:
            prefetch(data, first)
            prefetch(indices, first)
            first += np.uint64(LINE)
        a += data[begin] * u[np.uint64(indices[begin])]
        b += data[begin + one] * u[np.uint64(indices[begin + one])]
        c += data[begin + two] * u[np.uint64(indices[begin + two])]
        d += data[begin + three] * u[np.uint64(indices[begin + three])]
        begin += four
    for e in range(begin, end):
        a += data[e] * u[np.uint64(indices[e])]
    for e in range(first, min(past, first + np.uint64(FAR)), LINE):
        prefetch(data, e)
        prefetch(indices, e)
    return (a + b) + (c + d)


@kernel(
    "i8, f8, i8, F[::1], I[::1], I[::1], f4[::1], F[::1], u4[::1], f8[::1], f8[::1], F[::1], f8[:, ::1], f8[::1], "
    "f8[:, ::1]",
    "i8, f8, i8, f8[::1], I[::1], I[::1], f8[::1], f8[::1], u4[::1], f8[::1], f8[::1], f8[::1], f8[:, ::1], "
    "f8[::1], f8[:, ::1]",
)
def csr_steps(  # type: ignore[no-untyped-def]
    code, parameter, schedule, data, indices, indptr, y, s, order, h, state, u, sums, received, room
):
    """The same on CSR rows, at the cost of their entries."""
    n = order.size
    cast = data.dtype.type
    t, a, b, owed = state[T], state[SCALE], state[INTERCEPT], state[OWED]
    mean_scale, sum_b, averaged, moves = state[MEAN_SCALE], state[SUM_INTERCEPT], state[AVERAGED], 0
    alpha, t0, l1, l2, current = h[ALPHA], h[T0], h[L1], h[L2], state[RATE]
    inside, low, intercept_step, average = h[CLASS], h[LOW], h[INTERCEPT_STEP], h[AVERAGE]
    long = indices.size > LONG * (indptr.size - 1)
    for start in range(0, n, BLOCK):
        m = min(BLOCK, n - start)
        for r in range(m):
            i = np.uint64(order[start + r])
            coming = np.uint64(order[min(start + r + AHEAD, n - 1)])
            first = np.uint64(indptr[coming])
            past = np.uint64(indptr[coming + np.uint64(1)])
            begin, end = np.uint64(indptr[i]), np.uint64(indptr[i + np.uint64(1)])
            if long:
                dot = dot_and_call(data, indices, begin, end, first, past, u)
            else:  # a row of a dozen words is called in no loop, whose end the processor would not foresee
                prefetch(data, first)
                prefetch(data, first + np.uint64(LINE))
                prefetch(data, first + np.uint64(2 * LINE))
                prefetch(indices, first)
                prefetch(indices, first + np.uint64(2 * LINE))
                for e in range(first + np.uint64(3 * LINE), min(past, first + np.uint64(FAR)), LINE):
                    prefetch(data, e)
                for e in range(first + np.uint64(4 * LINE), min(past, first + np.uint64(FAR)), 2 * LINE):
                    prefetch(indices, e)
                dot = dot_of(data, indices, begin, end, u)
            eta = a * dot + b
            target = float(y[i]) if inside < 0.0 else (1.0 if y[i] == inside else low)
            weight = float(s[i]) if s.size else 1.0
            room[0, r], room[1, r], room[2, r] = eta, target, weight
            rate = next_rate(schedule, alpha, t0, h, t, current)
            if schedule < PA1:
                move = weight * move_of(code, parameter, h, rate, target, eta)
            else:
                norm = squares(data[begin:end])
                move = weight * passive_aggressive(code, parameter, schedule, h, target, eta, norm)
            a *= max(0.0, 1.0 - l2 * rate * weight)
            if a < LEAST_SCALE:
                multiply_out(u, sums, a, mean_scale)
                a, mean_scale = 1.0, 0.0
            inverse = 1.0 / a
            if move != 0.0:
                step = cast(move * inverse)
                for e in range(begin, end):
                    u[np.uint64(indices[e])] += step * data[e]
                if sums.shape[1]:
                    for e in range(begin, end):
                        sums[1, np.uint64(indices[e])] += mean_scale * step * data[e]
                moves += 1
            if received.size:
                owed += l1 * rate * weight
                for e in range(begin, end):
                    pull(np.uint64(indices[e]), owed, a, inverse, mean_scale, u, received, sums)
            b += intercept_step * move
            if t >= average:
                mean_scale += weight * a
                sum_b += weight * b
                averaged += weight
            t += weight
        add_losses(code, parameter, room, m, state)
    state[T], state[SCALE], state[INTERCEPT], state[OWED] = t, a, b, owed
    state[MEAN_SCALE], state[SUM_INTERCEPT], state[AVERAGED] = mean_scale, sum_b, averaged
    state[MOVES] += moves


@kernel("f8[::1], f8[::1], F[::1], f8[:, ::1], f8[::1]")
def settle(h, state, u, sums, received):  # type: ignore[no-untyped-def]
    """After an epoch: coefficients not met lately get what the L1 penalty owes them, and a = 1.

    Returns the penalty l1 |w|_1 + l2 |w|^2 / 2, which is not finite where w is not.
    """
    a, owed, mean_scale = state[SCALE], state[OWED], state[MEAN_SCALE]
    inverse = 1.0 / a
    for j in range(received.size):
        pull(j, owed, a, inverse, mean_scale, u, received, sums)
    for j in range(sums.shape[1]):
        sums[0, j] += mean_scale * u[j] - sums[1, j]
        sums[1, j] = 0.0
    state[SCALE], state[MEAN_SCALE] = 1.0, 0.0
    size = 0.0
    square = 0.0
    for j in range(u.size):
        w = u.dtype.type(u[j] * a)
        u[j] = w
        size += abs(w)
        square += float(w) * w
    return h[L1] * size + 0.5 * h[L2] * square


@kernel("f8[::1]")
def begin_epoch(state):  # type: ignore[no-untyped-def]
    state[LOSS] = 0.0
    state[WEIGHT] = 0.0
    state[MOVES] = 0.0


@kernel("i8, f8[::1], f8[::1], f8")
def assess(schedule, h, state, penalty):  # type: ignore[no-untyped-def]
    """Notes the objective of the epoch: mean loss and, except for the passive-aggressive steps, the penalty.

    Returns whether w and b are finite: fast arithmetic must not be asked about NaN, so a bound is.
    """
    state[OBJECTIVE] = state[LOSS] / max(state[WEIGHT], 1e-300) + (penalty if schedule < PA1 else 0.0)
    return abs(penalty) < np.inf and abs(state[INTERCEPT]) < np.inf


@kernel("i8, f8[::1], f8[::1], f8")
def judge(schedule, h, state, score):  # type: ignore[no-untyped-def]
    """Whether to stop: after PATIENCE epochs whose score did not better the best one by TOL."""
    state[BAD] = state[BAD] + 1.0 if score < state[BEST] + h[TOL] else 0.0
    state[BEST] = max(state[BEST], score)
    if h[ENDS_WITHOUT_MOVES] != 0.0 and state[MOVES] == 0.0:
        return DONE
    if state[BAD] < h[PATIENCE]:
        return GOES_ON
    if schedule == ADAPTIVE and state[RATE] > LEAST_RATE:
        state[RATE] /= 5.0
        state[BAD] = 0.0
        return GOES_ON
    return DONE


@kernel
def close_epoch(schedule, h, state, u, sums, received, record, e):  # type: ignore[no-untyped-def]
    penalty = settle(h, state, u, sums, received)
    finite = assess(schedule, h, state, penalty)
    record[0, e] = state[OBJECTIVE]
    record[1, e] = state[MOVES]
    return judge(schedule, h, state, -state[OBJECTIVE]) if finite else NOT_FINITE


@kernel
def open_epoch(state, rows, seed, order):  # type: ignore[no-untyped-def]
    begin_epoch(state)
    for k in range(order.size):
        order[k] = rows[k] if rows.size else k
    if seed:
        shuffle(order, seed)


@kernel(
    "i8, f8, i8, F[:, ::1], f4[::1], F[::1], u4[::1], u8[::1], f8[::1], f8[::1], F[::1], f8[:, ::1], f8[::1], "
    "f8[:, ::1], f8[:, ::1]",
    "i8, f8, i8, f8[:, ::1], f8[::1], f8[::1], u4[::1], u8[::1], f8[::1], f8[::1], f8[::1], f8[:, ::1], f8[::1], "
    "f8[:, ::1], f8[:, ::1]",
)
def dense_epochs(  # type: ignore[no-untyped-def]
    code, parameter, schedule, X, y, s, rows, seeds, h, state, u, sums, received, room, record
):
    """Epochs over few rows, one for each of `seeds` (0: rows in their order), until it is time to stop; how it ended, and after how many."""
    order = np.empty(rows.size if rows.size else y.size, np.uint32)
    verdict = GOES_ON
    e = 0
    while verdict == GOES_ON and e < seeds.size:
        open_epoch(state, rows, seeds[e], order)
        dense_steps(code, parameter, schedule, X, y, s, order, h, state, u, sums, received, room)
        verdict = close_epoch(schedule, h, state, u, sums, received, record, e)
        e += 1
    return verdict, e


@kernel(
    "i8, f8, i8, F[::1], I[::1], I[::1], f4[::1], F[::1], u4[::1], u8[::1], f8[::1], f8[::1], F[::1], "
    "f8[:, ::1], f8[::1], f8[:, ::1], f8[:, ::1]",
    "i8, f8, i8, f8[::1], I[::1], I[::1], f8[::1], f8[::1], u4[::1], u8[::1], f8[::1], f8[::1], f8[::1], "
    "f8[:, ::1], f8[::1], f8[:, ::1], f8[:, ::1]",
)
def csr_epochs(  # type: ignore[no-untyped-def]
    code,
    parameter,
    schedule,
    data,
    indices,
    indptr,
    y,
    s,
    rows,
    seeds,
    h,
    state,
    u,
    sums,
    received,
    room,
    record,
):
    """The same on CSR rows."""
    order = np.empty(rows.size if rows.size else y.size, np.uint32)
    verdict = GOES_ON
    e = 0
    while verdict == GOES_ON and e < seeds.size:
        open_epoch(state, rows, seeds[e], order)
        csr_steps(
            code, parameter, schedule, data, indices, indptr, y, s, order, h, state, u, sums, received, room
        )
        verdict = close_epoch(schedule, h, state, u, sums, received, record, e)
        e += 1
    return verdict, e
