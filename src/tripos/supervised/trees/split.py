"""The best split of a node, from its histogram.

A leaf with the gradient sum G and the hessian sum H lowers the objective most at the value w, and by gain / 2:

    w = -T(G) / (H + lambda),    gain = T(G)^2 / (H + lambda),    T(G) = sign(G) max(|G| - alpha, 0)

A split is worth gain(left) + gain(right) - gain(node) - 2 gamma. Missing cells are tried on both sides. Levels of a
category are put in the order of their G / (H + smoothing), among whose prefixes the best subset lies (Fisher 1958);
levels with too little weight in the node go with the right side. Where monotone constraints bound the values of
leaves, w is clipped and the gain is that of the clipped values, -2 (G w + (H + lambda) w^2 / 2 + alpha |w|).

References
----------
Chen, Guestrin (2016), doi:10.1145/2939672.2939785, section 2.2. W. D. Fisher, "On grouping for maximum homogeneity"
(1958), doi:10.1080/01621459.1958.10501479.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import bits_float, float_bits

U = np.uint64
MASK = np.int64(0xFFFFFFFF)

# Settings of a fit: integers, then numbers.
MAX_LEAVES, MIN_ROWS, MAX_DEPTH, ORDER, MIN_SPLIT, WORK, COUNTED, BOUNDED = range(8)
SEED, N_TRIED, N_LEVEL, SUBSET, ZERO, PART_ROWS, LANE_SUMS, N_INTEGERS = range(8, 16)
LAMBDA, ALPHA, GAMMA, MIN_HESSIAN, SMOOTHING, SUPPORT, SUPPORT_PER_LEVEL, G_UNIT, H_UNIT = range(9)
RATE, MAX_VALUE, N_NUMBERS = range(9, 12)

# What is known of each feature.
N_BINS, MISSING, CATEGORICAL, DIRECTION, USABLE, BASE, REST, N_FACTS = range(8)

# A leaf: where its rows are, and the best split found for it.
START, END, NODE, SLOT, FEATURE, BIN, MISSING_LEFT, DEPTH, TOTAL, LEFT_TOTAL, EXACT, N_LEAF = range(12)
GAIN, LEAST, MOST, N_LEAF_NUMBERS = range(4)


@kernel
def shrunk(G, alpha):  # type: ignore[no-untyped-def]
    """T(G)."""
    return max(G - alpha, 0.0) if G > 0.0 else min(G + alpha, 0.0)


@kernel
def leaf_value(G, H, numbers, least, most):  # type: ignore[no-untyped-def]
    """w of a leaf, within its bounds."""
    denominator = H + numbers[LAMBDA]
    w = -shrunk(G, numbers[ALPHA]) / denominator if denominator > 0.0 else 0.0
    limit = numbers[MAX_VALUE]
    return min(max(min(max(w, least), most), -limit), limit)


@kernel
def value_gain(G, H, w, numbers):  # type: ignore[no-untyped-def]
    """Twice what the objective falls by when a leaf has the value w."""
    return -2.0 * (G * w + 0.5 * (H + numbers[LAMBDA]) * w * w + numbers[ALPHA] * abs(w))


@kernel
def largest_penalty(numbers):  # type: ignore[no-untyped-def]
    """lambda in units of the integer hessians; beyond 2^60, where it outweighs any of them, products would overflow."""
    return np.float32(min(numbers[LAMBDA] / numbers[H_UNIT], 2.0**60))


@kernel(strict=True)
def sum_of_gains(gl, hl, gr, hr):  # type: ignore[no-untyped-def]
    """gl^2 / hl + gr^2 / hr with one division; no fused operations, which would tell left from right."""
    return (gl * gl * hr + gr * gr * hl) / (hl * hr)


@kernel
def gains_of_cuts(prefix, total, n_cuts, numbers, least_hessian, gains):  # type: ignore[no-untyped-def]
    """gain(left) + gain(right) after each cut, 0 where a side is too light; returns the bits of the largest.

    In units of the integer gradients and hessians. Both sides come from integers, so a split and its mirror image
    gain the same. Bits of non-negative floats order as they do, and integers' maxima vectorise.
    """
    zero, least = np.float32(0), np.float32(least_hessian / numbers[H_UNIT])
    penalty, alpha = largest_penalty(numbers), np.float32(numbers[ALPHA] / numbers[G_UNIT])
    top = np.int32(0)
    for b in range(U(n_cuts)):
        left = prefix[b]
        right = total - left
        gl = max(np.float32(abs(np.int32(left >> 32))) - alpha, zero)
        gr = max(np.float32(abs(np.int32(right >> 32))) - alpha, zero)
        hl, hr = np.float32(np.int32(left & MASK)), np.float32(np.int32(right & MASK))
        gain = sum_of_gains(gl, hl + penalty, gr, hr + penalty)
        gain = gain if min(hl, hr) >= least else zero
        gains[b] = np.int32(float_bits(gain))
        top = max(top, gains[b])
    return top


@kernel
def plain_gains(prefix, total, n_cuts, numbers, least_hessian, gains):  # type: ignore[no-untyped-def]
    """As `gains_of_cuts` without alpha."""
    zero, least, penalty = (
        np.float32(0),
        np.float32(least_hessian / numbers[H_UNIT]),
        largest_penalty(numbers),
    )
    top = np.int32(0)
    for b in range(U(n_cuts)):
        left = prefix[b]
        right = total - left
        gl, gr = np.float32(np.int32(left >> 32)), np.float32(np.int32(right >> 32))
        hl, hr = np.float32(np.int32(left & MASK)), np.float32(np.int32(right & MASK))
        gain = sum_of_gains(gl, hl + penalty, gr, hr + penalty)
        gain = gain if min(hl, hr) >= least else zero
        gains[b] = np.int32(float_bits(gain))
        top = max(top, gains[b])
    return top


@kernel
def bounded_gains(prefix, total, n_cuts, direction, numbers, limits, least, gains):  # type: ignore[no-untyped-def]
    """As `gains_of_cuts`, for values between two bounds that may have to rise or fall along the feature."""
    gu, hu = numbers[G_UNIT], numbers[H_UNIT]
    top = np.int32(0)
    for b in range(n_cuts):
        left = prefix[b]
        right = total - left
        gl, hl = float(left >> 32) * gu, float(left & MASK) * hu
        gr, hr = float(right >> 32) * gu, float(right & MASK) * hu
        gains[b] = np.int32(0)
        if min(hl, hr) < least:
            continue
        wl = leaf_value(gl, hl, numbers, limits[LEAST], limits[MOST])
        wr = leaf_value(gr, hr, numbers, limits[LEAST], limits[MOST])
        if direction * (wr - wl) < 0.0:
            continue
        gain = value_gain(gl, hl, wl, numbers) + value_gain(gr, hr, wr, numbers)
        gains[b] = np.int32(float_bits(np.float32(max(gain, 0.0) * hu / (gu * gu))))
        top = max(top, gains[b])
    return top


@kernel
def counted_gains(counts, missing_left, n_cuts, n_rows, min_rows, gains):  # type: ignore[no-untyped-def]
    """Takes away what leaves too few rows on a side; returns the bits of the largest that stays."""
    running = counts[255] if missing_left else np.int64(0)
    top = np.int32(0)
    for b in range(n_cuts):
        running += counts[b]
        if running < min_rows or n_rows - running < min_rows:
            gains[b] = np.int32(0)
        top = max(top, gains[b])
    return top


def scanning(plain: bool) -> Any:
    """The kernel that scans a number's bins; `plain` knows no bounds and no alpha."""

    @kernel
    def scan_number(  # type: ignore[no-untyped-def]
        h, counts, total, n_rows, n_bins, missing, direction, integers, numbers, limits, exact, least, best, prefix,
        gains,
    ):  # fmt: skip
        """The best cut of a number: gain (in integer units), bin, whether missing cells go left, sum on the left.

        0 for cuts that gain no more than `best`.
        """
        most, where, side, left = np.int32(float_bits(best)), 0, 0, np.int64(0)
        least_most = most
        running = np.int64(0)
        for b in range(U(n_bins)):
            running += h[b]
            prefix[b] = running
        n_cuts = n_bins if missing else n_bins - 1
        for missing_left in range(2 if missing else 1):
            if missing_left:
                for b in range(U(n_bins)):
                    prefix[b] += h[255]
            if plain:
                top = plain_gains(prefix, total, n_cuts, numbers, least, gains)
            elif integers[BOUNDED]:
                top = bounded_gains(prefix, total, n_cuts, direction, numbers, limits, least, gains)
            else:
                top = gains_of_cuts(prefix, total, n_cuts, numbers, least, gains)
            if exact:
                top = counted_gains(counts, missing_left, n_cuts, n_rows, integers[MIN_ROWS], gains)
            if top > most:
                b = 0
                while gains[b] != top:
                    b += 1
                most, where, side, left = top, b, missing_left, prefix[b]
        return (bits_float(most) if most > least_most else np.float32(0)), where, side, left

    return scan_number


