"""The method of multipliers for losses with a kink: exact answers from a few Newton steps on smooth ones.

The hinge and the epsilon-insensitive loss have no curvature to step by. Their Moreau envelope has: with
multipliers beta (one a row, beta_i in -dL) and a step sigma,

    w    <- argmin_w  1/W sum_i s_i E_i(sigma x_i.w; sigma t_i + beta_i) / sigma + R(w),
    beta <- -E'(sigma x_i.w; sigma t_i + beta_i)

where t_i is the side (hinge) or the target. The inner problem is piecewise quadratic and solved by Newton's
method in a handful of steps; only rows on the margin bend it. Each round brings beta closer by a factor that
grows with sigma, and since everything is polyhedral the last round is exact. The duality gap

    1/W sum_i s_i (L_i(eta_i) + L*_i(-beta_i) + beta_i eta_i) + |grad R(w) - X'(s beta) / W|^2 / (2 alpha)

bounds how far the objective is from its minimum, and ends it. For n >> p this takes some tens of passes over X
where coordinate ascent takes thousands.

References
----------
R. T. Rockafellar (1976), doi:10.1287/moor.1.2.97; X. Li, D. Sun, K.-C. Toh (2018), doi:10.1137/16M1097572
(semismooth Newton steps inside).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tripos.objective.losses import HINGE_CODE, PointwiseLoss, envelope
from tripos.objective.penalties import L2
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows
from tripos.optimization.newton import Curvature
from tripos.optimization.result import Result, Stopping

GROWTH = 8.0  # of sigma from one round to the next
ENOUGH = 0.02  # share of the gap left after a round that needs no larger sigma
LARGEST = 1e7  # sigma, in units of its start
INNER_STEPS = 60
INNER_SHARE = 1e-5  # of the gap: decrease left in sight at the end of an inner problem
SHORT = 0.05  # a step that is damped the next time ...
DAMPING = 1e-4  # ... at first by that share of the largest curvature seen
LINE_STEPS = 30
LINE_SHARE = 0.1  # slope left on a line, as a share of the one at its start


@dataclass(eq=False)
class _Rounds:
    """Where the method stands: theta, the rows' multipliers, and the gap between their objectives."""

    risk: Risk
    blocks: list[Rows]
    targets: list[np.ndarray]
    beta: list[np.ndarray]
    sigma: float

    @property
    def loss(self) -> PointwiseLoss:
        assert isinstance(self.risk.loss, PointwiseLoss)
        return self.risk.loss

    def smooth(self) -> Risk:
        """The inner problem, in sigma theta."""
        penalty, sigma = self.risk.penalty, self.sigma
        assert isinstance(penalty, L2)
        dtype = self.risk.dtype
        rows = [
            replace(block, y=(sigma * t + b).astype(dtype))
            for block, t, b in zip(self.blocks, self.targets, self.beta)
        ]
        return replace(
            self.risk,
            blocks=rows,
            loss=envelope(self.loss, sigma),
            penalty=L2(penalty.alpha / sigma),
            intercept_penalty=self.risk.intercept_penalty / sigma,
        )

    def advance(self, inner: Risk, theta: np.ndarray) -> tuple[float, float]:
        """New multipliers at theta; the objective there and the gap."""
        extended = self.risk._extended(theta)
        total = gap = 0.0
        epsilon = 0.0 if self.loss.code == HINGE_CODE else self.loss.parameter
        for k, (block, shifted) in enumerate(zip(self.blocks, inner.blocks)):
            eta = block.scores(extended)[0].astype(np.float64)
            t = self.targets[k]
            assert isinstance(inner.loss, PointwiseLoss)
            beta = -inner.loss.rows(shifted.y.astype(np.float64), self.sigma * eta)[1]  # type: ignore[union-attr]
            losses = self.loss.rows(_coded(self.loss, t), eta)[0]
            excess = np.maximum(losses + (eta - t) * beta + epsilon * np.abs(beta), 0.0)
            total += float(losses @ block.s if block.s.size else losses.sum())
            gap += float(excess @ block.s if block.s.size else excess.sum())
            self.beta[k] = beta
        strength = _strength(self.risk)
        residual = inner.value_gradient(self.sigma * theta)[1]  # that of w less what beta makes of it
        kept = strength > 0.0
        gap += 0.5 * self.risk.total_weight * float(residual[kept] @ (residual[kept] / strength[kept]))
        value = total / self.risk.total_weight + 0.5 * float(strength @ (theta * theta))
        return value, gap / self.risk.total_weight


def minimise_smooth(risk: Risk, theta: np.ndarray, precision: float) -> tuple[np.ndarray, int]:
    """The minimum of a piecewise quadratic risk by Newton's method with an exact line search, and its steps.

    Along a step the scores move on a line, so that the best point of it costs one product with X and some passes
    over scores. (Halving the step instead took eight passes over X a step.)
    """
    scores: list[np.ndarray] | None = None
    damping, widest = 0.0, np.zeros(theta.size)
    for step in range(1, INNER_STEPS + 1):
        value, gradient, hessian = risk.value_gradient_hessian(theta)
        widest = np.maximum(widest, np.diag(hessian))
        if damping:
            hessian[np.diag_indices(theta.size)] += damping * widest
        direction = Curvature(hessian).solve(gradient)
        decrement = float(gradient @ direction)
        if not damping and not 0.5 * decrement > precision * abs(value):
            return theta - direction, step
        if scores is None:
            scores = _scores(risk, theta)
        moves = _scores(risk, direction)
        t = _exact_step(risk, theta, direction, scores, moves, decrement)
        if t < SHORT:  # hardly a row bends here, others will soon
            damping = max(DAMPING, 10.0 * damping)
        elif t > 0.5:
            damping = 0.1 * damping if damping > DAMPING else 0.0
        theta = theta - t * direction
        scores = [eta - t * delta for eta, delta in zip(scores, moves)]
    return theta, INNER_STEPS


