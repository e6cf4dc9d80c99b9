"""Bring the columns of a new table to the types of the training table, or say which cell does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from tripos.data.messages import closest, counted, listed, quoted, state
from tripos.data.read_cells import MARKS, MARKS_AMONG_FIGURES
from tripos.data.read_numbers import amounts, plain_numbers
from tripos.data.schema_dates import HOURS, find_format, parse
from tripos.data.schema_kinds import Column
from tripos.errors import TableError

TYPES: dict[str, pl.DataType] = {
    "Int64": pl.Int64(),
    "Float64": pl.Float64(),
    "Boolean": pl.Boolean(),
    "String": pl.String(),
    "Date": pl.Date(),
    "Datetime": pl.Datetime("us"),
}
UNUSED = ("identifier", "constant")
FEW = 16  # rows below which a loop over cells is faster than three calls into polars (0.02 ms against 0.5)


def conform(frame: pl.DataFrame, columns: Mapping[str, Column], target: str | None) -> pl.DataFrame:
    """The known columns of a table, in the order and the types of the training table; `Schema.conform` says the rest."""
    _require_columns(frame, columns, target)
    extra = [name for name in frame.columns if name not in columns]
    if extra:
        state(
            f"The table has {counted(len(extra), 'column')} that the training table had not, ignored: {listed(extra)}."
        )
    present = set(frame.columns)
    known = [column for name, column in columns.items() if name in present]
    # by name: a list of series would rename the one with an empty name
    return pl.DataFrame(
        {column.name: _conformed(frame[column.name], column, column.name == target) for column in known}
    )


def _require_columns(frame: pl.DataFrame, columns: Mapping[str, Column], target: str | None) -> None:
    present = set(frame.columns)
    missing = [
        name
        for name, column in columns.items()
        if name not in present and name != target and column.kind not in UNUSED
    ]
    if not missing:
        return
    unknown = [name for name in frame.columns if name not in columns]
    hint = (
        closest(missing[0], unknown or frame.columns)
        if len(missing) == 1
        else f"There are: {quoted(frame.columns, 12)}."
    )
    raise TableError(
        f"The table lacks {counted(len(missing), 'column')} of the training table: {quoted(missing)}. {hint}"
    )


def _conformed(values: pl.Series, column: Column, is_target: bool) -> pl.Series:
    if column.kind in UNUSED:
        return values
    if column.kind == "date" or (column.format == HOURS and not values.dtype.is_numeric()):
        return _dates(values, column)
    if is_target:  # labels stay as they are written
        return values.cast(pl.String) if isinstance(values.dtype, (pl.Categorical, pl.Enum)) else values
    if column.kind == "boolean":
        return _booleans(values, column)
    if column.kind == "number":
        return _numbers(values, column)
    if column.kind == "integer code" and column.dtype != "String":
        return _numbers(values, column)
    return _strings(values, column)


def _clash(values: pl.Series, bad: pl.Series, column: Column, expected: str) -> TableError:
    row = int(bad.arg_true()[0])
    return TableError(
        f"Column {column.name!r}, row {row + 1:,}: {values[row]!r} is not {expected}, as the training table has there "
        f"({counted(int(bad.sum()), 'such cell')}). Correct the cells, or empty them to have them treated as missing."
    )


def _numbers(values: pl.Series, column: Column) -> pl.Series:
    """Numbers, infinite ones as missing, which is stated; strings if they read as numbers."""
    if values.dtype == pl.Duration:
        return values.dt.total_seconds(fractional=True)
    if isinstance(values.dtype, (pl.Categorical, pl.Enum)):
        values = values.cast(pl.String)
    numbers = values
    if values.dtype == pl.String:
        words = _unmarked(values, (*MARKS, *MARKS_AMONG_FIGURES))
        parsed = plain_numbers(words)
        parsed = amounts(words)[0] if parsed is None else parsed
        numbers = words.cast(pl.Float64, strict=False) if parsed is None else parsed
        bad = words.is_not_null() & numbers.is_null()
        if bad.any():
            raise _clash(values, bad, column, "a number")
    elif not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise _clash(values, values.is_not_null(), column, "a number")
    if numbers.dtype.is_float():
        numbers = _finite(numbers, column)
    return _as_type(numbers, column)


def _finite(numbers: pl.Series, column: Column) -> pl.Series:
    infinite = numbers.is_infinite().fill_null(False)
    if infinite.any():
        state(
            f"Column {column.name!r} is infinite in {counted(int(infinite.sum()), 'row')}: read as missing."
        )
        numbers = numbers.set(infinite, None)
    return numbers.fill_nan(None)


def _as_type(numbers: pl.Series, column: Column) -> pl.Series:
    """The training type, or floats where whole numbers are now fractions."""
    if column.dtype == "Int64":
        whole = numbers.cast(pl.Int64, strict=False)
        same = numbers.dtype.is_integer() or bool((whole.cast(pl.Float64) == numbers.cast(pl.Float64)).all())
        return whole if same and whole.null_count() == numbers.null_count() else numbers.cast(pl.Float64)
    return numbers.cast(pl.Float64)


def _booleans(values: pl.Series, column: Column) -> pl.Series:
    """The two levels as false and true; anything else becomes missing, which is stated."""
    if values.dtype in (pl.Boolean, pl.Null):
        return values.cast(pl.Boolean)
    false, true = column.levels or ("false", "true")
    words = _unmarked(_as_words(values), MARKS).str.to_lowercase()
    is_true = words.is_in([true.lower(), "true"]) if true != "1" else words.is_in(["1", "true"])
    is_false = words.is_in([false.lower(), "false"])
    other = words.is_not_null() & ~is_true & ~is_false
    if other.any():
        new = values.filter(other).unique(maintain_order=True)
        state(
            f"Column {column.name!r} was {false!r} or {true!r} in training; {quoted(new, 3)} ({int(other.sum()):,} rows) is read as missing."
        )
    return pl.select(pl.when(is_true | is_false).then(is_true)).to_series().alias(column.name)


def _dates(values: pl.Series, column: Column) -> pl.Series:
    dtype = TYPES[column.dtype]
    if values.dtype == pl.Null:
        return values.cast(dtype)
    if values.dtype == pl.Time:
        return values.to_physical() / 3.6e12
    if values.dtype in (pl.Date, pl.Datetime):
        plain = (
            values.dt.replace_time_zone(None)
            if getattr(values.dtype, "time_zone", None) in ("UTC",)
            else values
        )
        if getattr(plain.dtype, "time_zone", None):
            plain = plain.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return plain.cast(dtype)
    words = _unmarked(values, (*MARKS, *MARKS_AMONG_FIGURES)) if values.dtype == pl.String else values
    moments = parse(words, column.format or "%Y-%m-%d")
    if (
        moments.null_count() > words.null_count() and words.dtype == pl.String
    ):  # perhaps another format throughout
        found = find_format(words)
        if found is not None and (found.text == HOURS) == (column.format == HOURS):
            moments = parse(words, found.text)
    bad = words.is_not_null() & moments.is_null()
    if bad.any():
        what = (
            "a time of day" if column.format == HOURS else f"a date written as {column.format or '%Y-%m-%d'}"
        )
        raise _clash(values, bad, column, what)
    return moments.cast(dtype)


def _strings(values: pl.Series, column: Column) -> pl.Series:
    """Words without blanks around them; marks are missing unless training knew them as levels."""
    levels = column.levels or ()
    words = _as_words(values)
    if column.kind == "text":
        return words
    width = {len(level) for level in levels}
    if values.dtype.is_integer() and len(width) == 1 and all(level.isdecimal() for level in levels):
        words = words.str.zfill(width.pop())  # codes that have lost their leading zeros on the way
    return _unmarked(words, [mark for mark in MARKS if mark not in levels])


def _as_words(values: pl.Series) -> pl.Series:
    """Strings, one per level: 3 and 3.0 are the same level."""
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        if bool((whole.cast(pl.Float64) == values).all()):
            values = whole
    return values.cast(pl.String)


def _unmarked(words: pl.Series, marks: Iterable[str]) -> pl.Series:
    """Stripped of blanks, empty cells and missing marks as null."""
    if len(words) <= FEW:
        gone = {"", *marks}
        cells = [None if cell is None else cell.strip() for cell in words.to_list()]
        return pl.Series(words.name, [None if cell in gone else cell for cell in cells], dtype=pl.String)
    words = words.str.strip_chars()
    found = words.is_in(["", *marks]).fill_null(False)
    return words.set(found, None) if found.any() else words
