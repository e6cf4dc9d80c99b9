"""Categories: the levels of each column, and what each encoding makes of a level's code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp

from tripos.data.encoding.table import Table

_FEW_ROWS = 64  # below, a dictionary look-up per cell beats casting the column


class Levels:
    """The levels of some columns, learned from training rows, and the code of each cell.

    A column of m kept levels has the codes 0 ... m-1 in the order of its levels, then one code for
    missing cells if there were any, then one for rare levels if any were grouped. A level that was not
    seen has the code of the rare group, or -1 where there is none. A missing cell in a column that
    had none has the code of the most frequent level.

    Parameters
    ----------
    columns : list of str
    min_frequency : int, float or None
        Levels of fewer rows (int) or of a smaller share of the rows (float) form the rare group.
    max_levels : int or None
        At most so many levels are kept (missing not counted), the most frequent.
    """

    def __init__(
        self, columns: Sequence[str], *, min_frequency: float | None = None, max_levels: int | None = None
    ) -> None:
        self.columns = list(columns)
        self.min_frequency, self.max_levels = min_frequency, max_levels

    def fit(
        self, table: Table, w: np.ndarray | None, orders: dict[str, list[str]], *, whole: bool = False
    ) -> np.ndarray:
        """Learn the levels; returns the codes of the same rows, of shape (n_rows, n_columns).

        `orders` states the levels of some columns in their order; with `whole` a stated level is kept
        even where no training row has it.
        """
        self.levels_: list[list[str]] = []
        missing, rare, common = [], [], []
        for name in self.columns:
            counts = _count(table.strings(name), w)
            n_missing = counts.filter(pl.col("level").is_null())["rows"].sum()
            counts = counts.filter(pl.col("level").is_not_null())
            kept = self._keep(counts, n_missing)
            self.levels_.append(_in_order(kept["level"], table, name, orders.get(name), whole))
            missing.append(n_missing > 0)
            rare.append(kept.height < counts.height)
            common.append(-1 if not kept.height else self.levels_[-1].index(kept["level"][0]))
        self.has_missing_ = np.array(missing, dtype=bool)
        self.has_rare_ = np.array(rare, dtype=bool)
        self.most_frequent_ = np.array(common, dtype=np.int64)
        self._prepare()
        return self.codes(table)

    def _keep(self, counts: pl.DataFrame, n_missing: float) -> pl.DataFrame:
        """The rows of `counts` (most frequent first) whose level stays a level of its own."""
        counts = counts.sort("rows", "level", descending=[True, False])
        if self.min_frequency is not None:
            share = isinstance(self.min_frequency, float)
            least = self.min_frequency * (counts["rows"].sum() + n_missing) if share else self.min_frequency
            counts = counts.filter(pl.col("rows") >= least)
        return counts if self.max_levels is None else counts.head(self.max_levels)

    def _prepare(self) -> None:
        """Look-ups that follow from the fitted state and are not saved with it."""
        self.sizes_ = np.array([len(levels) for levels in self.levels_], dtype=np.int64)
        self.widths_ = self.sizes_ + self.has_missing_ + self.has_rare_
        self._enums: dict[int, pl.Enum] = {}
        self._index: dict[int, dict[str, int]] = {}

    def codes(self, table: Table) -> np.ndarray:
        """The code of every cell, int64 of shape (n_rows, n_columns)."""
        codes = np.empty((len(self.columns), table.n_rows), dtype=np.int64)
        for j, name in enumerate(self.columns):
            codes[j] = self._column_codes(j, table.strings(name))
        return codes.T

    def _column_codes(self, j: int, cells: pl.Series) -> np.ndarray:
        size, rare = int(self.sizes_[j]), bool(self.has_rare_[j])
        missing = size if self.has_missing_[j] else int(self.most_frequent_[j])
        unseen = int(self.widths_[j]) - 1 if rare else -1
        if len(cells) < _FEW_ROWS:
            if j not in self._index:
                self._index[j] = {level: code for code, level in enumerate(self.levels_[j])}
            index = self._index[j]
            return np.array(
                [missing if v is None else index.get(v, unseen) for v in cells.to_list()], dtype=np.int64
            )
        if j not in self._enums:
            self._enums[j] = pl.Enum(self.levels_[j])
        found = cells.cast(self._enums[j], strict=False).to_physical().cast(pl.Int64)
        codes = found.fill_null(unseen).to_numpy(writable=True)
        if cells.null_count():
            codes[cells.is_null().to_numpy()] = missing
        return codes

    def names(self, j: int) -> list[str]:
        """The name of each code of column j: `sex=female`, `deck is missing`, `deck is rare`."""
        column = self.columns[j]
        names = [f"{column}={level}" for level in self.levels_[j]]
        names += [f"{column} is missing"] * bool(self.has_missing_[j])
        return names + [f"{column} is rare"] * bool(self.has_rare_[j])


def _count(cells: pl.Series, w: np.ndarray | None) -> pl.DataFrame:
    """Level and number (or weight) of its rows; missing is the null level."""
    frame = pl.DataFrame({"level": cells})
    if w is None:
        return frame.group_by("level").len("rows")
    return frame.with_columns(rows=pl.Series(w)).group_by("level").agg(pl.col("rows").sum())


def _in_order(levels: pl.Series, table: Table, name: str, order: list[str] | None, whole: bool) -> list[str]:
    """Levels in the order that is stated (by the schema or the type), else numbers by size, else by name."""
    order = order or table.levels(name)
    if order is not None:
        known = set(levels)
        stated = [level for level in order if whole or level in known]
        return stated + sorted(known.difference(stated))
    if table.kind(name) == "number":
        return levels.to_frame().sort(pl.col(levels.name).cast(pl.Float64))[levels.name].to_list()
    return levels.sort().to_list()


def code_values(levels: Levels, *, unseen: float) -> list[np.ndarray]:
    """The table of each column that turns a code into itself; the last row is for unseen levels."""
    return [np.append(np.arange(width, dtype=np.float64), unseen)[:, None] for width in levels.widths_]


def native_values(levels: Levels) -> list[np.ndarray]:
    """Codes for learners that split on categories: missing and unseen levels are NaN."""
    tables = code_values(levels, unseen=np.nan)
    for table, size, missing in zip(tables, levels.sizes_, levels.has_missing_):
        if missing:
            table[size] = np.nan
    return tables


def frequency_values(levels: Levels, codes: np.ndarray, w: np.ndarray | None) -> list[np.ndarray]:
    """The share of the training rows that each code has; none for unseen levels."""
    tables = []
    for j, width in enumerate(levels.widths_):
        rows = np.bincount(codes[:, j], weights=w, minlength=width + 1).astype(np.float64)
        tables.append((rows / rows.sum())[:, None])
    return tables


class Lookup:
    """Codes to numbers: row `code` of the column's table, its last row for unseen levels (code -1).

    Attributes
    ----------
    values_ : ndarray of shape (sum of (width + 1), n_outputs)
    starts_ : ndarray of shape (n_columns + 1,)
    """

    def __init__(self, tables: Sequence[np.ndarray]) -> None:
        self.values_ = np.concatenate(tables) if tables else np.empty((0, 1))
        self.starts_ = np.cumsum([0, *map(len, tables)])

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Numbers of shape (n_rows, n_columns * n_outputs)."""
        at = np.where(codes < 0, self.starts_[1:] - 1, self.starts_[:-1] + codes)
        return self.values_[at].reshape(len(codes), -1)


