"""The first stage of a run: from a table to typed columns, a task, a split, and the columns to learn from.

The test rows are put aside before anything looks at how columns and target go together: leaks are looked for in
the training rows alone.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tripos.compute.budget import readable_bytes, require
from tripos.compute.random import derive
from tripos.data.messages import closest, counted, listed, quoted
from tripos.data.profile import profile
from tripos.data.read import read_table
from tripos.data.schema import Schema
from tripos.data.split import split
from tripos.errors import RunError, TableError, TriposWarning
from tripos.selection.splitting import Fold, folds, nested_order
from tripos.workflow.candidates import Shape
from tripos.workflow.columns import choose_columns, instants, say_columns, time_column, without_leaks
from tripos.workflow.config import RunConfig
from tripos.workflow.progress import Display, Notes
from tripos.workflow.task import Task, name_task, target_array

FEWEST_ROWS = 10
_BLOCK = 1 << 22
_READING = (
    "header",
    "names",
    "delimiter",
    "quote",
    "encoding",
    "nulls",
    "columns",
    "n_rows",
    "sheet",
    "query",
)
_SMALL, _TIMES_OVER = 64 << 20, 5


@dataclass
class Experience:
    """What the run learns from and is tested on.

    Attributes
    ----------
    X_train, X_test : polars DataFrame
        The columns learned from, as raw as they were read.
    y_train, y_test : ndarray
    test_rows : ndarray of int64
        Where the test rows stand in the table as it was read, from 0.
    schema : Schema
        Of the whole table; columns left out are identifiers in it.
    task : Task
    profile : dict
        Of the training rows.
    counts : dict of str to int
        Rows read, without a target, used, of training and of test.
    left_out : dict of str to str
        Columns that are not learned from, and why.
    warnings, notes : list of str
        What a reader has to know, and what may interest him.
    groups, times : ndarray of shape (n_train,), optional
    test_groups : ndarray of shape (n_test,), optional
    split_text, fingerprint, created : str
    """

    X_train: pl.DataFrame
    y_train: np.ndarray
    X_test: pl.DataFrame
    y_test: np.ndarray
    test_rows: np.ndarray
    schema: Schema
    task: Task
    profile: dict[str, Any]
    counts: dict[str, int]
    left_out: dict[str, str]
    split_text: str
    fingerprint: str
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    groups: np.ndarray | None = None
    test_groups: np.ndarray | None = None
    times: np.ndarray | None = None
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))

    @property
    def shape(self) -> Shape:
        kinds = Counter(self.schema.columns[name].kind for name in self.X_train.columns)
        if self.task.is_classification:
            return Shape(len(self.y_train), dict(kinds))
        return Shape(len(self.y_train), dict(kinds), float(self.y_train.min()))

    @property
    def classes(self) -> np.ndarray | None:
        """The training rows' labels, or None for a regression."""
        return self.y_train if self.task.is_classification else None

    def nested(self, seed: int) -> np.ndarray:
        """The training rows in an order of which every beginning is a fair sample."""
        return nested_order(np.arange(len(self.y_train)), self.classes, seed)

    def folds(self, rows: np.ndarray, k: int, seed: int) -> list[Fold]:
        """k folds of training rows that respect classes, groups or time; fewer where there are too few rows."""
        groups = None if self.groups is None else self.groups[rows]
        times = None if self.times is None else self.times[rows]
        most = len(rows) if groups is None else len(np.unique(groups))
        most = most if times is None else len(np.unique(times)) - 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TriposWarning)  # a rare class is named once, by the split
            return folds(
                self.y_train[rows],
                max(2, min(k, most)),
                stratify=self.task.is_classification,
                groups=groups,
                time=times,
                random_state=derive(seed, "folds", len(rows)),
            )


