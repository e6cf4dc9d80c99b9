"""How a kernel that another kernel calls is compiled: as far as the caller needs it, and no further.

Numba gives every function that a compiled function calls the whole treatment: wrappers for Python and for C, all
optimisation, machine code. The caller then copies the optimised code into itself and optimises it again, and so
does the caller's caller; of what was made for each callee nothing runs. Here a callee stays LLVM code without
wrappers, which is optimised once, inside the kernel that Python calls.

A kernel that Python calls too is compiled for each of the two, so what machine code a kernel becomes does not depend
on what was compiled before it.

Numba counts who holds an array, by atomic additions wherever one gets another name: for a tuple of arrays that is
taken apart, for a row of a matrix, at every call. That was most of the time of a kernel that does little between two
calls, and threads waited for each other's counts. Python holds a kernel's arguments while it runs, so a kernel that
neither makes arrays nor returns them counts nothing.

All this leans on how Numba works inside, so `pyproject.toml` names the minor version that it was tested with.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, ClassVar

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.errors import NumbaError
from numba.core.registry import CPUDispatcher

from tripos.compute.cache import frozen

REFUSED = ("NRT required", "Only accept returning of array")  # what Numba says where counts are needed
MAKES_ARRAYS = {"dot", "empty", "zeros", "ones", "full", "empty_like", "zeros_like", "arange", "copy"}


class FrozenFlags(Flags):  # type: ignore[misc]
    """Settings that nobody changes any more, hashed once.

    Numba looks the meaning of every operator up by them, thousands of times for one kernel.
    """

    def __init__(self, copy_from: Any) -> None:
        super().__init__(copy_from)
        self._hash: int = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class KernelFlags(Flags):  # type: ignore[misc]
    """Settings of one compilation; the copy that Numba makes is one object for all kernels of equal settings."""

    _known: ClassVar[dict[Any, FrozenFlags]] = {}

    def copy(self) -> FrozenFlags:
        return self._known.setdefault(Flags(self), FrozenFlags(self))


class InnerLibrary(JITCodeLibrary):  # type: ignore[misc]
    """Code that is only ever linked into other code: it never reaches LLVM's engine."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True


class InnerCompiler(Compiler):  # type: ignore[misc]
    """Numba's steps as they are, but into an `InnerLibrary` and without wrappers."""

    def __init__(
        self, typing: Any, target: Any, library: Any, args: Any, result: Any, flags: Any, types: Any
    ) -> None:
        library = InnerLibrary(target.codegen(), "inner") if library is None else library
        super().__init__(typing, target, library, args, result, flags, types)

    def define_pipelines(self) -> Any:
        # Set here, after Numba took the copy by which it looks things up: what it found for one kind serves both.
        self.state.flags.no_compile = self.state.flags.no_cpython_wrapper = True
        return super().define_pipelines()


def kernels_called(function: FunctionType) -> Iterator[KernelDispatcher]:
    """The kernels that a kernel's function names, and those they name, at any depth."""
    todo, seen = [function], {function}
    while todo:
        for _, value in frozen(todo.pop()):
            for called in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(called, KernelDispatcher) and called.py_func not in seen:
                    seen.add(called.py_func)
                    todo.append(called.py_func)
                    yield called


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: Numba's many small objects started one so often that it took a tenth of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class CountingCompiler(_FunctionCompiler):  # type: ignore[misc]
    """Compiles without counts of who holds an array, and with them where arrays are made or returned."""

    counts = False

    def _customize_flags(self, flags: Any) -> KernelFlags:
        chosen = KernelFlags(flags)
        chosen.nrt = self.counts
        return chosen

    def compile(self, args: Any, return_type: Any) -> Any:
        with uncollected():
            return self._compile(args, return_type)

    def _compile(self, args: Any, return_type: Any) -> Any:
        self.counts = self.counts or self._makes_arrays()
        if not self.counts:
            try:
                found = super().compile(args, return_type)
            except NumbaError as problem:
                if not any(reason in str(problem) for reason in REFUSED):
                    raise
                self._failed_cache.clear()
            else:
                if not self._returned(found):
                    return found
            self.counts = True
        return super().compile(args, return_type)

    def _makes_arrays(self) -> bool:
        functions = [self.py_func, *(called.py_func for called in kernels_called(self.py_func))]
        return any(MAKES_ARRAYS.intersection(function.__code__.co_names) for function in functions)

    def _returned(self, found: Any) -> bool:
        """Whether the kernel, or one that it calls, returns arrays."""
        inner = (form for called in kernels_called(self.py_func) for form in called.inner.overloads.values())
        models = found.target_context.data_model_manager
        return any(models[form.signature.return_type].contains_nrt_meminfo() for form in (found, *inner))


class Dispatcher(CPUDispatcher):  # type: ignore[misc]
    def __init__(self, function: Any, targetoptions: dict[str, Any], pipeline_class: Any = Compiler) -> None:
        super().__init__(function, targetoptions=targetoptions, pipeline_class=pipeline_class)
        self._compiler = CountingCompiler(function, self.targetdescr, targetoptions, {}, pipeline_class)


class InnerDispatcher(Dispatcher):
    """The forms of a kernel that other kernels call."""

    def add_overload(self, found: Any) -> None:
        known_by = object()  # Numba looks callees up by their Python entry, and there is none
        self.targetctx.insert_user_function(known_by, found.fndesc, [found.library])
        self.overloads[tuple(found.signature.args)] = found._replace(entry_point=known_by)


class KernelDispatcher(Dispatcher):
    """What `@kernel` makes of a function: forms that Python calls, and through `inner` those that kernels call."""

    def __init__(self, function: Any, targetoptions: dict[str, Any]) -> None:
        super().__init__(function, targetoptions)
        self.inner = InnerDispatcher(function, targetoptions, InnerCompiler)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self.inner.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self.inner.get_overload(sig)
