"""Claims about the shared threads: counts, order, exceptions, nesting, fork, joblib, Ctrl-C, BLAS."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from tripos.compute import cgroup
from tripos.compute.threads import blas_threads, parallel, thread_count


@pytest.fixture
def processors(monkeypatch):
    """Pretend to run on a machine with so many processors."""

    def pretend(count, quota=None):
        monkeypatch.delenv("TRIPOS_NUM_THREADS", raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)
        monkeypatch.setattr(cgroup, "cpu_limit", lambda: quota)

    return pretend


# --- how many --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_jobs", "threads"), [(None, 8), (-1, 8), (-2, 7), (-20, 1), (1, 1), (3, 3), (12, 12)]
)
def test_n_jobs_counts_as_in_scikit_learn(processors, n_jobs, threads):
    processors(8)
    assert thread_count(n_jobs) == threads


def test_the_containers_quota_limits_the_threads(processors):
    processors(64, quota=3)
    assert thread_count() == 3


def test_the_environment_decides_over_the_machine(processors, monkeypatch):
    processors(8)
    monkeypatch.setenv("TRIPOS_NUM_THREADS", "5")
    assert [thread_count(n) for n in (None, -1, -2, 2)] == [5, 5, 4, 2]


@pytest.mark.parametrize("value", ["0", "-3", "many", "2.5"])
def test_a_wrong_environment_is_named(monkeypatch, value):
    monkeypatch.setenv("TRIPOS_NUM_THREADS", value)
    with pytest.raises(ValueError, match="TRIPOS_NUM_THREADS"):
        thread_count()


def test_zero_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs=0"):
        thread_count(0)


# --- results ---------------------------------------------------------------------------------------------


@given(st.lists(st.integers(), max_size=40), st.sampled_from([1, 2, 3, 8]))
def test_results_come_in_the_order_of_the_pieces(pieces, n_jobs):
    assert parallel(lambda x: x + 1, pieces, n_jobs) == [x + 1 for x in pieces]


def test_no_more_threads_work_than_were_asked_for():
    parallel(time.sleep, [0.001] * 8, 8)  # the pool has seven helpers from now on
    lock, now, most = threading.Lock(), 0, 0

    def piece(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1

    parallel(piece, range(12), 3)
    assert most == 3


def test_pieces_inside_a_piece_run_inline():
    def outer(_):
        return {threading.get_ident(), *parallel(lambda _: threading.get_ident(), range(4), 4)}

    assert [len(idents) for idents in parallel(outer, range(6), 3)] == [1] * 6


def test_many_threads_may_call_at_once():
    with ThreadPoolExecutor(8) as callers:
        totals = list(callers.map(lambda k: sum(parallel(lambda i: i * k, range(50), 4)), range(40)))
    assert totals == [1225 * k for k in range(40)]


def test_numpys_error_state_holds_in_the_pieces():
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        parallel(lambda x: np.float64(1) / x, [np.float64(1), np.float64(0)], 2)


# --- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_the_first_failing_piece_is_reported_with_its_traceback(n_jobs):
    def fragile(k):
        if k >= 5:
            raise KeyError(k)
        return k

    with pytest.raises(KeyError) as caught:
        parallel(fragile, range(30), n_jobs)
    assert caught.value.args == (5,)
    assert "fragile" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_after_a_failure_no_piece_goes_on_behind_the_callers_back():
    running = []

    def piece(k):
        running.append(k)
        time.sleep(0.02)
        if k == 0:
            raise ValueError
        running.remove(k)

    with pytest.raises(ValueError):
        parallel(piece, range(50), 3)
    begun = list(running)
    time.sleep(0.06)
    assert running == begun == [0]


def test_the_pool_works_after_a_failure():
    with pytest.raises(ZeroDivisionError):
        parallel(lambda k: 1 // k, range(8), 4)
    assert parallel(abs, [-1, -2], 2) == [1, 2]


def test_ctrl_c_returns_without_waiting_for_the_other_pieces():
    code = """
import threading, time
from tripos.compute.threads import parallel
def piece(k):
    if threading.current_thread() is threading.main_thread():
        print("begun", flush=True)
        for _ in range(600):
            time.sleep(0.05)
    else:
        time.sleep(30)
try:
    parallel(piece, range(100), 3)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "interrupted\n"


def test_a_program_ends_while_helpers_are_idle():
    code = "from tripos.compute.threads import parallel; print(parallel(abs, [1, 2, 3], 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1, 2, 3]\n", "")


# --- fork and joblib -------------------------------------------------------------------------------------


def _total_in_child(k):
    return sum(parallel(lambda i: i * k, range(100), 4))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_compute():
    parallel(abs, range(8), 4)  # threads exist in the parent, and do not in the child
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(_total_in_child, [1, 2, 3]).get(timeout=60) == [4950, 9900, 14850]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_all_threads_work_computes():
    def fork(_):
        time.sleep(0.01)
        child = os.fork()
        if child == 0:
            os._exit(0 if _total_in_child(1) == 4950 else 1)
        return os.waitpid(child, 0)[1]

    assert parallel(fork, range(6), 3) == [0] * 6


def _threads_here(_):
    return thread_count(), thread_count(-1), sum(parallel(abs, range(10), -1))


def test_joblibs_processes_use_the_share_joblib_gives_them(monkeypatch):
    from joblib import Parallel, delayed, parallel_config

    monkeypatch.setenv("TRIPOS_NUM_THREADS", "64")
    with parallel_config(backend="loky", inner_max_num_threads=2):
        found = Parallel(n_jobs=2)(delayed(_threads_here)(k) for k in range(3))
    assert found == [(2, 2, 45)] * 3


def test_joblibs_threads_compute_inline(processors):
    from joblib import Parallel, delayed

    processors(8)
    found = Parallel(n_jobs=2, backend="threading")(delayed(_threads_here)(k) for k in range(4))
    assert found == [(1, 1, 45)] * 4


def test_joblib_that_runs_serially_leaves_all_threads(processors):
    from joblib import Parallel, delayed

    processors(8)
    assert Parallel(n_jobs=1)(delayed(_threads_here)(k) for k in range(2)) == [(8, 8, 45)] * 2


# --- BLAS ------------------------------------------------------------------------------------------------


def blas_now():
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    import scipy.linalg  # noqa: F401  (brings a BLAS of its own)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(2, user_api="blas"):
        if blas_now() != {2}:
            pytest.skip("this BLAS cannot be given two threads")
        yield


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_is_limited_inside_and_restored_outside():
    with blas_threads(1):
        assert blas_now() == {1}
    assert blas_now() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_the_least_of_nested_limits_holds():
    with blas_threads(1):
        with blas_threads(2):
            assert blas_now() == {1}
        assert blas_now() == {1}
    assert blas_now() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_overlapping_limits_restore_what_was_there_first():
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with blas_threads(1):
            entered.set()
            leave.wait()

    holder = threading.Thread(target=hold)
    with blas_threads(1):
        holder.start()
        entered.wait()
    assert blas_now() == {1}
    leave.set()
    holder.join()
    assert blas_now() == {2}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pieces_find_one_blas_thread_however_many_threads_work(n_jobs):
    assert parallel(lambda _: blas_now(), range(3), n_jobs) == [{1}] * 3
    assert blas_now() == {2}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_inside_another_threads_limit_is_not_bound_by_it():
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with blas_threads(1):
            entered.set()
            leave.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if blas_now() == {2} else 1)
    leave.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0


def test_the_pool_is_started_only_when_used():
    code = "import threading, tripos.compute.threads as t; t.parallel(abs, [1]); assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
