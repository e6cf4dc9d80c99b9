"""One exact tree: every cut of every column is tried in every node.

    while a node is open:
        the rows of its split part, and with them the list of every column that is not constant there
        both sides look for their best split; a side that has none is a leaf

Columns are sorted once (`cart_sort`); parting keeps the order, so a node costs a pass over its lists and no sort. Lists
of columns that have become constant are dropped, and where both sides are leaves none is parted. Nodes are opened
smallest first, or by gain where leaves are limited. Large nodes are worked on by threads column by column, and when
they have become small, subtree by subtree. A node's random numbers come from its place in the tree, so neither order nor threads
change it.

Forests call `cart_fit.grow_tree`.
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.cart_scan import CLASSES, ENTROPY, LOSSES, ONE, POISSON, WORST, worth
from tripos.supervised.trees.cart_search import (
    BEST_FIRST,
    BITS,
    CODES,
    COLUMN,
    CRITERION,
    DEPTH,
    FOUND,
    HIGH,
    KIND,
    LEAF,
    LEVEL_LINE,
    LINE,
    LINES,
    LOW,
    MAX_FEATURES,
    MISSING_LEFT,
    MONO,
    MONOTONE,
    MOST_LEAVES,
    N_FEATURES,
    N_OUTPUTS,
    OFFSETS,
    PLACES,
    RANDOM,
    RANKS,
    ROW_WEIGHTS,
    SPLIT,
    SUMS,
    TABLE,
    Q,
    first_above,
    mix,
    order_levels,
    random_key,
    search_cuts,
    search_losses,
    uniform,
    write_bits,
)
from tripos.supervised.trees.cart_sort import HALF, MISSING, ROW

U = np.uint64
BEGIN, END, LEFT, RIGHT, FEATURE, SIDE, LEVEL_ROW, AT_DEPTH, SLOT, CUT_LOW, CUT_HIGH, SEED = range(12)
N_INTS = 12
WEIGHT, GAIN, LOWER, UPPER, IMPURITY = range(5)  # then the sums, then what a number's leaf says
FIRST = 5
COUNTS, N_ACTIVE, FREE, OPEN, MIDS, ORDER = range(6)  # of front[1]
N_NODES, N_LEVELS, N_OPEN, N_FREE, N_ASKED = range(5)  # of front[1][COUNTS]
DEFAULT, CATEGORICAL, DIRECTION = range(3)  # of cols[1]
DONE, AGAIN, ASK = 0, 1, 2
LIGHT, LEAST_GAIN, TOTAL, UNIT, CENTER, SCALE = range(6)  # of numbers
RUN, OPEN_NODE, PART, HAND_OUT, CHOOSE, SEARCH, SETTLE, ROOT = range(8)  # what `grow` is asked to do
BUDGET = 30_000_000  # cells of lists a kernel call may visit: some 0.1 s
LARGE = 1 << 17  # cells of a node's lists from which on threads share it
SLOTS = 70  # open nodes when the smallest goes first: the logarithm of the rows

COLS = "Tuple((u8[::1], i8[:, ::1]))"
TARGET = "Tuple((f8[:, ::1], i4[:, ::1], i8[::1], f8[::1], f8[::1]))"
TREE = "Tuple((i8[:, ::1], f8[:, ::1], u8[:, ::1]))"
FRONT = "Tuple((i8[:, :, ::1], i8[:, ::1]))"
PLACE = "Tuple((u4[::1], u1[::1], f8[:, ::1]))"  # rows, sides, y
SCRATCH = "Tuple((u8[:, ::1], f8[:, ::1], i8[:, ::1], f8[:, ::1], u4[:, ::1]))"
FIXED = f"{COLS}, {TARGET}, i8[::1], f8[::1], {TREE}, {FRONT}, {PLACE}, {SCRATCH}"


@kernel(strict=True)
def describe(i, target, opts, tree, place):  # type: ignore[no-untyped-def]
    """Sums, weight, value and impurity of node i; returns whether nothing is left to tell apart in it."""
    ints, floats = tree[0], tree[1]
    q, codes, offsets, w = target[Q], target[CODES], target[OFFSETS], target[ROW_WEIGHTS]
    rows, y = place[0], place[2]
    begin, end = ints[i, BEGIN], ints[i, END]
    C = floats.shape[1] - FIRST - y.shape[1]
    stats = floats[i, FIRST:]
    for c in range(C):
        stats[c] = 0.0
    W = 0.0
    for k in range(begin, end):
        r = rows[k]
        v = w[r] if w.size > 0 else 1.0
        W += v
        if opts[KIND] == CLASSES:
            for o in range(codes.shape[1]):
                stats[offsets[o] + codes[r, o]] += v
        else:
            for c in range(C):
                stats[c] += q[r, c]
    floats[i, WEIGHT], floats[i, GAIN], floats[i, IMPURITY] = W, 0.0, 0.0
    if y.shape[1] == 0:
        if opts[KIND] == ONE:
            return stats[0] == 0.0 or stats[0] == W
        whole = 0
        for c in range(C):
            whole += stats[c] == W
        return whole == opts[N_OUTPUTS]
    pure = True
    spread = 0.0
    for o in range(y.shape[1]):
        total, first, same = 0.0, y[rows[begin], o], True
        for k in range(begin, end):
            r = rows[k]
            same &= y[r, o] == first
            total += y[r, o] * (w[r] if w.size > 0 else 1.0)
        mean = first if same else total / W
        pure &= same
        stats[C + o] = mean
        part = 0.0
        for k in range(begin, end if not same else begin):
            r = rows[k]
            v = w[r] if w.size > 0 else 1.0
            if opts[CRITERION] == POISSON:
                part += v * y[r, o] * math.log(y[r, o] / mean) if y[r, o] > 0.0 else 0.0
            else:
                part += v * (y[r, o] - mean) * (y[r, o] - mean)
        spread += part / W
    floats[i, IMPURITY] = spread / y.shape[1]
    return pure


@kernel(f"i8, u8[::1], i8[:, ::1], {TREE}, f8[::1], f8[:, ::1]", strict=True)
def describe_losses(i, E, held, tree, w, y):  # type: ignore[no-untyped-def]
    """Medians of node i and the mean absolute deviation from them; held[o] is where its rows stand by output o."""
    floats = tree[1]
    W = floats[i, WEIGHT]
    spread = 0.0
    for o in range(y.shape[1]):
        total = 0.0
        k = held[o, 1]
        while True:
            r = E[k] & ROW
            total += w[r] if w.size > 0 else 1.0
            if total >= 0.5 * W or k + 1 == held[o, 2]:
                break
            k += 1
        middle = y[E[k] & ROW, o]
        if total == 0.5 * W and k + 1 < held[o, 2]:
            middle = 0.5 * (middle + y[E[k + 1] & ROW, o])
        floats[i, floats.shape[1] - y.shape[1] + o] = middle
        for j in range(held[o, 1], held[o, 2]):
            r = E[j] & ROW
            spread += abs(y[r, o] - middle) * (w[r] if w.size > 0 else 1.0)
    floats[i, IMPURITY] = spread / (W * y.shape[1])


@kernel
def closed(i, pure, opts, numbers, tree):  # type: ignore[no-untyped-def]
    """Whether node i is a leaf before any split is looked for."""
    ints, floats = tree[0], tree[1]
    n = ints[i, END] - ints[i, BEGIN]
    if pure or n < opts[SPLIT] or n < 2 * opts[LEAF] or ints[i, AT_DEPTH] >= opts[DEPTH]:
        return True
    return floats[i, WEIGHT] < 2.0 * numbers[LIGHT]


@kernel
def part_rows(i, lo, hi, cols, tree, place, spare):  # type: ignore[no-untyped-def]
    """Parts the rows of node i, keeping their order; returns where the right ones begin. [lo, hi) is the list of its
    split's column, sides[r] becomes 1 for rows that go right."""
    E, ints, bits = cols[0], tree[0], tree[2]
    rows, sides = place[0], place[1]
    begin, end = ints[i, BEGIN], ints[i, END]
    low, level = U(ints[i, CUT_LOW]), ints[i, LEVEL_ROW]
    missing = np.uint8(1 - ints[i, SIDE])
    if hi - lo < end - begin:
        rest = np.uint8(cols[1][DEFAULT, ints[i, FEATURE]] > ints[i, CUT_LOW])
        for k in range(begin, end):
            sides[rows[U(k)]] = rest
    for k in range(lo, hi):
        key = E[U(k)] >> HALF
        s = np.uint8(key > low)
        if level >= 0:
            s = np.uint8(U(1) - ((bits[level, (key >> U(6)) & U(3)] >> (key & U(63))) & U(1)))
        sides[E[U(k)] & ROW] = missing if key == U(MISSING) else s
    a, b = begin, 0
    for k in range(begin, end):
        r = rows[U(k)]
        s = np.int64(sides[r])  # type: ignore[assignment]
        rows[U(a)] = r
        spare[U(b)] = U(r)
        a += 1 - s
        b += s  # type: ignore[assignment]
    for k in range(b):
        rows[a + k] = np.uint32(spare[k])
    return a


