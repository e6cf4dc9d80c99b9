"""Friedman's gradient boosting beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import ensemble
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_pinball_loss
from sklearn.naive_bayes import GaussianNB

import tripos
from tripos import GradientBoostingClassifier, GradientBoostingRegressor


def few_distinct(n=600, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (n, 6)).astype(float)
    score = X[:, 0] * X[:, 1] / 200 + np.sin(X[:, 2]) + rng.normal(size=n)
    return X, score


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_signs_tie_but_lower_the_loss_as_scikit_learns(loss):
    X, y = few_distinct()
    settings = dict(loss=loss, n_estimators=40, alpha=0.8)
    ours = GradientBoostingRegressor(**settings).fit(X, y)
    theirs = ensemble.GradientBoostingRegressor(random_state=0, **settings).fit(X, y)
    level = 0.8 if loss == "quantile" else 0.5
    a, b = (mean_pinball_loss(y, model.predict(X), alpha=level) for model in (ours, theirs))
    assert a < 1.05 * b


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_regression_is_scikit_learns_where_values_are_few(loss):
    X, y = few_distinct()
    settings = dict(loss=loss, n_estimators=20, alpha=0.8)
    ours = GradientBoostingRegressor(**settings).fit(X, y)
    theirs = ensemble.GradientBoostingRegressor(random_state=0, **settings).fit(X, y)
    gap = np.abs(ours.predict(X) - theirs.predict(X))
    assert np.quantile(gap, 0.9) < 0.02 * y.std()
    assert ours.train_score_[-1] < ours.train_score_[0]


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
def test_classes_are_scikit_learns_where_values_are_few(loss):
    X, score = few_distinct()
    y = np.where(score > np.median(score), "yes", "no")
    settings = dict(loss=loss, n_estimators=20)
    ours = GradientBoostingClassifier(**settings).fit(X, y)
    theirs = ensemble.GradientBoostingClassifier(random_state=0, **settings).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-3)


def test_three_classes_are_scikit_learns():
    X, score = few_distinct()
    y = np.digitize(score, np.quantile(score, [0.33, 0.66]))
    ours = GradientBoostingClassifier(n_estimators=15).fit(X, y)
    theirs = ensemble.GradientBoostingClassifier(n_estimators=15, random_state=0).fit(X, y)
    assert np.quantile(np.abs(ours.predict_proba(X) - theirs.predict_proba(X)), 0.95) < 0.02
    assert len(list(ours.staged_predict(X))) == 15


def test_subsamples_measure_what_they_leave_out():
    X, y = few_distinct()
    model = GradientBoostingRegressor(n_estimators=40, subsample=0.5).fit(X, y)
    assert model.oob_improvement_.shape == (40,)
    assert model.oob_improvement_[:5].mean() > 0 > model.oob_improvement_[-15:].mean() - 0.02
    assert model.oob_score_ == model.oob_scores_[-1]


def test_the_fit_stops_and_goes_on():
    X, y = few_distinct(1500)
    stopped = GradientBoostingRegressor(n_estimators=500, n_iter_no_change=4).fit(X, y)
    assert stopped.n_estimators_ < 500
    model = GradientBoostingRegressor(n_estimators=8, warm_start=True).fit(X, y)
    model.set_params(n_estimators=16).fit(X, y)
    whole = GradientBoostingRegressor(n_estimators=16).fit(X, y)
    np.testing.assert_allclose(model.predict(X), whole.predict(X), atol=1e-5)
    by_hand = GradientBoostingRegressor(n_estimators=50).fit(X, y, monitor=lambda i, model, _: i == 6)
    assert by_hand.n_estimators_ == 7


def test_limits_of_nodes_are_kept():
    X, y = few_distinct()
    settings = dict(
        n_estimators=10, min_samples_split=120, min_samples_leaf=0.05, min_weight_fraction_leaf=0.07
    )
    ours = GradientBoostingRegressor(**settings).fit(X, y)
    forest = ours.forest_
    assert forest.rows[~forest.is_leaf].min() >= 120
    assert forest.rows[forest.is_leaf].min() >= 42
    assert (
        GradientBoostingRegressor(n_estimators=3, min_impurity_decrease=1e6).fit(X, y).forest_.is_leaf.all()
    )


@pytest.mark.parametrize("stop", [None, 5])
def test_an_estimator_to_start_from_is_scikit_learns(stop, tmp_path):
    X, y = few_distinct()
    settings = dict(n_estimators=15, random_state=0, n_iter_no_change=stop)
    ours = GradientBoostingRegressor(init=tripos.Ridge(), **settings).fit(X, y)
    theirs = ensemble.GradientBoostingRegressor(init=Ridge(), **settings).fit(X, y)
    gap = np.abs(ours.predict(X) - theirs.predict(X))
    assert np.quantile(gap, 0.9) < (0.02 if stop is None else 0.3) * y.std()
    np.testing.assert_allclose(list(ours.staged_predict(X))[-1], ours.predict(X))
    path = tmp_path / "model.tripos"
    tripos.save(ours, path)
    np.testing.assert_array_equal(tripos.load(path).predict(X), ours.predict(X))


@pytest.mark.parametrize(("n_classes", "loss"), [(2, "log_loss"), (2, "exponential"), (3, "log_loss")])
def test_classes_start_from_the_probabilities_of_an_estimator(n_classes, loss):
    X, score = few_distinct()
    y = np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))
    w = np.arange(len(y)) % 3.0
    settings = dict(n_estimators=10, random_state=0, loss=loss)
    ours = GradientBoostingClassifier(init=GaussianNB(), **settings).fit(X, y, w)
    theirs = ensemble.GradientBoostingClassifier(init=GaussianNB(), **settings).fit(X, y, w)
    gap = np.abs(ours.predict_proba(X) - theirs.predict_proba(X))
    assert np.quantile(gap, 0.95) < 0.02
    assert ours.init_.n_features_in_ == 6
