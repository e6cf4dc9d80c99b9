"""Crammer and Singer's multi-class support vector machine, by a sequential dual method.

    min_W  1/2 sum_k |w_k|^2 + sum_i c_i max_k (w_k.x_i + [k != y_i] - w_{y_i}.x_i)

Its dual has a block of K numbers a row: w_k = sum_i beta_ik x_i with beta_ik <= c_i [k = y_i] and sum_k beta_ik = 0.
One block, with all others fixed, is

    min_beta  A/2 |beta - v|^2    under these two conditions,     A = |x_i|^2,  v = beta_i - (W x_i + 1 - [. = y_i]) / A

that is beta_k = min(upper_k, v_k - theta), with the one theta for which they add up to 0: a projection, found
exactly among the sorted breakpoints. Rows are visited in an order shuffled each epoch; rows whose block has
nothing to gain are left out until the others are done. P - D bounds the distance from the optimum.

References
----------
K. Crammer, Y. Singer, JMLR 2 (2001), 265-292; S. S. Keerthi et al., "A sequential dual method for large scale
multi-class linear SVMs" (2008), doi:10.1145/1401890.1401942.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.optimization.dual_coordinate import FLAT, VISITS, shuffle, squared_norms
from tripos.optimization.result import Result, Stopping

GAP = 1e-6  # relative duality gap that tol=1e-4 asks for; scikit-learn's default ends at some 1e-5
EPOCHS = 100  # for each of `max_iter`: an epoch costs little once most rows are at rest
TIGHTEST = 1e-14
ROUNDING = 1e-14  # of c: smaller steps are those of a row at rest


@kernel
def class_scores(data, indices, begin, end, bias, W, scores):  # type: ignore[no-untyped-def]
    """scores_k = w_k.x_i; W has shape (n_features + 1, n_classes), the last row for the constant column."""
    n_classes = scores.size
    last = W.shape[0] - 1
    for k in range(n_classes):
        scores[k] = bias * W[last, k]
    for t in range(np.uint64(begin), np.uint64(end)):
        x = np.float64(data[t])
        row = W[np.uint64(indices[t]) if indices.size else t - np.uint64(begin)]
        for k in range(n_classes):
            scores[k] += x * row[k]


@kernel
def class_add(data, indices, begin, end, bias, step, W):  # type: ignore[no-untyped-def]
    """W += x_i step'."""
    n_classes = step.size
    last = W.shape[0] - 1
    for k in range(n_classes):
        W[last, k] += bias * step[k]
    for t in range(np.uint64(begin), np.uint64(end)):
        x = np.float64(data[t])
        row = W[np.uint64(indices[t]) if indices.size else t - np.uint64(begin)]
        for k in range(n_classes):
            row[k] += x * step[k]


@kernel
def project(v, y, c, slack, new):  # type: ignore[no-untyped-def]
    """new_k = min(c [k = y], v_k - theta) with sum_k new_k = 0; `slack` is room for the breakpoints.

    From theta = v_k - upper_k on coordinate k is free; sorted from the least of these breakpoints on, coordinates
    become free one by one until the sum is zero.
    """
    n_classes = v.size
    for k in range(n_classes):
        b = v[k] - (c if k == y else 0.0)
        j = k
        while j > 0 and slack[j - 1] > b:  # insertion: the classes are few
            slack[j] = slack[j - 1]
            j -= 1
        slack[j] = b
    # With the m least breakpoints free the sum is (their sum + c) - m theta.
    total = 0.0
    theta = 0.0
    for m in range(n_classes):
        total += slack[m]
        theta = (total + c) / (m + 1)
        if m + 1 == n_classes or theta <= slack[m + 1]:
            break
    for k in range(n_classes):
        upper = c if k == y else 0.0
        new[k] = min(upper, v[k] - theta)


@kernel(
    "F[::1], I[::1], I[::1], f8, i8[::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1], i8[::1], u8[::1], "
    "f8[::1], i8, f8"
)
def crammer_epochs(  # type: ignore[no-untyped-def]
    data, indices, indptr, bias, y, c, norms, beta, W, order, seed, state, epochs, tol
):
    """Epochs until the largest violation of all rows is at most `tol`; `state` as in `dual_coordinate.ascend`.

    Returns how many rows were visited.
    """
    n_classes = W.shape[1]
    d = W.shape[0] - 1
    scores = np.empty(n_classes)
    v = np.empty(n_classes)
    slack = np.empty(n_classes)
    new = np.empty(n_classes)
    n_active = np.int64(state[0])
    limit = state[1]
    visited = 0
    for _ in range(epochs):
        visited += int(n_active)
        shuffle(order, n_active, seed)
        worst = 0.0
        whole = n_active == order.size
        k = 0
        while k < n_active:
            i = order[k]
            begin = i * d if indptr.size == 0 else np.int64(indptr[i])
            end = begin + d if indptr.size == 0 else np.int64(indptr[i + 1])
            class_scores(data, indices, begin, end, bias, W, scores)
            A = max(norms[i], FLAT)
            rival = -np.inf
            for r in range(n_classes):
                g = scores[r] + (0.0 if r == y[i] else 1.0)
                v[r] = beta[i, r] - g / A
                if r != y[i]:
                    rival = max(rival, g)
            project(v, y[i], c[i], slack, new)
            size = 0.0
            for r in range(n_classes):
                step = new[r] - beta[i, r]
                v[r] = step
                size = max(size, abs(step))
            worst = max(worst, A * size if size > ROUNDING * c[i] else 0.0)
            if size > ROUNDING * c[i]:
                for r in range(n_classes):
                    beta[i, r] = new[r]
                class_add(data, indices, begin, end, bias, v, W)
            elif scores[y[i]] - rival > limit and beta[i, y[i]] == 0.0:
                n_active -= 1
                order[k] = order[n_active]
                order[n_active] = i
                continue
            k += 1
        limit = worst
        if worst <= tol:
            if whole:
                state[0], state[1], state[2] = n_active, limit, worst
                return visited
            n_active = order.size
            limit = np.inf
    state[0], state[1], state[2] = n_active, limit, np.inf
    return visited


