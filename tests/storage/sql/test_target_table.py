"""Tables that are written: all rows once, or none."""

from __future__ import annotations

import threading

import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError, StorageError
from beam_scanner.storage.sql import target_table
from beam_scanner.storage.sql.connections import Database
from beam_scanner.storage.sql.target_table import Target, check_rows
from tests.support.sql_servers import TestDatabase


def target(sql: TestDatabase, **how) -> Target:
    given = {"table": "face", "job": "j", "insert": True, **how}
    return Target(Database.of(sql.url), **given)


def make(sql: TestDatabase, more: str = "") -> None:
    sql.run(
        f"CREATE TABLE face (id {sql.serial()}, frame INTEGER NOT NULL, "
        f"name VARCHAR(20), score DOUBLE PRECISION{more})"
    )


def numbered(*rows):
    return list(enumerate(rows))


def test_a_generation_is_written_once(sql: TestDatabase) -> None:
    make(sql)
    sql.run("CREATE TABLE jobs (name VARCHAR(20) UNIQUE)")
    job = target(sql, job_table="jobs")
    assert not job.is_committed()
    rows = numbered({"frame": 1, "name": "é'\":x%"}, {"frame": 2}, {"frame": 1})
    for _ in range(2):
        job.commit("g1", rows)
        assert job.is_committed()
        found = sql.rows("SELECT frame, name, score FROM face ORDER BY id")
        assert found == [(1, "é'\":x%", None), (2, None, None), (1, None, None)]
        assert sql.rows("SELECT name FROM jobs") == [("j",)]
    other = target(sql, job="k")
    assert not other.is_committed()
    other.commit("g1", rows[:1])
    assert len(sql.rows("SELECT * FROM face")) == 4


def test_another_generation_replaces_what_was_inserted(sql: TestDatabase) -> None:
    make(sql)
    sql.run("INSERT INTO face (frame, name) VALUES (0, 'mine')")
    job = target(sql)
    job.commit("g1", numbered({"frame": 1}, {"frame": 2}))
    job.commit("g2", numbered({"frame": 3}))
    assert sql.rows("SELECT frame FROM face ORDER BY frame") == [(0,), (3,)]
    job.remove()
    assert not job.is_committed()
    assert sql.rows("SELECT frame FROM face") == [(0,)]
    job.remove()


def test_the_same_keys_are_inserted_again(sql: TestDatabase) -> None:
    make(sql)
    job = target(sql)
    job.commit("g1", numbered({"id": 100, "frame": 1}, {"id": 101, "frame": 2}))
    job.commit("g2", numbered({"id": 100, "frame": 3}))
    assert sql.rows("SELECT id, frame FROM face") == [(100, 3)]


def test_rows_without_a_primary_key_are_not_doubled(sql: TestDatabase) -> None:
    sql.run("CREATE TABLE face (frame INTEGER)")
    job = target(sql)
    job.commit("g1", numbered({"frame": 1}))
    job.commit("g1", numbered({"frame": 1}))
    with pytest.raises(StorageError, match="'face', which has no primary key"):
        job.commit("g2", numbered({"frame": 1}))
    assert sql.rows("SELECT frame FROM face") == [(1,)]
    job.remove()
    assert not job.is_committed()


def test_long_statements_are_not_repeated(sql: TestDatabase) -> None:
    make(sql, ", UNIQUE (frame)")
    with pytest.raises(StorageError) as caught:
        target(sql).commit("g", numbered(*[{"frame": 1}] * 500))
    assert len(str(caught.value)) < 1500


def test_nothing_is_written_when_a_row_is_refused(sql: TestDatabase) -> None:
    make(sql, ", UNIQUE (frame)")
    job = target(sql)
    job.commit("g1", numbered({"frame": 1}))
    with pytest.raises(StorageError, match=r"(?i)unique|duplicate"):
        job.commit("g2", numbered({"frame": 7}, {"frame": 7}))
    assert sql.rows("SELECT frame FROM face") == [(1,)]
    job.commit("g1", [])
    assert sql.rows("SELECT frame FROM face") == [(1,)]


