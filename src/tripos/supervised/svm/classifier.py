"""Classifiers by pairs: one machine for each two classes, votes between them.

With classes i < j, machine (i, j) says i where f_ij(x) > 0. The coefficients are kept as libsvm keeps them: support
vectors sorted by class, those of class i with one coefficient per other class, so row j - 1 of `dual_coef_` (row j for
j < i) belongs to the pair with j. For two classes the sign is turned: positive means the second class.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Hidden, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if

from tripos import plotting
from tripos.base import Classifier, Training
from tripos.compute.executor import map_tasks
from tripos.compute.threads import thread_count
from tripos.state import Array
from tripos.supervised.svm.dual import Machine
from tripos.supervised.svm.few_rows import most_votes
from tripos.supervised.svm.kernels import GIVEN, Kernel
from tripos.supervised.svm.machine import KernelMachine
from tripos.supervised.svm.platt import coupled, cross_fitted, warn_of_probability
from tripos.supervised.svm.rows import single
from tripos.supervised.svm.solver import Dual, Solution


def _has_probabilities(model: Any) -> bool:
    if model.probability == "deprecated" or not model.probability:
        raise AttributeError("predict_proba is not available when probability=False")
    return True


def plain(label: Any) -> Any:
    """A label as it is written, 'a' for np.str_('a')."""
    return label.item() if isinstance(label, np.generic) else label


class PairwiseClassifier(KernelMachine, Classifier):
    """Base of SVC and NuSVC: `_dual` states a pair's problem, `_machine` reads its solution."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **KernelMachine._parameter_constraints,
        "probability": ["boolean", Hidden(StrOptions({"deprecated"}))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "decision_function_shape": [StrOptions({"ovr", "ovo"})],
        "break_ties": ["boolean"],
        "random_state": ["random_state"],
    }
    state: ClassVar[dict[str, Any]] = {
        "class_weight_": Array("f", ("classes",), low=0.0),
        "n_iter_": Array("i", (None,), low=0),
        "probA_": Array("f", (None,)),
        "probB_": Array("f", (None,)),
    }

    probability: Any
    class_weight: Any
    decision_function_shape: str
    break_ties: bool

    def _dual(self, y: np.ndarray, weight: np.ndarray) -> Dual:
        raise NotImplementedError

    def _machine(self, found: Solution) -> Machine:
        raise NotImplementedError

    def _check_classes(self, members: list[np.ndarray], sample_weight: np.ndarray | None) -> None:
        """Refuse classes that the problem cannot be stated for."""

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the machines.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
            For kernel="precomputed" the kernel values, of shape (n_rows, n_rows).
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._begin(X, y, sample_weight)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {n_classes} class ({plain(self.classes_[0])!r})"
            )
        self.class_weight_ = self._class_factors(training)
        weight = self.class_weight_[training.y]
        if training.sample_weight is not None:
            weight = weight * training.sample_weight
        kernel, rows = self._kernel_and_rows(training)
        members = [np.flatnonzero(training.y == k) for k in range(n_classes)]
        self._check_classes(members, training.sample_weight)
        sizes = [len(members[i]) + len(members[j]) for i, j in combinations(range(n_classes), 2)]
        room = self._room(sizes, training.n_features, kernel.code == GIVEN)
        machines = self._fit_pairs(kernel, rows, members, weight, room)
        self.n_iter_ = np.array([machine.n_iter for machine in machines], dtype=np.int32)
        self._assemble(machines, members, training)
        self.probA_ = self.probB_ = np.empty(0)
        if self.probability != "deprecated":
            warn_of_probability(self)
            if self.probability:
                self.probA_, self.probB_ = cross_fitted(self, kernel, rows, members, weight, room)
        return self

    def _fit_pairs(
        self, kernel: Kernel, rows: Any, members: list[np.ndarray], weight: np.ndarray, room: float
    ) -> list[Machine]:
        """A machine per pair; independent problems, so many at a time as there are threads."""
        pairs = list(combinations(range(len(members)), 2))
        if len(pairs) == 1:
            data, dual = self._pair_problem(kernel, rows, members[0], members[1], weight)
            return [self._machine(self._solve_watched(data, kernel, dual, room))]

        once = not self._tiny  # what is polished in float64 is needed as it came
        if once:
            rows = single(rows, kernel)

        def one(pair: tuple[int, int]) -> Machine:
            data, dual = self._pair_problem(kernel, rows, members[pair[0]], members[pair[1]], weight)
            return self._machine(self._solve(data, kernel, dual, room, prepared=once))

        machines = [Machine.untrained(len(members[i]) + len(members[j])) for i, j in pairs]
        watched = hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        wave, total = 1 if watched else 4 * thread_count(), 0.0
        with self._progress(len(pairs)) as progress:
            for start in range(0, len(pairs), wave):
                for k, machine in enumerate(map_tasks(one, pairs[start : start + wave]), start):
                    machines[k] = machine
                    total += machine.improvement
                    progress.step(total)
                if progress.stopped:
                    break
        self._stopped = progress.stopped
        return machines

    def _pair_problem(
        self, kernel: Kernel, rows: Any, first: np.ndarray, second: np.ndarray, weight: np.ndarray
    ) -> tuple[Any, Dual]:
        """Rows of two classes, the first (+1) before the second (-1)."""
        chosen = np.concatenate([first, second])
        y = np.concatenate([np.ones(len(first)), -np.ones(len(second))])
        data = rows[np.ix_(chosen, chosen)] if kernel.code == GIVEN else rows[chosen]
        return data, self._dual(y, weight[chosen])

    def _class_factors(self, training: Training) -> np.ndarray:
        if self.class_weight is None:
            return np.ones(len(self.classes_))
        given = None if isinstance(self.class_weight, dict) else training.sample_weight
        return np.asarray(
            compute_class_weight(
                self.class_weight,
                classes=self.classes_,
                y=self.classes_.take(training.y),
                sample_weight=given,
            ),
            dtype=np.float64,
        )

    def _assemble(self, machines: list[Machine], members: list[np.ndarray], training: Training) -> None:
        """Coefficients of all pairs in libsvm's layout."""
        n_classes, n = len(members), len(training.y)
        table = np.zeros((n_classes - 1, n))
        for machine, (i, j) in zip(machines, combinations(range(n_classes), 2)):
            table[j - 1, members[i]] = machine.beta[: len(members[i])]
            table[i, members[j]] = machine.beta[len(members[i]) :]
        used = [rows[(table[:, rows] != 0).any(axis=0)] for rows in members]
        support = np.concatenate(used)
        coef = table[:, support]
        self._keep_machines(machines, support, [len(rows) for rows in used], coef, training.X)
        if n_classes == 2:
            self.dual_coef_, self.intercept_ = -self.dual_coef_, -self.intercept_
            self._prepare()

    # ---- deciding --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        super()._prepare()
        n_classes = len(self.classes_)
        i, j = np.triu_indices(n_classes, 1)
        self._pairs = i, j
        self._signs = np.zeros((len(i), n_classes))  # of each pair: +1 for its first class, -1 for its second
        self._signs[np.arange(len(i)), i], self._signs[np.arange(len(i)), j] = 1.0, -1.0

    def _of_machines(self, sums: np.ndarray) -> np.ndarray:
        """f_ij of each pair; positive for the first class (two classes: for the second)."""
        if sums.shape[1] == 2:
            both: np.ndarray = sums[:, 0] + sums[:, 1]
            return both
        i, j = self._pairs
        found: np.ndarray = sums[:, i, j - 1] + sums[:, j, i]
        return found

    def _votes(self, won: np.ndarray) -> np.ndarray:
        """Votes of each class, up to a constant, from whether the first class won each pair."""
        votes: np.ndarray = (won - 0.5) @ self._signs
        return votes

    def _one_vs_rest(self, decisions: np.ndarray) -> np.ndarray:
        """Votes of each class plus its summed confidences, squeezed so that they only break ties."""
        confidence = decisions @ self._signs
        half = 0.5 * (len(self.classes_) - 1)
        squeezed: np.ndarray = (
            self._votes(decisions >= 0) + half + confidence / (3.0 * (np.abs(confidence) + 1.0))
        )
        return squeezed

    def decision_function(self, X: Any) -> np.ndarray:
        """How far each row lies from the boundaries.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,) for two classes (positive for the second), (n_rows, n_classes) for
        `decision_function_shape="ovr"`, (n_rows, n_pairs) for "ovo"
        """
        decisions = self._decisions(X)
        n_classes = len(self.classes_)
        if n_classes == 2:
            return decisions[:, 0]
        if self.decision_function_shape == "ovr":
            return self._one_vs_rest(decisions)
        return decisions

    def predict(self, X: Any) -> np.ndarray:
        """The class with most votes of each row; the first of those that tie, unless `break_ties`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        if self.break_ties and self.decision_function_shape == "ovo":
            raise ValueError("break_ties must be False when decision_function_shape is 'ovo'")
        decisions = self._decisions(X)
        n_classes = len(self.classes_)
        if self.break_ties and n_classes > 2:
            return self._labels(self._one_vs_rest(decisions).argmax(axis=1))
        codes = np.empty(len(decisions), np.int64)
        most_votes(decisions, n_classes, codes)
        return self._labels(codes)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class by Platt's sigmoids, shape (n_rows, n_classes)."""
        decisions = self._decisions(X)
        if len(self.classes_) == 2:
            decisions = -decisions
        return coupled(decisions, self.probA_, self.probB_, len(self.classes_))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _linear_coefficients(self) -> np.ndarray:
        n_classes = len(self.classes_)
        if n_classes == 2:
            return super()._linear_coefficients()
        parts = [
            self.dual_coef_[:, a:b] @ self.support_vectors_[a:b]
            for a, b in zip(self._starts[:-1], self._starts[1:])
        ]
        return np.array([parts[i][j - 1] + parts[j][i] for i, j in combinations(range(n_classes), 2)])

    # ---- figures ---------------------------------------------------------------------------------

    def plot(self, ax: Any = None, *, kind: str | None = None, X: Any = None, y: Any = None) -> Any:
        """A figure of the machine.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        kind : {"margin", "losses", "effect", "steps"}, optional
            "margin" (default for two classes in the plane): boundary, margin and support vectors, over X and y where
            given. "losses": hinge and log loss over the margins of X and y (of the support vectors by default). "effect":
            small boundaries of fits to X and y for several C and gamma. "steps": the dual objective as the fit went.
        X : array-like of shape (n_rows, n_features), optional
        y : array-like of shape (n_rows,), optional

        Returns
        -------
        matplotlib Axes
        """
        plane = (
            len(self.classes_) == 2
            and self.support_vectors_.shape[1] == 2
            and self._n_inputs() == 2
            and self._plain
        )
        if kind is None:
            kind = "margin" if plane else "steps"
        if kind == "steps":
            return super().plot(ax=ax)
        if kind not in ("margin", "losses", "effect"):
            raise ValueError(f'kind must be "margin", "losses", "effect" or "steps", got {kind!r}')
        if len(self.classes_) != 2 or (kind != "losses" and not plane):
            raise ValueError(
                f"kind={kind!r} needs two classes" + (" of two features" if kind != "losses" else "")
            )
        if X is None:
            if kind == "effect" or not self._plain:
                raise ValueError(f"kind={kind!r} needs the rows: pass X and y")
            X, y = self.support_vectors_, np.repeat(self.classes_, self.n_support_)
        if kind == "losses":
            sign = np.where(np.asarray(y) == self.classes_[1], 1.0, -1.0)
            return plotting.margin_losses(sign * self.decision_function(X), ax=ax)
        if kind == "effect":
            return plotting.boundary_grid(lambda C, gamma: self._refitted(C, gamma, X, y), X, y, ax=ax)
        sign = np.where(np.asarray(y) == self.classes_[1], 1.0, -1.0)
        held = np.flatnonzero(sign * self.decision_function(X) <= 1.0 + self.tol)
        names = self.encoded_feature_names_
        return plotting.margin_plane(self.decision_function, X, y, support=held, names=names, ax=ax)

    def _refitted(self, C: float, gamma: float, X: Any, y: Any) -> Any:
        parameters = {"C": C} if hasattr(self, "C") else {}
        return clone(self).set_params(gamma=gamma, **parameters).fit(X, y).decision_function

    def _check_state(self) -> None:
        super()._check_state()
        n_classes = len(self.classes_)
        n_pairs = n_classes * (n_classes - 1) // 2
        if (
            len(self.n_support_) != n_classes
            or self.dual_coef_.shape[0] != n_classes - 1
            or len(self.intercept_) != n_pairs
            or len(self.probA_) not in (0, n_pairs)
            or len(self.probB_) != len(self.probA_)
        ):
            raise ValueError(f"n_support_, dual_coef_, intercept_ or probA_ do not fit {n_classes} classes")

    def _facts(self) -> list[str]:
        counts = zip(self.classes_[:8], self.n_support_)
        return [
            *super()._facts(),
            *(f"class {label!s:.20}: {count} support vectors" for label, count in counts),
        ]
