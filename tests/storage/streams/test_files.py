"""Streams with a file for each element: written at the commit, or not at all."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    RowError,
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.storage import (
    FilesStream,
)
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.storage.streams import files
from beam_scanner.types import NULL
from tests.support.outside_streams import ELEMENTS, write_files


def test_fingerprints_of_large_files(tmp_path):
    content = bytearray(np.random.default_rng(0).bytes(5 << 20))
    (tmp_path / "a").write_bytes(content)
    stream = FilesStream([tmp_path / "a"])
    before = stream.fingerprint()
    for byte in (-1, 1_000_003, 3_333_333):
        content[byte] ^= 1
        (tmp_path / "a").write_bytes(content)
        assert stream.fingerprint() != before
        content[byte] ^= 1
    (tmp_path / "a").write_bytes(content)
    assert stream.fingerprint() == before


def test_fingerprints_of_very_large_files(tmp_path):
    # The byte that is changed lies in none of its pieces.
    with open(tmp_path / "a", "wb") as file:
        file.truncate(100 << 20)
    stream = FilesStream([tmp_path / "a"])
    before = stream.fingerprint()
    assert stream.fingerprint() == before
    with open(tmp_path / "a", "r+b") as file:
        file.seek(10 << 20)
        file.write(b"1")
    assert stream.fingerprint() != before


# Files


def _write(stream, generation, cuts, elements, attempt="a"):
    records = []
    for task, (start, stop) in enumerate(pairwise(cuts)):
        writer = stream.segment_writer(
            SegmentTask(generation, task, attempt, start, None, None)
        )
        writer.write(start, elements[start:stop], np.zeros(stop - start))
        records.append(writer.finish())
    return records


def _publish(stream, generation, records):
    stream.publish(
        Publication(generation, records, "fingerprint", generation, "source")
    )


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
    stream = FilesStream(write_files(tmp_path, [b"old"] * 4))
    records = _write(stream, "g2", [0, 2, 4], ELEMENTS)
    assert list(stream.load()) == [b"old"] * 4
    replace = os.replace

    def killed(source, target):
        if target.endswith("2.bin"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", killed)  # type: ignore[attr-defined]
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
    stream = FilesStream(write_files(tmp_path, [b"old"] * 3))
    writer = stream.segment_writer(SegmentTask("g", 0, "a", 0, None, None))
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
    writer = stream.segment_writer(SegmentTask("g", 1, "a", 1, None, None))
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
    paths = write_files(tmp_path, ELEMENTS)
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
