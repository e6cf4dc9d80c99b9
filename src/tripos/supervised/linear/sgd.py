"""Linear classifiers by stochastic gradient descent."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from tripos.supervised.linear.probabilities import probabilities, rest_probabilities
from tripos.supervised.linear.stochastic import CONSTRAINTS, RATE_CONSTRAINTS
from tripos.supervised.linear.stochastic_classifier import StochasticClassifier
from tripos.supervised.linear.stochastic_losses import LOSSES


def _has_probabilities(model: SGDClassifier) -> bool:
    if model.loss not in ("log_loss", "modified_huber"):
        raise AttributeError(f"probability estimates are not available for loss={model.loss!r}")
    return True


class SGDClassifier(StochasticClassifier):
    """Linear classifier that learns from one row at a time: support vector machine, logistic regression and others.

    Minimises the mean loss with a penalty,

        F(w, b) = (1 / S) sum_i s_i L(y_i, w'x_i + b) + alpha (r |w|_1 + (1 - r) |w|^2 / 2),

    by a step against the gradient at a single row, with rates that fall from step to step,

        w <- w - eta_t (L'(y_i, w'x_i + b) x_i + alpha (1 - r) w).

    A step costs as much as reading the row, so that one pass over many rows can already be enough; scale the
    features, since one rate serves all of them. For more than two classes one classifier for each class against
    the rest is learned. An L1 penalty is the cumulative one of Tsuruoka and others, which leaves exact zeros.

    Parameters
    ----------
    loss : str, default="hinge"
        "hinge" (linear SVM), "log_loss" (logistic regression), "modified_huber" (smooth, bears outliers, gives
        probabilities), "squared_hinge", "perceptron", or one of regression on targets -1 and 1:
        "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive".
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
    alpha : float, default=0.0001
        Strength of the penalty; with ``learning_rate="optimal"`` it sets the rates as well.
    l1_ratio : float, default=0.15
        r, for "elasticnet".
    fit_intercept : bool, default=True
        Whether there is a b. It takes a hundredth of the step where fewer than a tenth of the cells are not zero.
    max_iter : int, default=1000
        Epochs at most.
    tol : float or None, default=1e-3
        An epoch that betters the best objective (or validation score) by less counts as no change.
    shuffle : bool, default=True
        Whether each epoch visits the rows in a new random order.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.
    epsilon : float, default=0.1
        Of the Huber and the epsilon-insensitive losses.
    n_jobs : int, optional
        Threads over classes; all by default. The answer does not depend on it.
    random_state : int or RandomState, optional
        Draws the order of the rows and the rows held out.
    learning_rate : str, default="optimal"
        "constant" (eta0), "optimal" (1 / (alpha (t + t0)), t0 after Bottou), "invscaling" (eta0 / t^power_t),
        "adaptive" (eta0, a fifth of it after n_iter_no_change epochs without change, down to 1e-6), "pa1" and "pa2"
        (passive-aggressive; with "hinge").
    eta0 : float, default=0.01
        First rate; the bound C of the passive-aggressive steps.
    power_t : float, default=0.5
    early_stopping : bool, default=False
        Whether to stop by the accuracy on rows held out.
    validation_fraction : float, default=0.1
        Share of rows held out.
    n_iter_no_change : int, default=5
    class_weight : dict or "balanced", optional
        Factors of the loss by class label; "balanced" gives each class the same total.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    average : bool or int, default=False
        Whether `coef_` is the mean over the steps, from step `average` on.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : int
        Epochs, the most over classes.
    t_ : float
        1 and the weight of all rows visited: the count that rates fall with.
    history_ : dict of lists
        step (epoch), loss (objective over the epoch as rows were met), validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    Raises
    ------
    ValueError
        When a walk blows up, with a rate that was tried on these rows and works.

    References
    ----------
    L. Bottou, "Stochastic Gradient Descent Tricks" (2012), doi:10.1007/978-3-642-35289-8_25.
    S. Shalev-Shwartz, Y. Singer, N. Srebro, "Pegasos" (2007), doi:10.1145/1273496.1273598.
    Y. Tsuruoka, J. Tsujii, S. Ananiadou (2009), ACL P09-1054 (cumulative L1).

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import SGDClassifier
    >>> X = np.array([[-2.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> model = SGDClassifier(random_state=0).fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict(np.array([[-0.8, -1.0], [1.5, 0.5]]))
    array(['no', 'yes'], dtype='<U3')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        **RATE_CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES))],
        "n_jobs": [Integral, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        loss: str = "hinge",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The strength of the penalty, its kind, and a loss with or without probabilities."""
        return {
            "alpha": (1e-6, 1e-1, "log"),
            "loss": ["log_loss", "hinge", "modified_huber"],
            "penalty": ["l2", "elasticnet"],
        }

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes), in the order of `classes_`.

        For ``loss="log_loss"`` the logistic function of the score, for "modified_huber" (score + 1) / 2 between 0
        and 1 (Zhang, 2004); with more than two classes divided by their sum.
        """
        scores = self.decision_function(X)
        if self.loss == "modified_huber":
            return _clipped(scores)
        if scores.ndim == 1:
            return probabilities(scores, log_scale=False)
        return rest_probabilities(scores, log_scale=False)

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probabilities; -inf where "modified_huber" gives 0."""
        if self.loss == "modified_huber":
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(self.predict_proba(X)))
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return probabilities(scores, log_scale=True)
        return rest_probabilities(scores, log_scale=True)

    def _facts(self) -> dict[str, str]:
        penalty = "none" if self.penalty is None else f"{self.penalty}, alpha {self.alpha:g}"
        return {**super()._facts(), "loss": self.loss, "penalty": penalty}


def _clipped(scores: np.ndarray) -> np.ndarray:
    """Probabilities of the modified Huber loss; rows of which every class is sure that they are not its own get
    equal shares."""
    p = np.asarray((np.clip(scores, -1.0, 1.0) + 1.0) / 2.0)
    if p.ndim == 1:
        return np.column_stack([1.0 - p, p])
    total = p.sum(axis=1, keepdims=True)
    p[total[:, 0] == 0.0] = 1.0
    return np.asarray(p / p.sum(axis=1, keepdims=True))
