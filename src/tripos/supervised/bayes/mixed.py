"""Naive Bayes for tables: each column with the density that suits it.

    P(k | x)  proportional to  P(k) prod_{j: x_j is there} P(x_j | k)

Numbers are normal, counted in intervals, or have a kernel density (John and Langley's flexible Bayes); categories are
counted. What is missing has no factor, so that nothing has to be filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from tripos.base import Training
from tripos.compute.blocks import Block
from tripos.compute.budget import require
from tripos.data.needs import Needs
from tripos.state import Array
from tripos.supervised.bayes.categorical import CategoryCounts
from tripos.supervised.bayes.columns import (
    CATEGORY,
    GRID,
    NORMAL,
    Column,
    PresentMoments,
    category_column,
    density_column,
    interval_column,
    mixed_joint,
    normal_columns,
    present_categories,
)
from tripos.supervised.bayes.counts import log_prior
from tripos.supervised.bayes.posterior import BayesClassifier

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
KINDS_OF_CATEGORIES = ("category", "integer code", "boolean")


@dataclass(frozen=True)
class MixedStatistics:
    """What is counted of a block: rows of each class, moments of the numbers, counts of the categories.

    `rows` are the rows themselves, for densities that need them all at once.
    """

    weight: Floats
    numbers: PresentMoments
    categories: CategoryCounts
    rows: Training | None = None

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.numbers.squares).all()) and self.categories.finite

    def merge(self, other: MixedStatistics) -> MixedStatistics:
        return MixedStatistics(
            self.weight + other.weight,
            self.numbers.merge(other.numbers),
            self.categories.merge(other.categories),
        )

    def spread_over(self, positions: npt.NDArray[np.intp], n_classes: int) -> MixedStatistics:
        weight = np.zeros(n_classes)
        weight[positions] = self.weight
        return MixedStatistics(
            weight,
            self.numbers.spread_over(positions, n_classes),
            self.categories.spread_over(positions, n_classes),
        )


def _goes_on(model: NaiveBayes) -> bool:
    if not model._merges():
        raise AttributeError(
            f"numbers={model.numbers!r} looks at all values at once, so a fit cannot be continued or merged: use "
            "numbers='normal', or fit on all rows"
        )
    return True


class NaiveBayes(BayesClassifier):
    """Naive Bayes for tables of numbers and categories, with missing values left out of the product.

        P(k | x)  proportional to  P(k) prod_{j: x_j is there} P(x_j | k)

    Parameters
    ----------
    numbers : {"normal", "intervals", "density"}, default="normal"
        How a numeric column is described in each class: by a normal density, by counts in `n_bins` intervals
        that hold equal shares of the rows, or by a kernel density estimate.
    alpha : float, default=1.0
        Rows added to every category and interval, and to a kernel density as an even one (Laplace's smoothing).
    n_bins : int, default=10
    bandwidth : float, default=1.0
        Factor of Silverman's rule for the kernel density.
    var_smoothing : float, default=1e-9
        Share of a column's variance over all classes that is added to its variance in each class.
    categorical_features : "from_dtype" or array-like of int, bool or str, default="from_dtype"
        Columns that are categories numbered from zero (negative positions count from the end), besides those
        that a table shows to be: strings, categories and booleans.
    fit_prior : bool, default=True
        Whether P(k) is the class's share of the rows; uniform otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        P(k) itself.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
    class_log_prior_ : ndarray of shape (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    is_categorical_ : bool ndarray of shape (n_columns,)
        Of the encoded columns (`encoded_feature_names_`).
    number_mean_, number_variance_ : ndarray of shape (n_classes, n_numbers)
    number_weight_ : ndarray of shape (n_classes, n_numbers)
        Rows of each class in which the number is there.
    category_count_ : ndarray of shape (n_categories in all, n_classes)
    category_start_ : ndarray of shape (n_categorical + 1,)
        Where the categories of each categorical column begin in `category_count_`.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Raises
    ------
    ValueError, AttributeError
        When a file larger than memory, or `partial_fit` and `merge`, meet "intervals" or "density", which look at
        all values at once.

    References
    ----------
    G. H. John & P. Langley (1995). Estimating continuous distributions in Bayesian classifiers. UAI, 338-345.
    arXiv:1302.4964.

    Examples
    --------
    >>> import pandas as pd
    >>> from tripos import NaiveBayes
    >>> table = pd.DataFrame({"colour": ["red", "red", "blue", "blue"], "size": [1.0, None, 3.0, 3.5]})
    >>> model = NaiveBayes().fit(table, ["a", "a", "b", "b"])
    >>> model.predict(pd.DataFrame({"colour": ["red", None], "size": [None, 3.1]}))
    array(['a', 'b'], dtype='<U1')
    """

    needs: ClassVar[Needs] = Needs(categories="native", missing="native", text="none", sparse=False)
    state: ClassVar[Mapping[str, Any]] = {
        "class_count_": Array("f", ("classes",), low=0.0),
        "class_log_prior_": Array("f", ("classes",), finite=False, high=0.0),
        "is_categorical_": Array("b", ("columns",)),
        "number_weight_": Array("f", ("classes", "numbers"), low=0.0),
        "number_mean_": Array("f", ("classes", "numbers")),
        "number_variance_": Array("f", ("classes", "numbers"), low=0.0),
        "category_count_": Array("f", ("categories", "classes"), low=0.0),
        "category_start_": Array("i", (None,), low=0),
        "kind_": Array("i", ("columns",), low=NORMAL, high=GRID),
        "start_": Array("i", (None,), low=0),
        "table_": Array("f", (None, "classes")),
        "low_": Array("f", ("columns",)),
        "step_": Array("f", ("columns",), low=0.0),
        "edges_": Array("f", (None,)),
        "first_edge_": Array("i", (None,), low=0),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "numbers": [StrOptions({"normal", "intervals", "density"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "bandwidth": [Interval(Real, 0, None, closed="neither")],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
    }

    class_log_prior_: Floats
    is_categorical_: npt.NDArray[np.bool_]

    def __init__(
        self,
        numbers: str = "normal",
        *,
        alpha: float = 1.0,
        n_bins: int = 10,
        bandwidth: float = 1.0,
        var_smoothing: float = 1e-9,
        categorical_features: Any = "from_dtype",
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
    ) -> None:
        self.numbers = numbers
        self.alpha = alpha
        self.n_bins = n_bins
        self.bandwidth = bandwidth
        self.var_smoothing = var_smoothing
        self.categorical_features = categorical_features
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"numbers": ["normal", "intervals", "density"], "alpha": (0.1, 10.0, "log")}

    # ---- partial, merge (`MixedStatistics`), solve ----------------------------------------------

    def _reduce(self, training: Training) -> MixedStatistics:
        self.is_categorical_ = self._categorical(training.n_features)
        if self.numbers != "normal" and not training.in_memory:
            raise ValueError(
                f"numbers={self.numbers!r} looks at all values at once and takes no blocks: use numbers='normal'"
            )
        found: MixedStatistics = super()._reduce(training)
        if self.numbers == "normal":
            return found
        return MixedStatistics(found.weight, found.numbers, found.categories, training)

    def _categorical(self, n_columns: int) -> npt.NDArray[np.bool_]:
        """Which encoded columns are categories, shape (n_columns,)."""
        mask = np.zeros(n_columns, dtype=bool)
        encoder = getattr(self, "encoder_", None)
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(n_columns)])
        if encoder is not None:
            kinds, names = encoder.kinds_, encoder.get_feature_names_out()
            mask |= np.array([kinds[source] in KINDS_OF_CATEGORIES for source in encoder.sources_])
        if isinstance(self.categorical_features, str):
            return mask
        given = np.asarray(self.categorical_features)
        if given.dtype == bool:
            if given.shape != (n_columns,):
                raise ValueError(
                    f"categorical_features has {given.size} entries of True and False for {n_columns} columns"
                )
            mask |= given
            return mask
        if given.dtype.kind in "iu":
            if given.size and not ((given >= -n_columns) & (given < n_columns)).all():
                raise ValueError(
                    f"categorical_features names a column outside the {n_columns}: {given.tolist()}"
                )
            mask[given] = True
            return mask
        unknown = sorted(set(map(str, given.tolist())) - set(map(str, names)))
        if unknown:
            raise ValueError(f"categorical_features names {unknown}, which are none of {list(names)[:20]}")
        mask |= np.isin(np.asarray(names, dtype=str), given.astype(str))
        return mask

    def _partial(self, block: Block, n_classes: int) -> MixedStatistics:
        w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
        y = np.asarray(block.y, np.int64)
        weight = np.bincount(y, weights=w, minlength=n_classes).astype(np.float64)
        X = (
            block.X
            if not self.is_categorical_.any()
            else np.ascontiguousarray(block.X[:, ~self.is_categorical_])
        )
        numbers = PresentMoments.of(X, y, w, n_classes)
        C = np.ascontiguousarray(block.X[:, self.is_categorical_])
        return MixedStatistics(weight, numbers, self._counted(C, y, w, n_classes))

    def _counted(self, C: Any, y: Integers, w: Floats, n_classes: int) -> CategoryCounts:
        most = np.fmax.reduce(C, axis=0, initial=-1.0).astype(np.float64)
        if np.isinf(most).any() or np.isinf(np.fmin.reduce(C, axis=0, initial=0.0)).any():
            start = np.arange(C.shape[1] + 1)
            return CategoryCounts(np.zeros(n_classes), np.zeros((C.shape[1], n_classes)), start, finite=False)
        wanted = 8.0 * n_classes * (np.floor(most) + 1.0).sum()
        require(min(4.0 * wanted, 2.0**62), what=f"categories numbered up to {most.max(initial=0.0):g}")
        start = np.append(0, np.cumsum(np.maximum(most, 0.0).astype(np.int64) + 1))
        count = np.zeros((start[-1], n_classes))
        present_categories(C, y, w, start, count)
        weight = np.bincount(y, weights=w, minlength=n_classes).astype(np.float64)
        return CategoryCounts(weight, count, start)

    def _solve(self, statistics: MixedStatistics) -> None:
        numbers, categories = statistics.numbers, statistics.categories
        self.class_count_ = statistics.weight
        self.class_log_prior_ = log_prior(self, statistics.weight)
        self.number_weight_, self.number_mean_ = numbers.weight, numbers.mean
        self.number_variance_ = numbers.squares / np.where(numbers.weight > 0, numbers.weight, 1.0)
        self.category_count_, self.category_start_ = categories.count, categories.start
        parts = np.split(categories.count, categories.start[1:-1]) if self.is_categorical_.any() else []
        self._set_columns(self._number_columns(statistics), [category_column(p, self.alpha) for p in parts])

    def _number_columns(self, statistics: MixedStatistics) -> list[Column]:
        if self.numbers == "normal":
            return normal_columns(statistics.numbers, self.var_smoothing)
        assert statistics.rows is not None
        X, y = statistics.rows.X, np.asarray(statistics.rows.y, np.int64)
        w = statistics.rows.sample_weight
        w = np.ones(len(y)) if w is None else w
        columns = (X[:, j].astype(np.float64) for j in np.flatnonzero(~self.is_categorical_))
        K = len(self.classes_)
        if self.numbers == "intervals":
            return [interval_column(x, y, w, K, n_bins=self.n_bins, alpha=self.alpha) for x in columns]
        return [density_column(x, y, w, K, bandwidth=self.bandwidth, alpha=self.alpha) for x in columns]

    def _set_columns(self, numbers: list[Column], categories: list[Column]) -> None:
        """Puts the tables of all columns below one another."""
        waiting = {True: iter(categories), False: iter(numbers)}
        columns = [next(waiting[bool(categorical)]) for categorical in self.is_categorical_]
        self.kind_ = np.array([column.kind for column in columns], dtype=np.int64)
        self.start_ = np.append(0, np.cumsum([len(column.table) for column in columns])).astype(np.int64)
        self.table_ = np.ascontiguousarray(np.concatenate([column.table for column in columns]))
        self.low_ = np.array([column.low for column in columns])
        self.step_ = np.array([column.step for column in columns])
        self.edges_ = np.concatenate([column.edges for column in columns])
        self.first_edge_ = np.append(0, np.cumsum([len(column.edges) for column in columns])).astype(np.int64)

    def _statistics(self) -> MixedStatistics:
        numbers = PresentMoments(
            self.number_weight_, self.number_mean_, self.number_variance_ * self.number_weight_
        )
        categories = CategoryCounts(self.class_count_, self.category_count_, self.category_start_)
        return MixedStatistics(self.class_count_, numbers, categories)

    def _merges(self) -> bool:
        """Whether these parameters keep the promise that parts merge."""
        return bool(self.numbers == "normal")

    @available_if(_goes_on)
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        return super().partial_fit(X, y, classes, sample_weight)

    @available_if(_goes_on)
    def merge(self, other: Self) -> Self:
        if hasattr(other, "is_categorical_") and not np.array_equal(
            self.is_categorical_, other.is_categorical_
        ):
            raise ValueError("the models take different columns for categories")
        return super().merge(other)

    def _n_parameters(self) -> int:
        return len(self.kind_)

    # ---- predict -------------------------------------------------------------------------------

    def _joint(self, X: Any) -> Floats:
        return self._sum(X, self.class_log_prior_)

    def _sum(self, X: Any, prior: Floats) -> Floats:
        joint = np.empty((X.shape[0], len(prior)))
        mixed_joint(
            *(X, self.kind_, self.start_, self.table_, self.low_, self.step_, self.edges_),
            *(self.first_edge_, prior, joint),
        )
        return joint

    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        alone = np.full((len(x), len(x)), np.nan)  # a row for each column, in which only that column is there
        np.fill_diagonal(alone, x)
        terms = self._sum(alone, np.zeros(len(self.classes_)))
        prior = self.class_log_prior_
        return terms[:, label] - terms[:, against], float(prior[label] - prior[against])

    # ---- keep and show -------------------------------------------------------------------------

    def _check_state(self) -> None:
        super()._check_state()
        rows = np.diff(self.start_)
        least = np.choose(self.kind_, [3, 1, 1, 2])
        edges = np.diff(self.first_edge_)
        of_edges = self.kind_ == 2
        sound = (
            len(self.start_) == len(self.first_edge_) == len(self.kind_) + 1
            and self.start_[0] == self.first_edge_[0] == 0
            and self.start_[-1] == len(self.table_)
            and self.first_edge_[-1] == len(self.edges_)
            and (rows >= least).all()
            and (rows[self.kind_ == NORMAL] == 3).all()
            and (edges[of_edges] == rows[of_edges] - 1).all()
            and (edges[~of_edges] == 0).all()
            and (self.step_ > 0).all()
            and np.array_equal(self.kind_ == CATEGORY, self.is_categorical_)
            and len(self.category_start_) == self.is_categorical_.sum() + 1
            and self.category_start_[-1] == len(self.category_count_)
            and (np.diff(self.category_start_) >= 1).all()
            and self.number_weight_.shape[1] == (~self.is_categorical_).sum()
        )
        if not sound:
            raise ValueError("the tables of the columns do not fit one another")

    def _spread(self) -> Floats:
        """How far the classes lie apart in each column, shape (n_columns,): the largest mean log-odds of two classes
        over the column's own distribution, as far as the fitted tables tell."""
        spread = np.zeros(len(self.kind_))
        for j, kind in enumerate(self.kind_):
            rows = self.table_[self.start_[j] : self.start_[j + 1]]
            if kind == NORMAL:
                theta, b = rows[1], rows[2]
                spread[j] = np.ptp(theta) * np.sqrt(2.0 * b.mean()) if b.any() else 0.0
            else:
                p = np.exp(rows)
                p /= np.maximum(p.sum(axis=0), np.finfo(float).tiny)
                spread[j] = max(
                    float(np.abs(p[:, a] - p[:, c]).sum())
                    for a in range(p.shape[1])
                    for c in range(p.shape[1])
                )
        return spread

    def summary(self, top: int = 12) -> str:
        """Each class with its share of the rows, and the columns in which classes lie farthest apart."""
        names, total = self.encoded_feature_names_, self.class_count_.sum()
        lines = [f"NaiveBayes: {len(self.classes_)} classes, {len(names)} columns, {total:g} rows"]
        lines += [
            f"  {label!s}: {n / total:.1%} of the rows" for label, n in zip(self.classes_, self.class_count_)
        ]
        spread = self._spread()
        lines.append("columns in which the classes differ most:")
        for j in np.argsort(-spread, kind="stable")[:top]:
            how = "counts" if self.is_categorical_[j] else self.numbers
            lines.append(f"  {names[j]} ({how}): {spread[j]:.2f}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """How far the classes lie apart in each column; returns matplotlib Axes."""
        from tripos import plotting

        return plotting.coefficients(
            self._spread(), list(self.encoded_feature_names_), xlabel="distance between classes", ax=ax
        )
