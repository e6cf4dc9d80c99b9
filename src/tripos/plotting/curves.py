"""How performance depends on experience, on a setting, on the step of training and on the learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]


def learning_curve(
    sizes: npt.ArrayLike,
    train_scores: npt.ArrayLike | None,
    validation_scores: npt.ArrayLike,
    *,
    score_name: str = "score",
    baseline: float | None = None,
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Performance P against experience E: does P rise, and would more rows help?

    A gap between the curves that stays means variance (more rows or a simpler model help); two curves that meet
    too low mean bias (a richer model helps).

    Parameters
    ----------
    sizes : array-like of shape (n_sizes,)
        Numbers of training rows.
    train_scores, validation_scores : array-like of shape (n_sizes,) or (n_sizes, n_repeats)
        Scores on the rows trained on (None leaves them out) and on rows held out. Of repeats the mean is
        drawn, with a band of one standard error on each side.
    score_name : str, default="score"
        What P is.
    baseline : float, optional
        P of the baseline, drawn as a reference.
    log : bool, default=True
        Whether the axis of E is logarithmic.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = learning_curve([50, 500, 5000], [1.0, 0.99, 0.99], [0.88, 0.96, 0.98], score_name="accuracy")
    >>> ax.get_xlabel()
    'experience E (training rows)'
    """
    x = _points.column(sizes, "sizes")
    ax = theme.axes(
        ax, size=(5.6, 3.8), xlabel="experience E (training rows)", ylabel=f"performance P ({score_name})"
    )
    if baseline is not None:
        theme.reference(ax, [float(x.min()), float(x.max())], [baseline, baseline], "baseline")
    if train_scores is not None:
        _band(ax, x, train_scores, "train_scores", theme.PALETTE[1], "on rows trained on")
    _band(ax, x, validation_scores, "validation_scores", theme.PALETTE[0], "on rows held out")
    if log and x.min() > 0:
        _log_axis(ax)
    theme.legend(ax, loc="best")
    return ax


