"""Limits that a container puts on this process: memory and processor time, under cgroup v1 and v2."""

from __future__ import annotations

import functools
import math
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60  # v1 writes "no limit" as a number near 2^63


@functools.cache
def cpu_limit() -> int | None:
    """Processors' worth of time this process may use, rounded up; None when unlimited."""
    limits = []
    for folder in _folders("cpu"):
        quota, period = _words(folder / "cpu.max", 2) or (
            *(_words(folder / "cpu.cfs_quota_us", 1) or ["max"]),
            *(_words(folder / "cpu.cfs_period_us", 1) or ["100000"]),
        )
        if quota.isdigit() and period.isdigit() and int(period) > 0 and int(quota) > 0:
            limits.append(math.ceil(int(quota) / int(period)))
    return min(limits, default=None)


def memory_left() -> int | None:
    """Bytes this process's groups may still take, caches that the kernel gives back counted as free."""
    left = []
    for folder in _folders("memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if limit is not None and used is not None and limit < UNLIMITED:
            left.append(max(limit - used + _reclaimable(folder), 0))
    return min(left, default=None)


def _reclaimable(folder: Path) -> int:
    try:
        lines = (folder / "memory.stat").read_text().split("\n")
    except OSError:
        return 0
    stats = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(stats.get("total_inactive_file", stats.get("inactive_file", 0)))


@functools.cache
def _folders(controller: str) -> tuple[Path, ...]:
    """This process's group and the ones above it: each may set a limit of its own.

    In a container the path of /proc/self/cgroup may be the host's, which is not mounted here; then the mount's
    root is the container's group, and it is always looked at.
    """
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            roots = [ROOT, ROOT / "unified"]
        elif controller in controllers.split(","):
            roots = [ROOT / controllers, ROOT / controller]
        else:
            continue
        group = Path(path.lstrip("/"))
        found += [root / part for root in roots for part in (group, *group.parents)]
    return tuple(folder for folder in dict.fromkeys(found) if folder.is_dir())


def _words(path: Path, count: int) -> list[str] | None:
    try:
        words = path.read_text().split()
    except OSError:
        return None
    return words if len(words) == count else None


def _number(path: Path) -> int | None:
    words = _words(path, 1)
    return int(words[0]) if words and words[0].isdigit() else None
