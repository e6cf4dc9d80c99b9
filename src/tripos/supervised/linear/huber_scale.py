"""The Huber loss with its scale: an objective that is jointly convex in coefficients and scale.

    F(w, b, sigma) = sum_i s_i [sigma + sigma H(r_i / sigma)] + alpha |w|^2,     r_i = y_i - x_i.w - b,
    H(z) = z^2 if |z| <= epsilon, else 2 epsilon |z| - epsilon^2.

With z_i = r_i / sigma, clipped values c_i = max(-epsilon, min(epsilon, z_i)) and N the rows with |z_i| <= epsilon
("near"),

    dF/d[w, b] = -2 sum_i s_i c_i [x_i, 1] + 2 alpha [w, 0],     dF/dsigma = sum_i s_i (1 - c_i^2),
    d2F = 2/sigma sum_{i in N} s_i u_i u_i' + 2 alpha diag(1, 0, 0),     u_i = [x_i, 1, z_i].

References
----------
P. Huber, E. Ronchetti, *Robust Statistics*, 2nd ed., section 7.7; A. Owen, "A robust hybrid of lasso and ridge
regression" (2007), https://artowen.su.domains/reports/hhu.pdf.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tripos.compute import kernel
from tripos.compute.executor import reduce_blocks
from tripos.compute.products import add_half_product, mirror_lower
from tripos.objective.dense import add_to, rows_in_cache
from tripos.objective.rows import DenseRows, Rows, SparseRows
from tripos.objective.sparse import csr_scores

CSR_ROWS = 256


@kernel
def huber_sums(s, start, epsilon, z):  # type: ignore[no-untyped-def]
    """sum s_i H(z_i) and sum s_i c_i^2, with c the part of z between -epsilon and epsilon."""
    two = z.dtype.type(2)
    loss = 0.0
    squares = 0.0
    if s.size == 0:
        for i in range(z.size):
            c = min(max(z[i], -epsilon), epsilon)
            loss += c * (two * z[i] - c)  # z^2 near, 2 epsilon |z| - epsilon^2 far
            squares += c * c
        return loss, squares
    for i in range(z.size):
        c = min(max(z[i], -epsilon), epsilon)
        weighted = s[start + i] * c
        loss += weighted * (two * z[i] - c)
        squares += weighted * c
    return loss, squares


@kernel
def near_and_far(y, s, start, sigma, epsilon, eta, slope, root):  # type: ignore[no-untyped-def]
    """Turns scores into z; writes s_i c_i and sqrt(s_i) [near]; returns sum s_i H(z_i) and sum s_i c_i^2.

    The sums have a loop of their own, which writes nothing: beside writes the compiler asks first whether the arrays
    overlap, and adds up in another order where an empty `s` happens to lie so that they might.
    """
    one = eta.dtype.type(1)
    zero = eta.dtype.type(0)
    for i in range(eta.size):
        weight = s[start + i] if s.size else one
        z = (y[start + i] - eta[i]) / sigma
        c = min(max(z, -epsilon), epsilon)
        eta[i] = z
        slope[i] = weight * c
        near = weight if abs(z) <= epsilon else zero
        root[i] = np.sqrt(near)
    return huber_sums(s, start, epsilon, eta)


@kernel("F[:, ::1], F[::1], F[::1], F[::1], F, F, F, f8[::1], f8[:, ::1]")
def huber_pass(X, y, s, w, b, sigma, epsilon, sums, hessian):  # type: ignore[no-untyped-def]
    """Adds [sum s c x, sum s c, sum s c^2, sum s H] to `sums` and, unless it is empty, sum u u' to `hessian`."""
    n, d = X.shape
    rows = rows_in_cache(d + 2, X.itemsize)
    for start in range(0, n, rows):
        block = X[start : start + rows]  # (m, d)
        z = np.dot(block, w)
        m = z.size
        for i in range(m):
            z[i] += b
        slope = np.empty(m, X.dtype)
        root = np.empty(m, X.dtype)
        loss, squares = near_and_far(y, s, start, sigma, epsilon, z, slope, root)
        add_to(sums[:d], np.dot(slope, block))
        for i in range(m):
            sums[d] += slope[i]
        sums[d + 1] += squares
        sums[d + 2] += loss
        if hessian.size:
            U = np.empty((m, d + 2), X.dtype)
            for i in range(m):
                for j in range(d):
                    U[i, j] = root[i] * block[i, j]
                U[i, d] = root[i]
                U[i, d + 1] = root[i] * z[i]
            add_half_product(U, hessian)
    if hessian.size:
        mirror_lower(hessian)


