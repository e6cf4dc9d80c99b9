"""Standard errors, tests, intervals and measures of fit: statsmodels' numbers on real data."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

import tripos
from tripos import DataWarning, LinearRegression, LogisticRegression, Ridge
from tripos.base import Regressor
from tripos.compute.blocks import row_blocks
from tripos.supervised.linear.covariance import COVARIANCES
from tripos.supervised.linear.family import BERNOULLI, GAMMA, GAUSSIAN, POISSON, tweedie
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.multinomial_inference import infer_multinomial

RTOL = 1e-6
ROBUST = COVARIANCES[1:]


@pytest.fixture(scope="module")
def insurance(data_file):
    frame = pd.read_csv(data_file("uci-small/insurance.csv"))
    X = pd.get_dummies(frame.drop(columns="charges"), drop_first=True).astype(float)
    return SimpleNamespace(X=X, y=frame["charges"].to_numpy())


@pytest.fixture(scope="module")
def ames(data_file):
    frame = pd.read_csv(data_file("ames/ames.csv.gz"))
    columns = ["area", "Lot.Area", "Overall.Qual", "Overall.Cond", "Year.Built", "Full.Bath", "TotRms.AbvGrd"]
    X = pd.get_dummies(frame[[*columns, "Bldg.Type"]], drop_first=True).astype(float)
    return SimpleNamespace(
        X=X, y=frame["price"].to_numpy(dtype=float), groups=frame["Neighborhood"].to_numpy()
    )


@pytest.fixture(scope="module")
def titanic(data_file):
    frame = pd.read_csv(data_file("titanic/kaggle_train.csv")).dropna(subset=["Age"])
    X = (
        frame[["Pclass", "Age", "SibSp", "Parch", "Fare"]]
        .assign(female=frame["Sex"] == "female")
        .astype(float)
    )
    return SimpleNamespace(X=X, y=frame["Survived"].to_numpy(), groups=frame["Ticket"].to_numpy())


@pytest.fixture(scope="module")
def bikes(data_file):
    """Rentals per day against season and weather; registered riders as an exposure."""
    frame = pd.read_csv(data_file("bike-sharing/day.csv"))
    X = frame[["yr", "holiday", "workingday", "temp", "hum", "windspeed"]].to_numpy(dtype=float)
    return SimpleNamespace(
        X=X,
        y=frame["casual"].to_numpy(dtype=float),
        exposure=frame["registered"].to_numpy(dtype=float),
        groups=frame["mnth"].to_numpy(),
    )


class Given(LinearModel, Regressor):
    """A linear model with the coefficients of another program: inference without a solver of ours."""

    _parameter_constraints = {"family": "no_validation"}

    def __init__(self, family=None):
        self.family = family

    def _family(self):
        return self.family

    def fit(self, X, y):
        return self

    def take(self, X, coefficients):
        self._start_fit(X, np.ones(len(X)))
        self.intercept_, self.coef_ = coefficients[0], np.asarray(coefficients[1:])
        return self


def peer_family(family):
    f, links = sm.families, sm.families.links
    return {
        "gaussian": f.Gaussian(),
        "bernoulli": f.Binomial(),
        "poisson": f.Poisson(),
        "gamma": f.Gamma(links.Log()),
        "tweedie": f.Tweedie(links.Log(), var_power=family.power),
    }[family.name]


def glm(X, y, family, **options):
    fit = sm.GLM(y, sm.add_constant(X), family=peer_family(family), **options).fit(tol=1e-13, maxiter=200)
    return fit, Given(family).take(np.asarray(X, dtype=float), np.asarray(fit.params))


def assert_same_table(found, peer, rtol=RTOL):
    shown = [found.coef, found.standard_error, found.statistic, found.low, found.high, found.covariance]
    interval = np.asarray(peer.conf_int(alpha=1 - found.confidence))
    expected = [peer.params, peer.bse, peer.tvalues, interval[:, 0], interval[:, 1], peer.cov_params()]
    for ours, theirs in zip(shown, expected, strict=True):
        theirs = np.asarray(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * 1e-3 * np.abs(theirs).max())
    # the tail of t at 40 standard errors magnifies the last digit of t
    np.testing.assert_allclose(
        found.p_value, np.asarray(peer.pvalues), rtol=max(1e-4, 100 * rtol), atol=1e-30
    )


def assert_same_fit(found, peer):
    ours = [found.log_likelihood, found.aic, found.df_residual]
    np.testing.assert_allclose(ours, [peer.llf, peer.aic, peer.df_resid], rtol=RTOL)
    bic = peer.bic_llf if hasattr(peer, "bic_llf") else peer.bic
    np.testing.assert_allclose(found.bic, bic, rtol=RTOL)


# ---- least squares -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["diabetes", "california", "ames", "insurance"])
def regression(request):
    data = request.getfixturevalue(request.param)
    return SimpleNamespace(X=np.asarray(data.X, dtype=float), y=data.y, name=request.param)


@pytest.fixture(scope="module")
def least_squares(regression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(tol=0).fit(regression.X, regression.y)
    return model, sm.OLS(regression.y, sm.add_constant(regression.X))


def test_least_squares_table_is_statsmodels(least_squares, regression):
    model, peer = least_squares
    assert_same_table(model.inference(regression.X, regression.y), peer.fit(method="qr"))


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_errors_of_least_squares_are_statsmodels(least_squares, regression, kind):
    model, peer = least_squares
    robust = peer.fit(method="qr", cov_type=kind, use_t=True)
    assert_same_table(model.inference(regression.X, regression.y, covariance=kind), robust)


def test_clustered_errors_of_least_squares_are_statsmodels(ames):
    model = LinearRegression(tol=0).fit(ames.X, ames.y)
    groups = np.unique(ames.groups, return_inverse=True)[1]
    peer = sm.OLS(ames.y, sm.add_constant(ames.X.to_numpy()))
    clustered = peer.fit(method="qr", cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = model.inference(ames.X, ames.y, covariance="clustered", groups=ames.groups)
    assert_same_table(found, clustered)
    # asked for in this order: `f_pvalue` alone forgets that groups, not rows, are counted
    np.testing.assert_allclose(found.f_statistic, clustered.fvalue, rtol=RTOL)
    np.testing.assert_allclose(found.f_p_value, clustered.f_pvalue, rtol=1e-4)


def test_measures_of_fit_are_statsmodels(least_squares, regression):
    model, peer = least_squares
    found, expected = model.inference(regression.X, regression.y), peer.fit(method="qr")
    assert_same_fit(found, expected)
    np.testing.assert_allclose(
        [found.r2, found.r2_adjusted, found.f_statistic, found.dispersion, found.condition_number],
        [
            expected.rsquared,
            expected.rsquared_adj,
            expected.fvalue,
            expected.scale,
            expected.condition_number,
        ],
        rtol=RTOL,
    )


def test_variance_inflation_is_statsmodels(least_squares, regression):
    model, peer = least_squares
    expected = [variance_inflation_factor(peer.exog, j) for j in range(1, peer.exog.shape[1])]
    np.testing.assert_allclose(model.inference(regression.X, regression.y).vif[1:], expected, rtol=RTOL)


def test_kept_moments_say_what_the_rows_say(least_squares, regression):
    model, _ = least_squares
    found, expected = model.inference(), model.inference(regression.X, regression.y)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-5)
    np.testing.assert_allclose(
        [found.aic, found.f_statistic], [expected.aic, expected.f_statistic], rtol=RTOL
    )
    np.testing.assert_allclose(found.vif, expected.vif, rtol=1e-5)


def test_a_model_without_intercept_has_the_uncentred_r2(insurance):
    X = insurance.X.to_numpy()
    found = LinearRegression(fit_intercept=False).fit(X, insurance.y).inference(X, insurance.y)
    peer = sm.OLS(insurance.y, X).fit()
    assert_same_table(found, peer)
    np.testing.assert_allclose([found.r2, found.r2_adjusted], [peer.rsquared, peer.rsquared_adj], rtol=RTOL)
    assert found.names == [f"x{j}" for j in range(X.shape[1])]


@pytest.mark.parametrize("kind", COVARIANCES[:-1])
def test_a_weight_of_k_counts_as_k_rows(diabetes, kind):
    weight = np.random.default_rng(0).integers(0, 4, len(diabetes.y))
    X, y = np.repeat(diabetes.X, weight, axis=0), np.repeat(diabetes.y, weight)
    model = LinearRegression().fit(X, y)
    repeated = model.inference(X, y, covariance=kind)
    weighted = model.inference(diabetes.X, diabetes.y, weight, covariance=kind)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-8)
    assert weighted.n_rows == repeated.n_rows == weight.sum()


def test_weights_drop_the_groups_of_their_rows_too(ames):
    weight = (np.arange(len(ames.y)) % 3 > 0).astype(float)
    keep = weight > 0
    model = LinearRegression(tol=0).fit(ames.X[keep], ames.y[keep])
    some = model.inference(ames.X[keep], ames.y[keep], covariance="clustered", groups=ames.groups[keep])
    all_ = model.inference(ames.X, ames.y, weight, covariance="clustered", groups=ames.groups)
    np.testing.assert_allclose(all_.standard_error, some.standard_error, rtol=1e-9)


def test_a_design_of_condition_1e8_keeps_six_digits():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2000, 1))
    X = np.hstack([base, base + 1e-7 * rng.normal(size=(2000, 1)), rng.normal(size=(2000, 2))])
    y = X @ [1.0, 1.0, 2.0, 0.0] + rng.normal(size=2000)
    peer = sm.OLS(y, sm.add_constant(X)).fit(method="pinv")  # "qr" squares R
    model = Given(GAUSSIAN).take(X, np.asarray(peer.params))
    np.testing.assert_allclose(model.inference(X, y).standard_error, peer.bse, rtol=1e-6)


def test_columns_far_from_zero_keep_their_digits(diabetes):
    X = diabetes.X + 1e5
    near = LinearRegression().fit(diabetes.X, diabetes.y).inference(diabetes.X, diabetes.y)
    far = LinearRegression().fit(X, diabetes.y).inference(X, diabetes.y)
    np.testing.assert_allclose(far.standard_error[1:], near.standard_error[1:], rtol=1e-8)


def test_collinear_columns_are_named_and_have_no_errors(insurance):
    X = insurance.X.assign(months=12 * insurance.X["age"])
    with pytest.warns(DataWarning):
        model = LinearRegression().fit(X, insurance.y)
    found = model.inference(X, insurance.y)
    involved = np.isin(found.names, ["age", "months"])
    assert np.isnan(found.standard_error[involved]).all()
    assert np.isinf(found.vif[involved]).all()
    assert "'months' follows from 'age'" in found.notes[0] or "'age' follows from 'months'" in found.notes[0]


def test_collinear_columns_leave_the_others_their_errors(insurance):
    alone = LinearRegression().fit(insurance.X, insurance.y).inference(insurance.X, insurance.y)
    X = insurance.X.assign(months=12 * insurance.X["age"])
    with pytest.warns(DataWarning):
        model = LinearRegression().fit(X, insurance.y)
    for found in (model.inference(X, insurance.y), model.inference()):
        others = [name for name in alone.names if name != "age"]
        ours = pd.Series(found.standard_error, found.names)[others]
        np.testing.assert_allclose(ours, pd.Series(alone.standard_error, alone.names)[others], rtol=1e-8)
        assert found.df_residual == alone.df_residual


def test_the_dummy_trap_leaves_the_intercept_without_an_error(insurance):
    X = insurance.X[["age"]].assign(yes=insurance.X["smoker_yes"], no=1 - insurance.X["smoker_yes"])
    with pytest.warns(DataWarning):
        model = LinearRegression().fit(X, insurance.y)
    found = pd.Series(model.inference(X, insurance.y).standard_error, ["intercept", "age", "yes", "no"])
    assert found.isna().tolist() == [True, False, True, True]


def test_more_columns_than_rows_leave_nothing_for_errors():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 20)), rng.normal(size=10)
    with pytest.warns(DataWarning):
        model = LinearRegression().fit(X, y)
    found = model.inference(X, y)
    assert np.isnan(found.standard_error).all()
    assert any("leave nothing" in note for note in found.notes)


def test_a_row_that_fits_itself_does_not_break_hc3():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=50), np.eye(50)[:, 7]])
    y = rng.normal(size=50)
    found = LinearRegression().fit(X, y).inference(X, y, covariance="HC3")
    assert np.isfinite(found.standard_error).all()


def test_tables_with_categories_are_judged_as_they_are_fitted(data_file):
    frame = pd.read_csv(data_file("uci-small/insurance.csv"))
    y = frame.pop("charges")
    model = LinearRegression().fit(frame, y)
    found = model.inference(frame, y)
    assert found.names == ["intercept", *map(str, model.encoded_feature_names_)]
    np.testing.assert_allclose(found.standard_error, model.inference().standard_error, rtol=1e-8)


def test_sparse_rows_and_blocks_say_the_same(ames):
    X = ames.X.to_numpy()
    model = LinearRegression(tol=0).fit(X, ames.y)
    dense = model.inference(X, ames.y, covariance="HC3")
    sparse = model.inference(sp.csr_array(X), ames.y, covariance="HC3")
    np.testing.assert_allclose(sparse.standard_error, dense.standard_error, rtol=1e-6)
    streamed = model.inference(row_blocks(X, ames.y, rows=300), covariance="HC3")
    np.testing.assert_allclose(streamed.standard_error, dense.standard_error, rtol=1e-9)


def test_clusters_do_not_depend_on_the_order_of_rows_or_on_pieces(ames, monkeypatch):
    from tripos.supervised.linear import covariance

    X = ames.X.to_numpy()
    model = LinearRegression(tol=0).fit(X, ames.y)
    whole = model.inference(X, ames.y, covariance="clustered", groups=ames.groups)
    monkeypatch.setattr(covariance, "PIECE_ROWS", 50)
    order = np.argsort(ames.groups, kind="stable")
    for rows in (np.arange(len(X)), order):
        pieces = model.inference(X[rows], ames.y[rows], covariance="clustered", groups=ames.groups[rows])
        np.testing.assert_allclose(pieces.covariance, whole.covariance, rtol=1e-7)


def test_float32_rows_are_judged_in_float64(diabetes):
    X = diabetes.X.astype(np.float32)
    model = LinearRegression().fit(X, diabetes.y)
    wide = LinearRegression().fit(X.astype(float), diabetes.y).inference(X.astype(float), diabetes.y)
    np.testing.assert_allclose(model.inference(X, diabetes.y).standard_error, wide.standard_error, rtol=1e-4)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_groups_are_those_of_a_loop(form, dtype):
    from tripos.supervised.linear.covariance import _sums

    rng = np.random.default_rng(0)
    X = (rng.normal(size=(30, 4)) * (rng.random((30, 4)) < 0.5)).astype(dtype)
    u, rows = rng.normal(size=30), rng.permutation(30)[:20]
    local = np.sort(rng.integers(0, 5, 20))
    expected = np.zeros((local[-1] + 1, 5))
    for i, g in zip(rows, local, strict=True):
        expected[g] += u[i] * np.concatenate([[1], X[i]])
    np.testing.assert_allclose(_sums(form(X), u, rows, local), expected, rtol=1e-12, atol=1e-12)


# ---- logistic ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["titanic", "adult", "spambase"])
def binary(request):
    data = request.getfixturevalue(request.param)
    X = np.asarray(data.X, dtype=float)
    if request.param == "adult":
        X = X[:, :5]  # numbers: some categories are on one side only, and have no finite maximum
    if request.param == "spambase":
        X = np.log1p(X[:, :24])
    return SimpleNamespace(X=X, y=np.asarray(data.y).astype(int))


@pytest.fixture(scope="module")
def logistic(binary):
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(binary.X, binary.y)
    return model, sm.Logit(binary.y, sm.add_constant(binary.X))


def test_logistic_table_is_statsmodels(logistic, binary):
    model, peer = logistic
    expected = peer.fit(disp=0, tol=1e-13, maxiter=200)
    found = model.inference(binary.X, binary.y)
    assert_same_table(found, expected)
    assert_same_fit(found, expected)
    np.testing.assert_allclose(
        [found.pseudo_r2, found.log_likelihood_null, found.likelihood_ratio],
        [expected.prsquared, expected.llnull, expected.llr],
        rtol=RTOL,
    )
    np.testing.assert_allclose(found.odds_ratio[:, 0], np.exp(expected.params), rtol=1e-5)


def test_robust_errors_of_logistic_are_statsmodels(logistic, binary):
    model, peer = logistic
    robust = peer.fit(disp=0, tol=1e-13, maxiter=200, cov_type="HC0")
    assert_same_table(model.inference(binary.X, binary.y, covariance="HC0"), robust)


def test_clustered_errors_of_logistic_are_statsmodels(titanic):
    X, groups = titanic.X.to_numpy(), np.unique(titanic.groups, return_inverse=True)[1]
    model = LogisticRegression(C=np.inf, tol=1e-12).fit(X, titanic.y)
    peer = sm.Logit(titanic.y, sm.add_constant(X)).fit(
        disp=0, tol=1e-13, cov_type="cluster", cov_kwds={"groups": groups}
    )
    assert_same_table(model.inference(X, titanic.y, covariance="clustered", groups=titanic.groups), peer)


def test_string_labels_are_judged_as_they_were_fitted(titanic):
    labels = np.where(titanic.y == 1, "survived", "lost")  # classes in order: lost, survived
    model = LogisticRegression(C=np.inf, tol=1e-12).fit(titanic.X, labels)
    found = model.inference(titanic.X, labels)
    expected = sm.Logit(titanic.y, sm.add_constant(titanic.X)).fit(disp=0, tol=1e-13)
    np.testing.assert_allclose(found.standard_error, expected.bse, rtol=RTOL)


@pytest.fixture(scope="module")
def five_letters(letters):
    """Softmax regression on a part of the letters, at the maximum of its likelihood, and statsmodels' answer."""
    X, y = letters.X[:1500, :6], np.array(list("-abcde"))[np.asarray(letters.y)[:1500].astype(int)]
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(X, y)
    peer = sm.MNLogit(pd.Categorical(y).codes, sm.add_constant(X)).fit(
        disp=0, maxiter=200, method="newton", tol=1e-14
    )
    return X, y, model, peer


