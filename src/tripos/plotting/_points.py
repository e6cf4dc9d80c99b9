"""Thinning: what a figure keeps of a million points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

from tripos.plotting.theme import ramp

MAX_POINTS = 1_000  # drawn one by one; more become a density
MAX_VERTICES = 400  # of a curve
DENSITY_CELLS = (72, 54)

Floats = npt.NDArray[np.float64]


def column(values: npt.ArrayLike, name: str) -> Floats:
    """A 1-d float array, or an error that names the argument."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a non-empty 1-d array, got shape {array.shape}")
    return array


def columns(**arrays: npt.ArrayLike) -> list[Floats]:
    """1-d float arrays of one length, or an error that names them."""
    found = {name: column(values, name) for name, values in arrays.items()}
    if len({len(array) for array in found.values()}) > 1:
        lengths = ", ".join(f"{name} has {len(array)}" for name, array in found.items())
        raise ValueError(f"arrays must have one length: {lengths}")
    return list(found.values())


def curve(x: Floats, y: Floats, limit: int = MAX_VERTICES) -> tuple[Floats, Floats]:
    """At most `limit` vertices, evenly spaced along the length of the curve; both ends stay."""
    if len(x) <= limit:
        return x, y
    span_x, span_y = np.ptp(x) or 1.0, np.ptp(y) or 1.0
    length = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x) / span_x, np.diff(y) / span_y))))
    keep = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], limit)))
    keep = np.union1d(keep, [0, len(x) - 1])
    return x[keep], y[keep]


def subset(n: int, limit: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """The rows to draw of n: all, or the same random `limit` of them every time."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, limit, replace=False))


def cloud(ax: Axes, x: Floats, y: Floats, hue: str) -> None:
    """Points; when there are too many to tell apart, their density on a logarithmic scale."""
    if len(x) <= MAX_POINTS:
        size = float(np.clip(600 / len(x), 1.6, 4.5))
        ax.plot(x, y, "o", color=hue, markersize=size, alpha=0.8, markeredgewidth=0, zorder=2)
        return
    window = [central(x), central(y)]
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=DENSITY_CELLS, range=window)
    ax.imshow(
        np.log1p(counts.T),
        extent=(x_edges[0], x_edges[-1], y_edges[0], y_edges[-1]),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=ramp(hue),
        zorder=2,
    )


def central(values: Floats) -> tuple[float, float]:
    """A range that holds 99.8 % of the values, so that one outlier does not flatten the picture."""
    low, high = (float(q) for q in np.quantile(values, [0.001, 0.999]))
    if low == high:
        low, high = float(values.min()), float(values.max())
    pad = 0.03 * (high - low) or 0.5
    return low - pad, high + pad


def stack(values: Any, name: str) -> list[Floats]:
    """One array, or a list of arrays (one per series), as a list of 1-d float arrays."""
    if isinstance(values, list | tuple) and len(values) and np.ndim(values[0]) == 1:
        return [column(series, f"{name}[{i}]") for i, series in enumerate(values)]
    return [column(values, name)]
