"""Tables from a database by URL, through polars and connectorx (extra `sql`)."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import polars as pl

from tripos.data.messages import quoted
from tripos.data.read_plan import Asked
from tripos.errors import TableError

SCHEMES = (
    "sqlite",
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "mssql",
    "oracle",
    "redshift",
    "clickhouse",
    "bigquery",
    "trino",
)
READING = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)


def is_database(source: str) -> bool:
    """Whether a string is the URL of a database."""
    return re.split(r"[+:]", source, maxsplit=1)[0].lower() in SCHEMES and "://" in source


def read_sql(url: str, asked: Asked) -> pl.DataFrame:
    """Read a table, or the answer to a query, from a database.

    Parameters
    ----------
    url : str
        `sqlite:///path/to/file.db`, `postgresql://user:password@host/database`, ... with `?table=NAME` unless `asked.query`
        says what to read; a lone table of an SQLite file needs no name.
    """
    url, table = _split_table(
        re.sub(r"^(\w+)\+\w+://", r"\1://", url)
    )  # SQLAlchemy names a driver, connectorx has its own
    shown = without_password(url)
    if url.startswith("sqlite:"):
        path = _sqlite_path(url)
        url = f"sqlite://{path.resolve()}"
        table = table or (None if asked.query else _only_table(path))
    query = _query(shown, table, asked)
    try:
        import connectorx  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise TableError(f"{shown} is a database: pip install 'tripos[sql]' to read it.") from error
    try:
        return pl.read_database_uri(query, url, engine="connectorx")
    except Exception as error:  # connectorx raises RuntimeError and panics of its own, by database
        reason = str(error).replace(url, shown).strip()
        raise TableError(f"{shown} could not be read with {query!r}: {reason}") from error


def without_password(url: str) -> str:
    """The URL as it may be shown.

    >>> without_password("postgresql://ann:secret@host/db")
    'postgresql://ann:***@host/db'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _split_table(url: str) -> tuple[str, str | None]:
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    table = next((value for key, value in options if key == "table"), None)
    rest = urlencode([(key, value) for key, value in options if key != "table"])
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path, rest, ""))
    if parts.scheme == "sqlite":  # urlunsplit drops the empty host
        plain = f"sqlite://{parts.netloc}{parts.path}"
    return plain, table


def _sqlite_path(url: str) -> Path:
    """`sqlite:///data.db` is relative and `sqlite:////tmp/data.db` absolute, by custom; a lone absolute match is taken too."""
    text = url.removeprefix("sqlite://")
    for path in (Path(text.removeprefix("/")), Path(text)):
        if path.is_file():
            return path
    raise TableError(
        f"There is no file {text.removeprefix('/')!r} for {url}; sqlite:///relative/path or sqlite:////absolute/path."
    )


def _only_table(path: Path) -> str:
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = connection.execute(
                "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'"
            )
            tables = [str(row[0]) for row in rows]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise TableError(f"{path} is no SQLite database: {error}.") from error
    if len(tables) != 1:
        raise TableError(
            f"{path} holds {len(tables)} tables ({quoted(tables, 12)}): add ?table=NAME to the URL, or pass query=."
        )
    return tables[0]


def _query(shown: str, table: str | None, asked: Asked) -> str:
    """The statement to run: the caller's own, or all of a table; only the columns and rows asked for."""
    if asked.query is not None:
        if not READING.match(asked.query):
            raise TableError(f"query= reads with SELECT; got {asked.query[:60]!r}.")
        inner = f"({asked.query.strip().rstrip(';')}) as asked"
    elif table is not None:
        inner = ".".join(_name(part) for part in table.split("."))
    else:
        raise TableError(
            f"Say what to read from {shown}: add ?table=NAME to the URL, or pass query='select ...'."
        )
    if asked.columns is None and asked.n_rows is None:
        return asked.query if asked.query is not None else f"select * from {inner}"
    columns = "*" if asked.columns is None else ", ".join(map(_name, asked.columns))
    limit = "" if asked.n_rows is None else f" limit {int(asked.n_rows)}"
    return f"select {columns} from {inner}{limit}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
