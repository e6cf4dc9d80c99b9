"""Dates to numbers: calendar parts, the time that has passed, and the position in a period as an angle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from tripos.data.encoding.table import Table

_DAY = 86_400e6  # microseconds
PARTS: dict[str, Callable[[pl.Series], Any]] = {
    "year": lambda t: t.dt.year(),
    "month": lambda t: t.dt.month(),
    "day": lambda t: t.dt.day(),
    "weekday": lambda t: t.dt.weekday(),
    "hour": lambda t: t.dt.hour(),
    "minute": lambda t: t.dt.minute(),
}
PERIODS = {
    "month": 12,
    "day": 31,
    "weekday": 7,
    "hour": 24,
    "minute": 60,
}  # values that a part takes in one turn


class DateParts:
    """Numbers from date columns; parts that do not vary over the training rows are left out.

    `elapsed days` counts from the column's first training date, with the time of day as a fraction.
    With `cyclic`, a part p of period P is also written as sin(2 pi p / P) and cos(2 pi p / P), so that
    December stands beside January.

    Attributes
    ----------
    parts_ : list of (int, str)
        Position in `columns`, and "year", ..., "elapsed days", "month.sin", "month.cos", ...
    origins_ : ndarray of shape (n_columns,)
        First training date in microseconds since 1970.
    zones_ : list of str
        Time zone in whose wall time each column is read, or "".
    """

    def __init__(self, columns: Sequence[str], *, cyclic: bool = False) -> None:
        self.columns, self.cyclic = list(columns), cyclic

    def fit(self, table: Table) -> DateParts:
        self.parts_: list[tuple[int, str]] = []
        self.zones_ = [getattr(table.moments(name).dtype, "time_zone", None) or "" for name in self.columns]
        origins = []
        for j, name in enumerate(self.columns):
            times = self._wall_time(j, table.moments(name))
            first = times.min()
            origins.append(
                0 if first is None else int(pl.Series([first]).cast(pl.Datetime("us")).to_physical()[0])
            )
            varying = [part for part, of in PARTS.items() if of(times).drop_nulls().n_unique() > 1]
            self.parts_ += [(j, part) for part in [*varying, "elapsed days"]]
            if self.cyclic:
                self.parts_ += [
                    (j, f"{part}.{f}") for part in varying if part in PERIODS for f in ("sin", "cos")
                ]
        self.origins_ = np.array(origins, dtype=np.int64)
        return self

    def _wall_time(self, j: int, times: pl.Series) -> pl.Series:
        if getattr(times.dtype, "time_zone", None) is None:
            return times
        return times.dt.convert_time_zone(self.zones_[j] or "UTC").dt.replace_time_zone(None)

    def transform(self, table: Table) -> np.ndarray:
        """Numbers of shape (n_rows, n_parts), NaN where the date is missing."""
        times = [self._wall_time(j, table.moments(name)) for j, name in enumerate(self.columns)]
        numbers = np.empty((len(self.parts_), table.n_rows))
        for row, (j, part) in zip(numbers, self.parts_):
            row[:] = self._part(times[j], part, int(self.origins_[j]))
        return numbers.T

    @staticmethod
    def _part(times: pl.Series, part: str, origin: int) -> np.ndarray:
        if part == "elapsed days":
            microseconds = times.to_physical() - origin
            return microseconds.cast(pl.Float64).fill_null(np.nan).to_numpy() / _DAY
        part, _, wave = part.partition(".")
        values = PARTS[part](times).cast(pl.Float64).fill_null(np.nan).to_numpy()
        if not wave:
            return values
        angle = 2.0 * np.pi / PERIODS[part] * values
        return np.sin(angle) if wave == "sin" else np.cos(angle)

    def names(self) -> list[str]:
        return [f"{self.columns[j]}.{part}" for j, part in self.parts_]
