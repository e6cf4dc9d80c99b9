"""Robust, margin and count losses against their equations, their own derivatives, and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tripos.objective.linear import linear_risk
from tripos.objective.losses import (
    ABSOLUTE,
    EXPONENTIAL,
    GAMMA,
    HINGE,
    LOG,
    LOSSES,
    POISSON,
    SOFTMAX,
    SQUARED_HINGE,
    envelope,
    epsilon_insensitive,
    huber,
    quantile,
    tweedie,
)
from tripos.objective.penalties import L2

NASTY = np.array([0.0, -0.0, 1e-310, 1e-17, 0.5, -0.5, 1.0, -1.0, 15.0, -15.0])
PRECISION = {np.float64: 1e-14, np.float32: 2e-6}
FURTHER = {
    "absolute": ABSOLUTE,
    "huber": huber(1.35),
    "huber 0.2": huber(0.2),
    "quantile 0.1": quantile(0.1),
    "quantile 0.9": quantile(0.9),
    "hinge": HINGE,
    "squared hinge": SQUARED_HINGE,
    "exponential": EXPONENTIAL,
    "poisson": POISSON,
    "gamma": GAMMA,
    "tweedie 1.5": tweedie(1.5),
    "tweedie 1.9": tweedie(1.9),
    "tweedie 3": tweedie(3.0),
    "tweedie 0": tweedie(0.0),
    "epsilon insensitive": epsilon_insensitive(0.3),
    "squared epsilon insensitive": epsilon_insensitive(0.3, squared=True),
    "epsilon insensitive envelope": envelope(epsilon_insensitive(0.2), 1.5),
    "hinge envelope": envelope(HINGE, 1.0),
}
MARGIN = ("hinge", "squared hinge", "exponential")
every = pytest.mark.parametrize("name", FURTHER)
both_dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def twin(loss, y, eta):
    """Loss, slope and curvature of each row as the tables say, in float64."""
    r, m, side, p = eta - y, (2 * y - 1) * eta, 2 * y - 1, loss.parameter
    mu = np.exp(eta) if loss.name in ("poisson", "gamma", "tweedie") else eta
    zero, one = np.zeros_like(eta), np.ones_like(eta)
    if loss.name == "absolute":
        return np.abs(r), np.sign(r), zero
    if loss.name == "huber":
        near = np.abs(r) <= p
        return np.where(near, r**2 / 2, p * np.abs(r) - p**2 / 2), np.clip(r, -p, p), near * one
    if loss.name == "quantile":
        return np.where(r > 0, (1 - p) * r, -p * r), np.where(r > 0, 1 - p, np.where(r < 0, -p, 0)), zero
    if loss.name == "hinge":
        return np.maximum(0, 1 - m), -side * (m < 1), zero
    if loss.name == "squared hinge":
        return np.maximum(0, 1 - m) ** 2, -2 * side * np.maximum(0, 1 - m), 2.0 * (m < 1)
    if loss.name == "exponential":
        return np.exp(-m), -side * np.exp(-m), np.exp(-m)
    beyond = np.maximum(np.abs(r) - p, 0)
    if loss.name == "epsilon insensitive":
        return beyond, np.sign(r) * (beyond > 0), zero
    if loss.name == "squared epsilon insensitive":
        return beyond**2, 2 * np.sign(r) * beyond, 2.0 * (beyond > 0)
    if loss.name.endswith("envelope"):
        side, t = (np.sign(r), np.abs(r) - p) if "epsilon" in loss.name else (-np.sign(y), np.sign(y) * -r)
        z = np.clip(t - 1, 0, None)  # what the loss keeps of t
        return z + (t - z).clip(0) ** 2 / 2, side * np.clip(t, 0, 1), (t >= 0) * (t <= 1.0) * one
    if loss.name == "poisson":
        return mu - y * eta, mu - y, mu
    if loss.name == "gamma":
        return y / mu + eta, 1 - y / mu, y / mu
    bend = (2 - p) * mu ** (2 - p) - (1 - p) * y * mu ** (1 - p) if 1 <= p <= 2 else mu ** (2 - p)
    return mu ** (2 - p) / (2 - p) - y * mu ** (1 - p) / (1 - p), mu ** (2 - p) - y * mu ** (1 - p), bend


def rows(name, seed=0):
    rng = np.random.default_rng(seed)
    eta = np.concatenate([NASTY, rng.normal(size=300) * 2])
    if name in MARGIN:
        return rng.integers(0, 2, len(eta)).astype(float), eta
    if name.split()[0] in ("poisson", "gamma", "tweedie"):
        return rng.poisson(2.0, len(eta)) + (0.0 if name == "poisson" else 0.25), eta
    y = rng.normal(size=len(eta))
    if name == "hinge envelope":
        return y + np.sign(y), eta
    y[5:15] = eta[5:15]  # residuals of exactly zero: kinks
    return y, eta


@both_dtypes
@every
def test_each_row_is_what_the_equation_says(name, dtype):
    loss = FURTHER[name]
    y, eta = (a.astype(dtype) for a in rows(name))
    for found, wanted in zip(loss.rows(y, eta), twin(loss, y.astype(float), eta.astype(float))):
        assert found.dtype == dtype
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=20 * PRECISION[dtype], atol=PRECISION[dtype] * scale)


@every
def test_derivatives_are_those_of_the_value(name):
    loss = FURTHER[name]
    y, eta = (a[len(NASTY) + 10 :] for a in rows(name, seed=1))
    step = 1e-6
    ahead, behind = loss.rows(y, eta + step), loss.rows(y, eta - step)
    slopes, bends = (ahead[0] - behind[0]) / (2 * step), (ahead[1] - behind[1]) / (2 * step)
    smooth = np.abs(loss.gradient(y, eta + step) - loss.gradient(y, eta - step)) < 0.05 * (1 + np.abs(slopes))
    assert smooth.sum() > 250
    np.testing.assert_allclose(loss.gradient(y, eta)[smooth], slopes[smooth], rtol=1e-6, atol=1e-7)
    if name not in ("tweedie 3", "tweedie 0"):
        np.testing.assert_allclose(loss.curvature(y, eta)[smooth], bends[smooth], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("power", [0.0, 3.0])
def test_a_tweedie_loss_that_is_not_convex_has_its_expected_curvature(power):
    loss, mu = tweedie(power), np.array([0.3, 1.0, 4.0])
    rng = np.random.default_rng(0)

    def second(y):
        return (2 - power) * mu[:, None] ** (2 - power) - (1 - power) * y * mu[:, None] ** (1 - power)

    expected = second(mu[:, None] * rng.gamma(4.0, 0.25, (3, 200_000))).mean(axis=1)
    np.testing.assert_allclose(loss.curvature(mu, np.log(mu)), expected, rtol=0.02)


@every
def test_nan_comes_through(name):
    loss = FURTHER[name].rows(np.ones(2), np.array([np.nan, 1.0]))[0]
    assert np.isnan(loss[0])
    assert np.isfinite(loss[1])


@every
def test_a_weight_of_two_counts_twice(name):
    loss = FURTHER[name]
    y, eta = rows(name)
    weight = np.arange(len(y)) % 3
    again = np.repeat(np.arange(len(y)), weight)
    assert loss.value(y, eta, weight) == pytest.approx(loss.value(y[again], eta[again]), rel=1e-12)
    np.testing.assert_allclose(loss.gradient(y, eta, weight), weight * loss.gradient(y, eta))


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (ABSOLUTE, "AbsoluteError", {}),
        (quantile(0.3), "PinballLoss", {"quantile": 0.3}),
        (POISSON, "HalfPoissonLoss", {}),
        (GAMMA, "HalfGammaLoss", {}),
        (tweedie(1.3), "HalfTweedieLoss", {"power": 1.3}),
        (huber(0.8), "HuberLoss", {"quantile": 0.5, "delta": 0.8}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_losses_and_slopes_are_scikit_learns(ours, theirs, options):
    from sklearn._loss import loss as peers

    peer = getattr(peers, theirs)(**options)
    y, eta = rows("tweedie")
    apart = y != eta
    y, eta = y[apart], eta[apart]
    np.testing.assert_allclose(ours.rows(y, eta)[0], peer.loss(y, eta), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.rows(y, eta)[1], peer.gradient(y, eta), rtol=1e-12, atol=1e-12)


def lowest(loss, y):
    return minimize_scalar(
        lambda c: loss.value(y, np.full(len(y), c)), bounds=(y.min(), y.max()), method="bounded"
    ).x


def test_the_minimum_of_the_absolute_loss_is_the_median_and_of_the_quantile_loss_the_quantile():
    y = np.random.default_rng(0).gamma(2.0, size=1001)
    assert lowest(ABSOLUTE, y) == pytest.approx(np.median(y), abs=1e-3)
    assert lowest(quantile(0.8), y) == pytest.approx(np.quantile(y, 0.8), abs=1e-3)


@pytest.mark.parametrize("loss", [POISSON, GAMMA, tweedie(1.5), tweedie(2.5)], ids=lambda l: l.name)
def test_a_constant_mean_minimises_the_count_losses_at_the_mean(loss):
    y = np.random.default_rng(0).gamma(2.0, size=500)
    slope = loss.gradient(y, np.full(len(y), np.log(y.mean()))).sum()
    assert slope == pytest.approx(0.0, abs=1e-9 * len(y))


def test_tweedie_is_poisson_at_one_and_gamma_at_two():
    assert tweedie(1) is POISSON
    assert tweedie(2) is GAMMA


@pytest.mark.parametrize(
    ("loss", "y", "says"),
    [
        (POISSON, [1.0, 0.0, -2.0], r"zero or larger; row 2 holds -2.0 \(1 of 3"),
        (GAMMA, [1.0, 0.0, -2.0], r"larger than zero; row 1 holds 0.0 \(2 of 3"),
        (tweedie(1.5), [-1.0], "zero or larger; row 0"),
        (tweedie(3.0), [1.0, 0.0], "larger than zero; row 1"),
        (LOG, [0.0, 1.0, 2.0], "0 or 1 .* row 2 holds 2.0"),
        (HINGE, [-1.0, 1.0], "0 or 1 .* row 0 holds -1.0"),
        (ABSOLUTE, [0.0, np.nan], "finite numbers; row 1 holds nan"),
        (SOFTMAX, [0, 3, -1], "class codes .* row 2 holds -1"),
    ],
)
def test_a_target_outside_the_domain_is_named_with_its_row(loss, y, says):
    with pytest.raises(ValueError, match=says):
        loss.check_target(np.array(y))


@pytest.mark.parametrize("call", [lambda: huber(0.0), lambda: quantile(1.0), lambda: tweedie(0.5)])
def test_a_parameter_outside_its_range_is_refused(call):
    with pytest.raises(ValueError, match="got"):
        call()


def test_every_loss_is_listed():
    assert set(LOSSES) == {
        *("squared", "log", "softmax", "absolute", "huber", "quantile"),
        *("hinge", "squared hinge", "exponential", "poisson", "gamma", "tweedie"),
        *("epsilon insensitive", "squared epsilon insensitive"),
    }


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("name", ["huber 0.2", "squared hinge", "tweedie 1.5"])
def test_the_risk_of_a_linear_model_adds_up_the_rows(name, sparse):
    from scipy.sparse import csr_array

    loss = FURTHER[name]
    y, _ = rows(name)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(y), 4)) * (rng.random((len(y), 4)) < 0.5)
    weight, theta = rng.random(len(y)), rng.normal(size=5) * 0.3
    risk = linear_risk(csr_array(X) if sparse else X, y, loss, penalty=L2(0.3), sample_weight=weight)
    value, gradient, hessian = risk.value_gradient_hessian(theta)
    Z = np.column_stack([X, np.ones(len(y))])
    eta, penalty = Z @ theta, np.array([0.3] * 4 + [0.0])
    assert value == pytest.approx(loss.value(y, eta, weight) / weight.sum() + 0.15 * theta[:4] @ theta[:4])
    np.testing.assert_allclose(gradient, Z.T @ loss.gradient(y, eta, weight) / weight.sum() + penalty * theta)
    bend = loss.curvature(y, eta, weight) / weight.sum()
    np.testing.assert_allclose(hessian, Z.T * bend @ Z + np.diag(penalty), atol=1e-12)


def test_a_risk_refuses_targets_outside_the_loss():
    with pytest.raises(ValueError, match="poisson loss .* row 1 holds -3"):
        linear_risk(np.ones((2, 1)), [1.0, -3.0], "poisson")
