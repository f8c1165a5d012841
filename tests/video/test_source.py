"""Bytes that cannot be had say nothing about the video: an error of its own kind.

Every read of a pass is made to fail once. Whatever is going on then, it is a
``StorageError``, and everything is as if nothing had been when it is tried again.
"""

from __future__ import annotations

import errno
import io
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner import Client, NamedVideoStream
from beam_scanner.errors import ScannerException, StorageError, VideoError
from beam_scanner.run.ingest import Ingest
from beam_scanner.video import source
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import fingerprint
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import make_video

BY_USER = KeyboardInterrupt()


class Fault:
    """Opens a file whose reads are counted; one of them, or all from it on, fail."""

    name = "store://a"

    def __init__(self, path: str, error: BaseException) -> None:
        self.data = Path(path).read_bytes()
        self.error = error
        self.reads = 0
        self.failing = range(0)

    def fails(self, first: int, count: int = 1) -> None:
        """The next reads but ``first`` of them."""
        self.failing = range(self.reads + first, self.reads + first + count)

    def __call__(self) -> io.BytesIO:
        return _FaultyFile(self)


class _FaultyFile(io.BytesIO):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.data)
        self._fault = fault

    def read(self, size=-1):
        self._fault.reads += 1
        if self._fault.reads - 1 in self._fault.failing:
            if self._fault.error is BY_USER:
                # As Python does when the user interrupts, without any raise here.
                signal.default_int_handler(signal.SIGINT, None)
            raise self._fault.error
        return super().read(size)


KINDS: dict[str, dict[str, Any]] = {
    "mp4": {},
    "mkv": {},
    "ts": {},
    "flv": {},
    "avi": {"codec": "mpeg4"},
    "mpg": {"codec": "mpeg2video"},
    "h264": {},
    "ivf": {"codec": "vp9"},
}
ERRORS = [TimeoutError("timed out"), ValueError("closed"), StorageError("503")]


