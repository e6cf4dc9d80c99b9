"""What `Voting...` and `Stacking...` add to scikit-learn's: weights, a safe file, and a text of what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, has_fit_parameter

from tripos.errors import ArtifactError
from tripos.state import NestedList, Strings, declared, declares_state, is_pipeline

OUTPUT = "_sklearn_output_config"


class Composed:
    """An estimator made of named ones, which get tables as they are."""

    state: ClassVar[Mapping[str, Any]] = {
        "estimators_": NestedList(),
        "feature_names_in_": Strings(optional=True),
    }
    interpretability: ClassVar[str] = "low"
    estimators: list[tuple[str, Any]]
    estimators_: list[Any]

    def _kept(self) -> list[tuple[str, Any]]:
        return [(name, member) for name, member in self.estimators if not isinstance(member, str)]

    def _weighted(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, dict[str, Any]]:
        """Rows that have weight, and how to pass the weights on; a member that takes none is named."""
        if sample_weight is None:
            return X, y, {}
        for name, member in self._kept():
            if not has_fit_parameter(member, "sample_weight") and not is_pipeline(member):
                raise ValueError(
                    f"the member {name!r}, a {type(member).__name__}, takes no sample_weight: leave it out, or fit without"
                )
        w = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self._may_drop_rows() and not w.all():
            keep = np.flatnonzero(w)
            X, y, w = _safe_indexing(X, keep), _safe_indexing(y, keep), w[keep]
        return X, y, {"sample_weight": w}

    def _may_drop_rows(self) -> bool:
        return True

    def _require_one_target(self, y: Any) -> None:
        if type_of_target(y).startswith("multi") and type_of_target(y) != "multiclass":
            raise ValueError(f"{type(self).__name__} takes one target, found several columns in y")

    # ---- saving ----------------------------------------------------------------------------------

    def _save_state(self) -> dict[str, Any]:
        for name, member in self._members_to_save():
            if not (declares_state(type(member)) or is_pipeline(member)):
                raise ArtifactError(
                    f"the member {name!r} of this {type(self).__name__} is {type(member).__module__}."
                    f"{type(member).__qualname__}, which cannot be saved: use one of tripos's public classes"
                )
        names = [*declared(type(self)), OUTPUT]
        return {name: self.__dict__[name] for name in names if name in self.__dict__}

    def _members_to_save(self) -> list[tuple[str, Any]]:
        return self._kept()

    def _load_state(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        if "estimators_" not in values:
            return
        if len(self._kept()) != len(self.estimators_):
            raise ValueError(f"{len(self.estimators_)} fitted members for {len(self._kept())} that are named")
        fitted = iter(self.estimators_)
        self.named_estimators_ = Bunch(
            **{name: member if isinstance(member, str) else next(fitted) for name, member in self.estimators}
        )

    def _labels_of(self) -> LabelEncoder:
        encoder = LabelEncoder()
        encoder.classes_ = self.classes_  # type: ignore[attr-defined]
        return encoder

    # ---- looking at it ---------------------------------------------------------------------------

    def summary(self) -> str:
        """What was learned, as text: the members and what each is.

        Returns
        -------
        str
        """
        check_is_fitted(self)
        width = max(len(name) for name, _ in self.estimators)
        lines = [f"  {name:<{width}}  {member}" for name, member in self.estimators]
        return "\n".join([type(self).__name__, *lines, *self._more()])

    def _more(self) -> list[str]:
        return []
