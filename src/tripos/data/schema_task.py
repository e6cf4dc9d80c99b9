"""The task that a target column sets, and what makes a target impossible to learn."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tripos.data.messages import closest, counted, listed, quoted, state
from tripos.data.read_numbers import ends_of
from tripos.data.schema_kinds import Column, name_words
from tripos.errors import TableError

MANY = 20  # different whole numbers from which they count rather than label
MOST_FLAT, FLAT_ROWS = 100, 30  # labels may be more if all are as frequent, in so many rows each
CLASSES = 1000  # more, and a class is no class
ROWS_PER_CLASS = 2
ORDINAL_NAMES = {
    "quality", "score", "rating", "ratings", "stars", "rank", "grade", "age", "count", "cnt", "number", "num", "rings", "price", "amount",
    "total", "sales", "demand", "duration", "days", "hours", "minutes", "points", "value", "income", "salary", "passengers", "quantity",
}  # fmt: skip
CLASS_NAMES = {
    "class",
    "classe",
    "type",
    "label",
    "category",
    "species",
    "kind",
    "group",
    "cover",
    "digit",
    "cluster",
    "diagnosis",
}


@dataclass(frozen=True)
class Task:
    """What is to be predicted.

    Attributes
    ----------
    kind : "binary", "multiclass", "regression" or None
        None if the target has fewer than two values.
    reason : str
    classes : tuple of (label, rows)
        In the order of the labels; empty for regression.
    """

    kind: str | None
    reason: str
    classes: tuple[tuple[str | int | float | bool, int], ...] = ()


def infer_task(target: pl.Series, column: Column) -> Task:
    """Classification or regression, by the target's values; names and shape decide where whole numbers could be either."""
    present = target.drop_nulls()
    n_distinct = present.n_unique()
    if n_distinct < 2:
        return Task(None, "the target has fewer than two different values")
    if n_distinct == 2:
        return _classes(present, "binary", "two different values")
    if column.kind == "date":
        return Task("regression", "dates, predicted as time")
    if not target.dtype.is_numeric():
        return _classes(present, "multiclass", f"{n_distinct:,} different words")
    if not bool((present == present.cast(pl.Float64).floor()).all()):
        return Task("regression", f"numbers with fractions, {n_distinct:,} different")
    return _whole_numbers(present, target.name, n_distinct)


def _whole_numbers(present: pl.Series, name: str, n_distinct: int) -> Task:
    """Whole numbers count, rank or label: many different ones count; a few are read by name, then by their histogram."""
    if n_distinct > MANY or n_distinct > 0.2 * len(present):
        if _is_flat(present, n_distinct):
            return _classes(
                present,
                "multiclass",
                f"{n_distinct} whole numbers, each about equally frequent, as labels are",
            )
        return Task("regression", f"whole numbers, {n_distinct:,} different")
    words = set(name_words(name))
    if words & CLASS_NAMES:
        return _classes(present, "multiclass", f"{n_distinct} whole numbers that, by the name, label classes")
    if words & ORDINAL_NAMES:
        return Task(
            "regression",
            f"{n_distinct} whole numbers that, by the name, rank or count; pass task='multiclass' to read them as labels",
        )
    if _is_hill(present):
        return Task(
            "regression",
            f"{n_distinct} whole numbers without gaps whose frequencies rise and then fall, as grades do; "
            "pass task='multiclass' to read them as labels",
        )
    return _classes(
        present,
        "multiclass",
        f"{n_distinct} different whole numbers; pass task='regression' if they count or rank",
    )


def _is_flat(present: pl.Series, n_distinct: int) -> bool:
    """Whether every number is about as frequent as any other, in many rows each: a measured quantity never is."""
    if n_distinct > MOST_FLAT or n_distinct * FLAT_ROWS > len(present):
        return False
    fewest, most = ends_of(present.value_counts()["count"])
    return most <= 2 * fewest


