"""Neighbours in pictures: centroids, boundaries of few and of many neighbours, distances that stop telling near from
far, and how dense or how lonely rows are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme
from tripos.plotting.classification import decision_boundary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SERIES = 8


def centroid_deviations(
    deviations: npt.ArrayLike,
    *,
    labels: theme.Names = None,
    names: theme.Names = None,
    top: int = 15,
    ax: Axes | None = None,
) -> Axes:
    """How far the centroid of each class lies from the mean of all rows, feature by feature.

    Parameters
    ----------
    deviations : array-like of shape (n_classes, n_features)
        In standard errors.
    labels : sequence of length n_classes, optional
    names : sequence of length n_features, optional
    top : int, default=15
        Features drawn, those with the largest deviation.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = centroid_deviations([[1.0, 0.0], [-1.0, 0.0]], labels=["ham", "spam"], names=["free", "the"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['free', 'the']
    """
    d = np.asarray(deviations, dtype=np.float64)
    titles, classes = (
        theme.shorten_all(names, d.shape[1], "names", 28),
        theme.shorten_all(labels, len(d), "labels"),
    )
    order = np.argsort(-np.abs(d).max(axis=0), kind="stable")[:top]
    ax = theme.axes(
        ax,
        size=(5.8, 0.9 + 0.28 * max(len(order), 2)),
        xlabel="centroid less the mean of all rows, in standard errors",
        title=f"{len(order)} of {len(titles)} features" if len(titles) > len(order) else "",
        grid="x",
    )
    rows = np.arange(len(order))
    for k in range(min(len(d), MAX_SERIES)):
        ax.plot(d[k, order], rows, "o", color=theme.colour(k), markersize=5, label=classes[k])
    ax.hlines(
        rows, d[:, order].min(axis=0), d[:, order].max(axis=0), color=theme.ink_of(ax), alpha=0.3, linewidth=1
    )
    ax.axvline(0.0, color=theme.ink_of(ax), alpha=0.5, linewidth=0.9)
    ax.set_yticks(rows, [titles[j] for j in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    theme.legend(ax, loc="best")
    return ax


def few_and_many_neighbours(
    predict: Callable[[npt.NDArray[np.float64], int], npt.NDArray[Any]],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    ks: Sequence[int] = (1, 50),
    *,
    scores: Sequence[float] | None = None,
    names: theme.Names = None,
    resolution: int = 150,
    ax: Axes | None = None,
) -> Axes:
    """The regions of the classes for few and for many neighbours: variance beside bias.

    With k = 1 each row owns the cell of points nearest to it (the cells of Voronoi), and a single odd row makes an island;
    with many neighbours the boundary is smooth and may pass over what is really there.

    Parameters
    ----------
    predict : callable
        Takes an array of shape (n_points, 2) and k, gives n_points labels.
    X : array-like of shape (n_rows, 2)
    y : array-like of shape (n_rows,)
    ks : two int, default=(1, 50)
    scores : two float, optional
        Accuracy on rows left out, written above.
    names : sequence of two, optional
    resolution : int, default=150
    ax : matplotlib Axes, optional
        The left panel; by default both are made.

    Returns
    -------
    matplotlib Axes
        The left one; the right one is ``ax.figure.axes[1]``.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    >>> ax = few_and_many_neighbours(lambda p, k: p[:, 0] > k, rows, [False, True, True], (1, 2), resolution=10)
    >>> ax.get_title(loc="left")
    'k = 1: follows every row'
    """
    if len(ks) != 2:
        raise ValueError(f"ks must hold two numbers of neighbours, few and many, got {len(ks)}")
    left = theme.axes(ax, size=(9.0, 4.0))
    right = theme.second_panel(left, columns=2)
    for panel, k, what, i in ((left, ks[0], "follows every row", 0), (right, ks[1], "smooths", 1)):
        decision_boundary(partial(_with_k, predict, k), X, y, names=names, resolution=resolution, ax=panel)
        said = "" if scores is None else f" (left out: {scores[i]:.1%} right)"
        panel.set_title(f"k = {k}: {what}{said}", color=theme.ink_of(panel), fontsize=11, loc="left")
    legend = left.get_legend()
    if legend is not None:
        legend.remove()
    return left


def _with_k(predict: Any, k: int, points: npt.NDArray[np.float64]) -> Any:
    return predict(points, k)


def curse_of_dimensionality(
    columns: npt.ArrayLike,
    ratios: npt.ArrayLike,
    *,
    noise: npt.ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Distance to the nearest row over that to the farthest, as columns are added.

    At 1 all rows are equally far and "nearest" says nothing.

    Parameters
    ----------
    columns : array-like of shape (n_steps,)
        Numbers of columns.
    ratios : array-like of shape (n_steps,)
        Median ratio over the rows, on the data.
    noise : array-like of shape (n_steps,), optional
        The same for columns shuffled apart, which have no structure in common.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = curse_of_dimensionality([1, 10, 100], [0.001, 0.2, 0.6])
    >>> ax.get_xlabel()
    'columns used'
    """
    d, r = _points.columns(columns=columns, ratios=ratios)
    ax = theme.axes(ax, size=(5.6, 3.8), xlabel="columns used", ylabel="nearest / farthest distance")
    theme.reference(ax, [float(d.min()), float(d.max())], [1.0, 1.0], "all rows equally far")
    ax.plot(d, r, "o-", color=theme.PALETTE[0], markersize=4, label="these data")
    if noise is not None:
        shuffled = _points.column(noise, "noise")
        ax.plot(d, shuffled, "o-", color=theme.PALETTE[1], markersize=4, label="the same columns, shuffled")
    if d.min() > 0 and d.max() > 20 * d.min():
        ax.set_xscale("log")
    ax.set_ylim(0.0, 1.05)
    theme.legend(ax, loc="best")
    return ax


def outlier_scores(
    scores: npt.ArrayLike, threshold: float, *, xlabel: str = "score", ax: Axes | None = None
) -> Axes:
    """How many rows have which score, and where outliers begin.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        Large for outliers.
    threshold : float
    xlabel : str, default="score"
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = outlier_scores([1.0, 1.1, 0.9, 4.0], 1.5, xlabel="local outlier factor")
    >>> ax.get_xlabel()
    'local outlier factor'
    """
    values = _points.column(scores, "scores")
    beyond = int((values > threshold).sum())
    title = f"{beyond:,} of {len(values):,} rows beyond {threshold:.3g}"
    ax = theme.axes(ax, size=(5.6, 3.6), xlabel=xlabel, ylabel="rows", title=title, grid="y")
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 20 * low:
        bins: Any = np.geomspace(low, high * (1 + 1e-12), 41)
        ax.set_xscale("log")
    else:
        bins = np.linspace(low, high if high > low else low + 1.0, 41)
    ax.hist(values, bins=bins, color=theme.PALETTE[0])
    ax.axvline(threshold, color=theme.PALETTE[1], linewidth=1.4)
    if values.max() > 0 and len(values) > 1:
        ax.set_yscale("symlog", linthresh=10)
    return ax


def density_profile(
    positions: npt.ArrayLike,
    densities: npt.ArrayLike,
    rows: npt.ArrayLike,
    *,
    name: str = "x0",
    ax: Axes | None = None,
) -> Axes:
    """An estimated density along one column, over the rows it was made from.

    Parameters
    ----------
    positions, densities : array-like of shape (n_points,)
    rows : array-like of shape (n_rows,)
    name : str, default="x0"
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = density_profile([0.0, 1.0, 2.0], [0.1, 0.5, 0.1], [0.9, 1.1])
    >>> ax.get_ylabel()
    'density'
    """
    x, p = _points.columns(positions=positions, densities=densities)
    values = _points.column(rows, "rows")
    ax = theme.axes(ax, size=(5.6, 3.6), xlabel=theme.shorten(name), ylabel="density")
    ax.fill_between(x, p, color=theme.PALETTE[0], alpha=0.18, linewidth=0)
    ax.plot(x, p, color=theme.PALETTE[0])
    shown = values[_points.subset(len(values), 250)]
    ax.plot(shown, np.zeros(len(shown)), "|", color=theme.ink_of(ax), alpha=0.5, markersize=8)
    ax.set_ylim(bottom=0.0)
    return ax
