"""Folds: every row tested once, classes shared out evenly, groups whole, the past before the future."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import ShuffleSplit

from tripos.errors import DataWarning, SplitError
from tripos.selection import folds, nested_order
from tripos.selection.splitting import as_folds

sizes = st.tuples(st.integers(2, 8), st.integers(0, 60)).map(lambda both: (both[0], both[0] + both[1]))


@given(sizes, st.integers(0, 1000))
def test_every_row_is_tested_exactly_once(size, seed):
    k, n = size
    parts = folds(n_rows=n, k=k, random_state=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(n))
    for train, test in parts:
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(n))
    assert np.ptp([len(test) for _, test in parts]) <= 1


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
@given(sizes, st.integers(1, 6), st.integers(0, 1000))
def test_every_class_is_dealt_out_to_within_one_row(size, n_classes, seed):
    k, n = size
    y = np.random.default_rng(seed).integers(0, n_classes, n)
    parts = folds(y, k, random_state=seed)
    for label in np.unique(y):
        assert np.ptp([np.sum(y[test] == label) for _, test in parts]) <= 1
    assert np.ptp([len(test) for _, test in parts]) <= 1


def test_a_class_rarer_than_the_folds_is_named():
    with pytest.warns(DataWarning, match=r"1 of 3 classes .* such as \['rare'\]"):
        parts = folds(["often"] * 20 + ["also"] * 20 + ["rare"] * 2, 5)
    assert len(parts) == 5


def test_ten_thousand_classes_can_still_be_folded():
    with pytest.warns(DataWarning, match="10000 of 10000 classes"):
        parts = folds(np.arange(10_000), 5)
    assert all(len(test) == 2000 for _, test in parts)


def test_the_same_seed_gives_the_same_folds():
    y = np.arange(50) % 3
    first, again, other = (folds(y, 4, random_state=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for one, two in zip(first, again) for a, b in zip(one, two))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other))


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_group_is_never_on_both_sides(stratify, as_text):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 23, 200)
    y = rng.integers(0, 2, 200)
    named = np.array([f"mouse {g}" for g in groups]) if as_text else groups
    for train, test in folds(y, 4, stratify=stratify, groups=named):
        assert not set(groups[train]) & set(groups[test])


TIMES = {
    "integers": np.repeat(np.arange(30), 4),
    "crowded": np.r_[np.zeros(100), np.arange(1, 6)],
    "crowded late": np.r_[np.arange(6), np.full(100, 6)],
    "dates": pd.date_range("2024-01-01", periods=40),
    "polars dates": pl.Series(
        [datetime.date(2024, 1, 1) + datetime.timedelta(days=i // 3) for i in range(60)]
    ),
    "date objects": np.array(
        [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(40)], dtype=object
    ),
    "text": [f"2024-01-{day:02d}" for day in range(1, 31)],
}


@pytest.mark.parametrize("kind", TIMES)
def test_training_rows_are_earlier_than_test_rows(kind):
    times = TIMES[kind]
    rank = np.unique(np.asarray(times), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(rank))
    shuffled = times[order.tolist()] if not isinstance(times, list) else [times[i] for i in order]
    parts = folds(time=shuffled, k=5)
    assert len(parts) == 5
    for train, test in parts:
        assert rank[order][train].max() < rank[order][test].min()
    assert np.array_equal(
        np.unique(np.concatenate([t for _, t in parts])),
        np.flatnonzero(rank[order] >= rank[order][parts[0][1]].min()),
    )


def test_time_folds_of_single_rows_are_of_equal_length():
    assert [(len(train), len(test)) for train, test in folds(time=np.arange(60), k=5)] == [
        (10, 10), (20, 10), (30, 10), (40, 10), (50, 10)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_rows": 3, "k": 5}, "5 folds of 3 rows"),
        ({"n_rows": 9, "k": 1}, "2 or more, got 1"),
        ({"y": [0, 1, 1], "groups": [1, 2]}, "y 3, groups 2"),
        ({}, "none of y"),
        ({"groups": [1, 1, 2, 2, 2]}, "5 folds of 2 groups"),
        ({"time": [1, 1, 1, 2, 2, 2]}, "6 different points in time, found 2"),
        ({"time": [1.0, np.nan, 2.0, 3.0, 4.0]}, "time is missing in 1 rows, first row 1"),
        ({"time": [1, 2, 3, 4, 5], "groups": [1, 2, 3, 4, 5]}, "not both"),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, message):
    with pytest.raises(SplitError, match=message):
        folds(**arguments)


def test_sklearns_splitters_and_own_pairs_are_taken():
    y = np.arange(20.0)
    assert len(as_folds(ShuffleSplit(3, random_state=0), y, stratify=False)) == 3
    mask = np.arange(20) < 15
    (pair,) = as_folds([(mask, ~mask)], y, stratify=False)
    np.testing.assert_array_equal(pair[1], np.arange(15, 20))


def test_own_pairs_that_leak_are_refused():
    with pytest.raises(SplitError, match="fold 1 tests on 2 of its own training rows"):
        as_folds([([0, 1, 2], [1, 2, 3])], np.zeros(5), stratify=False)
    with pytest.raises(SplitError, match="positions from 0 to 4"):
        as_folds([([0, 1], [7])], np.zeros(5), stratify=False)


@given(st.integers(2, 200), st.integers(1, 5), st.integers(0, 1000))
def test_beginnings_of_the_nested_order_hold_each_class_in_its_share(n, n_classes, seed):
    classes = np.random.default_rng(seed).integers(0, n_classes, n)
    rows = np.arange(n) * 3
    order = nested_order(rows, classes, seed)
    np.testing.assert_array_equal(np.sort(order), rows)
    k = len(np.unique(classes))
    assert len(np.unique(classes[order[:k] // 3])) == k
    for m in range(k, n + 1):
        for label, share in zip(*np.unique(classes, return_counts=True)):
            assert abs(np.sum(classes[order[:m] // 3] == label) - m * share / n) <= k + 1
