"""Update rules against steps written out by hand, schedules against stated values, clipping against its bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tripos.optimization.clipping import Clip
from tripos.optimization.rules import RULES, AdaGrad, Adam, AdamW, Memory, Momentum, Nesterov, RMSProp
from tripos.optimization.schedules import Constant, Cosine, InverseScaling, StepDecay, WarmUp, named

RATE, STEPS = 0.05, 6
PRECISION = {np.float64: 1e-13, np.float32: 1e-5}


def gradients(seed=0):
    return np.random.default_rng(seed).normal(size=(STEPS, 7)) * [1e-3, 0.1, 1.0, 10.0, 1.0, 1.0, 0.0]


def by_hand(name):
    """Where a rule goes from (1, ..., 1), in plain NumPy as the papers write it."""
    x, m, v = np.ones(7), np.zeros(7), np.zeros(7)
    for t, g in enumerate(gradients(), start=1):
        if name == "gradient-descent":
            x = x - RATE * g
        elif name == "momentum":
            m = 0.9 * m + g
            x = x - RATE * m
        elif name == "nesterov":
            m = 0.9 * m + g
            x = x - RATE * (g + 0.9 * m)
        elif name == "adagrad":
            v = v + g**2
            x = x - RATE * g / (np.sqrt(v) + 1e-10)
        elif name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            x = x - RATE * g / (np.sqrt(v) + 1e-8)
        else:
            if name == "adamw":
                x = x - RATE * 0.01 * x
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            x = x - RATE * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RULES)
def test_a_rule_steps_as_its_paper_says(name, dtype):
    x = np.ones(7, dtype)
    memory, rule = Memory.like(x), RULES[name]()
    for g in gradients().astype(dtype):
        rule.step(x, g, memory, RATE)
    assert memory.t == STEPS
    np.testing.assert_allclose(x, by_hand(name), rtol=PRECISION[dtype], atol=PRECISION[dtype])


@pytest.mark.parametrize(
    ("plain", "changed"),
    [
        (Momentum(), Momentum(0.5)),
        (Nesterov(), Nesterov(0.5)),
        (AdaGrad(), AdaGrad(0.1)),
        (RMSProp(), RMSProp(0.99)),
        (Adam(), Adam(beta2=0.9)),
        (AdamW(), AdamW(weight_decay=0.5)),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_a_rules_numbers_reach_its_kernel(plain, changed):
    ends = []
    for rule in (plain, changed):
        x = np.ones(7)
        memory = Memory.like(x)
        for g in gradients():
            rule.step(x, g, memory, RATE)
        ends.append(x)
    assert np.abs(ends[0] - ends[1]).max() > 1e-4


def test_nesterov_in_its_usual_variables_is_the_lookahead_of_sutskever():
    """With y = x - rate mu v as the lookahead, the gradient is taken at y; our x is that y."""
    H, mu, rate = np.diag([1.0, 10.0]), 0.8, 0.05
    ours, memory = np.array([1.0, 1.0]), None
    theirs, velocity = np.array([1.0, 1.0]), np.zeros(2)
    memory = Memory.like(ours)
    for _ in range(20):
        Nesterov(mu).step(ours, H @ ours, memory, rate)
        velocity = mu * velocity - rate * H @ (theirs + mu * velocity)
        theirs = theirs + velocity
        np.testing.assert_allclose(ours, theirs + mu * velocity, rtol=1e-12)


def test_adam_does_not_notice_the_scale_of_the_gradient():
    ends = []
    for scale in (1.0, 1e4):
        x = np.ones(7)
        memory = Memory.like(x)
        for g in gradients():
            Adam(epsilon=0.0 + 1e-300).step(x, scale * g + 1e-200, memory, RATE)
        ends.append(x)
    np.testing.assert_allclose(ends[0][:6], ends[1][:6], rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "stated"),
    [
        (Constant(0.3), {0: 0.3, 10**6: 0.3}),
        (InverseScaling(1.0), {0: 1.0, 3: 0.5, 99: 0.1}),
        (InverseScaling(1.0, power=1.0), {0: 1.0, 3: 0.25}),
        (StepDecay(1.0, every=10, factor=0.1), {9: 1.0, 10: 0.1, 29: 0.01}),
        (Cosine(1.0, steps=100), {0: 1.0, 25: 0.5 + math.sqrt(0.125), 50: 0.5, 100: 0.0, 200: 0.0}),
        (Cosine(1.0, steps=100, final=0.2), {0: 1.0, 50: 0.6, 100: 0.2}),
        (WarmUp(Constant(1.0), steps=4), {0: 0.25, 1: 0.5, 3: 1.0, 9: 1.0}),
        (named("step", 1.0, 100), {24: 1.0, 25: 0.5, 99: 0.125}),
        (named("cosine", 2.0, 10, warm_up=2), {0: 1.0, 10: 0.0}),
    ],
    ids=lambda value: type(value).__name__ if callable(value) else "",
)
def test_a_schedule_hits_its_stated_values(schedule, stated):
    assert {t: schedule(t) for t in stated} == pytest.approx(stated, abs=1e-15)


@pytest.mark.parametrize(("name", "rate"), [("linear", 0.1), ("cosine", 0.0), ("cosine", math.inf)])
def test_an_unknown_schedule_or_rate_is_refused(name, rate):
    with pytest.raises(ValueError, match="schedule must be one of|learning_rate must be"):
        named(name, rate, 10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clipping_by_norm_keeps_the_direction_and_by_value_the_bound(dtype):
    g = np.array([3.0, -4.0, 0.5], dtype)
    by_norm, by_value = g.copy(), g.copy()
    Clip(norm=1.0)(by_norm)
    Clip(value=1.0)(by_value)
    np.testing.assert_allclose(by_norm, g / np.linalg.norm(g), rtol=1e-6)
    np.testing.assert_array_equal(by_value, np.array([1.0, -1.0, 0.5], dtype))


def test_a_short_gradient_is_not_clipped():
    g = np.array([0.3, -0.4])
    Clip(norm=0.5, value=0.4)(g)
    np.testing.assert_array_equal(g, [0.3, -0.4])


def test_a_bound_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="clip_norm must be larger than 0, got 0"):
        Clip(norm=0.0)
