"""Discriminant analysis: one pass of class moments gives what scikit-learn takes singular values for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import LinAlgError
from sklearn.covariance import OAS
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as PeerLDA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as PeerQDA

from tripos import LinearDiscriminantAnalysis as LDA
from tripos import QuadraticDiscriminantAnalysis as QDA
from tripos.compute.blocks import row_blocks
from tripos.errors import DataWarning
from tripos.supervised.linear.class_moments import class_moments

SETS = {"iris": load_iris, "wine": load_wine, "digits": load_digits}
LINEAR = [
    {},
    {"store_covariance": True},
    {"solver": "lsqr"},
    {"solver": "lsqr", "shrinkage": "auto"},
    {"solver": "eigen", "shrinkage": "auto"},
    {"solver": "eigen", "shrinkage": 0.2},
    {"solver": "lsqr", "covariance_estimator": OAS()},
]
QUADRATIC = [
    {},
    {"reg_param": 0.1, "store_covariance": True},
    {"solver": "eigen", "shrinkage": "auto"},
    {"solver": "eigen", "shrinkage": 0.2},
    {"solver": "eigen", "covariance_estimator": OAS()},
]


def close(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
@pytest.mark.parametrize("settings", LINEAR, ids=str)
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("priors", [False, True])
@pytest.mark.parametrize("two", [False, True])
def test_lda_is_scikit_learns(name, settings, priors, two):
    X, y = SETS[name](return_X_y=True)
    y = np.minimum(y, 1) if two else y
    K = len(np.unique(y))
    if priors:
        settings = {**settings, "priors": np.arange(1, K + 1) / np.arange(1, K + 1).sum()}
    ours, theirs = LDA(**settings).fit(X, y), PeerLDA(**settings).fit(X, y)
    close(ours.coef_, theirs.coef_)
    close(ours.decision_function(X), theirs.decision_function(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    if settings.get("solver") != "lsqr":
        close(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), 1e-7)
        np.testing.assert_allclose(
            ours.explained_variance_ratio_, theirs.explained_variance_ratio_, atol=1e-9
        )
    if hasattr(theirs, "covariance_"):
        close(ours.covariance_, theirs.covariance_)


@pytest.mark.parametrize("settings", QUADRATIC, ids=str)
@pytest.mark.parametrize("name", ["iris", "wine"])
@pytest.mark.parametrize("two", [False, True])
def test_qda_is_scikit_learns(name, settings, two):
    X, y = SETS[name](return_X_y=True)
    y = np.minimum(y, 1) if two else y
    ours, theirs = QDA(**settings).fit(X, y), PeerQDA(**settings).fit(X, y)
    close(ours.decision_function(X), theirs.decision_function(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    for mine, other in zip(ours.scalings_, theirs.scalings_):
        close(mine, other)
    if hasattr(theirs, "covariance_"):
        close(np.array(ours.covariance_), np.array(theirs.covariance_))


def test_letters_are_told_apart_as_by_scikit_learn(letters):
    for ours, theirs in ((LDA(), PeerLDA()), (QDA(), PeerQDA())):
        ours.fit(letters.X, letters.y)
        theirs.fit(letters.X, letters.y)
        np.testing.assert_array_equal(ours.predict(letters.X), theirs.predict(letters.X))


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("d", [3, 120])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_those_of_the_definition(pooled, d, weighted, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(500, d)) + 100).astype(dtype)
    y, s = rng.integers(0, 3, 500), rng.random(500) if weighted else None
    found = class_moments(row_blocks(X, y, s, rows=130), 4, pooled=pooled)
    expected = np.zeros((4, d, d))
    for k in range(3):
        w = (np.ones(500) if s is None else s)[y == k]
        Z = X[y == k].astype(float) - np.average(X[y == k].astype(float), axis=0, weights=w)
        expected[k] = (Z * w[:, None]).T @ Z
    close(found.within, expected.sum(axis=0), 1e-10 if dtype == np.float64 else 1e-5)
    if not pooled:
        close(found.scatter, expected, 1e-10 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize(
    "model", [LDA(), LDA(solver="eigen", shrinkage="auto"), QDA(solver="eigen", shrinkage="auto")], ids=str
)
def test_weights_are_rows(model):
    X, y = load_wine(return_X_y=True)
    k = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = model.fit(X, y, k).predict_proba(X)
    repeated = model.fit(np.repeat(X, k, axis=0), np.repeat(y, k)).predict_proba(X)
    np.testing.assert_allclose(weighted, repeated, atol=1e-8)


@pytest.mark.parametrize("cls", [LDA, QDA])
def test_csr_gives_what_dense_rows_give(cls):
    X, y = load_wine(return_X_y=True)
    dense, stored = cls().fit(X, y), cls().fit(sp.csr_array(X), y)
    np.testing.assert_allclose(dense.predict_proba(X), stored.predict_proba(sp.csr_array(X)), atol=1e-9)


@pytest.mark.parametrize("cls", [LDA, QDA])
def test_collinear_columns_are_named(cls):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["twice"] = 2 * X["petal width (cm)"]
    with pytest.warns(DataWarning, match="collinear"):
        model = cls().fit(X, y)
    assert model.score(X, y) > 0.95


def test_a_singular_covariance_has_no_eigen_solution():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(LinAlgError, match="x4"):
        LDA(solver="eigen").fit(np.column_stack([X, X[:, 0]]), y)


def test_columns_far_from_zero_lose_no_digits():
    X, y = load_iris(return_X_y=True)
    near, far = (LDA().fit(X + shift, y).transform(X + shift) for shift in (0.0, 1e6))
    np.testing.assert_allclose(np.abs(near), np.abs(far), atol=1e-6)


def test_a_class_of_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="only 1 sample in class b"):
        QDA().fit(np.random.default_rng(0).normal(size=(5, 2)), ["a", "a", "a", "a", "b"])


def test_priors_that_do_not_sum_to_one_are_renormalised():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(UserWarning, match="do not sum to 1"):
        assert LDA(priors=[1, 1, 2]).fit(X, y).priors_.sum() == pytest.approx(1)


def test_clean_data_bring_no_warning():
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LDA().fit(X, y)
        QDA().fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classes_of_many_rows_are_those_of_their_scores(dtype):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 70_000)
    X = (rng.normal(size=(70_000, 6)) + y[:, None]).astype(dtype)
    model = LDA().fit(X[:5000], y[:5000])
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X).argmax(axis=1))
    X[60_001, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(X)
