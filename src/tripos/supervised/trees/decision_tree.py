"""`DecisionTreeClassifier` and `DecisionTreeRegressor`: exact CART.

    split (j, t):  maximise  Q(node) - (n_L / n) Q(left) - (n_R / n) Q(right)

over all columns j and all thresholds t between values that occur, with the impurity Q one of

    Gini                sum_k p_k (1 - p_k)
    entropy             - sum_k p_k log2 p_k
    squared error       mean (y - mean y)^2
    absolute error      mean |y - median y|
    Poisson             mean (y log(y / mean y))

References
----------
Breiman, Friedman, Olshen & Stone, "Classification and regression trees" (1984).
Hastie, Tibshirani & Friedman, "The elements of statistical learning", 2nd ed. (2009), section 9.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from tripos import labels
from tripos.base import Classifier, Regressor
from tripos.state import Labels, ListOf, OneOf
from tripos.supervised.trees import cart_grow as g
from tripos.supervised.trees import prune
from tripos.supervised.trees.cart_fit import Grown
from tripos.supervised.trees.cart_model import CartModel
from tripos.supervised.trees.cart_target import Target, class_target, number_target

EXACT_COUNT = 2.0**24  # whole numbers up to here are float32s


class DecisionTreeClassifier(CartModel, Classifier):
    """A decision tree for classes: exact CART, with missing values and categories as they are.

        split:  maximise  Q(node) - (n_L / n) Q(left) - (n_R / n) Q(right),    Q = sum_k p_k (1 - p_k)

    The same tree as scikit-learn's up to splits that gain exactly the same, of which the one on the first column is taken.
    Missing cells are tried on both sides of each split. Levels of a category are split into two sets: by the share of the
    second class, which finds the best sets for two classes, else by the share of the node's largest class.

    Parameters
    ----------
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        Q: Gini's index, or the entropy (log_loss is the same).
    splitter : {"best", "random"}, default="best"
        All thresholds, or one at random in each column.
    max_depth : int or None, default=None
        Splits between the root and a leaf at most.
    min_samples_split : int or float, default=2
        Rows a node must have to be split, or their share of all rows.
    min_samples_leaf : int or float, default=1
        Rows a leaf must have, or their share, whatever their weights.
    min_weight_fraction_leaf : float, default=0.0
        Share of the weight a leaf must have.
    max_features : int, float, {"sqrt", "log2"} or None, default=None
        Columns each node chooses from, drawn anew for each.
    random_state : int, RandomState or None, default=None
        Of columns drawn, random thresholds and rows held out; None is a fixed seed.
    max_leaf_nodes : int or None, default=None
        Leaves at most; the nodes that gain most are split first.
    min_impurity_decrease : float, default=0.0
        What a split must gain, times the node's share of the weight.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Factors of the rows' weights by class.
    ccp_alpha : float, default=0.0
        Cost of a leaf in cost-complexity pruning; `choose_ccp_alpha` finds it by cross-validation.
    monotonic_cst : array-like of int, dict or None, default=None
        1 where the second class's probability rises along a column, -1 where it falls, 0 for neither.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table. The 256 most frequent levels
        stand for themselves, all others count as missing.
    pruning : {"reduced_error", "pessimistic"} or None, default=None
        Prune by the errors on rows held out, or by the upper end of the confidence interval of each leaf's errors.
    validation_fraction : float, default=0.25
        Share of the rows held out for reduced-error pruning.
    confidence : float, default=0.25
        CF of pessimistic pruning; smaller prunes more.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them for several outputs
    n_classes_ : int or list of int
    n_outputs_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    max_features_ : int
    feature_importances_ : ndarray of shape (n_features,)
    gains_ : ndarray of shape (n_features,)
        Impurity decrease times weight of all splits on each column.
    tree_ : TreeArrays
        The tree under scikit-learn's names, made when asked for.
    cart_ : CartTree
        The tree as it is kept, 24 bytes a node for two classes.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984). Classification and regression trees.

    Quinlan (1987). Simplifying decision trees. doi:10.1016/S0020-7373(87)80053-6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import DecisionTreeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = DecisionTreeClassifier(max_depth=2).fit(X, y)
    >>> model.get_n_leaves(), round(model.score(X, y), 3)
    (3, 0.96)
    """

    _values_are_shares = True
    state: ClassVar[Mapping[str, Any]] = {"classes_": OneOf(Labels("classes"), ListOf(Labels()))}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CartModel._parameter_constraints,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        criterion: str = "gini",
        splitter: str = "best",
        max_depth: int | None = None,
        min_samples_split: Any = 2,
        min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = None,
        random_state: Any = None,
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        class_weight: Any = None,
        ccp_alpha: float = 0.0,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        pruning: str | None = None,
        validation_fraction: float = 0.25,
        confidence: float = 0.25,
    ) -> None:
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.pruning = pruning
        self.validation_fraction = validation_fraction
        self.confidence = confidence

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How far the tree grows, and what a leaf costs."""
        return {
            "min_samples_leaf": (1, 100, "log"),
            "ccp_alpha": (1e-5, 1e-2, "log"),
            "criterion": ["gini", "entropy"],
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, check_input: bool = True) -> Any:
        """Grow the tree.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
            NaN is a missing value. Cells are compared as float32.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        check_input : bool
            Kept for scikit-learn's callers; input is always checked.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight, check_finite=False, multi_output=True)
        if not training.in_memory:
            raise ValueError(
                f"{type(self).__name__} needs all rows in memory: pass one array or table instead of blocks"
            )
        codes, weights, rows = training.y, training.sample_weight, training.X
        codes = codes.reshape(len(codes), -1)
        weights = self._class_weighted(codes, weights)
        if weights is not None and not weights.all():
            keep = weights > 0
            if not keep.any():
                raise ValueError("class_weight leaves no row: give some class that occurs a weight above 0")
            rows, codes, weights = rows[keep], codes[keep], weights[keep]
        self._fit(rows, codes, weights)
        return self

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> Any:
        self._require_target(y)
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
        if len(shape) != 2 or shape[1] == 1:
            return super()._target(y, multi_output=False, reset=reset, classes=classes)
        columns = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
        encoded = [labels.encode_labels(labels.as_label_array(column)) for column in columns.T]
        self.classes_ = [found for found, _ in encoded]  # type: ignore[assignment]
        return np.ascontiguousarray(np.column_stack([codes for _, codes in encoded]))

    def _class_lists(self) -> list[np.ndarray]:
        return self.classes_ if isinstance(self.classes_, list) else [self.classes_]

    def _class_weighted(self, codes: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        per_output = self.class_weight if isinstance(self.class_weight, list) else None
        if per_output is not None and len(per_output) != codes.shape[1]:
            raise ValueError(f"class_weight has {len(per_output)} entries for {codes.shape[1]} outputs")
        w = np.ones(len(codes)) if weights is None else weights.astype(np.float64)
        factor = np.ones(len(codes))
        for o, found in enumerate(self._class_lists()):
            choice = self.class_weight if per_output is None else per_output[o]
            counts = np.bincount(codes[:, o], w, len(found))
            if isinstance(choice, dict):
                choice = {label: choice.get(label, 1.0) for label in found.tolist()}
            factor *= labels.class_factors(choice, found, counts)[codes[:, o]]
        return np.asarray(w * factor)

    def _check_directions(self) -> None:
        super()._check_directions()
        if len(self._class_lists()[0]) > 2:
            raise ValueError("Monotonicity constraints are not supported with multiclass classification")

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None) -> Target:
        criterion = "gini" if self.criterion == "gini" else "entropy"
        return class_target(y, [len(found) for found in self._class_lists()], criterion, weights)

    def _stored(self, grown: Grown, target: Target) -> tuple[np.ndarray, np.ndarray]:
        sums, W = grown.numbers[:, g.FIRST :], grown.numbers[:, g.WEIGHT]
        if self.monotonic_cst is not None and sums.shape[1] <= 2:
            bounds = grown.numbers[:, [g.LOWER, g.UPPER]]
            sums = np.clip(sums[:, -1] / W, bounds[:, 0], bounds[:, 1])[:, None] * W[:, None]
        if sums.shape[1] == 1 and len(self._class_lists()[0]) == 2:
            sums = np.column_stack([W - sums[:, 0], sums[:, 0]])
        elif sums.shape[1] == 1:
            sums = W[:, None]
        sums = sums / target.weight_scale
        whole = sums.max(initial=0.0) < EXACT_COUNT and (sums == np.floor(sums)).all()
        return np.ascontiguousarray(sums, dtype=np.float32 if whole else np.float64), np.empty(0)

    def _offsets(self) -> list[tuple[int, int]]:
        ends = np.cumsum([len(found) for found in self._class_lists()]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def _prepare(self) -> None:
        values = np.asarray(self.cart_.values, dtype=np.float64)
        self._shares = [
            values[:, a:b] / values[:, a:b].sum(axis=1, keepdims=True) for a, b in self._offsets()
        ]
        self._best = [share.argmax(axis=1) for share in self._shares]

    def _check_state(self) -> None:
        super()._check_state()
        known = self._class_lists()
        if len(known) != self.n_outputs_ or sum(map(len, known)) != self.cart_.values.shape[1]:
            raise ValueError("classes_, n_outputs_ and cart_ do not agree on the classes")
        if (self.cart_.values < 0).any() or not (self.cart_.values[:, : len(known[0])].sum(axis=1) > 0).all():
            raise ValueError("a node has no rows")

    @property
    def n_classes_(self) -> Any:
        """How many classes there are, a list for several outputs."""
        sizes = [len(found) for found in self._class_lists()]
        return sizes if isinstance(self.classes_, list) else sizes[0]

    def _impurities(self) -> np.ndarray:
        parts = []
        for p in self._shares:
            if self.criterion == "gini":
                parts.append(1.0 - (p * p).sum(axis=1))
            else:
                parts.append(-(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=1))
        return np.asarray(np.mean(parts, axis=0))

    def _node_values(self) -> np.ndarray:
        return np.hstack(self._shares)

    def _value(self) -> np.ndarray:
        out = np.zeros((self.cart_.n_nodes, self.n_outputs_, max(map(len, self._class_lists()))))
        for o, share in enumerate(self._shares):
            out[:, o, : share.shape[1]] = share
        return out

    def _training_errors(self) -> np.ndarray:
        a, b = self._offsets()[0]
        counts = np.asarray(self.cart_.values[:, a:b], dtype=np.float64)
        return np.asarray(counts.sum(axis=1) - counts.max(axis=1))

    def _held_out_errors(self, leaves: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = np.zeros(self.cart_.n_nodes)
        for o, share in enumerate(self._shares):
            rows = np.zeros((len(y), share.shape[1]))
            rows[np.arange(len(y)), y[:, o]] = weights
            counts = prune.sums_above(self.cart_, leaves, rows)
            total += counts.sum(axis=1) - counts[np.arange(len(counts)), self._best[o]]
        return total

    def predict(self, X: Any, check_input: bool = True) -> np.ndarray:
        """The largest class of each row's leaf.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        leaves = self._leaves(X)
        if self.n_outputs_ == 1:
            return self._labels(self._best[0].take(leaves))
        said = [
            found.take(best.take(leaves)) for found, best in zip(self._class_lists(), self._best, strict=True)
        ]
        return np.stack(said, axis=1)

    def predict_proba(self, X: Any, check_input: bool = True) -> Any:
        """Shares of the classes in each row's leaf, (n_rows, n_classes); a list of them for several outputs."""
        leaves = self._leaves(X)
        shares = [share.take(leaves, axis=0) for share in self._shares]
        return shares[0] if self.n_outputs_ == 1 else shares

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of `predict_proba`."""
        shares = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(shares) if self.n_outputs_ == 1 else [np.log(share) for share in shares]


class DecisionTreeRegressor(CartModel, Regressor):
    """A decision tree for numbers: exact CART, with missing values and categories as they are.

        split:  maximise  Q(node) - (n_L / n) Q(left) - (n_R / n) Q(right),    Q = mean (y - mean y)^2

    The same tree as scikit-learn's up to splits that gain exactly the same, of which the one on the first column is taken.
    Missing cells are tried on both sides of each split. Levels of a category are split into two sets by their mean.

    Parameters
    ----------
    criterion : {"squared_error", "friedman_mse", "absolute_error", "poisson"}, default="squared_error"
        Q. "friedman_mse" chooses the same splits as "squared_error"; scikit-learn has deprecated it.
    splitter : {"best", "random"}, default="best"
        All thresholds, or one at random in each column.
    max_depth : int or None, default=None
        Splits between the root and a leaf at most.
    min_samples_split : int or float, default=2
        Rows a node must have to be split, or their share of all rows.
    min_samples_leaf : int or float, default=1
        Rows a leaf must have, or their share, whatever their weights.
    min_weight_fraction_leaf : float, default=0.0
        Share of the weight a leaf must have.
    max_features : int, float, {"sqrt", "log2"} or None, default=None
        Columns each node chooses from, drawn anew for each.
    random_state : int, RandomState or None, default=None
        Of columns drawn, random thresholds and rows held out; None is a fixed seed.
    max_leaf_nodes : int or None, default=None
        Leaves at most; the nodes that gain most are split first.
    min_impurity_decrease : float, default=0.0
        What a split must gain, times the node's share of the weight.
    ccp_alpha : float, default=0.0
        Cost of a leaf in cost-complexity pruning; `choose_ccp_alpha` finds it by cross-validation.
    monotonic_cst : array-like of int, dict or None, default=None
        1 where predictions rise along a column, -1 where they fall, 0 for neither.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns that hold categories. "from_dtype": those of strings and categories in a table. The 256 most frequent levels
        stand for themselves, all others count as missing.
    pruning : {"reduced_error"} or None, default=None
        Prune by the squared errors on rows held out.
    validation_fraction : float, default=0.25
        Share of the rows held out for reduced-error pruning.

    Attributes
    ----------
    n_outputs_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    max_features_ : int
    feature_importances_ : ndarray of shape (n_features,)
    gains_ : ndarray of shape (n_features,)
        Impurity decrease times weight of all splits on each column.
    tree_ : TreeArrays
        The tree under scikit-learn's names, made when asked for.
    cart_ : CartTree
        The tree as it is kept, 32 bytes a node for one output.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984). Classification and regression trees.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import DecisionTreeRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = DecisionTreeRegressor(max_depth=2).fit(X, y)
    >>> model.get_n_leaves(), round(model.score(X, y), 3)
    (4, 0.441)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{k: v for k, v in CartModel._parameter_constraints.items() if k != "confidence"},
        "criterion": [StrOptions({"squared_error", "friedman_mse", "absolute_error", "poisson"})],
        "pruning": [StrOptions({"reduced_error"}), None],
    }

    def __init__(
        self,
        *,
        criterion: str = "squared_error",
        splitter: str = "best",
        max_depth: int | None = None,
        min_samples_split: Any = 2,
        min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = None,
        random_state: Any = None,
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        ccp_alpha: float = 0.0,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        pruning: str | None = None,
        validation_fraction: float = 0.25,
    ) -> None:
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.pruning = pruning
        self.validation_fraction = validation_fraction

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How far the tree grows."""
        return {"min_samples_leaf": (1, 100, "log"), "max_depth": [None, 6, 10, 15]}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, check_input: bool = True) -> Any:
        """Grow the tree.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
            NaN is a missing value. Cells are compared as float32.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        check_input : bool
            Kept for scikit-learn's callers; input is always checked.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight, check_finite=False, multi_output=True)
        if not training.in_memory:
            raise ValueError(
                f"{type(self).__name__} needs all rows in memory: pass one array or table instead of blocks"
            )
        if self.criterion == "friedman_mse":
            warnings.warn(
                'criterion="friedman_mse" is deprecated in scikit-learn 1.9: "squared_error" chooses the same splits',
                FutureWarning,
                stacklevel=2,
            )
        target = self._full_target
        self._fit(training.X, target.reshape(len(target), -1), training.sample_weight)
        del self._full_target
        return self

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        target = super()._target(y, multi_output=multi_output, reset=reset, classes=classes)
        self._full_target = np.ascontiguousarray(target, dtype=np.float64)  # not in X's precision
        if self.criterion == "poisson":
            if (target < 0).any():
                raise ValueError(
                    "Some value(s) of y are negative which is not allowed for Poisson regression."
                )
            if target.sum() <= 0:
                raise ValueError("Sum of y is not positive which is necessary for Poisson regression.")
        return target

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None) -> Target:
        criterion = "squared_error" if self.criterion == "friedman_mse" else self.criterion
        return number_target(y, criterion, weights)

    def _stored(self, grown: Grown, target: Target) -> tuple[np.ndarray, np.ndarray]:
        values = grown.numbers[:, g.FIRST + target.n_sums :].copy()
        if self.monotonic_cst is not None:
            bounds = grown.numbers[:, [g.LOWER, g.UPPER]] / target.scale + target.center
            values = np.clip(values, bounds[:, :1], bounds[:, 1:])
        return values, grown.numbers[:, g.IMPURITY].copy()

    def _check_state(self) -> None:
        super()._check_state()
        if self.n_outputs_ != self.cart_.values.shape[1] or len(self.cart_.impurities) != self.cart_.n_nodes:
            raise ValueError(f"cart_ is not for {self.n_outputs_} outputs")

    def _held_out_errors(self, leaves: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = np.hstack([weights[:, None], weights[:, None] * y, weights[:, None] * y * y])
        sums = prune.sums_above(self.cart_, leaves, rows)
        O, values = self.n_outputs_, self.cart_.values
        W, S, SS = sums[:, :1], sums[:, 1 : O + 1], sums[:, O + 1 :]
        return np.asarray((SS - 2.0 * values * S + W * values * values).sum(axis=1))

    def predict(self, X: Any, check_input: bool = True) -> np.ndarray:
        """The mean (for the absolute error the median) of each row's leaf.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        leaves = self._leaves(X)
        said = self.cart_.values.take(leaves, axis=0)
        return said[:, 0] if self.n_outputs_ == 1 else said
