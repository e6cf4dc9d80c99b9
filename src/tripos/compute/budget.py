"""Memory and time: how much is free, whether a method fits, how much of its time a run has spent."""

from __future__ import annotations

import math
import os
import re
import time
from pathlib import Path

from tripos.compute import cgroup
from tripos.errors import BudgetError

SMALL = 1 << 20  # bytes that nobody has to ask for, unless the user set a limit
UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    UNITS |= {_letter: 1024**_power, f"{_letter}ib": 1024**_power, f"{_letter}b": 1000**_power}


def free_memory() -> int:
    """Bytes that this process can still take.

    The least of what the machine has available, what the process's cgroups (v1 or v2) leave, its address-space
    limit, and `TRIPOS_MEMORY_LIMIT` (as in ``4GB`` or ``512MiB``) less what the process already holds.
    """
    limits = [_available(), cgroup.memory_left(), _address_space_left()]
    if chosen := os.environ.get("TRIPOS_MEMORY_LIMIT"):
        limits.append(max(parse_bytes(chosen, name="TRIPOS_MEMORY_LIMIT") - held_memory(), 0))
    return min(limit for limit in limits if limit is not None)


def held_memory() -> int:
    """Bytes of this process now in memory (its resident set)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def require(n_bytes: float, *, what: str, instead: str | None = None) -> None:
    """Refuse work that does not fit into the free memory, before anything is allocated.

    Parameters
    ----------
    n_bytes : float
        Bytes that the work will take at its peak.
    what : str
        What takes them, as in "the 20000 x 20000 distance matrix of AgglomerativeClustering".
    instead : str, optional
        What fits: another parameter value or estimator.

    Raises
    ------
    BudgetError
        If more is needed than is free.
    """
    if n_bytes < SMALL and not os.environ.get("TRIPOS_MEMORY_LIMIT"):
        return  # asking the system takes some 0.2 ms, more than the work itself may take
    free = free_memory()
    if n_bytes > free:
        advice = f" Instead: {instead}" if instead else ""
        raise BudgetError(
            f"{what} needs {readable_bytes(n_bytes)}, but {readable_bytes(free)} of memory is free.{advice}"
        )


def readable_bytes(n_bytes: float) -> str:
    """Bytes in the unit a person would choose.

    >>> readable_bytes(3.2 * 1024**3), readable_bytes(700)
    ('3.2 GiB', '700 bytes')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if n_bytes >= 1024**power:
            return f"{n_bytes / 1024**power:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def parse_bytes(text: str, *, name: str = "memory") -> int:
    """Read an amount of memory such as ``4GB``, ``1.5 GiB`` or ``200000``."""
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in UNITS:
        raise ValueError(f"{name}={text!r} is not an amount of memory; write for example 4GB or 512MiB.")
    try:
        return int(float(match[1]) * UNITS[match[2]])
    except ValueError:
        raise ValueError(f"{name}={text!r} is not an amount of memory; write for example 4GB.") from None


class TimeBudget:
    """Seconds given to a piece of work, counted from its creation.

    Parameters
    ----------
    seconds : float or None
        None means no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"A time budget is a number of seconds from 0 on, or None; got {seconds}.")
        self.seconds = math.inf if seconds is None else float(seconds)
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds that remain, at least 0."""
        return max(self.seconds - self.spent, 0.0)

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return self.spent >= self.seconds

    def part(self, fraction: float) -> TimeBudget:
        """A budget of its own, of a fraction of what is left here."""
        return TimeBudget(None if math.isinf(self.seconds) else self.left * fraction)

    def __repr__(self) -> str:
        return f"TimeBudget({self.seconds:g} s, {self.spent:.1f} s spent)"


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:  # no /proc (macOS): the whole memory is the best that is known without more dependencies
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 1 << 62


def _address_space_left() -> int | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        return max(limit - used, 0)
    except (ImportError, OSError, ValueError):
        return None
