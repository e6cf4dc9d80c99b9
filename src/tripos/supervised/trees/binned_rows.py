"""`BinnedRows`: training rows in bins, made once and fitted many times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tripos.supervised.trees.binning import Binned, Binning


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """What `BoostedTreesClassifier().bin(X)` makes: pass it to `fit` in place of X.

    Attributes
    ----------
    binned : Binned
    binning : Binning
    facts : dict
        What a model learns of its input: names and number of columns, encoder, which are categories.
    others : tuple of Binned
        The same rows with their categories' statistics in other orders (`ordered`).
    """

    binned: Binned
    binning: Binning
    facts: dict[str, Any]
    others: tuple[Binned, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        return self.binned.n_rows, int(self.facts["n_features_in_"])

    def __len__(self) -> int:
        return self.binned.n_rows

    def take(self, rows: np.ndarray) -> BinnedRows:
        """Some of the rows."""
        columns = np.ascontiguousarray(self.binned.columns[:, rows])
        words = np.ascontiguousarray(self.binned.words[:, rows])
        return replace(self, binned=replace(self.binned, columns=columns, words=words))
