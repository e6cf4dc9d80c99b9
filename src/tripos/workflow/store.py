"""Where a run keeps its things: a folder that is whole or visibly unfinished, and the journal that resumes it.

A run works in `<out>/<name>-<time>.unfinished/` and renames that folder at its very end. A rename is atomic, so
what is called `<name>-<time>` holds every part, whatever stopped the process: Ctrl-C, `kill -9`, a full disk,
the power. Each file inside is written beside its place, flushed to the disk and moved over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import tripos
from tripos.errors import ArtifactError, RunError
from tripos.workflow.config import RunConfig, read_config

UNFINISHED = ".unfinished"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def clear_disk_errors(folder: Path) -> Iterator[None]:
    """A full disk or a folder that may not be written becomes a `RunError` that says what to do."""
    try:
        yield
    except (OSError, ArtifactError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        number = cause.errno if isinstance(cause, OSError) else None
        if number in _DISK_FULL:
            raise RunError(
                f"the disk that holds {folder} is full; nothing finished was lost: "
                "free some space and start the run again with --resume"
            ) from cause
        if number in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RunError(
                f"{folder} may not be written: {os.strerror(number)}; choose another folder with --out"
            ) from cause
        raise


def write_atomic(path: Path, content: bytes | str | Callable[[Path], object]) -> None:
    """Puts a whole file at `path`, or leaves what was there.

    Parameters
    ----------
    path : Path
    content : bytes, str, or callable
        A callable writes the file at the path it is given.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with clear_disk_errors(path.parent):
        try:
            if callable(content):
                content(temporary)
            else:
                temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """A JSON file, written atomically; NaN and infinity, which JSON lacks, become null."""
    write_atomic(path, json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} lacks {path.name}: it is not a finished run") from None
    except ValueError as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def plain(value: Any) -> Any:
    """The value with NumPy scalars and arrays, tuples and dates as JSON's own kinds."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy scalar or array
        return plain(value.tolist())
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class Journal:
    """Finished evaluations, one JSON line each, on the disk before the next one begins.

    A line that was cut by a crash is the last one; it is dropped on opening, and its evaluation is made again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        end = 0
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines(keepends=True):
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or "key" not in entry:
                break
            self.entries[entry["key"]] = entry["value"]
            end += len(line)
        if end < len(content):
            with path.open("rb+") as file:
                file.truncate(end)

    def get(self, key: str) -> dict[str, Any] | None:
        return self.entries.get(key)

    def put(self, key: str, value: dict[str, Any]) -> None:
        value = plain(value)
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n"
        with clear_disk_errors(self.path.parent), self.path.open("ab") as file:
            file.write(line.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        self.entries[key] = value


class RunFolder:
    """The folder a run is writing; `finish()` gives it its final name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _lock(path / "lock")
        self.journal = Journal(path / "journal.jsonl")

    @classmethod
    def create(cls, out: Path | str, stem: str) -> RunFolder:
        """A new folder under `out`, named after the table and the time."""
        out = Path(out)
        with clear_disk_errors(out):
            if out.exists() and not out.is_dir():
                raise RunError(f"--out {out} is a file, not a folder")
            out.mkdir(parents=True, exist_ok=True)
            name = f"{slug(stem)}-{time.strftime('%Y%m%d-%H%M%S')}"
            for suffix in ["", *(f"-{k}" for k in range(2, 1000))]:
                path = out / f"{name}{suffix}{UNFINISHED}"
                if (out / f"{name}{suffix}").exists():
                    continue
                with contextlib.suppress(FileExistsError):
                    path.mkdir()
                    return cls(path)
        raise RunError(f"{out} has a thousand runs of this second; choose another --out")

    def write(self, name: str, content: bytes | str | Callable[[Path], object]) -> None:
        path = self.path / name
        with clear_disk_errors(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)

    def write_json(self, name: str, value: Any) -> None:
        write_json(self.path / name, value)

    def close(self) -> None:
        """Lets go of an unfinished folder, so that another process may resume it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def discard(self) -> None:
        """Removes the folder of a run that failed before it had anything worth keeping."""
        self.close()
        for path in sorted(self.path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.path.rmdir()

    def finish(self) -> Path:
        """Everything is written: drop what only a resumption needs and take the final name."""
        self.close()
        with clear_disk_errors(self.path):
            for name in ("lock", "journal.jsonl"):
                (self.path / name).unlink(missing_ok=True)
            final = self.path.with_name(self.path.name.removesuffix(UNFINISHED))
            os.replace(self.path, final)
            _sync_folder(final.parent)
        self.path = final
        return final


@dataclass(frozen=True)
class RunSummary:
    """One line of `tripos runs`."""

    path: Path
    status: str  # "complete", "running" or "interrupted"
    target: str
    table: str
    created: str
    winner: str | None = None
    metric: str | None = None
    score: float | None = None


def list_runs(out: Path | str) -> list[RunSummary]:
    """The runs under `out`, newest first; folders that are no runs are passed over."""
    out = Path(out)
    found = []
    for folder in out.iterdir() if out.is_dir() else ():
        if (folder / "config.toml").is_file():
            with contextlib.suppress(RunError):
                found.append(_summary(folder))
    return sorted(found, key=lambda run: (run.created, run.path.name), reverse=True)


def _summary(folder: Path) -> RunSummary:
    config, record = read_config(folder / "config.toml")
    status, winner, metric, score = "complete", None, None, None
    if folder.name.endswith(UNFINISHED):
        status = "running" if is_locked(folder) else "interrupted"
    else:
        metrics = read_json(folder / "metrics.json")
        winner, metric, score = metrics["winner"], metrics["metric"], metrics["test"]["score"]
    return RunSummary(
        folder, status, config.target, config.table, record.get("created", ""), winner, metric, score
    )


def find_resumable(config: RunConfig, fingerprint: str) -> Path | None:
    """The newest interrupted run of the same table and target, or None when there is none.

    Raises
    ------
    RunError
        When there is one, but its table or its settings are not those of `config`: its scores would be compared
        with scores of something else.
    """
    for run in list_runs(config.out):
        if run.status == "complete" or (run.table, run.target) != (config.table, config.target):
            continue
        if run.status == "running":
            raise RunError(f"{run.path} is being worked on by another process; wait for it or stop it first")
        then, record = read_config(run.path / "config.toml")
        if record.get("fingerprint") != fingerprint:
            raise RunError(f"the table has changed since {run.path} began: start again without --resume")
        if record.get("tripos") != tripos.__version__:
            raise RunError(
                f"{run.path} was begun by tripos {record.get('tripos')}, this is {tripos.__version__}: "
                "their scores may differ, so start again without --resume"
            )
        changed = config.differences(then)
        if changed:
            raise RunError(
                f"{run.path} was begun with other settings: {'; '.join(changed)}. Start again without --resume"
            )
        return run.path
    return None


def resolve_run(run: Path | str, out: Path | str = "runs") -> Path:
    """The folder of a finished run, from its path, its name under `out`, or "last"."""
    if str(run) == "last":
        complete = [r.path for r in list_runs(out) if r.status == "complete"]
        if not complete:
            raise RunError(
                f"there is no finished run in {out}; make one with: tripos run TABLE --target COLUMN"
            )
        return complete[0]
    for path in (Path(run), Path(out) / run):
        if path.is_dir():
            if path.name.endswith(UNFINISHED):
                raise RunError(f"{path} did not finish; go on with: tripos run ... --resume")
            if not (path / "metrics.json").is_file():
                raise RunError(f"{path} is not the folder of a run: it has no metrics.json")
            return path
    raise RunError(f"there is no run {run}; list them with: tripos runs --out {out}")


def slug(text: str) -> str:
    """A name that is safe in any file system.

    Examples
    --------
    >>> slug("Télco churn/2024 (v2)")
    'Télco-churn-2024-v2'
    """
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:60] or "table"


def is_locked(folder: Path) -> bool:
    """Whether a living process works in the folder."""
    try:
        lock = _lock(folder / "lock")
    except RunError:
        return True
    if lock is not None:
        lock.close()
    return False


def _lock(path: Path) -> IO[bytes] | None:
    """Holds the file for this process; the system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # no such thing on Windows: two processes in one folder are then the user's to avoid
        return None
    with clear_disk_errors(path.parent):
        file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise RunError(
            f"{path.parent} is being worked on by another process; wait for it or stop it first"
        ) from None
    return file


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system allows opening a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
