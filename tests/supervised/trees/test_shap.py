"""Shapley values of trees: they sum to the score, and are those of the definition and of the libraries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import tripos
from tripos import HistGradientBoostingClassifier, HistGradientBoostingRegressor


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5))
    X[:, 3] = rng.integers(0, 12, 600)
    X[rng.random(X.shape) < 0.08] = np.nan
    score = np.nan_to_num(X[:, 0] * X[:, 1]) + np.isin(X[:, 3], [1, 5, 7]) + np.isnan(X[:, 2])
    return X, score + 0.1 * rng.normal(size=600)


def expectation(nodes, t, row, known):
    """The mean of tree t where only the columns in `known` are the row's: straight from the definition."""

    def below(i):
        if nodes.features[i] < 0:
            return nodes.values[i, 0]
        left, right = int(nodes.left[i]), int(nodes.right[i])
        j = nodes.features[i]
        if j not in known:
            w = nodes.weights[[left, right]]
            return (w[0] * below(left) + w[1] * below(right)) / w.sum()
        x, bits = row[j], nodes.levels[i]
        if np.isnan(x):
            return below(left if nodes.missing_left[i] else right)
        if bits >= 0:
            return below(left if int(nodes.level_bits[bits, int(x) // 64]) >> int(x) % 64 & 1 else right)
        return below(left if x <= nodes.thresholds[i] else right)

    return below(int(nodes.starts[t]))


def by_definition(nodes, row, p):
    phi = np.zeros(p)
    for i in range(p):
        others = [j for j in range(p) if j != i]
        for size in range(p):
            weight = math.factorial(size) * math.factorial(p - size - 1) / math.factorial(p)
            for S in itertools.combinations(others, size):
                for t in range(nodes.n_trees):
                    gain = expectation(nodes, t, row, {*S, i}) - expectation(nodes, t, row, set(S))
                    phi[i] += weight * gain
    return phi


def test_values_are_those_of_the_definition(mixed):
    X, y = mixed
    model = HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=12, categorical_features=[3]).fit(X, y)
    nodes = model._nodes()
    Z, values = nodes.cells(X[:4]), model.shap_values(X[:4])
    for row, phi in zip(Z, values):
        assert np.abs(by_definition(nodes, row, 5) - phi).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_sum_to_the_score(mixed, dtype):
    X, y = mixed
    classes = np.digitize(y, [0.2, 1.2])
    model = HistGradientBoostingClassifier(max_iter=8, categorical_features=[3]).fit(X.astype(dtype), classes)
    values, scores = model.shap_values(X.astype(dtype)), model.decision_function(X.astype(dtype))
    assert values.shape == (600, 5, 3)
    assert np.abs(values.sum(axis=1) + model.shap_expected_value_ - scores).max() < 1e-9


def test_interactions_are_symmetric_and_sum_to_the_values(mixed):
    X, y = mixed
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=[3]).fit(X, y)
    pairs, values = model.shap_values(X[:70], interactions=True), model.shap_values(X[:70])
    assert np.abs(pairs - pairs.transpose(0, 2, 1)).max() < 1e-12
    assert np.abs(pairs.sum(axis=2) - values).max() < 1e-12
    assert np.abs(pairs[:, 0, 1]).mean() > 5 * np.abs(pairs[:, 0, 4]).mean()


def test_against_a_background_values_count_from_its_mean(mixed):
    X, y = mixed
    model = HistGradientBoostingRegressor(max_iter=5, categorical_features=[3]).fit(X, y)
    background = X[100:113]
    values = model.shap_values(X[:40], background=background)
    expected = model.predict(X[:40]) - model.predict(background).mean()
    assert np.abs(values.sum(axis=1) - expected).max() < 1e-12


def test_lightgbm_and_shap_give_the_same(mixed, tmp_path):
    lgb = pytest.importorskip("lightgbm")
    shap = pytest.importorskip("shap")
    X, y = mixed
    data = lgb.Dataset(X, y, categorical_feature=[3])
    booster = lgb.train({"verbose": -1, "min_data_per_group": 5, "num_threads": 1}, data, 12)
    booster.save_model(tmp_path / "m.txt")
    model = tripos.load(tmp_path / "m.txt")
    theirs = booster.predict(X, pred_contrib=True)
    assert np.abs(model.shap_values(X) - theirs[:, :-1]).max() < 1e-9
    assert abs(model.shap_expected_value_ - theirs[0, -1]) < 1e-9
    full = np.nan_to_num(X)
    data = lgb.Dataset(full, y)
    booster = lgb.train({"verbose": -1, "num_threads": 1}, data, 6)
    booster.save_model(tmp_path / "m.txt")
    model = tripos.load(tmp_path / "m.txt")
    pairs = shap.TreeExplainer(booster).shap_interaction_values(full[:30])
    assert np.abs(model.shap_values(full[:30], interactions=True) - pairs).max() < 1e-9
    background = shap.TreeExplainer(booster, full[50:80])
    assert (
        np.abs(model.shap_values(full[:30], background=full[50:80]) - background.shap_values(full[:30])).max()
        < 1e-6
    )


def test_xgboost_gives_the_same(mixed, tmp_path):
    xgb = pytest.importorskip("xgboost")
    X, y = mixed
    booster = xgb.train({"max_depth": 5, "nthread": 1}, xgb.DMatrix(X, y), 10)
    booster.save_model(tmp_path / "m.json")
    model = tripos.load(tmp_path / "m.json")
    theirs = booster.predict(xgb.DMatrix(X), pred_contribs=True)
    assert np.abs(model.shap_values(X) - theirs[:, :-1]).max() < 2e-6  # XGBoost adds in float32
    assert (
        np.abs(model.shap_values(X).sum(axis=1) + model.shap_expected_value_ - model.raw_scores(X)).max()
        < 1e-6
    )


def test_values_do_not_depend_on_how_rows_are_cut(mixed):
    X, y = mixed
    model = HistGradientBoostingRegressor(max_iter=4).fit(X, y)
    whole = model.shap_values(X)
    assert np.array_equal(whole[37:38], model.shap_values(X[37:38]))


def test_a_tree_without_splits_gives_nothing_to_any_column():
    model = HistGradientBoostingRegressor(max_iter=2).fit(np.zeros((30, 2)), np.arange(30.0))
    assert not model.shap_values(np.ones((3, 2))).any()
    assert abs(model.shap_expected_value_ - model.predict(np.ones((1, 2)))[0]) < 1e-9
