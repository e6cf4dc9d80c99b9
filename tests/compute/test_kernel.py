"""Claims about `@kernel`: what it compiles, when, under which rules, and that it runs as Python too."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tripos.compute import kernel
from tripos.compute.kernel import expand, kernels

HERE = Path(__file__).parent
compiled_only = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="about compiled kernels")


@kernel
def square(x):
    return x * x


@kernel("F[:, ::1], F[::1]")
def squared_norms(X, out):
    for i in range(X.shape[0]):
        total = X[i, 0] * 0
        for j in range(X.shape[1]):
            total += square(X[i, j])
        out[i] = total


@kernel("f8[::1]", strict=True)
def compensated_sum(x):
    """Kahan's sum, which fast-math would reduce to the plain one."""
    total, lost = 0.0, 0.0
    for i in range(x.size):
        term = x[i] - lost
        new = total + term
        lost = (new - total) - term
        total = new
    return total


@kernel("f8[::1]")
def count_nan(x):
    found = 0
    for i in range(x.size):
        if x[i] != x[i]:
            found += 1
    return found


@kernel("f8, f8")
def ratio(a, b):
    return a / b


@kernel("F, I")
def power(x, k):
    return x**k


@given(X=hnp.arrays(st.sampled_from([np.float32, np.float64]), st.tuples(st.integers(1, 20), st.integers(1, 9)),
                    elements=st.floats(-100, 100, width=32)))  # fmt: skip
def test_kernel_equals_its_numpy_twin(X):
    out = np.empty(len(X), X.dtype)
    squared_norms(X, out)
    np.testing.assert_allclose(out, (X * X).sum(axis=1), rtol=1e-5)


def test_strict_kernel_keeps_what_fast_math_would_lose():
    x = np.full(100_000, 0.1)
    x[0] = 1e9
    assert compensated_sum(x) == pytest.approx(1e9 + 9999.9, abs=2e-7)


def test_nan_keeps_its_meaning_under_the_default_rules():
    assert count_nan(np.array([np.nan, 1.0, -np.inf, np.nan])) == 2


def test_a_power_with_an_integer_exponent_does_not_end_the_process():
    assert power(3.0, 4) == 81.0


@compiled_only
def test_division_by_zero_is_infinite_as_in_numpy():
    assert ratio(1.0, 0.0) == np.inf


def test_placeholders_take_one_type_throughout_a_signature():
    forms = expand("F[:, ::1], I[::1], F")
    types = product(("float32", "float64"), ("int32", "int64"))
    assert forms == [f"{f}[:, ::1], {i}[::1], {f}" for f, i in types]


@compiled_only
def test_calls_outside_the_declared_forms_are_found():
    entry = next(k for k in kernels() if k.call is count_nan)
    assert entry.undeclared() == []
    count_nan(np.zeros(3, np.float32))
    assert [str(form[0]) for form in entry.undeclared()] == ["array(float32, 1d, C)"]


def test_closing_over_a_function_is_refused():
    def inner(x):
        return x

    with pytest.raises(TypeError, match="closes over the function 'inner'"):

        @kernel
        def outer(x):
            return inner(x)


def test_factory_variants_close_over_integer_codes():
    def make(power):
        @kernel
        def raised(x):
            result = 1.0
            for _ in range(power):
                result *= x
            return result

        return raised

    assert [make(p)(3.0) for p in (0, 1, 3)] == [1.0, 3.0, 27.0]


def test_strict_and_finite_together_are_refused():
    with pytest.raises(ValueError, match="one of them"):
        kernel("f8", strict=True, finite=True)


def test_a_signature_must_be_text():
    with pytest.raises(TypeError, match="signature is text"):
        kernel("f8", 3)


@compiled_only
def test_nothing_compiles_at_import():
    code = """
import numba.core.event as event
with event.install_recorder("numba:compile") as recorder:
    from tripos.compute import warm
    warm.import_kernels("tripos")
assert not recorder.buffer, recorder.buffer
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@compiled_only
def test_kernels_and_their_twins_agree_without_compilation():
    """Every kernel test of this room again, run by Python."""
    files = [HERE / f"test_{name}.py" for name in ("kernel", "intrinsics", "executor", "arrays")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *map(str, files)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, cwd=HERE.parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
