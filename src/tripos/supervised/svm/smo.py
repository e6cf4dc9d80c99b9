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

import numpy as np

from tripos.compute import kernel
from tripos.compute.extremes import larger, smaller
from tripos.supervised.svm.kernels import row_of_dots

LANES = 256
BIG = 1e30  # an offset that no gradient outweighs, and a float32 holds
LEAST_CURVATURE = np.float32(1e-12)
DONE, SPENT, WANTED = 0, 1, 2
STRIP = 1024  # columns of a row made at once: its strips of all features stay in the cache


@kernel
def set_offsets(i, beta, low, high, epsilon, rise, fall):  # type: ignore[no-untyped-def]
    b = beta[i]
    rise[i] = BIG if b >= high[i] else (epsilon if b >= 0.0 else -epsilon)
    fall[i] = BIG if b <= low[i] else (-epsilon if b > 0.0 else epsilon)


@kernel("f8[::1], f8[::1], f8[::1], f8, f4[::1], f4[::1]")
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
            best[c] = larger(up, best[c])
            least[c] = smaller(down, least[c])


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
            b = larger(b, zero)
            a = larger(kii + ds[c] - two * ki[c], LEAST_CURVATURE)
            best[c] = larger(b * b / a, best[c])


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


@kernel
def row_of_kernel(XT, squares, i, code, gamma, coef0, degree, filled, row):  # type: ignore[no-untyped-def]
    """row_j = k(x_i, x_j) from features as rows (XT of shape (n_features, n_columns)); zeros of x_i cost nothing."""
    zero, count = np.float32(0), 0
    for f in range(XT.shape[0]):
        if XT[f, i] != zero:
            filled[count] = f
            count += 1
    for start in range(0, row.size, STRIP):
        end = min(start + STRIP, row.size)
        out = row[start:end]
        for c in range(out.size):
            out[c] = zero
        whole = count - count % 4
        for k in range(0, whole, 4):
            f0, f1, f2, f3 = filled[k], filled[k + 1], filled[k + 2], filled[k + 3]
            x0, x1, x2, x3 = XT[f0, i], XT[f1, i], XT[f2, i], XT[f3, i]
            r0, r1, r2, r3 = XT[f0, start:end], XT[f1, start:end], XT[f2, start:end], XT[f3, start:end]
            for c in range(out.size):
                out[c] += x0 * r0[c] + x1 * r1[c] + x2 * r2[c] + x3 * r3[c]
        for k in range(whole, count):
            x, r = XT[filled[k], i], XT[filled[k], start:end]
            for c in range(out.size):
                out[c] += x * r[c]
        row_of_dots(out, squares[i], squares[start:end], code, gamma, coef0, degree)


@kernel
def vacant_slot(slot, stamp, held, state):  # type: ignore[no-untyped-def]
    """A slot that nothing was put in yet (state[2] are in use), or the one that was not used for longest."""
    at = state[2]
    if at < held.size:
        state[2] += 1
        return at
    at = 0
    for s in range(held.size):
        at = s if stamp[s] < stamp[at] else at
    slot[held[at]] = -1
    return at


@kernel
def hold(i, XT, squares, code, gamma, coef0, degree, filled, K, slot, stamp, held, state):  # type: ignore[no-untyped-def]
    """Whether the row of column i is there or could be made here; marks it as used now."""
    if slot[i] < 0:
        if XT.shape[0] == 0:
            state[1] = i
            return False
        at = vacant_slot(slot, stamp, held, state)
        row_of_kernel(XT, squares, i, code, gamma, coef0, degree, filled, K[at])
        slot[i], held[at] = at, i
    stamp[slot[i]] = state[0] + 1
    return True


@kernel(
    "f8[::1], f8[::1], f8[::1], f8[::1], f4[::1], f4[::1], f4[:, ::1], f4[::1], i4[::1], i8[::1], i8[::1], i8[::1], "
    "f8[:, ::1], f8[:, ::1], f4[::1], f4[:, ::1], f4[::1], i8[::1], i8, f4, f4, i8, f8, f8, i8, i8[::1], f8[::1]"
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
    held,
    ends,
    best,
    least,
    work,
    XT,
    squares,
    filled,
    code,
    gamma,
    coef0,
    degree,
    epsilon,
    tol,
    steps,
    state,
    decrease,
):
    """Up to `steps` steps; state = [steps made in all, column whose row is wanted, slots in use].

    Returns DONE, SPENT or WANTED; `decrease` adds up how far the objective fell.
    """
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
        if not hold(i, XT, squares, code, gamma, coef0, degree, filled, K, slot, stamp, held, state):
            return WANTED
        Ki = K[slot[i]]
        up = u[i] - rise[i]
        j = partner(u, fall, Ki, diagonal, up, diagonal[i], start, end, work)
        if j < 0:
            return DONE
        if not hold(j, XT, squares, code, gamma, coef0, degree, filled, K, slot, stamp, held, state):
            return WANTED
        Kj = K[slot[j]]
        curvature = max(np.float64(diagonal[i]) + diagonal[j] - 2.0 * Ki[j], 1e-12)
        gain = up - (u[j] + fall[j])
        step = take_step(i, j, gain, curvature, beta, low, high)
        decrease[0] += step * (gain - 0.5 * step * curvature)
        set_offsets(i, beta, low, high, epsilon, rise, fall)
        set_offsets(j, beta, low, high, epsilon, rise, fall)
        for g in range(n_groups):
            a, b = ends[g], ends[g + 1]
            sweep(u[a:b], rise[a:b], fall[a:b], Ki[a:b], Kj[a:b], step, best[g], least[g])
        state[0] += 1
    return SPENT


@kernel("f8[::1], f4[::1], f4[::1], i4[::1], i8[::1], f8[:, ::1], f8[:, ::1], i8[::1]")
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
