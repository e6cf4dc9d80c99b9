"""The report: one HTML file made from what a run's folder holds, with every value escaped.

`write_report(folder)` needs nothing but the folder, so that a report can be made again, by a later version too.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

import tripos
from tripos.compute.budget import readable_bytes
from tripos.data.messages import counted
from tripos.workflow import figures, wording
from tripos.workflow.profile_table import profile_rows
from tripos.workflow.progress import printable
from tripos.workflow.store import read_json, write_atomic

SECTIONS = {
    "result": "Result",
    "task": "Task",
    "leaderboard": "Leaderboard",
    "test": "Test",
    "learning": "Learning curve",
    "uses": "What it uses",
    "data": "Data",
    "use": "Use the model",
    "made": "How it was made",
}
MOST_COLUMNS = 200  # of the profile's table; beyond, the rest is in metrics.json


def write_report(folder: Path) -> Path:
    """Makes `report.html` of a run's folder."""
    record = read_json(folder / "metrics.json")
    predictions = pl.read_parquet(folder / "predictions.parquet")
    config = (folder / "config.toml").read_text(encoding="utf-8")
    path = folder / "report.html"
    write_atomic(path, render(record, predictions, config, folder.name.removesuffix(".unfinished")))
    return path


def render(record: Mapping[str, Any], predictions: pl.DataFrame, config: str, folder: str) -> str:
    """The page as text.

    Parameters
    ----------
    record : mapping
        As in `metrics.json`.
    predictions : polars DataFrame
        As in `predictions.parquet`: row, truth, prediction, p(class).
    config : str
        The text of `config.toml`.
    folder : str
        Name of the run's folder, for the commands that use it.
    """
    import jinja2

    templates = files("tripos.workflow") / "templates"
    texts = {
        name: (templates / f"report.{name}").read_text(encoding="utf-8") for name in ("html.j2", "css", "js")
    }
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    safe = environment.filters["safe"]
    pictures = {name: safe(svg) for name, svg in figures.draw(record, predictions).items()}
    return environment.from_string(texts["html.j2"]).render(
        style=safe(texts["css"]),
        script=safe(texts["js"]),
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(texts["js"].encode()).digest()).decode(),
        version=tripos.__version__,
        sections=[{"id": name, "title": title} for name, title in SECTIONS.items()],
        figures=_Missing(pictures),
        created=record["created"],
        table_name=printable(record["name"]),
        task=record["task"],
        verdict=record["verdict"],
        warnings=record["warnings"],
        **_result(record),
        **_choice(record),
        learning=_learning(record),
        uses=_uses(record),
        data=_data(record, safe),
        use=_use(record, folder),
        made=_made(record, config),
    )


class _Missing(dict):  # type: ignore[type-arg]
    """Figures that a run does not have are empty, everything else that is undefined is an error."""

    def __missing__(self, key: str) -> str:
        return ""


def _result(record: Mapping[str, Any]) -> dict[str, Any]:
    """The tiles, the strip and the tables of the test."""
    test, name, rows = record["test"], record["metric"], record["rows"]
    show = {k: wording.shown(name, test[k]) for k in ("score", "low", "high", "baseline")}
    measures = [
        {
            "title": row["title"],
            "chosen": row["name"] == name,
            "less": row.get("less"),
            "value": wording.shown(row["name"], row.get("value")) or "not defined here",
            "interval": f"{wording.shown(row['name'], row['low'])} to {wording.shown(row['name'], row['high'])}"
            if "value" in row
            else "",
            "baseline": wording.shown(row["name"], row.get("baseline")),
        }
        for row in test["measures"]
    ]
    text = (
        "The winner and the baseline, fitted on all rows of training and scored on rows that nothing before this was "
        "allowed to look at. Intervals come from resampling the test rows."
    )
    strip = figures.strip(test["score"], test["low"], test["high"], test["baseline"], record["perfect"])
    strip |= {"from": wording.shown(name, strip["left"]), "to": wording.shown(name, strip["right"])}
    strip["label"] = (
        f"Test score {show['score']}, interval {show['low']} to {show['high']}, baseline {show['baseline']}"
    )
    return {
        "metric": {"title": record["metric_title"], "minimise": record["minimise"]},
        "test": {**show, "rows": f"{test['rows']:,}", "measures": measures, "text": text},
        "baseline": {
            "score": show["baseline"],
            "says": wording.baseline_says(record["task"]),
            "note": "what it takes to be of use",
        },
        "strip": strip,
        "rows": {"text": _rows_text(rows)},
        "split": record["split"],
    }


def _rows_text(rows: Mapping[str, int]) -> str:
    text = f"{rows['train']:,} rows to learn from and {rows['test']:,} to test on, of {rows['read']:,} in the table"
    return text + (
        f"; {rows['target_missing']:,} have no target and were left out" if rows["target_missing"] else ""
    )


