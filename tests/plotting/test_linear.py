"""What the figures of linear models say: bands, smooths, paths, planes and ratios."""

import numpy as np
import pytest
from scipy.stats import norm

from tripos import plotting
from tripos.plotting import theme
from tripos.plotting.linear import _apart, _smooth


@pytest.fixture(autouse=True)
def _off_screen():
    with plotting.use("adaptive"):
        yield


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_fit_names_its_bands_and_shows_all_of_them():
    grid = np.linspace(0, 1, 5)
    ax = plotting.fit_band(
        [0, 1], [0, 1], grid, grid, band=[grid - 1, grid + 1], prediction=[grid - 3, grid + 3], confidence=0.9
    )
    assert texts(ax) == ["fit", "90% band of the mean", "90% band of a new row"]
    low, high = ax.get_ylim()
    assert low < -3
    assert high > 4


def test_residuals_come_with_their_quantiles_unless_axes_are_given():
    rng = np.random.default_rng(0)
    fitted, left = rng.normal(size=(2, 300))
    whole = plotting.residual_panels(fitted, left)
    assert [ax.get_xlabel() for ax in whole.figure.axes] == ["fitted value", "normal quantile"]
    alone = plotting.residual_panels(fitted, left, ax=plotting.histogram([1.0, 2.0]))
    assert len(alone.figure.axes) == 1


def test_the_smooth_finds_a_bend_and_leaves_a_line_alone():
    x = np.linspace(-1, 1, 400)
    at, line = _smooth(x, 2 * x)
    np.testing.assert_allclose(line, 2 * at, atol=1e-8)
    at, bend = _smooth(x, x**2)
    assert bend[np.abs(at).argmin()] < 0.1 < 0.6 < bend[0]


@pytest.mark.parametrize(
    ("x", "y"), [(np.zeros(5), np.arange(5.0)), (np.arange(3.0), np.ones(3)), ([1.0], [2.0])]
)
def test_the_smooth_survives_ties_and_few_rows(x, y):
    assert np.isfinite(_smooth(np.asarray(x), np.asarray(y))[1]).all()


def test_normal_rows_stay_in_the_band_of_normal_quantiles():
    rows = np.random.default_rng(0).normal(size=500)
    ax = plotting.normal_quantiles(rows, confidence=0.999)
    points = ax.lines[-1]
    np.testing.assert_allclose(points.get_xdata()[0], norm.ppf(0.5 / 500))
    band = ax.collections[0].get_paths()[0]
    inside = [band.contains_point(point) for point in zip(points.get_xdata()[1:-1], points.get_ydata()[1:-1])]
    assert np.mean(inside) > 0.98


def test_a_path_marks_the_choice_and_the_simplest_within_one_error():
    alpha = np.array([0.01, 0.1, 1.0, 10.0])
    folds = np.array([1.0, 0.9, 1.0, 5.0])[:, None] + np.array([-0.3, 0.0, 0.3])
    ax = plotting.coefficient_path(alpha, np.outer(1 - alpha / 10, [2.0, -1.0]), chosen=0.1, scores=folds)
    upper, lower = ax.figure.axes
    assert "chosen: 0.1" in texts(lower)
    assert "simplest within one error: 1" in texts(lower)
    assert lower.get_ylabel() == "cross-validated error"
    assert upper.get_xlim() == lower.get_xlim()


def test_a_path_along_c_reads_the_other_way_round():
    C = np.array([0.01, 0.1, 1.0, 10.0])
    folds = np.array([0.5, 0.79, 0.8, 0.7])[:, None] + np.array([-0.02, 0.02])
    ax = plotting.coefficient_path(C, C[:, None], chosen=1.0, scores=folds, weaker="right", xlabel="C")
    lower = ax.figure.axes[1]
    assert lower.get_ylabel() == "cross-validated score"
    assert "simplest within one error: 0.1" in texts(lower)


def test_a_path_names_the_largest_and_keeps_names_apart():
    W = np.vstack([np.linspace(1, 1.001, 30), np.zeros(30)])
    ax = plotting.coefficient_path([0.1, 1.0], W)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert len(heights) == 8
    assert np.diff(heights).min() > 0.03 * np.ptp(ax.get_ylim())


@pytest.mark.parametrize("strengths", [[0.0, 1.0], [1.0]])
def test_a_path_refuses_strengths_that_do_not_fit(strengths):
    with pytest.raises(ValueError, match="positive strengths"):
        plotting.coefficient_path(strengths, np.ones((2, 3)))


def test_the_plane_has_its_line_at_even_odds():
    grid = np.linspace(0, 1, 50)
    ax = plotting.probability_plane(
        grid,
        grid,
        np.tile(grid, (50, 1)),
        [[0.1, 0.2], [0.9, 0.8]],
        [0, 1],
        classes=["no", "yes"],
        title="two",
    )
    even = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(even[:, 0], 0.5, atol=1e-9)
    assert texts(ax) == ["no", "yes"]


def test_rows_of_few_values_are_moved_apart_and_others_stay():
    few, many = np.repeat([0.0, 1.0], 50), np.linspace(0, 1, 100)
    assert len(np.unique(_apart(few, 0))) > 50
    assert np.abs(_apart(few, 0) - few).max() < 0.2
    np.testing.assert_array_equal(_apart(many, 0), many)


def test_ratios_are_coloured_by_what_their_interval_says():
    ax = plotting.ratio_forest([[2.0, 1.5, 2.7], [0.5, 0.4, 0.6], [1.002, 0.7, 1.4]], ["up", "down", "open"])
    hues = [line.get_color() for line in ax.lines[:6:2]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["down", "up", "open"]
    assert hues == [theme.NEGATIVE, theme.POSITIVE, theme.ink_of(ax)]
    assert ax.texts[2].get_text() == "1.002 (0.7 to 1.4)"


def test_ratios_without_an_interval_are_left_out():
    ax = plotting.ratio_forest([[2.0, 1.5, 2.7], [np.nan] * 3, [np.inf, 0.0, np.inf]], ["a", "b", "c"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a"]
    assert ax.get_title(loc="left") == "1 of 3 features"


@pytest.mark.parametrize("name", ["light", "dark", "adaptive"])
def test_every_text_is_in_the_ink_of_its_paper(name):
    grid = np.linspace(0, 1, 20)
    with plotting.use(name) as paper:
        figures = [
            plotting.fit_band([0, 1], [0, 1], grid, grid, band=[grid, grid + 1]),
            plotting.residual_panels(grid, grid - 0.5),
            plotting.ratio_forest([[2.0, 1.5, 2.7]]),
            plotting.coefficient_path([0.1, 1.0], np.ones((2, 2)), chosen=1.0, scores=np.ones((2, 3))),
            plotting.probability_plane(grid, grid, np.outer(grid, grid), [[0, 1]], [1]),
        ]
    for panel in (panel for ax in figures for panel in ax.figure.axes):
        assert panel.xaxis.label.get_color() == paper.ink
        assert panel.yaxis.label.get_color() == paper.ink
