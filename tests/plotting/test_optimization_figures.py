"""What the figures of optimisation say about their data."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from tripos import minimize, plotting
from tripos.objective.linear import linear_risk


@pytest.fixture(autouse=True)
def _off_screen():
    with plotting.use("adaptive"):
        yield


def path_of(panel):
    return np.array(max((line.get_xydata() for line in panel.lines), key=len))


def turns(path):
    """How often the path turns back by more than a right angle."""
    moves = np.diff(path, axis=0)
    return int(np.sum(np.einsum("ij,ij->i", moves[1:], moves[:-1]) < 0))


def test_the_zig_zag_turns_on_badly_scaled_features_and_hardly_on_scaled_ones():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    raw, scaled = (path_of(panel) for panel in plotting.zig_zag(X[:, [2, 5]], y, steps=30).child_axes)
    assert turns(raw) >= 25
    assert turns(scaled) <= 2


def test_the_scaled_panel_ends_at_least_squares_and_the_raw_one_does_not():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    left, right = plotting.zig_zag(X[:, [2, 5]], y, steps=30).child_axes
    for panel, near in ((left, False), (right, True)):
        minimum = panel.lines[-1].get_xydata()[0]
        path = path_of(panel)
        left_over = np.linalg.norm(path[-1] - minimum) / np.linalg.norm(path[0] - minimum)
        assert (left_over < 1e-3) == near


def test_collinear_features_are_drawn_too():
    x = np.random.default_rng(0).normal(size=50)
    left, right = plotting.zig_zag(np.column_stack([x, 10 * x]), x).child_axes
    assert np.isfinite(path_of(left)).all()
    assert np.isfinite(path_of(right)).all()


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (np.ones((5, 3)), np.ones(5), r"two columns.*\(5, 3\)"),
        (np.arange(10.0).reshape(5, 2), np.ones(4), "y has 4 rows, X has 5"),
        (np.column_stack([np.arange(5.0), np.ones(5)]), np.ones(5), "column 1 of X is constant"),
    ],
)
def test_a_zig_zag_asks_for_two_features_with_a_scale(X, y, says):
    with pytest.raises(ValueError, match=says):
        plotting.zig_zag(X, y)


def test_optimisers_race_on_one_contour_to_the_same_minimum():
    X, y = load_diabetes(return_X_y=True)
    risk = linear_risk(X[:, [2, 8]] * 20, y / 80 - 1.9, fit_intercept=False)
    paths = {}
    for method in ("gradient-descent", "momentum", "adam"):
        steps = paths[method] = [np.zeros(2)]
        minimize(
            *(risk, np.zeros(2), method),
            max_iter=400,
            learning_rate=0.1,
            on_step=lambda k, v, w, s=steps: s.append(w.copy()),
        )
    ax = plotting.descent_paths(
        lambda W: np.array([risk.value_gradient(w)[0] for w in W]), paths, resolution=20
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(paths)
    ends = [line.get_xydata()[-1] for line in ax.lines]
    np.testing.assert_allclose(ends, np.tile(minimize(risk, np.zeros(2), "newton").x, (3, 1)), atol=1e-3)


def test_a_race_is_drawn_against_seconds_or_steps_from_any_history():
    X, y = load_diabetes(return_X_y=True)
    risk = linear_risk(X * 20, y / 80)
    results = {m: minimize(risk, np.zeros(11), m, max_iter=50) for m in ("lbfgs", "nesterov")}
    histories = {name: result.history_ for name, result in results.items()}
    least = minimize(risk, np.zeros(11), "newton").fun
    for against in ("step", "seconds"):
        ax = plotting.loss_race(histories, against=against, minimum=least)
        assert ax.lines[0].get_xdata()[-1] == histories["lbfgs"][against][-1]
        assert ax.get_yscale() == "log"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: plotting.loss_race({}, against="step"), "one method at least"),
        (lambda: plotting.loss_race({"a": {}}, against="hours"), "'step' or 'seconds'"),
        (lambda: plotting.descent_paths(len, {}), "one method at least"),
        (lambda: plotting.descent_paths(len, {"adam": [1.0, 2.0]}), "path of adam must have shape"),
    ],
)
def test_what_cannot_be_drawn_is_said(call, says):
    with pytest.raises(ValueError, match=says):
        call()
