"""SVC, NuSVC, SVR, NuSVR and OneClassSVM against libsvm on real data, and their own promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.svm as peers
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

import tripos
from tripos.supervised.svm.dual import c_svc, one_class, svr
from tripos.supervised.svm.kernels import RBF, Kernel
from tripos.supervised.svm.one_class import OneClassSVM
from tripos.supervised.svm.rows import KernelRows
from tripos.supervised.svm.solver import solve
from tripos.supervised.svm.svc import SVC, NuSVC
from tripos.supervised.svm.svr import SVR, NuSVR

OURS = {cls.__name__: cls for cls in (SVC, NuSVC, SVR, NuSVR, OneClassSVM)}
CLASSIFIED = {
    "spambase": {"C": 1.0},
    "spambase strict": {"C": 10.0},
    "letters": {"C": 1.0},
    "adult": {"C": 1.0, "class_weight": "balanced"},
    "adult linear": {"C": 0.1, "kernel": "linear"},
    "digits": {"C": 1.0, "kernel": "poly"},
}


def both(name, parameters, X, y):
    ours = OURS[name](**parameters).fit(X, y)
    theirs = getattr(peers, name)(**parameters).fit(X, y)
    return ours, theirs


def dual_objective(model, X, y):
    """1/2 a'Qa - e'a summed over pairs, evaluated in float64 from the coefficients."""
    K = pairwise(model, X[model.support_])
    starts = np.concatenate([[0], np.cumsum(model.n_support_)])
    total = 0.0
    for i in range(len(starts) - 1):
        for j in range(i + 1, len(starts) - 1):
            rows = np.r_[starts[i] : starts[i + 1], starts[j] : starts[j + 1]]
            beta = np.r_[
                model.dual_coef_[j - 1, starts[i] : starts[i + 1]],
                model.dual_coef_[i, starts[j] : starts[j + 1]],
            ]
            total += 0.5 * beta @ K[np.ix_(rows, rows)] @ beta - np.abs(beta).sum()
    return total


def pairwise(model, V):
    gamma = getattr(model, "gamma_", None) or model._gamma
    if model.kernel == "linear":
        return V @ V.T
    return (
        rbf_kernel(V, gamma=gamma)
        if model.kernel == "rbf"
        else (gamma * V @ V.T + model.coef0) ** model.degree
    )


@pytest.mark.parametrize("case", CLASSIFIED)
def test_svc_reaches_the_objective_of_libsvm_with_as_many_support_vectors(case, request):
    data = request.getfixturevalue(case.split()[0])
    ours, theirs = both("SVC", {**CLASSIFIED[case], "decision_function_shape": "ovo"}, data.X, data.y)
    goal = dual_objective(theirs, data.X, data.y)
    assert dual_objective(ours, data.X, data.y) <= goal + 1e-6 * abs(goal)
    # a linear kernel of more rows than columns has many optimal alphas
    share = 0.02 if ours.kernel == "linear" else 0.01
    assert abs(len(ours.support_) - len(theirs.support_)) <= share * len(theirs.support_) + 1
    assert ours.dual_coef_.shape[0] == theirs.dual_coef_.shape[0]
    scale = np.abs(theirs.decision_function(data.X)).max()
    np.testing.assert_allclose(
        ours.decision_function(data.X), theirs.decision_function(data.X), atol=1e-3 * (scale + 5)
    )


@pytest.mark.parametrize("case", ["spambase", "letters"])
def test_at_a_small_tolerance_decisions_agree_to_five_digits(case, request):
    data = request.getfixturevalue(case)
    parameters = {"tol": 1e-6, "decision_function_shape": "ovo"}
    ours, theirs = both("SVC", parameters, data.X, data.y)
    np.testing.assert_allclose(ours.decision_function(data.X), theirs.decision_function(data.X), atol=3e-5)
    np.testing.assert_allclose(ours.n_support_, theirs.n_support_, rtol=0.01)


def test_predictions_votes_and_ties_are_those_of_scikit_learn(letters):
    for parameters in ({}, {"break_ties": True}):
        ours, theirs = both("SVC", {**parameters, "tol": 1e-6}, letters.X, letters.y)
        assert np.mean(ours.predict(letters.X) == theirs.predict(letters.X)) > 0.9995
        np.testing.assert_allclose(
            ours.decision_function(letters.X), theirs.decision_function(letters.X), atol=1e-4
        )


def test_nu_svc_is_that_of_libsvm(letters):
    ours, theirs = both(
        "NuSVC", {"nu": 0.1, "tol": 1e-6, "decision_function_shape": "ovo"}, letters.X, letters.y
    )
    np.testing.assert_allclose(
        ours.decision_function(letters.X), theirs.decision_function(letters.X), atol=2e-4
    )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SVR", {}),
        ("SVR", {"C": 10.0, "epsilon": 0.3}),
        ("NuSVR", {"nu": 0.3}),
        ("SVR", {"kernel": "linear", "C": 0.1}),
    ],
)
def test_regressions_are_those_of_libsvm(name, parameters, california):
    ours, theirs = both(name, {**parameters, "tol": 1e-5}, california.X, california.y)
    np.testing.assert_allclose(ours.predict(california.X), theirs.predict(california.X), atol=2e-3)
    assert abs(len(ours.support_) - len(theirs.support_)) <= 0.01 * len(theirs.support_) + 1


def test_one_class_is_that_of_libsvm(digits):
    ours, theirs = both("OneClassSVM", {"nu": 0.1, "tol": 1e-6}, digits.X, None)
    np.testing.assert_allclose(
        ours.decision_function(digits.X), theirs.decision_function(digits.X), atol=1e-4
    )
    np.testing.assert_allclose(ours.score_samples(digits.X), theirs.score_samples(digits.X), atol=1e-4)


@pytest.mark.parametrize("model", [SVC(), NuSVC(nu=0.2), SVR(), NuSVR(), OneClassSVM(nu=0.2)], ids=repr)
def test_weights_are_repeated_rows(model, digits):
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, 200)
    X, y = digits.X[:200], (digits.y[:200] > 4).astype(int)
    weighted = type(model)(**model.get_params()).fit(X, y, sample_weight=weight)
    repeated = type(model)(**model.get_params()).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    method = "decision_function" if hasattr(model, "decision_function") else "predict"
    np.testing.assert_allclose(getattr(weighted, method)(X), getattr(repeated, method)(X), atol=2e-5)


def test_probabilities_are_close_to_those_of_libsvm_and_do_not_depend_on_a_seed(digits):
    rows = digits.y < 3
    X, y = digits.X[rows], digits.y[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ours, theirs = both("SVC", {"probability": True, "random_state": 0}, X, y)
        again = SVC(probability=True, random_state=1).fit(X, y)
    p = ours.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(p, theirs.predict_proba(X), atol=0.03)
    np.testing.assert_array_equal(p, again.predict_proba(X))
    with pytest.raises(AttributeError, match="predict_proba"):
        SVC().fit(X, y).predict_proba(X)


def test_sparse_rows_give_what_dense_rows_give(digits):
    X, y = digits.X[:600], digits.y[:600]
    dense, sparse = SVC(tol=1e-5).fit(X, y), SVC(tol=1e-5).fit(sp.csr_array(X), y)
    assert sp.issparse(sparse.support_vectors_)
    np.testing.assert_allclose(
        sparse.decision_function(sp.csr_array(X)), dense.decision_function(X), atol=1e-4
    )
    np.testing.assert_allclose(
        dense.decision_function(sp.csr_array(X)), dense.decision_function(X), atol=1e-10
    )


def test_a_callable_and_a_precomputed_kernel_are_the_built_in_one(digits):
    X, y = digits.X[:300], digits.y[:300]
    built_in = SVC(gamma=0.05).fit(X, y)
    called = SVC(kernel=lambda A, B: rbf_kernel(A, B, gamma=0.05)).fit(X, y)
    given = SVC(kernel="precomputed").fit(rbf_kernel(X, gamma=0.05), y)
    expected = built_in.decision_function(X)
    np.testing.assert_allclose(called.decision_function(X), expected, atol=1e-6)
    np.testing.assert_allclose(given.decision_function(rbf_kernel(X, gamma=0.05)), expected, atol=1e-6)
    assert SVC(kernel=laplacian_kernel).fit(X, y).score(X, y) > 0.9


def test_a_kernel_with_a_negative_eigenvalue_is_said_with_the_number(digits):
    K = -rbf_kernel(digits.X[:60])
    with pytest.warns(tripos.DataWarning, match="most negative eigenvalue on the training rows is -"):
        SVC(kernel="precomputed", max_iter=50).fit(K, digits.y[:60] > 4)


def test_features_of_uneven_ranges_are_said_with_their_ratio(digits):
    X = digits.X[:100, 18:22] * np.array([1.0, 1.0, 1000.0, 1.0])
    with pytest.warns(tripos.DataWarning, match="1e\\+03 times"):
        SVC().fit(X, digits.y[:100])


def test_a_fit_that_takes_long_is_announced_and_one_that_does_not_fit_is_refused(monkeypatch, digits):
    model = SVC()
    with pytest.warns(tripos.DataWarning, match="minutes.*LinearSVC.*Nystroem"):
        model._room([1_000_000], 20, False)
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "20MB")
    with pytest.raises(tripos.BudgetError, match="SVC on 1000000 rows.*Nystroem"):
        model._room([1_000_000], 20, False)


def test_a_fit_on_200_000_rows_says_what_it_would_take_before_it_starts(monkeypatch):
    X = np.random.default_rng(0).normal(size=(200_000, 2))
    y = X[:, 0] > 0
    monkeypatch.setattr("tripos.supervised.svm.machine.free_memory", lambda: 1 << 26)
    monkeypatch.setattr("tripos.compute.budget.free_memory", lambda: 1 << 26)
    with pytest.raises(tripos.BudgetError, match="SVC on 200000 rows needs .*iB.*LinearSVC.*Nystroem"):
        SVC().fit(X, y)


def test_too_few_steps_are_said_with_the_violation_reached(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=5 with a violation of"):
        model = SVC(max_iter=5).fit(digits.X, digits.y > 4)
    assert model.fit_status_ == 1


@pytest.mark.parametrize(
    "X",
    [
        np.ones((40, 3)),
        np.repeat(np.arange(8.0), 5)[:, None],
        np.random.default_rng(0).normal(size=(40, 300)),
        np.full((40, 2), 1e-30),
    ],
    ids=["constant", "duplicates", "more columns than rows", "denormal in float32"],
)
def test_degenerate_rows_give_finite_answers_close_to_those_of_libsvm(X):
    y = np.arange(40) % 2
    for name in ("SVC", "SVR", "OneClassSVM"):
        ours, theirs = both(name, {}, X, y)
        method = "predict" if name == "SVR" else "decision_function"
        found, expected = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, atol=5e-3, rtol=1e-3)


def test_one_class_alone_is_refused(digits):
    with pytest.raises(ValueError, match="greater than one; got 1 class"):
        SVC().fit(digits.X[:20], np.zeros(20))


def test_a_fraction_that_no_classes_allow_is_refused_with_the_largest_that_they_do():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.r_[np.zeros(36), np.ones(4)]
    with pytest.raises(ValueError, match="specified nu is infeasible"):
        peers.NuSVC(nu=0.5).fit(X, y)
    with pytest.raises(ValueError, match="specified nu is infeasible.*4 rows.*36 rows.*at most 0.2"):
        NuSVC(nu=0.5).fit(X, y)
    NuSVC(nu=0.2).fit(X, y)
    with pytest.raises(ValueError, match="infeasible"):
        NuSVC(nu=0.2).fit(X, y, sample_weight=np.r_[np.full(36, 2.0), np.ones(4)])


def test_class_weights_that_make_the_fraction_too_large_lower_it_and_say_so():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    with pytest.warns(tripos.DataWarning, match="nu is infeasible.*, 0.4, is used"):
        lowered = NuSVC(nu=0.5, class_weight={0: 1.0, 1: 0.25}).fit(X, y)
    expected = NuSVC(nu=0.4, class_weight={0: 1.0, 1: 0.25}).fit(X, y).decision_function(X)
    np.testing.assert_allclose(lowered.decision_function(X), expected, atol=1e-9)


@pytest.mark.parametrize("case", ["spambase", "digits", "california"])
def test_rows_set_aside_change_neither_objective_nor_support(case, request, monkeypatch):
    """With every row kept active, and with rows set aside from the first steps on."""
    monkeypatch.setattr("tripos.supervised.svm.solver.SMALL", 0)
    monkeypatch.setattr("tripos.supervised.svm.solver.EVERY", 50)
    data = request.getfixturevalue(case)
    X, y = data.X, data.y
    duals = {"spambase": c_svc(np.where(y == 1, 1.0, -1.0), np.ones(len(y)))}
    duals["digits"] = one_class(np.ones(len(y)), 0.3)
    duals["california"] = svr(y, np.full(len(y), 5.0), 0.1)
    kernel, dual = Kernel(RBF, 0.02), duals[case]
    set_aside = []
    narrowed = KernelRows.narrowed
    monkeypatch.setattr(KernelRows, "narrowed", lambda *a: set_aside.append(0) or narrowed(*a))
    whole, shrunk = (
        solve(X, kernel, dual, tol=1e-4, max_iter=-1, room=2e6, shrinking=shrinking)
        for shrinking in (False, True)
    )
    assert set_aside
    assert shrunk.converged
    assert shrunk.violation < 1e-4
    assert shrunk.objective == pytest.approx(whole.objective, rel=1e-6)
    K = rbf_kernel(X, gamma=0.02)
    beta = shrunk.beta
    value = 0.5 * beta @ K @ beta - dual.target @ beta + dual.epsilon * np.abs(beta).sum()
    assert shrunk.objective == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(shrunk.levels, whole.levels, atol=1e-3)


def test_a_small_cache_changes_no_answer(spambase):
    large, small = SVC().fit(spambase.X, spambase.y), SVC(cache_size=2).fit(spambase.X, spambase.y)
    np.testing.assert_allclose(
        large.decision_function(spambase.X), small.decision_function(spambase.X), atol=2e-3
    )


def test_linear_coefficients_are_those_of_libsvm(letters):
    ours, theirs = both("SVC", {"kernel": "linear", "tol": 1e-6}, letters.X, letters.y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


def test_each_figure_is_drawn_and_one_that_cannot_be_is_refused(digits):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.where((X**2).sum(axis=1) > 1.2, "out", "in")
    model = SVC(gamma=0.5).fit(X, y)
    for kind in (None, "margin", "losses", "effect", "steps"):
        assert model.plot(kind=kind, X=X, y=y).figure is not None
    assert model.plot().get_legend() is not None
    with pytest.raises(ValueError, match="pass X and y"):
        model.plot(kind="effect")
    with pytest.raises(ValueError, match="two classes of two features"):
        SVC().fit(digits.X[:60], digits.y[:60]).plot(kind="margin")


@pytest.mark.parametrize("case", ["spambase", "letters"])
def test_a_few_rows_are_decided_as_many_are(case, request):
    data = request.getfixturevalue(case)
    model = SVC(kernel="rbf").fit(data.X[::4], data.y[::4])
    many = model.decision_function(data.X[:40])
    for start in range(0, 40, 4):
        few = data.X[start : start + 4]
        np.testing.assert_allclose(
            model.decision_function(few), many[start : start + 4], rtol=1e-9, atol=1e-9
        )
        np.testing.assert_array_equal(model.predict(few), model.predict(data.X[:40])[start : start + 4])
    wrong = data.X[:1].copy()
    wrong[0, 3] = np.nan
    with pytest.raises(ValueError, match="NaN at row 0, column 3"):
        model.predict(wrong)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csr_array])
def test_a_few_sparse_rows_are_decided_as_many_are(kernel, form, letters):
    data = form(np.maximum(letters.X, 0.5) - 0.5)
    model = SVC(kernel=kernel).fit(data[::4], letters.y[::4])
    many = model.decision_function(data[:40])
    for start in range(0, 12, 3):
        few = data[start : start + 3]
        np.testing.assert_allclose(
            model.decision_function(few), many[start : start + 3], rtol=1e-9, atol=1e-9
        )
    row = data[:1].tocoo()
    turned = form((row.data[::-1].copy(), row.col[::-1].copy(), [0, row.nnz]), shape=row.shape)
    halves = form((np.tile(row.data / 2, 2), np.tile(row.col, 2), [0, 2 * row.nnz]), shape=row.shape)
    for other in (turned, halves):
        np.testing.assert_allclose(model.decision_function(other), many[:1], rtol=1e-9, atol=1e-9)
    wrong = data[:1].copy()
    wrong.data[0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(wrong)


def test_spam_is_told_with_the_published_seven_percent_of_errors(spambase):
    """spambase.names: "misclassification error ~7%" (Hopkins, Reeber, Forman, Suermondt, 1999)."""
    held = np.arange(len(spambase.y)) % 5 == 0
    model = SVC().fit(spambase.X[~held], spambase.y[~held])
    assert 1.0 - model.score(spambase.X[held], spambase.y[held]) <= 0.07
