"""Dates and times as people write them: found by their shape, parsed by polars, day and month told apart by evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

MONTHS = r"[A-Za-z]{3,9}\.?"
# shape of the date part -> formats to try; two formats are told apart by what parses and what keeps the rows in order
DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y", "%m.%d.%y")),
    (rf"\d{{1,2}}-{MONTHS}-\d{{4}}", ("%d-%B-%Y",)),
    (rf"\d{{1,2}}-{MONTHS}-\d{{2}}", ("%d-%B-%y",)),
    (rf"\d{{1,2}} {MONTHS} \d{{4}}", ("%d %B %Y",)),
    (rf"{MONTHS} \d{{1,2}}, \d{{4}}", ("%B %d, %Y",)),
    (rf"{MONTHS} \d{{1,2}} \d{{4}}", ("%B %d %Y",)),
    (r"[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{4}", ("%a, %d %b %Y",)),
    (r"(?:19|20)\d{2}(?:0\d|1[0-2])(?:[0-2]\d|3[01])", ("%Y%m%d",)),
    (r"(?:1[6-9]|20)\d{2}-(?:0\d|1[0-2])", ("%Y-%m",)),
    (r"(?:1[6-9]|20)\d{2}/(?:0\d|1[0-2])", ("%Y/%m",)),
    (rf"{MONTHS}[ ]\d{{4}}", ("%B %Y",)),
    (rf"{MONTHS}-\d{{4}}", ("%B-%Y",)),
    (r"\d{4}[ -]?Q[1-4]", ("quarter",)),
)
TIMES: tuple[tuple[str, str], ...] = (
    (r"", ""),
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"\d{1,2}:\d{2}:\d{2}\.\d+", "%H:%M:%S%.f"),
    (r"\d{1,2}:\d{2} ?[AaPp][Mm]", "%I:%M %p"),
    (r"\d{1,2}:\d{2}:\d{2} ?[AaPp][Mm]", "%I:%M:%S %p"),
    (r"\d{6}", "%H%M%S"),
    (r"\d{4}", "%H%M"),
)
ZONES: tuple[tuple[str, str], ...] = (
    (r"", ""),
    (r"(?: ?)(?:Z|UTC|GMT)", "Z"),
    (r"(?: ?)[+-]\d{2}:?\d{2}", "%z"),
)
HOURS = "hours"  # the format of times of day
EPOCH = {"epoch s": "ms", "epoch ms": "ms"}
PROBE = 50
ROUGH = r"\d"


@dataclass(frozen=True)
class DateFormat:
    """How a column writes dates.

    Attributes
    ----------
    text : format in strftime's letters, or "quarter", "hours", "epoch s", "epoch ms"
    evidence : why this format where another would parse as well
    """

    text: str
    evidence: str = ""


def find_format(words: pl.Series) -> DateFormat | None:
    """The format in which every cell of a string column is a date or a time of day; None if there is none."""
    present = words.drop_nulls()
    probe = present.gather_every(max(len(present) // PROBE, 1)).to_list()
    if not probe or not all(any(letter.isdigit() for letter in cell) and len(cell) < 40 for cell in probe):
        return None
    if _all_match(probe, r"\d{1,2}:\d{2}(:\d{2})?(\.\d+)?( ?[AaPp][Mm])?"):
        return DateFormat(HOURS) if parse(present, HOURS).null_count() == 0 else None
    for candidates in _candidates(probe):
        parsed = {text: parse(present, text) for text in candidates}
        fitting = [text for text, values in parsed.items() if values.null_count() == 0]
        if len(fitting) == 1:
            other = (
                ""
                if len(candidates) == 1
                else f", as other readings do not fit ({_example(present, parsed, fitting[0])!r})"
            )
            return DateFormat(fitting[0], other)
        if fitting:
            return _told_apart(fitting, parsed)
    return None


def _candidates(probe: list[str]) -> list[list[str]]:
    """Lists of formats whose shape all cells of the probe have."""
    found = []
    for shape, formats in DATES:
        if not re.match(shape, probe[0]):
            continue
        for separator in ("", " ", "T", ", "):
            for time, time_format in TIMES:
                for zone, zone_format in ZONES:
                    if bool(separator) != bool(time) or (zone and not time):
                        continue
                    if _all_match(probe, f"{shape}{separator}{time}{zone}"):
                        found.append([f"{text}{separator}{time_format}{zone_format}" for text in formats])
    return found


def _all_match(cells: list[str], pattern: str) -> bool:
    compiled = re.compile(pattern)
    return all(compiled.fullmatch(cell) for cell in cells)


def _example(present: pl.Series, parsed: dict[str, pl.Series], fitting: str) -> str:
    """A cell that only the fitting format reads."""
    failed = next(values for text, values in parsed.items() if text != fitting)
    return str(present[int(failed.is_null().arg_true()[0])])


def _told_apart(fitting: list[str], parsed: dict[str, pl.Series]) -> DateFormat:
    """Day or month first: rows mostly follow each other in time, so that the right reading jumps less."""
    jumps = {
        text: float(parsed[text].to_physical().cast(pl.Float64).diff().abs().sum() or 0.0) for text in fitting
    }
    ranked = sorted(fitting, key=lambda text: jumps[text])
    if jumps[ranked[0]] < 0.8 * jumps[ranked[1]]:
        return DateFormat(ranked[0], f", not {ranked[1]}, because the rows then follow each other in time")
    return DateFormat(fitting[0], f", though {fitting[1]} would fit as well")


def parse(words: pl.Series, text: str) -> pl.Series:
    """Cells as Date, Datetime (UTC, without zone) or, for times of day, as hours; null where a cell is not of the format."""
    if text in EPOCH:
        factor = 1000 if text == "epoch s" else 1
        return (words.cast(pl.Int64, strict=False) * factor).cast(pl.Datetime("ms")).dt.cast_time_unit("us")
    words = words.cast(pl.String)
    if text == HOURS:
        return _hours(words)
    if text == "quarter":
        parts = (
            words.str.extract_groups(r"^(\d{4})[ -]?Q([1-4])$").struct.unnest().cast(pl.Int32, strict=False)
        )
        return parts.select(pl.date(pl.nth(0), 3 * pl.nth(1) - 2, 1)).to_series().alias(words.name)
    if "%d" not in text:  # a month: its first day
        return (words + " 01").str.to_date(f"{text} %d", strict=False)
    if "%H" not in text and "%I" not in text:
        return words.str.to_date(text, strict=False)
    if text.endswith("%z"):
        moments = words.str.to_datetime(text, strict=False, time_unit="us", time_zone="UTC")
        return moments.dt.replace_time_zone(None)
    if text.endswith("Z"):
        words, text = words.str.replace(r" ?(?:Z|UTC|GMT)$", ""), text.removesuffix("Z")
    if "%p" in text:
        words = words.str.replace(r" ?([AaPp][Mm])$", " $1").str.to_uppercase()
    return words.str.to_datetime(text, strict=False, time_unit="us")


def _hours(words: pl.Series) -> pl.Series:
    """Times of day as hours since midnight."""
    parts = words.str.extract_groups(
        r"^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?: ?([AaPp])[Mm])?$"
    ).struct.unnest()
    parts.columns = ["hour", "minute", "second", "half"]
    numbers = parts.with_columns(pl.col("hour", "minute", "second").cast(pl.Float64, strict=False))
    half = pl.col("half").str.to_lowercase()
    hour = (
        pl.when(half == "p")
        .then(pl.col("hour") % 12 + 12)
        .when(half == "a")
        .then(pl.col("hour") % 12)
        .otherwise(pl.col("hour"))
    )
    hours = hour + pl.col("minute") / 60 + pl.col("second").fill_null(0.0) / 3600
    fits = (hours < 24.0001) & (pl.col("minute") < 60)
    return numbers.select(pl.when(fits).then(hours)).to_series().alias(words.name)
