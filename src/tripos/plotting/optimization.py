"""How a minimum is found: paths on the contours of an objective, and the loss against steps and seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], npt.NDArray[Any]]

CONTOURS = 11
MARKED_STEPS = 60  # of a path, drawn as points; longer paths are lines
EDGE = 0.999  # share of 2 / L at which gradient descent on badly scaled features all but diverges
GAP = 1e-16  # least difference from the minimum that a logarithmic axis shows, relative to the first


def descent_paths(
    function: Function,
    paths: Mapping[str, npt.ArrayLike],
    *,
    minimum: npt.ArrayLike | None = None,
    names: theme.Names = None,
    title: str = "",
    resolution: int = 120,
    ax: Axes | None = None,
) -> Axes:
    """Optimisers racing on the contours of one objective of two parameters.

    Parameters
    ----------
    function : callable
        Takes an array of shape (n_points, 2), gives n_points values.
    paths : mapping of str to array-like of shape (n_steps, 2)
        Where each method was, step by step.
    minimum : array-like of shape (2,), optional
        Marked with a cross.
    names : sequence of two, optional
        Names of the parameters.
    title : str
    resolution : int, default=120
        Points of the grid along each axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> bowl = lambda points: points[:, 0] ** 2 + 10 * points[:, 1] ** 2
    >>> ax = descent_paths(bowl, {"adam": [[1.0, 1.0], [0.5, 0.5], [0.1, 0.0]]}, minimum=[0.0, 0.0])
    >>> ax.get_legend().get_texts()[0].get_text()
    'adam'
    """
    walks = {theme.shorten(name, 24): _path(path, str(name)) for name, path in paths.items()}
    if not walks:
        raise ValueError("paths must hold the path of one method at least")
    lowest = None if minimum is None else np.asarray(minimum, dtype=np.float64).reshape(1, 2)
    titles = theme.shorten_all(names if names is not None else ("w0", "w1"), 2, "names")
    ax = theme.axes(ax, size=(5.4, 4.2), xlabel=titles[0], ylabel=titles[1], title=title, grid=None)
    seen = np.concatenate([*walks.values(), *([] if lowest is None else [lowest])])
    _contours(ax, function, seen, resolution)
    for i, (name, path) in enumerate(walks.items()):
        x, y = _points.curve(path[:, 0], path[:, 1])
        mark = "o" if len(path) <= MARKED_STEPS else None
        style = {"linewidth": 1.4, "marker": mark, "markersize": 2.8, "linestyle": theme.dash(i)}
        ax.plot(x, y, color=theme.colour(i), label=name, **style)
    if lowest is not None:
        ax.plot(*lowest[0], "x", color=theme.ink_of(ax), markersize=7, markeredgewidth=1.6)
    theme.legend(ax, loc="best")
    return ax


def zig_zag(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    names: theme.Names = None,
    steps: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Gradient descent on two features as they are, and on the same features scaled.

    Least squares on centred columns is a bowl whose contours are as elongated as the curvatures differ. The
    largest rate that does not diverge, 2 / L, is set by the steep axis: on it the path zig-zags, along the
    flat one it hardly moves. Scaled to unit variance, the bowl is nearly round and the same number of steps
    ends at the minimum.

    Parameters
    ----------
    X : array-like of shape (n_rows, 2)
        Two features on their own scales.
    y : array-like of shape (n_rows,)
        The target.
    names : sequence of two, optional
        Names of the features.
    steps : int, default=40
    ax : matplotlib Axes, optional
        Where to draw both panels; a new figure by default.

    Returns
    -------
    matplotlib Axes
        The two panels are its child axes.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) * [1.0, 5.0]
    >>> left, right = zig_zag(X, X @ [1.0, 1.0]).child_axes
    >>> left.get_title(loc="left"), right.get_title(loc="left")
    ('as they are: 40 steps', 'scaled: 40 steps')
    """
    columns = np.asarray(X, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1] != 2:
        raise ValueError(f"X must have two columns, the features of the plane; got shape {columns.shape}")
    target = _points.column(y, "y")
    if len(target) != len(columns):
        raise ValueError(f"y has {len(target)} rows, X has {len(columns)}")
    spread = columns.std(axis=0)
    if not (spread > 0.0).all():
        raise ValueError(f"column {int(np.argmin(spread))} of X is constant: it has no scale")
    columns, target = columns - columns.mean(axis=0), target - target.mean()
    titles = theme.shorten_all(names if names is not None else ("x0", "x1"), 2, "names")
    host = theme.axes(ax, size=(8.4, 3.8), grid=None)
    host.set_axis_off()
    for place, title, Z, share in (
        ((0.0, 0.0, 0.43, 1.0), "as they are", columns, EDGE),
        ((0.57, 0.0, 0.43, 1.0), "scaled", columns / spread, 0.5),
    ):
        H, c = Z.T @ Z / len(Z), Z.T @ target / len(Z)
        start = 2.0 * _minimum(H, c) + _across(H, c)
        path, minimum = _descent(H, c, start, share, steps)
        panel = host.inset_axes(place)
        panel.patch.set_alpha(0.0)
        descent_paths(
            _bowl(H, minimum),
            {"gradient descent": path},
            minimum=minimum,
            names=[f"w of {name}" for name in titles],
            title=f"{title}: {steps} steps",
            ax=panel,
        )
        legend = panel.get_legend()
        if legend is not None:
            legend.remove()
    return host


