"""The best split of a node where one number per row tells everything: two classes, or one target.

For 0/1 labels the Gini index is twice the variance, so one gain serves both. With weight W and sum S of a node, l and
s of its left side, r = W - l,

    gain = D^2 W / (l r),    D = s - l S / W,

which is what the sum of squares falls by. Entropy gains by sum n log n, the Poisson deviance by sum s log(s / l).

A bin's weight and sum are one integer of 64 bits, so that a row costs one addition. A node's values are taken
less the smallest, and shifted to what 32 bits hold; small nodes have few bins in use, which a bitmap of 256 bits names.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import log
from tripos.supervised.trees.forest_rows import (
    BETTER,
    COUNTED,
    CRITERION,
    FOUND_BIN,
    FOUND_FEATURE,
    FOUND_LEVELS,
    FOUND_SIDE,
    MIN_LEAF,
    MIN_WEIGHT,
    MISSING_BIN,
    N_TRIED,
    POISSON,
    RANDOM_CUTS,
    ROW,
    SQUARED,
    WEIGHT_AT,
    draw,
    draw_column,
    highest_known,
    inlined,
    is_known,
    lowest_bit,
    note_constant,
    put_back,
    random_cut,
    random_levels,
    read_bins,
    read_span,
    take,
)

U = np.uint64
LOWER, HALF = U(0xFFFFFFFF), U(0x7FFFFFFF)
FEW = 64  # rows below which the bins in use are named instead of searched
PERFECT = 1.0 - 5e-7  # of the most possible: nothing that follows would be better
F0 = np.float32(0.0)


@kernel
def read_values(keys, q, s, m, from_zero, always, values):  # type: ignore[no-untyped-def]
    """values[:m] = weight | weight * value << 32; returns their sum, what was taken off, the shift, and whether all are
    equal. Equal ones are written only if `always`."""
    weight, low, high = U(0), q[U(s)], q[U(s)]
    for i in range(U(m)):
        weight += keys[U(s) + i] >> WEIGHT_AT
        low = min(low, q[U(s) + i])
        high = max(high, q[U(s) + i])
    base = np.int64(0) if from_zero else np.int64(low)
    spread, shift, total = U(np.int64(high) - base), U(0), U(0)
    while weight * (spread >> shift) > HALF:
        shift += U(1)
    if low == high and not always:
        return weight | ((weight * (spread >> shift)) << WEIGHT_AT), base, np.int64(shift), True
    for i in range(U(m)):
        w = keys[U(s) + i] >> WEIGHT_AT
        v = w | ((w * (U(np.int64(q[U(s) + i]) - base) >> shift)) << WEIGHT_AT)
        values[i] = v
        total += v
    return total, base, np.int64(shift), low == high


@kernel
def gain_of(criterion, l, s, W, S):  # type: ignore[no-untyped-def]
    """What a split with weight l and sum s on the left gains, in units of the values; -1 where it is not allowed."""
    r, z = W - l, S - s
    if criterion == SQUARED:
        D = s - l * (S / W)
        return D * D * W / (l * r)
    if criterion == POISSON:
        if s <= 0.0 or z <= 0.0:
            return -1.0
        return s * log(s / l) + z * log(z / r) - S * log(S / W)
    return (
        _n_log_n(s)
        + _n_log_n(l - s)
        - _n_log_n(l)
        + _n_log_n(z)
        + _n_log_n(r - z)
        - _n_log_n(r)
        + (_n_log_n(W) - _n_log_n(S) - _n_log_n(W - S))
    )


@kernel
def _n_log_n(n):  # type: ignore[no-untyped-def]
    return n * log(n) if n > 0.0 else 0.0


@kernel
def gains_of(weights, tops, n, total, gains):  # type: ignore[no-untyped-def]
    """Gains of cuts after each of n running weights and sums, and the place of the largest; -1 where a side is empty.

    In loops that vectorise: 32-bit integers become floats eight at a time, and floats from 0 on compare as integers.
    """
    W, S = np.float32(np.int32(total & LOWER)), np.float32(np.int32(total >> WEIGHT_AT))
    mean = S / W
    for b in range(n):
        l = np.float32(weights[b])
        D = np.float32(tops[b]) - l * mean
        r = W - l
        inside = (l > F0) & (r > F0)
        gain = D * D * W / (l * r)
        gains[b] = gain if inside else np.float32(-1.0)
    bits = gains.view(np.int32)
    most = bits[0]
    for b in range(n):
        most = max(most, bits[b])
    at = 0
    while bits[at] != most:
        at += 1
    return gains[at], at


@inlined
@kernel
def scan_all(sums, total, weights, tops, gains):  # type: ignore[no-untyped-def]
    """The gain of the best of all cuts, and its bin, halfway to the next one in use. Leaves sums cleared."""
    acc = U(0)
    for b in range(U(256)):
        acc += sums[b]
        weights[b] = np.int32(acc & LOWER)
        tops[b] = np.int32(acc >> WEIGHT_AT)
    most, at = gains_of(weights, tops, U(255), total, gains)
    after = at + 1
    if most >= F0:
        while sums[after] == U(0):
            after += 1
    for b in range(U(256)):
        sums[b] = U(0)
    return np.float64(most), (at + after - 1) // 2


@inlined
@kernel
def scan_few(sums, bitmap, total, weights, tops, gains, order):  # type: ignore[no-untyped-def]
    """As `scan_all`, over the bins that the bitmap names; leaves sums and bitmap cleared."""
    acc, n = U(0), U(0)
    for k in range(U(4)):
        word = bitmap[k]
        bitmap[k] = U(0)
        while word != U(0):
            b = U(64) * k + lowest_bit(word)
            word &= word - U(1)
            acc += sums[b]
            sums[b] = U(0)
            weights[n] = np.int32(acc & LOWER)
            tops[n] = np.int32(acc >> WEIGHT_AT)
            order[n] = np.int64(b)
            n += U(1)
    if n < U(2):
        return -1.0, 0
    most, at = gains_of(weights, tops, n - U(1), total, gains)
    return np.float64(most), (order[at] + order[at + 1] - 1) // 2


@kernel
def bins_in_use(sums, counts, categorical, order, shares):  # type: ignore[no-untyped-def]
    """Bins in use but the one for missing cells: by number, or levels by their mean; returns how many."""
    n = 0
    for b in range(255):
        if counts[b] == 0:
            continue
        share = 0.0
        if categorical:
            share = np.float64(sums[b] >> WEIGHT_AT) / np.float64(sums[b] & LOWER)
        i = n
        while i > 0 and categorical and shares[i - 1] > share:
            shares[i], order[i] = shares[i - 1], order[i - 1]
            i -= 1
        shares[i], order[i] = share, b
        n += 1
    return n


@kernel
def scan_ordered(  # type: ignore[no-untyped-def]
    sums, counts, order, n, gaps, gaps_left, total, m, settings, least, direction, low, high
):
    """The best prefix of bins in `order`, with missing cells on one side: gain, and the place of the prefix's end.

    `low` and `high` bound the means of both sides, in units of the values.
    """
    acc, rows, most, best = U(0), 0, -1.0, -1
    W, S = np.float64(np.int64(total & LOWER)), np.float64(np.int64(total >> WEIGHT_AT))
    if gaps_left:
        acc, rows = sums[255], counts[255]
    last = n if gaps and not gaps_left else n - 1
    for i in range(last):
        acc += sums[order[i]]
        rows += counts[order[i]]
        l = np.float64(np.int64(acc & LOWER))
        s = np.float64(np.int64(acc >> WEIGHT_AT))
        r = W - l
        if rows < settings[MIN_LEAF] or m - rows < settings[MIN_LEAF] or l < least or r < least:
            continue
        if direction != 2:
            a, b = s / l, (S - s) / r
            if (b - a) * direction < 0.0 or min(a, b) < low or max(a, b) > high:
                continue
        gain = gain_of(settings[CRITERION], l, s, W, S)
        if gain > most:
            most, best = gain, i
    return most, best


@kernel
def count_bins(bins, values, m, sums, counts):  # type: ignore[no-untyped-def]
    """Sums and rows of each bin."""
    for b in range(256):
        sums[b] = U(0)
        counts[b] = 0
    for i in range(U(m)):
        sums[bins[i]] += values[i]
        counts[bins[i]] += 1


@inlined
@kernel
def try_plain(bins, values, m, total, hist):  # type: ignore[no-untyped-def]
    """Gain and bin of the best cut of a numeric feature without missing cells or limits; -2 where it is constant."""
    sums, _, bitmap, weights, tops, gains, order, _ = hist
    for i in range(U(m)):
        sums[bins[i]] += values[i]
    if m >= FEW:
        return scan_all(sums, total, weights, tops, gains)
    for i in range(U(m)):
        b = U(bins[i])
        bitmap[b >> U(6)] |= U(1) << (b & U(63))
    return scan_few(sums, bitmap, total, weights, tops, gains, order)


@kernel
def try_pair(cells, stride, j, keys, q, s, found):  # type: ignore[no-untyped-def]
    """The gain of a cut between two rows, -1 where they share a bin; the bins it lies between go to `found`."""
    a, b = keys[U(s)], keys[U(s) + U(1)]
    x = np.int64(cells[(a & ROW) * U(stride) + U(j)])
    y = np.int64(cells[(b & ROW) * U(stride) + U(j)])
    if x == y:
        return -1.0
    D = np.float64(q[U(s)]) - np.float64(q[U(s) + U(1)])
    w, v = np.float64(np.int64(a >> WEIGHT_AT)), np.float64(np.int64(b >> WEIGHT_AT))
    found[FOUND_SIDE], found[FOUND_BIN], found[FOUND_LEVELS] = min(x, y), max(x, y), 0
    return D * D * w * v / (w + v)


@kernel
def try_ordered(  # type: ignore[no-untyped-def]
    bins, values, m, total, hist, settings, least, categorical, direction, low, high, found, bits
):
    """As `try_plain`, for every feature and setting: writes the split into `found` and `bits`."""
    sums, counts, _, _, _, _, order, shares = hist
    count_bins(bins, values, m, sums, counts)
    n = bins_in_use(sums, counts, categorical, order, shares)
    gaps = counts[255] > 0
    most, best, side = -1.0, -1, 0
    for gaps_left in range(2 if gaps and n else 1):
        gain, at = scan_ordered(
            sums, counts, order, n, gaps, gaps_left == 1, total, m, settings, least, direction, low, high
        )
        if gain > most:
            most, best, side = gain, at, gaps_left
    constant = n + gaps < 2
    if best >= 0:
        write_split(order, n, best, side, categorical, gaps, found, bits)
    for b in range(256):
        sums[b] = U(0)
    return most, constant


@kernel
def write_split(order, n, best, side, categorical, gaps, found, bits):  # type: ignore[no-untyped-def]
    """The split after the place `best` of `order`; a side of 2 is left open: where most rows go."""
    found[FOUND_LEVELS] = categorical
    found[FOUND_SIDE] = side if gaps else 2
    if categorical:
        for k in range(4):
            bits[k] = U(0)
        for i in range(best + 1):
            b = U(order[i])
            bits[b >> U(6)] |= U(1) << (b & U(63))
        if gaps and side == 1:
            bits[3] |= U(1) << U(63)
    else:
        t = order[best]
        found[FOUND_BIN] = (t + order[best + 1] - 1) // 2 if best + 1 < n else t


@inlined
@kernel
def try_random(  # type: ignore[no-untyped-def]
    bins, first, last, values, m, total, settings, least, categorical, centers, direction, low, high, rng, found, bits
):  # fmt: skip
    """One random cut of a feature: its gain, -1 where limits forbid it; and whether the feature is constant."""
    gaps = last == MISSING_BIN
    if gaps:
        last = highest_known(bins, m)
    side, t = (np.int64(draw(rng) >> U(63)) if gaps else 0), first
    found[FOUND_LEVELS] = categorical
    if categorical:
        if not random_levels(bins, m, rng, bits):
            return -1.0, True
    elif first < last:
        t = random_cut(centers, first, last, rng)
    else:
        side = 0
    acc, rows = U(0), 0
    if categorical:
        for i in range(U(m)):
            b = U(bins[i])
            if (bits[b >> U(6)] >> (b & U(63))) & U(1):
                acc += values[i]
                rows += 1
    else:
        edge, shift = np.uint8(t + side), np.uint8(side)
        for i in range(U(m)):
            goes = U(np.uint8(bins[i] + shift) <= edge)
            acc += values[i] & (U(0) - goes)
            rows += np.int64(goes)  # type: ignore[assignment]
    found[FOUND_BIN], found[FOUND_SIDE] = t, side if gaps else 2
    W, S = np.float64(np.int64(total & LOWER)), np.float64(np.int64(total >> WEIGHT_AT))
    l, s = np.float64(np.int64(acc & LOWER)), np.float64(np.int64(acc >> WEIGHT_AT))
    r = W - l
    if rows < settings[MIN_LEAF] or m - rows < settings[MIN_LEAF] or l < least or r < least:
        return -1.0, False
    if direction != 2:
        a, b = s / l, (S - s) / r  # type: ignore[assignment]
        if (b - a) * direction < 0.0 or min(a, b) < low or max(a, b) > high:
            return -1.0, False
    return gain_of(settings[CRITERION], l, s, W, S), False


@kernel
def most_possible(values, m, total, settings):  # type: ignore[no-untyped-def]
    """What a split gains at most, which of two classes is where both sides are pure; infinity where that is not known."""
    if not settings[COUNTED]:
        return np.inf
    W, S = np.float64(np.int64(total & LOWER)), np.float64(np.int64(total >> WEIGHT_AT))
    return S * (W - S) / W


@inlined
@kernel
def search_scalar(  # type: ignore[no-untyped-def]
    data, work, hist, settings, numbers, rng, s, m, total, scale, low, high, perm, best, best_bits, known
):
    """The best split over features drawn at random: its gain in units of the values, -1 where there is none.

    Features are drawn until `N_TRIED` were looked at and one of them was not constant. A split that gains nothing is one
    too: only behind it may the next ones gain.
    """
    columns, cells, stride, gappy, categorical, centers, directions = data
    keys, q, values, bins, found, bits = work
    n_features, tried, varied, most = columns.shape[0], 0, False, -0.5
    least = max(numbers[MIN_WEIGHT], 0.5)
    limit = PERFECT * most_possible(values, m, total, settings)
    limited = settings[MIN_LEAF] > 1 or least > 1.0 or settings[CRITERION] != SQUARED or directions.size > 0
    while tried < n_features and (tried < settings[N_TRIED] or not varied):
        j = draw_column(rng, perm, tried, n_features)
        tried += 1
        if is_known(known, j):
            continue
        direction = np.int64(
            2
        )  # what is free of direction is clipped to the bounds of its node, and not held to them
        if directions.size and directions[j] != 0:
            direction = directions[j]
        if m == 2 and not limited and not gappy[j] and not categorical[j]:
            gain = try_pair(cells, stride, j, keys, q, s, found) / scale
            if gain >= 0.0 and settings[RANDOM_CUTS]:
                found[FOUND_BIN] = random_cut(centers[j], found[FOUND_SIDE], found[FOUND_BIN], rng)
            elif gain >= 0.0:
                found[FOUND_BIN] = (found[FOUND_SIDE] + found[FOUND_BIN] - 1) // 2
            found[FOUND_SIDE] = 2
            if gain >= 0.0:  # as good as any other column's
                found[FOUND_FEATURE] = j
                take(found, bits, best, best_bits)
                put_back(perm, tried)
                return gain
            continue
        if settings[RANDOM_CUTS]:
            first, last = read_span(columns, cells, stride, j, keys, s, m, bins)
            if first == last:
                note_constant(known, j)
                continue
            gain, constant = try_random(
                bins, first, last, values, m, total, settings, least, categorical[j], centers[j], direction, low, high, rng,
                found, bits,
            )  # fmt: skip
            varied |= not constant
            if gain > (most * BETTER if most > 0.0 else most):
                most = gain
                found[FOUND_FEATURE] = j
                take(found, bits, best, best_bits)
                if most >= limit:
                    break
            continue
        read_bins(columns, cells, stride, j, keys, s, m, bins)
        if limited or gappy[j] or categorical[j]:
            gain, constant = try_ordered(
                bins, values, m, total, hist, settings, least, categorical[j], direction, low, high, found, bits
            )  # fmt: skip
        else:
            gain, t = try_plain(bins, values, m, total, hist)
            found[FOUND_BIN], found[FOUND_SIDE], found[FOUND_LEVELS] = t, 2, 0
            constant = gain < 0.0
        if constant:
            note_constant(known, j)
        varied |= not constant
        if gain > (most * BETTER if most > 0.0 else most):
            most = gain
            found[FOUND_FEATURE] = j
            take(found, bits, best, best_bits)
            if most >= limit:
                break
    put_back(perm, tried)
    return max(most, 0.0) if most > -0.5 else -1.0
