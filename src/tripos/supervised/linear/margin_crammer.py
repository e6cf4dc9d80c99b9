"""Crammer and Singer's multi-class support vector machine, by a sequential dual method.

    min_W  1/2 sum_k |w_k|^2 + sum_i c_i max_k (w_k.x_i + [k != y_i] - w_{y_i}.x_i)

Its dual has a block of K numbers a row: w_k = sum_i beta_ik x_i with beta_ik <= c_i [k = y_i] and sum_k beta_ik = 0.
One block, with all others fixed, is

    min_beta  A/2 |beta - v|^2    under these two conditions,     A = |x_i|^2,  v = beta_i - (W x_i + 1 - [. = y_i]) / A

that is beta_k = min(upper_k, v_k - theta), with the one theta for which they add up to 0: a projection, found
exactly among the sorted breakpoints. Rows are visited in an order shuffled each epoch. A row whose block rests in a
corner (one free coordinate: beyond the margin, or all c on one wrong class) is left out; P - D, which bounds the
distance from the optimum, is looked at when D promises to grow by little, and rows that it finds wanting come back.

Two classes are a hinge loss in v = w_1 - w_0, with twice C and half the objective, and are left to those who do that.

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
from tripos.optimization.dual_coordinate import VISITS
from tripos.optimization.dual_kernels import (
    ACTIVE,
    DUAL,
    FLAT,
    IN_SIGHT,
    WORST,
    expected_growth,
    shuffle,
    squared_norms,
    wake,
)
from tripos.optimization.result import Result, Stopping

GAP = 3e-6  # relative duality gap that tol=1e-4 asks for; scikit-learn's default ends at some 1e-5
VIOLATION = (
    0.1  # of tol: largest violation of a row's optimality that ends it too; scikit-learn's ends at tol
)
SURE = 0.3  # growth of D in sight at which the gap is looked at, as a share of the gap that is wanted
EPOCHS = 100  # for each of `max_iter`: an epoch costs little once most rows are at rest
TIGHTEST = 1e-14
CHUNK = 1000  # epochs in one call of the kernel at most
ROUNDING = 1e-13  # a smaller violation is that of a row at rest


@kernel
def class_scores(dense, data, indices, begin, end, bias, W, scores):  # type: ignore[no-untyped-def]
    """scores_k = w_k.x_i. The last coefficient of each class is that of the constant column.

    W has shape (n_classes, n_features + 1) for an array, whose features then lie side by side, and is its transpose
    for CSR rows, where the classes do.
    """
    n_classes = scores.size
    if dense:
        d = np.uint64(W.shape[1] - 1)
        first = np.uint64(begin)
        for k in range(np.uint64(n_classes)):
            total = bias * W[k, d]
            for j in range(d):
                total += data[first + j] * W[k, j]
            scores[k] = total
        return
    last = W.shape[0] - 1
    for k in range(n_classes):
        scores[k] = bias * W[last, k]
    for t in range(np.uint64(begin), np.uint64(end)):
        x = np.float64(data[t])
        j = np.uint64(indices[t])  # type: ignore[assignment]
        for k in range(n_classes):
            scores[k] += x * W[j, k]


@kernel
def class_add(dense, data, indices, begin, end, bias, step, W):  # type: ignore[no-untyped-def]
    """W += x_i step', for the classes that have one."""
    n_classes = step.size
    last = np.uint64(W.shape[1 if dense else 0] - 1)
    first = np.uint64(begin)
    for k in range(np.uint64(n_classes)):
        s = step[k]
        if s == 0.0:
            continue
        if dense:
            for j in range(last):
                W[k, j] += s * data[first + j]
            W[k, last] += s * bias
        else:
            for t in range(first, np.uint64(end)):
                W[np.uint64(indices[t]), k] += s * np.float64(data[t])
            W[last, k] += s * bias


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


