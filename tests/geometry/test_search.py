"""Whoever searches, the same rows are found: with the same distances, in the same order, to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances

from tripos.geometry import filter as gemm
from tripos.geometry import make_index
from tripos.geometry.brute import BruteForce
from tripos.geometry.distances import CODES, NOBODY, find_metric, insert, reduced

TREE_METRICS = [
    ("euclidean", None),
    ("sqeuclidean", None),
    ("manhattan", None),
    ("minkowski", 3),
    ("chebyshev", None),
]


def twin(X, Q, k, metric="euclidean", p=None):
    """Brute force in float64 with NumPy, one column after the other; ties by index."""
    gap = [np.abs(X[:, t].astype(float)[None] - Q[:, t].astype(float)[:, None]) for t in range(X.shape[1])]
    if metric == "chebyshev":
        distances = np.max(gap, axis=0)
    else:
        power = {"euclidean": 2, "sqeuclidean": 2, "manhattan": 1}.get(metric, p)
        distances = np.zeros((len(Q), len(X)))
        for g in gap:
            distances += g * g if power == 2 else g**power
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    distances = np.take_along_axis(distances, order, axis=1)
    return (np.sqrt(distances) if metric == "euclidean" else distances ** (1 / (p or 1))), order


def letter(data_file):
    frame = pd.read_csv(data_file("pmlb/letter.tsv.gz"), sep="\t")
    return frame.drop(columns="target").to_numpy(float)


def covertype(data_file):
    frame = pd.read_csv(data_file("covertype-15k/covtype_kaggle_train.csv.gz"))
    return frame.drop(columns=["Id", "Cover_Type"]).to_numpy(float)


def digits(data_file):
    return load_digits().data


@pytest.mark.parametrize("read", [letter, covertype, digits], ids=lambda read: read.__name__)
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_nearest_rows_of_real_data_are_those_of_float64(read, algorithm, dtype, data_file):
    X = read(data_file)[:5000].astype(dtype)
    Q = np.concatenate([X[:150], X[-150:]])
    expected = twin(X, Q, 9)
    distances, indices = make_index(X, algorithm=algorithm).nearest(Q, 9)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(distances, expected[0])


@pytest.mark.parametrize(("metric", "p"), TREE_METRICS)
@pytest.mark.parametrize("kind", ["noise", "ties"])
def test_tree_brute_force_and_numpy_agree_in_every_metric(metric, p, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4)) if kind == "noise" else rng.integers(0, 3, (1500, 5)).astype(float)
    Q = np.concatenate([X[:30], X[:30] + 0.1])
    expected = twin(X, Q, 12, metric, p)
    for algorithm in ("brute", "kd_tree", "ball_tree"):
        if (algorithm, metric) == ("ball_tree", "sqeuclidean"):
            continue
        distances, indices = make_index(X, metric, {"p": p}, algorithm=algorithm).nearest(Q, 12)
        if metric != "minkowski" or kind == "ties":  # NumPy's powers round otherwise
            np.testing.assert_array_equal(indices, expected[1])
        np.testing.assert_allclose(distances, expected[0], rtol=1e-14)


@pytest.mark.parametrize("metric", ["cosine", "hamming", "jaccard", "haversine"])
def test_other_metrics_are_those_of_scikit_learn(metric):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, (400, 2 if metric == "haversine" else 7)).astype(float) / 3
    Q = X[::9] + (0.0 if metric in ("hamming", "jaccard") else 0.05)
    if metric == "jaccard":
        expected = cdist(Q != 0, X != 0, metric)
    else:
        expected = pairwise_distances(Q, X, metric=metric)
    distances, indices = make_index(X, metric).nearest(Q, 400)
    np.testing.assert_allclose(
        distances, np.sort(expected, axis=1), atol=2e-8 if metric == "haversine" else 1e-12
    )
    assert (np.sort(indices, axis=1) == np.arange(400)).all()


@pytest.mark.parametrize("metric", ["haversine", "hamming", "jaccard"])
def test_a_ball_tree_finds_what_brute_force_finds_where_a_kd_tree_cannot(metric):
    rng = np.random.default_rng(9)
    if metric == "haversine":
        X = np.column_stack([rng.uniform(-1.57, 1.57, 3000), rng.uniform(-3.1, 3.1, 3000)])
        X[:40] = [1.5, 3.0]
        Q = np.concatenate([X[:60], -X[60:90], X[90:400] + 0.01])
        assert make_index(X, metric).name == "ball_tree"
    else:
        X = (rng.random((3000, 12)) < 0.3).astype(float)
        Q = X[::30]
    brute, tree = (make_index(X, metric, algorithm=name) for name in ("brute", "ball_tree"))
    for one, other in zip(brute.nearest(Q, 15), tree.nearest(Q, 15), strict=True):
        np.testing.assert_array_equal(one, other)
    one, other = brute.within(Q, 0.3), tree.within(Q, 0.3)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.starts, other.starts)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan", "chebyshev", "hamming", "jaccard"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_find_what_dense_rows_find(metric, dtype):
    rng = np.random.default_rng(2)
    X = (rng.poisson(0.3, (900, 40)) * rng.integers(1, 3, 40)).astype(dtype)
    X[7] = 0.0
    dense, sparse = make_index(X, metric, algorithm="brute"), make_index(sp.csr_array(X), metric)
    for one, other in zip(dense.nearest(X[:200], 6), sparse.nearest(sp.csr_array(X[:200]), 6), strict=True):
        np.testing.assert_array_equal(one, other)
    radius = 3.0 if metric in ("euclidean", "manhattan", "chebyshev") else 0.4
    one, other = dense.within(X[:50], radius), sparse.within(sp.csr_array(X[:50]), radius)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.distances, other.distances)


@pytest.mark.parametrize(("metric", "p"), TREE_METRICS)
def test_rows_within_a_radius_include_its_boundary_in_every_index(metric, p):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 5, (1200, 3)).astype(float)
    expected = (
        cdist(X[:80], X, "cityblock" if metric == "manhattan" else metric, **({"p": p} if p else {}))
        <= 2.0 + 1e-12
    )
    for algorithm in ("brute", "kd_tree", "ball_tree"):
        if (algorithm, metric) == ("ball_tree", "sqeuclidean"):
            continue
        found = make_index(X, metric, {"p": p}, algorithm=algorithm).within(X[:80], 2.0)
        query, row = np.nonzero(expected)
        np.testing.assert_array_equal(found.starts, np.searchsorted(query, np.arange(81)))
        np.testing.assert_array_equal(found.indices, row)


@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e6, 1e30]),
    offset=st.sampled_from([0.0, 1.0, 1e8]),
    kind=st.sampled_from(["noise", "ties", "constant", "outlier"]),
)
def test_the_filter_loses_nobody_however_the_numbers_lie(seed, scale, offset, kind):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(700, 6))
    if kind == "ties":
        X = np.round(X)
    if kind == "constant":
        X[:, 1:] = 3.0
        X[:350] = X[0]
    if kind == "outlier":
        X[5] *= 1e6
    X = (X + offset) * scale
    Q = np.concatenate([X[::25], X[:4] + 0.3 * scale])
    expected = twin(X, Q, 5)
    distances, indices = BruteForce(X, find_metric("euclidean")).nearest(Q, 5)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(distances, expected[0])


def test_no_row_within_a_distance_lies_beyond_its_reach():
    rng = np.random.default_rng(4)
    X, Q = rng.normal(size=(512, 30)) * 0.1, rng.normal(size=(64, 30)) * 0.1
    rows, queries, norms = np.empty((512, 31), np.float32), np.empty((64, 31), np.float32), np.empty(64)
    code = CODES["euclidean"]
    gemm.fold_rows(X, np.zeros(30), 1.0, code, rows)
    assert gemm.fold_queries(Q, np.zeros(30), 1.0, code, queries, norms)
    filtered, squares = queries @ rows.T, cdist(Q, X, "sqeuclidean")
    reach = np.array([[gemm.reach(code, 30, norm, s) for s in line] for norm, line in zip(norms, squares)])
    assert (filtered <= reach).all()
    assert (reach - filtered).max() < 1e-3


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (31, 2), (700, 1)])
def test_every_row_can_be_asked_for(algorithm, shape):
    X = np.random.default_rng(5).normal(size=shape)
    distances, indices = make_index(X, algorithm=algorithm).nearest(X, len(X))
    assert (np.sort(indices, axis=1) == np.arange(len(X))).all()
    assert (indices[:, 0] == np.arange(len(X))).all()
    assert (np.diff(distances, axis=1) >= 0).all()


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("n_columns", [3, 20])
def test_the_same_bits_for_any_number_of_threads(algorithm, n_columns, monkeypatch):
    X = np.random.default_rng(6).normal(size=(5000, n_columns)).round(1)
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        index = make_index(X, algorithm=algorithm)
        answers.append((*index.nearest(X[:2500], 6), index.within(X[:300], 0.7).indices))
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("n_queries", [1, 40])
def test_a_query_that_is_not_a_number_finds_nobody(algorithm, n_queries):
    X = np.random.default_rng(7).normal(size=(2000, 5))
    Q = X[:n_queries].copy()
    Q[-1, 2] = np.nan
    index = make_index(X, algorithm=algorithm)
    assert (index.nearest(Q, 3)[1][-1] == NOBODY).all()
    assert index.within(Q, 10.0).starts[-2] == index.within(Q, 10.0).starts[-1]


def test_a_callable_is_served_and_ties_stay_in_order():
    X = np.random.default_rng(8).integers(0, 3, (60, 3)).astype(float)
    distances, indices = make_index(X, lambda a, b: float(np.abs(a - b).sum())).nearest(X[:9], 20)
    expected = make_index(X, "manhattan").nearest(X[:9], 20)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(distances, expected[0])


def test_kernels_of_rows_are_the_formulas():
    a, b = np.array([0.0, 2.0, -1.0]), np.array([1.0, 2.0, 0.0])
    expected = {"euclidean": 2, "manhattan": 2, "chebyshev": 1, "hamming": 2 / 3, "jaccard": 2 / 3}
    for name, value in expected.items():
        assert reduced(CODES[name], 2.0, a, b) == pytest.approx(value)
    assert reduced(CODES["minkowski"], 3.0, a, b) == pytest.approx(2.0)
    assert reduced(CODES["cosine"], 2.0, a, b) == pytest.approx(1 - 4 / 5)


def test_a_list_keeps_the_nearest_and_of_equals_the_first():
    distances, indices = np.full(3, np.inf), np.full(3, NOBODY)
    for distance, index in [(2.0, 9), (1.0, 4), (2.0, 3), (2.0, 1), (5.0, 0)]:
        insert(distances, indices, distance, index)
    assert indices.tolist() == [4, 1, 3]
    assert distances.tolist() == [1.0, 2.0, 2.0]


def test_a_tree_refuses_what_it_cannot_prune():
    X = np.zeros((5, 3))
    with pytest.raises(ValueError, match="cosine"):
        make_index(X, "cosine", algorithm="kd_tree")
    with pytest.raises(ValueError, match="triangle"):
        make_index(X, "cosine", algorithm="ball_tree")
    with pytest.raises(ValueError, match="2 columns"):
        make_index(X, "haversine")


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_one_query_finds_what_many_find(metric):
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(700, 5)), 1)  # ties
    index = make_index(X, metric, algorithm="brute")
    D, I = index.nearest(X[:30], 6)
    for j in range(30):
        d, i = index.nearest(X[j : j + 1], 6)
        np.testing.assert_array_equal(d[0], D[j])
        np.testing.assert_array_equal(i[0], I[j])
    for other in (index, make_index(X, metric, algorithm="kd_tree"), make_index(X * 0.5 + 0.5, metric)):
        many = other.within(X[:30], 0.7)
        for j in range(30):
            own, one = slice(*many.starts[j : j + 2]), other.within(X[j : j + 1], 0.7)
            np.testing.assert_array_equal(one.indices, many.indices[own])
            np.testing.assert_array_equal(one.distances, many.distances[own])
