"""What an object's saved state is, declared as class data and checked before any kernel sees it.

A class that can be saved lists its fitted attributes with one spec each::

    state = {
        "classes_": Labels("classes"),
        "theta_": Array("f", ("classes", "features")),
        "n_iter_": Number("i", low=0, optional=True),
    }

The lists of a class and its bases are merged (`declared`); a subclass takes an inherited attribute away with
`None`. A *symbol* in a shape ("classes", "features") binds to a length where it is first met and has to agree
everywhere else in the same object. `check` raises `ValueError` with the attribute, what was found and what
was expected; the artifact (docs/artifact-format.md) runs it when it saves and when it loads. What specs cannot
say (a tree without cycles) a class checks in `_check_state()`; what is not saved it rebuilds in `_after_load()`. A
class whose attributes are not what to save has `_save_state()`, returning a dict, and `_load_state(values)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

Dims = dict[str, int]
Length = str | int | None  # a symbol, an exact length, or anything
MAX_DEPTH = 32  # of plain data: deeper than any real setting, shallow enough for any stack


@dataclass(frozen=True)
class Spec:
    """One attribute's declaration. With `optional` the attribute may be absent or None."""

    optional: bool = field(default=False, kw_only=True)

    def validate(self, value: Any, dims: Dims, name: str = "value") -> None:
        """Raise `ValueError` unless `value` is what this spec declares; bind new symbols in `dims`."""
        if value is None and self.optional:
            return
        self._check(value, dims, name)

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        raise ValueError(f"{name}: {type(self).__name__} declares nothing to check")


@dataclass(frozen=True)
class Array(Spec):
    """A numeric array.

    Parameters
    ----------
    kinds : letters of `numpy.dtype.kind` that are allowed, e.g. "f" or "iu"; "f" is float32 and float64, which kernels
        are compiled for, "e" float16.
    shape : a length per axis (symbol, number, None = any); a tuple of such tuples for alternatives; None for any shape.
    finite : NaN and infinity are refused in floats.
    low, high : bounds of the values, both included.
    below : values stay under this length (a symbol or a number), as indices into another array do.
    sparse : a SciPy CSR or CSC matrix is allowed as well.
    """

    kinds: str
    shape: tuple[Any, ...] | None = None
    _: KW_ONLY
    finite: bool = True
    low: float | None = None
    high: float | None = None
    below: str | int | None = None
    sparse: bool = False

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if self.sparse and is_sparse(value):
            _bind_shape(self.shape, value.shape, dims, name)
            self._check_values(value.data, dims, name)
            return
        if not isinstance(value, np.ndarray):
            raise _mismatch(name, value, f"an array of kind {self.kinds!r}")
        _bind_shape(self.shape, value.shape, dims, name)
        self._check_values(value, dims, name)

    def _check_values(self, values: np.ndarray, dims: Dims, name: str) -> None:
        kind = "e" if values.dtype == np.float16 else values.dtype.kind
        if kind not in self.kinds:
            raise ValueError(f"{name} has dtype {values.dtype}; expected kind {self.kinds!r}")
        if values.size == 0 or values.dtype.kind not in "biuf":
            return
        # NaN in an array that may hold it says nothing about the bounds, so they are taken over the rest
        extremes = (np.fmin.reduce, np.fmax.reduce) if values.dtype.kind == "f" else (np.min, np.max)
        least, most = (reduce(values, axis=None) for reduce in extremes)
        if values.dtype.kind == "f" and self.finite and not _all_finite(values):
            raise ValueError(f"{name} holds NaN or infinity; expected finite numbers")
        _check_range(least, most, self.low, self.high, name)
        if self.below is not None:
            limit = dims.get(self.below) if isinstance(self.below, str) else self.below
            if limit is None:
                raise ValueError(f"{name}: length {self.below!r} is not known; declare its array first")
            if most >= limit:
                raise ValueError(f"{name} holds {most}; expected indices below {limit} ({self.below})")


@dataclass(frozen=True)
class Number(Spec):
    """One number: `kind` "i" (an integer) or "f" (a float, or an integer that stands for one).

    `binds` names the symbol whose length this number is, e.g. `n_features_in_` binds "features".
    """

    kind: str
    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    finite: bool = True
    binds: str | None = None

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        real = isinstance(value, (float, np.floating)) and self.kind == "f"
        if not (whole or real):
            raise _mismatch(name, value, "an integer" if self.kind == "i" else "a number")
        if real and not np.isfinite(value):
            if self.finite:
                raise ValueError(f"{name} is {value}; expected a finite number")
            if np.isnan(value):
                return
        _check_range(value, value, self.low, self.high, name)
        if self.binds is not None:
            _bind(self.binds, int(value), dims, name)