@pytest.mark.parametrize("covariance", ["classical", "HC0"])
def test_softmax_regression_says_of_each_class_against_the_first_what_statsmodels_says(
    five_letters, covariance
):
    X, y, model, peer = five_letters
    found = model.inference(X, y, covariance=covariance)
    if covariance != "classical":
        peer = sm.MNLogit(pd.Categorical(y).codes, sm.add_constant(X)).fit(
            disp=0, maxiter=200, method="newton", tol=1e-14, cov_type="HC0"
        )
    assert found.base == "a"
    assert found.classes == ["b", "c", "d", "e"]
    np.testing.assert_allclose(found.coef, peer.params.T, rtol=RTOL, atol=1e-7)
    np.testing.assert_allclose(found.standard_error, peer.bse.T, rtol=RTOL)
    np.testing.assert_allclose(found.p_value, peer.pvalues.T, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found.covariance, peer.cov_params(), rtol=1e-5, atol=1e-12)
    for ours, theirs in (
        ("log_likelihood", "llf"),
        ("log_likelihood_null", "llnull"),
        ("aic", "aic"),
        ("bic", "bic"),
    ):
        assert getattr(found, ours) == pytest.approx(getattr(peer, theirs), rel=RTOL)
    assert found.df_model == peer.df_model
    assert found.likelihood_ratio_p_value == pytest.approx(peer.llr_pvalue)


