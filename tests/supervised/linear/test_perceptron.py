"""The perceptron: its rule, Novikoff's bound, XOR, and scikit-learn's beside it."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

import tripos
from tripos import Perceptron
from tripos.errors import DataWarning

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def separable(seed: int, n: int = 200, gap: float = 0.2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    score = X @ np.array([1.0, -2.0, 0.5]) + 0.3
    keep = np.abs(score) > gap
    return X[keep], np.where(score[keep] > 0, 1, -1)


def mistakes_by_hand(X, y, epochs):
    w, b, counts = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        counts.append(0)
        for row, side in zip(X, y):
            if side * (w @ row + b) <= 0:
                w, b = w + side * row, b + side
                counts[-1] += 1
    return w, b, counts


def test_every_mistake_adds_or_takes_away_the_row():
    X, y = separable(0)
    model = Perceptron(shuffle=False, tol=None, max_iter=4, penalty=None)
    w, b, counts = mistakes_by_hand(X, y, 4)
    with pytest.warns(DataWarning) if counts[-1] else np.errstate():
        model.fit(X, y)
    np.testing.assert_allclose(model.coef_[0], w, rtol=1e-12)
    assert model.intercept_[0] == pytest.approx(b)
    assert model.mistakes_.tolist() == counts[: model.n_iter_]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_separable_rows_cost_no_more_mistakes_than_novikoffs_bound(seed):
    X, y = separable(seed)
    model = Perceptron(tol=None, random_state=seed).fit(X, y)
    assert model.converged_
    assert model.score(X, y) == 1.0
    assert model.mistakes_[-1] == 0
    rows = np.column_stack([X, np.ones(len(X))])
    known = np.array([1.0, -2.0, 0.5, 0.3]) / np.sqrt(1 + 4 + 0.25 + 0.09)
    gamma, R = np.min(y * (rows @ known)), np.linalg.norm(rows, axis=1).max()
    assert model.mistakes_.sum() <= (R / gamma) ** 2


def test_the_margin_is_the_least_distance_from_the_plane():
    X, y = separable(1)
    model = Perceptron(tol=None).fit(X, y)
    distance = y * model.decision_function(X) / np.linalg.norm(model.coef_)
    assert model.margin_[0] == pytest.approx(distance.min())
    assert "separated, with margin" in model.summary()


def test_xor_is_said_not_to_be_shown_separable():
    with pytest.warns(DataWarning, match="XOR"):
        model = Perceptron(tol=None, max_iter=300).fit(CORNERS, [0, 1, 1, 0])
    assert not model.converged_
    assert (model.mistakes_ > 0).all()
    assert np.isnan(model.margin_).all()
    assert "not shown separable" in model.summary()


@pytest.mark.parametrize("target", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]])
def test_and_or_and_nand_are_learned(target):
    assert Perceptron(tol=None).fit(CORNERS, target).predict(CORNERS).tolist() == target


def test_the_length_of_a_step_changes_nothing_but_the_scale():
    X, y = separable(2)
    short, long = Perceptron(tol=None, eta0=0.25).fit(X, y), Perceptron(tol=None, eta0=1.0).fit(X, y)
    np.testing.assert_allclose(4.0 * short.coef_, long.coef_)
    np.testing.assert_array_equal(short.mistakes_, long.mistakes_)


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
@pytest.mark.parametrize(
    "parameters", [{}, {"penalty": "l2"}, {"penalty": "l1"}, {"class_weight": "balanced"}]
)
def test_rows_in_the_same_order_give_scikit_learns_coefficients(spambase, parameters):
    X, y = StandardScaler().fit_transform(spambase.X[::7]), spambase.y[::7]
    plain = {"shuffle": False, "max_iter": 5, "tol": None, **parameters}
    ours, theirs = Perceptron(**plain).fit(X, y), sklearn.linear_model.Perceptron(**plain).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
def test_several_classes_are_told_apart(letters):
    X = StandardScaler().fit_transform(letters.X)
    model = Perceptron().fit(X, letters.y)
    assert model.coef_.shape == (5, 16)
    assert model.score(X, letters.y) > 0.85
    assert len(model.mistakes_) == model.n_iter_


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
def test_text_is_classified_as_well_as_by_scikit_learn(sms):
    ours, theirs = Perceptron().fit(sms.X, sms.y), sklearn.linear_model.Perceptron().fit(sms.X, sms.y)
    assert ours.score(sms.X, sms.y) >= theirs.score(sms.X, sms.y) - 0.005


def test_what_it_says_about_separation_is_saved(tmp_path):
    X, y = separable(3)
    model = Perceptron(tol=None).fit(X, y)
    found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
    assert found.converged_
    assert found.summary() == model.summary()
