"""`GradientBoostingClassifier` and `GradientBoostingRegressor`: scikit-learn's signatures on binned trees."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Classifier, Regressor
from tripos.objective.losses import ABSOLUTE, EXPONENTIAL, LOG, SOFTMAX, SQUARED, Loss, huber, quantile
from tripos.supervised.linear.probabilities import probabilities
from tripos.supervised.trees.friedman import FriedmanBoosting
from tripos.supervised.trees.hist_gradient_boosting import most_probable, squeezed


class GradientBoostingClassifier(FriedmanBoosting, Classifier):
    """Gradient boosting as Friedman has it, for classes.

    Each tree is grown on the gradients of the loss alone, and each of its leaves takes a Newton step of its own (see
    `tripos.supervised.trees.first_order`). Splits are between bins, at most 255 of a column: where a column has no more distinct
    values they are scikit-learn's, else quantiles. Missing values and categories are taken as they are.

    Parameters
    ----------
    loss : {"log_loss", "exponential"}, default="log_loss"
        "exponential" is AdaBoost's, for two classes.
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    n_estimators : int, default=100
        Steps; for more than two classes each has a tree per class.
    subsample : float, default=1
        Share of the rows that each tree is grown on; below 1 the others measure `oob_improvement_`.
    criterion : str, default="deprecated"
        Without effect, as in scikit-learn: splits lower the squared error of the gradients.
    min_samples_split : int or float, default=2
        Rows of a node that is split, at least; a float is a share of all rows.
    min_samples_leaf : int or float, default=1
        Rows in a leaf at least; a float is a share of all rows.
    min_weight_fraction_leaf : float, default=0
        Share of all weight in a leaf at least.
    max_depth : int or None, default=3
        Splits between the root and a leaf at most.
    min_impurity_decrease : float, default=0
        By how much a split lowers the mean squared error of the gradients, at least, counted over all rows.
    init : estimator, "zero" or None, default=None
        What the scores start from: the predictions of an estimator, zero, or the best constant. `shap_values` and rules
        are of the trees alone.
    random_state : int, RandomState or None, default=None
        Draws rows and columns. None is a seed like any other, so that a fit can be repeated.
    max_features : int, float, "sqrt", "log2" or None, default=None
        Columns that each split chooses from.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree at most; then the split that gains most comes first.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, with `n_iter_no_change`.
    n_iter_no_change : int or None, default=None
        Steps without a better loss of the rows held out after which the fit stops.
    tol : float, default=1e-4
        How much better is better.
    ccp_alpha : float, default=0
        Must be 0: trees are not pruned.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_estimators_ : int
        Steps that were grown.
    n_trees_per_iteration_ : int
    max_features_ : int
    train_score_ : ndarray of shape (n_estimators_,)
        Loss of the rows each tree was grown on.
    oob_improvement_ : ndarray of shape (n_estimators_,)
        By how much each step lowers the loss of the rows it was not grown on; with `subsample` below 1.
    oob_scores_ : ndarray of shape (n_estimators_,)
        Their loss.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    J. Friedman (2001), doi:10.1214/aos/1013203451; "Stochastic gradient boosting" (2002),
    doi:10.1016/S0167-9473(01)00065-2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import GradientBoostingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> GradientBoostingClassifier(n_estimators=20).fit(X, y).score(X, y) > 0.98
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **FriedmanBoosting._parameter_constraints,
        "loss": [StrOptions({"log_loss", "exponential"})],
    }

    def __init__(
        self,
        *,
        loss: str = "log_loss",
        learning_rate: float = 0.1,
        n_estimators: int = 100,
        subsample: float = 1.0,
        criterion: str = "deprecated",
        min_samples_split: Any = 2,
        min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_depth: int | None = 3,
        min_impurity_decrease: float = 0.0,
        init: Any = None,
        random_state: Any = None,
        max_features: Any = None,
        verbose: int = 0,
        max_leaf_nodes: int | None = None,
        warm_start: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        tol: float = 1e-4,
        ccp_alpha: float = 0.0,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.n_estimators = n_estimators
        self.subsample = subsample
        self.criterion = criterion
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_depth = max_depth
        self.min_impurity_decrease = min_impurity_decrease
        self.init = init
        self.random_state = random_state
        self.max_features = max_features
        self.verbose = verbose
        self.max_leaf_nodes = max_leaf_nodes
        self.warm_start = warm_start
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.ccp_alpha = ccp_alpha

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, monitor: Any = None
    ) -> GradientBoostingClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        monitor : callable, optional
            Called with the step, the model and an empty dict after each step; the fit stops where it returns True.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, monitor)
        return self

    def _loss(self) -> Loss:
        n = len(self.classes_)
        if n < 2:
            raise ValueError(
                f"only one class: {self.classes_.tolist()[0]!r}. A classifier needs rows of at least 2 classes"
            )
        if self.loss == "exponential":
            if n > 2:
                raise ValueError(
                    f"loss='exponential' is only suitable for a binary classification problem, y has {n} classes"
                )
            return EXPONENTIAL
        return LOG if n == 2 else SOFTMAX

    @property
    def n_classes_(self) -> int:
        return len(self.classes_)

    @property
    def init_(self) -> Any:
        """The fitted `init`; without, what predicts the shares of the classes, or "zero"."""
        if "starters_" in vars(self):
            return self.starters_[0]
        if isinstance(self.init, str):
            return "zero"
        share = probabilities(self._log_odds(self.baseline_[None, :]), log_scale=False)[0]
        return DummyClassifier(strategy="prior").fit(np.zeros((len(share), 1)), self.classes_, share)

    def _n_outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _check_state(self) -> None:
        super()._check_state()
        if len(self.classes_) < 2 or len(self.baseline_) != self._n_outputs():
            raise ValueError(f"baseline_ has {len(self.baseline_)} outputs for {len(self.classes_)} classes")

    def _log_odds(self, scores: np.ndarray) -> np.ndarray:
        return squeezed(scores) * (2.0 if self.loss == "exponential" else 1.0)

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
        """Scores F, shape (n_rows,) for two classes, else (n_rows, n_classes)."""
        return squeezed(self._scores(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes)."""
        return probabilities(self._log_odds(self._scores(X)), log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`, finite however sure the model is."""
        return probabilities(self._log_odds(self._scores(X)), log_scale=True)

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
            yield probabilities(self._log_odds(scores), log_scale=False)


class GradientBoostingRegressor(FriedmanBoosting, Regressor):
    """Gradient boosting as Friedman has it, for numbers.

    Each tree is grown on the gradients of the loss alone, and each of its leaves takes the best step for its rows (see
    `tripos.supervised.trees.first_order`). Splits are between bins, at most 255 of a column: where a column has no more distinct
    values they are scikit-learn's, else quantiles. Missing values and categories are taken as they are.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "quantile"}, default="squared_error"
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    n_estimators : int, default=100
        Steps; for more than two classes each has a tree per class.
    subsample : float, default=1
        Share of the rows that each tree is grown on; below 1 the others measure `oob_improvement_`.
    criterion : str, default="deprecated"
        Without effect, as in scikit-learn: splits lower the squared error of the gradients.
    min_samples_split : int or float, default=2
        Rows of a node that is split, at least; a float is a share of all rows.
    min_samples_leaf : int or float, default=1
        Rows in a leaf at least; a float is a share of all rows.
    min_weight_fraction_leaf : float, default=0
        Share of all weight in a leaf at least.
    max_depth : int or None, default=3
        Splits between the root and a leaf at most.
    min_impurity_decrease : float, default=0
        By how much a split lowers the mean squared error of the gradients, at least, counted over all rows.
    init : estimator, "zero" or None, default=None
        What the scores start from: the predictions of an estimator, zero, or the best constant. `shap_values` and rules
        are of the trees alone.
    random_state : int, RandomState or None, default=None
        Draws rows and columns. None is a seed like any other, so that a fit can be repeated.
    max_features : int, float, "sqrt", "log2" or None, default=None
        Columns that each split chooses from.
    alpha : float, default=0.9
        The quantile, or for "huber" the share of rows whose residuals are not clipped.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree at most; then the split that gains most comes first.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, with `n_iter_no_change`.
    n_iter_no_change : int or None, default=None
        Steps without a better loss of the rows held out after which the fit stops.
    tol : float, default=1e-4
        How much better is better.
    ccp_alpha : float, default=0
        Must be 0: trees are not pruned.

    Attributes
    ----------
    n_estimators_ : int
        Steps that were grown.
    n_trees_per_iteration_ : int
    max_features_ : int
    train_score_ : ndarray of shape (n_estimators_,)
        Loss of the rows each tree was grown on.
    oob_improvement_ : ndarray of shape (n_estimators_,)
        By how much each step lowers the loss of the rows it was not grown on; with `subsample` below 1.
    oob_scores_ : ndarray of shape (n_estimators_,)
        Their loss.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    J. Friedman (2001), doi:10.1214/aos/1013203451; "Stochastic gradient boosting" (2002),
    doi:10.1016/S0167-9473(01)00065-2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import GradientBoostingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> GradientBoostingRegressor(n_estimators=50).fit(X, y).score(X, y) > 0.6
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **FriedmanBoosting._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "quantile"})],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        *,
        loss: str = "squared_error",
        learning_rate: float = 0.1,
        n_estimators: int = 100,
        subsample: float = 1.0,
        criterion: str = "deprecated",
        min_samples_split: Any = 2,
        min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_depth: int | None = 3,
        min_impurity_decrease: float = 0.0,
        init: Any = None,
        random_state: Any = None,
        max_features: Any = None,
        alpha: float = 0.9,
        verbose: int = 0,
        max_leaf_nodes: int | None = None,
        warm_start: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        tol: float = 1e-4,
        ccp_alpha: float = 0.0,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.n_estimators = n_estimators
        self.subsample = subsample
        self.criterion = criterion
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_depth = max_depth
        self.min_impurity_decrease = min_impurity_decrease
        self.init = init
        self.random_state = random_state
        self.max_features = max_features
        self.alpha = alpha
        self.verbose = verbose
        self.max_leaf_nodes = max_leaf_nodes
        self.warm_start = warm_start
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.ccp_alpha = ccp_alpha

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, monitor: Any = None
    ) -> GradientBoostingRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        monitor : callable, optional
            Called with the step, the model and an empty dict after each step; the fit stops where it returns True.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, monitor)
        return self

    def _loss(self) -> Loss:
        if self.loss == "quantile":
            return quantile(self.alpha)
        return {"squared_error": SQUARED, "absolute_error": ABSOLUTE, "huber": huber(1.0)}[self.loss]

    @property
    def init_(self) -> Any:
        """The fitted `init`; without, what predicts the constant, or "zero"."""
        if "starters_" in vars(self):
            return self.starters_[0]
        if isinstance(self.init, str):
            return "zero"
        return DummyRegressor(strategy="constant", constant=self.baseline_[0]).fit([[0.0]], self.baseline_)

    def _check_state(self) -> None:
        super()._check_state()
        if len(self.baseline_) != 1:
            raise ValueError("a regressor has one output")

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._scores(X).reshape(-1)

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """`predict` after each step."""
        for scores in self._staged_scores(X):
            yield scores.reshape(-1)
