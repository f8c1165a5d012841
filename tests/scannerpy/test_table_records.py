"""Tables of several columns."""

import pickle

import pytest

from beam_scanner import Client
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    ScannerException,
    StorageError,
    StreamExistsError,
)
from beam_scanner.scannerpy import protobufs
from beam_scanner.scannerpy.table import Table, Tables
from beam_scanner.scannerpy.table_records import column_stream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream, list_streams
from beam_scanner.types import (
    NULL,
)
from tests.support.tables import blobs

# Tables of several columns.


def test_new_table(storage: NamedStorage, tables: Tables) -> None:
    rows = [[b"r00", b"r01"], [b"r10", b"r11"]]
    table = tables.new("test", ["col1", "col2"], rows)
    assert table.num_rows() == 2
    assert table.column_names() == ["col1", "col2"]
    assert next(table.column("col2").load()) == b"r01"
    assert (table.column("col2").id(), table.column("col2").type()) == (1, 0)
    assert list(table.load(["col1", "col2"])) == [tuple(row) for row in rows]
    assert list(table.load(["col2"], rows=[1, 0, 1])) == [
        (b"r11",),
        (b"r01",),
        (b"r11",),
    ]
    given = list(table.load(["col1"], fn=lambda values, sc: (values, sc)))
    assert given == [((b"r00",), tables), ((b"r10",), tables)]
    assert list(NamedStream(storage, "test/columns/col1").load()) == [b"r00", b"r10"]
    assert Tables(storage).table("test").column_names() == ["col1", "col2"]
    assert tables.names() == ["test"]
    with pytest.raises(ArgumentError, match="Column column not found in Table test"):
        tables.sequence("test")
    for wrong in ("col1", []):
        with pytest.raises(ArgumentError, match="list of column names"):
            table.load(wrong)


def test_one_column_named_column_is_a_stream(
    storage: NamedStorage, tables: Tables
) -> None:
    tables.new("words", ["column"], [[b"to"], [NULL], [b""]])
    assert list(NamedStream(storage, "words").load()) == [b"to", NULL, b""]
    assert [found.name for found in list_streams(storage)] == ["words"]


def test_new_table_serializes_with_fns(tables: Tables) -> None:
    def to_bytes(value: int, module: object) -> bytes:
        assert module is protobufs
        return bytes([value])

    table = tables.new("n", ["a", "b"], [[1, b"x"], [2, b"y"]], [to_bytes, None])
    assert list(table.load(["a", "b"])) == [(b"\1", b"x"), (b"\2", b"y")]


def test_new_table_without_rows(tables: Tables) -> None:
    table = tables.new("empty", ["a", "b"], [])
    assert (table.num_rows(), list(table.load(["a", "b"]))) == (0, [])


def test_new_table_replaces_only_when_forced(
    storage: NamedStorage, tables: Tables
) -> None:
    tables.new("t", ["a", "b"], [[b"1", b"2"]])
    for columns in (["a", "b"], ["column"], ["c"]):
        with pytest.raises(StreamExistsError, match="existing name t; force=True"):
            tables.new("t", columns, [[b"0"] * len(columns)])
    number = tables.table("t").id()
    table = tables.new("t", ["c"], [[b"3"]], force=True)
    assert list(table.load(["c"])) == [(b"3",)]
    assert [found.name for found in list_streams(storage)] == ["t/columns/c"]
    assert table.id() == number + 1
    tables.new("t", ["column"], [[b"4"]], force=True)
    assert list(NamedStream(storage, "t").load()) == [b"4"]
    assert tables.names() == ["t"]
    blobs(storage, column_stream("u", "a"), b"a stream of its own")
    with pytest.raises(StreamExistsError, match="existing name u/columns/a"):
        tables.new("u", ["a"], [[b"1"]])


@pytest.mark.parametrize(
    ("columns", "rows", "fns", "error", "message"),
    [
        ([], [], None, ArgumentError, r"list of column names, got \[\]"),
        ("ab", [], None, ArgumentError, "list of column names, got 'ab'"),
        (["a", "a"], [], None, ArgumentError, "distinct names"),
        (["a", ""], [], None, ArgumentError, "distinct names"),
        (["a", 3], [], None, ArgumentError, "distinct names"),
        (["a", "b"], [[b"1", b"2"], [b"1"]], None, ArgumentError, "row 1 .*expected 2"),
        (["a", "b"], [b"12"], None, ArgumentError, "row 0 of table 't'.*got b'12'"),
        (["a"], [[b"1"]], [None, None], ArgumentError, "1 columns, but 2 fns"),
        (["a", "b"], [[b"1", 2]], None, ElementTypeError, "row 0, column 'b'.*got int"),
        (["a"], [[1]], [lambda v, _: str(v)], ElementTypeError, "'a'.*got str"),
    ],
)
def test_new_table_stores_nothing_wrong(
    storage: NamedStorage,
    tables: Tables,
    columns: list[str],
    rows: list[list[bytes]],
    fns: list[None] | None,
    error: type[ScannerException],
    message: str,
) -> None:
    blobs(storage, "t", b"was there")
    with pytest.raises(error, match=message):
        tables.new("t", columns, rows, fns, force=True)
    assert list(NamedStream(storage, "t").load()) == [b"was there"]


def test_a_damaged_record_is_named(storage: NamedStorage, tables: Tables) -> None:
    tables.new("t", ["a", "b"], [[b"1", b"2"]])
    storage.store().put("t/.table.json", b"{")
    for ask in (lambda: tables.has("t"), tables.names):
        with pytest.raises(StorageError, match=r"t/\.table\.json"):
            ask()


def test_fn_is_given_the_client(storage: NamedStorage) -> None:
    with Client(db_path=storage.db_path) as sc:
        table = sc.new_table("pairs", ["a", "b"], [[b"1", b"2"]])
        assert list(table.load(["b", "a"], lambda values, of: (values, of is sc))) == [
            ((b"2", b"1"), True)
        ]
        again = pickle.loads(pickle.dumps(table))
        assert list(again.load(["a"], fn=lambda values, _: values)) == [(b"1",)]
        assert list(Table(sc, "pairs", 0).load(["a"])) == [(b"1",)]
