"""Tables as inputs and outputs of graphs."""

from __future__ import annotations

import json
import os
import pickle
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    JobFailure,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
    StorageError,
    StreamExistsError,
)
from beam_scanner.kernels import registry
from beam_scanner.run.fingerprints import Fingerprints
from beam_scanner.scannerpy import protobufs
from beam_scanner.storage import (
    NamedStream,
    PythonStream,
    SQLInputStream,
    SQLOutputStream,
    SQLStorage,
)
from beam_scanner.storage.sql import pinned_query
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, get_type_info
from tests.support.client_helpers import PROCESSES, open_client
from tests.support.sql_servers import (
    PASSWORD,
    TestDatabase,
    make_database,
    new_database,
    sqlite_database,
)

PERF = PerfParams.manual(2, 4)
QUERY = {"fields": "test.id AS id, test.a", "table": "test", "id": "test.id"}


@pytest.fixture(autouse=True)
def _ops_of_this_file():
    def AddOne(config, row: bytes) -> bytes:
        # Text, as Scanner's programs return it.
        rows = [{"id": r["id"], "b": r["a"] + 1} for r in json.loads(row)]
        return json.dumps(rows)  # type: ignore[return-value]

    def AddAll(config, row: bytes) -> bytes:
        rows = json.loads(row)
        total = sum(r["a"] for r in rows)
        return json.dumps([{"id": r["id"], "b": total} for r in rows]).encode()

    def Hello(config, row: bytes) -> Any:
        rows = json.loads(row)
        return [{"s": "hello", "b": r["a"] + 1} for r in rows if r["a"] != 7]

    def DieOnce(config, row: bytes) -> bytes:
        (found,) = json.loads(row)
        if found["a"] == 60 and not os.path.exists(config.args["mark"]):
            open(config.args["mark"], "w").close()
            os._exit(1)
        return row

    for op in (AddOne, AddAll, Hello, DieOnce):
        register_python_op()(op)
    yield
    for op in (AddOne, AddAll, Hello, DieOnce):
        registry().remove(op.__name__)


@pytest.fixture(
    params=["sqlite"]
    + [pytest.param(kind, marks=pytest.mark.slow) for kind in ("duckdb", "postgresql")]
)
def sql(request, tmp_path):
    """A new database of each kind."""
    return make_database(request, tmp_path)


def fill(sql: TestDatabase, *values: int) -> SQLStorage:
    rows = ", ".join(f"({i}, {a}, {i // 2})" for i, a in enumerate(values, 1))
    sql.run(
        "CREATE TABLE test (id INTEGER PRIMARY KEY, a INTEGER, grp INTEGER, b INTEGER)",
        f"INSERT INTO test (id, a, grp) VALUES {rows}",
        "CREATE TABLE jobs (name VARCHAR(30))",
        f"CREATE TABLE test2 (id {sql.serial()}, b INTEGER, s VARCHAR(30) NOT NULL)",
    )
    return SQLStorage(sql.url, job_table="jobs")


def graph(sc, op: str, source: SQLInputStream, sink: Any, **args: Any):
    rows = sc.io.Input([source])
    return sc.io.Output(getattr(sc.ops, op)(row=rows, **args), [sink])


def run(sc, output, **kwargs):
    return sc.run(output, PERF, show_progress=False, **kwargs)


def test_rows_are_changed(sql: TestDatabase, sc) -> None:
    storage = fill(sql, 10, 20, 30)
    sink = SQLOutputStream("test", "one", storage, insert=False)
    assert not sink.committed()
    run(sc, graph(sc, "AddOne", SQLInputStream(QUERY, "true", storage), sink))
    assert sql.rows("SELECT b FROM test ORDER BY id") == [(11,), (21,), (31,)]
    assert sql.rows("SELECT name FROM jobs") == [("one",)]
    assert sink.committed()
    grouped = SQLInputStream({**QUERY, "group": "test.grp"}, "true", storage, 2)
    other = SQLOutputStream("test", "all", storage, insert=False)
    run(sc, graph(sc, "AddAll", grouped, other))
    assert sql.rows("SELECT b FROM test ORDER BY id") == [(10,), (50,), (50,)]


