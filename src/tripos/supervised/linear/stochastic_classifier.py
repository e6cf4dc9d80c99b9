"""What stochastic classifiers share: one walk for two classes, one against the rest for more."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tripos.base import Classifier, Training
from tripos.compute.random import streams
from tripos.labels import class_factors
from tripos.state import Array
from tripos.supervised.linear.stochastic import StochasticModel
from tripos.supervised.linear.stochastic_walk import Walk


class StochasticClassifier(StochasticModel, Classifier):
    """Base of `SGDClassifier` and `Perceptron`."""

    aggressive_loss: ClassVar[str] = "hinge"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("outputs", "features"), sparse=True),
        "intercept_": Array("f", ("outputs",)),
    }

    # ---- fitting -----------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,)
            Class labels.
        coef_init : array-like of shape (n_classes, n_features) or (1, n_features), optional
            Coefficients to start from; zero by default.
        intercept_init : array-like of shape (n_classes,) or (1,), optional
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        if self.warm_start and hasattr(self, "coef_"):
            coef_init = self.coef_ if coef_init is None else coef_init
            intercept_init = self.intercept_ if intercept_init is None else intercept_init
        training = self._start_fit(X, y, sample_weight)
        self._check_settings()
        self._forget()
        self._fit(training, coef_init, intercept_init, self.max_iter, fitting=True)
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Any:
        """One epoch over these rows, from where the last call ended.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        classes : array-like of shape (n_classes,), optional
            All labels there will ever be; needed in the first call.
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        self
        """
        first = not hasattr(self, "coef_")
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit: the classes' shares are not known before "
                "the last batch. Pass a dict from sklearn.utils.compute_class_weight('balanced', classes=..., y=...) "
                "of a large sample"
            )
        if first:
            self.__dict__.pop("classes_", None)
        training = self._start_fit(X, y, sample_weight, reset=first, classes=classes)
        self._check_settings(partial_fit=True)
        if first:
            self._forget()
        self._fit(training, *self._where_it_was(), 1, fitting=False)
        return self

    def _fit(
        self, training: Training, coef: Any, intercept: Any, max_iter: int, *, fitting: bool
    ) -> list[Walk]:
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {n_classes} class: {self.classes_[0]!r}"
            )
        W, b = self._start(1 if n_classes == 2 else n_classes, training, coef, intercept)
        factors = class_factors(self.class_weight, self.classes_, self._class_totals(training))
        recipe = self._recipe(training)

        def make(rng: np.random.Generator, held_out: Any) -> list[Walk]:
            walks = []
            for k, stream in enumerate(streams(rng, len(W))):
                positive = 1 if n_classes == 2 else k
                negative = factors[0] if n_classes == 2 else 1.0
                settings = recipe.with_settings(CLASS=positive, POSITIVE=factors[positive], NEGATIVE=negative)
                scorer = None if held_out is None else _accuracy_of(positive, *held_out)
                walk = Walk.start(recipe, W[k], b[k], stream, t=self.t_, settings=settings, held_out=scorer)
                walks.append(walk)
            self._resume(walks)
            return walks

        return self._walk(training, make, max_iter, fitting=fitting)

    def _class_totals(self, training: Training) -> np.ndarray:
        """Weight of the rows of each class."""
        total = np.zeros(len(self.classes_))
        if isinstance(self.class_weight, str):
            for block in training.blocks:
                assert block.y is not None
                total += np.bincount(block.y, block.sample_weight, minlength=len(total))
        return total

    # ---- predicting --------------------------------------------------------------------------------

    def _score_coefficients(self) -> tuple[Any, Any]:
        if len(self.intercept_) == 1 and type(self.coef_) is np.ndarray:
            return self.coef_[0], self.intercept_
        return self.coef_.T, self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: of the second class, shape (n_rows,), or of each class against the rest, (n_rows, n_classes)."""
        scores = self._scores(X)
        return scores if len(self.intercept_) > 1 else scores.reshape(-1)

    def predict(self, X: Any) -> np.ndarray:
        """The class with the largest score of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self._labels((scores > 0).astype(np.intp))
        return self._labels(scores.argmax(axis=1))

    def sparsify(self) -> Any:
        """Store `coef_` as a CSR matrix, for models most of whose coefficients are zero."""
        self.coef_ = sp.csr_array(self.coef_)
        return self

    def densify(self) -> Any:
        """Store `coef_` as an array again."""
        self.coef_ = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return self

    # ---- looking at it -----------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _facts(self) -> dict[str, str]:
        shown = ", ".join(map(str, self.classes_[:10])) + (", ..." if len(self.classes_) > 10 else "")
        against = f" (scores above 0 mean {self.classes_[1]})" if len(self.classes_) == 2 else ""
        return {"classes": shown + against, "epochs": str(self.n_iter_)}

    def _check_state(self) -> None:
        super()._check_state()
        n_classes, n_rows = len(self.classes_), self.coef_.shape[0]
        if n_classes < 2 or n_rows != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"coef_ has {n_rows} rows for {n_classes} classes")


def _accuracy_of(positive: int, X: Any, codes: np.ndarray, s: np.ndarray | None) -> Any:
    """The share of held-out rows on the right side, as a function of w and b."""
    inside = codes == positive

    def accuracy(w: np.ndarray, b: float) -> float:
        return float(np.average((X @ w + b > 0) == inside, weights=s))

    return accuracy
