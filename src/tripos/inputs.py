"""From what a user passes as `X` to the one form kernels are compiled for.

Four kinds of input arrive: a float array (used as it is), any other array-like, a table, and blocks
of rows that never lie in memory together. What cannot be used as numbers at once (strings, categories,
booleans, dates, missing values) is reported as such, and `base.Estimator` sends it through its encoder.
"""

from __future__ import annotations

import datetime
import numbers
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.budget import require
from tripos.compute.threads import parallel

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_CHECKED_TOGETHER = 1 << 18  # elements per piece of the finite check: about half a millisecond
_LARGE_COPY = 1 << 26  # bytes above which a copy is announced to the memory budget first


def is_table(X: Any) -> bool:
    """Whether `X` is a data frame (pandas, polars, Arrow, ...) rather than an array."""
    return type(X) is not np.ndarray and not sp.issparse(X) and bool(nw.dependencies.is_into_dataframe(X))


def is_plain(X: Any) -> bool:
    """Whether `X` is a float array with rows and columns, of which nothing but NaN and infinity can be wrong."""
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype in FLOATS and X.size > 0


def is_plain_csr(X: Any) -> bool:
    """The same of a CSR matrix."""
    return sp.issparse(X) and X.format == "csr" and X.dtype in FLOATS and X.ndim == 2 and min(X.shape) > 0


def table_as_floats(X: Any) -> np.ndarray | None:
    """The table as a float array of shape (n_rows, n_columns), or None where a column needs an encoder."""
    frame = nw.from_native(X, eager_only=True)
    dtypes = list(frame.schema.values())
    if not dtypes or not all(dtype.is_numeric() for dtype in dtypes):
        return None
    columns = [frame[:, j] for j in range(len(dtypes))]  # by position: pandas names may be integers
    if any(column.null_count() for column in columns):
        return None
    dtype = np.float32 if all(d == nw.Float32 for d in dtypes) else np.float64
    shape = frame.shape
    if shape[0] * shape[1] * np.dtype(dtype).itemsize > _LARGE_COPY:
        require(shape[0] * shape[1] * np.dtype(dtype).itemsize, what="the table as an array of numbers")
    array = np.empty(shape, dtype)
    for j, column in enumerate(columns):
        array[:, j] = column.to_numpy()
    return array


def columns_to_encode(X: Any) -> list[str]:
    """Names of a table's columns that are not numbers or have missing values."""
    frame = nw.from_native(X, eager_only=True)
    kinds = enumerate(frame.schema.items())
    return [name for j, (name, dtype) in kinds if not dtype.is_numeric() or frame[:, j].null_count()]


def needs_encoding(X: np.ndarray) -> bool:
    """Whether an object or string array holds cells that are not numbers: True asks for an encoder.

    Raises
    ------
    TypeError
        When a cell is neither a number, a string, a boolean, a date nor missing.
    """
    if X.dtype.kind in "USTMm":
        return not _parses_as_float(X) if X.dtype.kind in "US" else True
    if X.dtype.kind != "O":
        return False
    if _parses_as_float(X):
        return False
    for index, cell in np.ndenumerate(X):
        if not (
            cell is None
            or isinstance(cell, (str, bool, np.bool_, numbers.Real, datetime.date, np.datetime64))
        ):
            if type(cell).__name__ == "NAType":
                continue
            raise TypeError(
                f"X holds a {type(cell).__name__} at row {index[0]}, column {index[-1]}: argument must be a string, "
                "a real number, a boolean, a date or a missing value"
            )
    return True


def _parses_as_float(X: np.ndarray) -> bool:
    try:
        X.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


@kernel("F[::1]")
def _sum_of_zeros(x):  # type: ignore[no-untyped-def]
    """0 when every element is finite; NaN times zero and infinity times zero are NaN."""
    zero = x.dtype.type(0)
    total = zero
    for i in range(x.size):
        total += x[i] * zero
    return total == zero


def all_finite(X: np.ndarray) -> bool:
    """Whether a C-contiguous float array holds neither NaN nor infinity."""
    flat = X.reshape(-1)
    if flat.size <= _CHECKED_TOGETHER:
        return bool(_sum_of_zeros(flat) or np.isfinite(flat).all())
    pieces = [flat[i : i + _CHECKED_TOGETHER] for i in range(0, flat.size, _CHECKED_TOGETHER)]
    suspects = [piece for piece, clean in zip(pieces, parallel(_sum_of_zeros, pieces)) if not clean]
    return all(bool(np.isfinite(piece).all()) for piece in suspects)


def acceptable(X: Any, *, missing: bool = False) -> bool:
    """Whether an array or CSR matrix holds finite numbers only; with `missing`, NaN is one more value."""
    values = X.data if sp.issparse(X) else X
    return all_finite(values) or (missing and not np.isinf(values).any())


def describe_nonfinite(X: Any, name: str = "X", *, missing: bool = False) -> str:
    """Says where the first NaN or infinity of an array or CSR matrix stands, and what to do; with `missing` NaN is no
    fault."""
    wrong = np.isinf if missing else _not_finite
    if sp.issparse(X):
        coo = X.tocoo()
        at = int(np.flatnonzero(wrong(coo.data))[0])
        row, column, value = int(coo.row[at]), int(coo.col[at]), coo.data[at]
    else:
        table = X.reshape(len(X), -1)
        bad = wrong(table)
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        column = int(np.flatnonzero(bad[row])[0])
        value = table[row, column]
    where = f"at row {row}, column {column}" if X.ndim > 1 else f"at position {row}"
    if np.isnan(value):
        return (
            f"Input {name} contains NaN {where}: drop or fill it, put `tripos.Encoder` before the estimator, "
            "or fit on data where this column has missing values too"
        )
    return (
        f"Input {name} contains infinity or a value too large for dtype('{X.dtype}') {where}: "
        "replace it by a number or by a missing value"
    )


def _not_finite(values: np.ndarray) -> np.ndarray:
    bad: np.ndarray = ~np.isfinite(values)
    return bad


def float_csr(X: Any) -> Any:
    """Counts in a CSR matrix as floats; SciPy's own `astype` would sort every row first."""
    if X.format != "csr" or X.dtype in FLOATS or X.dtype.kind not in "biuf":
        return X
    return type(X)((X.data.astype(np.float64), X.indices, X.indptr), shape=X.shape, copy=False)


def as_csr(X: Any, *, canonical: bool = True) -> Any:
    """A CSR matrix with a float dtype, summed duplicates and sorted indices; `X` itself where it already is one.

    Sorting costs ten times what counting words does, so learners that need no order pass `canonical=False`.
    """
    X = float_csr(X)
    if canonical and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def as_kernel_input(X: Any, *, canonical: bool = True) -> Any:
    """The array or CSR matrix in the one memory form that kernels are compiled for."""
    return as_csr(X, canonical=canonical) if sp.issparse(X) else kernel_array(X)
