"""Claims about kinds: what a column is, by its values and, where they leave it open, its name."""

from __future__ import annotations

import datetime
import random
import uuid
import warnings

import polars as pl
import pytest

from tripos.data.read import read_table
from tripos.data.schema import Schema
from tripos.data.schema_dates import find_format, parse
from tripos.data.schema_kinds import infer_column
from tripos.data.schema_scales import order_of
from tripos.errors import TableError, TableWarning


def kind(name, cells, **options):
    return infer_column(pl.Series(name, cells, **options)).kind


def real(path) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return read_table(path)


RNG = random.Random(0)


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("weight", [1.5, 2.5, 3.25], "number"),
        ("rooms", [1, 2, 3, 4, 2], "number"),
        ("zip", [98101, 98102, 98101, 98103], "integer code"),
        ("store_id", [3, 1, 2, 3, 1, 2], "integer code"),
        ("Pclass", [1, 2, 3, 3], "integer code"),
        ("has_card", [0, 1, 1, None], "boolean"),
        ("paid", ["yes", "no", "Yes".lower()], "boolean"),
        ("flag", [True, False, None], "boolean"),
        ("sex", ["male", "female", "male"], "category"),
        ("size", ["S", "XL", "M", "L"], "ordered category"),
        ("quality", ["Ex", "Gd", "TA", "Fa"], "ordered category"),
        ("age", ["10-20", "20-30", "30+"], "ordered category"),
        ("joined", ["2020-01-05", "2021-03-01"], "date"),
        ("day", [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "date"),
        ("date", [20110131, 20110201, 20110202], "date"),
        ("timestamp", [881250949, 891717742, 878887116], "date"),
        ("opens", ["18:00", "9:30"], "number"),
        ("PassengerId", list(range(1, 101)), "identifier"),
        ("anything", list(range(5, 55)), "identifier"),
        ("customer", [str(uuid.UUID(int=RNG.getrandbits(128))) for _ in range(50)], "identifier"),
        ("orderid", RNG.sample(range(10**6), 60), "identifier"),
        ("year", list(range(1950, 2000)), "number"),
        ("salary", RNG.sample(range(10**5), 60), "number"),
        ("note", [f"the customer called again about {i} things" for i in range(60)], "text"),
        ("country", ["France"] * 5, "constant"),
        ("nothing", [None, None], "constant"),
        ("alley", ["Grvl", None, None], "category"),
    ],
)  # fmt: skip
def test_the_kind_of_a_column(name, cells, expected):
    column = infer_column(pl.Series(name, cells))
    assert column.kind == expected
    assert column.reason


def test_infinite_numbers_do_not_hide_the_kind():
    assert kind("x", [1.5, float("inf"), 2.5]) == "number"


def test_an_order_that_a_type_states_is_kept():
    levels = ["cheap", "fair", "dear"]
    column = infer_column(pl.Series("price", ["fair", "dear", "cheap"], dtype=pl.Enum(levels)))
    assert column.kind == "ordered category"
    assert column.levels == tuple(levels)
    assert kind("price", ["a", "b"], dtype=pl.Enum(["a", "b"])) == "category"


@pytest.mark.parametrize(
    ("levels", "ordered"),
    [
        (["medium", "low", "high"], ["low", "medium", "high"]),
        (
            ["Very Good", "Fair", "Ideal", "Premium", "Good"],
            ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        ),
        ([">60", "<18", "18-40", "41-60"], ["<18", "18-40", "41-60", ">60"]),
        (["1st", "3rd", "2nd"], ["1st", "2nd", "3rd"]),
        (["$50k+", "$0-$50k"], ["$0-$50k", "$50k+"]),
        (["> 7 yrs", "0 - 1 yrs", "1 - 4 yrs"], ["0 - 1 yrs", "1 - 4 yrs", "> 7 yrs"]),
        (["often", "never", "always"], ["never", "often", "always"]),
    ],
)
def test_levels_of_a_known_scale_are_put_in_order(levels, ordered):
    assert order_of(levels)[0] == ordered