def gather(config: RunConfig, table: Any, display: Display) -> Experience:
    """Reads, types, splits and profiles a table; refuses one from which the target cannot be learned."""
    said = Notes(display)
    frame, fingerprint = _read(config, table, said, display)
    counts = {"read": frame.height}
    with said.listening():
        schema = Schema.infer(frame, config.target, config.kinds, task=config.task)
        counts["target_missing"] = schema.check_target(frame)
    frame, rows = _with_target(frame, config.target)
    y = target_array(frame[config.target], schema.task)
    task = name_task(y, config, schema)
    display.fact("task", f"{task.kind}: predict {task.target}, because {task.reason}{_balance(task)}")
    schema, left_out = choose_columns(schema, frame, config)
    when = time_column(frame, schema, config)
    train, test, split_text = _split(frame, y, when, schema, task, config, said)
    counts |= {"used": frame.height, "train": len(train), "test": len(test)}
    parts = f"{len(train):,} rows to learn from, {len(test):,} put aside for the test"
    display.fact("split", f"{parts}, {split_text}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TriposWarning)  # infinite numbers were counted in the whole table
        found = profile(frame[train], schema, random_state=derive(config.seed, "profile"))
    schema = without_leaks(schema, found, left_out, config, said)
    say_columns(schema, left_out, display)
    X = frame.select(schema.features)
    groups = None if config.group is None else _codes(frame[config.group])
    return Experience(
        X_train=X[train],
        y_train=y[train],
        X_test=X[test],
        y_test=y[test],
        test_rows=rows[test],
        schema=schema,
        task=task,
        profile=found.to_dict(),
        counts=counts,
        left_out=left_out,
        split_text=split_text,
        fingerprint=fingerprint,
        warnings=said.warnings,
        notes=said.notes,
        groups=None if groups is None else groups[train],
        test_groups=None if groups is None else groups[test],
        times=None if when is None else _codes(instants(frame, when, schema))[train],
    )


def _read(config: RunConfig, table: Any, said: Notes, display: Display) -> tuple[pl.DataFrame, str]:
    """The table and its fingerprint; refused when it does not fit or lacks a column that is named."""
    name = config.table or "a data frame"
    display.stage(f"Experience: {name}")
    unknown = sorted(set(config.read) - set(_READING))
    if unknown:
        raise RunError(f"reading a table takes no {listed(unknown)}; it takes {', '.join(_READING)}")
    with said.listening():
        frame = read_table(config.table or table, **config.read)
        fingerprint = fingerprint_of(config.table, frame)
    display.fact("read", f"{counted(frame.height, 'row')} and {counted(frame.width, 'column')}")
    _require_memory(frame, name)
    _say_infinite(frame, said)
    _require_columns(frame, config)
    return frame, fingerprint


def fingerprint_of(source: str, frame: pl.DataFrame) -> str:
    """SHA-256 of the file's bytes; of a frame, a pattern or a database, of the rows' hashes."""
    digest = hashlib.sha256()
    path = Path(source).expanduser() if source else None
    if path is not None and path.is_file():
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    else:
        digest.update(repr(list(frame.schema.items())).encode())
        digest.update(frame.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()


def _require_memory(frame: pl.DataFrame, name: str) -> None:
    """A large table has to fit a few times over: its parts, its encoding, the learner's view of it."""
    size = frame.estimated_size()
    if size > _SMALL:
        require(
            _TIMES_OVER * size,
            what=f"Learning from {name}, {readable_bytes(size)} as a table,",
            instead="leave columns out (--exclude), or learn from a part of the rows.",
        )


def _say_infinite(frame: pl.DataFrame, said: Notes) -> None:
    """Infinite numbers become missing wherever a schema reads them; here they are counted once, in all rows."""
    for values in frame.iter_columns():
        if values.dtype.is_float() and (infinite := int(values.is_infinite().sum() or 0)):
            said.note(f"Column {values.name!r} is infinite in {counted(infinite, 'row')}: read as missing.")


def _require_columns(frame: pl.DataFrame, config: RunConfig) -> None:
    """Every column that an option names has to be there; the closest name is told."""
    asked = [("--target", config.target), ("--group", config.group)]
    asked += [("--time-column", config.time_column if config.timed else None)]
    asked += [("--exclude", name) for name in config.exclude] + [("--keep", name) for name in config.keep]
    for option, name in asked:
        if name is not None and name not in frame.columns:
            raise TableError(
                f"{option} names {name!r}, but the table has no such column. {closest(name, frame.columns)}"
            )
    if config.target in (*config.exclude, config.group, config.time_column):
        raise RunError(
            f"{config.target!r} is the target: it cannot be excluded, grouped by or ordered by as well"
        )


def _with_target(frame: pl.DataFrame, target: str) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows with a target, and where they stand in the table; refused when hardly any are left."""
    present = frame[target].is_not_null()
    if frame[target].dtype.is_float():
        present &= frame[target].is_not_nan()
    if (known := int(present.sum())) < FEWEST_ROWS:
        raise RunError(
            f"{counted(known, 'row')} with a target are too few to learn from and to test on: "
            f"at least {FEWEST_ROWS} are needed"
        )
    if present.all():
        return frame, np.arange(frame.height)
    return frame.filter(present), np.flatnonzero(present.to_numpy())


def _balance(task: Task) -> str:
    if not task.is_classification:
        return ""
    total = sum(task.counts)
    return (
        " ("
        + listed((f"{label} {count / total:.1%}" for label, count in zip(task.classes, task.counts)), 6)
        + ")"
    )


def _codes(values: pl.Series) -> np.ndarray:
    """Equal values as equal whole numbers, in their order; missing is one of them."""
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _split(
    frame: pl.DataFrame,
    y: np.ndarray,
    when: str | None,
    schema: Schema,
    task: Task,
    config: RunConfig,
    said: Notes,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Positions of training and of test rows, and how they were told apart."""
    with said.listening():
        parts = split(
            frame.height,
            test=config.test,
            validation=0.0,
            stratify=y if task.is_classification and when is None else None,
            groups=None if config.group is None else frame[config.group],
            time=None if when is None else instants(frame, when, schema),
            random_state=derive(config.seed, "split"),
        )
    text = parts.how
    if when is not None and not config.timed:
        said.warn(
            f"The rows stand in the order of {when!r}, so the latest {config.test:.0%} are the test, "
            "as a forecast would meet them; --time-column none splits at random."
        )
    if when is not None:
        text = f"by time: the latest rows by {when}"
    elif config.group is not None:
        text = f"whole groups of {config.group}"
    missing = sorted(
        set(np.unique(y[parts.test]).tolist()) - set(np.unique(y[parts.train]).tolist()), key=str
    )
    if task.is_classification and missing:
        said.warn(
            f"{counted(len(missing), 'class', 'classes')} of the test rows do not occur in training: {quoted(missing)}."
        )
    if task.is_classification and len(np.unique(y[parts.train])) < 2:
        raise RunError("the training rows hold one class only: split otherwise, or have more rows")
    return parts.train, parts.test, text
