"""What random forests and extremely randomised trees share: parameters, fitting, answers, and what they show.

answer(x) = 1 / T sum_t share_t(leaf of x in tree t)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos import labels
from tripos.base import Classifier, Estimator, Regressor
from tripos.compute.random import generator
from tripos.data.needs import Needs
from tripos.labels import class_factors
from tripos.state import Array, Flag, Labels, ListOf, Nested, Number, OneOf
from tripos.supervised.trees.binning import MOST_BINS, Binning
from tripos.supervised.trees.cart_fit import Limits
from tripos.supervised.trees.cart_sort import InfiniteCell, sort_columns
from tripos.supervised.trees.cart_target import class_target, number_target
from tripos.supervised.trees.columns import Columns
from tripos.supervised.trees.forest_exact import ExactForest, coded, levels_alone
from tripos.supervised.trees.forest_exact_fit import ExactGrower, Lesson, left_out
from tripos.supervised.trees.forest_fit import Grower, Plan, Rows, Target, out_of_bag
from tripos.supervised.trees.forest_nodes import LeafForest
from tripos.supervised.trees.forest_rows import (
    COUNTED,
    CRITERION,
    ENTROPY,
    KEEP_ALL,
    MAX_DEPTH,
    MAX_LEAVES,
    MIN_GAIN,
    MIN_LEAF,
    MIN_SPLIT,
    MIN_WEIGHT,
    N_NUMBERS,
    N_SETTINGS,
    N_TRIED,
    POISSON,
    RANDOM_CUTS,
    SQUARED,
)
from tripos.supervised.trees.limits import LIMITS, columns_tried, rows_meant
from tripos.supervised.trees.native_input import NATIVE
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.sparse_rows import learn_sparse

FIXED_SEED = 0  # where random_state is None: a fit can be repeated
TOO_LARGE = (
    "Input X contains infinity or a value too large for dtype('float32'), in which exact trees compare cells"
)


class ForestModel(Columns):
    """A forest of trees that are grown independently of one another."""

    needs: ClassVar[Needs] = replace(NATIVE, sparse=True)
    random_cuts: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LIMITS,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "bootstrap": ["boolean"],
        "oob_score": ["boolean", callable],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "max_samples": [
            None,
            Interval(RealNotInt, 0.0, None, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "monotonic_cst": ["array-like", dict, None],
        "splits": [StrOptions({"binned", "exact"})],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "forest_": OneOf(Nested("LeafForest"), Nested("ExactForest")),
        "n_outputs_": Number("i", low=1),
        "oob_score_": Number("f", optional=True, finite=False),
        "seed_": Number("i", low=0),
        "weighted_": Flag(optional=True),
    }
    interaction_cst = None
    n_estimators: int
    criterion: str
    max_depth: int | None
    min_samples_split: int | float
    min_samples_leaf: int | float
    min_weight_fraction_leaf: float
    max_features: str | int | float | None
    max_leaf_nodes: int | None
    min_impurity_decrease: float
    bootstrap: bool
    oob_score: bool | Callable
    n_jobs: int | None
    random_state: Any
    warm_start: bool
    ccp_alpha: float
    max_samples: int | float | None
    splits: str
    forest_: LeafForest | ExactForest  # type: ignore[assignment]
    n_outputs_: int
    weighted_: bool
    _leaves: Any

    # ---- fitting ---------------------------------------------------------------------------------

    def _grow(self, X: Any, y: Any, sample_weight: Any) -> None:
        known = self._known_trees()
        n_known_outputs = getattr(self, "n_outputs_", None)
        training = self._start_native_fit(X, y, sample_weight)
        X = training.X
        target = self._learned(training.y)
        if known is not None and (
            known[0].n_features != X.shape[1]
            or known[1].n_outputs != target.n_values
            or n_known_outputs != self.n_outputs_
        ):
            raise ValueError(
                "warm_start: the model was fitted on other columns or classes; use warm_start=False"
            )
        if known is None:
            state = self.random_state
            self.seed_ = FIXED_SEED if state is None else int(generator(state).integers(1 << 31))
        categorical = self._categorical(X.shape[1])
        weight = self._row_weights(training.y, training.sample_weight)
        self.weighted_ = weight is not None or self._balance(training.y) is not None
        plan = self._plan(X, training.y, training.sample_weight, target)
        binning = known[0] if known is not None else self._learn_bins(X, training.sample_weight, categorical)
        grower = self._grower(X, training.y, target, plan, weight, binning)
        n_before = known[1].n_trees if known is not None else 0
        grown = grower.grow(range(n_before, self.n_estimators), self.n_jobs)
        forest = grower.plant(grown, None if known is None else known[1])
        self._set_leaves(binning, forest)
        if self.oob_score:
            bags = [g.in_bag for g in grower.grow(range(n_before), self.n_jobs)] + [g.in_bag for g in grown]
            self._set_out_of_bag(self._left_out(X, bags, grower), training.y, training.sample_weight)

    def _grower(
        self, X: Any, y: np.ndarray, target: Target, plan: Plan, weight: np.ndarray | None, binning: Binning
    ) -> Any:
        """What grows trees from the training rows."""
        note_bags = bool(self.oob_score)
        if self.splits != "exact":
            rows = Rows.of(self._bin(binning, X), binning, X, random_cuts=self.random_cuts)
            return Grower(rows, target, plan, weight, self.seed_, note_bags=note_bags)
        try:
            marks = binning.categorical if binning.categorical.any() else None
            columns = sort_columns(coded(binning, X), marks)
        except InfiniteCell:
            self._reject_infinite(X)
            raise ValueError(TOO_LARGE) from None
        lesson, limits = self._lesson(y, target), self._limits(plan)
        return ExactGrower(
            columns, lesson, limits, plan, self.min_weight_fraction_leaf, weight, self.seed_, note_bags=note_bags
        )  # fmt: skip

    def _limits(self, plan: Plan) -> Limits:
        """What an exact tree may become."""
        settings = plan.settings
        leaf = int(settings[MIN_LEAF])
        return Limits(
            min_samples_split=max(int(settings[MIN_SPLIT]), 2 * leaf),
            min_samples_leaf=leaf,
            max_depth=self.max_depth,
            max_features=int(settings[N_TRIED]),
            max_leaf_nodes=self.max_leaf_nodes,
            min_impurity_decrease=float(self.min_impurity_decrease),
            random_splits=self.random_cuts,
            directions=plan.directions if plan.directions.size else None,
        )

    def _lesson(self, y: np.ndarray, target: Target) -> Lesson:
        """What exact trees learn."""
        raise NotImplementedError

    def _known_trees(self) -> tuple[Binning, Any] | None:
        """The trees that a warm start keeps."""
        for name in ("oob_score_", "oob_decision_function_", "oob_prediction_"):
            self.__dict__.pop(name, None)
        if not (self.warm_start and hasattr(self, "forest_")):
            return None
        known = self.forest_
        if isinstance(known, ExactForest) != (self.splits == "exact"):
            raise ValueError(
                "warm_start: the trees were grown with another setting of splits; use warm_start=False"
            )
        if self.n_estimators < known.n_trees:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to len(estimators_)={known.n_trees} when "
                "warm_start==True"
            )
        if self.n_estimators == known.n_trees:
            import warnings

            warnings.warn(
                "Warm-start fitting without increasing n_estimators does not fit new trees.", stacklevel=4
            )
        return self.binning_, known

    def _learn_bins(self, X: Any, weight: np.ndarray | None, categorical: np.ndarray) -> Binning:
        if self.splits == "exact":
            return levels_alone(X, categorical)
        if sp.issparse(X):
            return learn_sparse(X, weight, categorical=categorical, max_bins=MOST_BINS, seed=self.seed_)
        return Binning.learn(X, weight, categorical=categorical, seed=self.seed_)

    def _learned(self, y: np.ndarray) -> Target:
        raise NotImplementedError

    def _row_weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        return sample_weight

    def _balance(self, y: np.ndarray) -> np.ndarray | None:
        """Codes of the classes that each bootstrap weights equally."""
        return None

    def _plan(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, target: Target) -> Plan:
        n, F = X.shape
        if not self.bootstrap and self.oob_score:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        if not self.bootstrap and self.max_samples is not None:
            raise ValueError(
                "`max_sample` cannot be set if `bootstrap=False`. Either switch to `bootstrap=True` or set "
                "`max_sample=None`."
            )
        directions = self._directions()
        if directions is not None and not target.scalar:
            what = "multiclass" if self.n_outputs_ == 1 else "multiple output"
            raise ValueError(f"Monotonicity constraints are not supported with {what} targets")
        settings, numbers = np.zeros(N_SETTINGS, np.int64), np.zeros(N_NUMBERS)
        settings[N_TRIED] = min(columns_tried(self.max_features, F), F)
        settings[MIN_SPLIT] = max(2, rows_meant(self.min_samples_split, n))
        settings[MIN_LEAF] = rows_meant(self.min_samples_leaf, n)
        settings[MAX_DEPTH] = self.max_depth or 0
        settings[MAX_LEAVES] = self.max_leaf_nodes or 0
        settings[CRITERION] = self._criterion()
        settings[RANDOM_CUTS] = self.random_cuts
        settings[COUNTED] = settings[CRITERION] == SQUARED and target.classes
        settings[KEEP_ALL] = self.ccp_alpha > 0.0 or self.max_leaf_nodes is not None
        numbers[MIN_WEIGHT], numbers[MIN_GAIN] = self.min_weight_fraction_leaf, self.min_impurity_decrease
        return Plan(
            settings,
            numbers,
            bootstrap=self.bootstrap,
            n_draws=self._n_draws(n, weight),
            alpha=self.ccp_alpha,
            directions=np.empty(0, np.int64) if directions is None else directions,
            level_splits=self.is_categorical_ is not None,
            balance=self._balance(y),
        )

    def _criterion(self) -> int:
        if self.criterion == "absolute_error" and self.splits != "exact":
            raise ValueError(
                "criterion='absolute_error' needs medians, which sums over bins do not give: use splits='exact', or "
                "criterion='squared_error'"
            )
        return {"entropy": ENTROPY, "log_loss": ENTROPY, "poisson": POISSON}.get(self.criterion, SQUARED)

    def _n_draws(self, n: int, weight: np.ndarray | None) -> int:
        """Rows a bootstrap draws; whole weights count as that many rows."""
        total = float(n if weight is None else weight.sum())
        if self.max_samples is None:
            return n if weight is None or (weight != np.floor(weight)).any() else int(total)
        if isinstance(self.max_samples, Integral):
            return int(self.max_samples)
        return max(1, int(self.max_samples * total))

    def _set_leaves(self, binning: Binning, forest: LeafForest | ExactForest) -> None:
        self.binning_, self.forest_ = binning, forest
        self.baseline_ = np.zeros(forest.n_outputs)  # what answers are added to
        self._leaves = forest.walker(binning)

    def _left_out(self, X: Any, bags: list[np.ndarray], grower: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the answers of the trees that did not draw a row, (n_rows, n_values), and how many those are."""
        if isinstance(self.forest_, ExactForest):
            return left_out(self.forest_, self._leaves, X, bags, self.n_jobs)
        if grower is not None:
            return out_of_bag(grower.rows, self.forest_, bags, self.n_jobs)
        rows = Rows.of(self._bin(self.binning_, X), self.binning_, X, random_cuts=False)
        return out_of_bag(rows, self.forest_, bags, self.n_jobs)

    def _set_out_of_bag(
        self, found: tuple[np.ndarray, np.ndarray], y: np.ndarray, w: np.ndarray | None
    ) -> None:
        sums, n_trees = found
        if (n_trees == 0).any():
            import warnings

            warnings.warn(
                f"{np.count_nonzero(n_trees == 0)} rows were drawn by every tree and have no out-of-bag score: "
                "more trees give them one",
                stacklevel=4,
            )
        means = sums / np.maximum(n_trees, 1)[:, None]
        self._score_out_of_bag(means, n_trees > 0, y, w)

    def _score_out_of_bag(
        self, means: np.ndarray, seen: np.ndarray, y: np.ndarray, w: np.ndarray | None
    ) -> None:
        raise NotImplementedError

    def _check_state(self) -> None:
        Estimator._check_state(self)
        if self.binning_.n_features != self._n_inputs():
            raise ValueError(f"binning_ is for {self.binning_.n_features} features, not {self._n_inputs()}")
        self.forest_.check_features(self.binning_.n_features)

    def _after_load(self) -> None:
        Estimator._after_load(self)
        self._leaves = self.forest_.walker(self.binning_)

    # ---- answers ---------------------------------------------------------------------------------

    def _means(self, X: Any) -> np.ndarray:
        """The mean answer of all trees, (n_rows, n_values)."""
        X = self._input(X)
        out = np.zeros((X.shape[0], self.forest_.n_outputs))
        if not self._leaves.add(X, out, self.n_jobs):
            self._reject_infinite(X)
            if isinstance(self.forest_, ExactForest):
                raise ValueError(TOO_LARGE)
        out /= self.forest_.n_trees
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = True
        return tags

    # ---- looking at it ---------------------------------------------------------------------------

    @property
    def n_iter_(self) -> int:
        """1: trees do not build on one another."""
        check_is_fitted(self)
        return 1

    @property
    def estimator_(self) -> Any:
        """The estimator that each tree is: a forest of one."""
        from sklearn.base import clone

        return clone(self).set_params(n_estimators=1, oob_score=False, warm_start=False)

    @property
    def estimators_(self) -> list[Any]:
        """The trees, each as a fitted forest of one; made when asked for."""
        check_is_fitted(self)
        found = []
        for t in range(self.forest_.n_trees):
            one = self.estimator_
            for name, value in vars(self).items():
                if name.endswith("_") or name in ("_width", "_encoded_width"):
                    setattr(one, name, value)
            one._set_leaves(self.binning_, self.forest_.part(t, t + 1))
            found.append(one)
        return found

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in the impurity that splits take away, the mean of all trees; (n_features,)."""
        check_is_fitted(self)
        gains = self.forest_.gains_by_tree(self.binning_.n_features)
        totals = gains.sum(axis=1, keepdims=True)
        shares = (gains / np.where(totals > 0, totals, 1.0)).mean(axis=0)
        total = shares.sum()
        return np.asarray(shares / total if total > 0 else shares)

    def _base(self) -> np.ndarray:
        return np.zeros(1)

    def _written(self, values: np.ndarray) -> Nodes:
        """The trees in units of the data; values (n_nodes, n_values) of leaves, of splits the mean of their children."""
        nodes = self.forest_.written_out(self.binning_)
        leaf, weight = nodes.is_leaf, np.maximum(nodes.weights, 1e-9)
        for i in np.flatnonzero(~leaf)[::-1]:
            a, b = nodes.left[i], nodes.right[i]
            values[i] = (weight[a] * values[a] + weight[b] * values[b]) / (weight[a] + weight[b])
        return replace(nodes, values=values / self.forest_.n_trees, n_outputs=values.shape[1])

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """Columns per split, and the size of leaves."""
        return {"max_features": ["sqrt", 0.33, 0.6], "min_samples_leaf": [1, 3, 10]}


class ForestClassifier(ForestModel, Classifier):
    """Forests that vote by the shares of classes in their leaves."""

    _values_are_shares = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ForestModel._parameter_constraints,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "class_weight": [StrOptions({"balanced_subsample", "balanced"}), dict, list, None],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "classes_": OneOf(Labels("classes"), ListOf(Labels())),
        "oob_decision_function_": Array("f", None, optional=True, finite=False),
    }
    class_weight: Any

    @property
    def n_classes_(self) -> Any:
        """How many classes; for several targets a list."""
        if self.n_outputs_ > 1:
            return [len(found) for found in self.classes_]
        return len(self.classes_)

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        self._require_target(y)
        array = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray) else y)
        if array.ndim != 2 or array.shape[1] == 1:
            self.n_outputs_ = 1
            return super()._target(y, multi_output=False, reset=reset, classes=classes)
        encoded = [labels.encode_labels(labels.as_label_array(column)) for column in array.T]
        self.n_outputs_ = array.shape[1]
        self.classes_ = [found for found, _ in encoded]  # type: ignore[assignment]
        return np.ascontiguousarray(np.column_stack([codes for _, codes in encoded]))

    def _by_target(self) -> list[np.ndarray]:
        return [self.classes_] if self.n_outputs_ == 1 else list(self.classes_)

    def _learned(self, y: np.ndarray) -> Target:
        sizes = [len(found) for found in self._by_target()]
        return Target.of_classes(y.reshape(len(y), -1), sizes, entropy=self._criterion() == ENTROPY)

    def _lesson(self, y: np.ndarray, target: Target) -> Lesson:
        entropy = self._criterion() == ENTROPY
        codes, sizes = y.reshape(len(y), -1), [len(found) for found in self._by_target()]
        return Lesson(
            lambda w: class_target(codes, sizes, "entropy" if entropy else "gini", w),
            sizes[0] if len(sizes) == 1 else 0,
            True,
            entropy,
            target.n_values,
        )

    def _row_weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        subsample = self.class_weight == "balanced_subsample" and self.bootstrap
        if self.class_weight is None or subsample:
            return sample_weight
        chosen = "balanced" if isinstance(self.class_weight, str) else self.class_weight
        if self.n_outputs_ > 1 and not isinstance(chosen, str) and not isinstance(chosen, list):
            raise ValueError(
                "For multi-output, class_weight should be a list of dicts, or the string 'balanced'"
            )
        factors = np.ones(len(y))
        for t, (found, codes) in enumerate(zip(self._by_target(), y.reshape(len(y), -1).T)):
            totals = np.bincount(codes, sample_weight, len(found)).astype(np.float64)
            mine = chosen[t] if isinstance(chosen, list) else chosen
            factors *= class_factors(mine, found, totals)[codes]
        return factors if sample_weight is None else factors * sample_weight

    def _balance(self, y: np.ndarray) -> np.ndarray | None:
        balanced = self.class_weight == "balanced_subsample" and self.bootstrap
        return y.reshape(len(y), -1) if balanced else None

    def _score_out_of_bag(
        self, means: np.ndarray, seen: np.ndarray, y: np.ndarray, w: np.ndarray | None
    ) -> None:
        parts = self._parts(means)
        for part in parts:
            part[~seen] = np.nan
        table = (
            parts[0]
            if self.n_outputs_ == 1
            else np.stack(
                [np.pad(p, ((0, 0), (0, max(q.shape[1] for q in parts) - p.shape[1]))) for p in parts], axis=2
            )
        )
        self.oob_decision_function_ = table
        said = [
            found.take(np.where(np.isnan(p), -1, p).argmax(axis=1))
            for found, p in zip(self._by_target(), parts)
        ]
        true = [found.take(c) for found, c in zip(self._by_target(), y.reshape(len(y), -1).T)]
        if callable(self.oob_score):
            shape = (lambda a: a[0]) if self.n_outputs_ == 1 else np.column_stack
            self.oob_score_ = float(self.oob_score(shape(true), shape(said)))
        else:
            right = [accuracy_score(a[seen], b[seen]) for a, b in zip(true, said)]
            self.oob_score_ = float(np.mean(right))

    def _parts(self, means: np.ndarray) -> list[np.ndarray]:
        """Shares of the classes of each target."""
        if means.shape[1] == 1:
            if len(self._by_target()[0]) == 1:
                return [np.ones_like(means)]
            return [np.concatenate([1.0 - means, means], axis=1)]
        if self.n_outputs_ == 1:
            return [means]
        ends = np.cumsum([len(found) for found in self.classes_])
        return [np.ascontiguousarray(part) for part in np.split(means, ends[:-1], axis=1)]

    # ---- answers ---------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> Any:
        """The mean share of each class in the leaves a row ends in.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or a list of them for several targets
        """
        parts = self._parts(self._means(X))
        return parts[0] if self.n_outputs_ == 1 else parts

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of `predict_proba`; -inf for classes that no leaf holds."""
        with np.errstate(divide="ignore"):
            found = self.predict_proba(X)
            return np.log(found) if self.n_outputs_ == 1 else [np.log(part) for part in found]

    def predict(self, X: Any) -> np.ndarray:
        """The class with the largest share, of equals the first.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        means = self._means(X)
        if means.shape[1] == 1:
            return self._labels((means[:, 0] > 0.5).astype(np.int64))
        if self.n_outputs_ == 1:
            return self._labels(means.argmax(axis=1))
        said = [found.take(part.argmax(axis=1)) for found, part in zip(self.classes_, self._parts(means))]
        return np.column_stack(said)

    def _nodes(self) -> Nodes:
        """The trees in units of the data; values are shares of the classes, over the number of trees."""
        check_is_fitted(self)
        return self._written(np.concatenate(self._parts(self.forest_.dense_values()), axis=1))

    def _check_state(self) -> None:
        super()._check_state()
        known = self._by_target()
        if isinstance(self.classes_, list) != (self.n_outputs_ > 1) or len(known) != self.n_outputs_:
            raise ValueError(f"classes_ are not those of {self.n_outputs_} targets")
        total = sum(len(found) for found in known)
        wanted = 1 if self.n_outputs_ == 1 and total <= 2 else total
        self.forest_.check_answers(wanted, several=wanted > 1)


class ForestRegressor(ForestModel, Regressor):
    """Forests that answer with the mean of their leaves."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ForestModel._parameter_constraints,
        "criterion": [StrOptions({"squared_error", "absolute_error", "friedman_mse", "poisson"})],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "oob_prediction_": Array("f", None, optional=True, finite=False),
    }

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        target = super()._target(y, multi_output=True, reset=reset, classes=classes)
        if target.ndim == 2 and target.shape[1] == 1:
            import warnings

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected: use y.ravel()",
                DataConversionWarning,
                stacklevel=5,
            )
            target = target[:, 0]
        self.n_outputs_ = 1 if target.ndim == 1 else target.shape[1]
        if self.criterion == "poisson" and ((target < 0).any() or target.sum() <= 0):
            raise ValueError("criterion='poisson' needs targets that are not negative, and some above 0")
        if self.criterion == "poisson" and self.n_outputs_ > 1:
            raise ValueError("criterion='poisson' takes one target: fit one forest for each")
        return np.ascontiguousarray(target)

    def _learned(self, y: np.ndarray) -> Target:
        numbers = y.reshape(len(y), -1).astype(np.float64)
        return Target.of_numbers(numbers, poisson=self._criterion() == POISSON)

    def _lesson(self, y: np.ndarray, target: Target) -> Lesson:
        numbers = y.reshape(len(y), -1).astype(np.float64)
        criterion = "squared_error" if self.criterion == "friedman_mse" else self.criterion
        return Lesson(lambda w: number_target(numbers, criterion, w), 0, False, False, target.n_values)

    def _score_out_of_bag(
        self, means: np.ndarray, seen: np.ndarray, y: np.ndarray, w: np.ndarray | None
    ) -> None:
        self.oob_prediction_ = means[:, 0] if self.n_outputs_ == 1 else means
        score = self.oob_score if callable(self.oob_score) else r2_score
        self.oob_score_ = float(score(y, self.oob_prediction_))

    def predict(self, X: Any) -> np.ndarray:
        """The mean of the trees' answers.

        Parameters
        ----------
        X : array-like, CSR matrix or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        means = self._means(X)
        return means[:, 0] if self.n_outputs_ == 1 else means

    def _nodes(self) -> Nodes:
        """The trees in units of the data; values are the leaves' means, over the number of trees."""
        check_is_fitted(self)
        return self._written(self.forest_.dense_values())

    def _check_state(self) -> None:
        super()._check_state()
        self.forest_.check_answers(self.n_outputs_, several=self.n_outputs_ > 1)
