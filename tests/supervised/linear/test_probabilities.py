"""Probabilities of scores against their definitions, to the last digits at both ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax

from tripos.supervised.linear.probabilities import probabilities

SCORES = np.array([0.0, 1e-300, 0.3, -0.3, 20.0, -20.0, 700.0, -700.0, 1e5, -1e5])
both_dtypes = pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 2e-6)])


@both_dtypes
def test_two_classes(dtype, rtol):
    eta = SCORES.astype(dtype)
    exact = eta.astype(float)
    tiny = np.finfo(dtype).tiny
    p = probabilities(eta.copy(), log_scale=False)
    np.testing.assert_allclose(p, np.column_stack([expit(-exact), expit(exact)]), rtol=rtol, atol=tiny)
    log_p = probabilities(eta.copy(), log_scale=True)
    np.testing.assert_allclose(
        log_p, np.column_stack([log_expit(-exact), log_expit(exact)]), rtol=rtol, atol=tiny
    )
    assert p.dtype == log_p.dtype == dtype


@both_dtypes
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_several_classes(n_classes, dtype, rtol):
    eta = np.random.default_rng(0).choice(SCORES, (300, n_classes)).astype(dtype)
    exact = eta.astype(float)
    p, log_p = (probabilities(eta.copy(), log_scale=scale) for scale in (False, True))
    np.testing.assert_allclose(p, softmax(exact, axis=1), rtol=10 * rtol, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(log_p, log_softmax(exact, axis=1), rtol=10 * rtol, atol=rtol)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=10 * rtol)


def test_no_rows_have_no_probabilities():
    assert probabilities(np.empty(0), log_scale=False).shape == (0, 2)
    assert probabilities(np.empty((0, 3)), log_scale=True).shape == (0, 3)
