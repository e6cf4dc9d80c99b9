"""Multinomial naive Bayes: which words a class uses, and how often.

    P(j | k) = (N_kj + alpha_j) / (N_k + sum_j alpha_j)
    log P(k) + log P(x | k) = log P(k) + sum_j x_j log P(j | k) + (what does not depend on k)

N_kj counts the occurrences of feature j in the rows of class k and N_k is their sum; alpha is Laplace's smoothing, one
imagined occurrence of every word in every class. The score is linear in x: naive Bayes is a linear classifier
whose weights are counted, not searched for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.utils._param_validation import Interval

from tripos import plotting
from tripos.compute import kernel
from tripos.compute.arrays import kernel_array, kernel_csr
from tripos.compute.blocks import Block
from tripos.data.needs import Needs
from tripos.state import Array
from tripos.supervised.bayes.posterior import NaiveBayes, checked_priors

Floats = npt.NDArray[np.float64]
LEAST_ALPHA = 1e-10
# Stands for log 0 at prediction (without smoothing, a word never seen in a class): 0 times it is 0, not NaN.
IMPOSSIBLE = -1e100


@kernel("F[:, ::1], i8[::1], f8[::1], f8[::1], f8[:, ::1]")
def class_counts(X, y, w, n, count):  # type: ignore[no-untyped-def]
    """n_k += w, count_kj += w x_j over the rows of class k; returns how many x are negative."""
    negative = 0
    for i in range(X.shape[0]):
        k = y[i]
        n[k] += w[i]
        for j in range(X.shape[1]):
            count[k, j] += w[i] * X[i, j]
            negative += X[i, j] < 0
    return negative


@kernel("F[::1], I[::1], I[::1], i8[::1], f8[::1], f8[::1], f8[:, ::1]")
def stored_class_counts(data, indices, indptr, y, w, n, count):  # type: ignore[no-untyped-def]
    """As `class_counts`, from a CSR matrix in any order; -1 where an index points outside."""
    negative = 0
    for i in range(y.size):
        k = y[i]
        n[k] += w[i]
        if indptr[i] < 0 or indptr[i + 1] > data.size:
            return -1
        for t in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[t])
            if j >= np.uint64(count.shape[1]):
                return -1
            count[k, j] += w[i] * data[t]
            negative += data[t] < 0
    return negative


@kernel("F[::1], I[::1], I[::1], f8[:, ::1], f8[::1], f8[:, ::1]")
def stored_multinomial_joint(data, indices, indptr, log_p, prior, joint):  # type: ignore[no-untyped-def]
    """joint_ik = prior_k + sum_j x_ij log_p_jk from a CSR matrix; log_p is (n_features, n_classes). False where an
    index points outside. Two classes at a time keep their sums in registers: four times as fast as all at once."""
    last = prior.size - 1
    for i in range(joint.shape[0]):
        if indptr[i] < 0 or indptr[i + 1] > data.size:
            return False
        for k in range(0, prior.size, 2):
            a, b = prior[k], prior[min(k + 1, last)]
            for t in range(indptr[i], indptr[i + 1]):
                j = np.uint64(indices[t])
                if j >= np.uint64(log_p.shape[0]):
                    return False
                a += data[t] * log_p[j, k]
                b += data[t] * log_p[j, min(k + 1, last)]
            joint[i, k] = a
            joint[i, min(k + 1, last)] = b if k < last else a
    return True


def _arrays(X: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Values, columns and row pointers of a CSR matrix as they stand: the kernels check them on the way."""
    index = np.int32 if X.indices.dtype == X.indptr.dtype == np.int32 else np.int64
    return kernel_array(X.data), kernel_array(X.indices, index), kernel_array(X.indptr, index)


@dataclass(frozen=True)
class Counts:
    """Rows of each class, shape (n_classes,), and occurrences of each feature, shape (n_classes, n_features)."""

    weight: Floats
    count: Floats

    @property
    def finite(self) -> bool:
        """Whether every row that went in held numbers only."""
        return bool(np.isfinite(self.count).all())

    def merge(self, other: Counts) -> Counts:
        """Counts of the rows of both, added into these."""
        np.add(self.weight, other.weight, out=self.weight)
        np.add(self.count, other.count, out=self.count)
        return self

    def spread_over(self, positions: npt.NDArray[np.intp], n_classes: int) -> Counts:
        """The same counts among more classes: class k moves to positions[k]."""
        wider = Counts(np.zeros(n_classes), np.zeros((n_classes, self.count.shape[1])))
        wider.weight[positions] = self.weight
        wider.count[positions] = self.count
        return wider


