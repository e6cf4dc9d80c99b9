"""How well each penalty of a ridge regression does on rows it was not fitted on: scores of errors and of folds.

The folds' statistics are made once; what a fold is fitted on is the sum of the others', so that k folds cost one pass
over the rows, and k small decompositions that serve all penalties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv

from tripos.base import Training
from tripos.objective.moments import Moments, moments, tall_blocks
from tripos.supervised.linear.dual import DualRows
from tripos.supervised.linear.leave_one_out import SPARSE_SCATTER, folds_apart
from tripos.supervised.linear.normal import NormalEquations
from tripos.supervised.linear.ridge import Ridge


class _Said(RegressorMixin, BaseEstimator):
    """A regressor whose predictions are what it is given: scorers want an estimator."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Any:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X


class _SaidClass(ClassifierMixin, BaseEstimator):
    """The same for scores of classes."""

    def __init__(self, classes: Any = None) -> None:
        self.classes = classes
        self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Any:
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        scores = self.decision_function(X)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: np.ndarray = np.asarray(self.classes)[codes]
        return labels


@dataclass(frozen=True)
class Scorer:
    """Scores predictions; `scorer` None is the negative mean squared error."""

    scorer: Any
    classes: Any  # labels of a classifier, None for a regressor

    @classmethod
    def of(cls, estimator: Any, *, default: bool = False) -> Scorer:
        """`default`: use the estimator's own score where no scoring is named."""
        classes = estimator.classes_ if is_classifier(estimator) else None
        if estimator.scoring is None and not default:
            return cls(None, classes)
        said = _Said() if classes is None else _SaidClass(classes)
        return cls(check_scoring(said, scoring=estimator.scoring), classes)

    def of_errors(self, errors: np.ndarray, Y: np.ndarray, s: np.ndarray | None, several: bool) -> np.ndarray:
        """Scores of shape (1,), or (n_targets,) for `several` choices."""
        if self.scorer is None:
            if s is None:
                squares = np.einsum("ij,ij->j", errors, errors) / len(errors)
            else:
                squares = np.einsum("ij,ij,i->j", errors, errors, s) / s.sum()
            return np.asarray(-squares if several else -squares.sum(keepdims=True) / len(squares))
        predictions = Y - errors
        if several:
            return np.array([self.score(predictions[:, k], Y[:, k], s) for k in range(Y.shape[1])])
        return np.array([self.score(predictions, Y, s)])

    def score(self, predictions: np.ndarray, y: np.ndarray, s: np.ndarray | None) -> float:
        options = {} if s is None else {"sample_weight": s}
        if self.classes is None:
            flat = predictions[:, 0] if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions
            target = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
            return float(self.scorer(_Said(), flat, target, **options))
        return float(self.scorer(_SaidClass(self.classes), predictions, self._labels(y), **options))

    def _labels(self, y: np.ndarray) -> np.ndarray:
        """Class labels of targets of +1 and -1."""
        if y.ndim == 1:
            return y
        codes = (y[:, 0] > 0).astype(np.intp) if y.shape[1] == 1 else y.argmax(axis=1)
        labels: np.ndarray = np.asarray(self.classes)[codes]
        return labels

    def kept(self, errors: np.ndarray, Y: np.ndarray, s: np.ndarray | None) -> np.ndarray:
        """What `cv_results_` holds of one penalty, shape (n_rows, n_targets)."""
        if self.scorer is not None:
            return np.asarray(Y - errors)
        return np.asarray(errors * errors * (1.0 if s is None else s[:, None]))


def fold_scores(
    estimator: Any,
    training: Training,
    labels: np.ndarray,
    alphas: np.ndarray,
    kept: np.ndarray | None,
) -> np.ndarray:
    """Score of each penalty on each fold, shape (n_alphas, n_folds).

    Parameters
    ----------
    labels : ndarray
        What the splitter stratifies by, of every row.
    kept : bool ndarray, optional
        Which of the rows take part; those of weight zero do not, but splits are made, or were, with them.
    """
    assert training.y is not None
    X, Y, s = training.X, training.y.reshape(len(training.y), -1), training.sample_weight
    splitter = check_cv(estimator.cv, labels, classifier=is_classifier(estimator))
    splits = list(splitter.split(np.zeros((len(labels), 1)) if kept is not None else X, labels))
    if kept is not None:
        position = np.cumsum(kept) - 1
        splits = [tuple(position[rows[kept[rows]]] for rows in split) for split in splits]
    scorer = Scorer.of(estimator, default=True)
    apart = _apart(X, Y, s, splits)
    scores = np.empty((len(alphas), len(splits)))
    for f, (train, test) in enumerate(splits):
        weight = None if s is None else s[train]
        if apart is None:
            models = _direct(X[train], Y[train], weight, alphas, estimator.fit_intercept)
        else:
            models = _from_moments(apart[f], X.shape[1], alphas, estimator.fit_intercept)
        for a, (w, b) in enumerate(models):
            predictions = np.asarray(X[test] @ w + b)
            scores[a, f] = scorer.score(predictions, Y[test], None if s is None else s[test])
    return scores


def _apart(X: Any, Y: np.ndarray, s: np.ndarray | None, splits: list[Any]) -> list[Moments] | None:
    """Moments of what each fold is fitted on; None where they are not the road."""
    n, d = X.shape
    if d > SPARSE_SCATTER if sp.issparse(X) else d > min(len(train) for train, _ in splits):
        return None
    seen = np.concatenate([test for _, test in splits])
    partition = len(seen) == n and len(np.unique(seen)) == n
    partition = partition and all(len(train) + len(test) == n for train, test in splits)

    def of(rows: np.ndarray) -> Moments:
        weight = None if s is None else s[rows]
        return moments(tall_blocks(X[rows], np.ascontiguousarray(Y[rows]), weight), n_targets=Y.shape[1])

    if not partition:
        return [of(train) for train, _ in splits]
    return folds_apart([of(test) for _, test in splits])


def _from_moments(
    found: Moments, n_features: int, alphas: np.ndarray, fit_intercept: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """W' and b of each penalty, by one eigendecomposition."""
    equations = NormalEquations.of(found, n_features, fit_intercept=fit_intercept)
    values, V = scipy.linalg.eigh(equations.G, check_finite=False)
    values = np.maximum(values, 0.0)
    kept = values > 1e-13 * values[-1]
    V, values, C = V[:, kept], values[kept], V[:, kept].T @ equations.C
    models = []
    for alpha in alphas:
        w = V @ (C / (values + alpha)[:, None])
        models.append((w, equations.intercept(w)))
    return models


def _direct(
    X: Any, Y: np.ndarray, s: np.ndarray | None, alphas: np.ndarray, fit_intercept: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same for more columns than rows (one product of the rows for all penalties), and for wide CSR."""
    if sp.issparse(X) or not (alphas > 0.0).all():
        fits = [Ridge(alpha=a, fit_intercept=fit_intercept).fit(X, Y, s) for a in alphas]
        return [(np.atleast_2d(m.coef_).T, np.atleast_1d(m.intercept_)) for m in fits]
    rows = DualRows.of(X, Y, s, fit_intercept=fit_intercept)
    values, V = scipy.linalg.eigh(rows.products(), overwrite_a=True, check_finite=False)
    B = V.T @ rows.B
    models = []
    for alpha in alphas:
        w = rows.primal(V @ (B / (np.maximum(values, 0.0) + alpha)[:, None]))
        models.append((w, rows.y_mean - rows.x_mean @ w))
    return models
