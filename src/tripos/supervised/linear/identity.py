"""The risk of a generalised linear model whose mean is the score itself, mu = eta > 0.

    L(y, mu) = mu^(2-p) / (2 - p) - y mu^(1-p) / (1 - p),    dL/dmu = (mu - y) / mu^p

with the limits mu - y log mu for p = 1 and y / mu + log mu for p = 2. The curvature is the expected one, 1 / mu^p
(Fisher scoring). Where a mean is not positive the risk is infinite, and steps end before it.

References
----------
P. McCullagh, J. Nelder, *Generalized Linear Models*, 2nd ed., section 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.objective.risk import Risk
from tripos.objective.rows import DenseRows, Evaluation, Rows


@dataclass(frozen=True, eq=False)
class IdentityRisk:
    """The mean loss plus the penalty; used where speed is not the matter, so its passes are NumPy's.

    Parameters
    ----------
    risk : Risk
        Whose rows, weights and penalty are meant; its loss is not used.
    power : float
    """

    risk: Risk
    power: float

    def value_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """F(theta) and its gradient."""
        value, gradient, _ = self._evaluate(theta, hessian=False)
        return value, gradient

    def value_gradient_hessian(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """F(theta), its gradient and its expected Hessian."""
        value, gradient, hessian = self._evaluate(theta, hessian=True)
        assert hessian is not None
        return value, gradient, hessian

    def _evaluate(self, theta: np.ndarray, *, hessian: bool) -> tuple[float, np.ndarray, np.ndarray | None]:
        risk, penalty = self.risk, self.risk.penalty
        d, D = risk.n_features, risk.n_parameters
        w = theta[:d]
        extended = np.append(w, theta[d:] if risk.fit_intercept else 0.0)[None]
        sums: Evaluation = risk.reduce(lambda rows: self._sums(rows, extended, hessian), Evaluation.add)
        gradient = sums.gradient[0, :D] / risk.total_weight
        gradient[:d] += penalty.gradient(w)
        value = sums.value / risk.total_weight + penalty.value(w)
        if sums.hessian is None:
            return value, gradient, None
        H = sums.hessian[:D, :D] / risk.total_weight
        H[np.arange(d), np.arange(d)] += penalty.curvature
        return value, gradient, H

    def _sums(self, rows: Rows, extended: np.ndarray, hessian: bool) -> Evaluation:
        """Sums over the rows of a block."""
        p, y = self.power, rows.y.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity in X show below
            mu = rows.scores(extended)[0].astype(np.float64)
        D = extended.shape[1]
        if not (mu > 0.0).all() or not np.isfinite(mu).all():
            return Evaluation(np.inf, np.full((1, D), np.nan), np.full((D, D), np.nan) if hessian else None)
        s = rows.s if rows.s.size else 1.0
        loss = half_deviance_terms(y, mu, p)
        slope = s * (mu - y) * mu**-p
        H = None
        if hessian:
            H = _products(rows, s * mu**-p)
        gradient = np.append(_matrix(rows).T @ slope, slope.sum())[None]
        return Evaluation(float(np.sum(s * loss)), gradient, H)


def half_deviance_terms(y: np.ndarray, mu: np.ndarray, power: float) -> np.ndarray:
    """Half the deviance of each row, up to a term in y."""
    if power == 1.0:
        return np.asarray(mu - y * np.log(mu))
    if power == 2.0:
        return np.asarray(y / mu + np.log(mu))
    a, b = 2.0 - power, 1.0 - power
    return np.asarray(mu**a / a - y * mu**b / b)


def _matrix(rows: Rows) -> Any:
    if isinstance(rows, DenseRows):
        return rows.X
    return sp.csr_array(rows.arrays, shape=(rows.n_rows, rows.n_features))


def _products(rows: Rows, h: np.ndarray) -> np.ndarray:
    """[X, 1]' diag(h) [X, 1]."""
    X = _matrix(rows)
    d = X.shape[1]
    H = np.empty((d + 1, d + 1))
    scaled = X.multiply(h[:, None]).tocsr() if sp.issparse(X) else X * h[:, None]
    product = X.T @ scaled
    H[:d, :d] = product.toarray() if sp.issparse(product) else product
    H[d, :d] = H[:d, d] = np.asarray(scaled.sum(axis=0)).ravel()
    H[d, d] = np.sum(h)
    return H
