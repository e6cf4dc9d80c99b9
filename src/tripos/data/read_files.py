"""Tables in formats that know their own columns: Parquet, Arrow/Feather, JSON, Excel, and frames in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import polars.selectors as cs

from tripos.compute import budget
from tripos.data.encoding.table import Table
from tripos.data.messages import closest, counted, listed, state
from tripos.data.read_bytes import Source, Spool, unpack
from tripos.data.read_encoding import encoding_of
from tripos.data.read_header import usable_names
from tripos.data.read_plan import Asked
from tripos.errors import TableError

STREAM = b"\xff\xff\xff\xff"  # how the Arrow stream format begins
PROBE = 1000  # rows whose size tells the size of all


def read_parquet(source: Source, asked: Asked) -> pl.DataFrame:
    """Read Parquet, the columns asked for only."""
    return _collect(source, asked, "Parquet file", lambda: pl.scan_parquet(source.for_polars, glob=False))


def read_arrow(source: Source, asked: Asked) -> pl.DataFrame:
    """Read an Arrow/Feather file or an Arrow stream."""

    def scan() -> pl.LazyFrame:
        if source.head(4) == STREAM:
            return pl.read_ipc_stream(source.for_polars).lazy()
        return pl.scan_ipc(source.for_polars)

    return _collect(source, asked, "Arrow file", scan)


def _collect(source: Source, asked: Asked, what: str, scan: Callable[[], pl.LazyFrame]) -> pl.DataFrame:
    try:
        lazy = scan()
        columns = _selected(source.name, asked, lazy.collect_schema().names())
        lazy = lazy.select(columns)
        lazy = lazy if asked.n_rows is None else lazy.head(asked.n_rows)
        _require_memory(source.name, lazy)
        return lazy.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{source.name} is damaged or no {what}: {error}") from error


def _selected(name: str, asked: Asked, columns: Sequence[str]) -> list[str]:
    known = set(columns)
    for column in asked.columns or ():
        if column not in known:
            raise TableError(f"{name} has no column {column!r}. {closest(str(column), columns)}")
    return list(columns if asked.columns is None else asked.columns)


def _require_memory(name: str, lazy: pl.LazyFrame) -> None:
    n_rows = int(lazy.select(pl.len()).collect().item())
    if n_rows <= PROBE:
        return
    probe = lazy.head(PROBE).collect()
    budget.require(
        1.3 * n_rows * probe.estimated_size() / probe.height,
        what=f"Reading {name} whole",
        instead="read some of it (columns=..., n_rows=...), or stream it with tripos.scan(...).",
    )


def read_json(source: Source, asked: Asked) -> pl.DataFrame:
    """Read JSON lines, or one JSON array of objects."""
    encoding = encoding_of(source, asked.encoding)
    with ExitStack() as spools:
        plain = unpack(source, spools.enter_context(Spool(source.name)), encoding)
        budget.require(3 * plain.text_size(), what=f"Reading {source.name}", instead="store it as Parquet.")
        try:
            if plain.head().lstrip()[:1] == b"[":
                frame = pl.read_json(plain.for_polars, infer_schema_length=None)
            else:
                frame = pl.read_ndjson(plain.for_polars, infer_schema_length=None)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise TableError(
                f"{source.name} is not JSON lines or a JSON array of objects: {_json_fault(plain) or error}."
            ) from error
    return _limited(source.name, frame, asked)


def _json_fault(source: Source) -> str | None:
    """The first line that is no JSON object, if lines are what it holds."""
    for number, line in enumerate(source.lines("utf-8"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            return f"line {number:,}, column {error.colno}: {error.msg}"
        if not isinstance(value, dict):
            return f"line {number:,} holds {type(value).__name__}, not an object"
    return None


def read_excel(source: Source, asked: Asked) -> pl.DataFrame:
    """Read one sheet of a workbook (.xlsx, .xls, .xlsb, .ods)."""
    try:
        import fastexcel
    except ImportError as error:
        raise TableError(
            f"{source.name} is a workbook: pip install 'tripos[excel]' to read it, or export it as CSV."
        ) from error
    try:
        sheets = fastexcel.read_excel(source.data if source.path is None else source.path).sheet_names
        sheet = _sheet(source.name, asked.sheet, sheets)
        frame = pl.read_excel(
            source.for_polars, sheet_name=sheet, has_header=asked.header is not False, infer_schema_length=None, raise_if_empty=False
        )  # fmt: skip
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{source.name} is damaged or no workbook: {error}") from error
    if frame.height == 0:
        raise TableError(
            f"{source.name}, sheet {sheet!r}, has no rows; a table needs names and at least one row."
        )
    return _limited(source.name, _excel_names(source.name, frame), asked)


def _sheet(name: str, asked: str | int | None, sheets: list[str]) -> str:
    if asked is None:
        if len(sheets) > 1:
            state(f"{name} has the sheets {listed(sheets)}: the first is read; pass sheet= for another.")
        return sheets[0]
    if isinstance(asked, str):
        if asked not in sheets:
            raise TableError(f"{name} has no sheet {asked!r}. {closest(asked, sheets)}")
        return asked
    if not 0 <= asked < len(sheets):
        raise TableError(
            f"{name} has {counted(len(sheets), 'sheet')}, numbered from 0; sheet={asked} is none of them."
        )
    return sheets[asked]


def _excel_names(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The sheet's own names; polars has already told empty and repeated ones apart, in its own way."""
    given = [
        "" if column.startswith("__UNNAMED__") else re.sub(r"_duplicated_\d+$", "", column)
        for column in frame.columns
    ]
    frame.columns = usable_names(name, given)
    return frame


