"""What kind of column it is, told from its values and, where values alone leave it open, from its name."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tripos.data.messages import counted, quoted
from tripos.data.read_numbers import ends_of, mean_of
from tripos.data.schema_dates import HOURS, find_format, parse
from tripos.data.schema_scales import order_of

KINDS = (
    "number", "integer code", "boolean", "category", "ordered category", "date", "text", "identifier", "constant",
)  # fmt: skip
ENOUGH_ROWS = 20  # fewer, and values that occur once each prove nothing
NEARLY_ALL = 0.95
TEXT_WORDS = 3.0  # words in a cell, on average
TEXT_LENGTH = 40.0  # characters
TEXT_LEVELS = 50  # fewer different phrases are levels, however long
MOST_ORDERED = 60
LEVELS_KEPT = 1000  # levels of a column that the schema remembers
PROBE = 1000

IDENTIFIER_NAMES = {
    "id", "ids", "uuid", "guid", "pid", "uid", "key", "index", "idx", "no", "nr", "number", "num", "rownames", "rownum", "rowid",
    "rownumber", "serial", "instant", "hash", "url", "file", "filename", "path", "email", "phone", "ssn", "ticket",
}  # fmt: skip
CODE_NAMES = {
    "id", "zip", "zipcode", "postcode", "postal", "plz", "fips", "code", "codes", "cd", "type", "class", "category", "cat", "region",
    "district", "county", "state", "country", "store", "shop", "branch", "department", "dept", "cluster", "segment", "channel",
    "group", "sector", "zone", "terminal", "station", "gate", "brand", "color", "colour", "sex", "gender", "race", "marriage",
    "marital", "education", "month", "mnth", "weekday", "dow", "wday", "dayofweek", "season", "quarter", "qtr", "hour", "hr",
    "weather", "weathersit", "soil", "status", "pclass", "product", "item", "user", "customer", "flight", "origin", "subclass",
}  # fmt: skip
SEQUENCE_NAMES = {
    "year",
    "yr",
    "time",
    "t",
    "step",
    "rank",
    "age",
    "week",
    "day",
    "date",
    "epoch",
    "period",
    "position",
}
DATE_NAMES = {
    "date",
    "day",
    "dt",
    "time",
    "timestamp",
    "ts",
    "datetime",
    "at",
    "created",
    "updated",
    "dteday",
    "when",
}
TRUE_WORDS = {"yes": "no", "y": "n", "true": "false", "t": "f", "on": "off", "1": "0"}
TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
UNIQUE_TOKEN = r"^(?:[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{24,128}|.*\d.*)$"


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes
    ----------
    name : str
    kind : one of `KINDS`
    dtype : str
        Its type after `Schema.conform`: "Int64", "Float64", "Boolean", "String", "Date" or "Datetime".
    levels : tuple of str or None
        Of a boolean (false, true), an ordered category (least first), a category or an integer code; None where there are more
        than 1,000 of them.
    format : str or None
        How a date is written, in strftime's letters; None where the values already are dates.
    reason : str
        Why this kind, in a line.
    """

    name: str
    kind: str
    dtype: str
    levels: tuple[str, ...] | None = None
    format: str | None = None
    reason: str = ""


def name_words(name: str) -> list[str]:
    """The words of a column's name in lower case.

    >>> name_words("customerID"), name_words("MS.SubClass"), name_words("zip_code")
    (['customer', 'id'], ['ms', 'sub', 'class'], ['zip', 'code'])
    """
    return [word.lower() for word in TOKEN.findall(name)]


def infer_column(values: pl.Series) -> Column:
    """The kind of one column.

    Parameters
    ----------
    values : pl.Series
        As read, missing as null.
    """
    name, present = values.name, values.drop_nulls()
    if len(present) == 0:
        return Column(name, "constant", "String", reason="no values at all")
    if values.dtype.is_float() and present.is_infinite().any():
        present = present.filter(present.is_finite())
    n_distinct = present.n_unique()
    if n_distinct <= 1 and len(present) == len(values):
        return Column(
            name, "constant", _dtype(values), reason=f"the same value, {present[0]!r}, in every row"
        )
    if values.dtype == pl.Boolean:
        return Column(name, "boolean", "Boolean", ("false", "true"), reason="true or false")
    if values.dtype.is_temporal():
        return _temporal(values)
    if values.dtype.is_numeric():
        return _numeric(values, present, n_distinct)
    return _words(name, values, present.cast(pl.String), n_distinct)


