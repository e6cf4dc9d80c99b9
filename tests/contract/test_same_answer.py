"""Promises 4 and 5: the same answer for any number of threads and blocks; fits that merge."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone, is_classifier

import tripos

from . import cases


@cases.every_estimator
def test_the_same_bits_from_one_two_and_four_threads(estimator, monkeypatch):
    X, y = cases.arrays(estimator, n_rows=70_000, n_features=12)
    answers = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        answers.append(cases.outputs(clone(estimator).fit(X, y), X[:500]))
    rtol = 1e-9 if "bits" in estimator.exceptions else 0.0
    cases.assert_same_outputs(answers[0], answers[1], rtol=rtol)
    cases.assert_same_outputs(answers[0], answers[2], rtol=rtol)


@cases.every_estimator
def test_fitting_twice_gives_the_same_bits(estimator):
    X, y = cases.arrays(estimator)
    cases.assert_same_outputs(
        cases.outputs(clone(estimator).fit(X, y), X), cases.outputs(clone(estimator).fit(X, y), X)
    )


mergeable = pytest.mark.parametrize("estimator", cases.merging(), ids=cases.named)


@mergeable
@pytest.mark.parametrize("n_blocks", [1, 3, 8])
def test_blocks_give_what_one_array_gives(estimator, n_blocks):
    X, y = cases.arrays(estimator, n_rows=400)
    blocks = list(zip(np.array_split(X, n_blocks), np.array_split(y, n_blocks)))
    whole = cases.outputs(clone(estimator).fit(X, y), X)
    cases.assert_same_outputs(whole, cases.outputs(clone(estimator).fit(blocks), X), rtol=1e-9, atol=1e-11)


@mergeable
def test_a_streamed_parquet_file_gives_what_memory_gives(estimator, tmp_path):
    X, y = cases.arrays(estimator, n_rows=3000)
    pl.DataFrame(X, schema=list("abcde")).with_columns(target=pl.Series(y)).write_parquet(
        tmp_path / "t.parquet", row_group_size=500
    )
    blocks = tripos.scan(tmp_path / "t.parquet", target="target", rows=700)
    streamed = clone(estimator).fit(blocks)
    assert list(streamed.feature_names_in_) == list("abcde")
    cases.assert_same_outputs(
        cases.outputs(clone(estimator).fit(X, y), X), cases.outputs(streamed, X), rtol=1e-9, atol=1e-11
    )


@cases.every_class
def test_an_estimator_that_merges_says_so(cls):
    """What learns from batches without being mergeable says why."""
    assert cls.mergeable == hasattr(cls, "merge")
    assert (cls.mergeable or "merge" in cls.exceptions) == hasattr(cls, "partial_fit")


@mergeable
@pytest.mark.parametrize("parts", [2, 5])
def test_partial_fits_and_merges_give_what_one_fit_gives(estimator, parts):
    X, y = cases.arrays(estimator, n_rows=400)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    kwargs = {"classes": np.unique(y)} if is_classifier(estimator) else {}
    whole = cases.outputs(clone(estimator).fit(X, y), X)

    stepwise = clone(estimator)
    for a, b in zip(np.array_split(X, parts), np.array_split(y, parts)):
        stepwise.partial_fit(a, b, **kwargs)
    fits = [
        clone(estimator).partial_fit(a, b, **kwargs)
        for a, b in zip(np.array_split(X, parts), np.array_split(y, parts))
    ]
    merged = fits[0]
    for other in fits[1:]:
        merged = merged.merge(other)
    cases.assert_same_outputs(whole, cases.outputs(stepwise, X), rtol=1e-7, atol=1e-9)
    cases.assert_same_outputs(whole, cases.outputs(merged, X), rtol=1e-7, atol=1e-9)