@kernel("F[::1], I[::1], I[::1], F[::1], F[::1], F[::1], F, F, F, f8[::1], f8[:, ::1]")
def csr_huber_pass(data, indices, indptr, y, s, w, b, sigma, epsilon, sums, hessian):  # type: ignore[no-untyped-def]
    """The same for CSR rows; only the lower triangle of `hessian` is added to."""
    d = w.size
    n = indptr.size - 1
    one = np.uint64(1)
    for start in range(0, n, CSR_ROWS):
        m = min(CSR_ROWS, n - start)
        z = np.empty(m, data.dtype)
        slope = np.empty(m, data.dtype)
        root = np.empty(m, data.dtype)
        csr_scores(data, indices, indptr, start, w, b, z)
        loss, squares = near_and_far(y, s, start, sigma, epsilon, z, slope, root)
        for i in range(m):
            r = slope[i]
            sums[d] += r
            begin = np.uint64(indptr[start + i])
            end = np.uint64(indptr[start + i + 1])
            for t in range(begin, end):
                sums[np.uint64(indices[t])] += r * data[t]
            if hessian.size and root[i] > 0:
                h = root[i] * root[i]
                for t in range(begin, end):
                    x = h * data[t]
                    j = np.uint64(indices[t])
                    for u in range(begin, t + one):
                        hessian[j, np.uint64(indices[u])] += x * data[u]
                    hessian[d, j] += x
                    hessian[d + 1, j] += x * z[i]
                hessian[d, d] += h
                hessian[d + 1, d] += h * z[i]
                hessian[d + 1, d + 1] += h * z[i] * z[i]
        sums[d + 1] += squares
        sums[d + 2] += loss


