"""`Schema`: what each column of a table is, why, and how a new table is brought to the same form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

import polars as pl
import polars.selectors as cs

from tripos.data.messages import closest
from tripos.data.read_files import flat, read_frame
from tripos.data.read_plan import Asked
from tripos.data.schema_conform import TYPES, UNUSED, conform
from tripos.data.schema_kinds import KINDS, Column, infer_column
from tripos.data.schema_task import Task, check_target, infer_task, with_task
from tripos.errors import TableError
from tripos.state import Json, Spec

MOST_BYTES = 1 << 26
WIDEST_NAME, WIDEST_REASON = 28, 78


class Schema:
    """The kinds of a table's columns, inferred from the values, each with its reason.

    Parameters
    ----------
    columns : mapping of str to Column
    target : str, optional
        The column to predict.
    task : Task, optional
        What predicting it is.

    Attributes
    ----------
    columns : dict of str to Column
        In the order of the table.
    target : str or None
    task : "binary", "multiclass", "regression" or None
    task_reason : str
    classes : dict of label to int
        Rows of each class; empty for regression.

    Examples
    --------
    >>> table = pl.DataFrame({"size": ["S", "L", "M", "S"], "weight": [1.5, 4.0, 2.5, 1.0], "sold": ["yes", "no", "no", "yes"]})
    >>> schema = Schema.infer(table, target="sold")
    >>> schema.task, schema.features, schema.columns["size"].levels
    ('binary', ['size', 'weight'], ('S', 'M', 'L'))
    >>> print(schema)
    3 columns; target sold: binary (two different values; no 2, yes 2)
    size    ordered category  3 levels, 'S' < 'M' < 'L', a known scale
    weight  number            numbers from 1 to 4
    sold    boolean, target   only 'no', 'yes'
    """

    state: ClassVar[dict[str, Spec]] = {"record": Json(max_bytes=MOST_BYTES)}

    def __init__(
        self, columns: Mapping[str, Column], target: str | None = None, task: Task | None = None
    ) -> None:
        self.columns = dict(columns)
        self.target = target
        self._task = task or Task(None, "no target")

    @property
    def task(self) -> str | None:
        return self._task.kind

    @property
    def task_reason(self) -> str:
        return self._task.reason

    @property
    def classes(self) -> dict[str | int | float | bool, int]:
        return dict(self._task.classes)

    @property
    def features(self) -> list[str]:
        """The columns to learn from: all but the target, identifiers and constants."""
        return [
            name for name, column in self.columns.items() if name != self.target and column.kind not in UNUSED
        ]

    @classmethod
    def infer(
        cls,
        frame: Any,
        target: str | None = None,
        kinds: Mapping[str, str] | None = None,
        *,
        task: str | None = None,
    ) -> Schema:
        """Tell the kind of each column.

        Parameters
        ----------
        frame : polars, pandas or Arrow table
        target : str, optional
            The column to predict.
        kinds : mapping of str to str, optional
            Kinds that the user knows better.
        task : str, optional
            "binary", "multiclass", "classification" or "regression" where the target does not tell it rightly.

        Raises
        ------
        TableError
            If `target` or a column in `kinds` is not there, or a column cannot be of the kind asked for.
        """
        frame = as_frame(frame)
        if target is not None and target not in frame.columns:
            raise TableError(
                f"The table has no column {target!r} to predict. {closest(target, frame.columns)}"
            )
        columns = {column.name: infer_column(column) for column in frame.iter_columns()}
        found = None
        if target is not None:
            found = (
                infer_task(frame[target], columns[target])
                if task is None
                else with_task(frame[target], columns[target], task)
            )
        schema = cls(columns, target, found)
        for name, kind in (kinds or {}).items():
            schema = schema.override(name, kind, frame)
        return schema

    def override(self, name: str, kind: str, frame: pl.DataFrame | None = None) -> Schema:
        """A schema in which one column is of another kind.

        Parameters
        ----------
        name, kind : str
        frame : pl.DataFrame, optional
            The table, to see that the column can be of that kind, and to list its levels.
        """
        if name not in self.columns:
            raise TableError(
                f"kinds= names the column {name!r}, which is not there. {closest(name, list(self.columns))}"
            )
        if kind not in KINDS:
            raise TableError(f"{kind!r} is no kind of column. {closest(kind, KINDS)}")
        column = _overridden(self.columns[name], kind, None if frame is None else frame[name])
        changed = Schema({**self.columns, name: column}, self.target, self._task)
        if frame is not None and name != self.target:
            conform(frame.select(name), {name: column}, None)  # raises if the values are not of that kind
        return changed

    def only(self, names: Iterable[str]) -> Schema:
        """A schema of these columns and the target: what a model that learns from them needs to know."""
        wanted = {*names, self.target}
        kept = {name: column for name, column in self.columns.items() if name in wanted}
        return Schema(kept, self.target, self._task)

    def conform(self, frame: Any) -> pl.DataFrame:
        """Bring another table to the columns and types of this one.

        Columns are found by name, in any order; the target, identifiers and constants may be absent; further
        columns are ignored, which is stated. Unknown levels pass. Dates are parsed, truth words become booleans
        (the target keeps its labels), infinite numbers become missing, which is stated.

        Raises
        ------
        TableError
            If a column is missing, or a cell is not of its column's type; the message names column, row and value.
        """
        return conform(as_frame(frame), self.columns, self.target)

    def check_target(self, frame: pl.DataFrame) -> int:
        """Refuse a table from which the target cannot be learned; returns the number of rows that lack it."""
        return check_target(frame, self.target, self._task)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` takes, in JSON's types."""
        columns = []
        for column in self.columns.values():
            plain = asdict(column)
            plain["levels"] = None if column.levels is None else list(column.levels)
            columns.append(plain)
        task = {
            "kind": self.task,
            "reason": self.task_reason,
            "classes": [list(pair) for pair in self._task.classes],
        }
        return {"target": self.target, "task": task, "columns": columns}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Schema:
        """The schema that `to_dict` described; `TableError` if it is not one."""
        try:
            columns = {plain["name"]: _column(plain) for plain in record["columns"]}
            task = record["task"]
            classes = tuple((label, int(rows)) for label, rows in task["classes"])
            if task["kind"] not in (None, "binary", "multiclass", "regression"):
                raise ValueError(f"unknown task {task['kind']!r}")
            target = record["target"]
            if target is not None and target not in columns:
                raise ValueError(f"the target {target!r} is none of the columns")
            return cls(columns, target, Task(task["kind"], str(task["reason"]), classes))
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(f"This is not the record of a schema: {error}.") from error

    def _save_state(self) -> dict[str, Any]:
        return {"record": self.to_dict()}

    def _check_state(self) -> None:
        try:
            Schema.from_dict(self.__dict__["record"])
        except TableError as error:
            raise ValueError(str(error)) from error

    def _after_load(self) -> None:
        self.__dict__.update(Schema.from_dict(self.__dict__.pop("record")).__dict__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        about = "" if self.target is None else f", target={self.target!r}, task={self.task!r}"
        return f"Schema({len(self.columns)} columns{about})"

    def __str__(self) -> str:
        rows = [
            (_cut(c.name, WIDEST_NAME), c.kind + (", target" if c.name == self.target else ""), c.reason)
            for c in self.columns.values()
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        lines = [
            f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {_cut(reason, WIDEST_REASON)}"
            for name, kind, reason in rows
        ]
        return "\n".join([f"{len(self.columns)} columns{self._about_target()}", *lines])

    def _about_target(self) -> str:
        if self.target is None:
            return ""
        shown = [f"{label} {rows:,}" for label, rows in self._task.classes[:10]]
        more = [f"{len(self._task.classes) - 10:,} more"] if len(self._task.classes) > 10 else []
        balance = f"; {', '.join(shown + more)}" if shown else ""
        return f"; target {self.target}: {self.task or 'nothing to learn'} ({self.task_reason}{balance})"


def as_frame(table: Any) -> pl.DataFrame:
    """Any table in memory as a polars frame of single cells, NaN as null."""
    frame = flat(read_frame(table, Asked()), "the table")
    return frame.with_columns(cs.float().fill_nan(None))


def _overridden(column: Column, kind: str, values: pl.Series | None) -> Column:
    """The column as another kind, with the type and the levels that go with it."""
    inferred = infer_column(values) if values is not None else column
    dtypes = {
        "number": "Float64",
        "boolean": "Boolean",
        "text": "String",
        "category": "String",
        "ordered category": "String",
    }
    dtype = dtypes.get(kind, column.dtype)
    if kind == "date":
        dtype = inferred.dtype if inferred.kind == "date" else "Datetime"
    if kind == "number" and column.dtype == "Int64":
        dtype = "Int64"
    levels = column.levels if kind in ("category", "ordered category", "integer code", "boolean") else None
    if values is not None and kind in ("category", "ordered category") and levels is None:
        words = values.drop_nulls().cast(pl.String).unique().sort()
        levels = tuple(words) if len(words) <= 1000 else None
    if kind == "ordered category" and levels and column.kind != "ordered category":
        levels = tuple(sorted(levels, key=_natural))
    return replace(column, kind=kind, dtype=dtype, levels=levels, reason="as asked")


def _natural(level: str) -> tuple[int, float, str]:
    """Numbers by size, then words by letter."""
    try:
        return (0, float(level), "")
    except ValueError:
        return (1, 0.0, level)


def _column(plain: Mapping[str, Any]) -> Column:
    levels = plain["levels"]
    column = Column(
        str(plain["name"]),
        plain["kind"],
        plain["dtype"],
        None if levels is None else tuple(map(str, levels)),
        plain["format"],
        str(plain["reason"]),
    )
    if column.kind not in KINDS or column.dtype not in TYPES:
        raise ValueError(f"column {column.name!r} is of kind {column.kind!r} and type {column.dtype!r}")
    if column.format is not None and not isinstance(column.format, str):
        raise ValueError(f"column {column.name!r} has a format that is no text")
    return column


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
