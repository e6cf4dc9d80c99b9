"""Conjugate gradients: solves A w = c for a positive definite A known only by its products with vectors.

    alpha = r'z / p'Ap,    w += alpha p,    r_new = r - alpha Ap,
    z_new = M^-1 r_new,    beta = r_new'z_new / r'z,    p = z_new + beta p

From w = 0 and without M a consistent singular system is solved too, by its solution of least norm.

References
----------
M. Hestenes, E. Stiefel (1952), doi:10.6028/jres.049.044; Nocedal, Wright, *Numerical Optimization*, algorithm
5.3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tripos.optimization.result import Result, Stopping

Product = Callable[[np.ndarray], np.ndarray]


def conjugate_gradients(
    product: Product, c: np.ndarray, stopping: Stopping, *, inverse: Product | None = None
) -> Result:
    """Solve A w = c, that is minimise w'Aw / 2 - c'w.

    Parameters
    ----------
    product : callable
        A times a vector.
    c : ndarray of shape (d,)
    stopping : Stopping
        `tol` bounds |c - A w| relative to |c|.
    inverse : callable, optional
        M^-1 times a vector, M an approximation of A that is easily inverted.

    Returns
    -------
    Result
    """
    w = np.zeros_like(c)
    r = c.copy()  # the residual c - A w
    z = inverse(r) if inverse else r
    p = z.copy()
    rz = float(r @ z)
    goal = stopping.tol * float(np.linalg.norm(c))
    stopping.record(0, 0.0, r, w)
    for step in range(stopping.max_iter + 1):
        value = -0.5 * float(w @ c + w @ r)  # w'Aw / 2 - c'w, since A w = c - r
        size = float(np.sqrt(r @ r))
        if step:
            stopping.record(step, value, r, w)
        if size <= goal:
            return stopping.result(w, value, r, step, None)
        if stopping.asked_to_stop:
            return stopping.result(w, value, r, step, "a callback asked to stop")
        if step == stopping.max_iter:
            break
        Ap = product(p)
        bend = float(p @ Ap)
        if not bend > 0.0:
            reason = f"rounding has exhausted the search at a residual of {size:.3g}, tol asks for {goal:.3g}"
            return stopping.result(w, value, r, step, reason)
        w += (rz / bend) * p
        r -= (rz / bend) * Ap
        z = inverse(r) if inverse else r
        rz, previous = float(r @ z), rz
        p *= rz / previous
        p += z
    reason = f"max_iter={stopping.max_iter} steps left a residual of {size:.3g}, tol asks for {goal:.3g}"
    return stopping.result(w, value, r, step, reason)