@kernel
def open_node(i, cols, target, opts, numbers, tree, front, place, scratch):  # type: ignore[no-untyped-def]
    """Makes the children of node i; returns bit 0 if the left, bit 1 if the right may be split further."""
    ints, floats, bits = tree[0], tree[1], tree[2]
    slot, counts = ints[i, SLOT], front[1][COUNTS]
    j = opts[N_OUTPUTS] if opts[KIND] == LOSSES else 0
    while front[0][slot, j, 0] != ints[i, FEATURE]:
        j += 1
    mid = part_rows(i, front[0][slot, j, 1], front[0][slot, j, 2], cols, tree, place, scratch[LINES][LINE])
    larger = 2 * mid > ints[i, BEGIN] + ints[i, END]
    if ints[i, SIDE] < 0:  # no missing cell was here: those to come follow the more
        ints[i, SIDE] = larger
    if ints[i, LEVEL_ROW] >= 0 and larger:  # so do levels that are not here
        for word in range(4):
            bits[ints[i, LEVEL_ROW], word] |= ~bits[ints[i, LEVEL_ROW], 4 + word]
    result = 0
    for side in range(2):
        c = counts[N_NODES]
        counts[N_NODES] += 1
        ints[i, LEFT + side] = c
        ints[c, BEGIN] = mid if side else ints[i, BEGIN]
        ints[c, END] = ints[i, END] if side else mid
        ints[c, LEFT], ints[c, RIGHT], ints[c, FEATURE], ints[c, SLOT], ints[c, LEVEL_ROW] = (
            -1,
            -1,
            -1,
            -1,
            -1,
        )
        ints[c, AT_DEPTH] = ints[i, AT_DEPTH] + 1
        ints[c, SEED] = np.int64(mix(U(ints[i, SEED]) + U(side + 1)))
        floats[c, LOWER], floats[c, UPPER] = floats[i, LOWER], floats[i, UPPER]
        pure = describe(c, target, opts, tree, place)
        result |= (not closed(c, pure, opts, numbers, tree)) << side
    return result


