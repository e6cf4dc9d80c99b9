"""Histogram gradient boosting with scikit-learn's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from tripos.base import Classifier, Training
from tripos.compute.random import generator
from tripos.objective.losses import Loss
from tripos.state import Array, Flag, Number
from tripos.supervised.trees.binning import Binned, Binning
from tripos.supervised.trees.boosting import Booster, Gradients, Sampling, best_constant, mean_loss
from tripos.supervised.trees.columns import Columns
from tripos.supervised.trees.grow import Growth
from tripos.supervised.trees.leaves import BEST_FIRST
from tripos.supervised.trees.sparse_rows import sparse_rows_as_bins
from tripos.supervised.trees.streaming import Streamed
from tripos.supervised.trees.tree import Forest, add_trees, rows_as_bins

MANY_ROWS = 10_000  # above which early_stopping="auto" stops early
SCORED_ROWS = 10_000  # training rows that a scorer looks at
FIXED_SEED = 0


class Part:
    """Rows that are scored while the model grows: their bins, targets, weights and scores."""

    def __init__(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, baseline: np.ndarray) -> None:
        self.X, self.y, self.weight = X, y, weight
        self.scores = np.tile(baseline, (len(y), 1))
        self.bins = np.empty((0, 0), np.uint8)
        self.groups: np.ndarray | None = None

    def bin(self, binning: Binning) -> Part:
        as_bins = sparse_rows_as_bins if sp.issparse(self.X) else rows_as_bins
        self.bins = as_bins(self.X, binning)
        return self

    def add(self, forest: Forest) -> None:
        add_trees(forest, self.bins, self.scores)


class HistogramBoosting(Columns):
    """What the classifier and the regressor share."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "l2_regularization": [Interval(Real, 0, None, closed="left")],
        "max_features": [Interval(RealNotInt, 0, 1, closed="right")],
        "monotonic_cst": ["array-like", dict, None],
        "interaction_cst": [list, tuple, StrOptions({"pairwise", "no_interactions"}), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_bins": [Interval(Integral, 2, 255, closed="both")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "warm_start": ["boolean"],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "scoring": [str, callable, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }
    state: ClassVar[Mapping[str, Any]] = {
        "train_score_": Array("f", (None,)),
        "validation_score_": Array("f", (None,)),
        "do_early_stopping_": Flag(),
        "n_trees_per_iteration_": Number("i", low=1),
        "seed_": Number("i", low=0),
    }

    def _loss(self) -> Loss:
        raise NotImplementedError

    def _weights(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        return sample_weight

    def _validation_target(self, y: Any) -> np.ndarray:
        raise NotImplementedError

    @property
    def n_iter_(self) -> int:
        """Steps of the model; each has `n_trees_per_iteration_` trees."""
        return self.forest_.n_trees // self.n_trees_per_iteration_

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The step, the size of a tree and of its leaves."""
        return {
            "learning_rate": (0.02, 0.3, "log"),
            "max_leaf_nodes": [31, 15, 63],
            "min_samples_leaf": [20, 5, 50],
        }

    # ---- fitting ---------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]) -> None:
        plain = self.monotonic_cst is None and self.interaction_cst is None and self.max_features == 1.0
        self._compile_ahead(X, plain)
        again = self.warm_start and hasattr(self, "forest_")
        before = (self.binning_, self.forest_, self.baseline_) if again else None
        training = self._start_native_fit(X, y, sample_weight, blocks=True)
        loss, K = self._loss(), self._n_outputs()
        if before is not None and (before[0].n_features != training.n_features or len(before[2]) != K):
            raise ValueError(
                "warm_start: the model was fitted on other columns or classes; use warm_start=False"
            )
        self.n_trees_per_iteration_ = K
        if self.monotonic_cst is not None and K > 1:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
        if not again:
            seed = self.random_state
            self.seed_ = FIXED_SEED if seed is None else int(generator(seed).integers(1 << 31))
        binned = None
        if training.in_memory:
            training, held_out = self._hold_out(training, validation)
        else:
            training, held_out, binned = self._stream(training, validation, before)
        weight = self._weights(training.y, training.sample_weight)
        self._boost(training, weight, held_out, loss, before, binned)

    def _n_outputs(self) -> int:
        return 1

    def _scores(self, X: Any) -> np.ndarray:
        given = self.__dict__.get("_given_scores")  # while a scorer looks at the growing model
        return super()._scores(X) if given is None else given.copy()

    def _hold_out(
        self, training: Training, validation: tuple[Any, Any, Any]
    ) -> tuple[Training, tuple[Any, Any, Any] | None]:
        """Training rows, and validation rows (X, y, weight) where the fit stops by them."""
        X, y, w = training.X, training.y, training.sample_weight
        rows, held = self._split(y, validation)
        if validation[0] is not None or validation[1] is not None:
            return training, self._given_validation(*validation)
        if rows is None or held is None:
            return training, None
        part = Training(
            X[rows], y[rows], None if w is None else w[rows], training.blocks, training.n_features
        )
        return part, (X[held], y[held], None if w is None else w[held])

    def _given_validation(self, X: Any, y: Any, w: Any) -> tuple[Any, Any, Any]:
        if X is None or y is None:
            given, absent = ("y_val", "X_val") if X is None else ("X_val", "y_val")
            raise ValueError(f"{given} is provided, but {absent} was not provided.")
        if self.early_stopping is False:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time early_stopping is False: set it to 'auto' or True"
            )
        X = self._input(X)
        y = self._validation_target(y)
        check_consistent_length(X, y)
        return X, y, None if w is None else _check_sample_weight(w, X, dtype=np.float64)

    def _boost(
        self,
        training: Training,
        weight: np.ndarray | None,
        held_out: tuple[Any, Any, Any] | None,
        loss: Loss,
        before: tuple[Binning, Forest, np.ndarray] | None,
        streamed: tuple[Binning, Binned] | None,
    ) -> None:
        X, y, K = training.X, training.y, self.n_trees_per_iteration_
        if streamed is not None:
            binning, binned = streamed
        else:
            categorical = self._categorical(X.shape[1])
            binning = before[0] if before else self._learn(X, training.sample_weight, categorical)
            binned = self._bin(binning, X)
        known, baseline = before[1:] if before else (None, best_constant(loss, y, weight, K))
        gradients = Gradients(loss, y, weight, baseline)
        if known is not None:
            self._start_from(known, binned, gradients)
        booster = Booster(
            binned, gradients, self._growth(binned.n_features), Sampling(seed=self.seed_), known
        )
        if booster.n_steps > self.max_iter:
            raise ValueError(
                f"max_iter={self.max_iter} must be larger than or equal to n_iter_={booster.n_steps} when warm_start==True"
            )
        watch = Watch(self, loss, binning, baseline, training, weight, held_out, known, before is not None)
        with self._progress(self.max_iter) as progress:
            while booster.n_steps < self.max_iter:
                value = booster.step()
                score = watch.score(booster)
                grown = lambda: self._attributes(binning, booster, baseline)  # noqa: E731
                if progress.step(value, score, attributes=grown) or watch.should_stop():
                    break
        self._set_forest(binning, booster.forest(), baseline)
        self.train_score_, self.validation_score_ = watch.scores()

    def _learn(self, X: np.ndarray, weight: np.ndarray | None, categorical: np.ndarray) -> Binning:
        how = {"categorical": categorical, "max_bins": self.max_bins, "seed": self.seed_}
        return Binning.learn(X, weight, **how)

    def _stream(
        self,
        training: Training,
        validation: tuple[Any, Any, Any],
        before: tuple[Binning, Forest, np.ndarray] | None,
    ) -> tuple[Training, tuple[Any, Any, Any] | None, tuple[Binning, Binned]]:
        """Rows that come in blocks: targets of the training rows, validation rows, bins."""
        source = Streamed.of(training.blocks)
        y, w = source.y, source.weight
        self._check_streamed(y)
        rows, held = self._split(y, validation)
        held_out = None
        if rows is not None and held is not None:
            held_out = (source.rows(held), y[held], None if w is None else w[held])
            y, w = y[rows], None if w is None else w[rows]
        elif validation[0] is not None or validation[1] is not None:
            held_out = self._given_validation(*validation)
        categorical = self._categorical(training.n_features)
        if before is None:
            how = {"categorical": categorical, "max_bins": self.max_bins, "seed": self.seed_}
            binning = source.learn(rows, w, **how)
        else:
            binning = before[0]
        if self.do_early_stopping_ and self.scoring != "loss":
            raise ValueError(
                "scoring must be 'loss' where rows come in blocks: a scorer needs them in memory"
            )
        part = Training(None, y, w, training.blocks, training.n_features)
        return part, held_out, (binning, source.bins(binning, rows))

    def _check_streamed(self, y: np.ndarray) -> None:
        """Raises where a target of the blocks is outside the loss's domain."""
        loss = self._loss()
        if y.dtype.kind == "f":
            loss.check_target(y)

    def _split(
        self, y: np.ndarray, validation: tuple[Any, Any, Any]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Positions of training and validation rows, None for all and for none."""
        auto = self.early_stopping == "auto"
        self.do_early_stopping_ = len(y) > MANY_ROWS if auto else bool(self.early_stopping)
        given = validation[0] is not None or validation[1] is not None
        if given or not self.do_early_stopping_ or self.validation_fraction is None:
            return None, None
        rows, held = train_test_split(
            np.arange(len(y)),
            test_size=self.validation_fraction,
            stratify=y if isinstance(self, Classifier) else None,
            random_state=self.seed_,
        )
        return np.sort(rows), np.sort(held)

    def _start_from(self, known: Forest, binned: Binned, gradients: Gradients) -> None:
        out = np.zeros((binned.n_rows, known.n_outputs))
        add_trees(known, np.ascontiguousarray(binned.columns.T), out)
        gradients.scores += out.T.astype(np.float32)

    def _attributes(self, binning: Binning, booster: Booster, baseline: np.ndarray) -> dict[str, Any]:
        return {"binning_": binning, "forest_": booster.forest(), "baseline_": baseline}

    def _growth(self, n_columns: int) -> Growth:
        return Growth(
            max_leaves=self.max_leaf_nodes or 0,
            max_depth=self.max_depth or 0,
            min_rows=self.min_samples_leaf,
            order=BEST_FIRST,
            l2=self.l2_regularization,
            rate=self.learning_rate,
            features_per_split=max(1, int(round(self.max_features * n_columns))),
            directions=self._directions(),
            groups=self._groups(),
        )


class Watch:
    """Scores of training and validation rows after each step, and whether they still rise."""

    def __init__(
        self,
        model: HistogramBoosting,
        loss: Loss,
        binning: Binning,
        baseline: np.ndarray,
        training: Training,
        weight: np.ndarray | None,
        held_out: tuple[Any, Any, Any] | None,
        known: Forest | None,
        again: bool,
    ) -> None:
        self.model, self.loss = model, loss
        self.active = model.do_early_stopping_
        self.by_loss = model.scoring == "loss"
        self.train: list[float] = model.train_score_.tolist() if again else []
        self.validation: list[float] = model.validation_score_.tolist() if again else []
        self.parts: list[Part] = []
        if not self.active:
            return
        if not self.by_loss:
            training, weight = self._some(training, weight)
            self.scorer = check_scoring(model, model.scoring)
        wanted = [(training.X, training.y, weight)] + ([held_out] if held_out is not None else [])
        if self.by_loss:
            wanted = wanted[1:]  # the training loss is known
        self.parts = [Part(X, y, w, baseline).bin(binning) for X, y, w in wanted]
        if known is not None:
            for part in self.parts:
                part.add(known)
        if not again:
            start = mean_loss(loss, training.y, np.tile(baseline, (len(training.y), 1)), weight)
            self._note(start)

    def _some(self, training: Training, weight: np.ndarray | None) -> tuple[Training, np.ndarray | None]:
        n = len(training.y)
        if n <= SCORED_ROWS:
            return training, weight
        rows = np.sort(np.random.default_rng(self.model.seed_).choice(n, SCORED_ROWS, replace=False))
        part = Training(training.X[rows], training.y[rows], None, training.blocks, training.n_features)
        return part, None if weight is None else weight[rows]

    def _note(self, training_loss: float) -> None:
        if self.by_loss:
            self.train.append(-training_loss)
            scores = [-mean_loss(self.loss, part.y, part.scores, part.weight) for part in self.parts]
        else:
            first, *scores = [self._by_scorer(part) for part in self.parts]
            self.train.append(first)
        self.validation += scores

    def _by_scorer(self, part: Part) -> float:
        model = self.model
        model._given_scores = part.scores
        try:
            y = model.classes_[part.y] if isinstance(model, Classifier) else part.y
            options = {} if part.weight is None else {"sample_weight": part.weight}
            return float(self.scorer(model, part.X, y, **options))
        finally:
            del model._given_scores

    def score(self, booster: Booster) -> float:
        """Scores the rows after a step; the validation score, NaN where there is none."""
        if not self.active:
            return float("nan")
        latest = booster.latest()
        for part in self.parts:
            part.add(latest)
        self._note(booster.loss)
        return self.validation[-1] if self.validation else float("nan")

    def should_stop(self) -> bool:
        """Whether none of the last `n_iter_no_change` scores is better, by `tol`, than the one before them."""
        scores, patience = self.validation or self.train, self.model.n_iter_no_change
        if not self.active or len(scores) < patience + 1:
            return False
        reference = scores[-patience - 1] + self.model.tol
        return not any(score > reference for score in scores[-patience:])

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.train), np.array(self.validation)
