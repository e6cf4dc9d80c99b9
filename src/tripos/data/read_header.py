"""Whether a text table begins with a line of column names, and names that can be used: none empty, none twice."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tripos.data.messages import listed, quoted, state

NUMERIC = re.compile(
    r"[+-]?[$€£]?(\d[\d,.]*|\.\d+)([eE][+-]?\d+)?\s?%?|\d{1,4}([-/.]\d{1,2}){1,2}([T ][\d:.Z]+)?"
)
NAME = re.compile(r"[^\W\d][\w .()/%#:-]{0,60}")
MARKS = {"", "?", "na", "n/a", "nan", "null", "none", "-"}
MOSTLY = 0.95

Row = Sequence[str]


def has_header(name: str, rows: Sequence[Row], *, named: bool = False) -> bool:
    """Tell a line of names from a line of data by how its cells fit into the columns below; the decision is stated
    unless the line plainly holds names, or the caller has `named` the columns.

    A word above a column of numbers is a name. A number above numbers, or a word that occurs again below, is data.

    Parameters
    ----------
    name : str
        What messages call the table.
    rows : sequence of sequence of str
        The first rows of the table, cut into cells.
    """
    first = [cell.strip() for cell in rows[0]]
    names, data = 0, 0
    for j, cell in enumerate(first):
        below = [row[j].strip() for row in rows[1:] if j < len(row)]
        below = [other for other in below if other.lower() not in MARKS]
        if not below or cell.lower() in MARKS:
            continue
        if sum(map(is_numeric, below)) >= MOSTLY * len(below):
            names, data = (names, data + 1) if is_numeric(cell) else (names + 1, data)
        elif cell in below:
            data += 1
    header = _weigh(first, names, data, n_below=len(rows) - 1)
    if named:
        return header
    if not header:
        state(
            f"{name} has no header line ({_why(first, rows)}): columns are named column_1, column_2, ...; pass header=True if line 1 is one."
        )
    elif (
        not names
        and not (len(first) > 1 and all(NAME.fullmatch(cell) for cell in first))
        and not is_sequence(first)
    ):
        state(
            f"{name}: line 1 ({quoted(first, 3)}) is taken as the header, though nothing tells it from data; pass header=False if it is data."
        )
    return header


def _weigh(first: Row, names: int, data: int, n_below: int) -> bool:
    """The verdict from the number of columns whose first cell speaks for names and for data."""
    if n_below == 0:
        return not any(map(is_numeric, first))
    if names >= data:
        return True
    labels = [cell for cell in first if is_numeric(cell)]
    whole = all(cell.isdigit() for cell in labels) and len(set(labels)) == len(labels)
    return is_sequence(first) or (names > 0 and whole)  # columns that are called 1, 2, ..., target


def is_sequence(cells: Row) -> bool:
    """Whether the cells count up by one: the names that arrays get when they are written as tables."""
    if len(cells) < 3 or not all(cell.isdigit() for cell in cells):
        return False
    return all(int(b) - int(a) == 1 for a, b in zip(cells, cells[1:]))


def is_numeric(cell: str) -> bool:
    """Whether a cell reads as a number, an amount, a percentage or a date in figures."""
    return NUMERIC.fullmatch(cell) is not None


def _why(first: Row, rows: Sequence[Row]) -> str:
    numbers = [cell for cell in first if is_numeric(cell)]
    if numbers:
        return f"line 1 holds {listed(numbers, 3)}"
    again = [
        cell
        for j, cell in enumerate(first)
        if any(j < len(row) and row[j].strip() == cell for row in rows[1:])
    ]
    return f"{quoted(again, 3)} of line 1 occur again below"


def usable_names(name: str, header: Row) -> list[str]:
    """Column names as given, blanks around them taken off; empty ones and repeated ones renamed, which is stated.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as said:
    ...     usable_names("t.csv", ["a", "", "a "])
    ['a', 'column_2', 'a_2']
    """
    given = [" ".join(cell.replace("\ufeff", "").split()) for cell in header]
    taken, used = set(given), set[str]()
    names, empty, twice = [], [], []
    for j, cell in enumerate(given):
        wanted = cell or f"column_{j + 1}"
        if wanted in used or (not cell and wanted in taken):
            wanted = _numbered(wanted, used | taken)
        if not cell:
            empty.append(wanted)
        elif wanted != cell:
            twice.append(f"{cell!r} -> {wanted!r}")
        used.add(wanted)
        names.append(wanted)
    if empty:
        state(
            f"{name}: {len(empty)} of {len(given)} columns have no name in the header and are called {listed(empty)}."
        )
    if twice:
        state(f"{name}: the header names columns twice; renamed {listed(twice)}.")
    return names


def _numbered(stem: str, used: set[str]) -> str:
    n = 2
    while f"{stem}_{n}" in used:
        n += 1
    return f"{stem}_{n}"
