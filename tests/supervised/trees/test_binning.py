"""Bins hold what a histogram needs: every distinct value where there are few, equal shares where there are many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.supervised.trees.binning import MISSING, Binning, thresholds
from tripos.supervised.trees.tree import rows_as_bins


def bins_by_search(X, binning):
    """The twin: np.searchsorted, cell by cell."""
    out = np.empty(X.shape, np.uint8)
    for j in range(X.shape[1]):
        cuts = binning.cuts[binning.starts[j] : binning.starts[j + 1]]
        x = X[:, j].astype(float)
        at = np.searchsorted(cuts, x, side="left")
        if binning.categorical[j]:
            known = at < len(cuts)
            known[known] = cuts[at[known]] == x[known]
            at = np.where(known, at, MISSING)
        out[:, j] = np.where(np.isnan(x), MISSING, at)
    return out


def nasty(dtype, n=700):
    rng = np.random.default_rng(0)
    return np.ascontiguousarray(
        np.column_stack(
            [
                rng.normal(size=n),
                rng.integers(0, 5, n),
                np.full(n, 3.25),
                np.full(n, np.nan),
                np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
                np.where(rng.random(n) < 0.8, 0.0, rng.normal(size=n)),
                rng.choice([5e-324, 1e-310, 0.0, -0.0, -1e-310], n),
                rng.choice([1e300, -1e300, 1.0], n) if dtype == np.float64 else rng.choice([3e38, -3e38], n),
                rng.integers(0, 400, n),
                1.0 + np.spacing(1.0) * rng.integers(0, 3, n),
            ]
        ).astype(dtype)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("max_bins", [2, 16, 255])
def test_columns_words_and_rows_hold_the_bins_of_a_plain_search(dtype, max_bins):
    X = nasty(dtype)
    binning = Binning.learn(X, categorical=np.arange(10) == 8, max_bins=max_bins)
    expected = bins_by_search(X, binning)
    binned = binning.apply(X)
    np.testing.assert_array_equal(binned.columns.T, expected)
    np.testing.assert_array_equal(rows_as_bins(X, binning), expected)
    lanes = binned.words.view(np.uint8).reshape(2, len(X), 8)
    np.testing.assert_array_equal(np.concatenate(list(lanes), axis=1)[:, :10], expected)
    np.testing.assert_array_equal(binned.missing.astype(bool), (expected == MISSING).any(axis=0))
    assert not binned.finite


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_of_few_distinct_values_has_a_bin(dtype):
    X = nasty(dtype)
    binning = Binning.learn(X)
    for j in (0, 1, 2, 9):
        distinct = np.unique(X[:, j])
        if len(distinct) <= 255:
            assert len(np.unique(binning.apply(X).columns[j])) == len(distinct)


def test_neighbouring_floats_are_told_apart():
    X = np.array([[1.0], [np.nextafter(1.0, 2)], [np.nextafter(np.nextafter(1.0, 2), 2)]])
    assert Binning.learn(X).apply(X).columns[0].tolist() == [0, 1, 2]


def test_a_value_that_fills_a_bin_leaves_the_others_to_the_rest():
    rng = np.random.default_rng(0)
    X = np.where(rng.random(20_000) < 0.9, 0.0, rng.normal(size=20_000))[:, None]
    binned = Binning.learn(X).apply(X).columns[0]
    assert len(np.unique(binned)) > 240


@given(st.lists(st.integers(1, 50), min_size=1, max_size=600), st.integers(2, 255))
def test_there_are_never_more_bins_than_asked_for(counts, max_bins):
    values = np.arange(len(counts), dtype=float)
    cuts = thresholds(values, np.array(counts, float), max_bins)
    assert len(cuts) < max_bins
    assert (np.diff(cuts) > 0).all()


def test_a_weight_of_k_is_k_rows():
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(900, 3)), rng.integers(1, 4, 900)
    weighted = Binning.learn(X, w.astype(float), max_bins=20)
    repeated = Binning.learn(np.repeat(X, w, axis=0), max_bins=20)
    np.testing.assert_array_equal(weighted.cuts, repeated.cuts)


def test_the_most_frequent_levels_stand_for_themselves_and_unseen_ones_are_missing():
    codes = np.repeat(np.arange(300.0), np.arange(300, 0, -1))[:, None]
    binning = Binning.learn(codes, categorical=np.array([True]))
    assert binning.n_bins[0] == 255
    assert binning.apply(np.array([[254.0], [255.0], [1e6], [0.5]])).columns[0].tolist() == [
        254,
        *[MISSING] * 3,
    ]


def test_altered_bins_are_refused():
    binning = Binning.learn(np.random.default_rng(0).normal(size=(50, 2)))
    for cuts, starts in (
        (binning.cuts[::-1], binning.starts),
        (binning.cuts[:-1], binning.starts),
        (binning.cuts, binning.starts[::-1]),
    ):
        with pytest.raises(ValueError):
            Binning(cuts, starts, binning.categorical)._check_state()
