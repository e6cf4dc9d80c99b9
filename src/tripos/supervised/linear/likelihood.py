"""Maximum (penalised) likelihood of class probabilities that are linear in the log odds.

    F(W, b) = 1/W sum_i s_i L(y_i, W x_i + b) + |W|^2 / (2 C W)

L is the log loss for two classes and softmax for more. The shape of the data chooses the way to the minimum:

- few parameters: Newton's method, a Hessian each step;
- many rows for each parameter: Newton's method on a twentieth of the rows, then full passes that compute the
  gradient alone and keep the Hessian of the sample (500k x 30: 4 passes of 6 ms; L-BFGS takes 7 to 11 steps);
- otherwise, and for text: L-BFGS, around the diagonal of the Hessian in centred columns.

scikit-learn stops where the largest gradient component is `tol`; on text and on 5,000 x 2,000 its loss is
then 1e-5 to 7e-2 above the minimum. The limits below end 10 times closer or more: over 56 cases (text, random
sparse, dense; C from 1e-4 to 100) never above it.

References
----------
D. R. Cox (1958), doi:10.1111/j.2517-6161.1958.tb00292.x; Hastie, Tibshirani, Friedman, section 4.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, Blocks
from tripos.compute.executor import reduce_blocks
from tripos.objective.losses import LOG, SOFTMAX
from tripos.objective.penalties import L2, NoPenalty
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows, rows_of
from tripos.optimization.lbfgs import Inverse, lbfgs
from tripos.optimization.newton import Curvature, newton
from tripos.optimization.result import Result, Stopping

PRECISION = 1e-10  # relative decrease in sight at a minimum (for tol=1e-4): Newton gets there in passing
WIDE_PRECISION = 1e-5  # the same for L-BFGS, which pays for every digit ...
CLOSER = 0.1  # ... but goes on until the gradient is that share of `tol`, where scikit-learn stops

SAMPLING_PAYS = 2e7  # multiplications of a Hessian from which one of a sample is worth its overhead
NEWTON_WORK = 2e8  # multiplications of a Hessian that takes a few milliseconds
NEWTON_PARAMETERS = 1000  # whose Hessian is factorised in about ten milliseconds
SAMPLED_PARAMETERS = 512
SAMPLE_SHARE = 0.05
SAMPLE_ROWS_PER_PARAMETER = 40
LEAST_CURVATURE = 1e-6
DIVERGING = 0.1  # change of a score by one Newton step, at a minimum, that betrays a minimum at infinity
NEARLY_CERTAIN = 1e-3  # mean loss below which every row may be on its own side


@dataclass(frozen=True)
class Counts:
    """Number of rows, of stored entries, and weight of each class."""

    n_rows: int
    n_stored: int
    weights: np.ndarray

    def add(self, other: Counts) -> Counts:
        return Counts(
            self.n_rows + other.n_rows, self.n_stored + other.n_stored, self.weights + other.weights
        )


def count(blocks: Blocks, n_classes: int) -> Counts:
    """Counts in one pass (over the targets alone, for rows in memory)."""

    def partial(block: Block) -> Counts:
        assert block.y is not None
        weights = np.bincount(block.y, weights=block.sample_weight, minlength=n_classes)
        stored = block.X.nnz if blocks.sparse else block.X.size
        return Counts(block.n_rows, int(stored), weights.astype(np.float64))

    return reduce_blocks(partial, Counts.add, blocks)


@dataclass(frozen=True, eq=False)
class Problem:
    """The objective of one fit, and what is known of its size."""

    risk: Risk
    n_rows: int
    n_stored: int
    unpenalised: bool

    @classmethod
    def of(
        cls,
        blocks: Blocks,
        counts: Counts,
        class_weight: np.ndarray,
        *,
        C: float,
        fit_intercept: bool,
        intercept_scaling: float | None,
    ) -> Problem:
        """Rows prepared once where they are in memory.

        Parameters
        ----------
        class_weight : ndarray of shape (n_classes,)
            Factors of the rows' weights.
        intercept_scaling : float or None
            None leaves the intercept free; a number penalises (b / intercept_scaling)^2 / 2, as liblinear
            does.
        """
        binary = len(class_weight) == 2
        weighted = bool((class_weight != 1.0).any())

        def prepare(block: Block) -> Rows:
            codes = kernel_array(block.y, np.int64)
            weight = block.sample_weight
            if weighted:
                weight = class_weight[codes] if weight is None else weight * class_weight[codes]
            return rows_of(block, codes.astype(blocks.dtype) if binary else codes, weight)

        total = float(counts.weights @ class_weight)
        alpha = 0.0 if np.isinf(C) else 1.0 / (C * total)
        source: Iterable[Block | Rows] = [prepare(b) for b in blocks] if blocks.in_memory else blocks
        risk = Risk(
            source,
            LOG if binary else SOFTMAX,
            prepare,
            total,
            blocks.n_features,
            1 if binary else len(class_weight),
            L2(alpha) if alpha else NoPenalty(),
            fit_intercept,
            0.0 if intercept_scaling is None else alpha / intercept_scaling**2,
            blocks.dtype,
        )
        return cls(risk, counts.n_rows, counts.n_stored, alpha == 0.0)

    def base_rates(self, weights: np.ndarray) -> np.ndarray:
        """theta of the model that knows only how frequent the classes are."""
        K, d = self.risk.n_outputs, self.risk.n_features
        logs = np.log(weights / weights.sum())
        b = logs[1:] - logs[:1] if K == 1 else logs - logs.mean()
        return self.risk.theta(np.zeros((K, d)), b)

    # ---- solving ---------------------------------------------------------------------------------

    def solve(self, theta: np.ndarray, stopping: Stopping, solver: str, *, warm: bool) -> tuple[Result, str]:
        """The minimum, and the method that found it: "newton" or "lbfgs"; `warm` says that theta is near
        it."""
        p = self.risk.n_parameters
        # Entries multiplied with one another for one Hessian: all pairs in a row, for each pair of classes.
        pairs = self.n_stored * max(1.0, self.n_stored / self.n_rows)
        work = pairs * self.risk.n_outputs * (self.risk.n_outputs + 1) / 2
        if solver == "newton-cholesky":
            return newton(self.risk, theta, stopping), "newton"
        enough = p <= SAMPLED_PARAMETERS and self.n_rows >= 2 * SAMPLE_ROWS_PER_PARAMETER * p
        if enough and work > SAMPLING_PAYS:
            return self._newton_from_sample(theta, stopping, warm), "newton"
        if work <= NEWTON_WORK and p <= NEWTON_PARAMETERS:
            return newton(self.risk, theta, stopping), "newton"
        precision = WIDE_PRECISION / PRECISION * stopping.precision
        # One step more: where steps bring much, the last one may have brought scikit-learn far inside its
        # `tol`.
        closer = replace(stopping, tol=CLOSER * stopping.tol, precision=precision, confirmations=1)
        return lbfgs(self.risk, theta, closer, inverse=self._diagonal_inverse(theta)), "lbfgs"

    def _newton_from_sample(self, theta: np.ndarray, stopping: Stopping, warm: bool) -> Result:
        """Start and Hessian from a sample of the rows, then the rest is a few passes with gradients."""
        p = self.risk.n_parameters
        size = max(int(SAMPLE_SHARE * self.n_rows), SAMPLE_ROWS_PER_PARAMETER * p)
        sample = self.risk.subsample(size, of=self.n_rows)
        if not warm:
            rough = newton(
                sample, theta, Stopping(tol=1e-3, precision=1e-5, max_iter=10, noise=stopping.noise)
            )
            if not rough.converged:  # e.g. classes that the sample separates and the rows do not
                return newton(self.risk, theta, stopping)
            theta = rough.x
        _, _, hessian = sample.value_gradient_hessian(theta)
        return newton(self.risk, theta, stopping, hessian_guess=hessian)

    def _diagonal_inverse(self, theta: np.ndarray) -> Inverse:
        """(g, value) -> H0^-1 g, with H0 the diagonal of the Hessian in centred columns.

        The curvature p (1 - p) of a row is taken to be the same for all: at first that of the base rates
        `theta`, later the mean loss, which is near it once most rows are predicted with confidence.
        """
        risk = self.risk
        K, d, free = risk.n_outputs, risk.n_features, risk.fit_intercept
        mean, variance = risk.column_moments
        if not free:
            mean, variance = np.zeros(d), variance + mean * mean
        at_start = self._base_curvature(theta)

        def inverse(g: np.ndarray, value: float) -> np.ndarray:
            bend = np.minimum(at_start, max(value, LEAST_CURVATURE))[:, None]
            g = g.reshape(K, d + free)
            step = np.empty_like(g)
            slopes = g[:, :d] - mean * g[:, d:] if free else g
            step[:, :d] = slopes / (bend * variance + (risk.penalty.curvature + np.finfo(float).tiny))
            if free:
                step[:, d:] = g[:, d:] / (bend + risk.intercept_penalty) - (step[:, :d] @ mean)[:, None]
            return step.reshape(-1)

        return inverse

    def _base_curvature(self, theta: np.ndarray) -> np.ndarray:
        """p_k (1 - p_k) of each output, for a theta that gives all rows the same scores (its intercepts)."""
        b = self.risk.coefficients(theta)[1]
        if len(b) == 1:
            p = 1.0 / (1.0 + np.exp(-b))
        else:
            p = np.exp(b - b.max())
            p /= p.sum()
        return np.asarray(np.maximum(p * (1.0 - p), LEAST_CURVATURE))

    # ---- separable classes -----------------------------------------------------------------------

    def separated(self, value: float, theta: np.ndarray) -> bool:
        """Whether an unpenalised fit can stop here: every row is on its own side, and the minimum at
        infinity."""
        return self.unpenalised and value < NEARLY_CERTAIN and self.risk.separates(theta)

    def runs_to_infinity(self, theta: np.ndarray) -> bool:
        """Whether Newton's method still moves scores at what looks like the minimum: then there is none.

        Along a direction that separates some rows the gradient and the Hessian fall at the same rate, so the
        step stays as long as ever while the loss no longer notices.
        """
        if not self.unpenalised or self.risk.n_parameters > NEWTON_PARAMETERS:
            return False
        _, gradient, hessian = self.risk.value_gradient_hessian(theta)
        step = Curvature(hessian).solve(gradient)
        return self.risk.largest_score(step) > DIVERGING


def class_factors(class_weight: Any, classes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Factors of the rows' weights, by class: None, "balanced" or a dict from label to number."""
    from sklearn.utils.class_weight import compute_class_weight

    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        return np.asarray(weights.sum() / (len(classes) * weights))
    return np.asarray(compute_class_weight(class_weight, classes=classes, y=classes), dtype=np.float64)
