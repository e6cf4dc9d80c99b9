"""Nearest rows by any callable, by the other metrics of scikit-learn and SciPy, and by distances given in advance.

Distances of a block of queries to all rows are computed by `sklearn.metrics.pairwise_distances`, never more than
`BLOCK` of them at a time, and the nearest are picked with the same order of ties as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.geometry.distances import Floats, Found, Indices, empty_lists, insert

BLOCK = 1 << 22  # distances at a time: 32 MB


@kernel("f8[:, ::1], f8[:, ::1], i8[:, ::1]", strict=True)
def nearest_of_rows(distances, D, I):  # type: ignore[no-untyped-def]
    """Lists of the columns with the smallest entries of each row."""
    last = D.shape[1] - 1
    for j in range(distances.shape[0]):
        for i in range(distances.shape[1]):
            if distances[j, i] <= D[j, last]:
                insert(D[j], I[j], distances[j, i], i)


class ForeignMetric:
    """All rows, by a distance that our kernels do not know.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, n_features), or None for "precomputed"
        Kept, not copied.
    metric : callable or str
        f(x, y) of two rows, a name that scikit-learn knows, or "precomputed": then the queries are their distances to
        all rows.
    parameters : mapping, optional
        Further arguments of the metric.
    """

    name = "brute"

    def __init__(self, X: Any, metric: Any, parameters: Mapping[str, Any] | None = None) -> None:
        self.X = X
        self.metric = metric
        self.parameters = {key: value for key, value in (parameters or {}).items() if value is not None}
        self.n_rows = X.shape[0]

    def nearest(self, Q: Any, k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest rows of each query, both of shape (n_queries, k)."""
        D, I = empty_lists(Q.shape[0], k)
        for start, distances in self._blocks(Q):
            part = slice(start, start + len(distances))
            nearest_of_rows(distances, D[part], I[part])
        return D, I

    def within(self, Q: Any, radius: float, n_jobs: int | None = None) -> Found:
        """All rows within `radius` of each query, the boundary included."""
        parts = []
        for start, distances in self._blocks(Q):
            query, row = np.nonzero(distances <= radius)
            parts.append((query + start, row, distances[query, row]))
        return Found.gather(Q.shape[0], parts)

    def _blocks(self, Q: Any) -> Any:
        """(first query, distances of shape (n_block, n_rows)) of one block of queries after the other."""
        from sklearn.metrics import pairwise_distances

        step = max(1, BLOCK // max(1, self.n_rows))
        for start in range(0, Q.shape[0], step):
            block = Q[start : start + step]
            if self.metric != "precomputed":
                block = pairwise_distances(block, self.X, metric=self.metric, **self.parameters)
            yield start, kernel_array(block, np.float64)