@pytest.mark.parametrize(
    "levels", [["S", "M"], ["red", "green"], ["yes", "no"], ["S", "C", "Q"], ["5 kg", "7 m"], ["3-1", "4-2"]]
)
def test_levels_without_a_scale_have_no_order(levels):
    assert order_of(levels) is None


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2014-05-13", "2014-05-27"], datetime.date(2014, 5, 13)),
        (["13.5.2014", "27.05.2014"], datetime.date(2014, 5, 13)),
        (["5/13/14", "5/27/14"], datetime.date(2014, 5, 13)),
        (["13-May-2014", "1-Jun-2014"], datetime.date(2014, 5, 13)),
        (["May 13, 2014", "June 1, 2014"], datetime.date(2014, 5, 13)),
        (["20140513", "20140527"], datetime.date(2014, 5, 13)),
        (["2014-05", "2014-12"], datetime.date(2014, 5, 1)),
        (["2014 Q2", "2015 Q1"], datetime.date(2014, 4, 1)),
        (["20140513T101500", "20140527T000000"], datetime.datetime(2014, 5, 13, 10, 15)),
        (["2014-05-13T10:15:00Z", "2014-05-27T00:00:00Z"], datetime.datetime(2014, 5, 13, 10, 15)),
        (["2014-05-13 10:15:00+02:00", "2014-05-27 00:00:00+02:00"], datetime.datetime(2014, 5, 13, 8, 15)),
        (
            ["2014-05-13 10:15:00.5", "2014-05-27 00:00:00.25"],
            datetime.datetime(2014, 5, 13, 10, 15, 0, 500000),
        ),
        (["5/13/2014 10:15 pm", "5/27/2014 1:05 AM"], datetime.datetime(2014, 5, 13, 22, 15)),
        (["22:15", "1:05"], 22.25),
        (["10:15 PM", "1:05 am"], 22.25),
    ],
)
def test_dates_are_read_as_people_write_them(cells, first):
    found = find_format(pl.Series(cells))
    assert parse(pl.Series(cells), found.text)[0] == first


@pytest.mark.parametrize(
    "cells",
    [
        ["1.2.3", "1.2.4"],
        ["555-1234", "555-9876"],
        ["10-20", "20-30"],
        ["2014-13-45", "2014-01-01"],
        ["3/4", "1/2"],
    ],
)
def test_figures_that_are_no_dates_are_left(cells):
    assert find_format(pl.Series(cells)) is None


def test_day_and_month_are_told_apart_by_what_fits_and_by_the_order_of_rows():
    by_fit = find_format(pl.Series(["1/2/2014", "13/2/2014"]))
    assert by_fit.text == "%d/%m/%Y"
    assert "13/2/2014" in by_fit.evidence
    by_order = find_format(pl.Series(["1/2/2014", "2/2/2014", "3/2/2014", "4/2/2014"]))
    assert by_order.text == "%d/%m/%Y"
    assert "follow each other in time" in by_order.evidence
    assert "would fit as well" in find_format(pl.Series(["1/1/2014", "2/2/2014"])).evidence


REAL_KINDS = {
    "titanic/kaggle_train.csv": {"PassengerId": "identifier", "Name": "text", "Sex": "category", "Age": "number", "Pclass": "integer code", "Cabin": "category"},
    "titanic/titanic_seaborn.csv": {"class": "ordered category", "alive": "boolean", "deck": "category", "adult_male": "boolean"},
    "ames/ames.csv.gz": {"PID": "identifier", "Order": "identifier", "MS.SubClass": "integer code", "Exter.Qual": "ordered category", "Central.Air": "boolean", "Overall.Qual": "number", "Year.Built": "number", "Alley": "category"},
    "seaborn/diamonds.csv.gz": {"cut": "ordered category", "clarity": "ordered category", "color": "category", "carat": "number"},
    "telco-churn/Telco-Customer-Churn.csv.gz": {"customerID": "identifier", "TotalCharges": "number", "Contract": "category", "SeniorCitizen": "boolean"},
    "bike-sharing/hour.csv.gz": {"instant": "identifier", "dteday": "date", "hr": "integer code", "holiday": "boolean", "temp": "number"},
    "king-county/kc_house_data.csv.gz": {"id": "identifier", "date": "date", "zipcode": "integer code", "price": "number"},
    "enron-spam/enron_spam.csv.xz": {"file": "identifier", "date": "date", "subject": "text", "body": "text", "folder": "category"},
    "online-retail/france.csv.gz": {"Description": "text", "InvoiceDate": "date", "CustomerID": "integer code", "Country": "constant", "StockCode": "category"},
    "uci-small/breast-cancer.csv": {"column_1": "ordered category", "column_3": "ordered category", "column_5": "boolean"},
    "german-credit/credit_decoded.csv": {"purpose": "category", "amount": "number", "foreign_worker": "boolean"},
}  # fmt: skip


