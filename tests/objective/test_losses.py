"""Losses against their definitions, and their derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logsumexp

from tripos.objective.losses import LOG, LOSSES, SOFTMAX, SQUARED
from tripos.objective.penalties import L2, NoPenalty

NASTY = np.array([0.0, -0.0, 1e-310, -1e-310, 1e-17, 0.5, -0.5, 30.0, -30.0, 700.0, -700.0, 1e4, -1e4])
PRECISION = {np.float64: 1e-14, np.float32: 1e-6}

pointwise = pytest.mark.parametrize("loss", [SQUARED, LOG], ids=lambda loss: loss.name)
both_dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def twin(name: str, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loss, slope and curvature as the equations say, in float64."""
    if name == "squared":
        return (eta - y) ** 2 / 2, eta - y, np.ones_like(eta)
    return np.logaddexp(0, eta) - y * eta, expit(eta) - y, expit(eta) * expit(-eta)


def rows(loss, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta = np.concatenate([NASTY, rng.normal(size=200) * 5])
    y = rng.integers(0, 2, len(eta)).astype(float) if loss is LOG else rng.normal(size=len(eta))
    return y, eta


@both_dtypes
@pointwise
def test_each_row_is_what_the_equation_says(loss, dtype):
    y, eta = (a.astype(dtype) for a in rows(loss))
    expected = twin(loss.name, y.astype(float), eta.astype(float))
    for found, wanted in zip(loss.rows(y, eta), expected):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=20 * PRECISION[dtype], atol=PRECISION[dtype])


@both_dtypes
def test_probabilities_near_zero_and_one_keep_their_digits(dtype):
    eta = np.array([40.0, -40.0, 80.0, -80.0], dtype)
    slope_at_0, slope_at_1 = LOG.gradient(np.zeros(4), eta), LOG.gradient(np.ones(4), eta)
    np.testing.assert_allclose(slope_at_0[[1, 3]], expit([-40.0, -80.0]), rtol=1e-5)
    assert (np.abs(slope_at_1[[0, 2]]) < 1e-6).all()


@pointwise
def test_nan_comes_through(loss):
    for values in loss.rows(np.zeros(2), np.array([np.nan, 1.0]))[:2]:
        assert np.isnan(values[0])
        assert np.isfinite(values[1])


@pointwise
def test_derivatives_are_those_of_the_value(loss):
    y, eta = rows(loss, seed=1)
    y, eta = y[len(NASTY) :], eta[len(NASTY) :]
    step = 1e-5
    ahead, behind = loss.rows(y, eta + step), loss.rows(y, eta - step)
    np.testing.assert_allclose(loss.gradient(y, eta), (ahead[0] - behind[0]) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(loss.curvature(y, eta), (ahead[1] - behind[1]) / (2 * step), atol=1e-9)


@pointwise
def test_a_weight_of_two_counts_twice(loss):
    y, eta = rows(loss)
    weight = np.arange(len(y)) % 3
    repeated = np.repeat(np.arange(len(y)), weight)
    assert loss.value(y, eta, weight) == pytest.approx(loss.value(y[repeated], eta[repeated]), rel=1e-13)
    np.testing.assert_allclose(loss.gradient(y, eta, weight), weight * loss.gradient(y, eta))
    np.testing.assert_allclose(loss.curvature(y, eta, weight), weight * loss.curvature(y, eta))


def class_scores(n_classes: int, n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta = rng.normal(size=(n_classes, n)) * 4
    eta[:, 0] = 0.0  # ties
    eta[:, 1] = 1e4  # no overflow
    eta[0, 2] = -1e4
    return rng.integers(0, n_classes, n), eta


@both_dtypes
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_softmax_is_what_the_equation_says(n_classes, dtype):
    y, eta = class_scores(n_classes)
    loss, p = SOFTMAX.rows(y, eta.astype(dtype))
    exact = eta.astype(dtype).astype(float)
    wanted = logsumexp(exact, axis=0) - exact[y, np.arange(len(y))]
    np.testing.assert_allclose(loss, wanted, rtol=20 * PRECISION[dtype], atol=100 * PRECISION[dtype])
    np.testing.assert_allclose(p, np.exp(exact - logsumexp(exact, axis=0)), atol=10 * PRECISION[dtype])
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=10 * PRECISION[dtype])


def test_softmax_of_two_classes_is_the_log_loss_of_the_difference():
    y, eta = class_scores(2, seed=3)
    difference = eta[1] - eta[0]
    assert SOFTMAX.value(y, eta) == pytest.approx(LOG.value(y, difference), rel=1e-13)
    np.testing.assert_allclose(SOFTMAX.gradient(y, eta)[1], LOG.gradient(y, difference), atol=1e-14)


def test_softmax_derivatives_are_those_of_the_value():
    y, eta = class_scores(3, seed=2)
    y, eta = y[3:], eta[:, 3:]
    weight = np.random.default_rng(0).random(len(y))
    gradient, curvature = SOFTMAX.gradient(y, eta, weight), SOFTMAX.curvature(y, eta, weight)
    step = 1e-5
    for k in range(3):
        move = np.zeros((3, 1))
        move[k] = step
        slopes = weight * (SOFTMAX.rows(y, eta + move)[0] - SOFTMAX.rows(y, eta - move)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[k], slopes, atol=1e-9)
        bends = SOFTMAX.gradient(y, eta + move, weight) - SOFTMAX.gradient(y, eta - move, weight)
        np.testing.assert_allclose(curvature[:, k], bends / (2 * step), atol=1e-9)


def test_every_loss_is_listed_under_its_name():
    assert {"squared", "log", "softmax"} <= LOSSES.keys()
    assert all(name == loss.name for name, loss in LOSSES.items())


@pytest.mark.parametrize("penalty", [L2(0.7), NoPenalty()], ids=["l2", "none"])
def test_the_proximal_operator_minimises_what_it_is_defined_by(penalty):
    rng = np.random.default_rng(0)
    v, step = rng.normal(size=4), 0.3

    def cost(w):
        return 0.5 * np.sum((w - v) ** 2) + step * penalty.value(w)

    at = penalty.prox(v, step)
    assert all(cost(at) <= cost(at + 1e-3 * rng.normal(size=4)) for _ in range(200))


@pytest.mark.parametrize("penalty", [L2(0.7), NoPenalty()], ids=["l2", "none"])
def test_a_penalty_has_the_gradient_and_curvature_of_its_value(penalty):
    w, step = np.array([0.5, -2.0, 0.0]), 1e-5
    for j, unit in enumerate(np.eye(3)):
        slope = (penalty.value(w + step * unit) - penalty.value(w - step * unit)) / (2 * step)
        assert penalty.gradient(w)[j] == pytest.approx(slope, abs=1e-9)
        bend = (penalty.gradient(w + step * unit) - penalty.gradient(w - step * unit))[j] / (2 * step)
        assert penalty.curvature == pytest.approx(bend, abs=1e-9)
