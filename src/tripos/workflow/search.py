"""Which candidates are tried, with what, on how many rows, and in what order.

The plan is a generator: it yields one step after another and is sent the standing each step led to. It never
looks at a clock, so that one seed gives one plan; the time budget only cuts it short, and the run says so.

1. Large tables: every candidate on a subsample; the better half goes on to five times the rows, and so on
   (successive halving: Jamieson and Talwalkar, 2016, https://proceedings.mlr.press/v51/jamieson16.html).
2. The candidates that are left, with their defaults, the most promising first.
3. The leaders' parameters, by optuna's TPE sampler (Bergstra et al., 2011) with a seed of its own for each. Once the
   first `FIRST_TRIED` are known, this takes turns with 2: where time is short, a leader tuned is worth more than one
   more learner, and where it is not, all are tried.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tripos.compute.budget import TimeBudget
from tripos.compute.random import derive
from tripos.workflow.leaderboard import Leaderboard, Standing
from tripos.workflow.progress import Display
from tripos.workflow.store import Journal

if TYPE_CHECKING:
    from tripos.workflow.candidates import Candidate

FIRST_RUNG, GROWTH, LAST_RUNG = 20_000, 5, 250_000
TUNED, TRIALS = 3, 8
FIRST_TRIED = 10


@dataclass(frozen=True)
class Step:
    """One evaluation to make."""

    candidate: Candidate
    params: Mapping[str, Any]
    rows: int

    @property
    def key(self) -> str:
        """What the evaluation is remembered by in the journal."""
        return json.dumps([self.candidate.name, self.rows, dict(sorted(self.params.items()))], default=str)


@dataclass(frozen=True)
class SearchResult:
    """What came of the search, and whether time cut it."""

    board: Leaderboard
    done: int
    planned: int
    cut: bool
    seconds: float


Plan = Generator[Step, Standing, None]


def make_plan(
    candidates: Sequence[Candidate],
    rungs: Sequence[int],
    greater_is_better: bool,
    seed: int,
    on_rung: Callable[[int], None] = lambda rows: None,
) -> Plan:
    """The steps of a search; `send` it the standing of each.

    Parameters
    ----------
    on_rung : callable
        Told the number of rows once every contender has been tried on so many.
    """
    contenders = list(candidates)
    for rows in rungs[:-1]:
        board = Leaderboard(greater_is_better)
        for candidate in contenders:
            board.add((yield Step(candidate, {}, rows)))
        on_rung(rows)
        contenders = _survivors(contenders, board)
    board = Leaderboard(greater_is_better)
    tuning = _Tuning(contenders, board, greater_is_better, seed)
    for tried, candidate in enumerate(contenders):
        if tried >= FIRST_TRIED:
            yield from tuning.one(rungs[-1])
        board.add((yield Step(candidate, {}, rungs[-1])))
    on_rung(rungs[-1])
    while (yield from tuning.one(rungs[-1])):
        pass


class _Tuning:
    """Parameters of the leaders of the moment, the one that was tuned least first."""

    def __init__(
        self, contenders: Sequence[Candidate], board: Leaderboard, greater_is_better: bool, seed: int
    ) -> None:
        self._named = {c.name: c for c in contenders if c.space()}
        self._board, self._greater_is_better, self._seed = board, greater_is_better, seed
        self._samplers: dict[str, _Sampler] = {}
        self._left = TRIALS * min(TUNED, len(self._named))

    def one(self, rows: int) -> Generator[Step, Standing, bool]:
        """One step, if there is one left to make; says whether there was."""
        while self._left:
            leaders = [s for s in self._board if not s.failure and s.candidate in self._named][:TUNED]
            open_ = [self._sampler(s) for s in leaders]
            open_ = [s for s in open_ if s.asked < TRIALS]
            if not open_:
                return False
            sampler = min(open_, key=lambda s: s.asked)
            params = sampler.ask()
            if params is None:
                continue
            self._left -= 1
            sampler.tell((yield Step(sampler.candidate, params, rows)))
            return True
        return False

    def _sampler(self, default: Standing) -> _Sampler:
        name = default.candidate
        if name not in self._samplers:
            seed = derive(self._seed, name)
            self._samplers[name] = _Sampler(self._named[name], seed, self._greater_is_better, default)
        return self._samplers[name]


def planned_steps(candidates: Sequence[Candidate], rungs: Sequence[int]) -> int:
    """How many steps a plan has at most."""
    contenders, steps = len(candidates), 0
    for _ in rungs[:-1]:
        steps += contenders
        contenders = _half(contenders - 1) + 1
    tunable = min(TUNED, sum(bool(c.space()) for c in candidates), contenders)
    return steps + contenders + TRIALS * tunable


def _half(learners: int) -> int:
    return max(2, (learners + 1) // 2) if learners >= 2 else learners


def _survivors(contenders: list[Candidate], board: Leaderboard) -> list[Candidate]:
    """The baseline and the better half of the others, in their first order."""
    ranked = [s.candidate for s in board if not s.baseline and not s.failure]
    kept = set(ranked[: _half(sum(not c.is_baseline for c in contenders))])
    return [c for c in contenders if c.is_baseline or c.name in kept]


class _Sampler:
    """optuna's sampler over one candidate's search space, which starts from what the defaults scored."""

    def __init__(self, candidate: Candidate, seed: int, greater_is_better: bool, default: Standing) -> None:
        import optuna

        optuna.logging.set_verbosity(logging.WARNING)
        self.candidate = candidate
        self._space = {name: _distribution(choices) for name, choices in candidate.space().items()}
        self._study = optuna.create_study(
            direction="maximize" if greater_is_better else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=3),
        )
        self._tried: set[str] = set()
        self.asked = 0
        self._trial: Any = None
        defaults = candidate.estimator({}, 0).get_params()
        known = {name: defaults[name] for name in self._space if name in defaults}
        if known and all(_holds(self._space[name], value) for name, value in known.items()):
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=known, distributions={n: self._space[n] for n in known}, value=default.score
                )
            )

    def ask(self) -> dict[str, Any] | None:
        """Parameters not tried before, or None when the space holds hardly any more."""
        self.asked += 1
        for _ in range(5):
            self._trial = self._study.ask(self._space)
            params = {name: _rounded(value) for name, value in self._trial.params.items()}
            if str(params) not in self._tried:
                self._tried.add(str(params))
                return params
            self._study.tell(self._trial, state=_failed())
        return None

    def tell(self, standing: Standing) -> None:
        if standing.failure:
            self._study.tell(self._trial, state=_failed())
        else:
            self._study.tell(self._trial, standing.score)


def _holds(distribution: Any, value: Any) -> bool:
    """Whether a default lies in the space; one that is a word, such as gamma="scale", in no range of numbers."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:
        return False


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _distribution(choices: Any) -> Any:
    """A learner's range `(low, high, "log" | "linear")` or list of choices as optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(choices, tuple) and len(choices) == 3 and choices[2] in ("log", "linear"):
        low, high, scale = choices
        kind = IntDistribution if isinstance(low, int) and isinstance(high, int) else FloatDistribution
        return kind(low, high, log=scale == "log")
    return CategoricalDistribution(list(choices))


def _rounded(value: Any) -> Any:
    """Four digits: enough for a parameter, and short enough to read."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def rungs_for(n_rows: int, bytes_per_row: float) -> list[int]:
    """Numbers of rows to compare candidates on: one for a small table, growing by five for a large one."""
    first = max(1000, int(min(FIRST_RUNG, FIRST_RUNG * 500 / max(bytes_per_row, 1.0))))
    rungs = [first]
    while rungs[-1] < min(n_rows, LAST_RUNG):
        rungs.append(rungs[-1] * GROWTH)
    rungs[-1] = min(n_rows, LAST_RUNG)
    if len(rungs) > 1 and rungs[-1] < 2 * rungs[-2]:
        del rungs[-2]
    return rungs


