"""Where compiled kernels are kept between processes, and when they are thrown away.

Numba's own cache stamps a function with the one file it stands in, so a cached caller goes on running the code
of a callee in another file that was edited since; and two processes that compile two signatures of a function at
once can leave an index that points at the wrong machine code. Here a kernel's key is a hash of everything its
machine code depends on, one key is one file, and a file appears whole or not at all
(`docs/decisions/001-kernel-cache.md`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import io
import os
import pickle
import shutil
import stat
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from llvmlite.binding import ffi as llvm
from numba.core import compiler, environment
from numba.core.caching import _Cache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

# A source that holds kernels has the first of these in it; what teaches Numba a function has one of the others.
KERNEL_MARK = b"@kernel"
EXTENSION_MARKS = (b"@intrinsic", b"@overload", b"@register_jitable")
VERSIONS_KEPT = (
    4  # of one form of a kernel stay on disk, so that changing branches costs nothing; of stamps too
)
MANNER = 2  # of compiling: raised when `inner.py` or the passes change what machine code a kernel becomes
OURS = Path(__file__).resolve().parents[1]

# A child forked while another thread compiles would inherit locks that nobody releases: Numba's, and the one
# around LLVM, which loading from the cache takes as well.
_COMPILERS_LOCKS = (global_compiler_lock._lock, llvm.lib._lock._lock)


def _hold_locks() -> None:
    for lock in _COMPILERS_LOCKS:
        lock.acquire()


def _free_locks() -> None:
    for lock in reversed(_COMPILERS_LOCKS):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_locks, after_in_parent=_free_locks, after_in_child=_free_locks)


# --- the place ---------------------------------------------------------------------------------------------


@functools.cache
def cache_root() -> Path:
    """Folder of the compiled kernels: `TRIPOS_CACHE_DIR`, else the user's cache folder, else a temporary one.

    The files hold machine code, so a folder that somebody else can write to is never used.
    """
    for folder in _candidates():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        if _is_private(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="tripos-kernels-"))


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("TRIPOS_CACHE_DIR"):
        yield Path(chosen).expanduser() / "kernels"
    home = Path(os.path.expanduser("~"))  # stays "~" for a user without a home, which then is skipped
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    if base.is_absolute():
        yield base / "tripos" / "kernels"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"tripos-kernels-{user}"


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    found = folder.stat()
    owned = found.st_uid in (os.getuid(), 0) and stat.S_ISDIR(found.st_mode)
    return owned and not found.st_mode & stat.S_IWOTH


# --- the stamp ---------------------------------------------------------------------------------------------


def package_folder(source: str) -> Path:
    """Outermost package that holds a source file, or the file's own folder outside packages."""
    folder = Path(source).resolve().parent
    while (folder / "__init__.py").exists() and (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


@functools.cache
def marked_sources(folder: Path, *marks: bytes) -> dict[Path, bytes]:
    """Sources of a package that hold one of the marks, with the hash of each; outside a package, of the folder."""
    found = {}
    for place, inner, names in os.walk(folder):
        if not (folder / "__init__.py").exists():
            inner.clear()
        for name in names:
            if name.endswith(".py"):
                path = Path(place, name)
                content = path.read_bytes()
                if any(mark in content for mark in marks):
                    found[path] = hashlib.sha256(content).digest()
    return dict(sorted(found.items()))


@functools.cache
def extension_stamp(folder: Path) -> str:
    """Hash of all sources of a package that extend Numba; of another package than Tripos, with those of `compute/`.

    An `@overload` is found by Numba through a registry, so no walk from the kernel reaches it.
    """
    digest = hashlib.sha256()
    for path, content in marked_sources(folder, *EXTENSION_MARKS).items():
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + content)
    if OURS not in (folder, *folder.parents):
        digest.update(extension_stamp(OURS / "compute").encode())
    return digest.hexdigest()


def fingerprint(function: FunctionType) -> str:
    """Hash of a kernel's code, of its callees' at any depth, and of the constants that Numba freezes into them."""
    digest = hashlib.sha256()
    todo, seen = [function], {function}
    while todo:
        current = todo.pop()
        digest.update(_code_text(current.__code__).encode())
        for name, value in frozen(current):
            for inner in _functions(value):
                if inner not in seen:
                    seen.add(inner)
                    todo.append(inner)
            digest.update(f"{name}={_constant(value)}\n".encode())
    return digest.hexdigest()


def _functions(value: Any) -> Iterator[FunctionType]:
    """Python functions behind what a kernel refers to: another kernel, or a group of kernels."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _functions(part)
    elif isinstance(inner := getattr(value, "py_func", None), FunctionType):
        yield inner


def frozen(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function refers to outside itself: closed-over values, globals, and attributes of global modules."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents
    names = sorted(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        yield name, value
        if isinstance(value, ModuleType):
            yield from ((f"{name}.{part}", vars(value).get(part)) for part in names)


def _names(code: CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _code_text(code: CodeType) -> str:
    constants = [_code_text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))


def _constant(value: Any) -> str:
    """Text that differs when the frozen value differs; what Numba does not freeze by value counts by its type."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(_constant, value))})"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic, np.dtype)):
        return repr(value)
    return type(value).__name__


