"""Error rates that were published, and neighbours that are those of plain float64 brute force on real tables."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from tripos.data.encoder import Encoder
from tripos.geometry import make_index
from tripos.supervised.neighbors.classification import KNeighborsClassifier

pytestmark = pytest.mark.slow


def mnist(data_file, part):
    X = np.frombuffer(
        gzip.decompress(data_file(f"mnist/{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    y = np.frombuffer(
        gzip.decompress(data_file(f"mnist/{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8
    )
    return X.reshape(-1, 784).astype(np.float32), y.astype(int)


def test_one_neighbour_reads_969_of_1000_digits(data_file):
    X, y = mnist(data_file, "train")
    Q, truth = mnist(data_file, "t10k")
    model = KNeighborsClassifier(n_neighbors=1).fit(X, y)
    assert model.score(Q, truth) >= 0.969
    some = slice(0, 200)
    _, indices = model.kneighbors(Q[some], 5)
    squares = (X.astype(float) ** 2).sum(axis=1) - 2.0 * Q[some].astype(float) @ X.astype(
        float
    ).T  # whole numbers: exact
    np.testing.assert_array_equal(indices, np.argsort(squares, axis=1, kind="stable")[:, :5])


def adult(data_file, part):
    frame = pd.read_csv(
        data_file(f"adult/adult-{part}.csv.gz"), header=None, skipinitialspace=True, na_values="?"
    ).dropna()
    return frame.iloc[:, :-1].rename(columns=str), frame.iloc[:, -1].str.rstrip(".").to_numpy()


@pytest.mark.parametrize(("k", "published"), [(1, 0.2142), (3, 0.2035)])
def test_errors_on_adult_are_not_above_those_of_adult_names(data_file, k, published):
    X, y = adult(data_file, "train")
    Q, truth = adult(data_file, "test")
    model = KNeighborsClassifier(n_neighbors=k)
    encoder = Encoder.for_(model)
    model.fit(encoder.fit_transform(X, y), y)
    assert 1.0 - model.score(encoder.transform(Q), truth) <= published


@pytest.mark.parametrize("table", ["letter", "covertype"])
def test_indices_are_those_of_float64_on_whole_tables_with_doubles(data_file, table):
    if table == "letter":
        X = pd.read_csv(data_file("pmlb/letter.tsv.gz"), sep="\t").drop(columns="target").to_numpy(float)
    else:
        frame = pd.read_csv(data_file("covertype-15k/covtype_kaggle_train.csv.gz"))
        X = frame.drop(columns=["Id", "Cover_Type"]).to_numpy(float)
    rows = np.arange(0, len(X), 6)
    products = (X * X).sum(axis=1) - 2.0 * X[rows] @ X.T  # whole numbers below 2^53: exact
    order = np.argsort(products, axis=1, kind="stable")[:, :8]
    for algorithm in ("brute", "kd_tree"):
        _, indices = make_index(X, algorithm=algorithm).nearest(X, 8)
        np.testing.assert_array_equal(indices[rows], order)
