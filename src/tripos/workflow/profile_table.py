"""The profile of a table as the report shows it: one row of words and numbers for each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tripos.workflow.wording import number

_MOST_SHOWN = 3


def profile_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns in the order of the table, the target first."""
    left_out = {row["column"]: row["reason"] for row in record["left_out"]}
    columns = sorted(record["profile"]["columns"], key=lambda column: column["role"] != "target")
    return [_row(column, left_out) for column in columns]


def _row(column: Mapping[str, Any], left_out: Mapping[str, str]) -> dict[str, Any]:
    linked, score = column["association"], column["score"]
    is_target = column["role"] == "target"
    return {
        "name": column["name"],
        "kind": column["kind"],
        "missing": f"{column['missing_share']:.1%}" if column["missing"] else "",
        "distinct": f"{column['distinct']:,}",
        "text": _values(column),
        "sketch": column["sketch"],
        "link": ""
        if is_target or not linked
        else f"{linked['value']:+.2f}"
        if linked["value"] < 0
        else f"{linked['value']:.2f}",
        "link_measure": "" if is_target or not linked else linked["measure"],
        "score": "" if is_target or not score else f"{score['value']:.2f}",
        "left_out": left_out.get(column["name"], ""),
        "use": "the target" if is_target else "learned from",
    }


def _values(column: Mapping[str, Any]) -> str:
    """What the values are: the range and the middle of numbers, the most frequent of levels."""
    if column["kind"] in ("number", "date") and column["quantiles"]:
        middle = column["quantiles"]["50%"]
        return f"{_plain(column['min'])} to {_plain(column['max'])}, half below {_plain(middle)}"
    top = column["top"][:_MOST_SHOWN]
    if not top:
        return "hardly a value twice" if column["distinct"] else "no value"
    more = column["distinct"] - len(top)
    return ", ".join(f"{value} ({rows:,})" for value, rows in top) + (
        f" and {more:,} more" if more > 0 else ""
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else number(value)
