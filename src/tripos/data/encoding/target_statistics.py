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

import numpy as np

from tripos.compute.random import RandomState, generator
from tripos.data.encoding.categories import Levels


def is_regression(y: np.ndarray, task: str) -> bool:
    """Whether the target is a quantity; where the task is not stated, floats that are not all whole numbers are."""
    return task == "regression" or (task == "auto" and y.dtype.kind == "f" and bool(np.any(y != np.floor(y))))


def target_columns(y: np.ndarray, task: str) -> tuple[np.ndarray, list[str]]:
    """The targets whose means are taken, (n_rows, n_outputs), and what each mean is called.

    Regression has one; two classes have one, the share of the second class; more classes have one each.
    """
    if y.ndim != 1:
        raise ValueError(
            f"target statistics need one target, got y of shape {y.shape}: choose other categories="
        )
    if is_regression(y, task):
        return y.astype(np.float64)[:, None], ["mean of target"]
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) <= 2:
        return (codes == 1).astype(np.float64)[:, None], [f"share of {classes[-1]}"]
    return np.eye(len(classes))[codes], [f"share of {label}" for label in classes]


def target_values(
    levels: Levels, codes: np.ndarray, Y: np.ndarray, w: np.ndarray | None, smoothing: float | str
) -> list[np.ndarray]:
    """The table of each column that turns a code into its s_l, and an unseen level into mu."""
    return [
        _smoothed(_sums(codes[:, j], Y, w, int(width)), smoothing) for j, width in enumerate(levels.widths)
    ]


def out_of_fold(
    levels: Levels,
    codes: np.ndarray,
    Y: np.ndarray,
    w: np.ndarray | None,
    smoothing: float | str,
    fold: np.ndarray,
) -> np.ndarray:
    """For each row the s_l over the rows of the other folds, (n_rows, n_columns * n_outputs)."""
    columns = [
        _column_out_of_fold(codes[:, j], Y, w, int(width), smoothing, fold)
        for j, width in enumerate(levels.widths)
    ]
    return np.hstack(columns)


def folds(n_rows: int, n_folds: int, random_state: RandomState) -> np.ndarray:
    """The fold of each row, drawn at random; sizes differ by at most one."""
    return generator(random_state).permutation(np.arange(n_rows) % min(n_folds, n_rows))


def _column_out_of_fold(
    codes: np.ndarray,
    Y: np.ndarray,
    w: np.ndarray | None,
    width: int,
    smoothing: float | str,
    fold: np.ndarray,
) -> np.ndarray:
    members = [np.flatnonzero(fold == f) for f in range(int(fold.max()) + 1)]
    per_fold = [_sums(codes[rows], Y[rows], None if w is None else w[rows], width) for rows in members]
    encoded = np.empty_like(Y)
    for f, rows in enumerate(members):
        # the other folds are added up, not subtracted from the total: rounding would leave a trace of the own fold
        others = per_fold[:f] + per_fold[f + 1 :]
        sums = np.sum(others, axis=0) if others else np.zeros_like(per_fold[0])
        encoded[rows] = _smoothed(sums, smoothing)[codes[rows]]
    return encoded


def _sums(codes: np.ndarray, Y: np.ndarray, w: np.ndarray | None, width: int) -> np.ndarray:
    """Per code the sums of w, w y and w y^2, (3, width, n_outputs); rows of unseen levels (code -1) are left out."""
    w = np.ones(len(Y)) if w is None else w
    at = np.where(codes < 0, width, codes)

    def per_code(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, weights=values, minlength=width + 1)[:width]

    sums = [[per_code(w), per_code(w * y), per_code(w * y * y)] for y in Y.T]
    return np.array(sums).transpose(1, 2, 0)


def _smoothed(sums: np.ndarray, smoothing: float | str) -> np.ndarray:
    """s_l of each code and, as the last row, mu: (width + 1, n_outputs)."""
    n, total, squares = sums
    N = max(n[:, 0].sum(), np.finfo(np.float64).tiny)
    mu = total.sum(axis=0) / N  # (n_outputs,)
    if smoothing == "auto":
        present = np.maximum(n, np.finfo(np.float64).tiny)
        sigma2 = np.maximum(squares / present - (total / present) ** 2, 0.0)
        tau2 = np.maximum(squares.sum(axis=0) / N - mu**2, 0.0)
        m = np.divide(sigma2, tau2, out=np.ones_like(sigma2), where=tau2 > 0)
    else:
        m = np.full_like(n, float(smoothing))
    means = np.divide(total + m * mu, n + m, out=np.tile(mu, (len(n), 1)), where=n > 0)
    return np.vstack([means, mu])
