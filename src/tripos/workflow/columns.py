"""Which columns a run learns from and orders its rows by; keys, constants and leaks stay out, and it says so."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from tripos.data.messages import listed, quoted
from tripos.data.profile import Profile
from tripos.data.schema import Schema
from tripos.data.schema_conform import UNUSED
from tripos.errors import RunError
from tripos.workflow.config import RunConfig
from tripos.workflow.progress import Display, Notes

FEWEST_TIMES = 20  # different dates, before rows in their order are taken for a series
NEARLY_SURE = 0.995  # AUC or R2 of one column far above all others: more often a leak than luck


def choose_columns(schema: Schema, frame: pl.DataFrame, config: RunConfig) -> tuple[Schema, dict[str, str]]:
    """The schema without columns that only name rows, say nothing or are excluded; with those the user keeps."""
    left_out: dict[str, str] = {}
    for name, column in schema.columns.items():
        if name == schema.target:
            continue
        if name in config.keep and column.kind in UNUSED:
            schema = schema.override(name, "category" if column.dtype == "String" else "number", frame)
        elif column.kind in UNUSED:
            left_out[name] = (
                f"{'an identifier' if column.kind == 'identifier' else 'constant'}: {column.reason}"
            )
    for name in (*config.exclude, *([config.group] if config.group is not None else [])):
        left_out[name] = (
            "excluded as asked" if name in config.exclude else "its groups are kept together in the split"
        )
        schema = _left_out(schema, name, left_out[name])
    return schema, left_out


def _left_out(schema: Schema, name: str, reason: str) -> Schema:
    """The schema with a column that is not learned from and that a new table need not have."""
    column = replace(schema.columns[name], kind="identifier", reason=f"left out: {reason}")
    changed = Schema.from_dict(schema.to_dict())
    changed.columns[name] = column
    return changed


def without_leaks(
    schema: Schema, found: Profile, left_out: dict[str, str], config: RunConfig, said: Notes
) -> Schema:
    """Leaves out the columns that hold the answer, unless the user keeps them, and says so loudly."""
    scores = {column["name"]: column["score"]["value"] for column in found.columns if column["score"]}
    leaks: dict[str, list[str]] = {}  # evidence -> columns
    for suspect in found.suspects:
        if suspect.kind == "identifier" or suspect.column in left_out:
            continue
        alone = suspect.kind == "predicts the target alone" and scores.get(suspect.column, 0.0) >= NEARLY_SURE
        if (suspect.certain or alone) and suspect.column not in config.keep:
            leaks.setdefault(suspect.evidence, []).append(suspect.column)
        elif suspect.kind == "repeats a column":
            said.note(suspect.evidence)
        else:
            said.warn(suspect.evidence + (" It is used, as asked." if suspect.column in config.keep else ""))
    for evidence, columns in leaks.items():
        keep = " ".join(f"--keep {shlex.quote(name)}" for name in columns)
        said.warn(
            f"Leak: {evidence} {quoted(columns)} left out, since a model that uses it has learned nothing; "
            f"{keep} uses it all the same."
        )
        for name in columns:
            left_out[name] = f"a leak: {evidence}"
            schema = _left_out(schema, name, left_out[name])
    return schema


def time_column(frame: pl.DataFrame, schema: Schema, config: RunConfig) -> str | None:
    """The column to order by: the one asked for, or a date in whose order the rows already stand."""
    if config.time_column is not None or config.group is not None:
        return config.time_column if config.timed else None
    for name, column in schema.columns.items():
        if column.kind == "date" and name != schema.target:
            when = instants(frame, name, schema)
            if not when.null_count() and when.is_sorted() and when.n_unique() >= FEWEST_TIMES:
                return name
    return None


def instants(frame: pl.DataFrame, name: str, schema: Schema) -> pl.Series:
    """The times as they sort: dates parsed as the schema reads them."""
    column = schema.columns[name]
    return Schema({name: column}).conform(frame.select(name))[name] if column.kind == "date" else frame[name]


def say_columns(schema: Schema, left_out: Mapping[str, str], display: Display) -> None:
    """Tells what is learned from, by kind, and what is not; refuses a table of which nothing is left."""
    for column, reason in left_out.items():
        display.fact("left out", f"{column}: {reason}")
    if not schema.features:
        reasons = "; ".join(f"{column}: {reason}" for column, reason in left_out.items())
        raise RunError(f"no column is left to learn from: {reasons}")
    by_kind: dict[str, list[str]] = {}
    for name in schema.features:
        by_kind.setdefault(schema.columns[name].kind, []).append(name)
    for kind, names in by_kind.items():
        display.fact(kind, f"{len(names):,}: {listed(names, 8)}")