@kernel
def bound_children(i, cols, opts, numbers, tree, y):  # type: ignore[no-untyped-def]
    """Bounds on the children's means, so that neither crosses the middle of the two."""
    ints, floats = tree[0], tree[1]
    a, b = ints[i, LEFT], ints[i, RIGHT]
    low, high = floats[i, LOWER], floats[i, UPPER]
    last = floats.shape[1] - 1
    C = last - y.shape[1]
    mean_a, mean_b = floats[a, C] / floats[a, WEIGHT], floats[b, C] / floats[b, WEIGHT]
    if opts[KIND] == LOSSES:
        mean_a = (floats[a, last] - numbers[CENTER]) * numbers[SCALE]
        mean_b = (floats[b, last] - numbers[CENTER]) * numbers[SCALE]
    middle = 0.5 * (min(max(mean_a, low), high) + min(max(mean_b, low), high))
    direction = cols[1][DIRECTION, ints[i, FEATURE]]
    if direction > 0:
        floats[a, UPPER], floats[b, LOWER] = middle, middle
    elif direction < 0:
        floats[a, LOWER], floats[b, UPPER] = middle, middle


@kernel
def part_lists(i, first, last, keep, cols, opts, tree, front, sides, spare):  # type: ignore[no-untyped-def]
    """Parts the lists first <= j < last of node i's slot and notes where the right part begins. Where just one side is kept,
    its entries come first."""
    E, lists, mids = cols[0], front[0], front[1][MIDS]
    slot = tree[0][i, SLOT]
    held = opts[N_OUTPUTS] if opts[KIND] == LOSSES else 0
    for j in range(first, last):
        lo, hi = lists[slot, j, 1], lists[slot, j, 2]
        a = lo
        if keep == 3 or j < held:
            b = 0
            for k in range(lo, hi):
                e = E[U(k)]
                s = np.int64(sides[e & ROW])
                E[U(a)] = e
                spare[U(b)] = e
                a += 1 - s
                b += s  # type: ignore[assignment]
            for k in range(b):
                E[U(a + k)] = spare[U(k)]
        elif keep > 0:
            flip = np.int64(keep == 1)
            for k in range(lo, hi):
                e = E[U(k)]
                E[U(a)] = e
                a += np.int64(sides[e & ROW]) ^ flip
        mids[j] = a


