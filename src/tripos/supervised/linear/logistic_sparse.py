"""Logistic regression with an L1 or elastic-net penalty: most coefficients are zero, and most work is saved.

    F(W, b) = 1/S sum_i s_i L(y_i, W x_i + b) + l1 |W|_1 + l2 |W|^2 / 2

The shape of the data chooses the way to the minimum:

- two classes and CSR, or a small table and a strong penalty: Newton steps by columns, which form no Hessian
  (`optimization.columns_newton`);
- few parameters: proximal Newton steps over all of them (`optimization.proximal_newton`); where there are many
  rows for each, with a Hessian from a sample of the rows, as without the L1 penalty;
- otherwise working sets: the columns whose coefficients are not zero and those that violate the optimality
  conditions most get proximal Newton steps of their own, then a pass over all columns says who is next. 5,000
  texts with 9,000 words need a few hundred columns and half a dozen such passes;
- more coefficients that are not zero than a Hessian has room for: L-BFGS by orthants (`optimization.orthant`).

All stop by the violation of the optimality conditions, and by the decrease still in sight.

References
----------
J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01; G.-X. Yuan, C.-H. Ho, C.-J. Lin, "An
improved GLMNET for L1-regularized logistic regression", JMLR 13 (2012), 1999-2030 (working sets).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blocks import Block
from tripos.objective.losses import LOG, SQUARED_HINGE
from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Rows, SparseRows
from tripos.optimization.columns_newton import ColumnsNewton
from tripos.optimization.lbfgs import Inverse
from tripos.optimization.orthant import orthantwise
from tripos.optimization.proximal_newton import proximal_newton, violations
from tripos.optimization.result import NotFinite, Result, Stopping

ROOM = 2000  # parameters of a working set, whose Hessian takes 32 MB
FIRST_COLUMNS = 128  # that join the working set at least
SET_STEPS = 6  # of Newton's method on one working set
AT_REST = 1e-3  # share of `tol`: a start where nothing is left to do
SET_PRECISION = 1e-5  # decrease in sight, as a share of the objective, at which it may be left
SET_SHARE = 0.1  # of the largest violation, at which a working set is left for the next

FEW_ENTRIES = 50_000  # of a table that may be solved by columns ...
STRONG = 500.0  # ... where |slope| of no column at w = 0 is more times its l1: breast cancer at C = 1, not at C = 10
CLOSER = 0.1  # sum of violations, as a share of that at which liblinear stops


@dataclass(frozen=True, eq=False)
class SparseProblem:
    """The smooth part of an objective, and the weights of |theta_j|."""

    risk: Risk
    l1: np.ndarray

    def newton(self, theta: np.ndarray, stopping: Stopping) -> Result:
        """Proximal Newton steps with a Hessian each."""
        return proximal_newton(self.risk, theta, stopping, l1=self.l1)

    def newton_from_sample(self, sample: Risk, theta: np.ndarray, stopping: Stopping, warm: bool) -> Result:
        """Start and Hessian from a sample of the rows."""
        if not warm:
            rough = Stopping(tol=1e-3, precision=1e-5, max_iter=10, noise=stopping.noise)
            found = proximal_newton(sample, theta, rough, l1=self.l1)
            if not found.converged:
                return self.newton(theta, stopping)
            theta = found.x
        _, _, hessian = sample.value_gradient_hessian(theta)
        return proximal_newton(self.risk, theta, stopping, l1=self.l1, hessian_guess=hessian)

    def quasi_newton(self, theta: np.ndarray, stopping: Stopping, inverse: Inverse) -> Result:
        """L-BFGS by orthants, from a preconditioner for the smooth part."""
        return orthantwise(self.risk, theta, stopping, l1=self.l1, inverse=inverse)

    @property
    def by_columns(self) -> bool:
        """Whether it is the log loss or the squared hinge of sparse rows in memory."""
        risk = self.risk
        held = isinstance(risk.blocks, list) and all(isinstance(rows, SparseRows) for rows in risk.blocks)
        return held and (risk.loss is LOG or risk.loss is SQUARED_HINGE)

    def worth_columns(self, theta: np.ndarray) -> bool:
        """Whether a small table's penalty is so strong that sweeps over columns are faster than factorised steps."""
        risk = self.risk
        held = isinstance(risk.blocks, list) and all(isinstance(rows, DenseRows) for rows in risk.blocks)
        if (
            not (held and risk.loss is LOG)
            or risk.n_features * sum(r.n_rows for r in risk.blocks) > FEW_ENTRIES
        ):  # type: ignore[union-attr]
            return False
        _, gradient = risk.value_gradient(theta)
        d = risk.n_features
        return bool((np.abs(gradient[:d]) <= STRONG * self.l1[:d]).all())

    def columns_newton(self, theta: np.ndarray, stopping: Stopping) -> Result:
        """Newton steps by columns, at least as close to the minimum as liblinear goes for this `tol`."""
        risk = self.risk
        rows = [rows for rows in risk.blocks if not isinstance(rows, Block)]
        y = np.concatenate([part.y for part in rows]).astype(np.float64)
        weights = [part.s if part.s.size else np.ones(part.n_rows) for part in rows]
        s = np.concatenate(weights).astype(np.float64) / risk.total_weight
        rarer = min(float(s @ y), float(s @ (1.0 - y)))
        l2 = np.full(risk.n_parameters, risk.penalty.curvature)
        l2[risk.n_features :] = risk.intercept_penalty
        problem = ColumnsNewton(
            *_by_columns(rows, risk.fit_intercept), y, s, self.l1, l2, risk.loss is SQUARED_HINGE
        )
        return problem.solve(theta, stopping, CLOSER * stopping.tol * rarer)

    # ---- working sets ----------------------------------------------------------------------------

    def working_sets(self, theta: np.ndarray, stopping: Stopping, inverse: Inverse) -> tuple[Result, str]:
        """The minimum over all columns, by way of some; and the method that found it."""
        risk = self.risk
        value, gradient = risk.value_gradient(theta)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NotFinite(f"the objective is {value} at the start, or its gradient is not finite")
        value += float(self.l1 @ np.abs(theta))
        violation = violations(theta, gradient, self.l1)
        stopping.record(0, value, violation, theta)
        solved = False
        for step in range(stopping.max_iter + 1):
            in_sight = self._decrease_in_sight(violation, inverse, value)
            solved = solved or violation.max(initial=0.0) <= AT_REST * stopping.tol
            if stopping.reached(value, violation, in_sight) and solved:
                return stopping.result(theta, value, violation, step, None), "prox-newton"
            if stopping.asked_to_stop:
                reason = "a callback asked to stop"
                return stopping.result(theta, value, violation, step, reason), "prox-newton"
            if step == stopping.max_iter:
                reason = stopping.exhausted(violation)
                return stopping.result(theta, value, violation, step, reason), "prox-newton"
            columns = self._working_set(theta, violation)
            if len(columns) * risk.n_outputs > ROOM:
                rest = replace(stopping, max_iter=stopping.max_iter - step, history=stopping.history)
                return self.quasi_newton(theta, rest, inverse), "orthant-lbfgs"
            theta, solved = self._solve_columns(theta, columns, violation, stopping)
            value, gradient = risk.value_gradient(theta)
            value += float(self.l1 @ np.abs(theta))
            violation = violations(theta, gradient, self.l1)
            stopping.record(step + 1, value, violation, theta)
        raise AssertionError("the loop returns at max_iter")

    def _decrease_in_sight(self, violation: np.ndarray, inverse: Inverse, value: float) -> float:
        """What a step by the diagonal of the Hessian would bring."""
        return 0.5 * float(violation @ inverse(violation, value))

    def _working_set(self, theta: np.ndarray, violation: np.ndarray) -> np.ndarray:
        """Columns with a coefficient that is not zero, and as many again of those that violate most."""
        risk = self.risk
        K, d = risk.n_outputs, risk.n_features
        score = violation.reshape(K, -1)[:, :d].max(axis=0)
        support = (theta.reshape(K, -1)[:, :d] != 0.0).any(axis=0)
        score[support] = 0.0
        joining = np.flatnonzero(score > 0.0)
        most = max(FIRST_COLUMNS, int(support.sum()))
        if len(joining) > most:
            joining = joining[np.argpartition(-score[joining], most - 1)[:most]]
        support[joining] = True
        return np.flatnonzero(support)

    def _solve_columns(
        self, theta: np.ndarray, columns: np.ndarray, violation: np.ndarray, stopping: Stopping
    ) -> tuple[np.ndarray, bool]:
        """theta after some Newton steps on these columns; and whether they are solved to the end."""
        risk = self.risk
        blocks: list[Block | Rows] = [
            _columns(rows, columns) for rows in risk.blocks if not isinstance(rows, Block)
        ]
        part = replace(risk, blocks=blocks, n_features=len(columns))
        positions = np.arange(risk.n_parameters).reshape(risk.n_outputs, -1)
        places = np.append(columns, np.arange(risk.n_features, positions.shape[1]))
        inside = positions[:, places].reshape(-1)
        tol = max(SET_SHARE * float(violation.max(initial=0.0)), 0.5 * stopping.tol)
        last = tol <= stopping.tol
        own = Stopping(
            tol=tol,
            precision=stopping.precision if last else SET_PRECISION,
            max_iter=SET_STEPS,
            noise=stopping.noise,
        )
        found = proximal_newton(part, theta[inside], own, l1=self.l1[inside])
        theta = theta.copy()
        theta[inside] = found.x
        return theta, found.converged and last


