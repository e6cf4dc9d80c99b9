"""How a text table is written: delimiter, quotes, header, decimal comma, told from its first rows.

Each candidate delimiter cuts the first lines into rows with the stdlib's `csv`; the one under which (nearly) all
rows have the same number of cells, more than one, is the delimiter.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

STRONG = (
    "\t",
    "|",
    ";",
    ",",
    "\x01",
    "\x1f",
    "^",
    "~",
    "::",
)  # seldom anything but delimiters; the first wins a tie
WEAK = (" ", ":")  # common inside cells: believed only when every row agrees
WHITESPACE = "whitespace"  # columns set apart by any run of blanks
NO_DELIMITER = "\n"  # one column: every line is a cell
SAMPLE_LINES = 500
SAMPLE_ROWS = 1000
AGREE = 0.8  # share of rows with the same number of cells from which a delimiter is believed
PRESENT = 0.6  # share of lines that hold a delimiter which is chosen although rows differ in length

Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """The way a table's cells are written.

    Attributes
    ----------
    delimiter : one character, several ("::"), `WHITESPACE` or `NO_DELIMITER`
    quote : the character around cells that hold a delimiter, or None
    width : cells in most rows
    """

    delimiter: str
    quote: str | None
    width: int = 1

    @property
    def plain(self) -> bool:
        """Whether polars reads this as it is: it takes delimiters of one byte."""
        return len(self.delimiter.encode()) == 1

    @property
    def separator(self) -> str:
        """The delimiter for polars; for a single column one that no text holds."""
        return "\x1f" if self.delimiter == NO_DELIMITER else self.delimiter

    def rows(self, lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
        """Cut lines into rows, each with the number of the line it ends on (from 1)."""
        if self.delimiter == WHITESPACE:
            yield from ((i, line.split()) for i, line in enumerate(lines, 1))
            return
        if len(self.delimiter) > 1:  # csv takes single characters; U+001F stands for the long delimiter
            lines = (line.replace(self.delimiter, "\x1f") for line in lines)
        one = "\x1f" if len(self.delimiter) > 1 or self.delimiter == NO_DELIMITER else self.delimiter
        reader = (
            csv.reader(lines, delimiter=one, quoting=csv.QUOTE_NONE)
            if self.quote is None
            else csv.reader(lines, delimiter=one, quotechar=self.quote, skipinitialspace=one != " ")
        )
        previous = csv.field_size_limit(1 << 30)
        try:
            for row in reader:
                yield reader.line_num, row
        finally:
            csv.field_size_limit(previous)


def sniff(
    text: str, *, cut: bool, delimiter: str | None = None, quote: str | None = '"'
) -> tuple[Dialect, list[Row]]:
    """The dialect of a text and its first rows.

    Parameters
    ----------
    text : str
        The beginning of the table.
    cut : bool
        Whether the text goes on beyond this, so that its last line may be incomplete.
    delimiter : str, optional
        The user's delimiter; looked for when None.
    quote : str or None
        The user's quote character; None means that quotes are ordinary characters.
    """
    lines = text.splitlines(keepends=True)
    if cut and len(lines) > 1:
        lines = lines[:-1]
    lines = [line for line in lines if line.strip("\r\n")] if '"' not in text else lines
    candidates = [delimiter] if delimiter is not None else _present(lines[:SAMPLE_LINES])
    best = Dialect(delimiter or NO_DELIMITER, quote)
    best_score = -1.0
    for candidate in candidates:
        for mode in _quotes(text, quote):
            dialect = Dialect(candidate, mode)
            width, agree = _agreement(dialect, lines[:SAMPLE_LINES], cut)
            if delimiter is None and (
                width < 2 or agree < (1.0 if candidate in (*WEAK, WHITESPACE) else AGREE)
            ):
                continue
            score = agree - (candidate in (*WEAK, WHITESPACE))
            if score > best_score + 1e-9:
                best, best_score = Dialect(candidate, mode, width), score
    if best_score < 0 and delimiter is None:
        best = _without_agreement(lines[:SAMPLE_LINES], quote, cut)
    return best, _sample(best, lines, cut)


def _present(lines: Sequence[str]) -> list[str]:
    """Candidates that occur in at least a third of the lines (cells may span lines)."""
    found = [c for c in (*STRONG, *WEAK) if sum(c in line for line in lines) * 3 >= len(lines)]
    if any(re.search(r"\S[ \t]{2,}\S", line) for line in lines):
        found.append(WHITESPACE)
    return found


def _quotes(text: str, quote: str | None) -> tuple[str | None, ...]:
    """Ways of quoting to try, the likeliest first."""
    if quote is None:
        return (None,)
    if quote != '"':
        return (quote,)
    if (
        len(re.findall(r"(?:^|[,;|\t])\s?'[^'\n]*'(?=[,;|\t\r\n])", text, re.MULTILINE))
        > text.count("\n") / 2
    ):
        return ("'", '"')
    return ('"', None) if '"' in text else ('"',)


def _agreement(dialect: Dialect, lines: Sequence[str], cut: bool) -> tuple[int, float]:
    """The commonest number of cells in a row and the share of rows that have it."""
    try:
        widths = [len(row) for _, row in dialect.rows(lines) if row]
    except csv.Error:
        return 0, 0.0
    if (cut or len(lines) == SAMPLE_LINES) and len(widths) > 1:
        widths.pop()  # the sample may end inside a quoted cell
    if not widths:
        return 0, 0.0
    width, count = Counter(widths).most_common(1)[0]
    nameless = widths[0] == width - 1 > 0  # R gives the row names no name
    return width, count / (len(widths) - nameless)


def _without_agreement(lines: Sequence[str], quote: str | None, cut: bool) -> Dialect:
    """No delimiter gives rows of one length: a table of ragged rows if most lines hold one, else a single column."""
    shares = {c: sum(c in line for line in lines) / max(len(lines), 1) for c in ("\t", "|", ";", ",")}
    likeliest = max(shares, key=lambda c: shares[c])
    single = Dialect(NO_DELIMITER, quote)
    ragged = Dialect(likeliest, quote)
    width, agree = _agreement(ragged, lines, cut)
    if width == 1 and agree == 1.0:  # every delimiter stands inside quotes
        return Dialect(",", quote)
    if shares[likeliest] < PRESENT:
        return single
    return Dialect(likeliest, quote, width)


def _sample(dialect: Dialect, lines: Sequence[str], cut: bool) -> list[Row]:
    rows = []
    for _, row in dialect.rows(lines):
        if any(row):
            rows.append(row)
        if len(rows) > SAMPLE_ROWS:
            break
    else:
        if cut and len(rows) > 2:
            rows.pop()
    return rows


DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})*,\d+|[+-]?\d+,\d+")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+")
THREE_DIGITS = re.compile(r"[+-]?\d{1,3}(?:[.,]\d{3})+")


def has_decimal_comma(rows: Sequence[Row]) -> bool:
    """Whether numbers are written 1.234,5: some column is all decimal commas, and no cell has a decimal point.

    A column of 1,234 and 5,678 alone could be thousands and decides nothing.
    """
    clear = False
    for column in zip_longest(*rows, fillvalue=""):
        cells = [cell.strip() for cell in column if cell.strip()]
        if any(DECIMAL_POINT.fullmatch(cell) and not THREE_DIGITS.fullmatch(cell) for cell in cells):
            return False
        numbers = [cell for cell in cells if "," in cell]
        if numbers and all(DECIMAL_COMMA.fullmatch(cell) or cell.lstrip("+-").isdigit() for cell in cells):
            clear |= any(not THREE_DIGITS.fullmatch(cell) for cell in numbers)
    return clear


def padded_columns(rows: Sequence[Row]) -> list[int]:
    """Columns of codes such as 00501 that lose their leading zeros as numbers: figures only, all of one length.

    >>> padded_columns([["00501", "07"], ["98101", "123"]])
    [0]
    """
    found = []
    for j, column in enumerate(zip_longest(*rows, fillvalue="")):
        cells = {cell.strip() for cell in column} - {""}
        lengths = {len(cell) for cell in cells}
        if len(cells) > 1 and len(lengths) == 1 and all(cell.isdecimal() for cell in cells):
            if max(lengths) > 1 and any(cell.startswith("0") for cell in cells):
                found.append(j)
    return found
