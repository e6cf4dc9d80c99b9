"""`read_table`: any table, from wherever it is, as a polars frame; every repair stated, every refusal with its reason."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tripos.data.messages import closest, counted, listed, state
from tripos.data.read_bytes import Source
from tripos.data.read_cells import clean_cells
from tripos.data.read_files import flat, read_arrow, read_excel, read_frame, read_json, read_parquet
from tripos.data.read_plan import Asked
from tripos.data.read_sql import is_database, read_sql
from tripos.data.read_text import read_text
from tripos.errors import TableError

Reader = Callable[[Source, Asked], pl.DataFrame]

BY_MAGIC: dict[bytes, Reader] = {
    b"PAR1": read_parquet,
    b"ARROW1": read_arrow,
    b"\xff\xff\xff\xff": read_arrow,
}
BY_SUFFIX: dict[str, Reader] = {
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".xlsx": read_excel,
    ".xlsm": read_excel,
    ".xlsb": read_excel,
    ".xls": read_excel,
    ".ods": read_excel,
}
PACKED = (".gz", ".zst", ".xz", ".bz2", ".zip")


def read_table(
    source: Any,
    *,
    header: bool | str = "auto",
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    quote: str | None = '"',
    encoding: str | None = None,
    nulls: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    n_rows: int | None = None,
    sheet: str | int | None = None,
    query: str | None = None,
) -> pl.DataFrame:
    """Read a table from a file, several files, a database or memory.

    Delimiter, quotes, encoding, header, missing marks and written-out numbers are told from the data. What is
    repaired or decided against the letter of the file is stated as a `TableWarning`; what cannot be read rightly
    is refused with the lines or columns at fault.

    Parameters
    ----------
    source : path, URL, frame, file object, dict of columns or list of dicts
        A file: delimited text (any delimiter; .gz, .zst, .xz, .bz2, .zip), Parquet, Arrow/Feather, JSON lines or a JSON
        array, Excel. A pattern such as ``"parts/*.csv"``: files of the same columns, one below the other. The URL of
        a database: ``sqlite:///data.db?table=t``, ``postgresql://user@host/db``. A pandas, polars or Arrow table.
    header : True, False or "auto"
        Whether the first line of a text table names the columns.
    names : sequence of str, optional
        Names for all columns, instead of those of the file.
    delimiter : str, optional
        What sets cells apart: any string, "whitespace", or ``"\\n"`` for one cell a line.
    quote : str or None
        The character around cells that hold a delimiter; None if quotes are ordinary characters.
    encoding : str, optional
        Of a text file; UTF-8 if it is that, else detected.
    nulls : sequence of str, optional
        Cells that mean "missing" besides empty ones, instead of the usual "NA", "?", "null", ...
    columns : sequence of str, optional
        Columns to read, in this order.
    n_rows : int, optional
        Rows to read at most.
    sheet : str or int, optional
        Name or number (from 0) of the sheet of a workbook.
    query : str, optional
        The SELECT that a database answers.

    Returns
    -------
    pl.DataFrame
        Numbers, booleans, dates where the format has them, and strings without blanks around them; missing is null.

    Raises
    ------
    TableError
        If there is no such file, or it is empty, damaged, ragged, of another kind or encoding.
    BudgetError
        If the table would not fit into the free memory.

    Examples
    --------
    >>> read_table({"size": ["S", "NA", "M"], "price": ["$1,200", "$900", "?"]}, nulls=["NA", "?"]).to_dict(as_series=False)
    {'size': ['S', None, 'M'], 'price': [1200.0, 900.0, None]}
    """
    asked = Asked(header, names, delimiter, quote, encoding, nulls, columns, n_rows, sheet, query)
    _check(asked)
    if isinstance(source, str) and is_database(source):
        return _finished(read_sql(source, asked), source.partition("?")[0].rpartition("@")[2], asked)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(os.path.expanduser(os.fspath(source)), asked)
    if isinstance(source, (bytes, bytearray)) or hasattr(source, "read"):
        return _read_source(_from_memory(source), asked)
    return _finished(read_frame(source, asked), "the table", asked)


def _check(asked: Asked) -> None:
    """Refuse arguments that mean nothing."""
    if asked.header not in (True, False, "auto"):
        raise TableError(f"header= is True, False or 'auto'; got {asked.header!r}.")
    if asked.quote is not None and len(asked.quote) != 1:
        raise TableError(f"quote= is one character, or None; got {asked.quote!r}.")
    if asked.delimiter == "":
        raise TableError(
            "delimiter= is empty; leave it out to have it found, or pass '\\n' for one cell a line."
        )
    if asked.n_rows is not None and asked.n_rows < 1:
        raise TableError(f"n_rows={asked.n_rows} would read nothing; pass 1 or more.")
    for argument in ("columns", "names", "nulls"):
        if isinstance(getattr(asked, argument), str):
            raise TableError(
                f"{argument}= is a list of strings; got the string {getattr(asked, argument)!r}."
            )
    if asked.columns is not None and not len(asked.columns):
        raise TableError("columns= is empty; name at least one column, or leave it out for all.")


def _from_memory(source: Any) -> Source:
    data = source if isinstance(source, (bytes, bytearray)) else source.read()
    name = getattr(source, "name", None)
    encoded = data.encode() if isinstance(data, str) else bytes(data)
    return Source(name if isinstance(name, str) else "the given file", data=encoded)


def _read_path(path: str, asked: Asked) -> pl.DataFrame:
    if os.path.isdir(path):
        raise TableError(
            f"{path} is a directory; name a file in it, or all of one kind: {os.path.join(path, '*.csv')!r}."
        )
    if os.path.exists(path):
        return _read_source(Source(path, path=Path(path)), asked)
    files = sorted(file for file in glob.glob(path, recursive=True) if os.path.isfile(file))
    if not files:
        raise _missing(path)
    return _read_parts([Source(file, path=Path(file)) for file in files], asked)


def _missing(path: str) -> TableError:
    if glob.has_magic(path):
        return TableError(f"No file matches {path!r} (looked from {os.getcwd()}).")
    if "://" in path:
        return TableError(f"{path} is neither a file nor the URL of a database; download it first.")
    folder = os.path.dirname(path) or "."
    near = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if not os.path.isdir(folder):
        return TableError(f"There is no file {path!r}: the folder {folder!r} does not exist.")
    hint = f" {closest(os.path.basename(path), near)}" if near else ""
    return TableError(f"There is no file {path!r} (looked from {os.getcwd()}).{hint}")


def _read_source(source: Source, asked: Asked) -> pl.DataFrame:
    if source.stored_size() == 0:
        raise TableError(
            f"{source.name} is empty (0 bytes); a table needs a line of column names and at least one row."
        )
    reader = _reader(source)
    if reader is read_text:
        return read_text(source, asked)
    return _finished(reader(source, asked), source.name, asked)


def _reader(source: Source) -> Reader:
    """By the first bytes, then by the name, then by what the text looks like."""
    with source.raw() as file:
        first = file.read(8)
    for magic, reader in BY_MAGIC.items():
        if first.startswith(magic):
            return reader
    stem, suffix = os.path.splitext(source.name.lower())
    if suffix in PACKED and BY_SUFFIX.get(os.path.splitext(stem)[1]) is read_json:
        return read_json
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if first.startswith(b"PK") and source.is_workbook():
        return read_excel
    start = source.head(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b'{"', b"[{")):
        return read_json
    return read_text


def _finished(frame: pl.DataFrame, name: str, asked: Asked) -> pl.DataFrame:
    """What every source but text has yet to go through: single cells, missing marks, the caller's names."""
    if frame.height == 0:
        raise TableError(
            f"{name} has {counted(frame.width, 'column')} but no rows; a table needs at least one."
        )
    frame = flat(frame, name)
    if asked.names is not None:
        if len(asked.names) != frame.width:
            raise TableError(
                f"names= gives {len(asked.names)} names, but {name} has {counted(frame.width, 'column')}."
            )
        frame = frame.rename(dict(zip(frame.columns, asked.names)))
    return clean_cells(frame, name, asked.nulls)