@kernel
def constant(E, lo, hi, n):  # type: ignore[no-untyped-def]
    """Whether a column has one value in all n rows of a node."""
    if lo == hi:
        return True
    return hi - lo == n and E[U(lo)] >> HALF == E[U(hi - 1)] >> HALF


@kernel
def hand_out(i, keep, cols, target, opts, numbers, tree, front, y):  # type: ignore[no-untyped-def]
    """Gives the parted lists to the children that are kept; the left one takes over the slot of node i."""
    E, ints, lists = cols[0], tree[0], front[0]
    counts, n_active, free, mids = front[1][COUNTS], front[1][N_ACTIVE], front[1][FREE], front[1][MIDS]
    slot = ints[i, SLOT]
    held = opts[N_OUTPUTS] if opts[KIND] == LOSSES else 0
    if held:
        node = lists[slot]
        for side in range(2):
            edge = 1 if side else 2  # the right child's part begins in the middle, the left one's ends there
            for o in range(held):
                node[o, edge], mids[o] = mids[o], node[o, edge]
            describe_losses(ints[i, LEFT + side], E, node, tree, target[ROW_WEIGHTS], y)
            for o in range(held):
                node[o, edge], mids[o] = mids[o], node[o, edge]
    if opts[MONOTONE]:
        bound_children(i, cols, opts, numbers, tree, y)
    other = slot
    if keep == 3:
        counts[N_FREE] -= 1
        other = free[counts[N_FREE]]
    m = n_active[slot]
    for turn in range(2):
        side = 1 - turn  # the right one first: the left one's lists overwrite those of the node
        c = ints[i, LEFT + side]
        n = ints[c, END] - ints[c, BEGIN]
        target_slot = other if side else slot
        if not keep >> side & 1:
            continue
        at = 0
        for j in range(m):
            lo, mid, hi = lists[slot, j, 1], mids[j], lists[slot, j, 2]
            if side and not (keep == 2 and j >= held):
                lo, mid = mid, hi
            if j < held or not constant(E, lo, mid, n):
                f = lists[slot, j, 0]
                lists[target_slot, at, 0], lists[target_slot, at, 1], lists[target_slot, at, 2] = f, lo, mid
                at += 1
        ints[c, SLOT] = target_slot
        n_active[target_slot] = at
    if keep == 0:
        free[counts[N_FREE]] = slot
        counts[N_FREE] += 1


