"""Files on disk: written whole or not at all, opened only if they are plain files."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tripos.errors import ArtifactError

DEFAULT_NAME = "model.tripos"


def target_file(path: str | os.PathLike[str]) -> Path:
    """The file that `path` means: itself, or `model.tripos` in the folder it names (existing, or ending in a separator)."""
    text = os.fsdecode(path)
    ends = tuple(filter(None, (os.sep, os.altsep)))
    place = Path(text)
    return place / DEFAULT_NAME if text.endswith(ends) or place.is_dir() else place


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write and read back that takes the place of `path` only when the block ends without an exception.

    Whatever happens in the block (a full disk, Ctrl-C), an earlier file at `path` stays as it was and nothing else is
    left behind. A symbolic link at `path` keeps pointing where it does; its target is replaced.

    Parameters
    ----------
    path : str or path
        Its folder has to exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "notes.txt") as file:
    ...         _ = file.write(b"whole or not at all")
    ...     (Path(folder) / "notes.txt").read_bytes()
    b'whole or not at all'
    """
    final = Path(os.path.realpath(path))
    if final.exists() and not final.is_file():
        raise FileExistsError(f"{os.fsdecode(path)} exists and is not a plain file")
    # in the same folder, because a rename is atomic only within one file system
    temporary = final.parent / f".tripos-{secrets.token_hex(8)}.tmp"
    # not `tempfile`: it makes files that only the owner can read, and the model may be served by another user
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable where the system can (Windows cannot open folders)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def open_plain(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """An existing plain file and its size; pipes and devices are refused instead of waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError("it is not a plain file")
        yield file, status.st_size
