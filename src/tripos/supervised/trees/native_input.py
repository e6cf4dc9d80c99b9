"""Input whose missing cells and categories the learner reads as they are: every model of trees, and C4.5."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tripos.base import Estimator, _as_array_like
from tripos.compute.arrays import kernel_array
from tripos.data.encoding.table import positional
from tripos.data.needs import Needs

NATIVE = Needs(categories="native", missing="native", text="none", sparse=False)


class NativeInput(Estimator):
    """An estimator that answers for missing cells, and knows which of its columns are codes of categories."""

    def _check_input(self, X: Any) -> Any:
        """As in `Estimator`, but a missing value is an answer also where training had none."""
        check_is_fitted(self)
        if getattr(self, "encoder_", None) is not None:
            return self._encoded(X)
        array = self._plain_numbers(_as_array_like(X), reset=False)
        if array is None:
            array = self._numbers_with_gaps(X)
        return array

    def _numbers_with_gaps(self, X: Any) -> np.ndarray:
        """A table of numbers with missing cells, which the model met complete in training."""
        try:
            return kernel_array(np.asarray(X, dtype=np.float64))
        except (TypeError, ValueError):
            raise ValueError(self._describe_unexpected_cells(X)) from None

    def _sources(self) -> np.ndarray:
        """For each column the trees see the position of the input column it comes from."""
        encoder = getattr(self, "encoder_", None)
        if encoder is None:
            return np.arange(self.n_features_in_)
        names = getattr(encoder, "feature_names_in_", None)
        names = positional(self.n_features_in_) if names is None else list(names)
        at = {name: i for i, name in enumerate(names)}
        return np.array([at[name] for name in encoder.sources_], dtype=np.int64)

    def _native_categories(self, n_columns: int) -> np.ndarray:
        """Which of the columns the trees see are codes of strings or categories."""
        native = np.zeros(n_columns, dtype=bool)
        encoder = getattr(self, "encoder_", None)
        if encoder is not None and len(encoder.stages_.levels.columns):
            native[-len(encoder.stages_.levels.columns) :] = True  # they come last
        return native
