"""Maximum (penalised) likelihood of class probabilities that are linear in the log odds.

    F(W, b) = 1/S sum_i s_i L(y_i, W x_i + b) + 1/(C S) (r |W|_1 + (1 - r) |W|^2 / 2),        S = sum_i s_i

L is the log loss for two classes and softmax for more. With r > 0 see `logistic_sparse`. Without an L1 penalty the
shape of the data chooses the way to the minimum, unless a method is asked for by its own name:

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

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import Block, Blocks
from tripos.compute.executor import reduce_blocks
from tripos.objective.frequency import ByFrequency
from tripos.objective.losses import LOG, SOFTMAX
from tripos.objective.penalties import L2, NoPenalty
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows, rows_of
from tripos.optimization.facade import minimize
from tripos.optimization.irls import irls
from tripos.optimization.lbfgs import Inverse, lbfgs
from tripos.optimization.newton import Curvature, newton
from tripos.optimization.result import Result, StepCallback, Stopping
from tripos.supervised.linear.logistic_sparse import SparseProblem

PRECISION = 1e-10  # relative decrease in sight at a minimum (for tol=1e-4): Newton gets there in passing
WIDE_PRECISION = 1e-3  # the same for L-BFGS, which pays for every digit ...
CLOSER = 0.5  # ... but goes on until the gradient is that share of `tol`, where scikit-learn stops
REMEMBERED = (
    7  # steps of L-BFGS over text: with 10 it took 19 for Enron spam, with 7 it takes 20 and 4 MB less
)

SAMPLING_PAYS = 2e7  # multiplications of a Hessian from which one of a sample is worth its overhead
NEWTON_WORK = 2e8  # multiplications of a Hessian that takes a few milliseconds
NEWTON_PARAMETERS = 1000  # whose Hessian is factorised in about ten milliseconds
SAMPLED_PARAMETERS = 512
SAMPLE_SHARE = 0.05
SAMPLE_ROWS_PER_PARAMETER = 40
LEAST_CURVATURE = 1e-6
RAREST = 1e-9  # share of a class that a part of the rows may not hold at all
TINY = float(np.finfo(np.float64).tiny)
METHODS = ("irls", "gradient-descent", "sgd")  # solver names that mean this very method
DIVERGING = 0.1  # change of a score by one Newton step, at a minimum, that betrays a minimum at infinity
NEARLY_CERTAIN = 1e-3  # mean loss below which every row may be on its own side


@kernel("f8[::1], f8, f8[::1], f8[::1], f8, f8, f8[::1]")
def scaled_slopes(g, slope, mean, variance, bend, ridge, step):  # type: ignore[no-untyped-def]
    """step_j = (g_j - mean_j slope) / (bend variance_j + ridge); returns step'mean."""
    along = 0.0
    for j in range(mean.size):
        step[j] = (g[j] - mean[j] * slope) / (bend * variance[j] + ridge)
        along += step[j] * mean[j]
    return along


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
    """The objective of one fit, and what is known of its size.

    Attributes
    ----------
    risk : Risk
        The smooth part of the objective.
    n_rows, n_stored : int
    l1 : float
        Weight of |W|_1.
    intercept_scaling : float or None
        None leaves the intercept free; a number makes it the coefficient b / intercept_scaling of one more
        column, penalised as the others are (liblinear).
    unpenalised : bool
    """

    risk: Risk
    n_rows: int
    n_stored: int
    l1: float = 0.0
    intercept_scaling: float | None = None
    unpenalised: bool = True

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
        l1_ratio: float = 0.0,
        rest: int | None = None,
        ordered: bool = True,
    ) -> Problem:
        """Rows prepared once where they are in memory.

        Parameters
        ----------
        class_weight : ndarray of shape (n_classes,)
            Factors of the rows' weights.
        rest : int, optional
            The class that is told from all others together; by default all are told apart.
        ordered : bool, default=True
            Whether the entries of sparse rows have to be sorted, as Hessians need them.
        """
        binary = len(class_weight) == 2 or rest is not None
        weighted = bool((class_weight != 1.0).any())

        def prepare(block: Block) -> Rows:
            codes = kernel_array(block.y, np.int64)
            weight = block.sample_weight
            if weighted:
                weight = class_weight[codes] if weight is None else weight * class_weight[codes]
            if binary:
                target = (codes == (1 if rest is None else rest)).astype(blocks.dtype)
                return rows_of(block, target, weight, ordered=ordered)
            return rows_of(block, codes, weight, ordered=ordered)

        source: Iterable[Block | Rows] = [prepare(b) for b in blocks] if blocks.in_memory else blocks
        risk = Risk(
            source,
            LOG if binary else SOFTMAX,
            prepare,
            float(counts.weights @ class_weight),
            blocks.n_features,
            1 if binary else len(class_weight),
            fit_intercept=fit_intercept,
            dtype=blocks.dtype,
        )
        return cls(risk, counts.n_rows, counts.n_stored, intercept_scaling=intercept_scaling).at(C, l1_ratio)

    def at(self, C: float, l1_ratio: float = 0.0) -> Problem:
        """The same rows with another penalty."""
        alpha = 0.0 if np.isinf(C) else 1.0 / (C * self.risk.total_weight)
        l1, l2 = alpha * l1_ratio, alpha * (1.0 - l1_ratio)
        # Softmax without a penalty gets curvature where scores of all classes move together (`Risk`): beside an L1
        # penalty, which fixes that direction, it would only slow the steps down. The least number prevents it.
        penalty = L2(max(l2, TINY)) if l1 else L2(l2) if l2 else NoPenalty()
        scaling = self.intercept_scaling
        risk = replace(
            self.risk, penalty=penalty, intercept_penalty=0.0 if scaling is None else l2 / scaling**2
        )
        if "column_moments" in vars(self.risk):
            vars(risk)["column_moments"] = self.risk.column_moments
        return replace(self, risk=risk, l1=l1, unpenalised=alpha == 0.0)

    @property
    def kinks(self) -> np.ndarray:
        """Weights of |theta_j|, flat as theta is."""
        risk, scaling = self.risk, self.intercept_scaling
        row = np.full(risk.n_features + risk.fit_intercept, self.l1)
        row[risk.n_features :] = 0.0 if scaling is None else self.l1 / scaling
        return np.tile(row, risk.n_outputs)

    def base_rates(self, weights: np.ndarray) -> np.ndarray:
        """theta of the model that knows only how frequent the classes are."""
        K, d = self.risk.n_outputs, self.risk.n_features
        logs = np.log(np.maximum(weights / weights.sum(), RAREST))
        b = logs[1:] - logs[:1] if K == 1 else logs - logs.mean()
        return self.risk.theta(np.zeros((K, d)), b)

    # ---- solving ---------------------------------------------------------------------------------

    def stopping(self, tol: float, max_iter: int, on_step: StepCallback | None = None) -> Stopping:
        """When a fit with this `tol` may stop."""
        precision = PRECISION * min(max((tol / 1e-4) ** 2, 1e-20), 1e4)
        return Stopping(
            tol=tol, precision=precision, max_iter=max_iter, noise=self.risk.noise, on_step=on_step
        )

    def solve(
        self,
        theta: np.ndarray,
        stopping: Stopping,
        solver: str,
        *,
        warm: bool,
        learning_rate: float | None = None,
        random_state: Any = None,
    ) -> tuple[Result, str]:
        """The minimum, and the method that found it; `warm` says that theta is near it."""
        if solver in METHODS:
            return self._by_name(theta, stopping, solver, learning_rate, random_state), solver
        p = self.risk.n_parameters
        # Entries multiplied with one another for one Hessian: all pairs in a row, for each pair of classes.
        pairs = self.n_stored * max(1.0, self.n_stored / self.n_rows)
        work = pairs * self.risk.n_outputs * (self.risk.n_outputs + 1) / 2
        enough = p <= SAMPLED_PARAMETERS and self.n_rows >= 2 * SAMPLE_ROWS_PER_PARAMETER * p
        sampled = enough and work > SAMPLING_PAYS
        small = work <= NEWTON_WORK and p <= NEWTON_PARAMETERS
        if self.l1:
            return self._solve_sparse(theta, stopping, warm, sampled, small)
        if solver == "newton-cholesky":
            return newton(self.risk, theta, stopping), "newton"
        if sampled:
            return self._newton_from_sample(theta, stopping, warm), "newton"
        if small:
            return newton(self.risk, theta, stopping), "newton"
        return self._quasi_newton(theta, self._closer(stopping)), "lbfgs"

    def _quasi_newton(self, theta: np.ndarray, stopping: Stopping) -> Result:
        """L-BFGS; over text, with the frequent words side by side."""
        found = ByFrequency.of(self.risk)
        if found is None:
            return lbfgs(self.risk, theta, stopping, inverse=self._diagonal_inverse(theta))
        problem, listener = replace(self, risk=found.risk), stopping.on_step
        if listener is not None:
            stopping = replace(stopping, on_step=lambda step, value, x: listener(step, value, found.back(x)))
        inverse = problem._diagonal_inverse(theta)
        with blas_threads(
            1
        ):  # threads of BLAS wait for the next product at the cost of those that pass over rows
            result = lbfgs(
                problem.risk,
                found.forth(theta),
                stopping,
                inverse=inverse,
                memory=REMEMBERED,
                remembered=np.float32,
            )
        return replace(result, x=found.back(result.x))

    def _closer(self, stopping: Stopping) -> Stopping:
        """Limits of L-BFGS, with one step more: where steps bring much, the last one may have brought
        scikit-learn far inside its `tol`."""
        precision = WIDE_PRECISION / PRECISION * stopping.precision
        return replace(stopping, tol=CLOSER * stopping.tol, precision=precision, confirmations=1)

    def _solve_sparse(
        self, theta: np.ndarray, stopping: Stopping, warm: bool, sampled: bool, small: bool
    ) -> tuple[Result, str]:
        """With an L1 penalty."""
        problem = SparseProblem(self.risk, self.kinks)
        if problem.by_columns or (not warm and problem.worth_columns(theta)):
            return problem.columns_newton(theta, stopping), "prox-newton"
        if sampled:
            return problem.newton_from_sample(self._sample(), theta, stopping, warm), "prox-newton"
        in_memory = isinstance(self.risk.blocks, list)
        if small or (not in_memory and self.risk.n_parameters <= NEWTON_PARAMETERS):
            return problem.newton(theta, stopping), "prox-newton"
        closer = replace(stopping, tol=CLOSER * stopping.tol)
        inverse = self._diagonal_inverse(theta)
        if in_memory:
            return problem.working_sets(theta, closer, inverse)
        return problem.quasi_newton(theta, closer, inverse), "orthant-lbfgs"

    def _by_name(
        self, theta: np.ndarray, stopping: Stopping, solver: str, rate: float | None, random_state: Any
    ) -> Result:
        """The method of `tripos.optimization` that was asked for, as it is."""
        if solver == "irls":  # softmax: the same step, with a matrix of working weights for each row
            return (irls if self.risk.n_outputs == 1 else newton)(self.risk, theta, stopping)
        options: dict[str, Any] = {"learning_rate": rate}
        if solver == "sgd":
            options |= {
                "schedule": "inverse-scaling",
                "random_state": 0 if random_state is None else random_state,
            }
        return minimize(
            self.risk,
            theta,
            method=solver,
            tol=stopping.tol,
            max_iter=stopping.max_iter,
            on_step=stopping.on_step,
            **options,
        )

    def _sample(self) -> Risk:
        """The risk of a part of the rows."""
        size = max(int(SAMPLE_SHARE * self.n_rows), SAMPLE_ROWS_PER_PARAMETER * self.risk.n_parameters)
        return self.risk.subsample(size, of=self.n_rows)

    def _newton_from_sample(self, theta: np.ndarray, stopping: Stopping, warm: bool) -> Result:
        """Start and Hessian from a sample of the rows, then the rest is a few passes with gradients."""
        sample = self._sample()
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
        ridge = risk.penalty.curvature + TINY

        def inverse(g: np.ndarray, value: float) -> np.ndarray:
            bend = np.minimum(at_start, max(value, LEAST_CURVATURE))
            g = g.reshape(K, d + free)
            step = np.empty_like(g)
            for k in range(K):
                slope = g[k, d] if free else 0.0
                along = scaled_slopes(g[k], slope, mean, variance, bend[k], ridge, step[k])
                if free:
                    step[k, d] = slope / (bend[k] + risk.intercept_penalty) - along
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
