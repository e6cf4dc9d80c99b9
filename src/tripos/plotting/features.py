"""What goes in and what the model uses: class balance, column sketches, coefficients, importances, class densities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]


def class_balance(labels: theme.Names, counts: npt.ArrayLike, *, ax: Axes | None = None) -> Axes:
    """How many rows each class has, largest first; beyond twenty classes the rest as one bar.

    Parameters
    ----------
    labels : sequence of length n_classes
        Names of the classes.
    counts : array-like of shape (n_classes,)
        Rows (or sum of weights) of each class.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = class_balance(["ham", "spam"], [4827, 747])
    >>> [text.get_text() for text in ax.texts]
    ['4,827 (86.6%)', '747 (13.4%)']
    """
    rows = _points.column(counts, "counts")
    names = theme.shorten_all(labels, len(rows), "labels")
    order = np.argsort(-rows, kind="stable")
    shown, rest = order[: theme.MAX_BARS], order[theme.MAX_BARS :]
    heights, titles = rows[shown], [names[i] for i in shown]
    if len(rest):
        heights, titles = np.append(heights, rows[rest].sum()), [*titles, f"{len(rest)} others"]
    total = float(rows.sum()) or 1.0
    ax = theme.axes(ax, size=(5.6, 0.55 + 0.27 * max(len(heights), 2)), xlabel="rows", grid="x")
    theme.horizontal_bars(
        ax,
        heights,
        titles,
        [theme.PALETTE[0]] * len(heights),
        notes=[f"{height:,.0f} ({height / total:.1%})" for height in heights],
    )
    theme.count_axis(ax.xaxis)
    return ax


def histogram(values: npt.ArrayLike, *, name: str = "value", bins: int = 40, ax: Axes | None = None) -> Axes:
    """How the values of a numeric column spread; a few far outliers do not squeeze the rest.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        The column; missing values are left out.
    name : str, default="value"
        What is measured.
    bins : int, default=40
        Number of bins.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = histogram([1.0, 2.0, 2.5, 9.0], name="price", bins=4)
    """
    found = _finite(values)
    ax = theme.axes(ax, size=(5.0, 3.2), xlabel=theme.shorten(name), ylabel="rows", grid="y")
    height, edges = np.histogram(found, bins=bins, range=_points.central(found) if len(found) else None)
    ax.stairs(height, edges, fill=True, color=theme.PALETTE[0], alpha=0.75)
    theme.count_axis(ax.yaxis)
    return ax


def column_sketch(values: npt.ArrayLike, *, bins: int = 24, ax: Axes | None = None) -> Axes:
    """A column in the space of a word: a histogram of numbers, or bars of the counts of levels.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        Floating-point values give a histogram of `bins` bins (missing values are left out); integers are taken as
        counts and drawn as they are.
    bins : int, default=24
        Number of bins of a histogram; counts beyond this many are left out.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = column_sketch([40, 12, 3])
    """
    array = np.asarray(values)
    ax = theme.axes(ax, size=(1.3, 0.3), grid=None)
    if array.dtype.kind in "iu":
        height = array[:bins].astype(np.float64)
        ax.bar(np.arange(len(height)), height, width=0.8, color=theme.PALETTE[0], alpha=0.8)
        ax.set_xlim(-0.6, max(len(height), 6) - 0.4)
    else:
        found = _finite(array)
        height, edges = np.histogram(found, bins=bins, range=_points.central(found) if len(found) else None)
        ax.stairs(height, edges, fill=True, color=theme.PALETTE[0], alpha=0.8)
        ax.margins(x=0)
    ax.set_ylim(bottom=0)
    ax.axis("off")
    return ax


def coefficients(
    values: npt.ArrayLike,
    names: theme.Names = None,
    *,
    errors: npt.ArrayLike | None = None,
    top: int = 20,
    xlabel: str = "coefficient",
    ax: Axes | None = None,
) -> Axes:
    """The coefficients largest in size, each on its side of zero.

    Parameters
    ----------
    values : array-like of shape (n_features,)
        Coefficients; compare their sizes only where the features were scaled.
    names : sequence of length n_features, optional
        The features.
    errors : array-like of shape (n_features,), optional
        Standard errors, drawn as whiskers.
    top : int, default=20
        How many are drawn.
    xlabel : str, default="coefficient"
        What the values are.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = coefficients([0.5, -2.0, 0.1], ["age", "income", "rooms"], top=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['income', 'age']
    """
    w = _points.column(values, "values")
    titles = theme.shorten_all(names, len(w), "names", 28)
    order = np.argsort(-np.abs(w), kind="stable")[:top]
    colours = [theme.POSITIVE if w[j] >= 0 else theme.NEGATIVE for j in order]
    spread = None if errors is None else _points.columns(values=w, errors=errors)[1][order]
    rest = f"{len(order)} of {len(w)} features" if len(w) > len(order) else ""
    ax = theme.axes(ax, size=(5.8, 0.7 + 0.25 * max(len(order), 2)), xlabel=xlabel, title=rest, grid="x")
    theme.horizontal_bars(ax, w[order], [titles[j] for j in order], colours, errors=spread)
    ax.axvline(0.0, color=theme.ink_of(ax), alpha=0.5, linewidth=0.9)
    return ax


def importances(
    mean: npt.ArrayLike,
    sd: npt.ArrayLike | None = None,
    names: theme.Names = None,
    *,
    top: int = 20,
    xlabel: str = "importance (loss of score when shuffled)",
    ax: Axes | None = None,
) -> Axes:
    """The features the model leans on most, with one standard deviation over the repeats.

    Parameters
    ----------
    mean, sd : array-like of shape (n_features,)
        Mean importance and its standard deviation.
    names : sequence of length n_features, optional
        The features.
    top : int, default=20
        How many are drawn.
    xlabel : str
        What the importance is.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = importances([0.02, 0.3], [0.01, 0.02], ["rooms", "income"])
    """
    drop = _points.column(mean, "mean")
    spread = None if sd is None else _points.columns(mean=drop, sd=sd)[1]
    titles = theme.shorten_all(names, len(drop), "names", 28)
    order = np.argsort(-drop, kind="stable")[:top]
    rest = f"{len(order)} of {len(drop)} features" if len(drop) > len(order) else ""
    ax = theme.axes(ax, size=(5.8, 0.7 + 0.25 * max(len(order), 2)), xlabel=xlabel, title=rest, grid="x")
    theme.horizontal_bars(
        ax,
        drop[order],
        [titles[j] for j in order],
        [theme.PALETTE[0]] * len(order),
        errors=None if spread is None else spread[order],
    )
    return ax


def _finite(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]
