"""One shared pool of threads for kernels that hold no GIL.

A call works its pieces off with at most `n_jobs` threads, and the calling thread is one of them: it never waits
for a piece nobody has begun, so calls may come from many threads at once and from inside one another without a
deadlock. Pieces that a piece spawns run inline. A forked child starts with a fresh pool.

Numba's own `prange` is not used: its forked children die, concurrent calls abort, and beside a busy process its
spinning barrier made a histogram five times slower than serial.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from tripos.compute import cgroup
from tripos.compute.blas import blas_threads as blas_threads

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_inside = threading.local()  # .working is True in a thread that works off a piece


# --- how many threads --------------------------------------------------------------------------------------


def available_threads() -> int:
    """Threads a call uses when it is not told otherwise.

    `TRIPOS_NUM_THREADS` if set, else the processors this process may run on (affinity) within the cgroup's quota;
    in a worker of joblib no more than joblib leaves to it.
    """
    if chosen := os.environ.get("TRIPOS_NUM_THREADS"):
        if not chosen.strip().isdigit() or int(chosen) < 1:
            raise ValueError(f"TRIPOS_NUM_THREADS must be an integer from 1 on, got {chosen!r}.")
        count = int(chosen)
    else:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        count = min(count, cgroup.cpu_limit() or count)
    return max(1, min(count, _joblib_limit() or count))


def thread_count(n_jobs: int | None = None) -> int:
    """Number of threads for a call, with `n_jobs` counted as in scikit-learn.

    Parameters
    ----------
    n_jobs : int or None
        None: all that are available here. -1 the same, -2 all but one, and so on. A positive number is taken as
        it is. Inside a piece of a running call the answer is 1: nested work runs inline.
    """
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning; give a number of threads, or -1 for all.")
    if getattr(_inside, "working", False):
        return 1
    if n_jobs is None:
        return available_threads()
    return int(n_jobs) if n_jobs > 0 else max(1, available_threads() + 1 + int(n_jobs))


def _joblib_limit() -> int | None:
    """What joblib leaves to this worker; None outside its workers."""
    if "joblib" not in sys.modules:
        return None
    from joblib.parallel import get_active_backend  # type: ignore[import-untyped]

    backend, _ = get_active_backend()
    if not backend.nesting_level:
        return None
    if threading.current_thread() is not threading.main_thread():
        return 1  # one of joblib's threads: the others have the remaining processors
    limit = os.environ.get("OMP_NUM_THREADS", "")  # what its process workers are given as their share
    return int(limit) if limit.isdigit() and int(limit) > 0 else 1


# --- the pool ----------------------------------------------------------------------------------------------


class _Pool:
    """Daemon threads that run what is put on a queue; grown on demand, never shrunk."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.lock = threading.Lock()
        self.size = 0

    def grow(self, size: int) -> None:
        with self.lock:
            for number in range(self.size, size):
                threading.Thread(target=self._work, name=f"tripos-{number}", daemon=True).start()
            self.size = max(self.size, size)

    def _work(self) -> None:
        _inside.working = True
        while True:
            self.queue.get()()


_pool = _Pool()


class Task(Generic[Result]):
    """One piece of work and, once done, its result or its exception."""

    __slots__ = ("_call", "_context", "done", "error", "result")

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._context = contextvars.copy_context()  # np.errstate and the like hold in the pieces too
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.result: Result

    def run(self) -> None:
        try:
            self.result = self._context.run(self._call)
        except BaseException as error:
            self.error = error
        self.done.set()


class Crew:
    """At most `threads` threads, the caller among them, that work off the tasks of one call in their order.

    Used as a context: whatever ends the block, tasks not begun are dropped and those begun have ended, except
    after Ctrl-C, which does not wait.
    """

    def __init__(self, threads: int) -> None:
        self.helpers = threads - 1
        self._waiting: deque[Task[Any]] = deque()
        self._open: dict[int, Task[Any]] = {}
        self._lock = threading.Lock()
        self._busy = 0
        if self.helpers:
            _pool.grow(self.helpers)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        dropped = self._drop()
        if kind is None or not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            for task in self._open.values():
                if id(task) not in dropped:
                    task.done.wait()

    def submit(self, call: Callable[[], Result]) -> Task[Result]:
        """Queue a call; a free helper begins it at once."""
        task = Task(call)
        self._open[id(task)] = task
        self._waiting.append(task)
        with self._lock:
            begin = self._busy < self.helpers
            self._busy += begin
        if begin:
            _pool.queue.put(self._help)
        return task

    def finish(self, task: Task[Result]) -> Result:
        """Result of a task; the caller works too until it is there."""
        while not task.done.is_set():
            mine = self._next()
            if mine is None:
                task.done.wait()
            else:
                with working():
                    mine.run()
                if isinstance(mine.error, (KeyboardInterrupt, SystemExit)):
                    raise mine.error
        del self._open[id(task)]
        if task.error is not None:
            raise task.error
        return task.result

    def _next(self) -> Task[Any] | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _drop(self) -> set[int]:
        dropped = set()
        while (task := self._next()) is not None:
            dropped.add(id(task))
        return dropped

    def _help(self) -> None:
        while True:
            task = self._next()
            if task is not None:
                with blas_threads(1):
                    task.run()
                continue
            with self._lock:
                if not self._waiting:  # a task may have come since
                    self._busy -= 1
                    return


@contextmanager
def working() -> Iterator[None]:
    """Mark the calling thread as one that works off a piece."""
    before = getattr(_inside, "working", False)
    _inside.working = True
    try:
        yield
    finally:
        _inside.working = before


def parallel(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], n_jobs: int | None = None
) -> list[Result]:
    """Apply a function to pieces of work on the shared threads.

    Parameters
    ----------
    function : callable
        Runs mostly in kernels or BLAS, which hold no GIL. BLAS is limited to one thread inside, however many
        threads work, so that its sums are the same.
    pieces : iterable
        Worth about half a millisecond each, or more: handing a piece over costs some 20 microseconds.
    n_jobs : int or None
        As in `thread_count`.

    Returns
    -------
    list
        Results in the order of the pieces.

    Raises
    ------
    Exception
        What the first failing piece raised, with its traceback. Pieces not begun are dropped, those begun have
        ended. After Ctrl-C the call returns without waiting for them.
    """
    items = list(pieces)
    if len(items) < 2:
        return [function(item) for item in items]
    threads = min(thread_count(n_jobs), len(items))
    with blas_threads(1):
        if threads == 1:
            with working():
                return [function(item) for item in items]
        with Crew(threads) as crew:
            tasks = [crew.submit(partial(function, item)) for item in items]
            return [crew.finish(task) for task in tasks]


# --- fork --------------------------------------------------------------------------------------------------


def _start_afresh() -> None:
    global _pool
    _pool = _Pool()  # the parent's threads do not exist in the child
    _inside.working = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
