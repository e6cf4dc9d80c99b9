"""Coefficients of a linear model along the strength of its penalty, and the cross-validation that chose one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tripos.plotting import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
LABELLED = 8  # lines of a path that carry their name
MAX_LINES = 20  # those with the largest coefficients
MAX_STEPS = 60  # of a line


def coefficient_path(
    strengths: npt.ArrayLike,
    coefs: npt.ArrayLike,
    *,
    chosen: float | None = None,
    scores: npt.ArrayLike | None = None,
    names: theme.Names = None,
    xlabel: str = "penalty alpha",
    weaker: str = "left",
    ax: Axes | None = None,
) -> Axes:
    """Coefficients along the strength of the penalty, and below them the cross-validation that chose one.

    Parameters
    ----------
    strengths : array-like of shape (n_strengths,)
        Positive, in any order.
    coefs : array-like of shape (n_strengths, n_features)
    chosen : float, optional
        The strength that was taken.
    scores : array-like of shape (n_strengths, n_folds), optional
        Errors of the folds (or scores, where the chosen strength has the largest). Drawn with a band of one standard
        error; the strongest penalty inside the band of the best is marked too.
    names : sequence of length n_features, optional
        The features; those with the largest coefficients are named.
    xlabel : str
        What the strength is.
    weaker : {"left", "right"}, default="left"
        On which side the penalty is weakest: "right" for its inverse, C.
    ax : matplotlib Axes, optional
        Where to draw the coefficients alone; a new figure by default.

    Returns
    -------
    matplotlib Axes
        The one with the coefficients.

    Examples
    --------
    >>> ax = coefficient_path([0.1, 1.0, 10.0], [[2.0, -1.0], [1.0, 0.0], [0.0, 0.0]], chosen=1.0, names=["a", "b"])
    >>> [text.get_text() for text in ax.texts]
    ['a', 'b']
    """
    alpha, W = np.asarray(strengths, dtype=np.float64), np.asarray(coefs, dtype=np.float64)
    if W.ndim != 2 or alpha.shape != W.shape[:1] or not (alpha > 0).all():
        raise ValueError(f"coefs of shape {W.shape} need as many positive strengths, got {alpha}")
    order = np.argsort(alpha, kind="stable")
    order = order[np.unique(np.linspace(0, len(order) - 1, MAX_STEPS).round().astype(int))]
    alpha, W = alpha[order], W[order]
    titles = theme.shorten_all(names, W.shape[1], "names", 22)
    below = scores is not None and ax is None
    ax = theme.axes(ax, size=(6.6, 5.6 if below else 4.0), xlabel=xlabel, ylabel="coefficient")
    ax.set_xscale("log")
    size = np.abs(W).max(axis=0)
    shown = np.argsort(-size, kind="stable")[:MAX_LINES]
    named = shown[:LABELLED][size[shown[:LABELLED]] > 0]
    for j in shown[len(named) :]:
        ax.plot(alpha, W[:, j], color=theme.ink_of(ax), alpha=0.3, linewidth=0.8)
    for position, j in enumerate(named):
        ax.plot(alpha, W[:, j], color=theme.colour(position), linestyle=theme.dash(position), linewidth=1.7)
    theme.reference(ax, [alpha[0], alpha[-1]], [0.0, 0.0])
    ax.set_xlim(alpha[0], alpha[-1])
    edge = 0 if weaker == "left" else -1
    _name_lines(ax, [titles[j] for j in named], W[edge, named], float(alpha[edge]), weaker)
    if W.shape[1] > MAX_LINES:
        ax.set_title(f"{MAX_LINES} of {W.shape[1]} features", color=theme.ink_of(ax), fontsize=11, loc="left")
    if chosen is not None:
        label = None if below else f"chosen: {chosen:.3g}"
        ax.axvline(chosen, color=theme.ink_of(ax), linewidth=1.2, alpha=0.8, label=label)
        theme.legend(ax, loc="best")
    if below:
        ax.set_xlabel("")
        _cross_validation(ax, alpha, np.asarray(scores, dtype=np.float64)[order], chosen, xlabel, weaker)
    return ax


def _name_lines(ax: Axes, names: list[str], heights: Floats, edge: float, side: str) -> None:
    """Names at the end of their lines, moved apart where they would touch."""
    bottom, top = ax.get_ylim()
    gap = 0.055 * (top - bottom)
    order = np.argsort(heights, kind="stable")
    placed = np.array(heights, dtype=np.float64)[order]
    for _ in range(200):  # neighbours push each other apart until none overlap
        overlap = np.maximum(gap - np.diff(placed), 0.0)
        if not len(overlap) or overlap.max() < 1e-3 * gap:
            break
        placed[:-1] -= overlap / 2
        placed[1:] += overlap / 2
    at = dict(zip(order.tolist(), placed.tolist()))
    for position, name in enumerate(names):
        ax.annotate(
            name, (edge, at[position]), xytext=(-5 if side == "left" else 5, 0), textcoords="offset points",
            ha="right" if side == "left" else "left", va="center", fontsize=8.5, color=theme.colour(position),
            annotation_clip=False,
        )  # fmt: skip
    if side == "left":  # the names take the side of the axis
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")
        ax.spines["left"].set_visible(False)
        ax.spines["right"].set_visible(True)


def _cross_validation(
    ax: Axes, alpha: Floats, scores: Floats, chosen: float | None, xlabel: str, weaker: str
) -> None:
    """The panel below a path: mean of the folds with one standard error, the choice and its simpler neighbour."""
    mean, n_folds = scores.mean(axis=1), scores.shape[1]
    error = scores.std(axis=1, ddof=1) / np.sqrt(n_folds) if n_folds > 1 else np.zeros(len(mean))
    at = int(np.argmin(mean)) if chosen is None else int(np.argmin(np.abs(np.log(alpha / chosen))))
    rising = mean[at] - mean.min() > mean.max() - mean[at]  # a score, of which more is better
    best = int(np.argmax(mean) if rising else np.argmin(mean))
    near = (mean >= mean[best] - error[best]) if rising else (mean <= mean[best] + error[best])
    simplest = np.flatnonzero(near)[-1 if weaker == "left" else 0]
    lower = theme.second_panel(ax, rows=2, height_ratios=(3, 2))
    what = "cross-validated score" if rising else "cross-validated error"
    theme.axes(lower, size=(0, 0), xlabel=xlabel, ylabel=what)
    lower.set_xscale("log")
    hue = theme.PALETTE[0]
    if n_folds > 1:
        low, high = mean - error, mean + error
        lower.fill_between(alpha, low, high, color=hue, alpha=0.22, linewidth=0, label="one standard error")
    label = f"mean of {n_folds} folds" if n_folds > 1 else "mean over rows left out"
    lower.plot(alpha, mean, color=hue, linewidth=1.8, label=label)
    ink = theme.ink_of(ax)
    lower.axvline(alpha[at], color=ink, linewidth=1.2, alpha=0.8, label=f"chosen: {alpha[at]:.3g}")
    if simplest != at:
        for panel in (ax, lower):
            text = f"simplest within one error: {alpha[simplest]:.3g}" if panel is lower else None
            panel.axvline(
                alpha[simplest], color=ink, linewidth=1.2, alpha=0.8, linestyle=(0, (2, 2)), label=text
            )
    lower.set_xlim(*ax.get_xlim())
    if weaker == "left":
        lower.yaxis.tick_right()
        lower.yaxis.set_label_position("right")
        lower.spines["left"].set_visible(False)
        lower.spines["right"].set_visible(True)
    theme.legend(lower, loc="best")
