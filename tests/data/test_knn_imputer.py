"""Cells filled by neighbours, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import KNNImputer as Peer
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import KNNImputer


@parametrize_with_checks([KNNImputer()])
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


def diabetes():
    """Without ties, which each breaks its own way: the two sexes become as many as there are people."""
    X = load_diabetes().data * 20
    return X + 1e-3 * np.random.default_rng(9).normal(size=X.shape)


def holes(X, share=0.2, seed=0):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return X


def inverse(D):
    return 1.0 / (0.1 + D)


def distance(x, y, *, missing_values=np.nan):
    both = ~(np.isnan(x) | np.isnan(y))
    return np.abs(x[both] - y[both]).mean() if both.any() else np.nan


SETTINGS = [
    {},
    {"weights": "distance", "n_neighbors": 9},
    {"weights": inverse, "n_neighbors": 3},
    {"metric": distance},
    {"add_indicator": True},
    {"keep_empty_features": True, "add_indicator": True},
    {"n_neighbors": 500},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: ",".join(s) or "plain")
def test_cells_are_those_of_scikit_learn(settings):
    X = holes(diabetes()[:220])
    X[:, 4] = np.nan
    X[3] = np.nan
    new = holes(diabetes()[220:260], 0.4, 1)
    ours, theirs = KNNImputer(**settings).fit(X), Peer(**settings).fit(X)
    for rows in (
        X,
        new,
    ):  # scikit-learn's distances come from products, which lose half the digits of short ones
        np.testing.assert_allclose(ours.transform(rows), theirs.transform(rows), rtol=1e-5, atol=1e-7)
    if not settings.get("keep_empty_features"):  # scikit-learn forgets the names of the columns that it keeps
        assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


@pytest.mark.parametrize("missing", [-1.0, 0.0])
def test_any_number_may_stand_for_missing(missing):
    X = np.abs(holes(load_breast_cancer().data[:150])) + 0.5
    X[np.isnan(X)] = missing
    settings = {"missing_values": missing, "add_indicator": True}
    np.testing.assert_allclose(
        KNNImputer(**settings).fit_transform(X), Peer(**settings).fit_transform(X), rtol=1e-9
    )


def test_more_than_64_columns_are_counted_and_ties_go_to_the_lower_index():
    X = holes(np.random.default_rng(3).integers(0, 3, (150, 130)).astype(float), 0.5)
    filled = KNNImputer(n_neighbors=4).fit_transform(X)
    D = nan_euclidean_distances(X, X)
    for i, j in ((0, int(np.flatnonzero(np.isnan(X[0]))[0])), (77, int(np.flatnonzero(np.isnan(X[77]))[-1]))):
        donors = np.flatnonzero(~np.isnan(X[:, j]))
        nearest = donors[np.argsort(np.round(D[i, donors], 9), kind="stable")[:4]]
        assert filled[i, j] == X[nearest, j].mean()


def test_an_array_may_be_filled_in_place_and_singles_stay_singles():
    X = holes(load_diabetes().data[:50]).astype(np.float32)
    filled = KNNImputer(copy=False).fit(X.copy()).transform(X)
    assert filled.dtype == np.float32
    assert np.isfinite(X).all()


def test_one_row_is_filled_as_among_many():
    X = holes(load_diabetes().data[:80])
    model = KNNImputer().fit(X)
    many, before = model.transform(X), X.copy()
    for i in range(10):
        np.testing.assert_array_equal(model.transform(X[i : i + 1])[0], many[i])
    np.testing.assert_array_equal(X, before)
    with pytest.raises(ValueError, match="infinity"):
        model.transform(np.full((1, 10), np.inf))


def test_it_comes_back_from_a_file_and_fills_tables(tmp_path):
    frame = pd.DataFrame(holes(load_diabetes().data[:80]), columns=[f"c{j}" for j in range(10)])
    model = KNNImputer(add_indicator=True).fit(frame)
    found = tripos.load(tripos.save(model, tmp_path / "imputer.tripos"))
    np.testing.assert_array_equal(found.transform(frame), model.transform(frame))
    assert "c0" in found.summary()
    table = found.set_output(transform="pandas").transform(frame)
    assert list(table.columns[:3]) == ["c0", "c1", "c2"]
