"""AdaBoost.R2: scikit-learn's rows, learners and answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble
import sklearn.tree
from sklearn.datasets import load_diabetes
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import AdaBoostRegressor


@pytest.fixture(scope="module")
def diabetes() -> tuple[np.ndarray, np.ndarray]:
    return load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [AdaBoostRegressor(n_estimators=5)],
    expected_failed_checks=lambda model: {
        "check_sample_weight_equivalence_on_dense_data": model.exceptions["weights"]
    },
)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_over_the_same_trees_it_is_scikit_learns(diabetes, loss):
    X, y = diabetes
    options = {"n_estimators": 12, "loss": loss, "learning_rate": 0.7, "random_state": 3}
    base = sklearn.tree.DecisionTreeRegressor(max_depth=3)
    ours = AdaBoostRegressor(base, **options).fit(X, y)
    peer = sklearn.ensemble.AdaBoostRegressor(base, **options).fit(X, y)
    np.testing.assert_allclose(ours.estimator_weights_, peer.estimator_weights_, rtol=1e-6)
    np.testing.assert_allclose(ours.estimator_errors_, peer.estimator_errors_, rtol=1e-6)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-6)
    for a, b in zip(ours.staged_predict(X), peer.staged_predict(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(list(ours.staged_score(X, y)), list(peer.staged_score(X, y)), rtol=1e-6)


def test_our_trees_do_as_well(diabetes):
    X, y = diabetes
    seeds = range(3)
    ours = [AdaBoostRegressor(random_state=s).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) for s in seeds]
    peer = [
        sklearn.ensemble.AdaBoostRegressor(random_state=s).fit(X[::2], y[::2]).score(X[1::2], y[1::2])
        for s in seeds
    ]
    assert np.mean(ours) > np.mean(peer) - 0.02


def test_tables_and_files(diabetes, tmp_path):
    X, y = diabetes
    frame = pd.DataFrame({"a": X[:, 2], "b": np.where(X[:, 1] > 0, "f", "m"), "c": X[:, 8]})
    frame.loc[3, "a"] = np.nan
    model = AdaBoostRegressor(n_estimators=5, random_state=0).fit(frame, y)
    found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
    np.testing.assert_array_equal(found.predict(frame), model.predict(frame))
    assert found.summary() == model.summary()


def test_rows_of_weight_zero_are_not_there(diabetes):
    X, y = diabetes
    weights = np.repeat([1.0, 0.0], [300, len(y) - 300])
    a = AdaBoostRegressor(n_estimators=4, random_state=0).fit(X, y, weights)
    b = AdaBoostRegressor(n_estimators=4, random_state=0).fit(X[:300], y[:300])
    np.testing.assert_array_equal(a.predict(X), b.predict(X))


def test_a_perfect_learner_ends_it():
    X = np.arange(6.0).reshape(-1, 1)
    model = AdaBoostRegressor(random_state=0).fit(X, np.ones(6))
    assert model.n_iter_ == 1
    np.testing.assert_array_equal(model.predict(X), np.ones(6))
