"""Measures by name: found, refused with help, and usable wherever scikit-learn takes a scorer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as peer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tripos.metrics.scorers import SCORERS, default_scorer, report_scorers, scorer

PEER_NAMES = [name for name in peer.get_scorer_names() if name in SCORERS]


@pytest.fixture(scope="module")
def models():
    """(model, X, y) per task, trained on the first half and measured on the rest."""
    fitted = {}
    for task, load, model in (
        ("binary", load_breast_cancer, make_pipeline(StandardScaler(), LogisticRegression(C=0.01))),
        ("multiclass", load_iris, make_pipeline(StandardScaler(), LogisticRegression(C=0.01))),
        ("regression", load_diabetes, LinearRegression()),
    ):
        X, y = load(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(y))
        train, test = np.split(order, [len(y) // 2])
        fitted[task] = model.fit(X[train], y[train]), X[test], y[test]
    return fitted


def test_most_of_sklearns_supervised_names_are_known():
    assert len(PEER_NAMES) > 35


@pytest.mark.parametrize("name", PEER_NAMES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_name_that_sklearn_knows_gives_its_value(models, name, weighted):
    found = scorer(name)
    for task in found.tasks:
        model, X, y = models[task]
        weight = (
            {"sample_weight": np.arange(len(y)) % 3}
            if weighted and "ovo" not in name and name != "neg_max_error"
            else {}
        )
        if name in ("neg_mean_squared_log_error", "neg_root_mean_squared_log_error") or "deviance" in name:
            assert np.all(model.predict(X) > 0)
        expected = peer.get_scorer(name)(model, X, y, **weight)
        assert found(model, X, y, **weight) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_loss_is_negated_as_a_scorer_and_plain_as_a_measure(models):
    model, X, y = models["regression"]
    rmse = scorer("rmse")
    plain = rmse.measure(y, model.predict(X))
    assert plain == peer.root_mean_squared_error(y, model.predict(X))
    assert rmse(model, X, y) == -plain
    assert scorer("neg_rmse").measure(y, model.predict(X)) == -plain


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "f1"])
def test_sklearns_tools_take_our_scorers(name):
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    ours = cross_val_score(model, X, y, cv=3, scoring=scorer(name))
    theirs = cross_val_score(model, X, y, cv=3, scoring=name if name != "log_loss" else "neg_log_loss")
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    search = GridSearchCV(model, {"logisticregression__C": [0.01, 1]}, cv=2, scoring=scorer(name)).fit(X, y)
    assert np.isfinite(search.best_score_)


def test_decision_function_serves_a_ranking_measure():
    X, y = load_breast_cancer(return_X_y=True)
    model = LinearSVC(C=1e-4).fit(X, y)
    assert scorer("roc_auc")(model, X, y) == peer.roc_auc_score(y, model.decision_function(X))
    with pytest.raises(TypeError, match="needs predict_proba, which LinearSVC does not have"):
        scorer("log_loss")(model, X, y)


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "average_precision"])
def test_the_positive_class_of_strings_is_the_last_unless_named(name):
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001)).fit(X, names)
    function = getattr(peer, f"{name}_score")
    p = model.predict_proba(X)[:, 1]
    for positive, given, score in (("malignant", None, p), ("benign", "benign", -p)):
        prediction = score if name == "average_precision" else model.predict(X)
        expected = function(names, prediction, pos_label=positive)
        assert scorer(name, pos_label=given)(model, X, names) == pytest.approx(expected, rel=1e-12)


def test_a_class_the_model_never_saw_is_charged_as_impossible():
    found = scorer("log_loss").measure([0, 1, 2], np.full((3, 2), 0.5), classes=[0, 1])
    assert found == pytest.approx((2 * np.log(2) - np.log(np.finfo(float).eps)) / 3)


def test_a_fold_that_lacks_a_class_is_measured_on_the_others():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
    assert scorer("log_loss").measure(["a", "b", "b"], p, classes=["a", "b", "c"]) == pytest.approx(
        -np.log([0.7, 0.8, 0.6]).mean()
    )
    with pytest.warns(UserWarning, match="left out"):
        assert scorer("roc_auc_ovr").measure(["a", "b", "b"], p, classes=["a", "b", "c"]) == 1.0


@pytest.mark.parametrize(
    ("wrong", "close"),
    [("acuracy", "'accuracy'"), ("rocauc", "'roc_auc'"), ("neg_logloss", "'neg_log_loss'")],
)
def test_an_unknown_name_is_answered_with_the_closest(wrong, close):
    with pytest.raises(ValueError, match=f"no measure is called '{wrong}'.*{close}"):
        scorer(wrong)


def test_a_measure_of_another_task_is_refused_with_a_choice():
    with pytest.raises(ValueError, match="'r2' is for regression, not binary: choose from accuracy"):
        scorer("r2", task="binary")
    assert scorer("r2", task="regression") is SCORERS["r2"]


def test_something_that_is_no_measure_is_refused():
    with pytest.raises(TypeError, match="by name or as a tripos.metrics.Scorer"):
        scorer(peer.accuracy_score)


def test_the_default_depends_on_the_task_and_the_balance():
    assert default_scorer("binary").name == "roc_auc"
    assert default_scorer("regression").name == "r2"
    assert default_scorer("multiclass", ["a", "b", "c"] * 10).name == "accuracy"
    assert default_scorer("multiclass", ["a"] * 90 + ["b"] * 9 + ["c"]).name == "balanced_accuracy"
    with pytest.raises(ValueError, match="task must be one of 'binary'"):
        default_scorer("ranking")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_reported_measures_suit_their_task(task):
    assert all(task in found.tasks and found.title for found in report_scorers(task))


def test_every_public_measure_is_importable_and_listed():
    import tripos.metrics

    assert all(
        callable(getattr(tripos.metrics, name)) or name == "SCORERS" for name in tripos.metrics.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'acuracy_score'"):
        _ = tripos.metrics.acuracy_score


def test_one_measure_does_not_bring_scikit_learn():
    code = "import sys; from tripos.metrics import roc_auc_score, f1_score, r2_score; roc_auc_score([0, 1], [0.1, 0.2])"
    out = subprocess.run(
        [sys.executable, "-c", f"{code}; print('sklearn' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "False"
