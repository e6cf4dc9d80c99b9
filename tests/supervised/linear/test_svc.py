"""LinearSVC against scikit-learn's on real data, and its own promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC as Peer

from tripos import LinearSVC

WAYS = {
    "default": {},
    "hinge": {"loss": "hinge"},
    "l1": {"penalty": "l1", "dual": False},
    "balanced": {"class_weight": "balanced"},
    "less penalised intercept": {"intercept_scaling": 10.0, "C": 0.1},
    "no intercept": {"fit_intercept": False},
}


def objective(model, X, y, weight=None):
    """What liblinear minimises, summed over one-vs-rest problems (without class weights)."""
    W, b = model.coef_, np.broadcast_to(model.intercept_, len(model.coef_))
    scores = X @ W.T + b
    classes = model.classes_[1:] if len(W) == 1 else model.classes_
    gap = np.maximum(0.0, 1.0 - (2.0 * (np.asarray(y)[:, None] == classes) - 1.0) * scores)
    gap = gap if model.loss == "hinge" else gap**2
    loss = (gap if weight is None else gap * weight[:, None]).sum()
    b = b / model.intercept_scaling
    norm = np.abs(W).sum() + np.abs(b).sum() if model.penalty == "l1" else 0.5 * ((W**2).sum() + b @ b)
    return norm + model.C * loss


def quietly(model, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args)


@pytest.fixture(scope="module")
def spam(spambase):
    return StandardScaler().fit_transform(spambase.X)[::4], spambase.y[::4]


@pytest.mark.parametrize("way", [w for w in WAYS if w != "hinge"])
def test_coefficients_are_scikit_learns_at_a_small_tolerance(spam, way):
    X, y = spam
    ours = LinearSVC(tol=1e-8, **WAYS[way]).fit(X, y)
    theirs = quietly(Peer(tol=1e-10, max_iter=20_000, **WAYS[way]), X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=2e-6)
    if way != "balanced":
        assert ours.loss_ == pytest.approx(objective(ours, X, y), rel=1e-9)


@pytest.mark.parametrize("way", [w for w in WAYS if w != "balanced"])
@pytest.mark.parametrize("name", ["iris", "digits"])
def test_the_objective_is_never_worse_on_several_classes(name, way):
    X, y = load_iris(return_X_y=True) if name == "iris" else load_digits(n_class=5, return_X_y=True)
    X = X / X.max()
    ours, theirs = LinearSVC(**WAYS[way]).fit(X, y), quietly(Peer(**WAYS[way]), X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("way", ["default", "hinge"])
def test_the_objective_is_never_worse_on_one_hot_and_on_text(adult, sms, way):
    for X, y in ((adult.X[::3], adult.y[::3]), (sms.X, sms.y)):
        ours, theirs = LinearSVC(**WAYS[way]).fit(X, y), quietly(Peer(**WAYS[way]), X, y)
        assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_csr_gives_what_dense_gives_and_a_weight_is_that_many_rows(spam, way):
    X, y = spam[0][::3][:300], spam[1][::3][:300]
    dense = LinearSVC(**WAYS[way]).fit(X, y)
    sparse = LinearSVC(**WAYS[way]).fit(sp.csr_array(X), y)
    np.testing.assert_allclose(dense.coef_, sparse.coef_, rtol=1e-4, atol=2e-5)
    weight = np.arange(300) % 3
    weighted = LinearSVC(**WAYS[way]).fit(X, y, sample_weight=weight)
    repeated = LinearSVC(**WAYS[way]).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("way", ["default", "hinge", "l1"])
def test_float32_is_near_float64(spam, way):
    X, y = spam
    wide = LinearSVC(**WAYS[way]).fit(X, y)
    narrow = LinearSVC(**WAYS[way]).fit(X.astype(np.float32), y)
    assert narrow.coef_.dtype == np.float32
    assert objective(narrow, X, y) <= objective(wide, X, y) * (1 + 1e-4)


@pytest.mark.parametrize("way", ["default", "hinge", "l1"])
def test_more_columns_than_rows_constant_and_duplicate_columns(way):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 90))
    X = np.column_stack([X, np.ones(40), X[:, :5]])
    y = (X[:, 0] + rng.normal(size=40) > 0).astype(int)
    ours, theirs = LinearSVC(**WAYS[way]).fit(X, y), quietly(Peer(max_iter=100_000, **WAYS[way]), X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-9)


def test_crammer_and_singer_reach_scikit_learns_minimum():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = LinearSVC(multi_class="crammer_singer", C=0.1, tol=1e-9).fit(X, y)
    theirs = Peer(multi_class="crammer_singer", C=0.1, tol=1e-9, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    weight = np.arange(len(y)) % 3
    weighted = LinearSVC(multi_class="crammer_singer", C=0.1, tol=1e-9).fit(X, y, weight)
    repeated = LinearSVC(multi_class="crammer_singer", C=0.1, tol=1e-9).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-3, atol=1e-4)


def test_what_does_not_go_together_is_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="only one class"):
        LinearSVC().fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="not supported"):
        LinearSVC(penalty="l1", loss="hinge").fit(X, y)
    with pytest.raises(ValueError, match="dual=False"):
        LinearSVC(loss="hinge", dual=False).fit(X, y)


def test_too_few_epochs_are_said_with_the_gap_and_what_to_change(spambase):
    with pytest.warns(ConvergenceWarning, match=r"duality gap is .*Scale the features"):
        LinearSVC(loss="hinge", max_iter=3).fit(spambase.X[:500], spambase.y[::9][:500])
