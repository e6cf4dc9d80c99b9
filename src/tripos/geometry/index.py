"""Which index serves which rows: chosen by their size, dimension and metric, and said.

With more columns more boxes are open at once, until looking at all rows behind the float32 product is faster than the
tree. Measured for 10 neighbours of 2000 queries by Euclidean distance, building included, brute over tree: among 1,000 to
100,000 rows of noise 1.5 to 3.1 in 4 columns, 1.0 to 1.7 in 6, 0.6 to 0.9 in 8, 0.2 to 0.5 in 12; among 20 clusters 1.7
in 8, 1.3 to 1.7 in 12, 0.9 to 2.1 in 16. Eight columns are where either choice loses as little as the other can win. By
Manhattan distance, where the rival is no product, it is much the same: noise 1.4 to 2.1 in 4 columns, 0.3 to 0.9 in 8, 0.3
in 12 and more; clusters 1.4 to 2.3 in 4, 1.4 to 2.0 in 8, 1.0 to 1.3 in 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from tripos.geometry.ball_tree import BallTree, is_true_metric
from tripos.geometry.brute import BruteForce
from tripos.geometry.distances import HAVERSINE, Floats, Found, Indices, find_metric
from tripos.geometry.foreign import ForeignMetric
from tripos.geometry.gower import GowerIndex
from tripos.geometry.kd_tree import KDTree
from tripos.geometry.near_graph import NearGraph
from tripos.geometry.nn_descent import FEWEST, NNDescent
from tripos.geometry.sparse import SparseBruteForce

TREE_FROM = 1000  # rows below which a tree saves nothing
TREE_COLUMNS = 8  # columns up to which it does
WIDEST_HAVERSINE = 2


class Index(Protocol):
    """What every index offers."""

    name: str
    n_rows: int

    def nearest(self, Q: Any, k: int, n_jobs: int | None = None) -> tuple[Floats, Indices]: ...
    def within(self, Q: Any, radius: float, n_jobs: int | None = None) -> Found: ...


def make_index(
    X: Any,
    metric: Any = "euclidean",
    parameters: Mapping[str, Any] | None = None,
    *,
    algorithm: str = "auto",
    leaf_size: int = 30,
    k: int = 5,
    n_jobs: int | None = None,
    graph: NearGraph | None = None,
) -> Index:
    """An index over the rows of X.

    Parameters
    ----------
    X : float ndarray or CSR matrix of shape (n_rows, n_features)
        For "precomputed" the distances of all rows to each other.
    metric : str or callable
    parameters : mapping, optional
        Further arguments of the metric, such as ``{"p": 3}``.
    algorithm : {"auto", "brute", "kd_tree", "ball_tree", "nn_descent"}, default="auto"
        Every one gives the same answer but "nn_descent", which is approximate and never chosen by "auto".
    leaf_size : int, default=30
        Rows of a tree's leaf, at most.
    k : int, default=5
        Neighbours that will be asked for, roughly.
    n_jobs : int or None
        Threads for building it.
    graph : NearGraph, optional
        What "nn_descent" built from these rows before.

    Raises
    ------
    ValueError
        If a tree is asked for and cannot serve the metric.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos.geometry import make_index
    >>> distances, indices = make_index(np.array([[0.0], [1.0], [5.0]])).nearest(np.array([[1.2]]), k=2)
    >>> indices
    array([[1, 0]])
    """
    known = find_metric(metric, parameters)
    n, d = X.shape
    if isinstance(metric, str) and metric == "gower":
        if sp.issparse(X) or algorithm not in ("auto", "brute"):
            what = "sparse rows" if sp.issparse(X) else f"algorithm={algorithm!r}"
            raise ValueError(
                f"gower looks at all rows of a dense table, not by {what}: use algorithm='brute'"
            )
        return GowerIndex(X, **{"categorical": None, **(parameters or {})})
    if known is None:
        if algorithm in ("kd_tree", "nn_descent"):
            what = "a kd-tree" if algorithm == "kd_tree" else algorithm
            raise ValueError(f"{what} cannot search by the metric {metric!r}: use algorithm='brute'")
        return ForeignMetric(X, metric, parameters)
    if known.name == "haversine" and d != WIDEST_HAVERSINE:
        raise ValueError(f"haversine takes 2 columns, latitude and longitude in radians; X has {d}")
    if sp.issparse(X):
        if known.code != HAVERSINE:
            return SparseBruteForce(X, known)
        return ForeignMetric(X, metric, parameters)
    if algorithm == "kd_tree" and not known.prunes:
        raise ValueError(f"a kd-tree cannot search by {known.name!r}: use algorithm='brute' or 'auto'")
    if algorithm == "ball_tree" and not is_true_metric(known):
        raise ValueError(
            f"a ball tree cannot search by {known.name!r}, which breaks the triangle inequality: use algorithm='brute'"
        )
    if algorithm == "auto" and known.code == HAVERSINE and n >= TREE_FROM and 2 * k < n:
        algorithm = "ball_tree"
    if algorithm == "auto":
        spares_nothing = d > TREE_COLUMNS or n < TREE_FROM or 2 * k >= n
        algorithm = "brute" if spares_nothing or not known.prunes else "kd_tree"
    if algorithm == "nn_descent" and n >= FEWEST:
        return NNDescent(np.asarray(X), known, k, n_jobs, graph)
    if algorithm == "ball_tree":
        return BallTree(X, known, leaf_size, n_jobs)
    if algorithm == "kd_tree":
        return KDTree(X, known, leaf_size, n_jobs)
    return BruteForce(np.asarray(X), known)
