"""Columns of any table by name, each read in the form that its kind asks for.

pandas, polars and Arrow tables and NumPy arrays (of numbers or of objects) arrive here and leave as float
matrices, strings or date-times, so that no later stage knows where a column came from.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

_DATES = (datetime.date, np.datetime64)
_SCALARS = (
    str,
    bool,
    np.bool_,
    numbers.Real,
    decimal.Decimal,
    *_DATES,
    datetime.time,
    datetime.timedelta,
    np.timedelta64,
)


class Table:
    """A table whose columns are read one at a time.

    Attributes
    ----------
    names : list of str
        Column names; `x0, x1, ...` for arrays and for frames whose names are not all strings.
    named : bool
        Whether the names come from the table.
    n_rows : int
    matrix : ndarray of shape (n_rows, n_columns) or None
        The numbers themselves where the table is an array of numbers.
    ordered : dict of str to list of str
        The columns that a pandas ordered category or a polars Enum gives an order of levels, with their levels.
    """

    def __init__(
        self,
        names: list[str],
        n_rows: int,
        *,
        named: bool,
        matrix: np.ndarray | None = None,
        frame: Any = None,
    ) -> None:
        self.names, self.n_rows, self.named, self.matrix = names, n_rows, named, matrix
        self._frame = frame  # pl.DataFrame, or a list of native columns in the order of names
        self._position = {name: j for j, name in enumerate(names)}
        self._series: dict[str, pl.Series] = {}

    @classmethod
    def read(cls, X: Any) -> Table:
        """The table behind any supported input; `TypeError` for what is not a table of scalars."""
        if isinstance(X, Table):
            return X
        if isinstance(X, pl.DataFrame):
            return cls(X.columns, X.height, named=True, frame=X)
        if nw.dependencies.is_pandas_dataframe(X):
            named = all(isinstance(name, str) for name in X.columns)
            names = list(X.columns) if named else _positional(X.shape[1])
            _require_unique(names)
            return cls(names, len(X), named=named, frame=[X.iloc[:, j] for j in range(X.shape[1])])
        if nw.dependencies.is_into_dataframe(X):
            return cls.read(nw.from_native(X, eager_only=True).to_polars())
        return cls._of_array(np.asarray(X))

    @classmethod
    def _of_array(cls, X: np.ndarray) -> Table:
        names = _positional(X.shape[1])
        if X.dtype.kind in "fiub":
            return cls(names, len(X), named=False, matrix=X)
        return cls(names, len(X), named=False, frame=[X[:, j] for j in range(X.shape[1])])

    def take(self, rows: np.ndarray) -> Table:
        """The table of the given rows (indices or mask)."""
        if self.matrix is not None:
            return Table(self.names, len(self.matrix[rows]), named=self.named, matrix=self.matrix[rows])
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        frame = [self.series(name)[rows] for name in self.names]
        return Table(self.names, len(rows), named=self.named, frame=frame)

    def renamed(self, names: list[str]) -> Table:
        """The same columns under other names."""
        frame = self._frame if self.matrix is not None else [self.series(name) for name in self.names]
        return Table(list(names), self.n_rows, named=True, matrix=self.matrix, frame=frame)

    def frame(self) -> pl.DataFrame:
        """The whole table as a polars frame."""
        return (
            self._frame
            if isinstance(self._frame, pl.DataFrame)
            else pl.DataFrame(map(self.series, self.names))
        )

    def series(self, name: str) -> pl.Series:
        """One column as a polars series, missing values as null (NaN in float columns)."""
        if name not in self._series:
            j = self._position[name]
            if self.matrix is not None:
                column: Any = np.ascontiguousarray(self.matrix[:, j])
            else:
                column = self._frame[name] if isinstance(self._frame, pl.DataFrame) else self._frame[j]
            self._series[name] = as_series(name, column)
        return self._series[name]

    def kind(self, name: str) -> str:
        """What the column's type alone says about its kind: nothing is guessed from its values."""
        if self.matrix is not None:
            return "boolean" if self.matrix.dtype.kind == "b" else "number"
        dtype = self.series(name).dtype
        if dtype == pl.Boolean:
            return "boolean"
        if dtype.is_numeric() or dtype in (pl.Null, pl.Duration, pl.Time):
            return "number"
        if dtype == pl.Enum and self._is_ordered(name):
            return "ordered category"
        if dtype in (pl.String, pl.Categorical, pl.Enum):
            return "category"
        if dtype in (pl.Date, pl.Datetime):
            return "date"
        raise TypeError(
            f"column {name!r} holds {dtype}: a cell must be a number, a string, a boolean, a date or missing; "
            "drop the column or turn it into one of these"
        )

    def _is_ordered(self, name: str) -> bool:
        """A polars Enum names its levels but does not say that they are ordered; pandas does."""
        column = None if isinstance(self._frame, pl.DataFrame) else self._frame[self._position[name]]
        return bool(getattr(getattr(column, "dtype", None), "ordered", False))

    def levels(self, name: str) -> list[str] | None:
        """The order of levels that the column's own type states, if it does."""
        dtype = self.series(name).dtype
        return dtype.categories.to_list() if isinstance(dtype, pl.Enum) else None

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """The columns as floats of shape (n_rows, len(names)), missing as NaN."""
        if self.matrix is not None:
            every = len(names) == len(self.names)
            block = self.matrix if every else self.matrix[:, [self._position[name] for name in names]]
            return block if block.dtype.kind == "f" and block.itemsize >= 4 else block.astype(np.float64)
        block = np.empty(
            (len(names), self.n_rows)
        )  # one column after the other: every later step goes by column
        for row, name in zip(block, names):
            row[:] = _as_floats(self.series(name)).to_numpy()
        return block.T

    def strings(self, name: str) -> pl.Series:
        """The column as strings, one per level: 3 and 3.0 are the same level."""
        series = self.series(name)
        if series.dtype == pl.String:
            return series
        if series.dtype.is_float():
            series = series.fill_nan(None)
            whole = series.is_null() | (series == series.floor())
            if bool(whole.all()):
                return series.cast(pl.Int64, strict=False).cast(pl.String)
            return pl.select(
                pl.when(whole)
                .then(series.cast(pl.Int64, strict=False).cast(pl.String))
                .otherwise(series.cast(pl.String))
            ).to_series()
        return series.cast(pl.String)

    def moments(self, name: str) -> pl.Series:
        """The column as date-times in microseconds; strings are parsed."""
        series = self.series(name)
        if series.dtype == pl.Null:
            return series.cast(pl.Datetime("us"))
        if series.dtype == pl.String:
            parsed = series.str.to_datetime(strict=False, time_unit="us")
            _refuse_unparsed(series, parsed, "a date")
            return parsed
        if series.dtype not in (pl.Date, pl.Datetime):
            raise ValueError(
                f"column {name!r} held dates when the encoder was fitted and now holds {series.dtype}"
            )
        if series.dtype == pl.Date:
            return series.cast(pl.Datetime("us"))
        return series.dt.cast_time_unit("us")


