"""Logistic regression beyond L2 and two classes: L1 on text and on a table, softmax, cross-validation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL = "scikit-learn"


def _fit(module: str, name: str, **parameters: Any) -> Any:
    def run(data: Any) -> Any:
        import importlib

        X, y = data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(module), name)(**parameters).fit(X, y)

    return run


def _both(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        OURS: _fit("tripos", name, **parameters),
        SKL: _fit("sklearn.linear_model", name, **parameters),
    }


def _objective(data: Any, model: Any) -> dict[str, float]:
    """C sum_i L_i + r |W|_1 + (1 - r) |W|^2 / 2."""
    X, y = data
    W, ratio = model.coef_, getattr(model, "l1_ratio", 0.0)
    scores, codes = X @ W.T + model.intercept_, np.searchsorted(model.classes_, y)
    if len(model.classes_) == 2:
        loss = np.logaddexp(0.0, scores[:, 0]) - codes * scores[:, 0]
    else:
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    penalty = ratio * np.abs(W).sum() + 0.5 * (1.0 - ratio) * np.sum(W * W)
    return {"objective": float(getattr(model, "C", 1.0) * loss.sum() + penalty)}


def _never_worse(data: Any, results: dict[str, Any]) -> None:
    ours, theirs = (_objective(data, results[name])["objective"] for name in (OURS, SKL))
    assert ours <= theirs * (1 + 1e-9), f"ours {ours!r} is worse than scikit-learn's {theirs!r}"


def _same_choice(data: Any, results: dict[str, Any]) -> None:
    np.testing.assert_array_equal(results[OURS].C_, results[SKL].C_)


def _sms() -> Any:
    texts, y = sets.sms_texts()
    return sets.tfidf(texts), y


def _iris() -> Any:
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def _table(name: str) -> Any:
    import pandas as pd

    frame = pd.read_csv(sets.real(f"pmlb/{name}.tsv.gz"), sep="\t")
    y = frame.pop("target").to_numpy()
    X = frame.to_numpy(dtype=float)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def _case(name: str, title: str, data: Any, estimator: str, agree: Any, **parameters: Any) -> Case:
    quality = _objective if agree is _never_worse else None
    return Case(name, title, data, _both(estimator, **parameters), agree=agree, quality=quality)


CASES = [
    _case(
        "logistic-l1-sms",
        "L1 logistic, SMS spam",
        _sms,
        "LogisticRegression",
        _never_worse,
        solver="saga",
        l1_ratio=1.0,
    ),
    _case(
        "logistic-l1-spambase",
        "L1 logistic, spambase",
        lambda: _table("spambase"),
        "LogisticRegression",
        _never_worse,
        solver="saga",
        l1_ratio=1.0,
    ),
    _case(
        "logistic-elastic-net-iris",
        "elastic-net softmax, iris",
        _iris,
        "LogisticRegression",
        _never_worse,
        solver="saga",
        l1_ratio=0.5,
    ),
    _case("softmax-letter", "softmax, letter", lambda: _table("letter"), "LogisticRegression", _never_worse),
    _case(
        "logistic-cv-spambase",
        "logistic by 5 folds, spambase",
        lambda: _table("spambase"),
        "LogisticRegressionCV",
        _same_choice,
        l1_ratios=(0.0,),
        scoring="neg_log_loss",
        use_legacy_attributes=True,
    ),
]