def test_rows_are_added_once(sql: TestDatabase, sc) -> None:
    storage = fill(sql, *range(10, 19), 7)
    source = SQLInputStream(QUERY, "true", storage)
    sink = SQLOutputStream("test2", "job", storage)
    output = graph(sc, "Hello", source, sink)
    run(sc, output)
    added = [(n + 1,) for n in range(10, 19)]
    assert sql.rows("SELECT b FROM test2 ORDER BY id") == added
    with pytest.raises(StreamExistsError, match="sql:test2:job"):
        run(sc, output)
    assert run(sc, output, cache_mode=CacheMode.Ignore) is None
    sql.run("UPDATE test SET a = 99 WHERE id = 1")
    run(sc, output, cache_mode=CacheMode.Overwrite)
    added[0] = (100,)
    assert sql.rows("SELECT b FROM test2 ORDER BY id") == added
    assert sql.rows("SELECT name FROM jobs") == [("job",)]
    sink.storage().delete(sc, [sink])
    assert not sink.exists()
    assert sql.rows("SELECT b FROM test2") == []


def test_a_failed_run_adds_nothing(sql: TestDatabase, sc) -> None:
    storage = fill(sql, 1, 2, 3, 4, 5, 6)
    texts = [f'[{{"s": "{n}"}}]' for n in range(5)]
    rows = PythonStream([text.encode() for text in [*texts, '[{"s": 5}]']])
    sink = SQLOutputStream("test2", "job", storage)
    output = sc.io.Output(sc.ops.Pass(input=sc.io.Input([rows])), [sink])
    with pytest.raises(JobFailure, match=r"element 5 .*'s' is .* cannot hold 5"):
        run(sc, output)
    assert sql.rows("SELECT * FROM test2") == []
    assert sql.rows("SELECT * FROM jobs") == []
    assert not sink.committed()


def test_work_is_kept_when_the_database_refuses_it(sql: TestDatabase, sc) -> None:
    storage = fill(sql, 10, 10, 30)
    sql.run("CREATE TABLE seen (a INTEGER)", "CREATE UNIQUE INDEX once ON seen (a)")
    mark = os.path.join(sc.config.db_path, "..", "calls")

    def Count(config, row: bytes) -> bytes:
        with open(config.args["mark"], "a") as file:
            file.write("x")
        return json.dumps([{"a": r["a"]} for r in json.loads(row)]).encode()

    register_python_op()(Count)
    try:
        sink = SQLOutputStream("seen", "job", storage)
        source = SQLInputStream(QUERY, "true", storage)
        output = graph(sc, "Count", source, sink, mark=mark)
        with pytest.raises(JobFailure, match=r"(?i)unique|duplicate"):
            run(sc, output)
        assert sql.rows("SELECT * FROM seen") == []
        sql.run("DROP INDEX once")
        run(sc, output)
        assert sql.rows("SELECT a FROM seen ORDER BY a") == [(10,), (10,), (30,)]
        with open(mark) as file:
            assert file.read() == "xxx"
    finally:
        registry().remove("Count")


@pytest.mark.slow
@pytest.mark.processes
def test_a_task_that_dies_adds_its_rows_once(sql: TestDatabase, tmp_path) -> None:
    storage = fill(sql, *range(0, 120, 10))
    sql.run("CREATE TABLE test3 (id INTEGER, a INTEGER)")
    sink = SQLOutputStream("test3", "job", storage)
    source = SQLInputStream(QUERY, "true", storage)
    with open_client(tmp_path / "db", PROCESSES) as sc:
        args = {"mark": str(tmp_path / "mark")}
        output = graph(sc, "DieOnce", source, sink, **args)
        run(sc, output)
    assert os.path.exists(tmp_path / "mark")
    found = sql.rows("SELECT id, a FROM test3 ORDER BY id")
    assert found == [(n + 1, n * 10) for n in range(12)]


