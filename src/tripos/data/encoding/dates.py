"""Dates to numbers: calendar parts, the time that has passed, and the position in a period as an angle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from tripos.data.encoding.table import Table
from tripos.state import Array, ListOf, Spec, Strings, Text

ELAPSED = "elapsed days"
_MICROSECONDS = 86_400e6  # of a day
_PARTS: dict[str, Callable[[pl.Series], Any]] = {
    "year": lambda times: times.dt.year(),
    "month": lambda times: times.dt.month(),
    "day": lambda times: times.dt.day(),
    "weekday": lambda times: times.dt.weekday(),
    "hour": lambda times: times.dt.hour(),
    "minute": lambda times: times.dt.minute(),
}
_PERIODS = {"month": 12, "day": 31, "weekday": 7, "hour": 24, "minute": 60}
_WAVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"sin": np.sin, "cos": np.cos}
_NAMES = (ELAPSED, *_PARTS, *(f"{part}.{wave}" for part in _PERIODS for wave in _WAVES))


@dataclass(frozen=True, eq=False)
class DateParts:
    """Numbers from date columns; parts that do not vary over the training rows are left out.

    `elapsed days` counts from the column's first training date, with the time of day as a fraction. With `cyclic`,
    a part p of period P is also written as sin(2 pi p / P) and cos(2 pi p / P): December stands beside January.
    """

    columns: list[str]
    zones: list[str]  # time zone in whose wall time each column is read, or ""
    origins: np.ndarray  # (n_columns,) first training date in microseconds since 1970
    part_columns: np.ndarray  # (n_parts,) index into columns
    part_names: list[str]  # "year", ..., "elapsed days", "month.sin", "month.cos", ...

    state: ClassVar[dict[str, Spec]] = {
        "columns": Strings("columns", unique=True),
        "zones": ListOf(Text(max_length=100), "columns"),
        "origins": Array("i", ("columns",)),
        "part_columns": Array("i", ("parts",), low=0, below="columns"),
        "part_names": ListOf(Text(choices=_NAMES), "parts"),
    }

    @classmethod
    def learn(cls, table: Table, columns: Iterable[str], *, cyclic: bool = False) -> DateParts:
        """Which parts of each column vary, and when its time begins."""
        columns, zones, origins, parts = list(columns), [], [], []
        for j, name in enumerate(columns):
            times = table.moments(name)
            zones.append(getattr(times.dtype, "time_zone", None) or "")
            times = _wall_time(times, zones[j])
            origins.append(times.to_physical().min() or 0)
            varying = [part for part, of in _PARTS.items() if of(times).drop_nulls().n_unique() > 1]
            parts += [(j, part) for part in [*varying, ELAPSED]]
            if cyclic:
                parts += [(j, f"{part}.{wave}") for part in varying if part in _PERIODS for wave in _WAVES]
        return cls(
            columns,
            zones,
            np.array(origins, dtype=np.int64),
            np.array([j for j, _ in parts], dtype=np.int64),
            [part for _, part in parts],
        )

    def transform(self, table: Table) -> np.ndarray:
        """Numbers of shape (n_rows, n_parts), NaN where the date is missing."""
        times = [_wall_time(table.moments(name), zone) for name, zone in zip(self.columns, self.zones)]
        numbers = np.empty((len(self.part_names), table.n_rows))
        for row, j, part in zip(numbers, self.part_columns, self.part_names):
            row[:] = _part(times[j], part, int(self.origins[j]))
        return numbers.T

    def names(self) -> list[str]:
        """`joined.month`, `joined.elapsed days`, ..."""
        return [f"{self.columns[j]}.{part}" for j, part in zip(self.part_columns, self.part_names)]

    def _check_state(self) -> None:
        for zone in filter(None, self.zones):
            try:
                pl.Series([0]).cast(pl.Datetime("us", zone))
            except pl.exceptions.PolarsError:
                raise ValueError(f"zones: {zone!r} is no time zone") from None


def _wall_time(times: pl.Series, zone: str) -> pl.Series:
    """The clock in the zone of training: the hour of a shop's sale is the shop's, not Greenwich's."""
    if getattr(times.dtype, "time_zone", None) is None:
        return times
    return times.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None)


def _part(times: pl.Series, part: str, origin: int) -> np.ndarray:
    if part == ELAPSED:
        microseconds = (times.to_physical() - origin).cast(pl.Float64).fill_null(np.nan)
        return np.asarray(microseconds.to_numpy() / _MICROSECONDS)
    part, _, wave = part.partition(".")
    values: np.ndarray = _PARTS[part](times).cast(pl.Float64).fill_null(np.nan).to_numpy()
    return _WAVES[wave](2.0 * np.pi / _PERIODS[part] * values) if wave else values
