"""Naive Bayes and the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, _fit
from benchmarks.harness import OURS, Case


def _pair(module: str, name: str, **parameters: Any) -> dict[str, Any]:
    return {OURS: _fit("tripos", name, **parameters), SKL: _fit(module, name, **parameters)}


def _predicting(module: str, name: str) -> dict[str, Any]:
    """prepare functions: (fitted model, X) for each contestant."""
    return {who: (lambda data, fit=fit: (fit(data), data[0])) for who, fit in _pair(module, name).items()}


def _predict(data: Any) -> Any:
    return data[0].predict(data[1])


def _same_moments(data: Any, results: dict[str, Any]) -> None:
    np.testing.assert_allclose(results[OURS].theta_, results[SKL].theta_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(results[OURS].var_, results[SKL].var_, rtol=1e-9)


def _same_log_probabilities(data: Any, results: dict[str, Any]) -> None:
    np.testing.assert_allclose(results[OURS].feature_log_prob_, results[SKL].feature_log_prob_, rtol=1e-9)


def _same_labels(data: Any, results: dict[str, Any]) -> None:
    assert np.mean(results[OURS] == results[SKL]) > 0.9999


def _enron_counts() -> Any:
    texts, y = sets.enron_texts()
    return sets.word_counts(texts), y


def _on_enron(name: str, title: str) -> list[Case]:
    """Fit and predict of one model on the word counts of the Enron mails."""
    return [
        Case(
            f"{name.lower()}-fit-enron",
            f"{title} naive Bayes fit, Enron word counts",
            _enron_counts,
            _pair("sklearn.naive_bayes", name),
            agree=_same_log_probabilities,
            goals={SKL: 2.0},
        ),
        Case(
            f"{name.lower()}-predict-enron",
            f"{title} naive Bayes predict, Enron word counts",
            _enron_counts,
            {OURS: _predict, SKL: _predict},
            prepare=_predicting("sklearn.naive_bayes", name),
            agree=_same_labels,
            goals={SKL: 2.0},
        ),
    ]


def _codes() -> Any:
    """500,000 rows of 20 columns with 8 categories each."""
    X, y = sets.gaussians(500_000, 20, 2)
    return np.clip(np.floor(2.0 * X + 4.0), 0, 7).astype(np.int64), y


def _same_tables(data: Any, results: dict[str, Any]) -> None:
    for ours, theirs in zip(results[OURS].feature_log_prob_, results[SKL].feature_log_prob_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


CASES = [
    *_on_enron("ComplementNB", "complement"),
    *_on_enron("BernoulliNB", "Bernoulli"),
    Case(
        "categorical-nb-fit",
        "categorical naive Bayes fit, 500k × 20",
        _codes,
        _pair("sklearn.naive_bayes", "CategoricalNB"),
        agree=_same_tables,
        goals={SKL: 2.0},
    ),
    Case(
        "categorical-nb-predict",
        "categorical naive Bayes predict, 500k × 20",
        _codes,
        {OURS: _predict, SKL: _predict},
        prepare=_predicting("sklearn.naive_bayes", "CategoricalNB"),
        agree=_same_labels,
        goals={SKL: 2.0},
    ),
    Case(
        "gaussian-nb-fit",
        "Gaussian naive Bayes fit, 500k × 30, 5 classes",
        lambda: sets.gaussians(500_000, 30, 5),
        _pair("sklearn.naive_bayes", "GaussianNB"),
        agree=_same_moments,
        goals={SKL: 10.0},
        cold=True,
    ),
    Case(
        "gaussian-nb-predict",
        "Gaussian naive Bayes predict, 500k × 30, 5 classes",
        lambda: sets.gaussians(500_000, 30, 5),
        {OURS: _predict, SKL: _predict},
        prepare=_predicting("sklearn.naive_bayes", "GaussianNB"),
        agree=_same_labels,
        goals={SKL: 8.0},
    ),
    Case(
        "multinomial-nb-fit-enron",
        "multinomial naive Bayes fit, Enron word counts",
        _enron_counts,
        _pair("sklearn.naive_bayes", "MultinomialNB"),
        agree=_same_log_probabilities,
        goals={SKL: 2.0},
    ),
    Case(
        "multinomial-nb-predict-enron",
        "multinomial naive Bayes predict, Enron word counts",
        _enron_counts,
        {OURS: _predict, SKL: _predict},
        prepare=_predicting("sklearn.naive_bayes", "MultinomialNB"),
        agree=_same_labels,
        goals={SKL: 2.0},
    ),
    Case(
        "dummy-classifier",
        "baseline classifier, 500k × 30",
        lambda: sets.binary(500_000, 30),
        _pair("sklearn.dummy", "DummyClassifier"),
    ),
    Case(
        "dummy-regressor",
        "baseline regressor, 1M × 50",
        lambda: sets.regression(1_000_000, 50),
        _pair("sklearn.dummy", "DummyRegressor", strategy="median"),
    ),
]
