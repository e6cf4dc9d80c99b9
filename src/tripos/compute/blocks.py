"""Blocks of rows: how data reaches a computation, whether it lies in memory or in files larger than memory.

A block is about 4 MB of X: large enough that handing it to a thread costs nothing, small enough that a few of
them stay in the cache. Where blocks begin depends on the data's shape alone, never on threads or on how a file is
stored, so sums over blocks are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from tripos.compute.arrays import kernel_array

BLOCK_BYTES = 4 << 20
SPARSE_SHARE = 8  # bytes of CSR in a block for each byte of a float64 vector of its columns, at least
ROWS_MULTIPLE = 64  # whole cache lines of any column of results

Matrix: TypeAlias = Any  # ndarray of shape (rows, features), or CSR of the same shape


@dataclass(frozen=True, eq=False)
class Block:
    """Some consecutive rows.

    Attributes
    ----------
    X : ndarray or CSR of shape (rows, features), float32 or float64
    y : ndarray of shape (rows,) or (rows, outputs), or None
    sample_weight : ndarray of shape (rows,), float64, or None
    start : int
        Number of the first row in the whole.
    """

    X: Matrix
    y: np.ndarray | None
    sample_weight: np.ndarray | None
    start: int

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])

    @property
    def stop(self) -> int:
        return self.start + self.n_rows


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows in blocks, iterable any number of times.

    Attributes
    ----------
    read : callable
        Starts a new pass: returns an iterator of Block.
    n_features : int
    rows : int
        Rows a block holds (the last one, and the last of each array in a list, may hold fewer).
    dtype : numpy dtype
        float32 or float64: what every X is given as.
    n_rows : int or None
        None where only a full pass could tell (CSV).
    feature_names : list of str or None
    in_memory : bool
    sparse : bool
    has_target, has_weight : bool
    """

    read: Callable[[], Iterator[Block]]
    n_features: int
    rows: int
    dtype: np.dtype
    n_rows: int | None = None
    feature_names: list[str] | None = None
    in_memory: bool = True
    sparse: bool = False
    has_target: bool = False
    has_weight: bool = False
    n_blocks: int | None = None

    def __iter__(self) -> Iterator[Block]:
        return self.read()

    def __len__(self) -> int:
        if self.n_blocks is None:
            raise TypeError("The number of blocks of this source is known only after a pass over it.")
        return self.n_blocks

    def __bool__(self) -> bool:
        return True  # else truth would ask for a length that may be unknown

    def map(self, function: Callable[[Block], Block]) -> Blocks:
        """The same rows with each block passed through a function when it is read."""
        return replace(self, read=lambda: map(function, self.read()))

    def with_target(self, function: Callable[[Any], Any]) -> Blocks:
        """The same rows with each block's y mapped when it is read, as from labels to codes."""
        return self.map(lambda block: replace(block, y=function(block.y)))

    def require_finite(self) -> Blocks:
        """The same rows; the first NaN or infinity met in X raises a ValueError that says where it is."""
        return self.map(self._finite_only)

    def _finite_only(self, block: Block) -> Block:
        values = block.X.data if self.sparse else block.X
        with np.errstate(over="ignore", invalid="ignore"):
            total = values.sum(dtype=np.float64)  # one pass without a temporary; finite unless a value is not
        if np.isfinite(total) or np.isfinite(values).all():
            return block
        dense = block.X.tocoo() if self.sparse else block.X
        if self.sparse:
            first = int(np.argmin(np.isfinite(dense.data)))
            row, column, value = int(dense.row[first]), int(dense.col[first]), dense.data[first]
        else:
            row, column = (int(k) for k in np.argwhere(~np.isfinite(dense))[0])
            value = dense[row, column]
        name = f"column {column}" if self.feature_names is None else f"column {self.feature_names[column]!r}"
        raise ValueError(
            f"X holds {value} in row {block.start + row}, {name}; fill or drop missing and infinite values first."
        )


def default_rows(row_bytes: float) -> int:
    """Rows of a block when nobody chose: about 4 MB of X, a multiple of 64 where that many fit."""
    rows = max(1, int(BLOCK_BYTES / max(row_bytes, 1.0)))
    return rows if rows < ROWS_MULTIPLE else rows - rows % ROWS_MULTIPLE


def row_blocks(X: Any, y: Any = None, sample_weight: Any = None, *, rows: int | None = None) -> Blocks:
    """Cut data in memory into blocks of rows.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, p), or a list
        A list holds arrays (or sparse matrices) with the same columns, or tuples ``(X, y)`` or
        ``(X, y, sample_weight)``; memory maps are welcome, each block is read when its turn comes.
    y : array of shape (n,) or (n, outputs), optional
    sample_weight : array of shape (n,), optional
    rows : int, optional
        Rows of a block; by default so many that X takes about 4 MB.

    Returns
    -------
    Blocks
        float32 stays float32, every other number type is given as float64.

    Raises
    ------
    TypeError
        If X can be read only once, or is not numeric.
    ValueError
        If lengths or columns do not agree.
    """
    if isinstance(X, Blocks):
        raise TypeError("X is in blocks already.")
    if isinstance(X, (list, tuple)) and X and all(isinstance(part, tuple) for part in X):
        parts = [_Part.of(*part) for part in X]
    elif isinstance(X, list) and X and all(_is_matrix(part) for part in X):
        parts = _aligned(X, y, sample_weight)
    elif isinstance(X, Iterator):
        raise TypeError(
            "Blocks are read several times, and an iterator only once; give a list, or a file to scan()."
        )
    else:
        parts = [_Part.of(X, y, sample_weight)]
    return _in_memory(parts, rows)


