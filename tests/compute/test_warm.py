"""Claims about compiling ahead and about the description of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tripos.compute.system import describe

KERNELS = """
from tripos.compute import kernel

@kernel("F[::1], I")
def power_sum(x, k):
    total = 0.0
    for i in range(x.size):
        total += x[i] ** k
    return total

@kernel("f8")
def wrong(x):
    return x.no_such_attribute

@kernel
def helper(x):
    return x
"""
# Enough forms for two processes, and one whose compilation ends its process, as a bug of LLVM's may.
MORE = """
import os
from numba.extending import overload
from tripos.compute import kernel

@kernel("F[::1], F[:, ::1], I", "I, F[::1], I[::1]")
def nothing(a, b, c):
    return 0

def deadly_function(x):
    return x

@overload(deadly_function)
def _deadly(x):
    os.abort()

@kernel("f8")
def deadly(x):
    return deadly_function(x)
"""
WARM = """
import json
from tripos.compute.warm import compile_all, compiled_report
steps = []
before = sum(form.cached for form in compiled_report("small"))
report = compile_all(lambda done, total, name: steps.append((done, total)), package="small", n_jobs=2)
print(json.dumps({
    "before": before, "compiled": report.compiled, "cached": report.from_cache, "missing": report.missing,
    "total": len(compiled_report("small")), "failed": sorted(name for name, _, _ in report.failed), "steps": steps,
    "after": sum(form.cached for form in compiled_report("small")),
}))
"""


@pytest.fixture(params=[False, True])
def warm(request, tmp_path):
    (tmp_path / "small" / "deep").mkdir(parents=True)
    (tmp_path / "small" / "__init__.py").write_text("")
    (tmp_path / "small" / "deep" / "__init__.py").write_text("")
    (tmp_path / "small" / "deep" / "kernels.py").write_text(KERNELS)
    if request.param:
        (tmp_path / "small" / "more.py").write_text(MORE)
    (tmp_path / "small" / "optional.py").write_text("import a_package_nobody_has\n# @kernel\n")
    environment = {**os.environ, "TRIPOS_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def run():
        done = subprocess.run(
            [sys.executable, "-B", "-c", WARM], env=environment, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return run


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="about compiled kernels")
def test_every_declared_form_is_compiled_once_and_found_the_next_time(warm):
    first, second = warm(), warm()
    good = first["total"] - len(first["failed"])
    assert (first["before"], first["compiled"], first["cached"], first["after"]) == (0, good, 0, good)
    assert (second["before"], second["compiled"], second["cached"], second["after"]) == (good, 0, good, good)
    assert "small.deep.kernels.wrong" in first["failed"]
    assert list(first["missing"]) == ["small.optional"]
    assert first["steps"] == [[k + 1, first["total"]] for k in range(first["total"])]


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="about compiled kernels")
@pytest.mark.parametrize("warm", [True], indirect=True)
def test_a_compiler_that_ends_its_process_is_reported_and_the_rest_goes_on(warm):
    found = warm()
    assert found["failed"] == ["small.deep.kernels.wrong", "small.more.deadly"]


def test_the_description_of_the_machine_is_plain_data():
    found = describe(kernels=False)
    assert json.loads(json.dumps(found)) == found
    assert found["threads"] >= 1
    assert found["memory"]["free"] > 0
    assert {"numpy", "numba"} <= set(found["packages"])
    assert found["blas"]


def test_describing_the_machine_imports_no_torch():
    code = "import sys; from tripos.compute.system import describe; describe(kernels=False); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_compute_stays_light():
    code = "import sys, tripos.compute; assert not {'numba', 'scipy', 'polars', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
