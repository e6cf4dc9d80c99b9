"""What linear and quadratic discriminant analysis share: class moments in, Bayes' rule out.

log P(k | x) = log P(k) - log|Sigma_k| / 2 - (x - mu_k)' Sigma_k^-1 (x - mu_k) / 2 + constant
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np

from tripos.base import Classifier, Training
from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block
from tripos.compute.executor import reduce_blocks
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.optimization.quadratic import dependent_columns
from tripos.state import Array
from tripos.supervised.linear.class_moments import ClassMoments, class_blocks, class_moments, dense_rows

NAMED_COLUMNS = 5
KEPT_NUMBERS = 1 << 20  # of scatter up to which the statistics stay in the model (8 MB)
NO_PRIOR = 1e-300  # of a class without rows: its logarithm is still a number


@kernel("F[:, ::1], i8[::1]")
def best_class(scores, codes):  # type: ignore[no-untyped-def]
    """codes_i = argmax_k scores_ik; False when some row has a score that is no number."""
    sound = True
    for i in range(scores.shape[0]):
        best = 0
        for k in range(1, scores.shape[1]):
            if scores[i, k] > scores[i, best]:
                best = k
        codes[i] = best
        sound &= abs(scores[i, best]) < np.inf
    return sound


@kernel("F[:, ::1], F[::1], i8[::1]")
def best_with_intercept(scores, b, codes):  # type: ignore[no-untyped-def]
    """codes_i = argmax_k scores_ik + b_k; False when some score is no number."""
    sound = True
    for i in range(scores.shape[0]):
        best, high = 0, scores[i, 0] + b[0]
        total = high
        for k in range(1, scores.shape[1]):
            score = scores[i, k] + b[k]
            total += score
            if score > high:
                best, high = k, score
        codes[i] = best
        sound &= abs(total) < np.inf
    return sound


@kernel("F[:, ::1], i8[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[::1]")
def fourth_powers(X, y, s, mean, inverse_variance, total):  # type: ignore[no-untyped-def]
    """total_k += s_i |z_i|^4 over the rows of class k, with z the row standardised by its class."""
    for i in range(X.shape[0]):
        k = y[i]
        length = 0.0
        for j in range(X.shape[1]):
            v = X[i, j] - mean[k, j]
            length += v * v * inverse_variance[k, j]
        total[k] += (s[i] if s.size else 1.0) * length * length


class Discriminant(Classifier):
    """Fitting and merging of class moments; subclasses solve them."""

    mergeable: ClassVar[bool] = True
    needs: ClassVar[Needs] = Needs(categories="one-hot-drop", sparse=True)
    state: ClassVar[dict[str, Any]] = {
        "means_": Array("f", ("classes", "features")),
        "priors_": Array("f", ("classes",), low=0.0, high=1.0 + 1e-9),
        "class_weight_": Array("f", ("classes",), low=0.0),
        "class_rows_": Array("i", ("classes",), low=0),
        "class_scatter_": Array("f", (None, "features", "features"), optional=True),
    }

    priors: Any
    shrinkage: Any
    covariance_estimator: Any
    means_: np.ndarray
    priors_: np.ndarray
    class_weight_: np.ndarray
    class_rows_: np.ndarray
    class_scatter_: np.ndarray | None

    # ---- what a subclass says ----------------------------------------------------------------------

    def _pooled(self) -> bool:
        """Whether one scatter for all classes is enough."""
        raise AssertionError(f"{type(self).__name__} has to say what it keeps")

    def _solve(self, moments: ClassMoments, training: Training | None, dtype: Any) -> None:
        """Sets the fitted attributes; `training` is there when the rows are."""
        raise AssertionError(f"{type(self).__name__} has to say how it is solved")

    def _dtype(self) -> Any:
        """Precision of the rows the model was fitted on."""
        return np.dtype(np.float64)

    # ---- fitting -----------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "means_")  # a first call that failed may have set `classes_`

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the classes' means and covariances.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        training = self._start_fit(X, y, sample_weight, check_finite=False)
        moments = self._moments(training)
        if training.in_memory and not moments.finite:
            training = self._start_fit(X, y, sample_weight)
            moments = self._moments(training)
        self._take(training, moments)
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows; any number of calls gives what one `fit` on all rows gives.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever occur; required in the first call.

        Returns
        -------
        self
        """
        first = not hasattr(self, "means_")
        if first:
            self.__dict__.pop("classes_", None)
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
        training = self._start_fit(X, y, sample_weight, reset=first, classes=classes)
        moments = self._moments(training)
        if not first:
            moments = self._statistics().merge(moments)
        self._take(training, moments, whole=first)
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another model learned from other rows: the result is what one fit on all rows gives.

        Parameters
        ----------
        other : fitted estimator of this class
            With the same features; it may know other classes.

        Returns
        -------
        self
        """
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} merges with its own kind, got {type(other).__name__}")
        if getattr(self, "encoder_", None) is not None or getattr(other, "encoder_", None) is not None:
            raise ValueError(
                "models that learned their own encoding of strings or missing values do not merge: encode "
                "both parts with one `tripos.Encoder` first"
            )
        if self.means_.shape[1] != other.means_.shape[1]:
            raise ValueError(f"the models know {self.means_.shape[1]} and {other.means_.shape[1]} features")
        classes = np.union1d(self.classes_, other.classes_)
        mine, theirs = (
            model._statistics().spread_over(np.searchsorted(classes, model.classes_), len(classes))
            for model in (self, other)
        )
        self.classes_ = classes
        self._keep(mine.merge(theirs))
        self._solve(self._statistics(), None, self._dtype())
        return self

    def _moments(self, training: Training) -> ClassMoments:
        K = len(self.classes_)
        if not training.in_memory:
            blocks = training.blocks
        else:
            assert training.y is not None
            n_scatters = 1 if self._pooled() else K
            blocks = class_blocks(training.X, training.y, training.sample_weight, n_scatters)
        return class_moments(blocks, K, pooled=self._pooled())

    def _take(self, training: Training, moments: ClassMoments, *, whole: bool = True) -> None:
        if not moments.finite:
            self._reject_nonfinite(training.X if training.in_memory else training.blocks)
            raise ValueError("the squares of X overflow: divide the large columns by a power of ten")
        self._keep(moments)
        self._solve(moments, training if whole else None, training.dtype)

    def _keep(self, moments: ClassMoments) -> None:
        self.class_weight_, self.class_rows_ = moments.weight, moments.rows.astype(np.int64)
        self.class_scatter_ = moments.scatter if moments.scatter.size <= KEPT_NUMBERS else None
        self.means_ = moments.mean

    def _statistics(self) -> ClassMoments:
        if self.class_scatter_ is None:
            raise ValueError(
                f"this {type(self).__name__} kept no statistics to merge: they would have more than "
                f"{KEPT_NUMBERS:,} numbers"
            )
        return ClassMoments(self.class_weight_, self.class_rows_, self.means_, self.class_scatter_)

    def _check_state(self) -> None:
        super()._check_state()
        width, n = self.means_.shape[1], len(self.classes_)
        if width != self._n_inputs():
            raise ValueError(f"means_ has {width} columns for {self._n_inputs()} features")
        if self.class_scatter_ is not None and len(self.class_scatter_) not in (1, n):
            raise ValueError(f"class_scatter_ has {len(self.class_scatter_)} matrices for {n} classes")

    def _set_priors(self, moments: ClassMoments) -> np.ndarray:
        """P(k), shape (n_classes,)."""
        K = len(self.classes_)
        if K < 2:
            raise ValueError(
                f"The number of classes has to be greater than one. Got {K} class: {self.classes_[0]!r}"
            )
        if self.priors is None:
            return np.asarray(np.maximum(moments.weight / moments.weight.sum(), NO_PRIOR))
        priors = np.array(self.priors, dtype=np.float64)
        if priors.shape != (K,):
            raise ValueError(f"priors has shape {priors.shape}, expected one number for each of {K} classes")
        if (priors < 0).any():
            raise ValueError("priors must be non-negative")
        if abs(priors.sum() - 1.0) > 1e-5:
            warnings.warn("The priors do not sum to 1. Renormalizing", UserWarning, stacklevel=6)
            priors = priors / priors.sum()
        return priors

    def _shrinkages(self, moments: ClassMoments, training: Training | None) -> np.ndarray:
        """Share of the identity in each standardised class covariance by Ledoit and Wolf (2004), shape
        (n_classes,); moments of one class only are those of all rows."""
        if training is None:
            raise ValueError(
                "shrinkage='auto' looks at the rows a second time, so it neither merges nor continues: name a number"
            )
        d, variance = moments.mean.shape[1], self._variances(moments)
        inverse = np.where(variance > 0, 1.0 / np.where(variance > 0, variance, 1.0), 1.0)

        def partial(block: Block) -> np.ndarray:
            X = dense_rows(block.X)
            dtype = X.dtype
            s = (
                np.empty(0, dtype)
                if block.sample_weight is None
                else kernel_array(block.sample_weight, dtype)
            )
            y = kernel_array(block.y, np.int64) if len(inverse) > 1 else np.zeros(len(X), np.int64)
            total = np.zeros(len(inverse))
            fourth_powers(X, y, s, moments.mean, inverse, total)
            return total

        fourth = reduce_blocks(partial, np.add, training.blocks)
        found = np.zeros(len(inverse))
        for k, weight in enumerate(moments.weight):
            root = np.sqrt(inverse[k])
            C = moments.scatter[k] / weight * root * root[:, None]
            squares, trace = float(np.vdot(C, C)), float(np.trace(C))
            beta = (fourth[k] / weight - squares) / (d * weight)
            delta = (squares - trace * trace / d) / d
            found[k] = max(min(beta, delta), 0.0) / delta if delta > 0 else 0.0
        return found

    def _estimated(self, training: Training | None, codes: np.ndarray | None) -> list[np.ndarray]:
        """Covariances by `covariance_estimator`: of each class, or of all rows where codes is None."""
        if training is None or not training.in_memory or training.sample_weight is not None:
            raise ValueError(
                "covariance_estimator takes rows in memory without weights: use shrinkage, or repeat the rows"
            )
        X = training.X if isinstance(training.X, np.ndarray) else training.X.toarray()
        groups = [X] if codes is None else [X[codes == k] for k in range(len(self.classes_))]
        found = []
        for rows in groups:
            estimator = self.covariance_estimator.fit(rows)
            if not hasattr(estimator, "covariance_"):
                raise ValueError(f"{type(estimator).__name__} does not have a covariance_ attribute")
            found.append(np.atleast_2d(estimator.covariance_))
        return found

    def _covariances(self, moments: ClassMoments, training: Training | None) -> list[np.ndarray]:
        """(Shrunk) covariance of each class."""
        if self.covariance_estimator is not None:
            if self.shrinkage:
                raise ValueError(
                    "covariance_estimator and shrinkage parameters are not None. Only one of the two can be set."
                )
            assert training is not None
            one = len(moments.weight) == 1
            return self._estimated(training, None if one else training.y)
        weight = np.where(moments.weight > 0, moments.weight, 1.0)
        plain = [S / w for S, w in zip(moments.scatter, weight)]
        if self.shrinkage == "auto":
            return [ledoit_wolf(C, a) for C, a in zip(plain, self._shrinkages(moments, training))]
        return plain if self.shrinkage is None else [shrunk(C, float(self.shrinkage)) for C in plain]

    @staticmethod
    def _variances(moments: ClassMoments) -> np.ndarray:
        """Variance of each feature in each class, shape (n_classes, n_features)."""
        diagonal = np.einsum("kjj->kj", moments.scatter)
        return np.asarray(diagonal / np.where(moments.weight > 0, moments.weight, 1.0)[:, None])

    def _collinear(self, scatter: np.ndarray) -> str:
        """Names the columns of a singular scatter; empty where none is found."""
        names = [str(name) for name in self.encoded_feature_names_]
        parts = []
        found = dependent_columns(scatter)
        for column, partners in found[:NAMED_COLUMNS]:
            others = ", ".join(repr(names[k]) for k in partners[:NAMED_COLUMNS])
            others += ", ..." if len(partners) > NAMED_COLUMNS else ""
            parts.append(f"{names[column]!r} ({f'follows from {others}' if partners else 'is constant'})")
        more = f" and {len(found) - NAMED_COLUMNS} more" if len(found) > NAMED_COLUMNS else ""
        return ", ".join(parts) + more

    def _warn_collinear(self, scatter: np.ndarray, advice: str) -> None:
        found = self._collinear(scatter)
        if found:
            warnings.warn(
                f"{type(self).__name__}: Variables are collinear inside the classes: {found}. {advice}",
                DataWarning,
                stacklevel=6,
            )


def shrunk(C: np.ndarray, share: float) -> np.ndarray:
    """(1 - share) C + share tr(C) / d I."""
    d = len(C)
    found = (1.0 - share) * C
    found[np.diag_indices(d)] += share * np.trace(C) / d
    return np.asarray(found)


def ledoit_wolf(C: np.ndarray, share: float) -> np.ndarray:
    """The covariance C with the share of the identity mixed into its correlations."""
    scale = np.sqrt(np.where(np.diag(C) > 0, np.diag(C), 1.0))
    return shrunk(C / scale / scale[:, None], share) * scale * scale[:, None]
