"""Promise 3: weights mean rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from . import cases


def fit_both_ways(estimator, weights: np.ndarray):
    X, y = cases.arrays(estimator, n_rows=len(weights), n_features=3)
    for name in {"min_samples_leaf", "min_child_samples"} & estimator.get_params().keys():
        estimator = clone(estimator).set_params(
            **{name: 1}
        )  # counts rows, not weights: promised at its smallest
    weighted = clone(estimator).fit(X, y, sample_weight=weights)
    repeated = clone(estimator).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    return cases.outputs(weighted, X), cases.outputs(repeated, X)


def _promising() -> list:
    kept = [e for e in cases.instances() if cases.can(e, "weights") and cases.can(e, "weights across folds")]
    return [e for e in kept if cases.takes_weights(e)]


@pytest.mark.parametrize("estimator", _promising(), ids=cases.named)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_a_weight_of_k_is_k_rows_and_a_weight_of_zero_is_none(estimator, seed):
    weights = np.random.default_rng(seed).integers(0, 4, 60)
    weighted, repeated = fit_both_ways(estimator, weights)
    cases.assert_same_outputs(
        {k: v for k, v in weighted.items() if v.dtype.kind == "f"},
        {k: v for k, v in repeated.items() if v.dtype.kind == "f"},
        rtol=2e-4,
        atol=2e-4,
    )


@pytest.mark.parametrize(
    "cls", [c for c in cases.public_classes() if not cases.can(c, "weights across folds")]
)
def test_with_the_same_folds_a_weight_of_k_is_k_rows(cls):
    """Rows are dealt to folds by their number; where the folds are given, the promise holds."""
    weights = np.random.default_rng(0).integers(0, 4, 90)
    X, y = cases.arrays(cls(), n_rows=90, n_features=3)
    fold, copies = np.arange(90) % 3, np.repeat(np.arange(90), weights)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    again = [(np.flatnonzero(fold[copies] != k), np.flatnonzero(fold[copies] == k)) for k in range(3)]
    weighted = cls(cv=splits).fit(X, y, sample_weight=weights)
    repeated = cls(cv=again).fit(X[copies], y[copies])
    cases.assert_same_outputs(
        {k: v for k, v in cases.outputs(weighted, X).items() if v.dtype.kind == "f"},
        {k: v for k, v in cases.outputs(repeated, X).items() if v.dtype.kind == "f"},
        rtol=2e-4,
        atol=2e-4,
    )


@pytest.mark.parametrize("cls", [c for c in cases.public_classes() if not cases.can(c, "weights")])
def test_randomised_learners_keep_weights_in_distribution(cls):
    """Where single fits cannot agree, the class frequencies over 30 seeds do, to three standard errors."""
    weights = np.random.default_rng(0).integers(0, 4, 90)
    X, y = cases.arrays(cls(), n_rows=90, n_features=3)
    means = []
    for make in (
        lambda m: m.fit(X, y, sample_weight=weights),
        lambda m: m.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights)),
    ):
        means.append([np.mean(make(cls(random_state=seed)).predict(X)) for seed in range(30)])
    gap = abs(np.mean(means[0]) - np.mean(means[1]))
    assert gap <= 3 * np.sqrt((np.var(means[0]) + np.var(means[1])) / 30) + 1e-9


@pytest.mark.parametrize(
    "estimator", [e for e in cases.instances() if cases.takes_weights(e)], ids=cases.named
)
def test_negative_weights_are_refused(estimator):
    X, y = cases.arrays(estimator)
    weights = np.ones(len(y))
    weights[7] = -1.0
    with pytest.raises(ValueError, match="egative"):
        clone(estimator).fit(X, y, sample_weight=weights)
