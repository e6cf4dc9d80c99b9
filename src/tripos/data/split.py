"""Train, validation and test parts that share nothing: at random, by class, by group or by time.

The test part stands for the future, so it must not be guessable from training: rows of one group (a patient,
a household) lie in one part, and with a time column every part is later than the one before it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from tripos.data.encoding.series import as_series
from tripos.data.encoding.table import Table
from tripos.data.messages import closest, counted, listed
from tripos.errors import DataWarning, SplitError

PARTS = ("train", "validation", "test")
FEW_CLASSES = 20  # whole numbers with at most so many values are taken as classes by stratify="auto"


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Three disjoint parts of the rows of a table.

    Attributes
    ----------
    train, validation, test : ndarray of int64, sorted
    how : str
        One sentence that says how the parts were drawn.
    notes : tuple of str
        What could not be done as asked, such as classes too rare to stand in every part.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    how: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(part):,}" for name, part in self.parts.items())
        return f"Split({sizes}; {self.how})" if self.how else f"Split({sizes})"

    @property
    def parts(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in PARTS}

    def check(self, *, n_rows: int | None = None, groups: Any = None, time: Any = None) -> Split:
        """Raise `SplitError` if a row, a group or a stretch of time lies in two parts; returns the split itself.

        Parameters
        ----------
        n_rows : int, optional
            Length of the table, to find indices outside of it.
        groups : array of shape (n_rows,), optional
        time : array of shape (n_rows,), optional
            All of train is then earlier than all of validation, and that than all of test.
        """
        for name, part in self.parts.items():
            _check_indices(name, part, n_rows)
        for i, first in enumerate(PARTS):
            for second in PARTS[i + 1 :]:
                shared = np.intersect1d(self.parts[first], self.parts[second])
                if len(shared):
                    raise SplitError(
                        f"{first} and {second} share {counted(len(shared), 'row')}: {listed(shared)}"
                    )
        if groups is not None:
            self._check_groups(_codes(as_series("groups", groups), "groups"))
        if time is not None:
            self._check_time(_instants(as_series("time", time)))
        return self

    def _check_groups(self, groups: np.ndarray) -> None:
        for i, first in enumerate(PARTS):
            for second in PARTS[i + 1 :]:
                shared = np.intersect1d(groups[self.parts[first]], groups[self.parts[second]])
                if len(shared):
                    raise SplitError(
                        f"{counted(len(shared), 'group')} lie in both {first} and {second}: "
                        "what is learned of a group in one part is known in the other; split with groups="
                    )

    def _check_time(self, time: np.ndarray) -> None:
        filled = [(name, time[part]) for name, part in self.parts.items() if len(part)]
        for (before, early), (after, late) in zip(filled, filled[1:]):
            if early.max() >= late.min():
                n = int((late <= early.max()).sum())
                raise SplitError(
                    f"{counted(n, 'row')} of {after} are not later than the last row of {before}: "
                    "the past would be predicted from the future; split with time="
                )


def split(
    frame_or_n_rows: Any,
    *,
    target: Any = None,
    test: float = 0.2,
    validation: float = 0.2,
    stratify: Any = "auto",
    groups: Any = None,
    time: Any = None,
    random_state: int = 0,
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
    random_state : int

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
    random = np.random.default_rng(random_state)
    if time is not None:
        return _by_time(_instants(_column(table, n, time, "time")), sizes, groups, stratify).check(n_rows=n)
    classes = _classes(table, n, target, stratify)
    if groups is not None:
        named = _column(table, n, groups, "groups")
        found = _by_group(_codes(named, "groups"), classes, sizes, random)
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
    if len(counts) > sizes[0] or (counts == 1).sum() > n // 2:
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
        take = _every(len(rest), int(sizes[which]), random.random())
        part[rest[take]] = which
        rest = rest[~take]
    rare = int((counts < 3).sum())
    notes = []
    if rare:
        single = int((counts == 1).sum())
        stay = f"; {counted(single, 'class', 'classes')} of one row stay in training" if single else ""
        notes.append(
            f"{counted(rare, 'class', 'classes')} of fewer than 3 rows cannot stand in all three parts{stay}"
        )
    return _parts(part, "at random within each class", notes)


def _every(n: int, k: int, offset: float) -> np.ndarray:
    """Mask of k of n positions at equal distances, shifted by a random offset in [0, 1)."""
    steps = np.floor(np.arange(n + 1) * (k / max(n, 1)) + offset)
    return np.asarray(np.diff(steps) > 0)


def _by_group(
    groups: np.ndarray, classes: np.ndarray | None, sizes: np.ndarray, random: np.random.Generator
) -> Split:
    """Whole groups in random order, each to the part that lacks most of what the group holds.

    For a group with v_c rows of class c this is the part p with the largest
    sum_c v_c (want_pc - have_pc) / want_pc; without classes, the part filled to the smallest share.
    """
    n_groups, asked = int(groups.max()) + 1, np.flatnonzero(sizes)
    if n_groups < len(asked):
        raise SplitError(
            f"groups= has {counted(n_groups, 'group')} for {len(asked)} parts: at least one part stays empty"
        )
    if classes is None:
        classes = np.zeros(len(groups), dtype=np.int64)
    n_classes = int(classes.max()) + 1
    members = np.bincount(groups * n_classes + classes, minlength=n_groups * n_classes).reshape(
        n_groups, n_classes
    )
    want = sizes[asked, None] / len(groups) * members.sum(axis=0)  # (n_parts, n_classes)
    lack = np.ones_like(want)  # (want - have) / want
    assigned = np.empty(n_groups, dtype=np.int64)
    for g in random.permutation(n_groups):
        p = int(np.argmax(lack @ members[g]))
        assigned[g] = asked[p]
        lack[p] -= members[g] / np.maximum(want[p], 1e-9)
    empty = [PARTS[p] for p in asked if p not in assigned]
    if empty:
        raise SplitError(
            f"no group is left for {listed(empty)}: one group holds too many rows; ask for other sizes"
        )
    found = _parts(
        assigned[groups], "whole groups at random" + (", classes balanced" if n_classes > 1 else "")
    )
    got = np.array([len(part) for part in found.parts.values()])
    if np.abs(got - sizes).max() > max(0.05 * len(groups), 1):
        shares = listed(f"{name} {len(part) / len(groups):.0%}" for name, part in found.parts.items())
        found = Split(
            found.train,
            found.validation,
            found.test,
            found.how,
            (f"groups are large: the parts became {shares}",),
        )
    return found


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
            else _codes(_column(table, n, stratify, "stratify"), "stratify", missing_is_one=True)
        )
    if target is None:
        return None
    series = _column(table, n, target, "target")
    return _codes(series, "target", missing_is_one=True) if _holds_classes(series) else None


def _holds_classes(series: pl.Series) -> bool:
    if not series.dtype.is_numeric():
        return series.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum)
    known = series.drop_nulls()
    if series.dtype.is_float():
        known = known.drop_nans()
        if bool((known != known.floor()).any()):
            return False
    return known.n_unique() <= FEW_CLASSES


def _codes(series: pl.Series, what: str, *, missing_is_one: bool = False) -> np.ndarray:
    """Equal values as equal codes 0, 1, ...; a missing value is refused, or is a value of its own."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    n_missing = series.null_count()
    if n_missing and not missing_is_one:
        raise SplitError(f"{what}= has {counted(n_missing, 'missing value')}: fill them or drop the rows")
    if series.dtype == pl.Null:
        return np.zeros(len(series), dtype=np.int64)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    ranks = series.rank("dense").cast(pl.Int64)  # 1, 2, ...; null for missing
    return (ranks.fill_null(0) if n_missing else ranks - 1).to_numpy()


def _instants(series: pl.Series) -> np.ndarray:
    """Times as numbers that sort as they do; texts are read as dates."""
    if series.dtype == pl.String:
        parsed = series.str.to_datetime(strict=False)
        if parsed.null_count() > series.null_count():
            bad = series.filter(parsed.is_null() & series.is_not_null())[0]
            raise SplitError(
                f"time= holds texts that are no dates, such as {bad!r}: text sorts otherwise than time does"
            )
        series = parsed
    if not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        raise SplitError(f"time= holds {series.dtype}: expected dates or numbers")
    return _codes(series, "time")


def _check_indices(name: str, part: np.ndarray, n_rows: int | None) -> None:
    if part.ndim != 1 or part.dtype.kind not in "iu":
        raise SplitError(f"{name} is not a list of row numbers (dtype {part.dtype}, shape {part.shape})")
    if len(part) and (np.diff(part) <= 0).any():
        raise SplitError(f"{name} is not sorted or names a row twice")
    if len(part) and (part[0] < 0 or (n_rows is not None and part[-1] >= n_rows)):
        raise SplitError(f"{name} names rows from {part[0]} to {part[-1]}, outside of the table's {n_rows}")
