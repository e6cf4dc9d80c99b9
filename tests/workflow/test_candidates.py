"""Every public learner takes part where it fits, and is refused with a reason where it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from tripos._public import ESTIMATORS
from tripos.data.schema import Schema
from tripos.errors import RunError
from tripos.workflow.candidates import CHOOSES_ITSELF, Candidate, Shape, candidates_for, learner_class
from tripos.workflow.task import Task

BINARY = Task("binary", "y", "roc_auc", "", "", ("no", "yes"), (50, 50))
REGRESSION = Task("regression", "y", "r2", "", "")
MIXED = Shape(100, {"number": 3, "category": 2})


@pytest.mark.parametrize("task", [BINARY, REGRESSION])
def test_every_public_learner_of_the_task_is_a_candidate(task):
    from sklearn.base import is_classifier

    fitting, refused = candidates_for(task, MIXED)
    named = {c.learner for c in fitting} | {r.candidate for r in refused}
    assert named == {
        name for name in ESTIMATORS if is_classifier(learner_class(name)()) == task.is_classification
    }


def _is_for(name, task):
    from sklearn.base import is_classifier

    return is_classifier(learner_class(name)()) == task.is_classification


def test_the_baseline_comes_first():
    fitting, _ = candidates_for(BINARY, MIXED)
    assert [c.is_baseline for c in fitting] == [True] + [False] * (len(fitting) - 1)


def test_bins_need_numbers():
    fitting, refused = candidates_for(BINARY, Shape(100, {"category": 2}))
    assert not any(c.variant for c in fitting)
    assert {r.reason for r in refused if "bins" in r.candidate} == {
        "there is no number column: same as LogisticRegression"
    }


def test_ten_thousand_classes_are_refused_where_they_cost_too_much():
    classes = Task("multiclass", "y", "accuracy", "", "", tuple(range(10_000)), (20,) * 10_000)
    fitting, refused = candidates_for(classes, MIXED)
    assert "10,000 classes" in {r.candidate: r.reason for r in refused}["LogisticRegression"]
    assert "GaussianNB" in {c.learner for c in fitting}


@pytest.mark.parametrize(("name", "most"), [("SVR", 20_000), ("NuSVR", 20_000), ("KernelRidge", 5_000)])
def test_kernel_machines_are_tried_up_to_a_number_of_rows(name, most):
    for rows in (most, most + 1):
        fitting, refused = candidates_for(REGRESSION, Shape(rows, {"number": 3}))
        assert (name in {c.learner for c in fitting}) == (rows == most)
        assert (name in {r.candidate for r in refused if f"{most:,}" in r.reason}) == (rows > most)


def test_text_is_not_for_plain_least_squares():
    fitting, refused = candidates_for(REGRESSION, Shape(100, {"text": 1}))
    assert "LinearRegression" in {r.candidate for r in refused}
    assert "Ridge" in {c.learner for c in fitting}


def test_learners_that_choose_by_their_own_folds_leave_that_to_the_run():
    for task in (BINARY, REGRESSION):
        _, refused = candidates_for(task, MIXED)
        itself = {r.candidate for r in refused if "folds of its own" in r.reason}
        assert itself == {name for name in CHOOSES_ITSELF if name in ESTIMATORS and _is_for(name, task)}


@pytest.mark.parametrize(("lowest", "domains"), [(-1.0, {"real"}), (0.0, {"real", "non-negative"})])
def test_a_loss_meets_only_targets_of_its_domain(lowest, domains):
    fitting, refused = candidates_for(REGRESSION, Shape(100, {"number": 3}, lowest))
    assert {getattr(c.cls, "target_domain", "real") for c in fitting} <= domains
    beyond = {r.candidate for r in refused if "the lowest is" in r.reason}
    assert all(getattr(learner_class(name), "target_domain", "real") not in domains for name in beyond)


def test_without_probabilities_no_candidate_meets_a_measure_of_probabilities():
    task = replace(BINARY, metric="log_loss")
    fitting, refused = candidates_for(task, MIXED)
    assert all(c.gives_probabilities({}) for c in fitting)
    assert all("LinearSVC" != r.candidate or "probabilities" in r.reason for r in refused)


def test_a_wanted_learner_brings_its_variants_and_the_baseline():
    fitting, _ = candidates_for(BINARY, MIXED, ("LogisticRegression",))
    assert {c.learner for c in fitting} == {"DummyClassifier", "LogisticRegression"}
    assert len(fitting) == 4
    assert len(candidates_for(BINARY, MIXED, ("LogisticRegression (30 bins)",))[0]) == 2


def test_a_name_that_is_no_candidate_is_told_with_those_that_are():
    with pytest.raises(RunError, match=r"called Ridge; there are: .*GaussianNB"):
        candidates_for(BINARY, MIXED, ("Ridge",))


def test_equal_preparations_are_known_as_equal():
    assert Candidate("LogisticRegression").preparation != Candidate("MultinomialNB").preparation
    assert Candidate("Ridge").preparation == Candidate("Ridge").preparation


def test_a_learner_of_codes_is_told_where_the_categories_stand():
    frame = pl.DataFrame(
        {
            "city": ["Rome", "Oslo", "Rome", "Bern"] * 10,
            "age": np.arange(40.0),
            "since": [date(2020, 1, 1 + k % 28) for k in range(40)],
            "member": [True, False] * 20,
            "y": ["no", "yes"] * 20,
        }
    )
    schema = Schema.infer(frame, "y")
    model = Candidate("NaiveBayes").pipeline(schema, {}, 0).fit(frame.drop("y"), frame["y"].to_numpy())
    assert model[0].sources_[model[1].is_categorical_].tolist() == ["city"]


def test_words_and_numbers_start_with_who_usually_wins_there():
    words = [c.learner for c in candidates_for(BINARY, Shape(100, {"text": 1}))[0]]
    numbers = [c.learner for c in candidates_for(BINARY, MIXED)[0]]
    assert words[1:3] == ["MultinomialNB", "LogisticRegression"]
    assert numbers[1:3] == ["LogisticRegression", "HistGradientBoostingClassifier"]
