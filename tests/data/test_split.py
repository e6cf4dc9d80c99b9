"""Parts share no row, no group and no stretch of time, on real tables and for any sizes."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripos import split
from tripos.data.parts import PARTS, Split
from tripos.errors import DataWarning, SplitError


def sizes(parts):
    return [len(part) for part in parts.parts.values()]


def everything(parts):
    return np.sort(np.concatenate(list(parts.parts.values())))


def test_sixty_twenty_twenty_by_default(ames):
    parts = split(ames, target="price")
    assert sizes(parts) == [1758, 586, 586]
    assert np.array_equal(everything(parts), np.arange(ames.height))


@given(st.integers(3, 300), st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_parts_are_sorted_disjoint_and_of_the_asked_sizes(n, validation, test, seed):
    wanted = [round(n * validation), round(n * test)]
    if (validation and not wanted[0]) or (test and not wanted[1]) or sum(wanted) == n:
        with pytest.raises(SplitError, match="no row at all|none for training"):
            split(n, validation=validation, test=test)
        return
    parts = split(n, validation=validation, test=test, random_state=seed)
    assert sizes(parts) == [n - sum(wanted), *wanted]
    assert np.array_equal(everything(parts), np.arange(n))
    assert all(part.dtype == np.int64 for part in parts.parts.values())
    parts.check(n_rows=n)


def test_the_seed_decides(titanic):
    first, same, other = (split(titanic, target="survived", random_state=s) for s in (1, 1, 2))
    assert all(np.array_equal(first.parts[name], same.parts[name]) for name in PARTS)
    assert not np.array_equal(first.test, other.test)


def test_sizes_may_be_numbers_of_rows_and_zero():
    assert sizes(split(100, validation=0, test=10)) == [90, 0, 10]


def test_classes_keep_their_shares_in_every_part(adult):
    y = (adult["income"] == ">50K").to_numpy()
    parts = split(adult, target="income")
    for part in parts.parts.values():
        assert abs(y[part].sum() - y.mean() * len(part)) < 2
    assert parts.how == "at random within each class"


@given(st.lists(st.integers(0, 4), min_size=20, max_size=120), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_every_class_is_known_in_training(y, seed):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        parts = split(len(y), stratify=y, random_state=seed)
    assert set(np.asarray(y)[parts.train]) == set(y)
    assert bool(said) == (np.unique(y, return_counts=True)[1].min() < 3)


def test_a_class_of_one_row_goes_to_training_and_is_reported():
    y = np.array(["a"] * 40 + ["b"] * 40 + ["once"])
    with pytest.warns(DataWarning, match="1 class of one row stay"):
        parts = split(81, target=y)
    assert 80 in parts.train
    assert "cannot stand in all three parts" in parts.notes[0]


def test_numbers_with_many_values_are_not_stratified_unless_asked(bikes):
    assert split(bikes, target="cnt").how == "at random"
    assert "within each class" in split(bikes, target="season").how
    by_season = split(bikes, target="cnt", stratify="season")
    shares = [
        np.bincount(bikes["season"].to_numpy()[part], minlength=5) / len(part)
        for part in by_season.parts.values()
    ]
    np.testing.assert_allclose(shares[1:], [shares[0]] * 2, atol=0.002)


def test_strata_that_training_cannot_hold_are_refused_when_asked_for():
    with pytest.raises(SplitError, match="50 different values for 30 training rows"):
        split(50, stratify=np.arange(50))
    assert split(50, target=np.arange(50).astype(str)).how == "at random"


def test_a_group_lies_in_one_part(flights):
    planes = flights.drop_nulls("tailnum")
    parts = split(planes, groups="tailnum")
    parts.check(n_rows=planes.height, groups=planes["tailnum"])
    assert np.array_equal(everything(parts), np.arange(planes.height))
    np.testing.assert_allclose(np.array(sizes(parts)) / planes.height, [0.6, 0.2, 0.2], atol=0.01)


def test_groups_and_classes_together_are_balanced(flights):
    planes = flights.drop_nulls("tailnum")
    parts = split(planes, groups="tailnum", target="origin")
    parts.check(groups=planes["tailnum"])
    for origin in planes["origin"].unique():
        here = (planes["origin"] == origin).to_numpy()
        for part in parts.parts.values():
            assert abs(here[part].mean() - here.mean()) < 0.01


def test_large_groups_are_said_to_change_the_sizes():
    groups = np.repeat(np.arange(4), [70, 10, 10, 10])
    with pytest.warns(DataWarning, match="groups are large"):
        parts = split(100, groups=groups)
    parts.check(groups=groups)


def test_too_few_groups_are_refused():
    with pytest.raises(SplitError, match="2 groups for 3 parts"):
        split(10, groups=[0] * 5 + [1] * 5)


def test_missing_groups_are_refused(flights):
    with pytest.raises(SplitError, match=r"groups= has \d+ missing values"):
        split(flights, groups="tailnum")


def test_time_goes_forward_from_train_to_test(bikes):
    shuffled = bikes.sample(fraction=1.0, shuffle=True, seed=0)
    parts = split(shuffled, target="cnt", time="dteday")
    parts.check(n_rows=bikes.height, time=shuffled["dteday"])
    days = [shuffled["dteday"].to_numpy()[part] for part in parts.parts.values()]
    assert days[0].max() < days[1].min() <= days[1].max() < days[2].min()
    np.testing.assert_allclose(np.array(sizes(parts)) / bikes.height, [0.6, 0.2, 0.2], atol=0.002)


@given(st.lists(st.integers(0, 6), min_size=10, max_size=60))
@settings(max_examples=150, deadline=None)
def test_rows_of_one_time_lie_in_one_part(time):
    if len(set(time)) < 3:
        with pytest.raises(SplitError, match="different time"):
            split(len(time), time=time)
        return
    parts = split(len(time), time=time)
    assert min(sizes(parts)) > 0
    parts.check(n_rows=len(time), time=time)
    for t in set(time):
        assert sum(t in np.asarray(time)[part] for part in parts.parts.values()) == 1


def test_times_written_as_text_are_read_as_dates():
    days = [f"2024-{month:02d}-01" for month in range(1, 11)]
    assert split(10, time=days[::-1]).test.tolist() == [0, 1]
    european = ["30.1.2024", "1.12.2023", "2.2.2024", "9.11.2023", "13.5.2024"]
    assert split(5, time=european).test.tolist() == [4]


def test_times_that_can_be_read_in_two_ways_are_said_to_be():
    with pytest.warns(DataWarning, match="though .* would fit as well"):
        split(3, time=["1/1/2024", "2/2/2024", "3/3/2024"])


def test_texts_that_are_no_times_are_refused():
    with pytest.raises(SplitError, match="not all dates, such as 'Monday'"):
        split(3, time=["Monday", "Tuesday", "2024-01-01"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"test": 0.6, "validation": 0.4}, "none for training"),
        ({"test": 1.0}, r"share in \[0, 1\)"),
        ({"test": -0.1}, "share"),
        ({"test": True}, "share"),
        ({"test": 12}, "none for training"),
        ({"groups": [1] * 9}, "9 values for 10 rows"),
        ({"target": "price"}, "no table was given"),
        ({"groups": range(10), "time": range(10)}, "choose one"),
        ({"stratify": [0, 1] * 5, "time": range(10)}, "order in time"),
        ({"time": [1.0, None] * 5}, "5 missing values"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments, words):
    arguments = {k: list(v) if isinstance(v, range) else v for k, v in arguments.items()}
    with pytest.raises(SplitError, match=words):
        split(10, **arguments)


def test_an_unknown_column_is_named_with_the_closest_one(titanic):
    with pytest.raises(SplitError, match="'survivd'.*Did you mean 'survived'"):
        split(titanic, target="survivd")


def test_nothing_to_split_is_refused(titanic):
    for empty in (0, titanic.clear(), np.empty((0, 3))):
        with pytest.raises(SplitError, match="rows to split"):
            split(empty)


@pytest.mark.parametrize(
    ("parts", "asked", "words"),
    [
        (([0, 1], [1, 2], [3]), {}, "train and validation share 1 row: 1"),
        (([1, 0], [2], [3]), {}, "not sorted"),
        (([0, 1], [2], [9]), {"n_rows": 4}, "outside"),
        (([0.0, 1.0], [2], [3]), {}, "not a list of row numbers"),
        (([0, 1], [2], [3]), {"groups": list("abca")}, "1 group lie in both train and test"),
        (
            ([0, 1], [2], [3]),
            {"time": [1, 5, 3, 6]},
            "1 row of validation are not later than the last row of train",
        ),
    ],
)
def test_given_parts_that_leak_are_refused(parts, asked, words):
    given_parts = Split(*(np.array(part) for part in parts))
    with pytest.raises(SplitError, match=words):
        given_parts.check(**asked)


def test_any_table_is_split_alike(titanic):
    expected = split(titanic, target="survived").test
    frame = titanic.to_pandas()
    for other in (frame, titanic.to_arrow(), frame.set_index(frame.index[::-1])):
        assert np.array_equal(split(other, target="survived").test, expected)
    assert np.array_equal(split(frame, target=frame["survived"]).test, expected)
    assert np.array_equal(split(len(frame), target=list(titanic["survived"])).test, expected)


def test_missing_labels_are_a_class_of_their_own(penguins):
    parts = split(penguins, stratify="sex")
    missing = penguins["sex"].is_null().to_numpy()
    assert [int(missing[part].sum()) for part in parts.parts.values()] == [7, 2, 2]


def test_a_split_is_shown_by_its_sizes():
    assert repr(split(10)) == "Split(train 6, validation 2, test 2; at random)"


def test_categories_of_pandas_are_strata():
    y = pd.Series(["a", "b"] * 50, dtype="category")
    parts = split(100, target=y)
    assert [(y.iloc[part] == "a").sum() for part in parts.parts.values()] == [30, 10, 10]
