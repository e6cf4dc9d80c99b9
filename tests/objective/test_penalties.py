"""Penalties against their definitions, and at the optimum of real problems."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet as PeerElasticNet

from tripos.objective.penalties import L1, L2, ElasticNet, NoPenalty

EVERY = [L1(0.7), L2(0.7), ElasticNet(0.7, 0.3), ElasticNet(0.7, 0.0), NoPenalty()]
every = pytest.mark.parametrize("penalty", EVERY, ids=["l1", "l2", "elastic net", "no l1", "none"])


@every
def test_the_proximal_operator_minimises_what_it_is_defined_by(penalty):
    rng = np.random.default_rng(0)
    v, step = np.array([1.0, -0.1, 0.0, -3.0]), 0.3

    def cost(w):
        return 0.5 * np.sum((w - v) ** 2) + step * penalty.value(w)

    at = penalty.prox(v, step)
    assert all(cost(at) <= cost(at + 1e-3 * rng.normal(size=4)) for _ in range(200))


@every
def test_the_residual_of_the_proximal_operator_is_in_the_subdifferential(penalty):
    """w = prox(v, t) means that (v - w) / t is a subgradient at w."""
    v, step = np.random.default_rng(1).normal(size=50), 0.3
    w = penalty.prox(v, step)
    np.testing.assert_allclose(penalty.subdifferential_distance(w, (w - v) / step), 0.0, atol=1e-14)


@every
def test_the_distance_from_the_subdifferential_is_the_least_over_subgradients(penalty):
    rng = np.random.default_rng(2)
    w, g = rng.normal(size=40), rng.normal(size=40)
    w[:20] = 0.0
    kink = getattr(penalty, "l1", 0.0) * (w == 0.0)
    subgradients = penalty.gradient(w) + kink * np.linspace(-1, 1, 4001)[:, None]
    least = np.abs(g + subgradients).min(axis=0)
    np.testing.assert_allclose(penalty.subdifferential_distance(w, g), least, atol=1e-3)


@pytest.mark.parametrize(
    ("penalty", "r"), [(L1, 1.0), (lambda a: ElasticNet(a, 0.4), 0.4)], ids=["l1", "enet"]
)
def test_alpha_max_is_where_the_first_coefficient_of_diabetes_leaves_zero(penalty, r):
    X, y = load_diabetes(return_X_y=True)
    y = y - y.mean()
    alpha = penalty(1.0).alpha_max(X.T @ -y / len(y))
    peer = PeerElasticNet(l1_ratio=r, fit_intercept=False, tol=1e-10)
    assert np.count_nonzero(peer.set_params(alpha=alpha * 1.001).fit(X, y).coef_) == 0
    assert np.count_nonzero(peer.set_params(alpha=alpha * 0.999).fit(X, y).coef_) == 1


def test_the_optimum_of_scikit_learns_elastic_net_is_at_distance_zero():
    X, y = load_diabetes(return_X_y=True)
    y = y - y.mean()
    alpha = 0.01
    w = (
        PeerElasticNet(alpha=alpha, l1_ratio=0.9, fit_intercept=False, tol=1e-14, max_iter=10_000)
        .fit(X, y)
        .coef_
    )
    distance = ElasticNet(alpha, 0.9).subdifferential_distance(w, X.T @ (X @ w - y) / len(y))
    np.testing.assert_allclose(distance, 0.0, atol=1e-7)


def test_smooth_penalties_never_set_a_coefficient_to_zero():
    assert [p.alpha_max(np.array([0.1])) for p in (L2(1.0), NoPenalty(), ElasticNet(1.0, 0.0))] == [
        np.inf
    ] * 3
