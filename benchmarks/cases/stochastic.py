"""Learners that step from row to row: equal numbers of epochs on dense rows and on text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL = "scikit-learn"
SPREAD = 0.15  # of the objective from seed to seed after a few epochs; `tests` compare means over seeds


def _fit(module: str, name: str, parameters: dict[str, Any]) -> Callable[[Any], Any]:
    def run(data: Any) -> Any:
        import importlib

        X, y = data
        return getattr(importlib.import_module(module), name)(random_state=0, **parameters).fit(X, y)

    return run


def _both(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        OURS: _fit("tripos", name, parameters),
        SKL: _fit("sklearn.linear_model", name, parameters),
    }


def _objective(data: Any, model: Any) -> dict[str, float]:
    """Mean over classes, each against the rest, where there are more than two."""
    X, y = data
    W = np.atleast_2d(model.coef_)
    eta = X @ W.T + model.intercept_
    loss = getattr(model, "loss", "perceptron")
    if loss == "squared_error":
        return {"objective": float(0.5 * np.mean((eta[:, 0] - y) ** 2))}
    inside = y[:, None] > 0 if len(W) == 1 else y[:, None] == model.classes_
    margin = eta * np.where(inside, 1.0, -1.0)
    if loss == "perceptron":
        return {"errors": float(np.mean(margin <= 0))}
    losses = np.maximum(0.0, 1.0 - margin) if loss == "hinge" else np.logaddexp(0.0, -margin)
    share = {"l2": 0.0, "elasticnet": model.l1_ratio}[model.penalty]
    penalty = model.alpha * (share * np.abs(W).sum() + (1.0 - share) * 0.5 * (W * W).sum()) / len(W)
    return {"objective": float(losses.mean() + penalty)}


def _not_worse(data: Any, results: dict[str, Any]) -> None:
    ours, theirs = (next(iter(_objective(data, results[name]).values())) for name in (OURS, SKL))
    assert ours <= theirs * (1.0 + SPREAD) + 0.01, f"ours {ours!r} is worse than scikit-learn's {theirs!r}"


def _dense() -> Any:
    return sets.binary(500_000, 30)


def _digits() -> Any:
    from scipy.sparse import csr_array
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return csr_array(X / 16.0), y


def _text(texts: Callable[[], Any]) -> Callable[[], Any]:
    def load() -> Any:
        words, y = texts()
        return sets.tfidf(words), y

    return load


def _case(name: str, title: str, data: Callable[[], Any], goal: float, **parameters: Any) -> Case:
    return Case(
        name,
        title,
        data,
        _both(parameters.pop("learner", "SGDClassifier"), **parameters),
        quality=_objective,
        agree=_not_worse,
        goals={SKL: goal},
    )


DATA: dict[str, tuple[str, Callable[[], Any], int]] = {
    "500k-x-30": ("500k × 30", _dense, 5),
    "text-sms": ("SMS spam TF-IDF", _text(sets.sms_texts), 20),
    "text-enron": ("Enron spam TF-IDF", _text(sets.enron_texts), 10),
}
LOSSES = {"hinge": "hinge", "log_loss": "log"}

CASES = [
    *(
        _case(
            f"sgd-{LOSSES[loss]}-{penalty}-{where}",
            f"SGD classifier, {LOSSES[loss]}, {penalty}, {title}",
            data,
            1.5,
            loss=loss,
            penalty=penalty,
            max_iter=epochs,
            tol=None,
        )
        for where, (title, data, epochs) in DATA.items()
        for loss in LOSSES
        for penalty in ("l2", "elasticnet")
    ),
    *(
        _case(
            f"perceptron-{where}",
            f"perceptron, {title}",
            data,
            1.0,
            learner="Perceptron",
            max_iter=epochs,
            tol=None,
        )
        for where, (title, data, epochs) in DATA.items()
    ),
    *(
        _case(
            f"sgd-{LOSSES[loss]}-digits-csr",
            f"SGD classifier, {LOSSES[loss]}, digits in CSR",
            _digits,
            1.5,
            loss=loss,
        )
        for loss in LOSSES
    ),
    _case(
        "sgd-hinge-text-enron-until-done",
        "SGD classifier, hinge, Enron spam TF-IDF, to its own end",
        DATA["text-enron"][1],
        1.5,
    ),
    _case(
        "sgd-regressor-500k-x-30",
        "SGD regressor, 500k × 30",
        lambda: sets.regression(500_000, 30),
        1.5,
        learner="SGDRegressor",
        max_iter=5,
        tol=None,
        eta0=0.001,
    ),
]
