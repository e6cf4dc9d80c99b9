"""Claims about cells: what counts as missing, which strings are numbers, what is stated about it."""

from __future__ import annotations

import warnings

import polars as pl
import pytest

from tripos.data.read import read_table
from tripos.data.read_cells import clean_cells
from tripos.data.read_numbers import amounts
from tripos.errors import TableWarning


def cleaned(cells, **options):
    """One column as `clean_cells` leaves it, and what was stated."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        frame = clean_cells(pl.DataFrame({"x": cells}), "t", **options)
    return frame["x"], " ".join(str(note.message) for note in notes if note.category is TableWarning)


@pytest.mark.parametrize("mark", ["", " ", "NA", "N/A", "?", "NaN", "null", "#N/A", "None", "-", "unknown"])
def test_a_mark_among_numbers_is_missing(mark):
    assert cleaned(["1", "2.5", mark, "4"])[0].to_list() == [1.0, 2.5, None, 4.0]


@pytest.mark.parametrize("mark", ["NA", "?", "null", "#N/A"])
def test_a_usual_mark_among_words_is_missing_and_stated(mark):
    values, notes = cleaned(["red", mark, "blue", mark])
    assert values.to_list() == ["red", None, "blue", None]
    assert f'"{mark}" is read as missing in x (2)' in notes


@pytest.mark.parametrize("level", ["None", "none", "-", "unknown", "NA of it", "a?"])
def test_a_word_that_could_be_a_level_stays_one_among_words(level):
    assert cleaned(["red", level, "blue"])[0].to_list() == ["red", level, "blue"]


def test_na_among_country_codes_is_namibia():
    codes = ["DE", "FR", "IT", "ES", "NA", "PT", "GR", "AT", "BE", "NL", "PL", "CZ"]
    assert cleaned(codes)[0].to_list() == codes


def test_running_text_keeps_a_lone_question_mark():
    messages = ["where are you now then", "?", "I will be late again", "see you at the station"]
    assert cleaned(messages)[0].to_list() == messages


def test_the_callers_marks_replace_the_usual_ones():
    assert cleaned(["red", "NA", "gone"], nulls=["gone"])[0].to_list() == ["red", "NA", None]
    assert cleaned([1, -200, 3], nulls=["-200"])[0].to_list() == [1, None, 3]
    assert cleaned(["1", "NA"], nulls=[])[0].to_list() == ["1", "NA"]


def test_blanks_around_cells_are_taken_off():
    assert cleaned([" Private", "Private ", "\tState"])[0].to_list() == ["Private", "Private", "State"]


def test_nan_is_missing():
    assert cleaned([1.0, float("nan")])[0].to_list() == [1.0, None]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,234", "5", "1,234,567.5"], [1234, 5, 1234567.5]),
        (["2,5", "0,25", "1.234,5"], [2.5, 0.25, 1234.5]),
        (["1 234", "12"], [1234, 12]),
        (["$1,200", "$3.50", "-$2"], [1200, 3.5, -2]),
        (["12 €", "3,50 €"], [12, 3.5]),
        (["(300)", "20"], [-300, 20]),
        (["12%", "7.5 %"], [12, 7.5]),
        (["0,123", "0,456"], [0.123, 0.456]),
        (["+5", "-.5", "1e3"], [5, -0.5, 1000]),
    ],
)
def test_numbers_as_people_write_them_are_numbers(cells, numbers):
    values, _ = cleaned(cells)
    assert values.to_list() == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["$5", "7 €"],
        ["5 kg", "7 lb"],
        ["1.2.3", "1.2"],
        ["12:30", "8:15"],
        ["1-2", "3-4"],
        ["555-1234", "555-9876"],
    ],
)
def test_cells_that_do_not_agree_are_no_amounts(cells):
    assert amounts(pl.Series(cells)) == (None, None)


def test_what_was_read_as_a_number_is_stated_with_how_it_was_written():
    assert "amounts in $ with thousands separators (1,234)" in cleaned(["$1,200", "$900"])[1]
    assert "percentages" in cleaned(["12%", "7%"])[1]


def test_codes_with_leading_zeros_stay_text():
    assert cleaned(["00501", "98101"])[0].to_list() == ["00501", "98101"]
    assert read_table(b"zip,n\n00501,1\n98101,2\n")["zip"].to_list() == ["00501", "98101"]


def test_figures_too_long_for_a_number_stay_text():
    long = ["12345678901234567890", "98765432109876543210"]
    assert cleaned(long)[0].to_list() == long


def test_one_word_among_many_numbers_is_missing_and_its_place_named():
    values, notes = cleaned([*map(str, range(200)), "error", "error"])
    assert values.null_count() == 2
    assert values.dtype == pl.Int64
    assert "'error' (row 201, row 202)" in notes


def test_a_slip_among_numbers_is_named_and_the_column_kept():
    values, notes = cleaned([*map(str, range(2000)), "1O5"])
    assert values.dtype == pl.String
    assert "1 cell of 2,001 are no numbers: '1O5' (row 2,001)" in notes


def test_codes_of_figures_and_letters_are_left_alone_in_silence():
    values, notes = cleaned([*map(str, range(900)), *(f"{i}A" for i in range(90))])
    assert values.dtype == pl.String
    assert notes == ""


def test_truth_words_are_booleans_in_any_case():
    assert cleaned(["TRUE", "false", "True", None])[0].to_list() == [True, False, True, None]
