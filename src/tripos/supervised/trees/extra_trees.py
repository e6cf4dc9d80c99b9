"""`ExtraTreesClassifier` and `ExtraTreesRegressor`."""

from __future__ import annotations

from typing import Any, ClassVar

from tripos.supervised.trees.forest_model import ForestClassifier, ForestRegressor


class ExtraTreesClassifier(ForestClassifier):
    """Extremely randomised trees for classes.

        p(c | x) = 1 / T sum_t share of class c in the leaf of x in tree t.

    Each tree cuts each of some columns drawn at random at one threshold drawn between the node's extremes, and takes the
    best of these cuts.
    Columns are cut into bins once, sums over bins are integers, and trees grow in threads. Missing values go to the better
    side, categories part into two sets of levels.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        What a split lowers; "log_loss" is "entropy".
    max_depth : int or None, default=None
        Splits between the root and a leaf at most; None grows leaves of one class or value.
    min_samples_split : int or float, default=2
        Rows, or their share, of a node that may be split, at least.
    min_samples_leaf : int or float, default=1
        Rows, or their share, in a leaf at least.
    min_weight_fraction_leaf : float, default=0
        Share of the weight in a leaf at least.
    max_features : {"sqrt", "log2"}, int, float or None, default="sqrt"
        Columns that a split chooses from: their number, their share, or all.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree at most; the splits that gain most come first.
    min_impurity_decrease : float, default=0
        What a split gains at least, as a share of the tree's weight.
    bootstrap : bool, default=False
        Whether each tree sees rows drawn with replacement, by their weights.
    oob_score : bool or callable, default=False
        Whether to score each row by the trees that did not draw it; a function f(y, prediction) instead of the accuracy.
    n_jobs : int or None, default=None
        Threads; None is all of them. The model is the same for any number.
    random_state : int, RandomState or None, default=None
        Draws rows, columns, cuts. None is a seed like any other, so that a fit can be repeated.
    verbose : int, default=0
        Without effect.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    class_weight : {"balanced", "balanced_subsample"}, dict, list of dicts or None, default=None
        Factors of the rows' weights by class label; "balanced_subsample" balances what each tree has drawn.
    ccp_alpha : float, default=0
        Cost of a leaf in minimal cost-complexity pruning.
    max_samples : int, float or None, default=None
        Rows that the bootstrap draws, or their share; None draws as many as there are.
    monotonic_cst : array-like of int or dict, default=None
        1 where answers rise along a column, -1 where they fall, 0 for neither; for two classes the probability of the second.
    splits : {"binned", "exact"}, default="binned"
        "binned": splits lie between up to 255 bins a column, which is exact where it has no more distinct values.
        "exact": between any two values, compared as float32, as in a single tree; slower.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them for several targets
    n_classes_ : int, or a list
    n_outputs_ : int
        Targets.
    estimators_ : list
        The trees, each as a fitted forest of one; made when asked for.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the impurity that splits take away.
    oob_score_ : float
    oob_decision_function_ : ndarray of shape (n_rows, n_classes)
        Answers of the trees that did not draw the row; NaN where all did.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees" (2006), doi:10.1007/s10994-006-6226-1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import ExtraTreesClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = ExtraTreesClassifier(n_estimators=20, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    random_cuts: ClassVar[bool] = True

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "gini",
        max_depth: int | None = None,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: str | int | float | None = "sqrt",
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = False,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        class_weight: Any = None,
        ccp_alpha: float = 0.0,
        max_samples: int | float | None = None,
        monotonic_cst: Any = None,
        splits: str = "binned",
        categorical_features: Any = "from_dtype",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.splits = splits
        self.categorical_features = categorical_features

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ExtraTreesClassifier:
        """Grow the trees.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
            NaN is a missing value; what CSR does not store is zero.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._grow(X, y, sample_weight)
        return self


class ExtraTreesRegressor(ForestRegressor):
    """Extremely randomised trees for numbers.

        f(x) = 1 / T sum_t mean of y in the leaf of x in tree t.

    Each tree cuts each of some columns drawn at random at one threshold drawn between the node's extremes, and takes the
    best of these cuts.
    Columns are cut into bins once, sums over bins are integers, and trees grow in threads. Missing values go to the better
    side, categories part into two sets of levels.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {"squared_error", "absolute_error", "friedman_mse", "poisson"}, default="squared_error"
        What a split lowers. For means "friedman_mse" chooses the same splits as "squared_error"; "absolute_error", whose
        leaves answer with medians, needs splits="exact".
    max_depth : int or None, default=None
        Splits between the root and a leaf at most; None grows leaves of one class or value.
    min_samples_split : int or float, default=2
        Rows, or their share, of a node that may be split, at least.
    min_samples_leaf : int or float, default=1
        Rows, or their share, in a leaf at least.
    min_weight_fraction_leaf : float, default=0
        Share of the weight in a leaf at least.
    max_features : {"sqrt", "log2"}, int, float or None, default=1.0
        Columns that a split chooses from: their number, their share, or all. Breiman advises a third, 1/3.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree at most; the splits that gain most come first.
    min_impurity_decrease : float, default=0
        What a split gains at least, as a share of the tree's weight.
    bootstrap : bool, default=False
        Whether each tree sees rows drawn with replacement, by their weights.
    oob_score : bool or callable, default=False
        Whether to score each row by the trees that did not draw it; a function f(y, prediction) instead of R2.
    n_jobs : int or None, default=None
        Threads; None is all of them. The model is the same for any number.
    random_state : int, RandomState or None, default=None
        Draws rows, columns, cuts. None is a seed like any other, so that a fit can be repeated.
    verbose : int, default=0
        Without effect.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    ccp_alpha : float, default=0
        Cost of a leaf in minimal cost-complexity pruning.
    max_samples : int, float or None, default=None
        Rows that the bootstrap draws, or their share; None draws as many as there are.
    monotonic_cst : array-like of int or dict, default=None
        1 where answers rise along a column, -1 where they fall, 0 for neither.
    splits : {"binned", "exact"}, default="binned"
        "binned": splits lie between up to 255 bins a column, which is exact where it has no more distinct values.
        "exact": between any two values, compared as float32, as in a single tree; slower.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table.

    Attributes
    ----------
    n_outputs_ : int
        Targets.
    estimators_ : list
        The trees, each as a fitted forest of one; made when asked for.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each column in the impurity that splits take away.
    oob_score_ : float
    oob_prediction_ : ndarray of shape (n_rows,)
        Answers of the trees that did not draw the row; NaN where all did.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees" (2006), doi:10.1007/s10994-006-6226-1.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import ExtraTreesRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ExtraTreesRegressor(n_estimators=20, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    random_cuts: ClassVar[bool] = True

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "squared_error",
        max_depth: int | None = None,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: str | int | float | None = 1.0,
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = False,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        ccp_alpha: float = 0.0,
        max_samples: int | float | None = None,
        monotonic_cst: Any = None,
        splits: str = "binned",
        categorical_features: Any = "from_dtype",
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.splits = splits
        self.categorical_features = categorical_features

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ExtraTreesRegressor:
        """Grow the trees.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
            NaN is a missing value; what CSR does not store is zero.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._grow(X, y, sample_weight)
        return self
