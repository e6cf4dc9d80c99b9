"""Losses of the training rows and their derivatives by the scores, as the integers that trees are grown on."""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel, thread_count
from tripos.metrics.quantile import weighted_quantile
from tripos.objective.losses import (
    ABSOLUTE_CODE,
    HUBER_CODE,
    LOG,
    LOG_CODE,
    QUANTILE_CODE,
    SQUARED_CODE,
    Loss,
    PointwiseLoss,
    SoftmaxLoss,
    log_rows,
    pointwise_rows,
    softmax_rows,
    squared_rows,
)
from tripos.supervised.trees.grow import Grown
from tripos.supervised.trees.histogram import pack, pack_weighted, scale

OF_RESIDUALS = (SQUARED_CODE, ABSOLUTE_CODE, HUBER_CODE, QUANTILE_CODE)  # L(y, F) depends on y - F alone
WITHOUT_CURVATURE = (ABSOLUTE_CODE, QUANTILE_CODE)
CONSTANT = (
    SQUARED_CODE,
    HUBER_CODE,
    *WITHOUT_CURVATURE,
)  # h_i = w_i; far from y Huber's loss has no curvature
ROWS_PER_PIECE = 1 << 15
PACKED_ROWS = 1 << 17  # a piece of packing
ROWS_OF_TWO = 1 << 19  # below so many two threads take longer than one
MOST_REPEATS = (
    2.0**30
)  # rows that integer weights may stand for; above, weights are rounded with the gradients
UNWEIGHTED, INTEGER_WEIGHTS, ANY_WEIGHTS = range(3)
U = np.uint64


@kernel("f4[::1], f4[::1], f4[::1], f8[::1], f8[::1]")
def add_totals(loss, slope, curvature, weight, totals):  # type: ignore[no-untyped-def]
    """Adds sum w L, sum w |g| and sum w h to totals; no weights stand for ones."""
    one = np.float64(1)
    L = G = H = 0.0
    for i in range(slope.size):
        w = weight[i] if weight.size else one
        L += w * loss[i]
        G += w * abs(slope[i])
        H += w * curvature[i]
    totals[0] += L
    totals[1] += G
    totals[2] += H


@kernel("f4[:, ::1], i8[::1], i8, f4[:, ::1], f4[:, ::1]")
def softmax_derivatives(p, y, start, slopes, curvatures):  # type: ignore[no-untyped-def]
    """p_k - 1 for a row's class k, else p_k, and p_k (1 - p_k), of the rows from `start` on."""
    one = np.float32(1)
    for k in range(p.shape[0]):
        here = p[k]
        slope, curvature = slopes[k, start : start + y.size], curvatures[k, start : start + y.size]
        for i in range(U(y.size)):
            slope[i] = here[i]
            curvature[i] = here[i] * (one - here[i])
    for i in range(U(y.size)):
        slopes[U(y[i]), U(start) + i] -= one


