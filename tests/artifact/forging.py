"""What an accident does to a file, and what someone can write who knows the format."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tripos.artifact import manifest
from tripos.artifact.container import ContainerReader, ContainerWriter


def unpack(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the other entries of a saved file."""
    with open(path, "rb") as file:
        reader = ContainerReader(file, path.stat().st_size)
        entries = {name: reader.read(entry) for name, entry in reader.entries.items()}
    return json.loads(entries.pop(manifest.MANIFEST)), entries


def pack(path: Path, content: Any, entries: dict[str, bytes]) -> Path:
    """A file with this manifest and these entries, well-formed as a container; checksums as the manifest has them."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode("ascii")
    with open(path, "wb") as file:
        writer = ContainerWriter(file)
        for name, raw in {**entries, manifest.MANIFEST: text}.items():
            writer.add(name, len(raw), lambda raw=raw: [raw])
        writer.close()
    return path


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    """The bytes NumPy itself writes for an array."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=allow_pickle)
    return buffer.getvalue()


def declare(name: str, array: np.ndarray, raw: bytes) -> dict[str, Any]:
    """The manifest's line for a part, with a fresh and true checksum."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return {
        "name": name,
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "order": "F" if fortran else "C",
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def replace_array(content: dict[str, Any], entries: dict[str, bytes], name: str, array: np.ndarray) -> None:
    """Swap one part for another array, everything consistent again."""
    entries[name] = npy(array)
    parts = content["parts"]
    parts[:] = [declare(name, array, entries[name]) if part["name"] == name else part for part in parts]


def part_of(content: dict[str, Any], ending: str) -> str:
    """The name of the part whose attribute it is."""
    return next(part["name"] for part in content["parts"] if part["name"].endswith(f"-{ending}.npy"))


def damaged(raw: bytes, rng: np.random.Generator) -> bytes:
    """The file after one accident."""
    changed = bytearray(raw)
    start, stop = sorted(rng.integers(0, len(raw) + 1, 2).tolist())
    stop = min(stop, start + int(rng.integers(1, 200)))
    match rng.integers(0, 8):
        case 0 | 1 | 2:
            changed[min(start, len(raw) - 1)] ^= 1 << int(rng.integers(0, 8))
        case 3:
            changed[start:stop] = rng.bytes(stop - start)
        case 4:
            del changed[start:]
        case 5:
            del changed[start:stop]
        case 6:
            changed[start:start] = changed[start:stop]
        case 7:
            changed[start:stop] = bytes(stop - start)
    return bytes(changed)


NASTY: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**52, 1.5, -0.0, 1e308, "", "x" * 1000, "\ud800", "__class__", [], {}, [[]], [None],
    {"$": "float", "value": "nan"}, {"$": "float", "value": "-inf"}, {"$": "int", "hex": "0x8000000000000000"},
    {"$": "int", "hex": "-0x" + "f" * 4000}, {"$": "tuple", "items": [1, 2]}, {"$": "objects", "items": [1, "a", None]},
    {"$": "dtype", "name": "<f4"}, {"$": "type", "name": "float"}, {"$": "callable", "name": "f"}, {"$": "array", "part": "x"},
    {"$": "scalar", "dtype": "<f4", "value": 1e300}, {"$": "object", "class": "Line", "params": {}, "state": {}},
    {"$": "object", "class": "Encoder", "params": {}, "state": {}}, {"$": "pipeline", "steps": [], "params": {}},
]  # fmt: skip


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [place for key in keys for place in [(node, key), *places(node[key])]]


def forge_manifest(content: dict[str, Any], rng: np.random.Generator) -> None:
    """One change somewhere below the model."""
    every = places(content["model"])
    container, key = every[rng.integers(len(every))]
    other, other_key = every[rng.integers(len(every))]
    match rng.integers(0, 6):
        case 0 | 1:
            container[key] = copy.deepcopy(NASTY[rng.integers(len(NASTY))])
        case 2:
            del container[key]
        case 3:
            container[key] = copy.deepcopy(other[other_key])
        case 4 if isinstance(container, dict):
            container[str(rng.choice(["extra", "n_iter_", "predict", "$", "coef_"]))] = container.pop(key)
        case _:
            value = container[key]
            container[key] = (
                value * 2 if isinstance(value, (list, str, int, float)) else copy.deepcopy(other[other_key])
            )


def forge_array(content: dict[str, Any], entries: dict[str, bytes], rng: np.random.Generator) -> None:
    """One part becomes another array, with a fresh checksum."""
    name = str(rng.choice([part["name"] for part in content["parts"]]))
    array = np.lib.format.read_array(io.BytesIO(entries[name])).copy()
    flat = array.reshape(-1)
    extremes: list[Any] = [
        0,
        1,
        -1,
        2**31 - 1,
        2**63 - 1,
        -(2**63),
        1e308,
        -1e308,
        5e-324,
        np.nan,
        np.inf,
        255,
    ]
    match rng.integers(0, 9):
        case 0 | 1 | 2 if flat.size and array.dtype.kind in "iuf":
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                flat[rng.integers(flat.size)] = np.array(extremes[rng.integers(len(extremes))]).astype(
                    array.dtype
                )
        case 3:
            array = array[: rng.integers(0, len(array) + 1)] if array.ndim else array.reshape(1)
        case 4:
            array = (
                np.concatenate([flat, flat[: rng.integers(0, 3)]]) if rng.random() < 0.5 else array[..., None]
            )
        case 5:
            array = np.ascontiguousarray(array.T) if rng.random() < 0.5 else np.asfortranarray(array)
        case 6:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dtypes = ["f4", "f8", "i4", "i8", "u1", "?", "f2"]
                array = array.astype(str(rng.choice(dtypes))) if array.dtype.kind in "iufb" else np.zeros(2)
        case 7 if flat.size and array.dtype.kind in "iuf":
            raw = bytearray(array.tobytes())
            for place in rng.integers(0, len(raw), 3):
                raw[place] = int(rng.integers(256))
            array = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)
        case _:
            array = np.lib.format.read_array(
                io.BytesIO(entries[str(rng.choice([p["name"] for p in content["parts"]]))])
            )
    replace_array(content, entries, name, array)
