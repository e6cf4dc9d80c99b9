"""Logistic regression by methods asked for by name, one-vs-rest, and classes that a direction separates."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from tripos import DataWarning, LogisticRegression
from tripos.supervised.linear.probabilities import rest_probabilities


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:, :8], y


@pytest.mark.parametrize("data", ["iris", "cancer"])
@pytest.mark.parametrize(("solver", "tol", "close"), [("irls", 1e-8, 1e-7), ("gradient-descent", 1e-5, 1e-2)])
def test_a_method_asked_for_by_name_is_run_and_finds_the_minimum(data, solver, tol, close, request):
    X, y = request.getfixturevalue(data)
    model = LogisticRegression(solver=solver, C=0.1, tol=tol, max_iter=3000).fit(X, y)
    assert model.solver_ == solver
    np.testing.assert_allclose(model.coef_, LogisticRegression(C=0.1, tol=1e-9).fit(X, y).coef_, atol=close)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sgd_comes_near_the_minimum(cancer):
    X, y = cancer
    model = LogisticRegression(solver="sgd", C=0.1, random_state=0).fit(X, y)
    assert model.solver_ == "sgd"
    assert model.loss_ <= LogisticRegression(C=0.1).fit(X, y).loss_ * 1.05


@pytest.mark.parametrize("solver", ["gradient-descent", "sgd"])
def test_columns_on_different_scales_are_named_as_the_reason_of_slow_steps(solver):
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="different scales.*'x23'.*times that of.*StandardScaler"):
        LogisticRegression(solver=solver, max_iter=20).fit(X, y)


def test_a_rate_that_is_too_large_is_said_with_one_that_works(cancer):
    with pytest.warns(ConvergenceWarning, match="diverged.*learning_rate=.* works"):
        LogisticRegression(solver="gradient-descent", C=1e-3, learning_rate=1e3).fit(*cancer)


# ---- one-vs-rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_one_vs_rest_is_that_of_scikit_learns_wrapper(iris, class_weight):
    X, y = iris
    model = LogisticRegression(multi_class="ovr", class_weight=class_weight, tol=1e-9).fit(X, y)
    peer = OneVsRestClassifier(Peer(class_weight=class_weight, tol=1e-10, max_iter=5000)).fit(X, y)
    for k, part in enumerate(peer.estimators_):
        np.testing.assert_allclose(model.coef_[k], part.coef_[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), peer.predict(X))


def test_the_estimator_works_inside_scikit_learns_wrapper(iris):
    X, y = iris
    wrapped = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    np.testing.assert_array_equal(
        wrapped.predict(X), LogisticRegression(multi_class="ovr").fit(X, y).predict(X)
    )


def test_liblinear_takes_more_classes_by_one_vs_rest_alone(iris):
    with pytest.raises(ValueError, match="Only binary"):
        LogisticRegression(solver="liblinear").fit(*iris)
    assert LogisticRegression(solver="liblinear", multi_class="ovr").fit(*iris).coef_.shape == (3, 4)


def test_probabilities_of_one_vs_rest_sum_to_one_even_where_each_is_tiny():
    scores = np.array([[-800.0, -801.0, -900.0], [1.0, -1.0, 0.0]])
    p = rest_probabilities(scores.copy(), log_scale=False)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(p[0, 0], 1 / (1 + np.exp(-1)), rtol=1e-9)
    own = 1 / (1 + np.exp(-scores[1]))
    np.testing.assert_allclose(p[1], own / own.sum())


# ---- classes that a direction separates --------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"solver": "newton-cholesky"}, {"solver": "irls"}])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("classes", [2, 3])
def test_separated_classes_without_a_penalty_are_said_by_every_road(iris, settings, form, classes):
    X, y = iris
    X = np.column_stack([X, y == 0, y == 1])
    y = np.minimum(y, classes - 1)
    with pytest.warns(DataWarning, match="separates"):
        LogisticRegression(C=np.inf, **settings).fit(form(X), y)


@pytest.mark.parametrize("solver", ["lbfgs", "irls", "saga"])
def test_one_column_that_separates_some_rows_is_said(cancer, solver):
    X, y = cancer
    given = np.column_stack([X[:, :2], (y == 1) & (X[:, 0] < -1.0)])
    with pytest.warns(DataWarning, match="separates"):
        LogisticRegression(C=np.inf, solver=solver).fit(given, y)


def test_a_single_class_is_refused_by_name(cancer):
    X, _ = cancer
    with pytest.raises(ValueError, match="only one class: .*7"):
        LogisticRegression().fit(X, np.full(len(X), 7))
