"""Bundled columns: fewer lanes, the same trees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.bundling import Lanes
from tripos.supervised.trees.grow import Grower, Growth
from tripos.supervised.trees.histogram import pack, scale


def trees_of(binned, lanes, how, seed=0):
    """Two trees on random gradients, the second on half of the rows."""
    rng = np.random.default_rng(seed)
    n = binned.n_rows
    grower, found = Grower(binned, how, lanes), []
    for rows in (None, np.arange(0, n, 2, dtype=np.uint32)):
        g = (rng.normal(size=n) + (binned.columns[::3].sum(axis=0) % 5)).astype(np.float32)
        h = rng.uniform(0.01, 1.0, n).astype(np.float32)
        gs, hs = scale(np.abs(g).sum(), n), scale(h.sum(), n)
        pack(g, h, gs, hs, grower.packed)
        tree = grower.grow((1 / gs, 1 / hs), counted=False, rows=rows)
        found += [tree.nodes.copy(), tree.numbers.copy(), tree.levels.copy(), tree.rows[: n // 2].copy()]
    return found


def assert_same_trees(binned, how, n_lanes=None):
    together, apart = (Lanes.of(binned, how.min_rows, bundle=bundle) for bundle in (True, False))
    if n_lanes is not None:
        assert len(together.widths) == n_lanes
    for ours, plain in zip(trees_of(binned, together, how), trees_of(binned, apart, how), strict=True):
        np.testing.assert_array_equal(ours, plain)
    return together


def test_indicators_of_adult_are_bundled_and_split_as_before(adult_table):
    X = pd.get_dummies(adult_table.X, dtype=np.float32).to_numpy(np.float32)
    lanes = assert_same_trees(Binning.learn(X).apply(X), Growth(min_rows=20))
    assert len(lanes.widths) <= 14
    assert len(lanes.words) == 2


@pytest.mark.parametrize("categorical", [False, True])
def test_gaps_categories_and_other_rests_are_bundled_too(categorical):
    """Rest in the middle, at either end, missing, and level by level; leaves that must be counted."""
    rng = np.random.default_rng(0)
    n, p = 3000, 24
    owner = rng.integers(0, p, n)
    X = np.zeros((n, p))
    for j in range(p):
        rest = (0.0, 5.0, -5.0, np.nan)[j % 4]
        X[:, j] = rest
        own = owner == j
        X[own, j] = rng.integers(-3, 4, own.sum())
        if j % 3 == 0 and rest == rest:
            X[own & (rng.random(n) < 0.3), j] = np.nan
    marks = (np.arange(p) % 5 == 0) if categorical else np.zeros(p, dtype=bool)
    binned = Binning.learn(X, categorical=marks).apply(X)
    how = Growth(min_rows=5, max_leaves=40, support=1.0)
    lanes = assert_same_trees(binned, how, n_lanes=1)
    assert (lanes.rest >= 0).all()


def test_columns_that_meet_in_one_row_keep_apart():
    X = np.zeros((1000, 20))
    for j in range(20):
        X[50 * j : 50 * j + 50, j] = 1.0
    X[999, 0] = 1.0
    lanes = Lanes.of(Binning.learn(X).apply(X))
    assert len(lanes.widths) == 2
    assert lanes.base[0] // 256 != lanes.base[19] // 256


def test_a_column_with_fewer_rows_than_a_leaf_has_no_lane():
    X = np.random.default_rng(0).normal(size=(500, 9))
    X[:, 8] = np.arange(500) < 19
    binned = Binning.learn(X).apply(X)
    assert Lanes.of(binned, 20).hopeless.tolist() == [False] * 8 + [True]
    assert len(Lanes.of(binned, 20).words) == 1
    assert not Lanes.of(binned, 19).hopeless.any()


def test_full_columns_are_left_as_they_are():
    X = np.random.default_rng(0).normal(size=(500, 9))
    binned = Binning.learn(X).apply(X)
    lanes = Lanes.of(binned, 20)
    assert lanes.words is binned.words
    assert not len(lanes.codes)


@pytest.mark.parametrize("categorical", [False, True])
def test_words_that_meet_in_many_rows_are_stored(categorical):
    """Counts of words, some with gaps, beside a full column; leaves that must be counted."""
    rng = np.random.default_rng(0)
    n, p = 2000, 120
    X = np.where(rng.random((n, p)) < 0.04, rng.integers(1, 4, (n, p)), 0).astype(float)
    X[rng.random((n, p)) < 0.001] = np.nan
    X[:, 7], X[:, 8] = rng.normal(size=n), 0.0
    marks = (np.arange(p) % 5 == 0) if categorical else np.zeros(p, dtype=bool)
    binned = Binning.learn(X, categorical=marks).apply(X)
    lanes = assert_same_trees(binned, Growth(min_rows=5, support=1.0), n_lanes=1)
    assert len(lanes.codes) == np.count_nonzero(np.delete(X, 7, axis=1))
