"""Sums in integers: equal to NumPy's, whatever the order, the subset and the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.histogram import BLOCK, LOW, histogram, pack, pack_weighted, scale


def sums_by_bincount(columns, packed, rows):
    """The twin: gradients and hessians apart, feature by feature."""
    g, h = packed >> 32, packed & LOW
    both = []
    for bins in columns:
        both.append(
            [np.bincount(bins[rows], part[rows].astype(float), 256).astype(np.int64) for part in (g, h)]
        )
    return np.array(both)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 11))
    X[rng.random(X.shape) < 0.05] = np.nan
    slope, curvature = rng.normal(size=60_000).astype(np.float32), rng.random(60_000).astype(np.float32)
    packed = np.empty(60_000, np.int64)
    gs, hs = scale(np.abs(slope).sum(), 60_000), scale(curvature.sum(), 60_000)
    pack(slope, curvature, gs, hs, packed)
    return Binning.learn(X).apply(X), packed


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("subset", [False, True])
def test_a_histogram_is_what_bincount_says(case, threads, subset, monkeypatch):
    monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
    binned, packed = case
    rows = (
        np.random.default_rng(1).choice(60_000, 50_001, replace=False).astype(np.uint32) if subset else None
    )
    start, end = (17, 50_001) if subset else (0, 60_000)
    h = np.full(BLOCK * 2, -1, np.int64)
    histogram(binned.words, rows, packed, start, end, h)
    expected = sums_by_bincount(
        binned.columns, packed, np.arange(60_000) if rows is None else rows[start:end]
    )
    found = h.reshape(16, 256)[:11]
    np.testing.assert_array_equal(found >> 32, expected[:, 0])
    np.testing.assert_array_equal(found & LOW, expected[:, 1])


@pytest.mark.parametrize("total", [0.0, 5e-324, 1e-30, 1.0, 12345.678, 1e30])
def test_the_scale_is_a_power_of_two_that_never_overflows(total):
    s = scale(total, 1000)
    assert np.log2(s) == int(np.log2(s))
    assert total * s + 1000 <= 2**31
    assert total * s * 2 + 1000 > 2**31 or s >= 2.0**98 or total == 0


def test_an_integer_weight_packs_exactly_as_repeated_rows():
    rng = np.random.default_rng(0)
    slope, curvature = rng.normal(size=99).astype(np.float32), rng.random(99).astype(np.float32)
    w = rng.integers(1, 5, 99)
    one, many = np.empty(99, np.int64), np.empty(99, np.int64)
    pack(slope, curvature, 2.0**20, 2.0**21, one)
    pack_weighted(slope, curvature, w.astype(float), True, 2.0**20, 2.0**21, many)
    np.testing.assert_array_equal(many, one * w)


def test_any_weight_packs_to_the_nearest_integer():
    slope, curvature, w = (
        np.array([1.5, -2.0], np.float32),
        np.array([1.0, 0.25], np.float32),
        np.array([0.1, 7.7]),
    )
    packed = np.empty(2, np.int64)
    pack_weighted(slope, curvature, w, False, 2.0**16, 2.0**16, packed)
    np.testing.assert_array_equal(packed >> 32, np.rint(slope * w * 2**16).astype(int))
    np.testing.assert_array_equal(packed & LOW, np.rint(curvature * w * 2**16).astype(int))
