"""Target statistics: a level stands for the mean of the target over its rows, drawn to the overall mean.

For a level l with rows i, weights w_i and targets y_i,

    s_l = (sum_i w_i y_i + m mu) / (sum_i w_i + m),     mu = the mean of y over all rows,

so that m rows of the prior mu are added to each level. With `smoothing="auto"` m is sigma_l^2 / tau^2, the
variance of y inside the level over its variance overall (empirical Bayes). A training row is encoded
with the statistics of the folds that it is not in: it never sees its own target.

References
----------
Micci-Barreca (2001), doi:10.1145/507533.507538; Prokhorenkova et al. (2018), CatBoost, arXiv:1706.09516.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.data.encoding.categories import Levels


def is_regression(y: np.ndarray, task: str) -> bool:
    """Whether the target is a quantity; where the task is not stated, floats that are not all whole numbers are."""
    return task == "regression" or (task == "auto" and y.dtype.kind == "f" and bool(np.any(y != np.floor(y))))


def target_columns(y: Any, task: str) -> tuple[np.ndarray, list[str]]:
    """The targets whose means are taken, (n_rows, n_outputs), and what each mean is called.

    Regression has one; two classes have one, the share of the second class; more classes have one each.
    """
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(
            f"target statistics need one target, got y of shape {y.shape}: choose another categories="
        )
    if is_regression(y, task):
        return y.astype(np.float64)[:, None], ["mean of target"]
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) <= 2:
        return (codes == 1).astype(np.float64)[:, None], [f"share of {classes[-1]}"]
    return np.eye(len(classes))[codes], [f"share of {label}" for label in classes]


def smoothed_means(
    codes: np.ndarray, Y: np.ndarray, w: np.ndarray | None, width: int, smoothing: float | str
) -> np.ndarray:
    """s_l for the `width` codes of one column and, as the last row, mu for unseen levels."""
    counts, sums, squares = _sums(codes, Y, w, width)
    return _smooth(counts, sums, squares, smoothing)


def out_of_fold_means(
    codes: np.ndarray,
    Y: np.ndarray,
    w: np.ndarray | None,
    width: int,
    smoothing: float | str,
    fold: np.ndarray,
) -> np.ndarray:
    """For each row s_l over the rows of the other folds, (n_rows, n_outputs)."""
    n_folds = int(fold.max()) + 1
    per_fold = [
        _sums(codes[fold == f], Y[fold == f], None if w is None else w[fold == f], width)
        for f in range(n_folds)
    ]
    out = np.empty_like(Y)
    for f in range(n_folds):
        # the other folds are added up, not subtracted from the total: rounding would leave a trace of the own fold
        others = [per_fold[g] for g in range(n_folds) if g != f] or per_fold
        counts, sums, squares = (np.sum(part, axis=0) for part in zip(*others))
        out[fold == f] = _smooth(counts, sums, squares, smoothing)[codes[fold == f]]
    return out


def folds(n_rows: int, n_folds: int, random_state: int) -> np.ndarray:
    """The fold of each row, drawn at random with sizes that differ by at most one."""
    fold = np.arange(n_rows) % min(n_folds, n_rows)
    return np.random.default_rng(random_state).permutation(fold)


def target_values(
    levels: Levels, codes: np.ndarray, Y: np.ndarray, w: np.ndarray | None, smoothing: float | str
) -> list[np.ndarray]:
    """The table of each column that turns a code into its s_l."""
    return [
        smoothed_means(codes[:, j], Y, w, int(width), smoothing) for j, width in enumerate(levels.widths_)
    ]


def _sums(codes: np.ndarray, Y: np.ndarray, w: np.ndarray | None, width: int) -> tuple[np.ndarray, ...]:
    """Per code: sum of w (width,), of w y and of w y^2 (width, n_outputs)."""
    counts = np.bincount(codes, weights=w, minlength=width).astype(np.float64)
    wY = Y if w is None else Y * w[:, None]
    sums = np.stack([np.bincount(codes, weights=v, minlength=width) for v in wY.T], axis=1)
    squares = np.stack([np.bincount(codes, weights=v, minlength=width) for v in (wY * Y).T], axis=1)
    return counts, sums, squares


def _smooth(counts: np.ndarray, sums: np.ndarray, squares: np.ndarray, smoothing: float | str) -> np.ndarray:
    total = counts.sum() or 1.0
    mu = sums.sum(axis=0) / total  # (n_outputs,)
    n = counts[:, None]
    seen = np.maximum(n, np.finfo(np.float64).tiny)
    if smoothing == "auto":
        sigma2 = np.maximum(squares / seen - (sums / seen) ** 2, 0.0)
        tau2 = np.maximum(squares.sum(axis=0) / total - mu**2, 0.0)
        m = np.divide(sigma2, tau2, out=np.ones_like(sigma2), where=tau2 > 0)
    else:
        m = np.full_like(sums, float(smoothing))
    means = np.where(n + m > 0, (sums + m * mu) / np.maximum(n + m, np.finfo(np.float64).tiny), mu)
    means = np.where(n > 0, means, mu)
    return np.vstack([means, mu])
