"""What this installation runs on, as `tripos doctor` shows it and benchmarks record it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tripos.compute import budget, threads

PACKAGES = ("tripos", "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "polars", "narwhals", "torch")


def describe(*, kernels: bool = True) -> dict[str, Any]:
    """Describe software, processors, BLAS, memory, the kernels' cache and GPUs.

    Parameters
    ----------
    kernels : bool, default=True
        Also count the compiled kernels, which imports every module that holds some.

    Returns
    -------
    dict
        Of plain numbers, strings, lists and dicts, ready for JSON.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(_versions()),
        "processor": processor(),
        "processors": os.cpu_count() or 1,
        "threads": threads.available_threads(),
        "blas": blas(),
        "memory": {"free": budget.free_memory(), "held": budget.held_memory()},
        "cache": cached(kernels=kernels),
        "gpu": gpus(),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def processor() -> str:
    """The processor as LLVM, which compiles for it, calls it; with its model name where known."""
    import llvmlite.binding as llvm

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.processor()])[0]} ({llvm.get_host_cpu_name()})"


def blas() -> list[dict[str, Any]]:
    """BLAS libraries loaded so far: name, version and threads."""
    import numpy  # noqa: F401  (loads its BLAS)
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "num_threads", "architecture")
    return [
        {key: found.get(key) for key in keys} for found in threadpool_info() if found["user_api"] == "blas"
    ]


def cached(*, kernels: bool = True) -> dict[str, Any]:
    """Place and size of the kernels' cache; how many declared forms there are and how many are compiled."""
    from tripos.compute.cache import cache_root
    from tripos.compute.warm import compiled_report

    root = cache_root()
    size = sum(path.stat().st_size for path in root.rglob("*.bin"))
    found: dict[str, Any] = {"place": str(root), "bytes": size}
    if kernels:
        report = compiled_report()
        found |= {"declared": len(report), "compiled": sum(form.cached for form in report)}
    return found


def gpus() -> dict[str, Any]:
    """GPUs of this machine and whether PyTorch is there to use them; does not import PyTorch, which takes a second."""
    names = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        names += [
            line.partition(":")[2].strip() for line in path.read_text().splitlines() if "Model:" in line
        ]
    found = {"torch": importlib.util.find_spec("torch") is not None, "devices": names}
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found["usable"] = bool(torch.cuda.is_available())
    return found
