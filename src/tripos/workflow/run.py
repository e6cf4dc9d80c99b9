"""The run: a table becomes a validated, tested and saved model with a report.

    experience (read, type, profile, split)  ->  task  ->  candidates  ->  search  ->  learning curve
    ->  one look at the test rows  ->  what the model uses  ->  the folder

`execute` is the course of it; each stage is a file of this room.
"""

from __future__ import annotations

import math
import time as clock
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import clone

from tripos import artifact
from tripos.compute.budget import TimeBudget
from tripos.compute.random import derive
from tripos.errors import RunError
from tripos.metrics.scorers import Scorer, scorer
from tripos.selection.curves import LearningPoint
from tripos.workflow import evaluate, explain, record
from tripos.workflow.candidates import Candidate, Refusal, candidates_for
from tripos.workflow.config import RunConfig
from tripos.workflow.experience import Experience, gather
from tripos.workflow.leaderboard import Leaderboard
from tripos.workflow.learning import described, learning_curve
from tripos.workflow.progress import Display, display_for
from tripos.workflow.report import write_report
from tripos.workflow.result import Run
from tripos.workflow.search import SearchResult, make_plan, planned_steps, rungs_for, search
from tripos.workflow.store import RunFolder, find_resumable
from tripos.workflow.trial import Folds, nothing
from tripos.workflow.trial import evaluate as cross_validate

FOLDS, FOLDS_OF_A_LARGE_TABLE = 5, 3
LARGE = 16 << 20  # bytes of the table, from which three folds tell as much as five
CURVE_SHARE = 0.5  # of the search's seconds, for the learning curve
LEAST_CURVE_SECONDS = 5.0
_BAR_FROM = 0.2  # the first bar's part of the way from there to perfection


def run(
    table: Any,
    target: str,
    *,
    task: str | None = None,
    time: float = 60.0,
    test: float = 0.2,
    group: str | None = None,
    time_column: str | None = None,
    metric: str | None = None,
    out: str = "runs",
    seed: int = 0,
    resume: bool = False,
    kinds: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    keep: Sequence[str] = (),
    candidates: Sequence[str] = (),
    folds: int | None = None,
    trials: int | None = None,
    name: str | None = None,
    read: Mapping[str, Any] | None = None,
    verbose: bool | None = None,
) -> Run:
    """Learn from a table: validate every learner, test the best once, save model and report.

    Parameters
    ----------
    table : str, path or data frame
        CSV, TSV, Parquet, Arrow, JSON lines, Excel, a glob of files, a database URL, a pandas or polars frame.
    target : str
        The column to predict. Rows without a value in it are dropped and counted.
    task : {"classification", "binary", "multiclass", "regression"}, optional
        Inferred from the target when absent.
    time : float
        Seconds for the search; reading, the learning curve and the final fit come on top.
    test : float
        Share of the rows put aside and scored once, at the end.
    group : str, optional
        Column whose values stay together: in the test and in every fold.
    time_column : str, optional
        Column to order by: the latest rows are the test, folds go forward in time. A table whose rows are in order
        of a date is split so by itself, and the run says so; "none" forbids it.
    metric : str, optional
        The measure P to rank by; see `tripos.metrics.SCORERS`.
    out : str
        Folder that receives the run's folder `<name>-<time>`.
    seed : int
        The same seed gives the same leaderboard, unless time cut the search, which the run then says.
    resume : bool
        Go on with the newest run of this table and target that did not finish.
    kinds : mapping of str to str, optional
        Kinds of columns that should not be guessed, e.g. `{"zip": "category"}`.
    exclude, keep : sequence of str
        Columns never used; columns used although they look like a leak or an identifier.
    candidates : sequence of str
        Names of learners to try; empty means all.
    folds : int, optional
        Folds of the cross-validation; 5, or 3 of a large table, when absent.
    trials : int, optional
        Evaluations to make, whatever time they take.
    name : str, optional
        First part of the folder's name; the table's name when absent.
    read : mapping, optional
        Arguments of `tripos.read_table`: delimiter, encoding, nulls, sheet, query, header.
    verbose : bool, optional
        False says nothing; by default progress is shown live in a terminal and as lines elsewhere.

    Returns
    -------
    Run
        With `model`, `leaderboard`, `test_scores`, `report` and `path`.

    Raises
    ------
    TableError, RunError, SplitError
        When the table, the target or an option cannot be used; the message says what to change.
    BudgetError
        When the table does not fit into memory.
    """
    is_source = isinstance(table, str) or hasattr(table, "__fspath__")
    config = RunConfig(
        table=str(table) if is_source else "",
        target=target,
        task=task,
        time=time,
        test=test,
        group=group,
        time_column=time_column,
        metric=metric,
        out=str(out),
        seed=seed,
        folds=folds,
        trials=trials,
        name=name,
        kinds=dict(kinds or {}),
        exclude=tuple(exclude),
        keep=tuple(keep),
        candidates=tuple(candidates),
        read=dict(read or {}),
    )
    with display_for(verbose) as display:
        return execute(config, table=None if is_source else table, resume=resume, display=display)