def _positional(n_columns: int) -> list[str]:
    return [f"x{j}" for j in range(n_columns)]


def _require_unique(names: Iterable[str]) -> None:
    seen: set[str] = set()
    twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
    if twice:
        raise ValueError(
            f"the table has more than one column named {', '.join(map(repr, twice))}: rename them"
        )


def _as_floats(series: pl.Series) -> pl.Series:
    """Numbers as float64 with NaN for missing; durations and times of day in seconds."""
    if series.dtype in (pl.Duration, pl.Time):
        per_second = {"ns": 1e9, "us": 1e6, "ms": 1e3}[getattr(series.dtype, "time_unit", "ns") or "us"]
        floats = series.to_physical().cast(pl.Float64) / per_second
    elif series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        floats = series.cast(pl.Float64)
    else:
        floats = series.cast(pl.String).cast(pl.Float64, strict=False)
        _refuse_unparsed(series, floats, "a number")
    return floats.fill_null(math.nan) if floats.null_count() else floats


def _refuse_unparsed(series: pl.Series, parsed: pl.Series, what: str) -> None:
    bad = (series.is_not_null() & parsed.is_null()).arg_true()
    if len(bad):
        raise ValueError(
            f"column {series.name!r}, row {bad[0]}: {series[int(bad[0])]!r} is not {what}, "
            f"and the encoder was fitted on a column of {what.split()[-1]}s"
        )


