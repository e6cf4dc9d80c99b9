"""`Split`: three parts of a table's rows, and the check that nothing leaks from one into another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tripos.data.encoding.series import as_series
from tripos.data.messages import counted, listed
from tripos.data.schema_dates import find_format, parse
from tripos.errors import DataWarning, SplitError

PARTS = ("train", "validation", "test")


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
            self._check_groups(codes(as_series("groups", groups), "groups"))
        if time is not None:
            self._check_time(instants(as_series("time", time)))
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


def codes(series: pl.Series, what: str, *, missing_is_one: bool = False) -> np.ndarray:
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


def instants(series: pl.Series) -> np.ndarray:
    """Times as numbers that sort as they do; texts are read as dates."""
    if series.dtype == pl.String:
        written = find_format(series)
        if written is None:
            raise SplitError(
                f"time= holds texts that are not all dates, such as {series.drop_nulls().first()!r}: "
                "text does not sort as time does"
            )
        if "though" in written.evidence:
            warnings.warn(f"time= is read as {written.text}{written.evidence}", DataWarning, stacklevel=3)
        series = parse(series, written.text)
    if not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        raise SplitError(f"time= holds {series.dtype}: expected dates or numbers")
    return codes(series, "time")


def _check_indices(name: str, part: np.ndarray, n_rows: int | None) -> None:
    if part.ndim != 1 or part.dtype.kind not in "iu":
        raise SplitError(f"{name} is not a list of row numbers (dtype {part.dtype}, shape {part.shape})")
    if len(part) and (np.diff(part) <= 0).any():
        raise SplitError(f"{name} is not sorted or names a row twice")
    if len(part) and (part[0] < 0 or (n_rows is not None and part[-1] >= n_rows)):
        raise SplitError(f"{name} names rows from {part[0]} to {part[-1]}, outside of the table's {n_rows}")
