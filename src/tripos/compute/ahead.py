"""Compile a kernel in a child process, while this process does what comes before it.

Numba compiles one kernel at a time in a process. What takes longest to compile is often needed last, so a forked child
compiles it meanwhile, on another core, and leaves it in the cache; the first call of the kernel waits for the child and
loads what it left. A child that fails, is killed or takes too long costs nothing but its time: the kernel is
compiled here then. The child calls nothing but the compiler (numba's and LLVM's locks are held over the fork, see
`cache`) and ends without any cleaning up; it shares the parent's memory and needs some 150 MB beside it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from typing import Any

from tripos.compute.cache import KernelCache
from tripos.compute.kernel import kernels
from tripos.compute.threads import thread_count

LONGEST = 120.0  # seconds that the first call waits for a child
STEP = 0.002


class Child:
    """A process that compiles one form of a kernel."""

    def __init__(self, pid: int) -> None:
        self.pid, self.parent = pid, os.getpid()

    def wait(self) -> None:
        """Returns when the child has ended; ends one that takes too long."""
        if os.getpid() != self.parent:  # forked since: not our child
            return
        end = time.monotonic() + LONGEST
        with suppress(ChildProcessError):  # somebody else has waited for it
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(STEP)


def compile_ahead(call: Any) -> None:
    """Begins to compile a kernel's only declared form in a child, where it is neither compiled nor cached.

    Does nothing with one thread, under `NUMBA_DISABLE_JIT=1`, and where processes do not fork safely.
    """
    if not sys.platform.startswith("linux") or getattr(call, "overloads", True) or thread_count() < 2:
        return
    cache, signature = call._cache, next(k for k in kernels() if k.call is call).signatures[0]
    if (
        not isinstance(cache, KernelCache)
        or cache.child is not None
        or not cache.is_missing(signature, call.targetctx)
    ):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, from Python 3.12 on
        try:
            pid = os.fork()
        except OSError:  # no memory or processes left
            return
    if pid == 0:
        _compile_and_end(call, signature)
    cache.child = Child(pid)


def _compile_and_end(call: Any, signature: tuple[Any, ...]) -> None:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        gc.disable()
        call.compile(signature)
        code = 0
    finally:
        os._exit(code)
