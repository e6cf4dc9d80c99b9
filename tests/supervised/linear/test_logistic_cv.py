"""Cross-validated logistic regression: scikit-learn's grid, choice and attributes, in both forms."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegressionCV as Peer
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.preprocessing import StandardScaler

import tripos
from tripos import LogisticRegression, LogisticRegressionCV
from tripos.supervised.linear import logistic_folds
from tripos.supervised.linear.logistic_folds import is_partition

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

CS = [0.001, 0.03, 1.0, 10.0]
ATTRIBUTES = (
    "Cs_",
    "l1_ratios_",
    "C_",
    "l1_ratio_",
    "scores_",
    "coefs_paths_",
    "n_iter_",
    "coef_",
    "intercept_",
)


def scaled(loader):
    X, y = loader(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def iris():
    X, y = scaled(load_iris)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="module")
def cancer():
    return scaled(load_breast_cancer)


@pytest.mark.parametrize("data", ["iris", "cancer"])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "balanced_accuracy"])
@pytest.mark.parametrize("refit", [True, False])
def test_grid_choice_and_coefficients_are_those_of_scikit_learn(data, scoring, refit, request):
    X, y = request.getfixturevalue(data)
    settings = dict(Cs=CS, scoring=scoring, refit=refit, tol=1e-8, max_iter=5000)
    ours, theirs = LogisticRegressionCV(**settings).fit(X, y), Peer(**settings).fit(X, y)
    np.testing.assert_array_equal(ours.C_, theirs.C_)
    for label, scores in theirs.scores_.items():
        np.testing.assert_allclose(ours.scores_[label], scores, rtol=1e-5)
        np.testing.assert_allclose(ours.coefs_paths_[label], theirs.coefs_paths_[label], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("data", ["iris", "cancer"])
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("l1_ratios", [None, (0.0,), (0.0, 1.0)])
def test_attributes_have_the_form_of_scikit_learns(data, legacy, l1_ratios, request):
    X, y = request.getfixturevalue(data)
    settings = dict(Cs=2, cv=3, l1_ratios=l1_ratios, use_legacy_attributes=legacy, solver="saga", max_iter=50)
    ours, theirs = LogisticRegressionCV(**settings).fit(X, y), Peer(**settings).fit(X, y)
    for name in ATTRIBUTES:
        a, b = getattr(ours, name), getattr(theirs, name)
        assert isinstance(a, type(b)) or isinstance(a, float), name
        if isinstance(b, dict):
            assert list(a) == list(b)
            a, b = a[list(b)[0]], b[list(b)[0]]
        assert np.shape(a) == np.shape(b), name


def test_an_elastic_net_grid_chooses_what_scikit_learn_chooses(cancer):
    """scikit-learn's saga is 1e-3 short of its own minimum after 1,000 epochs, so the fit is held to ours."""
    X, y = cancer
    settings = dict(Cs=[0.01, 0.1], l1_ratios=(0.2, 1.0), solver="saga", cv=2, scoring="neg_log_loss")
    ours = LogisticRegressionCV(tol=1e-8, **settings).fit(X, y)
    theirs = Peer(tol=1e-6, max_iter=1000, random_state=0, **settings).fit(X, y)
    np.testing.assert_array_equal([ours.C_, ours.l1_ratio_], [theirs.C_, theirs.l1_ratio_])
    np.testing.assert_allclose(ours.scores_[1], theirs.scores_[1], rtol=1e-2)
    alone = LogisticRegression(C=ours.C_[0], l1_ratio=ours.l1_ratio_[0], solver="saga", tol=1e-8).fit(X, y)
    np.testing.assert_allclose(ours.coef_, alone.coef_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {1: 3.0}])
def test_weights_of_rows_and_classes_are_those_of_scikit_learn(cancer, class_weight):
    X, y = cancer
    weight = np.random.default_rng(0).random(len(y))
    settings = dict(Cs=CS[1:], class_weight=class_weight, tol=1e-8, max_iter=5000, scoring="neg_log_loss")
    ours, theirs = LogisticRegressionCV(**settings).fit(X, y, weight), Peer(**settings).fit(X, y, weight)
    np.testing.assert_allclose(ours.scores_[1], theirs.scores_[1], rtol=1e-5)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "cv", [KFold(4), KFold(3, shuffle=True, random_state=0), ShuffleSplit(3, random_state=0)]
)
def test_one_ordered_copy_gives_what_a_copy_for_each_fold_gives(adult, sparse, cv, monkeypatch):
    X = sp.csr_array(adult.X) if sparse else adult.X
    model = LogisticRegressionCV(Cs=CS[:3], cv=cv, scoring="roc_auc", tol=1e-8)
    apart = model.fit(X, adult.y).scores_[True]
    monkeypatch.setattr(logistic_folds, "COPIED", 0)
    np.testing.assert_allclose(model.fit(X, adult.y).scores_[True], apart, rtol=1e-9)


def test_text_is_cross_validated_as_csr(sms):
    model = LogisticRegressionCV(Cs=[0.3, 3.0], cv=3, l1_ratios=(1.0,), solver="liblinear").fit(sms.X, sms.y)
    assert model.C_[0] == 3.0
    assert model.scores_["spam"].mean() > 0.9