def test_many_rows(sql: TestDatabase, monkeypatch) -> None:
    monkeypatch.setattr(target_table, "_VALUES", 7)
    make(sql)
    rows = [{"frame": n, "name": str(n)} if n % 5 else {"frame": n} for n in range(50)]
    target(sql).commit("g", numbered(*rows))
    assert sql.rows("SELECT frame, name FROM face ORDER BY id") == [
        (n, str(n) if n % 5 else None) for n in range(50)
    ]


def test_rows_with_a_key_are_replaced(sql: TestDatabase) -> None:
    make(sql, ", UNIQUE (frame)")
    sql.run("INSERT INTO face (frame, name, score) VALUES (1, 'old', 0.5)")
    job = target(sql, key=("frame",))
    job.check()
    rows = numbered({"frame": 1, "name": "new"}, {"frame": 2, "name": None})
    for generation in ("g1", "g2"):
        job.commit(generation, rows)
        found = sql.rows("SELECT frame, name, score FROM face ORDER BY frame")
        assert found == [(1, "new", 0.5), (2, None, None)]
    with pytest.raises(ArgumentError, match=r"elements 0 and 1 .* same frame: \[5\]"):
        job.commit("g3", numbered({"frame": 5}, {"frame": 5, "name": "x"}))


def test_a_key_needs_a_constraint(sql: TestDatabase) -> None:
    make(sql)
    with pytest.raises(ArgumentError, match=r"cannot be written: .*(?i:conflict)"):
        target(sql, key=("frame",)).check()
    with pytest.raises(
        ArgumentError, match=r"no column 'scene'.* it has id, frame, name"
    ):
        target(sql, key=("scene",)).check()


def test_refused_rows_are_left_out(sql: TestDatabase) -> None:
    make(sql, ", UNIQUE (frame)")
    job = target(sql, ignore_conflicts=True)
    job.check()
    job.commit("g", numbered({"frame": 1, "name": "a"}, {"frame": 1, "name": "b"}))
    assert sql.rows("SELECT frame, name FROM face") == [(1, "a")]


def test_rows_are_changed(sql: TestDatabase) -> None:
    make(sql)
    sql.run("INSERT INTO face (id, frame, name) VALUES (1, 1, 'a'), (2, 2, 'b')")
    job = target(sql, insert=False, key=("id",))
    job.check()
    job.commit(
        "g1", numbered({"id": 2, "score": 1, "name": None}, {"id": 1, "score": 2})
    )
    found = sql.rows("SELECT id, name, score FROM face ORDER BY id")
    assert found == [(1, "a", 2), (2, None, 1)]
    with pytest.raises(
        StorageError, match=r"element 1 of job 'j'.* not in table 'face'"
    ):
        job.commit("g2", numbered({"id": 1, "score": 9}, {"id": 3, "score": 9}))
    assert sql.rows("SELECT score FROM face WHERE id = 1") == [(2,)]


