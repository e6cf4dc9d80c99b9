"""The nearest centroid, and centroids shrunken towards the middle of all rows.

    predict  argmin_k d(x, mu_k)                                  mu_k the mean (or, for Manhattan, the median) of class k
    score    delta_k(x) = -d(x / s, mu_k / s)^2 + 2 log pi_k       s_j the standard deviation of feature j within classes

A threshold Delta moves each centroid towards the mean of all rows by soft thresholding, and features whose centroids all
arrive there no longer tell classes apart:

    d_kj = (mu_kj - mu_j) / (m_k (s_j + s_0)),   d'_kj = sign(d_kj) max(|d_kj| - Delta, 0),   m_k^2 = 1/n_k - 1/n

with s_0 the median of the s_j (R. Tibshirani, T. Hastie, B. Narasimhan, G. Chu (2002), doi:10.1073/pnas.082099299).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tripos import plotting
from tripos.base import Classifier, Training
from tripos.compute.arrays import kernel_csr
from tripos.compute.executor import reduce_blocks
from tripos.data.needs import Needs
from tripos.geometry import make_index
from tripos.geometry.distances import NOBODY, Floats, Indices
from tripos.state import Array
from tripos.supervised.bayes.gaussian import gaussian_joint, stored_gaussian_joint
from tripos.supervised.bayes.moments import Moments, block_moments


def _is_euclidean(model: NearestCentroid) -> bool:
    if model.metric == "euclidean":
        return True
    raise AttributeError(
        "scores and probabilities need metric='euclidean': only there is the score a likelihood"
    )


class NearestCentroid(Classifier):
    """Classification by the nearest class centroid, with shrinkage that selects features.

        predict = argmin_k d(x, mu_k),    delta_k(x) = -sum_j (x_j - mu_kj)^2 / s_j^2 + 2 log pi_k

    With equal priors the nearest centroid decides; with others the largest score delta_k.

    Parameters
    ----------
    metric : {"euclidean", "manhattan"}, default="euclidean"
        Centroids are means, or medians for Manhattan, which minimise the sum of these distances.
    shrink_threshold : float, optional
        Delta, in standard errors: centroids move this far towards the mean of all rows.
    priors : {"uniform", "empirical"} or array-like of shape (n_classes,), default="uniform"
        Class probabilities pi_k.

    Attributes
    ----------
    centroids_ : ndarray of shape (n_classes, n_features)
        mu_k, shrunken if asked for.
    classes_ : ndarray of shape (n_classes,)
    class_prior_ : ndarray of shape (n_classes,)
    deviations_ : ndarray of shape (n_classes, n_features)
        d_kj, or d'_kj where centroids were shrunken; zero where a feature does not vary inside the classes and neither
        does half of the others.
    within_class_std_dev_ : ndarray of shape (n_features,)
        s_j.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    Notes
    -----
    CSR input is never densified, shrinkage included; with the Euclidean metric rows may come in blocks larger than memory.

    References
    ----------
    R. Tibshirani, T. Hastie, B. Narasimhan & G. Chu (2002). Diagnosis of multiple cancer types by shrunken centroids of
    gene expression. PNAS 99. doi:10.1073/pnas.082099299

    T. Hastie, R. Tibshirani & J. Friedman (2009). The Elements of Statistical Learning, 2nd ed., section 18.2.

    See Also
    --------
    KNeighborsClassifier : asks single rows instead of the middle of a class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import NearestCentroid
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NearestCentroid(shrink_threshold=2.0).fit(X, y)
    >>> model.centroids_.shape, round(float(model.score(X, y)), 3)
    ((3, 4), 0.927)
    """

    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[Mapping[str, Any]] = {
        "centroids_": Array("f", ("classes", "columns")),
        "class_prior_": Array("f", ("classes",), low=0.0, high=1.0 + 1e-9),
        "deviations_": Array("f", ("classes", "columns")),
        "within_class_std_dev_": Array("f", ("columns",), low=0.0),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [StrOptions({"manhattan", "euclidean"})],
        "shrink_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "priors": ["array-like", StrOptions({"empirical", "uniform"})],
    }
    centroids_: Floats
    class_prior_: Floats
    deviations_: Floats
    within_class_std_dev_: Floats

    def __init__(
        self, metric: str = "euclidean", *, shrink_threshold: float | None = None, priors: Any = "uniform"
    ) -> None:
        self.metric = metric
        self.shrink_threshold = shrink_threshold
        self.priors = priors

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How far centroids are shrunken, and whether frequent classes are preferred."""
        return {"shrink_threshold": (0.01, 10.0, "log"), "priors": ["uniform", "empirical"]}

    # ---- fit -----------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> NearestCentroid:
        """Find the centroids.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"The number of classes has to be greater than one; got {n_classes} class")
        moments: Moments = reduce_blocks(
            partial(block_moments, n_classes=n_classes), lambda a, b: a.merge(b), training.blocks
        )
        if not moments.finite:
            raise ValueError("X holds numbers so large that their squares overflow: rescale it")
        n_k = moments.weight
        n = float(n_k.sum())
        centre = n_k @ moments.mean / n
        if not moments.total_variance().any():
            raise ValueError(
                "All features have zero variance. Division by zero: there is nothing to tell classes by"
            )
        self.class_prior_ = self._priors(n_k / n)
        centroids, squares = moments.mean, moments.squares.sum(axis=0)
        if self.metric == "manhattan":
            centroids = self._medians(training, n_classes)
            squares = squares + n_k @ (centroids - moments.mean) ** 2  # about the medians
        self.within_class_std_dev_ = (
            np.sqrt(squares / (n - n_classes)) if n > n_classes else np.zeros(len(centre))
        )
        self._shrink(centroids, centre, np.sqrt(1.0 / n_k - 1.0 / n))
        self._prepare()
        return self

    def _priors(self, shares: Floats) -> Floats:
        if isinstance(self.priors, str):
            return shares if self.priors == "empirical" else np.full(len(shares), 1.0 / len(shares))
        given = np.asarray(self.priors, dtype=np.float64)
        if given.shape != shares.shape:
            raise ValueError(
                f"priors has shape {given.shape}, expected one number for each of {len(shares)} classes"
            )
        if not (given >= 0).all():
            raise ValueError(f"priors must be non-negative, got {given.tolist()}")
        if not np.isclose(given.sum(), 1.0):
            warnings.warn(
                f"The priors do not sum to 1. Normalizing such that it sums to one; the sum was {given.sum():g}.",
                stacklevel=3,
            )
            given = given / given.sum()
        return given

    def _medians(self, training: Training, n_classes: int) -> Floats:
        if not training.in_memory:
            raise TypeError(
                "metric='manhattan' needs all rows of a class for its median: pass an array or a table"
            )
        X, w = training.X, training.sample_weight
        medians = np.empty((n_classes, training.n_features))
        for k in range(n_classes):
            rows = np.flatnonzero(training.y == k)
            weight = None if w is None else w[rows]
            medians[k] = _stored_medians(X[rows], weight) if sp.issparse(X) else _medians(X[rows], weight)
        return medians

    def _shrink(self, centroids: Floats, centre: Floats, m: Floats) -> None:
        """Deviations in standard errors, soft-thresholded, and the centroids that they give back."""
        s = self.within_class_std_dev_
        error = m[:, None] * (s + np.median(s))  # (n_classes, n_features)
        known = error > 0
        d = np.divide(centroids - centre, error, out=np.zeros_like(centroids), where=known)
        if self.shrink_threshold:
            d = np.sign(d) * np.maximum(np.abs(d) - self.shrink_threshold, 0.0)
            centroids = np.where(known, centre + error * d, centroids)
        self.centroids_, self.deviations_ = np.ascontiguousarray(centroids), d

    def _prepare(self) -> None:
        """What predictions need of the parameters."""
        self._index = make_index(self.centroids_, self.metric, algorithm="brute")
        self._equal = bool(np.allclose(self.class_prior_, 1.0 / len(self.class_prior_)))
        s = np.where(self.within_class_std_dev_ > 0, self.within_class_std_dev_, 1.0)
        self._scale = s
        self._precision = np.broadcast_to(1.0 / s**2, self.centroids_.shape).copy()
        with np.errstate(divide="ignore"):
            self._constant = 2.0 * np.log(self.class_prior_)

    def _check_state(self) -> None:
        super()._check_state()
        if self.centroids_.shape[1] != self._n_inputs():
            raise ValueError(
                f"centroids_ has {self.centroids_.shape[1]} columns, the model is for {self._n_inputs()}"
            )

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    # ---- predict -------------------------------------------------------------------------------

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of the nearest centroid (with unequal priors: of the largest score); of equals the first.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        X = self._input(X)
        if not self._equal:
            return self._labels(self._scores(X).argmax(axis=1))
        codes: Indices = self._nearest(X, self.centroids_, 1)[1][:, 0]
        return self._labels(codes)

    def _nearest(self, X: Any, centroids: Floats, k: int) -> tuple[Floats, Indices]:
        index: Any = self._index
        if sp.issparse(X) or centroids is not self.centroids_:
            index = make_index(
                sp.csr_array(centroids) if sp.issparse(X) else centroids, self.metric, algorithm="brute"
            )
        D, I = index.nearest(X, k)
        if (
            np.maximum.reduce(I[:, -1], initial=-1) == NOBODY
            or np.maximum.reduce(D[:, -1], initial=0.0) == np.inf
        ):
            self._reject_nonfinite(X)
            raise ValueError("X holds numbers so large that distances overflow: rescale it")
        return D, I

    def _scores(self, X: Any) -> Floats:
        """delta_k(x), shape (n_rows, n_classes)."""
        scores = np.empty((X.shape[0], len(self.classes_)))
        if self.metric == "manhattan":
            scaled = X.multiply(1.0 / self._scale).tocsr() if sp.issparse(X) else X / self._scale
            D, I = self._nearest(scaled, self.centroids_ / self._scale, len(self.classes_))
            np.put_along_axis(scores, I, -(D**2), axis=1)
            return scores + self._constant
        if sp.issparse(X):
            at_zero = self._constant - (self._precision * self.centroids_**2).sum(axis=1)
            theta, precision = (np.ascontiguousarray(a.T) for a in (self.centroids_, self._precision))
            stored_gaussian_joint(*kernel_csr(X), theta, precision, at_zero, scores)
        else:
            gaussian_joint(X, self.centroids_, self._precision, self._constant, scores)
        if not np.isfinite(np.maximum.reduce(scores, axis=1)).all():
            self._reject_nonfinite(X)
            raise ValueError("X holds numbers so large that distances overflow: rescale it")
        return scores

    @available_if(_is_euclidean)
    def decision_function(self, X: Any) -> Floats:
        """delta_k(x), shape (n_rows, n_classes); for two classes the second's less the first's, shape (n_rows,)."""
        scores = self._scores(self._input(X))
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    @available_if(_is_euclidean)
    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`, shape (n_rows, n_classes)."""
        scores = self._scores(self._input(X))
        scores -= scores.max(axis=1, keepdims=True)
        log_p: Floats = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return log_p

    @available_if(_is_euclidean)
    def predict_proba(self, X: Any) -> Floats:
        """exp(delta_k) over their sum, shape (n_rows, n_classes), as scikit-learn has it."""
        probabilities: Floats = np.exp(self.predict_log_proba(X))
        return probabilities

    # ---- show ----------------------------------------------------------------------------------

    def plot(self, ax: Any = None) -> Any:
        """Where each class's centroid lies, in standard errors from the mean of all rows, for the features that differ
        most; returns matplotlib Axes."""
        check_is_fitted(self)
        return plotting.centroid_deviations(
            self.deviations_, labels=self.classes_, names=self.encoded_feature_names_, ax=ax
        )

    def summary(self, top: int = 10) -> str:
        """The features whose centroids deviate most, and how many features are left after shrinking."""
        check_is_fitted(self)
        names, size = self.encoded_feature_names_, np.abs(self.deviations_).max(axis=0)
        order = np.argsort(-size, kind="stable")[:top]
        left = int((size > 0).sum())
        lines = [
            f"NearestCentroid: {len(self.classes_)} classes, {len(names)} features, {left} of which tell them apart",
            "deviation of the centroids from the mean of all rows, in standard errors:",
        ]
        shown = self.classes_[:6]
        width = max(len(str(names[j])) for j in order)
        lines.append(" " * width + "".join(f"{label!s:>14.13}" for label in shown))
        for j in order:
            cells = "".join(f"{value:>14.3g}" for value in self.deviations_[: len(shown), j])
            lines.append(f"{names[j]!s:<{width}}{cells}")
        return "\n".join(lines)


