"""`larger` and `smaller` inside kernels."""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.extremes import larger, smaller


@kernel("f8[::1], f8[::1], f8[::1], f8[::1]")
def both(a, b, most, least):
    for i in range(a.size):
        most[i] = larger(a[i], b[i])
        least[i] = smaller(a[i], b[i])


def test_extremes_are_numpys_fmax_and_fmin_where_numbers_are_missing_or_infinite():
    values = np.array([-np.inf, -1.5, 0.0, 2.0, np.inf, np.nan])
    a, b = (np.ascontiguousarray(side.ravel()) for side in np.meshgrid(values, values))
    most, least = np.empty_like(a), np.empty_like(a)
    both(a, b, most, least)
    np.testing.assert_array_equal(most, np.fmax(a, b))
    np.testing.assert_array_equal(least, np.fmin(a, b))
    assert (larger(1.0, 2.0), smaller(1.0, 2.0)) == (2.0, 1.0)
