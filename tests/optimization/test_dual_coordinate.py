"""Dual coordinate ascent and the method of multipliers, against each other, the primal and a slow twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer

from tripos import minimize
from tripos.objective.linear import linear_risk
from tripos.objective.losses import HINGE, LOG, SQUARED_HINGE, epsilon_insensitive
from tripos.objective.penalties import L1, L2
from tripos.optimization.dual_coordinate import Dual
from tripos.optimization.dual_subspace import ascend_free
from tripos.optimization.multipliers import multipliers
from tripos.optimization.result import Stopping

LOSSES = {
    "hinge": HINGE,
    "squared hinge": SQUARED_HINGE,
    "epsilon": epsilon_insensitive(0.2),
    "squared epsilon": epsilon_insensitive(0.2, squared=True),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def rows(name, seed=0, n=60, p=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    score = X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=n)
    return X, (score > 0).astype(float) if "hinge" in name else score


def risk_of(name, X, y, alpha=0.01, **options):
    return replace(
        linear_risk(X, y, LOSSES[name], penalty=L2(alpha), **options), intercept_penalty=alpha / 4.0
    )


def twin(name, X, y, c, bias, epochs):
    """One coordinate after another by the equation alone, in order, without shrinking."""
    Z = np.column_stack([X, np.full(len(y), bias)])
    sided, squared = "hinge" in name, name.startswith("squared")
    t = 2 * y - 1 if sided else y
    e = 0.0 if sided else 0.2
    d = 0.5 / c if squared else np.zeros_like(c)
    reach = np.full_like(c, np.inf) if squared else c
    low, high = (np.where(t > 0, 0.0, -reach), np.where(t > 0, reach, 0.0)) if sided else (-reach, reach)
    beta, w = np.zeros(len(y)), np.zeros(Z.shape[1])
    for _ in range(epochs):
        for i in range(len(y)):
            H = Z[i] @ Z[i] + d[i]
            z = H * beta[i] - (Z[i] @ w + d[i] * beta[i] - t[i])
            new = np.clip(np.sign(z) * max(abs(z) - e, 0.0) / H, low[i], high[i])
            w += (new - beta[i]) * Z[i]
            beta[i] = new
    return w


@every_loss
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernels_find_what_the_equation_finds(name, sparse, dtype):
    X, y = rows(name)
    X[3] = 0.0
    X = X.astype(dtype)
    c = np.random.default_rng(1).uniform(0.05, 0.4, len(y))
    none = np.zeros(0, np.int32)
    M = sp.csr_array(X)
    arrays = (M.data, M.indices, M.indptr) if sparse else (X.reshape(-1), none, none)
    t = 2 * y - 1 if "hinge" in name else y
    dual = Dual(*arrays, t, c, LOSSES[name], 1.5, X.shape[1])
    assert dual.solve(Stopping(precision=1e-15, max_iter=20_000), 1.0, True).gradient_norm < 1e-12
    np.testing.assert_allclose(dual.w, twin(name, X.astype(float), y, c, 1.5, 400), rtol=1e-4, atol=1e-5)


@every_loss
@pytest.mark.parametrize("far", [False, True], ids=["cut off", "inside"])
def test_a_step_over_the_free_rows_solves_their_system_and_stays_within_bounds(name, far):
    X, y = rows(name, n=12, p=20)
    M, c = sp.csr_array(X), np.full(12, 1e6 if far else 0.2)
    t = 2 * y - 1 if "hinge" in name else y
    dual = Dual(M.data, M.indices, M.indptr, t, c, LOSSES[name], 1.5, 20)
    dual.ascend(1, 0.0)
    before, (_, D), grown = dual.beta.copy(), dual.values(), np.zeros(1)
    ascend_free(*dual.kind, *dual.rows, t, c, dual.norms, dual.beta, dual.w, 1e-14, 50, 1e9, grown)
    w = dual.w.copy()
    assert grown[0] > 0.0
    assert dual.values()[1] - D == pytest.approx(grown[0], rel=1e-6)
    np.testing.assert_allclose(w, dual.w, rtol=1e-10, atol=1e-10)  # that of `values` is summed anew
    squared = name.startswith("squared")
    d = 0.5 / c if squared else 0.0 * c
    free = (before != 0.0) & (squared | (np.abs(before) < c))
    np.testing.assert_array_equal(dual.beta[~free], before[~free])
    assert (np.sign(dual.beta) * np.sign(before) >= 0.0).all()
    assert squared or (np.abs(dual.beta) <= c).all()
    uncut = free & (dual.beta != 0.0) & (squared | (np.abs(dual.beta) < c))
    if (uncut == free).all():  # no bound stood in the way: the gradient is zero
        Z = np.column_stack([X, np.full(12, 1.5)])
        e = 0.0 if "hinge" in name else 0.2
        gradient = Z @ w - t + d * dual.beta + e * np.sign(dual.beta)
        np.testing.assert_allclose(gradient[free], 0.0, atol=1e-8)


@every_loss
def test_minimize_finds_the_minimum_of_the_risk(name):
    X, y = rows(name)
    risk = risk_of(name, X, y)
    found = minimize(risk, np.zeros(5), "dual-coordinate-ascent", precision=1e-13, max_iter=20_000)
    assert found.converged, found.reason
    value, _ = risk.value_gradient(found.x)
    assert found.fun == pytest.approx(value, rel=1e-12)
    for seed in range(20):
        nearby = found.x + 1e-3 * np.random.default_rng(seed).normal(size=5)
        assert risk.value_gradient(nearby)[0] > value
    if name.startswith("squared"):
        np.testing.assert_allclose(
            minimize(risk, np.zeros(5), "newton", tol=1e-12).x, found.x, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", ["hinge", "epsilon"])
@pytest.mark.parametrize("shape", ["real", "more columns than rows", "duplicate columns"])
def test_multipliers_and_dual_ascent_meet_at_the_same_coefficients(name, shape):
    if shape == "real":
        X, y = load_breast_cancer(return_X_y=True)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        y = y.astype(float)
    else:
        X, y = rows(name, n=30, p=40) if "more" in shape else rows(name)
        X = np.column_stack([X, X[:, :2]]) if "duplicate" in shape else X
    risk = risk_of(name, X, y, alpha=0.05)
    start = np.zeros(X.shape[1] + 1)
    a = multipliers(risk, start, Stopping(precision=1e-13, max_iter=60))
    b = minimize(risk, start, "dual-coordinate-ascent", precision=1e-13, max_iter=50_000)
    assert a.converged, a.reason
    assert a.fun <= b.fun * (1 + 1e-12)
    np.testing.assert_allclose(a.x, b.x, rtol=1e-4, atol=1e-5)


@every_loss
def test_another_order_of_the_rows_gives_the_same_coefficients(name):
    X, y = rows(name)
    risk = risk_of(name, X, y)
    found = [
        minimize(
            risk, np.zeros(5), "dual-coordinate-ascent", precision=1e-13, max_iter=20_000, random_state=seed
        )
        for seed in (0, 1)
    ]
    np.testing.assert_allclose(found[0].x, found[1].x, rtol=1e-5, atol=1e-6)


def test_wrong_pairs_are_refused_with_what_to_use():
    X, y = rows("hinge")
    start = np.zeros(5)
    with pytest.raises(ValueError, match="log loss use method='newton'"):
        minimize(linear_risk(X, y, LOG, penalty=L2(0.1)), start, "dual-coordinate-ascent")
    with pytest.raises(ValueError, match="L2 penalty"):
        minimize(linear_risk(X, y, HINGE, penalty=L1(0.1)), start, "dual-coordinate-ascent")
    with pytest.raises(ValueError, match="penalised intercept"):
        minimize(linear_risk(X, y, HINGE, penalty=L2(0.1)), start, "dual-coordinate-ascent")
    with pytest.raises(TypeError, match="linear_risk"):
        minimize(lambda x: x @ x, start, "dual-coordinate-ascent", gradient=lambda x: 2 * x)
