"""From the manifest's values back to objects, trusting nothing: the mirror of `encode`.

An object is made by its class's own constructor from the parameters, which the class's constraints validate; its state
is checked against the class's specs and by `_check_state()` before anything can be computed with it; `_after_load()`
then rebuilds what was not saved.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tripos.artifact.classes import OUTPUT, TYPES, check_parameters, find_callable, find_class
from tripos.artifact.encode import MAX_HEX, MAX_OBJECTS, check_state
from tripos.artifact.manifest import SAFE_INTEGER
from tripos.artifact.parts import DTYPE, PartsReader
from tripos.compute.budget import free_memory, readable_bytes
from tripos.errors import ArtifactError

_HEX = re.compile(r"-?0x[0-9a-f]+\Z")
_STR_BYTES = 64  # what a Python string takes beside its characters, and its place in an array


class ValueDecoder:
    """Reads values from JSON and their arrays from parts."""

    def __init__(self, parts: PartsReader) -> None:
        self.parts = parts
        self._tags: dict[str, tuple[set[str], Callable[[dict[str, Any]], Any]]] = {
            "int": ({"hex"}, _integer),
            "float": ({"value"}, _special_float),
            "scalar": ({"dtype", "value"}, self._scalar),
            "dtype": ({"name"}, _dtype),
            "type": ({"name"}, _type),
            "tuple": ({"items"}, lambda node: tuple(self._items(node))),
            "dict": ({"items"}, self._dict),
            "array": ({"part"}, lambda node: self.parts.take(node["part"])),
            "strings": ({"dtype", "bytes", "offsets"}, self._strings),
            "objects": ({"items"}, self._objects),
            "sparse": ({"format", "matrix", "shape", "data", "indices", "indptr"}, self._sparse),
            "callable": ({"name"}, lambda node: find_callable(node["name"])),
            "object": ({"class", "params", "state"}, self._object),
            "pipeline": ({"steps", "params"}, self._pipeline),
        }

    def decode(self, node: Any) -> Any:
        """The value of a JSON node; its depth is bounded by the manifest's."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$" not in node:
            return {key: self.decode(item) for key, item in node.items()}
        tag = node["$"]
        if not isinstance(tag, str) or tag not in self._tags:
            raise ArtifactError(f"the manifest holds a value of the unknown kind {str(tag)[:60]!r}")
        fields, read = self._tags[tag]
        if set(node) != {"$", *fields}:
            raise ArtifactError(
                f"a value of kind {tag!r} in the manifest has not the fields {', '.join(sorted(fields))}"
            )
        return read(node)

    def _items(self, node: dict[str, Any]) -> list[Any]:
        if not isinstance(node["items"], list):
            raise ArtifactError(f"a value of kind {node['$']!r} in the manifest has no list of items")
        return [self.decode(item) for item in node["items"]]

    def _dict(self, node: dict[str, Any]) -> dict[Any, Any]:
        pairs = self._items(node)
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise ArtifactError("a dict in the manifest has an item that is not a pair")
        try:
            return dict(pairs)
        except TypeError:
            raise ArtifactError("a dict in the manifest has a key that cannot be one") from None

    def _scalar(self, node: dict[str, Any]) -> np.generic:
        value = self.decode(node["value"])
        if node["dtype"] == "<U" and isinstance(value, str):
            return np.str_(value)
        dtype = _dtype({"name": node["dtype"]})
        allowed = {"b": bool, "f": float}.get(dtype.kind, int)
        if dtype.kind == "U" or type(value) is not allowed:
            raise ArtifactError(f"a NumPy scalar in the manifest is {type(value).__name__}, not {dtype}")
        with np.errstate(over="ignore"):
            plain = np.dtype(np.int64) if dtype.kind in "Mm" else dtype
            exact = np.array(value, dtype=plain)
        if exact.item() != value and value == value:
            raise ArtifactError(f"a NumPy scalar in the manifest is {value}, which {dtype} cannot hold")
        return exact.view(dtype).reshape(1)[0]  # type: ignore[no-any-return]

    def _strings(self, node: dict[str, Any]) -> np.ndarray:
        text, offsets = self.parts.take(node["bytes"]), self.parts.take(node["offsets"])
        dtypes: dict[Any, Any] = {"object": np.dtype(object), "string": np.dtypes.StringDType()}
        valid = text.ndim == offsets.ndim == 1 and text.dtype == np.uint8 and offsets.dtype == np.int64
        if (
            not valid
            or len(offsets) == 0
            or offsets[0] != 0
            or offsets[-1] != len(text)
            or node["dtype"] not in dtypes
        ):
            raise ArtifactError("an array of strings in the file has offsets that do not fit its bytes")
        if np.any(np.diff(offsets) < 0):
            raise ArtifactError("an array of strings in the file has offsets that run backwards")
        require_memory(len(offsets) * _STR_BYTES + 4 * len(text), "an array of strings")
        data, places = text.tobytes(), offsets.tolist()
        found = np.empty(len(places) - 1, dtype=dtypes[node["dtype"]])
        for i, (start, stop) in enumerate(zip(places, places[1:])):
            found[i] = data[start:stop].decode("utf-8", "surrogatepass")
        return found

    def _objects(self, node: dict[str, Any]) -> np.ndarray:
        items = self._items(node)
        scalars = (type(None), bool, int, float, str, np.generic)
        if len(items) > MAX_OBJECTS or not all(isinstance(item, scalars) for item in items):
            raise ArtifactError("an array of mixed cells in the manifest holds something that is no scalar")
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array

    def _sparse(self, node: dict[str, Any]) -> Any:
        import scipy.sparse as sp

        classes = {
            ("csr", True): sp.csr_matrix,
            ("csc", True): sp.csc_matrix,
            ("csr", False): sp.csr_array,
            ("csc", False): sp.csc_array,
        }
        cls = classes.get((str(node["format"]), node["matrix"] is True))
        shape = node["shape"]
        if (
            cls is None
            or not isinstance(shape, list)
            or len(shape) != 2
            or not all(type(n) is int for n in shape)
        ):
            raise ArtifactError("a sparse matrix in the manifest has no valid format or shape")
        data, indices, indptr = (self.parts.take(node[name]) for name in ("data", "indices", "indptr"))
        _check_compressed(data, indices, indptr, shape if node["format"] == "csr" else shape[::-1])
        matrix = cls((data, indices, indptr), shape=tuple(shape))
        matrix.check_format(full_check=True)
        return matrix

    def _object(self, node: dict[str, Any]) -> Any:
        cls = find_class(node["class"])
        params, state = self._values(node["params"]), self._values(node["state"])
        try:
            instance = _construct(cls, params)
            check_state(state, instance)
            if hasattr(instance, "_load_state"):
                instance._load_state(state)
            else:
                for name, value in state.items():
                    object.__setattr__(instance, name, value)  # frozen dataclasses refuse setattr
            for hook in ("_check_state", "_after_load") if state.keys() - {OUTPUT} else ():
                getattr(instance, hook, _nothing)()
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(f"{cls.__name__}: {error}") from error
        return instance

    def _values(self, node: Any) -> dict[str, Any]:
        if not isinstance(node, dict) or "$" in node:
            raise ArtifactError("an object in the manifest has no dict of parameters or state")
        return {name: self.decode(value) for name, value in node.items()}

    def _pipeline(self, node: dict[str, Any]) -> Any:
        from sklearn.pipeline import Pipeline

        params, steps = self._values(node["params"]), []
        if not isinstance(node["steps"], list):
            raise ArtifactError("a Pipeline in the manifest has no list of steps")
        for step in node["steps"]:
            if not isinstance(step, list) or len(step) != 2 or not isinstance(step[0], str):
                raise ArtifactError("a Pipeline in the manifest has a step that is not a name and an object")
            is_object = isinstance(step[1], dict) and step[1].get("$") in ("object", "pipeline")
            if not is_object and step[1] not in (None, "passthrough"):
                raise ArtifactError(f"step {step[0][:60]!r} of a Pipeline in the manifest is not an object")
            steps.append((step[0], self.decode(step[1])))
        if params.keys() & {"memory", "steps"}:
            raise ArtifactError("a Pipeline in the manifest names a cache folder, which no file may choose")
        try:
            pipeline = _construct(Pipeline, {"steps": steps, **params})
            pipeline._validate_steps()
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"Pipeline: {error}") from error
        return pipeline


