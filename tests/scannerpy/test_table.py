import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import protobufs
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    ScannerException,
    StorageError,
    StreamExistsError,
    StreamNotFoundError,
)
from beam_scanner.run.launch import Report
from beam_scanner.run.profiler import store_profile
from beam_scanner.scannerpy.table import Table, Tables
from beam_scanner.scannerpy.table_ids import TableIds
from beam_scanner.scannerpy.table_records import column_stream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream, list_streams
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.stores.object_store import LocalStore
from beam_scanner.types import (
    NULL,
    ColumnType,
    FrameType,
    NumpyArray,
    get_type_info,
)
from beam_scanner.video.encoding import Encoding
from tests.support.video_fixtures import frame_number, make_video, numbered_frames


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return NamedStorage(LocalStore(tmp_path / "db", durable=False))


@pytest.fixture
def tables(storage: NamedStorage) -> Tables:
    return Tables(storage)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("clips") / "clip.mp4")
    make_video(path, frames=30, gop=12)
    return path


def blobs(storage: NamedStorage, name: str, *values: bytes) -> None:
    NamedStream(storage, name).save(values)


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


def test_a_stream_of_blobs_has_one_column(
    storage: NamedStorage, tables: Tables
) -> None:
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    NamedStream(storage, "arrays").save([array, NULL, array + 1], NumpyArray)
    table = tables.table("arrays")
    assert table.column_names() == ["column"]
    assert table.num_rows() == 3
    column = table.column("column")
    assert (column.id(), column.type()) == (0, ColumnType.Blob)
    assert column.keyframes() == [0, 1, 2]
    loaded = list(column.load(rows=[2, 1, 0, 0]))
    assert loaded[1] == NULL
    for found, expected in zip(loaded[2:] + loaded[:1], [0, 0, 1], strict=True):
        np.testing.assert_array_equal(found, array + expected)
    sizes = list(column.load(fn=len, rows=[0]))
    assert sizes == [len(get_type_info(NumpyArray).serialize(array))]
    assert list(tables.sequence("arrays").load(ty=bytes, rows=[1])) == [NULL]
    with pytest.raises(RowError, match=r"row 3 .*'arrays' of 3 rows"):
        list(column.load(rows=[3]))
    with pytest.raises(
        ElementTypeError, match=r"'column' of table 'arrays'.*no frames"
    ):
        column.save_mp4("never.mp4")
    with pytest.raises(
        ArgumentError, match=r"Column frame not found in Table arrays: .* column$"
    ):
        table.column("frame")


def test_a_video_has_row_numbers_and_frames(
    storage: NamedStorage, tables: Tables, clip: str, tmp_path: Path
) -> None:
    NamedVideoStream(storage, "clip", path=clip).ingest()
    table = tables.table("clip")
    assert table.column_names() == ["index", "frame"]
    assert (table.id(), table.num_rows()) == (0, 30)
    index, frame = table.column("index"), table.column("frame")
    assert (index.id(), index.type()) == (0, ColumnType.Blob)
    assert (frame.id(), frame.type()) == (1, ColumnType.Video)
    assert list(index.load()) == list(range(30))
    assert list(index.load(rows=[7, 3, 3])) == [7, 3, 3]
    assert list(index.load(fn=bytes.hex, rows=[258 % 30])) == ["1200000000000000"]
    assert list(index.load(ty=bytes, rows=[1])) == [b"\1" + bytes(7)]
    assert index.keyframes() == list(range(30))
    with pytest.raises(RowError, match=r"row 30 .*'clip' of 30 rows"):
        list(index.load(rows=[30]))
    assert frame.keyframes() == [0, 12, 24]
    assert [frame_number(f) for f in frame.load(rows=[29, 0, 13])] == [29, 0, 13]
    both = list(table.load(["frame", "index"], rows=iter([4, 2])))
    assert [(frame_number(f), i) for f, i in both] == [(4, 4), (2, 2)]
    assert tables.sequence("clip").name() == "frame"
    saved = frame.save_mp4(tmp_path / "copy")
    assert saved == str(tmp_path / "copy.mp4")
    NamedVideoStream(storage, "again", path=saved).ingest()
    assert tables.table("again").num_rows() == 30
    with pytest.raises(ElementTypeError, match="'index'"):
        index.save_mp4(tmp_path / "never")
    with pytest.raises(ArgumentError, match="Ingested videos do not have profile data"):
        table.profiler()
    with pytest.raises(ArgumentError, match="Table clip has no parent"):
        table.parent_rows()


