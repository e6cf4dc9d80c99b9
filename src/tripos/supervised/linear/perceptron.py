"""The perceptron."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Training
from tripos.errors import DataWarning
from tripos.state import Array, Flag
from tripos.supervised.linear.stochastic import CONSTRAINTS
from tripos.supervised.linear.stochastic_classifier import StochasticClassifier
from tripos.supervised.linear.stochastic_kernels import CLASS, ENDS_WITHOUT_MOVES
from tripos.supervised.linear.stochastic_walk import Recipe, Walk


class Perceptron(StochasticClassifier):
    """The perceptron: every mistake adds the row to the coefficients, or takes it away.

    For targets y = -1, 1 and rows in random order,

        if y_i (w'x_i + b) <= 0:    w <- w + eta0 y_i x_i,    b <- b + eta0 y_i.

    Where some hyperplane separates the classes, with a margin gamma and rows of length up to R (counting the 1
    of the intercept), the rule makes at most (R / gamma)^2 mistakes in all, in whatever order the rows come
    (Novikoff), and so ends with an epoch without one: `converged_`. Where none does, as for XOR, it goes on
    making mistakes for ever; a `DataWarning` and `summary()` say so when the fit ends with mistakes.

    For more than two classes one perceptron for each class against the rest is learned.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet"} or None, default=None
    alpha : float, default=0.0001
        Strength of the penalty.
    l1_ratio : float, default=0.15
        Share of the L1 penalty, for "elasticnet".
    fit_intercept : bool, default=True
        Whether there is a b. It takes a hundredth of the step where fewer than a tenth of the cells are not zero.
    max_iter : int, default=1000
        Epochs at most.
    tol : float or None, default=1e-3
        An epoch that betters the best mean loss max(0, -y eta) by less counts as no change; None goes on until
        an epoch makes no mistake.
    shuffle : bool, default=True
        Whether each epoch visits the rows in a new random order.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    eta0 : float, default=1
        Length of a step; without a penalty it scales the coefficients and changes nothing else.
    n_jobs : int, optional
        Threads over classes; all by default. The answer does not depend on it.
    random_state : int or RandomState, default=0
        Draws the order of the rows and the rows held out.
    early_stopping : bool, default=False
        Whether to stop by the accuracy on rows held out.
    validation_fraction : float, default=0.1
        Share of rows held out.
    n_iter_no_change : int, default=5
    class_weight : dict or "balanced", optional
        Factors of the step by class label; "balanced" gives each class the same total.
    warm_start : bool, default=False
        Whether to start at the previous solution.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    mistakes_ : ndarray of shape (n_iter_,)
        Mistakes of each epoch of the last call, those of all classes together.
    converged_ : bool
        Whether an epoch made no mistake, for each class: the training rows are separated.
    margin_ : ndarray of shape (1,) or (n_classes,)
        The least distance y_i (w'x_i + b) / |w| of a row learned from; NaN for a class that is not separated.
    n_iter_ : int
        Epochs, the most over classes.
    t_ : float
        1 and the weight of all rows visited.
    history_ : dict of lists
        step (epoch), loss (mean of max(0, -y eta) as rows were met, and the penalty), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    F. Rosenblatt, "The perceptron" (1958), doi:10.1037/h0042519.
    A. Novikoff, "On convergence proofs for perceptrons" (1962).
    M. Minsky, S. Papert, *Perceptrons* (1969) (XOR).

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import Perceptron
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = Perceptron(tol=None).fit(X, [0, 0, 0, 1])  # AND
    >>> model.predict(X), model.converged_
    (array([0, 0, 0, 1]), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Integral, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    state: ClassVar[dict[str, Any]] = {
        "mistakes_": Array("i", (None,), low=0),
        "converged_": Flag(),
        "margin_": Array("f", ("outputs",), finite=False),
    }
    mistakes_: np.ndarray
    converged_: bool
    margin_: np.ndarray

    def __init__(
        self,
        *,
        penalty: str | None = None,
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        eta0: float = 1.0,
        n_jobs: int | None = None,
        random_state: Any = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.eta0 = eta0
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """A penalty, and how strong."""
        return {"penalty": [None, "l2", "elasticnet"], "alpha": (1e-6, 1e-2, "log")}

    def _loss_name(self) -> str:
        return "perceptron"

    def _recipe(self, training: Training) -> Recipe:
        recipe = super()._recipe(training)
        # Without a penalty an epoch without mistakes changes nothing, nor will any after it.
        recipe.settings[ENDS_WITHOUT_MOVES] = float(self.penalty is None)
        return recipe

    def _fit(
        self, training: Training, coef: Any, intercept: Any, max_iter: int, *, fitting: bool
    ) -> list[Walk]:
        walks = super()._fit(training, coef, intercept, max_iter, fitting=fitting)
        longest = max(walk.n_iter for walk in walks)
        self.mistakes_ = np.zeros(longest, np.int64)
        for walk in walks:
            self.mistakes_[: walk.n_iter] += walk.moves
        self.converged_ = not any(walk.moves[-1] for walk in walks)
        self.margin_ = np.array([self._margin(walk, training) for walk in walks])
        if fitting and not self.converged_:
            warnings.warn(
                f"Perceptron: the classes are not shown to be separable in {self.n_iter_} epochs; the last one made "
                f"{self._last_mistakes()}. Either no hyperplane separates them (XOR is the smallest case) and the "
                "rule never settles, or it needs more epochs: tol=None with a larger max_iter. LogisticRegression or "
                "LinearSVC find the best hyperplane that makes mistakes.",
                DataWarning,
                stacklevel=3,
            )
        return walks

    def _last_mistakes(self) -> str:
        last = int(self.mistakes_[-1])
        return f"{last} mistake{'' if last == 1 else 's'}"

    def _margin(self, walk: Walk, training: Training) -> float:
        """The least distance of a row on the right side of a plane without mistakes."""
        length = float(np.linalg.norm(walk.u))
        if walk.moves[-1] or not training.in_memory or length == 0.0:
            return float("nan")
        inside = training.y == int(walk.settings[CLASS])
        distance = np.where(inside, 1.0, -1.0) * (training.X @ walk.u + walk.intercept) / length
        least = float(distance.min())
        return least if least > 0.0 else float("nan")

    def _facts(self) -> dict[str, str]:
        if not self.converged_:
            said = f"not shown separable: {self._last_mistakes()} in the last epoch"
        elif np.isnan(self.margin_).any():
            said = "an epoch without mistakes"
        else:
            said = f"separated, with margin {self.margin_.min():.3g}"
        return {**super()._facts(), "mistakes": f"{self.mistakes_.sum()} in all", "training rows": said}
