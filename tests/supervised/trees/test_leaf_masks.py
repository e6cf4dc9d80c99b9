"""Asking all splits of a block of rows gives what walking gives, bit for bit."""

import numpy as np
import pytest

from tripos import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tripos.supervised.trees import tree
from tripos.supervised.trees.leaf_masks import Marked


def table(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, a category of 20 and one of 100 levels, missing cells."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 6))
    X[:, 1], X[:, 2] = rng.integers(20, size=n_rows), rng.integers(100, size=n_rows)
    effects = rng.normal(size=100)
    y = X[:, 0] * X[:, 3] + effects[X[:, 1].astype(int)] + effects[X[:, 2].astype(int)] + X[:, 4]
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


@pytest.mark.parametrize("leaves", [2, 31, 32, 33, 64, 65])
def test_marked_trees_answer_as_walked_trees_for_any_number_of_leaves(leaves, monkeypatch):
    X, y = table(3000)
    model = HistGradientBoostingRegressor(
        max_iter=5, max_leaf_nodes=leaves, min_samples_leaf=5, categorical_features=[1, 2]
    ).fit(X, y)
    Z = X.copy()
    Z[::7, 1], Z[::5, 2] = 25, 300  # levels that training did not see
    assert Marked.fits(model.forest_.starts) == (leaves <= 64)
    found = model.predict(Z)
    assert (model._walker._marked is not None) == (leaves <= 64)
    monkeypatch.setattr(tree, "MANY_ROWS", 1 << 60)
    np.testing.assert_array_equal(found, model.predict(Z))
    one_by_one = np.concatenate([model.predict(Z[i : i + 1]) for i in range(0, 3000, 100)])
    np.testing.assert_array_equal(found[::100], one_by_one)


def test_marked_trees_of_several_classes_and_a_stump_without_splits(monkeypatch):
    X, y = table(600)
    model = HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=400).fit(
        X, np.digitize(y, [-9, 0, 1])
    )
    found = model.predict_proba(X)
    assert (np.diff(model.forest_.starts) == 1).any()
    monkeypatch.setattr(tree, "MANY_ROWS", 1 << 60)
    np.testing.assert_array_equal(found, model.predict_proba(X))


def test_infinite_cells_are_refused():
    X, y = table(600)
    model = HistGradientBoostingRegressor(max_iter=2).fit(X, y)
    X[400, 5] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(X)