@kernel
def spread(scores, y, c, beta):  # type: ignore[no-untyped-def]
    """(max_k G_k - min of G over free k, number of free k) of a row, G_k = scores_k + [k != y]: 0 at its optimum.

    A coordinate is free below its bound. Negative: the largest G is that of the only free one, by so much.
    """
    least = np.inf
    bound = -np.inf
    most = -np.inf
    free = 0
    for r in range(scores.size):
        g = scores[r] + (0.0 if r == y else 1.0)
        if beta[r] < (c if r == y else 0.0):
            free += 1
            least = min(least, g)
            most = max(most, g)
        else:
            bound = max(bound, g)
    return max(bound - least, most - least if free > 1 else -np.inf), free


@kernel(
    "F[::1], I[::1], I[::1], f8, i8[::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1], i8[::1], u8[::1], "
    "f8[::1], i8, f8, f8"
)
def crammer_epochs(  # type: ignore[no-untyped-def]
    data, indices, indptr, bias, y, c, norms, beta, W, order, seed, state, epochs, tol, share
):
    """Epochs until the largest violation of the rows not left out is at most `tol`, or the growth of D in sight at most `share`
    of D; `state` as in `dual_coordinate.ascend`.

    Returns how many rows were visited.
    """
    dense = indptr.size == 0
    n_classes = beta.shape[1]
    d = W.shape[1] - 1
    scores = np.empty(n_classes)
    v = np.empty(n_classes)
    slack = np.empty(n_classes)
    new = np.empty(n_classes)
    n_active = np.int64(state[ACTIVE])
    value = state[DUAL]
    visited = 0
    state[WORST], state[IN_SIGHT] = np.inf, np.inf
    for _ in range(epochs):
        shuffle(order, n_active, seed)
        worst = 0.0
        grown = 0.0
        whole = n_active == order.size
        k = 0
        while k < n_active:
            i = order[k]
            visited += 1
            begin = i * d if dense else np.int64(indptr[i])
            end = begin + d if dense else np.int64(indptr[i + 1])
            own = beta[i]
            class_scores(dense, data, indices, begin, end, bias, W, scores)
            wrong, free = spread(scores, y[i], c[i], own)
            if wrong <= 0.0 and free == 1:
                n_active -= 1
                order[k] = order[n_active]
                order[n_active] = i
                continue
            k += 1
            if wrong <= ROUNDING:
                continue
            worst = max(worst, wrong)
            A = max(norms[i], FLAT)
            for r in range(n_classes):
                v[r] = own[r] - (scores[r] + (0.0 if r == y[i] else 1.0)) / A
            project(v, y[i], c[i], slack, new)
            for r in range(n_classes):
                step = new[r] - own[r]
                grown -= step * (scores[r] + (0.0 if r == y[i] else 1.0) + 0.5 * A * step)
                own[r] = new[r]
                v[r] = step
            class_add(dense, data, indices, begin, end, bias, v, W)
        value += grown
        sight = expected_growth(state, grown)
        if worst <= TIGHTEST and not whole:
            n_active = order.size
        elif worst <= tol:
            state[WORST] = worst
            break
        elif sight <= share * value:
            state[IN_SIGHT] = sight
            break
    state[ACTIVE], state[DUAL] = n_active, value
    return visited


