"""What the two baselines share: counting the rows of whatever they are given, and never looking inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.base import MultiOutputMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from tripos import inputs
from tripos.base import Estimator
from tripos.compute.blocks import Blocks
from tripos.data.needs import Needs
from tripos.state import Number

Floats = npt.NDArray[np.float64]
READS_NOTHING = {
    "content": "a baseline looks at no cell of X: whatever the table holds is accepted and ignored",
    "budget": "a baseline looks at no cell of X: it needs no memory for it",
}


class Baseline(MultiOutputMixin, Estimator):
    """What the two baselines share: a table is counted and its columns are remembered, its content is ignored."""

    needs: ClassVar[Needs] = Needs()
    interpretability: ClassVar[str] = "high"
    state: ClassVar[Mapping[str, Any]] = {"n_outputs_": Number("i", low=1)}

    n_outputs_: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags

    def _start(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Floats | None]:
        """The target and the weights, whichever way they were passed; rows of weight zero leave."""
        self._validate_params()
        if isinstance(X, Blocks):
            X, y, sample_weight = self._read_target(X)
        else:
            validate_data(self, X, skip_check_array=True)
            if not hasattr(self, "n_features_in_"):
                self.n_features_in_ = 1  # X is a plain sequence
        if y is None:
            name = type(self).__name__
            raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None.")
        if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
            y = y.to_numpy()
        if sp.issparse(y):
            raise TypeError("a sparse target is not taken: pass y.toarray()")
        y = np.atleast_1d(np.asarray(y))
        check_consistent_length(X, y)
        if len(y) == 0:
            raise ValueError("y must not be empty: found 0 sample(s)")
        if sample_weight is None:
            return y, None
        w = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return y[w > 0], w[w > 0]

    def _read_target(self, blocks: Blocks) -> tuple[Any, Any, Any]:
        """One pass over blocks for their targets and weights; the rows themselves are dropped as they come."""
        self.n_features_in_ = blocks.n_features
        self.__dict__.pop("feature_names_in_", None)
        if blocks.feature_names is not None:
            self.feature_names_in_ = np.asarray(blocks.feature_names, dtype=object)
        targets: list[npt.NDArray[Any]] = []
        weights: list[Any] = []
        for block in blocks:
            if block.y is None:
                raise ValueError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
            targets.append(block.y)
            weights.append(block.sample_weight)
        y = np.concatenate(targets)
        return y, y, None if weights[0] is None else np.concatenate(weights)

    def _n_rows(self, X: Any) -> int:
        if type(X) is not np.ndarray or "n_outputs_" not in self.__dict__:
            check_is_fitted(self)
            if inputs.is_table(X):
                validate_data(self, X, reset=False, skip_check_array=True)
        return int(_num_samples(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of the constant predictions; X may be None."""
        X = np.zeros((len(y), 1)) if X is None else X
        return float(super().score(X, y, sample_weight))
