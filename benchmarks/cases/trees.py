"""Boosted trees: fit and predict beside LightGBM, XGBoost and scikit-learn, with equal settings.

100 trees of 31 leaves at the learning rate 0.1 over at most 255 bins. LightGBM runs in both its modes; the goals are
against the faster one. Rows of much work have one peer each, which keeps a row's run under a minute.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL, LGBM, QUANTISED, XGB = "scikit-learn", "LightGBM", "LightGBM quantised", "XGBoost"
ALL = (SKL, LGBM, QUANTISED, XGB)
FIT_GOALS = {SKL: 2.5, LGBM: 2.0, QUANTISED: 2.0, XGB: 2.5}
PREDICT_GOALS = {SKL: 2.0, LGBM: 2.0, XGB: 1.5}
Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # X, y, held out X, y, categories
XGBOOST = {
    "tree_method": "hist",
    "grow_policy": "lossguide",
    "max_leaves": 31,
    "max_depth": 0,
    "learning_rate": 0.1,
    "n_estimators": 100,
    "max_bin": 255,
    "verbosity": 0,
}


def interactions(n_rows: int, n_features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian float32 columns and labels from products and a wave of six of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] - 0.5 * X[:, 4] * X[:, 5]
    return X, (score + 0.5 * rng.logistic(size=n_rows) > 0).astype(np.int64)


def numbers(n_rows: int, n_features: int) -> Table:
    """`interactions`, and 20,000 rows of it held out."""
    return (
        *interactions(n_rows, n_features),
        *interactions(20_000, n_features, seed=1),
        np.empty(0, np.int64),
    )


def mixed(n_rows: int, n_features: int) -> Table:
    """As `numbers`, with 15 columns of 8 to 60 levels that have effects of their own, and 10 % missing cells."""
    X, y, X_test, y_test, _ = numbers(n_rows, n_features)
    columns = np.arange(n_features - 15, n_features)
    rng = np.random.default_rng(2)
    sizes = rng.integers(8, 61, size=15)
    effects = [rng.normal(size=size) for size in sizes]
    for Z, seed in ((X, 3), (X_test, 4)):
        own = np.random.default_rng(seed)
        for j, size in zip(columns, sizes, strict=True):
            Z[:, j] = own.integers(size, size=len(Z))
    scores = [
        sum(e[Z[:, j].astype(int)] for j, e in zip(columns[:5], effects, strict=False)) for Z in (X, X_test)
    ]
    y = ((2 * y - 1) + scores[0] > 0).astype(np.int64)
    y_test = ((2 * y_test - 1) + scores[1] > 0).astype(np.int64)
    for Z, seed in ((X, 5), (X_test, 6)):
        Z[np.random.default_rng(seed).random(Z.shape) < 0.1] = np.nan
    return X, y, X_test, y_test, columns


def split(X: np.ndarray, y: np.ndarray, categories: Any) -> Table:
    """A fifth of the rows held out."""
    rng = np.random.default_rng(0)
    held = rng.random(len(y)) < 0.2
    X = np.ascontiguousarray(X, np.float32)
    return X[~held], y[~held], X[held], y[held], np.asarray(categories, np.int64)


@cache
def adult() -> Table:
    """Adult census, categories as codes."""
    import pandas as pd

    frame = pd.read_csv(sets.real("adult/adult-train.csv.gz"), skipinitialspace=True, na_values="?")
    target = frame.columns[-1]
    y = (frame[target].astype(str).str.contains(">")).to_numpy().astype(np.int64)
    frame = frame.drop(columns=target)
    words = [j for j, name in enumerate(frame) if not pd.api.types.is_numeric_dtype(frame[name])]
    for j in words:
        name = frame.columns[j]
        codes = pd.factorize(frame[name], sort=True)[0].astype(float)
        frame[name] = np.where(codes < 0, np.nan, codes)
    return split(frame.to_numpy(float), y, words)


def adult_indicators() -> Table:
    """Adult census, each level of a category a column of zeros and ones."""
    X, y, X_test, y_test, words = adult()
    numbers_of = np.setdiff1d(np.arange(X.shape[1]), words)

    def wide(Z: np.ndarray) -> np.ndarray:
        levels = [np.arange(np.nanmax(X[:, j]) + 1) for j in words]
        marks = [Z[:, [j]] == known for j, known in zip(words, levels, strict=True)]
        return np.hstack([Z[:, numbers_of], *marks]).astype(np.float32)

    return wide(X), y, wide(X_test), y_test, np.empty(0, np.int64)


def words_of_messages() -> Table:
    """How often each word stands in each SMS, CSR."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts, y = sets.sms_texts()
    counts = CountVectorizer(dtype=np.float32).fit_transform(texts)
    held = np.random.default_rng(0).random(len(y)) < 0.2
    return counts[~held], y[~held], counts[held], y[held], np.empty(0, np.int64)


def covertype() -> Table:
    """Covertype, 15,000 rows of 7 classes."""
    import pandas as pd

    frame = pd.read_csv(sets.real("covertype-15k/covtype_kaggle_train.csv.gz"))
    target = next(c for c in frame.columns if c.lower() == "cover_type")
    X = frame.drop(columns=target).select_dtypes("number").to_numpy(np.float32)
    return split(X, frame[target].to_numpy() - 1, [])


