"""Boosted trees on CSR: the model of the same rows as a dense array, bit for bit."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from tripos import BoostedTreesClassifier, BoostedTreesRanker, BoostedTreesRegressor
from tripos.errors import BudgetError
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.sparse_rows import bin_sparse, learn_sparse


def scattered(n=1500, p=19, seed=0):
    """Gaps, negative and repeated numbers, columns without a zero and without anything else."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, p)), 1) * (rng.random((n, p)) < rng.random(p))
    X[:, 3], X[:, 4], X[:, 5] = 0.0, rng.normal(size=n) + 9, rng.normal(size=n)
    X[rng.random((n, p)) < 0.02] = np.nan
    y = np.nan_to_num(X[:, 0] - X[:, 5] + X[:, 7] * X[:, 8]) + 0.1 * rng.normal(size=n)
    return X, y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stored_cells_give_the_bins_of_all_cells(dtype, weighted):
    X, _ = scattered()
    X = X.astype(dtype)
    weight = np.random.default_rng(1).random(len(X)) if weighted else None
    categorical = np.arange(X.shape[1]) == 7
    dense = Binning.learn(X, weight, categorical=categorical, max_bins=100)
    found = learn_sparse(sp.csr_array(X), weight, categorical=categorical, max_bins=100, seed=0)
    np.testing.assert_array_equal(found.cuts, dense.cuts)
    np.testing.assert_array_equal(found.starts, dense.starts)
    ours, theirs = bin_sparse(found, sp.csr_array(X)), dense.apply(X)
    for name in ("columns", "words", "n_bins", "missing"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert ours.finite is theirs.finite is False


def test_messages_are_told_apart_as_from_a_dense_table(data_file):
    with gzip.open(data_file("sms-spam/sms.tsv.gz"), "rt") as file:
        lines = [line.rstrip("\n").split("\t", 1) for line in file if "\t" in line]
    y = np.array([label for label, _ in lines])
    X = sp.csr_matrix(TfidfVectorizer(min_df=20).fit_transform(text for _, text in lines), dtype=np.float32)
    model = BoostedTreesClassifier(15).fit(X[:4000], y[:4000], eval_set=(X[4000:], y[4000:]))
    dense = BoostedTreesClassifier(15).fit(X[:4000].toarray(), y[:4000])
    np.testing.assert_array_equal(
        model.decision_function(X), dense.decision_function(np.ascontiguousarray(X.toarray()))
    )
    assert model.score(X[4000:], y[4000:]) > 0.93
    assert model.evals_result_["validation_0"]["loss"][-1] < 0.25


def test_indicators_of_adult_give_the_dense_model(adult_table):
    X = pd.get_dummies(adult_table.X.iloc[:8000], dtype=float)
    rows, y = X.to_numpy(), adult_table.y[:8000]
    sparse, dense = (BoostedTreesClassifier(10).fit(R, y) for R in (sp.csr_array(rows), rows))
    np.testing.assert_array_equal(sparse.decision_function(sp.csr_array(rows)), dense.decision_function(rows))
    np.testing.assert_array_equal(sparse.apply(sp.csr_array(rows[:50])), dense.apply(rows[:50]))


def test_regression_and_ranking_take_csr_with_gaps():
    X, y = scattered()
    S = sp.csr_array(X)
    weight = np.random.default_rng(2).integers(1, 4, len(X))
    ours = BoostedTreesRegressor(8).fit(S, y, weight)
    np.testing.assert_array_equal(ours.predict(S), BoostedTreesRegressor(8).fit(X, y, weight).predict(X))
    np.testing.assert_array_equal(ours.predict(S), ours.predict(X))
    relevance, qid = np.digitize(y, [-1, 0, 1]), np.random.default_rng(0).integers(0, 60, len(X))
    np.testing.assert_array_equal(
        BoostedTreesRanker(5).fit(S, relevance, qid=qid).predict(S),
        BoostedTreesRanker(5).fit(X, relevance, qid=qid).predict(X),
    )


def test_infinity_is_named_and_too_many_columns_are_refused(monkeypatch):
    X, y = scattered(300)
    bad = X.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ValueError, match="infinity.*row 7, column 2"):
        BoostedTreesRegressor(2).fit(sp.csr_array(bad), y)
    model = BoostedTreesRegressor(2).fit(sp.csr_array(X), y)
    with pytest.raises(ValueError, match="infinity"):
        model.predict(sp.csr_array(bad))
    with pytest.raises(ValueError, match="TruncatedSVD"):
        BoostedTreesRegressor(2).fit(sp.csr_array((3, 70_000)), [1.0, 2.0, 3.0])
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "1MB")
    with pytest.raises(BudgetError, match="TruncatedSVD"):
        BoostedTreesRegressor(2).fit(sp.csr_array(X), y)
