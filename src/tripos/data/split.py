"""Train, validation and test parts that share nothing: at random, by class, by group or by time.

The test part stands for the future, so it must not be guessable from training: rows of one group (a patient,
a household) lie in one part, and with a time column every part is later than the one before it.
"""

from __future__ import annotations

import warnings
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from tripos.compute.random import RandomState, generator
from tripos.data.encoding.series import as_series
from tripos.data.encoding.table import Table
from tripos.data.messages import closest, counted, listed
from tripos.data.parts import PARTS, Split, codes, instants
from tripos.errors import DataWarning, SplitError

FEW_CLASSES = 20  # whole numbers with at most so many values are taken as classes by stratify="auto"


def split(
    frame_or_n_rows: Any,
    *,
    target: Any = None,
    test: float = 0.2,
    validation: float = 0.2,
    stratify: Any = "auto",
    groups: Any = None,
    time: Any = None,
    random_state: RandomState = 0,
) -> Split:
    """Part the rows of a table into train, validation and test.

    Parameters
    ----------
    frame_or_n_rows : table, array or int
        What to split, or its number of rows.
    target : column name or array, optional
    test, validation : float or int
        Share of the rows, or their number; 0 for no such part. The rest is for training.
    stratify : "auto", None, column name or array
        Keeps the shares of the values of this column equal in all parts. "auto" takes the target where it holds
        classes (strings, booleans, or at most 20 different whole numbers) and `time` is not given.
    groups : column name or array, optional
        Rows with one value lie in one part.
    time : column name or array, optional
        The test part is the latest, train the earliest; rows of one time lie in one part.
    random_state : int, Generator or None

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        If a part would be empty, sizes do not add up, or what is asked for contradicts itself.

    Examples
    --------
    >>> from tripos import split
    >>> parts = split(10, random_state=0)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (6, 2, 2)
    """
    table, n = _rows(frame_or_n_rows)
    sizes = _sizes(n, validation, test)
    random = generator(random_state)
    if time is not None:
        return _by_time(instants(_column(table, n, time, "time")), sizes, groups, stratify).check(n_rows=n)
    classes = _classes(table, n, target, stratify)
    if groups is not None:
        named = _column(table, n, groups, "groups")
        found = _by_group(codes(named, "groups"), classes, sizes, random)
    elif classes is not None:
        found = _by_class(classes, sizes, random, required=not _is_auto(stratify))
    else:
        found = _at_random(n, sizes, random)
    for note in found.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return found.check(n_rows=n)


def _at_random(n: int, sizes: np.ndarray, random: np.random.Generator) -> Split:
    return _parts(random.permutation(np.repeat(np.arange(3), sizes)), "at random")


def _by_class(
    classes: np.ndarray, sizes: np.ndarray, random: np.random.Generator, *, required: bool
) -> Split:
    """Systematic sampling: walking through the rows class by class, every (1 / share)-th row goes to a part.

    One row of each class is put aside for training before, so that no class is met in test for the first time.
    """
    n, counts = len(classes), np.bincount(classes)
    if len(counts) > sizes[0]:
        if required:
            raise SplitError(
                f"stratify= has {len(counts):,} different values for {counted(int(sizes[0]), 'training row')}: "
                "not each can stand in training; leave stratify out or group rare values"
            )
        return _at_random(n, sizes, random)
    part = np.zeros(n, dtype=np.int64)
    order = random.permutation(n)
    order = order[np.argsort(classes[order], kind="stable")]  # class by class, at random within each
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rest = np.delete(order, first)
    for which in (2, 1):
        take = _every(len(rest), int(sizes[which]), random)
        part[rest[take]] = which
        rest = rest[~take]
    return _parts(part, "at random within each class", _rare_classes(counts))


def _every(n: int, k: int, random: np.random.Generator) -> np.ndarray:
    """Mask of k of n positions at equal distances, from a random start."""
    steps = (np.arange(n + 1) * k + random.integers(max(n, 1))) // max(n, 1)
    return np.asarray(np.diff(steps) > 0)


def _rare_classes(counts: np.ndarray) -> list[str]:
    rare, single = int((counts < 3).sum()), int((counts == 1).sum())
    if not rare:
        return []
    stay = f"; {counted(single, 'class', 'classes')} of one row stay in training" if single else ""
    return [f"{counted(rare, 'class', 'classes')} of fewer than 3 rows cannot stand in all three parts{stay}"]


def _by_group(
    groups: np.ndarray, classes: np.ndarray | None, sizes: np.ndarray, random: np.random.Generator
) -> Split:
    """Whole groups in random order, each to the part that lacks most of what the group holds."""
    n, n_groups, asked = len(groups), int(groups.max()) + 1, np.flatnonzero(sizes)
    if n_groups < len(asked):
        raise SplitError(
            f"groups= has {counted(n_groups, 'group')} for {len(asked)} parts: at least one part stays empty"
        )
    how = "whole groups at random"
    if classes is None:
        classes = np.zeros(n, dtype=np.int64)
    else:
        how += ", classes balanced"
    n_classes = int(classes.max()) + 1
    members = np.bincount(groups * n_classes + classes, minlength=n_groups * n_classes)
    assigned = asked[_assigned(members.reshape(n_groups, n_classes), sizes[asked] / n, random)]
    got = np.bincount(assigned[groups], minlength=3)
    if not got[asked].all():
        empty = listed(PARTS[p] for p in asked if not got[p])
        raise SplitError(f"no group is left for {empty}: others hold too many rows; ask for other sizes")
    notes = []
    if np.abs(got - sizes).max() > max(0.05 * n, 1):
        shares = listed(f"{name} {rows / n:.0%}" for name, rows in zip(PARTS, got))
        notes = [f"groups are large: the parts became {shares}"]
    return _parts(assigned[groups], how, notes)


