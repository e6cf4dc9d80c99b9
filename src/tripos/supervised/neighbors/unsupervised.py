"""The search for neighbours on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tripos.supervised.neighbors.model import KNeighbors, RadiusNeighbors


class NearestNeighbors(KNeighbors, RadiusNeighbors):
    """Who lies nearest to a row, and who within a radius of it.

        N_k(x) = the k rows with the smallest d(x, x_i);        N(x, r) = {i : d(x, x_i) <= r}

    Parameters
    ----------
    n_neighbors : int, default=5
        k, unless a call says otherwise.
    radius : float, default=1.0
        r, unless a call says otherwise.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute", "nn_descent"}, default="auto"
        How neighbours are searched; every way finds the same ones but "nn_descent", a graph for many rows with many
        columns that misses a few (`approximate_`) and is never chosen by "auto".
    leaf_size : int, default=30
        Rows of a tree's leaf, at most.
    metric : str or callable, default="minkowski"
        Name of a distance, f(x, y) of two rows, or "precomputed".
    p : float, default=2
        Exponent of the Minkowski distance.
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
    n_samples_fit_ : int
        Rows remembered.
    algorithm_ : str
        How neighbours are searched.

    References
    ----------
    J. H. Friedman, J. L. Bentley & R. A. Finkel (1977). An algorithm for finding best matches in logarithmic expected
    time. ACM Transactions on Mathematical Software 3. doi:10.1145/355744.355745

    Examples
    --------
    >>> from tripos import NearestNeighbors
    >>> model = NearestNeighbors(n_neighbors=2).fit([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    >>> model.kneighbors([[0.8, 0.0]], return_distance=False)
    array([[1, 0]])
    """

    exceptions: ClassVar[Mapping[str, str]] = {
        "sample_weight": "fit takes no sample_weight, as in scikit-learn: there is nothing to weigh"
    }

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        radius: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Any = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:
        """Remember the rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : ignored

        Returns
        -------
        self
        """
        self._remember(X)
        return self