def test_rows_that_change_between_planning_and_reading(tmp_path) -> None:
    sql = sqlite_database(tmp_path)
    storage = fill(sql, 1, 2, 3)
    source = SQLInputStream(QUERY, "true", storage)
    assert source.committed()
    assert source.len() == 3
    with pickle.loads(pickle.dumps(source)).reader() as reader:
        sql.run("UPDATE test SET a = 5 WHERE id = 2")
        with pytest.raises(StorageError, match="has changed since the run was planned"):
            reader.read([0])
    # A new run looks anew.
    before = source.fingerprint()
    assert source.committed()
    assert source.fingerprint() != before


def test_results_are_made_again_when_rows_change(sql: TestDatabase, sc) -> None:
    storage = fill(sql, 1, 2)
    made = NamedStream(sc, "made")
    output = graph(sc, "AddOne", SQLInputStream(QUERY, "true", storage), made)
    run(sc, output)
    assert run(sc, output, cache_mode=CacheMode.Ignore) is None
    sql.run("INSERT INTO test (id, a) VALUES (3, 30)")
    run(sc, output, cache_mode=CacheMode.Ignore)
    assert [json.loads(e)[0]["b"] for e in made.load()] == [2, 3, 31]


def test_rows_are_read_in_any_order(sql: TestDatabase, monkeypatch) -> None:
    monkeypatch.setattr(pinned_query, "CHUNK_ROWS", 2)
    source = SQLInputStream(QUERY, "a >= 0", fill(sql, *range(20)))
    rows = [19, 0, 7, 7, 3]
    found = [json.loads(element)[0]["a"] for element in source.load(rows=rows)]
    assert found == rows
    assert source.estimate_size() > 10


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"table": "tests"}, "tests"),
        ({"fields": "id, nose"}, "nose"),
        ({"group": "scene"}, "scene"),
    ],
)
def test_inputs_are_checked_beforehand(sql: TestDatabase, sc, query, says) -> None:
    source = SQLInputStream({**QUERY, **query}, "true", fill(sql, 1))
    assert not source.exists()
    with pytest.raises(ArgumentError, match=says):
        sc.io.Input([source])


def test_outputs_are_checked_beforehand(sql: TestDatabase, sc, small_video) -> None:
    storage = fill(sql, 1)
    column = sc.io.Input([SQLInputStream(QUERY, "true", storage)])

    def sink(*streams: SQLOutputStream) -> None:
        sc.io.Output(column, list(streams))

    with pytest.raises(ArgumentError, match="no table 'none'"):
        sink(SQLOutputStream("none", "job", storage))
    with pytest.raises(ArgumentError, match="no column 'ident'"):
        sink(SQLOutputStream("test", "job", storage, key="ident"))
    with pytest.raises(ArgumentError, match="two streams would be written"):
        sink(*[SQLOutputStream("test", "job", storage)] * 2)
    with pytest.raises(ArgumentError, match="nojobs"):
        sink(SQLOutputStream("test", "job", SQLStorage(sql.url, "nojobs")))
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=str(small_video))])
    with pytest.raises(ElementTypeError, match="holds frames"):
        sc.io.Output(frames, [SQLOutputStream("test", "job", storage)])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda s: SQLInputStream(QUERY, "true", None), "must be a SQLStorage"),
        (lambda s: SQLInputStream(QUERY, "", s), "filter of a SQLInputStream is SQL"),
        (lambda s: SQLInputStream("SELECT 1", "true", s), "SQLQuery"),
        (lambda s: SQLInputStream(QUERY, "true", s, 5).len(), "is 5, but .* 1 groups"),
        (lambda s: SQLOutputStream("test", "", s), "job_name .* got ''"),
        (lambda s: SQLOutputStream(None, "j", s), "table .* got None"),
        (
            lambda s: SQLOutputStream("test", "j", s, key="id", ignore_conflicts=True),
            "without a key",
        ),
    ],
)
def test_wrong_arguments(tmp_path, make, says: str) -> None:
    storage = fill(sqlite_database(tmp_path), 1)
    with pytest.raises(ArgumentError, match=says):
        make(storage)