def _assigned(members: np.ndarray, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The part of each group.

    A group with v_c rows of class c goes to the part p with the largest sum_c v_c (want_pc - have_pc) / want_pc;
    with one class that is the part filled to the smallest share.
    """
    want = shares[:, None] * members.sum(axis=0)  # (n_parts, n_classes)
    lack = np.ones_like(want)  # (want - have) / want
    part = np.empty(len(members), dtype=np.int64)
    for g in random.permutation(len(members)):
        part[g] = p = int(np.argmax(lack @ members[g]))
        lack[p] -= members[g] / want[p]
    return part


def _by_time(time: np.ndarray, sizes: np.ndarray, groups: Any, stratify: Any) -> Split:
    """The latest rows are for test, those before for validation; a boundary moves to the nearest change of time."""
    if groups is not None:
        raise SplitError(
            "groups= and time= together are not possible: a group may last over a boundary in time; choose one"
        )
    if stratify is not None and not _is_auto(stratify):
        raise SplitError(
            "stratify= and time= together are not possible: order in time decides where each row lies"
        )
    order = np.argsort(time, kind="stable")
    t = time[order]
    changes = np.flatnonzero(t[1:] > t[:-1]) + 1  # positions at which a part may begin
    part = np.zeros(len(t), dtype=np.int64)
    begin, later = len(t), 0
    for which in (2, 1):
        if not sizes[which]:
            continue
        possible = changes[(changes < begin) & (np.arange(len(changes)) >= (which == 2 and sizes[1] > 0))]
        if not len(possible):
            raise SplitError(
                f"time= has {counted(len(changes) + 1, 'different time')}: too few for {PARTS[which]} to be later "
                "than the part before it"
            )
        wanted = len(t) - later - sizes[which]
        start = int(possible[np.argmin(np.abs(possible - wanted))])
        part[order[start:begin]] = which
        begin, later = start, later + int(sizes[which])
    return _parts(part, "by time, the latest rows for test")


def _parts(part: np.ndarray, how: str, notes: list[str] | None = None) -> Split:
    train, validation, test = (np.flatnonzero(part == p) for p in range(3))
    return Split(train, validation, test, how, tuple(notes or ()))


def _sizes(n: int, validation: float, test: float) -> np.ndarray:
    """Rows of train, validation and test, which add up to n."""
    asked = {"validation": validation, "test": test}
    rows = {name: _size(n, name, size) for name, size in asked.items()}
    train = n - sum(rows.values())
    if train < 1:
        raise SplitError(
            f"validation={validation} and test={test} of {counted(n, 'row')} leave none for training: ask for smaller parts"
        )
    for name, size in asked.items():
        if size and not rows[name]:
            raise SplitError(
                f"{name}={size} of {counted(n, 'row')} is no row at all: ask for a larger part or {name}=0"
            )
    return np.array([train, rows["validation"], rows["test"]])


def _size(n: int, name: str, size: Any) -> int:
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if whole and size >= 0:
        return int(size)
    if isinstance(size, (float, np.floating)) and 0 <= size < 1:
        return round(n * float(size))
    raise SplitError(f"{name}={size!r}: expected a share in [0, 1) or a number of rows")


def _rows(frame: Any) -> tuple[Table | None, int]:
    if isinstance(frame, (int, np.integer)) and not isinstance(frame, bool):
        if frame < 1:
            raise SplitError(f"there are {frame} rows to split")
        return None, int(frame)
    if isinstance(frame, Table) or nw.dependencies.is_into_dataframe(frame):
        table = Table.read(frame)
        n = table.n_rows
    else:
        table, n = None, frame.shape[0] if hasattr(frame, "shape") else len(frame)
    if not n:
        raise SplitError("the table has no rows to split")
    return table, n


def _column(table: Table | None, n: int, column: Any, what: str) -> pl.Series:
    """A column by its name, or an array of one value per row."""
    if isinstance(column, str):
        if table is None:
            raise SplitError(
                f"{what}={column!r} names a column, but no table was given: pass the table or an array"
            )
        if column not in table.names:
            raise SplitError(f"{what}={column!r}: there is no such column. {closest(column, table.names)}")
        series = table.series(column)
    else:
        series = as_series(what, column)
    if len(series) != n:
        raise SplitError(f"{what}= has {counted(len(series), 'value')} for {counted(n, 'row')}")
    return series


def _is_auto(stratify: Any) -> bool:
    return isinstance(stratify, str) and stratify == "auto"


def _classes(table: Table | None, n: int, target: Any, stratify: Any) -> np.ndarray | None:
    """The stratum of each row, or None."""
    if not _is_auto(stratify):
        return (
            None
            if stratify is None
            else codes(_column(table, n, stratify, "stratify"), "stratify", missing_is_one=True)
        )
    if target is None:
        return None
    series = _column(table, n, target, "target")
    return codes(series, "target", missing_is_one=True) if _holds_classes(series) else None


def _holds_classes(series: pl.Series) -> bool:
    if not series.dtype.is_numeric():
        return series.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum)
    known = series.drop_nulls()
    if series.dtype.is_float():
        known = known.drop_nans()
        if bool((known != known.floor()).any()):
            return False
    return known.n_unique() <= FEW_CLASSES
