"""Naive Bayes on counts: what the multinomial, complement and Bernoulli models share.

N_kj, the occurrences of feature j in the rows of class k, and n_k, the rows of class k, are all these models learn from;
their scores are linear in x.

    log P(k | x) = b_k + sum_j x_j w_jk + (what does not depend on k)
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
from tripos.compute.intrinsics import log, prefetch
from tripos.inputs import FLOATS
from tripos.state import Array
from tripos.supervised.bayes.posterior import ONE_PIECE, BayesClassifier, checked_priors

Floats = npt.NDArray[np.float64]
LEAST_ALPHA = 1e-10
# Stands for log 0 at prediction (without smoothing, a word never seen in a class): 0 times it is 0, not NaN.
IMPOSSIBLE = -1e100
CSR = (sp.csr_matrix, sp.csr_array)
# Stored cells whose counts are called from memory in advance: those of many words outgrow the cache.
AHEAD = 24
FEW = 4  # rows up to which scores of a dense X come from a kernel instead of a product


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
    """As `class_counts`, from a CSR matrix in any order: 1 if some x is negative, else 0; -1 where an index points
    outside."""
    width, least, last = np.uint64(count.shape[1]), data.dtype.type(0), indices.size - 1
    for i in range(y.size):
        n[y[i]] += w[i]
        if indptr[i] < 0 or indptr[i + 1] > data.size:
            return -1
        weight, of_class = w[i], count[y[i]]
        for t in range(indptr[i], indptr[i + 1]):
            prefetch(of_class, np.uint64(indices[min(t + AHEAD, last)]))
            j = np.uint64(indices[t])
            if j >= width:
                return -1
            x = data[t]
            of_class[j] += weight * x
            least = min(least, x)
    return 1 if least < 0 else 0


@kernel("f8[:, ::1], f8[::1], f8[:, ::1]")
def log_shares(mass, alpha, out):  # type: ignore[no-untyped-def]
    """out_kj = log of (mass_kj + alpha_j) / sum_i (mass_ki + alpha_i); of a class without any, all shares are equal."""
    for k in range(mass.shape[0]):
        total = 0.0
        for j in range(alpha.size):
            total += mass[k, j] + alpha[j]
        if total > 0.0:
            log_total = log(total)
            for j in range(alpha.size):
                out[k, j] = min(log(max(mass[k, j] + alpha[j], 0.0)) - log_total, 0.0)
        else:
            for j in range(alpha.size):
                out[k, j] = -log(np.float64(alpha.size))


@kernel("f8[:, ::1], f8, f8[:, ::1]")
def turned(weights, least, out):  # type: ignore[no-untyped-def]
    """out_jk = weights_kj, none below `least`."""
    for j in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[j, k] = max(weights[k, j], least)


@kernel("I[::1], I[::1], i8, i4[::1]")
def repeats(indices, indptr, n_stored, seen):  # type: ignore[no-untyped-def]
    """Whether a row of a CSR matrix names a column twice, or points outside; `seen` begins at -1."""
    for i in range(indptr.size - 1):
        if indptr[i] < 0 or indptr[i + 1] > n_stored:
            return True
        for t in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[t])
            if j >= np.uint64(seen.size) or seen[j] == i:
                return True
            seen[j] = i
    return False


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


@kernel("F[:, ::1], f8[:, ::1], f8[::1], f8[:, ::1]")
def few_joint(X, log_p, prior, joint):  # type: ignore[no-untyped-def]
    """joint_ik = prior_k + sum_j x_ij log_p_jk for a few rows, of which a matrix product is mostly its call."""
    for i in range(X.shape[0]):
        for k in range(prior.size):
            joint[i, k] = prior[k]
        for j in range(X.shape[1]):
            x = np.float64(X[i, j])
            for k in range(prior.size):
                joint[i, k] += x * log_p[j, k]


def csr_arrays(X: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Values, columns and row pointers of a CSR matrix as they stand: the kernels check them on the way."""
    data, indices, indptr = X.data, X.indices, X.indptr
    if len(data) != len(indices) or len(indptr) != X.shape[0] + 1:
        return kernel_csr(X, ordered=False)  # cuts off what is too long, or says what is wrong
    real = data.dtype if data.dtype in FLOATS else np.float64
    index = np.int32 if indices.dtype == indptr.dtype == np.int32 else np.int64
    return kernel_array(data, real), kernel_array(indices, index), kernel_array(indptr, index)


