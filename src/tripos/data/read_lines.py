"""A table's lines one by one: which are ragged, whether quotes are quotes, and a clean copy of what polars cannot take.

polars fills short lines in silence. `lines_differ` counts delimiters with polars, at about the speed of reading;
only when that finds something does the stdlib's `csv` go through the file and name the lines.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from tripos.data.messages import counted, listed
from tripos.data.read_bytes import Source, Spool
from tripos.data.read_dialect import NO_DELIMITER, WHITESPACE, Dialect
from tripos.errors import TableError

TRIMMED_SHARE = 0.01  # of lines short from which a writer that trims empty cells is believed
NAMED = 1000  # ragged lines remembered; the rest are counted


@dataclass
class Survey:
    """What one pass over all rows found.

    Attributes
    ----------
    width : cells that a row should have
    widths : number of rows by their number of cells
    ragged : (line, cells) of the first rows whose number of cells differs
    overfull : rows longer than the width whose extra cells are not all empty
    ends_empty : whether some row of full width ends in an empty cell
    quotes, wrapped : cells with a quote in them, and cells that begin and end with one
    """

    width: int
    widths: Counter[int] = field(default_factory=Counter)
    ragged: list[tuple[int, int]] = field(default_factory=list)
    overfull: int = 0
    ends_empty: bool = False
    last_line: int = 0
    quotes: int = 0
    wrapped: int = 0

    @property
    def n_rows(self) -> int:
        return sum(self.widths.values())

    @property
    def short(self) -> int:
        """Rows with fewer cells than they should have."""
        return sum(count for width, count in self.widths.items() if width < self.width)

    @property
    def regular(self) -> bool:
        return set(self.widths) == {self.width}

    @property
    def trimmed(self) -> bool:
        """Whether short rows come from a writer that leaves out trailing empty cells: many are short, and no
        full row ends in an empty cell, which such a writer would never write."""
        enough = self.short >= max(TRIMMED_SHARE * self.n_rows, 3)
        return enough and self.widths[self.width] > 0 and not self.ends_empty

    @property
    def repairable(self) -> bool:
        """Whether every ragged row only lacks, or only adds, empty cells at its end."""
        return self.overfull == 0 and (self.short == 0 or self.trimmed)

    def repair_text(self) -> str:
        """What the repair was, for the statement."""
        lines = listed((line for line, _ in self.ragged), 3)
        extra = self.n_rows - self.short - self.widths[self.width]
        parts = [f"{counted(extra, 'line')} with empty cells beyond the last column"] * bool(extra)
        parts += [f"{counted(self.short, 'line')} without trailing empty cells, filled as missing"] * bool(
            self.short
        )
        return f"{' and '.join(parts)} (line {lines})"

    def error(self, name: str, dialect: Dialect) -> TableError:
        """The error that names the ragged lines."""
        n = self.n_rows - self.widths[self.width]
        places = listed(f"line {line:,} has {counted(cells, 'cell')}" for line, cells in self.ragged)
        end = (
            f" The last line ({self.last_line:,}) is short: the file may be cut off."
            if self._cut_off()
            else ""
        )
        return TableError(
            f"{name}: {n:,} of {self.n_rows:,} lines do not have {counted(self.width, 'cell')} as the table should: {places}.{end} "
            f"Correct them (often a {dialect.delimiter!r} or a quote inside an unquoted cell), or name another delimiter="
            " or quote=; delimiter='\\n' reads each line as one cell."
        )

    def _cut_off(self) -> bool:
        return len(self.ragged) == 1 and self.ragged[0][0] == self.last_line and self.short == 1


def survey(source: Source, encoding: str, dialect: Dialect) -> Survey:
    """Go through all rows with the stdlib's `csv` and count what does not fit; empty lines are passed over."""
    width = dialect.width
    found = Survey(width)
    for line, row in dialect.rows(source.lines(encoding)):
        if not any(row):
            continue
        found.widths[len(row)] += 1
        found.last_line = line
        if len(row) != width:
            if len(found.ragged) < NAMED:
                found.ragged.append((line, len(row)))
            found.overfull += len(row) > width and any(cell.strip() for cell in row[width:])
        elif not row[-1].strip():
            found.ends_empty = True
        if dialect.quote is None:
            for cell in row:
                if '"' in cell:
                    found.quotes += 1
                    found.wrapped += len(cell) > 1 and cell[0] == cell[-1] == '"'
    return found


def rewrite(
    source: Source, encoding: str, dialect: Dialect, skip: int, spool: Spool
) -> tuple[Source, Dialect]:
    """A copy of the rows after line `skip` that polars reads: UTF-8, standard quotes, every row of `dialect.width`
    cells, no empty lines."""
    clean = Dialect(";", '"', dialect.width)  # not a comma, which may stand for the decimal point
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=clean.delimiter, lineterminator="\n")
    for line, row in dialect.rows(source.lines(encoding)):
        if line <= skip or not any(row):
            continue
        writer.writerow(row[: dialect.width] + [""] * (dialect.width - len(row)))
        if buffer.tell() > 1 << 20:
            spool.write(buffer.getvalue().encode("utf-8", "surrogateescape"))
            buffer.seek(0)
            buffer.truncate()
    spool.write(buffer.getvalue().encode("utf-8", "surrogateescape"))
    return spool.source(), clean


def lines_differ(source: Source, dialect: Dialect, *, quoting: bool) -> bool:
    """Whether some line of plain UTF-8 text does not hold `dialect.width - 1` delimiters.

    Parameters
    ----------
    quoting : bool
        Whether delimiters between quotes are left out of the count. Lines of a cell that spans several of them then
        differ too: the answer True means that a closer look is needed, False that none is.
    """
    if dialect.delimiter in (NO_DELIMITER, WHITESPACE) or dialect.width < 2:
        return False
    line = pl.col("line")
    if quoting and dialect.quote is not None:
        quote = f"\\x{ord(dialect.quote):02x}"
        line = (
            pl.when(line.str.contains(dialect.quote, literal=True))
            .then(line.str.replace_all(f"{quote}[^{quote}]*{quote}", ""))
            .otherwise(line)
        )
    differs = line.str.count_matches(dialect.delimiter, literal=True) != dialect.width - 1
    blank = pl.col("line").str.strip_chars() == ""
    return bool(_lines(source, dialect).select((differs & ~blank).any()).collect(engine="streaming").item())


def _lines(source: Source, dialect: Dialect) -> pl.LazyFrame:
    """The lines as one column, empty ones as null; a separator that text does not hold keeps them whole."""
    return pl.scan_csv(
        source.for_polars,
        has_header=False,
        separator="\x1f" if dialect.delimiter != "\x1f" else "\x1e",
        quote_char=None,
        schema={"line": pl.String},
        truncate_ragged_lines=True,
        glob=False,
    )


def row_lines(source: Source, encoding: str, dialect: Dialect, skip: int, rows: list[int]) -> list[int]:
    """The line on which each of some data rows (from 0, in order) ends; `skip` lines hold the header."""
    wanted, found, row_number = set(rows), dict[int, int](), 0
    for line, row in dialect.rows(source.lines(encoding)):
        if line <= skip or not any(row):
            continue
        if row_number in wanted:
            found[row_number] = line
            if len(found) == len(wanted):
                break
        row_number += 1
    return [found[row] for row in rows if row in found]
