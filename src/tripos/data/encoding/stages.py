"""The stages in order: what an encoder learned, column by column, and how rows pass through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.data.encoding import categories as by_code
from tripos.data.encoding import target_statistics as by_target
from tripos.data.encoding.binning import Bins
from tripos.data.encoding.categories import Indicators, Levels, Lookup
from tripos.data.encoding.dates import DateParts
from tripos.data.encoding.missing import Filler
from tripos.data.encoding.output import Pieces
from tripos.data.encoding.scaling import Scaling
from tripos.data.encoding.table import Table
from tripos.data.encoding.text import TfIdf

NUMERIC = ("number", "boolean")
CATEGORIES = ("category", "integer code")


@dataclass(frozen=True)
class Rows:
    """Training rows: the table, its target (None when there is none) and weights (None when all are 1)."""

    table: Table
    y: np.ndarray | None
    w: np.ndarray | None


@dataclass
class Cells:
    """What some rows say, before gaps are filled and ranges are changed."""

    numbers: np.ndarray  # (n_rows, n_numbers), NaN for missing
    codes: np.ndarray  # (n_rows, n_category_columns)
    texts: list[sp.csr_matrix]


class Stages:
    """Everything that `Encoder.fit` learns.

    The columns of numbers, one after the other, come from: numbers and booleans, ordered categories, dates,
    and categories where a number stands for a level (`lookup`).

    Parameters
    ----------
    columns, kinds : list of str
        The input columns that are used and the kind of each.
    how : Encoder
        The settings, read here and not kept.
    """

    def __init__(self, columns: list[str], kinds: list[str], how: Any) -> None:
        self.columns, self.kinds = columns, kinds
        self.direct = self._of(*NUMERIC)
        self.ordered = Levels(self._of("ordered category"))
        self.dates = DateParts(self._of("date"), cyclic=how.dates == "cyclic")
        self.levels = Levels(
            self._of(*CATEGORIES), min_frequency=how.min_frequency, max_levels=how.max_levels
        )
        texts = self._of("text") if how.text == "tf-idf" else []
        self.texts = [TfIdf(name, max_features=how.max_text_features) for name in texts]
        self.lookup: Lookup | None = None
        self.filler: Filler | None = None
        self.scaling: Scaling | None = None
        self.bins: Bins | None = None
        self.drop_first = how.categories == "one-hot-drop"

    def _of(self, *kinds: str) -> list[str]:
        return [name for name, kind in zip(self.columns, self.kinds) if kind in kinds]

    # ---- learning

    def learn(self, rows: Rows, how: Any, orders: dict[str, list[str]]) -> Cells:
        """Learn every stage from the training rows; returns what these rows say."""
        cells = self._learn_columns(rows, how, orders)
        self._learn_names(how)
        self._learn_numbers(cells.numbers, rows, how)
        return cells

    def _learn_columns(self, rows: Rows, how: Any, orders: dict[str, list[str]]) -> Cells:
        self.ordered.fit(rows.table, rows.w, orders, whole=True)
        self.ranks = Lookup(by_code.native_values(self.ordered))
        self.dates.fit(rows.table)
        codes = self.levels.fit(rows.table, rows.w, orders)
        self.outputs = [""]
        if not how.categories.startswith("one-hot"):
            self.lookup = Lookup(self._code_values(codes, rows, how))
        texts = [text.fit_transform(rows.table.strings(text.column), rows.w) for text in self.texts]
        return Cells(self._numbers(rows.table, codes), codes, texts)

    def _code_values(self, codes: np.ndarray, rows: Rows, how: Any) -> list[np.ndarray]:
        """What stands for each code where categories become numbers."""
        if how.categories == "target":
            if rows.y is None:
                raise ValueError("categories='target' learns from the target: fit(X, y) needs y")
            Y, self.outputs = by_target.target_columns(rows.y, how.task)
            return by_target.target_values(self.levels, codes, Y, rows.w, how.smoothing)
        if how.categories == "frequency":
            self.outputs = ["share of rows"]
            return by_code.frequency_values(self.levels, codes, rows.w)
        if how.categories == "native" and how.missing == "native":
            return by_code.native_values(self.levels)
        return by_code.code_values(self.levels, unseen=-1.0)

    def _learn_names(self, how: Any) -> None:
        """The name of each number, the column it comes from, and whether scaling and binning concern it."""
        position = {name: i for i, name in enumerate(self.columns)}
        looked_up = self.levels.columns if self.lookup else []
        self.number_names = [*self.direct, *self.ordered.columns, *self.dates.names()]
        self.number_names += [f"{name}: {of}" if of else name for name in looked_up for of in self.outputs]
        sources = [
            *self.direct,
            *self.ordered.columns,
            *(self.dates.columns[j] for j, _ in self.dates.parts_),
        ]
        sources += [name for name in looked_up for _ in self.outputs]
        self.number_sources = np.array([position[name] for name in sources], dtype=np.int64)
        kinds = np.array([self.kinds[i] for i in self.number_sources], dtype=object)
        self._discrete = kinds == "boolean"
        self._made = np.arange(len(sources)) >= len(self.direct)
        if how.categories == "native":
            self._discrete |= np.isin(kinds, CATEGORIES)

    def _learn_numbers(self, N: np.ndarray, rows: Rows, how: Any) -> None:
        """Fills, indicators, then ranges or bins of the filled numbers."""
        gaps = np.isnan(N)
        _refuse_infinite(N, gaps, self.number_names)
        self.flagged = self._flagged(gaps, how)
        if how.missing == "impute":
            self.filler = Filler(how.fill).fit(N, rows.w, self._discrete)
            N = self.filler.transform(N, gaps)
        touched = ~self._discrete
        self.binned = np.flatnonzero(touched) if how.numbers == "bins" else np.empty(0, dtype=np.int64)
        if how.numbers == "bins":
            if how.binning == "tree" and rows.y is None:
                raise ValueError("binning='tree' learns from the target: fit(X, y) needs y")
            self.bins = Bins(how.binning, how.n_bins).fit(N[:, self.binned], rows.w, rows.y, task=how.task)
        elif how.scale != "none":
            self.scaling = Scaling(how.scale, floor=how.sign == "non-negative").fit(N, rows.w, touched)
        elif how.sign == "non-negative" and (self._made & touched).any():
            self.scaling = Scaling("min-max", floor=True).fit(N, rows.w, self._made & touched)

    def _flagged(self, gaps: np.ndarray, how: Any) -> np.ndarray:
        """The first number of each source that gets an indicator of its gaps."""
        if how.missing == "native" or how.indicators is False:
            return np.empty(0, dtype=np.int64)
        _, first = np.unique(self.number_sources, return_index=True)
        first = first[[self.kinds[i] not in CATEGORIES for i in self.number_sources[first]]]
        if how.indicators == "auto":
            n_gaps = gaps[:, first].sum(axis=0)
            first = first[(n_gaps > 0) & (n_gaps < len(gaps))]
        return np.sort(first)

    # ---- rows

    def cells(self, table: Table) -> Cells:
        """What the rows of a later table say."""
        codes = self.levels.codes(table)
        return Cells(
            self._numbers(table, codes),
            codes,
            [text.transform(table.strings(text.column)) for text in self.texts],
        )

    def _numbers(self, table: Table, codes: np.ndarray) -> np.ndarray:
        blocks = [table.numbers(self.direct)] if self.direct else []
        if self.ordered.columns:
            blocks.append(self.ranks(self.ordered.codes(table)))
        if self.dates.columns:
            blocks.append(self.dates.transform(table))
        if self.lookup and self.levels.columns:
            blocks.append(self.lookup(codes))
        if not blocks:
            return np.empty((table.n_rows, 0))
        return blocks[0] if len(blocks) == 1 else np.concatenate([block.T for block in blocks]).T

    def pieces(self, cells: Cells) -> Pieces:
        """The rows, filled and brought to range, as what stands side by side in the result."""
        N, gaps = cells.numbers, np.isnan(cells.numbers)
        _refuse_infinite(N, gaps, self.number_names)
        flags = gaps[:, self.flagged]
        if self.filler:
            N = self.filler.transform(N, gaps)
        if self.scaling:
            N = self.scaling.transform(N)
        groups = []
        if self.bins:
            groups.append(
                (Indicators(self.bins.widths, drop_first=False), self.bins.codes(N[:, self.binned]))
            )
            N = np.delete(N, self.binned, axis=1)
        if not self.lookup and self.levels.columns:
            groups.append((Indicators(self.levels.widths_, drop_first=self.drop_first), cells.codes))
        return Pieces(N, flags, groups, cells.texts)

    # ---- names

    def names(self) -> tuple[list[str], np.ndarray]:
        """The name of each column of the result and the position of the input column it is made from."""
        kept = np.setdiff1d(np.arange(len(self.number_names)), self.binned)
        named = [([self.number_names[j]], self.number_sources[j]) for j in kept]
        flagged = self.number_sources[self.flagged]
        named += [([f"{self.columns[i]} is missing"], i) for i in flagged]
        if self.bins:
            of = [self.number_names[j] for j in self.binned]
            named += zip(self.bins.names(of), self.number_sources[self.binned])
        if not self.lookup:
            drop = int(self.drop_first)
            named += [
                (self.levels.names(j)[drop:], self.columns.index(c))
                for j, c in enumerate(self.levels.columns)
            ]
        named += [(text.names(), self.columns.index(text.column)) for text in self.texts]
        sources = np.repeat([i for _, i in named], [len(names) for names, _ in named])
        return [name for names, _ in named for name in names], sources.astype(np.int64)


def _refuse_infinite(N: np.ndarray, gaps: np.ndarray, names: list[str]) -> None:
    if np.isfinite(np.sum(N)):  # one pass and no mask in the usual case
        return
    bad = np.argwhere(~np.isfinite(N) & ~gaps)
    if len(bad):
        row, j = bad[0]
        raise ValueError(
            f"Input X contains infinity or a value too large for {N.dtype!r}: column {names[j]!r}, row {row} holds "
            f"{N[row, j]}; replace it by a number or by a missing value"
        )
