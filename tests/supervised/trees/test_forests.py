"""Random forests and extremely randomised trees."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.ensemble
import sklearn.tree

import tripos
from tripos import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from tripos.supervised.trees.forest_scalar import gain_of
from tripos.supervised.trees.walk import predicted


@pytest.fixture(scope="module")
def waves() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 6))
    return X, X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] + 0.3 * rng.normal(size=3000)


def test_a_forest_is_as_good_as_scikit_learn(waves):
    X, y = waves
    ours = RandomForestRegressor(50, random_state=0).fit(X[:2000], y[:2000]).score(X[2000:], y[2000:])
    peer = sklearn.ensemble.RandomForestRegressor(50, random_state=0, n_jobs=-1).fit(X[:2000], y[:2000])
    assert ours > peer.score(X[2000:], y[2000:]) - 0.02


def test_the_first_split_of_a_tree_of_all_rows_is_scikit_learns(waves):
    X = np.round(waves[0], 1)  # few values: bins are exact
    model = RandomForestRegressor(1, bootstrap=False, max_depth=3).fit(X, waves[1])
    tree = sklearn.tree.DecisionTreeRegressor(max_depth=3).fit(X, waves[1]).tree_
    np.testing.assert_allclose(
        np.sort(model.predict(X)), np.sort(tree.predict(X.astype(np.float32))[:, 0]), rtol=1e-6
    )


def test_a_tree_with_directions_is_scikit_learns(waves):
    X, directions = np.round(waves[0], 1), [0, 1, 0, 1, -1, 0]
    model = RandomForestRegressor(1, bootstrap=False, max_depth=6, monotonic_cst=directions).fit(X, waves[1])
    tree = sklearn.tree.DecisionTreeRegressor(max_depth=6, monotonic_cst=directions).fit(X, waves[1])
    np.testing.assert_allclose(model.predict(X), tree.predict(X), rtol=1e-5)


def test_a_tree_by_poisson_deviance_is_scikit_learns(waves):
    X, y = np.round(waves[0], 1), np.exp(waves[1])
    model = RandomForestRegressor(1, bootstrap=False, max_depth=5, criterion="poisson").fit(X, y)
    tree = sklearn.tree.DecisionTreeRegressor(max_depth=5, criterion="poisson").fit(X, y)
    np.testing.assert_allclose(model.predict(X), tree.predict(X), rtol=1e-5)


def test_out_of_bag_scores_foretell_new_rows(waves):
    X, y = waves[0], (waves[1] > 0).astype(int)
    model = RandomForestClassifier(60, random_state=0, oob_score=True).fit(X[:2000], y[:2000])
    assert abs(model.oob_score_ - model.score(X[2000:], y[2000:])) < 0.04
    assert model.oob_decision_function_.shape == (2000, 2)


def test_trees_written_out_predict_the_same(waves):
    X, y = waves
    codes = np.searchsorted(np.quantile(y, [0.3, 0.6]), y)
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    model = RandomForestClassifier(5, random_state=0).fit(X, codes)
    np.testing.assert_allclose(predicted(model._nodes(), X), model.predict_proba(X), atol=1e-6)


def test_rows_beside_a_missing_cell_are_answered_as_those_without(waves):
    X, model = waves[0][:200], RandomForestRegressor(3, random_state=0, max_features=0.5).fit(*waves)
    gappy = np.concatenate([X, np.full((1, 6), np.nan)])  # sends its block through nodes of 64 bits
    np.testing.assert_array_equal(model.predict(X), model.predict(gappy)[:-1])
    np.testing.assert_array_equal(model.predict(X)[:9], [model.predict(x[None])[0] for x in X[:9]])


def test_extra_trees_that_count_rows_are_those_that_weigh_them(waves):
    X, y = np.round(waves[0], 1), (waves[1] > 0).astype(int)
    model = ExtraTreesClassifier(3, random_state=0, min_samples_split=3)
    counted, weighed = (model.fit(X, y, w).forest_ for w in (None, np.ones(len(y))))
    np.testing.assert_array_equal(counted.words, weighed.words)
    np.testing.assert_allclose(counted.values, weighed.values, rtol=1e-6)


def test_a_warm_start_gives_the_forest_of_one_fit(waves):
    X, y = waves
    whole = ExtraTreesRegressor(6, random_state=3).fit(X, y)
    grown = ExtraTreesRegressor(4, random_state=3, warm_start=True).fit(X, y)
    grown.set_params(n_estimators=6).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), grown.predict(X))


def test_members_average_to_the_forest(waves):
    X, y = waves
    model = RandomForestRegressor(4, random_state=0).fit(X, y)
    mean = np.mean([member.predict(X) for member in model.estimators_], axis=0)
    np.testing.assert_allclose(mean, model.predict(X), rtol=1e-12)


def test_several_targets_at_once(waves):
    X, y = waves
    Y = np.column_stack([y > 0, np.searchsorted(np.quantile(y, [0.3, 0.6]), y)]).astype(int)
    model = RandomForestClassifier(20, random_state=0).fit(X[:2000], Y[:2000])
    assert (model.predict(X[2000:]) == Y[2000:]).mean(axis=0).min() > 0.6
    assert [p.shape[1] for p in model.predict_proba(X[:3])] == [2, 3]


def test_a_constraint_makes_answers_rise(waves):
    X, y = waves
    model = RandomForestRegressor(5, random_state=0, monotonic_cst=[0, 0, 0, 1, 0, 0]).fit(X, y)
    line = np.repeat(X[:50], 20, axis=0)
    line[:, 3] = np.tile(np.linspace(-2, 2, 20), 50)
    assert (np.diff(model.predict(line).reshape(50, 20), axis=1) >= -1e-6).all()


def test_a_tree_of_all_rows_with_exact_splits_is_a_decision_tree(waves):
    X, y = waves
    model = RandomForestRegressor(1, bootstrap=False, splits="exact").fit(X, y)
    np.testing.assert_array_equal(model.predict(X), tripos.DecisionTreeRegressor().fit(X, y).predict(X))


@pytest.mark.parametrize("splits", ["binned", "exact"])
def test_csr_rows_grow_the_forest_of_dense_ones(waves, splits):
    X = np.maximum(waves[0], 0.0)
    stored = sp.csr_array(X)
    settings = {"n_estimators": 4, "splits": splits, "oob_score": True, "bootstrap": True}
    dense, sparse = (ExtraTreesRegressor(**settings).fit(Z, waves[1]) for Z in (X, stored))
    np.testing.assert_array_equal(sparse.predict(stored), dense.predict(X))
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(stored))
    np.testing.assert_array_equal(sparse.oob_prediction_, dense.oob_prediction_)


def test_exact_forests_foretell_new_rows_and_keep(waves, tmp_path):
    X, y = waves[0], np.searchsorted(np.quantile(waves[1], [0.3, 0.6]), waves[1])
    model = RandomForestClassifier(40, random_state=0, oob_score=True, splits="exact", n_jobs=1)
    model.fit(X[:2000], y[:2000])
    assert abs(model.oob_score_ - model.score(X[2000:], y[2000:])) < 0.05
    shares = model.predict_proba(X[2000:])
    np.testing.assert_array_equal(
        tripos.load(tripos.save(model, tmp_path / "m.tripos")).predict_proba(X[2000:]), shares
    )
    np.testing.assert_allclose(predicted(model._nodes(), X[2000:]), shares, atol=1e-6)
    np.testing.assert_array_equal(
        model.set_params(n_jobs=2).fit(X[:2000], y[:2000]).predict_proba(X[2000:]), shares
    )
    more = RandomForestClassifier(10, random_state=0, splits="exact", warm_start=True).fit(X[:2000], y[:2000])
    more.set_params(n_estimators=40).fit(X[:2000], y[:2000])
    np.testing.assert_allclose(more.predict_proba(X[2000:]), shares)


def test_medians_need_exact_splits(waves):
    X, y = waves
    with pytest.raises(ValueError, match="absolute_error"):
        RandomForestRegressor(2, criterion="absolute_error").fit(X, y)
    model = RandomForestRegressor(1, criterion="absolute_error", splits="exact", bootstrap=False, max_depth=2)
    theirs = sklearn.tree.DecisionTreeRegressor(criterion="absolute_error", max_depth=2).fit(X[:500], y[:500])
    np.testing.assert_allclose(model.fit(X[:500], y[:500]).predict(X), theirs.predict(X))


def test_a_node_takes_few_bytes(waves, tmp_path):
    X, y = waves
    model = RandomForestRegressor(20, random_state=0).fit(X, y)
    forest = model.forest_
    held = sum(a.nbytes for a in (forest.words, forest.values, forest.rows, forest.levels, forest.answers))
    assert held <= 32 * len(forest.words)
    path = tripos.save(model, tmp_path / "forest.tripos")
    assert path.stat().st_size <= 16 * len(forest.words) + 50_000


def test_the_gain_of_a_split_is_what_the_squares_lose():
    y, w = np.array([0.0, 1, 1, 3, 7]), np.array([1.0, 2, 1, 1, 3])

    def squares(rows: slice) -> float:
        mean = np.average(y[rows], weights=w[rows])
        return float((w[rows] * (y[rows] - mean) ** 2).sum())

    expected = squares(slice(None)) - squares(slice(2)) - squares(slice(2, None))
    found = gain_of.py_func(0, w[:2].sum(), (w * y)[:2].sum(), w.sum(), (w * y).sum())
    assert found == pytest.approx(expected)
