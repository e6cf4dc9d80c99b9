"""The loops of coordinate descent for the elastic net: descents on a Gram matrix, on columns, on CSC columns;
products of single columns with a vector; and the search for columns that may have to enter.

One step makes w_j the minimum of the objective along its axis. With g_j = |x_j|^2 and q_j = x_j.r, r = y - Xw,

    w_j <- S(q_j + g_j w_j, l1) / (g_j + l2),        S(u, l) = sign(u) max(|u| - l, 0)

Sums are float64 whatever the precision of X.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel

WORK = 100_000_000  # multiplications after which a path returns
BLOCK = 2048  # rows of a residual that stay in the cache


@kernel
def shrink(u, l1, l2, g, positive):  # type: ignore[no-untyped-def]
    """The minimum along one axis."""
    if u > l1:
        return (u - l1) / (g + l2)
    if u < -l1 and not positive:
        return (u + l1) / (g + l2)
    return 0.0


@kernel
def gap_of(square, product, w1, w2, largest, slopes, l1, l2):  # type: ignore[no-untyped-def]
    """Duality gap from |r|^2, r.y, |w|_1, |w|^2, the largest x_j.r - l2 w_j in size, and |X'r|^2.

    Without an L1 term: the gap of ridge regression, or |X'r|^2 where there is no penalty at all.
    """
    if l1 == 0.0:
        if l2 == 0.0:
            return slopes
        return square + 0.5 * l2 * w2 - product + 0.5 * slopes / l2
    scale = l1 / largest if largest > l1 else 1.0
    return 0.5 * (1.0 + scale * scale) * (square + l2 * w2) + l1 * w1 - scale * product


@kernel
def gram_gap(c, q, w, m, y2, l1, l2, positive):  # type: ignore[no-untyped-def]
    """The gap of the problem on the first m columns: |r|^2 = |y|^2 - w.c - w.q and r.y = |y|^2 - w.c."""
    square = y2
    product = y2
    w1 = 0.0
    w2 = 0.0
    largest = 0.0
    slopes = 0.0
    for k in range(m):
        square -= w[k] * (c[k] + q[k])
        product -= w[k] * c[k]
        w1 += abs(w[k])
        w2 += w[k] * w[k]
        v = q[k] - l2 * w[k]
        slopes += q[k] * q[k]
        size = v if positive else abs(v)
        if size > largest:
            largest = size
    return gap_of(max(square, 0.0), product, w1, w2, largest, slopes, l1, l2)


@kernel("f8[:, ::1], f8[::1], f8[::1], f8[::1], i8, f8, f8, f8, b1, f8, f8, f8, i8[::1], i8, f8[::1]")
def gram_descent(  # type: ignore[no-untyped-def]
    G, c, q, w, m, y2, l1, l2, positive, target, allowed, rest, order, sweeps, out
):
    """At most `sweeps` sweeps over the first m columns, with q = c - Gw kept up to date.

    Ends at the gap `target`; or where no coefficient moves by more than `rest` of the largest and the gap is
    within `allowed`. Sweeps over all columns alternate with sweeps over those that are not zero. `order` holds
    the columns to visit, sweep by sweep; empty means one after the other. Writes the gap to out[0], and to
    out[1] how it ended: 1 at the target, 2 at rest, 0 not yet; returns the sweeps done.
    """
    done = 0
    complete = True
    idle = 0
    out[0] = gram_gap(c, q, w, m, y2, l1, l2, positive)
    out[1] = 1.0 if out[0] <= target else 0.0
    while done < sweeps and out[1] == 0.0:
        moved = 0.0
        largest = 0.0
        for step in range(m):
            k = order[done * m + step] if order.size else step
            g = G[k, k]
            old = w[k]
            if g == 0.0 or (old == 0.0 and not complete):
                continue
            new = shrink(q[k] + g * old, l1, l2, g, positive)
            if new != old:
                delta = new - old
                w[k] = new
                row = G[k]
                for z in range(m):
                    q[z] -= delta * row[z]
                moved = max(moved, abs(delta))
            largest = max(largest, abs(new))
        done += 1
        idle += 1
        still = moved <= rest * largest
        if complete or still or idle == 10:
            out[0] = gram_gap(c, q, w, m, y2, l1, l2, positive)
            if out[0] <= target:
                out[1] = 1.0
            elif complete and (moved == 0.0 or (still and out[0] <= allowed)):
                out[1] = 2.0
        complete = still or idle >= 10 or order.size > 0
        if complete:
            idle = 0
    return done


@kernel(
    "f8[:, ::1], f8[::1], f8[::1], f8[::1], i8, f8, f8[::1], f8[::1], b1, f8, f8, f8, f8, f8, b1, i8, i8, i8[::1], i8, "
    "f8[:, ::1], f8[::1]"
)
def gram_path(  # type: ignore[no-untyped-def]
    G, c, q, w, m, y2, l1s, l2s, positive, precision, least, most, allowed, rest, eased, max_iter, sweeps, order, first,
    W, out
):  # fmt: skip
    """Descents for one strength after the other, from number `first` on, each from where the last one ended.

    A descent's goal is `precision` of the objective, between `least` and `most`. Writes coefficients, gap, objective
    and sweeps as a row of W. Stops before the first that does not end in `sweeps` sweeps, or at `WORK`; returns the
    number of strengths done.
    """
    work = 0
    for a in range(first, l1s.size):
        l1, l2 = l1s[a], l2s[a]
        done = 0
        goal = np.inf
        gap = gram_gap(c, q, w, m, y2, l1, l2, positive)
        ended = eased and gap <= allowed
        while True:
            square, size, bend = y2, 0.0, 0.0
            for k in range(m):
                square -= w[k] * (c[k] + q[k])
                size += abs(w[k])
                bend += w[k] * w[k]
            objective = 0.5 * max(square, 0.0) + l1 * size + 0.5 * l2 * bend
            before = goal
            goal = min(max(precision * objective, least), most)
            if ended or goal >= before or done >= max_iter:
                break
            made = gram_descent(
                G, c, q, w, m, y2, l1, l2, positive, goal, allowed, rest, order, min(sweeps, max_iter - done), out
            )  # fmt: skip
            done += made
            work += (made + 1) * m * m
            gap = out[0]
            if out[1] == 0.0 and done < max_iter:
                return a
            ended = gap > goal
        for k in range(m):
            W[a, k] = w[k]
        W[a, m] = max(gap, 0.0)
        W[a, m + 1] = objective
        W[a, m + 2] = done
        if work > WORK:
            return a + 1
    return l1s.size


@kernel("F[:, ::1], f8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8, f8, b1, f8, f8, i8[::1], i8, f8[::1]")
def column_descent(  # type: ignore[no-untyped-def]
    XT, mean, members, g, r, w, l1, l2, positive, threshold, rest, order, sweeps, out
):
    """At most `sweeps` sweeps over the columns `members`, rows of XT, with r = y - Xw kept up to date.

    Ends when a complete sweep lowers the objective by no more than `threshold` at any column, which out[0] tells by
    1; or moves no coefficient by more than `rest` of the largest, which it tells by 2. Where columns still hold their
    means, the residual is r + shift: out[1] is the shift, in and out.
    """
    n = r.size
    complete = True
    out[0] = 0.0
    shift = out[1]
    idle = 0
    done = 0
    m = members.size
    while done < sweeps:
        lowered = 0.0
        moved = 0.0
        largest = 0.0
        for step in range(m):
            k = order[done * m + step] if order.size else step
            old = w[k]
            if g[k] == 0.0 or (old == 0.0 and not complete):
                continue
            x = XT[members[k]]
            u = g[k] * old + shift * mean[members[k]] * n
            for i in range(n):
                u += x[i] * r[i]
            new = shrink(u, l1, l2, g[k], positive)
            if new != old:
                delta = new - old
                w[k] = new
                for i in range(n):
                    r[i] -= delta * x[i]
                shift += delta * mean[members[k]]
                lowered = max(lowered, delta * delta * (g[k] + l2))
                moved = max(moved, abs(delta))
            largest = max(largest, abs(new))
        done += 1
        idle += 1
        still = moved <= rest * largest
        if complete and (still or lowered <= threshold):
            out[0] = 1.0 if lowered <= threshold else 2.0
            break
        complete = still or lowered <= threshold or idle >= 10 or order.size > 0
        if complete:
            idle = 0
    out[1] = shift
    return done


@kernel(
    "F[::1], I[::1], I[::1], f8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8, f8, b1, f8, f8, i8[::1], i8, f8[::1]"
)
def sparse_descent(  # type: ignore[no-untyped-def]
    data, indices, indptr, mean, members, g, r, w, l1, l2, positive, threshold, rest, order, sweeps, out
):
    """The same over CSC columns x_j, which are centred without being written: the residual is r + shift s, s
    the vector that the means multiply. out[1] is the shift, in and out; out[2] holds |s|^2."""
    complete = True
    out[0] = 0.0
    shift = out[1]
    idle = 0
    m = members.size
    done = 0
    while done < sweeps:
        lowered = 0.0
        moved = 0.0
        largest = 0.0
        for step in range(m):
            k = order[done * m + step] if order.size else step
            old = w[k]
            if g[k] == 0.0 or (old == 0.0 and not complete):
                continue
            j = members[k]
            begin = np.uint64(indptr[j])
            end = np.uint64(indptr[j + 1])
            u = g[k] * old + shift * mean[j] * out[2]
            for t in range(begin, end):
                u += data[t] * r[np.uint64(indices[t])]
            new = shrink(u, l1, l2, g[k], positive)
            if new != old:
                delta = new - old
                w[k] = new
                for t in range(begin, end):
                    r[np.uint64(indices[t])] -= delta * data[t]
                shift += delta * mean[j]
                lowered = max(lowered, delta * delta * (g[k] + l2))
                moved = max(moved, abs(delta))
            largest = max(largest, abs(new))
        done += 1
        idle += 1
        still = moved <= rest * largest
        if complete and (still or lowered <= threshold):
            out[0] = 1.0 if lowered <= threshold else 2.0
            break
        complete = still or lowered <= threshold or idle >= 10 or order.size > 0
        if complete:
            idle = 0
    out[1] = shift
    return done


@kernel("F[:, ::1], i8[::1], f8[::1], f8[::1]")
def column_products(XT, columns, v, out):  # type: ignore[no-untyped-def]
    """out_k = x_j.v for the columns j asked for; XT has shape (n_features, n_rows)."""
    for k in range(columns.size):
        x = XT[columns[k]]
        total = 0.0
        for i in range(v.size):
            total += x[i] * v[i]
        out[k] = total


@kernel("F[:, ::1], f8[::1], i8[::1], i8, f8[:, ::1]")
def gather_columns(XT, mean, columns, start, out):  # type: ignore[no-untyped-def]
    """out_k = x_j - mean_j for the columns j asked for, from row `start` on."""
    for k in range(columns.size):
        x = XT[columns[k]]
        a = mean[columns[k]]
        z = out[k]
        for i in range(z.size):
            z[i] = x[start + i] - a


@kernel("F[:, ::1], i8[::1], f8[::1], i8, i8, f8[::1]")
def subtract_columns(XT, columns, w, start, stop, r):  # type: ignore[no-untyped-def]
    """r <- r - sum_k w_k x_k over the columns asked for, rows from `start` to `stop`."""
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        for k in range(columns.size):
            a = w[k]
            if a != 0.0:
                x = XT[columns[k]]
                for i in range(first, last):
                    r[i] -= a * x[i]


@kernel("f8[:, ::1], i8, f8[::1], f8[::1]")
def distances(snapshots, count, r, out):  # type: ignore[no-untyped-def]
    """out_k = |snapshot_k - r| for the first `count`."""
    for k in range(count):
        total = 0.0
        for i in range(r.size):
            z = snapshots[k, i] - r[i]
            total += z * z
        out[k] = np.sqrt(total)


@kernel("F[:, ::1], i8[::1], f8[::1], f8[::1]")
def row_products(X, columns, v, out):  # type: ignore[no-untyped-def]
    """The same for X of shape (n_rows, n_features): adds to `out`."""
    for i in range(v.size):
        x = X[i]
        r = v[i]
        for k in range(columns.size):
            out[k] += r * x[np.uint64(columns[k])]


@kernel("F[:, ::1], f8[::1], f8[::1]")
def all_products(X, v, out):  # type: ignore[no-untyped-def]
    """Adds X'v, four rows at a time."""
    n, d = X.shape
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = v[i], v[i + 1], v[i + 2], v[i + 3]
        x, y, z, u = X[i], X[i + 1], X[i + 2], X[i + 3]
        for j in range(d):
            out[j] += a * x[j] + b * y[j] + c * z[j] + e * u[j]
    for i in range(whole, n):
        for j in range(d):
            out[j] += v[i] * X[i, j]


