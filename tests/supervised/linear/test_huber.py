"""Huber regression: scikit-learn's answers, outliers, and fits at the edge (scale 0)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor as Peer
from sklearn.linear_model._huber import _huber_loss_and_gradient

from tripos import HuberRegressor
from tripos.objective.rows import DenseRows, SparseRows
from tripos.supervised.linear.huber_scale import ScaledHuber


def objective(model, X, y, weights=None):
    theta = np.append(model.coef_.astype(float), [model.intercept_, model.scale_])
    s = np.ones(len(y)) if weights is None else weights
    return _huber_loss_and_gradient(theta, np.asarray(X, float), y, model.epsilon, model.alpha, s)[0]


def standardised(data):
    return (data.X - data.X.mean(axis=0)) / data.X.std(axis=0), data.y / data.y.std()


@pytest.mark.parametrize("name", ["diabetes", "california"])
@pytest.mark.parametrize("epsilon", [1.1, 1.35, 3.0])
def test_real_data_give_scikit_learns_coefficients(name, epsilon, request):
    """scikit-learn's stop is 1e-9 of the objective, its coefficients are good to the root of that."""
    X, y = standardised(request.getfixturevalue(name))
    ours = HuberRegressor(epsilon=epsilon, tol=1e-8).fit(X, y)
    theirs = Peer(epsilon=epsilon, tol=1e-12, max_iter=10_000).fit(X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-12)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-4)
    assert np.count_nonzero(ours.outliers_ != theirs.outliers_) <= 0.001 * len(y)


@pytest.mark.parametrize("name", ["diabetes", "california"])
def test_the_gradient_vanishes_at_the_solution(name, request):
    X, y = standardised(request.getfixturevalue(name))
    model = HuberRegressor(tol=1e-8).fit(X, y)
    theta = np.append(model.coef_, [model.intercept_, model.scale_])
    gradient = _huber_loss_and_gradient(theta, X, y, 1.35, 1e-4, np.ones(len(y)))[1]
    assert np.abs(gradient).max() <= 1e-6 * len(y)


def test_unscaled_columns_do_not_matter(california):
    raw = HuberRegressor(alpha=0.0).fit(california.X, california.y)
    X, y = standardised(california)
    scaled = HuberRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(raw.predict(california.X), scaled.predict(X) * california.y.std(), rtol=1e-5)


def test_typing_errors_leave_the_line_where_it_was(diabetes):
    X, y = standardised(diabetes)
    clean = HuberRegressor().fit(X, y)
    wrong = y.copy()
    wrong[::40] *= 1000.0
    model = HuberRegressor().fit(X, wrong)
    assert model.outliers_[::40].mean() > 0.9
    np.testing.assert_allclose(model.predict(X), clean.predict(X), atol=0.35)


def test_weights_are_repeated_rows_and_outliers_has_all_rows(diabetes):
    X, y = standardised(diabetes)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = HuberRegressor().fit(X, y, weights)
    repeated = HuberRegressor().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    assert weighted.outliers_.shape == y.shape


def test_sparse_rows_and_float32_give_the_same(diabetes):
    X, y = standardised(diabetes)
    X = np.where(np.abs(X) < 0.3, 0.0, X)
    dense = HuberRegressor().fit(X, y)
    np.testing.assert_allclose(HuberRegressor().fit(sp.csr_array(X), y).coef_, dense.coef_, atol=1e-8)
    single = HuberRegressor().fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, dense.coef_, atol=1e-3)


@pytest.mark.parametrize(("n", "d"), [(200, 4), (60, 50), (50, 80)])
def test_where_rows_can_be_fitted_exactly_the_objective_is_not_above_scikit_learns(n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = X.sum(axis=1) + (np.arange(n) % 10 == 0) * 50.0
    ours, theirs = HuberRegressor(max_iter=500).fit(X, y), Peer(max_iter=5000).fit(X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


def test_a_warm_start_ends_at_once(california):
    X, y = standardised(california)
    model = HuberRegressor(warm_start=True).fit(X, y)
    first = model.coef_
    assert model.fit(X, y).n_iter_ <= 1
    np.testing.assert_allclose(model.coef_, first, atol=1e-8)


def test_too_few_steps_are_said(california):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        HuberRegressor(max_iter=1).fit(*standardised(california))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_passes_equal_scikit_learns_value_and_gradient(sparse, weighted):
    rng = np.random.default_rng(0)
    X, y, s = rng.normal(size=(300, 4)), rng.standard_t(2, 300), rng.random(300)
    X[rng.random(X.shape) < 0.5] = 0.0
    rows = SparseRows(*_csr(X), 4, y, s) if sparse else DenseRows(X, y, s)
    if not weighted:
        s = np.ones(300)
        rows = SparseRows(*_csr(X), 4, y, np.empty(0)) if sparse else DenseRows(X, y, np.empty(0))
    W = float(s.sum())
    risk = ScaledHuber([rows], 300, W, 4, 1.35, 0.5, True, np.float64, 1e-15)
    theta = np.array([0.3, -0.2, 0.1, 0.0, 0.5, 0.8])
    value, gradient, hessian = risk.value_gradient_hessian(theta)
    expected = _huber_loss_and_gradient(theta, X, y, 1.35, 0.5, s)
    np.testing.assert_allclose(value, expected[0] / W)
    np.testing.assert_allclose(gradient, expected[1] / W)
    for j in range(6):
        step = np.zeros(6)
        step[j] = 1e-6
        numeric = (risk.value_gradient(theta + step)[1] - risk.value_gradient(theta - step)[1]) / 2e-6
        np.testing.assert_allclose(hessian[:, j], numeric, atol=1e-5)


def _csr(X):
    matrix = sp.csr_array(X)
    return matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)


def test_the_same_bits_wherever_the_rows_lie_in_memory():
    """Loops that add up and write took another order where an empty array of weights lay near the temporaries."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 6))
    y = X @ rng.normal(size=6) + rng.standard_t(2, size=len(X))
    found = set()
    for k in range(4):
        kept = [np.empty(1 + 997 * k) for _ in range(3)]  # so that the next arrays lie elsewhere
        found.add(HuberRegressor().fit(X, y).coef_.tobytes())
        assert len(kept) == 3
    assert len(found) == 1
