"""Streams of files, of values of Python, and of packed files."""

from __future__ import annotations

import os
import pickle
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    ScannerException,
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.storage import (
    FilesStream,
    PackedFileStorage,
    PackedFileStream,
    PythonStorage,
    PythonStream,
)
from beam_scanner.storage.streams import files
from beam_scanner.storage.streams import python as python_streams
from beam_scanner.types import NULL, Any

ELEMENTS = [b"", b"one", b"\0" * 1000, "zwölf".encode()]


def _files(folder, elements):
    paths = [folder / f"{i}.bin" for i in range(len(elements))]
    for path, element in zip(paths, elements, strict=True):
        path.write_bytes(element)
    return paths


def _packed(path, elements):
    sizes = [len(element) for element in elements]
    head = struct.pack(f"<Q{len(sizes)}Q", len(sizes), *sizes)
    path.write_bytes(head + b"".join(elements))
    return path


KINDS = ["files", "python", "packed"]


def _stream(kind, folder, elements):
    if kind == "files":
        return FilesStream(_files(folder, elements))
    if kind == "python":
        return PythonStream(elements)
    return PackedFileStream(_packed(folder / "a.packed", elements))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_rows_in_any_order(kind, tmp_path_factory, data):
    elements = data.draw(st.lists(st.binary(max_size=30), max_size=8))
    stream = _stream(kind, tmp_path_factory.mktemp(kind), elements)
    stream = pickle.loads(pickle.dumps(stream))
    assert stream.len() == len(elements)
    assert list(stream.load()) == elements
    rows = st.lists(st.integers(0, len(elements) - 1)) if elements else st.just([])
    rows = data.draw(rows)
    assert list(stream.load(rows=rows)) == [elements[row] for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_readers(kind, tmp_path):
    stream = _stream(kind, tmp_path, ELEMENTS)
    assert stream.readable()
    assert stream.writable() == (kind == "files")
    stream.storage().source(None, [stream])
    with stream.reader() as reader:
        assert (len(reader), reader.entries) == (4, None)
        assert reader.read([1, 3]) == [ELEMENTS[1], ELEMENTS[3]]
        assert np.isnan(reader.seconds(np.array([3, 0]))).all()
        for row in (-1, 4):
            with pytest.raises(RowError, match=f"row {row} is outside stream"):
                reader.read([row])
    if kind != "files":
        with pytest.raises(ScannerException, match="cannot serve as a Scanner output"):
            stream.storage().sink(None, None, [stream])


@pytest.mark.parametrize("kind", KINDS)
def test_fingerprints_follow_the_content(kind, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    first, same, other = (
        _stream(kind, folder, [*ELEMENTS, last])
        for folder, last in zip(folders, (b"x", b"x", b"y"), strict=True)
    )
    for path in folders[1].iterdir():
        os.utime(path, (1, 1))
    assert first.fingerprint() == same.fingerprint() != other.fingerprint()


def test_fingerprints_of_large_files(tmp_path):
    content = bytearray(np.random.default_rng(0).bytes(5 << 20))
    (tmp_path / "a").write_bytes(content)
    stream = FilesStream([tmp_path / "a"])
    before = stream.fingerprint()
    content[-1] ^= 1
    (tmp_path / "a").write_bytes(content)
    assert stream.fingerprint() != before


# Values of Python


def test_values_of_python():
    values = [{"a": 1}, None, (1, "x"), NULL, 2.5]
    stream = PythonStream(values)
    values[0]["a"] = 2  # what was given is kept
    assert stream.type() is Any
    assert list(stream.load()) == [{"a": 1}, None, (1, "x"), NULL, 2.5]
    assert pickle.loads(next(stream.load_bytes())) == {"a": 1}
    assert isinstance(stream.storage(), PythonStorage)
    assert stream.exists()
    assert stream.committed()
    mixed = PythonStream([b"raw", 7])
    assert mixed.type() is None
    raw, pickled = mixed.load()
    assert (raw, pickle.loads(pickled)) == (b"raw", 7)
    assert list(PythonStream([]).load()) == []
    assert list(PythonStream(i for i in range(3)).load()) == [0, 1, 2]
    assert PythonStream([NULL]).fingerprint() != PythonStream([b"NULL"]).fingerprint()


def test_values_that_cannot_travel(monkeypatch):
    with pytest.raises(ElementTypeError, match="row 1 of a PythonStream is a function"):
        PythonStream([1, lambda: None])
    for data in (3, b"abc", "abc", None):
        with pytest.raises(ArgumentError, match="must be a list of values"):
            PythonStream(data)
    monkeypatch.setattr(python_streams, "MOST_BYTES", 1 << 20)
    PythonStream([bytes(1 << 19)] * 2)
    with pytest.raises(ArgumentError, match=r"takes more than 1 MiB \(at row 2\)"):
        PythonStream([bytes(1 << 19)] * 3)


# Packed files


def test_packed_files_that_are_none(tmp_path):
    path = _packed(tmp_path / "a", [b"abc", b"defg"])
    assert PackedFileStream(path).estimate_size() == (8 * 3 + 7) // 2
    assert isinstance(PackedFileStream(path).storage(), PackedFileStorage)
    content = path.read_bytes()
    for cut, message in [
        (0, "is not a packed file"),
        (7, "is not a packed"),
        (9, "not a pack"),
    ]:
        path.write_bytes(content[:cut])
        with pytest.raises(StorageError, match=message):
            PackedFileStream(path).len()
    path.write_bytes(content[:-1])
    with pytest.raises(StorageError, match=r"cut short: it has 30 bytes.* take 31"):
        PackedFileStream(path).len()
    path.write_bytes(struct.pack("<3Q", 2, 2**64 - 1, 2))
    with pytest.raises(StorageError, match="cut short"):
        PackedFileStream(path).len()
    path.unlink()
    assert not PackedFileStream(path).committed()
    with pytest.raises(ArgumentError, match="must be the path of a file, got None"):
        PackedFileStream(None)


# Files


def _write(stream, generation, cuts, elements, attempt="a"):
    records = []
    for task, (start, stop) in enumerate(pairwise(cuts)):
        writer = stream.segment_writer(generation, task, attempt, start, None, None)
        writer.write(start, elements[start:stop], np.zeros(stop - start))
        records.append(writer.finish())
    return records


def _publish(stream, generation, records):
    stream.publish(generation, records, "fingerprint", generation, "source")


def _listing(folder):
    return sorted(os.listdir(folder))


def test_files_appear_when_all_are_written(tmp_path):
    folder = tmp_path / "made" / "by the run"
    stream = FilesStream([folder / f"{i}.bin" for i in range(4)])
    assert not stream.exists()
    assert not stream.committed()
    records = _write(stream, "g1", [0, 1, 4], ELEMENTS)
    _write(stream, "g1", [0, 1, 4], [b"lost"] * 4, attempt="b")
    assert not stream.exists()
    _publish(stream, "g1", records[::-1])
    assert stream.committed()
    assert list(stream.load()) == ELEMENTS
    # What attempts that lost have written is gone; doing it again changes nothing.
    assert _listing(folder) == ["0.bin", "1.bin", "2.bin", "3.bin"]
    _publish(stream, "g1", records)
    assert list(stream.load()) == ELEMENTS
    stream.storage().delete(None, [stream])
    assert _listing(folder) == []


def test_a_commit_that_is_killed_halfway(tmp_path, monkeypatch):
    stream = FilesStream(_files(tmp_path, [b"old"] * 4))
    records = _write(stream, "g2", [0, 2, 4], ELEMENTS)
    assert list(stream.load()) == [b"old"] * 4
    replace = os.replace

    def killed(source, target):
        if target.endswith("2.bin"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _publish(stream, "g2", records)
    monkeypatch.undo()
    # Two files are new and two old: no stream to read.
    assert not stream.committed()
    with pytest.raises(StreamNotFoundError, match="uncommitted stream"):
        next(stream.load())
    _publish(stream, "g2", records)
    assert list(stream.load()) == ELEMENTS
    assert len(_listing(tmp_path)) == 4


def test_a_run_that_fails_leaves_the_old_files(tmp_path):
    stream = FilesStream(_files(tmp_path, [b"old"] * 3))
    writer = stream.segment_writer("g", 0, "a", 0, None, None)
    writer.write(0, [b"new"], np.zeros(1))
    with pytest.raises(ElementTypeError, match=r"row 1 of stream .* is null"):
        writer.write(1, [NULL], np.zeros(1))
    writer.abort()
    with pytest.raises(ElementTypeError, match="a file holds bytes"):
        writer.write(1, [np.zeros(3)], np.zeros(1))
    assert list(stream.load()) == [b"old"] * 3
    assert len(_listing(tmp_path)) == 3


def test_a_path_for_each_row(tmp_path):
    stream = FilesStream([tmp_path / "a", tmp_path / "b"])
    records = _write(stream, "g", [0, 1], ELEMENTS)
    with pytest.raises(ArgumentError, match="has 2 paths, but 1 rows"):
        _publish(stream, "g", records)
    writer = stream.segment_writer("g", 1, "a", 1, None, None)
    with pytest.raises(RowError, match=r"row 2 of stream .* has no file"):
        writer.write(1, ELEMENTS[:2], np.zeros(2))
    with pytest.raises(RowError, match="must be written in order"):
        writer.write(0, ELEMENTS[:1], np.zeros(1))


def test_rows_that_were_lost_before_the_commit(tmp_path):
    stream = FilesStream([tmp_path / "a", tmp_path / "b"])
    records = _write(stream, "g", [0, 2], ELEMENTS)
    os.remove(files.part_path(stream.paths[1], "g.a"))
    with pytest.raises(StorageError, match=r"b\.g\.a\.part' is gone"):
        _publish(stream, "g", records)
    assert not stream.exists()


def test_what_files_there_are(tmp_path):
    paths = _files(tmp_path, ELEMENTS)
    stream = FilesStream(paths)
    assert stream.estimate_size() == 0
    os.remove(paths[2])
    assert stream.exists()
    assert not stream.committed()
    for path in paths:
        path.unlink(missing_ok=True)
    assert not stream.exists()
    with pytest.raises(StorageError, match=r"cannot read .*0\.bin': no such file"):
        stream.reader().read([0])
    assert FilesStream([]).committed()
    assert FilesStream(paths[:1]).name() == str(paths[0])
    assert FilesStream(paths).name() != FilesStream(paths[:3]).name()


@pytest.mark.parametrize("paths", ["a.bin", None, [3], [""], {"a.bin"}])
def test_paths_that_are_none(paths):
    with pytest.raises(ArgumentError, match="FilesStream must be"):
        FilesStream(paths)
