"""`load`: everything is checked before it is used, and every problem is an `ArtifactError`."""

from __future__ import annotations

import importlib
import os
from typing import Any, BinaryIO

from tripos import _public
from tripos.artifact import manifest
from tripos.artifact.container import ContainerReader
from tripos.artifact.decode import ValueDecoder, require_memory
from tripos.artifact.files import open_plain, target_file
from tripos.artifact.parts import PartsReader
from tripos.errors import ArtifactError

_OBJECTS = 48  # bytes of Python objects that a byte of JSON becomes at worst (dicts of short keys), measured
_FIELDS = {"format", "version", "tripos", "model", "parts"}


def load(path: str | os.PathLike[str], *, key: bytes | str | None = None) -> Any:
    """Load a model that `save` wrote, or one that LightGBM or XGBoost saved. No code from the file runs, whoever made it.

    Parameters
    ----------
    path : str or path
        The file, or the folder that holds it as `model.tripos`. LightGBM's text and JSON (`dump_model`) and XGBoost's JSON
        and UBJSON are read as `LoadedTreesClassifier` or `LoadedTreesRegressor`.
    key : bytes or str, optional
        Refuse a file that was not signed with this secret. Without it a signature in the file is not looked at.

    Returns
    -------
    object
        The model, with predictions equal to the saved one's bit for bit.

    Raises
    ------
    ArtifactError
        There is no such file; or it is truncated, altered, foreign, of a newer version, signed with another key, larger than
        the free memory; or it describes a model that its class does not accept.
    """
    file = target_file(path)
    try:
        with open_plain(file) as (stream, size):
            return _read(stream, size, key)
    except ArtifactError as error:
        raise ArtifactError(f"{file} cannot be loaded: {_short(error)}") from error.__cause__
    except OSError as error:
        raise ArtifactError(f"{file} cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise ArtifactError(f"{file} cannot be loaded: it needs more memory than is free") from error
    except Exception as error:  # NumPy and SciPy raise what they like on values that nobody meant to exist
        raise ArtifactError(f"{file} cannot be loaded: {type(error).__name__}: {_short(error)}") from error


def _short(error: Exception, length: int = 600) -> str:
    """The message, cut where a file put a novel into it."""
    text = str(error)
    return text if len(text) <= length else text[:length] + " ..."


def _read(stream: BinaryIO, size: int, key: bytes | str | None) -> Any:
    head = stream.read(8)
    stream.seek(0)
    reader = next((module for start, module in _public.READERS.items() if head.startswith(start)), None)
    if reader is not None:
        if key is not None:
            raise ArtifactError(
                "it is a model file of another library, which is not signed, and a key was given"
            )
        return importlib.import_module(reader).read(stream, size)
    container = ContainerReader(stream, size)
    content = _manifest(container, key)
    require_memory(sum(entry.size for entry in container.entries.values()), "the model")
    parts = PartsReader(container, content["parts"])
    extra = container.entries.keys() - parts.parts.keys() - {manifest.MANIFEST, manifest.SIGNATURE}
    if extra:
        raise ArtifactError(f"the file holds {min(extra)!r}, which its manifest does not declare")
    node = content["model"]
    if not isinstance(node, dict) or node.get("$") not in ("object", "pipeline"):
        raise ArtifactError("the manifest describes no model")
    model = ValueDecoder(parts).decode(node)
    parts.finish()
    return model


def _manifest(container: ContainerReader, key: bytes | str | None) -> dict[str, Any]:
    """The manifest's content: signature first, then syntax, then version, then fields."""
    entry = container.entries.get(manifest.MANIFEST)
    if entry is None:
        raise ArtifactError("it is a zip file without a manifest.json: not a saved model of tripos")
    if entry.size > manifest.MAX_BYTES:
        raise ArtifactError(f"the manifest has {entry.size} bytes, more than {manifest.MAX_BYTES}")
    require_memory(_OBJECTS * entry.size, "the manifest")
    text = container.read(entry)
    if key is not None:
        manifest.check_signature(text, _signature(container), key)
    content = manifest.from_text(text)
    if not isinstance(content, dict) or content.get("format") != manifest.FORMAT:
        raise ArtifactError("its manifest is not that of a saved model of tripos")
    version = content.get("version")
    if type(version) is int and version > manifest.VERSION:
        writer = str(content.get("tripos"))[:40]
        raise ArtifactError(
            f"it has format version {version}, written by tripos {writer}; this tripos reads version "
            f"{manifest.VERSION}: update tripos to load it"
        )
    if type(version) is not int or version != manifest.VERSION or set(content) != _FIELDS:
        raise ArtifactError(f"its manifest does not have the fields of format version {manifest.VERSION}")
    return content


def _signature(container: ContainerReader) -> bytes:
    entry = container.entries.get(manifest.SIGNATURE)
    if entry is None:
        raise ArtifactError("it is not signed, and a key was given")
    if entry.size != 64:
        raise ArtifactError("its signature is not 64 characters long")
    return container.read(entry)
