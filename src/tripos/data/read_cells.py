"""What the cells of a string column are: missing marks, numbers in disguise, truth values, or words.

Every decision is made from the whole column and stated. A usual mark such as "NA" or "?" is missing when it is the
whole cell; "None" or "-" only where all other cells are figures, because in a column of words it is a level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl
import polars.selectors as cs

from tripos.data.messages import SHOWN, counted, listed, quoted, state
from tripos.data.read_numbers import amounts, looks_numeric, mean_of, plain_numbers

MARKS = (
    "?", "NA", "N/A", "n/a", "N/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "NaT", "null", "NULL", "Null", "(null)",
    "<null>", "\\N", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?",
)  # fmt: skip
MARKS_AMONG_FIGURES = (
    "None", "none", "NONE", "-", "--", "---", ".", "..", "*", "na", "n.a.", "N.A.", "nil", "missing", "Missing", "MISSING",
    "unknown", "Unknown", "UNKNOWN", "<none>",
)  # fmt: skip
BLANKS = (" ", "\t", "\n", "\r", "\u00a0")
PROBE = 200  # cells looked at before a whole column is converted
MOSTLY_NUMBERS = 0.9
FEW_WORDS = 2  # different words that may stand for "missing" in a column of numbers
FEW_CELLS = 0.005  # odd cells that are rather slips than part of a code when they hold figures
RUNNING_TEXT = 3  # blanks in a cell, on average
COUNTRY_CODES = 10  # different two-letter codes beside which "NA" is Namibia

Places = Callable[[Sequence[int]], str]


@dataclass
class Notes:
    """What was decided, gathered over the columns so that each kind of repair is stated once."""

    marks: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    others: list[str] = field(default_factory=list)

    def state(self, name: str) -> None:
        for mark, columns in self.marks.items():
            where = listed((f"{column} ({count:,})" for column, count in columns.items()), 8)
            state(
                f'{name}: "{mark}" is read as missing in {where}; pass nulls= to choose the marks yourself.'
            )
        for other in self.others:
            state(f"{name}: {other}")


def clean_cells(
    frame: pl.DataFrame, name: str, nulls: Sequence[str] | None = None, places: Places | None = None
) -> pl.DataFrame:
    """Strip blanks, turn missing marks into null, and columns of written-out numbers into numbers.

    Parameters
    ----------
    frame : pl.DataFrame
    name : str
        What messages call the table.
    nulls : sequence of str, optional
        The marks that mean "missing", instead of the usual ones.
    places : callable, optional
        Row numbers (from 0) -> where they stand, for messages.

    Returns
    -------
    pl.DataFrame
        The same columns; NaN is null, words are `String`.
    """
    notes = Notes()
    where = places or (lambda rows: listed(f"row {row + 1:,}" for row in rows))
    columns = [_clean(column, nulls, notes, where) for column in _stripped(frame).iter_columns()]
    notes.state(name)
    return pl.DataFrame(columns) if columns else frame


def _clean(column: pl.Series, nulls: Sequence[str] | None, notes: Notes, places: Places) -> pl.Series:
    if column.dtype == pl.String:
        return _clean_words(column, nulls, notes, places)
    if column.dtype.is_numeric() and nulls:
        values = [number for number in map(_number, nulls) if number is not None]
        column = (
            column.set(column.cast(pl.Float64).is_in(values).fill_null(False), None) if values else column
        )
    if column.dtype.is_float() and column.is_nan().any():
        return column.fill_nan(None)
    return column


def _clean_words(column: pl.Series, nulls: Sequence[str] | None, notes: Notes, places: Places) -> pl.Series:
    words = _without_empty(column)
    marks = _marks(words) if nulls is None else nulls
    words = _without(words, marks, notes if nulls is None else None)
    among_figures = MARKS_AMONG_FIGURES if nulls is None else ()
    probe = _without(_probe(words), among_figures, None).drop_nulls()
    if len(probe) and not looks_numeric(probe):
        return _truth(words, probe)
    marked = _without(words, among_figures, None)
    if marked.null_count() == len(marked):
        return words
    numbers, note = plain_numbers(marked), None
    if numbers is None:
        numbers, note = amounts(marked)
    if numbers is None:
        return _mixed(words, marked, nulls, notes, places)
    if marked.null_count() > words.null_count():
        _without(words, MARKS_AMONG_FIGURES, notes)
    if note:
        notes.others.append(f"{column.name!r} {note}")
    return numbers


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Strings without blanks around them; looking first is far cheaper than copying long texts that have none."""
    strings = frame.select(cs.string())
    if strings.width == 0:
        return frame
    ends = [cs.string().str.starts_with(blank) | cs.string().str.ends_with(blank) for blank in BLANKS]
    found = [strings.select(end.any()).row(0) for end in ends]
    blank = [name for name, *with_blank in zip(strings.columns, *found) if any(with_blank)]
    return frame.with_columns(pl.col(blank).str.strip_chars()) if blank else frame


