"""The way to the minimum of a generalised linear model's penalised deviance.

    F(w, b) = 1/W sum_i s_i L(y_i, eta_i + o_i) + alpha |w|^2 / 2,     eta_i = x_i.w + b,   W = sum_i s_i

with the losses of `objective.counts`, half deviances up to a term in y, and known offsets o.

The shape of the data chooses the way: Newton's method (IRLS) with a Hessian each step for little work; Newton's
method from a sample of the rows for many rows, whose full passes compute the gradient alone; L-BFGS around the
diagonal of the Hessian for many columns.

References
----------
P. McCullagh, J. Nelder, *Generalized Linear Models*, 2nd ed., section 2.5; J. Nelder, R. Wedderburn (1972),
doi:10.2307/2344614.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tripos.base import Training
from tripos.compute.blocks import Block
from tripos.compute.executor import reduce_blocks
from tripos.objective.moments import moments, tall_blocks
from tripos.objective.penalties import L2, NoPenalty
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows
from tripos.optimization.lbfgs import Inverse, lbfgs
from tripos.optimization.newton import Curvature, newton
from tripos.optimization.result import NotFinite, Result, SmoothObjective, Stopping, largest
from tripos.supervised.linear.glm_target import Link, preparation, target_sums
from tripos.supervised.linear.identity import IdentityRisk, half_deviance_terms

PRECISION = 1e-10  # relative decrease in sight at a minimum (for tol=1e-4): Newton gets there in passing
WIDE_PRECISION = 1e-8  # the same for L-BFGS, which pays for every digit
SAMPLING_PAYS = 3e6  # multiplications of a Hessian from which one of a sample is worth its overhead ...
KEEPING_PAYS = 3e5  # ... and from which one is kept for as long as it serves
NEWTON_WORK = 2e8  # multiplications of a Hessian that takes a few milliseconds
NEWTON_PARAMETERS = 1000
SAMPLED_PARAMETERS = 512
SAMPLE_SHARE = 0.05
SAMPLE_ROWS_PER_PARAMETER = 40
SLACK = 1e-9  # of rounding, when two losses are compared


@dataclass(frozen=True)
class _Sums:
    n_rows: int
    n_stored: int
    weight: float
    targets: np.ndarray  # (3,), see target_sums

    def add(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n_rows + other.n_rows,
            self.n_stored + other.n_stored,
            self.weight + other.weight,
            self.targets + other.targets,
        )


@dataclass(frozen=True, eq=False)
class Shifted:
    """An objective plus a constant: far enough from zero that relative errors of its value mean something."""

    objective: Any
    shift: float
    seen: list[Any] = field(default_factory=list)

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """As the objective's; asked twice for one point, it reads the rows once."""
        if self.seen and np.array_equal(self.seen[0], x):
            return self.seen[1], self.seen[2].copy()
        value, gradient = self.objective.value_gradient(x)
        self.seen[:] = x.copy(), value + self.shift, gradient.copy()
        return value + self.shift, gradient

    def value_gradient_hessian(self, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = self.objective.value_gradient_hessian(x)
        return value + self.shift, gradient, hessian


@dataclass(frozen=True, eq=False)
class Problem:
    """The objective of one fit, and what is known of its size.

    Attributes
    ----------
    mean : float
        Weighted mean of the targets (per unit of exposure).
    bend : float
        Mean curvature of the rows at that mean.
    least : float
        Mean of the least losses: what turns a mean loss into half a mean deviance.
    start : float
        Mean loss of the model that knows the mean alone.
    """

    risk: Risk
    link: Link
    n_rows: int
    n_stored: int
    mean: float
    bend: float
    least: float
    start: float

    @classmethod
    def of(
        cls,
        training: Training,
        link: Link,
        name: str,
        *,
        alpha: float,
        fit_intercept: bool,
        offset: np.ndarray | None = None,
        kept: np.ndarray | None = None,
    ) -> Problem:
        """Targets checked and added up in one pass; rows prepared once where they are in memory.

        Parameters
        ----------
        training : Training
        link : Link
        name : str
            Of the estimator, for its messages.
        alpha : float
        fit_intercept : bool
        offset : ndarray of shape (n_rows,), optional
        kept : ndarray of int of shape (n_rows,), optional
            The user's row numbers, where rows were left out.
        """
        blocks = training.blocks
        prepare = preparation(link, name, offset, kept)

        def partial(block: Block | tuple[Block, Rows]) -> _Sums:
            block, rows = block if isinstance(block, tuple) else (block, prepare(block))
            sums = np.zeros(3)
            target_sums(link.power, rows.y, rows.s, sums)
            weight = block.n_rows if block.sample_weight is None else float(block.sample_weight.sum())
            stored = block.X.nnz if blocks.sparse else block.X.size
            return _Sums(block.n_rows, int(stored), weight, sums)

        pairs: Any = [(b, prepare(b)) for b in blocks] if blocks.in_memory else blocks
        run: Any = reduce_blocks
        sums = partial(pairs[0]) if blocks.in_memory and len(pairs) == 1 else run(partial, _Sums.add, pairs)
        source: Iterable[Block | Rows] = [rows for _, rows in pairs] if blocks.in_memory else blocks
        risk = Risk(
            source, link.loss, prepare, sums.weight, blocks.n_features,
            penalty=L2(alpha) if alpha else NoPenalty(), fit_intercept=fit_intercept, dtype=blocks.dtype,
        )  # fmt: skip
        mean = float(sums.targets[1] / sums.targets[0])
        bend = float(sums.targets[0] / sums.weight)
        if link.log:
            bend *= max(abs(mean), np.finfo(np.float64).tiny) ** (2.0 - link.power)
        least = 0.0 if link.squared else float(sums.targets[2] / sums.weight)
        known = max(abs(mean), np.finfo(np.float64).tiny) if fit_intercept or not link.log else 1.0
        share = float(sums.targets[0] / sums.weight)
        start = share * float(half_deviance_terms(np.asarray(mean), np.asarray(known), link.power))
        return cls(risk, link, sums.n_rows, sums.n_stored, mean, bend, least, start)

    @property
    def objective(self) -> Any:
        """The risk under the link."""
        plain = self.link.log or self.link.squared
        return self.risk if plain else IdentityRisk(self.risk, self.link.power)

    @property
    def closed(self) -> bool:
        """Whether the solution has a closed form: see `normal_solution`."""
        return self.link.squared and self.risk.n_features <= NEWTON_PARAMETERS

    def at_the_mean(self) -> np.ndarray:
        """theta of the model that knows only the mean of the targets; zero without an intercept."""
        b = 0.0
        if self.risk.fit_intercept:
            if self.link.log and self.mean <= 0.0 < self.link.power:
                raise ValueError(
                    "every target is 0: a mean of 0 has no logarithm, so that the intercept would run to minus "
                    "infinity; there is nothing to learn from these rows"
                )
            b = np.log(abs(self.mean) or 1.0) if self.link.log else self.mean
        return self.risk.theta(np.zeros((1, self.risk.n_features)), np.array([b]))

    # ---- solving ---------------------------------------------------------------------------------

    def solve(
        self, theta: np.ndarray, solver: str, *, tol: float, max_iter: int, on_step: Any, warm: bool
    ) -> tuple[Result, str]:
        """The minimum, and the method that found it: "newton" or "lbfgs"; `warm` says that theta is near it.

        The result's value is half the mean deviance plus the penalty.
        """
        objective = self.objective
        if self.closed:
            raw, gradient = objective.value_gradient(theta)
            if not np.isfinite(raw) or largest(gradient) <= tol:
                return _found(theta, raw, gradient, tol), "newton"
        raw = self.start
        # Losses may be of either sign, and nearly cancel: seen from this far below, they do not.
        shift = 2.0 * abs(raw) + abs(self.least)
        deviance = max(raw - self.least, 0.0)
        precision = PRECISION * min(max((tol / 1e-4) ** 2, 1e-20), 1e4)
        if np.isfinite(raw) and raw + shift > 0.0:
            precision *= min(deviance / (raw + shift), 1.0)
        report = self.least + shift
        stopping = Stopping(
            tol=tol,
            precision=precision,
            max_iter=max_iter,
            noise=self.risk.noise,
            on_step=lambda step, value, theta: on_step(step, value - report, theta),
        )
        result, name = self._solve(Shifted(objective, shift), theta, stopping, solver, warm)
        return replace(result, fun=result.fun - report), name

    def _solve(
        self, objective: SmoothObjective, theta: np.ndarray, stopping: Stopping, solver: str, warm: bool
    ) -> tuple[Result, str]:
        p = self.risk.n_parameters
        work = self.n_stored * max(1.0, self.n_stored / self.n_rows) / 2
        many = p <= SAMPLED_PARAMETERS and self.n_rows >= 2 * SAMPLE_ROWS_PER_PARAMETER * p
        if self.link.log and not 0.0 <= self.link.power <= 2.0 and p <= NEWTON_PARAMETERS:
            # The expected Hessian alone took up to 1000 steps (power 3); as the first guess of L-BFGS 12.
            expected = Curvature(objective.value_gradient_hessian(theta)[2])
            return lbfgs(objective, theta, stopping, inverse=lambda g, value: expected.solve(g)), "lbfgs"
        if solver == "irls":
            return newton(objective, theta, stopping), "newton"
        if many and work > SAMPLING_PAYS:
            return self._newton_from_sample(objective, theta, stopping, warm), "newton"
        if solver == "newton-cholesky" or (work <= NEWTON_WORK and p <= NEWTON_PARAMETERS):
            kept = objective.value_gradient_hessian(theta)[2] if work > KEEPING_PAYS else None
            return newton(objective, theta, stopping, hessian_guess=kept), "newton"
        precision = WIDE_PRECISION / PRECISION * stopping.precision
        closer = replace(stopping, tol=0.1 * stopping.tol, precision=precision, confirmations=1)
        return lbfgs(objective, theta, closer, inverse=self._diagonal_inverse()), "lbfgs"

    def _newton_from_sample(
        self, objective: Any, theta: np.ndarray, stopping: Stopping, warm: bool
    ) -> Result:
        """Start and Hessian from a sample of the rows, then the rest is a few passes with gradients."""
        size = max(int(SAMPLE_SHARE * self.n_rows), SAMPLE_ROWS_PER_PARAMETER * self.risk.n_parameters)
        sample = replace(self, risk=self.risk.subsample(size, of=self.n_rows)).objective
        if not warm:
            rough = newton(
                Shifted(sample, objective.shift),
                theta,
                Stopping(tol=1e-3 * max(self.bend, 1.0), precision=1e-6, max_iter=20, noise=stopping.noise),
            )
            if not rough.converged:
                return newton(objective, theta, stopping)
            theta = rough.x
        _, _, hessian = sample.value_gradient_hessian(theta)
        # Levels that the sample lacks have any coefficient there, and means of e^100 elsewhere.
        if not objective.value_gradient(theta)[0] <= objective.shift + self.start + SLACK * abs(
            objective.shift
        ):
            return newton(objective, self.at_the_mean(), stopping)
        return newton(objective, theta, stopping, hessian_guess=hessian)

    def _diagonal_inverse(self) -> Inverse:
        """(g, value) -> H0^-1 g, with H0 the diagonal of the Hessian in centred columns at the mean."""
        risk = self.risk
        d, free = risk.n_features, risk.fit_intercept
        mean, variance = risk.column_moments
        if not free:
            mean, variance = np.zeros(d), variance + mean * mean
        curvature = self.bend * variance + (risk.penalty.curvature + np.finfo(float).tiny)

        def inverse(g: np.ndarray, value: float) -> np.ndarray:
            step = np.empty_like(g)
            step[:d] = (g[:d] - mean * g[d] if free else g) / curvature
            if free:
                step[d] = g[d] / self.bend - step[:d] @ mean
            return step

        return inverse


def _found(theta: np.ndarray, value: float, gradient: np.ndarray, tol: float) -> Result:
    """The result of a closed form, whose gradient was looked at."""
    if not np.isfinite(value):
        raise NotFinite("the squares of the rows are not finite")
    reason = f"the largest gradient component, {largest(gradient):.3g}, is within tol={tol:g}"
    return Result(theta, value, largest(gradient), 1, True, reason, {})


def normal_solution(training: Training, *, alpha: float, fit_intercept: bool) -> np.ndarray:
    """theta of the normal model with the identity link, from the scatter of the columns [X, y].

    Raises
    ------
    NotFinite
        If X holds NaN or infinity.
    """
    blocks, d = training.blocks, training.n_features
    if training.in_memory:
        blocks = tall_blocks(training.X, training.y, training.sample_weight)
    statistics = moments(blocks, n_targets=1)
    if not np.isfinite(statistics.scatter).all():
        raise NotFinite("the scatter of the columns is not finite")
    about = statistics if fit_intercept else statistics.raw()
    scatter = about.scatter / about.weight
    hessian = scatter[:d, :d] + alpha * np.eye(d)
    w = Curvature(hessian).solve(scatter[:d, d])
    return np.append(w, about.mean[d] - about.mean[:d] @ w) if fit_intercept else w
