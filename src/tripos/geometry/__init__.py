"""Distances and who lies nearest: what neighbours, clusters, embeddings and cluster measures stand on.

    index = geometry.make_index(X, metric="euclidean")
    distances, indices = index.nearest(Q, k=5)          # (n_queries, 5) each, nearest first
    found = index.within(Q, radius=0.5)                 # `Found`: all rows in the radius, query by query

Every index gives the same answer to the last bit: distances are sums in float64 in the order of the columns, and rows
at the same distance are ordered by their index. `brute` filters with a matrix product in float32, `kd_tree` prunes by
boxes, `sparse` walks through posting lists, `foreign` serves any callable and the metrics of scikit-learn.
"""

from tripos.geometry.index import make_index

__all__ = ["make_index"]
