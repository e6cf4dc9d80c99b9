"""Kernel ridge regression: ridge in the space of a kernel, solved in closed form.

    min over w   sum_i s_i (y_i - w.phi(x_i))^2 + alpha |w|^2
    w = sum_i a_i phi(x_i),    (K + alpha S^-1) a = y,    f(x) = sum_i a_i k(x_i, x)

With a = S^1/2 c this is (S^1/2 K S^1/2 + alpha) c = S^1/2 y, symmetric and positive definite: one Cholesky factor per
distinct alpha. Source: C. Saunders, A. Gammerman, V. Vovk, ICML 1998; K. Murphy, "Machine Learning", 2012, 14.4.3.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions

from tripos import plotting
from tripos.base import Regressor
from tripos.compute.budget import require
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.state import Array, Number, OneOf
from tripos.supervised.svm.few_rows import few_decisions
from tripos.supervised.svm.kernels import Kernel, squared_norms
from tripos.supervised.svm.machine import FEW
from tripos.supervised.svm.pairwise import NAMES, by_blocks, foreign_values, own_kernel, own_values

INSTEAD = "Ridge after Nystroem(n_components=300), whose work grows with the rows alone"


class KernelRidge(Regressor):
    """Ridge regression in the space of a kernel.

    Minimises sum_i s_i (y_i - f(x_i))^2 + alpha |w|^2 over f = w.phi(x), without an intercept, as scikit-learn does. The fit
    holds the kernel matrix, n_rows x n_rows, by its definition; for many rows see Ridge after Nystroem.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Weight of |w|^2; of each target its own.
    kernel : str or callable, default="linear"
        "linear", "poly", "rbf", "sigmoid", "laplacian", "chi2", "additive_chi2", "cosine", "precomputed", or a function of two
        rows.
    gamma : float, optional
        Of "rbf", "poly", "sigmoid", "laplacian", "chi2"; 1 / n_features by default (1 for "chi2").
    degree : float, default=3
        Of "poly".
    coef0 : float, default=1
        Of "poly" and "sigmoid".
    kernel_params : dict, optional
        Further arguments of a callable.

    Attributes
    ----------
    dual_coef_ : ndarray of shape (n_rows,) or (n_rows, n_targets)
        a: how much each training row counts.
    X_fit_ : ndarray or CSR matrix of shape (n_rows, n_features)
        The training rows (the kernel matrix, for "precomputed").
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    K. P. Murphy, "Machine Learning: A Probabilistic Perspective", MIT Press 2012, section 14.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import KernelRidge
    >>> X = np.linspace(0.0, 3.0, 20).reshape(-1, 1)
    >>> model = KernelRidge(alpha=1e-3, kernel="rbf").fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict(np.array([[1.5]]))[0] - np.sin(1.5)) < 0.01)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "kernel": [StrOptions(NAMES), callable],
        "gamma": [Interval(Real, 0, None, closed="left"), None],
        "degree": [Interval(Real, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "kernel_params": [dict, None],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "low"
    state: ClassVar[Mapping[str, Any]] = {
        "dual_coef_": OneOf(Array("f", ("rows",)), Array("f", ("rows", None))),
        "X_fit_": OneOf(Array("f", ("rows", None), sparse=True), Array("f", ("rows", None))),
        "rows_fit_": Number("i", low=1, binds="rows"),
    }

    def __init__(
        self,
        alpha: Any = 1,
        *,
        kernel: Any = "linear",
        gamma: float | None = None,
        degree: float = 3,
        coef0: float = 1,
        kernel_params: dict[str, Any] | None = None,
    ) -> None:
        self.alpha = alpha
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.kernel != "precomputed"
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.target_tags.multi_output = True
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-4, 1e2, "log"), "kernel": ["rbf", "linear"], "gamma": (1e-4, 1e1, "log")}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KernelRidge:
        """Fit the coefficients of the training rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
            For kernel="precomputed" the kernel values, of shape (n_rows, n_rows).
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self

        Raises
        ------
        BudgetError
            Where the kernel matrix does not fit into memory.
        """
        training = self._start_fit(X, y, sample_weight, multi_output=True)
        if not training.in_memory:
            raise TypeError(f"KernelRidge needs its rows in memory; for files larger than that use {INSTEAD}")
        weight, Z = training.sample_weight, training.X
        n = Z.shape[0]
        kept, given = np.arange(n), n
        if weight is not None:
            entered = np.asarray(sample_weight, dtype=np.float64).reshape(-1)
            if entered.size > 1:
                kept, given = np.flatnonzero(entered), len(entered)
        require(20.0 * n * n, what=f"a fit of KernelRidge on {n} rows", instead=INSTEAD)
        self.X_fit_ = Z.astype(np.float64)
        self.rows_fit_ = n
        Y = training.y.reshape(n, -1).astype(np.float64)
        self._prepare_kernel()
        coef = solved(self._matrix(kept, given), Y, self._alphas(Y.shape[1]), weight)
        if self.kernel == "precomputed" and n < Z.shape[1]:  # rows of weight zero are still columns
            full = np.zeros((Z.shape[1], coef.shape[1]))
            full[kept] = coef
            coef, self.rows_fit_ = full, len(full)
            self.X_fit_ = np.zeros((len(full), len(full)))
            self.X_fit_[kept] = Z
        self.dual_coef_ = coef.reshape(-1) if training.y.ndim == 1 else coef
        self._prepare()
        return self

    def _matrix(self, kept: np.ndarray, given: int) -> np.ndarray:
        X = self.X_fit_
        if self.kernel == "precomputed":
            if sp.issparse(X):
                raise TypeError("Sparse precomputed kernels are not supported.")
            if X.shape[1] != given:
                raise ValueError(
                    f"Precomputed matrix must be a square matrix. Input is a {given}x{X.shape[1]} matrix."
                )
            return np.array(X[:, kept])
        if self._kernel is not None:
            return own_values(self._kernel, X, X)
        return np.array(self._foreign(X))

    def _foreign(self, X: Any) -> np.ndarray:
        settings = {"gamma": self.gamma, "degree": self.degree, "coef0": self.coef0}
        values: np.ndarray = foreign_values(X, self.X_fit_, self.kernel, settings, self.kernel_params)
        return values

    def _alphas(self, n_targets: int) -> np.ndarray:
        alpha = np.atleast_1d(np.asarray(self.alpha, dtype=np.float64)).reshape(-1)
        if len(alpha) not in (1, n_targets):
            raise ValueError(
                "Number of targets and number of penalties do not correspond: alpha has "
                f"{len(alpha)} values, y has {n_targets} columns"
            )
        if not (np.isfinite(alpha).all() and (alpha >= 0).all()):
            raise ValueError(f"alpha must be finite and not negative, got {alpha.min():g}")
        return np.broadcast_to(alpha, n_targets)

    def _prepare_kernel(self) -> None:
        width = self.X_fit_.shape[1]
        self._kernel: Kernel | None = own_kernel(self.kernel, width, self.gamma, self.coef0, self.degree)

    def _prepare(self) -> None:
        """What one-row predictions need of the fitted attributes."""
        self._prepare_kernel()
        n = self.rows_fit_
        self._coef = np.ascontiguousarray(self.dual_coef_.reshape(n, -1).T)
        self._single = self.dual_coef_.ndim == 1
        self._plain = self._kernel is not None and isinstance(self.X_fit_, np.ndarray)
        if self._kernel is not None:
            k = self._kernel
            self._few: Any = None  # made when single rows are asked for
            self._settings = (k.code, k.gamma, k.coef0, k.degree)

    def _check_state(self) -> None:
        super()._check_state()
        width = self.rows_fit_ if self.kernel == "precomputed" else self._n_inputs()
        if self.X_fit_.shape != (self.rows_fit_, width):
            raise ValueError(f"X_fit_ has shape {self.X_fit_.shape}; expected {(self.rows_fit_, width)}")

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    def predict(self, X: Any) -> np.ndarray:
        """The target of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
        """
        X = self._input(X)
        if self._plain and X.shape[0] <= FEW and type(X) is np.ndarray:
            if self._few is None:
                V = self.X_fit_
                table = np.ascontiguousarray(np.vstack([V.T, squared_norms(V), self._coef]))
                self._few = table, np.array([0, self.rows_fit_]), np.zeros(len(self._coef)), *self._settings
            found = np.empty((X.shape[0], len(self._coef)))
            Z = X if X.dtype == np.float64 else X.astype(np.float64)
            sound = few_decisions(*(Z, *self._few, found))
        else:
            found = self._many(X)
            sound = np.isfinite(found).all()
        if not sound:
            self._reject_nonfinite(X)
        return found[:, 0] if self._single else found

    def _many(self, X: Any) -> np.ndarray:
        found = np.empty((X.shape[0], len(self._coef)))
        if self.kernel == "precomputed":
            np.dot(X, self._coef.T, out=found)
        elif self._kernel is None:
            np.dot(self._foreign(X), self._coef.T, out=found)
        else:

            def weigh(start: int, values: np.ndarray) -> None:
                found[start : start + len(values)] = values @ self._coef.T

            by_blocks(self._kernel, X, self.X_fit_, weigh)
        return found

    def plot(self, ax: Any = None) -> Any:
        """How much each training row counts, largest first; returns matplotlib Axes."""
        size = np.sort(np.abs(self._coef).sum(axis=0))[::-1]
        return plotting.loss_curve(
            np.arange(1, len(size) + 1), size, loss_name="|coefficient| of the row", ax=ax
        )

    def summary(self) -> str:
        """Kernel, rows and coefficients in text."""
        name = self.kernel if isinstance(self.kernel, str) else getattr(self.kernel, "__name__", "a function")
        names = [str(column) for column in self.encoded_feature_names_]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return "\n".join(
            [
                f"KernelRidge: {self.rows_fit_} rows, {len(self._coef)} targets",
                f"kernel    {name}"
                + (f", gamma {self._kernel.gamma:.4g}" if self._kernel is not None else ""),
                f"features  {shown}",
                f"alpha     {self.alpha}",
                f"norm of the coefficients  {float(np.linalg.norm(self.dual_coef_)):.6g}",
            ]
        )


