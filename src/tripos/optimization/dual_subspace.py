"""The dual of linear models with a margin over its free rows alone, by conjugate gradients.

A row is free when its multiplier rests neither on a bound nor on a kink of the dual (`dual_coordinate`). Over the free
rows F, with the others held, the dual is a quadratic whose maximum solves

    (X_F X_F' + diag(d_F)) delta = -G_F,      G_i = x_i.w - t_i + d_i beta_i + e sign(beta_i)

Coordinate ascent finds soon which rows are free and slowly how large their multipliers are, where texts are alike;
conjugate gradients, scaled by the diagonal, find the multipliers in a dozen products with X_F and its transpose,
which never form the matrix. The step is cut off at the bounds, and halved while the dual does not grow by it; a step
that no bound cuts always makes it grow, so that there is such a share.

References
----------
J. J. More, G. Toraldo (1991), doi:10.1137/0801008 (conjugate gradients on a face, then a projected search).
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.optimization.dual_kernels import FLAT, side_bounds

HALVINGS = 5  # of a step that is cut off, before it is shortened to the first bound


@kernel
def face(sided, squared, epsilon, y, c, b):  # type: ignore[no-untyped-def]
    """(lower, upper, d) of a row with multiplier b, within the bounds and on b's side of the kink at zero."""
    lower, upper, d = side_bounds(sided, squared, y, c)
    if epsilon > 0.0 and b > 0.0:
        lower = 0.0
    elif epsilon > 0.0 and b < 0.0:
        upper = 0.0
    return lower, upper, d


@kernel
def combine(data, indices, indptr, bias, rows, m, v, u):  # type: ignore[no-untyped-def]
    """u = X_F' v over the first m of `rows`."""
    d, one = np.uint64(u.size - 1), np.uint64(1)
    total = 0.0
    for j in range(u.size):
        u[j] = 0.0
    for k in range(m):
        i, x = np.uint64(rows[k]), v[k]
        total += x
        if indptr.size == 0:
            for j in range(d):
                u[j] += x * data[i * d + j]
        else:
            for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + one])):
                u[np.uint64(indices[t])] += x * data[t]
    u[d] = bias * total


@kernel
def scores(data, indices, indptr, bias, rows, m, u, out):  # type: ignore[no-untyped-def]
    """out = X_F u over the first m of `rows`."""
    d, one, two = np.uint64(u.size - 1), np.uint64(1), np.uint64(2)
    constant = bias * u[d]
    for k in range(m):
        i = np.uint64(rows[k])
        total = constant
        if indptr.size == 0:
            for j in range(d):
                total += data[i * d + j] * u[j]
        else:
            t, end, odd = np.uint64(indptr[i]), np.uint64(indptr[i + one]), 0.0
            while t + one < end:  # two sums by hand, as in `ascend`
                total += data[t] * u[np.uint64(indices[t])]
                odd += data[t + one] * u[np.uint64(indices[t + one])]
                t += two  # type: ignore[assignment]
            total += odd + (data[t] * u[np.uint64(indices[t])] if t < end else 0.0)
        out[k] = total


@kernel
def conjugate_step(  # type: ignore[no-untyped-def]
    data, indices, indptr, bias, rows, m, d, scale, G, share, limit, u, delta
):
    """delta near the solution of the module's equation: residual at most `share` of G; returns the products taken."""
    r, v, q = np.empty(m), np.empty(m), np.empty(m)
    size = 0.0
    for k in range(m):
        delta[k] = 0.0
        r[k] = -G[k]
        v[k] = scale[k] * r[k]
        size += r[k] * v[k]
    enough = share * share * size
    steps = 0
    while steps < limit and size > enough:
        steps += 1
        combine(data, indices, indptr, bias, rows, m, v, u)
        scores(data, indices, indptr, bias, rows, m, u, q)
        bend = 0.0
        for k in range(m):
            q[k] += d[k] * v[k]
            bend += q[k] * v[k]
        if not bend > 0.0:
            break
        a = size / bend
        before = size
        size = 0.0
        for k in range(m):
            delta[k] += a * v[k]
            r[k] -= a * q[k]
            size += scale[k] * r[k] * r[k]
        for k in range(m):
            v[k] = scale[k] * r[k] + size / before * v[k]
    return steps


@kernel
def cut_off(sided, squared, epsilon, y, c, beta, rows, m, delta, a, step):  # type: ignore[no-untyped-def]
    """step = clip(beta + a delta) - beta; returns the largest share of delta that no bound cuts."""
    whole = 1.0
    for k in range(m):
        i = rows[k]
        lower, upper, _ = face(sided, squared, epsilon, y[i], c[i], beta[i])
        end = beta[i] + delta[k]
        if end < lower:
            whole = min(whole, (lower - beta[i]) / delta[k])
        elif end > upper:
            whole = min(whole, (upper - beta[i]) / delta[k])
        step[k] = min(max(beta[i] + a * delta[k], lower), upper) - beta[i]
    return whole


@kernel(
    "i8, i8, f8, F[::1], I[::1], I[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8, i8, f8, f8[::1]"
)
def ascend_free(  # type: ignore[no-untyped-def]
    sided, squared, epsilon, data, indices, indptr, bias, y, c, norms, beta, w, share, limit, visits, grown
):
    """One step over the free rows, by at most `limit` products and some `visits` to rows.

    beta and w follow; grown[0] is by how much the dual grew. Returns the visits, a product with X_F and one with its
    transpose to a row together.
    """
    n, m = y.size, 0
    rows = np.empty(n, np.int64)
    for i in range(n):
        lower, upper, _ = side_bounds(sided, squared, y[i], c[i])
        if beta[i] != 0.0 and lower < beta[i] < upper:
            rows[m] = i
            m += 1
    G, d, scale, delta, step = np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    u = np.empty(w.size)
    scores(data, indices, indptr, bias, rows, m, w, G)
    for k in range(m):
        i = rows[k]
        _, _, d[k] = side_bounds(sided, squared, y[i], c[i])
        G[k] += d[k] * beta[i] - y[i] + (epsilon if beta[i] > 0.0 else -epsilon)
        scale[k] = 1.0 / max(norms[i] + d[k], FLAT)
    affordable = np.int64(min(np.float64(limit), visits / max(1.0, np.float64(m))))
    products = conjugate_step(data, indices, indptr, bias, rows, m, d, scale, G, share, affordable, u, delta)
    a = 1.0
    for tries in range(HALVINGS + 2):
        whole = cut_off(sided, squared, epsilon, y, c, beta, rows, m, delta, a, step)
        combine(data, indices, indptr, bias, rows, m, step, u)
        growth = 0.0
        for j in range(u.size):
            growth -= 0.5 * u[j] * u[j]
        for k in range(m):
            growth -= step[k] * (G[k] + 0.5 * d[k] * step[k])
        if growth > 0.0:
            break
        a = 0.5 * a if tries < HALVINGS else min(a, whole)
    grown[0] = max(growth, 0.0)
    if growth > 0.0:
        for k in range(m):
            i = rows[k]
            lower, upper, _ = side_bounds(sided, squared, y[i], c[i])
            beta[i] = min(max(beta[i] + step[k], lower), upper)
        for j in range(w.size):
            w[j] += u[j]
    return m * (products + 1 + tries // 2)
