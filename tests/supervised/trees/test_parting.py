"""Parting the rows of a node on threads: the same rows in the same order, the same trees."""

import numpy as np
import pytest

from tripos import HistGradientBoostingRegressor
from tripos.supervised.trees import grow
from tripos.supervised.trees.leaves import part_on_threads


@pytest.mark.parametrize("n_rows", [1, 2, 7, 1000])
@pytest.mark.parametrize("threads", ["1", "3", "4"])
def test_rows_that_go_left_come_first_and_keep_their_order(n_rows, threads, monkeypatch):
    monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
    rng = np.random.default_rng(n_rows)
    bins = rng.integers(256, size=3000).astype(np.uint8)
    goes_left = rng.integers(2, size=256).astype(np.uint8)
    rows = rng.permutation(3000).astype(np.uint32)
    before, inside = rows.copy(), rows[100 : 100 + n_rows].copy()
    middle = part_on_threads(bins, rows, 100, 100 + n_rows, goes_left, np.empty(3000, np.uint32))
    left = goes_left[bins[inside]] == 1
    assert middle == 100 + left.sum()
    np.testing.assert_array_equal(rows[100 : 100 + n_rows], np.concatenate([inside[left], inside[~left]]))
    np.testing.assert_array_equal(rows[:100], before[:100])
    np.testing.assert_array_equal(rows[100 + n_rows :], before[100 + n_rows :])


def test_trees_are_the_same_whoever_parts_the_rows(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 5))
    X[:, 4] = rng.integers(40, size=4000)
    y = X[:, 0] * X[:, 1] + np.cos(X[:, 4]) + rng.normal(size=4000)
    X[rng.random(X.shape) < 0.1] = np.nan
    found = []
    for threads, least in (("1", 1 << 16), ("2", 50), ("4", 50)):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        monkeypatch.setattr(grow, "PARALLEL_ROWS", least)
        monkeypatch.setattr(grow, "SEVERAL", 2)
        model = HistGradientBoostingRegressor(max_iter=8, early_stopping=False, categorical_features=[4])
        found.append(model.fit(X, y).predict(X))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
