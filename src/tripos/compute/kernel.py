"""`@kernel`: the one place with Numba's settings.

A kernel is a plain loop over arrays with the names of the equation. It is compiled at its first call, or loaded
from the user's cache (`tripos.compute.cache`), never at import. With `NUMBA_DISABLE_JIT=1` it stays the Python
function it was written as, with the same attributes.

    @kernel("F[:, ::1], F[::1], F[::1]")
    def margins(X, w, out):
        for i in range(X.shape[0]):
            total = out.dtype.type(0)
            for j in range(X.shape[1]):
                total += X[i, j] * w[j]
            out[i] = total

declares the forms Python calls it with: `F` stands for float32 and float64, `I` for int32 and int64, the same
one throughout a signature. `tripos warm` compiles the declared forms, and tests hold the calls to them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, TypeVar, overload

# NaN and infinities keep their meaning; sums may be reordered, which is what vectorises them. "afn" is not among
# them: it turns x ** k into a call of __powidf2, which LLVM does not find, and ends the process. It sped up nothing.
FAST = frozenset({"reassoc", "nsz", "arcp", "contract"})
FINITE = FAST | {"nnan", "ninf"}
PLACEHOLDERS = {"F": ("float32", "float64"), "I": ("int32", "int64")}

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Kernel:
    """A registered kernel: the callable, and the argument forms it is declared for.

    Attributes
    ----------
    call : callable
        Numba's dispatcher, or the plain function under `NUMBA_DISABLE_JIT=1`.
    declared : tuple of str
        Signatures as written, with placeholders.
    strict, finite : bool
        The floating-point rules it was declared with.
    """

    call: Any
    declared: tuple[str, ...]
    strict: bool
    finite: bool

    @property
    def name(self) -> str:
        function = self.call.py_func
        return f"{function.__module__}.{function.__qualname__}"

    @property
    def compiled(self) -> bool:
        """Whether Numba is in charge (False under `NUMBA_DISABLE_JIT=1`)."""
        return self.call is not self.call.py_func

    @cached_property
    def signatures(self) -> list[tuple[Any, ...]]:
        """Declared argument types, placeholders replaced, as tuples of Numba types."""
        from numba.core import sigutils

        expanded = [form for text in self.declared for form in expand(text)]
        return [tuple(sigutils.normalize_signature(f"({form},)")[0]) for form in expanded]

    def undeclared(self) -> list[tuple[Any, ...]]:
        """Argument types compiled in this process that no declared signature names."""
        if not self.compiled or not self.declared:
            return []
        known = set(self.signatures)
        return [found for found in self.call.overloads if tuple(found) not in known]


_registry: list[Kernel] = []


def kernels(package: str | None = None) -> list[Kernel]:
    """Every kernel declared so far in this process, of one package if named."""
    if package is None:
        return list(_registry)
    return [k for k in _registry if k.call.py_func.__module__.partition(".")[0] == package]


def expand(signature: str) -> list[str]:
    """Replace the placeholders `F` and `I`, each by one type throughout.

    >>> expand("F[::1], I, F")
    ['float32[::1], int32, float32', 'float32[::1], int64, float32', 'float64[::1], int32, float64',
     'float64[::1], int64, float64']
    """
    used = [letter for letter in PLACEHOLDERS if re.search(rf"\b{letter}\b", signature)]
    forms = []
    for types in product(*(PLACEHOLDERS[letter] for letter in used)):
        form = signature
        for letter, type_name in zip(used, types, strict=True):
            form = re.sub(rf"\b{letter}\b", type_name, form)
        forms.append(form)
    return forms


@overload
def kernel(function: Function, /) -> Function: ...
@overload
def kernel(
    *signatures: str, strict: bool = False, finite: bool = False
) -> Callable[[Function], Function]: ...
def kernel(*signatures: Any, strict: bool = False, finite: bool = False) -> Any:
    """Compile a function of arrays and numbers to machine code at its first call.

    Parameters
    ----------
    *signatures : str
        Numba types of the arguments, as in ``"F[:, ::1], I[::1], f8"``. Bare ``@kernel`` is for helpers that only
        other kernels call.
    strict : bool, default=False
        No fast-math at all: for compensated sums and exact comparisons.
    finite : bool, default=False
        Promise that no NaN or infinity occurs, neither in the input nor on the way.

    Returns
    -------
    callable
        The kernel. Holds no GIL while it runs, divides as NumPy does, does not check bounds.

    Raises
    ------
    TypeError
        If the function closes over a function: Numba could neither cache such a kernel nor notice that the inner
        one was edited. Close over an integer code and branch on it.
    """
    if len(signatures) == 1 and callable(signatures[0]):
        return _declare(signatures[0], (), strict, finite)
    if strict and finite:
        raise ValueError(
            "strict=True asks for exact arithmetic and finite=True for less of it; give one of them."
        )
    for signature in signatures:
        if not isinstance(signature, str):
            raise TypeError(f"A kernel's signature is text such as 'F[:, ::1], f8'; got {signature!r}.")
    return lambda function: _declare(function, signatures, strict, finite)


def _declare(function: Any, declared: tuple[str, ...], strict: bool, finite: bool) -> Any:
    import numba

    for name, value in inspect.getclosurevars(function).nonlocals.items():
        if callable(value) and not isinstance(value, type):
            raise TypeError(
                f"Kernel {function.__qualname__} closes over the function {name!r}; call it by its module-level "
                f"name, or close over an integer code and branch on it."
            )
    if numba.config.DISABLE_JIT:
        function.py_func = function
        call = function
    else:
        from tripos.compute.cache import KernelCache
        from tripos.compute.inner import KernelDispatcher

        fastmath = False if strict else set(FINITE if finite else FAST)
        options = dict(nopython=True, nogil=True, error_model="numpy", boundscheck=False, fastmath=fastmath)
        call = KernelDispatcher(function, {**options, "no_cfunc_wrapper": True})
        rules = "strict" if strict else "finite" if finite else "fast"
        call._cache = KernelCache(function, rules)
    _registry.append(Kernel(call, declared, strict, finite))
    return call
