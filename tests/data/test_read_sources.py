"""Claims about where tables come from: files that know their columns, frames, several files, databases."""

from __future__ import annotations

import datetime
import json
import sqlite3
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tripos.data.read import read_table
from tripos.data.read_sql import without_password
from tripos.errors import BudgetError, TableError, TableWarning

FRAME = pl.DataFrame(
    {
        "name": ["bolt", "nut", None],
        "size": [3, 4, 5],
        "price": [0.25, None, 1.5],
        "when": [datetime.date(2020, 1, d) for d in (1, 2, 3)],
    }
)


def write(frame: pl.DataFrame, path: Path) -> Path:
    writers = {
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
        ".feather": frame.write_ipc,
        ".arrows": frame.write_ipc_stream,
        ".jsonl": frame.write_ndjson,
        ".xlsx": lambda p: frame.to_pandas().to_excel(p, index=False),
        ".csv": frame.write_csv,
    }
    writers[path.suffix](path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather", ".arrows"])
def test_typed_files_come_back_as_they_went(suffix, tmp_path):
    assert read_table(write(FRAME, tmp_path / f"t{suffix}")).equals(FRAME)


@pytest.mark.parametrize("suffix", [".jsonl", ".xlsx", ".csv"])
def test_untyped_files_come_back_but_for_their_dates(suffix, tmp_path):
    table = read_table(write(FRAME, tmp_path / f"t{suffix}"))
    assert table.drop("when").equals(FRAME.drop("when"))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".xlsx"])
def test_the_format_is_told_by_the_bytes_and_columns_can_be_chosen(suffix, tmp_path):
    path = write(FRAME, tmp_path / f"t{suffix}")
    unnamed = tmp_path / "download"
    unnamed.write_bytes(path.read_bytes())
    assert read_table(unnamed, columns=["size", "name"], n_rows=2).rows() == [(3, "bolt"), (4, "nut")]
    with pytest.raises(TableError, match="no column 'sise'. Did you mean 'size'"):
        read_table(path, columns=["sise"])


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".xlsx"])
def test_damaged_files_are_called_that(suffix, tmp_path):
    path = write(FRAME, tmp_path / f"t{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(TableError, match=r"damaged|not JSON lines"):
        read_table(path)


def test_a_parquet_file_larger_than_memory_points_to_scan(tmp_path, monkeypatch):
    path = write(pl.DataFrame({"x": np.zeros(3_000_000)}), tmp_path / "wide.parquet")
    from tripos.compute import budget

    monkeypatch.setattr(budget, "free_memory", lambda: 20_000_000)
    with pytest.raises(BudgetError, match="tripos.scan"):
        read_table(path)


def test_json_arrays_and_nested_records_become_flat_columns(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(
        json.dumps(
            [
                {"id": 1, "at": {"x": 1.5, "y": 2}, "tags": ["a", "b"]},
                {"id": 2, "at": {"x": 0.5, "y": None}, "tags": []},
            ]
        )
    )
    with pytest.warns(TableWarning) as notes:
        table = read_table(path)
    assert table.columns == ["id", "at.x", "at.y", "tags"]
    assert table["tags"].to_list() == ["a b", None]
    assert any("columns of their own" in str(note.message) for note in notes)


def test_a_broken_line_of_json_is_named(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"a": }\n')
    with pytest.raises(TableError, match="line 2, column 7"):
        read_table(path)


def test_sheets_are_chosen_by_name_or_number(tmp_path):
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"a": [1, 2]}).to_excel(book, sheet_name="first", index=False)
        pd.DataFrame({"b": ["x", "?"], "c": [1.5, 2]}).to_excel(book, sheet_name="second", index=False)
    with pytest.warns(TableWarning, match="sheets first, second"):
        assert read_table(path).rows() == [(1,), (2,)]
    with pytest.warns(TableWarning, match="missing"):
        assert read_table(path, sheet="second")["b"].to_list() == ["x", None]
    assert read_table(path, sheet=1, nulls=[]).columns == ["b", "c"]
    with pytest.raises(TableError, match="no sheet 'secnd'. Did you mean 'second'"):
        read_table(path, sheet="secnd")
    with pytest.raises(TableError, match="2 sheets"):
        read_table(path, sheet=2)


def test_a_workbook_without_its_reader_names_the_extra(tmp_path, monkeypatch):
    path = write(FRAME, tmp_path / "t.xlsx")
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(TableError, match=r"tripos\[excel\]"):
        read_table(path)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.lazy(),
        FRAME.to_arrow(),
        FRAME.to_pandas(),
        FRAME.to_dict(as_series=False),
        FRAME.to_dicts(),
    ],
    ids=["polars", "lazy", "arrow", "pandas", "dict", "dicts"],
)
def test_tables_in_memory_are_taken(frame):
    table = read_table(frame)
    assert table.select("name", "price").equals(FRAME.select("name", "price"))
    assert table["size"].to_list() == [3, 4, 5]


