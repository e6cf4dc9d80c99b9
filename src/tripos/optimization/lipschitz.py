"""How large a learning rate may be: the Lipschitz constant of the gradient, its largest curvature.

Gradient descent with a rate below 2 / L descends; 1 / L brings the most in the worst case. L is the largest
eigenvalue of the Hessian H, found by power iteration v <- H v / |H v|, with the product taken from two
gradients,

    H v = (g(x + e v) - g(x - e v)) / (2 e).

Steps from b of n rows feel more: with L_max the largest curvature of a single row (Gower et al., section
3.3),

    L_b = n (b - 1) / (b (n - 1)) L + (n - b) / (b (n - 1)) L_max.

References
----------
Y. Nesterov, *Introductory Lectures on Convex Optimization*, section 2.1.5; R. Gower et al. (2019),
arXiv:1901.09401.
"""

from __future__ import annotations

import numpy as np

from tripos.compute.random import generator
from tripos.optimization.result import Objective

ITERATIONS = 100
AGREE = 1e-3  # relative change of the estimate at which it is taken


def lipschitz(objective: Objective, x: np.ndarray, *, random_state: int = 0) -> float:
    """Largest curvature of an objective at x; 0 where it is flat, as losses made of straight pieces are.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos.optimization.facade import Functions
    >>> H = np.diag([1.0, 10.0])
    >>> round(lipschitz(Functions(lambda x: 0.5 * x @ H @ x, lambda x: H @ x), np.zeros(2)), 2)
    10.0
    """
    if x.size == 0:
        return 0.0
    noise = max(getattr(objective, "noise", 1e-15), 1e-15)
    e = noise ** (1 / 3) * max(1.0, float(np.linalg.norm(x)))
    v = generator(random_state).normal(size=x.size)
    v /= np.linalg.norm(v)
    found = 0.0
    for _ in range(ITERATIONS):
        product = objective.value_gradient(x + e * v)[1] - objective.value_gradient(x - e * v)[1]
        length = float(np.linalg.norm(product)) / (2.0 * e)
        if not np.isfinite(length) or length == 0.0:
            return found
        settled = abs(length - found) <= AGREE * length
        found, v = length, product / (2.0 * e * length)
        if settled:
            break
    return found


def batch_lipschitz(whole: float, single: float, n_rows: int, batch: int) -> float:
    """L_b from the constants of all rows and of the worst single row."""
    if batch >= n_rows:
        return whole
    share = batch * (n_rows - 1)
    return n_rows * (batch - 1) / share * whole + (n_rows - batch) / share * single
