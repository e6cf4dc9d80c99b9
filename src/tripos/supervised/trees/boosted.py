"""Boosted trees in the terms of XGBoost and LightGBM: what the classifier and the regressor share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
)

from tripos.base import Training
from tripos.compute.random import generator
from tripos.data.needs import Needs
from tripos.objective.losses import Loss
from tripos.state import Json, Nested, Number
from tripos.supervised.trees.binned_rows import BinnedRows
from tripos.supervised.trees.binning import Binned, Binning
from tripos.supervised.trees.boosting import Booster, Gradients, Sampling, best_constant, mean_loss
from tripos.supervised.trees.columns import Columns
from tripos.supervised.trees.custom import CustomGradients
from tripos.supervised.trees.drops import Drops
from tripos.supervised.trees.evaluation import Evaluation
from tripos.supervised.trees.grow import GROWTH, Growth
from tripos.supervised.trees.histogram_boosting import FIXED_SEED, Part
from tripos.supervised.trees.leaves import BEST_FIRST
from tripos.supervised.trees.native_input import NATIVE
from tripos.supervised.trees.ordered import OrderedStatistics, Rotating
from tripos.supervised.trees.sparse_rows import learn_sparse
from tripos.supervised.trees.streaming import Streamed
from tripos.supervised.trees.symmetric import SymmetricGrowth
from tripos.supervised.trees.tree import Forest, add_trees

SHARE = [Interval(Real, 0, 1, closed="right")]
NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]
PER_MODEL = ("n_features_in_", "feature_names_in_", "encoder_", "is_categorical_", "_width", "_encoded_width")


class BoostedTrees(Columns):
    """A boosted model with evaluation sets."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_leaves": [Interval(Integral, 0, None, closed="left")],
        "max_depth": [Interval(Integral, 0, None, closed="left")],
        "growth": [StrOptions({*GROWTH, "symmetric"})],
        "min_child_weight": NOT_NEGATIVE,
        "min_child_samples": [Interval(Integral, 1, None, closed="left")],
        "reg_lambda": NOT_NEGATIVE,
        "reg_alpha": NOT_NEGATIVE,
        "gamma": NOT_NEGATIVE,
        "max_delta_step": NOT_NEGATIVE,
        "subsample": SHARE,
        "colsample_bytree": SHARE,
        "colsample_bylevel": SHARE,
        "colsample_bynode": SHARE,
        "max_bins": [Interval(Integral, 2, 255, closed="both")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "cat_smooth": NOT_NEGATIVE,
        "monotonic_cst": ["array-like", dict, None],
        "interaction_cst": [list, tuple, StrOptions({"pairwise", "no_interactions"}), None],
        "eval_metric": [str, list, tuple, callable],
        "boosting": [StrOptions({"gbdt", "dart", "goss"})],
        "rate_drop": [Interval(Real, 0, 1, closed="both")],
        "skip_drop": [Interval(Real, 0, 1, closed="both")],
        "top_rate": SHARE,
        "other_rate": SHARE,
        "warm_start": ["boolean"],
        "early_stopping_rounds": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "categories": [StrOptions({"native", "ordered"})],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "best_iteration_": Number("i", low=0),
        "evals_result_": Json(max_bytes=1 << 22),
        "statistics_": Nested("OrderedStatistics", optional=True),
    }

    needs: ClassVar[Needs] = replace(NATIVE, sparse=True)
    objective: Any
    _several: ClassVar[bool] = False  # whether y may have several columns

    def _objective(self) -> Loss:
        """The loss; of a function, the one whose predictions the model makes."""
        raise NotImplementedError

    def _predicted(self, scores: np.ndarray) -> np.ndarray:
        """What a measure that is a function gets of scores (n_rows, n_outputs)."""
        raise NotImplementedError

    def _n_outputs(self) -> int:
        return 1

    def _weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        return sample_weight

    def _validation_target(self, y: Any) -> np.ndarray:
        raise NotImplementedError

    def _measure(self, name: str, part: Part, loss: Loss) -> float:
        """One measure of an evaluation set."""
        raise NotImplementedError

    @property
    def n_iter_(self) -> int:
        """Steps that were grown."""
        return self.forest_.n_trees // len(self.baseline_)

    @property
    def estimators_(self) -> np.ndarray:
        """The trees, shape (n_iter_, n_outputs): each a regressor of what it adds to the scores; made when asked for."""
        from tripos.supervised.trees.boosted_trees import BoostedTreesRegressor

        check_is_fitted(self)
        facts = {name: vars(self)[name] for name in (*PER_MODEL, "statistics_") if name in vars(self)}
        found = np.empty(self.forest_.n_trees, object)
        for t in range(len(found)):
            one = BoostedTreesRegressor(n_estimators=1, learning_rate=self.learning_rate)
            one.__dict__.update(facts, _n_targets=1, best_iteration_=1, evals_result_={})
            one._set_forest(self.binning_, self.forest_.tree(t), np.zeros(1))
            found[t] = one
        return found.reshape(-1, len(self.baseline_))

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The step, the size of a tree, and what each tree may see."""
        return {
            "learning_rate": (0.02, 0.3, "log"),
            "max_leaves": [31, 15, 63],
            "colsample_bytree": (0.4, 1.0, "linear"),
            "reg_lambda": (1e-2, 30.0, "log"),
        }

    def bin(self, X: Any, sample_weight: Any = None) -> BinnedRows:
        """The rows in bins, to be fitted many times: ``model.fit(data, y)`` with this as `data`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        sample_weight : array-like of shape (n_rows,), optional
            Weights by which quantiles are taken.

        Returns
        -------
        BinnedRows
        """
        self._validate_params()
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        array = self._training_input(X, None, sample_weight, reset=True, check_finite=False)
        return self._bin_training(array, sample_weight, None)

    def _bin_training(self, X: np.ndarray, weight: np.ndarray | None, binning: Binning | None) -> BinnedRows:
        categorical = self._categorical(X.shape[1])
        if binning is None:
            learn = learn_sparse if sp.issparse(X) else Binning.learn
            binning = learn(X, weight, categorical=categorical, max_bins=self.max_bins, seed=self._seed())
        facts = {name: vars(self)[name] for name in PER_MODEL if name in vars(self)}
        return BinnedRows(self._bin(binning, X), binning, facts)

    def _bin_ordered(self, training: Training) -> BinnedRows:
        """Rows whose categories are statistics of the target, in several orders; sets `statistics_`."""
        X, weight, seed = training.X, training.sample_weight, self._seed()
        categorical = self._categorical(X.shape[1])
        if sp.issparse(X):
            if categorical.any():
                raise ValueError("categories='ordered' takes dense rows, X is CSR: use categories='native'")
            return self._bin_training(X, weight, None)
        how = {"seed": seed} | ({"native_levels": 0} if self.growth == "symmetric" else {})
        found, forms = OrderedStatistics.learn(X, self._means(training.y), weight, categorical, **how)
        if found is None:
            return self._bin_training(X, weight, None)
        for j in found.columns:
            self._reject_infinite(X[:, [j]])
        self.statistics_ = found
        still = np.zeros(forms[0].shape[1], dtype=bool)
        still[: len(found.kept)] = categorical[found.kept]
        binning = Binning.learn(forms[0], weight, categorical=still, max_bins=self.max_bins, seed=seed)
        several = [self._bin(binning, rows) for rows in (forms[:1] if self.boosting == "dart" else forms)]
        facts = {name: vars(self)[name] for name in PER_MODEL if name in vars(self)}
        return BinnedRows(several[0], binning, facts, tuple(several[1:]))

    def _means(self, y: np.ndarray) -> np.ndarray:
        """The targets whose means categories become, float64 of shape (n_rows, n_means)."""
        return np.ascontiguousarray(y.reshape(len(y), -1), np.float64)

    def _input(self, X: Any) -> Any:
        rows, statistics = super()._input(X), getattr(self, "statistics_", None)
        if statistics is None:
            return rows
        if sp.issparse(rows):
            raise TypeError("Sparse data was passed, but the model was fitted on dense rows with categories")
        self._reject_infinite(rows[:, statistics.columns])
        return statistics.apply(rows)

    def _sources(self) -> np.ndarray:
        sources, statistics = super()._sources(), getattr(self, "statistics_", None)
        return sources if statistics is None else sources[statistics.sources]

    def _n_seen(self) -> int:
        statistics = getattr(self, "statistics_", None)
        return super()._n_seen() if statistics is None else len(statistics.sources)

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the columns the trees see, shape (n_columns,)."""
        names, statistics = super().encoded_feature_names_, getattr(self, "statistics_", None)
        if statistics is None:
            return names
        means = ["mean of y"]
        if len(statistics.prior) > 1:
            labels = getattr(self, "classes_", np.arange(len(statistics.prior)))
            means = [f"mean of y = {label}" for label in labels]
        return np.asarray(statistics.names([str(name) for name in names], means), dtype=object)

    def _rows(self, X: Any, y: Any, sample_weight: Any, known: Binning | None) -> Rows:
        """Bins, targets and weights of the training rows."""
        ordered = getattr(self, "categories", "native") == "ordered"
        again = known is not None and (ordered or getattr(self, "statistics_", None) is not None)
        if again or (ordered and isinstance(X, BinnedRows)):
            raise ValueError(
                "categories='ordered' turns categories into means of the target of one fit: pass the rows themselves "
                "instead of bins, and use warm_start=False"
            )
        self.__dict__.pop("statistics_", None)
        if not isinstance(X, BinnedRows):
            self._compile_ahead(X, self._is_plain())
            training = self._start_native_fit(X, y, sample_weight, multi_output=self._several, blocks=True)
            if not training.in_memory:
                if ordered:
                    raise ValueError("categories='ordered' needs all rows in memory: use categories='native'")
                return self._stream(training, known)
            if ordered:
                return self._bin_ordered(training), training.y, training.sample_weight
            data = self._bin_training(training.X, training.sample_weight, known)
            return data, training.y, training.sample_weight
        self._validate_params()
        for name in PER_MODEL:
            self.__dict__.pop(name, None)
        self.__dict__.update(X.facts)
        target = self._target(y, multi_output=self._several, reset=True, classes=None)
        assert target is not None
        if len(target) != len(X):
            check_consistent_length(target, np.empty(len(X)))
        if sample_weight is None:
            return X, target, None
        blank = np.empty((len(X), 1))
        weight = _check_sample_weight(sample_weight, blank, dtype=np.float64, ensure_non_negative=True)
        keep = np.flatnonzero(weight)
        if len(keep) == len(weight):
            return X, target, weight
        return X.take(keep), target[keep], weight[keep]

    def _is_plain(self) -> bool:
        """Whether trees grow without constraints and drawn columns."""
        drawn = (self.colsample_bytree, self.colsample_bylevel, self.colsample_bynode) != (1, 1, 1)
        limited = (self.monotonic_cst, self.interaction_cst) != (None, None)
        return not (drawn or limited or self.reg_alpha or self.max_delta_step)

    def _stream(self, training: Training, binning: Binning | None) -> Rows:
        """Rows that come in blocks."""
        source = Streamed.of(training.blocks)
        if source.y.dtype.kind == "f" and not callable(self.objective):
            self._objective().check_target(source.y)
        categorical = self._categorical(training.n_features)
        if binning is None:
            how = {"categorical": categorical, "max_bins": self.max_bins, "seed": self._seed()}
            binning = source.learn(None, source.weight, **how)
        facts = {name: vars(self)[name] for name in PER_MODEL if name in vars(self)}
        return BinnedRows(source.bins(binning, None), binning, facts), source.y, source.weight

    def _seed(self) -> int:
        return (
            FIXED_SEED if self.random_state is None else int(generator(self.random_state).integers(1 << 31))
        )

    def _gradients(
        self, y: np.ndarray, weight: np.ndarray | None, baseline: np.ndarray, start: np.ndarray | None
    ) -> Gradients:
        if callable(self.objective):
            return CustomGradients(self.objective, y, weight, baseline, start)
        return Gradients(self._objective(), y, weight, baseline, start)

    def _baseline(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """F_0; zero where the objective is a function, or scores to start from are given."""
        K = self._n_outputs()
        return np.zeros(K) if callable(self.objective) else best_constant(self._objective(), y, weight, K)

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any, init_score: Any = None) -> None:
        again = self.warm_start and hasattr(self, "forest_")
        before = (self.binning_, self.forest_, self.baseline_) if again else None
        data, y, sample_weight = self._rows(X, y, sample_weight, before[0] if before else None)
        self._n_targets = y.shape[1] if y.ndim == 2 else 1
        weight = self._weights(y, sample_weight)
        self._objective()
        if self._n_outputs() > 1 and self.monotonic_cst is not None:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
        self._check_settings(before, data.binned)
        start = self._start_scores(init_score, data.binned.n_rows)
        zero = init_score is not None
        baseline = before[2] if before else self._baseline(y, weight) * (0.0 if zero else 1.0)
        gradients = self._gradients(y, weight, baseline, start)
        if before is not None:
            out = np.zeros((data.binned.n_rows, len(baseline)))
            add_trees(before[1], np.ascontiguousarray(data.binned.columns.T), out)
            gradients.scores += out.T.astype(np.float32)
        self._boost(data, gradients, baseline, eval_set, before[1] if before else None)

    def _check_settings(self, before: tuple[Binning, Forest, np.ndarray] | None, binned: Binned) -> None:
        if self.boosting == "dart" and self.early_stopping_rounds is not None:
            raise ValueError(
                "boosting='dart' changes early trees when late ones grow, so a model of the first trees is not the one that was "
                "measured: use early_stopping_rounds=None"
            )
        if self.boosting == "goss" and self.top_rate + self.other_rate > 1:
            raise ValueError(
                f"top_rate + other_rate must be at most 1, got {self.top_rate + self.other_rate}"
            )
        if before is not None and (
            before[0].n_features != binned.n_features or len(before[2]) != self._n_outputs()
        ):
            raise ValueError(
                "warm_start: the model was fitted on other columns or classes; use warm_start=False"
            )
        if before is not None and before[1].n_trees // len(before[2]) > self.n_estimators:
            raise ValueError(
                f"warm_start: the model has more than n_estimators={self.n_estimators} steps already"
            )

    def _start_scores(self, init_score: Any, n_rows: int) -> np.ndarray | None:
        if init_score is None:
            return None
        scores = check_array(init_score, ensure_2d=False, dtype=np.float64, input_name="init_score")
        if scores.size != n_rows * self._n_outputs() or len(scores) != n_rows:
            raise ValueError(
                f"init_score has shape {scores.shape}; {n_rows} rows and {self._n_outputs()} outputs are needed"
            )
        return np.asarray(scores.reshape(n_rows, -1))

    def _boost(
        self,
        data: BinnedRows,
        gradients: Gradients,
        baseline: np.ndarray,
        eval_set: Any,
        known: Forest | None,
    ) -> None:
        seed, binning = self._seed(), data.binning
        sampling = Sampling(rows=self.subsample, features=self.colsample_bytree, seed=seed)
        if self.boosting == "goss":
            sampling.top, sampling.other = self.top_rate, self.other_rate
            sampling.wait = 1.0 / self.learning_rate
        drops = Drops(self.rate_drop, self.skip_drop, seed) if self.boosting == "dart" else None
        how = self._growth(data.binned.n_features)
        if data.others:
            booster: Booster = Rotating([data.binned, *data.others], gradients, how, sampling, known, drops)
        else:
            booster = Booster(data.binned, gradients, how, sampling, known, drops)
        parts = self._parts(eval_set, baseline)
        for part in parts:
            part.bin(binning)
            if known is not None:
                part.add(known)
        watch = Evaluation(
            parts, self.eval_metric, self._value_of, self._predicted, self.early_stopping_rounds
        )
        with self._progress(self.n_estimators) as progress:
            while booster.n_steps < self.n_estimators:
                value = booster.step()
                score = watch.note(booster)
                grown = lambda: {"binning_": binning, "forest_": booster.forest(), "baseline_": baseline}  # noqa: E731
                if progress.step(value, score, attributes=grown) or watch.should_stop():
                    break
        self._set_forest(binning, booster.forest(), baseline)
        self.evals_result_ = watch.values
        self.best_iteration_ = watch.best(self.n_iter_)

    def _parts(self, eval_set: Any, baseline: np.ndarray) -> list[Part]:
        """The rows of the evaluation sets."""
        return [Part(*self._evaluation_rows(*pair), None, baseline) for pair in _pairs(eval_set)]

    def _evaluation_rows(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        rows = self._input(X)
        target = self._validation_target(y)
        check_consistent_length(rows, target)
        return rows, target

    def _value_of(self, name: str, part: Part) -> float:
        if name == "loss" and not callable(self.objective):
            return mean_loss(self._objective(), part.y, part.scores, None)
        return self._measure(name, part, self._objective())

    def _growth(self, p: int) -> Growth:
        in_tree = max(1, round(self.colsample_bytree * p))
        in_level = max(1, round(self.colsample_bylevel * in_tree))
        kind = SymmetricGrowth if self.growth == "symmetric" else Growth
        return kind(
            max_leaves=self.max_leaves if self.max_leaves != 1 else 2,
            max_depth=self.max_depth,
            min_rows=self.min_child_samples,
            order=GROWTH.get(self.growth, BEST_FIRST),
            l2=self.reg_lambda,
            l1=self.reg_alpha,
            gamma=self.gamma,
            min_hessian=self.min_child_weight,
            max_value=self.max_delta_step or np.inf,
            rate=self.learning_rate,
            smoothing=self.cat_smooth,
            support=self.cat_smooth,
            support_per_level=self.cat_smooth / 10,
            features_per_split=max(1, round(self.colsample_bynode * in_level)),
            features_per_level=in_level,
            directions=self._directions(),
            groups=self._groups(),
        )

    def _first(self, X: Any, n_trees: int | None) -> np.ndarray:
        """Scores after the first `n_trees` steps; None for `best_iteration_`."""
        X = self._input(X)
        steps = self.best_iteration_ if n_trees is None else n_trees
        if not 0 <= steps <= self.n_iter_:
            raise ValueError(
                f"n_trees must lie between 0 and the {self.n_iter_} steps of the model, got {n_trees!r}"
            )
        out = np.empty((X.shape[0], self.baseline_.size))
        out[:] = self.baseline_
        self._add_trees(X, out, 0, steps * self.baseline_.size)
        return out

    def _check_state(self) -> None:
        super()._check_state()
        statistics = getattr(self, "statistics_", None)
        if statistics is not None and statistics.n_columns != self._n_inputs():
            raise ValueError(f"statistics_ is for {statistics.n_columns} columns, not {self._n_inputs()}")
        if self.best_iteration_ > self.n_iter_:
            raise ValueError(f"best_iteration_ is {self.best_iteration_} of {self.n_iter_} steps")


Rows = tuple[BinnedRows, np.ndarray, "np.ndarray | None"]


def _pairs(eval_set: Any) -> list[tuple[Any, Any]]:
    """Evaluation sets, one pair (X, y) or several."""
    if eval_set is None:
        return []
    if isinstance(eval_set, tuple) and len(eval_set) == 2 and not isinstance(eval_set[0], tuple):
        return [eval_set]
    pairs = list(eval_set)
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise ValueError("eval_set must be a pair (X, y) or a list of such pairs")
    return [(pair[0], pair[1]) for pair in pairs]
