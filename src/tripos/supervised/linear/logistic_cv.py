"""Logistic regression whose penalty is chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _check_method_params

from tripos import labels
from tripos.base import Training
from tripos.compute.executor import map_tasks
from tripos.errors import DataWarning
from tripos.labels import class_factors
from tripos.supervised.linear.likelihood import Counts, Problem, count
from tripos.supervised.linear.logistic import LogisticRegression
from tripos.supervised.linear.logistic_folds import Fold, Task, advance, make_folds, scoring_of
from tripos.supervised.linear.logistic_grid import LogisticGrid
from tripos.supervised.linear.logistic_model import LogisticModel
from tripos.supervised.linear.logistic_penalty import SOLVERS, check_solver, named

DEFAULT_FOLDS = 5
STACK = 4  # frames from a warning to the line that called `fit`


class LogisticRegressionCV(LogisticGrid):
    """Logistic regression with C, and the share of L1, chosen by cross-validation.

    Minimises what `LogisticRegression` does for each C of a grid (and each share r of the L1 penalty)

        C sum_i s_i L(y_i, W x_i + b) + r |W|_1 + (1 - r) |W|^2 / 2

    on the training rows of each fold, every fit begun at the solution for the C before it, and keeps the pair with
    the best mean score on the test rows. Folds are fitted side by side.

    Parameters
    ----------
    Cs : int or array-like, default=10
        Inverse strengths; a number asks for so many between 1e-4 and 1e4, evenly spaced in their logarithm.
    l1_ratios : array-like, optional
        Shares of the L1 penalty to choose from, by default none: L2 alone.
    fit_intercept : bool, default=True
    cv : int, splitter or iterable of (train, test), default=None
        Number of stratified folds (5 by default), or what makes them.
    dual : bool, default=False
        Accepted with ``solver="liblinear"``; the solution is the same.
    penalty : {"l1", "l2", "elasticnet"}, default="deprecated"
        As in scikit-learn 1.9, superseded by `l1_ratios`.
    scoring : str or callable, optional
        A measure by scikit-learn's name, or ``scorer(estimator, X, y)``; by default accuracy.
    solver : str, default="lbfgs"
        As in `LogisticRegression`: "saga" where `l1_ratios` has shares above 0, "liblinear" for 1 alone.
    tol : float, default=1e-4
    max_iter : int, default=100
        Steps of each fit at most.
    class_weight : dict or "balanced", optional
        "balanced" counts the classes of all rows, not of each fold's.
    n_jobs : int, optional
        Fits side by side; by default as many as there are threads (``TRIPOS_NUM_THREADS``).
    verbose : int, default=0
        Without effect.
    refit : bool, default=True
        Whether the best pair is fitted to all rows; otherwise each fold's best coefficients are averaged.
    intercept_scaling : float, default=1.0
        As in `LogisticRegression`.
    random_state : int or RandomState, optional
        Without effect on the solution.
    use_legacy_attributes : bool, default=True
        Form of the attributes, as in scikit-learn 1.9: True gives `C_` and `l1_ratio_` for each class and
        `scores_` and `coefs_paths_` by class; False gives numbers and arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    Cs_ : ndarray of shape (n_cs,)
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    C_, l1_ratio_ : float, or ndarray of shape (n_classes,) or (1,)
        The chosen pair.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs), or dict of ndarray of shape (n_folds, n_cs)
        With a last axis for `l1_ratios` where they were given.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, n_classes, n_features + 1), or dict of ndarray of
            shape (n_folds, n_cs, n_features + 1)
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_cs) or (1, n_folds, n_cs)
        Steps of each fit.
    solver_ : str
        The method of the last fit.
    loss_ : float
        Mean loss with the penalty, at the solution.
    history_ : dict of lists
        step (one for each C), loss (mean over the folds), validation (their mean score), seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    References
    ----------
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., sections 4.4 and 7.10.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import LogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegressionCV(l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False)
    >>> model.fit(X, y).predict(X[:2])
    array([0, 0])
    >>> model.scores_.shape
    (5, 1, 10)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: rule
            for name, rule in LogisticRegression._parameter_constraints.items()
            if name not in ("C", "l1_ratio", "warm_start", "multi_class", "learning_rate")
        },
        "solver": [StrOptions({*SOLVERS, "irls"})],
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, Hidden(StrOptions({"warn"}))],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None, Hidden(StrOptions({"warn"}))],
        "refit": ["boolean"],
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), Hidden(StrOptions({"deprecated"}))],
        "use_legacy_attributes": ["boolean", Hidden(StrOptions({"warn"}))],
    }

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = "warn",
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: str = "deprecated",
        scoring: Any = "warn",
        solver: str = "lbfgs",
        tol: float = 1e-4,
        max_iter: int = 100,
        class_weight: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: Any = None,
        use_legacy_attributes: Any = "warn",
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.solver != "liblinear"
        return tags

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> LogisticRegressionCV:
        """Fit the path on each fold, choose, and fit all rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows, in the fits and in the scores.
        **params
            For the splitter and the scorer, by scikit-learn's metadata routing.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For fewer than two classes, a solver that does not take the penalty, or rows that are not in memory.
        """
        training = self._start_fit(X, y, sample_weight)
        if not training.in_memory:
            raise ValueError(
                "LogisticRegressionCV needs rows in memory to divide them into folds: fit LogisticRegression on the "
                "blocks for each C"
            )
        ratios = self._asked_ratios()
        self._check_classes()
        if self.solver == "liblinear" and len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: The 'liblinear' "
                "solver does not support multiclass classification (n_classes >= 3). Use another solver."
            )
        self.Cs_ = (
            np.logspace(-4, 4, self.Cs) if isinstance(self.Cs, Integral) else np.asarray(self.Cs, np.float64)
        )
        routed = self._routed(sample_weight, params)
        given = labels.as_label_array(y)
        cv = check_cv(self._folds(training.y), given, classifier=True)
        splits = list(cv.split(X, given, **routed.splitter.split))
        counts = count(training.blocks, len(self.classes_))
        factors = class_factors(self.class_weight, self.classes_, counts.weights)

        def parameters(rows: np.ndarray) -> dict[str, Any]:
            return dict(_check_method_params(X=given, params=routed.scorer.score, indices=rows))

        folds = make_folds(
            training.X,
            training.y,
            training.sample_weight,
            _without_dropped(splits, sample_weight),
            [_kept(test, sample_weight) for _, test in splits],
            partial(self._problem, factors=factors),
            len(self.classes_),
        )
        scoring = None if self.scoring == "warn" else self.scoring
        score = scoring_of(scoring, self.classes_, given, parameters)
        tasks = [Task(fold, ratio) for fold in folds for ratio in ratios]
        self._fit_paths(tasks, score, training)
        self._keep(tasks, len(folds), ratios)
        self._choose(training, counts, factors)
        return self

    def _folds(self, codes: np.ndarray) -> Any:
        """`cv`, or by default five folds, fewer where no class has as many rows."""
        most = int(np.bincount(codes).max()) if self.cv is None else DEFAULT_FOLDS
        if most >= DEFAULT_FOLDS:
            return self.cv
        warnings.warn(
            f"LogisticRegressionCV: no class has {DEFAULT_FOLDS} rows, so that {max(2, most)} folds are made instead "
            "of 5; their scores say little",
            DataWarning,
            stacklevel=STACK + 1,
        )
        return max(2, most)

    def _problem(self, blocks: Any, counts: Counts, factors: np.ndarray) -> Problem:
        return Problem.of(
            blocks,
            counts,
            factors,
            C=1.0,
            fit_intercept=self.fit_intercept,
            intercept_scaling=self.intercept_scaling if self.solver == "liblinear" else None,
        )

    def _fit_paths(
        self, tasks: list[Task], score: Callable[[LogisticModel, Fold], float], training: Training
    ) -> None:
        """All tasks over all Cs; one C after another where callbacks want to hear of each."""
        listening = hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        pieces = [self.Cs_[[k]] for k in range(len(self.Cs_))] if listening else [self.Cs_]
        how = {"solver": self.solver, "tol": self.tol, "max_iter": self.max_iter}
        model = partial(_fitted, self.classes_, training.n_features, training.X.dtype)
        with self._progress(len(self.Cs_)) as progress:
            for Cs in pieces:
                map_tasks(partial(advance, Cs=Cs, model=model, score=score, how=how), tasks, self.n_jobs)
                for k in range(len(progress.history["step"]), len(tasks[0].scores)):
                    loss, found = (np.mean([part[k] for part in parts]) for parts in _columns(tasks))
                    progress.step(float(loss), float(found))
                if progress.stopped:
                    break
        failed = sum(task.unconverged for task in tasks)
        if failed and not progress.stopped:
            warnings.warn(
                f"LogisticRegressionCV: {failed} of {len(tasks) * len(self.Cs_)} fits did not converge within "
                f"max_iter={self.max_iter} steps. Raise max_iter, scale the features, or leave the largest Cs out.",
                ConvergenceWarning,
                stacklevel=STACK + 1,
            )

    def _keep(self, tasks: list[Task], n_folds: int, ratios: list[float]) -> None:
        """The grid as arrays; NaN where a callback stopped before it was reached."""
        shape = (n_folds, len(ratios), len(self.Cs_))
        done = len(tasks[0].scores)
        self._ratios = np.array(ratios)
        self._scores_grid = np.full(shape, np.nan)
        self._steps_grid = np.zeros(shape, dtype=np.int32)
        self._paths_grid = np.full((*shape, *tasks[0].coefs[0].shape), np.nan)
        for place, task in zip(np.ndindex(shape[:2]), tasks):
            self._scores_grid[place][:done] = task.scores
            self._steps_grid[place][:done] = task.n_iter
            self._paths_grid[place][:done] = task.coefs

    def _choose(self, training: Training, counts: Counts, factors: np.ndarray) -> None:
        """The best pair and its coefficients, by the mean score of the folds."""
        dtype = training.X.dtype
        problem = self._problem(training.blocks, counts, factors)
        grid = np.where(np.isnan(self._scores_grid), -np.inf, self._scores_grid).swapaxes(1, 2)
        shape = grid.shape[1:]  # (n_cs, n_ratios): of equal scores the smallest C wins
        if self.refit:
            c, r = np.unravel_index(grid.sum(axis=0).argmax(), shape)
            best = self._paths_grid[:, r, c].mean(axis=0)
            self._best = np.array([self.Cs_[c], self._ratios[r]])
            problem = problem.at(*self._best)
            stopping = problem.stopping(self.tol, self.max_iter)
            result, self.solver_ = problem.solve(best.reshape(-1), stopping, self.solver, warm=True)
            W, b = problem.risk.coefficients(result.x)
            self.loss_ = float(result.fun)
        else:
            places = [np.unravel_index(scores.argmax(), shape) for scores in grid]
            best = np.mean([self._paths_grid[k, r, c] for k, (c, r) in enumerate(places)], axis=0)
            self._best = np.array([np.mean([pair[p] for p in ps]) for pair, ps in self._pairs(places)])
            W, b = problem.risk.coefficients(best.reshape(-1))
            problem = problem.at(*self._best)
            theta = best.reshape(-1)
            self.loss_ = problem.risk.value_gradient(theta)[0] + float(problem.kinks @ np.abs(theta))
            self.solver_ = "average"
        self.coef_, self.intercept_ = W.astype(dtype), b.astype(dtype)

    def _pairs(self, places: list[Any]) -> list[tuple[np.ndarray, list[int]]]:
        return [(self.Cs_, [int(c) for c, _ in places]), (self._ratios, [int(r) for _, r in places])]

    # ---- what was asked for ----------------------------------------------------------------------

    def _asked_ratios(self) -> list[float]:
        """The shares of L1 of the grid, from `l1_ratios` and the deprecated `penalty`; checks the solver."""
        self._announce_defaults()
        unset = self.l1_ratios is None or isinstance(self.l1_ratios, str)
        ratios = [] if unset else [float(r) for r in self.l1_ratios]
        self._ratios_given = not unset
        if any(not 0.0 <= r <= 1.0 for r in ratios) or (not unset and not ratios):
            raise ValueError(
                f"l1_ratios must be an array-like of numbers between 0 and 1; got (l1_ratios={self.l1_ratios!r})"
            )
        if self.penalty == "deprecated":
            kinds = {named(r) for r in ratios} or {"l2"}
            check_solver(self.solver, kinds.pop() if len(kinds) == 1 else "elasticnet", self.dual)
            return ratios or [0.0]
        check_solver(self.solver, self.penalty, self.dual)
        if self.penalty == "elasticnet":
            if unset:
                raise ValueError(
                    "l1_ratios must be an array-like of numbers between 0 and 1; got (l1_ratios=None)"
                )
            return ratios
        return [1.0 if self.penalty == "l1" else 0.0] * max(1, len(ratios))

    def _announce_defaults(self) -> None:
        """One warning for what scikit-learn announces in three, and one for its deprecated parameter."""
        changing = {
            "l1_ratios": "from None to (0.0,)",
            "scoring": "from accuracy to 'neg_log_loss'",
            "use_legacy_attributes": "from True to False",
        }
        unset = [
            name
            for name in changing
            if isinstance(getattr(self, name), str) and getattr(self, name) == "warn"
        ]
        if unset:
            which = ", ".join(f"{name} ({changing[name]})" for name in unset)
            warnings.warn(
                f"LogisticRegressionCV: scikit-learn 1.10 and 1.11 change the defaults of {which}, and tripos will "
                "follow: set them to silence this",
                FutureWarning,
                stacklevel=STACK + 1,
            )
        if self.penalty != "deprecated":
            warnings.warn(
                "'penalty' was deprecated in scikit-learn 1.8: use l1_ratios=(0,) instead of 'l2', (1,) instead of "
                "'l1', and leave it out",
                FutureWarning,
                stacklevel=STACK + 1,
            )

    def _routed(self, sample_weight: Any, params: dict[str, Any]) -> Any:
        """Arguments of the splitter and the scorer."""
        from sklearn.utils.metadata_routing import (
            _manual_routing,
            _raise_for_params,
            _routing_enabled,
        )

        _raise_for_params(params, self, "fit")
        if _routing_enabled():
            return process_routing(self, "fit", sample_weight=sample_weight, **params)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return _manual_routing({"splitter": {}, "scorer": {"score": {**params, **weight}}})


def _fitted(
    classes: np.ndarray, n_features: int, dtype: Any, W: np.ndarray, b: np.ndarray
) -> LogisticRegression:
    """A model of these coefficients, for a scorer."""
    model = LogisticRegression()
    model.classes_, model.n_features_in_, model._width = classes, n_features, n_features
    model.coef_, model.intercept_ = W.astype(dtype), b.astype(dtype)
    return model


def _columns(tasks: list[Task]) -> tuple[list[list[float]], list[list[float]]]:
    return [task.losses for task in tasks], [task.scores for task in tasks]


def _kept(rows: Any, sample_weight: Any) -> np.ndarray:
    """Those of some rows that have a weight: a fit leaves the others out."""
    rows = np.asarray(rows)
    kept: np.ndarray = rows if sample_weight is None else rows[np.asarray(sample_weight)[rows] != 0]
    return kept


def _without_dropped(splits: list[Any], sample_weight: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same splits by position among the rows that have a weight."""
    if sample_weight is None:
        return [(np.asarray(train), np.asarray(test)) for train, test in splits]
    place = np.cumsum(np.asarray(sample_weight) != 0) - 1
    return [(place[_kept(train, sample_weight)], place[_kept(test, sample_weight)]) for train, test in splits]
