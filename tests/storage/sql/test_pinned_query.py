"""Rows of a query: what was counted is what is read, or an error says that it changed."""

from __future__ import annotations

import json
import pickle
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, ElementTypeError, StorageError
from beam_scanner.scannerpy import protobufs
from beam_scanner.storage import SQLQuery
from beam_scanner.storage.sql import pinned_query
from beam_scanner.storage.sql.connections import Database
from beam_scanner.storage.sql.pinned_query import Rows
from tests.support.sql_servers import TestDatabase

FACES = SQLQuery("id, name", "face", "id", "frame")


def rows_of(sql: TestDatabase, query: SQLQuery = FACES, filter: str = "true") -> Rows:
    return Rows(Database.of(sql.url), query, filter)


def fill(sql: TestDatabase, count: int = 10) -> None:
    """Two faces in each frame."""
    values = ", ".join(f"({i}, {i // 2 * 10}, 'n{i}')" for i in range(count))
    sql.run(
        "CREATE TABLE face (id INTEGER, frame INTEGER, name VARCHAR(9))",
        f"INSERT INTO face VALUES {values}",
    )


def all_of(pinned):
    return [
        json.loads(element)
        for chunk in pinned.chunks
        for element in pinned.rows.read(chunk)
    ]


@given(
    faces=st.lists(
        st.tuples(
            st.integers(-3, 3), st.integers(0, 3), st.none() | st.text("ab'\"%:")
        ),
        max_size=30,
    ),
    chunk=st.integers(1, 8),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_groups_and_their_order(faces, chunk, tmp_path_factory, monkeypatch) -> None:
    import sqlite3

    path = tmp_path_factory.mktemp("random") / "a.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE face (frame, id, name)")
        db.executemany("INSERT INTO face VALUES (?, ?, ?)", faces)
    db.close()
    monkeypatch.setattr(pinned_query, "CHUNK_ROWS", chunk)
    pinned = Rows(Database.of(f"sqlite:///{path}"), FACES, "true").pinned()
    ordered = sorted(
        faces, key=lambda f: (f[0], f[1], json.dumps({"id": f[1], "name": f[2]}))
    )
    wanted = [
        [{"id": id, "name": name} for _, id, name in group]
        for _, group in groupby(ordered, lambda face: face[0])
    ]
    assert all_of(pinned) == wanted
    assert len(pinned) == len(wanted)
    assert [pinned.place(i) for i in range(len(pinned))] == [
        (number, at)
        for number, each in enumerate(pinned.chunks)
        for at in range(each.elements)
    ]


def test_chunks_are_read_alone(sql: TestDatabase, monkeypatch) -> None:
    fill(sql, 50)
    monkeypatch.setattr(pinned_query, "CHUNK_ROWS", 6)
    pinned = pickle.loads(pickle.dumps(rows_of(sql).pinned()))
    assert [chunk.elements for chunk in pinned.chunks] == [3] * 8 + [1]
    assert json.loads(pinned.rows.read(pinned.chunks[3])[1]) == [
        {"id": 20, "name": "n20"},
        {"id": 21, "name": "n21"},
    ]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE face SET name = 'x' WHERE id = 3",
        "DELETE FROM face WHERE id = 3",
        "DELETE FROM face WHERE frame = 10",
        "INSERT INTO face VALUES (3, 10, 'n3')",
        "INSERT INTO face VALUES (99, 15, 'new')",
    ],
)
def test_changes_are_noticed(sql: TestDatabase, change: str) -> None:
    fill(sql)
    pinned = rows_of(sql).pinned()
    sql.run(change)
    with pytest.raises(StorageError, match=r"face .*has changed since.* run it again"):
        all_of(pinned)
    assert rows_of(sql).pinned().digest() != pinned.digest()


def test_later_rows_are_left_to_the_next_run(sql: TestDatabase) -> None:
    fill(sql)
    pinned = rows_of(sql).pinned()
    before = all_of(pinned)
    sql.run("INSERT INTO face VALUES (99, 999, 'new')")
    assert all_of(pinned) == before
    assert len(rows_of(sql).pinned()) == len(pinned) + 1


