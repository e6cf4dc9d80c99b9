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


def _adult() -> Any:
    """32,561 rows, numbers standardised, categories one-hot: 108 columns."""
    import pandas as pd

    frame = pd.read_csv(sets.real("adult/adult-train.csv.gz"), header=None, skipinitialspace=True)
    y = (frame.pop(14) == ">50K").to_numpy()
    numbers = frame.select_dtypes("number")
    frame[numbers.columns] = (numbers - numbers.mean()) / numbers.std()
    return pd.get_dummies(frame).to_numpy(dtype=float), y


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


def _case(name: str, title: str, data: Any, who: dict[str, Any], **options: Any) -> Case:
    return Case(name, title, data, who, quality=_support, agree=_same_machine, **options)


def _predicting(module: str) -> Any:
    fit = _fit(module, "SVC")

    def prepare(data: Any) -> Any:
        return fit(data), data[0]

    return prepare


def _same_labels(data: Any, results: dict[str, Any]) -> None:
    for name, labels in results.items():
        assert np.mean(labels == results[OURS]) > 0.999, name


def _one_row(module: str, name: str, **parameters: Any) -> Any:
    fit = _fit(module, name, **parameters)

    def prepare(data: Any) -> Any:
        return fit(data), data[0][:1].copy()

    return prepare


def _row_case(name: str, module: str, **parameters: Any) -> Case:
    return Case(
        f"one-row-{name.lower()}-predict",
        f"{name} predict of one row, fitted on 1,000 × 20",
        lambda: _classes(1000, 20),
        {who: lambda data: data[0].predict(data[1]) for who in (OURS, SKL)},
        prepare={OURS: _one_row("tripos", name, **parameters), SKL: _one_row(module, name, **parameters)},
        calls=200,
        memory=False,
        goals={SKL: 20.0},
    )


def _same_predictions(data: Any, results: dict[str, Any]) -> None:
    ours, theirs = (results[name].predict(data[0][:500]) for name in (OURS, SKL))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def _same_features(data: Any, results: dict[str, Any]) -> None:
    np.testing.assert_allclose(results[OURS], results[SKL], atol=1e-6)


def _features(module: str, name: str, **parameters: Any) -> Any:
    def work(data: Any) -> Any:
        model = getattr(__import__(module, fromlist=[name]), name)(**parameters)
        return model.fit_transform(data[0])

    return work


def _feature_case(name: str, title: str, **parameters: Any) -> Case:
    return Case(
        f"{name.lower()}-100k-x-20",
        title,
        lambda: _classes(100_000, 20),
        {
            OURS: _features("tripos", name, random_state=0, **parameters),
            SKL: _features("sklearn.kernel_approximation", name, random_state=0, **parameters),
        },
        agree=_same_features,
    )


CASES = [
    _case(
        "svc-rbf-adult",
        "SVC, RBF, adult one-hot (32k × 108)",
        _adult,
        {OURS: _fit("tripos", "SVC"), SKL: _fit("sklearn.svm", "SVC")},  # a minute and a half each time
        goals={SKL: 5.0},
        runs=1,
        memory=False,
    ),
    _row_case("SVC", "sklearn.svm"),
    _row_case("SVR", "sklearn.svm"),
    _row_case("KernelRidge", "sklearn.kernel_ridge", kernel="rbf"),
    _feature_case("Nystroem", "Nyström features, 300 of 100k × 20", n_components=300),
    _feature_case("RBFSampler", "random Fourier features, 300 of 100k × 20", n_components=300, gamma=0.05),
    Case(
        "kernel-ridge-3k-x-20",
        "kernel ridge, RBF, 3k × 20",
        lambda: _curve(3000, 20),
        {
            OURS: _fit("tripos", "KernelRidge", kernel="rbf"),
            SKL: _fit("sklearn.kernel_ridge", "KernelRidge", kernel="rbf"),
        },
        agree=_same_predictions,
    ),
    _case(
        "svc-rbf-10k-x-50",
        "SVC, RBF, 10k × 50",
        lambda: _classes(10_000, 50),
        _runs("SVC"),
        goals={SKL: 6.0, SKLEX: 2.5},
        cold=True,
        runs=3,
    ),
    _case(
        "svc-rbf-40k-x-20",
        "SVC, RBF, 40k × 20",
        lambda: _classes(40_000, 20),
        _runs("SVC"),
        goals={SKL: 8.0, SKLEX: 2.0},
        runs=1,
        memory=False,
    ),
    _case("svc-rbf-letter", "SVC, RBF, letter (26 classes)", _letters, _runs("SVC"), goals={SKL: 5.0}),
    _case(
        "svr-rbf-10k-x-20",
        "SVR, RBF, 10k × 20",
        lambda: _curve(10_000, 20),
        _runs("SVR"),
        goals={SKL: 5.0},
        memory=False,
        runs=3,
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