class MultinomialNB(NaiveBayes):
    """Multinomial naive Bayes, for counts such as words in a text.

        P(k | x)  proportional to  P(k) prod_j P(j | k)^x_j,      P(j | k) = (N_kj + alpha_j) / (N_k + sum_j alpha_j)

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Occurrences added to every count (Laplace's smoothing at 1, Lidstone's below).
    force_alpha : bool, default=True
        False raises an `alpha` below 1e-10 to that.
    fit_prior : bool, default=True
        Whether P(k) is the class's share of the rows; uniform otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        P(k) itself.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Rows (or sum of weights) of each class.
    class_log_prior_ : ndarray of shape (n_classes,)
        log P(k).
    classes_ : ndarray of shape (n_classes,)
        Class labels in sorted order.
    feature_count_ : ndarray of shape (n_classes, n_features)
        N_kj: occurrences of each feature in each class.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        log P(j | k).
    n_features_in_ : int
        Columns of the input.
    feature_names_in_ : ndarray of str
        Their names, where it was a table.

    See Also
    --------
    GaussianNB : for measurements.

    Notes
    -----
    The fit merges: `partial_fit`, `merge`, blocks and files larger than memory give what one array gives.
    Without smoothing (`alpha=0`) a row with words that no class has seen together gets the class with the fewest
    impossible words, where scikit-learn gives NaN.

    References
    ----------
    C. D. Manning, P. Raghavan & H. Schuetze (2008). Introduction to Information Retrieval, section 13.2.
    https://nlp.stanford.edu/IR-book/html/htmledition/naive-bayes-text-classification-1.html

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from tripos import MultinomialNB
    >>> texts = ["win a prize now", "call now to win", "lunch at noon", "see you at noon"]
    >>> words = CountVectorizer().fit(texts)
    >>> model = MultinomialNB().fit(words.transform(texts), ["spam", "spam", "ham", "ham"])
    >>> model.predict(words.transform(["win lunch now"]))
    array(['spam'], dtype='<U4')
    >>> [(words.get_feature_names_out()[j], round(odds, 2)) for j, odds in model.speaks_for("spam", 2)]
    [('now', 1.1), ('win', 1.1)]
    """

    canonical_csr: ClassVar[bool] = False  # sums over what is stored: neither order nor duplicates matter
    needs: ClassVar[Needs] = Needs(categories="one-hot", numbers="bins", sign="non-negative", sparse=True)
    state: ClassVar[Mapping[str, Any]] = {
        "class_count_": Array("f", ("classes",), low=0.0),
        "class_log_prior_": Array("f", ("classes",), finite=False, high=0.0),
        "feature_count_": Array("f", ("classes", "features"), low=0.0),
        "feature_log_prob_": Array("f", ("classes", "features"), finite=False, high=0.0),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "force_alpha": ["boolean"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
    }

    class_log_prior_: Floats
    feature_count_: Floats
    feature_log_prob_: Floats

    def __init__(
        self,
        *,
        alpha: float | npt.ArrayLike = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The smoothing, and whether rare classes start behind."""
        return {"alpha": (1e-3, 10.0, "log"), "fit_prior": [True, False]}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # on the measurements that scikit-learn's checks are made of
        return tags

    # ---- partial, merge (`Counts`), solve -------------------------------------------------------

    def _partial(self, block: Block, n_classes: int) -> Counts:
        w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
        counts = Counts(np.zeros(n_classes), np.zeros((n_classes, block.X.shape[1])))
        if sp.issparse(block.X):
            negative = stored_class_counts(*_arrays(block.X), block.y, w, counts.weight, counts.count)
            if negative < 0:
                kernel_csr(block.X)  # says which index
        else:
            negative = class_counts(block.X, block.y, w, counts.weight, counts.count)
        if negative:
            raise ValueError(_describe_negative(block))
        return counts

    def _solve(self, statistics: Counts) -> None:
        n_classes, n_features = statistics.count.shape
        alpha = self._smoothing(n_features)
        if self.class_prior is not None:
            prior = checked_priors(self.class_prior, n_classes)
        elif self.fit_prior:
            prior = statistics.weight / statistics.weight.sum()
        else:
            prior = np.full(n_classes, 1.0 / n_classes)
        self.class_count_ = statistics.weight
        self.feature_count_ = statistics.count
        smoothed = statistics.count + alpha
        total = smoothed.sum(axis=1, keepdims=True)
        smoothed[total[:, 0] == 0.0] = 1.0 / n_features  # a class without a word: the limit of alpha -> 0
        total[total == 0.0] = 1.0
        with np.errstate(divide="ignore"):
            self.class_log_prior_ = np.log(prior)
            self.feature_log_prob_ = np.minimum(np.log(smoothed) - np.log(total), 0.0)
        self._prepare()

    def _smoothing(self, n_features: int) -> float | Floats:
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.ndim and alpha.shape != (n_features,):
            raise ValueError(
                "When alpha is an array, it should contains `n_features`. "
                f"Got {alpha.shape[0]} elements instead of {n_features}."
            )
        if not np.all(alpha >= 0):
            raise ValueError("All values in alpha must be greater than 0.")
        if alpha.min() < LEAST_ALPHA and not self.force_alpha:
            warnings.warn(
                f"alpha too small will result in numeric errors, setting alpha = {LEAST_ALPHA:.1e}. "
                "Use `force_alpha=True` to keep alpha unchanged.",
                stacklevel=5,
            )
            return np.maximum(alpha, LEAST_ALPHA)
        return alpha

    def _statistics(self) -> Counts:
        return Counts(self.class_count_.copy(), self.feature_count_.copy())

    def _prepare(self) -> None:
        """log P(j | k) as predictions read it, shape (n_features, n_classes)."""
        self._log_p = np.ascontiguousarray(np.maximum(self.feature_log_prob_, IMPOSSIBLE).T)

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    def _n_parameters(self) -> int:
        return int(self.feature_count_.shape[1])

    # ---- predict -------------------------------------------------------------------------------

    def _joint(self, X: Any) -> Floats:
        if not isinstance(X, np.ndarray):
            joint = np.empty((X.shape[0], len(self.class_log_prior_)))
            if not stored_multinomial_joint(*_arrays(X), self._log_p, self.class_log_prior_, joint):
                kernel_csr(X)  # says which index
            return joint
        with np.errstate(invalid="ignore"):  # of an infinite X, which the caller finds in the scores
            scores: Floats = X @ self._log_p
        scores += self.class_log_prior_
        return scores

    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        prior = self.class_log_prior_
        return x * (self._log_p[:, label] - self._log_p[:, against]), float(prior[label] - prior[against])

    # ---- show ----------------------------------------------------------------------------------

    @property
    def feature_log_odds_(self) -> Floats:
        """log P(j | k) - log P(j | not k), shape (n_classes, n_features): what one occurrence of a feature adds to the
        log-odds of a class against all others together."""
        prior = self.class_count_ / self.class_count_.sum()
        p = np.exp(self.feature_log_prob_)
        mixed = prior @ p
        tiny = np.finfo(np.float64).tiny
        rest = (mixed - prior[:, None] * p) / np.maximum(1.0 - prior, tiny)[:, None]
        odds: Floats = np.maximum(self.feature_log_prob_, np.log(tiny)) - np.log(np.maximum(rest, tiny))
        return odds

    def speaks_for(self, label: Any, n: int = 10) -> list[tuple[int, float]]:
        """The features that speak most for a class: (position among `encoded_feature_names_`, log-odds)."""
        odds = self.feature_log_odds_[self._code(label, "label")]
        return [(int(j), float(odds[j])) for j in np.argsort(-odds, kind="stable")[:n]]

    def summary(self, top: int = 8) -> str:
        """Each class with its share of the rows and the features that speak most for it."""
        names, total = self.encoded_feature_names_, self.class_count_.sum()
        lines = [f"MultinomialNB: {len(self.classes_)} classes, {len(names)} features, {total:g} rows"]
        for k, label in enumerate(self.classes_[:20]):
            words = ", ".join(f"{names[j]} ({odds:+.2f})" for j, odds in self.speaks_for(label, top))
            lines.append(f"{label!s} ({self.class_count_[k] / total:.1%} of the rows): {words}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """The features that speak most for each class; returns matplotlib Axes."""
        return plotting.feature_log_odds(
            self.feature_log_odds_, labels=self.classes_, names=self.encoded_feature_names_, ax=ax
        )


def _describe_negative(block: Block) -> str:
    cells = block.X.tocoo() if sp.issparse(block.X) else None
    if cells is not None:
        at = int(np.flatnonzero(cells.data < 0)[0])
        row, column, value = int(cells.row[at]), int(cells.col[at]), cells.data[at]
    else:
        row, column = (int(place) for place in np.argwhere(block.X < 0)[0])
        value = block.X[row, column]
    return (
        "Negative values in data passed to MultinomialNB (input X): "
        f"{value} in row {block.start + row}, column {column}; it takes counts, for measurements use GaussianNB"
    )
