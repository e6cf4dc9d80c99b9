"""Folds that do not leak: balanced by class, whole groups, or always the past for training.

Every function returns positions of rows; none needs the features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from tripos.compute.random import generator
from tripos.errors import DataWarning, SplitError
from tripos.metrics import checks

Fold = tuple[np.ndarray, np.ndarray]


def folds(
    y: Any = None,
    k: int = 5,
    *,
    n_rows: int | None = None,
    stratify: bool = True,
    groups: Any = None,
    time: Any = None,
    random_state: Any = 0,
) -> list[Fold]:
    """k pairs of (training rows, test rows).

    Parameters
    ----------
    y : array-like of shape (n,), optional
        The target; needed to stratify.
    k : int
        Number of folds, at least 2.
    n_rows : int, optional
        Where there is no y.
    stratify : bool
        Keep the shares of the classes of y equal in all folds (to within one row per class). For regression
        pass False.
    groups : array-like of shape (n,), optional
        Rows with one value stay together on one side.
    time : array-like of shape (n,), optional
        Sortable. Every test row is later than all its training rows: fold i trains on the first i of k + 1
        stretches of time and is tested on the next (rolling origin).
    random_state : int, Generator or None

    Returns
    -------
    list of (train, test)
        Sorted int64 positions. Every row is in exactly one test part, except with `time`, where the
        earliest stretch is in none.

    Raises
    ------
    SplitError
        Too few rows, groups or points in time.

    Examples
    --------
    >>> for train, test in folds(["a", "a", "b", "b", "a", "a"], 2):
    ...     print(len(train), sum(test < 6))
    3 3
    3 3
    """
    n = _rows(y, n_rows, groups, time)
    if not isinstance(k, (int, np.integer)) or k < 2:
        raise SplitError(f"the number of folds must be an integer of 2 or more, got {k!r}")
    if k > n:
        raise SplitError(f"{k} folds of {n} rows: choose at most as many folds as rows")
    classes = checks.encode(checks.labels(y, "y"))[1][0] if stratify and y is not None else None
    if time is not None:
        if groups is not None:
            raise SplitError(
                "give groups or time, not both: a group that lives on through time cannot be on one side"
            )
        return _forward(_ranks(time, "time"), k)
    if groups is not None:
        return _grouped(_ranks(groups, "groups"), classes, k, random_state)
    shuffled = generator(random_state).permutation(n)
    if classes is not None:
        _warn_of_rare(checks.labels(y, "y"), classes, k)
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    fold_of = np.empty(n, np.int64)
    fold_of[shuffled] = np.arange(n) % k  # in order of class: each class is dealt out evenly
    return _pairs(fold_of, k)


def _rows(y: Any, n_rows: int | None, groups: Any, time: Any) -> int:
    """The common number of rows of what is given."""
    lengths = {"n_rows": n_rows}
    lengths |= {
        name: None if v is None else len(v) for name, v in (("y", y), ("groups", groups), ("time", time))
    }
    known = {name: length for name, length in lengths.items() if length is not None}
    if len(set(known.values())) != 1:
        found = (
            ", ".join(f"{name} {length}" for name, length in known.items())
            or "none of y, n_rows, groups, time"
        )
        raise SplitError(f"one number of rows is needed, got {found}")
    return int(next(iter(known.values())))


def _ranks(values: Any, name: str) -> np.ndarray:
    """Each row's value as its place among the sorted distinct values."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = (
            checks.labels(values, name) if not hasattr(array[0], "year") else array.astype("datetime64[us]")
        )
    missing = (
        np.isnan(array) if array.dtype.kind == "f" else np.isnat(array) if array.dtype.kind in "mM" else None
    )
    if missing is not None and missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise SplitError(
            f"{name} is missing in {int(missing.sum())} rows, first row {row}: fill it or drop those rows"
        )
    return np.unique(array, return_inverse=True)[1].reshape(-1)


def _pairs(fold_of: np.ndarray, k: int) -> list[Fold]:
    return [(np.flatnonzero(fold_of != i), np.flatnonzero(fold_of == i)) for i in range(k)]


