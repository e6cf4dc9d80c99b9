"""The bytes of a table: where they lie, how they are compressed, and a plain UTF-8 copy where one is needed.

polars reads plain, gzip and zstd files of UTF-8 text by itself, and does so fastest. Everything else (bzip2, xz,
zip, another encoding, lines to be rewritten) is streamed once into a `Spool`: memory while it is small, a
temporary file beyond that, so that the copy never costs more memory than `IN_MEMORY`.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import importlib
import io
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from tripos.errors import TableError

CHUNK = 1 << 20
IN_MEMORY = 16 << 20
HEAD = 256 << 10  # bytes looked at to tell format, encoding, delimiter and header

COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"(\xb5/\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
}
NATIVE = (None, "gzip", "zstd")  # what polars unpacks itself
USUAL_RATIO = 5  # text shrinks about this much; only used to estimate memory where the file does not say

FOREIGN = {  # first bytes -> what it is and what to do
    b"%PDF": "a PDF document; export the table as CSV",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database; read it by URL, as in read_table('sqlite:///{path}?table=NAME')",
    b"\x89HDF": "an HDF5 file; export the table as Parquet",
    b"\x93NUMPY": "a NumPy array; load it with numpy.load and pass the array's columns as a dict",
    b"\x80\x04\x95": "a Python pickle, which is not read because it can run code; export the table as Parquet",
    b"\x80\x05\x95": "a Python pickle, which is not read because it can run code; export the table as Parquet",
    b"RDX": "an R workspace; export the table as CSV",
}


@dataclass(frozen=True)
class Source:
    """A file, or bytes in memory, under the name by which messages call it."""

    name: str
    path: Path | None = None
    data: bytes | None = None

    def raw(self) -> IO[bytes]:
        """The stored bytes, compressed as they are."""
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            return self.path.open("rb")
        except OSError as error:
            raise TableError(f"{self.name} cannot be opened: {error.strerror or error}.") from error

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes as a stream; an error that names the source if they cannot be unpacked."""
        unpackers: dict[str | None, Callable[[IO[bytes]], Any]] = {
            None: lambda raw: raw,
            "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
            "bzip2": bz2.BZ2File,
            "xz": lzma.LZMAFile,
            "zip": self._only_member,
            "zstd": self._unpack_zstd,
        }
        with self.raw() as raw:
            try:
                with unpackers[self.compression](raw) as stream:
                    yield stream
            except Exception as error:
                if not _is_damage(error):
                    raise
                what = (
                    "cannot be read"
                    if self.compression is None
                    else "is damaged or cut short and cannot be unpacked"
                )
                raise TableError(f"{self.name} {what} ({error}); get the file again.") from error

    @cached_property
    def compression(self) -> str | None:
        """Told by the first bytes: file names lie."""
        with self.raw() as file:
            first = file.read(8)
        return next((kind for magic, kind in COMPRESSED.items() if first.startswith(magic)), None)

    def is_workbook(self) -> bool:
        """Whether a zip holds the parts of an Excel or OpenDocument workbook."""
        with self.raw() as raw:
            try:
                names = zipfile.ZipFile(raw).namelist()
            except zipfile.BadZipFile:
                return False
        return any(name in ("xl/workbook.xml", "xl/workbook.bin", "content.xml") for name in names)

    @property
    def for_polars(self) -> Path | bytes:
        """What polars' readers take: a path is mapped and streamed, bytes are read in place."""
        return cast("Path | bytes", self.path if self.data is None else self.data)

    def head(self, n_bytes: int = HEAD) -> bytes:
        """The first unpacked bytes."""
        with self.open() as file:
            return file.read(n_bytes)

    def chunks(self) -> Iterator[bytes]:
        """The unpacked bytes, a piece at a time."""
        with self.open() as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def lines(self, encoding: str) -> Iterator[str]:
        """The decoded lines with their `\\n`; other marks inside a line that readers take for its end become blanks.

        Bytes that do not decode pass as surrogates, so that a copy of the lines holds them again.
        """
        with self.open() as file:
            text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="\n")
            try:
                for line in text:
                    yield line if "\r" not in line else line.replace("\r\n", "\n").replace("\r", " ")
            finally:
                text.detach()  # the file is closed where it was opened, also when a reader stops early

    def stored_size(self) -> int:
        """Bytes as stored."""
        return len(self.data) if self.data is not None else cast(Path, self.path).stat().st_size

    def text_size(self) -> int:
        """Bytes after unpacking; an estimate where only unpacking would tell."""
        size, kind = self.stored_size(), self.compression
        if kind is None:
            return size
        if kind == "gzip" and size < 1 << 29:  # the last four bytes hold the size modulo 4 GiB
            with self.raw() as file:
                file.seek(-4, os.SEEK_END)
                return max(int.from_bytes(file.read(4), "little"), size)
        return size * USUAL_RATIO

    def _only_member(self, raw: IO[bytes]) -> IO[bytes]:
        archive = zipfile.ZipFile(raw)
        members = [
            item.filename
            for item in archive.infolist()
            if not item.is_dir() and "__MACOSX" not in item.filename
        ]
        if len(members) != 1:
            raise TableError(f"{self.name} is a zip of {len(members)} files; unpack it and read one of them.")
        return archive.open(members[0])

    def _unpack_zstd(self, raw: IO[bytes]) -> IO[bytes]:
        """Python unpacks zstd itself from 3.14 on; before, any of the usual packages does, and else polars."""
        for module in ("compression.zstd", "backports.zstd", "zstandard"):
            try:
                return cast(IO[bytes], importlib.import_module(module).open(raw, "rb"))
            except ImportError:
                continue
        try:
            arrow: Any = importlib.import_module("pyarrow")
            return cast(IO[bytes], arrow.input_stream(raw, compression="zstd"))
        except ImportError:
            return self._unpack_with_polars()

    def _unpack_with_polars(self) -> IO[bytes]:
        """The lines of UTF-8 text, all in memory: slower than a stream, but without another package."""
        try:
            lines = pl.read_csv(
                self.for_polars, has_header=False, separator="\x1f", quote_char=None, schema={"line": pl.String},
                truncate_ragged_lines=True,
            )  # fmt: skip
        except pl.exceptions.PolarsError as error:
            raise TableError(
                f"{self.name} is zstd-compressed and not plain UTF-8 text ({error}); install a reader for it "
                "(pip install zstandard), or store it as .gz."
            ) from error
        return io.BytesIO("\n".join(lines["line"].fill_null("")).encode() + b"\n")


