"""From the pieces of a row to one array: dense, or CSR where most entries are 0."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from tripos.compute.budget import require
from tripos.data.encoding.categories import Indicators

SPARSE_BELOW = 0.1  # share of entries that are not 0 below which CSR is smaller and faster than dense
SPARSE_FROM = 64  # columns: narrower tables are dense whatever they hold
_ANNOUNCED = 1 << 26  # bytes of a dense result from which the memory budget is asked first


@dataclass
class Pieces:
    """What stands side by side in the result, from left to right."""

    numbers: np.ndarray  # (n_rows, n_numbers)
    flags: np.ndarray  # (n_rows, n_indicators) bool
    codes: list[tuple[Indicators, np.ndarray]] = field(default_factory=list)  # one-hot groups and their codes
    texts: list[sp.csr_matrix] = field(default_factory=list)

    @property
    def width(self) -> int:
        one_hot = sum(indicators.width for indicators, _ in self.codes)
        return (
            self.numbers.shape[1] + self.flags.shape[1] + one_hot + sum(text.shape[1] for text in self.texts)
        )

    @property
    def density(self) -> float:
        """The share of entries that may differ from 0, numbers counted whole."""
        n_rows = max(len(self.numbers), 1)
        per_row = self.numbers.shape[1] + float(self.flags.sum()) / n_rows
        per_row += (
            sum(codes.shape[1] for _, codes in self.codes) + sum(text.nnz for text in self.texts) / n_rows
        )
        return per_row / max(self.width, 1)

    def worth_csr(self) -> bool:
        return bool(self.codes or self.texts) and self.width >= SPARSE_FROM and self.density < SPARSE_BELOW

    def dense(self, dtype: np.dtype) -> np.ndarray:
        """A C-contiguous array of shape (n_rows, width)."""
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
        for indicators, codes in self.codes:
            indicators.write(codes, out[:, at : at + indicators.width])
            at += indicators.width
        for text in self.texts:
            out[:, at : at + text.shape[1]] = text.toarray()
            at += text.shape[1]
        return out

    def csr(self, dtype: np.dtype) -> sp.csr_matrix:
        """The same as a CSR matrix with sorted indices (a matrix, as scikit-learn's encoders return by default)."""
        left = np.hstack([self.numbers, self.flags]).astype(dtype, copy=False)
        one_hot = [indicators.csr(codes, dtype) for indicators, codes in self.codes]
        blocks = [sp.csr_matrix(left), *one_hot, *(text.astype(dtype, copy=False) for text in self.texts)]
        return sp.csr_matrix(
            sp.hstack([block for block in blocks if block.shape[1]], format="csr", dtype=dtype)
        )
