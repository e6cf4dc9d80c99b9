"""How good each cut of a sorted list is, for every criterion of CART.

A cut parts the node's rows into A and B. Up to what is the same for all cuts of a node, its impurity decrease is
P(A) + P(B), where for sums s and the weight v of a side

    squares (Gini, squared error)    P = sum_c s_c^2 / v
    entropy                          P = sum_c s_c log s_c - v log v
    Poisson                          P = s log(s / v)
    absolute error                   P = - sum_i w_i |y_i - median|

Gini's s_c are the weights of the classes, so for two classes it is the squared error of a 0/1 target. All sums are of
whole numbers held in floats (`cart_target`), so they are exact in any order, and cuts that part the rows in the same way tie.

References
----------
Breiman, Friedman, Olshen & Stone, "Classification and regression trees" (1984), chapters 4 and 8.
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.cart_sort import HALF, ROW

U = np.uint64
SQUARES, ENTROPY, POISSON, ABSOLUTE = 0, 1, 2, 3  # criteria
ONE, CLASSES, DENSE, LOSSES = 0, 1, 2, 3  # what a row adds: one number; one per class; one per output; itself
WORST = -math.inf


@kernel(strict=True)
def allowed(mono, first, a, b):  # type: ignore[no-untyped-def]
    """Whether the means a and b of the two sides keep the direction and the bounds; `first` says if a is the left."""
    if mono[0] == 0.0 or mono[1] == 0.0:
        return True
    low, high = mono[2], mono[3]
    if a < low or a > high or b < low or b > high:
        return False
    return (a - b) * mono[1] * (1.0 if first else -1.0) <= 0.0


@kernel(strict=True)
def scan_one(E, start, step, m, after, N, n, W, T, acc, q, w, inv, leaf, light, mono, best):  # type: ignore[no-untyped-def]
    """The best cut behind one of the m entries from `start` on, where side A has acc = (sum, weight) and N rows before.

    `after` is the key beyond the last entry, -1 where there is none. Returns the cut's P and its entry, -1 if none
    is better than `best`.
    """
    S, V = acc[0], acc[1]
    at = -1
    k = start
    last = m - 1
    counted = w.size == 0 and inv.size > 0
    for i in range(m):
        r = E[U(k)] & ROW
        S += q[r, 0]
        R = T - S
        if counted:
            V += 1.0
            c = U(N + i + 1)
            g = S * S * inv[c] + R * R * inv[U(n) - c]
        else:
            V += w[r] if w.size > 0 else 1.0
            if inv.size > 0:
                g = S * S * inv[U(V)] + R * R * inv[U(W - V)]
            else:
                g = S * S / V + R * R / (W - V)
        if g > best:
            key = np.int64(E[U(k)] >> HALF)
            beyond = after if i == last else np.int64(E[U(k + step)] >> HALF)
            rows = N + i + 1
            if (
                beyond != key
                and beyond >= 0
                and rows >= leaf
                and n - rows >= leaf
                and V >= light
                and W - V >= light
            ):
                if allowed(mono, step > 0, S / V, R / (W - V)):
                    best = g
                    at = k
        k += step
    return best, at


@kernel(strict=True)
def xlogx(x, table):  # type: ignore[no-untyped-def]
    if table.size > 0:
        return table[U(x)]
    return x * math.log(x) if x > 0.0 else 0.0


@kernel(strict=True)
def worth(s, V, criterion, n_outputs, table):  # type: ignore[no-untyped-def]
    """P of a side with the sums s and the weight V."""
    total = 0.0
    if criterion == SQUARES:
        for c in range(s.size):
            total += s[c] * s[c]
        return total / V
    if criterion == ENTROPY:
        for c in range(s.size):
            total += xlogx(s[c], table)
        return total - n_outputs * xlogx(V, table)
    for c in range(s.size):
        if s[c] <= 0.0:
            return WORST
        total += s[c] * math.log(s[c] / V)
    return total


@kernel(strict=True)
def scan_many(  # type: ignore[no-untyped-def]
    E,
    start,
    step,
    m,
    after,
    N,
    n,
    W,
    T,
    acc,
    rest,
    q,
    codes,
    offsets,
    w,
    table,
    kind,
    criterion,
    leaf,
    light,
    mono,
    best,
):
    """As `scan_one` where a row adds to several sums; acc holds them and, last, the weight."""
    C = T.size
    V = acc[C]
    for c in range(C):
        rest[c] = T[c] - acc[c]
    at = -1
    k = start
    n_outputs = codes.shape[1] if kind == CLASSES else q.shape[1]
    squares = kind == CLASSES and criterion == SQUARES
    a2, b2 = 0.0, 0.0
    if squares:
        for c in range(C):
            a2 += acc[c] * acc[c]
            b2 += rest[c] * rest[c]
    for i in range(m):
        r = E[U(k)] & ROW
        key = np.int64(E[U(k)] >> HALF)
        v = w[r] if w.size > 0 else 1.0
        V += v
        if kind == CLASSES:
            for o in range(n_outputs):
                c = U(offsets[o] + codes[r, U(o)])  # type: ignore[assignment]
                a2 += v * (acc[c] + acc[c] + v)
                b2 -= v * (rest[c] + rest[c] - v)
                acc[c] += v
                rest[c] -= v
        else:
            for c in range(C):
                acc[c] += q[r, c]
                rest[c] -= q[r, c]
        beyond = after if i == m - 1 else np.int64(E[U(k + step)] >> HALF)
        k += step
        if beyond == key or beyond < 0:
            continue
        rows = N + i + 1
        if rows < leaf or n - rows < leaf or V < light or W - V < light:
            continue
        if squares:
            g = a2 / V + b2 / (W - V)
        else:
            g = worth(acc[:C], V, criterion, n_outputs, table) + worth(
                rest[:C], W - V, criterion, n_outputs, table
            )
        if g > best and (C > 2 or allowed(mono, step > 0, acc[C - 1] / V, rest[C - 1] / (W - V))):
            best = g
            at = k - step
    return best, at


@kernel(strict=True)
def fenwick_add(tree, i, v):  # type: ignore[no-untyped-def]
    i += 1
    while i < tree.size:
        tree[i] += v
        i += i & -i


@kernel(strict=True)
def median_of(weights, sums, half, size):  # type: ignore[no-untyped-def]
    """Position of the weighted median among ranks, and the weight and sum of all ranks before it."""
    at, below, sum_below = 0, 0.0, 0.0
    bit = size
    while bit > 0:
        if at + bit < weights.size and below + weights[at + bit] < half:
            at += bit
            below += weights[at]
            sum_below += sums[at]
        bit >>= 1
    return at, below, sum_below


@kernel(strict=True)
def losses_along(order, first, step, m, o, rank, by_rank, q, w, weights, sums, loss, median):  # type: ignore[no-untyped-def]
    """Adds to loss[i] the absolute loss of output o around the median of the first i + 1 rows; O(m log m)."""
    for i in range(m + 1):
        weights[i] = 0.0
        sums[i] = 0.0
    size = 1
    while size * 2 <= m:
        size *= 2
    W, S = 0.0, 0.0
    k = first
    for i in range(m):
        r = order[U(k)] & ROW
        v = w[r] if w.size > 0 else 1.0
        y = q[r, U(o)]
        W += v
        S += v * y
        fenwick_add(weights[: m + 1], np.int64(rank[r]), v)
        fenwick_add(sums[: m + 1], np.int64(rank[r]), v * y)
        at, below, sum_below = median_of(weights[: m + 1], sums[: m + 1], 0.5 * W, size)
        y = q[by_rank[at] & ROW, U(o)]
        loss[i] += y * below - sum_below + (S - sum_below) - y * (W - below)
        median[i] = y
        k += step


@kernel(strict=True)
def scan_losses(E, m, n_first, W, w, left, right, medians, leaf, light, mono, best):  # type: ignore[no-untyped-def]
    """The best cut of m entries, all the node's rows in order, with the losses of the first i and of the last i; not
    within the first n_first."""
    at = -1
    V = 0.0
    for i in range(m - 1):
        r = E[U(i)] & ROW
        V += w[r] if w.size > 0 else 1.0
        if E[U(i)] >> HALF == E[U(i + 1)] >> HALF or i < n_first:
            continue
        g = -(left[i] + right[m - 2 - i])
        if g > best and i + 1 >= leaf and m - i - 1 >= leaf and V >= light and W - V >= light:
            if allowed(mono, True, medians[0, i], medians[1, m - 2 - i]):
                best = g
                at = i
    return best, at