scan_number, scan_plain_number = scanning(False), scanning(True)


@kernel
def order_levels(h, n_bins, missing, numbers, order, score):  # type: ignore[no-untyped-def]
    """Bins with enough weight in the order of G / (H + smoothing), which is left in `score`; returns how many."""
    gu, hu = numbers[G_UNIT], numbers[H_UNIT]
    support = max(numbers[SUPPORT], numbers[SUPPORT_PER_LEVEL] * n_bins)
    n = 0
    for c in range(n_bins + missing):
        b = c if c < n_bins else 255
        weight = float(h[b] & MASK) * hu
        if weight <= 0.0 or weight < support:
            continue
        ratio = float(h[b] >> 32) * gu / (weight + numbers[SMOOTHING])
        k = n
        while k > 0 and score[k - 1] > ratio:  # insertion keeps equal levels in the order of their codes
            score[k] = score[k - 1]
            order[k] = order[k - 1]
            k -= 1
        score[k] = ratio
        order[k] = b
        n += 1
    return n


@kernel
def scan_category(  # type: ignore[no-untyped-def]
    h, counts, total, n_rows, n_bins, missing, integers, numbers, limits, exact, least, order, score, levels
):  # fmt: skip
    """The best subset of levels; writes it as 256 bits. Gain (in integer units) and the sum on the left."""
    gu, hu = numbers[G_UNIT], numbers[H_UNIT]
    n = order_levels(h, n_bins, missing, numbers, order, score)
    listed = np.int64(0)
    for k in range(n):
        listed += h[order[k]]
    directions = (
        1 if listed == total else 2
    )  # with all levels listed, what begins at the other end is the rest
    best, best_sum, cut = 0.0, np.int64(0), 0
    reverse_best = 0
    for backwards in range(directions):
        left, rows = np.int64(0), np.int64(0)
        for k in range(n):
            b = order[n - 1 - k] if backwards else order[k]
            left += h[b]
            rows += counts[b] if exact else 0
            right = total - left
            gl, hl = float(left >> 32) * gu, float(left & MASK) * hu
            gr, hr = float(right >> 32) * gu, float(right & MASK) * hu
            if min(hl, hr) < least:
                continue
            if exact and (rows < integers[MIN_ROWS] or n_rows - rows < integers[MIN_ROWS]):
                continue
            wl = leaf_value(gl, hl, numbers, limits[LEAST], limits[MOST])
            wr = leaf_value(gr, hr, numbers, limits[LEAST], limits[MOST])
            gain = value_gain(gl, hl, wl, numbers) + value_gain(gr, hr, wr, numbers)
            if gain > best:
                best, best_sum, cut, reverse_best = gain, left, k + 1, backwards
    if cut:
        for q in range(4):
            levels[q] = U(0)
        for k in range(cut):
            b = order[n - 1 - k] if reverse_best else order[k]
            levels[b >> 6] |= U(1) << U(b & 63)
    return np.float32(best * hu / (gu * gu)), best_sum