def test_pandas_columns_keep_their_meaning():
    frame = pd.DataFrame(
        {
            "grade": pd.Categorical(["low", "high", None], categories=["low", "mid", "high"], ordered=True),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "mixed": [1, "a", None],
            7: [True, False, True],
        },
        index=[5, 6, 7],
    )
    table = read_table(frame)
    assert table.columns == ["grade", "nullable", "mixed", "7"]
    assert table["grade"].cast(pl.String).to_list() == ["low", "high", None]
    assert table["nullable"].to_list() == [1, None, 3]
    assert table["mixed"].to_list() == ["1", "a", None]


@pytest.mark.parametrize("source", [5, [1, 2], {"a": {1, 2}}, object(), pd.DataFrame()])
def test_what_is_no_table_is_refused(source):
    with pytest.raises(TableError):
        read_table(source)


def test_arrow_types_without_a_number_or_a_word_are_brought_to_one():
    table = pa.table(
        {
            "money": pa.array([1, 2], pa.decimal128(9, 2)),
            "raw": pa.array([b"ab", b"c"]),
            "took": pa.array([1500, 0], pa.duration("ms")),
        }
    )
    assert read_table(table).rows() == [(1.0, "ab", 1.5), (2.0, "c", 0.0)]


def test_files_of_the_same_columns_are_joined_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.csv").write_text("x,y\n3,NA\n")
    (tmp_path / "a.csv").write_text("y,x\n1,1\n2.5,2\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        table = read_table(str(tmp_path / "*.csv"))
    assert table.to_dict(as_series=False) == {"y": [1.0, 2.5, None], "x": [1, 2, 3]}
    assert read_table(str(tmp_path / "*.csv"), n_rows=1).height == 1


def test_files_of_other_columns_are_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(TableError, match=r"b\.csv lacks 'y' and has 'z' besides, unlike .*a\.csv"):
        read_table(str(tmp_path / "*.csv"))


def test_a_column_of_words_in_one_file_is_text_in_all(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n5,6\n")
    (tmp_path / "b.csv").write_text("x,y\nlow,2\nhigh,3\n")
    with pytest.warns(TableWarning, match="'x' holds words in .*b.csv"):
        assert read_table(str(tmp_path / "*.csv"))["x"].to_list() == ["1", "5", "low", "high"]


@pytest.fixture
def database(tmp_path) -> Path:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("create table parts (name text, size integer, price real)")
    connection.executemany(
        "insert into parts values (?, ?, ?)", [("bolt", 3, 0.25), ("nut", 4, None), ("?", 5, 1.5)]
    )
    connection.commit()
    connection.close()
    return path


def test_sqlite_is_read_by_url(database):
    with pytest.warns(TableWarning, match="missing"):
        table = read_table(f"sqlite:///{database}")
    assert table.rows() == [("bolt", 3, 0.25), ("nut", 4, None), (None, 5, 1.5)]
    assert read_table(f"sqlite:///{database}?table=parts", nulls=[], columns=["size"], n_rows=2).rows() == [
        (3,),
        (4,),
    ]
    assert read_table(f"sqlite:///{database}", query="select max(size) as most from parts").item() == 5


def test_sqlite_paths_may_be_relative(database, monkeypatch):
    monkeypatch.chdir(database.parent)
    assert read_table("sqlite:///shop.db", nulls=[]).height == 3


def test_databases_that_cannot_answer_say_why(database, tmp_path, monkeypatch):
    with pytest.raises(TableError, match="no file"):
        read_table(f"sqlite:///{tmp_path / 'nothing.db'}")
    with pytest.raises(TableError, match="no such table"):
        read_table(f"sqlite:///{database}?table=partz")
    with pytest.raises(TableError, match="reads with SELECT"):
        read_table(f"sqlite:///{database}", query="drop table parts")
    with pytest.raises(TableError, match=r"table=NAME"):
        read_table("postgresql://ann:secret@localhost:1/shop")
    sqlite3.connect(database).execute("create table more (x)")
    with pytest.raises(TableError, match="2 tables"):
        read_table(f"sqlite:///{database}")
    monkeypatch.setitem(sys.modules, "connectorx", None)
    with pytest.raises(TableError, match=r"tripos\[sql\]"):
        read_table(f"sqlite:///{database}?table=parts")


def test_passwords_stay_out_of_messages(monkeypatch):
    def refuse(query, url, **_):
        raise RuntimeError(f"cannot connect to {url}")

    monkeypatch.setattr(pl, "read_database_uri", refuse)
    with pytest.raises(TableError) as caught:
        read_table("postgresql+psycopg://ann:se:cret@localhost:1/shop?table=parts")
    assert "cannot connect to postgresql://ann:***@localhost:1/shop" in str(caught.value)
    assert "cret" not in str(caught.value)
    assert without_password("mysql://host/db") == "mysql://host/db"


def test_a_table_without_rows_is_refused():
    with pytest.raises(TableError, match="2 columns but no rows"):
        read_table({"a": [], "b": []})


def test_an_open_file_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with path.open("rb") as file:
        assert read_table(file).rows() == [(1, 2)]
    with path.open() as file:
        assert read_table(file).rows() == [(1, 2)]
