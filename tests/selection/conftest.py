"""Real tables to validate on."""

from __future__ import annotations

import gzip

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="session")
def titanic(data_file):
    """Passengers as a polars table with numbers, categories and missing values, and whether each survived."""
    frame = pl.read_csv(data_file("titanic/titanic_seaborn.csv"), infer_schema_length=None)
    return frame.select("pclass", "sex", "age", "fare", "embarked", "sibsp"), frame["survived"].to_numpy()


@pytest.fixture(scope="session")
def housing(data_file):
    """California districts: numbers only, and the median house value in 100,000 dollars."""
    frame = pl.read_csv(gzip.open(data_file("california-housing/housing.csv.gz")).read()).drop_nulls()
    y = frame["median_house_value"].to_numpy() / 1e5
    return frame.drop("median_house_value", "ocean_proximity").to_numpy(), y


@pytest.fixture(scope="session")
def spam(data_file):
    """SMS messages as a list of texts, and ham or spam."""
    text = gzip.open(data_file("sms-spam/sms.tsv.gz")).read().decode()
    rows = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
    return [message for _, message in rows], np.array([label for label, _ in rows])
