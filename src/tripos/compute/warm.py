"""Compile every kernel for the forms it is declared for, once, so that no first call has to wait.

Numba compiles one kernel at a time in a process, so several processes share the work; a kernel at which LLVM ends
the process is reported, and the rest goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from tripos.compute import cache
from tripos.compute.kernel import Kernel, kernels
from tripos.compute.threads import thread_count

Progress = Callable[[int, int, str], None]
Form = tuple[Kernel, tuple[Any, ...]]
Outcome = tuple[int, str | None]  # number of a form, and why it did not compile

FORMS_PER_PROCESS = 8  # fewer are compiled in the time it takes to start another process


@dataclass
class WarmReport:
    """What `compile_all` did.

    Attributes
    ----------
    compiled, from_cache : int
        Kernel forms that were compiled, and that were found compiled.
    seconds : float
    failed : list of (kernel, signature, message)
    missing : dict of str
        Modules that could not be imported, for want of an optional package: name -> reason.
    """

    compiled: int = 0
    from_cache: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledForm:
    """One declared form of a kernel, and whether its machine code is in the cache."""

    kernel: str
    signature: str
    cached: bool


def compile_all(
    progress: Progress | None = None, *, package: str = "tripos", n_jobs: int | None = None
) -> WarmReport:
    """Compile every registered kernel of a package that is not in the cache yet.

    Parameters
    ----------
    progress : callable, optional
        Called as ``progress(done, total, kernel name)`` after each form.
    package : str
        Name of an importable package.
    n_jobs : int or None
        Processes at most, counted as threads are.

    Returns
    -------
    WarmReport
    """
    start = time.perf_counter()
    report = WarmReport(missing=import_kernels(package))
    forms = list(_forms(package))
    todo = [number for number, form in enumerate(forms) if not _is_cached(*form)]
    report.from_cache = len(forms) - len(todo)
    processes = min(thread_count(n_jobs), -(-len(todo) // FORMS_PER_PROCESS))
    outcomes = _compile(package, todo, processes)
    for done, (number, problem) in enumerate(outcomes, start=report.from_cache + 1):
        kernel, signature = forms[number]
        if problem is None:
            report.compiled += 1
        else:
            report.failed.append((kernel.name, _text(signature), problem))
        if progress is not None:
            progress(done, len(forms), kernel.name)
    report.seconds = time.perf_counter() - start
    return report


def compiled_report(package: str = "tripos") -> list[CompiledForm]:
    """For each declared form of each kernel, whether it is in the cache; compiles nothing."""
    import_kernels(package)
    return [
        CompiledForm(kernel.name, _text(signature), _is_cached(kernel, signature))
        for kernel, signature in _forms(package)
    ]


def import_kernels(package: str) -> dict[str, str]:
    """Import every module of a package that declares kernels; those that cannot be, with the reason."""
    root = importlib.import_module(package)
    folder = cache.package_folder(str(root.__file__))
    missing = {}
    for path in cache.marked_sources(folder, cache.KERNEL_MARK):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(part for part in parts if part != "__init__")))
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing[name] = str(error)
    return missing


def _forms(package: str) -> Iterator[Form]:
    """Every declared form; in the same order in each process, for they are known by their number."""
    for kernel in kernels(package):
        if kernel.compiled:
            yield from ((kernel, signature) for signature in kernel.signatures)


def _is_cached(kernel: Kernel, signature: tuple[Any, ...]) -> bool:
    return bool(kernel.call._cache.holds(signature, kernel.call.targetctx))


def _text(signature: tuple[Any, ...]) -> str:
    return ", ".join(map(str, signature))


def _compile(package: str, todo: list[int], processes: int) -> Iterator[Outcome]:
    """Share the forms among processes; outcomes as they come."""
    outcomes: SimpleQueue[Outcome | None] = SimpleQueue()
    for k in range(processes):
        threading.Thread(target=_watch, args=(package, todo[k::processes], outcomes), daemon=True).start()
    working = processes
    while working:
        outcome = outcomes.get()
        if outcome is None:
            working -= 1
        else:
            yield outcome


def _watch(package: str, left: list[int], outcomes: SimpleQueue[Outcome | None]) -> None:
    """Have some forms compiled by a process, and by another should it end before the last of them."""
    while left:
        process = _start(package, left)
        assert process.stdout is not None
        for line in process.stdout:
            outcomes.put(tuple(json.loads(line)))
            left = left[1:]
        code = process.wait()
        if left:
            outcomes.put((left[0], f"the compiling process ended with code {code}"))
            left = left[1:]
    outcomes.put(None)


def _start(package: str, part: list[int]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tripos.compute import warm; warm.work()", package],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(part))
    process.stdin.close()
    return process


def work() -> None:
    """What a process of `compile_all` does: numbers of forms come in, an outcome per line goes out, in order."""
    import_kernels(sys.argv[1])
    forms = list(_forms(sys.argv[1]))
    for number in json.load(sys.stdin):
        kernel, signature = forms[number]
        problem = None
        try:
            kernel.call.compile(signature)
        except Exception as error:  # one kernel that does not compile must not hide the others
            problem = str(error).strip()
        print(json.dumps((number, problem)), flush=True)
