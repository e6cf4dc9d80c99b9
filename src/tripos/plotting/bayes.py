"""What naive Bayes learned: the density of each feature in each class, the words that speak for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
MAX_CLASSES = 10
MAX_LOG_ODDS = 25.0  # without smoothing a feature seen in one class only has infinite odds


def gaussian_densities(
    means: npt.ArrayLike,
    variances: npt.ArrayLike,
    priors: npt.ArrayLike | None = None,
    *,
    labels: theme.Names = None,
    names: theme.Names = None,
    top: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """The normal density of each class, one ridge per feature, the best separated features first.

    Each feature is drawn in units of its pooled standard deviation about its overall mean. Separation is
    Fisher's ratio: the variance of the class means over the mean variance inside the classes.

    Parameters
    ----------
    means, variances : array-like of shape (n_classes, n_features)
        Mean and variance of each feature in each class.
    priors : array-like of shape (n_classes,), optional
        Class probabilities; equal by default.
    labels, names : sequences, optional
        The classes and the features.
    top : int, default=8
        How many features are drawn.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = gaussian_densities([[0.0, 1.0], [0.1, 5.0]], [[1.0, 1.0], [1.0, 2.0]], names=["width", "length"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['length', 'width']
    """
    theta, var, prior = _densities(means, variances, priors)
    k, d = theta.shape
    classes = theme.shorten_all(labels, k, "labels")
    features = theme.shorten_all(names, d, "names", 28)
    overall = prior @ theta
    within = prior @ var
    between = prior @ (theta - overall) ** 2
    order = np.argsort(-between / within, kind="stable")[:top]
    shown = np.sort(np.argsort(-prior, kind="stable")[:MAX_CLASSES])
    title = f"{len(order)} of {d} features, best separated first" if d > len(order) else ""
    ax = theme.axes(
        ax,
        size=(6.0, 1.1 + 0.62 * len(order)),
        xlabel="standard deviations from the mean",
        title=title,
        grid="x",
    )
    centre = (theta - overall) / np.sqrt(within)  # (n_classes, n_features)
    width = np.sqrt(var / within)
    for row, j in enumerate(order):
        _ridge(ax, row, centre[shown, j], width[shown, j], classes if row == 0 else None, shown)
    ax.set_yticks(range(len(order)), [features[j] for j in order])
    ax.set_ylim(len(order) - 0.9, -1.0)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    theme.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _densities(
    means: npt.ArrayLike, variances: npt.ArrayLike, priors: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    theta, var = np.asarray(means, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if theta.ndim != 2 or theta.shape != var.shape:
        raise ValueError(
            f"means and variances must both have shape (n_classes, n_features), got {theta.shape} and {var.shape}"
        )
    prior = np.full(len(theta), 1 / len(theta)) if priors is None else _points.column(priors, "priors")
    if len(prior) != len(theta):
        raise ValueError(f"priors has {len(prior)} entries, expected {len(theta)}")
    smallest = np.maximum(var.max(axis=0), 1.0) * 1e-12  # a constant feature still has a spike to draw
    return theta, np.maximum(var, smallest), prior


def _ridge(
    ax: Axes, row: int, centre: Floats, width: Floats, labels: list[str] | None, shown: npt.NDArray[np.intp]
) -> None:
    """The densities of one feature above its own base line; the highest fills the height of the row."""
    low, high = float((centre - 3.2 * width).min()), float((centre + 3.2 * width).max())
    low, high = max(low, -6.0), min(high, 6.0)
    x = np.linspace(low, high, 100)
    z = (x[None, :] - centre[:, None]) / width[:, None]  # (n_classes, n_points)
    density = np.exp(-0.5 * z * z) / width[:, None]
    density *= 0.86 / density.max(initial=np.finfo(float).tiny)
    for i, height in enumerate(density):
        hue = theme.colour(i)
        ax.fill_between(x, row, row - height, color=hue, alpha=0.22, linewidth=0)
        label = None if labels is None else labels[shown[i]]
        ax.plot(x, row - height, color=hue, linestyle=theme.dash(i), linewidth=1.5, label=label)
    ax.plot([low, high], [row, row], color=theme.ink_of(ax), alpha=0.3, linewidth=0.8)


def feature_log_odds(
    log_odds: npt.ArrayLike,
    *,
    labels: theme.Names = None,
    names: theme.Names = None,
    top: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """The features (words) that speak most for each class against the others.

    Parameters
    ----------
    log_odds : array-like of shape (n_classes, n_features)
        ``log P(feature | class) - log P(feature | other classes)``: what one occurrence adds to the log-odds of the class.
    labels, names : sequences, optional
        The classes (the first ten are drawn) and the features.
    top : int, default=10
        How many features of each class are drawn; fewer where there are more than two classes.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = feature_log_odds(
    ...     [[1.9, 0.0, -1.9], [-1.9, 0.0, 1.9]], labels=["ham", "spam"], names=["lunch", "call", "prize"], top=1
    ... )
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['lunch', 'prize']
    """
    odds = np.clip(np.asarray(log_odds, dtype=np.float64), -MAX_LOG_ODDS, MAX_LOG_ODDS)
    if odds.ndim != 2 or odds.size == 0:
        raise ValueError(f"log_odds must have shape (n_classes, n_features), got {odds.shape}")
    k, d = odds.shape
    classes = theme.shorten_all(labels, k, "labels")
    features = theme.shorten_all(names, d, "names", 24)
    shown = range(min(k, MAX_CLASSES))
    each = min(top, d, max(24 // len(shown), 2) if k > 2 else top)
    picked = [(c, j) for c in shown for j in np.argsort(-odds[c], kind="stable")[:each]]
    ax = theme.axes(
        ax, size=(5.8, 0.8 + 0.24 * len(picked)), xlabel="log-odds added by one occurrence", grid="x"
    )
    theme.horizontal_bars(
        ax,
        np.array([odds[c, j] for c, j in picked]),
        [features[j] for _, j in picked],
        [theme.colour(c) for c, _ in picked],
    )
    for c in shown:
        ax.plot([], [], "s", color=theme.colour(c), label=classes[c])
    theme.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
