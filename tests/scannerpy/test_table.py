import pickle
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    StreamNotFoundError,
)
from beam_scanner.run.profiler import store_profile
from beam_scanner.run.report import Report
from beam_scanner.scannerpy.table import Table, Tables
from beam_scanner.storage.streams.named import NamedStorage, list_streams
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.types import (
    ColumnType,
)
from tests.support.tables import blobs

# Kinds of tables.


def test_a_table_that_is_not_there(tables: Tables) -> None:
    table = tables.table("none")
    assert (table.name(), table.exists(), table.committed()) == ("none", False, False)
    for ask in (table.id, table.num_rows, table.column_names, table.profiler):
        with pytest.raises(StreamNotFoundError, match="not committed yet: 'none'"):
            ask()
    with pytest.raises(StreamNotFoundError, match="'none'"):
        table.column("column")
    with pytest.raises(StreamNotFoundError, match="'none'"):
        table.load(["column"])
    assert not tables.has("none")
    tables.delete(["none"])


def test_a_table_sees_a_stream_that_comes_later(
    storage: NamedStorage, tables: Tables
) -> None:
    table, column = tables.table("late"), tables.sequence("late")
    assert not table.committed()
    assert (column.name(), column.type()) == ("column", ColumnType.Blob)
    with pytest.raises(StreamNotFoundError):
        next(column.load())
    with pytest.raises(StreamNotFoundError):
        column.keyframes()
    blobs(storage, "late", b"a", b"b")
    assert table.committed()
    assert table.num_rows() == 2
    assert list(column.load()) == [b"a", b"b"]


def test_a_stream_of_a_run_goes_before_a_table_of_its_name(
    storage: NamedStorage, tables: Tables
) -> None:
    tables.new("t", ["a", "b"], [[b"1", b"2"]])
    blobs(storage, "t", b"from a run")
    assert tables.table("t").column_names() == ["column"]
    assert tables.names() == ["t"]
    tables.delete(["t"])
    assert not tables.has("t")
    assert list(list_streams(storage)) == []


_names = st.text(st.sampled_from("ab/. é%:"), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("/") and ".." not in name.split("/")
)


@settings(max_examples=25, deadline=None)
@given(name=_names, columns=st.lists(_names, min_size=1, max_size=3, unique=True))
def test_names_of_tables_and_columns(
    tmp_path_factory: pytest.TempPathFactory, name: str, columns: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    tables = Tables(NamedStorage(LocalStore(folder, durable=False)))
    row = [column.encode() for column in columns]
    tables.new(name, columns, [row])
    assert list(tables.table(name).load(columns)) == [tuple(row)]
    assert tables.names() == [name]
    tables.delete([name])
    assert tables.names() == []
    # Numbers of tables are never given again.
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in left if "tables" not in path.parts} == {
        "beam_scanner.json"
    }


@pytest.mark.parametrize("wrong", [True, 1.0, None, b"a"])
def test_impossible_identifiers(tables: Tables, wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="Invalid table identifier"):
        tables.table(wrong)


def test_impossible_names(tables: Tables) -> None:
    for name in ("", "../out", "/root"):
        with pytest.raises(ArgumentError, match="name"):
            tables.table(name)
    with pytest.raises(ArgumentError, match="list of table names, got 'a'"):
        tables.delete("a")


# Lists.


def test_summarize(storage: NamedStorage, tables: Tables, clip: str) -> None:
    assert tables.summarize() == "summarize: your client is empty!"
    NamedVideoStream(storage, "films/clip 1", path=clip).ingest()
    tables.new("t", ["a", "b"], [[b"1", b"2"]])
    assert tables.summarize() == (
        "TABLES:\n"
        "ID | Name         | # rows | Columns      | Committed\n"
        "---+--------------+--------+--------------+----------\n"
        "0  | films/clip 1 | 30     | index, frame | True\n"
        "1  | t            | 1      | a, b         | True"
    )


def test_batch_load_calls_back_in_order(storage: NamedStorage, tables: Tables) -> None:
    names = [f"t{number}" for number in range(30)]
    for number, name in enumerate(names):
        blobs(storage, name, *[bytes([number])] * (number % 3))
    seen: list[tuple[str, list[bytes]]] = []
    thread = threading.current_thread()

    def callback(name: str, values: list[bytes]) -> None:
        assert threading.current_thread() is thread
        seen.append((name, values))

    given = [tables.table(name) for name in names]
    tables.batch_load(given, "column", callback, workers=4)
    assert seen == [
        (name, [bytes([number])] * (number % 3)) for number, name in enumerate(names)
    ]
    tables.batch_load([], "column", callback, workers=1)
    with pytest.raises(ArgumentError, match="workers must be at least 1, got 0"):
        tables.batch_load(given, "column", callback, workers=0)


def test_batch_load_stops_at_the_first_error(
    storage: NamedStorage, tables: Tables
) -> None:
    blobs(storage, "a", b"1")
    seen: list[str] = []
    given = [Table(tables, "a"), Table(tables, "none"), Table(tables, "a")]
    with pytest.raises(StreamNotFoundError, match="'none'"):
        tables.batch_load(given, "column", lambda name, _: seen.append(name))
    assert seen == ["a"]


def test_profiler_is_that_of_the_latest_run(
    storage: NamedStorage, tables: Tables
) -> None:
    blobs(storage, "a", b"1")
    with pytest.raises(ArgumentError, match=r"no profile is kept .*'a'"):
        tables.table("a").profiler()
    for number, names in enumerate([["a"], ["a", "b"], ["b"]], 1):
        store_profile(storage.store(), Report(committed=names, number=number))
    assert tables.table("a").profiler().job_id == 2


def test_tables_travel_to_other_processes(
    storage: NamedStorage, tables: Tables
) -> None:
    blobs(storage, "a", b"1")
    table = tables.table("a")
    assert table.id() == 0
    copy, column = pickle.loads(pickle.dumps((table, table.column("column"))))
    assert (copy.id(), list(column.load())) == (0, [b"1"])
