"""Coordinate descent alone: against its definition, its twins in NumPy, and through `minimize`."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tripos.optimization.coordinate as coordinate
from tripos import Lasso, minimize
from tripos.objective.linear import linear_risk
from tripos.objective.penalties import L1, L2, ElasticNet
from tripos.optimization.coordinate import WorkingSet
from tripos.optimization.coordinate_columns import PlacedStore, columns_of
from tripos.optimization.coordinate_gram import GramProblem, Rules
from tripos.optimization.coordinate_kernels import (
    all_products,
    column_products,
    gram_descent,
    row_products,
    screen,
    suspects,
)


def rows(n: int = 60, d: int = 90, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 3.0
    return X, X[:, :4] @ rng.normal(size=4) + 0.2 * rng.normal(size=n), rng.random(n) + 0.1


def twin(X, y, l1, l2, positive=False, sweeps=20_000):
    """Cyclic descent as the textbook has it."""
    w, r, g = np.zeros(X.shape[1]), y.copy(), (X * X).sum(axis=0)
    for _ in range(sweeps):
        before = w.copy()
        for j in np.flatnonzero(g):
            u = X[:, j] @ r + g[j] * w[j]
            new = max(u - l1, 0.0) if positive else np.sign(u) * max(abs(u) - l1, 0.0)
            new /= g[j] + l2
            r += (w[j] - new) * X[:, j]
            w[j] = new
        if np.abs(w - before).max() < 1e-13:
            break
    return w


FORMS = {"rows": np.ascontiguousarray, "columns": np.asfortranarray, "csr": sp.csr_array, "csc": sp.csc_array}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_are_those_of_the_centred_weighted_matrix(form, weighted):
    X, y, s = rows()
    X[X < 2.0] = 0.0
    s = s if weighted else np.ones(len(y))
    mean = np.average(X, axis=0, weights=s)
    Z = np.sqrt(s)[:, None] * (X - mean)
    columns = columns_of(FORMS[form](X), s if weighted else None, centred=True)
    target, y_mean = columns.target(y)
    assert y_mean == pytest.approx(np.average(y, weights=s))
    np.testing.assert_allclose(columns.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(columns.square, (Z * Z).sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(columns.products(target), Z.T @ target, atol=1e-9)
    some = np.array([7, 3, 50])
    np.testing.assert_allclose(columns.products(target, some), Z[:, some].T @ target, atol=1e-9)
    store = columns.store()
    store.append(some[:2])
    store.append(some[2:])
    np.testing.assert_allclose(store.cross(1), Z[:, some[1:]].T @ Z[:, some], atol=1e-9)
    r = target.copy()
    store.subtract(np.array([1.0, -2.0, 0.5]), r)
    np.testing.assert_allclose(r, target - Z[:, some] @ [1.0, -2.0, 0.5], atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_those_of_numpy(dtype):
    X, y, _ = rows(n=61)
    X = X.astype(dtype)
    some, expected = np.array([4, 0, 88]), X.astype(float).T @ y
    out = np.zeros(3)
    row_products(X, some, y, out)
    np.testing.assert_allclose(out, expected[some], rtol=1e-12)
    column_products(np.ascontiguousarray(X.T), some, y, out)
    np.testing.assert_allclose(out, expected[some], rtol=1e-12)
    out = np.zeros(X.shape[1])
    all_products(X, y, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(("l1", "l2", "positive"), [(20.0, 0.0, False), (2.0, 1.0, False), (5.0, 0.0, True)])
def test_the_working_set_finds_what_plain_descent_finds(form, few, l1, l2, positive, monkeypatch):
    if few:  # no products are kept: descent goes over the columns themselves
        monkeypatch.setattr(coordinate, "GRAM_COLUMNS", 2)
    X, y, _ = rows()
    X -= 2.0 * few  # nearer to zero: read where they are
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    columns = columns_of(FORMS[form](X), None, centred=True)
    problem = WorkingSet(columns, columns.target(y)[0])
    found = problem.solve(Rules(l1, l2, positive, tol=1e-12, max_iter=100_000))
    expected = twin(Xc, yc, l1, l2, positive)
    np.testing.assert_allclose(found.w, expected, atol=1e-6)
    assert found.converged


@pytest.mark.parametrize("positive", [False, True])
def test_all_products_at_once_find_the_same(positive):
    X, y, _ = rows(d=12)
    found = GramProblem(X.T @ X, X.T @ y, float(y @ y)).solve(Rules(9.0, 0.5, positive, 1e-13, 100_000))
    np.testing.assert_allclose(found.w, twin(X, y, 9.0, 0.5, positive), atol=1e-7)


@pytest.mark.parametrize("eased", [False, True])
def test_a_path_over_all_products_is_that_of_its_strengths_one_by_one(eased):
    X, y, _ = rows(d=12)
    path = [Rules(l1, 0.5, tol=1e-6, eased=eased) for l1 in np.geomspace(np.abs(X.T @ y).max(), 1.0, 20)]
    together, apart = (GramProblem(X.T @ X, X.T @ y, float(y @ y)) for _ in range(2))
    for found, rules in zip(together.walk(path), path, strict=True):
        expected = apart.solve(rules)
        np.testing.assert_allclose(found.w, expected.w, atol=1e-3 if eased else 1e-5)
        assert found.converged
        assert expected.converged
        assert found.objective == pytest.approx(expected.objective, rel=1e-6 if eased else 1e-9)


def test_columns_that_lie_near_zero_are_read_where_they_are():
    X, y, s = rows()
    Z = np.asfortranarray(X - 3.0)
    columns = columns_of(Z, None, centred=True, y=y)
    np.testing.assert_allclose(columns.first, columns.products(columns.target(y)[0]), rtol=1e-9)
    some = np.arange(0, 90, 2)
    store = columns.store()
    assert isinstance(store, PlacedStore)
    store.append(some[:30])
    store.append(some[30:])
    centred = Z[:, some] - Z[:, some].mean(axis=0)
    np.testing.assert_allclose(store.cross(30), centred[:, 30:].T @ centred, atol=1e-9)
    r, w = y - y.mean(), np.arange(45.0)
    store.subtract(w, r)
    np.testing.assert_allclose(r, y - y.mean() - centred @ w, atol=1e-8)
    for X_, s_ in ((np.asfortranarray(X + 100.0), None), (Z, s), (np.ascontiguousarray(Z), None)):
        assert not isinstance(columns_of(X_, s_, centred=True).store(), PlacedStore)


def test_the_kernels_gap_is_the_duality_gap():
    X, y, _ = rows(d=12)
    rng = np.random.default_rng(1)
    w = rng.normal(size=12) * (rng.random(12) < 0.5)
    G, c, l1, l2, out = X.T @ X, X.T @ y, 9.0, 0.7, np.zeros(2)
    gram_descent(
        G, c, c - G @ w, w.copy(), 12, float(y @ y), l1, l2, False, 0.0, 0.0, 0.0, np.empty(0, np.int64), 0, out
    )  # fmt: skip
    r = y - X @ w
    a = min(1.0, l1 / np.abs(X.T @ r - l2 * w).max())
    primal = 0.5 * r @ r + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w
    dual = a * (r @ y) - 0.5 * a * a * (r @ r + l2 * w @ w)
    assert out[0] == pytest.approx(primal - dual, rel=1e-9)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.9, 0.5, 0.1]))
def test_no_column_of_the_solution_is_ever_screened_or_overlooked(seed, share):
    X, y, _ = rows(n=30, d=40, seed=seed)
    X, y = X - X.mean(axis=0), y - y.mean()
    l1 = share * np.abs(X.T @ y).max()
    solution = twin(X, y, l1, 0.0)
    w = solution + 0.05 * np.random.default_rng(seed).normal(size=40) * (solution != 0)
    r = y - X @ w
    norm, version, settled = np.sqrt((X * X).sum(axis=0)), np.zeros(40, np.int64), np.zeros(40, bool)
    old = y - 0.9 * X @ w
    known, radius, room = X.T @ old, np.array([np.linalg.norm(r - old)]), np.empty(40, np.int64)
    count = suspects(known, norm, version, radius, settled, l1, False, room)
    assert set(np.flatnonzero(np.abs(X.T @ r) > l1)) <= set(room[:count])
    scale = min(1.0, l1 / np.abs(X.T @ r).max())
    gap = 0.5 * (1 + scale**2) * r @ r + l1 * np.abs(w).sum() - scale * r @ y
    screen(known, norm, version, radius, scale, l1, 0.0, gap, False, settled)
    assert not solution[settled].any()


@pytest.mark.parametrize("penalty", [L1(0.05), ElasticNet(0.1, 0.5), L2(0.3), None], ids=str)
@pytest.mark.parametrize("sparse", [False, True])
def test_minimize_satisfies_the_optimality_conditions(penalty, sparse):
    X, y, s = rows(d=8)
    risk = linear_risk(sp.csr_array(X) if sparse else X, y, penalty=penalty, sample_weight=s)
    result = minimize(risk, np.zeros(9), method="coordinate-descent")
    assert result.converged
    assert result.n_iter <= 2  # the model of the squared loss is the squared loss
    assert result.gradient_norm < 1e-7


def test_minimize_and_lasso_agree():
    X, y, _ = rows(d=8)
    found = minimize(linear_risk(X, y, penalty=L1(0.05)), np.zeros(9), method="coordinate-descent").x
    model = Lasso(alpha=0.05, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(found, [*model.coef_, model.intercept_], atol=1e-8)


@pytest.mark.parametrize("loss", ["log", "poisson", "gamma"])
def test_other_smooth_losses_take_an_l1_penalty_too(loss):
    X, y, _ = rows(d=8)
    X = X - 3.0
    y = {"log": (y > np.median(y)) * 1.0, "poisson": np.floor(np.exp(y / 9)), "gamma": np.exp(y / 9)}[loss]
    result = minimize(linear_risk(X, y, loss, penalty=L1(0.03)), np.zeros(9), method="coordinate-descent")
    assert result.converged, result.reason
    assert result.gradient_norm < 1e-6
    assert 0 < np.count_nonzero(result.x[:8]) < 8


def test_what_has_no_columns_or_no_curvature_is_refused():
    X, y, _ = rows(d=8)
    with pytest.raises(TypeError, match="coordinate-descent.*Functions"):
        minimize(lambda x: x @ x, np.ones(2), "coordinate-descent", gradient=lambda x: 2 * x)
    with pytest.raises(TypeError, match="absolute loss"):
        minimize(linear_risk(X, y, "absolute", penalty=L1(0.1)), np.zeros(9), "coordinate-descent")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("weighted", [False, True])
def test_sweeps_over_all_columns_end_where_scikit_learn_does(
    order: str, shift: float, weighted: bool
) -> None:
    from sklearn.linear_model import Lasso

    rng = np.random.default_rng(0)
    X = np.asarray(rng.normal(size=(6000, 150)) + shift, order=order)
    y = X @ rng.normal(size=150) + rng.normal(size=6000)
    s = rng.uniform(0.5, 2.0, 6000) if weighted else None
    columns = columns_of(X, s, centred=True)
    target, _ = columns.target(y)
    problem = WorkingSet(columns, target, once=True)
    solution = problem.solve(Rules(l1=0.01 * columns.weight))
    peer = Lasso(alpha=0.01).fit(X, y, sample_weight=s)
    assert not problem.members.size  # no working set was needed
    assert solution.n_iter == peer.n_iter_
    np.testing.assert_allclose(solution.w, peer.coef_, rtol=0, atol=1e-9)