def search(
    plan: Plan,
    assess: Callable[[Step, float], Standing],
    *,
    board: Leaderboard,
    journal: Journal,
    budget: TimeBudget,
    planned: int,
    trials: int | None,
    display: Display,
) -> SearchResult:
    """Works through a plan until it ends or the budget does.

    One evaluation may take what is left of the time, or a quarter of it all; after that it is given up between two
    folds (`assess` is told its patience), unless no learner has a score yet.

    A step whose standing is in the journal of an interrupted run is not made again. The time it took then
    counts, so that a resumed run takes as long altogether as one that was never stopped.
    """
    done, seconds, cut = 0, 0.0, False
    standing: Standing | None = None
    while True:
        try:
            step = next(plan) if standing is None else plan.send(standing)
        except StopIteration:
            break
        over = seconds >= budget.seconds if trials is None else done >= trials
        if over and board.has_learner:
            cut |= trials is None
            break
        display.trying(step.candidate.name)
        known = journal.get(step.key)
        start = budget.spent
        patience = (
            max(budget.seconds - seconds, budget.seconds / 4)
            if trials is None and board.has_learner
            else math.inf
        )
        standing = assess(step, patience) if known is None else Standing.from_dict(known["standing"])
        took = budget.spent - start if known is None else float(known["seconds"])
        if known is None:
            journal.put(step.key, {"standing": standing.to_dict(), "seconds": took})
        seconds += took
        done += 1
        cut |= standing.abandoned
        board.add(standing)
        display.tried(standing, board, done, resumed=known is not None)
    plan.close()
    return SearchResult(board, done, planned, cut, seconds)
