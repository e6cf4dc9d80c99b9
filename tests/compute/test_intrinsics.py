"""Claims about the functions kernels call: close to the true value, right at the edges, the same for both types."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.compute import intrinsics, kernel
from tripos.compute.intrinsics import bits_float, exp, expit, float_bits, log, log1p, log1pexp, prefetch

JIT = "NUMBA_DISABLE_JIT" not in os.environ
FLOATS = [np.float32, np.float64]


@kernel("F[::1], F[::1]")
def exp_all(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel("F[::1], F[::1]")
def log_all(x, out):
    for i in range(x.size):
        out[i] = log(x[i])


@kernel("F[::1], F[::1]")
def log1p_all(x, out):
    for i in range(x.size):
        out[i] = log1p(x[i])


@kernel("F[::1], F[::1]")
def expit_all(x, out):
    for i in range(x.size):
        out[i] = expit(x[i])


@kernel("F[::1], F[::1]")
def log1pexp_all(x, out):
    for i in range(x.size):
        out[i] = log1pexp(x[i])


@kernel("f8[:, ::1], i8[::1]")
def gathered_sum(X, rows):
    total = 0.0
    for i in range(rows.size):
        prefetch(X, rows[min(i + 2, rows.size - 1)])
        total += X[rows[i], 0]
    return total


@kernel("F[::1], F[::1]")
def there_and_back(x, out):
    for i in range(x.size):
        out[i] = bits_float(float_bits(x[i]))


@kernel("i8")
def exp_of_integer(n):
    return exp(n)


def true_expit(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def true_log1pexp(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


CASES = {  # function -> kernel, truth in extended precision, ulps allowed, (low, high) for float32 and float64
    "exp": (exp_all, np.exp, 1.2, {4: (-87.3, 88.7), 8: (-708.3, 709.7)}),
    "log": (log_all, np.log, 1.0, {4: (1e-45, 3e38), 8: (5e-324, 1e308)}),
    "log1p": (log1p_all, np.log1p, 1.6, {4: (-0.999, 1e30), 8: (-0.999, 1e300)}),
    "expit": (expit_all, true_expit, 2.5, {4: (-87, 50), 8: (-708, 800)}),
    "log1pexp": (log1pexp_all, true_log1pexp, 2.0, {4: (-80, 1e4), 8: (-700, 1e4)}),
}


def sample(low, high, dtype, n, seed):
    """Numbers spread over a range both evenly and by their logarithm, and many near 0 and 1."""
    random = np.random.default_rng(seed)
    smallest = max(low, float(np.finfo(dtype).smallest_subnormal))
    parts = [
        random.uniform(low, high, n),
        np.exp(random.uniform(np.log(smallest), np.log(high), n)),
        random.normal(scale=2.0, size=n),
        random.uniform(0.3, 2.5, n),
    ]
    if low < 0:
        parts.append(-np.exp(random.uniform(-40, np.log(-low), n)))
    x = np.concatenate(parts)
    return x[(x >= low) & (x <= high)].astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CASES)
def test_result_is_within_a_few_ulps_of_the_truth(name, dtype):
    run, truth, ulps, ranges = CASES[name]
    x = sample(*ranges[np.dtype(dtype).itemsize], dtype, 40_000 if JIT else 100, seed=3)
    out = np.empty_like(x)
    run(x, out)
    expected = truth(x.astype(np.longdouble))
    finite = np.isfinite(expected.astype(dtype))
    error = np.abs(out - expected)[finite] / np.spacing(np.abs(expected[finite]).astype(dtype))
    assert error.max() <= (ulps if JIT else 4)  # NumPy promises 4


EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e30, -1e30, 88.7, 88.8, -87.3, 709.7, 709.8, -708.3]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CASES)
def test_edges_are_what_numpy_says(name, dtype):
    run, truth, _, _ = CASES[name]
    info = np.finfo(dtype)
    x = np.array([*EDGES, info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal], dtype)
    out = np.empty_like(x)
    run(x, out)
    with np.errstate(all="ignore"):
        expected = truth(x.astype(np.longdouble)).astype(dtype)
    np.testing.assert_allclose(out, expected, rtol=4 * info.eps, atol=info.tiny)


@pytest.mark.skipif(not JIT, reason="NumPy's exp, the twin, has denormal results")
def test_exp_below_the_normal_range_is_zero():
    out = np.empty(3, np.float32)
    exp_all(np.array([-87.4, -100, -1e30], np.float32), out)
    assert out.tolist() == [0, 0, 0]


@given(x=st.floats(-700, 700), y=st.floats(-700, 700))
def test_exp_never_decreases(x, y):
    out = np.empty(2)
    exp_all(np.array(sorted([x, y])), out)
    assert out[0] <= out[1]


@given(st.floats(1e-300, 1e300))
def test_log_undoes_exp(x):
    log_x, back = np.empty(1), np.empty(1)
    log_all(np.array([x]), log_x)
    exp_all(log_x, back)
    assert back[0] == pytest.approx(x, rel=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bits_go_there_and_back(dtype):
    x = np.array([0.0, -0.0, 1.5, -np.inf, np.finfo(dtype).smallest_subnormal], dtype)
    out = np.empty_like(x)
    there_and_back(x, out)
    assert out.tobytes() == x.tobytes()


def test_prefetch_changes_nothing():
    X, rows = np.arange(20.0).reshape(10, 2), np.array([3, 1, 9, 0])
    assert gathered_sum(X, rows) == X[rows, 0].sum()


def test_integers_count_as_float64():
    assert exp_of_integer(2) == pytest.approx(np.exp(2.0), rel=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_outside_kernels_it_is_the_numpy_function(name):
    x = np.float32(0.75)
    result = getattr(intrinsics, name)(x)
    assert result == pytest.approx(CASES[name][1](np.longdouble(x)), rel=1e-6)
    assert isinstance(result, np.float32)


@pytest.mark.skipif(not JIT, reason="about machine code")
@pytest.mark.parametrize("name", CASES)
def test_loops_over_it_call_no_function_per_element(name):
    """The C library's exp would appear as a call inside the loop and keep it scalar."""
    run = CASES[name][0]
    run(np.ones(3, np.float32), np.empty(3, np.float32))
    compiled = next(
        s for s in run.signatures if "float32" in str(s[0])
    )  # another test may have asked for float64 first
    code = run.inspect_llvm(compiled)
    if "define" not in code:
        pytest.skip("the kernel came from the cache, which keeps no LLVM text")
    assert not re.search(rf"call .*@{name}f?\(", code)
    assert any(f"<{lanes} x float>" in code for lanes in (4, 8, 16))
