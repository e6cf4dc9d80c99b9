"""Iteratively reweighted least squares: a generalised linear model as one weighted regression after another.

With scores eta = X w, slopes r_i = L'(y_i, eta_i) and curvatures h_i = L''(y_i, eta_i), each step regresses
the working response z_i = eta_i - r_i / h_i on X with weights h_i,

    w <- (X' diag(h) X + R'')^-1 X' diag(h) z  =  w - (X' diag(h) X + R'')^-1 (X' r + R'(w)),

which is Newton's step on the risk, and so is taken by `newton`, whose backtracking keeps it from
overshooting. Where the loss gives its expected curvature it is Fisher's scoring.

References
----------
J. Nelder, R. Wedderburn (1972), doi:10.2307/2344614; P. Green (1984), doi:10.1111/j.2517-6161.1984.tb01288.x.
"""

from __future__ import annotations

import numpy as np

from tripos.objective.losses import GAMMA, LOG, POISSON, SQUARED, PointwiseLoss, tweedie
from tripos.objective.risk import Risk
from tripos.optimization.newton import newton
from tripos.optimization.result import Result, Stopping

LIKELIHOODS = {loss.code for loss in (SQUARED, LOG, POISSON, GAMMA, tweedie(1.5))}


def irls(objective: Risk, x0: np.ndarray, stopping: Stopping) -> Result:
    """Fit a generalised linear model.

    Parameters
    ----------
    objective : Risk
        With the squared, log, poisson, gamma or tweedie loss.
    x0 : array-like of shape (n_parameters,)
    stopping : Stopping

    Returns
    -------
    Result

    Raises
    ------
    TypeError
        If the objective is not the risk of a generalised linear model.
    """
    loss = getattr(objective, "loss", None)
    if not isinstance(loss, PointwiseLoss) or loss.code not in LIKELIHOODS:
        found = type(objective).__name__ if loss is None else f"the {loss.name} loss"
        raise TypeError(
            f"method='irls' fits generalised linear models (squared, log, poisson, gamma or tweedie loss), "
            f"got {found}; use method='lbfgs' or 'newton'"
        )
    return newton(objective, x0, stopping)
