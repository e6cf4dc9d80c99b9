"""Ridge regression as a classifier, with its penalty chosen by cross-validation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from tripos.supervised.linear.binarised import BinarisedClassifier
from tripos.supervised.linear.ridge_classifier import RidgeClassifier
from tripos.supervised.linear.ridge_cv import CrossValidatedRidge, rows_with_weight
from tripos.supervised.linear.ridge_folds import Scorer, fold_scores


class RidgeClassifierCV(CrossValidatedRidge, BinarisedClassifier):
    """Ridge classifier with the penalty chosen by cross-validation.

    Regresses on +1 and -1 as `RidgeClassifier` does and leaves out each row in turn as `RidgeCV` does: one
    decomposition serves all penalties and all classes.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to choose from; above 0.
    fit_intercept : bool, default=True
        Whether the scores have a constant term b, which is not penalised.
    scoring : str or callable, optional
        What to maximise, as in scikit-learn; by default the negative mean squared error of the scores of rows
        left out, and accuracy for folds.
    cv : int, splitter or iterable, optional
        Folds instead of single rows. Weights count in the folds' scores as well.
    class_weight : dict or "balanced", optional
        Factors of the rows' weights by class label; "balanced" gives each class the same total.
    store_cv_results : bool, default=False
        Whether to keep `cv_results_`.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    best_score_ : float
        Its score.
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_features,) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,); 0.0 without intercept
    multilabel_ : bool
        Whether `y` was a matrix of several labels.
    cv_results_ : ndarray of shape (n_rows, n_outputs, n_alphas)
        With `store_cv_results`: squared errors of the rows left out, times their weights.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    R. Rifkin, R. Lippert, "Notes on regularized least squares", MIT-CSAIL-TR-2007-025.

    See Also
    --------
    RidgeClassifier : for one penalty.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from tripos import RidgeClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = RidgeClassifierCV(alphas=[1e-3, 1e-2, 1e-1, 1.0]).fit(X, y)
    >>> model.alpha_, round(model.score(X, y), 4)
    (0.001, 0.9631)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: rule
        for name, rule in CrossValidatedRidge._parameter_constraints.items()
        if name not in ("gcv_mode", "alpha_per_target")
    } | {"class_weight": [dict, StrOptions({"balanced"}), None]}

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        class_weight: Any = None,
        store_cv_results: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RidgeClassifierCV:
        """Choose the penalty and fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,), or indicator matrix of shape (n_rows, n_labels)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._forget()
        raw = self._start_fit(X, y, sample_weight)
        self._refuse_streams(raw)
        assert raw.y is not None
        training = self._binarised(raw)
        if self.cv is None:
            self._choose(training, False, Scorer.of(self), rows_with_weight(sample_weight))
            self._flatten_single()
            return self
        alphas = self._strengths()
        kept = rows_with_weight(sample_weight)
        scores = fold_scores(self, training, raw.y if kept is None else np.asarray(y), alphas, kept)
        mean = scores.mean(axis=1)
        best = int(np.argmax(mean))
        self.alpha_, self.best_score_ = float(alphas[best]), float(mean[best])
        labels = raw.y if self.multilabel_ else self.classes_[raw.y]
        model = RidgeClassifier(alpha=self.alpha_, fit_intercept=self.fit_intercept)
        model.fit(training.X, labels, training.sample_weight)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        return self
