"""One-class support vector machine: where the rows lie."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval

from tripos.state import Number
from tripos.supervised.svm.dual import one_class, plain_machine
from tripos.supervised.svm.kernels import GIVEN
from tripos.supervised.svm.machine import KernelMachine

BORDER = (
    1e-9  # of the offset: free support vectors lie on the border, and rounding must not decide their side
)


class OneClassSVM(OutlierMixin, KernelMachine):
    """The region that holds most rows, all but a fraction nu: an outlier detector.

    Minimises |w|^2 / 2 - rho + sum_i s_i max(0, rho - w.phi(x_i)) / (nu n) through its dual; a row is an inlier where
    w.phi(x) >= rho.

    Parameters
    ----------
    kernel : {"linear", "poly", "rbf", "sigmoid", "precomputed"} or callable, default="rbf"
        A callable takes (A, B) and returns their kernel values, of shape (n_A, n_B).
    degree : int, default=3
        Of "poly".
    gamma : {"scale", "auto"} or float, default="scale"
        "scale" is 1 / (n_features Var X), "auto" 1 / n_features.
    coef0 : float, default=0.0
        Of "poly" and "sigmoid".
    tol : float, default=1e-3
        The most that a pair of rows may violate optimality; a hundredth of it up to 500 rows.
    nu : float, default=0.5
        In (0, 1]: at most this fraction of the training rows are outliers, at least this fraction support vectors.
    shrinking : bool, default=True
        Whether rows that no longer move are set aside meanwhile (from 2,000 rows on); the solution is the same.
    cache_size : float, default=200
        Megabytes for rows of the kernel matrix.
    verbose : bool, default=False
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    max_iter : int, default=-1
        Steps at most, -1 for no limit.

    Attributes
    ----------
    dual_coef_ : ndarray of shape (1, n_support)
    intercept_ : ndarray of shape (1,)
    coef_ : ndarray of shape (1, n_features)
        For the linear kernel.
    n_iter_ : int
    offset_ : ndarray of shape (1,)
        rho: decision = score - offset.
    support_ : ndarray of shape (n_support,)
        Positions of the support vectors among the rows.
    support_vectors_ : ndarray or CSR matrix of shape (n_support, n_features)
        Empty for a precomputed kernel.
    n_support_ : ndarray of int32
        Support vectors of each class (one number where there are no classes).
    fit_status_ : int
        0 if the tolerance was reached, 1 if not.
    gamma_ : float
        The number that `gamma` stood for.
    shape_fit_ : tuple of int
    history_ : dict of lists
        step, loss (the dual objective), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    B. Schölkopf et al., Neural Computation 13 (2001), 1443-1471, doi:10.1162/089976601750264965.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import OneClassSVM
    >>> X = np.array([[0.0], [0.44], [0.45], [0.46], [1.0]])
    >>> OneClassSVM(gamma="auto").fit(X).predict(np.array([[0.45], [3.0]]))
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **KernelMachine._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }
    state: ClassVar[dict[str, Any]] = {"n_iter_": Number("i", low=0)}

    def __init__(
        self,
        *,
        kernel: Any = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        tol: float = 1e-3,
        nu: float = 0.5,
        shrinking: bool = True,
        cache_size: float = 200,
        verbose: bool = False,
        max_iter: int = -1,
    ) -> None:
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.nu = nu
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    @property
    def offset_(self) -> np.ndarray:
        """rho, shape (1,)."""
        return -self.intercept_

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"nu": (0.01, 0.5, "log"), "gamma": (1e-4, 1e1, "log")}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OneClassSVM:
        """Fit the region.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : ignored
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._begin(X, None, sample_weight)
        kernel, rows = self._kernel_and_rows(training)
        n = training.X.shape[0]
        weight = np.ones(n) if training.sample_weight is None else training.sample_weight
        room = self._room([n], training.n_features, kernel.code == GIVEN)
        machine = plain_machine(self._solve_watched(rows, kernel, one_class(weight, float(self.nu)), room))
        slack = BORDER * max(1.0, abs(machine.intercept))
        machine = replace(machine, intercept=machine.intercept + slack)
        support = np.flatnonzero(machine.beta)
        self.n_iter_ = machine.n_iter
        self._keep_machines([machine], support, [len(support)], machine.beta[None, support], training.X)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Signed distance from the region's border, positive inside; shape (n_rows,)."""
        return self._decisions(X)[:, 0]

    def score_samples(self, X: Any) -> np.ndarray:
        """w.phi(x), the decision without its offset; shape (n_rows,)."""
        samples: np.ndarray = self.decision_function(X) - self.intercept_
        return samples

    def predict(self, X: Any) -> np.ndarray:
        """1 for inliers, -1 for outliers; shape (n_rows,). Rows on the border, up to rounding, are inliers."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def _check_state(self) -> None:
        super()._check_state()
        if (len(self.n_support_), self.dual_coef_.shape[0], len(self.intercept_)) != (1, 1, 1):
            raise ValueError("n_support_, dual_coef_ and intercept_ must be those of one machine")