def _is_hill(present: pl.Series) -> bool:
    """Whether the numbers follow each other without a gap, common in the middle and rare at both ends."""
    counts = present.value_counts().sort(present.name)
    values, rows = counts[present.name].to_list(), counts["count"].to_list()
    peak = rows.index(max(rows))
    rises = all(a <= b for a, b in zip(rows[: peak + 1], rows[1 : peak + 1]))
    falls = all(a >= b for a, b in zip(rows[peak:], rows[peak + 1 :]))
    inside = 0 < peak < len(rows) - 1
    rare_ends = max(rows[0], rows[-1]) < 0.7 * rows[peak] and min(rows[0], rows[-1]) < 0.25 * rows[peak]
    return (
        len(rows) >= 5
        and values[-1] - values[0] == len(values) - 1
        and rises
        and falls
        and inside
        and rare_ends
    )


def _classes(present: pl.Series, kind: str, reason: str) -> Task:
    counts = present.cast(pl.String) if present.dtype in (pl.Categorical, pl.Enum) else present
    table = counts.value_counts().sort(present.name)
    return Task(kind, reason, tuple(zip(table[present.name].to_list(), table["count"].to_list())))


def with_task(target: pl.Series, column: Column, kind: str) -> Task:
    """The task that the user asks for, if the target can be that.

    Raises
    ------
    TableError
        If words are to be regressed, or fractions to be classes.
    """
    present = target.drop_nulls()
    n_distinct = present.n_unique()
    if kind == "classification":
        kind = "binary" if n_distinct == 2 else "multiclass"
    if kind not in ("binary", "multiclass", "regression"):
        raise TableError(f"task={kind!r} is none of 'binary', 'multiclass', 'classification', 'regression'.")
    if kind == "regression":
        if not (target.dtype.is_numeric() or target.dtype == pl.Boolean or column.kind == "date"):
            raise TableError(
                f"task='regression' needs numbers, but the target {target.name!r} holds {quoted(present.unique(), 3)}."
            )
        return Task(kind, "as asked")
    if kind == "binary" and n_distinct != 2:
        raise TableError(
            f"task='binary' needs two classes, but the target {target.name!r} has {n_distinct:,} different values."
        )
    return _classes(present, kind, "as asked")


def check_target(frame: pl.DataFrame, target: str | None, task: Task) -> int:
    """Refuse a table from which the target cannot be learned; the number of rows whose target is missing.

    Raises
    ------
    TableError
        If there is no target column, no other column, fewer than two rows with a target, only one value of it, infinite
        values in it, or (nearly) as many classes as rows.
    """
    if target is None or target not in frame.columns:
        named = f"no column {target!r}" if target else "no target"
        raise TableError(f"The table has {named}. {closest(target or '', frame.columns)}")
    if frame.width < 2:
        raise TableError(
            f"The table has one column, the target {target!r}; there is nothing to predict it from."
        )
    values = frame[target]
    missing = values.null_count()
    present = values.drop_nulls()
    if len(present) < 2:
        have = "no value" if len(present) == 0 else "one value"
        raise TableError(
            f"The target {target!r} has {have} in {counted(frame.height, 'row')}; learning needs at least two rows with one."
        )
    if present.n_unique() < 2:
        raise TableError(
            f"The target {target!r} is {present[0]!r} in every row; there is nothing to tell apart. Choose another column."
        )
    if present.dtype.is_float() and not present.is_finite().all():
        rows = (~values.is_finite()).fill_null(False).arg_true()
        raise TableError(
            f"The target {target!r} is infinite in {counted(len(rows), 'row')} (row {listed(int(row) + 1 for row in rows)}); "
            "correct or remove them."
        )
    _require_classes(target, task, len(present))
    if missing:
        state(
            f"The target {target!r} is missing in {counted(missing, 'row')} of {frame.height:,}: they are left out."
        )
    return missing


def _require_classes(target: str, task: Task, n_rows: int) -> None:
    n_classes = len(task.classes)
    too_thin = n_classes > 2 and n_rows < ROWS_PER_CLASS * n_classes
    if n_classes <= CLASSES and not too_thin:
        return
    raise TableError(
        f"The target {target!r} has {n_classes:,} classes in {counted(n_rows, 'row')}, such as {quoted((label for label, _ in task.classes), 3)}: "
        f"too few rows of each to learn from. Choose another column, join classes to at most {CLASSES:,}, "
        "or pass task='regression' if its values are quantities."
    )