def test_softmax_inference_is_the_same_on_csr_with_counted_rows_and_with_two_classes(five_letters, titanic):
    X, y, model, _ = five_letters
    dense = model.inference(X, y, covariance="HC1")
    sparse = model.inference(sp.csr_array(X), y, covariance="HC1")
    np.testing.assert_allclose(sparse.standard_error, dense.standard_error, rtol=1e-9)
    counts = np.arange(len(y)) % 3
    weighted = model.inference(X, y, counts)
    repeated = model.inference(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-9)
    binary = LogisticRegression(C=np.inf, tol=1e-12).fit(titanic.X, titanic.y)
    names = [str(name) for name in binary.encoded_feature_names_]
    both = LogisticRegression(C=np.inf, tol=1e-12).fit(titanic.X, titanic.y)
    both.coef_, both.intercept_ = np.vstack([0 * both.coef_, both.coef_]), np.array([0.0, both.intercept_[0]])
    groups = np.unique(titanic.groups, return_inverse=True)[1]
    target = np.asarray(titanic.y, dtype=int)
    for covariance, g in (("classical", None), ("HC0", None), ("clustered", groups)):
        two = infer_multinomial(
            both, titanic.X, target, None, names, g, covariance=covariance, confidence=0.95, penalty=None
        )
        one = binary.inference(titanic.X, titanic.y, covariance=covariance, groups=g)
        np.testing.assert_allclose(two.standard_error[0], one.standard_error, rtol=1e-6, err_msg=covariance)


