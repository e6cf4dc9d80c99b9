"""A run's folder is whole or visibly unfinished, and its journal survives being cut anywhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import tripos
from tripos.errors import RunError
from tripos.workflow import store
from tripos.workflow.config import RunConfig
from tripos.workflow.store import Journal, RunFolder

CONFIG = RunConfig(table="t.csv", target="y")


def begin(out: Path, fingerprint: str = "f", version: str = tripos.__version__, **settings) -> RunFolder:
    folder = RunFolder.create(out, "t")
    config = RunConfig(**{"table": "t.csv", "target": "y", "out": str(out), **settings})
    folder.write(
        "config.toml",
        config.to_toml({"fingerprint": fingerprint, "created": "2026-01-01", "tripos": version}),
    )
    return folder


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_journal_cut_anywhere_keeps_the_whole_lines_before_the_cut(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for k in range(5):
        journal.put(f"key {k}", {"score": k / 3})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    whole = content[: len(content) - cut].count(b"\n")
    reopened = Journal(path)
    assert list(reopened.entries) == [f"key {k}" for k in range(whole)]
    reopened.put("after", {"score": 1.0})
    assert Journal(path).get("after") == {"score": 1.0}


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    store.write_atomic(path, "old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match=r"disk that holds .* is full.*--resume"):
        store.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_a_real_full_device_is_told_plainly():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with pytest.raises(RunError, match="is full"), store.clear_disk_errors(Path("/dev")):
        Path("/dev/full").write_bytes(b"x" * 10_000)


def test_a_folder_has_its_final_name_only_when_finished(tmp_path):
    folder = begin(tmp_path)
    assert [r.status for r in store.list_runs(tmp_path)] == ["running"]
    folder.close()
    assert [r.status for r in store.list_runs(tmp_path)] == ["interrupted"]
    folder.write_json("metrics.json", {"winner": "Ridge", "metric": "r2", "test": {"score": 0.5}})
    final = folder.finish()
    assert sorted(p.name for p in final.iterdir()) == ["config.toml", "metrics.json"]
    assert [(r.status, r.score) for r in store.list_runs(tmp_path)] == [("complete", 0.5)]


def test_two_runs_in_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(store.time, "strftime", lambda pattern: "20260101-000000")
    assert RunFolder.create(tmp_path, "t").path != RunFolder.create(tmp_path, "t").path


def test_a_run_in_progress_cannot_be_resumed_by_a_second_process(tmp_path):
    running = begin(tmp_path)
    with pytest.raises(RunError, match="another process"):
        store.find_resumable(RunConfig(table="t.csv", target="y", out=str(tmp_path)), "f")
    running.close()


def test_resume_refuses_a_changed_table_and_changed_settings(tmp_path):
    begin(tmp_path).close()
    asked = RunConfig(table="t.csv", target="y", out=str(tmp_path))
    with pytest.raises(RunError, match="table has changed"):
        store.find_resumable(asked, "another")
    with pytest.raises(RunError, match="seed is 7 now and was 0 then"):
        store.find_resumable(RunConfig(table="t.csv", target="y", out=str(tmp_path), seed=7), "f")
    found = store.find_resumable(asked, "f")
    assert found is not None
    assert found.name.endswith(store.UNFINISHED)


def test_resume_refuses_scores_of_another_version(tmp_path):
    begin(tmp_path, version="0.0.1").close()
    with pytest.raises(RunError, match="begun by tripos 0.0.1"):
        store.find_resumable(RunConfig(table="t.csv", target="y", out=str(tmp_path)), "f")


def test_an_unfinished_run_is_not_taken_for_a_whole_one(tmp_path):
    folder = begin(tmp_path)
    folder.close()
    with pytest.raises(RunError, match="did not finish"):
        store.resolve_run(folder.path)
    with pytest.raises(RunError, match="no finished run"):
        store.resolve_run("last", tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_become_null(tmp_path, value):
    store.write_json(tmp_path / "x.json", {"score": value})
    assert store.read_json(tmp_path / "x.json") == {"score": None}
