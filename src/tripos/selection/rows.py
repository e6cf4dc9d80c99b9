"""Rows with their target and weights, in whatever form they came: taking parts, shuffling a column, fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from tripos.metrics import checks


@dataclass(frozen=True, eq=False)
class Rows:
    """Features, target and weights of the same rows.

    Attributes
    ----------
    X : table (polars, pandas, Arrow), ndarray, CSR matrix, Series or list
    y : ndarray of shape (n,) or (n, n_outputs)
        Labels for classifiers (strings as NumPy strings), float64 for regressors.
    sample_weight : float64 ndarray of shape (n,), or None
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None = None

    @classmethod
    def of(cls, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Rows:
        """The checked rows for an estimator: equal lengths, a target without holes."""
        target = checks.labels(y, "y") if is_classifier(estimator) else checks.numbers(y, "y")
        features = X.tocsr() if sp.issparse(X) else X
        n = features.shape[0] if hasattr(features, "shape") else len(features)
        if n != len(target):
            raise ValueError(f"X has {n} rows but y has {len(target)}")
        weight = checks.weights(sample_weight, n)
        return cls(features, target, None if weight is None else weight.astype(np.float64))

    def __len__(self) -> int:
        return len(self.y)

    def part(self, rows: np.ndarray) -> Rows:
        """The rows at these positions, in this order."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return Rows(take(self.X, rows), self.y[rows], weight)

    def fit(self, estimator: Any) -> Any:
        """A clone of the estimator, fitted on these rows; weights go to every step that takes them."""
        model = clone(estimator)
        return model.fit(self.X, self.y, **_fit_weights(model, self.sample_weight))


def _fit_weights(model: Any, sample_weight: np.ndarray | None) -> dict[str, np.ndarray]:
    if sample_weight is None:
        return {}
    steps = model.steps if isinstance(model, Pipeline) else [("", model)]
    takers = [name for name, step in steps if step is not None and has_fit_parameter(step, "sample_weight")]
    if steps[-1][0] not in takers:
        raise ValueError(f"{type(steps[-1][1]).__name__}.fit takes no sample_weight: leave the weights out")
    return {f"{name}__sample_weight" if name else "sample_weight": sample_weight for name in takers}


def take(X: Any, rows: np.ndarray) -> Any:
    """The rows of X at these positions, as the kind of object X is."""
    if isinstance(X, np.ndarray) or sp.issparse(X):
        return X[rows]
    frame = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        return frame[rows].to_native()
    return [X[row] for row in rows]


def column_names(X: Any) -> list[str]:
    """Names of the columns, or x0, x1, ... of an array."""
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return list(frame.columns)
    if getattr(X, "ndim", 0) != 2:
        raise ValueError(f"X must be a table or a matrix with columns, got {type(X).__name__}")
    return [f"x{j}" for j in range(X.shape[1])]


def column_of(X: Any, values: Any, name: str) -> Any:
    """`values`, or the column of X that has this name."""
    if not isinstance(values, str):
        return values
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame) or values not in frame.columns:
        raise ValueError(
            f"{name}={values!r} names no column of X: pass the name of one, or an array with a value per row"
        )
    return frame[values].to_native()
