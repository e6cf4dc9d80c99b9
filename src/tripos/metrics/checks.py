"""What every measure asks of its arguments, and the means it takes.

Each function returns arrays in one form (1-d labels, float64 values) or raises a `ValueError` that names the
argument, what was found there and what to pass instead.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tripos.labels import encode_labels

_WHOLE_FLOATS = float(2**53)  # above this not every integer is a float64


def undefined(message: str, value: float = float("nan"), stacklevel: int = 3) -> float:
    """Warn that a measure is not defined on these data, and return `value` in its place."""
    from sklearn.exceptions import (
        UndefinedMetricWarning,
    )  # half a second to import: only when something is wrong

    warnings.warn(message, UndefinedMetricWarning, stacklevel=stacklevel)
    return value


def choice(value: Any, allowed: tuple[Any, ...], name: str) -> None:
    """Raise when the argument `name` is none of `allowed`."""
    if not any(value is option or (isinstance(value, str) and value == option) for option in allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def same_length(**arrays: np.ndarray | None) -> int:
    """The common number of rows of the named arrays (None is skipped); at least one row is asked for."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"the arguments must have the same number of rows: {found}")
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise ValueError(f"{' and '.join(lengths)} are empty: a measure needs at least one row")
    return rows


def weights(sample_weight: Any, rows: int) -> np.ndarray | None:
    """`sample_weight` as a finite non-negative vector with a positive sum, or None; integers stay integers."""
    if sample_weight is None:
        return None
    found = np.asarray(sample_weight)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (rows,):
        raise ValueError(f"sample_weight must have shape ({rows},) like the targets, got {found.shape}")
    if found.dtype.kind not in "iub":
        found = _as_floats(found, "sample_weight")
    if not np.isfinite(found).all() or (found < 0).any():
        row = int(np.flatnonzero(~(found >= 0) | ~np.isfinite(found))[0])
        raise ValueError(
            f"sample_weight must be finite and not negative, found {found[row]} at row {row}: "
            "a weight says how many times a row counts"
        )
    if not found.any():
        raise ValueError("sample_weight is zero everywhere: no row is left to measure")
    return found


def weighted_mean(values: np.ndarray, sample_weight: np.ndarray | None) -> Any:
    """sum_i w_i v_i / sum_i w_i along the first axis: values of shape (n,) or (n, k) to () or (k,)."""
    if sample_weight is None:
        return values.mean(axis=0)
    return sample_weight @ values / sample_weight.sum()


def explained_share(residual: Any, total: Any) -> np.ndarray:
    """1 - residual / total; where there was nothing to explain, 1 when the residual is 0 too and else 0."""
    residual, total = np.asarray(residual, np.float64), np.asarray(total, np.float64)
    unexplained = np.where(residual == 0, 0.0, 1.0)
    np.divide(residual, total, out=unexplained, where=(total != 0) & (residual != 0))
    return np.asarray(1 - unexplained)


def _as_floats(array: np.ndarray, name: str) -> np.ndarray:
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, found dtype {array.dtype} ({error})") from None


def _reject_nonfinite(array: np.ndarray, name: str) -> None:
    good = np.isfinite(array)
    if good.all():
        return
    at = tuple(int(i) for i in np.argwhere(~good)[0])
    where = f"row {at[0]}" if array.ndim == 1 else f"row {at[0]}, column {at[1]}"
    kind = "a missing value (NaN)" if np.isnan(array[at]) else "an infinite value"
    raise ValueError(
        f"{name} holds {kind} at {where} ({int((~good).sum())} of {good.size} values are not finite): "
        "drop those rows, or see why the model predicts them"
    )


def to_array(values: Any, name: str) -> np.ndarray:
    """A list, Series, one-column table or array as an ndarray of one or two dimensions."""
    array = np.asarray(values)
    if array.dtype.kind == "U" and isinstance(values, (list, tuple)):
        array = np.array(values, dtype=object)  # NumPy turns the 1 of ["a", 1] into "1"
    if array.ndim == 0 or array.ndim > 2:
        raise ValueError(f"{name} must be a vector of one value per row, got {array.ndim} dimensions")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def numbers(values: Any, name: str) -> np.ndarray:
    """Finite float64 numbers, shape (n,) or (n, k)."""
    array = _as_floats(to_array(values, name), name)
    _reject_nonfinite(array, name)
    return array


