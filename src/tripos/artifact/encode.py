"""From an object to the manifest's values: plain JSON where JSON says the same, tagged objects where it does not.

Every tagged value is a JSON object with the key "$"; docs/artifact-format.md lists them. The type of a value decides how
it is written, never its class's name alone, and a type that is not listed is an error that names the parameter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tripos.artifact.classes import (
    OUTPUT,
    TYPES,
    check_output,
    check_parameters,
    find_class,
    name_of_callable,
    parameters_of,
    specs_of,
)
from tripos.artifact.manifest import MAX_DEPTH, SAFE_INTEGER
from tripos.artifact.parts import PartsWriter
from tripos.errors import ArtifactError
from tripos.state import check, declares_state, is_pipeline, is_sparse

MAX_HEX = 4096  # digits of an integer: far beyond any setting, and read in no time
MAX_OBJECTS = 100_000  # cells of an array of mixed objects, which stand in the manifest one by one


class ValueEncoder:
    """Writes values as JSON and their arrays as parts."""

    def __init__(self, parts: PartsWriter) -> None:
        self.parts = parts
        self._open: list[int] = []  # the containers around the current value, to see a cycle

    def encode(self, value: Any, where: str) -> Any:
        """The JSON form of `value`; `where` names it in messages."""
        if value is None or type(value) in (bool, str, int, float):
            return _plain(value, where)
        if isinstance(value, np.generic):
            return _scalar(value, where)
        if isinstance(value, np.dtype):
            return {"$": "dtype", "name": self._numeric(value.newbyteorder("<").str, where)}
        if isinstance(value, type):
            return self._type(value, where)
        if id(value) in self._open:
            raise ArtifactError(f"{where} contains itself")
        if len(self._open) >= MAX_DEPTH // 3:  # a value takes up to three levels of JSON
            raise ArtifactError(f"{where} is nested too deep to be saved")
        self._open.append(id(value))
        try:
            return self._container(value, where)
        finally:
            self._open.pop()

    def _container(self, value: Any, where: str) -> Any:
        if type(value) is list:
            return [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if type(value) is tuple:
            return {
                "$": "tuple",
                "items": [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)],
            }
        if type(value) is dict:
            return self._dict(value, where)
        if type(value) in (np.ndarray, np.memmap):
            return self._array(value, where)
        if is_sparse(value):
            return self._sparse(value, where)
        if is_pipeline(value):
            return self._pipeline(value, where)
        if declares_state(type(value)):
            return self._object(value, where)
        name = name_of_callable(value)
        if name is not None:
            return {"$": "callable", "name": name}
        raise _unknown(value, where)

    def _dict(self, value: dict[Any, Any], where: str) -> Any:
        if all(type(key) is str for key in value) and "$" not in value:
            return {key: self.encode(item, f"{where}[{key!r}]") for key, item in value.items()}
        pairs = []
        for key, item in value.items():
            if not isinstance(key, (type(None), bool, int, float, str, tuple, np.generic)):
                raise ArtifactError(f"{where} has a key of type {type(key).__name__}, which cannot be saved")
            pairs.append([self.encode(key, f"a key of {where}"), self.encode(item, f"{where}[{key!r}]")])
        return {"$": "dict", "items": pairs}

    def _array(self, value: np.ndarray, where: str) -> Any:
        if value.dtype.kind in "OT":
            return self._objects(value, where)
        return {"$": "array", "part": self.parts.add(np.asarray(value), where)}

    def _objects(self, value: np.ndarray, where: str) -> Any:
        """One-dimensional arrays of str as UTF-8 bytes and offsets; of mixed scalars one by one."""
        items = value.tolist()
        if value.ndim != 1 or (value.dtype.kind == "T" and value.dtype != np.dtypes.StringDType()):
            raise ArtifactError(
                f"{where} has dtype {value.dtype} and {value.ndim} axes, which cannot be saved"
            )
        if all(type(item) is str for item in items):
            # surrogatepass: Python strings, and so column names, may hold lone surrogates
            encoded = [item.encode("utf-8", "surrogatepass") for item in items]
            offsets = np.zeros(len(items) + 1, dtype=np.int64)
            np.cumsum([len(item) for item in encoded], out=offsets[1:])
            text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
            kind = "object" if value.dtype.kind == "O" else "string"
            return {
                "$": "strings",
                "dtype": kind,
                "bytes": self.parts.add(text, f"{where}.bytes"),
                "offsets": self.parts.add(offsets, f"{where}.offsets"),
            }
        if len(items) > MAX_OBJECTS:
            raise ArtifactError(
                f"{where} has {len(items)} cells of mixed types; at most {MAX_OBJECTS} can be saved"
            )
        for i, item in enumerate(items):
            if not (item is None or isinstance(item, (bool, int, float, str, np.generic))):
                raise _unknown(item, f"{where}[{i}]")
        return {"$": "objects", "items": [self.encode(item, f"{where}[{i}]") for i, item in enumerate(items)]}

    def _sparse(self, value: Any, where: str) -> Any:
        node = {"$": "sparse", "format": value.format, "matrix": type(value).__name__.endswith("matrix")}
        node["shape"] = [int(length) for length in value.shape]
        for name in ("data", "indices", "indptr"):
            node[name] = self.parts.add(getattr(value, name), f"{where}.{name}")
        return node

    def _type(self, value: type, where: str) -> Any:
        name = next((name for name, known in TYPES.items() if known is value), None)
        if name is None:
            raise _unknown(value, where)
        return {"$": "type", "name": name}

    def _numeric(self, name: str, where: str) -> str:
        if np.dtype(name).hasobject or np.dtype(name).kind not in "biufUMm":
            raise ArtifactError(f"{where} is dtype {name}, which cannot be saved")
        return name

    def _pipeline(self, pipeline: Any, where: str) -> Any:
        params = parameters_of(pipeline)
        if params.pop("memory", None) is not None:
            # joblib's cache holds pickles: a file that chose the folder would choose what code runs
            raise ArtifactError(
                f"{where}: a Pipeline with memory= cannot be saved; set_params(memory=None) first"
            )
        steps = []
        for name, step in params.pop("steps"):
            if not (step is None or step == "passthrough" or _can_be_saved(step)):
                raise _unknown(step, f"{where}.steps[{name!r}]")
            steps.append([name, self.encode(step, f"{where}.{name}")])
        return {"$": "pipeline", "steps": steps, "params": self._values(params, where)}

    def _object(self, value: Any, where: str) -> Any:
        name = type(value).__name__
        if find_class(name) is not type(value):
            raise ArtifactError(f"{where}: {type(value).__module__}.{name} is not the public class {name}")
        params, state = parameters_of(value), state_of(value)
        try:
            check_parameters(value)
            check_state(state, value)
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"{where}: {error}") from error
        return {
            "$": "object",
            "class": name,
            "params": self._values(params, where),
            "state": self._values(state, where),
        }

    def _values(self, values: dict[str, Any], where: str) -> dict[str, Any]:
        return {name: self.encode(value, f"{where}.{name}") for name, value in values.items()}


def state_of(value: Any) -> dict[str, Any]:
    """The declared attributes that an object has; an undeclared one is an error unless it begins with an underscore.

    A class whose attributes are not the right thing to save has `_save_state()`, which returns what is.
    """
    if hasattr(value, "_save_state"):
        return dict(value._save_state())
    specs = specs_of(type(value))
    slots = [name for base in type(value).__mro__ for name in getattr(base, "__slots__", ())]
    present = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(
        value, "__dict__", {}
    )
    known = {*specs, *parameters_of(value)}
    lost = [name for name in present if name not in known and not name.startswith("_")]
    if lost:
        raise ArtifactError(
            f"{type(value).__name__} has the attribute {lost[0]}, which its state does not declare: it would be lost"
        )
    return {name: present[name] for name in specs if name in present}


def check_state(state: dict[str, Any], instance: Any) -> None:
    """The specs of the instance's class over its state; an object that was never fitted may have none at all."""
    specs = specs_of(type(instance))
    may_be_empty = hasattr(instance, "get_params") and not set(state) & set(specs) - {OUTPUT}
    required = {name: spec for name, spec in specs.items() if spec.optional or not may_be_empty}
    check(state, required)
    check_output(state)