def _choice(record: Mapping[str, Any]) -> dict[str, Any]:
    """The leaderboard's table and what is said of the winner."""
    board, found = record["leaderboard"], record["search"]
    rows = []
    for row in board:
        rows.append(
            {
                "candidate": row["candidate"],
                "winner": row["candidate"] == record["winner"],
                "baseline": row["baseline"],
                "failure": row["failure"],
                "warnings": row["warnings"],
                "params": params_text(row["params"]),
                "score": wording.shown(record["metric"], row["score"]),
                "error": wording.shown(record["metric"], row["error"]),
                "fit": _seconds(row["fit_seconds"]),
                "predict": _seconds(row["predict_seconds"]),
                "size": readable_bytes(row["size"]),
                "interpretability": row["interpretability"]
                + ("" if row["rows"] == found["rows"] else f" ({row['rows']:,} rows)"),
                "trials": row["trials"],
            }
        )
    text = (
        f"{len(board)} candidates, {found['done']} evaluations, each by {found['folds']} folds of "
        f"{found['rows']:,} training rows. Every preparation (filled gaps, levels, words, scales) was learned in each "
        "fold from that fold's training rows only."
    )
    cut = (
        f" Time cut the search: at most {found['planned']} evaluations were planned." if found["cut"] else ""
    )
    if board[0]["candidate"] != record["winner"]:
        cut += (
            f" {record['winner']} is within one standard error of {board[0]['candidate']}, which gives no probabilities, "
            "and is therefore chosen."
        )
    params = params_text(record["params"])
    note = f"{params or 'default parameters'} · {readable_bytes(record['model_bytes'])} on disk"
    return {
        "leaderboard": {"rows": rows, "text": text + cut, "refused": record["refused"]},
        "winner": {"learner": record["winner"], "note": note},
    }


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line."""
    return ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())


def _seconds(seconds: float | None) -> str:
    return wording.readable_seconds(math.nan if seconds is None else seconds)


def _learning(record: Mapping[str, Any]) -> dict[str, Any]:
    curve, name = record["learning"], record["metric"]
    rows = []
    for size, fit, valid in zip(curve["sizes"], curve["train"], curve["valid"]):
        mean = sum(valid) / len(valid)
        spread = math.sqrt(sum((v - mean) ** 2 for v in valid) / max(len(valid) - 1, 1) / len(valid))
        shown = {"train": sum(fit) / len(fit), "valid": mean}
        rows.append(
            {"size": f"{size:,}", **{k: wording.shown(name, v) for k, v in shown.items()}}
            | {"error": wording.shown(name, spread) if len(valid) > 1 else ""}
        )
    cut = " The curve ends early: its time was over." if curve["cut"] else ""
    return {"headline": curve["headline"], "text": curve["text"] + cut, "rows": rows}


def _uses(record: Mapping[str, Any]) -> dict[str, Any]:
    uses, title = record["uses"], record["metric_title"]
    found, effects = uses.get("importances"), uses.get("coefficients")
    if not found:
        return {
            "text": "The baseline looks at no column.",
            "importance_caption": "",
            "coefficient_caption": "",
        }
    text = _leading(found, title)
    caption = (
        f"Loss of {title} when one column is shuffled, on {found['rows']:,} rows held out from the fit. "
        "Columns that tell the same share their importance."
    )
    toward = (
        ""
        if not effects
        else f" To the right: toward “{effects['toward']}”."
        if effects["toward"] and record["task"]["kind"] == "binary"
        else ""
    )
    effect = (
        "Coefficient times the spread of its column: what moves the answer most, "
        f"of {effects['columns']:,} encoded columns.{toward}"
        if effects
        else ""
    )
    return {"text": text, "importance_caption": caption, "coefficient_caption": effect}


def _leading(found: Mapping[str, Any], title: str) -> str:
    """Which columns the model would miss most."""
    leading = [name for name, mean in zip(found["names"], found["mean"]) if mean > 0][:3]
    if len(found["names"]) == 1:
        only, loss = found["names"][0], found["mean"][0]
        return f"There is one column to learn from, {only}; shuffling it costs {loss:.3g} of {title}."
    if not leading:
        return "No single column is missed when it is shuffled: what they tell, they tell together."
    named = leading[0] if len(leading) == 1 else f"{', '.join(leading[:-1])} and {leading[-1]}"
    return f"It leans most on {named}."


def _data(record: Mapping[str, Any], safe: Any) -> dict[str, Any]:
    rows = profile_rows(record)
    shown = rows[:MOST_COLUMNS]
    for row in shown:
        row["sketch"] = safe(figures.sketch(row))
    left_out = len(record["left_out"])
    text = counted(len(record["features"]), "column is", "columns are") + " learned from"
    text += f", {left_out:,} left out with the reason beside." if left_out else "."
    text += " What is said here was learned from the training rows alone."
    more = f"{len(rows) - MOST_COLUMNS} more columns are in metrics.json." if len(rows) > MOST_COLUMNS else ""
    return {"columns": shown, "text": text, "more": more}


def _use(record: Mapping[str, Any], folder: str) -> dict[str, str]:
    place = f"runs/{folder}"
    table = "new-rows.csv"
    shell = f"tripos predict {place} {table} --out predictions.csv"
    lines = [
        "import tripos\n",
        f'model = tripos.load("{place}/model/model.tripos")  # runs no code from the file',
        f'rows = tripos.read_table("{table}")',
        "model.predict(rows)",
    ]
    if record["task"]["kind"] != "regression" and record.get("gives_probabilities", True):
        lines.append("model.predict_proba(rows)  # probabilities, columns in the order of model.classes_")
    python = "\n".join(lines)
    return {"shell": shell, "python": python}


def _made(record: Mapping[str, Any], config: str) -> dict[str, Any]:
    seconds = record["seconds"]
    memory = record["peak_memory"]
    cut = (
        "The search was cut by time" if record["search"]["cut"] else "The search went through its whole plan"
    )
    text = (
        f"{cut}. This configuration makes the same run again, with the same number of evaluations however fast the "
        "machine is: tripos run --config config.toml"
    )
    facts = [
        ("seconds", f"{seconds['all']:.0f} in all, {seconds['search']:.0f} of them for the search"),
        ("peak memory", readable_bytes(memory) if memory else "not known"),
        *record["versions"].items(),
    ]
    return {"text": text, "config": config.strip(), "facts": facts}
