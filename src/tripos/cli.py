"""The command line: it reads options, calls the library and words the outcome; what happens is decided elsewhere.

Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 stopped by Ctrl-C.
Only typer is imported here; everything else when a command runs, so that `tripos --help` answers at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tripos.workflow.config import RunConfig

DONE, FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130

app = typer.Typer(
    name="tripos",
    help="Machine learning from a real table to a validated, saved model.\n\n"
    "Example: tripos run churn.csv --target churn",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Json = Annotated[
    bool, typer.Option("--json", help="Machine output on standard output; progress goes to standard error.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Out = Annotated[str, typer.Option("--out", help="Folder that holds the runs.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help='A run\'s folder, its name under --runs, or "last".')
]
Many = list[str] | None


def main() -> None:
    """The entry point `tripos`."""
    app()


def _version(value: bool) -> None:
    if value:
        from tripos import __version__

        typer.echo(f"tripos {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Machine learning from a real table to a validated, saved model."""


@app.command(epilog="Example: tripos run churn.csv --target churn --time 60 --group customer")
def run(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="CSV, TSV, Parquet, Arrow, JSON lines, Excel; also gz, zst, a glob, a database URL.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression, when the guess is wrong.")
    ] = None,
    time: Annotated[float | None, typer.Option(help="Seconds for the search.  [default: 60]")] = None,
    test: Annotated[
        float | None, typer.Option(help="Share of the rows put aside for the test.  [default: 0.2]")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Column whose values stay together in one part.")] = None,
    time_column: Annotated[
        str | None, typer.Option(help='Column to order by: the latest rows are the test. "none" forbids it.')
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The measure to rank by: accuracy, roc_auc, r2, ...")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder that receives the run.  [default: runs]")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Every random choice follows from it.  [default: 0]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of this table that was interrupted.")
    ] = False,
    kind: Annotated[
        Many, typer.Option(metavar="COLUMN=KIND", help="Give a column's kind, e.g. zip=category.")
    ] = None,
    exclude: Annotated[Many, typer.Option(metavar="COLUMN", help="Never use this column.")] = None,
    keep: Annotated[
        Many, typer.Option(metavar="COLUMN", help="Use it although it looks like a leak or an identifier.")
    ] = None,
    candidate: Annotated[
        Many, typer.Option(metavar="NAME", help="Try only this learner; may be repeated.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Folds of the cross-validation.  [default: 5, 3 of a large table]")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Evaluations to make, whatever time they take.")] = None,
    name: Annotated[
        str | None, typer.Option(help="First part of the folder's name.  [default: the table's]")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Between the fields of a text table, when the guess is wrong.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text table, when the guess is wrong.")] = None,
    null: Annotated[
        Many, typer.Option(metavar="TEXT", help="A text that means a missing value; may be repeated.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Of an Excel file.")] = None,
    query: Annotated[str | None, typer.Option(help="SQL, when TABLE is a database URL.")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line holds data; columns are x0, x1, ...")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="A run's config.toml: make that run again.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Learn from a table: validate every learner, test the best once, save model and report."""
    with _reporting(as_json, debug):
        from tripos.workflow.progress import display_for
        from tripos.workflow.run import execute

        read = {"delimiter": delimiter, "encoding": encoding, "nulls": null, "sheet": sheet, "query": query}
        given = {
            **{"table": table, "target": target, "task": task, "time": time, "test": test, "group": group},
            **{"time_column": time_column, "metric": metric, "out": out, "seed": seed, "folds": folds},
            **{"trials": trials, "name": name, "kinds": _pairs(kind), "exclude": exclude, "keep": keep},
            **{"candidates": candidate, "read": {**read, "header": False if no_header else None}},
        }
        settings = _settings(given, config)
        with display_for(False if quiet else None, sys.stderr if as_json else sys.stdout) as display:
            result = execute(settings, resume=resume, display=display)
        if as_json:
            _print_json(result.to_dict())
        elif quiet:
            typer.echo(result.report)


@app.command(epilog="Example: tripos predict last new-customers.csv --out predictions.parquet")
def predict(
    run: RunName,
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="Rows to predict, with the columns the model learned from.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .csv, .tsv, .parquet, .jsonl. Standard output gets CSV without it."
        ),
    ] = None,
    carry: Annotated[
        Many, typer.Option(metavar="COLUMN", help="Copy this column beside the prediction.")
    ] = None,
    runs: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict the rows of a table with a run's model, a chunk at a time."""
    with _reporting(as_json, debug):
        from tripos.workflow.predict import predict_table

        done = predict_table(
            run, table, out, carry=tuple(carry or ()), runs=runs, json_lines=as_json and out is None
        )
        for note in done["notes"]:
            typer.echo(f"note: {note}", err=True)
        if out is not None:
            _print_json(done) if as_json else typer.echo(f"{done['rows']:,} rows predicted: {done['out']}")


@app.command(epilog="Example: tripos report last --open")
def report(
    run: RunName = "last",
    runs: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a run's report again from what it saved, and say where it is."""
    with _reporting(as_json, debug):
        from tripos.workflow.report import write_report
        from tripos.workflow.store import resolve_run

        path = write_report(resolve_run(run, runs)).resolve()
        _print_json({"report": str(path)}) if as_json else typer.echo(path)
        if open_it:
            import webbrowser

            webbrowser.open(path.as_uri())


@app.command(epilog="Example: tripos runs --out runs")
def runs(out: Out = "runs", as_json: Json = False, debug: Debug = False) -> None:
    """List the runs, newest first, those that were interrupted included."""
    with _reporting(as_json, debug):
        from dataclasses import asdict

        from tripos.workflow.progress import runs_table
        from tripos.workflow.store import list_runs

        found = list_runs(out)
        if as_json:
            _print_json([{**asdict(run), "path": str(run.path)} for run in found])
        elif not found:
            typer.echo(f"There is no run in {out}. Make one with: tripos run TABLE --target COLUMN")
        else:
            from rich.console import Console

            Console(width=None if sys.stdout.isatty() else 160).print(runs_table(found))


@app.command(epilog="Example: tripos warm")
def warm(as_json: Json = False, debug: Debug = False) -> None:
    """Compile every kernel once, so that no later call waits for it."""
    with _reporting(as_json, debug):
        from tripos.workflow.doctor import warm_up

        done = warm_up(sys.stderr if as_json else sys.stdout)
        if as_json:
            _print_json(done)


@app.command(epilog="Example: tripos doctor --json")
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Print versions, threads, BLAS, the kernel cache, memory and GPU."""
    with _reporting(as_json, debug):
        from tripos.compute.system import describe

        found = describe()
        if as_json:
            _print_json(found)
        else:
            from tripos.workflow.doctor import lines

            typer.echo("\n".join(lines(found)))


def _settings(given: dict[str, Any], config: Path | None) -> RunConfig:
    """The run's settings: those of the file, if one is named, under those of the command line."""
    from dataclasses import asdict

    from tripos.workflow.config import RunConfig, read_config

    chosen = {k: v for k, v in given.items() if v not in (None, [], {}) and not _is_all_none(v)}
    if config is not None:
        base, _ = read_config(config)
        return RunConfig(**{**asdict(base), **chosen})
    for name, hint in (("table", "TABLE"), ("target", "--target COLUMN")):
        if name not in chosen:
            raise typer.BadParameter(f"{hint} is needed (or --config FILE)", param_hint=hint)
    return RunConfig(**chosen)


def _is_all_none(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None for v in value.values())


def _pairs(texts: list[str] | None) -> dict[str, str]:
    """`["zip=category"]` as a mapping; a column's name may itself hold an equals sign."""
    pairs = {}
    for text in texts or ():
        column, equals, kind = text.rpartition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not of the form COLUMN=KIND", param_hint="--kind")
        pairs[column] = kind
    return pairs


@contextlib.contextmanager
def _reporting(as_json: bool, debug: bool) -> Iterator[None]:
    """Errors become one clear sentence and an exit code; `--debug` lets the traceback through."""
    try:
        yield
    except KeyboardInterrupt as stop:
        _fail(str(stop) or "Stopped.", STOPPED, as_json)
    except BrokenPipeError:  # the reader of our output has left: `tripos runs | head -1`
        sys.stderr.close()
        raise typer.Exit(DONE) from None
    except Exception as error:
        from tripos.errors import SplitError, TableError, TriposError

        if debug or type(error).__module__.startswith("typer"):
            raise
        bad_input = isinstance(error, (TableError, SplitError, ValueError)) or _is_about_input(error)
        known = isinstance(error, (TriposError, OSError))
        text = (
            str(error)
            if known
            else f"{type(error).__name__}: {error} (an error inside tripos; --debug shows where)"
        )
        _fail(text, BAD_INPUT if bad_input and known else FAILED, as_json)


def _is_about_input(error: Exception) -> bool:
    """A run that was asked for something impossible, rather than one whose disk or memory gave out."""
    from tripos.errors import RunError

    return isinstance(error, (RunError, FileNotFoundError)) and not isinstance(error.__cause__, OSError)


def _fail(text: str, code: int, as_json: bool) -> None:
    if as_json:
        _print_json({"error": text, "exit_code": code})
    else:
        typer.echo(f"tripos: {text}", err=True)
    raise typer.Exit(code)


def _print_json(value: Any) -> None:
    from tripos.workflow.store import plain

    typer.echo(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))
