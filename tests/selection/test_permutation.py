"""Permutation importance with scikit-learn's numbers, on tables as they are, and for groups of columns."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import sklearn.inspection
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import tripos


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)
    return GaussianNB().fit(X, y), X, y


@pytest.mark.parametrize("options", [{}, {"scoring": "neg_log_loss", "n_repeats": 3}])
def test_the_numbers_are_scikit_learns(fitted, options):
    ours = tripos.permutation_importance(*fitted, random_state=3, **options)
    theirs = sklearn.inspection.permutation_importance(*fitted, random_state=3, **options)
    assert np.allclose(ours.importances, theirs.importances, atol=1e-12)
    assert np.allclose(ours.importances_std, theirs.importances_std, atol=1e-12)


def test_weights_and_several_scores(fitted):
    w = np.arange(300.0)
    options = {"random_state": 1, "sample_weight": w, "scoring": ["accuracy", "neg_brier_score"]}
    ours = tripos.permutation_importance(*fitted, **options)
    theirs = sklearn.inspection.permutation_importance(*fitted, **options)
    assert set(ours) == set(theirs)
    for name in ours:
        assert np.allclose(ours[name].importances, theirs[name].importances, atol=1e-12)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_tables_stay_tables(kind):
    rng = np.random.default_rng(1)
    cells = {"level": rng.choice(["a", "b", "c"], 200), "x": rng.normal(size=200), "z": rng.normal(size=200)}
    y = np.where(cells["level"] == "a", "yes", "no")
    model = tripos.NaiveBayes().fit(kind(cells), y)
    found = tripos.permutation_importance(model, kind(cells), y, random_state=0)
    assert found.names == ["level", "x", "z"]
    assert found.importances_mean[0] > 0.2 > abs(found.importances_mean[1])


def test_a_group_is_shuffled_together(fitted):
    model, X, y = fitted
    twice = np.concatenate([X, X[:, :1]], axis=1)
    model = GaussianNB().fit(twice, y)
    apart = tripos.permutation_importance(model, twice, y, random_state=0)
    together = tripos.permutation_importance(
        model, twice, y, random_state=0, groups={"same": [0, 4], "rest": [1, 2, 3]}
    )
    assert together.importances_mean[0] > apart.importances_mean[[0, 4]].max()
    assert together.plot().patches


def test_sparse_rows_and_few_samples(fitted):
    _, X, y = fitted
    model = LogisticRegression().fit(sp.csr_matrix(X), y)
    dense = tripos.permutation_importance(model, X, y, random_state=0, max_samples=100)
    sparse = tripos.permutation_importance(model, sp.csr_matrix(X), y, random_state=0, max_samples=100)
    assert np.allclose(dense.importances, sparse.importances)


def test_an_unknown_column_is_named(fitted):
    model, X, y = fitted
    with pytest.raises(ValueError, match="no column 'wage'"):
        tripos.permutation_importance(model, pd.DataFrame(X, columns=list("abcd")), y, groups=["wage"])


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_do_not_change_the_importances(fitted, threads):
    one = tripos.permutation_importance(*fitted, random_state=0, n_jobs=1)
    many = tripos.permutation_importance(*fitted, random_state=0, n_jobs=threads)
    np.testing.assert_array_equal(many.importances, one.importances)


def test_a_linear_model_loses_twice_the_variance_of_what_is_shuffled():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    line = tripos.LinearRegression().fit(X, 3 * X[:, 0] - X[:, 2] + 0.1 * rng.normal(size=400))
    found = tripos.permutation_importance(
        line, X, line.predict(X), scoring="neg_mean_squared_error", n_repeats=30, random_state=0
    )
    np.testing.assert_allclose(
        found.importances_mean, 2 * line.coef_**2 * X.var(axis=0), rtol=0.05, atol=1e-3
    )


def test_on_titanic_sex_matters_most_and_a_column_counts_with_its_levels_and_gaps(titanic):
    frame, y = titanic
    model = tripos.LogisticRegression().fit(frame, y)
    found = tripos.permutation_importance(model, frame, y, scoring="roc_auc", random_state=0)
    assert found.names == frame.columns
    assert found.names[int(np.argmax(found.importances_mean))] == "sex"
