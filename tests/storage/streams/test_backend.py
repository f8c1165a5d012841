"""Streams as Scanner's users write them, kept as they would write them."""

import os
import pickle

import numpy as np
import pytest

from beam_scanner import types
from beam_scanner.errors import RowError, ScannerException, StreamNotFoundError
from beam_scanner.storage import StorageBackend, StoredStream
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, ColumnType, FrameType, NullElement, get_type_info


class FilesStorage(StorageBackend):
    def delete(self, sc, streams):
        for stream in streams:
            stream.delete(sc)


class FilesStream(StoredStream):
    """One file an element. Do not edit: users have such classes."""

    def __init__(self, paths, storage=None):
        self._paths = paths
        self._storage = storage or FilesStorage()

    def load_bytes(self, rows=None):
        paths = self._paths
        if rows is not None:
            paths = [paths[i] for i in rows]
        for path in paths:
            with open(path, "rb") as f:
                yield f.read()

    def storage(self):
        return self._storage

    def exists(self):
        return any(os.path.exists(path) for path in self._paths)

    def committed(self):
        return all(os.path.exists(path) for path in self._paths)

    def name(self):
        return self._paths[0]

    def type(self):
        return bytes


class WritableFiles(FilesStream):
    def write(self, first_row, elements, seconds):
        for row, element in enumerate(elements, first_row):
            part = f"{self._paths[row]}.part"
            with open(part, "wb") as f:
                f.write(b"null" if isinstance(element, NullElement) else element)
            os.replace(part, self._paths[row])

    def delete(self, sc=None):
        for path in self._paths:
            os.remove(path)

    def commit(self, rows):
        assert rows == len(self._paths)


@pytest.fixture
def paths(tmp_path):
    paths = [str(tmp_path / f"{i}.bin") for i in range(4)]
    for i, path in enumerate(paths):
        with open(path, "wb") as f:
            f.write(i.to_bytes(8, "little"))
    return paths


def test_is_an_input(paths):
    stream = FilesStream(paths)
    assert stream.readable()
    assert not stream.writable()
    assert stream.len() == 4
    assert stream.column_type() is ColumnType.Blob
    stream.storage().source(None, [stream])
    stream = pickle.loads(pickle.dumps(stream))
    with stream.reader() as reader:
        assert len(reader) == 4
        assert reader.keyframes is None
        assert [int.from_bytes(e, "little") for e in reader.read([0, 3])] == [0, 3]
        assert np.isnan(reader.seconds(np.array([0, 3]))).all()
        with pytest.raises(RowError, match="of 4 rows"):
            reader.read([4])


def test_loads(paths):
    stream = FilesStream(paths)
    assert [int.from_bytes(e, "little") for e in stream.load()] == [0, 1, 2, 3]
    assert list(stream.load(fn=lambda e: e[0], rows=[3, 0, 0])) == [3, 0, 0]
    ty = get_type_info(types.NumpyArrayInt32)
    assert [a.tolist() for a in stream.load(ty=ty, rows=[2])] == [[2, 0]]
    os.remove(paths[0])
    with pytest.raises(
        StreamNotFoundError, match="Tried to load from uncommitted stream"
    ):
        next(stream.load())


def test_is_an_output(paths, tmp_path):
    stream = WritableFiles([str(tmp_path / f"out{i}") for i in range(4)])
    stream.storage().sink(None, None, [stream])
    assert not stream.exists()
    records = []
    for task, start in enumerate((0, 2)):
        writer = stream.segment_writer(SegmentTask("g", task, "a", start, None, None))
        writer.write(start, [b"%d" % start, NULL], np.zeros(2))
        records.append(writer.finish())
    stream.publish(Publication("g", records[::-1], "f", "r", "s"))
    stream.publish(Publication("g", records, "f", "r", "s"))
    assert list(stream.load()) == [b"0", b"null", b"2", b"null"]
    with pytest.raises(ScannerException, match="rows 0 to 1 are missing"):
        stream.publish(Publication("g", records[1:], "f", "r", "s"))
    stream.storage().delete(None, [stream])
    assert not stream.exists()


def test_what_cannot_be_done_is_said(paths):
    class Bare(StoredStream):
        pass

    stream = Bare()
    with pytest.raises(
        ScannerException, match="Stream `Bare` cannot load elements into"
    ):
        next(iter(stream.load_bytes()))
    with pytest.raises(ScannerException, match=r"Stream `Bare` has no committed\(\)"):
        next(stream.load())
    with pytest.raises(ScannerException, match="Stream `Bare` cannot store elements"):
        stream.segment_writer(SegmentTask("g", 0, "a", 0, None, None))
    with pytest.raises(
        ScannerException,
        match="StorageBackend class `FilesStorage` cannot serve as a Scanner output",
    ):
        FilesStorage().sink(None, None, [FilesStream(paths)])
    with pytest.raises(
        ScannerException, match="`StorageBackend` cannot serve as a Scanner input"
    ):
        StorageBackend().source(None, [stream])
    with pytest.raises(ScannerException, match="cannot delete elements"):
        StorageBackend().delete(None, [stream])


def test_frames_of_ones_own(tmp_path):
    class Still(FilesStream):
        def type(self):
            return FrameType

        def load_bytes(self, rows=None):
            yield from (np.full((2, 2, 3), i, np.uint8) for i in (rows or range(5)))

    stream = Still([str(tmp_path)])
    assert stream.column_type() is ColumnType.Video
    assert [frame[0, 0, 0] for frame in stream.load(rows=[4, 1])] == [4, 1]


def test_load_bytes_that_loses_rows(paths):
    class Loses(FilesStream):
        def load_bytes(self, rows=None):
            yield from list(super().load_bytes(rows))[1:]

        def len(self):
            return 4

    with pytest.raises(ScannerException, match="yielded 1 elements for 2 rows"):
        Loses(paths).reader().read([0, 1])
