"""Logistic regression."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from tripos.base import Classifier, Training
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.optimization.result import NotFinite, Result, Stopping
from tripos.state import Array, Number, Text
from tripos.supervised.linear.likelihood import PRECISION, Problem, class_factors, count
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.probabilities import probabilities


class LogisticRegression(LinearModel, Classifier):
    """Logistic regression for two classes (log loss) and more (softmax).

    Models the log odds as linear and minimises the penalised negative log-likelihood, each row counted by its
    weight:

        C sum_i s_i L(y_i, W x_i + b) + |W|^2 / 2,
        L = log(1 + e^eta) - y eta  for two classes,     L = log sum_k e^eta_k - eta_y  for more.

    The objective is convex, so that every solver name leads to the same answer; the data's shape chooses
    between Newton's method (with a Hessian from a sample of the rows, where there are many) and L-BFGS around
    the diagonal of the Hessian, neither of which notices how features are scaled. Both stop well inside
    `tol`: at the default the loss is within some 1e-10 (Newton) or 1e-5 (L-BFGS) of its minimum, relative to
    it.

    Parameters
    ----------
    penalty : {"l2", None}, default="deprecated"
        As in scikit-learn 1.9, superseded by `C` and `l1_ratio`: ``C=np.inf`` is no penalty.
    C : float, default=1.0
        Inverse strength of the penalty; ``np.inf`` for none.
    l1_ratio : float, default=0.0
        Share of an L1 penalty. Only 0 (pure L2) is available.
    dual : bool, default=False
        Accepted with ``solver="liblinear"``; the solution is the same.
    tol : float, default=1e-4
        Largest gradient component (of the mean loss) at the solution.
    fit_intercept : bool, default=True
        Whether the log odds have a constant term b, which is not penalised.
    intercept_scaling : float, default=1
        With ``solver="liblinear"`` the intercept is penalised as |b / intercept_scaling|^2 / 2.
    class_weight : dict or "balanced", optional
        Factors of the rows' weights by class label; "balanced" gives each class the same total.
    random_state : int or RandomState, optional
        Without effect on the solution.
    solver : {"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"}, default="lbfgs"
        "newton-cholesky" insists on Newton's method with a Hessian each step, "liblinear" penalises the
        intercept and takes two classes only; the others leave the choice to the shape of the data.
    max_iter : int, default=100
        Steps over all rows at most.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    n_jobs : int, optional
        Without effect; threads are set by ``TRIPOS_NUM_THREADS``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : ndarray of shape (1,)
        Steps over all rows.
    solver_ : str
        The method that was used: "newton" or "lbfgs".
    loss_ : float
        Mean loss with the penalty, at the solution.
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    D. R. Cox, "The regression analysis of binary sequences" (1958), doi:10.1111/j.2517-6161.1958.tb00292.x.
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LogisticRegression
    >>> X = np.array([[0.5], [1.0], [1.5], [2.0], [2.5], [3.0]])
    >>> model = LogisticRegression().fit(X, ["fail", "fail", "pass", "fail", "pass", "pass"])
    >>> model.predict(np.array([[0.7], [2.8]]))
    array(['fail', 'pass'], dtype='<U4')
    >>> model.predict_proba(np.array([[1.75]])).round(3)
    array([[0.5, 0.5]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), None, Hidden(StrOptions({"deprecated"}))],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions({"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("outputs", "features"), sparse=True),
        "intercept_": Array("f", ("outputs",)),
        "n_iter_": Array("i", (1,), low=0),
        "solver_": Text(choices=("newton", "lbfgs")),
        "loss_": Number("f"),
    }

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.solver != "liblinear"
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """C alone: balanced class weights hardly change a ranking, but put every probability off (on adult, the area
        under the ROC curve by 0.0002 and the error from 13.7 % to 17.7 %)."""
        return {"C": (1e-3, 1e3, "log")}

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LogisticRegression:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        start = (self.coef_, self.intercept_) if self.warm_start and hasattr(self, "coef_") else None
        # NaN and infinity show in the loss, at no cost to clean data; only then the checked start is made.
        training = self._start_fit(X, y, sample_weight, check_finite=False)
        if self._fit(training, start) is None:
            if not training.in_memory:
                self._reject_nonfinite(training.blocks)
            training = self._start_fit(X, y, sample_weight)
            if self._fit(training, start) is None:
                raise ValueError("the scores of X overflow: divide the large columns by a power of ten")
        return self

    def _fit(self, training: Training, start: tuple[Any, Any] | None) -> Result | None:
        """Sets the fitted attributes; None, and nothing set, when X holds NaN or infinity."""
        C = self._inverse_strength()
        counts = count(training.blocks, len(self.classes_))
        self._check_classes()
        problem = Problem.of(
            training.blocks,
            counts,
            class_factors(self.class_weight, self.classes_, counts.weights),
            C=C,
            fit_intercept=self.fit_intercept,
            intercept_scaling=self.intercept_scaling if self.solver == "liblinear" else None,
        )
        theta = problem.base_rates(counts.weights) if start is None else self._warm(problem, *start)
        separated = False
        with self._progress(self.max_iter) as progress:

            def on_step(step: int, value: float, theta: np.ndarray) -> bool:
                nonlocal separated
                separated = problem.separated(value, theta)
                return progress.step(value, attributes=lambda: self._attributes(problem, theta)) or separated

            stopping = Stopping(
                tol=self.tol,
                precision=PRECISION * min(max((self.tol / 1e-4) ** 2, 1e-20), 1e4),
                max_iter=self.max_iter,
                noise=problem.risk.noise,
                on_step=on_step,
            )
            try:
                result, self.solver_ = problem.solve(theta, stopping, self.solver, warm=start is not None)
            except NotFinite:
                return None
        for name, value in self._attributes(problem, result.x).items():
            setattr(self, name, value)
        self.n_iter_ = np.array([max(result.n_iter, min(1, self.max_iter))], dtype=np.int32)
        self.loss_ = float(result.fun)
        self._warn(problem, result, separated, stopped=progress.stopped)
        return result

    def _attributes(self, problem: Problem, theta: np.ndarray) -> dict[str, Any]:
        dtype = problem.risk.dtype
        W, b = problem.risk.coefficients(theta)
        return {"coef_": W.astype(dtype), "intercept_": b.astype(dtype)}

    def _warm(self, problem: Problem, coef: Any, intercept: np.ndarray) -> np.ndarray:
        W = coef.toarray() if sp.issparse(coef) else coef
        expected = (problem.risk.n_outputs, problem.risk.n_features)
        if W.shape != expected:
            raise ValueError(
                f"warm_start: the previous coefficients have shape {W.shape}, this fit needs {expected}"
            )
        return problem.risk.theta(W, intercept)

    def _inverse_strength(self) -> float:
        """C, after what the deprecated `penalty` says; refuses penalties that are not available."""
        if self.penalty != "deprecated":
            warnings.warn(
                "'penalty' was deprecated in scikit-learn 1.8: use C=np.inf instead of penalty=None, and leave it "
                "out instead of penalty='l2'",
                FutureWarning,
                stacklevel=5,
            )
        if self.penalty in ("l1", "elasticnet") or self.l1_ratio:
            raise ValueError(
                f"penalty={self.penalty!r} with l1_ratio={self.l1_ratio}: L1 and elastic-net penalties are not "
                "available yet; use l1_ratio=0 (L2), or sklearn.linear_model.LogisticRegression(solver='saga')"
            )
        C = np.inf if self.penalty is None else float(self.C)
        if self.solver == "liblinear" and np.isinf(C):
            raise ValueError("C=np.inf as well as penalty=None is not supported for the liblinear solver")
        if self.dual and self.solver != "liblinear":
            raise ValueError(f"Solver {self.solver} supports only dual=False, got dual=True")
        return C

    def _check_classes(self) -> None:
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {self.classes_[0]!r}"
            )
        if self.solver == "liblinear" and len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass, which the "
                "'liblinear' solver does not support (n_classes >= 3): use another solver, or wrap the estimator "
                "in a OneVsRestClassifier."
            )

    def _warn(self, problem: Problem, result: Result, separated: bool, *, stopped: bool) -> None:
        if separated or (problem.unpenalised and problem.runs_to_infinity(result.x)):
            warnings.warn(
                "LogisticRegression: without a penalty the likelihood has no maximum, because some direction "
                f"separates {'all rows' if separated else 'rows'} by class: coefficients run to infinity and were "
                f"stopped at {np.abs(self.coef_).max():.3g}. Use a finite C, or drop the columns that give the class "
                "away.",
                DataWarning,
                stacklevel=5,
            )
        elif not result.converged and not stopped:
            warnings.warn(
                f"LogisticRegression did not converge: {result.reason}. Raise max_iter (now {self.max_iter}), "
                "scale the features, or choose a smaller C.",
                ConvergenceWarning,
                stacklevel=5,
            )

    # ---- predicting ------------------------------------------------------------------------------

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
        return probabilities(self.decision_function(X), log_scale=False)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probabilities, computed from the scores: finite even where a probability is 0."""
        return probabilities(self.decision_function(X), log_scale=True)

    def sparsify(self) -> LogisticRegression:
        """Store `coef_` as a CSR matrix, for models most of whose coefficients are zero."""
        self.coef_ = sp.csr_array(self.coef_)
        return self

    def densify(self) -> LogisticRegression:
        """Store `coef_` as an array again."""
        self.coef_ = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return self

    # ---- looking at it ---------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _facts(self) -> dict[str, str]:
        shown = ", ".join(str(label) for label in self.classes_[:10]) + (
            ", ..." if len(self.classes_) > 10 else ""
        )
        against = f" (coefficients are log odds of {self.classes_[1]})" if len(self.classes_) == 2 else ""
        return {
            "classes": shown + against,
            "C": f"{self.C:g}",
            "mean loss with penalty": f"{self.loss_:.6g}",
            "steps": f"{self.n_iter_[0]} of {self.solver_}",
        }

    def _check_state(self) -> None:
        super()._check_state()
        n_classes, n_rows = len(self.classes_), self.coef_.shape[0]
        if n_classes < 2 or n_rows != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"coef_ has {n_rows} rows for {n_classes} classes")
