"""One epoch of mini-batch steps on a linear model, in one kernel, on dense rows or CSR rows.

For each batch B of the rows in the given order

    g = n / (W |B|) sum_{i in B} s_i L'(y_i, eta_i) [x_i, 1] + R'(w),        E g = F'(w, b),

is clipped and handed to the update rule. Steps of one row at a time cost about as much as reading that row.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.objective.losses import pointwise_rows
from tripos.optimization.clipping import clip_gradient
from tripos.optimization.rules import update

LEAST_SCALE = 1e-6  # of the factor in front of lazily shrunk coefficients, before it is multiplied out


@kernel
def batch_slopes(code, parameter, work, rows, y, s, scale):  # type: ignore[no-untyped-def]
    """Weighted slopes of some rows, times scale / |B|, from their scores, the first row of `work`."""
    n = rows.size
    eta = work[0][:n]
    target = work[1][:n]
    loss = work[2][:n]
    slope = work[3][:n]
    curvature = work[4][:n]
    for i in range(n):
        target[i] = y[rows[i]]
    pointwise_rows(code, parameter, eta, target, loss, slope, curvature)
    share = eta.dtype.type(scale / n)
    for i in range(n):
        slope[i] *= share * (s[rows[i]] if s.size else eta.dtype.type(1))
    return slope


@kernel
def add_penalty(x, d, penalty, g):  # type: ignore[no-untyped-def]
    """Adds the slope of penalty[0] |w|_1 + penalty[1] |w|^2 / 2 + penalty[2] b^2 / 2."""
    for j in range(d):
        g[j] += penalty[1] * x[j]
    if penalty[0] > 0.0:
        for j in range(d):
            g[j] += penalty[0] * np.sign(x[j])
    if x.size > d:
        g[d] += penalty[2] * x[d]


@kernel(
    "i8, f8, F[:, ::1], F[::1], F[::1], i8[::1], i8, f8, f8[::1], f8[::1], i8, f8[::1], f8[::1], "
    "f8[::1], f8[::1], f8[::1], i8"
)
def dense_epoch(  # type: ignore[no-untyped-def]
    code, parameter, X, y, s, order, batch, scale, penalty, clip, rule, h, rates, x, m, v, t
):
    """Moves x = (w, b) by a step for each batch; there is an intercept where x is longer than a row."""
    d = X.shape[1]
    g = np.empty(x.size)
    work = np.empty((5, batch), X.dtype)
    for k in range(rates.size):
        rows = order[k * batch : (k + 1) * batch]
        for i in range(rows.size):
            total = x[d] if x.size > d else 0.0
            row = X[rows[i]]
            for j in range(d):
                total += row[j] * x[j]
            work[0, i] = total
        slope = batch_slopes(code, parameter, work, rows, y, s, scale)
        for j in range(x.size):
            g[j] = 0.0
        for i in range(rows.size):
            r = float(slope[i])
            row = X[rows[i]]
            for j in range(d):
                g[j] += r * row[j]
            if x.size > d:
                g[d] += r
        add_penalty(x, d, penalty, g)
        if clip[0] < np.inf or clip[1] < np.inf:
            clip_gradient(g, clip[0], clip[1])
        update(rule, h, x, g, m, v, t + k + 1, rates[k])


@kernel(
    "i8, f8, F[::1], I[::1], I[::1], i8, F[::1], F[::1], i8[::1], i8, f8, f8[::1], f8[::1], i8, f8[::1], "
    "f8[::1], f8[::1], f8[::1], f8[::1], i8"
)
def csr_epoch(  # type: ignore[no-untyped-def]
    code,
    parameter,
    data,
    indices,
    indptr,
    d,
    y,
    s,
    order,
    batch,
    scale,
    penalty,
    clip,
    rule,
    h,
    rates,
    x,
    m,
    v,
    t,
):
    """The same for CSR rows of d columns."""
    g = np.empty(x.size)
    work = np.empty((5, batch), data.dtype)
    for k in range(rates.size):
        rows = order[k * batch : (k + 1) * batch]
        for i in range(rows.size):
            total = x[d] if x.size > d else 0.0
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                total += data[e] * x[indices[e]]
            work[0, i] = total
        slope = batch_slopes(code, parameter, work, rows, y, s, scale)
        for j in range(x.size):
            g[j] = 0.0
        for i in range(rows.size):
            r = float(slope[i])
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                g[indices[e]] += r * data[e]
            if x.size > d:
                g[d] += r
        add_penalty(x, d, penalty, g)
        if clip[0] < np.inf or clip[1] < np.inf:
            clip_gradient(g, clip[0], clip[1])
        update(rule, h, x, g, m, v, t + k + 1, rates[k])


@kernel("i8, f8, F[::1], I[::1], I[::1], i8, F[::1], F[::1], i8[::1], i8, f8, f8[::1], f8[::1], f8[::1]")
def csr_gradient_epoch(  # type: ignore[no-untyped-def]
    code, parameter, data, indices, indptr, d, y, s, order, batch, scale, penalty, rates, x
):
    """Plain gradient steps on CSR rows at the cost of the stored entries alone.

    With w = a u, the step w <- (1 - rate l2) w - rate g shrinks the number a and changes u where g has
    entries.
    """
    work = np.empty((5, batch), data.dtype)
    a = 1.0
    for k in range(rates.size):
        rows = order[k * batch : (k + 1) * batch]
        for i in range(rows.size):
            total = 0.0
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                total += data[e] * x[indices[e]]
            work[0, i] = a * total + (x[d] if x.size > d else 0.0)
        slope = batch_slopes(code, parameter, work, rows, y, s, scale)
        if x.size > d:
            x[d] -= rates[k] * penalty[2] * x[d]
        a *= 1.0 - rates[k] * penalty[1]
        if abs(a) < LEAST_SCALE:
            multiply_out(x, d, a)
            a = 1.0
        for i in range(rows.size):
            move = rates[k] * float(slope[i])
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                x[indices[e]] -= move / a * data[e]
            if x.size > d:
                x[d] -= move
    multiply_out(x, d, a)


@kernel
def multiply_out(x, d, a):  # type: ignore[no-untyped-def]
    for j in range(d):
        x[j] *= a
