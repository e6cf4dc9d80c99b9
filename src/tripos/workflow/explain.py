"""What the model uses: which columns it loses by, and which values push its answer where."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from tripos.compute.random import generator, streams
from tripos.compute.threads import parallel
from tripos.metrics.scorers import Scorer
from tripos.workflow.trial import value_of

MOST_ROWS, REPEATS = 4000, 5
TOP = 24
_SAMPLE = 20_000


def importances(
    model: Any, frame: pl.DataFrame, y: np.ndarray, measure: Scorer, *, seed: int
) -> dict[str, Any]:
    """Permutation importance of each column of the table on rows held out from the fit (Breiman, 2001).

    A column's importance is what the measure loses when the column is shuffled. Columns that tell the same
    share it: shuffling one of them alone costs little.

    What the encoder makes of a row does not depend on other rows, so that shuffling a column of the table and
    shuffling all that was made of it is the same. The table is therefore encoded once, where
    `selection.permutation_importance`, which knows no encoder, would encode it for every shuffle: 400 times for ames.
    """
    rows = np.sort(generator(seed).permutation(len(y))[:MOST_ROWS])
    encoder, learner = model[0], model[-1]
    X, truth = encoder.transform(frame[rows]), y[rows]
    sources = np.asarray(encoder.sources_, dtype=object)
    names = [name for name in frame.columns if name in set(sources.tolist())]
    best = measure.goodness(value_of(measure, learner, X, truth))

    def drops(name: str, random: np.random.Generator) -> list[float]:
        of_column = sources == name
        return [
            best
            - measure.goodness(
                value_of(measure, learner, _shuffled(X, of_column, random.permutation(len(truth))), truth)
            )
            for _ in range(REPEATS)
        ]

    found = np.array(parallel(lambda pair: drops(*pair), list(zip(names, streams(seed, len(names))))))
    order = np.argsort(-found.mean(axis=1), kind="stable")[:TOP]
    return {
        "names": [names[j] for j in order],
        "mean": found.mean(axis=1)[order].tolist(),
        "sd": found.std(axis=1, ddof=1)[order].tolist(),
        "rows": len(rows),
    }


def _shuffled(X: Any, columns: np.ndarray, order: np.ndarray) -> Any:
    """X with some columns taken from other rows; `columns` is a mask."""
    if columns.all():
        return X[order]
    if sp.issparse(X):
        keep = sp.diags_array((~columns).astype(X.dtype))
        move = sp.diags_array(columns.astype(X.dtype))
        return (X @ keep + X[order] @ move).tocsr()
    return np.where(columns, X[order], X)


def effects(model: Any, frame: pl.DataFrame, seed: int) -> dict[str, Any] | None:
    """The encoded columns that weigh most: coefficient times the column's standard deviation in training.

    The product compares columns of any scale, and a rare word with a common one, by what they move in practice.
    None when the learner has no weight for each column.
    """
    learner, encoder = model[-1], model[0]
    weights, classes = _weights(learner)
    if weights is None:
        return None
    rows = np.sort(generator(seed).permutation(len(frame))[:_SAMPLE])
    moved = weights * _spread(encoder.transform(frame[rows]))  # (n_classes or 1, n_encoded)
    names = np.asarray(encoder.get_feature_names_out(), dtype=object)
    order = np.argsort(-np.abs(moved), axis=None, kind="stable")[:TOP]
    order = order[moved.ravel()[order] != 0]
    of_class, column = np.unravel_index(order, moved.shape)
    labelled = [
        f"{names[j]} → {classes[i]}" if len(moved) > 1 else str(names[j]) for i, j in zip(of_class, column)
    ]
    return {
        "names": labelled,
        "values": [float(moved[i, j]) for i, j in zip(of_class, column)],
        "toward": str(classes[-1]) if len(classes) else None,
        "columns": len(names),
    }


def _weights(learner: Any) -> tuple[np.ndarray | None, list[Any]]:
    """One weight per class (one row for two classes or a number) and encoded column, shape (k, n_encoded)."""
    classes = learner.classes_.tolist() if hasattr(learner, "classes_") else []
    if hasattr(learner, "coef_"):
        return np.atleast_2d(np.asarray(learner.coef_, dtype=np.float64)), classes
    if hasattr(learner, "feature_log_prob_"):  # naive Bayes on counts: log odds against the mean class
        log = np.asarray(learner.feature_log_prob_, dtype=np.float64)
        return (log[1:] - log[:1] if len(log) == 2 else log - log.mean(axis=0)), classes
    if hasattr(learner, "theta_") and hasattr(
        learner, "var_"
    ):  # Gaussian naive Bayes: distance of means in variances
        theta, var = np.asarray(learner.theta_), np.asarray(learner.var_).mean(axis=0)
        apart = theta[1:] - theta[:1] if len(theta) == 2 else theta - theta.mean(axis=0)
        return apart / np.maximum(var, np.finfo(float).tiny), classes
    return None, classes


def _spread(X: Any) -> np.ndarray:
    """Standard deviation of each encoded column, shape (n_encoded,)."""
    if not sp.issparse(X):
        return np.asarray(np.asarray(X, dtype=np.float64).std(axis=0))
    mean = np.asarray(X.mean(axis=0)).ravel()
    squares = np.asarray(X.multiply(X).mean(axis=0)).ravel()
    return np.asarray(np.sqrt(np.maximum(squares - mean**2, 0.0)))
