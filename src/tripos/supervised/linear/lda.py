"""Linear discriminant analysis."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from tripos.base import Training
from tripos.compute.executor import map_tasks
from tripos.compute.threads import blas_threads
from tripos.optimization.quadratic import spectrum
from tripos.state import Array, Number
from tripos.supervised.linear.class_moments import ClassMoments
from tripos.supervised.linear.discriminant import Discriminant, best_class, best_with_intercept, shrunk
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.normal import RESOLUTION, factorised
from tripos.supervised.linear.probabilities import probabilities

BLOCK_ROWS = 1 << 11  # scored at a time when classes are predicted
TASK_ROWS = 1 << 15


class LinearDiscriminantAnalysis(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, LinearModel, Discriminant
):
    """Linear discriminant analysis: classes are normal with one covariance, so that boundaries are planes.

        x | k ~ N(mu_k, Sigma),        log P(k | x) = x' Sigma^-1 mu_k - mu_k' Sigma^-1 mu_k / 2 + log P(k) + constant

    Fitting is one pass that sums up each class's mean and the scatter about it; scikit-learn takes singular
    values of all rows. `transform` projects on the directions in which the class means lie farthest apart
    compared with the spread inside the classes (Fisher's).

    Parameters
    ----------
    solver : {"svd", "lsqr", "eigen"}, default="svd"
        "svd" leaves out directions without variance inside the classes; "lsqr" and "eigen" take `shrinkage` or
        a `covariance_estimator`. "lsqr" does not transform.
    shrinkage : "auto" or float, optional
        Share of the identity mixed into each class's covariance; "auto" by Ledoit and Wolf.
    priors : array-like of shape (n_classes,), optional
        P(k); the classes' shares of the rows by default.
    n_components : int, optional
        Directions that `transform` gives; all of them by default, one less than classes.
    store_covariance : bool, default=False
        Whether to keep `covariance_` with solver "svd".
    tol : float, default=1e-4
        With solver "svd": singular values of the standardised rows inside the classes, per row, at or below which
        a direction has no variance. Below 3e-7, rounding decides.
    covariance_estimator : estimator, optional
        Fitted to each class; its `covariance_` is taken.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    means_ : ndarray of shape (n_classes, n_features)
    priors_ : ndarray of shape (n_classes,)
    covariance_ : ndarray of shape (n_features, n_features)
        Mean of the classes' covariances, weighted by `priors_`.
    scalings_ : ndarray of shape (n_features, rank)
        The directions, as columns (not with solver "lsqr").
    rank_ : int
        How many there are; 0 with solver "lsqr".
    xbar_ : ndarray of shape (n_features,)
        Mean of the class means (solver "svd").
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Share of the variance between classes along each direction.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    class_weight_, class_rows_, class_scatter_
        Weight, rows and scatter of the classes: what `partial_fit` and `merge` continue.

    References
    ----------
    R. Fisher (1936), doi:10.1111/j.1469-1809.1936.tb02137.x.
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.3.
    O. Ledoit, M. Wolf (2004), doi:10.1016/S0047-259X(03)00096-4.

    See Also
    --------
    QuadraticDiscriminantAnalysis : each class has a covariance of its own.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import LinearDiscriminantAnalysis
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearDiscriminantAnalysis().fit(X, y)
    >>> float(model.score(X, y)), model.explained_variance_ratio_.round(4)
    (0.98, array([0.9912, 0.0088]))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "solver": [StrOptions({"svd", "lsqr", "eigen"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "priors": ["array-like", None],
        "store_covariance": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "covariance_estimator": [HasMethods("fit"), None],
    }
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("outputs", "features")),
        "intercept_": Array("f", ("outputs",)),
        "rank_": Number("i", low=0, binds="directions"),
        "scalings_": Array("f", ("features", "directions"), optional=True),
        "xbar_": Array("f", ("features",), optional=True),
        "covariance_": Array("f", ("features", "features"), optional=True),
        "explained_variance_ratio_": Array("f", (None,), finite=False, optional=True),
    }

    scalings_: np.ndarray
    xbar_: np.ndarray

    def __init__(
        self,
        solver: str = "svd",
        shrinkage: Any = None,
        priors: Any = None,
        n_components: int | None = None,
        store_covariance: bool = False,
        tol: float = 1e-4,
        covariance_estimator: Any = None,
    ) -> None:
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.n_components = n_components
        self.store_covariance = store_covariance
        self.tol = tol
        self.covariance_estimator = covariance_estimator

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"tol": [1e-4, 1e-2]}

    # ---- fitting -----------------------------------------------------------------------------------

    def _pooled(self) -> bool:
        if self.solver == "svd":
            return self.priors is None or not self.store_covariance
        return self.priors is None and self.shrinkage != "auto" and self.covariance_estimator is None

    def _dtype(self) -> Any:
        return self.coef_.dtype

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.solver == "svd" and self.shrinkage is not None:
            raise NotImplementedError("shrinkage not supported with 'svd' solver: use 'lsqr' or 'eigen'.")
        if self.solver == "svd" and self.covariance_estimator is not None:
            raise ValueError("covariance estimator is not supported with svd solver. Try another solver")

    def _solve(self, moments: ClassMoments, training: Training | None, dtype: Any) -> None:
        for name in ("scalings_", "xbar_", "covariance_", "explained_variance_ratio_"):
            self.__dict__.pop(name, None)
        priors = self._set_priors(moments)
        if training is not None and moments.rows.sum() <= len(priors):
            raise ValueError("The number of samples must be more than the number of classes.")
        self._check_components(len(priors), moments.mean.shape[1])
        if self.solver == "svd":
            W, b = self._solve_svd(moments, priors)
        else:
            W, b = self._solve_covariance(moments, training, priors)
        self.priors_, self.rank_ = priors, self.scalings_.shape[1] if "scalings_" in self.__dict__ else 0
        if len(W) == 2:
            W, b = W[1:] - W[:1], b[1:] - b[:1]
        self.coef_, self.intercept_ = np.ascontiguousarray(W, dtype=dtype), b.astype(dtype)
        for name in ("scalings_", "xbar_", "covariance_", "explained_variance_ratio_"):
            if name in self.__dict__:
                setattr(self, name, getattr(self, name).astype(dtype))

    def _check_components(self, n_classes: int, n_features: int) -> None:
        most = min(n_classes - 1, n_features)
        if self.n_components is not None and self.n_components > most:
            raise ValueError(
                f"n_components cannot be larger than min(n_features, n_classes - 1) = {most}, "
                f"got {self.n_components}"
            )

    @property
    def _n_directions(self) -> int:
        most = min(len(self.classes_) - 1, self.means_.shape[1])
        return most if self.n_components is None else self.n_components

    @property
    def _n_features_out(self) -> int:
        return self._n_directions

    def _solve_svd(self, moments: ClassMoments, priors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W of shape (n_classes, n_features) and b, by the spectrum of the correlations inside the classes."""
        n, within, means = moments.weight.sum(), moments.within, moments.mean
        if self.store_covariance:
            self.covariance_ = self._mean_covariance(moments, None, priors)
        self.xbar_ = priors @ means
        std = np.sqrt(np.maximum(np.diag(within), 0.0) / n)
        std[std <= 16 * np.finfo(float).eps * np.abs(means).max(axis=0)] = 0.0  # rounding of a constant
        scale = np.where(std > 0.0, std, 1.0)
        values, V = spectrum(within / n / scale / scale[:, None])
        values, V = values[::-1], V[:, ::-1]
        shown = np.sqrt(np.maximum(values, 0.0)) > max(self.tol, RESOLUTION)
        if not shown.all():
            self._say_dropped(moments, within, int(shown.sum()))
        inner = (V[:, shown] / scale[:, None]) / np.sqrt(values[shown])  # whitens the rows inside the classes
        between = np.sqrt(n * priors / max(len(priors) - 1, 1))[:, None] * (means - self.xbar_) @ inner
        _, S, Vt = np.linalg.svd(between, full_matrices=False)
        with np.errstate(invalid="ignore"):
            self.explained_variance_ratio_ = (S**2 / np.sum(S**2))[: self._n_directions]
        rank = int(np.sum(S > self.tol * S[:1])) if len(S) else 0
        self.scalings_ = np.ascontiguousarray(inner @ Vt.T[:, :rank])
        centres = (means - self.xbar_) @ self.scalings_
        W = centres @ self.scalings_.T
        b = -0.5 * np.sum(centres**2, axis=1) + np.log(priors) - W @ self.xbar_
        return W, b

    def _say_dropped(self, moments: ClassMoments, within: np.ndarray, rank: int) -> None:
        rows, d = int(moments.rows.sum()), len(within)
        advice = (
            "Directions without variance inside the classes were left out: drop columns, or use solver='eigen' with "
            "shrinkage."
        )
        if rows - len(moments.rows) < d:
            advice = (
                f"{rows} rows in {len(moments.rows)} classes determine at most {rank} of {d} directions. "
                + advice
            )
        self._warn_collinear(within, advice)

    def _mean_covariance(
        self, moments: ClassMoments, training: Training | None, priors: np.ndarray
    ) -> np.ndarray:
        """sum_k P(k) Sigma_k, each shrunk."""
        if self._pooled():
            found = moments.within / moments.weight.sum()
            return found if not self.shrinkage else shrunk(found, float(self.shrinkage))
        return np.asarray(sum(p * C for p, C in zip(priors, self._covariances(moments, training))))

    def _solve_covariance(
        self, moments: ClassMoments, training: Training | None, priors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        means = moments.mean
        Sw = self.covariance_ = self._mean_covariance(moments, training, priors)
        if self.solver == "lsqr":
            W = scipy.linalg.lstsq(Sw, means.T, check_finite=False)[0].T
        else:
            evecs = self._directions(moments, training, Sw)
            W = (means @ evecs) @ evecs.T
        return W, -0.5 * np.einsum("kj,kj->k", means, W) + np.log(priors)

    def _directions(self, moments: ClassMoments, training: Training | None, Sw: np.ndarray) -> np.ndarray:
        n, centre = moments.weight.sum(), moments.weight @ moments.mean / moments.weight.sum()
        spread = moments.mean - centre
        total = moments.within + (spread * moments.weight[:, None]).T @ spread
        whole = ClassMoments(np.array([n]), moments.rows.sum(keepdims=True), centre[None], total[None])
        Sb = self._covariances(whole, training)[0] - Sw
        if factorised(Sw) is None:
            raise scipy.linalg.LinAlgError(
                "the covariance inside the classes is singular, so solver='eigen' has no answer: columns are "
                f"collinear ({self._collinear(moments.within)}). Use solver='svd', or shrinkage"
            )
        evals, evecs = scipy.linalg.eigh(Sb, Sw, check_finite=False)
        order = np.argsort(evals)[::-1]
        self.explained_variance_ratio_ = np.sort(evals / evals.sum())[::-1][: self._n_directions]
        self.scalings_ = np.ascontiguousarray(evecs[:, order])
        return self.scalings_

    # ---- predicting --------------------------------------------------------------------------------

    def _score_coefficients(self) -> tuple[Any, Any]:
        if len(self.intercept_) == 1:
            return self.coef_[0], self.intercept_
        return self.coef_.T, self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: log odds of the second class, shape (n_rows,), or one score per class, shape (n_rows,
        n_classes)."""
        return self._scores(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        if type(X) is np.ndarray and X.ndim == 2 and len(X) > BLOCK_ROWS:
            X = self._input(X)
            if len(self.intercept_) > 1 and type(X) is np.ndarray and X.dtype == self.coef_.dtype:
                return self._labels(self._best_classes(X))
        scores = self._scores(X)
        if scores.ndim == 1:
            return self._labels((scores > 0).astype(np.intp))
        codes = np.empty(len(scores), np.int64)
        best_class(np.ascontiguousarray(scores), codes)
        return self._labels(codes)

    def _best_classes(self, X: np.ndarray) -> np.ndarray:
        """Positions in `classes_` of many rows, block by block: the scores stay in the cache."""
        codes = np.empty(len(X), np.int64)
        W = np.ascontiguousarray(self.coef_.T)
        b = self.intercept_.astype(X.dtype, copy=False)

        def fill(start: int) -> bool:
            sound = True
            room = np.empty((BLOCK_ROWS, len(b)), X.dtype)
            for at in range(start, min(start + TASK_ROWS, len(X)), BLOCK_ROWS):
                rows = X[at : at + BLOCK_ROWS]
                scores = np.matmul(rows, W, out=room[: len(rows)])
                sound &= bool(best_with_intercept(scores, b, codes[at : at + len(rows)]))
            return sound

        with blas_threads(1):
            if not all(map_tasks(fill, range(0, len(X), TASK_ROWS))):
                self._reject_nonfinite(X)
        return codes

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return probabilities(np.ascontiguousarray(self._scores(X)), log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probabilities, computed from the scores: finite even where a probability is 0."""
        return probabilities(np.ascontiguousarray(self._scores(X)), log_scale=True)

    def transform(self, X: Any) -> np.ndarray:
        """Project on the directions that separate the classes best.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows, n_components)
        """
        if self.solver == "lsqr":
            raise NotImplementedError("transform not implemented for 'lsqr' solver (use 'svd' or 'eigen').")
        X = self._input(X)
        A = self.scalings_[:, : self._n_directions]
        Z = np.asarray(X @ A)
        if self.solver == "svd":
            Z = Z - (self.xbar_ @ A).astype(Z.dtype)
        if not np.isfinite(np.vdot(Z, Z)):
            self._reject_nonfinite(X)
        return Z

    # ---- looking at it -----------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _facts(self) -> dict[str, str]:
        shown = [f"{label} {p:.1%}" for label, p in zip(self.classes_[:10], self.priors_)]
        facts = {
            "classes and priors": ", ".join(shown) + (", ..." if len(self.classes_) > 10 else ""),
            "rows": f"{self.class_rows_.sum():,}",
            "solver": self.solver,
        }
        ratio = getattr(self, "explained_variance_ratio_", None)
        if ratio is not None and len(ratio):
            facts["variance between classes"] = ", ".join(f"{r:.1%}" for r in ratio[:5])
        return facts

    def _check_state(self) -> None:
        super()._check_state()
        n = len(self.classes_)
        if n < 2 or len(self.coef_) != (1 if n == 2 else n):
            raise ValueError(f"coef_ has {len(self.coef_)} rows for {n} classes")
