"""Categories: the levels of each column, the code of each cell, and the numbers that stand for codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl

from tripos.data.encoding.table import Table
from tripos.state import Array, Spec, Strings

_FEW_ROWS = 64  # below, a dictionary look-up per cell costs less than casting the column


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of some columns, learned from training rows.

    A column of m kept levels has the codes 0 ... m-1 in the order of its levels, then one code for
    missing cells if there were any, then one for rare levels if any were grouped. A level that was not
    seen has the code of the rare group, or -1 where there is none. A missing cell in a column that
    had none has the code of the most frequent level, or -1 for learners that treat missing values themselves.
    """

    columns: list[str]
    levels: np.ndarray  # of str, all columns one after the other
    starts: np.ndarray  # (n_columns + 1,) column j has levels[starts[j]:starts[j + 1]]
    has_missing: np.ndarray  # (n_columns,) bool
    has_rare: np.ndarray  # (n_columns,) bool
    most_frequent: (
        np.ndarray
    )  # (n_columns,) code, -1 where no cell had a value or a missing one stays missing

    state: ClassVar[dict[str, Spec]] = {
        "columns": Strings("columns", unique=True),
        "levels": Strings("levels"),
        "starts": Array("i", (None,), low=0),
        "has_missing": Array("b", ("columns",)),
        "has_rare": Array("b", ("columns",)),
        "most_frequent": Array("i", ("columns",), low=-1),
    }

    @classmethod
    def learn(
        cls,
        table: Table,
        columns: Iterable[str],
        w: np.ndarray | None,
        *,
        orders: Mapping[str, list[str]] | None = None,
        whole: bool = False,
        min_frequency: float | None = None,
        max_levels: int | None = None,
    ) -> Levels:
        """Learn the levels of some columns.

        Parameters
        ----------
        orders : mapping, optional
            The levels of some columns in their order; without, numbers are ordered by size and names by letter.
        whole : bool
            Keep a level that `orders` or the column's type states even if no row has it.
        min_frequency : int, float or None
            Levels of fewer rows (int) or of a smaller share of the rows (float) form the rare group.
        max_levels : int or None
            At most so many levels are kept (missing not counted), the most frequent ones.
        """
        columns, kept_levels = list(columns), []
        missing, rare, common = [], [], []
        for name in columns:
            counts, n_missing = _count(table.strings(name), w)
            kept = _kept(counts, n_missing, min_frequency, max_levels)
            order = (orders or {}).get(name) or table.levels(name)
            levels = _in_order(kept["level"], order, whole=whole, by_size=table.kind(name) == "number")
            kept_levels.append(levels)
            missing.append(n_missing > 0)
            rare.append(kept.height < counts.height)
            common.append(levels.index(kept["level"][0]) if kept.height else -1)
        return cls(
            columns,
            np.array([level for levels in kept_levels for level in levels], dtype=object),
            np.cumsum([0, *map(len, kept_levels)]),
            np.array(missing, dtype=bool),
            np.array(rare, dtype=bool),
            np.array(common, dtype=np.int64),
        )

    def with_gaps(self) -> Levels:
        """The same for learners that treat missing values themselves: no level stands for a missing cell."""
        return replace(self, most_frequent=np.full_like(self.most_frequent, -1))

    @property
    def sizes(self) -> np.ndarray:
        """Number of kept levels of each column."""
        return np.diff(self.starts)

    @property
    def widths(self) -> np.ndarray:
        """Number of codes of each column."""
        return np.asarray(self.sizes + self.has_missing + self.has_rare)

    def of(self, j: int) -> list[str]:
        """The kept levels of column j."""
        return list(self.levels[self.starts[j] : self.starts[j + 1]])

    def codes(self, table: Table) -> np.ndarray:
        """The code of every cell, int64 of shape (n_rows, n_columns)."""
        codes = np.empty((len(self.columns), table.n_rows), dtype=np.int64)
        for j, name in enumerate(self.columns):
            codes[j] = self._column_codes(j, table.strings(name))
        return codes.T

    def _column_codes(self, j: int, cells: pl.Series) -> np.ndarray:
        size, common, has_missing, has_rare = self._facts[j]
        missing = size if has_missing else common
        unseen = size + has_missing if has_rare else -1
        if len(cells) < _FEW_ROWS:
            index = self._indices[j]
            found = [missing if cell is None else index.get(cell, unseen) for cell in cells.to_list()]
            return np.array(found, dtype=np.int64)
        known = cells.cast(self._enums[j], strict=False).to_physical().cast(pl.Int64)
        codes = known.fill_null(unseen).to_numpy(writable=True)
        if cells.null_count():
            codes[cells.is_null().to_numpy()] = missing
        return codes

    # look-ups that follow from the state; plain Python numbers, because a single row asks for each of them
    @cached_property
    def _facts(self) -> list[tuple[int, int, bool, bool]]:
        arrays = (self.sizes, self.most_frequent, self.has_missing, self.has_rare)
        return list(zip(*(array.tolist() for array in arrays)))

    @cached_property
    def _indices(self) -> list[dict[str, int]]:
        return [{level: code for code, level in enumerate(self.of(j))} for j in range(len(self.columns))]

    @cached_property
    def _enums(self) -> list[pl.Enum]:
        return [pl.Enum(self.of(j)) for j in range(len(self.columns))]

    def names(self, j: int) -> list[str]:
        """The name of each code of column j: `sex=female`, `deck is missing`, `deck is rare`."""
        column = self.columns[j]
        names = [f"{column}={level}" for level in self.of(j)]
        names += [f"{column} is missing"] * bool(self.has_missing[j])
        return names + [f"{column} is rare"] * bool(self.has_rare[j])

    def _check_state(self) -> None:
        starts = self.starts
        if len(starts) != len(self.columns) + 1 or starts[0] != 0 or starts[-1] != len(self.levels):
            raise ValueError("starts does not part the levels into columns")
        if (np.diff(starts) < 0).any() or (self.most_frequent >= np.maximum(self.sizes, 1)).any():
            raise ValueError("starts or most_frequent point outside of a column's levels")
        for j, column in enumerate(self.columns):
            if len(self._indices[j]) < self.sizes[j]:
                raise ValueError(f"column {column!r} has a level twice")


