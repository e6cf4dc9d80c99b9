"""Every measure of predicted numbers gives scikit-learn's number, and the ones it lacks give their definition's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tripos.metrics as ours

PLAIN = (
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "median_absolute_error",
    "mean_pinball_loss",
    "d2_pinball_score",
    "d2_absolute_error_score",
)
SHARES = ("r2_score", "explained_variance_score")
POSITIVE = ("mean_absolute_percentage_error", "mean_squared_log_error", "root_mean_squared_log_error")


@st.composite
def predicted_rows(draw, outputs=1, positive=False):
    """True and predicted numbers, some equal, and weights (none, whole with zeros, fractions)."""
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = n if outputs == 1 else (n, outputs)
    digits = draw(st.integers(0, 3))
    true, predicted = rng.normal(size=shape).round(digits), rng.normal(size=shape).round(digits)
    if positive:
        true, predicted = np.exp(true), np.exp(predicted)
    weight = {"none": None, "whole": rng.integers(0, 3, n), "fractions": rng.random(n) + 0.01}[
        draw(st.sampled_from(["none", "whole", "fractions"]))
    ]
    if weight is not None:
        weight[:2] = 1
    return true, predicted, weight


def same(name, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = getattr(ours, name)(*args, **kwargs), getattr(peer, name)(*args, **kwargs)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@given(predicted_rows(), st.sampled_from(PLAIN + SHARES))
def test_measures_of_one_output_equal_sklearn(rows, name):
    true, predicted, weight = rows
    same(name, true, predicted, sample_weight=weight)


@given(
    predicted_rows(outputs=3),
    st.sampled_from(PLAIN + SHARES),
    st.sampled_from(["uniform_average", "raw_values", "variance_weighted", [0.2, 0.3, 0.5]]),
)
def test_measures_of_three_outputs_equal_sklearn(rows, name, multioutput):
    if multioutput == "variance_weighted" and name not in SHARES:
        multioutput = "raw_values"
    true, predicted, weight = rows
    same(name, true, predicted, sample_weight=weight, multioutput=multioutput)


@given(predicted_rows(positive=True), st.sampled_from(POSITIVE))
def test_relative_errors_equal_sklearn(rows, name):
    true, predicted, weight = rows
    same(name, true, predicted, sample_weight=weight)


@given(predicted_rows(), st.floats(0, 1), st.sampled_from(["mean_pinball_loss", "d2_pinball_score"]))
def test_pinball_at_any_quantile_equals_sklearn(rows, alpha, name):
    true, predicted, weight = rows
    same(name, true, predicted, sample_weight=weight, alpha=alpha)


@given(predicted_rows(positive=True), st.sampled_from([-1.5, 0, 1, 1.5, 2, 3, 2.7]))
def test_tweedie_deviance_equals_sklearn(rows, power):
    true, predicted, weight = rows
    same("mean_tweedie_deviance", true, predicted, sample_weight=weight, power=power)
    if np.ptp(true[:2]) > 0:  # scikit-learn divides by zero for a constant target
        same("d2_tweedie_score", true, predicted, sample_weight=weight, power=power)


@given(predicted_rows(positive=True))
def test_poisson_and_gamma_deviance_equal_sklearn(rows):
    true, predicted, weight = rows
    same("mean_poisson_deviance", np.floor(true), predicted, sample_weight=weight)
    same("mean_gamma_deviance", true, predicted, sample_weight=weight)


@pytest.mark.parametrize("force_finite", [True, False])
@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("predicted", [[2.0, 2.0, 2.0], [2.0, 2.0, 3.0]])
def test_a_constant_target_gives_what_sklearn_says(name, predicted, force_finite):
    same(name, [2.0, 2.0, 2.0], predicted, force_finite=force_finite)


@given(predicted_rows())
def test_largest_error_equals_sklearn(rows):
    same("max_error", *rows[:2])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [*PLAIN, *SHARES, *POSITIVE, "mean_gamma_deviance", "mean_poisson_deviance"])
def test_on_california_housing_equals_sklearn(housing, name, weighted):
    weight = {"sample_weight": housing["weight"]} if weighted else {}
    found = getattr(ours, name)(housing["y"], housing["prediction"], **weight)
    assert_allclose(found, getattr(peer, name)(housing["y"], housing["prediction"], **weight), rtol=1e-12)


@given(predicted_rows(), st.sampled_from(PLAIN + SHARES))
def test_a_weight_of_k_is_k_rows(rows, name):
    true, predicted, weight = rows
    if weight is None or weight.dtype.kind == "f":
        return
    repeat = np.repeat(np.arange(len(weight)), weight)
    measure = getattr(ours, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_allclose(
            measure(true, predicted, sample_weight=weight),
            measure(true[repeat], predicted[repeat]),
            atol=1e-12,
        )


@given(predicted_rows(), st.floats(0, 1))
def test_weighted_quantile_qualifies_from_below_and_above(rows, q):
    from tripos.metrics.quantile import weighted_quantile

    values, _, weight = rows
    weight = np.ones(len(values)) if weight is None else weight
    found = weighted_quantile(values[:, None], q, weight)[0]
    total = weight.sum() * (1 + 1e-9)
    assert weight[values <= found].sum() >= q * weight.sum() - 1e-9 * total
    assert weight[values >= found].sum() >= (1 - q) * weight.sum() - 1e-9 * total


def test_adjusted_r2_takes_off_what_noise_columns_add():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    fitted = X @ np.linalg.lstsq(X - X.mean(0), y - y.mean(), rcond=None)[0]
    fitted += y.mean() - fitted.mean()
    statsmodels = pytest.importorskip("statsmodels.api")
    expected = statsmodels.OLS(y, statsmodels.add_constant(X)).fit().rsquared_adj
    assert ours.adjusted_r2_score(y, fitted, n_features=5) == pytest.approx(expected, abs=1e-12)


def test_adjusted_r2_needs_more_rows_than_coefficients():
    with pytest.raises(ValueError, match="n_features=3 and n=4"):
        ours.adjusted_r2_score([1, 2, 3, 4], [1, 2, 3, 4], n_features=3)


def test_a_constant_target_leaves_nothing_to_explain():
    assert ours.d2_tweedie_score([1.0, 1.0], [1.0, 2.0], power=1) == 0.0
    assert ours.d2_tweedie_score([1.0, 1.0], [1.0, 1.0], power=1) == 1.0
    assert ours.d2_brier_score([1, 1], [0.5, 0.5]) == 0.0


def test_integers_do_not_overflow():
    big = np.array([2**31 - 1, 0], dtype=np.int32)
    assert ours.mean_squared_error(big, -big) == pytest.approx(2.0 * (2.0**31 - 1) ** 2)


def test_single_row_is_undefined_for_shares_of_variance():
    with pytest.warns(UserWarning, match="fewer than two rows"):
        assert np.isnan(ours.r2_score([1.0], [1.0]))


@pytest.mark.parametrize(
    ("power", "y", "mu", "named"),
    [
        (1, [-1.0, 2.0], [1.0, 1.0], "y_true"),
        (2, [0.0, 2.0], [1.0, 1.0], "y_true"),
        (1, [1.0], [0.0], "y_pred"),
    ],
)
def test_deviance_outside_its_domain_names_argument_and_row(power, y, mu, named):
    with pytest.raises(ValueError, match=f"{named}, found .* at row 0"):
        ours.mean_tweedie_deviance(y, mu, power=power)


def test_no_tweedie_distribution_between_zero_and_one():
    with pytest.raises(ValueError, match="between 0 and 1"):
        ours.mean_tweedie_deviance([1.0], [1.0], power=0.5)
