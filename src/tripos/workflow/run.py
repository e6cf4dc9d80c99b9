"""The run: a table becomes a validated, tested and saved model with a report.

    experience (read, type, profile, split)  ->  task  ->  candidates  ->  search  ->  learning curve
    ->  one look at the test rows  ->  what the model uses  ->  the folder

`execute` is the course of it; each stage is a file of this room.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from tripos import artifact
from tripos.compute.budget import TimeBudget
from tripos.compute.random import derive
from tripos.errors import RunError
from tripos.metrics.scorers import Scorer, scorer
from tripos.workflow import evaluate, explain, record
from tripos.workflow.candidates import Candidate, Refusal, candidates_for
from tripos.workflow.config import RunConfig
from tripos.workflow.experience import Experience, gather
from tripos.workflow.leaderboard import Leaderboard
from tripos.workflow.learning import learning_curve
from tripos.workflow.progress import Display, display_for
from tripos.workflow.report import write_report
from tripos.workflow.result import Run
from tripos.workflow.search import SearchResult, make_plan, planned_steps, rungs_for, search
from tripos.workflow.store import RunFolder, find_resumable
from tripos.workflow.trial import Folds
from tripos.workflow.trial import evaluate as cross_validate

CURVE_SHARE = 0.5  # of the search's seconds, for the learning curve
LEAST_CURVE_SECONDS = 5.0


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
    folds: int = 5,
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
    folds : int
        Folds of the cross-validation.
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
        **{"target": target, "task": task, "time": time, "test": test, "group": group, "time_column": time_column},
        **{"metric": metric, "out": str(out), "seed": seed, "folds": folds, "trials": trials, "name": name},
        **{"kinds": dict(kinds or {}), "exclude": tuple(exclude), "keep": tuple(keep)},
        **{"candidates": tuple(candidates), "read": dict(read or {})},
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
    with _folder(config, experience, resume, display) as folder:
        return _work(config, experience, fitting, refused, folder, display, begin)


@contextmanager
def _folder(config: RunConfig, experience: Experience, resume: bool, display: Display) -> Iterator[RunFolder]:
    """The folder to work in. What stops the run leaves it there to be resumed; a run that cannot succeed leaves none."""
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
        worth_keeping = bool(folder.journal.entries) and not (isinstance(error, RunError) and error.__cause__ is None)
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
    measure = scorer(experience.task.metric)
    folds = _folds(experience, config)
    found = _search(config, experience, fitting, folds, measure, folder, display)
    display.searched(found.board, measure.title)
    winner = found.board.winner
    candidate = next(c for c in fitting if c.name == winner.candidate)
    baseline = next(c for c in fitting if c.is_baseline)
    curve = _curve(config, experience, candidate, winner.params, folds, measure, display)
    seconds = {"search": found.seconds, "before the test": clock.perf_counter() - begin}

    display.stage("Test: all of training, one look at the rows put aside")
    X, y = experience.X[experience.train], experience.y[experience.train]
    model = candidate.pipeline(experience.schema, winner.params, _seed(config)).fit(X, y)
    dummy = baseline.pipeline(experience.schema, {}, _seed(config)).fit(X, y)
    X_test, y_test = experience.X[experience.test], experience.y[experience.test]
    predicted, guessed = evaluate.predictions(model, X_test), evaluate.predictions(dummy, X_test)
    test = evaluate.score_test(y_test, predicted, guessed, experience.task, _seed(config))
    test |= _without_repeats(experience, X, X_test, y_test, predicted, measure)
    uses = _uses(config, experience, candidate, winner.params, model, folds, measure)

    seconds["all"] = clock.perf_counter() - begin
    whole = record.compose(
        config, experience, found, refused, measure, winner=winner, curve=curve, test=test, uses=uses, seconds=seconds
    )
    _write(folder, config, experience, whole, model, y_test, predicted, found)
    result = Run(folder.finish(), whole, model)
    display.result(record.closing_lines(whole, result.report))
    return result


def _seed(config: RunConfig) -> int:
    return derive(config.seed, "learner")


def _folds(experience: Experience, config: RunConfig) -> Folds:
    """The folds at every rung, over nested samples of the training rows."""
    parts = {}
    train = experience.train
    X = experience.X[train]
    rungs = rungs_for(len(train), X.estimated_size() / max(len(train), 1))
    order = experience.nested(derive(config.seed, "rungs"))
    for rows in rungs:
        sample = np.sort(order[:rows])
        parts[rows] = [(sample[fit], sample[valid]) for fit, valid in experience.folds(sample, config)]
    return Folds(X, experience.y[train], experience.schema, parts)


def _search(
    config: RunConfig,
    experience: Experience,
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
    display.searching(planned if config.trials is None else config.trials, None if config.trials else config.time)
    found = search(
        make_plan(fitting, rungs, measure.greater_is_better, derive(config.seed, "search")),
        lambda step: cross_validate(step.candidate, step.params, step.rows, folds, measure, _seed(config)),
        board=Leaderboard(measure.greater_is_better),
        journal=folder.journal,
        budget=TimeBudget(config.time),
        planned=planned,
        trials=config.trials,
        display=display,
    )
    if found.cut:
        display.warn(
            f"the {config.time:g} s were over after {found.done} of at most {planned} evaluations: "
            "more --time may find a better candidate, and another machine may get further"
        )
    return found


def _curve(
    config: RunConfig,
    experience: Experience,
    candidate: Candidate,
    params: Mapping[str, Any],
    folds: Folds,
    measure: Scorer,
    dummy: float,
    display: Display,
) -> dict[str, Any]:
    display.stage(f"Learning curve: {candidate.name}, P = {measure.title} on rows held out")
    rows = max(folds.parts)

    def show(size: int, fit: list[float], valid: list[float]) -> None:
        mean = float(np.mean(valid))
        error = float(np.std(valid, ddof=1) / np.sqrt(len(valid))) if len(valid) > 1 else float("nan")
        display.curve_point(size, mean, error, (mean - dummy) / ((measure.perfect - dummy) or 1.0))

    return learning_curve(
        candidate,
        params,
        folds.frame,
        folds.y,
        experience.schema,
        folds.parts[rows],
        measure,
        codes=experience.codes(experience.train),
        seed=derive(config.seed, "curve"),
        budget=TimeBudget(max(CURVE_SHARE * config.time, LEAST_CURVE_SECONDS)),
        on_point=show,
    )


def _without_repeats(
    experience: Experience,
    X: pl.DataFrame,
    X_test: pl.DataFrame,
    y_test: np.ndarray,
    predicted: pl.DataFrame,
    measure: Scorer,
) -> dict[str, Any]:
    """How many test rows repeat a training row, and the score without them."""
    again = evaluate.repeats_of_training(X, X_test)
    if not again.any():
        return {"repeats": 0}
    fresh = ~again
    try:
        score = evaluate.measured(measure, y_test[fresh], predicted.filter(pl.Series(fresh)), experience.task)
    except ValueError:  # hardly a row is left, or one class only
        score = None
    return {"repeats": int(again.sum()), "score_without_repeats": score}


def _uses(
    config: RunConfig,
    experience: Experience,
    candidate: Candidate,
    params: Mapping[str, Any],
    model: Any,
    folds: Folds,
    measure: Scorer,
) -> dict[str, Any]:
    """What the model uses, from a fit that has not seen the rows it is asked about."""
    if candidate.is_baseline:
        return {}
    fit, held = folds.parts[max(folds.parts)][0]
    partial = candidate.pipeline(experience.schema, params, _seed(config)).fit(folds.frame[fit], folds.y[fit])
    seed = derive(config.seed, "importance")
    return {
        "importances": explain.importances(
            partial, folds.frame[held], folds.y[held], measure, has_text=experience.shape.has("text"), seed=seed
        ),
        "coefficients": explain.effects(model, folds.frame, seed),
    }


def _write(
    folder: RunFolder,
    config: RunConfig,
    experience: Experience,
    whole: dict[str, Any],
    model: Any,
    y_test: np.ndarray,
    predicted: pl.DataFrame,
    found: SearchResult,
) -> None:
    """Every part of the artifact; the report last, since it is made from the others."""
    folder.write("model/model.tripos", lambda path: artifact.save(model, path))
    folder.write_json("schema.json", experience.schema.to_dict())
    rows = pl.DataFrame({"row": experience.row_numbers[experience.test], "truth": pl.Series("truth", y_test.tolist())})
    folder.write("predictions.parquet", lambda path: rows.hstack(predicted).write_parquet(path))
    again = config.with_trials(found.done)
    folder.write("config.toml", again.to_toml(record.about_table(experience)))
    whole["model_bytes"] = (folder.path / "model" / "model.tripos").stat().st_size
    folder.write_json("metrics.json", whole)
    write_report(folder.path)
