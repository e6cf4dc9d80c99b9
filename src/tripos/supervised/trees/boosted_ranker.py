"""`BoostedTreesRanker`: boosted trees that put the items of each query into order (LambdaMART)."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, column_or_1d

from tripos import inputs
from tripos.compute.arrays import kernel_array
from tripos.metrics.gains import mean_average_precision, mean_reciprocal_rank, ndcg_score
from tripos.objective.losses import SQUARED, Loss
from tripos.supervised.trees.boosted import BoostedTrees, Rows, _pairs
from tripos.supervised.trees.gradients import Gradients
from tripos.supervised.trees.histogram_boosting import Part
from tripos.supervised.trees.ranking import MOST_RELEVANT, RankGradients


class BoostedTreesRanker(BoostedTrees):
    """Boosted trees that learn to rank: LambdaMART.

    Trees are grown on derivatives that weigh each pair of a query's items by how much NDCG changes when the two swap
    places; see `tripos.supervised.trees.ranking` for the equations. Weights are of queries and mean no rows: items of a query are compared in pairs, so an item that is there twice counts more than twice.

    Parameters
    ----------
    n_estimators : int, default=100
        Steps at most.
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
        As in `BoostedTreesRegressor`.
    reg_alpha : float, default=0
        As in `BoostedTreesRegressor`.
    gamma : float, default=0
        As in `BoostedTreesRegressor`.
    max_delta_step : float, default=0
        As in `BoostedTreesRegressor`.
    subsample : float, default=1
        As in `BoostedTreesRegressor`.
    colsample_bytree : float, default=1
        As in `BoostedTreesRegressor`.
    colsample_bylevel : float, default=1
        As in `BoostedTreesRegressor`.
    colsample_bynode : float, default=1
        As in `BoostedTreesRegressor`.
    max_bins : int, default=255
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
    cat_smooth : float, default=10
    monotonic_cst : array-like of int or dict, default=None
        As in `BoostedTreesRegressor`.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of int, default=None
        As in `BoostedTreesRegressor`.
    truncation_level : int, default=30
        Pairs are looked at whose better-ranked item is among the first so many.
    eval_metric : str, callable or list of them, default="ndcg@10"
        "ndcg", "map" or "mrr", with "@k" for the first k items. Gains are 2^y - 1.
    early_stopping_rounds : int, default=None
        Steps without a better first measure on the last evaluation set after which the fit stops.
    boosting : {"gbdt", "dart", "goss"}, default="gbdt"
    rate_drop : float, default=0.1
        As in `BoostedTreesRegressor`.
    skip_drop : float, default=0.5
        As in `BoostedTreesRegressor`.
    top_rate : float, default=0.2
        As in `BoostedTreesRegressor`.
    other_rate : float, default=0.1
        As in `BoostedTreesRegressor`.
    warm_start : bool, default=False
        Whether to add trees to the previous ones.
    random_state : int, RandomState or None, default=None
        Draws rows and columns. None is a seed like any other, so that a fit can be repeated.

    Attributes
    ----------
    n_iter_ : int
        Steps that were grown.
    estimators_ : ndarray of shape (n_iter_, n_outputs)
        The trees, each a `BoostedTreesRegressor` of what it adds to the scores; made when asked for.
    best_iteration_ : int
        Steps that predictions use.
    evals_result_ : dict of dict of lists
        Evaluation set -> measure -> value after each step.
    feature_importances_ : ndarray of shape (n_features,)
    history_ : dict of lists
        step, loss (1 - NDCG), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    C. Burges, "From RankNet to LambdaRank to LambdaMART: an overview" (2010), MSR-TR-2010-82.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import BoostedTreesRanker
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> y, qid = np.tile([0, 1, 2, 3], 10), np.repeat(np.arange(10), 4)
    >>> model = BoostedTreesRanker(5, min_child_samples=1).fit(X % 4, y, qid=qid)
    >>> np.argsort(model.predict([[0.0], [3.0], [1.0]]))
    array([0, 2, 1])
    """

    exceptions: ClassVar[Mapping[str, str]] = {
        "weights": "items of a query are compared in pairs, so an item that is there twice counts more than twice"
    }
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BoostedTrees._parameter_constraints,
        "truncation_level": [Interval(Integral, 1, None, closed="left")],
    }
    objective = "lambdarank"

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
        truncation_level: int = 30,
        eval_metric: Any = "ndcg@10",
        early_stopping_rounds: int | None = None,
        boosting: str = "gbdt",
        rate_drop: float = 0.1,
        skip_drop: float = 0.5,
        top_rate: float = 0.2,
        other_rate: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
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
        self.truncation_level = truncation_level
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.boosting = boosting
        self.rate_drop = rate_drop
        self.skip_drop = skip_drop
        self.top_rate = top_rate
        self.other_rate = other_rate
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        qid: Any = None,
        group: Any = None,
        eval_set: Any = None,
        eval_qid: Any = None,
        eval_group: Any = None,
        init_score: Any = None,
    ) -> BoostedTreesRanker:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), table, or `BinnedRows` from `bin`
            NaN is a missing value.
        y : array-like of shape (n_rows,)
            Relevance: 0, 1, 2, ...
        sample_weight : array-like of shape (n_rows,), optional
            The mean over a query's rows is the query's weight.
        qid : array-like of shape (n_rows,), optional
            The query of each row, in any order.
        group : array-like of shape (n_queries,), optional
            Or how many rows each query has, one after the other. Without either all rows are one query.
        eval_set : (X, y), or list of such pairs, optional
            Rows that are measured after each step.
        eval_qid, eval_group : array-like, or list of them, optional
            Their queries.
        init_score : array-like of shape (n_rows,), optional
            Scores that the trees start from, which are no part of the model.

        Returns
        -------
        self
        """
        self._queries = (qid, group)
        self._eval_queries = (eval_qid, eval_group)
        try:
            self._fit(X, y, sample_weight, eval_set, init_score)
        finally:
            del self._queries, self._eval_queries
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _objective(self) -> Loss:
        return SQUARED

    def _predicted(self, scores: np.ndarray) -> np.ndarray:
        return scores[:, 0]

    def _baseline(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        return np.zeros(1)

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        target = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
        if target.dtype.kind == "c":
            raise ValueError("Complex data not supported: y must hold real numbers")
        target = kernel_array(column_or_1d(target, warn=True).astype(np.float64))
        if not inputs.all_finite(target):
            raise ValueError(inputs.describe_nonfinite(target, "y"))
        bad = (target < 0) | (target > MOST_RELEVANT) | (target != np.rint(target))
        if bad.any():
            found = target[bad][0]
            raise ValueError(
                f"y must hold relevance as whole numbers from 0 to {MOST_RELEVANT}, found {found:g} in row {int(np.argmax(bad))}"
            )
        return target

    def _rows(self, X: Any, y: Any, sample_weight: Any, known: Any) -> Rows:
        """The rows of one query after the other."""
        data, target, weight = super()._rows(X, y, None, known)
        n = len(target)
        qid = _query_of_rows(*self._queries, n)
        if sample_weight is not None:
            weight = self._checked_weights(np.empty((n, 1)), None, np.asarray(sample_weight, np.float64) + 0)[
                2
            ]
            if len(weight) != n:
                raise ValueError(
                    "sample_weight must be larger than 0 for each row of a ranker: leave rows out instead"
                )
        self._order = np.argsort(qid, kind="stable")
        if (np.diff(self._order) < 0).any():
            data, target = data.take(self._order), target[self._order]
            weight = None if weight is None else weight[self._order]
        _, counts = np.unique(qid, return_counts=True)
        self._starts = np.r_[0, np.cumsum(counts)].astype(np.int64)
        return data, target, weight

    def _start_scores(self, init_score: Any, n_rows: int) -> np.ndarray | None:
        start = super()._start_scores(init_score, n_rows)
        return None if start is None else start[self._order]

    def _gradients(
        self, y: np.ndarray, weight: np.ndarray | None, baseline: np.ndarray, start: np.ndarray | None
    ) -> Gradients:
        starts, n = self._starts, len(self._starts) - 1
        of_query = np.ones(n)
        if weight is not None:
            of_query = np.add.reduceat(weight, starts[:-1]) / np.diff(starts)
        del self._starts, self._order
        return RankGradients(y, starts, of_query, self.truncation_level, baseline, start)

    def _parts(self, eval_set: Any, baseline: np.ndarray) -> list[Part]:
        pairs = _pairs(eval_set)
        qids, groups = (_each(given, len(pairs)) for given in self._eval_queries)
        parts = []
        for pair, qid, group in zip(pairs, qids, groups, strict=True):
            rows, target = self._evaluation_rows(*pair)
            part = Part(rows, target, None, baseline)
            part.groups = _query_of_rows(qid, group, len(target))
            parts.append(part)
        return parts

    def _validation_target(self, y: Any) -> np.ndarray:
        return self._target(y, multi_output=False, reset=False, classes=None)

    def _value_of(self, name: str, part: Part) -> float:
        kind, _, number = name.partition("@")
        k = int(number) if number.isdigit() and int(number) > 0 else None
        if kind not in ("ndcg", "map", "mrr") or (number and k is None):
            raise ValueError(f"eval_metric must be 'ndcg', 'map' or 'mrr', or one with '@k', got {name!r}")
        arguments: dict[str, Any] = {"groups": part.groups, "k": k}
        if kind == "ndcg":
            return ndcg_score(part.y, part.scores[:, 0], exponential=True, **arguments)
        measure = mean_average_precision if kind == "map" else mean_reciprocal_rank
        return measure(part.y, part.scores[:, 0], **arguments)

    def predict(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The score of each row; within a query larger ones come first.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        n_trees : int, optional
            Use the first so many steps; by default `best_iteration_`.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return np.asarray(self._first(X, n_trees)[:, 0])

    def score(self, X: Any, y: Any, *, qid: Any = None, group: Any = None) -> float:
        """NDCG of the queries, with gains 2^y - 1.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        qid, group : array-like, optional
            As in `fit`.

        Returns
        -------
        float
        """
        scores, target = self.predict(X), self._validation_target(y)
        check_consistent_length(scores, target)
        return ndcg_score(target, scores, groups=_query_of_rows(qid, group, len(target)), exponential=True)


def _query_of_rows(qid: Any, group: Any, n_rows: int) -> np.ndarray:
    """The query of each row."""
    if qid is not None and group is not None:
        raise ValueError("give qid or group, not both")
    if qid is not None:
        found = column_or_1d(np.asarray(qid))
        check_consistent_length(found, np.empty(n_rows))
        return np.asarray(found)
    if group is None:
        return np.zeros(n_rows, np.int64)
    sizes = np.asarray(group, dtype=np.int64)
    if sizes.ndim != 1 or (sizes < 1).any() or sizes.sum() != n_rows:
        raise ValueError(
            f"group must hold the sizes of the queries, which add up to {sizes.sum()}, not to {n_rows} rows"
        )
    return np.asarray(np.repeat(np.arange(len(sizes)), sizes))


def _each(given: Any, n: int) -> list[Any]:
    """One value for each of n evaluation sets."""
    if given is None:
        return [None] * n
    several = isinstance(given, (list, tuple)) and (not given or np.ndim(given[0]) > 0)
    values = list(given) if several else [given]
    if len(values) != n:
        raise ValueError(f"{n} evaluation sets need as many eval_qid or eval_group, got {len(values)}")
    return values
