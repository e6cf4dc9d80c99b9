"""Boosted trees in the terms of XGBoost and LightGBM."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from tripos import BoostedTreesClassifier, BoostedTreesRegressor, HistGradientBoostingClassifier


def noisy(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 10))
    y = (X[:, 0] * X[:, 1] + 0.5 * X[:, 2] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y


def leaves(model):
    forest = model.forest_
    return np.add.reduceat(forest.is_leaf.astype(int), forest.starts[:-1])


def test_the_defaults_are_histogram_boosting_under_other_names():
    X, y = noisy()
    ours, theirs = BoostedTreesClassifier(), HistGradientBoostingClassifier(early_stopping=False)
    np.testing.assert_array_equal(ours.fit(X, y).predict_proba(X), theirs.fit(X, y).predict_proba(X))


@pytest.mark.parametrize("k", [0, 1, 7, 20])
def test_the_first_k_trees_are_the_model_of_k_trees(k):
    X, y = noisy(800)
    model = BoostedTreesClassifier(20).fit(X, y)
    if k:
        np.testing.assert_allclose(
            model.decision_function(X, n_trees=k),
            BoostedTreesClassifier(k).fit(X, y).decision_function(X),
            atol=1e-12,
        )
    else:
        np.testing.assert_array_equal(model.decision_function(X, n_trees=0), np.full(800, model.baseline_[0]))
    with pytest.raises(ValueError, match="n_trees"):
        model.predict(X, n_trees=21)


def test_penalties_make_smaller_models():
    X, y = noisy()
    size = {"none": BoostedTreesClassifier(20).fit(X, y)}
    for name, value in (("gamma", 5.0), ("reg_alpha", 20.0), ("min_child_weight", 50.0)):
        size[name] = BoostedTreesClassifier(20, **{name: value}).fit(X, y)
        assert leaves(size[name]).sum() < leaves(size["none"]).sum(), name
    shrunk = BoostedTreesClassifier(20, reg_lambda=100.0).fit(X, y)
    assert np.abs(shrunk.decision_function(X)).max() < np.abs(size["none"].decision_function(X)).max()
    capped = BoostedTreesClassifier(20, max_delta_step=0.2).fit(X, y).forest_
    assert np.abs(capped.values[capped.is_leaf]).max() <= 0.1 * 0.2 + 1e-7


@pytest.mark.parametrize(
    "settings", [{"subsample": 0.5}, {"colsample_bytree": 0.4}, {"colsample_bynode": 0.4}], ids=str
)
def test_samples_of_rows_and_columns_still_learn_and_repeat(settings):
    X, y = noisy(6000)
    test = slice(4000, None)
    model = BoostedTreesClassifier(random_state=3, **settings).fit(X[:4000], y[:4000])
    again = BoostedTreesClassifier(random_state=3, **settings).fit(X[:4000], y[:4000])
    other = BoostedTreesClassifier(random_state=4, **settings).fit(X[:4000], y[:4000])
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert (model.predict_proba(X) != other.predict_proba(X)).any()
    plain = BoostedTreesClassifier().fit(X[:4000], y[:4000])
    p, q = (log_loss(y[test], m.predict_proba(X[test])) for m in (model, plain))
    assert p < q + 0.05


def test_the_scores_of_rows_outside_a_sample_are_kept_up():
    X, y = noisy(500)
    model = BoostedTreesClassifier(15, subsample=0.3).fit(X, y)
    assert model.history_["loss"][-1] == pytest.approx(log_loss(y, model.predict_proba(X)), rel=1e-4)


def test_a_tree_uses_only_its_columns_and_a_level_only_its_own():
    X, y = noisy()
    model = BoostedTreesClassifier(10, colsample_bytree=0.3).fit(X, y)
    forest = model.forest_
    for t in range(10):
        nodes = slice(forest.starts[t], forest.starts[t + 1])
        assert len(np.unique(forest.features[nodes][~forest.is_leaf[nodes]])) <= 3


def test_evaluation_sets_are_measured_and_the_best_step_predicts():
    X, y = noisy()
    sets = [(X[:500], y[:500]), (X[2000:], y[2000:])]
    model = BoostedTreesClassifier(400, eval_metric=["loss", "auc", "error"], early_stopping_rounds=10)
    model.fit(X[:2000], y[:2000], eval_set=sets)
    track = model.evals_result_["validation_1"]["loss"]
    assert len(track) == model.n_iter_ < 400
    assert model.best_iteration_ == np.argmin(track) + 1 == model.n_iter_ - 10
    assert min(track) == pytest.approx(log_loss(y[2000:], model.predict_proba(X[2000:])), rel=1e-6)
    assert model.evals_result_["validation_0"]["auc"][-1] > 0.9
    with pytest.raises(ValueError, match="eval_metric"):
        BoostedTreesClassifier(2, eval_metric="magic").fit(X, y, eval_set=(X, y))


def test_scale_pos_weight_is_a_weight():
    X, y = noisy(800)
    scaled = BoostedTreesClassifier(10, scale_pos_weight=3.0).fit(X, y)
    weighed = BoostedTreesClassifier(10, class_weight={0: 1.0, 1: 3.0}).fit(X, y)
    np.testing.assert_allclose(scaled.predict_proba(X), weighed.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("objective", ["absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"])
def test_each_objective_is_lowered(objective):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    y = rng.gamma(2.0, np.exp(X[:, 0] - 0.5 * X[:, 1]))
    model = BoostedTreesRegressor(60, objective=objective, learning_rate=0.3).fit(X, y)
    loss = model.history_["loss"]
    assert loss[-1] < loss[0]
    assert np.corrcoef(model.predict(X), np.exp(X[:, 0] - 0.5 * X[:, 1]))[0, 1] > 0.7


def test_depth_wise_growth_fills_levels():
    X, y = noisy()
    model = BoostedTreesClassifier(5, growth="depth-wise", max_depth=3, max_leaves=0).fit(X, y)
    assert (leaves(model) <= 8).all()
    assert leaves(model).max() == 8


def test_trees_one_by_one_add_up_to_the_scores():
    X, y = load_iris(return_X_y=True)
    model = BoostedTreesClassifier(n_estimators=4, min_child_samples=5).fit(X, y)
    trees = model.estimators_
    assert trees.shape == (4, 3)
    parts = [[tree.predict(X) for tree in step] for step in trees]
    np.testing.assert_allclose(np.sum(parts, axis=0).T + model.baseline_, model.decision_function(X))
