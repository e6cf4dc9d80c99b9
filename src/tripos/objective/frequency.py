"""Columns of a sparse risk in the order of how often they are stored.

A pass over text meets a few words in every row and most words hardly ever. Side by side the frequent ones fit the
fastest cache: on 33,715 mails with 155,204 words a pass takes 25 ms instead of 39, and renumbering takes as long as
two passes save.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tripos.compute import kernel
from tripos.compute.threads import parallel
from tripos.objective.risk import Risk
from tripos.objective.rows import SparseRows

WIDE = 1 << 14  # columns from which a coefficient of each no longer fits the fastest cache
STORED_PER_COLUMN = 4  # entries for each column from which passes last long enough


@kernel("I[::1], i8[::1]")
def count_columns(indices, count):  # type: ignore[no-untyped-def]
    """count_j += number of stored entries in column j."""
    for t in range(indices.size):
        count[np.uint64(indices[t])] += 1


@kernel("I[::1], i8[::1], I[::1]")
def renumber(indices, rank, out):  # type: ignore[no-untyped-def]
    """out_t = rank of the column of entry t."""
    for t in range(indices.size):
        out[t] = rank[np.uint64(indices[t])]


@dataclass(frozen=True, eq=False)
class ByFrequency:
    """A risk with renumbered columns.

    Attributes
    ----------
    risk : Risk
        Its rows are no longer sorted by column: good for values and gradients, not for Hessians.
    order : int64 ndarray of shape (n_features,)
        Column `order[j]` of the original is column j here.
    """

    risk: Risk
    order: np.ndarray

    @classmethod
    def of(cls, risk: Risk) -> ByFrequency | None:
        """None where renumbering does not pay: dense or narrow rows, few entries, rows read from a file."""
        rows = risk.blocks
        d = risk.n_features
        if d < WIDE or not isinstance(rows, list) or not all(isinstance(r, SparseRows) for r in rows):
            return None
        if sum(len(r.indices) for r in rows) < STORED_PER_COLUMN * d:
            return None
        count = np.zeros(d, dtype=np.int64)
        for r in rows:
            count_columns(r.indices, count)
        order = np.argsort(-count, kind="stable")
        rank = np.empty(d, dtype=np.int64)
        rank[order] = np.arange(d)
        return cls(replace(risk, blocks=parallel(lambda r: _renumbered(r, rank), rows)), order)

    def forth(self, theta: np.ndarray) -> np.ndarray:
        """The parameters of the renumbered columns."""
        renumbered = theta.copy()
        self._columns(renumbered)[:] = self._columns(theta)[:, self.order]
        return renumbered

    def back(self, theta: np.ndarray) -> np.ndarray:
        """The parameters of the original columns."""
        original = theta.copy()
        self._columns(original)[:, self.order] = self._columns(theta)
        return original

    def _columns(self, theta: np.ndarray) -> np.ndarray:
        """The coefficients without intercepts, shape (n_outputs, n_features), as a view."""
        return theta.reshape(self.risk.n_outputs, -1)[:, : len(self.order)]


def _renumbered(rows: SparseRows, rank: np.ndarray) -> SparseRows:
    indices = np.empty_like(rows.indices)
    renumber(rows.indices, rank, indices)
    return replace(rows, indices=indices)
