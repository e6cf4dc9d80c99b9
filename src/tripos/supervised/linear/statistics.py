"""Models that follow from the columns' weight, mean and scatter: fitted in one pass, continued and merged.

`SquaredLossModel` turns what the user passed into `Moments` (or the rows themselves, where those are the
better road) and keeps them, so that `partial_fit` and `merge` give what one fit on all rows gives.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, TypeVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from tripos import inputs
from tripos.base import Training
from tripos.compute.blocks import Block
from tripos.errors import DataWarning, TableError
from tripos.objective.moments import FEW_BYTES, Moments, block_moments, moments, tall_blocks
from tripos.optimization.quadratic import ScaledCholesky
from tripos.state import Array, Number, OneOf
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.normal import NormalEquations

Self = TypeVar("Self", bound="SquaredLossModel")

SPARSE_SCATTER = 512  # columns of CSR up to which their products with one another are formed
KEPT_COLUMNS = 1024  # up to so many the statistics stay in the model after `fit` (8 MB)
NOT_KEPT = f"more than {KEPT_COLUMNS} columns, more columns than rows, or an iterative solver"
FLOAT32_TRUSTED = 1e-2  # inverse condition number from which a scatter multiplied in float32 is good enough


class SquaredLossModel(LinearModel):
    """Base of `LinearRegression`, `Ridge` and `RidgeClassifier`: statistics in, coefficients out."""

    mergeable: ClassVar[bool] = True
    interpretability: ClassVar[str] = "high"
    canonical_csr: ClassVar[bool] = False  # where a scatter is formed, `moments` sorts
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", (("features",), ("targets", "features"))),
        "intercept_": OneOf(Number("f"), Array("f", ("targets",))),
        "n_rows_": Number("i", low=1, optional=True),
        "row_weight_": Number("f", low=0.0, optional=True),
        "column_mean_": Array("f", ("columns",), optional=True),
        "column_scatter_": Array("f", ("columns", "columns"), optional=True),
    }

    fit_intercept: bool
    n_rows_: int
    row_weight_: float
    column_mean_: np.ndarray
    column_scatter_: np.ndarray

    # ---- fitting ---------------------------------------------------------------------------------

    def _begin(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> Training:
        """`_start_fit`, with the target in numbers; classifiers make theirs of the labels."""
        return self._start_fit(X, y, sample_weight, multi_output=True, **options)

    def _solve_statistics(self, statistics: Moments, single: bool, dtype: Any) -> None:
        """Sets the coefficients from statistics alone; subclasses write it."""
        raise AssertionError(f"{type(self).__name__} has to say how it is solved")

    def partial_fit(self: Self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Continue with more rows: the result is that of one fit on all rows so far.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        self
        """
        first = not hasattr(self, "coef_")
        training = self._begin(X, y, sample_weight, reset=first)
        return self._continue(training, first)

    def _continue(self: Self, training: Training, first: bool) -> Self:
        single, dtype = self._form(training)
        statistics = self._moments(training, precise=True)
        self._require_finite(training, statistics)
        if not first and self._has_statistics():
            statistics = self._statistics().merge(statistics)
        elif not first:
            warnings.warn(
                f"{type(self).__name__}: the rows of the earlier fit were not kept as statistics ({NOT_KEPT}), "
                "so partial_fit begins anew with these rows",
                DataWarning,
                stacklevel=2,
            )
        self._keep(statistics)
        self._solve_statistics(statistics, single, dtype)
        return self

    def merge(self: Self, other: Self) -> Self:
        """Take in the rows that another instance was fitted on.

        Parameters
        ----------
        other : estimator of the same class
            Fitted on the same columns and targets; it stays as it is.

        Returns
        -------
        self
            As if fitted on the rows of both, with its own parameters.
        """
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} merges with its own kind, got {type(other).__name__}")
        if getattr(self, "encoder_", None) is not None or getattr(other, "encoder_", None) is not None:
            raise ValueError(
                "models that learned their own encoding of strings or missing values do not merge: encode "
                "both parts with one `tripos.Encoder` first"
            )
        if self.coef_.shape != other.coef_.shape:
            raise ValueError(
                f"cannot merge coefficients of shape {self.coef_.shape} with {other.coef_.shape}: fit both on "
                "the same columns and targets"
            )
        statistics = self._statistics().merge(other._statistics())
        self._keep(statistics)
        self._solve_statistics(statistics, self.coef_.ndim == 1, self.coef_.dtype)
        return self

    def _start(self, X: Any, y: Any, sample_weight: Any) -> tuple[Training, Moments | None]:
        """The rows and, where they are the way to the solution, their statistics.

        NaN and infinity are not looked for: the statistics show them, at no cost to clean data. Only then the
        checked start is made, which encodes missing values or names the bad cell.
        """
        training = self._begin(X, y, sample_weight, check_finite=False)
        statistics = self._moments(training) if self._uses_statistics(training) else None
        if training.in_memory and not self._is_finite(training, statistics):
            training = self._begin(X, y, sample_weight)
            statistics = self._moments(training) if self._uses_statistics(training) else None
        if statistics is not None:
            self._require_finite(training, statistics)
        for name in ("n_rows_", "row_weight_", "column_mean_", "column_scatter_"):
            self.__dict__.pop(name, None)
        if statistics is not None and len(statistics.mean) <= KEPT_COLUMNS:
            self._keep(statistics)
        return training, statistics

    def _uses_statistics(self, training: Training) -> bool:
        """Whether the normal equations are the way: not for more columns than rows, nor for wide sparse
        rows."""
        if not training.in_memory:
            return True
        if sp.issparse(training.X):
            return training.n_features <= SPARSE_SCATTER
        return len(training.X) >= training.n_features

    def _is_finite(self, training: Training, statistics: Moments | None) -> bool:
        if statistics is not None:
            return bool(np.isfinite(statistics.scatter).all())
        return inputs.all_finite(training.X.data if sp.issparse(training.X) else training.X)

    def _require_finite(self, training: Training, statistics: Moments) -> None:
        if np.isfinite(statistics.scatter).all():
            return
        self._reject_nonfinite(training.blocks)
        for block in training.blocks:
            if block.y is not None and not np.isfinite(block.y).all():
                row = block.start + int(
                    np.flatnonzero(~np.isfinite(block.y).reshape(len(block.y), -1).all(axis=1))[0]
                )
                raise ValueError(
                    f"Input y contains NaN or infinity, first at row {row}: drop the rows without a target"
                )
        raise ValueError("the squares of X or y overflow: divide the large columns by a power of ten")

    def _moments(self, training: Training, *, precise: bool = False) -> Moments:
        """Statistics of [X, y]; float32 rows are multiplied in float32 where they are well conditioned."""
        X, y = training.X, training.y
        if isinstance(X, np.ndarray) and X.nbytes < FEW_BYTES and X.dtype == np.float64 and y is not None:
            return block_moments(Block(X, y, training.sample_weight, 0), alone=True)
        n_targets = 1 if self._form(training)[0] else _first_target(training).shape[1]
        blocks = training.blocks if X is None or y is None else tall_blocks(X, y, training.sample_weight)
        if blocks.dtype == np.float32 and not (precise or blocks.sparse):
            quick = moments(blocks, n_targets=n_targets, dtype=np.float32)
            if _well_conditioned(quick.scatter[:-n_targets, :-n_targets]):
                return quick
        return moments(blocks, n_targets=n_targets)

    def _form(self, training: Training) -> tuple[bool, Any]:
        """Whether there is one target (coefficients are then a vector), and the precision of the
        coefficients."""
        return _first_target(training).ndim == 1, training.dtype

    def _statistics(self) -> Moments:
        if not self._has_statistics():
            raise ValueError(
                f"this {type(self).__name__} kept no statistics to merge ({NOT_KEPT}): fit it by partial_fit"
            )
        return Moments(self.row_weight_, self.n_rows_, self.column_mean_, self.column_scatter_)

    def _has_statistics(self) -> bool:
        return getattr(self, "column_scatter_", None) is not None

    def _keep(self, statistics: Moments) -> None:
        self.n_rows_, self.row_weight_ = statistics.n_rows, statistics.weight
        self.column_mean_, self.column_scatter_ = statistics.mean, statistics.scatter

    def _equations(self, statistics: Moments) -> NormalEquations:
        d = len(statistics.mean) - self._n_targets(statistics)
        return NormalEquations.of(statistics, d, fit_intercept=self.fit_intercept)

    def _n_targets(self, statistics: Moments) -> int:
        encoder = getattr(self, "encoder_", None)
        d = self.n_features_in_ if encoder is None else len(self.encoded_feature_names_)
        return len(statistics.mean) - d

    def _set_coefficients(self, w: np.ndarray, b: np.ndarray, single: bool, dtype: Any) -> None:
        """From W' of shape (n_features, n_targets) and b of shape (n_targets,)."""
        coef, b = np.ascontiguousarray(w.T, dtype=dtype), np.asarray(b, dtype=dtype)
        self.coef_ = coef[0] if single else coef
        if not self.fit_intercept:
            self.intercept_ = np.dtype(dtype).type(0)
        else:
            self.intercept_ = b[0] if single else b

    def _warn_unconverged(self, reason: str) -> None:
        warnings.warn(
            f"{type(self).__name__} did not converge: {reason}. Raise max_iter, scale the features, or "
            "choose another solver.",
            ConvergenceWarning,
            stacklevel=5,
        )

    # ---- looking at it ---------------------------------------------------------------------------

    def _facts(self) -> dict[str, str]:
        if not self._has_statistics():
            return {}
        facts = {"rows": f"{self.n_rows_:,}"}
        equations = self._equations(self._statistics())
        r2 = equations.explained(np.atleast_2d(self.coef_).T.astype(np.float64))
        facts["R2 on the training rows"] = ", ".join(f"{value:.4f}" for value in r2)
        return facts

    def _check_state(self) -> None:
        super()._check_state()
        mean = getattr(self, "column_mean_", None)
        if mean is not None and len(mean) != self.coef_.shape[-1] + len(np.atleast_2d(self.coef_)):
            raise ValueError(
                f"column_mean_ has {len(mean)} entries, which does not fit coef_ of shape {self.coef_.shape}"
            )


def _first_target(training: Training) -> np.ndarray:
    target = training.y if training.in_memory else next(iter(training.blocks)).y
    if target is None:
        raise TableError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
    return np.asarray(target)


def _well_conditioned(scatter: np.ndarray) -> bool:
    """Whether a scatter that is right to float32's seven digits gives a solution that is right to five."""
    if not np.isfinite(scatter).all():
        return True  # NaN in the data: a more precise product would show the same
    try:
        scaled = ScaledCholesky(scatter).rcond
    except scipy.linalg.LinAlgError:
        return False
    diagonal = np.diag(scatter)
    return scaled > FLOAT32_TRUSTED and bool(diagonal.min() > FLOAT32_TRUSTED**2 * diagonal.max())
