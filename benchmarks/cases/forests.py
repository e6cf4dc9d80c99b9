"""Forests, extremely randomised trees and boosted stumps beside scikit-learn, with equal settings."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.trees import interactions
from benchmarks.harness import OURS, Case

SKL = "scikit-learn"
MODULES = {OURS: "tripos", SKL: "sklearn.ensemble"}


def covertype() -> tuple[np.ndarray, np.ndarray]:
    """A training half of covertype-15k: 54 columns, 7 classes."""
    import pandas as pd

    frame = pd.read_csv(sets.real("covertype-15k/covtype_kaggle_train.csv.gz"))
    target = next(c for c in frame.columns if c.lower() == "cover_type")
    X = frame.drop(columns=target).select_dtypes("number").to_numpy(np.float32)
    return np.ascontiguousarray(X), frame[target].to_numpy()


def _fit(who: str, name: str, **parameters: Any) -> Any:
    def run(data: Any) -> Any:
        X, y = data
        if who == SKL and "AdaBoost" not in name:
            return getattr(importlib.import_module(MODULES[who]), name)(n_jobs=-1, **parameters).fit(X, y)
        return getattr(importlib.import_module(MODULES[who]), name)(**parameters).fit(X, y)

    return run


def _accuracy(fresh: Any) -> Any:
    def quality(data: Any, model: Any) -> dict[str, float]:
        X, y = fresh()
        return {"accuracy": float(np.mean(model.predict(X) == y))}

    return quality


def _fits(name: str, **parameters: Any) -> dict[str, Any]:
    return {who: _fit(who, name, **parameters) for who in (OURS, SKL)}


def _held_out() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 20)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] - 0.5 * X[:, 4] * X[:, 5]
    return X, (score + 0.5 * rng.logistic(size=len(X)) > 0).astype(np.int64)


def _as_good(data: Any, results: dict[str, Any]) -> None:
    X, y = _held_out()
    found = {who: float(np.mean(model.predict(X) == y)) for who, model in results.items()}
    assert found[OURS] >= found[SKL] - 0.01, found


def _prepared(name: str, rows: int | None = None, **parameters: Any) -> dict[str, Any]:
    fits = _fits(name, **parameters)
    return {
        who: (lambda data, fit=fit: (fit(data), np.ascontiguousarray(data[0][:rows])))
        for who, fit in fits.items()
    }


def _predict(data: Any) -> Any:
    return data[0].predict(data[1])


BOTH = {who: _predict for who in (OURS, SKL)}
CASES = [
    Case(
        "forest-200k-x-20-fit",
        "random forest fit, 10 full trees, 200k × 20",
        lambda: interactions(200_000, 20),
        _fits("RandomForestClassifier", n_estimators=10, random_state=0),
        quality=_accuracy(_held_out),
        agree=_as_good,
        goals={SKL: 10.0},
        memory=False,
        runs=3,
    ),
    Case(
        "forest-20k-x-20-fit",
        "random forest fit, 20 full trees, 20k × 20",
        lambda: interactions(20_000, 20),
        _fits("RandomForestClassifier", n_estimators=20, random_state=0),
        quality=_accuracy(_held_out),
        agree=_as_good,
        goals={SKL: 10.0},
        memory=False,
        runs=3,
    ),
    Case(
        "forest-20k-x-20-predict",
        "random forest predict, 100 trees, 20k × 20",
        lambda: interactions(20_000, 20),
        BOTH,
        prepare=_prepared("RandomForestClassifier", random_state=0),
        goals={SKL: 3.0},
        memory=False,
        runs=3,
    ),
    Case(
        "one-row-forest-predict",
        "random forest, predict one row through 100 trees",
        lambda: interactions(10_000, 20),
        BOTH,
        prepare=_prepared("RandomForestClassifier", 1, random_state=0),
        calls=50,
        goals={SKL: 50.0},
        memory=False,
        runs=3,
    ),
    Case(
        "extra-trees-20k-x-20-fit",
        "extremely randomised trees fit, 20 full trees, 20k × 20",
        lambda: interactions(20_000, 20),
        _fits("ExtraTreesClassifier", n_estimators=20, random_state=0),
        quality=_accuracy(_held_out),
        agree=_as_good,
        goals={SKL: 3.0},
        memory=False,
        runs=3,
    ),
    Case(
        "forest-covertype-fit",
        "random forest fit, 50 full trees, covertype-15k",
        covertype,
        _fits("RandomForestClassifier", n_estimators=50, random_state=0),
        goals={SKL: 10.0},
        memory=False,
        runs=3,
    ),
    Case(
        "adaboost-stumps-20k-x-20-fit",
        "AdaBoost fit, 50 stumps, 20k × 20",
        lambda: interactions(20_000, 20),
        _fits("AdaBoostClassifier"),
        quality=_accuracy(_held_out),
        agree=_as_good,
        goals={SKL: 5.0},
        memory=False,
        runs=3,
    ),
]
