"""The best split of a node where a row has several sums: more than two classes, or several targets.

A row adds `amount` to one of D sums for each of its targets: its weight to that of its class, or weight times value
to that of the target. With T_d the sums of a node and L_d, R_d those of its sides,

    gain = sum_d L_d^2 / l + R_d^2 / r - T_d^2 / W,

the decrease of the Gini index or of the squared error, summed over targets. Weights are integers, so sums over classes
are exact.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import log
from tripos.supervised.trees.forest_classes import try_classes
from tripos.supervised.trees.forest_rows import (
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
    RANDOM_CUTS,
    ROW,
    SQUARED,
    WEIGHT_AT,
    below,
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
    read_span,
    take,
)
from tripos.supervised.trees.forest_scalar import write_split

U = np.uint64


@kernel
def read_amounts(keys, s, m, codes, targets, amounts_of, sums):  # type: ignore[no-untyped-def]
    """Places and amounts of the node's rows, its sums, its weight, and whether all its rows have equal targets.

    For classes `codes` (n_rows, T) says the place of each target; for numbers `targets` (n_rows, T) says the value.
    """
    places, amounts, weights, whole = amounts_of
    T = max(codes.shape[1], targets.shape[1])
    for d in range(sums.size):
        sums[d] = 0.0
    first, W, pure = keys[U(s)] & ROW, 0.0, True
    for i in range(U(m)):
        row, w = keys[U(s) + i] & ROW, np.float64(np.int64(keys[U(s) + i] >> WEIGHT_AT))
        weights[i] = w
        whole[i] = np.int32(keys[U(s) + i] >> WEIGHT_AT)
        W += w
        for t in range(U(T)):
            at = i * U(T) + t
            if targets.shape[1]:
                places[at] = np.int32(t)
                amounts[at] = w * targets[row, t]
                pure &= targets[row, t] == targets[first, t]
            else:
                places[at] = codes[row, t]
                amounts[at] = w
                pure &= codes[row, t] == codes[first, t]
            sums[places[at]] += amounts[at]
    return W, pure


@kernel
def _n_log_n(n):  # type: ignore[no-untyped-def]
    return n * log(n) if n > 0.0 else 0.0


@kernel
def purity(criterion, left, sums, l, W, T):  # type: ignore[no-untyped-def]
    """What the impurities of the sides leave of the whole: the larger, the better the split."""
    r = W - l
    a, b = 0.0, 0.0
    if criterion == SQUARED:
        for d in range(U(sums.size)):
            x, y = left[d], sums[d] - left[d]
            a += x * x
            b += y * y
        return a / l + b / r
    for d in range(U(sums.size)):
        a += _n_log_n(left[d]) + _n_log_n(sums[d] - left[d])
    return a - T * (_n_log_n(l) + _n_log_n(r))


@kernel
def purity_of_node(criterion, sums, W, T):  # type: ignore[no-untyped-def]
    a = 0.0
    for d in range(U(sums.size)):
        a += sums[d] * sums[d] if criterion == SQUARED else _n_log_n(sums[d])
    return a / W if criterion == SQUARED else a - T * _n_log_n(W)


@kernel
def add_bins(bins, places, amounts, weights, m, T, hist):  # type: ignore[no-untyped-def]
    """Sums, weight and rows of each bin, which are zero before; marks the bins in use."""
    sums, totals, counts, bitmap, _, _, _, _ = hist
    D = U(sums.shape[1])
    flat = sums.reshape(sums.size)
    for i in range(U(m)):
        b = U(bins[i])
        totals[b] += weights[i]
        counts[b] += 1
        bitmap[b >> U(6)] |= U(1) << (b & U(63))
        for t in range(U(T)):
            at = i * U(T) + t
            flat[b * D + U(places[at])] += amounts[at]


@kernel
def list_bins(hist, categorical, by):  # type: ignore[no-untyped-def]
    """Bins in use but the one for missing cells: by number, or levels by the share of the sum `by`; how many."""
    sums, totals, _, bitmap, order, shares, _, _ = hist
    n = 0
    for k in range(U(4)):
        word = bitmap[k]
        while word != U(0):
            b = np.int64(U(64) * k + lowest_bit(word))
            word &= word - U(1)
            if b == 255:
                continue
            share = sums[b, by] / totals[b] if categorical else 0.0
            i = n
            while i > 0 and categorical and shares[i - 1] > share:
                shares[i], order[i] = shares[i - 1], order[i - 1]
                i -= 1
            shares[i], order[i] = share, b
            n += 1
    return n


@kernel
def clear_bins(hist):  # type: ignore[no-untyped-def]
    """Sets the bins in use to zero again."""
    sums, totals, counts, bitmap, _, _, _, _ = hist
    for k in range(U(4)):
        word = bitmap[k]
        bitmap[k] = U(0)
        while word != U(0):
            b = U(64) * k + lowest_bit(word)
            word &= word - U(1)
            totals[b] = 0.0
            counts[b] = 0
            for d in range(U(sums.shape[1])):
                sums[b, d] = 0.0


@kernel
def scan_prefixes(hist, n, gaps, gaps_left, node, W, T, m, settings, least):  # type: ignore[no-untyped-def]
    """The best prefix of the bins in order, with missing cells on one side: its purity and the place of its end."""
    sums, totals, counts, _, order, _, left, _ = hist
    D, l, rows, most, best = U(sums.shape[1]), 0.0, 0, -1e300, -1
    for d in range(D):
        left[d] = sums[255, d] if gaps_left else 0.0
    if gaps_left:
        l, rows = totals[255], counts[255]
    for i in range(n if gaps and not gaps_left else n - 1):
        b = U(order[i])
        l += totals[b]
        rows += counts[b]
        for d in range(D):
            left[d] += sums[b, d]
        r = W - l
        if rows < settings[MIN_LEAF] or m - rows < settings[MIN_LEAF] or l < least or r < least:
            continue
        score = purity(settings[CRITERION], left, node, l, W, T)
        if score > most:
            most, best = score, i
    return most, best


@kernel
def try_vector(  # type: ignore[no-untyped-def]
    bins, places, amounts, weights, m, T, W, node, hist, settings, least, categorical, by, found, bits
):
    """The best split on a feature, written into `found` and `bits`: its purity, and whether the feature is constant."""
    counts, order = hist[2], hist[4]
    add_bins(bins, places, amounts, weights, m, T, hist)
    n = list_bins(hist, categorical, by)
    gaps = counts[255] > 0
    most, best, side = -1e300, -1, 0
    for gaps_left in range(2 if gaps and n else 1):
        score, at = scan_prefixes(hist, n, gaps, gaps_left == 1, node, W, T, m, settings, least)
        if score > most:
            most, best, side = score, at, gaps_left
    if best >= 0:
        write_split(order, n, best, side, categorical, gaps, found, bits)
    constant = n + gaps < 2
    clear_bins(hist)
    return most, constant


@kernel
def add_left(bins, edge, shift, places, amounts, weights, m, T, left):  # type: ignore[no-untyped-def]
    """Adds the rows whose bin, moved by `shift`, is at most `edge` to the sums `left`; their weight and number."""
    l, rows = 0.0, U(0)
    for i in range(U(m)):
        goes = U(((U(bins[i]) + shift) & U(255)) <= edge)
        share = np.float64(goes)
        rows += goes
        l += share * weights[i]
        if T == 1:
            left[U(places[i])] += share * amounts[i]
        else:
            for k in range(i * U(T), i * U(T) + U(T)):
                left[U(places[k])] += share * amounts[k]
    return l, np.int64(rows)


@kernel
def add_levels(bins, bits, places, amounts, weights, m, T, left):  # type: ignore[no-untyped-def]
    """As `add_left`, for the rows whose level is in a set."""
    l, rows = 0.0, 0
    for i in range(U(m)):
        b = U(bins[i])
        if (bits[b >> U(6)] >> (b & U(63))) & U(1):
            rows += 1
            l += weights[i]
            for k in range(i * U(T), i * U(T) + U(T)):
                left[U(places[k])] += amounts[k]
    return l, rows


@kernel
def try_random_vector(  # type: ignore[no-untyped-def]
    bins, first, last, places, amounts, weights, m, T, W, node, left, settings, least, categorical, centers, rng, found,
    bits,
):  # fmt: skip
    """One random cut of a feature: its purity, and whether the feature is constant."""
    gaps = last == MISSING_BIN
    if gaps:
        last = highest_known(bins, m)
    side, t = (np.int64(draw(rng) >> U(63)) if gaps else 0), first
    found[FOUND_LEVELS] = categorical
    for d in range(left.size):
        left[d] = 0.0
    if categorical:
        if not random_levels(bins, m, rng, bits):
            return -1e300, True
        l, rows = add_levels(bins, bits, places, amounts, weights, m, T, left)
    else:
        if first < last:
            t = random_cut(centers, first, last, rng)
        else:
            side = 0
        l, rows = add_left(bins, U(t + side), U(side), places, amounts, weights, m, T, left)
    found[FOUND_BIN], found[FOUND_SIDE] = t, side if gaps else 2
    if rows < settings[MIN_LEAF] or m - rows < settings[MIN_LEAF] or l < least or W - l < least:
        return -1e300, False
    return purity(settings[CRITERION], left, node, l, W, T), False


@kernel
def total_up(node, counted, W, tools):  # type: ignore[no-untyped-def]
    """The node's weights of classes as `try_classes` reads them; the sum of their squares, -1 where rows do not count."""
    totals, squares = tools[3], 0.0
    if not counted:
        return -1.0
    for d in range(U(node.size)):
        totals[d] = node[d]
        squares += node[d] * node[d]
    return squares


