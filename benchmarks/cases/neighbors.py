"""Nearest neighbours: brute force, kd-tree, one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases.linear import SKL
from benchmarks.harness import OURS, Case

K = 10


def _rows(n: int, queries: int, columns: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, columns)), rng.normal(size=(queries, columns))


def _search(module: str, algorithm: str) -> Any:
    def search(data: Any) -> Any:
        import importlib

        model = importlib.import_module(module).NearestNeighbors(n_neighbors=K, algorithm=algorithm)
        return model.fit(data[0]).kneighbors(data[1])

    return search


def _both(algorithm: str) -> dict[str, Any]:
    return {OURS: _search("tripos", algorithm), SKL: _search("sklearn.neighbors", algorithm)}


def _same_neighbours(data: Any, results: dict[str, Any]) -> None:
    assert np.mean(results[OURS][1] == results[SKL][1]) > 0.99999
    np.testing.assert_allclose(results[OURS][0], results[SKL][0], rtol=1e-6, atol=1e-9)


CASES = [
    Case(
        "neighbors-brute",
        "10 nearest of 50k × 50, 5k queries, brute force",
        lambda: _rows(50_000, 5_000, 50),
        _both("brute"),
        agree=_same_neighbours,
        goals={SKL: 2.5},
        cold=True,
    ),
    Case(
        "neighbors-kd-tree",
        "10 nearest of 200k × 3, 100k queries, kd-tree",
        lambda: _rows(200_000, 100_000, 3),
        _both("kd_tree"),
        agree=_same_neighbours,
        goals={SKL: 4.0},
    ),
]
