"""The plan of a search depends on the seed and the scores alone; a clock can only cut it short."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from tripos.compute.budget import TimeBudget
from tripos.workflow.candidates import Candidate
from tripos.workflow.leaderboard import Leaderboard, Standing
from tripos.workflow.progress import Display
from tripos.workflow.search import FIRST_TRIED, TRIALS, _Sampler, make_plan, planned_steps, rungs_for, search
from tripos.workflow.store import Journal


class Learner:
    """Stands for a fitted learner's parameters."""

    def get_params(self) -> dict:
        return {"alpha": 1.0}


@dataclass(frozen=True)
class Contender:
    """A candidate whose score is a known function of its parameters and rows."""

    name: str
    skill: float
    is_baseline: bool = False
    searched: dict = field(default_factory=dict)

    def space(self) -> dict:
        return self.searched

    def estimator(self, params: dict, seed: int) -> Learner:
        return Learner()

    def score(self, params: dict, rows: int) -> float:
        return self.skill - 0.1 * abs(math.log10(params.get("alpha", 1.0)) + 1) + 1e-6 * rows


ALPHA = {"alpha": (1e-3, 1e3, "log")}
FIELD = [
    Contender("Dummy", 0.0, is_baseline=True),
    Contender("A", 0.5),
    Contender("B", 0.7, searched=ALPHA),
    Contender("C", 0.6, searched=ALPHA),
    Contender("D", 0.2, searched=ALPHA),
    Contender("E", 0.1, searched=ALPHA),
]


def assess(step) -> Standing:
    score = step.candidate.score(dict(step.params), step.rows)
    about = {"candidate": step.candidate.name, "learner": "L", "params": dict(step.params), "rows": step.rows}
    return Standing(**about, folds=[score - 0.01, score + 0.01], baseline=step.candidate.is_baseline)


def searched(
    tmp_path,
    *,
    name="journal",
    seconds=math.inf,
    trials=None,
    rungs=(100,),
    seed=0,
    assess=assess,
    stop_after=None,
):
    steps = []

    def counted(step, patience: float) -> Standing:
        if stop_after is not None and len(steps) == stop_after:
            raise KeyboardInterrupt
        steps.append(step.key)
        return assess(step)

    board = Leaderboard(True)
    result = search(
        make_plan(FIELD, rungs, True, seed, board.compared),
        counted,
        board=board,
        journal=Journal(tmp_path / name),
        budget=TimeBudget(None if math.isinf(seconds) else seconds),
        planned=planned_steps(FIELD, rungs),
        trials=trials,
        display=Display(),
    )
    return result, steps


def table(result) -> list:
    return [(s.candidate, s.params, s.rows, s.score) for s in result.board]


def test_one_seed_gives_one_plan(tmp_path):
    one, first = searched(tmp_path, name="a", seed=3)
    other, second = searched(tmp_path, name="b", seed=3)
    assert first == second
    assert table(one) == table(other)


def test_another_seed_tries_other_parameters(tmp_path):
    assert searched(tmp_path, name="a", seed=3)[1] != searched(tmp_path, name="b", seed=4)[1]


def test_searching_parameters_beats_the_defaults(tmp_path):
    result, _ = searched(tmp_path)
    assert result.board.winner.candidate == "B"
    assert result.board.winner.score > FIELD[2].score({}, 100)


@pytest.mark.parametrize("rungs", [(100,), (100, 500), (100, 500, 2500)])
def test_the_plan_has_at_most_as_many_steps_as_was_said(tmp_path, rungs):
    result, steps = searched(tmp_path, rungs=rungs)
    assert len(steps) == result.done
    assert result.planned - TRIALS <= result.done <= result.planned  # a leader may have nothing to search
    assert not result.cut


def test_on_large_tables_the_better_half_goes_on_and_the_baseline_always(tmp_path):
    _, steps = searched(tmp_path, rungs=(100, 500), trials=10)
    last = [key for key in steps if ", 500, {}" in key]
    assert [key.split('"')[1] for key in last] == ["Dummy", "A", "B", "C"]


def test_scores_from_more_rows_rank_first(tmp_path):
    few = Standing("lucky", "L", {}, rows=100, folds=[0.9, 0.9])
    many = Standing("solid", "L", {}, rows=500, folds=[0.8, 0.8])
    assert [s.candidate for s in Leaderboard(True, [few, many])] == ["solid", "lucky"]


@pytest.mark.parametrize("trials", [7, 8])
def test_who_is_next_on_more_rows_when_time_is_over_does_not_win_by_that(tmp_path, trials):
    result, steps = searched(tmp_path, rungs=(100, 500), trials=trials)
    assert '"A", 500' in steps[-1] or '"Dummy", 500' in steps[-1]
    assert result.board.winner.candidate == "B"


@pytest.mark.parametrize("stop_after", [0, 1, 5, 9, 20])
def test_a_resumed_search_ends_where_one_that_was_never_stopped_ends(tmp_path, stop_after):
    whole, steps = searched(tmp_path, name="whole")
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, name="cut", stop_after=stop_after)
    resumed, rest = searched(tmp_path, name="cut")
    assert table(resumed) == table(whole)
    assert len(rest) == len(steps) - stop_after


