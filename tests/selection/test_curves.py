"""Learning and validation curves: P rises with E, smaller experiences lie in larger ones, the reading is right."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.model_selection import validation_curve as peer_validation_curve
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tripos.metrics.scorers import SCORERS
from tripos.selection import LearningCurve, diagnose_fit, learning_curve, validation_curve
from tripos.selection.curves import curve_sizes

CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@pytest.mark.parametrize("n", [5, 30, 60, 199, 3567, 10**6])
def test_sizes_grow_by_a_constant_factor_up_to_all_rows(n):
    sizes = curve_sizes(n, points=6)
    assert sizes[-1] == n
    assert sizes[0] == (50 if n >= 200 else max(2, n // 4))
    if n > 1000:
        steps = np.diff(np.log(sizes))
        np.testing.assert_allclose(steps, steps.mean(), rtol=0.02)


def test_on_sms_spam_performance_rises_with_experience(spam):
    texts, y = spam
    model = make_pipeline(TfidfVectorizer(), MultinomialNB(alpha=0.1))
    curve = learning_curve(model, texts, y, sizes=[50, 500, 4000], scorer="average_precision", repeats=3)
    assert np.all(np.diff(curve.validation_mean) > 0)
    assert curve.validation_mean[-1] > 0.9
    assert curve.baseline == pytest.approx(747 / 5574, abs=0.01)


class Remembers(RegressorMixin, BaseEstimator):
    """Keeps which rows it was fitted on."""

    heard: list = []

    def fit(self, X, y):
        self.heard.append(frozenset(X[:, 0].astype(int).tolist()))
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_smaller_experiences_are_parts_of_larger_ones():
    Remembers.heard.clear()
    rows = np.arange(100.0)[:, None]
    learning_curve(Remembers(), rows, rows[:, 0], sizes=[10, 20, 40, 80], repeats=2, scorer="rmse", n_jobs=1)
    first, second = Remembers.heard[0::2], Remembers.heard[1::2]
    for nested in (first, second):
        assert all(small < large for small, large in zip(nested, nested[1:]))
    assert not first[-1] >= second[0] | second[-1]


def test_with_time_experience_is_the_latest_past():
    Remembers.heard.clear()
    rows = np.arange(100.0)[:, None]
    learning_curve(Remembers(), rows, rows[:, 0], sizes=[5, 40], repeats=1, time=rows[:, 0], scorer="rmse")
    assert sorted(Remembers.heard[0]) == [79, 80, 81, 82, 83]
    assert max(Remembers.heard[1]) == 83


def test_each_point_is_heard_and_may_be_the_last():
    heard = []
    curve = learning_curve(
        GaussianNB(),
        *CANCER,
        sizes=[20, 40, 80],
        on_point=lambda p: heard.append(p.size) or p.size == 40,
        repeats=2,
    )
    assert heard == curve.sizes.tolist() == [20, 40]


def test_threads_do_not_change_the_curve():
    one, two = (learning_curve(GaussianNB(), *CANCER, sizes=3, scorer="log_loss", n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.validation_scores, two.validation_scores)
    np.testing.assert_array_equal(one.train_scores, two.train_scores)


def test_the_last_point_is_cross_validation():
    from tripos.selection import cross_validate

    X, y = DIABETES[0][:441], DIABETES[1][:441]
    splitter = KFold(3, shuffle=True, random_state=0)
    curve = learning_curve(Ridge(), X, y, sizes=[50, 294], repeats=splitter)
    expected = cross_validate(Ridge(), X, y, folds=splitter, train_scores=True)
    np.testing.assert_allclose(curve.validation_scores[-1], expected.scores(), rtol=1e-9)
    np.testing.assert_allclose(curve.train_scores[-1], expected.scores(train=True), rtol=1e-9)


def test_more_repeats_than_fifths_are_drawn_anew():
    curve = learning_curve(GaussianNB(), *CANCER, sizes=[40], repeats=7)
    assert curve.validation_scores.shape == (1, 7)
    assert len(set(curve.validation_scores[0])) > 3


def test_a_size_that_no_repeat_can_learn_from_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="KNeighborsClassifier cannot be trained on 3 rows: .*n_neighbors"):
        learning_curve(KNeighborsClassifier(5), *CANCER, sizes=[3, 50], repeats=2)


@pytest.mark.parametrize("sizes", [[0, 10], [10, 1000], []])
def test_sizes_beyond_the_training_rows_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes must lie between 1 and the 455 training rows"):
        learning_curve(GaussianNB(), *CANCER, sizes=sizes)


def test_validation_curve_equals_sklearns():
    splitter, values = KFold(3, shuffle=True, random_state=0), [0.01, 1.0, 100.0]
    found = validation_curve(Ridge(), *DIABETES, parameter="alpha", values=values, folds=splitter)
    train, test = peer_validation_curve(
        Ridge(), *DIABETES, param_name="alpha", param_range=values, cv=splitter
    )
    np.testing.assert_allclose(found.train_scores, train)
    np.testing.assert_allclose(found.validation_scores, test)
    assert found.best == values[np.argmax(test.mean(axis=1))]


def test_the_best_value_of_a_loss_is_the_smallest():
    found = validation_curve(Ridge(), *DIABETES, parameter="alpha", values=[0.01, 1e6], scorer="rmse")
    assert found.best == 0.01


def made_curve(train, held, sizes=(100, 200, 400), scorer="accuracy", baseline=0.5, spread=0.001):
    wiggle = np.array([-spread, 0, spread])
    return LearningCurve(
        SCORERS[scorer],
        np.array(sizes),
        np.array(train)[:, None] + wiggle,
        np.array(held)[:, None] + wiggle,
        np.zeros(len(sizes)),
        baseline,
    )


@pytest.mark.parametrize(
    ("curve", "kind", "more_rows"),
    [
        (made_curve([1.0, 1.0, 1.0], [0.70, 0.76, 0.82]), "high variance", True),
        (made_curve([1.0, 1.0, 1.0], [0.80, 0.82, 0.82]), "high variance", False),
        (made_curve([0.80, 0.74, 0.72], [0.66, 0.70, 0.70]), "high bias", False),
        (made_curve([0.99, 0.98, 0.98], [0.95, 0.97, 0.97]), "good fit", False),
        (made_curve([0.60, 0.55, 0.52], [0.50, 0.50, 0.50]), "does not learn", False),
        (
            made_curve([0.1, 0.1, 0.1], [5.0, 4.0, 3.0], scorer="root_mean_squared_error", baseline=8.0),
            "high variance",
            True,
        ),
        (
            made_curve([5.0, 5.4, 5.5], [6.0, 5.6, 5.6], scorer="root_mean_squared_error", baseline=8.0),
            "high bias",
            False,
        ),
        (made_curve([-0.1] * 3, [-0.3, -0.2, -0.1], scorer="neg_log_loss", baseline=-2.0), "good fit", True),
    ],
)
def test_a_curve_is_read_as_a_lecturer_would(curve, kind, more_rows):
    read = diagnose_fit(curve)
    assert (read.kind, read.more_rows_help) == (kind, more_rows)
    assert ("more rows would help" in read.sentence) == more_rows


def test_the_difficulty_of_the_held_out_rows_is_no_noise_of_the_growth():
    hard = np.array([0.0, 0.1, 0.2])  # one repeat is much harder than another, but each grows alike
    held = np.array([[0.70], [0.74], [0.78]]) - hard
    curve = LearningCurve(SCORERS["accuracy"], np.array([100, 200, 400]), held + 0.01, held, np.zeros(3), 0.5)
    assert diagnose_fit(curve).more_rows_help


def test_an_overgrown_tree_varies_and_a_straight_line_bends_too_little():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2))
    flipped = (X[:, 0] * X[:, 1] > 0) ^ (rng.random(600) < 0.2)  # XOR with a fifth of the labels wrong
    tree = diagnose_fit(
        learning_curve(DecisionTreeClassifier(random_state=0), X, flipped, sizes=[50, 240, 480])
    )
    assert tree.kind == "high variance"
    line = diagnose_fit(
        learning_curve(LogisticRegression(), X, X[:, 0] * X[:, 1] > 0, sizes=[50, 240, 480], scorer="roc_auc")
    )
    assert line.kind in ("does not learn", "high bias")


def test_a_wiggling_polynomial_is_told_from_a_good_fit():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (300, 1))
    y = np.sin(3 * x[:, 0]) + 0.1 * rng.normal(size=300)
    degree = {d: make_pipeline(PolynomialFeatures(d), StandardScaler(), LinearRegression()) for d in (1, 5)}
    curves = {d: learning_curve(model, x, y, sizes=[20, 60, 240]) for d, model in degree.items()}
    assert diagnose_fit(curves[5]).kind == "good fit"
    assert diagnose_fit(curves[5]).distance < diagnose_fit(curves[1]).distance


def test_one_size_is_no_curve():
    with pytest.raises(ValueError, match="two sizes or more"):
        diagnose_fit(made_curve([0.9], [0.8], sizes=(100,)))
