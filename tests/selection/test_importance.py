"""Permutation importance: what matters is found, what does not is near zero, and threads change nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance as peer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import tripos
from tripos.selection import permutation_importance
from tripos.selection.rows import Shuffled

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
Y = 3 * X[:, 0] - X[:, 2] + 0.1 * RNG.normal(size=400)
LINE = LinearRegression().fit(X, Y)


def test_a_linear_model_loses_twice_the_variance_of_what_is_shuffled():
    found = permutation_importance(LINE, X, Y, "mean_squared_error", n_repeats=30)
    np.testing.assert_allclose(found.mean, 2 * LINE.coef_**2 * X.var(axis=0), rtol=0.05, atol=1e-3)
    assert found.names == ["x0", "x1", "x2", "x3"]
    assert found.order[:2].tolist() == [0, 2]


def test_it_agrees_with_sklearn_within_its_spread():
    found = permutation_importance(LINE, X, Y, "r2", n_repeats=20)
    expected = peer(LINE, X, Y, scoring="r2", n_repeats=20, random_state=0)
    np.testing.assert_allclose(
        found.mean, expected.importances_mean, atol=4 * (expected.importances_std.max() / np.sqrt(20))
    )
    assert found.baseline == pytest.approx(LINE.score(X, Y))


def test_a_gain_falls_and_a_loss_rises_by_the_same_shuffles():
    gain = permutation_importance(LINE, X, Y, "neg_mean_squared_error")
    loss = permutation_importance(LINE, X, Y, "mean_squared_error")
    np.testing.assert_allclose(gain.drops, loss.drops)
    assert loss.baseline == -gain.baseline


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_do_not_change_the_importances(threads):
    one = permutation_importance(LINE, X, Y, n_jobs=1).drops
    np.testing.assert_array_equal(permutation_importance(LINE, X, Y, n_jobs=threads).drops, one)


def test_a_column_keeps_its_shuffles_whichever_others_are_asked_for():
    everything = permutation_importance(LINE, X, Y)
    some = permutation_importance(LINE, X, Y, columns=["x2", "x0"])
    np.testing.assert_array_equal(some.drops, everything.drops[[2, 0]])
    with pytest.raises(ValueError, match="no column 'x9': there are x0, x1"):
        permutation_importance(LINE, X, Y, columns=["x9"])


@pytest.mark.parametrize("form", ["numpy", "csr", "polars", "pandas"])
def test_every_kind_of_table_is_shuffled_alike(form):
    sparse = X * (np.abs(X) > 0.7)
    names = list("abcd")
    table = {
        "numpy": sparse,
        "csr": sp.csr_matrix(sparse),
        "polars": pl.DataFrame(sparse, schema=names),
        "pandas": pd.DataFrame(sparse, columns=names, index=np.arange(400)[::-1]),
    }[form]
    shuffled, order = Shuffled(table), RNG.permutation(400)
    for j in (1, 3):
        expected = sparse.copy()
        expected[:, j] = sparse[order, j]
        found = shuffled.column(j, order)
        np.testing.assert_array_equal(found.toarray() if form == "csr" else np.asarray(found), expected)
        shuffled.restore(j)
    np.testing.assert_array_equal(np.asarray(table.toarray() if form == "csr" else table), sparse)


def test_on_titanic_sex_matters_most(titanic):
    frame, y = titanic
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer(
        (categories, ["sex", "embarked"]), (SimpleImputer(), ["age", "fare", "pclass"])
    )
    table = frame.to_pandas()
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(table, y)
    found = permutation_importance(model, table, y, "roc_auc")
    assert found.names[found.order[0]] == "sex"
    assert found.mean[found.names.index("sibsp")] == 0  # the model does not use it
    assert str(found).startswith("sex")


def test_large_tables_are_measured_on_a_sample(housing):
    districts, value = housing
    model = LinearRegression().fit(districts, value)
    found = permutation_importance(model, districts, value, max_rows=2000, n_repeats=2)
    assert found.n_rows == 2000
    assert found.order[0] in (0, 1, 7)  # longitude, latitude, income


def test_weights_count_rows():
    weight = np.zeros(400)
    weight[:200] = 1
    y = (Y > 0).astype(int)
    model = GaussianNB().fit(X, y)
    found = permutation_importance(model, X, y, "accuracy", sample_weight=weight)
    assert found.baseline == pytest.approx(model.score(X[:200], y[:200]))


def test_no_repeats_are_refused():
    with pytest.raises(ValueError, match="n_repeats must be 1 or more"):
        permutation_importance(LINE, X, Y, n_repeats=0)


def test_categories_and_missing_values_count_as_the_columns_they_are_in(titanic):
    frame, y = titanic
    model = tripos.LogisticRegression().fit(frame, y)
    found = permutation_importance(model, frame, y, "roc_auc", n_jobs=2)
    assert found.names == frame.columns
    assert found.names[found.order[0]] == "sex"
    np.testing.assert_array_equal(
        permutation_importance(model, frame, y, "roc_auc", n_jobs=1).drops, found.drops
    )
