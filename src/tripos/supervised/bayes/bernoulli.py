"""Bernoulli naive Bayes: which words occur in a row, and which do not.

    p_kj = (N_kj + alpha_j) / (n_k + 2 alpha_j),     N_kj = number of the n_k rows of class k in which x_j > t
    log P(x | k) = sum_j x_j log p_kj + (1 - x_j) log(1 - p_kj)
                 = sum_j log(1 - p_kj) + sum_j x_j log p_kj / (1 - p_kj)

The second form costs only the words that are there, though the absent ones count.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval

from tripos.compute import kernel
from tripos.compute.arrays import kernel_csr
from tripos.compute.blocks import Block
from tripos.compute.intrinsics import exp, log, prefetch
from tripos.data.needs import Needs
from tripos.supervised.bayes.counts import AHEAD, CountClassifier, Counts, Floats, csr_arrays, summed_arrays

# Stands for log 0 (alpha=0): the sum over absent features holds it too, so it must leave digits to the others.
NEVER = -1e8


@kernel("F[:, ::1], i8[::1], f8[::1], F, f8[::1], f8[:, ::1]")
def class_presence(X, y, w, t, n, count):  # type: ignore[no-untyped-def]
    """n_k += w, count_kj += w [x_j > t] over the rows of class k. NaN and infinity turn the count into NaN."""
    for i in range(X.shape[0]):
        k = y[i]
        n[k] += w[i]
        for j in range(X.shape[1]):
            count[k, j] += w[i] * (X[i, j] > t) + 0.0 * X[i, j]


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], F, f8[::1], f8[:, ::1], i4[::1]")
def stored_class_presence(data, indices, indptr, y, w, t, n, count, seen):  # type: ignore[no-untyped-def]
    """As `class_presence` from a CSR matrix, t not negative; False where an index points outside or a row names a column
    twice: what was counted until then means nothing. `seen` begins at zero."""
    width, sound, last = np.uint64(count.shape[1]), 0.0, indices.size - 1
    for i in range(y.size):
        n[y[i]] += w[i]
        if indptr[i] < 0 or indptr[i + 1] > data.size:
            return False
        weight, of_class = w[i], count[y[i]]
        for s in range(indptr[i], indptr[i + 1]):
            ahead = np.uint64(indices[min(s + AHEAD, last)])
            prefetch(of_class, ahead)
            prefetch(seen, ahead)
            j = np.uint64(indices[s])
            if j >= width or seen[j] == i + 1:
                return False
            seen[j] = i + 1
            of_class[j] += weight if data[s] > t else 0.0
            sound += 0.0 * data[s]
    if sound != 0.0:
        count[0, 0] = np.nan
    return True


@kernel("F[:, ::1], F, F[:, ::1]")
def presence(X, t, out):  # type: ignore[no-untyped-def]
    """out_ij = [x_ij > t], NaN where x is NaN or infinite."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i, j] = X.dtype.type(X[i, j] > t) + X.dtype.type(0.0) * X[i, j]


@kernel("F[::1], F, F[::1]")
def stored_presence(data, t, out):  # type: ignore[no-untyped-def]
    """As `presence`, of the stored values."""
    for s in range(data.size):
        out[s] = data.dtype.type(data[s] > t) + data.dtype.type(0.0) * data[s]


@kernel("f8[:, ::1], f8[::1], f8[::1], f8[:, ::1]")
def log_rates(count, weight, alpha, out):  # type: ignore[no-untyped-def]
    """out_kj = log p_kj, p_kj = (N_kj + alpha_j) / (n_k + 2 alpha_j); of a class without rows the limit of alpha -> 0."""
    for k in range(count.shape[0]):
        for j in range(alpha.size):
            rows = weight[k] + 2.0 * alpha[j]
            value = log(count[k, j] + alpha[j]) - log(rows)
            out[k, j] = min(value, 0.0) if rows > 0.0 else log(0.5)


@kernel("f8[:, ::1], f8, f8[:, ::1], f8[::1]")
def presence_weights(log_p, never, weights, absent):  # type: ignore[no-untyped-def]
    """weights_jk = log p_kj - log(1 - p_kj) and absent_k = sum_j log(1 - p_kj), with `never` for log 0."""
    for k in range(log_p.shape[0]):
        total = 0.0
        for j in range(log_p.shape[1]):
            missing = max(log(1.0 - exp(log_p[k, j])), never)
            total += missing
            weights[j, k] = max(log_p[k, j], never) - missing
        absent[k] = total


