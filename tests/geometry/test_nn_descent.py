"""The graph of near neighbours: how many are right, the same ones for any number of threads."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import sklearn.datasets

import tripos
from tripos.geometry import make_index
from tripos.geometry.near_graph import check_parts
from tripos.geometry.nn_descent import NNDescent
from tripos.supervised.neighbors.unsupervised import NearestNeighbors


def images(data_file, name, n=None):
    raw = gzip.decompress(data_file(name).read_bytes())
    X = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)
    return X[:n].astype(np.float32)


def recall(found, exact):
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]) / exact.shape[1]


@pytest.fixture(scope="module")
def blobs():
    X, _ = sklearn.datasets.make_blobs(4000, 16, centers=30, cluster_std=3.0, random_state=0)
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def blobs_graph(blobs):
    return make_index(blobs, algorithm="nn_descent", k=5).graph.parts()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearly_all_neighbours_are_right(blobs, metric):
    graph, exact = (make_index(blobs, metric, algorithm=name, k=10) for name in ("nn_descent", "brute"))
    assert recall(graph.nearest(blobs, 11)[1], exact.nearest(blobs, 11)[1]) > 0.97
    new = blobs[:500] + np.float32(0.3)
    assert recall(graph.nearest(new, 10)[1], exact.nearest(new, 10)[1]) > 0.97
    distances, indices = graph.nearest(new, 10)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_the_same_graph_for_any_number_of_threads(blobs, monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        index = make_index(blobs, algorithm="nn_descent", k=5)
        found.append((*index.nearest(blobs, 6), *index.nearest(blobs[:300] + 1, 6)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_says_that_it_is_approximate_and_comes_back_from_a_file(blobs, tmp_path, monkeypatch):
    model = NearestNeighbors(algorithm="nn_descent").fit(blobs)
    assert model.approximate_
    assert not NearestNeighbors().fit(blobs).approximate_
    path = tripos.save(model, tmp_path / "graph.tripos")
    monkeypatch.setattr(NNDescent, "_build", None)  # the graph comes from the file
    found = tripos.load(path)
    np.testing.assert_array_equal(found.kneighbors(blobs[:50] + 1)[1], model.kneighbors(blobs[:50] + 1)[1])
    np.testing.assert_array_equal(found.kneighbors()[1], model.kneighbors()[1])
    assert (model.kneighbors()[1] != np.arange(len(blobs))[:, None]).all()


@pytest.mark.parametrize(
    ("part", "place", "value", "message"),
    [
        (0, (3, 1), 4000, "a list holds"),
        (1, (0, 0), -2, "a reverse list holds"),
        (2, 5, 4000, "a tree's order holds"),
        (3, (0, 0), 4000, "a halfspace holds"),
        (3, (0, 2), 0, "lead back"),
        (3, (0, 3), 10**6, "lead back or outside"),
        (3, (-1, 3), 4001, "a leaf holds"),
        (3, (-1, 2), 4000, "ends before it begins"),
        (4, 1, 10**6, "trees without nodes"),
    ],
)
def test_a_graph_that_leads_outside_is_refused(blobs_graph, part, place, value, message):
    check_parts(blobs_graph, 4000)
    damaged = [array.copy() for array in blobs_graph]
    damaged[part][place] = value
    with pytest.raises(ValueError, match=message):
        check_parts(damaged, 4000)


def test_a_graph_of_other_arrays_is_refused(blobs_graph):
    for damaged in (
        blobs_graph[:4],
        [array.astype(np.int64) for array in blobs_graph],
        [blobs_graph[0][:, :3], *blobs_graph[1:]],
        [*blobs_graph[:2], blobs_graph[2][1:], *blobs_graph[3:]],
        [*blobs_graph[:3], blobs_graph[3][:, :3], blobs_graph[4]],
    ):
        with pytest.raises(ValueError, match="the graph of neighbours has"):
            check_parts(damaged, 4000)


def test_doubles_and_few_rows_do_no_harm():
    X = np.repeat(np.arange(60.0).reshape(30, 2), 100, axis=0)
    distances, _ = make_index(X, algorithm="nn_descent").nearest(X, 6)
    assert (distances == 0).all()
    assert make_index(X[:50], algorithm="nn_descent").name == "brute"


def test_other_metrics_are_refused(blobs):
    with pytest.raises(ValueError, match="nn_descent searches by"):
        make_index(blobs, "manhattan", algorithm="nn_descent")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mnist/train-images-idx3-ubyte.gz", "fashion-mnist/train-images-idx3-ubyte.gz"]
)
def test_images_find_their_neighbours(data_file, name):
    X = images(data_file, name, 20_000)
    graph, exact = (make_index(X, algorithm=a, k=15) for a in ("nn_descent", "brute"))
    for k in (10, 15):
        assert recall(graph.nearest(X, k + 1)[1][:3000], exact.nearest(X[:3000], k + 1)[1]) > 0.95
        assert recall(graph.nearest(X[:1000] * 0.9, k)[1], exact.nearest(X[:1000] * 0.9, k)[1]) > 0.95
