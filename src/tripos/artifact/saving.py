"""`save`: one file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tripos
from tripos.artifact import manifest
from tripos.artifact.container import ContainerWriter
from tripos.artifact.encode import ValueEncoder
from tripos.artifact.files import atomic_write, target_file
from tripos.artifact.parts import PartsWriter
from tripos.errors import ArtifactError
from tripos.state import declares_state, is_pipeline


def save(model: Any, path: str | os.PathLike[str], *, key: bytes | str | None = None) -> Path:
    """Save a model as one file from which no code can run.

    Parameters
    ----------
    model : object
        An estimator, transformer or `Schema` of Tripos, fitted or not, or a scikit-learn `Pipeline` of them.
    path : str or path
        The file to write, under exactly this name (`.tripos` is the usual ending), or a folder: one that exists, or a
        path that ends in a separator and whose folder is then made. In a folder the file is `model.tripos`.
    key : bytes or str, optional
        Sign the file with HMAC-SHA-256 under this secret; `load` with the same key then refuses any other file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ArtifactError
        The model holds something that cannot be saved (the message names the parameter or attribute), or the
        file cannot be written (its `__cause__` is the `OSError`). An earlier file at `path` is then as it was.

    Notes
    -----
    The format is specified in docs/artifact-format.md. Attributes that begin with an underscore are caches, callbacks and
    metadata requests; they are saved only where a class declares them.

    Examples
    --------
    >>> import tempfile, tripos
    >>> from tripos import LinearRegression
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = tripos.save(model, f"{folder}/line.tripos")
    ...     tripos.load(f"{folder}/line.tripos").predict([[10.0]])
    array([21.])
    """
    if not (is_pipeline(model) or (declares_state(type(model)) and not isinstance(model, type))):
        raise ArtifactError(
            f"{type(model).__module__}.{type(model).__qualname__} cannot be saved: "
            "only objects of tripos's public classes and Pipelines of them can"
        )
    file = target_file(path)
    try:
        if os.fsdecode(path).endswith(os.sep):
            file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as stream:
            container = ContainerWriter(stream)
            parts = PartsWriter(container)
            content = {
                "format": manifest.FORMAT,
                "version": manifest.VERSION,
                "tripos": tripos.__version__,
                "model": ValueEncoder(parts).encode(model, type(model).__name__),
                "parts": parts.declarations(),
            }
            text = manifest.to_text(content)
            container.add(manifest.MANIFEST, len(text), lambda: [text])
            if key is not None:
                signature = manifest.sign(text, key)
                container.add(manifest.SIGNATURE, len(signature), lambda: [signature])
            container.close()
    except OSError as error:
        raise ArtifactError(f"{os.fsdecode(path)} could not be written: {error.strerror or error}") from error
    return file
