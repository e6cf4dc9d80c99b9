"""From the pieces of a row to one array: dense, or CSR where most entries are 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tripos.compute.budget import require

SPARSE_BELOW = 0.1  # share of entries that are not 0 below which CSR is smaller and faster than dense
SPARSE_BELOW_WHERE_LARGE = (
    0.25  # the same where the dense table is large: CSR then takes less than half of the memory
)
LARGE = 1 << 28  # bytes of such a table
SPARSE_FROM = 64  # columns: narrower tables are dense whatever they hold
_ANNOUNCED = 1 << 26  # bytes of a dense result from which the memory budget is asked first


class Indicators:
    """One column of 0 and 1 per code of some sources.

    With `drop_first` the first code of every source has no column: its rows are the ones where all
    others are 0, so that the columns of a source and an intercept are not collinear.
    """

    def __init__(self, widths: np.ndarray, *, drop_first: bool = False) -> None:
        self.drop = int(drop_first)
        self.offsets = np.concatenate([[0], np.cumsum(np.maximum(widths - self.drop, 0))])  # (n_sources + 1,)
        self.width = int(self.offsets[-1])

    def write(self, codes: np.ndarray, out: np.ndarray) -> None:
        """Set the ones of `codes` (n_rows, n_sources) in `out` (n_rows, width), which holds zeros."""
        at = codes - self.drop
        rows, sources = np.nonzero(at >= 0)
        out[rows, at[rows, sources] + self.offsets[sources]] = 1.0

    def csr(self, codes: np.ndarray, dtype: np.dtype) -> sp.csr_matrix:
        """The same columns as a CSR matrix."""
        at = codes - self.drop
        present = at >= 0
        indices = (at + self.offsets[:-1])[present].astype(np.int32)  # row by row, and rising within a row
        indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
        return sp.csr_matrix((np.ones(len(indices), dtype), indices, indptr), shape=(len(codes), self.width))


@dataclass
class Pieces:
    """What stands side by side in the result, from left to right."""

    numbers: np.ndarray  # (n_rows, n_numbers)
    flags: np.ndarray  # (n_rows, n_indicators) bool
    groups: list[tuple[Indicators, np.ndarray]]  # one-hot groups and their codes
    texts: list[sp.csr_matrix]

    @property
    def width(self) -> int:
        one_hot = sum(indicators.width for indicators, _ in self.groups)
        text = sum(text.shape[1] for text in self.texts)
        return int(self.numbers.shape[1] + self.flags.shape[1] + one_hot + text)

    @property
    def density(self) -> float:
        """The share of entries that may differ from 0, numbers counted whole."""
        n_rows = max(len(self.numbers), 1)
        entries = self.flags.sum() + sum(text.nnz for text in self.texts)
        per_row = self.numbers.shape[1] + entries / n_rows + sum(codes.shape[1] for _, codes in self.groups)
        return float(per_row / max(self.width, 1))

    def worth_csr(self) -> bool:
        """Whether the result is smaller, and faster to learn from, as CSR."""
        is_large = 8 * len(self.numbers) * self.width > LARGE
        below = SPARSE_BELOW_WHERE_LARGE if is_large else SPARSE_BELOW
        return bool(self.groups or self.texts) and self.width >= SPARSE_FROM and self.density < below

    def dense(self, dtype: np.dtype) -> np.ndarray:
        """A C-contiguous array of shape (n_rows, width), never the caller's own."""
        n_rows, width = len(self.numbers), self.width
        if n_rows * width * dtype.itemsize > _ANNOUNCED:
            what = f"the encoded table ({n_rows:,} rows, {width:,} columns, dense)"
            instead = "Encoder(sparse=True), fewer levels (max_levels, min_frequency) or categories='target'"
            require(n_rows * width * dtype.itemsize, what=what, instead=instead)
        k, m = self.numbers.shape[1], self.flags.shape[1]
        if width == k:
            return np.array(self.numbers, dtype=dtype, order="C")
        out = np.zeros((n_rows, width), dtype=dtype)
        out[:, :k] = self.numbers
        out[:, k : k + m] = self.flags
        at = k + m
        for indicators, codes in self.groups:
            indicators.write(codes, out[:, at : at + indicators.width])
            at += indicators.width
        for text in self.texts:
            out[:, at : at + text.shape[1]] = text.toarray()
            at += text.shape[1]
        return out

    def csr(self, dtype: np.dtype) -> sp.csr_matrix:
        """The same as CSR with sorted indices (a matrix, as scikit-learn's encoders return by default)."""
        left = sp.csr_matrix(np.hstack([self.numbers, self.flags]).astype(dtype, copy=False))
        one_hot = [indicators.csr(codes, dtype) for indicators, codes in self.groups]
        blocks = [left, *one_hot, *(text.astype(dtype, copy=False) for text in self.texts)]
        return sp.csr_matrix(sp.hstack(blocks, format="csr", dtype=dtype))
