"""What `tripos warm` and `tripos doctor` show of the machine and of the compiled kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import IO, Any

from tripos.compute.budget import readable_bytes

_BYTES = ("free", "held", "bytes")


def warm_up(stream: IO[str]) -> dict[str, Any]:
    """Compiles every kernel for the forms it is declared for, with a bar of the progress."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tripos.compute.warm import compile_all

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(file=stream, highlight=False)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("compiling", total=None)

        def step(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name[-48:])

        report = compile_all(step)
    console.print(
        f"{report.compiled} compiled, {report.from_cache} found compiled, {report.seconds:.1f} s",
        markup=False,
    )
    for kernel, signature, message in report.failed:
        console.print(f"failed: {kernel} ({signature}): {message}", markup=False)
    for module, reason in report.missing.items():
        console.print(f"left out: {module}: {reason}", markup=False)
    return asdict(report)


def lines(found: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Nested facts as indented lines.

    Examples
    --------
    >>> print("\\n".join(lines({"python": "3.11", "memory": {"free": 2048}, "gpu": []})))
    python  3.11
    memory
      free  2.0 KiB
    gpu     none
    """
    width = max((len(str(key)) for key in found), default=0)
    for key, value in found.items():
        parts = value if isinstance(value, list) and value and isinstance(value[0], Mapping) else [value]
        for part in parts:
            if isinstance(part, Mapping):
                yield f"{indent}{key}"
                yield from lines(part, indent + "  ")
            else:
                yield f"{indent}{key:<{width}}  {_text(key, part)}"


def _text(key: str, value: Any) -> str:
    if key in _BYTES and isinstance(value, int):
        return readable_bytes(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
