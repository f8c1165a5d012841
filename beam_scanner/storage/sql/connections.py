"""SQL databases: which one is meant, and connections to it.

A connection is opened for each use and closed after it: worker processes are forks,
which must not share one, and a file of DuckDB is locked for as long as it is open.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from beam_scanner.errors import (
    ArgumentError,
    MissingDependencyError,
    OutcomeUnknownError,
    StorageError,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

WAIT_SECONDS = 30.0
"""How long a file that another process has locked is waited for."""

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_FILES = ("sqlite", "duckdb")
_AGAIN_SECONDS = 0.1
_SHOWN = 500
# What DuckDB says while others, or this process in the other mode, have a file open.
_LOCKED = ("Could not set lock", "with a different configuration")
# Writers of one process: DuckDB has no lock for them that waits.
_writing = threading.Lock()


@dataclass(frozen=True)
class SQLConfig:
    """How a database is reached, in the words of Scanner's tools.

    Attributes:
        hostaddr: Host of the server; '' for that of the environment (``PGHOST``).
        port: Its port; 0 for the usual one.
        dbname: The database; of SQLite and DuckDB the file.
        user: Who connects; '' for that of the environment.
        password: Travels with the run. Workers that have ``PGPASSWORD`` or a
            ``~/.pgpass`` need none here.
        adapter: 'postgres', 'sqlite' or 'duckdb'.

    Examples:
        >>> SQLConfig(adapter='postgres', dbname='tv', user='ann', password='secret')
        SQLConfig(hostaddr='', port=0, dbname='tv', user='ann', adapter='postgres')
    """

    hostaddr: str = ""
    port: int = 0
    dbname: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    adapter: str = "postgres"


@dataclass(frozen=True)
class Database:
    """A database that workers can open; what identifies it has no password.

    Attributes:
        url: SQLAlchemy's, without password.
        password: '' for none.
    """

    url: str
    password: str = field(default="", repr=False)

    @staticmethod
    def of(config: Any) -> Database:
        """The database that is meant.

        Args:
            config: A ``SQLConfig``, a dict or message with its fields, or
                SQLAlchemy's URL: ``sqlite:///films.db``, ``duckdb:////data/films.db``,
                ``postgresql://user@host/name``.

        Raises:
            ArgumentError: It is none, or the kind of database is unknown.
            MissingDependencyError: A package is missing.

        Examples:
            >>> Database.of({'adapter': 'sqlite', 'dbname': '/data/films.db'})
            Database(url='sqlite:////data/films.db')
        """
        url = _url(config)
        kind = url.get_backend_name()
        if kind in _FILES:
            if not url.database or url.database == ":memory:":
                raise ArgumentError(
                    f"{kind} needs a file: workers do not see what is in memory"
                )
            url = url.set(database=os.path.abspath(url.database))
        elif kind != "postgresql":
            raise ArgumentError(
                f"SQL databases can be postgres, sqlite or duckdb, got {kind!r}"
            )
        password = url.password or ""
        return Database(url._replace(password=None).render_as_string(), str(password))

    @property
    def kind(self) -> str:
        """'postgresql', 'sqlite' or 'duckdb'."""
        return self.url.partition(":")[0].partition("+")[0]

    @property
    def file(self) -> str | None:
        """Where it lies; None for a server's."""
        if self.kind not in _FILES:
            return None
        return str(_parsed(self.url).database)

    def reading(self) -> Any:
        """A connection that sees one state of the database and changes nothing.

        Returns:
            A context manager that gives SQLAlchemy's ``Connection``.

        Raises:
            StorageError: The database cannot be opened, or refuses a statement.
        """
        return self._connected(write=False)

    @contextmanager
    def writing(self, keep: bool = True) -> Iterator[Connection]:
        """A transaction of the only writer.

        Args:
            keep: Whether it is committed at the end; else nothing is changed.

        Raises:
            StorageError: The database cannot be opened, or refuses a statement;
                nothing is changed.
            OutcomeUnknownError: It did not say whether all was committed.
        """
        with _writing, self._connected(write=True) as connection:
            if self.kind == "postgresql":
                # Two that create a table at the same time are in each other's way.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4170518)")
            yield connection
            if keep:
                try:
                    connection.commit()
                except Exception as error:
                    if not connection.closed and not connection.invalidated:
                        raise
                    raise OutcomeUnknownError(
                        f"cannot tell whether {self.url} has committed: {error}"
                    ) from error

    @contextmanager
    def _connected(self, write: bool) -> Iterator[Connection]:
        from sqlalchemy.exc import DBAPIError

        connection = self._open(write)
        try:
            yield connection
        except DBAPIError as error:
            raise StorageError(f"{self.url}: {reason(error)}") from error
        finally:
            connection.close()

    def _open(self, write: bool) -> Connection:
        from sqlalchemy.exc import DBAPIError

        if self.file is not None and not os.path.isfile(self.file):
            raise StorageError(f"there is no database {self.file!r}")
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self._begun(write)
            except DBAPIError as error:
                told = str(error.orig)
                waits = any(words in told for words in _LOCKED)
                if not waits or time.monotonic() > until:
                    raise StorageError(
                        f"cannot open {self.url}: {told.strip()}"
                    ) from error
                time.sleep(_AGAIN_SECONDS)

    def _begun(self, write: bool) -> Connection:
        from sqlalchemy.exc import DBAPIError

        try:
            connection = _engine(self.url, self.password, write).connect()
        except DBAPIError as error:
            # This process itself has the file open for writing.
            if write or _LOCKED[1] not in str(error.orig):
                raise
            connection = _engine(self.url, self.password, True).connect()
        try:
            connection.begin()
            if self.kind == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
        except BaseException:
            connection.close()
            raise
        return connection


