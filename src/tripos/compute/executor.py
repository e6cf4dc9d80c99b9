"""Partial, merge, solve: one pattern for an array on threads, for a file larger than memory, and for a cluster.

    partial(block, state) -> statistics        a kernel over some rows
    merge(a, b) -> statistics                  associative up to rounding
    solve(statistics, state) -> state, done    the next parameters

Floating-point addition is not associative, so the tree in which statistics are merged is fixed by the number of
blocks alone: the same bits come out for any number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial as bind
from typing import Any, Protocol, TypeVar

from tripos.compute.blocks import Block
from tripos.compute.threads import Crew, Task, blas_threads, parallel, thread_count, working

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")
Statistics = TypeVar("Statistics")

AHEAD = 2  # blocks per thread that are read and not yet merged: what bounds the memory of a stream


class Executor(Protocol):
    """Where work runs. `ThreadExecutor` is the one for this machine; a cluster implements the same two methods."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Results of independent work, in order."""

    def reduce(
        self,
        partial: Callable[[Block], Statistics],
        merge: Callable[[Statistics, Statistics], Statistics],
        blocks: Iterable[Block],
    ) -> Statistics:
        """Statistics of all blocks, merged in the order of `MergeTree`."""


class MergeTree:
    """Merges a sequence as a balanced binary tree, holding one result per level.

    Like adding one to a binary number: two results of 2^k blocks make one of 2^(k+1). What remains at the end is
    merged from the right. Balanced sums also lose fewer digits: the error grows with log n instead of n
    (Higham, The accuracy of floating point summation, 1993, doi:10.1137/0914050).

    Examples
    --------
    >>> tree = MergeTree(lambda a, b: f"({a}{b})")
    >>> for letter in "abcde":
    ...     tree.add(letter)
    >>> tree.result()
    '(((ab)(cd))e)'
    """

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._merge = merge
        self._levels: list[tuple[int, Any]] = []

    def add(self, statistics: Any) -> None:
        """Take the next block's statistics."""
        level = 0
        while self._levels and self._levels[-1][0] == level:
            statistics = self._merge(self._levels.pop()[1], statistics)
            level += 1
        self._levels.append((level, statistics))

    def result(self) -> Any:
        """Statistics of everything added."""
        if not self._levels:
            raise ValueError("There are no rows to learn from: the data has no block.")
        total = self._levels.pop()[1]
        while self._levels:
            total = self._merge(self._levels.pop()[1], total)
        return total


class ThreadExecutor:
    """Runs work on this process's shared threads.

    Parameters
    ----------
    n_jobs : int or None
        As in `tripos.compute.threads.thread_count`.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply a function to independent items; results in order."""
        return parallel(function, items, self.n_jobs)

    def reduce(
        self,
        partial: Callable[[Block], Statistics],
        merge: Callable[[Statistics, Statistics], Statistics],
        blocks: Iterable[Block],
    ) -> Statistics:
        """Statistics of all blocks; at most `AHEAD` blocks per thread are held at a time."""
        if (
            getattr(blocks, "n_blocks", None) == 1
        ):  # threads would take 0.1 ms, longer than many a small table
            with blas_threads(1), working():
                return partial(next(iter(blocks)))
        tree = MergeTree(merge)
        with blas_threads(1):  # one thread or eight, the sums inside a block are the same
            _stream(partial, blocks, thread_count(self.n_jobs), tree.add)
        return tree.result()  # type: ignore[no-any-return]


def _stream(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, take: Callable[[Result], None]
) -> None:
    """Hand over the results in order, with a window of items in flight; the caller works when it would wait."""
    ahead = AHEAD * threads if threads > 1 else 1
    window: deque[Task[Result]] = deque()
    with Crew(threads) as crew:
        for item in items:
            window.append(crew.submit(bind(function, item)))
            if len(window) >= ahead:
                take(crew.finish(window.popleft()))
        while window:
            take(crew.finish(window.popleft()))


_current: ContextVar[Executor | None] = ContextVar("tripos_executor", default=None)


@contextmanager
def executing_on(executor: Executor) -> Iterator[Executor]:
    """Run every reduction and map of the block on an executor, a cluster's for example, whatever their n_jobs."""
    token = _current.set(executor)
    try:
        yield executor
    finally:
        _current.reset(token)


def executor_for(n_jobs: int | None = None) -> Executor:
    """The executor in force: the one of `executing_on`, else this machine's threads."""
    return _current.get() or ThreadExecutor(n_jobs)


def reduce_blocks(
    partial: Callable[[Block], Statistics],
    merge: Callable[[Statistics, Statistics], Statistics],
    blocks: Iterable[Block],
    n_jobs: int | None = None,
) -> Statistics:
    """Statistics of every block, merged in a fixed order.

    Parameters
    ----------
    partial : callable
        Statistics of one block.
    merge : callable
        Joins the statistics of earlier rows (first) and later rows (second); it may add into the first.
    blocks : Blocks or iterable of Block
    n_jobs : int or None

    Returns
    -------
    statistics
        The same bits for any `n_jobs`.

    Raises
    ------
    ValueError
        If there is no block.
    """
    return executor_for(n_jobs).reduce(partial, merge, blocks)


def iterate(
    partial: Callable[[Block, State], Statistics],
    merge: Callable[[Statistics, Statistics], Statistics],
    solve: Callable[[Statistics, State], tuple[State, bool]],
    state: State,
    blocks: Iterable[Block],
    *,
    max_steps: int,
    n_jobs: int | None = None,
    on_step: Callable[[int, State], bool | None] | None = None,
) -> State:
    """Repeat a pass over all blocks and a step from its statistics.

    Parameters
    ----------
    partial, merge, solve : callable
        As in the module's head; `partial` gets the state of the step.
    state : object
        Where to start.
    blocks : Blocks
        Read once per step.
    max_steps : int
        Passes at most.
    n_jobs : int or None
    on_step : callable, optional
        Called after each step with its number (from 1) and the new state; True stops.

    Returns
    -------
    state
        The last one.
    """
    for step in range(1, max_steps + 1):
        statistics = reduce_blocks(bind(_with_state, partial, state), merge, blocks, n_jobs)
        state, done = solve(statistics, state)
        stop = on_step is not None and on_step(step, state)
        if done or stop:
            break
    return state


def _with_state(partial: Callable[[Block, State], Statistics], state: State, block: Block) -> Statistics:
    return partial(block, state)


def map_tasks(
    function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None
) -> list[Result]:
    """Independent work (folds, trees, trials) on the executor in force; results in order."""
    return executor_for(n_jobs).map(function, items)
