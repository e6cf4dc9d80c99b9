"""The rows that a fitted linear model is judged on: scores, sums over rows, weighted moments, by blocks.

    eta_i = x_i.w + b + offset_i

Nothing of the size of X is made; the scores eta (one number a row) are kept where X lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, Blocks, default_rows, row_blocks
from tripos.compute.executor import reduce_blocks
from tripos.objective.moments import ROWS_PER_COLUMN, Moments, block_moments
from tripos.supervised.linear.family import Family

NO_WEIGHT = 1e-300  # so that a block without weight has a mean

Rowwise = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (y, eta, mu) -> (n,)


@dataclass(frozen=True, eq=False)
class Design:
    """Rows, and the linear predictor on them.

    Attributes
    ----------
    blocks : Blocks
    family : Family
    w : ndarray of shape (n_features,)
    b : float
    fit_intercept : bool
    offset : ndarray of shape (n_rows,), or None
    scores : ndarray of shape (n_rows,), or None
        eta; None where the rows are streamed.
    X : ndarray or CSR of shape (n_rows, n_features), or None
        All rows; None where they are streamed.
    """

    blocks: Blocks
    family: Family
    w: np.ndarray
    b: float
    fit_intercept: bool
    offset: np.ndarray | None
    scores: np.ndarray | None
    X: Any

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any,
        sample_weight: np.ndarray | None,
        family: Family,
        w: np.ndarray,
        b: float,
        *,
        fit_intercept: bool,
        offset: np.ndarray | None = None,
    ) -> Design:
        """From rows in memory, or from `Blocks` (y and weights are then theirs)."""
        w = np.asarray(w, dtype=np.float64)
        if isinstance(X, Blocks):
            return cls(X, family, w, b, fit_intercept, offset, None, None)
        width = X.shape[1] + 1
        row_bytes = X.nnz / max(X.shape[0], 1) * 12 if sp.issparse(X) else X.shape[1] * X.itemsize
        rows = max(default_rows(row_bytes), ROWS_PER_COLUMN * width)
        return cls(
            row_blocks(X, np.asarray(y, dtype=np.float64), sample_weight, rows=rows),
            family,
            w,
            float(b),
            fit_intercept,
            offset,
            np.full(X.shape[0], np.nan),
            X,
        )

    @property
    def n_parameters(self) -> int:
        return len(self.w) + self.fit_intercept

    def rows(self, block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """y, eta, mu and the weights of a block; eta is computed when first asked for."""
        assert block.y is not None
        y = np.asarray(block.y, dtype=np.float64).reshape(-1)
        eta = None if self.scores is None else self.scores[block.start : block.stop]
        if eta is None or (len(eta) and np.isnan(eta[0])):
            found = np.asarray(block.X.astype(np.float64, copy=False) @ self.w) + self.b
            if self.offset is not None:
                found += self.offset[block.start : block.stop]
            if eta is None:
                eta = found
            else:
                eta[:] = found
        return y, eta, self.family.mean(eta), block.sample_weight

    def values(self, f: Rowwise) -> np.ndarray:
        """s_i f_i of every row, shape (n_rows,)."""
        parts = []
        for block in self.blocks:
            y, eta, mu, s = self.rows(block)
            parts.append(f(y, eta, mu) if s is None else f(y, eta, mu) * s)
        return np.concatenate(parts)

    def total(self, f: Rowwise) -> float:
        """sum_i s_i f(y_i, eta_i, mu_i)."""

        def partial(block: Block) -> float:
            y, eta, mu, s = self.rows(block)
            values = f(y, eta, mu)
            return float(values.sum() if s is None else values @ s)

        return reduce_blocks(partial, _add, self.blocks)

    def total_at(self, b: float | None, f: Rowwise) -> float:
        """The same for the model that knows an intercept b and the offset only; mu = 0 where b is None."""

        def partial(block: Block) -> float:
            y, s = np.asarray(block.y, dtype=np.float64).reshape(-1), block.sample_weight
            eta = np.full(len(y), 0.0 if b is None else b)
            if self.offset is not None:
                eta += self.offset[block.start : block.stop]
            values = f(y, eta, self.family.mean(eta))
            return float(values.sum() if s is None else values @ s)

        return reduce_blocks(partial, _add, self.blocks)

    def gradient(self, f: Rowwise) -> tuple[float, np.ndarray]:
        """sum_i s_i f_i and sum_i s_i f_i x_i."""

        def partial(block: Block) -> tuple[float, np.ndarray]:
            y, eta, mu, s = self.rows(block)
            values = f(y, eta, mu) if s is None else f(y, eta, mu) * s
            return float(values.sum()), np.asarray(block.X.T @ values.astype(np.float64))

        return reduce_blocks(partial, lambda p, q: (p[0] + q[0], p[1] + q[1]), self.blocks)

    def moments(self, weigh: Callable[[Block], np.ndarray | None]) -> Moments:
        """Moments of the columns with weights of each block's rows (s_i is not applied here)."""

        def partial(block: Block) -> Moments:
            weights = weigh(block)
            if weights is not None:
                weights = kernel_array(np.maximum(weights, NO_WEIGHT))
            return block_moments(replace(block, sample_weight=weights))

        return features_of(reduce_blocks(partial, Moments.merge, self.blocks), len(self.w))

    def column_moments(self) -> Moments:
        return self.moments(lambda block: block.sample_weight)

    def information_moments(self, *, observed: bool = False) -> Moments:
        """Moments with the weights s_i mu_i'^2 / V(mu_i), or the observed curvature."""

        def weigh(block: Block) -> np.ndarray:
            y, eta, mu, s = self.rows(block)
            family = self.family
            found = family.observed_information(y, eta, mu) if observed else family.information(eta, mu)
            return found if s is None else found * s

        return self.moments(weigh)

    def triangle(self, weighting: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
        """(center, scale) -> R, upper triangular, with R'R the weighted scatter about `center` of the columns
        times `scale`; None where the rows are sparse."""
        if self.blocks.sparse:
            return None

        def triangle(center: np.ndarray, scale: np.ndarray) -> np.ndarray:
            def partial(block: Block) -> np.ndarray:
                y, eta, mu, s = self.rows(block)
                rows = (block.X.astype(np.float64, copy=False) - center) * scale
                if weighting != "columns":
                    found = self.family.information(eta, mu)
                    s = found if s is None else found * s
                if s is not None:
                    rows *= np.sqrt(s)[:, None]
                return np.asarray(scipy.linalg.qr(rows, mode="r", check_finite=False)[0][: len(scale)])

            def merge(p: np.ndarray, q: np.ndarray) -> np.ndarray:
                stacked = scipy.linalg.qr(np.vstack([p, q]), mode="r", check_finite=False)[0]
                return np.asarray(stacked[: len(scale)])

            return reduce_blocks(partial, merge, self.blocks)

        return triangle


def features_of(moments: Moments, d: int) -> Moments:
    """The features' part of the moments of [X, y]."""
    return Moments(moments.weight, moments.n_rows, moments.mean[:d], moments.scatter[:d, :d])


def _add(p: float, q: float) -> float:
    return p + q
