"""The local outlier factor: how much sparser it is around a row than around its neighbours.

    reach(a, b)  = max(k-distance(b), d(a, b))
    lrd(a)       = 1 / mean_{b in N_k(a)} reach(a, b)                    local reachability density
    LOF(a)       = mean_{b in N_k(a)} lrd(b) / lrd(a)

Near 1 a row is as dense as those around it; well above 1 it is lonelier than they are, in a cluster however tight or
loose (M. M. Breunig, H.-P. Kriegel, R. T. Ng, J. Sander (2000), doi:10.1145/342009.335388).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tripos import plotting
from tripos.compute import kernel
from tripos.errors import DataWarning
from tripos.geometry.distances import Floats, Indices
from tripos.state import Array, Number
from tripos.supervised.neighbors.model import KNeighbors, Neighbors

LEAST_REACH = 1e-10  # added to mean distances, so that a row among its doubles has a density
DOUBLES = 1e7  # a factor beyond this comes of doubles


def _for_new_rows(name: str) -> Callable[[LocalOutlierFactor], bool]:
    def available(model: LocalOutlierFactor) -> bool:
        if model.novelty:
            return True
        raise AttributeError(
            f"{name} is not available when novelty=False: `fit_predict` and `negative_outlier_factor_` speak of the "
            "training rows; use novelty=True for new rows"
        )

    return available


def _for_training_rows(model: LocalOutlierFactor) -> bool:
    if not model.novelty:
        return True
    raise AttributeError(
        "fit_predict is not available when novelty=True: a model of new rows does not judge those it was made from; "
        "use novelty=False"
    )


@kernel("f8[:, ::1], i8[:, ::1], f8[::1], f8[::1], f8[::1]", strict=True)
def factors(D, I, reach, lrd, out):  # type: ignore[no-untyped-def]
    """out_j = -LOF of new rows by their neighbours' distances and indices."""
    for j in range(D.shape[0]):
        far = 0.0
        dense = 0.0
        for s in range(D.shape[1]):
            far += max(D[j, s], reach[I[j, s]])
            dense += lrd[I[j, s]]
        k = D.shape[1]
        out[j] = -(dense / k) * (far / k + LEAST_REACH)