@pytest.fixture(scope="module", params=KINDS)
def path(request, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("faults") / f"a.{request.param}"
    return make_video(path, 40, size=(160, 120), **KINDS[request.param])


@pytest.mark.parametrize("how", [{}, {"verify": True}, {"damage": "salvage"}])
def test_indexing(path, how):
    fault = Fault(path, ERRORS[0])
    whole = index_video(fault, **how).to_bytes()
    for read in range(fault.reads):
        fault.error = ERRORS[read % len(ERRORS)]
        fault.fails(read, count=1 + 1000 * (read % 2))
        with pytest.raises(StorageError, match=r"timed out|closed|503"):
            index_video(fault, **how)
    fault.failing = range(0)
    assert index_video(fault, **how).to_bytes() == whole


ROWS = [3, 4, 5, 17, 30, 39]


def taken(frames: Iterator[np.ndarray]) -> np.ndarray | None:
    """The next frame; None where the file could not be read."""
    try:
        return next(frames)
    except StorageError as error:
        told = str(error)
    assert "'store://a' cannot be read: timed out" in told
    return None


def test_decoding(path):
    fault = Fault(path, ERRORS[0])
    index, expected = index_video(fault), linear_decode(path)
    before = fault.reads
    with VideoDecoder(fault, index) as decoder:
        list(decoder.read(ROWS))
    for read in range(fault.reads - before):
        with VideoDecoder(fault, index) as decoder:
            fault.fails(read)
            given = 0
            frames = decoder.read(ROWS)
            while (frame := taken(frames)) is not None:
                assert np.array_equal(frame, expected[ROWS[given]])
                given += 1
            assert given < len(ROWS)
            for row in (ROWS[given], 39, 0):
                assert np.array_equal(next(decoder.read([row])), expected[row])


def test_a_salvaged_video_loses_no_row_to_it(tmp_path):
    path = make_video(
        *(tmp_path / "a.mkv", 40, "mpeg4"), gop=10, bframes=0, size=(160, 120)
    )
    data = bytearray(Path(path).read_bytes())
    with beam_scanner.video.open(path) as video:
        at = int(video.index.seek_pos[2])
    data[at + 500 : at + 1500] = b"\xff" * 1000
    Path(path).write_bytes(data)
    fault = Fault(path, ERRORS[0])
    index = index_video(fault, damage="salvage")
    assert 0 < len(index.lost_rows) <= 10
    # Making sure of the good rows reads, too.
    for read in range(fault.reads):
        fault.fails(read)
        with pytest.raises(StorageError):
            index_video(fault, damage="salvage")


def test_a_file_that_becomes_shorter(tmp_path):
    """What only the pass over the packets saw is not left out without a word."""
    path = make_video(tmp_path / "a.ts", 40, size=(160, 120))
    fault, opened = Fault(path, ERRORS[0]), []

    def shrinking() -> io.BytesIO:
        opened.append(1)
        # The fingerprint, the lengths of boxes, the packets; then the frames.
        return io.BytesIO(fault.data[: None if len(opened) < 4 else 188 * 30])

    with pytest.raises(StorageError, match=r"40 packets at first and \d+ when"):
        index_video(shrinking)


def test_ingest_tries_again_and_stores_no_damage(tmp_path, monkeypatch):
    fault = Fault(make_video(tmp_path / "a.ts", 40, size=(160, 120)), ERRORS[0])
    whole = index_video(fault)
    first = fault.reads
    monkeypatch.setattr(source, "open_file", lambda url: fault())
    client = Client(db_path=str(tmp_path / "db"))
    how: dict[str, Any] = {"verify": True, "force": True, "damage": "salvage"}
    fault.fails(first // 2)
    tables, failures = client.ingest_videos([("a", "gs://bucket/a.ts")], **how)
    assert not failures
    stream = NamedVideoStream(client, "a")
    assert stream.len() == tables[0].num_rows() == len(whole)
    assert stream.lost_rows().tolist() == []
    before = stream.descriptor()
    fault.fails(5, count=1 << 30)
    with pytest.raises(ScannerException, match=r"cannot be (read|opened): timed out"):
        client.ingest_videos([("a", "gs://bucket/a.ts")], **how)
    assert stream.descriptor() == before


def test_a_disk_that_fails(path):
    """FFmpeg's error is that of a damaged file; reading it tells which it is."""
    told = av.error.OSError(errno.EIO, "Input/output error")
    fault = Fault(path, OSError(errno.EIO, "Input/output error"))
    source.check_readable(fault, told)
    fault.fails(0)
    with pytest.raises(StorageError, match="Input/output error"):
        source.check_readable(fault, told)
    fault.fails(0)
    source.check_readable(fault, av.error.InvalidDataError(1, "Invalid data"))


def test_opening():
    def unreachable():
        raise TimeoutError("no route")

    for call in (index_video, fingerprint):
        with pytest.raises(StorageError, match="cannot be opened: no route"):
            call(unreachable)

    def refused():
        raise PermissionError("not for you")

    with pytest.raises(VideoError, match="cannot be opened: not for you"):
        index_video(refused)


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_interrupt_stays_one(path, error):
    fault = Fault(path, error)
    index = index_video(fault)
    reads = fault.reads
    for read in range(0, reads, 3):
        fault.fails(read, count=1 + 1000 * (read % 2))
        with pytest.raises(type(error)) as caught:
            index_video(fault)
        assert caught.value is error
    fault.failing, before = range(0), fault.reads
    with VideoDecoder(fault, index) as decoder:
        list(decoder.read(ROWS))
    for read in range(0, fault.reads - before, 3):
        with VideoDecoder(fault, index) as decoder:
            fault.fails(read)
            with pytest.raises(type(error)) as caught:
                list(decoder.read(ROWS))
            assert caught.value is error
            assert len(list(decoder.read(ROWS))) == len(ROWS)


def test_an_interrupted_ingest_is_not_tried_again(tmp_path, monkeypatch):
    fault = Fault(make_video(tmp_path / "a.mkv", 40), BY_USER)
    index_video(fault)
    monkeypatch.setattr(source, "open_file", lambda url: fault())
    client = Client(db_path=str(tmp_path / "db"))
    stream = NamedVideoStream(client, "a", path="gs://bucket/a.mkv")
    first = fault.reads // 2
    fault.reads = 0
    fault.fails(first)
    with pytest.raises(KeyboardInterrupt):
        Ingest()(stream)
    assert fault.reads == first + 1


def test_fingerprint(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"")
    with pytest.raises(VideoError, match="is empty"):
        fingerprint(path)
    seen = set()
    for size in (1, 100, 200_000, 200_001, 5_000_000):
        for place in (None, 0, size - 1):
            data = bytearray(size)
            if place is not None:
                data[place] = 1
            path.write_bytes(data)
            seen.add(fingerprint(path))
    assert len(seen) == 2 + 4 * 3
    assert fingerprint(path) == fingerprint(lambda: io.BytesIO(path.read_bytes()))
