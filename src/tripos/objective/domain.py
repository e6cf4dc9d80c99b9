"""Which targets a loss is defined for, and the first row that holds another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Domain:
    """A set of numbers.

    Parameters
    ----------
    says : str
        The set in words, as in "targets must be ...".
    low : float
        Lower bound.
    open : bool
        Whether the bound itself is outside.
    whole : bool
        Whether only whole numbers are inside.
    high : float
        Upper bound.
    """

    says: str
    low: float = -np.inf
    open: bool = False
    whole: bool = False
    high: float = np.inf

    def check(self, y: np.ndarray, name: str) -> None:
        """Refuse targets outside.

        Raises
        ------
        ValueError
            Naming the first such row and what it holds.

        Examples
        --------
        >>> import numpy as np
        >>> NON_NEGATIVE.check(np.array([3.0, -1.0]), "poisson")
        Traceback (most recent call last):
        ...
        ValueError: targets of the poisson loss must be zero or larger; row 1 holds -1.0 (1 of 2 rows are
        outside)
        """
        y = np.asarray(y)
        inside = np.isfinite(y) & (y <= self.high) & ((y > self.low) if self.open else (y >= self.low))
        if self.whole:
            inside &= y == np.floor(y)
        if inside.all():
            return
        row = int(np.argmin(inside))
        raise ValueError(
            f"targets of the {name} loss must be {self.says}; row {row} holds {y[row]} "
            f"({np.count_nonzero(~inside)} of {len(y)} rows are outside)"
        )


FINITE = Domain("finite numbers")
BINARY = Domain("0 or 1 (code the classes first)", low=0.0, high=1.0, whole=True)
CLASSES = Domain("class codes 0, 1, 2, ...", low=0.0, whole=True)
NON_NEGATIVE = Domain("zero or larger", low=0.0)
POSITIVE = Domain("larger than zero", low=0.0, open=True)
