"""Claims about blocks of rows in memory: nothing lost, nothing reordered, the same cuts everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tripos.compute.blocks import BLOCK_BYTES, Blocks, default_rows, row_blocks


def whole(blocks):
    """X, y and weights put together again."""
    parts = list(blocks)
    stack = sp.vstack if sp.issparse(parts[0].X) else np.vstack
    joined = [stack([b.X for b in parts])]
    for name in ("y", "sample_weight"):
        values = [getattr(b, name) for b in parts]
        joined.append(None if values[0] is None else np.concatenate(values))
    return joined


@given(n=st.integers(1, 50), rows=st.integers(1, 60), p=st.integers(1, 4))
def test_blocks_put_together_are_the_data(n, rows, p):
    random = np.random.default_rng(n)
    X, y, w = random.normal(size=(n, p)), random.integers(0, 3, n), random.uniform(size=n)
    blocks = row_blocks(X, y, w, rows=rows)
    for found, given_ in zip(whole(blocks), (X, y, w)):
        np.testing.assert_array_equal(found, given_)
    assert [b.start for b in blocks] == list(range(0, n, rows))
    assert (len(blocks), blocks.n_rows, blocks.n_features) == (-(-n // rows), n, p)


@given(n=st.integers(1, 40), rows=st.integers(1, 50), seed=st.integers(0, 99))
def test_sparse_blocks_put_together_are_the_data(n, rows, seed):
    X = sp.random_array((n, 6), density=0.3, format="csr", rng=seed)
    blocks = row_blocks(X, rows=rows)
    assert blocks.sparse
    np.testing.assert_array_equal(whole(blocks)[0].toarray(), X.toarray())


def test_a_list_of_arrays_counts_its_rows_through():
    arrays = [np.full((k, 2), float(k)) for k in (3, 0, 5, 2)]
    y = np.arange(10)
    blocks = row_blocks(arrays, y, rows=4)
    assert [(b.start, b.stop) for b in blocks] == [(0, 3), (3, 7), (7, 8), (8, 10)]
    np.testing.assert_array_equal(whole(blocks)[1], y)


def test_pairs_and_triples_carry_their_targets_and_weights():
    parts = [(np.ones((2, 1)), [0, 1], [1.0, 2.0]), (np.zeros((1, 1)), [1], [3.0])]
    X, y, w = whole(row_blocks(parts))
    assert (X.ravel().tolist(), y.tolist(), w.tolist()) == ([1, 1, 0], [0, 1, 1], [1, 2, 3])


def test_cuts_depend_on_the_shape_alone(monkeypatch):
    X = np.empty((400_000, 10), np.float32)
    starts = []
    for threads in ("1", "8"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        starts.append([b.start for b in row_blocks(X)])
    assert starts[0] == starts[1]
    assert len(starts[0]) > 1


@given(st.floats(0, 1e9))
def test_a_default_block_is_four_megabytes_in_whole_cache_lines(row_bytes):
    rows = default_rows(row_bytes)
    assert rows * row_bytes <= BLOCK_BYTES or rows == 1
    assert rows < 64 or rows % 64 == 0


@pytest.mark.parametrize(
    ("given_", "read"), [("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("?", "f8"), ("f2", "f8")]
)
def test_float32_stays_and_other_numbers_become_float64(given_, read):
    blocks = row_blocks(np.ones((3, 2), given_))
    assert {b.X.dtype for b in blocks} == {np.dtype(read)} == {blocks.dtype}


def test_a_memory_map_is_read_block_by_block_without_a_copy(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(20.0).reshape(10, 2))
    X = np.load(tmp_path / "x.npy", mmap_mode="r")
    first = next(iter(row_blocks(X, rows=4)))
    assert first.X.flags.carray
    assert np.shares_memory(first.X, X)


def test_every_pass_gives_the_same_blocks():
    blocks = row_blocks(np.arange(12.0).reshape(6, 2), rows=4)
    assert [b.X.tolist() for b in blocks] == [b.X.tolist() for b in blocks]


def test_targets_are_mapped_when_read():
    blocks = row_blocks(np.ones((3, 1)), np.array(["no", "yes", "no"]), rows=2)
    codes = blocks.with_target(lambda y: (y == "yes").astype(int))
    assert [b.y.tolist() for b in codes] == [[0, 1], [0]]
    assert [b.y.tolist() for b in blocks] == [["no", "yes"], ["no"]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_a_missing_number_is_found_in_its_row_and_column(bad, make):
    X = np.ones((10, 3))
    X[7, 2] = bad
    with pytest.raises(ValueError, match=f"{bad} in row 7, column 2"):
        list(row_blocks(make(X), rows=4).require_finite())


def test_large_finite_numbers_are_not_taken_for_infinite():
    X = np.full((4, 2), 1e308)
    assert len(list(row_blocks(X).require_finite())) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones(3),), ValueError, "rows and columns"),
        ((np.array([["a"]]),), TypeError, "dtype <U1"),
        ((np.ones((3, 1)), [1, 2]), ValueError, "y has 2 entries for the 3 rows"),
        ((np.ones((3, 1)), None, [1.0]), ValueError, "sample_weight has 1 entries"),
        (([np.ones((2, 1)), np.ones((2, 2))],), ValueError, "same columns"),
        (([(np.ones((2, 1)), [1, 2]), (np.ones((2, 1)),)],), ValueError, "with y and some without"),
        (([np.ones((2, 1)), sp.eye_array(2, 1)],), ValueError, "dense and sparse"),
        ((iter([np.ones((2, 1))]),), TypeError, "only once"),
        ((row_blocks(np.ones((1, 1))),), TypeError, "in blocks already"),
        (([np.ones((2, 1))], [1, 2, 3]), ValueError, "y has 3 entries for the 2 rows"),
    ],
)
def test_data_that_does_not_fit_together_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        row_blocks(*arguments)


def test_a_block_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        row_blocks(np.ones((3, 1)), rows=0)


def test_blocks_without_rows_are_empty_and_still_say_their_shape():
    blocks = row_blocks(np.empty((0, 4)))
    assert (list(blocks), len(blocks), blocks.n_features, bool(blocks)) == ([], 0, 4, True)
    assert isinstance(blocks, Blocks)
