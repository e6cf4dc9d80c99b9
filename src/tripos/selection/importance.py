"""Permutation importance: what a model loses when one column is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute.random import generator, streams
from tripos.compute.threads import parallel, thread_count
from tripos.metrics.scorers import Scorer
from tripos.selection.rows import Rows, Shuffled, column_names
from tripos.selection.validation import measure_all, scorers_for

_PIECES_PER_THREAD = 4  # columns differ in cost; small pieces keep the threads even


@dataclass(frozen=True, eq=False)
class Importance:
    """What each column is worth to a model.

    Attributes
    ----------
    names : list of str
        The columns of X, in their order.
    drops : ndarray of shape (n_columns, n_repeats)
        How much worse the measure was with the column shuffled: for a loss the rise, for a gain the fall.
    baseline : float
        The measure with all columns in place.
    scorer : Scorer
    n_rows : int
        Rows it was measured on.
    """

    names: list[str]
    drops: np.ndarray
    baseline: float
    scorer: Scorer
    n_rows: int

    @property
    def mean(self) -> np.ndarray:
        """Mean drop of each column, shape (n_columns,)."""
        return np.asarray(self.drops.mean(axis=1))

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the drop over the repeats, shape (n_columns,)."""
        repeats = self.drops.shape[1]
        return np.asarray(self.drops.std(axis=1, ddof=1)) if repeats > 1 else np.full(len(self.drops), np.nan)

    @property
    def order(self) -> np.ndarray:
        """Positions of the columns, the most important first."""
        return np.argsort(-self.mean, kind="stable")

    def __str__(self) -> str:
        width = max(map(len, self.names))
        return "\n".join(
            f"{self.names[j]:<{width}}  {self.mean[j]:8.4f} ± {self.sd[j]:.4f}" for j in self.order
        )


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    scorer: str | Scorer | None = None,
    *,
    n_repeats: int = 5,
    max_rows: int | None = 10_000,
    columns: Sequence[str] | None = None,
    sample_weight: Any = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> Importance:
    """How much worse a fitted model predicts when one column of its input is shuffled.

        importance_j = P(X, y) - mean over shuffles of P(X with column j shuffled, y)

    Measured on rows the model has not seen, it says what the model relies on, not what is true of the world.
    Columns that tell the same share it: shuffling one of them costs little while the other is there.

    Parameters
    ----------
    estimator : fitted estimator
        A Pipeline is given the columns of the table it was fitted on, so that categories, dates and texts count
        as one column each.
    X : table, ndarray or CSR matrix of shape (n, n_columns)
    y : array-like of shape (n,)
    scorer : name or Scorer, optional
        Default: accuracy for classifiers, R2 for regressors.
    n_repeats : int
        Shuffles of each column.
    max_rows : int, optional
        Use this many rows at most, drawn at random; None for all.
    columns : sequence of str, optional
        Only these columns.
    sample_weight : array-like of shape (n,), optional
    random_state : int
        Each column has its own stream of random numbers: the answer does not depend on threads.
    n_jobs : int, optional

    Returns
    -------
    Importance

    References
    ----------
    Breiman: Random forests, Machine Learning 45, 2001, doi:10.1023/A:1010933404324. Fisher, Rudin and Dominici,
    JMLR 20, 2019, https://jmlr.org/papers/v20/18-760.html.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> found = permutation_importance(GaussianNB().fit(X, y), X, y)
    >>> found.names[found.order[0]] in ("x2", "x3")
    True
    """
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be 1 or more, got {n_repeats}")
    (chosen,) = scorers_for(estimator, scorer)
    rows = Rows.of(estimator, X, y, sample_weight)
    if max_rows is not None and len(rows) > max_rows:
        drawn = generator(random_state).choice(len(rows), max_rows, replace=False)
        rows = rows.part(np.sort(drawn))
    names = column_names(rows.X)
    wanted = range(len(names)) if columns is None else [_place(names, name) for name in columns]
    random = streams(random_state, len(names))

    def goodness(X: Any) -> float:
        scores, _, _ = measure_all(estimator, Rows(X, rows.y, rows.sample_weight), [chosen])
        return chosen.goodness(scores[chosen.name])

    baseline = goodness(rows.X)

    def work(piece: np.ndarray) -> list[list[float]]:
        shuffled = Shuffled(rows.X)
        drops = []
        for j in piece:
            drops.append(
                [
                    baseline - goodness(shuffled.column(j, random[j].permutation(len(rows))))
                    for _ in range(n_repeats)
                ]
            )
            shuffled.restore(j)
        return drops

    pieces = np.array_split(np.asarray(wanted), min(len(wanted), _PIECES_PER_THREAD * thread_count(n_jobs)))
    drops = [row for piece in parallel(work, pieces, n_jobs) for row in piece]
    return Importance(
        [names[j] for j in wanted], np.array(drops), chosen.goodness(baseline), chosen, len(rows)
    )


def _place(names: list[str], name: str) -> int:
    if name not in names:
        raise ValueError(f"X has no column {name!r}: there are {', '.join(names[:10])}")
    return names.index(name)
