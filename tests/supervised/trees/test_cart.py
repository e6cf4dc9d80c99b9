"""Exact CART: scikit-learn's tree up to ties, and what it does beyond."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import tree as peer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from tripos import DecisionTreeClassifier, DecisionTreeRegressor
from tripos.supervised.trees.cart_sort import key_of, sort_columns, value_of

SETS = {"iris": load_iris, "breast cancer": load_breast_cancer}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "settings", [{}, {"criterion": "entropy", "min_samples_leaf": 5}, {"max_leaf_nodes": 6}]
)
def test_classes_get_scikit_learns_tree(name, settings):
    X, y = SETS[name](return_X_y=True)
    ours = DecisionTreeClassifier(**settings).fit(X, y)
    theirs = peer.DecisionTreeClassifier(random_state=0, **settings).fit(X, y)
    assert ours.tree_.node_count == theirs.tree_.node_count
    assert np.mean(ours.predict(X) == theirs.predict(X)) > 0.99  # ties


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_numbers_get_scikit_learns_tree(criterion):
    X, y = load_diabetes(return_X_y=True)
    ours = DecisionTreeRegressor(criterion=criterion, max_depth=5).fit(X, y)
    theirs = peer.DecisionTreeRegressor(criterion=criterion, max_depth=5, random_state=0).fit(X, y)
    assert ours.tree_.node_count == theirs.tree_.node_count
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.tree_.impurity, theirs.tree_.impurity, rtol=1e-9)


def test_where_the_tree_parts_from_scikit_learns_both_splits_gain_the_same():
    """Counted in fractions: scikit-learn takes one of equal splits by a draw, this one that of the first column."""
    X, y = load_digits(return_X_y=True)
    ours = DecisionTreeClassifier().fit(X, y).tree_
    theirs = peer.DecisionTreeClassifier(random_state=0).fit(X, y).tree_

    def gain(left: np.ndarray, rows: np.ndarray) -> Fraction:
        counts = [np.bincount(y[rows[side]]).tolist() for side in (left, ~left)]
        return sum((Fraction(sum(n * n for n in side), sum(side)) for side in counts), Fraction(0))

    waiting, ties = [(0, 0, np.arange(len(y)))], 0
    while waiting:
        a, b, rows = waiting.pop()
        if ours.children_left[a] < 0:
            assert theirs.children_left[b] < 0
            continue
        mine = X[rows, ours.feature[a]] <= ours.threshold[a]
        its = X[rows, theirs.feature[b]] <= theirs.threshold[b]
        assert gain(mine, rows) == gain(its, rows)
        if (mine == its).all():
            waiting.append((ours.children_left[a], theirs.children_left[b], rows[mine]))
            waiting.append((ours.children_right[a], theirs.children_right[b], rows[~mine]))
        else:
            ties += 1
    assert ties > 0


def test_arrays_of_the_tree_are_scikit_learns():
    X, y = load_diabetes(return_X_y=True)
    ours = DecisionTreeRegressor(max_depth=3).fit(X, y)
    theirs = peer.DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y)
    for name in ("children_left", "children_right", "feature", "n_node_samples"):
        np.testing.assert_array_equal(getattr(ours.tree_, name), getattr(theirs.tree_, name), err_msg=name)
    np.testing.assert_allclose(ours.tree_.threshold, theirs.tree_.threshold, rtol=1e-6)
    np.testing.assert_allclose(ours.feature_importances_, theirs.feature_importances_, rtol=1e-9)
    np.testing.assert_array_equal(ours.apply(X), theirs.apply(X))
    assert (ours.decision_path(X) != theirs.decision_path(X)).nnz == 0


def test_several_outputs_get_scikit_learns_tree():
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, 100 * X[:, 0]])
    ours = DecisionTreeRegressor(max_depth=4).fit(X, Y)
    theirs = peer.DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, Y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))


def test_missing_cells_are_tried_on_both_sides_as_in_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    ours = DecisionTreeClassifier().fit(X, y)
    theirs = peer.DecisionTreeClassifier(random_state=0).fit(X, y)
    assert ours.tree_.node_count == theirs.tree_.node_count
    assert ours.score(X, y) == theirs.score(X, y) == 1.0


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_sparse_columns_give_the_dense_tree(criterion):
    X, y = load_diabetes(return_X_y=True)
    X[X < 0.01] = 0.0
    settings = {"criterion": criterion, "max_depth": 5}
    dense = DecisionTreeRegressor(**settings).fit(X, y)
    sparse = DecisionTreeRegressor(**settings).fit(sp.csr_array(X), y)
    np.testing.assert_array_equal(dense.predict(X), sparse.predict(sp.csr_array(X)))


def test_levels_are_split_into_the_best_two_sets():
    """Against all sets of levels: for two classes the order by their share finds the best."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, 300)
    y = (rng.random(300) < np.array([0.9, 0.1, 0.8, 0.2, 0.5, 0.85])[codes]).astype(int)
    model = DecisionTreeClassifier(max_depth=1).fit(pd.DataFrame({"c": np.array(list("abcdef"))[codes]}), y)

    def gini(mask: np.ndarray) -> float:
        return sum(m.sum() * 2 * y[m].mean() * (1 - y[m].mean()) for m in (mask, ~mask))

    every = [np.isin(codes, [c for c in range(6) if word >> c & 1]) for word in range(1, 63)]
    left = model.apply(pd.DataFrame({"c": np.array(list("abcdef"))[codes]})) == 1
    assert gini(left) == pytest.approx(min(gini(mask) for mask in every))