def _warn_of_rare(labels: np.ndarray, codes: np.ndarray, k: int) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    rare = classes[counts < k]
    if len(rare):
        warnings.warn(
            f"{len(rare)} of {len(classes)} classes have fewer rows than the {k} folds, such as {rare[:3].tolist()}: "
            "some models are tested on a class they never saw",
            DataWarning,
            stacklevel=4,
        )


def _grouped(groups: np.ndarray, classes: np.ndarray | None, k: int, random_state: Any) -> list[Fold]:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    found = int(groups.max()) + 1
    if found < k:
        raise SplitError(f"{k} folds of {found} groups: choose at most as many folds as groups")
    seed = int(generator(random_state).integers(2**31))
    kind = GroupKFold if classes is None else StratifiedGroupKFold
    splitter = kind(n_splits=k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whole groups come first; that a class is rare is no news then
        return [(a, b) for a, b in splitter.split(np.zeros(len(groups)), classes, groups)]


def _forward(time: np.ndarray, k: int) -> list[Fold]:
    """Rolling origin: k + 1 stretches of about equal size, cut only between different times."""
    n, points = len(time), int(time.max()) + 1
    if points < k + 1:
        raise SplitError(
            f"{k} folds need {k + 1} different points in time, found {points}: choose fewer folds"
        )
    through = np.cumsum(np.bincount(time))  # rows up to each point in time
    cuts = np.searchsorted(through, np.arange(1, k + 1) * n / (k + 1)) + 1
    first, last = np.arange(1, k + 1), points - k + np.arange(k)
    for i in range(k):  # crowded points in time may not swallow a stretch
        cuts[i] = min(max(cuts[i], first[i], cuts[i - 1] + 1 if i else 1), last[i])
    ends = [*cuts[1:], points]
    return [
        (np.flatnonzero(time < start), np.flatnonzero((time >= start) & (time < end)))
        for start, end in zip(cuts, ends)
    ]


def as_folds(
    given: Any, y: np.ndarray, *, stratify: bool, groups: Any = None, time: Any = None, random_state: Any = 0
) -> list[Fold]:
    """Folds from a number, a scikit-learn splitter, or pairs of (train, test), checked."""
    n = len(y)
    if isinstance(given, (int, np.integer)):
        return folds(y, int(given), stratify=stratify, groups=groups, time=time, random_state=random_state)
    if hasattr(given, "split"):
        pairs: Iterable[Any] = given.split(np.zeros(n), y, groups)
    elif groups is not None or time is not None:
        raise SplitError(
            "groups and time make folds themselves: pass a number of folds, or folds without them"
        )
    else:
        pairs = given
    checked = [(_positions(train, n), _positions(test, n)) for train, test in pairs]
    if not checked:
        raise SplitError("there are no folds")
    for number, (train, test) in enumerate(checked, 1):
        if len(np.intersect1d(train, test)):
            raise SplitError(
                f"fold {number} tests on {len(np.intersect1d(train, test))} of its own training rows"
            )
    return checked


def _positions(rows: Any, n: int) -> np.ndarray:
    found = np.asarray(rows)
    found = np.flatnonzero(found) if found.dtype == bool and len(found) == n else found.astype(np.int64)
    if not len(found) or found.min() < 0 or found.max() >= n:
        raise SplitError(f"a part of a fold must hold positions from 0 to {n - 1}, and at least one")
    return np.sort(found)


def nested_order(rows: np.ndarray, classes: np.ndarray | None, random_state: Any = 0) -> np.ndarray:
    """The rows in an order of which every beginning is a fair sample, and smaller ones lie in larger ones.

    Each class is spread evenly over the order, so that a beginning of m rows holds its share of each class; one
    row of every class comes first, because no classifier learns from one class.

    Parameters
    ----------
    rows : int64 ndarray of shape (m,)
    classes : ndarray of shape (m,), optional
        Class of each of the rows.
    random_state : int, Generator or None
    """
    random = generator(random_state)
    shuffled = random.permutation(len(rows))
    if classes is None:
        return rows[shuffled]
    codes = np.unique(classes[shuffled], return_inverse=True)[1]
    grouped = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    rank = np.empty(len(rows))
    rank[grouped] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = (rank + random.random(len(sizes))[codes]) / sizes[codes]
    place[rank == 0] -= 1
    return rows[shuffled[np.argsort(place, kind="stable")]]
