"""Symmetric trees: one condition a level, the gains of all its nodes together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tripos import BoostedTreesClassifier, BoostedTreesRegressor


def waves(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, 6)), 1)
    y = np.sin(2 * X[:, 0]) + X[:, 1] * (X[:, 2] > 0) + 0.1 * rng.normal(size=n)
    return X, y


def conditions(model, t):
    tree = model.forest_.tree(t)
    inner = ~tree.is_leaf
    return {(int(word) >> 32) & 0xFFFFFF for word in tree.words[inner]}


def test_a_tree_has_one_condition_a_level_and_counts_its_rows():
    X, y = waves()
    model = BoostedTreesRegressor(20, growth="symmetric", max_depth=4).fit(X, y)
    assert all(1 <= len(conditions(model, t)) <= 4 for t in range(20))
    leaf = model.forest_.is_leaf
    assert model.forest_.rows[leaf].min() >= 20
    assert model.forest_.rows[leaf].sum() == 20 * len(X)
    assert model.score(X, y) > 0.8


def test_the_first_level_is_the_split_that_gains_most_of_all():
    X, y = waves(300)
    model = BoostedTreesRegressor(
        1, growth="symmetric", max_depth=1, min_child_samples=1, learning_rate=1.0
    ).fit(X, y)
    best = min(
        ((y - np.where(low := X[:, j] <= t, y[low].mean(), y[~low].mean())) ** 2).sum()
        for j in range(6)
        for t in np.unique(X[:, j])[:-1]
    )
    assert ((y - model.predict(X)) ** 2).sum() == pytest.approx(best, rel=1e-5)


def test_the_second_level_minimises_the_sum_over_both_nodes():
    X, y = waves(300)
    settings = {"growth": "symmetric", "min_child_samples": 1, "learning_rate": 1.0}
    root = BoostedTreesRegressor(1, max_depth=1, **settings).fit(X, y).apply(X)[:, 0]

    def loss(j, t):
        cell = 2 * root + (X[:, j] <= t)
        return sum(((y[cell == c] - y[cell == c].mean()) ** 2).sum() for c in np.unique(cell))

    best = min(loss(j, t) for j in range(6) for t in np.unique(X[:, j])[:-1])
    two = BoostedTreesRegressor(1, max_depth=2, **settings).fit(X, y)
    assert ((y - two.predict(X)) ** 2).sum() == pytest.approx(best, rel=1e-5)


def test_weights_are_rows_and_gaps_go_to_the_better_side():
    X, y = waves(600)
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    y = y + 2.0 * np.isnan(X[:, 3])
    k = np.random.default_rng(2).integers(1, 4, len(X))
    # rows are counted where a leaf is made, so a limit on rows sees the repeated ones
    settings = {"growth": "symmetric", "max_depth": 3, "min_child_samples": 1}
    weighted = BoostedTreesRegressor(10, **settings).fit(X, y, k)
    repeated = BoostedTreesRegressor(10, **settings).fit(np.repeat(X, k, axis=0), np.repeat(y, k))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-5)
    assert 3 in {c & 0xFFFF for t in range(10) for c in conditions(weighted, t)}


def test_training_scores_are_the_predictions_also_on_samples_and_classes():
    X, y = waves()
    classes = np.digitize(y, [-0.5, 0.5])
    for settings in ({}, {"subsample": 0.6, "colsample_bynode": 0.5}, {"boosting": "dart"}):
        model = BoostedTreesClassifier(12, growth="symmetric", max_depth=3, **settings)
        model.fit(X, classes, eval_set=(X, classes))
        p = model.predict_proba(X)
        loss = -np.log(p[np.arange(len(X)), classes]).mean()
        assert model.evals_result_["validation_0"]["loss"][-1] == pytest.approx(loss, rel=1e-5)
        assert model.score(X, classes) > 0.7


def test_categories_need_statistics_and_constraints_are_refused():
    X, y = waves(500)
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(g=np.where(X[:, 0] > 0, "up", "down"))
    with pytest.raises(ValueError, match="categories='ordered'"):
        BoostedTreesRegressor(2, growth="symmetric").fit(frame, y)
    model = BoostedTreesRegressor(5, growth="symmetric", categories="ordered").fit(frame, y)
    assert model.score(frame, y) > 0.3
    with pytest.raises(ValueError, match="monotonic_cst"):
        BoostedTreesRegressor(2, growth="symmetric", monotonic_cst=[1, 0, 0, 0, 0, 0]).fit(X, y)
