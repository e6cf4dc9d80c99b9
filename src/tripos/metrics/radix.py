"""Sorting scores by radix, the base of every ranking measure.

A finite IEEE float becomes an unsigned integer in the same order: flip the sign bit of positive numbers, all bits
of negative ones (-0.0 counts as 0.0, so that equal scores have equal keys). Integers are sorted digit by digit,
eleven bits at a time, least significant first: three passes for float32, six for float64, and a pass whose digit
is the same in every key is skipped. Against a comparison sort of a million scores this is about ten times faster.

The area under the ROC curve needs no merged order at all: positives and negatives are sorted apart, and one
branchless merge counts the pairs that stand in the right order (C. Ferri et al.'s view of AUC as the
Mann-Whitney statistic; Hanley and McNeil, Radiology 143, 1982, doi:10.1148/radiology.143.1.7063747).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel

DIGIT = 11  # bits: 2,048 counters of 8 bytes, half of an L1 cache
_BUCKETS = 1 << DIGIT
_DIGITS_AT_ONCE = 3  # one reading of the keys counts three digits
_FEW = 2000  # keys below which emptying and summing the counters takes longer than a comparison sort
_MANY = 100_000  # keys above which each class is worth a thread
_UNSIGNED = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}


@kernel("u4[::1], b1[::1], u4, u4[::1]", "u8[::1], b1[::1], u8, u8[::1]", strict=True)
def keys_by_class(bits, positive, exponent, keys):  # type: ignore[no-untyped-def]
    """Ordered keys, positives from the front and negatives from the back: (positives, any non-finite score)."""
    top = keys.dtype.type(1) << keys.dtype.type(keys.itemsize * 8 - 1)
    ones = keys.dtype.type(top | (top - keys.dtype.type(1)))
    front, back, broken = 0, bits.size - 1, False
    for i in range(bits.size):
        k = bits[i]
        broken |= (k & exponent) == exponent
        if k == top:
            k = keys.dtype.type(0)
        k = k ^ (ones if k & top else top)
        keys[front] = k  # both ends lie in the part not yet written: no branch on the class
        keys[back] = k
        step = int(positive[i])
        front += step
        back -= 1 - step
    return front, broken


@kernel("u4[::1], u4, u4[::1]", "u8[::1], u8, u8[::1]", strict=True)
def keys_of(bits, exponent, keys):  # type: ignore[no-untyped-def]
    """Ordered keys of all scores; returns whether any score is not finite."""
    top = keys.dtype.type(1) << keys.dtype.type(keys.itemsize * 8 - 1)
    ones = keys.dtype.type(top | (top - keys.dtype.type(1)))
    broken = False
    for i in range(bits.size):
        k = bits[i]
        broken |= (k & exponent) == exponent
        if k == top:
            k = keys.dtype.type(0)
        keys[i] = k ^ (ones if k & top else top)
    return broken


@kernel("u4[::1], i8, i8[:, ::1]", "u8[::1], i8, i8[:, ::1]", strict=True)
def count_digits(keys, first, counts):  # type: ignore[no-untyped-def]
    """counts[p, d] += 1 for the digits first, first + 1 and first + 2 of every key."""
    mask = keys.dtype.type(2047)
    a = keys.dtype.type(11 * first)
    b = keys.dtype.type(11 * first + 11)
    c = keys.dtype.type(11 * first + 22)
    for i in range(keys.size):
        k = keys[i]
        counts[first, (k >> a) & mask] += 1
        counts[first + 1, (k >> b) & mask] += 1
        counts[first + 2, (k >> c) & mask] += 1


@kernel("u4[::1], i8, i8[::1], u4[::1]", "u8[::1], i8, i8[::1], u8[::1]", strict=True)
def scatter_keys(keys, digit, starts, out):  # type: ignore[no-untyped-def]
    """One stable pass: each key goes to the next free place of its digit."""
    mask = keys.dtype.type(2047)
    shift = keys.dtype.type(11 * digit)
    for i in range(keys.size):
        k = keys[i]
        d = (k >> shift) & mask
        at = starts[d]
        starts[d] = at + 1
        out[at] = k


@kernel(
    "u4[::1], f8[::1], i8, i8[::1], u4[::1], f8[::1]",
    "u8[::1], f8[::1], i8, i8[::1], u8[::1], f8[::1]",
    strict=True,
)
def scatter_pairs(keys, values, digit, starts, out_keys, out_values):  # type: ignore[no-untyped-def]
    """`scatter_keys` that takes a value along with each key."""
    mask = keys.dtype.type(2047)
    shift = keys.dtype.type(11 * digit)
    for i in range(keys.size):
        k = keys[i]
        d = (k >> shift) & mask
        at = starts[d]
        starts[d] = at + 1
        out_keys[at] = k
        out_values[at] = values[i]


@kernel("u4[::1], u4[::1]", "u8[::1], u8[::1]", strict=True)
def ordered_pairs(positives, negatives):  # type: ignore[no-untyped-def]
    """#(n < p) + #(n <= p) over all pairs of two sorted vectors: a tie counts once, a right order twice.

    Each merge step adds and advances by comparison results instead of branching: on shuffled classes a branch
    would be mispredicted every other row, 15 cycles each.
    """
    total, tied = 0, False
    i = j = 0
    while i < positives.size and j < negatives.size:
        below = int(negatives[j] < positives[i])
        tied |= negatives[j] == positives[i]
        total += (1 - below) * j
        j += below
        i += 1 - below
    total += (positives.size - i) * negatives.size
    if not tied:
        return 2 * total
    i = j = 0
    while i < positives.size and j < negatives.size:
        below = int(negatives[j] <= positives[i])
        total += (1 - below) * j
        j += below
        i += 1 - below
    return total + (positives.size - i) * negatives.size


@kernel(
    "u4[::1], f8[::1], u4[::1], f8[::1], f8[::1]", "u8[::1], f8[::1], u8[::1], f8[::1], f8[::1]", strict=True
)
def cumulate(keys, signed, at, true_positives, false_positives):  # type: ignore[no-untyped-def]
    """Weight of positives and negatives scored at or above each distinct score, highest first; returns how many.

    `signed` holds +w for a positive row and -w for a negative one, in ascending order of `keys`.
    """
    n = keys.size
    tp = fp = 0.0
    points = 0
    for r in range(n):
        i = n - 1 - r
        w = signed[i]
        tp += max(w, 0.0)
        fp += max(-w, 0.0)
        if i == 0 or keys[i - 1] != keys[i]:
            at[points] = keys[i]
            true_positives[points] = tp
            false_positives[points] = fp
            points += 1
    return points


def _bits(scores: np.ndarray) -> tuple[np.ndarray, Any]:
    """The scores' bit patterns, and the mask of the exponent (all ones there means NaN or infinity)."""
    unsigned = _UNSIGNED[scores.dtype]
    return kernel_array(scores).view(unsigned), np.array(np.inf, scores.dtype).view(unsigned)[()]


