"""Permutation importance with scikit-learn's names: what a score loses when a column, or a group of them, is shuffled.

importance_j = s - s_kj,    s the score of (X, y), s_kj that of X with column j in another order of its rows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import scipy.sparse as sp
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_consistent_length

from tripos.compute.threads import parallel
from tripos.selection.rows import column_names, take

Groups = Mapping[str, Sequence[Any]] | Sequence[Any]


class PermutationImportance(Bunch):
    """What `permutation_importance` found; its entries are attributes as well.

    Attributes
    ----------
    importances_mean, importances_std : ndarray of shape (n_columns,)
    importances : ndarray of shape (n_columns, n_repeats)
    names : list of str
        The columns, or the groups.
    """

    def plot(self, *, top: int = 20, ax: Any = None) -> Any:
        """Draw the columns that the model leans on most."""
        from tripos import plotting

        return plotting.importances(self.importances_mean, self.importances_std, self.names, top=top, ax=ax)


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    n_jobs: int | None = None,
    random_state: Any = None,
    sample_weight: Any = None,
    max_samples: float | int = 1.0,
    groups: Groups | None = None,
) -> Any:
    """How much the score of a fitted model falls when one column is shuffled, for any estimator and any table.

    On rows the model has not seen it says what the model relies on. Columns that tell the same share it: pass
    them as a group, which is shuffled together.

    Parameters
    ----------
    estimator : fitted estimator
        A Pipeline is given the columns of the table as they are, so a category counts as one column.
    X : table (pandas, polars, Arrow), ndarray or CSR matrix of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,)
    scoring : str, callable, list, dict or None
        As in scikit-learn; None is the estimator's own `score`. Several give a dict of results.
    n_repeats : int, default=5
        Shuffles of each column.
    n_jobs : int, optional
        Threads.
    random_state : int, RandomState or None
        The same int gives scikit-learn's shuffles.
    sample_weight : array-like of shape (n_rows,), optional
    max_samples : int or float, default=1.0
        Rows (or share of them) that are used, drawn at random for each column.
    groups : dict of str to columns, or list of columns and lists of columns, optional
        Columns, by name or position, that are shuffled together. Without, each by itself.

    Returns
    -------
    PermutationImportance, or dict of them by the name of the score

    Raises
    ------
    ValueError
        For fewer than one repeat, or a column that X does not have.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45 (2001), doi:10.1023/A:1010933404324.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import GaussianNB
    >>> from tripos.selection.permutation import permutation_importance
    >>> X, y = load_iris(return_X_y=True)
    >>> found = permutation_importance(GaussianNB().fit(X, y), X, y, random_state=0, groups={"sepal": [0, 1], "petal": [2, 3]})
    >>> bool(found.importances_mean[1] > found.importances_mean[0])
    True
    """
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be 1 or more, got {n_repeats}")
    check_consistent_length(X, y, sample_weight)
    names = column_names(X)
    parts = _parts(names, groups)
    scorer = check_scoring(estimator, scoring=scoring)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max + 1)
    n = len(np.asarray(y))
    m = int(max_samples) if isinstance(max_samples, (int, np.integer)) else int(max_samples * n)
    if not 1 <= m <= n:
        raise ValueError(f"max_samples must leave between 1 and {n} rows, got {max_samples!r}")
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    baseline = scorer(estimator, X, y, **options)

    def work(columns: list[int]) -> list[Any]:
        random = check_random_state(seed)
        rows, target, weight = X, y, options
        if m < n:
            chosen = random.permutation(n)[:m]
            rows, target = take(X, chosen), np.asarray(y)[chosen]
            weight = {name: np.asarray(value)[chosen] for name, value in options.items()}
        order, shuffle, scores = np.arange(m), np.arange(m), []
        for _ in range(n_repeats):
            random.shuffle(shuffle)
            order = order[shuffle]
            scores.append(scorer(estimator, with_shuffled(rows, columns, order), target, **weight))
        return scores

    found = parallel(work, list(parts.values()), n_jobs)
    if isinstance(baseline, dict):
        return {
            name: _result(baseline[name], [[s[name] for s in scores] for scores in found], list(parts))
            for name in baseline
        }
    return _result(baseline, found, list(parts))


def _result(baseline: float, scores: list[list[float]], names: list[str]) -> PermutationImportance:
    drops = baseline - np.array(scores, dtype=np.float64)
    return PermutationImportance(
        importances_mean=drops.mean(axis=1), importances_std=drops.std(axis=1), importances=drops, names=names
    )


def _parts(names: list[str], groups: Groups | None) -> dict[str, list[int]]:
    """Name -> positions of the columns that are shuffled together."""
    if groups is None:
        return {name: [j] for j, name in enumerate(names)}
    if isinstance(groups, Mapping):
        return {str(name): [_position(names, c) for c in columns] for name, columns in groups.items()}
    sets = [[g] if isinstance(g, (str, int, np.integer)) else list(g) for g in groups]
    found = [[_position(names, column) for column in group] for group in sets]
    return {", ".join(names[j] for j in group): group for group in found}


def _position(names: list[str], column: Any) -> int:
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"X has no column {column!r}: there are {', '.join(names[:10])}")
        return names.index(column)
    if not -len(names) <= column < len(names):
        raise ValueError(f"X has {len(names)} columns, there is none at position {column}")
    return int(column) % len(names)


def with_shuffled(X: Any, columns: list[int], order: np.ndarray) -> Any:
    """A copy of X whose columns at these positions are taken in another order of the rows."""
    if isinstance(X, np.ndarray):
        changed = X.copy()
        changed[:, columns] = X[:, columns][order]
        return changed
    if sp.issparse(X):
        changed = X.tolil()
        changed[:, columns] = X.tocsr()[order][:, columns]
        return changed.tocsr()
    frame: Any = nw.from_native(X, eager_only=True)
    names = [frame.columns[j] for j in columns]
    return frame.with_columns(*(frame[name][order].alias(name) for name in names)).to_native()
