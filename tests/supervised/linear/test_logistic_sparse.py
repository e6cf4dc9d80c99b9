"""L1 and elastic-net logistic regression: scikit-learn's answer on real data, or the conditions of optimality."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.preprocessing import StandardScaler

import tripos
from tripos import LogisticRegression
from tripos.optimization.orthant import least_subgradient
from tripos.optimization.proximal_newton import descend_quadratic, quadratic_lasso, violations
from tripos.supervised.linear import likelihood, logistic_sparse

RATIOS = pytest.mark.parametrize("l1_ratio", [1.0, 0.5])


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16.0, y[:600]


def sparse_model(**settings):
    return LogisticRegression(**{"solver": "saga", "l1_ratio": 1.0, "tol": 1e-9, "max_iter": 500, **settings})


def slopes(model, X, y, weight=None):
    """d/dW and d/db of sum_i s_i L, by NumPy."""
    weight = np.ones(len(y)) if weight is None else weight
    scores = X @ model.coef_.T.astype(float) + model.intercept_
    codes = np.searchsorted(model.classes_, y)
    if len(model.classes_) == 2:
        r = (1 / (1 + np.exp(-scores)) - codes[:, None]) * weight[:, None]
    else:
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(y)), codes] -= 1.0
        r = p * weight[:, None]
    return (X.T @ r).T, r.sum(axis=0)


def worst_violation(model, X, y, C, l1_ratio, weight=None) -> float:
    """Largest distance of 0 from the subdifferential of sum_i s_i L / S + (r |W|_1 + (1 - r) |W|^2 / 2) / (C S)."""
    total = len(y) if weight is None else weight.sum()
    W, (g, g0) = model.coef_, slopes(model, X, y, weight)
    found = violations(
        W.ravel(),
        (g / total + (1 - l1_ratio) * W / (C * total)).ravel(),
        np.full(W.size, l1_ratio / (C * total)),
    )
    return max(found.max(), np.abs(g0).max() / total if model.fit_intercept else 0.0)


# ---- the same answer as scikit-learn's ---------------------------------------------------------------


@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
def test_l1_coefficients_are_those_of_liblinear_without_intercept(cancer, C):
    X, y = cancer
    settings = dict(C=C, fit_intercept=False, l1_ratio=1.0, solver="liblinear")
    peer = Peer(tol=1e-12, max_iter=20_000, **settings).fit(X, y)
    model = LogisticRegression(tol=1e-10, **settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-6, atol=1e-6 * np.abs(peer.coef_).max())
    assert ((model.coef_ == 0) == (peer.coef_ == 0)).all()


@pytest.mark.parametrize("scaling", [1.0, 10.0])
def test_liblinear_penalises_the_intercept_of_l1_too(cancer, scaling):
    X, y = cancer
    settings = dict(C=0.1, l1_ratio=1.0, solver="liblinear", intercept_scaling=scaling)
    peer = Peer(tol=1e-12, max_iter=20_000, **settings).fit(X, y)
    model = LogisticRegression(tol=1e-10, **settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=1e-6, atol=1e-6)


@RATIOS
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_binary_coefficients_are_those_of_saga(cancer, l1_ratio, fit_intercept):
    X, y = cancer
    settings = dict(C=0.1, l1_ratio=l1_ratio, solver="saga", fit_intercept=fit_intercept)
    peer = Peer(tol=1e-12, max_iter=20_000, random_state=0, **settings).fit(X, y)
    model = LogisticRegression(tol=1e-10, **settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=1e-6, atol=1e-6)


@RATIOS
def test_softmax_coefficients_are_those_of_saga(digits, l1_ratio):
    X, y = digits[0][:, 20:44], digits[1]
    settings = dict(C=0.1, l1_ratio=l1_ratio, solver="saga")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer = Peer(tol=1e-12, max_iter=3000, random_state=0, **settings).fit(X, y)
    model = LogisticRegression(tol=1e-10, **settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-5, atol=1e-6)


@RATIOS
@pytest.mark.parametrize("name", ["spambase", "adult", "letters", "sms"])
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_nothing_is_left_to_do_at_the_solution(name, C, l1_ratio, request):
    data = request.getfixturevalue(name)
    X = data.X / np.abs(data.X).max(axis=0).clip(1) if name == "spambase" else data.X
    model = sparse_model(C=C, l1_ratio=l1_ratio).fit(X, data.y)
    assert worst_violation(model, X, data.y, C, l1_ratio) < 2e-9


@RATIOS
def test_at_the_default_tolerance_the_objective_is_never_above_sagas(cancer, digits, l1_ratio):
    for (X, y), C in ((cancer, 0.01), (cancer, 1.0), (digits, 1.0)):
        settings = dict(C=C, l1_ratio=l1_ratio, solver="saga")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            peer = Peer(random_state=0, **settings).fit(X, y)
        assert objective(LogisticRegression(**settings).fit(X, y), X, y, C, l1_ratio) <= objective(
            peer, X, y, C, l1_ratio
        ) * (1 + 1e-9)


def objective(model, X, y, C, l1_ratio):
    codes, scores = np.searchsorted(model.classes_, y), X @ model.coef_.T + model.intercept_
    if len(model.classes_) == 2:
        loss = np.logaddexp(0, scores[:, 0]) - codes * scores[:, 0]
    else:
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    W = model.coef_
    return C * loss.sum() + l1_ratio * np.abs(W).sum() + 0.5 * (1 - l1_ratio) * np.sum(W * W)


@RATIOS
@pytest.mark.parametrize("sparse", [False, True])
def test_weights_and_class_weights_count_rows(adult, l1_ratio, sparse):
    X = sp.csr_array(adult.X) if sparse else adult.X
    weight = np.random.default_rng(0).integers(0, 4, len(adult.y)).astype(float)
    settings = dict(l1_ratio=l1_ratio, C=0.1, class_weight={False: 2.0})
    model = sparse_model(**settings).fit(X, adult.y, weight)
    rows = np.repeat(np.arange(len(adult.y)), weight.astype(int))
    again = sparse_model(**settings).fit(X[rows], adult.y[rows])
    np.testing.assert_allclose(model.coef_, again.coef_, rtol=1e-6, atol=1e-6)
    factors = np.where(adult.y, 1.0, 2.0) * weight
    assert worst_violation(model, adult.X, adult.y, 0.1, l1_ratio, factors) < 2e-9


# ---- every road --------------------------------------------------------------------------------------


@pytest.fixture(params=["all at once", "columns", "sample", "working sets", "orthants"])
def road(request, monkeypatch):
    if request.param == "columns":
        return request.param
    monkeypatch.setattr(logistic_sparse.SparseProblem, "by_columns", False)
    if request.param == "sample":
        monkeypatch.setattr(likelihood, "SAMPLE_ROWS_PER_PARAMETER", 5)
        monkeypatch.setattr(likelihood, "SAMPLING_PAYS", 0)
    elif request.param != "all at once":
        monkeypatch.setattr(likelihood, "NEWTON_WORK", 0)
        monkeypatch.setattr(likelihood, "SAMPLED_PARAMETERS", 0)
        monkeypatch.setattr(logistic_sparse, "FIRST_COLUMNS", 8)
        monkeypatch.setattr(logistic_sparse, "ROOM", 0 if request.param == "orthants" else 2000)
    return request.param


@RATIOS
@pytest.mark.parametrize("name", ["adult", "letters"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_every_road_leads_to_the_minimum(name, l1_ratio, sparse, fit_intercept, road, request):
    data = request.getfixturevalue(name)
    X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0).clip(1e-3) if name == "letters" else data.X
    given = sp.csr_array(X) if sparse else X
    settings = dict(C=0.02, l1_ratio=l1_ratio, fit_intercept=fit_intercept)
    model = sparse_model(**settings, tol=1e-7, max_iter=3000).fit(given, data.y)
    assert model.solver_ == ("orthant-lbfgs" if road == "orthants" else "prox-newton")
    assert worst_violation(model, X, data.y, 0.02, l1_ratio) < 2e-7


def test_text_takes_a_few_working_sets(sms):
    model = LogisticRegression(solver="saga", l1_ratio=1.0).fit(sms.X, sms.y)
    assert model.solver_ == "prox-newton"
    assert model.n_iter_[0] <= 10
    assert 10 < np.count_nonzero(model.coef_) < 500


def test_float32_is_answered_in_float32(adult):
    X = adult.X.astype(np.float32)
    model = sparse_model(tol=1e-5, C=0.1).fit(X, adult.y)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, sparse_model(C=0.1).fit(adult.X, adult.y).coef_, atol=2e-3)


@pytest.mark.parametrize("rows", [700, 100_000])
def test_a_list_of_arrays_gives_what_one_array_gives(letters, rows):
    parts = [(letters.X[i : i + rows], letters.y[i : i + rows]) for i in range(0, len(letters.y), rows)]
    one = sparse_model(C=0.1).fit(letters.X, letters.y)
    np.testing.assert_allclose(sparse_model(C=0.1).fit(parts).coef_, one.coef_, rtol=1e-7, atol=1e-8)


def test_a_file_gives_what_memory_gives(adult, tmp_path):
    import polars as pl

    columns = [f"c{j}" for j in range(adult.X.shape[1])]
    pl.DataFrame(adult.X, schema=columns).with_columns(t=pl.Series(adult.y.astype(int))).write_parquet(
        tmp_path / "t.parquet"
    )
    streamed = sparse_model(C=0.1).fit(tripos.scan(tmp_path / "t.parquet", target="t", rows=1000))
    np.testing.assert_allclose(streamed.coef_, sparse_model(C=0.1).fit(adult.X, adult.y).coef_, atol=1e-7)


# ---- nasty input -------------------------------------------------------------------------------------


@RATIOS
def test_condition_1e8_is_no_trouble(l1_ratio):
    rng = np.random.default_rng(0)
    U, V = np.linalg.qr(rng.normal(size=(400, 12)))[0], np.linalg.qr(rng.normal(size=(12, 12)))[0]
    X = 20 * U * np.logspace(0, -8, 12) @ V
    y = rng.random(400) < 1 / (1 + np.exp(-X @ rng.normal(size=12)))
    model = sparse_model(l1_ratio=l1_ratio).fit(X, y)
    assert worst_violation(model, X, y, 1.0, l1_ratio) < 2e-9


@RATIOS
def test_columns_far_from_zero_and_on_many_scales_are_no_trouble(cancer, l1_ratio):
    X, y = load_breast_cancer(return_X_y=True)
    model = sparse_model(C=0.1, l1_ratio=l1_ratio, tol=1e-8).fit(X + 100.0, y)
    assert worst_violation(model, X + 100.0, y, 0.1, l1_ratio) < 1e-6


def test_duplicate_columns_share_or_win_and_the_scores_are_the_same(cancer):
    X, y = cancer
    twice = np.hstack([X, X])
    one, two = sparse_model(C=0.1).fit(X, y), sparse_model(C=0.1).fit(twice, y)
    np.testing.assert_allclose(two.decision_function(twice), one.decision_function(X), atol=1e-6)
    even = sparse_model(C=0.1, l1_ratio=0.5).fit(twice, y)
    np.testing.assert_allclose(even.coef_[:, :30], even.coef_[:, 30:], atol=1e-7)


@RATIOS
def test_more_columns_than_rows(l1_ratio):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3000))
    y = X[:, 0] - X[:, 1] + 0.3 * rng.normal(size=60) > 0
    model = sparse_model(l1_ratio=l1_ratio).fit(X, y)
    assert worst_violation(model, X, y, 1.0, l1_ratio) < 2e-9
    assert l1_ratio < 1 or np.count_nonzero(model.coef_) <= 60


def test_with_a_strong_penalty_only_the_base_rate_is_left(cancer):
    X, y = cancer
    model = sparse_model(C=1e-4).fit(X, y)
    assert not model.coef_.any()
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], y.mean(), rtol=1e-9)


def test_a_column_of_zeros_and_a_constant_one_get_nothing(cancer):
    X, y = cancer
    X = np.column_stack([X, np.zeros(len(y)), np.full(len(y), 3.0)])
    np.testing.assert_array_equal(sparse_model(C=0.5).fit(X, y).coef_[0, -2:], 0.0)


def test_separable_classes_have_a_solution_with_a_penalty(recwarn):
    X = np.array([[-2.0, 0.1], [-1.0, -0.2], [1.0, 0.2], [2.0, 0.0]])
    model = sparse_model(C=10.0).fit(X, [0, 0, 1, 1])
    assert model.score(X, [0, 0, 1, 1]) == 1.0
    assert not [w for w in recwarn if w.category is tripos.DataWarning]


def test_too_few_steps_are_said(cancer):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        LogisticRegression(solver="saga", l1_ratio=1.0, max_iter=1, C=100.0).fit(*cancer)


# ---- the parts ---------------------------------------------------------------------------------------


def lasso_problem(p=30, seed=0, singular=False):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(p // 2 if singular else 4 * p, p))
    return (
        A.T @ A / len(A),
        3 * rng.normal(size=p),
        np.where(np.arange(p) % 7 == 0, 0.0, 1.0),
        rng.normal(size=p),
    )


def test_the_sweep_is_that_of_its_numpy_twin():
    H, g, l1, x = lasso_problem()
    x[::3] = 0.0
    d, Hd = np.zeros_like(g), np.zeros_like(g)
    descend_quadratic(H, g, l1, x, d, Hd, 2, 0.0)
    twin = np.zeros_like(g)
    for _ in range(2):
        for j in range(len(g)):
            z = x[j] + twin[j]
            v = H[j, j] * z - g[j] - H[j] @ twin
            twin[j] = np.sign(v) * max(abs(v) - l1[j], 0.0) / H[j, j] - x[j]
    np.testing.assert_allclose(d, twin, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(Hd, H @ d, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("singular", [False, True])
def test_a_quadratic_lasso_is_solved_to_the_end(seed, singular):
    H, g, l1, x = lasso_problem(seed=seed, singular=singular)
    if singular:  # a gradient in the range of H where the penalty does not hold the coordinate
        g, l1 = H @ g, np.ones_like(l1)
    d = quadratic_lasso(H, g, l1, x, 1e-9)
    assert violations(x + d, g + H @ d, l1).max() < 1e-6


def test_an_intercept_beside_columns_far_from_zero_does_not_slow_the_steps_down():
    X, y = load_wine(
        return_X_y=True
    )  # not scaled: 100 steps were not enough while sweeps had to move the intercepts
    model = LogisticRegression(solver="saga", l1_ratio=0.5, C=10.0).fit(X, y)
    assert model.n_iter_[0] <= 20


def test_the_least_subgradient_is_zero_where_the_conditions_hold():
    x, g, l1 = np.array([0.0, 0.0, 2.0, -1.0]), np.array([0.5, -3.0, -1.0, 1.0]), np.ones(4)
    np.testing.assert_allclose(least_subgradient(x, g, l1), [0.0, -2.0, 0.0, 0.0])
    np.testing.assert_allclose(violations(x, g, l1), [0.0, 2.0, 0.0, 0.0])
