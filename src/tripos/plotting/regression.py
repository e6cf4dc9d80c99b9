"""How close predicted numbers come: predicted against actual, residuals, and the fitted line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def predicted_vs_actual(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, name: str = "target", ax: Axes | None = None
) -> Axes:
    """Predicted against actual values; on the diagonal they agree. Many points are drawn as a density.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Actual and predicted values.
    name : str, default="target"
        What is predicted.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = predicted_vs_actual([1.0, 2.0, 3.0], [1.1, 1.9, 3.2], name="price")
    >>> ax.get_xlabel()
    'actual price'
    """
    actual, predicted = _points.columns(y_true=y_true, y_pred=y_pred)
    title = theme.shorten(name)
    ax = theme.axes(ax, size=(4.8, 4.4), xlabel=f"actual {title}", ylabel=f"predicted {title}")
    _points.cloud(ax, actual, predicted, theme.PALETTE[0])
    (left, right), (bottom, top) = _points.central(actual), _points.central(predicted)
    theme.reference(ax, [min(left, bottom), max(right, top)], [min(left, bottom), max(right, top)])
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def residuals(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, name: str = "target", ax: Axes | None = None
) -> Axes:
    """What is left (actual minus predicted) against the prediction, and its distribution at the side.

    A bend means a missing term, a fan means a spread that grows: both ask for another model or scale.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Actual and predicted values.
    name : str, default="target"
        What is predicted.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = residuals([1.0, 2.0, 3.0], [1.1, 1.9, 3.2])
    >>> len(ax.child_axes)  # the distribution
    1
    """
    actual, predicted = _points.columns(y_true=y_true, y_pred=y_pred)
    left_over = actual - predicted
    ax = theme.axes(
        ax, size=(5.6, 4.0), xlabel=f"predicted {theme.shorten(name)}", ylabel="actual - predicted"
    )
    _points.cloud(ax, predicted, left_over, theme.PALETTE[0])
    across, up = _points.central(predicted), _points.central(left_over)
    theme.reference(ax, across, [0.0, 0.0])
    trend_x, trend_y = _binned_means(predicted, left_over)
    ax.plot(trend_x, trend_y, color=theme.PALETTE[1], linewidth=1.8, label="mean", zorder=3)
    ax.set(xlim=across, ylim=up)
    side = ax.inset_axes((1.02, 0.0, 0.2, 1.0), sharey=ax)
    height, edges = np.histogram(left_over, bins=40, range=up)
    side.stairs(height, edges, orientation="horizontal", fill=True, color=theme.PALETTE[0], alpha=0.6)
    side.axis("off")
    theme.legend(ax, loc="upper right")
    return ax


def _binned_means(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], bins: int = 15
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means of x and y over groups of x with equally many rows: shows a bend that the cloud hides."""
    groups = np.array_split(np.argsort(x, kind="stable"), min(bins, max(len(x) // 8, 1)))
    return np.array([x[rows].mean() for rows in groups]), np.array([y[rows].mean() for rows in groups])


def simple_fit(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    slope: float,
    intercept: float,
    *,
    name: str = "x",
    target: str = "y",
    ax: Axes | None = None,
) -> Axes:
    """A line through points, with the residuals that least squares makes small.

    Parameters
    ----------
    x, y : array-like of shape (n_rows,)
        The feature and the target.
    slope, intercept : float
        The line ``y = intercept + slope x``.
    name, target : str
        What x and y are.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Residuals are drawn for at most 150 points.

    Examples
    --------
    >>> ax = simple_fit([1.0, 2.0, 3.0], [2.1, 3.9, 6.2], slope=2.05, intercept=-0.033)
    """
    xs, ys = _points.columns(x=x, y=y)
    ax = theme.axes(ax, size=(4.8, 4.0), xlabel=theme.shorten(name), ylabel=theme.shorten(target))
    if len(xs) <= 150:
        ax.vlines(xs, ys, intercept + slope * xs, color=theme.ink_of(ax), alpha=0.3, linewidth=0.9)
    _points.cloud(ax, xs, ys, theme.PALETTE[0])
    ends = np.array(_points.central(xs))
    sign = "+" if slope >= 0 else "-"
    equation = (
        f"{theme.shorten(target, 12)} = {intercept:.4g} {sign} {abs(slope):.4g} {theme.shorten(name, 12)}"
    )
    ax.plot(ends, intercept + slope * ends, color=theme.PALETTE[1], linewidth=2.0, label=equation, zorder=3)
    ax.set(xlim=ends, ylim=_points.central(ys))
    theme.legend(ax, loc="best")
    return ax
