"""Poisson, gamma and Tweedie regression: scikit-learn's and statsmodels' answers on real data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn import linear_model as peer
from sklearn.exceptions import ConvergenceWarning

from tripos import GammaRegressor, PoissonRegressor, TweedieRegressor
from tripos.metrics import mean_tweedie_deviance
from tripos.supervised.linear.glm_target import target_sums

TIGHT = {"tol": 1e-12, "max_iter": 1000}


def standardised(frame: pd.DataFrame) -> np.ndarray:
    X = pd.get_dummies(frame, drop_first=True).to_numpy(dtype=float)
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture(scope="module")
def bikes(data_file):
    """Bikes hired in an hour: counts from 1 to 977."""
    frame = pd.read_csv(data_file("bike-sharing/hour.csv.gz"))
    y = frame["cnt"].to_numpy(dtype=float)
    frame = frame.drop(columns=["instant", "dteday", "casual", "registered", "cnt"])
    return standardised(frame.astype({"season": str, "weathersit": str, "hr": str})), y


@pytest.fixture(scope="module")
def charges(data_file):
    """Medical charges: positive and skewed."""
    frame = pd.read_csv(data_file("uci-small/insurance.csv"))
    y = frame.pop(frame.columns[-1]).to_numpy(dtype=float)
    return standardised(frame), y / 1000.0


@pytest.fixture(scope="module")
def houses(data_file):
    """Prices in King County, in 100,000 dollars."""
    frame = pd.read_csv(data_file("king-county/kc_house_data.csv.gz")).select_dtypes("number").dropna()
    y = frame.pop("price").to_numpy(dtype=float) / 1e5
    frame = frame.drop(columns=["id", "sqft_basement"], errors="ignore")
    return standardised(frame), y


def same(ours, theirs, tolerance=1e-6):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=tolerance, atol=tolerance)


def objective(model, X, y, power):
    half = 0.5 * mean_tweedie_deviance(y, model.predict(X), power=power)
    return half + 0.5 * model.alpha * float(model.coef_ @ model.coef_)


# ---- scikit-learn's answers --------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky", "irls"])
def test_poisson_on_bike_hires_equals_scikit_learn(bikes, alpha, solver):
    X, y = bikes
    kept = np.linalg.norm(X - X[:1], axis=0) > 0
    ours = PoissonRegressor(alpha=alpha, solver=solver, **TIGHT).fit(X[:, kept][::3], y[::3])
    theirs = peer.PoissonRegressor(alpha=alpha, solver="newton-cholesky", **TIGHT).fit(
        X[:, kept][::3], y[::3]
    )
    same(ours, theirs)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize("name", ["charges", "houses"])
def test_gamma_on_prices_equals_scikit_learn(name, request):
    X, y = request.getfixturevalue(name)
    ours = GammaRegressor(alpha=1e-3, **TIGHT).fit(X, y)
    theirs = peer.GammaRegressor(alpha=1e-3, solver="newton-cholesky", **TIGHT).fit(X, y)
    same(ours, theirs)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5, 1.9, 2.0, 3.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_tweedie_on_charges_equals_scikit_learn(charges, power, fit_intercept):
    X, y = charges
    known = {"power": power, "alpha": 0.01, "fit_intercept": fit_intercept, **TIGHT}
    same(TweedieRegressor(**known).fit(X, y), peer.TweedieRegressor(**known).fit(X, y))


@pytest.mark.parametrize("power", [-1.0, 0.0])
def test_tweedie_takes_any_target_up_to_power_zero(diabetes, power):
    X = (diabetes.X - diabetes.X.mean(axis=0)) / diabetes.X.std(axis=0)
    y = diabetes.y / diabetes.y.std() - 1.0
    known = {"power": power, "alpha": 0.1, "link": "log" if power else "auto", **TIGHT}
    same(TweedieRegressor(**known).fit(X, y), peer.TweedieRegressor(**known).fit(X, y), 1e-5)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
def test_tweedie_with_the_identity_link_equals_scikit_learn(power):
    rng = np.random.default_rng(0)
    X = rng.random((400, 3))
    y = 2.0 + X @ [1.0, 2.0, 0.5] + 0.3 * rng.random(400)
    known = {"power": power, "alpha": 1e-3, "link": "identity", "solver": "newton-cholesky", **TIGHT}
    ours = TweedieRegressor(**known).fit(X, y)
    same(ours, peer.TweedieRegressor(**known).fit(X, y))
    assert ours.predict(X).min() > 0


def test_at_default_tolerance_the_objective_is_never_above_scikit_learns(bikes, charges, houses):
    cases = [
        (PoissonRegressor, peer.PoissonRegressor, bikes, 1),
        (GammaRegressor, peer.GammaRegressor, charges, 2),
        (GammaRegressor, peer.GammaRegressor, houses, 2),
    ]
    for cls, other, (X, y), power in cases:
        for alpha in (1e-4, 1e-2, 1.0):
            ours = objective(cls(alpha=alpha).fit(X, y), X, y, power)
            theirs = objective(other(alpha=alpha, max_iter=1000).fit(X, y), X, y, power)
            assert ours <= theirs * (1 + 1e-9)


def test_a_wide_sparse_table_equals_scikit_learn(sms):
    y = np.array([float(label == "spam") for label in sms.y]) * 3.0
    ours = PoissonRegressor(alpha=1e-4, tol=1e-7, max_iter=500).fit(sms.X, y)
    theirs = peer.PoissonRegressor(alpha=1e-4, tol=1e-7, max_iter=5000).fit(sms.X, y)
    assert ours.solver_ == "lbfgs"
    assert objective(ours, sms.X, y, 1) <= objective(theirs, sms.X, y, 1) * (1 + 1e-9)


def test_sparse_rows_give_what_dense_rows_give(bikes):
    X, y = bikes
    X = np.where(np.abs(X) < 0.5, 0.0, X)[:2000]
    dense = PoissonRegressor(alpha=0.1, **TIGHT).fit(X, y[:2000])
    same(PoissonRegressor(alpha=0.1, **TIGHT).fit(sp.csr_array(X), y[:2000]), dense, 1e-9)


# ---- statsmodels, offsets ----------------------------------------------------------------------------


def test_coefficients_with_exposure_equal_those_of_statsmodels(charges):
    sm = pytest.importorskip("statsmodels.api")
    X, _ = charges
    rng = np.random.default_rng(0)
    years = rng.uniform(0.1, 5.0, len(X))
    claims = rng.poisson(years * np.exp(0.3 * X[:, 0] - 0.5)).astype(float)
    ours = PoissonRegressor(alpha=0.0, **TIGHT).fit(X, claims, exposure=years)
    theirs = sm.GLM(claims, sm.add_constant(X), family=sm.families.Poisson(), exposure=years).fit(tol=1e-12)
    np.testing.assert_allclose(np.append(ours.intercept_, ours.coef_), theirs.params, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X, exposure=years), theirs.mu, rtol=1e-6)
    expected = 1.0 - theirs.deviance / theirs.null_deviance
    assert ours.score(X, claims, exposure=years) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_coefficients_with_an_offset_equal_those_of_statsmodels(charges, power):
    sm = pytest.importorskip("statsmodels.api")
    X, y = charges
    offset = np.random.default_rng(1).normal(size=len(y))
    ours = TweedieRegressor(power=power, alpha=0.0, **TIGHT).fit(X, y, offset=offset)
    family = sm.families.Tweedie(var_power=power, link=sm.families.links.Log())
    theirs = sm.GLM(y, sm.add_constant(X), family=family, offset=offset).fit(tol=1e-13, maxiter=200)
    np.testing.assert_allclose(np.append(ours.intercept_, ours.coef_), theirs.params, atol=1e-6)


def test_an_exposure_is_its_logarithm_as_an_offset_and_zero_weights_drop_rows(charges):
    X, y = charges
    rng = np.random.default_rng(0)
    exposure, weights = rng.uniform(0.5, 2.0, len(y)), rng.integers(0, 3, len(y))
    a = GammaRegressor(alpha=0.1).fit(X, y, weights, exposure=exposure)
    b = GammaRegressor(alpha=0.1).fit(X, y, weights, offset=np.log(exposure))
    repeated = np.repeat(np.arange(len(y)), weights)
    c = GammaRegressor(alpha=0.1).fit(X[repeated], y[repeated], exposure=exposure[repeated])
    same(a, b, 1e-12)
    same(a, c, 1e-7)


# ---- precision, threads, form ------------------------------------------------------------------------


def test_float32_is_kept_and_near_float64(bikes):
    X, y = bikes
    single = PoissonRegressor(alpha=1e-2).fit(X.astype(np.float32), y)
    double = PoissonRegressor(alpha=1e-2).fit(X, y)
    assert single.coef_.dtype == single.predict(X[:2].astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, atol=2e-3)


def test_condition_1e8_leaves_the_predictions_of_the_well_conditioned_basis(charges):
    """The same columns, one of them nearly the sum of two others: the same deviance, the same means."""
    X, y = charges
    ill = np.column_stack([X, X[:, 0] + X[:, 1] + 1e-8 * X[:, 2]])
    a = GammaRegressor(alpha=0.0, **TIGHT).fit(X, y)
    b = GammaRegressor(alpha=0.0, tol=1e-8, max_iter=1000).fit(ill, y)
    np.testing.assert_allclose(b.predict(ill), a.predict(X), rtol=1e-5)


def test_a_warm_start_ends_at_once(bikes):
    X, y = bikes
    model = PoissonRegressor(alpha=0.1, warm_start=True).fit(X, y)
    first = model.coef_
    model.fit(X, y)
    assert model.n_iter_ == 1
    np.testing.assert_allclose(model.coef_, first, atol=1e-5)


def test_the_history_falls_to_half_the_mean_deviance(charges):
    X, y = charges
    model = GammaRegressor(alpha=0.01).fit(X, y)
    assert model.history_["loss"] == sorted(model.history_["loss"], reverse=True)
    assert model.loss_ == pytest.approx(objective(model, X, y, 2), rel=1e-6)


# ---- messages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "bad", "says"),
    [(PoissonRegressor, -2.0, "zero or larger"), (GammaRegressor, 0.0, "larger than zero")],
)
def test_a_target_outside_the_domain_is_named_with_its_row(charges, cls, bad, says):
    X, y = charges
    y = y.copy()
    y[17] = bad
    with pytest.raises(ValueError, match=f"{says}.*row 17 holds {bad:g}"):
        cls().fit(X, y)
    weights = np.ones(len(y))
    weights[:5] = 0.0
    with pytest.raises(ValueError, match="row 17"):
        cls().fit(X, y, weights)
    weights[17] = 0.0
    cls().fit(X, y, weights)


def test_offsets_that_cannot_be_are_refused(charges):
    X, y = charges
    ones = np.ones(len(y))
    with pytest.raises(ValueError, match="log link"):
        TweedieRegressor().fit(X, y, offset=ones)
    with pytest.raises(ValueError, match="row 3 holds 0"):
        PoissonRegressor().fit(X, y, exposure=np.where(np.arange(len(y)) == 3, 0.0, 1.0))
    with pytest.raises(ValueError, match=f"{len(y)} rows"):
        PoissonRegressor().fit(X, y, offset=ones[:-1])
    with pytest.raises(ValueError, match="is for blocks"):
        PoissonRegressor().fit(X, y, exposure="years")
    with pytest.raises(ValueError, match=f"one number for each of the {len(y)} rows"):
        PoissonRegressor().fit([(X, y)], exposure=ones[:-1])


def test_targets_that_are_all_zero_are_refused():
    with pytest.raises(ValueError, match="every target is 0"):
        PoissonRegressor().fit(np.eye(4), np.zeros(4))


def test_too_few_steps_are_said(bikes):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        PoissonRegressor(alpha=0.0, max_iter=1, solver="newton-cholesky").fit(*bikes)


# ---- kernel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_sums_of_targets_equal_numpys(power, weighted):
    rng = np.random.default_rng(0)
    y = rng.poisson(1.0, 50).astype(float)
    y = y + 0.1 if power >= 2 else y
    s = rng.random(50) if weighted else np.empty(0)
    sums = np.zeros(3)
    target_sums(power, y, s, sums)
    weight = s if weighted else np.ones(50)
    if power == 1.0:
        least = y - xlogy(y, y)
    elif power == 2.0:
        least = 1.0 + np.log(y)
    else:
        least = -(y ** (2 - power)) / ((1 - power) * (2 - power))
    np.testing.assert_allclose(sums, [weight.sum(), weight @ y, weight @ least], rtol=1e-12)
