"""Boosted trees: fit and predict beside LightGBM and scikit-learn, with equal settings."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case

SKL, LGBM, QUANTISED = "scikit-learn", "LightGBM", "LightGBM quantised"


def interactions(n_rows: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian float32 columns and labels from products and a wave of six of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] - 0.5 * X[:, 4] * X[:, 5]
    return X, (score + 0.5 * rng.logistic(size=n_rows) > 0).astype(np.int64)


def _fit(module: str, name: str, **parameters: Any) -> Any:
    def run(data: Any) -> Any:
        X, y = data
        return getattr(importlib.import_module(module), name)(**parameters).fit(X, y)

    return run


FITS = {
    OURS: _fit("tripos", "HistGradientBoostingClassifier", early_stopping=False),
    SKL: _fit("sklearn.ensemble", "HistGradientBoostingClassifier", early_stopping=False),
    LGBM: _fit("lightgbm", "LGBMClassifier", verbose=-1),
    QUANTISED: _fit("lightgbm", "LGBMClassifier", verbose=-1, use_quantized_grad=True),
}


def _log_loss(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    p = model.predict_proba(X)[:, 1]
    return {"log loss": float(-np.mean(np.log(np.where(y == 1, p, 1 - p))))}


def _as_good(data: Any, results: dict[str, Any]) -> None:
    loss = {name: _log_loss(data, model)["log loss"] for name, model in results.items()}
    assert loss[OURS] <= min(loss.values()) * 1.05, loss


def _fitted(who: str) -> Any:
    return lambda data: (FITS[who](data), data[0])


def _probabilities(data: Any) -> Any:
    return data[0].predict_proba(data[1])


def _one_row(who: str) -> Any:
    return lambda data: (FITS[who](data), np.ascontiguousarray(data[0][:1]))


def _case(n_rows: int, n_features: int) -> list[Case]:
    size = f"{n_rows // 1000}k × {n_features}"
    name = f"boosting-{n_rows // 1000}k-x-{n_features}"
    return [
        Case(
            f"{name}-fit",
            f"boosting fit, 100 trees of 31 leaves, {size}",
            lambda: interactions(n_rows, n_features),
            FITS,
            quality=_log_loss,
            agree=_as_good,
            goals={SKL: 2.5, LGBM: 2.0, QUANTISED: 2.0},
            cold=True,
        ),
        Case(
            f"{name}-predict",
            f"boosting predict, {size}",
            lambda: interactions(n_rows, n_features),
            {who: _probabilities for who in (OURS, SKL, LGBM)},
            prepare={who: _fitted(who) for who in (OURS, SKL, LGBM)},
            goals={SKL: 2.0, LGBM: 2.0},
        ),
    ]


CASES = [
    *_case(20_000, 20),
    *_case(200_000, 50),
    Case(
        "one-row-boosting-predict",
        "boosting, predict one row through 100 trees",
        lambda: interactions(20_000, 20),
        {who: (lambda data: data[0].predict(data[1])) for who in (OURS, SKL, LGBM)},
        prepare={who: _one_row(who) for who in (OURS, SKL, LGBM)},
        calls=500,
        goals={SKL: 50.0, LGBM: 50.0},
        memory=False,
    ),
]
