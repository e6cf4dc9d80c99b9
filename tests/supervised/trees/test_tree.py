"""Finished trees: walked as a plain loop would, and refused where an altered file would lead astray."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tripos import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tripos.state import check, declared
from tripos.supervised.trees.tree import CHILD, FEATURES, LEAF, Walker, add_trees, rows_as_bins


def validate(forest):
    """What loading does: the specs, then what they cannot say."""
    check(vars(forest), declared(type(forest)))
    forest._check_state()


def plain_walk(forest, bins):
    """The twin: row by row, tree by tree, word by word."""
    out = np.zeros((len(bins), forest.n_outputs))
    for i, row in enumerate(bins):
        for t in range(forest.n_trees):
            at = int(forest.starts[t])
            while not int(forest.words[at]) & int(LEAF):
                word = int(forest.words[at])
                child, b = word & int(CHILD), int(row[(word >> 32) & int(FEATURES)])
                if word >> 57 & 1:
                    bits = forest.level_bits[forest.levels[child]]
                    left = int(bits[b >> 6]) >> (b & 63) & 1
                else:
                    missing_left = word >> 56 & 1
                    cut = (word >> 48 & 255) - missing_left
                    left = missing_left if b == 255 else b <= cut
                at = child if left else child + 1
            out[i, t % forest.n_outputs] += forest.values[at]
    return out


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 6))
    X[:, 4] = rng.integers(0, 30, 1500)
    X[rng.random(X.shape) < 0.1] = np.nan
    score = np.nan_to_num(X[:, 0]) + np.isin(X[:, 4], [3, 7, 11, 29]) - np.isnan(X[:, 1])
    y = np.digitize(score + 0.2 * rng.normal(size=1500), [-0.5, 0.8])
    model = HistGradientBoostingClassifier(max_iter=12, categorical_features=[4], max_leaf_nodes=20).fit(X, y)
    assert model.forest_.level_bits.size
    return model, X


@pytest.mark.parametrize("n_rows", [1, 7, 16, 300])
def test_rows_end_where_a_plain_loop_ends(fitted, n_rows):
    model, X = fitted
    bins = rows_as_bins(X[:n_rows], model.binning_)
    expected = plain_walk(model.forest_, bins)
    out = np.zeros((n_rows, 3))
    add_trees(model.forest_, bins, out)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    np.testing.assert_allclose(model.decision_function(X[:n_rows]), expected + model.baseline_, atol=1e-12)


def test_threads_do_not_change_a_prediction(fitted, monkeypatch):
    model, X = fitted
    many = np.tile(X, (12, 1))
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        answers.append(model.predict_proba(many))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("name", ["words", "values", "rows", "starts", "levels", "level_bits"])
def test_arrays_of_other_lengths_are_refused(fitted, name):
    changed = replace(fitted[0].forest_, **{name: getattr(fitted[0].forest_, name)[:-1]})
    with pytest.raises(ValueError, match=r"starts|nodes|levels"):
        validate(changed)


def test_a_child_before_its_parent_is_refused(fitted):
    forest = fitted[0].forest_
    for to in (0, len(forest.words) - 1, int(forest.starts[1])):
        words = forest.words.copy()
        words[0] = (words[0] & ~CHILD) | np.uint64(to)
        with pytest.raises(ValueError, match="behind"):
            replace(forest, words=words)._check_state()


def test_a_feature_beyond_the_last_is_refused(fitted):
    forest = fitted[0].forest_
    with pytest.raises(ValueError, match="feature"):
        forest.check_features(2)
    narrow = HistGradientBoostingRegressor().fit(np.arange(50.0)[:, None], np.arange(50.0))
    with pytest.raises(ValueError, match="feature"):
        Walker(forest, narrow.binning_)
