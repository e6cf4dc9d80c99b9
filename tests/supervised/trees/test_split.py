"""The split that is found is the best there is: against all splits of small data, tried one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.supervised.trees.binning import MISSING, Binning
from tripos.supervised.trees.grow import Grower, Growth
from tripos.supervised.trees.histogram import pack, scale
from tripos.supervised.trees.leaves import (
    LEFT_CHILD,
    LEVELS,
    ROWS,
    SPLIT_BIN,
    SPLIT_FEATURE,
    SPLIT_GAIN,
    SPLIT_MISSING,
    VALUE,
)


def grown(X, g, h, *, categorical=None, **how):
    """A tree on given gradients and hessians, with the bins it was grown on."""
    binning = Binning.learn(X, categorical=categorical)
    binned = binning.apply(X)
    grower = Grower(binned, Growth(**{"min_rows": 1, "rate": 1.0, "support": 0.0, **how}))
    g, h = np.asarray(g, np.float32), np.asarray(h, np.float32)
    gs, hs = scale(np.abs(g).sum(), len(g)), scale(h.sum(), len(g))
    pack(g, h, gs, hs, grower.packed)
    return grower.grow((1 / gs, 1 / hs), counted=False), binned


def gain_of(g, h, left, l2, l1):
    def score(part):
        G, H = g[part].sum(), h[part].sum()
        return max(abs(G) - l1, 0) ** 2 / (H + l2)

    return score(left) + score(~left) - score(np.ones(len(g), bool))


def best_by_trying(binned, g, h, *, l2=0.0, l1=0.0, min_rows=1, min_hessian=1e-3):
    """The largest gain of all cuts, with missing cells on either side."""
    best = 0.0
    for bins in binned.columns:
        for cut in np.unique(bins):
            for missing_left in (False, True):
                left = np.where(bins == MISSING, missing_left, bins <= cut)
                sides = left.sum(), (~left).sum()
                if min(sides) < min_rows or min(h[left].sum(), h[~left].sum()) < min_hessian:
                    continue
                best = max(best, gain_of(g, h, left, l2, l1))
    return best


@given(
    seed=st.integers(0, 10_000),
    l2=st.sampled_from([0.0, 1.0, 30.0]),
    l1=st.sampled_from([0.0, 2.0]),
    min_rows=st.sampled_from([1, 5]),
)
def test_a_root_split_gains_what_the_best_of_all_splits_gains(seed, l2, l1, min_rows):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 60))
    X = np.column_stack(
        [rng.normal(size=n), rng.integers(0, 3, n), np.full(n, 1.0), rng.normal(size=n).round(0)]
    )
    X[rng.random(X.shape) < 0.15] = np.nan
    g, h = rng.normal(size=n), rng.uniform(0.5, 1.0, n) if min_rows == 1 else np.ones(n)
    tree, binned = grown(X, g, h, max_leaves=2, l2=l2, l1=l1, min_rows=min_rows)
    expected = best_by_trying(binned, g, h, l2=l2, l1=l1, min_rows=min_rows)
    found = tree.numbers[0, SPLIT_GAIN] if len(tree.nodes) > 1 else 0.0
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(seed=st.integers(0, 10_000))
def test_a_category_is_cut_into_the_best_of_all_subsets(seed):
    """With the true means as order no subset of levels is better (Fisher)."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, 60)
    g, h = rng.normal(size=60) + codes % 2, np.ones(60)
    tree, _ = grown(
        codes[:, None].astype(float), g, h, categorical=np.array([True]), max_leaves=2, smoothing=0.0
    )
    levels = np.unique(codes)
    tried = [
        gain_of(g, h, np.isin(codes, subset), 0.0, 0.0)
        for size in range(1, len(levels))
        for subset in combinations(levels, size)
    ]
    assert tree.numbers[0, SPLIT_GAIN] == pytest.approx(max(tried), rel=1e-4)
    assert tree.nodes[0, LEVELS] == 0


def test_leaves_hold_min_rows_where_the_hessian_misleads():
    """Rows with nearly no hessian: its share says that there are too few rows, or enough, and is wrong."""
    rng = np.random.default_rng(0)
    n = 4000
    X = rng.normal(size=(n, 3))
    h = np.where(X[:, 0] > 0, 1.0, 1e-3)
    g = rng.normal(size=n) * h + 3 * (X[:, 0] > 1.9)
    tree, _ = grown(X, g, h, min_rows=50, max_leaves=40)
    leaves = tree.nodes[tree.nodes[:, SPLIT_FEATURE] < 0]
    assert leaves[:, ROWS].min() >= 50
    assert len(leaves) > 10


def test_values_are_newton_steps_and_rows_add_up():
    rng = np.random.default_rng(0)
    X, g, h = rng.normal(size=(500, 4)), rng.normal(size=500), rng.uniform(0.1, 1, 500)
    tree, _ = grown(X, g, h, max_leaves=9, l2=2.0, l1=0.5)
    assert tree.nodes[0, ROWS] == 500
    for k in range(len(tree.leaves)):
        rows = tree.rows_of(k)
        G, H = g[rows].sum(), h[rows].sum()
        assert tree.values[k] == pytest.approx(
            -np.sign(G) * max(abs(G) - 0.5, 0) / (H + 2.0), rel=1e-4, abs=1e-6
        )
    assert sorted(np.concatenate([tree.rows_of(k) for k in range(len(tree.leaves))])) == list(range(500))


@pytest.mark.parametrize("order", [0, 1])
def test_depth_and_leaves_are_limits(order):
    rng = np.random.default_rng(0)
    X, g = rng.normal(size=(2000, 4)), rng.normal(size=2000)
    tree, _ = grown(X, g, np.ones(2000), max_leaves=20, max_depth=4, order=order)
    depth = np.zeros(len(tree.nodes), int)
    for i, node in enumerate(tree.nodes):
        if node[SPLIT_FEATURE] >= 0:
            depth[[node[LEFT_CHILD], node[LEFT_CHILD] + 1]] = depth[i] + 1
    assert depth.max() == 4
    assert len(tree.leaves) <= 16


def test_few_places_for_histograms_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    X, g = rng.normal(size=(3000, 5)), rng.normal(size=3000)
    for leaves in (40, 0):
        monkeypatch.undo()
        many, _ = grown(X, g, np.ones(3000), max_leaves=leaves, min_rows=5)
        monkeypatch.setattr("tripos.supervised.trees.grow.POOL_BYTES", 0)
        few, _ = grown(X, g, np.ones(3000), max_leaves=leaves, min_rows=5)
        np.testing.assert_array_equal(many.nodes, few.nodes)
        np.testing.assert_array_equal(many.numbers, few.numbers)


def test_missing_cells_unknown_to_training_go_with_the_larger_side():
    X = np.arange(10.0)[:, None]
    tree, _ = grown(X, np.where(X[:, 0] < 7, 1.0, -1.0), np.ones(10), max_leaves=2)
    assert tree.nodes[0, SPLIT_BIN] == 6
    assert tree.nodes[0, SPLIT_MISSING] == 1
    assert tree.numbers[1, VALUE] == pytest.approx(-1.0)


def test_a_pure_node_is_not_split():
    X = np.random.default_rng(0).normal(size=(400, 3))
    tree, _ = grown(X, np.full(400, 0.3), np.ones(400))
    assert len(tree.nodes) == 1
