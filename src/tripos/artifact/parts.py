"""Arrays as `.npy` files inside the container, read without pickle and without trusting a header.

A part is declared in the manifest by name, dtype, shape, memory order, length and SHA-256. What its `.npy` header has to
say follows from the declaration, so the header is compared, never parsed; and the declared length has to be what dtype
and shape give and what the container holds, all of it before an array is allocated.

Source: NumPy Enhancement Proposal 1, the .npy format, version 1.0.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tripos.artifact.container import CHUNK, ContainerReader, ContainerWriter
from tripos.errors import ArtifactError

# bool, integers, floats, dates and fixed-width text; always little-endian. No object, void, bytes or long double.
DTYPE = re.compile(
    r"(\|b1|\|[iu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,8}|<[Mm]8(\[([1-9][0-9]{0,8})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)\Z"
)
_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER = 4096
_MAX_AXES = 32


@dataclass(frozen=True)
class Part:
    """The manifest's declaration of one array."""

    name: str
    dtype: str
    shape: list[int]
    order: str  # "C" or "F": kept because BLAS may sum a transposed matrix in another order
    bytes: int  # of the .npy file: header and data
    sha256: str

    @classmethod
    def declared(cls, content: Any) -> Part:
        """A declaration read from a manifest, checked by itself."""
        if not isinstance(content, dict) or set(content) != set(cls.__annotations__):
            raise ArtifactError(
                f"a part of the manifest does not have the fields {', '.join(cls.__annotations__)}"
            )
        part = cls(**content)
        texts = (part.name, part.dtype, part.order, part.sha256)
        if not all(isinstance(text, str) for text in texts) or not _is_length(part.bytes):
            raise ArtifactError("a part of the manifest has a field of the wrong type")
        if (
            not isinstance(part.shape, list)
            or not all(map(_is_length, part.shape))
            or len(part.shape) > _MAX_AXES
        ):
            raise ArtifactError(f"part {part.name!r} has no valid shape")
        if not DTYPE.match(part.dtype) or part.order not in ("C", "F"):
            raise ArtifactError(f"part {part.name!r} has dtype {part.dtype[:40]!r}, which is not allowed")
        return part

    def data_bytes(self) -> int:
        """Bytes of the array itself, by dtype and shape."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def _is_length(value: Any) -> bool:
    return type(value) is int and value >= 0


def _bytes_of(flat: np.ndarray) -> memoryview:
    """The bytes of a contiguous one-dimensional array, without a copy (dates have no buffer of their own)."""
    return flat.view(np.uint8).data if flat.size else memoryview(bytearray())


def npy_header(dtype: str, shape: tuple[int, ...], order: str) -> bytes:
    """The header of a version 1.0 `.npy` file, padded to a multiple of 64 bytes."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': {order == 'F'}, 'shape': {shape!r}, }}"
    length = len(_MAGIC) + 2 + len(text) + 1
    padded = text.encode("ascii") + b" " * (-length % 64) + b"\n"
    return _MAGIC + len(padded).to_bytes(2, "little") + padded


class PartsWriter:
    """Puts arrays into the container and keeps their declarations for the manifest."""

    def __init__(self, container: ContainerWriter) -> None:
        self.container = container
        self.parts: list[Part] = []

    def add(self, array: np.ndarray, hint: str) -> str:
        """Store an array; returns the part's name, made of a number and the attribute it belongs to."""
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        dtype = array.dtype.newbyteorder("<")
        array = array.astype(dtype, order="C" if order == "C" else "F", copy=False)
        flat = np.ascontiguousarray(array.T if order == "F" else array).reshape(-1)
        if not DTYPE.match(dtype.str):
            raise ArtifactError(f"{hint} has dtype {array.dtype}, which cannot be saved")
        header = npy_header(dtype.str, array.shape, order)
        data = _bytes_of(flat)

        def chunks() -> Iterator[bytes | memoryview]:
            yield header
            for start in range(0, len(data), CHUNK):
                yield data[start : start + CHUNK]

        digest = hashlib.sha256()
        for chunk in chunks():
            digest.update(chunk)
        plain = re.sub(r"[^A-Za-z0-9_]+", "-", hint)[-40:].strip("-")
        name = f"{len(self.parts):05d}-{plain}.npy"
        n_bytes = len(header) + len(data)
        self.container.add(name, n_bytes, chunks)
        self.parts.append(Part(name, dtype.str, list(array.shape), order, n_bytes, digest.hexdigest()))
        return name

    def declarations(self) -> list[dict[str, Any]]:
        """The manifest's list of parts."""
        return [asdict(part) for part in self.parts]


