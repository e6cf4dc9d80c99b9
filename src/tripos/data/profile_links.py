"""How much one column says about the target: the usual coefficients, and a score on rows that were not looked at.

Association is Spearman's rank correlation (number, number), the area under the ROC curve (number, two classes), the
correlation ratio eta = sqrt(variance between groups / variance) (number, groups) or Cramer's V (levels, classes).

The score predicts the target from one column alone: its values are cut into at most `BINS` cells, the mean of the target
(or the share of each class) in a cell on one half of the rows predicts the other half, and back. It is the weighted
one-against-rest AUC for classes and R2 for numbers, from counts per cell only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tripos.compute.random import generator
from tripos.data.schema_kinds import Column

BINS = 64
MOST_CLASSES = 50
MOST_CELLS = 20_000  # levels of a column; beyond, nearly each row has its own

Array = np.ndarray


@dataclass(frozen=True)
class Link:
    """What one column says about the target.

    Attributes
    ----------
    measure, value : the association
    score_measure, score : of the target predicted from this column alone, on rows not looked at
    cells : number of cells that the column was cut into
    """

    measure: str
    value: float
    score_measure: str
    score: float
    cells: int


class Target:
    """The target of a sample as numbers or as class codes."""

    def __init__(self, values: pl.Series, task: str) -> None:
        self.is_classes = task != "regression"
        if self.is_classes:
            codes, n_classes = level_codes(values)
            order = np.argsort(-np.bincount(codes, minlength=n_classes), kind="stable")[:MOST_CLASSES]
            rank = np.full(n_classes, len(order), dtype=np.int64)
            rank[order] = np.arange(len(order))
            self.codes, self.n_classes = rank[codes], len(order) + (n_classes > len(order))
        else:
            self.y = _floats(values)


def _floats(values: pl.Series) -> Array:
    numbers = values.to_physical() if values.dtype.is_temporal() else values
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()


def level_codes(values: pl.Series) -> tuple[Array, int]:
    """A code per different value, missing as one of them, and their number."""
    codes = values.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    codes -= codes.min(initial=1)
    return codes, int(codes.max(initial=-1)) + 1


def cells_of(values: pl.Series, column: Column) -> tuple[Array, int]:
    """The cell of each row: its level, or the interval of equally frequent numbers that holds it."""
    if values.dtype in (pl.String, pl.Boolean) or values.n_unique() <= BINS:
        return level_codes(values)
    x = _floats(values)
    known = x[np.isfinite(x)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.empty(0)
    cells = np.searchsorted(edges, x, side="left")
    cells[np.isnan(x)] = len(edges) + 1
    return cells.astype(np.int64), len(edges) + 2


def link(values: pl.Series, column: Column, target: Target, seed: int = 0) -> Link | None:
    """The association and the score of one column; None for text and for columns of a cell per row."""
    if column.kind == "text":
        return None
    cells, n_cells = cells_of(values, column)
    if n_cells < 2 or n_cells > MOST_CELLS:
        return None
    is_levels = values.dtype in (pl.String, pl.Boolean) or column.kind == "integer code"
    half = generator(seed).permutation(len(cells)) % 2 == 0
    if target.is_classes:
        measure, value = _class_association(values, cells, is_levels, target)
        return Link(measure, value, "AUC", _class_score(cells, n_cells, target, half), n_cells)
    measure, value = _number_association(values, cells, is_levels, target.y)
    return Link(measure, value, "R2", _number_score(cells, n_cells, target.y, half), n_cells)


def _class_association(values: pl.Series, cells: Array, is_levels: bool, target: Target) -> tuple[str, float]:
    if is_levels:
        return "Cramer's V", cramers_v(cells, target.codes)
    x = _floats(values)
    known = np.isfinite(x)
    if target.n_classes == 2:
        return "AUC", rank_area(x[known], target.codes[known] == 1)
    return "eta", correlation_ratio(x[known], target.codes[known])


def _number_association(values: pl.Series, cells: Array, is_levels: bool, y: Array) -> tuple[str, float]:
    if is_levels:
        return "eta", correlation_ratio(y, cells)
    x = _floats(values)
    known = np.isfinite(x) & np.isfinite(y)
    return "Spearman", pearson(ranks(x[known]), ranks(y[known]))


def ranks(x: Array) -> Array:
    """Ranks from 1, ties at their mean."""
    return pl.Series(x).rank("average").to_numpy()


def pearson(x: Array, y: Array) -> float:
    """Correlation; 0 where either is constant."""
    if len(x) < 2:
        return 0.0
    u, v = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((u @ u) * (v @ v)))
    return float(np.clip((u @ v) / scale, -1, 1)) if scale > 0 else 0.0


def rank_area(x: Array, positive: Array) -> float:
    """Area under the ROC curve of x: the chance that a positive row has the greater value, ties counted half."""
    n_positive = int(positive.sum())
    n_negative = len(x) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    return float((ranks(x)[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def correlation_ratio(x: Array, groups: Array) -> float:
    """eta = sqrt(sum_g n_g (mean_g - mean)^2 / sum_i (x_i - mean)^2)."""
    total = float(((x - x.mean()) ** 2).sum()) if len(x) else 0.0
    if total <= 0:
        return 0.0
    n = np.bincount(groups)
    means = np.bincount(groups, weights=x) / np.maximum(n, 1)
    return float(np.sqrt(min((n * (means - x.mean()) ** 2).sum() / total, 1.0)))


def cramers_v(a: Array, b: Array) -> float:
    """V = sqrt(chi2 / (n (min(rows, columns) - 1))) of the table of counts."""
    counts = _counts(a, b, int(a.max()) + 1, int(b.max()) + 1)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(min(chi2 / (counts.sum() * smaller), 1.0)))


def _counts(a: Array, b: Array, n_a: int, n_b: int) -> Array:
    return np.bincount(a * n_b + b, minlength=n_a * n_b).reshape(n_a, n_b)


def _class_score(cells: Array, n_cells: int, target: Target, half: Array) -> float:
    """One-against-rest AUC, weighted by the classes' rows, of the shares learned on the other half."""
    k = target.n_classes
    first = _counts(cells[half], target.codes[half], n_cells, k)
    second = _counts(cells[~half], target.codes[~half], n_cells, k)
    return (_held_out_area(first, second) + _held_out_area(second, first)) / 2


