"""What a run tells while it works: live in a terminal, plain lines in a log file, nothing when asked.

Texts come from tables, whose columns may be called anything: they are never read as markup.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from tripos.compute.budget import readable_bytes
from tripos.errors import TriposWarning
from tripos.workflow.leaderboard import Leaderboard, Standing
from tripos.workflow.store import RunSummary
from tripos.workflow.wording import number, readable_seconds, shown

_BAR = "▏▎▍▌▋▊▉█"


class Display:
    """Says nothing; what the others extend.

    The calls come in the order of the run: stages, facts and warnings, `searching`, `tried` after each
    evaluation, `searched`, `curve_point` for each amount of experience, `result`.
    """

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stage(self, title: str) -> None: ...

    def fact(self, label: str, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def searching(self, steps: int, seconds: float | None) -> None: ...

    def trying(self, name: str) -> None: ...

    def tried(self, standing: Standing, board: Leaderboard, done: int, resumed: bool = False) -> None: ...

    def searched(self, board: Leaderboard, metric: str) -> None: ...

    def curve_point(self, rows: int, score: float, error: float, way: float) -> None: ...

    def result(self, lines: Iterable[str]) -> None: ...

    def stop(self) -> None: ...


class Lines(Display):
    """One line for each thing that happens: what a log file, a pipe or a notebook shows."""

    def __init__(
        self, stream: IO[str] | None = None, width: int | None = None, colour: bool | None = None
    ) -> None:
        from rich.console import Console

        stream = sys.stdout if stream is None else stream
        terminal = stream.isatty() if colour is None else colour
        self.console = Console(
            file=stream, width=width or (None if terminal else 120), force_terminal=terminal, highlight=False
        )

    def _print(self, text: str, style: str | None = None) -> None:
        from rich.text import Text

        self.console.print(Text(printable(text), style=style or ""), soft_wrap=True)

    def stage(self, title: str) -> None:
        self._print(f"\n{title}", "bold")

    def fact(self, label: str, text: str) -> None:
        self._print(f"  {label:<16} {text}")

    def warn(self, text: str) -> None:
        self._print(f"  ! {text}", "yellow")

    def tried(self, standing: Standing, board: Leaderboard, done: int, resumed: bool = False) -> None:
        self._print(f"  {describe(standing)}" + ("  (from the journal)" if resumed else ""))

    def searched(self, board: Leaderboard, metric: str) -> None:
        self.console.print(leaderboard_table(board, metric))

    def curve_point(self, rows: int, score: float, error: float, way: float) -> None:
        spread = "" if math.isnan(error) else f" ± {figures(error)}"
        self._print(f"  E = {rows:>9,}   P = {figures(score):>8}{spread:<11} {bar(way)}")

    def result(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(line)


class Live(Lines):
    """A terminal: while candidates are tried, the leaderboard so far stands above a bar of the time."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        super().__init__(stream, colour=True)
        self._live: Any = None
        self._bar: Any = None
        self._board: Leaderboard | None = None
        self._steps, self._done = 0, 0

    def searching(self, steps: int, seconds: float | None) -> None:
        from rich.live import Live as RichLive
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )
        limit = "" if seconds is None else f", at most {seconds:.0f} s"
        self._note = f"trying{limit}"
        self._task = self._bar.add_task(self._note, total=steps)
        self._live = RichLive(
            console=self.console, refresh_per_second=8, get_renderable=self._view, transient=True
        )
        self._live.start()

    def _view(self) -> Any:
        from rich.console import Group

        parts = [leaderboard_table(self._board, "")] if self._board is not None and len(self._board) else []
        return Group(*parts, self._bar)

    def trying(self, name: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=printable(name)[:44])

    def tried(self, standing: Standing, board: Leaderboard, done: int, resumed: bool = False) -> None:
        self._board = board
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def searched(self, board: Leaderboard, metric: str) -> None:
        self.stop()
        super().searched(board, metric)

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class Notes:
    """What the stages warn of, each thing once, shown as it comes."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            self._display.warn(text)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            self._display.fact("note", text)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turns the library's own warnings into what the run says; others pass."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TriposWarning)
            yield
        for warning in caught:
            if issubclass(warning.category, TriposWarning):
                self.note(str(warning.message))
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def display_for(verbose: bool | None = None, stream: IO[str] | None = None) -> Display:
    """The display for where the words go: `None` decides by whether it is a terminal."""
    if verbose is False:
        return Display()
    stream = sys.stdout if stream is None else stream
    return Live(stream) if stream.isatty() else Lines(stream)


def runs_table(runs: Iterable[RunSummary]) -> Any:
    """The runs as rich draws them."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("run", "began", "state", "target", "winner", "test score"):
        table.add_column(title, no_wrap=title != "run", overflow="fold")
    for run in runs:
        score = (
            "" if run.score is None or run.metric is None else f"{run.metric} {shown(run.metric, run.score)}"
        )
        cells = (str(run.path), run.created, run.status, run.target, run.winner or "", score)
        table.add_row(
            *(Text(printable(cell), style="" if run.status == "complete" else "yellow") for cell in cells)
        )
    return table


def describe(standing: Standing) -> str:
    """One evaluation in one line."""
    settings = ", ".join(
        f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in standing.params.items()
    )
    name = standing.candidate + (f" [{settings}]" if settings else "")
    if standing.failure:
        return f"{name:<48} failed: {standing.failure}"
    seconds = f"{standing.fit_seconds:.2g} s a fit"
    return f"{name:<48} {figures(standing.score)} ± {figures(standing.error)}   {seconds}, {standing.rows:,} rows"


def leaderboard_table(board: Leaderboard, metric: str) -> Any:
    """The leaderboard as rich draws it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  candidate")
    for title in (metric or "score", "fit", "1,000 rows", "size"):
        table.add_column(title, justify="right")
    table.add_column("to read")
    for place, s in enumerate(board):
        style = "bold green" if place == 0 and not s.failure else "dim" if s.baseline or s.failure else ""
        cells = [
            f"{figures(s.score)} ± {figures(s.error)}",
            readable_seconds(s.fit_seconds),
            readable_seconds(s.predict_seconds),
            readable_bytes(s.size),
            s.interpretability,
        ]
        if s.failure:
            cells = ["failed", "", "", "", printable(s.failure)[:60]]
        table.add_row(*(Text(cell, style=style) for cell in (f"  {s.candidate}", *cells)))
    return table


def bar(share: float, width: int = 32) -> str:
    """A bar of eighths of a character; nothing for nothing and for less than nothing.

    Examples
    --------
    >>> bar(0.5, width=4)
    '██'
    """
    if math.isnan(share):
        return ""
    full, rest = divmod(round(8 * width * min(max(share, 0.0), 1.0)), 8)
    return "█" * full + (_BAR[rest - 1] if rest else "")


def figures(value: float) -> str:
    """A score in the room a column has: four places, or four digits of a large one.

    Examples
    --------
    >>> figures(0.98123), figures(48123.4)
    ('0.9812', '48,120')
    """
    return f"{value:.4f}" if abs(value) < 10 else number(value)


def printable(text: str) -> str:
    """The text without control characters: a column's name must not steer a terminal.

    Examples
    --------
    >>> printable("red\\x1b[31m")
    'red�[31m'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