def test_a_repeated_column_of_softmax_regression_has_no_error_and_a_penalty_leaves_none(five_letters):
    X, y, model, _ = five_letters
    twice = np.column_stack([X, X[:, 0]])
    found = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(twice, y).inference(twice, y)
    assert np.isnan(found.standard_error[:, [1, 7]]).all()
    np.testing.assert_allclose(
        found.standard_error[:, [0, 2, 3, 4, 5, 6]],
        model.inference(X, y).standard_error[:, [0, 2, 3, 4, 5, 6]],
        rtol=1e-2,
    )
    assert "follow from others" in str(found)
    penalised = LogisticRegression(C=1.0).fit(X, y)
    assert not penalised.inference(X, y).has_errors
    text = model.summary(X, y)
    assert "log odds of b against a" in text
    assert "risk ratio" in text
    np.testing.assert_allclose(found.odds_ratio[..., 0], np.exp(found.coef))


def test_one_against_the_rest_and_unknown_covariances_of_several_classes_are_refused(five_letters):
    X, y, model, _ = five_letters
    with pytest.raises(ValueError, match="told each of 5 classes from the rest"):
        LogisticRegression(multi_class="ovr").fit(X, y).inference(X, y)
    with pytest.raises(ValueError, match="HC3"):
        model.inference(X, y, covariance="HC3")


