import itertools
import pickle
import types as python_types
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import protobufs, types
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    ScannerException,
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.storage import NamedStorage, NamedStream, list_streams
from beam_scanner.storage.segments import parquet_writer as parquet_module
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, NullElement, get_type_info
from tests.support.storage_fakes import MemoryStore


def write_segments(stream, elements, cuts, info=None, seconds=None, generation="g1"):
    """Writes segments [0, cuts[0]), [cuts[0], cuts[1]) ...; returns their records."""
    seconds = np.full(len(elements), np.nan) if seconds is None else seconds
    records = []
    edges = [0, *sorted(cuts), len(elements)]
    for task, (start, stop) in enumerate(itertools.pairwise(edges)):
        writer = stream.segment_writer(
            SegmentTask(generation, task, "a1", start, None, info)
        )
        for row in range(start, stop):
            writer.write(row, [elements[row]], seconds[row : row + 1])
        records.append(writer.finish())
    return records


elements_of_streams = st.lists(
    st.one_of(st.just(NULL), st.binary(max_size=20)), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(elements_of_streams, st.data())
def test_any_rows_of_any_segments(elements, data):
    """Against a list: segments, row groups, order and duplicates do not matter."""
    storage = NamedStorage(MemoryStore(uuid.uuid4().hex))
    stream = NamedStream(storage, "s")
    cuts = data.draw(st.lists(st.integers(0, len(elements)), max_size=4))
    seconds = np.array(
        data.draw(
            st.lists(
                st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)),
                min_size=len(elements),
                max_size=len(elements),
            )
        ),
        dtype=np.float64,
    )
    group_bytes = parquet_module.GROUP_BYTES
    parquet_module.GROUP_BYTES = data.draw(st.sampled_from([1, 60, 10_000]))
    try:
        records = write_segments(stream, elements, cuts, seconds=seconds)
    finally:
        parquet_module.GROUP_BYTES = group_bytes
    stream.publish(
        Publication("g1", data.draw(st.permutations(records)), "f", "r", "s")
    )
    assert stream.len() == len(elements)
    assert list(stream.load()) == elements
    rows = st.integers(0, max(0, len(elements) - 1))
    asked = data.draw(st.lists(rows, max_size=20)) if elements else []
    assert list(stream.load(rows=asked)) == [elements[row] for row in asked]
    with stream.reader() as reader:
        assert len(reader) == len(elements)
        assert reader.keyframes is None
        ascending = sorted(set(asked))
        assert reader.read(ascending) == [elements[row] for row in ascending]
        got = reader.seconds(np.array(asked, dtype=np.int64))
        np.testing.assert_array_equal(got, seconds[asked] if asked else [])


VALUES = [
    (bytes, [b"", b"x", b"\0\xff" * 50]),
    (Any, [None, 7, {"a": [1, None]}, "é"]),
    (types.Histogram, [[np.arange(16, dtype=np.int32) * i] * 3 for i in range(4)]),
    (types.NumpyArrayFloat32, [np.arange(i, dtype=np.float32) for i in range(4)]),
    (types.NumpyArrayInt32, [np.arange(i, dtype=np.int32) for i in range(4)]),
    (types.NumpyArray, [np.eye(3), np.zeros((2, 0), ">i2"), np.array(5)]),
    (types.Bbox, [protobufs.BoundingBox(x1=0.5, label=3), protobufs.BoundingBox()]),
    (types.BboxList, [[], [protobufs.BoundingBox(x1=0.5)] * 3]),
]


@pytest.mark.parametrize(
    ("ty", "values"), VALUES, ids=lambda p: getattr(p, "__name__", "")
)
def test_every_type_comes_back(storage, ty, values):
    stream = NamedStream(storage, "s")
    stream.save([NULL, *values, NULL], ty)
    assert stream.type() == get_type_info(ty)
    loaded = list(stream.load())
    info = get_type_info(ty)
    assert loaded[0] == loaded[-1] == NULL
    assert [info.serialize(v) for v in loaded[1:-1]] == [
        info.serialize(v) for v in values
    ]
    raw = list(stream.load(fn=lambda data: data))
    assert raw[1:-1] == [info.serialize(value) for value in values]
    assert all(isinstance(data, bytes) for data in raw[1:-1])
    assert list(stream.load(fn=len))[1:-1] == [len(data) for data in raw[1:-1]]
    again = list(stream.load(ty=ty))
    assert [info.serialize(v) for v in again[1:-1]] == raw[1:-1]
    assert list(stream.load(ty=bytes))[1:-1] == raw[1:-1]


