"""The best cut of a column of numbers where rows are of several classes, by Gini's index, in whole numbers.

With T_c the weight of class c in a node and L_c in a part of it, W and l their sums, a cut leaves

    sum_c L_c^2 / l + sum_c R_c^2 / (W - l),    sum_c R_c^2 = sum T_c^2 - 2 sum T_c L_c + sum L_c^2,

so three running sums tell all. Few rows are put in order by counting, for each, the bins below its own, which needs no branch;
of many, the weights of each bin and class are added up. A column of two bins needs the rows of the upper one alone.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.forest_rows import inlined, lowest_bit

U = np.uint64
FEW = 16  # rows that are put in order
SPARSE = 128  # rows below which the bins in use are named
LANES = 8  # classes are added up in groups of so many


@kernel
def try_few_classes(bins, classes, whole, m, W, squares, tools):  # type: ignore[no-untyped-def]
    """What the best cut between at most sixteen rows leaves, and its bin; -1e300 where all share a bin."""
    _, _, left, totals, keys, order, _ = tools
    for i in range(U(m)):
        keys[i] = (U(bins[i]) << U(8)) | i
    for i in range(U(m), U(FEW)):
        keys[i] = ~U(0)
    for i in range(U(m)):
        rank, key = U(0), keys[i]
        for k in range(U(FEW)):
            rank += U(keys[k] < key)
        order[rank] = key
    for d in range(U(left.size)):
        left[d] = 0.0
    l, a, cross, most, t = 0.0, 0.0, 0.0, -1e300, 0
    for k in range(U(m - 1)):
        i = order[k] & U(255)
        c, w = U(classes[i]), np.float64(whole[i])
        x = left[c]
        left[c] = x + w
        l += w
        a += w * (x + x + w)
        cross += w * totals[c]
        b, after = order[k] >> U(8), order[k + U(1)] >> U(8)
        score = a / l + (squares - 2.0 * cross + a) / (W - l)
        if b != after and score > most:
            most, t = score, np.int64(b + after - U(1)) // 2  # type: ignore[assignment]
    return most, t


@kernel
def try_two_bins(bins, high, classes, whole, m, W, squares, tools):  # type: ignore[no-untyped-def]
    """What the cut of a column with two bins leaves."""
    _, _, left, totals, _, _, picked = tools
    n = U(0)
    for i in range(U(m)):
        picked[n] = np.int32(i)
        n += U(bins[i] == np.uint8(high))
    for d in range(U(left.size)):
        left[d] = 0.0
    for k in range(n):
        i = U(picked[k])  # type: ignore[assignment]
        left[U(classes[i])] += np.float64(whole[i])
    l, a, cross = 0.0, 0.0, 0.0
    for d in range(U(left.size)):
        l += left[d]
        a += left[d] * left[d]
        cross += left[d] * totals[d]
    return a / l + (squares - 2.0 * cross + a) / (W - l)


@kernel
def take_bin(sums, b, left, totals):  # type: ignore[no-untyped-def]
    """Moves a bin's weights to the left side and clears them; the side's weight, squares and products with the totals."""
    l, a, cross = 0.0, 0.0, 0.0
    n = U(left.size)
    for s in range(U(0), n, U(LANES)):
        for d in range(s, s + U(LANES)):
            x = left[d] + np.float64(sums[b * n + d])
            sums[b * n + d] = np.int32(0)
            left[d] = x
            l += x
            a += x * x
            cross += x * totals[d]
    return l, a, cross


@kernel
def try_many_classes(bins, low, high, classes, whole, m, W, squares, tools):  # type: ignore[no-untyped-def]
    """As `try_few_classes` for more rows, whose bins lie between `low` and `high`."""
    sums, bitmap, left, totals, _, _, _ = tools
    n = U(left.size)
    for i in range(U(m)):
        sums[U(bins[i]) * n + U(classes[i])] += whole[i]
    for d in range(n):
        left[d] = 0.0
    most, t, last, open_end = -1e300, 0, 0.0, False
    best = U(0)
    if m < SPARSE:
        for i in range(U(m)):
            b = U(bins[i])
            bitmap[b >> U(6)] |= U(1) << (b & U(63))
        for k in range(U(4)):
            word = bitmap[k]
            bitmap[k] = U(0)
            while word != U(0):
                b = U(64) * k + lowest_bit(word)
                word &= word - U(1)
                if open_end:
                    t, open_end = np.int64(best + b - U(1)) // 2, False  # type: ignore[assignment]
                l, a, cross = take_bin(sums, b, left, totals)
                score = a / l + (squares - 2.0 * cross + a) / (W - l)
                if b != U(high) and score > most:
                    most, best, open_end = score, b, True
        return most, t
    for b in range(U(low), U(high) + U(1)):  # type: ignore[assignment]
        l, a, cross = take_bin(sums, b, left, totals)
        if open_end and l > last:
            t, open_end = np.int64(best + b - U(1)) // 2, False  # type: ignore[assignment]
        last = l
        score = a / l + (squares - 2.0 * cross + a) / (W - l)
        if b != U(high) and score > most:
            most, best, open_end = score, b, True
    return most, t


@inlined
@kernel
def try_classes(bins, low, high, classes, whole, m, W, squares, tools):  # type: ignore[no-untyped-def]
    """What the best cut of a column leaves, and its bin; the column is not constant."""
    if m <= FEW:
        return try_few_classes(bins, classes, whole, m, W, squares, tools)
    if high == low + 1:
        return try_two_bins(bins, high, classes, whole, m, W, squares, tools), low
    return try_many_classes(bins, low, high, classes, whole, m, W, squares, tools)
