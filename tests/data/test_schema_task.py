"""Claims about the target: which task it sets, and when nothing can be learned from it."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from tripos.data.read import read_table
from tripos.data.schema import Schema
from tripos.errors import TableError, TableWarning

TASKS = {
    ("sms-spam/sms.tsv.gz", "column_1"): "binary",
    ("adult/adult-train.csv.gz", "column_15"): "binary",
    ("california-housing/housing.csv.gz", "median_house_value"): "regression",
    ("ames/ames.csv.gz", "price"): "regression",
    ("titanic/titanic_seaborn.csv", "survived"): "binary",
    ("seaborn/penguins.csv", "species"): "multiclass",
    ("telco-churn/Telco-Customer-Churn.csv.gz", "Churn"): "binary",
    ("german-credit/credit_decoded.csv", "default"): "binary",
    ("seaborn/diamonds.csv.gz", "price"): "regression",
    ("bike-sharing/hour.csv.gz", "cnt"): "regression",
    ("wine-quality/winequality-red.csv", "column_12"): "regression",
    ("movielens-100k/u.data.gz", "column_3"): "regression",
    ("uci-small/glass.csv", "column_10"): "multiclass",
    ("uci-small/wheat-seeds.csv", "column_8"): "multiclass",
    ("uci-small/abalone.csv.gz", "column_9"): "regression",
    ("pmlb/letter.tsv.gz", "target"): "multiclass",
    ("covertype-15k/covtype_kaggle_train.csv.gz", "Cover_Type"): "multiclass",
}


@pytest.mark.parametrize(("name", "target"), TASKS)
def test_the_task_of_a_real_table_is_told_from_its_target(name, target, data_file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        table = read_table(data_file(name))
    schema = Schema.infer(table, target=target)
    assert schema.task == TASKS[name, target]
    assert schema.check_target(table) == 0


def infer(values, name="y", **options) -> Schema:
    return Schema.infer(pl.DataFrame({"x": range(len(values)), name: values}), target=name, **options)


def test_grades_are_regressed_and_it_is_said_why():
    values = np.repeat([3, 4, 5, 6, 7, 8], [5, 30, 300, 280, 100, 10])
    assert infer(values).task == "regression"
    assert "rise and then fall" in infer(values).task_reason


def test_names_decide_where_values_leave_it_open():
    values = [1, 2, 3, 1, 1, 2] * 50
    assert infer(values, "rating").task == "regression"
    assert infer(values, "class").task == "multiclass"


def test_the_balance_of_classes_is_counted():
    assert infer(["a", "b", "a", "c"]).classes == {"a": 2, "b": 1, "c": 1}


def test_the_user_has_the_last_word_on_the_task():
    assert infer([1, 2, 3] * 20, task="regression").task == "regression"
    assert infer([1, 2, 3] * 20, task="classification").task == "multiclass"
    with pytest.raises(TableError, match="needs numbers, but the target 'y' holds"):
        infer(["a", "b"], task="regression")
    with pytest.raises(TableError, match="needs two classes"):
        infer([1, 2, 3], task="binary")
    with pytest.raises(TableError, match="is none of"):
        infer([1, 2, 3], task="clustering")


def test_a_target_that_is_not_there_is_named_with_the_closest_column():
    with pytest.raises(TableError, match="no column 'surived' to predict. Did you mean 'survived'"):
        Schema.infer(pl.DataFrame({"survived": [0, 1]}), target="surived")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": [0, 1, 1]}, "has one column, the target"),
        ({"x": [1], "y": [1]}, "has one value in 1 row"),
        ({"x": [1, 2], "y": [None, None]}, "has no value in 2 rows"),
        ({"x": [1, 2, 3], "y": [5, 5, 5]}, "is 5 in every row"),
        ({"x": [1, 2, 3], "y": [1.5, float("inf"), 2.0]}, r"infinite in 1 row \(row 2\)"),
        (
            {"x": range(20000), "y": [f"c{i % 10000}" for i in range(20000)]},
            "has 10,000 classes in 20,000 rows",
        ),
        ({"x": range(30), "y": [f"name {i}" for i in range(30)]}, "has 30 classes in 30 rows"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused_with_its_reason(columns, message):
    table = pl.DataFrame(columns)
    with pytest.raises(TableError, match=message):
        Schema.infer(table, target="y").check_target(table)


def test_rows_without_a_target_are_counted():
    table = pl.DataFrame({"x": range(6), "y": [0, 1, None, 1, None, 0]})
    with pytest.warns(TableWarning, match="missing in 2 rows of 6: they are left out"):
        assert Schema.infer(table, target="y").check_target(table) == 2
