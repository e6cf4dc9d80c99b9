"""Weight, mean and scatter against their definitions, wherever the columns lie and however the rows are
cut."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tripos.compute.blocks import row_blocks
from tripos.objective.moments import Moments, block_moments, moments, tall, tall_blocks


def twin(Z: np.ndarray, s: np.ndarray | None) -> Moments:
    s = np.ones(len(Z)) if s is None else s
    Z = Z.astype(np.longdouble)
    mean = (s @ Z) / s.sum()
    return Moments(s.sum(), len(Z), mean, (Z - mean).T @ ((Z - mean) * s[:, None]))


def assert_close(a: Moments, b: Moments, rtol: float = 1e-11) -> None:
    assert a.n_rows == b.n_rows
    assert a.weight == pytest.approx(float(b.weight), rel=1e-13)
    np.testing.assert_allclose(a.mean, b.mean.astype(float), rtol=1e-12, atol=1e-12)
    scale = np.sqrt(np.diag(b.scatter).astype(float))
    gap = np.abs(a.scatter - b.scatter.astype(float)) / np.outer(scale, scale)
    assert gap.max() <= rtol


def data(n: int, d: int, k: int = 1, far: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.logspace(-2, 3, d) + far
    return X, rng.normal(size=(n, k)) + far, rng.random(n) + 0.01


@pytest.mark.parametrize("d", [1, 7, 120])  # 120 takes the way of wide blocks
@pytest.mark.parametrize("far", [0.0, 1e5])
@pytest.mark.parametrize("weighted", [True, False])
def test_moments_are_what_the_definition_says_however_far_from_zero(d, far, weighted):
    X, Y, s = data(1500, d, 2, far)
    s = s if weighted else None
    found = moments(row_blocks(X, Y, s, rows=400), n_targets=2)
    assert_close(found, twin(np.column_stack([X, Y]), s), rtol=1e-11 if far == 0 else 1e-8)


@pytest.mark.parametrize("weighted", [True, False])
def test_a_very_wide_block_alone_gives_the_same(weighted):
    X, Y, s = data(1300, 600)
    s = s if weighted else None
    block = next(iter(row_blocks(X, Y, s, rows=1300)))
    assert_close(block_moments(block, alone=True), twin(np.column_stack([X, Y]), s), rtol=1e-10)


def test_a_block_that_begins_unlike_the_rest_loses_few_digits():
    X, Y, s = data(4000, 3)
    X[:30] += 1e7
    assert_close(block_moments(next(iter(row_blocks(X, Y, s)))), twin(np.column_stack([X, Y]), s), rtol=1e-9)


@pytest.mark.parametrize("weighted", [True, False])
def test_sparse_rows_give_what_dense_rows_give(weighted):
    X, Y, s = data(900, 6, 2)
    X[np.random.default_rng(1).random(X.shape) < 0.7] = 0.0
    s = s if weighted else None
    sparse = moments(row_blocks(sp.csr_array(X), Y, s, rows=128), n_targets=2)
    assert_close(sparse, twin(np.column_stack([X, Y]), s))


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-7), (np.float32, 1e-5)])
def test_float32_rows_are_multiplied_in_the_precision_asked_for(dtype, rtol):
    X, Y, s = data(3000, 5)
    X, Y, s = X.astype(np.float32), Y.astype(np.float32), s.astype(np.float32).astype(float)
    found = moments(row_blocks(X, Y, s, rows=1000), n_targets=1, dtype=dtype)
    wanted = twin(np.column_stack([X, Y]).astype(float), s)
    scale = np.sqrt(np.diag(wanted.scatter).astype(float))
    gap = np.abs(found.scatter - wanted.scatter.astype(float)) / np.outer(scale, scale)
    assert gap.max() < rtol
    assert (gap.max() > 1e-12) or dtype is np.float64


def test_rows_without_a_target_have_moments_too():
    X, _, s = data(300, 4)
    assert_close(block_moments(next(iter(row_blocks(X, None, s)))), twin(X, s))


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 299), max_size=6, unique=True), far=st.sampled_from([0.0, 1e4]))
def test_parts_merge_to_the_whole_wherever_they_are_cut(cuts, far):
    X, Y, s = data(300, 3, far=far)
    parts = [
        block_moments(next(iter(row_blocks(*piece))))
        for piece in zip(*(np.split(a, sorted(cuts)) for a in (X, Y, s)))
    ]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert_close(merged, twin(np.column_stack([X, Y]), s), rtol=1e-8)


def test_raw_moments_are_about_zero():
    X, Y, s = data(200, 3)
    raw = moments(row_blocks(X, Y, s), n_targets=1).raw()
    Z = np.column_stack([X, Y])
    np.testing.assert_allclose(raw.scatter, Z.T @ (Z * s[:, None]), rtol=1e-12)
    assert not raw.mean.any()


def test_blocks_too_low_for_their_width_are_joined_and_keep_their_order():
    X, Y, s = data(1000, 4)
    joined = list(tall(row_blocks(X, Y, s, rows=7), width=10))
    assert [block.start for block in joined] == [84 * k for k in range(len(joined))]
    assert min(block.n_rows for block in joined[:-1]) >= 80
    np.testing.assert_array_equal(np.vstack([block.X for block in joined]), X)
    np.testing.assert_array_equal(np.concatenate([block.sample_weight for block in joined]), s)


def test_blocks_of_rows_in_memory_depend_on_the_shape_alone(monkeypatch):
    X, Y, _ = data(5000, 300)
    starts = []
    for threads in "14":
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        starts.append([block.start for block in tall_blocks(X, Y, None)])
    assert starts[0] == starts[1]
