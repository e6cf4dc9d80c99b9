"""Claims about the kernels' cache, each tried in processes of their own on a small package in a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tripos.compute.cache import VERSIONS_KEPT, _forget_all_but_youngest, _is_private

pytestmark = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="about compiled kernels")

FACTOR = """
from tripos.compute import kernel

@kernel
def scaled(x):
    return 2.0 * x
"""
TOTAL = """
from tripos.compute import kernel
from small.factor import scaled
from small.settings import OFFSET

@kernel("F[::1]")
def total(x):
    result = 0.0
    for i in range(x.size):
        result += scaled(x[i])
    return result + OFFSET
"""
RUN = """
import json, sys
import numpy as np
from small.total import total
value = total(np.ones(4, sys.argv[1]))
stats = total.stats
print(json.dumps({"value": value, "hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values())}))
"""


class Package:
    """A package with a caller and a callee in two files and a constant in a third that has no kernel."""

    def __init__(self, folder):
        self.folder = folder
        cache = {"TRIPOS_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)}
        self.environment = {**os.environ, **cache}
        (folder / "small").mkdir()
        sources = {"__init__": "", "settings": "OFFSET = 0.5", "factor": FACTOR, "total": TOTAL}
        for name, text in sources.items():
            self.write(name, text)

    def write(self, name, text):
        (self.folder / "small" / f"{name}.py").write_text(text)

    def python(self, code, *arguments, **environment):
        """Standard output and error of a new process."""
        done = subprocess.run(
            [sys.executable, "-B", "-c", code, *arguments],
            env={**self.environment, **environment}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    def run(self, dtype="f8", **environment):
        return json.loads(self.python(RUN, dtype, **environment)[0])

    @property
    def files(self):
        return sorted((self.folder / "cache").rglob("*.bin"))


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


def test_a_second_process_loads_without_compiling(package):
    assert package.run() == {"value": 8.5, "hits": 0, "misses": 1}
    assert package.run() == {"value": 8.5, "hits": 1, "misses": 0}


def test_an_edited_callee_changes_its_cached_caller(package):
    package.run()
    package.write("factor", FACTOR.replace("2.0", "3.0"))
    assert package.run() == {"value": 12.5, "hits": 0, "misses": 1}


def test_an_edited_constant_of_a_file_without_kernels_changes_the_cached_kernel(package):
    package.run()
    package.write("settings", "OFFSET = 100.0")
    assert package.run()["value"] == 108.0


def test_going_back_to_an_earlier_source_finds_its_compiled_kernels(package):
    package.run()
    package.write("factor", FACTOR.replace("2.0", "3.0"))
    package.run()
    package.write("factor", FACTOR)
    assert package.run() == {"value": 8.5, "hits": 1, "misses": 0}


def test_an_edit_that_a_kernel_does_not_reach_leaves_its_compiled_form(package):
    package.run()
    unrelated = "\n@kernel\ndef halved(x):\n    return 0.5 * x\n"
    package.write("factor", "# moved a line down" + FACTOR + unrelated)
    assert package.run() == {"value": 8.5, "hits": 1, "misses": 0}


def test_an_edited_intrinsic_changes_the_kernel_that_uses_it(package):
    code = """
from numba.extending import intrinsic
from numba import types
@intrinsic
def shift(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.fadd(arguments[0], context.get_constant(types.float64, SIZE))
    return x(x), codegen
"""
    factor = FACTOR.replace("@kernel", "from small.shift import shift\n@kernel").replace(
        "2.0 * x", "shift(x)"
    )
    package.write("factor", factor)
    package.write("shift", code.replace("SIZE", "1.0"))
    first = package.run()["value"]
    package.write("shift", code.replace("SIZE", "2.0"))
    assert (first, package.run()["value"]) == (8.5, 12.5)


def test_a_callee_reached_through_a_tuple_of_kernels_counts(package):
    package.write(
        "total",
        TOTAL.replace("@kernel(", "BOTH = (scaled, scaled)\n@kernel(").replace(
            "scaled(x[i])", "BOTH[0](x[i])"
        ),
    )
    package.run()
    package.write("factor", FACTOR.replace("2.0", "3.0"))
    assert package.run()["value"] == 12.5


def test_old_versions_of_one_form_of_a_kernel_leave(package):
    for k in range(VERSIONS_KEPT + 3):
        package.write("factor", FACTOR.replace("2.0", f"{k}.0"))
        package.run()
    assert len([path for path in package.files if "total" in path.name]) == VERSIONS_KEPT


def test_only_the_youngest_stamps_are_kept(tmp_path):
    for age in range(7):
        (tmp_path / f"stamp-{age}").mkdir()
        (tmp_path / f"stamp-{age}" / "kernel.bin").write_bytes(b"code")
        os.utime(tmp_path / f"stamp-{age}", (10**9 - age, 10**9 - age))
    _forget_all_but_youngest(tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {f"stamp-{age}" for age in range(4)}


@pytest.mark.parametrize("damage", [lambda b: b[:40], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_file_is_compiled_anew(package, damage):
    package.run()
    for path in package.files:
        path.write_bytes(damage(path.read_bytes()))
    assert package.run()["value"] == 8.5
    assert package.run()["hits"] == 1


def test_processes_that_compile_at_once_leave_a_sound_cache(package):
    with ThreadPoolExecutor(4) as pool:
        values = [found["value"] for found in pool.map(package.run, ["f8", "f4", "i8", "f8"])]
    assert values == [8.5] * 4
    assert [package.run(dtype) for dtype in ("f4", "i8")] == [{"value": 8.5, "hits": 1, "misses": 0}] * 2


def test_kernels_work_where_nothing_can_be_written(package):
    (package.folder / "file").write_text("in the way")
    blocked = str(package.folder / "file")
    nowhere = {"TRIPOS_CACHE_DIR": blocked, "XDG_CACHE_HOME": blocked, "HOME": blocked, "TMPDIR": blocked}
    assert package.run(**nowhere)["value"] == 8.5


def test_the_users_cache_folder_is_used_when_nothing_is_said(package):
    package.run(TRIPOS_CACHE_DIR="", XDG_CACHE_HOME=str(package.folder / "xdg"))
    assert list((package.folder / "xdg" / "tripos" / "kernels").rglob("*.bin"))


def test_a_disk_without_space_warns_and_goes_on(package):
    code = "import tripos.compute.cache as c\ndef full(*a): raise OSError(28, 'No space left')\nc._write_whole = full\n"
    printed, warned = package.python(code + RUN, "f8")
    assert json.loads(printed)["value"] == 8.5
    assert "TRIPOS_CACHE_DIR" in warned


def test_variants_of_one_factory_do_not_share_machine_code(package):
    code = """
from tripos.compute import kernel
def make(power, offset, strict):
    @kernel("f8", strict=strict)
    def f(x):
        return x ** power + offset
    return f
"""
    package.write("factory", code)
    call = """
from small.factory import make
print([make(p, o, s)(3.0) for p in (1, 2) for o in (0, 1) for s in (0, 1)])
"""
    runs = [package.python(call)[0] for _ in range(2)]
    assert runs == ["[3.0, 3.0, 4.0, 4.0, 9.0, 9.0, 10.0, 10.0]"] * 2


def test_a_kernel_without_a_source_file_works_uncached(package):
    code = "from tripos.compute import kernel\nexec('@kernel\\ndef f(x): return x + 1')\nprint(f(1.0))"
    assert package.python(code)[0] == "2.0"
    assert package.files == []


def test_many_threads_may_call_a_kernel_for_the_first_time_at_once(package):
    code = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from small.total import total
with ThreadPoolExecutor(8) as pool:
    values = list(pool.map(lambda d: total(np.ones(4, d)), ["f8", "f4", "i8", "f8"] * 4))
assert values == [8.5] * 16, values
"""
    package.python(code)
    assert package.run()["hits"] == 1


def test_fork_during_a_compilation_leaves_the_child_able_to_compile(package):
    code = """
import os, threading, time
import numpy as np
from small.total import total
compiling = threading.Thread(target=total, args=(np.ones(4),))
compiling.start()
time.sleep(0.02)
child = os.fork()
if child == 0:
    os._exit(0 if total(np.ones(4, np.float32)) == 8.5 else 1)
compiling.join()
assert os.waitpid(child, 0)[1] == 0
"""
    package.python(code)


def test_a_folder_that_everybody_may_write_to_is_not_trusted(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "own").mkdir(mode=0o700)
    assert [_is_private(tmp_path / name) for name in ("open", "own")] == [False, True]