def execute(
    config: RunConfig, *, table: Any = None, resume: bool = False, display: Display | None = None
) -> Run:
    """Makes the run a configuration describes; `table` is the data frame when it names no source."""
    display = display or Display()
    if not config.table and table is None:
        raise RunError("this configuration was made with a data frame: name a table to read instead")
    begin = clock.perf_counter()
    experience = gather(config, table, display)
    fitting, refused = candidates_for(experience.task, experience.shape, config.candidates)
    with _folder(config, experience, resume, display) as folder, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a table's were said when it was read, a candidate's are kept with its score
        return _work(config, experience, fitting, refused, folder, display, begin)


@contextmanager
def _folder(config: RunConfig, experience: Experience, resume: bool, display: Display) -> Iterator[RunFolder]:
    """The folder to work in. What stops a run leaves it to be resumed; a run that cannot succeed leaves none."""
    found = find_resumable(config, experience.fingerprint) if resume else None
    if found is not None:
        folder = RunFolder(found)
        display.fact("resumed", f"{found}: {len(folder.journal.entries)} evaluations are kept")
    else:
        if resume:
            display.warn(f"no unfinished run of this table and target in {config.out}: starting afresh")
        folder = RunFolder.create(config.out, config.stem())
    try:
        folder.write("config.toml", config.to_toml(record.about_table(experience)))
        yield folder
    except BaseException as error:
        worth_keeping = bool(folder.journal.entries) and not (
            isinstance(error, RunError) and error.__cause__ is None
        )
        kept = len(folder.journal.entries)
        folder.close() if worth_keeping else folder.discard()
        if isinstance(error, KeyboardInterrupt):
            go_on = f" {kept} finished evaluations are kept; go on with --resume." if kept else ""
            raise KeyboardInterrupt(f"Stopped.{go_on}") from None
        raise


def _work(
    config: RunConfig,
    experience: Experience,
    fitting: list[Candidate],
    refused: list[Refusal],
    folder: RunFolder,
    display: Display,
    begin: float,
) -> Run:
    """All that happens in the folder: search, learning curve, test, explanation, artifact."""
    measure = scorer(experience.task.metric)
    folds = _folds(experience, config)
    found = _search(config, fitting, folds, measure, folder, display)
    display.searched(found.board, measure.title)
    winner = found.board.winner
    candidate = next(c for c in fitting if c.name == winner.candidate)
    baseline = next(c for c in fitting if c.is_baseline)
    model = candidate.pipeline(experience.schema, winner.params, _seed(config))
    curve = _curve(config, experience, model, candidate, found.board, folds, measure, display)

    display.stage("Test: all rows of training, one look at the rows put aside")
    uses = _uses(config, clone(model), candidate, folds, measure)
    model.fit(experience.X_train, experience.y_train)
    dummy = baseline.estimator({}, _seed(config)).fit(nothing(len(experience.y_train)), experience.y_train)
    predicted, test = _tested(config, experience, model, dummy, measure)
    display.fact(
        f"E = {len(experience.y_train):,}",
        f"P = {test['score']:.4f} on {test['rows']:,} test rows, the baseline {test['baseline']:.4f}",
    )
    uses |= {"coefficients": explain.effects(model, experience.X_train, derive(config.seed, "effects"))}

    seconds = {"search": found.seconds, "all": clock.perf_counter() - begin}
    whole = record.compose(
        config,
        experience,
        found,
        refused,
        measure,
        winner=winner,
        curve=curve,
        test=test,
        uses=uses,
        seconds=seconds,
    )
    _write(folder, config, experience, whole, model, predicted, found)
    result = Run(folder.finish(), whole, model)
    display.result(record.closing_lines(whole, result.report))
    return result


def _seed(config: RunConfig) -> int:
    return derive(config.seed, "learner")


def _folds(experience: Experience, config: RunConfig) -> Folds:
    """The folds at every rung, over nested samples of the training rows."""
    parts = {}
    X, n_rows = experience.X_train, len(experience.y_train)
    order = experience.nested(derive(config.seed, "rungs"))
    size = X.estimated_size() / n_rows
    for rows in rungs_for(n_rows, size):
        sample = np.sort(order[:rows])
        k = config.folds or (FOLDS if size * rows < LARGE else FOLDS_OF_A_LARGE_TABLE)
        parts[rows] = [
            (sample[fit], sample[valid]) for fit, valid in experience.folds(sample, k, config.seed)
        ]
    return Folds(X, experience.y_train, experience.schema, parts)


