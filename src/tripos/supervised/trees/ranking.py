"""LambdaMART: derivatives that push each query's items into the order of their relevance.

For two items of a query with relevance y_i > y_j, scores s and ranks r by falling score,

    rho = 1 / (1 + exp(s_i - s_j)),    Delta = |2^y_i - 2^y_j| |1 / log2(1 + r_i) - 1 / log2(1 + r_j)| / best DCG,
    g_i -= rho Delta,    g_j += rho Delta,    h_i += rho (1 - rho) Delta,    h_j += rho (1 - rho) Delta.

Pairs whose better-ranked item stands behind the place `truncation` are left out. As LightGBM does, Delta is divided by
0.01 + |s_i - s_j|, and a query with the sum S of its 2 rho Delta has its derivatives multiplied by log2(1 + S) / S.

References
----------
C. Burges, "From RankNet to LambdaRank to LambdaMART: an overview" (2010), MSR-TR-2010-82.
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.supervised.trees.gradients import Gradients

QUERIES_PER_PIECE = 64
MOST_RELEVANT = 31  # 2^y is a number of float32


@kernel
def rank_items(s, order):  # type: ignore[no-untyped-def]
    """Positions by falling score, equal ones in their order (shell sort on score and position)."""
    n = s.size
    for i in range(n):
        order[i] = i
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            item = order[i]
            j = i
            while j >= gap and (
                s[order[j - gap]] < s[item] or (s[order[j - gap]] == s[item] and order[j - gap] > item)
            ):
                order[j] = order[j - gap]
                j -= gap
            order[j] = item
        gap //= 3


@kernel("f4[::1], f8[::1], f8[::1], i8[::1], f8[::1], f8[::1], i8, i8, i8, f4[::1], f4[::1]")
def lambdas(  # type: ignore[no-untyped-def]
    scores, gains, discounts, starts, inverse_best, weights, truncation, first, last, slope, curvature
):  # fmt: skip
    """Derivatives of the queries first <= q < last; returns 1 - NDCG, weighted and summed."""
    behind = 0.0
    for q in range(first, last):
        begin, end = starts[q], starts[q + 1]
        n = end - begin
        s, gain = scores[begin:end], gains[begin:end]
        order = np.empty(n, np.int64)
        rank_items(s, order)
        g, h = np.zeros(n), np.zeros(n)
        total, dcg = 0.0, 0.0
        for a in range(n):
            dcg += gain[order[a]] * discounts[a]
        for a in range(min(n, truncation)):
            i = order[a]
            for b in range(a + 1, n):
                j = order[b]
                if gain[i] == gain[j]:
                    continue
                sign = 1.0 if gain[i] > gain[j] else -1.0
                apart = float(s[i]) - float(s[j])
                delta = abs(gain[i] - gain[j]) * abs(discounts[a] - discounts[b]) * inverse_best[q]
                delta /= 0.01 + abs(apart)
                rho = 1.0 / (1.0 + math.exp(sign * apart))
                g[i] -= sign * rho * delta
                g[j] += sign * rho * delta
                h[i] += rho * (1.0 - rho) * delta
                h[j] += rho * (1.0 - rho) * delta
                total += 2.0 * rho * delta
        factor = math.log2(1.0 + total) / total if total > 0.0 else 1.0
        factor *= weights[q]
        for i in range(n):
            slope[begin + i] = np.float32(g[i] * factor)
            curvature[begin + i] = np.float32(h[i] * factor)
        behind += weights[q] * (1.0 - dcg * inverse_best[q]) if inverse_best[q] > 0.0 else 0.0
    return behind


class RankGradients(Gradients):
    """Derivatives of LambdaMART; the loss is 1 - NDCG.

    Parameters
    ----------
    y : float ndarray of shape (n_rows,)
        Relevance: 0, 1, 2, ...
    starts : int64 ndarray of shape (n_queries + 1,)
        Query q has the rows starts[q] <= i < starts[q + 1].
    weight : float64 ndarray of shape (n_queries,)
    truncation : int
    baseline, start
        As in `Gradients`.
    """

    def __init__(
        self,
        y: np.ndarray,
        starts: np.ndarray,
        weight: np.ndarray,
        truncation: int,
        baseline: np.ndarray,
        start: np.ndarray | None = None,
    ) -> None:
        super().__init__(None, y, None, baseline, start)
        self.gains = 2.0 ** y.astype(np.float64) - 1.0
        self.starts, self.query_weight, self.truncation = starts, weight, truncation
        self.discounts = 1.0 / np.log2(np.arange(2.0, np.diff(starts).max() + 2.0))
        self.inverse_best = np.zeros(len(starts) - 1)
        for q in range(len(starts) - 1):
            best = -np.sort(-self.gains[starts[q] : starts[q + 1]])
            top = best @ self.discounts[: len(best)]
            self.inverse_best[q] = 1.0 / top if top > 0 else 0.0

    def update(self) -> float:
        """Slopes and curvatures at the scores; returns 1 - NDCG."""
        n = len(self.starts) - 1

        def piece(first: int) -> float:
            last = min(first + QUERIES_PER_PIECE, n)
            return float(
                lambdas(
                    self.scores[0],
                    self.gains,
                    self.discounts,
                    self.starts,
                    self.inverse_best,
                    self.query_weight,
                    self.truncation,
                    first,
                    last,
                    self.slopes[0],
                    self.curvatures[0],
                )
            )

        behind = sum(parallel(piece, range(0, n, QUERIES_PER_PIECE)))
        self.totals[0, 1] = np.abs(self.slopes[0]).sum(dtype=np.float64)
        self.totals[0, 2] = self.curvatures[0].sum(dtype=np.float64)
        return behind / max(float(self.query_weight.sum()), 1e-300)
