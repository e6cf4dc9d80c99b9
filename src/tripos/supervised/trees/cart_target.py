"""What the rows of a tree add up to: whole numbers in floats, so that every sum is exact.

Targets of a regression are rounded to multiples of 1/scale around their centre, with `scale` a power of two so large
that no sum leaves the 52 bits of a float's mantissa: 2^-30 of the spread for a million rows. Weights that are not whole are treated
likewise. So sums depend neither on order nor on side, a weight of k is k rows to the last bit, and two cuts that part
the rows alike gain exactly the same. What a leaf answers is computed from the targets as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.supervised.trees.cart_scan import (
    ABSOLUTE,
    CLASSES,
    DENSE,
    ENTROPY,
    LOSSES,
    ONE,
    POISSON,
    SQUARES,
)

MANTISSA, WEIGHT_BITS = 51, 30
TABLE = 1 << 22  # weights up to which 1/v and v log v are looked up


@dataclass(frozen=True, eq=False)
class Target:
    """A target as the kernels of `cart_grow` take it; made by `class_target` or `number_target`.

    Attributes
    ----------
    kind, criterion : int
    n_outputs, n_sums : int
    sums : tuple of ndarray
        Numbers (n_rows, n_sums) and class codes (n_rows, n_outputs) to be added up, the first sum of each output, weights,
        and a table of 1/v or of v log v; those not needed are empty.
    y : float64 ndarray of shape (n_rows, n_outputs), or (n_rows, 0) for classes
    total : float
        Weight of all rows, in the units of `sums`.
    unit : float
        Factor that makes an impurity decrease times weight of what the scans return.
    weight_scale, center, scale : float
        A row's weight is multiplied by the first; a number is (y - center) scale.
    """

    kind: int
    criterion: int
    n_outputs: int
    n_sums: int
    sums: tuple[np.ndarray, ...]
    y: np.ndarray
    total: float
    unit: float
    weight_scale: float = 1.0
    center: float = 0.0
    scale: float = 1.0


def class_target(
    codes: np.ndarray, n_classes: list[int], criterion: str, sample_weight: np.ndarray | None = None
) -> Target:
    """The target of a classification.

    Parameters
    ----------
    codes : int ndarray of shape (n_rows, n_outputs)
    n_classes : list of int
    criterion : {"gini", "entropy", "log_loss"}
    sample_weight : ndarray of shape (n_rows,), optional
        Positive; counts of a bootstrap sample for a forest.
    """
    n, n_outputs = codes.shape
    w, weight_scale, total = whole_weights(sample_weight, n)
    empty = np.empty((n, 0))
    if criterion == "gini" and n_classes == [2]:
        q = codes.astype(np.float64) if w.size == 0 else codes * w[:, None]
        sums = (
            np.ascontiguousarray(q),
            np.empty((n, 0), np.int32),
            np.zeros(1, np.int64),
            w,
            inverses(w, total),
        )
        return Target(ONE, SQUARES, 1, 1, sums, empty, total, 2.0, weight_scale)
    offsets = np.cumsum([0, *n_classes]).astype(np.int64)
    entropy = criterion != "gini"
    table = np.empty(0)
    if entropy and total <= TABLE:
        v = np.arange(int(total) + 1.0)
        table = v * np.log(np.maximum(v, 1.0))
    sums = (empty, np.ascontiguousarray(codes, dtype=np.int32), offsets, w, table)
    unit = 1.0 / n_outputs / (np.log(2.0) if entropy else 1.0)
    kind = ENTROPY if entropy else SQUARES
    return Target(CLASSES, kind, n_outputs, int(offsets[-1]), sums, empty, total, unit, weight_scale)


def number_target(y: np.ndarray, criterion: str, sample_weight: np.ndarray | None = None) -> Target:
    """The target of a regression.

    Parameters
    ----------
    y : float64 ndarray of shape (n_rows, n_outputs)
    criterion : {"squared_error", "absolute_error", "poisson"}
    sample_weight : ndarray of shape (n_rows,), optional
    """
    n, n_outputs = y.shape
    w, weight_scale, total = whole_weights(sample_weight, n)
    v = np.ones(n) if w.size == 0 else w
    spread = float(np.ptp(y)) or 1.0
    grain = 2.0 ** (np.floor(np.log2(spread)) - 20)
    center = 0.0
    if criterion != "poisson":
        center = float(np.round((y * v[:, None]).sum() / (total * n_outputs) / grain) * grain)
    size = float((np.abs(y - center) * v[:, None]).sum(axis=0).max())
    scale = 2.0 ** np.floor(MANTISSA - np.log2(size)) if size > 0 else 1.0
    scale = min(scale, 2.0**900)
    q = np.rint((y - center) * scale)
    kinds = {"squared_error": SQUARES, "poisson": POISSON, "absolute_error": ABSOLUTE}
    code = kinds[criterion]
    kind = LOSSES if code == ABSOLUTE else ONE if code == SQUARES and n_outputs == 1 else DENSE
    unit = 1.0 / n_outputs / (scale * scale if code == SQUARES else scale)
    if w.size and kind != LOSSES:
        q = q * w[:, None]
    inverse = inverses(w, total) if kind == ONE else np.empty(0)
    empty = (np.empty((n, 0), np.int32), np.zeros(1, np.int64))
    sums = (np.ascontiguousarray(q), *empty, w, inverse)
    y = np.ascontiguousarray(y, dtype=np.float64)
    return Target(kind, code, n_outputs, n_outputs, sums, y, total, unit, weight_scale, center, scale)


def whole_weights(sample_weight: np.ndarray | None, n: int) -> tuple[np.ndarray, float, float]:
    """Weights as whole numbers (none: an empty array), what they were multiplied by, and their sum."""
    if sample_weight is None or not len(sample_weight):
        return np.empty(0), 1.0, float(n)
    w = np.ascontiguousarray(sample_weight, dtype=np.float64)
    if w.max() == 1.0 and w.min() == 1.0:
        return np.empty(0), 1.0, float(n)
    total = float(w.sum())
    if total < 2.0**WEIGHT_BITS and (w == np.floor(w)).all():
        return w, 1.0, total
    scale = 2.0 ** np.floor(40 - np.log2(total))
    whole = np.maximum(np.rint(w * scale), 1.0)
    return whole, float(scale), float(whole.sum())


def inverses(w: np.ndarray, total: float) -> np.ndarray:
    """1/v for v = 0, 1, ..., total; empty where weights are not small whole numbers."""
    if total > TABLE:
        return np.empty(0)
    v = np.arange(int(total) + 1.0)
    v[0] = 1.0
    return np.asarray(1.0 / v)


def by_target(y: np.ndarray) -> np.ndarray:
    """The rows in the order of each output, as entries, shape (n_outputs, n_rows)."""
    order: Any = np.argsort(y, axis=0, kind="stable").T
    return np.ascontiguousarray(order, dtype=np.uint64)
