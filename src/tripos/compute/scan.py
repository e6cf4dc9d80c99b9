"""Blocks of rows streamed from files (Parquet, CSV, Arrow, JSON lines) that may be larger than memory.

Polars reads a few row groups ahead and waits when nobody takes them: 700 MB of CSV pass through in about 300 MB.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tripos.compute.blocks import Block, Blocks, _checked_rows
from tripos.errors import TableError

READERS: dict[str, Callable[..., pl.LazyFrame]] = {
    "parquet": pl.scan_parquet,
    "pq": pl.scan_parquet,
    "arrow": pl.scan_ipc,
    "feather": pl.scan_ipc,
    "ipc": pl.scan_ipc,
    "csv": pl.scan_csv,
    "tsv": pl.scan_csv,
    "txt": pl.scan_csv,
    "jsonl": pl.scan_ndjson,
    "ndjson": pl.scan_ndjson,
}
COUNTED = {"parquet", "pq", "arrow", "feather", "ipc"}  # formats that store how many rows they hold


def scan(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    sample_weight: str | None = None,
    columns: Sequence[str] | None = None,
    rows: int | None = None,
) -> Blocks:
    """Stream a table of numbers from files, block by block, without loading it whole.

    Parameters
    ----------
    source : path, glob, list of paths, polars LazyFrame or DataFrame
        ``.parquet``, ``.csv``, ``.tsv``, ``.arrow``, ``.feather`` or ``.jsonl``; several files are read one after
        the other. Use a LazyFrame to filter or compute columns on the way.
    target : str or list of str, optional
        Column (or columns) given as each block's y. Labels may be text.
    sample_weight : str, optional
        Column of weights.
    columns : list of str, optional
        Features; by default every column that is neither target nor weight.
    rows : int, optional
        Rows of a block; by default so many that X takes about 4 MB.

    Returns
    -------
    Blocks
        float32 if every feature is, else float64. A missing number is NaN.

    Raises
    ------
    TableError
        If a file is missing or damaged, a column does not exist, a feature is not numeric, or the target or a
        weight is missing in some row.

    Examples
    --------
    >>> import polars as pl
    >>> blocks = scan(pl.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 1]}), target="y", rows=2)
    >>> [block.X.ravel().tolist() for block in blocks]
    [[1.0, 2.0], [3.0]]
    """
    frame, kind = _open(source)
    schema = _polars("read", frame.collect_schema)
    targets = [target] if isinstance(target, str) else list(target or ())
    others = {*targets, *([sample_weight] if sample_weight else ())}
    features = [name for name in schema if name not in others] if columns is None else list(columns)
    _check_columns(schema, features, targets, sample_weight)
    small = all(schema[name] == pl.Float32 for name in features)
    dtype = np.dtype(np.float32 if small else np.float64)
    step = _checked_rows(rows, len(features) * dtype.itemsize)
    chosen = frame.select(
        *(pl.col(name).cast(pl.Float32 if small else pl.Float64) for name in features),
        *(pl.col(name).alias(f"\0{k}") for k, name in enumerate(targets)),
        *([pl.col(sample_weight).cast(pl.Float64).alias("\0w")] if sample_weight else ()),
    )
    take = _Take(len(features), targets, sample_weight, single=isinstance(target, str))
    n_rows = _polars("count", lambda: frame.select(pl.len()).collect().item()) if kind in COUNTED else None
    return Blocks(
        read=lambda: take.blocks(chosen, step),
        n_features=len(features),
        rows=step,
        dtype=dtype,
        n_rows=n_rows,
        feature_names=features,
        in_memory=False,
        has_target=bool(targets),
        has_weight=sample_weight is not None,
        n_blocks=None if n_rows is None else -(-n_rows // step),
    )


class _Take:
    """Turns batches of a table into blocks of arrays."""

    def __init__(self, width: int, targets: list[str], weight: str | None, *, single: bool) -> None:
        self.width, self.targets, self.weight, self.single = width, targets, weight, single

    def blocks(self, frame: pl.LazyFrame, rows: int) -> Iterator[Block]:
        start = 0
        for batch in _exact(_batches(frame, rows), rows):
            yield self._block(batch, start)
            start += batch.height

    def _block(self, batch: pl.DataFrame, start: int) -> Block:
        X = batch[:, : self.width].to_numpy(order="c")
        if not X.flags.carray:  # one column comes as a view of polars' read-only memory
            X = np.array(X, order="C")
        y = [self._complete(batch[f"\0{k}"], name, start) for k, name in enumerate(self.targets)]
        weight = None if self.weight is None else self._complete(batch["\0w"], self.weight, start)
        together = None if not y else y[0] if self.single else np.column_stack(y)
        return Block(X, together, weight, start)

    def _complete(self, column: pl.Series, name: str, start: int) -> np.ndarray:
        if column.null_count():
            row = start + int(column.is_null().arg_max() or 0)
            raise TableError(
                f"Column {name!r} is missing a value in row {row}; drop such rows before training."
            )
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            return np.array(column.to_numpy())
        return np.array(column.cast(pl.String).to_list(), dtype=object)


def _batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    batches = iter(frame.collect_batches(chunk_size=rows, maintain_order=True, lazy=True, engine="streaming"))
    while True:
        batch = _polars("read", lambda: next(batches, None))
        if batch is None:
            return
        yield batch


def _exact(batches: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Batches of exactly `rows` rows (the last may have fewer), however the reader cut them."""
    held: list[pl.DataFrame] = []
    have = 0
    for batch in batches:
        while have + batch.height >= rows:
            need = rows - have
            yield pl.concat([*held, batch[:need]]) if held else batch[:need]
            held, have, batch = [], 0, batch[need:]
        if batch.height:
            held.append(batch)
            have += batch.height
    if have:
        yield pl.concat(held)


