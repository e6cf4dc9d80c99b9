"""How well classes are told apart: confusion matrix, ROC and precision-recall curves, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tripos.plotting import _points, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_CELLS = 20  # classes a confusion matrix shows as a matrix
MAX_SERIES = 8


def confusion_matrix(counts: npt.ArrayLike, labels: theme.Names = None, *, ax: Axes | None = None) -> Axes:
    """Counts of (true, predicted) pairs, each with its share of the true class.

    Parameters
    ----------
    counts : array-like of shape (n_classes, n_classes)
        ``counts[i, j]`` rows of class i were predicted as class j (as `tripos.metrics.confusion_matrix` gives).
    labels : sequence of length n_classes, optional
        Names of the classes; their indices by default.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        With more than 20 classes a bar chart of the pairs most often confused.

    Examples
    --------
    >>> ax = confusion_matrix([[963, 3], [11, 138]], ["ham", "spam"])
    >>> ax.get_xlabel()
    'predicted'
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.size == 0:
        raise ValueError(f"counts must be square, one row and column per class, got shape {table.shape}")
    names = theme.shorten_all(labels, len(table), "labels")
    share = table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    if len(table) > MAX_CELLS:
        return _confused_pairs(table, share, names, ax)
    side = float(np.clip(2.2 + 0.42 * len(table), 3.4, 8.5))
    ax = theme.axes(ax, size=(side + 0.8, side), xlabel="predicted", ylabel="true", grid=None)
    ax.imshow(share, cmap=theme.ramp(theme.PALETTE[0]), vmin=0.0, vmax=0.95 / theme.MAX_TINT, aspect="auto")
    _write_cells(ax, table, share)
    ticks = range(len(names))
    long = max(map(len, names)) > 6 and len(names) > 3
    turned: dict[str, Any] = (
        {"rotation": 45, "ha": "right", "va": "center", "rotation_mode": "anchor"} if long else {}
    )
    ax.set_xticks(ticks, names, **turned)
    ax.set_yticks(ticks, names)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _write_cells(ax: Axes, table: npt.NDArray[Any], share: npt.NDArray[Any]) -> None:
    ink, whole = theme.ink_of(ax), bool(np.all(table == np.round(table)))
    dense = len(table) > 10
    style: dict[str, Any] = {"ha": "center", "color": ink, "textcoords": "offset points"}
    for (i, j), count in np.ndenumerate(table):
        if count == 0 and i != j:
            continue  # an empty cell says it better than a zero
        text = f"{count:,.0f}" if whole else f"{count:.3g}"
        if dense:
            ax.annotate(text, (j, i), (0, 0), va="center", fontsize=7, **style)
        else:
            ax.annotate(text, (j, i), (0, 1), va="bottom", fontsize=9, **style)
            ax.annotate(f"{share[i, j]:.1%}", (j, i), (0, -1), va="top", fontsize=7.5, alpha=0.8, **style)


def _confused_pairs(
    table: npt.NDArray[Any], share: npt.NDArray[Any], names: list[str], ax: Axes | None
) -> Axes:
    wrong = table - np.diag(np.diag(table))
    order = np.argsort(-wrong, axis=None, kind="stable")[: theme.MAX_BARS]
    order = order[wrong.ravel()[order] > 0]
    true, predicted = np.unravel_index(order, table.shape)
    title = f"most confused of {len(names)} classes"
    ax = theme.axes(ax, size=(6.4, 0.6 + 0.24 * max(len(order), 3)), xlabel="rows", title=title, grid="x")
    theme.horizontal_bars(
        ax,
        wrong[true, predicted],
        [f"{names[i]} taken for {names[j]}" for i, j in zip(true, predicted)],
        [theme.PALETTE[1]] * len(order),
        notes=[f"{share[i, j]:.0%} of {names[i]}" for i, j in zip(true, predicted)],
    )
    theme.count_axis(ax.xaxis)
    return ax


