"""What all nearest-neighbour models share: the rows they remember, the metric, and the search for neighbours.

The searching itself is `tripos.geometry`; here stand scikit-learn's parameters and its methods `kneighbors`,
`radius_neighbors` and their graphs. A query of `None` means the remembered rows themselves, none of which then is its
own neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos.base import Estimator
from tripos.compute.budget import require
from tripos.data.needs import Needs
from tripos.geometry import make_index
from tripos.geometry.brute import BruteForce
from tripos.geometry.distances import CODES, NOBODY, SUMS_OVER_COLUMNS, Floats, Found, Indices, take_out_self
from tripos.geometry.kd_tree import KDTree
from tripos.geometry.near_graph import NearGraph, check_parts
from tripos.geometry.nn_descent import NNDescent
from tripos.state import Array, ListOf, Number
from tripos.supervised.neighbors.concentration import Concentration, concentration

FOREIGN = {  # metrics that scikit-learn and SciPy compute
    *("braycurtis", "canberra", "correlation", "dice", "mahalanobis", "rogerstanimoto", "russellrao"),
    *("seuclidean", "sokalsneath", "yule", "precomputed"),
}
METRICS: set[str] = {*CODES, *FOREIGN, "gower"}
SHOWN_COLUMNS = 20


class NeedsOfMetric:
    """Numbers of one scale for most metrics; for Gower's the table as it is, categories as codes and gaps as NaN."""

    OTHERS = Needs(scale="standard")
    GOWER = Needs(categories="native", missing="native", text="none", sparse=False)

    def __get__(self, model: Any, cls: type) -> Needs:
        return self.GOWER if model is not None and model.__dict__.get("metric") == "gower" else self.OTHERS


