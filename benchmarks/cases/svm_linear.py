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
    """What liblinear minimises; for one-vs-rest the sum over classes."""
    X, y = data
    W, b = np.atleast_2d(model.coef_), np.ravel(model.intercept_)
    scores = X @ W.T + b
    half = 0.5 * float((W * W).sum() + b @ b)
    if getattr(model, "penalty", "l2") == "l1":
        half = float(np.abs(W).sum() + np.abs(b).sum())
    if getattr(model, "multi_class", "ovr") == "crammer_singer":
        own = np.searchsorted(model.classes_, y)[:, None]
        rivals = scores + 1.0 - np.take_along_axis(scores, own, 1)
        np.put_along_axis(rivals, own, 0.0, 1)
        return {"objective": half + model.C * float(rivals.max(axis=1).sum())}
    if hasattr(model, "classes_"):
        positive = model.classes_[1:] if len(W) == 1 else model.classes_
        gap = np.maximum(0.0, 1.0 - np.where(y[:, None] == positive, 1.0, -1.0) * scores)
    else:
        gap = np.maximum(0.0, np.abs(y[:, None] - scores) - model.epsilon)
    loss = (gap * gap).sum() if model.loss.startswith("squared") else gap.sum()
    return {"objective": half + model.C * float(loss)}


def _sms() -> Any:
    texts, y = sets.sms_texts()
    return sets.tfidf(texts), y


def _enron() -> Any:
    texts, y = sets.enron_texts()
    return sets.tfidf(texts), y


def _digits() -> Any:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16.0, y


def _diabetes() -> Any:
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def _california() -> Any:
    """Numbers alone, complete rows, standardised; the target in 100,000 dollars."""
    import gzip

    import polars as pl

    frame = pl.read_csv(gzip.decompress(sets.real("california-housing/housing.csv.gz").read_bytes()))
    frame = frame.select(pl.selectors.numeric()).drop_nulls()
    y = frame["median_house_value"].to_numpy() / 1e5
    X = np.ascontiguousarray(frame.drop("median_house_value").to_numpy(), dtype=np.float64)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def _case(name: str, title: str, data: Any, runs: dict[str, Any], **options: Any) -> Case:
    agree = _never_worse(_objective, 1e-9)
    return Case(name, title, data, runs, quality=_objective, agree=agree, **options)


def _lengths(data: Any) -> Any:
    """The rows, and of each text the logarithm of how many words it has."""

    def rows() -> Any:
        X, _ = data()
        return X, np.log(1.0 + np.diff(X.indptr))

    return rows


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
    *(
        _case(
            f"linear-svc{name}-text-{where}",
            f"linear SVC{title}, {text} TF-IDF",
            data,
            _pair("LinearSVC", **parameters),
            goals={SKL: 1.5},
        )
        for where, text, data in (("sms", "SMS spam", _sms), ("enron", "Enron spam", _enron))
        for name, title, parameters in (("", "", {}), ("-hinge", ", hinge", {"loss": "hinge"}))
    ),
    *(
        _case(
            f"linear-svc{name}-digits",
            f"linear SVC{title}, digits",
            _digits,
            _pair("LinearSVC", **parameters),
        )
        for name, title, parameters in (
            ("", "", {}),
            ("-hinge", ", hinge", {"loss": "hinge"}),
            ("-crammer", ", Crammer and Singer", {"multi_class": "crammer_singer"}),
        )
    ),
    *(
        _case(f"linear-svr-{where}", f"linear SVR, {where}", data, _pair("LinearSVR"))
        for where, data in (("diabetes", _diabetes), ("california", _california))
    ),
    *(
        _case(
            f"linear-svc-{name}-text-sms",
            f"linear SVC, {title}, SMS spam TF-IDF",
            _sms,
            _pair("LinearSVC", **parameters),
        )
        for name, title, parameters in (
            ("hinge-c10", "hinge, C = 10", {"loss": "hinge", "C": 10.0}),
            ("l1", "L1 penalty", {"penalty": "l1", "dual": False}),
        )
    ),
    _case(
        "linear-svr-squared-text-sms",
        "linear SVR, squared loss, lengths of SMS TF-IDF",
        _lengths(_sms),
        _pair("LinearSVR", loss="squared_epsilon_insensitive"),
    ),
    *(
        _case(
            f"linear-svr-text-{where}",
            f"linear SVR, lengths of {text} TF-IDF",
            _lengths(data),
            _pair("LinearSVR"),
        )
        for where, text, data in (("sms", "SMS", _sms), ("enron", "Enron", _enron))
    ),
    _case(
        "linear-svr-5k-x-50",
        "linear SVR, 5k × 50",
        lambda: sets.regression(5_000, 50),
        _pair("LinearSVR"),
        goals={SKL: 1.5},
    ),
]
