"""Claims about free memory and time; containers' limits are tried on made-up cgroup trees."""

from __future__ import annotations

import time

import pytest

from tripos.compute import budget, cgroup
from tripos.compute.budget import TimeBudget, free_memory, parse_bytes, readable_bytes, require
from tripos.errors import BudgetError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Builds /sys/fs/cgroup and /proc/self/cgroup under a temporary folder."""

    def build(membership, **files):
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(cgroup, "ROOT", tmp_path / "fs")
        monkeypatch.setattr(cgroup, "MEMBERSHIP", tmp_path / "membership")
        cgroup._folders.cache_clear()
        cgroup.cpu_limit.cache_clear()

    yield build
    cgroup._folders.cache_clear()
    cgroup.cpu_limit.cache_clear()


def test_version_2_memory_limit_holds_with_caches_counted_as_free(tree):
    tree("0::/job\n", **{
        "job/memory.max": "1000000\n", "job/memory.current": "700000\n",
        "job/memory.stat": "anon 100\ninactive_file 200000\n",
    })  # fmt: skip
    assert cgroup.memory_left() == 500_000


def test_version_1_memory_limit_holds(tree):
    tree("4:memory:/job\n0::/\n", **{
        "memory/job/memory.limit_in_bytes": "5000\n", "memory/job/memory.usage_in_bytes": "2000\n",
        "memory/job/memory.stat": "total_inactive_file 1000\n",
    })  # fmt: skip
    assert cgroup.memory_left() == 4000


def test_the_tightest_of_the_groups_above_holds(tree):
    tree("0::/a/b\n", **{
        "a/memory.max": "1000", "a/memory.current": "900", "a/b/memory.max": "max", "a/b/memory.current": "10",
    })  # fmt: skip
    assert cgroup.memory_left() == 100


def test_a_path_that_is_the_hosts_falls_back_to_the_mount(tree):
    tree("0::/docker/abc\n", **{"memory.max": "1000", "memory.current": "1"})
    assert cgroup.memory_left() == 999


@pytest.mark.parametrize("text", ["max", str(2**63 - 4096)])
def test_no_limit_is_none(tree, text):
    tree("0::/\n", **{"memory.max": text, "memory.current": "5"})
    assert cgroup.memory_left() is None


@pytest.mark.parametrize(
    ("text", "processors"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", None)]
)
def test_version_2_processor_quota_rounds_up(tree, text, processors):
    tree("0::/\n", **{"cpu.max": text})
    assert cgroup.cpu_limit() == processors


@pytest.mark.parametrize(("quota", "processors"), [("400000", 4), ("-1", None)])
def test_version_1_processor_quota(tree, quota, processors):
    tree("5:cpu,cpuacct:/\n", **{"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000"})
    assert cgroup.cpu_limit() == processors


def test_the_users_limit_counts_what_is_held_already(monkeypatch):
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "900MiB")
    monkeypatch.setattr(budget, "held_memory", lambda: 100 << 20)
    assert free_memory() == 800 << 20


def test_what_does_not_fit_is_refused_with_its_number_and_what_fits(monkeypatch):
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "1GiB")
    with pytest.raises(
        BudgetError, match=r"the distance matrix needs 3\.0 GiB, but .* is free\. Instead: linkage"
    ):
        require(3 << 30, what="the distance matrix", instead="linkage='ward'")


def test_what_fits_passes():
    assert require(1000, what="a vector") is None


def test_free_memory_shrinks_when_memory_is_taken():
    if not budget.held_memory():
        pytest.skip("no /proc on this system")
    before = budget.held_memory()
    block = bytearray(b"x" * (64 << 20))
    assert budget.held_memory() - before > 50 << 20
    del block


@pytest.mark.parametrize(
    ("text", "value"),
    [("4GB", 4 * 10**9), ("1.5 GiB", 3 << 29), ("512m", 512 << 20), ("2e3", 2000), ("7b", 7)],
)
def test_amounts_of_memory_are_read(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "many", "4 GX", "1.2.3GB", "-4GB"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="not an amount of memory"):
        parse_bytes(text, name="TRIPOS_MEMORY_LIMIT")


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_bytes_are_written_in_a_readable_unit(n, text):
    assert readable_bytes(n) == text


def test_time_is_over_when_it_is_spent():
    budget = TimeBudget(0.01)
    assert not budget.over
    time.sleep(0.02)
    assert budget.over
    assert budget.left == 0


def test_no_limit_is_never_over():
    assert not TimeBudget(None).over
    assert not TimeBudget(None).part(0.5).over


def test_a_part_of_a_budget_ends_before_it():
    whole = TimeBudget(100)
    assert 0 < whole.part(0.25).seconds <= 25


def test_a_negative_time_is_refused():
    with pytest.raises(ValueError, match="from 0 on"):
        TimeBudget(-1)
