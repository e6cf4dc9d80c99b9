"""Least squares, ridge and logistic regression: fit, text, and one row at a time."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL, SKLEX = "scikit-learn", "scikit-learn-intelex"


def _fit(module: str, name: str, **parameters: Any) -> Any:
    """A function that imports the estimator, fits it on (X, y) and returns it."""

    def run(data: Any) -> Any:
        import importlib

        X, y = data
        return getattr(importlib.import_module(module), name)(**parameters).fit(X, y)

    return run


def _three(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        OURS: _fit("tripos", name, **parameters),
        SKL: _fit("sklearn.linear_model", name, **parameters),
        SKLEX: _fit("sklearnex.linear_model", name, **parameters),
    }


def _squared_objective(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    residual = y - X @ model.coef_ - model.intercept_
    alpha = getattr(model, "alpha", 0.0)
    return {"objective": float(residual @ residual + alpha * model.coef_ @ model.coef_)}


def _logistic_objective(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    margin = (X @ model.coef_[0] + model.intercept_[0]) * np.where(y == model.classes_[1], 1.0, -1.0)
    return {
        "objective": float(np.logaddexp(0.0, -margin).sum() + 0.5 / model.C * model.coef_[0] @ model.coef_[0])
    }


def _never_worse(quality: Any, slack: float) -> Any:
    """Our objective may exceed scikit-learn's by `slack` relative at most; all are shown beside the times."""

    def agree(data: Any, results: dict[str, Any]) -> None:
        ours, theirs = (quality(data, results[name])["objective"] for name in (OURS, SKL))
        assert ours <= theirs * (1 + slack), f"ours {ours!r} is worse than scikit-learn's {theirs!r}"

    return agree


def _same_coefficients(data: Any, results: dict[str, Any]) -> None:
    for name, model in results.items():
        np.testing.assert_allclose(results[OURS].coef_, model.coef_, rtol=1e-6, err_msg=name)


def _one_row(method: str) -> dict[str, Any]:
    return {name: lambda data: getattr(data[0], method)(data[1]) for name in (OURS, SKL, SKLEX)}


def _fitted_with_row(module: str) -> Any:
    fit = _fit(module, "LogisticRegression")

    def prepare(data: Any) -> Any:
        return fit(data), np.ascontiguousarray(data[0][:1])

    return prepare


_ONE_ROW_MODELS = {
    OURS: _fitted_with_row("tripos"),
    SKL: _fitted_with_row("sklearn.linear_model"),
    SKLEX: _fitted_with_row("sklearnex.linear_model"),
}


def _same_prediction(data: Any, results: dict[str, Any]) -> None:
    for name, prediction in results.items():
        np.testing.assert_allclose(results[OURS], prediction, rtol=1e-3, err_msg=name)


def _toy(name: str) -> Any:
    """A small table of scikit-learn's with columns of one scale."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def _small(name: str, table: str, estimator: str, quality: Any, agree: Any) -> Case:
    both = {k: v for k, v in _three(estimator).items() if k != SKLEX}
    data = functools.partial(_toy, table)
    title = f"{estimator} fit, {table.replace('_', ' ')}"
    return Case(name, title, data, both, quality=quality, agree=agree, calls=50, goals={SKL: 1.3})


CASES = [
    _small("small-least-squares", "diabetes", "LinearRegression", _squared_objective, _same_coefficients),
    _small("small-ridge", "diabetes", "Ridge", _squared_objective, _same_coefficients),
    _small(
        "small-logistic",
        "breast_cancer",
        "LogisticRegression",
        _logistic_objective,
        _never_worse(_logistic_objective, 1e-9),
    ),
    Case(
        "least-squares-1m-x-50",
        "least squares, 1M × 50",
        lambda: sets.regression(1_000_000, 50),
        _three("LinearRegression"),
        quality=_squared_objective,
        agree=_same_coefficients,
        goals={SKL: 5.0, SKLEX: 1.1},
        cold=True,
    ),
    Case(
        "ridge-1m-x-50",
        "ridge, 1M × 50",
        lambda: sets.regression(1_000_000, 50),
        _three("Ridge"),
        quality=_squared_objective,
        agree=_same_coefficients,
        goals={SKL: 1.7, SKLEX: 1.2},
    ),
    Case(
        "logistic-500k-x-30",
        "logistic, 500k × 30",
        lambda: sets.binary(500_000, 30),
        _three("LogisticRegression"),
        quality=_logistic_objective,
        agree=_never_worse(_logistic_objective, 1e-9),
        goals={SKL: 1.8, SKLEX: 1.5},
        cold=True,
    ),
    Case(
        "logistic-5k-x-2k",
        "logistic, 5k × 2k",
        lambda: sets.binary(5_000, 2_000),
        _three("LogisticRegression", C=0.01, max_iter=1000),
        quality=_logistic_objective,
        agree=_never_worse(_logistic_objective, 1e-9),
    ),
    Case(
        "logistic-text-sms",
        "logistic, SMS spam TF-IDF",
        lambda: (lambda texts, y: (sets.tfidf(texts), y))(*sets.sms_texts()),
        {k: v for k, v in _three("LogisticRegression").items() if k != SKLEX},
        quality=_logistic_objective,
        agree=_never_worse(_logistic_objective, 1e-9),
    ),
    Case(
        "logistic-text-enron",
        "logistic, Enron spam TF-IDF",
        lambda: (lambda texts, y: (sets.tfidf(texts), y))(*sets.enron_texts()),
        {k: v for k, v in _three("LogisticRegression").items() if k != SKLEX},
        quality=_logistic_objective,
        agree=_never_worse(_logistic_objective, 1e-9),
    ),
    Case(
        "one-row-logistic-predict",
        "logistic, predict one row",
        lambda: sets.binary(5_000, 20),
        _one_row("predict"),
        prepare=_ONE_ROW_MODELS,
        agree=_same_prediction,
        calls=2000,
        goals={SKL: 20.0},
        memory=False,
    ),
    Case(
        "one-row-logistic-probability",
        "logistic, probability of one row",
        lambda: sets.binary(5_000, 20),
        _one_row("predict_proba"),
        prepare=_ONE_ROW_MODELS,
        agree=_same_prediction,
        calls=2000,
        memory=False,
    ),
]
