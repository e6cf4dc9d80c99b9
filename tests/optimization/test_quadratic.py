"""Linear systems as minimised quadratics: factorised, iterated, with signs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from tripos.optimization.conjugate import conjugate_gradients
from tripos.optimization.nonnegative import nonnegative_quadratic
from tripos.optimization.quadratic import ScaledCholesky, Spectral, dependent_columns, refined
from tripos.optimization.result import Stopping


def system(n: int, d: int, seed: int = 0, condition: float = 10.0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, d))
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    A = (U * np.logspace(0, -np.log10(condition), len(s))) @ Vt
    return A, rng.normal(size=n)


def test_units_do_not_matter_to_the_scaled_factor():
    A, b = system(40, 6)
    units = np.logspace(-8, 8, 6)
    factor = ScaledCholesky((A * units).T @ (A * units))
    expected = np.linalg.lstsq(A, b, rcond=None)[0] / units
    np.testing.assert_allclose(factor.solve((A * units).T @ b), expected, rtol=1e-11)
    assert factor.rcond > 1e-4


def test_the_condition_estimate_is_right_within_a_factor_of_ten():
    for condition in (1.0, 1e2, 1e4):
        A, _ = system(60, 8, condition=condition)
        G = A.T @ A
        scale = 1 / np.sqrt(np.diag(G))
        exact = 1 / np.linalg.cond(G * scale * scale[:, None], 1)
        assert exact / 10 < ScaledCholesky(G).rcond < 10 * exact


@pytest.mark.parametrize("G", [np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 1.0]])])
def test_what_is_not_positive_definite_has_no_factor(G):
    with pytest.raises(scipy.linalg.LinAlgError):
        ScaledCholesky(G)


def test_refinement_restores_the_digits_that_squaring_costs():
    A, b = system(200, 20, condition=1e6)
    G, c = A.T @ A, A.T @ b
    exact = np.linalg.lstsq(A, b, rcond=None)[0]
    factor = ScaledCholesky(G)
    rough = factor.solve(c)
    fine = refined(rough, factor.solve, lambda w: A.T @ (b - A @ w))

    def error(w):
        return np.linalg.norm(w - exact) / np.linalg.norm(exact)

    assert error(fine) < 1e-8
    assert error(fine) < error(rough) / 10


def test_refinement_stops_where_it_does_not_help():
    calls = []

    def residual(w):
        calls.append(w)
        return np.ones(2)

    w = refined(np.zeros(2), lambda r: r, residual)
    assert len(calls) == 2
    np.testing.assert_array_equal(w, np.ones(2))


@pytest.mark.parametrize("rank", [1, 4])
def test_spectral_gives_the_solution_of_least_norm(rank):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(30, rank)) @ rng.normal(size=(rank, 6))
    b = rng.normal(size=(30, 2))
    spectral = Spectral(A.T @ A, 1e-12)
    assert spectral.rank == rank
    np.testing.assert_allclose(spectral.solve(A.T @ b), np.linalg.pinv(A) @ b, atol=1e-10)


def test_spectral_of_nothing_is_nothing():
    assert Spectral(np.zeros((3, 3)), 1e-12).rank == 0
    np.testing.assert_array_equal(Spectral(np.zeros((3, 3)), 1e-12).solve(np.zeros(3)), np.zeros(3))


def test_dependent_columns_are_named_with_what_they_follow_from():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(100, 4)) * [1.0, 100.0, 1.0, 1e-3]
    Z = np.column_stack([Z, Z[:, 0] - 0.01 * Z[:, 1], np.zeros(100), 3 * Z[:, 3]])
    found = dependent_columns(Z.T @ Z)
    groups = {frozenset([column, *partners]) for column, partners in found}
    assert groups == {frozenset([0, 1, 4]), frozenset([5]), frozenset([3, 6])}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(1, 12), alpha=st.sampled_from([0.0, 0.5]))
def test_conjugate_gradients_solve_what_cholesky_solves(seed, d, alpha):
    A, b = system(3 * d + 2, d, seed)
    G = A.T @ A + alpha * np.eye(d)
    stopping = Stopping(tol=1e-12, max_iter=20 * d)
    result = conjugate_gradients(lambda v: G @ v, A.T @ b, stopping, inverse=lambda r: r / np.diag(G))
    assert result.converged
    np.testing.assert_allclose(result.x, np.linalg.solve(G, A.T @ b), rtol=1e-7, atol=1e-9)


def test_conjugate_gradients_find_the_solution_of_least_norm():
    A, b = system(5, 9)
    result = conjugate_gradients(lambda v: A.T @ (A @ v), A.T @ b, Stopping(tol=1e-13, max_iter=100))
    np.testing.assert_allclose(result.x, np.linalg.pinv(A) @ b, atol=1e-9)


def test_conjugate_gradients_say_how_far_they_came():
    A, b = system(60, 40, condition=1e4)
    result = conjugate_gradients(lambda v: A.T @ (A @ v), A.T @ b, Stopping(tol=1e-12, max_iter=3))
    assert not result.converged
    assert "max_iter=3" in result.reason
    losses = result.history_["loss"]
    assert losses == sorted(losses, reverse=True)


def test_a_right_hand_side_of_zero_takes_no_step():
    result = conjugate_gradients(lambda v: v, np.zeros(4), Stopping())
    assert result.converged
    assert result.n_iter == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(1, 15))
def test_nonnegative_solutions_are_those_of_lawson_and_hanson(seed, d):
    A, b = system(4 * d, d, seed)
    w = nonnegative_quadratic(A.T @ A, A.T @ b)
    np.testing.assert_allclose(w, scipy.optimize.nnls(A, b)[0], atol=1e-9)


@pytest.mark.parametrize("d", [6, 30])
def test_nonnegative_solutions_with_collinear_columns_fit_as_well_and_are_small(d):
    rng = np.random.default_rng(d)
    A = rng.normal(size=(40, 4)) @ rng.random((4, d))
    b = A @ rng.random(d) + rng.normal(size=40)
    w = nonnegative_quadratic(A.T @ A, A.T @ b)
    other = scipy.optimize.nnls(A, b)[0]
    assert (w >= 0).all()
    assert np.linalg.norm(A @ w - b) <= np.linalg.norm(A @ other - b) * (1 + 1e-7)
    assert np.linalg.norm(w) <= np.linalg.norm(other) * (1 + 1e-6)


def test_all_coefficients_at_the_bound_when_everything_pulls_down():
    np.testing.assert_array_equal(nonnegative_quadratic(np.eye(3), -np.ones(3)), np.zeros(3))
