"""The real tables on which boosted trees are compared: each as a table, a target, and how a seed parts its rows.

Categories are pandas categories, numbers float64 with NaN where a cell is missing.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import sets

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Table:
    """Rows of a set.

    Attributes
    ----------
    X : DataFrame
    y : ndarray
        Numbers, class codes from 0, or relevance.
    task : {"regression", "classes", "ranking"}
    query : ndarray, optional
        The query of each row, for ranking.
    test : bool ndarray, optional
        The rows that the set's authors hold out; without them a seed draws a fifth.
    most_rows : int, optional
        Training rows that a seed draws at most (and half as many for testing).
    """

    X: pd.DataFrame
    y: np.ndarray
    task: str
    query: np.ndarray | None = None
    test: np.ndarray | None = None
    most_rows: int | None = None

    @property
    def categories(self) -> list[str]:
        return [name for name in self.X if isinstance(self.X[name].dtype, pd.CategoricalDtype)]

    def parts(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Training and test rows of a seed; where test rows are given, the seed leaves out a fifth of the others."""
        rng = np.random.default_rng(seed)
        if self.query is not None:  # a query stays whole
            queries = np.unique(self.query)
            held = rng.choice(queries, int(TEST_SHARE * len(queries)), replace=False)
            test = np.isin(self.query, held)
            return np.flatnonzero(~test), np.flatnonzero(test)
        order = rng.permutation(len(self.y))
        if self.test is not None:
            train, test = order[~self.test[order]], order[self.test[order]]
            train = train[: int((1 - TEST_SHARE) * len(train))]
        else:
            n_test = int(TEST_SHARE * len(order))
            train, test = order[n_test:], order[:n_test]
        if self.most_rows is not None:
            train, test = train[: self.most_rows], test[: self.most_rows // 2]
        return train, test


def _frame(name: str, **how: Any) -> pd.DataFrame:
    return pd.read_csv(sets.real(name), **how)


def _typed(frame: pd.DataFrame, categories: tuple[str, ...] = ()) -> pd.DataFrame:
    """Words, and the columns that are named, as categories, the rest as numbers."""
    made = {}
    for name in frame:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and name not in categories:
            made[str(name)] = column.astype(float)
        else:
            words = column.astype("string").str.strip()
            made[str(name)] = pd.Categorical(words, categories=sorted(words.dropna().unique()))
    return pd.DataFrame(made)


def _classes(column: pd.Series) -> np.ndarray:
    return np.unique(column.to_numpy(), return_inverse=True)[1]


def adult() -> Table:
    how = {"header": None, "skipinitialspace": True, "na_values": "?"}
    frame = pd.concat(
        [_frame("adult/adult-train.csv.gz", **how), _frame("adult/adult-test.csv.gz", skiprows=1, **how)],
        ignore_index=True,
    )
    frame = frame[frame[14].notna()]
    y = frame.pop(14).str.contains(">50K").to_numpy().astype(int)
    return Table(_typed(frame), y, "classes")


def california_housing() -> Table:
    frame = _frame("california-housing/housing.csv.gz")
    y = frame.pop("median_house_value").to_numpy(float)
    return Table(_typed(frame), y, "regression")


def ames() -> Table:
    frame = _frame("ames/ames.csv.gz").drop(columns=["rownames", "Order", "PID"])
    y = frame.pop("price").to_numpy(float)
    return Table(_typed(frame, ("MS.SubClass",)), y, "regression")


def spambase() -> Table:
    frame = _frame("pmlb/spambase.tsv.gz", sep="\t")
    return Table(_typed(frame.drop(columns="target")), _classes(frame["target"]), "classes")


def covertype() -> Table:
    frame = _frame("covertype-15k/covtype_kaggle_train.csv.gz").drop(columns="Id")
    y = _classes(frame.pop("Cover_Type"))
    return Table(_typed(frame), y, "classes")


def poker() -> Table:
    frame = _frame("poker-100k/poker.csv.gz", encoding="utf-8-sig")
    y = _classes(frame.pop("CLASS"))
    return Table(_typed(frame), y, "classes", most_rows=40_000)


def credit_default() -> Table:
    frame = _frame("credit-default-uci/UCI_Credit_Card.csv.gz").drop(columns="ID")
    y = _classes(frame.pop("default.payment.next.month"))
    return Table(_typed(frame), y, "classes")


def bank_marketing() -> Table:
    frame = _frame("bank-marketing/bank-full.csv.gz")
    y = _classes(frame.pop("deposit"))
    return Table(_typed(frame), y, "classes")


def telco_churn() -> Table:
    frame = _frame("telco-churn/Telco-Customer-Churn.csv.gz").drop(columns="customerID")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    y = _classes(frame.pop("Churn"))
    return Table(_typed(frame), y, "classes")


def nsl_kdd() -> Table:
    names = ("KDDTrain+_20Percent", "KDDTest+")
    parts = [_frame(f"nsl-kdd/{name}.txt.gz", header=None) for name in names]
    frame = pd.concat(parts, ignore_index=True).drop(columns=42)
    y = (frame.pop(41) != "normal").to_numpy().astype(int)
    test = np.arange(len(y)) >= len(parts[0])
    return Table(_typed(frame), y, "classes", test=test)


def fashion_mnist() -> Table:
    def read(name: str, skip: int) -> np.ndarray:
        packed = sets.real(f"fashion-mnist/{name}.gz").read_bytes()
        return np.frombuffer(gzip.decompress(packed), np.uint8, offset=skip)

    parts = ("train", "t10k")
    pixels = np.concatenate([read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 784) for part in parts])
    y = np.concatenate([read(f"{part}-labels-idx1-ubyte", 8) for part in parts]).astype(int)
    test = np.arange(len(y)) >= 60_000
    X = pd.DataFrame(pixels, columns=[f"pixel {j}" for j in range(784)])
    return Table(X, y, "classes", test=test, most_rows=4_000)