def _count(cells: pl.Series, w: np.ndarray | None) -> tuple[pl.DataFrame, float]:
    """Levels with the number (or weight) of their rows, most frequent first, and that of missing cells."""
    frame = pl.DataFrame({"level": cells})
    if w is None:
        counts = frame.group_by("level").len("rows")
    else:
        counts = frame.with_columns(rows=pl.Series(w)).group_by("level").agg(pl.col("rows").sum())
    missing = pl.col("level").is_null()
    n_missing = counts.filter(missing)["rows"].sum()
    return counts.filter(~missing).sort("rows", "level", descending=[True, False]), float(n_missing)


def _kept(
    counts: pl.DataFrame, n_missing: float, min_frequency: float | None, max_levels: int | None
) -> pl.DataFrame:
    """The rows of `counts` whose level stays a level of its own."""
    if min_frequency is not None:
        least = min_frequency
        if isinstance(min_frequency, float):
            least *= float(counts["rows"].sum()) + n_missing
        counts = counts.filter(pl.col("rows") >= least)
    return counts if max_levels is None else counts.head(max_levels)


def _in_order(levels: pl.Series, order: list[str] | None, *, whole: bool, by_size: bool) -> list[str]:
    if order is not None:
        known = set(levels)
        stated = [level for level in order if whole or level in known]
        return stated + sorted(known.difference(stated))
    if by_size:
        return levels.to_frame().sort(pl.col(levels.name).cast(pl.Float64))[levels.name].to_list()
    return levels.sort().to_list()


@dataclass(frozen=True, eq=False)
class Lookup:
    """Codes to numbers: row `code` of a column's table, and its last row for unseen levels (code -1)."""

    values: np.ndarray  # (sum of (width + 1) over the columns, n_outputs)
    starts: np.ndarray  # (n_columns + 1,)

    state: ClassVar[dict[str, Spec]] = {
        "values": Array("f", ("rows", "outputs"), finite=False),
        "starts": Array("i", (None,), low=0),
    }

    @classmethod
    def of(cls, tables: Sequence[np.ndarray]) -> Lookup:
        """Stack the tables (width + 1, n_outputs) of the columns."""
        return cls(np.concatenate(tables) if tables else np.empty((0, 1)), np.cumsum([0, *map(len, tables)]))

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Numbers of shape (n_rows, n_columns * n_outputs)."""
        at = np.where(codes < 0, self.starts[1:] - 1, self.starts[:-1] + codes)
        return np.asarray(self.values[at].reshape(len(codes), -1))

    def check_levels(self, levels: Levels) -> None:
        """Raise `ValueError` unless there is a table for each column of `levels`, with a row per code."""
        ends = np.cumsum([0, *(levels.widths + 1)])
        if len(self.values) != ends[-1] or not np.array_equal(self.starts, ends):
            raise ValueError("a look-up table does not have one row per level and one for unseen levels")


def code_values(levels: Levels, *, unseen: float = -1.0) -> list[np.ndarray]:
    """The table of each column that turns a code into itself."""
    return [np.append(np.arange(width, dtype=np.float64), unseen)[:, None] for width in levels.widths]


def native_values(levels: Levels) -> list[np.ndarray]:
    """Codes for learners that treat missing values themselves: missing and unseen levels are NaN."""
    tables = code_values(levels, unseen=np.nan)
    for table, size, missing in zip(tables, levels.sizes, levels.has_missing):
        if missing:
            table[size] = np.nan
    return tables


def frequency_values(levels: Levels, codes: np.ndarray, w: np.ndarray | None) -> list[np.ndarray]:
    """The share of the training rows that each code has; 0 for unseen levels."""
    tables = []
    for j, width in enumerate(levels.widths):
        rows = np.bincount(codes[:, j], weights=w, minlength=width + 1).astype(np.float64)
        tables.append((rows / rows.sum())[:, None])
    return tables
