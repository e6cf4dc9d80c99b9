"""What a run gives back in Python: the model, the leaderboard, the test scores and where everything lies."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from tripos.workflow import wording
from tripos.workflow.leaderboard import Leaderboard, Standing
from tripos.workflow.store import read_json, resolve_run


class Run:
    """A finished run.

    Attributes
    ----------
    path : Path
        The run's folder.
    report : Path
        The report, one HTML file.
    record : dict
        All that was measured, as in `metrics.json`.
    model : Pipeline
        Takes tables as raw as the one it learned from: `run.model.predict(new_table)`.

    Examples
    --------
    >>> run = tripos.run("churn.csv", "churn")  # doctest: +SKIP
    >>> run.model.predict(pl.read_csv("new-customers.csv"))  # doctest: +SKIP
    """

    def __init__(self, path: Path, record: dict[str, Any], model: Any = None) -> None:
        self.path, self.record = path, record
        self._model = model

    @classmethod
    def open(cls, run: Path | str = "last", out: Path | str = "runs") -> Run:
        """A run made before, from its folder, its name under `out`, or "last"."""
        path = resolve_run(run, out)
        return cls(path, read_json(path / "metrics.json"))

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def model(self) -> Any:
        if self._model is None:
            from tripos import artifact

            self._model = artifact.load(self.path / "model" / "model.tripos")
        return self._model

    @property
    def leaderboard(self) -> Any:
        """The candidates, best first, as a polars frame."""
        standings = [Standing.from_dict(row) for row in self.record["leaderboard"]]
        return Leaderboard(not self.record["minimise"], standings).to_frame()

    @property
    def test_scores(self) -> dict[str, float]:
        """Every measure on the test rows."""
        return {row["name"]: row["value"] for row in self.record["test"]["measures"] if "value" in row}

    def to_dict(self) -> dict[str, Any]:
        """What `tripos run --json` prints."""
        kept = (
            "task",
            "metric",
            "winner",
            "params",
            "test",
            "rows",
            "features",
            "left_out",
            "search",
            "warnings",
            "verdict",
        )
        places = {
            "path": str(self.path),
            "report": str(self.report),
            "model": str(self.path / "model" / "model.tripos"),
        }
        board = [
            {k: row[k] for k in ("candidate", "score", "error", "params", "rows", "failure")}
            for row in self.record["leaderboard"]
        ]
        rest = {k: self.record[k] for k in ("seconds", "peak_memory")}
        return {**places, **{k: self.record[k] for k in kept}, "leaderboard": board, **rest}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})\n{self.record['verdict']['headline']}"

    def _repr_html_(self) -> str:
        """The verdict and the leaderboard, for a notebook."""
        record, cell = self.record, html.escape
        rows = "".join(
            f"<tr><td>{cell(row['candidate'])}</td><td>{wording.shown(record['metric'], row['score'])}</td></tr>"
            for row in record["leaderboard"]
        )
        return (
            f"<p><strong>{cell(record['verdict']['headline'])}</strong></p><p>{cell(record['verdict']['detail'])}</p>"
            f"<table><thead><tr><th>candidate</th><th>{cell(record['metric_title'])}</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><p>Report: <code>{cell(str(self.report))}</code></p>"
        )
