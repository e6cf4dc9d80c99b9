"""Least squares by the gradient: it arrives where the normal equations are, says what keeps it, merges and
streams."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

import tripos
from tripos import LinearRegression, minimize
from tripos.objective.linear import linear_risk
from tripos.optimization.check import check_gradient
from tripos.supervised.linear.gradient_road import RULES, SOLVERS, Quadratic

rules = pytest.mark.parametrize("solver", RULES)


@pytest.fixture
def scaled(diabetes):
    return (diabetes.X - diabetes.X.mean(axis=0)) / diabetes.X.std(axis=0), diabetes.y


def quadratic(X, y, **options):
    model = LinearRegression(**options).fit(X, y)
    statistics = model._statistics()
    equations = model._equations(statistics)
    return Quadratic.of(equations, 0, statistics.weight, fit_intercept=model.fit_intercept)


@rules
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_scaled_columns_lead_to_least_squares(scaled, solver, fit_intercept):
    X, y = scaled
    best = LinearRegression(tol=0, fit_intercept=fit_intercept).fit(X, y)
    model = LinearRegression(solver=solver, fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.coef_, best.coef_, atol=1e-6 * np.abs(best.coef_).max())
    assert model.intercept_ == pytest.approx(best.intercept_, rel=1e-6)
    assert model.n_iter_ == model.history_["step"][-1] > 1
    assert model.solver_ == solver


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_quadratic_is_the_mean_of_the_rows_losses(diabetes, fit_intercept):
    Q = quadratic(diabetes.X, diabetes.y, fit_intercept=fit_intercept)
    risk = linear_risk(diabetes.X, diabetes.y, fit_intercept=fit_intercept)
    x = np.random.default_rng(0).normal(size=10 + fit_intercept)
    (value, gradient), (same, alike) = Q.value_gradient(x), risk.value_gradient(x)
    assert value == pytest.approx(same, rel=1e-10)
    np.testing.assert_allclose(gradient, alike, rtol=1e-8)


def test_its_gradient_is_that_of_central_differences(scaled):
    assert check_gradient(quadratic(*scaled), np.linspace(-1, 1, 11)).passed


def test_its_steps_are_those_over_the_rows(scaled):
    X, y = scaled
    with pytest.warns(ConvergenceWarning, match="max_iter=20"):
        model = LinearRegression(solver="momentum", learning_rate=0.1, max_iter=20).fit(X, y)
    same = minimize(linear_risk(X, y), np.zeros(11), "momentum", learning_rate=0.1, max_iter=20)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), same.x, rtol=1e-10)
    np.testing.assert_allclose(model.history_["loss"], same.history_["loss"][1:], rtol=1e-10)


@rules
def test_unscaled_columns_are_named_with_what_to_do(diabetes, solver):
    table = pl.DataFrame(diabetes.X, schema=list("abcdefghij"))
    with pytest.warns(
        ConvergenceWarning, match="'e' is 69 times that of 'b'.*condition number.*StandardScaler"
    ) as w:
        LinearRegression(solver=solver, max_iter=50).fit(table, diabetes.y)
    assert len(w) == 1
    assert solver == "adam" or "learning_rate=1.4e-05 works" in str(w[0].message)


@pytest.mark.parametrize("solver", ["gradient-descent", "nesterov", "sgd"])
def test_a_rate_too_large_is_answered_with_one_that_works(scaled, solver):
    with pytest.warns(ConvergenceWarning, match="diverged.*learning_rate=[0-9.]+ works") as w:
        LinearRegression(solver=solver, learning_rate=30.0).fit(*scaled)
    rate = float(str(w[0].message).split("learning_rate=")[1].split()[0])
    model = LinearRegression(solver=solver, learning_rate=rate, max_iter=20000 if solver != "sgd" else 300)
    assert model.fit(*scaled).score(*scaled) > 0.51


def test_sgd_comes_near_least_squares_and_repeats_itself(scaled):
    X, y = scaled
    model = LinearRegression(solver="sgd", max_iter=400, random_state=1).fit(X, y)
    assert model.score(X, y) > LinearRegression().fit(X, y).score(X, y) - 2e-3
    again = LinearRegression(solver="sgd", max_iter=400, random_state=1).fit(X, y)
    np.testing.assert_array_equal(model.coef_, again.coef_)


@pytest.mark.parametrize("weighted", [True, False])
def test_parts_and_merged_models_give_one_fit(scaled, weighted):
    X, y = scaled
    weight = np.random.default_rng(0).integers(0, 3, len(y)) if weighted else np.ones(len(y))
    whole = LinearRegression(solver="nesterov").fit(X, y, weight)
    parts = LinearRegression(solver="nesterov")
    for rows in (slice(0, 200), slice(200, None)):
        parts.partial_fit(X[rows], y[rows], weight[rows])
    first, second = (
        LinearRegression(solver="nesterov").fit(X[rows], y[rows], weight[rows])
        for rows in (slice(0, 200), slice(200, None))
    )
    for model in (parts, first.merge(second)):
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
        assert model.n_iter_ == whole.n_iter_


@pytest.mark.parametrize("solver", ["nesterov", "sgd"])
def test_a_file_gives_what_memory_gives(scaled, solver, tmp_path):
    X, y = scaled
    pl.DataFrame(np.column_stack([X, y]), schema=[*"abcdefghij", "y"]).write_parquet(
        tmp_path / "rows.parquet"
    )
    streamed = LinearRegression(solver=solver, max_iter=1000).fit(
        tripos.scan(tmp_path / "rows.parquet", target="y")
    )
    inside = LinearRegression(solver=solver, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(
        streamed.coef_, inside.coef_, rtol=1e-9 if solver == "nesterov" else 0.05, atol=0.1
    )


def test_sgd_says_that_statistics_are_not_enough(scaled):
    model = LinearRegression(solver="sgd", max_iter=400).fit(*scaled)
    with pytest.raises(ValueError, match="SGDRegressor"):
        model.merge(model)


def test_several_targets_are_several_descents(scaled):
    X, y = scaled
    both = LinearRegression(solver="nesterov").fit(X, np.column_stack([y, -2 * y]))
    single = LinearRegression(solver="nesterov").fit(X, y)
    np.testing.assert_allclose(both.coef_, np.array([single.coef_, -2 * single.coef_]), rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_more_columns_than_rows_are_descended_over_the_rows(form):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 600)), rng.normal(size=30)
    model = LinearRegression(solver="momentum").fit(form(X), y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-6)


def test_positive_coefficients_are_left_to_the_closed_form(scaled):
    with pytest.raises(ValueError, match="positive"):
        LinearRegression(solver="adam", positive=True).fit(*scaled)


def test_a_constant_target_and_a_constant_column_stop_at_once():
    X = np.column_stack([np.ones(20), np.linspace(-1, 1, 20)])
    model = LinearRegression(solver="nesterov").fit(X, np.full(20, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_is_answered_in_float32(scaled, solver):
    X, y = scaled
    model = LinearRegression(solver=solver, max_iter=8000 if solver != "sgd" else 400)
    assert model.fit(X.astype(np.float32), y).coef_.dtype == np.float32