@dataclass(frozen=True, eq=False)
class _Part:
    """One array with its targets and weights, checked."""

    X: Matrix
    y: np.ndarray | None
    sample_weight: np.ndarray | None

    @classmethod
    def of(cls, X: Any, y: Any = None, sample_weight: Any = None) -> _Part:
        X = X.tocsr() if sp.issparse(X) else np.asarray(X)
        if X.ndim != 2:
            raise ValueError(f"X must have rows and columns, got an array of shape {X.shape}.")
        if X.dtype.kind not in "biuf":
            raise TypeError(f"Blocks hold real numbers, got X of dtype {X.dtype}.")
        y = None if y is None else np.asarray(y)
        if sample_weight is not None:
            sample_weight = kernel_array(sample_weight, np.float64)
        for name, values in (("y", y), ("sample_weight", sample_weight)):
            if values is not None and len(values) != X.shape[0]:
                raise ValueError(f"{name} has {len(values)} entries for the {X.shape[0]} rows of X.")
        return cls(X, y, sample_weight)

    def block(self, start: int, stop: int, offset: int, dtype: np.dtype) -> Block:
        if sp.issparse(self.X):
            X = _csr_rows(self.X, start, stop, dtype)
        else:
            X = kernel_array(self.X[start:stop], dtype)
        y = None if self.y is None else self.y[start:stop]
        weight = None if self.sample_weight is None else self.sample_weight[start:stop]
        return Block(X, y, weight, offset + start)


def _is_matrix(part: Any) -> bool:
    return sp.issparse(part) or (isinstance(part, np.ndarray) and part.ndim == 2)


def _aligned(arrays: list[Any], y: Any, sample_weight: Any) -> list[_Part]:
    """Parts of a list of arrays; y and weights are lists of the same lengths, or one array over all rows."""
    lengths = [part.shape[0] for part in arrays]
    return [
        _Part.of(X, target, weight)
        for X, target, weight in zip(
            arrays, _pieces("y", y, lengths), _pieces("sample_weight", sample_weight, lengths), strict=True
        )
    ]


def _pieces(name: str, values: Any, lengths: Sequence[int]) -> list[Any]:
    if values is None:
        return [None] * len(lengths)
    if isinstance(values, list) and len(values) == len(lengths) and all(np.ndim(part) for part in values):
        return values
    whole = np.asarray(values)
    if len(whole) != sum(lengths):
        raise ValueError(f"{name} has {len(whole)} entries for the {sum(lengths)} rows of X.")
    return np.split(whole, np.cumsum(lengths)[:-1])


def _in_memory(parts: list[_Part], rows: int | None) -> Blocks:
    widths = {part.X.shape[1] for part in parts}
    if len(widths) > 1:
        raise ValueError(f"The arrays of a list must have the same columns; they have {sorted(widths)}.")
    for name in ("y", "sample_weight"):
        if len({getattr(part, name) is None for part in parts}) > 1:
            raise ValueError(f"Some arrays of the list come with {name} and some without.")
    kinds = {bool(sp.issparse(part.X)) for part in parts}
    if len(kinds) > 1:
        raise ValueError("The list holds dense and sparse arrays; convert them to one kind.")
    dtype = np.dtype(np.float32 if all(part.X.dtype == np.float32 for part in parts) else np.float64)
    n_rows, (width,), (sparse,) = sum(part.X.shape[0] for part in parts), widths, kinds
    row_bytes = width * dtype.itemsize
    if sparse:
        stored = sum(part.X.nnz for part in parts)
        row_bytes = stored / max(n_rows, 1) * (dtype.itemsize + parts[0].X.indices.itemsize)
    step = _checked_rows(rows, row_bytes)
    if (
        sparse and rows is None
    ):  # else adding up a vector of all columns, block by block, takes as long as the pass
        step = max(step, int(SPARSE_SHARE * 8 * width / max(row_bytes, 1.0)))
    spans = list(_spans([part.X.shape[0] for part in parts], step))

    def read() -> Iterator[Block]:
        return (parts[k].block(start, stop, offset, dtype) for k, start, stop, offset in spans)

    return Blocks(
        read=read, n_features=width, rows=step, dtype=dtype, n_rows=n_rows, sparse=sparse,
        has_target=parts[0].y is not None, has_weight=parts[0].sample_weight is not None, n_blocks=len(spans),
    )  # fmt: skip


def _checked_rows(rows: int | None, row_bytes: float) -> int:
    if rows is None:
        return default_rows(row_bytes)
    if rows < 1:
        raise ValueError(f"A block holds at least one row, got rows={rows}.")
    return int(rows)


def _spans(lengths: Iterable[int], step: int) -> Iterator[tuple[int, int, int, int]]:
    """(part, first row, end row, rows before the part) of each block."""
    offset = 0
    for number, length in enumerate(lengths):
        for start in range(0, length, step):
            yield number, start, min(start + step, length), offset
        offset += length


def _csr_rows(X: Any, start: int, stop: int, dtype: np.dtype) -> Any:
    """Rows of a CSR matrix without copying what is stored. Slicing copies it, and so does SciPy's constructor from
    arrays, which takes a view of something larger for waste: either took longer than counting the words."""
    first, last = X.indptr[start], X.indptr[stop]
    rows = type(X)((stop - start, X.shape[1]), dtype=dtype)
    rows.data = X.data[first:last].astype(dtype, copy=False)
    rows.indices = X.indices[first:last]
    rows.indptr = X.indptr[start : stop + 1] - first
    return rows