class PartsReader:
    """The arrays of a container by name; each is read once, when its owner asks for it."""

    def __init__(self, container: ContainerReader, declarations: Any) -> None:
        if not isinstance(declarations, list):
            raise ArtifactError("the manifest has no list of parts")
        self.container = container
        self.parts: dict[str, Part] = {}
        for content in declarations:
            part = Part.declared(content)
            entry = container.entries.get(part.name)
            if entry is None or part.name in self.parts:
                raise ArtifactError(f"part {part.name[:100]!r} is missing from the file or declared twice")
            if entry.size != part.bytes or not 0 < part.bytes - part.data_bytes() <= _MAX_HEADER:
                raise ArtifactError(
                    f"part {part.name!r} holds {entry.size} bytes, which dtype {part.dtype} and shape {part.shape} do not give"
                )
            self.parts[part.name] = part

    def take(self, name: Any) -> np.ndarray:
        """The array of a part; a second request for the same part is an error, so that memory stays below the file's."""
        part = self.parts.pop(name, None) if isinstance(name, str) else None
        if part is None:
            raise ArtifactError(f"part {str(name)[:100]!r} is not declared or is used twice")
        flat = self._read(part)
        _check_bits(flat, part)
        shape = tuple(part.shape)
        array = flat.reshape(shape[::-1]).T if part.order == "F" else flat.reshape(shape)
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _read(self, part: Part) -> np.ndarray:
        flat = np.empty(math.prod(part.shape), dtype=part.dtype)
        data = _bytes_of(flat)
        header_bytes = part.bytes - len(data)
        header, position, digest = b"", 0, hashlib.sha256()
        for chunk in self.container.stream(self.container.entries[part.name]):
            digest.update(chunk)
            missing = header_bytes - len(header)
            header += chunk[:missing]
            rest = memoryview(chunk)[missing:] if missing > 0 else memoryview(chunk)
            data[position : position + len(rest)] = rest
            position += len(rest)
        if digest.hexdigest() != part.sha256:
            raise ArtifactError(f"part {part.name!r} is damaged (its SHA-256 is not the manifest's)")
        expected = npy_header(part.dtype, tuple(part.shape), part.order)
        # NumPy's own files leave more blanks before the line's end; nothing else may differ
        length = len(header) - len(_MAGIC) - 2
        same_text = header[10:].rstrip(b" \n") == expected[10:].rstrip(b" \n") and header.endswith(b"\n")
        if header[:10] != _MAGIC + length.to_bytes(2, "little") or not same_text:
            raise ArtifactError(f"part {part.name!r} has a .npy header that contradicts the manifest")
        return flat

    def finish(self) -> None:
        """Raise if a declared part belongs to nothing."""
        if self.parts:
            raise ArtifactError(f"part {next(iter(self.parts))!r} belongs to no attribute")


def _check_bits(flat: np.ndarray, part: Part) -> None:
    """Refuses the bit patterns that NumPy never writes and that a kernel or `str` could trip over."""
    if flat.size == 0:
        return
    if flat.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise ArtifactError(f"part {part.name!r} holds truth values other than 0 and 1")
    if flat.dtype.kind == "U" and flat.view("<u4").max() > 0x10FFFF:
        raise ArtifactError(f"part {part.name!r} holds characters outside Unicode")
