"""Trees and what they answer: one tree as boxes, Shapley values of many rows, the way of one row to its score."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]


def tree_diagram(
    left: npt.ArrayLike,
    right: npt.ArrayLike,
    texts: Sequence[str],
    hues: npt.ArrayLike,
    tints: npt.ArrayLike,
    *,
    max_depth: int = 3,
    ax: Axes | None = None,
) -> Axes:
    """A tree from its root down: a box per node, "yes" to the left and "no" to the right.

    Parameters
    ----------
    left, right : array-like of int of shape (n_nodes,)
        Children, -1 at leaves; node 0 is the root.
    texts : sequence of length n_nodes
        What the boxes say.
    hues : array-like of int of shape (n_nodes,)
        Which colour of the palette (the class of a node).
    tints : array-like of shape (n_nodes,)
        How strong it is, from 0 to 1 (how pure a node is).
    max_depth : int, default=3
        Levels below the root that are drawn; what is further down becomes "...".
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = tree_diagram([1, -1, -1], [2, -1, -1], ["age <= 30", "no", "yes"], [0, 0, 1], [0.1, 1, 1])
    >>> [text.get_text() for text in ax.texts[2:]]
    ['age <= 30', 'no', 'yes']
    """
    from matplotlib.patches import FancyBboxPatch

    down, up = np.asarray(left, dtype=np.int64), np.asarray(right, dtype=np.int64)
    colours, strength = np.asarray(hues, dtype=np.int64), _points.column(tints, "tints")
    place, depth = _places(down, up, max_depth)
    width = max((x for x, _ in place.values()), default=0) + 1
    ax = theme.axes(ax, size=(max(1.75 * width, 4.0), 1.25 * (depth + 1)), grid=None, title=" ")
    ink = theme.ink_of(ax)
    for i, (x, y) in place.items():
        for child, says in ((down[i], "yes"), (up[i], "no")):
            if child < 0:
                continue
            cx, cy = place.get(int(child), (x + (-0.22 if says == "yes" else 0.22), y - 0.62))
            ax.plot([x, cx], [y, cy], color=ink, alpha=0.5, linewidth=1.0, zorder=1)
            ax.text(
                (x + cx) / 2, (y + cy) / 2, says if child in place else "...", color=ink, fontsize=7.5, alpha=0.9,
                ha="right" if says == "yes" else "left", va="center",
            )  # fmt: skip
        face = theme.colour(int(colours[i]))
        box = {"boxstyle": "round,pad=0,rounding_size=0.05", "mutation_aspect": 1.0}
        for colour, alpha, order in (
            (ax.get_facecolor(), 1.0, 1.5),
            (face, theme.MAX_TINT * strength[i], 2.0),
        ):
            if order == 2.0 or ax.get_facecolor()[3] > 0:
                ax.add_patch(
                    FancyBboxPatch(
                        (x - 0.46, y - 0.35), 0.88, 0.58, **box,  # type: ignore[arg-type]
                        facecolor=(*_rgb(colour), alpha), edgecolor=(*_rgb(ink), 0.55) if order == 2.0 else "none",
                        linewidth=0.9, zorder=order,
                    )
                )  # fmt: skip
        lines = [part for line in texts[i].split("\n") for part in _wrapped(line)]
        ax.text(x, y, "\n".join(lines), color=ink, fontsize=7, ha="center", va="center", zorder=3)
    ax.set_xlim(-0.6, width - 0.4)
    ax.set_ylim(-depth - (1.0 if len(place) < len(down) else 0.5), 0.5)
    ax.set_axis_off()
    return ax


def _wrapped(line: str, width: int = 25) -> list[str]:
    """A line as at most two that fit into a box."""
    parts = textwrap.wrap(line, width) or [""]
    return [theme.shorten(part, width) for part in [parts[0], " ".join(parts[1:])] if part]


def _rgb(colour: object) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)  # type: ignore[arg-type]


def _places(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], max_depth: int
) -> tuple[dict[int, tuple[float, float]], int]:
    """Where nodes stand: leaves side by side, a parent over the middle of its children; and the depth drawn."""
    place: dict[int, tuple[float, float]] = {}
    next_x, deepest = 0.0, 0
    stack = [(0, 0, False)]
    while stack:
        i, depth, done = stack.pop()
        deepest = max(deepest, depth)
        if left[i] < 0 or depth >= max_depth:
            place[i] = (next_x, -float(depth))
            next_x += 1.0
        elif done:
            place[i] = ((place[int(left[i])][0] + place[int(right[i])][0]) / 2, -float(depth))
        else:
            stack += [(i, depth, True), (int(right[i]), depth + 1, False), (int(left[i]), depth + 1, False)]
    return place, deepest


def contributions(
    values: npt.ArrayLike,
    cells: npt.ArrayLike,
    names: theme.Names = None,
    *,
    top: int = 20,
    xlabel: str = "contribution to the score (SHAP value)",
    ax: Axes | None = None,
) -> Axes:
    """What each column adds to the score of each row: a point a row, orange for low cells and blue for high ones.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_columns)
        Contributions, such as Shapley values.
    cells : array-like of shape (n_rows, n_columns)
        What the columns hold; NaN is drawn in ink.
    names : sequence of length n_columns, optional
    top : int, default=20
        How many columns are drawn, those with the largest mean size first.
    xlabel : str
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = contributions([[0.1, -1.0], [0.2, 1.0]], [[1, 2], [3, 4]], ["age", "income"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['income', 'age']
    """
    phi, held = np.asarray(values, dtype=np.float64), np.asarray(cells, dtype=np.float64)
    if phi.ndim != 2 or phi.shape != held.shape:
        raise ValueError(
            f"values and cells must have the same shape (n_rows, n_columns), got {phi.shape} and {held.shape}"
        )
    titles = theme.shorten_all(names, phi.shape[1], "names", 28)
    order = np.argsort(-np.abs(phi).mean(axis=0), kind="stable")[:top]
    rest = f"{len(order)} of {phi.shape[1]} columns" if phi.shape[1] > len(order) else ""
    drawn = _points.subset(len(phi), max(11, 220 // max(len(order), 1)))  # as many as keep the picture small
    phi, held = phi[drawn], held[drawn]
    ax = theme.axes(ax, size=(6.4, 0.8 + 0.36 * max(len(order), 2)), xlabel=xlabel, title=rest, grid="x")
    ink = theme.ink_of(ax)
    for y, j in enumerate(order):
        known = ~np.isnan(held[:, j])
        height = y + _swarm(phi[:, j])
        rank = _ranks(held[known, j])
        hue = np.where(rank[:, None] < 0.5, [_rgb(theme.NEGATIVE)], [_rgb(theme.POSITIVE)])
        colours = np.column_stack([hue, 0.25 + 0.75 * np.abs(2 * rank - 1)])  # pale in the middle
        ax.scatter(phi[known, j], height[known], s=9, c=colours, linewidths=0, zorder=2)
        ax.scatter(phi[~known, j], height[~known], s=9, color=ink, alpha=0.4, linewidths=0, zorder=2)
    ax.axvline(0.0, color=ink, alpha=0.5, linewidth=0.9)
    ax.set_yticks(np.arange(len(order)), [titles[j] for j in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def _ranks(x: Floats) -> Floats:
    """0 for the smallest cell, 1 for the largest; ties share."""
    levels, place = np.unique(x, return_inverse=True)
    return np.asarray(place / max(len(levels) - 1, 1), dtype=np.float64)


def _swarm(x: Floats, bins: int = 80, spread: float = 0.38) -> Floats:
    """Heights in (-spread, spread): points of one bin stand apart, in the middle first."""
    low, high = float(x.min(initial=0)), float(x.max(initial=0))
    if high <= low:
        high = low + 1.0
    place = np.minimum(((x - low) / (high - low) * bins).astype(np.int64), bins - 1)
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=bins)
    within = np.arange(len(x)) - np.repeat(np.cumsum(counts) - counts, counts)
    side = np.where(within % 2 == 0, 1, -1) * ((within + 1) // 2)
    height = np.empty(len(x))
    height[order] = side * (2 * spread / max(int(counts.max(initial=1)), 12))
    return height


def waterfall(
    values: npt.ArrayLike,
    base: float,
    names: theme.Names = None,
    *,
    top: int = 12,
    xlabel: str = "score",
    ax: Axes | None = None,
) -> Axes:
    """How one row comes to its score: from the mean score, step by step, the largest step at the top.

    Parameters
    ----------
    values : array-like of shape (n_columns,)
        What each column adds.
    base : float
        The mean score.
    names : sequence of length n_columns, optional
        Such as "age = 39".
    top : int, default=12
        Steps that are drawn one by one; the others are drawn as one.
    xlabel : str
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = waterfall([0.5, -0.2], 1.0, ["age = 39", "sex = male"])
    >>> [text.get_text() for text in ax.texts]
    ['+0.5', '-0.2']
    """
    phi = _points.column(values, "values")
    titles = theme.shorten_all(names, len(phi), "names", 32)
    order = np.argsort(-np.abs(phi), kind="stable")
    shown = [(titles[j], float(phi[j])) for j in order[:top]]
    if len(order) > top:
        shown.append((f"{len(order) - top} others", float(phi[order[top:]].sum())))
    ax = theme.axes(ax, size=(6.0, 1.0 + 0.34 * max(len(shown), 2)), xlabel=xlabel, grid="x")
    ink, score = theme.ink_of(ax), base + float(phi.sum())
    ax.set_title(f"mean {base:.4g}, this row {score:.4g}", color=ink, fontsize=10, loc="left")
    at = score
    for y, (_, step) in enumerate(shown):
        before = at - step
        ax.barh(y, step, left=before, height=0.66, color=theme.POSITIVE if step >= 0 else theme.NEGATIVE)
        ax.annotate(
            f"{step:+.4g}", (max(at, before), y), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, color=ink,
        )  # fmt: skip
        if y + 1 < len(shown):
            ax.plot([before, before], [y - 0.33, y + 1.33], color=ink, alpha=0.4, linewidth=0.8)
        at = before
    ends = np.append(score - np.cumsum([step for _, step in shown]), score)
    room = 0.12 * max(float(np.ptp(ends)), 1e-12)
    ax.set_xlim(float(ends.min()) - room, float(ends.max()) + 1.6 * room)
    ax.axvline(base, color=ink, alpha=0.5, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_yticks(np.arange(len(shown)), [name for name, _ in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    return ax
