"""Property: a frame written as text in any dialect reads back as it was."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
import warnings
from contextlib import suppress

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tripos.data.read import read_table
from tripos.errors import TableError, TableWarning

DELIMITERS = (",", "\t", ";", "|")
# Letters only at both ends: what is stripped, or a mark, or a number, is told otherwise on purpose and tested elsewhere.
INSIDE = st.text(st.sampled_from("abcxyzäß€,;|\"' "), max_size=8)
words = st.builds(
    lambda a, inside, b: f"w{a}{inside}{b}", st.sampled_from("abc"), INSIDE, st.sampled_from("xyz")
)
whole = st.integers(-(2**53), 2**53)
fractions = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda x: x != math.floor(x))


@st.composite
def tables(draw):
    """Between one and five columns of words, whole numbers, fractions or booleans, some cells missing."""
    n_rows = draw(st.integers(6, 25))
    columns = {}
    for j, kind in enumerate(
        draw(st.lists(st.sampled_from(["words", "whole", "fractions"]), min_size=2, max_size=5))
    ):
        values = {"words": words, "whole": whole, "fractions": fractions}[kind]
        cells = draw(
            st.lists(st.one_of(values, values, values, st.none()), min_size=n_rows - 1, max_size=n_rows - 1)
        )
        columns[f"column {kind} {j}"] = [*cells, draw(values)]
    columns["last"] = draw(st.lists(whole, min_size=n_rows, max_size=n_rows))  # no row is empty
    return columns


def as_text(columns, delimiter: str, quote_all: bool, line_end: str) -> str:
    memory = io.StringIO()
    writer = csv.writer(
        memory,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerow(columns)
    writer.writerows(
        ["" if cell is None else repr(cell) if isinstance(cell, float) else cell for cell in row]
        for row in zip(*columns.values())
    )
    return memory.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    columns=tables(),
    delimiter=st.sampled_from(DELIMITERS),
    quote_all=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    pack=st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]),
)
def test_a_table_written_in_any_dialect_reads_back_the_same(
    columns, delimiter, quote_all, line_end, encoding, pack
):
    data = pack(as_text(columns, delimiter, quote_all, line_end).encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        table = read_table(data)
    assert table.columns == list(columns)
    for name, cells in columns.items():
        assert table[name].to_list() == cells, name


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_table_or_a_table_error(data):
    with warnings.catch_warnings(), suppress(TableError):
        warnings.simplefilter("ignore", TableWarning)
        assert isinstance(read_table(data), pl.DataFrame)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("ab1.,;\t \"'\n\r-?"), max_size=120))
def test_any_text_gives_a_table_or_a_table_error(text):
    with warnings.catch_warnings(), suppress(TableError):
        warnings.simplefilter("ignore", TableWarning)
        assert read_table(text.encode()).width >= 1
