"""`profile`: what is in each column, how it goes with the target, and which columns to suspect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from tripos.compute.random import generator
from tripos.data.messages import counted
from tripos.data.profile_leaks import Suspect, adding_up, far_codes, fixing_levels, lone_predictors, repeats
from tripos.data.profile_links import Link, Target, link
from tripos.data.schema import Schema
from tripos.data.schema_conform import UNUSED
from tripos.data.schema_kinds import Column

SAMPLE = 100_000  # rows on which columns are compared with the target and with each other
PAIR_SAMPLE = 20_000
MOST_COMPARED = 2_000  # columns compared with the target
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 5
MOST_REPEATED = 0.5  # different values per row, beyond which the most frequent one says nothing
SHAPE_BARS = 20
LONGEST_VALUE = 80


@dataclass(frozen=True)
class Profile:
    """What `profile` found.

    Attributes
    ----------
    rows : int
    duplicate_rows : int
        Rows that repeat an earlier one in every column but identifiers.
    columns : list of dict
        Per column: name, kind, role, missing, missing_share, distinct; min, max, mean, sd, quantiles of numbers and
        dates; top (most frequent values with their rows); sketch (rows per bar of a small histogram); association and
        score with the target (measure, value).
    suspects : list of Suspect
    sampled : str or None
        Which part was looked at on fewer rows.
    """

    rows: int
    duplicate_rows: int
    columns: list[dict[str, Any]]
    suspects: list[Suspect] = field(default_factory=list)
    sampled: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data in JSON's types."""
        return {**asdict(self), "suspects": [asdict(suspect) for suspect in self.suspects]}

    def __str__(self) -> str:
        widest = max((len(column["name"]) for column in self.columns), default=0)
        lines = [
            f"{counted(self.rows, 'row')}, {counted(self.duplicate_rows, 'duplicate')}, {counted(len(self.columns), 'column')}"
        ]
        for column in self.columns:
            linked = column["association"]
            about = f"{linked['measure']} {linked['value']:+.2f}" if linked else ""
            lines.append(
                f"{column['name']:<{min(widest, 28)}.28}  {column['kind']:<16}  {column['missing_share']:>6.1%} missing  "
                f"{column['distinct']:>9,} different  {about}"
            )
        lines += [f"! {suspect.evidence}" for suspect in self.suspects]
        return "\n".join([*lines, self.sampled] if self.sampled else lines)


def profile(frame: Any, schema: Schema | None = None, *, random_state: int = 0) -> Profile:
    """Describe every column, and look for columns that know the answer.

    Parameters
    ----------
    frame : polars, pandas or Arrow table
    schema : Schema, optional
        Inferred when absent; its target is what columns are compared with.
    random_state : int
        Draws the sample of a large table.

    Returns
    -------
    Profile

    Examples
    --------
    >>> rides = pl.DataFrame({"casual": [3, 8, 5, 0, 1, 9] * 9, "registered": [13, 32, 27, 10, 1, 2] * 9})
    >>> rides = rides.with_columns(cnt=pl.col("casual") + pl.col("registered"))
    >>> for suspect in profile(rides, Schema.infer(rides, target="cnt")).suspects:
    ...     print(suspect.column, "|", suspect.evidence)
    registered | casual + registered = cnt in every row.
    casual | casual + registered = cnt in every row.
    """
    schema = schema if schema is not None else Schema.infer(frame)
    table = schema.conform(frame)
    present = set(table.columns)
    known = {name: column for name, column in schema.columns.items() if name in present}
    sample = _sample(table, SAMPLE, random_state)
    links = _links(sample, known, schema)
    roles = dict.fromkeys(schema.features, "feature") | (
        {} if schema.target is None else {schema.target: "target"}
    )
    columns = [
        _describe(table[name], column, roles.get(name, "left out"), links.get(name))
        for name, column in known.items()
    ]
    suspects = _suspects(sample, known, schema, links, random_state)
    return Profile(table.height, _duplicates(table, columns), columns, suspects, _about_sample(table, sample))


def _duplicates(table: pl.DataFrame, columns: Sequence[dict[str, Any]]) -> int:
    """Rows that repeat an earlier one; rows are compared by 64-bit hashes, which differ but for 1 in 10^7 tables of a million."""
    compared = [column for column in columns if column["kind"] not in UNUSED]
    if not compared or any(column["distinct"] == table.height for column in compared):
        return 0
    return table.height - table.select(column["name"] for column in compared).hash_rows().n_unique()


