"""RidgeCV and the ridge classifiers: rows left out without a fit, and scikit-learn's answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import Ridge as PeerRidge
from sklearn.linear_model import RidgeClassifier as PeerClassifier
from sklearn.linear_model import RidgeClassifierCV as PeerClassifierCV
from sklearn.linear_model import RidgeCV as Peer

from tripos import RidgeClassifier, RidgeClassifierCV, RidgeCV

ALPHAS = [0.1, 1.0, 10.0]


def literally_left_out(X, y, alpha, fit_intercept=True):
    errors = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        model = PeerRidge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(X[rest], y[rest])
        errors.append(y[i] - model.predict(X[i : i + 1])[0])
    return np.array(errors)


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("n_alphas", [3, 9])
def test_errors_are_those_of_rows_literally_left_out(shape, fit_intercept, form, n_alphas, diabetes):
    rng = np.random.default_rng(0)
    X, y = (
        (diabetes.X[:60], diabetes.y[:60])
        if shape == "tall"
        else (rng.normal(3, 1, (20, 50)), rng.normal(size=20))
    )
    alphas = np.geomspace(0.1, 10, n_alphas)
    model = RidgeCV(alphas, fit_intercept=fit_intercept, store_cv_results=True).fit(form(X), y)
    expected = np.column_stack([literally_left_out(X, y, a, fit_intercept) for a in alphas])
    np.testing.assert_allclose(model.cv_results_, expected**2, rtol=1e-6)
    np.testing.assert_allclose(model.best_score_, -np.mean(expected**2, axis=0).min(), rtol=1e-9)


@pytest.mark.parametrize("mode", ["svd", "eigen", None])
def test_the_choice_is_scikit_learns(mode, california):
    X, y = california.X[:3000], california.y[:3000]
    ours, theirs = RidgeCV(ALPHAS, gcv_mode=mode).fit(X, y), Peer(ALPHAS).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-8)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-9 * np.abs(theirs.coef_).max())


@pytest.mark.parametrize("n_features", [4, 40])
def test_a_weight_of_k_leaves_out_one_row_of_k(n_features):
    rng = np.random.default_rng(0)
    X, y, k = rng.normal(size=(30, n_features)), rng.normal(size=30), rng.integers(0, 4, 30)
    weighted = RidgeCV(ALPHAS).fit(X, y, k)
    repeated = RidgeCV(ALPHAS).fit(np.repeat(X, k, axis=0), np.repeat(y, k))
    assert weighted.alpha_ == repeated.alpha_
    np.testing.assert_allclose(weighted.best_score_, repeated.best_score_, rtol=1e-10)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)


@pytest.mark.parametrize(
    "settings",
    [
        {"cv": 5},
        {"cv": 5, "scoring": "neg_mean_absolute_error"},
        {"scoring": "r2"},
        {"scoring": "neg_mean_absolute_error", "store_cv_results": True},
    ],
    ids=str,
)
def test_folds_and_scorings_agree_with_scikit_learn(settings, diabetes):
    ours, theirs = (
        RidgeCV(**settings).fit(diabetes.X, diabetes.y),
        Peer(**settings).fit(diabetes.X, diabetes.y),
    )
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-9)


def test_each_target_chooses_for_itself(diabetes):
    Y = np.column_stack([diabetes.y, np.random.default_rng(0).normal(size=len(diabetes.y))])
    ours, theirs = (cls(alpha_per_target=True).fit(diabetes.X, Y) for cls in (RidgeCV, Peer))
    np.testing.assert_array_equal(ours.alpha_, theirs.alpha_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7)


def test_float32_rows_choose_as_float64_rows_do(diabetes):
    single = RidgeCV(ALPHAS).fit(diabetes.X.astype(np.float32), diabetes.y)
    double = RidgeCV(ALPHAS).fit(diabetes.X, diabetes.y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.best_score_, double.best_score_, rtol=1e-4)


def test_an_alpha_of_zero_cannot_leave_rows_out(diabetes):
    with pytest.raises(ValueError, match=r"alphas\[1\] == 0"):
        RidgeCV([1.0, 0.0]).fit(diabetes.X, diabetes.y)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 1.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_classifier_is_scikit_learns(class_weight, classes):
    X, y = load_iris(return_X_y=True)
    if classes == 2:
        y = np.minimum(y, 1)
        class_weight = {0: 2.0, 1: 1.0} if isinstance(class_weight, dict) else class_weight
    ours, theirs = (cls(class_weight=class_weight).fit(X, y) for cls in (RidgeClassifier, PeerClassifier))
    np.testing.assert_allclose(ours.coef_.ravel(), theirs.coef_.ravel(), rtol=1e-8)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_texts_are_classified_as_well_as_by_scikit_learn(sms):
    y = np.where(sms.y == "spam", 1.0, -1.0)

    def objective(model):
        w, b = model.coef_.ravel(), model.intercept_[0]
        return np.sum((y - sms.X @ w - b) ** 2) + w @ w

    ours, theirs = (cls().fit(sms.X, sms.y) for cls in (RidgeClassifier, PeerClassifier))
    assert objective(ours) <= objective(theirs) * (1 + 1e-9)
    assert ours.solver_ == "sparse_cg"


def test_several_classes_share_their_products(sms):
    y = np.arange(len(sms.y)) % 3
    ours = RidgeClassifier(tol=1e-9).fit(sms.X, y)
    theirs = PeerClassifier(tol=1e-10).fit(sms.X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6 * np.abs(theirs.coef_).max())


def test_several_labels_at_once(diabetes):
    Y = (np.column_stack([diabetes.y, diabetes.X[:, 2]]) > [140, 26]).astype(int)
    ours, theirs = (cls().fit(diabetes.X, Y) for cls in (RidgeClassifier, PeerClassifier))
    np.testing.assert_array_equal(ours.predict(diabetes.X), theirs.predict(diabetes.X))


@pytest.mark.parametrize("settings", [{}, {"cv": 4}, {"scoring": "accuracy"}], ids=str)
def test_the_cross_validated_classifier_is_scikit_learns(settings):
    X, y = load_digits(return_X_y=True)
    ours, theirs = (cls(**settings).fit(X, y) for cls in (RidgeClassifierCV, PeerClassifierCV))
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class"):
        RidgeClassifier().fit(np.ones((4, 2)), ["a"] * 4)