# --- reading -----------------------------------------------------------------------------------------------


class _Reader(pickle.Unpickler):
    """Reads what `dumps` wrote, without importing the modules whose functions were compiled into it.

    Numba does, for their global names, which only code that holds Python objects looks at: most of what it knows of
    arrays was imported to run a kernel that makes one.
    """

    def find_class(self, module: str, name: str) -> Any:
        if name == "_rebuild_env":
            return _environment
        return super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> environment.Environment:
    known = environment.lookup_environment(name)
    if known is not None:
        return known
    found = environment.Environment(
        vars(sys.modules[module]) if module in sys.modules else {"__name__": module}
    )
    found.consts[:] = constants
    found.env_name = name
    environment.Environment._memo[name] = found
    return found


# --- the cache ---------------------------------------------------------------------------------------------


class KernelCache(_Cache):
    """One kernel's compiled forms on disk: a file per key, written at once, checked by hash when read.

    A file that is missing, cut short or altered by accident counts as not cached; a cache that cannot be written
    leaves the kernel working, compiled anew in each process.
    """

    def __init__(self, function: FunctionType, rules: str) -> None:
        self._function = function
        self._rules = rules
        self._enabled = True
        self.child: Any = None  # a process that compiles the kernel meanwhile (`ahead`)
        source = inspect.getfile(function)
        self._folder: Path | None = None
        if os.path.exists(source):  # at a prompt or in a notebook there is none, and nothing is kept
            package = package_folder(source)
            place = f"{package.name}-{hashlib.sha256(str(package).encode()).hexdigest()[:12]}"
            # Taken when the kernel is declared, so that sources edited while this process runs are not mistaken
            # for the ones it has loaded; the fingerprint is of what the process holds, not of files.
            self._folder = Path(place) / extension_stamp(package)[:16]

    @property
    def cache_path(self) -> str | None:
        return None if self._folder is None else str(cache_root() / self._folder)

    def path(self, signature: Any, codegen: Any) -> Path | None:
        """File of one compiled form, whether it exists or not."""
        if self._folder is None:
            return None
        parts = (
            MANNER,
            signature,
            codegen.magic_tuple(),
            numba.__version__,
            sys.version_info[:2],
            self._rules,
        )
        form = hashlib.sha256(f"{parts!r}".encode()).hexdigest()[:16]
        return cache_root() / self._folder / f"{self._name}-{form}-{self._fingerprint[:24]}.bin"

    @property
    def _name(self) -> str:
        return f"{self._function.__module__}.{self._function.__qualname__.replace('<locals>.', '')}"

    @functools.cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self._function)

    def holds(self, signature: Any, context: Any) -> bool:
        """Whether a compiled form is there, whole; neither loads nor compiles it."""
        return self._read(signature, context) is not None

    def _read(self, signature: Any, context: Any) -> bytes | None:
        path = self.path(signature, context.codegen())
        if not self._enabled or path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        return content[32:] if hashlib.sha256(content[32:]).digest() == content[:32] else None

    def is_missing(self, signature: Any, context: Any) -> bool:
        """Whether a compiled form is kept, and is not there."""
        return self._folder is not None and self._enabled and not self.holds(signature, context)

    def load_overload(self, signature: Any, context: Any) -> Any:
        if self.child is not None:
            self.child.wait()
            self.child = None
        rtsys.initialize(context)  # all that loading needs; what only compiling needs takes another 0.3 s
        content = self._read(signature, context)
        if content is None:
            return None
        try:
            return compiler.CompileResult._rebuild(context, *_Reader(io.BytesIO(content)).load())
        except Exception:  # fails in many ways after an upgrade of a library; compiling anew cures all
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        path = self.path(signature, result.codegen)
        if not self._enabled or path is None or result.lifted or result.library.has_dynamic_globals:
            return
        content = dumps(result._reduce())
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _forget_all_but_youngest(path.parent.parent.iterdir())
            _write_whole(path, hashlib.sha256(content).digest() + content)
            _forget_all_but_youngest(path.parent.glob(f"{path.name.rpartition('-')[0]}-*.bin"))
        except OSError as problem:
            _warn_once(
                f"Compiled kernels cannot be kept in {path.parent} ({problem}); each start compiles anew. "
                f"Set TRIPOS_CACHE_DIR to a folder with space."
            )

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Remove this kernel's files."""
        if self._folder is None:
            return
        for path in (cache_root() / self._folder).glob(f"{self._name}-*.bin"):
            path.unlink(missing_ok=True)


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _forget_all_but_youngest(paths: Iterable[Path]) -> None:
    with contextlib.suppress(OSError):  # another process may be doing the same
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[VERSIONS_KEPT:]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


_warned = threading.Event()


def _warn_once(message: str) -> None:
    if not _warned.is_set():
        _warned.set()
        warnings.warn(message, stacklevel=2)