class Neighbors(Estimator):
    """Rows, a metric, and who is nearest. Subclasses say what to make of the neighbours."""

    needs: ClassVar[Any] = NeedsOfMetric()
    interpretability: ClassVar[str] = "medium"
    state: ClassVar[Mapping[str, Any]] = {
        "_fit_X": Array("f", ("rows", "columns"), sparse=True),
        "n_samples_fit_": Number("i", low=1, binds="rows"),
        "_holes": Array("b", ("rows", "columns"), optional=True),  # missing cells, for Gower's distance
        "_graph": ListOf(Array("i"), optional=True),  # what "nn_descent" built
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute", "nn_descent"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric": [StrOptions(METRICS), callable],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
    }

    n_neighbors: Any = 5  # of the models that search in a radius
    radius: Any = 1.0
    algorithm: str
    leaf_size: int
    metric: str | Callable[..., float]
    p: float
    metric_params: dict[str, Any] | None
    n_jobs: int | None
    n_samples_fit_: int
    _fit_X: Any
    _graph: list[npt.NDArray[Any]] | None
    _metric_in_use: tuple[Any, dict[str, Any]]
    _shows_nonfinite: bool = False  # whether NaN or infinity in a query makes all its distances so

    # ---- fit -----------------------------------------------------------------------------------

    def _remember(self, X: Any, y: Any = None) -> npt.NDArray[Any] | None:
        """Keeps the rows, builds their index, and returns the target in numbers."""
        training = self._start_fit(X, y, multi_output=True)
        if not training.in_memory:
            raise TypeError(
                f"{type(self).__name__} remembers every row, so they must lie in memory together: pass an array or a "
                "table instead of blocks"
            )
        if self.metric == "precomputed" and (
            sp.issparse(training.X) or training.X.shape[0] != training.X.shape[1]
        ):
            raise ValueError(
                "Precomputed matrix must be square and dense, the distances of all rows to each other; "
                f"X has shape {training.X.shape}"
            )
        self._fit_X, self._holes, self._graph = training.X, None, None
        if self.metric == "gower" and not sp.issparse(training.X) and np.isnan(training.X).any():
            self._holes = np.isnan(training.X)
            self._fit_X = np.where(self._holes, 0.0, training.X)
        self.n_samples_fit_ = training.X.shape[0]
        self._index_rows()
        target: npt.NDArray[Any] | None = training.y
        return target

    def _index_rows(self) -> None:
        """The index of the remembered rows; a graph that came with them is not built anew."""
        self._metric_in_use = self._effective_metric()
        holes = getattr(self, "_holes", None)
        self._rows = self._fit_X if holes is None else np.where(holes, np.nan, self._fit_X)
        few = int(self.n_neighbors) if isinstance(self.n_neighbors, Integral) else 5
        self._index = make_index(
            self._rows,
            *self._metric_in_use,
            algorithm=self.algorithm,
            leaf_size=self.leaf_size,
            k=few,
            n_jobs=self.n_jobs,
            graph=None if self._graph is None else NearGraph.of_parts(self._graph),
        )
        self._graph = self._index.graph.parts() if isinstance(self._index, NNDescent) else None
        metric = self._index.metric.code if isinstance(self._index, (BruteForce, KDTree)) else None
        self._shows_nonfinite = metric is not None and metric <= SUMS_OVER_COLUMNS

    @property
    def effective_metric_(self) -> Any:
        """Name of the metric after special cases of Minkowski's got their own, or the callable."""
        return self._metric_in_use[0]

    @property
    def effective_metric_params_(self) -> dict[str, Any]:
        """Further arguments of the metric."""
        return self._metric_in_use[1]

    @property
    def algorithm_(self) -> str:
        """How neighbours are searched: "brute", "kd_tree", "ball_tree" or "nn_descent"."""
        return str(self._index.name)

    @property
    def approximate_(self) -> bool:
        """Whether some of the neighbours found may not be the nearest: with "nn_descent" only, which has to be asked for."""
        return self.algorithm_ == "nn_descent"

    def _effective_metric(self) -> tuple[Any, dict[str, Any]]:
        """The metric under the name of its special case, and its parameters, as scikit-learn has them."""
        parameters = dict(self.metric_params or {})
        if self.metric == "gower":
            encoder = getattr(self, "encoder_", None)
            coded = 0 if encoder is None else len(encoder.stages_.levels.columns)
            if coded:  # they come last
                d = self._fit_X.shape[1]
                return "gower", {**parameters, "categorical": list(range(d - coded, d))}
        if self.metric != "minkowski":
            return self.metric, parameters
        p, w = parameters.pop("p", self.p), parameters.pop("w", None)
        plain = {1: "manhattan", 2: "euclidean", math.inf: "chebyshev"}.get(p)
        if w is None and plain is not None:
            return plain, parameters
        return "minkowski", {**parameters, "p": p, "w": w}

    def _check_state(self) -> None:
        super()._check_state()
        if self._fit_X.shape[1] != self._n_inputs():
            raise ValueError(
                f"_fit_X has {self._fit_X.shape[1]} columns, the model is for {self._n_inputs()}"
            )
        graph = self.__dict__.setdefault("_graph", None)
        if graph is not None:
            check_parts(graph, self.n_samples_fit_)

    def _after_load(self) -> None:
        super()._after_load()
        self._index_rows()

    # ---- search --------------------------------------------------------------------------------

    def _queries(self, X: Any, *, shown: bool = False) -> Any:
        """X checked, in the form that the index takes; `shown`: what is not finite in a single row shows in its distances."""
        X = self._input(X)
        if type(X) is not np.ndarray and sp.issparse(X):
            self._reject_nonfinite(X)
            if not sp.issparse(self._fit_X):
                require(8.0 * X.shape[0] * X.shape[1], what="the sparse queries beside dense rows")
                return X.toarray()
        elif not (shown and len(X) == 1) and not math.isfinite(np.add.reduce(X, axis=None)):
            self._reject_nonfinite(X)
        return X

    def _nearest(self, X: Any, k: int) -> tuple[Floats, Indices]:
        """Distances and indices of the k nearest remembered rows, (n_queries, k) each."""
        own = X is None
        if own:
            check_is_fitted(self)
            Q = self._rows
        else:
            Q = self._queries(X, shown=self._shows_nonfinite)
        if k + own > self.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors {'<' if own else '<='} n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {self.n_samples_fit_}, n_samples = {Q.shape[0]}"
            )
        distances, indices = self._index.nearest(Q, k + own, self.n_jobs)
        if len(distances) == 1:
            if math.isfinite(distances[0, -1]):
                return distances, indices
            self._reject_nonfinite(Q)
        if np.maximum.reduce(indices[:, -1], initial=-1) == NOBODY:
            raise ValueError("X holds numbers so large that distances overflow: rescale it")
        return take_out_self(distances, indices) if own else (distances, indices)

    def _within(self, X: Any, radius: float) -> Found:
        """All remembered rows within a radius of each query."""
        if X is None:
            check_is_fitted(self)
            return self._index.within(self._rows, radius, self.n_jobs).without_self()
        return self._index.within(self._queries(X), radius, self.n_jobs)

    def _n_queries(self, X: Any) -> int:
        return self.n_samples_fit_ if X is None else int(X.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        tags.target_tags.multi_output = True
        return tags

    # ---- show ----------------------------------------------------------------------------------

    def concentration(self, random_state: int = 0) -> Concentration:
        """The curse of dimensionality on these rows: nearest over farthest distance as columns are added, beside the same
        columns shuffled apart; with `plot()`."""
        check_is_fitted(self)
        if sp.issparse(self._fit_X) or self.metric in ("precomputed", "haversine", "gower"):
            raise ValueError(
                "concentration adds columns one by one: it takes dense rows and a metric of any number of them"
            )
        return concentration(self._fit_X, *self._metric_in_use, seed=random_state)

    def _facts(self) -> list[str]:
        """Lines of the summary that every model has."""
        names = [str(name) for name in self.encoded_feature_names_]
        more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
        metric = getattr(self.effective_metric_, "__name__", self.effective_metric_)
        if self.effective_metric_params_.get("p") is not None:
            metric = f"{metric} (p = {self.effective_metric_params_['p']:g})"
        road = {
            "brute": "all rows are looked at",
            "kd_tree": "a kd-tree leaves out what is too far",
            "ball_tree": "a ball tree leaves out what is too far",
            "nn_descent": "a graph is walked, and some neighbours may be missed",
        }
        return [
            f"rows      {self.n_samples_fit_} remembered",
            f"distance  {metric}; {road[self.algorithm_]} (algorithm_ = {self.algorithm_!r})",
            f"columns   {', '.join(names[:SHOWN_COLUMNS])}{more}",
        ]

    def summary(self) -> str:
        """What is remembered and how it is searched."""
        check_is_fitted(self)
        return "\n".join([type(self).__name__, *self._facts()])


class KNeighbors(Neighbors):
    """Models that ask for a number of neighbours."""

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """The nearest remembered rows, nearest first; of rows at one distance the one with the lower index.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_queries, n_features), optional
            By default the remembered rows, none of which is its own neighbour.
        n_neighbors : int, optional
            By default the model's.
        return_distance : bool, default=True

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), if `return_distance`
        indices : ndarray of shape (n_queries, n_neighbors)
        """
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        if k <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {k}")
        distances, indices = self._nearest(X, int(k))
        return (distances, indices) if return_distance else indices

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> Any:
        """The neighbours as a CSR matrix of shape (n_queries, n_rows).

        Parameters
        ----------
        X, n_neighbors
            As in `kneighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether entries are 1 or the distance.

        Returns
        -------
        CSR matrix
        """
        _check_mode(mode)
        distances, indices = self.kneighbors(X, n_neighbors)
        values = np.ones(indices.size) if mode == "connectivity" else distances.ravel()
        starts = np.arange(0, indices.size + 1, indices.shape[1])
        return sp.csr_matrix((values, indices.ravel(), starts), shape=(len(indices), self.n_samples_fit_))


class RadiusNeighbors(Neighbors):
    """Models that ask for all neighbours in a radius."""

    def radius_neighbors(
        self,
        X: Any = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """All remembered rows within a radius of each query, the boundary included.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_queries, n_features), optional
            By default the remembered rows, none of which is its own neighbour.
        radius : float, optional
            By default the model's.
        return_distance : bool, default=True
        sort_results : bool, default=False
            Whether the nearest come first; by default they come in ascending index.

        Returns
        -------
        distances : object ndarray of shape (n_queries,) of arrays, if `return_distance`
        indices : object ndarray of shape (n_queries,) of arrays
        """
        check_is_fitted(self)
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        found = self._within(X, self.radius if radius is None else radius)
        if sort_results:
            found = found.by_distance()
        indices = _array_of_arrays(found.indices, found.starts)
        return (_array_of_arrays(found.distances, found.starts), indices) if return_distance else indices

    def radius_neighbors_graph(
        self,
        X: Any = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> Any:
        """The neighbours as a CSR matrix of shape (n_queries, n_rows).

        Parameters
        ----------
        X, radius, sort_results
            As in `radius_neighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"

        Returns
        -------
        CSR matrix
        """
        check_is_fitted(self)
        _check_mode(mode)
        found = self._within(X, self.radius if radius is None else radius)
        if sort_results:
            if mode == "connectivity":
                raise ValueError("return_distance must be True if sort_results is True.")
            found = found.by_distance()
        values = np.ones(len(found.indices)) if mode == "connectivity" else found.distances
        shape = (len(found.starts) - 1, self.n_samples_fit_)
        return sp.csr_matrix((values, found.indices, found.starts), shape=shape)


def _check_mode(mode: str) -> None:
    if mode not in ("connectivity", "distance"):
        raise ValueError(f'mode must be "connectivity" or "distance", got {mode!r}')


def _array_of_arrays(values: npt.NDArray[Any], starts: Indices) -> npt.NDArray[Any]:
    out = np.empty(len(starts) - 1, dtype=object)
    for j in range(len(out)):
        out[j] = values[starts[j] : starts[j + 1]]
    return out