def _scores(risk: Risk, theta: np.ndarray) -> list[np.ndarray]:
    extended = risk._extended(theta)
    return [rows.scores(extended)[0] for rows in risk.blocks]  # type: ignore[union-attr]


def _exact_step(
    risk: Risk,
    theta: np.ndarray,
    direction: np.ndarray,
    scores: list[np.ndarray],
    moves: list[np.ndarray],
    decrement: float,
) -> float:
    """The t where the risk is lowest on theta - t direction: a root of its slope, by Newton and bisection."""
    strength = _strength(risk)
    along, bend = float((strength * theta) @ direction), float(strength @ (direction * direction))
    low, high, t = 0.0, np.inf, 1.0
    for _ in range(LINE_STEPS):
        slope, curvature = -along + t * bend, bend
        for rows, eta, delta in zip(risk.blocks, scores, moves):
            _, first, second = risk.loss.rows(rows.y, eta - rows.y.dtype.type(t) * delta)  # type: ignore
            weighted = delta * rows.s if rows.s.size else delta  # type: ignore[union-attr]
            slope -= float(np.vdot(first, weighted)) / risk.total_weight
            curvature += float(np.vdot(second * delta, weighted)) / risk.total_weight
        if abs(slope) <= LINE_SHARE * decrement:
            break
        low, high = (t, high) if slope < 0.0 else (low, t)
        t -= slope / curvature if curvature > 0.0 else 0.0
        if not low < t < high:
            t = 0.5 * (low + high) if np.isfinite(high) else 2.0 * low
    return t


def _strength(risk: Risk) -> np.ndarray:
    """Curvature of the penalty along each parameter."""
    strength = np.full(risk.n_parameters, risk.penalty.curvature)
    strength[risk.n_features :] = risk.intercept_penalty
    return strength


def _coded(loss: PointwiseLoss, t: np.ndarray) -> np.ndarray:
    """Targets as the loss has them: 0 and 1 for the hinge."""
    return (t > 0.0).astype(np.float64) if loss.code == HINGE_CODE else t


def multipliers(
    risk: Risk,
    x0: np.ndarray,
    stopping: Stopping,
    *,
    beta: np.ndarray | None = None,
    sigma: float = 1.0,
) -> Result:
    """Minimise the risk of the hinge or the epsilon-insensitive loss with an L2 penalty.

    Parameters
    ----------
    risk : Risk
        Of rows in memory, with a penalty on every coefficient (an intercept may be free).
    x0 : ndarray of shape (n_parameters,)
    stopping : Stopping
        `precision` bounds the duality gap relative to the objective; `max_iter` the rounds.
    beta : ndarray of shape (n_rows,), optional
        Multipliers to start from.
    sigma : float
        The first step: one over the width of the zone around a kink that holds enough rows to begin with.

    Returns
    -------
    Result
        Its `n_iter` counts Newton's steps.
    """
    blocks = [block if not hasattr(block, "start") else risk.prepare(block) for block in risk.blocks]  # type: ignore[arg-type]
    hinge = isinstance(risk.loss, PointwiseLoss) and risk.loss.code == HINGE_CODE
    targets = [2.0 * b.y.astype(np.float64) - 1.0 if hinge else b.y.astype(np.float64) for b in blocks]
    ends = np.cumsum([0, *(len(t) for t in targets)])
    start = [np.zeros(len(t)) if beta is None else beta[a:b] for t, a, b in zip(targets, ends[:-1], ends[1:])]
    here = _Rounds(risk, blocks, targets, start, sigma)
    theta = np.array(x0, dtype=np.float64, ndmin=1)
    best, previous, steps = theta, 1.0, 0
    precision = max(stopping.precision, 2.0 * stopping.noise)
    for round_ in range(1, stopping.max_iter + 1):
        inner = here.smooth()
        scaled, taken = minimise_smooth(
            inner, theta * here.sigma, max(INNER_SHARE * previous, stopping.noise)
        )
        theta = scaled / here.sigma
        steps += taken
        value, gap = here.advance(inner, theta)
        relative = gap / max(abs(value), 1e-300)
        if relative < previous:
            best, best_value = theta, value
        _note(stopping, round_, value, relative, theta)
        if relative <= precision:
            return _result(stopping, best, best_value, relative, steps, None)
        if stopping.asked_to_stop:
            return _result(stopping, best, best_value, relative, steps, "a callback asked to stop")
        if relative > ENOUGH * previous:
            if here.sigma >= LARGEST * sigma:
                break
            here.sigma *= GROWTH
        previous = min(previous, relative)
    reason = (
        None
        if previous <= 1e4 * stopping.noise
        else (
            f"the duality gap is {previous:.3g} of the objective after {steps} steps, {precision:.3g} was asked for"
        )
    )
    return _result(stopping, best, best_value, previous, steps, reason)


def _note(stopping: Stopping, step: int, value: float, gap: float, theta: np.ndarray) -> None:
    stopping.record(step, value, np.array([gap]), theta)


def _result(
    stopping: Stopping, x: np.ndarray, value: float, gap: float, steps: int, reason: str | None
) -> Result:
    said = reason or f"the duality gap, {gap:.3g} of the objective, is small enough"
    return Result(x, value, gap, steps, reason is None, said, stopping.history)
