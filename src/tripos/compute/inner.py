"""How a kernel that another kernel calls is compiled: as far as the caller needs it, and no further.

Numba gives every function that a compiled function calls the whole treatment: wrappers for Python and for C, all
optimisation, machine code. The caller then copies the optimised code into itself and optimises it again, and so
does the caller's caller; of what was made for each callee nothing runs. Here a callee stays LLVM code without
wrappers, which is optimised once, inside the kernel that Python calls.

A kernel that Python calls too is compiled for each of the two, so what machine code a kernel becomes does not depend
on what was compiled before it.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher


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
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        library = InnerLibrary(target.codegen(), "inner") if library is None else library
        super().__init__(typing, target, library, args, result, flags, types)


class InnerDispatcher(CPUDispatcher):  # type: ignore[misc]
    """The forms of a kernel that other kernels call."""

    def add_overload(self, found: Any) -> None:
        known_by = object()  # Numba looks callees up by their Python entry, and there is none
        self.targetctx.insert_user_function(known_by, found.fndesc, [found.library])
        self.overloads[tuple(found.signature.args)] = found._replace(entry_point=known_by)


class KernelDispatcher(CPUDispatcher):  # type: ignore[misc]
    """What `@kernel` makes of a function: forms that Python calls, and through `inner` those that kernels call."""

    def __init__(self, function: Any, targetoptions: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=targetoptions)
        self.inner = InnerDispatcher(function, targetoptions=targetoptions, pipeline_class=InnerCompiler)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self.inner.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self.inner.get_overload(sig)
