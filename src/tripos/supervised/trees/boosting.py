"""Gradient boosting: each tree is a Newton step on the scores of all rows.

    F_0 = argmin_c sum_i w_i L(y_i, c),    F_m = F_(m-1) + nu tree_m,

where tree_m is grown on g_i = w_i L'(y_i, F(x_i)) and h_i = w_i L''(y_i, F(x_i)) (see `split`). With K scores per row
a step has K trees. For losses without curvature (absolute, quantile) h_i = w_i, and a leaf's value is the
quantile of its residuals.

References
----------
J. Friedman, "Greedy function approximation: a gradient boosting machine" (2001), doi:10.1214/aos/1013203451.
Chen, Guestrin (2016), doi:10.1145/2939672.2939785.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from tripos.supervised.trees.binning import Binned
from tripos.supervised.trees.grow import Grower, Grown, Growth
from tripos.supervised.trees.histogram import pack, scale
from tripos.supervised.trees.tree import Forest, Packed, plant

OF_RESIDUALS = (SQUARED_CODE, ABSOLUTE_CODE, HUBER_CODE, QUANTILE_CODE)  # L(y, F) depends on y - F alone
WITHOUT_CURVATURE = (ABSOLUTE_CODE, QUANTILE_CODE)
CONSTANT = (
    SQUARED_CODE,
    HUBER_CODE,
    *WITHOUT_CURVATURE,
)  # h_i = w_i; far from y Huber's loss has no curvature
ROWS_PER_PIECE = 1 << 15
MOST_REPEATS = (
    2.0**30
)  # rows that integer weights may stand for; above, weights are rounded with the gradients
UNWEIGHTED, INTEGER_WEIGHTS, ANY_WEIGHTS = range(3)


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


def mean_loss(loss: Loss, y: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> float:
    """Weighted mean of the loss; scores have shape (n_rows, n_outputs)."""
    if isinstance(loss, SoftmaxLoss):
        total = loss.value(y, np.ascontiguousarray(scores.T), weight)
    else:
        total = loss.value(y, np.ascontiguousarray(scores[:, 0]), weight)
    return float(total) / (len(y) if weight is None else float(weight.sum()))


def best_constant(loss: Loss, y: np.ndarray, weight: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """F_0, float64 of shape (n_outputs,)."""
    if isinstance(loss, SoftmaxLoss):
        share = np.bincount(y, weight, n_outputs) / (len(y) if weight is None else weight.sum())
        eta = np.log(np.maximum(share, 1e-15))
        return np.asarray(eta - eta.mean())
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
    """

    def __init__(self, loss: Loss, y: np.ndarray, weight: np.ndarray | None, baseline: np.ndarray) -> None:
        n, K = len(y), len(baseline)
        self.loss, self.weight = loss, np.empty(0) if weight is None else weight
        self.scores = np.zeros((K, n), np.float32)
        self.slopes = np.empty((K, n), np.float32)
        self.curvatures = np.empty((K, n), np.float32)
        self.constant = isinstance(loss, PointwiseLoss) and loss.code in CONSTANT
        if isinstance(loss, SoftmaxLoss):
            self.y = np.ascontiguousarray(y, np.int64)
            self.scores += baseline[:, None].astype(np.float32)
        elif loss.code in OF_RESIDUALS:
            self.y = (y - baseline[0]).astype(np.float32)  # small numbers keep their digits
        else:
            self.y = y.astype(np.float32)
            self.scores += np.float32(baseline[0])
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
        pieces = parallel(self._update_rows, range(0, n, ROWS_PER_PIECE))
        self.totals = np.sum(pieces, axis=0)
        return float(self.totals[0, 0]) / self.total_weight

    def _update_rows(self, start: int) -> np.ndarray:
        rows = slice(start, min(start + ROWS_PER_PIECE, self.scores.shape[1]))
        y, weight = self.y[rows], self.weight[rows]
        loss = np.empty(len(y), np.float32)
        totals = np.zeros((len(self.scores), 3))
        if isinstance(self.loss, SoftmaxLoss):
            p = np.empty((len(self.scores), len(y)), np.float32)
            softmax_rows(np.ascontiguousarray(self.scores[:, rows]), y, loss, p)
            np.multiply(p, 1 - p, out=self.curvatures[:, rows])
            p[y, np.arange(len(y))] -= 1
            self.slopes[:, rows] = p
        else:
            eta, slope, curvature = self.scores[0, rows], self.slopes[0, rows], self.curvatures[0, rows]
            if self.loss.common:
                rows_of = log_rows if self.loss.code == LOG_CODE else squared_rows
                rows_of(eta, y, loss, slope, curvature)
            else:
                pointwise_rows(self.loss.code, self.loss.parameter, eta, y, loss, slope, curvature)
            if self.constant:
                curvature.fill(1)
        for k in range(len(totals)):
            add_totals(loss, self.slopes[k, rows], self.curvatures[k, rows], weight, totals[k])
        return totals

    def pack(self, k: int, packed: np.ndarray) -> tuple[float, float]:
        """Writes the integer gradients of output k; returns what their units stand for."""
        slack = self.total_weight if self.how == INTEGER_WEIGHTS else self.scores.shape[1]
        gs = scale(self.totals[k, 1], slack)
        hs = 1.0 if self.constant and self.how != ANY_WEIGHTS else scale(self.totals[k, 2], slack)
        pack(self.slopes[k], self.curvatures[k], self.weight, self.how, gs, hs, packed)
        return 1 / gs, 1 / hs

    def renew(self, tree: Grown, k: int, rate: float) -> None:
        """The quantile of the residuals as the value of each leaf, for losses without curvature."""
        assert isinstance(self.loss, PointwiseLoss)
        values = np.empty(len(tree.leaves))
        for leaf in range(len(values)):
            rows = tree.rows_of(leaf)
            residual = self.y[rows].astype(np.float64) - self.scores[k, rows]
            weight = self.weight[rows] if len(self.weight) else None
            values[leaf] = rate * weighted_quantile(residual[:, None], _level(self.loss), weight)[0]
        tree.set_values(values)


