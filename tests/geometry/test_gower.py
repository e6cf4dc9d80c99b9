"""Gower's distance on mixed tables, against its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tripos
from tripos.geometry import make_index
from tripos.supervised.neighbors.classification import KNeighborsClassifier
from tripos.supervised.neighbors.unsupervised import NearestNeighbors


def twin(X, Q, categorical):
    spread = np.nanmax(X, axis=0) - np.nanmin(X, axis=0)
    out = np.empty((len(Q), len(X)))
    for j, q in enumerate(Q):
        gap = np.minimum(np.abs(X - q) / np.where(spread > 0, spread, 1.0), 1.0)
        gap[:, categorical] = (X != q)[:, categorical]
        both = ~np.isnan(X) & ~np.isnan(q)
        with np.errstate(invalid="ignore"):
            out[j] = np.where(both.any(axis=1), np.where(both, gap, 0.0).sum(axis=1) / both.sum(axis=1), 1.0)
    return out


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(600, 3)), rng.integers(0, 3, (600, 2))])
    X[rng.random(X.shape) < 0.15] = np.nan
    X[3] = np.nan
    Q = np.concatenate([X[:40], X[:5] * 3])
    expected = twin(X, Q, [3, 4])
    index = make_index(X, "gower", {"categorical": [3, 4]})
    distances, indices = index.nearest(Q, 600)
    np.testing.assert_allclose(distances, np.sort(expected, axis=1), rtol=1e-12)
    tied = np.lexsort((indices, distances))
    assert (np.diff(indices, axis=1)[np.diff(distances, axis=1) == 0] > 0).all()
    assert len(tied) == len(Q)
    found = index.within(Q, 0.3)
    assert np.diff(found.starts).sum() == (expected <= 0.3 + 1e-12).sum()


def test_a_table_with_strings_and_gaps_is_searched_as_it_is(data_file, tmp_path):
    frame = pd.read_csv(data_file("titanic/titanic_seaborn.csv"))
    X, y = frame[["age", "fare", "sex", "embarked", "deck"]], frame["survived"]
    model = KNeighborsClassifier(n_neighbors=9, metric="gower").fit(X[:600], y[:600])
    assert model.score(X[600:], y[600:]) > 0.74
    assert [str(name) for name in model.encoded_feature_names_][:2] == ["age", "fare"]
    found = tripos.load(tripos.save(model, tmp_path / "gower.tripos"))
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))
    distances, indices = NearestNeighbors(metric="gower").fit(X).kneighbors(X.iloc[:20])
    assert (distances[:, 0] == 0).all()
    assert indices.shape == (20, 5)


def test_trees_and_sparse_rows_are_refused():
    with pytest.raises(ValueError, match="gower"):
        make_index(np.eye(4), "gower", algorithm="kd_tree")
