"""How a text table will be read: encoding, dialect, header, names and column types, told from its first rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import polars as pl

from tripos.compute import budget
from tripos.data.messages import closest, counted, listed, state
from tripos.data.read_bytes import HEAD, NATIVE, Source, Spool, is_lone_cr, refuse_foreign, unpack
from tripos.data.read_dialect import Dialect, Row, has_decimal_comma, padded_columns, sniff
from tripos.data.read_encoding import UTF8, encoding_of
from tripos.data.read_header import has_header, usable_names
from tripos.data.read_lines import rewrite, row_lines
from tripos.errors import TableError

SMALL = 32 << 20  # bytes of text that are read without asking for the memory first
FEW_LINES, LONGEST_HEAD = 20, 128 << 20  # lines looked at in a wide table, and the bytes they may take
STRING_VIEW = 16  # bytes that polars takes for a string beside its text


@dataclass(frozen=True)
class Asked:
    """What the caller of `read_table` asked for; the meaning of each is there."""

    header: bool | str = "auto"
    names: Sequence[str] | None = None
    delimiter: str | None = None
    quote: str | None = '"'
    encoding: str | None = None
    nulls: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    n_rows: int | None = None
    sheet: str | int | None = None
    query: str | None = None


@dataclass(frozen=True)
class Plan:
    """How one text table will be read.

    Attributes
    ----------
    source, encoding, dialect : what is read next, perhaps a rewritten copy
    asked : what the caller wants
    rows : the first rows of data
    names : column names, one per cell of a full row
    skip : lines before the first row of data
    types : column types to begin with
    original : the plan whose lines the user knows, where this one reads a rewritten copy
    """

    source: Source
    encoding: str
    dialect: Dialect
    asked: Asked
    rows: list[Row]
    names: list[str] = field(default_factory=list)
    skip: int = 0
    types: dict[str, pl.DataType] = field(default_factory=dict)
    decimal_comma: bool = False
    original: Plan | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def wanted(self) -> list[str]:
        """The columns to return."""
        return list(self.names if self.asked.columns is None else self.asked.columns)

    def places(self, rows: Sequence[int]) -> str:
        """Where data rows (from 0) stand in the file: "line 17, line 90"."""
        known = self.original or self
        lines = row_lines(known.source, known.encoding, known.dialect, known.skip, list(rows))
        return listed(f"line {line:,}" for line in lines)


def plan_text(source: Source, asked: Asked, spools: ExitStack) -> Plan:
    """Look at the first rows; make a plain UTF-8 copy if polars needs one.

    Raises
    ------
    TableError
        If the source is no text, has no rows, or lacks a column that was asked for.
    BudgetError
        If the table would not fit into memory.
    """
    head, cut = _first_lines(source)
    refuse_foreign(source, head)
    encoding = encoding_of(source, asked.encoding)
    text = head.decode(encoding, errors="replace")
    if not text.strip("\ufeff \t\r\n\0"):
        raise TableError(
            f"{source.name} is empty; a table needs a line of column names and at least one row."
        )
    if encoding != UTF8 or source.compression not in NATIVE or is_lone_cr(text):
        source, encoding = unpack(source, spools.enter_context(Spool(source.name)), encoding), UTF8
        head, cut = _first_lines(source)
        text = head.decode(encoding, errors="replace")
    dialect, rows = sniff(text, cut=cut, delimiter=asked.delimiter, quote=asked.quote)
    if not rows:
        raise TableError(
            f"{source.name} holds nothing but delimiters; a table needs names and at least one row."
        )
    plan = _named(Plan(source, encoding, dialect, asked, rows))
    for column in asked.columns or ():
        if column not in plan.names:
            raise TableError(f"{plan.name} has no column {column!r}. {closest(str(column), plan.names)}")
    plan = _typed(plan)
    _require_memory(plan)
    return plan if dialect.plain else rewritten(plan, spools)


def _first_lines(source: Source) -> tuple[bytes, bool]:
    """The beginning of the text, long enough for some lines however wide they are, and whether there is more."""
    n_bytes = HEAD
    while True:
        head = source.head(n_bytes)
        if len(head) < n_bytes or head.count(b"\n") >= FEW_LINES or n_bytes >= LONGEST_HEAD:
            return head, len(head) >= n_bytes
        n_bytes *= 8


def rewritten(plan: Plan, spools: ExitStack) -> Plan:
    """The plan for a clean copy of the data rows; lines in messages stay those of the original."""
    spool = spools.enter_context(Spool(plan.name))
    source, dialect = rewrite(plan.source, plan.encoding, plan.dialect, plan.skip, spool)
    return replace(
        plan, source=source, encoding=UTF8, dialect=dialect, skip=0, original=plan.original or plan
    )


def _named(plan: Plan) -> Plan:
    """Add header and names."""
    asked, rows, name = plan.asked, plan.rows, plan.name
    header = asked.header is True
    if asked.header == "auto":
        header = has_header(name, rows, named=asked.names is not None)
    body = rows[1:] if header else rows
    if not body:
        raise TableError(
            f"{name} has a header ({listed(rows[0])}) but no rows; a table needs at least one row."
        )
    widths = [len(row) for row in body]
    width = max(set(widths), key=widths.count)
    if asked.names is not None:
        if len(asked.names) != width:
            raise TableError(
                f"names= gives {len(asked.names)} names, but the rows of {name} have {counted(width, 'cell')}."
            )
        names = usable_names("names=", list(asked.names))
    elif header:
        names = _header_names(name, rows[0], width)
    else:
        names = [f"column_{j + 1}" for j in range(width)]
    skip = _lines_before(plan, 1 if header else 0)
    return replace(plan, rows=body, names=names, skip=skip, dialect=replace(plan.dialect, width=len(names)))


def _header_names(name: str, header: Row, width: int) -> list[str]:
    """Names for rows of `width` cells; R leaves out the name of the row names, others end the header with a delimiter."""
    if len(header) == width + 1 and not header[-1].strip():
        header = header[:-1]
    if len(header) == width - 1:
        state(
            f"{name}: rows have one cell more than the header: the first is taken as row names, called 'row_names'."
        )
        header = ["row_names", *header]
    return usable_names(name, header)


def _lines_before(plan: Plan, n_rows: int) -> int:
    """The number of lines before the data: empty lines and `n_rows` rows of header, which may span lines."""
    last = 0
    for line, row in plan.dialect.rows(plan.source.lines(plan.encoding)):
        if any(row):
            if n_rows == 0:
                break
            n_rows -= 1
        last = line
    return last


def _typed(plan: Plan) -> Plan:
    """Add column types as polars infers them from the first rows; codes that would lose their zeros stay text."""
    comma = plan.dialect.delimiter != "," and has_decimal_comma(plan.rows)
    if comma:
        state(f"{plan.name} writes numbers with a decimal comma (as in 2,5): read as numbers.")
    plan = replace(plan, decimal_comma=comma)
    padded = [plan.names[j] for j in padded_columns(plan.rows)]
    if shown := [name for name in padded if name in plan.wanted]:
        state(f"{plan.name}: {listed(shown)} begin with zeros and are kept as text codes, zeros included.")
    return replace(plan, types=column_types(plan) | dict.fromkeys(padded, pl.String()))


def column_types(plan: Plan) -> dict[str, pl.DataType]:
    """The types polars gives the columns of the first rows, whole numbers beyond 64 bits as text."""
    buffer = io.StringIO()
    rows = (row[: plan.width] + [""] * (plan.width - len(row)) for row in plan.rows)
    csv.writer(buffer, delimiter=";").writerows(rows)
    sample = pl.read_csv(
        buffer.getvalue().encode(),
        has_header=False,
        separator=";",
        infer_schema_length=None,
        decimal_comma=plan.decimal_comma,
    )
    return dict(zip(plan.names, [pl.String() if dtype == pl.Int128 else dtype for dtype in sample.dtypes]))


def _require_memory(plan: Plan) -> None:
    """Refuse a file whose table would not fit, by what its first rows take."""
    size = plan.source.text_size()
    if size <= SMALL:
        return
    lengths = [sum(len(row[j]) for row in plan.rows if j < len(row)) for j in range(plan.width)]
    text = (sum(lengths) + plan.width * len(plan.rows)) / len(plan.rows)  # bytes a row, as written
    rows = size / text if plan.asked.n_rows is None else min(size / text, plan.asked.n_rows)
    cells = dict(zip(plan.names, lengths))
    table = sum(
        STRING_VIEW + cells[name] / len(plan.rows) if plan.types[name] == pl.String else 8
        for name in plan.wanted
    )  # bytes a row, read
    unpacked = size if plan.source.compression else 0
    budget.require(
        1.5 * rows * table + unpacked,  # half as much again while columns are cleaned
        what=f"Reading {plan.name} whole",
        instead="read some of it (columns=..., n_rows=...), or store it as Parquet and stream it with tripos.scan(...).",
    )
