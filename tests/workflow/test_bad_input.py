"""Whatever a table is like, a run ends well or says in one sentence what to change, and leaves no half-written artifact."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tripos.cli import app
from tripos.errors import BudgetError
from tripos.workflow.run import run
from tripos.workflow.store import UNFINISHED

ROWS = "".join(f"{k},{k % 7},{'yes' if k % 3 else 'no'}\n" for k in range(60))


def tried(tmp_path: Path, content: bytes | str | None, *arguments: str, name: str = "table.csv"):
    """`tripos run` on a file with this content; nothing may be left where runs go."""
    table = tmp_path / name
    if content is not None:
        table.write_bytes(content.encode() if isinstance(content, str) else content)
    result = CliRunner().invoke(
        app, ["run", str(table), "--out", str(tmp_path / "runs"), "--trials", "2", *arguments]
    )
    if result.exit_code:
        assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
    return result


@pytest.mark.parametrize(
    ("content", "target", "says"),
    [
        pytest.param(None, "y", "There is no file", id="missing file"),
        pytest.param("", "y", "is empty", id="empty file"),
        pytest.param("a,b,y\n", "y", "no rows", id="header only"),
        pytest.param("y\n" + "1\n2\n" * 20, "y", "one column", id="one column"),
        pytest.param("a,b,y\n1,2,yes\n", "y", "at least two rows", id="one row"),
        pytest.param("a,b,y\n1,2,yes\n2,3,no\n3,4,yes\n", "y", "too few to learn from", id="three rows"),
        pytest.param("a,b,survived\n" + ROWS, "surived", "Did you mean 'survived'?", id="no such column"),
        pytest.param("a,b,y\n" + ROWS.replace("yes", "no"), "y", "in every row", id="constant target"),
        pytest.param(
            "a,b,y\n" + ROWS.replace("yes", "").replace("no", ""),
            "y",
            "has no value",
            id="target all missing",
        ),
        pytest.param(
            "a,y\n" + "".join(f",{k}\n" for k in range(50)),
            "y",
            "no column is left",
            id="only an empty column",
        ),
        pytest.param(
            "a,y\n" + "".join(f"{k % 9},word{k % 10_000}\n" for k in range(20_000)),
            "y",
            "10,000 classes",
            id="10,000 classes",
        ),
        pytest.param(
            "a,y\n" + "".join(f"{k},{'inf' if k == 5 else k / 7}\n" for k in range(50)),
            "y",
            "infinite",
            id="infinite target",
        ),
        pytest.param(
            gzip.compress(("a,b,y\n" + ROWS).encode())[:60], "y", "damaged or cut short", id="cut gzip"
        ),
        pytest.param(b"%PDF-1.7 ...." * 50, "y", "PDF", id="a document"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused_in_one_sentence(tmp_path, content, target, says):
    result = tried(tmp_path, content, "--target", target)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "regression"], "needs numbers"),
        (["--task", "guessing"], "task must be one of"),
        (["--metric", "rmse"], "is for regression, not binary"),
        (["--metric", "acuracy"], "'accuracy'"),
        (["--group", "owner"], "--group names 'owner'"),
        (["--time-column", "when"], "--time-column names 'when'"),
        (["--exclude", "c"], "--exclude names 'c'"),
        (["--test", "1.5"], "between 0 and 1"),
        (["--candidate", "Rigde"], "no candidate for binary is called Rigde"),
        (["--kind", "a=color"], "is no kind of column"),
        (["--kind", "a"], "COLUMN=KIND"),
    ],
)
def test_an_option_that_does_not_fit_is_named(tmp_path, arguments, says):
    result = tried(tmp_path, "a,b,y\n" + ROWS, "--target", "y", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output


def finished(tmp_path: Path) -> dict:
    (folder,) = (tmp_path / "runs").iterdir()
    return json.loads((folder / "metrics.json").read_text())


def test_a_target_with_missing_values_loses_those_rows(tmp_path):
    assert tried(tmp_path, "a,b,y\n" + ROWS.replace("4,4,yes", "4,4,"), "--target", "y").exit_code == 0
    assert finished(tmp_path)["rows"]["target_missing"] > 0


def test_a_column_without_any_value_is_left_out_and_named(tmp_path):
    rows = "".join(f"{k},,{k * 2.5 + k % 7}\n" for k in range(60))
    result = tried(tmp_path, "a,empty,y\n" + rows, "--target", "y", "--keep", "a")
    assert result.exit_code == 0, result.output
    assert {"column": "empty", "reason": "constant: no values at all"} in finished(tmp_path)["left_out"]


def test_infinite_numbers_are_read_as_missing_which_is_said(tmp_path):
    rows = "".join(f"{'inf' if k == 7 else k / 3},{k % 7},{'yes' if k % 3 else 'no'}\n" for k in range(60))
    result = tried(tmp_path, "a,b,y\n" + rows, "--target", "y")
    assert result.exit_code == 0, result.output
    assert "infinite in 1 row" in " ".join(result.output.split())


def test_another_encoding_is_found_and_said(tmp_path):
    rows = "".join(
        f"{'Köln' if k % 2 else 'Zürich'},{k % 7},{'ja' if k % 3 else 'nein'}\n" for k in range(60)
    )
    result = tried(tmp_path, ("stadt,b,y\n" + rows).encode("latin-1"), "--target", "y")
    assert result.exit_code == 0, result.output
    assert "is not UTF-8" in " ".join(result.output.split())


def test_a_rare_class_does_not_end_the_run(tmp_path):
    rows = ROWS + "61,3,perhaps\n"
    assert tried(tmp_path, "a,b,y\n" + rows, "--target", "y").exit_code == 0


def test_a_table_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    table = tmp_path / "large.csv"
    with table.open("w") as file:
        file.write("a,b,y\n")
        for _ in range(50):
            file.write(ROWS * 1500)
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "50MB")
    with pytest.raises(BudgetError, match=r"needs .*MiB.*Instead"):
        run(table, "y", out=tmp_path / "runs", verbose=False)
    assert not (tmp_path / "runs").exists()


def test_a_parquet_file_larger_than_memory_is_refused_as_well(tmp_path, monkeypatch):
    table = tmp_path / "large.parquet"
    pl.DataFrame({"a": np.zeros(8_000_000), "y": np.ones(8_000_000)}).write_parquet(table)
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "50MB")
    with pytest.raises(BudgetError, match="needs"):
        run(table, "y", out=tmp_path / "runs", verbose=False)


def test_names_that_are_code_are_shown_as_text(tmp_path):
    nasty = "<script>alert(1)</script>"
    rows = "".join(f"{k},{k % 7},{'<b>yes</b>' if k % 3 else '[red]no[/]'}\n" for k in range(60))
    result = tried(tmp_path, f'{nasty},"$x^2$ {{{{7*7}}}}",y\n{rows}', "--target", "y")
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "runs").iterdir()
    page = (folder / "report.html").read_text()
    assert nasty not in page
    assert "<b>yes</b>" not in page
    assert "{{7*7}}" in page


@pytest.fixture
def slow_table(tmp_path: Path, sms_spam_file: Path) -> Path:
    """A table whose search takes many seconds, so that there is time to stop it."""
    table = tmp_path / "sms.tsv"
    table.write_bytes(gzip.decompress(sms_spam_file.read_bytes())[:150_000].rpartition(b"\n")[0])
    return table


def started(table: Path, *arguments: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "tripos",
        "run",
        str(table),
        "--target",
        "label",
        "--out",
        str(table.parent / "runs"),
    ]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journal_of(out: Path, lines: int, process: subprocess.Popen, seconds: float = 300.0) -> Path:
    """The unfinished run's folder, once its journal has so many lines."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        for journal in out.glob(f"*{UNFINISHED}/journal.jsonl"):
            if journal.read_bytes().count(b"\n") >= lines:
                return journal.parent
        time.sleep(0.02)
    raise AssertionError(f"no journal of {lines} lines: {process.communicate()}")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_by_a_signal_resumes_and_makes_nothing_twice(slow_table, number, code):
    process = started(slow_table)
    folder = journal_of(slow_table.parent / "runs", 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    before = (folder / "journal.jsonl").read_bytes().count(b"\n")
    assert not (folder / "metrics.json").exists()

    resumed = started(slow_table, "--resume", "--trials", str(before), "--json")
    output, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    result = json.loads(output)
    assert result["search"]["done"] == before
    assert [path.name for path in (slow_table.parent / "runs").iterdir()] == [Path(result["path"]).name]