class Indicators:
    """One column of 0 and 1 per code: where each code's column stands, dense or CSR.

    With `drop_first` the first code of every source has no column: its rows are the ones where all
    others are 0, so that the columns of a source and an intercept are not collinear.
    """

    def __init__(self, widths: np.ndarray, *, drop_first: bool) -> None:
        self.drop = int(drop_first)
        kept = np.maximum(np.asarray(widths, dtype=np.int64) - self.drop, 0)
        self.offsets = np.cumsum(np.concatenate([[0], kept]))  # (n_sources + 1,)
        self.width = int(self.offsets[-1])

    def write(self, codes: np.ndarray, out: np.ndarray) -> None:
        """Set the ones of `codes` (n_rows, n_sources) in `out` (n_rows, width), which holds zeros."""
        for j, offset in enumerate(self.offsets[:-1]):
            at = codes[:, j] - self.drop
            rows = np.flatnonzero(at >= 0)
            out[rows, offset + at[rows]] = 1.0

    def csr(self, codes: np.ndarray, dtype: np.dtype) -> sp.csr_matrix:
        at = codes - self.drop
        present = at >= 0
        indices = (at + self.offsets[:-1])[present].astype(np.int32)  # row by row, and rising within a row
        indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
        return sp.csr_matrix((np.ones(len(indices), dtype), indices, indptr), shape=(len(codes), self.width))