@dataclass(frozen=True)
class Flag(Spec):
    """True or False."""

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, (bool, np.bool_)):
            raise _mismatch(name, value, "True or False")


@dataclass(frozen=True)
class Text(Spec):
    """One string, of `choices` if given, at most `max_length` characters."""

    _: KW_ONLY
    choices: tuple[str, ...] | None = None
    max_length: int = 1 << 16

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, str):
            raise _mismatch(name, value, "a string")
        if self.choices is not None and value not in self.choices:
            choices = ", ".join(map(repr, self.choices))
            raise ValueError(f"{name} is {value[:80]!r}; expected one of {choices}")
        if len(value) > self.max_length:
            raise ValueError(f"{name} has {len(value)} characters; expected at most {self.max_length}")


@dataclass(frozen=True)
class Labels(Spec):
    """A one-dimensional array of class labels: bool, int, float or str (also as objects), distinct unless `unique=False`."""

    length: Length = None
    _: KW_ONLY
    unique: bool = True

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, np.ndarray):
            raise _mismatch(name, value, "an array of labels")
        if value.dtype.kind not in "biufUTO":
            raise ValueError(f"{name} has dtype {value.dtype}; expected bool, int, float or str labels")
        if value.dtype.kind == "O":
            _check_strings(value.ravel(), name)
        if value.dtype.kind == "f" and not _all_finite(value):
            raise ValueError(f"{name} holds NaN or infinity; expected finite labels")
        _bind_shape((self.length,), value.shape, dims, name)
        if self.unique and len(set(value.tolist())) < len(value):
            raise ValueError(f"{name} holds the same label twice; expected distinct labels")


@dataclass(frozen=True)
class Strings(Spec):
    """A one-dimensional array of str (objects or fixed width) or a list of str, such as column names."""

    length: Length = None
    _: KW_ONLY
    unique: bool = False

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, (np.ndarray, list)):
            raise _mismatch(name, value, "strings")
        _bind_shape(
            (self.length,), np.shape(value) if isinstance(value, np.ndarray) else (len(value),), dims, name
        )
        if isinstance(value, list) or value.dtype.kind not in "UT":
            _check_strings(value, name)
        if self.unique and len(set(value)) < len(value):
            raise ValueError(f"{name} holds the same string twice; expected distinct strings")


@dataclass(frozen=True)
class Json(Spec):
    """Plain data: dict with str keys, list, str, int, float, bool, None; at most `max_bytes` as JSON text."""

    _: KW_ONLY
    max_bytes: int = 1 << 20

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        _check_plain(value, name, MAX_DEPTH)
        n_bytes = len(json.dumps(value))
        if n_bytes > self.max_bytes:
            raise ValueError(f"{name} takes {n_bytes} bytes as JSON; expected at most {self.max_bytes}")


@dataclass(frozen=True, init=False)
class Nested(Spec):
    """An object of one of the named public classes (any that can be saved when none is named)."""

    names: tuple[str, ...]

    def __init__(self, *names: str, optional: bool = False) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "optional", optional)

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        found = type(value).__name__
        saved = declares_state(type(value)) or is_pipeline(value)
        if not saved or (self.names and found not in self.names):
            raise _mismatch(name, value, " or ".join(self.names) or "an object that can be saved")


@dataclass(frozen=True, init=False)
class NestedList(Spec):
    """A list of objects, or of (name, object) pairs, of the named public classes."""

    names: tuple[str, ...]
    length: Length

    def __init__(self, *names: str, length: Length = None, optional: bool = False) -> None:
        for key, value in {"names": names, "length": length, "optional": optional}.items():
            object.__setattr__(self, key, value)

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, list):
            raise _mismatch(name, value, "a list of objects")
        _bind_shape((self.length,), (len(value),), dims, name)
        one = Nested(*self.names)
        for i, item in enumerate(value):
            if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
                item = item[1]
            one.validate(item, dims, f"{name}[{i}]")


@dataclass(frozen=True)
class ListOf(Spec):
    """A list whose items all follow `item`; symbols are shared with the rest of the object, so give items `None` lengths
    where each has its own."""

    item: Spec
    length: Length = None

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        if not isinstance(value, list):
            raise _mismatch(name, value, "a list")
        _bind_shape((self.length,), (len(value),), dims, name)
        for i, item in enumerate(value):
            self.item.validate(item, dims, f"{name}[{i}]")


