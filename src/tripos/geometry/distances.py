"""Distances by name, as integer codes that kernels branch on.

    euclidean    sqrt(sum (x - y)^2)         chebyshev   max |x - y|
    sqeuclidean  sum (x - y)^2               cosine      1 - x.y / (|x| |y|)
    manhattan    sum |x - y|                 hamming     share of columns that differ
    minkowski    (sum |x - y|^p)^(1/p)       jaccard     1 - |x and y| / |x or y| of what is not zero
    haversine    angle between (latitude, longitude) pairs in radians

Searching compares *reduced* distances (squares, p-th powers), which have the same order; `finish` makes distances of
them at the end. Every kernel sums in float64 in the order of the columns, without fast-math: then a tree and brute
force agree to the last bit, rows at the same distance are seen to be, and a box is never farther than a row in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

EUCLIDEAN, SQEUCLIDEAN, MANHATTAN, MINKOWSKI, CHEBYSHEV, COSINE, HAMMING, JACCARD, HAVERSINE = range(9)
CODES = {
    "euclidean": EUCLIDEAN,
    "l2": EUCLIDEAN,
    "sqeuclidean": SQEUCLIDEAN,
    "manhattan": MANHATTAN,
    "cityblock": MANHATTAN,
    "l1": MANHATTAN,
    "minkowski": MINKOWSKI,
    "chebyshev": CHEBYSHEV,
    "cosine": COSINE,
    "hamming": HAMMING,
    "jaccard": JACCARD,
    "haversine": HAVERSINE,
}
SUMS_OVER_COLUMNS = CHEBYSHEV  # the codes up to here are built column by column: trees and tiles serve them
NOBODY = np.iinfo(np.int64).max  # index of a place in a list of neighbours that nobody has taken


@dataclass(frozen=True)
class Metric:
    """A distance that kernels know.

    Attributes
    ----------
    name : str
    code : int
    p : float
        Exponent of "minkowski"; 2 elsewhere.
    """

    name: str
    code: int
    p: float = 2.0

    @property
    def prunes(self) -> bool:
        """Whether boxes bound it, so that trees serve it."""
        return self.code <= SUMS_OVER_COLUMNS and (self.code != MINKOWSKI or self.p >= 1.0)

    def reduce(self, distance: float) -> float:
        """The reduced distance of a distance."""
        if self.code == EUCLIDEAN:
            return distance * distance
        if self.code == MINKOWSKI:
            return float(distance**self.p)
        return float(np.sin(0.5 * distance) ** 2) if self.code == HAVERSINE else distance

    def finish(self, reduced: Floats) -> Floats:
        """Distances of reduced distances, in place."""
        if self.code == EUCLIDEAN:
            np.sqrt(reduced, out=reduced)
        elif self.code == MINKOWSKI:
            np.power(reduced, 1.0 / self.p, out=reduced)
        elif self.code == HAVERSINE:
            np.sqrt(reduced, out=reduced)
            np.arcsin(np.minimum(reduced, 1.0, out=reduced), out=reduced)
            reduced *= 2.0
        return reduced


def find_metric(name: Any, parameters: Mapping[str, Any] | None = None) -> Metric | None:
    """The metric of that name, or None where only `foreign` serves it (callables, weights, other names).

    Raises
    ------
    ValueError
        If p is not positive.

    Examples
    --------
    >>> find_metric("minkowski", {"p": 1})
    Metric(name='manhattan', code=2, p=2.0)
    """
    given = {key: value for key, value in (parameters or {}).items() if value is not None}
    if not isinstance(name, str) or name not in CODES or set(given) - {"p"}:
        return None
    if name != "minkowski":
        return Metric(name, CODES[name]) if not given else None
    p = float(given.get("p", 2.0))
    if not p > 0:
        raise ValueError(f"p of the Minkowski distance must be above 0, got {p}")
    plain = {1.0: "manhattan", 2.0: "euclidean", np.inf: "chebyshev"}.get(p)
    return Metric("minkowski", MINKOWSKI, p) if plain is None else Metric(plain, CODES[plain])


# ---- kernels --------------------------------------------------------------------------------------


@kernel(strict=True)
def reduced(metric, p, a, b):  # type: ignore[no-untyped-def]
    """Reduced distance of two rows of one length."""
    d = a.size
    total = 0.0
    if metric <= SQEUCLIDEAN:
        for t in range(d):
            e = np.float64(a[t]) - np.float64(b[t])
            total += e * e
    elif metric == MANHATTAN:
        for t in range(d):
            total += abs(np.float64(a[t]) - np.float64(b[t]))
    elif metric == MINKOWSKI:
        for t in range(d):
            total += abs(np.float64(a[t]) - np.float64(b[t])) ** p
    elif metric == CHEBYSHEV:
        for t in range(d):
            e = abs(np.float64(a[t]) - np.float64(b[t]))
            total = e if e > total or e != e else total
    elif metric == COSINE:
        total = one_minus_cosine(a, b)
    elif metric == HAVERSINE:
        north = np.sin(0.5 * (np.float64(a[0]) - np.float64(b[0])))
        east = np.sin(0.5 * (np.float64(a[1]) - np.float64(b[1])))
        total = north * north + np.cos(np.float64(a[0])) * np.cos(np.float64(b[0])) * east * east
    else:
        total = share_that_differs(metric, a, b)
    return total


@kernel(strict=True)
def one_minus_cosine(a, b):  # type: ignore[no-untyped-def]
    """1 - a.b / (|a| |b|); 1 where a row is all zeros, as it points nowhere."""
    dot = 0.0
    aa = 0.0
    bb = 0.0
    for t in range(a.size):
        x = np.float64(a[t])
        y = np.float64(b[t])
        dot += x * y
        aa += x * x
        bb += y * y
    return cosine_distance(dot, aa, bb)


@kernel(strict=True)
def cosine_distance(dot, aa, bb):  # type: ignore[no-untyped-def]
    """The cosine distance from a product and two squared lengths, not below zero."""
    lengths = np.sqrt(aa) * np.sqrt(bb)
    if lengths == 0.0:
        return 1.0
    gap = 1.0 - dot / lengths
    return gap if gap > 0.0 or gap != gap else 0.0


@kernel(strict=True)
def share_that_differs(metric, a, b):  # type: ignore[no-untyped-def]
    """Hamming: differing columns over all; Jaccard: columns zero in one row only over columns not zero in both."""
    differ = 0
    either = 0
    for t in range(a.size):
        if a[t] != a[t] or b[t] != b[t]:
            return np.nan
        if metric == HAMMING:
            differ += a[t] != b[t]
        else:
            differ += (a[t] != 0) != (b[t] != 0)
            either += (a[t] != 0) or (b[t] != 0)
    if metric == HAMMING:
        return differ / a.size
    return differ / either if either else 0.0


@kernel(strict=True)
def tile_distances(metric, p, columns, first, m, q, out):  # type: ignore[no-untyped-def]
    """out_i = reduced distance of q to row first + i of a table that is stored by columns, (n_features, n_rows).

    The loop over rows inside vectorises although each row's sum keeps its order.
    """
    for i in range(m):
        out[i] = 0.0
    for t in range(q.size):
        x = columns[t, first : first + m]
        qt = q[t]
        if metric <= SQEUCLIDEAN:
            for i in range(m):
                e = np.float64(x[i]) - qt
                out[i] += e * e
        elif metric == MANHATTAN:
            for i in range(m):
                out[i] += abs(np.float64(x[i]) - qt)
        elif metric == MINKOWSKI:
            for i in range(m):
                out[i] += abs(np.float64(x[i]) - qt) ** p
        else:
            for i in range(m):
                e = abs(np.float64(x[i]) - qt)
                out[i] = e if e > out[i] or e != e else out[i]


@kernel(strict=True)
def insert(distances, indices, distance, index):  # type: ignore[no-untyped-def]
    """Put a neighbour into a list that is sorted by (distance, index), if it comes before the list's last."""
    j = distances.size - 1
    if not (distance < distances[j] or (distance == distances[j] and index < indices[j])):
        return
    while j > 0 and (
        distances[j - 1] > distance or (distances[j - 1] == distance and indices[j - 1] > index)
    ):
        distances[j] = distances[j - 1]
        indices[j] = indices[j - 1]
        j -= 1
    distances[j] = distance
    indices[j] = index


