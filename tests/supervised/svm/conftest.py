"""Real data on which kernel machines are compared with libsvm's, scaled as they need it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler


def _scaled(X: np.ndarray) -> np.ndarray:
    return StandardScaler().fit_transform(X)


@pytest.fixture(scope="session")
def spambase(data_file):
    frame = pd.read_csv(data_file("pmlb/spambase.tsv.gz"), sep="\t").drop_duplicates().iloc[::2]
    y = frame.pop("target").to_numpy()
    return SimpleNamespace(X=_scaled(frame.to_numpy(dtype=float)), y=y)


@pytest.fixture(scope="session")
def letters(data_file):
    """Five letters of twenty-six."""
    frame = pd.read_csv(data_file("pmlb/letter.tsv.gz"), sep="\t")
    frame = frame[frame["target"] <= 5].drop_duplicates().iloc[::2]
    y = frame.pop("target").to_numpy()
    return SimpleNamespace(X=_scaled(frame.to_numpy(dtype=float)), y=y)


@pytest.fixture(scope="session")
def adult(data_file):
    """Numbers standardised, categories one-hot."""
    frame = pd.read_csv(data_file("adult/adult-train.csv.gz"), header=None, skipinitialspace=True).iloc[::16]
    y = (frame.pop(14) == ">50K").to_numpy()
    numbers = frame.select_dtypes("number")
    frame[numbers.columns] = (numbers - numbers.mean()) / numbers.std()
    return SimpleNamespace(X=pd.get_dummies(frame).to_numpy(dtype=float), y=y)


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return SimpleNamespace(X=X / 16.0, y=y)


@pytest.fixture(scope="session")
def california(data_file):
    frame = pd.read_csv(data_file("california-housing/housing.csv.gz")).dropna().iloc[::10]
    y = frame.pop("median_house_value").to_numpy() / 1e5
    return SimpleNamespace(X=_scaled(pd.get_dummies(frame).to_numpy(dtype=float)), y=y)
