"""The gradient check finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tripos import check_gradient
from tripos.objective.linear import linear_risk
from tripos.objective.losses import LOSSES, SoftmaxLoss
from tripos.objective.penalties import L2


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss_passes(loss):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 30)
    shape = (2, 30) if isinstance(loss, SoftmaxLoss) else (30,)
    report = check_gradient(
        loss,
        rng.normal(size=shape),
        y=y if isinstance(loss, SoftmaxLoss) else y + 0.0 + (loss.name == "gamma"),
    )
    assert report.passed, str(report)


@pytest.mark.parametrize("loss", ["log", "poisson", "huber", "softmax"])
def test_the_risk_of_a_linear_model_on_real_data_passes(loss):
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    risk = linear_risk(X, y, loss, penalty=L2(0.1))
    report = check_gradient(risk, np.random.default_rng(0).normal(size=risk.n_parameters) * 0.1)
    assert report.largest_error < 1e-6


def test_the_objective_of_an_estimator_passes():
    """What `LogisticRegression(C=0.1, class_weight=...)` minimises."""
    from tripos.compute.blocks import row_blocks
    from tripos.supervised.linear.likelihood import Problem, count

    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    blocks = row_blocks(X, y)
    how = {"C": 0.1, "fit_intercept": True, "intercept_scaling": None}
    problem = Problem.of(blocks, count(blocks, 2), np.array([1.0, 2.0]), **how)
    assert check_gradient(problem.risk, np.random.default_rng(0).normal(size=31), tol=1e-6)


def test_a_risk_on_float32_rows_is_checked_with_the_step_its_noise_asks_for():
    X, y = load_breast_cancer(return_X_y=True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    risk = linear_risk(X, y, "log", penalty=L2(0.1))
    assert check_gradient(risk, np.zeros(31), tol=0.02)


def wrong(factor):
    def function(x):
        gradient = np.cos(x)
        gradient[3] *= factor
        return float(np.sin(x).sum()), gradient

    return function


@pytest.mark.parametrize("factor", [1.001, 0.5, -1.0, np.nan])
def test_the_one_wrong_component_is_named(factor):
    report = check_gradient(wrong(factor), np.linspace(0.1, 1.0, 6), names=list("abcdef"))
    assert not report
    assert report.worst == "d"
    assert "DIFFERS" in str(report)


def test_the_relative_error_is_that_of_the_component():
    assert check_gradient(wrong(1.01), np.linspace(0.1, 1, 6)).largest_error == pytest.approx(
        0.01 / 1.01, rel=1e-4
    )


def test_a_right_gradient_passes_in_both_forms():
    x = np.random.default_rng(0).normal(size=(3, 4))
    together = check_gradient(lambda x: (float((x**4).sum()), 4 * x**3), x)
    apart = check_gradient(lambda x: float((x**4).sum()), x, lambda x: 4 * x**3)
    assert together
    np.testing.assert_array_equal(together.numeric, apart.numeric)


def test_parameters_of_a_matrix_are_named_by_their_place():
    def one_forgotten(x):
        return float((x**3).sum()), 3 * x**2 * np.array([[1.0, 0.0], [1.0, 1.0]])

    assert check_gradient(one_forgotten, np.ones((2, 2))).worst == "x[0, 1]"


def test_a_layer_of_a_network_is_checked_through_a_random_projection():
    """The gradient of sum(G * tanh(X W + b)) by W and b: what backpropagation hands down."""
    rng = np.random.default_rng(0)
    X, G = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))

    def layer(theta):
        W, b = theta[:6].reshape(3, 2), theta[6:]
        a = np.tanh(X @ W + b)
        delta = G * (1 - a**2)
        return float((G * a).sum()), np.concatenate([(X.T @ delta).ravel(), delta.sum(axis=0)])

    assert check_gradient(layer, rng.normal(size=8), tol=1e-6)


def test_a_sample_of_many_parameters_is_checked():
    report = check_gradient(lambda x: (float((x**2).sum()), 2 * x), np.ones(1000), max_parameters=20)
    assert len(report.parameters) == 20
    assert report


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: check_gradient(lambda x: 1.0, [1.0]), TypeError, "no gradient to check"),
        (lambda: check_gradient(LOSSES["log"], [1.0]), TypeError, "y=targets"),
        (lambda: check_gradient(3, [1.0]), TypeError, "got int"),
        (lambda: check_gradient(lambda x: (1.0, np.ones(3)), [1.0]), ValueError, "has shape"),
        (lambda: check_gradient(lambda x: (1.0, x), [1.0], names=["a", "b"]), ValueError, "2 entries for 1"),
    ],
)
def test_what_cannot_be_checked_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()
