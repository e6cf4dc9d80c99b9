"""Coordinate descent on the risk of a linear model, alone: `minimize(risk, x0, method="coordinate-descent")`.

    F(w, b) = f(w, b) + l1 |w|_1 + l2 |w|^2 / 2

Each step minimises the quadratic model of f with gradient g and Hessian H at (w, b), penalty included, by
coordinate descent; for the squared loss the model is f itself and one step ends it, for others this is the
proximal Newton method with backtracking. The intercept is minimised out of the model:

    G = H_ww - h h' / H_bb,      c = G w - (g_w - h g_b / H_bb),      v = argmin v'Gv / 2 - c'v + R(v)

References
----------
J. Lee, Y. Sun, M. Saunders (2014), "Proximal Newton-type methods for minimizing composite functions",
doi:10.1137/130921428; J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg

from tripos.compute.budget import require
from tripos.objective.losses import PointwiseLoss
from tripos.objective.penalties import NoPenalty
from tripos.objective.risk import Risk
from tripos.optimization.coordinate_gram import Quadratic, Rules
from tripos.optimization.irls import LIKELIHOODS
from tripos.optimization.result import Result, Stopping

SUFFICIENT = 1e-4  # share of the predicted decrease that a step has to bring (Armijo)
HALVINGS = 30
SWEEPS = 10_000
EXACT = 1e-15  # gap of the model's minimum, as a share of its size


def coordinate_descent(objective: Any, x0: Any, stopping: Stopping) -> Result:
    """Minimise a penalised risk by coordinate descent.

    Parameters
    ----------
    objective : Risk
        Squared, log, poisson, gamma or tweedie loss with L1, elastic-net, L2 or no penalty.
    x0 : array-like of shape (n_parameters,)
    stopping : Stopping
        Its gradient is the distance of zero from the subdifferential.

    Returns
    -------
    Result

    Raises
    ------
    TypeError
        If the objective is not such a risk.
    """
    risk = _checked(objective)
    smooth = replace(risk, penalty=NoPenalty())
    evaluate = smooth.value_gradient_hessian
    x = np.array(x0, dtype=np.float64, ndmin=1)
    x, (value, g, H) = stopping.start(x, lambda at: _with_penalty(risk, at, evaluate(at)))
    step = 0
    while True:
        distance = _distance(risk, x, g)
        target, promised = _minimum_of_model(risk, x, g, H)
        if stopping.reached(value, distance, promised):
            return stopping.result(x, value, distance, step, None)
        if step == stopping.max_iter:
            return stopping.result(x, value, distance, step, stopping.exhausted(distance))
        found = _backtrack(risk, smooth, x, value, target, promised)
        if found is None:
            good = promised <= max(stopping.precision, stopping.noise) * abs(value)
            reason = None if good else "no step along the model's minimum lowers the objective"
            return stopping.result(x, value, distance, step, reason)
        x = found
        value, g, H = _with_penalty(risk, x, evaluate(x))
        step += 1
        stopping.record(step, value, _distance(risk, x, g), x)
        if stopping.asked_to_stop:
            return stopping.result(x, value, _distance(risk, x, g), step, "on_step asked to stop")


def _checked(objective: Any) -> Risk:
    advice = "use method='lbfgs', or 'gradient-descent' where there are kinks"
    if not isinstance(objective, Risk):
        raise TypeError(
            "method='coordinate-descent' needs the columns' second derivatives, as tripos.objective's linear_risk "
            f"has them, got {type(objective).__name__}; {advice}"
        )
    loss = objective.loss
    if not isinstance(loss, PointwiseLoss) or loss.code not in LIKELIHOODS or objective.n_outputs != 1:
        raise TypeError(
            "method='coordinate-descent' takes one output and a smooth loss (squared, log, poisson, gamma or "
            f"tweedie), got the {loss.name} loss; {advice}"
        )
    require(32.0 * objective.n_parameters**2, what=f"the products of {objective.n_parameters} columns")
    return objective


def _with_penalty(
    risk: Risk, x: np.ndarray, smooth: tuple[float, np.ndarray, np.ndarray]
) -> tuple[float, np.ndarray, np.ndarray]:
    """F(x), and the gradient and Hessian of f alone."""
    return smooth[0] + risk.penalty.value(x[: risk.n_features]), smooth[1], smooth[2]


def _distance(risk: Risk, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Distance of 0 from the subdifferential, by parameter."""
    d = risk.n_features
    return np.concatenate([risk.penalty.subdifferential_distance(x[:d], g[:d]), np.abs(g[d:])])


def _minimum_of_model(risk: Risk, x: np.ndarray, g: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the quadratic model plus penalty is least, and by how much."""
    d, w = risk.n_features, x[: risk.n_features]
    G, slope = H[:d, :d].copy(), g[:d].copy()
    if risk.fit_intercept:
        h = H[:d, d]
        G -= np.outer(h / H[d, d], h)
        slope -= h * (g[d] / H[d, d])
    c = G @ w - slope
    diagonal = np.diag(G)
    ridge = G + 1e-10 * max(float(diagonal.max(initial=0.0)), np.finfo(float).tiny) * np.eye(d)
    size = float(
        c @ scipy.linalg.solve(ridge, c, assume_a="sym")
    )  # |y|^2 of a regression with these products
    model = Quadratic(G, c, d, max(size, 0.0) * (1 + 1e-6))
    model.set(w)
    penalty = risk.penalty
    rules = Rules(float(getattr(penalty, "l1", 0.0)), penalty.curvature, tol=0.0)
    before = model.objective(rules)
    model.descend(rules, EXACT * model.y2, SWEEPS)
    target = x.copy()
    target[:d] = model.w
    promised = before - model.objective(rules)
    if risk.fit_intercept:
        target[d] -= (g[d] + h @ (model.w - w)) / H[d, d]
        promised += 0.5 * g[d] ** 2 / H[d, d]
    return target, max(promised, 0.0)


def _backtrack(
    risk: Risk, smooth: Risk, x: np.ndarray, value: float, target: np.ndarray, promised: float
) -> np.ndarray | None:
    """The first of x + t (target - x), t = 1, 1/2, 1/4, ..., that lowers F enough."""
    t = 1.0
    for _ in range(HALVINGS):
        there: np.ndarray = x + t * (target - x)
        found = smooth.value_gradient(there)[0] + risk.penalty.value(there[: risk.n_features])
        if found <= value - SUFFICIENT * t * promised and not np.array_equal(there, x):
            return there
        t /= 2.0
    return None