class LocalOutlierFactor(OutlierMixin, KNeighbors):
    """Outliers by their density beside that of their neighbours.

        LOF(a) = mean_{b in N_k(a)} lrd(b) / lrd(a),    lrd(a) = 1 / mean_{b in N_k(a)} max(k-distance(b), d(a, b))

    Parameters
    ----------
    n_neighbors : int, default=20
        k; the smallest group that is not taken for outliers is about this large.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute", "nn_descent"}, default="auto"
        How neighbours are searched; all but "nn_descent" find the same ones.
    leaf_size : int, default=30
        Rows of a tree's leaf, at most.
    metric : str or callable, default="minkowski"
        Name of a distance, f(x, y) of two rows, or "precomputed".
    p : float, default=2
        Exponent of the Minkowski distance.
    metric_params : dict, optional
        Further arguments of the metric.
    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of outliers among the training rows; "auto" puts the threshold at a factor of 1.5.
    novelty : bool, default=False
        False judges the rows of the fit (`fit_predict`), True new rows (`predict`, `score_samples`).
    n_jobs : int, optional
        Threads; all by default.

    Attributes
    ----------
    negative_outlier_factor_ : ndarray of shape (n_rows,)
        -LOF of the training rows: about -1 for inliers.
    n_neighbors_ : int
        k, or one less than there are rows.
    offset_ : float
        Rows with a score below are outliers.
    effective_metric_, effective_metric_params_, n_features_in_, n_samples_fit_, algorithm_
        As in `NearestNeighbors`.

    References
    ----------
    M. M. Breunig, H.-P. Kriegel, R. T. Ng & J. Sander (2000). LOF: identifying density-based local outliers. SIGMOD.
    doi:10.1145/342009.335388

    See Also
    --------
    NearestNeighbors : the search it stands on.

    Examples
    --------
    >>> from tripos import LocalOutlierFactor
    >>> model = LocalOutlierFactor(n_neighbors=2)
    >>> model.fit_predict([[-1.1], [0.2], [101.1], [0.3]])
    array([ 1,  1, -1,  1])
    >>> model.negative_outlier_factor_.round(4)
    array([ -0.9821,  -1.037 , -73.3697,  -0.9821])
    """

    exceptions: ClassVar[Mapping[str, str]] = {
        "sample_weight": "fit takes no sample_weight, as in scikit-learn: neighbours are counted, not weighed"
    }
    state: ClassVar[Mapping[str, Any]] = {
        "n_neighbors_": Number("i", low=1),
        "offset_": Number("f"),
        "negative_outlier_factor_": Array("f", ("rows",), high=0.0),
        "_lrd": Array("f", ("rows",), low=0.0),
        "_reach": Array("f", ("rows",), low=0.0),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in Neighbors._parameter_constraints.items() if name != "radius"},
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "novelty": ["boolean"],
    }
    n_neighbors_: int
    offset_: float
    negative_outlier_factor_: Floats
    _lrd: Floats
    _reach: Floats  # k-distance of each row

    def __init__(
        self,
        n_neighbors: int = 20,
        *,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Any = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        contamination: str | float = "auto",
        novelty: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.contamination = contamination
        self.novelty = novelty
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> LocalOutlierFactor:
        """Remember the rows and find the factor of each.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : ignored

        Returns
        -------
        self
        """
        self._remember(X)
        n = self.n_samples_fit_
        if self.n_neighbors > n:
            warnings.warn(
                f"n_neighbors ({self.n_neighbors}) is greater than the total number of samples ({n}). n_neighbors will "
                "be set to (n_samples - 1) for estimation.",
                DataWarning,
                stacklevel=2,
            )
        self.n_neighbors_ = max(1, min(int(self.n_neighbors), n - 1))
        D, I = self._nearest(None, self.n_neighbors_)
        self._reach = np.ascontiguousarray(D[:, -1])
        self._lrd = self._density(D, I)
        self.negative_outlier_factor_ = -self._factor(self._lrd, I)
        self.offset_ = -1.5
        if self.contamination != "auto":
            share = 100.0 * float(self.contamination)
            self.offset_ = float(np.percentile(self.negative_outlier_factor_, share))
        if self.negative_outlier_factor_.min() < -DOUBLES and not self.novelty:
            warnings.warn(
                "Duplicate values are leading to incorrect results: some rows have n_neighbors "
                f"({self.n_neighbors_}) or more doubles. Increase the number of neighbors for more accurate results.",
                DataWarning,
                stacklevel=2,
            )
        return self

    def _density(self, D: Floats, I: Indices) -> Floats:
        """lrd of rows with these neighbours, shape (n,)."""
        reach = np.maximum(D, self._reach[I])  # (n, k)
        density: Floats = 1.0 / (reach.mean(axis=1) + LEAST_REACH)
        return density

    def _factor(self, lrd: Floats, I: Indices) -> Floats:
        factor: Floats = (self._lrd[I] / lrd[:, None]).mean(axis=1)
        return factor

    # ---- judge ---------------------------------------------------------------------------------

    @available_if(_for_training_rows)
    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> Indices:
        """1 for inliers, -1 for outliers among the rows fitted on, shape (n_rows,)."""
        self.fit(X)
        return np.where(self.negative_outlier_factor_ < self.offset_, -1, 1)

    @available_if(_for_new_rows("predict"))
    def predict(self, X: Any = None) -> Indices:
        """1 for inliers, -1 for outliers among new rows, shape (n_queries,); None asks for the rows fitted on, none of
        which then is its own neighbour."""
        scores = self.decision_function(X) if X is not None else self._own_scores() - self.offset_
        return np.where(scores < 0, -1, 1)

    def _own_scores(self) -> Floats:
        check_is_fitted(self)
        return self.negative_outlier_factor_

    @available_if(_for_new_rows("decision_function"))
    def decision_function(self, X: Any) -> Floats:
        """`score_samples` less `offset_`: negative for outliers, shape (n_queries,)."""
        scores: Floats = self.score_samples(X)
        return scores - self.offset_

    @available_if(_for_new_rows("score_samples"))
    def score_samples(self, X: Any) -> Floats:
        """-LOF of new rows among those fitted on, shape (n_queries,)."""
        if not hasattr(self, "n_neighbors_"):
            check_is_fitted(self)
        D, I = self._nearest(X, self.n_neighbors_)
        if len(D) == 1:
            out = np.empty(1)
            factors(D, I, self._reach, self._lrd, out)
            return out
        return -self._factor(self._density(D, I), I)

    # ---- show ----------------------------------------------------------------------------------

    def plot(self, ax: Any = None) -> Any:
        """How many rows have which factor, and from where on they are outliers; returns matplotlib Axes."""
        check_is_fitted(self)
        return plotting.outlier_scores(
            -self.negative_outlier_factor_, -self.offset_, xlabel="local outlier factor", ax=ax
        )

    def _facts(self) -> list[str]:
        factor: npt.NDArray[Any] = -self.negative_outlier_factor_
        outliers, most = int((factor > -self.offset_).sum()), np.argsort(-factor, kind="stable")[:5]
        lonely = ", ".join(f"{i} ({factor[i]:.3g})" for i in most)
        return [
            *super()._facts(),
            f"outliers  {outliers} rows with a factor above {-self.offset_:.4g}, by {self.n_neighbors_} neighbours",
            f"factors   median {np.median(factor):.4g}; the largest at the rows {lonely}",
        ]
