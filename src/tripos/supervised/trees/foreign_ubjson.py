"""Universal Binary JSON, as far as model files use it: bounded, and without recursion.

Numbers are big-endian after a letter for their type; `[$d#L` begins an array of float32 with a count of 64 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.errors import ArtifactError

INTEGERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
FLOATS = {b"d": ">f4", b"D": ">f8"}
NUMBERS = {letter: np.dtype(kind) for letter, kind in (INTEGERS | FLOATS).items()}
MAX_DEPTH = 64
MAX_VALUES = 1 << 24  # beside those in typed arrays


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.values = data, 0, 0

    def take(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise ArtifactError("the file ends in the middle of a value")
        found = self.data[self.at : self.at + n]
        self.at += n
        return found

    def letter(self) -> bytes:
        found = self.take(1)
        while found == b"N":
            found = self.take(1)
        return found

    def next_is(self, letter: bytes) -> bool:
        return self.data[self.at : self.at + 1] == letter

    def integer(self, letter: bytes | None = None) -> int:
        letter = self.letter() if letter is None else letter
        if letter not in INTEGERS:
            raise ArtifactError(f"a length is of type {letter!r}")
        kind = NUMBERS[letter]
        return int(np.frombuffer(self.take(kind.itemsize), kind)[0])

    def text(self) -> str:
        return self.take(self.integer()).decode("utf-8", errors="replace")

    def plain(self, letter: bytes) -> Any:
        """A value that holds no others."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise ArtifactError(f"the file has more than {MAX_VALUES} values")
        if letter in NUMBERS:
            kind = NUMBERS[letter]
            return np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        if letter == b"S":
            return self.text()
        if letter == b"C":
            return self.take(1).decode("latin-1")
        simple = {b"Z": None, b"T": True, b"F": False}
        if letter in simple:
            return simple[letter]
        raise ArtifactError(f"a value is of the unknown type {letter!r}")

    def typed_array(self) -> np.ndarray | None:
        """The array after `[`, where it is one of numbers with a type and a count."""
        if not self.next_is(b"$"):
            return None
        self.take(1)
        letter = self.take(1)
        if letter not in NUMBERS or self.take(1) != b"#":
            raise ArtifactError("a typed array is not one of numbers with a count")
        n, kind = self.integer(), NUMBERS[letter]
        return np.frombuffer(self.take(n * kind.itemsize), kind).astype(kind.newbyteorder("="))


def loads(data: bytes) -> Any:
    """The value in `data`: dicts, lists, numbers, texts, and arrays for typed lists of numbers."""
    cursor = _Cursor(data)
    holder: list[Any] = []
    # an open container, the number of values it still waits for (-1: until it is closed), and its keys so far
    stack: list[tuple[Any, int]] = [(holder, 1)]
    while stack:
        container, left = stack.pop()
        if left == 0:
            continue
        closing = b"}" if isinstance(container, dict) else b"]"
        if left < 0 and cursor.next_is(closing):
            cursor.take(1)
            continue
        key = cursor.text() if isinstance(container, dict) else None
        letter = cursor.letter()
        stack.append((container, left - 1 if left > 0 else left))
        value: Any
        if letter == b"[" and (array := cursor.typed_array()) is not None:
            value = array
        elif letter in (b"[", b"{"):
            value = [] if letter == b"[" else {}
            count = -1
            if cursor.next_is(b"#"):
                cursor.take(1)
                count = cursor.integer()
            if count < -1 or len(stack) > MAX_DEPTH:
                raise ArtifactError(
                    f"a list has a negative length, or values are nested more than {MAX_DEPTH} deep"
                )
            stack.append((value, count))
        else:
            value = cursor.plain(letter)
        if key is None:
            container.append(value)
        else:
            container[key] = value
    return holder[0]
