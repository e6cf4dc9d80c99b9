"""`HistGradientBoostingClassifier` and `HistGradientBoostingRegressor`."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from tripos import labels
from tripos.base import Classifier, Regressor
from tripos.labels import class_factors
from tripos.objective.losses import ABSOLUTE, GAMMA, LOG, POISSON, SOFTMAX, SQUARED, Loss, quantile
from tripos.supervised.linear.probabilities import probabilities
from tripos.supervised.trees.histogram_boosting import HistogramBoosting


class HistGradientBoostingClassifier(HistogramBoosting, Classifier):
    """Gradient boosting of trees on binned columns, for classes.

    Minimises the log loss (softmax for more than two classes) by one Newton step after the other, each a tree:

        F_m = F_(m-1) + nu tree_m,    leaf value w = -G / (H + lambda),

    with the sums G and H of first and second derivatives over the leaf's rows. Missing values go to the side of
    each split where they gain more, categories are split into two sets of levels. Gradients are added up as integers, so the model is the same for any number of threads.

    Parameters
    ----------
    loss : {"log_loss"}, default="log_loss"
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    max_iter : int, default=100
        Steps at most; for more than two classes each has a tree per class.
    max_leaf_nodes : int or None, default=31
        Leaves of a tree at most.
    max_depth : int or None, default=None
        Splits between the root and a leaf at most.
    min_samples_leaf : int, default=20
        Rows in a leaf at least, whatever their weights. Which splits keep to it is estimated from the hessian, and
        counted before a split is made.
    l2_regularization : float, default=0
        lambda.
    max_features : float, default=1.0
        Share of the columns that each split chooses from, drawn anew for each.
    max_bins : int, default=255
        Bins of a column at most, beside the one for missing values.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table. A column's
        `max_bins` most frequent levels stand for themselves, all others count as missing.
    monotonic_cst : array-like of int or dict, default=None
        1 where predictions rise along a column, -1 where they fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of int, default=None
        Sets of columns that may stand together on a path from the root to a leaf.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    early_stopping : "auto" or bool, default="auto"
        Whether to stop when scores rise no more; "auto" does above 10,000 rows.
    scoring : str, callable or None, default="loss"
        What scores are compared.
    validation_fraction : int, float or None, default=0.1
        Rows that are held out for scores; None scores the training rows.
    n_iter_no_change : int, default=10
        Steps without a better score after which the fit stops.
    tol : float, default=1e-7
        How much better is better.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    random_state : int, RandomState or None, default=None
        Draws validation rows, columns of a split, and the rows that bins are learned from. None is a seed like
        any other, so that a fit can be repeated.
    class_weight : dict or "balanced", default=None
        Factors of the rows' weights by class label; "balanced" gives each class the same total.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
        Steps.
    n_trees_per_iteration_ : int
        Trees of a step.
    do_early_stopping_ : bool
    train_score_, validation_score_ : ndarray of shape (n_iter_ + 1,)
        Scores before the first and after each step; empty where the fit does not stop early.
    is_categorical_ : ndarray of shape (n_features_in_,) or None
        Which columns are treated as categories; None where none is.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits; see `importances`.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    See Also
    --------
    HistGradientBoostingRegressor : the same for numbers.

    References
    ----------
    J. Friedman (2001), doi:10.1214/aos/1013203451. T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785.
    G. Ke et al., "LightGBM" (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import HistGradientBoostingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **HistogramBoosting._parameter_constraints,
        "loss": [StrOptions({"log_loss"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_features: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: str | bool = "auto",
        scoring: Any = "loss",
        validation_fraction: float | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        verbose: int = 0,
        random_state: Any = None,
        class_weight: Any = None,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.class_weight = class_weight

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> HistGradientBoostingClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        X_val, y_val, sample_weight_val : optional
            Rows to score while the model grows, instead of some held out.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def _loss(self) -> Loss:
        if len(self.classes_) < 2:
            raise ValueError(
                f"only one class: {self.classes_.tolist()[0]!r}. A classifier needs rows of at least 2 classes"
            )
        return LOG if len(self.classes_) == 2 else SOFTMAX

    def _n_outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return sample_weight
        totals = np.bincount(y, sample_weight, len(self.classes_)).astype(np.float64)
        factors = class_factors(self.class_weight, self.classes_, totals)[y]
        return np.asarray(factors if sample_weight is None else factors * sample_weight)

    def _validation_target(self, y: Any) -> np.ndarray:
        return labels.codes_of(labels.as_label_array(y), self.classes_)

    def _check_state(self) -> None:
        super()._check_state()
        if len(self.classes_) < 2 or len(self.baseline_) != self._n_outputs():
            raise ValueError(f"baseline_ has {len(self.baseline_)} outputs for {len(self.classes_)} classes")
        if self.n_trees_per_iteration_ != len(self.baseline_):
            raise ValueError("n_trees_per_iteration_ is not the number of outputs")

    # ---- predicting ------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._labels(most_probable(self._scores(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores F: log odds of the second class, shape (n_rows,), or one score per class, (n_rows, n_classes)."""
        return squeezed(self._scores(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes)."""
        return probabilities(squeezed(self._scores(X)), log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`, finite however sure the model is."""
        return probabilities(squeezed(self._scores(X)), log_scale=True)

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """`predict` after each step."""
        for scores in self._staged_scores(X):
            yield self._labels(most_probable(scores))

    def staged_decision_function(self, X: Any) -> Iterator[np.ndarray]:
        """`decision_function` after each step."""
        for scores in self._staged_scores(X):
            yield squeezed(scores)

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """`predict_proba` after each step."""
        for scores in self._staged_scores(X):
            yield probabilities(squeezed(scores), log_scale=False)


class HistGradientBoostingRegressor(HistogramBoosting, Regressor):
    """Gradient boosting of trees on binned columns, for numbers.

    Minimises the loss by one Newton step after the other, each a tree:

        F_m = F_(m-1) + nu tree_m,    leaf value w = -G / (H + lambda),

    with the sums G and H of first and second derivatives over the leaf's rows; for the absolute and the quantile
    loss w is the quantile of the residuals. Missing values go to the side of each split where they gain more,
    categories are split into two sets of levels. Gradients are added up as integers, so the model is the same for any number of threads.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "gamma", "poisson", "quantile"}, default="squared_error"
        "gamma" and "poisson" model the logarithm of the mean.
    quantile : float, default=None
        Which quantile, for ``loss="quantile"``.
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    max_iter : int, default=100
        Steps at most; for more than two classes each has a tree per class.
    max_leaf_nodes : int or None, default=31
        Leaves of a tree at most.
    max_depth : int or None, default=None
        Splits between the root and a leaf at most.
    min_samples_leaf : int, default=20
        Rows in a leaf at least, whatever their weights. Which splits keep to it is estimated from the hessian, and
        counted before a split is made.
    l2_regularization : float, default=0
        lambda.
    max_features : float, default=1.0
        Share of the columns that each split chooses from, drawn anew for each.
    max_bins : int, default=255
        Bins of a column at most, beside the one for missing values.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table. A column's
        `max_bins` most frequent levels stand for themselves, all others count as missing.
    monotonic_cst : array-like of int or dict, default=None
        1 where predictions rise along a column, -1 where they fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of int, default=None
        Sets of columns that may stand together on a path from the root to a leaf.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    early_stopping : "auto" or bool, default="auto"
        Whether to stop when scores rise no more; "auto" does above 10,000 rows.
    scoring : str, callable or None, default="loss"
        What scores are compared.
    validation_fraction : int, float or None, default=0.1
        Rows that are held out for scores; None scores the training rows.
    n_iter_no_change : int, default=10
        Steps without a better score after which the fit stops.
    tol : float, default=1e-7
        How much better is better.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    random_state : int, RandomState or None, default=None
        Draws validation rows, columns of a split, and the rows that bins are learned from. None is a seed like
        any other, so that a fit can be repeated.

    Attributes
    ----------
    n_iter_ : int
        Steps.
    n_trees_per_iteration_ : int
        Trees of a step.
    do_early_stopping_ : bool
    train_score_, validation_score_ : ndarray of shape (n_iter_ + 1,)
        Scores before the first and after each step; empty where the fit does not stop early.
    is_categorical_ : ndarray of shape (n_features_in_,) or None
        Which columns are treated as categories; None where none is.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits; see `importances`.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    See Also
    --------
    HistGradientBoostingClassifier : the same for classes.

    References
    ----------
    J. Friedman (2001), doi:10.1214/aos/1013203451. T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785.
    G. Ke et al., "LightGBM" (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import HistGradientBoostingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20).fit(X, y)
    >>> round(model.score(X, y), 2) > 0.6
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **HistogramBoosting._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "gamma", "poisson", "quantile"})],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        quantile: float | None = None,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_features: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: str | bool = "auto",
        scoring: Any = "loss",
        validation_fraction: float | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.loss = loss
        self.quantile = quantile
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> HistGradientBoostingRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        X_val, y_val, sample_weight_val : optional
            Rows to score while the model grows, instead of some held out.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def _loss(self) -> Loss:
        if self.loss == "quantile":
            if self.quantile is None or not 0 < self.quantile < 1:
                raise ValueError(f"loss='quantile' needs quantile between 0 and 1, got {self.quantile!r}")
            return quantile(self.quantile)
        return {"squared_error": SQUARED, "absolute_error": ABSOLUTE, "gamma": GAMMA, "poisson": POISSON}[
            self.loss
        ]

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        target = super()._target(y, multi_output=multi_output, reset=reset, classes=classes)
        if self.loss == "gamma" and not (target > 0).all():
            raise ValueError("loss='gamma' requires strictly positive y.")
        if self.loss == "poisson" and not ((target >= 0).all() and target.sum() > 0):
            raise ValueError("loss='poisson' requires non-negative y and sum(y) > 0.")
        return target

    def _validation_target(self, y: Any) -> np.ndarray:
        return self._target(y, multi_output=False, reset=False, classes=None)

    def _check_state(self) -> None:
        super()._check_state()
        if len(self.baseline_) != 1 or self.n_trees_per_iteration_ != 1:
            raise ValueError("a regressor has one output")

    def _mean(self, scores: np.ndarray) -> np.ndarray:
        return np.exp(scores) if self.loss in ("gamma", "poisson") else scores

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._mean(self._scores(X).reshape(-1))

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """`predict` after each step."""
        for scores in self._staged_scores(X):
            yield self._mean(scores.reshape(-1))


FIRST, SECOND = np.zeros(1, np.intp), np.ones(1, np.intp)  # positions of classes, to be read only
for position in (FIRST, SECOND):
    position.flags.writeable = False


def most_probable(scores: np.ndarray) -> np.ndarray:
    """The position of the most probable class."""
    if scores.shape[1] > 1:
        return np.asarray(scores.argmax(axis=1))
    if len(scores) == 1:  # a row by itself waits for each of NumPy's calls
        return SECOND if scores.item() > 0 else FIRST
    return (scores[:, 0] > 0).astype(np.intp)


def squeezed(scores: np.ndarray) -> np.ndarray:
    """Scores of one output as one axis."""
    return scores.reshape(-1) if scores.shape[1] == 1 else scores
