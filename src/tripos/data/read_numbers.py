"""Numbers as people write them: 1,234.50 or 1.234,50, $5, 12 %, (300), in a column where every cell agrees."""

from __future__ import annotations

import re
from typing import Any, cast

import polars as pl

AFFIXES = "US$ R$ $ € £ ¥ ₹ ₽ USD EUR GBP CHF JPY INR Rs. Rs kr zł %".split()
AFFIX = "|".join(map(re.escape, AFFIXES))
SHAPE = rf"^\(?\s*([-+]?)\s*({AFFIX})?\s*([-+]?)\s*(\d[\d.,'\u00a0\u202f ]*|\.\d+)\s*({AFFIX})?\s*\)?$"
# (what the grouping is called, pattern of all cells, marks between thousands, decimal mark)
GROUPINGS = (
    ("thousands separators (1,234)", r"^(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?$|^\.\d+$", ",", "."),
    (
        "decimal commas (2,5)",
        r"^(?:\d{1,3}(?:[. '\u00a0\u202f]\d{3})+|\d+)(?:,\d+)?$",
        ". '\u00a0\u202f",
        ",",
    ),
    (
        "thousands separators (1 234)",
        r"^(?:\d{1,3}(?:[ '\u00a0\u202f]\d{3})+|\d+)(?:\.\d*)?$",
        " '\u00a0\u202f",
        ".",
    ),
)


def mean_of(values: pl.Series) -> float:
    """The mean of numbers or truth values; 0 of none."""
    return float(cast(Any, values.mean()) or 0.0)


def ends_of(values: pl.Series) -> tuple[float, float]:
    """The least and the greatest number."""
    return float(cast(Any, values.min())), float(cast(Any, values.max()))


def looks_numeric(probe: pl.Series) -> bool:
    """Whether most of some cells are numbers or amounts in form."""
    return mean_of(probe.cast(pl.Float64, strict=False).is_not_null() | probe.str.contains(SHAPE)) > 0.5


def plain_numbers(words: pl.Series) -> pl.Series | None:
    """The column as Int64 or Float64 if every cell is a number as programs write them; None otherwise.

    Codes with leading zeros ("00501", all of one length) and figures too long for 64 bits are no numbers.

    >>> plain_numbers(pl.Series(["1", "2.5", None])).to_list(), plain_numbers(pl.Series(["00501", "98101"]))
    ([1.0, 2.5, None], None)
    """
    whole = words.cast(pl.Int64, strict=False)
    if whole.null_count() == words.null_count():
        return None if _is_padded(words) else whole
    floats = words.cast(pl.Float64, strict=False)
    if floats.null_count() != words.null_count() or words.str.contains(r"^[+-]?\d{19,}$").any():
        return None
    return floats.fill_nan(None)


def _is_padded(words: pl.Series) -> bool:
    lengths = words.str.len_bytes()
    return bool(lengths.min() == lengths.max()) and words.str.contains(r"^0\d").any()


def amounts(words: pl.Series) -> tuple[pl.Series | None, str | None]:
    """The column as numbers if every cell is an amount written in the same way, and what that way is.

    >>> amounts(pl.Series(["$1,234.50", "($20)"]))[0].to_list()
    [1234.5, -20.0]
    >>> amounts(pl.Series(["12,5 %", "7 %"]))
    (shape: (2,)
    Series: '' [f64]
    [
        12.5
        7.0
    ], 'holds percentages with decimal commas (2,5), read as the number before the sign.')
    """
    present = words.drop_nulls()
    if not present.head(50).str.contains(SHAPE).all() or not present.str.contains(SHAPE).all():
        return None, None
    parts = words.str.extract_groups(SHAPE).struct.unnest()
    parts.columns = ["sign", "prefix", "inner_sign", "digits", "suffix"]
    affixes = {*parts["prefix"].unique(), *parts["suffix"].unique()} - {"", None}
    if len(affixes) > 1:
        return None, None
    digits = parts["digits"].str.strip_chars()
    fitting = next((rule for rule in GROUPINGS if digits.drop_nulls().str.contains(rule[1]).all()), None)
    if fitting is None:
        return None, None
    grouping, _, between, point = fitting
    plain = digits.str.replace_all(f"[{between}]", "").str.replace(point, ".", literal=True)
    values = plain.cast(pl.Float64, strict=False)
    if values.null_count() != words.null_count():
        return None, None
    negative = (parts["sign"] == "-") | (parts["inner_sign"] == "-") | words.str.starts_with("(")
    values = pl.select(pl.when(negative).then(-values).otherwise(values)).to_series().alias(words.name)
    grouped = bool((digits != plain).any())
    if not (grouped or affixes or words.str.starts_with("(").any()):  # figures alone, no plain numbers: codes
        return None, None
    return values, _note(next(iter(affixes), ""), grouping if grouped else "")


def _note(affix: str, grouping: str) -> str:
    if affix == "%":
        return (
            f"holds percentages{' with ' + grouping if grouping else ''}, read as the number before the sign."
        )
    what = f"holds amounts in {affix}" if affix else "holds numbers"
    return f"{what}{' with ' + grouping if grouping else ''}, read as numbers."
