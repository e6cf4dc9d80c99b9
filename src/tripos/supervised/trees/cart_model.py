"""What decision trees for classes and for numbers share: input, growth, pruning, and what they show."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos import inputs
from tripos.compute.random import generator
from tripos.data.needs import Needs
from tripos.state import Array, ListOf, Nested, Number
from tripos.supervised.trees import cart_grow as g
from tripos.supervised.trees import prune
from tripos.supervised.trees.cart_fit import Grown, Limits, grow_tree
from tripos.supervised.trees.cart_sort import InfiniteCell, sort_columns
from tripos.supervised.trees.cart_target import Target
from tripos.supervised.trees.cart_tree import CartTree, TreeArrays
from tripos.supervised.trees.columns import NativeColumns
from tripos.supervised.trees.limits import LIMITS, columns_tried, rows_meant
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.understanding import Understood

MOST_LEVELS = 256
SEED = 0  # of random_state=None: a fit can be repeated


class CartModel(Understood, NativeColumns):
    """A decision tree with `cart_`."""

    needs: ClassVar[Needs] = Needs(categories="native", missing="native", text="none", sparse=True)
    interpretability: ClassVar[str] = "high"
    state: ClassVar[Mapping[str, Any]] = {
        "cart_": Nested("CartTree"),
        "gains_": Array("f", (None,), low=0.0),
        "n_outputs_": Number("i", low=1),
        "max_features_": Number("i", low=1),
        "categories_": ListOf(Array("f", (None,), optional=True), optional=True),
    }
    cart_: CartTree
    gains_: np.ndarray
    n_outputs_: int
    max_features_: int
    is_categorical_: np.ndarray | None
    categories_: list[np.ndarray | None] | None
    criterion: str
    splitter: str
    max_depth: int | None
    min_samples_split: Any
    min_samples_leaf: Any
    min_weight_fraction_leaf: float
    max_features: Any
    random_state: Any
    max_leaf_nodes: int | None
    min_impurity_decrease: float
    ccp_alpha: float
    monotonic_cst: Any
    categorical_features: Any
    pruning: str | None
    validation_fraction: float
    confidence: float

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LIMITS,
        "splitter": [StrOptions({"best", "random"})],
        "monotonic_cst": ["array-like", dict, None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "pruning": [StrOptions({"reduced_error", "pessimistic"}), None],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="neither")],
        "confidence": [Interval(Real, 0.0, 0.5, closed="right")],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None) -> Target:
        """The target the tree is grown on."""
        raise NotImplementedError

    def _stored(self, grown: Grown, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """What each node says, and impurities where these do not follow from it."""
        raise NotImplementedError

    def _impurities(self) -> np.ndarray:
        return self.cart_.impurities

    # ---- fit -----------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Grows and prunes the tree; y is (n_rows, n_outputs), weights are positive or None."""
        self.n_outputs_ = y.shape[1]
        categorical = self._categorical(X.shape[1])
        directions = self._directions()
        if directions is not None:
            self._check_directions()
        X = self._learn_categories(X, categorical)
        held: np.ndarray | None = None
        if self.pruning == "reduced_error":
            draws = generator(self.random_state if self.random_state is not None else SEED).random(len(y))
            held = np.asarray(draws < self.validation_fraction)
            if not held.any() or held.all():
                held = np.arange(len(y)) % 4 == 3
            grown_on = ~held
            part = (X[grown_on], y[grown_on], None if weights is None else weights[grown_on])
            self.cart_ = self._grow(*part, categorical, directions)
        else:
            self.cart_ = self._grow(X, y, weights, categorical, directions)
        self._prepare()
        if self.ccp_alpha > 0.0:
            self._prune(self._path().node_alphas <= self.ccp_alpha)
        if held is not None:
            self._prune_by_rows(X[held], y[held], None if weights is None else weights[held])
        elif self.pruning == "pessimistic":
            errors = self._training_errors()
            n = self.cart_.node_weights
            self._prune(prune.keep_if_better(self.cart_, prune.upper_errors(errors, n, self.confidence)))

    def _check_directions(self) -> None:
        if self.n_outputs_ > 1:
            raise ValueError("Monotonicity constraints are not supported with multiple outputs.")

    def _grow(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None, categorical: np.ndarray, directions: Any
    ) -> CartTree:
        target = self._target_of(y, weights)
        total = float(len(y)) if weights is None else float(weights.sum())
        limits = self._limits(X.shape[0], total, directions)
        try:
            columns = sort_columns(X, categorical if categorical.any() else None)
        except InfiniteCell:
            self._reject_infinite(X)
            raise
        grown = grow_tree(columns, target, limits, self._seed())
        values, impurities = self._stored(grown, target)
        numbers, nodes = grown.numbers, grown.nodes
        features = (nodes[:, 0] & np.uint32((1 << 30) - 1)).astype(np.int64)
        self.gains_ = np.bincount(features, numbers[:, g.GAIN] / target.weight_scale, X.shape[1])
        w = np.empty(0) if weights is None else numbers[:, g.WEIGHT] / target.weight_scale
        return CartTree(nodes, grown.levels, values, grown.rows, impurities, w, X.shape[1])

    def _limits(self, n: int, total: float, directions: np.ndarray | None) -> Limits:
        leaf = rows_meant(self.min_samples_leaf, n)
        split = max(2, rows_meant(self.min_samples_split, n))
        p = self._n_inputs()
        self.max_features_ = columns_tried(self.max_features, p)
        return Limits(
            max(split, 2 * leaf),
            leaf,
            self.min_weight_fraction_leaf * total,
            None if self.max_depth is None else int(self.max_depth),
            min(self.max_features_, p),
            None if self.max_leaf_nodes is None else int(self.max_leaf_nodes),
            float(self.min_impurity_decrease),
            self.splitter == "random",
            directions,
        )

    def _seed(self) -> int:
        state = SEED if self.random_state is None else self.random_state
        return int(generator(state).integers(0, 1 << 62))

    def _reject_infinite(self, X: Any) -> None:
        values = X.data if sp.issparse(X) else X
        if np.isinf(values).any():
            raise ValueError(inputs.describe_nonfinite(X, missing=True))
        with np.errstate(all="ignore"):
            wrong = np.isinf(values.astype(np.float32))
        if wrong.any():
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32'), in which trees compare cells"
            )

    # ---- categories ------------------------------------------------------------------------------------

    def _learn_categories(self, X: Any, categorical: np.ndarray) -> Any:
        """Codes 0, 1, ... of the most frequent levels of each category; all others count as missing."""
        self.categories_ = None
        if not categorical.any():
            return X
        if sp.issparse(X):
            raise ValueError("categorical_features needs a dense X: a sparse matrix holds numbers only")
        known: list[np.ndarray | None] = [None] * len(categorical)
        for j in np.flatnonzero(categorical):
            found, counts = np.unique(X[~np.isnan(X[:, j]), j], return_counts=True)
            if len(found) and (found[0] < 0 or found[-1] >= MOST_LEVELS or (found != np.floor(found)).any()):
                top = np.sort(np.argsort(-counts, kind="stable")[:MOST_LEVELS])
                known[j] = found[top].astype(np.float64)
        if any(values is not None for values in known):
            self.categories_ = known
        return self._coded(X)

    def _coded(self, X: Any) -> Any:
        if self.categories_ is None:
            return X
        X = X.copy()
        for j, values in enumerate(self.categories_):
            if values is not None and len(values):
                place = np.minimum(np.searchsorted(values, X[:, j]), len(values) - 1)
                X[:, j] = np.where(values[place] == X[:, j], place, np.nan)
        return X

    # ---- pruning ---------------------------------------------------------------------------------------

    def _risks(self) -> np.ndarray:
        weights = self.cart_.node_weights
        return np.asarray(self._impurities() * weights / weights[0])

    def _path(self) -> prune.PruningPath:
        return prune.cost_complexity_path(self.cart_, self._risks())

    def _training_errors(self) -> np.ndarray:
        """Errors of each node on the training rows, were it a leaf."""
        raise NotImplementedError

    def _held_out_errors(self, leaves: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Errors of each node on other rows, were it a leaf."""
        raise NotImplementedError

    def _prune_by_rows(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        w = np.ones(len(y)) if weights is None else weights
        errors = self._held_out_errors(self.cart_.apply(X)[0], y, w)
        self._prune(prune.keep_if_better(self.cart_, errors))

    def _prune(self, marks: np.ndarray) -> None:
        """Makes leaves of the marked splits."""
        self.cart_ = self.cart_.without(marks & ~self.cart_.is_leaf)
        self._prepare()
        nodes = self._nodes()
        inner = nodes.features >= 0
        self.gains_ = np.bincount(nodes.features[inner], nodes.gains[inner], self.cart_.n_features)

    def cost_complexity_pruning_path(self, X: Any, y: Any, sample_weight: Any = None) -> Bunch:
        """The alphas at which splits go, and the leaves' impurity after each.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        Bunch with `ccp_alphas` and `impurities`
        """
        model = clone(self).set_params(ccp_alpha=0.0, pruning=None).fit(X, y, sample_weight)
        path = model._path()
        return Bunch(ccp_alphas=path.ccp_alphas, impurities=path.impurities)

    def choose_ccp_alpha(self, X: Any, y: Any, *, cv: Any = 10, most: int = 60) -> prune.AlphaCurve:
        """The alpha for cost-complexity pruning, by cross-validation; the model stays as it is.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        cv : int, splitter or list of splits, default=10
        most : int, default=60
            Alphas that are tried, from the path of the tree of all rows.

        Returns
        -------
        AlphaCurve
            `alpha`, `alpha_1se` by the one-standard-error rule, `scores`, and `plot()`.
        """
        from sklearn.model_selection import check_cv
        from sklearn.utils import _safe_indexing

        path = self.cost_complexity_pruning_path(X, y)
        steps = np.unique(np.maximum(path.ccp_alphas, 0.0))
        alphas = np.concatenate([[0.0], np.sqrt(steps[:-1] * steps[1:])]) if len(steps) > 1 else steps
        alphas = np.unique(alphas[np.unique(np.linspace(0, len(alphas) - 1, most).astype(int))])
        scores = []
        target = np.asarray(y)
        for train, test in check_cv(cv, target, classifier=is_classifier(self)).split(X, target):
            model = clone(self).set_params(ccp_alpha=0.0, pruning=None)
            model.fit(_safe_indexing(X, train), target[train])
            found, whole = model._path(), model.cart_
            left_out = _safe_indexing(X, test)
            line = []
            for alpha in alphas:
                model.cart_ = whole.without((found.node_alphas <= alpha) & ~whole.is_leaf)
                model._prepare()
                line.append(model.score(left_out, target[test]))
            scores.append(line)
        return prune.alpha_curve(alphas, np.array(scores), "accuracy" if is_classifier(self) else "R2")

    # ---- prediction ------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """What predictions look up, made of `cart_`."""

    def _leaves(self, X: Any) -> np.ndarray:
        X = self._input(X)
        if self.categories_ is not None:
            X = self._coded(X)
        leaves, finite = self.cart_.apply(X)
        if not finite:
            self._reject_infinite(X)
        return leaves

    def apply(self, X: Any, check_input: bool = True) -> np.ndarray:
        """The leaf in which each row ends, int64 of shape (n_rows,); nodes are numbered depth first."""
        check_is_fitted(self)
        return self._leaves(X)

    def decision_path(self, X: Any, check_input: bool = True) -> Any:
        """CSR matrix of shape (n_rows, n_nodes): 1 where a row passes a node, its leaf included."""
        leaves, parent, depth = self.apply(X), self.cart_.parents(), self.cart_.depths()
        indptr = np.concatenate([[0], np.cumsum(depth[leaves] + 1)])
        indices, at = np.empty(indptr[-1], np.int64), indptr[1:] - 1
        node, rows = leaves.copy(), np.arange(len(leaves))
        while len(rows):
            indices[at[rows]] = node[rows]
            at[rows] -= 1
            node[rows] = parent[node[rows]]
            rows = rows[node[rows] >= 0]
        return sp.csr_matrix((np.ones(len(indices), np.int64), indices, indptr), (len(leaves), len(parent)))

    def _check_state(self) -> None:
        super()._check_state()
        if self.cart_.n_features != self._n_inputs():
            raise ValueError(f"cart_ is for {self.cart_.n_features} columns, not {self._n_inputs()}")
        if len(self.gains_) != self.cart_.n_features:
            raise ValueError(f"gains_ has {len(self.gains_)} entries for {self.cart_.n_features} columns")
        if self.categories_ is not None:
            if len(self.categories_) != self.cart_.n_features:
                raise ValueError("categories_ must have an entry a column")
            for values in self.categories_:
                if values is not None and ((np.diff(values) <= 0).any() or len(values) > MOST_LEVELS):
                    raise ValueError("categories_ must rise")

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    # ---- looking at it ---------------------------------------------------------------------------------

    def _node_values(self) -> np.ndarray:
        """What each node says, (n_nodes, n_values), as `_nodes` has it."""
        return np.asarray(self.cart_.values, dtype=np.float64)

    def _nodes(self) -> Nodes:
        check_is_fitted(self)
        nodes = self.cart_.written_out(self._node_values(), self._impurities())
        if self.categories_ is not None:
            object.__setattr__(nodes, "categories", tuple(self.categories_))
        return nodes

    def _value(self) -> np.ndarray:
        """`tree_.value`, (n_nodes, n_outputs, most classes)."""
        return np.asarray(self.cart_.values, dtype=np.float64)[:, :, None]

    @property
    def tree_(self) -> TreeArrays:
        """The tree under scikit-learn's names, made when asked for."""
        check_is_fitted(self)
        tree, nodes = self.cart_, self._nodes()
        leaf = tree.is_leaf
        return TreeArrays(
            children_left=nodes.left.astype(np.int64),
            children_right=nodes.right.astype(np.int64),
            feature=np.where(leaf, -2, nodes.features).astype(np.int64),
            threshold=np.where(leaf, -2.0, nodes.thresholds),
            impurity=self._impurities(),
            n_node_samples=tree.rows.astype(np.int64),
            weighted_n_node_samples=tree.node_weights,
            value=self._value(),
            missing_go_to_left=nodes.missing_left.astype(np.uint8),
            n_features=tree.n_features,
            n_outputs=self.n_outputs_,
            n_leaves=int(leaf.sum()),
            max_depth=self.get_depth(),
        )

    def get_depth(self) -> int:
        """Splits above the deepest leaf."""
        check_is_fitted(self)
        return int(self.cart_.depths().max())

    def get_n_leaves(self) -> int:
        """How many leaves the tree has."""
        check_is_fitted(self)
        return int(self.cart_.is_leaf.sum())

    def importances(self, kind: str = "gain") -> np.ndarray:
        """What each column contributes, shape (n_features,).

        Parameters
        ----------
        kind : {"gain", "splits"}
            The impurity decrease, times weight, of all splits on the column, or how many there are.
        """
        check_is_fitted(self)
        if kind not in ("gain", "splits"):
            raise ValueError(f"kind must be 'gain' or 'splits', got {kind!r}")
        tree = self.cart_
        if kind == "gain":
            return self.gains_
        return np.bincount(tree.features[~tree.is_leaf], minlength=tree.n_features).astype(np.float64)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in the impurity decrease of all splits, shape (n_features,)."""
        gains = self.importances()
        total = gains.sum()
        return np.asarray(gains / total if total > 0 else gains)

    def summary(self, top: int = 20, max_depth: int = 4) -> str:
        """What was learned, as text: the tree's size, the columns that contribute most, and its first levels.

        Parameters
        ----------
        top : int, default=20
            How many columns are listed.
        max_depth : int, default=4
            How many levels are printed.

        Returns
        -------
        str
        """
        head = f"{self.get_n_leaves():,} leaves, {self.get_depth()} levels, {self.criterion}"
        lines = [type(self).__name__, f"  {head}", "", *self._table_of_shares(top)]
        if self.n_outputs_ == 1:
            lines += ["", self.export_text(max_depth=max_depth)]
        return "\n".join(lines)

    def plot(self, *, kind: str = "tree", **settings: Any) -> Any:
        """Draw the tree (or importances, or Shapley values); see `kind` and `settings` of `Understood.plot`.

        Parameters
        ----------
        kind : {"tree", "gain", "splits", "shap", "waterfall"}
        **settings
            `max_depth`, `top`, `X`, `row`, `output`, `ax`.

        Returns
        -------
        matplotlib Axes
        """
        axes = super().plot(kind=kind, **settings)
        if kind == "tree":
            axes.set_title(f"{type(self).__name__}: {self.get_n_leaves():,} leaves")
        return axes