@kernel
def node_gain(P, numbers, limits):  # type: ignore[no-untyped-def]
    """gain of a node that stays a leaf."""
    G = float(P >> 32) * numbers[G_UNIT]
    H = float(P & MASK) * numbers[H_UNIT]
    w = leaf_value(G, H, numbers, limits[LEAST], limits[MOST])
    return value_gain(G, H, w, numbers)


@kernel
def settle(leaf, limits, numbers):  # type: ignore[no-untyped-def]
    """GAIN of the split that a leaf record holds; 0 where it is none or not worth it."""
    limits[GAIN] = 0.0
    if leaf[FEATURE] >= 0:
        total, left = leaf[TOTAL], leaf[LEFT_TOTAL]
        parent = node_gain(total, numbers, limits)
        sides = node_gain(left, numbers, limits) + node_gain(total - left, numbers, limits)
        gained = sides - parent - 2.0 * numbers[GAMMA]
        limits[GAIN] = gained if gained > 1e-12 * abs(parent) else 0.0


@kernel
def least_hessian(exact, total, n_rows, integers, numbers):  # type: ignore[no-untyped-def]
    """The hessian a side must have.

    Where the histogram does not count rows, MIN_ROWS is estimated by the node's hessian per row. Whoever splits
    counts the rows (see `grow`) and asks again with exact counts where there are too few.
    """
    least = max(numbers[MIN_HESSIAN], 0.5 * numbers[H_UNIT])
    if integers[MIN_ROWS] > 1 and not exact:
        per_row = numbers[H_UNIT] if integers[COUNTED] else float(total & MASK) * numbers[H_UNIT] / n_rows
        least = max(least, 0.9999 * integers[MIN_ROWS] * per_row)
    return least


