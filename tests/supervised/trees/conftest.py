"""The real data sets on which trees are compared with scikit-learn's and LightGBM's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def adult_table(data_file):
    """Training and test part with their categories as pandas has them."""

    def read(name: str, skip: int) -> tuple[pd.DataFrame, np.ndarray]:
        frame = pd.read_csv(
            data_file(f"adult/{name}.csv.gz"),
            header=None,
            skipinitialspace=True,
            na_values="?",
            skiprows=skip,
        )
        y = frame.pop(14).str.contains(">50K").to_numpy()
        frame.columns = [f"c{j}" for j in frame.columns]
        return frame, y

    X, y = read("adult-train", 0)
    X_test, y_test = read("adult-test", 0)
    for name in X.select_dtypes(exclude="number"):
        levels = sorted(X[name].dropna().unique())
        X[name] = pd.Categorical(X[name], categories=levels)
        X_test[name] = pd.Categorical(X_test[name], categories=levels)
    return SimpleNamespace(X=X, y=y, X_test=X_test, y_test=y_test)


@pytest.fixture(scope="session")
def california_gaps(data_file):
    """Numbers with missing cells; the last quarter is for testing."""
    frame = pd.read_csv(data_file("california-housing/housing.csv.gz")).sample(frac=1, random_state=0)
    y = frame.pop("median_house_value").to_numpy(dtype=float)
    X = frame.select_dtypes("number").to_numpy(dtype=float)
    return SimpleNamespace(X=X[:15000], y=y[:15000], X_test=X[15000:], y_test=y[15000:])


@pytest.fixture(scope="session")
def covertype(data_file):
    from pathlib import Path

    folder = Path(data_file("covertype-15k"))
    frame = pd.read_csv(next(folder.glob("*.csv.gz"))).sample(frac=1, random_state=0)
    y = frame.pop("Cover_Type").to_numpy()
    X = frame.drop(columns="Id").to_numpy(dtype=np.float32)
    return SimpleNamespace(X=X[:10000], y=y[:10000], X_test=X[10000:], y_test=y[10000:])
