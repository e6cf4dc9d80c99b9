"""How it is minimised: `minimize(objective, x0, method=...)`, and the methods behind it, one in a file.

An objective offers `value_gradient(x)`, for Newton's method `value_gradient_hessian(x)` too; a method returns
a `Result` with the solution, its history and the reason it stopped.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tripos.optimization.check import check_gradient
    from tripos.optimization.facade import minimize
    from tripos.optimization.result import Result

_PLACES = {"check_gradient": "check", "minimize": "facade", "Result": "result"}
__all__ = ["Result", "check_gradient", "minimize"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
