"""Classes as numbers: what ridge regression as a classifier regresses on.

    y_ik = 1 where row i is of class k, else -1        one column for two classes, one per class for more

Several labels at once (`multilabel`, a matrix of 0 and 1) give a column each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tripos.base import Classifier, Training
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block
from tripos.labels import class_factors
from tripos.state import Flag
from tripos.supervised.linear.likelihood import count
from tripos.supervised.linear.model import LinearModel


class BinarisedClassifier(LinearModel, Classifier):
    """A classifier whose scores are a regression on +1 and -1."""

    state: ClassVar[Mapping[str, Any]] = {"multilabel_": Flag()}

    class_weight: Any
    multilabel_: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # ---- targets -----------------------------------------------------------------------------------

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        matrix = y.toarray() if sp.issparse(y) else y
        shape: tuple[int, ...] = getattr(matrix, "shape", None) or (
            np.shape(matrix) if isinstance(matrix, (list, tuple)) else ()
        )
        if len(shape) == 2 and shape[1] > 1:
            return self._several_labels(np.asarray(matrix), reset)
        self.multilabel_ = False
        return super()._target(matrix, multi_output=multi_output, reset=reset, classes=classes)

    def _several_labels(self, y: np.ndarray, reset: bool) -> np.ndarray:
        if y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y has {y.shape[1]} columns, but not of 0 and 1 only: Multioutput target data is not supported "
                "with label binarization; pass one column of class labels, or an indicator matrix"
            )
        if not reset and len(self.classes_) != y.shape[1]:
            raise ValueError(f"y has {y.shape[1]} labels, the earlier rows had {len(self.classes_)}")
        self.multilabel_, self.classes_ = True, np.arange(y.shape[1])
        return kernel_array(y, np.int64)

    def _binarised(self, training: Training) -> Training:
        """The same rows with targets of +1 and -1, shape (n_rows, n_outputs), and weights times class weights."""
        if not training.in_memory:
            self.multilabel_ = False
            factors = self._factors(training.blocks)
            blocks = training.blocks.map(lambda block: self._binarised_block(block, factors))
            return replace(training, given_blocks=replace(blocks, has_weight=True))
        assert training.y is not None
        Y = self._columns(training.y, training.X.dtype)
        weight = training.sample_weight
        if self.class_weight is not None:
            weight = (np.ones(len(Y)) if weight is None else weight) * self._row_factors(training)
        return replace(training, y=Y, sample_weight=weight)

    def _binarised_block(self, block: Block, factors: np.ndarray | None) -> Block:
        assert block.y is not None
        weight = block.sample_weight
        if factors is not None:
            weight = (np.ones(block.n_rows) if weight is None else weight) * factors[block.y]
        return replace(block, y=self._columns(block.y, block.X.dtype), sample_weight=weight)

    def _columns(self, codes: np.ndarray, dtype: Any) -> np.ndarray:
        """+1 and -1, shape (n_rows, n_outputs)."""
        if self.multilabel_:
            return (2 * codes - 1).astype(dtype)
        K = len(self.classes_)
        if K < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes, y holds one class only: {self.classes_[0]!r}"
            )
        if K == 2:
            return (2 * codes - 1).astype(dtype)[:, None]
        Y = np.full((len(codes), K), -1, dtype)
        Y[np.arange(len(codes)), codes] = 1
        return Y

    def _factors(self, blocks: Any) -> np.ndarray | None:
        """Factor of each class; None for none."""
        if self.class_weight is None:
            return None
        weights = count(blocks, len(self.classes_)).weights
        return class_factors(self.class_weight, self.classes_, weights)

    def _row_factors(self, training: Training) -> np.ndarray:
        if not self.multilabel_:
            factors = self._factors(training.blocks)
            assert factors is not None
            assert training.y is not None
            return np.asarray(factors[training.y])
        from sklearn.utils.class_weight import compute_sample_weight

        return np.asarray(compute_sample_weight(self.class_weight, training.y))

    def _flatten_single(self) -> None:
        """Two classes have one row of coefficients, which scikit-learn 1.9 gives as a vector."""
        if len(self.coef_) == 1:
            self.coef_ = self.coef_[0]

    # ---- predicting --------------------------------------------------------------------------------

    def _score_coefficients(self) -> tuple[Any, Any]:
        if self.coef_.ndim == 1:
            return self.coef_, self.intercept_
        return self.coef_.T, self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: above 0 for the second class, shape (n_rows,), or one per class, shape (n_rows, n_classes)."""
        return self._scores(X)

    def predict(self, X: Any) -> np.ndarray:
        """The class whose score is largest.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,); of 0 and 1, shape (n_rows, n_labels), where each row has several labels
        """
        scores = self._scores(X)
        if self.multilabel_:
            return (scores > 0).astype(np.int64)
        if scores.ndim == 1:
            return self._labels((scores > 0).astype(np.intp))
        return self._labels(scores.argmax(axis=1))

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _check_state(self) -> None:
        super()._check_state()
        n, flat = len(self.classes_), self.coef_.ndim == 1
        if flat != (n == 2 and not self.multilabel_) or (not flat and len(self.coef_) != n):
            raise ValueError(f"coef_ has shape {self.coef_.shape} for {n} classes")
