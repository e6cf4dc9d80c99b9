"""Logistic regression."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from tripos.base import Training
from tripos.errors import DataWarning
from tripos.labels import class_factors
from tripos.optimization.result import NotFinite, Result
from tripos.state import Array, Number, Text
from tripos.supervised.linear.likelihood import (
    METHODS,
    NEWTON_PARAMETERS,
    Counts,
    Problem,
    count,
)
from tripos.supervised.linear.logistic_model import LogisticModel
from tripos.supervised.linear.logistic_penalty import OWN_SOLVERS, SOLVERS, Asked, asked_penalty
from tripos.supervised.linear.logistic_rest import fit_one_vs_rest
from tripos.watch import Progress

UNEVEN = 100.0  # ratio of the columns' spreads from which they are named as the reason of slow steps


class LogisticRegression(LogisticModel):
    """Logistic regression for two classes (log loss) and more (softmax).

    Models the log odds as linear and minimises the penalised negative log-likelihood, each row counted by its
    weight:

        C sum_i s_i L(y_i, W x_i + b) + r |W|_1 + (1 - r) |W|^2 / 2,        r = l1_ratio,
        L = log(1 + e^eta) - y eta  for two classes,     L = log sum_k e^eta_k - eta_y  for more.

    The objective is convex, so that every solver name leads to the same answer; the data's shape chooses
    between Newton's method (with a Hessian from a sample of the rows, where there are many) and L-BFGS around
    the diagonal of the Hessian, neither of which notices how features are scaled. With an L1 penalty proximal
    Newton steps on the coefficients that are not zero lead there. All stop well inside `tol`: at the default the
    loss is within some 1e-10 (Newton) or 1e-5 (L-BFGS) of its minimum, relative to it.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet", None}, default="deprecated"
        As in scikit-learn 1.9, superseded by `C` and `l1_ratio`: ``C=np.inf`` is no penalty.
    C : float, default=1.0
        Inverse strength of the penalty; ``np.inf`` for none.
    l1_ratio : float, default=0.0
        Share of the L1 penalty: 0 is L2, 1 is L1, between them the elastic net. L1 takes ``solver="saga"`` or
        "liblinear", the elastic net "saga", as in scikit-learn.
    dual : bool, default=False
        Accepted with ``solver="liblinear"``; the solution is the same.
    tol : float, default=1e-4
        Largest gradient component (of the mean loss) at the solution.
    fit_intercept : bool, default=True
        Whether the log odds have a constant term b, which is not penalised.
    intercept_scaling : float, default=1
        With ``solver="liblinear"`` the intercept is penalised as the coefficient b / intercept_scaling of one
        more column; otherwise it is not penalised.
    class_weight : dict or "balanced", optional
        Factors of the rows' weights by class label; "balanced" gives each class the same total.
    random_state : int or RandomState, optional
        Orders the rows for ``solver="sgd"``; otherwise without effect.
    solver : {"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga", "irls", "gradient-descent", \
            "sgd"}, default="lbfgs"
        "newton-cholesky" insists on Newton's method with a Hessian each step, "liblinear" penalises the
        intercept and takes two classes only; the other names of scikit-learn leave the choice to the shape of the
        data. "irls", "gradient-descent" and "sgd" run these very methods of `tripos.optimization`: the latter two
        to see what they need (scaled columns, many steps), not to save time.
    max_iter : int, default=100
        Steps over all rows at most.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    n_jobs : int, optional
        Without effect; threads are set by ``TRIPOS_NUM_THREADS``.
    multi_class : {"auto", "ovr", "multinomial"}, default="auto"
        More than two classes are told from one another by the softmax ("auto", "multinomial"), or each from the
        rest ("ovr"), whose probabilities are then divided by their sum.
    learning_rate : float, optional
        Of ``solver="gradient-descent"`` and "sgd" (there, of the first step); by default what the curvature of the
        objective allows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : ndarray of shape (1,)
        Steps over all rows; with ``multi_class="ovr"`` of the class that took most.
    solver_ : str
        The method that was used: "newton", "lbfgs", with an L1 penalty "prox-newton" or "orthant-lbfgs", or the
        one asked for by name.
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
    H. Zou, T. Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x (elastic net).

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

    canonical_csr: ClassVar[bool] = False  # where a Hessian is formed, `Problem` sorts
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
        "solver": [StrOptions({*SOLVERS, *OWN_SOLVERS})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "multi_class": [StrOptions({"auto", "ovr", "multinomial"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    }
    state: ClassVar[dict[str, Any]] = {
        "n_iter_": Array("i", (1,), low=0),
        "solver_": Text(choices=("newton", "lbfgs", "prox-newton", "orthant-lbfgs", *METHODS)),
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
        multi_class: str = "auto",
        learning_rate: float | None = None,
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
        self.multi_class = multi_class
        self.learning_rate = learning_rate

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.solver != "liblinear" or self.multi_class == "ovr"
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
        asked = asked_penalty(self)
        counts = count(training.blocks, len(self.classes_))
        self._check_classes()
        self._check_multi_class()
        if self._by_rest:
            return fit_one_vs_rest(self, training, counts, asked, start)
        factors = class_factors(self.class_weight, self.classes_, counts.weights)
        problem = self._problem(training, counts, asked, factors)
        theta = problem.base_rates(counts.weights) if start is None else self._warm(problem, *start)
        with self._progress(self.max_iter) as progress:
            found = self._solve(problem, theta, progress, warm=start is not None)
        if found is None:
            return None
        result, self.solver_, separated = found
        for name, value in self._attributes(problem, result.x).items():
            setattr(self, name, value)
        self.n_iter_ = np.array([max(result.n_iter, min(1, self.max_iter))], dtype=np.int32)
        self.loss_ = float(result.fun)
        self._warn(problem, result, separated, stopped=progress.stopped)
        return result

    def _problem(
        self, training: Training, counts: Counts, asked: Asked, factors: np.ndarray, rest: int | None = None
    ) -> Problem:
        return Problem.of(
            training.blocks,
            counts,
            factors,
            C=asked.C,
            l1_ratio=asked.l1_ratio,
            fit_intercept=self.fit_intercept,
            intercept_scaling=self.intercept_scaling if self.solver == "liblinear" else None,
            rest=rest,
            ordered=not self._needs_no_order(training),
        )

    def _needs_no_order(self, training: Training) -> bool:
        """Whether no Hessian of sparse rows is ever formed: sorting text took a sixth of a fit by L-BFGS, which is the
        only way to go for many columns; two classes with an L1 penalty are fitted by columns."""
        asked = asked_penalty(self)
        if self.solver in ("newton-cholesky", *METHODS):
            return False
        if asked.l1_ratio and np.isfinite(asked.C):
            pairs = len(self.classes_) == 2 or self._by_rest
            return pairs and training.in_memory and sp.issparse(training.X)
        return not asked.l1_ratio and training.n_features > NEWTON_PARAMETERS

    def _solve(
        self, problem: Problem, theta: np.ndarray, progress: Progress, *, warm: bool
    ) -> tuple[Result, str, bool] | None:
        """The solution, the method that found it and whether it separates all rows; None for NaN or infinity."""
        separated = False
        whole = not self._by_rest  # callbacks get attributes only where one problem makes all of them

        def on_step(step: int, value: float, theta: np.ndarray) -> bool:
            nonlocal separated
            separated = problem.separated(value, theta)
            attributes = (lambda: self._attributes(problem, theta)) if whole else None
            return progress.step(value, attributes=attributes) or separated

        stopping = problem.stopping(self.tol, self.max_iter, on_step)
        how = dict(learning_rate=self.learning_rate, random_state=self.random_state)
        try:
            result, method = problem.solve(theta, stopping, self.solver, warm=warm, **how)
        except NotFinite:
            return None
        return result, method, separated

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

    @property
    def _by_rest(self) -> bool:
        return self.multi_class == "ovr" and len(self.classes_) > 2

    def _check_multi_class(self) -> None:
        if self.solver == "liblinear" and len(self.classes_) > 2 and not self._by_rest:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: The 'liblinear' "
                "solver does not support multiclass classification (n_classes >= 3). Use another solver, "
                "multi_class='ovr', or wrap the estimator in a OneVsRestClassifier."
            )

    def _warn(
        self, problem: Problem, result: Result, separated: bool, *, stopped: bool, against: str = ""
    ) -> None:
        """Says what is wrong with the solution; `against` names the class of a one-vs-rest problem."""
        if separated or (problem.unpenalised and problem.runs_to_infinity(result.x)):
            largest = np.abs(problem.risk.coefficients(result.x)[0]).max(initial=0.0)
            warnings.warn(
                f"LogisticRegression{against}: without a penalty the likelihood has no maximum, because some direction "
                f"separates {'all rows' if separated else 'rows'} by class: coefficients run to infinity and were "
                f"stopped at {largest:.3g}. Use a finite C, or drop the columns that give the class away.",
                DataWarning,
                stacklevel=6,
            )
        elif not result.converged and not stopped:
            warnings.warn(
                f"LogisticRegression{against} did not converge: {result.reason}. {self._advice(problem)}",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _advice(self, problem: Problem) -> str:
        """What to change; for methods that follow the gradient alone, what the columns look like."""
        general = f"Raise max_iter (now {self.max_iter}), scale the features, or choose a smaller C."
        if self.solver not in ("gradient-descent", "sgd"):
            return general
        spread = np.sqrt(problem.risk.column_moments[1])
        names = self.encoded_feature_names_
        if not (spread > 0.0).any():
            return general
        least, most = np.where(spread > 0.0, spread, np.inf).argmin(), spread.argmax()
        ratio = spread[most] / spread[least]
        if ratio < UNEVEN:
            return f"{general} {self.solver} takes many steps where columns are correlated: solver='irls' takes few."
        return (
            f"The columns are on different scales: the spread (standard deviation) of {names[most]!r} is {ratio:.2g} "
            f"times that of {names[least]!r}, and a step that suits one is wrong for the other. Scale the features "
            "(sklearn.preprocessing.StandardScaler), or use a solver that does not notice, such as 'lbfgs' or 'irls'."
        )

    # ---- looking at it ---------------------------------------------------------------------------

    def _facts(self) -> dict[str, str]:
        ratio = {"l1_ratio": f"{self.l1_ratio:g}"} if self.l1_ratio else {}
        return {
            **self._class_facts(),
            "C": f"{self.C:g}",
            **ratio,
            "mean loss with penalty": f"{self.loss_:.6g}",
            "steps": f"{self.n_iter_[0]} of {self.solver_}",
            **self._sparsity_facts(),
        }