def mean_loss(loss: Loss, y: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> float:
    """Weighted mean of the loss; scores have shape (n_rows, n_outputs)."""
    if isinstance(loss, SoftmaxLoss):
        total = float(loss.value(y, np.ascontiguousarray(scores.T), weight))
    else:
        targets = y.reshape(len(y), -1).T
        columns = [np.ascontiguousarray(column) for column in scores.T]
        total = float(np.mean([loss.value(t, eta, weight) for t, eta in zip(targets, columns, strict=True)]))
    return total / (len(y) if weight is None else float(weight.sum()))


def best_constant(loss: Loss, y: np.ndarray, weight: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """F_0, float64 of shape (n_outputs,)."""
    if isinstance(loss, SoftmaxLoss):
        share = np.bincount(y, weight, n_outputs) / (len(y) if weight is None else weight.sum())
        eta = np.log(np.maximum(share, 1e-15))
        return np.asarray(eta - eta.mean())
    if y.ndim == 2:
        return np.concatenate([best_constant(loss, column, weight, 1) for column in y.T])
    if loss.code in WITHOUT_CURVATURE:
        return weighted_quantile(y.astype(np.float64)[:, None], _level(loss), weight)
    mean = float(np.average(y.astype(np.float64), weights=weight))
    if loss.code in OF_RESIDUALS:
        return np.array([mean])
    if loss is LOG:
        mean = min(max(mean, 1e-15), 1 - 1e-15)
        return np.array([np.log(mean / (1 - mean))])
    return np.array([np.log(max(mean, 1e-15))])


def _level(loss: PointwiseLoss) -> float:
    return loss.parameter if loss.code == QUANTILE_CODE else 0.5


class Gradients:
    """Loss, slopes and curvatures of the training rows at the scores as they stand.

    Parameters
    ----------
    loss : Loss
    y : ndarray of shape (n_rows,)
        Class codes (int64) for softmax, else numbers.
    weight : float64 ndarray of shape (n_rows,), optional
    baseline : float64 ndarray of shape (n_outputs,)
        Scores before the first tree.
    start : ndarray of shape (n_rows, n_outputs), optional
        Scores of each row beside them, which are no part of the model.
    """

    def __init__(
        self,
        loss: Loss | None,
        y: np.ndarray,
        weight: np.ndarray | None,
        baseline: np.ndarray,
        start: np.ndarray | None = None,
    ) -> None:
        n, K = len(y), len(baseline)
        self.loss, self.weight = loss, np.empty(0) if weight is None else weight
        self.scores = np.zeros((K, n), np.float32)
        self.slopes = np.empty((K, n), np.float32)
        self.curvatures = np.empty((K, n), np.float32)
        self.constant = isinstance(loss, PointwiseLoss) and loss.code in CONSTANT
        if isinstance(loss, SoftmaxLoss):
            self.y = np.ascontiguousarray(y, np.int64)
            self.scores += baseline[:, None].astype(np.float32)
        elif loss is not None and loss.code in OF_RESIDUALS:  # small numbers keep their digits
            self.y = np.ascontiguousarray((y.reshape(n, K) - baseline).T, np.float32)
        else:
            self.y = np.ascontiguousarray(y.reshape(n, -1).T, np.float32)
            self.scores += baseline[:, None].astype(np.float32)
        if start is not None:
            self.scores += start.T.astype(np.float32)
        self.total_weight = float(n) if weight is None else float(weight.sum())
        self.how = UNWEIGHTED
        if weight is not None:
            whole = self.total_weight < MOST_REPEATS and bool((weight == np.rint(weight)).all())
            self.how = INTEGER_WEIGHTS if whole else ANY_WEIGHTS
        self.totals = np.zeros((K, 3))

    @property
    def counted(self) -> bool:
        """Whether the hessian counts rows."""
        return self.constant and self.how == UNWEIGHTED

    def update(self) -> float:
        """Slopes and curvatures at the scores; returns the mean loss."""
        n = self.scores.shape[1]
        pieces = parallel(self._update_rows, range(0, n, ROWS_PER_PIECE), self._threads())
        self.totals = np.sum(pieces, axis=0)
        return float(self.totals[:, 0].mean()) / self.total_weight

    def _threads(self) -> int | None:
        """How many threads share the rows, None for all."""
        return 1 if self.scores.shape[1] < ROWS_OF_TWO and thread_count() < 3 else None

    def _update_rows(self, start: int) -> np.ndarray:
        rows = slice(start, min(start + ROWS_PER_PIECE, self.scores.shape[1]))
        y, weight = self.y[..., rows], self.weight[rows]
        loss = np.empty(y.shape[-1], np.float32)
        totals = np.zeros((len(self.scores), 3))
        if isinstance(self.loss, SoftmaxLoss):
            p = np.empty((len(self.scores), len(y)), np.float32)
            softmax_rows(np.ascontiguousarray(self.scores[:, rows]), y, loss, p)
            softmax_derivatives(p, y, start, self.slopes, self.curvatures)
        for k in range(len(totals)):
            slope, curvature = self.slopes[k, rows], self.curvatures[k, rows]
            if isinstance(self.loss, PointwiseLoss):
                self._pointwise(self.scores[k, rows], y[k], loss, slope, curvature)
            add_totals(loss, slope, curvature, weight, totals[k])
        return totals

    def _pointwise(
        self, eta: np.ndarray, y: np.ndarray, loss: np.ndarray, slope: np.ndarray, curvature: np.ndarray
    ) -> None:
        assert isinstance(self.loss, PointwiseLoss)
        if self.loss.common:
            rows_of = log_rows if self.loss.code == LOG_CODE else squared_rows
            rows_of(eta, y, loss, slope, curvature)
        else:
            pointwise_rows(self.loss.code, self.loss.parameter, eta, y, loss, slope, curvature)
        if self.constant:
            curvature.fill(1)

    @property
    def renews(self) -> bool:
        """Whether a leaf's value is a quantile of its residuals."""
        return isinstance(self.loss, PointwiseLoss) and self.loss.code in WITHOUT_CURVATURE

    def amplify(self, rows: np.ndarray, others: np.ndarray, factor: float) -> None:
        """Multiplies the derivatives of the rows `others`, some of `rows`; totals become those of `rows`."""
        self.slopes[:, others] *= np.float32(factor)
        self.curvatures[:, others] *= np.float32(factor)
        w = self.weight[rows] if len(self.weight) else 1.0
        self.totals[:, 1] = (np.abs(self.slopes[:, rows]).astype(np.float64) * w).sum(axis=1)
        self.totals[:, 2] = (self.curvatures[:, rows].astype(np.float64) * w).sum(axis=1)

    def pack(self, k: int, packed: np.ndarray) -> tuple[float, float]:
        """Writes the integer gradients of output k; returns what their units stand for."""
        slack = self.total_weight if self.how == INTEGER_WEIGHTS else self.scores.shape[1]
        gs = scale(self.totals[k, 1], slack)
        hs = 1.0 if self.constant and self.how != ANY_WEIGHTS else scale(self.totals[k, 2], slack)
        slope, curvature, whole = self.slopes[k], self.curvatures[k], self.how == INTEGER_WEIGHTS

        def piece(start: int) -> None:
            rows = slice(start, start + PACKED_ROWS)
            if self.how == UNWEIGHTED:
                pack(slope[rows], curvature[rows], gs, hs, packed[rows])
            else:
                pack_weighted(slope[rows], curvature[rows], self.weight[rows], whole, gs, hs, packed[rows])

        parallel(piece, range(0, len(slope), PACKED_ROWS), self._threads())
        return 1 / gs, 1 / hs

    def renew(self, tree: Grown, k: int, rate: float) -> None:
        """The quantile of the residuals as the value of each leaf, for losses without curvature."""
        assert isinstance(self.loss, PointwiseLoss)
        values = np.empty(len(tree.leaves))
        for leaf in range(len(values)):
            rows = tree.rows_of(leaf)
            residual = self.y[k][rows].astype(np.float64) - self.scores[k, rows]
            weight = self.weight[rows] if len(self.weight) else None
            values[leaf] = rate * weighted_quantile(residual[:, None], _level(self.loss), weight)[0]
        tree.set_values(values)
