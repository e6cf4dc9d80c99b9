"""How many threads BLAS may use, for as long as a block of code runs.

In most builds that number belongs to the process, so overlapping limits of several threads have to be kept
together here: the least holds, and the last to leave restores. Where BLAS stands on OpenMP the number belongs to
each thread, and is set and restored there.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BRINGING_BLAS = ("numpy", "scipy.linalg", "torch", "onedal")


@contextmanager
def blas_threads(limit: int) -> Iterator[None]:
    """Limit the threads of BLAS while the block runs.

    Parameters
    ----------
    limit : int
        Where blocks overlap, nested or in other threads, the least of their limits holds.
    """
    before = _limits.enter(limit)
    try:
        yield
    finally:
        _limits.leave(limit, before)


class _Limits:
    """The limits now in force."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.active: list[tuple[int, int]] = []  # (limit, thread that asked for it)
        self.original: list[tuple[Any, int]] = []  # libraries with one number per process, and that number
        self.shared: list[Any] = []
        self.per_thread: list[Any] = []
        self.seen: tuple[bool, ...] = ()

    def enter(self, limit: int) -> list[tuple[Any, int]]:
        """Put a limit in force; returns what this thread alone has to restore."""
        with self.lock:
            if not self.active:
                self._find()
                self.original = [(library, library.get_num_threads()) for library in self.shared]
            before = self._least()
            self.active.append((limit, threading.get_ident()))
            self._apply(before)
            own = [(library, library.get_num_threads()) for library in self.per_thread]
        for library, count in own:
            library.set_num_threads(min(limit, count))
        return own

    def leave(self, limit: int, own: list[tuple[Any, int]]) -> None:
        for library, count in own:
            library.set_num_threads(count)
        with self.lock:
            before = self._least()
            self.active.remove((limit, threading.get_ident()))
            self._apply(before)

    def keep_own(self) -> None:
        """In a forked child: forget the limits of threads that do not exist there."""
        before = self._least()
        self.active = [entry for entry in self.active if entry[1] == threading.get_ident()]
        self._apply(before)
        self.lock.release()

    def _least(self) -> float:
        return min(self.active)[0] if self.active else math.inf

    def _apply(self, before: float) -> None:
        limit = self._least()
        if limit != before:
            for library, count in self.original:
                _set(library, int(min(limit, count)))

    def _find(self) -> None:
        """Look for BLAS libraries; again only after another package has brought one."""
        loaded = tuple(name in sys.modules for name in BRINGING_BLAS)
        if loaded != self.seen:
            from threadpoolctl import ThreadpoolController

            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self.per_thread = [library for library in found if _is_per_thread(library)]
            self.shared = [library for library in found if not _is_per_thread(library)]
            self.seen = loaded


def _is_per_thread(library: Any) -> bool:
    return library.internal_api == "openblas" and getattr(library, "threading_layer", None) == "openmp"


def _set(library: Any, count: int) -> None:
    """Set a number of threads from whichever thread comes.

    threadpoolctl lets only the first thread that set OpenBLAS's number change it, and ignores the others in
    silence; here the one that enters first and the one that leaves last are often different ones.
    """
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(count)
    if release is not None:
        release(force=True)


_limits = _Limits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_limits.lock.acquire, after_in_parent=_limits.lock.release, after_in_child=_limits.keep_own
    )