def _dtype(values: pl.Series) -> str:
    if values.dtype.is_integer():
        return "Int64"
    if values.dtype.is_numeric():
        return "Float64"
    return "Boolean" if values.dtype == pl.Boolean else "String"


def _temporal(values: pl.Series) -> Column:
    if values.dtype == pl.Time:
        return Column(values.name, "number", "Float64", format=HOURS, reason="times of day, as hours")
    if values.dtype == pl.Duration:
        return Column(values.name, "number", "Float64", reason="durations, in seconds")
    dtype = "Date" if values.dtype == pl.Date else "Datetime"
    return Column(
        values.name, "date", dtype, reason=f"dates from {_day(values.min())} to {_day(values.max())}"
    )


def _day(value: Any) -> str:
    return str(value.date() if isinstance(value, datetime.datetime) else value)


def _numeric(values: pl.Series, present: pl.Series, n_distinct: int) -> Column:
    """Numbers: measured, counted, coded or only numbering the rows."""
    name = values.name
    whole = values.dtype.is_integer() or bool((present == present.floor()).all())
    if not whole:
        return Column(
            name,
            "number",
            "Float64",
            reason=f"numbers from {_short(present.min())} to {_short(present.max())}",
        )
    low, high = map(int, ends_of(present))
    column = Column(name, "number", "Int64" if values.dtype.is_integer() else "Float64")
    if (low, high) == (0, 1):
        return replace(column, kind="boolean", dtype="Boolean", levels=("0", "1"), reason="only 0 and 1")
    special = _numbering(values, present, n_distinct, low, high) or _stamped(column, present, low, high)
    if special is not None:
        return special
    last = name_words(name)[-1:]
    if set(last) & CODE_NAMES or _is_code(name):
        levels = (
            tuple(map(str, present.cast(pl.Int64).unique().sort())) if n_distinct <= LEVELS_KEPT else None
        )
        reason = f"{n_distinct:,} whole numbers that, by the name, label rather than count"
        return replace(column, kind="integer code", levels=levels, reason=reason)
    return replace(column, reason=f"whole numbers from {low:,} to {high:,}, {n_distinct:,} different")


def _is_code(name: str) -> bool:
    """Names that end in a word for a code written together, such as `storeid`."""
    return bool(re.search(r"(?:code|type|class|zip|zone|region)$", name.lower()))


def _numbering(values: pl.Series, present: pl.Series, n_distinct: int, low: int, high: int) -> Column | None:
    """Row numbers and keys, which only tell rows apart."""
    words = name_words(values.name)
    if len(present) < ENOUGH_ROWS or set(words) & SEQUENCE_NAMES:
        return None
    column = Column(values.name, "identifier", "Int64")
    if len(present) == len(values) == high - low + 1 == n_distinct and (
        values.is_sorted() or set(words[-1:]) & IDENTIFIER_NAMES
    ):
        return replace(column, reason=f"counts the rows, {low:,} to {high:,}")
    if n_distinct >= NEARLY_ALL * len(present) and (
        set(words[-1:]) & IDENTIFIER_NAMES or values.name.lower().endswith("id")
    ):
        return replace(
            column,
            reason=f"a key by its name: {n_distinct:,} different values in {counted(len(values), 'row')}",
        )
    return None


def _stamped(column: Column, present: pl.Series, low: int, high: int) -> Column | None:
    """Dates written as whole numbers, 20110131 or seconds since 1970, in a column whose name says that it holds dates."""
    if not set(name_words(column.name)) & DATE_NAMES:
        return None
    if 19000101 <= low and high <= 21001231 and parse(present.cast(pl.Int64), "%Y%m%d").null_count() == 0:
        return replace(column, kind="date", dtype="Date", format="%Y%m%d", reason=f"dates written as {low}")
    for text, factor in (("epoch s", 1), ("epoch ms", 1000)):
        if 315532800 * factor <= low and high <= 4102444800 * factor:  # 1980 to 2100
            return replace(
                column,
                kind="date",
                dtype="Datetime",
                format=text,
                reason=f"{text.split()[1]} since 1970, by name and size",
            )
    return None


