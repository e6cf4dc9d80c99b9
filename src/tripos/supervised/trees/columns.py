"""What a column is to a tree, and what the trees may do with it: categories, directions, groups."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import _check_monotonic_cst

from tripos.compute.ahead import compile_ahead
from tripos.state import Array
from tripos.supervised.trees.grow import grow, grow_own_numbers
from tripos.supervised.trees.model import TreeModel
from tripos.supervised.trees.native_input import NativeInput


class NativeColumns(NativeInput):
    """An estimator with the parameters `categorical_features`, `monotonic_cst` and perhaps `interaction_cst`."""

    state: ClassVar[Mapping[str, Any]] = {"is_categorical_": Array("b", (None,), optional=True)}
    categorical_features: Any
    monotonic_cst: Any
    interaction_cst: Any
    is_categorical_: np.ndarray | None

    def _compile_ahead(self, X: Any, plain: bool) -> None:
        """Begins to compile what will grow the trees, if X tells by now; `plain` without categories is simpler."""
        if type(X) is np.ndarray and X.dtype.kind == "f":  # a table may hold categories
            marked = self.categorical_features is not None and not isinstance(self.categorical_features, str)
            compile_ahead(grow_own_numbers if plain and not marked else grow)

    def _categorical(self, n_columns: int) -> np.ndarray:
        """Which columns the trees see are categories; sets `is_categorical_`, which is about the input's."""
        marked = np.zeros(self.n_features_in_, dtype=bool)
        chosen = self.categorical_features
        if chosen is not None and not isinstance(chosen, str):
            marked[self._chosen_columns(np.asarray(chosen))] = True
        sources = self._sources()
        categorical = marked[sources]
        if chosen is not None:
            categorical |= self._native_categories(n_columns)
        marked[sources[categorical]] = True
        self.is_categorical_ = marked if marked.any() else None
        return np.asarray(categorical)

    def _chosen_columns(self, chosen: np.ndarray) -> np.ndarray:
        """Positions of `categorical_features`."""
        n = self.n_features_in_
        if chosen.size == 0:
            return np.empty(0, np.int64)
        if chosen.dtype.kind == "b":
            if chosen.shape != (n,):
                raise ValueError(
                    f"categorical_features set as a boolean mask must have shape (n_features,), got: {chosen.shape}"
                )
            return np.flatnonzero(chosen)
        if chosen.dtype.kind in "iu":
            if chosen.min() < -n or chosen.max() >= n:
                raise ValueError(
                    "categorical_features set as integer indices must be in [0, n_features - 1], or negative to count "
                    f"from the end, for {n} features; got {chosen.tolist()}"
                )
            return np.asarray(chosen % n)
        if chosen.dtype.kind in "UO" and all(isinstance(name, str) for name in chosen):
            known = getattr(self, "feature_names_in_", None)
            if known is None:
                raise ValueError("categorical_features names columns, but X has no column names")
            at = {name: i for i, name in enumerate(known)}
            unknown = [name for name in chosen if name not in at]
            if unknown:
                raise ValueError(
                    f"categorical_features has a item value {unknown[0]!r} which is not a valid feature name"
                )
            return np.array([at[name] for name in chosen], dtype=np.int64)
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: " + str(chosen.dtype)
        )

    def _directions(self) -> np.ndarray | None:
        """1, 0 or -1 for each column the trees see."""
        if self.monotonic_cst is None:
            return None
        constraints = np.asarray(_check_monotonic_cst(self, self.monotonic_cst), np.int64)
        if self.is_categorical_ is not None and constraints[self.is_categorical_].any():
            raise ValueError("Categorical features cannot have monotonic constraints.")
        return np.asarray(constraints[self._sources()])

    def _groups(self) -> np.ndarray | None:
        """Sets of columns that may stand on one path, (n_groups, n_columns)."""
        if self.interaction_cst is None:
            return None
        n = self.n_features_in_
        if isinstance(self.interaction_cst, str):
            size = 1 if self.interaction_cst == "no_interactions" else 2
            sets = [set(group) for group in combinations(range(n), size)]
        else:
            try:
                sets = [set(group) for group in self.interaction_cst]
            except TypeError:
                raise ValueError(
                    f"Interaction constraints must be a sequence of tuples or lists, got: {self.interaction_cst!r}."
                ) from None
        for group in sets:
            if not all(isinstance(j, Integral) and 0 <= j < n for j in group):
                raise ValueError(
                    "Interaction constraints must consist of integer indices in [0, n_features - 1] = "
                    f"[0, {n - 1}], specifying the position of features, got invalid indices: {group!r}"
                )
        rest = set(range(n)).difference(*sets)
        groups = np.zeros((len(sets) + bool(rest), n), np.uint8)
        for q, group in enumerate([*sets, rest] if rest else sets):
            groups[q, list(group)] = 1
        return np.ascontiguousarray(groups[:, self._sources()])


class Columns(NativeColumns, TreeModel):
    """A model of binned trees with these parameters."""