@pytest.mark.parametrize("name", REAL_KINDS)
def test_columns_of_real_tables_are_what_they_are(name, data_file):
    columns = Schema.infer(real(data_file(name))).columns
    assert {column: columns[column].kind for column in REAL_KINDS[name]} == REAL_KINDS[name]


def test_a_schema_prints_as_a_table_with_reasons():
    schema = Schema.infer(pl.DataFrame({"size": ["S", "M", "L"], "n": [1.5, 2, 3]}), target="n")
    assert "'S' < 'M' < 'L'" in str(schema)
    assert "n     number, target" in str(schema)


def test_a_kind_can_be_overridden_and_is_checked_against_the_values():
    table = pl.DataFrame({"zip": [98101, 98102, 98101], "name": ["ann", "bob", "ann"]})
    schema = Schema.infer(table, kinds={"zip": "category"})
    assert schema.columns["zip"].kind == "category"
    assert schema.columns["zip"].levels == ("98101", "98102")
    assert schema.conform(table)["zip"].dtype == pl.String
    with pytest.raises(TableError, match="'name', row 1: 'ann' is not a number"):
        Schema.infer(table, kinds={"name": "number"})
    with pytest.raises(TableError, match="no kind of column. Did you mean 'category'"):
        Schema.infer(table, kinds={"name": "categorie"})
    with pytest.raises(TableError, match="'nam', which is not there. Did you mean 'name'"):
        Schema.infer(table, kinds={"nam": "text"})


@pytest.mark.parametrize("name", ["titanic/kaggle_train.csv", "bike-sharing/hour.csv.gz", "ames/ames.csv.gz"])
def test_a_schema_comes_back_from_its_record(name, data_file):
    schema = Schema.infer(real(data_file(name)))
    assert Schema.from_dict(schema.to_dict()) == schema


@pytest.mark.parametrize(
    "harm",
    [
        {"columns": 5},
        {"target": "nobody"},
        {"task": {"kind": "magic", "reason": "", "classes": []}},
        {"columns": [{"name": "a"}]},
        {
            "columns": [
                {
                    "name": "a",
                    "kind": "colour",
                    "dtype": "Int64",
                    "levels": None,
                    "format": None,
                    "reason": "",
                }
            ]
        },
    ],
)
def test_a_record_that_is_no_schema_is_refused(harm):
    record = Schema.infer(pl.DataFrame({"a": [1, 2], "y": [0, 1]}), target="y").to_dict()
    with pytest.raises(TableError, match="not the record of a schema"):
        Schema.from_dict({**record, **harm})


def test_a_schema_can_be_saved_and_loaded(tmp_path, data_file):
    from tripos.artifact import load, save

    schema = Schema.infer(real(data_file("titanic/kaggle_train.csv")), target="Survived")
    save(schema, tmp_path / "schema.tripos")
    assert load(tmp_path / "schema.tripos") == schema


def test_nan_is_missing_in_any_table_and_odd_types_are_flattened():
    table = pl.DataFrame({"n": [1.0, float("nan"), 2.0], "tags": [["a"], ["b", "c"], []]})
    with pytest.warns(TableWarning, match="hold lists, which become text"):
        schema = Schema.infer(table)
    assert schema.columns["n"].kind == "number"
    assert schema.columns["tags"].kind == "category"
    assert Schema.infer(table.select("n").to_pandas()).conform(table.select("n"))["n"].to_list() == [
        1.0,
        None,
        2.0,
    ]


def test_python_objects_in_cells_are_refused_by_name():
    table = pl.DataFrame({"x": [1, 2], "thing": pl.Series([object(), object()], dtype=pl.Object)})
    with pytest.raises(TableError, match="thing hold Python objects"):
        Schema.infer(table)