class BernoulliNB(CountClassifier):
    """Bernoulli naive Bayes, for features that are there or not.

        log P(k | x) = log P(k) + sum_j x_j log p_kj + (1 - x_j) log(1 - p_kj) + const,
        p_kj = (N_kj + alpha_j) / (n_k + 2 alpha_j)

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Imagined rows with and without the feature, added to every class.
    force_alpha : bool, default=True
        False raises an `alpha` below 1e-10 to that.
    binarize : float or None, default=0.0
        A value above it counts as there. None: X holds 0 and 1 already.
    fit_prior : bool, default=True
        Whether P(k) is the class's share of the rows; uniform otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        P(k) itself.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        n_k: rows (or sum of weights) of each class.
    class_log_prior_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    feature_count_ : ndarray of shape (n_classes, n_features)
        N_kj: rows of each class with the feature.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        log p_kj.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    See Also
    --------
    MultinomialNB : for how often, where this model sees only whether.

    Notes
    -----
    The fit merges: `partial_fit`, `merge`, blocks and files larger than memory give what one array gives.

    References
    ----------
    C. D. Manning, P. Raghavan & H. Schuetze (2008). Introduction to Information Retrieval, section 13.3.
    https://nlp.stanford.edu/IR-book/html/htmledition/the-bernoulli-model-1.html

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import BernoulliNB
    >>> answers = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]])
    >>> BernoulliNB().fit(answers, ["yes", "yes", "no", "no"]).predict_proba(np.array([[1, 0, 0]])).round(2)
    array([[0.25, 0.75]])
    """

    needs: ClassVar[Needs] = Needs(categories="one-hot", numbers="bins", sparse=True)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CountClassifier._parameter_constraints,
        "binarize": [None, Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        alpha: float | npt.ArrayLike = 1.0,
        force_alpha: bool = True,
        binarize: float | None = 0.0,
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.binarize = binarize
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def _partial(self, block: Block, n_classes: int) -> Counts:
        if self.binarize is None:
            counts = super()._partial(block, n_classes)
            if (counts.count > counts.weight[:, None] * (1 + 1e-9)).any():
                raise ValueError(
                    "binarize=None takes X of 0 and 1 only, and some values are larger: set binarize to the threshold"
                )
            return counts
        w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
        counts = Counts(np.zeros(n_classes), np.zeros((n_classes, block.X.shape[1])))
        t = block.X.dtype.type(self.binarize)
        if not sp.issparse(block.X):
            class_presence(block.X, block.y, w, t, counts.weight, counts.count)
        else:  # the parts of a duplicated entry count once, by their sum
            self._count_stored(block, w, t, counts)
        return counts

    def _count_stored(self, block: Block, w: Floats, t: Any, counts: Counts) -> None:
        """One pass that looks for repeated columns on its way; where there are some, they are summed first."""
        for arrays in (csr_arrays, kernel_csr):
            counts.weight[:], counts.count[:] = 0.0, 0.0
            seen = np.zeros(block.X.shape[1], np.int32)
            if stored_class_presence(*arrays(block.X), block.y, w, t, counts.weight, counts.count, seen):
                return

    def _log_probabilities(self, counts: Counts, alpha: float | Floats) -> Floats:
        log_p = np.empty_like(counts.count)
        log_rates(counts.count, counts.weight, np.full(log_p.shape[1], alpha), log_p)
        return log_p

    def _weights_and_offset(self) -> tuple[Floats, Floats]:
        weights, absent = np.empty(self.feature_log_prob_.shape[::-1]), np.empty(len(self.feature_log_prob_))
        presence_weights(self.feature_log_prob_, NEVER, weights, absent)
        return weights, self.class_log_prior_ + absent

    def _cells(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """X as 0 and 1."""
        if self.binarize is None:
            return X
        out = np.empty_like(X)
        presence(X, X.dtype.type(self.binarize), out)
        return out

    def _stored(self, X: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        if self.binarize is None:
            return csr_arrays(X)
        data, indices, indptr = summed_arrays(X)
        out = np.empty_like(data)
        stored_presence(data, data.dtype.type(self.binarize), out)
        return out, indices, indptr

    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        """Features that are absent speak as well: the sum over them is given to each by its own share."""
        there = self._cells(np.ascontiguousarray(x[None, :]))[0]
        odds = self.feature_log_prob_[label] - self.feature_log_prob_[against]
        with np.errstate(divide="ignore"):
            absent = np.maximum(np.log1p(-np.exp(self.feature_log_prob_[[label, against]])), NEVER)
        prior = self.class_log_prior_
        contributions = np.where(there > 0, odds, absent[0] - absent[1])
        return contributions, float(prior[label] - prior[against])