@dataclass
class Sampling:
    """What each tree may look at: rows and features, drawn by the tree's number.

    Parameters
    ----------
    rows, features : float
        Shares of the rows and of the features that a tree is grown on.
    seed : int
    """

    rows: float = 1.0
    features: float = 1.0
    seed: int = 0

    def draw(self, step: int, n_rows: int, n_features: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Rows (rising) and marks of features of a step; None for all."""
        rows = usable = None
        if self.rows == 1.0 and self.features == 1.0:
            return rows, usable
        rng = np.random.default_rng((self.seed, step))
        if self.rows < 1.0:
            size = max(1, int(round(self.rows * n_rows)))
            rows = np.sort(rng.choice(n_rows, size, replace=False)).astype(np.uint32)
        if self.features < 1.0:
            usable = np.zeros(n_features, np.int64)
            usable[rng.choice(n_features, max(1, int(round(self.features * n_features))), replace=False)] = 1
        return rows, usable


class Booster:
    """Grows the trees of a boosted model, one step at a time.

    Parameters
    ----------
    binned : Binned
    gradients : Gradients
    how : Growth
    sampling : Sampling, optional
    known : Forest, optional
        Trees to go on from; the scores of `gradients` hold them already.
    """

    def __init__(
        self,
        binned: Binned,
        gradients: Gradients,
        how: Growth,
        sampling: Sampling | None = None,
        known: Forest | None = None,
    ) -> None:
        self.binned, self.gradients, self.how = binned, gradients, how
        self.sampling = sampling or Sampling()
        self.known, self.trees = known, list[Packed]()
        self.n_outputs = len(gradients.scores)
        self.growers = [Grower(binned, how) for _ in range(min(self.n_outputs, thread_count()))]
        self.n_steps = 0 if known is None else known.n_trees // self.n_outputs
        self.loss = gradients.update()

    def step(self) -> float:
        """One tree for each output; returns the mean loss of the training rows after it."""
        rows, usable = self.sampling.draw(self.n_steps, self.binned.n_rows, self.binned.n_features)

        def grow(first: int) -> list[Packed]:
            grower = self.growers[first]
            return [
                self._tree(grower, k, rows, usable) for k in range(first, self.n_outputs, len(self.growers))
            ]

        groups = parallel(grow, range(len(self.growers)))
        self.trees += [groups[k % len(groups)][k // len(groups)] for k in range(self.n_outputs)]
        self.n_steps += 1
        self.loss = self.gradients.update()
        return self.loss

    def _tree(self, grower: Grower, k: int, rows: np.ndarray | None, usable: np.ndarray | None) -> Packed:
        gradients = self.gradients
        units = gradients.pack(k, grower.packed)
        seed = (self.sampling.seed * 1_000_003 + self.n_steps) * self.n_outputs + k
        mean = gradients.totals[k, 2] / gradients.total_weight
        tree = grower.grow(
            units, counted=gradients.counted, mean_hessian=mean, seed=seed, rows=rows, usable=usable
        )
        if isinstance(gradients.loss, PointwiseLoss) and gradients.loss.code in WITHOUT_CURVATURE:
            gradients.renew(tree, k, self.how.rate)
        tree.add_to(gradients.scores[k])
        packed = Packed.of(tree)
        if rows is not None:
            self._add_to_others(packed, k, rows)
        return packed

    def _add_to_others(self, tree: Packed, k: int, rows: np.ndarray) -> None:
        """The tree's values for the rows it was not grown on."""
        from tripos.supervised.trees.tree import add_trees

        others = np.ones(self.binned.n_rows, dtype=bool)
        others[rows] = False
        at = np.flatnonzero(others)
        out = np.zeros((len(at), 1))
        add_trees(plant([tree], 1), np.ascontiguousarray(self.binned.columns[:, at].T), out)
        self.gradients.scores[k, at] += out[:, 0].astype(np.float32)

    def latest(self) -> Forest:
        """The trees of the last step alone."""
        return plant(self.trees[-self.n_outputs :], self.n_outputs)

    def forest(self) -> Forest:
        """All trees, those known before included."""
        return plant(self.trees, self.n_outputs, self.known)
