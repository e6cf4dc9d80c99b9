"""What a model uses is found where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from tripos.metrics.scorers import scorer
from tripos.selection import permutation_importance
from tripos.workflow import explain
from tripos.workflow.candidates import Candidate
from tripos.workflow.config import RunConfig
from tripos.workflow.experience import gather
from tripos.workflow.progress import Display


@pytest.fixture(scope="module")
def experience(houses):
    return gather(RunConfig(table="", target="price"), houses, Display())


@pytest.fixture(scope="module")
def model(experience):
    return Candidate("Ridge").pipeline(experience.schema, {}, 0).fit(experience.X_train, experience.y_train)


def test_the_column_that_makes_the_price_is_the_most_important(model, experience):
    found = explain.importances(model, experience.X_test, experience.y_test, scorer("r2"), seed=0)
    assert found["names"][0] == "size"
    assert set(found["names"]) == set(experience.X_test.columns)


def test_shuffling_what_was_made_of_a_column_is_shuffling_the_column(model, experience):
    ours = explain.importances(model, experience.X_test, experience.y_test, scorer("r2"), seed=0)
    theirs = permutation_importance(
        model, experience.X_test, experience.y_test, scoring="r2", n_repeats=30, random_state=0
    )
    by_name = dict(zip(theirs.names, theirs.importances_mean))
    spread = dict(zip(theirs.names, theirs.importances_std))
    for name, mean in zip(ours["names"], ours["mean"]):
        assert mean == pytest.approx(by_name[name], abs=4 * spread[name] + 1e-3)


def test_a_weight_counts_by_what_it_moves(model, experience):
    found = explain.effects(model, experience.X_train, 0)
    assert found["names"][0] == "size"
    moved = np.std(model.predict(experience.X_train))
    assert found["values"][0] == pytest.approx(moved, rel=0.1)


@pytest.mark.parametrize("learner", ["LogisticRegression", "GaussianNB", "MultinomialNB"])
def test_spam_words_weigh_toward_spam_in_every_learner(messages, learner):
    experience = gather(RunConfig(table="", target="label"), messages, Display())
    model = Candidate(learner).pipeline(experience.schema, {}, 0).fit(experience.X_train, experience.y_train)
    found = explain.effects(model, experience.X_train, 0)
    weights = {name.removeprefix("text: "): value for name, value in zip(found["names"], found["values"])}
    assert found["toward"] == "spam"
    assert weights["i"] < 0  # friends say I
    assert all(
        weights[word] > 0 for word in ("call", "free", "txt", "claim", "won", "mobile") if word in weights
    )