def validation_curve(
    values: Sequence[Any] | npt.ArrayLike,
    train_scores: npt.ArrayLike | None,
    validation_scores: npt.ArrayLike,
    *,
    name: str = "parameter",
    score_name: str = "score",
    log: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Performance against one setting: too simple on one side, too flexible on the other.

    Parameters
    ----------
    values : sequence of length n_values
        The setting's values; numbers, or names drawn at equal distances.
    train_scores, validation_scores : array-like of shape (n_values,) or (n_values, n_repeats)
        Scores on the rows trained on (None leaves them out) and on rows held out.
    name, score_name : str
        What is set and what is measured.
    log : bool, optional
        Whether the axis is logarithmic; by default when the values span two decades.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        The best held-out value is marked.

    Examples
    --------
    >>> ax = validation_curve([0.01, 1, 100], [0.99, 0.95, 0.7], [0.8, 0.9, 0.69], name="alpha")
    >>> ax.get_xscale()
    'log'
    """
    raw = np.asarray(values)
    numeric = raw.dtype.kind in "biuf"
    x = _points.column(raw if numeric else np.arange(len(raw)), "values")
    ax = theme.axes(ax, size=(5.6, 3.8), xlabel=name, ylabel=score_name)
    if train_scores is not None:
        _band(ax, x, train_scores, "train_scores", theme.PALETTE[1], "on rows trained on")
    held_out = _band(ax, x, validation_scores, "validation_scores", theme.PALETTE[0], "on rows held out")
    best = int(np.argmax(held_out))
    ax.plot(
        x[best], held_out[best], "o", markersize=9, markerfacecolor="none", markeredgecolor=theme.ink_of(ax)
    )
    if not numeric:
        ax.set_xticks(x, [theme.shorten(value, 16) for value in raw])
    elif log or (log is None and x.min() > 0 and x.max() / x.min() >= 100):
        _log_axis(ax)
    theme.legend(ax, loc="best")
    return ax


def loss_curve(
    steps: npt.ArrayLike,
    loss: npt.ArrayLike,
    validation: npt.ArrayLike | None = None,
    *,
    loss_name: str = "loss",
    ax: Axes | None = None,
) -> Axes:
    """The loss as training goes on, and the score on rows held out where there is one.

    Parameters
    ----------
    steps : array-like of shape (n_steps,)
        Iterations, epochs or trees.
    loss, validation : array-like of shape (n_steps,)
        What was minimised, and the same on rows held out.
    loss_name : str, default="loss"
        What the loss is.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        The axis of the loss is logarithmic when it falls by a factor of 50 or more.

    Examples
    --------
    >>> ax = loss_curve([0, 1, 2, 3], [0.69, 0.4, 0.31, 0.3])
    """
    ax = theme.axes(ax, size=(5.4, 3.4), xlabel="step", ylabel=loss_name)
    series = [("training", loss)] + ([] if validation is None else [("held out", validation)])
    lows, highs = [], []
    for i, (label, values) in enumerate(series):
        x, y = _points.columns(steps=steps, loss=values)
        keep = np.isfinite(y)  # a validation score may be measured on some steps only
        x, y = _points.curve(x[keep], y[keep])
        mark = "o" if len(x) <= 30 else None
        ax.plot(x, y, color=theme.colour(i), marker=mark, markersize=3.5, linewidth=1.7, label=label)
        lows.append(y.min(initial=np.inf))
        highs.append(y.max(initial=-np.inf))
    if min(lows) > 0 and max(highs) / min(lows) >= 50:
        ax.set_yscale("log")
        ax.minorticks_off()
    if validation is not None:
        theme.legend(ax, loc="upper right")
    return ax


def leaderboard(
    names: Sequence[object],
    scores: npt.ArrayLike,
    errors: npt.ArrayLike | None = None,
    *,
    score_name: str = "score",
    greater_is_better: bool = True,
    baseline: object | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Learners by score, best first, each with one standard error on each side.

    The band is the standard error of the best: what lies inside it is not told apart from the best by these folds.

    Parameters
    ----------
    names : sequence of length n_learners
        The learners.
    scores, errors : array-like of shape (n_learners,)
        Mean score over the folds and its standard error.
    score_name : str, default="score"
        What was measured.
    greater_is_better : bool, default=True
        Whether the best score is the greatest.
    baseline : object, optional
        Which of `names` is the baseline: its score is drawn as a reference.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = leaderboard(["baseline", "GaussianNB", "Ridge"], [0.5, 0.8, 0.78], [0.0, 0.01, 0.02])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['GaussianNB', 'Ridge', 'baseline']
    """
    values = _points.column(scores, "scores")
    spread = np.zeros_like(values) if errors is None else np.nan_to_num(_points.column(errors, "errors"))
    titles = theme.shorten_all(names, len(values), "names", 32)
    order = np.argsort(-values if greater_is_better else values, kind="stable")
    rows = np.arange(len(order))
    ax = theme.axes(ax, size=(6.2, 0.7 + 0.3 * max(len(order), 2)), xlabel=score_name, grid="x")
    best = order[0]
    ax.axvspan(
        values[best] - spread[best],
        values[best] + spread[best],
        color=theme.PALETTE[0],
        alpha=0.14,
        linewidth=0,
    )
    if baseline is not None and baseline in list(names):
        at = float(values[list(names).index(baseline)])
        theme.reference(ax, [at, at], [-0.6, len(order) - 0.4])
    ink = theme.ink_of(ax)
    ax.errorbar(
        values[order],
        rows,
        xerr=spread[order],
        fmt="none",
        ecolor=ink,
        elinewidth=1.1,
        capsize=2.5,
        alpha=0.75,
    )
    ax.plot(values[order], rows, "o", color=theme.PALETTE[0], markersize=6)
    ax.set_yticks(rows, [titles[i] for i in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def _band(ax: Axes, x: Floats, scores: npt.ArrayLike, argument: str, hue: str, label: str) -> Floats:
    """A line through the mean of repeats with a band of one standard error; gives the means.

    Points may have different numbers of repeats; a point with one has no band.
    """
    points = [np.atleast_1d(np.asarray(point, dtype=np.float64)) for point in scores]  # type: ignore[union-attr]
    if len(points) != len(x) or any(point.ndim != 1 or not point.size for point in points):
        raise ValueError(f"{argument} must have one row of scores per point ({len(x)}), got {len(points)}")
    mean: Floats = np.array([point.mean() for point in points])
    if any(point.size > 1 for point in points):
        half = np.array(
            [point.std(ddof=1) / np.sqrt(point.size) if point.size > 1 else 0.0 for point in points]
        )
        ax.fill_between(x, mean - half, mean + half, color=hue, alpha=0.2, linewidth=0)
    ax.plot(x, mean, "o-", color=hue, markersize=4.5, linewidth=1.8, label=label)
    return mean


def _log_axis(ax: Axes) -> None:
    """A logarithmic axis whose ticks are written out (100, 1,000, 20,000), as rows are counted."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    few = high / low < 200
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    )
    ax.xaxis.set_minor_formatter(NullFormatter())
