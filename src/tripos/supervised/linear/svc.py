"""Linear support vector classification."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight

from tripos.base import Classifier, Training
from tripos.compute.blas import blas_threads
from tripos.compute.executor import map_tasks
from tripos.compute.threads import thread_count
from tripos.data.needs import Needs
from tripos.objective.losses import HINGE, SQUARED_HINGE
from tripos.optimization.result import Result, Stopping
from tripos.state import Array, Number
from tripos.supervised.linear.margin_crammer import crammer_singer
from tripos.supervised.linear.margin_problem import MarginProblem, in_form, small_table
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.svr import in_memory, seed_of, warn_not_converged

WORTH_THREADS = 20_000  # entries of a table whose classes are solved in less time than threads take
DUAL = {("l2", "hinge"): (True,), ("l2", "squared_hinge"): (True, False), ("l1", "squared_hinge"): (False,)}


class LinearSVC(LinearModel, Classifier):
    """Linear support vector machine: the hyperplane with the widest margin between two classes.

    Minimises, with y_i = -1 or 1 and B = `intercept_scaling`,

        |w|^2 / 2 + (b / B)^2 / 2 + C sum_i s_i L(y_i (w.x_i + b)),    L(m) = max(0, 1 - m)  or its square,

    or |w|_1 + |b / B| in place of the squares; the intercept is penalised as liblinear penalises it. More classes are
    each told from the rest, or all together by the loss of Crammer and Singer. The answer is the minimum itself,
    found by Newton's method, by dual coordinate ascent or by the method of multipliers, whichever suits the
    data's shape, and does not depend on `random_state`.

    Parameters
    ----------
    penalty : {"l1", "l2"}, default="l2"
        "l1" (with the squared hinge) makes most coefficients zero.
    loss : {"hinge", "squared_hinge"}, default="squared_hinge"
    dual : bool or "auto", default="auto"
        Accepted where scikit-learn accepts it; the solution is the same.
    tol : float, default=1e-4
        Bounds the duality gap relative to the objective. At 1e-4 that is 1e-9; for the hinge and more than 20,000
        stored entries outside small tables 1e-7; for "crammer_singer" 3e-6, or every row within tol / 5 of its
        optimality. Smaller in proportion to tol, down to rounding.
    C : float, default=1.0
        Weight of the loss against the penalty.
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
        "crammer_singer" ignores `penalty`, `loss` and `dual`.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1
        B; the larger, the less the intercept is penalised.
    class_weight : dict or "balanced", optional
        Factors of C by class label; "balanced" gives each class the same total.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    random_state : int or RandomState, optional
        The order in which dual ascent visits rows.
    max_iter : int, default=1000
        Epochs or Newton steps at most; hundreds of epochs for "crammer_singer", where liblinear has no limit either.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : int
        The most that any class took.
    loss_ : float
        The objective at the solution, summed over one-vs-rest problems.
    history_ : dict of lists
        step, loss, validation, seconds; for one-vs-rest a step is a class.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    C. Cortes, V. Vapnik (1995), doi:10.1007/BF00994018; R.-E. Fan et al., "LIBLINEAR", JMLR 9 (2008), 1871-1874;
    K. Crammer, Y. Singer, JMLR 2 (2001), 265-292.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import LinearSVC
    >>> X = np.array([[-1.0, -1.0], [-2.0, -1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> model = LinearSVC().fit(X, ["left", "left", "right", "right"])
    >>> model.predict(np.array([[-0.8, -1.0], [3.0, 2.0]]))
    array(['left', 'right'], dtype='<U5')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "penalty": [StrOptions({"l1", "l2"})],
        "loss": [StrOptions({"hinge", "squared_hinge"})],
        "dual": ["boolean", StrOptions({"auto"})],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    canonical_csr: ClassVar[bool] = False  # `in_form` sorts where order matters
    interpretability: ClassVar[str] = "high"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("outputs", "features"), sparse=True),
        "intercept_": Array("f", ("outputs",)),
        "n_iter_": Number("i", low=0),
        "loss_": Number("f"),
    }

    def __init__(
        self,
        penalty: str = "l2",
        loss: str = "squared_hinge",
        *,
        dual: bool | str = "auto",
        tol: float = 1e-4,
        C: float = 1.0,
        multi_class: str = "ovr",
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int = 1000,
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"C": (1e-3, 1e2, "log"), "loss": ["squared_hinge", "hinge"]}

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LinearSVC:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight)
        self._check_combination()
        in_memory(self, training)
        training = in_form(training, l1=self.penalty == "l1" and self.multi_class == "ovr")
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {self.classes_[0]!r}"
            )
        seed, factors = seed_of(self.random_state), self._class_factors(training)
        together = self.multi_class == "crammer_singer"
        if together and len(self.classes_) > 2:
            self._fit_together(training, factors, seed)
        elif len(self.classes_) == 2:
            self._fit_two(training, factors, seed)
        else:
            self._fit_each(training, factors, seed)
        return self

    def _fit_two(self, training: Training, factors: np.ndarray | None, seed: int) -> None:
        problem = self._problem(training, factors, 1, seed, self._table(training))
        share = 1.0
        if self.multi_class == "crammer_singer":  # a hinge loss in w_1 - w_0: see `margin_crammer`
            problem, share = replace(problem, loss=HINGE, C=2.0 * problem.C, l1=False), 0.5
        with self._progress(None) as progress:
            result = problem.solve(
                Stopping(
                    tol=self.tol,
                    max_iter=self.max_iter,
                    noise=problem.noise,
                    on_step=lambda step, value, theta: progress.step(share * problem.scale * value),
                )
            )
        self._keep(training, [result], share * problem.scale * result.fun, stopped=progress.stopped)

    def _fit_each(self, training: Training, factors: np.ndarray | None, seed: int) -> None:
        """One-vs-rest: independent problems, so many at a time as there are threads."""
        n_classes, width = len(self.classes_), training.n_features + bool(self.fit_intercept)
        nothing = Result(np.zeros(width), 0.0, np.inf, 0, False, "a callback asked to stop", {})
        results = [nothing] * n_classes
        weights = [self._row_weights(training, factors, k) for k in range(n_classes)]
        at_zero = [float(self.C) * float(len(training.y) if s is None else s.sum()) for s in weights]
        total = sum(at_zero)
        table = self._table(training)

        def solve(k: int) -> tuple[Result, float]:
            problem = self._problem(training, factors, k, seed, table)
            stopping = Stopping(tol=self.tol, max_iter=self.max_iter, noise=problem.noise)
            result = problem.solve(stopping)
            return result, problem.scale * result.fun

        alone = self._watched_by_callbacks() or (table is not None and table.size < WORTH_THREADS)
        with self._progress(n_classes) as progress, blas_threads(1):
            wave = 1 if alone else thread_count()
            for start in range(0, n_classes, wave):
                chosen = range(start, min(start + wave, n_classes))
                for k, (result, value) in zip(
                    chosen, map(solve, chosen) if alone else map_tasks(solve, chosen)
                ):
                    results[k] = result
                    total += value - at_zero[k]
                    progress.step(total)
                if progress.stopped:
                    break
        self._keep(training, results, total, stopped=progress.stopped)

    def _fit_together(self, training: Training, factors: np.ndarray | None, seed: int) -> None:
        bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
        with self._progress(None) as progress:
            stopping = Stopping(
                tol=self.tol, max_iter=self.max_iter, on_step=lambda step, value, _: progress.step(value)
            )
            result = crammer_singer(
                training.X, training.y, len(self.classes_), self._row_weights(training, factors), float(self.C), bias,
                stopping, seed,
            )  # fmt: skip
        W = result.x.reshape(len(self.classes_), -1)
        self._keep(training, [replace(result, x=w) for w in W], result.fun, stopped=progress.stopped)

    def _table(self, training: Training) -> np.ndarray | None:
        bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
        return small_table(training.X, bias, l1=self.penalty == "l1" and self.multi_class == "ovr")

    def _problem(
        self, training: Training, factors: np.ndarray | None, k: int, seed: int, table: np.ndarray | None
    ) -> MarginProblem:
        """Class k against the others."""
        return MarginProblem(
            training.blocks,
            training.X,
            (training.y == k).astype(training.X.dtype),
            self._row_weights(training, factors, k if len(self.classes_) > 2 else None),
            HINGE if self.loss == "hinge" else SQUARED_HINGE,
            float(self.C),
            float(self.intercept_scaling) if self.fit_intercept else 0.0,
            self.penalty == "l1",
            seed,
            table,
        )

    def _row_weights(
        self, training: Training, factors: np.ndarray | None, alone: int | None = None
    ) -> np.ndarray | None:
        """Weights of the rows, with those of their classes; `alone`: of one class, the rest has 1, as in liblinear."""
        if factors is None:
            return training.sample_weight
        if alone is None:
            weight: np.ndarray = factors[training.y]
        else:
            weight = np.where(training.y == alone, factors[alone], 1.0)
        return weight if training.sample_weight is None else weight * training.sample_weight

    def _class_factors(self, training: Training) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        labels = self.classes_.take(training.y)
        given = None if isinstance(self.class_weight, dict) else training.sample_weight
        return np.asarray(
            compute_class_weight(self.class_weight, classes=self.classes_, y=labels, sample_weight=given),
            dtype=np.float64,
        )

    def _watched_by_callbacks(self) -> bool:
        return hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")

    def _keep(self, training: Training, results: list[Result], loss: float, *, stopped: bool) -> None:
        """Sets the fitted attributes from one solution for each output."""
        theta, d, dtype = np.vstack([result.x for result in results]), training.n_features, training.X.dtype
        self.coef_ = theta[:, :d].astype(dtype)
        self.intercept_ = theta[:, d].astype(dtype) if self.fit_intercept else np.zeros(len(theta), dtype)
        self.n_iter_ = int(max(min(1, self.max_iter), *(result.n_iter for result in results)))
        self.loss_ = float(loss)
        failed = [result.reason for result in results if not result.converged]
        if failed and not stopped:
            warn_not_converged(self, failed[0])

    def _check_combination(self) -> None:
        if self.multi_class == "crammer_singer":
            return
        known = DUAL.get((self.penalty, self.loss))
        if known is None or (self.dual != "auto" and bool(self.dual) not in known):
            reason = (
                f"The combination of penalty={self.penalty!r} and loss={self.loss!r} is not supported"
                if known is None
                else f"The combination of penalty={self.penalty!r} and loss={self.loss!r} are not supported when "
                f"dual={self.dual}"
            )
            raise ValueError(
                f"Unsupported set of arguments: {reason}, Parameters: penalty={self.penalty!r}, loss={self.loss!r}, "
                f"dual={self.dual!r}"
            )

    # ---- predicting ------------------------------------------------------------------------------

    def _score_coefficients(self) -> tuple[Any, Any]:
        if len(self.intercept_) == 1 and type(self.coef_) is np.ndarray:
            return self.coef_[0], self.intercept_
        return self.coef_.T, self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """Signed distances from the hyperplane, times |w|: shape (n_rows,) for two classes (positive for the second),
        else (n_rows, n_classes)."""
        scores = self._scores(X)
        return scores if len(self.intercept_) > 1 else scores.reshape(-1)

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        scores = self.decision_function(X)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self._labels(codes)

    def sparsify(self) -> LinearSVC:
        """Store `coef_` as a CSR matrix, for models most of whose coefficients are zero."""
        self.coef_ = sp.csr_array(self.coef_)
        return self

    def densify(self) -> LinearSVC:
        """Store `coef_` as an array again."""
        self.coef_ = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return self

    # ---- looking at it ---------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _facts(self) -> dict[str, str]:
        shown = ", ".join(str(label) for label in self.classes_[:10])
        together = self.multi_class == "crammer_singer"
        return {
            "classes": shown + (", ..." if len(self.classes_) > 10 else ""),
            "loss": "Crammer and Singer"
            if together
            else f"{self.loss.replace('_', ' ')}, {self.penalty} penalty",
            "C": f"{self.C:g}",
            "objective": f"{self.loss_:.6g}",
            "steps": str(self.n_iter_),
        }

    def _check_state(self) -> None:
        super()._check_state()
        n_classes, n_rows = len(self.classes_), self.coef_.shape[0]
        if n_classes < 2 or n_rows != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"coef_ has {n_rows} rows for {n_classes} classes")
