"""Dual coordinate ascent for linear models with a margin: one row's multiplier at a time.

With c_i = s_i / (W alpha) the primal problem, divided by the penalty's strength alpha, and its dual are

    min_w     P(w) = |w|^2 / 2 + sum_i c_i L(y_i, w.x_i)
    max_beta  D(beta) = -|w(beta)|^2 / 2 - sum_i phi_i(beta_i),      w(beta) = sum_i beta_i x_i,
    phi_i(beta) = e |beta| - t_i beta + d_i beta^2 / 2    for beta between l_i and u_i,

| loss                        | t_i      | e       | d_i         | beta_i                 |
|-----------------------------|----------|---------|-------------|------------------------|
| hinge                       | side +-1 | 0       | 0           | 0 <= side beta <= c_i  |
| squared hinge               | side +-1 | 0       | 1 / (2 c_i) | 0 <= side beta         |
| epsilon insensitive         | y_i      | epsilon | 0           | -c_i <= beta <= c_i    |
| squared epsilon insensitive | y_i      | epsilon | 1 / (2 c_i) | any                    |

In one coordinate the dual has a closed maximum: a soft threshold, then the bounds. Rows are visited in an
order shuffled each epoch; a row that rests on a bound or on the kink, and is pressed against it harder than
the largest violation of the last epoch, is left out (shrinking). P - D bounds the distance from the optimum: the
method stops by it, never by how little changes. It costs a pass over all rows, so it is asked for when D, which is
known at every step, promises to grow by less than is wanted; the same pass finds the rows that were left out
wrongly, and these alone come back. Once it is settled which rows rest on a bound, steps over all the others at once
(`dual_subspace`) take turns with the epochs. With a tube most rows end on its border, where every step leaves some of
the loss: coefficients averaged over the last fifth of the epochs leave much less of it, and are taken where P says so.
The intercept is one more coefficient, of a constant column, and is penalised
like the others, as in liblinear.

References
----------
C.-J. Hsieh et al. (2008), doi:10.1145/1390156.1390208; C.-H. Ho, C.-J. Lin, "Large-scale linear support vector
regression", JMLR 13 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute.random import generator
from tripos.objective.losses import (
    EPSILON_INSENSITIVE_CODE,
    HINGE_CODE,
    SQUARED_EPSILON_INSENSITIVE_CODE,
    SQUARED_HINGE_CODE,
    PointwiseLoss,
)
from tripos.objective.penalties import L2
from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Rows, SparseRows
from tripos.optimization.dual_kernels import (
    ACTIVE,
    DUAL,
    ENOUGH,
    FIRST_SUM,
    IN_SIGHT,
    SUM,
    WORST,
    ascend,
    duality,
    rebuild,
    squared_norms,
    wake,
)
from tripos.optimization.dual_subspace import ascend_free
from tripos.optimization.result import Result, Stopping

SIDED = (HINGE_CODE, SQUARED_HINGE_CODE)
SQUARED = (SQUARED_HINGE_CODE, SQUARED_EPSILON_INSENSITIVE_CODE)
CODES = (*SIDED, EPSILON_INSENSITIVE_CODE, SQUARED_EPSILON_INSENSITIVE_CODE)
VISITS = 2e7  # entries visited between two looks at the clock: a few hundredths of a second
TIGHTEST = 1e-14  # violation from which rounding hides the rest, in units of the targets
SURE = 0.5  # growth of D in sight at which the gap is looked at, as a share of the gap wanted
LESS_SURE = 0.1  # the same with kinks
FIRST_LOOK = 24  # epochs after which the gap is looked at in any case
SPARSE_LOOKS = 4  # and how many times as many next

SETTLING = 8  # epochs before the first step over the free rows
TUBE_SETTLING = 48  # the same of a tube, whose free rows are most of them and change for long
LATER = 24  # the same of squared losses and more than ...
IN_CACHE = 1_000_000  # ... entries, which a few more epochs often solve
BETWEEN = 2  # epochs from one step to the next; twice as many while a visit in a step brings less ...
MOST_BETWEEN = 64
WORTH, TUBE_WORTH = 0.3, 1.0  # ... than that share of what one in these epochs brings
PRODUCTS = 5  # of the first step at most
MORE_PRODUCTS = 1.5  # times as many of the next
MOST_PRODUCTS = 60
RESIDUAL = 0.1  # of conjugate gradients at most, as a share of the gradient
# Epochs, products and residual where no multiplier meets a bound or a kink, so that all is one linear system.
SYSTEM = (4, 200, 1e-4)
LOOSE = 1e-3  # relative gap up to which little violation is enough
# Of a tube: looks are nearer to one another, the coefficients between two are averaged over so many times, and after
# some epochs it is enough that P - D is a share of what the violations may add up to, times the rows' weight.
NEARER, SAMPLES = 1.2, 64
SLOW, EXCESS = 100, 1.85
EARLY = 100.0  # times the growth of D at which the gap is looked at, of a step: the next brings far less


@dataclass(eq=False)
class Dual:
    """The dual problem of some rows, and where the ascent stands.

    Parameters
    ----------
    data, indices, indptr : ndarray
        The arrays of a CSR matrix; for an array its entries row by row, and two empty arrays.
    y : float64 ndarray of shape (n_rows,)
        -1 and 1 for the hinge losses, numbers for the others.
    c : float64 ndarray of shape (n_rows,)
        Weight of each row's loss against |w|^2 / 2.
    loss : PointwiseLoss
    bias : float
        The constant column; 0 for no intercept.
    n_features : int
    seed : int
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    y: np.ndarray
    c: np.ndarray
    loss: PointwiseLoss
    bias: float
    n_features: int
    seed: int = 0

    def __post_init__(self) -> None:
        n = len(self.y)
        self.dense = int(self.indptr.size == 0)
        self.beta = np.zeros(n)
        self.w = np.zeros(self.n_features + 1)
        self.norms = np.empty(n)
        squared_norms(self.dense, *self.rows, self.n_features, self.norms)  # type: ignore[call-arg]
        self.order = np.arange(n)
        self.random = np.array([self.seed * 2 + 0x9E3779B97F4A7C15], np.uint64)
        self.state = np.array([n, np.inf, np.inf, 0.0, *[np.inf] * 6, 0.0])
        self.at_rest = np.zeros(n, np.uint8)
        self.n_epochs = self.visited = 0  # an epoch is as many visits as there are rows
        self.entries = max(1.0, self.data.size / n)
        self.products, self.between = float(PRODUCTS), BETWEEN
        self.tube = not (self.kind[0] or self.kind[1])
        self.sum, self.samples, self.best = np.zeros(0), 0, self.w
        self.averaged, self.burst, self.lowest = False, MOST_BETWEEN, np.inf

    @property
    def rows(self) -> Any:
        return self.data, self.indices, self.indptr, self.bias

    @property
    def kind(self) -> Any:
        """(sided, squared, epsilon) as the kernels know the loss."""
        code = self.loss.code
        return int(code in SIDED), int(code in SQUARED), self.loss.parameter

    def ascend(self, epochs: int, tol: float, share: float = 0.0) -> bool:
        """At most so many epochs, in one call of at most some 0.1 s; whether every row is within `tol`, or D expected
        to grow by at most `share` of it."""
        affordable = max(1, int(VISITS / (self.entries * max(1.0, self.state[ACTIVE]))))
        _, visited = ascend(  # type: ignore[call-arg]
            *self.kind, *self.rows, self.y, self.c, self.norms, self.beta, self.w, self.order, self.random,
            self.state, min(epochs, affordable), tol, share,
        )  # fmt: skip
        self._count(visited)
        return bool(min(self.state[WORST], self.state[IN_SIGHT]) < np.inf)

    def _count(self, visited: int) -> None:
        self.visited += int(visited)
        self.n_epochs = -(-self.visited // len(self.y))

    @property
    def system(self) -> bool:
        return bool(self.kind == (0, 1, 0.0))

    def _settling(self) -> int:
        """Epochs before the first step over the free rows."""
        if self.system:
            return SYSTEM[0]
        if self.tube:
            return TUBE_SETTLING
        return LATER if self.kind[1] and self.data.size > IN_CACHE else SETTLING

    def step(self, most: float, tol: float, share: float) -> bool:
        """One step over the free rows, then some epochs; as `ascend`, but in sight is what D grew by altogether."""
        before, grown = self.state[DUAL], np.zeros(1)
        visits = min(most * len(self.y) - self.visited, VISITS / self.entries)
        visited = ascend_free(  # type: ignore[call-arg]
            *self.kind, *self.rows, self.y, self.c, self.norms, self.beta, self.w,
            SYSTEM[2] if self.system else RESIDUAL, SYSTEM[1] if self.system else int(self.products), visits, grown,
        )  # fmt: skip
        self._count(visited)
        if self.system:
            self.state[DUAL] += grown[0]
            return True
        self.state[DUAL] += grown[0]
        middle, begun = self.state[DUAL], self.visited
        at_rest, until = False, self.n_epochs + self.between
        while not at_rest:
            at_rest = self.ascend(min(self.burst, max(1, until - self.n_epochs)), tol)
            if not self.averaged or self.n_epochs >= until:
                break
            self._add_to_average()
        least = TUBE_WORTH if self.tube else WORTH
        worth = grown[0] * (self.visited - begun) >= least * (self.state[DUAL] - middle) * float(visited)
        if worth or not self.tube:
            self.products = min(float(MOST_PRODUCTS), MORE_PRODUCTS * self.products)
        self.between = BETWEEN if worth else min(2 * self.between, MOST_BETWEEN)
        return at_rest or self.state[DUAL] - before <= share * self.state[DUAL]

    def values(self) -> tuple[float, float]:
        """(P, D), the primal and the dual objective, with w free of the rounding of its updates. `best` are then the
        coefficients that P is of: w; or where averages are taken, the best of all looks."""
        if self.samples:
            self.sum /= self.samples
            self._keep(self._primal(self.sum)[0], self.sum)
            self.sum[:], self.samples = 0.0, 0
        rebuild(self.dense, *self.rows, self.beta, self.w)  # type: ignore[call-arg]
        P, distance = self._primal(self.w)
        self.state[DUAL] = P - distance
        if self.averaged:
            self._keep(P, self.w)
        return min(P, self.lowest), float(self.state[DUAL])

    def _keep(self, P: float, w: np.ndarray) -> None:
        if P < self.lowest:
            self.best, self.lowest = w.copy(), P

    def _primal(self, w: np.ndarray) -> tuple[float, float]:
        """P at w, and P(w) - D for the w that belongs to beta; `at_rest` follows."""
        sums = np.empty(2)
        duality(*self.kind, *self.rows, self.y, self.c, self.beta, w, sums, self.at_rest)  # type: ignore[call-arg]
        half = 0.5 * float(w @ w)
        return half + float(sums[0]), 2.0 * half + float(sums[0]) + float(sums[1])

    def _add_to_average(self) -> None:
        if not self.sum.size:
            self.sum = np.zeros_like(self.w)
        self.sum += self.w
        self.samples += 1

    def wake(self) -> None:
        """Rows that were left out and that `values` found wanting come back."""
        self.state[ACTIVE] = wake(self.order, int(self.state[ACTIVE]), self.at_rest)  # type: ignore[call-arg]

    def theta(self, fit_intercept: bool) -> np.ndarray:
        """The coefficients with the intercept last."""
        d, w = self.n_features, self.best
        return np.append(w[:d], self.bias * w[d]) if fit_intercept else w[:d].copy()

    def solve(
        self,
        stopping: Stopping,
        scale: float,
        fit_intercept: bool,
        *,
        patience: float = np.inf,
        enough: float = 0.0,
    ) -> Result:
        """Epochs until the gap is within `stopping.precision` of P, or `max_iter`, or `patience` epochs.

        Parameters
        ----------
        scale : float
            What P is multiplied by in the history.
        enough : float
            Share of the first epoch's violations at which it ends as well, where the gap is no more than `LOOSE`; and
            of a tube where the gap itself is no more than `EXCESS` of them.
        """
        self.state[ENOUGH] = enough
        precision = max(stopping.precision, 4.0 * np.finfo(float).eps)
        tol = TIGHTEST * float(np.abs(self.y).max(initial=0.0))
        share = (SURE if self.kind[1] else LESS_SURE) * precision
        most = min(stopping.max_iter, patience)
        looks = FIRST_LOOK if FIRST_LOOK * self.data.size <= 5 * VISITS else 8
        settling = self._settling() if patience == np.inf else np.inf
        self.averaged = averaged = self.tube and enough > 0.0
        further = NEARER if averaged else SPARSE_LOOKS
        while True:
            if averaged:
                self.burst = max(1, int(looks * (1.0 - 1.0 / NEARER) / SAMPLES))
            if self.n_epochs >= settling:
                near = self.step(most, tol, EARLY * share)
                looks = max(looks, SPARSE_LOOKS * FIRST_LOOK) if not averaged else looks
            else:
                left = max(1, int(min(most, looks, settling)) - self.n_epochs)
                early = not averaged or looks <= FIRST_LOOK
                near = self.ascend(left if early else min(self.burst, left), tol, share)
            if averaged and looks > FIRST_LOOK:
                self._add_to_average()
            step = min(self.n_epochs, int(most))
            if not (near or step >= min(most, looks)):
                continue
            P, D = self.values()
            gap = (P - D) / abs(P) if P else 0.0
            stopping.record(step, scale * P, np.array([gap]), self.w)
            ended = step >= most or self.state[WORST] <= tol
            settled = gap <= LOOSE and self.state[SUM] <= enough * self.state[FIRST_SUM]
            if averaged and step >= SLOW and gap <= LOOSE:
                settled |= P - D <= EXCESS * enough * self.state[FIRST_SUM] * float(self.c.min())
            if settled:
                precision = max(gap, precision)
            elif self.state[SUM] <= enough * self.state[FIRST_SUM]:
                self.state[ENOUGH] *= 0.5
            if gap <= precision or stopping.asked_to_stop or ended:
                break
            if near:
                share *= min(0.5, max(0.02, 0.5 * precision / gap))
            looks = looks if step < looks else int(np.ceil(further * looks))
            self.wake()
        theta, reason = (
            self.theta(fit_intercept),
            f"the duality gap, {gap:.3g} of the objective, is small enough",
        )
        if gap > precision:
            reason = (
                "a callback asked to stop"
                if stopping.asked_to_stop
                else f"after {step} epochs the duality gap is {gap:.3g} of the objective, "
                f"{stopping.precision:.3g} was asked for"
            )
        return Result(theta, scale * P, gap, step, gap <= precision, reason, stopping.history)


def dual_coordinate_ascent(risk: Any, x0: np.ndarray, stopping: Stopping, *, random_state: Any = 0) -> Result:
    """Minimise the risk of a hinge or epsilon-insensitive loss (or their squares) with an L2 penalty.

    Parameters
    ----------
    risk : Risk
        Of rows in memory; its intercept is penalised (`intercept_penalty`) or absent.
    x0 : ndarray of shape (n_parameters,)
        Without effect: the dual starts at zero.
    stopping : Stopping
        `precision` bounds the duality gap relative to the objective; `max_iter` the epochs.
    random_state : int, RandomState or Generator
        The order of the rows.

    Returns
    -------
    Result
        Its `gradient_norm` is the relative duality gap.

    Raises
    ------
    TypeError, ValueError
        For another loss, another penalty, or an intercept that is free.
    """
    _check(risk)
    blocks = [risk._rows(block) for block in risk.blocks]
    data, indices, indptr = _joined(blocks)
    y = np.concatenate([block.y for block in blocks]).astype(np.float64)
    s = np.concatenate([b.s if b.s.size else np.ones(b.n_rows) for b in blocks]).astype(np.float64)
    y, alpha = (2.0 * y - 1.0 if risk.loss.code in SIDED else y), risk.penalty.alpha
    bias = np.sqrt(alpha / risk.intercept_penalty) if risk.fit_intercept else 0.0
    c = s / (risk.total_weight * alpha)
    kept = np.flatnonzero(c > 0.0)
    if len(kept) < len(c):
        raise ValueError(f"{len(c) - len(kept)} rows have weight 0: leave them out")
    seed = int(generator(random_state).integers(2**31))
    dual = Dual(data, indices, indptr, y, c, risk.loss, float(bias), risk.n_features, seed)
    return dual.solve(stopping, alpha, risk.fit_intercept)


def _check(risk: Any) -> None:
    """A clear refusal of what this method is not for."""
    loss = getattr(risk, "loss", None)
    if not (isinstance(risk, Risk) and isinstance(loss, PointwiseLoss)):
        raise TypeError(
            "method='dual-coordinate-ascent' needs the risk of a linear model: `linear_risk(X, y, loss)`"
        )
    if loss.code not in CODES:
        raise ValueError(
            f"method='dual-coordinate-ascent' is for the hinge, the epsilon-insensitive loss and their squares; "
            f"for the {loss.name} loss use method='newton' or 'lbfgs'"
        )
    if not isinstance(risk.penalty, L2) or risk.penalty.alpha <= 0.0:
        raise ValueError(
            "method='dual-coordinate-ascent' needs an L2 penalty, which makes the dual what it is"
        )
    if risk.fit_intercept and risk.intercept_penalty <= 0.0:
        raise ValueError(
            "method='dual-coordinate-ascent' needs a penalised intercept (intercept_penalty > 0) or none "
            "(fit_intercept=False): a free one ties all rows' multipliers together"
        )


def _joined(blocks: list[Rows]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of all rows, without a copy where they are one block."""
    first = blocks[0]
    if isinstance(first, DenseRows):
        none = np.zeros(0, np.int32)
        parts = [block.X.reshape(-1) for block in blocks if isinstance(block, DenseRows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts), none, none
    rows = [block for block in blocks if isinstance(block, SparseRows)]
    if len(rows) == 1:
        return rows[0].arrays
    starts = np.cumsum([0, *(len(block.data) for block in rows)])
    pointers = [block.indptr[:-1] + a for block, a in zip(rows, starts)]
    return (
        np.concatenate([block.data for block in rows]),
        np.concatenate([block.indices for block in rows]),
        np.append(np.concatenate(pointers), starts[-1]).astype(rows[0].indptr.dtype),
    )
