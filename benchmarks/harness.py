"""How a row of the benchmark table is made.

A case runs in a process of its own. Every contestant is warmed up once; then contestants run in turn,
A B C A B C ..., until each has its runs and the spread of the ratio is known. The answers are compared before any
time is kept. Peers run at the thread count at which they are fastest. Peak memory and cold start are measured
in fresh processes, one per contestant. Nothing else may be running: a busy core slows threaded peers
twenty-fold, which would be a false win, so the load is checked first.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
OURS = "tripos"
_BUSY = 0.12  # share of all cores that others may use before we refuse to measure
_LONG = 10.0  # seconds of a run that need no second try
_IDLE = 1.0  # seconds after which the host of a virtual machine may have taken free memory back
_ROOM = 1 << 29  # bytes asked for again


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes
    ----------
    name, title : str
    data : callable
        Returns the data all contestants get.
    contestants : dict of str to callable
        Name -> function of the data that does the work and returns its result; `tripos` is ours.
    quality : callable, optional
        (data, result) -> dict of named figures, reported for each contestant.
    agree : callable, optional
        (data, results by name) -> None; raises AssertionError when answers differ.
    calls : int
        Calls per timed run, for work of microseconds.
    goals : dict of str to float
        Peer -> the ratio asked for.
    prepare : dict of str to callable
        Name -> function of the data run before timing (a fitted model for predict cases); its return value replaces the data.
    memory, cold : bool
        Whether peak memory and cold start are measured as well.
    """

    name: str
    title: str
    data: Callable[[], Any]
    contestants: dict[str, Callable[[Any], Any]]
    quality: Callable[[Any, Any], dict[str, float]] | None = None
    agree: Callable[[Any, dict[str, Any]], None] | None = None
    calls: int = 1
    goals: dict[str, float] = field(default_factory=dict)
    prepare: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    memory: bool = True
    cold: bool = False
    runs: int = 7


def busy_share(seconds: float = 1.0) -> float:
    """Share of all cores that was busy during the last `seconds`, from 0 to 1."""

    def read() -> tuple[int, int]:
        fields = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    if not Path("/proc/stat").exists():
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1.0 - (idle_after - idle) / max(1, total_after - total)