def loss_race(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    against: str = "step",
    minimum: float | None = None,
    loss_name: str = "loss",
    ax: Axes | None = None,
) -> Axes:
    """The loss of several methods against steps, or against seconds: a step of one may cost many of another.

    Parameters
    ----------
    histories : mapping of str to mapping
        `history_` of each method: columns step, loss, seconds.
    against : {"step", "seconds"}, default="step"
    minimum : float, optional
        The least loss there is: the axis then shows, logarithmically, how much is left.
    loss_name : str, default="loss"
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> slow = {"step": [0, 1, 2], "loss": [1.0, 0.5, 0.4], "seconds": [0.0, 0.1, 0.2]}
    >>> ax = loss_race({"gradient-descent": slow}, against="seconds", minimum=0.3)
    >>> ax.get_xlabel(), ax.get_yscale()
    ('seconds', 'log')
    """
    if against not in ("step", "seconds"):
        raise ValueError(f"against must be 'step' or 'seconds', got {against!r}")
    if not histories:
        raise ValueError("histories must hold the history of one method at least")
    label = loss_name if minimum is None else f"{loss_name} above the minimum"
    ax = theme.axes(ax, size=(5.4, 3.6), xlabel=against, ylabel=label)
    for i, (name, history) in enumerate(histories.items()):
        x, loss = _points.columns(**{against: history[against], "loss": history["loss"]})
        if minimum is not None:
            loss = np.maximum(loss - minimum, GAP * max(abs(loss[0] - minimum), 1e-300))
        drawn = _points.curve(x, np.log(loss) if minimum is not None else loss)
        x, loss = drawn[0], np.exp(drawn[1]) if minimum is not None else drawn[1]
        style: dict[str, Any] = {"linewidth": 1.7, "linestyle": theme.dash(i)}
        ax.plot(x, loss, color=theme.colour(i), label=theme.shorten(name, 24), **style)
    if minimum is not None:
        ax.set_yscale("log")
        ax.minorticks_off()
    theme.legend(ax, loc="upper right")
    return ax


def _path(path: npt.ArrayLike, name: str) -> Floats:
    walk = np.asarray(path, dtype=np.float64)
    if walk.ndim != 2 or walk.shape[1] != 2 or not len(walk):
        raise ValueError(f"the path of {name} must have shape (n_steps, 2), got {walk.shape}")
    return walk[np.isfinite(walk).all(axis=1)]


def _contours(ax: Axes, function: Function, seen: Floats, resolution: int) -> None:
    """Thin lines of equal value over the plane that the paths cross, closer together near the minimum."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    pad = 0.12 * np.maximum(high - low, 1e-9)
    low, high = low - pad, high + pad
    across, up = np.meshgrid(*(np.linspace(low[j], high[j], resolution) for j in range(2)))
    values = np.asarray(function(np.column_stack([across.ravel(), up.ravel()])), dtype=np.float64)
    values = values.reshape(across.shape)
    bottom, top = np.nanmin(values), np.nanmax(values)
    levels = bottom + (top - bottom) * np.linspace(0.0, 1.0, CONTOURS + 1)[1:-1] ** 2.5
    if top > bottom:
        ink = theme.ink_of(ax)
        ax.contour(across, up, values, levels=levels, colors=[ink], linewidths=0.7, alpha=0.4)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _across(H: Floats, c: Floats) -> Floats:
    """From the minimum along the steepest axis, as far as the objective at 0 is high."""
    values, axes = np.linalg.eigh(H)
    height = float(c @ _minimum(H, c))
    step: Floats = axes[:, -1] * np.sqrt(height / values[-1])
    return step


def _descent(H: Floats, c: Floats, start: Floats, share: float, steps: int) -> tuple[Floats, Floats]:
    """The path of w <- w - rate (H w - c) with `share` of the rate 2 / L, and the minimum."""
    rate = share * 2.0 / np.linalg.eigvalsh(H)[-1]
    path = [start]
    for _ in range(steps):
        path.append(path[-1] - rate * (H @ path[-1] - c))
    return np.array(path), _minimum(H, c)


def _minimum(H: Floats, c: Floats) -> Floats:
    """Least squares; the shortest solution where the columns are collinear."""
    return np.asarray(np.linalg.lstsq(H, c, rcond=None)[0], dtype=np.float64)


def _bowl(H: Floats, minimum: Floats) -> Function:
    def value(points: Floats) -> Floats:
        apart = points - minimum
        height: Floats = 0.5 * np.einsum("ij,jk,ik->i", apart, H, apart)
        return height

    return value
