"""Newton steps by columns: each kernel against its equation in NumPy, and the minimum against its optimality."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tripos.optimization.columns_newton import ColumnsNewton, descend, direction, move_scores, slopes
from tripos.optimization.result import Stopping

either_loss = pytest.mark.parametrize("hinge", [False, True], ids=["log", "squared hinge"])


def problem(hinge, n=40, p=7):
    rng = np.random.default_rng(0)
    X = sp.random_array((n, p), density=0.4, rng=rng, format="csc")
    X.data[:] = rng.normal(size=X.nnz)
    y, s = (rng.random(n) < 0.4).astype(float), rng.uniform(0.5, 2.0, n)
    l1, l2 = np.full(p, 5.0), np.zeros(p)
    l1[-1], l2[0] = 0.0, 0.3
    return X.toarray(), ColumnsNewton(X.data, X.indices, X.indptr, y, s, l1, l2, hinge)


def losses(hinge, y, s, eta):
    """(sum, first and second derivatives by row)."""
    if hinge:
        t = 2.0 * y - 1.0
        miss = np.maximum(0.0, 1.0 - t * eta)
        return s @ miss**2, -2.0 * s * t * miss, 2.0 * s * (miss > 0.0)
    p = 1.0 / (1.0 + np.exp(-eta))
    return s @ (np.logaddexp(0.0, eta) - y * eta), s * (p - y), s * p * (1.0 - p)


@either_loss
def test_scores_losses_and_slopes_are_those_of_the_equation(hinge):
    X, P = problem(hinge)
    w = np.array([0.4, 0.0, -1.0, 0.0, 0.2, 0.0, 0.7])
    eta, along = X @ w, np.linspace(-1.0, 1.0, len(P.y))
    there, r, D = np.empty((3, len(P.y)))
    found = move_scores(int(hinge), eta, along, 0.5, P.y, P.s, there, r, D)
    value, first, second = losses(hinge, P.y, P.s, eta + 0.5 * along)
    np.testing.assert_allclose([found, *there], [value, *(eta + 0.5 * along)], rtol=1e-12)
    np.testing.assert_allclose(np.r_[r, D], np.r_[first, second], rtol=1e-12)
    g, h, order, sums = np.zeros(7), np.zeros(7), np.arange(7), np.zeros(2)
    n_active = slopes(*P.X, r, D, w, P.l1, P.l2, g, h, order, sums)
    np.testing.assert_allclose(g, X.T @ first + P.l2 * w, rtol=1e-11)
    wrong = np.where(w == 0.0, np.maximum(np.abs(g) - P.l1, 0.0), np.abs(g + np.sign(w) * P.l1))
    np.testing.assert_allclose(sums, [wrong.sum(), wrong.max()], rtol=1e-11)
    active = np.flatnonzero((w != 0.0) | (wrong > 0.0))
    assert sorted(order[:n_active]) == list(active)
    np.testing.assert_allclose(h[active], ((X**2).T @ second + P.l2)[active], rtol=1e-9)


@either_loss
def test_sweeps_end_at_the_minimum_of_the_model(hinge):
    X, P = problem(hinge)
    w = np.array([0.4, 0.0, -1.0, 0.0, 0.2, 0.0, 0.7])
    _, r, D = losses(hinge, P.y, P.s, X @ w)
    g, H = X.T @ r + P.l2 * w, X.T @ (D[:, None] * X) + np.diag(P.l2)
    z, q, order = w.copy(), np.zeros(len(P.y)), np.arange(7)
    state, seed = np.array([7.0, np.inf]), np.array([1], np.uint64)
    _, reached = descend(
        *P.X, D, w, P.l1, P.l2, g, np.diag(H).copy(), z, q, order, 7, seed, state, 1e-11, 1e9, 5000
    )
    assert reached
    np.testing.assert_allclose(q, D * (X @ (z - w)), atol=1e-11)
    slope = g + H @ (z - w)
    wrong = np.where(z == 0.0, np.maximum(np.abs(slope) - P.l1, 0.0), np.abs(slope + np.sign(z) * P.l1))
    np.testing.assert_allclose(wrong, 0.0, atol=1e-9)
    along = np.empty(len(P.y))
    promised = direction(*P.X, w, z, g, P.l1, order, 7, along)
    np.testing.assert_allclose(along, X @ (z - w), atol=1e-12)
    assert promised == pytest.approx(P.l1 @ (np.abs(w) - np.abs(z)) - g @ (z - w), rel=1e-10)


@either_loss
def test_the_solution_is_where_no_column_wants_to_move(hinge):
    X, P = problem(hinge)
    found = P.solve(np.zeros(7), Stopping(tol=np.inf, max_iter=200, noise=1e-15), 1e-10)
    assert found.converged, found.reason
    value, r, _ = losses(hinge, P.y, P.s, X @ found.x)
    assert found.fun == pytest.approx(value + P.l1 @ np.abs(found.x) + 0.5 * P.l2 @ found.x**2, rel=1e-12)
    g = X.T @ r + P.l2 * found.x
    wrong = np.where(found.x == 0.0, np.maximum(np.abs(g) - P.l1, 0.0), np.abs(g + np.sign(found.x) * P.l1))
    assert wrong.max() < 1e-8
    assert found.x.any()
