"""Claims about a new table: it gets the training types, or an error that names the cell."""

from __future__ import annotations

import datetime
import warnings

import polars as pl
import pytest

from tripos.data.read import read_table
from tripos.data.schema import Schema
from tripos.errors import TableError, TableWarning

TRAIN = pl.DataFrame(
    {
        "id": [f"k{i}" for i in range(30)],
        "age": [20, 30, 40] * 10,
        "fare": [1.5, 2.5, None] * 10,
        "paid": ["yes", "no", "yes"] * 10,
        "zip": ["00501", "98101", "98101"] * 10,
        "town": ["ulm", "bonn", None] * 10,
        "born": ["1.5.2001", "13.6.2002", "2.7.2003"] * 10,
        "opens": ["9:30", "18:00", "12:15"] * 10,
        "sold": ["no", "yes", "yes"] * 10,
    }
)
SCHEMA = Schema.infer(TRAIN, target="sold")
ROW = {
    "age": 25,
    "fare": 3.0,
    "paid": "no",
    "zip": "98101",
    "town": "ulm",
    "born": "1.2.2004",
    "opens": "8:00",
}


def one(**cells) -> pl.DataFrame:
    return SCHEMA.conform(pl.DataFrame([{**ROW, **cells}]))


def test_the_training_table_gets_its_types():
    table = SCHEMA.conform(TRAIN)
    assert table.schema == pl.Schema(
        {
            **{
                "id": pl.String,
                "age": pl.Int64,
                "fare": pl.Float64,
                "paid": pl.Boolean,
                "zip": pl.String,
                "town": pl.String,
            },
            **{"born": pl.Date, "opens": pl.Float64, "sold": pl.String},
        }
    )


def test_conforming_twice_changes_nothing():
    once = SCHEMA.conform(TRAIN)
    assert SCHEMA.conform(once).equals(once)


def test_identifiers_and_the_target_may_be_absent_and_the_order_may_differ():
    table = SCHEMA.conform(pl.DataFrame([ROW]).select(sorted(ROW)))
    assert table.columns == [name for name in TRAIN.columns if name in ROW]


def test_a_missing_column_is_named_with_the_closest_one():
    with pytest.raises(TableError, match="lacks 1 column of the training table: 'fare'. Did you mean 'fair'"):
        SCHEMA.conform(pl.DataFrame([ROW]).rename({"fare": "fair"}))


def test_further_columns_are_ignored_and_stated():
    with pytest.warns(TableWarning, match="1 column that the training table had not, ignored: extra"):
        assert "extra" not in one(extra=1).columns


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"age": "young"}, "'age', row 1: 'young' is not a number"),
        ({"fare": "3 pounds"}, "'fare', row 1: '3 pounds' is not a number"),
        ({"born": "yesterday"}, r"'born', row 1: 'yesterday' is not a date written as %d.%m.%Y"),
        ({"opens": "25:00"}, "'opens', row 1: '25:00' is not a time of day"),
        ({"age": datetime.date(2020, 1, 1)}, "'age', row 1: .* is not a number"),
    ],
)
def test_a_cell_of_another_type_is_named_with_column_row_and_value(cells, message):
    with pytest.raises(TableError, match=message):
        one(**cells)


@pytest.mark.parametrize(
    ("cells", "column", "value"),
    [
        ({"age": "25"}, "age", 25),
        ({"age": 25.5}, "age", 25.5),
        ({"age": "?"}, "age", None),
        ({"fare": "$1,200"}, "fare", 1200.0),
        ({"paid": True}, "paid", True),
        ({"paid": "Yes"}, "paid", True),
        ({"paid": None}, "paid", None),
        ({"town": " ulm "}, "town", "ulm"),
        ({"town": "rome"}, "town", "rome"),
        ({"town": "NA"}, "town", None),
        ({"town": 5}, "town", "5"),
        ({"zip": 501}, "zip", "00501"),
        ({"born": datetime.date(2004, 2, 1)}, "born", datetime.date(2004, 2, 1)),
        ({"born": datetime.datetime(2004, 2, 1, 5)}, "born", datetime.date(2004, 2, 1)),
        ({"born": "2004-02-01"}, "born", datetime.date(2004, 2, 1)),
        ({"opens": datetime.time(8, 30)}, "opens", 8.5),
        ({"opens": 8.5}, "opens", 8.5),
    ],
)
def test_a_cell_written_otherwise_is_understood(cells, column, value):
    assert one(**cells)[column].item() == value


def test_a_third_truth_word_is_missing_and_stated():
    with pytest.warns(TableWarning, match="'paid' was 'no' or 'yes' in training; 'maybe'"):
        assert one(paid="maybe")["paid"].item() is None


def test_infinite_numbers_are_missing_and_stated():
    with pytest.warns(TableWarning, match="'fare' is infinite in 1 row: read as missing"):
        assert one(fare=float("inf"))["fare"].item() is None


def test_a_level_that_reads_like_a_mark_stays_if_training_knew_it():
    schema = Schema.infer(pl.DataFrame({"holiday": ["None", "NA", "Labor Day"], "x": [1.5, 2, 3]}))
    assert schema.conform(pl.DataFrame({"holiday": ["NA"], "x": [1.0]}))["holiday"].item() == "NA"


def test_pandas_tables_conform_as_polars_tables_do():
    assert SCHEMA.conform(TRAIN.to_pandas()).equals(SCHEMA.conform(TRAIN))


@pytest.mark.parametrize(
    ("name", "rows"), [("titanic/kaggle_test.csv", 418), ("adult/adult-test.csv.gz", 16281)]
)
def test_the_test_part_conforms_to_the_training_part(name, rows, data_file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        train = read_table(data_file(name.replace("test", "train")))
        schema = Schema.infer(train, target="Survived" if "titanic" in name else "column_15")
        table = schema.conform(read_table(data_file(name)))
    assert table.height == rows
    assert set(schema.features) <= set(table.columns)
