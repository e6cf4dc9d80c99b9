"""The risk of a linear model: each pass against its NumPy twin, dense against sparse, blocks against the
whole."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tripos.compute.blocks import row_blocks
from tripos.objective.losses import LOG, SOFTMAX, SQUARED
from tripos.objective.penalties import L2, NoPenalty
from tripos.objective.risk import Risk
from tripos.objective.rows import rows_of

LOSSES = {"squared": (SQUARED, 1), "log": (LOG, 1), "softmax": (SOFTMAX, 3)}
FREE = NoPenalty()
every_loss = pytest.mark.parametrize("name", LOSSES)
every_form = pytest.mark.parametrize(
    "form", [np.asarray, sp.csr_array, sp.csr_matrix], ids=["dense", "csr", "matrix"]
)


def data(name: str, n: int = 700, d: int = 5, seed: int = 0, weighted: bool = True):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6) + (rng.random(d) < 0.3)
    y = {
        "squared": rng.normal(size=n),
        "log": rng.integers(0, 2, n).astype(float),
        "softmax": rng.integers(0, 3, n),
    }[name]
    return X, y, rng.random(n) + 0.1 if weighted else None


def risk(name, X, y, s, *, rows=None, penalty=FREE, fit_intercept=True):
    loss, n_outputs = LOSSES[name]
    blocks = row_blocks(X, y, s, rows=rows)

    def prepare(block):
        target = block.y if n_outputs > 1 else block.y.astype(blocks.dtype)
        return rows_of(block, target, block.sample_weight)

    return Risk(
        [prepare(block) for block in blocks],
        loss,
        prepare,
        float(len(y) if s is None else s.sum()),
        X.shape[1],
        n_outputs,
        penalty,
        fit_intercept,
        dtype=blocks.dtype,
    )


def twin(name, X, y, s, theta, alpha, fit_intercept):
    """Value and gradient by matrices in float64."""
    loss, K = LOSSES[name]
    s = np.ones(len(y)) if s is None else s
    W = theta.reshape(K, -1)
    w, b = (W[:, :-1], W[:, -1]) if fit_intercept else (W, np.zeros(K))
    eta = w @ X.T + b[:, None]
    scores = eta if K > 1 else eta[0]
    value = loss.value(y, scores, s) / s.sum() + alpha / 2 * np.sum(w * w)
    slopes = np.atleast_2d(loss.gradient(y, scores, s)) / s.sum()
    gradient = slopes @ X + alpha * w
    if fit_intercept:
        gradient = np.column_stack([gradient, slopes.sum(axis=1)])
    return value, gradient.reshape(-1)


@every_form
@every_loss
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_value_and_gradient_are_those_of_matrices(name, form, fit_intercept, weighted):
    X, y, s = data(name, weighted=weighted)
    objective = risk(name, form(X), y, s, penalty=L2(0.3), fit_intercept=fit_intercept)
    theta = np.random.default_rng(1).normal(size=objective.n_parameters)
    value, gradient = objective.value_gradient(theta)
    expected = twin(name, X, y, s, theta, 0.3, fit_intercept)
    assert value == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-13)


@every_form
@every_loss
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_and_hessian_are_central_differences(name, form, fit_intercept):
    X, y, s = data(name, n=120, d=3)
    objective = risk(name, form(X), y, s, penalty=L2(0.2), fit_intercept=fit_intercept)
    theta = np.random.default_rng(2).normal(size=objective.n_parameters) * 0.5
    _, gradient, hessian = objective.value_gradient_hessian(theta)
    step = 1e-5
    for j, unit in enumerate(np.eye(len(theta))):
        ahead, behind = (
            objective.value_gradient(theta + step * unit),
            objective.value_gradient(theta - step * unit),
        )
        assert gradient[j] == pytest.approx((ahead[0] - behind[0]) / (2 * step), abs=1e-8)
        bend = (ahead[1] - behind[1]) / (2 * step)
        if name == "softmax" and fit_intercept and j % 4 == 3:
            bend[3::4] += 1 / 3  # the free direction of the intercepts is given curvature
        np.testing.assert_allclose(hessian[j], bend, atol=1e-8)


@every_form
@every_loss
def test_float32_rows_agree_to_float32(name, form):
    X, y, s = data(name)
    theta = np.random.default_rng(1).normal(size=risk(name, X, y, s).n_parameters)
    single = risk(name, form(X.astype(np.float32)), y, s).value_gradient_hessian(theta)
    double = risk(name, X.astype(np.float32).astype(float), y, s).value_gradient_hessian(theta)
    for a, b in zip(single, double):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_loss
@pytest.mark.parametrize("rows", [1, 64, 699])
def test_blocks_give_what_the_whole_gives(name, rows):
    X, y, s = data(name)
    theta = np.random.default_rng(1).normal(size=risk(name, X, y, s).n_parameters)
    whole = risk(name, X, y, s).value_gradient_hessian(theta)
    for a, b in zip(whole, risk(name, X, y, s, rows=rows).value_gradient_hessian(theta)):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    X, y, s = data("log", n=3000, d=9)
    theta = np.random.default_rng(1).normal(size=10)
    answers = []
    for threads in "124":
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        answers.append(risk("log", X, y, s, rows=128).value_gradient_hessian(theta))
    for other in answers[1:]:
        for a, b in zip(answers[0], other):
            np.testing.assert_array_equal(a, b)


@every_form
def test_column_moments_are_weighted_means_and_variances(form):
    X, y, s = data("squared")
    shift = 0.0 if form is not np.asarray else 1e6
    mean, variance = risk("squared", form(X + shift), y, s, rows=100).column_moments
    expected = np.average(X, axis=0, weights=s)
    np.testing.assert_allclose(mean - shift, expected, atol=1e-9)
    np.testing.assert_allclose(variance, np.average((X - expected) ** 2, axis=0, weights=s), rtol=1e-9)


@every_form
def test_a_subsample_is_drawn_evenly_from_all_rows_with_their_weights(form):
    X, y, s = data("log", n=5000)
    X[:, 0] = np.arange(5000)
    sample = risk("log", form(X), y, s, rows=333).subsample(500, of=5000)
    drawn = sample.column_moments
    n_rows = sum(rows.n_rows for rows in sample.blocks)
    assert 490 <= n_rows <= 500
    assert sample.total_weight == pytest.approx(sum(rows.s.sum() for rows in sample.blocks))
    assert drawn[0][0] == pytest.approx(2500, rel=0.05)
    theta = np.zeros(6)
    assert sample.value_gradient(theta)[0] == pytest.approx(np.log(2))


@every_form
def test_separation_is_seen_and_only_separation(form):
    X, _, s = data("log", n=300)
    w = np.array([1.0, -2.0, 0.5, 0.0, 1.0])
    scores = X @ w + 0.123
    theta = np.append(w, 0.123)
    apart, mixed = (scores > 0).astype(float), (scores > 0).astype(float)
    mixed[7] = 1 - mixed[7]
    assert risk("log", form(X), apart, s, rows=64).separates(theta)
    assert not risk("log", form(X), mixed, s, rows=64).separates(theta)


@every_form
def test_three_separated_classes_are_seen(form):
    X, _, s = data("softmax", n=300)
    theta = np.random.default_rng(5).normal(size=18)
    W = theta.reshape(3, 6)
    y = (W[:, :5] @ X.T + W[:, 5:]).argmax(axis=0)
    assert risk("softmax", form(X), y, s, rows=64).separates(theta)
    y[11] = (y[11] + 1) % 3
    assert not risk("softmax", form(X), y, s, rows=64).separates(theta)
