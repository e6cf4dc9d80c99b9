"""Ridge: one solution by every road."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge as Peer

import tripos
from tripos import LinearRegression, Ridge

sets = pytest.mark.parametrize("name", ["diabetes", "california"])
ROADS = ["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga"]


def standardised(data):
    return (data.X - data.X.mean(axis=0)) / data.X.std(axis=0), data.y


def assert_same(model, peer, rtol=1e-9):
    scale = np.abs(peer.coef_).max()
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(
        model.intercept_, peer.intercept_, rtol=rtol, atol=rtol * np.abs(peer.intercept_).max()
    )


@sets
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_coefficients_are_those_of_scikit_learn(name, fit_intercept, weighted, alpha, request):
    data = request.getfixturevalue(name)
    weight = np.random.default_rng(0).random(len(data.y)) if weighted else None
    settings = dict(alpha=alpha, fit_intercept=fit_intercept)
    assert_same(
        Ridge(**settings).fit(data.X, data.y, weight),
        Peer(solver="svd", **settings).fit(data.X, data.y, weight),
        1e-7,
    )


@pytest.mark.parametrize("solver", ROADS)
@pytest.mark.parametrize("shape", [(200, 8), (30, 70)])
def test_every_road_leads_to_the_same_place(solver, shape):
    rng = np.random.default_rng(0)
    X, Y, weight = rng.normal(size=shape) + 2, rng.normal(size=(shape[0], 2)), rng.random(shape[0])
    settings = dict(alpha=[0.3, 7.0])
    model = Ridge(solver=solver, tol=1e-10, **settings).fit(X, Y, weight)
    assert_same(model, Peer(solver="svd", **settings).fit(X, Y, weight), 1e-8)
    assert model.solver_ in ("cholesky", "svd", "sparse_cg")
    assert (model.n_iter_ > 1).all() == (model.solver_ == "sparse_cg")


@pytest.mark.parametrize("solver", ["auto", "cholesky", "sparse_cg", "lsqr", "sag"])
@pytest.mark.parametrize("d", [9, 700])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_rows_give_what_dense_rows_give(solver, d, weighted, fit_intercept):
    rng = np.random.default_rng(d)
    X = sp.random_array((300, d), density=0.1, rng=rng, format="csr")
    y, weight = rng.normal(size=300), rng.random(300) if weighted else None
    model = Ridge(solver=solver, tol=1e-10, fit_intercept=fit_intercept).fit(X, y, weight)
    assert_same(model, Peer(solver="svd", fit_intercept=fit_intercept).fit(X.toarray(), y, weight), 1e-7)


def test_text_is_fitted_sparse_and_no_worse_than_scikit_learn(sms):
    y = (sms.y == "spam").astype(float)
    centred = y - y.mean()

    def objective(model):
        residual = y - sms.X @ model.coef_ - model.intercept_
        return residual @ residual + model.coef_ @ model.coef_

    ours, theirs = Ridge().fit(sms.X, y), Peer().fit(sms.X, y)
    assert ours.solver_ == "sparse_cg"
    assert objective(ours) <= objective(theirs) * (1 + 1e-9)
    assert objective(ours) < centred @ centred
    assert_same(Ridge(tol=1e-8).fit(sms.X, y), Peer(tol=1e-10).fit(sms.X, y), 1e-6)


def test_without_penalty_it_is_least_squares(diabetes):
    assert_same(
        Ridge(alpha=0).fit(diabetes.X, diabetes.y), LinearRegression(tol=0).fit(diabetes.X, diabetes.y), 1e-8
    )


def test_without_penalty_collinear_columns_get_the_solution_of_least_norm(diabetes):
    X = np.column_stack([diabetes.X, diabetes.X[:, 0]])
    model = Ridge(alpha=0).fit(X, diabetes.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tripos.DataWarning)
        least = LinearRegression().fit(X, diabetes.y)
    assert_same(model, least, 1e-7)


@pytest.mark.parametrize("alpha", [0.0, 1e-14])
def test_a_tiny_penalty_on_nearly_collinear_columns_is_solved_from_the_rows(alpha):
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.normal(size=shape))[0] for shape in ((300, 10), (10, 10)))
    X = (U * np.logspace(0, -8, 10)) @ V
    y = X @ rng.normal(size=10) + 1e-9 * rng.normal(size=300)
    assert_same(Ridge(alpha=alpha).fit(X, y), Peer(alpha=alpha, solver="svd").fit(X, y), 1e-4)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("alpha", [0.1, 300.0])
def test_nonnegative_coefficients_minimise_the_penalised_error(diabetes, alpha, weighted):
    X, y = standardised(diabetes)
    weight = np.random.default_rng(0).random(len(y)) if weighted else np.ones(len(y))
    model = Ridge(alpha=alpha, positive=True).fit(X, y, weight)
    root, share = np.sqrt(weight)[:, None], weight / weight.sum()
    A = np.vstack([root * (X - share @ X), np.sqrt(alpha) * np.eye(10)])
    exact = scipy.optimize.nnls(A, np.concatenate([root[:, 0] * (y - share @ y), np.zeros(10)]))[0]
    np.testing.assert_allclose(model.coef_, exact, rtol=1e-8, atol=1e-8)
    assert model.solver_ == "pivoting"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), smaller=st.floats(1e-3, 1e2), factor=st.floats(1.5, 100))
def test_a_larger_penalty_gives_a_shorter_vector(seed, smaller, factor):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=40)
    lengths = [np.linalg.norm(Ridge(alpha=a).fit(X, y).coef_) for a in (smaller, smaller * factor)]
    assert lengths[1] < lengths[0]


def test_parts_fitted_apart_and_merged_give_one_fit(california):
    whole = Ridge(alpha=2.0).fit(california.X, california.y)
    parts = np.array_split(np.random.default_rng(0).permutation(len(california.y)), 5)
    merged = Ridge(alpha=2.0).fit(california.X[parts[0]], california.y[parts[0]])
    for part in parts[1:]:
        merged.merge(Ridge(alpha=2.0).fit(california.X[part], california.y[part]))
    assert_same(merged, whole, 1e-8)


def test_float32_is_answered_in_float32(california):
    X, y = standardised(california)
    model = Ridge(alpha=10).fit(X.astype(np.float32), y.astype(np.float32))
    assert model.coef_.dtype == np.float32
    assert_same(model, Peer(alpha=10).fit(X, y), 1e-4)


def test_iteration_that_ends_too_early_says_how_far_it_came(california):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        Ridge(solver="sparse_cg", max_iter=2, alpha=1e-3).fit(california.X, california.y)


def test_an_iterative_road_keeps_its_history(diabetes):
    X, y = standardised(diabetes)
    model = Ridge(solver="sag").fit(X, y)
    losses = model.history_["loss"]
    assert losses == sorted(losses, reverse=True)
    assert not hasattr(Ridge().fit(X, y), "history_")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (dict(alpha=-1.0), "alpha"),
        (dict(alpha=[1.0, 2.0]), "targets"),
        (dict(alpha=[np.nan]), "alpha"),
        (dict(solver="lbfgs"), "positive=True"),
        (dict(solver="cholesky", positive=True), "does not support positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(diabetes, settings, match):
    with pytest.raises(ValueError, match=match):
        Ridge(**settings).fit(diabetes.X, diabetes.y)


def test_singular_values_of_sparse_rows_are_refused(sms):
    with pytest.raises(ValueError, match="sparse"):
        Ridge(solver="svd").fit(sms.X, np.zeros(sms.X.shape[0]))