@dataclass(frozen=True, eq=False)
class ScaledHuber:
    """F / W as an objective of theta = [w, b, sigma] (without b where there is no intercept).

    Parameters
    ----------
    blocks : list of Rows
    n_rows : int
    weight : float
        W, the sum of the weights.
    n_features : int
    epsilon, alpha : float
    fit_intercept : bool
    dtype : numpy dtype
        Of the rows.
    floor : float
        Least scale.
    anchor : list of one float
        The scale of the last step taken. A step may take the scale down to a tenth of it: lower the objective can
        be as well, but there most rows are outliers, without curvature, and Newton's method stands still.
    """

    blocks: list[Rows]
    n_rows: int
    weight: float
    n_features: int
    epsilon: float
    alpha: float
    fit_intercept: bool
    dtype: Any
    floor: float
    anchor: list[float] = field(default_factory=lambda: [0.0])
    barrier: float = 0.0

    @property
    def n_parameters(self) -> int:
        return self.n_features + self.fit_intercept + 1

    @property
    def typical(self) -> float:
        """Largest target in size."""
        return float(max(np.abs(rows.y).max(initial=0.0) for rows in self.blocks))

    @property
    def noise(self) -> float:
        """Relative rounding error of a value."""
        return 4.0 * float(np.finfo(self.dtype).eps)

    def value_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """F(theta) / W and its gradient, in one pass."""
        value, gradient, _ = self._evaluate(theta, hessian=False)
        return value, gradient

    def value_gradient_hessian(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """F(theta) / W, its gradient and its Hessian, in one pass."""
        value, gradient, hessian = self._evaluate(theta, hessian=True)
        assert hessian is not None
        return value, gradient, hessian

    def _evaluate(self, theta: np.ndarray, *, hessian: bool) -> tuple[float, np.ndarray, np.ndarray | None]:
        d, W = self.n_features, self.weight
        w, b, sigma = self.parts(theta)
        if sigma < max(0.1 * self.anchor[0], self.floor):
            bad = np.full(self.n_parameters, np.nan)
            return np.inf, bad, np.full((len(bad), len(bad)), np.nan) if hessian else None
        sums, H = self._sums(w, b, sigma, hessian=hessian)
        value = sigma * (1.0 + sums[d + 2] / W) + self.alpha / W * float(w @ w)
        full = np.append(-2.0 * sums[: d + 1], W - sums[d + 1]) / W
        full[:d] += 2.0 * self.alpha / W * w
        value -= self.barrier * float(np.log(sigma))
        full[d + 1] -= self.barrier / sigma
        kept = self._kept()
        if H is None:
            return value, full[kept], None
        H *= 2.0 / (sigma * W)
        H[np.arange(d), np.arange(d)] += 2.0 * self.alpha / W
        H[d + 1, d + 1] += self.barrier / sigma**2 + np.finfo(float).tiny
        return value, full[kept], H[np.ix_(kept, kept)]

    def _sums(
        self, w: np.ndarray, b: float, sigma: float, *, hessian: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        d, cast = self.n_features, np.dtype(self.dtype).type
        known = (w.astype(self.dtype), cast(b), cast(sigma), cast(self.epsilon))

        def partial(rows: Any) -> tuple[np.ndarray, np.ndarray]:
            sums, H = np.zeros(d + 3), np.zeros((d + 2, d + 2) if hessian else (0, 0))
            if isinstance(rows, DenseRows):
                huber_pass(rows.X, rows.y, rows.s, *known, sums, H)
            else:
                arrays: tuple[Any, ...] = (*rows.arrays, rows.y, rows.s, *known, sums, H)
                csr_huber_pass(*arrays)
            return sums, H

        def merge(a: Any, b: Any) -> Any:
            return a[0] + b[0], a[1] + b[1]

        run: Any = reduce_blocks
        sums, H = partial(self.blocks[0]) if len(self.blocks) == 1 else run(partial, merge, self.blocks)
        if not hessian:
            return sums, None
        if isinstance(self.blocks[0], SparseRows):
            H = np.tril(H) + np.tril(H, -1).T
        return sums, H

    def _kept(self) -> np.ndarray:
        """Positions of theta in [w, b, sigma]."""
        every = np.arange(self.n_features + 2)
        return every if self.fit_intercept else np.delete(every, self.n_features)

    def parts(self, theta: np.ndarray) -> tuple[np.ndarray, float, float]:
        """w of shape (n_features,), b and sigma."""
        d = self.n_features
        return theta[:d], float(theta[d]) if self.fit_intercept else 0.0, float(theta[-1])

    def theta(self, w: np.ndarray, b: float, sigma: float) -> np.ndarray:
        return np.concatenate([w, [b] if self.fit_intercept else [], [sigma]]).astype(np.float64)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """x_i.w + b of every row, shape (n_rows,)."""
        w, b, _ = self.parts(theta)
        extended = np.append(w, b)[None]
        return np.concatenate([rows.scores(extended)[0] for rows in self.blocks])

    def subsample(self, step: int) -> ScaledHuber:
        """The same objective on every `step`-th row, its penalty in proportion."""
        sample, start = [], 0
        for rows in self.blocks:
            sample.append(rows.take(np.arange(-start % step, rows.n_rows, step)))
            start += rows.n_rows
        weight = float(sum(r.s.sum(dtype=np.float64) if r.s.size else r.n_rows for r in sample))
        share = weight / self.weight
        return replace(
            self,
            blocks=sample,
            n_rows=sum(r.n_rows for r in sample),
            weight=weight,
            alpha=self.alpha * share,
            anchor=[0.0],
        )

    def best_scale(self, residual: np.ndarray, weight: np.ndarray | None) -> float:
        """sigma that is best for given residuals: sum_i s_i c_i^2 = sum_i s_i, found from above by

        sigma^2 <- sum_near s_i r_i^2 / (W - epsilon^2 sum_far s_i).
        """
        r2 = np.asarray(residual, dtype=np.float64) ** 2
        s = np.ones(len(r2)) if weight is None else weight
        total = float(s.sum())
        variance = (
            float(np.sum(s * r2)) / total
        )  # BLAS would add up by threads, in another order for each number
        for _ in range(50):
            near = r2 <= self.epsilon**2 * variance
            room = total - self.epsilon**2 * float(s[~near].sum())
            if room <= 0.0:
                break
            new = float(np.sum(s[near] * r2[near])) / room
            if new >= variance * (1.0 - 1e-3):
                break
            variance = new
        return max(float(np.sqrt(variance)), self.floor)


@dataclass(frozen=True, eq=False)
class LogScale:
    """The same objective of [w, b, log sigma], which has no wall at sigma = 0."""

    objective: ScaledHuber

    def value_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        sigma = np.exp(theta[-1])
        value, gradient = self.objective.value_gradient(np.append(theta[:-1], sigma))
        gradient[-1] *= sigma
        return value, gradient
