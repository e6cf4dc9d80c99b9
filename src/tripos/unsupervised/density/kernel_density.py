"""Kernel density estimation.

    p(x) = 1 / (n h^d) sum_i K(d(x, x_i) / h)

A small hill of width h about every row, added up (E. Parzen (1962), doi:10.1214/aoms/1177704472). The sums run over a
kd-tree (`kernels.py`); a query far from all rows keeps its logarithm, as sums are taken relative to the nearest row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos import plotting
from tripos.base import Estimator
from tripos.compute.arrays import kernel_array
from tripos.compute.random import RandomState, generator
from tripos.compute.threads import parallel
from tripos.data.needs import Needs
from tripos.geometry.distances import CODES as METRIC_CODES
from tripos.geometry.distances import Floats, find_metric
from tripos.geometry.foreign import ForeignMetric
from tripos.geometry.kd_tree import DEEPEST, KDTree
from tripos.state import Array, Number
from tripos.unsupervised.density import kernels

PIECE = 256  # queries per call of a kernel
FEW, SMALL = 4, 1 << 17  # queries, and values of X, up to which all rows are looked at
ROUNDING = 2.0**-52  # what a sum may be off in any case
FOREIGN = {
    "braycurtis",
    "canberra",
    "dice",
    "mahalanobis",
    "rogerstanimoto",
    "russellrao",
    "seuclidean",
    "sokalsneath",
}


class KernelDensity(Estimator):
    """Density of the rows by a kernel about each.

        p(x) = 1 / (n h^d) sum_i K(d(x, x_i) / h)

    Parameters
    ----------
    bandwidth : float or {"scott", "silverman"}, default=1.0
        h. Scott's rule is n^(-1/(d+4)), Silverman's (n (d+2) / 4)^(-1/(d+4)): for columns scaled to standard deviation one.
    algorithm : {"auto", "kd_tree", "ball_tree"}, default="auto"
        Every choice gives the same sums.
    kernel : {"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"}, default="gaussian"
        K.
    metric : str, default="euclidean"
        Only by the Euclidean distance the density integrates to one.
    atol, rtol : float, default=0
        Sums may be off by atol (as a density, before it is scaled by h) or by rtol relative, for speed.
    breadth_first : bool, default=True
        Accepted as in scikit-learn; boxes are always taken nearest first.
    leaf_size : int, default=40
        Rows of a tree's leaf, at most.
    metric_params : dict, optional
        Further arguments of the metric.

    Attributes
    ----------
    bandwidth_ : float
        h.
    tree_ : object
        The index over the rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    Notes
    -----
    A weight of k counts as k rows, in the rules for the bandwidth as well (scikit-learn counts rows there). The cosine
    kernel integrates to one in any dimension; scikit-learn 1.9 drops a term in even ones (1.01 too low in the
    logarithm for two columns, NaN for four).

    References
    ----------
    E. Parzen (1962). On estimation of a probability density function and mode. Annals of Mathematical Statistics 33.
    doi:10.1214/aoms/1177704472

    B. W. Silverman (1986). Density Estimation for Statistics and Data Analysis. Chapman and Hall.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import KernelDensity
    >>> model = KernelDensity(bandwidth=0.5).fit(np.array([[0.0], [1.0], [1.2]]))
    >>> model.score_samples(np.array([[1.1], [300.0]])).round(3)
    array([-6.2300000e-01, -1.7860484e+05])
    """

    needs: ClassVar[Needs] = Needs(scale="standard", sparse=False)
    exceptions: ClassVar[Mapping[str, str]] = {}
    state: ClassVar[Mapping[str, Any]] = {
        "_fit_X": Array("f", ("rows", "columns")),
        "_weight": Array("f", ("rows",), low=0.0),
        "bandwidth_": Number("f", low=0.0),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "bandwidth": [Interval(Real, 0, None, closed="neither"), StrOptions({"scott", "silverman"})],
        "algorithm": [StrOptions({"auto", "kd_tree", "ball_tree"})],
        "kernel": [StrOptions(set(kernels.CODES))],
        "metric": [StrOptions({*METRIC_CODES, *FOREIGN, "p", "infinity"} - {"cosine"})],
        "atol": [Interval(Real, 0, None, closed="left")],
        "rtol": [Interval(Real, 0, None, closed="left")],
        "breadth_first": ["boolean"],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "metric_params": [None, dict],
    }
    bandwidth_: float
    _fit_X: npt.NDArray[Any]
    _weight: Floats

    def __init__(
        self,
        *,
        bandwidth: float | str = 1.0,
        algorithm: str = "auto",
        kernel: str = "gaussian",
        metric: str = "euclidean",
        atol: float = 0,
        rtol: float = 0,
        breadth_first: bool = True,
        leaf_size: int = 40,
        metric_params: dict[str, Any] | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.algorithm = algorithm
        self.kernel = kernel
        self.metric = metric
        self.atol = atol
        self.rtol = rtol
        self.breadth_first = breadth_first
        self.leaf_size = leaf_size
        self.metric_params = metric_params

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The width of the hills."""
        return {"bandwidth": (0.01, 10.0, "log")}

    # ---- fit -----------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KernelDensity:
        """Remember the rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : ignored
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._start_fit(X, None, sample_weight)
        if not training.in_memory:
            raise TypeError("KernelDensity remembers every row: pass an array or a table instead of blocks")
        n, d = training.X.shape
        if self.metric == "haversine" and d != 2:
            raise ValueError(f"haversine takes 2 columns, latitude and longitude in radians; X has {d}")
        self._fit_X = training.X
        self._weight = np.ones(n) if training.sample_weight is None else training.sample_weight
        total = float(self._weight.sum())
        if self.bandwidth == "scott":
            self.bandwidth_ = total ** (-1.0 / (d + 4))
        elif self.bandwidth == "silverman":
            self.bandwidth_ = (total * (d + 2) / 4.0) ** (-1.0 / (d + 4))
        else:
            self.bandwidth_ = float(self.bandwidth)
        self._index_rows()
        return self

    def _index_rows(self) -> None:
        self._log_total = math.log(self._weight.sum())
        name = {"p": "minkowski", "infinity": "chebyshev"}.get(self.metric, self.metric)
        metric = find_metric(name, self.metric_params)
        if metric is None or not metric.prunes:
            if self.algorithm == "kd_tree":
                raise ValueError(f"invalid metric for kd_tree: {self.metric!r}; use algorithm='auto'")
            self._tree: Any = ForeignMetric(self._fit_X, name, self.metric_params)
            return
        tree = KDTree(self._fit_X, metric, self.leaf_size)
        self._tree = tree
        self._ordered = np.ascontiguousarray(self._weight[tree.order])
        before = np.concatenate([[0.0], np.cumsum(self._ordered)])
        self._heights = before[tree.spans[:, 1]] - before[tree.spans[:, 0]]
        self._heights[0] = self._weight.sum()

    @property
    def tree_(self) -> Any:
        """The index over the rows."""
        check_is_fitted(self)
        return self._tree

    def _check_state(self) -> None:
        super()._check_state()
        if self._fit_X.shape[1] != self._n_inputs():
            raise ValueError(
                f"_fit_X has {self._fit_X.shape[1]} columns, the model is for {self._n_inputs()}"
            )
        if not self._weight.sum() > 0:
            raise ValueError("_weight holds nothing but zeros")

    def _after_load(self) -> None:
        super()._after_load()
        self._index_rows()

    # ---- density -------------------------------------------------------------------------------

    def score_samples(self, X: Any) -> Floats:
        """Logarithm of the density at each row; -inf where no kernel reaches. Shape (n_queries,).

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or table
        """
        X = self._input(X)
        few = len(X) <= FEW and isinstance(self._tree, KDTree) and self._tree.columns.size <= SMALL
        if not few and not math.isfinite(np.add.reduce(X, axis=None)):
            self._reject_nonfinite(X)
        Q = kernel_array(X, np.float64)
        code, sums = kernels.CODES[self.kernel], np.empty(len(Q))
        if few:
            tree, metric, h = self._tree, self._tree.metric, self.bandwidth_
            kernels.densities_of_few(tree.columns, self._ordered, code, metric.code, metric.p, h, Q, sums)
            if not math.isfinite(sums.sum()):
                self._reject_nonfinite(X)  # places that no kernel reaches are no error
        else:
            with np.errstate(divide="ignore"):
                (self._by_tree if isinstance(self._tree, KDTree) else self._by_distances)(Q, code, sums)
        sums += kernels.log_norm(code, X.shape[1], self.bandwidth_) - self._log_total
        return sums

    def _by_tree(self, Q: Floats, code: int, sums: Floats) -> None:
        tree, h = self._tree, self.bandwidth_
        endless = self.kernel in ("gaussian", "exponential")
        nearest = tree.nearest(Q, 1)[0][:, 0] if endless else np.zeros(len(Q))
        d = self._fit_X.shape[1]
        # scikit-learn's atol is one of the density: brought to the plain sum of kernels
        atol = self.atol * self._heights[0] * math.exp(-kernels.log_norm(code, d, h)) if self.atol else 0.0
        rtol = max(float(self.rtol), ROUNDING)

        def work(start: int) -> None:
            nodes = np.empty(DEEPEST, np.int64)
            arguments: Any = (
                *(tree.columns, tree.spans, tree.boxes, self._ordered, self._heights),
                *(code, tree.metric.code, tree.metric.p, h, atol, rtol, Q, start, min(start + PIECE, len(Q))),
                *(nearest, nodes, sums),
            )
            kernels.densities(*arguments)

        parallel(work, range(0, len(Q), PIECE))

    def _by_distances(self, Q: Floats, code: int, sums: Floats) -> None:
        for start, D in self._tree._blocks(Q):
            kernels.densities_of_distances(
                D, self._weight, code, self.bandwidth_, sums[start : start + len(D)]
            )

    def score(self, X: Any, y: Any = None) -> float:
        """Sum of `score_samples`: the log-likelihood of the rows together."""
        return float(np.sum(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: RandomState = None) -> Floats:
        """New rows drawn from the density, shape (n_samples, n_features); for every kernel.

        A row is drawn by its weight, a direction from the sphere, and a distance from the kernel's own distribution.
        """
        check_is_fitted(self)
        if getattr(self._tree, "metric", None) is None or self.metric not in ("euclidean", "l2", "minkowski"):
            raise NotImplementedError(
                f"rows are drawn by the Euclidean distance only, not by {self.metric!r}"
            )
        rng, d = generator(random_state), self._fit_X.shape[1]
        chosen = self._fit_X[rng.choice(len(self._fit_X), n_samples, p=self._weight / self._weight.sum())]
        direction = rng.normal(size=(n_samples, d))
        if self.kernel == "gaussian":
            return np.asarray(chosen + self.bandwidth_ * direction, dtype=np.float64)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = _radii(self.kernel, d, n_samples, rng)
        return np.asarray(chosen + self.bandwidth_ * radius[:, None] * direction, dtype=np.float64)

    # ---- show ----------------------------------------------------------------------------------

    def plot(self, ax: Any = None) -> Any:
        """The density along the column that spreads most, by the same kernel; returns matplotlib Axes."""
        check_is_fitted(self)
        column = int(np.argmax(self._fit_X.std(axis=0)))
        rows = self._fit_X[:, [column]].astype(np.float64)
        pad = 2.0 * self.bandwidth_
        x = np.linspace(rows.min() - pad, rows.max() + pad, 300)[:, None]
        alone = KernelDensity(bandwidth=self.bandwidth_, kernel=self.kernel)
        p = np.exp(alone.fit(rows, sample_weight=self._weight).score_samples(x))
        name = str(self.encoded_feature_names_[column])
        return plotting.density_profile(x[:, 0], p, rows[:, 0], name=name, ax=ax)

    def summary(self) -> str:
        """The width of the hills beside the spread of the columns: far narrower shows single rows, far wider nothing."""
        check_is_fitted(self)
        spread = self._fit_X.std(axis=0)
        order = np.argsort(-spread, kind="stable")[:10]
        names = self.encoded_feature_names_
        lines = [
            f"KernelDensity: {len(self._fit_X)} rows, {len(spread)} columns, kernel {self.kernel}, "
            f"bandwidth {self.bandwidth_:.4g}",
            *(f"  {names[j]}: standard deviation {spread[j]:.4g}" for j in order),
        ]
        if spread.max() > 0 and not 1e-3 < self.bandwidth_ / spread.max() < 10:
            lines.append(
                "  the bandwidth is far from the spread of the columns: scale them, or choose it by likelihood"
            )
        return "\n".join(lines)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags


def _radii(kernel: str, d: int, n: int, rng: np.random.Generator) -> Floats:
    """Distances from the middle: density r^(d-1) K(r)."""
    if kernel == "tophat":
        return rng.uniform(size=n) ** (1.0 / d)
    if kernel == "epanechnikov":
        return np.sqrt(rng.beta(0.5 * d, 2.0, size=n))
    if kernel == "exponential":
        return rng.gamma(d, size=n)
    if kernel == "linear":
        return rng.beta(d, 2.0, size=n)
    radius = np.empty(
        n
    )  # cosine: cos(pi r / 2) <= pi / 2 (1 - r), so at least 2/pi of the linear kernel's are kept
    waiting = np.arange(n)
    while len(waiting):
        r = rng.beta(d, 2.0, size=len(waiting))
        keep = rng.uniform(size=len(waiting)) * kernels.HALF_PI * (1.0 - r) <= np.cos(kernels.HALF_PI * r)
        radius[waiting[keep]] = r[keep]
        waiting = waiting[~keep]
    return radius
