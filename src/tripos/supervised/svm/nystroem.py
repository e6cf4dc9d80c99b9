"""Features whose dot products are nearly a kernel's: linear methods on them are kernel machines for many rows.

    Nystroem        phi(x) = K_bb^-1/2 k(x_b, x)                       for a basis b of rows drawn at random
    Fourier (rbf)   phi(x) = sqrt(2/m) cos(W'x + c),  W ~ N(0, 2 gamma), c ~ U(0, 2 pi)

Sources: C. Williams, M. Seeger, NIPS 13 (2001); A. Rahimi, B. Recht, NIPS 20 (2007).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from tripos import plotting
from tripos.base import Estimator
from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.compute.threads import parallel
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.state import Array, OneOf
from tripos.supervised.svm.kernels import scale_of
from tripos.supervised.svm.pairwise import NAMES, by_blocks, foreign_values, own_kernel, own_values

LEAST = 1e-12  # singular values of the basis count as at least this
VALUES = 1 << 18  # features made at once
FEW = 4  # rows up to which they come from one kernel call


class Nystroem(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Features from kernel values with a few rows, drawn at random, that approximate a kernel.

    Parameters
    ----------
    kernel : str or callable, default="rbf"
        "linear", "poly", "rbf", "sigmoid", "laplacian", "chi2", "additive_chi2", "cosine", "precomputed", or a function of two
        rows.
    gamma : float, optional
        Of "rbf", "poly", "sigmoid", "laplacian", "chi2"; 1 / n_features by default (1 for "chi2").
    coef0 : float, optional
        Of "poly" and "sigmoid"; 1 by default.
    degree : float, optional
        Of "poly"; 3 by default.
    kernel_params : dict, optional
        Further arguments of a callable.
    n_components : int, default=100
        Rows of the basis, and features made.
    random_state : int or RandomState, optional
    n_jobs : int, optional
        Accepted as in scikit-learn; all threads are used.

    Attributes
    ----------
    components_ : ndarray or CSR matrix of shape (n_components, n_features)
        The rows of the basis.
    component_indices_ : ndarray of shape (n_components,)
    normalization_ : ndarray of shape (n_components, n_components)
        K_bb^-1/2.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    C. Williams, M. Seeger, "Using the Nystroem method to speed up kernel machines", NIPS 13 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LinearSVC, Nystroem
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> y = (X ** 2).sum(axis=1) < 1.5
    >>> Z = Nystroem(gamma=0.5, n_components=50, random_state=0).fit_transform(X)
    >>> LinearSVC().fit(Z, y).score(Z, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "kernel": [StrOptions(NAMES), callable],
        "gamma": [Interval(Real, 0, None, closed="left"), None],
        "coef0": [Interval(Real, None, None, closed="neither"), None],
        "degree": [Interval(Real, 1, None, closed="left"), None],
        "kernel_params": [dict, None],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    state: ClassVar[Mapping[str, Any]] = {
        "components_": OneOf(Array("f", ("components", None), sparse=True), Array("f", ("components", None))),
        "component_indices_": Array("i", ("components",), low=0),
        "normalization_": Array("f", ("components", "components")),
    }

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: float | None = None,
        coef0: float | None = None,
        degree: float | None = None,
        kernel_params: dict[str, Any] | None = None,
        n_components: int = 100,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.kernel_params = kernel_params
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> Nystroem:
        """Draw the basis.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : ignored

        Returns
        -------
        self
        """
        X = self._start_fit(X).X
        n = X.shape[0]
        count = min(self.n_components, n)
        if count < self.n_components:
            warnings.warn(
                f"n_components > n_samples. This is not possible. n_components={self.n_components} was set to the {n} rows "
                "there are, which makes the kernel exact; choose fewer",
                DataWarning,
                stacklevel=2,
            )
        require(24.0 * count * count, what=f"Nystroem with {count} components", instead="fewer components")
        chosen = check_random_state(self.random_state).permutation(n)[:count]
        basis = X[chosen][:, chosen] if self.kernel == "precomputed" else X[chosen]
        self.components_, self.component_indices_ = basis, chosen.astype(np.int64)
        self._width_of_kernel()
        K_bb = basis if self.kernel == "precomputed" else self._values(basis)
        U, S, V = scipy.linalg.svd(np.asarray(K_bb, dtype=np.float64))
        self.normalization_ = ((U / np.sqrt(np.maximum(S, LEAST))) @ V).astype(X.dtype)
        return self

    def transform(self, X: Any) -> Any:
        """The features of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows, n_components)
        """
        X = self._input(X)
        self._reject_nonfinite(X)
        if self.kernel == "precomputed":
            return np.asarray(X[:, self.component_indices_] @ self.normalization_.T)
        made = np.empty((X.shape[0], len(self.normalization_)), self.normalization_.dtype)
        if self._kernel is None:
            np.dot(self._values(X).astype(made.dtype), self.normalization_.T, out=made)
            return made

        def normalise(start: int, values: np.ndarray) -> None:
            np.dot(values, self.normalization_.T, out=made[start : start + len(values)])

        by_blocks(self._kernel, X, self.components_, normalise)
        return made

    def _values(self, X: Any) -> np.ndarray:
        if self._kernel is not None:
            return own_values(self._kernel, X, self.components_)
        settings = {"gamma": self.gamma, "degree": self.degree, "coef0": self.coef0}
        values: np.ndarray = foreign_values(X, self.components_, self.kernel, settings, self.kernel_params)
        return values

    def _width_of_kernel(self) -> None:
        self._kernel = own_kernel(self.kernel, self.components_.shape[1], self.gamma, self.coef0, self.degree)

    @property
    def _n_features_out(self) -> int:
        return len(self.normalization_)

    def _check_state(self) -> None:
        super()._check_state()
        width = len(self.normalization_) if self.kernel == "precomputed" else self._n_inputs()
        if self.components_.shape[1] != width:
            raise ValueError(f"components_ has {self.components_.shape[1]} columns; expected {width}")
        if self.kernel == "precomputed" and self.component_indices_.max() >= self._n_inputs():
            raise ValueError("component_indices_ point beyond the columns")

    def _after_load(self) -> None:
        super()._after_load()
        self._width_of_kernel()

    def plot(self, ax: Any = None) -> Any:
        """How much each direction of the basis adds: singular values of K_bb; returns matplotlib Axes."""
        S = 1.0 / np.linalg.svd(self.normalization_.astype(np.float64), compute_uv=False)[::-1] ** 2
        return plotting.loss_curve(
            np.arange(1, len(S) + 1), S, loss_name="singular value of the basis", ax=ax
        )

    def summary(self) -> str:
        """Kernel and basis in text."""
        return f"Nystroem: {len(self.normalization_)} rows as a basis of the kernel {self.kernel}"


@kernel("F[:, ::1], F[:, ::1], F[::1], F, F[:, ::1]")
def few_cosines(X, W, offset, scale, out):  # type: ignore[no-untyped-def]
    """out_ij = scale cos(x_i.w_j + c_j) of a few rows; says whether all are finite."""
    sound = True
    for i in range(X.shape[0]):
        row = out[i]
        for j in range(row.size):
            row[j] = offset[j]
        for t in range(X.shape[1]):
            x, w = X[i, t], W[t]
            for j in range(row.size):
                row[j] += x * w[j]
        for j in range(row.size):
            row[j] = scale * np.cos(row[j])
            sound &= row[j] == row[j]
    return sound


class RBFSampler(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Random Fourier features: cosines whose products are nearly the RBF kernel.

    Parameters
    ----------
    gamma : "scale" or float, default=1.0
        "scale" is 1 / (n_features Var X).
    n_components : int, default=100
        Features made.
    random_state : int or RandomState, optional

    Attributes
    ----------
    random_weights_ : ndarray of shape (n_features, n_components)
    random_offset_ : ndarray of shape (n_components,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    A. Rahimi, B. Recht, "Random features for large-scale kernel machines", NIPS 20 (2007).

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import RBFSampler
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> Z = RBFSampler(gamma=0.1, n_components=2000, random_state=0).fit_transform(X)
    >>> bool(abs(Z[0] @ Z[1] - np.exp(-0.1 * ((X[0] - X[1]) ** 2).sum())) < 0.1)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "gamma": [StrOptions({"scale"}), Interval(Real, 0.0, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    state: ClassVar[Mapping[str, Any]] = {
        "random_weights_": Array("f", (None, "components")),
        "random_offset_": Array("f", ("components",)),
    }

    def __init__(self, *, gamma: Any = 1.0, n_components: int = 100, random_state: Any = None) -> None:
        self.gamma = gamma
        self.n_components = n_components
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> RBFSampler:
        """Draw the frequencies.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : ignored

        Returns
        -------
        self
        """
        X = self._start_fit(X).X
        rng, p, m = check_random_state(self.random_state), X.shape[1], int(self.n_components)
        require(16.0 * p * m, what=f"RBFSampler with {m} components", instead="fewer components")
        gamma = scale_of(self.gamma, X, None)
        self.random_weights_ = (np.sqrt(2.0 * gamma) * rng.normal(size=(p, m))).astype(X.dtype)
        self.random_offset_ = rng.uniform(0.0, 2.0 * np.pi, size=m).astype(X.dtype)
        return self

    def transform(self, X: Any) -> Any:
        """The features of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows, n_components)
        """
        X = self._input(X)
        W, c = self.random_weights_, self.random_offset_
        made = np.empty((X.shape[0], len(c)), W.dtype)
        if type(X) is np.ndarray and len(X) <= FEW and X.dtype == W.dtype:
            if not few_cosines(X, W, c, W.dtype.type(math.sqrt(2.0 / len(c))), made):
                self._reject_nonfinite(X)
            return made
        self._reject_nonfinite(X)
        step = max(1, VALUES // len(c))

        def block(start: int) -> None:
            rows = X[start : start + step].astype(W.dtype, copy=False)
            out = made[start : start + step]
            out[:] = rows @ W
            out += c
            np.cos(out, out)
            out *= W.dtype.type(np.sqrt(2.0 / len(c)))

        starts = range(0, X.shape[0], step)
        if len(starts) == 1:
            block(0)
        else:
            parallel(block, starts)
        return made

    @property
    def _n_features_out(self) -> int:
        return len(self.random_offset_)

    def _check_state(self) -> None:
        super()._check_state()
        if self.random_weights_.shape[0] != self._n_inputs():
            raise ValueError(
                f"random_weights_ has {self.random_weights_.shape[0]} rows; expected {self._n_inputs()}"
            )

    def plot(self, ax: Any = None) -> Any:
        """Lengths of the frequencies, in rising order; returns matplotlib Axes."""
        length = np.sort(np.linalg.norm(self.random_weights_, axis=0))
        return plotting.loss_curve(np.arange(1, len(length) + 1), length, loss_name="frequency", ax=ax)

    def summary(self) -> str:
        """Number of features in text."""
        return f"RBFSampler: {len(self.random_offset_)} cosines of {self.random_weights_.shape[0]} features"
