"""The best split of a node on one column: all cuts of its list, with the missing cells on either side.

A list holds the cells that differ from the column's default. Those below it are scanned from the smallest up, those
above from the largest down, so nothing has to be known about the rows without a cell. Missing cells have the
largest key: a scan that treats them as any other puts them to the right. For the left side they are added up first.

Levels of a category are put in the order of their mean (of two classes or numbers) or of the share of the node's largest
class; for two classes and squared error the best of all sets of levels is then among the cuts of that order.

References
----------
Breiman et al. (1984), theorem 4.5, for the order of levels.
Geurts, Ernst & Wehenkel, "Extremely randomized trees" (2006), for cuts at random.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.cart_scan import (
    CLASSES,
    LOSSES,
    ONE,
    losses_along,
    scan_losses,
    scan_many,
    scan_one,
)
from tripos.supervised.trees.cart_sort import HALF, MISSING, ROW, key_of, value_of

U = np.uint64
(
    KIND,
    CRITERION,
    N_OUTPUTS,
    LEAF,
    SPLIT,
    DEPTH,
    MAX_FEATURES,
    N_FEATURES,
    RANDOM,
    BEST_FIRST,
    MOST_LEAVES,
    MONOTONE,
) = range(12)
Q, CODES, OFFSETS, ROW_WEIGHTS, TABLE = range(5)  # of the target's arrays
LINES, SUMS, PLACES, LOSS, RANKS = range(5)  # of the scratch memory
ACC, REST, MEANS, MONO = range(4)  # of scratch[SUMS]
LEVEL_CODES, LEVEL_BEGINS, LEVEL_ORDER, FOUND = range(4)  # of scratch[PLACES]
LINE, LEVEL_LINE, BITS = range(3)  # of scratch[LINES]
COLUMN, LOW, HIGH, MISSING_LEFT = range(
    4
)  # of scratch[PLACES][FOUND]: the column, the keys beside the cut, where missing cells go
LEVELS = 256  # codes a category may have
GOLDEN, MIX_A, MIX_B = U(0x9E3779B97F4A7C15), U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)


@kernel
def mix(x):  # type: ignore[no-untyped-def]
    """A hash of 64 bits (splitmix64)."""
    z = U(x) + GOLDEN
    z = (z ^ (z >> U(30))) * MIX_A
    z = (z ^ (z >> U(27))) * MIX_B
    return z ^ (z >> U(31))


@kernel
def uniform(x):  # type: ignore[no-untyped-def]
    return np.float64(mix(x) >> U(11)) * 2.0**-53


@kernel
def first_above(E, lo, hi, key):  # type: ignore[no-untyped-def]
    """The first entry whose key is above `key`."""
    while lo < hi:
        mid = (lo + hi) >> 1
        if np.int64(E[U(mid)] >> HALF) > key:
            hi = mid
        else:
            lo = mid + 1
    return lo


@kernel(strict=True)
def random_key(E, lo, m, n_listed, n, default, seed):  # type: ignore[no-untyped-def]
    """The key of a number between the smallest and the largest value, below the largest; -1 where they are the same."""
    low, high = default, default
    if m > lo:
        low, high = np.int64(E[U(lo)] >> HALF), np.int64(E[U(m - 1)] >> HALF)
        if n_listed < n:
            low, high = min(low, default), max(high, default)
    if low == high:
        return -1
    a, b = np.float64(value_of(low)), np.float64(value_of(high))
    cut = np.int64(key_of(np.float32(a + uniform(seed) * (b - a))))
    return cut if low <= cut < high else low


@kernel(strict=True)
def search_cuts(E, lo, hi, default, node, T, target, opts, scratch, best, cut):  # type: ignore[no-untyped-def]
    """The best of all cuts of a column's list, or of the one at the key `cut` >= 0, with missing cells right and left.

    Up to four scans: from the smallest entry up to the default, from the largest down to it, each with the missing cells
    on the right, then on the left.
    """
    q, codes, offsets, w, table = target
    acc, mono, out = scratch[SUMS][ACC], scratch[SUMS][MONO], scratch[PLACES][FOUND]
    n, W, light = node
    C = T.size
    m = hi
    if hi > lo and np.int64(E[U(hi - 1)] >> HALF) == MISSING:
        m = first_above(E, lo, hi, MISSING - 1)
    d, after = hi, -1
    if hi - lo < n:
        d, after = first_above(E, lo, m, default), default
    for turn in range(4):
        left_missing, backward = turn >> 1, turn & 1
        if left_missing and m == hi:
            break
        stop = min(d, m) if left_missing else d
        end = m if left_missing else hi
        start, step, count = (end - 1, -1, end - stop) if backward else (lo, 1, stop - lo)
        a, b = (m, hi) if left_missing and not backward else (0, 0)  # entries that side A has from the start
        beyond = after
        skip = 0
        if cut >= 0:
            k = first_above(E, lo, m, cut)
            skip = (end - 1 - k) if backward else (k - 1 - lo)
            if backward == (after < 0 or default > cut) or skip < 0 or skip >= count:
                continue
            beyond, count = MISSING + 1, 1
        if count <= 0:
            continue
        for c in range(C + 1):
            acc[c] = 0.0
        N = (b - a) + skip
        for half in range(2):
            if half == 1:
                a, b = (start - skip + 1, start + 1) if backward else (start, start + skip)
            for k in range(a, b):
                r = E[U(k)] & ROW
                v = w[r] if w.size > 0 else 1.0
                acc[C] += v
                if opts[KIND] == CLASSES:
                    for o in range(codes.shape[1]):
                        acc[offsets[o] + codes[r, o]] += v
                else:
                    for c in range(C):
                        acc[c] += q[r, c]
        start += step * skip
        if opts[KIND] == ONE:
            g, k = scan_one(
                E, start, step, count, beyond, N, n, W, T[0], acc, q, w, table, opts[LEAF], light, mono, best
            )
        else:
            g, k = scan_many(
                E, start, step, count, beyond, N, n, W, T, acc, scratch[SUMS][REST], q, codes, offsets, w, table,
                opts[KIND], opts[CRITERION], opts[LEAF], light, mono, best,
            )  # fmt: skip
        if k >= 0:
            best = g
            here = np.int64(E[U(k)] >> HALF)
            there = beyond if k == start + step * (count - 1) else np.int64(E[U(k + step)] >> HALF)
            out[LOW], out[HIGH] = (there, here) if backward else (here, there)
            out[MISSING_LEFT] = left_missing
            if cut >= 0:
                out[LOW], out[HIGH] = cut, cut
    return best


@kernel(strict=True)
def write_line(E, lo, hi, m, default, rows, first, line, mark):  # type: ignore[no-untyped-def]
    """All the node's rows as entries in order, the default's among them; the missing ones first if `first`."""
    at = 0
    end = hi
    if first:
        end = m
        for k in range(m, hi):
            line[at] = E[k]
            at += 1
    d = end
    if hi - lo < rows.size:
        d = first_above(E, lo, m, default)
        for k in range(lo, hi):
            mark[E[k] & ROW] = 1
    for k in range(lo, d):
        line[at] = E[k]
        at += 1
    if hi - lo < rows.size:
        for i in range(rows.size):
            if mark[rows[i]] == 0:
                line[at] = (U(default) << HALF) | U(rows[i])
                at += 1
        for k in range(lo, hi):
            mark[E[k] & ROW] = 0
    for k in range(d, end):
        line[at] = E[k]
        at += 1


@kernel(strict=True)
def search_losses(E, lo, hi, default, rows, lists, held, node, target, opts, scratch, best, cut):  # type: ignore[no-untyped-def]
    """As `search_cuts` for the absolute error; held[o] is where in `lists` the node's rows stand by output o."""
    line, out, loss, ranks = scratch[LINES][LINE], scratch[PLACES][FOUND], scratch[LOSS], scratch[RANKS]
    q, w = target[Q], target[ROW_WEIGHTS]
    m = first_above(E, lo, hi, MISSING - 1)
    n = rows.size
    for side in range(2):
        if side == 1 and m == hi:
            break
        n_first = hi - m if side == 1 else 0
        write_line(E, lo, hi, m, default, rows, side == 1, line, ranks[opts[N_OUTPUTS]])
        for i in range(n):
            loss[0, i] = 0.0
            loss[1, i] = 0.0
            if cut >= 0:
                line[i] = (line[i] & ROW) | (U(i >= n_first and line[i] >> HALF > U(cut)) << HALF)
        for t in range(2 * q.shape[1]):
            o, b = t >> 1, t & 1
            losses_along(
                line, (n - 1) * b, 1 - 2 * b, n, o, ranks[o], lists[held[o, 1] : held[o, 2]], q, w, loss[4], loss[5],
                loss[b], loss[2 + b],
            )  # fmt: skip
        first = 0 if cut >= 0 else n_first
        g, k = scan_losses(
            line,
            n,
            first,
            node[1],
            w,
            loss[0],
            loss[1],
            loss[2:4],
            opts[LEAF],
            node[2],
            scratch[SUMS][MONO],
            best,
        )
        if k >= 0:
            best = g
            out[MISSING_LEFT] = side
            out[LOW], out[HIGH] = np.int64(line[k] >> HALF), np.int64(line[k + 1] >> HALF)
            if cut >= 0:
                out[LOW], out[HIGH] = cut, cut
    return best