@kernel("F[::1], I[::1], I[::1], f8, i8[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[::1], u1[::1]")
def crammer_values(data, indices, indptr, bias, y, c, beta, W, sums, at_rest):  # type: ignore[no-untyped-def]
    """Makes W anew from beta; sums = (sum_i c_i L_i, sum_i beta_i,y_i, largest violation); `at_rest`: rows whose block
    gains nothing."""
    dense = indptr.size == 0
    d = W.shape[1] - 1
    scores = np.empty(beta.shape[1])
    n_classes = scores.size
    for r in range(W.shape[0]):
        for j in range(W.shape[1]):
            W[r, j] = 0.0
    for i in range(y.size):
        begin = i * d if dense else np.int64(indptr[i])
        end = begin + d if dense else np.int64(indptr[i + 1])
        if beta[i, y[i]] != 0.0:
            class_add(dense, data, indices, begin, end, bias, beta[i], W)
    losses = 0.0
    violation = 0.0
    own = 0.0
    for i in range(y.size):
        begin = i * d if dense else np.int64(indptr[i])
        end = begin + d if dense else np.int64(indptr[i + 1])
        class_scores(dense, data, indices, begin, end, bias, W, scores)
        worst = 0.0
        for r in range(n_classes):
            if r != y[i]:
                worst = max(worst, scores[r] + 1.0 - scores[y[i]])
        losses += c[i] * worst
        own += beta[i, y[i]]
        wrong = spread(scores, y[i], c[i], beta[i])[0]
        violation = max(violation, wrong)
        at_rest[i] = wrong <= ROUNDING
    sums[0] = losses
    sums[1] = own
    sums[2] = violation


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
    dense = rows[2].size == 0
    beta, norms = np.zeros((n, n_classes)), np.empty(n)
    W = np.zeros((n_classes, d + 1) if dense else (d + 1, n_classes))
    squared_norms(int(dense), *rows, bias, d, norms)  # type: ignore[call-arg]
    order, random = np.arange(n), np.array([seed * 2 + 0x9E3779B97F4A7C15], np.uint64)
    state, sums = np.array([n, np.inf, np.inf, 0.0, np.inf, np.inf, np.inf, np.inf]), np.empty(3)
    at_rest = np.zeros(n, np.uint8)
    precision = max(GAP * min(stopping.tol / 1e-4, 1e4), TIGHTEST)
    per_epoch = max(1.0, rows[0].size * n_classes / n)
    share, tol, visited, looks = SURE * precision, VIOLATION * stopping.tol, 0, 4 * n
    while True:
        epochs = max(1, min(CHUNK, int(VISITS / (per_epoch * max(1.0, state[ACTIVE])))))
        visited += crammer_epochs(  # type: ignore[call-arg]
            *rows, bias, y, c, norms, beta, W, order, random, state, epochs, tol, share
        )
        near, done = min(state[WORST], state[IN_SIGHT]) < np.inf, -(-int(visited) // n)
        if not near and visited < looks and done < EPOCHS * stopping.max_iter:
            continue
        crammer_values(*rows, bias, y, c, beta, W, sums, at_rest)  # type: ignore[call-arg]
        half = 0.5 * float(np.vdot(W, W))
        P, D = half + sums[0], sums[1] - half
        gap = (P - D) / P if P else 0.0
        stopping.record(done, P, np.array([gap]), W)
        reason: str | None = None
        if gap > precision and not sums[2] <= VIOLATION * stopping.tol:
            if stopping.asked_to_stop:
                reason = "a callback asked to stop"
            elif done >= EPOCHS * stopping.max_iter or min(state[WORST], tol) <= TIGHTEST:
                reason = f"after {done} epochs the duality gap is {gap:.3g} of the objective, {precision:.3g} was asked for"
            else:
                if near:
                    share *= min(0.5, max(0.02, 0.5 * precision / gap))
                tol *= 0.5 if state[WORST] <= tol else 1.0
                looks *= 1 if visited < looks else 4
                state[DUAL] = D
                state[ACTIVE] = wake(order, int(state[ACTIVE]), at_rest)  # type: ignore[call-arg]
                continue
        theta = W.copy() if dense else W.T.copy()
        theta[:, d] *= bias
        theta = theta if bias else theta[:, :d]
        said = (
            reason
            or f"the duality gap, {gap:.3g} of the objective, or the largest violation, {sums[2]:.3g}, is small enough"
        )
        return Result(
            np.ascontiguousarray(theta).reshape(-1),
            float(P),
            float(gap),
            done,
            reason is None,
            said,
            stopping.history,
        )
