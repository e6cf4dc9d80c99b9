"""An estimator that boosting starts from: its predictions as scores, to which the trees are added.

For numbers F_0(x) is what it predicts. For classes it is the logarithm of its probabilities p, as the loss reads them:
log(p / (1 - p)) for the log loss of two classes, half of that for the exponential loss, log p less its mean over the
classes for more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from tripos.state import is_pipeline

LEAST = float(np.finfo(np.float32).eps)  # probabilities are at least so large, as in scikit-learn


def fit_starter(estimator: Any, X: Any, y: Any, sample_weight: np.ndarray | None, rows: np.ndarray) -> Any:
    """A copy of the estimator, fitted on some of the rows."""
    copy = clone(estimator)
    target = np.asarray(y)[rows]
    if sample_weight is None:
        return copy.fit(_safe_indexing(X, rows), target)
    weight = np.asarray(sample_weight, np.float64)[rows]
    if is_pipeline(copy):
        return copy.fit(_safe_indexing(X, rows), target, **{f"{copy.steps[-1][0]}__sample_weight": weight})
    if not has_fit_parameter(copy, "sample_weight"):
        raise ValueError(
            f"The initial estimator {type(copy).__name__} does not support sample weights: leave them out, or use another"
        )
    return copy.fit(_safe_indexing(X, rows), target, sample_weight=weight)


def starting_scores(
    starter: Any, X: Any, n_outputs: int, classes: np.ndarray | None, half: bool
) -> np.ndarray:
    """F_0 of each row, float64 of shape (n_rows, n_outputs); `half` for the exponential loss."""
    if classes is None:
        return np.asarray(starter.predict(X), np.float64).reshape(-1, 1)
    p = np.asarray(starter.predict_proba(X), np.float64)
    if p.shape[1] != len(classes):
        raise ValueError(
            f"The initial estimator {type(starter).__name__} knows {p.shape[1]} classes, the trees {len(classes)}: "
            "each class needs a row in the part that it is fitted on"
        )
    p = np.clip(p, LEAST, 1 - LEAST)
    if n_outputs > 1:
        log_p = np.log(p)
        return np.asarray(log_p - log_p.mean(axis=1, keepdims=True))
    log_odds = np.log(p[:, 1:] / (1 - p[:, 1:]))
    return np.asarray(log_odds / 2 if half else log_odds)