def _search(
    config: RunConfig,
    fitting: list[Candidate],
    folds: Folds,
    measure: Scorer,
    folder: RunFolder,
    display: Display,
) -> SearchResult:
    rungs = sorted(folds.parts)
    planned = planned_steps(fitting, rungs)
    each = len(folds.parts[rungs[-1]])
    display.stage(f"Search: {len(fitting)} candidates, {each} folds, at most {planned} evaluations")
    display.searching(config.trials or planned, None if config.trials else config.time)
    board = Leaderboard(measure.greater_is_better)
    found = search(
        make_plan(fitting, rungs, measure.greater_is_better, derive(config.seed, "search"), board.compared),
        lambda step, patience: cross_validate(
            step.candidate, step.params, step.rows, folds, measure, _seed(config), patience
        ),
        board=board,
        journal=folder.journal,
        budget=TimeBudget(config.time),
        planned=planned,
        trials=config.trials,
        display=display,
    )
    folds.forget()
    return found


def _curve(
    config: RunConfig,
    experience: Experience,
    model: Any,
    candidate: Candidate,
    board: Leaderboard,
    folds: Folds,
    measure: Scorer,
    display: Display,
) -> dict[str, Any]:
    """P against E, told as it grows."""
    display.stage(f"Learning curve: {candidate.name}, P = {measure.title} on rows held out")
    dummy = next((standing.score for standing in board if standing.baseline), measure.perfect)
    first: list[float] = []

    def show(point: LearningPoint) -> None:
        held = point.validation[~np.isnan(point.validation)]
        error = float(held.std(ddof=1) / np.sqrt(len(held))) if len(held) > 1 else math.nan
        mean = float(held.mean())
        first.append(mean)
        low = first[0] - _BAR_FROM * (measure.perfect - first[0])
        display.curve_point(point.size, mean, error, (mean - low) / ((measure.perfect - low) or 1.0))

    parts = folds.parts[max(folds.parts)]
    parts = (
        parts if experience.times is None else parts[-1:]
    )  # earlier folds have less of the past to learn from
    seconds = max(CURVE_SHARE * config.time, LEAST_CURVE_SECONDS)
    curve, cut = learning_curve(
        model,
        folds.frame,
        folds.y,
        parts,
        measure,
        seed=derive(config.seed, "curve"),
        budget=TimeBudget(seconds),
        on_point=show,
    )
    if cut:
        display.warn(f"the learning curve ends early: its {seconds:g} s were over")
    return described(curve, cut, dummy)


def _tested(
    config: RunConfig, experience: Experience, model: Any, dummy: Any, measure: Scorer
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The predictions of the test rows, their scores, and the score without rows that repeat training rows."""
    task, y = experience.task, experience.y_test
    predicted, guessed = evaluate.predictions(model, experience.X_test), evaluate.said(dummy, nothing(len(y)))
    test = evaluate.score_test(
        y, predicted, guessed, task, derive(config.seed, "bootstrap"), experience.test_groups
    )
    again = evaluate.repeats_of_training(experience.X_train, experience.X_test)
    test |= {"repeats": int(again.sum()), "score_without_repeats": None}
    if again.any() and not again.all():
        with suppress(ValueError):  # one class only is left
            fresh = ~again
            test["score_without_repeats"] = evaluate.measured(
                measure, y[fresh], predicted.filter(pl.Series(fresh)), task
            )
    return predicted, test


def _uses(
    config: RunConfig, model: Any, candidate: Candidate, folds: Folds, measure: Scorer
) -> dict[str, Any]:
    """Which columns the model uses, from a fit that has not seen the rows it is asked about."""
    if candidate.is_baseline:
        return {"importances": None}
    fit, held = folds.parts[max(folds.parts)][-1]
    model.fit(folds.frame[fit], folds.y[fit])
    seed = derive(config.seed, "importance")
    return {"importances": explain.importances(model, folds.frame[held], folds.y[held], measure, seed=seed)}


def _repeatable(config: RunConfig, found: SearchResult) -> RunConfig:
    """The settings bound to what was done instead of to the clock; who was given up for want of time stays out."""
    given_up = {s.candidate for s in found.board.all if s.abandoned and not s.params}
    if not given_up:
        return replace(config, trials=found.done)
    others = tuple(s.candidate for s in found.board if s.candidate not in given_up and not s.baseline)
    return replace(config, trials=found.done - len(given_up), candidates=others)


def _write(
    folder: RunFolder,
    config: RunConfig,
    experience: Experience,
    whole: dict[str, Any],
    model: Any,
    predicted: pl.DataFrame,
    found: SearchResult,
) -> None:
    """Every part of the artifact; the report last, since it is made from the others."""
    folder.write("model/model.tripos", lambda path: artifact.save(model, path))
    folder.write_json("schema.json", experience.schema.to_dict())
    truth = pl.Series("truth", experience.y_test.tolist())
    rows = pl.DataFrame({"row": experience.test_rows, "truth": truth})
    folder.write("predictions.parquet", lambda path: rows.hstack(predicted).write_parquet(path))
    again = _repeatable(config, found)
    folder.write("config.toml", again.to_toml(record.about_table(experience)))
    whole["model_bytes"] = (folder.path / "model" / "model.tripos").stat().st_size
    folder.write_json("metrics.json", whole)
    write_report(folder.path)