def _held_out_area(learned: Array, held: Array) -> float:
    prior = (learned.sum(axis=0) + 1e-9) / (learned.sum() + 1e-9)
    shares = (learned + prior) / (
        learned.sum(axis=1, keepdims=True) + 1
    )  # one row of the prior in every cell
    rows = held.sum(axis=1)
    areas, weights = [], []
    for c in range(held.shape[1]):
        positive = held[:, c]
        negative = rows - positive
        if positive.sum() and negative.sum():
            areas.append(_area_of_counts(shares[:, c], positive, negative))
            weights.append(positive.sum())
    return float(np.average(areas, weights=weights)) if areas else 0.5


def _area_of_counts(score: Array, positive: Array, negative: Array) -> float:
    """AUC from the positive and negative rows at each score."""
    _, place = np.unique(score, return_inverse=True)
    p = np.bincount(place, weights=positive)
    n = np.bincount(place, weights=negative)
    below = np.cumsum(n) - n
    return float((p * (below + n / 2)).sum() / (p.sum() * n.sum()))


def _number_score(cells: Array, n_cells: int, y: Array, half: Array) -> float:
    """R2 of the means learned on the other half; below 0 counts as 0."""
    known = np.isfinite(y)
    scores = [_held_out_r2(cells, n_cells, y, known & side, known & ~side) for side in (half, ~half)]
    return max(float(np.mean(scores)), 0.0)


def _held_out_r2(cells: Array, n_cells: int, y: Array, learned: Array, held: Array) -> float:
    if not learned.any() or not held.any():
        return 0.0
    mean = y[learned].mean()
    n = np.bincount(cells[learned], minlength=n_cells)
    means = (np.bincount(cells[learned], weights=y[learned], minlength=n_cells) + mean) / (n + 1)
    residual = ((y[held] - means[cells[held]]) ** 2).sum()
    total = ((y[held] - y[held].mean()) ** 2).sum()
    return float(1 - residual / total) if total > 0 else 0.0