def test_keys_of_many_types(sql: TestDatabase, monkeypatch) -> None:
    monkeypatch.setattr(pinned_query, "CHUNK_ROWS", 1)
    sql.run(
        "CREATE TABLE t (id INTEGER, d DATE, s VARCHAR(9), f REAL, n NUMERIC(9, 3))",
        "INSERT INTO t VALUES (1, '2020-01-01', 'é''%', 0.1, 1.125), "
        "(2, '2021-01-01', ':a \\', 0.7, 2.5), (3, '2021-01-02', '', -0.3, -7)",
    )
    orders = {"d": [1, 2, 3], "f": [3, 1, 2], "n": [3, 1, 2]}
    for key, order in orders.items():
        found = all_of(rows_of(sql, SQLQuery("id", "t", "id", key)).pinned())
        assert [row["id"] for (row,) in found] == order
    texts = all_of(rows_of(sql, SQLQuery("id, s", "t", "id", "s")).pinned())
    assert {row["s"] for (row,) in texts} == {"é'%", ":a \\", ""}


def test_types(sql: TestDatabase) -> None:
    sql.run(
        "CREATE TABLE t (id INTEGER, b BOOLEAN, f DOUBLE PRECISION, d DATE, x INTEGER)",
        "INSERT INTO t VALUES (1, true, 0.1, '2020-01-02', NULL)",
    )
    ((found,),) = all_of(rows_of(sql, SQLQuery("*", "t", "id")).pinned())
    assert found == {"id": 1, "b": True, "f": 0.1, "d": "2020-01-02", "x": None}


def test_filters_and_joins(sql: TestDatabase) -> None:
    fill(sql)
    sql.run(
        "CREATE TABLE film (frame INTEGER, title VARCHAR(9))",
        "INSERT INTO film VALUES (0, ':a'), (10, ':a'), (20, 'b%')",
    )
    query = SQLQuery(
        "face.id AS id, title",
        "face JOIN film ON face.frame = film.frame",
        "face.id",
        "film.title",
    )
    found = all_of(rows_of(sql, query, "title = ':a' -- no others").pinned())
    assert [[row["id"] for row in each] for each in found] == [[0, 1, 2, 3]]
    assert len(rows_of(sql, query, "title LIKE 'b%'").pinned()) == 1
    assert len(rows_of(sql, query, "1 = 0").pinned()) == 0


@pytest.mark.parametrize(
    ("query", "filter", "says"),
    [
        (SQLQuery("id", "faces", "id"), "true", "faces"),
        (SQLQuery("id, nose", "face", "id"), "true", "nose"),
        (SQLQuery("id", "face", "ident"), "true", "ident"),
        (SQLQuery("id", "face", "id", "scene"), "true", "scene"),
        (SQLQuery("id", "face", "id"), "nose > 1", "nose"),
        (SQLQuery("id", "face", "id"), "id >", "syntax|incomplete"),
        (SQLQuery("id, frame AS id", "face", "id"), "true", "called 'id'"),
    ],
)
def test_wrong_queries_are_refused_beforehand(
    sql: TestDatabase, query: SQLQuery, filter: str, says: str
) -> None:
    fill(sql)
    with pytest.raises(ArgumentError, match=says):
        rows_of(sql, query, filter).check()


def test_rows_of_no_group(sql: TestDatabase) -> None:
    fill(sql)
    sql.run("INSERT INTO face VALUES (99, NULL, 'lost')")
    with pytest.raises(ArgumentError, match="frame of a row of face is NULL"):
        rows_of(sql).pinned()
    assert len(rows_of(sql, filter="frame IS NOT NULL").pinned()) == 5


def test_values_without_a_form() -> None:
    assert SQLQuery.of({"fields": "a", "table": "t", "id": "i"}).key == "i"
    message = protobufs.SQLQuery(fields="a", table="t", id="i", group="g")
    assert SQLQuery.of(message) == SQLQuery("a", "t", "i", "g")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"fields": "a", "table": "t"}, "needs id"),
        ({"field": "a"}, "fields, table, id, group; got 'field'"),
        ("SELECT 1", "got str"),
    ],
)
def test_what_is_no_query(given: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        SQLQuery.of(given)


def test_columns_without_json(sql: TestDatabase) -> None:
    if sql.kind == "sqlite":
        pytest.skip("SQLite has no intervals")
    sql.run(
        "CREATE TABLE t (id INTEGER, i INTERVAL)", "INSERT INTO t VALUES (1, '1 day')"
    )
    with pytest.raises(ElementTypeError, match="column 'i' holds a timedelta"):
        rows_of(sql, SQLQuery("i", "t", "id")).pinned()
