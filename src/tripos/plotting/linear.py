"""What a linear model learned: its line with bands, its residuals, probability in the plane, odds ratios.

A band about the line is where the mean lies with the given confidence; the wider one is where the next row lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
MAX_QUANTILES = 180  # points of a quantile plot
MAX_MARKS = 240  # rows drawn upon a plane
SHADES = 24  # of each class: even steps keep a page small


def fit_band(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    grid: npt.ArrayLike,
    mean: npt.ArrayLike,
    *,
    band: npt.ArrayLike | None = None,
    prediction: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    name: str = "x",
    target: str = "y",
    label: str = "fit",
    ax: Axes | None = None,
) -> Axes:
    """A fitted curve through its rows, with the confidence band of the mean and the band of a new row.

    Parameters
    ----------
    x, y : array-like of shape (n_rows,)
        The feature and the target.
    grid, mean : array-like of shape (n_points,)
        The curve.
    band, prediction : array-like of shape (2, n_points), optional
        Low and high of the mean, and of a new row.
    confidence : float, default=0.95
        What the bands hold.
    name, target, label : str
        What x, y and the curve are.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = fit_band([1, 2, 3], [1.1, 1.9, 3.2], [1, 3], [1.0, 3.1], band=[[0.5, 2.6], [1.5, 3.6]])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['fit', '95% band of the mean']
    """
    xs, ys = _points.columns(x=x, y=y)
    across, curve = _points.columns(grid=grid, mean=mean)
    ax = theme.axes(ax, size=(5.4, 4.0), xlabel=theme.shorten(name), ylabel=theme.shorten(target))
    _rows(ax, xs, ys)
    hue, seen = (
        theme.PALETTE[1],
        [curve, ys if len(ys) <= _points.MAX_POINTS else np.array(_points.central(ys))],
    )
    ax.plot(across, curve, color=hue, linewidth=2.0, label=label, zorder=3)
    share = f"{100 * confidence:g}%"
    if band is not None:
        low, high = np.asarray(band, dtype=np.float64)
        ax.fill_between(
            across,
            low,
            high,
            color=hue,
            alpha=0.32,
            linewidth=0,
            label=f"{share} band of the mean",
            zorder=2.6,
        )
        seen += [low, high]
    if prediction is not None:
        low, high = np.asarray(prediction, dtype=np.float64)
        for edge, text in ((low, f"{share} band of a new row"), (high, None)):
            ax.plot(across, edge, color=hue, linewidth=1.2, linestyle=theme.DASHES[1], label=text, zorder=2.8)
        seen += [low, high]
    bottom, top = min(float(v.min()) for v in seen), max(float(v.max()) for v in seen)
    pad = 0.04 * (top - bottom) or 0.5
    ax.set(xlim=(across.min(), across.max()), ylim=(bottom - pad, top + pad))
    theme.legend(ax, loc="best")
    return ax


def residual_panels(
    fitted: npt.ArrayLike,
    standardised: npt.ArrayLike,
    *,
    name: str = "fitted value",
    ylabel: str = "standardised residual",
    ax: Axes | None = None,
) -> Axes:
    """Residuals against what was fitted, with a smooth; and, in a second panel, their quantiles against the normal's.

    A bend of the smooth means a missing term; a fan a variance that grows; points outside the band of the second
    panel tails that are not normal.

    Parameters
    ----------
    fitted, standardised : array-like of shape (n_rows,)
        Fitted values, and residuals over their standard deviation.
    name, ylabel : str
        What is drawn.
    ax : matplotlib Axes, optional
        Where to draw the first panel alone; a new figure with both by default.

    Returns
    -------
    matplotlib Axes
        The first panel.

    Examples
    --------
    >>> ax = residual_panels([1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 0.7, -0.2])
    >>> len(ax.figure.axes)
    2
    """
    across, left_over = _points.columns(fitted=fitted, standardised=standardised)
    alone = ax is not None
    ax = theme.axes(ax, size=(8.6, 3.8), xlabel=name, ylabel=ylabel)
    _rows(ax, across, left_over)
    window, up = _whole_or_central(across), _whole_or_central(left_over)
    theme.reference(ax, window, [0.0, 0.0])
    ax.plot(*_smooth(across, left_over), color=theme.PALETTE[1], linewidth=2.0, label="smooth", zorder=3)
    ax.set(xlim=window, ylim=up)
    theme.legend(ax, loc="best")
    if not alone:
        normal_quantiles(left_over, ax=theme.second_panel(ax, columns=2))
    return ax


def normal_quantiles(
    standardised: npt.ArrayLike, *, confidence: float = 0.95, ax: Axes | None = None
) -> Axes:
    """Sorted residuals against the quantiles of the normal distribution, with the band normal rows would stay in.

    Parameters
    ----------
    standardised : array-like of shape (n_rows,)
        Residuals over their standard deviation.
    confidence : float, default=0.95
        Of the band, at each quantile by itself.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = normal_quantiles([0.5, -1.0, 0.7, -0.2])
    >>> ax.get_xlabel()
    'normal quantile'
    """
    sorted_ = np.sort(_points.column(standardised, "standardised"))
    n = len(sorted_)
    rank = np.arange(1, n + 1, dtype=np.float64)
    normal = ndtri((rank - 0.5) / n)
    even = np.linspace(normal[0], normal[-1], MAX_QUANTILES)
    shown = np.unique(np.searchsorted(normal, even).clip(0, n - 1))
    normal, sorted_, rank = normal[shown], sorted_[shown], rank[shown]
    tail = (1.0 - confidence) / 2  # the k-th of n uniform numbers is Beta(k, n - k + 1)
    low, high = (ndtri(betaincinv(rank, n - rank + 1, q)) for q in (tail, 1.0 - tail))
    ax = theme.axes(ax, size=(4.4, 4.0), xlabel="normal quantile", ylabel="standardised residual")
    ax.fill_between(
        normal,
        low,
        high,
        color=theme.ink_of(ax),
        alpha=0.13,
        linewidth=0,
        label=f"{100 * confidence:g}% if normal",
    )
    theme.reference(ax, normal[[0, -1]].tolist(), normal[[0, -1]].tolist())
    size = float(np.clip(1600 / n, 3.0, 5.0))
    ax.plot(
        normal, sorted_, "o", color=theme.PALETTE[0], markersize=size, markeredgewidth=0, alpha=0.8, zorder=2
    )
    theme.legend(ax, loc="upper left")
    return ax


def probability_plane(
    across: npt.ArrayLike,
    up: npt.ArrayLike,
    probability: npt.ArrayLike,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    names: theme.Names = None,
    classes: Sequence[object] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Probability of the second class over the plane of two features, its contours, and the rows.

    Parameters
    ----------
    across, up : array-like of shape (n_across,) and (n_up,)
        The grid.
    probability : array-like of shape (n_up, n_across)
    X : array-like of shape (n_rows, 2)
    y : array-like of shape (n_rows,)
        0 or 1.
    names : sequence of two, optional
        The features.
    classes : sequence of two, optional
        Labels of 0 and 1.
    title : str
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> grid = np.linspace(0, 1, 5)
    >>> ax = probability_plane(grid, grid, np.add.outer(grid, grid) / 2, [[0, 0], [1, 1]], [0, 1])
    >>> ax.get_legend().get_title().get_text()
    ''
    """
    from matplotlib.colors import to_rgb

    p, points, codes = (
        np.asarray(probability, dtype=np.float64),
        np.asarray(X, dtype=np.float64),
        np.asarray(y),
    )
    g, h = np.asarray(across, dtype=np.float64), np.asarray(up, dtype=np.float64)
    titles = theme.shorten_all(names if names is not None else ("x0", "x1"), 2, "names")
    labels = [theme.shorten(label) for label in (classes if classes is not None else (0, 1))]
    ax = theme.axes(ax, size=(6.4, 4.6), xlabel=titles[0], ylabel=titles[1], title=title, grid=None)
    tint = np.empty((*p.shape, 4))  # opacity says how sure the model is, the hue of what
    tint[..., :3] = np.where((p >= 0.5)[..., None], to_rgb(theme.PALETTE[1]), to_rgb(theme.PALETTE[0]))
    tint[..., 3] = 0.6 * np.round(SHADES * np.abs(2 * p - 1)) / SHADES
    extent = (g[0], g[-1], h[0], h[-1])
    ax.imshow(tint, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    _contours(ax, g, h, p)
    rows = _points.subset(len(points), MAX_MARKS)
    points = np.column_stack([_apart(column, seed) for seed, column in enumerate(points.T)])
    for code, mark in ((0, "o"), (1, "^")):
        own = rows[codes[rows] == code]
        ax.plot(
            points[own, 0], points[own, 1], mark, color=theme.PALETTE[code], label=labels[code],
            markersize=4.6, markeredgewidth=0.5, markeredgecolor=theme.ink_of(ax), alpha=0.9,
        )  # fmt: skip
    ax.set(xlim=(g[0], g[-1]), ylim=(h[0], h[-1]))
    theme.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def ratio_forest(
    ratios: npt.ArrayLike,
    names: theme.Names = None,
    *,
    top: int = 20,
    xlabel: str = "odds ratio",
    confidence: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Ratios with their intervals on a logarithmic scale; an interval across 1 says nothing about the direction.

    Parameters
    ----------
    ratios : array-like of shape (n_features, 3)
        Ratio, low and high end.
    names : sequence of length n_features, optional
        The features.
    top : int, default=20
        How many are drawn: those furthest from 1 in units of their interval.
    xlabel : str
        What the ratios are.
    confidence : float, default=0.95
        Of the intervals.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = ratio_forest([[2.0, 1.5, 2.7], [0.9, 0.7, 1.2]], ["dose", "age"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['dose', 'age']
    """
    table = np.asarray(ratios, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 3:
        raise ValueError(f"ratios must have the columns ratio, low and high, got shape {table.shape}")
    titles = theme.shorten_all(names, len(table), "names", 28)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(table)
        distance = np.abs(logs[:, 0]) / (logs[:, 2] - logs[:, 1])
    shown = np.flatnonzero(np.isfinite(distance))
    order = shown[np.argsort(-distance[shown], kind="stable")][:top]
    title = f"{len(order)} of {len(table)} features" if len(table) > len(order) else ""
    label = f"{xlabel} per unit, with its {100 * confidence:g}% interval"
    ax = theme.axes(
        ax, size=(7.0, 0.9 + 0.29 * max(len(order), 2)), xlabel=label, title=title, grid="x"
    )  # fmt: skip
    ax.set_xscale("log")
    ink = theme.ink_of(ax)
    for row, j in enumerate(order):
        ratio, low, high = table[j]
        hue = ink if low <= 1 <= high else theme.POSITIVE if ratio > 1 else theme.NEGATIVE
        ax.plot([low, high], [row, row], color=hue, linewidth=1.6, alpha=0.9, solid_capstyle="butt")
        ax.plot([ratio], [row], "s", color=hue, markersize=5.5)
        ax.annotate(
            f"{_short(ratio)} ({_short(low)} to {_short(high)})", (1.02, row), xycoords=("axes fraction", "data"),
            va="center", fontsize=8.5, color=ink,
        )  # fmt: skip
    ax.axvline(1.0, color=ink, alpha=0.6, linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_yticks(np.arange(len(order)), [titles[j] for j in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    _plain_ticks(ax.xaxis)
    return ax


# ---- parts ---------------------------------------------------------------------------------------


def _rows(ax: Axes, x: Floats, y: Floats) -> None:
    """Rows as points large enough for the back of a lecture room; more become a density."""
    if len(x) > _points.MAX_POINTS:
        _points.cloud(ax, x, y, theme.PALETTE[0])
        return
    if len(np.unique(y)) == 2:  # two classes: apart in height, so that their number shows
        y = y + 0.025 * np.ptp(y) * np.random.default_rng(0).uniform(-1, 1, len(y))
    size = float(np.clip(1600 / len(x), 3.0, 5.0))
    ax.plot(x, y, "o", color=theme.PALETTE[0], markersize=size, alpha=0.6, markeredgewidth=0, zorder=2)


def _apart(values: Floats, seed: int, share: float = 0.15) -> Floats:
    """A feature of few values, each row moved a little at random, so that rows do not hide one another."""
    levels = np.unique(values)
    if not 1 < len(levels) <= 12:
        return values
    width = share * float(np.diff(levels).min())
    moved: Floats = values + np.random.default_rng(seed).uniform(-width, width, len(values))
    return moved


def _whole_or_central(values: Floats) -> tuple[float, float]:
    """All of a few points; of many, so much that one does not flatten the rest."""
    if len(values) > _points.MAX_POINTS:
        return _points.central(values)
    pad = 0.04 * float(np.ptp(values)) or 0.5
    return float(values.min()) - pad, float(values.max()) + pad


def _smooth(x: Floats, y: Floats, share: float = 0.5, vertices: int = 60) -> tuple[Floats, Floats]:
    """Local linear regression with tricube weights on the nearest share of the rows (Cleveland 1979, one pass)."""
    groups = np.array_split(np.argsort(x, kind="stable"), min(len(x), 300))
    gx, gy = (np.array([values[rows].mean() for rows in groups]) for values in (x, y))
    at = np.unique(np.quantile(gx, np.linspace(0, 1, vertices)))
    reach = max(3, int(np.ceil(share * len(gx))))
    fitted = np.empty(len(at))
    for k, center in enumerate(at):
        distance = np.abs(gx - center)
        width = np.partition(distance, min(reach, len(gx)) - 1)[min(reach, len(gx)) - 1] * 1.0001 or 1.0
        w = np.clip(1 - (distance / width) ** 3, 0, None) ** 3
        mx, my = w @ gx / w.sum(), w @ gy / w.sum()
        spread = w @ (gx - mx) ** 2
        slope = w @ ((gx - mx) * (gy - my)) / spread if spread > 0 else 0.0
        fitted[k] = my + slope * (center - mx)
    return at, fitted


def _contours(ax: Axes, across: Floats, up: Floats, p: Floats) -> None:
    """The line of even odds, and thin ones of 10, 25, 75 and 90 %."""
    ink = theme.ink_of(ax)
    if p.min() < 0.5 < p.max():
        ax.contour(across, up, p, levels=[0.5], colors=[ink], linewidths=1.8)
    levels = [level for level in (0.1, 0.25, 0.75, 0.9) if p.min() < level < p.max()]
    if levels:
        lines = ax.contour(
            across, up, p, levels=levels, colors=[ink], linewidths=0.8, linestyles="dashed", alpha=0.7
        )
        ax.clabel(lines, fmt=lambda level: f"{100 * level:g}%", fontsize=8)


def _short(value: float) -> str:
    if 0.9 < value < 1.1:
        return f"{value:.3f}"  # 1.002 rather than 1
    return f"{value:.3g}" if 1e-3 <= value < 1e4 else f"{value:.1e}"


def _plain_ticks(axis: Any) -> None:
    """0.5, 1, 2 rather than 10^0, where the range is small."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
