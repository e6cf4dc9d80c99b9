"""Learners made of different learners: scikit-learn's answers, tables, weights, and files without pickle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble
import sklearn.linear_model
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import (
    DecisionTreeRegressor,
    GaussianNB,
    KNeighborsClassifier,
    LogisticRegression,
    Ridge,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from tripos.errors import ArtifactError

CLASSIFIERS = [("line", LogisticRegression()), ("bayes", GaussianNB())]
REGRESSORS = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]
MODELS = [
    VotingClassifier(CLASSIFIERS),
    VotingClassifier(CLASSIFIERS, voting="soft"),
    VotingRegressor(REGRESSORS),
    StackingClassifier(CLASSIFIERS, cv=3),
    StackingRegressor(REGRESSORS, cv=3),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(40.0, 9.0, 120),
            "town": rng.choice(["Rome", "Oslo", "Bern"], 120),
            "member": rng.random(120) < 0.5,
            "gaps": np.where(rng.random(120) < 0.2, np.nan, rng.normal(size=120)),
        }
    )


def target_of(model, people) -> np.ndarray:
    y = people["age"].to_numpy() + 10.0 * (people["town"] == "Rome").to_numpy()
    return np.where(y > 42, "old", "young") if is_classifier(model) else y


@parametrize_with_checks(MODELS)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_votes_are_those_of_scikit_learn(iris, voting):
    ours = VotingClassifier(CLASSIFIERS, voting=voting, weights=[1.0, 2.0]).fit(*iris)
    peer = sklearn.ensemble.VotingClassifier(CLASSIFIERS, voting=voting, weights=[1.0, 2.0]).fit(*iris)
    np.testing.assert_array_equal(ours.predict(iris[0]), peer.predict(iris[0]))


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacks_are_those_of_scikit_learn(iris, passthrough):
    options = {"estimators": CLASSIFIERS, "final_estimator": GaussianNB(), "passthrough": passthrough}
    ours, peer = (
        StackingClassifier(**options).fit(*iris),
        sklearn.ensemble.StackingClassifier(**options).fit(*iris),
    )
    np.testing.assert_allclose(ours.predict_proba(iris[0]), peer.predict_proba(iris[0]), rtol=1e-9)
    X, y = load_diabetes(return_X_y=True)
    options = {"estimators": REGRESSORS, "final_estimator": Ridge(), "passthrough": passthrough}
    ours, peer = (
        StackingRegressor(**options).fit(X, y),
        sklearn.ensemble.StackingRegressor(**options).fit(X, y),
    )
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-9)


@every_model
def test_a_table_goes_to_the_members_and_a_file_keeps_what_was_learned(model, people, tmp_path):
    y = target_of(model, people)
    fitted = sklearn.clone(model).fit(people, y)
    found = tripos.load(tripos.save(fitted, tmp_path / "model.tripos", key="secret"), key="secret")
    np.testing.assert_array_equal(found.predict(people), fitted.predict(people))
    np.testing.assert_array_equal(found.transform(people), fitted.transform(people))
    assert list(found.feature_names_in_) == list(people)
    assert found.summary() == fitted.summary()
    assert [name for name in found.named_estimators_] == [name for name, _ in model.estimators]
    assert repr(found.get_params(deep=False)) == repr(fitted.get_params(deep=False))
    unfitted = tripos.load(tripos.save(sklearn.clone(model), tmp_path / "unfitted.tripos"))
    assert not hasattr(unfitted, "estimators_")
    assert fitted.score(people, y) > 0.7


@pytest.mark.parametrize("cls", [StackingClassifier, StackingRegressor])
def test_columns_of_a_table_pass_through_as_numbers(cls, people, tmp_path):
    members = CLASSIFIERS if cls is StackingClassifier else REGRESSORS
    y = target_of(cls(members), people)
    model = cls(members, cv=3, passthrough=True).fit(people, y)
    found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
    np.testing.assert_array_equal(found.predict(people), model.predict(people))
    assert model.final_estimator_.n_features_in_ > len(people.columns)


@every_model
def test_weights_reach_the_members(model, iris):
    X, y = iris
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    if isinstance(model, (VotingClassifier, VotingRegressor)):
        rows = np.repeat(np.arange(len(y)), weights)
        weighted, repeated = (
            sklearn.clone(model).fit(X, y, weights),
            sklearn.clone(model).fit(X[rows], y[rows]),
        )
        np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4)
    else:
        weighted = sklearn.clone(model).fit(X, y, sample_weight=weights)
        assert weighted.score(X, y) > 0.85


def test_a_member_that_takes_no_weights_is_named(iris):
    members = [("line", LogisticRegression()), ("near", KNeighborsClassifier())]
    for model in (VotingClassifier(members), StackingClassifier(members)):
        with pytest.raises(ValueError, match="'near', a KNeighborsClassifier, takes no sample_weight"):
            model.fit(*iris, sample_weight=np.ones(150))


def test_a_member_that_cannot_be_saved_is_named(iris, tmp_path):
    members = [("line", LogisticRegression()), ("theirs", sklearn.linear_model.LogisticRegression())]
    model = VotingClassifier(members).fit(*iris)
    with pytest.raises(ArtifactError, match="the member 'theirs' .*sklearn.*cannot be saved"):
        tripos.save(model, tmp_path / "model.tripos")
    stack = StackingClassifier(CLASSIFIERS, final_estimator=sklearn.linear_model.LogisticRegression())
    with pytest.raises(ArtifactError, match="the member 'final_estimator'"):
        tripos.save(stack.fit(*iris), tmp_path / "model.tripos")


def test_a_dropped_member_stays_dropped(iris, tmp_path):
    model = VotingClassifier([*CLASSIFIERS, ("none", "drop")]).fit(*iris)
    found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
    assert found.named_estimators_["none"] == "drop"
    np.testing.assert_array_equal(found.predict(iris[0]), model.predict(iris[0]))


def test_rows_without_weight_keep_their_numbers_where_folds_are_given(iris):
    X, y = iris
    weights = np.tile([1.0, 0.0, 1.0], 50)
    folds = [
        (np.flatnonzero(np.arange(150) % 5 != k), np.flatnonzero(np.arange(150) % 5 == k)) for k in range(5)
    ]
    ours = StackingClassifier(CLASSIFIERS, GaussianNB(), cv=folds).fit(X, y, sample_weight=weights)
    peer = sklearn.ensemble.StackingClassifier(CLASSIFIERS, GaussianNB(), cv=folds).fit(
        X, y, sample_weight=weights
    )
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), rtol=1e-9)


def test_one_target_only():
    with pytest.raises(ValueError, match="one target"):
        StackingClassifier(CLASSIFIERS).fit(np.zeros((4, 2)), np.eye(4, dtype=int)[:, :2])