@kernel("F[::1], I[::1], I[::1], f8, i8[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[::1]")
def crammer_values(data, indices, indptr, bias, y, c, beta, W, sums):  # type: ignore[no-untyped-def]
    """Makes W anew from beta; sums = (sum_i c_i L_i, sum_i beta_i,y_i)."""
    d = W.shape[0] - 1
    n_classes = W.shape[1]
    scores = np.empty(n_classes)
    for j in range(d + 1):
        for r in range(n_classes):
            W[j, r] = 0.0
    for i in range(y.size):
        begin = i * d if indptr.size == 0 else np.int64(indptr[i])
        end = begin + d if indptr.size == 0 else np.int64(indptr[i + 1])
        class_add(data, indices, begin, end, bias, beta[i], W)
    losses = 0.0
    own = 0.0
    for i in range(y.size):
        begin = i * d if indptr.size == 0 else np.int64(indptr[i])
        end = begin + d if indptr.size == 0 else np.int64(indptr[i + 1])
        class_scores(data, indices, begin, end, bias, W, scores)
        worst = 0.0
        for r in range(n_classes):
            if r != y[i]:
                worst = max(worst, scores[r] + 1.0 - scores[y[i]])
        losses += c[i] * worst
        own += beta[i, y[i]]
    sums[0] = losses
    sums[1] = own


def crammer_singer(
    X: Any,
    y: np.ndarray,
    n_classes: int,
    s: np.ndarray | None,
    C: float,
    bias: float,
    stopping: Stopping,
    seed: int,
) -> Result:
    """The minimum, as [W, b] of shape (n_classes, n_features + 1), or W alone for bias 0; flat.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : int64 ndarray of shape (n_rows,)
        Class codes.
    s : ndarray of shape (n_rows,), or None
    C, bias : float
    stopping : Stopping
        From `tol` follows the duality gap at the end.
    seed : int
    """
    n, d = X.shape
    none = np.zeros(0, np.int32)
    rows: Any = kernel_csr(X, ordered=False) if sp.issparse(X) else (kernel_array(X).reshape(-1), none, none)
    y = kernel_array(y, np.int64)
    c = np.full(n, C) if s is None else C * s
    beta, W, norms = np.zeros((n, n_classes)), np.zeros((d + 1, n_classes)), np.empty(n)
    squared_norms(int(rows[2].size == 0), *rows, bias, d, norms)  # type: ignore[call-arg]
    order, random = np.arange(n), np.array([seed * 2 + 0x9E3779B97F4A7C15], np.uint64)
    state, sums = np.array([n, np.inf, np.inf]), np.empty(2)
    precision = max(GAP * min(stopping.tol / 1e-4, 1e4), TIGHTEST)
    per_epoch = max(1.0, rows[0].size * n_classes / n)
    tol, visited, chunk = 0.1, 0, 4
    while True:
        epochs = max(1, min(chunk, int(VISITS / (per_epoch * max(1.0, state[0])))))
        visited += crammer_epochs(*rows, bias, y, c, norms, beta, W, order, random, state, epochs, tol)  # type: ignore[call-arg]
        done = -(-int(visited) // n)
        crammer_values(*rows, bias, y, c, beta, W, sums)  # type: ignore[call-arg]
        half = 0.5 * float(np.vdot(W, W))
        P, D = half + sums[0], sums[1] - half
        gap = (P - D) / P if P else 0.0
        stopping.record(done, P, np.array([gap]), W)
        reason: str | None = None
        if gap > precision:
            if stopping.asked_to_stop:
                reason = "a callback asked to stop"
            elif done >= EPOCHS * stopping.max_iter or tol < TIGHTEST:
                reason = f"after {done} epochs the duality gap is {gap:.3g} of the objective, {precision:.3g} was asked for"
            else:
                tol *= 0.03 if state[2] <= tol else 1.0
                chunk = min(2 * chunk, 1000)
                continue
        theta = np.vstack([W[:d], bias * W[d:]]).T if bias else W[:d].T
        said = reason or f"the duality gap, {gap:.3g} of the objective, is small enough"
        return Result(
            np.ascontiguousarray(theta).reshape(-1),
            float(P),
            float(gap),
            done,
            reason is None,
            said,
            stopping.history,
        )
