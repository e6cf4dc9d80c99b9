"""The risk of a linear model on arrays, in one call: what `minimize` and `check_gradient` are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, row_blocks
from tripos.objective.losses import LOSSES, SQUARED, Loss, SoftmaxLoss
from tripos.objective.penalties import NoPenalty, Penalty
from tripos.objective.risk import Risk
from tripos.objective.rows import Rows, rows_of


def linear_risk(
    X: Any,
    y: Any,
    loss: Loss | str = SQUARED,
    *,
    penalty: Penalty | None = None,
    sample_weight: Any = None,
    fit_intercept: bool = True,
) -> Risk:
    """F(w, b) = 1/W sum_i s_i L(y_i, x_i.w + b) + R(w) over rows in memory.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_rows, n_features)
        float32 stays float32; anything else becomes float64.
    y : array-like of shape (n_rows,)
        Targets inside the loss's domain: 0 and 1 for losses of a margin, 0, ..., K - 1 for softmax.
    loss : Loss or str, default="squared"
        A loss or its name in `tripos.objective.losses.LOSSES`.
    penalty : Penalty, optional
    sample_weight : array-like of shape (n_rows,), optional
    fit_intercept : bool, default=True

    Returns
    -------
    Risk
        Its parameters are the coefficients with the intercept last, class by class for softmax.

    Raises
    ------
    ValueError
        If y has another length than X, or a target outside the loss's domain; the message names the first
        such row.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import minimize
    >>> risk = linear_risk(np.array([[0.0], [1.0], [2.0]]), [1.0, 3.0, 5.0])
    >>> minimize(risk, np.zeros(2), method="newton").x.round(6)
    array([2., 1.])
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(map(repr, LOSSES))}, got {loss!r}")
        loss = LOSSES[loss]
    dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
    X = sp.csr_array(X, dtype=dtype) if sp.issparse(X) else kernel_array(np.asarray(X, dtype))
    y = np.asarray(y)
    if y.shape != X.shape[:1]:
        raise ValueError(
            f"y must have one target for each of the {X.shape[0]} rows of X, got shape {y.shape}"
        )
    loss.check_target(y)
    several = isinstance(loss, SoftmaxLoss)
    y = kernel_array(y, np.int64 if several else dtype)
    s = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    blocks: list[Block | Rows] = [rows_of(b, b.y, b.sample_weight) for b in row_blocks(X, y, s)]
    return Risk(
        blocks,
        loss,
        _as_they_are,
        float(len(y)) if s is None else float(s.sum()),
        X.shape[1],
        int(y.max()) + 1 if several else 1,
        penalty or NoPenalty(),
        fit_intercept,
        dtype=np.dtype(dtype),
    )


def _as_they_are(block: Block) -> Rows:
    return rows_of(block, block.y, block.sample_weight)
