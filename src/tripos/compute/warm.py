"""Compile every kernel for the forms it is declared for, once, so that no first call has to wait."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tripos.compute import cache
from tripos.compute.kernel import Kernel, kernels

Progress = Callable[[int, int, str], None]


@dataclass
class WarmReport:
    """What `compile_all` did.

    Attributes
    ----------
    compiled, from_cache : int
        Kernel forms that were compiled, and that were found compiled.
    seconds : float
    failed : list of (kernel, signature, message)
    missing : dict of str
        Modules that could not be imported, for want of an optional package: name -> reason.
    """

    compiled: int = 0
    from_cache: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledForm:
    """One declared form of a kernel, and whether its machine code is in the cache."""

    kernel: str
    signature: str
    cached: bool


def compile_all(progress: Progress | None = None, *, package: str = "tripos") -> WarmReport:
    """Compile every registered kernel of a package, or load it from the cache.

    Parameters
    ----------
    progress : callable, optional
        Called as ``progress(done, total, kernel name)`` before each form, and once at the end.
    package : str
        Name of an importable package.

    Returns
    -------
    WarmReport
    """
    start = time.perf_counter()
    report = WarmReport(missing=import_kernels(package))
    forms = list(_forms(package))
    for done, (kernel, signature) in enumerate(forms):
        if progress is not None:
            progress(done, len(forms), kernel.name)
        before = kernel.call.stats.cache_misses[signature]
        try:
            kernel.call.compile(signature)
        except Exception as error:  # one kernel that does not compile must not hide the others
            report.failed.append((kernel.name, _text(signature), str(error).strip()))
            continue
        compiled = kernel.call.stats.cache_misses[signature] > before
        report.compiled += compiled
        report.from_cache += not compiled
    if progress is not None:
        progress(len(forms), len(forms), "")
    report.seconds = time.perf_counter() - start
    return report


def compiled_report(package: str = "tripos") -> list[CompiledForm]:
    """For each declared form of each kernel, whether it is in the cache; compiles nothing."""
    import_kernels(package)
    found = []
    for kernel, signature in _forms(package):
        path = kernel.call._cache.path(signature, kernel.call.targetctx.codegen())
        found.append(CompiledForm(kernel.name, _text(signature), path is not None and path.exists()))
    return found


def import_kernels(package: str) -> dict[str, str]:
    """Import every module of a package that declares kernels; those that cannot be, with the reason."""
    root = importlib.import_module(package)
    folder = cache.package_folder(str(root.__file__))
    missing = {}
    for path in cache.kernel_sources(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(part for part in parts if part != "__init__")))
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing[name] = str(error)
    return missing


def _forms(package: str) -> Iterator[tuple[Kernel, tuple[Any, ...]]]:
    for kernel in kernels(package):
        if kernel.compiled:
            yield from ((kernel, signature) for signature in kernel.signatures)


def _text(signature: tuple[Any, ...]) -> str:
    return ", ".join(map(str, signature))
