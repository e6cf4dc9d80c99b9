"""Methods on functions whose minimum is known, and what they say when there is none."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from tripos import minimize
from tripos.optimization.lbfgs import Memory
from tripos.optimization.linesearch import Point, search
from tripos.optimization.newton import Curvature
from tripos.optimization.result import NotFinite

every_method = pytest.mark.parametrize("method", ["newton", "lbfgs"])


class Quadratic:
    """F(x) = (x - m)' A (x - m) / 2 + 1."""

    def __init__(self, A: np.ndarray, m: np.ndarray) -> None:
        self.A, self.m = A, m

    def value_gradient(self, x):
        g = self.A @ (x - self.m)
        return float(0.5 * (x - self.m) @ g) + 1.0, g

    def value_gradient_hessian(self, x):
        return *self.value_gradient(x), self.A


class LogSumExp:
    """Strictly convex and far from quadratic: log sum exp(B x) + |x|^2 / 2."""

    def __init__(self, seed: int = 0, d: int = 6) -> None:
        self.B = np.random.default_rng(seed).normal(size=(4 * d, d)) * 3

    def value_gradient_hessian(self, x):
        eta = self.B @ x
        p = np.exp(eta - eta.max())
        value = eta.max() + np.log(p.sum()) + 0.5 * x @ x
        p /= p.sum()
        g = self.B.T @ p
        return value, g + x, self.B.T @ (p[:, None] * self.B) - np.outer(g, g) + np.eye(len(x))

    def value_gradient(self, x):
        return self.value_gradient_hessian(x)[:2]


def definite(d: int, condition: float, seed: int = 0) -> np.ndarray:
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return (Q * np.logspace(0, -np.log10(condition), d)) @ Q.T


@every_method
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), condition=st.sampled_from([1.0, 10.0, 1e3]))
def test_a_quadratic_is_minimised_from_anywhere(method, seed, condition):
    rng = np.random.default_rng(seed)
    m = rng.normal(size=5)
    result = minimize(Quadratic(definite(5, condition, seed), m), 10 * rng.normal(size=5), method, tol=1e-9)
    assert result.converged
    np.testing.assert_allclose(result.x, m, atol=1e-5)


@every_method
def test_a_convex_function_far_from_quadratic_is_minimised(method):
    objective = LogSumExp()
    reference = scipy.optimize.minimize(
        objective.value_gradient, np.zeros(6), jac=True, method="BFGS", tol=1e-11
    )
    result = minimize(objective, np.full(6, 5.0), method, tol=1e-8)
    assert result.converged
    np.testing.assert_allclose(result.x, reference.x, atol=1e-6)


@every_method
def test_the_loss_falls_from_step_to_step_and_the_history_says_so(method):
    seen = []
    result = minimize(LogSumExp(), np.full(6, 5.0), method, on_step=lambda *step: seen.append(step[:2]))
    losses = result.history_["loss"]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == result.n_iter + 1
    assert seen == list(zip(result.history_["step"], losses))[1:]


def test_newton_squares_the_error_from_step_to_step():
    gradients = minimize(LogSumExp(), np.full(6, 1.0), "newton", tol=1e-10).history_["gradient"]
    small = [g for g in gradients if g < 0.1]
    assert all(after < 20 * before**2 for before, after in zip(small, small[1:]) if after > 1e-13)


def test_newton_with_a_given_hessian_computes_none_for_as_long_as_it_serves():
    class Counting(LogSumExp):
        hessians = 0

        def value_gradient_hessian(self, x):
            self.hessians += 1
            return super().value_gradient_hessian(x)

        def value_gradient(self, x):
            return super().value_gradient_hessian(x)[:2]

    exact = minimize(LogSumExp(), np.zeros(6), "newton", tol=1e-10).x
    _, _, H = LogSumExp().value_gradient_hessian(exact)
    good, bad = Counting(), Counting()
    near = minimize(good, exact + 0.01, "newton", hessian_guess=1.02 * H, tol=1e-8)
    far = minimize(bad, np.full(6, 2.0), "newton", hessian_guess=50 * H, tol=1e-8)
    assert good.hessians == 0
    assert bad.hessians >= 1
    for result in (near, far):
        np.testing.assert_allclose(result.x, exact, atol=1e-7)


@every_method
def test_a_callback_stops_the_method(method):
    result = minimize(LogSumExp(), np.full(6, 5.0), method, on_step=lambda step, value, x: step == 2)
    assert result.n_iter == 2
    assert not result.converged
    assert "callback" in result.reason


