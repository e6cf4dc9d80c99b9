"""Nearest neighbours and what stands on them: brute force, trees, one row, outliers, missing cells, densities."""

from __future__ import annotations

import functools
import gzip
import importlib
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, SKLEX
from benchmarks.harness import OURS, Case

K = 10


def _rows(n: int, queries: int, columns: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, columns)), rng.normal(size=(queries, columns))


def _mnist(queries: int) -> Any:
    def read(part: str) -> Any:
        raw = gzip.decompress(sets.real(f"mnist/{part}-images-idx3-ubyte.gz").read_bytes())
        return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32)

    return read("train"), read("t10k")[:queries]


def _search(module: str, algorithm: str) -> Any:
    def search(data: Any) -> Any:
        model = importlib.import_module(module).NearestNeighbors(n_neighbors=K, algorithm=algorithm)
        return model.fit(data[0]).kneighbors(data[1])

    return search


def _three(algorithm: str) -> dict[str, Any]:
    return {
        OURS: _search("tripos", algorithm),
        SKL: _search("sklearn.neighbors", algorithm),
        SKLEX: _search("sklearnex.neighbors", algorithm),
    }


def _same_neighbours(data: Any, results: dict[str, Any]) -> None:
    assert np.mean(results[OURS][1] == results[SKL][1]) > 0.9999
    np.testing.assert_allclose(results[OURS][0], results[SKL][0], rtol=1e-4, atol=1e-9)


def _predict(data: Any) -> Any:
    return data[0].predict(data[1])


def _one_row(module: str, name: str = "KNeighborsClassifier", **parameters: Any) -> Any:
    def prepare(data: Any) -> Any:
        X, y = data
        model = getattr(importlib.import_module(module), name)(**parameters).fit(X, y)
        return model, np.ascontiguousarray(X[:1])

    return prepare


def _one_row_case(name: str, title: str, n: int, d: int, estimator: str = "KNeighborsClassifier") -> Case:
    return Case(
        name,
        title,
        lambda: sets.gaussians(n, d, 5),
        {OURS: _predict, SKL: _predict},
        agree=_same_labels,
        calls=200,
        goals={SKL: 20.0},
        prepare={OURS: _one_row("tripos", estimator), SKL: _one_row("sklearn.neighbors", estimator)},
        memory=False,
    )


def _same_labels(data: Any, results: dict[str, Any]) -> None:
    assert (results[OURS] == results[SKL]).all()


def _pair(module: str, name: str, work: Any, **parameters: Any) -> dict[str, Any]:
    def run(where: str, data: Any) -> Any:
        return work(getattr(importlib.import_module(where), name)(**parameters), data)

    return {OURS: functools.partial(run, "tripos"), SKL: functools.partial(run, module)}


def _close(rtol: float) -> Any:
    def agree(data: Any, results: dict[str, Any]) -> None:
        np.testing.assert_allclose(results[OURS], results[SKL], rtol=rtol, atol=1e-9)

    return agree


def _with_holes(n: int, d: int, share: float) -> Any:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    X[rng.random(X.shape) < share] = np.nan
    return X


CASES = [
    Case(
        "neighbors-brute",
        "10 nearest of 50k × 50, 5k queries, brute force",
        lambda: _rows(50_000, 5_000, 50),
        _three("brute"),
        agree=_same_neighbours,
        goals={SKL: 2.5, SKLEX: 1.1},
    ),
    Case(
        "neighbors-mnist",
        "10 nearest of 60k × 784 (MNIST), 1k queries, brute force",
        lambda: _mnist(1_000),
        _three("brute"),
        agree=_same_neighbours,
        goals={SKL: 2.0},
        memory=False,
        runs=3,
    ),
    Case(
        "neighbors-kd-tree",
        "10 nearest of 200k × 3, 100k queries, kd-tree",
        lambda: _rows(200_000, 100_000, 3),
        _three("kd_tree"),
        agree=_same_neighbours,
        goals={SKL: 4.0, SKLEX: 1.5},
        memory=False,
        runs=5,
    ),
    _one_row_case("one-row-neighbors-tree", "5 neighbours, one row to predict, 10k × 3", 10_000, 3),
    _one_row_case("one-row-neighbors-brute", "5 neighbours, one row to predict, 500 × 20", 500, 20),
    _one_row_case("one-row-centroid", "nearest centroid, one row to predict", 10_000, 20, "NearestCentroid"),
    Case(
        "local-outlier-factor",
        "local outlier factor, 10k × 8",
        lambda: _rows(10_000, 1, 8)[0],
        _pair("sklearn.neighbors", "LocalOutlierFactor", lambda m, X: m.fit(X).negative_outlier_factor_),
        agree=_close(1e-6),
        goals={SKL: 2.0},
        memory=False,
    ),
    Case(
        "knn-imputer",
        "missing cells by 5 neighbours, 4k × 20, 10 % missing",
        lambda: _with_holes(4_000, 20, 0.1),
        _pair("sklearn.impute", "KNNImputer", lambda m, X: m.fit_transform(X)),
        agree=_close(1e-6),
        goals={SKL: 2.0},
    ),
    Case(
        "kernel-density",
        "kernel density of 10k × 2 at 2k places, Gaussian",
        lambda: _rows(10_000, 2_000, 2),
        _pair(
            "sklearn.neighbors",
            "KernelDensity",
            lambda m, data: m.fit(data[0]).score_samples(data[1]),
            bandwidth=0.2,
        ),
        agree=_close(1e-8),
        goals={SKL: 2.0},
        memory=False,
    ),
]