@kernel("F[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def row_sums(X, s, shift, sums, squares):  # type: ignore[no-untyped-def]
    """Adds the weighted sums of x - shift and of its square, by column of X."""
    n, d = X.shape
    for i in range(n):
        weight = s[i] if s.size else 1.0
        for j in range(d):
            x = np.float64(X[i, j]) - shift[j]
            sums[j] += weight * x
            squares[j] += weight * x * x


@kernel("F[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1]")
def column_sums(XT, s, shift, v, sums, squares, products):  # type: ignore[no-untyped-def]
    """The same for the rows of XT, which are columns of X; with their products with v, unless that is empty."""
    d, n = XT.shape
    for j in range(d):
        total = 0.0
        square = 0.0
        a = shift[j]
        x = XT[j]
        if s.size:
            for i in range(n):
                z = np.float64(x[i]) - a
                total += s[i] * z
                square += s[i] * z * z
        else:
            for i in range(n):
                z = np.float64(x[i]) - a
                total += z
                square += z * z
        if v.size:  # from the cache
            product = 0.0
            for i in range(n):
                product += x[i] * v[i]
            products[j] = product
        sums[j] = total
        squares[j] = square


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], f8[::1]")
def csc_products(data, indices, indptr, columns, v, out):  # type: ignore[no-untyped-def]
    """out_k = x_j.v for CSC columns."""
    for k in range(columns.size):
        j = columns[k]
        total = 0.0
        for t in range(np.uint64(indptr[j]), np.uint64(indptr[j + 1])):
            total += data[t] * v[np.uint64(indices[t])]
        out[k] = total