def summed_arrays(X: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """As `csr_arrays`, each column at most once in a row; looking costs a tenth of sorting, and few repeat any."""
    data, indices, indptr = csr_arrays(X)
    if not repeats(indices, indptr, len(data), np.full(X.shape[1], -1, np.int32)):
        return data, indices, indptr
    return kernel_csr(X)  # sums them, or says which index points outside


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


class CountClassifier(BayesClassifier):
    """A naive Bayes classifier whose statistics are `Counts` and whose score is linear in the row."""

    canonical_csr: ClassVar[bool] = False  # sums over what is stored: neither order nor duplicates matter
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

    alpha: float | npt.ArrayLike
    force_alpha: bool
    fit_prior: bool
    class_prior: npt.ArrayLike | None
    class_log_prior_: Floats
    feature_count_: Floats
    feature_log_prob_: Floats
    # w as predictions read it, (n_features, n_classes), and b, (n_classes,); empty until they are asked for
    _line: list[tuple[Floats, Floats]]

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """The smoothing."""
        return {"alpha": (1e-3, 10.0, "log")}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # on the measurements that scikit-learn's checks are made of
        return tags

    # ---- partial, merge (`Counts`), solve -------------------------------------------------------

    def _partial(self, block: Block, n_classes: int) -> Counts:
        w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
        counts = Counts(np.zeros(n_classes), np.zeros((n_classes, block.X.shape[1])))
        if sp.issparse(block.X):
            negative = stored_class_counts(*csr_arrays(block.X), block.y, w, counts.weight, counts.count)
            if negative < 0:
                kernel_csr(block.X)  # says which index
        else:
            negative = class_counts(block.X, block.y, w, counts.weight, counts.count)
        if negative:
            raise ValueError(describe_negative(self, block))
        return counts

    def _solve(self, statistics: Counts) -> None:
        self.class_count_ = statistics.weight
        self.feature_count_ = statistics.count
        self.class_log_prior_ = log_prior(self, statistics.weight)
        self.feature_log_prob_ = self._log_probabilities(
            statistics, smoothing(self, statistics.count.shape[1])
        )
        self._prepare()

    def _log_probabilities(self, counts: Counts, alpha: float | Floats) -> Floats:
        """`feature_log_prob_` of shape (n_classes, n_features); subclasses write it."""
        raise AssertionError(f"{type(self).__name__} has to say what it makes of counts")

    def _statistics(self) -> Counts:
        return Counts(self.class_count_.copy(), self.feature_count_.copy())

    def _prepare(self) -> None:
        self._line = []

    def _linear(self) -> tuple[Floats, Floats]:
        """w and b of the score, made when they are first asked for: a fit and `partial_fit` need neither."""
        if not self._line:
            self._line.append(self._weights_and_offset())
        return self._line[0]

    def _weights_and_offset(self) -> tuple[Floats, Floats]:
        weights = np.empty(self.feature_log_prob_.shape[::-1])
        turned(self.feature_log_prob_, IMPOSSIBLE, weights)
        return weights, self.class_log_prior_

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    def _n_parameters(self) -> int:
        return int(self.feature_count_.shape[1])

    # ---- predict -------------------------------------------------------------------------------

    def _input(self, X: Any) -> Any:
        """Counts in CSR stay as they came, unchecked as plain arrays do: SciPy takes longer to make a matrix of one row
        anew, as floats, than a prediction does."""
        if type(X) in CSR and X.shape[1] == self._width and X.shape[0]:
            data = X.data
            if data.dtype in FLOATS or (data.dtype.kind in "iu" and data.nbytes <= ONE_PIECE):
                return X
        return super()._input(X)

    def _joint(self, X: Any) -> Floats:
        weights, offset = self._linear()
        joint = np.empty((X.shape[0], len(offset)))
        if not isinstance(X, np.ndarray):
            if not stored_multinomial_joint(*self._stored(X), weights, offset, joint):
                kernel_csr(X)  # says which index
            return joint
        X = self._cells(X)
        if len(X) <= FEW:
            few_joint(X, weights, offset, joint)
            return joint
        with np.errstate(invalid="ignore"):  # of an infinite X, which the caller finds in the scores
            scores: Floats = X @ weights
        scores += offset
        return scores

    def _stored(self, X: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """The arrays of a CSR matrix as the score takes them."""
        return csr_arrays(X)

    def _cells(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A dense X as the score takes it."""
        return X

    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        weights, offset = self._linear()
        return x * (weights[:, label] - weights[:, against]), float(offset[label] - offset[against])

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
        lines = [
            f"{type(self).__name__}: {len(self.classes_)} classes, {len(names)} features, {total:g} rows"
        ]
        for k, label in enumerate(self.classes_[:20]):
            words = ", ".join(f"{names[j]} ({odds:+.2f})" for j, odds in self.speaks_for(label, top))
            lines.append(f"{label!s} ({self.class_count_[k] / total:.1%} of the rows): {words}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """The features that speak most for each class; returns matplotlib Axes."""
        return plotting.feature_log_odds(
            self.feature_log_odds_, labels=self.classes_, names=self.encoded_feature_names_, ax=ax
        )


def log_prior(model: Any, weight: Floats) -> Floats:
    """log P(k) by the parameters `class_prior` and `fit_prior`, shape (n_classes,)."""
    if model.class_prior is not None:
        prior = checked_priors(model.class_prior, len(weight))
    elif model.fit_prior:
        prior = weight / weight.sum()
    else:
        prior = np.full(len(weight), 1.0 / len(weight))
    with np.errstate(divide="ignore"):
        return np.log(prior)


def smoothing(model: Any, n_features: int) -> float | Floats:
    """`alpha`, checked, and raised where it is too small to divide by and `force_alpha` is off."""
    alpha = np.asarray(model.alpha, dtype=np.float64)
    if alpha.ndim and alpha.shape != (n_features,):
        raise ValueError(
            "When alpha is an array, it should contains `n_features`. "
            f"Got {alpha.shape[0]} elements instead of {n_features}."
        )
    if not np.all(alpha >= 0):
        raise ValueError("All values in alpha must be greater than 0.")
    if alpha.min() < LEAST_ALPHA and not model.force_alpha:
        warnings.warn(
            f"alpha too small will result in numeric errors, setting alpha = {LEAST_ALPHA:.1e}. "
            "Use `force_alpha=True` to keep alpha unchanged.",
            stacklevel=6,
        )
        return np.maximum(alpha, LEAST_ALPHA)
    return alpha


def describe_negative(model: Any, block: Block) -> str:
    """Where the first negative value of a block stands."""
    cells = block.X.tocoo() if sp.issparse(block.X) else None
    if cells is not None:
        at = int(np.flatnonzero(cells.data < 0)[0])
        row, column, value = int(cells.row[at]), int(cells.col[at]), cells.data[at]
    else:
        row, column = (int(place) for place in np.argwhere(block.X < 0)[0])
        value = block.X[row, column]
    return (
        f"Negative values in data passed to {type(model).__name__} (input X): "
        f"{value} in row {block.start + row}, column {column}; it takes counts, for measurements use GaussianNB"
    )