def test_types_are_stored(sql: TestDatabase) -> None:
    kinds = {"bytes": "BYTEA" if sql.kind == "postgresql" else "BLOB"}
    sql.run(
        f"CREATE TABLE face (id INTEGER, b {kinds['bytes']}, t TIMESTAMP, d DATE, "
        "n NUMERIC(9, 3), o BOOLEAN, big BIGINT)"
    )
    row = {"id": 1, "b": "YQA=", "t": "2020-01-02T03:04:05", "d": "2020-01-02"}
    row |= {"n": "1.125", "o": True, "big": 2**62}
    empty = dict.fromkeys(row)
    job = target(sql)
    for each in (row, empty):
        assert check_rows(job.layout(), job, 0, [each]) == [each]
    job.commit("g", numbered(row, empty))
    found, nothing = sql.rows("SELECT * FROM face ORDER BY id NULLS LAST")
    assert nothing == (None,) * 7
    assert (bytes(found[1]), bool(found[5]), found[6]) == (b"a\0", True, 2**62)
    assert str(found[2]).replace("T", " ") == "2020-01-02 03:04:05"
    assert (str(found[3]), float(found[4])) == ("2020-01-02", 1.125)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "must be a list of rows, each an object of columns, got 7"),
        ([7], "a row is an object of columns, got 7"),
        ([{}], "a row has no columns"),
        (
            [{"frame": 1, "nose": 2}],
            "'face' has no column 'nose'; it has id, frame, name",
        ),
        ([{"frame": "one"}], "column 'frame' is .* and cannot hold 'one'"),
        ([{"frame": 1, "name": 5}], "column 'name' is .* and cannot hold 5"),
        ([{"name": "a"}], "column 'frame' needs a value"),
        ([{"frame": None}], "column 'frame' needs a value"),
        ([{"frame": 1.5}], "cannot hold 1.5"),
    ],
)
def test_elements_that_do_not_fit(sql: TestDatabase, value: object, says: str) -> None:
    make(sql)
    job = target(sql)
    with pytest.raises(ElementTypeError, match=f"element 3 of job 'j'.*{says}"):
        check_rows(job.layout(), job, 3, value)


def test_elements_that_fit(sql: TestDatabase) -> None:
    make(sql)
    job = target(sql)
    row = {"frame": 1, "score": 2}
    for value, rows in ((None, []), ([], []), (row, [row]), ([row, row], [row, row])):
        assert check_rows(job.layout(), job, 0, value) == rows
    change = target(sql, insert=False, key=("id",))
    for value, says in (
        ({"score": 1}, "needs 'id'"),
        ({"id": 1}, "changes no column"),
    ):
        with pytest.raises(ElementTypeError, match=says):
            check_rows(job.layout(), change, 0, value)


def test_tables_that_are_not_there(sql: TestDatabase) -> None:
    make(sql)
    with pytest.raises(ArgumentError, match="no table 'faces'"):
        target(sql, table="faces").check()
    with pytest.raises(ArgumentError, match="jobs"):
        target(sql, job_table="jobs").check()
    before = sql.rows("SELECT * FROM face")
    target(sql).check()
    assert sql.rows("SELECT * FROM face") == before
    assert not target(sql).is_committed()


def test_names_that_must_be_quoted(sql: TestDatabase) -> None:
    sql.run(
        'CREATE TABLE "order" (id INTEGER PRIMARY KEY, "a b:c" INTEGER, "Key" TEXT)'
    )
    job = target(sql, table="order")
    job.check()
    job.commit("g1", numbered({"id": 1, "a b:c": 1, "Key": "x"}))
    job.commit("g2", numbered({"id": 1, "a b:c": 2, "Key": "y"}))
    assert sql.rows('SELECT * FROM "order"') == [(1, 2, "y")]


def test_tables_in_schemas(sql: TestDatabase) -> None:
    if sql.kind == "sqlite":
        pytest.skip("SQLite has no schemas")
    sql.run("CREATE SCHEMA tv", "CREATE TABLE tv.face (id INTEGER PRIMARY KEY, a TEXT)")
    job = target(sql, table="tv.face")
    job.check()
    job.commit("g1", numbered({"id": 1, "a": "x"}))
    assert sql.rows("SELECT * FROM tv.face") == [(1, "x")]


def test_committing_twice_at_the_same_time(sql: TestDatabase) -> None:
    make(sql)
    rows = numbered(*({"frame": n} for n in range(100)))
    errors: list[BaseException] = []

    def commit() -> None:
        try:
            target(sql).commit("g", rows)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=commit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sql.rows("SELECT count(*) FROM face") == [(100,)]
