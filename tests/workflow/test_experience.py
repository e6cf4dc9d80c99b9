"""What a run learns from is told apart from what it must not learn from, on real tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tripos.workflow.config import RunConfig
from tripos.workflow.experience import Experience, fingerprint_of, gather
from tripos.workflow.progress import Display


def gathered(table, target: str, **settings) -> Experience:
    named = isinstance(table, str) or hasattr(table, "__fspath__")
    config = RunConfig(table=str(table) if named else "", target=target, **settings)
    return gather(config, None if named else table, Display())


@pytest.mark.parametrize(
    ("file", "target", "kind", "left_out"),
    [
        ("seaborn/penguins.csv", "species", "multiclass", set()),
        ("titanic/titanic_seaborn.csv", "survived", "binary", {"alive"}),
        ("titanic/kaggle_train.csv", "Survived", "binary", {"PassengerId", "Name"}),
        ("california-housing/housing.csv.gz", "median_house_value", "regression", set()),
        ("telco-churn/Telco-Customer-Churn.csv.gz", "Churn", "binary", {"customerID"}),
        ("german-credit/credit_decoded.csv", "default", "binary", set()),
        ("bike-sharing/hour.csv.gz", "cnt", "regression", {"instant", "casual", "registered"}),
        ("ames/ames.csv.gz", "price", "regression", {"rownames", "Order", "PID"}),
    ],
)
def test_real_tables_get_a_sensible_task_and_lose_their_leaks_and_keys(
    data_file, file, target, kind, left_out
):
    found = gathered(data_file(file), target)
    assert found.task.kind == kind
    assert left_out - {"Name"} <= set(found.left_out)
    assert set(found.left_out) <= left_out | {"Name", "Ticket"}
    assert not set(found.left_out) & set(found.X_train.columns)


def test_hourly_rentals_are_split_by_their_date(data_file):
    found = gathered(data_file("bike-sharing/hour.csv.gz"), "cnt")
    assert found.split_text == "by time: the latest rows by dteday"
    assert found.X_train["dteday"].max() < found.X_test["dteday"].min()
    for train, test in found.folds(np.arange(len(found.y_train)), 5, 0):
        assert found.times[train].max() < found.times[test].min()


def test_training_and_test_rows_share_no_row_and_leave_none_out(houses):
    found = gathered(houses, "price")
    rows = set(found.test_rows.tolist())
    assert len(rows) == len(found.y_test)
    train = houses["price"].to_numpy()[[k for k in range(len(houses)) if k not in rows]]
    np.testing.assert_array_equal(found.y_train, train)


def test_the_profile_is_of_training_rows_alone(houses):
    found = gathered(houses, "price")
    assert found.profile["rows"] == len(found.y_train)


def test_groups_are_not_learned_from_and_stay_together_in_every_fold(houses):
    found = gathered(houses.with_columns(owner=pl.int_range(pl.len()) % 40), "price", group="owner")
    assert "owner" in found.left_out
    for train, test in found.folds(np.arange(len(found.y_train)), 5, 0):
        assert not set(found.groups[train]) & set(found.groups[test])


def test_few_groups_make_fewer_folds(houses):
    found = gathered(houses.with_columns(owner=pl.int_range(pl.len()) % 5), "price", group="owner")
    assert 2 <= len(found.folds(np.arange(len(found.y_train)), 5, 0)) <= 4


def test_labels_keep_their_type():
    base = {"a": [k % 9 for k in range(90)]}
    for labels, kind in [([True, False], "b"), ([1, 2], "i"), ([1.0, 2.0], "i"), (["x", "y"], "O")]:
        frame = pl.DataFrame({**base, "y": [labels[(k // 2) % 2] for k in range(90)]})
        assert gathered(frame, "y").y_train.dtype.kind == kind


def test_a_changed_file_has_another_fingerprint(tmp_path):
    path = tmp_path / "t.csv"
    prints = []
    for content in ("a,y\n1,2\n", "a,y\n1,3\n", "a,y\n1,2\n"):
        path.write_text(content)
        prints.append(fingerprint_of(str(path), pl.DataFrame()))
    assert prints[0] == prints[2] != prints[1]


def test_a_changed_frame_has_another_fingerprint(houses):
    changed = houses.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(0.0).otherwise(pl.col("tax")).alias("tax")
    )
    assert fingerprint_of("", houses) == fingerprint_of("", houses.clone()) != fingerprint_of("", changed)


def test_a_kind_that_is_given_is_not_guessed(data_file):
    file = data_file("titanic/kaggle_train.csv")
    assert gathered(file, "Survived").schema.columns["SibSp"].kind == "number"
    assert gathered(file, "Survived", kinds={"SibSp": "category"}).schema.columns["SibSp"].kind == "category"
