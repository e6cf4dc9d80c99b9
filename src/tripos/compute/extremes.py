"""`larger` and `smaller` of two numbers as one instruction, for loops that are to vectorise.

Written `a if a > b else b` and stored where b was read, the choice becomes a store under a mask, which AMD's processors
take some forty cycles for: the sweep over a support vector machine's gradient ran at a third of its speed. LLVM's own
`maxnum` and `minnum` stay what they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

OPTIONS = {"error_model": "numpy", "boundscheck": False, "forceinline": True}


def larger(a: Any, b: Any) -> Any:
    """The larger of two numbers of one float type; of NaN and a number the number."""
    return np.fmax(a, b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two numbers of one float type; of NaN and a number the number."""
    return np.fmin(a, b)


def _choice(name: str) -> Any:
    def choose(context: Any, a: Any, b: Any) -> Any:
        if a != b or not isinstance(a, types.Float):
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind]), f"llvm.{name}.{kind.intrinsic_name}"
            )
            return builder.call(function, arguments)

        return a(a, b), generate

    return intrinsic(choose)


_larger, _smaller = _choice("maxnum"), _choice("minnum")


@overload(larger, jit_options=OPTIONS)
def _overload_larger(a: Any, b: Any) -> Any:
    def choose(a: Any, b: Any) -> Any:
        return _larger(a, b)

    return choose if isinstance(a, types.Float) and a == b else None


@overload(smaller, jit_options=OPTIONS)
def _overload_smaller(a: Any, b: Any) -> Any:
    def choose(a: Any, b: Any) -> Any:
        return _smaller(a, b)

    return choose if isinstance(a, types.Float) and a == b else None
