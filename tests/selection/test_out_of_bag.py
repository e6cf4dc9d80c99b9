"""Out-of-bag permutation importance: the forest's own rows left out, and columns of noise that matter nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from tripos import RandomForestClassifier, RandomForestRegressor
from tripos.selection.out_of_bag import _bags, _score, out_of_bag_importance


def test_rows_left_out_are_those_of_the_fit():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(30, oob_score=True, random_state=3).fit(X, y)
    assert _score(forest, X, y, _bags(forest, len(X))) == pytest.approx(forest.oob_score_)
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(30, oob_score=True, random_state=3, max_samples=0.5).fit(X, y)
    assert _score(forest, X, y, _bags(forest, len(X))) == pytest.approx(forest.oob_score_)


def test_noise_matters_nothing_although_trees_split_on_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = np.where(X[:, 1] > 0, "yes", "no")
    forest = RandomForestClassifier(30, random_state=0).fit(X, y)
    found = out_of_bag_importance(forest, X, y, n_repeats=2, random_state=0)
    assert found.importances_mean[1] > 0.2
    assert np.abs(np.delete(found.importances_mean, 1)).max() < 0.05
    with pytest.raises(ValueError, match="bootstrap=True"):
        out_of_bag_importance(RandomForestClassifier(3, bootstrap=False).fit(X, y), X, y)


def test_a_forest_that_drew_by_weights_is_refused():
    X, y = load_iris(return_X_y=True)
    for forest, w in (
        (RandomForestClassifier(2), np.arange(len(y)) + 1.0),
        (RandomForestClassifier(2, class_weight="balanced"), None),
    ):
        with pytest.raises(ValueError, match="fitted with sample_weight or class_weight"):
            out_of_bag_importance(forest.fit(X, y, w), X, y)
    exact = RandomForestClassifier(5, splits="exact", random_state=0).fit(X, y)
    assert out_of_bag_importance(exact, X, y, n_repeats=1, random_state=0).importances_mean.argmax() in (2, 3)