@kernel(strict=True)
def order_levels(E, lo, hi, T, target, opts, scratch):  # type: ignore[no-untyped-def]
    """Writes a category's list with the place of each level in the order for its code; returns how many levels there
    are."""
    q, classes, w = target[Q], target[CODES], target[ROW_WEIGHTS]
    line, means, places = scratch[LINES][LEVEL_LINE], scratch[SUMS][MEANS], scratch[PLACES]
    codes, begins, order = places[LEVEL_CODES], places[LEVEL_BEGINS], places[LEVEL_ORDER]
    m = first_above(E, lo, hi, LEVELS)
    major = 0
    for c in range(1, target[OFFSETS][1] if opts[KIND] == CLASSES else 0):
        if T[c] > T[major]:
            major = c
    L = 0
    k = lo
    while k < m:
        code = E[k] >> HALF
        begins[L], codes[L] = k, np.int64(code)
        total, weight = 0.0, 0.0
        while k < m and E[k] >> HALF == code:
            r = E[k] & ROW
            v = w[r] if w.size > 0 else 1.0
            weight += v
            if opts[KIND] == CLASSES:
                total += v if classes[r, 0] == major else 0.0
            else:
                total += q[r, 0] * (v if opts[KIND] == LOSSES else 1.0)
            k += 1
        means[L] = total / weight
        j = L
        while j > 0 and means[order[j - 1]] > means[L]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = L
        L += 1
    begins[L] = m
    at = 0
    for i in range(L):
        for k in range(begins[order[i]], begins[order[i] + 1]):
            line[at] = (U(i) << HALF) | (E[k] & ROW)
            at += 1
    for k in range(m, hi):
        line[at] = E[k]
        at += 1
    return L


@kernel
def write_bits(L, scratch):  # type: ignore[no-untyped-def]
    """Words 0 to 3: the levels on the left of the cut found, words 4 to 7: all levels of the node."""
    bits, places = scratch[LINES][BITS], scratch[PLACES]
    for word in range(8):
        bits[word] = U(0)
    for i in range(L):
        code = U(places[LEVEL_CODES, places[LEVEL_ORDER, i]])
        bits[U(4) + (code >> U(6))] |= U(1) << (code & U(63))
        if i <= places[FOUND, LOW]:
            bits[code >> U(6)] |= U(1) << (code & U(63))