@pytest.mark.parametrize("ty", [types.BboxList, types.Histogram, Any, int])
def test_elements_of_another_type(storage, ty):
    stream = NamedStream(storage, "s")
    stream.save([b"neither"], bytes)
    with pytest.raises(ElementTypeError, match="an element of 7 bytes is not a "):
        list(stream.load(ty=ty))


def test_null_empty_and_none_are_three_things(storage):
    stream = NamedStream(storage, "s")
    stream.save([b"", NULL], bytes)
    assert list(stream.load()) == [b"", NULL]
    stream.save([None, NULL, b""], Any)
    loaded = list(stream.load())
    assert loaded[0] is None
    assert isinstance(loaded[1], NullElement)
    assert loaded[2] == b""


def test_values_given_twice_are_two_objects(storage):
    stream = NamedStream(storage, "s")
    stream.save([[1]], Any)
    one, other = stream.load(rows=[0, 0])
    one.append(2)
    assert other == [1]


def test_load_is_lazy(storage):
    stream = NamedStream(storage, "s")
    records = write_segments(stream, [b"x" * 100_000] * 400, [100, 200, 300])
    stream.publish(Publication("g1", records, "f", "r", "s"))
    with stream.reader() as reader:
        reader.read([399])
        assert 0 < reader.counters()["bytes_read"] < 9 << 20
    for record in records[1:]:
        storage.raw_store().delete(f"s/g1.segments/{record['files'][0]}")
    assert next(stream.load()) == b"x" * 100_000
    with pytest.raises(StorageError, match=r"00000003-a1\.parquet"):
        list(stream.load(rows=[399]))


def test_uncommitted(storage):
    stream = NamedStream(storage, "s")
    assert not stream.exists()
    assert not stream.committed()
    assert stream.type() is None
    generator = stream.load()
    with pytest.raises(
        StreamNotFoundError, match="Tried to load from uncommitted stream"
    ):
        next(generator)
    for use in (stream.len, stream.files, stream.reader, stream.estimate_size):
        with pytest.raises(StreamNotFoundError, match="'s' does not exist"):
            use()
    stream.delete()
    write_segments(stream, [b"x"], [])
    assert not stream.exists()


def test_an_empty_stream(storage):
    stream = NamedStream(storage, "s")
    stream.publish(Publication("g1", [], "f", "r", "s", type_name="Histogram"))
    assert stream.committed()
    assert stream.len() == 0
    assert list(stream.load()) == []
    assert list(stream.load(rows=[])) == []
    assert stream.files() == []
    assert stream.type() == get_type_info(types.Histogram)
    assert stream.estimate_size() == 0
    with stream.reader() as reader:
        assert reader.read([]) == []
    with pytest.raises(RowError, match="row 0 is outside stream 's' of 0 rows"):
        list(stream.load(rows=[0]))


@pytest.mark.parametrize(
    "rows", [[3], [-1], [0, 1, 2, 3], (9, 0), range(2, 5), np.array([7])]
)
def test_rows_out_of_range(storage, rows):
    stream = NamedStream(storage, "s")
    stream.save([b"a", b"b", b"c"])
    generator = stream.load(rows=rows)
    with pytest.raises(RowError, match=r"row -?\d is outside stream 's' of 3 rows"):
        next(generator)
    with stream.reader() as reader, pytest.raises(RowError, match="of 3 rows"):
        reader.read([5])


@pytest.mark.parametrize("rows", [[1.5], ["a"], [[0]], 3, [True]])
def test_rows_that_are_no_rows(storage, rows):
    stream = NamedStream(storage, "s")
    stream.save([b"a", b"b", b"c"])
    with pytest.raises(ArgumentError, match="expected a list of row numbers"):
        next(stream.load(rows=rows))


def test_rows_of_any_kind(storage):
    stream = NamedStream(storage, "s")
    stream.save([b"a", b"b", b"c"])
    for rows in ([2, 0], (2, 0), np.array([2, 0]), iter([2, 0]), range(2, -1, -2)):
        assert list(stream.load(rows=rows)) == [b"c", b"a"]


