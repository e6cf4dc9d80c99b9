"""The one form of array a kernel is compiled for.

To Numba a read-only, strided or byte-swapped array is another type, which would compile the kernel a second time.
What is C-contiguous, aligned and native passes through here as it is; read-only memory (a memory map, a view that
joblib shares between processes) is aliased without a copy; everything else is copied once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp


class _Alias:
    """Memory of an array under NumPy's array interface, said to be writeable; keeps the array alive."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {
            "data": (array.__array_interface__["data"][0], False),
            "shape": array.shape,
            "typestr": array.dtype.str,
            "version": 3,
        }


def kernel_array(a: Any, dtype: Any = None) -> np.ndarray:
    """Bring an array to the form kernels are compiled for, without a copy where possible.

    Parameters
    ----------
    a : array-like
    dtype : dtype, optional
        Wanted type; by default the array's own, in native byte order.

    Returns
    -------
    ndarray
        C-contiguous, aligned, native, and writeable to Numba. It may alias read-only memory, so a kernel writes
        only to arrays it was given as output.

    Raises
    ------
    TypeError
        If the array holds Python objects or text.
    """
    if type(a) is np.ndarray and (dtype is None or a.dtype == dtype) and a.flags.carray and a.dtype.isnative:
        if a.dtype.kind in "biufc":
            return a
    array = np.asarray(a)
    wanted = np.dtype(array.dtype if dtype is None else dtype).newbyteorder("=")
    if wanted.kind not in "biufc" or array.dtype.kind not in "biufc":
        raise TypeError(
            f"A kernel works on numbers; got an array of dtype {array.dtype} and shape {array.shape}."
        )
    if array.dtype == wanted and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned:
        return array if array.flags.writeable else np.asarray(_Alias(array))
    return np.array(array, dtype=wanted, order="C", copy=True, subok=False)


def kernel_csr(X: Any, *, ordered: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring a sparse matrix to canonical CSR arrays: sorted columns, no duplicates, indices in range.

    Parameters
    ----------
    X : sparse matrix or array of shape (n_rows, n_columns)
        Left as it is: where it is not canonical, a copy is sorted and summed.
    ordered : bool, default=True
        False leaves entries as they stand, for kernels to which neither order nor duplicates matter.

    Returns
    -------
    data : ndarray of float32 or float64, shape (nnz,)
    indices, indptr : ndarray of int32 or int64, shapes (nnz,) and (n_rows + 1,)
        Both of one type.

    Raises
    ------
    TypeError
        If X is not sparse or not numeric.
    ValueError
        If its row pointers or column indices are out of range.
    """
    if not sp.issparse(X):
        raise TypeError(f"Expected a SciPy sparse matrix, got {type(X).__name__}.")
    rows = X if X.format == "csr" else X.tocsr()
    _check_structure(rows)
    if ordered and not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    float_type = rows.dtype if rows.dtype in (np.float32, np.float64) else np.float64
    index_type = np.int32 if rows.indices.dtype == rows.indptr.dtype == np.int32 else np.int64
    return (
        kernel_array(rows.data[: rows.indptr[-1]], float_type),
        kernel_array(rows.indices[: rows.indptr[-1]], index_type),
        kernel_array(rows.indptr, index_type),
    )


def _check_structure(X: Any) -> None:
    """Refuse what would make a kernel read outside its arrays; SciPy does not check it when X is made."""
    n, p = X.shape
    starts, columns = X.indptr, X.indices
    stored = min(len(columns), len(X.data))
    if len(starts) != n + 1 or starts[0] != 0 or starts[-1] > stored or np.any(starts[1:] < starts[:-1]):
        raise ValueError(f"Sparse matrix of shape {X.shape} has invalid row pointers (indptr).")
    columns = columns[: starts[-1]]
    if columns.size and (columns.min() < 0 or columns.max() >= p):
        raise ValueError(
            f"Sparse matrix of shape {X.shape} has column indices from {columns.min()} to {columns.max()}; "
            f"they must lie in 0 to {p - 1}."
        )