def wait_for_quiet(patience: float = 60.0) -> None:
    """Waits until the machine is idle; raises after `patience` seconds of somebody else's work."""
    end = time.monotonic() + patience
    while (share := busy_share()) > _BUSY:
        if time.monotonic() > end:
            raise SystemExit(
                f"{share:.0%} of the cores are busy with something else: times measured now would flatter us. "
                "Stop it, or pass --busy to measure all the same."
            )


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    from importlib.metadata import PackageNotFoundError, version

    import numba
    import numpy
    import sklearn

    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        names = [
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0].split(":", 1)[1].strip() if names else model
    versions = {"numpy": numpy.__version__, "numba": numba.__version__, "scikit-learn": sklearn.__version__}
    for package in ("scikit-learn-intelex", "polars", "pandas"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def _ask_for_memory() -> None:
    """Touches memory and lets it go. A host that had taken it back hands it out again at 3 ms a MB (200 MB: 0.6 s,
    against 0.04 s where it was just let go), which is neither contestant's time."""
    import numpy

    numpy.empty(_ROOM, numpy.uint8)[::4096] = 1


def _timed(function: Callable[[Any], Any], data: Any, calls: int) -> tuple[float, Any]:
    gc.collect()
    begin = time.perf_counter()
    for _ in range(calls):
        result = function(data)
    return (time.perf_counter() - begin) / calls, result


def _fastest_threads(function: Callable[[Any], Any], data: Any, calls: int) -> tuple[int | None, float]:
    """The thread count (None: the library's own choice) at which a peer is fastest, and its seconds.

    Two runs of each, one where a run is long enough to be its own warm-up.
    """
    from threadpoolctl import threadpool_limits

    times: dict[int | None, float] = {}
    for threads in (None, 1):
        with threadpool_limits(threads):
            times[threads] = _timed(function, data, calls)[0]
            if times[threads] < _LONG:
                times[threads] = min(times[threads], _timed(function, data, calls)[0])
    best = min(times, key=lambda threads: times[threads])
    return best, times[best]


def measure(case: Case) -> dict[str, Any]:
    """Times every contestant in this process; returns the row without memory and cold start."""
    from threadpoolctl import threadpool_limits

    data = case.data()
    inputs = {name: case.prepare[name](data) if name in case.prepare else data for name in case.contestants}
    results = {name: run(inputs[name]) for name, run in case.contestants.items()}
    if case.agree is not None:
        case.agree(data, results)
    quality = {name: case.quality(data, result) for name, result in results.items()} if case.quality else {}
    del results
    tries = {
        name: (None, 0.0) if name == OURS else _fastest_threads(run, inputs[name], case.calls)
        for name, run in case.contestants.items()
    }
    threads = {name: count for name, (count, _) in tries.items()}
    idle = max(seconds for _, seconds in tries.values()) * case.calls > _IDLE
    times: dict[str, list[float]] = {name: [] for name in case.contestants}
    begin = time.monotonic()
    for turn in range(case.runs):
        for name, run in case.contestants.items():
            if idle:
                _ask_for_memory()
            with threadpool_limits(threads[name]):
                times[name].append(_timed(run, inputs[name], case.calls)[0])
        if turn >= 2 and time.monotonic() - begin > 120:
            break
    ours = times[OURS]
    return {
        "case": case.name,
        "title": case.title,
        "seconds": {name: statistics.median(values) for name, values in times.items()},
        "fastest": {name: min(values) for name, values in times.items()},
        "ratio": {
            name: statistics.median(values) / statistics.median(ours)
            for name, values in times.items()
            if name != OURS
        },
        "ratio_spread": {
            name: [min(b / a for a, b in zip(ours, values)), max(b / a for a, b in zip(ours, values))]
            for name, values in times.items()
            if name != OURS
        },
        "threads": {name: count or "all" for name, count in threads.items()},
        "quality": quality,
        "goals": case.goals,
    }


def peak_memory(case: Case, contestant: str) -> float:
    """Peak resident MiB that one call of the contestant adds to the process that holds the data.

    The second call is measured: the first also brings in libraries and compiled code, which are not the fit's.
    """
    import ctypes
    import resource

    data = case.data()
    if contestant in case.prepare:
        data = case.prepare[contestant](data)
    run = case.contestants[contestant]
    run(data)
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5") if Path("/proc/self/clear_refs").exists() else None
    before = _resident()
    run(data)
    peak = _peak_resident() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return max(0.0, peak - before)


def _status_field(name: str) -> float:
    path = Path("/proc/self/status")
    if not path.exists():
        return 0.0
    lines = [line for line in path.read_text().splitlines() if line.startswith(name)]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _resident() -> float:
    return _status_field("VmRSS:")


def _peak_resident() -> float:
    return _status_field("VmHWM:")


def cold_start(case: Case, contestant: str) -> float:
    """Seconds of the first call in this fresh process, imports included, data apart."""
    data = case.data()
    begin = time.perf_counter()
    if contestant in case.prepare:
        data = case.prepare[contestant](data)
    case.contestants[contestant](data)
    return time.perf_counter() - begin


def in_fresh_process(what: str, case: str, contestant: str = "", **environment: str) -> Any:
    """Runs `what` of a case in a new interpreter and returns its JSON."""
    command = [sys.executable, "-m", "benchmarks.worker", what, case, contestant]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(f"{what} of {case} {contestant} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(case: Case) -> dict[str, Any]:
    """The whole row of a case: times, ratios, memory, cold and cached first call."""
    result = in_fresh_process("measure", case.name)
    if case.memory:
        result["peak_mib"] = {name: in_fresh_process("memory", case.name, name) for name in case.contestants}
    if case.cold:
        with tempfile.TemporaryDirectory() as empty:
            result["cold_seconds"] = in_fresh_process("cold", case.name, OURS, TRIPOS_CACHE_DIR=empty)
            result["cached_seconds"] = in_fresh_process("cold", case.name, OURS, TRIPOS_CACHE_DIR=empty)
        peers = [name for name in case.contestants if name != OURS]
        result["peer_first_seconds"] = {name: in_fresh_process("cold", case.name, name) for name in peers}
    return result


def save(row: dict[str, Any]) -> Path:
    """Writes the row with the machine's description to `benchmarks/results/<case>.json`."""
    from tripos.workflow.store import write_json

    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{row['case']}.json"
    write_json(path, {**row, "machine": machine()})
    return path


def saved_rows(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows measured last, in the order of `names` or of the alphabet."""
    paths = [RESULTS / f"{name}.json" for name in names] if names else sorted(RESULTS.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
