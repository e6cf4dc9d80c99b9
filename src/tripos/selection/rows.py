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


class Shuffled:
    """X with one column after another in another order of its rows; an array is copied once, not once a column."""

    def __init__(self, X: Any) -> None:
        self.X = X
        self._array = X.copy() if isinstance(X, np.ndarray) else None
        self._columns: Any = X.tocsc(copy=True) if sp.issparse(X) else None
        self._before: Any = X.tocsc(copy=True) if sp.issparse(X) else None
        is_matrix = isinstance(X, np.ndarray) or sp.issparse(X)
        self._frame: Any = None if is_matrix else nw.from_native(X, eager_only=True)

    def column(self, j: int, order: np.ndarray) -> Any:
        """X with column j taken in `order`; valid until `restore(j)`."""
        if self._array is not None:
            self._array[:, j] = self.X[order, j]
            return self._array
        if self._frame is not None:
            name = self._frame.columns[j]
            return self._frame.with_columns(self._frame[name][order].alias(name)).to_native()
        place = np.empty(len(order), np.int64)  # new position of each row
        place[order] = np.arange(len(order))
        stored = slice(self._before.indptr[j], self._before.indptr[j + 1])
        rows = place[self._before.indices[stored]]
        ascending = np.argsort(rows)
        self._columns.indices[stored] = rows[ascending]
        self._columns.data[stored] = self._before.data[stored][ascending]
        return self._columns.tocsr()

    def restore(self, j: int) -> None:
        """Puts column j back."""
        if self._array is not None:
            self._array[:, j] = self.X[:, j]
        if self._columns is not None:
            stored = slice(self._before.indptr[j], self._before.indptr[j + 1])
            self._columns.indices[stored] = self._before.indices[stored]
            self._columns.data[stored] = self._before.data[stored]