def _limited(name: str, frame: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    frame = frame.select(_selected(name, asked, frame.columns))
    return frame if asked.n_rows is None else frame.head(asked.n_rows)


def read_frame(table: Any, asked: Asked, name: str = "the table") -> pl.DataFrame:
    """Take a polars, pandas or Arrow table (any that narwhals knows), a dict of columns or a list of dicts."""
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, (dict, list)):
        frame = _from_plain(table, name)
    elif isinstance(table, pl.DataFrame):
        frame = table
    else:
        frame = _from_native(table, name)
    if frame.width == 0:
        raise TableError(f"{name} has no columns.")
    return _limited(name, frame, asked)


def _from_plain(table: dict[str, Any] | list[Any], name: str) -> pl.DataFrame:
    if isinstance(table, list) and not all(isinstance(row, dict) for row in table):
        raise TableError(
            f"{name} is a list of something else than dicts; give one dict per row, or a dict of columns."
        )
    try:
        return pl.DataFrame(table, infer_schema_length=None, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise TableError(f"{name} is no table: {error}") from error


def _from_native(table: Any, name: str) -> pl.DataFrame:
    if not (isinstance(table, nw.DataFrame) or nw.dependencies.is_into_dataframe(table)):
        raise TableError(
            f"{name} is {type(table).__name__}; give a path, a frame, a dict of columns or a list of dicts."
        )
    if nw.dependencies.is_pandas_dataframe(table):  # whose names may be anything, twice too
        table = table.set_axis(usable_names(name, [str(column) for column in table.columns]), axis=1)
    try:
        columns = Table.read(table)
        return pl.DataFrame([columns.series(column).rename(column) for column in columns.names])
    except (TypeError, ValueError) as error:
        raise TableError(f"{name} cannot be used as a table: {error}") from error


def flat(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Columns of single cells: structs become a column per field, lists become text, decimals become floats."""
    while structs := [column for column, dtype in frame.schema.items() if dtype == pl.Struct]:
        state(
            f"{name}: the fields of {listed(structs)} become columns of their own, as in '{structs[0]}.field'."
        )
        for column in structs:
            frame = frame.with_columns(_prefixed(frame[column])).unnest(column)
    objects = [column for column, dtype in frame.schema.items() if dtype == pl.Object]
    if objects:
        raise TableError(
            f"{name}: {listed(objects)} hold Python objects; give numbers, strings, dates or None."
        )
    lists = [column for column, dtype in frame.schema.items() if dtype in (pl.List, pl.Array)]
    if lists:
        state(f"{name}: {listed(lists)} hold lists, which become text, their items set apart by blanks.")
        items = [pl.col(column).cast(pl.List(pl.String)).list.join(" ") for column in lists]
        frame = frame.with_columns(items)
    return frame.with_columns(
        cs.decimal().cast(pl.Float64),
        cs.by_dtype(pl.Int128).cast(pl.String),
        cs.by_dtype(pl.Null).cast(pl.String),
        cs.binary().cast(pl.String, strict=False),
        cs.duration().dt.total_seconds(fractional=True),
    )


def _prefixed(column: pl.Series) -> pl.Series:
    """A struct whose fields carry its own name before theirs, so that they stay apart from other columns."""
    return column.struct.rename_fields([f"{column.name}.{field}" for field in column.struct.fields])