def lightgbm_ranking() -> Table:
    from sklearn.datasets import load_svmlight_file

    X, y, sizes = [], [], []
    for part in ("train", "test"):
        rows, target = load_svmlight_file(str(sets.real(f"lightgbm-examples/rank.{part}.gz")), n_features=301)
        X.append(rows.toarray())
        y.append(target)
        sizes.append(np.loadtxt(sets.real(f"lightgbm-examples/rank.{part}.query"), dtype=int))
    lengths = np.concatenate(sizes)
    query = np.repeat(np.arange(len(lengths)), lengths)
    names = [f"x{j}" for j in range(301)]
    return Table(pd.DataFrame(np.vstack(X), columns=names), np.concatenate(y), "ranking", query=query)


def flights() -> Table:
    frame = _frame("nycflights13/flights.csv.gz").dropna(subset=["arr_delay"])
    y = (frame["arr_delay"] > 15).to_numpy().astype(int)
    kept = ["month", "day", "hour", "distance", "carrier", "tailnum", "flight", "origin", "dest"]
    return Table(_typed(frame[kept], ("flight",)), y, "classes", most_rows=60_000)


SETS: dict[str, Callable[[], Table]] = {
    "telco-churn": telco_churn,
    "spambase": spambase,
    "ames": ames,
    "california-housing": california_housing,
    "credit-default-uci": credit_default,
    "adult": adult,
    "bank-marketing": bank_marketing,
    "lightgbm-examples ranking": lightgbm_ranking,
    "nsl-kdd": nsl_kdd,
    "covertype-15k": covertype,
    "nycflights13": flights,
    "poker-100k": poker,
    "fashion-mnist": fashion_mnist,
}
FEWER_SEEDS = {"nycflights13": 3, "poker-100k": 3, "fashion-mnist": 2}
