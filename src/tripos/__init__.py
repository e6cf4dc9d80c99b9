"""Tripos: machine learning, whole. Every public class is `from tripos import Name`; measures live in
`tripos.metrics`. Nothing heavy is imported until a name is used."""

from __future__ import annotations

import importlib
from typing import Any

from tripos._public import PUBLIC

__version__ = "0.1.0"
__all__ = ["__version__", *PUBLIC]


def __getattr__(name: str) -> Any:
    try:
        module = PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'tripos' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
