"""How a kernel that another kernel calls is compiled: as far as the caller needs it, and no further.

Numba gives every function that a compiled function calls the whole treatment: wrappers for Python and for C, all
optimisation, machine code. The caller then copies the optimised code into itself and optimises it again, and so
does the caller's caller; of what was made for each callee nothing runs. Here a callee stays LLVM code without
wrappers, which is optimised once, inside the kernel that Python calls.

A kernel that Python calls too is compiled for each of the two, so what machine code a kernel becomes does not depend
on what was compiled before it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags
from numba.core.registry import CPUDispatcher


class FrozenFlags(Flags):  # type: ignore[misc]
    """Settings that nobody changes any more, hashed once.

    Numba looks the meaning of every operator up by them, thousands of times for one kernel.
    """

    def __init__(self, copy_from: Any) -> None:
        super().__init__(copy_from)
        self._hash = super().__hash__()

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


class Dispatcher(CPUDispatcher):  # type: ignore[misc]
    def __init__(self, function: Any, **options: Any) -> None:
        super().__init__(function, **options)
        self._compiler._customize_flags = KernelFlags


class InnerDispatcher(Dispatcher):
    """The forms of a kernel that other kernels call."""

    def add_overload(self, found: Any) -> None:
        known_by = object()  # Numba looks callees up by their Python entry, and there is none
        self.targetctx.insert_user_function(known_by, found.fndesc, [found.library])
        self.overloads[tuple(found.signature.args)] = found._replace(entry_point=known_by)


class KernelDispatcher(Dispatcher):
    """What `@kernel` makes of a function: forms that Python calls, and through `inner` those that kernels call."""

    def __init__(self, function: Any, targetoptions: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=targetoptions)
        self.inner = InnerDispatcher(function, targetoptions=targetoptions, pipeline_class=InnerCompiler)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self.inner.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self.inner.get_overload(sig)
