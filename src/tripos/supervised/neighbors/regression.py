"""Regression by the mean over the nearest rows.

    f(x) = sum_{i in N(x)} w_i y_i / sum_{i in N(x)} w_i

with N(x) the k nearest rows, or all within a radius.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos.base import Regressor
from tripos.errors import DataWarning
from tripos.state import Array
from tripos.supervised.neighbors import leave_one_out, votes
from tripos.supervised.neighbors.classification import DRAWN
from tripos.supervised.neighbors.leave_one_out import NeighbourCurve
from tripos.supervised.neighbors.model import KNeighbors, Neighbors, RadiusNeighbors


class NeighborsRegressor(Neighbors, Regressor):
    """What both means share."""

    state: ClassVar[Mapping[str, Any]] = {"_y": Array("f", (("rows",), ("rows", "outputs")))}
    _y: npt.NDArray[Any]

    @property
    def _targets(self) -> npt.NDArray[Any]:
        """Targets as columns, shape (n_rows, n_outputs)."""
        return self._y.reshape(len(self._y), -1)


class KNeighborsRegressor(NeighborsRegressor, KNeighbors):
    """Regression by the mean of the k nearest rows.

        f(x) = sum_{i in N_k(x)} w_i y_i / sum_{i in N_k(x)} w_i

    Parameters
    ----------
    n_neighbors : int, default=5
        k. Few neighbours follow every row, many level out; `choose_k` draws the curve.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Whether neighbours count the same, by the inverse of their distance (those at distance zero alone, if there
        are any), or by a function that makes weights (n_queries, k) of distances (n_queries, k).
    algorithm : {"auto", "ball_tree", "kd_tree", "brute", "nn_descent"}, default="auto"
        How neighbours are searched; every way finds the same ones but "nn_descent", a graph for many rows with many
        columns that misses a few (`approximate_`) and is never chosen by "auto".
    leaf_size : int, default=30
        Rows of a tree's leaf, at most.
    p : float, default=2
        Exponent of the Minkowski distance.
    metric : str or callable, default="minkowski"
        Name of a distance, f(x, y) of two rows, or "precomputed".
    metric_params : dict, optional
        Further arguments of the metric.
    n_jobs : int, optional
        Threads; all by default.

    Attributes
    ----------
    effective_metric_ : str or callable
        "euclidean" for the Minkowski distance with p = 2, and so on.
    effective_metric_params_ : dict
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_samples_fit_ : int
        Rows remembered.
    algorithm_ : str
        How neighbours are searched.

    References
    ----------
    T. Hastie, R. Tibshirani & J. Friedman (2009). The Elements of Statistical Learning, 2nd ed., section 2.3.2.

    See Also
    --------
    RadiusNeighborsRegressor : the mean of all rows within a radius.

    Examples
    --------
    >>> from tripos import KNeighborsRegressor
    >>> model = KNeighborsRegressor(n_neighbors=2).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 1.0])
    >>> model.predict([[1.5]])
    array([0.5])
    """

    exceptions: ClassVar[Mapping[str, str]] = {
        "sample_weight": "fit takes no sample_weight, as in scikit-learn: `weights` weighs neighbours by distance"
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in Neighbors._parameter_constraints.items() if name != "radius"},
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Any = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How many neighbours, and whether the nearer ones count more."""
        return {"n_neighbors": (1, 50, "log"), "weights": ["uniform", "distance"]}

    def fit(self, X: Any, y: Any = None) -> KNeighborsRegressor:
        """Remember the rows and their targets.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)

        Returns
        -------
        self
        """
        self._y = self._remember(X, y)  # type: ignore[assignment]
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The mean over the neighbours.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_queries, n_features), or table, or None
            None asks for the remembered rows, each left out of its own mean.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
        """
        distances, indices = self._nearest(X, self.n_neighbors)
        y = self._targets
        out = np.empty((len(indices), y.shape[1]))
        votes.means(indices, y, votes.weights_of(distances, self.weights), out)
        return out[:, 0] if self._y.ndim == 1 else out

    def choose_k(self, max_k: int | None = None, rows: npt.ArrayLike | None = None) -> NeighbourCurve:
        """How well rows left out one at a time are predicted (coefficient of determination), for every k in one pass.

        The model stays as it is: `model.n_neighbors = model.choose_k().k` takes the advice, without a new fit.

        Parameters
        ----------
        max_k : int, optional
            The largest k; by default twice the root of the number of rows, between 30 and 200.
        rows : array-like of int, optional
            The remembered rows that are left out; all by default.

        Returns
        -------
        NeighbourCurve
            `k`, `values`, `scores`, and `plot()`.
        """
        check_is_fitted(self)
        most = leave_one_out.most_neighbours(self.n_samples_fit_, max_k)
        errors, y, chosen = np.zeros(most), self._targets, []
        for block in leave_one_out.blocks_of(self.n_samples_fit_, rows):
            D, I = leave_one_out.lists_of_others(self._index, self._rows, block, most, self.n_jobs)
            votes.errors_for_each_k(I, y, y[block], votes.weights_of(D, self.weights), errors)
            chosen.append(block)
        truth = y[np.concatenate(chosen)].astype(np.float64)
        total = float(((truth - truth.mean(axis=0)) ** 2).sum())
        return NeighbourCurve.best_of(1.0 - errors / (total or 1.0), "R²")

    def plot(self, ax: Any = None) -> Any:
        """The curve of `choose_k`; returns matplotlib Axes."""
        check_is_fitted(self)
        rows = None
        if self.n_samples_fit_ > DRAWN:
            rows = np.linspace(0, self.n_samples_fit_ - 1, DRAWN).astype(np.int64)
        return self.choose_k(rows=rows).plot(ax=ax)

    def _facts(self) -> list[str]:
        return [*super()._facts(), f"mean      of {self.n_neighbors} neighbours, weights {self.weights}"]


class RadiusNeighborsRegressor(NeighborsRegressor, RadiusNeighbors):
    """Regression by the mean of all rows within a radius.

        f(x) = sum_{i: d(x, x_i) <= r} w_i y_i / sum_{i: d(x, x_i) <= r} w_i

    Parameters
    ----------
    radius : float, default=1.0
        r; rows at exactly this distance count.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As in `KNeighborsRegressor`; a function gets an array of arrays of distances.
    algorithm, leaf_size, p, metric, metric_params, n_jobs : as in `KNeighborsRegressor`

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_features_in_, n_samples_fit_, algorithm_
        As in `KNeighborsRegressor`.

    References
    ----------
    J. L. Bentley (1975). A survey of techniques for fixed radius near neighbor searching. SLAC report 186.

    Examples
    --------
    >>> from tripos import RadiusNeighborsRegressor
    >>> model = RadiusNeighborsRegressor(radius=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 1.0])
    >>> model.predict([[1.5]])
    array([0.5])
    """

    exceptions: ClassVar[Mapping[str, str]] = KNeighborsRegressor.exceptions
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in Neighbors._parameter_constraints.items() if name != "n_neighbors"},
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }

    def __init__(
        self,
        radius: float = 1.0,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Any = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> RadiusNeighborsRegressor:
        """Remember the rows and their targets.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)

        Returns
        -------
        self
        """
        self._y = self._remember(X, y)  # type: ignore[assignment]
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The mean over the rows in the radius, NaN (with a warning) where there are none; shape (n_queries,) or
        (n_queries, n_outputs)."""
        found = self._within(X, self.radius)
        W = votes.flat_weights(found.distances, found.starts, self.weights)
        y = self._targets
        out = np.empty((len(found.starts) - 1, y.shape[1]))
        lonely = votes.flat_means(found.starts, found.indices, y, W, out)
        if lonely:
            warnings.warn(
                f"{lonely} samples have no neighbors within the radius {self.radius}; predicting NaN "
                "for them: use a larger radius",
                DataWarning,
                stacklevel=2,
            )
        return out[:, 0] if self._y.ndim == 1 else out
