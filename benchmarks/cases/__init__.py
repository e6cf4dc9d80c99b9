"""All cases, found in the modules of this folder: each has a list `CASES`."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.harness import Case


def all_cases() -> list[Case]:
    """Every case, module by module in alphabetical order."""
    found: list[Case] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        found += getattr(importlib.import_module(f"{__name__}.{module}"), "CASES", [])
    return found


def find(name: str) -> Case:
    """The case of that name; an unknown name lists the known ones."""
    cases = {case.name: case for case in all_cases()}
    if name not in cases:
        raise SystemExit(f"no case {name!r}; there are: {', '.join(cases)}")
    return cases[name]
