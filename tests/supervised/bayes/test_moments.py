"""Means and variances in one pass: equal to the slow way, on input made to break it, merged in any order."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tripos.compute.blocks import Block
from tripos.supervised.bayes.moments import Moments, block_moments, heaviest_rows, shifted_sums


def moments_twin(X, y, w, n_classes):
    """Two passes in NumPy: the mean, then the squares about it."""
    X = X.astype(np.float64)
    weight, mean, squares = np.zeros(n_classes), *np.zeros((2, n_classes, X.shape[1]))
    for k in range(n_classes):
        own = y == k
        weight[k] = w[own].sum()
        if weight[k] > 0:
            mean[k] = np.average(X[own], axis=0, weights=w[own])
            squares[k] = w[own] @ (X[own] - mean[k]) ** 2
    return Moments(weight, mean, squares)


def shifted_sums_twin(X, y, w, shift):
    v = X.astype(np.float64) - shift[y]
    own = np.eye(len(shift))[y] * w[:, None]  # (n_rows, n_classes)
    return own.sum(axis=0), own.T @ v, own.T @ v**2


def assert_close(a, b, rtol=1e-10, scale=1.0):
    np.testing.assert_allclose(a.weight, b.weight, rtol=rtol)
    np.testing.assert_allclose(a.mean, b.mean, rtol=rtol, atol=1e-14 * scale)
    np.testing.assert_allclose(a.squares, b.squares, rtol=rtol, atol=1e-14 * scale**2)


rng = np.random.default_rng(0)
NASTY = {
    "numbers": rng.normal(size=(50, 4)),
    "one row": np.array([[3.0, -1.0]]),
    "one column": rng.normal(size=(20, 1)),
    "a constant column": np.column_stack([np.full(30, 7.1), rng.normal(size=30)]),
    "a mean of a billion": 1e9 + rng.normal(size=(400, 3)),
    "classes a billion apart": rng.normal(size=(90, 2)) + 1e9 * (np.arange(90) % 3)[:, None],
    "an outlier first": np.vstack([[1e9, -1e9], rng.normal(size=(60, 2))]),
    "denormals": np.full((6, 2), 5e-324) * np.arange(12).reshape(6, 2),
    "duplicates": np.repeat([[1.0, 2.0], [1.5, -2.0]], 9, axis=0),
}
every_nasty = pytest.mark.parametrize("X", NASTY.values(), ids=NASTY)


def target(X, n_classes=3):
    return np.arange(len(X), dtype=np.int64) % n_classes


@every_nasty
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_pass_gives_what_two_passes_give(X, dtype):
    X, y, w = X.astype(dtype), target(X), np.random.default_rng(1).integers(1, 4, len(X)).astype(float)
    scale = np.abs(X).max() if np.abs(X).max() < 1e6 else 1.0
    assert_close(block_moments(Block(X, y, w, 0), 3), moments_twin(X, y, w, 3), scale=max(scale, 1e-300))


@every_nasty
def test_a_sparse_block_gives_what_a_dense_one_gives(X):
    X = np.where(np.random.default_rng(2).random(X.shape) < 0.5, 0.0, X)
    y, w = target(X), np.ones(len(X))
    scale = max(np.abs(X).max(), 1e-300)
    assert_close(
        block_moments(Block(sp.csr_matrix(X), y, w, 0), 3), moments_twin(X, y, w, 3), rtol=1e-9, scale=scale
    )


def test_shifted_sums_equal_their_twin():
    X, y = rng.normal(size=(40, 5)), target(np.empty((40, 5)))
    w, shift = rng.random(40), rng.normal(size=(3, 5))
    n, s, q = np.zeros(3), np.zeros((3, 5)), np.zeros((3, 5))
    shifted_sums(X, y, w, shift, n, s, q)
    for found, expected in zip((n, s, q), shifted_sums_twin(X, y, w, shift)):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_shift_is_the_heaviest_row_of_its_class():
    rows = np.full(3, -1)
    heaviest_rows(np.array([0, 1, 1, 0]), np.array([1.0, 2.0, 5.0, 1.0]), rows)
    assert rows.tolist() == [0, 2, -1]


def test_a_feather_weight_outlier_costs_no_digits():
    """About the first row the squares would be 1e24 with a remainder of 1: nothing of it would be left."""
    X = np.vstack([[1e12], rng.normal(size=(50, 1))])
    w = np.append(1e-30, np.ones(50))
    found = block_moments(Block(X, np.zeros(51, np.int64), w, 0), 1)
    np.testing.assert_allclose(found.squares, moments_twin(X, np.zeros(51, int), w, 1).squares, rtol=1e-10)


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(2, 40), st.just(3)), elements=st.floats(-1e6, 1e6)),
    st.lists(st.integers(1, 39), max_size=6),
)
def test_merged_parts_equal_the_whole(X, cuts):
    y, w = target(X), np.ones(len(X))
    starts = sorted({0, *(cut for cut in cuts if cut < len(X))})
    parts = [
        block_moments(Block(X[a:b], y[a:b], w[a:b], a), 3) for a, b in zip(starts, [*starts[1:], len(X)])
    ]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert_close(merged, moments_twin(X, y, w, 3), scale=max(np.abs(X).max(), 1e-300))


def test_total_variance_is_that_of_all_rows():
    X, y = rng.normal(size=(60, 4)) + 1e6, target(np.empty((60, 1)))
    moments = block_moments(Block(X, y, None, 0), 3)
    np.testing.assert_allclose(moments.total_variance(), X.var(axis=0), rtol=1e-9)
