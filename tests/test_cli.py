"""The command line is light, says how it is used, and tells outcomes by its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import tripos
from tripos import cli

COMMANDS = ("run", "predict", "report", "runs", "warm", "doctor")
HEAVY = {"numpy", "scipy", "numba", "sklearn", "polars", "matplotlib", "optuna", "rich", "torch"}


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, list(arguments))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; import tripos.cli;"
        "CliRunner().invoke(tripos.cli.app, ['--help']);"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"Example: tripos {command}" in result.output


def test_the_help_names_every_command_and_the_exit_codes():
    text = invoke("--help").output
    assert all(f"  {command} " in text for command in COMMANDS)
    assert "130 stopped by Ctrl-C" in text


def test_the_version_is_that_of_the_package():
    assert invoke("--version").output == f"tripos {tripos.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "t.csv"], ["nosuch"], ["runs", "--nosuch"], ["predict", "last"]]
)
def test_a_usage_error_has_exit_code_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_an_error_is_one_sentence_and_debug_shows_where():
    result = invoke("run", "nosuch.csv", "--target", "y")
    assert result.exit_code == cli.BAD_INPUT
    assert result.stderr.startswith("tripos: There is no file 'nosuch.csv'")
    assert "Traceback" not in result.output
    assert (
        invoke("run", "nosuch.csv", "--target", "y", "--debug").exception.__class__.__name__ == "TableError"
    )


def test_an_error_in_json_has_the_text_and_the_code():
    result = invoke("run", "nosuch.csv", "--target", "y", "--json")
    told = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code == cli.BAD_INPUT
    assert "nosuch.csv" in told["error"]


def test_an_error_of_our_own_making_has_exit_code_1(monkeypatch):
    def breaks(*about):
        raise RuntimeError("a bolt came loose")

    monkeypatch.setattr("tripos.workflow.store.list_runs", breaks)
    result = invoke("runs")
    assert result.exit_code == cli.FAILED
    assert "a bolt came loose" in result.output
    assert "--debug" in result.output


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What `tripos run --json` printed of a small run."""
    folder = tmp_path_factory.mktemp("cli")
    b, noise = [k % 7 for k in range(80)], [(11 * k) % 4 for k in range(80)]
    rows = pl.DataFrame(
        {"a": range(80), "b": b, "y": ["yes" if x + z > 4 else "no" for x, z in zip(b, noise)]}
    )
    rows.sample(fraction=1.0, shuffle=True, seed=0).write_csv(folder / "t.csv")
    result = invoke(
        "run",
        str(folder / "t.csv"),
        "--target",
        "y",
        "--out",
        str(folder / "runs"),
        "--trials",
        "3",
        "--json",
    )
    assert result.exit_code == 0, result.output
    assert "Search" in result.stderr
    return json.loads(result.stdout)


def runs_of(finished: dict) -> str:
    return str(Path(finished["path"]).parent)


def test_a_run_in_json_names_its_parts(finished):
    assert Path(finished["report"]).is_file()
    assert Path(finished["model"]).is_file()
    assert finished["metric"] == "roc_auc"
    assert finished["test"]["rows"] == 16


def test_the_runs_are_listed(finished):
    assert "complete" in invoke("runs", "--out", runs_of(finished)).output
    (told,) = json.loads(invoke("runs", "--out", runs_of(finished), "--json").stdout)
    assert told["path"] == finished["path"]


def test_a_report_is_made_again_from_what_was_saved(finished):
    report = Path(finished["report"])
    before = report.read_text()
    report.unlink()
    result = invoke("report", "last", "--runs", runs_of(finished))
    assert result.exit_code == 0
    assert result.output.strip() == str(report.resolve())
    assert report.read_text() == before


def test_predictions_go_to_standard_output_as_csv(finished, tmp_path):
    pl.DataFrame({"a": [1, 2], "b": [6, 0], "note": ["x", "y"]}).write_csv(tmp_path / "new.csv")
    result = invoke("predict", finished["path"], str(tmp_path / "new.csv"), "--carry", "note")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "row,note,prediction,p(no),p(yes)"
    assert [line.split(",")[2] for line in result.stdout.splitlines()[1:]] == ["yes", "no"]


def test_a_missing_column_is_named_when_predicting(finished, tmp_path):
    pl.DataFrame({"a": [1, 2], "bb": [6, 0]}).write_csv(tmp_path / "new.csv")
    result = invoke("predict", finished["path"], str(tmp_path / "new.csv"))
    assert result.exit_code == cli.BAD_INPUT
    assert "'b'" in result.output


def test_a_configuration_file_makes_the_run_again(finished, tmp_path):
    config = Path(finished["path"]) / "config.toml"
    result = invoke("run", "--config", str(config), "--out", str(tmp_path), "--json")
    again = json.loads(result.stdout)
    assert again["leaderboard"] == finished["leaderboard"]
    assert again["test"] == finished["test"]


def test_the_doctor_tells_versions_and_threads():
    told = json.loads(invoke("doctor", "--json").stdout)
    assert told["packages"]["tripos"] == tripos.__version__
    assert "threads" in invoke("doctor").output
