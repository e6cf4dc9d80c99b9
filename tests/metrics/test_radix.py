"""The kernels under every ranking measure, each against the few lines of NumPy that say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tripos.metrics import radix

NASTY = np.array(
    [
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        1e-45,
        -1e-45,
        1.0,
        -1.0,
        1.0,
        np.finfo(np.float32).max,
        -3e38,
        1e-38,
        2.5,
        2.5,
    ]
)


def floats(dtype):
    width = 32 if dtype is np.float32 else 64
    return st.floats(allow_nan=False, allow_infinity=False, width=width) | st.sampled_from(
        [0.0, -0.0, 1.0, -1.0]
    )


@st.composite
def scored_rows(draw):
    """Finite scores with many ties, and a class for each row; both classes occur."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    n = draw(st.integers(2, 60))
    scores = draw(hnp.arrays(dtype, n, elements=floats(dtype), fill=st.just(0.5)))
    positive = draw(hnp.arrays(bool, n))
    positive[0], positive[-1] = True, False
    return scores, positive


def pairs_in_order(scores, positive):
    """The definition: every positive against every negative."""
    above, below = scores[positive][:, None], scores[~positive]
    return np.mean(above > below) + 0.5 * np.mean(above == below)


@given(scored_rows())
def test_auc_is_the_share_of_pairs_in_order(rows):
    scores, positive = rows
    assert radix.auc_of_ranks(scores, positive) == pytest.approx(pairs_in_order(scores, positive), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_auc_of_many_rows_equals_the_rank_sum_formula(dtype):
    rng = np.random.default_rng(0)
    positive = rng.random(300_000) < 0.2
    scores = (rng.normal(size=300_000) + positive).round(3).astype(dtype)
    _, place, size = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = (np.cumsum(size) - (size - 1) / 2)[place]
    m, n = positive.sum(), (~positive).sum()
    assert radix.auc_of_ranks(scores, positive) == pytest.approx(
        (mean_rank[positive].sum() - m * (m + 1) / 2) / (m * n), rel=1e-13
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keys_order_as_the_floats_do(dtype):
    scores = np.sort(NASTY.astype(dtype))
    bits, exponent = radix._bits(scores)
    keys = np.empty_like(bits)
    assert not radix.keys_of(bits, exponent, keys)
    np.testing.assert_array_equal(keys[1:] > keys[:-1], scores[1:] > scores[:-1])
    np.testing.assert_array_equal(keys[1:] == keys[:-1], scores[1:] == scores[:-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_come_back_from_their_keys(dtype):
    scores = NASTY.astype(dtype)
    bits, exponent = radix._bits(scores)
    keys = np.empty_like(bits)
    radix.keys_of(bits, exponent, keys)
    np.testing.assert_array_equal(radix._scores_of(keys, scores.dtype), scores)


@given(
    hnp.arrays(np.uint64, st.integers(0, 50), elements=st.integers(0, 2**64 - 1))
    | hnp.arrays(np.uint32, st.integers(0, 50), elements=st.integers(0, 2**32 - 1) | st.integers(0, 3))
)
def test_radix_passes_sort_like_numpy(keys):
    few, radix._FEW = radix._FEW, 0
    try:
        found = radix.sort_keys(keys.copy(), np.empty_like(keys))
        values = keys.astype(np.float64)
        sorted_keys, carried = radix.sort_pairs(keys.copy(), values.copy())
    finally:
        radix._FEW = few
    np.testing.assert_array_equal(found, np.sort(keys))
    np.testing.assert_array_equal(sorted_keys, np.sort(keys))
    np.testing.assert_array_equal(carried, np.sort(keys).astype(np.float64))


def test_pairs_with_equal_keys_keep_their_order():
    keys = np.tile(np.array([3, 1, 2], np.uint64), 2000)
    values = np.arange(6000.0)
    _, carried = radix.sort_pairs(keys.copy(), values.copy())
    np.testing.assert_array_equal(carried, values[np.argsort(keys, kind="stable")])


@given(scored_rows(), st.integers(0, 2**32 - 1))
def test_counts_at_thresholds_are_sums_over_the_rows_above(rows, seed):
    scores, positive = rows
    weight = np.random.default_rng(seed).integers(0, 4, len(scores)).astype(np.float64)
    weight[0] = 1
    thresholds, tps, fps = radix.counts_at_thresholds(scores, positive, weight)
    kept = np.unique(scores[weight > 0] + 0)[::-1]
    np.testing.assert_array_equal(thresholds, kept)
    np.testing.assert_array_equal(tps, [weight[(scores >= t) & positive].sum() for t in kept])
    np.testing.assert_array_equal(fps, [weight[(scores >= t) & ~positive].sum() for t in kept])


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_are_not_finite_are_named_by_row(bad, dtype):
    scores = np.array([0.1, 0.2, bad, 0.3], dtype)
    with pytest.raises(ValueError, match="at row 2"):
        radix.auc_of_ranks(scores, np.array([True, False, True, False]))
    with pytest.raises(ValueError, match="at row 2"):
        radix.counts_at_thresholds(scores, np.array([True, False, True, False]), None)


def test_read_only_and_strided_scores_give_the_same_area():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(500, 3))
    positive = rng.random(500) < 0.5
    expected = radix.auc_of_ranks(wide[:, 1].copy(), positive)
    wide.setflags(write=False)
    assert radix.auc_of_ranks(wide[:, 1], positive) == expected


def test_the_area_does_not_depend_on_the_number_of_threads(monkeypatch):
    rng = np.random.default_rng(2)
    positive = rng.random(250_000) < 0.5
    scores = rng.normal(size=250_000)
    found = set()
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        found.add(radix.auc_of_ranks(scores, positive))
    assert len(found) == 1


def test_kernels_are_called_only_in_the_forms_that_warm_compiles():
    from tripos.compute.kernel import kernels

    for dtype in (np.float32, np.float64):
        scores = np.array([0.1, 0.7, 0.4, 0.4], dtype)
        radix.auc_of_ranks(scores, np.array([True, False, True, False]))
        radix.counts_at_thresholds(np.tile(scores, 800), np.tile([True, False], 1600), None)
    undeclared = {
        k.name: k.undeclared() for k in kernels("tripos") if ".metrics." in k.name and k.undeclared()
    }
    assert undeclared == {}