def _without_empty(words: pl.Series) -> pl.Series:
    """Cells without a letter are missing."""
    empty = (words == "").fill_null(False)
    return words.set(empty, None) if empty.any() else words


def _probe(words: pl.Series) -> pl.Series:
    """Cells spread over the column."""
    present = words.drop_nulls()
    return present.gather_every(max(len(present) // PROBE, 1))


def _marks(words: pl.Series) -> Sequence[str]:
    """The marks that mean missing in this column: none in running text, where a lone "?" is one more message, and
    not "NA" among two-letter codes, where it is Namibia."""
    probe = _probe(words)
    if mean_of(probe.str.count_matches(r"\s+")) >= RUNNING_TEXT:
        return []
    codes = words.unique().drop_nulls() if probe.str.len_bytes().max() == 2 else probe.clear()
    if len(codes) > COUNTRY_CODES and codes.str.contains("^[A-Z]{2}$").all():
        return [mark for mark in MARKS if mark != "NA"]
    return MARKS


def _without(words: pl.Series, marks: Sequence[str], notes: Notes | None) -> pl.Series:
    """The words with marks as null; how many of which mark goes to the notes."""
    if not marks:
        return words
    found = words.is_in(list(marks)).fill_null(False)
    if not found.any():
        return words
    if notes is not None:
        for mark, count in words.filter(found).value_counts(sort=True).iter_rows():
            notes.marks[mark][words.name] = count
    return words.set(found, None)


def _truth(words: pl.Series, probe: pl.Series) -> pl.Series:
    """`true`/`false` in any case as booleans; other words stay."""
    if not probe.str.to_lowercase().is_in(["true", "false"]).all():
        return words
    lower = words.str.to_lowercase()
    return lower == "true" if lower.drop_nulls().is_in(["true", "false"]).all() else words


def _mixed(
    words: pl.Series, marked: pl.Series, nulls: Sequence[str] | None, notes: Notes, places: Places
) -> pl.Series:
    """A column of numbers with a few words in it: the words stand for "missing" if it is always the same one or two
    without figures, else the column stays text; either way the places are named."""
    numbers = marked.cast(pl.Float64, strict=False)
    odd = marked.is_not_null() & numbers.is_null()
    n_odd, n_numbers = int(odd.sum()), len(numbers) - numbers.null_count()
    if n_odd == 0 or n_numbers < MOSTLY_NUMBERS * (n_odd + n_numbers):  # codes with leading zeros, or words
        return words
    rows = odd.arg_true().head(SHOWN).to_list()
    cells = marked.filter(odd).unique(maintain_order=True)
    alike = (
        len(cells) <= FEW_WORDS
        and not cells.str.contains(r"\d").any()
        and (n_odd > len(cells) or len(numbers) > 100)
    )
    which = f"{quoted(cells)} ({places(rows)}{', ...' if n_odd > len(rows) else ''})"
    kept = plain_numbers(marked.set(odd, None)) if alike and nulls is None else None
    if kept is not None:
        notes.others.append(
            f"{words.name!r} holds numbers but for {which}, read as missing; pass nulls=[] to keep it as text."
        )
        return kept
    if (
        mean_of(cells.str.contains(r"\d")) > 0.5 and n_odd > FEW_CELLS * n_numbers
    ):  # codes such as 84997A among 22728
        return words
    notes.others.append(
        f"{words.name!r} is kept as text because {counted(n_odd, 'cell')} of {n_odd + n_numbers:,} are no numbers: {which}; "
        f"correct them, or pass nulls=[{quoted(cells, 3)}] to read them as missing."
    )
    return words


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
