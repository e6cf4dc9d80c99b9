"""Ridge regression that chooses its penalty by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Regressor, Training
from tripos.data.needs import Needs
from tripos.state import Array, Number, OneOf
from tripos.supervised.linear.leave_one_out import Unseen, leave_one_out
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.ridge import Ridge
from tripos.supervised.linear.ridge_folds import Scorer, fold_scores


class CrossValidatedRidge(LinearModel):
    """What `RidgeCV` and `RidgeClassifierCV` share: the choice of alpha."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alphas": ["array-like", Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "gcv_mode": [StrOptions({"auto", "svd", "eigen"}), None],
        "store_cv_results": ["boolean"],
        "alpha_per_target": ["boolean"],
    }
    interpretability: ClassVar[str] = "high"
    needs: ClassVar[Needs] = Needs(scale="standard")
    state: ClassVar[Mapping[str, Any]] = {
        "coef_": Array("f", (("features",), ("targets", "features"))),
        "intercept_": OneOf(Number("f"), Array("f", ("targets",))),
        "alpha_": OneOf(Number("f", low=0.0), Array("f", ("targets",), low=0.0)),
        "best_score_": OneOf(Number("f"), Array("f", ("targets",))),
        "cv_results_": Array("f", ((None, None), (None, None, None)), optional=True),
    }

    alphas: Any
    fit_intercept: bool
    scoring: Any
    cv: Any
    gcv_mode: str | None = None
    store_cv_results: bool
    alpha_per_target: bool = False
    alpha_: Any
    best_score_: Any
    cv_results_: np.ndarray

    def _strengths(self) -> np.ndarray:
        """The alphas, shape (n_alphas,)."""
        alphas = np.atleast_1d(np.asarray(self.alphas, dtype=np.float64))
        for k, alpha in enumerate(alphas):
            low = alpha < 0.0 if self.cv is not None else alpha <= 0.0
            if low or not np.isfinite(alpha):
                bound = "must be >= 0" if self.cv is not None else "must be > 0"
                raise ValueError(
                    f"alphas[{k}] == {alpha:g}, {bound}"
                    + ("" if self.cv is not None else ".0 to leave rows out")
                )
        if self.cv is not None and self.store_cv_results:
            raise ValueError("cv!=None and store_cv_results=True are incompatible")
        if self.cv is not None and self.alpha_per_target:
            raise ValueError("cv!=None and alpha_per_target=True are incompatible")
        return alphas

    def _choose(self, training: Training, single: bool, scorer: Scorer, zero_rows: Any) -> None:
        """Leaves out each row; sets the fitted attributes."""
        assert training.y is not None
        alphas = self._strengths()
        Y = training.y.reshape(len(training.y), -1)
        s = training.sample_weight
        several = self.alpha_per_target and Y.shape[1] > 1
        best: dict[str, Any] = {}
        kept = []
        answers = leave_one_out(
            training, alphas, fit_intercept=self.fit_intercept, by_rows=self.gcv_mode == "svd"
        )
        for answer in answers:
            score = scorer.of_errors(answer.errors, Y, s, several)
            if self.store_cv_results:
                kept.append(scorer.kept(answer.errors, Y, s))
            _keep_best(best, answer, score)
        self.alpha_, self.best_score_ = (
            (best["alpha"], best["score"]) if several else (float(best["alpha"][0]), float(best["score"][0]))
        )
        self._set(best["w"], best["b"], single, training.X.dtype)
        if self.store_cv_results:
            results = np.stack(kept, axis=-1).astype(training.X.dtype)  # (n_rows, n_targets, n_alphas)
            results = _with_rows(results, zero_rows)
            self.cv_results_ = results[:, 0] if single else results

    def _set(self, w: np.ndarray, b: np.ndarray, single: bool, dtype: Any) -> None:
        coef = np.ascontiguousarray(w.T, dtype=dtype)
        self.coef_ = coef[0] if single else coef
        if not self.fit_intercept:
            self.intercept_: Any = np.dtype(dtype).type(0)
        else:
            self.intercept_ = b.astype(dtype)[0] if single else b.astype(dtype)

    def _forget(self) -> None:
        self.__dict__.pop("cv_results_", None)

    def _refuse_streams(self, training: Training) -> None:
        if not training.in_memory:
            raise TypeError(
                f"{type(self).__name__} looks at each row several times and takes rows in memory only: fit Ridge "
                "with one alpha on the blocks"
            )

    def _facts(self) -> dict[str, str]:
        alphas = np.atleast_1d(np.asarray(self.alphas, dtype=np.float64))
        how = "leaving out each row" if self.cv is None else "folds"
        found = ", ".join(f"{a:g}" for a in np.atleast_1d(self.alpha_))
        score = ", ".join(f"{v:.6g}" for v in np.atleast_1d(self.best_score_))
        return {
            "alpha": f"{found} of {len(alphas)} from {alphas.min():g} to {alphas.max():g}, by {how}",
            "score": f"{score} ({self.scoring or 'default'})",
        }