def as_series(name: str, column: Any) -> pl.Series:
    """A polars series of a vector of any kind: NumPy, pandas, polars, Arrow or a list."""
    if isinstance(column, pl.Series):
        return column.alias(name)
    if isinstance(column, (list, tuple)):
        column = np.asarray(column, dtype=object)
    if isinstance(column, np.ndarray):
        return _from_numpy(name, column)
    if not nw.dependencies.is_pandas_series(column):
        return nw.from_native(column, series_only=True).to_polars().alias(name)
    dtype = column.dtype
    if hasattr(dtype, "categories"):  # pandas category: codes into its categories
        levels = _from_numpy(name, column.cat.categories.to_numpy(dtype=object)).cast(pl.String)
        codes = pl.Series(name, column.cat.codes.to_numpy().astype(np.int64))
        return levels.gather(codes.set(codes < 0, None)).cast(pl.Enum(levels))
    if getattr(dtype, "tz", None) is not None:
        aware = pl.Series(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        return aware.dt.replace_time_zone("UTC").dt.convert_time_zone(_zone_name(dtype.tz))
    if isinstance(dtype, np.dtype):
        return _from_numpy(name, column.to_numpy())
    if dtype.kind in "iuf":  # pandas' nullable numbers
        return pl.Series(name, column.to_numpy(dtype=np.float64, na_value=math.nan))
    return _from_numpy(name, column.to_numpy(dtype=object))


def _zone_name(zone: Any) -> str:
    """Polars knows IANA names; a fixed offset is read in UTC."""
    name = getattr(zone, "key", None) or str(zone)
    try:
        pl.Series([0]).cast(pl.Datetime("us", name))
    except pl.exceptions.PolarsError:
        return "UTC"
    return name


def _from_numpy(name: str, values: np.ndarray) -> pl.Series:
    if values.dtype.kind in "fiub":
        return pl.Series(name, values.astype(np.float32) if values.dtype == np.float16 else values)
    if values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    if values.dtype.kind == "m":
        return pl.Series(name, values.astype("timedelta64[us]"))
    return _from_objects(name, values.tolist())


def _from_objects(name: str, values: list[Any]) -> pl.Series:
    """The narrowest type that holds every cell: booleans, numbers, dates, else strings."""
    types = set(map(type, values))
    if types <= {str, type(None)}:
        return pl.Series(name, values, dtype=pl.String)
    if types <= {float, int, type(None)}:
        return pl.Series(name, [math.nan if v is None else float(v) for v in values], dtype=pl.Float64)
    cells = [
        None if type(v).__name__ in ("NAType", "NaTType") or v is None or (v != v) is True else v
        for v in values
    ]
    for row, cell in enumerate(cells):
        if cell is not None and not isinstance(cell, _SCALARS):
            raise TypeError(
                f"column {name!r}, row {row}: argument must be a string, a number, a boolean, a date "
                f"or missing, got {type(cell).__name__}"
            )
    present = [cell for cell in cells if cell is not None]
    if not present:
        return pl.Series(name, cells, dtype=pl.Null)
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return pl.Series(name, [None if cell is None else bool(cell) for cell in cells], dtype=pl.Boolean)
    if all(isinstance(cell, (numbers.Real, decimal.Decimal)) for cell in present):
        return pl.Series(
            name, [math.nan if cell is None else float(cell) for cell in cells], dtype=pl.Float64
        )
    if all(isinstance(cell, _DATES) for cell in present):
        return _from_dates(name, cells)
    return pl.Series(name, [None if cell is None else _level(cell) for cell in cells], dtype=pl.String)


def _from_dates(name: str, cells: list[Any]) -> pl.Series:
    zones = {getattr(cell, "tzinfo", None) for cell in cells if cell is not None}
    if zones != {None}:  # instants: mixed zones agree only in UTC
        cells = [
            cell
            if cell is None or cell.tzinfo is None
            else cell.astimezone(datetime.UTC).replace(tzinfo=None)
            for cell in cells
        ]
    return pl.Series(
        name, np.array(["NaT" if cell is None else cell for cell in cells], dtype="datetime64[us]")
    )


def _level(cell: Any) -> str:
    """The name of a level in a column of mixed cells, as `Table.strings` would write it."""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell)).lower()
    if isinstance(cell, numbers.Real) and math.isfinite(cell) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)
