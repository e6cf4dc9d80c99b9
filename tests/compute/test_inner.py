"""Kernels that kernels call, and kernels that count no references."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from tripos.compute import kernel

pytestmark = pytest.mark.skipif(
    not hasattr(kernel(lambda x: x), "inner"), reason="nothing is compiled under NUMBA_DISABLE_JIT=1"
)


@kernel
def square(x):
    return x * x


@kernel
def row_of(X, i):
    return X[i]


@kernel("f8[:, ::1], f8[::1]")
def sums(X, out):
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i] += square(X[i, j])


@kernel("f8[:, ::1]")
def sum_of_rows(X):
    total = 0.0
    for i in range(X.shape[0]):
        total += row_of(X, i)[0]
    return total


@kernel("f8[::1]")
def doubled(x):
    out = np.empty(x.size)
    for i in range(x.size):
        out[i] = 2.0 * x[i]
    return out


for compiled in (square, row_of, sums, sum_of_rows, doubled):
    if hasattr(compiled, "_cache"):
        compiled._cache.disable()  # these claims are about compiling


def test_a_kernel_that_kernels_call_has_no_entry_for_python():
    X, out = np.arange(6.0).reshape(2, 3), np.zeros(2)
    sums(X, out)
    assert out.tolist() == [5.0, 50.0]
    assert len(square.inner.overloads) == 1
    assert not square.overloads
    assert square(3.0) == 9.0
    assert len(square.overloads) == 1


def test_only_kernels_that_make_or_hand_on_arrays_count_references():
    X = np.arange(6.0).reshape(2, 3)
    assert sum_of_rows(X) == 3.0
    sums(X, np.zeros(2))
    doubled(X[0])
    assert not sums._compiler.counts
    assert sum_of_rows._compiler.counts
    assert doubled._compiler.counts


def test_arrays_that_kernels_return_outlive_them_and_are_let_go():
    X = np.arange(6.0).reshape(2, 3)
    before = sys.getrefcount(X)
    row, twice = row_of(X, 1), doubled(X[1])
    assert row.tolist() == [3.0, 4.0, 5.0]
    assert twice.tolist() == [6.0, 8.0, 10.0]
    for _ in range(3):
        sum_of_rows(X)
    del row
    gc.collect()  # frames of a compilation, which the first call to each kernel caused
    assert sys.getrefcount(X) == before