def _model(who: str, table: Table) -> Any:
    X, categories = table[0], table[4]
    marked = categories if len(categories) else None
    if who in (OURS, SKL):
        module = importlib.import_module("tripos" if who == OURS else "sklearn.ensemble")
        if sp.issparse(X):
            return module.BoostedTreesClassifier()
        return module.HistGradientBoostingClassifier(early_stopping=False, categorical_features=marked)
    if who == XGB:
        kinds = ["q"] * X.shape[1]
        for j in categories:
            kinds[j] = "c"
        extra = {"enable_categorical": True, "feature_types": kinds} if len(categories) else {}
        return importlib.import_module("xgboost").XGBClassifier(**XGBOOST, **extra)
    quantised = {"use_quantized_grad": True} if who == QUANTISED else {}
    return importlib.import_module("lightgbm").LGBMClassifier(verbose=-1, **quantised)


def _fit(who: str) -> Callable[[Table], Any]:
    def run(table: Table) -> Any:
        model = _model(who, table)
        if who in (LGBM, QUANTISED) and len(table[4]):
            return model.fit(table[0], table[1], categorical_feature=table[4].tolist())
        return model.fit(table[0], table[1])

    return run


def _log_loss(table: Table, model: Any) -> dict[str, float]:
    p = model.predict_proba(table[2])[np.arange(len(table[3])), table[3]]
    return {"held-out log loss": float(-np.mean(np.log(np.maximum(p, 1e-15))))}


def _as_good(table: Table, results: dict[str, Any]) -> None:
    loss = {name: _log_loss(table, model)["held-out log loss"] for name, model in results.items()}
    assert loss[OURS] <= min(loss.values()) * 1.05, loss


def _fitted(who: str) -> Callable[[Table], Any]:
    return lambda table: (_fit(who)(table), table[0])


def _probabilities(data: Any) -> Any:
    return data[0].predict_proba(data[1])


def _one_row(who: str) -> Callable[[Table], Any]:
    return lambda table: (_fit(who)(table), np.ascontiguousarray(table[0][:1]))


def _fit_case(
    name: str, title: str, data: Callable[[], Table], peers: tuple[str, ...] = ALL, **how: Any
) -> Case:
    return Case(
        name,
        f"boosting fit, 100 trees of 31 leaves, {title}",
        data,
        {who: _fit(who) for who in (OURS, *peers)},
        quality=_log_loss,
        agree=_as_good,
        goals={who: FIT_GOALS[who] for who in peers},
        **{"runs": 3, "memory": False, **how},
    )


def _predict_case(
    name: str, title: str, data: Callable[[], Table], peers: tuple[str, ...] = (SKL, LGBM, XGB)
) -> Case:
    return Case(
        name,
        f"boosting predict, {title}",
        data,
        {who: _probabilities for who in (OURS, *peers)},
        prepare={who: _fitted(who) for who in (OURS, *peers)},
        goals={who: PREDICT_GOALS[who] for who in peers},
        memory=False,
        runs=5,
    )


def _small() -> Table:
    return numbers(20_000, 20)


def _middle() -> Table:
    return numbers(200_000, 50)


def _large() -> Table:
    return numbers(1_000_000, 28)


def _mixed() -> Table:
    return mixed(200_000, 50)


NAMES = {SKL: "scikit-learn", LGBM: "lightgbm", QUANTISED: "lightgbm-quantised", XGB: "xgboost"}


def _apart(name: str, title: str, data: Callable[[], Table], **how: Any) -> list[Case]:
    """A row for each peer."""
    return [
        _fit_case(f"{name}-{NAMES[who]}", f"{title}, beside {who}", data, (who,), runs=2, **how)
        for who in ALL
    ]


CASES = [
    _fit_case("boosting-20k-x-20-fit", "20k × 20", _small, memory=True),
    _predict_case("boosting-20k-x-20-predict", "20k × 20", _small),
    *_apart("boosting-200k-x-50-fit", "200k × 50", _middle),
    _predict_case("boosting-200k-x-50-predict", "200k × 50", _middle),
    *_apart("boosting-1m-x-28-fit", "1M × 28", _large),
    _predict_case("boosting-1m-x-28-predict", "1M × 28", _large, (LGBM, XGB)),
    *_apart("boosting-200k-x-50-mixed-fit", "200k × 50, 15 categories, 10 % missing", _mixed),
    _predict_case("boosting-200k-x-50-mixed-predict", "200k × 50, 15 categories, 10 % missing", _mixed),
    _fit_case("boosting-adult-fit", "adult", adult, memory=True),
    _predict_case("boosting-adult-predict", "adult", adult),
    _fit_case("boosting-adult-indicators-fit", "adult one-hot", adult_indicators),
    _fit_case(
        "boosting-words-fit", "SMS × 8.7k counts of words (CSR)", words_of_messages, (QUANTISED, XGB), runs=2
    ),  # LightGBM without quantised gradients takes five times as long
    _fit_case("boosting-covertype-fit", "covertype-15k, 7 classes", covertype),
    _predict_case("boosting-covertype-predict", "covertype-15k, 7 classes", covertype),
    Case(
        "one-row-boosting-predict",
        "boosting, predict one row through 100 trees",
        _small,
        {who: (lambda data: data[0].predict(data[1])) for who in (OURS, SKL, LGBM, XGB)},
        prepare={who: _one_row(who) for who in (OURS, SKL, LGBM, XGB)},
        calls=500,
        goals={SKL: 50.0, LGBM: 50.0, XGB: 50.0},
        memory=False,
        runs=3,
    ),
    Case(
        "boosting-first-fit",
        "boosting fit, 20k × 20, first call",
        _small,
        {who: _fit(who) for who in (OURS, LGBM)},
        memory=False,
        cold=True,
        runs=3,
    ),
]