def _passes(keys: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(digit, first place of each of its values) for the digits in which the keys differ."""
    digits = -(-keys.itemsize * 8 // DIGIT)
    counts = np.zeros((digits, _BUCKETS), np.int64)
    for first in range(0, digits, _DIGITS_AT_ONCE):
        count_digits(keys, first, counts)
    starts = np.cumsum(counts, axis=1) - counts
    varies = counts.max(axis=1) < len(keys)
    return [(digit, starts[digit]) for digit in range(digits) if varies[digit]]


def sort_keys(keys: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """The keys in ascending order, in `keys` or in `scratch` (both are overwritten), each of shape (n,)."""
    if len(keys) < _FEW:
        return np.sort(keys)
    for digit, starts in _passes(keys):
        scatter_keys(keys, digit, starts, scratch)
        keys, scratch = scratch, keys
    return keys


def sort_pairs(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys in ascending order and the values that belong to them (the arrays passed are overwritten)."""
    if len(keys) < _FEW:
        order = np.argsort(keys)
        return keys[order], values[order]
    other_keys, other_values = np.empty_like(keys), np.empty_like(values)
    for digit, starts in _passes(keys):
        scatter_pairs(keys, values, digit, starts, other_keys, other_values)
        keys, other_keys = other_keys, keys
        values, other_values = other_values, values
    return keys, values


def nonfinite_scores(scores: np.ndarray, name: str = "y_score") -> ValueError:
    """The error for scores that hold NaN or infinity: which row, what to do."""
    row = int(np.flatnonzero(~np.isfinite(scores))[0])
    return ValueError(
        f"{name} holds {scores[row]} at row {row}: rows cannot be ranked by it; find out why the model scores so"
    )


def auc_of_ranks(scores: np.ndarray, positive: np.ndarray) -> float:
    """P(score of a positive > score of a negative) + P(equal) / 2, counted exactly in integers.

    Parameters
    ----------
    scores : float32 or float64 ndarray of shape (n,)
    positive : bool ndarray of shape (n,)
        Both values must occur.
    """
    bits, exponent = _bits(scores)
    keys, scratch = np.empty_like(bits), np.empty_like(bits)
    n_positive, broken = keys_by_class(bits, kernel_array(positive), exponent, keys)
    if broken:
        raise nonfinite_scores(scores)
    classes = [(keys[rows], scratch[rows]) for rows in (slice(n_positive), slice(n_positive, None))]
    positives, negatives = parallel(lambda both: sort_keys(*both), classes, None if len(keys) > _MANY else 1)
    return float(0.5 * ordered_pairs(positives, negatives) / (len(positives) * float(len(negatives))))


def counts_at_thresholds(
    scores: np.ndarray, positive: np.ndarray, sample_weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives when every row with score >= threshold is called positive.

    Returns
    -------
    thresholds : ndarray of shape (n_distinct,), the scores' dtype
        The distinct scores, descending.
    true_positives, false_positives : float64 ndarrays of shape (n_distinct,)
    """
    if sample_weight is not None and not sample_weight.all():
        kept = sample_weight != 0
        scores, positive, sample_weight = scores[kept], positive[kept], sample_weight[kept]
    bits, exponent = _bits(scores)
    keys = np.empty_like(bits)
    if keys_of(bits, exponent, keys):
        raise nonfinite_scores(scores)
    size = 1.0 if sample_weight is None else sample_weight
    keys, signed = sort_pairs(keys, np.where(positive, size, np.negative(size, dtype=np.float64)))
    at, tps, fps = np.empty_like(keys), np.empty(len(keys)), np.empty(len(keys))
    points = cumulate(keys, signed, at, tps, fps)
    return _scores_of(at[:points], scores.dtype), tps[:points], fps[:points]


def _scores_of(keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The floats whose keys these are."""
    top = keys.dtype.type(1 << (keys.itemsize * 8 - 1))
    return np.where(keys & top, keys ^ top, ~keys).view(dtype)
