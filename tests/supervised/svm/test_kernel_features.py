"""KernelRidge, Nystroem and RBFSampler against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.kernel_approximation as peers
from sklearn.kernel_ridge import KernelRidge as PeerRidge
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import KernelRidge, LinearSVC, NuSVC, Nystroem, OneClassSVM, RBFSampler

TRANSFORMERS = [Nystroem(n_components=3, random_state=0), RBFSampler(n_components=5, random_state=0)]


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("model", [*TRANSFORMERS, OneClassSVM(), NuSVC(nu=0.2)], ids=repr)
def test_what_is_loaded_says_what_was_saved(model, digits, tmp_path):
    for X in (digits.X[:80], sp.csr_array(digits.X[:80])):
        fitted = type(model)(**model.get_params()).fit(X, digits.y[:80])
        tripos.save(fitted, tmp_path / "model.tripos")
        loaded = tripos.load(tmp_path / "model.tripos")
        method = "transform" if hasattr(model, "transform") else "decision_function"
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))
        assert fitted.summary() == loaded.summary()


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid", "laplacian", "cosine", "chi2"])
def test_kernel_ridge_predicts_what_scikit_learn_predicts(kernel, digits):
    X, y = digits.X[:150], digits.y[:150].astype(float)
    parameters = {"kernel": kernel, "gamma": 0.1, "alpha": 0.5}
    ours, theirs = (cls(**parameters).fit(X, y) for cls in (KernelRidge, PeerRidge))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(ours.predict(X[:1]), theirs.predict(X[:1]), rtol=1e-7, atol=1e-7)
    if kernel != "chi2":
        sparse = KernelRidge(**parameters).fit(sp.csr_array(X), y).predict(sp.csr_array(X))
        np.testing.assert_allclose(sparse, theirs.predict(X), rtol=1e-6, atol=1e-6)


def test_kernel_ridge_has_an_alpha_for_each_target_and_counts_weights(digits):
    X, Y = digits.X[:120], np.column_stack([digits.y[:120], digits.X[:120, 20]])
    weight = np.random.default_rng(0).integers(0, 3, 120)
    parameters = {"kernel": "rbf", "gamma": 0.05, "alpha": [0.1, 2.0]}
    ours = KernelRidge(**parameters).fit(X, Y, sample_weight=weight)
    theirs = PeerRidge(**parameters).fit(X, Y, sample_weight=weight)
    repeated = KernelRidge(**parameters).fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.predict(X), repeated.predict(X), rtol=1e-8, atol=1e-8)
    with pytest.raises(ValueError, match="alpha has 2 values, y has 1"):
        KernelRidge(alpha=[1.0, 2.0]).fit(X, Y[:, 0])


def test_a_precomputed_kernel_is_the_built_in_one_also_with_weights_of_zero(digits):
    X, y = digits.X[:90], digits.y[:90].astype(float)
    weight = (np.arange(90) % 3 > 0).astype(float)
    K = rbf_kernel(X, gamma=0.1)
    given = KernelRidge(kernel="precomputed").fit(K, y, sample_weight=weight)
    built_in = KernelRidge(kernel="rbf", gamma=0.1).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(given.predict(K), built_in.predict(X), rtol=1e-9)


def test_a_singular_kernel_matrix_is_said_and_solved_by_least_squares():
    X, y = np.repeat(np.arange(5.0), 3)[:, None], np.arange(15.0)
    with pytest.warns(tripos.DataWarning, match="singular"):
        model = KernelRidge(alpha=0.0).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_kernel_ridge_refuses_more_rows_than_memory_holds_and_names_what_fits(monkeypatch):
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "20MB")
    with pytest.raises(tripos.BudgetError, match="KernelRidge on 3000 rows.*Nystroem"):
        KernelRidge().fit(np.ones((3000, 1)), np.ones(3000))


@pytest.mark.parametrize("kernel", ["rbf", "poly", "laplacian", laplacian_kernel])
def test_nystroem_makes_the_features_of_scikit_learn(kernel, digits):
    X = digits.X[:200]
    name = kernel if isinstance(kernel, str) else lambda a, b: float(np.exp(-np.abs(a - b).sum() / 64))
    parameters = {"kernel": name, "n_components": 20, "random_state": 3}
    ours, theirs = Nystroem(**parameters).fit(X), peers.Nystroem(**parameters).fit(X)
    np.testing.assert_array_equal(ours.component_indices_, theirs.component_indices_)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-8)
    if kernel == "rbf":
        csr = Nystroem(**parameters).fit(sp.csr_array(X))
        np.testing.assert_allclose(csr.transform(sp.csr_array(X)), theirs.transform(X), atol=1e-8)


def test_random_fourier_features_are_those_of_scikit_learn(digits):
    X = digits.X[:300]
    for gamma in (0.3, "scale"):
        parameters = {"gamma": gamma, "n_components": 50, "random_state": 1}
        ours, theirs = RBFSampler(**parameters).fit(X), peers.RBFSampler(**parameters).fit(X)
        np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-12)
        np.testing.assert_allclose(ours.transform(sp.csr_array(X)), theirs.transform(X), atol=1e-12)
        np.testing.assert_allclose(ours.transform(X[:3]), theirs.transform(X[:3]), atol=1e-12)
    with pytest.raises(ValueError, match="NaN"):
        ours.transform(np.full_like(X[:1], np.nan))
    assert ours.transform(X.astype(np.float32)).dtype == np.float64
    assert RBFSampler().fit(X.astype(np.float32)).transform(X.astype(np.float32)).dtype == np.float32


def test_a_linear_svc_on_the_features_knows_digits_that_a_line_cannot_part(digits):
    X, y = digits.X, digits.y % 2
    features = Nystroem(gamma=0.05, n_components=200, random_state=0).fit_transform(X)
    assert LinearSVC().fit(features, y).score(features, y) > LinearSVC().fit(X, y).score(X, y) + 0.04
