"""Kernel values and the rows' cache against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import pairwise_kernels

from tripos.supervised.svm import smo
from tripos.supervised.svm.kernels import LINEAR, POLY, RBF, SIGMOID, Kernel, scale_of
from tripos.supervised.svm.rows import KernelRows, single

KERNELS = {
    "linear": (Kernel(LINEAR), {}),
    "poly": (Kernel(POLY, 0.3, 1.0, 3), {"gamma": 0.3, "coef0": 1.0, "degree": 3}),
    "polynomial": (Kernel(POLY, 0.3, 0.5, 5), {"gamma": 0.3, "coef0": 0.5, "degree": 5}),
    "rbf": (Kernel(RBF, 0.2), {"gamma": 0.2}),
    "sigmoid": (Kernel(SIGMOID, 0.1, -0.3), {"gamma": 0.1, "coef0": -0.3}),
}


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(13, 6)), rng.normal(size=(9, 6))
    B[3] = A[5]  # a row met twice
    A[:, 2] = 4.0
    return A, B


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_are_those_of_scikit_learn(name, dtype, tables):
    A, B = (table.astype(dtype) for table in tables)
    kernel, parameters = KERNELS[name]
    expected = pairwise_kernels(A.astype(float), B.astype(float), metric=name, **parameters)
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(kernel.between(A, B), expected, rtol=tolerance, atol=tolerance)
    sparse = kernel.between(sp.csr_array(A), sp.csr_array(B))
    np.testing.assert_allclose(sparse, expected, rtol=tolerance, atol=tolerance)


def test_a_degree_of_zero_makes_every_value_one(tables):
    np.testing.assert_array_equal(Kernel(POLY, 1.0, 0.0, 0).between(*tables), 1.0)


def test_gamma_scale_counts_weights_as_rows(tables):
    A, weight = tables[0], np.arange(1, 14)
    repeated = np.repeat(A, weight, axis=0)
    assert scale_of("scale", A, weight.astype(float)) == pytest.approx(1 / (6 * repeated.var()), rel=1e-12)
    assert scale_of("scale", sp.csr_array(A), weight.astype(float)) == pytest.approx(
        1 / (6 * repeated.var()), rel=1e-12
    )
    assert scale_of("auto", A, None) == 1 / 6
    assert scale_of("scale", np.ones((4, 3)), None) == 1.0


def test_rows_that_were_used_last_stay(monkeypatch):
    monkeypatch.setattr("tripos.supervised.svm.rows.WHOLE", 0)
    monkeypatch.setattr("tripos.supervised.svm.rows.BLOCK", 2)
    X = np.random.default_rng(1).normal(size=(20, 3))
    kernel = Kernel(RBF, 0.5)
    rows = KernelRows(single(X, kernel), kernel, np.arange(20), 64, room=0)
    assert len(rows.K) == 4
    expected = pairwise_kernels(X, metric="rbf", gamma=0.5)
    for clock, wanted in enumerate(([0, 1], [2, 3], [4], [5, 6]), start=1):
        rows.fetch(np.array(wanted), clock)
        rows.stamp[rows.slot[wanted[0]]] = clock + 1
        for i in np.flatnonzero(rows.slot >= 0):
            np.testing.assert_allclose(rows.K[rows.slot[i], :20], expected[i], rtol=1e-5, atol=1e-6)
    assert set(np.flatnonzero(rows.slot >= 0)) >= {5, 6, 4}
    assert rows.slot[0] < 0


def test_one_sweep_is_what_numpy_says():
    rng = np.random.default_rng(2)
    n, lanes = 192, 64
    u, Ki, Kj = rng.normal(size=n), *rng.normal(size=(2, n)).astype(np.float32)
    rise, fall = rng.choice([0.0, 0.1, smo.BIG], size=(2, n)).astype(np.float32)
    best, least = np.empty(lanes), np.empty(lanes)
    expected = u - 0.3 * (Ki.astype(float) - Kj.astype(float))
    smo.sweep(u, rise, fall, Ki, Kj, 0.3, best, least)
    np.testing.assert_allclose(u, expected, rtol=1e-14)
    np.testing.assert_allclose(best, np.maximum(expected - rise, -smo.BIG).reshape(-1, lanes).max(axis=0))
    np.testing.assert_allclose(least, np.minimum(expected + fall, smo.BIG).reshape(-1, lanes).min(axis=0))


def test_the_partner_is_the_one_with_the_largest_second_order_gain():
    rng = np.random.default_rng(3)
    n = 128
    u, fall = rng.normal(size=n), np.where(rng.random(n) < 0.3, smo.BIG, 0.0).astype(np.float32)
    Ki, diagonal = rng.uniform(0, 0.9, n).astype(np.float32), np.ones(n, np.float32)
    b = np.maximum(1.5 - (u + fall), 0)
    expected = np.argmax(b * b / (2 - 2 * Ki.astype(float)))
    found = smo.partner(u, fall, Ki, diagonal, 1.5, np.float32(1), 0, n, np.empty(64, np.float32))
    assert found == expected
    assert (
        smo.partner(
            u, fall + np.float32(smo.BIG), Ki, diagonal, 1.5, np.float32(1), 0, n, np.empty(64, np.float32)
        )
        == -1
    )
