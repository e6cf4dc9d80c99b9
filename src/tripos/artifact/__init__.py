"""Saving and loading: one safe file per model, format version 1 (docs/artifact-format.md).

The rooms, from the outside in: `files` (atomic write, opening), `container` (the strict zip), `manifest`
(the JSON text), `parts` (arrays as .npy), `classes` (what may be loaded), `encode` and `decode` (values), and
`saving` and `loading`, which put them in order.
"""

from tripos.artifact.classes import register_callable
from tripos.artifact.files import atomic_write
from tripos.artifact.loading import load
from tripos.artifact.saving import save

__all__ = ["atomic_write", "load", "register_callable", "save"]