# ---- generalised linear models -------------------------------------------------------------------

FAMILIES = [POISSON, GAMMA, tweedie(1.5), tweedie(0), BERNOULLI]


def case(family, bikes):
    y = (bikes.y > 600).astype(float) if family is BERNOULLI else bikes.y
    return glm(bikes.X, y, family), y


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_generalised_table_is_statsmodels(bikes, family):
    (peer, model), y = case(family, bikes)
    found = model.inference(bikes.X, y)
    if family.name == "gaussian":  # statsmodels' GLM takes z, and ours t as in least squares
        np.testing.assert_allclose(found.covariance, peer.cov_params(), rtol=RTOL)
    else:
        assert_same_table(found, peer)
    assert_same_fit(found, peer)
    np.testing.assert_allclose(
        [found.deviance, found.null_deviance, found.dispersion],
        [peer.deviance, peer.null_deviance, peer.scale],
        rtol=RTOL,
    )
    if family.name != "gaussian":  # there the null model has its own variance, as in least squares
        np.testing.assert_allclose(found.log_likelihood_null, peer.llnull, rtol=RTOL)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_robust_errors_of_generalised_models_are_statsmodels(bikes, family):
    (peer, model), y = case(family, bikes)
    robust = peer.model.fit(tol=1e-13, maxiter=200, cov_type="HC0")
    np.testing.assert_allclose(
        model.inference(bikes.X, y, covariance="HC0").covariance, robust.cov_params(), rtol=1e-5
    )
    clustered = peer.model.fit(tol=1e-13, maxiter=200, cov_type="cluster", cov_kwds={"groups": bikes.groups})
    found = model.inference(bikes.X, y, covariance="clustered", groups=bikes.groups)
    np.testing.assert_allclose(found.covariance, clustered.cov_params(), rtol=1e-5)


