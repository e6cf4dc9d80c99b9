"""Quantile regression: scikit-learn's objective, exact vertices, and the subgradient condition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import QuantileRegressor as Peer

from tripos import QuantileRegressor


def objective(model, X, y, weights=None):
    r = y - X @ model.coef_ - model.intercept_
    rows = np.where(r > 0, model.quantile * r, (model.quantile - 1) * r)
    return np.average(rows, weights=weights) + model.alpha * np.abs(model.coef_).sum()


def standardised(data, step=1):
    X, y = data.X[::step], data.y[::step]
    X = X[:, X.std(axis=0) > 0.0]
    return (X - X.mean(axis=0)) / X.std(axis=0), y / y.std()


def assert_optimal(model, X, y):
    """0 lies in the subdifferential: d_i of the rows on the fit can balance those of the others."""
    from scipy.optimize import lsq_linear

    q, n = model.quantile, len(y)
    coef = np.where(np.abs(model.coef_) <= 1e-9 * np.abs(y).max(), 0.0, model.coef_)
    r = y - model.predict(X)
    on = np.abs(r) <= 1e-9 * np.abs(y).max()
    A = np.column_stack([X, np.ones(n)])
    d = np.where(r > 0, q, q - 1.0)[~on] / n
    zero = np.append(coef == 0.0, False)
    target = -A[~on].T @ d + np.append(model.alpha * np.sign(coef), 0.0)
    free = np.column_stack([A[on].T, np.eye(len(zero))[:, zero]])
    low = np.append(np.full(on.sum(), (q - 1.0) / n), np.full(zero.sum(), -model.alpha - 1e-12))
    high = np.append(np.full(on.sum(), q / n), np.full(zero.sum(), model.alpha + 1e-12))
    found = lsq_linear(free, target, (low, high), tol=1e-14)
    assert np.abs(found.fun).max() <= 1e-6


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [0.0, 0.01, 1.0])
def test_diabetes_gives_scikit_learns_objective_at_a_vertex(diabetes, quantile, alpha):
    X, y = standardised(diabetes)
    ours = QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, y)
    theirs = Peer(quantile=quantile, alpha=alpha).fit(X, y)
    assert ours.solver_ == "frisch-newton"
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)
    on = np.abs(y - ours.predict(X)) <= 1e-9 * np.abs(y).max()
    assert on.sum() + np.count_nonzero(np.abs(ours.coef_) <= 1e-9 * np.abs(y).max()) >= X.shape[1] + 1
    assert_optimal(ours, X, y)


@pytest.mark.parametrize("raw", [False, True])
def test_california_gives_scikit_learns_objective(california, raw):
    X, y = (california.X[::20], california.y[::20]) if raw else standardised(california, 20)
    for alpha in (0.0, 0.01):
        ours, theirs = QuantileRegressor(alpha=alpha).fit(X, y), Peer(alpha=alpha).fit(X, y)
        assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("solver", ["highs-ds", "highs-ipm"])
def test_highs_runs_where_it_is_asked_for(diabetes, solver):
    X, y = standardised(diabetes)
    model = QuantileRegressor(alpha=0.01, solver=solver).fit(X, y)
    assert model.solver_ == solver
    ours = QuantileRegressor(alpha=0.01).fit(X, y)
    assert objective(ours, X, y) == pytest.approx(objective(model, X, y), rel=1e-9)


def test_many_ties_and_rounded_numbers_are_optimal():
    rng = np.random.default_rng(0)
    X = rng.integers(-2, 3, (300, 3)).astype(float)
    y = np.round(X @ [1.0, -1.0, 0.5] + rng.normal(size=300))
    for quantile in (0.25, 0.5):
        ours, theirs = (cls(quantile=quantile, alpha=0.0).fit(X, y) for cls in (QuantileRegressor, Peer))
        assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.01, 1.0])
def test_weights_are_repeated_rows_even_where_several_fits_are_best(diabetes, alpha):
    X, y = standardised(diabetes)
    X, y = X[:60, :4], y[:60]
    for seed in range(5):
        weights = np.random.default_rng(seed).integers(0, 4, 60)
        a = QuantileRegressor(alpha=alpha).fit(X, y, weights)
        b = QuantileRegressor(alpha=alpha).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_allclose(a.predict(X), b.predict(X), atol=1e-8)


def test_sparse_rows_and_float32_give_the_same(diabetes):
    X, y = standardised(diabetes)
    X = np.where(np.abs(X) < 0.3, 0.0, X)
    dense = QuantileRegressor(alpha=0.01).fit(X, y)
    np.testing.assert_allclose(
        QuantileRegressor(alpha=0.01).fit(sp.csr_array(X), y).coef_, dense.coef_, atol=1e-9
    )
    single = QuantileRegressor(alpha=0.01).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, dense.coef_, atol=1e-4)


@pytest.mark.parametrize(("n", "d", "alpha"), [(50, 80, 0.01), (50, 80, 0.0), (100, 4, 0.0)])
def test_exact_fits_and_more_columns_than_rows(n, d, alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = X[:, :4].sum(axis=1)
    ours, theirs = QuantileRegressor(alpha=alpha).fit(X, y), Peer(alpha=alpha).fit(X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) + 1e-9


def test_duplicate_columns_are_survived(diabetes):
    X, y = standardised(diabetes)
    twice = np.column_stack([X, X[:, :2]])
    for alpha in (0.0, 0.01):
        ours, theirs = QuantileRegressor(alpha=alpha).fit(twice, y), Peer(alpha=alpha).fit(twice, y)
        assert objective(ours, twice, y) <= objective(theirs, twice, y) * (1 + 1e-9)


def test_the_share_below_the_fit_is_the_quantile(california):
    X, y = standardised(california)
    for quantile in (0.1, 0.75):
        model = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
        assert np.mean(y < model.predict(X)) == pytest.approx(quantile, abs=0.002)
