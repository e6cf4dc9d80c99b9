"""One read of dense rows: the loss of a linear model, its gradient and, when asked, its Hessian.

With eta = X w + b, slope r_i = s_i L'(y_i, eta_i) and curvature h_i = s_i L''(y_i, eta_i):

    value = sum_i s_i L(y_i, eta_i),    gradient = [X'r; sum r],    Hessian = [X, 1]' diag(h) [X, 1].

Rows are taken by as many as fit in the cache together, so that scores, losses and products with X' meet X
while it is there: half the memory traffic of two separate products, which is what a gradient costs. The
products are BLAS. Sums over rows are added up in float64 from pieces in X's own precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.products import add_half_product, mirror_lower
from tripos.objective.losses import common_rows, pointwise_rows, softmax_rows

# Half of a small L2. On 50 columns 256 rows (106 KB) took 125 ms where 512 took 158: the block must stay
# beside its copy.
CACHE_BYTES = 1 << 17


@kernel
def rows_in_cache(n_columns, itemsize):  # type: ignore[no-untyped-def]
    return max(16, CACHE_BYTES // (n_columns * itemsize))


@kernel
def weigh(s, start, loss, slope, curvature):  # type: ignore[no-untyped-def]
    """Weights the rows from `start` on (an empty `s` means weight 1) and returns the sum of their losses."""
    total = 0.0
    if s.size == 0:
        for i in range(loss.size):
            total += loss[i]
        return total
    for i in range(loss.size):
        weight = s[start + i]
        total += weight * loss[i]
        slope[i] *= weight
        curvature[i] *= weight
    return total


@kernel
def add_to(total, part):  # type: ignore[no-untyped-def]
    for j in range(part.size):
        total[j] += part[j]


@kernel
def scale_rows(X, h, out):  # type: ignore[no-untyped-def]
    """out = diag(h) [X, 1], of shape (n_rows, n_features + 1)."""
    n, d = X.shape
    for i in range(n):
        for j in range(d):
            out[i, j] = h[i] * X[i, j]
        out[i, d] = h[i]


@kernel
def scale_bent_rows(X, h, out):  # type: ignore[no-untyped-def]
    """The rows of diag(h) [X, 1] that are not zero, one after another in `out`; returns how many there are.

    A loss of a margin bends for a part of the rows alone, near the minimum often for a small part.
    """
    n, d = X.shape
    count = 0
    for i in range(n):
        if h[i] == 0.0:
            continue
        for j in range(d):
            out[count, j] = h[i] * X[i, j]
        out[count, d] = h[i]
        count += 1
    return count


def _make_pointwise_pass(common: int) -> Any:
    """The pass for the squared and the log loss; or for any loss, which takes twice as long to compile."""

    @kernel("i8, f8, F[:, ::1], F[::1], F[::1], F[::1], F, f8[::1], f8[:, ::1]")
    def pointwise_pass(code, parameter, X, y, s, w, b, gradient, hessian):  # type: ignore[no-untyped-def]
        """Adds to `gradient` (n_features + 1,) and, unless it is empty, to `hessian`; returns the sum of the
        losses."""
        n, d = X.shape
        rows = rows_in_cache(d + 1, X.itemsize)
        value = 0.0
        for start in range(0, n, rows):
            block = X[start : start + rows]  # (m, d)
            eta = np.dot(block, w)
            m = eta.size
            for i in range(m):
                eta[i] += b
            loss = np.empty(m, X.dtype)
            slope = np.empty(m, X.dtype)
            curvature = np.empty(m, X.dtype)
            if common:
                common_rows(code, eta, y[start : start + m], loss, slope, curvature)
            else:
                pointwise_rows(code, parameter, eta, y[start : start + m], loss, slope, curvature)
            value += weigh(s, start, loss, slope, curvature)
            add_to(gradient[:d], np.dot(slope, block))
            for i in range(m):
                gradient[d] += slope[i]
            if hessian.size:
                for i in range(m):
                    curvature[i] = np.sqrt(curvature[i])
                scaled = np.empty((m, d + 1), X.dtype)
                bent = scale_bent_rows(block, curvature, scaled)
                if bent:
                    add_half_product(scaled[:bent], hessian)
        if hessian.size:
            mirror_lower(hessian)
        return value

    return pointwise_pass


pointwise_pass = _make_pointwise_pass(1)
any_pointwise_pass = _make_pointwise_pass(0)


@kernel("F[:, ::1], i8[::1], F[::1], F[:, ::1], F[::1], f8[:, ::1], f8[:, :, :, ::1]")
def softmax_pass(X, y, s, W, b, gradient, hessian):  # type: ignore[no-untyped-def]
    """The same for K scores per row: `gradient` (K, n_features + 1), `hessian` (K, n_features + 1, K,
    n_features + 1)."""
    n, d = X.shape
    n_classes = b.size
    rows = rows_in_cache(d + 1, X.itemsize)
    value = 0.0
    pairs = np.zeros((n_classes * (n_classes + 1) // 2 if hessian.size else 0, d + 1, d + 1))
    for start in range(0, n, rows):
        block = X[start : start + rows]  # (m, d)
        eta = np.dot(W, block.T)  # (K, m)
        m = eta.shape[1]
        for k in range(n_classes):
            for i in range(m):
                eta[k, i] += b[k]
        loss = np.empty(m, X.dtype)
        p = np.empty((n_classes, m), X.dtype)
        value += softmax_slopes(eta, y[start : start + m], s, start, loss, p)
        product = np.dot(eta, block)  # eta holds the slopes now
        for k in range(n_classes):
            add_to(gradient[k, :d], product[k])
            for i in range(m):
                gradient[k, d] += eta[k, i]
        if hessian.size:
            softmax_hessian(block, s, start, p, pairs)
    if hessian.size:
        add_pairs(pairs, hessian)
    return value


@kernel
def softmax_slopes(eta, y, s, start, loss, p):  # type: ignore[no-untyped-def]
    """Turns scores into weighted slopes s_i (p_ki - [y_i = k]) in place; returns the weighted sum of the
    losses."""
    n_classes, m = eta.shape
    softmax_rows(eta, y, loss, p)
    for k in range(n_classes):
        for i in range(m):
            eta[k, i] = p[k, i]
    for i in range(m):
        eta[y[i], i] -= eta.dtype.type(1)
    if s.size:
        for k in range(n_classes):
            for i in range(m):
                eta[k, i] *= s[start + i]
    value = 0.0
    for i in range(m):
        value += loss[i] if s.size == 0 else s[start + i] * loss[i]
    return value


@kernel
def pair_curvature(s, start, p, k, l, h):  # type: ignore[no-untyped-def]
    """h_i = s_i p_ki ([k = l] - p_li)."""
    same = p.dtype.type(1 if k == l else 0)
    for i in range(h.size):
        h[i] = p[k, i] * (same - p[l, i])
    if s.size:
        for i in range(h.size):
            h[i] *= s[start + i]


@kernel
def softmax_hessian(X, s, start, p, pairs):  # type: ignore[no-untyped-def]
    """Adds [X, 1]' diag(|h|) [X, 1] of each pair of classes, its lower triangle: h is of one sign."""
    m, d = X.shape
    h = np.empty(m, X.dtype)
    scaled = np.empty((m, d + 1), X.dtype)
    pair = 0
    for k in range(p.shape[0]):
        for l in range(k + 1):
            pair_curvature(s, start, p, k, l, h)
            for i in range(m):
                h[i] = np.sqrt(abs(h[i]))
            scale_rows(X, h, scaled)
            add_half_product(scaled, pairs[pair])
            pair += 1


@kernel
def add_pairs(pairs, hessian):  # type: ignore[no-untyped-def]
    """Adds what the lower triangles of the pairs stand for: symmetric blocks, those of two classes below zero."""
    pair = 0
    for k in range(hessian.shape[0]):
        for l in range(k + 1):
            half = pairs[pair]
            pair += 1
            for i in range(half.shape[0]):
                for j in range(i + 1):
                    v = half[i, j] if l == k else -half[i, j]
                    hessian[k, i, l, j] += v
                    if j < i:
                        hessian[k, j, l, i] += v
                    if l < k:
                        hessian[l, i, k, j] += v
                        if j < i:
                            hessian[l, j, k, i] += v


@kernel("F[:, ::1], F[::1], F[::1], f8[::1], f8[::1]")
def column_sums(X, s, shift, sums, squares):  # type: ignore[no-untyped-def]
    """Adds to `sums` and `squares` the weighted sums of x - shift and of its square, by column."""
    n, d = X.shape
    one = X.dtype.type(1)
    for i in range(n):
        weight = s[i] if s.size else one
        for j in range(d):
            x = X[i, j] - shift[j]
            sums[j] += weight * x
            squares[j] += weight * x * x
