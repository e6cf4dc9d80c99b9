"""Kernel machines: fit and predict with the RBF kernel, on made and on real tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, SKLEX, _fit
from benchmarks.harness import OURS, Case


def _runs(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        OURS: _fit("tripos", name, **parameters),
        SKL: _fit("sklearn.svm", name, **parameters),
        SKLEX: _fit("sklearnex.svm", name, **parameters),
    }


def _classes(n_rows: int, n_features: int) -> Any:
    from sklearn.datasets import make_classification

    return make_classification(
        n_rows, n_features, n_informative=max(n_features // 3, 2), flip_y=0.05, random_state=0
    )


def _curve(n_rows: int, n_features: int) -> Any:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n_rows)


def _letters() -> Any:
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    frame = pd.read_csv(sets.real("pmlb/letter.tsv.gz"), sep="\t")
    y = frame.pop("target").to_numpy()
    return StandardScaler().fit_transform(frame.to_numpy(dtype=float)), y


def _support(data: Any, model: Any) -> dict[str, float]:
    return {
        "support vectors": float(len(model.support_)),
        "score": float(model.score(data[0][:2000], data[1][:2000])),
    }


def _same_machine(data: Any, results: dict[str, Any]) -> None:
    """As many support vectors within 1 %, and the same score within 0.2 %."""
    ours, theirs = (_support(data, results[name]) for name in (OURS, SKL))
    assert abs(ours["support vectors"] - theirs["support vectors"]) <= 0.01 * theirs["support vectors"] + 2
    assert abs(ours["score"] - theirs["score"]) <= 2e-3


def _case(name: str, title: str, data: Any, runs: dict[str, Any], **options: Any) -> Case:
    return Case(name, title, data, runs, quality=_support, agree=_same_machine, **options)


def _predicting(module: str) -> Any:
    fit = _fit(module, "SVC")

    def prepare(data: Any) -> Any:
        return fit(data), data[0]

    return prepare


def _same_labels(data: Any, results: dict[str, Any]) -> None:
    for name, labels in results.items():
        assert np.mean(labels == results[OURS]) > 0.999, name


CASES = [
    _case(
        "svc-rbf-10k-x-50",
        "SVC, RBF, 10k × 50",
        lambda: _classes(10_000, 50),
        _runs("SVC"),
        goals={SKL: 6.0, SKLEX: 2.5},
        cold=True,
    ),
    _case(
        "svc-rbf-40k-x-20",
        "SVC, RBF, 40k × 20",
        lambda: _classes(40_000, 20),
        _runs("SVC"),
        goals={SKL: 8.0, SKLEX: 2.0},
    ),
    _case("svc-rbf-letter", "SVC, RBF, letter (26 classes)", _letters, _runs("SVC"), goals={SKL: 5.0}),
    _case(
        "svr-rbf-10k-x-20", "SVR, RBF, 10k × 20", lambda: _curve(10_000, 20), _runs("SVR"), goals={SKL: 5.0}
    ),
    Case(
        "svc-predict-10k-x-50",
        "SVC predict, 10k × 50",
        lambda: _classes(10_000, 50),
        {name: lambda data: data[0].predict(data[1]) for name in (OURS, SKL, SKLEX)},
        prepare={
            OURS: _predicting("tripos"),
            SKL: _predicting("sklearn.svm"),
            SKLEX: _predicting("sklearnex.svm"),
        },
        agree=_same_labels,
        goals={SKL: 3.0},
    ),
]
