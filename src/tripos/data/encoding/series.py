"""From a column of any kind to a polars series: NumPy and pandas vectors, lists, mixed cells of Python objects."""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from typing import Any, cast

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

_DATES = (datetime.date, np.datetime64)
_NUMBERS = (numbers.Real, decimal.Decimal)
_MAY_BE_NAN = (float, np.floating, decimal.Decimal, np.datetime64, np.timedelta64)
_CELLS = (str, bool, np.bool_, *_NUMBERS, *_DATES, datetime.time, datetime.timedelta, np.timedelta64)


NEUTRAL = "cell"


def as_series(name: str, column: Any) -> pl.Series:
    """A polars series of a vector of any kind; missing cells are null (NaN in columns of floats).

    `name` serves messages. The series itself is called `NEUTRAL`: polars resolves the methods of a series by its
    name, and takes a name such as `^a.*$` for a pattern.
    """
    if isinstance(column, pl.Series):
        return column.alias(NEUTRAL)
    if isinstance(column, (list, tuple)):
        column = np.asarray(column, dtype=object)
    if isinstance(column, np.ndarray):
        return _from_numpy(name, column)
    if nw.dependencies.is_pandas_series(column):
        return _from_pandas(name, column)
    series: pl.Series = nw.from_native(column, series_only=True).to_polars()
    return series.alias(NEUTRAL)


def level_name(cell: Any) -> str:
    """The name of a level in a column of mixed cells: 3 and 3.0 are one level, True is `true` as in polars."""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell)).lower()
    if isinstance(cell, numbers.Real) and math.isfinite(cell) and float(cell).is_integer():
        return str(int(float(cell)))
    return str(cell)


def _from_pandas(name: str, column: Any) -> pl.Series:
    """Column types one by one: polars' own conversion needs pyarrow even for some that hold no Arrow data."""
    dtype = column.dtype
    if getattr(dtype, "storage", None) == "pyarrow" or hasattr(dtype, "pyarrow_dtype"):
        return cast(pl.Series, pl.from_pandas(column)).alias(NEUTRAL)
    if hasattr(dtype, "categories"):
        levels = _from_numpy(name, column.cat.categories.to_numpy(dtype=object)).cast(pl.String)
        codes = pl.Series(NEUTRAL, column.cat.codes.to_numpy().astype(np.int64))
        cells: pl.Series = levels.gather(codes.set(codes < 0, None)).cast(pl.Enum(levels))
        return cells
    if getattr(dtype, "tz", None) is not None:
        instants = pl.Series(NEUTRAL, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        return instants.dt.replace_time_zone("UTC").dt.convert_time_zone(_zone_name(dtype.tz))
    if isinstance(dtype, np.dtype):
        return _from_numpy(name, column.to_numpy())
    if dtype.kind in "iuf":  # pandas' nullable numbers
        return pl.Series(NEUTRAL, column.to_numpy(dtype=np.float64, na_value=math.nan))
    return _from_numpy(name, column.to_numpy(dtype=object))


def _zone_name(zone: Any) -> str:
    """The zone's IANA name, which polars knows; a fixed offset is read in UTC."""
    name = getattr(zone, "key", None) or str(zone)
    try:
        pl.Series([0]).cast(pl.Datetime("us", name))
    except pl.exceptions.PolarsError:
        return "UTC"
    return name


def _from_numpy(name: str, values: np.ndarray) -> pl.Series:
    kind = values.dtype.kind
    if kind in "fiub":
        return pl.Series(NEUTRAL, values.astype(np.float32) if values.dtype == np.float16 else values)
    if kind in "Mm":
        return pl.Series(NEUTRAL, values.astype("datetime64[us]" if kind == "M" else "timedelta64[us]"))
    return _from_objects(name, values.tolist())


def _from_objects(name: str, values: list[Any]) -> pl.Series:
    """The narrowest type that holds every cell: booleans, numbers, dates, else strings."""
    types = set(map(type, values))
    if types <= {str, type(None)}:
        return pl.Series(NEUTRAL, values, dtype=pl.String)
    if types <= {float, int, type(None)}:
        return _floats(values)
    cells = [None if _is_missing(value) else value for value in values]
    present = [cell for cell in cells if cell is not None]
    _refuse_other_cells(name, cells)
    if not present:
        return pl.Series(NEUTRAL, cells, dtype=pl.Null)
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return pl.Series(NEUTRAL, [None if cell is None else bool(cell) for cell in cells], dtype=pl.Boolean)
    if all(isinstance(cell, _NUMBERS) for cell in present):
        return _floats(cells)
    if all(isinstance(cell, _DATES) for cell in present):
        return _moments(cells)
    return pl.Series(NEUTRAL, [None if cell is None else level_name(cell) for cell in cells], dtype=pl.String)


def _is_missing(cell: Any) -> bool:
    """None, NaN, NaT and pandas.NA, whose comparison with itself has no truth value."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, _MAY_BE_NAN) and bool(cell != cell)


def _refuse_other_cells(name: str, cells: list[Any]) -> None:
    for row, cell in enumerate(cells):
        if cell is not None and not isinstance(cell, _CELLS):
            raise TypeError(
                f"column {name!r}, row {row}: argument must be a string, a number, a boolean, a date "
                f"or missing, got {type(cell).__name__}"
            )


def _floats(cells: list[Any]) -> pl.Series:
    return pl.Series(NEUTRAL, [math.nan if cell is None else float(cell) for cell in cells], dtype=pl.Float64)


def _moments(cells: list[Any]) -> pl.Series:
    """Date-times in microseconds; cells that know their zone are read in UTC, in which mixed zones agree."""
    naive = [
        cell.astimezone(datetime.UTC).replace(tzinfo=None) if getattr(cell, "tzinfo", None) else cell
        for cell in cells
    ]
    return pl.Series(
        NEUTRAL, np.array(["NaT" if cell is None else cell for cell in naive], dtype="datetime64[us]")
    )
