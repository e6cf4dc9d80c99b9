"""One read of CSR rows: what `dense` computes, at the cost of the entries that are stored.

Indices are made unsigned before they are used: a signed one is checked for counting from the end, which
doubles the time of these loops (1.4 ns an entry against 0.7). Rows are taken by the hundred, so that scores
and losses stay in the cache and the loss kernels have vectors to work on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.objective.dense import pair_curvature, softmax_slopes, weigh
from tripos.objective.losses import common_rows, pointwise_rows

ROWS = 256


@kernel("F[::1], I[::1], I[::1], i8, F[::1], F, F[::1]")
def csr_scores(data, indices, indptr, start, w, b, eta):  # type: ignore[no-untyped-def]
    """eta_i = x_i.w + b for the rows from `start` on."""
    for i in range(eta.size):
        total = b
        for t in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
            total += data[t] * w[np.uint64(indices[t])]
        eta[i] = total


@kernel("F[::1], I[::1], I[::1], i8, F[:, ::1], F[::1], F[:, ::1]")
def csr_class_scores(data, indices, indptr, start, Wt, b, eta):  # type: ignore[no-untyped-def]
    """eta_ki = x_i.W_k + b_k; Wt has shape (n_features, n_classes), so that an entry meets its weights side
    by side."""
    n_classes, m = eta.shape
    scores = np.empty(n_classes, eta.dtype)
    for i in range(m):
        for k in range(n_classes):
            scores[k] = b[k]
        for t in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
            x = data[t]
            j = np.uint64(indices[t])
            for k in range(n_classes):
                scores[k] += x * Wt[j, k]
        for k in range(n_classes):
            eta[k, i] = scores[k]


@kernel
def csr_add_hessian(data, indices, indptr, start, h, hessian):  # type: ignore[no-untyped-def]
    """Adds sum_i h_i [x_i, 1][x_i, 1]' to the lower triangle of `hessian`."""
    d = hessian.shape[0] - 1
    one = np.uint64(1)
    for i in range(h.size):
        if h[i] == 0.0:
            continue
        begin = np.uint64(indptr[start + i])
        for t in range(begin, np.uint64(indptr[start + i + 1])):
            x = h[i] * data[t]
            j = np.uint64(indices[t])
            row = hessian[j]
            for u in range(begin, t + one):
                row[np.uint64(indices[u])] += x * data[u]
            hessian[d, j] += x
        hessian[d, d] += h[i]


def _make_csr_pointwise_pass(common: int) -> Any:
    """The pass for the squared and the log loss; or for any loss, which takes twice as long to compile."""

    @kernel("i8, f8, F[::1], I[::1], I[::1], F[::1], F[::1], F[::1], F, f8[::1], f8[:, ::1]")
    def csr_pointwise_pass(  # type: ignore[no-untyped-def]
        code, parameter, data, indices, indptr, y, s, w, b, gradient, hessian
    ):
        """Adds to `gradient` (n_features + 1,) and, unless it is empty, to the lower triangle of
        `hessian`."""
        n = indptr.size - 1
        d = w.size
        value = 0.0
        for start in range(0, n, ROWS):
            m = min(ROWS, n - start)
            eta = np.empty(m, data.dtype)
            loss = np.empty(m, data.dtype)
            slope = np.empty(m, data.dtype)
            curvature = np.empty(m, data.dtype)
            csr_scores(data, indices, indptr, start, w, b, eta)
            if common:
                common_rows(code, eta, y[start : start + m], loss, slope, curvature)
            else:
                pointwise_rows(code, parameter, eta, y[start : start + m], loss, slope, curvature)
            value += weigh(s, start, loss, slope, curvature)
            for i in range(m):
                r = slope[i]
                gradient[d] += r
                for t in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
                    gradient[np.uint64(indices[t])] += r * data[t]
            if hessian.size:
                csr_add_hessian(data, indices, indptr, start, curvature, hessian)
        return value

    return csr_pointwise_pass


csr_pointwise_pass = _make_csr_pointwise_pass(1)
any_csr_pointwise_pass = _make_csr_pointwise_pass(0)


@kernel("F[::1], I[::1], I[::1], i8[::1], F[::1], F[:, ::1], F[::1], f8[:, ::1], f8[:, :, :, ::1]")
def csr_softmax_pass(data, indices, indptr, y, s, Wt, b, gradient, hessian):  # type: ignore[no-untyped-def]
    """The same for K scores per row; `gradient` has shape (n_features + 1, K), by pairs of classes `hessian`
    (K, K, D, D)."""
    n = indptr.size - 1
    d, n_classes = Wt.shape
    value = 0.0
    for start in range(0, n, ROWS):
        m = min(ROWS, n - start)
        eta = np.empty((n_classes, m), data.dtype)
        loss = np.empty(m, data.dtype)
        p = np.empty((n_classes, m), data.dtype)
        csr_class_scores(data, indices, indptr, start, Wt, b, eta)
        value += softmax_slopes(eta, y[start : start + m], s, start, loss, p)
        slopes = np.empty(n_classes, data.dtype)
        for i in range(m):
            for k in range(n_classes):
                slopes[k] = eta[k, i]
                gradient[d, k] += slopes[k]
            for t in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
                x = data[t]
                j = np.uint64(indices[t])
                for k in range(n_classes):
                    gradient[j, k] += x * slopes[k]
        if hessian.size:
            h = np.empty(m, data.dtype)
            for k in range(n_classes):
                for l in range(k + 1):
                    pair_curvature(s, start, p, k, l, h)
                    csr_add_hessian(data, indices, indptr, start, h, hessian[k, l])
    return value


@kernel("F[::1], I[::1], I[::1], F[::1], F, F[::1], f8[::1]")
def csr_product_pass(data, indices, indptr, s, shift, v, out):  # type: ignore[no-untyped-def]
    """Adds X' diag(s) (X v - shift) to `out`; returns the weighted sum of X v - shift."""
    sum_of_scores = 0.0
    for i in range(indptr.size - 1):
        score = -shift
        for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
            score += data[t] * v[np.uint64(indices[t])]
        if s.size:
            score *= s[i]
        sum_of_scores += score
        for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
            out[np.uint64(indices[t])] += score * data[t]
    return sum_of_scores


@kernel("F[::1], I[::1], I[::1], F[::1], f8[::1], f8[::1]")
def csr_column_sums(data, indices, indptr, s, sums, squares):  # type: ignore[no-untyped-def]
    """Adds to `sums` and `squares` the weighted sums of x and of its square, by column."""
    one = data.dtype.type(1)
    for i in range(indptr.size - 1):
        weight = s[i] if s.size else one
        for t in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
            sums[np.uint64(indices[t])] += weight * data[t]
            squares[np.uint64(indices[t])] += weight * data[t] * data[t]
