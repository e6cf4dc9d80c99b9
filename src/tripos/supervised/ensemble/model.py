"""What learners made of learners share: the members, and how they are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from tripos.base import Estimator


class Ensemble(Estimator):
    """An estimator with members."""

    def _members(self) -> list[Any]:
        check_is_fitted(self)
        return list(self.estimators_)  # type: ignore[attr-defined]

    @property
    def feature_importances_(self) -> np.ndarray:
        """Weighted mean of the members' importances, shape (n_features,)."""
        found = [getattr(member, "feature_importances_", None) for member in self._members()]
        if not found or any(f is None or len(f) != self._n_inputs() for f in found):
            raise AttributeError(
                f"the members of this {type(self).__name__} have no importances of all columns"
            )
        weights = np.asarray(getattr(self, "estimator_weights_", np.ones(len(found))))[: len(found)]
        return np.average(
            np.stack([np.asarray(f) for f in found]), axis=0, weights=weights if weights.sum() > 0 else None
        )

    def _facts(self) -> list[str]:
        members = self._members()
        kinds = sorted({type(member).__name__ for member in members})
        return [f"members   {len(members)}: {', '.join(kinds)}"]

    def summary(self) -> str:
        """What was learned, as text: the members, and the columns.

        Returns
        -------
        str
        """
        names = [str(name) for name in self.encoded_feature_names_]
        lines = [type(self).__name__, *(f"  {fact}" for fact in self._facts())]
        try:
            shares = self.feature_importances_
        except AttributeError:
            return "\n".join([*lines, f"  columns   {', '.join(names[:20])}"])
        order = np.argsort(-shares, kind="stable")[:20]
        width = max(map(len, names))
        return "\n".join([*lines, "", *(f"  {names[j]:<{width}}  {shares[j]:>8.2%}" for j in order)])

    def _plot_bars(self, values: np.ndarray, names: list[str], xlabel: str, ax: Any) -> Any:
        from tripos import plotting

        return plotting.importances(np.asarray(values, dtype=float), None, names, xlabel=xlabel, ax=ax)


def fit_member(member: Any, X: Any, y: Any, sample_weight: np.ndarray | None) -> Any:
    """Fits with weights where there are some; a learner that takes none is named."""
    if sample_weight is None:
        return member.fit(X, y)
    if not has_fit_parameter(member, "sample_weight"):
        raise ValueError(f"underlying estimator {type(member).__name__} does not support sample weights")
    return member.fit(X, y, sample_weight=sample_weight)


def member_of(estimator: Any, seed: int) -> Any:
    """A copy of the estimator with this seed in all its parameters named random_state."""
    member = clone(estimator)
    seeds = {name: seed for name in member.get_params(deep=True) if name.split("__")[-1] == "random_state"}
    return member.set_params(**seeds) if seeds else member
