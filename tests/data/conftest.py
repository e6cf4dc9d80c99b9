"""Real tables as polars frames, read by polars alone so that a failure here is not one of `read_table`."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

ADULT = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital",
    "occupation",
    "relationship",
    "race",
    "sex",
    "gain",
    "loss",
    "hours",
    "country",
    "income",
]


@pytest.fixture(scope="session")
def adult(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """32,561 people: 6 numbers, 8 categories of which 3 have missing cells, two classes."""
    text = gzip.decompress(data_file("adult/adult-train.csv.gz").read_bytes()).replace(b", ", b",")
    return pl.read_csv(text, has_header=False, new_columns=ADULT, null_values="?").drop_nulls("income")


@pytest.fixture(scope="session")
def titanic(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """891 passengers with gaps in age and deck; `alive` repeats the target and is left out."""
    return pl.read_csv(data_file("titanic/titanic_seaborn.csv")).drop("alive")


@pytest.fixture(scope="session")
def ames(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """2,930 houses: 36 numbers and 43 categories, many of them with gaps."""
    return pl.read_csv(data_file("ames/ames.csv.gz"), null_values="NA").drop("rownames", "Order", "PID")


@pytest.fixture(scope="session")
def telco(data_file: Callable[[str], Path]) -> pl.DataFrame:
    return pl.read_csv(data_file("telco-churn/Telco-Customer-Churn.csv.gz")).drop("customerID")


@pytest.fixture(scope="session")
def penguins(data_file: Callable[[str], Path]) -> pl.DataFrame:
    return pl.read_csv(data_file("seaborn/penguins.csv"))


@pytest.fixture(scope="session")
def bikes(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """Hourly counts with the date as a date."""
    return pl.read_csv(data_file("bike-sharing/hour.csv.gz"), try_parse_dates=True)


@pytest.fixture(scope="session")
def flights(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """20,000 flights of 2013 with their day of departure, one every few minutes over the year."""
    table = pl.read_csv(data_file("nycflights13/flights.csv.gz"), null_values="NA", infer_schema_length=None)
    return table.gather_every(table.height // 20_000).with_columns(day_of=pl.date("year", "month", "day"))


@pytest.fixture(scope="session")
def messages(data_file: Callable[[str], Path]) -> pl.DataFrame:
    """5,574 text messages, spam or ham."""
    text = gzip.decompress(data_file("sms-spam/sms.tsv.gz").read_bytes())
    return pl.read_csv(text, separator="\t", quote_char=None, has_header=False, new_columns=["label", "text"])
