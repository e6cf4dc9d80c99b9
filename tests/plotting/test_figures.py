"""What each figure says about its data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos import plotting
from tripos.plotting import _points


@pytest.fixture(autouse=True)
def _off_screen():
    with plotting.use("adaptive"):
        yield


def bars(ax):
    return [bar.get_width() for bar in ax.patches]


def ticks(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_confusion_matrix_writes_counts_and_shares_of_the_true_class():
    ax = plotting.confusion_matrix([[90, 10], [0, 50]], ["ham", "spam"])
    assert [text.get_text() for text in ax.texts] == ["90", "90.0%", "10", "10.0%", "50", "100.0%"]


def test_confusion_matrix_of_many_classes_lists_the_most_confused_pairs():
    counts = np.diag(np.full(30, 100))
    counts[3, 7], counts[9, 2] = 40, 12
    assert ticks(plotting.confusion_matrix(counts)) == ["3 taken for 7", "9 taken for 2"]


@pytest.mark.parametrize("counts", [[[1, 2, 3]], [1, 2], np.empty((0, 0))])
def test_confusion_matrix_refuses_what_is_not_square(counts):
    with pytest.raises(ValueError, match="counts must be square"):
        plotting.confusion_matrix(counts)


def test_many_class_curves_show_the_worst_first():
    curve = np.linspace(0, 1, 5)
    ax = plotting.roc_curve(
        [curve] * 12, [curve] * 12, area=np.linspace(1, 0.45, 12), names=[f"c{i}" for i in range(12)]
    )
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "c11 area 0.450"
    assert len(labels) == 8


def test_a_curve_of_unequal_arrays_names_their_lengths():
    with pytest.raises(ValueError, match="x has 3, y has 2"):
        plotting.roc_curve([0, 0.5, 1], [0, 1])


def test_calibration_interval_is_wilsons():
    from statsmodels.stats.proportion import proportion_confint

    from tripos.plotting.classification import _wilson

    share, n = np.array([0.0, 0.1, 0.5, 1.0]), np.array([10.0, 20.0, 30.0, 5.0])
    low, high = proportion_confint(share * n, n, method="wilson")
    np.testing.assert_allclose(_wilson(share, n), (low, high), atol=1e-4)


def test_score_distribution_heights_are_shares_of_the_class():
    ax = plotting.score_distribution([0.1, 0.1, 0.9, 0.9, 0.1], [0, 0, 1, 1, 1], bins=2)
    outlines = [patch.get_data().values.tolist() for patch in ax.patches if not patch.get_fill()]
    assert outlines == [[1.0, 0.0], [pytest.approx(1 / 3), pytest.approx(2 / 3)]]


def test_class_balance_sums_up_the_rare_classes():
    ax = plotting.class_balance([f"c{i}" for i in range(25)], np.arange(1, 26))
    assert ticks(ax)[0] == "c24"
    assert ticks(ax)[-1] == "5 others"
    assert bars(ax)[-1] == 1 + 2 + 3 + 4 + 5


def test_learning_curve_band_is_one_standard_error():
    scores = np.array([[0.5, 0.7], [0.8, 0.9]])
    ax = plotting.learning_curve([10, 100], None, scores)
    edges = ax.collections[0].get_paths()[0].vertices
    assert edges[:, 1].min() == pytest.approx(0.6 - 0.1)  # sd 0.1414 / sqrt(2)
    assert ax.get_xscale() == "log"


def test_validation_curve_marks_the_best_value():
    ax = plotting.validation_curve(["l1", "l2"], None, [0.7, 0.9], name="penalty")
    assert ax.lines[-1].get_xdata()[0] == 1
    assert [label.get_text() for label in ax.get_xticklabels()] == ["l1", "l2"]


def test_loss_curve_keeps_the_steps_where_validation_was_measured():
    ax = plotting.loss_curve([0, 1, 2], [3.0, 2.0, 1.0], [np.nan, 2.5, np.nan])
    assert ax.lines[1].get_xdata().tolist() == [1.0]


def test_leaderboard_of_an_error_puts_the_smallest_first():
    ax = plotting.leaderboard(["a", "b", "c"], [3.0, 1.0, 2.0], greater_is_better=False)
    assert ticks(ax) == ["b", "c", "a"]


def test_coefficients_are_ordered_by_size_and_coloured_by_sign():
    ax = plotting.coefficients([0.5, -2.0, 1.0], ["a", "b", "c"])
    assert ticks(ax) == ["b", "c", "a"]
    assert bars(ax) == [-2.0, 1.0, 0.5]
    assert len({bar.get_facecolor() for bar in ax.patches}) == 2


def test_gaussian_densities_order_features_by_fishers_ratio():
    means, variances = np.array([[0.0, 0.0, 0.0], [1.0, 5.0, 0.1]]), np.ones((2, 3))
    assert ticks(plotting.gaussian_densities(means, variances, names=["b", "a", "c"])) == ["a", "b", "c"]


def test_gaussian_densities_draw_a_feature_without_variance():
    ax = plotting.gaussian_densities([[0.0], [1.0]], [[0.0], [0.0]])
    assert all(np.isfinite(line.get_ydata()).all() for line in ax.lines)


def test_feature_log_odds_stay_finite_for_a_word_of_one_class():
    ax = plotting.feature_log_odds([[-np.inf, 0.3], [0.0, np.inf]], top=1)
    assert np.isfinite(bars(ax)).all()


def test_decision_boundary_asks_for_a_plane():
    with pytest.raises(ValueError, match="X must have two columns"):
        plotting.decision_boundary(lambda points: points, np.zeros((3, 4)), [0, 1, 2])


def test_names_of_the_wrong_length_are_counted():
    with pytest.raises(ValueError, match="names has 1 entries, expected 2"):
        plotting.coefficients([1.0, 2.0], ["a"])


def test_an_outlier_does_not_squeeze_the_histogram():
    ax = plotting.histogram(np.append(np.random.default_rng(0).normal(size=5000), 1e9))
    assert ax.get_xlim()[1] < 10


def test_an_all_missing_column_still_has_a_sketch():
    assert plotting.column_sketch([np.nan, np.nan]).patches


def test_many_points_become_a_density_and_few_stay_points():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(2, 100)), rng.normal(size=(2, 5000))
    assert not plotting.predicted_vs_actual(*few).images
    assert plotting.predicted_vs_actual(*many).images


@given(st.lists(st.floats(0, 1), min_size=2, max_size=3000), st.integers(2, 50))
def test_a_thinned_curve_keeps_its_ends_and_its_bound(steps, limit):
    y = np.cumsum(steps)
    x = np.arange(len(y), dtype=float)
    kept_x, kept_y = _points.curve(x, y, limit)
    assert (kept_x[0], kept_x[-1]) == (x[0], x[-1])
    assert len(kept_x) <= max(limit, 2) + 1
    assert set(zip(kept_x, kept_y)) <= set(zip(x, y))
