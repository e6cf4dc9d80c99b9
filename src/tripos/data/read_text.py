"""Text tables: polars reads the file as planned, and a closer look follows only where something is off.

`plan_text` -> `_parse` (polars) -> `_checked` (short lines; cells that swallowed lines) -> on trouble
`_second_plan` (another encoding, no quoting, a rewritten copy, or the error that names the lines) -> clean cells.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace

import polars as pl
import polars.selectors as cs

from tripos.data.messages import counted, state
from tripos.data.read_bytes import Source, Spool, unpack
from tripos.data.read_cells import clean_cells
from tripos.data.read_encoding import UTF8, detect
from tripos.data.read_lines import lines_differ, survey
from tripos.data.read_plan import Asked, Plan, column_types, plan_text, rewritten
from tripos.errors import TableError

NOT_OF_TYPE = re.compile(
    r"could not parse `.*` as dtype `(?!str)\w+` at column '.*' \(column number (\d+)\)", re.DOTALL
)
ATTEMPTS = 4  # as planned, decoded, without quotes, rewritten
RETYPED = 5  # columns read as text one after the other before all of them are


def read_text(source: Source, asked: Asked) -> pl.DataFrame:
    """Read a delimited text table of any dialect and encoding."""
    with ExitStack() as spools:
        plan, frame = _parsed(plan_text(source, asked, spools), spools)
        frame = _without_empty_lines(frame, plan.name)
        frame = _without_trailing_delimiter(frame, plan)
        kept = set(frame.columns)
        frame = frame.select(name for name in plan.wanted if name in kept)
        return clean_cells(frame, plan.name, asked.nulls, plan.places)


def _parsed(plan: Plan, spools: ExitStack) -> tuple[Plan, pl.DataFrame]:
    """The table, read by the plan or by what became of it."""
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            frame = _parse(plan)
            again = _checked(plan, frame, spools)
        except pl.exceptions.PolarsError as error:
            failure = error
            again = plan if plan.original is not None else _second_plan(plan, spools, error)
            if again is plan:
                break
        else:
            if again is plan:
                return plan, frame
        plan = again
    raise TableError(f"{plan.name} cannot be read as a table: {failure}") from failure


def _parse(plan: Plan) -> pl.DataFrame:
    """Read with polars; a column whose later cells are not of the type of its first ones is read as text."""
    types = dict(plan.types)
    for _ in range(RETYPED):
        try:
            return _scan(plan, types)
        except pl.exceptions.ComputeError as error:
            column = NOT_OF_TYPE.search(str(error))
            if column is None:
                raise
            types[plan.names[int(column[1]) - 1]] = pl.String()
    return _scan(plan, dict.fromkeys(plan.names, pl.String()))


def _scan(plan: Plan, types: dict[str, pl.DataType]) -> pl.DataFrame:
    lazy = pl.scan_csv(
        plan.source.for_polars,
        has_header=False,
        skip_lines=plan.skip,
        separator=plan.dialect.separator,
        quote_char=plan.dialect.quote,
        schema=types,
        n_rows=plan.asked.n_rows,
        decimal_comma=plan.decimal_comma,
        glob=False,
    )
    if plan.asked.columns is not None:
        lazy = lazy.select(
            list(dict.fromkeys([*plan.wanted, plan.names[-1]]))
        )  # the last column shows short lines
    try:
        return lazy.collect()
    except pl.exceptions.PanicException as error:  # polars 2.1 does so over a lone quote at the end
        raise pl.exceptions.ComputeError(str(error)) from error


def _checked(plan: Plan, frame: pl.DataFrame, spools: ExitStack) -> Plan:
    """The plan itself if the frame is what the file says, else the plan to read it by."""
    if plan.original is not None or plan.width < 2:
        return plan
    spanning = frame.select(
        pl.any_horizontal(cs.string().str.contains("\n", literal=True).any(), pl.lit(False))
    )
    if spanning.item() and plan.dialect.quote and not lines_differ(plan.source, plan.dialect, quoting=False):
        return _unquoted(plan)
    doubtful = plan.asked.columns is not None or frame[plan.names[-1]].null_count() > 0
    if doubtful and lines_differ(plan.source, plan.dialect, quoting=True):
        return _second_plan(plan, spools, None)
    return plan


def _second_plan(plan: Plan, spools: ExitStack, error: Exception | None) -> Plan:
    """Find out what polars could not take, and read it another way, stated; or raise with the lines at fault."""
    if "utf-8" in str(error):
        return _decoded(plan, spools)
    found = survey(plan.source, plan.encoding, plan.dialect)
    if plan.dialect.quote == '"':
        bare = survey(plan.source, plan.encoding, replace(plan.dialect, quote=None))
        if bare.regular and bare.quotes and not (found.regular and bare.wrapped * 2 > bare.quotes):
            return _unquoted(plan)
    if found.regular and error is None:
        return plan
    if found.regular:
        state(
            f"{plan.name}: quotes inside some cells are not doubled as CSV asks; the cells were read as they stand."
        )
    elif found.repairable:
        state(f"{plan.name}: {found.repair_text()}.")
    else:
        raise found.error(plan.name, plan.dialect)
    return rewritten(plan, spools)


def _decoded(plan: Plan, spools: ExitStack) -> Plan:
    """The plan for a file whose first bytes are UTF-8 but whose later ones are not."""
    if plan.asked.encoding is not None:
        raise TableError(
            f"{plan.name} is not {plan.asked.encoding}: it holds bytes that do not decode; "
            "name the right encoding, or leave it out to have it detected."
        )
    source = unpack(plan.source, spools.enter_context(Spool(plan.name)), detect(plan.source))
    return replace(plan, source=source, encoding=UTF8)


def _unquoted(plan: Plan) -> Plan:
    cells = counted(plan.width, "cell")
    state(
        f'{plan.name}: quotes (") are read as ordinary characters, since without them every line has {cells}.'
    )
    plan = replace(plan, dialect=replace(plan.dialect, quote=None))
    return replace(plan, types=column_types(plan) | {n: t for n, t in plan.types.items() if t == pl.String})


def _without_empty_lines(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Rows without any value are empty lines; those at the end of a file need no mention."""
    if frame.height == 0 or frame[:, 0].null_count() == 0:
        return frame
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    if filled.all():
        return frame
    rows = filled.arg_true()
    inside = (int(rows[-1]) + 1 if len(rows) else 0) - len(rows)
    if inside:
        state(f"{name}: {counted(inside, 'empty line')} left out.")
    return frame.filter(filled)


def _without_trailing_delimiter(frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """A delimiter at the end of every line makes a last column that has neither name nor values."""
    last = plan.names[-1]
    nameless = last == f"column_{plan.width}" and plan.width > 1 and last in frame.columns
    if nameless and frame[last].null_count() == frame.height:
        state(
            f"{plan.name}: a delimiter ends each line; the last column, without name and values, is left out."
        )
        return frame.drop(last)
    return frame
