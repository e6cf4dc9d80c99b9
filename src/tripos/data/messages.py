"""What table reading says to people: stated repairs, lists cut short, the closest name to a mistyped one."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from tripos.errors import TableWarning

_PACKAGE = str(Path(__file__).resolve().parents[1])
SHOWN = 5  # places named in one message: enough to find the cause, few enough to read


def state(message: str) -> None:
    """Say that something was repaired or decided: a `TableWarning` at the caller's own line."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, TableWarning, stacklevel=depth)


def listed(items: Iterable[object], shown: int = SHOWN) -> str:
    """The first few items and how many more there are.

    >>> listed(["a", "b", "c"]), listed(range(9), shown=3)
    ('a, b, c', '0, 1, 2 and 6 more')
    """
    items = list(items)
    text = ", ".join(str(item) for item in items[:shown])
    return text if len(items) <= shown else f"{text} and {len(items) - shown:,} more"


def quoted(items: Iterable[object], shown: int = SHOWN) -> str:
    """As `listed`, each item in quotes: for names and cells.

    >>> quoted(["Sex", "Age"])
    "'Sex', 'Age'"
    """
    return listed((repr(str(item)) for item in items), shown)


def counted(n: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def closest(name: str, names: Sequence[str]) -> str:
    """A hint for a name that is not there: the most alike, else what there is.

    >>> closest("surived", ["survived", "age"])
    "Did you mean 'survived'?"
    >>> closest("price", ["survived", "age"])
    "There are: 'survived', 'age'."
    """
    lower = {other.lower(): other for other in reversed(names)}
    found = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    if found:
        return f"Did you mean {' or '.join(repr(lower[key]) for key in found)}?"
    return f"There are: {quoted(names, 12)}."