def test_streams_travel(tmp_path):
    """Pickled without the client, which nobody could pickle."""
    client = python_types.SimpleNamespace(
        named_storage=NamedStorage(tmp_path),
        lock=(n for n in ()),
    )
    stream = NamedStream(client, "a/b c")
    stream.save([b"x"])
    assert stream.len() == 1
    copy = pickle.loads(pickle.dumps(stream))
    assert copy.name() == "a/b c"
    assert list(copy.load()) == [b"x"]


def test_where_a_stream_is_stored(tmp_path):
    client = python_types.SimpleNamespace(named_storage=NamedStorage(tmp_path / "one"))
    assert NamedStream(client, "s").storage().db_path == str(tmp_path / "one")
    other = NamedStorage(tmp_path / "two")
    assert NamedStream(client, "s", storage=other).storage() is other
    assert NamedStream(client, "s", NamedStorage()).storage().db_path.endswith("one")
    with pytest.raises(ArgumentError, match="expected a client"):
        NamedStream(None, "s")
    with pytest.raises(ArgumentError, match="has no database"):
        _ = NamedStorage().db_path
    with pytest.raises(ArgumentError, match="would leave the database folder"):
        NamedStream(client, "../s")


def test_streams_see_what_others_commit(tmp_path):
    """In either direction: descriptors are never taken from memory."""
    one, other = (NamedStream(NamedStorage(tmp_path), "s") for _ in range(2))
    assert not other.committed()
    one.save([b"a"])
    assert other.len() == 1
    one.save([b"a", b"b"])
    assert other.len() == 2
    assert one.fingerprint() == other.fingerprint()
    before = one.fingerprint()
    one.save([b"a", b"b"])
    assert other.fingerprint() != before
    one.delete()
    assert not other.committed()


@pytest.mark.parametrize(
    "name", ["a/b/c", "a b", "Amélie 日本", "a/../b", "x" * 240, ".h", "50%"]
)
def test_names(storage, name):
    stream = NamedStream(storage, name)
    stream.save([name.encode()])
    assert list(NamedStream(storage, name).load()) == [name.encode()]
    assert [found.name for found in list_streams(storage)] == [name]
    stream.delete()
    assert list(list_streams(storage)) == []


def test_a_stream_inside_the_folder_of_another(storage):
    for name in ("a", "a/b", "a/b/c"):
        NamedStream(storage, name).save([name.encode()])
    assert [found.name for found in list_streams(storage)] == ["a/b/c", "a/b", "a"]
    assert [found.name for found in list_streams(storage, "a/b")] == ["a/b/c", "a/b"]
    NamedStream(storage, "a").delete()
    assert [found.name for found in list_streams(storage)] == ["a/b/c", "a/b"]
    assert list(NamedStream(storage, "a/b").load()) == [b"a/b"]


def test_work_files_are_no_streams(storage):
    NamedStream(storage, "s").save([b"x"])
    store = storage.store()
    store.put(".work/run/stream.json", b"not a stream")
    assert [found.name for found in list_streams(storage)] == ["s"]
    with pytest.raises(ScannerException):
        list(NamedStream(storage, "t").load())


def test_seconds_and_values_must_match(storage):
    stream = NamedStream(storage, "s")
    with pytest.raises(ScannerException, match="no time for row 1"):
        stream.save([b"a", b"b"], seconds=[0.5])
    for seconds in ([0.5, 0.75, 1.0], iter([0.5, 0.75, None]), itertools.count()):
        with pytest.raises(ScannerException, match="'s': more times than rows"):
            stream.save([b"a", b"b"], seconds=seconds)
    with pytest.raises(ScannerException, match="more times than rows"):
        stream.save([], seconds=[0.5])
    assert not stream.committed()
    stream.save([b"a", b"b"], seconds=[0.5, 0.75])
    with stream.reader() as reader:
        assert reader.seconds(np.array([1, 0, 1])).tolist() == [0.75, 0.5, 0.75]


def test_an_empty_stream_of_frames(storage):
    stream = NamedStream(storage, "s")
    stream.publish(Publication("g1", [], type_name="FrameType"))
    assert stream.column_type() is types.ColumnType.Video
    assert stream.type() == get_type_info(types.FrameType)


def test_element_size_is_that_of_the_values(storage):
    stream = NamedStream(storage, "s")
    assert stream.save([bytes(10_000)] * 20 + [NULL] * 20) is None  # type: ignore[func-returns-value]
    assert stream.estimate_size() == 5_000
    assert stream.descriptor().size_bytes < 100_000
