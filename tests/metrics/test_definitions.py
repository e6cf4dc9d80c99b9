"""Small tables whose measures are worked out by hand from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tripos.metrics as m

# ten patients: 4 ill, of whom 3 are found; 6 well, of whom 2 are called ill
ILL = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
CALLED = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])


def test_confusion_matrix_of_ten_patients():
    assert_allclose(m.confusion_matrix(ILL, CALLED), [[4, 2], [1, 3]])


def test_rates_of_ten_patients():
    assert m.accuracy_score(ILL, CALLED) == 7 / 10
    assert m.precision_score(ILL, CALLED) == 3 / 5
    assert m.recall_score(ILL, CALLED) == 3 / 4
    assert m.f1_score(ILL, CALLED) == pytest.approx(2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4))
    assert m.balanced_accuracy_score(ILL, CALLED) == pytest.approx((3 / 4 + 4 / 6) / 2)


def test_f2_leans_to_recall():
    assert m.fbeta_score(ILL, CALLED, beta=2) == pytest.approx(5 * 0.6 * 0.75 / (4 * 0.6 + 0.75))


def test_matthews_of_ten_patients():
    tp, fp, fn, tn = 3, 2, 1, 4
    expected = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert m.matthews_corrcoef(ILL, CALLED) == pytest.approx(expected)


def test_kappa_of_ten_patients():
    agreed, by_chance = 7 / 10, (4 * 5 + 6 * 5) / 100
    assert m.cohen_kappa_score(ILL, CALLED) == pytest.approx((agreed - by_chance) / (1 - by_chance))


def test_quadratic_kappa_charges_two_steps_four_times_one():
    assert m.cohen_kappa_score([0, 1, 2], [0, 1, 1], weights="quadratic") == pytest.approx(
        1 - (1 / 3) / (9 / 9)
    )


def test_weights_count_rows():
    weight = [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert m.accuracy_score(ILL, CALLED, sample_weight=weight) == 8 / 11


def test_area_counts_pairs_with_half_for_ties():
    # positives 0.9, 0.5 against negatives 0.5, 0.1: in order 3, tied 1, of 4 pairs
    assert m.roc_auc_score([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == 3.5 / 4


def test_weighted_area_counts_weighted_pairs():
    # the pair (0.5, 0.5) weighs 2 x 3, half of it counts; 1x3 + 1x1 + 2x1 are in order, of 3 x 4
    area = m.roc_auc_score([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1], sample_weight=[1, 2, 3, 1])
    assert area == pytest.approx((3 + 1 + 2 + 3) / 12)


def test_average_precision_sums_steps():
    # ranked: + - + -   recall 1/2 at precision 1, recall 1 at precision 2/3
    assert m.average_precision_score([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_log_loss_is_the_mean_surprise():
    assert m.log_loss([1, 0], [0.8, 0.4]) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)


def test_a_certain_mistake_costs_the_log_of_the_rounding_unit():
    assert m.log_loss([1, 0], [0.0, 0.0]) == pytest.approx(-math.log(np.finfo(np.float64).eps) / 2, rel=1e-9)


def test_brier_of_three_classes_is_a_squared_distance():
    found = m.brier_score_loss([0, 2], [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], labels=[0, 1, 2])
    assert found == pytest.approx((0.25 + 2 * 0.0625) / 2)


def test_errors_of_three_houses():
    y, predicted = [100.0, 200.0, 400.0], [110.0, 200.0, 360.0]
    assert m.mean_squared_error(y, predicted) == pytest.approx((100 + 0 + 1600) / 3)
    assert m.mean_absolute_error(y, predicted) == pytest.approx(50 / 3)
    assert m.median_absolute_error(y, predicted) == 10
    assert m.mean_absolute_percentage_error(y, predicted) == pytest.approx((0.1 + 0 + 0.1) / 3)
    mean = 700 / 3
    spread = sum((v - mean) ** 2 for v in y)
    assert m.r2_score(y, predicted) == pytest.approx(1 - 1700 / spread)
    assert m.adjusted_r2_score(y, predicted, n_features=1) == pytest.approx(1 - (1700 / spread) * 2 / 1)


def test_weighted_median_of_errors():
    assert m.median_absolute_error([0, 0, 0], [1, 2, 3], sample_weight=[3, 1, 1]) == 1
    assert m.median_absolute_error([0, 0], [1, 3], sample_weight=[1, 1]) == 2


def test_pinball_charges_underestimates_by_alpha():
    assert m.mean_pinball_loss([10.0], [8.0], alpha=0.9) == pytest.approx(0.9 * 2)
    assert m.mean_pinball_loss([8.0], [10.0], alpha=0.9) == pytest.approx(0.1 * 2)


def test_poisson_deviance_of_one_count():
    assert m.mean_poisson_deviance([3], [2]) == pytest.approx(2 * (3 * math.log(1.5) - 1))
