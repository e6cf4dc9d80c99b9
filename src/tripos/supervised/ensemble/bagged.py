"""What `BaggingClassifier` and `BaggingRegressor` share: drawing rows and columns, fitting copies, a safe file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.ensemble._bagging import _generate_bagging_indices
from sklearn.ensemble._base import _set_random_states
from sklearn.ensemble._bootstrap import _get_n_samples_bootstrap
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from tripos import inputs
from tripos.errors import ArtifactError
from tripos.state import Array, NestedList, Number, Strings, declared, declares_state, is_pipeline

MAX_SEED = np.iinfo(np.int32).max
OUTPUT = "_sklearn_output_config"


def _fit_copy(member: Any, X: Any, y: np.ndarray, rows: np.ndarray, columns: np.ndarray | None) -> Any:
    drawn = _safe_indexing(X, rows)
    return member.fit(drawn if columns is None else _safe_indexing(drawn, columns, axis=1), y[rows])


class Bagging:
    """What both kinds share; the parameters are scikit-learn's."""

    interpretability: ClassVar[str] = "low"
    exceptions: ClassVar[Mapping[str, str]] = {
        "weights": "rows are drawn with probabilities that weights give: equal in distribution, not bit for bit"
    }
    state: ClassVar[Mapping[str, Any]] = {
        "n_features_in_": Number("i", low=1, binds="features"),
        "feature_names_in_": Strings("features", optional=True),
        "estimators_": NestedList(),
        "drawn_features_": Array("i", (None, None), low=0, below="features"),
        "oob_score_": Number("f", optional=True),
    }
    estimators_: list[Any]
    drawn_features_: np.ndarray
    n_features_in_: int
    estimator: Any
    n_estimators: int
    max_samples: int | float | None
    max_features: int | float
    bootstrap: bool
    bootstrap_features: bool
    oob_score: bool
    oob_score_: float
    warm_start: bool
    n_jobs: int | None
    random_state: Any
    verbose: int
    _default: Callable[[], Any]
    _target: Callable[[Any], np.ndarray]
    _answer: Callable[[int, Any], np.ndarray]
    _judge_out_of_bag: Callable[[Any, np.ndarray], None]

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the copies.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            How likely a row is drawn.

        Returns
        -------
        self
        """
        self._validate_params()  # type: ignore[attr-defined]
        if self.oob_score and (not self.bootstrap or self.warm_start):
            raise ValueError(
                "oob_score=True needs bootstrap=True and warm_start=False: rows that a copy never saw"
            )
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        X = self._checked(X, reset=True)
        check_consistent_length(X, y)
        target = self._target(y)
        w = (
            None
            if sample_weight is None
            else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        )
        known = self._kept_copies()
        draws = self._draw(_num_samples(X), w, len(known))
        fitted = Parallel(n_jobs=self.n_jobs, verbose=self.verbose, prefer="threads")(
            delayed(_fit_copy)(self._copy(seed), X, target, rows, self._columns(columns))
            for seed, columns, rows in draws
        )
        drawn = [*(self.drawn_features_ if known else ()), *(columns for _, columns, _ in draws)]
        samples = self.__dict__.pop("_samples", None) if known else []
        self.estimators_ = [*known, *fitted]
        self.drawn_features_ = np.array(drawn, dtype=np.int64)
        if samples is not None:  # a loaded model has forgotten the rows of its copies
            self.__dict__["_samples"] = [*samples, *(rows for _, _, rows in draws)]
        for name in ("oob_score_", "oob_decision_function_", "oob_prediction_"):
            self.__dict__.pop(name, None)
        if self.oob_score:
            self._judge_out_of_bag(X, target)
        return self

    def _kept_copies(self) -> list[Any]:
        """Copies of the last `fit` that a warm start keeps."""
        known = self.estimators_ if self.warm_start and hasattr(self, "estimators_") else []
        if len(known) > self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators} is less than the {len(known)} copies that warm_start keeps"
            )
        return known

    def _draw(self, n: int, w: np.ndarray | None, n_known: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Seed, columns and rows of each copy after the first n_known."""
        F = self.n_features_in_
        n_drawn = _get_n_samples_bootstrap(n, self.max_samples, w)
        if not self.bootstrap and n_drawn > n:
            raise ValueError(
                f"max_samples={self.max_samples!r} is {n_drawn} rows, and without bootstrap there are {n}"
            )
        whole = isinstance(self.max_features, (int, np.integer))
        n_columns = max(1, int(self.max_features if whole else self.max_features * F))
        if n_columns > F:
            raise ValueError(f"max_features={self.max_features!r} is more than the {F} columns")
        if n_known and self.drawn_features_.shape[1] != n_columns:
            raise ValueError(
                f"max_features={self.max_features!r} is {n_columns} columns, and the copies that warm_start keeps "
                f"have {self.drawn_features_.shape[1]}: leave max_features as it was"
            )
        seeds = check_random_state(self.random_state).randint(MAX_SEED, size=self.n_estimators)
        return [
            (
                int(seed),
                *_generate_bagging_indices(
                    int(seed), self.bootstrap_features, self.bootstrap, F, n, n_columns, n_drawn, w
                ),
            )
            for seed in seeds[n_known:]
        ]

    def __len__(self) -> int:
        """How many copies; none before `fit`."""
        return len(self.__dict__.get("estimators_", ()))

    def __bool__(self) -> bool:
        return True  # an object, not an empty list

    def _checked(self, X: Any, *, reset: bool) -> Any:
        if inputs.is_table(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        if isinstance(X, list):
            found = np.asarray(X)
            X = np.array(X, dtype=object) if found.dtype.kind in "US" else X
        return validate_data(
            self, X, reset=reset, accept_sparse=["csr", "csc"], dtype=None, ensure_all_finite=False
        )

    def _copy(self, seed: int) -> Any:
        member = clone(self.estimator_)
        _set_random_states(member, check_random_state(seed))
        return member

    @property
    def estimator_(self) -> Any:
        """What each copy is."""
        return self._default() if self.estimator is None else self.estimator

    def _columns(self, drawn: np.ndarray) -> np.ndarray | None:
        """The columns that a copy sees; None where it sees the table as it is."""
        return drawn if self.bootstrap_features or len(drawn) < self.n_features_in_ else None

    def _seen(self, m: int, X: Any) -> Any:
        columns = self._columns(self.drawn_features_[m])
        return X if columns is None else _safe_indexing(X, columns, axis=1)

    @property
    def estimators_features_(self) -> list[np.ndarray]:
        """Columns of each copy."""
        check_is_fitted(self, "drawn_features_")
        return list(self.drawn_features_)

    @property
    def estimators_samples_(self) -> list[np.ndarray]:
        """Rows of each copy, as drawn in this session: a loaded model has forgotten them."""
        if "_samples" not in self.__dict__:
            raise AttributeError("estimators_samples_ is known after fit only: files do not keep it")
        return list(self.__dict__["_samples"])

    def _out_of_bag(self, X: Any, n_values: int) -> np.ndarray:
        """Mean answer of the copies that did not see a row, NaN where all did."""
        n = _num_samples(X)
        total, count = np.zeros((n, n_values)), np.zeros(n)
        for m, rows in enumerate(self.__dict__["_samples"]):
            out = np.setdiff1d(np.arange(n), rows)
            if len(out):
                total[out] += self._answer(m, _safe_indexing(X, out))
                count[out] += 1
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / count[:, None]

    def _mean(self, X: Any, n_values: int) -> np.ndarray:
        check_is_fitted(self, "estimators_")
        X = self._checked(X, reset=False)
        total = np.zeros((_num_samples(X), n_values))
        for m in range(len(self.estimators_)):
            total += self._answer(m, X)
        return total / len(self.estimators_)

    # ---- saving ----------------------------------------------------------------------------------

    def _save_state(self) -> dict[str, Any]:
        member = self.estimator_
        if not (declares_state(type(member)) or is_pipeline(member)):
            raise ArtifactError(
                f"the estimator of this {type(self).__name__} is {type(member).__module__}.{type(member).__qualname__}, "
                "which cannot be saved: use one of tripos's public classes"
            )
        names = [*declared(type(self)), OUTPUT]
        return {name: self.__dict__[name] for name in names if name in self.__dict__}

    def _check_state(self) -> None:
        if len(self.drawn_features_) != len(self.estimators_) or not self.estimators_:
            raise ValueError("drawn_features_ does not have a row for each fitted copy")
        for m, member in enumerate(self.estimators_):
            seen = self._columns(self.drawn_features_[m])
            if member.n_features_in_ != (self.n_features_in_ if seen is None else len(seen)):
                raise ValueError(f"copy {m} is not for the columns that drawn_features_ names")

    def summary(self) -> str:
        """What was learned, as text.

        Returns
        -------
        str
        """
        check_is_fitted(self, "estimators_")
        lines = [type(self).__name__, f"  copies    {len(self.estimators_)}: {self.estimator_}"]
        if getattr(self, "oob_score_", None) is not None:
            lines.append(f"  score out of bag  {self.oob_score_:.4f}")
        return "\n".join(lines)
