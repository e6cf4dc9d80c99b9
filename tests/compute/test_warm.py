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
WARM = """
import json
from tripos.compute.warm import compile_all, compiled_report
steps = []
before = sum(form.cached for form in compiled_report("small"))
report = compile_all(lambda done, total, name: steps.append((done, total)), package="small")
print(json.dumps({
    "before": before, "compiled": report.compiled, "cached": report.from_cache, "missing": report.missing,
    "failed": [name for name, _, _ in report.failed], "steps": steps,
    "after": sum(form.cached for form in compiled_report("small")),
}))
"""


@pytest.fixture
def warm(tmp_path):
    (tmp_path / "small" / "deep").mkdir(parents=True)
    (tmp_path / "small" / "__init__.py").write_text("")
    (tmp_path / "small" / "deep" / "__init__.py").write_text("")
    (tmp_path / "small" / "deep" / "kernels.py").write_text(KERNELS)
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
    assert (first["before"], first["compiled"], first["cached"], first["after"]) == (0, 4, 0, 4)
    assert (second["before"], second["compiled"], second["cached"], second["after"]) == (4, 0, 4, 4)
    assert first["failed"] == ["small.deep.kernels.wrong"]
    assert list(first["missing"]) == ["small.optional"]
    assert first["steps"] == [[k, 5] for k in range(6)]


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
