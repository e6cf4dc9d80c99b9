"""Real predictions to measure: true targets with what simple models say about them."""

from __future__ import annotations

import gzip

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="session")
def adult(data_file):
    """Adult census rows: income class as a string, education years as the score, the census weight."""
    with gzip.open(data_file("adult/adult-test.csv.gz")) as lines:
        frame = pl.read_csv(lines.read(), has_header=False, infer_schema=False)
    frame = frame.select(pl.all().str.strip_chars(" .")).drop_nulls()  # the file ends in an empty line
    return {
        "y": frame.to_series(14).to_numpy().astype(str),
        "score": frame.to_series(4).to_numpy().astype(np.float64),
        "age": frame.to_series(0).to_numpy().astype(np.float64),
        "weight": frame.to_series(2).to_numpy().astype(np.float64),
        "family": frame.to_series(5).to_numpy().astype(str),
    }


@pytest.fixture(scope="session")
def housing(data_file):
    """California districts: the median house value and a prediction of it from the median income alone."""
    frame = pl.read_csv(gzip.open(data_file("california-housing/housing.csv.gz")).read())
    y = frame["median_house_value"].to_numpy()
    income = frame["median_income"].to_numpy()
    slope, start = np.polyfit(income, y, 1)
    return {
        "y": y,
        "prediction": np.maximum(slope * income + start, 1000.0),
        "weight": frame["households"].to_numpy(),
    }


@pytest.fixture(scope="session")
def spam(data_file):
    """SMS messages: ham or spam, and how many digits the message has."""
    text = gzip.open(data_file("sms-spam/sms.tsv.gz")).read().decode()
    rows = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
    digits = np.array([sum(c.isdigit() for c in message) for _, message in rows], dtype=np.float64)
    return {"y": np.array([label for label, _ in rows]), "score": digits}
