"""Paths of logistic regressions over inverse penalty strengths, on the training rows of each fold.

For each fold and each share of L1, the strengths C follow one another, each begun at the solution of the one
before; folds are independent work. Where the folds' test rows are a partition of all rows (k-fold), a large table
is brought into their order once, and the training rows of a fold are the parts of the others: one copy of
X instead of one for each fold.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, make_scorer

from tripos.compute.blocks import Blocks, row_blocks
from tripos.supervised.linear.likelihood import Counts, Problem, count
from tripos.supervised.linear.logistic_model import LogisticModel

COPIED = (
    1 << 24
)  # bytes of X up to which each fold gets a copy of its rows: a single block is passed over faster

Scoring = Callable[[LogisticModel, "Fold"], float]
Indices = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: the problem of its training rows, and its test rows.

    Attributes
    ----------
    problem : Problem
        With any penalty.
    start : ndarray
        theta of the base rates.
    X, y, s : test rows with their class codes and their weights (or None)
    test : ndarray
        Positions of the test rows among all that were given.
    """

    problem: Problem
    start: np.ndarray
    X: Any
    y: np.ndarray
    s: np.ndarray | None
    test: np.ndarray


@dataclass
class Task:
    """The path of one fold for one share of L1: where it stands, and what it has found so far.

    The copies of the fold's rows are made when its turn comes, so that there are only as many as threads.
    """

    fold: Callable[[], Fold]
    l1_ratio: float
    theta: np.ndarray | None = None
    coefs: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    n_iter: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    unconverged: int = 0


def make_folds(
    X: Any,
    y: np.ndarray,
    s: np.ndarray | None,
    splits: list[Indices],
    tests: list[np.ndarray],
    make: Callable[[Blocks, Counts], Problem],
    n_classes: int,
) -> list[Callable[[], Fold]]:
    """What makes the folds of rows in memory.

    Parameters
    ----------
    splits : list of (train, test)
        Positions of rows.
    tests : list of ndarray
        Positions of the test rows among all rows as they were given, rows of weight zero included.
    make : callable
        The problem of some rows.
    """

    def part(rows: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray | None]:
        return X[rows], y[rows], None if s is None else s[rows]

    n_bytes = X.data.nbytes if hasattr(X, "indptr") else X.nbytes
    shared = [part(test) for _, test in splits] if n_bytes > COPIED and is_partition(splits, len(y)) else None

    def fold(k: int) -> Fold:
        train, test = splits[k]
        mine = part(test) if shared is None else shared[k]
        others = [part(train)] if shared is None else [p for j, p in enumerate(shared) if j != k]
        blocks = row_blocks(others) if len(others) > 1 else row_blocks(*others[0])
        counts = count(blocks, n_classes)
        problem = make(blocks, counts)
        return Fold(problem, problem.base_rates(counts.weights), *mine, tests[k])

    return [partial(fold, k) for k in range(len(splits))]


def is_partition(splits: list[Indices], n_rows: int) -> bool:
    """Whether each row is tested once, and trained on in every other fold."""
    tested = np.zeros(n_rows, dtype=np.int64)
    for train, test in splits:
        tested[test] += 1
        if len(train) + len(test) != n_rows or len(np.intersect1d(train, test)):
            return False
    return bool((tested == 1).all())


def advance(
    task: Task, Cs: np.ndarray, model: Callable[..., LogisticModel], score: Scoring, how: dict[str, Any]
) -> None:
    """Moves a task along some strengths.

    Parameters
    ----------
    model : callable
        Makes an estimator of coefficients and intercepts.
    how : dict
        solver, tol, max_iter.
    """
    fold = task.fold()
    theta = fold.start if task.theta is None else task.theta
    for C in Cs:
        problem = fold.problem.at(float(C), task.l1_ratio)
        stopping = problem.stopping(how["tol"], how["max_iter"])
        result, _ = problem.solve(theta, stopping, how["solver"], warm=bool(task.scores))
        task.theta = theta = result.x
        W, b = problem.risk.coefficients(result.x)
        task.coefs.append(np.column_stack([W, b]) if problem.risk.fit_intercept else W.copy())
        task.scores.append(score(model(W, b), fold))
        task.n_iter.append(max(result.n_iter, min(1, how["max_iter"])))
        task.losses.append(float(result.fun))
        task.unconverged += not result.converged


# ---- scores of a fold -------------------------------------------------------------------------------------


def scoring_of(
    scoring: Any, classes: np.ndarray, y: Any, parameters: Callable[[np.ndarray], dict[str, Any]]
) -> Scoring:
    """What scores a model on a fold: by scikit-learn's name of a measure, by a callable, or by accuracy.

    Parameters
    ----------
    y : ndarray
        The labels as they were given, for all rows.
    parameters : callable
        Further arguments of the scorer for these rows.
    """
    if scoring is None or scoring == "accuracy":
        return _accuracy
    scorer = with_labels(get_scorer(scoring), classes)

    def score(model: LogisticModel, fold: Fold) -> float:
        routed = parameters(fold.test)
        if scoring == "neg_log_loss" and not routed and fold.s is None:
            return _log_likelihood(model, fold)  # scikit-learn's checks take as long as a third of the fits
        return float(scorer(model, fold.X, y[fold.test], **routed))

    return score


def with_labels(scorer: Any, classes: np.ndarray) -> Any:
    """A scorer that knows all classes, where its measure asks for them: a test fold may miss one."""
    known = inspect.signature(scorer._score_func).parameters if hasattr(scorer, "_score_func") else {}
    if "labels" not in known:
        return scorer
    positive = {"pos_label": classes[-1]} if len(classes) <= 2 and "pos_label" in known else {}
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        labels=classes,
        **{**positive, **getattr(scorer, "_kwargs", {})},
    )


def _log_likelihood(model: LogisticModel, fold: Fold) -> float:
    """Minus the mean log loss, with probabilities held off 0 and 1 as scikit-learn does."""
    p = model.predict_proba(fold.X)[np.arange(len(fold.y)), fold.y]
    least = np.finfo(p.dtype).eps
    return float(np.mean(np.log(np.clip(p, least, 1.0 - least))))


def _accuracy(model: LogisticModel, fold: Fold) -> float:
    scores = model.decision_function(fold.X)
    found = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
    return float(np.average(found == fold.y, weights=fold.s))
