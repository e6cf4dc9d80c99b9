"""Sums of gradients and hessians by bin, in integers.

The gradient g and the hessian h of a row become integers of at most 31 bits in sum, and share a word of 64 bits:

    P = g 2^32 + h,     sum g = (sum P) >> 32,     sum h = (sum P) mod 2^32

One addition serves both, and sums of integers do not depend on their order: any number of threads gives the same
bits. The scales are powers of two, so a row of integer weight k is exactly k rows. A node's histogram has 256
sums per feature; that of the larger child is its parent's less that of the smaller one.

References
----------
Shi et al., "Quantized training of gradient boosting decision trees" (2022), arXiv:2207.09682.
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import prefetch
from tripos.compute.threads import parallel, thread_count

U = np.uint64
LOW = np.int64(0xFFFFFFFF)
AHEAD = 32  # rows that are fetched before they are needed
BLOCK = 2048  # sums of a block of eight features
LANES_OF_HALF = 4
HALF = BLOCK // 2  # a histogram may end with half a block, whose words hold no more than four features
PARALLEL_WORK = 2_000_000  # additions, half a millisecond of work or more, below which one thread does all
GATHERED = 1 << 13  # rows of one gathering: their packed gradients stay in the first-level cache


# ---- packing ------------------------------------------------------------------------------------------------


def scale(total: float, n_rows: float) -> float:
    """The largest power of two that keeps a sum of n_rows rounded numbers, `total` before, under 2^31."""
    if not total > 0.0:
        return 1.0
    return math.ldexp(1.0, math.frexp(min((2.0**31 - n_rows) / total, 2.0**100))[1] - 1)


@kernel("f4[::1], f4[::1], f8, f8, i8[::1]")
def pack(slope, curvature, gradient_scale, hessian_scale, packed):  # type: ignore[no-untyped-def]
    """P of each row."""
    gs, hs = np.float32(gradient_scale), np.float32(hessian_scale)
    for i in range(U(slope.size)):
        g = np.int32(np.rint(slope[i] * gs))
        packed[i] = (np.int64(g) << 32) + np.int64(np.int32(np.rint(curvature[i] * hs)))


@kernel("f4[::1], f4[::1], f8[::1], b1, f8, f8, i8[::1]")
def pack_weighted(slope, curvature, weight, whole, gradient_scale, hessian_scale, packed):  # type: ignore[no-untyped-def]
    """P of each row times its weight: a `whole` weight of k is exactly k rows."""
    gs, hs = np.float32(gradient_scale), np.float32(hessian_scale)
    if whole:
        for i in range(U(slope.size)):
            w = np.int64(weight[i])
            many_g = np.int64(np.int32(np.rint(slope[i] * gs))) * w
            many_h = np.int64(np.int32(np.rint(curvature[i] * hs))) * w
            packed[i] = (many_g << 32) + many_h
    else:
        for i in range(U(slope.size)):
            any_g = np.int64(np.rint(slope[i] * weight[i] * gradient_scale))
            any_h = np.int64(np.rint(curvature[i] * weight[i] * hessian_scale))
            packed[i] = (any_g << 32) + any_h


# ---- adding up ----------------------------------------------------------------------------------------------


@kernel
def add_half(h, o, word, P):  # type: ignore[no-untyped-def]
    """Adds P to the bins that the first four bytes of `word` name, 256 sums apart from position o on."""
    h[o + (word & U(255))] += P
    h[o + U(256) + ((word >> U(8)) & U(255))] += P
    h[o + U(512) + ((word >> U(16)) & U(255))] += P
    h[o + U(768) + ((word >> U(24)) & U(255))] += P


@kernel
def add_word(h, o, word, P):  # type: ignore[no-untyped-def]
    """As `add_half` for all eight bytes."""
    add_half(h, o, word, P)
    add_half(h, o + U(HALF), word >> U(32), P)


@kernel("u8[:, ::1], i8, i8, i8[::1], i8, i8, i8[::1]")
def add_all(words, first, last, packed, start, end, h):  # type: ignore[no-untyped-def]
    """Adds the rows start <= i < end to the histogram of the feature blocks first <= b < last."""
    for b in range(first, last):
        x = words[b]
        o = U(BLOCK * b)
        if BLOCK * (b + 1) > h.size:
            for i in range(U(start), U(end)):
                add_half(h, o, x[i], packed[i])
        else:
            for i in range(U(start), U(end)):
                add_word(h, o, x[i], packed[i])


@kernel("u8[:, ::1], i8, i8, u4[::1], i8[::1], i8, i8, i8[::1], i8, i8[::1]")
def add_some(words, first, last, rows, packed, start, end, gathered, counting, h):  # type: ignore[no-untyped-def]
    """Adds rows[start:end]; with `counting` each counts 1 instead of its P."""
    for c in range(start, end, GATHERED):
        m = U(end - c)
        if m > U(GATHERED):
            m = U(GATHERED)
        here = rows[c:end]
        for i in range(m):
            gathered[i] = np.int64(1) if counting else packed[U(here[i])]
        near = m - U(AHEAD) if m > U(AHEAD) else U(0)
        for b in range(first, last):
            x = words[b]
            o = U(BLOCK * b)
            if BLOCK * (b + 1) > h.size:
                for i in range(m):
                    if i < near:
                        prefetch(x, U(here[i + U(AHEAD)]))
                    add_half(h, o, x[U(here[i])], gathered[i])
                continue
            for i in range(near):
                prefetch(x, U(here[i + U(AHEAD)]))
                add_word(h, o, x[U(here[i])], gathered[i])
            for i in range(near, m):
                add_word(h, o, x[U(here[i])], gathered[i])


@kernel("i8[::1], u4[::1], u4[::1], i8[::1], i8, i8, i8, i8[::1]")
def add_stored(starts, codes, rows, packed, start, end, counting, h):  # type: ignore[no-untyped-def]
    """Adds rows[start:end] to the sums that they store, codes[starts[i]:starts[i + 1]] (see `bundling`)."""
    for q in range(U(start), U(end)):
        i = U(rows[q])
        P = np.int64(1) if counting else packed[i]
        for k in range(U(starts[i]), U(starts[i + U(1)])):
            h[U(codes[k])] += P


@kernel("i8[::1], i8, i8")
def clear(h, start, end):  # type: ignore[no-untyped-def]
    """h[start:end] = 0."""
    for i in range(U(start), U(end)):
        h[i] = 0


@kernel
def subtract(h, other):  # type: ignore[no-untyped-def]
    """h -= other."""
    for i in range(U(h.size)):
        h[i] -= other[i]


@kernel("i8[::1], i8[::1], i8, i8")
def add_part(h, part, start, end):  # type: ignore[no-untyped-def]
    """h[start:end] += part."""
    for i in range(U(start), U(end)):
        h[i] += part[i - U(start)]


# ---- on all threads -----------------------------------------------------------------------------------------


def histogram(
    words: np.ndarray,
    rows: np.ndarray | None,
    packed: np.ndarray,
    start: int,
    end: int,
    h: np.ndarray,
    *,
    counting: bool = False,
) -> None:
    """The histogram of rows[start:end], or of the rows start <= i < end where `rows` is None, into h.

    With `counting` each row counts 1 instead of its gradients.

    Pieces are parts of the rows, whose histograms are added up: a piece for each block of features gathered the
    gradients anew for each, and two threads took longer than one. One piece for each thread: adding up more of them
    cost more than it evened out.
    """
    blocks, threads = len(words), thread_count()
    if threads == 1 or (end - start) * blocks * 8 < PARALLEL_WORK:
        clear(h, 0, h.size)
        _add(words, 0, blocks, rows, packed, start, end, counting, h)
        return
    edges = np.linspace(start, end, threads + 1).astype(np.int64)
    others = np.empty((threads - 1, h.size), np.int64)

    def piece(part: int) -> None:
        own = others[part - 1] if part else h
        clear(own, 0, own.size)
        _add(words, 0, blocks, rows, packed, int(edges[part]), int(edges[part + 1]), counting, own)

    parallel(piece, range(threads))
    for other in others:
        add_part(h, other, 0, h.size)


def _add(
    words: np.ndarray,
    first: int,
    last: int,
    rows: np.ndarray | None,
    packed: np.ndarray,
    start: int,
    end: int,
    counting: bool,
    h: np.ndarray,
) -> None:
    if rows is None:
        add_all(words, first, last, packed, start, end, h)
    else:
        gathered = np.empty(GATHERED, np.int64)
        add_some(words, first, last, rows, packed, start, end, gathered, int(counting), h)
