"""DCG, NDCG, MAP and MRR beside scikit-learn's and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from tripos.metrics import dcg_score, mean_average_precision, mean_reciprocal_rank, ndcg_score


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_gains_are_scikit_learns(k, ties):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, (20, 12)).astype(float)
    y[0] = 0
    score = rng.integers(0, 5, y.shape).astype(float) if ties else rng.normal(size=y.shape)
    weight = rng.random(20)
    for ours, theirs in ((dcg_score, sk.dcg_score), (ndcg_score, sk.ndcg_score)):
        assert ours(y, score, k=k, sample_weight=weight) == pytest.approx(
            theirs(y, score, k=k, sample_weight=weight), rel=1e-12
        )


def test_queries_in_any_order_are_rows_of_a_matrix():
    rng = np.random.default_rng(1)
    y, score = rng.integers(0, 3, (8, 6)).astype(float), rng.normal(size=(8, 6))
    shuffled = rng.permutation(48)
    groups = np.repeat(np.arange(8), 6)[shuffled]
    for measure in (dcg_score, ndcg_score, mean_average_precision, mean_reciprocal_rank):
        flat = measure(y.ravel()[shuffled], score.ravel()[shuffled], groups=groups, k=4)
        assert flat == pytest.approx(measure(y, score, k=4), rel=1e-12)


def test_precision_and_first_hits_by_hand():
    y = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    score = np.array([[4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1]])
    assert mean_average_precision(y, score) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3 + 0) / 3)
    assert mean_reciprocal_rank(y, score) == pytest.approx((1 + 1 / 3 + 0) / 3)
    whole = sk.label_ranking_average_precision_score(y[:2], score[:2])
    assert mean_average_precision(y[:2], score[:2]) == pytest.approx(whole)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="shape"):
        dcg_score([1, 2], [1.0])
    with pytest.raises(ValueError, match="negative"):
        ndcg_score([-1, 2], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        dcg_score([1, 2], [np.nan, 2.0])
