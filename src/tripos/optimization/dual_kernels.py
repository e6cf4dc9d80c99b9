"""What the dual ascent of linear models with a margin computes row by row; `dual_coordinate` has the equations.

`ascend` visits rows in random order and sets one multiplier at a time to its best; `duality` says how far that is
from the optimum and which of the rows that were left out were left out wrongly.

References
----------
C.-J. Hsieh et al. (2008), doi:10.1145/1390156.1390208; C.-H. Ho, C.-J. Lin, "Large-scale linear support vector
regression", JMLR 13 (2012).
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import prefetch

FLAT = 1e-12  # curvature of a row of zeros
NEAR, FAR = 3, 8  # visits ahead of which a row's entries, and its place and numbers, are called from memory
LINE = 8  # float64 of a cache line
SLOWEST = 0.99  # at most this share of an epoch's growth is what the next one is thought to bring

# What `ascend` carries from call to call: rows not left out, pressure from which a row is left out, largest violation
# of the last epoch if it was one over all rows, the dual objective, its growth in the last epochs, what is in sight;
# violations of the first epoch added up, of the last one over all rows, and the share of the first that is enough.
ACTIVE, LIMIT, WORST, DUAL, GROWN, BEFORE, EARLIER, IN_SIGHT, FIRST_SUM, SUM, ENOUGH = range(11)


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
    growth of D in sight at most `share` of D, or the violations of all rows, as they were met, are `state[ENOUGH]`
    times those of the first epoch.

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
        violated = 0.0
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
            violated += max(-up if b < upper else 0.0, down if b > lower else 0.0)
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
        if state[FIRST_SUM] == np.inf:
            state[FIRST_SUM] = violated
        little = violated <= state[ENOUGH] * state[FIRST_SUM]
        state[SUM] = violated if whole else np.inf
        if worst <= tol or little:
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