def _about_sample(table: pl.DataFrame, sample: pl.DataFrame) -> str | None:
    wide = f" and {MOST_COMPARED:,} of {table.width:,} columns" if table.width > MOST_COMPARED else ""
    if sample.height == table.height and not wide:
        return None
    return f"Columns are compared on {sample.height:,} of {table.height:,} rows{wide}, drawn at random."


def _sample(table: pl.DataFrame, n_rows: int, seed: int) -> pl.DataFrame:
    """Rows drawn at random, in the order of the table."""
    if table.height <= n_rows:
        return table
    return table[np.sort(generator(seed).choice(table.height, n_rows, replace=False))]


def _links(sample: pl.DataFrame, known: Mapping[str, Column], schema: Schema) -> dict[str, Link]:
    """What each column says about the target."""
    target = schema.target
    if target is None or schema.task is None or target not in sample.columns:
        return {}
    present = sample.filter(pl.col(target).is_not_null())
    if present.height < 4:
        return {}
    truth = Target(present[target], schema.task)
    names = [name for name, column in known.items() if name != target and column.kind != "constant"][
        :MOST_COMPARED
    ]
    usable = [
        name for name in names if not (known[name].kind == "identifier" and present[name].dtype == pl.String)
    ]
    found = {name: link(present[name], known[name], truth) for name in usable}
    return {name: linked for name, linked in found.items() if linked is not None}


def _describe(values: pl.Series, column: Column, role: str, linked: Link | None) -> dict[str, Any]:
    """One column in plain data."""
    missing = values.null_count()
    described: dict[str, Any] = {
        "name": column.name,
        "kind": column.kind,
        "role": role,
        "reason": column.reason,
        "missing": missing,
        "missing_share": missing / max(len(values), 1),
        "distinct": 0,
        "association": None if linked is None else {"measure": linked.measure, "value": linked.value},
        "score": None if linked is None else {"measure": linked.score_measure, "value": linked.score},
        **{"min": None, "max": None, "mean": None, "sd": None, "quantiles": None, "top": [], "sketch": []},
    }
    present = values.drop_nulls()
    described["distinct"] = n_distinct = present.n_unique()
    if len(present) == 0:
        return described
    if present.dtype.is_numeric() or present.dtype.is_temporal():
        described |= _range(present)
    if n_distinct <= MOST_REPEATED * len(present) and column.kind != "date":
        described["top"] = _top(present)
    if column.kind in ("number", "date"):
        described["sketch"] = _histogram(present)
    elif column.kind not in ("text", "identifier", "constant"):
        described["sketch"] = [rows for _, rows in _top(present, SHAPE_BARS)]
    return described


def _range(present: pl.Series) -> dict[str, Any]:
    """Ends, middle and quantiles; of dates as text."""
    numbers = present.to_physical() if present.dtype.is_temporal() else present
    quantiles = {f"{q:.0%}": _as_read(present, numbers.quantile(q, "nearest")) for q in QUANTILES}
    moments = (
        {} if present.dtype.is_temporal() else {"mean": _finite(numbers.mean()), "sd": _finite(numbers.std())}
    )
    return {"min": _plain(present.min()), "max": _plain(present.max()), "quantiles": quantiles, **moments}


def _as_read(present: pl.Series, number: Any) -> Any:
    """A physical number as the column's own type."""
    if not present.dtype.is_temporal():
        return _plain(number)
    return _plain(
        pl.Series([int(number)])
        .cast(pl.Int32 if present.dtype == pl.Date else pl.Int64)
        .cast(present.dtype)[0]
    )


def _finite(number: Any) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


def _plain(value: Any) -> Any:
    """A value in JSON's types."""
    if value is None or isinstance(value, (bool, int, str)):
        return value if not isinstance(value, str) else value[:LONGEST_VALUE]
    return _finite(value) if isinstance(value, float) else str(value)


def _top(present: pl.Series, n: int = TOP) -> list[list[Any]]:
    """The most frequent values and their rows; equally frequent ones in order."""
    counts = present.alias("value").value_counts(name="rows")
    least = counts["rows"].top_k(n).min()
    counts = counts.filter(pl.col("rows") >= least).sort(["rows", "value"], descending=[True, False]).head(n)
    return [[_plain(value), rows] for value, rows in counts.iter_rows()]


