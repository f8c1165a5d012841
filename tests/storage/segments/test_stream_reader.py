"""Streams of several segments, read as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import StorageError
from beam_scanner.rows.gops import DecodePosition
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.segments.stream_reader import StreamReader, stored_gops
from beam_scanner.storage.stored_rows import Publication
from tests.support.video_fixtures import frame_number, numbered_frames
from tests.support.video_segments import LOSSLESS, write_segments


@pytest.fixture
def film(storage: NamedStorage) -> NamedVideoStream:
    """Twelve frames in segments of 7 and 5, a keyframe every 5."""
    stream = NamedVideoStream(storage, "film")
    frames = list(numbered_frames(12))
    stream.publish(Publication("g1", write_segments(stream, frames, [7], LOSSLESS)))
    return stream


def reader(stream: NamedStream) -> StreamReader:
    return StreamReader(stream.storage().store(), stream.descriptor())


def test_keyframes_are_those_of_all_segments(film: NamedVideoStream) -> None:
    with reader(film) as rows:
        assert rows.keyframes is not None
        keyframes = rows.keyframes.tolist()
        # The encoder may put more of them where pictures change much.
        assert {0, 7} <= set(keyframes)
        assert max(np.diff([*keyframes, 12])) <= 5
        assert rows.gop_bytes is not None
        assert len(rows.gop_bytes) == len(keyframes)
        assert (rows.gop_bytes > 0).all()
        assert rows.frame_bytes == 64 * 48 * 3
        assert [frame_number(frame) for frame in rows.read([4, 6, 7, 11])] == [
            4,
            6,
            7,
            11,
        ]
        position = DecodePosition(rows.keyframes)
        wanted = sum(position.advance(row) for row in [4, 6, 7, 11])
        assert rows.counters()["frames_decoded"] == wanted


def test_another_position_is_another_reader(film: NamedVideoStream) -> None:
    with reader(film) as rows, rows.reopen() as other:
        assert other is not rows
        rows.read([6])
        assert other.counters()["frames_decoded"] == 0
        assert other.display == rows.display


def test_blobs_have_no_keyframes_and_one_position(storage: NamedStorage) -> None:
    stream = NamedStream(storage, "blobs")
    stream.save([b"a", b"b"])
    assert stored_gops(stream.descriptor()) == (None, None)
    with reader(stream) as rows:
        assert (rows.keyframes, rows.gop_bytes, rows.display) == (None, None, None)
        assert rows.reopen() is rows
        assert rows.read([1]) == [b"b"]


def test_every_exact_frame_is_a_keyframe(storage: NamedStorage) -> None:
    stream = NamedVideoStream(storage, "exact")
    frames = [np.full((2, 3), row, np.float32) for row in range(4)]
    video = list(numbered_frames(3))
    stream.publish(
        Publication("g1", write_segments(stream, video + frames, [3], LOSSLESS))
    )
    found, _ = stored_gops(stream.descriptor())
    assert found is not None
    assert found.tolist()[-4:] == [3, 4, 5, 6]
    assert found[0] == 0
    with reader(stream) as rows:
        for row, frame in enumerate(rows.read([3, 6])):
            np.testing.assert_array_equal(frame, frames[3 * row])


def test_a_record_that_lacks_something_is_damage(tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "blobs")
    stream.save([b"a", b"b"])
    found = stream.descriptor()
    lacking = {k: v for k, v in found.segments[0].items() if k != "kind"}
    damaged = replace(found, segments=(lacking,))
    with pytest.raises(
        StorageError, match=r"'blobs' is damaged: .* row 0 on .KeyError"
    ):
        StreamReader(stream.storage().store(), damaged).read([0])
