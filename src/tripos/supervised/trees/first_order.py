"""Friedman's gradient boosting: trees are grown on gradients alone, then each leaf takes its own best step.

    r_i = -dL/dF(x_i),    tree on squared error of r,    leaf value argmin_v sum_i L(y_i, F(x_i) + v)

where the best step is the mean for squared error, a quantile for the absolute and the quantile loss, the median and the mean
of clipped differences to it for Huber's, and one Newton step else.

References
----------
J. Friedman, "Greedy function approximation: a gradient boosting machine" (2001), doi:10.1214/aos/1013203451.
"""

from __future__ import annotations

import numpy as np

from tripos.metrics.quantile import weighted_quantile
from tripos.objective.losses import HUBER_CODE, LOG, SQUARED_CODE, Loss, PointwiseLoss, SoftmaxLoss, huber
from tripos.supervised.trees.gradients import WITHOUT_CURVATURE, Gradients, best_constant
from tripos.supervised.trees.grow import Grown


def first_constant(loss: Loss, y: np.ndarray, weight: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """F_0 as Friedman has it: the median for Huber's loss, half the log odds for the exponential one."""
    if isinstance(loss, PointwiseLoss) and loss.name == "exponential":
        return best_constant(LOG, y, weight, 1) / 2
    if isinstance(loss, PointwiseLoss) and loss.code == HUBER_CODE:
        return weighted_quantile(y.astype(np.float64)[:, None], 0.5, weight)
    return best_constant(loss, y, weight, n_outputs)


class FirstOrder(Gradients):
    """Gradients for splits, curvatures for the leaves' values.

    Parameters
    ----------
    level : float
        For Huber's loss the share of rows whose residuals are not clipped.
    loss, y, weight, baseline, start
        As in `Gradients`.
    """

    def __init__(
        self,
        loss: Loss,
        y: np.ndarray,
        weight: np.ndarray | None,
        baseline: np.ndarray,
        level: float = 0.9,
        start: np.ndarray | None = None,
    ) -> None:
        super().__init__(loss, y, weight, baseline, start)
        self.level, self.without_curvature = level, self.constant
        self.newton = self.curvatures

    def update(self) -> float:
        """Slopes, with one as the curvature of each row; returns the mean loss."""
        if isinstance(self.loss, PointwiseLoss) and self.loss.code == HUBER_CODE:
            away = np.abs(self.y[0] - self.scores[0]).astype(np.float64)
            weight = self.weight if len(self.weight) else None
            delta = weighted_quantile(away[:, None], self.level, weight)[0]
            self.loss = huber(max(float(delta), 1e-30))
        self.constant = self.without_curvature
        value = super().update()
        if not self.constant:
            self.newton = self.curvatures.copy()
            self.curvatures.fill(1)
            self.totals[:, 2] = self.total_weight
        self.constant = True
        return value

    @property
    def renews(self) -> bool:
        return not (isinstance(self.loss, PointwiseLoss) and self.loss.code == SQUARED_CODE)

    def renew(self, tree: Grown, k: int, rate: float) -> None:
        """The best step of each leaf as its value."""
        if isinstance(self.loss, PointwiseLoss) and self.loss.code in WITHOUT_CURVATURE:
            super().renew(tree, k, rate)
            return
        clipped = isinstance(self.loss, PointwiseLoss) and self.loss.code == HUBER_CODE
        step = self._clipped_mean if clipped else self._newton_step
        tree.set_values(np.array([rate * step(tree.rows_of(leaf), k) for leaf in range(len(tree.leaves))]))

    def _weights_of(self, rows: np.ndarray) -> np.ndarray:
        return self.weight[rows] if len(self.weight) else np.ones(len(rows))

    def _clipped_mean(self, rows: np.ndarray, k: int) -> float:
        assert isinstance(self.loss, PointwiseLoss)
        residual = self.y[k][rows].astype(np.float64) - self.scores[k, rows]
        weight = self._weights_of(rows)
        middle = weighted_quantile(residual[:, None], 0.5, weight)[0]
        apart = np.clip(residual - middle, -self.loss.parameter, self.loss.parameter)
        return float(middle + np.average(apart, weights=weight))

    def _newton_step(self, rows: np.ndarray, k: int) -> float:
        weight = self._weights_of(rows)
        g = float(weight @ self.slopes[k, rows].astype(np.float64))
        h = float(weight @ self.newton[k, rows].astype(np.float64))
        factor = 1 - 1 / len(self.scores) if isinstance(self.loss, SoftmaxLoss) else 1.0
        return -factor * g / h if h > 1e-150 else 0.0