def _words(name: str, values: pl.Series, present: pl.Series, n_distinct: int) -> Column:
    """Strings: truth values, dates, levels with or without an order, keys or running text."""
    column = Column(name, "category", "String")
    levels = present.unique().sort() if n_distinct <= LEVELS_KEPT else None
    if levels is not None and n_distinct == 2 and (truth := _truth(levels.to_list())):
        return replace(column, kind="boolean", dtype="Boolean", levels=truth, reason=f"only {quoted(truth)}")
    ordered = _order(values, levels)
    if ordered is not None:
        return replace(column, kind="ordered category", levels=tuple(ordered[0]), reason=_ranked(*ordered))
    dated = _dated(column, present)
    if dated is not None:
        return dated
    probe = (
        present.unique(maintain_order=True).head(PROBE) if n_distinct > TEXT_LEVELS else present.head(PROBE)
    )
    n_words = mean_of(probe.str.count_matches(r"\S+"))
    length = mean_of(probe.str.len_chars())
    if _is_key(name, probe, len(present), n_distinct, n_words, length):
        return replace(
            column,
            kind="identifier",
            reason=f"{n_distinct:,} different values in {counted(len(values), 'row')}, one word each",
        )
    if (
        n_distinct > TEXT_LEVELS
        and (n_words >= TEXT_WORDS or length >= TEXT_LENGTH)
        and n_distinct > 0.02 * len(present)
    ):
        return replace(
            column, kind="text", reason=f"{n_distinct:,} different texts of {n_words:.0f} words on average"
        )
    kept = None if levels is None else tuple(levels)
    none = "; 'None' is a level, as the rest are words" if kept and "None" in kept else ""
    return replace(column, levels=kept, reason=f"{_few(kept or list(probe), n_distinct)}{none}")


def _few(levels: Any, n_levels: int | None = None) -> str:
    n_levels = n_levels or len(levels)
    shown = (
        quoted((level[:20] for level in levels), 3)
        if n_levels <= 3
        else ", ".join(repr(level[:20]) for level in levels[:3]) + ", ..."
    )
    return f"{counted(n_levels, 'level')} ({shown})"


def _ranked(levels: list[str], scale: str) -> str:
    """The levels as a chain: "5 levels, 'Po' < 'Fa' < 'TA' < ..., a known scale"."""
    chain = " < ".join(repr(level[:20]) for level in levels[:4]) + (" < ..." if len(levels) > 4 else "")
    return f"{counted(len(levels), 'level')}, {chain}, {scale}"


def _truth(levels: list[str]) -> tuple[str, str] | None:
    """The levels as (false, true) if they are a pair of truth words."""
    for level, other in (levels, levels[::-1]):
        if TRUE_WORDS.get(level.lower()) == other.lower():
            return other, level
    return None


def _order(values: pl.Series, levels: pl.Series | None) -> tuple[list[str], str] | None:
    """The order of levels: as the type states it (anything but the alphabet was chosen), or by a known scale."""
    if isinstance(values.dtype, pl.Enum):
        stated = values.dtype.categories
        if 1 < len(stated) <= MOST_ORDERED and not stated.is_sorted():
            return stated.to_list(), "the order that the column's type states"
    return order_of(levels.to_list()) if levels is not None and 1 < len(levels) <= MOST_ORDERED else None


def _dated(column: Column, present: pl.Series) -> Column | None:
    found = find_format(present)
    if found is None:
        return None
    if found.text == HOURS:
        return replace(column, kind="number", dtype="Float64", format=HOURS, reason="times of day, as hours")
    moments = parse(present, found.text)
    dtype = "Date" if moments.dtype == pl.Date else "Datetime"
    span = f"dates from {_day(moments.min())} to {_day(moments.max())}"
    return replace(
        column,
        kind="date",
        dtype=dtype,
        format=found.text,
        reason=f"{span}, written {found.text}{found.evidence}",
    )


def _is_key(
    name: str, probe: pl.Series, n_present: int, n_distinct: int, n_words: float, length: float
) -> bool:
    """Whether strings only tell rows apart: (nearly) every row has its own, of one word."""
    if n_present < ENOUGH_ROWS or n_words >= 1.5 or length >= 2 * TEXT_LENGTH:
        return False
    if n_distinct == n_present:
        return True
    named = bool(set(name_words(name)[-1:]) & IDENTIFIER_NAMES)
    tokens = mean_of(probe.str.contains(UNIQUE_TOKEN))
    return n_distinct >= NEARLY_ALL * n_present and (named or tokens >= 0.9)


def _short(value: Any) -> str:
    return f"{value:.6g}"
