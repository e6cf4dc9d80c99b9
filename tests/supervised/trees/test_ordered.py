"""Ordered statistics of categories: no row sees its own target, unseen levels are as the mean, many levels work."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import tripos
from tripos import BoostedTreesClassifier, BoostedTreesRegressor
from tripos.supervised.trees.ordered import OrderedStatistics, earlier_means


def shops(n=6000, n_levels=600, seed=0):
    """A category of many levels that matters, a number, and a category of few levels."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=n_levels)
    shop = rng.integers(0, n_levels, n).astype(float)
    X = np.column_stack([rng.normal(size=n), shop, rng.integers(0, 4, n)])
    y = effect[shop.astype(int)] + 0.5 * X[:, 0] + 0.5 * rng.normal(size=n)
    return X, y


def test_a_statistic_is_a_plain_loop_over_the_rows_before():
    rng = np.random.default_rng(0)
    order, codes, Y, w = rng.permutation(40), rng.integers(0, 3, 40), rng.random((40, 2)), rng.random(40)
    prior, out = np.array([0.3, 0.6]), np.empty((40, 2))
    earlier_means(order, codes, Y, w, prior, 2.0, np.zeros((3, 2)), np.zeros(3), out)
    for at, i in enumerate(order):
        before = [r for r in order[:at] if codes[r] == codes[i]]
        expected = (w[before] @ Y[before] + 2.0 * prior) / (w[before].sum() + 2.0)
        np.testing.assert_allclose(out[i], expected, atol=1e-12)


def test_unseen_levels_have_the_mean_of_all_targets_and_known_ones_their_own():
    X, y = shops()
    found, _ = OrderedStatistics.learn(X, y[:, None], None, np.array([False, True, True]), seed=0)
    Z = found.apply(np.array([[0.5, 1e6, 2.0], [0.5, 7.0, 2.0], [0.5, np.nan, 2.0]]))
    of_7 = y[X[:, 1] == 7]
    assert found.kept.tolist() == [0, 2]  # few levels stay a category
    np.testing.assert_allclose(Z[[0, 2], 2], y.mean())
    np.testing.assert_allclose(Z[1, 2:], [(of_7.sum() + y.mean()) / (len(of_7) + 1), len(of_7) / len(y)])


def test_many_levels_are_told_apart_better_than_by_sets_of_levels():
    X, y = shops()
    error = {}
    for how in ("native", "ordered"):
        model = BoostedTreesRegressor(60, categorical_features=[1, 2], categories=how)
        error[how] = np.mean((model.fit(X[:4500], y[:4500]).predict(X[4500:]) - y[4500:]) ** 2)
    assert error["ordered"] < 0.7 * error["native"], error


def test_seventy_thousand_levels_without_meaning_are_not_learned_by_heart():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 70_000, 80_000), rng.normal(size=80_000)]).astype(float)
    y = X[:, 1] + rng.normal(size=80_000) > 0
    model = BoostedTreesClassifier(10, categorical_features=[0], categories="ordered")
    model.fit(X[:70_000], y[:70_000])
    plain = BoostedTreesClassifier(10).fit(X[:70_000, 1:], y[:70_000])
    losses = [
        log_loss(y[70_000:], p)
        for p in (model.predict_proba(X[70_000:]), plain.predict_proba(X[70_000:, 1:].copy()))
    ]
    assert losses[0] < losses[1] + 0.01, losses


def test_classes_have_a_mean_each_and_models_are_kept(tmp_path):
    X, y = shops(3000, 300)
    classes = np.digitize(y, [-0.7, 0.7])
    model = BoostedTreesClassifier(15, categorical_features=[1], categories="ordered").fit(X, classes)
    assert model.binning_.n_features == 2 + 3 + 1 == len(model.encoded_feature_names_)
    assert model.encoded_feature_names_[2] == "x1 (mean of y = 0)"
    path = tmp_path / "model.tripos"
    tripos.save(model, path)
    again = tripos.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X[:1]), model.predict_proba(X)[:1])
    values = model.shap_values(X[:3])
    np.testing.assert_allclose(values.sum(axis=1) + model.baseline_, model.decision_function(X[:3]), atol=1.0)


def test_flights_are_late_by_aircraft(data_file):
    frame = pd.read_csv(data_file("nycflights13/flights.csv.gz"), nrows=24000).dropna(subset=["arr_delay"])
    frame = frame.sample(frac=1, random_state=0)
    late = (frame.pop("arr_delay") > 15).to_numpy()
    X = frame[["hour", "carrier", "tailnum", "origin", "dest"]]
    train, test = slice(0, 15000), slice(15000, None)
    area = {}
    for how in ("native", "ordered"):
        model = BoostedTreesClassifier(60, categories=how).fit(
            X[train], late[train], eval_set=(X[test], late[test])
        )
        area[how] = roc_auc_score(late[test], model.predict_proba(X[test])[:, 1])
        assert len(model.evals_result_["validation_0"]["loss"]) == 60
    assert min(area.values()) > 0.69, area


def test_what_ordered_statistics_cannot_do_is_said():
    X, y = shops(500, 50)
    model = BoostedTreesRegressor(3, categorical_features=[1], categories="ordered", warm_start=True)
    model.fit(X, y)
    with pytest.raises(ValueError, match="warm_start=False"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="rows themselves"):
        BoostedTreesRegressor(3, categories="ordered").fit(BoostedTreesRegressor().bin(X), y)
    bad = X.copy()
    bad[3, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(bad)
