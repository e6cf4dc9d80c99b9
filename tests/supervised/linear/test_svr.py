"""LinearSVR against scikit-learn's on real data, and its own promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR as Peer

from tripos import LinearSVR

WAYS = {
    "default": {},
    "a tube": {"epsilon": 20.0, "C": 10.0},
    "squared": {"loss": "squared_epsilon_insensitive"},
    "squared with a tube": {"loss": "squared_epsilon_insensitive", "epsilon": 10.0, "C": 5.0},
    "less penalised intercept": {"intercept_scaling": 30.0},
    "no intercept": {"fit_intercept": False},
}
every_way = pytest.mark.parametrize("way", WAYS)


def objective(model, X, y):
    gap = np.maximum(0.0, np.abs(y - X @ model.coef_ - model.intercept_) - model.epsilon)
    b = np.sum(np.square(model.intercept_)) / model.intercept_scaling**2
    loss = gap.sum() if model.loss == "epsilon_insensitive" else gap @ gap
    return 0.5 * (model.coef_ @ model.coef_ + b) + model.C * loss


@pytest.fixture(scope="module")
def sugar(diabetes):
    return StandardScaler().fit_transform(diabetes.X), diabetes.y


@every_way
def test_coefficients_are_scikit_learns_at_a_small_tolerance(sugar, way):
    X, y = sugar
    ours = LinearSVR(tol=1e-8, **WAYS[way]).fit(X, y)
    theirs = Peer(tol=1e-8, max_iter=1_000_000, **WAYS[way]).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-4)
    assert ours.loss_ == pytest.approx(objective(ours, X, y), rel=1e-9)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
def test_the_objective_is_never_worse_on_california(california, loss):
    X, y = StandardScaler().fit_transform(california.X)[::5], california.y[::5] / 1e5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = Peer(loss=loss).fit(X, y)
    ours = LinearSVR(loss=loss).fit(X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@every_way
def test_csr_gives_what_dense_gives_and_a_weight_is_that_many_rows(sugar, way):
    X, y = sugar
    dense = LinearSVR(**WAYS[way]).fit(X, y)
    np.testing.assert_allclose(
        dense.coef_, LinearSVR(**WAYS[way]).fit(sp.csr_array(X), y).coef_, rtol=1e-4, atol=0.02
    )
    weight = np.arange(len(y)) % 3
    weighted = LinearSVR(tol=1e-7, **WAYS[way]).fit(X, y, sample_weight=weight)
    repeated = LinearSVR(tol=1e-7, **WAYS[way]).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("way", ["default", "squared"])
def test_float32_is_near_float64(sugar, way):
    X, y = sugar
    narrow = LinearSVR(**WAYS[way]).fit(X.astype(np.float32), y)
    assert narrow.coef_.dtype == np.float32
    assert objective(narrow, X, y) <= objective(LinearSVR(**WAYS[way]).fit(X, y), X, y) * (1 + 1e-4)


def test_the_kinked_loss_has_no_primal_solver_as_in_scikit_learn(sugar):
    with pytest.raises(ValueError, match="dual=False"):
        LinearSVR(dual=False).fit(*sugar)
