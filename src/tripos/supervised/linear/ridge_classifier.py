"""Ridge regression as a classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from tripos.base import Training
from tripos.supervised.linear.binarised import BinarisedClassifier
from tripos.supervised.linear.ridge_roads import PenalisedModel


class RidgeClassifier(PenalisedModel, BinarisedClassifier):  # type: ignore[misc]
    """Classifier by ridge regression on +1 and -1.

    A row of class k has the target 1 in column k and -1 elsewhere; for two classes one column does. The class with
    the largest score wins:

        minimise  sum_i s_i |y_i - W x_i - b|^2 + alpha |W|^2,        predict  argmax_k (W x + b)_k

    All classes share one factor (or, for wide sparse data, each product with X), so that many classes cost
    little more than one. Squared loss also punishes rows that lie far on their right side; with two classes the
    direction is Fisher's (see `LinearDiscriminantAnalysis`).

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty.
    fit_intercept : bool, default=True
        Whether the scores have a constant term b, which is not penalised.
    copy_X : bool, default=True
        Without effect: X is never written to.
    max_iter : int, optional
        Steps of the iterative roads at most; by default 1000, or four times the smaller side of X if that is
        more.
    tol : float, default=1e-4
        Precision of the iterative roads.
    class_weight : dict or "balanced", optional
        Factors of the rows' weights by class label; "balanced" gives each class the same total.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        The road, as in `Ridge`; the answer is the same.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        Without effect: no road is random.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_features,) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,); 0.0 without intercept
    multilabel_ : bool
        Whether `y` was a matrix of several labels.
    n_iter_ : ndarray of shape (n_outputs,)
        Steps of an iterative road; 1 for a closed form.
    solver_ : str
        The road taken: "cholesky", "svd", "sparse_cg" or, with `positive`, "pivoting".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_rows_, row_weight_, column_mean_, column_scatter_
        Statistics of the columns [X, y] that `partial_fit` and `merge` continue.

    References
    ----------
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.2.
    R. Rifkin, G. Yeo, T. Poggio, "Regularized least-squares classification", 2003.

    See Also
    --------
    RidgeClassifierCV : chooses alpha by leaving out each row.
    LogisticRegression : gives probabilities.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import RidgeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> round(RidgeClassifier().fit(X, y).score(X, y), 3)
    0.853
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PenalisedModel._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        class_weight: Any = None,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-3, 1e4, "log")}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RidgeClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,), or indicator matrix of shape (n_rows, n_labels)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(  # type: ignore[override]
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> RidgeClassifier:
        """Continue with more rows: the result is that of one fit on all rows so far.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever occur; required in the first call, but for a matrix of labels.

        Returns
        -------
        self
        """
        self._require_fixed_weights()
        first = not hasattr(self, "coef_")
        if first:
            self.__dict__.pop("classes_", None)  # of a first call that failed half way
        if first and classes is None and np.ndim(y) < 2:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._continue(self._begin(X, y, sample_weight, reset=first, classes=classes), first)

    def merge(self, other: RidgeClassifier) -> RidgeClassifier:
        """Take in the rows that another instance was fitted on, with the same classes.

        Parameters
        ----------
        other : RidgeClassifier

        Returns
        -------
        self
        """
        self._require_fixed_weights()
        if type(other) is type(self) and list(self.classes_) != list(other.classes_):
            raise ValueError(
                f"the models know different classes, {list(self.classes_)[:10]} and {list(other.classes_)[:10]}: "
                "name all classes in the first partial_fit"
            )
        return super().merge(other)

    def _require_fixed_weights(self) -> None:
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs the counts of all classes at once: name the weights in a dict, or "
                "fit all rows together"
            )

    def _begin(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> Training:
        return self._binarised(self._start_fit(X, y, sample_weight, **options))

    def _set_coefficients(self, w: np.ndarray, b: np.ndarray, single: bool, dtype: Any) -> None:
        super()._set_coefficients(w, b, False, dtype)
        self._flatten_single()

    def _form(self, training: Training) -> tuple[bool, Any]:
        return False, training.blocks.dtype
