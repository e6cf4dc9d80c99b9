"""The float32 matrix product as a filter: which rows can be among the nearest, up to a rigorous error bound.

With rows c-centred and scaled, v(x) = |x|^2 - 2 q.x orders rows as the distance to q does, and the norm rides in the
product as one more column: [-2q, 1] . [x, |x|^2]. For every row no farther than D from q, |x| <= r = |q| + D, and

    |v32 - v| <= E = u (d + 10) (2 |q| r + r^2) + tiny,        u = 2^-24

(the products' and sums' roundings, Higham, Accuracy and Stability of Numerical Algorithms, section 3.1, and those of
x, q and |x|^2 themselves). So a row with v32 > D^2 - |q|^2 + E is farther than D: nothing that matters is lost, and
what passes is measured again in float64.

For the cosine distance rows have length one instead of being centred, the norm column is zero, and v / 2 + 1 is the
distance.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.extremes import smaller
from tripos.geometry.distances import COSINE, insert, reduced

UNIT = 1.1 * 2.0**-24  # half the spacing of float32 at 1, and a tenth for the products of roundings
TINY = 1e-36  # more than what all underflows add up to, for rows scaled to at most 1
LARGEST = 1e15  # scaled queries farther out than this are compared without the filter
GROUPS = 8  # columns of the product whose minimum is looked at together, and minima whose minimum is
NEVER = 3e38  # the norm of rows that only fill a block


@kernel("F[:, ::1], f8[::1], f8, i8, f4[:, ::1]")
def fold_rows(X, centre, scale, metric, out):  # type: ignore[no-untyped-def]
    """out = [x, |x|^2] of centred and scaled rows; rows beyond X are so far away that nobody finds them."""
    n, d = X.shape
    for i in range(out.shape[0]):
        norm = 0.0
        if i >= n:
            for t in range(d):
                out[i, t] = 0.0
            out[i, d] = NEVER
            continue
        for t in range(d):
            x = (np.float64(X[i, t]) - centre[t]) * scale
            norm += x * x
            out[i, t] = x
        if metric == COSINE:
            length = np.sqrt(norm)
            for t in range(d):
                out[i, t] = (np.float64(X[i, t]) * scale / length) if length > 0.0 else 0.0
            out[i, d] = 0.0
        else:
            out[i, d] = norm


@kernel("f8[:, ::1], f8[::1], f8, i8, f4[:, ::1], f8[::1]", strict=True)
def fold_queries(Q, centre, scale, metric, out, norms):  # type: ignore[no-untyped-def]
    """out = [-2 q, 1] of centred and scaled queries, and their squared lengths; False if one is out of range."""
    fits = True
    d = Q.shape[1]
    for i in range(Q.shape[0]):
        norm = 0.0
        for t in range(d):
            q = (Q[i, t] - centre[t]) * scale
            norm += q * q
        stretch = scale
        if metric == COSINE:
            stretch = scale / np.sqrt(norm) if norm > 0.0 else 0.0
        for t in range(d):
            out[i, t] = -2.0 * ((Q[i, t] - centre[t]) * stretch)
        out[i, d] = 1.0
        norms[i] = 1.0 if metric == COSINE else norm
        fits &= norm < LARGEST
    return fits


@kernel(strict=True)
def reach(metric, d, norm, distance):  # type: ignore[no-untyped-def]
    """The v32 that no row within a (scaled, reduced) distance of a query of that squared length exceeds."""
    if metric == COSINE:
        return 2.0 * (distance - 1.0) + UNIT * (d + 10) * 4.0 + TINY
    q = np.sqrt(norm)
    r = q + np.sqrt(distance)
    return distance - norm + UNIT * (d + 10) * (2.0 * q * r + r * r + norm + distance) + TINY * (1.0 + q)


@kernel
def group_minima(g, minima, coarse):  # type: ignore[no-untyped-def]
    """minima_c = least of the columns c, c + m, ..., c + 7 m of a row of the product, and the same once more of these.

    Columns eight stripes apart are compared element by element, in one loop without a carried value: that becomes
    vector minima (0.05 ns a column), which neither a reduction nor a second pass over the stripes does.
    """
    m = minima.size
    for c in range(m):
        low = smaller(smaller(g[c], g[c + m]), smaller(g[c + 2 * m], g[c + 3 * m]))
        other = smaller(smaller(g[c + 4 * m], g[c + 5 * m]), smaller(g[c + 6 * m], g[c + 7 * m]))
        minima[c] = smaller(low, other)
    n = coarse.size
    for c in range(n):
        low = minima[c]
        for s in range(1, GROUPS):
            low = smaller(low, minima[c + s * n])
        coarse[c] = low


@kernel("f4[:, ::1], i8, f4[:, ::1], i4[:, ::1], f4[::1], f4[::1]")
def keep_smallest(G, offset, values, rows, minima, coarse):  # type: ignore[no-untyped-def]
    """Max-heaps of the smallest entries of each row of G, and the columns (from `offset` on) they stand in."""
    m = minima.size
    n = coarse.size
    for j in range(G.shape[0]):
        g = G[j]
        worst = values[j, 0]
        group_minima(g, minima, coarse)
        for a in range(n):
            if coarse[a] < worst:
                for c in range(a, m, n):
                    if minima[c] < worst:
                        for column in range(c, g.size, m):
                            v = g[column]
                            if v < worst:
                                replace_largest(values[j], rows[j], v, np.int32(offset + column))
                                worst = values[j, 0]


@kernel
def replace_largest(values, rows, v, row):  # type: ignore[no-untyped-def]
    """Put v in the place of a max-heap's root and let it sink."""
    size = values.size
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and values[child + 1] > values[child]:
            child += 1
        if values[child] <= v:
            break
        values[at] = values[child]
        rows[at] = rows[child]
        at = child
    values[at] = v
    rows[at] = row


