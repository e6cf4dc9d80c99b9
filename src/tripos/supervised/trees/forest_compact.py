"""A forest's nodes in 32 bits, and the walk of many rows without missing cells.

    bits  0-7   the column's place among those in use, 255 at a leaf
    bits  8-15  t: a row whose bin is at least t goes right
    bits 16-31  the pair of children: nodes 2 k and 2 k + 1 of the tree

Rows that walk side by side wait less for memory than for the instructions of a step, of which half the bytes take half.
Node 2 k + 1 follows 2 k, so a comparison is the last bit of where a row goes. A leaf leads to itself: with t = 255 a left
one, which no bin reaches, with t = 0 a right one. The root is node 1.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.supervised.trees.tree import CHILD, FEATURES, LEAF

U, W = np.uint64, np.uint32
PLACE, PAIR = W(0xFF), W(16)
LEAVES = 255  # the place of a leaf's column: as many columns can be in use
MOST_NODES = 1 << 17


@kernel("u8[::1], i8[::1], u4[::1]")
def compact(words, starts, nodes):  # type: ignore[no-untyped-def]
    """Writes all trees, the nodes of tree t behind starts[t] + t; False where a child has no place."""
    for t in range(starts.size - 1):
        first = U(starts[t])
        base = first + U(t)
        nodes[base] = W(0)
        for i in range(first, U(starts[t + 1])):
            word, k = words[i], i - first + U(1)
            if word & LEAF:
                edge = W(0) if k & U(1) else W(255)
                nodes[base + k] = W(LEAVES) | (edge << W(8)) | (W(k >> U(1)) << PAIR)
                continue
            child = (word & CHILD) - first + U(1)
            if child & U(1):
                return False
            above = min(((word >> U(48)) & U(255)) + U(1) - ((word >> U(56)) & U(1)), U(255))
            nodes[base + k] = W(((word >> U(32)) & FEATURES) | (above << U(8)) | ((child >> U(1)) << U(16)))
    return True


@kernel
def compact_step(nodes, base, node, bins, o):  # type: ignore[no-untyped-def]
    """The node after `node` for the row whose bins begin at o."""
    b = W(bins[o + U(node & PLACE)])
    right = U(b >= ((node >> W(8)) & PLACE))
    return nodes[base + (U(node >> PAIR) << U(1)) + right]


@kernel
def compact_walk(nodes, base, size, bins, w, m, at, under_way, row_of):  # type: ignore[no-untyped-def]
    """at[i] becomes the leaf in which row i ends, for m rows, in a tree of `size` nodes.

    As many steps as halve the tree come first; then rows that have arrived are left out every four steps.
    """
    root, n, rounds = nodes[base + U(1)], U(m), 1
    for i in range(n):
        under_way[i] = root
        row_of[i] = W(i)
    while size > 16:
        size >>= 2
        rounds += 1
    while n > U(0):
        for _ in range(rounds):
            for k in range(n):
                o = U(row_of[k]) * w
                node = compact_step(nodes, base, under_way[k], bins, o)
                under_way[k] = compact_step(nodes, base, node, bins, o)
        left, rounds = U(0), 2
        for k in range(n):
            node, row = under_way[k], row_of[k]
            at[U(row)] = node
            under_way[left] = node
            row_of[left] = row
            left += U((node & PLACE) != PLACE)
        n = left