def test_hc1_to_hc3_of_poisson_follow_their_formulas(bikes):
    peer, model = glm(bikes.X, bikes.y, POISSON)
    Z, mu = sm.add_constant(bikes.X), peer.fittedvalues
    n, k = Z.shape
    B = np.linalg.inv(Z.T @ (Z * mu[:, None]))
    h = mu * np.einsum("ij,jk,ik->i", Z, B, Z)
    u2 = (bikes.y - mu) ** 2
    for kind, squares in {"HC1": u2 * n / (n - k), "HC2": u2 / (1 - h), "HC3": u2 / (1 - h) ** 2}.items():
        expected = B @ (Z.T @ (Z * squares[:, None])) @ B
        np.testing.assert_allclose(
            model.inference(bikes.X, bikes.y, covariance=kind).covariance, expected, rtol=1e-6
        )


@pytest.mark.parametrize("family", [POISSON, GAMMA], ids=lambda f: f.name)
def test_an_offset_is_part_of_the_scores_and_of_the_null_model(bikes, family):
    peer, model = glm(bikes.X, bikes.y, family, offset=np.log(bikes.exposure))
    found = model.inference(bikes.X, bikes.y, exposure=bikes.exposure)
    assert_same_table(found, peer)
    np.testing.assert_allclose(
        [found.deviance, found.null_deviance], [peer.deviance, peer.null_deviance], rtol=RTOL
    )
    again = model.inference(bikes.X, bikes.y, offset=np.log(bikes.exposure))
    np.testing.assert_allclose(again.covariance, found.covariance, rtol=1e-12)


