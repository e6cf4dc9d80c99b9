"""Cross-validated errors along a path: each fold's path, and its mean squared error on the rows left out.

    mse = 1/W_t sum_t s_i (y_i - x_i.w - b)^2      with (w, b) from the other rows

Where the path needs only products of columns, so does the error: each fold's moments are computed once, a training
set's are those of the other folds merged, and with the test rows' mean (x_t, y_t) and scatter S

    mse = (S_yy - 2 w.S_xy + w'S_xx w) / W_t + (y_t - x_t.w - b)^2.

Else the rows stay where they are, and those left out have weight zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.executor import map_tasks
from tripos.objective.moments import Moments
from tripos.optimization.coordinate_gram import Order, Solution
from tripos.supervised.linear.lasso_problem import LassoProblem, prefers_gram, row_moments

CLEAR = 1e-7  # share of y's variance from which an error computed from moments has nine digits


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to learn from and rows to judge by, each with its weight there."""

    train: np.ndarray
    train_weight: np.ndarray | None
    test: np.ndarray
    test_weight: np.ndarray | None


def given_folds(splits: Any, sample_weight: np.ndarray | None) -> list[Fold]:
    """Folds of a splitter."""
    s = sample_weight
    return [
        Fold(train, None if s is None else s[train], test, None if s is None else s[test])
        for train, test in ((_positions(a), _positions(b)) for a, b in splits)
    ]


