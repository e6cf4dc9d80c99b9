"""How good an order is: discounted cumulative gain, average precision, reciprocal rank.

With the rank r_i of item i by falling score, from 1 on,

    DCG = sum_i gain(y_i) / log_b(1 + r_i),    NDCG = DCG / (DCG of the best order),
    AP  = mean over relevant i of (relevant items up to r_i) / r_i,    RR = 1 / min r_i over relevant i

of one query, averaged over queries. A query is a row of a matrix, or the items that share a value of `groups`.

References
----------
Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), doi:10.1145/582415.582418.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length


def dcg_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int | None = None,
    log_base: float = 2,
    sample_weight: Any = None,
    ignore_ties: bool = False,
    groups: Any = None,
    exponential: bool = False,
) -> float:
    """Mean discounted cumulative gain of the queries.

    Parameters
    ----------
    y_true, y_score : array-like of shape (n_queries, n_items), or (n_items,) with `groups`
        Relevance and score of each item.
    k : int, optional
        Only the first k items of a query count.
    log_base : float, default=2
    sample_weight : array-like of shape (n_queries,), optional
        Of the queries; with `groups` in the order of their rising values.
    ignore_ties : bool, default=False
        Whether items of one score are ranked by position instead of sharing their discounts.
    groups : array-like of shape (n_items,), optional
        Which query an item belongs to.
    exponential : bool, default=False
        Whether the gain is 2^y - 1 instead of y.

    Returns
    -------
    float

    Examples
    --------
    >>> dcg_score([[3, 2, 0]], [[0.9, 0.1, 0.5]])
    4.0
    """
    y, score, query = _queries(y_true, y_score, groups)
    found = _dcg(_gain(y, exponential), score, query, k, log_base, ignore_ties)
    return float(np.average(found, weights=sample_weight))


def ndcg_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int | None = None,
    sample_weight: Any = None,
    ignore_ties: bool = False,
    groups: Any = None,
    exponential: bool = False,
) -> float:
    """Mean share of the best possible discounted cumulative gain; 0 for a query without relevant items.

    Parameters
    ----------
    y_true, y_score, k, sample_weight, ignore_ties, groups, exponential
        As in `dcg_score`.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> ndcg_score([3, 2, 0, 1, 0], [0.9, 0.1, 0.5, 2.0, 1.0], groups=[0, 0, 0, 1, 1]).__round__(3)
    0.969
    """
    y, score, query = _queries(y_true, y_score, groups)
    if (y < 0).any():
        raise ValueError("ndcg_score should not be used on negative y_true values")
    gain = _gain(y, exponential)
    best = _dcg(gain, gain, query, k, 2, True)
    found = _dcg(gain, score, query, k, 2, ignore_ties)
    share = np.where(best > 0, found / np.where(best > 0, best, 1.0), 0.0)
    return float(np.average(share, weights=sample_weight))


def mean_average_precision(
    y_true: Any, y_score: Any, *, groups: Any = None, k: int | None = None, sample_weight: Any = None
) -> float:
    """Mean over queries of the average precision at the ranks of the relevant items (y > 0).

    Items of one score are ranked by position; a query without relevant items counts 0.

    Parameters
    ----------
    y_true, y_score, groups, k, sample_weight
        As in `dcg_score`.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> mean_average_precision([[1, 0, 1]], [[0.9, 0.8, 0.7]]).__round__(3)
    0.833
    """
    y, score, query = _queries(y_true, y_score, groups)
    order, rank, n = _ranked(score, query)
    relevant = (y[order] > 0) & (rank <= (k or len(y)))
    total = np.cumsum(relevant)
    before = np.r_[0, np.cumsum(np.bincount(query[order], relevant, n))[:-1]]
    precision = np.where(relevant, (total - before[query[order]]) / rank, 0.0)
    many = np.bincount(query[order], y[order] > 0, n)
    many = np.minimum(many, k or len(y))
    found = np.bincount(query[order], precision, n) / np.maximum(many, 1)
    return float(np.average(found, weights=sample_weight))


def mean_reciprocal_rank(
    y_true: Any, y_score: Any, *, groups: Any = None, k: int | None = None, sample_weight: Any = None
) -> float:
    """Mean over queries of 1 / rank of the first relevant item (y > 0), 0 where there is none.

    Items of one score are ranked by position.

    Parameters
    ----------
    y_true, y_score, groups, k, sample_weight
        As in `dcg_score`.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> mean_reciprocal_rank([[0, 1], [1, 0]], [[0.9, 0.1], [0.9, 0.1]])
    0.75
    """
    y, score, query = _queries(y_true, y_score, groups)
    order, rank, n = _ranked(score, query)
    found = np.zeros(n)
    inverse = np.where((y[order] > 0) & (rank <= (k or len(y))), 1.0 / rank, 0.0)
    np.maximum.at(found, query[order], inverse)
    return float(np.average(found, weights=sample_weight))


def _queries(y_true: Any, y_score: Any, groups: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Relevance, score and query of each item, flat."""
    y, score = np.asarray(y_true, np.float64), np.asarray(y_score, np.float64)
    if y.shape != score.shape:
        raise ValueError(f"y_true has shape {y.shape}, y_score has shape {score.shape}: they must be alike")
    if y.ndim not in (1, 2) or (y.ndim == 2 and groups is not None):
        raise ValueError("y_true must have shape (n_queries, n_items), or (n_items,) with groups")
    if not (np.isfinite(y).all() and np.isfinite(score).all()):
        raise ValueError("y_true and y_score must be finite")
    if y.ndim == 2:
        return y.ravel(), score.ravel(), np.repeat(np.arange(len(y)), y.shape[1])
    if groups is None:
        return y, score, np.zeros(len(y), np.int64)
    check_consistent_length(y, groups)
    return y, score, np.unique(np.asarray(groups), return_inverse=True)[1]


def _gain(y: np.ndarray, exponential: bool) -> np.ndarray:
    return np.asarray(2.0**y - 1.0) if exponential else y


def _ranked(score: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Items by query and falling score, their ranks from 1 on, and the number of queries."""
    order = np.lexsort((-score, query))
    size = np.bincount(query)
    start = np.cumsum(size) - size
    return order, np.arange(len(score)) - start[query[order]] + 1, len(size)


def _dcg(
    gain: np.ndarray, score: np.ndarray, query: np.ndarray, k: int | None, log_base: float, by_position: bool
) -> np.ndarray:
    """DCG of each query."""
    order, rank, n = _ranked(score, query)
    discount = np.log(log_base) / np.log(rank + 1.0)
    if k is not None:
        discount[rank > k] = 0.0
    if not by_position:  # items of one score share the mean of their discounts
        ordered, of = score[order], query[order]
        new = np.r_[True, (ordered[1:] != ordered[:-1]) | (of[1:] != of[:-1])]
        tie = np.cumsum(new) - 1
        discount = (np.bincount(tie, discount) / np.bincount(tie))[tie]
    return np.bincount(query[order], gain[order] * discount, n)