def test_counts_of_rows_weigh_as_statsmodels_frequencies(bikes):
    weight = np.random.default_rng(0).integers(1, 5, len(bikes.y)).astype(float)
    peer, model = glm(bikes.X, bikes.y, POISSON, freq_weights=weight)
    assert_same_table(model.inference(bikes.X, bikes.y, weight), peer)
    robust = peer.model.fit(tol=1e-13, cov_type="HC0")
    np.testing.assert_allclose(
        model.inference(bikes.X, bikes.y, weight, covariance="HC0").covariance, robust.cov_params(), rtol=1e-6
    )


@pytest.mark.skipif(not hasattr(tripos, "PoissonRegressor"), reason="PoissonRegressor is not there yet")
def test_poisson_regressor_with_exposure_is_statsmodels(bikes):
    model = tripos.PoissonRegressor(alpha=0, tol=1e-12, max_iter=1000)
    model.fit(bikes.X, bikes.y, exposure=bikes.exposure)
    peer, _ = glm(bikes.X, bikes.y, POISSON, offset=np.log(bikes.exposure))
    assert_same_table(model.inference(bikes.X, bikes.y, exposure=bikes.exposure), peer)


def test_targets_outside_the_family_are_an_error(bikes):
    model = Given(GAMMA).take(bikes.X, np.zeros(7))
    with pytest.raises(ValueError, match="gamma distribution does not take"), np.errstate(invalid="ignore"):
        model.inference(bikes.X, -bikes.y)


# ---- what is not said, and why -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LogisticRegression(), "C=1.*C=np.inf"),
        (LogisticRegression(C=np.inf, class_weight="balanced"), "class_weight=None"),
    ],
)
def test_penalised_fits_have_measures_but_no_p_values(titanic, model, reason):
    found = model.fit(titanic.X, titanic.y).inference(titanic.X, titanic.y)
    assert np.isnan(found.p_value).all()
    assert np.isfinite([found.deviance, found.pseudo_r2]).all()
    assert re.search(reason, found.notes[0])


def test_ridge_says_that_shrunk_coefficients_are_biased(diabetes):
    model = Ridge(alpha=2.0).fit(diabetes.X, diabetes.y)
    if model._family() is None:
        pytest.skip("Ridge names no family yet")
    found = model.inference(diabetes.X, diabetes.y)
    assert not found.has_errors
    assert "alpha=2" in found.notes[0]


def test_nonnegative_least_squares_has_no_normal_errors(diabetes):
    model = LinearRegression(positive=True).fit(diabetes.X, diabetes.y)
    assert "no standard errors" in model.summary(diabetes.X, diabetes.y)


def test_other_rows_than_those_of_the_fit_are_noticed(diabetes):
    model = LinearRegression().fit(diabetes.X, diabetes.y)
    assert not any("away from the maximum" in note for note in model.inference(diabetes.X, diabetes.y).notes)
    other = model.inference(diabetes.X[:200], diabetes.y[:200])
    assert any("away from the maximum" in note for note in other.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "HC4"}, "covariance must be one of"),
        ({"covariance": "clustered"}, "belong together"),
        ({"groups": np.arange(442)}, "belong together"),
        ({"covariance": "clustered", "groups": np.zeros(442)}, "one label only"),
        ({"covariance": "clustered", "groups": np.zeros(5)}, "inconsistent numbers"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"exposure": np.ones(442)}, "logarithmic link"),
    ],
)
def test_options_that_do_not_fit_are_refused(diabetes, options, message):
    model = LinearRegression().fit(diabetes.X, diabetes.y)
    with pytest.raises(ValueError, match=message):
        model.inference(diabetes.X, diabetes.y, **options)


def test_missing_pieces_are_named(diabetes):
    model = LinearRegression().fit(diabetes.X, diabetes.y)
    with pytest.raises(ValueError, match="y is missing"):
        model.inference(diabetes.X)
    with pytest.raises(ValueError, match="need the rows"):
        model.inference(covariance="HC0")
    with pytest.raises(ValueError, match="NaN"):
        model.inference(np.where(diabetes.X > 200, np.nan, diabetes.X), diabetes.y)


def test_several_targets_are_refused(diabetes):
    Y = np.column_stack([diabetes.y, diabetes.y**2])
    model = LinearRegression().fit(diabetes.X, Y)
    with pytest.raises(ValueError, match="2 targets"):
        model.inference(diabetes.X, Y)
