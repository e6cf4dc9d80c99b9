"""The zip around an artifact: the subset of the format that has exactly one reading.

A zip can hold gaps, entries that overlap, two names for one entry, a directory that contradicts the entries, or a few
bytes that unpack to terabytes, and two readers may see two different files in it. Version 1 allows none of that:
the entries, the directory and its end record tile the file without a gap; every record is a function of an entry's
name, method, CRC and sizes, so that a reader rebuilds it and compares; and no entry expands more than
`MAX_EXPANSION` times. Python's `zipfile` reads these files but does not refuse the others, which is why the few
records are read and written here.

Source: PKWARE, .ZIP File Format Specification 6.3 (APPNOTE.TXT), sections 4.3.7, 4.3.12, 4.3.14-16, 4.5.3.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tripos.errors import ArtifactError

STORED, DEFLATED = 0, 8
MAX_ENTRIES = 65_000
MAX_EXPANSION = 200  # times the compressed size, on top of FREE_EXPANSION bytes
FREE_EXPANSION = 1 << 20
CHUNK = 1 << 20
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_FULL = 0xFFFFFFFF  # stands in a 32-bit field whose value is in the zip64 record
_LARGE = _FULL  # sizes and offsets from here on go there
_DATE = 0x0021  # 1980-01-01 00:00: the same model gives the same bytes

Chunks = Iterable[bytes | memoryview]


@dataclass(frozen=True)
class Entry:
    """One file in the container; every header follows from these six values."""

    name: str
    method: int
    crc: int
    packed: int  # bytes in the file
    size: int  # bytes after unpacking
    offset: int  # of its local header

    def local(self) -> bytes:
        """The header before the data; an entry of 4 GiB or more has its sizes in a zip64 field."""
        large = self.size >= _LARGE
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.packed) if large else b""
        sizes = (_FULL, _FULL) if large else (self.packed, self.size)
        name = self.name.encode("ascii")
        fields = (45 if large else 20, 0, self.method, 0, _DATE, self.crc, *sizes, len(name), len(extra))
        return _LOCAL.pack(b"PK\3\4", *fields) + name + extra

    def central(self) -> bytes:
        """The line of the directory, with attributes of zero: no symbolic link, no folder, no permission."""
        large, far = self.size >= _LARGE, self.offset >= _LARGE
        values = ((self.size, self.packed) if large else ()) + ((self.offset,) if far else ())
        extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        sizes = (_FULL, _FULL) if large else (self.packed, self.size)
        name = self.name.encode("ascii")
        version = 45 if values else 20
        fields = (version, version, 0, self.method, 0, _DATE, self.crc, *sizes, len(name), len(extra))
        return _CENTRAL.pack(b"PK\1\2", *fields, 0, 0, 0, 0, _FULL if far else self.offset) + name + extra


def _end_records(count: int, size: int, offset: int) -> bytes:
    """What follows the directory: the end record, after its zip64 form when the directory lies beyond 4 GiB."""
    far = offset >= _LARGE
    end = _END.pack(b"PK\5\6", 0, 0, count, count, size, _FULL if far else offset, 0)
    if not far:
        return end
    end64 = _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, size, offset)
    return end64 + _LOCATOR64.pack(b"PK\6\7", 0, offset + size, 1) + end


def _may_expand(packed: int, size: int) -> bool:
    return size <= FREE_EXPANSION + MAX_EXPANSION * packed


class ContainerWriter:
    """Writes entries one after the other to a seekable file, then the directory."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.entries: list[Entry] = []

    def add(self, name: str, size: int, chunks: Callable[[], Chunks]) -> None:
        """Append an entry of `size` bytes; `chunks()` yields its data and may be called a second time."""
        if not NAME.match(name) or len(self.entries) >= MAX_ENTRIES:
            raise ArtifactError(
                f"{name[:100]!r} cannot be stored: at most {MAX_ENTRIES} entries with plain names"
            )
        if self._worth_packing(size, chunks) and self._append(name, size, chunks, DEFLATED):
            return
        self._append(name, size, chunks, STORED)

    def _worth_packing(self, size: int, chunks: Callable[[], Chunks]) -> bool:
        # trained floats hardly shrink and deflate costs a second per 50 MB, so a sample decides
        if size < 512:
            return False
        sample = b"".join(bytes(chunk[: 1 << 16]) for chunk, _ in zip(chunks(), range(2)))
        return len(zlib.compress(sample, 1)) < 0.8 * len(sample)

    def _append(self, name: str, size: int, chunks: Callable[[], Chunks], method: int) -> bool:
        """Writes one entry; False, with the file as before, if packing it makes it longer or expands it too far."""
        offset = self.file.tell()
        self.file.write(Entry(name, method, 0, 0, size, offset).local())
        start = self.file.tell()
        crc = 0
        packer = zlib.compressobj(1, zlib.DEFLATED, -15) if method == DEFLATED else None
        for chunk in chunks():
            crc = zlib.crc32(chunk, crc)
            self.file.write(packer.compress(chunk) if packer else chunk)
        if packer:
            self.file.write(packer.flush())
        end = self.file.tell()
        packed = end - start
        if method == DEFLATED and (packed >= size or not _may_expand(packed, size)):
            self.file.seek(offset)
            self.file.truncate()
            return False
        entry = Entry(name, method, crc, packed, size, offset)
        self.file.seek(offset)
        self.file.write(entry.local())
        self.file.seek(end)
        self.entries.append(entry)
        return True

    def close(self) -> None:
        """Write the directory and its end record."""
        offset = self.file.tell()
        directory = b"".join(entry.central() for entry in self.entries)
        self.file.write(directory + _end_records(len(self.entries), len(directory), offset))


