"""Claims about bringing arrays to the one form a kernel is compiled for."""

from __future__ import annotations

import os

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr


@kernel("f8[:, ::1]")
def total(X):
    result = 0.0
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            result += X[i, j]
    return result


def awkward(X, tmp_path):
    """The same numbers in every form that is not the one."""
    read_only = X.copy()
    read_only.flags.writeable = False
    np.save(tmp_path / "x.npy", X)
    yield from {
        "read-only": read_only,
        "memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "Fortran order": np.asfortranarray(X),
        "every second row": np.repeat(X, 2, axis=0)[::2],
        "reversed": X[::-1].copy()[::-1],
        "big endian": X.astype(">f8"),
        "unaligned": np.frombuffer(b"\0" + X.tobytes(), np.float64, offset=1).reshape(X.shape),
        "list": X.tolist(),
        "matrix": X.view(np.matrix),
    }.items()


def test_every_form_of_an_array_runs_the_one_compiled_kernel(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    for name, form in awkward(X, tmp_path):
        assert total(kernel_array(form, np.float64)) == X.sum(), name
    if "NUMBA_DISABLE_JIT" not in os.environ:
        assert len(total.signatures) == 1


def test_the_right_form_passes_through_unchanged():
    X = np.ones((3, 2))
    assert kernel_array(X) is X
    assert kernel_array(X, np.float64) is X


def test_read_only_memory_is_aliased_not_copied(tmp_path):
    X = np.arange(6.0)
    X.flags.writeable = False
    alias = kernel_array(X)
    assert alias.flags.writeable
    assert alias.__array_interface__["data"][0] == X.__array_interface__["data"][0]


def test_an_alias_keeps_its_memory_alive():
    def make():
        X = np.arange(100_000.0)
        X.flags.writeable = False
        return kernel_array(X)

    alias = make()
    np.full(100_000, -1.0)
    assert alias.sum() == 99_999 * 50_000


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), ()])
def test_empty_and_scalar_arrays_keep_their_shape(shape):
    X = np.zeros(shape)
    X.flags.writeable = False
    assert kernel_array(X).shape == shape


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([object()]), np.array(["2020-01-01"], "M8[D]")])
def test_what_is_not_a_number_is_refused(bad):
    with pytest.raises(TypeError, match="works on numbers"):
        kernel_array(bad)


@given(
    entries=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(-5, 5)), max_size=30),
    dtype=st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    layout=st.sampled_from(["csr", "csc", "coo", "lil"]),
)
def test_canonical_csr_is_the_same_matrix(entries, dtype, layout):
    rows, columns, values = (np.array(part, dtype=int) for part in zip(*entries)) if entries else ([], [], [])
    X = sp.coo_array((np.asarray(values, dtype), (rows, columns)), shape=(5, 7)).asformat(layout)
    data, indices, indptr = kernel_csr(X)
    assert indices.dtype == indptr.dtype
    assert all(np.all(np.diff(indices[a:b]) > 0) for a, b in zip(indptr[:-1], indptr[1:]))
    np.testing.assert_array_equal(sp.csr_array((data, indices, indptr), shape=(5, 7)).toarray(), X.toarray())


def test_making_a_matrix_canonical_leaves_the_users_matrix_alone():
    X = sp.csr_array((np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 4))
    kernel_csr(X)
    assert X.indices.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("indices", "indptr", "message"),
    [
        ([0, 9], [0, 1, 2], "column indices from 0 to 9"),
        ([-1, 0], [0, 1, 2], "column indices from -1"),
        ([0, 1], [0, 3, 2], "row pointers"),
        ([0, 1], [0, 1, 7], "row pointers"),
    ],
)
def test_a_matrix_that_would_make_a_kernel_read_elsewhere_is_refused(indices, indptr, message):
    X = sp.csr_array((2, 3))
    X.data, X.indices, X.indptr = np.ones(2), np.array(indices, np.int32), np.array(indptr, np.int32)
    with pytest.raises(ValueError, match=message):
        kernel_csr(X)