@kernel
def choose_columns(i, cols, opts, tree, front, ranks):  # type: ignore[no-untyped-def]
    """The lists node i looks at, in order; as many as a draw of max_features from all columns leaves that are not constant
    here, at least one. For the absolute error the node's rows are ranked too."""
    slot, order = tree[0][i, SLOT], front[1][ORDER]
    held = opts[N_OUTPUTS] if opts[KIND] == LOSSES else 0
    for o in range(held):
        lo = front[0][slot, o, 1]
        for k in range(lo, front[0][slot, o, 2]):
            ranks[o, cols[0][k] & ROW] = np.uint32(k - lo)
    n = front[1][N_ACTIVE, slot] - held
    for j in range(n):
        order[j] = held + j
    left, m = opts[N_FEATURES], opts[MAX_FEATURES]
    if m >= left or n == 0:
        return n
    seed = U(tree[0][i, SEED])
    drawn = 0
    for d in range(m + 1):
        # the last turn is for a node whose columns drawn are all constant
        if drawn == n or (d == m and drawn > 0):
            break
        if d == m or uniform(seed + U(2 * d + 1)) * (left - d) < n - drawn:
            j = drawn + np.int64(uniform(seed + U(2 * d + 2)) * (n - drawn))  # type: ignore[assignment]
            order[drawn], order[j] = order[j], order[drawn]
            drawn += 1
    return drawn


@kernel(strict=True)
def search_node(i, first, last, cols, target, opts, numbers, tree, front, place, scratch):  # type: ignore[no-untyped-def]
    """The best split of node i on the lists order[first:last]: its P; what it is stands in the scratch memory."""
    ints, floats = tree[0], tree[1]
    lists, order, E = front[0], front[1][ORDER], cols[0]
    slot, line = ints[i, SLOT], scratch[LINES][LEVEL_LINE]
    found, mono = scratch[PLACES][FOUND], scratch[SUMS][MONO]
    node = (ints[i, END] - ints[i, BEGIN], floats[i, WEIGHT], numbers[LIGHT])
    mine = place[0][ints[i, BEGIN] : ints[i, END]]
    T = floats[i, FIRST : floats.shape[1] - place[2].shape[1]]
    mono[0], mono[2], mono[3] = opts[MONOTONE], floats[i, LOWER], floats[i, UPPER]
    best = WORST
    found[COLUMN] = -1
    for k in range(first, last):
        j = order[k]
        f, lo, hi = lists[slot, j, 0], lists[slot, j, 1], lists[slot, j, 2]
        default = cols[1][DEFAULT, f]
        seed = mix(U(ints[i, SEED]) ^ (U(f) << U(20)))
        mono[1] = np.float64(cols[1][DIRECTION, f])
        source, begin, end, L, cut = E, lo, hi, 0, -1
        if cols[1][CATEGORICAL, f]:
            L = order_levels(E, lo, hi, T, target, opts, scratch)
            source, begin, end = line, 0, hi - lo
        elif opts[RANDOM]:
            m = first_above(E, lo, hi, MISSING - 1)
            cut = random_key(E, lo, m, hi - lo, node[0], default, seed)
        if opts[KIND] == LOSSES:
            held = lists[slot]
            g = search_losses(
                source, begin, end, default, mine, E, held, node, target, opts, scratch, best, cut
            )
        else:
            g = search_cuts(source, begin, end, default, node, T, target, opts, scratch, best, cut)
        if g > best:
            best = g
            found[COLUMN] = f
            if E[U(hi - 1)] >> HALF != U(MISSING):
                found[MISSING_LEFT] = -1
            if L > 0:
                write_bits(L, scratch)
    return best


@kernel(strict=True)
def settle(i, best, cols, target, opts, numbers, tree, front, place, scratch):  # type: ignore[no-untyped-def]
    """Writes the split found for node i and opens it, if it is worth making; frees its slot where not."""
    ints, floats, found = tree[0], tree[1], scratch[PLACES][FOUND]
    counts, free = front[1][COUNTS], front[1][FREE]
    if found[COLUMN] >= 0:
        W = floats[i, WEIGHT]
        if opts[KIND] == LOSSES:
            gain = best * numbers[UNIT] + floats[i, IMPURITY] * W
        else:
            T = floats[i, FIRST : floats.shape[1] - place[2].shape[1]]
            table = target[TABLE] if opts[CRITERION] == ENTROPY else target[TABLE][:0]
            gain = (best - worth(T, W, opts[CRITERION], opts[N_OUTPUTS], table)) * numbers[UNIT]
        gain = max(gain, 0.0)
        if gain / numbers[TOTAL] + 2.2e-16 >= numbers[LEAST_GAIN]:
            floats[i, GAIN] = gain
            ints[i, FEATURE] = found[COLUMN]
            ints[i, CUT_LOW], ints[i, CUT_HIGH], ints[i, SIDE] = found[LOW], found[HIGH], found[MISSING_LEFT]
            if cols[1][CATEGORICAL, found[COLUMN]]:
                ints[i, LEVEL_ROW] = counts[N_LEVELS]
                for word in range(8):
                    tree[2][counts[N_LEVELS], word] = scratch[LINES][BITS, word]
                counts[N_LEVELS] += 1
            front[1][OPEN, counts[N_OPEN]] = i
            counts[N_OPEN] += 1
            return
    free[counts[N_FREE]] = ints[i, SLOT]
    counts[N_FREE] += 1


