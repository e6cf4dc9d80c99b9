"""The zip around an artifact has exactly one reading; every other zip is refused before anything is unpacked."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from tripos.artifact import container
from tripos.artifact.container import ContainerReader, ContainerWriter, Entry
from tripos.errors import ArtifactError

CONTENT = {"a.npy": b"x" * 5000, "b.npy": os.urandom(3000), "c.json": b"", "d.json": b"{}"}


def written(content: dict[str, bytes] = CONTENT) -> bytes:
    file = io.BytesIO()
    writer = ContainerWriter(file)
    for name, raw in content.items():
        writer.add(name, len(raw), lambda raw=raw: [raw[:100], raw[100:]])
    writer.close()
    return file.getvalue()


def read(raw: bytes) -> dict[str, bytes]:
    reader = ContainerReader(io.BytesIO(raw), len(raw))
    return {name: reader.read(entry) for name, entry in reader.entries.items()}


def foreign(compression: int = zipfile.ZIP_STORED, comment: bytes = b"", **content: bytes) -> bytes:
    """A zip by another writer."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.comment = comment
        for name, raw in content.items():
            archive.writestr(name, raw)
    return file.getvalue()


def test_what_was_written_is_read():
    assert read(written()) == CONTENT


def test_python_reads_the_same_entries():
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENT
        assert [info.compress_type for info in archive.infolist()] == [8, 0, 0, 0]


@pytest.mark.parametrize("large", [1, 1000, 4000, 6000])
def test_entries_beyond_four_gigabytes_use_zip64_as_python_does(large, monkeypatch):
    monkeypatch.setattr(container, "_LARGE", large)  # stands for 4 GiB, so that the test needs no such file
    raw = written()
    assert read(raw) == CONTENT
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENT


def test_sizes_in_zip64_that_need_none_are_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(container, "_LARGE", 1000)
        raw = written()
    with pytest.raises(ArtifactError):
        read(raw)


def test_every_byte_of_the_records_matters():
    raw = written()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        data = set()
        for info in archive.infolist():
            start = info.header_offset + 30 + len(info.filename)
            data |= set(range(start, start + info.compress_size))
    for position in sorted(set(range(len(raw))) - data):
        changed = bytearray(raw)
        changed[position] ^= 1 << (position % 8)
        with pytest.raises(ArtifactError):
            read(bytes(changed))


def test_a_change_of_the_data_is_seen_without_any_manifest():
    raw = written()
    for position in range(40, 3000, 7):
        changed = bytearray(raw)
        changed[position] ^= 0x10
        try:
            found = read(bytes(changed))
        except ArtifactError:
            continue
        assert found == CONTENT  # the flip hit bits that deflate does not use


@pytest.mark.parametrize("length", [0, 1, 21, 22, 100, 3000])
def test_a_truncated_file_is_refused(length):
    with pytest.raises(ArtifactError):
        read(written()[:length])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (written() + b"\0", "not a saved model, or is truncated"),
        (b"\0" + written(), "end record does not fit the file"),
        (written() + written(), "end record does not fit the file"),
        (foreign(comment=b"hello", **{"a": b"1"}), "not a saved model, or is truncated"),
        (foreign(**{"../a": b"1"}), "entry name b'../a' is not allowed"),
        (foreign(**{"/etc/passwd": b"1"}), "is not allowed"),
        (foreign(**{"a/b": b"1"}), "is not allowed"),
        (foreign(**{"a\\b": b"1"}), "is not allowed"),
        (foreign(**{"C:a": b"1"}), "is not allowed"),
        (foreign(**{".hidden": b"1"}), "is not allowed"),
        (foreign(**{"größe": b"1"}), "is not allowed"),
        (foreign(**{"a" * 200: b"1"}), "is not allowed"),
        (foreign(**{"a": b"1"}), "features outside format version 1"),
        (foreign(zipfile.ZIP_BZIP2, **{"a": b"1" * 1000}), "features outside format version 1"),
        (foreign(zipfile.ZIP_LZMA, **{"a": b"1" * 1000}), "features outside format version 1"),
        (b"%PDF-1.7" * 10, "not a saved model"),
        (b"", "too short"),
    ],
    ids=lambda item: item if isinstance(item, str) else f"{len(item)} bytes",
)
def test_foreign_zips_are_refused(raw, message):
    with pytest.raises(ArtifactError, match=message):
        read(raw)


