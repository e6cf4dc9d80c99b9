"""What was asked of a run, kept as `config.toml` so that the same run can be made again.

TOML is read by the standard library; it has no writer there, and the few kinds of value a run is configured
by (strings, numbers, flags, lists of strings, string to string) need twenty lines, not a dependency.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tripos.errors import RunError

TASKS = ("classification", "binary", "multiclass", "regression")
#: Settings that say where to put things, how long to take and how far to go: a resumed run may change them.
_FREE_ON_RESUME = ("out", "name", "time", "trials")


@dataclass(frozen=True)
class RunConfig:
    """The settings of one run.

    Parameters
    ----------
    table : str
        Where the table was read from; empty when a data frame was passed.
    target : str
        The column to predict.
    task : {"classification", "binary", "multiclass", "regression"}, optional
        Inferred from the target when absent.
    time : float
        Seconds for the search, cross-validation included.
    test : float
        Share of the rows put aside for the one test at the end, between 0 and 1.
    group : str, optional
        Column whose values stay together: no group is in two parts.
    time_column : str, optional
        Column to order by: the latest rows are the test, folds go forward in time. "none" forbids what
        the run would do by itself when the rows are in order of a date.
    metric : str, optional
        The measure P that candidates are ranked by; chosen by the task when absent.
    out : str
        Folder that receives the run's folder.
    seed : int
        Every random choice follows from it.
    folds : int, optional
        Folds of the cross-validation; 5, or 3 of a large table, when absent.
    trials : int, optional
        Evaluations to make, whatever time they take; recorded in a finished run's `config.toml`, so that
        running it again gives the same leaderboard on a faster or a slower machine.
    kinds : dict of str to str
        Columns whose kind is given rather than inferred ("category", "number", "text", ...).
    exclude, keep : tuple of str
        Columns never used, and columns used although they look like a leak or an identifier.
    candidates : tuple of str
        Names of candidates to try (a name without its variant means all variants); empty means all.
    read : dict
        Arguments for `read_table`: delimiter, encoding, nulls, sheet, query, header.
    name : str, optional
        First part of the run folder's name; the table's name when absent.

    Examples
    --------
    >>> RunConfig(table="sms.tsv", target="label", time=5).time
    5
    >>> RunConfig(table="sms.tsv", target="label", test=1.5)
    Traceback (most recent call last):
        ...
    tripos.errors.RunError: test must lie between 0 and 1 (the share of rows put aside), got 1.5
    """

    table: str
    target: str
    task: str | None = None
    time: float = 60.0
    test: float = 0.2
    group: str | None = None
    time_column: str | None = None
    metric: str | None = None
    out: str = "runs"
    seed: int = 0
    folds: int | None = None
    trials: int | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    read: dict[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __post_init__(self) -> None:
        for name in ("exclude", "keep", "candidates"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value or ()))
        object.__setattr__(self, "kinds", dict(self.kinds or {}))
        object.__setattr__(self, "read", {k: v for k, v in (self.read or {}).items() if v is not None})
        _require(
            isinstance(self.target, str) and self.target != "",
            "target must be the name of a column",
            self.target,
        )
        _require(
            self.task is None or self.task in TASKS, f"task must be one of {', '.join(TASKS)}", self.task
        )
        _require(0 < self.test < 1, "test must lie between 0 and 1 (the share of rows put aside)", self.test)
        _require(self.time > 0, "time must be a positive number of seconds", self.time)
        _require(self.folds is None or self.folds >= 2, "folds must be at least 2", self.folds)
        _require(self.trials is None or self.trials >= 1, "trials must be at least 1", self.trials)
        _require(self.seed >= 0, "seed must not be negative", self.seed)
        if self.group is not None and self.timed:
            raise RunError("group and time_column cannot both decide the split; give one of them")

    @property
    def timed(self) -> bool:
        """Whether a column to order the split by was named."""
        return self.time_column not in (None, "none")

    def stem(self) -> str:
        """The name the run's folder begins with."""
        return self.name or (Path(self.table).name.split(".")[0] if self.table else "table") or "table"

    def differences(self, other: RunConfig) -> list[str]:
        """Settings that decide the result and differ from `other`'s, as "name: this, then: that"."""
        names = [f.name for f in fields(self) if f.name not in _FREE_ON_RESUME]
        pairs = [(n, getattr(self, n), getattr(other, n)) for n in names]
        return [f"{n} is {here!r} now and was {there!r} then" for n, here, there in pairs if here != there]

    def to_toml(self, record: Mapping[str, Any] | None = None) -> str:
        """This configuration as TOML; `record` holds what was true of the run (version, fingerprint)."""
        settings = {k: v for k, v in asdict(self).items() if v is not None and v != () and v != {}}
        lines = ["# What this run was asked. Make it again: tripos run --config config.toml", "", "[run]"]
        lines += [f"{key} = {toml_value(value)}" for key, value in settings.items()]
        if record:
            lines += [
                "",
                "# What was found, to tell whether a table or a version has changed since.",
                "[record]",
            ]
            lines += [f"{key} = {toml_value(value)}" for key, value in record.items() if value is not None]
        return "\n".join(lines) + "\n"


def read_config(path: Path | str) -> tuple[RunConfig, dict[str, Any]]:
    """The configuration in a `config.toml` and the record beside it."""
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"there is no configuration file {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is not a TOML file: {error}") from None
    settings = document.get("run", {})
    known = {f.name for f in fields(RunConfig)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise RunError(
            f"{path} has settings a run does not know: {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
        )
    missing = [name for name in ("table", "target") if name not in settings]
    if missing:
        raise RunError(f"{path} lacks {' and '.join(missing)} under [run]")
    try:
        return RunConfig(**settings), dict(document.get("record", {}))
    except TypeError as error:
        raise RunError(f"{path} has a setting of the wrong type: {error}") from None


def toml_value(value: Any) -> str:
    """One value as TOML.

    Examples
    --------
    >>> print(toml_value({"zip code": "category"}))
    { "zip code" = "category" }
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # A JSON string is a TOML basic string but for DEL, which JSON leaves bare and TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, Mapping):
        pairs = [f"{toml_value(str(k))} = {toml_value(v)}" for k, v in value.items()]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    raise TypeError(f"a run's configuration cannot hold {type(value).__name__}: {value!r}")


def _require(condition: bool, message: str, value: Any) -> None:
    if not condition:
        raise RunError(f"{message}, got {value!r}")
