"""Real tables for naive Bayes, read once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import CountVectorizer


@pytest.fixture(scope="session")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def penguins(data_file):
    """Four measurements of 342 penguins, and their species as strings."""
    frame = pl.read_csv(data_file("seaborn/penguins.csv"), null_values="").drop_nulls(
        ["bill_length_mm", "body_mass_g"]
    )
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    return frame.select(numbers).cast(pl.Float64).to_numpy(), frame["species"].to_numpy()


@pytest.fixture(scope="session")
def adult(data_file):
    """The six numbers of the census: scales from 1 to 10^12 in variance."""
    frame = pl.read_csv(
        data_file("adult/adult-train.csv.gz"), has_header=False, n_rows=12_000, infer_schema=False
    )
    X = frame.select(frame.columns[i] for i in (0, 2, 4, 10, 11, 12))
    X = X.select(pl.all().str.strip_chars().cast(pl.Float64)).to_numpy()
    return np.ascontiguousarray(X), frame[frame.columns[14]].to_numpy()


@pytest.fixture(scope="session")
def spambase(data_file):
    frame = pl.read_csv(data_file("pmlb/spambase.tsv.gz"), separator="\t")
    return frame.drop("target").cast(pl.Float64).to_numpy(), frame["target"].to_numpy()


@pytest.fixture(scope="session")
def sms(sms_spam_file):
    """Word counts of 5,574 messages (CSR of integers, as `CountVectorizer` leaves it), labels, words."""
    frame = pl.read_csv(sms_spam_file, separator="\t", quote_char=None)
    words = CountVectorizer()
    return words.fit_transform(frame[:, 1].to_list()), frame[:, 0].to_numpy(), words.get_feature_names_out()
