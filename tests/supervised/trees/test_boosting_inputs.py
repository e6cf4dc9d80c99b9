"""What boosted trees do with input that is unusual: the right answer or an error that says what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tripos
from tripos import BoostedTreesClassifier, BoostedTreesRanker, BoostedTreesRegressor


def squared(y, raw, weight):
    w = np.ones_like(y) if weight is None else weight
    return w * (raw - y), w


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X[:, 0] + 0.1 * rng.normal(size=n)


def test_a_model_with_a_function_as_objective_is_never_kept_as_something_else(tmp_path):
    X, y = rows()
    model = BoostedTreesRegressor(5, objective=squared).fit(X, y)
    with pytest.raises((TypeError, ValueError), match="objective"):
        tripos.save(model, tmp_path / "model.tripos")


@pytest.mark.parametrize("growth", ["leaf-wise", "symmetric"])
def test_constant_columns_are_never_split(growth):
    X, y = rows()
    X[:, 1], X[:, 2] = 7.0, np.nan
    model = BoostedTreesRegressor(10, growth=growth).fit(X, y)
    assert model.importances("splits")[1:3].sum() == 0
    assert model.score(X, y) > 0.5
    flat = BoostedTreesRegressor(3, growth=growth).fit(X[:, 1:3], y)
    np.testing.assert_allclose(flat.predict(X[:5, 1:3]), y.mean(), rtol=1e-6)


def test_one_class_is_refused_and_one_row_is_its_own_mean():
    X, y = rows(20)
    with pytest.raises(ValueError, match="one class"):
        BoostedTreesClassifier(2).fit(X, np.zeros(20))
    for growth in ("leaf-wise", "symmetric"):
        model = BoostedTreesRegressor(2, growth=growth).fit(X[:1], y[:1])
        np.testing.assert_allclose(model.predict(X), y[0], rtol=1e-6)
    assert BoostedTreesRanker(2).fit(X[:1], [1]).predict(X).tolist() == [0.0] * 20


@pytest.mark.parametrize("kind", [BoostedTreesClassifier, BoostedTreesRegressor, BoostedTreesRanker])
def test_infinity_is_named_at_fit_and_at_predict(kind):
    X, y = rows()
    target = (y > 0).astype(int)
    bad = X.copy()
    bad[5, 2] = -np.inf
    with pytest.raises(ValueError, match="row 5, column 2"):
        kind(2).fit(bad, target)
    with pytest.raises(ValueError, match="infinity"):
        kind(2).fit(X, target).predict(bad)


@pytest.mark.parametrize("categories", ["native", "ordered"])
def test_unseen_categories_and_gaps_have_an_answer(categories):
    X, y = rows(600)
    names = np.array([f"level {i}" for i in range(40)])[np.random.default_rng(1).integers(0, 40, 600)]
    frame = pd.DataFrame({"a": X[:, 0], "g": names})
    model = BoostedTreesRegressor(10, categories=categories).fit(frame, y)
    strange = pd.DataFrame({"a": [0.0, np.nan, 0.0], "g": ["never seen", "level 3", None]})
    found = model.predict(strange)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= np.abs(y).max()
    assert found[0] == found[2]


def test_a_weight_of_zero_is_a_row_that_is_not_there():
    X, y = rows()
    weight = np.ones(300)
    weight[100:] = 0
    for settings in ({}, {"growth": "symmetric"}):
        kept = BoostedTreesRegressor(5, **settings).fit(X, y, weight).predict(X)
        np.testing.assert_array_equal(
            kept, BoostedTreesRegressor(5, **settings).fit(X[:100], y[:100]).predict(X)
        )
