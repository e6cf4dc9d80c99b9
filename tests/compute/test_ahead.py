"""A kernel that a child process compiles is loaded, not compiled again; a child that dies costs nothing."""

import os
import subprocess
import sys

import pytest

KERNEL = """
from tripos.compute import kernel

@kernel("f8[::1]")
def doubled_sum(x):
    total = 0.0
    for i in range(x.size):
        total += 2 * x[i]
    return total
"""
CALL = """
import os, signal, numpy as np
from own import doubled_sum
from tripos.compute.ahead import compile_ahead
compile_ahead(doubled_sum)
child = doubled_sum._cache.child
assert child is not None
if {killed}:
    os.kill(child.pid, signal.SIGKILL)
assert doubled_sum(np.ones(3)) == 6.0
compile_ahead(doubled_sum)  # known by now
assert doubled_sum._cache.child is None
print(sum(doubled_sum.stats.cache_hits.values()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes fork on Linux only")
@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing compiles")
@pytest.mark.parametrize("killed", [False, True])
def test_what_a_child_compiled_is_loaded_and_a_killed_child_leaves_it_to_this_process(tmp_path, killed):
    (tmp_path / "own.py").write_text(KERNEL)
    place = {"TRIPOS_CACHE_DIR": str(tmp_path / "cache"), "TRIPOS_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", CALL.format(killed=killed)],
        cwd=tmp_path,
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert killed or found.stdout.strip() == "1"
