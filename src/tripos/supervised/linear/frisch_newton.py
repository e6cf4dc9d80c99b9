"""Quantile regression as a linear programme, by a primal-dual interior point.

    min_w  sum_i [c+_i max(r_i, 0) + c-_i max(-r_i, 0)],     r = y - A w

has the dual

    max_d  y'd    with    A'd = 0,    -c-_i <= d_i <= c+_i,

in which d_i says on which side of the fit a row lies. With x = d + c- >= 0 and s = c+ - d >= 0, and multipliers
z, v >= 0 of these (z - v = -r), each step solves Newton's equations of

    A'd = 0,    A w + v - z = y,    x_i z_i = mu,    s_i v_i = mu,

which come down to (A' Q A) dw = ..., Q = (z/x + v/s)^-1: one weighted regression a step, some 15 to 25 steps for any
number of rows. A first, affine step says how far mu can fall and corrects the products (Mehrotra). A penalty
alpha |w_j| is one more row: y = 0, A = e_j, c+ = c- = alpha.

References
----------
S. Portnoy, R. Koenker, "The Gaussian hare and the Laplacian tortoise" (1997), doi:10.1214/ss/1030037960;
S. Mehrotra (1992), doi:10.1137/0802028.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

GAP = 1e-11  # of primal and dual objective, relative
EXACT = 1e-7  # of the loss of a fit of zeros: what counts as none
TO_BOUNDARY = 0.9995
MAX_STEPS = 200


@dataclass(frozen=True, eq=False)
class Programme:
    """The rows with the penalties behind them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    up, down : ndarray of shape (n_rows,)
        c+ and c-.
    strength : float
        Weight of |w|_1; 0 for none.
    fit_intercept : bool
        Whether A has a last column of ones, without penalty.
    """

    X: Any
    y: np.ndarray
    up: np.ndarray
    down: np.ndarray
    strength: float
    fit_intercept: bool

    @property
    def n_parameters(self) -> int:
        return int(self.X.shape[1]) + self.fit_intercept

    @property
    def n_rows(self) -> int:
        """With the penalties' rows."""
        return len(self.y) + (self.X.shape[1] if self.strength else 0)

    def times(self, w: np.ndarray) -> np.ndarray:
        """A w, shape (n_rows,)."""
        d = self.X.shape[1]
        scores = self.X @ w[:d]
        if self.fit_intercept:
            scores = scores + w[d]
        return np.concatenate([scores, w[:d]]) if self.strength else np.asarray(scores)

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """A'v, shape (n_parameters,)."""
        n, d = self.X.shape
        out = np.empty(self.n_parameters)
        out[:d] = self.X.T @ v[:n]
        if self.strength:
            out[:d] += v[n:]
        if self.fit_intercept:
            out[d] = v[:n].sum()
        return out

    def products(self, q: np.ndarray) -> np.ndarray:
        """A' diag(q) A."""
        n, d = self.X.shape
        H = np.empty((self.n_parameters, self.n_parameters))
        if sp.issparse(self.X):
            scaled = self.X.multiply(q[:n, None]).tocsr()
            H[:d, :d] = (self.X.T @ scaled).toarray()
            cross = np.asarray(scaled.sum(axis=0)).ravel()
        else:
            H[:d, :d], cross = _dense_products(self.X, q[:n])
        if self.strength:
            H[np.arange(d), np.arange(d)] += q[n:]
        if self.fit_intercept:
            H[d, :d] = H[:d, d] = cross
            H[d, d] = q[:n].sum()
        return H

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Some rows of A, dense, shape (len(numbers), n_parameters)."""
        n, d = self.X.shape
        out = np.zeros((len(numbers), self.n_parameters))
        real = numbers < n
        X = self.X[numbers[real]]
        out[real, :d] = X.toarray() if sp.issparse(X) else X
        if self.fit_intercept:
            out[real, d] = 1.0
        out[~real, numbers[~real] - n] = 1.0
        return out

    def bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y, c+ and c- with the penalties' rows."""
        if not self.strength:
            return self.y, self.up, self.down
        same = np.full(self.X.shape[1], self.strength)
        return (
            np.concatenate([self.y, np.zeros(len(same))]),
            np.concatenate([self.up, same]),
            np.concatenate([self.down, same]),
        )

    def objective(self, w: np.ndarray) -> float:
        """The primal objective."""
        y, up, down = self.bounds()
        r = y - self.times(w)
        return float(up @ np.maximum(r, 0.0) - down @ np.minimum(r, 0.0))


