"""The graph of near neighbours: how many are right, the same ones for any number of threads."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import sklearn.datasets

import tripos
from tripos.geometry import make_index
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


def test_a_model_says_that_it_is_approximate_and_comes_back_from_a_file(blobs, tmp_path):
    model = NearestNeighbors(algorithm="nn_descent").fit(blobs)
    assert model.approximate_
    assert not NearestNeighbors().fit(blobs).approximate_
    found = tripos.load(tripos.save(model, tmp_path / "graph.tripos"))
    np.testing.assert_array_equal(found.kneighbors(blobs[:50] + 1)[1], model.kneighbors(blobs[:50] + 1)[1])
    assert (model.kneighbors()[1] != np.arange(len(blobs))[:, None]).all()


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
