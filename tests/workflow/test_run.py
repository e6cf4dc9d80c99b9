"""A run is honest: what it tests on it has not seen, what it saves is what it tested, what it did can be done again."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import fields

import numpy as np
import polars as pl
import pytest

import tripos
from tripos.errors import RunError
from tripos.supervised.bayes.multinomial import MultinomialNB
from tripos.workflow import run as running
from tripos.workflow.candidates import Shape, candidates_for
from tripos.workflow.config import read_config
from tripos.workflow.result import Run
from tripos.workflow.run import execute, run
from tripos.workflow.task import Task

QUICK = {"trials": 3, "verbose": False}


def board(result: Run) -> list:
    return [(row["candidate"], row["params"], row["folds"]) for row in result.record["leaderboard"]]


def test_the_folder_has_every_part_and_nothing_else(sms_run):
    names = sorted(str(p.relative_to(sms_run.path)) for p in sms_run.path.rglob("*") if p.is_file())
    parts = [
        "config.toml",
        "metrics.json",
        "model/model.tripos",
        "predictions.parquet",
        "report.html",
        "schema.json",
    ]
    assert names == parts
    assert [p.name for p in sms_run.path.parent.iterdir()] == [sms_run.path.name]


def test_spam_is_told_from_ham_far_better_than_by_the_baseline(sms_run):
    assert sms_run.test_scores["roc_auc"] > 0.95
    assert sms_run.record["test"]["baseline"] == 0.5


def test_the_saved_model_is_the_tested_one(sms_run, messages):
    saved = tripos.load(sms_run.path / "model" / "model.tripos")
    tested = pl.read_parquet(sms_run.path / "predictions.parquet")
    rows = messages[tested["row"].to_list()]
    np.testing.assert_array_equal(saved.predict(rows), tested["prediction"].to_numpy())
    np.testing.assert_array_equal(saved.predict_proba(rows)[:, 1], tested["p(spam)"].to_numpy())
    assert tested["truth"].to_list() == rows["label"].to_list()


def test_the_test_score_is_that_of_the_saved_predictions(sms_run):
    tested = pl.read_parquet(sms_run.path / "predictions.parquet")
    accuracy = (tested["truth"] == tested["prediction"]).mean()
    assert sms_run.test_scores["accuracy"] == pytest.approx(accuracy, abs=1e-12)


def test_its_configuration_makes_the_same_run_again(sms_run, tmp_path):
    config, record = read_config(sms_run.path / "config.toml")
    assert config.trials == sms_run.record["search"]["done"]
    again = execute(type(config)(**{**vars(config), "out": str(tmp_path), "time": 1e-9}))
    assert board(again) == board(sms_run)
    assert again.record["test"]["measures"] == sms_run.record["test"]["measures"]
    assert (
        record["fingerprint"]
        == tomllib.loads((again.path / "config.toml").read_text())["record"]["fingerprint"]
    )


def test_another_seed_puts_other_rows_aside(houses, tmp_path):
    rows = [
        pl.read_parquet(run(houses, "price", out=tmp_path, seed=seed, **QUICK).path / "predictions.parquet")[
            "row"
        ]
        for seed in (0, 1)
    ]
    assert rows[0].to_list() != rows[1].to_list()


def test_learners_are_tried_in_their_order_and_refused_with_a_reason(sms_run):
    """Seven evaluations reach the first seven candidates; the others are planned, and the run says that it was cut."""
    record = sms_run.record
    tried = [row["learner"] for row in record["leaderboard"]]
    fitting, refused = candidates_for(Task(**_task_of(record)), Shape(record["rows"]["train"], {"text": 1}))
    assert set(tried) <= {candidate.learner for candidate in fitting}
    assert {row["candidate"] for row in record["refused"]} == {refusal.candidate for refusal in refused}
    assert all(row["reason"] for row in record["refused"])
    assert record["search"]["planned"] >= len(fitting)


def _task_of(record):
    known = {field.name for field in fields(Task)}
    return {name: value for name, value in record["task"].items() if name in known}


def test_a_known_relation_is_found_and_the_leak_is_not_used(houses, tmp_path):
    result = run(houses, "price", out=tmp_path, **QUICK)
    assert result.record["task"]["kind"] == "regression"
    assert result.test_scores["r2"] > 0.85  # one size in twenty is missing
    left_out = {row["column"]: row["reason"] for row in result.record["left_out"]}
    assert set(left_out) == {"key", "country", "tax"}
    assert "leak" in left_out["tax"]
    assert any("'tax'" in text for text in result.record["warnings"])
    assert sorted(result.record["features"]) == ["garden", "size", "sold", "town"]


def test_a_column_that_is_kept_is_used_however_it_looks(houses, tmp_path):
    result = run(houses, "price", out=tmp_path, keep=["tax"], **QUICK)
    assert "tax" in result.record["features"]
    assert result.test_scores["r2"] > 0.999


def test_an_excluded_column_is_neither_used_nor_asked_for_later(houses, tmp_path):
    result = run(houses, "price", out=tmp_path, exclude=["town"], **QUICK)
    assert "town" not in result.record["features"]
    assert len(result.model.predict(houses.drop("town", "tax", "key", "price"))) == len(houses)


def test_rows_without_a_target_are_left_out_and_counted(houses, tmp_path):
    gaps = houses.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise(pl.col("price")).alias("price")
    )
    result = run(gaps, "price", out=tmp_path, **QUICK)
    assert result.record["rows"]["target_missing"] == 40
    assert result.record["rows"]["train"] + result.record["rows"]["test"] == 360
    tested = pl.read_parquet(result.path / "predictions.parquet")
    assert (tested["row"] % 10 != 0).all()
    np.testing.assert_allclose(houses["price"][tested["row"].to_list()], tested["truth"])


def test_groups_stay_together(houses, tmp_path):
    grouped = houses.with_columns(owner=pl.int_range(pl.len()) // 8).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    result = run(grouped, "price", out=tmp_path, group="owner", **QUICK)
    tested = pl.read_parquet(result.path / "predictions.parquet")["row"].to_list()
    owners = grouped["owner"].to_numpy()
    others = np.setdiff1d(np.arange(len(owners)), tested)
    assert not set(owners[tested]) & set(owners[others])
    assert "owner" not in result.record["features"]


def test_a_time_column_puts_the_latest_rows_aside(houses, tmp_path):
    result = run(houses, "price", out=tmp_path, time_column="sold", **QUICK)
    tested = pl.read_parquet(result.path / "predictions.parquet")["row"].to_list()
    others = np.setdiff1d(np.arange(len(houses)), tested)
    assert houses["sold"][tested].min() > houses["sold"][others.tolist()].max()


def test_rows_in_the_order_of_a_date_are_split_by_it_unless_that_is_forbidden(houses, tmp_path):
    ordered = houses.sort("sold")
    by_itself = run(ordered, "price", out=tmp_path, **QUICK)
    assert by_itself.record["split"]["text"].startswith("by time")
    assert any("--time-column none" in text for text in by_itself.record["warnings"])
    forbidden = run(ordered, "price", out=tmp_path, time_column="none", **QUICK)
    assert not forbidden.record["split"]["text"].startswith("by time")


def test_a_candidate_that_fails_is_reported_and_ends_nothing(messages, tmp_path, monkeypatch):
    def fails(self, X, y, sample_weight=None):
        raise ValueError("no luck today")

    monkeypatch.setattr(MultinomialNB, "fit", fails)
    result = run(messages, "label", out=tmp_path, trials=4, verbose=False)
    failed = {row["candidate"]: row["failure"] for row in result.record["leaderboard"] if row["failure"]}
    assert failed == {"MultinomialNB": "no luck today"}
    assert any("no luck today" in text for text in result.record["warnings"])
    assert "no luck today" in result.report.read_text()


def test_when_no_column_helps_the_verdict_says_so(tmp_path):
    random = np.random.default_rng(0)
    noise = pl.DataFrame(
        {"a": random.normal(size=300), "b": random.normal(size=300), "y": random.normal(size=300)}
    )
    result = run(noise, "y", out=tmp_path, **QUICK)
    headline = result.record["verdict"]["headline"]
    assert "Nothing in this table" in headline or "hardly help" in headline


@pytest.mark.parametrize("stop_at", [1, 4])
def test_an_interrupted_run_resumes_to_the_same_end(messages, tmp_path, monkeypatch, stop_at, sms_run):
    table = tmp_path / "sms.csv"
    messages.write_csv(table)
    calls, honest = [], running.cross_validate

    def stops(*about):
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        calls.append(about)
        return honest(*about)

    def goes_on(*about):
        calls.append(about)
        return honest(*about)

    settings = {"out": tmp_path / "runs", "trials": 7, "verbose": False}
    monkeypatch.setattr(running, "cross_validate", stops)
    with pytest.raises(KeyboardInterrupt, match=f"{stop_at} finished evaluations are kept"):
        run(table, "label", **settings)
    calls.clear()
    monkeypatch.setattr(running, "cross_validate", goes_on)
    resumed = run(table, "label", resume=True, **settings)
    assert board(resumed) == board(sms_run)
    assert len(calls) == 7 - stop_at
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_resuming_when_nothing_was_interrupted_starts_afresh(houses, tmp_path):
    table = tmp_path / "houses.parquet"
    houses.write_parquet(table)
    result = run(table, "price", out=tmp_path / "runs", resume=True, **QUICK)
    assert result.record["search"]["done"] == 3


def test_a_full_disk_is_told_and_the_run_goes_on_from_there(messages, tmp_path, monkeypatch):
    import errno

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    table = tmp_path / "sms.csv"
    messages.write_csv(table)
    settings = {"out": tmp_path / "runs", "trials": 4, "verbose": False}
    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", lambda self, path: full(path))
        with pytest.raises(RunError, match=r"is full.*--resume"):
            run(table, "label", **settings)
    (unfinished,) = (tmp_path / "runs").iterdir()
    assert unfinished.name.endswith(".unfinished")
    monkeypatch.setattr(running, "cross_validate", lambda *about: pytest.fail("an evaluation was made twice"))
    assert run(table, "label", resume=True, **settings).record["status"] == "complete"


def test_the_result_can_be_opened_again(sms_run):
    again = Run.open(sms_run.path)
    assert again.record == json.loads(json.dumps(sms_run.record))
    assert again.test_scores == sms_run.test_scores
    assert again.leaderboard["candidate"].to_list() == sms_run.leaderboard["candidate"].to_list()
    assert "ROC AUC" in again._repr_html_()


def test_an_evaluation_without_patience_is_given_up_after_its_first_fold(messages, tmp_path, monkeypatch):
    honest = running.cross_validate

    def hurried(step_candidate, *about):
        impatient = step_candidate.learner == "GaussianNB"
        return honest(step_candidate, *about[:-1], 0.0 if impatient else math.inf)

    monkeypatch.setattr(running, "cross_validate", hurried)
    result = run(
        messages, "label", out=tmp_path, candidates=["MultinomialNB", "GaussianNB"], trials=4, verbose=False
    )
    given_up = {row["candidate"]: row["failure"] for row in result.record["leaderboard"] if row["abandoned"]}
    assert list(given_up) == ["GaussianNB"]
    assert "given up after 1 of 5 folds" in given_up["GaussianNB"]
    assert result.record["search"]["cut"]
    again, _ = read_config(result.path / "config.toml")
    assert again.candidates == ("MultinomialNB",)
    assert again.trials == 3