def roc_curve(
    fpr: Any,
    tpr: Any,
    *,
    area: float | Sequence[float] | None = None,
    names: theme.Names = None,
    ax: Axes | None = None,
) -> Axes:
    """True positive rate against false positive rate as the threshold falls.

    Parameters
    ----------
    fpr, tpr : array-like of shape (n_thresholds,), or lists of such arrays
        One curve, or one per class (one against the rest); at most eight are drawn, smallest area first.
    area : float or sequence of float, optional
        Areas under the curves, written in the legend.
    names : sequence, optional
        Names of the curves.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = roc_curve([0, 0, 0.5, 1], [0, 0.5, 1, 1], area=0.875)
    """
    ax = theme.axes(ax, size=(4.8, 4.2), xlabel="false positive rate", ylabel="true positive rate")
    theme.reference(ax, [0, 1], [0, 1])
    _series(ax, _points.stack(fpr, "fpr"), _points.stack(tpr, "tpr"), area, names, "area")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    theme.legend(ax, loc="lower right")
    return ax


def precision_recall_curve(
    precision: Any,
    recall: Any,
    *,
    area: float | Sequence[float] | None = None,
    names: theme.Names = None,
    prevalence: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Precision against recall as the threshold falls.

    Parameters
    ----------
    precision, recall : array-like of shape (n_thresholds,), or lists of such arrays
        One curve, or one per class (one against the rest).
    area : float or sequence of float, optional
        Average precisions, written in the legend.
    names : sequence, optional
        Names of the curves.
    prevalence : float, optional
        Share of positive rows, the precision of guessing: drawn as a reference.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = precision_recall_curve([0.5, 0.67, 1, 1], [1, 1, 0.5, 0], prevalence=0.5)
    """
    ax = theme.axes(ax, size=(4.8, 4.2), xlabel="recall", ylabel="precision")
    if prevalence is not None:
        theme.reference(ax, [0, 1], [prevalence, prevalence], "guessing")
    _series(ax, _points.stack(recall, "recall"), _points.stack(precision, "precision"), area, names, "AP")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    theme.legend(ax, loc="lower left")
    return ax


def _series(
    ax: Axes,
    xs: list[npt.NDArray[np.float64]],
    ys: list[npt.NDArray[np.float64]],
    area: float | Sequence[float] | None,
    names: theme.Names,
    measure: str,
) -> None:
    """Curves with a legend of name and area; of many classes those that do worst."""
    areas = None if area is None else np.atleast_1d(np.asarray(area, dtype=np.float64))
    titles = theme.shorten_all(names, len(xs), "names") if names is not None or len(xs) > 1 else [""]
    order = np.arange(len(xs))
    if len(xs) > MAX_SERIES:
        order = (order if areas is None else np.argsort(areas, kind="stable"))[:MAX_SERIES]
    for place, i in enumerate(order):
        label = titles[i] if areas is None else f"{titles[i]} {measure} {areas[i]:.3f}".strip()
        x, y = _points.columns(x=xs[i], y=ys[i])
        x, y = _points.curve(x, y)
        ax.plot(
            x, y, color=theme.colour(place), linestyle=theme.dash(place), linewidth=1.9, label=label or None
        )


def calibration(
    predicted: Any,
    observed: Any,
    *,
    count: Any = None,
    names: theme.Names = None,
    ax: Axes | None = None,
) -> Axes:
    """Observed frequency against predicted probability, bin by bin: on the diagonal 0.8 means 80 %.

    Parameters
    ----------
    predicted, observed : array-like of shape (n_bins,), or lists of such arrays
        Mean predicted probability and share of positive rows in each bin, of one model or several.
    count : array-like of shape (n_bins,), or list of such arrays, optional
        Rows in each bin: draws 95 % Wilson intervals.
    names : sequence, optional
        Names of the models.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    References
    ----------
    E. B. Wilson (1927). Probable inference, the law of succession, and statistical inference. JASA 22.

    Examples
    --------
    >>> ax = calibration([0.1, 0.5, 0.9], [0.08, 0.55, 0.93], count=[120, 40, 80])
    """
    xs, ys = _points.stack(predicted, "predicted"), _points.stack(observed, "observed")
    counts = None if count is None else _points.stack(count, "count")
    titles: list[str | None] = (
        [None] if names is None and len(xs) == 1 else [*theme.shorten_all(names, len(xs), "names")]
    )
    ax = theme.axes(ax, size=(4.8, 4.2), xlabel="predicted probability", ylabel="observed frequency")
    theme.reference(ax, [0, 1], [0, 1], "perfect")
    for i, (x, y) in enumerate(zip(xs, ys)):
        x, y = _points.columns(predicted=x, observed=y)
        hue = theme.colour(i)
        if counts is not None:
            low, high = _wilson(y, counts[i])
            ax.vlines(x, low, high, color=hue, alpha=0.45, linewidth=1.4)
        ax.plot(
            x,
            y,
            marker="o",
            color=hue,
            linestyle=theme.dash(i),
            markersize=4.5,
            linewidth=1.7,
            label=titles[i],
        )
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    theme.legend(ax, loc="upper left")
    return ax


def _wilson(
    share: npt.NDArray[np.float64], n: npt.NDArray[np.float64], z: float = 1.96
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    n = np.maximum(n, 1.0)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def score_distribution(
    scores: npt.ArrayLike,
    y_true: npt.ArrayLike,
    *,
    labels: theme.Names = None,
    threshold: float | None = None,
    bins: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """How the scores of each true class spread: overlap is what no threshold can repair.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        Probability or decision value of the positive class.
    y_true : array-like of shape (n_rows,)
        True classes.
    labels : sequence, optional
        The classes to draw, in order; all that occur (at most eight) by default.
    threshold : float, optional
        Drawn as a reference.
    bins : int, default=40
        Number of bins.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = score_distribution([0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1], threshold=0.5, bins=10)
    """
    values, truth = _points.column(scores, "scores"), np.asarray(y_true)
    if len(truth) != len(values):
        raise ValueError(f"y_true has {len(truth)} rows, scores has {len(values)}")
    classes = list(np.unique(truth) if labels is None else labels)[:MAX_SERIES]
    ax = theme.axes(ax, size=(5.2, 3.4), xlabel="score", ylabel="share of the class", grid="y")
    edges = np.linspace(
        *((0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else _points.central(values)), bins + 1
    )
    for i, label in enumerate(classes):
        own = values[truth == label]
        height = np.histogram(own, edges)[0] / max(len(own), 1)
        ax.stairs(height, edges, fill=True, color=theme.colour(i), alpha=0.28)
        ax.stairs(height, edges, color=theme.colour(i), linewidth=1.5, label=theme.shorten(label))
    if threshold is not None:
        ax.axvline(threshold, color=theme.ink_of(ax), alpha=0.55, linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_ylim(bottom=0)
    theme.legend(ax, loc="upper center")
    return ax


def decision_boundary(
    predict: Callable[[npt.NDArray[np.float64]], npt.NDArray[Any]],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    names: theme.Names = None,
    resolution: int = 200,
    ax: Axes | None = None,
) -> Axes:
    """The class predicted at each point of the plane, under the rows themselves.

    Parameters
    ----------
    predict : callable
        Takes an array of shape (n_points, 2), gives n_points labels.
    X : array-like of shape (n_rows, 2)
        The two features.
    y : array-like of shape (n_rows,)
        True classes.
    names : sequence of two, optional
        Names of the features.
    resolution : int, default=200
        Points of the grid along each axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> ax = decision_boundary(lambda points: points[:, 0] > 0.5, X, [False, True], resolution=20)
    """
    points, truth = np.asarray(X, dtype=np.float64), np.asarray(y)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have two columns, the features of the plane; got shape {points.shape}")
    titles = theme.shorten_all(names if names is not None else ("x0", "x1"), 2, "names")
    ax = theme.axes(ax, size=(5.0, 4.2), xlabel=titles[0], ylabel=titles[1], grid=None)
    (left, right), (bottom, top) = _points.central(points[:, 0]), _points.central(points[:, 1])
    across, up = np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution))
    region = np.asarray(predict(np.column_stack([across.ravel(), up.ravel()]))).ravel()
    classes, codes = np.unique(np.concatenate([truth, region]), return_inverse=True)
    ax.imshow(
        _tinted(codes[len(truth) :].reshape(across.shape)),
        extent=(left, right, bottom, top),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    rows = _points.subset(len(points))
    for code, label in enumerate(classes):
        own = rows[codes[: len(truth)][rows] == code]
        ax.plot(
            points[own, 0],
            points[own, 1],
            "o",
            color=theme.colour(code),
            markersize=3.6,
            markeredgewidth=0,
            alpha=0.85,
            label=theme.shorten(label),
        )
    ax.set(xlim=(left, right), ylim=(bottom, top))
    theme.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _tinted(codes: npt.NDArray[np.intp], opacity: float = 0.22) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgba_array

    hues = to_rgba_array(theme.PALETTE)
    hues[:, 3] = opacity
    tinted: npt.NDArray[np.float64] = hues[codes % len(hues)]
    return tinted
