"""`tripos predict`: a saved model over a table of any size, a chunk of rows in memory at a time."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from tripos import artifact
from tripos.data.messages import closest
from tripos.data.read import read_table
from tripos.data.read_bytes import Source
from tripos.data.read_encoding import encoding_of
from tripos.errors import RunError, TableError, TriposWarning
from tripos.workflow.config import read_config
from tripos.workflow.evaluate import predictions
from tripos.workflow.store import clear_disk_errors, resolve_run

ROWS = 100_000
PIECE = 64 << 20  # bytes of a large text table that are read at a time
SCANS: dict[str, Callable[..., pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".pq": pl.scan_parquet,
    ".arrow": pl.scan_ipc,
    ".feather": pl.scan_ipc,
}
TEXTS = (".csv", ".tsv", ".txt", ".psv", ".gz", ".zst", ".bz2", ".xz")
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
Write = Callable[[pl.DataFrame], object]


def predict_table(
    run: Path | str,
    table: str,
    out: Path | None = None,
    *,
    carry: Sequence[str] = (),
    runs: Path | str = "runs",
    json_lines: bool = False,
) -> dict[str, Any]:
    """Predicts every row of a table.

    Parameters
    ----------
    run : path or str
        The run's folder, its name under `runs`, or "last".
    table : str
        Anything `read_table` takes, with the columns that the model learned from.
    out : Path, optional
        .csv, .tsv, .jsonl or .parquet; standard output when absent. It is there when it is whole, or not at all.
    carry : sequence of str
        Columns of the table to copy beside the prediction.
    json_lines : bool
        Standard output gets JSON lines rather than CSV.

    Returns
    -------
    dict with "rows", "out", "run" and "notes" (what was read otherwise than it stood)
    """
    folder = resolve_run(run, runs)
    model = artifact.load(folder / "model" / "model.tripos")
    known = model[0].schema_.columns
    config, _ = read_config(folder / "config.toml")
    rows = 0
    with _writer(out, json_lines) as write, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TriposWarning)
        for chunk in chunks(table, {"header": _has_header(list(known)), **config.read}, [*known, *carry]):
            for name in carry:
                if name not in chunk.columns:
                    raise TableError(
                        f"--carry names {name!r}, but the table has no such column. {closest(name, chunk.columns)}"
                    )
            lacking = any(
                name not in chunk.columns for name in model[0].schema_.features
            )  # which the model says best
            predicted = predictions(
                model, chunk if lacking else chunk.select(n for n in chunk.columns if n in known)
            )
            row = pl.Series("row", range(rows, rows + chunk.height), dtype=pl.Int64)
            write(pl.DataFrame([row, *(chunk[name] for name in carry), *predicted.iter_columns()]))
            rows += chunk.height
    notes = dict.fromkeys(str(warning.message) for warning in caught)
    return {"rows": rows, "out": None if out is None else str(out), "run": str(folder), "notes": list(notes)}


def _has_header(columns: Sequence[str]) -> bool:
    """Whether a text table names its columns: as the one learned from did, unless it got the reader's names."""
    return columns != [f"column_{j + 1}" for j in range(len(columns))]


def chunks(table: str, read: Mapping[str, Any], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A table as frames of bearable size: columnar files and large texts are never whole in memory.

    Parameters
    ----------
    table : str
    read : mapping
        Arguments of `read_table`, as in the run's configuration.
    columns : sequence of str
        Columns that are wanted where the format can leave others unread.
    """
    path = Path(table).expanduser()
    if path.suffix.lower() not in TEXTS:
        read = {name: value for name, value in read.items() if name != "header"}
    scan = SCANS.get(path.suffix.lower())
    if scan is not None and path.is_file():
        lazy = scan(path)
        there = lazy.collect_schema().names()
        yield from lazy.select(name for name in dict.fromkeys(columns) if name in there).collect_batches(
            chunk_size=ROWS
        )
        return
    if (
        path.is_file()
        and path.suffix.lower() in TEXTS
        and (source := Source(str(path), path)).text_size() > 2 * PIECE
    ):
        encoding = encoding_of(source, read.get("encoding"))
        if not encoding.startswith(("utf-16", "utf-32")):  # a newline is one byte
            for piece in _pieces(source, header=read.get("header") is not False):
                yield from read_table(piece, **{**read, "encoding": encoding}).iter_slices(ROWS)
            return
    yield from read_table(table, **read).iter_slices(ROWS)


def _pieces(source: Source, *, header: bool) -> Iterator[bytes]:
    """The text in pieces that end with a row, each under the header; a line end between quotes ends no row."""
    first, held, quoted = b"", bytearray(), False
    for block in source.chunks():
        for line in block.splitlines(keepends=True):
            quoted ^= bool(line.count(b'"') % 2)
            held += line
            if not quoted and line.endswith(b"\n"):
                if header and not first:
                    first = bytes(held)
                    held.clear()
                elif len(held) > PIECE:
                    yield first + bytes(held)
                    held.clear()
    if held.strip():
        yield first + bytes(held)


@contextmanager
def _writer(out: Path | None, json_lines: bool) -> Iterator[Write]:
    """A function that takes frames one after the other; the file gets its name when the last was written."""
    if out is None:
        first = [True]

        def to_stdout(frame: pl.DataFrame) -> None:
            text = (
                frame.write_ndjson()
                if json_lines
                else frame.write_csv(include_header=first.pop() if first else False)
            )
            sys.stdout.write(text)

        yield to_stdout
        sys.stdout.flush()
        return
    if out.suffix.lower() not in FORMATS:
        raise RunError(f"--out {out}: predictions are written as {', '.join(FORMATS)}")
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    parts: list[Path] = []
    try:
        with clear_disk_errors(out.parent):
            with (
                _to_parts(temporary, parts)
                if out.suffix.lower() == ".parquet"
                else _to_text(temporary, out) as write
            ):
                yield write
            os.replace(temporary, out)
    except FileNotFoundError as error:
        raise RunError(f"--out {out}: the folder {out.parent} does not exist") from error
    finally:
        for path in (temporary, *parts):
            path.unlink(missing_ok=True)


@contextmanager
def _to_text(temporary: Path, out: Path) -> Iterator[Write]:
    with temporary.open("wb") as file:

        def write(frame: pl.DataFrame) -> None:
            if out.suffix.lower() in (".jsonl", ".ndjson"):
                frame.write_ndjson(file)
            else:
                frame.write_csv(
                    file,
                    include_header=file.tell() == 0,
                    separator="\t" if out.suffix.lower() == ".tsv" else ",",
                )

        yield write


@contextmanager
def _to_parts(temporary: Path, parts: list[Path]) -> Iterator[Write]:
    """Parquet has its index at its end: chunks are written apart and streamed into one file."""

    def write(frame: pl.DataFrame) -> None:
        parts.append(temporary.with_name(f"{temporary.name}{len(parts)}"))
        frame.write_parquet(parts[-1])

    yield write
    if parts:
        pl.scan_parquet(parts).sink_parquet(temporary)