@kernel
def next_open(opts, tree, front):  # type: ignore[no-untyped-def]
    """Takes the node to open next: the last, or the one that gains most."""
    counts, waiting = front[1][COUNTS], front[1][OPEN]
    last = counts[N_OPEN] - 1
    at = last
    if opts[BEST_FIRST]:
        for k in range(last):
            a, b = tree[1][waiting[k], GAIN], tree[1][waiting[at], GAIN]
            if a > b or (a == b and waiting[k] < waiting[at]):
                at = k
    i = waiting[at]
    waiting[at] = waiting[last]
    counts[N_OPEN] = last
    return i


@kernel(f"{FIXED}, i8, i8, i8, i8, i8, f8")
def grow(cols, target, opts, numbers, tree, front, place, scratch, what, i, a, b, c, best):  # type: ignore[no-untyped-def]
    """Opens nodes until none is left, some have been visited, or one is large enough to be shared by threads (i cells).

    This is what is asked for by `what` = RUN; other values do one step with node i, for threads. One kernel is
    compiled for all, since each that calls the others would compile them again.
    """
    ints, counts = tree[0], front[1][COUNTS]
    budget, large = BUDGET, i
    while True:
        if what == RUN:
            full = opts[BEST_FIRST] and counts[N_NODES] >= 2 * opts[MOST_LEAVES] - 1
            if counts[N_OPEN] == 0 or full:
                return float(DONE)
            if budget <= 0:
                return float(AGAIN)
            i = next_open(opts, tree, front)
            m = front[1][N_ACTIVE, ints[i, SLOT]]
            a, b = 0, m
            if (ints[i, END] - ints[i, BEGIN]) * m > large:
                counts[N_ASKED] = i
                return float(ASK)
            budget -= (ints[i, END] - ints[i, BEGIN]) * m
        if what == ROOT:
            pure = describe(i, target, opts, tree, place)
            return 1.0 if closed(i, pure, opts, numbers, tree) else 0.0
        if what == RUN or what == OPEN_NODE:
            c = open_node(i, cols, target, opts, numbers, tree, front, place, scratch)
        if what == RUN or what == PART:
            if c > 0 or opts[KIND] == LOSSES:
                part_lists(i, a, b, c, cols, opts, tree, front, place[1], scratch[LINES][LINE])
        if what == RUN or what == HAND_OUT:
            hand_out(i, c, cols, target, opts, numbers, tree, front, place[2])
        if what == OPEN_NODE or what == PART or what == HAND_OUT:
            return float(c)
        left, right = ints[i, LEFT], ints[i, RIGHT]
        for turn in range(2 if what == RUN else 1):
            node, first, last = i, a, b
            if what == RUN:  # the larger child first, so that the smaller is taken from the stack first
                on_right = (turn == 0) == (
                    ints[left, END] - ints[left, BEGIN] < ints[right, END] - ints[right, BEGIN]
                )
                if not c & (2 if on_right else 1):
                    continue
                node = right if on_right else left
            if what == RUN or what == CHOOSE:
                first, last = 0, choose_columns(node, cols, opts, tree, front, scratch[RANKS])
                best = float(last)
            if what == RUN or what == SEARCH:
                best = search_node(
                    node, first, last, cols, target, opts, numbers, tree, front, place, scratch
                )
                budget -= (last - first) * (ints[node, END] - ints[node, BEGIN])
            if what == RUN or what == SETTLE:
                settle(node, best, cols, target, opts, numbers, tree, front, place, scratch)
        if what != RUN:
            return best
