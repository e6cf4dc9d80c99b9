"""Calibration: scikit-learn's bins, Wilson's interval, and the error of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve as peer
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from tripos.selection import calibration_curve
from tripos.selection.calibrate import wilson_interval


@given(
    st.integers(2, 100), st.integers(1, 12), st.sampled_from(["uniform", "quantile"]), st.integers(0, 1000)
)
def test_bins_equal_sklearns(n, bins, strategy, seed):
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, n), rng.random(n).round(rng.integers(1, 4))
    y[:2] = 0, 1
    found = calibration_curve(y, p, bins=bins, strategy=strategy)
    observed, predicted = peer(y, p, n_bins=bins, strategy=strategy)
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.count.sum() == n


def test_the_expected_error_is_the_mean_gap_over_rows():
    # bin [0, .5]: 3 rows at .2, 1 positive; bin (.5, 1]: 1 row at .9, positive
    found = calibration_curve([0, 0, 1, 1], [0.2, 0.2, 0.2, 0.9], bins=2)
    assert found.error == pytest.approx((3 * abs(1 / 3 - 0.2) + 1 * 0.1) / 4)
    assert found.largest_error == pytest.approx(1 / 3 - 0.2)


def test_wilson_interval_equals_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for hits, n in ((0, 5), (3, 10), (50, 50), (7, 1000)):
        for confidence in (0.8, 0.95):
            expected = proportion.proportion_confint(hits, n, alpha=1 - confidence, method="wilson")
            np.testing.assert_allclose(wilson_interval(hits / n, n, confidence), expected, atol=1e-12)


def test_a_weight_of_k_is_k_rows():
    rng = np.random.default_rng(0)
    y, p, k = rng.integers(0, 2, 60), rng.random(60), rng.integers(1, 4, 60)
    found, repeated = (
        calibration_curve(y, p, sample_weight=k),
        calibration_curve(np.repeat(y, k), np.repeat(p, k)),
    )
    for name in ("predicted", "observed", "count"):
        np.testing.assert_allclose(getattr(found, name), getattr(repeated, name))
    assert found.error == pytest.approx(repeated.error)


def test_equal_weights_leave_the_interval_as_it_is():
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 100), rng.random(100)
    np.testing.assert_allclose(
        calibration_curve(y, p, sample_weight=np.full(100, 7.0)).low, calibration_curve(y, p).low
    )


def test_naive_bayes_is_too_sure_of_itself():
    X, y = load_breast_cancer(return_X_y=True)
    p = GaussianNB().fit(X[::2], y[::2]).predict_proba(X[1::2])
    found = calibration_curve(y[1::2], p)
    assert found.observed[0] > found.predicted[0]
    assert found.observed[-1] < found.predicted[-1]


def test_strings_speak_of_the_larger_label_unless_named():
    p = [0.9, 0.8, 0.1, 0.2]
    assert calibration_curve(["spam", "spam", "ham", "ham"], p, bins=2).observed.tolist() == [0, 1]
    assert calibration_curve(
        ["spam", "spam", "ham", "ham"], p, bins=2, pos_label="ham"
    ).observed.tolist() == [1, 0]


def test_of_three_classes_the_most_likely_is_judged():
    p = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.2, 0.6]])
    found = calibration_curve(["a", "b", "c", "c"], p, bins=1)
    assert found.observed[0] == 0.75
    assert found.predicted[0] == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [0.5, 1.5], "from 0.5 to 1.5"),
        ([0, 1, 2], [0.5, 0.5, 0.5], "more than two classes"),
        (["a", "a"], [0.5, 0.5], "one class only"),
        ([0, 1], [0.5], "y_true has 2, y_proba has 1"),
        ([0, 1], np.full((2, 3), 1 / 3), "3 columns for 2 classes"),
    ],
)
def test_what_has_no_calibration_is_refused(y, p, message):
    with pytest.raises(ValueError, match=message):
        calibration_curve(y, p)
