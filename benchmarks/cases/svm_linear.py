"""Linear support vector machines: fit on tables and text, and one row at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, _fit, _never_worse
from benchmarks.harness import OURS, Case


def _pair(name: str, **parameters: Any) -> dict[str, Any]:
    return {OURS: _fit("tripos", name, **parameters), SKL: _fit("sklearn.svm", name, **parameters)}


def _objective(data: Any, model: Any) -> dict[str, float]:
    """What liblinear minimises, for two classes or a number."""
    X, y = data
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    score = X @ w + b
    if hasattr(model, "classes_"):
        gap = np.maximum(0.0, 1.0 - np.where(y == model.classes_[1], 1.0, -1.0) * score)
    else:
        gap = np.maximum(0.0, np.abs(y - score) - model.epsilon)
    loss = gap @ gap if model.loss.startswith("squared") else gap.sum()
    return {"objective": float(0.5 * (w @ w + b * b) + model.C * loss)}


def _sms() -> Any:
    texts, y = sets.sms_texts()
    return sets.tfidf(texts), y


def _case(name: str, title: str, data: Any, runs: dict[str, Any], **options: Any) -> Case:
    agree = _never_worse(_objective, 1e-9)
    return Case(name, title, data, runs, quality=_objective, agree=agree, **options)


CASES = [
    _case(
        "linear-svc-500k-x-30",
        "linear SVC, 500k × 30",
        lambda: sets.binary(500_000, 30),
        _pair("LinearSVC"),
        goals={SKL: 10.0},
        cold=True,
    ),
    _case(
        "linear-svc-hinge-20k-x-30",
        "linear SVC, hinge, 20k × 30",
        lambda: sets.binary(20_000, 30),
        _pair("LinearSVC", loss="hinge"),
    ),
    _case("linear-svc-text-sms", "linear SVC, SMS spam TF-IDF", _sms, _pair("LinearSVC")),
    _case(
        "linear-svr-20k-x-50",
        "linear SVR, 20k × 50",
        lambda: sets.regression(20_000, 50),
        _pair("LinearSVR"),
        goals={SKL: 1.5},
    ),
]
