"""Quadratic discriminant analysis."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from tripos.base import Training
from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, row_blocks
from tripos.compute.executor import map_tasks
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.optimization.quadratic import spectrum
from tripos.state import Array, ListOf
from tripos.supervised.linear.class_moments import ClassMoments, dense_rows
from tripos.supervised.linear.discriminant import Discriminant, best_class
from tripos.supervised.linear.probabilities import probabilities

PIECE_BYTES = 1 << 18  # of the rotated rows of one class, which stay in the cache
FEW_ROWS = 64  # predicted at once, without threads


@kernel("F[:, ::1], f8[::1], f8, F[:, ::1], i8")
def class_scores(Z, centre, constant, scores, k):  # type: ignore[no-untyped-def]
    """scores_ik = constant - |z_i - centre|^2 / 2, of rotated and scaled rows z."""
    for i in range(Z.shape[0]):
        length = 0.0
        for j in range(Z.shape[1]):
            v = Z[i, j] - centre[j]
            length += v * v
        scores[i, k] = constant - 0.5 * length


class QuadraticDiscriminantAnalysis(Discriminant):
    """Quadratic discriminant analysis: each class is normal with a covariance of its own.

        x | k ~ N(mu_k, Sigma_k),   Sigma_k = R_k diag(lambda_k) R_k',
        log P(k | x) = log P(k) - sum log lambda_k / 2 - |diag(lambda_k)^-1/2 R_k'(x - mu_k)|^2 / 2 + constant

    Fitting is one pass that sums up each class's mean and scatter, which merge; scikit-learn takes singular values
    of each class's rows. A prediction is one matrix product per class, piece by piece of the rows.

    Parameters
    ----------
    solver : {"svd", "eigen"}, default="svd"
        "svd" takes `reg_param`; "eigen" takes `shrinkage` or a `covariance_estimator`.
    shrinkage : "auto" or float, optional
        Share of the identity mixed into each class's covariance; "auto" by Ledoit and Wolf.
    priors : array-like of shape (n_classes,), optional
        P(k); the classes' shares of the rows by default.
    reg_param : float, default=0.0
        With solver "svd": lambda becomes (1 - reg_param) lambda + reg_param.
    store_covariance : bool, default=False
        Whether to keep `covariance_`.
    tol : float, default=1e-4
        Where columns are collinear inside a class, variances along its axes are raised to this, or to this share of
        their mean where that is less, with a warning. scikit-learn refuses such data.
    covariance_estimator : estimator, optional
        Fitted to each class; its `covariance_` is taken.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    means_ : ndarray of shape (n_classes, n_features)
    priors_ : ndarray of shape (n_classes,)
    rotations_ : list of ndarray of shape (n_features, n_features)
        R_k: the principal axes of each class, as columns.
    scalings_ : list of ndarray of shape (n_features,)
        lambda_k: the variances along them, largest first.
    covariance_ : list of ndarray of shape (n_features, n_features)
        With `store_covariance`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    class_weight_, class_rows_, class_scatter_
        Weight, rows and scatter of the classes: what `partial_fit` and `merge` continue.

    References
    ----------
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.3.
    J. Friedman (1989), "Regularized discriminant analysis", doi:10.1080/01621459.1989.10478752.

    See Also
    --------
    LinearDiscriminantAnalysis : one covariance for all classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import QuadraticDiscriminantAnalysis
    >>> X, y = load_iris(return_X_y=True)
    >>> float(QuadraticDiscriminantAnalysis().fit(X, y).score(X, y))
    0.98
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "solver": [StrOptions({"svd", "eigen"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both"), None],
        "priors": ["array-like", None],
        "reg_param": [Interval(Real, 0, 1, closed="both")],
        "store_covariance": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "covariance_estimator": [HasMethods("fit"), None],
    }
    # A column of 0 and 1 is often constant inside a class, and then its variance there says nothing.
    needs: ClassVar[Needs] = Needs(categories="ordinal", sparse=True)
    state: ClassVar[dict[str, Any]] = {
        "scalings_": ListOf(Array("f", ("features",), low=0.0), "classes"),
        "rotations_": ListOf(Array("f", ("features", "features")), "classes"),
        "covariance_": ListOf(Array("f", ("features", "features")), "classes", optional=True),
    }

    scalings_: list[np.ndarray]
    rotations_: list[np.ndarray]

    def __init__(
        self,
        *,
        solver: str = "svd",
        shrinkage: Any = None,
        priors: Any = None,
        reg_param: float = 0.0,
        store_covariance: bool = False,
        tol: float = 1.0e-4,
        covariance_estimator: Any = None,
    ) -> None:
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.reg_param = reg_param
        self.store_covariance = store_covariance
        self.tol = tol
        self.covariance_estimator = covariance_estimator

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"reg_param": [0.0, 0.01, 0.1, 0.5]}

    # ---- fitting -----------------------------------------------------------------------------------

    def _pooled(self) -> bool:
        return False

    def _dtype(self) -> Any:
        return self.rotations_[0].dtype

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.solver == "svd" and self.shrinkage is not None:
            raise NotImplementedError("shrinkage not supported with 'svd' solver: use 'eigen'.")
        if self.solver == "svd" and self.covariance_estimator is not None:
            raise ValueError(
                "covariance_estimator is not supported with solver='svd'. Try solver='eigen' instead."
            )

    def _solve(self, moments: ClassMoments, training: Training | None, dtype: Any) -> None:
        self.__dict__.pop("covariance_", None)
        priors = self._set_priors(moments)
        lonely = np.flatnonzero((moments.rows == 1) & (moments.weight <= 1.0))
        if training is not None and len(lonely):
            raise ValueError(
                f"y has only 1 sample in class {self.classes_[lonely[0]]}, covariance is ill defined."
            )
        scalings, rotations, covariances = [], [], self._covariances(moments, training)
        for k, C in enumerate(covariances):
            values, R = spectrum(C)
            values, R = np.maximum(values[::-1], 0.0), R[:, ::-1]
            if self.solver == "svd":
                values = (1.0 - self.reg_param) * values + self.reg_param
                if self.store_covariance:
                    covariances[k] = (R * values) @ R.T
            scalings.append(self._raised(values, moments, k).astype(dtype))
            rotations.append(np.ascontiguousarray(R, dtype=dtype))
        if self.store_covariance:
            self.covariance_ = [C.astype(dtype) for C in covariances]
        self.priors_, self.scalings_, self.rotations_ = priors, scalings, rotations
        self._prepare()

    def _raised(self, values: np.ndarray, moments: ClassMoments, k: int) -> np.ndarray:
        """The variances of class k along its axes; where columns are collinear none is next to zero."""
        if values[-1] > self.tol or moments.rows[k] == 0:
            return np.asarray(np.maximum(values, 1e-300) if moments.rows[k] else np.ones_like(values))
        plain = self.shrinkage is None and self.reg_param == 0.0 and self.covariance_estimator is None
        if not plain or not (found := self._collinear(moments.scatter[k])):
            return np.asarray(np.maximum(values, np.finfo(float).tiny))
        few = f" ({moments.rows[k]} rows for {len(values)} columns)" if moments.rows[k] <= len(values) else ""
        which = "shrinkage" if self.solver == "eigen" else "reg_param"
        floor = self.tol * min(1.0, float(values.mean()) or 1.0)
        warnings.warn(
            f"QuadraticDiscriminantAnalysis: Variables are collinear in class {self.classes_[k]!r}{few}: {found}. "
            f"Variances along its axes were raised to {floor:.3g}; drop columns, or raise {which}.",
            DataWarning,
            stacklevel=6,
        )
        return np.asarray(np.maximum(values, max(floor, float(np.finfo(float).tiny))))

    def _prepare(self) -> None:
        """What a prediction needs: x - xbar rotated and scaled into each class."""
        dtype = self.rotations_[0].dtype
        self._centre = (self.priors_ @ self.means_).astype(dtype)
        centred = self.means_ - self._centre
        self._whitening, self._origins, self._constants = [], [], []
        for R, scaling, mean, prior in zip(self.rotations_, self.scalings_, centred, self.priors_):
            A = np.ascontiguousarray(R / np.sqrt(scaling), dtype=dtype)
            self._whitening.append(A)
            self._origins.append(np.ascontiguousarray(mean @ A, dtype=np.float64))
            self._constants.append(
                float(np.log(max(prior, 1e-300)) - 0.5 * np.log(scaling, dtype=np.float64).sum())
            )

    def _after_load(self) -> None:
        super()._after_load()
        self.rotations_ = [kernel_array(R) for R in self.rotations_]
        self._prepare()

    # ---- predicting --------------------------------------------------------------------------------

    def _piece_scores(self, X: Any, scores: np.ndarray) -> None:
        dtype = self._centre.dtype
        Xc = (dense_rows(X) if sp.issparse(X) else X) - self._centre
        Xc = Xc.astype(dtype, copy=False)
        for k, A in enumerate(self._whitening):
            class_scores(Xc @ A, self._origins[k], self._constants[k], scores, k)

    def _joint(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """log P(k) + log P(x | k) but for a constant, shape (n_rows, n_classes), and where it is largest."""
        X = self._input(X)
        n, d = X.shape
        if d != self.means_.shape[1]:
            raise ValueError(f"X has {d} encoded columns, the model is for {self.means_.shape[1]}")
        scores, codes = np.empty((n, len(self.classes_)), self._centre.dtype), np.empty(n, np.int64)
        if n <= FEW_ROWS:
            self._piece_scores(X, scores)
            sound = best_class(scores, codes)
        else:

            def work(block: Block) -> bool:
                part = scores[block.start : block.stop]
                self._piece_scores(block.X, part)
                return bool(best_class(part, codes[block.start : block.stop]))

            sound = all(map_tasks(work, row_blocks(X, rows=max(64, PIECE_BYTES // (8 * d)))))
        if not sound:
            self._reject_nonfinite(X)
        return scores, codes

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds of the second class, shape (n_rows,), or log posteriors up to a constant, shape (n_rows,
        n_classes)."""
        scores = self._joint(X)[0]
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._labels(self._joint(X)[1])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return probabilities(self._joint(X)[0], log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probabilities: finite even where a probability is 0."""
        return probabilities(self._joint(X)[0], log_scale=True)

    # ---- looking at it -----------------------------------------------------------------------------

    def summary(self) -> str:
        """Each class's share, size and shape, then the features' means and standard deviations by class."""
        names = [str(name) for name in self.encoded_feature_names_]
        shown = range(min(len(self.classes_), 6))
        width = max(18, *(len(name) for name in names))
        deviations = [np.sqrt(((R * R) * s).sum(axis=1)) for R, s in zip(self.rotations_, self.scalings_)]
        lines = [
            f"QuadraticDiscriminantAnalysis: {len(self.classes_)} classes, {len(names)} features, "
            f"{self.class_rows_.sum():,} rows",
            " " * width + "".join(f"{self.classes_[k]!s:>24.22}" for k in shown),
            f"{'P(class)':<{width}}" + "".join(f"{self.priors_[k]:>24.1%}" for k in shown),
            f"{'log det covariance':<{width}}"
            + "".join(f"{np.log(self.scalings_[k], dtype=float).sum():>24.4g}" for k in shown),
            f"{'longest axis':<{width}}"
            + "".join(f"{self.scalings_[k][0] / self.scalings_[k].sum():>23.1%} " for k in shown),
        ]
        for j, name in enumerate(names):
            cells = (f"{self.means_[k, j]:.4g} ± {deviations[k][j]:.3g}" for k in shown)
            lines.append(f"{name:<{width}}" + "".join(f"{cell:>24}" for cell in cells))
        return "\n".join(lines)

    def plot(self, *, features: Any = None, X: Any = None, y: Any = None, ax: Any = None) -> Any:
        """Ellipses of one and two standard deviations of each class, over the two features that separate best.

        Parameters
        ----------
        features : pair of int or str, optional
        X, y : array-like, optional
            Rows to draw as points.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from tripos.plotting.discriminant import gaussian_ellipses

        names = [str(name) for name in self.encoded_feature_names_]
        covariances = np.array([(R * s) @ R.T for R, s in zip(self.rotations_, self.scalings_)])
        if features is None:
            within = np.einsum("k,kjj->j", self.priors_, covariances)
            spread = self.priors_ @ (self.means_ - self.priors_ @ self.means_) ** 2
            chosen = np.argsort(-spread / np.maximum(within, 1e-300), kind="stable")[:2]
        else:
            chosen = np.array([names.index(f) if isinstance(f, str) else f for f in features])
        if len(chosen) == 1:
            chosen = np.repeat(chosen, 2)
        points = None if X is None else dense_rows(self._input(X))[:, chosen]
        return gaussian_ellipses(
            self.means_[:, chosen],
            covariances[:, chosen[:, None], chosen],
            labels=self.classes_,
            names=[names[j] for j in chosen],
            points=points,
            classes=y,
            ax=ax,
        )