@inlined
@kernel
def search_vector(  # type: ignore[no-untyped-def]
    data, work, amounts_of, hist, settings, numbers, rng, s, m, W, T, perm, best, best_bits, known, tools
):
    """The best split over features drawn at random: its gain, -1 where there is none. As `search_scalar`.

    A cut that leaves both sides pure ends the search: none leaves more than W.
    """
    columns, cells, stride, gappy, categorical, centers, _ = data
    keys, _, _, bins, found, bits = work
    places, amounts, weights, whole = amounts_of
    left, node = hist[6], hist[7]
    n_features, tried, varied, most = columns.shape[0], 0, False, -1e300
    least = max(numbers[MIN_WEIGHT], 0.5)
    plain = settings[COUNTED] and settings[MIN_LEAF] <= 1 and least <= 1.0
    squares = total_up(node, plain, W, tools)
    while tried < n_features and (tried < settings[N_TRIED] or not varied):
        j = draw_column(rng, perm, tried, n_features)
        tried += 1
        if is_known(known, j):
            continue
        first, last = read_span(columns, cells, stride, j, keys, s, m, bins)
        if first == last:
            note_constant(known, j)
            continue
        if settings[RANDOM_CUTS]:
            score, constant = try_random_vector(
                bins, first, last, places, amounts, weights, m, T, W, node, left, settings, least, categorical[j],
                centers[j], rng, found, bits,
            )  # fmt: skip
        elif plain and not gappy[j] and not categorical[j]:
            score, t = try_classes(bins, first, last, places, whole, m, W, squares, tools)
            found[FOUND_BIN], found[FOUND_SIDE], found[FOUND_LEVELS] = t, 2, 0
            constant = False
        else:
            by = places[below(rng, m * T)] if categorical[j] else np.int32(0)
            score, constant = try_vector(
                bins, places, amounts, weights, m, T, W, node, hist, settings, least, categorical[j], by, found, bits
            )  # fmt: skip
        varied |= not constant
        if score > (most + 1e-9 * abs(most) if varied and most > -1e299 else most):
            most = score
            found[FOUND_FEATURE] = j
            take(found, bits, best, best_bits)
            if settings[COUNTED] and score >= W * (1.0 - 1e-12):
                break
    put_back(perm, tried)
    if most <= -1e300:
        return -1.0
    return max(0.0, most - purity_of_node(settings[CRITERION], node, W, T))
