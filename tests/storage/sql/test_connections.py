"""Databases: what is meant, what is told of them, and how they are opened."""

from __future__ import annotations

import pickle
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.scannerpy import protobufs
from beam_scanner.storage import SQLConfig
from beam_scanner.storage.sql import connections
from beam_scanner.storage.sql.connections import Database, literal
from tests.support.sql_servers import PASSWORD, TestDatabase

PLACE: dict[str, Any] = {
    "hostaddr": "10.0.0.1",
    "port": 5433,
    "dbname": "tv",
    "user": "ann",
    "password": "a:b@c/d",
    "adapter": "postgres",
}


def test_all_forms_mean_the_same() -> None:
    url = "postgresql://ann:a%3Ab%40c%2Fd@10.0.0.1:5433/tv"
    found = {
        Database.of(form)
        for form in (
            PLACE,
            SQLConfig(**PLACE),
            protobufs.SQLConfig(**PLACE),
            url,
            url.replace("postgresql", "postgres"),
        )
    }
    assert found == {
        Database("postgresql+psycopg://ann@10.0.0.1:5433/tv", PLACE["password"])
    }


def test_passwords_are_not_shown() -> None:
    config = SQLConfig(**PLACE)
    database = Database.of(config)
    assert PLACE["password"] not in f"{config!r} {database!r} {database.url}"
    assert pickle.loads(pickle.dumps(database)).password == PLACE["password"]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"adapter": "mysql", "dbname": "a"}, "Requested adapter mysql does not exist"),
        ("mysql://ann@host/tv", "postgres, sqlite or duckdb, got 'mysql'"),
        ("sqlite://", "sqlite needs a file"),
        ("duckdb:///:memory:", "duckdb needs a file"),
        ({"host": "a"}, "hostaddr, port, dbname, user, password, adapter; got 'host'"),
        (7, "a SQLConfig, a dict of its fields or a URL, got int"),
    ],
)
def test_what_is_no_database(config: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        Database.of(config)


def test_what_is_no_url_is_not_repeated() -> None:
    with pytest.raises(ArgumentError) as caught:
        Database.of(f"ann:{PASSWORD}")
    assert PASSWORD not in str(caught.value)


def test_files_are_not_made(tmp_path) -> None:
    for kind in ("sqlite", "duckdb"):
        with pytest.raises(StorageError, match="there is no database"):
            Database.of(f"{kind}:///{tmp_path}/none").reading().__enter__()
    assert not list(tmp_path.iterdir())


def test_paths_are_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Database.of("sqlite:///a.db").file == str(tmp_path / "a.db")


def test_odd_file_names(tmp_path) -> None:
    import sqlite3

    path = tmp_path / "a b?c#%41.db"
    sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close()
    with Database.of({"adapter": "sqlite", "dbname": str(path)}).reading() as found:
        assert found.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0


def test_reading_changes_nothing(sql: TestDatabase) -> None:
    sql.run("CREATE TABLE t (a INTEGER)")
    with Database.of(sql.url).reading() as connection:
        if sql.kind != "postgresql":
            with pytest.raises(Exception, match=r"(?i)read-?only"):
                connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert sql.rows("SELECT * FROM t") == []


def test_writing_is_whole_or_nothing(sql: TestDatabase) -> None:
    database = Database.of(sql.url)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")

    def interrupted() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE u (a INTEGER)")
            connection.exec_driver_sql("INSERT INTO t VALUES (2)")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    with database.writing(keep=False) as connection:
        connection.exec_driver_sql("CREATE TABLE u (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (3)")
    assert sql.rows("SELECT * FROM t") == [(1,)]
    sql.run("CREATE TABLE u (a INTEGER)")


def test_writers_wait_for_each_other(sql: TestDatabase) -> None:
    sql.run("CREATE TABLE t (a INTEGER)", "INSERT INTO t VALUES (0)")
    database = Database.of(sql.url)

    def add() -> None:
        for _ in range(5):
            with database.writing() as connection:
                found = connection.exec_driver_sql("SELECT a FROM t").scalar()
                connection.exec_driver_sql(f"UPDATE t SET a = {found + 1}")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql.rows("SELECT a FROM t") == [(20,)]


def test_a_locked_file_is_waited_for(tmp_path, monkeypatch) -> None:
    import duckdb

    path = tmp_path / "a.duckdb"
    held = duckdb.connect(str(path), read_only=False)
    held.execute("CREATE TABLE t AS SELECT 1 AS a")
    database = Database.of(f"duckdb:///{path}")
    # This process can read what it has open for writing.
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT a FROM t").scalar() == 1
    held.close()
    reader = duckdb.connect(str(path), read_only=True)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            reader.close()

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    with monkeypatch.context() as patch:
        patch.setattr(connections, "time", clock)
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE t SET a = 2")
    assert len(pauses) == 3
    assert min(pauses) > 0
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.2)
    reader = duckdb.connect(str(path), read_only=True)
    with pytest.raises(StorageError, match="cannot open duckdb"):
        database.writing().__enter__()
    reader.close()


@pytest.mark.slow
def test_a_refused_password_is_not_told(postgres: TestDatabase) -> None:
    with pytest.raises(StorageError, match="password authentication failed") as caught:
        Database.of(postgres.url.replace(PASSWORD, "wrong-5512")).reading().__enter__()
    shown = repr(caught.value) + repr(caught.value.__cause__)
    assert "wrong-5512" not in shown


def test_colons_are_no_parameters() -> None:
    from sqlalchemy import text

    for sql in (":a", "a::date", "' :b '", "x[:c]", "\\:d"):
        assert str(text(literal(sql))) == sql
