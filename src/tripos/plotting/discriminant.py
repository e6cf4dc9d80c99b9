"""Classes as normal distributions: ellipses in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

POINTS = 2000


def gaussian_ellipses(
    means: np.ndarray,
    covariances: np.ndarray,
    *,
    labels: Sequence[Any] | np.ndarray,
    names: Sequence[str],
    points: np.ndarray | None = None,
    classes: Any = None,
    ax: Any = None,
) -> Any:
    """Ellipses of one and two standard deviations about each class's mean.

    Parameters
    ----------
    means : ndarray of shape (n_classes, 2)
    covariances : ndarray of shape (n_classes, 2, 2)
    labels : sequence of n_classes labels
    names : the two axes' names
    points : ndarray of shape (n_rows, 2), optional
    classes : array-like of shape (n_rows,), optional
        The points' labels.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt

    ax = plt.gca() if ax is None else ax
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    circle = np.stack([np.cos(angle), np.sin(angle)])  # (2, 121)
    every = 1 if points is None else max(1, len(points) // POINTS)
    for k, label in enumerate(labels):
        values, R = np.linalg.eigh(covariances[k])
        root = R * np.sqrt(np.maximum(values, 0.0))
        colour = f"C{k % 10}"
        for size in (1.0, 2.0):
            x, y = means[k][:, None] + size * (root @ circle)
            ax.plot(x, y, color=colour, alpha=1.0 / size, label=str(label) if size == 1.0 else None)
        ax.plot(*means[k], marker="+", color=colour)
        if points is not None and classes is not None:
            mine = points[np.asarray(classes) == label][::every]
            ax.scatter(*mine.T, s=6, color=colour, alpha=0.4, linewidths=0)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.set_title("classes as normal distributions: 1 and 2 standard deviations")
    if len(labels) <= 10:
        ax.legend()
    return ax