def _nothing() -> None:
    """What a class without the hook does."""


def _construct(cls: type, params: dict[str, Any]) -> Any:
    """An instance from its parameters; one the file does not mention keeps the constructor's default."""
    if not hasattr(cls, "get_params"):
        if params:
            raise ArtifactError(
                f"{cls.__name__} takes no parameters, the file gives {next(iter(params))[:60]!r}"
            )
        return object.__new__(cls)
    known = {*inspect.signature(cls).parameters}
    unknown = sorted(params.keys() - known)
    if unknown:
        raise ArtifactError(f"{cls.__name__} has no parameter {unknown[0][:60]!r}")
    instance = cls(**params)
    check_parameters(instance)
    return instance


def require_memory(n_bytes: int, what: str) -> None:
    """Raise when `what` needs more memory than is free."""
    free = free_memory()
    if n_bytes > free:
        raise ArtifactError(
            f"{what} needs {readable_bytes(n_bytes)}, but {readable_bytes(free)} of memory is free"
        )


def _check_compressed(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: list[int]) -> None:
    """Row pointers that rise from 0 to the number of values, and indices inside the other axis."""
    one_axis = data.ndim == indices.ndim == indptr.ndim == 1
    integers = indices.dtype == indptr.dtype and indptr.dtype in (np.int32, np.int64)
    if not one_axis or not integers or data.dtype.kind not in "biuf" or min(shape) < 0:
        raise ArtifactError("a sparse matrix in the file has arrays of the wrong dtype or number of axes")
    fits = len(indptr) == shape[0] + 1 and len(data) == len(indices)
    if not fits or indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise ArtifactError("a sparse matrix in the file has row pointers that do not fit its values")
    if len(indices) and not (indices.min() >= 0 and indices.max() < shape[1]):
        raise ArtifactError("a sparse matrix in the file has indices outside its shape")


def _integer(node: dict[str, Any]) -> int:
    digits = node["hex"]
    if not isinstance(digits, str) or len(digits) > MAX_HEX or not _HEX.match(digits):
        raise ArtifactError("an integer in the manifest is not hexadecimal text")
    value = int(digits, 16)
    if abs(value) < SAFE_INTEGER:
        raise ArtifactError("a small integer in the manifest is written as text")
    return value


def _special_float(node: dict[str, Any]) -> float:
    if node["value"] not in ("nan", "inf", "-inf"):
        raise ArtifactError("a float in the manifest is written as text that is not nan, inf or -inf")
    return float(node["value"])


def _dtype(node: dict[str, Any]) -> np.dtype:
    name = node["name"]
    if not isinstance(name, str) or not DTYPE.match(name):
        raise ArtifactError(f"the manifest names the dtype {str(name)[:40]!r}, which is not allowed")
    return np.dtype(name).newbyteorder("=")


def _type(node: dict[str, Any]) -> type:
    if not isinstance(node["name"], str) or node["name"] not in TYPES:
        raise ArtifactError(f"the manifest names the type {str(node['name'])[:40]!r}, which is not allowed")
    return TYPES[node["name"]]
