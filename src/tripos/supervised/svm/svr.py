"""Support vector regression, with the width epsilon of its tube or the fraction nu outside it."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval

from tripos.base import Regressor
from tripos.state import Number
from tripos.supervised.svm.dual import Machine, nu_svr, nu_svr_machine, plain_machine, svr
from tripos.supervised.svm.kernels import GIVEN, Kernel
from tripos.supervised.svm.machine import KernelMachine


class TubeRegressor(KernelMachine, Regressor):
    """Base of SVR and NuSVR: `_fit_tube` solves the problem of all rows."""

    state: ClassVar[dict[str, Any]] = {"n_iter_": Number("i", low=0)}

    C: float

    def _fit_tube(self, kernel: Kernel, rows: Any, y: np.ndarray, C: np.ndarray, room: float) -> Machine:
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the machine.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
            For kernel="precomputed" the kernel values, of shape (n_rows, n_rows).
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._begin(X, y, sample_weight)
        kernel, rows = self._kernel_and_rows(training)
        n = training.X.shape[0]
        weight = np.ones(n) if training.sample_weight is None else training.sample_weight
        room = self._room([n], training.n_features, kernel.code == GIVEN)
        machine = self._fit_tube(kernel, rows, training.y.astype(np.float64), self.C * weight, room)
        support = np.flatnonzero(machine.beta)
        self.n_iter_ = machine.n_iter
        self._keep_machines([machine], support, [len(support)], machine.beta[None, support], training.X)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The target of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._decisions(X)[:, 0]

    def _check_state(self) -> None:
        super()._check_state()
        if (len(self.n_support_), self.dual_coef_.shape[0], len(self.intercept_)) != (1, 1, 1):
            raise ValueError("n_support_, dual_coef_ and intercept_ must be those of one machine")


class SVR(TubeRegressor):
    """Support vector regression: the flattest function that leaves few rows outside a tube of width epsilon.

    Minimises, with s_i the weight of a row and f = w.phi(x) + b,

        |w|^2 / 2 + C sum_i s_i max(0, |y_i - f(x_i)| - epsilon)

    through its dual. The work grows with the square of the rows; for many, see LinearSVR after Nystroem.

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
    C : float, default=1.0
        Weight of the loss against flatness.
    epsilon : float, default=0.1
        Errors up to this size cost nothing.
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
    A. Smola, B. Schölkopf, Statistics and Computing 14 (2004), 199-222, doi:10.1023/B:STCO.0000035301.49549.88.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import SVR
    >>> X = np.linspace(0.0, 3.0, 20).reshape(-1, 1)
    >>> model = SVR(C=10.0, epsilon=0.01).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict(np.array([[1.5]]))[0] - np.sin(1.5)) < 0.02)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **KernelMachine._parameter_constraints,
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "epsilon": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        kernel: Any = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        tol: float = 1e-3,
        C: float = 1.0,
        epsilon: float = 0.1,
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
        self.C = C
        self.epsilon = epsilon
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}

    def _fit_tube(self, kernel: Kernel, rows: Any, y: np.ndarray, C: np.ndarray, room: float) -> Machine:
        return plain_machine(self._solve_watched(rows, kernel, svr(y, C, float(self.epsilon)), room))


class NuSVR(TubeRegressor):
    """Support vector regression whose tube leaves a fraction nu of the rows outside.

    As `SVR`, with epsilon chosen such that at most a fraction `nu` of the rows lie outside the tube, and at least that
    fraction are support vectors.

    Parameters
    ----------
    nu : float, default=0.5
        In (0, 1].
    C : float, default=1.0
        Weight of the loss against flatness.
    kernel : {"linear", "poly", "rbf", "sigmoid", "precomputed"} or callable, default="rbf"
        A callable takes (A, B) and returns their kernel values, of shape (n_A, n_B).
    degree : int, default=3
        Of "poly".
    gamma : {"scale", "auto"} or float, default="scale"
        "scale" is 1 / (n_features Var X), "auto" 1 / n_features.
    coef0 : float, default=0.0
        Of "poly" and "sigmoid".
    shrinking : bool, default=True
        Whether rows that no longer move are set aside meanwhile (from 2,000 rows on); the solution is the same.
    tol : float, default=1e-3
        The most that a pair of rows may violate optimality; a hundredth of it up to 500 rows.
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
    B. Schölkopf, A. Smola, R. Williamson, P. Bartlett, Neural Computation 12 (2000), 1207-1245,
    doi:10.1162/089976600300015565.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import NuSVR
    >>> X = np.linspace(0.0, 3.0, 20).reshape(-1, 1)
    >>> model = NuSVR(C=10.0).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict(np.array([[1.5]]))[0] - np.sin(1.5)) < 0.02)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **KernelMachine._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        nu: float = 0.5,
        C: float = 1.0,
        kernel: Any = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        shrinking: bool = True,
        tol: float = 1e-3,
        cache_size: float = 200,
        verbose: bool = False,
        max_iter: int = -1,
    ) -> None:
        self.nu = nu
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.tol = tol
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"C": (1e-2, 1e3, "log"), "nu": (0.1, 0.9, "linear"), "gamma": (1e-4, 1e1, "log")}

    def _fit_tube(self, kernel: Kernel, rows: Any, y: np.ndarray, C: np.ndarray, room: float) -> Machine:
        dual = nu_svr(y, C, float(self.nu))
        if kernel.code == GIVEN:
            twice = np.tile(rows, (2, 2))
        else:
            twice = sp.vstack([rows, rows], format="csr") if sp.issparse(rows) else np.vstack([rows, rows])
        return nu_svr_machine(self._solve_watched(twice, kernel, dual, room))
