"""Claims about reading real tables as they are handed out."""

from __future__ import annotations

import csv
import gzip
import lzma
import warnings

import polars as pl
import pytest

from tripos.data.read import read_table
from tripos.errors import TableError, TableWarning

SHAPES = {
    "adult/adult-train.csv.gz": (32561, 15),
    "adult/adult-test.csv.gz": (16281, 15),
    "california-housing/housing.csv.gz": (20640, 10),
    "ames/ames.csv.gz": (2930, 83),
    "titanic/titanic_seaborn.csv": (891, 15),
    "titanic/kaggle_train.csv": (891, 12),
    "seaborn/penguins.csv": (344, 7),
    "seaborn/diamonds.csv.gz": (53940, 10),
    "german-credit/credit_decoded.csv": (1000, 21),
    "german-credit/german.csv": (1000, 21),
    "bike-sharing/hour.csv.gz": (17379, 17),
    "wholesale-customers/wholesale.csv": (440, 8),
    "wine-quality/winequality-red.csv": (1599, 12),
    "bank-marketing/bank-additional.csv.gz": (4119, 21),
    "cardio-70k/cardio_train.csv.gz": (70000, 13),
    "movielens-100k/u.data.gz": (100000, 4),
    "movielens-100k/u.user": (943, 5),
    "metro-traffic/traffic.csv.gz": (48204, 8),
    "sst2/dev.tsv": (872, 2),
    "uci-small/breast-cancer.csv": (286, 10),
    "uci-small/horse-colic.csv": (300, 28),
    "nycflights13/planes.csv.gz": (3322, 9),
}


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        yield


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", SHAPES)
def test_a_table_has_the_rows_and_columns_that_its_index_counts(name, data_file):
    assert read_table(data_file(name)).shape == SHAPES[name]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "name",
    [
        "adult/adult-train.csv.gz",
        "nycflights13/planes.csv.gz",
        "uci-small/horse-colic.csv",
        "ames/ames.csv.gz",
    ],
)
def test_every_cell_is_the_one_that_the_csv_module_sees(name, data_file):
    table = read_table(data_file(name))
    open_text = gzip.open if name.endswith(".gz") else open
    with open_text(data_file(name), "rt") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    rows = rows[-table.height :]
    missing = {"", "NA", "?"}
    for j, column in enumerate(table.iter_columns()):
        seen = [None if row[j].strip() in missing else row[j].strip() for row in rows]
        expected = (
            seen if column.dtype == pl.String else [None if cell is None else float(cell) for cell in seen]
        )
        assert column.to_list() == expected, column.name


def test_sms_spam_keeps_its_quotes_and_every_message(data_file):
    path = data_file("sms-spam/sms.tsv.gz")
    with pytest.warns(TableWarning) as notes:
        table = read_table(path)
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        messages = [line.rstrip("\n").split("\t")[1].strip() for line in file]
    assert table["column_2"].to_list() == messages
    said = " ".join(str(note.message) for note in notes)
    assert "no header line" in said
    assert "ordinary characters" in said


def test_adult_loses_its_blanks_and_question_marks(data_file):
    with pytest.warns(TableWarning, match=r'"\?" is read as missing in column_2 \(1,836\)'):
        table = read_table(data_file("adult/adult-train.csv.gz"))
    assert table["column_2"].null_count() == 1836
    assert "Private" in table["column_2"]


@pytest.mark.usefixtures("quiet")
def test_telco_churn_reads_blank_charges_as_missing_numbers(data_file):
    charges = read_table(data_file("telco-churn/Telco-Customer-Churn.csv.gz"))["TotalCharges"]
    assert charges.dtype == pl.Float64
    assert charges.null_count() == 11


@pytest.mark.usefixtures("quiet")
def test_no_holiday_is_a_level_of_metro_traffic(data_file):
    assert read_table(data_file("metro-traffic/traffic.csv.gz"))["holiday"].null_count() == 0


def test_movie_titles_in_latin_1_are_transcoded(data_file):
    with pytest.warns(TableWarning, match="read as cp1252"):
        table = read_table(data_file("movielens-100k/u.item.gz"))
    assert table.filter(pl.col("column_1") == 543)["column_2"].item() == "Misérables, Les (1995)"


def test_a_byte_order_mark_is_no_part_of_a_name(data_file):
    assert read_table(data_file("wholesale-customers/wholesale.csv")).columns[0] == "Channel"


@pytest.mark.usefixtures("quiet")
def test_market_baskets_are_refused_as_ragged_lines(data_file):
    with pytest.raises(TableError, match="line 1 has 4 cells"):
        read_table(data_file("groceries/groceries.csv.gz"))


@pytest.mark.usefixtures("quiet")
def test_mails_of_many_lines_in_xz_are_read_whole(data_file):
    path = data_file("enron-spam/enron_spam.csv.xz")
    table = read_table(path)
    assert table.shape == (33715, 6)
    assert table["label"].value_counts().sort("label")["count"].to_list() == [16545, 17170]
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        bodies = [next(reader)["body"].strip() for _ in range(500)]
    assert table["body"].head(500).fill_null("").to_list() == bodies