@kernel("F[::1], I[::1], I[::1], i8[::1], i8[::1], f8[::1], f8[:, ::1]")
def csc_cross(data, indices, indptr, some, members, room, out):  # type: ignore[no-untyped-def]
    """out_kl = x_j.x_i for CSC columns j of `some` and i of `members`; `room` has a zero for each row."""
    for k in range(some.size):
        begin, end = np.uint64(indptr[some[k]]), np.uint64(indptr[some[k] + 1])
        for t in range(begin, end):
            room[np.uint64(indices[t])] += data[t]
        for l in range(members.size):
            j = members[l]
            total = 0.0
            for t in range(np.uint64(indptr[j]), np.uint64(indptr[j + 1])):
                total += data[t] * room[np.uint64(indices[t])]
            out[k, l] = total
        for t in range(begin, end):
            room[np.uint64(indices[t])] = 0.0


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], f8[::1]")
def csc_subtract(data, indices, indptr, columns, w, r):  # type: ignore[no-untyped-def]
    """r <- r - sum_k w_k x_j over CSC columns."""
    for k in range(columns.size):
        if w[k] != 0.0:
            j = columns[k]
            for t in range(np.uint64(indptr[j]), np.uint64(indptr[j + 1])):
                r[np.uint64(indices[t])] -= w[k] * data[t]


