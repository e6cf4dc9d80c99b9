"""From what a user passes as `X` to a `Table` with the columns that the encoder was fitted on."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_consistent_length, validate_data

from tripos.data.encoding.table import Table, is_positional, positional
from tripos.data.messages import closest
from tripos.errors import TableError


def opened_for_fit(encoder: Any, X: Any) -> Table:
    """The training table; sets `n_features_in_` and, where columns have names, `feature_names_in_`."""
    table = _as_table(encoder, X, reset=True)
    if not table.n_rows or not table.names:
        what, n = ("sample", table.n_rows) if table.names else ("feature", len(table.names))
        raise ValueError(
            f"Found array with {n} {what}(s) (shape=({table.n_rows}, {len(table.names)})) while a minimum of 1 is "
            f"required by {type(encoder).__name__}."
        )
    set_names(encoder, table.names, named=table.named)
    return table


def set_names(encoder: Any, names: list[str], *, named: bool) -> None:
    encoder.n_features_in_ = len(names)
    if named:
        encoder.feature_names_in_ = np.asarray(names, dtype=object)
    elif hasattr(encoder, "feature_names_in_"):
        del encoder.feature_names_in_


def check_names(encoder: Any, used: list[str]) -> None:
    """Raise unless the used columns are among those that the encoder was fitted on."""
    n = encoder.n_features_in_
    names = getattr(encoder, "feature_names_in_", None)
    if names is not None and len(names) != n:
        raise ValueError(f"feature_names_in_ has {len(names)} names for {n} columns")
    # a file may claim any number of columns: no list of that length is made here
    known = set(names) if names is not None else {name for name in used if is_positional(name, n)}
    unknown = sorted(set(used) - known)
    if unknown:
        raise ValueError(
            f"a stage reads the column {unknown[0]!r}, which is not among the {n} that were fitted on"
        )


def opened(encoder: Any, X: Any, *, by_schema: bool = False) -> Table:
    """A later table: columns are found by name, in any order, or by position where either side has no names.

    With `by_schema` the schema, which may ignore further columns, says what is missing.
    """
    table = _as_table(encoder, X, reset=False)
    fitted_by_name = hasattr(encoder, "feature_names_in_")
    if table.named and fitted_by_name:
        if not by_schema:
            _require_names(table.names, list(encoder.feature_names_in_))
        return table
    if table.named:
        warnings.warn(
            f"X has feature names, but {type(encoder).__name__} was fitted without feature names",
            stacklevel=3,
        )
    n = encoder.n_features_in_
    if len(table.names) != n:
        raise ValueError(
            f"X has {len(table.names)} features, but {type(encoder).__name__} is expecting {n} features as input."
        )
    names = list(encoder.feature_names_in_) if fitted_by_name else positional(n)
    return table if table.names == names else table.renamed(names)


def target(y: Any, table: Table) -> np.ndarray | None:
    """The target as an array, one value per row."""
    if y is None:
        return None
    values: np.ndarray = np.asarray(y)
    check_consistent_length(np.empty(table.n_rows), values)
    return values


def weights(sample_weight: Any, table: Table) -> np.ndarray | None:
    """Weights as float64, or None where there are none."""
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    if w.shape != (table.n_rows,):
        raise ValueError(f"sample_weight has shape {w.shape}, expected ({table.n_rows},): one weight per row")
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("sample_weight holds NaN, infinite or negative numbers: weights count rows")
    if not w.any():
        raise ValueError("sample_weight: all weights are zero, so that no row is left to learn from")
    return w


def _as_table(encoder: Any, X: Any, *, reset: bool) -> Table:
    if sp.issparse(X):
        raise TypeError(
            f"Sparse data was passed to {type(encoder).__name__}, which reads tables: a SciPy matrix holds numbers only "
            "and goes to the learner as it is; X.toarray() makes a dense array of it"
        )
    if isinstance(X, nw.LazyFrame) or type(X).__name__ == "LazyFrame":
        raise TypeError("X is a lazy frame: call .collect() first")
    if isinstance(X, (Table, nw.DataFrame)) or nw.dependencies.is_into_dataframe(X):
        return Table.read(X)
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "US":
        X = np.asarray(X, dtype=object)  # NumPy would turn the numbers of mixed rows into strings
    return Table.read(validate_data(encoder, X, reset=reset, dtype=None, ensure_all_finite=False))


def _require_names(found: list[str], wanted: list[str]) -> None:
    """The sentences are scikit-learn's, so that whoever matches on them keeps working."""
    here, known = set(found), set(wanted)
    if here == known:
        return
    missing = [name for name in wanted if name not in here]
    unseen = [name for name in found if name not in known]
    message = "The feature names should match those that were passed during fit.\n"
    if unseen:
        message += "Feature names unseen at fit time:\n" + "".join(f"- {name}\n" for name in unseen[:5])
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n"
        message += "".join(f"- {name}  ({closest(name, found)})\n" for name in missing[:5])
    raise TableError(message)