def _keep_best(best: dict[str, Any], answer: Unseen, score: np.ndarray) -> None:
    """Takes over the targets (all of them, where one score stands for all) that are better than before."""
    if len(answer.b) == len(score) == 1:
        if not best or score[0] > best["score"][0]:
            best.update(alpha=np.full(1, answer.alpha), score=score, w=answer.w, b=answer.b)
        return
    if not best:
        best.update(alpha=np.full(len(score), answer.alpha), score=score.copy(), w=answer.w, b=answer.b)
        return
    better = score > best["score"]
    best["alpha"] = np.where(better, answer.alpha, best["alpha"])
    best["score"] = np.where(better, score, best["score"])
    wide = np.broadcast_to(better, answer.b.shape)
    best["w"], best["b"] = np.where(wide, answer.w, best["w"]), np.where(wide, answer.b, best["b"])


def _with_rows(results: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """Zeros in the place of rows of weight zero, which took no part."""
    if kept is None:
        return results
    whole = np.zeros((len(kept), *results.shape[1:]), results.dtype)
    whole[kept] = results
    return whole


def rows_with_weight(sample_weight: Any) -> np.ndarray | None:
    """Which rows take part; None for all of them."""
    if sample_weight is None:
        return None
    taken = np.asarray(sample_weight) != 0
    return None if taken.ndim == 0 or taken.all() else taken


class RidgeCV(CrossValidatedRidge, Regressor):
    """Ridge regression with the penalty chosen by cross-validation.

    By default each row is left out in turn, which takes no model but the one on all rows: with the leverage h_i of a
    row at a penalty, its error without itself is its error with itself over 1 - h_i,

        minimise over alpha   mean_i ((y_i - x_i.w - b) / (1 - h_i(alpha)))^2

    One decomposition serves all penalties, and neither the rows times rows (with more rows than columns) nor the
    columns times columns (the other way round) are formed.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to choose from; above 0.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    scoring : str or callable, optional
        What to maximise, as in scikit-learn; by default the negative mean squared error of rows left out, and
        R2 for folds.
    cv : int, splitter or iterable, optional
        Folds instead of single rows. Weights count in the folds' scores as well.
    gcv_mode : {"auto", "svd", "eigen"}, optional
        "svd" takes the singular values of dense rows instead of the eigenvalues of their products, which is
        slower and keeps more digits.
    store_cv_results : bool, default=False
        Whether to keep `cv_results_`.
    alpha_per_target : bool, default=False
        Whether each target chooses for itself.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        The penalty chosen.
    best_score_ : float or ndarray of shape (n_targets,)
        Its score.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    cv_results_ : ndarray of shape (n_rows, n_alphas) or (n_rows, n_targets, n_alphas)
        With `store_cv_results`: squared errors of the rows left out, times their weights; with `scoring`, the
        predictions.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    D. Allen (1974), doi:10.1080/00401706.1974.10489157.
    R. Rifkin, R. Lippert, "Notes on regularized least squares", MIT-CSAIL-TR-2007-025.

    See Also
    --------
    Ridge : for one penalty.

    Notes
    -----
    A weight of k counts as k rows: one of them is left out while k - 1 stay, and the score is the mean over all of
    them. scikit-learn leaves out all k at once and divides by the number of distinct rows, which agrees for
    weights of 1.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from tripos import RidgeCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RidgeCV(alphas=[1e-3, 1e-2, 1e-1, 1.0]).fit(X, y)
    >>> model.alpha_, round(model.score(X, y), 4)
    (0.01, 0.5166)
    """

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RidgeCV:
        """Choose the penalty and fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._forget()
        training = self._start_fit(X, y, sample_weight, multi_output=True)
        self._refuse_streams(training)
        assert training.y is not None
        single = training.y.ndim == 1
        if self.cv is None:
            self._choose(training, single, Scorer.of(self), rows_with_weight(sample_weight))
            return self
        alphas = self._strengths()
        kept = rows_with_weight(sample_weight)
        labels = training.y if kept is None else np.asarray(y)
        scores = fold_scores(self, training, labels, alphas, kept)  # (n_alphas, n_folds)
        mean = scores.mean(axis=1)
        best = int(np.argmax(mean))
        self.alpha_, self.best_score_ = float(alphas[best]), float(mean[best])
        model = Ridge(alpha=self.alpha_, fit_intercept=self.fit_intercept)
        model.fit(training.X, training.y, training.sample_weight)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        return self

    def _family(self) -> Any:
        from tripos.supervised.linear.family import GAUSSIAN

        return GAUSSIAN

    def predict(self, X: Any) -> np.ndarray:
        """Predicted values.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
        """
        return self._scores(X)

    def _path_of(
        self, X: Any, y: Any
    ) -> tuple[np.ndarray, np.ndarray, float | None, np.ndarray | None] | None:
        X, y = self._input(X), np.asarray(y, dtype=np.float64)
        if y.ndim > 1:
            return None
        strengths = np.sort(self._strengths())
        if self.cv is None:
            training = Training(X, y, None, None, X.shape[1])  # type: ignore[arg-type]
            found = list(leave_one_out(training, strengths, fit_intercept=self.fit_intercept))
            errors = np.array([np.mean(one.errors**2) for one in found])[:, None]
            return strengths, np.array([one.w[:, 0] for one in found]), float(self.alpha_), errors
        fits = [Ridge(alpha=a, fit_intercept=self.fit_intercept).fit(X, y) for a in strengths]
        return strengths, np.array([one.coef_ for one in fits]), float(self.alpha_), None