@kernel
def spread(lane, features, j, total, h):  # type: ignore[no-untyped-def]
    """The sums of a bundled column by bin (see `bundling`), the one of its rest from the node's total."""
    n_bins, rest, code = features[N_BINS, j], features[REST, j], 0
    left = total
    for b in range(n_bins):
        if b != rest:
            h[b] = lane[code]
            left -= h[b]
            code += 1
    if rest < 255:
        h[255] = 0
        if features[MISSING, j]:
            h[255] = lane[code]
            left -= h[255]
    h[rest] = left


@kernel
def indicator_cut(  # type: ignore[no-untyped-def]
    lane, counts, features, j, total, n_rows, integers, numbers, exact, least_hessian
):
    """What a column of two bins gains by its one cut, as `gains_of_cuts` has it, and the sum of its first bin."""
    zero, least = np.float32(0), np.float32(least_hessian / numbers[H_UNIT])
    penalty, alpha = largest_penalty(numbers), np.float32(numbers[ALPHA] / numbers[G_UNIT])
    shared = features[REST, j] >= 0  # then the first bin is the rest, and the other one has the only sum
    left = total - lane[0] if shared else lane[0]
    right = total - left
    if exact:
        rows = n_rows - counts[0] if shared else counts[0]
        if rows < integers[MIN_ROWS] or n_rows - rows < integers[MIN_ROWS]:
            return zero, left
    hl, hr = np.float32(np.int32(left & MASK)), np.float32(np.int32(right & MASK))
    if min(hl, hr) < least:
        return zero, left
    gl = max(np.float32(abs(np.int32(left >> 32))) - alpha, zero)
    gr = max(np.float32(abs(np.int32(right >> 32))) - alpha, zero)
    return sum_of_gains(gl, hl + penalty, gr, hr + penalty), left