def _can_be_saved(value: Any) -> bool:
    return is_pipeline(value) or declares_state(type(value))


def _plain(value: Any, where: str) -> Any:
    if type(value) is int and abs(value) >= SAFE_INTEGER:
        digits = hex(value)
        if len(digits) > MAX_HEX:
            raise ArtifactError(f"{where} is an integer of {value.bit_length()} bits, too long to be saved")
        return {"$": "int", "hex": digits}
    if type(value) is float and not math.isfinite(value):
        return {"$": "float", "value": str(value)}
    return value


def _scalar(value: np.generic, where: str) -> Any:
    """A NumPy scalar keeps its dtype: float32(0.1) is not 0.1."""
    kind = value.dtype.kind
    if kind not in "biufUMm" or value.dtype.itemsize > 8 and kind != "U":
        raise _unknown(value, where)
    if kind == "U":
        return {"$": "scalar", "dtype": "<U", "value": str(value)}
    plain = int(value.view(np.int64)) if kind in "Mm" else value.item()
    return {"$": "scalar", "dtype": value.dtype.newbyteorder("<").str, "value": _plain(plain, where)}


def _unknown(value: Any, where: str) -> ArtifactError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind.startswith("numpy.random"):
        advice = "give random_state as an integer, or set_params(random_state=None) before saving"
    elif callable(value):
        advice = "register the function by name with tripos.artifact.register_callable"
    else:
        advice = "use plain Python values, NumPy arrays, or objects of tripos's public classes"
    return ArtifactError(f"{where} is {kind.removeprefix('builtins.')}, which cannot be saved; {advice}")