def _open(source: Any) -> tuple[pl.LazyFrame, str]:
    """The table as a lazy frame, and its format."""
    if isinstance(source, pl.LazyFrame):
        return source, "lazy"
    if isinstance(source, pl.DataFrame):
        return source.lazy(), "arrow"
    paths: list[Any] = [source] if isinstance(source, (str, Path)) else list(source)
    if not paths:
        raise TableError("There is no file to read: the list of paths is empty.")
    kinds = {_format(Path(path)) for path in paths}
    if len(kinds) > 1:
        raise TableError(f"Files of several formats cannot be read as one table: {', '.join(sorted(kinds))}.")
    (kind,) = kinds
    reader = READERS[kind]
    if reader is not pl.scan_csv:
        return _polars("read", lambda: reader(paths)), kind
    options: dict[str, Any] = {"separator": "\t" if kind == "tsv" else ",", "infer_schema_length": 10_000}
    first = _polars("read", lambda: pl.scan_csv(paths, **options).collect_schema())
    # A column may begin with integers and go on with fractions; as a feature it is float either way.
    floats = {name: pl.Float64 for name, dtype in first.items() if dtype.is_integer()}
    return pl.scan_csv(paths, **options, schema_overrides=floats), kind


def _format(path: Path) -> str:
    suffixes = [suffix[1:].lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    if suffixes and suffixes[-1] in READERS:
        return suffixes[-1]
    if path.is_dir():
        return "parquet"
    known = ", ".join(f".{name}" for name in READERS)
    raise TableError(f"{path} cannot be streamed; its name must end in one of {known}.")


def _polars(action: str, call: Callable[[], Any]) -> Any:
    """Call polars, its errors as ours."""
    try:
        return call()
    except FileNotFoundError as error:
        raise TableError(f"There is no such file: {error}") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise TableError(f"The table could not be {action}: {first}") from error


def _check_columns(schema: pl.Schema, features: list[str], targets: list[str], weight: str | None) -> None:
    for name in [*features, *targets, *([weight] if weight else ())]:
        if name not in schema:
            near = difflib.get_close_matches(name, list(schema), n=1)
            closest = f"; the closest is {near[0]!r}" if near else ""
            raise TableError(
                f"The table has no column {name!r}{closest}. It has: {', '.join(list(schema)[:20])}."
            )
    if not features:
        raise TableError("The table has no column left to learn from.")
    numeric = [*features, *([weight] if weight else ())]
    text = [f"{name} ({schema[name]})" for name in numeric if not _is_number(schema[name])]
    if text:
        raise TableError(
            f"Streaming takes numbers only; not numeric: {', '.join(text)}. Encode these columns, or choose others "
            f"with columns=[...]."
        )


def _is_number(dtype: pl.DataType) -> bool:
    return bool(dtype.is_numeric() or dtype == pl.Boolean)
