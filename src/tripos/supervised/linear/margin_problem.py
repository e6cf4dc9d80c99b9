"""Linear models with a margin: what is minimised, and which way leads to the minimum.

    |w|^2 / 2 + (b / B)^2 / 2 + C sum_i s_i L(y_i, w.x_i + b),        B = intercept_scaling

or with |w|_1 + |b / B| in place of the squares; L is the (squared) hinge or the (squared) epsilon-insensitive
loss. The intercept is penalised as liblinear penalises it, as the coefficient of one more column that holds B.
The problem is convex, so every way ends at the same coefficients; the shape of the data chooses:

- a table of moderate size: `margin_newton`, in one kernel;
- a squared loss and few columns: Newton's method, from a Hessian of a sample where there are many rows;
- a loss with a kink: dual coordinate ascent while it is cheap, then for few columns the method of multipliers,
  from the rows' multipliers found so far;
- many columns (text): dual coordinate ascent to the end;
- the L1 penalty: proximal Newton steps over all columns; by columns (text) or over working sets where they are many.

References
----------
R.-E. Fan et al., "LIBLINEAR", JMLR 9 (2008), 1871-1874; C.-J. Hsieh et al. (2008), doi:10.1145/1390156.1390208.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.base import Training
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blas import blas_threads
from tripos.compute.blocks import Blocks
from tripos.objective.losses import PointwiseLoss
from tripos.objective.penalties import L2, NoPenalty
from tripos.objective.risk import Risk
from tripos.objective.rows import rows_of
from tripos.optimization.dual_coordinate import SIDED, SQUARED, Dual
from tripos.optimization.dual_kernels import repeats
from tripos.optimization.margin_newton import MarginNewton, with_constant
from tripos.optimization.multipliers import multipliers
from tripos.optimization.newton import newton
from tripos.optimization.result import Result, Stopping
from tripos.supervised.linear.logistic_sparse import SparseProblem

SMALL_TABLE = 2_000_000  # entries that one thread passes over in a millisecond
SMALL_PARAMETERS = 256  # of which a Hessian is factorised in as much
SMALL_STEPS = 300  # after which the other ways are tried: columns on scales too far apart
NEWTON_PARAMETERS = 1000
NEWTON_WORK = 4e8  # multiplications of a Hessian that takes some ten milliseconds
SAMPLING_PAYS = 2e7
SAMPLE_ROWS_PER_PARAMETER = 40
SAMPLE_SHARE = 0.05
TASTE = 20  # epochs of dual ascent before the method of multipliers takes over
ROUNDS = 100
GAP = 1e-9  # relative duality gap that tol=1e-4 asks for
KINK_GAP = 1e-7  # for a kink and many columns, where liblinear ends at some 1e-6
# A tube ends at 3e-5 to 4e-4 in liblinear, which looks at the sum of violations: at `tol` times the first. P is then
# above its minimum by 0.7 to 1.5 times as much.
TUBE_GAP = 2e-5
TUBE_VIOLATION = 0.3  # of tol: ends it as well
SMALL_GAP = 1e-11  # for a kink and few entries: array and CSR, which go different ways, then agree
SMALL_TEXT = 20_000  # entries, up to which a smaller gap costs little
TIGHTEST_GAP = 2e-15


def in_form(training: Training, *, l1: bool) -> Training:
    """The rows with entries in order where a Hessian is formed of them; else as they come, if none comes twice.

    A text's words come in no order, and sorting them takes as long as solving for them.
    """
    X = training.X
    if not sp.issparse(X) or X.has_canonical_format:
        return training
    if not l1 and X.shape[1] > NEWTON_PARAMETERS:
        _, indices, indptr = kernel_csr(X, ordered=False)
        if not repeats(indices, indptr, np.full(X.shape[1], -1, np.int32)):
            return training
    X = X.copy()
    X.sum_duplicates()
    return replace(training, X=X)


def small_table(X: Any, bias: float, *, l1: bool = False) -> np.ndarray | None:
    """[X, bias] in float64 for a table that is small enough to be solved by `margin_newton`, else None."""
    if sp.issparse(X) and X.shape[0] * X.shape[1] <= min(SMALL_TEXT, 4 * X.nnz):
        X = X.toarray()  # some kilobytes, hardly more than CSR takes: the same bits as from an array
    if l1 or sp.issparse(X) or X.size > SMALL_TABLE or X.shape[1] >= SMALL_PARAMETERS:
        return None
    return with_constant(X, bias)


@dataclass(frozen=True, eq=False)
class MarginProblem:
    """One binary classification or one regression.

    Parameters
    ----------
    blocks : Blocks
        The rows in memory; X is read from here, y and s from below.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        0 and 1, or numbers; of X's dtype.
    s : float64 ndarray of shape (n_rows,), or None
    loss : PointwiseLoss
    C : float
    bias : float
        B; 0 for no intercept.
    l1 : bool
    seed : int
    """

    blocks: Blocks
    X: Any
    y: np.ndarray
    s: np.ndarray | None
    loss: PointwiseLoss
    C: float
    bias: float
    l1: bool = False
    seed: int = 0
    table: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @cached_property
    def total(self) -> float:
        return float(self.n_rows if self.s is None else self.s.sum())

    @property
    def scale(self) -> float:
        """What the risk is multiplied by to give the objective of the module's head."""
        return self.C * self.total

    @property
    def noise(self) -> float:
        """Relative rounding error of the objective."""
        return 4.0 * float(np.finfo(self.blocks.dtype).eps)

    @property
    def stored(self) -> int:
        return int(self.X.nnz if sp.issparse(self.X) else self.X.size)

    @cached_property
    def risk(self) -> Risk:
        """The objective over C W; without the penalty where that is L1."""
        alpha = 1.0 / self.scale
        rows = []
        for block in self.blocks:
            part = slice(block.start, block.start + block.n_rows)
            rows.append(rows_of(block, self.y[part], None if self.s is None else self.s[part]))
        return Risk(
            rows,
            self.loss,
            lambda block: block,  # type: ignore[arg-type, return-value]
            self.total,
            self.blocks.n_features,
            1,
            NoPenalty() if self.l1 else L2(alpha),
            self.bias > 0.0,
            alpha / self.bias**2 if self.bias and not self.l1 else 0.0,
            self.blocks.dtype,
        )

    @cached_property
    def dual(self) -> Dual:
        """The dual problem, at its start."""
        none = np.zeros(0, np.int32)
        arrays: Any = (
            kernel_csr(self.X, ordered=False)
            if sp.issparse(self.X)
            else (kernel_array(self.X).reshape(-1), none, none)
        )
        sides, c = self._sides_and_costs()
        return Dual(*arrays, sides, c, self.loss, self.bias, self.blocks.n_features, self.seed)  # type: ignore[call-arg]

    def _sides_and_costs(self) -> tuple[np.ndarray, np.ndarray]:
        y = self.y.astype(np.float64)
        c = np.full(self.n_rows, self.C) if self.s is None else self.C * self.s
        return (2.0 * y - 1.0 if self.loss.code in SIDED else y), c

    # ---- solving ---------------------------------------------------------------------------------

    def solve(self, stopping: Stopping) -> Result:
        """The minimum; `stopping` has the tol of the estimator, from which the other limits follow."""
        with blas_threads(1):  # scores and factors are the same bits for any number of threads
            return self._solve(stopping)

    def _solve(self, stopping: Stopping) -> Result:
        share = min(max(stopping.tol / 1e-4, 1e-12), 1e4)
        exact = replace(stopping, tol=np.inf, precision=max(GAP * share, TIGHTEST_GAP))
        if self.l1:
            return self._solve_l1(replace(stopping, precision=max(0.1 * GAP * share**2, TIGHTEST_GAP)))
        if self.loss.code not in SQUARED and self.stored <= SMALL_TEXT:
            exact.precision = max(SMALL_GAP * share, TIGHTEST_GAP)
        if self.table is not None:
            sides, c = self._sides_and_costs()
            solver = MarginNewton(self.table, sides, c, self.loss, self.bias)
            short = replace(exact, max_iter=min(exact.max_iter, SMALL_STEPS))
            found = solver.solve(short, 1.0 / self.scale)
            if found.converged or short.asked_to_stop or exact.max_iter <= SMALL_STEPS:
                return found
        p = self.blocks.n_features + (self.bias > 0.0)
        work = self.stored * max(1.0, self.stored / self.n_rows)
        few = p <= NEWTON_PARAMETERS and self.n_rows > p and work <= max(NEWTON_WORK, 100.0 * self.stored)
        if self.loss.code in SQUARED:
            small = p <= NEWTON_PARAMETERS and work <= NEWTON_WORK
            if few or small:
                return self._newton(replace(exact, precision=max(0.1 * GAP * share**2, TIGHTEST_GAP)), work)
            return self.dual.solve(exact, 1.0 / self.scale, self.bias > 0.0)
        patience, enough = TASTE if few else np.inf, 0.0
        if not few and self.stored > SMALL_TEXT:
            tube = self.loss.code not in SIDED
            exact.precision = max((TUBE_GAP if tube else KINK_GAP) * share, TIGHTEST_GAP)
            enough = TUBE_VIOLATION * stopping.tol if tube else 0.0
        first = self.dual.solve(exact, 1.0 / self.scale, self.bias > 0.0, patience=patience, enough=enough)
        if first.converged or not few or exact.asked_to_stop or first.n_iter >= stopping.max_iter:
            return first
        return self._multipliers(exact, first)

    def _newton(self, stopping: Stopping, work: float) -> Result:
        risk, p = self.risk, self.risk.n_parameters
        theta = np.zeros(p)
        if work <= SAMPLING_PAYS or self.n_rows < 2 * SAMPLE_ROWS_PER_PARAMETER * p:
            return newton(risk, theta, stopping)
        size = max(int(SAMPLE_SHARE * self.n_rows), SAMPLE_ROWS_PER_PARAMETER * p)
        sample = risk.subsample(size, of=self.n_rows)
        rough = newton(sample, theta, Stopping(tol=np.inf, precision=1e-5, max_iter=20, noise=risk.noise))
        return newton(risk, rough.x, stopping)

    def _multipliers(self, stopping: Stopping, first: Result) -> Result:
        """The method of multipliers from where dual ascent got to."""
        dual = self.dual
        beta = dual.beta / dual.c
        scores_per = 1.0 if self.loss.code in SIDED else max(float(np.std(self.y)), 1e-12)
        done = len(stopping.history["step"])
        begun = max(first.gradient_norm, 1e-8)
        found = multipliers(
            self.risk,
            first.x,
            replace(stopping, max_iter=ROUNDS),
            beta=beta,
            sigma=min(0.1 / begun, 1e3) / scores_per,
        )
        assert done <= len(found.history_["step"])
        return replace(found, n_iter=first.n_iter + found.n_iter)

    def _solve_l1(self, stopping: Stopping) -> Result:
        risk = self.risk
        alpha = 1.0 / self.scale
        weights = np.full(risk.n_parameters, alpha)
        if self.bias:
            weights[-1] = alpha / self.bias
        problem = SparseProblem(risk, weights)
        theta = np.zeros(risk.n_parameters)
        work = self.stored * max(1.0, self.stored / self.n_rows)
        if risk.n_parameters <= NEWTON_PARAMETERS and work <= NEWTON_WORK:
            return problem.newton(theta, stopping)
        if problem.by_columns:
            return problem.columns_newton(theta, stopping)
        _, variance = risk.column_moments
        mean, _ = risk.column_moments
        bend = 2.0 * (variance + mean * mean) + np.finfo(float).tiny
        bend = np.append(bend, 2.0) if self.bias else bend
        result, _ = problem.working_sets(theta, stopping, lambda g, value: g / bend)
        return result
