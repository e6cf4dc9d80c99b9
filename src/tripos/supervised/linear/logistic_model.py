"""What fitted logistic regressions share: classes and probabilities from scores, and how they are shown.

two classes:   P(1 | x) = 1 / (1 + e^-eta),               eta = w.x + b
more classes:  P(k | x) = e^eta_k / sum_l e^eta_l,        eta = W x + b
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import scipy.sparse as sp

from tripos.base import Classifier
from tripos.data.needs import Needs
from tripos.state import Array
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.probabilities import probabilities, rest_probabilities

if TYPE_CHECKING:
    from tripos.supervised.linear.family import Family

Self = TypeVar("Self", bound="LogisticModel")


class LogisticModel(LinearModel, Classifier):
    """A classifier whose log odds are linear."""

    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("outputs", "features"), sparse=True),
        "intercept_": Array("f", ("outputs",)),
    }

    @property
    def _by_rest(self) -> bool:
        """Whether each class was told from the rest, rather than all from one another."""
        return False

    def _score_coefficients(self) -> tuple[Any, Any]:
        if len(self.intercept_) == 1 and type(self.coef_) is np.ndarray:
            return self.coef_[0], self.intercept_
        return self.coef_.T, self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: log odds of the second class, shape (n_rows,), or one score per class, shape (n_rows,
        n_classes)."""
        scores = self._scores(X)
        return scores if len(self.intercept_) > 1 else scores.reshape(-1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

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

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return self._probabilities(X, log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`, finite also where a probability is too small for a number."""
        return self._probabilities(X, log_scale=True)

    def _probabilities(self, X: Any, *, log_scale: bool) -> np.ndarray:
        scores = self.decision_function(X)
        if scores.ndim == 2 and self._by_rest:
            return rest_probabilities(scores, log_scale=log_scale)
        return probabilities(scores, log_scale=log_scale)

    def sparsify(self: Self) -> Self:
        """Store `coef_` as a CSR matrix, for models most of whose coefficients are zero."""
        self.coef_ = sp.csr_array(self.coef_)
        return self

    def densify(self: Self) -> Self:
        """Store `coef_` as an array again."""
        self.coef_ = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return self

    # ---- looking at it ---------------------------------------------------------------------------

    def _family(self) -> Family | None:
        """Bernoulli for two classes; inference for more is not offered."""
        from tripos.supervised.linear.family import BERNOULLI

        return BERNOULLI if len(self.classes_) == 2 else None

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _class_facts(self) -> dict[str, str]:
        shown = ", ".join(str(label) for label in self.classes_[:10]) + (
            ", ..." if len(self.classes_) > 10 else ""
        )
        against = f" (coefficients are log odds of {self.classes_[1]})" if len(self.classes_) == 2 else ""
        return {"classes": shown + against}

    def _sparsity_facts(self) -> dict[str, str]:
        coef = self.coef_
        nonzero = int(coef.count_nonzero() if sp.issparse(coef) else np.count_nonzero(coef))
        size = coef.shape[0] * coef.shape[1]
        return {"coefficients": f"{nonzero} of {size} are not zero"} if nonzero < size else {}

    def _check_state(self) -> None:
        super()._check_state()
        n_classes, n_rows = len(self.classes_), self.coef_.shape[0]
        if n_classes < 2 or n_rows != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"coef_ has {n_rows} rows for {n_classes} classes")

    def _check_classes(self) -> None:
        """Refuses a target with fewer than two classes."""
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {self.classes_[0]!r}"
            )