def test_no_time_at_all_still_compares_a_learner_with_the_baseline(tmp_path):
    result, _ = searched(tmp_path, seconds=0.0)
    assert [s.candidate for s in result.board] == ["A", "Dummy"]
    assert result.cut


def test_a_number_of_trials_is_made_whatever_the_time(tmp_path):
    result, steps = searched(tmp_path, seconds=0.0, trials=9)
    assert len(steps) == 9
    assert not result.cut


def test_an_evaluation_is_given_up_in_time_only_when_some_learner_has_a_score(tmp_path):
    allowed = []

    def patient(step, patience):
        allowed.append(patience)
        return assess(step)

    board = Leaderboard(True)
    plan = make_plan(FIELD, (100,), True, 0)
    common = {"board": board, "budget": TimeBudget(100.0), "planned": 9, "trials": None, "display": Display()}
    search(plan, patient, journal=Journal(tmp_path / "j"), **common)
    assert allowed[:2] == [math.inf, math.inf]  # the baseline, and the first learner
    assert all(25.0 <= patience <= 100.0 for patience in allowed[2:])


def test_a_failing_candidate_is_listed_last_and_ends_nothing(tmp_path):
    def fails_at_b(step) -> Standing:
        if step.candidate.name == "B":
            return Standing("B", "L", dict(step.params), step.rows, failure="no luck")
        return assess(step)

    result, _ = searched(tmp_path, assess=fails_at_b)
    assert result.board.winner.candidate == "C"
    assert [s.failure for s in result.board if s.candidate == "B"] == ["no luck"]


def test_every_candidate_failing_is_an_error_with_the_reasons(tmp_path):
    board = Leaderboard(True, [Standing("B", "L", {}, 10, failure="no luck")])
    with pytest.raises(RuntimeError, match="every candidate failed: B: no luck"):
        _ = board.winner


def test_a_loss_is_ranked_from_below():
    standings = [
        Standing(name, "L", {}, 10, folds=[loss, loss]) for name, loss in [("bad", 2.0), ("good", 1.0)]
    ]
    assert Leaderboard(False, standings).winner.candidate == "good"


@pytest.mark.parametrize("rows", [30, 20_000, 39_999, 60_000, 1_600_000])
def test_rungs_grow_to_all_rows_or_the_cap(rows):
    rungs = rungs_for(rows, 100)
    assert rungs[-1] == min(rows, 250_000)
    assert all(2 * small <= large for small, large in zip(rungs, rungs[1:]))


def test_long_texts_start_with_fewer_rows():
    assert rungs_for(30_000, 2_000)[0] < rungs_for(30_000, 100)[0]


@pytest.mark.parametrize(("second", "winner"), [(0.895, "probable"), (0.8, "bare")])
def test_probabilities_decide_between_candidates_that_the_folds_do_not_tell_apart(second, winner):
    bare = Standing("bare", "L", {}, 10, folds=[0.89, 0.91], probabilities=False)
    probable = Standing("probable", "L", {}, 10, folds=[second, second])
    assert Leaderboard(True, [bare, probable]).winner.candidate == winner


def test_a_default_that_is_a_word_starts_no_range_of_numbers():
    """gamma="scale" of SVC beside a range: the sampler begins without it instead of failing."""
    svc = Candidate("SVC")
    standing = Standing("SVC", "SVC", {}, 10, folds=[0.8, 0.9])
    params = _Sampler(svc, 0, True, standing).ask()
    assert params is not None
    assert all(isinstance(value, float) for name, value in params.items() if name in ("C", "gamma"))


def test_with_many_candidates_the_leaders_are_tuned_before_the_last_is_tried():
    many = [Contender("Dummy", 0.0, is_baseline=True), Contender("A", 0.9, searched=ALPHA)]
    many += [Contender(f"C{i}", 0.01 * i, searched=ALPHA) for i in range(20)]
    plan, steps = make_plan(many, [100], True, 0), []
    step = next(plan)
    while step is not None:
        steps.append(step)
        try:
            step = plan.send(assess(step))
        except StopIteration:
            step = None
    assert len(steps) == planned_steps(many, [100])
    defaults = [i for i, step in enumerate(steps) if not step.params]
    assert [steps[i].candidate for i in defaults] == many
    tuned = [step.candidate.name for step in steps[: defaults[-1]] if step.params]
    assert len(tuned) == len(many) - FIRST_TRIED
    assert "A" in tuned


def test_leaders_that_change_share_the_trials_of_three():
    growing = [Contender("Dummy", 0.0, is_baseline=True)]
    growing += [Contender(f"C{i}", 0.01 * i, searched=ALPHA) for i in range(30)]
    plan, names = make_plan(growing, [100], True, 0), []
    step = next(plan)
    while step is not None:
        names += [step.candidate.name] if step.params else []
        try:
            step = plan.send(assess(step))
        except StopIteration:
            step = None
    assert len(names) == 3 * TRIALS
    assert max(names.count(name) for name in names) <= TRIALS
