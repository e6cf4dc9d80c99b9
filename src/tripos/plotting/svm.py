"""Support vector machines: the margin and what holds it, the loss it minimises, what C and gamma do to the boundary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Decide = Callable[[Floats], npt.NDArray[Any]]


def margin_plane(
    decide: Decide,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    support: npt.ArrayLike | None = None,
    names: theme.Names = None,
    resolution: int = 200,
    ax: Axes | None = None,
) -> Axes:
    """The boundary of two classes, the margin on both sides of it, and the rows that hold it, ringed.

    Parameters
    ----------
    decide : callable
        Takes an array of shape (n_points, 2), gives n_points decisions: 0 on the boundary, -1 and 1 on the margin.
    X : array-like of shape (n_rows, 2)
    y : array-like of shape (n_rows,)
        Two classes.
    support : array-like of int, optional
        Positions of the support vectors among the rows; all rows by default.
    names : sequence of two, optional
        Names of the features.
    resolution : int, default=200
        Points of the grid along each axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [2.0, 2.0]])
    >>> ax = margin_plane(lambda points: points[:, 0] - 1, X, [False, True], resolution=20)
    """
    points, truth = np.asarray(X, dtype=np.float64), np.asarray(y)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have two columns, the features of the plane; got shape {points.shape}")
    titles = theme.shorten_all(names if names is not None else ("x0", "x1"), 2, "names")
    ax = theme.axes(ax, size=(5.0, 4.2), xlabel=titles[0], ylabel=titles[1], grid=None)
    (left, right), (bottom, top) = _points.central(points[:, 0]), _points.central(points[:, 1])
    across, up = np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution))
    level = np.asarray(decide(np.column_stack([across.ravel(), up.ravel()])), np.float64).reshape(
        across.shape
    )
    ink = theme.ink_of(ax)
    for value, width, style in ((-1.0, 1.0, "--"), (0.0, 1.8, "-"), (1.0, 1.0, "--")):
        if level.min() < value < level.max():
            ax.contour(across, up, level, levels=[value], colors=[ink], linewidths=width, linestyles=style)
    held = np.ones(len(points), bool)
    if support is not None:
        held = np.zeros(len(points), bool)
        held[np.asarray(support, dtype=np.intp)] = True
    rows = _points.subset(len(points))
    for code, label in enumerate(np.unique(truth)):
        own = rows[truth[rows] == label]
        ax.plot(
            *points[own].T, "o", color=theme.colour(code), markersize=3.6, markeredgewidth=0, alpha=0.85,
            label=theme.shorten(label),
        )  # fmt: skip
    ringed = rows[held[rows]]
    ax.plot(
        *points[ringed].T, "o", color=ink, markersize=7, markerfacecolor="none", markeredgewidth=0.7, alpha=0.6,
        label="support vectors",
    )  # fmt: skip
    ax.set(xlim=(left, right), ylim=(bottom, top))
    theme.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def margin_losses(margins: npt.ArrayLike | None = None, *, ax: Axes | None = None) -> Axes:
    """Hinge and log loss over the margin y f(x), beside the error they bound; under them the margins of a model's rows.

    Parameters
    ----------
    margins : array-like of shape (n_rows,), optional
        y f(x) of rows; support vectors are those at most 1.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = margin_losses([-0.5, 0.8, 1.2, 2.0])
    """
    ax = theme.axes(ax, size=(5.0, 3.4), xlabel="margin y f(x)", ylabel="loss")
    m = np.linspace(-2.5, 3.0, 221)
    if margins is not None:
        count, edges = np.histogram(
            np.clip(_points.column(margins, "margins"), -2.5, 3.0), bins=40, range=(-2.5, 3.0)
        )
        height = count / max(count.max(), 1)
        ax.bar(
            edges[:-1], height, np.diff(edges), align="edge", color=theme.ink_of(ax), alpha=0.14, label="rows"
        )
    ax.step(m, (m < 0).astype(float), color=theme.ink_of(ax), alpha=0.6, linewidth=1.0, label="error")
    ax.plot(m, np.maximum(0.0, 1.0 - m), color=theme.colour(0), label="hinge: 0 from 1 on")
    ax.plot(m, np.log2(1.0 + np.exp(-m)), color=theme.colour(1), label="log loss: never 0")
    ax.set(xlim=(-2.5, 3.0), ylim=(0.0, 3.6))
    theme.legend(ax, loc="upper right")
    return ax


def boundary_grid(
    decide: Callable[[float, float], Decide],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    C: Sequence[float] = (0.1, 1.0, 100.0),
    gamma: Sequence[float] = (0.1, 1.0, 10.0),
    resolution: int = 32,
    ax: Axes | None = None,
) -> Axes:
    """A small boundary for each C (rows, rising) and gamma (columns, rising): from too stiff to too wiggly.

    Parameters
    ----------
    decide : callable
        Takes C and gamma, gives a function of points of shape (n_points, 2) whose sign is the class.
    X : array-like of shape (n_rows, 2)
    y : array-like of shape (n_rows,)
        Two classes.
    C, gamma : sequence of float
        Values to draw.
    resolution : int, default=32
        Points of each small grid along each axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [2.0, 2.0]])
    >>> ax = boundary_grid(lambda C, g: lambda points: points[:, 0] - g, X, [0, 1], C=[1.0], gamma=[0.5, 1.5])
    """
    points, codes = np.asarray(X, dtype=np.float64), np.unique(np.asarray(y), return_inverse=True)[1]
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have two columns, the features of the plane; got shape {points.shape}")
    ax = theme.axes(ax, size=(5.6, 5.0), xlabel="gamma", ylabel="C", grid=None)
    span = [_points.central(points[:, 0]), _points.central(points[:, 1])]
    grid = np.meshgrid(*(np.linspace(*edges, resolution) for edges in span))
    cells = np.column_stack([axis.ravel() for axis in grid])
    rows = _points.subset(len(points), max(10, 120 // (len(C) * len(gamma))))  # in each of the small panels
    for r, strength in enumerate(C):
        for c, width in enumerate(gamma):
            level = np.asarray(decide(strength, width)(cells), np.float64).reshape(grid[0].shape)
            small = ax.inset_axes(
                (c / len(gamma) + 0.01, r / len(C) + 0.01, 0.98 / len(gamma) - 0.01, 0.98 / len(C) - 0.01)
            )
            small.set(xticks=[], yticks=[], xlim=span[0], ylim=span[1])
            small.patch.set_alpha(0.0)
            small.spines[:].set_color(theme.ink_of(ax))
            small.contourf(
                *grid,
                level > 0,
                levels=[-0.5, 0.5, 1.5],
                colors=[theme.colour(0), theme.colour(1)],
                alpha=0.22,
            )
            for code in np.unique(codes):
                own = rows[codes[rows] == code]
                small.plot(*points[own].T, "o", color=theme.colour(code), markersize=2, markeredgewidth=0)
    ax.set_xticks((np.arange(len(gamma)) + 0.5) / len(gamma), [f"{value:g}" for value in gamma])
    ax.set_yticks((np.arange(len(C)) + 0.5) / len(C), [f"{value:g}" for value in C])
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return ax