class ContainerReader:
    """The entries of a container, checked before anything is unpacked."""

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        self.file = file
        self.entries: dict[str, Entry] = {}
        count, size, offset = self._find_directory(file_size)
        directory = self._at(offset, size)
        position = data = 0
        for _ in range(count):
            entry, position = self._next_entry(directory, position, data)
            data += len(entry.local()) + entry.packed
            if data > offset or self._at(entry.offset, len(entry.local())) != entry.local():
                raise ArtifactError(f"the zip header of {entry.name!r} contradicts the directory")
            self.entries[entry.name] = entry
        if position != size or data != offset:
            raise ArtifactError("the zip directory does not account for every byte of the file")

    def _at(self, offset: int, n_bytes: int) -> bytes:
        self.file.seek(offset)
        found = self.file.read(n_bytes)
        if len(found) != n_bytes:
            raise ArtifactError("the file ends too early")
        return found

    def _find_directory(self, file_size: int) -> tuple[int, int, int]:
        """Number of entries, size and offset of the directory, from the end records."""
        if file_size < _END.size:
            raise ArtifactError(f"it is too short for a saved model ({file_size} bytes)")
        tail = self._at(file_size - _END.size, _END.size)
        signature, _, _, _, count, size, offset, _ = _END.unpack(tail)
        if signature != b"PK\5\6":
            raise ArtifactError(
                "it is not a saved model, or is truncated (no zip end record in its last 22 bytes)"
            )
        if offset == _FULL:
            length = _END64.size + _LOCATOR64.size + _END.size
            tail = self._at(max(0, file_size - length), length)
            count, size, offset = _END64.unpack(tail[: _END64.size])[-3:]
        if count > MAX_ENTRIES or offset + size + len(tail) != file_size:
            raise ArtifactError("the zip end record does not fit the file")
        if tail != _end_records(count, size, offset):
            raise ArtifactError("the zip end record uses features outside format version 1")
        return count, size, offset

    def _next_entry(self, directory: bytes, position: int, offset: int) -> tuple[Entry, int]:
        """The entry whose line starts at `position`, and where the next line starts."""
        if position + _CENTRAL.size > len(directory):
            raise ArtifactError("the zip directory is truncated")
        fields = _CENTRAL.unpack_from(directory, position)
        method, crc, packed, size, name_length = fields[4], *fields[7:11]
        start = position + _CENTRAL.size
        raw = directory[start : start + name_length]
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError:
            name = ""
        if not NAME.match(name) or name in self.entries:
            raise ArtifactError(f"the zip entry name {raw[:60]!r} is not allowed or stands twice")
        if size == _FULL:
            extra = directory[start + name_length + 4 : start + name_length + 20]
            if len(extra) != 16:
                raise ArtifactError(f"the zip entry {name!r} has no zip64 sizes")
            size, packed = struct.unpack("<2Q", extra)
        entry = Entry(name, method, crc, packed, size, offset)
        line = entry.central()
        if directory[position : position + len(line)] != line:
            raise ArtifactError(f"the zip entry {name!r} uses features outside format version 1")
        if method not in (STORED, DEFLATED) or (method == STORED and packed != size):
            raise ArtifactError(f"the zip entry {name!r} is packed by an unknown method")
        if method == DEFLATED and not _may_expand(packed, size):
            raise ArtifactError(f"the zip entry {name!r} would expand from {packed} to {size} bytes")
        return entry, position + len(line)

    def stream(self, entry: Entry) -> Iterator[bytes]:
        """The unpacked data in pieces of at most `CHUNK` bytes, exactly `entry.size` bytes with the right CRC in all."""
        unpacker = zlib.decompressobj(-15) if entry.method == DEFLATED else None
        position = entry.offset + len(entry.local())
        left, produced, crc = entry.packed, 0, 0
        while left:
            packed = self._at(position, min(left, CHUNK))
            position, left = position + len(packed), left - len(packed)
            for piece in _unpack(unpacker, packed, entry) if unpacker else (packed,):
                produced += len(piece)
                if produced > entry.size:
                    raise ArtifactError(
                        f"{entry.name!r} unpacks to more than the {entry.size} bytes it declares"
                    )
                crc = zlib.crc32(piece, crc)
                yield piece
        if unpacker and not unpacker.eof:
            raise ArtifactError(f"the compressed data of {entry.name!r} is truncated")
        if produced != entry.size or crc != entry.crc:
            raise ArtifactError(
                f"{entry.name!r} is damaged (its length or CRC-32 is not what the directory says)"
            )

    def read(self, entry: Entry) -> bytes:
        """The whole unpacked entry; for small ones."""
        return b"".join(self.stream(entry))


def _unpack(unpacker: zlib._Decompress, packed: bytes, entry: Entry) -> Iterator[bytes]:
    """What comes out for `packed`, in pieces of at most `CHUNK` bytes."""
    while True:
        try:
            piece = unpacker.decompress(packed, CHUNK)
        except zlib.error as error:
            raise ArtifactError(f"the compressed data of {entry.name!r} is damaged ({error})") from None
        yield piece
        packed = unpacker.unconsumed_tail
        if unpacker.unused_data:
            raise ArtifactError(f"the compressed data of {entry.name!r} ends before its entry does")
        if len(piece) < CHUNK:  # a full piece may leave output inside zlib even when all input is taken
            return