def _columns(rows: Rows, columns: np.ndarray) -> Rows:
    """The same rows with some of their columns."""
    if isinstance(rows, DenseRows):
        return replace(rows, X=np.ascontiguousarray(rows.X[:, columns]))
    X = sp.csr_array(rows.arrays, shape=(rows.n_rows, rows.n_features))[:, columns]
    return SparseRows(*kernel_csr(X), len(columns), rows.y, rows.s)


def _by_columns(rows: list[Rows], fit_intercept: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of all rows as one CSC matrix, with a column of ones for the intercept."""
    if isinstance(rows[0], DenseRows):
        table = np.vstack([part.X for part in rows if isinstance(part, DenseRows)])
        n, d = table.shape
        data, indices = table.T.reshape(-1), np.tile(np.arange(n, dtype=np.int32), d)
        ends = np.arange(0, n * d + 1, n, dtype=np.int32)
    else:
        parts = [
            sp.csr_array(part.arrays, shape=(part.n_rows, part.n_features))
            for part in rows
            if isinstance(part, SparseRows)
        ]
        X = (parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")).tocsc()
        X.sum_duplicates()  # a coordinate's curvature is that of whole entries
        n, data, indices, ends = X.shape[0], X.data, X.indices, X.indptr
        del parts, X  # so that each array is let go of once it is copied below
    if fit_intercept:
        data = np.append(data, np.ones(n, data.dtype))
        indices = np.append(indices, np.arange(n, dtype=indices.dtype))
        ends = np.append(ends, ends[-1:] + n)
    kind = np.int32 if indices.dtype == np.int32 and ends.dtype == np.int32 else np.int64
    return kernel_array(data), kernel_array(indices, kind), kernel_array(ends, kind)
