"""Sketches of columns: the same cuts however rows are parted and merged, exact where values are few."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tripos.supervised.trees import binning as bins
from tripos.supervised.trees.binning import Binning
from tripos.supervised.trees.sketch import QuantileSketch, sample_rows_of
from tripos.supervised.trees.sparse_rows import learn_sparse

N = 5000
NO_CATEGORY = np.zeros(4, dtype=bool)


@pytest.fixture(autouse=True)
def _few_rows_are_kept(monkeypatch):
    monkeypatch.setattr(bins, "SAMPLE", 400)


@pytest.fixture
def X():
    """A number, a number with gaps, whole numbers, and zeros with two values that one row each holds."""
    rng = np.random.default_rng(0)
    rare = np.zeros(N)
    rare[[17, 4711]] = 2.5, -1.0
    gaps = np.where(rng.random(N) < 0.3, np.nan, rng.exponential(size=N))
    return np.column_stack([rng.normal(size=N), gaps, rng.poisson(3.0, N), rare])


@pytest.mark.parametrize("ends", [[0, N], [0, 1, 399, 402, 3000, N], list(range(0, N + 1, 250))])
def test_pieces_merged_in_any_order_give_the_cuts_of_one_array(X, ends):
    whole = Binning.learn(X, seed=3)
    pieces = []
    for first, last in zip(ends[:-1], ends[1:], strict=True):
        pieces.append(QuantileSketch(4, seed=3))
        pieces[-1].add(X[first:last], first=first)
    np.random.default_rng(1).shuffle(pieces)
    total = QuantileSketch(4, seed=3)
    for piece in pieces:
        total.merge(piece)
    for found in (total.binning(), Binning.learn(X, seed=3)):
        np.testing.assert_array_equal(found.cuts, whole.cuts)
        np.testing.assert_array_equal(found.starts, whole.starts)


def test_a_value_that_one_row_holds_has_a_bin_of_its_own(X):
    found = Binning.learn(X)
    np.testing.assert_array_equal(found.cuts[found.starts[3] :], [-0.5, 1.25])
    whole_numbers = np.unique(X[:, 2])
    np.testing.assert_array_equal(
        found.cuts[found.starts[2] : found.starts[3]], (whole_numbers[1:] + whole_numbers[:-1]) / 2
    )


def test_levels_are_counted_exactly_and_their_weights_summed(X):
    weight = np.random.default_rng(2).integers(1, 9, N).astype(float)
    sketch = QuantileSketch(4)
    sketch.add(X, weight)
    values, where = np.unique(X[:, 2], return_inverse=True)
    found, counts = sketch.levels_of(2)
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(counts, np.bincount(where, weight))
    with pytest.raises(ValueError, match="column 0 has more than 255"):
        sketch.levels_of(0)


def test_quantiles_of_the_rows_kept_are_within_the_bound(X, monkeypatch):
    """Dvoretzky, Kiefer, Wolfowitz: all shares are within e of theirs with probability 1 - 2 exp(-2 n e^2)."""
    n_kept = 2000
    monkeypatch.setattr(bins, "SAMPLE", n_kept)
    error = np.sqrt(np.log(2 / 0.01) / (2 * n_kept))
    x = np.sort(X[:, 0])
    worst = []
    for seed in range(20):
        kept = np.sort(x[sample_rows_of(0, N, seed)[0]])
        share = np.searchsorted(kept, x, side="right") / n_kept
        worst.append(np.abs(share - np.arange(1, N + 1) / N).max())
    assert max(worst) < error
    assert np.median(worst) > error / 10  # they are samples, and they differ


@pytest.mark.parametrize("weighted", [False, True])
def test_csr_is_cut_as_the_array_is(X, weighted):
    X = np.nan_to_num(X)
    weight = np.random.default_rng(2).integers(1, 9, N).astype(float) if weighted else None
    dense = Binning.learn(X, weight, seed=5)
    sparse = learn_sparse(sp.csr_array(X), weight, categorical=NO_CATEGORY, max_bins=255, seed=5)
    np.testing.assert_array_equal(sparse.cuts, dense.cuts)
    np.testing.assert_array_equal(sparse.starts, dense.starts)


def test_levels_of_a_category_are_found_though_the_sample_missed_them(X):
    found = Binning.learn(X, categorical=np.array([False, False, True, True]))
    np.testing.assert_array_equal(found.cuts[found.starts[3] :], [-1.0, 0.0, 2.5])


def test_what_does_not_belong_together_is_refused(X):
    here, there = QuantileSketch(4), QuantileSketch(4, seed=1)
    here.add(X[:10])
    there.add(X[10:20], first=10)
    with pytest.raises(ValueError, match="same seed"):
        here.merge(there)
    again = QuantileSketch(4)
    again.add(X[5:15])
    with pytest.raises(ValueError, match="same number"):
        here.merge(again)
    with pytest.raises(ValueError, match="4 columns"):
        here.add(X[:, :2])
    with pytest.raises(ValueError, match="all pieces or with none"):
        here.add(X[10:], np.ones(N - 10), first=10)
    with pytest.raises(ValueError, match="no rows"):
        QuantileSketch(4).binning()