@every_method
def test_too_few_steps_are_said_with_the_number_reached(method):
    result = minimize(LogSumExp(), np.full(6, 50.0), method, max_iter=1)
    assert not result.converged
    assert "max_iter=1" in result.reason
    assert f"{result.gradient_norm:.3g}" in result.reason


@every_method
def test_a_start_where_the_function_is_not_finite_is_refused(method):
    with pytest.raises(NotFinite, match="start"):
        minimize(LogSumExp(), np.full(6, np.nan), method)


@every_method
def test_a_wrong_gradient_is_found_out(method):
    class Wrong(LogSumExp):
        def value_gradient_hessian(self, x):
            value, gradient, hessian = super().value_gradient_hessian(x)
            return value, -gradient, hessian

    result = minimize(Wrong(), np.full(6, 0.7), method)
    assert not result.converged
    assert "gradient" in result.reason or "derivatives" in result.reason


def test_a_function_that_is_infinite_beyond_a_wall_is_minimised_inside():
    def function(x):
        return x[0] - np.log(x[0]) if x[0] > 0 else np.inf

    result = minimize(function, [20.0], gradient=lambda x: 1 - 1 / x)
    assert result.x[0] == pytest.approx(1.0, abs=1e-5)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'newton'.*'lbfgs'"):
        minimize(LogSumExp(), np.zeros(6), "gauss")


def test_a_plain_function_needs_its_gradient_and_newton_its_hessian():
    with pytest.raises(TypeError, match="gradient"):
        minimize(lambda x: x @ x, np.ones(2))
    with pytest.raises(TypeError, match="hessian"):
        minimize(lambda x: x @ x, np.ones(2), "newton", gradient=lambda x: 2 * x)


def test_memory_is_the_bfgs_update_of_its_pairs():
    rng = np.random.default_rng(0)
    A = definite(5, 30.0)
    pairs = Memory(3, 5, None)
    history = []
    for _ in range(5):
        s = rng.normal(size=5)
        history.append((s, A @ s))
        pairs.add(s, A @ s, 0.0)
    H = np.eye(5) * (history[-1][0] @ history[-1][1]) / (history[-1][1] @ history[-1][1])
    for s, y in history[-3:]:
        rho = 1 / (s @ y)
        V = np.eye(5) - rho * np.outer(s, y)
        H = V @ H @ V.T + rho * np.outer(s, s)
    g = rng.normal(size=5)
    np.testing.assert_allclose(pairs.apply(g, 0.0), H @ g, rtol=1e-12)


def test_a_given_inverse_makes_the_scale_of_the_variables_irrelevant():
    scale = np.logspace(0, 5, 6)
    A = definite(6, 10.0)

    def steps(inverse):
        objective = Quadratic(A * scale * scale[:, None], 1 / scale)
        return minimize(objective, np.zeros(6), tol=1e-6, max_iter=3000, inverse=inverse).n_iter

    assert steps(lambda g, value: g / scale**2) <= 25 < 50 < steps(None)


def test_the_line_search_meets_both_conditions():
    objective = LogSumExp(seed=4)
    x = np.full(6, 3.0)
    start = Point(x, *objective.value_gradient(x))
    for first in (1e-6, 1.0, 1e4):
        found = search(objective, start, -start.gradient, first, noise=1e-15)
        t = np.linalg.norm(found.x - x) / np.linalg.norm(start.gradient)
        slope0 = -start.gradient @ start.gradient
        assert found.value <= start.value + 1e-4 * t * slope0
        assert -found.gradient @ start.gradient >= 0.9 * slope0


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_a_singular_curvature_is_divided_by_on_its_range(rank):
    rng = np.random.default_rng(rank)
    B = rng.normal(size=(rank, 5)) * [1, 10, 100, 1, 1]
    H = B.T @ B
    curvature = Curvature(H)
    g = H @ rng.normal(size=5)
    step = curvature.solve(g)
    assert curvature.singular == (rank < 5)
    np.testing.assert_allclose(H @ step, g, rtol=1e-6, atol=1e-8 * np.abs(g).max())


def test_directions_of_negative_curvature_are_descended():
    H = np.diag([2.0, -3.0])
    g = np.array([1.0, 1.0])
    assert g @ Curvature(H).solve(g) > 0