def _positions(rows: Any) -> np.ndarray:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def counted_folds(n_folds: int, counts: np.ndarray) -> list[Fold]:
    """Folds of consecutive rows where row i stands for `counts[i]` rows: what they would be if it were repeated,
    so that a row at a border is in two folds."""
    total = int(counts.sum())
    if total < n_folds:
        raise ValueError(
            f"Cannot have number of splits n_splits={n_folds} greater than the number of samples: n_samples={total}."
        )
    sizes = np.full(n_folds, total // n_folds)
    sizes[: total % n_folds] += 1
    borders = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.cumsum(counts)
    folds = []
    for a, b in zip(borders[:-1], borders[1:]):
        inside = np.clip(np.minimum(ends, b) - np.maximum(ends - counts, a), 0, None).astype(np.float64)
        rest = counts - inside
        test, train = np.flatnonzero(inside), np.flatnonzero(rest)
        folds.append(Fold(train, rest[train], test, inside[test]))
    return folds


@dataclass(frozen=True, eq=False)
class Paths:
    """What is fitted on each fold: for each share of the L1 penalty its alphas.

    Attributes
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    ratios : list of float
    alphas : list of ndarrays
    """

    X: Any
    y: np.ndarray
    ratios: list[float]
    alphas: list[np.ndarray]
    fit_intercept: bool
    order: Order
    precompute: Any
    options: dict[str, Any]  # positive, tol, max_iter

    def errors(self, folds: list[Fold], n_jobs: int | None) -> tuple[np.ndarray, list[Solution]]:
        """Mean squared errors of shape (n_ratios, n_folds, n_alphas), and the solutions that did not converge."""
        jobs = [(k, fold) for k in range(len(self.ratios)) for fold in range(len(folds))]
        if prefers_gram(self.X, self.precompute, many=True):
            left_out = map_tasks(lambda f: self._moments(f.test, f.test_weight), folds, n_jobs)
            if self._partition(folds):
                kept = [
                    reduce(Moments.merge, (m for other, m in enumerate(left_out) if other != fold))
                    for fold in range(len(folds))
                ]
            else:
                kept = map_tasks(lambda f: self._moments(f.train, f.train_weight), folds, n_jobs)
            found = map_tasks(
                lambda job: self._from_moments(job[0], folds[job[1]], kept[job[1]], left_out[job[1]]),
                jobs,
                n_jobs,
            )
        else:
            whole = self.X.tocsc() if sp.issparse(self.X) else self.X
            found = map_tasks(lambda job: self._from_rows(job[0], folds[job[1]], whole), jobs, n_jobs)
        errors = np.array([mse for mse, _ in found]).reshape(len(self.ratios), len(folds), -1)
        return errors, [solution for _, unfinished in found for solution in unfinished]

    def _partition(self, folds: list[Fold]) -> bool:
        """Whether each row is left out once in all and learned from otherwise."""
        if len(folds) < 2:
            return False
        n = len(self.y)
        total = np.zeros(n)
        for fold in folds:
            total[fold.test] += 1.0 if fold.test_weight is None else fold.test_weight
        for fold in folds:
            whole = np.zeros(n)
            whole[fold.test] += 1.0 if fold.test_weight is None else fold.test_weight
            whole[fold.train] += 1.0 if fold.train_weight is None else fold.train_weight
            if not np.array_equal(whole, total):
                return False
        return True

    def _moments(self, rows: np.ndarray, weight: np.ndarray | None) -> Moments:
        consecutive = (
            len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and bool(np.all(np.diff(rows) == 1))
        )
        picked: Any = slice(rows[0], rows[-1] + 1) if consecutive else rows
        return row_moments(self.X[picked], self.y[picked], weight)

    def _path(
        self, problem: LassoProblem, k: int, *, sparse: bool = False
    ) -> tuple[Any, np.ndarray, list[Solution]]:
        """Coefficients (n_alphas, n_features), in CSR if wanted; intercepts (n_alphas,); what did not converge."""
        shape = len(self.alphas[k]), len(problem.x_mean)
        W: Any = sp.lil_array(shape) if sparse else np.empty(shape)
        unfinished = []
        path = problem.walk(self.alphas[k], self.ratios[k], eased=True, **self.options)
        for i, solution in enumerate(path):
            W[i] = solution.w
            if not solution.converged:
                unfinished.append(replace(solution, w=np.empty(0)))
        W = W.tocsr() if sparse else W
        return W, problem.y_mean[0] - W @ problem.x_mean, unfinished

    def _from_moments(
        self, k: int, fold: Fold, kept: Moments, left_out: Moments
    ) -> tuple[np.ndarray, list[Solution]]:
        d = self.X.shape[1]
        problem = LassoProblem.of_moments(kept, d, fit_intercept=self.fit_intercept, order=self.order)
        W, b, unfinished = self._path(problem, k)
        S = left_out.scatter
        spread = S[d, d] - 2.0 * W @ S[:d, d] + np.einsum("ad,ad->a", W @ S[:d, :d], W)
        if spread.min() < CLEAR * S[d, d]:
            return self._row_errors(W, b, fold), unfinished
        offset = left_out.mean[d] - W @ left_out.mean[:d] - b
        return spread / left_out.weight + offset * offset, unfinished

    def _from_rows(self, k: int, fold: Fold, whole: Any) -> tuple[np.ndarray, list[Solution]]:
        weight = np.zeros(len(self.y))
        weight[fold.train] = 1.0 if fold.train_weight is None else fold.train_weight
        problem = LassoProblem.of_rows(
            whole, self.y, weight, fit_intercept=self.fit_intercept, order=self.order, many=True
        )
        W, b, unfinished = self._path(problem, k, sparse=sp.issparse(self.X))
        return self._row_errors(W, b, fold), unfinished

    def _row_errors(self, W: np.ndarray, b: np.ndarray, fold: Fold) -> np.ndarray:
        """From the rows themselves, by the columns that are used."""
        if sp.issparse(self.X):
            scores = self.X[fold.test] @ W.T
            scores = scores.toarray() if sp.issparse(W) else scores
        else:
            used = np.flatnonzero(W.any(axis=0))
            scores = self.X[np.ix_(fold.test, used)] @ W[:, used].T
        residual = self.y[fold.test, None] - scores - b
        return np.asarray(np.average(residual * residual, axis=0, weights=fold.test_weight))
