"""The stages in order: what an encoder learned, column by column, and how rows pass through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tripos.data.encoding.binning import Bins
from tripos.data.encoding.categories import Levels, Lookup, native_values
from tripos.data.encoding.dates import DateParts
from tripos.data.encoding.missing import Filler
from tripos.data.encoding.output import Indicators, Pieces
from tripos.data.encoding.scaling import Scaling
from tripos.data.encoding.table import Table
from tripos.data.encoding.text import TfIdf
from tripos.state import Array, Flag, ListOf, Nested, NestedList, Spec, Strings, Text

NUMBERS = ("number", "boolean")
CATEGORIES = ("category", "integer code")
USED = (*NUMBERS, *CATEGORIES, "ordered category", "date", "text")


@dataclass(frozen=True)
class Rows:
    """Some rows: the table, its target (None when there is none) and weights (None when all are 1)."""

    table: Table
    y: np.ndarray | None = None
    w: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Rows:
        """The given rows (indices or mask)."""
        return Rows(self.table.take(rows), *(None if v is None else v[rows] for v in (self.y, self.w)))


@dataclass
class Cells:
    """What some rows say, before gaps are filled and ranges are changed."""

    numbers: np.ndarray  # (n_rows, n_numbers), NaN for missing
    codes: np.ndarray  # (n_rows, n_category_columns)
    texts: list[sp.csr_matrix]


@dataclass(frozen=True, eq=False)
class Stages:
    """Everything that `Encoder.fit` learns.

    The numbers of a row come from, one after the other: numbers and booleans, ordered categories, dates, and
    categories where numbers stand for a level (`lookup`). In the result follow indicators of missing numbers,
    one column per level, and text.
    """

    columns: list[str]
    kinds: list[str]
    ordered: Levels
    dates: DateParts
    levels: Levels
    lookup: Lookup | None
    looked_up: list[str]  # what each output of the look-up means, as in "share of yes"
    texts: list[TfIdf]
    flagged: np.ndarray  # (n_indicators,) numbers whose gaps an indicator shows
    binned: np.ndarray  # (n_binned,) numbers that bins replace
    filler: Filler | None
    scaling: Scaling | None
    bins: Bins | None
    drop_first: bool

    state: ClassVar[dict[str, Spec]] = {
        "columns": Strings("columns", unique=True),
        "kinds": ListOf(Text(choices=USED), "columns"),
        "ordered": Nested("Levels"),
        "dates": Nested("DateParts"),
        "levels": Nested("Levels"),
        "lookup": Nested("Lookup", optional=True),
        "looked_up": Strings("outputs"),
        "texts": NestedList("TfIdf"),
        "flagged": Array("i", ("indicators",), low=0),
        "binned": Array("i", ("binned",), low=0),
        "filler": Nested("Filler", optional=True),
        "scaling": Nested("Scaling", optional=True),
        "bins": Nested("Bins", optional=True),
        "drop_first": Flag(),
    }

    def cells(self, table: Table) -> Cells:
        """What the rows of a later table say."""
        codes = self.levels.codes(table)
        blocks = [self.direct_numbers(table)]
        if self.lookup and self.levels.columns:
            blocks.append(self.lookup(codes))
        texts = [text.transform(table.strings(text.column)) for text in self.texts]
        return Cells(side_by_side(blocks, table.n_rows), codes, texts)

    def direct_numbers(self, table: Table) -> np.ndarray:
        """The numbers that do not stand for a category."""
        direct = _of(self.columns, self.kinds, NUMBERS)
        blocks = [table.numbers(direct)] if direct else []
        if self.ordered.columns:
            blocks.append(self._ranks(self.ordered.codes(table)))
        if self.dates.columns:
            blocks.append(self.dates.transform(table))
        return side_by_side(blocks, table.n_rows)

    @cached_property
    def _ranks(self) -> Lookup:
        return Lookup.of(native_values(self.ordered))

    def pieces(self, cells: Cells) -> Pieces:
        """The rows, filled and brought to range, as what stands side by side in the result."""
        N = cells.numbers
        gaps = find_gaps(N, self.number_names)
        flags = np.zeros((len(N), len(self.flagged)), dtype=bool) if gaps is None else gaps[:, self.flagged]
        if self.filler:
            N = self.filler.transform(N, gaps)
        if self.scaling:
            N = self.scaling.transform(N)
        groups = []
        if self.bins:
            groups.append((Indicators(self.bins.widths), self.bins.codes(N[:, self.binned])))
            N = np.delete(N, self.binned, axis=1)
        if not self.lookup and self.levels.columns:
            groups.append((Indicators(self.levels.widths, drop_first=self.drop_first), cells.codes))
        return Pieces(N, flags, groups, cells.texts)

    @cached_property
    def _numbers(self) -> list[tuple[str, int]]:
        """The name of each number and the position of the column that it comes from."""
        position = {name: i for i, name in enumerate(self.columns)}
        direct = [*_of(self.columns, self.kinds, NUMBERS), *self.ordered.columns]
        numbers = [(name, position[name]) for name in direct]
        dated = (self.dates.columns[j] for j in self.dates.part_columns)
        numbers += [(name, position[column]) for name, column in zip(self.dates.names(), dated)]
        for column in self.levels.columns if self.lookup else ():
            numbers += [(f"{column}: {of}" if of else column, position[column]) for of in self.looked_up]
        return numbers

    @property
    def number_names(self) -> list[str]:
        return [name for name, _ in self._numbers]

    @property
    def number_sources(self) -> np.ndarray:
        """For each number the position of the column that it comes from."""
        return np.array([source for _, source in self._numbers], dtype=np.int64)

    def names(self) -> tuple[list[str], list[str]]:
        """The name of each column of the result, and the input column that it is made from."""
        names, sources = self.number_names, [self.columns[i] for i in self.number_sources]
        binned = set(self.binned.tolist())
        named = [([name], sources[j]) for j, name in enumerate(names) if j not in binned]
        named += [([f"{sources[j]} is missing"], sources[j]) for j in self.flagged]
        if self.bins:
            bins = self.bins.names([names[j] for j in self.binned])
            named += [(of_column, sources[j]) for of_column, j in zip(bins, self.binned)]
        if not self.lookup:
            named += [(self.levels.names(j)[self.drop_first :], c) for j, c in enumerate(self.levels.columns)]
        named += [(text.names(), text.column) for text in self.texts]
        return [name for group, _ in named for name in group], [c for group, c in named for _ in group]

    def _check_state(self) -> None:
        of_kind = {
            "ordered category": self.ordered.columns,
            "date": self.dates.columns,
            "category": self.levels.columns,
        }
        for kind, columns in of_kind.items():
            kinds = CATEGORIES if kind == "category" else (kind,)
            if columns != _of(self.columns, self.kinds, kinds):
                raise ValueError(
                    f"the columns of kind {kind!r} are not those that the stage of this kind holds"
                )
        if not {text.column for text in self.texts} <= set(_of(self.columns, self.kinds, ("text",))):
            raise ValueError("a text stage reads a column that is not text")
        if self.lookup:
            self.lookup.check_levels(self.levels)
            if self.lookup.values.shape[1] != len(self.looked_up):
                raise ValueError("looked_up does not name each output of the look-up table")
        n = len(self._numbers)
        lengths: Mapping[str, Any] = {
            "filler": self.filler and self.filler.fill,
            "scaling": self.scaling and self.scaling.center,
        }
        for stage, values in lengths.items():
            if values is not None and len(values) != n:
                raise ValueError(f"{stage} is for {len(values)} numbers, the columns give {n}")
        for positions in (self.flagged, self.binned):
            if len(positions) and (positions[-1] >= n or (np.diff(positions) <= 0).any()):
                raise ValueError("flagged and binned are not rising positions among the numbers")
        if len(self.binned) != (len(self.bins.widths) if self.bins else 0):
            raise ValueError("bins are not for the numbers in binned")


def find_gaps(N: np.ndarray, names: list[str]) -> np.ndarray | None:
    """The mask of NaN, or None where there is none; `ValueError` for infinite numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(np.sum(N)):  # one pass and no mask in the usual case
            return None
    infinite = np.isinf(N)
    if infinite.any():
        row, j = np.argwhere(infinite)[0]
        raise ValueError(
            f"Input X contains infinity or a value too large for {N.dtype!r}: column {names[j]!r}, row {row} holds "
            f"{N[row, j]}; replace it by a number or by a missing value"
        )
    return np.asarray(np.isnan(N))


def side_by_side(blocks: list[np.ndarray], n_rows: int) -> np.ndarray:
    """Blocks (n_rows, ...) as one, a row of memory per column as in `Table.numbers`."""
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate([np.empty((0, n_rows)), *(block.T for block in blocks)]).T


def _of(columns: list[str], kinds: list[str], wanted: tuple[str, ...]) -> list[str]:
    return [name for name, kind in zip(columns, kinds) if kind in wanted]
