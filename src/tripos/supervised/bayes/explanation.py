"""Why one row got its class: a sum of log-odds that reads as a table and draws as bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tripos import plotting

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """What each feature of one row adds to the log-odds of one class against another.

    Attributes
    ----------
    label, against : class labels
    prior : float
        Log-odds before the row was seen.
    names : ndarray of str, shape (n_features,)
    values : ndarray of shape (n_features,)
        The row.
    contributions : ndarray of shape (n_features,)
        ``log P(x_j | label) - log P(x_j | against)``.
    levels : dict of lists of str
        Of features that are codes of categories: what each code stands for.
    """

    label: Any
    against: Any
    prior: float
    names: npt.NDArray[Any]
    values: Floats
    contributions: Floats
    levels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def log_odds(self) -> float:
        """log P(label | x) / P(against | x)."""
        return float(self.prior + self.contributions.sum())

    def top(self, n: int = 10) -> list[tuple[str, float, float]]:
        """(name, value, contribution) of the n features that add most in size, without those that add nothing."""
        order = np.argsort(-np.abs(self.contributions), kind="stable")[:n]
        return [
            (str(self.names[j]), float(self.values[j]), float(self.contributions[j]))
            for j in order
            if self.contributions[j] != 0
        ]

    def _said(self, name: str, value: float) -> str:
        """The value in the words of the table."""
        known = self.levels.get(name, ())
        return known[int(value)] if 0 <= value < len(known) else f"{value:.4g}"

    def plot(self, ax: Any = None, top: int = 15) -> Any:
        """Bars of the features that add most; returns matplotlib Axes."""
        titles = [f"{name} = {self._said(str(name), value)}" for name, value in zip(self.names, self.values)]
        label = f"log-odds of {self.label} against {self.against}"
        return plotting.coefficients(self.contributions, titles, top=top, xlabel=label, ax=ax)

    def __str__(self) -> str:
        rows = [(name, self._said(name, value), added) for name, value, added in self.top()]
        width = max([len("prior"), *(len(name) for name, _, _ in rows)])
        wide = max([10, *(len(said) for _, said, _ in rows)])
        lines = [f"log-odds of {self.label} against {self.against}: {self.log_odds:+.3f}"]
        lines.append(f"  {'prior':<{width}} {'':>{wide}} {self.prior:>+9.3f}")
        lines += [f"  {name:<{width}} {said:>{wide}} {added:>+9.3f}" for name, said, added in rows]
        return "\n".join(lines)
