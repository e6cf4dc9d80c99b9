"""Bagging: scikit-learn's draws and answers; tables, rows out of bag, files without pickle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble
import sklearn.tree
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import BaggingClassifier, BaggingRegressor, DecisionTreeClassifier, LogisticRegression, Ridge
from tripos.errors import ArtifactError


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes() -> tuple[np.ndarray, np.ndarray]:
    return load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [BaggingClassifier(n_estimators=3, random_state=0), BaggingRegressor(n_estimators=3, random_state=0)],
    expected_failed_checks=lambda model: {
        "check_sample_weight_equivalence_on_dense_data": model.exceptions["weights"],
        "check_sample_weight_equivalence_on_sparse_data": model.exceptions["weights"],
    },
)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_samples": 0.5, "max_features": 0.5, "oob_score": True},
        {"bootstrap": False, "bootstrap_features": True, "max_samples": 60},
    ],
)
def test_copies_and_answers_are_those_of_scikit_learn(iris, diabetes, options):
    tree = sklearn.tree.DecisionTreeClassifier(max_depth=3)
    ours = BaggingClassifier(tree, random_state=1, **options).fit(*iris)
    peer = sklearn.ensemble.BaggingClassifier(tree, random_state=1, **options).fit(*iris)
    np.testing.assert_allclose(ours.predict_proba(iris[0]), peer.predict_proba(iris[0]), rtol=1e-12)
    for a, b in zip(ours.estimators_samples_, peer.estimators_samples_, strict=True):
        np.testing.assert_array_equal(a, b)
    line = BaggingRegressor(Ridge(), random_state=1, **options).fit(*diabetes)
    peer_line = sklearn.ensemble.BaggingRegressor(Ridge(), random_state=1, **options).fit(*diabetes)
    np.testing.assert_allclose(line.predict(diabetes[0]), peer_line.predict(diabetes[0]), rtol=1e-12)
    if "oob_score" in options:
        assert ours.oob_score_ == pytest.approx(peer.oob_score_)


def test_rows_out_of_bag_foretell_new_rows(diabetes):
    X, y = diabetes
    model = BaggingRegressor(n_estimators=40, oob_score=True, random_state=0).fit(X[:300], y[:300])
    assert abs(model.oob_score_ - model.score(X[300:], y[300:])) < 0.15
    assert model.oob_prediction_.shape == (300,)


@pytest.mark.parametrize("options", [{}, {"max_features": 2}])
def test_a_table_goes_to_the_copies_and_a_file_keeps_them(options, tmp_path):
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {
            "age": rng.normal(40.0, 9.0, 120),
            "town": pd.Categorical(rng.choice(["Rome", "Oslo", "Bern"], 120)),
            "gaps": np.where(rng.random(120) < 0.2, np.nan, rng.normal(size=120)),
        }
    )
    y = np.where((people["age"] > 40) | (people["town"] == "Rome"), "yes", "no")
    for member in (None, LogisticRegression()):
        model = BaggingClassifier(member, n_estimators=4, random_state=0, oob_score=True, **options).fit(
            people, y
        )
        found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
        np.testing.assert_array_equal(found.predict_proba(people), model.predict_proba(people))
        assert found.oob_score_ == model.oob_score_
        assert found.summary() == model.summary()
        assert model.score(people, y) > 0.75


def test_the_seed_decides(iris):
    a, b = (BaggingClassifier(random_state=5).fit(*iris) for _ in range(2))
    np.testing.assert_array_equal(a.predict_proba(iris[0]), b.predict_proba(iris[0]))


def test_a_warm_start_gives_the_copies_of_one_fit(iris):
    whole = BaggingClassifier(n_estimators=5, random_state=2).fit(*iris)
    grown = BaggingClassifier(n_estimators=3, random_state=2, warm_start=True).fit(*iris)
    grown.set_params(n_estimators=5).fit(*iris)
    np.testing.assert_array_equal(whole.predict_proba(iris[0]), grown.predict_proba(iris[0]))


def test_a_warm_start_without_a_seed_keeps_the_columns_of_its_copies(iris):
    model = BaggingClassifier(n_estimators=3, max_features=2, warm_start=True).fit(*iris)
    kept, columns = list(model.estimators_), model.drawn_features_.copy()
    model.set_params(n_estimators=5).fit(*iris)
    assert model.estimators_[:3] == kept
    np.testing.assert_array_equal(model.drawn_features_[:3], columns)
    assert len(model.estimators_samples_) == len(model) == 5
    with pytest.raises(ValueError, match="the copies that warm_start keeps have 2"):
        model.set_params(max_features=3).fit(*iris)
    with pytest.raises(ValueError, match="copies of the classes"):
        model.set_params(max_features=2).fit(iris[0], iris[1] + 1)


def test_scores_are_there_where_the_copies_have_them(iris):
    assert not hasattr(BaggingClassifier().fit(*iris), "decision_function")
    line = LogisticRegression()
    ours = BaggingClassifier(line, n_estimators=3, random_state=0).fit(*iris)
    peer = sklearn.ensemble.BaggingClassifier(line, n_estimators=3, random_state=0).fit(*iris)
    np.testing.assert_allclose(ours.decision_function(iris[0]), peer.decision_function(iris[0]), rtol=1e-9)


def test_rows_of_weight_zero_are_never_drawn(iris):
    X, y = iris
    model = BaggingClassifier(random_state=0).fit(X, y, sample_weight=(y > 0).astype(float))
    assert set(model.predict(X)) <= {1, 2}


def test_what_cannot_be_is_told(iris, tmp_path):
    model = BaggingClassifier(sklearn.tree.DecisionTreeClassifier()).fit(*iris)
    with pytest.raises(ArtifactError, match="sklearn.tree.*cannot be saved"):
        tripos.save(model, tmp_path / "model.tripos")
    with pytest.raises(ValueError, match="oob_score=True needs bootstrap=True"):
        BaggingClassifier(DecisionTreeClassifier(), bootstrap=False, oob_score=True).fit(*iris)
