"""`BoostedTreesClassifier` and `BoostedTreesRegressor`."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, roc_auc_score
from sklearn.utils._param_validation import Interval, StrOptions

from tripos import labels
from tripos.base import Classifier, Regressor
from tripos.labels import class_factors
from tripos.objective.losses import (
    ABSOLUTE,
    GAMMA,
    LOG,
    POISSON,
    SOFTMAX,
    SQUARED,
    Loss,
    huber,
    quantile,
    tweedie,
)
from tripos.supervised.linear.probabilities import probabilities
from tripos.supervised.trees.boosted import BoostedTrees
from tripos.supervised.trees.hist_gradient_boosting import most_probable, squeezed
from tripos.supervised.trees.histogram_boosting import Part

LOGARITHMIC = ("poisson", "gamma", "tweedie")  # losses that model the logarithm of the mean


class BoostedTreesClassifier(BoostedTrees, Classifier):
    """Boosted trees for classes, in the terms of XGBoost and LightGBM.

    Each step minimises, over trees with leaf values w,

        sum_i w_i L(y_i, F(x_i) + w(x_i)) + lambda |w|^2 / 2 + alpha |w|_1 + gamma (number of leaves)

    to second order, where L is the log loss (softmax for more than two classes), and adds nu times that tree. `HistGradientBoostingClassifier` is the same method under scikit-learn's names.

    Parameters
    ----------
    n_estimators : int, default=100
        Steps at most; for more than two classes each has a tree per class.
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    max_leaves : int, default=31
        Leaves of a tree at most; 0 for any number.
    max_depth : int, default=0
        Splits between the root and a leaf at most; 0 for any number.
    growth : {"leaf-wise", "depth-wise", "symmetric"}, default="leaf-wise"
        Whether the split that gains most comes first, or the one nearest to the root; "symmetric": all nodes of a level
        have one split, on numbers (or `categories="ordered"`), in `max_depth` levels (0: as many as `max_leaves` fill).
    min_child_weight : float, default=1e-3
        Hessian of a leaf at least.
    min_child_samples : int, default=20
        Rows in a leaf at least.
    reg_lambda : float, default=0
        lambda, of lambda w^2 / 2 for a leaf's value w.
    reg_alpha : float, default=0
        alpha, of alpha |w|.
    gamma : float, default=0
        Penalty of each leaf.
    max_delta_step : float, default=0
        Size of a leaf's value at most, before nu; 0 for any size.
    subsample : float, default=1
        Share of the rows that each tree is grown on.
    colsample_bytree : float, default=1
        Share of the columns drawn for each tree.
    colsample_bylevel : float, default=1
        Share of the tree's columns drawn for each level.
    colsample_bynode : float, default=1
        Share of the level's columns drawn for each split.
    max_bins : int, default=255
        Bins of a column at most, beside the one for missing values.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories; "from_dtype": those of strings and categories in a table.
    cat_smooth : float, default=10
        Rows that are added to a level before levels are put in order. Levels with fewer rows are not told apart, and in a
        column of more than ten levels those with less than a tenth of it for each level.
    monotonic_cst : array-like of int or dict, default=None
        1 where predictions rise along a column, -1 where they fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of int, default=None
        Sets of columns that may stand together on a path from the root to a leaf.
    scale_pos_weight : float, default=1
        Factor of the weights of the second of two classes.
    class_weight : dict or "balanced", default=None
        Factors of the rows' weights by class label.
    objective : "log_loss" or callable, default="log_loss"
        A function (y, raw, weight) -> (gradient, hessian) of class positions, scores and weights (or None); its
        scores are turned into probabilities as those of the log loss.
    eval_metric : str, callable or list of them, default="loss"
        What is noted of each evaluation set: "loss", "error", "accuracy" or "auc" (two classes), or a function of
        class positions and probabilities that returns a number, smaller for better, or (name, number, larger is better).
    early_stopping_rounds : int, default=None
        Steps without a better first measure on the last evaluation set after which the fit stops.
    boosting : {"gbdt", "dart", "goss"}, default="gbdt"
        "dart": trees rest at random while a new one grows; "goss": each tree is grown on the rows with the largest
        gradients and some of the others, after 1 / learning_rate steps on all rows.
    rate_drop : float, default=0.1
        For "dart": the probability that a tree rests.
    skip_drop : float, default=0.5
        For "dart": the probability that none does.
    top_rate : float, default=0.2
        For "goss": the share of rows with the largest gradients.
    other_rate : float, default=0.1
        For "goss": the share of rows that are drawn from the others.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    random_state : int, RandomState or None, default=None
        Draws rows and columns. None is a seed like any other, so that a fit can be repeated.
    categories : {"native", "ordered"}, default="native"
        "native": a split parts the levels into two sets; "ordered": a level is the mean of the target over rows that
        come earlier in a random order, and how frequent it is, which serves columns of many levels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
        Steps that were grown.
    estimators_ : ndarray of shape (n_iter_, n_outputs)
        The trees, each a `BoostedTreesRegressor` of what it adds to the scores; made when asked for.
    best_iteration_ : int
        Steps that predictions use: those up to the best score where the fit stopped early, else all.
    evals_result_ : dict of dict of lists
        Evaluation set -> measure -> value after each step.
    is_categorical_ : ndarray of shape (n_features_in_,) or None
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits; see `importances`.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785. G. Ke et al., "LightGBM" (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import BoostedTreesClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BoostedTreesClassifier(n_estimators=20, max_depth=3).fit(X, y)
    >>> model.predict(X[:1], n_trees=5)
    array([0])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BoostedTrees._parameter_constraints,
        "scale_pos_weight": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "objective": [StrOptions({"log_loss"}), callable],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.1,
        max_leaves: int = 31,
        max_depth: int = 0,
        growth: str = "leaf-wise",
        min_child_weight: float = 1e-3,
        min_child_samples: int = 20,
        reg_lambda: float = 0.0,
        reg_alpha: float = 0.0,
        gamma: float = 0.0,
        max_delta_step: float = 0.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        colsample_bylevel: float = 1.0,
        colsample_bynode: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        cat_smooth: float = 10.0,
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        scale_pos_weight: float = 1.0,
        class_weight: Any = None,
        objective: Any = "log_loss",
        eval_metric: Any = "loss",
        early_stopping_rounds: int | None = None,
        boosting: str = "gbdt",
        rate_drop: float = 0.1,
        skip_drop: float = 0.5,
        top_rate: float = 0.2,
        other_rate: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
        categories: str = "native",
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaves = max_leaves
        self.max_depth = max_depth
        self.growth = growth
        self.min_child_weight = min_child_weight
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.gamma = gamma
        self.max_delta_step = max_delta_step
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.colsample_bylevel = colsample_bylevel
        self.colsample_bynode = colsample_bynode
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.cat_smooth = cat_smooth
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.scale_pos_weight = scale_pos_weight
        self.class_weight = class_weight
        self.objective = objective
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.boosting = boosting
        self.rate_drop = rate_drop
        self.skip_drop = skip_drop
        self.top_rate = top_rate
        self.other_rate = other_rate
        self.warm_start = warm_start
        self.random_state = random_state
        self.categories = categories

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        init_score: Any = None,
    ) -> BoostedTreesClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), table, or `BinnedRows` from `bin`
            NaN is a missing value.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        eval_set : (X, y), or list of such pairs, optional
            Rows that are measured after each step.
        init_score : array-like of shape (n_rows,) or (n_rows, n_outputs), optional
            Scores that the trees start from, which are no part of the model; without them it is the best constant.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, eval_set, init_score)
        return self

    def _objective(self) -> Loss:
        if len(self.classes_) < 2:
            raise ValueError(
                f"only one class: {self.classes_.tolist()[0]!r}. A classifier needs rows of at least 2 classes"
            )
        if len(self.classes_) > 2 and self.scale_pos_weight != 1.0:
            raise ValueError("scale_pos_weight is for two classes; use class_weight")
        return LOG if len(self.classes_) == 2 else SOFTMAX

    def _n_outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None and self.scale_pos_weight == 1.0:
            return sample_weight
        totals = np.bincount(y, sample_weight, len(self.classes_)).astype(np.float64)
        factors = class_factors(self.class_weight, self.classes_, totals)
        if len(factors) == 2:
            factors = factors * [1.0, self.scale_pos_weight]
        return np.asarray(factors[y] if sample_weight is None else factors[y] * sample_weight)

    def _means(self, y: np.ndarray) -> np.ndarray:
        if len(self.classes_) == 2:
            return super()._means(y)
        return np.asarray(y[:, None] == np.arange(len(self.classes_)), dtype=np.float64)

    def _validation_target(self, y: Any) -> np.ndarray:
        return labels.codes_of(labels.as_label_array(y), self.classes_)

    def _predicted(self, scores: np.ndarray) -> np.ndarray:
        p = probabilities(squeezed(scores), log_scale=False)
        return p[:, 1] if scores.shape[1] == 1 else p

    def _measure(self, name: str, part: Part, loss: Loss) -> float:
        if name in ("error", "accuracy"):
            wrong = float(np.mean(most_probable(part.scores) != part.y))
            return wrong if name == "error" else 1 - wrong
        if name == "auc" and loss is LOG:
            return float(roc_auc_score(part.y, part.scores[:, 0]))
        raise ValueError(
            f"eval_metric must be 'loss', 'error', 'accuracy' or 'auc' (two classes), got {name!r}"
        )

    def _check_state(self) -> None:
        super()._check_state()
        if len(self.classes_) < 2 or len(self.baseline_) != self._n_outputs():
            raise ValueError(f"baseline_ has {len(self.baseline_)} outputs for {len(self.classes_)} classes")

    def predict(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        n_trees : int, optional
            Use the first so many steps; by default `best_iteration_`.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self._labels(most_probable(self._first(X, n_trees)))

    def decision_function(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """Scores F: log odds of the second class, shape (n_rows,), or one score per class, (n_rows, n_classes)."""
        return squeezed(self._first(X, n_trees))

    def predict_proba(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes)."""
        return probabilities(squeezed(self._first(X, n_trees)), log_scale=False)

    def predict_log_proba(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """Logarithms of `predict_proba`, finite however sure the model is."""
        return probabilities(squeezed(self._first(X, n_trees)), log_scale=True)


class BoostedTreesRegressor(BoostedTrees, Regressor):
    """Boosted trees for numbers, in the terms of XGBoost and LightGBM.

    Each step minimises, over trees with leaf values w,

        sum_i w_i L(y_i, F(x_i) + w(x_i)) + lambda |w|^2 / 2 + alpha |w|_1 + gamma (number of leaves)

    to second order, and adds nu times that tree. `HistGradientBoostingRegressor` is the same method under scikit-learn's names.

    Parameters
    ----------
    n_estimators : int, default=100
        Steps at most; for more than two classes each has a tree per class.
    learning_rate : float, default=0.1
        nu: what each tree's values are multiplied by.
    max_leaves : int, default=31
        Leaves of a tree at most; 0 for any number.
    max_depth : int, default=0
        Splits between the root and a leaf at most; 0 for any number.
    growth : {"leaf-wise", "depth-wise", "symmetric"}, default="leaf-wise"
        Whether the split that gains most comes first, or the one nearest to the root; "symmetric": all nodes of a level
        have one split, on numbers (or `categories="ordered"`), in `max_depth` levels (0: as many as `max_leaves` fill).
    min_child_weight : float, default=1e-3
        Hessian of a leaf at least.
    min_child_samples : int, default=20
        Rows in a leaf at least.
    reg_lambda : float, default=0
        lambda, of lambda w^2 / 2 for a leaf's value w.
    reg_alpha : float, default=0
        alpha, of alpha |w|.
    gamma : float, default=0
        Penalty of each leaf.
    max_delta_step : float, default=0
        Size of a leaf's value at most, before nu; 0 for any size.
    subsample : float, default=1
        Share of the rows that each tree is grown on.
    colsample_bytree : float, default=1
        Share of the columns drawn for each tree.
    colsample_bylevel : float, default=1
        Share of the tree's columns drawn for each level.
    colsample_bynode : float, default=1
        Share of the level's columns drawn for each split.
    max_bins : int, default=255
        Bins of a column at most, beside the one for missing values.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories; "from_dtype": those of strings and categories in a table.
    cat_smooth : float, default=10
        Rows that are added to a level before levels are put in order. Levels with fewer rows are not told apart, and in a
        column of more than ten levels those with less than a tenth of it for each level.
    monotonic_cst : array-like of int or dict, default=None
        1 where predictions rise along a column, -1 where they fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of int, default=None
        Sets of columns that may stand together on a path from the root to a leaf.
    objective : str or callable, default="squared_error"
        "squared_error", "absolute_error", "huber", "quantile", or "poisson", "gamma", "tweedie", which model the
        logarithm of the mean; or a function (y, raw, weight) -> (gradient, hessian) of targets, scores and weights
        (or None), whose scores are the predictions.
    alpha : float, default=0.9
        The quantile, or where Huber's loss turns from a parabola into a line.
    tweedie_power : float, default=1.5
        Between 1 (Poisson) and 2 (gamma).
    eval_metric : str, callable or list of them, default="loss"
        What is noted of each evaluation set: "loss", "rmse", "mae" or "r2", or a function of targets and predictions
        that returns a number, smaller for better, or (name, number, larger is better).
    early_stopping_rounds : int, default=None
        Steps without a better first measure on the last evaluation set after which the fit stops.
    boosting : {"gbdt", "dart", "goss"}, default="gbdt"
        "dart": trees rest at random while a new one grows; "goss": each tree is grown on the rows with the largest
        gradients and some of the others, after 1 / learning_rate steps on all rows.
    rate_drop : float, default=0.1
        For "dart": the probability that a tree rests.
    skip_drop : float, default=0.5
        For "dart": the probability that none does.
    top_rate : float, default=0.2
        For "goss": the share of rows with the largest gradients.
    other_rate : float, default=0.1
        For "goss": the share of rows that are drawn from the others.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    random_state : int, RandomState or None, default=None
        Draws rows and columns. None is a seed like any other, so that a fit can be repeated.
    categories : {"native", "ordered"}, default="native"
        "native": a split parts the levels into two sets; "ordered": a level is the mean of the target over rows that
        come earlier in a random order, and how frequent it is, which serves columns of many levels.

    Attributes
    ----------
    n_iter_ : int
        Steps that were grown.
    estimators_ : ndarray of shape (n_iter_, n_outputs)
        The trees, each a `BoostedTreesRegressor` of what it adds to the scores; made when asked for.
    best_iteration_ : int
        Steps that predictions use: those up to the best score where the fit stopped early, else all.
    evals_result_ : dict of dict of lists
        Evaluation set -> measure -> value after each step.
    is_categorical_ : ndarray of shape (n_features_in_,) or None
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the gain of all splits; see `importances`.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785. G. Ke et al., "LightGBM" (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import BoostedTreesRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = BoostedTreesRegressor(n_estimators=20, reg_lambda=1.0).fit(X, y)
    >>> round(model.score(X, y), 2) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BoostedTrees._parameter_constraints,
        "objective": [
            StrOptions(
                {"squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"}
            ),
            callable,
        ],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "tweedie_power": [Interval(Real, 1, 2, closed="both")],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.1,
        max_leaves: int = 31,
        max_depth: int = 0,
        growth: str = "leaf-wise",
        min_child_weight: float = 1e-3,
        min_child_samples: int = 20,
        reg_lambda: float = 0.0,
        reg_alpha: float = 0.0,
        gamma: float = 0.0,
        max_delta_step: float = 0.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        colsample_bylevel: float = 1.0,
        colsample_bynode: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        cat_smooth: float = 10.0,
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        objective: Any = "squared_error",
        alpha: float = 0.9,
        tweedie_power: float = 1.5,
        eval_metric: Any = "loss",
        early_stopping_rounds: int | None = None,
        boosting: str = "gbdt",
        rate_drop: float = 0.1,
        skip_drop: float = 0.5,
        top_rate: float = 0.2,
        other_rate: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
        categories: str = "native",
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaves = max_leaves
        self.max_depth = max_depth
        self.growth = growth
        self.min_child_weight = min_child_weight
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.gamma = gamma
        self.max_delta_step = max_delta_step
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.colsample_bylevel = colsample_bylevel
        self.colsample_bynode = colsample_bynode
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.cat_smooth = cat_smooth
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.objective = objective
        self.alpha = alpha
        self.tweedie_power = tweedie_power
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.boosting = boosting
        self.rate_drop = rate_drop
        self.skip_drop = skip_drop
        self.top_rate = top_rate
        self.other_rate = other_rate
        self.warm_start = warm_start
        self.random_state = random_state
        self.categories = categories

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        init_score: Any = None,
    ) -> BoostedTreesRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), table, or `BinnedRows` from `bin`
            NaN is a missing value.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            With several columns each step has a tree for each.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        eval_set : (X, y), or list of such pairs, optional
            Rows that are measured after each step.
        init_score : array-like of shape (n_rows,) or (n_rows, n_outputs), optional
            Scores that the trees start from, which are no part of the model; without them it is the best constant.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, eval_set, init_score)
        return self

    _several: ClassVar[bool] = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _n_outputs(self) -> int:
        return int(self._n_targets)

    def _predicted(self, scores: np.ndarray) -> np.ndarray:
        return self._mean(squeezed(scores))

    def _objective(self) -> Loss:
        if callable(self.objective):
            return SQUARED
        fixed: dict[str, Loss] = {
            "squared_error": SQUARED,
            "absolute_error": ABSOLUTE,
            "gamma": GAMMA,
            "poisson": POISSON,
        }
        if self.objective in fixed:
            return fixed[self.objective]
        if self.objective == "tweedie":
            return tweedie(self.tweedie_power)
        return quantile(self.alpha) if self.objective == "quantile" else huber(self.alpha)

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        target = super()._target(y, multi_output=multi_output, reset=reset, classes=classes)
        self._objective().check_target(target)
        if self.objective in LOGARITHMIC and not target.sum() > 0:
            raise ValueError(
                f"objective={self.objective!r} models the logarithm of the mean: y must not be all zero"
            )
        return target

    def _validation_target(self, y: Any) -> np.ndarray:
        return self._target(y, multi_output=True, reset=False, classes=None)

    def _measure(self, name: str, part: Part, loss: Loss) -> float:
        mean = self._mean(squeezed(part.scores))
        if name == "rmse":
            return float(np.sqrt(mean_squared_error(part.y, mean)))
        if name == "mae":
            return float(mean_absolute_error(part.y, mean))
        if name == "r2":
            return float(r2_score(part.y, mean))
        raise ValueError(f"eval_metric must be 'loss', 'rmse', 'mae' or 'r2', got {name!r}")

    def _mean(self, scores: np.ndarray) -> np.ndarray:
        return np.exp(scores) if self.objective in LOGARITHMIC else scores

    def predict(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The prediction for each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        n_trees : int, optional
            Use the first so many steps; by default `best_iteration_`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        return self._mean(squeezed(self._first(X, n_trees)))
