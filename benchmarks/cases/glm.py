"""Generalised linear models and robust regression beside scikit-learn's."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL = "scikit-learn"


def _fit(module: str, name: str, **parameters: Any) -> Any:
    def run(data: Any) -> Any:
        X, y = data
        return getattr(importlib.import_module(module), name)(**parameters).fit(X, y)

    return run


def _both(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        OURS: _fit("tripos", name, **parameters),
        SKL: _fit("sklearn.linear_model", name, **parameters),
    }


def _generated(n_rows: int, n_columns: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns and counts, amounts, sums of amounts, or numbers with heavy tails."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    eta = X @ (0.15 * rng.normal(size=n_columns)) + 0.5
    if kind == "tails":
        return X, eta + rng.standard_t(2, size=n_rows)
    counts = rng.poisson(np.exp(eta)).astype(float)
    amounts = rng.gamma(2.0, np.exp(eta) / 2.0)
    return X, {"counts": counts, "amounts": amounts, "sums": counts * amounts}[kind]


def _bikes() -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    frame = pd.read_csv(sets.real("bike-sharing/hour.csv.gz"))
    y = frame["cnt"].to_numpy(dtype=float)
    frame = frame.drop(columns=["instant", "dteday", "casual", "registered", "cnt"])
    X = pd.get_dummies(frame.astype({"season": str, "weathersit": str, "hr": str}), drop_first=True)
    X = X.to_numpy(dtype=float)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def _half_deviance(power: float) -> Any:
    def quality(data: Any, model: Any) -> dict[str, float]:
        from tripos.metrics import mean_tweedie_deviance

        X, y = data
        half = 0.5 * mean_tweedie_deviance(y, model.predict(X), power=power)
        return {"objective": half + 0.5 * model.alpha * float(model.coef_ @ model.coef_)}

    return quality


def _huber(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    z = np.abs(y - X @ model.coef_ - model.intercept_) / model.scale_
    e = model.epsilon
    rows = np.where(z <= e, z * z, 2 * e * z - e * e)
    penalty = model.alpha * float(model.coef_ @ model.coef_)
    return {"objective": float(model.scale_ * (len(y) + rows.sum())) + penalty}


def _pinball(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    r, q = y - X @ model.coef_ - model.intercept_, model.quantile
    return {
        "objective": float(np.maximum(q * r, (q - 1) * r).mean() + model.alpha * np.abs(model.coef_).sum())
    }


def _never_worse(quality: Any) -> Any:
    def agree(data: Any, results: dict[str, Any]) -> None:
        ours, theirs = (quality(data, results[name])["objective"] for name in (OURS, SKL))
        assert ours <= theirs * (1 + 1e-9), f"ours {ours!r} is worse than scikit-learn's {theirs!r}"

    return agree


def _case(name: str, label: str, data: Any, fits: dict[str, Any], quality: Any, goal: float) -> Case:
    return Case(name, label, data, fits, quality=quality, agree=_never_worse(quality), goals={SKL: goal})


_FAMILIES = (("Poisson", "counts", 1.0), ("Gamma", "amounts", 2.0), ("Tweedie", "sums", 1.5))
CASES = [
    *(
        _case(
            f"{name.lower()}-500k-x-30-{solver}",
            f"{name} regression, 500k × 30, {solver}",
            lambda kind=kind: _generated(500_000, 30, kind),
            _both(
                f"{name}Regressor", alpha=1e-4, solver=solver, **({"power": 1.5} if name == "Tweedie" else {})
            ),
            _half_deviance(power),
            1.5,
        )
        for name, kind, power in _FAMILIES
        for solver in ("lbfgs", "newton-cholesky")
    ),
    _case(
        "poisson-bikes", "Poisson regression, bike hires", _bikes,
        _both("PoissonRegressor", alpha=1e-3, max_iter=1000), _half_deviance(1.0), 1.5,
    ),
    _case(
        "huber-200k-x-20", "Huber regression, 200k × 20", lambda: _generated(200_000, 20, "tails"),
        _both("HuberRegressor"), _huber, 1.5,
    ),
    _case(
        "quantile-5k-x-10", "median regression, 5k × 10", lambda: _generated(5_000, 10, "tails"),
        _both("QuantileRegressor", alpha=0.01), _pinball, 2.0,
    ),
]  # fmt: skip