def test_frames_that_a_graph_made_are_a_column_frame(
    storage: NamedStorage, tables: Tables
) -> None:
    NamedVideoStream(storage, "made").save(
        numbered_frames(10), FrameType, encoding=Encoding(keyframe_distance=4)
    )
    table = tables.table("made")
    assert table.column_names() == ["frame"]
    assert tables.sequence("made").id() == 0
    keyframes = table.column("frame").keyframes()
    assert keyframes[0] == 0
    assert max(np.diff([*keyframes, 10])) <= 4
    assert [frame_number(f) for f in table.column("frame").load(rows=[9, 1])] == [9, 1]


# Tables of several columns.


def test_new_table(storage: NamedStorage, tables: Tables) -> None:
    rows = [[b"r00", b"r01"], [b"r10", b"r11"]]
    table = tables.new("test", ["col1", "col2"], rows)
    assert table.num_rows() == 2
    assert table.column_names() == ["col1", "col2"]
    assert next(table.column("col2").load()) == b"r01"
    assert (table.column("col2").id(), table.column("col2").type()) == (1, 0)
    assert list(table.load(["col1", "col2"])) == rows
    assert list(table.load(["col2"], rows=[1, 0, 1])) == [[b"r11"], [b"r01"], [b"r11"]]
    given = list(table.load(["col1"], fn=lambda values, module: (values, module)))
    assert given == [([b"r00"], protobufs), ([b"r10"], protobufs)]
    assert list(NamedStream(storage, "test/columns/col1").load()) == [b"r00", b"r10"]
    assert Tables(storage).table("test").column_names() == ["col1", "col2"]
    assert tables.names() == ["test"]
    with pytest.raises(ArgumentError, match="Column column not found in Table test"):
        tables.sequence("test")
    for wrong in ("col1", []):  # type: ignore[var-annotated]
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
    assert list(table.load(["a", "b"])) == [[b"\1", b"x"], [b"\2", b"y"]]


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
    assert list(table.load(["c"])) == [[b"3"]]
    assert [found.name for found in list_streams(storage)] == ["t/columns/c"]
    assert table.id() == number + 1
    tables.new("t", ["column"], [[b"4"]], force=True)
    assert list(NamedStream(storage, "t").load()) == [b"4"]
    assert tables.names() == ["t"]
    blobs(storage, column_stream("u", "a"), b"a stream of its own")
    with pytest.raises(StreamExistsError, match="existing name u/columns/a"):
        tables.new("u", ["a"], [[b"1"]])


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


