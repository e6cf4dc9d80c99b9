"""Support vector classification, with the bound C or the fraction nu."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from tripos.supervised.svm.classifier import PairwiseClassifier, plain
from tripos.supervised.svm.dual import Machine, c_svc, nu_svc, nu_svc_machine, plain_machine
from tripos.supervised.svm.solver import Dual, Solution


class SVC(PairwiseClassifier):
    """Support vector machine: the boundary with the widest margin in the kernel's space.

    Minimises over f = w.phi(x) + b, for each pair of classes (y_i = -1 or 1, s_i the weight of a row),

        |w|^2 / 2 + C sum_i s_i max(0, 1 - y_i f(x_i))

    through its dual. The work grows with the square of the rows; for many, see LinearSVC after Nystroem.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the loss against the width of the margin.
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
    probability : bool, default=False
        Whether `predict_proba` exists; five further fits. Deprecated by scikit-learn 1.9.
    tol : float, default=1e-3
        The most that a pair of rows may violate optimality; a hundredth of it up to 500 rows.
    cache_size : float, default=200
        Megabytes for rows of the kernel matrix.
    class_weight : dict or "balanced", optional
        Factors of the bound by class label; "balanced" gives each class the same total.
    verbose : bool, default=False
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    max_iter : int, default=-1
        Steps at most, -1 for no limit.
    decision_function_shape : {"ovr", "ovo"}, default="ovr"
    break_ties : bool, default=False
        Whether rows with equal votes go to the class with the largest decision.
    random_state : int or RandomState, optional
        Without effect: the folds of `probability` are dealt in order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_weight_ : ndarray of shape (n_classes,)
    dual_coef_ : ndarray of shape (n_classes - 1, n_support)
        y_i alpha_i of each pair, in libsvm's layout.
    intercept_ : ndarray of shape (n_pairs,)
    coef_ : ndarray of shape (n_pairs, n_features)
        For the linear kernel.
    n_iter_ : ndarray of shape (n_pairs,)
    probA_, probB_ : ndarray of shape (n_pairs,)
        Platt's sigmoids; empty without `probability`.
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
    C. Cortes, V. Vapnik (1995), doi:10.1007/BF00994018; C.-C. Chang, C.-J. Lin, ACM TIST 2:27 (2011),
    doi:10.1145/1961189.1961199.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import SVC
    >>> X = np.array([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    >>> SVC(C=10.0).fit(X, ["same", "same", "differ", "differ"]).predict(np.array([[2.0, 1.5], [-0.5, 1.0]]))
    array(['same', 'differ'], dtype='<U6')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PairwiseClassifier._parameter_constraints,
        "C": [Interval(Real, 0.0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        kernel: Any = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        shrinking: bool = True,
        probability: Any = "deprecated",
        tol: float = 1e-3,
        cache_size: float = 200,
        class_weight: Any = None,
        verbose: bool = False,
        max_iter: int = -1,
        decision_function_shape: str = "ovr",
        break_ties: bool = False,
        random_state: Any = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}

    def _dual(self, y: np.ndarray, weight: np.ndarray) -> Dual:
        return c_svc(y, float(self.C) * weight)

    def _machine(self, found: Solution) -> Machine:
        return plain_machine(found)


class NuSVC(PairwiseClassifier):
    """Support vector machine whose margin lets a fraction nu of the rows in.

    As `SVC`, with C chosen such that at most a fraction `nu` of the rows of a pair lie inside the margin or beyond, and
    at least that fraction are support vectors.

    Parameters
    ----------
    nu : float, default=0.5
        In (0, 1]; at most twice the share of the smaller class of each pair. Where class weights alone make it too
        large, the largest that they allow is used, with a warning.
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
    probability : bool, default=False
        Whether `predict_proba` exists; five further fits. Deprecated by scikit-learn 1.9.
    tol : float, default=1e-3
        The most that a pair of rows may violate optimality; a hundredth of it up to 500 rows.
    cache_size : float, default=200
        Megabytes for rows of the kernel matrix.
    class_weight : dict or "balanced", optional
        Factors of the bound by class label; "balanced" gives each class the same total.
    verbose : bool, default=False
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    max_iter : int, default=-1
        Steps at most, -1 for no limit.
    decision_function_shape : {"ovr", "ovo"}, default="ovr"
    break_ties : bool, default=False
        Whether rows with equal votes go to the class with the largest decision.
    random_state : int or RandomState, optional
        Without effect: the folds of `probability` are dealt in order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_weight_ : ndarray of shape (n_classes,)
    dual_coef_ : ndarray of shape (n_classes - 1, n_support)
        y_i alpha_i of each pair, in libsvm's layout.
    intercept_ : ndarray of shape (n_pairs,)
    coef_ : ndarray of shape (n_pairs, n_features)
        For the linear kernel.
    n_iter_ : ndarray of shape (n_pairs,)
    probA_, probB_ : ndarray of shape (n_pairs,)
        Platt's sigmoids; empty without `probability`.
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
    >>> from tripos import NuSVC
    >>> X = np.array([[-1.0, -1.0], [-2.0, -1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> NuSVC().fit(X, [1, 1, 2, 2]).predict(np.array([[-0.8, -1.0]]))
    array([1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PairwiseClassifier._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    def __init__(
        self,
        *,
        nu: float = 0.5,
        kernel: Any = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        shrinking: bool = True,
        probability: Any = "deprecated",
        tol: float = 1e-3,
        cache_size: float = 200,
        class_weight: Any = None,
        verbose: bool = False,
        max_iter: int = -1,
        decision_function_shape: str = "ovr",
        break_ties: bool = False,
        random_state: Any = None,
    ) -> None:
        self.nu = nu
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"nu": (0.05, 0.5, "linear"), "gamma": (1e-4, 1e1, "log")}

    def _check_classes(self, members: list[np.ndarray], sample_weight: np.ndarray | None) -> None:
        rows = [float(len(m) if sample_weight is None else sample_weight[m].sum()) for m in members]
        order = np.argsort(rows, kind="stable")
        least, most = int(order[0]), int(order[-1])  # no pair is less even
        largest = 2.0 * rows[least] / (rows[least] + rows[most])
        if self.nu > largest * (1.0 + 1e-12):
            raise ValueError(
                f"specified nu is infeasible: nu={self.nu:g}, but the classes {plain(self.classes_[least])!r} "
                f"({rows[least]:g} rows) and {plain(self.classes_[most])!r} ({rows[most]:g} rows) allow at most "
                f"{largest:.4g}, twice the share of the smaller one"
            )

    def _dual(self, y: np.ndarray, weight: np.ndarray) -> Dual:
        return nu_svc(y, weight, float(self.nu))

    def _machine(self, found: Solution) -> Machine:
        return nu_svc_machine(found)
