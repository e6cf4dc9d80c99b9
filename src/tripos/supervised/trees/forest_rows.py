"""What the trees of a forest share: random numbers, drawn rows, and rows parted in place.

A row of a tree is one word of 64 bits, `row | weight << 32`. Weights are integers: how often the bootstrap drew the
row, or the sample weights times a power of two. Sums of them are exact in any order, so a weight of k and k equal
rows grow the same tree.

References
----------
Breiman, "Random forests" (2001), doi:10.1023/A:1010933404324. Marsaglia, "Xorshift RNGs" (2003), doi:10.18637/jss.v008.i14.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import float_bits

U = np.uint64
ROW, WEIGHT_AT = U(0xFFFFFFFF), U(32)
MISSING_BIN = 255
NARROW = 8  # a node with fewer than a share of 1/8 of the rows reads cells row by row

# Settings of a tree, integers and numbers
N_TRIED, MIN_SPLIT, MIN_LEAF, MAX_DEPTH, MAX_LEAVES, CRITERION, RANDOM_CUTS, KEEP_ALL, COUNTED, N_SETTINGS = (
    range(10)
)
MIN_WEIGHT, MIN_GAIN, UNIT, WEIGHT_UNIT, N_NUMBERS = range(5)
SQUARED, ENTROPY, POISSON = 0, 1, 2
MOST_NOTED = 256  # columns up to which it is noted which are constant
BETTER = 1.0 + 1e-6  # times as good as another split is better, and not only rounded otherwise

# A node under way: integers and numbers
FEATURE, SPLIT, CHILD, BY_LEVELS, N_NODE = range(5)
WEIGHT, GAIN, VALUE, IMPURITY, N_NODE_NUMBERS = range(5)
# A leaf that waits: integers and numbers
START, END, NODE, DEPTH, N_WAITING = range(5)  # then a bit for each column that is known to be constant
LOW, HIGH, OFFER, N_WAITING_NUMBERS = range(4)
# How far the growth is
OPEN, NODES, LEVEL_SETS, LEAVES, SHARES, N_PROGRESS = range(6)
# What a search has found
FOUND_FEATURE, FOUND_BIN, FOUND_SIDE, FOUND_LEVELS, N_FOUND = range(5)


def inlined(call: Any) -> Any:
    """Marks a kernel that is called from one place to be copied there.

    Kernels here take tuples of many arrays; to hand these over, word by word, cost a small node more than its work.
    """
    if hasattr(call, "targetoptions"):  # else it runs in Python
        call.targetoptions["forceinline"] = True
    return call


@kernel
def draw(state):  # type: ignore[no-untyped-def]
    """The next 64 random bits."""
    x = state[0]
    x ^= x << U(13)
    x ^= x >> U(7)
    x ^= x << U(17)
    state[0] = x
    return x


@kernel
def below(state, n):  # type: ignore[no-untyped-def]
    """A random integer from 0 to n - 1, for n below 2^32."""
    return np.int64(((draw(state) >> U(32)) * U(n)) >> U(32))


@kernel
def reseed(state, node):  # type: ignore[no-untyped-def]
    """Begins the numbers of a node, which depend on nothing but the tree's seed, state[1], and the node's number.

    So a row of weight k and k equal rows, which cost different numbers of draws elsewhere, grow the same tree.
    """
    x = state[1] + U(node) * U(0x9E3779B97F4A7C15)
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    state[0] = (x ^ (x >> U(31))) | U(1)


@kernel
def draw_column(state, perm, tried, n):  # type: ignore[no-untyped-def]
    """A column that was not tried yet; perm (2, n) holds the order, and the swaps that made it."""
    at = tried + below(state, n - tried)
    j = perm[0, at]
    perm[0, at], perm[0, tried] = perm[0, tried], j
    perm[1, tried] = at
    return j


@kernel
def put_back(perm, tried):  # type: ignore[no-untyped-def]
    """Undoes the swaps, so that the next node begins with the same order."""
    for t in range(tried - 1, -1, -1):
        at = perm[1, t]
        perm[0, at], perm[0, t] = perm[0, t], perm[0, at]


@kernel
def is_known(known, j):  # type: ignore[no-untyped-def]
    """Whether a column is known to be constant in a node: a bit of `known`, which is empty where none are noted."""
    return known.size > 0 and (U(known[U(j) >> U(6)]) >> (U(j) & U(63))) & U(1) == U(1)


@kernel
def note_constant(known, j):  # type: ignore[no-untyped-def]
    """A column that is constant in a node is so in all below: its children need not read it."""
    if known.size > 0:
        known[U(j) >> U(6)] |= np.int64(U(1) << (U(j) & U(63)))


@kernel
def unit(state):  # type: ignore[no-untyped-def]
    """A random number in [0, 1)."""
    return np.float64(draw(state) >> U(11)) * (1.0 / 9007199254740992.0)


@kernel("u8[::1], i8, f8[::1], u4[::1]")
def draw_rows(state, n_draws, cumulative, counts):  # type: ignore[no-untyped-def]
    """How often each row is drawn, with replacement: all rows alike, or by their cumulative weights."""
    n = counts.size
    for i in range(n):
        counts[i] = np.uint32(0)
    if cumulative.size == 0:
        for _ in range(n_draws):
            counts[((draw(state) >> U(32)) * U(n)) >> U(32)] += np.uint32(1)
        return
    for _ in range(n_draws):
        at = unit(state) * cumulative[n - 1]
        low, high = 0, n - 1
        while low < high:
            middle = (low + high) >> 1
            if cumulative[middle] > at:
                high = middle
            else:
                low = middle + 1
        counts[low] += np.uint32(1)


@kernel("u4[::1], f8[::1], f8, u8[::1]")
def write_keys(counts, factors, scale, keys):  # type: ignore[no-untyped-def]
    """The rows that were drawn, with count times factor times scale as weight; returns how many there are.

    Without factors the counts are the weights; without counts each row counts once.
    """
    m = U(0)
    n = max(counts.size, factors.size)
    for i in range(n):
        count = np.float64(counts[i]) if counts.size else 1.0
        if count == 0.0:
            continue
        weight = U(count)
        if factors.size:
            weight = U(max(1.0, np.floor(count * factors[i] * scale + 0.5)))
        keys[m] = U(i) | (weight << WEIGHT_AT)
        m += U(1)
    return np.int64(m)


@kernel
def lowest_bit(word):  # type: ignore[no-untyped-def]
    """The place of the lowest bit set: the exponent of that bit read as a number."""
    low = np.int64(word & (~word + U(1)))
    return ((float_bits(np.float64(low)) >> U(52)) & U(0x7FF)) - U(1023)


@kernel
def read_bins(columns, cells, stride, j, keys, s, m, bins):  # type: ignore[no-untyped-def]
    """bins[:m] = the bins of feature j of the rows of a node."""
    if m * NARROW >= columns.shape[1]:
        column = columns[j]
        for i in range(U(m)):
            bins[i] = column[keys[U(s) + i] & ROW]
    else:
        for i in range(U(m)):
            bins[i] = cells[(keys[U(s) + i] & ROW) * U(stride) + U(j)]


@kernel
def read_span(columns, cells, stride, j, keys, s, m, bins):  # type: ignore[no-untyped-def]
    """As `read_bins`; returns the lowest and the highest bin, that for missing cells among them."""
    read_bins(columns, cells, stride, j, keys, s, m, bins)
    low, high = bins[U(0)], bins[U(0)]
    for i in range(U(m)):
        low = min(low, bins[i])
        high = max(high, bins[i])
    return np.int64(low), np.int64(high)


@kernel
def part_rows(bins, m, found, bits, keys, q, s, spare, spare_q):  # type: ignore[no-untyped-def]
    """Parts the rows of a node by their bins of the split's feature, in their order; `bins` becomes where they go.

    Returns how many went left, their weight, and the weight of all.
    """
    if found[FOUND_LEVELS]:
        for i in range(U(m)):
            b = U(bins[i])
            bins[i] = np.uint8((bits[b >> U(6)] >> (b & U(63))) & U(1))
    else:
        side, edge = np.uint8(found[FOUND_SIDE]), np.uint8(found[FOUND_BIN] + found[FOUND_SIDE])
        for i in range(U(m)):
            bins[i] = np.uint8(np.uint8(bins[i] + side) <= edge)
    left, right, weight, total = U(s), U(0), U(0), U(0)
    for i in range(U(m)):
        goes, key = U(bins[i]), keys[U(s) + i]
        weight += (key >> WEIGHT_AT) & (U(0) - goes)
        total += key >> WEIGHT_AT
        keys[left] = key
        spare[right] = key
        left += goes
        right += U(1) - goes
    for i in range(right):
        keys[left + i] = spare[i]
    if q.size:  # a loop of its own, with few enough arrays for the registers
        at, right = U(s), U(0)
        for i in range(U(m)):
            goes, value = U(bins[i]), q[U(s) + i]
            q[at] = value
            spare_q[right] = value
            at += goes
            right += U(1) - goes
        for i in range(right):
            q[at + i] = spare_q[i]
    return np.int64(left) - s, np.int64(weight), np.int64(total)


@kernel
def highest_known(bins, m):  # type: ignore[no-untyped-def]
    """The highest bin that is not missing, 0 where all are."""
    high = np.uint8(0)
    for i in range(U(m)):
        b = bins[i]
        high = max(high, b if b < np.uint8(MISSING_BIN) else np.uint8(0))
    return np.int64(high)


@kernel
def take(found, bits, best, best_bits):  # type: ignore[no-untyped-def]
    """What was found is the best so far."""
    for k in range(N_FOUND):
        best[k] = found[k]
    if found[FOUND_LEVELS]:
        for k in range(4):
            best_bits[k] = bits[k]


@kernel
def random_cut(centers, low, high, rng):  # type: ignore[no-untyped-def]
    """A bin low <= t < high: the one where a number drawn between the centres of both falls."""
    v = centers[low] + unit(rng) * (centers[high] - centers[low])
    a, n = U(low), U(high - low)
    while n > U(
        1
    ):  # by the sign of a difference: a comparison would become a branch that no processor foresees
        half = n >> U(1)
        a += half & ((float_bits(v - centers[a + half]) >> U(63)) - U(1))
        n -= half
    return np.int64(a)


@kernel
def random_levels(bins, m, rng, bits):  # type: ignore[no-untyped-def]
    """A random set of levels that parts the rows; False where all have the same level."""
    for k in range(4):
        bits[k] = draw(rng)
    for _ in range(2):
        left = 0
        for i in range(U(m)):
            b = U(bins[i])
            left += np.int64((bits[b >> U(6)] >> (b & U(63))) & U(1))  # type: ignore[assignment]
        if 0 < left < m:
            return True
        b = U(bins[below(rng, m)])
        for k in range(4):
            bits[k] = U(0)
        bits[b >> U(6)] |= U(1) << (b & U(63))
    left = 0
    for i in range(U(m)):
        left += bins[i] == np.uint8(b)
    return left < m