@pytest.mark.parametrize(
    ("columns", "rows", "fns", "error", "message"),
    [
        ([], [], None, ArgumentError, r"list of column names, got \[\]"),
        ("ab", [], None, ArgumentError, "list of column names, got 'ab'"),
        (["a", "a"], [], None, ArgumentError, "names that differ"),
        (["a", ""], [], None, ArgumentError, "names that differ"),
        (["a", 3], [], None, ArgumentError, "names that differ"),
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
    assert list(tables.table(name).load(columns)) == [row]
    assert tables.names() == [name]
    tables.delete([name])
    assert tables.names() == []
    # Numbers of tables are never given again.
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in left if "tables" not in path.parts} == {
        "beam_scanner.json"
    }


# Numbers.


def test_ids_count_creations_and_are_never_given_twice(
    storage: NamedStorage, tables: Tables
) -> None:
    for time, name in enumerate("cab"):
        blobs(storage, name, b"1")
        # File systems tell times to a few milliseconds only.
        os.utime(storage.store().local_path(f"{name}/stream.json"), (time, time))
    assert [tables.table(name).id() for name in "cab"] == [0, 1, 2]
    assert [tables.table(number).name() for number in range(3)] == ["c", "a", "b"]
    tables.delete(["a"])
    with pytest.raises(StreamNotFoundError, match="no table with id 1"):
        tables.table(1)
    blobs(storage, "a", b"2")
    other = Tables(storage)
    assert [other.table(name).id() for name in "cab"] == [0, 3, 2]
    assert tables.table(3).name() == "a"
    blobs(storage, "c", b"replaced")
    assert tables.table("c").id() == 0


def test_a_number_may_be_asked_for_first(storage: NamedStorage, tables: Tables) -> None:
    blobs(storage, "a", b"1")
    tables.new("t", ["x", "y"], [[b"1", b"2"]])
    assert tables.table(1).name() == "t"
    with pytest.raises(StreamNotFoundError, match="no table with id 2"):
        tables.table(2)
    with pytest.raises(StreamNotFoundError, match="no table with id -1"):
        tables.table(-1)


def test_assign_ids_decides_the_order(storage: NamedStorage, tables: Tables) -> None:
    for name in "abc":
        blobs(storage, name, b"1")
    tables.assign_ids(["c", "b", "c"])
    assert [tables.table(name).id() for name in "abc"] == [2, 1, 0]


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


def test_processes_that_number_at_the_same_time_agree(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, durable=False)
    several = [TableIds(store) for _ in range(4)]
    names = [[f"{k}-{i}" for i in range(15)] + ["common"] for k in range(4)]
    start = threading.Barrier(4)

    def assign(k: int) -> None:
        start.wait()
        for name in names[k]:
            several[k].assign([name])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(assign, range(4)))
    found = [ids.all() for ids in several]
    assert found[0] == found[1] == found[2] == found[3]
    assert sorted(found[0].values()) == list(range(4 * 15 + 1))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.sampled_from("abcd"))),
        max_size=12,
    )
)
def test_numbers_against_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, bool, list[str]]],
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("ids"), durable=False)
    processes = [TableIds(store), TableIds(store)]
    live: dict[str, int] = {}
    count = 0
    for who, retire, names in steps:
        if retire:
            processes[who].retire(names)
            for name in names:
                live.pop(name, None)
        else:
            processes[who].assign(names)
            for name in names:
                if name not in live:
                    live[name] = count
                    count += 1
        assert processes[1 - who].all() == live
        for number in range(count):
            names_of = {n: name for name, n in live.items()}
            assert processes[who].name_of(number) == names_of.get(number)


class Unwritable(LocalStore):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        raise StorageError("read-only")


def test_a_database_that_cannot_be_written_has_numbers(tmp_path: Path) -> None:
    blobs(NamedStorage(tmp_path / "db"), "a", b"1")
    tables = Tables(NamedStorage(Unwritable(tmp_path / "db")))
    assert tables.table("a").id() == 0
    assert "0  | a" in tables.summarize()


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


def test_video_metadata(storage: NamedStorage, tables: Tables, clip: str) -> None:
    NamedVideoStream(storage, "clip", path=clip).ingest()
    blobs(storage, "blobs", b"1")
    seconds = np.arange(10) / 10
    frames = list(numbered_frames(10))
    NamedVideoStream(storage, "made").save(frames, FrameType, seconds)
    NamedVideoStream(storage, "untimed").save(frames[:1], FrameType)
    NamedVideoStream(storage, "exact").save([np.zeros((4, 6, 1))] * 2, FrameType)
    names = ["clip", "blobs", "made", "untimed", "exact"]
    found = tables.video_metadata([tables.table(name) for name in names])
    inplace, blob, made, untimed, exact = found
    assert inplace is not None
    assert (inplace.name, inplace.codec, inplace.frames) == ("clip", "h264", 30)
    assert (inplace.width, inplace.height, inplace.fps) == (64, 48, 25)
    assert inplace.duration_seconds == pytest.approx(1.2)
    assert blob is None
    assert made is not None
    assert (made.codec, made.width, made.height, made.frames) == ("h264", 64, 48, 10)
    assert made.fps == pytest.approx(10)
    assert made.duration_seconds == pytest.approx(1.0)
    assert untimed is not None
    assert (untimed.fps, untimed.duration_seconds) == (None, None)
    assert exact is not None
    assert (exact.codec, exact.frames) == ("", 2)
    with pytest.raises(StreamNotFoundError, match="'none'"):
        tables.video_metadata([tables.table("none")])


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
    numbers = [
        store_profile(storage, Report(committed=names, tasks=tasks))
        for tasks, names in enumerate([["a"], ["a", "b"], ["b"]])
    ]
    assert tables.table("a").profiler().job_id == numbers[1]


def test_tables_travel_to_other_processes(
    storage: NamedStorage, tables: Tables
) -> None:
    blobs(storage, "a", b"1")
    table = tables.table("a")
    assert table.id() == 0
    copy, column = pickle.loads(pickle.dumps((table, table.column("column"))))
    assert (copy.id(), list(column.load())) == (0, [b"1"])
