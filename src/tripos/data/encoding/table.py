"""Columns of any table by name, each read in the form that its kind asks for.

pandas, polars and Arrow tables and NumPy arrays (of numbers or of objects) arrive here and leave as float
matrices, strings or date-times, so that no later stage knows where a column came from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from tripos.data.encoding.series import NEUTRAL, as_series
from tripos.data.messages import quoted


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
        self._frame = frame  # a polars frame, or a list of columns in the order of names
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
            names = list(X.columns) if named else positional(X.shape[1])
            _require_unique(names)
            return cls(names, len(X), named=named, frame=[column for _, column in X.items()])
        if nw.dependencies.is_into_dataframe(X) or isinstance(X, nw.DataFrame):
            return cls.read(nw.from_native(X, eager_only=True, pass_through=False).to_polars())
        X = np.asarray(X)
        names = positional(X.shape[1])
        if X.dtype.kind in "fiub":
            return cls(names, len(X), named=False, matrix=X)
        return cls(names, len(X), named=False, frame=list(X.T))

    def take(self, rows: np.ndarray) -> Table:
        """The table of the given rows (indices or mask)."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        if self.matrix is not None:
            return Table(self.names, len(rows), named=self.named, matrix=self.matrix[rows])
        return Table(
            self.names, len(rows), named=self.named, frame=[self.series(name)[rows] for name in self.names]
        )

    def renamed(self, names: Sequence[str]) -> Table:
        """The same columns under other names."""
        frame = None if self.matrix is not None else [self.series(name) for name in self.names]
        return Table(list(names), self.n_rows, named=True, matrix=self.matrix, frame=frame)

    def frame(self) -> pl.DataFrame:
        """The whole table as a polars frame."""
        if isinstance(self._frame, pl.DataFrame):
            return self._frame
        return pl.DataFrame({name: self.series(name) for name in self.names})

    def series(self, name: str) -> pl.Series:
        """One column as a polars series of neutral name, missing values as null (NaN in columns of floats)."""
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
        if dtype in (pl.String, pl.Categorical, pl.Enum):
            return "ordered category" if self._is_ordered(name) else "category"
        if dtype in (pl.Date, pl.Datetime):
            return "date"
        raise TypeError(
            f"column {name!r} holds {dtype}: a cell must be a number, a string, a boolean, a date or missing; "
            "drop the column or turn it into one of these"
        )

    def _is_ordered(self, name: str) -> bool:
        """Only pandas says that the levels of a type are ordered; a polars Enum just names them."""
        column = None if isinstance(self._frame, pl.DataFrame) else self._frame[self._position[name]]
        return bool(getattr(getattr(column, "dtype", None), "ordered", False))

    def levels(self, name: str) -> list[str] | None:
        """The levels in the order in which the column's own type states them, if it does."""
        dtype = self.series(name).dtype
        return dtype.categories.to_list() if isinstance(dtype, pl.Enum) else None

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """The columns as floats of shape (n_rows, len(names)), missing as NaN."""
        if self.matrix is not None:
            every = list(names) == self.names
            block = self.matrix if every else self.matrix[:, [self._position[name] for name in names]]
            return block if block.dtype in (np.float64, np.float32) else block.astype(np.float64)
        # a row of memory per column: reading, filling and scaling all go by column
        columns = np.empty((len(names), self.n_rows))
        for row, name in zip(columns, names):
            row[:] = _floats(name, self.series(name)).to_numpy()
        return columns.T

    def strings(self, name: str) -> pl.Series:
        """The column as strings, one per level: 3 and 3.0 are the same level."""
        series = self.series(name)
        if not series.dtype.is_float():
            return series if series.dtype == pl.String else series.cast(pl.String)
        cell = pl.col(NEUTRAL)
        as_integer = cell.cast(pl.Int64, strict=False).cast(pl.String)
        level = pl.when(cell == cell.floor()).then(as_integer).otherwise(cell.cast(pl.String))
        return series.fill_nan(None).to_frame().select(level).to_series()

    def moments(self, name: str) -> pl.Series:
        """The column as date-times in microseconds; strings are read if they begin with year-month-day.

        Other ways to write a date leave day and month open: a schema settles those.
        """
        series = self.series(name)
        if series.dtype in (pl.Null, pl.Date):
            return series.cast(pl.Datetime("us"))
        if series.dtype == pl.String:
            iso = series.set(~series.str.contains(r"^\s*\d{4}-\d{2}-\d{2}"), None)
            parsed = iso.str.strip_chars().str.to_datetime(strict=False, time_unit="us")
            _refuse_unparsed(name, series, parsed, "date")
            return parsed
        if series.dtype != pl.Datetime:
            raise ValueError(
                f"column {name!r} held dates when the encoder was fitted and now holds {series.dtype}"
            )
        return series.dt.cast_time_unit("us")


def positional(n_columns: int) -> list[str]:
    """Names of columns that have none."""
    return [f"x{j}" for j in range(n_columns)]


def is_positional(name: str, n_columns: int) -> bool:
    """Whether `positional(n_columns)` holds the name, without making that list."""
    digits = name[1:]
    return digits.isdecimal() and int(digits) < n_columns and name == f"x{int(digits)}"


def _require_unique(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"the table has more than one column named {quoted(twice)}: rename them")


def _floats(name: str, series: pl.Series) -> pl.Series:
    """Numbers as float64 with NaN for missing; durations and times of day in seconds."""
    dtype = series.dtype
    if isinstance(dtype, (pl.Duration, pl.Time)):
        per_second = {"ns": 1e9, "us": 1e6, "ms": 1e3}[getattr(dtype, "time_unit", None) or "ns"]
        floats = series.to_physical().cast(pl.Float64) / per_second
    elif dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        floats = series.cast(pl.Float64)
    else:
        floats = series.cast(pl.String).cast(pl.Float64, strict=False)
        _refuse_unparsed(name, series, floats, "number")
    return floats.fill_null(math.nan) if floats.null_count() else floats


def _refuse_unparsed(name: str, series: pl.Series, parsed: pl.Series, what: str) -> None:
    bad = (series.is_not_null() & parsed.is_null()).arg_true()
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"column {name!r}, row {row}: {series[row]!r} is not a {what}, and the encoder was fitted on a "
            f"column of {what}s"
        )
