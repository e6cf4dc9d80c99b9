"""What a run says reads the same in a terminal and in a log, whatever its columns are called."""

from __future__ import annotations

import io

from tripos.workflow.leaderboard import Leaderboard, Standing
from tripos.workflow.progress import Display, Lines, Live, display_for, printable

HOSTILE = "[bold red]x[/] \x1b[2J\x07 <b>"


def board() -> Leaderboard:
    return Leaderboard(
        True, [Standing("Ridge", "Ridge", {"alpha": 0.5}, 100, folds=[0.8, 0.9], fit_seconds=0.1)]
    )


def told(display_class) -> str:
    stream = io.StringIO()
    display = display_class(stream)
    with display:
        display.stage("Experience")
        display.warn(HOSTILE)
        display.searching(3, 60.0)
        display.trying("Ridge")
        display.tried(board().winner, board(), 1)
        display.searched(board(), "accuracy")
        display.curve_point(50, 0.8, 0.01, 0.5)
        display.result(["done"])
    return stream.getvalue()


def test_a_log_has_plain_lines_without_control_codes():
    text = told(Lines)
    assert "\x1b" not in text
    assert "Ridge [alpha=0.5]" in text
    assert "0.8500 ± 0.0500" in text


def test_a_terminal_shows_the_leaderboard_and_takes_the_bar_away_at_the_end():
    text = told(Live)
    assert "0.8500 ± 0.0500" in text
    assert "\x1b[?25h" in text  # the cursor is back


def test_a_column_name_is_neither_markup_nor_a_command_to_the_terminal():
    for display_class in (Lines, Live):
        text = told(display_class)
        assert "[bold red]x[/]" in text
        assert "\x1b[2J\x07" not in text
    assert (
        printable("a\x1b\x07b\tc")
        == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    )


def test_a_display_is_chosen_by_where_the_words_go():
    assert type(display_for(None, io.StringIO())) is Lines
    assert type(display_for(False, io.StringIO())) is Display


def test_curve_bars_grow_with_the_score():
    stream = io.StringIO()
    display = Lines(stream)
    for rows, way in [(50, 0.2), (500, 0.5), (5000, 0.9)]:
        display.curve_point(rows, way, 0.0, way)
    lengths = [line.count("█") for line in stream.getvalue().splitlines()]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 3
