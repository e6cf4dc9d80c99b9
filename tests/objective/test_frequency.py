"""Renumbered columns: the same risk, with the frequent columns side by side."""

import numpy as np
import pytest
import scipy.sparse as sp

from tripos.objective.frequency import WIDE, ByFrequency, count_columns, renumber
from tripos.objective.linear import linear_risk


@pytest.fixture
def wide():
    rng = np.random.default_rng(0)
    columns = np.minimum(rng.zipf(1.05, (2000, 120)), WIDE + 5) - 1
    rows = np.repeat(np.arange(2000), 120)
    X = sp.csr_array((rng.random(240_000), (rows, columns.ravel())), shape=(2000, WIDE + 10))
    return X, (rng.random(2000) < 0.5).astype(float)


def test_value_and_gradient_are_those_of_the_original(wide):
    risk = linear_risk(*wide, "log")
    found = ByFrequency.of(risk)
    theta = np.random.default_rng(1).normal(size=risk.n_parameters)
    value, gradient = risk.value_gradient(theta)
    renumbered, moved = found.risk.value_gradient(found.forth(theta))
    assert renumbered == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(found.back(moved), gradient, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(found.back(found.forth(theta)), theta)


def test_several_outputs_move_together(wide):
    X, _ = wide
    risk = linear_risk(X, np.arange(2000) % 3, "softmax")
    found = ByFrequency.of(risk)
    theta = np.random.default_rng(1).normal(size=risk.n_parameters)
    gradient = risk.value_gradient(theta)[1]
    moved = found.risk.value_gradient(found.forth(theta))[1]
    np.testing.assert_allclose(found.back(moved), gradient, rtol=1e-9, atol=1e-14)


def test_the_most_frequent_column_comes_first(wide):
    found = ByFrequency.of(linear_risk(*wide, "log"))
    stored = np.bincount(wide[0].indices, minlength=wide[0].shape[1])
    assert (np.diff(stored[found.order]) <= 0).all()


def test_dense_narrow_and_nearly_empty_rows_stay_as_they_are(wide):
    X, y = wide
    assert ByFrequency.of(linear_risk(X[:, :50].toarray(), y, "log")) is None
    assert ByFrequency.of(linear_risk(X[:, :50], y, "log")) is None
    assert ByFrequency.of(linear_risk(X[:20], y[:20], "log")) is None


def test_kernels_equal_their_twins():
    indices = np.array([3, 1, 3, 0, 2, 3], np.int32)
    count, rank, out = np.zeros(4, np.int64), np.array([2, 0, 3, 1]), np.empty_like(indices)
    count_columns(indices, count)
    renumber(indices, rank, out)
    np.testing.assert_array_equal(count, np.bincount(indices))
    np.testing.assert_array_equal(out, rank[indices])