def _read_parts(parts: Sequence[Source], asked: Asked) -> pl.DataFrame:
    """Files of the same columns, one below the other."""
    frames: list[pl.DataFrame] = []
    rows = 0
    for part in parts:
        frame = _read_source(part, asked)
        if frames:
            _require_same_columns(parts[0].name, frames[0].columns, part.name, frame.columns)
            frame = frame.select(frames[0].columns)
        frames.append(frame)
        rows += frame.height
        if asked.n_rows is not None and rows >= asked.n_rows:
            break
    frames = _agreed(frames, [part.name for part in parts])
    whole = pl.concat(frames, how="vertical")
    return whole if asked.n_rows is None else whole.head(asked.n_rows)


def _require_same_columns(first: str, expected: Sequence[str], name: str, found: Sequence[str]) -> None:
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    if missing or extra:
        lacks = f" lacks {listed(map(repr, missing))}" if missing else ""
        has = f" has {listed(map(repr, extra))} besides" if extra else ""
        raise TableError(
            f"{name}{lacks}{' and' if missing and extra else ''}{has}, unlike {first}; files of one table need the same columns."
        )


def _agreed(frames: list[pl.DataFrame], names: Sequence[str]) -> list[pl.DataFrame]:
    """The frames with the same type in each column: the wider number, or text where one file holds words."""
    casts: dict[Any, Any] = {}
    schemas = [frame.schema for frame in frames]
    for column in frames[0].columns:
        types = {
            schema[column]
            for schema, frame in zip(schemas, frames)
            if frame[column].null_count() < frame.height
        }
        if len(types) < 2 and all(schema[column] in types for schema in schemas):
            continue
        if all(dtype.is_numeric() for dtype in types):
            casts[column] = pl.Int64() if all(dtype.is_integer() for dtype in types) else pl.Float64()
        elif len(types) == 1:
            casts[column] = types.pop()
        else:
            casts[column] = pl.String()
            words = [name for name, frame in zip(names, frames) if frame.schema[column] == pl.String]
            state(
                f"{column!r} holds words in {listed(words, 3)} and other values in the rest: it is text in all."
            )
    return [frame.cast(casts) for frame in frames] if casts else frames
