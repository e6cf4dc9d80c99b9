"""The stochastic kernels against a walk that is written out, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import approx_fprime

from tripos.objective.losses import LOSSES as OBJECTIVE
from tripos.supervised.linear import stochastic_kernels as kernels
from tripos.supervised.linear.stochastic_losses import LOSSES, slopes, values

NAMES = {"hinge": "hinge", "log_loss": "log", "squared_hinge": "squared hinge", "squared_error": "squared"}
NAMES |= {n: n.replace("_", " ") for n in ("epsilon_insensitive", "squared_epsilon_insensitive")}


def targets(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, LOSSES[name].low, 1.0)


def value_of(name: str, parameter: float, eta: np.ndarray, y: np.ndarray) -> np.ndarray:
    room = np.empty((3, len(eta)))
    values(LOSSES[name].code, parameter, eta, y, room[0], room[1], room[2])
    return room[0]


def slope_of(name: str, parameter: float, eta: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.empty_like(eta)
    slopes(LOSSES[name].code, parameter, eta, y, out)
    return out


@pytest.mark.parametrize("name", LOSSES)
def test_the_slope_is_the_derivative_of_the_value(name):
    rng = np.random.default_rng(0)
    eta, y = rng.normal(0.0, 3.0, 200), targets(name, 200, rng)
    derivative = [
        approx_fprime([e], lambda x, t=t: value_of(name, 0.1, np.array([x[0]]), np.array([t]))[0], 1e-7)[0]
        for e, t in zip(eta, y)
    ]
    np.testing.assert_allclose(slope_of(name, 0.1, eta, y), derivative, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_those_of_the_objective(name):
    rng = np.random.default_rng(1)
    eta, y = np.append(rng.normal(0.0, 30.0, 500), [800.0, -800.0, 0.0]), targets(name, 503, rng)
    expected = OBJECTIVE[NAMES[name]].gradient(y, eta)
    np.testing.assert_allclose(slope_of(name, 0.1, eta, y), expected, rtol=1e-14, atol=1e-15)


# ---- a walk, written out --------------------------------------------------------------------------------------


def rate_at(schedule, h, t):
    if schedule == kernels.OPTIMAL:
        return 1.0 / (h[kernels.ALPHA] * (h[kernels.T0] + t - 1.0))
    return h[kernels.ETA0] / t ** h[kernels.POWER] if schedule == kernels.INVSCALING else h[kernels.ETA0]


def walked(name, schedule, X, y, s, order, h):
    """w, b, their means over the steps, by arrays of the full length at each step."""
    n, d = X.shape
    w, b, t, owed, received = np.zeros(d), 0.0, 1.0, 0.0, np.zeros(d)
    sum_w, sum_b, weight = np.zeros(d), 0.0, 0.0
    for i in order:
        eta, rate = X[i] @ w + b, rate_at(schedule, h, t)
        if schedule < kernels.PA1:
            move = -rate * slope_of(name, 0.1, np.array([eta]), y[i : i + 1])[0]
        else:
            loss, norm = value_of(name, 0.1, np.array([eta]), y[i : i + 1])[0], X[i] @ X[i]
            length = min(h[kernels.ETA0], loss / norm) if norm else 0.0
            if schedule == kernels.PA2:
                length = loss / (norm + 0.5 / h[kernels.ETA0])
            side = 2.0 * y[i] - 1.0 if name == "hinge" else np.sign(y[i] - eta)
            move = side * length
        move *= s[i]
        w = w * max(0.0, 1.0 - rate * h[kernels.L2] * s[i]) + move * X[i]
        b += move
        owed += rate * h[kernels.L1] * s[i]
        pulled = np.where(
            w > 0, np.maximum(0.0, w - (owed + received)), np.minimum(0.0, w + (owed - received))
        )
        received += pulled - w
        w = pulled
        if t >= h[kernels.AVERAGE]:
            sum_w, sum_b, weight = sum_w + s[i] * w, sum_b + s[i] * b, weight + s[i]
        t += s[i]
    return w, b, sum_w / max(weight, 1e-300), sum_b / max(weight, 1e-300)


def settings(alpha=0.01, l1_ratio=0.0, average=np.inf):
    h = np.zeros(kernels.N_SETTINGS)
    h[kernels.L1], h[kernels.L2], h[kernels.ALPHA] = alpha * l1_ratio, alpha * (1 - l1_ratio), alpha
    h[kernels.ETA0], h[kernels.POWER], h[kernels.T0] = 0.05, 0.3, 1.0 / (alpha**-0.25 * alpha)
    h[kernels.POSITIVE] = h[kernels.NEGATIVE] = h[kernels.INTERCEPT_STEP] = 1.0
    h[kernels.AVERAGE], h[kernels.CLASS] = average, -1.0
    return h


def kernel_walk(name, schedule, X, y, s, order, h):
    d = X.shape[1]
    state = np.zeros(kernels.N_STATE)
    state[kernels.T], state[kernels.SCALE], state[kernels.RATE] = 1.0, 1.0, h[kernels.ETA0]
    u, sums = np.zeros(d, X.dtype), np.zeros((2, d if np.isfinite(h[kernels.AVERAGE]) else 0))
    received, room = np.zeros(d if h[kernels.L1] else 0), np.empty((6, kernels.BLOCK))
    rows = (y.astype(np.float32), s.astype(X.dtype), order, h, state, u, sums, received, room)
    known = (LOSSES[name].code, 0.1, schedule)
    if sp.issparse(X):
        kernels.csr_steps(*known, X.data, X.indices, X.indptr, *rows)
    else:
        kernels.dense_steps(*known, X, *rows)
    penalty = kernels.settle(h, state, u, sums, received)
    return u, state, sums, penalty


CASES = [
    ("hinge", kernels.OPTIMAL, {}),
    ("log_loss", kernels.INVSCALING, {"l1_ratio": 0.5, "average": 1.0}),
    ("squared_error", kernels.CONSTANT, {"l1_ratio": 1.0, "average": 40.0}),
    ("modified_huber", kernels.OPTIMAL, {"alpha": 3.0}),
    ("hinge", kernels.PA1, {"alpha": 0.0001}),
    ("epsilon_insensitive", kernels.PA2, {"alpha": 0.0001, "l1_ratio": 0.15}),
]


@pytest.mark.parametrize(("name", "schedule", "strength"), CASES)
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_a_walk_goes_where_the_written_out_walk_goes(name, schedule, strength, form):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 7))
    if not strength.get("l1_ratio"):  # on CSR rows the L1 penalty comes late to what a row does not hold
        X[rng.random(X.shape) < (0.7 if form == "csr" else 0.1)] = 0.0
        X[5] = 0.0
    y, s = targets(name, 300, rng), rng.integers(1, 4, 300).astype(float)
    order, h = rng.permutation(300).astype(np.uint32), settings(**strength)
    w, b, mean_w, mean_b = walked(name, schedule, X, y, s, order, h)
    u, state, sums, penalty = kernel_walk(
        name, schedule, sp.csr_array(X) if form == "csr" else X, y, s, order, h
    )
    np.testing.assert_allclose(u, w, rtol=1e-7, atol=1e-9)
    assert state[kernels.INTERCEPT] == pytest.approx(b, abs=1e-8)
    if sums.size:
        np.testing.assert_allclose(sums[0] / state[kernels.AVERAGED], mean_w, rtol=1e-7, atol=1e-9)
        assert state[kernels.SUM_INTERCEPT] / state[kernels.AVERAGED] == pytest.approx(mean_b, abs=1e-8)
    assert penalty == pytest.approx(h[kernels.L1] * np.abs(w).sum() + 0.5 * h[kernels.L2] * w @ w, rel=1e-6)


def test_long_csr_rows_walk_beside_dense_rows():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 90))
    X[np.arange(90) >= rng.integers(20, 90, 60)[:, None]] = 0.0
    y, s = targets("hinge", 60, rng), np.ones(60)
    order, h = rng.permutation(60).astype(np.uint32), settings()
    assert X.astype(bool).sum() > kernels.LONG * 60
    sparse, dense = (
        kernel_walk("hinge", kernels.OPTIMAL, Z, y, s, order, h)[0] for Z in (sp.csr_array(X), X)
    )
    np.testing.assert_allclose(sparse, dense, rtol=1e-10, atol=1e-12)


def test_float32_rows_walk_beside_float64_rows():
    rng = np.random.default_rng(3)
    X, y, s = rng.normal(size=(200, 5)), targets("hinge", 200, rng), np.ones(200)
    order, h = rng.permutation(200).astype(np.uint32), settings()
    single = kernel_walk("hinge", kernels.INVSCALING, X.astype(np.float32), y, s, order, h)[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(
        single, kernel_walk("hinge", kernels.INVSCALING, X, y, s, order, h)[0], rtol=1e-3, atol=1e-5
    )


def test_an_order_visits_every_row_once_whether_or_not_in_blocks():
    rng = np.random.default_rng(4)
    rows = np.flatnonzero(rng.random(10_000) < 0.9).astype(np.uint32)
    order = np.empty_like(rows)
    kernels.shuffle_blocks(rows, 32, 64, np.uint64(7), order)
    np.testing.assert_array_equal(np.sort(order), rows)
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.2
    kernels.shuffle(order, np.uint64(7))
    np.testing.assert_array_equal(np.sort(order), rows)
    order = np.empty(1001, np.uint32)
    kernels.shuffle_blocks(np.empty(0, np.uint32), 32, 64, np.uint64(7), order)  # of all rows
    np.testing.assert_array_equal(np.sort(order), np.arange(1001))


def test_neighbours_moments_are_those_of_neighbouring_targets():
    y, moments = 1e6 + np.random.default_rng(5).normal(size=50), np.zeros(5)
    kernels.neighbours(y, np.empty(0, np.uint32), 49, moments)
    a, b = y[:-1] - y[0], y[1:] - y[0]
    expected = [np.mean(v) for v in (a, b, a * a, b * b, a * b)]
    np.testing.assert_allclose(moments, expected, rtol=1e-12, atol=1e-12)
