"""Half products inside kernels are those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tripos.compute import kernel
from tripos.compute.products import add_half_product, mirror_lower


@kernel("F[:, ::1], f8[:, ::1]")
def scatter(Z, C):
    add_half_product(Z[: Z.shape[0] // 2], C)
    add_half_product(Z[Z.shape[0] // 2 :], C)


@kernel("f8[:, ::1]")
def mirrored(C):
    mirror_lower(C)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (100, 17), (0, 4), (1, 5)])
def test_the_lower_triangle_gets_the_products_of_the_columns_and_the_rest_is_left_alone(dtype, shape):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=shape).astype(dtype)
    C = rng.normal(size=(shape[1],) * 2)
    before = C.copy()
    scatter(Z, C)
    product = Z.astype(float).T @ Z.astype(float)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(np.tril(C), np.tril(before + product), rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_array_equal(np.triu(C, 1), np.triu(before, 1))
    mirrored(C)
    np.testing.assert_array_equal(C, C.T)


def test_what_is_not_finite_shows():
    Z = np.ones((4, 3))
    Z[2, 1] = np.nan
    C = np.zeros((3, 3))
    scatter(Z, C)
    assert np.isnan([C[1, 0], C[1, 1], C[2, 1]]).all()
    np.testing.assert_array_equal([C[0, 0], C[2, 0]], 4.0)
