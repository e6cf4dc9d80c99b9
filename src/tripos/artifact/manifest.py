"""The manifest's text: JSON with one reading, bounded before it is parsed.

ASCII only, no key twice, no NaN or Infinity tokens, numbers of at most 40 characters, at most `MAX_BYTES` bytes,
`MAX_BRACKETS` lists and objects, `MAX_DEPTH` of them inside one another. A number without fraction and exponent is an
integer of magnitude below 2**53, any other a float64.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from typing import Any, NoReturn

from tripos.errors import ArtifactError

FORMAT = "tripos-artifact"
VERSION = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.hmac"
MAX_BYTES = 1 << 24
MAX_BRACKETS = 1 << 20
MAX_DEPTH = 128
SAFE_INTEGER = (
    1 << 53
)  # what every JSON implementation reads exactly; beyond it integers are written as hex text


def to_text(content: dict[str, Any]) -> bytes:
    """The bytes of a manifest."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_BYTES:
        raise ArtifactError(
            f"the settings and names take {len(text)} bytes, more than the {MAX_BYTES} of a manifest"
        )
    return text


def from_text(text: bytes) -> Any:
    """The content of a manifest; every deviation from the rules above is an `ArtifactError`."""
    if len(text) > MAX_BYTES:
        raise ArtifactError(f"the manifest has {len(text)} bytes, more than {MAX_BYTES}")
    _check_nesting(text)
    try:
        return json.loads(
            text.decode("ascii"),
            object_pairs_hook=_unique_keys,
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"the manifest is not valid JSON ({error})") from None


def sign(text: bytes, key: bytes | str) -> bytes:
    """The HMAC-SHA-256 of a manifest under a key, in lower-case hexadecimal."""
    secret = key.encode() if isinstance(key, str) else bytes(key)
    if not secret:
        raise ArtifactError("the key is empty; give the bytes or the text it was saved with")
    return hmac.new(secret, text, hashlib.sha256).hexdigest().encode("ascii")


def check_signature(text: bytes, signature: bytes, key: bytes | str) -> None:
    """Raise unless `signature` is the manifest's under `key`; takes the same time wherever they differ."""
    if not hmac.compare_digest(sign(text, key), signature):
        raise ArtifactError("the signature does not match: the file was altered, or saved with another key")


def _check_nesting(text: bytes) -> None:
    """Counts brackets outside of strings: what is left after dropping escapes and every second piece between quotes."""
    outside = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    n_brackets = outside.count(b"[") + outside.count(b"{")
    if n_brackets > MAX_BRACKETS:
        raise ArtifactError(f"the manifest holds {n_brackets} lists and objects, more than {MAX_BRACKETS}")
    depth = 0
    for character in outside:
        if character in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ArtifactError(f"the manifest is nested more than {MAX_DEPTH} deep")
        elif character in b"]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ArtifactError("the manifest has an object with the same key twice")
    return content


def _parse_int(token: str) -> int:
    value = int(token) if len(token) <= 40 else SAFE_INTEGER
    if abs(value) >= SAFE_INTEGER:
        raise ArtifactError(f"the manifest holds the integer {token[:40]}, too large for a plain number")
    return value


def _parse_float(token: str) -> float:
    value = float(token) if len(token) <= 40 else math.inf
    if not math.isfinite(value):
        raise ArtifactError(
            f"the manifest holds the number {token[:40]}, too long or too large for a float64"
        )
    return value


def _refuse_constant(token: str) -> NoReturn:
    raise ArtifactError(f"the manifest holds the token {token}, which is not JSON")