@kernel
def best_split(  # type: ignore[no-untyped-def]
    h, counts, exact, features, active, allowed, integers, numbers, leaf, limits, levels, room
):  # fmt: skip
    """Writes the best split of a node into its leaf record; GAIN is 0 where none is allowed.

    Only the features that `active` names are looked at.
    """
    total, n_rows = leaf[TOTAL], leaf[END] - leaf[START]
    least = least_hessian(exact, total, n_rows, integers, numbers)
    prefix, gains, order, score, found, sums, rows = room
    best = np.float32(0)
    leaf[FEATURE] = -1
    for at in range(active.size):
        j = active[at]
        if not allowed[j]:
            continue
        n_bins, missing = features[N_BINS, j], features[MISSING, j]
        o = features[BASE, j]
        hj, cj = h[o : o + 256], counts[o : o + 256]
        indicator = n_bins == 2 and not missing and not (features[CATEGORICAL, j] or integers[BOUNDED])
        if features[REST, j] >= 0 and not indicator:
            spread(hj, features, j, total, sums)
            hj = sums
            if exact:
                spread(cj, features, j, n_rows, rows)
                cj = rows
        where, side = 0, 0
        if indicator:
            gain, left = indicator_cut(hj, cj, features, j, total, n_rows, integers, numbers, exact, least)
        elif features[CATEGORICAL, j]:
            gain, left = scan_category(
                hj, cj, total, n_rows, n_bins, missing, integers, numbers, limits, exact, least, order, score, found,
            )  # fmt: skip
        else:
            gain, where, side, left = scan_number(
                hj, cj, total, n_rows, n_bins, missing, features[DIRECTION, j], integers, numbers, limits, exact,
                least, best, prefix, gains,
            )  # fmt: skip
        if gain > best:
            best = gain
            leaf[FEATURE], leaf[BIN], leaf[MISSING_LEFT], leaf[LEFT_TOTAL] = j, where, side, left
            if features[CATEGORICAL, j]:
                for q in range(4):
                    levels[q] = found[q]
    settle(leaf, limits, numbers)


def searching(shared: bool) -> Any:
    """The kernel that searches numbers; with `shared` it knows columns that share a lane, and those of two bins."""

    @kernel
    def best_number(h, counts, exact, features, active, integers, numbers, leaf, limits, room):  # type: ignore[no-untyped-def]
        """As `best_split` for numbers alone, without bounds."""
        total, n_rows = leaf[TOTAL], leaf[END] - leaf[START]
        least = least_hessian(exact, total, n_rows, integers, numbers)
        prefix, gains, sums, rows = room[0], room[1], room[5], room[6]
        best = np.float32(0)
        leaf[FEATURE] = -1
        for at in range(active.size):
            j = active[at]
            if not features[USABLE, j]:
                continue
            n_bins, missing = features[N_BINS, j], features[MISSING, j]
            o = features[BASE, j]
            hj, cj = h[o : o + 256], counts[o : o + 256]
            where, side = 0, 0
            if shared:
                indicator = n_bins == 2 and not missing
                if features[REST, j] >= 0 and not indicator:
                    spread(hj, features, j, total, sums)
                    hj = sums
                    if exact:
                        spread(cj, features, j, n_rows, rows)
                        cj = rows
                if indicator:
                    gain, left = indicator_cut(
                        hj, cj, features, j, total, n_rows, integers, numbers, exact, least
                    )
                else:
                    gain, where, side, left = scan_plain_number(
                        hj, cj, total, n_rows, n_bins, missing, missing, integers, numbers, limits, exact, least,
                        best, prefix, gains,
                    )  # fmt: skip
            else:
                gain, where, side, left = scan_plain_number(
                    hj, cj, total, n_rows, n_bins, missing, missing, integers, numbers, limits, exact, least, best,
                    prefix, gains,
                )  # fmt: skip
            if gain > best:
                best = gain
                leaf[FEATURE], leaf[BIN], leaf[MISSING_LEFT], leaf[LEFT_TOTAL] = j, where, side, left
        settle(leaf, limits, numbers)

    return best_number


best_number, best_own_number = searching(True), searching(False)
