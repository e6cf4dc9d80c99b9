"""How every figure looks: one palette, one style of axes, and the three papers a figure may lie on.

The palette holds five colours that keep a contrast of 3:1 (WCAG 2.2, 1.4.11) on white *and* on the dark
paper, and stay apart under protanopia, deuteranopia and tritanopia. A sixth hue that does both does not
exist, so later series repeat the colours with another dash. Everything that is not data (text, axes, grid) is
drawn in one ink. On the adaptive paper, the one of an SVG inside a page, the ink is a colour that no
figure uses, and `plotting.svg` replaces it by `currentColor`.

matplotlib is imported when the first figure is drawn, not before.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap

Names: TypeAlias = Sequence[object] | npt.NDArray[Any] | None

PALETTE = ("#1f78c8", "#e06a00", "#12a5a0", "#ae3880", "#7a52ff")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
POSITIVE, NEGATIVE = PALETTE[0], PALETTE[1]
MAX_BARS = 20  # of a bar chart; the rest are summed up or left out
MAX_TINT = 0.62  # opacity of the fullest cell: ink stays readable upon it on either paper


@dataclass(frozen=True)
class Theme:
    """A paper and the ink on it."""

    name: str
    ink: str
    paper: str
    detached: bool = False  # figures are kept out of pyplot's list of open figures


LIGHT = Theme("light", ink="#1d2126", paper="#ffffff")
DARK = Theme("dark", ink="#e4e7eb", paper="#14161a")
ADAPTIVE = Theme("adaptive", ink="#1c2a3b", paper="none", detached=True)
THEMES = {theme.name: theme for theme in (LIGHT, DARK, ADAPTIVE)}

_active: contextvars.ContextVar[Theme] = contextvars.ContextVar("tripos_plotting_theme", default=LIGHT)


@contextlib.contextmanager
def use(name: str) -> Iterator[Theme]:
    """Draw new figures on the `"light"`, `"dark"` or `"adaptive"` paper while the context lasts.

    Examples
    --------
    >>> from tripos.plotting import class_balance, use
    >>> with use("dark"):
    ...     ax = class_balance(["ham", "spam"], [4827, 747])
    """
    if name not in THEMES:
        raise ValueError(f"theme must be one of {sorted(THEMES)}, got {name!r}")
    token = _active.set(THEMES[name])
    try:
        yield THEMES[name]
    finally:
        _active.reset(token)


def axes(
    ax: Axes | None,
    *,
    size: tuple[float, float],
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    grid: str | None = "both",
) -> Axes:
    """The given axes, or the only axes of a new figure of `size` inches, in the house style."""
    if ax is None:
        ax = _new_figure(size)
    ink = ink_of(ax)
    ax.set_prop_cycle(color=PALETTE)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)
        spine.set_alpha(0.55)
    ax.tick_params(which="both", colors=ink, labelcolor=ink, labelsize=9, length=3)
    ax.set_xlabel(xlabel, color=ink, fontsize=10)
    ax.set_ylabel(ylabel, color=ink, fontsize=10)
    if title:
        ax.set_title(title, color=ink, fontsize=11, loc="left")
    if grid is not None:
        ax.grid(True, axis=grid, color=ink, alpha=0.12, linewidth=0.7)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    return ax


def _new_figure(size: tuple[float, float]) -> Axes:
    theme = _active.get()
    if theme.detached:
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
    else:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=size, layout="constrained")
    figure.set_facecolor(theme.paper)
    ax: Axes = figure.add_subplot()
    ax.set_facecolor(theme.paper)
    return ax


def second_panel(ax: Axes, *, columns: int = 1, rows: int = 1, **shares: Any) -> Axes:
    """Another panel beside or below the only one of a figure."""
    grid = ax.figure.add_gridspec(rows, columns, **shares)
    ax.set_subplotspec(grid[0])
    second: Axes = ax.figure.add_subplot(grid[1], facecolor=ax.get_facecolor())
    return second


def ink_of(ax: Axes) -> str:
    """The ink that reads on these axes: theirs may lie on a dark figure that the caller made."""
    from matplotlib.colors import to_rgba

    for patch in (ax.patch, getattr(ax.figure, "patch", None)):
        if patch is None:
            continue
        red, green, blue, alpha = to_rgba(patch.get_facecolor())
        if alpha > 0:
            return DARK.ink if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.4 else LIGHT.ink
    return _active.get().ink


def colour(index: int) -> str:
    """The colour of the index-th series."""
    return PALETTE[index % len(PALETTE)]


def dash(index: int) -> Any:
    """The dash of the index-th series: solid until the colours repeat."""
    return DASHES[index // len(PALETTE) % len(DASHES)]


def ramp(hue: str) -> Colormap:
    """From nothing to `hue`: opacity carries the value, so that it reads on any paper."""
    from matplotlib.colors import ListedColormap, to_rgb

    steps = np.empty((256, 4))
    steps[:, :3] = to_rgb(hue)
    steps[:, 3] = np.linspace(0.0, 0.95, 256)
    return ListedColormap(steps)


def reference(ax: Axes, x: Sequence[float], y: Sequence[float], label: str | None = None) -> None:
    """A thin dashed line of ink for what the data are compared with."""
    ax.plot(x, y, color=ink_of(ax), alpha=0.55, linewidth=1.0, linestyle=(0, (4, 3)), label=label, zorder=1.5)


def legend(ax: Axes, **where: Any) -> None:
    """A frameless legend in ink, if any series has a label."""
    handles, labels = ax.get_legend_handles_labels()
    if labels:
        ax.legend(handles, labels, frameon=False, fontsize=9, labelcolor=ink_of(ax), **where)


def count_axis(axis: Axis) -> None:
    """Ticks that count rows: 20,000 rather than 20000, and none between two rows."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def horizontal_bars(
    ax: Axes,
    values: npt.NDArray[Any],
    names: Sequence[str],
    colours: Sequence[str],
    *,
    errors: npt.NDArray[Any] | None = None,
    notes: Sequence[str] | None = None,
) -> None:
    """One bar per name from the top down, with optional whiskers and a note at the end of each bar."""
    rows = np.arange(len(values))
    ax.barh(rows, values, height=0.72, color=list(colours), xerr=errors, error_kw=_whisker(ax))
    ax.set_yticks(rows, [shorten(name) for name in names])
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if notes is None:
        return
    for row, (value, note) in enumerate(zip(values, notes)):
        ax.annotate(
            note,
            (value, row),
            xytext=(4 if value >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if value >= 0 else "right",
            va="center",
            fontsize=8,
            color=ink_of(ax),
        )
    ax.margins(x=0.16)


def _whisker(ax: Axes) -> dict[str, Any]:
    return {"ecolor": ink_of(ax), "elinewidth": 1.0, "capsize": 2.0, "alpha": 0.8}


def shorten(name: object, length: int = 28) -> str:
    """At most `length` characters of a name, the middle left out: both ends tell columns apart."""
    text = str(name).replace("$", r"\$")  # matplotlib would read $...$ as a formula
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[: length - 1 - head]}…{text[-head:]}"


def shorten_all(names: Names, n: int, argument: str, length: int = 20) -> list[str]:
    """n short names (indices when none are given), or an error that says which argument has the wrong length."""
    if names is None:
        return [str(i) for i in range(n)]
    if len(names) != n:
        raise ValueError(f"{argument} has {len(names)} entries, expected {n}")
    return [shorten(name, length) for name in names]
