"""The real data sets on which linear models are compared with scikit-learn's, as arrays."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.feature_extraction.text import TfidfVectorizer


def _one_hot(frame: pd.DataFrame) -> np.ndarray:
    return pd.get_dummies(frame, drop_first=True).to_numpy(dtype=float)


@pytest.fixture(scope="session")
def diabetes():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    return SimpleNamespace(X=X, y=y)


@pytest.fixture(scope="session")
def california(data_file):
    frame = pd.read_csv(data_file("california-housing/housing.csv.gz")).dropna()
    return SimpleNamespace(
        X=_one_hot(frame.drop(columns="median_house_value")), y=frame["median_house_value"].to_numpy()
    )


@pytest.fixture(scope="session")
def adult(data_file):
    """A sixth of the training rows, numbers standardised, categories one-hot."""
    frame = pd.read_csv(data_file("adult/adult-train.csv.gz"), header=None, skipinitialspace=True).iloc[::6]
    y = (frame.pop(14) == ">50K").to_numpy()
    numbers = frame.select_dtypes("number")
    frame[numbers.columns] = (numbers - numbers.mean()) / numbers.std()
    return SimpleNamespace(X=_one_hot(frame), y=y)


@pytest.fixture(scope="session")
def spambase(data_file):
    frame = pd.read_csv(data_file("pmlb/spambase.tsv.gz"), sep="\t")
    y = frame.pop("target").to_numpy()
    return SimpleNamespace(X=frame.to_numpy(dtype=float), y=y)


@pytest.fixture(scope="session")
def letters(data_file):
    frame = pd.read_csv(data_file("pmlb/letter.tsv.gz"), sep="\t")
    frame = frame[frame["target"] <= 5]
    y = frame.pop("target").to_numpy()
    return SimpleNamespace(X=frame.to_numpy(dtype=float), y=y)


@pytest.fixture(scope="session")
def sms(sms_spam_file):
    """TF-IDF of words in CSR."""
    with gzip.open(sms_spam_file, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file]
    rows = [row for row in rows if row[0] in ("ham", "spam")]
    X = TfidfVectorizer().fit_transform([text for _, text in rows]).tocsr()
    return SimpleNamespace(X=X, y=np.array([label for label, _ in rows]))