@kernel("F[::1], I[::1], I[::1], f8[::1], f8[::1], f8[::1]")
def csc_sums(data, indices, indptr, v, sums, squares):  # type: ignore[no-untyped-def]
    """x_j.v and |x_j|^2 of all CSC columns."""
    for j in range(sums.size):
        total = 0.0
        square = 0.0
        for t in range(np.uint64(indptr[j]), np.uint64(indptr[j + 1])):
            x = np.float64(data[t])
            total += x * v[np.uint64(indices[t])]
            square += x * x
        sums[j] = total
        squares[j] = square


@kernel("f8[::1], f8[::1], i8[::1], f8[::1], b1[::1], f8, b1, i8[::1]")
def suspects(known, norm, version, radius, settled, l1, positive, out):  # type: ignore[no-untyped-def]
    """Columns not settled whose product with the residual may exceed l1, by

        |x_j.r| <= |x_j.r'| + |x_j| |r - r'|

    for the residual r' at which x_j.r' was last computed: radius[version_j] = |r - r'|. Returns how many."""
    count = 0
    for j in range(known.size):
        if settled[j]:
            continue
        value = known[j] if positive else abs(known[j])
        if value + norm[j] * radius[version[j]] > l1:
            out[count] = j
            count += 1
    return count


@kernel("f8[::1], f8[::1], i8[::1], f8[::1], f8, f8, f8, f8, b1, b1[::1]")
def screen(known, norm, version, radius, scale, l1, l2, gap, positive, settled):  # type: ignore[no-untyped-def]
    """Settles columns that are zero at the minimum: every dual solution lies within sqrt(2 gap) of scale r."""
    reach = np.sqrt(2.0 * gap)
    for j in range(known.size):
        if settled[j]:
            continue
        value = known[j] if positive else abs(known[j])
        bound = scale * (value + norm[j] * radius[version[j]])
        if bound + np.sqrt(norm[j] * norm[j] + l2) * reach < l1:
            settled[j] = True