def weighted_median(values: Floats, weights: Floats) -> float:
    """The median of values repeated as often as their weights say."""
    order = np.argsort(values, kind="stable")
    values, total = values[order], np.cumsum(weights[order])
    half = 0.5 * total[-1]
    low = int(np.searchsorted(total, half, side="left"))
    high = min(int(np.searchsorted(total, half, side="right")), len(values) - 1)
    return 0.5 * (float(values[low]) + float(values[high]))


def _medians(X: npt.NDArray[Any], w: Floats | None) -> Floats:
    X = X.astype(np.float64, copy=False)
    if w is None:
        medians: Floats = np.median(X, axis=0)
        return medians
    return np.array([weighted_median(column, w) for column in X.T])


def _stored_medians(X: Any, w: Floats | None) -> Floats:
    """The same over CSR rows: all cells that are not stored are one zero with their weight."""
    columns, weight = X.tocsc(), np.ones(X.shape[0]) if w is None else w
    medians = np.zeros(X.shape[1])
    for j in np.flatnonzero(np.diff(columns.indptr)):
        part = slice(columns.indptr[j], columns.indptr[j + 1])
        stored = weight[columns.indices[part]]
        rest = weight.sum() - stored.sum() if len(stored) < len(weight) else 0.0
        if stored.sum() < rest:
            continue  # most are zero
        values = np.append(columns.data[part].astype(np.float64), 0.0) if rest else columns.data[part]
        medians[j] = weighted_median(values, np.append(stored, rest) if rest else stored)
    return medians
