"""Complement naive Bayes: a class is what the other classes are not.

    q_kj = (alpha_j + sum_{c != k} N_cj) / sum_i (alpha_i + sum_{c != k} N_ci)
    w_kj = -log q_kj,  or, with norm, log q_kj / sum_i log q_ki;      score_k = sum_j x_j w_kj

q_k is estimated from all rows outside class k, nearly the same number for every class, so that a small class does not
suffer from the poor estimate its few rows would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.compute.intrinsics import log
from tripos.data.needs import Needs
from tripos.state import Array
from tripos.supervised.bayes.counts import IMPOSSIBLE, CountClassifier, Counts, Floats


@kernel("f8[:, ::1], f8[::1], f8[::1], f8[:, ::1]")
def complement_weights(count, alpha, everywhere, out):  # type: ignore[no-untyped-def]
    """everywhere_j = sum_c N_cj and out_kj = -log q_kj; of a class that has all there is, all q are equal."""
    n_classes, n_features = count.shape
    for j in range(n_features):
        everywhere[j] = 0.0
    for k in range(n_classes):
        for j in range(n_features):
            everywhere[j] += count[k, j]
    for k in range(n_classes):
        total = 0.0
        for j in range(n_features):
            total += everywhere[j] - count[k, j] + alpha[j]
        log_total = log(total) if total > 0.0 else 0.0
        for j in range(n_features):
            mass = everywhere[j] - count[k, j] + alpha[j]
            mass = 1.0 / n_features if total <= 0.0 else max(mass, 0.0)
            out[k, j] = min(max(log_total - log(mass), 0.0), -IMPOSSIBLE)


class ComplementNB(CountClassifier):
    """Complement naive Bayes, for counts in classes of unequal size.

        score_k = -sum_j x_j log q_kj,     q_kj = (alpha_j + sum_{c != k} N_cj) / sum_i (alpha_i + sum_{c != k} N_ci)

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Occurrences added to every count.
    force_alpha : bool, default=True
        False raises an `alpha` below 1e-10 to that.
    fit_prior : bool, default=True
        Without effect on predictions where there are two classes or more: the score has no prior.
    class_prior : array-like of shape (n_classes,), default=None
        As `fit_prior`.
    norm : bool, default=False
        Whether the weights of a class are divided by their sum, against words that come in groups.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Rows (or sum of weights) of each class.
    class_log_prior_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    feature_all_ : ndarray of shape (n_features,)
        Occurrences of each feature in all rows.
    feature_count_ : ndarray of shape (n_classes, n_features)
        N_kj: occurrences of each feature in each class.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        w_kj.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    See Also
    --------
    MultinomialNB : the model this one corrects.

    Notes
    -----
    The fit merges. Probabilities are the scores through softmax: an order of the classes, no calibrated figure.

    References
    ----------
    J. D. M. Rennie, L. Shih, J. Teevan & D. R. Karger (2003). Tackling the poor assumptions of naive Bayes text
    classifiers. ICML, 616-623. https://people.csail.mit.edu/jrennie/papers/icml03-nb.pdf

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import ComplementNB
    >>> counts = np.array([[3, 0, 1], [2, 0, 0], [0, 1, 4], [0, 2, 3], [1, 0, 5]])
    >>> ComplementNB().fit(counts, ["a", "a", "b", "b", "b"]).predict(np.array([[2, 0, 1]]))
    array(['a'], dtype='<U1')
    """

    needs: ClassVar[Needs] = Needs(categories="one-hot", numbers="bins", sign="non-negative", sparse=True)
    state: ClassVar[Mapping[str, Any]] = {
        "feature_all_": Array("f", ("features",), low=0.0),
        "feature_log_prob_": Array("f", ("classes", "features"), finite=False),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CountClassifier._parameter_constraints,
        "norm": ["boolean"],
    }

    feature_all_: Floats

    def __init__(
        self,
        *,
        alpha: float | npt.ArrayLike = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
        norm: bool = False,
    ) -> None:
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.norm = norm

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-3, 10.0, "log"), "norm": [False, True]}

    def _log_probabilities(self, counts: Counts, alpha: float | Floats) -> Floats:
        weights = np.empty_like(counts.count)
        self.feature_all_ = np.empty(weights.shape[1])
        complement_weights(counts.count, np.full(weights.shape[1], alpha), self.feature_all_, weights)
        if self.norm:
            weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def _weights_and_offset(self) -> tuple[Floats, Floats]:
        weights, prior = super()._weights_and_offset()
        return weights, prior if len(prior) == 1 else np.zeros_like(prior)

    @property
    def feature_log_odds_(self) -> Floats:
        """What one occurrence of a feature adds to the score of a class against the mean of the others,
        shape (n_classes, n_features)."""
        w, others = self.feature_log_prob_, max(len(self.class_count_) - 1, 1)
        odds: Floats = w - (w.sum(axis=0) - w) / others
        return odds
