"""Categorical naive Bayes: how often each category of each feature occurs in a class.

    P(x_j = c | k) = (N_kjc + alpha) / (n_k + alpha C_j),        C_j = number of categories of feature j

N_kjc counts the rows of class k whose feature j is category c; n_k counts its rows. Categories are 0, 1, ..., C_j - 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import Interval

from tripos.compute import kernel
from tripos.compute.blocks import Block
from tripos.compute.budget import require
from tripos.data.needs import Needs
from tripos.state import Array, ListOf
from tripos.supervised.bayes.counts import IMPOSSIBLE, describe_negative, log_prior, smoothing
from tripos.supervised.bayes.posterior import BayesClassifier

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel("F[:, ::1], i8[::1], f8[::1], i8[::1], f8[::1], f8[:, ::1]")
def category_counts(X, y, w, start, n, count):  # type: ignore[no-untyped-def]
    """n_k += w, count_(start_j + x_j)k += w over the rows of class k; start has the end of all as its last entry."""
    for i in range(X.shape[0]):
        k = y[i]
        n[k] += w[i]
        for j in range(X.shape[1]):
            count[start[j] + np.int64(X[i, j]), k] += w[i]


@kernel("F[:, ::1], f8[:, ::1], i8[::1], f8[::1], f8[:, ::1]")
def categorical_joint(X, log_p, start, prior, joint):  # type: ignore[no-untyped-def]
    """joint_ik = prior_k + sum_j log_p_(start_j + x_ij)k, without the features whose category is not known; NaN where
    x is NaN or infinite."""
    for i in range(X.shape[0]):
        poison = 0.0
        for k in range(prior.size):
            joint[i, k] = prior[k]
        for j in range(X.shape[1]):
            x = X[i, j]
            poison += 0.0 * x
            if 0.0 <= x < start[j + 1] - start[j]:
                c = start[j] + np.int64(x)
                for k in range(prior.size):
                    joint[i, k] += log_p[c, k]
        for k in range(prior.size):
            joint[i, k] += poison


@dataclass(frozen=True)
class CategoryCounts:
    """Rows of each class, shape (n_classes,), and of each category in each class.

    Attributes
    ----------
    weight : ndarray of shape (n_classes,)
    count : ndarray of shape (n_categories in all, n_classes)
        The categories of feature j are the rows from start[j] on.
    start : int64 ndarray of shape (n_features + 1,)
    finite : bool
        Whether every row that went in held numbers only.
    """

    weight: Floats
    count: Floats
    start: Integers
    finite: bool = True

    @property
    def sizes(self) -> Integers:
        """Categories of each feature, shape (n_features,)."""
        return np.diff(self.start)

    def widened(self, sizes: Integers) -> CategoryCounts:
        """The same counts with room for more categories, which nobody has been seen in."""
        if np.array_equal(sizes, self.sizes):
            return self
        start = np.append(0, np.cumsum(sizes))
        count = np.zeros((start[-1], len(self.weight)))
        within = np.arange(len(self.count)) - np.repeat(self.start[:-1], self.sizes)
        count[np.repeat(start[:-1], self.sizes) + within] = self.count
        return CategoryCounts(self.weight, count, start, self.finite)

    def merge(self, other: CategoryCounts) -> CategoryCounts:
        """Counts of the rows of both."""
        sizes = np.maximum(self.sizes, other.sizes)
        mine, theirs = self.widened(sizes), other.widened(sizes)
        return CategoryCounts(
            mine.weight + theirs.weight,
            mine.count + theirs.count,
            mine.start,
            self.finite and other.finite,
        )

    def spread_over(self, positions: npt.NDArray[np.intp], n_classes: int) -> CategoryCounts:
        """The same counts among more classes: class k moves to positions[k]."""
        weight, count = np.zeros(n_classes), np.zeros((len(self.count), n_classes))
        weight[positions] = self.weight
        count[:, positions] = self.count
        return CategoryCounts(weight, count, self.start, self.finite)

    def parts(self, table: Floats) -> list[Floats]:
        """A table of one row per category, feature by feature as (n_classes, n_categories)."""
        return [np.ascontiguousarray(part.T) for part in np.split(table, self.start[1:-1])]


class CategoricalNB(BayesClassifier):
    """Naive Bayes for features that are categories, numbered from zero.

        P(k | x)  proportional to  P(k) prod_j P(x_j | k),     P(x_j = c | k) = (N_kjc + alpha) / (n_k + alpha C_j)

    Parameters
    ----------
    alpha : float, default=1.0
        Rows added to every count (Laplace's smoothing at 1).
    force_alpha : bool, default=True
        False raises an `alpha` below 1e-10 to that.
    fit_prior : bool, default=True
        Whether P(k) is the class's share of the rows; uniform otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        P(k) itself.
    min_categories : int or array-like of shape (n_features,), default=None
        Categories that a feature has at least, whether they occur or not.

    Attributes
    ----------
    category_count_ : list of n_features ndarrays of shape (n_classes, n_categories of the feature)
        N_kjc.
    class_count_ : ndarray of shape (n_classes,)
    class_log_prior_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    feature_log_prob_ : list of n_features ndarrays of shape (n_classes, n_categories of the feature)
        log P(x_j = c | k).
    n_categories_ : ndarray of shape (n_features,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Raises
    ------
    ValueError
        At `fit`, for a negative category. (At prediction, a category that training did not know, negative ones
        included, says nothing: its factor is left out. scikit-learn raises IndexError.)

    See Also
    --------
    NaiveBayes : for tables that hold numbers as well.

    References
    ----------
    T. Hastie, R. Tibshirani & J. Friedman (2009). The Elements of Statistical Learning, 2nd ed., section 6.6.3.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import CategoricalNB
    >>> weather = np.array([[0, 1], [0, 0], [1, 1], [2, 0], [2, 1]])  # sunny, overcast, rain; calm, windy
    >>> model = CategoricalNB().fit(weather, ["stay", "play", "play", "play", "stay"])
    >>> model.predict(np.array([[1, 0], [0, 1]]))
    array(['play', 'stay'], dtype='<U4')
    """

    needs: ClassVar[Needs] = Needs(categories="ordinal", sign="non-negative", text="none", sparse=False)
    state: ClassVar[Mapping[str, Any]] = {
        "class_count_": Array("f", ("classes",), low=0.0),
        "class_log_prior_": Array("f", ("classes",), finite=False, high=0.0),
        "category_count_": ListOf(Array("f", ("classes", None), low=0.0)),
        "feature_log_prob_": ListOf(Array("f", ("classes", None), finite=False, high=0.0)),
        "n_categories_": Array("i", (None,), low=1),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "force_alpha": ["boolean"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
        "min_categories": [None, "array-like", Interval(Integral, 1, None, closed="left")],
    }

    class_log_prior_: Floats
    category_count_: list[Floats]
    feature_log_prob_: list[Floats]
    n_categories_: Integers

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
        min_categories: npt.ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.min_categories = min_categories

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-2, 10.0, "log")}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags

    # ---- partial, merge (`CategoryCounts`), solve -----------------------------------------------

    def _partial(self, block: Block, n_classes: int) -> CategoryCounts:
        w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
        least, most = block.X.min(axis=0), block.X.max(axis=0)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            start = np.arange(len(least) + 1)
            return CategoryCounts(np.zeros(n_classes), np.zeros((len(least), n_classes)), start, finite=False)
        if (least < 0).any():
            raise ValueError(describe_negative(self, block))
        wanted = 8.0 * n_classes * (np.floor(most.astype(np.float64)) + 1.0).sum()
        require(
            min(4.0 * wanted, 2.0**62),
            what=f"{type(self).__name__} with categories numbered up to {most.max():g}",
        )
        start = np.append(0, np.cumsum(most.astype(np.int64) + 1))
        counts = CategoryCounts(np.zeros(n_classes), np.zeros((start[-1], n_classes)), start)
        category_counts(block.X, block.y, w, start, counts.weight, counts.count)
        return counts

    def _solve(self, statistics: CategoryCounts) -> None:
        statistics = statistics.widened(self._at_least(statistics.sizes))
        alpha = smoothing(self, len(statistics.sizes))
        smoothed = statistics.count + alpha
        total = np.add.reduceat(smoothed, statistics.start[:-1], axis=0)  # (n_features, n_classes)
        total = np.repeat(total, statistics.sizes, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(smoothed) - np.log(total)
        even = -np.log(np.repeat(statistics.sizes, statistics.sizes))[:, None]  # the limit of alpha -> 0
        log_p = np.minimum(np.where(total == 0.0, even, log_p), 0.0)
        self.class_count_ = statistics.weight
        self.class_log_prior_ = log_prior(self, statistics.weight)
        self.category_count_ = statistics.parts(statistics.count)
        self.feature_log_prob_ = statistics.parts(log_p)
        self.n_categories_ = statistics.sizes
        self._prepare()

    def _at_least(self, sizes: Integers) -> Integers:
        if self.min_categories is None:
            return sizes
        least = np.asarray(self.min_categories)
        if not np.issubdtype(least.dtype, np.signedinteger):
            raise ValueError(f"'min_categories' should have integral type. Got {least.dtype} instead.")
        if least.ndim and least.shape != sizes.shape:
            raise ValueError(
                f"'min_categories' should have shape {sizes.shape} when an array-like is provided. "
                f"Got {least.shape} instead."
            )
        return np.maximum(sizes, least.astype(np.int64))

    def _statistics(self) -> CategoryCounts:
        count = np.concatenate([part.T for part in self.category_count_])
        return CategoryCounts(self.class_count_, count, np.append(0, np.cumsum(self.n_categories_)))

    def _prepare(self) -> None:
        """What predictions read: all categories below one another, a row of log P for each."""
        log_p = np.concatenate([part.T for part in self.feature_log_prob_])
        self._log_p = np.ascontiguousarray(np.maximum(log_p, IMPOSSIBLE))
        self._start = np.append(0, np.cumsum(self.n_categories_))

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    def _n_parameters(self) -> int:
        return len(self.n_categories_)

    # ---- predict -------------------------------------------------------------------------------

    def _joint(self, X: Any) -> Floats:
        joint = np.empty((X.shape[0], len(self.class_log_prior_)))
        categorical_joint(X, self._log_p, self._start, self.class_log_prior_, joint)
        return joint

    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        known = (x >= 0) & (x < self.n_categories_)
        rows = self._start[:-1] + np.where(known, x, 0).astype(np.int64)
        added = np.where(known, self._log_p[rows, label] - self._log_p[rows, against], 0.0)
        prior = self.class_log_prior_
        return added, float(prior[label] - prior[against])

    # ---- keep and show -------------------------------------------------------------------------

    def _check_state(self) -> None:
        super()._check_state()
        for name in ("category_count_", "feature_log_prob_"):
            sizes = [part.shape[1] for part in getattr(self, name)]
            if sizes != self.n_categories_.tolist():
                raise ValueError(f"{name} does not have the categories that n_categories_ states")

    def summary(self, top: int = 8) -> str:
        """Each class with its share of the rows and the categories that speak most for it."""
        names, total = self.encoded_feature_names_, self.class_count_.sum()
        lines = [f"CategoricalNB: {len(self.classes_)} classes, {len(names)} features, {total:g} rows"]
        titles = self._titles()
        for k, label in enumerate(self.classes_[:20]):
            odds = self._odds(k)
            first = np.argsort(-odds, kind="stable")[:top]
            said = ", ".join(f"{titles[c]} ({odds[c]:+.2f})" for c in first)
            lines.append(f"{label!s} ({self.class_count_[k] / total:.1%} of the rows): {said}")
        return "\n".join(lines)

    def _titles(self) -> list[str]:
        """Every category with its column, in the words of the table where it held words."""
        levels, found = self._levels(), []
        for name, size in zip(map(str, self.encoded_feature_names_), self.n_categories_):
            known = levels.get(name, [])[:size]
            found += [f"{name} = {c}" for c in (*known, *range(len(known), size))]
        return found

    def _odds(self, k: int) -> Floats:
        """log P(c | k) / P(c | not k) of every category, shape (n_categories in all,)."""
        prior = self.class_count_ / self.class_count_.sum()
        p = np.exp(self._log_p)
        tiny = np.finfo(np.float64).tiny
        rest = (p @ prior - prior[k] * p[:, k]) / max(1.0 - prior[k], tiny)
        odds: Floats = np.log(np.maximum(p[:, k], tiny)) - np.log(np.maximum(rest, tiny))
        return odds

    def plot(self, ax: Any = None) -> Any:
        """The categories that speak most for each class; returns matplotlib Axes."""
        from tripos import plotting

        odds = np.array([self._odds(k) for k in range(len(self.classes_))])
        names = self._titles()
        return plotting.feature_log_odds(odds, labels=self.classes_, names=np.array(names, object), ax=ax)
