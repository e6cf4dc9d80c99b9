"""Boosted trees in the terms of XGBoost and LightGBM: what the classifier and the regressor share."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length

from tripos.compute.random import generator
from tripos.objective.losses import Loss
from tripos.state import Json, Number
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.boosting import Booster, Gradients, Sampling, best_constant, mean_loss
from tripos.supervised.trees.columns import Columns
from tripos.supervised.trees.grow import GROWTH, Growth
from tripos.supervised.trees.histogram_boosting import FIXED_SEED, Part

SHARE = [Interval(Real, 0, 1, closed="right")]
NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]
RISES = ("accuracy", "auc", "r2")  # measures that are better when they are larger


class BoostedTrees(Columns):
    """A boosted model with evaluation sets."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_leaves": [Interval(Integral, 0, None, closed="left")],
        "max_depth": [Interval(Integral, 0, None, closed="left")],
        "growth": [StrOptions(set(GROWTH))],
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
        "eval_metric": [str, list, tuple],
        "early_stopping_rounds": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "best_iteration_": Number("i", low=0),
        "evals_result_": Json(max_bytes=1 << 22),
    }

    def _objective(self) -> Loss:
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

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The step, the size of a tree, and what each tree may see."""
        return {
            "learning_rate": (0.02, 0.3, "log"),
            "max_leaves": [31, 15, 63],
            "colsample_bytree": (0.4, 1.0, "linear"),
            "reg_lambda": (1e-2, 30.0, "log"),
        }

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any) -> None:
        training = self._start_native_fit(X, y, sample_weight)
        loss, K = self._objective(), self._n_outputs()
        if K > 1 and self.monotonic_cst is not None:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
        weight = self._weights(training.y, training.sample_weight)
        seed = (
            FIXED_SEED if self.random_state is None else int(generator(self.random_state).integers(1 << 31))
        )
        categorical = self._categorical(training.n_features)
        binning = Binning.learn(
            training.X, training.sample_weight, categorical=categorical, max_bins=self.max_bins, seed=seed
        )
        baseline = best_constant(loss, training.y, weight, K)
        binned = self._bin(binning, training.X)
        sampling = Sampling(rows=self.subsample, features=self.colsample_bytree, seed=seed)
        booster = Booster(
            binned, Gradients(loss, training.y, weight, baseline), self._growth(binned.n_features), sampling
        )
        parts = [
            Part(*self._evaluation_rows(*pair), None, baseline).bin(binning) for pair in _pairs(eval_set)
        ]
        metrics = [self.eval_metric] if isinstance(self.eval_metric, str) else list(self.eval_metric)
        result: dict[str, dict[str, list[float]]] = {
            f"validation_{i}": {name: [] for name in metrics} for i in range(len(parts))
        }
        with self._progress(self.n_estimators) as progress:
            while booster.n_steps < self.n_estimators:
                value = booster.step()
                self._evaluate(parts, booster, metrics, loss, result)
                score = result[f"validation_{len(parts) - 1}"][metrics[0]][-1] if parts else float("nan")
                grown = lambda: {"binning_": binning, "forest_": booster.forest(), "baseline_": baseline}  # noqa: E731
                if progress.step(value, score, attributes=grown) or self._should_stop(result, metrics[0]):
                    break
        self._set_forest(binning, booster.forest(), baseline)
        self.evals_result_ = result
        self.best_iteration_ = self._best(result, metrics[0])

    def _evaluation_rows(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        rows = self._input(X)
        target = self._validation_target(y)
        check_consistent_length(rows, target)
        return rows, target

    def _evaluate(
        self,
        parts: list[Part],
        booster: Booster,
        metrics: list[str],
        loss: Loss,
        result: dict[str, dict[str, list[float]]],
    ) -> None:
        for i, part in enumerate(parts):
            part.add(booster.latest())
            for name in metrics:
                value = (
                    mean_loss(loss, part.y, part.scores, None)
                    if name == "loss"
                    else self._measure(name, part, loss)
                )
                result[f"validation_{i}"][name].append(float(value))

    def _track(self, result: dict[str, dict[str, list[float]]], metric: str) -> np.ndarray | None:
        """The first measure of the last evaluation set, larger for worse."""
        if not result or self.early_stopping_rounds is None:
            return None
        values = np.array(result[f"validation_{len(result) - 1}"][metric])
        return -values if metric in RISES else values

    def _should_stop(self, result: dict[str, dict[str, list[float]]], metric: str) -> bool:
        values = self._track(result, metric)
        return values is not None and len(values) - 1 - int(np.argmin(values)) >= (
            self.early_stopping_rounds or 0
        )

    def _best(self, result: dict[str, dict[str, list[float]]], metric: str) -> int:
        values = self._track(result, metric)
        return self.n_iter_ if values is None else int(np.argmin(values)) + 1

    def _growth(self, p: int) -> Growth:
        in_tree = max(1, round(self.colsample_bytree * p))
        in_level = max(1, round(self.colsample_bylevel * in_tree))
        return Growth(
            max_leaves=self.max_leaves if self.max_leaves != 1 else 2,
            max_depth=self.max_depth,
            min_rows=self.min_child_samples,
            order=GROWTH[self.growth],
            l2=self.reg_lambda,
            l1=self.reg_alpha,
            gamma=self.gamma,
            min_hessian=self.min_child_weight,
            max_value=self.max_delta_step or np.inf,
            rate=self.learning_rate,
            smoothing=self.cat_smooth,
            support=self.cat_smooth,
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
        if not self._walker.add(X, out, 0, steps * self.baseline_.size):
            self._reject_infinite(X)
        return out

    def _check_state(self) -> None:
        super()._check_state()
        if self.best_iteration_ > self.n_iter_:
            raise ValueError(f"best_iteration_ is {self.best_iteration_} of {self.n_iter_} steps")


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
