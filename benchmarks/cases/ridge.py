"""Ridge regression that leaves rows out, ridge on texts, and discriminant analysis."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, _fit, _never_worse
from benchmarks.harness import OURS, Case


def _pair(module: str, name: str, **parameters: Any) -> dict[str, Any]:
    return {OURS: _fit("tripos", name, **parameters), SKL: _fit(module, name, **parameters)}


def _text_objective(data: Any, model: Any) -> dict[str, float]:
    X, y = data
    target = np.where(y == model.classes_[1], 1.0, -1.0)
    w = np.ravel(model.coef_)
    residual = target - X @ w - model.intercept_[0]
    return {"objective": float(residual @ residual + model.alpha * w @ w)}


def _same_choice(data: Any, results: dict[str, Any]) -> None:
    assert results[OURS].alpha_ == results[SKL].alpha_
    np.testing.assert_allclose(results[OURS].best_score_, results[SKL].best_score_, rtol=1e-6)


def _same_labels(data: Any, results: dict[str, Any]) -> None:
    assert np.mean(results[OURS] == results[SKL]) > 0.9999


def _same_model(data: Any, results: dict[str, Any]) -> None:
    X = data[0][:1000]
    np.testing.assert_allclose(results[OURS].predict_proba(X), results[SKL].predict_proba(X), atol=1e-6)


def _leaving_out(n: int, p: int, label: str) -> Case:
    return Case(
        f"ridge-cv-{n}-x-{p}",
        f"ridge, leaving out each row, {label}",
        lambda: sets.regression(n, p),
        _pair("sklearn.linear_model", "RidgeCV"),
        agree=_same_choice,
        goals={SKL: 1.5},
    )


def _text(name: str, label: str, texts: Any) -> Case:
    return Case(
        f"ridge-text-{name}",
        f"ridge classifier, {label} TF-IDF",
        lambda: (lambda words, y: (sets.tfidf(words), y))(*texts()),
        _pair("sklearn.linear_model", "RidgeClassifier"),
        quality=_text_objective,
        agree=_never_worse(_text_objective, 1e-9),
        goals={SKL: 1.5},
    )


def _discriminant(short: str, name: str) -> list[Case]:
    module = "sklearn.discriminant_analysis"
    prepare = {who: (lambda data, fit=fit: (fit(data), data[0])) for who, fit in _pair(module, name).items()}
    predict = {who: (lambda data: data[0].predict(data[1])) for who in (OURS, SKL)}
    rows = lambda: sets.gaussians(500_000, 30, 5)  # noqa: E731
    goals = {SKL: 1.5}
    return [
        Case(
            f"{short}-fit",
            f"{name} fit, 500k × 30, 5 classes",
            rows,
            _pair(module, name),
            agree=_same_model,
            goals=goals,
        ),
        Case(
            f"{short}-predict",
            f"{name} predict, 500k × 30",
            rows,
            predict,
            prepare=prepare,
            agree=_same_labels,
            goals=goals,
        ),
    ]


CASES = [
    _leaving_out(10_000, 100, "10k × 100"),
    _leaving_out(200_000, 50, "200k × 50"),
    _leaving_out(2_000, 5_000, "2k × 5k"),
    _text("sms", "SMS spam", sets.sms_texts),
    _text("enron", "Enron spam", sets.enron_texts),
    *_discriminant("lda", "LinearDiscriminantAnalysis"),
    *_discriminant("qda", "QuadraticDiscriminantAnalysis"),
]
