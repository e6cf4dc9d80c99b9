"""The gradient check: is the derivative that was written the derivative of the function that was written?

For each parameter j the central difference

    d_j = (f(x + e_j h) - f(x - e_j h)) / (2 h),        h = eps^(1/3) max(1, |x_j|),

whose error is of order h^2, is compared with the analytic g_j by |g_j - d_j| / max(|g_j|, |d_j|, floor).
The floor, a share of the largest component, keeps rounding in components that are zero from counting as an
error.

References
----------
A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., section 1.1; the step balances the h^2 of the
difference against eps / h of rounding (Nocedal, Wright, *Numerical Optimization*, section 8.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tripos.compute.random import RandomState, generator

FLOOR = 1e-4  # share of the largest component below which differences count absolutely
NEAR = 10  # parameters that a report lists

Pair = Callable[[np.ndarray], "tuple[float, np.ndarray]"]


@dataclass(frozen=True)
class GradientCheck:
    """What a check found.

    Attributes
    ----------
    analytic, numeric : ndarray of shape (n_checked,)
        The two gradients.
    relative_error : ndarray of shape (n_checked,)
    parameters : list of str
        Names of what was checked.
    worst : str
        The parameter with the largest error.
    largest_error : float
    tol : float
        Bound that the errors had to keep.
    """

    analytic: np.ndarray = field(repr=False)
    numeric: np.ndarray = field(repr=False)
    relative_error: np.ndarray = field(repr=False)
    parameters: list[str] = field(repr=False)
    worst: str
    largest_error: float
    tol: float

    @property
    def passed(self) -> bool:
        """Whether every error is within `tol`."""
        return bool(self.largest_error <= self.tol)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict = "agrees with" if self.passed else "DIFFERS from"
        lines = [
            f"The gradient {verdict} central differences in {len(self.parameters)} parameters: largest "
            f"relative error {self.largest_error:.2e} ({self.worst}), allowed {self.tol:.0e}.",
            f"{'parameter':<24} {'analytic':>14} {'difference':>14} {'relative error':>15}",
        ]
        for j in np.argsort(-np.nan_to_num(self.relative_error, nan=np.inf), kind="stable")[:NEAR]:
            lines.append(
                f"{self.parameters[j]:<24} {self.analytic[j]:>14.6g} {self.numeric[j]:>14.6g} "
                f"{self.relative_error[j]:>15.2e}"
            )
        return "\n".join(lines)


def check_gradient(
    function: Any,
    x: Any,
    gradient: Callable[[np.ndarray], Any] | None = None,
    *,
    y: Any = None,
    names: Sequence[str] | None = None,
    tol: float = 1e-5,
    step: float | None = None,
    max_parameters: int | None = None,
    random_state: RandomState = 0,
) -> GradientCheck:
    """Compare an analytic gradient with central differences.

    Parameters
    ----------
    function : object or callable
        One of: an objective with `value_gradient(x)` (a risk, an estimator's objective); a loss of
        `tripos.objective.losses`, together with targets `y`, checked in its scores x; a function of x that
        returns (value, gradient); a function of x that returns its value, together with `gradient`.
    x : array-like of any shape
        Where to check. A point with kinks (a residual of exactly zero) has no derivative.
    gradient : callable, optional
        gradient(x), of x's shape.
    y : array-like, optional
        Targets of a loss.
    names : sequence of str, optional
        Of the parameters, in the order of x flattened.
    tol : float, default=1e-5
        Largest relative error of a gradient that passes.
    step : float, optional
        h, relative to max(1, |x_j|); by default eps^(1/3) = 6e-6, or larger for objectives that say how
        noisy they are.
    max_parameters : int, optional
        Check that many, drawn at random, where there are more: each costs two evaluations.
    random_state : int, Generator or None, default=0

    Returns
    -------
    GradientCheck
        True in a condition when the gradient passes; prints as a table, worst parameters first.

    Raises
    ------
    TypeError
        If there is no analytic gradient to check.
    ValueError
        If the gradient's shape is not x's.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import check_gradient
    >>> bool(check_gradient(lambda x: float(np.sum(x**3)), [1.0, 2.0], lambda x: 3 * x**2))
    True
    >>> cubes = lambda x: float(np.sum(x**3))
    >>> wrong = check_gradient(cubes, [1.0, 2.0], lambda x: [3.0, 11.0], names=["a", "b"])
    >>> wrong.passed, wrong.worst, round(wrong.largest_error, 3)
    (False, 'b', 0.083)
    """
    x = np.array(x, dtype=np.float64)
    both = _as_pair(function, gradient, y)
    analytic = np.asarray(both(x)[1], dtype=np.float64)
    if analytic.size != x.size:
        raise ValueError(f"the gradient has shape {analytic.shape}, but x has {x.shape}")
    if names is not None and len(names) != x.size:
        raise ValueError(f"names has {len(names)} entries for {x.size} parameters")
    h = step if step is not None else max(getattr(function, "noise", 0.0), np.finfo(float).eps) ** (1 / 3)
    chosen = _chosen(x.size, max_parameters, random_state)
    numeric = np.array([_difference(both, x, j, h * max(1.0, abs(x.flat[j]))) for j in chosen])
    analytic = analytic.ravel()[chosen]
    error = _relative_error(analytic, numeric)
    labels = [str(names[j]) if names is not None else _label(x.shape, j) for j in chosen]
    worst = int(np.argmax(np.nan_to_num(error, nan=np.inf))) if len(error) else -1
    return GradientCheck(
        analytic,
        numeric,
        error,
        labels,
        labels[worst] if labels else "none",
        float(error[worst]) if labels else 0.0,
        tol,
    )


def _as_pair(function: Any, gradient: Callable[[np.ndarray], Any] | None, y: Any) -> Pair:
    """x -> (value, gradient), from any of the forms `check_gradient` takes."""
    if hasattr(function, "value_gradient"):
        return lambda x: function.value_gradient(x)
    if hasattr(function, "value") and hasattr(function, "gradient"):
        if y is None:
            raise TypeError(
                "a loss is checked at scores x for targets: check_gradient(loss, scores, y=targets)"
            )
        targets = np.asarray(y)
        return lambda x: (function.value(targets, x), function.gradient(targets, x))
    if not callable(function):
        raise TypeError(f"function must be callable or have value_gradient(x), got {type(function).__name__}")
    if gradient is not None:
        return lambda x: (function(x), np.asarray(gradient(x)))

    def pair(x: np.ndarray) -> tuple[float, np.ndarray]:
        found = function(x)
        if not (isinstance(found, tuple) and len(found) == 2):
            raise TypeError(
                "no gradient to check: pass gradient=, or a function that returns (value, gradient)"
            )
        return found

    return pair


def _chosen(n: int, limit: int | None, random_state: RandomState) -> np.ndarray:
    if limit is None or n <= limit:
        return np.arange(n)
    return np.sort(generator(random_state).choice(n, limit, replace=False))


def _difference(both: Pair, x: np.ndarray, j: int, h: float) -> float:
    """Central difference by the j-th parameter; the step is the one that rounding leaves."""
    ahead, behind = x.copy(), x.copy()
    ahead.flat[j] += h
    behind.flat[j] -= h
    return float((both(ahead)[0] - both(behind)[0]) / (ahead.flat[j] - behind.flat[j]))


def _relative_error(analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    known = size[np.isfinite(size)]
    floor = max(FLOOR * float(known.max(initial=0.0)), np.finfo(float).tiny)
    return np.asarray(np.abs(analytic - numeric) / np.maximum(size, floor))


def _label(shape: tuple[int, ...], j: int) -> str:
    """x[3] for vectors, x[1, 2] for matrices."""
    return f"x[{', '.join(str(k) for k in np.unravel_index(j, shape))}]"
