"""What `GradientBoostingClassifier` and `GradientBoostingRegressor` share: their fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from tripos.base import Classifier, Training
from tripos.compute.random import generator
from tripos.objective.losses import Loss
from tripos.state import Array, NestedList, Number
from tripos.supervised.trees.binning import Binned, Binning
from tripos.supervised.trees.boosting import Booster, Sampling, mean_loss
from tripos.supervised.trees.first_order import FirstOrder, first_constant
from tripos.supervised.trees.grow import Growth
from tripos.supervised.trees.histogram_boosting import FIXED_SEED, Part
from tripos.supervised.trees.leaves import BEST_FIRST
from tripos.supervised.trees.limits import LIMITS, columns_tried, rows_meant
from tripos.supervised.trees.model import TreeModel
from tripos.supervised.trees.starter import fit_starter, starting_scores
from tripos.supervised.trees.tree import Forest, add_trees


class FriedmanBoosting(TreeModel):
    """Boosting on first derivatives."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "learning_rate": [Interval(Real, 0, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "subsample": [Interval(Real, 0, 1, closed="right")],
        "criterion": [str],
        **LIMITS,
        "init": [StrOptions({"zero"}), HasMethods(["fit", "predict"]), None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "train_score_": Array("f", (None,)),
        "oob_improvement_": Array("f", (None,), optional=True),
        "oob_scores_": Array("f", (None,), optional=True),
        "max_features_": Number("i", low=1),
        "n_trees_per_iteration_": Number("i", low=1),
        "seed_": Number("i", low=0),
        "starters_": NestedList(optional=True),
    }
    init: Any
    _held: tuple[np.ndarray, np.ndarray] | None = None

    def _loss(self) -> Loss:
        raise NotImplementedError

    def _n_outputs(self) -> int:
        return 1

    @property
    def n_estimators_(self) -> int:
        """Steps that were grown."""
        return self.forest_.n_trees // self.n_trees_per_iteration_

    @property
    def estimators_(self) -> np.ndarray:
        """The trees, shape (n_estimators_, n_trees_per_iteration_); made when asked for."""
        out = np.empty(self.forest_.n_trees, object)
        out[:] = [self.forest_.tree(t) for t in range(self.forest_.n_trees)]
        return out.reshape(-1, self.n_trees_per_iteration_)

    @property
    def oob_score_(self) -> float:
        """The last of `oob_scores_`."""
        return float(self.oob_scores_[-1])

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The step, the depth of a tree, and the rows that each sees."""
        return {
            "learning_rate": (0.02, 0.3, "log"),
            "max_depth": [3, 2, 5],
            "subsample": (0.5, 1.0, "linear"),
        }

    def _fit(self, X: Any, y: Any, sample_weight: Any, monitor: Any) -> None:
        again = self.warm_start and hasattr(self, "forest_")
        before = (self.binning_, self.forest_, self.baseline_) if again else None
        scores = [
            vars(self).get(name, np.empty(0)) for name in ("train_score_", "oob_improvement_", "oob_scores_")
        ]
        training = self._start_native_fit(X, y, sample_weight)
        if self.ccp_alpha:
            raise ValueError(
                f"ccp_alpha={self.ccp_alpha}: boosted trees are not pruned; limit max_depth or max_leaf_nodes"
            )
        loss, K = self._loss(), self._n_outputs()
        if before is None:
            seed = self.random_state
            self.seed_ = FIXED_SEED if seed is None else int(generator(seed).integers(1 << 31))
            scores = [np.empty(0)] * 3
        elif before[0].n_features != training.n_features or len(before[2]) != K:
            raise ValueError(
                "warm_start: the model was fitted on other columns or classes; use warm_start=False"
            )
        elif before[1].n_trees // K > self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to {before[1].n_trees // K} when warm_start==True"
            )
        self.n_trees_per_iteration_ = K
        training, held = self._hold_out(training)
        start = self._start(X, y, sample_weight, again)
        binning, binned, baseline = self._prepare(training, loss, before)
        part = None if held is None else Part(*held, baseline).bin(binning)
        if part is not None and start[1] is not None:
            part.scores += start[1]
        level = float(getattr(self, "alpha", 0.9))
        gradients = FirstOrder(loss, training.y, training.sample_weight, baseline, level, start[0])
        if before is not None:
            self._start_from(before[1], binned, gradients, part)
        sampling = Sampling(rows=self.subsample, seed=self.seed_)
        booster = Booster(
            binned, gradients, self._growth(training, gradients.total_weight), sampling, before and before[1]
        )
        log = [list(values) for values in scores]
        with self._progress(self.n_estimators) as progress:
            recent = np.full(self.n_iter_no_change or 1, np.inf)
            while booster.n_steps < self.n_estimators:
                previous = gradients.scores.copy() if self.subsample < 1 else None
                value = booster.step()
                self._note(log, value, booster, loss, training, previous)
                held_loss = self._held_loss(part, booster, loss)
                grown = lambda: {"binning_": binning, "forest_": booster.forest(), "baseline_": baseline}  # noqa: E731
                stopped = progress.step(value, held_loss, attributes=grown)
                if part is not None and not (held_loss + self.tol < recent).any():
                    break
                recent[booster.n_steps % len(recent)] = held_loss
                self._set_forest(binning, booster.forest(), baseline) if monitor else None
                if stopped or (monitor is not None and monitor(booster.n_steps - 1, self, {})):
                    break
        self._set_forest(binning, booster.forest(), baseline)
        self.__dict__.pop("_held", None)
        self._keep(log)

    def _keep(self, log: list[list[float]]) -> None:
        self.train_score_ = np.array(log[0])
        for name, values in zip(("oob_improvement_", "oob_scores_"), log[1:], strict=True):
            self.__dict__.pop(name, None)
            if self.subsample < 1:
                setattr(self, name, np.array(values))

    def _prepare(
        self, training: Training, loss: Loss, before: tuple[Binning, Forest, np.ndarray] | None
    ) -> tuple[Binning, Binned, np.ndarray]:
        """Cuts, bins and the constant to start from."""
        X, w = training.X, training.sample_weight
        if before is not None:
            return before[0], self._bin(before[0], X), before[2]
        binning = Binning.learn(X, w, categorical=self._native_categories(X.shape[1]), seed=self.seed_)
        K = self._n_outputs()
        apart = "starters_" in vars(self) or isinstance(self.init, str)
        baseline = np.zeros(K) if apart else first_constant(loss, training.y, w, K)
        return binning, self._bin(binning, X), baseline

    def _start(
        self, X: Any, y: Any, sample_weight: Any, again: bool
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Scores of training rows and of rows held out by the estimator `init`, which is fitted on the former."""
        if self.init is None or isinstance(self.init, str):
            self.__dict__.pop("starters_", None)
            return None, None
        n = len(y)
        some = np.arange(n) if sample_weight is None else np.flatnonzero(np.asarray(sample_weight))
        train, held = (some, some[:0]) if self._held is None else (some[self._held[0]], some[self._held[1]])
        if not (again and "starters_" in vars(self)):
            self.starters_ = [fit_starter(self.init, X, y, sample_weight, train)]
        scores = self._starting_scores(X)
        return scores[train], scores[held]

    def _starting_scores(self, X: Any) -> np.ndarray:
        classes = self.classes_ if isinstance(self, Classifier) else None
        half = getattr(self, "loss", "") == "exponential"
        return starting_scores(self.starters_[0], X, self._n_outputs(), classes, half)

    def _scores(self, X: Any) -> np.ndarray:
        scores = super()._scores(X)
        return scores + self._starting_scores(X) if "starters_" in vars(self) else scores

    def _staged_scores(self, X: Any) -> Iterator[np.ndarray]:
        start = self._starting_scores(X) if "starters_" in vars(self) else 0.0
        for scores in super()._staged_scores(X):
            yield scores + start

    def _check_state(self) -> None:
        super()._check_state()
        if len(getattr(self, "starters_", [None])) != 1:
            raise ValueError("starters_ must hold one estimator")

    def _hold_out(self, training: Training) -> tuple[Training, tuple[Any, Any, Any] | None]:
        self._held = None
        if self.n_iter_no_change is None:
            return training, None
        X, y, w = training.X, training.y, training.sample_weight
        stratify = y if isinstance(self, Classifier) else None
        rows, held = train_test_split(
            np.arange(len(y)), test_size=self.validation_fraction, stratify=stratify, random_state=self.seed_
        )
        self._held = (rows, held)
        part = Training(X[rows], y[rows], None if w is None else w[rows], None, training.n_features)
        return part, (X[held], y[held], None if w is None else w[held])

    def _start_from(self, known: Forest, binned: Binned, gradients: FirstOrder, part: Part | None) -> None:
        out = np.zeros((binned.n_rows, known.n_outputs))
        add_trees(known, np.ascontiguousarray(binned.columns.T), out)
        gradients.scores += out.T.astype(np.float32)
        if part is not None:
            part.add(known)

    def _note(
        self,
        log: list[list[float]],
        value: float,
        booster: Booster,
        loss: Loss,
        training: Training,
        previous: np.ndarray | None,
    ) -> None:
        """Loss of the rows of the last step, and what it did for the others."""
        if previous is None or booster.rows is None:
            log[0].append(value)
            return
        gradients, y, w = booster.gradients, training.y, training.sample_weight
        others = np.setdiff1d(np.arange(len(y)), booster.rows)
        shift = 0.0 if gradients.y.dtype.kind == "i" else gradients.y[0] - y  # residual losses see y - F_0

        def of(rows: np.ndarray, scores: np.ndarray) -> float:
            targets = y if gradients.y.dtype.kind == "i" else y + shift
            weight = None if w is None else w[rows]
            return mean_loss(gradients.loss or loss, targets[rows], scores[:, rows].T, weight)

        log[0].append(of(booster.rows, gradients.scores))
        after = of(others, gradients.scores)
        log[1].append(of(others, previous) - after)
        log[2].append(after)

    def _held_loss(self, part: Part | None, booster: Booster, loss: Loss) -> float:
        if part is None:
            return float("nan")
        part.add(booster.latest())
        return mean_loss(booster.gradients.loss or loss, part.y, part.scores, part.weight)

    def _growth(self, training: Training, total_weight: float) -> Growth:
        n, p = training.X.shape
        self.max_features_ = min(columns_tried(self.max_features, p), p)
        return Growth(
            max_leaves=self.max_leaf_nodes or 0,
            max_depth=self.max_depth or 0,
            min_rows=rows_meant(self.min_samples_leaf, n),
            min_split=max(2, rows_meant(self.min_samples_split, n)),
            order=BEST_FIRST,
            gamma=0.5 * self.min_impurity_decrease * total_weight,
            min_hessian=max(self.min_weight_fraction_leaf * total_weight, 1e-12),
            rate=self.learning_rate,
            features_per_split=self.max_features_,
        )
