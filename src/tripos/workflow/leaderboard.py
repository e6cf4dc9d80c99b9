"""What the cross-validation found, candidate by candidate, and who leads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tripos.errors import RunError


@dataclass(frozen=True)
class Standing:
    """One candidate with one set of parameters, cross-validated.

    Attributes
    ----------
    candidate, learner : str
        Name on the leaderboard, and the public class behind it.
    params : dict
        Parameters that differ from the learner's defaults.
    rows : int
        Rows the folds were made of; fewer than there are while a large table is subsampled.
    folds : list of float
        The measure in each fold.
    fit_seconds, predict_seconds : float
        Mean over folds for preparation and learner together: one fit, and one prediction of 1,000 rows.
    size : int
        Bytes the fitted parts hold.
    failure : str, optional
        Why there is no score.
    abandoned : bool
        Whether it was for want of time, between two folds.
    warnings : list of str
    probabilities : bool
        Whether it gives each class a probability; True for a regression, where nobody asks.
    """

    candidate: str
    learner: str
    params: dict[str, Any]
    rows: int
    folds: list[float] = field(default_factory=list)
    fit_seconds: float = math.nan
    predict_seconds: float = math.nan
    size: int = 0
    interpretability: str = "medium"
    baseline: bool = False
    failure: str | None = None
    abandoned: bool = False
    warnings: list[str] = field(default_factory=list)
    probabilities: bool = True

    @property
    def score(self) -> float:
        """Mean of the measure over the folds, in the measure's own direction."""
        return math.nan if self.failure or not self.folds else sum(self.folds) / len(self.folds)

    @property
    def error(self) -> float:
        """Standard error of the mean: the folds' standard deviation over the root of their number."""
        k = len(self.folds)
        if self.failure or k < 2:
            return math.nan
        mean = self.score
        return math.sqrt(sum((fold - mean) ** 2 for fold in self.folds) / (k - 1) / k)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score, "error": self.error}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Standing:
        known = {f.name for f in fields(cls)}
        kept: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        for name in ("fit_seconds", "predict_seconds"):
            kept[name] = math.nan if kept.get(name) is None else kept[name]  # JSON has no NaN
        return cls(**kept)


class Leaderboard:
    """The best standing of each candidate, best first; failures last.

    Scores from more rows rank before scores from fewer: a candidate that was dropped on a subsample of a large
    table is not compared with one that went on. Scores from more rows than all who went on have been tried on do
    not count yet: when time cuts a search, who happened to be next must not win by that.

    Attributes
    ----------
    all : list of Standing
        Every evaluation in its order.
    level : int, optional
        The most rows on which all who got so far have been compared.
    """

    def __init__(self, greater_is_better: bool, standings: Iterable[Standing] = ()) -> None:
        self.greater_is_better = greater_is_better
        self.all: list[Standing] = list(standings)
        self.level: int | None = None

    def compared(self, rows: int) -> None:
        """All who got so far have been tried on this many rows."""
        self.level = rows

    def add(self, standing: Standing) -> None:
        self.all.append(standing)

    def _rank(self, standing: Standing) -> tuple[bool, int, float]:
        score = standing.score if self.greater_is_better else -standing.score
        return math.isnan(score), -standing.rows, math.inf if math.isnan(score) else -score

    def __iter__(self) -> Iterator[Standing]:
        best: dict[str, Standing] = {}
        counting = [s for s in self.all if self.level is None or s.rows <= self.level]
        for standing in sorted(counting, key=self._rank):  # stable: equals stay in the order they were tried
            best.setdefault(standing.candidate, standing)
        return iter(best.values())

    def __len__(self) -> int:
        return len({standing.candidate for standing in self.all})

    @property
    def has_learner(self) -> bool:
        """Whether any candidate besides the baseline has a score."""
        return any(not s.baseline and not math.isnan(s.score) for s in self.all)

    @property
    def winner(self) -> Standing:
        """The leader. It may be the baseline: then nothing in the table was found to help.

        A leader that only names classes gives way to the best candidate with probabilities within its standard
        error: the folds do not tell them apart, and probabilities are of more use.

        Raises
        ------
        RunError
            When every candidate failed.
        """
        leader = next(iter(self), None)
        if leader is None or math.isnan(leader.score):
            reasons = "; ".join(f"{s.candidate}: {s.failure}" for s in self)
            raise RunError(f"every candidate failed: {reasons}")
        if leader.probabilities:
            return leader
        return next((s for s in self if s.probabilities and self._as_good(s, leader)), leader)

    def _as_good(self, standing: Standing, leader: Standing) -> bool:
        near = abs(standing.score - leader.score) <= leader.error  # False where either is NaN
        return near and standing.rows == leader.rows and not standing.baseline

    def trials_of(self, candidate: str) -> int:
        return sum(s.candidate == candidate for s in self.all)

    def to_list(self) -> list[dict[str, Any]]:
        return [{**s.to_dict(), "trials": self.trials_of(s.candidate)} for s in self]

    def to_frame(self) -> Any:
        """The leaderboard as a polars frame."""
        import polars as pl

        rows = [
            {
                "candidate": s.candidate,
                "score": s.score,
                "standard_error": s.error,
                "fit_seconds": s.fit_seconds,
                "predict_seconds_per_1000": s.predict_seconds,
                "size_bytes": s.size,
                "interpretability": s.interpretability,
                "rows": s.rows,
                "trials": self.trials_of(s.candidate),
                "failure": s.failure,
            }
            for s in self
        ]
        return pl.DataFrame(rows, schema_overrides={"failure": pl.String})
