"""Claims about partial, merge and solve: the same bits for any threads, blocks bounded, order kept."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.compute import kernel
from tripos.compute.blocks import row_blocks
from tripos.compute.executor import (
    AHEAD,
    MergeTree,
    ThreadExecutor,
    executing_on,
    iterate,
    map_tasks,
    reduce_blocks,
)


@kernel("F[:, ::1], F[:, ::1]")
def gram(X, out):
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            for k in range(X.shape[1]):
                out[j, k] += X[i, j] * X[i, k]


def gram_of(block):
    out = np.zeros((block.X.shape[1],) * 2, block.X.dtype)
    gram(block.X, out)
    return out


def add(a, b):
    return a + b


def nested(a, b):
    return f"({a}{b})"


@given(st.integers(1, 40))
def test_the_merge_tree_is_balanced_and_keeps_the_order(n):
    tree = MergeTree(nested)
    for k in range(n):
        tree.add(chr(ord("A") + k))
    text = tree.result()
    assert text.replace("(", "").replace(")", "") == "".join(chr(ord("A") + k) for k in range(n))
    depth = max(text[:k].count("(") - text[:k].count(")") for k in range(len(text) + 1))
    assert depth <= math.ceil(math.log2(n)) if n > 1 else depth == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_come_out_for_any_number_of_threads(dtype):
    X = (np.random.default_rng(0).normal(size=(503, 3)) * 10.0 ** np.arange(-3, 3)[:3]).astype(dtype)
    blocks = row_blocks(X, rows=40)
    serial = reduce_blocks(gram_of, add, blocks, n_jobs=1)
    for n_jobs in (2, 4, 7):
        assert reduce_blocks(gram_of, add, blocks, n_jobs=n_jobs).tobytes() == serial.tobytes()
    np.testing.assert_allclose(serial, X.T.astype(np.float64) @ X, rtol=2e-5)


def test_blas_inside_a_block_gives_the_same_bits_too():
    X = np.random.default_rng(1).normal(size=(3000, 60))
    blocks = row_blocks(X, rows=512)
    results = {reduce_blocks(lambda b: b.X.T @ b.X, add, blocks, n_jobs).tobytes() for n_jobs in (1, 2, 3)}
    assert len(results) == 1


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60),
    st.integers(1, 9),
    st.sampled_from([1, 3]),
)
def test_integer_statistics_do_not_depend_on_the_blocks(values, rows, n_jobs):
    blocks = row_blocks(np.array(values, float)[:, None], rows=rows)
    assert reduce_blocks(lambda b: int(b.X.sum()), add, blocks, n_jobs) == sum(values)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_few_blocks_are_held_at_a_time(n_jobs):
    lock, alive, most = threading.Lock(), 0, 0

    class Counted:
        def __init__(self):
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)

        def __del__(self):
            nonlocal alive
            with lock:
                alive -= 1

    reduce_blocks(lambda _: 1, add, (Counted() for _ in range(60)), n_jobs)
    assert most <= AHEAD * n_jobs + 2


def test_data_without_a_block_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="no rows to learn from"):
        reduce_blocks(gram_of, add, row_blocks(np.empty((0, 3))))


@pytest.mark.parametrize("stage", ["read", "partial", "merge"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_failure_in_any_stage_reaches_the_caller(stage, n_jobs):
    def read():
        for k in range(20):
            if stage == "read" and k == 7:
                raise OSError("read")
            yield k

    def partial(k):
        if stage == "partial" and k == 7:
            raise OSError("partial")
        return k

    def merge(a, b):
        if stage == "merge" and b == 7:
            raise OSError("merge")
        return b

    with pytest.raises(OSError, match=stage):
        reduce_blocks(partial, merge, read(), n_jobs)


def test_iterated_steps_reach_the_root():
    """Newton's method for the mean that minimises sum (x - m)^4, from block statistics."""
    x = np.random.default_rng(2).normal(3.0, 1.0, size=(400, 1))

    def derivatives(block, m):
        d = m - block.X
        return np.array([(4 * d**3).sum(), (12 * d**2).sum()])

    def solve(statistics, m):
        step = statistics[0] / statistics[1]
        return m - step, abs(step) < 1e-12

    m = iterate(derivatives, add, solve, 0.0, row_blocks(x, rows=64), max_steps=100, n_jobs=2)
    assert ((m - x) ** 3).sum() == pytest.approx(0, abs=1e-8)


def test_steps_are_watched_and_stopped():
    seen = []

    def watch(step, state):
        seen.append((step, state))
        return step == 3

    state = iterate(
        lambda block, s: 1, add, lambda n, s: (s + n, False), 0, row_blocks(np.ones((10, 1)), rows=5),
        max_steps=10, on_step=watch,
    )  # fmt: skip
    assert (state, seen) == (6, [(1, 2), (2, 4), (3, 6)])


def test_no_more_than_max_steps_are_made():
    state = iterate(
        lambda b, s: 1, add, lambda n, s: (s + 1, False), 0, row_blocks(np.ones((3, 1))), max_steps=5
    )
    assert state == 5


def test_tasks_keep_their_order():
    assert map_tasks(lambda k: k * k, range(30), n_jobs=3) == [k * k for k in range(30)]


def test_another_executor_takes_over_inside_its_block():
    class Recording(ThreadExecutor):
        calls = 0

        def reduce(self, partial, merge, blocks):
            self.calls += 1
            return super().reduce(partial, merge, blocks)

    blocks = row_blocks(np.ones((8, 2)), rows=2)
    with executing_on(Recording(1)) as recording:
        assert reduce_blocks(lambda b: b.n_rows, add, blocks) == 8
    reduce_blocks(lambda b: b.n_rows, add, blocks)
    assert recording.calls == 1
