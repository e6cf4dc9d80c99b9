"""`minimize`: one call for every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tripos.optimization.bfgs import bfgs
from tripos.optimization.coordinate_risk import coordinate_descent
from tripos.optimization.descent import descend
from tripos.optimization.dual_coordinate import dual_coordinate_ascent
from tripos.optimization.irls import irls
from tripos.optimization.lbfgs import lbfgs
from tripos.optimization.newton import newton
from tripos.optimization.result import Result, StepCallback, Stopping
from tripos.optimization.rules import RULES

METHODS: dict[str, Callable[..., Result]] = {
    "newton": newton,
    "irls": irls,
    "bfgs": bfgs,
    "lbfgs": lbfgs,
    "coordinate-descent": coordinate_descent,
    "dual-coordinate-ascent": dual_coordinate_ascent,
    **{name: partial(descend, rule=name) for name in RULES},
    "sgd": partial(descend, rule="gradient-descent", batch_size=1),
}
LINE_SEARCHING = ("newton", "irls", "bfgs", "lbfgs")


@dataclass(frozen=True)
class Functions:
    """An objective made of plain functions of x."""

    function: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    hessian: Callable[[np.ndarray], np.ndarray] | None = None

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(self.function(x)), np.asarray(self.gradient(x), dtype=np.float64)

    def value_gradient_hessian(self, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if self.hessian is None:
            raise TypeError("method='newton' needs second derivatives: pass hessian=, or use method='lbfgs'")
        return *self.value_gradient(x), np.asarray(self.hessian(x), dtype=np.float64)


def minimize(
    objective: Any,
    x0: Any,
    method: str = "lbfgs",
    *,
    gradient: Callable[[np.ndarray], np.ndarray] | None = None,
    hessian: Callable[[np.ndarray], np.ndarray] | None = None,
    tol: float = 1e-6,
    precision: float = 1e-12,
    max_iter: int = 1000,
    on_step: StepCallback | None = None,
    **options: Any,
) -> Result:
    """Minimise a function of a vector.

    Parameters
    ----------
    objective : Objective or callable
        An object with `value_gradient(x)` (and `value_gradient_hessian(x)` for Newton), or a function of x
        that comes with `gradient` (and `hessian`).
    x0 : array-like of shape (n_parameters,)
        Where to start.
    method : str, default="lbfgs"
        With second derivatives "newton", and "coordinate-descent" where an L1 penalty has kinks; for generalised linear models "irls"; with gradients and a line
        search "lbfgs", "bfgs"; with gradients and a learning rate "gradient-descent", "momentum",
        "nesterov", "adagrad", "rmsprop", "adam", "adamw", over all rows or over batches of them
        (`batch_size`), and "sgd", over one row at a time. "dual-coordinate-ascent" is for the risk of a linear
        model with a hinge or epsilon-insensitive loss (or its square) and an L2 penalty.
    gradient, hessian : callable, optional
        Derivatives of a plain function.
    tol : float, default=1e-6
        Largest gradient component of a solution.
    precision : float, default=1e-12
        Largest decrease still in sight at a solution, relative to the value.
    max_iter : int, default=1000
    on_step : callable, optional
        Called as on_step(step, value, x) after each step; True stops.
    **options
        Options of the method: see `lbfgs`, `newton` and, for methods with a learning rate, `descend` in the
        modules of `tripos.optimization` of these names (`learning_rate`, `schedule`, `batch_size`,
        `clip_norm`, `random_state`, ...).

    Returns
    -------
    Result
        With the solution, `history_` and the reason it stopped.

    Raises
    ------
    ValueError
        For an unknown method, a penalty with kinks and a method that needs slopes, or a start where the
        objective is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import minimize
    >>> rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> def slope(x):
    ...     bend = 200 * (x[1] - x[0] ** 2)
    ...     return np.array([-2 * (1 - x[0]) - 2 * x[0] * bend, bend])
    >>> result = minimize(rosenbrock, [-1.0, 2.0], gradient=slope)
    >>> result.converged, result.x.round(6)
    (True, array([1., 1.]))
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
    if not hasattr(objective, "value_gradient"):
        if gradient is None:
            raise TypeError("a plain function needs its gradient: minimize(function, x0, gradient=...)")
        objective = Functions(objective, gradient, hessian)
    if method in LINE_SEARCHING and getattr(getattr(objective, "penalty", None), "l1", 0.0) > 0.0:
        raise ValueError(f"method={method!r} needs slopes everywhere, but the L1 penalty has a kink at 0")
    stopping = Stopping(
        tol=tol,
        precision=precision,
        max_iter=max_iter,
        noise=getattr(objective, "noise", 1e-15),
        on_step=on_step,
    )
    return METHODS[method](objective, x0, stopping, **options)