class Spool:
    """A copy of a table's text, in memory while small and in a temporary file beyond; gone after the `with` block."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._buffer: IO[bytes] = io.BytesIO()
        self._path: Path | None = None

    def write(self, data: bytes) -> int:
        try:
            if self._path is None and self._buffer.tell() + len(data) > IN_MEMORY:
                self._spill()
            return self._buffer.write(data)
        except OSError as error:
            raise TableError(
                f"{self._name} needs a plain copy in {tempfile.gettempdir()}, which could not be written "
                f"({error.strerror or error}); free some space or set TMPDIR to a folder that has it."
            ) from error

    def _spill(self) -> None:
        handle, path = tempfile.mkstemp(prefix="tripos-", suffix=".csv")
        held = cast(io.BytesIO, self._buffer).getbuffer()
        self._buffer, self._path = os.fdopen(handle, "wb"), Path(path)
        self._buffer.write(held)

    def source(self) -> Source:
        """What was written so far, as a source under the original's name."""
        if self._path is None:
            return Source(self._name, data=cast(io.BytesIO, self._buffer).getvalue())
        self._buffer.flush()
        return Source(self._name, path=self._path)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._buffer.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def unpack(source: Source, spool: Spool, encoding: str = "utf-8") -> Source:
    """Stream the source into the spool as plain UTF-8 with `\\n` or `\\r\\n` line ends; an old Mac's lone `\\r` becomes `\\n`."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    lone_cr = is_lone_cr(source.head().decode(encoding, errors="replace"))
    start = 0
    for chunk in source.chunks():
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise TableError(
                f"{source.name} is not {encoding}: byte 0x{error.object[error.start]:02x} near byte {start + error.start:,} "
                "does not decode; leave encoding out to have it detected."
            ) from error
        start += len(chunk)
        spool.write((text.replace("\r", "\n") if lone_cr else text).encode())
    try:
        spool.write(decoder.decode(b"", final=True).encode())
    except UnicodeDecodeError as error:
        raise TableError(f"{source.name} is not {encoding}: its last character is incomplete.") from error
    return spool.source()


def is_lone_cr(text: str) -> bool:
    """Whether lines end in `\\r` alone, as old Macs wrote them."""
    return "\r" in text and "\n" not in text


def refuse_foreign(source: Source, head: bytes) -> None:
    """Raise for a file that is no table, saying what it is."""
    for magic, what in FOREIGN.items():
        if head.startswith(magic):
            raise TableError(f"{source.name} is {what.format(path=source.path)}.")


def _is_damage(error: Exception) -> bool:
    """Whether an error says that bytes could not be read or unpacked; zstd's readers each have their own `ZstdError`."""
    kinds = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
    return isinstance(error, kinds) or type(error).__name__ == "ZstdError"