# ---- what searches give ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """Rows in a radius of each query: those of query i are `indices[starts[i]:starts[i + 1]]`, in ascending order.

    Attributes
    ----------
    starts : int64 ndarray of shape (n_queries + 1,)
    indices : int64 ndarray of shape (n_found,)
    distances : float64 ndarray of shape (n_found,)
    """

    starts: Indices
    indices: Indices
    distances: Floats

    @classmethod
    def gather(cls, n_queries: int, parts: list[tuple[Indices, Indices, Floats]]) -> Found:
        """From (query, index, distance) triples in any order."""
        if not parts:
            return cls(np.zeros(n_queries + 1, np.int64), np.empty(0, np.int64), np.empty(0))
        query, index, distance = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((index, query))
        starts = np.zeros(n_queries + 1, np.int64)
        np.cumsum(np.bincount(query, minlength=n_queries), out=starts[1:])
        return cls(starts, index[order], distance[order])

    def without_self(self) -> Found:
        """Without the pairs of a row with itself, for queries that are the rows themselves."""
        query = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        keep = query != self.indices
        starts = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)[self.starts]
        return Found(starts, self.indices[keep], self.distances[keep])

    def by_distance(self) -> Found:
        """The same with each query's rows nearest first."""
        query = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        order = np.lexsort((self.indices, self.distances, query))
        return Found(self.starts, self.indices[order], self.distances[order])


def empty_lists(n_queries: int, k: int) -> tuple[Floats, Indices]:
    """Lists of k neighbours that nobody has entered yet: distance inf, index `NOBODY`."""
    D, I = np.empty((n_queries, k)), np.empty((n_queries, k), np.int64)
    D.fill(np.inf)
    I.fill(NOBODY)
    return D, I


def take_out_self(distances: Floats, indices: Indices, rows: Indices | None = None) -> tuple[Floats, Indices]:
    """Lists of k from lists of k + 1 whose queries are rows themselves (all, or the given ones): nobody is their own
    neighbour.

    A row that is missing among its own neighbours has k + 1 doubles before it; then the last one goes.
    """
    n, k = indices.shape
    own = indices == (np.arange(n) if rows is None else rows)[:, None]
    own[~own.any(axis=1), k - 1] = True
    return distances[~own].reshape(n, k - 1), indices[~own].reshape(n, k - 1)