@kernel(
    "F[:, ::1], f8[:, ::1], f8[::1], f8, i8, f4[:, ::1], i4[:, ::1], f8[:, ::1], i8[:, ::1], f8[::1]",
    strict=True,
)
def measure_again(X, Q, norms, squared_scale, metric, values, rows, D, I, limits):  # type: ignore[no-untyped-def]
    """The nearest of the kept rows by their distance in float64.

    limits_j is NaN where these are certainly the nearest of all; elsewhere it is the v32 up to which rows that were
    not kept have to be looked at. Returns how many such queries there are.
    """
    open_queries = 0
    for j in range(Q.shape[0]):
        everyone = False
        for c in range(rows.shape[1]):
            if rows[j, c] < 0:
                everyone = True  # fewer rows than places: all of them are here
            else:
                insert(D[j], I[j], reduced(metric, 2.0, X[rows[j, c]], Q[j]), np.int64(rows[j, c]))
        farthest = D[j, D.shape[1] - 1]
        limit = reach(metric, Q.shape[1], norms[j], farthest * squared_scale)
        limits[j] = np.nan
        if not everyone and not values[j, 0] > limit:
            limits[j] = limit
            open_queries += 1
    return open_queries


@kernel(
    "f4[:, ::1], i8, f8[::1], F[:, ::1], f8[:, ::1], i8, f8[:, ::1], i8[:, ::1], f4[::1], f4[::1]",
    strict=True,
)
def look_at_all_within(G, offset, limits, X, Q, metric, D, I, minima, coarse):  # type: ignore[no-untyped-def]
    """Enter every row of the block with v32 <= limit into the list of its query, by its distance in float64."""
    m = minima.size
    n = coarse.size
    for j in range(G.shape[0]):
        g = G[j]
        group_minima(g, minima, coarse)
        for a in range(n):
            if coarse[a] <= limits[j]:
                for c in range(a, m, n):
                    if minima[c] <= limits[j]:
                        for column in range(c, g.size, m):
                            if g[column] <= limits[j]:
                                insert(
                                    D[j],
                                    I[j],
                                    reduced(metric, 2.0, X[offset + column], Q[j]),
                                    offset + column,
                                )


@kernel(
    "f4[:, ::1], i8, i8, f8[::1], f8, F[:, ::1], f8[:, ::1], i8, i8[::1], i8[::1], f8[::1]",
    strict=True,
)
def collect_within(G, offset, n, limits, radius, X, Q, metric, query, row, distance):  # type: ignore[no-untyped-def]
    """List (query, row, reduced distance) of the block's pairs within the reduced radius; returns how many."""
    count = 0
    last = min(G.shape[1], n - offset)
    for j in range(G.shape[0]):
        for c in range(last):
            if G[j, c] <= limits[j]:
                d = reduced(metric, 2.0, X[offset + c], Q[j])
                if d <= radius:
                    query[count] = j
                    row[count] = offset + c
                    distance[count] = d
                    count += 1
    return count