def test_writers_take_rows_of_all_forms(tmp_path) -> None:
    sql = sqlite_database(tmp_path)
    sink = SQLOutputStream("test2", "job", fill(sql, 1))

    def written(first: int, elements, type_info):
        task = SegmentTask("g", first, "a", first, None, type_info)
        writer = sink.segment_writer(task)
        writer.write(first, elements, np.empty(0))
        return writer.finish()

    text, anything = get_type_info(bytes), get_type_info(Any)
    values = [{"s": "c"}, None, [{"s": "d"}]]
    records = [
        written(3, [anything.serialize(value) for value in values], anything),
        written(0, [b'[{"s": "a"}]', NULL, b'{"s": "b"}'], text),
    ]
    assert json.loads(json.dumps(records)) == records
    lost = sink.segment_writer(SegmentTask("g", 9, "x", 9, None, text))
    lost.write(9, [b'[{"s": "lost"}]'], np.empty(0))
    lost.abort()
    for _ in range(2):
        sink.publish(Publication("g", records))
        found = sql.rows("SELECT s FROM test2 ORDER BY id")
        assert "".join(s for (s,) in found) == "abcd"
    with pytest.raises(StorageError, match="rows 0 to 2 are missing"):
        sink.publish(Publication("h", records[:1]))
    with pytest.raises(ElementTypeError, match=r"element 0 .*as JSON"):
        written(0, [b"[{"], text)
    with pytest.raises(ElementTypeError, match=r"element 0 .*as JSON: a set"):
        written(0, [anything.serialize({1})], anything)


@pytest.mark.slow
def test_passwords_are_in_no_fingerprint(postgres: TestDatabase, sc) -> None:
    sql = new_database(postgres)
    storage = fill(sql, 1, 2)
    job, each = [], []
    for password in (PASSWORD, "another"):
        other = SQLStorage(sql.url.replace(PASSWORD, password))
        source = SQLInputStream(QUERY, "true", storage)
        output = graph(sc, "AddOne", source, SQLOutputStream("test", "j", storage))
        output.streams[0]._target = SQLOutputStream("test", "j", other)._target
        whole, outputs = Fingerprints([output], 4, sc.named_storage).of_job(0)
        job.append(whole)
        each.append(outputs)
        shown = f"{source.name()} {output.streams[0].name()} {storage.database!r}"
        assert PASSWORD not in shown
    assert job[0] == job[1]
    assert each[0] == each[1]


def test_sources_and_sinks_by_name(sql: TestDatabase, sc) -> None:
    fill(sql, 10, 20)
    config = sql.url
    if sql.kind != "postgresql":
        path = sql.url.partition("///")[2]
        config = protobufs.SQLConfig(adapter=sql.kind, dbname=path)
    query = protobufs.SQLQuery(**QUERY, group="test.id")
    rows = sc.sources.SQL(
        query=query, config=config, enum_query=[query], enum_config=[config],
        filter=["true"], num_elements=[2],
    )  # fmt: skip
    output = sc.sinks.SQL(
        input=sc.ops.AddOne(row=rows), config=config, table="test", job_table="jobs",
        job_name=["j"], insert=False,
    )  # fmt: skip
    run(sc, output)
    assert sql.rows("SELECT b FROM test ORDER BY id") == [(11,), (21,)]
    with pytest.raises(ScannerException, match="sink SQL required column input"):
        sc.sinks.SQL(config=config, table="test", job_name=["j"])