def test_predictions_rise_along_a_constrained_column():
    X, y = load_diabetes(return_X_y=True)
    settings = {"monotonic_cst": [0, 0, 1, 1, *[0] * 6], "max_depth": 6}
    model = DecisionTreeRegressor(**settings).fit(X, y)
    higher = X.copy()
    higher[:, 2] += 0.05
    assert (model.predict(higher) >= model.predict(X)).all()
    theirs = peer.DecisionTreeRegressor(random_state=0, **settings).fit(X, y)
    np.testing.assert_allclose(model.predict(X), theirs.predict(X))


def test_the_pruning_path_is_scikit_learns():
    X, y = load_diabetes(return_X_y=True)
    ours = DecisionTreeRegressor().cost_complexity_pruning_path(X, y)
    theirs = peer.DecisionTreeRegressor(random_state=0).cost_complexity_pruning_path(X, y)
    np.testing.assert_allclose(ours.ccp_alphas, theirs.ccp_alphas, atol=1e-8)
    np.testing.assert_allclose(ours.impurities, theirs.impurities, atol=1e-8)


@pytest.mark.parametrize("pruning", ["reduced_error", "pessimistic"])
def test_pruned_trees_are_smaller_and_no_worse_on_other_rows(pruning):
    X, y = load_breast_cancer(return_X_y=True)
    whole = DecisionTreeClassifier().fit(X[::2], y[::2])
    pruned = DecisionTreeClassifier(pruning=pruning).fit(X[::2], y[::2])
    assert pruned.get_n_leaves() <= whole.get_n_leaves()
    assert pruned.score(X[1::2], y[1::2]) >= whole.score(X[1::2], y[1::2]) - 0.03


def test_the_cost_of_a_leaf_is_chosen_by_cross_validation():
    X, y = load_breast_cancer(return_X_y=True)
    curve = DecisionTreeClassifier().choose_ccp_alpha(X, y, cv=3)
    assert curve.alpha_1se >= curve.alpha
    assert curve.scores.max() > 0.9


def test_keys_sort_as_their_values_do():
    x = np.array([-np.inf, -1.5, -1e-40, 0.0, 1e-40, 2.0, np.inf, np.nan], dtype=np.float32)
    keys = [int(key_of(v)) for v in x]
    assert keys == sorted(keys)
    assert [float(value_of(k)) for k in keys[:-1]] == x[:-1].astype(float).tolist()
    assert key_of(np.float32(-0.0)) == key_of(np.float32(0.0))


def test_what_most_rows_share_is_left_out_of_a_list():
    X = np.zeros((100, 1))
    X[::10, 0] = np.arange(10) - 5.0
    columns = sort_columns(X)
    assert columns.end[0] - columns.begin[0] == 9  # one of the ten is zero
    assert float(value_of(columns.default[0])) == 0.0


def test_random_cuts_and_drawn_columns_repeat_with_their_seed():
    X, y = load_breast_cancer(return_X_y=True)
    settings = {"splitter": "random", "max_features": "sqrt"}
    a, b, c = (DecisionTreeClassifier(random_state=seed, **settings).fit(X, y) for seed in (0, 0, 1))
    assert a.tree_.node_count == b.tree_.node_count
    np.testing.assert_array_equal(a.tree_.threshold, b.tree_.threshold)
    assert a.tree_.threshold.tolist() != c.tree_.threshold.tolist()
    assert a.score(X, y) == 1.0


def test_a_cell_beyond_float32_is_refused():
    with pytest.raises(ValueError, match="float32"):
        DecisionTreeClassifier().fit([[1e300], [0.0]], [0, 1])
