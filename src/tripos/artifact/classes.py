"""What a saved file may name: classes of Tripos's public list, registered functions, and nothing else.

No name from a file is ever imported. A class is looked up in `tripos._public` and has to declare `state`; a function is
looked up among those that this process registered; a NumPy type in a fixed table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tripos import _public
from tripos.errors import ArtifactError
from tripos.state import Json, Spec, declared, declares_state

_functions: dict[str, Callable[..., Any]] = {}

TYPES: dict[str, type] = {
    **{cls.__name__: cls for cls in (bool, int, float, str, object)},
    **{
        f"numpy.{name}": getattr(np, name)
        for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
    },
}

OUTPUT = "_sklearn_output_config"  # what scikit-learn's `set_output` leaves on an object
_OUTPUTS = ({"transform": "default"}, {"transform": "pandas"}, {"transform": "polars"})


def register_callable(name: str, function: Callable[..., Any]) -> None:
    """Let models that hold `function` as a parameter be saved and loaded, by name.

    Parameters
    ----------
    name : str
        What stands in the file. Every process that loads the model registers the same name first.
    function : callable

    Examples
    --------
    >>> import numpy as np
    >>> from tripos.artifact import register_callable
    >>> register_callable("numpy.log1p", np.log1p)
    """
    if not isinstance(name, str) or not name or not callable(function):
        raise TypeError("register_callable takes a name (not empty) and a function")
    if _functions.get(name, function) is not function:
        raise ValueError(f"another function is registered as {name!r} already")
    _functions[name] = function


def name_of_callable(function: Any) -> str | None:
    """The name `function` is registered under, or None."""
    return next((name for name, known in _functions.items() if known is function), None)


def find_callable(name: Any) -> Callable[..., Any]:
    """The function registered as `name`."""
    if not isinstance(name, str) or name not in _functions:
        raise ArtifactError(
            f"the model uses the function {str(name)[:100]!r}, which is not registered here: "
            "call tripos.artifact.register_callable(name, function) before loading"
        )
    return _functions[name]


def loadable() -> dict[str, str]:
    """Names of the classes that may stand in a file -> their modules."""
    return {**_public.ESTIMATORS, **_public.TRANSFORMERS, **_public.PARTS}


def find_class(name: Any) -> type:
    """The public class `name`, which has to declare what its state is."""
    modules = loadable()
    if not isinstance(name, str) or name not in modules:
        raise ArtifactError(f"{str(name)[:100]!r} is not a class that this version of tripos can load")
    cls = getattr(importlib.import_module(modules[name]), name, None)
    if not isinstance(cls, type) or not declares_state(cls):
        raise ArtifactError(f"{name} declares no state that could be loaded")
    return cls


def specs_of(cls: type) -> dict[str, Spec]:
    """The class's declared state, and what scikit-learn's `set_output` adds to any object."""
    return {**declared(cls), OUTPUT: Json(optional=True)}


def check_output(values: Mapping[str, Any]) -> None:
    """Raise unless the `set_output` configuration, where present, is one that scikit-learn knows."""
    if OUTPUT in values and values[OUTPUT] not in _OUTPUTS:
        raise ValueError(
            f"{OUTPUT} is {str(values[OUTPUT])[:80]}; expected transform = default, pandas or polars"
        )


def parameters_of(value: Any) -> dict[str, Any]:
    """The constructor's parameters of an object, empty for objects that are only state."""
    get_params = getattr(value, "get_params", None)
    return dict(get_params(deep=False)) if get_params is not None else {}


def check_parameters(value: Any) -> None:
    """scikit-learn's validation of the parameters against the class's own constraints."""
    if getattr(value, "_parameter_constraints", None) is not None and hasattr(value, "_validate_params"):
        value._validate_params()
