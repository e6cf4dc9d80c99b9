"""LambdaMART: beside LightGBM's on its own example, and what the derivatives mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file

from tripos import BoostedTreesRanker
from tripos.metrics import ndcg_score
from tripos.supervised.trees.ranking import RankGradients

EXAMPLES = Path(__file__).parents[4] / "shared" / "data" / "lightgbm-examples"


@pytest.fixture(scope="module")
def example():
    if not (EXAMPLES / "rank.train.gz").exists():
        pytest.skip("the LightGBM examples are not here")
    parts = {}
    for part in ("train", "test"):
        X, y = load_svmlight_file(str(EXAMPLES / f"rank.{part}.gz"), n_features=301)
        group = np.loadtxt(EXAMPLES / f"rank.{part}.query", dtype=int)
        parts[part] = (X.toarray().astype(np.float32), y, group)
    return parts


def test_the_example_is_ranked_as_well_as_lightgbm_ranks_it(example):
    lightgbm = pytest.importorskip("lightgbm")
    (X, y, group), (Xt, yt, gt) = example["train"], example["test"]
    settings = dict(n_estimators=60, learning_rate=0.1, min_child_samples=20, min_child_weight=1e-3)
    ours = BoostedTreesRanker(**settings).fit(X, y, group=group, eval_set=(Xt, yt), eval_group=gt)
    theirs = lightgbm.LGBMRanker(num_leaves=31, verbose=-1, n_jobs=1, **settings).fit(X, y, group=group)
    queries = np.repeat(np.arange(len(gt)), gt)
    quality = [
        ndcg_score(yt, model.predict(Xt), groups=queries, k=10, exponential=True) for model in (ours, theirs)
    ]
    assert quality[0] > quality[1] - 0.03, quality
    assert ours.evals_result_["validation_0"]["ndcg@10"][-1] == pytest.approx(quality[0], abs=1e-6)


def test_derivatives_are_a_plain_loop_over_pairs():
    rng = np.random.default_rng(0)
    y, scores = rng.integers(0, 4, 12).astype(float), rng.normal(size=12).astype(np.float32)
    starts = np.array([0, 7, 12])
    gradients = RankGradients(y, starts, np.ones(2), 3, np.zeros(1))
    gradients.scores[0] = scores
    gradients.update()
    for begin, end in ((0, 7), (7, 12)):
        s, gain = scores[begin:end].astype(float), 2.0 ** y[begin:end] - 1
        rank = np.empty(end - begin, int)
        rank[np.argsort(-s, kind="stable")] = np.arange(end - begin)
        best = (np.sort(gain)[::-1] / np.log2(np.arange(2, end - begin + 2))).sum()
        g, h, total = np.zeros(end - begin), np.zeros(end - begin), 0.0
        for i in range(len(s)):
            for j in range(len(s)):
                if gain[i] > gain[j] and min(rank[i], rank[j]) < 3:
                    swap = abs(1 / np.log2(2 + rank[i]) - 1 / np.log2(2 + rank[j]))
                    delta = (gain[i] - gain[j]) * swap / best / (0.01 + abs(s[i] - s[j]))
                    rho = 1 / (1 + np.exp(s[i] - s[j]))
                    g[i] -= rho * delta
                    g[j] += rho * delta
                    h[[i, j]] += rho * (1 - rho) * delta
                    total += 2 * rho * delta
        factor = np.log2(1 + total) / total
        np.testing.assert_allclose(gradients.slopes[0, begin:end], g * factor, rtol=1e-5)
        np.testing.assert_allclose(gradients.curvatures[0, begin:end], h * factor, rtol=1e-5)


def test_queries_may_be_mixed_and_named():
    rng = np.random.default_rng(2)
    X, qid = rng.normal(size=(300, 4)), np.repeat(np.arange(30), 10)
    y = np.clip(np.rint(X[:, 0] + 1), 0, 3)
    mixed = rng.permutation(300)
    sorted_first = BoostedTreesRanker(10).fit(X, y, group=np.full(30, 10))
    as_mixed = BoostedTreesRanker(10).fit(X[mixed], y[mixed], qid=qid[mixed])
    assert sorted_first.score(X, y, qid=qid) == pytest.approx(as_mixed.score(X, y, qid=qid), abs=0.01)
    assert sorted_first.score(X, y, qid=qid) > 0.9


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        ([0, 1.5, 2], {}, "whole numbers"),
        ([0, -1, 2], {}, "whole numbers"),
        ([0, 1, 2], {"group": [2, 2]}, "add up"),
        ([0, 1, 2], {"group": [3], "qid": [0, 0, 0]}, "not both"),
    ],
)
def test_bad_queries_are_named(y, arguments, message):
    with pytest.raises(ValueError, match=message):
        BoostedTreesRanker(2).fit(np.arange(3.0)[:, None], y, **arguments)