def solved(K: np.ndarray, Y: np.ndarray, alpha: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """a of shape (n, n_targets) with (K + alpha_t S^-1) a_t = y_t. K is spoiled."""
    root = None if weight is None else np.sqrt(weight)
    if root is not None:
        K *= root[:, None]
        K *= root
        Y = Y * root[:, None]
    coef = np.empty_like(Y)
    diagonal, distinct = K.diagonal().copy(), np.unique(alpha)
    for value in distinct:
        chosen = alpha == value
        A = K if len(distinct) == 1 else K.copy()
        np.fill_diagonal(A, diagonal + value)
        try:
            # K' in Fortran's order is K: LAPACK works in place, in the triangle that stays unread below
            factor = scipy.linalg.cho_factor(A.T, lower=True, overwrite_a=True, check_finite=False)
            coef[:, chosen] = scipy.linalg.cho_solve(factor, Y[:, chosen], check_finite=False)
            failed = not np.isfinite(coef[:, chosen]).all()
        except np.linalg.LinAlgError:
            failed = True
        if failed:
            lower = np.tril(K, -1)
            full = lower + lower.T
            np.fill_diagonal(full, diagonal + value)
            warnings.warn(
                f"KernelRidge: the kernel matrix plus alpha={value:g} is singular; the least-squares solution is used. "
                "A larger alpha decides between the solutions",
                DataWarning,
                stacklevel=3,
            )
            coef[:, chosen] = np.linalg.lstsq(full, Y[:, chosen], rcond=None)[0]
    return coef if root is None else coef * root[:, None]