@dataclass(frozen=True, init=False)
class OneOf(Spec):
    """Any of several specs, e.g. an intercept that is a number or an array: the first that fits."""

    specs: tuple[Spec, ...]

    def __init__(self, *specs: Spec, optional: bool = False) -> None:
        object.__setattr__(self, "specs", specs)
        object.__setattr__(self, "optional", optional)

    def _check(self, value: Any, dims: Dims, name: str) -> None:
        reasons = []
        for spec in self.specs:
            tried = dict(dims)  # a spec that fails half way leaves no symbol behind
            try:
                spec.validate(value, tried, name)
            except ValueError as error:
                reasons.append(str(error))
            else:
                dims.update(tried)
                return
        raise ValueError(" / ".join(reasons))


def declared(cls: type) -> dict[str, Spec]:
    """The specs of a class: its bases' `state` overridden by its own, without those set to None."""
    merged: dict[str, Spec | None] = {}
    for base in reversed(cls.__mro__):
        own = vars(base).get("state")
        if isinstance(own, Mapping):
            merged.update(own)
    return {name: spec for name, spec in merged.items() if spec is not None}


def declares_state(cls: type) -> bool:
    """Whether the class or one of its bases has `state` as class data."""
    return any(isinstance(vars(base).get("state"), Mapping) for base in cls.__mro__)


def is_pipeline(value: Any) -> bool:
    """Whether the object is scikit-learn's own Pipeline (a subclass may carry code that no list of ours names)."""
    return type(value).__name__ == "Pipeline" and type(value).__module__ == "sklearn.pipeline"


def check(values: Mapping[str, Any], specs: Mapping[str, Spec], dims: Dims | None = None) -> Dims:
    """Validate attribute values against their specs in the order declared; return the bound symbols.

    Raises `ValueError` for a missing, an undeclared or an invalid attribute.
    """
    dims = {} if dims is None else dims
    unknown = sorted(set(values) - set(specs))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not declared in the class's state")
    for name, spec in specs.items():
        if name in values:
            spec.validate(values[name], dims, name)
        elif not spec.optional:
            raise ValueError(f"{name} is missing")
    return dims


def is_sparse(value: Any) -> bool:
    """Whether `value` is a SciPy CSR or CSC matrix or array (SciPy itself is not imported)."""
    return type(value).__module__.startswith("scipy.sparse") and getattr(value, "format", "") in (
        "csr",
        "csc",
    )


def _mismatch(name: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{name} is {type(value).__name__}; expected {expected}")


def _bind(symbol: str, length: int, dims: Dims, name: str) -> None:
    known = dims.setdefault(symbol, length)
    if known != length:
        raise ValueError(f"{name} has {length} {symbol}; the attributes before it have {known}")


def _bind_shape(shape: tuple[Any, ...] | None, found: tuple[int, ...], dims: Dims, name: str) -> None:
    """Compare a shape with its declaration, `(("features",), ("targets", "features"))` being alternatives."""
    if shape is None:
        return
    alternatives = shape if shape and isinstance(shape[0], tuple) else (shape,)
    expected = next((option for option in alternatives if len(option) == len(found)), None)
    if expected is None:
        wanted = " or ".join(_shape_text(option) for option in alternatives)
        raise ValueError(f"{name} has shape {_shape_text(found)}; expected {wanted}")
    for axis, (length, size) in enumerate(zip(expected, found, strict=True)):
        if isinstance(length, str):
            _bind(length, int(size), dims, name)
        elif length is not None and length != size:
            raise ValueError(f"{name} has length {size} along axis {axis}; expected {length}")


def _shape_text(shape: tuple[Any, ...]) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"


def _check_range(least: Any, most: Any, low: float | None, high: float | None, name: str) -> None:
    if low is not None and least < low:
        raise ValueError(f"{name} holds {least}; expected at least {low}")
    if high is not None and most > high:
        raise ValueError(f"{name} holds {most}; expected at most {high}")


def _all_finite(values: np.ndarray) -> bool:
    # the sum of finite numbers may overflow, so only a finite sum settles it without a mask of the array's length
    with np.errstate(all="ignore"):
        if np.isfinite(np.sum(values)):
            return True
    return bool(np.isfinite(values).all())


def _check_strings(values: Any, name: str) -> None:
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise ValueError(f"{name}[{i}] is {type(value).__name__}; expected a string")


def _check_plain(value: Any, name: str, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"{name} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"{name} has a key of type {type(key).__name__}; expected str")
            _check_plain(item, f"{name}[{key[:40]!r}]", depth - 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_plain(item, f"{name}[{i}]", depth - 1)
    elif type(value) not in (str, int, float, bool, type(None)):
        raise _mismatch(name, value, "plain data (dict, list, str, number, bool, None)")