def assembled(
    entries: list[tuple[Entry, bytes]], *, local: dict[int, bytes] | None = None, gap: bytes = b""
) -> bytes:
    """A container from entries as they say, consistent or not."""
    body, directory = b"", b""
    for i, (entry, data) in enumerate(entries):
        body += (local or {}).get(i, entry.local()) + data + gap
        directory += entry.central()
    return body + directory + container._end_records(len(entries), len(directory), len(body))


def entry(name: str, data: bytes, *, method: int = 0, size: int | None = None, offset: int = 0) -> Entry:
    return Entry(name, method, zlib.crc32(data), len(data), len(data) if size is None else size, offset)


def test_two_entries_of_one_name_are_refused():
    first = entry("a", b"1")
    second = entry("a", b"2", offset=len(first.local()) + 1)
    with pytest.raises(ArtifactError, match="stands twice"):
        read(assembled([(first, b"1"), (second, b"2")]))


def test_bytes_between_entries_are_refused():
    with pytest.raises(ArtifactError, match="does not account for every byte"):
        read(assembled([(entry("a", b"1"), b"1")], gap=b"hidden"))


def test_overlapping_entries_are_refused():
    first = entry("a", b"11")
    overlapping = entry("b", b"11", offset=0)
    with pytest.raises(ArtifactError, match="features outside format version 1"):
        read(assembled([(first, b"11"), (overlapping, b"")]))


def test_a_header_that_contradicts_the_directory_is_refused():
    told, hidden = entry("a", b"1"), entry("b", b"1")
    with pytest.raises(ArtifactError, match="header of 'a' contradicts the directory"):
        read(assembled([(told, b"1")], local={0: hidden.local()}))


@pytest.mark.parametrize(
    ("field", "value"), [(2, 1), (2, 8), (2, 0x800), (12, 1), (14, 0o120777 << 16), (14, 16)], ids=str
)
def test_encrypted_streamed_and_linked_entries_are_refused(field, value):
    raw = bytearray(written({"a": b"1"}))
    at = raw.index(b"PK\1\2")
    fields = list(struct.unpack_from("<4s6H3I5H2I", raw, at))
    fields[{2: 3, 12: 12, 14: 15}[field]] = value
    raw[at : at + 46] = struct.pack("<4s6H3I5H2I", *fields)
    with pytest.raises(ArtifactError, match="features outside format version 1"):
        read(bytes(raw))


def bomb(n_bytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20)) + packer.flush()


def test_an_entry_that_declares_too_large_an_expansion_is_refused():
    packed = bomb(64 << 20)
    with pytest.raises(ArtifactError, match="would expand from"):
        read(assembled([(entry("a", packed, method=8, size=64 << 20), packed)]))


def test_an_entry_that_unpacks_to_more_than_it_declares_is_stopped():
    packed = bomb(64 << 20)
    raw = assembled([(entry("a", packed, method=8, size=1000), packed)])
    tracemalloc.start()
    with pytest.raises(ArtifactError, match="unpacks to more than the 1000 bytes"):
        read(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_an_entry_that_declares_more_than_any_memory_is_refused():
    with pytest.raises(ArtifactError, match="would expand from"):
        read(assembled([(entry("a", b"xx", method=8, size=2**63), b"xx")]))


def test_more_entries_than_the_limit_are_refused_before_they_are_read():
    raw = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 0, 0, 0)
    with pytest.raises(ArtifactError, match="end record does not fit"):
        read(raw)


def test_compressed_data_with_something_behind_it_is_refused():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"x" * 100) + packer.flush() + b"hidden"
    with pytest.raises(ArtifactError, match="ends before its entry does"):
        read(assembled([(Entry("a", 8, zlib.crc32(b"x" * 100), len(packed), 100, 0), packed)]))


def test_zeros_are_stored_rather_than_packed_beyond_the_allowed_expansion(monkeypatch):
    monkeypatch.setattr(container, "MAX_EXPANSION", 100)
    zeros = bytes(4 << 20)
    raw = written({"zeros": zeros})
    assert len(raw) > len(zeros)
    assert read(raw) == {"zeros": zeros}


def test_outputs_that_fill_the_buffer_exactly_come_out_whole():
    rng = np.random.default_rng(0)
    for n_bytes in (container.CHUNK - 1, container.CHUNK, container.CHUNK + 1, 3 * container.CHUNK):
        data = rng.integers(0, 3, n_bytes, dtype=np.uint8).tobytes()
        assert read(written({"a": data})) == {"a": data}
