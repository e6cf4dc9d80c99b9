"""Learning-rate schedules: the rate of step t = 0, 1, 2, ...

| name            | rate of step t                                                          |
|-----------------|-------------------------------------------------------------------------|
| constant        | a                                                                       |
| inverse-scaling | a / (t + 1)^power                                                       |
| step            | a factor^floor(t / every)                                               |
| cosine          | final + (a - final) (1 + cos(pi t / steps)) / 2, `final` from `steps` on |
| warm-up         | that of another schedule, times (t + 1) / steps in the first `steps`    |

References
----------
H. Robbins, S. Monro (1951), doi:10.1214/aoms/1177729586 (inverse scaling: sums of rates diverge, of squares
converge); I. Loshchilov, F. Hutter (2017), arXiv:1608.03983 (cosine); P. Goyal et al. (2017),
arXiv:1706.02677 (warm-up).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Schedule = Callable[[int], float]


class Formula(ABC):
    """A schedule that gives the rates of many steps at once, as an epoch of single rows needs them."""

    @abstractmethod
    def rates(self, t: np.ndarray) -> np.ndarray:
        """Rates of the steps t."""

    def __call__(self, t: int) -> float:
        return float(self.rates(np.array([float(t)]))[0])


@dataclass(frozen=True)
class Constant(Formula):
    rate: float

    def rates(self, t: np.ndarray) -> np.ndarray:
        return np.full(len(t), self.rate)


@dataclass(frozen=True)
class InverseScaling(Formula):
    rate: float
    power: float = 0.5

    def rates(self, t: np.ndarray) -> np.ndarray:
        return np.asarray(self.rate / (t + 1.0) ** self.power)


@dataclass(frozen=True)
class StepDecay(Formula):
    rate: float
    every: int
    factor: float = 0.5

    def rates(self, t: np.ndarray) -> np.ndarray:
        return np.asarray(self.rate * self.factor ** (t // self.every))


@dataclass(frozen=True)
class Cosine(Formula):
    """From `rate` down to `final` along half a cosine of `steps` steps.

    Examples
    --------
    >>> schedule = Cosine(1.0, steps=100)
    >>> [round(schedule(t), 4) for t in (0, 50, 100, 500)]
    [1.0, 0.5, 0.0, 0.0]
    """

    rate: float
    steps: int
    final: float = 0.0

    def rates(self, t: np.ndarray) -> np.ndarray:
        share = np.minimum(t / max(self.steps, 1), 1.0)
        return np.asarray(self.final + (self.rate - self.final) * 0.5 * (1.0 + np.cos(np.pi * share)))


@dataclass(frozen=True)
class WarmUp(Formula):
    schedule: Schedule
    steps: int

    def rates(self, t: np.ndarray) -> np.ndarray:
        return rates_of(self.schedule, t) * np.minimum((t + 1.0) / max(self.steps, 1), 1.0)


def rates_of(schedule: Schedule, t: np.ndarray) -> np.ndarray:
    """Rates of the steps t, of any schedule."""
    if isinstance(schedule, Formula):
        return schedule.rates(t)
    return np.array([schedule(int(k)) for k in t], dtype=np.float64)


NAMES = ("constant", "inverse-scaling", "step", "cosine")


def named(name: str, rate: float, steps: int, warm_up: int = 0) -> Schedule:
    """A schedule for `steps` steps by its name: "step" halves the rate after each quarter of them.

    Raises
    ------
    ValueError
        For an unknown name, or a rate that is not positive.
    """
    if not (rate > 0.0 and math.isfinite(rate)):
        raise ValueError(f"learning_rate must be a positive number, got {rate!r}")
    if name not in NAMES:
        raise ValueError(f"schedule must be one of {', '.join(map(repr, NAMES))}, got {name!r}")
    schedule: Schedule
    if name == "constant":
        schedule = Constant(rate)
    elif name == "inverse-scaling":
        schedule = InverseScaling(rate)
    elif name == "step":
        schedule = StepDecay(rate, every=max(1, steps // 4))
    else:
        schedule = Cosine(rate, steps)
    return WarmUp(schedule, warm_up) if warm_up else schedule