def scores(values: Any, name: str = "y_score") -> np.ndarray:
    """Floats of shape (n,) or (n, k), float32 kept; finiteness is left to the kernel that reads them."""
    array = to_array(values, name)
    if array.dtype.kind in "USTO":
        array = _as_floats(array, f"{name} (scores or probabilities, not labels)")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def labels(values: Any, name: str) -> np.ndarray:
    """Class labels of shape (n,): booleans, integers, whole floats or strings without missing values."""
    array = to_array(values, name)
    if array.ndim == 2:
        raise ValueError(
            f"{name} has shape {array.shape}: one label per row is needed. "
            "Columns of probabilities become labels by classes_[p.argmax(axis=1)], that is by `predict`"
        )
    kind = array.dtype.kind
    if kind in "OT":
        return _settle_objects(array, name)
    if kind == "f":
        return _whole(array, name)
    if kind in "iubU":
        return array
    raise ValueError(f"{name} has dtype {array.dtype}: labels are integers, booleans or strings")


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    _reject_nonfinite(array, name)
    fractional = array != np.floor(array)
    if fractional.any():
        row = int(np.flatnonzero(fractional)[0])
        raise ValueError(
            f"{name} is continuous (row {row} holds {array[row]:g}), labels are expected: pass what `predict` "
            "returns, or cut scores at a threshold, `scores > 0.5`"
        )
    return array


def _settle_objects(array: np.ndarray, name: str) -> np.ndarray:
    """An object array of one kind of label in that kind's own dtype."""
    cells = array.tolist()
    kinds = set(map(type, cells))
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return np.array(cells)
    missing = [row for row, label in enumerate(cells) if _is_missing(label)]
    if missing:
        raise ValueError(
            f"{name} holds {len(missing)} missing labels, first at row {missing[0]}: drop those rows"
        )
    if any(issubclass(kind, str) for kind in kinds):
        raise ValueError(
            f"{name} mixes {' and '.join(sorted(kind.__name__ for kind in kinds))}: convert the labels to one type"
        )
    settled = np.array(cells)
    if settled.dtype.kind not in "iubf":
        raise ValueError(
            f"{name} holds {sorted(kind.__name__ for kind in kinds)}: labels are integers, booleans or strings"
        )
    return _whole(settled, name) if settled.dtype.kind == "f" else settled


def _is_missing(label: Any) -> bool:
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label != label


def label_pair(
    y_true: Any, y_pred: Any, sample_weight: Any = None, names: tuple[str, str] = ("y_true", "y_pred")
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """True and predicted labels of one kind and length, with their weights."""
    first, second = labels(y_true, names[0]), labels(y_pred, names[1])
    rows = same_length(**{names[0]: first, names[1]: second})
    if (first.dtype.kind == "U") != (second.dtype.kind == "U"):
        raise ValueError(
            f"{names[0]} holds {_kind(first)} ({first[0].item()!r}, ...) but {names[1]} holds {_kind(second)} "
            f"({second[0].item()!r}, ...): labels must be of one type to be compared"
        )
    return first, second, weights(sample_weight, rows)


def _kind(array: np.ndarray) -> str:
    return "strings" if array.dtype.kind == "U" else "numbers"


def encode(*vectors: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sorted distinct labels over all vectors, and each vector as int64 positions among them.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : list of int64 ndarrays, one per vector
    """
    together = np.concatenate(vectors)
    dtype = together.dtype
    if dtype.kind == "f" and np.abs(together).max() < _WHOLE_FLOATS:
        together = together.astype(np.int64)  # integers are counted instead of sorted
    classes, codes = encode_labels(together)
    bounds = np.cumsum([len(vector) for vector in vectors])[:-1]
    return classes.astype(dtype, copy=False), np.split(codes, bounds)


def place_among(array: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions among sorted classes, and which labels are among them at all; two arrays of shape (n,)."""
    at = np.minimum(np.searchsorted(classes, array), len(classes) - 1)
    return at, np.asarray(classes[at] == array)


def two_classes(y: np.ndarray) -> tuple[Any, Any, np.ndarray] | None:
    """(smaller label, larger label, rows of the larger one as bool) of a binary target, None with 3 or more.

    Two comparisons over the array instead of a sort. With one class only, both labels are that class.
    """
    first = y[0]
    is_first = y == first
    others = np.flatnonzero(~is_first[:1000])
    at = int(others[0]) if len(others) else int(np.argmin(is_first))
    second = y[at]
    is_second = y == second
    if not (is_first | is_second).all():
        return None
    low, high, rows = (first, second, is_second) if first < second else (second, first, is_first)
    return low.item(), high.item(), rows