def reason(error: Exception) -> str:
    """What a database says is wrong, without the statement's values."""
    told = str(getattr(error, "orig", None) or error).strip()
    statement = (getattr(error, "statement", None) or "").strip()
    if len(statement) > _SHOWN:
        statement = f"{statement[:_SHOWN]} ..."
    return f"{told}; in: {statement}" if statement else told


def literal(sql: str) -> str:
    r"""SQL of the user's, in which a colon never begins a parameter.

    Examples:
        >>> print(literal("name = ' :a' AND day = x::date"))
        name = ' \:a' AND day = x\:\:date
    """
    return sql.replace(":", "\\:")


def _url(config: Any) -> URL:
    try:
        from sqlalchemy import URL
        from sqlalchemy.exc import ArgumentError as NoURLError
    except ImportError as error:
        raise _missing("SQL streams need SQLAlchemy") from error
    if isinstance(config, str):
        try:
            url = _parsed(config)
        except NoURLError:
            # Its own words have the password.
            raise ArgumentError(
                "a database is a URL like sqlite:///films.db or "
                "postgresql://user@host/name; what was given is none"
            ) from None
        return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    given = _fields(config)
    adapter = given.adapter.lower()
    if adapter not in (*_DRIVERS, *_FILES):
        raise ArgumentError(
            f'Requested adapter {adapter} does not exist. Only "postgres", "sqlite" '
            'and "duckdb" are supported.'
        )
    return URL.create(
        _DRIVERS.get(adapter, adapter),
        username=given.user or None,
        password=given.password or None,
        host=given.hostaddr or None,
        port=given.port or None,
        database=given.dbname or None,
    )


def _fields(config: Any) -> SQLConfig:
    if isinstance(config, SQLConfig):
        return config
    names = [f.name for f in fields(SQLConfig)]
    if isinstance(config, Mapping):
        unknown = [key for key in config if key not in names]
        if unknown:
            raise ArgumentError(
                f"a SQLConfig has {', '.join(names)}; got {unknown[0]!r}"
            )
        return SQLConfig(**config)
    # A message of scannerpy.protobufs.
    if not all(hasattr(config, name) for name in names):
        raise ArgumentError(
            "config of a SQLStorage must be a SQLConfig, a dict of its fields or a "
            f"URL, got {type(config).__name__}"
        )
    return SQLConfig(**{name: getattr(config, name) for name in names})


def _missing(what: str) -> MissingDependencyError:
    return MissingDependencyError(f"{what}: pip install 'beam-scanner[sql]'")


@lru_cache(maxsize=64)
def _parsed(url: str) -> URL:
    from sqlalchemy import make_url

    return make_url(url)


@lru_cache(maxsize=64)
def _engine(url: str, password: str, write: bool) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    parsed = _parsed(url)
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    makers = {"sqlite": _sqlite, "duckdb": _duckdb}
    make = makers.get(parsed.get_backend_name())
    if make is not None:
        options["creator"] = make(str(parsed.database), write)
    if password:
        parsed = parsed.set(password=password)
    try:
        return create_engine(parsed, **options)
    except ImportError as error:
        raise _missing(f"{parsed.drivername} needs {error.name}") from error


def _sqlite(path: str, write: bool) -> Callable[[], sqlite3.Connection]:
    """Connections in which a transaction begins where it is begun, DDL included."""
    uri = f"file:{quote(path)}?mode={'rw' if write else 'ro'}"
    return lambda: sqlite3.connect(
        uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None
    )


def _duckdb(path: str, write: bool) -> Callable[[], Any]:
    """Connections that this process may have beside those of its program.

    DuckDB wants the settings of all of them to be the same, and duckdb-engine has some
    of its own.
    """
    try:
        import duckdb
        from duckdb_engine import ConnectionWrapper
    except ImportError as error:
        raise _missing("DuckDB needs duckdb-engine") from error
    return lambda: ConnectionWrapper(duckdb.connect(path, read_only=not write))