def test_the_chosen_model_is_that_of_logistic_regression(cancer):
    X, y = cancer
    chosen = LogisticRegressionCV(Cs=CS, tol=1e-9).fit(X, y)
    alone = LogisticRegression(C=chosen.C_[0], tol=1e-9).fit(X, y)
    np.testing.assert_allclose(chosen.coef_, alone.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(chosen.predict(X), alone.predict(X))


def test_score_uses_the_measure_of_scoring(cancer):
    X, y = cancer
    model = LogisticRegressionCV(Cs=2, scoring="neg_log_loss").fit(X, y)
    p = model.predict_proba(X)[np.arange(len(y)), y]
    assert model.score(X, y) == pytest.approx(np.log(p).mean())


def test_a_scorer_may_be_a_function(cancer):
    X, y = cancer
    model = LogisticRegressionCV(Cs=CS, scoring=lambda model, X, y: -float(np.abs(model.coef_).sum())).fit(
        X, y
    )
    assert model.C_[0] == CS[0]


def test_a_class_that_a_fold_misses_is_no_trouble(iris):
    X, y = iris  # sorted by class: each fold of three misses a class
    model = LogisticRegressionCV(Cs=[0.1, 1.0], cv=KFold(3), scoring="neg_log_loss").fit(X, y)
    assert np.isfinite(model.scores_["setosa"]).all()


def test_fewer_rows_than_folds_make_fewer_folds():
    X, y = np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) // 3
    with pytest.warns(tripos.DataWarning, match="3 folds"):
        model = LogisticRegressionCV(Cs=2).fit(X, y)
    assert model.scores_[0].shape == (3, 2)


def test_rows_of_weight_zero_do_not_shift_the_given_folds(cancer):
    X, y = cancer
    weight = np.random.default_rng(0).integers(0, 2, len(y)).astype(float)
    folds = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)]
    kept = np.flatnonzero(weight)
    alone = [(np.flatnonzero(folds[kept] != k), np.flatnonzero(folds[kept] == k)) for k in range(3)]
    one = LogisticRegressionCV(Cs=CS, cv=splits).fit(X, y, weight)
    two = LogisticRegressionCV(Cs=CS, cv=alone).fit(X[kept], y[kept])
    np.testing.assert_allclose(one.scores_[1], two.scores_[1])


def test_what_default_will_change_is_said_once(iris):
    with pytest.warns(FutureWarning, match=r"l1_ratios .*scoring .*use_legacy_attributes") as caught:
        LogisticRegressionCV(Cs=2).fit(*iris)
    assert len([w for w in caught if w.category is FutureWarning]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        LogisticRegressionCV(Cs=2, l1_ratios=(0,), scoring=None, use_legacy_attributes=True).fit(*iris)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (dict(l1_ratios=(0.5,)), "only 'l2'"),
        (dict(l1_ratios=(0.5,), solver="liblinear"), "Only 'saga'"),
        (dict(l1_ratios=(0.0, 1.5), solver="saga"), "between 0 and 1"),
        (dict(penalty="elasticnet", solver="saga"), "l1_ratios must be"),
        (dict(solver="liblinear"), "Only binary"),
        (dict(dual=True), "dual=False"),
        (dict(Cs=0), "Cs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(iris, settings, match):
    with pytest.raises(ValueError, match=match):
        LogisticRegressionCV(**settings).fit(*iris)


def test_blocks_are_refused_with_what_to_do(iris):
    X, y = iris
    with pytest.raises(ValueError, match="in memory"):
        LogisticRegressionCV().fit([(X[:75], y[:75]), (X[75:], y[75:])])


def test_the_path_is_that_of_the_chosen_ratio(cancer):
    model = LogisticRegressionCV(Cs=CS, l1_ratios=(0.0, 1.0), solver="saga", cv=3).fit(*cancer)
    strengths, coefs, chosen, errors = model._path_of(*cancer)
    np.testing.assert_allclose(strengths, 1 / np.array(CS))
    assert coefs.shape == (4, 30)
    assert errors.shape == (4, 3)
    assert chosen == 1 / model.C_[0]
    assert ((errors >= 0) & (errors <= 1)).all()


def test_a_partition_is_told_from_other_splits():
    rows = np.arange(6)
    assert is_partition([(rows[2:], rows[:2]), (rows[[0, 1, 4, 5]], rows[2:4]), (rows[:4], rows[4:])], 6)
    assert not is_partition([(rows[3:], rows[:2]), (rows[:2], rows[2:])], 6)


def test_summary_names_the_choice(cancer):
    text = LogisticRegressionCV(Cs=CS, scoring="neg_log_loss").fit(*cancer).summary()
    assert "of 4 from 0.001 to 10" in text
    assert "neg_log_loss in cross-validation" in text


def test_what_is_loaded_has_the_same_grid(cancer, tmp_path):
    model = LogisticRegressionCV(Cs=CS, cv=3).fit(*cancer)
    tripos.save(model, tmp_path / "m.tripos")
    again = tripos.load(tmp_path / "m.tripos")
    np.testing.assert_array_equal(again.scores_[1], model.scores_[1])
    np.testing.assert_array_equal(again.coefs_paths_[1], model.coefs_paths_[1])
    np.testing.assert_array_equal(again.C_, model.C_)