def _dense_products(X: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X' diag(q) X and X'q by pieces of the rows that stay in the cache: no scaled copy of X."""
    d = X.shape[1]
    H, cross = np.zeros((d, d)), np.zeros(d)
    rows = max(64, (1 << 18) // max(d, 1))
    for start in range(0, len(X), rows):
        part = X[start : start + rows]
        scaled = part * q[start : start + rows, None]
        H += scaled.T @ part
        cross += scaled.sum(axis=0)
    return H, cross


@dataclass(frozen=True)
class Interior:
    """Where the interior point ended.

    Attributes
    ----------
    w : ndarray of shape (n_parameters,)
    d : ndarray of shape (n_rows,)
    n_iter : int
    gap : float
        Of primal and dual objective, relative to the primal one.
    """

    w: np.ndarray
    d: np.ndarray
    n_iter: int
    gap: float

    @property
    def converged(self) -> bool:
        return self.gap <= 1e-8


class _Equations:
    """A' Q A, scaled to a unit diagonal and factorised; a trace is added where it is singular."""

    def __init__(self, H: np.ndarray) -> None:
        diagonal = np.diag(H)
        self._scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        scaled = H * self._scale * self._scale[:, None]
        ridge = 0.0
        for _ in range(8):
            self._factor, failed = lapack.dpotrf(scaled + ridge * np.eye(len(H)), lower=1)
            if not failed and np.diag(self._factor).min(initial=1.0) > 1e-8:
                return
            ridge = max(10.0 * ridge, 1e-14)

    def solve(self, g: np.ndarray) -> np.ndarray:
        return np.asarray(self._scale * lapack.dpotrs(self._factor, self._scale * g, lower=1)[0])


def interior_point(programme: Programme) -> Interior:
    """Follow the central path to the solution."""
    y, up, down = programme.bounds()
    width = up + down
    x, s = down.copy(), up.copy()  # d = 0: feasible, and in the interior
    w = _Equations(programme.products(width)).solve(programme.transposed(width * y))
    r = y - programme.times(w)
    spread = float(np.abs(r).mean()) or 1.0
    v = np.maximum(r, 0.0) + 0.1 * spread  # s v and x z: v - z = r
    z = v - r
    best, best_gap, step = w, np.inf, 0
    while step < MAX_STEPS:
        step += 1
        lack = y - programme.times(w) - v + z  # what is missing from A w + v - z = y
        missing = -programme.transposed(x - down)  # and from A'd = 0
        mu = float(x @ z + s @ v) / (2 * len(x))
        q = 1.0 / (z / x + v / s)
        equations = _Equations(programme.products(q))
        affine = _direction(programme, equations, (x, s, z, v), q, lack, missing, -x * z, -s * v)
        tp, td = _longest((x, s), affine[1:3]), _longest((z, v), affine[3:])
        mu_affine = float(
            (x + tp * affine[1]) @ (z + td * affine[3]) + (s + tp * affine[2]) @ (v + td * affine[4])
        ) / (2 * len(x))
        target = (mu_affine / mu) ** 3 * mu if mu > 0.0 else 0.0
        step_to = _direction(
            programme, equations, (x, s, z, v), q, lack, missing,
            target - x * z - affine[1] * affine[3], target - s * v - affine[2] * affine[4],
        )  # fmt: skip
        tp = min(1.0, TO_BOUNDARY * _longest((x, s), step_to[1:3], 2.0))
        td = min(1.0, TO_BOUNDARY * _longest((z, v), step_to[3:], 2.0))
        w = w + td * step_to[0]
        x, s = x + tp * step_to[1], s + tp * step_to[2]
        z, v = z + td * step_to[3], v + td * step_to[4]
        gap = _gap(programme, w, x - down, y, up, down)
        if gap < best_gap:
            best, best_gap = w, gap
        if gap <= GAP or not np.isfinite(gap) or max(tp, td) < 1e-8:
            break
    return Interior(best, x - down, step, best_gap)


def _direction(
    programme: Programme,
    equations: _Equations,
    point: tuple[np.ndarray, ...],
    q: np.ndarray,
    lack: np.ndarray,
    missing: np.ndarray,
    rx: np.ndarray,
    rs: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """(dw, dx, ds, dz, dv) with z dx + x dz = rx, v ds + s dv = rs, ds = -dx and both feasibility equations.

    From dz = (rx - z dx)/x and dv = (rs + v dx)/s:  dv - dz = dx / q + rs/s - rx/x,  and A dw + dv - dz = lack.
    """
    x, s, z, v = point
    t = lack - rs / s + rx / x  # dx = q (t - A dw)
    dw = equations.solve(programme.transposed(q * t) - missing)
    dx = q * (t - programme.times(dw))
    return dw, dx, -dx, (rx - z * dx) / x, (rs + v * dx) / s


def _longest(
    values: tuple[np.ndarray, ...], steps: tuple[np.ndarray, ...] | list[np.ndarray], most: float = 1.0
) -> float:
    """The longest step t <= most that keeps every value non-negative."""
    for value, step in zip(values, steps):
        falling = float(np.max(-step / value, initial=0.0))
        if falling * most > 1.0:
            most = 1.0 / falling
    return most


def _gap(
    programme: Programme, w: np.ndarray, d: np.ndarray, y: np.ndarray, up: np.ndarray, down: np.ndarray
) -> float:
    """Primal less dual objective, relative; A'd = 0 holds from the start up to rounding."""
    r = y - programme.times(w)
    primal = float(up @ np.maximum(r, 0.0) - down @ np.minimum(r, 0.0))
    nothing = EXACT * float((up + down) @ np.abs(y))  # where the rows are fitted exactly
    return abs(primal - float(y @ d)) / max(abs(primal), nothing, np.finfo(float).tiny)
