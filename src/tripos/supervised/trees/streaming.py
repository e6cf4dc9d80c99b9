"""Training rows that come in blocks, larger than memory: targets, bins and validation rows, pass by pass.

The first pass keeps targets and weights, the second sketches the columns for their cuts, the third writes bins:
one byte a cell twice over, where X has four or eight. Sketches merge, so any number of blocks, and one array of all
rows, give the same bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.compute.blocks import Blocks
from tripos.errors import TableError
from tripos.supervised.trees.binning import Binned, Binning, Writer
from tripos.supervised.trees.sketch import QuantileSketch


@dataclass(frozen=True, eq=False)
class Streamed:
    """Rows in blocks; those of weight zero are not among them.

    Attributes
    ----------
    blocks : Blocks
    y : ndarray of shape (n_rows,)
    weight : float64 ndarray of shape (n_rows,), or None
    keep : bool ndarray over the rows of the blocks, or None
        Which have a weight.
    """

    blocks: Blocks
    y: np.ndarray
    weight: np.ndarray | None
    keep: np.ndarray | None

    @classmethod
    def of(cls, blocks: Blocks) -> Streamed:
        """The first pass."""
        if blocks.sparse:
            raise ValueError("boosted trees take blocks of dense rows: the blocks are sparse")
        targets, weights = [], []
        for block in blocks:
            if block.y is None:
                raise TableError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
            targets.append(np.array(block.y))
            if block.sample_weight is not None:
                weights.append(np.array(block.sample_weight, np.float64))
        y = np.concatenate(targets)
        if y.dtype.kind == "f":
            y = y.astype(blocks.dtype, copy=False)
            if not np.isfinite(y).all():
                row = int(np.argmin(np.isfinite(y)))
                raise ValueError(f"Input y contains NaN or infinity: row {row} holds {y[row]}")
        weight = np.concatenate(weights) if weights else None
        if weight is None:
            return cls(blocks, y, None, None)
        if not (np.isfinite(weight).all() and (weight >= 0).all()):
            raise ValueError(
                "sample_weight must be finite and not negative: look for the row, or leave it out"
            )
        if weight.all():
            return cls(blocks, y, weight, None)
        keep = weight > 0
        return cls(blocks, y[keep], weight[keep], keep)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """X of some of the rows, by rising position."""
        out = np.empty((len(positions), self.blocks.n_features), self.blocks.dtype)
        for start, X in self._parts():
            low, high = np.searchsorted(positions, (start, start + len(X)))
            out[low:high] = X[positions[low:high] - start]
        return out

    def bins(self, binning: Binning, positions: np.ndarray | None) -> Binned:
        """Bins of some of the rows, by rising position, or of all."""
        writer = Writer(binning, len(self.y) if positions is None else len(positions), self.blocks.dtype)
        for start, X in self._parts():
            if positions is not None:
                low, high = np.searchsorted(positions, (start, start + len(X)))
                X = np.ascontiguousarray(X[positions[low:high] - start])
            if len(X) and not writer.add(X) and np.isinf(X).any():
                row = int(np.argmax(np.isinf(X).any(axis=1)))
                raise ValueError(
                    f"Input X contains infinity, in or after row {start + row} of the blocks: replace it by a number or NaN"
                )
        return writer.done()

    def learn(
        self, positions: np.ndarray | None, weight: np.ndarray | None, *, seed: int = 0, **how: Any
    ) -> Binning:
        """Cuts from some of the rows, by rising position, or from all: those of `Binning.learn` for an array of them."""
        sketch = QuantileSketch(self.blocks.n_features, seed)
        for start, X in self._parts():
            low, high = start, start + len(X)
            if positions is not None:
                low, high = np.searchsorted(positions, (low, high))
                X = X[positions[low:high] - start]
            sketch.add(X, None if weight is None else weight[low:high], first=int(low))
        return sketch.binning(**how)

    def _parts(self) -> Any:
        """(number of the first row, X) of each block, numbered among the rows with a weight."""
        start = 0
        for block in self.blocks:
            X = block.X
            if self.keep is not None:
                X = X[self.keep[block.start : block.stop]]
            X = np.ascontiguousarray(X)
            yield start, X
            start += len(X)
