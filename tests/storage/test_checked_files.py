"""Files of which every byte that is read has been checked, and sealed small ones."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ScannerException, StorageError
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.checked_files import BLOCK, CheckedFile, Checksums
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.make_database import frame
from tests.support.storage_fakes import MemoryStore

SIZES = [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 77]


def content(size):
    return np.random.default_rng(size).bytes(size)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SIZES), st.data())
def test_reading_is_that_of_the_file(size, data):
    plain, sums = io.BytesIO(content(size)), Checksums.of(content(size))
    assert Checksums.from_json(json.loads(json.dumps(sums.to_json()))) == sums
    with CheckedFile(io.BytesIO(content(size)), sums, "f") as checked:
        for _ in range(data.draw(st.integers(1, 12))):
            if data.draw(st.booleans()):
                place = data.draw(st.integers(0, size + 10))
                assert checked.seek(place) == plain.seek(place)
            count = data.draw(st.sampled_from([0, 1, 1000, BLOCK, 2 * BLOCK + 5, -1]))
            assert checked.read(count) == plain.read(count)
            assert checked.tell() == plain.tell()
        assert checked.seek(-min(size, 3), os.SEEK_END) == max(0, size - 3)
        assert checked.read() == content(size)[max(0, size - 3) :]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SIZES[1:]), st.data())
def test_only_what_is_read_is_checked(size, data):
    damaged = bytearray(content(size))
    place = data.draw(st.integers(0, size - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    sums = Checksums.of(content(size))
    with CheckedFile(io.BytesIO(bytes(damaged)), sums, "the file") as checked:
        for block in range(-(-size // BLOCK)):
            checked.seek(block * BLOCK)
            if block == place // BLOCK:
                with pytest.raises(StorageError, match=r"the file is damaged: bytes"):
                    checked.read(1)
            else:
                assert checked.read(10) == content(size)[block * BLOCK :][:10]
        checked.seek(0)
        with pytest.raises(StorageError, match="damaged"):
            checked.read()


@pytest.mark.parametrize("size", [0, 5, BLOCK, BLOCK + 7])
def test_another_size(size):
    sums = Checksums.of(content(size + 1))
    for wrong in (content(size), content(size + 2)):
        with pytest.raises(StorageError, match=r"bytes, .* were written"):
            CheckedFile(io.BytesIO(wrong), sums, "f")


@pytest.mark.parametrize(
    "value", [None, 3, [], [1], [1, "%"], ["1", ""], [5, ""], [0, "AAAA"], [True, "x"]]
)
def test_checksums_that_are_none(value):
    with pytest.raises(StorageError, match="damaged checksums"):
        Checksums.from_json(value)


@pytest.mark.slow
def test_every_bit_of_a_descriptor(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a")
    stream.save([b"x", NULL])
    path = tmp_path / "a/stream.json"
    good, true = path.read_bytes(), stream.descriptor()
    noticed = 0
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        try:
            assert NamedStream(NamedStorage(tmp_path), "a").descriptor() == true
        except StorageError:
            noticed += 1
    assert noticed > 8 * len(good) - 40  # all but some of the last white space


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_rows_far_apart_read_little(tmp_path, store):
    """Blocks of the rows, not the whole file."""
    kept = tmp_path if store == "folder" else MemoryStore("large")
    stream = NamedStream(NamedStorage(kept), "a")
    values = [content(100_000 + row) for row in range(300)]
    stream.save(values)
    assert stream.descriptor().size_bytes > 25 << 20
    read = 0
    plain = CheckedFile._blocks

    def counted(self, first, stop):
        nonlocal read
        read += (stop - first) * BLOCK
        return plain(self, first, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckedFile, "_blocks", counted)
        assert list(stream.load(rows=[7, 290])) == [values[7], values[290]]
    assert read < 11 << 20


def test_damage_costs_the_rows_that_it_hits(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a")
    values = [content(100_000 + row) for row in range(120)]
    stream.save(values)
    (path,) = map(Path, stream.files())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert list(stream.load(rows=[0, 119])) == [values[0], values[119]]
    with pytest.raises(StorageError, match=r"\.parquet' of stream 'a' is damaged"):
        list(stream.load())


def test_files_of_equal_length_are_not_mistaken(tmp_path):
    storage = NamedStorage(tmp_path)
    one, other = NamedStream(storage, "one"), NamedStream(storage, "other")
    one.save([b"abc"] * 9)
    other.save([b"xyz"] * 9)
    assert one.descriptor().size_bytes == other.descriptor().size_bytes
    shutil.copy(other.files()[0], one.files()[0])
    with pytest.raises(StorageError, match="stream 'one' is damaged"):
        list(one.load())
    video, another = (NamedVideoStream(storage, name) for name in ("v", "w"))
    video.save(map(frame, range(20)), FrameType, encoding=Encoding("raw"))
    another.save(map(frame, range(5, 25)), FrameType, encoding=Encoding("raw"))
    for file, taken in zip(video.files(), another.files(), strict=True):
        before = Path(file).read_bytes()
        shutil.copy(taken, file)
        with pytest.raises(StorageError, match="stream 'v' is damaged"):
            list(video.load())
        with pytest.raises(ScannerException, match="stream 'v' is damaged"):
            video.save_mp4(tmp_path / "saved")
        Path(file).write_bytes(before)


def test_other_programs_may_check_pages(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a")
    stream.save([content(5000)] * 9)
    (path,) = map(Path, stream.files())
    assert len(pq.read_table(path, page_checksum_verification=True)) == 9
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_a_torn_segment_is_not_published(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "a")
    writer = stream.segment_writer(SegmentTask("g", 0, "x", 0))
    writer.write(0, [b"abc"] * 5, np.zeros(5))
    record = writer.finish()
    assert stream.has_segment("g", record)
    (path,) = tmp_path.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    assert not stream.has_segment("g", record)
    with pytest.raises(
        StorageError,
        match=r"cannot commit stream 'a'.*not of the size that was written",
    ):
        stream.publish(Publication("g", [record]))
    assert not stream.committed()