def _histogram(present: pl.Series) -> list[int]:
    """Rows per bar between the outermost per mille, so that one far value does not flatten the picture."""
    x = present.to_physical().cast(pl.Float64).to_numpy()
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return []
    low, high = (float(pl.Series(x).quantile(q, "nearest") or 0.0) for q in (0.001, 0.999))
    if low == high:
        low, high = x.min(), x.max()
    bars = int(min(SHAPE_BARS, max(len(np.unique(x[:10_000])), 1)))
    return [int(rows) for rows in np.histogram(np.clip(x, low, high), bins=bars)[0]]


def _suspects(
    sample: pl.DataFrame, known: Mapping[str, Column], schema: Schema, links: Mapping[str, Link], seed: int
) -> list[Suspect]:
    """The columns to look at, the surest first; a column is named once for each kind of reason."""
    features = {name: known[name] for name in schema.features if name in known}
    small = _sample(sample, PAIR_SAMPLE, seed)
    found = _answers(small, features, schema, {name: links[name] for name in features if name in links})
    for name, column in known.items():
        if column.kind == "identifier":
            found.append(Suspect(name, "identifier", _about_identifier(column, links.get(name), schema)))
    found += repeats(small, features)
    found += far_codes(sample, features)
    return sorted(found, key=lambda suspect: not suspect.certain)


def _answers(
    small: pl.DataFrame, features: Mapping[str, Column], schema: Schema, links: Mapping[str, Link]
) -> list[Suspect]:
    """Columns that hold the answer."""
    target = schema.target
    if target is None or schema.task is None or target not in small.columns:
        return []
    small = small.filter(pl.col(target).is_not_null())
    found = lone_predictors(links, target)
    if schema.task == "regression" and small[target].dtype.is_numeric():
        numbers = [
            name
            for name, column in features.items()
            if column.kind in ("number", "integer code") and small[name].dtype.is_numeric()
        ]
        sums = adding_up(small, numbers, small[target].cast(pl.Float64).to_numpy(), target)
        named = {suspect.column for suspect in sums if suspect.certain}
        found = sums + [suspect for suspect in found if suspect.column not in named]
    elif not any(suspect.certain for suspect in found):
        levels = {
            name: column
            for name, column in features.items()
            if column.kind in ("category", "ordered category", "boolean", "integer code")
        }
        found += fixing_levels(small, levels, target)
    return found


def _about_identifier(column: Column, linked: Link | None, schema: Schema) -> str:
    sorted_by = ""
    if linked is not None and linked.score >= (0.9 if linked.score_measure == "AUC" else 0.8):
        sorted_by = f" Yet it predicts {schema.target!r} ({linked.score_measure} {linked.score:.2f}): the rows are in the order of the target."
    return f"{column.name!r} only tells rows apart ({column.reason}).{sorted_by}"


def duplicates_across(
    parts: Mapping[str, pl.DataFrame], columns: Sequence[str] | None = None
) -> list[Suspect]:
    """Rows that stand in more than one part of a split.

    Parameters
    ----------
    parts : mapping of str to pl.DataFrame
        Name of each part -> its rows.
    columns : sequence of str, optional
        What makes two rows the same; all columns by default. `schema.features` leaves out identifiers and the target.

    Returns
    -------
    list of Suspect
        One for each pair of parts that share rows, with `kind` "duplicate rows" and the later part's name as `column`.

    Examples
    --------
    >>> train, test = pl.DataFrame({"x": [1, 2, 3]}), pl.DataFrame({"x": [3, 4]})
    >>> [suspect.evidence for suspect in duplicates_across({"train": train, "test": test})]
    ["1 row of 2 in 'test' is in 'train' as well."]
    """
    names = list(parts)
    chosen = {name: part if columns is None else part.select(columns) for name, part in parts.items()}
    found = []
    for j, later in enumerate(names):
        for earlier in names[:j]:
            rows = (
                chosen[later]
                .join(chosen[earlier].unique(), on=chosen[later].columns, how="semi", nulls_equal=True)
                .height
            )
            if rows:
                shared = f"{counted(rows, 'row')} of {chosen[later].height:,} in {later!r} {'is' if rows == 1 else 'are'}"
                found.append(Suspect(later, "duplicate rows", f"{shared} in {earlier!r} as well."))
    return found
